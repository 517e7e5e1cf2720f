/* SPDX-License-Identifier: Apache-2.0 */
#include "primitives.h"

#include <string.h>

#define TRY(call)                                                                                  \
    do {                                                                                           \
        const dnnl_status_t status_ = (call);                                                      \
        if (status_ != dnnl_success)                                                               \
            return app_fail(                                                                       \
                err, NNCF_E_UNSUPPORTED, NULL, "oneDNN: %s returned %d", #call, (int)status_);     \
    } while (0)

nncf_status machine_open(machine *m, nncf_error *err)
{
    TRY(dnnl_engine_create(&m->engine, dnnl_cpu, 0));
    TRY(dnnl_stream_create(&m->stream, m->engine, dnnl_stream_default_flags));
    return NNCF_OK;
}

void machine_close(machine *m)
{
    if (m->stream != NULL)
        dnnl_stream_destroy(m->stream);
    if (m->engine != NULL)
        dnnl_engine_destroy(m->engine);
}

static nncf_status describe(
    dnnl_memory_desc_t *d, int64_t rows, int64_t columns, dnnl_data_type_t type, nncf_error *err)
{
    const dnnl_dims_t sizes = {rows, columns};
    TRY(dnnl_memory_desc_init_by_tag(
        d, columns > 0 ? 2 : 1, sizes, type, columns > 0 ? dnnl_ab : dnnl_a));
    return NNCF_OK;
}

static nncf_status make(machine *m, const dnnl_inner_product_desc_t *d,
    dnnl_primitive_desc_t forward, dnnl_primitive_desc_t *description, dnnl_primitive_t *p,
    nncf_error *err)
{
    TRY(dnnl_primitive_desc_create(description, d, NULL, m->engine, forward));
    TRY(dnnl_primitive_create(p, *description));
    return NNCF_OK;
}

/* The three primitives; descriptions[] are the caller's to destroy. */
static nncf_status make_all(machine *m, const dnnl_memory_desc_t d[4], bool wants_dx, product *p,
    dnnl_primitive_desc_t descriptions[PARTS], nncf_error *err)
{
    const dnnl_memory_desc_t *x = &d[0], *w = &d[1], *b = &d[2], *y = &d[3];
    dnnl_inner_product_desc_t of[PARTS];
    TRY(dnnl_inner_product_forward_desc_init(&of[FORWARD], dnnl_forward_training, x, w, b, y));
    TRY(dnnl_inner_product_backward_weights_desc_init(&of[BACKWARD_WEIGHTS], x, w, b, y));
    TRY(dnnl_inner_product_backward_data_desc_init(&of[BACKWARD_DATA], x, w, y));
    for (int i = 0; i < (wants_dx ? PARTS : BACKWARD_DATA); i++) {
        const nncf_status status = make(m, &of[i], i == FORWARD ? NULL : descriptions[FORWARD],
            &descriptions[i], &p->primitive[i], err);
        if (status != NNCF_OK)
            return status;
    }
    return NNCF_OK;
}

nncf_status product_open(
    machine *m, int64_t n, int64_t in, int64_t out, product_buffers b, product *p, nncf_error *err)
{
    dnnl_memory_desc_t d[4];
    dnnl_primitive_desc_t descriptions[PARTS] = {NULL};
    float *const data[8] = {b.x, b.w, b.b, b.y, b.dx, b.dw, b.db, b.dy};
    nncf_status status = describe(&d[0], n, in, dnnl_f32, err);
    if (status == NNCF_OK)
        status = describe(&d[1], out, in, dnnl_f32, err);
    if (status == NNCF_OK)
        status = describe(&d[2], out, 0, dnnl_f32, err);
    if (status == NNCF_OK)
        status = describe(&d[3], n, out, dnnl_f32, err);
    for (int i = 0; i < 8 && status == NNCF_OK; i++)
        if (data[i] != NULL)
            TRY(dnnl_memory_create(&p->memory[i], &d[i % 4], m->engine, data[i]));
    if (status == NNCF_OK)
        status = make_all(m, d, b.dx != NULL, p, descriptions, err);
    for (int i = 0; i < PARTS; i++)
        if (descriptions[i] != NULL)
            dnnl_primitive_desc_destroy(descriptions[i]);
    return status;
}

void product_close(product *p)
{
    for (int i = 0; i < PARTS; i++)
        if (p->primitive[i] != NULL)
            dnnl_primitive_destroy(p->primitive[i]);
    for (int i = 0; i < 8; i++)
        if (p->memory[i] != NULL)
            dnnl_memory_destroy(p->memory[i]);
}

nncf_status product_run(const machine *m, const product *p, enum product_part part, nncf_error *err)
{
    dnnl_memory_t x = p->memory[0], w = p->memory[1], b = p->memory[2], y = p->memory[3],
                  dx = p->memory[4], dw = p->memory[5], db = p->memory[6], dy = p->memory[7];
    const dnnl_exec_arg_t args[PARTS][4] = {[FORWARD] = {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w},
                                                {DNNL_ARG_BIAS, b}, {DNNL_ARG_DST, y}},
        [BACKWARD_WEIGHTS] = {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_WEIGHTS, dw},
            {DNNL_ARG_DIFF_BIAS, db}, {DNNL_ARG_DIFF_DST, dy}},
        [BACKWARD_DATA] = {
            {DNNL_ARG_DIFF_SRC, dx}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DIFF_DST, dy}}};
    TRY(dnnl_primitive_execute(
        p->primitive[part], m->stream, part == BACKWARD_DATA ? 3 : 4, args[part]));
    TRY(dnnl_stream_wait(m->stream));
    return NNCF_OK;
}

/* With int32 results: scales, bias and the next layer's codes are the caller's. */
static nncf_status run_int8(machine *m, const dnnl_memory_desc_t d[3], void *const data[3],
    dnnl_memory_t memory[3], dnnl_primitive_desc_t *description, dnnl_primitive_t *p,
    nncf_error *err)
{
    dnnl_inner_product_desc_t of;
    TRY(dnnl_inner_product_forward_desc_init(
        &of, dnnl_forward_inference, &d[0], &d[1], NULL, &d[2]));
    nncf_status status = make(m, &of, NULL, description, p, err);
    if (status != NNCF_OK)
        return status;
    for (int i = 0; i < 3; i++)
        TRY(dnnl_memory_create(&memory[i], &d[i], m->engine, data[i]));
    const dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, memory[0]}, {DNNL_ARG_WEIGHTS, memory[1]}, {DNNL_ARG_DST, memory[2]}};
    TRY(dnnl_primitive_execute(*p, m->stream, 3, args));
    TRY(dnnl_stream_wait(m->stream));
    return NNCF_OK;
}

nncf_status product_int8(machine *m, int64_t n, int64_t in, int64_t out, uint8_t *x, int8_t *w,
    int32_t *acc, nncf_error *err)
{
    dnnl_memory_desc_t d[3];
    void *const data[3] = {x, w, acc};
    dnnl_memory_t memory[3] = {NULL};
    dnnl_primitive_desc_t description = NULL;
    dnnl_primitive_t p = NULL;
    nncf_status status = describe(&d[0], n, in, dnnl_u8, err);
    if (status == NNCF_OK)
        status = describe(&d[1], out, in, dnnl_s8, err);
    if (status == NNCF_OK)
        status = describe(&d[2], n, out, dnnl_s32, err);
    if (status == NNCF_OK)
        status = run_int8(m, d, data, memory, &description, &p, err);
    for (int i = 0; i < 3; i++)
        if (memory[i] != NULL)
            dnnl_memory_destroy(memory[i]);
    if (p != NULL)
        dnnl_primitive_destroy(p);
    if (description != NULL)
        dnnl_primitive_desc_destroy(description);
    return status;
}
