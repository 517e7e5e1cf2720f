/* SPDX-License-Identifier: Apache-2.0 */
/* PReLU (He et al. 2015, equation 1): y = x > 0 ? x : slope x. Keeps nothing but what an output
 * quantizer reads. At 0 the derivative is the slope, as PyTorch has it. */
#include "exec/prelu.h"

#include "base/pool.h"
#include "exec/call.h"
#include "exec/chunks.h"
#include "exec/keep.h"
#include "exec/map_reduce.h"
#include "exec/quantize.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "kernels/smooth.h"

#include <nncf/context.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>

static bool by_channel(const nncf_layer *layer)
{
    return layer->norm.size > 1;
}

void nncf__prelu_prepare(const nncf_layer *layer, nncf__block *b)
{
    const size_t segment = nncf__map_reduce_length(&b->in_planes, by_channel(layer));
    b->forward.scratch = nncf__code_floats(b, 0, b->in_planes.hw);
    b->backward[0].scratch = b->backward[1].scratch = nncf__code_floats(b, 0, segment);
    b->reads_x = true;
    nncf__keep_prepare(b);
}

typedef struct prelu_job {
    const nncf__call *call;
    const nncf__kernels *k;
    const nncf__smooth_kernels *s;
    nncf_context *context;
    float *z;
} prelu_job;

static void planes_chunk(void *arg, size_t chunk, size_t worker)
{
    const prelu_job *job = arg;
    const nncf__planes *p = &job->call->block->in_planes;
    const nncf_layer *layer = job->call->layer;
    const size_t each = nncf__chunk_rows(p->hw), count = p->n * p->c;
    float *scratch = nncf__scratch(job->context, worker);
    for (size_t i = chunk * each; i < (chunk + 1) * each && i < count; i++) {
        const float *x = nncf__floats_of(job->k, &job->call->x[0], i * p->hw, p->hw, scratch);
        const float slope = layer->norm.weight[by_channel(layer) ? i % p->c : 0];
        job->s->activate(NNCF_ACTIVATION_LEAKY_RELU, slope, p->hw, x, job->z + i * p->hw);
    }
}

void nncf__prelu_forward(const nncf__call *call)
{
    nncf_context *context = call->layer->model->context;
    const nncf__planes *p = &call->block->in_planes;
    prelu_job job = {.call = call,
        .k = nncf__kernels_of(context),
        .s = nncf__smooth_of(context),
        .context = context,
        .z = nncf__keep_z(call)};
    nncf__parallel(context, nncf__chunk_count(p->n * p->c, p->hw), planes_chunk, &job);
    nncf__keep_forward(call, job.z);
}

static void backward_segment(const nncf__map_reduce *pass, size_t channel, size_t offset,
    size_t count, float *scratch, double *sums)
{
    const float *x = nncf__floats_of(pass->k, &pass->call->x[0], offset, count, scratch);
    const float *dy = pass->grad + offset, slope = pass->call->layer->norm.weight[channel];
    const nncf__smooth_kernels *s = nncf__smooth_kernels_get(pass->k->isa);
    if (pass->call->layer->norm.weight_grad)
        s->sum_not_positive(count, x, dy, sums);
    if (pass->out[0])
        s->activate_backward(
            NNCF_ACTIVATION_LEAKY_RELU, slope, count, x, dy, pass->out[0] + offset);
}

static void add_slope_gradient(const nncf__map_reduce *pass, size_t channel, const double *sums)
{
    float *gradient = pass->call->layer->norm.weight_grad;
    if (gradient)
        gradient[channel] += (float)sums[0];
}

void nncf__prelu_backward(const nncf__call *call)
{
    nncf_layer *layer = call->layer;
    nncf_context *context = layer->model->context;
    nncf__keep_backward(call);
    if (!call->dx[0] && !layer->norm.weight_grad)
        return;
    nncf__map_reduce pass = {.planes = call->block->in_planes,
        .by_channel = by_channel(layer),
        .segment = backward_segment,
        .on_result = add_slope_gradient,
        .k = nncf__kernels_of(context),
        .call = call,
        .out = {call->dx[0]},
        .grad = call->dy};
    nncf__map_reduce_run(context, &pass);
}
