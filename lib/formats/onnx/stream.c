/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From messages to the file, or to the caller's callback. protobuf-c packs into our buffer object,
 * which gathers small chunks, passes large ones on, and computes a weight's bytes block by block
 * if the "bytes" are a source (export.h). Packing cannot stop half-way: after a failure the rest is
 * discarded.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "formats/deploy/check.h"
#include "formats/onnx/export.h"
#include "formats/safetensors/file.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/model.h>
#include <nncf/onnx.h>

#include <errno.h>
#include <math.h>
#include <string.h>

/* Elements of a block: a multiple of 8, so that it begins at a byte of a bit mask. */
enum { BLOCK = 1024, BUFFER_BYTES = 16384 };

typedef struct stream {
    /* first: append() gets its address */
    ProtobufCBuffer base;
    const nncf__onnx_builder *builder;
    const Nncf__Onnx__ModelProto *model;
    /* NULL: the caller's callback takes it all */
    nncf__file_sink *sink;
    bool failed;
    /* of the write to a file that failed */
    int os_errno;
    size_t used;
    uint8_t buffer[BUFFER_BYTES];
} stream;

static void hand_on(stream *s, const void *data, size_t size)
{
    const nncf_onnx_params *p = &s->builder->params;
    if (s->failed)
        return;
    s->failed = s->sink ? !nncf__file_put(s->sink, data, size) : p->write(p->user, data, size) != 0;
    if (s->failed && s->sink)
        s->os_errno = errno;
}

static void flush(stream *s)
{
    if (s->used > 0)
        hand_on(s, s->buffer, s->used);
    s->used = 0;
}

static void put(stream *s, const void *data, size_t size)
{
    if (size > BUFFER_BYTES - s->used)
        flush(s);
    if (size <= BUFFER_BYTES) {
        memcpy(s->buffer + s->used, data, size);
        s->used += size;
    } else {
        hand_on(s, data, size);
    }
}

/* Elements begin..begin+n-1 lie in one output channel. */
static void finish(const nncf__onnx_source *s, size_t channel, size_t n, float *x, void *out)
{
    const nncf__layer_compression *c = s->layer->compression;
    const nncf__quantizer *q = c ? c->weight_quantizer : NULL;
    const float factor = s->factor ? s->factor[channel] : 1;
    if (q && q->binarizer) {
        const float scale = q->scales[q->channels > 1 ? channel : 0];
        nncf__kernels_of(s->layer->model->context)->binarize(n, x, 0, scale, -scale, x);
    } else if (q) {
        const nncf__fq *fq = &q->fq[q->channels > 1 ? channel : 0];
        (void)nncf__kernels_of(s->layer->model->context)->fq_forward(n, x, x, fq);
        if (s->codes) {
            const int zero = s->zero_point[s->channels > 1 ? channel : 0];
            const int sign = factor < 0 ? -1 : factor == 0 ? 0 : 1;
            uint8_t *codes = out;
            for (size_t i = 0; i < n; i++)
                codes[i] = (uint8_t)(sign * (int)lrintf(x[i] / fq->scale) + zero);
            return;
        }
    }
    float *values = out;
    for (size_t i = 0; i < n; i++)
        values[i] = x[i] * factor;
}

/* A kernel that the host turns by 180 degrees: its taps in reverse order. Element by element. */
static void make_turned(
    const nncf__onnx_source *source, size_t begin, size_t n, size_t run, uint8_t *to, size_t size)
{
    const nncf_layer *layer = source->layer;
    size_t taps = 1;
    for (int32_t d = 2; d < layer->weight_ndim; d++)
        taps *= (size_t)layer->weight_shape[d];
    for (size_t i = 0; i < n; i++) {
        const size_t at = begin + i, tap = at % taps, from = at - tap + (taps - 1 - tap),
                     aligned = from / 8 * 8; /* a byte of a bit mask */
        float x[8];
        nncf__masked_weight(layer, aligned, from - aligned + 1, x);
        finish(source, at / run, 1, x + (from - aligned), to + i * size);
    }
}

/* Elements begin..begin+n-1 of a source, as they lie in the file. */
static void make(const nncf__onnx_source *source, size_t begin, size_t n, void *out)
{
    const nncf_layer *layer = source->layer;
    const size_t size = source->codes ? 1 : sizeof(float),
                 channels = (size_t)layer->weight_shape[layer->weight_axis];
    size_t run = 1; /* elements of one output channel that lie side by side */
    for (int32_t d = layer->weight_axis + 1; d < layer->weight_ndim; d++)
        run *= (size_t)layer->weight_shape[d];
    uint8_t *to = out;
    float x[BLOCK];
    if (layer->attributes.flags & NNCF_OP_FLAG_KERNEL_TURNED) {
        make_turned(source, begin, n, run, to, size);
        return;
    }
    nncf__masked_weight(layer, begin, n, x);
    for (size_t i = 0; i < n;) {
        const size_t left = run - (begin + i) % run, count = left < n - i ? left : n - i;
        finish(source, (begin + i) / run % channels, count, x + i, to + i * size);
        i += count;
    }
}

bool nncf__onnx_source_finite(const nncf__onnx_source *source)
{
    float block[BLOCK];
    for (size_t begin = 0; begin < source->layer->weight_count; begin += BLOCK) {
        const size_t left = source->layer->weight_count - begin, n = left < BLOCK ? left : BLOCK;
        make(source, begin, n, block);
        for (size_t i = 0; i < n; i++)
            if (!isfinite(block[i]))
                return false;
    }
    return true;
}

void nncf__onnx_source_values(const nncf__onnx_source *source, bool is_signed, float *values)
{
    const size_t count = source->layer->weight_count;
    uint8_t codes[BLOCK];
    for (size_t begin = 0; begin < count; begin += BLOCK) {
        const size_t n = count - begin < BLOCK ? count - begin : BLOCK;
        make(source, begin, n, source->codes ? (void *)codes : values + begin);
        for (size_t i = 0; i < n && source->codes; i++)
            values[begin + i] = is_signed ? (float)(int8_t)codes[i] : (float)codes[i];
    }
}

static void put_source(stream *s, const nncf__onnx_source *source)
{
    const size_t count = source->layer->weight_count, size = source->codes ? 1 : sizeof(float);
    uint8_t block[BLOCK * sizeof(float)];
    for (size_t begin = 0; begin < count && !s->failed; begin += BLOCK) {
        size_t n = count - begin < BLOCK ? count - begin : BLOCK;
        make(source, begin, n, block);
        put(s, block, n * size);
    }
}

static void append(ProtobufCBuffer *buffer, size_t length, const uint8_t *data)
{
    stream *s = (stream *)buffer;
    const uintptr_t at = (uintptr_t)data, first = (uintptr_t)s->builder->sources;
    if (at >= first && at < first + s->builder->n_sources * sizeof *s->builder->sources)
        put_source(s, (const nncf__onnx_source *)(const void *)data);
    else
        put(s, data, length);
}

static bool fill(void *user, nncf__file_sink *sink)
{
    stream *s = user;
    s->sink = sink;
    nncf__onnx__model_proto__pack_to_buffer(s->model, &s->base);
    flush(s);
    errno = s->os_errno;
    return !s->failed;
}

nncf_status nncf__onnx_write(
    nncf__onnx_builder *b, const char *path, const Nncf__Onnx__ModelProto *model)
{
    stream *s = nncf__calloc(b->context, 1, sizeof *s);
    if (!s)
        return nncf__fail(b->err, NNCF_E_NOMEM, path, "no memory for the export");
    s->base.append = append;
    s->builder = b;
    s->model = model;
    nncf_status status = NNCF_OK;
    if (path)
        status = nncf__file_replace_by(b->context, path, fill, s, b->err);
    else if (!fill(s, NULL))
        status = nncf__fail(b->err, NNCF_E_CALLBACK, NULL, "the write callback reported a failure");
    nncf__free(b->context, s);
    return status;
}
