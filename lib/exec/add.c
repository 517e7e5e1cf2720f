/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise sum, activation, output quantizer. Both inputs get the same gradient. Keeps nothing:
 * backward adds again. Inputs that are codes become floats in a worker's scratch, a segment at a
 * time.
 */
#include "exec/add.h"

#include "base/pool.h"
#include "exec/activate.h"
#include "exec/call.h"
#include "exec/chunks.h"
#include "exec/map_reduce.h"
#include "exec/quantize.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/quantizer.h"

#include <nncf/context.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <string.h>

/* Backward adds again. Only a sum that is quantized before its activation is stored, and only
 * within a pass. */
void nncf__add_prepare(const nncf_layer *layer, nncf__block *b)
{
    const bool in_steps = b->quantizers[NNCF__OF_PRE_ACTIVATION];
    const size_t z = nncf__planes_count(&b->out_planes) * sizeof(float);
    size_t floats = 0;
    (void)layer;
    for (int i = 0; i < 2; i++)
        if (b->x[i].dtype != NNCF_F32)
            floats += nncf__map_reduce_length(&b->in_planes, b->fq_by_channel && !in_steps);
    if (b->smooth && !in_steps) /* the sum, which its activation reads */
        floats += nncf__map_reduce_length(&b->in_planes, b->fq_by_channel);
    b->keeps_z = in_steps;
    b->forward = (nncf__needs){.z = in_steps ? z : 0, .scratch = floats * sizeof(float)};
    b->backward[1] = (nncf__needs){.z = in_steps ? 2 * z : 0, .scratch = floats * sizeof(float)};
    if (in_steps || b->quantizers[NNCF__OF_OUTPUT]) /* without dx: only for the scale's gradient */
        b->backward[0] = b->backward[1];
}

/* Returns what is left of scratch. */
static float *inputs_of(
    const nncf__map_reduce *pass, size_t offset, size_t count, float *scratch, const float *in[2])
{
    for (int i = 0; i < 2; i++) {
        in[i] = nncf__floats_of(pass->k, &pass->call->x[i], offset, count, scratch);
        if (in[i] == scratch)
            scratch += count;
    }
    return scratch;
}

static void forward_segment(const nncf__map_reduce *pass, size_t channel, size_t offset,
    size_t count, float *scratch, double *sums)
{
    const nncf__block *b = pass->call->block;
    const nncf__epilogue e = nncf__block_epilogue(b, channel);
    const float *in[2];
    float *z = inputs_of(pass, offset, count, scratch, in);
    if (b->smooth) {
        const nncf__epilogue plain = nncf__line(1, 0, NULL);
        pass->k->add_forward(count, in[0], in[1], z, &plain);
        sums[5] += (double)(pass->codes
                ? nncf__activate_codes(b, pass->k, count, z, pass->codes + offset, &e,
                      (float)nncf__quantizer_zero(pass->quantizer))
                : nncf__activate_forward(b, pass->k, count, z, pass->out[0] + offset, &e));
    } else if (pass->codes) {
        sums[5] += (double)pass->k->add_codes(count, in[0], in[1], pass->codes + offset, &e,
            (float)nncf__quantizer_zero(pass->quantizer));
    } else {
        sums[5] += (double)pass->k->add_forward(count, in[0], in[1], pass->out[0] + offset, &e);
    }
}

/* ---- with a quantizer in front of the activation: step by step ---- */

static void sum_segment(const nncf__map_reduce *pass, size_t channel, size_t offset, size_t count,
    float *scratch, double *sums)
{
    const nncf__epilogue plain = nncf__line(1, 0, NULL);
    const float *in[2];
    (void)channel;
    (void)sums;
    inputs_of(pass, offset, count, scratch, in);
    pass->k->add_forward(count, in[0], in[1], pass->out[0] + offset, &plain);
}

/* The plain sum into layer->now.z. */
static float *sum_into_z(const nncf__call *call)
{
    nncf__map_reduce pass = {
        .planes = call->block->in_planes, .segment = sum_segment, .call = call};
    pass.out[0] = call->layer->now.z.data;
    nncf__map_reduce_run(call->layer->model->context, &pass);
    return call->layer->now.z.data;
}

static void forward_in_steps(const nncf__call *call)
{
    const nncf__block *b = call->block;
    float *z = sum_into_z(call);
    nncf__layer_quantize(
        call->layer->model->context, b->quantizers[NNCF__OF_PRE_ACTIVATION], &b->out_planes, z, z);
    nncf__epilogue_forward(call, z);
}

static void backward_in_steps(const nncf__call *call, float *da, float *db)
{
    const nncf__block *b = call->block;
    nncf_context *context = call->layer->model->context;
    nncf__quantizer *quantizer = b->quantizers[NNCF__OF_PRE_ACTIVATION];
    const size_t count = nncf__planes_count(&b->out_planes);
    float *z = sum_into_z(call), *quantized = z + count;
    nncf__layer_quantize(context, quantizer, &b->out_planes, z, quantized);
    nncf__epilogue_backward(call, quantized, call->dy, da, false);
    nncf__layer_quantize_backward(context, quantizer, &b->out_planes, z, da, da);
    if (da != db)
        memcpy(db, da, count * sizeof *db);
}

/* ---- in one pass ---- */

void nncf__add_forward(const nncf__call *call)
{
    if (call->block->keeps_z)
        forward_in_steps(call);
    else
        nncf__output_forward(call, NULL, forward_segment);
}

static void backward_segment(const nncf__map_reduce *pass, size_t channel, size_t offset,
    size_t count, float *scratch, double *sums)
{
    const nncf__block *b = pass->call->block;
    const nncf__epilogue e = nncf__block_epilogue(b, channel);
    float *da = pass->out[0] + offset, *db = pass->out[1] + offset;
    const float *in[2];
    float *z = inputs_of(pass, offset, count, scratch, in);
    if (b->smooth) {
        const nncf__epilogue plain = nncf__line(1, 0, NULL);
        pass->k->add_forward(count, in[0], in[1], z, &plain);
        nncf__activate_backward(b, pass->k, count, z, pass->grad + offset, da, &e, sums);
    } else {
        pass->k->add_backward(count, in[0], in[1], pass->grad + offset, da, &e, sums);
    }
    if (da != db)
        memcpy(db, da, count * sizeof *db);
}

typedef struct copy_job {
    const float *dy;
    float *da, *db;
    size_t count;
} copy_job;

static void copy_chunk(void *arg, size_t chunk, size_t worker)
{
    const copy_job *job = arg;
    const size_t at = chunk * NNCF__CHUNK_ELEMENTS, left = job->count - at,
                 bytes =
                     (left < NNCF__CHUNK_ELEMENTS ? left : NNCF__CHUNK_ELEMENTS) * sizeof(float);
    (void)worker;
    if (job->da != job->dy)
        memcpy(job->da + at, job->dy + at, bytes);
    if (job->db != job->dy && job->db != job->da)
        memcpy(job->db + at, job->dy + at, bytes);
}

/* A sum and nothing else: both gradients are dy. */
static void copy_gradient(const nncf__call *call, float *da, float *db)
{
    copy_job job = {call->dy, da, db, nncf__planes_count(&call->block->out_planes)};
    if (da != call->dy || db != call->dy)
        nncf__parallel(
            call->layer->model->context, nncf__chunk_count(job.count, 1), copy_chunk, &job);
}

void nncf__add_backward(const nncf__call *call)
{
    const nncf__block *b = call->block;
    /* the gradient of a scale is wanted also when dx is not: dy serves as workspace */
    float *da = call->dx[0] ? call->dx[0] : call->dy, *db = call->dx[0] ? call->dx[1] : call->dy;
    if (!call->dx[0] && !b->quantizers[NNCF__OF_OUTPUT] && !b->keeps_z)
        return;
    if (b->keeps_z)
        backward_in_steps(call, da, db);
    else if (!b->quantizers[NNCF__OF_OUTPUT] && call->layer->activation == NNCF_ACTIVATION_NONE)
        copy_gradient(call, da, db);
    else
        nncf__output_backward(call, da, db, backward_segment);
}
