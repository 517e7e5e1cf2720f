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

static nncf_status replaceable(const char *path, nncf_error *err)
{
    struct stat target;
    if (lstat(path, &target) == 0 && !S_ISREG(target.st_mode))
        return nncf__fail(err, NNCF_E_IO, path,
                          "\"%s\" is there and is not a regular file, so it is not replaced; give another path", path);
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

typedef struct piece_list {
    const nncf__file_piece *pieces;
    size_t count;
} piece_list;

static bool fill_pieces(void *user, nncf__file_sink *sink)
{
    const piece_list *list = user;
    bool ok = true;
    for (size_t i = 0; ok && i < list->count; i++)
        ok = nncf__file_put(sink, list->pieces[i].data, list->pieces[i].size);
    return ok;
}

/* Fill the temporary file and see it on the device; false: errno says why. Closes it. */
static bool fill_temporary(int fd, const content *what)
{
    nncf__file_sink sink = {fd};
    bool ok = what->fill(what->user, &sink) && fsync(fd) == 0;
    int saved = errno;
    if (close(fd) != 0 && ok) {
        saved = errno;
        ok = false;
    }
    errno = saved;
    return ok;
}

/* Give the file at `path` the second name `previous`, in place of what that was; false: errno says why. */
static bool keep_previous(const char *path, const char *previous, nncf__text *name)
{
    for (int i = 0; i < TEMPORARY_TRIES; i++) {
        name->length = 0;
        nncf__text_printf(name, "%s.tmp-%ld-%d", previous, (long)getpid(), i);
        if (name->failed) {
            errno = ENOMEM;
            return false;
        }
        if (link(path, name->data) == 0) {
            bool ok = rename(name->data, previous) == 0;
            int saved = errno;
            unlink(name->data); /* still there also when both were names of one file: then rename does nothing */
            errno = saved;
            return ok;
        }
        if (errno != EEXIST)
            return errno == ENOENT; /* there was no file */
    }
    return false;
}

/* Name of a temporary file, and of the previous generation when that is to be kept. */
typedef struct names {
    nncf__text temporary, previous, link;
} names;

static nncf_status put_in_place(const char *path, int fd, const content *what, names *n, nncf_error *err)
{
    bool ok = fill_temporary(fd, what);
    const bool written = ok;
    if (ok && n->previous.data)
        ok = keep_previous(path, n->previous.data, &n->link);
    const bool kept = ok;
    ok = ok && rename(n->temporary.data, path) == 0;
    if (ok)
        return NNCF_OK;
    int saved = errno;
    unlink(n->temporary.data);
    if (saved == ENOMEM && n->link.failed)
        return nncf__fail(err, NNCF_E_NOMEM, path, "out of memory");
    if (written && !kept)
        return nncf__fail_errno(err, saved, path,
                                "cannot keep \"%s\" as \"%s\" (its file system must have hard links), so it is not "
                                "replaced",
                                path, n->previous.data);
    return nncf__fail_errno(err, saved, path, "cannot write \"%s\"", path);
}

static nncf_status replace(const char *path, int folder, const content *what, names *n, nncf_error *err)
{
    int fd = create_temporary(path, &n->temporary);
    if (fd < 0)
        return cannot_create(err, errno, path);
    nncf_status status = put_in_place(path, fd, what, n, err);
    if (status != NNCF_OK)
        return status;
    if (fsync(folder) != 0 && errno != EINVAL) /* EINVAL: a file system that syncs no folders */
        return nncf__fail_errno(err, errno, path,
                                "\"%s\" is written, but its folder could not be synced: a power failure may undo it",
                                path);
    return NNCF_OK;
}

static nncf_status replace_file(nncf_context *context, const char *path, bool keep, const content *what,
                                nncf_error *err)
{
    names n = {{.context = context}, {.context = context}, {.context = context}};
    nncf_status status = replaceable(path, err);
    if (status == NNCF_OK && keep) {
        nncf__text_printf(&n.previous, "%s" NNCF__PREVIOUS, path);
        status = n.previous.failed ? nncf__fail(err, NNCF_E_NOMEM, path, "out of memory")
                                   : replaceable(n.previous.data, err);
    }
    if (status == NNCF_OK) {
        int folder = open_folder(context, path); /* first, so that once the file is in place little is left to fail */
        if (folder < 0) {
            status = cannot_create(err, errno, path);
        } else {
            status = replace(path, folder, what, &n, err);
            close(folder);
        }
    }
    nncf__text_free(&n.temporary);
    nncf__text_free(&n.previous);
    nncf__text_free(&n.link);
    return status;
}

nncf_status nncf__file_replace(nncf_context *context, const char *path, const nncf__file_piece *pieces, size_t n_pieces,
                               nncf_error *err)
{
    piece_list list = {pieces, n_pieces};
    return replace_file(context, path, false, &(content){fill_pieces, &list}, err);
}

nncf_status nncf__file_replace_keeping(nncf_context *context, const char *path, const nncf__file_piece *pieces,
                                       size_t n_pieces, nncf_error *err)
{
    piece_list list = {pieces, n_pieces};
    return replace_file(context, path, true, &(content){fill_pieces, &list}, err);
}

nncf_status nncf__file_replace_by(nncf_context *context, const char *path, nncf__file_fill *fill, void *user,
                                  nncf_error *err)
{
    return replace_file(context, path, false, &(content){fill, user}, err);
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

/* As read(2), but with the callback's failure as errno 0. */
static int64_t read_some(const nncf__source *source, void *data, size_t size)
{
    size = size < write_limit ? size : write_limit;
    if (!source->read)
        return read(source->fd, data, size);
    errno = 0;
    return source->read(source->user, data, size);
}

nncf_status nncf__source_read(const nncf__source *source, void *data, size_t size, nncf_error *err)
{
    const char *name = source->name;
    char *p = data;
    while (size > 0) {
        int64_t n = read_some(source, p, size);
        if (n < 0 && !source->read && errno == EINTR)
            continue;
        if (source->read && (n < 0 || (uint64_t)n > size))
            return nncf__fail(err, NNCF_E_CALLBACK, name, "%s: the read callback %s", name,
                              n < 0 ? "reported a failure" : "returned more bytes than were asked for");
        if (n < 0)
            return nncf__fail_errno(err, errno, name, "cannot read \"%s\"", name);
        if (n == 0)
            return nncf__fail(err, NNCF_E_FORMAT, name, "\"%s\" ended before its announced size was read", name);
        p += n;
        size -= (size_t)n;
    }
    return NNCF_OK;
}
