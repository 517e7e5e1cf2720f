/* SPDX-License-Identifier: Apache-2.0 */
#include "syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

fault_plan fault;

void fault_arm(enum fault_kind kind, int at, int error)
{
    fault = (fault_plan){.armed = true, .kind = kind, .at = at, .error = error};
}

void fault_disarm(void)
{
    fault.armed = false;
}

static void die(void)
{
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

/* Count a call; true when it is to fail, with errno set. */
static bool strikes(char letter)
{
    if (!fault.armed)
        return false;
    if (fault.count < (int)sizeof fault.log - 1)
        fault.log[fault.count] = letter;
    fault.count++;
    if (fault.kind == FAULT_PERSISTENT && fault.count >= fault.at && letter != 'c') {
        errno = fault.error;
        return true;
    }
    if (fault.count != fault.at)
        return false;
    if (fault.kind == FAULT_KILL)
        die();
    errno = fault.error;
    return fault.kind == FAULT_ERROR;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
    va_end(arguments);
    return strikes('o') ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t write(int fd, const void *data, size_t size)
{
    if (strikes('w'))
        return -1;
    if (fault.armed && fault.kind == FAULT_FULL && fault.count > fault.at) {
        errno = ENOSPC;
        return -1;
    }
    if (!fault.armed || fault.count != fault.at)
        return syscall(SYS_write, fd, data, size);
    if (fault.kind == FAULT_KILL_HALF || fault.kind == FAULT_FULL) {
        ssize_t n = syscall(SYS_write, fd, data, (size + 1) / 2);
        if (fault.kind == FAULT_KILL_HALF)
            die();
        return n;
    }
    return syscall(SYS_write, fd, data, fault.kind == FAULT_SHORT ? 1 : size);
}

int fsync(int fd)
{
    return strikes('f') ? -1 : (int)syscall(SYS_fsync, fd);
}

int close(int fd)
{
    int result = (int)syscall(SYS_close, fd); /* a close that fails has closed all the same */
    return strikes('c') ? -1 : result;
}

int openat(int folder, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
    va_end(arguments);
    return strikes('o') ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return strikes('r') ? -1 : (int)syscall(SYS_renameat, from_folder, from, to_folder, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    return strikes('l') ? -1 : (int)syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
}

int unlinkat(int folder, const char *path, int flags)
{
    return strikes('u') ? -1 : (int)syscall(SYS_unlinkat, folder, path, flags);
}
