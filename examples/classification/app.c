/* SPDX-License-Identifier: Apache-2.0 */
#include "app.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static void clear(nncf_error *err, nncf_status status, const char *where)
{
    size_t size = err->struct_size;
    memset(err, 0, sizeof *err);
    err->struct_size = size;
    err->status = status;
    if (where != NULL)
        snprintf(err->where, sizeof err->where, "%s", where);
}

nncf_status app_fail(
    nncf_error *err, nncf_status status, const char *where, const char *format, ...)
{
    va_list args;
    clear(err, status, where);
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}

nncf_status app_fail_errno(nncf_error *err, const char *path, const char *what)
{
    int saved = errno;
    clear(err, NNCF_E_IO, path);
    err->os_errno = saved;
    snprintf(err->message, sizeof err->message, "%s: cannot %s: %s", path, what, strerror(saved));
    return NNCF_E_IO;
}

nncf_status app_fail_step(nncf_error *err, nncf_status status, const char *where)
{
    clear(err, status, where);
    snprintf(err->message, sizeof err->message, "%s: %s", where, nncf_status_message(status));
    return status;
}

/* Large blocks are asked to lie in huge pages: the network's passes over them are then a tenth
 * faster. */
static void *block_of(size_t size)
{
    const size_t huge = (size_t)2 << 20, alignment = size >= 2 * huge ? huge : 64;
    void *p = size > SIZE_MAX / 2
        ? NULL
        : aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
#ifdef MADV_HUGEPAGE
    if (p != NULL && alignment == huge)
        madvise(p, size / huge * huge, MADV_HUGEPAGE);
#endif
    return p;
}

void *app_bytes(size_t size)
{
    void *p = block_of(size > 0 ? size : 1);
    if (p != NULL)
        memset(p, 0, size);
    return p;
}

float *app_floats(size_t count)
{
    return count > SIZE_MAX / sizeof(float) ? NULL : app_bytes(count * sizeof(float));
}

/* Blocks are ever larger, so that a small network has small ones; what is not used of the last is
 * not touched. */
static bool add_block(app_arena *arena, size_t size)
{
    const size_t least = (size_t)256 << 10, most = (size_t)32 << 20;
    size_t room = arena->room == 0 ? least : 2 * arena->room;
    room = room > most ? most : room;
    room = room < size ? size : room;
    void **grown = realloc(arena->blocks, (arena->n_blocks + 1) * sizeof *grown);
    if (grown == NULL)
        return false;
    arena->blocks = grown;
    if ((grown[arena->n_blocks] = block_of(room)) == NULL)
        return false;
    arena->n_blocks++;
    arena->room = room;
    arena->used = 0;
    return true;
}

float *app_arena_floats(app_arena *arena, size_t count)
{
    if (count > SIZE_MAX / 4 / sizeof(float))
        return NULL;
    const size_t size = (count * sizeof(float) + 63) / 64 * 64;
    if ((arena->n_blocks == 0 || size > arena->room - arena->used) && !add_block(arena, size))
        return NULL;
    char *p = (char *)arena->blocks[arena->n_blocks - 1] + arena->used;
    arena->used += size;
    return memset(p, 0, size);
}

void app_arena_free(app_arena *arena)
{
    for (size_t i = 0; i < arena->n_blocks; i++)
        free(arena->blocks[i]);
    free(arena->blocks);
    *arena = (app_arena){0};
}

char *app_format(const char *format, ...)
{
    va_list args;
    char *text = NULL;
    int n;
    va_start(args, format);
    n = vasprintf(&text, format, args);
    va_end(args);
    return n < 0 ? NULL : text;
}

char *app_copy(const char *text)
{
    return text == NULL ? NULL : strdup(text);
}

bool app_is_utf8(const char *text)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        const int more = *p < 0x80 ? 0
            : *p >> 5 == 6         ? 1
            : *p >> 4 == 14        ? 2
            : *p >> 3 == 30        ? 3
                                   : -1;
        uint32_t code = more < 1 ? *p : *p & (0x3fu >> more);
        if (more < 0)
            return false;
        for (int i = 0; i < more; i++) {
            if (*++p >> 6 != 2) /* also the end */
                return false;
            code = code << 6 | (*p & 0x3fu);
        }
        if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
    }
    return true;
}

void app_json_text(FILE *file, const char *text)
{
    fputc('"', file);
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            fputc('\\', file);
        if (*p < 0x20)
            fprintf(file, "\\u%04x", *p);
        else
            fputc(*p, file);
    }
    fputc('"', file);
}

void app_json_number(FILE *file, double value)
{
    if (isfinite(value))
        fprintf(file, "%.9g", value);
    else
        fputs("null", file);
}

bool app_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool app_is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

nncf_status app_make_dirs(const char *path, nncf_error *err)
{
    char *copy = app_copy(path);
    if (copy == NULL)
        return app_fail(err, NNCF_E_NOMEM, path, "no memory for a path");
    for (char *slash = strchr(copy + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(copy, 0777) != 0 && !(errno == EEXIST && app_is_dir(copy))) {
            nncf_status status = app_fail_errno(err, copy, "make the directory");
            free(copy);
            return status;
        }
        if (slash == NULL)
            break;
        *slash = '/';
    }
    free(copy);
    return NNCF_OK;
}

double app_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int64_t app_peak_rss_bytes(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (int64_t)usage.ru_maxrss * 1024; /* Linux counts kilobytes */
}
