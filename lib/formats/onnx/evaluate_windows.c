/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and pools of one to three spatial dimensions, as ONNX defines them. Fewer than three
 * become three, with leading sizes of 1. */
#include "base/alloc.h"
#include "formats/onnx/evaluate.h"

#include <nncf/base.h>

#include <math.h>
#include <string.h>

/* Where windows lie. */
typedef struct windows {
    int n;
    int64_t in[3], out[3], kernel[3], stride[3], begin[3], end[3], dilation[3], output_padding[3];
} windows;

static void read_three(const nncf__onnx_step *s, const char *name, int n, int64_t to[3])
{
    int64_t values[3];
    if (nncf__onnx_ints(s, name, values, 3) == (size_t)n)
        for (int i = 0; i < n; i++)
            to[3 - n + i] = values[i];
}

static windows windows_of(const nncf__onnx_step *s, const int64_t *kernel)
{
    windows w = {.n = s->x[0]->ndim - 2};
    int64_t pads[6];
    for (int i = 0; i < 3; i++)
        w.in[i] = w.kernel[i] = w.stride[i] = w.dilation[i] = 1;
    for (int i = 0; i < w.n; i++) {
        w.in[3 - w.n + i] = s->x[0]->shape[2 + i];
        if (kernel)
            w.kernel[3 - w.n + i] = kernel[i];
    }
    read_three(s, "kernel_shape", w.n, w.kernel);
    read_three(s, "strides", w.n, w.stride);
    read_three(s, "dilations", w.n, w.dilation);
    read_three(s, "output_padding", w.n, w.output_padding);
    if (nncf__onnx_ints(s, "pads", pads, 6) == 2 * (size_t)w.n)
        for (int i = 0; i < w.n; i++) {
            w.begin[3 - w.n + i] = pads[i];
            w.end[3 - w.n + i] = pads[w.n + i];
        }
    return w;
}

/* How many windows there are; with `ceil` one more where pixels are left over, if it begins inside
 * of the input or the padding before it. */
static nncf_status count_windows(const nncf__onnx_step *s, windows *w, bool ceil)
{
    for (int i = 0; i < 3; i++) {
        const int64_t space =
            w->in[i] + w->begin[i] + w->end[i] - (w->dilation[i] * (w->kernel[i] - 1) + 1);
        if (space < 0)
            return nncf__onnx_misfit(s, "its kernel is larger than its input");
        w->out[i] = space / w->stride[i] + 1;
        if (ceil && space % w->stride[i] && w->out[i] * w->stride[i] < w->in[i] + w->begin[i])
            w->out[i]++;
    }
    return NNCF_OK;
}

static nncf_status make(nncf__onnx_step *s, const windows *w, int64_t channels)
{
    int64_t shape[NNCF_MAX_NDIM] = {s->x[0]->shape[0], channels};
    for (int i = 0; i < w->n; i++)
        shape[2 + i] = w->out[3 - w->n + i];
    return nncf__onnx_make(s, s->x[0]->ndim, shape);
}

static int64_t volume(const int64_t sizes[3])
{
    return sizes[0] * sizes[1] * sizes[2];
}

/* One of the positions 0..volume-1, as three. */
static void split(int64_t at, const int64_t sizes[3], int64_t to[3])
{
    to[2] = at % sizes[2];
    to[1] = at / sizes[2] % sizes[1];
    to[0] = at / sizes[2] / sizes[1];
}

/* The element of the input under tap `tap` of window `at`, or -1: none. *padded: it lies in the
 * input or its padding, and not beyond, where a window that `ceil` added may end. */
static int64_t under(const windows *w, const int64_t at[3], const int64_t tap[3], bool *padded)
{
    int64_t place[3];
    bool outside = false;
    *padded = true;
    for (int i = 0; i < 3; i++) {
        place[i] = at[i] * w->stride[i] - w->begin[i] + tap[i] * w->dilation[i];
        outside = outside || place[i] < 0 || place[i] >= w->in[i];
        *padded = *padded && place[i] < w->in[i] + w->end[i];
    }
    return outside ? -1 : (place[0] * w->in[1] + place[1]) * w->in[2] + place[2];
}

/* The windows first..last-1 along dimension i whose tap lies inside of the input. */
static void inside(const windows *w, int i, int64_t tap, int64_t *first, int64_t *last)
{
    const int64_t offset = tap * w->dilation[i] - w->begin[i], stride = w->stride[i];
    *first = offset < 0 ? (-offset + stride - 1) / stride : 0;
    *last = offset >= w->in[i] ? 0 : (w->in[i] - 1 - offset) / stride + 1;
    *last = *last < w->out[i] ? *last : w->out[i];
}

/* sums += weight * what lies under one tap, for all windows. */
static void add_tap(
    const windows *w, const int64_t tap[3], const float *plane, double weight, double *sums)
{
    int64_t first[3], last[3], offset[3];
    for (int i = 0; i < 3; i++) {
        inside(w, i, tap[i], &first[i], &last[i]);
        offset[i] = tap[i] * w->dilation[i] - w->begin[i];
    }
    for (int64_t d = first[0]; d < last[0]; d++)
        for (int64_t h = first[1]; h < last[1]; h++) {
            const float *row = plane +
                ((d * w->stride[0] + offset[0]) * w->in[1] + h * w->stride[1] + offset[1]) *
                    w->in[2];
            double *to = sums + (d * w->out[1] + h) * w->out[2];
            for (int64_t c = first[2]; c < last[2]; c++)
                to[c] += weight * (double)row[c * w->stride[2] + offset[2]];
        }
}

nncf_status nncf__onnx_run_conv(nncf__onnx_step *s)
{
    const nncf__onnx_array *x = s->x[0], *k = s->x[1], *bias = s->x[2];
    const int64_t groups = nncf__onnx_int(s, "group", 1), out = k->shape[0], each = k->shape[1];
    if (x->ndim != k->ndim || x->ndim < 3 || x->ndim > 5)
        return nncf__onnx_misfit(s, "it reads %d dimensions", (int)k->ndim);
    if (x->shape[1] != each * groups)
        return nncf__onnx_misfit(s, "it reads %lld channels", (long long)(each * groups));
    windows w = windows_of(s, k->shape + 2);
    nncf_status status = count_windows(s, &w, false);
    if (status == NNCF_OK)
        status = make(s, &w, out);
    if (status != NNCF_OK)
        return status;
    const int64_t pixels = volume(w.out), taps = volume(w.kernel), plane = volume(w.in);
    double *sums = nncf__calloc(s->builder->context, (size_t)pixels, sizeof *sums);
    if (!sums)
        return NNCF_E_NOMEM;
    float *y = s->y->data;
    for (int64_t i = 0; i < x->shape[0] * out; i++, y += pixels) {
        const int64_t n = i / out, o = i % out;
        const float *image = x->data + (n * groups + o / (out / groups)) * each * plane;
        for (int64_t p = 0; p < pixels; p++)
            sums[p] = bias ? (double)bias->data[o] : 0;
        for (int64_t c = 0; c < each; c++)
            for (int64_t t = 0; t < taps; t++) {
                int64_t tap[3];
                split(t, w.kernel, tap);
                add_tap(
                    &w, tap, image + c * plane, (double)k->data[(o * each + c) * taps + t], sums);
            }
        for (int64_t p = 0; p < pixels; p++)
            y[p] = (float)sums[p];
    }
    nncf__free(s->builder->context, sums);
    return NNCF_OK;
}

nncf_status nncf__onnx_run_conv_transpose(nncf__onnx_step *s)
{
    const nncf__onnx_array *x = s->x[0], *k = s->x[1], *bias = s->x[2];
    const int64_t groups = nncf__onnx_int(s, "group", 1), in = k->shape[0], each = k->shape[1];
    if (x->ndim != k->ndim || x->ndim < 3 || x->ndim > 5)
        return nncf__onnx_misfit(s, "it reads %d dimensions", (int)k->ndim);
    if (x->shape[1] != in)
        return nncf__onnx_misfit(s, "it reads %lld channels", (long long)in);
    windows w = windows_of(s, k->shape + 2);
    for (int i = 0; i < 3; i++) {
        w.out[i] = (w.in[i] - 1) * w.stride[i] + w.dilation[i] * (w.kernel[i] - 1) + 1 +
            w.output_padding[i] - w.begin[i] - w.end[i];
        if (w.out[i] < 1)
            return nncf__onnx_misfit(s, "nothing is left of its output");
    }
    nncf_status status = make(s, &w, each * groups);
    if (status != NNCF_OK)
        return status;
    const int64_t pixels = volume(w.in), taps = volume(w.kernel), plane = volume(w.out);
    for (int64_t i = 0; bias && i < x->shape[0] * each * groups * plane; i++)
        s->y->data[i] = bias->data[i / plane % (each * groups)];
    /* every pixel is spread out: with input and output exchanged it lies where a window does */
    windows to = w;
    memcpy(to.in, w.out, sizeof to.in);
    for (int64_t i = 0; i < x->shape[0] * in * pixels; i++) {
        const int64_t n = i / (in * pixels), c = i / pixels % in, group = c / (in / groups);
        int64_t at[3], tap[3];
        bool padded;
        split(i % pixels, w.in, at);
        for (int64_t t = 0; t < taps; t++) {
            split(t, w.kernel, tap);
            const int64_t place = under(&to, at, tap, &padded);
            for (int64_t o = 0; place >= 0 && o < each; o++)
                s->y->data[((n * groups + group) * each + o) * plane + place] +=
                    x->data[i] * k->data[(c * each + o) * taps + t];
        }
    }
    return NNCF_OK;
}

nncf_status nncf__onnx_run_pool(nncf__onnx_step *s)
{
    const nncf__onnx_array *x = s->x[0];
    const char *op = s->node->op_type;
    const bool most = strcmp(op, "MaxPool") == 0, whole = strcmp(op, "GlobalAveragePool") == 0,
               counts_padding = nncf__onnx_int(s, "count_include_pad", 0) != 0;
    if (x->ndim < 3 || x->ndim > 5)
        return nncf__onnx_misfit(s, "a pool reads planes");
    windows w = windows_of(s, whole ? x->shape + 2 : NULL);
    nncf_status status = count_windows(s, &w, nncf__onnx_int(s, "ceil_mode", 0) != 0);
    if (status == NNCF_OK)
        status = make(s, &w, x->shape[1]);
    if (status != NNCF_OK)
        return status;
    const int64_t pixels = volume(w.out), taps = volume(w.kernel), plane = volume(w.in);
    for (int64_t i = 0; i < (int64_t)s->y->count; i++) {
        const float *from = x->data + i / pixels * plane;
        double sum = 0, largest = -INFINITY, count = 0;
        int64_t at[3], tap[3];
        split(i % pixels, w.out, at);
        for (int64_t t = 0; t < taps; t++) {
            bool padded;
            split(t, w.kernel, tap);
            const int64_t place = under(&w, at, tap, &padded);
            count += place >= 0 || (counts_padding && padded);
            if (place < 0)
                continue;
            sum += (double)from[place];
            largest = fmax(largest, (double)from[place]);
        }
        s->y->data[i] = (float)(most ? largest : sum / count);
    }
    return NNCF_OK;
}
