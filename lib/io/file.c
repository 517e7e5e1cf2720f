/* SPDX-License-Identifier: Apache-2.0 */
/* Files: whole reads with a known size, and replacing a file so that a crash leaves the old one or the new one. */
#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEMPORARY_TRIES = 100 };
/* One write() moves at most 2 GiB on Linux; stay below. */
static const size_t write_limit = (size_t)1 << 30;

static nncf_status write_all(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size < write_limit ? size : write_limit);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return NNCF_E_IO;
        }
        p += n;
        size -= (size_t)n;
    }
    return NNCF_OK;
}

/* A new file beside `path`, with the permissions that the umask leaves. */
static int create_temporary(const char *path, nncf__text *name)
{
    for (int i = 0; i < TEMPORARY_TRIES; i++) {
        name->length = 0;
        nncf__text_printf(name, "%s.tmp-%ld-%d", path, (long)getpid(), i);
        if (name->failed) {
            errno = ENOMEM;
            return -1;
        }
        int fd = open(name->data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* The folder that `path` lies in, open for fsync; -1 and errno. */
static int open_folder(nncf_context *context, const char *path)
{
    nncf__text folder = {.context = context};
    const char *slash = strrchr(path, '/');
    nncf__text_append(&folder, slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1);
    int fd = folder.failed ? -1 : open(folder.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int saved = folder.failed ? ENOMEM : errno;
    nncf__text_free(&folder);
    errno = saved;
    return fd;
}

static nncf_status cannot_create(nncf_error *err, int saved, const char *path)
{
    if (saved == ENOMEM)
        return nncf__fail(err, NNCF_E_NOMEM, path, "out of memory");
    return nncf__fail_errno(err, saved, path, "cannot create a file beside \"%s\"", path);
}

nncf_status nncf__file_replace(nncf_context *context, const char *path, const nncf__file_piece *pieces, size_t n_pieces,
                               nncf_error *err)
{
    nncf__text name = {.context = context};
    struct stat target;
    if (lstat(path, &target) == 0 && !S_ISREG(target.st_mode))
        return nncf__fail(err, NNCF_E_IO, path,
                          "\"%s\" is there and is not a regular file, so it is not replaced; give another path", path);
    int folder = open_folder(context, path); /* first, so that once the file is in place little is left to fail */
    if (folder < 0)
        return cannot_create(err, errno, path);
    int fd = create_temporary(path, &name), saved = errno;
    if (fd < 0) {
        close(folder);
        nncf__text_free(&name);
        return cannot_create(err, saved, path);
    }
    nncf_status status = NNCF_OK;
    for (size_t i = 0; status == NNCF_OK && i < n_pieces; i++)
        status = write_all(fd, pieces[i].data, pieces[i].size);
    if (status == NNCF_OK && fsync(fd) != 0)
        status = NNCF_E_IO;
    saved = errno;
    if (close(fd) != 0 && status == NNCF_OK) {
        saved = errno;
        status = NNCF_E_IO;
    }
    if (status == NNCF_OK && rename(name.data, path) != 0) {
        saved = errno;
        status = NNCF_E_IO;
    }
    if (status != NNCF_OK) {
        unlink(name.data);
        close(folder);
        nncf__text_free(&name);
        return nncf__fail_errno(err, saved, path, "cannot write \"%s\"", path);
    }
    nncf__text_free(&name);
    saved = fsync(folder) != 0 && errno != EINVAL ? errno : 0; /* EINVAL: a file system that syncs no folders */
    close(folder);
    if (saved != 0)
        return nncf__fail_errno(err, saved, path,
                                "\"%s\" is written, but its folder could not be synced: a power failure may undo it",
                                path);
    return NNCF_OK;
}

nncf_status nncf__file_open(const char *path, int *fd, uint64_t *size, nncf_error *err)
{
    struct stat info;
    /* O_NONBLOCK: a fifo must not make us wait for a writer before it can be refused */
    int f = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f < 0)
        return nncf__fail_errno(err, errno, path, "cannot open \"%s\"", path);
    if (fstat(f, &info) != 0) {
        int saved = errno;
        close(f);
        return nncf__fail_errno(err, saved, path, "cannot read \"%s\"", path);
    }
    if (!S_ISREG(info.st_mode)) {
        close(f);
        return nncf__fail(err, NNCF_E_IO, path, "\"%s\" is not a regular file", path);
    }
    *fd = f;
    *size = (uint64_t)info.st_size;
    return NNCF_OK;
}

nncf_status nncf__file_read(int fd, const char *path, void *data, size_t size, nncf_error *err)
{
    char *p = data;
    while (size > 0) {
        ssize_t n = read(fd, p, size < write_limit ? size : write_limit);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return nncf__fail_errno(err, errno, path, "cannot read \"%s\"", path);
        if (n == 0)
            return nncf__fail(err, NNCF_E_FORMAT, path, "\"%s\" became shorter while it was read", path);
        p += n;
        size -= (size_t)n;
    }
    return NNCF_OK;
}
