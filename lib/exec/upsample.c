/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upsampling of planes by whole factors. An output pixel is at (o + 1/2) / factor - 1/2 of the
 * input, at least 0, or, with aligned corners, at o (in - 1) / (out - 1); as PyTorch has it. Keeps
 * nothing but what an output quantizer reads.
 */
#include "exec/upsample.h"

#include "base/error.h"
#include "base/pool.h"
#include "exec/call.h"
#include "exec/chunks.h"
#include "exec/keep.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/layers.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct upsample_job {
    const nncf__call *call;
    const nncf__kernels *k;
    nncf_context *context;
    const nncf_layer *layer;
    size_t planes;
    int64_t h, w, out_h, out_w;
    float *z;
} upsample_job;

/* Two neighbours, and how much of the second: the output is (1 - part) x[at] + part x[next]. */
typedef struct place {
    int64_t at, next;
    float part;
} place;

void nncf__upsample_prepare(const nncf_layer *layer, nncf__block *b)
{
    (void)layer;
    b->forward.scratch = nncf__code_floats(b, 0, b->in_planes.hw);
    nncf__keep_prepare(b);
}

static place place_of(const nncf_layer *layer, int axis, int64_t o, int64_t in, int64_t out)
{
    const int64_t factor = layer->stride[axis];
    double x = layer->upsample_kind == NNCF_UPSAMPLE_BILINEAR_ALIGNED
        ? (out > 1 ? (double)o * (double)(in - 1) / (double)(out - 1) : 0)
        : ((double)o + 0.5) / (double)factor - 0.5;
    x = x < 0 ? 0 : x;
    place p = {.at = (int64_t)x};
    p.next = p.at + (p.at < in - 1);
    p.part = (float)(x - (double)p.at);
    return p;
}

/* ---- nearest: each pixel becomes a rectangle ---- */

static void spread_plane(const upsample_job *job, const float *x, float *y)
{
    const int64_t across = job->layer->stride[1];
    for (int64_t i = 0; i < job->out_h; i++, y += job->out_w) {
        if (i % job->layer->stride[0] > 0) {
            memcpy(y, y - job->out_w, (size_t)job->out_w * sizeof *y);
            continue;
        }
        for (int64_t j = 0; j < job->w && across == 2; j++)
            y[2 * j] = y[2 * j + 1] = x[j];
        for (int64_t j = 0; j < job->w && across != 2; j++)
            for (int64_t k = 0; k < across; k++)
                y[j * across + k] = x[j];
        x += job->w;
    }
}

/* The sums of rectangles, row by row. */
static void gather_plane(const upsample_job *job, const float *dy, float *dx)
{
    const int64_t across = job->layer->stride[1];
    memset(dx, 0, (size_t)(job->h * job->w) * sizeof *dx);
    for (int64_t i = 0; i < job->out_h; i++, dy += job->out_w) {
        float *to = dx + i / job->layer->stride[0] * job->w;
        for (int64_t j = 0; j < job->w && across == 2; j++)
            to[j] = (to[j] + dy[2 * j]) + dy[2 * j + 1];
        for (int64_t j = 0; j < job->w && across != 2; j++)
            for (int64_t k = 0; k < across; k++)
                to[j] += dy[j * across + k];
    }
}

/* ---- bilinear ---- */

/* Columns whose places are worked out at a time, for all rows. */
enum { COLUMNS = 64 };

static int64_t places_of(const upsample_job *job, int64_t first, place places[COLUMNS])
{
    const int64_t left = job->out_w - first, n = left < COLUMNS ? left : COLUMNS;
    for (int64_t j = 0; j < n; j++)
        places[j] = place_of(job->layer, 1, first + j, job->w, job->out_w);
    return n;
}

static void forward_plane(const upsample_job *job, const float *x, float *y)
{
    place places[COLUMNS];
    for (int64_t first = 0; first < job->out_w; first += COLUMNS) {
        const int64_t n = places_of(job, first, places);
        for (int64_t i = 0; i < job->out_h; i++) {
            const place r = place_of(job->layer, 0, i, job->h, job->out_h);
            const float *up = x + r.at * job->w, *down = x + r.next * job->w;
            float *to = y + i * job->out_w + first;
            for (int64_t j = 0; j < n; j++) {
                const place c = places[j];
                const float a = (1 - c.part) * up[c.at] + c.part * up[c.next];
                const float b = (1 - c.part) * down[c.at] + c.part * down[c.next];
                to[j] = (1 - r.part) * a + r.part * b;
            }
        }
    }
}

static void backward_plane(const upsample_job *job, const float *dy, float *dx)
{
    place places[COLUMNS];
    memset(dx, 0, (size_t)(job->h * job->w) * sizeof *dx);
    for (int64_t first = 0; first < job->out_w; first += COLUMNS) {
        const int64_t n = places_of(job, first, places);
        for (int64_t i = 0; i < job->out_h; i++) {
            const place r = place_of(job->layer, 0, i, job->h, job->out_h);
            const float *from = dy + i * job->out_w + first;
            float *up = dx + r.at * job->w, *down = dx + r.next * job->w;
            for (int64_t j = 0; j < n; j++) {
                const place c = places[j];
                const float a = (1 - r.part) * from[j], b = r.part * from[j];
                up[c.at] += (1 - c.part) * a;
                up[c.next] += c.part * a;
                down[c.at] += (1 - c.part) * b;
                down[c.next] += c.part * b;
            }
        }
    }
}

static void chunk_of(void *arg, size_t chunk, size_t worker)
{
    const upsample_job *job = arg;
    const size_t in = (size_t)(job->h * job->w), out = (size_t)(job->out_h * job->out_w);
    const size_t group = nncf__chunk_rows(out);
    const bool nearest = job->layer->upsample_kind == NNCF_UPSAMPLE_NEAREST;
    float *scratch = nncf__scratch(job->context, worker);
    for (size_t p = chunk * group; p < (chunk + 1) * group && p < job->planes; p++) {
        if (job->z)
            (nearest ? spread_plane : forward_plane)(job,
                nncf__floats_of(job->k, &job->call->x[0], p * in, in, scratch), job->z + p * out);
        else
            (nearest ? gather_plane : backward_plane)(
                job, job->call->dy + p * out, job->call->dx[0] + p * in);
    }
}

static void run(const nncf__call *call, float *z)
{
    nncf_context *context = call->layer->model->context;
    const int64_t *in = call->block->key.in, *out = call->block->out;
    upsample_job job = {.call = call,
        .k = nncf__kernels_of(context),
        .context = context,
        .layer = call->layer,
        .planes = (size_t)(in[0] * in[1]),
        .h = in[2],
        .w = in[3],
        .out_h = out[2],
        .out_w = out[3],
        .z = z};
    nncf__parallel(
        context, nncf__chunk_count(job.planes, call->block->out_planes.hw), chunk_of, &job);
}

void nncf__upsample_forward(const nncf__call *call)
{
    float *z = nncf__keep_z(call);
    run(call, z);
    nncf__keep_forward(call, z);
}

void nncf__upsample_backward(const nncf__call *call)
{
    nncf__keep_backward(call);
    if (call->dx[0])
        run(call, NULL);
}
