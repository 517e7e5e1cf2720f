/* SPDX-License-Identifier: Apache-2.0 */
/* Batches, made by threads of their own two ahead of the one in use. What is in a batch depends on
 * seed, epoch and position alone, never on the threads. */
#ifndef CLASSIFICATION_LOADER_H
#define CLASSIFICATION_LOADER_H

#include "dataset.h"

typedef struct batch {
    float *x; /* (count, channels, size, size) */
    int32_t *labels; /* (count) */
    int64_t count;
} batch;

typedef struct loader_settings {
    int64_t batch_size;
    int channels, size; /* of a sample */
    int workers;
    uint64_t seed;
    bool train; /* shuffle, augment, whole batches only; images repeat where there are fewer than
                   one batch */
    int64_t train_samples; /* images per epoch; 0: all */
} loader_settings;

typedef struct loader loader;

/* The data set must outlive the loader. */
nncf_status loader_create(
    const dataset *d, const loader_settings *settings, loader **out, nncf_error *err);
void loader_destroy(loader *l);
int64_t loader_batches(const loader *l); /* of an epoch */
void loader_start(
    loader *l, int64_t epoch); /* begin an epoch, also before the last one has ended */
/* The next batch, good until the next call; *b is NULL at the end of the epoch. */
nncf_status loader_next(loader *l, const batch **b, nncf_error *err);

#endif
