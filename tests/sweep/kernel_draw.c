/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapes where fast paths begin and end: images of one row or column, strides larger than the
 * kernel or the image, kernels and dilations larger than the image, paddings larger than the
 * kernel, channels and pixels about the sizes of tiles.
 */
#include "kernel_case.h"

/* Of the naive loops of one case, so that there are many cases. */
enum { SMALL, MIDDLE, LARGE };
static const int64_t most_products[] = {4000, 60000, 1500000},
                     most_elements[] = {2000, 20000, 150000};

static const int64_t tile_edges[] = {12, 13, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 63, 64, 65};

/* Of both sides of a product, where its weight gradient is made of panels. */
static const int64_t many_channels[] = {32, 33, 36, 47, 48, 64, 65, 96};

static int64_t draw_size(sweep_rng *r)
{
    if (sweep_one_in(r, 4))
        return 1;
    if (sweep_one_in(r, 8))
        return SWEEP_PICK(r, tile_edges);
    return sweep_range(r, 1, 12);
}

static int64_t draw_channels(sweep_rng *r)
{
    return sweep_one_in(r, 6) ? SWEEP_PICK(r, tile_edges) : sweep_range(r, 1, 12);
}

static int64_t out_size(
    int64_t size, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation)
{
    int64_t room = size + 2 * padding - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

static void draw_window(sweep_rng *r, kernel_case *c)
{
    static const int64_t kernels[] = {1, 1, 1, 2, 3, 3, 3, 4, 5, 7},
                         strides[] = {1, 1, 1, 2, 2, 3, 4, 5, 9};
    const bool same = sweep_one_in(r, 2);
    for (int i = 0; i < 2; i++) {
        c->kernel[i] = SWEEP_PICK(r, kernels);
        c->stride[i] = SWEEP_PICK(r, strides);
        c->dilation[i] = sweep_one_in(r, 3) ? sweep_range(r, 2, 5) : 1;
        c->padding[i] = sweep_range(r, 0, sweep_one_in(r, 4) ? c->kernel[i] + 2 : c->kernel[i] / 2);
    }
    if (sweep_one_in(r, 30))
        c->dilation[sweep_range(r, 0, 1)] = sweep_range(r, 6, 40);
    if (same) { /* as most layers are, so that the ways of 3 x 3 are met */
        c->kernel[1] = c->kernel[0];
        c->stride[1] = c->stride[0];
        c->padding[1] = c->padding[0];
        c->dilation[1] = c->dilation[0];
    }
}

static void draw_product(sweep_rng *r, kernel_case *c)
{
    c->in[1] = draw_channels(r);
    c->out[1] = draw_channels(r);
    c->groups = 1;
    switch (sweep_range(r, 0, 3)) {
    case 0: /* depthwise, at times with a multiplier */
        c->groups = c->in[1];
        c->out[1] = c->in[1] * (sweep_one_in(r, 4) ? sweep_range(r, 2, 3) : 1);
        break;
    case 1:
        c->groups = sweep_range(r, 2, 4);
        c->in[1] = c->groups * sweep_range(r, 1, 6);
        c->out[1] = c->groups * sweep_range(r, 1, 6);
        break;
    default:
        break;
    }
}

static bool too_large(const kernel_case *c, int size)
{
    int64_t taps = c->kind == KERNEL_CONV || c->kind == KERNEL_LINEAR ? c->in[1] / c->groups : 1;
    int64_t products = (int64_t)kernel_count(c->out) * taps;
    if (c->kind == KERNEL_CONV || c->kind == KERNEL_POOL)
        products *= c->kernel[0] * c->kernel[1];
    return (int64_t)kernel_count(c->in) > most_elements[size] ||
        (int64_t)kernel_count(c->out) > most_elements[size] || products > most_products[size];
}

static void draw_pool(sweep_rng *r, kernel_case *c)
{
    c->pool = (int32_t)sweep_range(r, NNCF_POOL_GLOBAL_AVERAGE, NNCF_POOL_MEAN_COLUMNS);
    for (int i = 0; i < 2; i++) {
        c->kernel[i] = sweep_range(r, 1, 5);
        c->stride[i] = sweep_range(r, 1, sweep_one_in(r, 4) ? 9 : 3);
        c->padding[i] = sweep_range(r, 0, c->kernel[i] / 2);
        c->dilation[i] = 1;
        c->out[2 + i] = out_size(c->in[2 + i], c->kernel[i], c->stride[i], c->padding[i], 1);
    }
    c->out[1] = c->in[1];
    if (c->pool == NNCF_POOL_MAX || c->pool == NNCF_POOL_AVERAGE)
        return;
    for (int i = 0; i < 2; i++) {
        const bool whole = c->pool == NNCF_POOL_GLOBAL_AVERAGE ||
            c->pool == (i == 0 ? NNCF_POOL_MEAN_ROWS : NNCF_POOL_MEAN_COLUMNS);
        c->kernel[i] = whole ? c->in[2 + i] : 1;
        c->stride[i] = 1;
        c->padding[i] = 0;
        c->out[2 + i] = whole ? 1 : c->in[2 + i];
    }
}

/* Taps that no image reaches: only one in each direction is on it. */
static void far_apart(sweep_rng *r, kernel_case *c)
{
    static const int64_t far[] = {100, 128, 129, 1000, 100000, 1 << 30};
    for (int i = 0; i < 2; i++) {
        c->kernel[i] = 3;
        c->dilation[i] = c->padding[i] = SWEEP_PICK(r, far);
    }
}

/* Images of one row or one column, seen by few taps: lines of pixels are joined to longer ones
 * there. */
static void narrow(sweep_rng *r, kernel_case *c)
{
    int i = (int)sweep_range(r, 0, 1);
    c->in[2 + i] = 1;
    c->kernel[i] = sweep_one_in(r, 3) ? sweep_range(r, 1, 3) : 1;
    c->padding[i] = c->kernel[i] > 1 || sweep_one_in(r, 6) ? sweep_range(r, 0, c->kernel[i]) : 0;
    c->stride[i] = sweep_one_in(r, 2) ? c->stride[1 - i] : c->stride[i];
}

static void draw_shape(sweep_rng *r, kernel_case *c, int size)
{
    static const int kinds[] = {KERNEL_CONV, KERNEL_CONV, KERNEL_CONV, KERNEL_CONV, KERNEL_CONV,
        KERNEL_CONV, KERNEL_CONV, KERNEL_POOL, KERNEL_POOL, KERNEL_ADD, KERNEL_LINEAR};
    c->kind = SWEEP_PICK(r, kinds);
    const bool many = size == LARGE && c->kind == KERNEL_CONV && sweep_one_in(r, 2);
    do {
        c->in[0] = c->out[0] = sweep_one_in(r, 12) ? sweep_range(r, 5, 20) : sweep_range(r, 1, 4);
        for (int i = 0; i < 2; i++) {
            c->in[2 + i] = draw_size(r) * (size == LARGE ? sweep_range(r, 1, 3) : 1);
            c->kernel[i] = c->stride[i] = c->dilation[i] = 1;
            c->padding[i] = 0;
        }
        draw_product(r, c);
        if (many) {
            c->groups = 1;
            c->in[1] = SWEEP_PICK(r, many_channels);
            c->out[1] = SWEEP_PICK(r, many_channels);
        }
        memcpy(c->x_shape, c->in, sizeof c->in);
        c->x_ndim = 4;
        if (c->kind == KERNEL_CONV) {
            draw_window(r, c);
            if (sweep_one_in(r, 4))
                narrow(r, c);
            if (sweep_one_in(r, 100))
                far_apart(r, c);
            for (int i = 0; i < 2; i++)
                c->out[2 + i] = out_size(
                    c->in[2 + i], c->kernel[i], c->stride[i], c->padding[i], c->dilation[i]);
        } else if (c->kind == KERNEL_LINEAR) {
            c->groups = 1;
            if (sweep_one_in(r, 2))
                c->x_shape[2] = c->x_shape[3] = 1;
            c->in[1] = c->x_shape[1] * c->x_shape[2] * c->x_shape[3];
            c->in[2] = c->in[3] = c->out[2] = c->out[3] = 1;
            c->x_ndim = c->x_shape[2] * c->x_shape[3] == 1 && sweep_one_in(r, 2) ? 2 : 4;
        } else if (c->kind == KERNEL_POOL) {
            draw_pool(r, c);
        } else {
            memcpy(c->out, c->in, sizeof c->in);
        }
        memcpy(c->x_shape, c->kind == KERNEL_LINEAR ? c->x_shape : c->in, sizeof c->in);
    } while (c->out[2] < 1 || c->out[3] < 1 || too_large(c, size));
}

static void draw_quantization(sweep_rng *r, kernel_case *c)
{
    static const int bits[] = {8, 8, 8, 8, 7, 4, 3, 2};
    c->quantized = true;
    c->own_input = c->kind != KERNEL_ADD && c->kind != KERNEL_POOL && sweep_one_in(r, 4);
    c->reader = sweep_range(r, 1, 4) < 4;
    for (int i = 0; i < 2; i++)
        c->codes_in[i] = sweep_range(r, 1, 3) < 3;
    c->codes_out = sweep_one_in(r, 2);
    c->weight_bits = SWEEP_PICK(r, bits);
    c->activation_bits = SWEEP_PICK(r, bits);
    c->weight_asymmetric = sweep_one_in(r, 3);
    c->weight_per_channel = sweep_one_in(r, 3);
    c->activation_asymmetric = sweep_one_in(r, 3);
    c->activation_per_channel = sweep_one_in(r, 6);
    c->weight_sign = (int)sweep_range(r, 0, 2);
    c->activation_sign = (int)sweep_range(r, 0, 2);
    c->pre_activation =
        c->kind == KERNEL_ADD && c->activation != NNCF_ACTIVATION_NONE && sweep_one_in(r, 2);
    if (c->pre_activation) { /* what the device that puts it there has */
        c->reader = true;
        c->activation_sign = 1; /* no call tells that quantizer's sign */
        c->weight_bits = c->activation_bits = 8;
        c->weight_per_channel = true;
        c->activation_per_channel = false;
    }
}

void kernel_draw(sweep *s, kernel_case *c)
{
    sweep_rng *r = &s->rng;
    const int size = sweep_one_in(r, 60) ? LARGE : sweep_one_in(r, 3) ? MIDDLE : SMALL;
    *c = (kernel_case){0};
    draw_shape(r, c, size);
    if (c->kind != KERNEL_POOL)
        c->activation = (int32_t)sweep_range(r, NNCF_ACTIVATION_NONE, NNCF_ACTIVATION_RELU6);
    const bool product = kernel_has_weight(c);
    c->bias = product && sweep_one_in(r, 2);
    /* batch statistics of one value are no statistics */
    c->batch_norm = product && c->out[0] * c->out[2] * c->out[3] > 1 && sweep_one_in(r, 2);
    c->gamma = sweep_range(r, 1, 5) < 5;
    c->beta = sweep_range(r, 1, 5) < 5;
    c->weight_grad = sweep_range(r, 1, 5) < 5;
    c->bias_grad = c->bias && sweep_range(r, 1, 5) < 5;
    c->gamma_grad = c->gamma && sweep_range(r, 1, 5) < 5;
    c->beta_grad = c->beta && sweep_range(r, 1, 5) < 5;
    c->wants_dx = sweep_range(r, 1, 6) < 6;
    c->eps = sweep_one_in(r, 3) ? 0.01 : 0;
    c->momentum = sweep_one_in(r, 3) ? 0.3 : 0;
    c->coarse = sweep_one_in(r, 3);
    c->offset = sweep_one_in(r, 2) ? 0 : (int)sweep_range(r, 1, 15);
    c->threads = size != SMALL || sweep_one_in(r, 4); /* little work stays in the calling thread */
    c->data = sweep_bits(r);
    if (sweep_one_in(r, 2))
        draw_quantization(r, c);
    c->wrong_channels = c->quantized && !product && c->activation_per_channel && sweep_one_in(r, 2);

    static const char *const kinds[] = {"conv", "linear", "add", "pool"};
    char quantization[160] = "";
    if (c->quantized)
        snprintf(quantization, sizeof quantization,
            ", weight %d%s%s sign %d, activation %d%s%s sign %d%s%s%s, codes %d%d->%d",
            c->weight_bits, c->weight_asymmetric ? "a" : "s", c->weight_per_channel ? "c" : "",
            c->weight_sign, c->activation_bits, c->activation_asymmetric ? "a" : "s",
            c->activation_per_channel ? "c" : "", c->activation_sign,
            c->own_input ? ", own input" : "", c->reader ? "" : ", an output",
            c->pre_activation ? ", before activation" : "", c->codes_in[0], c->codes_in[1],
            c->codes_out);
    sweep_describe(s,
        "%s %d (%d,%d,%d,%d)->(%d,%d,%d,%d) kernel %dx%d stride %dx%d padding %dx%d dilation %dx%d "
        "groups %d"
        ", activation %d%s%s%s, offset %d%s%s",
        kinds[c->kind], c->pool, (int)c->in[0], (int)c->in[1], (int)c->in[2], (int)c->in[3],
        (int)c->out[0], (int)c->out[1], (int)c->out[2], (int)c->out[3], (int)c->kernel[0],
        (int)c->kernel[1], (int)c->stride[0], (int)c->stride[1], (int)c->padding[0],
        (int)c->padding[1], (int)c->dilation[0], (int)c->dilation[1], (int)c->groups, c->activation,
        c->bias ? ", bias" : "", c->batch_norm ? ", batch norm" : "", c->coarse ? ", coarse" : "",
        c->offset, quantization, c->wrong_channels ? ", wrong channels" : "");
}
