/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that fail, stop half-way or kill the process on demand. syscalls.c defines open,
 * openat, write, fsync, close, renameat, linkat and unlinkat; linked into a test program it takes
 * the place of the C library's in all of the program.
 */
#ifndef SYSCALLS_H
#define SYSCALLS_H

#include <stdbool.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_KILL, /* SIGKILL instead of the call */
    FAULT_KILL_HALF, /* a write writes half of its bytes first */
    FAULT_ERROR, /* the call fails with `error` */
    FAULT_PERSISTENT, /* it and every later one but close */
    FAULT_SHORT, /* a write writes one byte and says so */
    FAULT_FULL /* a write writes half of its bytes; every later one fails with ENOSPC */
};

typedef struct fault_plan {
    bool armed; /* count and fail; otherwise calls pass */
    enum fault_kind kind;
    int at; /* the call that it happens to, from 1 */
    int error;
    int count; /* calls so far */
    char log[256]; /* a letter a call: o w f c r l u */
} fault_plan;

extern fault_plan fault;

/* Count from 0 again, with this fault. */
void fault_arm(enum fault_kind kind, int at, int error);
void fault_disarm(void);

#endif
