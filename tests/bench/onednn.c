/* SPDX-License-Identifier: Apache-2.0 */
#include "conv/conv2d.h"
#include "products.h"

#ifdef BENCH_HAVE_ONEDNN

#include <dnnl.h>
#include <omp.h>
#include <stdbool.h>
#include <stdlib.h>

enum { SRC, WEIGHTS, DST, N_MEMORIES };

struct onednn_peer {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    dnnl_memory_t memories[N_MEMORIES];
    dnnl_exec_arg_t arguments[N_MEMORIES];
    int threads;
};

static bool describe(dnnl_memory_desc_t d[N_MEMORIES], const nncf__conv2d *s)
{
    const dnnl_dims_t src = {s->n, s->c_in, s->h, s->w}, dst = {s->n, s->c_out, s->out_h, s->out_w};
    const dnnl_dims_t plain = {s->c_out, s->c_in, s->kernel_h, s->kernel_w};
    const dnnl_dims_t grouped = {
        s->groups, s->c_out / s->groups, s->c_in / s->groups, s->kernel_h, s->kernel_w};
    bool groups = s->groups > 1;
    return dnnl_memory_desc_init_by_tag(&d[SRC], 4, src, dnnl_f32, dnnl_format_tag_any) ==
        dnnl_success &&
        dnnl_memory_desc_init_by_tag(&d[WEIGHTS], groups ? 5 : 4, groups ? grouped : plain,
            dnnl_f32, dnnl_format_tag_any) == dnnl_success &&
        dnnl_memory_desc_init_by_tag(&d[DST], 4, dst, dnnl_f32, dnnl_format_tag_any) ==
        dnnl_success;
}

static bool make_primitive(onednn_peer *p, const nncf__conv2d *s, int pass)
{
    dnnl_memory_desc_t d[N_MEMORIES];
    dnnl_convolution_desc_t c;
    dnnl_primitive_desc_t hint = NULL;
    const dnnl_dims_t strides = {s->stride_h, s->stride_w}, padding = {s->pad_h, s->pad_w};
    /* The right and lower padding that the output's size implies. */
    const dnnl_dims_t behind = {(s->out_h - 1) * s->stride_h + s->kernel_h - s->h - s->pad_h,
        (s->out_w - 1) * s->stride_w + s->kernel_w - s->w - s->pad_w};
    if (!describe(d, s) ||
        dnnl_convolution_forward_desc_init(&c, dnnl_forward_training, dnnl_convolution_direct,
            &d[SRC], &d[WEIGHTS], NULL, &d[DST], strides, padding, behind) != dnnl_success ||
        dnnl_primitive_desc_create(&hint, &c, NULL, p->engine, NULL) != dnnl_success)
        return false;
    if (pass == PASS_FORWARD) {
        p->description = hint;
    } else {
        dnnl_status_t status = pass == PASS_INPUT
            ? dnnl_convolution_backward_data_desc_init(&c, dnnl_convolution_direct, &d[SRC],
                  &d[WEIGHTS], &d[DST], strides, padding, behind)
            : dnnl_convolution_backward_weights_desc_init(&c, dnnl_convolution_direct, &d[SRC],
                  &d[WEIGHTS], NULL, &d[DST], strides, padding, behind);
        if (status == dnnl_success)
            status = dnnl_primitive_desc_create(&p->description, &c, NULL, p->engine, hint);
        dnnl_primitive_desc_destroy(hint);
        if (status != dnnl_success)
            return false;
    }
    return dnnl_primitive_create(&p->primitive, p->description) == dnnl_success;
}

/* Memory as the primitive wants it, without zeros or denormals in it. */
static bool make_memory(onednn_peer *p, int which, dnnl_query_t query, int argument)
{
    const dnnl_memory_desc_t *d = dnnl_primitive_desc_query_md(p->description, query, 0);
    size_t floats = dnnl_memory_desc_get_size(d) / sizeof(float);
    void *data;
    if (dnnl_memory_create(&p->memories[which], d, p->engine, DNNL_MEMORY_ALLOCATE) !=
            dnnl_success ||
        dnnl_memory_get_data_handle(p->memories[which], &data) != dnnl_success)
        return false;
    bench_fill(data, floats, (uint64_t)which, 0.25f, 1.0f);
    p->arguments[which] = (dnnl_exec_arg_t){argument, p->memories[which]};
    return true;
}

onednn_peer *onednn_peer_create(const nncf__conv2d *s, int pass, int64_t threads)
{
    onednn_peer *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->threads = (int)threads;
    omp_set_num_threads(p->threads); /* primitives are planned for so many */
    bool input = pass == PASS_INPUT, weight = pass == PASS_WEIGHT;
    if (dnnl_engine_create(&p->engine, dnnl_cpu, 0) != dnnl_success ||
        dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags) != dnnl_success ||
        !make_primitive(p, s, pass) ||
        !make_memory(p, SRC, input ? dnnl_query_diff_src_md : dnnl_query_src_md,
            input ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC) ||
        !make_memory(p, WEIGHTS, weight ? dnnl_query_diff_weights_md : dnnl_query_weights_md,
            weight ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS) ||
        !make_memory(p, DST, pass == PASS_FORWARD ? dnnl_query_dst_md : dnnl_query_diff_dst_md,
            pass == PASS_FORWARD ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST)) {
        onednn_peer_destroy(p);
        return NULL;
    }
    return p;
}

void onednn_peer_run(onednn_peer *p)
{
    omp_set_num_threads(p->threads);
    if (dnnl_primitive_execute(p->primitive, p->stream, N_MEMORIES, p->arguments) != dnnl_success ||
        dnnl_stream_wait(p->stream) != dnnl_success)
        abort();
}

const char *onednn_peer_kernel(const onednn_peer *p)
{
    const char *name = "";
    dnnl_primitive_desc_query(p->description, dnnl_query_impl_info_str, 0, &name);
    return name;
}

void onednn_peer_destroy(onednn_peer *p)
{
    if (!p)
        return;
    for (int i = 0; i < N_MEMORIES; i++)
        if (p->memories[i])
            dnnl_memory_destroy(p->memories[i]);
    if (p->primitive)
        dnnl_primitive_destroy(p->primitive);
    if (p->description)
        dnnl_primitive_desc_destroy(p->description);
    if (p->stream)
        dnnl_stream_destroy(p->stream);
    if (p->engine)
        dnnl_engine_destroy(p->engine);
    free(p);
}

#else

onednn_peer *onednn_peer_create(const nncf__conv2d *s, int pass, int64_t threads)
{
    (void)s;
    (void)pass;
    (void)threads;
    return NULL;
}

void onednn_peer_run(onednn_peer *p)
{
    (void)p;
}

const char *onednn_peer_kernel(const onednn_peer *p)
{
    (void)p;
    return "";
}

void onednn_peer_destroy(onednn_peer *p)
{
    (void)p;
}

#endif
