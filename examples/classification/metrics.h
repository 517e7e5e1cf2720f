/* SPDX-License-Identifier: Apache-2.0 */
/* Loss, accuracy, and metrics.jsonl. */
#ifndef CLASSIFICATION_METRICS_H
#define CLASSIFICATION_METRICS_H

#include "app.h"

/* Mean cross entropy of `count` rows of logits, and its gradient for them. `grad` may be NULL. */
double metrics_cross_entropy(
    const float *logits, const int32_t *labels, int64_t count, int64_t classes, float *grad);

/* Running sums over batches. */
typedef struct accuracy {
    int64_t count, top1, top5;
    double loss;
} accuracy;

void metrics_count(
    accuracy *a, const float *logits, const int32_t *labels, int64_t count, int64_t classes);
double metrics_top1(const accuracy *a); /* percent */
double metrics_top5(const accuracy *a);

/* One line of metrics.jsonl. NaN is written as null. */
typedef struct epoch_metrics {
    int64_t epoch; /* counted from 0 */
    double lr, ce_loss, compression_loss, train_top1, test_top1, test_top5, sparsity_target,
        sparsity_actual, step_seconds_median;
    int64_t peak_rss_bytes;
} epoch_metrics;

/* Everything but the epoch, as members of a JSON object; each after a comma. */
void metrics_write(FILE *file, const epoch_metrics *m);
/* Append a line. */
nncf_status metrics_append(const char *path, const epoch_metrics *m, nncf_error *err);
/* Keep the lines of epochs before `epoch` only: a run that is resumed writes the others anew. No
 * file is fine. */
nncf_status metrics_keep_before(const char *path, int64_t epoch, nncf_error *err);
/* Best and last test top-1 of a file. */
nncf_status metrics_read_top1(const char *path, double *best, double *last, nncf_error *err);
/* The middle of n values, which are sorted by this; NaN for none. */
double metrics_median(double *values, size_t n);

#endif
