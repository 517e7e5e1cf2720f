/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes are checked already: each is at least 1, and their product fits (exec/check.c). */
#include "exec/views.h"

#include "base/error.h"
#include "exec/check.h"
#include "graph/block.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static int64_t product_of(const nncf__shape *s, int32_t from, int32_t to)
{
    int64_t p = 1;
    for (int32_t i = from; i < to; i++)
        p *= s->size[i];
    return p;
}

static void set_view(int64_t view[4], int64_t n, int64_t c, int64_t h, int64_t w)
{
    view[0] = n;
    view[1] = c;
    view[2] = h;
    view[3] = w;
}

/* (d0, d1, all but the last of the rest, the last) */
static void view_channels(const nncf__shape *s, int64_t view[4])
{
    const bool has_last = s->ndim > 2;
    set_view(view, s->size[0], s->ndim > 1 ? s->size[1] : 1,
        has_last ? product_of(s, 2, s->ndim - 1) : 1, has_last ? s->size[s->ndim - 1] : 1);
}

/* (all but the last, the last) */
static void view_rows(const nncf__shape *s, int64_t view[4])
{
    set_view(view, product_of(s, 0, s->ndim - 1), s->size[s->ndim - 1], 1, 1);
}

/* (n, c) and (n, c, 1, 1) are the same. */
static bool same_shape(const nncf__shape *a, const nncf__shape *b)
{
    const int32_t most = a->ndim > b->ndim ? a->ndim : b->ndim;
    bool same = a->ndim == b->ndim || (a->ndim + b->ndim == 6 && most == 4);
    for (int32_t i = 0; i < most && same; i++)
        same = (i < a->ndim ? a->size[i] : 1) == (i < b->ndim ? b->size[i] : 1);
    return same;
}

static nncf_status check_same(const nncf__shapes *s, size_t i, nncf_error *err)
{
    char found[NNCF__SHAPE_TEXT], wanted[NNCF__SHAPE_TEXT];
    if (same_shape(&s->x[i], &s->x[0]))
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_SHAPE, NULL,
        "x[%zu] is %s, but x[0] is %s: they must be of one shape", i,
        nncf__shape_text(s->x[i].size, s->x[i].ndim, found),
        nncf__shape_text(s->x[0].size, s->x[0].ndim, wanted));
}

nncf_status nncf__elementwise_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err)
{
    (void)layer;
    for (size_t i = 0; i < s->n; i++) {
        nncf_status status = check_same(s, i, err);
        if (status != NNCF_OK)
            return status;
        view_channels(&s->x[i], s->in[i]);
    }
    s->y = s->x[0];
    memcpy(s->out, s->in[0], sizeof s->out);
    return NNCF_OK;
}

/* (N,C,...): as many channels as the layer has arrays' elements for. */
static nncf_status channel_shapes(
    const nncf_layer *layer, int64_t channels, nncf__shapes *s, nncf_error *err)
{
    char found[NNCF__SHAPE_TEXT];
    const nncf__shape *x = &s->x[0];
    if (x->ndim < 2 || x->size[1] != channels)
        return nncf__fail(err, NNCF_E_SHAPE, NULL,
            "x is %s; the layer reads (N,C,...) with %lld channels",
            nncf__shape_text(x->size, x->ndim, found), (long long)channels);
    return nncf__elementwise_shapes(layer, s, err);
}

nncf_status nncf__prelu_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err)
{
    return layer->norm.size > 1 ? channel_shapes(layer, layer->norm.size, s, err)
                                : nncf__elementwise_shapes(layer, s, err);
}

nncf_status nncf__group_norm_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err)
{
    return channel_shapes(layer, layer->norm.size, s, err);
}

/* The last size of x is what the layer is made for. */
static nncf_status check_last(
    const nncf__shape *x, int64_t wanted, const char *what, nncf_error *err)
{
    char found[NNCF__SHAPE_TEXT];
    const int64_t last = x->size[x->ndim - 1];
    if (wanted == 0 || last == wanted)
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_SHAPE, NULL,
        "x is %s, whose last size is %lld; the layer reads %lld %s",
        nncf__shape_text(x->size, x->ndim, found), (long long)last, (long long)wanted, what);
}

nncf_status nncf__rows_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err)
{
    const nncf__shape *x = &s->x[0];
    char found[NNCF__SHAPE_TEXT];
    nncf_status status = check_last(x, layer->norm.size, "values a row", err);
    if (status == NNCF_OK && layer->causal &&
        (x->ndim < 2 || x->size[x->ndim - 2] > x->size[x->ndim - 1]))
        return nncf__fail(err, NNCF_E_SHAPE, NULL,
            "x is %s; a causal softmax reads (..., m, n) with n at least m",
            nncf__shape_text(x->size, x->ndim, found));
    if (status != NNCF_OK)
        return status;
    view_rows(&s->x[0], s->in[0]);
    s->y = s->x[0];
    memcpy(s->out, s->in[0], sizeof s->out);
    return NNCF_OK;
}

nncf_status nncf__linear_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err)
{
    const nncf__shape *x = &s->x[0];
    if (x->ndim == 4 && product_of(x, 1, 4) == layer->in_channels) {
        set_view(s->in[0], x->size[0], layer->in_channels, 1, 1);
        s->y = (nncf__shape){.ndim = 2, .size = {x->size[0], layer->out_channels}};
    } else {
        char found[NNCF__SHAPE_TEXT];
        if (x->ndim == 1)
            return nncf__fail(err, NNCF_E_SHAPE, NULL,
                "x is %s; the layer reads at least 2 dimensions, the last of %lld features",
                nncf__shape_text(x->size, x->ndim, found), (long long)layer->in_channels);
        if (x->ndim == 4 && x->size[3] != layer->in_channels)
            return nncf__fail(err, NNCF_E_SHAPE, NULL,
                "x is %s, which is %lld features an image; the layer reads %lld",
                nncf__shape_text(x->size, x->ndim, found), (long long)product_of(x, 1, 4),
                (long long)layer->in_channels);
        nncf_status status = check_last(x, layer->in_channels, "features", err);
        if (status != NNCF_OK)
            return status;
        view_rows(x, s->in[0]);
        s->y = *x;
        s->y.size[x->ndim - 1] = layer->out_channels;
    }
    set_view(s->out, s->in[0][0], layer->out_channels, 1, 1);
    return NNCF_OK;
}

nncf_status nncf__concat_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err)
{
    char found[NNCF__SHAPE_TEXT], wanted[NNCF__SHAPE_TEXT];
    (void)layer;
    s->y = s->x[0];
    if (s->y.ndim < 2)
        return nncf__fail(err, NNCF_E_SHAPE, NULL, "x[0] has 1 dimension; channels are the second");
    s->y.size[1] = 0;
    for (size_t i = 0; i < s->n; i++) {
        nncf__shape x = s->x[i];
        if (x.ndim >= 2)
            x.size[1] = s->x[0].size[1];
        if (!same_shape(&x, &s->x[0]))
            return nncf__fail(err, NNCF_E_SHAPE, NULL,
                "x[%zu] is %s, but x[0] is %s: only the second size, channels, may differ", i,
                nncf__shape_text(s->x[i].size, s->x[i].ndim, found),
                nncf__shape_text(s->x[0].size, s->x[0].ndim, wanted));
        s->y.size[1] += s->x[i].size[1];
        view_channels(&s->x[i], s->in[i]);
    }
    view_channels(&s->y, s->out);
    return NNCF_OK;
}

nncf_status nncf__multiply_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err)
{
    char found[NNCF__SHAPE_TEXT], wanted[NNCF__SHAPE_TEXT];
    (void)layer;
    view_channels(&s->x[0], s->in[0]);
    view_channels(&s->x[1], s->in[1]);
    s->y = s->x[0];
    memcpy(s->out, s->in[0], sizeof s->out);
    const int64_t *a = s->in[0], *b = s->in[1];
    const bool a_channel = a[0] == b[0] && a[1] == b[1] && b[2] * b[3] == 1;
    if (same_shape(&s->x[0], &s->x[1]) || a_channel)
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_SHAPE, NULL,
        "x[1] is %s, but x[0] is %s: it must have the same shape, or (%lld,%lld) and then ones",
        nncf__shape_text(s->x[1].size, s->x[1].ndim, found),
        nncf__shape_text(s->x[0].size, s->x[0].ndim, wanted), (long long)a[0], (long long)a[1]);
}

nncf_status nncf__embedding_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err)
{
    const nncf__shape *x = &s->x[0];
    if (x->ndim == NNCF_MAX_NDIM)
        return nncf__fail(err, NNCF_E_SHAPE, NULL,
            "x has %d dimensions; the output would have one more, %d are the most", (int)x->ndim,
            NNCF_MAX_NDIM);
    set_view(s->in[0], product_of(x, 0, x->ndim), 1, 1, 1);
    s->y = *x;
    s->y.size[s->y.ndim++] = layer->weight_shape[1];
    set_view(s->out, s->in[0][0], layer->weight_shape[1], 1, 1);
    return NNCF_OK;
}

nncf_status nncf__matmul_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err)
{
    char first[NNCF__SHAPE_TEXT], second[NNCF__SHAPE_TEXT];
    const nncf__shape *a = &s->x[0], *b = &s->x[1];
    const int32_t n = a->ndim;
    bool fits = n >= 2 && n == b->ndim && product_of(a, 0, n - 2) == product_of(b, 0, n - 2);
    for (int32_t i = 0; fits && i < n - 2; i++)
        fits = a->size[i] == b->size[i];
    const int32_t ta = layer->transposes[0], tb = layer->transposes[1];
    if (!fits || a->size[n - (ta ? 2 : 1)] != b->size[n - (tb ? 1 : 2)])
        return nncf__fail(err, NNCF_E_SHAPE, NULL,
            "x[0] is %s%s and x[1] %s%s: matrices (..., m, k) and (..., k, n) are multiplied",
            nncf__shape_text(a->size, a->ndim, first), ta ? " transposed" : "",
            nncf__shape_text(b->size, b->ndim, second), tb ? " transposed" : "");
    const int64_t batch = product_of(a, 0, n - 2);
    set_view(s->in[0], batch, a->size[n - 2], a->size[n - 1], 1);
    set_view(s->in[1], batch, b->size[n - 2], b->size[n - 1], 1);
    s->y = *a;
    s->y.size[n - 2] = a->size[n - (ta ? 1 : 2)];
    s->y.size[n - 1] = b->size[n - (tb ? 2 : 1)];
    set_view(s->out, batch, s->y.size[n - 2], s->y.size[n - 1], 1);
    return NNCF_OK;
}

/* ---- heads ---- */

static nncf_status no_heads(const nncf_layer *layer, const nncf__shape *x, nncf_error *err)
{
    char found[NNCF__SHAPE_TEXT];
    const char *text = nncf__shape_text(x->size, x->ndim, found);
    const long long heads = layer->groups;
    if (layer->merges)
        return nncf__fail(err, NNCF_E_SHAPE, NULL,
            "x is %s; the layer reads (..., %lld, T, D), of at least 3 dimensions", text, heads);
    return nncf__fail(err, NNCF_E_SHAPE, NULL,
        "x is %s; the layer reads (..., T, C), of 2 to %d dimensions, where its %lld heads divide "
        "C",
        text, NNCF_MAX_NDIM - 1, heads);
}

/* Views: (images, T, heads, D) and (images, heads, T, D). */
nncf_status nncf__heads_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err)
{
    const nncf__shape *x = &s->x[0];
    const int64_t heads = layer->groups;
    const int32_t n = x->ndim;
    int64_t images = 1;
    s->y = *x;
    if (layer->merges) {
        if (n < 3 || x->size[n - 3] != heads)
            return no_heads(layer, x, err);
        for (int32_t i = 0; i < n - 3; i++)
            images *= x->size[i];
        s->y.ndim = n - 1;
        s->y.size[n - 3] = x->size[n - 2];
        s->y.size[n - 2] = heads * x->size[n - 1];
        s->y.size[n - 1] = 0;
        set_view(s->in[0], images, heads, x->size[n - 2], x->size[n - 1]);
        set_view(s->out, images, x->size[n - 2], heads, x->size[n - 1]);
        return NNCF_OK;
    }
    if (n < 2 || n >= NNCF_MAX_NDIM || x->size[n - 1] % heads != 0)
        return no_heads(layer, x, err);
    for (int32_t i = 0; i < n - 2; i++)
        images *= x->size[i];
    s->y.ndim = n + 1;
    s->y.size[n - 2] = heads;
    s->y.size[n - 1] = x->size[n - 2];
    s->y.size[n] = x->size[n - 1] / heads;
    set_view(s->in[0], images, x->size[n - 2], heads, x->size[n - 1] / heads);
    set_view(s->out, images, heads, x->size[n - 2], x->size[n - 1] / heads);
    return NNCF_OK;
}
