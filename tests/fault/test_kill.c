/* SPDX-License-Identifier: Apache-2.0 */
/* Saving that is killed, fails or finds no room, at every system call and at random moments: what
 * is loaded afterwards is the old snapshot or the new one. */
#include "generations.h"
#include "support/runner.h"
#include "syscalls.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static generations g;

static void begin(void)
{
    gen_begin(&g, gen_parent());
}

static void end(void)
{
    fault_disarm();
    gen_end(&g);
}

static nncf_status save(int generation, bool keep, nncf_error *err)
{
    nncf_error unused = NNCF_ERROR_INIT;
    return gen_save(&g, generation, keep, err ? err : &unused);
}

/* System calls of one save over an existing file, as letters. */
static int calls_of_a_save(bool keep, char log[256])
{
    ck_assert_int_eq(save(1, keep, NULL), NNCF_OK);
    ck_assert_int_eq(save(2, keep, NULL), NNCF_OK);
    fault_arm(FAULT_NONE, 0, 0);
    ck_assert_int_eq(save(3, keep, NULL), NNCF_OK);
    fault_disarm();
    memcpy(log, fault.log, 256);
    return fault.count;
}

/* The data is on the device before the file gets its name, and the name before the call returns. */
START_TEST(data_is_synced_before_the_rename_and_the_folder_after)
{
    char log[256];
    int n = calls_of_a_save(_i == 1, log);
    char *rename_at = strrchr(log, 'r'), *fsync_at = strchr(log, 'f');
    ck_assert_msg(rename_at && fsync_at, "%s", log);
    ck_assert(fsync_at < rename_at); /* the data before the rename */
    ck_assert(strchr(log, 'w') < fsync_at); /* written before it is synced */
    ck_assert_ptr_null(memchr(fsync_at, 'w', (size_t)(log + n - fsync_at)));
    ck_assert_ptr_nonnull(strchr(rename_at, 'f')); /* the folder after it */
    if (_i == 1)
        ck_assert(strchr(log, 'l') > fsync_at && strchr(log, 'l') < rename_at);
}
END_TEST

/* 1 when the child was killed, 0 when it ended by itself with success. */
static int wait_for(pid_t child)
{
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        ck_assert_int_eq(WTERMSIG(status), SIGKILL);
        return 1;
    }
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}

/* Old or new, and beside it the one before that. */
static void expect_whole(int old, int new, bool keep)
{
    int now = gen_load(&g, g.path), before = gen_load(&g, g.previous);
    ck_assert_msg(now == old || now == new, "generation %d, should be %d or %d", now, old, new);
    if (keep && old > 1)
        ck_assert_msg(
            before == now - 1 || before == now, "previous generation %d beside %d", before, now);
}

START_TEST(a_kill_at_any_call_leaves_a_whole_snapshot)
{
    const bool keep = _i & 1;
    const enum fault_kind kind = _i & 2 ? FAULT_KILL_HALF : FAULT_KILL;
    char log[256];
    int n = calls_of_a_save(keep, log), old_seen = 0, new_seen = 0, killed = 0;
    for (int at = 1; at <= n; at++) {
        gen_clear(&g);
        ck_assert_int_eq(save(1, keep, NULL), NNCF_OK);
        ck_assert_int_eq(save(2, keep, NULL), NNCF_OK);
        pid_t child = fork();
        if (child == 0) {
            fault_arm(kind, at, 0);
            _exit(save(3, keep, NULL) == NNCF_OK ? 0 : 1);
        }
        killed += wait_for(child);
        expect_whole(2, 3, keep);
        old_seen += gen_load(&g, g.path) == 2;
        new_seen += gen_load(&g, g.path) == 3;
        /* and the next save goes through, whatever lies about */
        ck_assert_int_eq(save(4, keep, NULL), NNCF_OK);
        ck_assert_int_eq(gen_load(&g, g.path), 4);
    }
    printf("killed at %d of %d system calls (%s), previous %s: old %d, new %d\n", killed, n,
        kind == FAULT_KILL ? "before each" : "half of each write", keep ? "kept" : "not kept",
        old_seen, new_seen);
    ck_assert(kind == FAULT_KILL_HALF || killed == n);
    ck_assert(old_seen > 0 && (new_seen > 0 || kind == FAULT_KILL_HALF));
}
END_TEST

START_TEST(a_kill_at_any_moment_leaves_a_whole_snapshot)
{
    enum { KILLS = 200, LONGEST_US = 12000 };
    volatile int *acknowledged =
        mmap(NULL, sizeof *acknowledged, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(acknowledged != MAP_FAILED);
    uint64_t state = 20;
    int generation = 1, advanced = 0, during = 0;
    ck_assert_int_eq(save(1, true, NULL), NNCF_OK);
    for (int i = 0; i < KILLS; i++) {
        *acknowledged = generation;
        pid_t child = fork();
        if (child == 0)
            for (int next = generation + 1;; next++) {
                if (save(next, true, NULL) != NNCF_OK)
                    _exit(1);
                *acknowledged = next;
            }
        usleep((useconds_t)(fx_next(&state) % LONGEST_US));
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        ck_assert_int_eq(wait_for(child), 1);
        int now = gen_load(&g, g.path), before = gen_load(&g, g.previous);
        ck_assert_msg(now == *acknowledged || now == *acknowledged + 1,
            "loaded %d after %d was saved", now, *acknowledged);
        ck_assert(before == now - 1 || before == now || (now == 1 && before == -1));
        advanced += now > generation;
        during += gen_files(&g) > 2;
        generation = now;
        /* temporary files of the killed: their names say whose they were */
        if (i % 20 == 19) {
            gen_clear(&g);
            ck_assert_int_eq(save(generation, false, NULL), NNCF_OK);
            ck_assert_int_eq(save(generation, true, NULL), NNCF_OK);
        }
    }
    printf("killed at %d random moments: %d generations saved, %d times new, %d times a temporary "
           "file was left\n",
        KILLS, generation, advanced, during);
    ck_assert_int_gt(
        generation, KILLS / 4); /* otherwise nothing was being saved when the kill came */
    munmap((void *)acknowledged, sizeof *acknowledged);
}
END_TEST

/* A failure says so, leaves the old snapshot, and no temporary file where removing it was possible.
 */
START_TEST(a_failure_of_any_call_leaves_a_whole_snapshot)
{
    const bool keep = _i & 1;
    static const int errors[] = {EIO, ENOSPC, EDQUOT};
    const enum fault_kind kind = _i & 2 ? FAULT_PERSISTENT : FAULT_ERROR;
    char log[256];
    int n = calls_of_a_save(keep, log), failed = 0;
    for (int at = 1; at <= n; at++) {
        for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
            nncf_error err = NNCF_ERROR_INIT;
            gen_clear(&g);
            ck_assert_int_eq(save(1, keep, NULL), NNCF_OK);
            ck_assert_int_eq(save(2, keep, NULL), NNCF_OK);
            fault_arm(kind, at, errors[e]);
            nncf_status status = save(3, keep, &err);
            fault_disarm();
            expect_whole(2, 3, keep);
            int now = gen_load(&g, g.path);
            if (status == NNCF_OK) { /* closing the folder, or removing a name that is gone, is of
                                        no consequence */
                ck_assert_msg(
                    log[at - 1] == 'c' || log[at - 1] == 'u', "'%c' went unnoticed", log[at - 1]);
                ck_assert_int_eq(now, 3);
                continue;
            }
            failed++;
            ck_assert_int_eq(status, NNCF_E_IO);
            ck_assert_int_eq(err.os_errno, errors[e]);
            ck_assert_ptr_nonnull(strstr(err.message, g.path));
            ck_assert_msg(now == 2 || strstr(err.message, "could not be synced"),
                "new in spite of: %s", err.message);
            if (kind == FAULT_ERROR)
                ck_assert_int_eq(gen_files(&g), keep ? 2 : 1);
        }
    }
    printf("%d failures of %d calls noticed, previous %s\n", failed, n, keep ? "kept" : "not kept");
    ck_assert_int_ge(failed, 3 * 5);
}
END_TEST

/* Failures that are none: a name that is taken already, a file that is gone before it gets its
 * second name, a file system that syncs no folders. */
START_TEST(failures_that_are_none)
{
    char log[256];
    int n = calls_of_a_save(true, log), tried = 0;
    for (int at = 2; at <= n; at++) {
        const char letter = log[at - 1];
        const bool last_sync = letter == 'f' && !strchr(log + at, 'f');
        const int error = letter == 'o' || letter == 'l' ? EEXIST : last_sync ? EINVAL : 0;
        if (!error)
            continue;
        ck_assert_int_eq(save(2, true, NULL), NNCF_OK);
        fault_arm(FAULT_ERROR, at, error);
        nncf_status status = save(3, true, NULL);
        fault_disarm();
        ck_assert_msg(status == NNCF_OK, "'%c'", letter);
        ck_assert_int_eq(gen_load(&g, g.path), 3);
        ck_assert_int_eq(gen_load(&g, g.previous), 2);
        tried++;
        if (letter != 'l')
            continue;
        fault_arm(FAULT_ERROR, at, ENOENT);
        ck_assert_int_eq(save(4, true, NULL), NNCF_OK);
        fault_disarm();
        ck_assert_int_eq(gen_load(&g, g.path), 4);
    }
    ck_assert_int_eq(tried, 3);
    /* but not every name is taken */
    ck_assert_int_eq(save(4, true, NULL), NNCF_OK);
    for (int at = 2; at <= n; at++) {
        nncf_error err = NNCF_ERROR_INIT;
        if (log[at - 1] != 'o' && log[at - 1] != 'l')
            continue;
        fault_arm(FAULT_PERSISTENT, at, EEXIST);
        nncf_status status = save(5, true, &err);
        fault_disarm();
        ck_assert_int_eq(status, NNCF_E_IO);
        ck_assert_int_eq(err.os_errno, EEXIST);
        ck_assert_int_eq(gen_load(&g, g.path), 4);
    }
}
END_TEST

START_TEST(short_and_interrupted_writes_are_continued)
{
    char log[256];
    int n = calls_of_a_save(false, log);
    for (int at = 1; at <= n; at++) {
        if (log[at - 1] != 'w')
            continue;
        fault_arm(FAULT_SHORT, at, 0);
        nncf_status status = save(4, false, NULL);
        fault_disarm();
        ck_assert_int_eq(status, NNCF_OK);
        ck_assert_int_eq(gen_load(&g, g.path), 4);
        fault_arm(FAULT_ERROR, at, EINTR);
        status = save(5, false, NULL);
        fault_disarm();
        ck_assert_int_eq(status, NNCF_OK);
        ck_assert_int_eq(gen_load(&g, g.path), 5);
    }
}
END_TEST

START_TEST(a_full_disk_at_any_write_leaves_a_whole_snapshot)
{
    char log[256];
    int n = calls_of_a_save(true, log), full = 0;
    for (int at = 1; at <= n; at++) {
        if (log[at - 1] != 'w')
            continue;
        nncf_error err = NNCF_ERROR_INIT;
        int before = gen_load(&g, g.path);
        fault_arm(FAULT_FULL, at, 0);
        nncf_status status = save(90, true, &err);
        fault_disarm();
        ck_assert_int_eq(status, NNCF_E_IO);
        ck_assert_int_eq(err.os_errno, ENOSPC);
        ck_assert_ptr_nonnull(strstr(err.message, "No space left on device"));
        ck_assert_int_eq(gen_load(&g, g.path), before);
        ck_assert_int_eq(gen_files(&g), 2);
        full++;
    }
    ck_assert_int_gt(full, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kill");
    TCase *tc = fx_case(suite, "kill", 240);
    setvbuf(stdout, NULL, _IOLBF, 0);
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_loop_test(tc, data_is_synced_before_the_rename_and_the_folder_after, 0, 2);
    tcase_add_loop_test(tc, a_kill_at_any_call_leaves_a_whole_snapshot, 0, 4);
    tcase_add_test(tc, a_kill_at_any_moment_leaves_a_whole_snapshot);
    tcase_add_loop_test(tc, a_failure_of_any_call_leaves_a_whole_snapshot, 0, 4);
    tcase_add_test(tc, failures_that_are_none);
    tcase_add_test(tc, short_and_interrupted_writes_are_continued);
    tcase_add_test(tc, a_full_disk_at_any_write_leaves_a_whole_snapshot);
    return fx_main(suite);
}
