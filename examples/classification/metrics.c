/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double metrics_cross_entropy(
    const float *logits, const int32_t *labels, int64_t count, int64_t classes, float *grad)
{
    double total = 0.0, share = 1.0 / (double)count;
    for (int64_t i = 0; i < count; i++) {
        const float *row = logits + i * classes;
        double largest = row[0], sum = 0.0;
        for (int64_t c = 1; c < classes; c++)
            largest = row[c] > largest ? row[c] : largest;
        for (int64_t c = 0; c < classes; c++)
            sum += exp(row[c] - largest);
        total += log(sum) + largest - row[labels[i]];
        for (int64_t c = 0; grad != NULL && c < classes; c++)
            grad[i * classes + c] =
                (float)((exp(row[c] - largest) / sum - (c == labels[i] ? 1.0 : 0.0)) * share);
    }
    return total * share;
}

void metrics_count(
    accuracy *a, const float *logits, const int32_t *labels, int64_t count, int64_t classes)
{
    for (int64_t i = 0; i < count; i++) {
        const float *row = logits + i * classes;
        int64_t ahead = 0;
        /* Of equal logits the first one is ahead. A NaN is ahead of everything: a broken network is
         * never right. */
        for (int64_t c = 0; c < classes; c++)
            ahead += !(row[c] < row[labels[i]]) && (row[c] != row[labels[i]] || c < labels[i]);
        a->top1 += ahead == 0;
        a->top5 += ahead < 5;
    }
    a->count += count;
}

static double percent(int64_t part, int64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : NAN;
}

double metrics_top1(const accuracy *a)
{
    return percent(a->top1, a->count);
}

double metrics_top5(const accuracy *a)
{
    return percent(a->top5, a->count);
}

static void write_number(FILE *file, const char *key, double value)
{
    fprintf(file, ", \"%s\": ", key);
    app_json_number(file, value);
}

void metrics_write(FILE *file, const epoch_metrics *m)
{
    write_number(file, "lr", m->lr);
    write_number(file, "ce_loss", m->ce_loss);
    write_number(file, "compression_loss", m->compression_loss);
    write_number(file, "train_top1", m->train_top1);
    write_number(file, "test_top1", m->test_top1);
    write_number(file, "test_top5", m->test_top5);
    write_number(file, "sparsity_target", m->sparsity_target);
    write_number(file, "sparsity_actual", m->sparsity_actual);
    write_number(file, "step_seconds_median", m->step_seconds_median);
    fprintf(file, ", \"peak_rss_bytes\": %lld", (long long)m->peak_rss_bytes);
}

nncf_status metrics_append(const char *path, const epoch_metrics *m, nncf_error *err)
{
    FILE *file = fopen(path, "a");
    if (file == NULL)
        return app_fail_errno(err, path, "open");
    fprintf(file, "{\"epoch\": %lld", (long long)m->epoch);
    metrics_write(file, m);
    fputs("}\n", file);
    if (ferror(file)) {
        nncf_status status = app_fail_errno(err, path, "write");
        fclose(file);
        return status;
    }
    return fclose(file) == 0 ? NNCF_OK : app_fail_errno(err, path, "write");
}

nncf_status metrics_keep_before(const char *path, int64_t epoch, nncf_error *err)
{
    FILE *from = fopen(path, "r"), *to;
    char *kept = NULL, *line = NULL;
    size_t size = 0, room = 0;
    ssize_t length;
    nncf_status status = NNCF_OK;
    if (from == NULL)
        return errno == ENOENT ? NNCF_OK : app_fail_errno(err, path, "open");
    if ((to = open_memstream(&kept, &size)) == NULL) {
        fclose(from);
        return app_fail_errno(err, path, "read");
    }
    while ((length = getline(&line, &room, from)) > 0) {
        long long number = -1;
        if (sscanf(line, "{\"epoch\": %lld", &number) == 1 && number < epoch)
            fwrite(line, 1, (size_t)length, to);
    }
    free(line);
    fclose(from);
    if (fclose(to) != 0) {
        status = app_fail_errno(err, path, "read");
    } else if ((to = fopen(path, "w")) == NULL) {
        status = app_fail_errno(err, path, "write");
    } else {
        bool written = fwrite(kept, 1, size, to) == size;
        if (fclose(to) != 0 || !written)
            status = app_fail_errno(err, path, "write");
    }
    free(kept);
    return status;
}

nncf_status metrics_read_top1(const char *path, double *best, double *last, nncf_error *err)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    nncf_status status = NNCF_OK;
    double highest = NAN, latest = NAN;
    if (file == NULL)
        return app_fail_errno(err, path, "open");
    while (status == NNCF_OK && (length = getline(&line, &room, file)) > 0) {
        nncf_config *object; /* a line is a JSON object, and the library has a reader of those */
        status = nncf_config_parse(NULL, path, line, (size_t)length, NULL, &object, err);
        if (status != NNCF_OK)
            break;
        if (nncf_config_get_double(object, "test_top1", &latest, NULL) == NNCF_OK &&
            !(latest <= highest))
            highest = latest;
        nncf_config_destroy(object);
    }
    free(line);
    fclose(file);
    if (status == NNCF_OK && isnan(highest))
        status = app_fail(err, NNCF_E_NOTFOUND, path, "%s: no line has a test_top1", path);
    if (status == NNCF_OK) {
        *best = highest;
        *last = latest;
    }
    return status;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double metrics_median(double *values, size_t n)
{
    if (n == 0)
        return NAN;
    qsort(values, n, sizeof *values, compare);
    return n % 2 == 1 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}
