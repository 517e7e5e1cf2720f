/* SPDX-License-Identifier: Apache-2.0 */
/* Labelled images: small ones held in memory (IDX, CIFAR), photographs read from JPEG files when they are needed. */
#ifndef CLASSIFICATION_DATASET_H
#define CLASSIFICATION_DATASET_H

#include "app.h"

enum dataset_format { DATASET_IDX, DATASET_CIFAR, DATASET_FOLDER };

typedef struct dataset {
    const char *name; /* "fashion_mnist", "mnist", "cifar10", "cifar100", "imagenet" */
    enum dataset_format format;
    size_t count;
    int32_t *labels;
    int32_t n_classes;
    /* IDX, CIFAR: all pixels, image after image, plane after plane */
    uint8_t *pixels;
    int channels, height, width;
    /* folder */
    char **paths;
    /* Pixels are brought to 0..1, then (x - mean) / deviation. */
    float mean[3], deviation[3];
    /* Training: random shift by so many pixels each way (small images), random mirror image. */
    int shift;
    bool flip;
} dataset;

/* `name` NULL: see what is in `dir`. `dir` NULL: the data set's usual place, if it has one. */
nncf_status dataset_open(const char *name, const char *dir, bool train, dataset **out, nncf_error *err);
void dataset_destroy(dataset *d);
/* Every label must be below num_classes, and grey images cannot be made of coloured ones. */
nncf_status dataset_check(const dataset *d, int64_t num_classes, int64_t channels, nncf_error *err);

/* The readers: each fills in what it knows. */
nncf_status data_idx_read(const char *dir, bool train, dataset *d, nncf_error *err);
bool data_idx_is(const char *dir);
nncf_status data_cifar_read(const char *dir, bool train, dataset *d, nncf_error *err); /* d->name says which */
const char *data_cifar_which(const char *dir);                                         /* NULL: neither */
nncf_status data_folder_read(const char *dir, bool train, dataset *d, nncf_error *err);

/* A file of IDX or CIFAR, gzipped or not. */
nncf_status data_read_file(const char *path, size_t limit, uint8_t **bytes, size_t *size, nncf_error *err);

#endif
