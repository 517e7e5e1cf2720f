/* SPDX-License-Identifier: Apache-2.0 */
/* Files in folders of a test's own, and files in memory. */
#ifndef NNCF_TESTS_SUPPORT_FILES_H
#define NNCF_TESTS_SUPPORT_FILES_H

#include <stddef.h>
#include <stdint.h>

/* ---- a folder for each test: tcase_add_checked_fixture(tests, fx_folder_make, fx_folder_remove)
 */

void fx_folder_make(void);
/* With all that is in it. */
void fx_folder_remove(void);

const char *fx_folder(void);
/* "<folder>/<name>", in one of a few static buffers that come round again. */
const char *fx_path(const char *name);
/* Files and folders in it. */
int fx_entries(void);

/* A new empty file in /tmp, for a test without a folder; unlink() it. */
enum { FX_TEMPORARY = 32 };
void fx_temporary(char path[FX_TEMPORARY]);

/* The whole of a file; free() what is read, which a NUL follows. */
void fx_write_file(const char *path, const void *data, size_t size);
char *fx_read_file(const char *path, size_t *size);

/* ---- a file in memory, for the callbacks of snapshots and exports ---- */

typedef struct fx_stream {
    char *data;
    size_t size, at;
    /* bytes at a time when read; 0: any */
    size_t most;
    /* the call that fails, from 1; 0: none */
    long calls, fail_at;
} fx_stream;

int32_t fx_stream_write(void *stream, const void *data, size_t size);
int32_t fx_stream_read(void *stream, void *data, size_t size, size_t *n_read);
void fx_stream_rewind(fx_stream *stream, long fail_at);
void fx_stream_free(fx_stream *stream);

#endif
