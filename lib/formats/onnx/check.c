/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An export against what the host computed: the nodes are run on the golden input, and what they
 * make must be the golden output. Where it is not, what the host handed to the layers in eval mode
 * (graph/seen.h) shows the first layer after which they part. That is only looked at then: it may
 * be of another batch, which the layers that read the model's input show.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "controller/ctrl.h"
#include "formats/onnx/evaluate.h"
#include "formats/onnx/export.h"
#include "graph/model.h"
#include "graph/seen.h"
#include "quantization/layer_compression.h"

#include <nncf/base.h>
#include <nncf/onnx.h>
#include <nncf/tensor.h>

#include <math.h>
#include <string.h>

/*
 * Without quantizers host and file differ by the order of their sums. With quantizers a value at a
 * tie may get the next code, and what is computed from it is off by a part of a step: a few
 * elements differ. What is not the same network differs in many, though perhaps not at the output,
 * where the last activation may hide it; so there, what the host showed of its layers counts, too.
 */
#define LARGEST    1e-3
#define NOTICEABLE 1e-2
enum { NOTICEABLE_PART = 8 };

/* How far made is from wanted. */
typedef struct distance {
    size_t count;
    double largest, magnitude;
    /* how many are further apart than NOTICEABLE of `magnitude`, which is known before */
    size_t noticeable;
} distance;

static void look(distance *d, float wanted)
{
    d->magnitude = fmax(d->magnitude, fabs((double)wanted));
}

/* After all were looked at. */
static void compare(distance *d, float made, float wanted)
{
    const double difference = fabs((double)made - (double)wanted);
    d->count++;
    d->largest = difference <= d->largest || isnan(d->largest) ? d->largest : difference;
    d->noticeable += difference <= NOTICEABLE * d->magnitude ? 0 : 1;
}

static bool is_quantized(const nncf_model *m)
{
    for (size_t i = 0; i < m->n_layers; i++)
        for (int slot = 0; m->layers[i]->compression && slot < NNCF__N_SLOTS; slot++)
            if (nncf__layer_quantizer(m->layers[i]->compression, (enum nncf__quantizer_slot)slot))
                return true;
    return false;
}

/* The same but for the order of sums, or as near as the caller wants it. */
static bool is_equal(const nncf__onnx_builder *b, const distance *d)
{
    const double part = b->params.tolerance > 0 ? (double)b->params.tolerance : LARGEST;
    return d->largest <= part * d->magnitude + 1e-6; /* of zeros */
}

/* The same but for codes at a tie. */
static bool is_near(const nncf__onnx_builder *b, const distance *d)
{
    return is_equal(b, d) ||
        (b->params.tolerance == 0 && isfinite(d->largest) && is_quantized(b->model) &&
            d->noticeable <= d->count / NOTICEABLE_PART);
}

/* The first layer after which host and graph part, by what was seen of them. */
typedef struct search {
    const nncf__onnx_builder *builder;
    /* and the one that reads what it makes, where that is what differs */
    const nncf_layer *parted, *reader;
    distance there;
    /* elements; they differ: the host's has another shape */
    size_t seen, made;
    /* what was seen is, or is not, of the golden input */
    bool fresh, stale;
} search;

/* Does the array have what was seen? Nothing seen: it does. */
static bool agrees(search *s, const nncf__seen *seen, const nncf__onnx_array *made, distance *d)
{
    *d = (distance){0};
    if (seen->count == 0 || !made->data)
        return true;
    for (size_t i = 0; i < nncf__seen_kept(seen->count); i++)
        look(d, seen->values[i]);
    for (size_t i = 0; seen->count == made->count && i < nncf__seen_kept(seen->count); i++)
        compare(d, made->data[nncf__seen_at(made->count, i)], seen->values[i]);
    s->seen = seen->count;
    s->made = made->count;
    return s->seen == s->made && is_near(s->builder, d);
}

static void visit(
    void *arg, const nncf_layer *layer, const nncf__onnx_array *x, const nncf__onnx_array *y)
{
    search *s = arg;
    distance d;
    if (s->parted || s->stale)
        return;
    if (!agrees(s, &layer->seen[0], x, &d)) {
        s->stale = layer->n_inputs == 0;
        s->parted = s->stale ? NULL : layer->inputs[0];
        s->reader = layer;
        s->there = d;
    } else if (!agrees(s, &layer->seen[1], y, &d)) {
        s->parted = layer;
        s->there = d;
    }
    s->fresh = s->fresh || (layer->n_inputs == 0 && layer->seen[0].count > 0 && !s->stale);
}

static const nncf_layer *output_of(const nncf_model *m)
{
    for (size_t i = 0; i < m->n_layers; i++)
        if (m->layers[i]->n_consumers == 0)
            return m->layers[i];
    return m->layers[m->n_layers - 1];
}

static nncf_status part(const nncf__onnx_builder *b, const search *s, const distance *whole)
{
    const nncf_layer *l = s->parted;
    const bool turns = l && nncf__layer_is_by_host(l) && l->weight_ndim > 2;
    const char *question = turns
        ? "does the host run something after or in front of it that is not registered, or turn "
          "its kernel?"
        : "does the host run something that is not registered?";
    if (!l) {
        l = output_of(b->model);
        return nncf__fail(b->err, NNCF_E_STATE, l->scope,
            "the registered graph does not compute golden_output: after %s the largest difference "
            "is %g, of values up to %g; %s (To find the layer after which they part, run the "
            "host's forward of golden_input in eval mode right before the export.)",
            l->scope, whole->largest, whole->magnitude, question);
    }
    if (s->seen != s->made)
        return nncf__fail(b->err, NNCF_E_STATE, l->scope,
            "the registered graph does not compute golden_output: they part after %s, which makes "
            "%zu elements where the host %s%s %zu; %s",
            l->scope, s->made, s->reader ? "hands on to " : "has",
            s->reader ? s->reader->scope : "", s->seen, question);
    return nncf__fail(b->err, NNCF_E_STATE, l->scope,
        "the registered graph does not compute golden_output: they part after %s%s%s, where the "
        "largest difference is %g, of values up to %g (at the output %g of %g); %s",
        l->scope, s->reader ? ", in front of " : "", s->reader ? s->reader->scope : "",
        s->there.largest, s->there.magnitude, whole->largest, whole->magnitude, question);
}

static nncf_status compare_output(const nncf__onnx_builder *b, const search *s,
    const nncf__onnx_array *made, const nncf_tensor *wanted)
{
    distance d = {0};
    size_t count = 1;
    for (int32_t i = 0; i < wanted->ndim; i++)
        count *= (size_t)wanted->shape[i];
    if (count != made->count) {
        search other = *s;
        if (!other.parted) {
            other.parted = output_of(b->model);
            other.made = made->count;
            other.seen = count;
        }
        return part(b, &other, &d);
    }
    for (size_t i = 0; i < count; i++)
        look(&d, ((const float *)wanted->data)[i]);
    for (size_t i = 0; i < count; i++)
        compare(&d, made->data[i], ((const float *)wanted->data)[i]);
    if (is_equal(b, &d) || (is_near(b, &d) && !(s->fresh && s->parted)))
        return NNCF_OK;
    return part(b, s, &d);
}

nncf_status nncf__onnx_check_given(const nncf__onnx_builder *b)
{
    if (b->params.unchecked || b->params.golden_input)
        return NNCF_OK;
    for (size_t i = 0; i < b->model->n_layers; i++) {
        const nncf_layer *l = b->model->layers[i];
        if (nncf__layer_is_by_host(l) && l->op != NNCF_OP_INPUT)
            return nncf__fail(b->err, NNCF_E_STATE, l->scope,
                "%s is run by the host, so that only the host knows what the model computes: give "
                "golden_input and golden_output, a small batch and what the host's forward in eval "
                "mode makes of it, which the file is compared with; or set unchecked",
                l->scope);
    }
    return NNCF_OK;
}

/* Of what x stands for, the output must be `wanted`. */
static nncf_status check(nncf__onnx_builder *b, const nncf_tensor *x, const nncf_tensor *wanted)
{
    nncf__onnx_array output = {0};
    search s = {.builder = b};
    nncf_status status = nncf__onnx_evaluate(b, x, visit, &s, &output);
    if (status == NNCF_OK && output.data) {
        status = compare_output(b, s.stale ? &(search){.builder = b} : &s, &output, wanted);
        b->checked = status == NNCF_OK;
        if (!output.borrowed)
            nncf__free(b->context, output.data);
    }
    return status;
}

/*
 * The first samples of a large batch are enough where they agree, and plain loops take seconds for
 * a hundred images. Where they differ, or do not fit a graph of a fixed batch, the whole batch is
 * run.
 */
static bool is_right_for_few(nncf__onnx_builder *b)
{
    enum { FEW = 8 };
    nncf_tensor x = *b->params.golden_input, y = *b->params.golden_output;
    int64_t x_shape[NNCF_MAX_NDIM], y_shape[NNCF_MAX_NDIM];
    if (x.ndim < 2 || y.ndim < 2 || x.shape[0] <= FEW || y.shape[0] != x.shape[0])
        return false;
    memcpy(x_shape, x.shape, (size_t)x.ndim * sizeof *x_shape);
    memcpy(y_shape, y.shape, (size_t)y.ndim * sizeof *y_shape);
    x_shape[0] = y_shape[0] = FEW;
    x.shape = x_shape;
    y.shape = y_shape;
    nncf_error *const err = b->err;
    b->err = NULL;
    const nncf_status status = check(b, &x, &y);
    b->err = err;
    return status == NNCF_OK && b->checked;
}

nncf_status nncf__onnx_check(nncf__onnx_builder *b)
{
    if (b->params.unchecked || !b->params.golden_input)
        return NNCF_OK;
    return is_right_for_few(b) ? NNCF_OK
                               : check(b, b->params.golden_input, b->params.golden_output);
}
