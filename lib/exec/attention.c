/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A multi-head attention as a whole: its layers, one after the other, by the public calls, on
 * buffers of the caller. Shapes are traced through all layers before the first one runs.
 */
#include "base/checked.h"
#include "base/error.h"
#include "base/int_math.h"
#include "graph/kind_info.h"
#include "graph/model.h"

#include <nncf/attention.h>
#include <nncf/base.h>
#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Cache lines: arrays of a buffer begin at multiples of it. */
enum { ALIGNMENT = 64, PARTS = NNCF_ATTENTION_MERGED + 1, NO_PART = -1 };

/* What a part is, and which parts it reads; NO_PART first: a tensor of the caller's. Only the last
 * two need not be there. */
static const struct {
    int kind, reads[2];
    bool optional;
} parts[PARTS] = {
    [NNCF_ATTENTION_Q] = {NNCF__LINEAR, {NO_PART, NO_PART}, false},
    [NNCF_ATTENTION_K] = {NNCF__LINEAR, {NO_PART, NO_PART}, false},
    [NNCF_ATTENTION_V] = {NNCF__LINEAR, {NO_PART, NO_PART}, false},
    [NNCF_ATTENTION_OUT] = {NNCF__LINEAR, {NNCF_ATTENTION_MERGED, NO_PART}, true},
    [NNCF_ATTENTION_Q_HEADS] = {NNCF__HEADS, {NNCF_ATTENTION_Q, NO_PART}, false},
    [NNCF_ATTENTION_K_HEADS] = {NNCF__HEADS, {NNCF_ATTENTION_K, NO_PART}, false},
    [NNCF_ATTENTION_V_HEADS] = {NNCF__HEADS, {NNCF_ATTENTION_V, NO_PART}, false},
    [NNCF_ATTENTION_SCORES] = {NNCF__MATMUL, {NNCF_ATTENTION_Q_HEADS, NNCF_ATTENTION_K_HEADS},
        false},
    [NNCF_ATTENTION_SOFTMAX] = {NNCF__SOFTMAX, {NNCF_ATTENTION_SCORES, NO_PART}, false},
    [NNCF_ATTENTION_DROPOUT] = {NNCF__DROPOUT, {NNCF_ATTENTION_SOFTMAX, NO_PART}, true},
    [NNCF_ATTENTION_MIXED] = {NNCF__MATMUL, {NNCF_ATTENTION_DROPOUT, NNCF_ATTENTION_V_HEADS},
        false},
    [NNCF_ATTENTION_MERGED] = {NNCF__HEADS, {NNCF_ATTENTION_MIXED, NO_PART}, false},
};

/* As they run. */
static const int order[PARTS] = {NNCF_ATTENTION_Q, NNCF_ATTENTION_Q_HEADS, NNCF_ATTENTION_K,
    NNCF_ATTENTION_K_HEADS, NNCF_ATTENTION_V, NNCF_ATTENTION_V_HEADS, NNCF_ATTENTION_SCORES,
    NNCF_ATTENTION_SOFTMAX, NNCF_ATTENTION_DROPOUT, NNCF_ATTENTION_MIXED, NNCF_ATTENTION_MERGED,
    NNCF_ATTENTION_OUT};

/* Gradients in nncf_attention.work: three of rows, two of scores. */
enum { ROWS_A, ROWS_B, ROWS_C, SCORES_A, SCORES_B, N_GRADIENTS };

/* A call. */
typedef struct flow {
    nncf_attention a;
    const nncf_tensor *x;
    /* the part that makes y */
    int last;
    /* of the parts' outputs; where those of all but the last are in nncf_attention.kept */
    int64_t shapes[PARTS][NNCF_MAX_NDIM];
    int32_t ndims[PARTS];
    size_t offsets[PARTS];
    /* bytes of nncf_attention.kept, and of one gradient of rows and of scores */
    size_t kept, rows, scores;
    /* a layer's message went to err and to the log */
    bool reported;
} flow;

static nncf_status check_layers(const flow *f, nncf_error *err)
{
    const nncf_model *model = NULL;
    for (int i = 0; i < PARTS; i++) {
        const nncf_layer *layer = f->a.layers[i];
        if (!layer && parts[i].optional)
            continue;
        if (!layer || layer->kind != parts[i].kind)
            return nncf__fail(err, NNCF_E_ARG, NULL,
                "layers[%d] is %s%s; nncf_model_add_attention() fills in the struct", i,
                layer ? "another kind of layer: " : "NULL", layer ? layer->scope : "");
        if (model && layer->model != model)
            return nncf__fail(err, NNCF_E_ARG, NULL, "layers[%d] is of another model", i);
        model = layer->model;
    }
    for (int i = PARTS; i < NNCF_ATTENTION_CAPACITY; i++)
        if (f->a.layers[i])
            return nncf__fail(err, NNCF_E_ARG, NULL, "layers[%d] is of no part", i);
    if (f->a.n_x < 1 || f->a.n_x > 3 || f->a.reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_attention: n_x is %d, it must be 1 to 3, and reserved 0", (int)f->a.n_x);
    return NNCF_OK;
}

static int part_read(const flow *f, int part, int i)
{
    const int from = parts[part].reads[i];
    return from != NO_PART && !f->a.layers[from] ? NNCF_ATTENTION_SOFTMAX : from;
}

/* Which of the caller's tensors q, k or v is made of. */
static int source(const flow *f, int part)
{
    return part < f->a.n_x ? part : f->a.n_x - 1;
}

static nncf_tensor output_of(const flow *f, int part)
{
    nncf_tensor t = {.ndim = f->ndims[part], .shape = f->shapes[part], .dtype = NNCF_F32};
    if (part != f->last && f->a.kept) {
        t.data = (char *)f->a.kept + f->offsets[part];
        t.dtype = nncf_layer_get_output_dtype(f->a.layers[part]);
    }
    return t;
}

static size_t inputs_of(const flow *f, int part, nncf_tensor in[2])
{
    if (part_read(f, part, 0) == NO_PART) {
        in[0] = f->x[source(f, part)];
        return 1;
    }
    in[0] = output_of(f, part_read(f, part, 0));
    if (part_read(f, part, 1) == NO_PART)
        return 1;
    in[1] = output_of(f, part_read(f, part, 1));
    return 2;
}

/* Bytes of a part's output in floats, up to whole lines. */
static bool bytes_of(const flow *f, int part, size_t *bytes)
{
    size_t n = sizeof(float);
    bool fits = true;
    for (int32_t i = 0; i < f->ndims[part]; i++)
        fits = fits && nncf__mul(n, (size_t)f->shapes[part][i], &n);
    fits = fits && nncf__add(n, ALIGNMENT - 1, &n);
    *bytes = n / ALIGNMENT * ALIGNMENT;
    return fits;
}

/* Shapes of all outputs, and where they go. */
static nncf_status trace(flow *f, nncf_error *err)
{
    bool fits = true;
    for (int i = 0; i < PARTS; i++) {
        const int part = order[i];
        nncf_tensor in[2];
        size_t bytes = 0;
        if (!f->a.layers[part])
            continue;
        const size_t n = inputs_of(f, part, in);
        const nncf_status status = nncf_layer_get_output_shape(
            f->a.layers[part], in, n, f->shapes[part], NNCF_MAX_NDIM, &f->ndims[part], err);
        if (status != NNCF_OK) {
            f->reported = true;
            return status;
        }
        fits = bytes_of(f, part, &bytes) && fits;
        f->offsets[part] = f->kept;
        if (part != f->last)
            fits = nncf__add(f->kept, bytes, &f->kept) && fits;
        if (part == NNCF_ATTENTION_SCORES)
            f->scores = bytes;
        else if (part != NNCF_ATTENTION_SOFTMAX && part != NNCF_ATTENTION_DROPOUT)
            f->rows = max_size(f->rows, bytes);
    }
    if (!fits || f->rows > SIZE_MAX / 8 || f->scores > SIZE_MAX / 8)
        return nncf__fail(err, NNCF_E_LIMIT, NULL, "the bytes of the buffers do not fit a size_t");
    return NNCF_OK;
}

static size_t work_size(const flow *f)
{
    return 3 * f->rows + 2 * f->scores;
}

/* The attention, and what a call of it would do. */
static nncf_status begin(
    flow *f, const nncf_attention *attention, const nncf_tensor *x, size_t n_x, nncf_error *err)
{
    nncf_status status = !attention
        ? nncf__fail(err, NNCF_E_ARG, NULL, "attention is NULL")
        : nncf__params_copy(&f->a, sizeof f->a, attention, "nncf_attention", err);
    if (status == NNCF_OK)
        status = check_layers(f, err);
    if (status != NNCF_OK)
        return status;
    f->x = x;
    f->last = f->a.layers[NNCF_ATTENTION_OUT] ? NNCF_ATTENTION_OUT : NNCF_ATTENTION_MERGED;
    if (!x || n_x != (size_t)f->a.n_x)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            x ? "n_x is %zu; the attention reads %d" : "x is NULL, n_x is %zu of %d", n_x,
            (int)f->a.n_x);
    return trace(f, err);
}

/* ---- buffers ---- */

typedef struct span {
    const char *name;
    const void *data;
    size_t bytes;
} span;

static bool overlap(const span *a, const span *b)
{
    const uintptr_t i = (uintptr_t)a->data, j = (uintptr_t)b->data;
    return a->data && b->data && i < j + b->bytes && j < i + a->bytes;
}

static nncf_status check_buffer(
    const span *buffer, size_t needed, const char *size_name, nncf_error *err)
{
    if (!buffer->data)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "%s is NULL; nncf_attention_get_sizes() says how many bytes it needs", buffer->name);
    if ((uintptr_t)buffer->data % _Alignof(float) != 0)
        return nncf__fail(err, NNCF_E_ARG, NULL, "%s is not aligned as floats are, to %zu bytes",
            buffer->name, _Alignof(float));
    if (buffer->bytes < needed)
        return nncf__fail(err, NNCF_E_BUFFER, NULL, "%s is %zu bytes; these inputs need %zu",
            size_name, buffer->bytes, needed);
    return NNCF_OK;
}

/* Tensors without gaps, whose shapes the layers check: of a shape that is none nothing is read. */
static nncf_status check_apart(
    const span *buffer, const char *name, const nncf_tensor *t, size_t n, nncf_error *err)
{
    for (size_t i = 0; i < n; i++) {
        span other = {name, t[i].data, t[i].dtype == NNCF_F32 ? sizeof(float) : 1};
        for (int32_t k = 0; t[i].shape && t[i].ndim <= NNCF_MAX_NDIM && k < t[i].ndim; k++)
            other.bytes *= (size_t)t[i].shape[k];
        if (overlap(buffer, &other))
            return nncf__fail(
                err, NNCF_E_ARG, NULL, "%s and %s overlap in memory", buffer->name, name);
    }
    return NNCF_OK;
}

static nncf_status check_tensors(const flow *f, const span *buffer, const char *y_name,
    const nncf_tensor *y, const nncf_tensor *dx, nncf_error *err)
{
    const size_t n = (size_t)f->a.n_x;
    nncf_status status = check_apart(buffer, "x", f->x, n, err);
    if (status == NNCF_OK)
        status = check_apart(buffer, y_name, y, 1, err);
    if (status == NNCF_OK && dx)
        status = check_apart(buffer, "dx", dx, n, err);
    return status;
}

/* ---- calls ---- */

static nncf_status report(
    const flow *f, const char *call, nncf_status status, const nncf_error *reason, nncf_error *err)
{
    const nncf_layer *q = f->a.layers[NNCF_ATTENTION_Q];
    if (status == NNCF_OK)
        return status;
    if (f->reported) {
        if (err)
            (void)nncf__result_copy(err, reason, sizeof *reason);
        return status;
    }
    return nncf__report(q ? q->model->context : NULL, call, NULL, status, reason, err);
}

nncf_status nncf_attention_get_sizes(const nncf_attention *attention, const nncf_tensor *x,
    size_t n_x, int64_t *shape, int32_t *ndim, size_t *kept, size_t *work, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    flow f = {.last = NO_PART};
    const nncf_status status = begin(&f, attention, x, n_x, &reason);
    if (status != NNCF_OK)
        return report(&f, "nncf_attention_get_sizes", status, &reason, err);
    if (shape)
        memcpy(shape, f.shapes[f.last], sizeof f.shapes[f.last]);
    if (ndim)
        *ndim = f.ndims[f.last];
    if (kept)
        *kept = f.kept;
    if (work)
        *work = work_size(&f);
    return NNCF_OK;
}

static nncf_status forward(flow *f, const nncf_attention *attention, const nncf_tensor *x,
    size_t n_x, nncf_tensor *y, nncf_error *err)
{
    nncf_status status = begin(f, attention, x, n_x, err);
    if (status == NNCF_OK && !y)
        status = nncf__fail(err, NNCF_E_ARG, NULL, "y is NULL");
    const span kept = {"kept", f->a.kept, f->a.kept_size};
    if (status == NNCF_OK)
        status = check_buffer(&kept, f->kept, "kept_size", err);
    if (status == NNCF_OK)
        status = check_tensors(f, &kept, "y", y, NULL, err);
    for (int i = 0; i < PARTS && status == NNCF_OK; i++) {
        const int part = order[i];
        nncf_tensor in[2], out = output_of(f, part);
        if (!f->a.layers[part])
            continue;
        status = nncf_layer_forward(
            f->a.layers[part], in, inputs_of(f, part, in), part == f->last ? y : &out, err);
        f->reported = status != NNCF_OK;
    }
    return status;
}

nncf_status nncf_attention_forward(const nncf_attention *attention, const nncf_tensor *x,
    size_t n_x, nncf_tensor *y, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    flow f = {.last = NO_PART};
    const nncf_status status = forward(&f, attention, x, n_x, y, &reason);
    return report(&f, "nncf_attention_forward", status, &reason, err);
}

/* ---- backward ---- */

/* dx of the caller's or of a part, in floats. */
static nncf_tensor gradient_at(const flow *f, int part, int buffer)
{
    const size_t offset = buffer < SCORES_A ? (size_t)buffer * f->rows
                                            : 3 * f->rows + (size_t)(buffer - SCORES_A) * f->scores;
    return (nncf_tensor){.data = (char *)f->a.work + offset,
        .ndim = f->ndims[part],
        .shape = f->shapes[part],
        .dtype = NNCF_F32};
}

/* Backward of one part, which adds to dx or writes it. */
static nncf_status run(
    flow *f, int part, nncf_tensor *dy, nncf_tensor *dx, bool adds, nncf_error *err)
{
    nncf_layer *layer = f->a.layers[part];
    const int32_t gradients = layer->gradients;
    nncf_tensor in[2];
    const size_t n = inputs_of(f, part, in);
    layer->gradients = adds ? gradients | NNCF_GRADIENT_ADD_DX : gradients & ~NNCF_GRADIENT_ADD_DX;
    const nncf_status status = nncf_layer_backward(layer, in, n, dy, dx, err);
    layer->gradients = gradients;
    f->reported = status != NNCF_OK;
    return status;
}

/* From a buffer of dy into one or two of dx. */
static nncf_status inner(flow *f, int part, int from, int to, int to_second, nncf_error *err)
{
    nncf_tensor dy = gradient_at(f, part, from), dx[2];
    dx[0] = gradient_at(f, part_read(f, part, 0), to);
    if (part_read(f, part, 1) != NO_PART)
        dx[1] = gradient_at(f, part_read(f, part, 1), to_second);
    return run(f, part, &dy, dx, false, err);
}

/* Heads of q, k or v, whose gradient is in `from`, and the linear layer that they read. */
static nncf_status outer(
    flow *f, int part, int heads, int from, int between, nncf_tensor *dx, nncf_error *err)
{
    const int at = source(f, part);
    const bool adds = (f->a.layers[part]->gradients & NNCF_GRADIENT_ADD_DX) ||
        (part < NNCF_ATTENTION_V && source(f, part + 1) == at);
    const nncf_status status = inner(f, heads, from, between, 0, err);
    if (status != NNCF_OK)
        return status;
    nncf_tensor dy = gradient_at(f, part, between);
    return run(f, part, &dy, dx ? &dx[at] : NULL, adds, err);
}

static nncf_status run_all(flow *f, nncf_tensor *dy, nncf_tensor *dx, nncf_error *err)
{
    const bool drops = f->a.layers[NNCF_ATTENTION_DROPOUT];
    const int softmax = drops ? SCORES_B : SCORES_A, scores = drops ? SCORES_A : SCORES_B;
    nncf_status status = NNCF_OK;
    nncf_tensor d = gradient_at(f, NNCF_ATTENTION_MERGED, ROWS_A);
    if (f->last == NNCF_ATTENTION_OUT) {
        status = run(f, NNCF_ATTENTION_OUT, dy, &d, false, err);
        dy = &d;
    }
    nncf_tensor mixed = gradient_at(f, NNCF_ATTENTION_MIXED, ROWS_B);
    if (status == NNCF_OK)
        status = run(f, NNCF_ATTENTION_MERGED, dy, &mixed, false, err);
    if (status == NNCF_OK)
        status = inner(f, NNCF_ATTENTION_MIXED, ROWS_B, SCORES_A, ROWS_A, err);
    if (status == NNCF_OK && drops)
        status = inner(f, NNCF_ATTENTION_DROPOUT, SCORES_A, SCORES_B, 0, err);
    if (status == NNCF_OK)
        status = outer(f, NNCF_ATTENTION_V, NNCF_ATTENTION_V_HEADS, ROWS_A, ROWS_B, dx, err);
    if (status == NNCF_OK)
        status = inner(f, NNCF_ATTENTION_SOFTMAX, softmax, scores, 0, err);
    if (status == NNCF_OK)
        status = inner(f, NNCF_ATTENTION_SCORES, scores, ROWS_A, ROWS_B, err);
    if (status == NNCF_OK)
        status = outer(f, NNCF_ATTENTION_K, NNCF_ATTENTION_K_HEADS, ROWS_B, ROWS_C, dx, err);
    if (status == NNCF_OK)
        status = outer(f, NNCF_ATTENTION_Q, NNCF_ATTENTION_Q_HEADS, ROWS_A, ROWS_C, dx, err);
    return status;
}

static nncf_status backward(flow *f, const nncf_attention *attention, const nncf_tensor *x,
    size_t n_x, nncf_tensor *dy, nncf_tensor *dx, nncf_error *err)
{
    nncf_status status = begin(f, attention, x, n_x, err);
    if (status == NNCF_OK && !dy)
        status = nncf__fail(err, NNCF_E_ARG, NULL, "dy is NULL");
    const span kept = {"kept", f->a.kept, f->a.kept_size},
               work = {"work", f->a.work, f->a.work_size};
    if (status == NNCF_OK)
        status = check_buffer(&kept, f->kept, "kept_size", err);
    if (status == NNCF_OK)
        status = check_buffer(&work, work_size(f), "work_size", err);
    if (status == NNCF_OK && overlap(&kept, &work))
        status = nncf__fail(err, NNCF_E_ARG, NULL, "kept and work overlap in memory");
    if (status == NNCF_OK)
        status = check_tensors(f, &kept, "dy", dy, dx, err);
    if (status == NNCF_OK)
        status = check_tensors(f, &work, "dy", dy, dx, err);
    if (status == NNCF_OK)
        status = run_all(f, dy, dx, err);
    return status;
}

nncf_status nncf_attention_backward(const nncf_attention *attention, const nncf_tensor *x,
    size_t n_x, nncf_tensor *dy, nncf_tensor *dx, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    flow f = {.last = NO_PART};
    const nncf_status status = backward(&f, attention, x, n_x, dy, dx, &reason);
    return report(&f, "nncf_attention_backward", status, &reason, err);
}
