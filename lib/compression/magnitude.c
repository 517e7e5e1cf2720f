/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Magnitude sparsity: mask the floor(level * n) least important weights of all sparsified layers together, or (local
 * levels) of each layer. Exactly that many: NNCF keeps what is above sorted[int(level * n)], which masks at least one
 * more, and all ties (D9).
 *
 * The threshold is found by radix selection: importances are floats >= 0, whose bits order as their values do. Three
 * histograms, of the upper, middle and lower bits, close in on it; nothing is sorted or stored. Counts are integers, so
 * that the workers' own histograms can be added in any order.
 */
#include "compression/compression.h"

#include <math.h>
#include <string.h>

enum { BINS = 2048, PIECE = 65536, PASSES = 3 };
static const unsigned shifts[PASSES] = {21, 10, 0};
static const unsigned widths[PASSES] = {11, 11, 10};

/* One layer's weights and what divides them. */
typedef struct source {
    const float *weight;
    size_t count;
    float norm;
} source;

typedef struct histogram_job {
    nncf_context *context;
    source from;
    uint32_t prefix; /* of the bits above shift + width */
    unsigned shift, width;
} histogram_job;

static uint32_t importance_bits(const source *s, size_t i)
{
    float v = fabsf(s->weight[i]) / s->norm;
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static void histogram_chunk(void *arg, size_t chunk, size_t worker)
{
    const histogram_job *job = arg;
    uint64_t *bins = nncf__scratch(job->context, worker);
    const size_t begin = chunk * PIECE, left = job->from.count - begin, end = begin + (left < PIECE ? left : PIECE);
    const unsigned top = job->shift + job->width;
    const uint32_t mask = (1u << job->width) - 1;
    for (size_t i = begin; i < end; i++) {
        uint32_t bits = importance_bits(&job->from, i);
        if (top >= 32 || bits >> top == job->prefix)
            bins[(bits >> job->shift) & mask]++;
    }
}

static double squares_of(const float *w, size_t n)
{
    double lanes[8] = {0}, sum = 0;
    for (size_t i = 0; i < n; i++)
        lanes[i % 8] += (double)w[i] * (double)w[i];
    for (int i = 0; i < 8; i++)
        sum += lanes[i];
    return sum;
}

static source source_of(const struct nncf_compression_ctrl *ctrl, size_t i)
{
    return (source){ctrl->model->layers[i]->weight, ctrl->model->layers[i]->weight_count, ctrl->layers[i].norm};
}

/* ||W||_2 of every layer, or 1 where importance is the magnitude itself. */
static void set_norms(struct nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        double sum = 0;
        ctrl->layers[i].norm = 1;
        if (ctrl->layers[i].mask_kind != NNCF__MASK_BITS || ctrl->importance != NNCF__NORMED_ABS)
            continue;
        source s = source_of(ctrl, i);
        for (size_t j = 0; j < s.count; j += PIECE)
            sum += squares_of(s.weight + j, s.count - j < PIECE ? s.count - j : PIECE);
        float norm = (float)sqrt(sum);
        ctrl->layers[i].norm = norm > 0 && isfinite(norm) ? norm : 1;
    }
}

nncf_status nncf__magnitude_reserve(struct nncf_compression_ctrl *ctrl)
{
    return nncf__scratch_reserve(ctrl->context, BINS * sizeof(uint64_t));
}

/* Layers over which one level holds: all of them, or one. */
typedef struct group {
    size_t begin, end;
} group;

/* Sum of the workers' histograms over a group. */
static void histogram(const struct nncf_compression_ctrl *ctrl, const group *g, histogram_job *job, uint64_t bins[BINS])
{
    const size_t workers = (size_t)ctrl->context->params.n_threads;
    for (size_t w = 0; w < workers; w++)
        memset(nncf__scratch(ctrl->context, w), 0, BINS * sizeof *bins);
    for (size_t i = g->begin; i < g->end; i++) {
        if (ctrl->layers[i].mask_kind != NNCF__MASK_BITS)
            continue;
        job->from = source_of(ctrl, i);
        nncf__parallel(ctrl->context, (job->from.count + PIECE - 1) / PIECE, histogram_chunk, job);
    }
    memset(bins, 0, BINS * sizeof *bins);
    for (size_t w = 0; w < workers; w++) {
        const uint64_t *own = nncf__scratch(ctrl->context, w);
        for (size_t b = 0; b < BINS; b++)
            bins[b] += own[b];
    }
}

/* Bits of the importance that stands at place `rank` (from 0) in ascending order; *below: how many are less. */
static uint32_t select_rank(const struct nncf_compression_ctrl *ctrl, const group *g, uint64_t rank, uint64_t *below)
{
    uint64_t bins[BINS], left = rank;
    histogram_job job = {.context = ctrl->context};
    for (int pass = 0; pass < PASSES; pass++) {
        job.shift = shifts[pass];
        job.width = widths[pass];
        histogram(ctrl, g, &job, bins);
        uint32_t bin = 0;
        while (left >= bins[bin])
            left -= bins[bin++];
        job.prefix = job.prefix << widths[pass] | bin;
    }
    *below = rank - left;
    return job.prefix;
}

/* Clear the bits of all that is less than the threshold, and of the first `ties` that equal it. */
static void mask_layer(const source *s, uint8_t *bits, uint32_t threshold, uint64_t *ties)
{
    for (size_t i = 0; i < s->count; i += 8) {
        uint8_t byte = 0;
        for (size_t j = i; j < i + 8 && j < s->count; j++) {
            uint32_t v = importance_bits(s, j);
            bool keep = v > threshold;
            if (v == threshold) {
                keep = *ties == 0;
                *ties -= keep ? 0 : 1;
            }
            byte |= (uint8_t)((unsigned)keep << (j - i));
        }
        bits[i / 8] = byte;
    }
}

/* Mask the floor(level * n) least important weights of a group; returns its threshold. */
static double mask_group(struct nncf_compression_ctrl *ctrl, const group *g)
{
    uint64_t total = 0, below = 0, ties = 0;
    uint32_t threshold = 0;
    for (size_t i = g->begin; i < g->end; i++)
        total += ctrl->layers[i].mask_kind == NNCF__MASK_BITS ? ctrl->model->layers[i]->weight_count : 0;
    const uint64_t zeros = (uint64_t)floor(ctrl->schedule.level * (double)total);
    if (zeros > 0) {
        threshold = select_rank(ctrl, g, zeros - 1, &below);
        ties = zeros - below;
    }
    for (size_t i = g->begin; i < g->end; i++) {
        if (ctrl->layers[i].mask_kind != NNCF__MASK_BITS)
            continue;
        source s = source_of(ctrl, i);
        mask_layer(&s, ctrl->layers[i].bits, threshold, &ties);
    }
    float value;
    memcpy(&value, &threshold, sizeof value);
    return (double)value;
}

void nncf__magnitude_mask(struct nncf_compression_ctrl *ctrl)
{
    set_norms(ctrl);
    if (ctrl->level_mode == NNCF__LEVEL_GLOBAL) {
        ctrl->threshold = mask_group(ctrl, &(group){0, ctrl->n_layers});
        return;
    }
    ctrl->threshold = 0;
    for (size_t i = 0; i < ctrl->n_layers; i++)
        if (ctrl->layers[i].mask_kind == NNCF__MASK_BITS)
            ctrl->threshold = fmax(ctrl->threshold, mask_group(ctrl, &(group){i, i + 1}));
}

void nncf__const_mask(struct nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const nncf_layer *layer = ctrl->model->layers[i];
        if (ctrl->layers[i].mask_kind != NNCF__MASK_BITS)
            continue;
        memset(ctrl->layers[i].bits, 0, (layer->weight_count + 7) / 8);
        for (size_t j = 0; j < layer->weight_count; j++)
            ctrl->layers[i].bits[j / 8] |= (uint8_t)((layer->weight[j] != 0 ? 1u : 0u) << (j % 8));
    }
}
