/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of products as plain loops; included once, by ref.c. */
#ifndef NNCF__KERNELS_REF_PRODUCTS_H
#define NNCF__KERNELS_REF_PRODUCTS_H

#include "kernels/kernels.h"

enum { REF_TILE_V = 16, REF_TILE_S = 6 };

static void gemm_tile(int32_t tile[2])
{
    tile[0] = REF_TILE_V;
    tile[1] = REF_TILE_S;
}

/* Sum of lane i times column j; rows nullable. */
static float micro_sum(
    size_t k, const float *a, const uint16_t *rows, const float *b, size_t i, size_t j)
{
    float sum = 0;
    for (size_t p = 0; p < k; p++)
        sum += a[(rows ? rows[p] : p) * REF_TILE_V + i] * b[p * REF_TILE_S + j];
    return sum;
}

static void gemm_micro_rows(
    size_t k, const float *a, const uint16_t *rows, const float *b, size_t used, float *c, bool add)
{
    for (size_t j = 0; j < used; j++)
        for (size_t i = 0; i < REF_TILE_V; i++) {
            const float sum = micro_sum(k, a, rows, b, i, j);
            float *to = &c[j * REF_TILE_V + i];
            *to = add ? *to + sum : sum;
        }
}

static void gemm_micro_rows_store(size_t k, const float *a, const uint16_t *rows, const float *b,
    size_t used, const float *c, const float *scale, const float *bias, float *z, int64_t z_stride,
    bool stream)
{
    (void)stream;
    for (size_t j = 0; j < used; j++)
        for (size_t i = 0; i < REF_TILE_V; i++) {
            float sum = micro_sum(k, a, rows, b, i, j);
            if (c)
                sum = c[j * REF_TILE_V + i] + sum;
            z[(int64_t)j * z_stride + (int64_t)i] = sum * scale[j] + bias[j];
        }
}

static void gemm_micro(size_t k, const float *a, const float *b, size_t used, float *c, bool add)
{
    gemm_micro_rows(k, a, NULL, b, used, c, add);
}

static void gemm_micro_store(size_t k, const float *a, const float *b, size_t used, const float *c,
    const float *scale, const float *bias, float *z, int64_t z_stride, bool stream)
{
    gemm_micro_rows_store(k, a, NULL, b, used, c, scale, bias, z, z_stride, stream);
}

static void gemm_rows(size_t k, const float *a, const float *b, int64_t b_stride, size_t used,
    const float *c, float factor, const float *bias, float *z, int64_t z_stride)
{
    for (size_t j = 0; j < used; j++)
        for (size_t i = 0; i < REF_TILE_V; i++) {
            float sum = 0;
            for (size_t p = 0; p < k; p++)
                sum += a[p * REF_TILE_V + i] * b[(int64_t)j * b_stride + (int64_t)p];
            if (c)
                sum = c[j * REF_TILE_V + i] + sum;
            sum *= factor;
            z[(int64_t)j * z_stride + (int64_t)i] = bias ? sum + bias[i] : sum;
        }
}

static void gemm_rows_runs(size_t n_runs, const nncf__segment *runs, int64_t step, const float *a,
    const float *b, int64_t b_stride, size_t used, float *c, bool add)
{
    for (size_t j = 0; j < used; j++)
        for (size_t i = 0; i < REF_TILE_V; i++) {
            float sum = 0, *to = &c[j * REF_TILE_V + i];
            for (const nncf__segment *run = runs; run < runs + n_runs; run++)
                for (int64_t p = 0; p < run->length; p++)
                    sum += a[(run->src + p * step) * REF_TILE_V + (int64_t)i] *
                        b[(int64_t)j * b_stride + run->dst + p];
            *to = add ? *to + sum : sum;
        }
}

static void gemm_streams_end(void)
{
}

static void gemm_gather(size_t n_channels, const float *src, int64_t channel_stride, int64_t step,
    size_t n_segments, const nncf__segment *segments, float *dst, size_t dst_stride)
{
    for (size_t c = 0; c < n_channels; c++)
        for (size_t j = 0; j < n_segments; j++)
            for (int64_t i = 0; i < segments[j].length; i++)
                dst[c * dst_stride + (size_t)(segments[j].dst + i)] = segments[j].src < 0
                    ? 0.0f
                    : src[(int64_t)c * channel_stride + segments[j].src + i * step];
}

static void gemm_gather_bytes(size_t n_channels, const uint8_t *src, int64_t channel_stride,
    int64_t step, size_t n_segments, const nncf__segment *segments, const nncf__dequant *bytes,
    float *dst, size_t dst_stride)
{
    for (size_t c = 0; c < n_channels; c++)
        for (size_t j = 0; j < n_segments; j++)
            for (int64_t i = 0; i < segments[j].length; i++) {
                float value = 0.0f;
                if (segments[j].src >= 0) {
                    unsigned byte = src[(int64_t)c * channel_stride + segments[j].src + i * step];
                    value = ((float)(byte ^ bytes->flip) - bytes->offset) * bytes->scale;
                }
                dst[c * dst_stride + (size_t)(segments[j].dst + i)] = value;
            }
}

static void gemm_quantize_inplace(size_t n, float *x, float inverse)
{
    for (size_t i = 0; i < n; i++)
        x[i] = rintf(x[i] * inverse) + 0.0f;
}

static void gemm_transpose(
    size_t rows, size_t n, const float *src, int64_t row_stride, float *dst, size_t width)
{
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < width; r++)
            dst[i * width + r] = r < rows ? src[(int64_t)r * row_stride + (int64_t)i] : 0.0f;
}

static void gemm_dots(size_t k, const float *a, int64_t a_stride, size_t n_a, const float *b,
    int64_t b_stride, size_t n_b, const nncf__dots_fetch *fetch, float *sums, int64_t sums_stride,
    bool add)
{
    (void)fetch;
    for (size_t i = 0; i < n_a; i++)
        for (size_t j = 0; j < n_b; j++) {
            float sum = 0;
            for (size_t p = 0; p < k; p++)
                sum +=
                    a[(int64_t)i * a_stride + (int64_t)p] * b[(int64_t)j * b_stride + (int64_t)p];
            float *to = &sums[(int64_t)i * sums_stride + (int64_t)j];
            *to = add ? *to + sum : sum;
        }
}

static void gemm_accumulate_f64(size_t n, const float *tile, double *sum, bool add)
{
    for (size_t i = 0; i < n; i++)
        sum[i] = add ? sum[i] + (double)tile[i] : (double)tile[i];
}

static void gemm_to_f32(size_t n, const double *sum, float *tile)
{
    for (size_t i = 0; i < n; i++)
        tile[i] = (float)sum[i];
}

static void gemm_store(size_t v, size_t s, const float *tile, const float *scale, const float *bias,
    float *z, int64_t z_stride, int64_t step, const nncf__segment *segments, size_t n_segments)
{
    for (size_t j = 0; j < s; j++)
        for (size_t p = 0; p < n_segments; p++)
            for (int64_t i = 0; i < segments[p].length; i++)
                z[(int64_t)j * z_stride + segments[p].src + i * step] =
                    tile[j * v + (size_t)(segments[p].dst + i)] * scale[j] + bias[j];
}

static void depthwise_forward(size_t rows, size_t cols, const float *in, size_t in_step,
    size_t n_taps, const int64_t *offsets, const float *w, float scale, float bias, float *z,
    size_t z_step, bool stream)
{
    (void)stream;
    for (size_t y = 0; y < rows; y++)
        for (size_t x = 0; x < cols; x++) {
            float sum = 0;
            for (size_t t = 0; t < n_taps; t++)
                sum += w[t] * in[y * in_step + (size_t)offsets[t] + x];
            z[y * z_step + x] = sum * scale + bias;
        }
}

static void depthwise_pairs(size_t rows, size_t cols, const float *in, size_t in_step,
    size_t n_even, size_t n_odd, const int64_t *offsets, const float *w, float *z, size_t z_step,
    bool stream)
{
    (void)stream;
    for (size_t y = 0; y < rows; y++)
        for (size_t x = 0; x < cols; x++) {
            float sum = 0;
            for (size_t t = x % 2 ? n_even : 0; t < (x % 2 ? n_even + n_odd : n_even); t++)
                sum += w[t] * in[y * in_step + (size_t)offsets[t] + x / 2];
            z[y * z_step + x] = sum;
        }
}

static void depthwise_weight(size_t rows, size_t cols, const float *in, size_t in_step,
    size_t n_taps, const int64_t *offsets, const float *dz, size_t dz_step, double (*lanes)[16])
{
    for (size_t t = 0; t < n_taps; t++) {
        float sum[LANES] = {0};
        for (size_t block = 0; block < cols; block += LANES)
            for (size_t y = 0; y < rows; y++)
                for (size_t x = block; x < cols && x < block + LANES; x++)
                    sum[x % LANES] +=
                        dz[y * dz_step + x] * in[y * in_step + (size_t)offsets[t] + x];
        for (size_t i = 0; i < LANES; i++)
            lanes[t][i] += (double)sum[i];
    }
}

static void depthwise_lanes_forward(size_t rows, size_t cols, const float *in, size_t in_row,
    size_t in_col, size_t n_taps, const int64_t *offsets, const float *w, const float *scale,
    const float *bias, float *z, size_t z_row, size_t z_col)
{
    for (size_t y = 0; y < rows; y++)
        for (size_t x = 0; x < cols; x++)
            for (size_t i = 0; i < LANES; i++) {
                float sum = 0;
                for (size_t t = 0; t < n_taps; t++)
                    sum += w[t * LANES + i] * in[y * in_row + x * in_col + (size_t)offsets[t] + i];
                z[y * z_row + x * z_col + i] = sum * scale[i] + bias[i];
            }
}

static void depthwise_lanes_weight(size_t rows, size_t cols, const float *in, size_t in_row,
    size_t in_col, size_t n_taps, const int64_t *offsets, const float *dz, double (*lanes)[16])
{
    for (size_t t = 0; t < n_taps; t++)
        for (size_t i = 0; i < LANES; i++) {
            float sum = 0;
            for (size_t y = 0; y < rows; y++)
                for (size_t x = 0; x < cols; x++)
                    sum += dz[(y * cols + x) * LANES + i] *
                        in[y * in_row + x * in_col + (size_t)offsets[t] + i];
            lanes[t][i] += (double)sum;
        }
}

#include "kernels/ref_depthwise_3x3.h"

#endif
