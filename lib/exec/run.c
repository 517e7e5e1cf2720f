/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public calls that run a layer: every argument is checked here, before anything is touched,
 * and a refusal is logged with its reason. What forward keeps for backward belongs to one call,
 * and backward checks that it is its own.
 */
#include "exec/run.h"

#include "base/error.h"
#include "controller/ctrl.h"
#include "controller/usage_checks.h"
#include "controller/weight.h"
#include "exec/batch_norm.h"
#include "exec/block.h"
#include "exec/check.h"
#include "exec/codes.h"
#include "exec/kind.h"
#include "graph/block.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <string.h>

nncf_status nncf__layer_report(const nncf_layer *layer, const char *call, nncf_status status,
    const nncf_error *reason, nncf_error *err)
{
    /* a scope may be longer than a message: its end distinguishes layers */
    enum { SCOPE_TEXT = 256 };
    if (status == NNCF_OK)
        return status;
    if (!layer)
        return nncf__fail(err, status, NULL, "%s: layer is NULL", call);
    const char *message = reason->message[0] ? reason->message : nncf_status_message(status);
    const size_t length = strlen(layer->scope);
    const char *scope = layer->scope + (length > SCOPE_TEXT ? length - SCOPE_TEXT : 0);
    while (((unsigned char)*scope & 0xc0) == 0x80)
        scope++;
    nncf__log(layer->model->context, NNCF_LOG_ERROR, "%s: %s: %s", call, layer->scope, message);
    return nncf__fail(
        err, status, layer->scope, "%s%s: %s", scope == layer->scope ? "" : "...", scope, message);
}

static nncf_status is_null(const char *name, nncf_error *err)
{
    return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL", name);
}

/* ---- shapes ---- */

nncf_status nncf__layer_output_shape(
    const nncf_layer *layer, const nncf_tensor *x, int64_t *shape, int32_t *ndim, nncf_error *err)
{
    int64_t in[4], out[4];
    nncf_status status = nncf__layer_shapes(layer, &(nncf__named){"x", x}, in, out, err);
    if (status != NNCF_OK)
        return status;
    const int32_t out_ndim = nncf__kind_of(layer)->out_ndim;
    *ndim = out_ndim ? out_ndim : x->ndim;
    memcpy(shape, out, (size_t)*ndim * sizeof *shape);
    return NNCF_OK;
}

/* As many tensors as the layer reads? One that the host runs is refused for that reason, later. */
static nncf_status check_count(const nncf_layer *layer, size_t n_x, nncf_error *err)
{
    const nncf__kind *kind = nncf__kind_of(layer);
    if (n_x == kind->n_inputs || (n_x > 0 && nncf__kind_is_run_by_host(kind)))
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_ARG, NULL, "n_x is %zu; the layer reads %zu tensor%s", n_x,
        kind->n_inputs, kind->n_inputs == 1 ? "" : "s");
}

static nncf_status output_shape(const nncf_layer *layer, const nncf_tensor *x, size_t n_x,
    int64_t *shape, size_t capacity, int32_t *ndim, nncf_error *err)
{
    int64_t sizes[NNCF_MAX_NDIM];
    int32_t n = 0;
    if (!x || !ndim || (!shape && capacity > 0))
        return is_null(!x ? "x" : !ndim ? "ndim" : "shape", err);
    nncf_status status = check_count(layer, n_x, err);
    if (status == NNCF_OK)
        status = nncf__layer_output_shape(layer, &x[0], sizes, &n, err);
    if (status == NNCF_OK && n_x == 2)
        status = nncf__layer_check_second(layer, x, err);
    if (status != NNCF_OK)
        return status;
    *ndim = n;
    if (capacity < (size_t)n)
        return nncf__fail(err, NNCF_E_BUFFER, NULL, "shape has %zu elements; the output has %d",
            capacity, (int)n);
    memcpy(shape, sizes, (size_t)n * sizeof *shape);
    return NNCF_OK;
}

nncf_status nncf_layer_get_output_shape(const nncf_layer *layer, const nncf_tensor *x, size_t n_x,
    int64_t *shape, size_t capacity, int32_t *ndim, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status =
        !layer ? NNCF_E_ARG : output_shape(layer, x, n_x, shape, capacity, ndim, &reason);
    return nncf__layer_report(layer, "nncf_layer_get_output_shape", status, &reason, err);
}

static size_t element_size(const nncf_tensor *t)
{
    return t->dtype == NNCF_F32 ? sizeof(float) : 1;
}

static size_t element_count(const int64_t shape[4])
{
    return (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
}

static nncf_status check_apart(const nncf__named *a, const int64_t a_shape[4], const nncf__named *b,
    const int64_t b_shape[4], nncf_error *err)
{
    uintptr_t i = (uintptr_t)a->tensor->data, j = (uintptr_t)b->tensor->data;
    uintptr_t m = element_count(a_shape) * element_size(a->tensor);
    uintptr_t n = element_count(b_shape) * element_size(b->tensor);
    if (i >= j + n || j >= i + m)
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_ARG, NULL, "%s and %s overlap in memory", a->name, b->name);
}

/* A call's inputs, or their gradients, as many as the layer reads; and what messages name them. */
typedef struct inputs {
    const nncf_tensor *tensors;
    size_t count;
    /* of the only one, or of the first and the second */
    const char *names[3];
} inputs;

static inputs inputs_of(const nncf_tensor *x, size_t n_x)
{
    return (inputs){x, n_x, {"x", "x[0]", "x[1]"}};
}

static inputs gradients_of(const nncf_tensor *dx, size_t n_x)
{
    return (inputs){dx, n_x, {"dx", "dx[0]", "dx[1]"}};
}

static nncf__named input_at(const inputs *x, size_t i)
{
    return (nncf__named){x->names[x->count == 1 ? 0 : 1 + i], &x->tensors[i]};
}

static nncf_status check_all_apart(const inputs *x, const nncf__named *y, const int64_t in[4],
    const int64_t out[4], nncf_error *err)
{
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < x->count && status == NNCF_OK; i++) {
        const nncf__named input = input_at(x, i);
        status = check_apart(&input, in, y, out, err);
    }
    return status;
}

/* Check the inputs and y (or dy), which may be of the type y_codes, and work out both shapes. */
static nncf_status check_pair(const nncf_layer *layer, const inputs *x, const nncf__named *y,
    int32_t y_codes, int64_t in[4], int64_t out[4], nncf_error *err)
{
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < x->count && status == NNCF_OK; i++) {
        const nncf__named input = input_at(x, i);
        const int32_t codes = nncf__layer_input_dtype(layer, i);
        status = i == 0 ? nncf__layer_check_tensor(&input, codes, NULL, err)
                        : nncf__layer_check_as(&input, codes, in, err);
        if (i == 0 && status == NNCF_OK)
            status = nncf__layer_shapes(layer, &input, in, out, err);
    }
    if (status == NNCF_OK)
        status = nncf__layer_check_as(y, y_codes, out, err);
    if (status != NNCF_OK)
        return status;
    /* a maximum has no codes of its own: those of its input, or none */
    const bool quantizes = layer->compression && layer->compression->output_quantizer;
    if (y->tensor->dtype != NNCF_F32 && !quantizes && x->tensors[0].dtype != y->tensor->dtype)
        return nncf__fail(err, NNCF_E_DTYPE, NULL,
            "%s is to be codes, but x, whose maxima they are, is floats", y->name);
    return check_all_apart(x, y, in, out, err);
}

/* ---- blocks ---- */

/* A tensor like one that was checked already, as far as its description goes. */
static bool is_alike(const nncf_tensor *t, int32_t dtype, const int64_t shape[4])
{
    bool same = (t->ndim == 2 || t->ndim == 4) && t->dtype == dtype && t->shape && !t->strides &&
        t->data && (uintptr_t)t->data % (dtype == NNCF_F32 ? _Alignof(float) : 1) == 0 &&
        t->device == 0 && t->reserved[0] == 0 && t->reserved[1] == 0;
    for (int i = 0; i < 4 && same; i++)
        same = (i < t->ndim ? t->shape[i] : 1) == shape[i];
    return same;
}

/* The block that is prepared, if it is for such tensors: then they need no further check but for
 * overlaps. */
static const nncf__block *known_block(
    const nncf_layer *layer, const inputs *x, const nncf_tensor *y, int32_t y_dtype)
{
    const nncf__block *b = nncf__block_current(layer);
    bool known = b && is_alike(y, y_dtype, b->out);
    for (size_t i = 0; known && i < x->count; i++)
        known = is_alike(&x->tensors[i], b->key.x_dtype[i], b->key.in);
    return known ? b : NULL;
}

/* Codes whose scale is stated must be those that the layer's input consists of. Others, as those of
 * an earlier step, would be taken for what they are not. */
static nncf_status check_codes(const nncf_layer *layer, const inputs *x, nncf_error *err)
{
    for (size_t i = 0; i < x->count; i++) {
        const nncf__named input = input_at(x, i);
        const nncf_tensor *t = input.tensor;
        if (t->dtype == NNCF_F32)
            continue;
        if (t->scales || t->zero_points)
            return nncf__fail(err, NNCF_E_ARG, NULL,
                "%s has scales a channel; layers read codes of one scale", input.name);
        const nncf__quantizer *q = nncf__layer_source(layer, i).quantizer;
        if (t->scale == 0 || (t->scale == q->scales[0] && t->zero_point == q->zero_points[0]))
            continue;
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "%s states scale %.9g and zero point %d; the codes that the layer reads now have %.9g "
            "and %d: pass what the feeding layer wrote since the last optimizer step",
            input.name, (double)t->scale, (int)t->zero_point, (double)q->scales[0],
            (int)q->zero_points[0]);
    }
    return NNCF_OK;
}

/* What the bytes of an output mean. */
static void describe(const nncf_layer *layer, nncf_tensor *y)
{
    const nncf__quantizer *q = y->dtype == NNCF_F32 ? NULL : nncf__layer_output_source(layer);
    y->scale = q ? q->scales[0] : 0;
    y->zero_point = q ? q->zero_points[0] : 0;
    y->scales = NULL;
    y->zero_points = NULL;
    y->axis = 0;
}

/* Check a call's tensors, and find the block for them. */
static nncf_status prepare(nncf_layer *layer, const inputs *x, const nncf__named *y, bool forward,
    const nncf__block **block, nncf_error *err)
{
    const nncf_tensor *t = y->tensor;
    int64_t in[4], out[4];
    int32_t x_dtype[2] = {NNCF_F32, NNCF_F32};
    const nncf__block *b = known_block(layer, x, t, forward ? t->dtype : NNCF_F32);
    nncf_status status;
    if (b && (!forward || b->key.y_dtype == t->dtype)) {
        *block = b;
        status = check_codes(layer, x, err);
        if (status == NNCF_OK)
            status = check_all_apart(x, y, b->key.in, b->out, err);
        /* a backward, refused or not, may have prepared the block */
        if (status == NNCF_OK && forward)
            status = nncf__layer_check_batch_norm(layer, b->out, err);
        return status;
    }
    status = check_pair(
        layer, x, y, forward ? nncf__layer_output_dtype(layer) : (int32_t)NNCF_F32, in, out, err);
    if (status == NNCF_OK)
        status = check_codes(layer, x, err);
    if (status == NNCF_OK && forward)
        status = nncf__layer_check_batch_norm(layer, out, err);
    if (status != NNCF_OK)
        return status;
    for (size_t i = 0; i < x->count; i++)
        x_dtype[i] = x->tensors[i].dtype;
    *block = nncf__block_get(layer, in, out, x_dtype, t->dtype);
    return NNCF_OK;
}

/* The inputs as the layer reads them. */
static nncf__call call_of(nncf_layer *layer, const nncf__block *b, const nncf_tensor *x)
{
    nncf__call call = {.block = b, .layer = layer};
    for (size_t i = 0; i < b->kind->n_inputs; i++) {
        call.x[i] = b->x[i];
        call.x[i].data = x[i].data;
    }
    return call;
}

/* ---- whose state it is ---- */

/*
 * A mark of an input, by its bytes: a host may hand backward a copy of it. Of all bytes where
 * `whole` is set; else of some, which is enough to distinguish batches, and cheap. Four lanes, so
 * that multiplications overlap.
 */
static uint64_t mark_of(const nncf_tensor *x, const int64_t shape[4], bool whole)
{
    enum { LANES = 4, SAMPLES = 64 };
    const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
    const unsigned char *bytes = x->data;
    const size_t n = element_count(shape) * element_size(x), words = n / sizeof(uint64_t);
    const size_t stride = whole || words <= SAMPLES ? 1 : words / SAMPLES;
    uint64_t lanes[LANES] = {1, 2, 3, 4}, word = 0;
    for (size_t i = 0, lane = 0; i < words; i += stride, lane = (lane + 1) % LANES) {
        memcpy(&word, bytes + i * sizeof word, sizeof word);
        lanes[lane] = (lanes[lane] ^ word) * factor;
        lanes[lane] ^= lanes[lane] >> 32;
    }
    word = n; /* and what is left of less than a word */
    for (size_t i = words * sizeof word; i < n; i++)
        word = word << 8 | bytes[i];
    for (size_t lane = 0; lane < LANES; lane++)
        word = ((word ^ lanes[lane]) * factor) ^ word >> 29;
    return word;
}

/* After a forward: remember whose state it left. */
static void take_state(
    nncf_layer *layer, const nncf__block *block, const nncf_tensor *x, bool pending)
{
    memcpy(layer->batch_shape, block->key.in, sizeof layer->batch_shape);
    layer->ready_for_backward = block->keeps;
    if (!block->keeps || !block->keeps_state)
        return;
    /* with two forwards and no backward between them the host may mean either: then all of x is
     * compared */
    layer->state.whole = pending;
    layer->state.spent = false;
    layer->state.mark = mark_of(x, block->key.in, pending);
}

static nncf_status check_state(
    const nncf_layer *layer, const nncf__block *block, const nncf_tensor *x, nncf_error *err)
{
    const int64_t *in = block->key.in;
    if (layer->model->mode != NNCF_MODE_TRAIN)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the model is in eval mode: set NNCF_MODE_TRAIN before forward");
    if (block->key.observing)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "initialization is under way: it takes forwards only, until "
            "nncf_compression_ctrl_init_step() sets more to 0");
    if (!layer->ready_for_backward)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "there is no forward in train mode to go back through: none ran, or one in eval mode "
            "or a "
            "controller that came or went has taken its place");
    if (memcmp(in, layer->batch_shape, sizeof layer->batch_shape) != 0)
        return nncf__fail(err, NNCF_E_SHAPE, NULL,
            "x is of another shape, (%lld,%lld,%lld,%lld), than in the last forward, "
            "(%lld,%lld,%lld,%lld): backward belongs to that forward",
            (long long)in[0], (long long)in[1], (long long)in[2], (long long)in[3],
            (long long)layer->batch_shape[0], (long long)layer->batch_shape[1],
            (long long)layer->batch_shape[2], (long long)layer->batch_shape[3]);
    if (!block->keeps_state)
        return NNCF_OK;
    if (layer->state.spent)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the backward of the last forward ran already; a layer keeps the state of one call: "
            "run "
            "forward and backward in turn, also where it is used twice in a step");
    if ((layer->state.whole || block->reads_x) &&
        mark_of(x, in, layer->state.whole) != layer->state.mark)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "x is not what the last forward read; a layer keeps the state of one call: where it is "
            "used "
            "twice in a step, run backward of the first use before forward of the second; and x "
            "must "
            "not be changed in between");
    return NNCF_OK;
}

/* ---- forward and backward ---- */

static nncf_status forward(
    nncf_layer *layer, const nncf_tensor *x, size_t n_x, nncf_tensor *y, nncf_error *err)
{
    const inputs xs = inputs_of(x, n_x);
    const nncf__block *b;
    if (!x || !y)
        return is_null(!x ? "x" : "y", err);
    nncf_status status = check_count(layer, n_x, err);
    if (status == NNCF_OK)
        status = prepare(layer, &xs, &(nncf__named){"y", y}, true, &b, err);
    if (status != NNCF_OK)
        return status;
    nncf__call call = call_of(layer, b, x);
    call.y = (nncf__output){y->data, y->dtype};
    const bool pending = layer->ready_for_backward && !layer->state.spent;
    nncf__ctrl_count_samples(layer->model->ctrl, b->key.in[0]);
    layer->ready_for_backward = false; /* what it kept is overwritten from here on */
    status = nncf__block_reserve_forward(layer, b);
    if (status != NNCF_OK)
        return status;
    if (b->compresses)
        nncf__usage_forward(layer->compression->ctrl);
    b->kind->forward(&call);
    take_state(layer, b, x, pending);
    describe(layer, y);
    return NNCF_OK;
}

nncf_status nncf_layer_forward(
    nncf_layer *layer, const nncf_tensor *x, size_t n_x, nncf_tensor *y, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status = !layer ? NNCF_E_ARG : forward(layer, x, n_x, y, &reason);
    return nncf__layer_report(layer, "nncf_layer_forward", status, &reason, err);
}

/* Floats of the shape of x. */
static nncf_status check_gradient(
    const nncf_layer *layer, const nncf__named *d, const int64_t in[4], nncf_error *err)
{
    int64_t shape[4];
    if (is_alike(d->tensor, NNCF_F32, in))
        return NNCF_OK;
    nncf_status status = nncf__layer_check_tensor(d, NNCF_F32, NULL, err);
    if (status == NNCF_OK)
        status = nncf__layer_input_shape(layer, d, shape, err);
    if (status == NNCF_OK && memcmp(shape, in, sizeof shape) != 0)
        status = nncf__fail(err, NNCF_E_SHAPE, NULL,
            "%s is (%lld,%lld,%lld,%lld), but x is (%lld,%lld,%lld,%lld)", d->name,
            (long long)shape[0], (long long)shape[1], (long long)shape[2], (long long)shape[3],
            (long long)in[0], (long long)in[1], (long long)in[2], (long long)in[3]);
    return status;
}

static nncf_status check_dx(const nncf_layer *layer, const inputs *x, const nncf__named *dy,
    const nncf_tensor *dx, const int64_t in[4], const int64_t out[4], nncf_error *err)
{
    const inputs gradients = gradients_of(dx, x->count);
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < x->count && status == NNCF_OK; i++) {
        const nncf__named d = input_at(&gradients, i);
        status = check_gradient(layer, &d, in, err);
        if (status == NNCF_OK)
            status = check_apart(&d, in, dy, out, err);
        for (size_t j = 0; j < x->count && status == NNCF_OK; j++) {
            const nncf__named input = input_at(x, j);
            status = check_apart(&d, in, &input, in, err);
        }
    }
    if (status == NNCF_OK && x->count == 2 && dx[0].data != dx[1].data) {
        const nncf__named a = input_at(&gradients, 0), b = input_at(&gradients, 1);
        status = check_apart(&a, in, &b, in, err);
    }
    return status;
}

static nncf_status backward(nncf_layer *layer, const nncf_tensor *x, size_t n_x, nncf_tensor *dy,
    nncf_tensor *dx, nncf_error *err)
{
    const inputs xs = inputs_of(x, n_x);
    const nncf__block *b;
    if (!x || !dy)
        return is_null(!x ? "x" : "dy", err);
    const nncf__named gradient = {"dy", dy};
    nncf_status status = check_count(layer, n_x, err);
    if (status == NNCF_OK)
        status = prepare(layer, &xs, &gradient, false, &b, err);
    if (status == NNCF_OK && dx)
        status = check_dx(layer, &xs, &gradient, dx, b->key.in, b->out, err);
    if (status == NNCF_OK)
        status = check_state(layer, b, x, err);
    if (status == NNCF_OK)
        status = nncf__weight_check_backward(layer, err);
    if (status == NNCF_OK)
        status = nncf__block_reserve_backward(layer, b, dx != NULL);
    if (status != NNCF_OK)
        return status;
    nncf__call call = call_of(layer, b, x);
    call.dy = dy->data;
    for (size_t i = 0; dx && i < b->kind->n_inputs; i++)
        call.dx[i] = dx[i].data;
    b->kind->backward(&call);
    if (b->compresses)
        nncf__usage_backward(layer->compression->ctrl);
    layer->state.spent = true;
    return NNCF_OK;
}

nncf_status nncf_layer_backward(nncf_layer *layer, const nncf_tensor *x, size_t n_x,
    nncf_tensor *dy, nncf_tensor *dx, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status = !layer ? NNCF_E_ARG : backward(layer, x, n_x, dy, dx, &reason);
    return nncf__layer_report(layer, "nncf_layer_backward", status, &reason, err);
}
