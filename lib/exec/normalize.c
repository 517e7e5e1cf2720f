/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layer norm (Ba, Kiros and Hinton 2016): each row by its own mean and biased variance, made in
 * double. Keeps nothing but what an output quantizer reads: backward makes statistics again. The
 * gradients of weight and bias are sums over rows in double, of 64 rows each in float.
 */
#include "exec/normalize.h"

#include "base/pool.h"
#include "exec/call.h"
#include "exec/chunks.h"
#include "exec/keep.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "kernels/smooth.h"

#include <nncf/context.h>
#include <nncf/model.h>

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { COLUMNS = 64, ROWS = 64 };

/* Of a row: mean and 1 / standard deviation; kept in the workspace from the first pass of backward
 * to the second. */
typedef float statistics[2];

typedef struct norm_job {
    const nncf__call *call;
    const nncf__kernels *k;
    const nncf__smooth_kernels *s;
    nncf_context *context;
    const nncf_layer *layer;
    size_t rows, length;
    statistics *rows_statistics;
    float *z;
} norm_job;

void nncf__layer_norm_prepare(const nncf_layer *layer, nncf__block *b)
{
    const size_t length = b->in_planes.c;
    b->forward.scratch = nncf__code_floats(b, 0, length);
    b->backward[1].scratch = b->forward.scratch;
    b->backward[1].work = b->in_planes.n * sizeof(statistics);
    if (layer->norm.weight_grad || layer->norm.bias_grad)
        b->backward[0] = b->backward[1];
    b->reads_x = true;
    nncf__keep_prepare(b);
}

static void get_statistics(const norm_job *job, const float *x, statistics s)
{
    double sums[2] = {0, 0}, n = (double)job->length;
    job->k->sum_and_squares(job->length, x, sums);
    const double mean = sums[0] / n;
    double var = sums[1] / n - mean * mean;
    var = var < 0 ? 0 : var; /* rounding; a NaN stays one */
    s[0] = (float)mean;
    s[1] = (float)(1 / sqrt(var + (double)job->layer->norm.eps));
}

static void backward_row(const norm_job *job, size_t r, const float *x, const statistics s)
{
    const size_t at = r * job->length;
    const float *dy = job->call->dy + at, *weight = job->layer->norm.weight;
    double sums[2] = {0, 0}, n = (double)job->length;
    memcpy(job->rows_statistics[r], s, sizeof(statistics));
    if (!job->call->dx[0])
        return;
    job->s->normalize_sums(job->length, x, dy, s[0], s[1], weight, sums);
    const double k0 = (double)s[1], k1 = -k0 * k0 * sums[1] / n,
                 k2 = -k0 * sums[0] / n - k1 * (double)s[0];
    job->s->normalize_dx(
        job->length, x, dy, weight, (float)k0, (float)k1, (float)k2, job->call->dx[0] + at);
}

static void rows_chunk(void *arg, size_t chunk, size_t worker)
{
    const norm_job *job = arg;
    const size_t group = nncf__chunk_rows(job->length);
    float *scratch = nncf__scratch(job->context, worker);
    for (size_t r = chunk * group; r < (chunk + 1) * group && r < job->rows; r++) {
        const size_t at = r * job->length;
        const float *x = nncf__floats_of(job->k, &job->call->x[0], at, job->length, scratch);
        statistics s;
        get_statistics(job, x, s);
        if (job->z)
            job->s->normalize(job->length, x, s[0], s[1], job->layer->norm.weight,
                job->layer->norm.bias, job->z + at);
        else
            backward_row(job, r, x, s);
    }
}

/* A few columns of all rows. */
static void columns_chunk(void *arg, size_t chunk, size_t worker)
{
    const norm_job *job = arg;
    const nncf_layer *layer = job->layer;
    const size_t first = chunk * COLUMNS, left = job->length - first,
                 n = left < COLUMNS ? left : COLUMNS;
    double total[2][COLUMNS] = {{0}};
    float some[2][COLUMNS], x[COLUMNS];
    (void)worker;
    for (size_t from = 0; from < job->rows; from += ROWS) {
        memset(some, 0, sizeof some);
        const size_t rows = job->rows - from < ROWS ? job->rows - from : ROWS;
        /* codes become floats a row at a time */
        const size_t each = job->call->x[0].dtype == NNCF_F32 ? rows : 1;
        for (size_t r = from; r < from + rows; r += each) {
            const size_t at = r * job->length + first;
            job->s->normalize_parameters(each, n,
                nncf__floats_of(job->k, &job->call->x[0], at, n, x), job->call->dy + at,
                job->length, (const float(*)[2])job->rows_statistics + r, some[0], some[1]);
        }
        for (size_t j = 0; j < n; j++) {
            total[0][j] += (double)some[0][j];
            total[1][j] += (double)some[1][j];
        }
    }
    for (size_t j = 0; j < n; j++) {
        if (layer->norm.weight_grad)
            layer->norm.weight_grad[first + j] += (float)total[0][j];
        if (layer->norm.bias_grad)
            layer->norm.bias_grad[first + j] += (float)total[1][j];
    }
}

static norm_job job_of(const nncf__call *call, float *z)
{
    nncf_context *context = call->layer->model->context;
    return (norm_job){.call = call,
        .k = nncf__kernels_of(context),
        .s = nncf__smooth_of(context),
        .context = context,
        .layer = call->layer,
        .rows = call->block->in_planes.n,
        .length = call->block->in_planes.c,
        .rows_statistics = call->layer->model->work.data,
        .z = z};
}

static void run_rows(norm_job *job)
{
    nncf__parallel(job->context, nncf__chunk_count(job->rows, job->length), rows_chunk, job);
}

void nncf__layer_norm_forward(const nncf__call *call)
{
    norm_job job = job_of(call, nncf__keep_z(call));
    run_rows(&job);
    nncf__keep_forward(call, job.z);
}

void nncf__layer_norm_backward(const nncf__call *call)
{
    const nncf_layer *layer = call->layer;
    const bool parameters = layer->norm.weight_grad || layer->norm.bias_grad;
    nncf__keep_backward(call);
    if (!call->dx[0] && !parameters)
        return;
    norm_job job = job_of(call, NULL);
    run_rows(&job);
    if (parameters)
        nncf__parallel(job.context, (job.length + COLUMNS - 1) / COLUMNS, columns_chunk, &job);
}
