/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Magnitude sparsity: mask the floor(level * n) least important weights of all sparsified layers
 * together, or (local levels) of each layer. Exactly that many: NNCF keeps what is above
 * sorted[int(level * n)], which masks at least one more, and all ties (D9). Of weights that equal
 * the threshold those that come first are masked, by layer and then by index.
 *
 * The threshold is found by radix selection: importances are floats >= 0, whose bits order as their
 * values do. A histogram of the upper bits says in which of its bins the threshold lies, one of the
 * lower bits of that bin's weights which value it is. Nothing is sorted, joined or stored but the
 * histograms: each pass reads the weights once, and so does the one that writes the masks. Counts
 * are integers, so that the workers' own histograms can be added in any order. NaN counts as larger
 * than infinity: it is kept as long as anything is, so that it is seen.
 *
 * Structures (structure.h) change the importance of a weight alone. In a block all weights have
 * that of the block: the root of the mean of their squares, over the layer's norm; of blocks that
 * equal the threshold those that come first are masked as long as they fit, so that up to a block
 * fewer weights are masked. With N:M the N largest of a group are above every threshold; at the
 * level 1 - N / M all others are masked, whatever a weight's rest has.
 */
#include "sparsity/magnitude.h"

#include "base/pool.h"
#include "config/canonical.h"
#include "context/context.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "sparsity/structure.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <math.h>
#include <string.h>

enum {
    /* the second pass's bins are values; the first's are 1 / 128 of an octave */
    LOW_BITS = 16,
    HIGH_BINS = 1 << (31 - LOW_BITS),
    LOW_BINS = 1 << LOW_BITS,
    MOST_BINS = LOW_BINS,
    /* weights of a chunk */
    CHUNK = 65536,
    /* weights whose importance is computed at once; divides CHUNK */
    BLOCK = 512
};

/* One layer's weights and what divides them. */
typedef struct source {
    const float *weight;
    size_t count;
    float norm;
    /* N:M, of this layer; else NULL */
    const nncf__structure *structure;
    const nncf_layer *layer;
    /* of blocks, and their importances; else NULL */
    nncf__blocks blocks;
    const float *of_blocks;
} source;

/* What the chunks of a pass need. */
typedef struct pass_job {
    nncf_context *context;
    source from;
    /* the second pass */
    bool low;
    /* then: the bin of the first one that it looks into */
    uint32_t high;
    /* for masks */
    uint32_t threshold;
    /* the layer's mask */
    uint8_t *bits;
    /* how many weights of each chunk equal the threshold; later: how many of them to mask */
    uint64_t *ties;
} pass_job;

static size_t chunks_of(const source *s)
{
    return (s->count + CHUNK - 1) / CHUNK;
}

static size_t chunk_end(const source *s, size_t chunk)
{
    size_t left = s->count - chunk * CHUNK;
    return chunk * CHUNK + (left < CHUNK ? left : CHUNK);
}

static uint32_t bits_of(float importance)
{
    uint32_t bits;
    memcpy(&bits, &importance, sizeof bits);
    return bits & 0x7fffffffu;
}

/* Bits of |weight| / norm of weights [begin, begin + n), n <= BLOCK. */
static void own_importances(const source *s, size_t begin, size_t n, uint32_t out[BLOCK])
{
    const float *w = s->weight + begin;
    float magnitude[BLOCK];
    if (s->norm == 1.0f) { /* dividing would change nothing */
        memcpy(out, w, n * sizeof *out);
        for (size_t i = 0; i < n; i++)
            out[i] &= 0x7fffffffu;
        return;
    }
    for (size_t i = 0; i < n; i++)
        magnitude[i] = fabsf(w[i]) / s->norm;
    memcpy(out, magnitude, n * sizeof *out);
}

/* The same, as the structure has it. */
static void importances(const source *s, size_t begin, size_t n, uint32_t out[BLOCK])
{
    if (s->of_blocks) {
        nncf__blocks_numbers(&s->blocks, begin, n, out);
        for (size_t i = 0; i < n; i++)
            out[i] = bits_of(s->of_blocks[out[i]]);
        return;
    }
    own_importances(s, begin, n, out);
    if (s->structure)
        nncf__structure_keep_largest(s->structure, s->layer, begin, n, out);
}

/* Does one of them lie in the bin? */
static bool any_in_bin(const uint32_t *importance, size_t n, uint32_t high)
{
    uint32_t found = 0;
    for (size_t i = 0; i < n; i++)
        found |= importance[i] >> LOW_BITS == high ? 1u : 0u;
    return found != 0;
}

static void histogram_chunk(void *arg, size_t chunk, size_t worker)
{
    const pass_job *job = arg;
    uint64_t *bins = nncf__scratch(job->context, worker);
    uint32_t importance[BLOCK];
    enum { STEP = 64 }; /* a bin holds few of all weights: most groups of this size have none */
    for (size_t i = chunk * CHUNK, end = chunk_end(&job->from, chunk); i < end; i += BLOCK) {
        size_t n = end - i < BLOCK ? end - i : BLOCK;
        importances(&job->from, i, n, importance);
        for (size_t j = 0; !job->low && j < n; j++)
            bins[importance[j] >> LOW_BITS]++;
        for (size_t j = 0; job->low && j < n; j += STEP) {
            size_t m = n - j < STEP ? n - j : STEP;
            if (!any_in_bin(importance + j, m, job->high))
                continue;
            for (size_t k = j; k < j + m; k++)
                if (importance[k] >> LOW_BITS == job->high)
                    bins[importance[k] & (LOW_BINS - 1)]++;
        }
    }
}

typedef struct norm_job {
    const float *weight;
    size_t count;
    /* one a chunk */
    double *sums;
} norm_job;

static void squares_chunk(void *arg, size_t chunk, size_t worker)
{
    const norm_job *job = arg;
    const source s = {.weight = job->weight, .count = job->count};
    const float *w = job->weight + chunk * CHUNK;
    size_t n = chunk_end(&s, chunk) - chunk * CHUNK;
    double lanes[8] = {0}, sum = 0;
    size_t i = 0;
    (void)worker;
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++)
            lanes[j] += (double)w[i + j] * (double)w[i + j];
    for (; i < n; i++)
        lanes[i % 8] += (double)w[i] * (double)w[i];
    for (int j = 0; j < 8; j++)
        sum += lanes[j];
    job->sums[chunk] = sum;
}

static bool has_mask(const nncf__masked_layers *l, size_t i)
{
    return l->masks[i].mask_kind == NNCF__MASK_BITS;
}

/* Without importances of blocks. */
static source weights_of(const nncf__masked_layers *l, size_t i)
{
    source s = {.weight = l->layers[i]->weight,
        .count = l->layers[i]->weight_count,
        .norm = l->masks[i].norm,
        .layer = l->layers[i]};
    if (l->structure.kind == NNCF__N_OF_M)
        s.structure = &l->structure;
    return s;
}

/* Chunks of all layers with a mask. */
static size_t chunk_count(const nncf__masked_layers *l)
{
    size_t chunks = 0;
    for (size_t i = 0; i < l->count; i++) {
        source s = weights_of(l, i);
        chunks += has_mask(l, i) ? chunks_of(&s) : 0;
    }
    return chunks;
}

/* In the first worker's scratch, after its histogram: a number for each chunk. */
static void *chunk_numbers(const nncf__masked_layers *l)
{
    return (char *)nncf__scratch(l->context, 0) + MOST_BINS * sizeof(uint64_t);
}

/* Blocks of all layers before layer `end` that have a mask. */
static size_t block_count(const nncf__masked_layers *l, size_t end)
{
    size_t count = 0;
    for (size_t i = 0; l->structure.kind == NNCF__BLOCKS && i < end; i++) {
        if (!has_mask(l, i))
            continue;
        const nncf__blocks b = nncf__blocks_of(l->layers[i], (size_t)l->structure.block_size);
        count += nncf__blocks_count(&b);
    }
    return count;
}

/* After those: the importances of a layer's blocks. */
static float *block_importances(const nncf__masked_layers *l, size_t i)
{
    const uint64_t *end = (const uint64_t *)chunk_numbers(l) + chunk_count(l);
    return (float *)(uintptr_t)end + block_count(l, i);
}

nncf_status nncf__magnitude_reserve(const nncf__masked_layers *l)
{
    return nncf__scratch_reserve(l->context,
        (MOST_BINS + chunk_count(l)) * sizeof(uint64_t) + block_count(l, l->count) * sizeof(float));
}

static source source_of(const nncf__masked_layers *l, size_t i)
{
    source s = weights_of(l, i);
    if (l->structure.kind == NNCF__BLOCKS) {
        s.blocks = nncf__blocks_of(l->layers[i], (size_t)l->structure.block_size);
        s.of_blocks = block_importances(l, i);
    }
    return s;
}

typedef struct block_job {
    const source *from;
    float *to;
} block_job;

/* Of the blocks of some output channels. Their weights are read in the order of the blocks: what
 * lies between is in a cache until then. */
static void importance_of_blocks(void *arg, size_t row, size_t worker)
{
    const block_job *job = arg;
    const nncf__blocks *b = &job->from->blocks;
    const size_t n = b->along_in * b->grid.taps;
    (void)worker;
    for (size_t block = row * n; block < (row + 1) * n; block++) {
        const nncf__block_range r = nncf__blocks_range(b, block);
        double sum = 0;
        for (size_t out = r.out0; out < r.out1; out++)
            for (size_t in = r.in0; in < r.in1; in++) {
                const double w =
                    (double)job->from->weight[nncf__weight_grid_at(&b->grid, out, in, r.tap)];
                sum += w * w;
            }
        const double count = (double)((r.out1 - r.out0) * (r.in1 - r.in0));
        job->to[block] = (float)sqrt(sum / count) / job->from->norm;
    }
}

static void set_block_importances(const nncf__masked_layers *l)
{
    for (size_t i = 0; l->structure.kind == NNCF__BLOCKS && i < l->count; i++) {
        if (!has_mask(l, i))
            continue;
        const source s = source_of(l, i);
        block_job job = {&s, block_importances(l, i)};
        nncf__parallel(l->context, s.blocks.along_out, importance_of_blocks, &job);
    }
}

/* ||W||_2 of every layer, or 1 where importance is the magnitude itself. Sums of chunks are added
 * in order. */
static void set_norms(const nncf__masked_layers *l, int32_t importance)
{
    for (size_t i = 0; i < l->count; i++) {
        double sum = 0;
        l->masks[i].norm = 1;
        if (!has_mask(l, i) || importance != NNCF__NORMED_ABS)
            continue;
        source s = weights_of(l, i);
        norm_job job = {s.weight, s.count, chunk_numbers(l)};
        nncf__parallel(l->context, chunks_of(&s), squares_chunk, &job);
        for (size_t j = 0; j < chunks_of(&s); j++)
            sum += job.sums[j];
        float norm = (float)sqrt(sum);
        l->masks[i].norm = norm > 0 && isfinite(norm) ? norm : 1;
    }
}

/* Layers over which one level holds: all of them, or one. */
typedef struct group {
    size_t begin, end;
} group;

/* The bin that holds place *rank of the group's importances in ascending order; *rank becomes its
 * place in that bin. */
static uint32_t select_bin(
    const nncf__masked_layers *l, const group *g, pass_job *job, uint64_t *rank)
{
    const size_t workers = (size_t)l->context->params.n_threads,
                 n_bins = job->low ? LOW_BINS : HIGH_BINS;
    uint64_t *bins = nncf__scratch(l->context, 0);
    uint32_t bin = 0;
    for (size_t w = 0; w < workers; w++)
        memset(nncf__scratch(l->context, w), 0, n_bins * sizeof *bins);
    for (size_t i = g->begin; i < g->end; i++) {
        if (!has_mask(l, i))
            continue;
        job->from = source_of(l, i);
        nncf__parallel(l->context, chunks_of(&job->from), histogram_chunk, job);
    }
    for (size_t w = 1; w < workers; w++) {
        const uint64_t *own = nncf__scratch(l->context, w);
        for (size_t b = 0; b < n_bins; b++)
            bins[b] += own[b];
    }
    while (*rank >= bins[bin])
        *rank -= bins[bin++];
    return bin;
}

/* Bits of the importance at place `rank` (from 0) in ascending order; *below: how many are less. */
static uint32_t select_rank(
    const nncf__masked_layers *l, const group *g, uint64_t rank, uint64_t *below)
{
    uint64_t left = rank;
    pass_job job = {.context = l->context};
    job.high = select_bin(l, g, &job, &left);
    job.low = true;
    uint32_t low = select_bin(l, g, &job, &left);
    *below = rank - left;
    return job.high << LOW_BITS | low;
}

/* Eight bytes of 0 or 1 to eight bits, the first one lowest. */
static uint8_t gather_bits(const uint8_t flags[8])
{
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++)
        word |= (uint64_t)flags[i] << (8 * i);
    return (uint8_t)(word * UINT64_C(0x0102040810204080) >> 56);
}

/* Set the bits of all that is not less than the threshold; count what equals it. */
static void mask_chunk(void *arg, size_t chunk, size_t worker)
{
    const pass_job *job = arg;
    uint32_t importance[BLOCK];
    uint64_t ties = 0;
    (void)worker;
    for (size_t i = chunk * CHUNK, end = chunk_end(&job->from, chunk); i < end; i += BLOCK) {
        size_t n = end - i < BLOCK ? end - i : BLOCK;
        uint8_t keep[BLOCK] = {0};
        uint32_t equal = 0;
        importances(&job->from, i, n, importance);
        for (size_t j = 0; j < n; j++)
            keep[j] = importance[j] >= job->threshold;
        for (size_t j = 0; j < n; j++)
            equal += importance[j] == job->threshold;
        for (size_t j = 0; j < n; j += 8)
            job->bits[(i + j) / 8] = gather_bits(keep + j);
        ties += equal;
    }
    job->ties[chunk] = ties;
}

/* Clear the bits of the first ties[chunk] of a chunk's weights that equal the threshold. */
static void ties_chunk(void *arg, size_t chunk, size_t worker)
{
    const pass_job *job = arg;
    uint32_t importance[BLOCK];
    uint64_t left = job->ties[chunk];
    (void)worker;
    for (size_t i = chunk * CHUNK, end = chunk_end(&job->from, chunk); left > 0 && i < end;
         i += BLOCK) {
        size_t n = end - i < BLOCK ? end - i : BLOCK;
        importances(&job->from, i, n, importance);
        for (size_t j = 0; left > 0 && j < n; j++)
            if (importance[j] == job->threshold) {
                job->bits[(i + j) / 8] &= (uint8_t) ~(1u << (i + j) % 8);
                left--;
            }
    }
}

/* Mask the first blocks of a layer that equal the threshold, as long as they fit into *ties; 0
 * after one that did not. */
static void mask_equal_blocks(const source *s, uint32_t threshold, uint8_t *bits, uint64_t *ties)
{
    const nncf__weight_grid *g = &s->blocks.grid;
    for (size_t block = 0; *ties > 0 && block < nncf__blocks_count(&s->blocks); block++) {
        if (bits_of(s->of_blocks[block]) != threshold)
            continue;
        const nncf__block_range r = nncf__blocks_range(&s->blocks, block);
        const uint64_t size = (r.out1 - r.out0) * (r.in1 - r.in0);
        if (size > *ties) {
            *ties = 0;
            return;
        }
        *ties -= size;
        for (size_t out = r.out0; out < r.out1; out++)
            for (size_t in = r.in0; in < r.in1; in++) {
                const size_t i = nncf__weight_grid_at(g, out, in, r.tap);
                bits[i / 8] &= (uint8_t) ~(1u << i % 8);
            }
    }
}

/* Mask all of a layer that is less than the threshold, and as many that equal it as *ties still
 * allows. */
static void mask_layer(const nncf__masked_layers *l, size_t i, uint32_t threshold, uint64_t *ties)
{
    pass_job job = {.context = l->context,
        .from = source_of(l, i),
        .threshold = threshold,
        .bits = l->masks[i].bits,
        .ties = chunk_numbers(l)};
    size_t n_chunks = chunks_of(&job.from), touched = 0;
    nncf__parallel(l->context, n_chunks, mask_chunk, &job);
    if (job.from.of_blocks) {
        mask_equal_blocks(&job.from, threshold, job.bits, ties);
        return;
    }
    for (size_t c = 0; c < n_chunks; c++) {
        job.ties[c] = job.ties[c] < *ties ? job.ties[c] : *ties;
        *ties -= job.ties[c];
        touched = job.ties[c] > 0 ? c + 1 : touched;
    }
    nncf__parallel(l->context, touched, ties_chunk, &job);
}

/* How many weights of a group are masked. */
static uint64_t zeros_of(const nncf__masked_layers *l, const group *g, double level)
{
    const nncf__structure *s = &l->structure;
    uint64_t total = 0, most = 0;
    for (size_t i = g->begin; i < g->end; i++) {
        total += has_mask(l, i) ? l->layers[i]->weight_count : 0;
        most += has_mask(l, i) ? nncf__structure_most(s, l->layers[i]) : 0;
    }
    const uint64_t zeros = (uint64_t)floor(level * (double)total);
    if (s->kind == NNCF__N_OF_M && level >= 1 - (double)s->n / (double)s->m - NNCF__LEVEL_SLACK)
        return most;
    return zeros < most ? zeros : most;
}

/* Mask the floor(level * n) least important weights of a group; returns its threshold. */
static double mask_group(const nncf__masked_layers *l, const group *g, double level)
{
    uint64_t below = 0, ties = 0;
    uint32_t threshold = 0;
    const uint64_t zeros = zeros_of(l, g, level);
    if (zeros > 0) {
        threshold = select_rank(l, g, zeros - 1, &below);
        ties = zeros - below;
    }
    for (size_t i = g->begin; i < g->end; i++)
        if (has_mask(l, i))
            mask_layer(l, i, threshold, &ties);
    float value;
    memcpy(&value, &threshold, sizeof value);
    return (double)value;
}

double nncf__magnitude_mask(
    const nncf__masked_layers *l, double level, int32_t importance, int32_t level_mode)
{
    double largest = 0;
    set_norms(l, importance);
    set_block_importances(l);
    if (level_mode == NNCF__LEVEL_GLOBAL)
        largest = mask_group(l, &(group){0, l->count}, level);
    for (size_t i = 0; level_mode != NNCF__LEVEL_GLOBAL && i < l->count; i++)
        if (has_mask(l, i))
            largest = fmax(largest, mask_group(l, &(group){i, i + 1}, level));
    for (size_t i = 0; i < l->count; i++)
        nncf__structure_find_blocks(l->layers[i], &l->masks[i]);
    return largest;
}

void nncf__const_mask(const nncf__masked_layers *l, size_t i)
{
    const nncf_layer *layer = l->layers[i];
    uint8_t *bits = l->masks[i].bits;
    if (l->masks[i].mask_kind != NNCF__MASK_BITS)
        return;
    memset(bits, 0, (layer->weight_count + 7) / 8);
    for (size_t j = 0; j < layer->weight_count; j++)
        bits[j / 8] |= (uint8_t)((layer->weight[j] != 0 ? 1u : 0u) << (j % 8));
}
