/* SPDX-License-Identifier: Apache-2.0 */
/* IDX, the format of MNIST and Fashion-MNIST: two zero bytes, the element type (8: unsigned byte),
 * the number of dimensions, the sizes as 32-bit big-endian numbers, the elements. */
#include "dataset.h"

#include <stdlib.h>
#include <string.h>

enum { LIMIT = 1 << 30 };

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The file with or without ".gz"; free() it. NULL: neither is there. */
static char *find_file(const char *dir, bool train, const char *what)
{
    const char *set = train ? "train" : "t10k";
    for (int i = 0; i < 2; i++) {
        char *path = app_format("%s/%s-%s%s", dir, set, what, i == 0 ? ".gz" : "");
        if (path != NULL && app_is_file(path))
            return path;
        free(path);
    }
    return NULL;
}

bool data_idx_is(const char *dir)
{
    char *path = find_file(dir, true, "images-idx3-ubyte");
    bool found = path != NULL;
    free(path);
    return found;
}

/* `ndim` sizes, and the bytes behind them. */
static nncf_status read_idx(const char *dir, bool train, const char *what, int ndim,
    uint32_t *sizes, uint8_t **bytes, nncf_error *err)
{
    size_t size, wanted = 1, header = 4 + 4 * (size_t)ndim;
    char *path = find_file(dir, train, what);
    nncf_status status;
    if (path == NULL)
        return app_fail(err, NNCF_E_NOTFOUND, dir, "%s: there is no %s-%s, with or without .gz",
            dir, train ? "train" : "t10k", what);
    status = data_read_file(path, LIMIT, bytes, &size, err);
    if (status == NNCF_OK) {
        const uint8_t *p = *bytes;
        if (size < header || p[0] != 0 || p[1] != 0 || p[2] != 8 || p[3] != ndim) {
            status = app_fail(err, NNCF_E_FORMAT, path,
                "%s: not an IDX file of bytes with %d dimensions", path, ndim);
        } else {
            for (int i = 0; i < ndim; i++) {
                sizes[i] = big_endian(p + 4 + 4 * i);
                if (sizes[i] != 0 && wanted > LIMIT / sizes[i])
                    wanted = SIZE_MAX / 2;
                else
                    wanted *= sizes[i];
            }
            if (size - header != wanted)
                status = app_fail(err, NNCF_E_FORMAT, path,
                    "%s: has %zu bytes after its header, which tells of %zu", path, size - header,
                    wanted);
        }
        if (status == NNCF_OK)
            memmove(*bytes, *bytes + header, wanted);
        else
            free(*bytes);
    }
    free(path);
    return status;
}

nncf_status data_idx_read(const char *dir, bool train, dataset *d, nncf_error *err)
{
    uint32_t shape[3] = {0}, n_labels = 0;
    uint8_t *labels;
    nncf_status status = read_idx(dir, train, "images-idx3-ubyte", 3, shape, &d->pixels, err);
    if (status != NNCF_OK) {
        d->pixels = NULL;
        return status;
    }
    if ((status = read_idx(dir, train, "labels-idx1-ubyte", 1, &n_labels, &labels, err)) != NNCF_OK)
        return status;
    if (n_labels != shape[0]) {
        free(labels);
        return app_fail(
            err, NNCF_E_FORMAT, dir, "%s: %u images, but %u labels", dir, shape[0], n_labels);
    }
    d->labels = malloc((n_labels + (size_t)1) * sizeof *d->labels);
    if (d->labels == NULL) {
        free(labels);
        return app_fail(err, NNCF_E_NOMEM, dir, "no memory for %u labels", n_labels);
    }
    for (size_t i = 0; i < n_labels; i++)
        d->labels[i] = labels[i];
    free(labels);
    d->count = n_labels;
    d->n_classes = 10;
    d->channels = 1;
    d->height = (int)shape[1];
    d->width = (int)shape[2];
    return NNCF_OK;
}
