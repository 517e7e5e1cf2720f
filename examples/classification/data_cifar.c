/* SPDX-License-Identifier: Apache-2.0 */
/* CIFAR-10 and CIFAR-100, binary version: records of one label (CIFAR-100: a coarse one and a fine
 * one, which is used) and 3 x 32 x 32 bytes, red plane first. */
#include "dataset.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, PIXELS = 3 * SIDE * SIDE, LIMIT = 1 << 28 };

typedef struct variant {
    const char *name, *subdir; /* the folder that the archive unpacks to */
    int n_labels; /* bytes in front of the pixels; the last one counts */
    int n_classes;
    const char *train[6], *test[2]; /* ended by NULL */
} variant;

static const variant variants[] = {
    {"cifar10", "cifar-10-batches-bin", 1, 10,
        {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
            "data_batch_5.bin", NULL},
        {"test_batch.bin", NULL}},
    {"cifar100", "cifar-100-binary", 2, 100, {"train.bin", NULL}, {"test.bin", NULL}},
};

/* The directory itself or the archive's folder in it, whichever has `file`; free() it. */
static char *locate(const variant *v, const char *dir, const char *file)
{
    char *path = app_format("%s/%s", dir, file);
    if (path != NULL && app_is_file(path))
        return path;
    free(path);
    path = app_format("%s/%s/%s", dir, v->subdir, file);
    if (path != NULL && app_is_file(path))
        return path;
    free(path);
    return NULL;
}

const char *data_cifar_which(const char *dir)
{
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        char *path = locate(&variants[i], dir, variants[i].train[0]);
        if (path != NULL) {
            free(path);
            return variants[i].name;
        }
    }
    return NULL;
}

static nncf_status append(const variant *v, const char *path, dataset *d, nncf_error *err)
{
    size_t size, record = (size_t)v->n_labels + PIXELS, n;
    uint8_t *bytes, *pixels;
    int32_t *labels;
    nncf_status status = data_read_file(path, LIMIT, &bytes, &size, err);
    if (status != NNCF_OK)
        return status;
    if (size % record != 0) {
        free(bytes);
        return app_fail(err, NNCF_E_FORMAT, path,
            "%s: %zu bytes are not a whole number of records of %zu", path, size, record);
    }
    n = size / record;
    pixels = realloc(d->pixels, (d->count + n) * PIXELS + 1);
    if (pixels != NULL)
        d->pixels = pixels;
    labels = realloc(d->labels, (d->count + n + 1) * sizeof *labels);
    if (labels != NULL)
        d->labels = labels;
    if (pixels == NULL || labels == NULL) {
        free(bytes);
        return app_fail(err, NNCF_E_NOMEM, path, "%s: no memory for %zu images", path, n);
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *from = bytes + i * record;
        d->labels[d->count + i] = from[v->n_labels - 1];
        memcpy(d->pixels + (d->count + i) * PIXELS, from + v->n_labels, PIXELS);
    }
    d->count += n;
    free(bytes);
    return NNCF_OK;
}

nncf_status data_cifar_read(const char *dir, bool train, dataset *d, nncf_error *err)
{
    const variant *v = strcmp(d->name, variants[0].name) == 0 ? &variants[0] : &variants[1];
    const char *const *files = train ? v->train : v->test;
    for (; *files != NULL; files++) {
        char *path = locate(v, dir, *files);
        nncf_status status;
        if (path == NULL)
            return app_fail(err, NNCF_E_NOTFOUND, dir, "%s: there is no %s, here or in %s", dir,
                *files, v->subdir);
        status = append(v, path, d, err);
        free(path);
        if (status != NNCF_OK)
            return status;
    }
    d->n_classes = v->n_classes;
    d->channels = 3;
    d->height = d->width = SIDE;
    return NNCF_OK;
}
