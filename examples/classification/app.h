/* SPDX-License-Identifier: Apache-2.0 */
/* What every file of the sample uses: errors, memory, paths, time. */
#ifndef CLASSIFICATION_APP_H
#define CLASSIFICATION_APP_H

#include <nncf/nncf.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The sample reports its own failures in the library's error record, so that there is one way to
 * fail. `where` may be NULL. Returns `status`. */
nncf_status app_fail(nncf_error *err, nncf_status status, const char *where, const char *format,
    ...) NNCF_PRINTF(4, 5);
/* For a system call that failed: keeps errno and says what it means. */
nncf_status app_fail_errno(nncf_error *err, const char *path, const char *what);
/* For a library call that returns a status alone; `where` is usually a scope. */
nncf_status app_fail_step(nncf_error *err, nncf_status status, const char *where);

/* Zeroed memory, 64-byte aligned; free() it. NULL when there is none. */
void *app_bytes(size_t size);
float *app_floats(size_t count);
/* Arrays that live as long as each other, side by side in a few blocks: of those from 4 MB on huge
 * pages are asked for, which a small array by itself has no use for. */
typedef struct app_arena {
    void **blocks;
    size_t n_blocks, room, used; /* bytes of the last block, and of those what is used */
} app_arena;
/* Zeroed, 64-byte aligned; app_arena_free() frees all. NULL when there is no memory. */
float *app_arena_floats(app_arena *arena, size_t count);
void app_arena_free(app_arena *arena);
/* printf into new memory; NULL when there is none. */
char *app_format(const char *format, ...) NNCF_PRINTF(1, 2);
/* strdup of a possibly NULL text. */
char *app_copy(const char *text);

/* Is it UTF-8, without surrogates and overlong forms? */
bool app_is_utf8(const char *text);

/* As JSON: a text in quotation marks; a number, or null for one that is not finite. The program
 * never calls setlocale, so the locale is "C". */
void app_json_text(FILE *file, const char *text);
void app_json_number(FILE *file, double value);

/* mkdir -p */
nncf_status app_make_dirs(const char *path, nncf_error *err);
bool app_is_dir(const char *path);
bool app_is_file(const char *path);

double app_seconds(void); /* monotonic clock */
int64_t app_peak_rss_bytes(void); /* largest resident size of this process so far */

#endif
