/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <check.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATHS = 4, PATH_SIZE = 512 };

static char folder[64];

void fx_folder_make(void)
{
    strcpy(folder, "/tmp/nncf-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

void fx_folder_remove(void)
{
    ck_assert_int_eq(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

const char *fx_folder(void)
{
    return folder;
}

const char *fx_path(const char *name)
{
    static char path[PATHS][PATH_SIZE];
    static int next;
    next = (next + 1) % PATHS;
    ck_assert_int_lt(snprintf(path[next], PATH_SIZE, "%s/%s", folder, name), PATH_SIZE);
    return path[next];
}

int fx_entries(void)
{
    int count = 0;
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir));)
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return count;
}

void fx_temporary(char path[FX_TEMPORARY])
{
    strcpy(path, "/tmp/nncf-file-XXXXXX");
    const int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

void fx_write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, size, f), size);
    ck_assert_int_eq(fclose(f), 0);
}

char *fx_read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s cannot be read", path);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    *size = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*size + 1);
    ck_assert_ptr_nonnull(data);
    ck_assert_uint_eq(fread(data, 1, *size, f), *size);
    data[*size] = 0;
    fclose(f);
    return data;
}

int32_t fx_stream_write(void *stream, const void *data, size_t size)
{
    fx_stream *s = stream;
    if (++s->calls == s->fail_at)
        return 1;
    s->data = realloc(s->data, s->size + size + 1);
    ck_assert_ptr_nonnull(s->data);
    memcpy(s->data + s->size, data, size);
    s->size += size;
    return 0;
}

int32_t fx_stream_read(void *stream, void *data, size_t size, size_t *n_read)
{
    fx_stream *s = stream;
    if (++s->calls == s->fail_at)
        return -1;
    size_t n = size < s->size - s->at ? size : s->size - s->at;
    n = s->most && n > s->most ? s->most : n;
    memcpy(data, s->data + s->at, n);
    s->at += n;
    *n_read = n;
    return 0;
}

void fx_stream_rewind(fx_stream *stream, long fail_at)
{
    stream->at = 0;
    stream->calls = 0;
    stream->fail_at = fail_at;
}

void fx_stream_free(fx_stream *stream)
{
    free(stream->data);
    *stream = (fx_stream){0};
}
