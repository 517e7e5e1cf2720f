/* SPDX-License-Identifier: Apache-2.0 */
/* Counting work as NNCF does: two operations for each multiplication, biases and norms none. */
#include "pruning/work.h"

#include "graph/model.h"
#include "pruning/clusters.h"

#include <nncf/layers.h>
#include <nncf/model.h>

#include <string.h>

/* ---- sizes of planes ---- */

/* Along height (0) or width (1). */
typedef struct window {
    int64_t kernel, stride, begin, end, dilation, more;
} window;

static window window_of(const nncf_layer *l, int i)
{
    const nncf__op_attributes *a = &l->attributes;
    window w = {l->kernel[i], l->stride[i], l->padding[i], l->padding_after[i], l->dilation[i],
        a->output_padding[1 + i]};
    if (l->kind == NNCF__OPERATOR) {
        w = (window){a->kernel[1 + i], a->stride[1 + i], a->padding[1 + i],
            a->padding[1 + i] + a->padding_end[1 + i], a->dilation[1 + i],
            a->output_padding[1 + i]};
        if (l->weight_ndim >= 3)
            w.kernel = l->weight_ndim == 3 && i == 0 ? 1 : l->weight_shape[l->weight_ndim - 2 + i];
    }
    w.kernel = w.kernel > 0 ? w.kernel : 1;
    w.dilation = w.dilation > 0 ? w.dilation : 1;
    if (w.stride <= 0)
        w.stride = l->kind == NNCF__OPERATOR && l->weight_ndim == 0 ? w.kernel : 1;
    return w;
}

static int64_t slide(const nncf_layer *l, int i, int64_t in)
{
    const window w = window_of(l, i);
    const int64_t reach = w.dilation * (w.kernel - 1) + 1, space = in + w.begin + w.end - reach;
    const bool ceil = l->ceil_mode || (l->attributes.flags & NNCF_OP_FLAG_CEIL);
    if (l->weight_axis == 1)
        return (in - 1) * w.stride - w.begin - w.end + reach + w.more;
    return space < 0 ? 0 : (space + (ceil ? w.stride - 1 : 0)) / w.stride + 1;
}

static bool is_global(const nncf_layer *l)
{
    return (l->kind == NNCF__POOL2D && l->pool_kind == NNCF_POOL_GLOBAL_AVERAGE) ||
        l->op == NNCF_OP_LINEAR || l->op == NNCF_OP_MEAN || l->op == NNCF_OP_FLATTEN ||
        l->op == NNCF_OP_RESHAPE;
}

static bool has_windows(const nncf_layer *l)
{
    return l->kind == NNCF__CONV2D || l->kind == NNCF__CONV_TRANSPOSE2D ||
        l->kind == NNCF__POOL2D ||
        (l->kind == NNCF__OPERATOR &&
            ((l->op >= NNCF_OP_CONV1D && l->op <= NNCF_OP_CONV_TRANSPOSE3D && l->weight_ndim < 5) ||
                l->op == NNCF_OP_MAX_POOL || l->op == NNCF_OP_AVERAGE_POOL));
}

/* out[2] of in[2], both height and width. */
static void out_size(const nncf_layer *l, const int64_t in[2], int64_t out[2])
{
    for (int i = 0; i < 2; i++) {
        const int64_t factor =
            l->kind == NNCF__OPERATOR ? l->attributes.stride[1 + i] : l->stride[i];
        if (is_global(l))
            out[i] = 1;
        else if (l->op == NNCF_OP_ADAPTIVE_AVERAGE_POOL && l->kind == NNCF__OPERATOR)
            out[i] = l->attributes.n_sizes == 2 ? l->attributes.sizes[i] : 1;
        else if (has_windows(l))
            out[i] = slide(l, i, in[i]);
        else if (l->op == NNCF_OP_INTERPOLATE)
            out[i] = in[i] * (factor > 0 ? factor : 1);
        else
            out[i] = in[i];
    }
}

void nncf__pixels_of(const nncf_model *model, const int64_t input_size[2], int64_t *pixels)
{
    const bool known = input_size[0] > 0 && input_size[1] > 0;
    /* both sides fit in one number each: height in the upper half */
    for (size_t i = 0; i < model->n_layers; i++) {
        const nncf_layer *l = model->layers[i];
        int64_t in[2] = {input_size[0], input_size[1]}, out[2];
        if (!known) {
            const int64_t *last = l->now.batch_out;
            pixels[i] = l->now.batch_shape[0] > 0 ? last[2] << 32 | last[3] : 0;
            continue;
        }
        if (l->n_inputs > 0) {
            in[0] = pixels[l->inputs[0]->index] >> 32;
            in[1] = pixels[l->inputs[0]->index] & INT32_MAX;
        }
        out_size(l, in, out);
        pixels[i] = out[0] > 0 && out[1] > 0 && out[0] <= INT32_MAX && out[1] <= INT32_MAX
            ? out[0] << 32 | out[1]
            : 0;
    }
    for (size_t i = 0; i < model->n_layers; i++)
        pixels[i] = (pixels[i] >> 32) * (pixels[i] & INT32_MAX);
}

/* ---- counting ---- */

void nncf__work_of(const nncf__clusters *c, const int64_t *pixels, bool kept, nncf__work *work)
{
    bool known = true;
    *work = (nncf__work){0};
    for (size_t i = 0; i < c->model->n_layers; i++) {
        const nncf_layer *l = c->model->layers[i];
        const int64_t out = kept ? nncf__kept_outputs(c, l) : l->out_channels;
        const nncf_batch_norm_params *bn = &l->batch_norm;
        const int64_t rows =
            (l->bias != NULL) + (l->has_batch_norm ? (bn->weight != NULL) + (bn->bias != NULL) : 0);
        work->parameters += rows * (l->has_batch_norm || l->weight_count ? out : 0);
        if (l->weight_count == 0 || l->tied_to)
            continue;
        const int64_t before = l->weight_axis == 1 ? l->in_channels : l->out_channels;
        const bool grouped = l->groups > 1;
        const int64_t in = kept && !grouped ? nncf__kept_inputs(c, l) : l->in_channels;
        int64_t weights = (int64_t)l->weight_count;
        if (before > 0 && l->in_channels > 0 && l->out_channels > 0)
            weights = grouped ? weights / l->out_channels * out
                              : weights / l->out_channels / l->in_channels * out * in;
        work->parameters += weights;
        if (l->op >= NNCF_OP_CONV1D && l->op <= NNCF_OP_CONV_TRANSPOSE3D) {
            work->filters += out;
            known = known && pixels[i] > 0;
            /* a transposed one multiplies each pixel of its input with all of its kernel */
            const int64_t planes = l->weight_axis == 0 ? pixels[i]
                : l->n_inputs                          ? pixels[l->inputs[0]->index]
                                                       : pixels[i];
            work->flops += 2 * weights * planes;
        } else if (l->op == NNCF_OP_LINEAR) {
            work->flops += 2 * weights;
        }
    }
    if (!known)
        work->flops = 0;
}
