/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the kinds of layers, as registration, placement and formats see them. */
#include "graph/kind_info.h"

#include "base/strings.h"
#include "base/text.h"
#include "graph/model.h"
#include "graph/ops.h"

#include <nncf/layers.h>
#include <nncf/model.h>

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

static bool always(const nncf_layer *layer)
{
    (void)layer;
    return true;
}

static void write_pair(nncf__text *text, const char *name, const int64_t value[2])
{
    nncf__text_printf(text, ",\"%s\":[%lld,%lld]", name, (long long)value[0], (long long)value[1]);
}

/* As the host gives them; what one side has beyond the other only where there is some. */
static void write_padding(nncf__text *text, const nncf_layer *layer)
{
    const int64_t end[2] = {
        layer->padding_after[0] - layer->padding[0], layer->padding_after[1] - layer->padding[1]};
    write_pair(text, "padding", layer->padding);
    if (end[0] != 0 || end[1] != 0)
        write_pair(text, "padding_end", end);
}

/* ---- convolutions ---- */

static void conv2d_write(const nncf_layer *layer, nncf__text *text)
{
    write_pair(text, "stride", layer->stride);
    write_padding(text, layer);
    write_pair(text, "dilation", layer->dilation);
    nncf__text_printf(text, ",\"groups\":%lld", (long long)layer->groups);
}

static void conv_transpose2d_write(const nncf_layer *layer, nncf__text *text)
{
    const int64_t more[2] = {
        layer->attributes.output_padding[1], layer->attributes.output_padding[2]};
    conv2d_write(layer, text);
    write_pair(text, "output_padding", more);
}

/* ---- pools ---- */

static bool pool_is_flat(const nncf_layer *layer)
{
    return layer->pool_kind == NNCF_POOL_GLOBAL_AVERAGE;
}

static bool pool_passes_codes(const nncf_layer *layer)
{
    return layer->pool_kind == NNCF_POOL_MAX;
}

static void pool_write(const nncf_layer *layer, nncf__text *text)
{
    static const char *const names[] = {[NNCF_POOL_GLOBAL_AVERAGE] = "global_average",
        [NNCF_POOL_AVERAGE] = "average",
        [NNCF_POOL_MAX] = "max",
        [NNCF_POOL_MEAN_ROWS] = "mean_rows",
        [NNCF_POOL_MEAN_COLUMNS] = "mean_columns"};
    nncf__text_printf(text, ",\"pool\":\"%s\"", names[layer->pool_kind]);
    write_pair(text, "kernel", layer->kernel);
    write_pair(text, "stride", layer->stride);
    write_padding(text, layer);
    if (layer->ceil_mode)
        nncf__text_printf(text, ",\"ceil_mode\":true");
    if (layer->exclude_padding)
        nncf__text_printf(text, ",\"exclude_padding\":true");
}

/* ---- others ---- */

static void upsample_write(const nncf_layer *layer, nncf__text *text)
{
    static const char *const names[] = {[NNCF_UPSAMPLE_NEAREST] = "nearest",
        [NNCF_UPSAMPLE_BILINEAR] = "bilinear",
        [NNCF_UPSAMPLE_BILINEAR_ALIGNED] = "bilinear_aligned"};
    nncf__text_printf(text, ",\"upsample\":\"%s\"", names[layer->upsample_kind]);
    write_pair(text, "factor", layer->stride);
}

static void write_double(nncf__text *text, const char *name, float value)
{
    char digits[NNCF__DOUBLE_TEXT];
    nncf__text_printf(text, ",\"%s\":%s", name, nncf__format_double((double)value, digits));
}

static void softmax_write(const nncf_layer *layer, nncf__text *text)
{
    nncf__text_printf(text, ",\"causal\":%d", (int)layer->causal);
}

static void layer_norm_write(const nncf_layer *layer, nncf__text *text)
{
    write_double(text, "norm_eps", layer->norm.eps);
}

static void group_norm_write(const nncf_layer *layer, nncf__text *text)
{
    write_double(text, "norm_eps", layer->norm.eps);
    nncf__text_printf(text, ",\"groups\":%lld", (long long)layer->groups);
}

static void heads_write(const nncf_layer *layer, nncf__text *text)
{
    nncf__text_printf(
        text, ",\"heads\":%lld,\"merge\":%d", (long long)layer->groups, (int)layer->merges);
}

static void dropout_write(const nncf_layer *layer, nncf__text *text)
{
    write_double(text, "p", layer->dropped);
}

static void matmul_write(const nncf_layer *layer, nncf__text *text)
{
    nncf__text_printf(
        text, ",\"transposed\":[%d,%d]", (int)layer->transposes[0], (int)layer->transposes[1]);
    write_double(text, "factor", layer->factor);
}

/* ---- operators of the host ---- */

static void operator_write(const nncf_layer *layer, nncf__text *text)
{
    nncf__text_printf(text, ",\"op\":\"%s\"", nncf__op_info_of(layer->op)->name);
    if (layer->op == NNCF_OP_WEIGHT)
        nncf__text_printf(text, ",\"channel_axis\":%d", (int)layer->weight_axis);
}

/* ---- elementwise ---- */

static bool first_is_flat(const nncf_layer *layer)
{
    return layer->n_inputs > 0 && nncf__layer_is_flat(layer->inputs[0]);
}

static const nncf__kind_info infos[] = {
    [NNCF__CONV2D] = {.name = "conv2d", .quantizes_input = true, .write_attributes = conv2d_write},
    [NNCF__CONV_TRANSPOSE2D] = {.name = "conv_transpose2d",
        .quantizes_input = true,
        .write_attributes = conv_transpose2d_write},
    [NNCF__LINEAR] = {.name = "linear",
        .flattens = true,
        .quantizes_input = true,
        .is_flat = always},
    [NNCF__ADD] = {.name = "add",
        .passes_channels = true,
        .quantizes_before_activation = true,
        .is_flat = first_is_flat},
    [NNCF__ACTIVATION] = {.name = "activation",
        .passes_channels = true,
        .is_activation = true,
        .is_flat = first_is_flat},
    [NNCF__CONCAT] = {.name = "concat", .is_flat = first_is_flat},
    [NNCF__MULTIPLY] = {.name = "multiply", .passes_channels = true, .is_flat = first_is_flat},
    [NNCF__SOFTMAX] = {.name = "softmax",
        .passes_channels = true,
        .is_flat = first_is_flat,
        .write_attributes = softmax_write},
    [NNCF__UPSAMPLE] = {.name = "upsample",
        .passes_channels = true,
        .write_attributes = upsample_write},
    [NNCF__PRELU] = {.name = "prelu",
        .passes_channels = true,
        .is_flat = first_is_flat,
        .arrays = {"slope", NULL}},
    [NNCF__DROPOUT] = {.name = "dropout",
        .passes_channels = true,
        .is_flat = first_is_flat,
        .write_attributes = dropout_write},
    [NNCF__HEADS] = {.name = "heads", .passes_codes = always, .write_attributes = heads_write},
    [NNCF__GROUP_NORM] = {.name = "group_norm",
        .is_flat = first_is_flat,
        .arrays = {"norm.weight", "norm.bias"},
        .write_attributes = group_norm_write},
    [NNCF__LAYER_NORM] = {.name = "layer_norm",
        .is_flat = always,
        .arrays = {"norm.weight", "norm.bias"},
        .write_attributes = layer_norm_write},
    [NNCF__EMBEDDING] = {.name = "embedding", .is_flat = always},
    [NNCF__MATMUL] = {.name = "matmul", .write_attributes = matmul_write},
    [NNCF__POOL2D] = {.name = "pool2d",
        .passes_channels = true,
        .is_flat = pool_is_flat,
        .passes_codes = pool_passes_codes,
        .write_attributes = pool_write},
    [NNCF__OPERATOR] = {.name = "other",
        .run_by_host = true,
        .quantizes_input = true,
        .write_attributes = operator_write},
};

static_assert(sizeof infos / sizeof *infos == NNCF__KIND_COUNT, "a row for each kind of layer");

const nncf__kind_info *nncf__kind_info_of(int32_t kind)
{
    return &infos[kind];
}
