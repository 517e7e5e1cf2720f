/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public calls that run a layer: every argument is checked here, before anything is touched,
 * and a refusal is logged with its reason. What forward keeps for backward belongs to one call;
 * whose it is, is checked too.
 */
#include "exec/run.h"

#include "base/error.h"
#include "controller/ctrl.h"
#include "controller/weight.h"
#include "exec/add.h"
#include "exec/batch_norm.h"
#include "exec/check.h"
#include "exec/codes.h"
#include "exec/pool2d.h"
#include "exec/product.h"
#include "exec/quantize.h"
#include "graph/model.h"
#include "kernels/operand.h"

#include <nncf/base.h>
#include <nncf/compression.h>
#include <nncf/context.h>
#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <string.h>

bool nncf__layer_observing(const nncf_layer *layer)
{
    const nncf_compression_ctrl *ctrl = layer->model->ctrl;
    return ctrl && nncf__ctrl_initializing(ctrl);
}

nncf_status nncf__layer_report(const nncf_layer *layer, const char *call, nncf_status status,
    const nncf_error *reason, nncf_error *err)
{
    /* a scope may be longer than a message: the end of it tells layers apart */
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
    *ndim = layer->kind == NNCF__LINEAR ? 2 : layer->kind == NNCF__ADD ? x->ndim : 4;
    memcpy(shape, out, (size_t)*ndim * sizeof *shape);
    return NNCF_OK;
}

static size_t input_count(const nncf_layer *layer)
{
    return layer->kind == NNCF__ADD ? 2 : 1;
}

/* As many tensors as the layer reads? One that the host runs is refused for that reason, later. */
static nncf_status check_count(const nncf_layer *layer, size_t n_x, nncf_error *err)
{
    if (layer->kind == NNCF__OPERATOR || n_x == input_count(layer))
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_ARG, NULL, "n_x is %zu; the layer reads %zu tensor%s", n_x,
        input_count(layer), input_count(layer) == 1 ? "" : "s");
}

static nncf_status output_shape(const nncf_layer *layer, const nncf_tensor *x, size_t n_x,
    int64_t *shape, size_t capacity, int32_t *ndim, nncf_error *err)
{
    int64_t sizes[NNCF_MAX_NDIM];
    int32_t n = 0;
    if (!x || !ndim)
        return is_null(!x ? "x" : "ndim", err);
    nncf_status status = check_count(layer, n_x, err);
    if (status == NNCF_OK)
        status = nncf__layer_output_shape(layer, &x[0], sizes, &n, err);
    if (status == NNCF_OK && n_x == 2)
        status = nncf__layer_check_same_shape(
            &(nncf__named){"x[1]", &x[1]}, &(nncf__named){"x[0]", &x[0]}, err);
    if (status != NNCF_OK)
        return status;
    *ndim = n;
    if (capacity < (size_t)n)
        return nncf__fail(
            err, NNCF_E_LIMIT, NULL, "shape has %zu elements; the output has %d", capacity, (int)n);
    if (!shape)
        return is_null("shape", err);
    memcpy(shape, sizes, (size_t)n * sizeof *shape);
    return NNCF_OK;
}

nncf_status nncf_layer_output_shape(const nncf_layer *layer, const nncf_tensor *x, size_t n_x,
    int64_t *shape, size_t capacity, int32_t *ndim, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status =
        !layer ? NNCF_E_ARG : output_shape(layer, x, n_x, shape, capacity, ndim, &reason);
    return nncf__layer_report(layer, "nncf_layer_output_shape", status, &reason, err);
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

/* The names of a call's tensors: a sum has two of each. */
static nncf__named named(
    const nncf_layer *layer, const char *const names[3], const nncf_tensor *tensors, size_t i)
{
    return (nncf__named){names[input_count(layer) == 1 ? 0 : 1 + i], &tensors[i]};
}

static nncf__named x_of(const nncf_layer *layer, const nncf_tensor *x, size_t i)
{
    static const char *const names[3] = {"x", "x[0]", "x[1]"};
    return named(layer, names, x, i);
}

static nncf__named dx_of(const nncf_layer *layer, const nncf_tensor *dx, size_t i)
{
    static const char *const names[3] = {"dx", "dx[0]", "dx[1]"};
    return named(layer, names, dx, i);
}

/* Check the inputs and y (or dy), which may be of the type y_codes, and work out both shapes. */
static nncf_status check_pair(const nncf_layer *layer, const nncf_tensor *x, const nncf__named *y,
    int32_t y_codes, int64_t in[4], int64_t out[4], nncf_error *err)
{
    nncf__named xs[2];
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < input_count(layer) && status == NNCF_OK; i++) {
        xs[i] = x_of(layer, x, i);
        const int32_t codes = nncf__layer_input_dtype(layer, i);
        status = i == 0 ? nncf__layer_check_tensor(&xs[0], codes, NULL, err)
                        : nncf__layer_check_as(&xs[i], codes, in, err);
        if (i == 0 && status == NNCF_OK)
            status = nncf__layer_shapes(layer, &xs[0], in, out, err);
    }
    if (status == NNCF_OK)
        status = nncf__layer_check_as(y, y_codes, out, err);
    if (status != NNCF_OK)
        return status;
    /* a maximum has no codes of its own: those of its input, or none */
    if (y->tensor->dtype != NNCF_F32 && !nncf__layer_output_quantizer(layer) &&
        x->dtype != y->tensor->dtype)
        return nncf__fail(err, NNCF_E_DTYPE, NULL,
            "%s is to be codes, but x, whose maxima they are, is floats", y->name);
    for (size_t i = 0; i < input_count(layer) && status == NNCF_OK; i++)
        status = check_apart(&xs[i], in, y, out, err);
    return status;
}

/* The inputs as the layers read them: floats, or codes and what they stand for. */
static void operands_of(const nncf_layer *layer, const nncf_tensor *x, nncf__operand operands[2])
{
    for (size_t i = 0; i < input_count(layer); i++) {
        if (x[i].dtype == NNCF_F32)
            operands[i] = (nncf__operand){.data = x[i].data};
        else
            operands[i] = nncf__codes_operand(nncf__layer_feeding_quantizer(layer, i), x[i].data);
    }
}

/* ---- whose state it is ---- */

/* Does backward need something that forward left in the layer, and that another forward would
 * replace? */
static bool keeps_state(const nncf_layer *layer)
{
    if (layer->kind == NNCF__ADD) /* backward adds anew */
        return false;
    return layer->kind == NNCF__POOL2D ? nncf__layer_output_quantizer(layer) != NULL
                                       : nncf__product_keeps(layer);
}

/*
 * A mark of an input, by its bytes: a host may hand backward a copy of it. Of all bytes where
 * `whole` is set; else of some, which tells another batch from this one, and costs nothing. Four
 * multiplications are under way at a time.
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

/* After a forward that left state: remember whose it is. */
static void take_state(nncf_layer *layer, const nncf_tensor *x, const int64_t in[4], bool pending)
{
    memcpy(layer->batch_shape, in, sizeof layer->batch_shape);
    if (!layer->ready_for_backward || !keeps_state(layer))
        return;
    /* with two forwards and no backward between them the host may mean either: then all of x is
     * compared */
    layer->state.whole = pending;
    layer->state.spent = false;
    layer->state.mark = mark_of(x, in, pending);
}

static nncf_status check_state(
    const nncf_layer *layer, const nncf_tensor *x, const int64_t in[4], nncf_error *err)
{
    if (layer->model->mode != NNCF_MODE_TRAIN)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the model is in eval mode: set NNCF_MODE_TRAIN before forward");
    if (nncf__layer_observing(layer))
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
    if (!keeps_state(layer))
        return NNCF_OK;
    if (layer->state.spent)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the backward of the last forward ran already; a layer keeps the state of one call: "
            "run "
            "forward and backward in turn, also where it is used twice in a step");
    if ((layer->state.whole || nncf__layer_reads_x(layer)) &&
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
    int64_t in[4], out[4];
    nncf__operand operands[2];
    if (!x || !y)
        return is_null(!x ? "x" : "y", err);
    nncf_status status = check_count(layer, n_x, err);
    if (status == NNCF_OK)
        status = check_pair(
            layer, x, &(nncf__named){"y", y}, nncf__layer_output_dtype(layer), in, out, err);
    if (status == NNCF_OK)
        status = nncf__layer_check_batch_norm(layer, out, err);
    if (status != NNCF_OK)
        return status;
    const nncf__output output = {y->data, y->dtype};
    const bool pending = layer->ready_for_backward && !layer->state.spent;
    operands_of(layer, x, operands);
    nncf__ctrl_count_samples(layer->model->ctrl, in[0]);
    if (layer->kind == NNCF__ADD)
        status = nncf__add_forward(layer, operands, in, &output);
    else if (layer->kind == NNCF__POOL2D)
        status = nncf__pool_forward(layer, operands, in, out, &output);
    else
        status = nncf__product_forward(layer, operands, in, out, &output);
    if (status == NNCF_OK)
        take_state(layer, x, in, pending);
    return status;
}

nncf_status nncf_layer_forward(
    nncf_layer *layer, const nncf_tensor *x, size_t n_x, nncf_tensor *y, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status = !layer ? NNCF_E_ARG : forward(layer, x, n_x, y, &reason);
    return nncf__layer_report(layer, "nncf_layer_forward", status, &reason, err);
}

static nncf_status check_dx(const nncf_layer *layer, const nncf_tensor *x, const nncf__named *dy,
    const nncf_tensor *dx, const int64_t in[4], const int64_t out[4], nncf_error *err)
{
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < input_count(layer) && status == NNCF_OK; i++) {
        const nncf__named d = dx_of(layer, dx, i);
        int64_t shape[4];
        status = nncf__layer_check_tensor(&d, NNCF_F32, NULL, err);
        if (status == NNCF_OK)
            status = nncf__layer_input_shape(layer, &d, shape, err);
        if (status == NNCF_OK && memcmp(shape, in, sizeof shape) != 0)
            status = nncf__fail(err, NNCF_E_SHAPE, NULL,
                "%s is (%lld,%lld,%lld,%lld), but x is (%lld,%lld,%lld,%lld)", d.name,
                (long long)shape[0], (long long)shape[1], (long long)shape[2], (long long)shape[3],
                (long long)in[0], (long long)in[1], (long long)in[2], (long long)in[3]);
        if (status == NNCF_OK)
            status = check_apart(&d, in, dy, out, err);
        for (size_t j = 0; j < input_count(layer) && status == NNCF_OK; j++) {
            const nncf__named input = x_of(layer, x, j);
            status = check_apart(&d, in, &input, in, err);
        }
    }
    if (status == NNCF_OK && input_count(layer) == 2 && dx[0].data != dx[1].data) {
        const nncf__named a = dx_of(layer, dx, 0), b = dx_of(layer, dx, 1);
        status = check_apart(&a, in, &b, in, err);
    }
    return status;
}

static nncf_status backward(nncf_layer *layer, const nncf_tensor *x, size_t n_x, nncf_tensor *dy,
    nncf_tensor *dx, nncf_error *err)
{
    int64_t in[4], out[4];
    if (!x || !dy)
        return is_null(!x ? "x" : "dy", err);
    const nncf__named gradient = {"dy", dy};
    nncf_status status = check_count(layer, n_x, err);
    if (status == NNCF_OK)
        status = check_pair(layer, x, &gradient, NNCF_F32, in, out, err);
    if (status == NNCF_OK && dx)
        status = check_dx(layer, x, &gradient, dx, in, out, err);
    if (status == NNCF_OK)
        status = check_state(layer, x, in, err);
    if (status == NNCF_OK)
        status = nncf__weight_check_backward(layer, err);
    if (status != NNCF_OK)
        return status;
    nncf__operand operands[2];
    operands_of(layer, x, operands);
    if (layer->kind == NNCF__ADD) {
        if (!dx && !nncf__layer_output_quantizer(layer) &&
            !(layer->compression && layer->compression->pre_activation_quantizer))
            return NNCF_OK;
        /* the gradient of the scale is wanted also when dx is not: dy serves as work space */
        float *da = dx ? dx[0].data : dy->data, *db = dx ? dx[1].data : dy->data;
        return nncf__add_backward(layer, operands, in, dy->data, da, db);
    }
    if (layer->kind == NNCF__POOL2D)
        status = nncf__pool_backward(layer, operands, in, out, dy->data, dx ? dx->data : NULL);
    else
        status = nncf__product_backward(layer, operands, in, out, dy->data, dx ? dx->data : NULL);
    layer->state.spent = status == NNCF_OK;
    return status;
}

nncf_status nncf_layer_backward(nncf_layer *layer, const nncf_tensor *x, size_t n_x,
    nncf_tensor *dy, nncf_tensor *dx, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status = !layer ? NNCF_E_ARG : backward(layer, x, n_x, dy, dx, &reason);
    return nncf__layer_report(layer, "nncf_layer_backward", status, &reason, err);
}
