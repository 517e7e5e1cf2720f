/* SPDX-License-Identifier: Apache-2.0 */
/* Files: whole reads with a known size, and replacing a file so that a crash leaves the old one or
 * the new one. */
#include "formats/safetensors/file.h"

#include "base/error.h"
#include "base/text.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
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

/* ---- names in the folder ---- */

/* The folder that a path lies in, open, and where in the path the file's own name begins. All of
 * the work is done relative to it: a path that is just short enough stays so with a suffix. */
typedef struct place {
    int folder;
    const char *base;
} place;

/* False, with the reason in errno, when the folder cannot be opened. */
static bool open_place(nncf_context *context, const char *path, place *p)
{
    nncf__text folder = {.context = context};
    const char *slash = strrchr(path, '/');
    nncf__text_append(&folder, slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1);
    p->folder = folder.failed ? -1 : open(folder.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    p->base = slash ? slash + 1 : path;
    int saved = folder.failed ? ENOMEM : errno;
    nncf__text_free(&folder);
    errno = saved;
    return p->folder >= 0;
}

/* A name that is likely not taken: the base, cut so that the suffix fits into NAME_MAX, and a
 * number that differs between attempts, calls and processes, also of equal ids as containers have
 * them. So files left by a killed process do no harm. */
static void temporary_name(char name[NAME_MAX + 1], const char *base, int attempt)
{
    char suffix[64];
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t number =
        ((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec) * 128 + (uint64_t)attempt;
    const int n = snprintf(suffix, sizeof suffix, ".tmp-%ld-%" PRIx64, (long)getpid(), number);
    size_t length = strlen(base);
    if (length > NAME_MAX - (size_t)n)
        for (length = NAME_MAX - (size_t)n; ((unsigned char)base[length] & 0xc0) == 0x80;)
            length--; /* not in the middle of a character */
    memcpy(name, base, length);
    memcpy(name + length, suffix, (size_t)n + 1);
}

/* ---- a new file in place of an old one ---- */

/* What is at the path already. */
typedef struct target {
    bool exists;
    struct stat info;
} target;

/* A new file in the folder. One that replaces another is private until it has the
 * other's mode; a new one has what the umask leaves. -1 and errno. */
static int create_temporary(const place *p, const target *old, char name[NAME_MAX + 1])
{
    for (int i = 0; i < TEMPORARY_TRIES; i++) {
        temporary_name(name, p->base, i);
        int fd = openat(
            p->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, old->exists ? 0600 : 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* Mode, group and owner of the old file, as far as the process may set them. Bits that give away
 * the rights of an owner or group are kept only with that owner or group. */
static void take_over_mode(int fd, const target *old)
{
    const struct stat *info = &old->info;
    mode_t mode = info->st_mode & 07777;
    struct stat now;
    if (fstat(fd, &now) != 0)
        return;
    if (now.st_gid != info->st_gid && fchown(fd, (uid_t)-1, info->st_gid) != 0)
        mode &= (mode_t) ~(S_ISGID | S_IRWXG);
    if (now.st_uid != info->st_uid && fchown(fd, info->st_uid, (gid_t)-1) != 0)
        mode &= (mode_t)~S_ISUID;
    (void)fchmod(fd, mode); /* a file system without modes has none to keep */
}

static nncf_status cannot_create(nncf_error *err, int saved, const char *path)
{
    if (saved == ENOMEM)
        return nncf__fail(err, NNCF_E_NOMEM, path, "out of memory");
    return nncf__fail_errno(err, saved, path, "cannot create a file beside \"%s\"", path);
}

/* Look at what is there; only a regular file is replaced. */
static nncf_status look(
    const place *p, const char *name, const char *path, target *old, nncf_error *err)
{
    old->exists = fstatat(p->folder, name, &old->info, AT_SYMLINK_NOFOLLOW) == 0;
    if (old->exists && !S_ISREG(old->info.st_mode))
        return nncf__fail(err, NNCF_E_IO, path,
            "\"%s\" exists and is not a regular file, so it is not replaced; use "
            "another path",
            path);
    return NNCF_OK;
}

bool nncf__file_put(nncf__file_sink *sink, const void *data, size_t size)
{
    return write_all(sink->fd, data, size) == NNCF_OK;
}

/* What a file is to hold: something that writes it. */
typedef struct content {
    nncf__file_fill *fill;
    void *user;
} content;

typedef struct part_list {
    const nncf__file_chunk *chunks;
    size_t count;
} part_list;

static bool fill_parts(void *user, nncf__file_sink *sink)
{
    const part_list *list = user;
    bool ok = true;
    for (size_t i = 0; ok && i < list->count; i++)
        ok = nncf__file_put(sink, list->chunks[i].data, list->chunks[i].size);
    return ok;
}

/* Fill the temporary file, give it the old one's mode, and sync it to the device; false: errno says
 * why. Closes it. */
static bool fill_temporary(int fd, const target *old, const content *what)
{
    nncf__file_sink sink = {fd};
    bool ok = what->fill(what->user, &sink);
    if (ok && old)
        take_over_mode(fd, old);
    ok = ok && fsync(fd) == 0;
    int saved = errno;
    if (close(fd) != 0 && ok) {
        saved = errno;
        ok = false;
    }
    errno = saved;
    return ok;
}

/* Give the file the second name `previous`, in place of what that was; false: errno says why. */
static bool keep_previous(const place *p, const char *previous)
{
    char name[NAME_MAX + 1];
    for (int i = 0; i < TEMPORARY_TRIES; i++) {
        temporary_name(name, previous, i);
        if (linkat(p->folder, p->base, p->folder, name, 0) == 0) {
            bool ok = renameat(p->folder, name, p->folder, previous) == 0;
            int saved = errno;
            /* still there also when both were names of one file: then rename does nothing */
            unlinkat(p->folder, name, 0);
            errno = saved;
            return ok;
        }
        if (errno != EEXIST)
            return errno == ENOENT; /* there was no file */
    }
    return false;
}

/* One replacement: the place, the data, and whether the old file is kept. */
typedef struct replacement {
    const char *path;
    place place;
    target old;
    /* name in the folder that the old file keeps; NULL: none */
    const char *previous;
} replacement;

static nncf_status put_in_place(
    const replacement *r, const char *temporary, int fd, const content *what, nncf_error *err)
{
    const place *p = &r->place;
    bool ok = fill_temporary(fd, r->old.exists ? &r->old : NULL, what);
    const bool written = ok;
    if (ok && r->previous)
        ok = keep_previous(p, r->previous);
    const bool kept = ok;
    ok = ok && renameat(p->folder, temporary, p->folder, p->base) == 0;
    if (ok)
        return NNCF_OK;
    int saved = errno;
    unlinkat(p->folder, temporary, 0);
    if (written && !kept)
        return nncf__fail_errno(err, saved, r->path,
            "cannot keep \"%s\" as \"%s\" (its file system must have hard "
            "links), so it is not replaced",
            r->path, r->previous);
    return nncf__fail_errno(err, saved, r->path, "cannot write \"%s\"", r->path);
}

static nncf_status replace(const replacement *r, const content *what, nncf_error *err)
{
    char temporary[NAME_MAX + 1];
    int fd = create_temporary(&r->place, &r->old, temporary);
    if (fd < 0)
        return cannot_create(err, errno, r->path);
    nncf_status status = put_in_place(r, temporary, fd, what, err);
    if (status != NNCF_OK)
        return status;
    /* EINVAL: a file system that syncs no folders */
    if (fsync(r->place.folder) != 0 && errno != EINVAL)
        return nncf__fail_errno(err, errno, r->path,
            "\"%s\" is written, but its folder could not be synced: a power "
            "failure may undo it",
            r->path);
    return NNCF_OK;
}

/* Names that cannot be created are refused before anything is. */
static nncf_status check_names(const replacement *r, nncf_error *err)
{
    if (!*r->place.base)
        return nncf__fail(err, NNCF_E_IO, r->path, "\"%s\" is a folder, not a file", r->path);
    if (strlen(r->place.base) > NAME_MAX || (r->previous && strlen(r->previous) > NAME_MAX))
        return nncf__fail_errno(err, ENAMETOOLONG, r->path, "cannot write \"%s\"%s", r->path,
            r->previous ? " and keep its previous generation" : "");
    return NNCF_OK;
}

static nncf_status replace_file(
    nncf_context *context, const char *path, bool keep, const content *what, nncf_error *err)
{
    replacement r = {.path = path};
    target previous;
    nncf__text name = {.context = context};
    if (!open_place(context, path, &r.place))
        return cannot_create(err, errno, path);
    if (keep)
        nncf__text_printf(&name, "%s" NNCF__PREVIOUS, r.place.base);
    r.previous = name.data;
    nncf_status status =
        name.failed ? nncf__fail(err, NNCF_E_NOMEM, path, "out of memory") : check_names(&r, err);
    if (status == NNCF_OK)
        status = look(&r.place, r.place.base, path, &r.old, err);
    if (status == NNCF_OK && keep)
        status = look(&r.place, r.previous, r.previous, &previous, err);
    if (status == NNCF_OK)
        status = replace(&r, what, err);
    close(r.place.folder);
    nncf__text_free(&name);
    return status;
}

nncf_status nncf__file_replace(nncf_context *context, const char *path,
    const nncf__file_chunk *chunks, size_t n_chunks, nncf_error *err)
{
    part_list list = {chunks, n_chunks};
    return replace_file(context, path, false, &(content){fill_parts, &list}, err);
}

nncf_status nncf__file_replace_keeping(nncf_context *context, const char *path,
    const nncf__file_chunk *chunks, size_t n_chunks, nncf_error *err)
{
    part_list list = {chunks, n_chunks};
    return replace_file(context, path, true, &(content){fill_parts, &list}, err);
}

nncf_status nncf__file_replace_by(
    nncf_context *context, const char *path, nncf__file_fill *fill, void *user, nncf_error *err)
{
    return replace_file(context, path, false, &(content){fill, user}, err);
}

static nncf_status not_regular(const char *path, nncf_error *err)
{
    return nncf__fail(err, NNCF_E_IO, path, "\"%s\" is not a regular file", path);
}

nncf_status nncf__file_open(const char *path, int *fd, uint64_t *size, nncf_error *err)
{
    struct stat info;
    /* before it is opened: opening alone does something to some devices */
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return not_regular(path, err);
    /* O_NONBLOCK: if it is a FIFO by now, it must not make us wait for a writer */
    int f = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f < 0)
        return nncf__fail_errno(err, errno, path, "cannot open \"%s\"", path);
    if (fstat(f, &info) != 0) {
        int saved = errno;
        close(f);
        return nncf__fail_errno(err, saved, path, "cannot read \"%s\"", path);
    }
    if (!S_ISREG(info.st_mode)) {
        close(f);
        return not_regular(path, err);
    }
    *fd = f;
    *size = (uint64_t)info.st_size;
    return NNCF_OK;
}

/* Up to `size` bytes, at least one. */
static nncf_status read_some(
    const nncf__source *source, void *data, size_t size, size_t *n, nncf_error *err)
{
    const char *name = source->name;
    size = size < write_limit ? size : write_limit;
    *n = 0;
    if (source->read) {
        if (source->read(source->user, data, size, n) != 0)
            return nncf__fail(
                err, NNCF_E_CALLBACK, name, "%s: the read callback %s", name, "reported a failure");
        if (*n > size)
            return nncf__fail(err, NNCF_E_CALLBACK, name, "%s: the read callback %s", name,
                "returned more bytes than were asked for");
    } else {
        ssize_t count;
        do
            count = read(source->fd, data, size);
        while (count < 0 && errno == EINTR);
        if (count < 0)
            return nncf__fail_errno(err, errno, name, "cannot read \"%s\"", name);
        *n = (size_t)count;
    }
    if (*n > 0)
        return NNCF_OK;
    return nncf__fail(
        err, NNCF_E_FORMAT, name, "\"%s\" ended before its announced size was read", name);
}

nncf_status nncf__source_read(const nncf__source *source, void *data, size_t size, nncf_error *err)
{
    char *p = data;
    while (size > 0) {
        size_t n;
        nncf_status status = read_some(source, p, size, &n, err);
        if (status != NNCF_OK)
            return status;
        p += n;
        size -= n;
    }
    return NNCF_OK;
}
