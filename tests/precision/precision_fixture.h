/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of chosen bits share: configs, the host's loop, and the bits that came out. */
#ifndef TESTS_PRECISION_FIXTURE_H
#define TESTS_PRECISION_FIXTURE_H

#include "controller/ctrl.h"
#include "lenet.h"
#include "quantization/layer_compression.h"
#include "support/files.h"

#include <json-c/json.h>

#define PRECISION(keys)                                                                            \
    "{\"nncf_dialect\": \"1.5\", \"quantizer_setup_type\": \"pattern_based\", \"compression\": "   \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"range\": {\"num_init_steps\": 1}, "     \
    "\"precision\": {" keys "}}}}"
#define HAWQ(more)                                                                                 \
    PRECISION("\"type\": \"hawq\", \"bits\": [2, 4, 8], \"iter_number\": 6, "                      \
              "\"num_data_points\": 12, \"tolerance\": 0" more)

static inline void initialize(lenet *n)
{
    int32_t more = 0;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status;
    while ((status = nncf_compression_ctrl_init_step(n->ctrl, &more, &err)) == NNCF_OK && more)
        lenet_forward(n);
    ck_assert_msg(status == NNCF_OK, "%s", err.message);
}

/* Passes that were wanted. */
static inline int choose_bits(lenet *n, float factor)
{
    int32_t more = 0, passes = 0;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status;
    while (
        (status = nncf_compression_ctrl_precision_step(n->ctrl, &more, &err)) == NNCF_OK && more) {
        ck_assert_int_eq(more, passes % 2 ? NNCF_PRECISION_SAME_BATCH : NNCF_PRECISION_NEW_BATCH);
        lenet_forward(n);
        lenet_backward(n, factor);
        ck_assert_int_lt(++passes, 1000);
    }
    ck_assert_msg(status == NNCF_OK, "%s", err.message);
    return passes;
}

static inline int32_t step(lenet *n)
{
    int32_t more = -1;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(
        nncf_compression_ctrl_precision_step(n->ctrl, &more, &err) == NNCF_OK, "%s", err.message);
    return more;
}

static inline void train_step(lenet *n)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(n->ctrl, NULL), NNCF_OK);
    lenet_zero_grad(n);
    lenet_pass(n);
    for (int k = 0; k < N_WEIGHTS; k++)
        for (size_t i = 0; i < n->k[k].weights; i++)
            n->k[k].w[i] -= 0.05f * n->k[k].dw[i];
    ck_assert_int_eq(nncf_compression_ctrl_update(n->ctrl, NULL, NULL), NNCF_OK);
    ck_assert_msg(nncf_compression_ctrl_step(n->ctrl, &err) == NNCF_OK, "%s", err.message);
}

/* The weights at some moment. */
typedef struct kept {
    float *w[N_WEIGHTS], mean[C1], var[C1];
} kept;

static inline kept keep(const lenet *n)
{
    kept k;
    for (int i = 0; i < N_WEIGHTS; i++) {
        k.w[i] = fx_alloc(n->k[i].weights, sizeof(float));
        memcpy(k.w[i], n->k[i].w, n->k[i].weights * sizeof(float));
    }
    memcpy(k.mean, n->k[0].mean, sizeof k.mean);
    memcpy(k.var, n->k[0].var, sizeof k.var);
    return k;
}

static inline bool is_kept(const lenet *n, const kept *k)
{
    bool same = true;
    for (int i = 0; i < N_WEIGHTS; i++)
        same = same && memcmp(n->k[i].w, k->w[i], n->k[i].weights * sizeof(float)) == 0;
    return same;
}

static inline void drop(kept *k)
{
    for (int i = 0; i < N_WEIGHTS; i++)
        free(k->w[i]);
}

static inline int32_t bits_of(const lenet *n, size_t layer, enum nncf__quantizer_slot slot)
{
    const nncf__quantizer *q = nncf__layer_quantizer(&n->ctrl->layers[layer], slot);
    return q ? q->params.bits : 0;
}

/* All bits, one digit a quantizer. */
static inline void all_bits(const lenet *n, char out[32])
{
    size_t length = 0;
    for (size_t i = 0; i < n->ctrl->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++)
            if (bits_of(n, i, j))
                out[length++] = (char)('0' + bits_of(n, i, j));
    out[length] = '\0';
}

static inline char *report(const lenet *n, nncf_form form)
{
    size_t needed = 0;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_compression_ctrl_format_precision(n->ctrl, form, NULL, 0, &needed, &err),
        NNCF_E_BUFFER);
    char *text = fx_alloc(needed, 1);
    ck_assert_int_eq(
        nncf_compression_ctrl_format_precision(n->ctrl, form, text, needed, NULL, NULL), NNCF_OK);
    return text;
}

static inline double number_in(json_object *o, const char *key)
{
    json_object *value = NULL;
    ck_assert_msg(json_object_object_get_ex(o, key, &value), "%s", key);
    return json_object_get_double(value);
}

#endif
