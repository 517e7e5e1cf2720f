/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host with kernels of its own: networks as tables of operators, run by plain loops that know
 * nothing of the library but its parts for such hosts. What is run and what is registered are two
 * tables, so that they can differ.
 */
#ifndef ONNX_HOST_H
#define ONNX_HOST_H

#include <nncf/nncf.h>

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OH_NODES = 24, OH_DIMS = 5, OH_FLOATS = 8192, OH_INPUT = -1, OH_NONE = -2 };

typedef struct oh_tensor {
    int32_t ndim;
    int64_t shape[OH_DIMS];
    float data[OH_FLOATS];
} oh_tensor;

/* An operator; weight and bias are found by the node's place in the table. */
typedef struct oh_node {
    const char *scope;
    int32_t op;
    /* nodes, OH_INPUT, OH_NONE */
    int in[3];
    int64_t weight[OH_DIMS];
    /* of two operands: the shape of a constant that is the second */
    int64_t sizes[10];
    int32_t kernel, stride, padding, padding_end, output_padding, groups, axis, flags;
    float alpha;
    bool bias, constants;
} oh_node;

typedef struct oh_net {
    const oh_node *nodes;
    int n_nodes;
    int32_t ndim;
    /* of one input batch */
    int64_t shape[OH_DIMS];
    /* token ids below this; 0: floats */
    int words;
    nncf_context *context;
    nncf_config *config;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    nncf_layer *layers[OH_NODES];
    float *weights[OH_NODES], *biases[OH_NODES], *constants[OH_NODES][2], *norm[OH_NODES][4];
    oh_tensor input, values[OH_NODES];
    uint64_t random;
} oh_net;

static inline void oh_must(nncf_status status, const nncf_error *err)
{
    if (status != NNCF_OK) {
        fprintf(stderr, "%s: %s\n", nncf_status_name(status), err->message);
        abort();
    }
}

static inline double oh_uniform(oh_net *n)
{
    n->random = n->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(n->random >> 11) * 0x1p-52 - 1;
}

static inline float *oh_floats(oh_net *n, size_t count, double scale, double offset)
{
    float *x = calloc(count, sizeof *x);
    for (size_t i = 0; x && i < count; i++)
        x[i] = (float)(offset + scale * oh_uniform(n));
    return x;
}

static inline int64_t oh_count(const oh_tensor *t)
{
    int64_t n = 1;
    for (int32_t i = 0; i < t->ndim; i++)
        n *= t->shape[i];
    return n;
}

/* ---- kernels ---- */

static inline bool oh_is_conv(int32_t op)
{
    return op >= NNCF_OP_CONV1D && op <= NNCF_OP_CONV3D;
}

static inline bool oh_is_transposed(int32_t op)
{
    return op >= NNCF_OP_CONV_TRANSPOSE1D && op <= NNCF_OP_CONV_TRANSPOSE3D;
}

/* x as (n, c, d, h, w): up to three spatial dimensions, the last ones. */
static inline void oh_spatial(const oh_tensor *t, int64_t s[3])
{
    s[0] = s[1] = s[2] = 1;
    for (int32_t i = 2; i < t->ndim; i++)
        s[3 - t->ndim + i] = t->shape[i];
}

static inline float oh_at(const oh_tensor *t, int64_t plane, const int64_t s[3], int64_t d,
    int64_t h, int64_t w, bool *inside)
{
    *inside = d >= 0 && h >= 0 && w >= 0 && d < s[0] && h < s[1] && w < s[2];
    return *inside ? t->data[((plane * s[0] + d) * s[1] + h) * s[2] + w] : 0;
}

/* Convolutions and pools; of a spatial dimension that the input does not have the window is 1. */
static inline void oh_windows(
    const oh_node *o, const oh_tensor *x, const float *weight, const float *bias, oh_tensor *y)
{
    const bool conv = oh_is_conv(o->op);
    const int n = x->ndim - 2;
    int64_t in[3], k[3], stride[3], pad[3], out[3];
    oh_spatial(x, in);
    for (int i = 0; i < 3; i++) {
        const bool real = i >= 3 - n;
        k[i] = !real ? 1 : conv ? o->weight[2 + i - (3 - n)] : o->kernel;
        stride[i] = !real ? 1 : o->stride ? o->stride : conv ? 1 : k[i];
        pad[i] = real ? o->padding : 0;
        const int64_t room = in[i] + 2 * pad[i] + (real ? o->padding_end : 0) - k[i];
        out[i] = room / stride[i] + 1;
        if (o->flags & NNCF_OP_FLAG_CEIL && room % stride[i] && out[i] * stride[i] < in[i] + pad[i])
            out[i]++;
    }
    const int64_t groups = conv && o->groups ? o->groups : 1,
                  channels = conv ? o->weight[0] : x->shape[1],
                  each = conv ? x->shape[1] / groups : 1, taps = k[0] * k[1] * k[2];
    y->ndim = x->ndim;
    y->shape[0] = x->shape[0];
    y->shape[1] = channels;
    for (int i = 0; i < n; i++)
        y->shape[2 + i] = out[3 - n + i];
    float *to = y->data;
    for (int64_t i = 0; i < x->shape[0] * channels; i++)
        for (int64_t p = 0; p < out[0] * out[1] * out[2]; p++) {
            const int64_t c = i % channels, w0 = p % out[2] * stride[2] - pad[2],
                          h0 = p / out[2] % out[1] * stride[1] - pad[1],
                          d0 = p / out[2] / out[1] * stride[0] - pad[0];
            double sum = conv && bias ? (double)bias[c] : 0, most = -1e30, count = 0;
            for (int64_t j = 0; j < each; j++)
                for (int64_t t = 0; t < taps; t++) {
                    const int64_t plane =
                        conv ? i / channels * x->shape[1] + c / (channels / groups) * each + j : i;
                    const int64_t tap = o->flags & NNCF_OP_FLAG_KERNEL_TURNED ? taps - 1 - t : t;
                    bool inside;
                    const float v = oh_at(x, plane, in, d0 + t / k[2] / k[1], h0 + t / k[2] % k[1],
                        w0 + t % k[2], &inside);
                    if (conv)
                        sum += (double)v * (double)weight[(c * each + j) * taps + tap];
                    else
                        sum += (double)v;
                    most = inside && (double)v > most ? (double)v : most;
                    count += inside || !(o->flags & NNCF_OP_FLAG_EXCLUDE_PADDING);
                }
            *to++ = (float)(conv ? sum : o->op == NNCF_OP_MAX_POOL ? most : sum / count);
        }
}

static inline void oh_transposed(
    const oh_node *o, const oh_tensor *x, const float *weight, const float *bias, oh_tensor *y)
{
    const int n = x->ndim - 2;
    int64_t in[3], k[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, pad[3] = {0}, out[3] = {1, 1, 1};
    oh_spatial(x, in);
    y->ndim = x->ndim;
    y->shape[0] = x->shape[0];
    y->shape[1] = o->weight[1];
    for (int i = 3 - n; i < 3; i++) {
        k[i] = o->weight[2 + i - (3 - n)];
        stride[i] = o->stride ? o->stride : 1;
        pad[i] = o->padding;
        out[i] = (in[i] - 1) * stride[i] + k[i] - 2 * pad[i] + o->output_padding;
        y->shape[2 + i - (3 - n)] = out[i];
    }
    const int64_t taps = k[0] * k[1] * k[2], plane = out[0] * out[1] * out[2],
                  pixels = in[0] * in[1] * in[2], channels = o->weight[1];
    for (int64_t i = 0; i < oh_count(y); i++)
        y->data[i] = bias ? bias[i / plane % channels] : 0;
    for (int64_t i = 0; i < oh_count(x); i++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t t = 0; t < taps; t++) {
                const int64_t p = i % pixels, ic = i / pixels % x->shape[1],
                              image = i / pixels / x->shape[1],
                              d = p / in[2] / in[1] * stride[0] - pad[0] + t / k[2] / k[1],
                              h = p / in[2] % in[1] * stride[1] - pad[1] + t / k[2] % k[1],
                              w = p % in[2] * stride[2] - pad[2] + t % k[2];
                if (d < 0 || h < 0 || w < 0 || d >= out[0] || h >= out[1] || w >= out[2])
                    continue;
                y->data[(image * channels + c) * plane + (d * out[1] + h) * out[2] + w] +=
                    x->data[i] * weight[(ic * channels + c) * taps + t];
            }
}

/* x w^T + b over the last dimension; w is (out, in). */
static inline void oh_linear(
    const oh_tensor *x, const float *weight, int64_t out, const float *bias, oh_tensor *y)
{
    const int64_t in = x->shape[x->ndim - 1], rows = oh_count(x) / in;
    *y = *x;
    y->shape[y->ndim - 1] = out;
    for (int64_t i = 0; i < rows * out; i++) {
        double sum = bias ? (double)bias[i % out] : 0;
        for (int64_t j = 0; j < in; j++)
            sum += (double)x->data[i / out * in + j] * (double)weight[i % out * in + j];
        y->data[i] = (float)sum;
    }
}

/* Of matrices behind equal leading sizes. */
static inline void oh_matmul(const oh_tensor *a, const oh_tensor *b, bool turned, oh_tensor *y)
{
    const int32_t d = a->ndim;
    const int64_t m = a->shape[d - 2], k = a->shape[d - 1], n = b->shape[turned ? d - 2 : d - 1],
                  batch = oh_count(a) / (m * k);
    *y = *a;
    y->shape[d - 1] = n;
    for (int64_t i = 0; i < batch * m * n; i++) {
        const int64_t e = i / (m * n), row = i / n % m, column = i % n;
        double sum = 0;
        for (int64_t j = 0; j < k; j++)
            sum += (double)a->data[(e * m + row) * k + j] *
                (double)b->data[e * k * n + (turned ? column * k + j : j * n + column)];
        y->data[i] = (float)sum;
    }
}

static inline int64_t oh_behind(const oh_tensor *t, int64_t axis)
{
    int64_t n = 1;
    for (int32_t i = (int32_t)axis + 1; i < t->ndim; i++)
        n *= t->shape[i];
    return n;
}

static inline void oh_softmax(const oh_tensor *x, int64_t axis, oh_tensor *y)
{
    const int64_t n = x->shape[axis], inner = oh_behind(x, axis);
    *y = *x;
    for (int64_t i = 0; i < oh_count(x) / n; i++) {
        const int64_t at = i / inner * n * inner + i % inner;
        double sum = 0;
        for (int64_t j = 0; j < n; j++)
            sum += exp((double)x->data[at + j * inner]);
        for (int64_t j = 0; j < n; j++)
            y->data[at + j * inner] = (float)(exp((double)x->data[at + j * inner]) / sum);
    }
}

/* Over the last dimension. */
static inline void oh_layer_norm(
    const oh_tensor *x, const float *gamma, const float *beta, oh_tensor *y)
{
    const int64_t n = x->shape[x->ndim - 1];
    *y = *x;
    for (int64_t i = 0; i < oh_count(x); i += n) {
        double mean = 0, var = 0;
        for (int64_t j = 0; j < n; j++)
            mean += (double)x->data[i + j] / (double)n;
        for (int64_t j = 0; j < n; j++)
            var += pow((double)x->data[i + j] - mean, 2) / (double)n;
        for (int64_t j = 0; j < n; j++)
            y->data[i + j] = (float)(((double)x->data[i + j] - mean) / sqrt(var + 1e-5) *
                    (gamma ? (double)gamma[j] : 1) +
                (beta ? (double)beta[j] : 0));
    }
}

static inline void oh_transpose(const oh_tensor *x, const int64_t *order, oh_tensor *y)
{
    y->ndim = x->ndim;
    for (int32_t i = 0; i < x->ndim; i++)
        y->shape[i] = x->shape[order[i]];
    for (int64_t i = 0; i < oh_count(x); i++) {
        int64_t at = 0, index[OH_DIMS], rest = i;
        for (int32_t d = x->ndim - 1; d >= 0; rest /= x->shape[d--])
            index[d] = rest % x->shape[d];
        for (int32_t d = 0; d < y->ndim; d++)
            at = at * y->shape[d] + index[order[d]];
        y->data[at] = x->data[i];
    }
}

static inline void oh_concat(const oh_tensor *a, const oh_tensor *b, int64_t axis, oh_tensor *y)
{
    const int64_t m = a->shape[axis] * oh_behind(a, axis), n = b->shape[axis] * oh_behind(b, axis);
    y->ndim = a->ndim;
    memcpy(y->shape, a->shape, sizeof y->shape);
    y->shape[axis] += b->shape[axis];
    for (int64_t i = 0; i < oh_count(a) / m; i++) {
        memcpy(y->data + i * (m + n), a->data + i * m, (size_t)m * sizeof(float));
        memcpy(y->data + i * (m + n) + m, b->data + i * n, (size_t)n * sizeof(float));
    }
}

static inline void oh_interpolate(const oh_tensor *x, int64_t f, bool nearest, oh_tensor *y)
{
    const int64_t h = x->shape[2], w = x->shape[3];
    y->ndim = 4;
    y->shape[0] = x->shape[0];
    y->shape[1] = x->shape[1];
    y->shape[2] = h * f;
    y->shape[3] = w * f;
    for (int64_t i = 0; i < oh_count(y); i++) {
        const int64_t row = i / (w * f) % (h * f), column = i % (w * f);
        const float *p = x->data + i / (w * f) / (h * f) * h * w;
        if (nearest) {
            y->data[i] = p[row / f * w + column / f];
            continue;
        }
        const double v = fmin(fmax(((double)row + 0.5) / (double)f - 0.5, 0), (double)(h - 1)),
                     u = fmin(fmax(((double)column + 0.5) / (double)f - 0.5, 0), (double)(w - 1));
        const int64_t r = (int64_t)v, c = (int64_t)u, below = r + 1 < h ? r + 1 : r,
                      right = c + 1 < w ? c + 1 : c;
        const double dv = v - (double)r, du = u - (double)c;
        y->data[i] =
            (float)((1 - dv) * ((1 - du) * (double)p[r * w + c] + du * (double)p[r * w + right]) +
                dv * ((1 - du) * (double)p[below * w + c] + du * (double)p[below * w + right]));
    }
}

static inline double oh_scalar(const oh_node *o, double x)
{
    switch (o->op) {
    case NNCF_OP_RELU:
        return fmax(x, 0);
    case NNCF_OP_RELU6:
        return fmin(fmax(x, 0), 6);
    case NNCF_OP_SIGMOID:
        return 1 / (1 + exp(-x));
    case NNCF_OP_TANH:
        return tanh(x);
    case NNCF_OP_HSWISH:
        return x * fmin(fmax(x + 3, 0), 6) / 6;
    case NNCF_OP_ELU:
        return x < 0 ? (o->alpha != 0 ? (double)o->alpha : 1) * (exp(x) - 1) : x;
    case NNCF_OP_GELU:
        return o->flags & NNCF_OP_FLAG_GELU_TANH
            ? x / 2 * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)))
            : x / 2 * (1 + erf(x / sqrt(2.0)));
    case NNCF_OP_LEAKY_RELU:
        return x < 0 ? 0.01 * x : x;
    case NNCF_OP_SILU:
        return x / (1 + exp(-x));
    case NNCF_OP_MISH:
        return x * tanh(log(1 + exp(x)));
    case NNCF_OP_HARD_SIGMOID:
        return fmin(fmax(x + 3, 0), 6) / 6;
    case NNCF_OP_PRELU:
        return x < 0 ? (double)o->alpha * x : x;
    default:
        return x;
    }
}

static inline double oh_pair(int32_t op, double a, double b)
{
    return op == NNCF_OP_ADD ? a + b
        : op == NNCF_OP_SUB  ? a - b
        : op == NNCF_OP_MUL  ? a * b
                             : a / b;
}

static inline bool oh_is_pair(int32_t op)
{
    return op >= NNCF_OP_ADD && op <= NNCF_OP_DIV;
}

static inline int32_t oh_length(const int64_t *sizes)
{
    int32_t n = 0;
    while (sizes[n] > 0)
        n++;
    return n;
}

/* Which element of a constant belongs to element k of x, by broadcasting. */
static inline int64_t oh_broadcast(const oh_tensor *x, int64_t k, const int64_t *sizes)
{
    int64_t at = 0, step = 1, rest = k;
    for (int32_t d = x->ndim - 1, c = oh_length(sizes) - 1; c >= 0; rest /= x->shape[d--], c--) {
        at += sizes[c] == 1 ? 0 : rest % x->shape[d] * step;
        step *= sizes[c];
    }
    return at;
}

static inline void oh_mean(const oh_node *o, const oh_tensor *x, oh_tensor *y)
{
    const int64_t n = x->shape[o->axis], inner = oh_behind(x, o->axis);
    *y = *x;
    y->shape[o->axis] = 1;
    for (int64_t i = 0; i < oh_count(x) / n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < n; j++)
            sum += (double)x->data[i / inner * n * inner + j * inner + i % inner];
        y->data[i] = (float)(sum / (double)n);
    }
    if (!(o->flags & NNCF_OP_FLAG_KEEP_DIMS)) {
        for (int32_t i = o->axis; i + 1 < y->ndim; i++)
            y->shape[i] = y->shape[i + 1];
        y->ndim--;
    }
}

static inline void oh_pad(const oh_node *o, const oh_tensor *x, oh_tensor *y)
{
    y->ndim = x->ndim;
    for (int32_t i = 0; i < x->ndim; i++)
        y->shape[i] = x->shape[i] + o->sizes[i] + o->sizes[x->ndim + i];
    for (int64_t i = 0; i < oh_count(y); i++) {
        int64_t at = 0, index[OH_DIMS], rest = i;
        bool inside = true;
        for (int32_t d = y->ndim - 1; d >= 0; rest /= y->shape[d--])
            index[d] = rest % y->shape[d] - o->sizes[d];
        for (int32_t d = 0; d < x->ndim; d++) {
            inside = inside && index[d] >= 0 && index[d] < x->shape[d];
            at = at * x->shape[d] + index[d];
        }
        y->data[i] = inside ? x->data[at] : o->alpha;
    }
}

static inline void oh_run_node(const oh_net *n, int i, const oh_node *o, const oh_tensor *x,
    const oh_tensor *second, const float *weight, oh_tensor *y)
{
    const float *bias = o->bias ? n->biases[i] : NULL;
    *y = *x;
    if (oh_is_conv(o->op) || o->op == NNCF_OP_MAX_POOL || o->op == NNCF_OP_AVERAGE_POOL) {
        oh_windows(o, x, weight, bias, y);
    } else if (oh_is_transposed(o->op)) {
        oh_transposed(o, x, weight, bias, y);
    } else if (o->op == NNCF_OP_LINEAR) {
        oh_linear(x, weight, o->weight[0], bias, y);
    } else if (o->op == NNCF_OP_EMBEDDING) {
        y->shape[y->ndim++] = o->weight[1];
        for (int64_t k = 0; k < oh_count(y); k++)
            y->data[k] =
                weight[(int64_t)x->data[k / o->weight[1]] * o->weight[1] + k % o->weight[1]];
    } else if (o->op == NNCF_OP_BATCH_NORM) {
        const int64_t inner = oh_behind(x, 1);
        for (int64_t k = 0; k < oh_count(x); k++) {
            const int64_t c = k / inner % x->shape[1];
            y->data[k] = (float)(((double)x->data[k] - (double)n->norm[i][2][c]) /
                    sqrt((double)n->norm[i][3][c] + 1e-5) * (double)n->norm[i][0][c] +
                (double)n->norm[i][1][c]);
        }
    } else if (o->op == NNCF_OP_LAYER_NORM) {
        oh_layer_norm(x, n->constants[i][0], n->constants[i][1], y);
    } else if (o->op == NNCF_OP_PRELU && o->constants) {
        for (int64_t k = 0; k < oh_count(x); k++)
            y->data[k] *=
                x->data[k] < 0 ? n->constants[i][0][k / oh_behind(x, 1) % x->shape[1]] : 1;
    } else if (o->op == NNCF_OP_SOFTMAX) {
        oh_softmax(x, o->axis ? o->axis : x->ndim - 1, y);
    } else if (oh_is_pair(o->op)) {
        for (int64_t k = 0; k < oh_count(x); k++)
            y->data[k] = (float)oh_pair(o->op, (double)x->data[k],
                (double)(o->constants ? n->constants[i][0][oh_broadcast(x, k, o->sizes)]
                                      : second->data[k]));
    } else if (o->op == NNCF_OP_MATMUL) {
        oh_matmul(x, second, o->flags & NNCF_OP_FLAG_TRANSPOSE_SECOND, y);
    } else if (o->op == NNCF_OP_CONCAT) {
        oh_concat(x, second, o->axis ? o->axis : 1, y);
    } else if (o->op == NNCF_OP_MEAN) {
        oh_mean(o, x, y);
    } else if (o->op == NNCF_OP_ADAPTIVE_AVERAGE_POOL) {
        const int64_t inner = oh_behind(x, 1);
        for (int64_t k = 0; k < x->shape[0] * x->shape[1]; k++) {
            double sum = 0;
            for (int64_t j = 0; j < inner; j++)
                sum += (double)x->data[k * inner + j];
            y->data[k] = (float)(sum / (double)inner);
        }
        for (int32_t d = 2; d < y->ndim; d++)
            y->shape[d] = 1;
    } else if (o->op == NNCF_OP_FLATTEN) {
        y->shape[1] = oh_behind(x, 0);
        y->ndim = 2;
    } else if (o->op == NNCF_OP_RESHAPE) {
        for (y->ndim = 0; o->sizes[y->ndim] || y->ndim == 0; y->ndim++)
            y->shape[y->ndim] = o->sizes[y->ndim] > 0 ? o->sizes[y->ndim] : x->shape[y->ndim];
    } else if (o->op == NNCF_OP_TRANSPOSE) {
        oh_transpose(x, o->sizes, y);
    } else if (o->op == NNCF_OP_PAD) {
        oh_pad(o, x, y);
    } else if (o->op == NNCF_OP_INTERPOLATE) {
        oh_interpolate(x, o->stride, o->flags & NNCF_OP_FLAG_NEAREST, y);
    } else {
        for (int64_t k = 0; k < oh_count(x); k++)
            y->data[k] = (float)oh_scalar(o, (double)x->data[k]);
    }
}

/* ---- the host's forward, with the library's parts where a layer is registered ---- */

static inline nncf_tensor oh_view(oh_tensor *t)
{
    return (nncf_tensor){.data = t->data, .dtype = NNCF_F32, .ndim = t->ndim, .shape = t->shape};
}

static inline int64_t oh_weight_count(const oh_node *o)
{
    int64_t n = 1;
    for (int d = 0; d < OH_DIMS && o->weight[d]; d++)
        n *= o->weight[d];
    return o->weight[0] ? n : 0;
}

static inline void oh_forward(oh_net *n)
{
    static oh_tensor x, second;
    static float weight[OH_FLOATS];
    nncf_error err = NNCF_ERROR_INIT;
    for (int i = 0; i < n->n_nodes; i++) {
        const oh_node *o = &n->nodes[i];
        nncf_layer *layer = n->layers[i];
        x = o->in[0] == OH_INPUT ? n->input : n->values[o->in[0]];
        if (o->in[1] >= 0)
            second = n->values[o->in[1]];
        nncf_tensor view = oh_view(&x);
        if (layer)
            oh_must(nncf_layer_quantize_input(layer, &view, &view, &err), &err);
        if (oh_weight_count(o) > 0)
            memcpy(weight, n->weights[i], (size_t)oh_weight_count(o) * sizeof *weight);
        if (layer && oh_weight_count(o) > 0)
            oh_must(nncf_layer_compress_weight(layer, weight, &err), &err);
        oh_run_node(n, i, o, &x, &second, weight, &n->values[i]);
        view = oh_view(&n->values[i]);
        if (layer)
            oh_must(nncf_layer_quantize_output(layer, &view, &view, &err), &err);
    }
}

/* ---- registration ---- */

static inline void oh_register(oh_net *n, int i, const oh_node *o, const int *in)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *inputs[3];
    nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .scope = o->scope, .op = o->op,
        .weight_shape = o->weight, .weight = n->weights[i], .groups = o->groups, .axis = o->axis,
        .alpha = o->alpha, .flags = o->flags, .sizes = o->sizes,
        .bias = o->bias ? n->biases[i] : NULL, .inputs = inputs};
    const int64_t channels[1] = {
        o->op == NNCF_OP_LAYER_NORM || o->op == NNCF_OP_PRELU ? o->sizes[9] : 1};
    const bool pair = oh_is_pair(o->op);
    const nncf_tensor constants[2] = {{.data = n->constants[i][0],
                                          .dtype = NNCF_F32,
                                          .ndim = pair ? oh_length(o->sizes) : 1,
                                          .shape = pair ? o->sizes : channels},
        {.data = n->constants[i][1], .dtype = NNCF_F32, .ndim = 1, .shape = channels}};
    const nncf_batch_norm_params norm = {NNCF_PARAMS(nncf_batch_norm_params),
        .weight = n->norm[i][0], .bias = n->norm[i][1], .running_mean = n->norm[i][2],
        .running_var = n->norm[i][3]};
    while (p.weight_ndim < OH_DIMS && o->weight[p.weight_ndim])
        p.weight_ndim++;
    if (p.weight_ndim == 0)
        p.weight = NULL;
    for (int k = 0; k < 3; k++) {
        p.kernel[k] = o->kernel;
        p.stride[k] = o->stride;
        p.padding[k] = o->padding;
        p.padding_end[k] = o->padding_end;
        p.output_padding[k] = o->output_padding;
        if (in[k] >= 0)
            inputs[p.n_inputs++] = n->layers[in[k]];
    }
    if (o->constants) {
        p.constants = constants;
        p.n_constants = o->op == NNCF_OP_PRELU || pair ? 1 : 2;
    }
    if (o->op == NNCF_OP_BATCH_NORM)
        p.batch_norm = &norm;
    if (o->op == NNCF_OP_RESHAPE)
        for (p.n_sizes = 1; o->sizes[p.n_sizes];)
            p.n_sizes++;
    if (o->op == NNCF_OP_TRANSPOSE || o->op == NNCF_OP_PAD)
        p.n_sizes = (size_t)o->sizes[9];
    oh_must(nncf_model_add_op(n->model, &p, &n->layers[i], &err), &err);
}

/* What is registered of node i, instead of what is run: a changed node, or NULL: nothing, and its
 * readers read what it reads. */
typedef const oh_node *(*oh_change)(int i, const oh_node *o, oh_node *space);

static inline void oh_create(oh_net *n, const char *config, oh_change change)
{
    nncf_error err = NNCF_ERROR_INIT;
    n->random = 11;
    oh_must(nncf_context_create(NNCF_API_VERSION, NULL, &n->context, &err), &err);
    oh_must(nncf_config_parse(n->context, "case", config, strlen(config), NULL, &n->config, &err),
        &err);
    oh_must(nncf_model_create(n->context, &n->model, &err), &err);
    int stands_for[OH_NODES];
    for (int i = 0; i < n->n_nodes; i++) {
        const oh_node *o = &n->nodes[i];
        const int64_t count = oh_weight_count(o), channels = 64;
        const double fan =
            count ? (double)count / (double)o->weight[oh_is_transposed(o->op) ? 1 : 0] : 1;
        n->weights[i] = oh_floats(n, (size_t)count + 1, 1.6 / sqrt(fan), 0);
        n->biases[i] = oh_floats(n, channels, 0.4, 0.1);
        for (int k = 0; k < 2; k++)
            n->constants[i][k] = oh_floats(n, channels, 0.3, k == 0 ? 0.6 : 0);
        for (int k = 0; k < 4; k++)
            n->norm[i][k] = oh_floats(n, channels, 0.3, k == 0 || k == 3 ? 1 : 0);
        oh_node space = *o;
        const oh_node *registered = change ? change(i, o, &space) : o;
        int in[3];
        for (int k = 0; k < 3; k++)
            in[k] = registered && registered->in[k] >= 0 ? stands_for[registered->in[k]] : OH_NONE;
        stands_for[i] = registered ? i : o->in[0] >= 0 ? stands_for[o->in[0]] : OH_NONE;
        if (registered)
            oh_register(n, i, registered, in);
    }
    n->input.ndim = n->ndim;
    memcpy(n->input.shape, n->shape, sizeof n->shape);
    for (int64_t i = 0; i < oh_count(&n->input); i++) {
        const double v = oh_uniform(n);
        n->input.data[i] = n->words ? (float)(int)((v + 1) / 2 * n->words) : (float)(1.5 * v);
    }
    oh_must(nncf_compression_ctrl_create(n->model, n->config, &n->ctrl, &err), &err);
    oh_must(nncf_model_set_mode(n->model, NNCF_MODE_EVAL, &err), &err);
    for (int32_t more = 1; more;) {
        oh_must(nncf_compression_ctrl_init_step(n->ctrl, &more, &err), &err);
        oh_forward(n); /* the last one is with the ranges in place */
    }
}

static inline void oh_destroy(oh_net *n)
{
    nncf_compression_ctrl_destroy(n->ctrl);
    nncf_model_destroy(n->model);
    nncf_config_destroy(n->config);
    nncf_context_destroy(n->context);
    for (int i = 0; i < n->n_nodes; i++) {
        free(n->weights[i]);
        free(n->biases[i]);
        for (int k = 0; k < 2; k++)
            free(n->constants[i][k]);
        for (int k = 0; k < 4; k++)
            free(n->norm[i][k]);
    }
}

static inline nncf_status oh_export(
    oh_net *n, const char *path, const nncf_onnx_params *more, nncf_error *err)
{
    const nncf_tensor x = oh_view(&n->input), y = oh_view(&n->values[n->n_nodes - 1]);
    nncf_onnx_params p = *more;
    p.golden_input = &x;
    p.golden_output = &y;
    return nncf_onnx_export(n->ctrl, path, &p, err);
}

#endif
