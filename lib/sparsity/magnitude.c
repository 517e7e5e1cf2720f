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
 */
#include "sparsity/magnitude.h"

#include "base/pool.h"
#include "config/canonical.h"
#include "context/context.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"

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

/* Bits of |weight| / norm of weights [begin, begin + n), n <= BLOCK. */
static void importances(const source *s, size_t begin, size_t n, uint32_t out[BLOCK])
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
    const source s = {job->weight, job->count, 1};
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

static source source_of(const nncf__masked_layers *l, size_t i)
{
    return (source){l->layers[i]->weight, l->layers[i]->weight_count, l->masks[i].norm};
}

static bool has_mask(const nncf__masked_layers *l, size_t i)
{
    return l->masks[i].mask_kind == NNCF__MASK_BITS;
}

/* Chunks of all layers with a mask. */
static size_t chunk_count(const nncf__masked_layers *l)
{
    size_t chunks = 0;
    for (size_t i = 0; i < l->count; i++) {
        source s = source_of(l, i);
        chunks += has_mask(l, i) ? chunks_of(&s) : 0;
    }
    return chunks;
}

/* In the first worker's scratch, after its histogram: a number for each chunk. */
static void *chunk_numbers(const nncf__masked_layers *l)
{
    return (char *)nncf__scratch(l->context, 0) + MOST_BINS * sizeof(uint64_t);
}

nncf_status nncf__magnitude_reserve(const nncf__masked_layers *l)
{
    return nncf__scratch_reserve(l->context, (MOST_BINS + chunk_count(l)) * sizeof(uint64_t));
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
        source s = source_of(l, i);
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
    for (size_t c = 0; c < n_chunks; c++) {
        job.ties[c] = job.ties[c] < *ties ? job.ties[c] : *ties;
        *ties -= job.ties[c];
        touched = job.ties[c] > 0 ? c + 1 : touched;
    }
    nncf__parallel(l->context, touched, ties_chunk, &job);
}

/* Mask the floor(level * n) least important weights of a group; returns its threshold. */
static double mask_group(const nncf__masked_layers *l, const group *g, double level)
{
    uint64_t total = 0, below = 0, ties = 0;
    uint32_t threshold = 0;
    for (size_t i = g->begin; i < g->end; i++)
        total += has_mask(l, i) ? l->layers[i]->weight_count : 0;
    const uint64_t zeros = (uint64_t)floor(level * (double)total);
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
    set_norms(l, importance);
    if (level_mode == NNCF__LEVEL_GLOBAL)
        return mask_group(l, &(group){0, l->count}, level);
    double largest = 0;
    for (size_t i = 0; i < l->count; i++)
        if (has_mask(l, i))
            largest = fmax(largest, mask_group(l, &(group){i, i + 1}, level));
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
