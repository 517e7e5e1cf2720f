/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of model/ and compression/ share: stored vectors, configs from text, a context
 * that counts its memory and keeps its log, and layers with buffers of their own.
 */
#ifndef COMP_FIXTURE_H
#define COMP_FIXTURE_H

#include "counting_allocator.h"

#include <nncf/nncf.h>

#include <check.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- stored vectors ---- */

static inline json_object *cf_golden(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", NNCF_GOLDEN_DIR, name);
    json_object *root = json_object_from_file(path);
    ck_assert_msg(root != NULL, "%s: %s", path, json_util_get_last_err());
    return root;
}

static inline json_object *cf_get(const json_object *object, const char *key)
{
    json_object *value = NULL;
    json_object_object_get_ex(object, key, &value);
    return value;
}

static inline double cf_number(const json_object *object, const char *key)
{
    return json_object_get_double(cf_get(object, key));
}

static inline const char *cf_string(const json_object *object, const char *key)
{
    json_object *value = cf_get(object, key);
    return value ? json_object_get_string(value) : NULL;
}

/* Floats of an array, or of {"data": array}; *n (nullable) says how many. Free them. */
static inline float *cf_floats(json_object *value, size_t *n)
{
    ck_assert_ptr_nonnull(value);
    json_object *array =
        json_object_is_type(value, json_type_object) ? cf_get(value, "data") : value;
    size_t count = json_object_array_length(array);
    float *x = calloc(count + 1, sizeof *x);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)json_object_get_double(json_object_array_get_idx(array, i));
    if (n)
        *n = count;
    return x;
}

/* ---- a context ---- */

enum { CF_LOG = 8192 };

typedef struct cf_context {
    nncf_context *context;
    counting memory;
    char log[CF_LOG];
    int warnings, errors;
} cf_context;

static inline void cf_log(void *user, int32_t level, const char *line)
{
    cf_context *c = user;
    size_t n = strlen(c->log);
    c->warnings += level == NNCF_LOG_WARNING;
    c->errors += level == NNCF_LOG_ERROR;
    snprintf(c->log + n, sizeof c->log - n, "%s\n", line);
}

static inline void cf_open(cf_context *c, int32_t threads, uint64_t seed)
{
    memset(c, 0, sizeof *c);
    nncf_context_params params = {NNCF_PARAMS(nncf_context_params), COUNTING_PARAMS(&c->memory),
        .log = cf_log, .log_user = c, .n_threads = threads, .seed = seed};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &c->context, NULL), NNCF_OK);
}

static inline void cf_close(cf_context *c)
{
    nncf_context_destroy(c->context);
    ck_assert_uint_eq(c->memory.live, 0);
    ck_assert_uint_eq(c->memory.mistakes, 0);
}

static inline nncf_config *cf_config(nncf_context *context, const char *text)
{
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status = nncf_config_parse(context, "test", text, strlen(text), &config, &err);
    ck_assert_msg(status == NNCF_OK, "%s", err.message);
    return config;
}

/* A controller from the text of a config. */
static inline nncf_compression_ctrl *cf_ctrl(nncf_model *model, const char *text)
{
    nncf_compression_ctrl *ctrl = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = cf_config(NULL, text);
    nncf_status status = nncf_compression_ctrl_create(model, config, &ctrl, &err);
    ck_assert_msg(status == NNCF_OK, "%s: %s", err.where, err.message);
    nncf_config_destroy(config);
    return ctrl;
}

/* ---- layers with buffers ---- */

typedef struct cf_layer {
    nncf_layer *layer;
    float *weight, *weight_grad;
    size_t count;
} cf_layer;

static inline uint32_t cf_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static inline void cf_fill(float *x, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)cf_random(&seed) * 0x1p-23f - 1.0f;
}

/* A bias-free convolution; `weight` is copied, NULL: random. */
static inline cf_layer cf_conv(nncf_model *model, const char *scope, int64_t out, int64_t in,
    int32_t kernel, const float *weight, nncf_layer *input)
{
    cf_layer l = {.count = (size_t)(out * in * kernel * kernel)};
    nncf_error err = NNCF_ERROR_INIT;
    l.weight = calloc(l.count, sizeof(float));
    l.weight_grad = calloc(l.count, sizeof(float));
    if (weight)
        memcpy(l.weight, weight, l.count * sizeof(float));
    else
        cf_fill(l.weight, l.count, (uint32_t)(strlen(scope) + l.count));
    nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = scope, .weight = l.weight,
        .weight_grad = l.weight_grad, .in_channels = in, .out_channels = out,
        .kernel = {kernel, kernel}, .inputs = input ? &input : NULL, .n_inputs = input ? 1 : 0};
    nncf_status status = nncf_model_add_conv2d(model, &p, &l.layer, &err);
    ck_assert_msg(status == NNCF_OK, "%s: %s", err.where, err.message);
    return l;
}

static inline void cf_layer_free(cf_layer *l)
{
    free(l->weight);
    free(l->weight_grad);
}

static inline nncf_statistics cf_statistics(const nncf_compression_ctrl *ctrl)
{
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(ctrl, &s), NNCF_OK);
    return s;
}

static inline nncf_parameter cf_parameter(const nncf_compression_ctrl *ctrl, size_t index)
{
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    ck_assert_int_eq(nncf_compression_ctrl_get_parameter(ctrl, index, &p), NNCF_OK);
    return p;
}

/* ---- a program of one suite ---- */

static inline int cf_main(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 120);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
#define CF_MAIN(name, ...)                                                                         \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return cf_main(name, tests, sizeof tests / sizeof *tests);                                 \
    }

#endif
