/* SPDX-License-Identifier: Apache-2.0 */
/* Files replaced atomically, and sources that are read. */
#ifndef NNCF__FORMATS_SAFETENSORS_FILE_H
#define NNCF__FORMATS_SAFETENSORS_FILE_H

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nncf__file_chunk {
    const void *data;
    size_t size;
} nncf__file_chunk;
/* Write the chunks one after another to a temporary file beside `path`, fsync, rename, fsync of
 * the folder. */
nncf_status nncf__file_replace(nncf_context *context, const char *path,
    const nncf__file_chunk *chunks, size_t n_chunks, nncf_error *err);
/* The same; what was at `path` before (if anything) is then at `path` NNCF__PREVIOUS. At no moment
 * is there no file at `path`. */
#define NNCF__PREVIOUS ".previous"
nncf_status nncf__file_replace_keeping(nncf_context *context, const char *path,
    const nncf__file_chunk *chunks, size_t n_chunks, nncf_error *err);
/* The same for content that is made while it is written: fill hands it to nncf__file_put(). Both
 * are false when writing failed, with the reason in errno. */
typedef struct nncf__file_sink {
    int fd;
} nncf__file_sink;
typedef bool nncf__file_fill(void *user, nncf__file_sink *sink);
bool nncf__file_put(nncf__file_sink *sink, const void *data, size_t size);
nncf_status nncf__file_replace_by(
    nncf_context *context, const char *path, nncf__file_fill *fill, void *user, nncf_error *err);
/* Open a regular file for reading; *size is its length. */
nncf_status nncf__file_open(const char *path, int *fd, uint64_t *size, nncf_error *err);

/* Where a snapshot is read from: a file, or the caller's callback. */
typedef struct nncf__source {
    /* for messages */
    const char *name;
    int fd;
    /* NULL: fd */
    int32_t (*read)(void *user, void *data, size_t size, size_t *n_read);
    void *user;
    /* bytes that are there */
    uint64_t size;
} nncf__source;
/* Read exactly `size` bytes; NNCF_E_FORMAT when the source ends before. */
nncf_status nncf__source_read(const nncf__source *source, void *data, size_t size, nncf_error *err);

#endif
