/* SPDX-License-Identifier: Apache-2.0 */
/* How a file is replaced: its mode and owner, names at the limits, what lies beside it; and what is
 * refused as a snapshot because it is no file. */
#include "support/files.h"
#include "support/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void make_folder(void)
{
    fx_folder_make();
    umask(022);
}

static nncf_status save(const char *path, bool keep, nncf_error *err)
{
    const nncf_checkpoint_save_params p = {
        NNCF_PARAMS(nncf_checkpoint_save_params), .keep_previous = keep};
    return nncf_checkpoint_save(NULL, path, NULL, 0, &p, err);
}

static void save_or_fail(const char *path, bool keep)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    ck_assert_msg(save(path, keep, &err) == NNCF_OK, "%s", err.message);
    ck_assert_msg(nncf_checkpoint_open(NULL, path, NULL, &c, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint_close(c);
}

static struct stat look(const char *path)
{
    struct stat info;
    ck_assert_int_eq(stat(path, &info), 0);
    return info;
}

START_TEST(a_replaced_file_keeps_its_mode)
{
    static const mode_t modes[] = {0600, 0644, 0640, 0664, 0444, 0400, 0777, 04711};
    umask(027);
    save_or_fail(fx_path("new"), false); /* a new one is as the umask says */
    ck_assert_uint_eq(look(fx_path("new")).st_mode & 07777, 0640);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        save_or_fail(fx_path("a"), false);
        ck_assert_int_eq(chmod(fx_path("a"), modes[i]), 0);
        const ino_t before = look(fx_path("a")).st_ino;
        save_or_fail(fx_path("a"), i % 2);
        ck_assert_uint_ne(look(fx_path("a")).st_ino, before);
        ck_assert_msg((look(fx_path("a")).st_mode & 07777) == modes[i], "%o, not %o",
            look(fx_path("a")).st_mode & 07777, modes[i]);
        if (i % 2)
            ck_assert_uint_eq(look(fx_path("a.previous")).st_ino, before);
    }
}
END_TEST

/* Who may give files away keeps the owner; who may not keeps no right that was another's. */
START_TEST(a_replaced_file_keeps_its_owner)
{
    save_or_fail(fx_path("a"), false);
    if (chown(fx_path("a"), 12345, 23456) != 0) {
        printf("the owner is not tested: this is not root\n");
        return;
    }
    ck_assert_int_eq(chmod(fx_path("a"), 06775), 0);
    save_or_fail(fx_path("a"), false);
    struct stat info = look(fx_path("a"));
    ck_assert(info.st_uid == 12345 && info.st_gid == 23456 && (info.st_mode & 07777) == 06775);

    ck_assert_int_eq(chmod(fx_folder(), 0777), 0);
    ck_assert_int_eq(setegid(34567), 0);
    ck_assert_int_eq(seteuid(23456), 0);
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status = save(fx_path("a"), false, &err);
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(setegid(0), 0);
    ck_assert_msg(status == NNCF_OK, "%s", err.message);
    info = look(fx_path("a"));
    ck_assert(info.st_uid == 23456 && info.st_gid == 34567);
    ck_assert_uint_eq(info.st_mode & 07777, 0705);
}
END_TEST

/* What processes of the same id were killed in the middle of: containers give the same id again and
 * again. */
START_TEST(stale_temporaries_are_in_nobodys_way)
{
    enum { STALE = 300 };
    for (int i = 0; i < STALE; i++) {
        char name[64];
        snprintf(name, sizeof name, i % 2 ? "a.tmp-%ld-%d" : "a.previous.tmp-%ld-%d",
            (long)getpid(), i / 2);
        int fd = open(fx_path(name), O_CREAT | O_WRONLY, 0600);
        ck_assert_int_ge(fd, 0);
        close(fd);
    }
    save_or_fail(fx_path("a"), true);
    save_or_fail(fx_path("a"), true);
    ck_assert_int_eq(fx_entries(), STALE + 2);
}
END_TEST

START_TEST(names_of_any_length_are_replaced)
{
    char name[NAME_MAX + 2];
    nncf_error err = NNCF_ERROR_INIT;
    for (size_t n = NAME_MAX - 40; n <= NAME_MAX; n++) { /* two bytes a character */
        for (size_t i = 0; i < n; i++)
            name[i] = "\xc3\xa4"[(i + n) % 2];
        name[0] = n % 2 ? 'x' : name[0];
        name[n] = 0;
        save_or_fail(fx_path(name), false);
        save_or_fail(fx_path(name), false);
        ck_assert_int_eq(fx_entries(), 1);
        if (n + strlen(".previous") <= NAME_MAX) {
            save_or_fail(fx_path(name), true);
            ck_assert_int_eq(fx_entries(), 2);
            char previous[NAME_MAX + 16];
            snprintf(previous, sizeof previous, "%s.previous", name);
            ck_assert_int_eq(unlink(fx_path(previous)), 0);
        } else { /* refused before anything is written */
            ck_assert_int_eq(save(fx_path(name), true, &err), NNCF_E_IO);
            ck_assert_int_eq(err.os_errno, ENAMETOOLONG);
            ck_assert_int_eq(fx_entries(), 1);
        }
        ck_assert_int_eq(unlink(fx_path(name)), 0);
    }
    memset(name, 'a', NAME_MAX + 1);
    name[NAME_MAX + 1] = 0;
    ck_assert_int_eq(save(fx_path(name), false, &err), NNCF_E_IO);
    ck_assert_int_eq(err.os_errno, ENAMETOOLONG);
    ck_assert_int_eq(save(fx_path(""), false, &err), NNCF_E_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "folder"));
    ck_assert_int_eq(fx_entries(), 0);
}
END_TEST

/* A path that has not one byte left for a suffix. */
START_TEST(the_longest_path_is_written)
{
    char path[PATH_MAX];
    size_t n = (size_t)snprintf(path, sizeof path, "%s", fx_folder());
    while (n < PATH_MAX - 1 - 110) {
        n += (size_t)snprintf(path + n, sizeof path - n, "/%0100d", 0);
        ck_assert_int_eq(mkdir(path, 0700), 0);
    }
    path[n++] = '/';
    memset(path + n, 'f', PATH_MAX - 1 - n);
    path[PATH_MAX - 1] = 0;
    save_or_fail(path, false);
    save_or_fail(path, false);
}
END_TEST

/* Refused at once, and not even opened: some devices act on that. */
START_TEST(what_is_no_file_is_refused)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", fx_path("socket"));
    const int s = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(s, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(mkfifo(fx_path("fifo"), 0600), 0);
    ck_assert_int_eq(symlink("fifo", fx_path("link")), 0);
    const char *const paths[] = {fx_folder(), "/dev/null", "/dev/zero", "/dev/ptmx",
        fx_path("fifo"), fx_path("socket"), fx_path("link")};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ck_assert_int_eq(nncf_checkpoint_open(NULL, paths[i], NULL, &c, &err), NNCF_E_IO);
        ck_assert_msg(strstr(err.message, "is not a regular file") != NULL, "%s", err.message);
        ck_assert_int_eq(save(paths[i], false, &err), NNCF_E_IO);
        ck_assert_msg(strstr(err.message, "not a regular file") != NULL, "%s", err.message);
    }
    close(s);
    /* a link to a file is read, but not replaced */
    save_or_fail(fx_path("a"), false);
    ck_assert_int_eq(symlink("a", fx_path("to-a")), 0);
    ck_assert_int_eq(nncf_checkpoint_open(NULL, fx_path("to-a"), NULL, &c, &err), NNCF_OK);
    nncf_checkpoint_close(c);
    ck_assert_int_eq(save(fx_path("to-a"), false, &err), NNCF_E_IO);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file");
    TCase *tc = fx_case(suite, "file", 60);
    tcase_add_checked_fixture(tc, make_folder, fx_folder_remove);
    tcase_add_test(tc, a_replaced_file_keeps_its_mode);
    tcase_add_test(tc, a_replaced_file_keeps_its_owner);
    tcase_add_test(tc, stale_temporaries_are_in_nobodys_way);
    tcase_add_test(tc, names_of_any_length_are_replaced);
    tcase_add_test(tc, the_longest_path_is_written);
    tcase_add_test(tc, what_is_no_file_is_refused);
    return fx_main(suite);
}
