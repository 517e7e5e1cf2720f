/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loss of knowledge_distillation. NNCF leaves outputs of other numbers of dimensions than 2 out
 * of the softmax loss without a word; here rows run over the last dimension.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/usage_checks.h"
#include "exec/check.h"
#include "exec/chunks.h"
#include "kernels/smooth.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/distillation.h>
#include <nncf/tensor.h>

#include <math.h>
#include <stddef.h>
#include <stdint.h>

typedef struct distillation_job {
    nncf_context *context;
    const nncf__smooth_kernels *k;
    const float *student, *teacher;
    /* nullable */
    float *gradient;
    size_t rows, length;
    float inverse_temperature;
    /* of a difference of probabilities, or of outputs */
    float gradient_scale;
    bool softmax;
    /* [rows] */
    double *losses;
} distillation_job;

static void scaled(size_t n, const float *x, float factor, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * factor;
}

static void add_difference(const distillation_job *job, size_t at, const float *a, const float *b)
{
    for (size_t i = 0; i < job->length && job->gradient; i++)
        job->gradient[at + i] += job->gradient_scale * (a[i] - b[i]);
}

/* -sum(p log(q)), where q is the softmax of x: log(q) = x - log(sum(exp(x))), of which the largest
 * element knows the second term, since its q cannot underflow. */
static double cross_entropy(size_t n, const float *p, const float *q, const float *x)
{
    size_t largest = 0;
    double sum = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[largest])
            largest = i;
    const double log_sum = (double)x[largest] - log((double)q[largest]);
    for (size_t i = 0; i < n; i++)
        sum += (double)p[i] * (log_sum - (double)x[i]);
    return sum;
}

static void softmax_row(const distillation_job *job, size_t row, float *scratch)
{
    const size_t n = job->length, at = row * n;
    float *x = scratch, *q = scratch + n, *p = scratch + 2 * n;
    scaled(n, job->teacher + at, job->inverse_temperature, x);
    job->k->softmax(1, n, 0, n, x, p);
    scaled(n, job->student + at, job->inverse_temperature, x);
    job->k->softmax(1, n, 0, n, x, q);
    job->losses[row] = cross_entropy(n, p, q, x);
    add_difference(job, at, q, p);
}

static void mse_row(const distillation_job *job, size_t row)
{
    const size_t at = row * job->length;
    const float *s = job->student + at, *t = job->teacher + at;
    double sum = 0;
    for (size_t i = 0; i < job->length; i++) {
        const double difference = (double)s[i] - (double)t[i];
        sum += difference * difference;
    }
    job->losses[row] = sum;
    add_difference(job, at, s, t);
}

static void chunk_of(void *arg, size_t chunk, size_t worker)
{
    const distillation_job *job = arg;
    const size_t group = nncf__chunk_rows(job->length);
    float *scratch = nncf__scratch(job->context, worker);
    for (size_t row = chunk * group; row < (chunk + 1) * group && row < job->rows; row++) {
        if (job->softmax)
            softmax_row(job, row, scratch);
        else
            mse_row(job, row);
    }
}

static bool overlap(const nncf_tensor *a, const nncf_tensor *b, size_t count)
{
    const uintptr_t x = (uintptr_t)a->data, y = (uintptr_t)b->data;
    return x < y + count * sizeof(float) && y < x + count * sizeof(float);
}

static nncf_status check_tensors(const nncf_tensor *output, const nncf_tensor *teacher,
    const nncf_tensor *d_output, size_t *count, nncf_error *err)
{
    const nncf__named all[] = {{"output", output}, {"teacher", teacher}, {"d_output", d_output}};
    char text[NNCF__SHAPE_TEXT];
    for (int i = 0; i < 3; i++) {
        if (!all[i].tensor && i == 2)
            break;
        if (!all[i].tensor)
            return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL", all[i].name);
        nncf_status status = nncf__layer_check_tensor(&all[i], NNCF_F32, count, err);
        if (status == NNCF_OK)
            status = nncf__layer_check_same(&all[i], &all[0], err);
        if (status != NNCF_OK)
            return status;
        if (i == 2 && (overlap(d_output, output, *count) || overlap(d_output, teacher, *count)))
            return nncf__fail(err, NNCF_E_ARG, NULL,
                "d_output overlaps output or teacher; it must be an array of its own");
    }
    if (output->ndim < 2)
        return nncf__fail(err, NNCF_E_SHAPE, NULL,
            "output is %s; it must have 2 dimensions or more, rows of outputs",
            nncf__shape_text(output->shape, output->ndim, text));
    return NNCF_OK;
}

static nncf_status backward(nncf_compression_ctrl *ctrl, const nncf_tensor *output,
    const nncf_tensor *teacher, const nncf_tensor *d_output, double *loss, nncf_error *err)
{
    size_t count = 0;
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_compression_ctrl_distillation_backward", err);
    if (status != NNCF_OK)
        return status;
    if (!ctrl->has_distillation)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the config has no knowledge_distillation; add { \"algorithm\": "
            "\"knowledge_distillation\", \"type\": \"softmax\" } to \"compression\"");
    status = check_tensors(output, teacher, d_output, &count, err);
    if (status != NNCF_OK)
        return status;

    const nncf__distillation_params *p = &ctrl->distillation;
    const bool softmax = p->type == NNCF__DISTILL_SOFTMAX;
    const size_t length = (size_t)output->shape[output->ndim - 1], rows = count / length;
    const double t = softmax ? p->temperature : 1,
                 slope = p->scale * (softmax ? t / (double)rows : 2 / (double)count);
    distillation_job job = {.context = ctrl->context,
        .k = nncf__smooth_of(ctrl->context),
        .student = output->data,
        .teacher = teacher->data,
        .gradient = d_output ? d_output->data : NULL,
        .rows = rows,
        .length = length,
        .inverse_temperature = (float)(1 / t),
        .gradient_scale = (float)(slope * ctrl->gradient_factor),
        .softmax = softmax,
        .losses = nncf__alloc(ctrl->context, rows * sizeof(double))};
    if (!job.losses ||
        nncf__scratch_reserve(ctrl->context, 3 * length * sizeof(float)) != NNCF_OK) {
        nncf__free(ctrl->context, job.losses);
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for the distillation loss");
    }
    nncf__parallel(ctrl->context, nncf__chunk_count(rows, length), chunk_of, &job);
    double sum = 0;
    for (size_t row = 0; row < rows; row++) /* in order: the same bits on any number of threads */
        sum += job.losses[row];
    nncf__free(ctrl->context, job.losses);
    if (loss)
        *loss = p->scale * sum * (softmax ? t * t / (double)rows : 1 / (double)count);
    nncf__usage_distillation(ctrl);
    return NNCF_OK;
}

nncf_status nncf_compression_ctrl_distillation_backward(nncf_compression_ctrl *ctrl,
    const nncf_tensor *output, const nncf_tensor *teacher, const nncf_tensor *d_output,
    double *loss, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = backward(ctrl, output, teacher, d_output, loss, &reason);
    return nncf__report(ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_distillation_backward",
        NULL, status, &reason, err);
}
