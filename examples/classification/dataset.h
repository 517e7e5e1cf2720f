/* SPDX-License-Identifier: Apache-2.0 */
/* Labelled images: small ones held in memory (IDX, CIFAR), photographs read from files when
 * they are needed. */
#ifndef CLASSIFICATION_DATASET_H
#define CLASSIFICATION_DATASET_H

#include "app.h"

#include <stdio.h>

enum dataset_format { DATASET_IDX, DATASET_CIFAR, DATASET_FOLDER };

typedef struct dataset {
    const char *name; /* "fashion_mnist", "mnist", "cifar10", "cifar100", "imagenet" */
    enum dataset_format format;
    size_t count;
    int32_t *labels;
    int32_t n_classes;
    char **classes; /* their names, or NULL: the files have none */
    char *notes; /* what a person should know of the files, a line each; or NULL */
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
nncf_status dataset_open(
    const char *name, const char *dir, bool train, dataset **out, nncf_error *err);
/* Photographs by their files, of nobody knows which class; normalized as the data set `name`, or
 * the one in `dir`, is (both NULL: imagenet). */
nncf_status dataset_of_files(const char *name, const char *dir, char *const *paths, size_t count,
    dataset **out, nncf_error *err);
void dataset_destroy(dataset *d);
/* Every label must be below num_classes, and grey images cannot be made of coloured ones. */
nncf_status dataset_check(const dataset *d, int64_t num_classes, int64_t channels, nncf_error *err);
/* Photographs that are cut short or damaged are told to `report`, a line each, and refused; as far
 * as a look at each file takes 10 seconds together. What escapes is refused when it is read. */
nncf_status dataset_check_files(const dataset *d, FILE *report, nncf_error *err);
/* classes.c: the names as a JSON array for snapshots, to be freed; NULL: there are none, or no
 * memory. */
char *dataset_classes_text(const dataset *d);
/* Number the classes as such a text of a snapshot at `path` does. A class with images that it does
 * not have is refused.
 */
nncf_status dataset_take_classes(dataset *d, const char *text, const char *path, nncf_error *err);
/* The names of such a text; each to be freed, and the array. */
nncf_status dataset_parse_classes(
    const char *text, const char *path, char ***names, size_t *count, nncf_error *err);
/* Append a line to the notes; frees it. */
void dataset_note(dataset *d, char *line);

/* The readers: each fills in what it knows. */
nncf_status data_idx_read(const char *dir, bool train, dataset *d, nncf_error *err);
bool data_idx_is(const char *dir);
nncf_status data_cifar_read(
    const char *dir, bool train, dataset *d, nncf_error *err); /* d->name says which */
const char *data_cifar_which(const char *dir); /* NULL: neither */
nncf_status data_folder_read(const char *dir, bool train, dataset *d, nncf_error *err);

/* A file of IDX or CIFAR, gzipped or not. */
nncf_status data_read_file(
    const char *path, size_t limit, uint8_t **bytes, size_t *size, nncf_error *err);

#endif
