/* SPDX-License-Identifier: Apache-2.0 */
/* Structured sparsity: the geometry of blocks and groups, and what is left of them. */
#include "sparsity/structure.h"

#include "base/error.h"
#include "config/canonical.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"

#include <nncf/base.h>
#include <nncf/ctrl.h>

#include <string.h>

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* (out, in / groups, taps), or (in, out / groups, taps); a weight of more dimensions with its
 * channels in the middle is (all before, out, all after). */
nncf__weight_grid nncf__weight_grid_of(const nncf_layer *layer)
{
    const int32_t axis = layer->weight_axis;
    const size_t groups = layer->groups > 1 ? (size_t)layer->groups : 1;
    size_t before = 1, after = 1;
    for (int32_t i = 0; i < layer->weight_ndim; i++) {
        before *= i < axis ? (size_t)layer->weight_shape[i] : 1;
        after *= i > axis ? (size_t)layer->weight_shape[i] : 1;
    }
    nncf__weight_axis out = {.size = (size_t)layer->weight_shape[axis]}, in = {.size = before};
    nncf__weight_grid g = {.out_is_outer = axis == 0, .taps = after};
    if (g.out_is_outer) {
        in.size = layer->weight_ndim > 1 ? (size_t)layer->weight_shape[1] : 1;
        g.taps = after / in.size;
        in.stride = g.taps;
        out.stride = after;
        out.period = ceil_div(out.size, groups);
        in.period = in.size;
    } else {
        out.stride = after;
        in.stride = out.size * after;
        out.period = out.size;
        in.period = ceil_div(in.size, groups);
    }
    g.out = out;
    g.in = in;
    return g;
}

/* ---- blocks ---- */

/* Of an axis. */
static size_t blocks_along(const nncf__weight_axis *axis, size_t size)
{
    return axis->size / axis->period * ceil_div(axis->period, size) +
        ceil_div(axis->size % axis->period, size);
}

static size_t block_along(const nncf__weight_axis *axis, size_t size, size_t channel)
{
    return channel / axis->period * ceil_div(axis->period, size) + channel % axis->period / size;
}

/* Channels [*first, *end) of a block. */
static void channels_of(
    const nncf__weight_axis *axis, size_t size, size_t block, size_t *first, size_t *end)
{
    const size_t a_period = ceil_div(axis->period, size), begin = block / a_period * axis->period;
    *first = begin + block % a_period * size;
    *end = min_size(min_size(*first + size, begin + axis->period), axis->size);
}

nncf__blocks nncf__blocks_of(const nncf_layer *layer, size_t size)
{
    nncf__blocks b = {.grid = nncf__weight_grid_of(layer), .size = size};
    b.along_out = blocks_along(&b.grid.out, size);
    b.along_in = blocks_along(&b.grid.in, size);
    return b;
}

nncf__block_range nncf__blocks_range(const nncf__blocks *b, size_t block)
{
    const size_t pair = block / b->grid.taps;
    nncf__block_range r = {.tap = block % b->grid.taps};
    channels_of(&b->grid.out, b->size, pair / b->along_in, &r.out0, &r.out1);
    channels_of(&b->grid.in, b->size, pair % b->along_in, &r.in0, &r.in1);
    return r;
}

/* A weight's place, moved on one by one. */
typedef struct position {
    const nncf__weight_grid *grid;
    size_t out, in, tap;
} position;

static position position_of(const nncf__weight_grid *g, size_t index)
{
    const size_t pair = index / g->taps, inner = g->out_is_outer ? g->in.size : g->out.size;
    position w = {.grid = g, .tap = index % g->taps};
    w.out = g->out_is_outer ? pair / inner : pair % inner;
    w.in = g->out_is_outer ? pair % inner : pair / inner;
    return w;
}

/* True: the channels are others now. */
static bool next_position(position *w)
{
    const nncf__weight_grid *g = w->grid;
    size_t *inner = g->out_is_outer ? &w->in : &w->out, *outer = g->out_is_outer ? &w->out : &w->in;
    if (++w->tap < g->taps)
        return false;
    w->tap = 0;
    if (++*inner == (g->out_is_outer ? g->in.size : g->out.size)) {
        *inner = 0;
        ++*outer;
    }
    return true;
}

void nncf__blocks_numbers(const nncf__blocks *b, size_t begin, size_t n, uint32_t *numbers)
{
    position w = position_of(&b->grid, begin);
    size_t first = 0;
    bool moved = true;
    for (size_t i = 0; i < n; i++) {
        if (moved)
            first = (block_along(&b->grid.out, b->size, w.out) * b->along_in +
                        block_along(&b->grid.in, b->size, w.in)) *
                b->grid.taps;
        numbers[i] = (uint32_t)(first + w.tap);
        moved = next_position(&w);
    }
}

void nncf__structure_find_blocks(const nncf_layer *layer, nncf__layer_compression *c)
{
    enum { AT_ONCE = 512 };
    uint32_t numbers[AT_ONCE];
    if (!c->blocks)
        return;
    const nncf__blocks b = nncf__blocks_of(layer, (size_t)c->block_size);
    memset(c->blocks, 0, nncf__blocks_count(&b));
    for (size_t i = 0; i < layer->weight_count; i += AT_ONCE) {
        const size_t n = min_size(AT_ONCE, layer->weight_count - i);
        nncf__blocks_numbers(&b, i, n, numbers);
        for (size_t j = 0; j < n; j++)
            c->blocks[numbers[j]] |= (uint8_t)(c->bits[(i + j) / 8] >> (i + j) % 8 & 1);
    }
}

/* ---- N:M ---- */

/* Group of input channels that channel `in` is in: [*first, *end). */
static void group_of(const nncf__weight_axis *axis, size_t m, size_t in, size_t *first, size_t *end)
{
    const size_t begin = in / axis->period * axis->period, period_end = begin + axis->period;
    *first = begin + (in - begin) / m * m;
    *end = min_size(min_size(*first + m, period_end), axis->size);
}

uint64_t nncf__structure_most(const nncf__structure *structure, const nncf_layer *layer)
{
    if (structure->kind != NNCF__N_OF_M)
        return layer->weight_count;
    const nncf__weight_grid g = nncf__weight_grid_of(layer);
    const size_t n = (size_t)structure->n, m = (size_t)structure->m;
    uint64_t most = 0;
    for (size_t first = 0, end; first < g.in.size; first = end) {
        group_of(&g.in, m, first, &first, &end);
        most += end - first > n ? end - first - n : 0;
    }
    return most * g.out.size * g.taps;
}

static uint32_t magnitude_bits(const float *w)
{
    uint32_t bits;
    memcpy(&bits, w, sizeof bits);
    return bits & 0x7fffffffu;
}

void nncf__structure_keep_largest(const nncf__structure *structure, const nncf_layer *layer,
    size_t begin, size_t n, uint32_t *importance)
{
    const uint32_t infinity = 0x7f800000u;
    const nncf__weight_grid g = nncf__weight_grid_of(layer);
    position w = position_of(&g, begin);
    for (size_t i = 0; i < n; i++, next_position(&w)) {
        const size_t at = begin + i;
        const uint32_t own = magnitude_bits(layer->weight + at);
        int32_t larger = 0;
        size_t first, end;
        group_of(&g.in, (size_t)structure->m, w.in, &first, &end);
        for (size_t j = first; j < end; j++) {
            const uint32_t other =
                magnitude_bits(layer->weight + nncf__weight_grid_at(&g, w.out, j, w.tap));
            larger += other > own || (other == own && j > w.in);
        }
        if (larger < structure->n)
            importance[i] = NNCF__NEVER_MASKED;
        else if (importance[i] > infinity) /* NaN, of whatever bits */
            importance[i] = infinity + 1;
    }
}

static bool keeps(const nncf_layer *layer, const nncf__layer_compression *c, size_t i)
{
    return (c->bits[i / 8] >> i % 8 & 1) && layer->weight[i] != 0;
}

size_t nncf__structure_trim(
    const nncf__structure *structure, const nncf_layer *layer, nncf__layer_compression *c)
{
    const nncf__weight_grid g = nncf__weight_grid_of(layer);
    size_t masked = 0;
    if (structure->kind != NNCF__N_OF_M || !c->bits)
        return 0;
    for (size_t out = 0; out < g.out.size; out++)
        for (size_t tap = 0; tap < g.taps; tap++)
            for (size_t first = 0, end; first < g.in.size; first = end) {
                int32_t kept = 0;
                group_of(&g.in, (size_t)structure->m, first, &first, &end);
                for (size_t in = first; in < end; in++)
                    kept += keeps(layer, c, nncf__weight_grid_at(&g, out, in, tap));
                for (; kept > structure->n; kept--, masked++) {
                    size_t least = SIZE_MAX;
                    for (size_t in = first; in < end; in++) {
                        const size_t i = nncf__weight_grid_at(&g, out, in, tap);
                        if (keeps(layer, c, i) &&
                            (least == SIZE_MAX ||
                                magnitude_bits(layer->weight + i) <
                                    magnitude_bits(layer->weight + least)))
                            least = i;
                    }
                    c->bits[least / 8] &= (uint8_t) ~(1u << least % 8);
                }
            }
    return masked;
}

nncf_status nncf__structure_check(const nncf__structure *structure, const nncf_layer *layer,
    const nncf__layer_compression *c, const char *call, nncf_error *err)
{
    if (structure->kind != NNCF__N_OF_M || !c->bits)
        return NNCF_OK;
    const nncf__weight_grid g = nncf__weight_grid_of(layer);
    for (size_t out = 0; out < g.out.size; out++)
        for (size_t tap = 0; tap < g.taps; tap++)
            for (size_t first = 0, end; first < g.in.size; first = end) {
                int32_t kept = 0;
                group_of(&g.in, (size_t)structure->m, first, &first, &end);
                for (size_t in = first; in < end; in++) {
                    const size_t i = nncf__weight_grid_at(&g, out, in, tap);
                    kept += keeps(layer, c, i);
                }
                if (kept > structure->n)
                    return nncf__fail(err, NNCF_E_STATE, layer->scope,
                        "%s: %s is for a weight that is %d:%d sparse, and this one keeps %d of "
                        "input channels %zu to %zu in output channel %zu: train on until the "
                        "schedule arrives at the level %g, or set that with "
                        "nncf_compression_ctrl_set_compression_rate()",
                        layer->scope, call, (int)structure->n, (int)structure->m, (int)kept, first,
                        end - 1, out, 1 - (double)structure->n / (double)structure->m);
            }
    return NNCF_OK;
}
