/* SPDX-License-Identifier: Apache-2.0 */
/* The operators of an export but convolutions and pools, as ONNX defines them. */
#include "base/alloc.h"
#include "formats/onnx/evaluate.h"

#include <nncf/base.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ---- elements ---- */

typedef float (*unary)(const nncf__onnx_step *s, float x);
typedef float (*binary)(float a, float b);

static float relu(const nncf__onnx_step *s, float x)
{
    (void)s;
    return x > 0 ? x : 0;
}

static float sigmoid(const nncf__onnx_step *s, float x)
{
    (void)s;
    return (float)(1 / (1 + exp(-(double)x)));
}

static float tangent(const nncf__onnx_step *s, float x)
{
    (void)s;
    return (float)tanh((double)x);
}

static float error_function(const nncf__onnx_step *s, float x)
{
    (void)s;
    return (float)erf((double)x);
}

static float root(const nncf__onnx_step *s, float x)
{
    (void)s;
    return (float)sqrt((double)x);
}

static float same(const nncf__onnx_step *s, float x)
{
    (void)s;
    return x;
}

static float truncate(const nncf__onnx_step *s, float x)
{
    (void)s;
    return truncf(x);
}

static float leaky(const nncf__onnx_step *s, float x)
{
    return x < 0 ? nncf__onnx_float(s, "alpha", 0.01f) * x : x;
}

static float elu(const nncf__onnx_step *s, float x)
{
    return x < 0 ? (float)((double)nncf__onnx_float(s, "alpha", 1) * expm1((double)x)) : x;
}

static float hard_sigmoid(const nncf__onnx_step *s, float x)
{
    const float y = nncf__onnx_float(s, "alpha", 0.2f) * x + nncf__onnx_float(s, "beta", 0.5f);
    return fminf(fmaxf(y, 0), 1);
}

static float clip(const nncf__onnx_step *s, float x)
{
    return fminf(fmaxf(x, s->x[1]->data[0]), s->x[2]->data[0]);
}

static float softplus(const nncf__onnx_step *s, float x)
{
    (void)s;
    return (float)(fmax((double)x, 0) + log1p(exp(-fabs((double)x))));
}

static float add(float a, float b)
{
    return a + b;
}

static float subtract(float a, float b)
{
    return a - b;
}

static float multiply(float a, float b)
{
    return a * b;
}

static float divide(float a, float b)
{
    return a / b;
}

static float power(float a, float b)
{
    return b == 2 ? a * a : powf(a, b);
}

static float prelu(float a, float b)
{
    return a < 0 ? a * b : a;
}

static nncf_status run_unary(nncf__onnx_step *s, unary f)
{
    nncf_status status = nncf__onnx_make(s, s->x[0]->ndim, s->x[0]->shape);
    for (size_t i = 0; status == NNCF_OK && i < s->y->count; i++)
        s->y->data[i] = f(s, s->x[0]->data[i]);
    return status;
}

/* How far apart neighbours along each of ndim dimensions lie in x, whose dimensions are the last
 * ones; 0 where x has one element there. */
static void strides_in(const nncf__onnx_array *x, int32_t ndim, int64_t *strides)
{
    int64_t stride = 1;
    memset(strides, 0, NNCF_MAX_NDIM * sizeof *strides);
    for (int32_t i = x->ndim - 1; i >= 0; i--) {
        strides[ndim - x->ndim + i] = x->shape[i] == 1 ? 0 : stride;
        stride *= x->shape[i];
    }
}

/* The shape of two that are broadcast, without the last `keep` dimensions. */
static nncf_status broadcast(const nncf__onnx_step *s, int32_t keep, int32_t *ndim, int64_t *shape)
{
    const nncf__onnx_array *a = s->x[0], *b = s->x[1];
    *ndim = (a->ndim > b->ndim ? a->ndim : b->ndim) - keep;
    for (int32_t i = 0; i < *ndim; i++) {
        const int32_t of_a = i - (*ndim + keep - a->ndim), of_b = i - (*ndim + keep - b->ndim);
        const int64_t m = of_a < 0 ? 1 : a->shape[of_a], n = of_b < 0 ? 1 : b->shape[of_b];
        if (m != n && m != 1 && n != 1)
            return nncf__onnx_misfit(s, "its operands have %lld and %lld elements in dimension %d",
                (long long)m, (long long)n, (int)i);
        shape[i] = m == 1 ? n : m;
    }
    return NNCF_OK;
}

static size_t offset_of(size_t at, int32_t ndim, const int64_t *shape, const int64_t *strides)
{
    size_t offset = 0;
    for (int32_t i = ndim - 1; i >= 0; i--) {
        offset += at % (size_t)shape[i] * (size_t)strides[i];
        at /= (size_t)shape[i];
    }
    return offset;
}

static float greater(float a, float b)
{
    return a > b ? 1.0f : 0.0f;
}

static nncf_status run_binary(nncf__onnx_step *s, binary f)
{
    int64_t shape[NNCF_MAX_NDIM], a[NNCF_MAX_NDIM], b[NNCF_MAX_NDIM];
    int32_t ndim;
    nncf_status status = broadcast(s, 0, &ndim, shape);
    if (status == NNCF_OK)
        status = nncf__onnx_make(s, ndim, shape);
    if (status != NNCF_OK)
        return status;
    strides_in(s->x[0], ndim, a);
    strides_in(s->x[1], ndim, b);
    for (size_t i = 0; i < s->y->count; i++)
        s->y->data[i] = f(s->x[0]->data[offset_of(i, ndim, shape, a)],
            s->x[1]->data[offset_of(i, ndim, shape, b)]);
    return NNCF_OK;
}

/* ---- quantizers ---- */

static nncf_status run_quantize(nncf__onnx_step *s)
{
    const float scale = s->x[1]->data[0], zero = s->x[2]->data[0];
    const bool is_signed = s->x[2]->tensor->data_type == NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__INT8;
    const float low = is_signed ? -128 : 0, high = is_signed ? 127 : 255;
    nncf_status status = nncf__onnx_make(s, s->x[0]->ndim, s->x[0]->shape);
    for (size_t i = 0; status == NNCF_OK && i < s->y->count; i++)
        s->y->data[i] = fminf(fmaxf(rintf(s->x[0]->data[i] / scale) + zero, low), high);
    return status;
}

/* Elements after one index of a dimension. */
static size_t inner_of(const nncf__onnx_array *x, int64_t axis)
{
    size_t inner = 1;
    for (int32_t i = (int32_t)axis + 1; i < x->ndim; i++)
        inner *= (size_t)x->shape[i];
    return inner;
}

static nncf_status run_dequantize(nncf__onnx_step *s)
{
    const nncf__onnx_array *x = s->x[0], *scale = s->x[1], *zero = s->x[2];
    const size_t inner = inner_of(x, nncf__onnx_int(s, "axis", 1)), n = scale->count;
    nncf_status status = nncf__onnx_make(s, x->ndim, x->shape);
    for (size_t i = 0; status == NNCF_OK && i < x->count; i++) {
        const size_t c = n > 1 ? i / inner % n : 0;
        s->y->data[i] = (x->data[i] - zero->data[c]) * scale->data[c];
    }
    return status;
}

static nncf_status run_fake_quantize(nncf__onnx_step *s)
{
    const double levels = (double)nncf__onnx_int(s, "levels", 256) - 1;
    const nncf__onnx_array *x = s->x[0], *low = s->x[1], *high = s->x[2];
    int64_t strides[NNCF_MAX_NDIM];
    nncf_status status = nncf__onnx_make(s, x->ndim, x->shape);
    if (low->ndim > x->ndim)
        return nncf__onnx_misfit(s, "its quantizer has %d dimensions", (int)low->ndim);
    for (int32_t i = 0; i < low->ndim; i++)
        if (low->shape[i] != 1 && low->shape[i] != x->shape[x->ndim - low->ndim + i])
            return nncf__onnx_misfit(
                s, "its quantizer has %lld channels", (long long)low->shape[i]);
    strides_in(low, x->ndim, strides);
    for (size_t i = 0; status == NNCF_OK && i < x->count; i++) {
        const size_t c = offset_of(i, x->ndim, x->shape, strides);
        const double a = (double)low->data[c], b = (double)high->data[c],
                     v = fmin(fmax((double)x->data[i], a), b);
        s->y->data[i] = (float)(rint((v - a) / (b - a) * levels) / levels * (b - a) + a);
    }
    return status;
}

/* ---- products ---- */

static nncf_status run_gemm(nncf__onnx_step *s)
{
    const nncf__onnx_array *x = s->x[0], *w = s->x[1], *bias = s->x[2];
    const int64_t n = w->shape[0], k = w->shape[1]; /* transB is 1 */
    if (x->ndim != 2 || x->shape[1] != k)
        return nncf__onnx_misfit(s, "it reads %lld features an image", (long long)k);
    const int64_t shape[2] = {x->shape[0], n};
    nncf_status status = nncf__onnx_make(s, 2, shape);
    for (int64_t i = 0; status == NNCF_OK && i < shape[0] * n; i++) {
        const float *a = x->data + i / n * k, *b = w->data + i % n * k;
        double sum = bias ? (double)bias->data[i % n] : 0;
        for (int64_t j = 0; j < k; j++)
            sum += (double)a[j] * (double)b[j];
        s->y->data[i] = (float)sum;
    }
    return status;
}

static nncf_status run_matmul(nncf__onnx_step *s)
{
    const nncf__onnx_array *a = s->x[0], *b = s->x[1];
    int64_t shape[NNCF_MAX_NDIM], of_a[NNCF_MAX_NDIM], of_b[NNCF_MAX_NDIM];
    int32_t ndim;
    if (a->ndim < 2 || b->ndim < 2 || a->shape[a->ndim - 1] != b->shape[b->ndim - 2])
        return nncf__onnx_misfit(
            s, "it reads %lld features", (long long)(b->ndim < 2 ? 0 : b->shape[b->ndim - 2]));
    nncf_status status = broadcast(s, 2, &ndim, shape);
    const int64_t m = a->shape[a->ndim - 2], k = a->shape[a->ndim - 1], n = b->shape[b->ndim - 1];
    shape[ndim] = m;
    shape[ndim + 1] = n;
    if (status == NNCF_OK)
        status = nncf__onnx_make(s, ndim + 2, shape);
    if (status != NNCF_OK)
        return status;
    strides_in(a, ndim + 2, of_a);
    strides_in(b, ndim + 2, of_b);
    for (size_t i = 0; i < s->y->count; i++) {
        const size_t batch = i / (size_t)(m * n), row = i / (size_t)n % (size_t)m,
                     column = i % (size_t)n;
        const float *p = a->data + offset_of(batch, ndim, shape, of_a) + row * (size_t)k,
                    *q = b->data + offset_of(batch, ndim, shape, of_b) + column;
        double sum = 0;
        for (int64_t j = 0; j < k; j++)
            sum += (double)p[j] * (double)q[j * n];
        s->y->data[i] = (float)sum;
    }
    return NNCF_OK;
}

/* ---- norms ---- */

static nncf_status run_batch_norm(nncf__onnx_step *s)
{
    const nncf__onnx_array *x = s->x[0];
    const float eps = nncf__onnx_float(s, "epsilon", 1e-5f);
    if (x->ndim < 2 || x->shape[1] != (int64_t)s->x[1]->count)
        return nncf__onnx_misfit(s, "its batch norm has %zu channels", s->x[1]->count);
    const size_t inner = inner_of(x, 1), channels = (size_t)x->shape[1];
    nncf_status status = nncf__onnx_make(s, x->ndim, x->shape);
    for (size_t i = 0; status == NNCF_OK && i < x->count; i++) {
        const size_t c = i / inner % channels;
        const double root = sqrt((double)s->x[4]->data[c] + (double)eps);
        s->y->data[i] = (float)(((double)x->data[i] - (double)s->x[3]->data[c]) / root *
                (double)s->x[1]->data[c] +
            (double)s->x[2]->data[c]);
    }
    return status;
}

static nncf_status run_softmax(nncf__onnx_step *s)
{
    const nncf__onnx_array *x = s->x[0];
    int64_t axis = nncf__onnx_int(s, "axis", -1);
    axis += axis < 0 ? x->ndim : 0;
    if (axis < 0 || axis >= x->ndim)
        return nncf__onnx_misfit(s, "there is no dimension %lld", (long long)axis);
    const size_t inner = inner_of(x, axis), n = (size_t)x->shape[axis];
    nncf_status status = nncf__onnx_make(s, x->ndim, x->shape);
    for (size_t i = 0; status == NNCF_OK && i < x->count / n; i++) {
        const size_t first = i / inner * n * inner + i % inner;
        double most = -INFINITY, sum = 0;
        for (size_t j = 0; j < n; j++)
            most = fmax(most, (double)x->data[first + j * inner]);
        for (size_t j = 0; j < n; j++)
            sum += exp((double)x->data[first + j * inner] - most);
        for (size_t j = 0; j < n; j++)
            s->y->data[first + j * inner] =
                (float)(exp((double)x->data[first + j * inner] - most) / sum);
    }
    return status;
}

static nncf_status run_mean(nncf__onnx_step *s)
{
    const nncf__onnx_array *x = s->x[0];
    int64_t axes[NNCF_MAX_NDIM], shape[NNCF_MAX_NDIM], strides[NNCF_MAX_NDIM], stride = 1;
    bool averaged[NNCF_MAX_NDIM] = {false};
    const size_t n = nncf__onnx_ints(s, "axes", axes, NNCF_MAX_NDIM);
    const bool keeps = nncf__onnx_int(s, "keepdims", 1) != 0;
    int32_t ndim = 0;
    for (size_t i = 0; i < n; i++) {
        axes[i] += axes[i] < 0 ? x->ndim : 0;
        if (axes[i] < 0 || axes[i] >= x->ndim)
            return nncf__onnx_misfit(s, "there is no dimension %lld", (long long)axes[i]);
        averaged[axes[i]] = true;
    }
    for (int32_t i = x->ndim - 1; i >= 0; i--) {
        strides[i] = averaged[i] ? 0 : stride;
        stride *= averaged[i] ? 1 : x->shape[i];
    }
    for (int32_t i = 0; i < x->ndim; i++)
        if (keeps || !averaged[i])
            shape[ndim++] = averaged[i] ? 1 : x->shape[i];
    nncf_status status = nncf__onnx_make(s, ndim, shape);
    if (status != NNCF_OK)
        return status;
    double *sums = nncf__calloc(s->builder->context, s->y->count, sizeof *sums);
    if (!sums)
        return NNCF_E_NOMEM;
    for (size_t i = 0; i < x->count; i++)
        sums[offset_of(i, x->ndim, x->shape, strides)] += (double)x->data[i];
    for (size_t i = 0; i < s->y->count; i++)
        s->y->data[i] = (float)(sums[i] / (double)(x->count / s->y->count));
    nncf__free(s->builder->context, sums);
    return NNCF_OK;
}

/* ---- shapes ---- */

static nncf_status copy_as(nncf__onnx_step *s, int32_t ndim, const int64_t *shape)
{
    nncf_status status = nncf__onnx_make(s, ndim, shape);
    if (status != NNCF_OK)
        return status;
    if (s->y->count != s->x[0]->count)
        return nncf__onnx_misfit(s, "it makes %zu elements of %zu", s->y->count, s->x[0]->count);
    memcpy(s->y->data, s->x[0]->data, s->y->count * sizeof *s->y->data);
    return NNCF_OK;
}

static nncf_status run_flatten(nncf__onnx_step *s)
{
    const nncf__onnx_array *x = s->x[0];
    const size_t inner = inner_of(x, 0);
    const int64_t shape[2] = {x->shape[0], (int64_t)inner}; /* axis is 1 */
    return copy_as(s, 2, shape);
}

static nncf_status run_reshape(nncf__onnx_step *s)
{
    const nncf__onnx_array *x = s->x[0], *sizes = s->x[1];
    int64_t shape[NNCF_MAX_NDIM], known = 1, rest = -1;
    for (size_t i = 0; i < sizes->count; i++) {
        shape[i] = (int64_t)sizes->data[i];
        if (shape[i] == 0 && (int32_t)i < x->ndim)
            shape[i] = x->shape[i];
        if (shape[i] < 0)
            rest = (int64_t)i;
        else if (shape[i] > 0 && known > INT64_MAX / shape[i])
            return nncf__onnx_misfit(s, "its sizes are those of no tensor");
        else
            known *= shape[i];
    }
    if (rest >= 0)
        shape[rest] = known > 0 ? (int64_t)x->count / known : 0;
    return copy_as(s, (int32_t)sizes->count, shape);
}

static nncf_status run_transpose(nncf__onnx_step *s)
{
    const nncf__onnx_array *x = s->x[0];
    int64_t order[NNCF_MAX_NDIM], shape[NNCF_MAX_NDIM], strides[NNCF_MAX_NDIM];
    const size_t n = nncf__onnx_ints(s, "perm", order, NNCF_MAX_NDIM);
    if (n != (size_t)x->ndim)
        return nncf__onnx_misfit(s, "it permutes %zu dimensions", n);
    for (size_t i = 0; i < n; i++) {
        shape[i] = x->shape[order[i]];
        strides[i] = (int64_t)inner_of(x, order[i]);
    }
    nncf_status status = nncf__onnx_make(s, x->ndim, shape);
    for (size_t i = 0; status == NNCF_OK && i < x->count; i++)
        s->y->data[i] = x->data[offset_of(i, x->ndim, shape, strides)];
    return status;
}

static nncf_status run_concat(nncf__onnx_step *s)
{
    const size_t n = s->node->n_input;
    int64_t axis = nncf__onnx_int(s, "axis", 1), shape[NNCF_MAX_NDIM];
    const nncf__onnx_array *first = s->x[0];
    axis += axis < 0 ? first->ndim : 0;
    if (axis < 0 || axis >= first->ndim)
        return nncf__onnx_misfit(s, "there is no dimension %lld", (long long)axis);
    memcpy(shape, first->shape, sizeof shape);
    for (size_t i = 1; i < n; i++) {
        for (int32_t d = 0; d < first->ndim; d++)
            if (s->x[i]->ndim != first->ndim || (d != axis && s->x[i]->shape[d] != shape[d]))
                return nncf__onnx_misfit(s,
                    "input %zu has %lld elements in dimension %d, input 0 has %lld", i,
                    (long long)(d < s->x[i]->ndim ? s->x[i]->shape[d] : 0), (int)d,
                    (long long)shape[d]);
        shape[axis] += s->x[i]->shape[axis];
    }
    nncf_status status = nncf__onnx_make(s, first->ndim, shape);
    if (status != NNCF_OK)
        return status;
    const size_t inner = inner_of(s->y, axis), all = (size_t)shape[axis] * inner;
    size_t done = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t run = (size_t)s->x[i]->shape[axis] * inner;
        for (size_t j = 0; run > 0 && j < s->x[i]->count / run; j++)
            memcpy(s->y->data + j * all + done, s->x[i]->data + j * run, run * sizeof(float));
        done += run;
    }
    return NNCF_OK;
}

static nncf_status run_gather(nncf__onnx_step *s)
{
    const nncf__onnx_array *table = s->x[0], *ids = s->x[1];
    const int64_t size = table->shape[1];
    int64_t shape[NNCF_MAX_NDIM];
    if (ids->ndim >= NNCF_MAX_NDIM)
        return nncf__onnx_misfit(s, "too many dimensions");
    memcpy(shape, ids->shape, sizeof shape);
    shape[ids->ndim] = size;
    nncf_status status = nncf__onnx_make(s, ids->ndim + 1, shape);
    for (size_t i = 0; status == NNCF_OK && i < ids->count; i++) {
        const int64_t id = (int64_t)ids->data[i];
        if (id < 0 || id >= table->shape[0])
            return nncf__onnx_misfit(
                s, "word %lld is none of the %lld", (long long)id, (long long)table->shape[0]);
        memcpy(
            s->y->data + (int64_t)i * size, table->data + id * size, (size_t)size * sizeof(float));
    }
    return status;
}

static nncf_status run_pad(nncf__onnx_step *s)
{
    const nncf__onnx_array *x = s->x[0], *pads = s->x[1];
    int64_t shape[NNCF_MAX_NDIM], strides[NNCF_MAX_NDIM];
    size_t first = 0;
    if (pads->count != 2 * (size_t)x->ndim)
        return nncf__onnx_misfit(s, "it pads %zu dimensions", pads->count / 2);
    for (int32_t i = 0; i < x->ndim; i++)
        shape[i] = x->shape[i] + (int64_t)pads->data[i] + (int64_t)pads->data[x->ndim + i];
    nncf_status status = nncf__onnx_make(s, x->ndim, shape);
    if (status != NNCF_OK)
        return status;
    for (int32_t i = 0; i < x->ndim; i++) {
        strides[i] = (int64_t)inner_of(s->y, i);
        first += (size_t)pads->data[i] * (size_t)strides[i];
    }
    for (size_t i = 0; i < s->y->count; i++)
        s->y->data[i] = s->x[2] ? s->x[2]->data[0] : 0;
    for (size_t i = 0; i < x->count; i++)
        s->y->data[first + offset_of(i, x->ndim, x->shape, strides)] = x->data[i];
    return NNCF_OK;
}

/* Where pixel `at` of an enlarged row lies in the row, and how much of its neighbour is in it. */
static int64_t source_of(
    int64_t at, int64_t factor, int64_t size, bool nearest, bool aligned, double *next)
{
    *next = 0;
    if (nearest)
        return at / factor;
    const double corner = size > 1 ? (double)(at * (size - 1)) / (double)(size * factor - 1) : 0;
    const double place = aligned ? corner : fmax(((double)at + 0.5) / (double)factor - 0.5, 0);
    const int64_t first = (int64_t)place;
    *next = first + 1 < size ? place - (double)first : 0;
    return first;
}

/* Planes, enlarged by a whole factor in each direction; half_pixel unless nearest or with
 * aligned corners. */
static nncf_status run_resize(nncf__onnx_step *s)
{
    const nncf__onnx_array *x = s->x[0], *scales = s->x[2];
    if (x->ndim != 4 || scales->count != 4)
        return nncf__onnx_misfit(s, "it enlarges planes");
    const int64_t f = (int64_t)scales->data[2], g = (int64_t)scales->data[3], h = x->shape[2],
                  w = x->shape[3];
    const int64_t shape[4] = {x->shape[0], x->shape[1], h * f, w * g};
    const bool nearest = nncf__onnx_is(s, "mode", "nearest"),
               aligned = nncf__onnx_is(s, "coordinate_transformation_mode", "align_corners");
    nncf_status status = nncf__onnx_make(s, 4, shape);
    for (size_t i = 0; status == NNCF_OK && i < s->y->count; i++) {
        double down, right;
        const int64_t pixel = (int64_t)i % (shape[2] * shape[3]),
                      row = source_of(pixel / shape[3], f, h, nearest, aligned, &down),
                      column = source_of(pixel % shape[3], g, w, nearest, aligned, &right);
        const float *p = x->data + ((int64_t)i / (shape[2] * shape[3]) * h + row) * w + column;
        const double a = (double)p[0], b = right > 0 ? (double)p[1] : a,
                     c = down > 0 ? (double)p[w] : a,
                     d = down > 0 && right > 0 ? (double)p[w + 1]
            : down > 0                         ? c
                                               : b;
        s->y->data[i] = (float)((a * (1 - right) + b * right) * (1 - down) +
            (c * (1 - right) + d * right) * down);
    }
    return status;
}

/* ---- the table ---- */

nncf_status nncf__onnx_run(nncf__onnx_step *s)
{
    static const struct {
        const char *name;
        unary f;
    } unaries[] = {{"Relu", relu}, {"Sigmoid", sigmoid}, {"Tanh", tangent}, {"Erf", error_function},
        {"Sqrt", root}, {"Identity", same}, {"Cast", truncate}, {"LeakyRelu", leaky}, {"Elu", elu},
        {"HardSigmoid", hard_sigmoid}, {"Clip", clip}, {"Softplus", softplus}};
    static const struct {
        const char *name;
        binary f;
    } binaries[] = {{"Add", add}, {"Sub", subtract}, {"Mul", multiply}, {"Div", divide},
        {"Pow", power}, {"PRelu", prelu}, {"Greater", greater}};
    static const struct {
        const char *name;
        nncf_status (*f)(nncf__onnx_step *s);
    } others[] = {{"Conv", nncf__onnx_run_conv}, {"ConvTranspose", nncf__onnx_run_conv_transpose},
        {"MaxPool", nncf__onnx_run_pool}, {"AveragePool", nncf__onnx_run_pool},
        {"GlobalAveragePool", nncf__onnx_run_pool}, {"Gemm", run_gemm}, {"MatMul", run_matmul},
        {"BatchNormalization", run_batch_norm}, {"Softmax", run_softmax}, {"ReduceMean", run_mean},
        {"Flatten", run_flatten}, {"Reshape", run_reshape}, {"Transpose", run_transpose},
        {"Concat", run_concat}, {"Gather", run_gather}, {"Pad", run_pad}, {"Resize", run_resize},
        {"QuantizeLinear", run_quantize}, {"DequantizeLinear", run_dequantize},
        {"FakeQuantize", run_fake_quantize}};
    const char *op = s->node->op_type;
    for (size_t i = 0; i < sizeof unaries / sizeof *unaries; i++)
        if (strcmp(op, unaries[i].name) == 0)
            return run_unary(s, unaries[i].f);
    for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++)
        if (strcmp(op, binaries[i].name) == 0)
            return run_binary(s, binaries[i].f);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(op, others[i].name) == 0)
            return others[i].f(s);
    return NNCF_E_INTERNAL; /* an operator that graph.c writes and this does not know */
}
