/* SPDX-License-Identifier: Apache-2.0 */
/* A real full disk: a small tmpfs in a mount namespace of our own. Exit status 77 (skipped) where
 * that is not permitted; the simulated one of test_kill.c runs everywhere. */
#include "generations.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

static generations g;
static char folder[] = "/tmp/nncf-tmpfs-XXXXXX";

static void begin(void)
{
    gen_begin(&g, folder);
}

static void end(void)
{
    gen_end(&g);
}

static bool put_line(const char *path, const char *line)
{
    FILE *f = fopen(path, "w");
    bool ok = f && fputs(line, f) >= 0;
    return f && fclose(f) == 0 && ok;
}

/* A mount namespace; for others than root in a user namespace where they are root. */
static bool enter_namespace(void)
{
    char users[32], groups[32];
    snprintf(users, sizeof users, "0 %u 1", (unsigned)getuid());
    snprintf(groups, sizeof groups, "0 %u 1", (unsigned)getgid());
    if (unshare(CLONE_NEWNS) == 0)
        return true;
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && put_line("/proc/self/setgroups", "deny") &&
        put_line("/proc/self/uid_map", users) && put_line("/proc/self/gid_map", groups);
}

/* Room for one snapshot and a half. */
static bool mount_small(void)
{
    return enter_namespace() && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("tmpfs", folder, "tmpfs", 0, "size=200k") == 0;
}

START_TEST(a_full_disk_leaves_the_old_snapshot)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(gen_save(&g, 1, false, &err) == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(gen_save(&g, 2, false, &err), NNCF_E_IO); /* old and new do not fit at once */
    ck_assert_int_eq(err.os_errno, ENOSPC);
    ck_assert_ptr_nonnull(strstr(err.message, g.path));
    ck_assert_ptr_nonnull(strstr(err.message, "No space left on device"));
    printf("%s\n", err.message);
    ck_assert_int_eq(gen_load(&g, g.path), 1);
    ck_assert_int_eq(gen_files(&g), 1);
    ck_assert_int_eq(unlink(g.path), 0); /* with room it works again */
    ck_assert_int_eq(gen_save(&g, 3, false, &err), NNCF_OK);
    ck_assert_int_eq(gen_load(&g, g.path), 3);
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    if (!mount_small()) {
        printf("skipped: a tmpfs cannot be mounted here (%s)\n", strerror(errno));
        rmdir(folder);
        return 77;
    }
    Suite *suite = suite_create("disk_full");
    TCase *tc = fx_case(suite, "disk_full", 60);
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, a_full_disk_leaves_the_old_snapshot);
    const int status = fx_main(suite);
    umount2(folder, MNT_DETACH);
    rmdir(folder);
    return status;
}
