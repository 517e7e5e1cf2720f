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
#include "exec/gradients.h"
#include "exec/kind.h"
#include "exec/strided.h"
#include "graph/block.h"
#include "graph/kind_info.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "graph/seen.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <string.h>

static nncf_status is_null(const char *name, nncf_error *err)
{
    return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL", name);
}

static size_t element_size(const nncf_tensor *t)
{
    return t->dtype == NNCF_F32 || t->dtype == NNCF_I32 ? sizeof(float) : 1;
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

/* A call's inputs, or their gradients, as many as the layer reads. */
typedef struct inputs {
    const nncf_tensor *tensors;
    size_t count;
    bool gradients;
} inputs;

/* An input, and what messages call it. */
static nncf__named input_at(const inputs *x, size_t i)
{
    static const char *const gradients[NNCF__MAX_INPUTS] = {
        "dx[0]", "dx[1]", "dx[2]", "dx[3]", "dx[4]", "dx[5]", "dx[6]", "dx[7]"};
    const char *name = !x->gradients ? nncf__input_name(i, x->count)
        : x->count == 1              ? "dx"
                                     : gradients[i];
    return (nncf__named){name, &x->tensors[i]};
}

static nncf_status check_all_apart(
    const inputs *x, const nncf__named *y, const nncf__shapes *s, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < x->count && status == NNCF_OK; i++) {
        const nncf__named input = input_at(x, i);
        status = check_apart(&input, s->in[i], y, s->out, err);
    }
    return status;
}

/* The type that an input has where it is not NNCF_F32. */
static int32_t input_dtype(const nncf_layer *layer, size_t i)
{
    return nncf__kind_of(layer)->reads_ids ? (int32_t)NNCF_I32 : nncf__layer_input_dtype(layer, i);
}

/* Check the inputs and y (or dy), which may be of the type y_codes, and work out all shapes. */
static nncf_status check_tensors(const nncf_layer *layer, const inputs *x, const nncf__named *y,
    int32_t y_codes, nncf__shapes *s, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < x->count && status == NNCF_OK; i++) {
        const nncf__named input = input_at(x, i);
        status = nncf__layer_check_tensor(&input, input_dtype(layer, i), NULL, err);
    }
    if (status == NNCF_OK)
        status = nncf__layer_shapes(layer, x->tensors, x->count, s, err);
    if (status == NNCF_OK)
        status = nncf__layer_check_shape(y, y_codes, &s->y, s->out, err);
    if (status != NNCF_OK)
        return status;
    /* a maximum has no codes of its own: those of its input, or none */
    const bool quantizes = nncf__layer_active(layer->compression, NNCF__SLOT_OUTPUT) != NULL;
    if (y->tensor->dtype != NNCF_F32 && !quantizes && x->tensors[0].dtype != y->tensor->dtype)
        return nncf__fail(err, NNCF_E_DTYPE, NULL,
            "%s is to be codes, but x, whose maxima they are, is floats", y->name);
    return check_all_apart(x, y, s, err);
}

/* ---- blocks ---- */

/* A tensor like one that was checked already, as far as its description goes. */
static bool is_alike(const nncf_tensor *t, int32_t dtype, const nncf__shape *shape)
{
    return t->ndim == shape->ndim && t->dtype == dtype && t->shape && !t->strides && t->data &&
        (uintptr_t)t->data % (element_size(t) == 1 ? 1 : _Alignof(float)) == 0 && t->device == 0 &&
        t->reserved[0] == 0 && t->reserved[1] == 0 &&
        memcmp(t->shape, shape->size, (size_t)t->ndim * sizeof *t->shape) == 0;
}

/* The block that is prepared, if it is for such tensors: then they need no further check but for
 * overlaps. */
static const nncf__block *known_block(
    const nncf_layer *layer, const inputs *x, const nncf_tensor *y, int32_t y_dtype)
{
    const nncf__block *b = nncf__block_current(layer);
    bool known = b && is_alike(y, y_dtype, &b->key.shapes.y);
    for (size_t i = 0; known && i < x->count; i++)
        known = is_alike(&x->tensors[i], b->key.x_dtype[i], &b->key.shapes.x[i]);
    return known ? b : NULL;
}

/* Codes whose scale is stated must be those that the layer's input consists of. Others, as those of
 * an earlier step, would be taken for what they are not. */
static nncf_status check_codes(const nncf_layer *layer, const inputs *x, nncf_error *err)
{
    for (size_t i = 0; i < x->count; i++) {
        const nncf__named input = input_at(x, i);
        const nncf_tensor *t = input.tensor;
        if (t->dtype == NNCF_F32 || t->dtype == NNCF_I32)
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
    nncf__shapes s;
    int32_t x_dtype[NNCF__MAX_INPUTS] = {NNCF_F32};
    const nncf__block *b = known_block(layer, x, t, forward ? t->dtype : NNCF_F32);
    nncf_status status;
    if (b && (!forward || b->key.y_dtype == t->dtype)) {
        *block = b;
        status = check_codes(layer, x, err);
        if (status == NNCF_OK)
            status = check_all_apart(x, y, &b->key.shapes, err);
        /* a backward, refused or not, may have prepared the block */
        if (status == NNCF_OK && forward)
            status = nncf__layer_check_batch_norm(layer, b->out, err);
        return status;
    }
    status = check_tensors(
        layer, x, y, forward ? nncf__layer_output_dtype(layer) : (int32_t)NNCF_F32, &s, err);
    if (status == NNCF_OK)
        status = check_codes(layer, x, err);
    if (status == NNCF_OK && forward)
        status = nncf__layer_check_batch_norm(layer, s.out, err);
    if (status != NNCF_OK)
        return status;
    for (size_t i = 0; i < x->count; i++)
        x_dtype[i] = x->tensors[i].dtype;
    *block = nncf__block_get(layer, &s, x_dtype, t->dtype);
    return NNCF_OK;
}

/* The inputs as the layer reads them. */
static nncf__call call_of(nncf_layer *layer, const nncf__block *b, const nncf_tensor *x)
{
    nncf__call call = {.block = b, .layer = layer};
    for (size_t i = 0; i < b->key.shapes.n; i++) {
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
static uint64_t mark_of_one(const nncf_tensor *x, const int64_t shape[4], bool whole)
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

/* For exports: what an eval-mode forward reads and makes. */
static void take_seen(
    nncf_layer *layer, const nncf__block *block, const nncf_tensor *x, const nncf_tensor *y)
{
    layer->by_host = false;
    if (block->key.mode != NNCF_MODE_EVAL || block->key.observing)
        return;
    layer->seen[0].count = layer->seen[1].count = 0;
    if (x->dtype == NNCF_F32)
        nncf__seen_take(&layer->seen[0], element_count(block->key.in), x->data);
    if (y->dtype == NNCF_F32)
        nncf__seen_take(&layer->seen[1], element_count(block->out), y->data);
}

static uint64_t mark_of(const nncf_tensor *x, const nncf__shapes *s, bool whole)
{
    uint64_t mark = 0;
    for (size_t i = 0; i < s->n; i++)
        mark = mark * 31 + mark_of_one(&x[i], s->in[i], whole);
    return mark;
}

/* What a causal softmax takes rows for, which the view (rows, columns) does not say; else 0. */
static int64_t matrix_rows(const nncf_layer *layer, const nncf__block *block)
{
    const nncf__shape *x = &block->key.shapes.x[0];
    return layer->causal ? x->size[x->ndim - 2] : 0;
}

/* After a forward: remember whose state it left. */
static void take_state(
    nncf_layer *layer, const nncf__block *block, const nncf_tensor *x, bool pending)
{
    memcpy(layer->now.batch_shape, block->key.in, sizeof layer->now.batch_shape);
    memcpy(layer->now.batch_out, block->out, sizeof layer->now.batch_out);
    layer->now.matrix_rows = matrix_rows(layer, block);
    layer->now.ready_for_backward = block->keeps;
    layer->now.mode = block->key.mode;
    if (!block->keeps || !block->keeps_state)
        return;
    /* with two forwards and no backward between them the host may mean either: then all of x is
     * compared */
    layer->now.whole = pending;
    layer->now.spent = false;
    layer->now.mark = mark_of(x, &block->key.shapes, pending);
}

static nncf_status check_state(
    const nncf_layer *layer, const nncf__block *block, const nncf_tensor *x, nncf_error *err)
{
    const int64_t *in = block->key.in;
    if (layer->model->mode == NNCF_MODE_EVAL)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the model is in eval mode: set NNCF_MODE_TRAIN, or NNCF_MODE_TUNE for what eval mode "
            "computes, before forward");
    if (block->key.observing)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "initialization is under way: it takes forwards only, until "
            "nncf_compression_ctrl_init_step() sets more to 0");
    if (!layer->now.ready_for_backward)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "there is no forward in train mode to go back through: none ran, or one in eval mode "
            "or a "
            "controller that came or went has taken its place");
    if (layer->now.mode != layer->model->mode)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the last forward was in %s mode, and the model is in %s mode now",
            layer->now.mode == NNCF_MODE_TUNE ? "tune" : "train",
            layer->model->mode == NNCF_MODE_TUNE ? "tune" : "train");
    if (memcmp(in, layer->now.batch_shape, sizeof layer->now.batch_shape) != 0)
        return nncf__fail(err, NNCF_E_SHAPE, NULL,
            "x is of another shape, (%lld,%lld,%lld,%lld), than in the last forward, "
            "(%lld,%lld,%lld,%lld): backward belongs to that forward",
            (long long)in[0], (long long)in[1], (long long)in[2], (long long)in[3],
            (long long)layer->now.batch_shape[0], (long long)layer->now.batch_shape[1],
            (long long)layer->now.batch_shape[2], (long long)layer->now.batch_shape[3]);
    if (matrix_rows(layer, block) != layer->now.matrix_rows)
        return nncf__fail(err, NNCF_E_SHAPE, NULL,
            "x is matrices of %lld rows, and of %lld in the last forward: other columns took part; "
            "backward belongs to that forward",
            (long long)matrix_rows(layer, block), (long long)layer->now.matrix_rows);
    if (!block->keeps_state)
        return NNCF_OK;
    if (memcmp(block->out, layer->now.batch_out, sizeof layer->now.batch_out) != 0)
        return nncf__fail(err, NNCF_E_SHAPE, NULL,
            "the inputs are of other shapes than in the last forward: backward belongs to that "
            "forward");
    if (layer->now.spent)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the backward of the last forward ran already; a layer keeps the state of one call: "
            "run "
            "forward and backward in turn, or give each use in a step a state of its own "
            "(nncf_layer_set_uses())");
    if ((layer->now.whole || block->reads_x) &&
        mark_of(x, &block->key.shapes, layer->now.whole) != layer->now.mark)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "x is not what the last forward read; a layer keeps the state of one call: where it is "
            "used "
            "twice in a step, give each use a state of its own (nncf_layer_set_uses()), or run "
            "backward of the first use before forward of the second; and x "
            "must "
            "not be changed in between");
    return NNCF_OK;
}

/* Numbers of words must be rows of the weight. */
static nncf_status check_ids(
    const nncf__block *b, const nncf_layer *layer, const nncf_tensor *x, nncf_error *err)
{
    const int32_t *ids = x->data;
    const size_t n = b->kind->reads_ids ? b->in_planes.n : 0;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= layer->weight_shape[0])
            return nncf__fail(err, NNCF_E_ARG, NULL,
                "x has %d at %zu; the layer has words 0 to %lld", (int)ids[i], i,
                (long long)(layer->weight_shape[0] - 1));
    return NNCF_OK;
}

/* Batch norm of all ranks, in a call that has run. */
static nncf_status check_ranks(const nncf_layer *layer, const nncf__block *b, nncf_error *err)
{
    return b->across_ranks
        ? nncf__collective_check(&layer->model->collective, "sums of batch norm", err)
        : NNCF_OK;
}

/* ---- forward and backward ---- */

static nncf_status forward(
    nncf_layer *layer, const nncf_tensor *x, size_t n_x, nncf_tensor *y, nncf_error *err)
{
    const inputs xs = {x, nncf__layer_count_read(layer, n_x), false};
    const nncf__block *b;
    if (!x || !y)
        return is_null(!x ? "x" : "y", err);
    nncf_status status = nncf__layer_check_count(layer, n_x, err);
    if (status == NNCF_OK)
        status = prepare(layer, &xs, &(nncf__named){"y", y}, true, &b, err);
    if (status == NNCF_OK)
        status = check_ids(b, layer, x, err);
    if (status != NNCF_OK)
        return status;
    nncf__call call = call_of(layer, b, x);
    call.y = (nncf__output){y->data, y->dtype};
    const bool pending = layer->now.ready_for_backward && !layer->now.spent;
    nncf__ctrl_count_samples(layer->model->ctrl, b->key.in[0]);
    layer->now.ready_for_backward = false; /* what it kept is overwritten from here on */
    status = nncf__block_reserve_forward(layer, b);
    if (status != NNCF_OK)
        return status;
    if (b->compresses)
        nncf__usage_forward(layer->compression->ctrl);
    nncf__layer_pull_weight(layer);
    b->kind->forward(&call);
    status = check_ranks(layer, b, err);
    if (status != NNCF_OK)
        return status;
    take_state(layer, b, x, pending);
    take_seen(layer, b, x, y);
    describe(layer, y);
    return NNCF_OK;
}

/* With tensors in any order. */
static nncf_status forward_in_order(
    nncf_layer *layer, const nncf_tensor *x, size_t n_x, nncf_tensor *y, nncf_error *err)
{
    if (!x || !y || n_x > NNCF__MAX_INPUTS || n_x != nncf__layer_input_count(layer) ||
        (!nncf__is_strided(x, n_x) && !nncf__is_strided(y, 1)))
        return forward(layer, x, n_x, y, err);
    nncf__strided s = {.model = layer->model};
    nncf__strided_add(&s, x, n_x, NNCF__READS);
    nncf__strided_add(&s, y, 1, NNCF__WRITES);
    nncf_status status = nncf__strided_begin(&s, err);
    if (status == NNCF_OK)
        status = forward(layer, s.used, n_x, &s.used[n_x], err);
    if (status == NNCF_OK)
        nncf__strided_end(&s);
    return status;
}

nncf_status nncf_layer_forward(
    nncf_layer *layer, const nncf_tensor *x, size_t n_x, nncf_tensor *y, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status = !layer ? NNCF_E_ARG : forward_in_order(layer, x, n_x, y, &reason);
    return nncf__layer_report(layer, "nncf_layer_forward", status, &reason, err);
}

/* Floats of the shape of x. */
static nncf_status check_gradient(
    const nncf__named *d, const nncf__named *x, const int64_t view[4], nncf_error *err)
{
    nncf__shape shape = {.ndim = x->tensor->ndim};
    memcpy(shape.size, x->tensor->shape, (size_t)shape.ndim * sizeof *shape.size);
    return is_alike(d->tensor, NNCF_F32, &shape)
        ? NNCF_OK
        : nncf__layer_check_shape(d, NNCF_F32, &shape, view, err);
}

/* Gradients that are the same, or that are added to what is there, may go to one array. */
static bool may_be_one(const nncf_layer *layer, const nncf__shapes *s, size_t i, size_t j)
{
    return nncf__kind_of(layer)->same_gradients ||
        ((layer->gradients & NNCF_GRADIENT_ADD_DX) &&
            memcmp(s->in[i], s->in[j], sizeof s->in[i]) == 0);
}

/* A gradient that is dy, or made from it element by element, may take its place. */
static bool may_be_dy(const nncf_layer *layer)
{
    return nncf__kind_of(layer)->same_gradients && !(layer->gradients & NNCF_GRADIENT_ADD_DX);
}

static nncf_status check_dx(const nncf_layer *layer, const inputs *x, const nncf__named *dy,
    const nncf_tensor *dx, const nncf__shapes *s, nncf_error *err)
{
    const inputs gradients = {dx, x->count, true};
    nncf_status status = NNCF_OK;
    if (nncf__kind_of(layer)->reads_ids)
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "x is numbers of words, which have no gradient: pass dx NULL");
    for (size_t i = 0; i < x->count && status == NNCF_OK; i++) {
        const nncf__named d = input_at(&gradients, i), own = input_at(x, i);
        status = check_gradient(&d, &own, s->in[i], err);
        if (status == NNCF_OK && (dx[i].data != dy->tensor->data || !may_be_dy(layer)))
            status = check_apart(&d, s->in[i], dy, s->out, err);
        for (size_t j = 0; j < x->count && status == NNCF_OK; j++) {
            const nncf__named input = input_at(x, j);
            status = check_apart(&d, s->in[i], &input, s->in[j], err);
        }
        for (size_t j = 0; j < i && status == NNCF_OK; j++) {
            const nncf__named other = input_at(&gradients, j);
            if (dx[i].data != dx[j].data || !may_be_one(layer, s, i, j))
                status = check_apart(&other, s->in[j], &d, s->in[i], err);
        }
    }
    return status;
}

static nncf_status backward(nncf_layer *layer, const nncf_tensor *x, size_t n_x, nncf_tensor *dy,
    nncf_tensor *dx, nncf_error *err)
{
    const inputs xs = {x, nncf__layer_count_read(layer, n_x), false};
    const nncf__block *b;
    if (!x || !dy)
        return is_null(!x ? "x" : "dy", err);
    const nncf__named gradient = {"dy", dy};
    nncf_status status = nncf__layer_check_count(layer, n_x, err);
    if (status == NNCF_OK)
        status = prepare(layer, &xs, &gradient, false, &b, err);
    if (status == NNCF_OK)
        status = check_ids(b, layer, x, err);
    if (status == NNCF_OK && dx)
        status = check_dx(layer, &xs, &gradient, dx, &b->key.shapes, err);
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
    nncf__gradients_start(&call, dx);
    nncf__layer_pull_gradient(layer);
    nncf__gradients_clear(layer);
    b->kind->backward(&call);
    nncf__layer_push_gradient(layer);
    nncf__gradients_finish(&call, dx);
    status = check_ranks(layer, b, err);
    if (status != NNCF_OK)
        return status;
    if (b->compresses)
        nncf__usage_backward(layer->compression->ctrl, layer);
    layer->now.spent = true;
    return NNCF_OK;
}

static nncf_status backward_in_order(nncf_layer *layer, const nncf_tensor *x, size_t n_x,
    nncf_tensor *dy, nncf_tensor *dx, nncf_error *err)
{
    const bool adds = layer->gradients & NNCF_GRADIENT_ADD_DX;
    if (!x || !dy || n_x > NNCF__MAX_INPUTS || n_x != nncf__layer_input_count(layer) ||
        (!nncf__is_strided(x, n_x) && !nncf__is_strided(dy, 1) && !nncf__is_strided(dx, n_x)))
        return backward(layer, x, n_x, dy, dx, err);
    nncf__strided s = {.model = layer->model};
    nncf__strided_add(&s, x, n_x, NNCF__READS);
    nncf__strided_add(&s, dy, 1, NNCF__READS);
    nncf__strided_add(&s, dx, n_x, adds ? NNCF__READS | NNCF__WRITES : NNCF__WRITES);
    nncf_status status = nncf__strided_begin(&s, err);
    if (status == NNCF_OK)
        status = backward(layer, s.used, n_x, &s.used[n_x], dx ? &s.used[n_x + 1] : NULL, err);
    if (status == NNCF_OK)
        nncf__strided_end(&s);
    return status;
}

nncf_status nncf_layer_backward(nncf_layer *layer, const nncf_tensor *x, size_t n_x,
    nncf_tensor *dy, nncf_tensor *dx, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status = !layer ? NNCF_E_ARG : backward_in_order(layer, x, n_x, dy, dx, &reason);
    return nncf__layer_report(layer, "nncf_layer_backward", status, &reason, err);
}
