/* SPDX-License-Identifier: Apache-2.0 */
/* What a training loop that goes wrong is told, in the log and by query. */
#include "support/fixture.h"

enum { N = 16 };

#define INT8                                                                                       \
    "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": "   \
    "1}}}"

typedef struct net {
    fx_context c;
    nncf_model *model;
    nncf_layer *layer;
    nncf_compression_ctrl *ctrl;
    float w[N], dw[N];
} net;

/* One linear layer, 4 to 4, trained by bring-your-own calls. */
static void net_open(net *n, const char *config)
{
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[a]",
        .weight = n->w, .weight_grad = n->dw, .in_features = 4, .out_features = 4};
    fx_open(&n->c, 1, 7);
    for (int i = 0; i < N; i++) {
        n->w[i] = 0.1f * (float)(i - 7);
        n->dw[i] = 0;
    }
    ck_assert_int_eq(nncf_model_create(n->c.context, &n->model, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_linear(n->model, &p, &n->layer, NULL), NNCF_OK);
    n->ctrl = fx_ctrl(n->model, config);
}

static void net_close(net *n)
{
    nncf_compression_ctrl_destroy(n->ctrl);
    nncf_model_destroy(n->model);
    fx_close(&n->c);
}

static nncf_tensor tensor(float *data, const int64_t *shape, int32_t ndim)
{
    return (nncf_tensor){.data = data, .ndim = ndim, .shape = shape};
}

/* Batches that observe x until the ranges are set. */
static void initialize(net *n, const float *x)
{
    static const int64_t shape[] = {2, 4};
    int32_t more;
    float out[8];
    nncf_tensor tx = tensor((float *)x, shape, 2), ty = tensor(out, shape, 2);
    while (nncf_compression_ctrl_init_step(n->ctrl, &more, NULL) == NNCF_OK && more) {
        ck_assert_int_eq(nncf_layer_quantize_input(n->layer, &tx, &ty, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_quantize_output(n->layer, &tx, &ty, NULL), NNCF_OK);
    }
    ck_assert_int_eq(more, 0);
}

/* A step: the gradient is `g` everywhere, and the optimizer is given `weights`. */
static void train(net *n, float g, float *weights)
{
    float wq[N], dwq[N];
    ck_assert_int_eq(nncf_layer_compress_weight(n->layer, wq, NULL), NNCF_OK);
    for (int i = 0; i < N; i++)
        dwq[i] = g;
    ck_assert_int_eq(nncf_layer_compress_weight_backward(n->layer, dwq, NULL), NNCF_OK);
    for (int i = 0; i < N && weights; i++)
        weights[i] -= 0.01f * n->dw[i];
    memset(n->dw, 0, sizeof n->dw);
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(n->ctrl); i++) {
        nncf_parameter p = fx_parameter_at(n->ctrl, i);
        for (size_t j = 0; j < p.count; j++)
            p.data[j] -= 0.001f * p.grad[j];
    }
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(n->ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_step(n->ctrl, NULL), NNCF_OK);
}

static const float ones[8] = {1, -1, 1, -1, 1, -1, 1, 1};

/* The one warning there is begins so, in the query and in the log. */
static void told(net *n, const char *text)
{
    ck_assert_msg(n->c.warnings == 1, "%s", n->c.log);
    ck_assert_uint_eq(nncf_compression_ctrl_get_warning_count(n->ctrl), 1);
    const char *line = nncf_compression_ctrl_get_warning(n->ctrl, 0);
    ck_assert_ptr_nonnull(line);
    ck_assert_msg(strstr(line, text) == line, "%s", line);
    ck_assert_ptr_nonnull(strstr(n->c.log, line));
    ck_assert_ptr_null(nncf_compression_ctrl_get_warning(n->ctrl, 1));
}

START_TEST(a_healthy_loop_has_no_warnings)
{
    static const int64_t rows[] = {2, 3, 4};
    float x[24] = {0};
    nncf_tensor t = tensor(x, rows, 3);
    net n;
    net_open(&n, INT8);
    initialize(&n, ones);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(nncf_layer_quantize_input(n.layer, &t, &t, NULL), NNCF_OK);
        train(&n, i % 2 ? 1 : -0.5f, n.w);
    }
    ck_assert_msg(n.c.warnings == 0, "%s", n.c.log);
    ck_assert_uint_eq(nncf_compression_ctrl_get_warning_count(n.ctrl), 0);
    ck_assert_ptr_null(nncf_compression_ctrl_get_warning(n.ctrl, 0));
    net_close(&n);
    ck_assert_uint_eq(nncf_compression_ctrl_get_warning_count(NULL), 0);
    ck_assert_ptr_null(nncf_compression_ctrl_get_warning(NULL, 0));
}
END_TEST

/* The host's weights are elsewhere by now: the registered buffer is trained by nobody. */
START_TEST(a_weight_whose_buffer_moved_is_told)
{
    net n;
    float moved[N];
    net_open(&n, INT8);
    initialize(&n, ones);
    for (int i = 0; i < 40; i++)
        train(&n, 1, n.w);
    memcpy(moved, n.w, sizeof moved);
    for (int i = 0; i < 100; i++)
        train(&n, 1, moved);
    told(&n,
        "Net/Linear[a]: its weight has gradients but did not change in 48 steps: has its "
        "buffer moved");
    net_close(&n);
}
END_TEST

/* Nothing is wrong where a weight has no gradient, as a masked one. */
START_TEST(a_weight_without_gradients_may_stay)
{
    net n;
    net_open(&n, INT8);
    initialize(&n, ones);
    for (int i = 0; i < 100; i++)
        train(&n, 0, n.w);
    ck_assert_msg(n.c.warnings == 0, "%s", n.c.log);
    net_close(&n);
}
END_TEST

START_TEST(an_input_of_another_width_is_told)
{
    static const struct {
        int64_t shape[4];
        int32_t ndim;
        bool told;
    } cases[] = {{{8, 4}, 2, false}, {{4, 12}, 2, false}, {{2, 4, 3}, 3, false}, {{4, 5}, 2, false},
        {{32}, 1, false}, {{8, 6}, 2, true}, {{8, 3, 1, 2}, 4, true}};
    float x[64] = {0}, y[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        net n;
        net_open(&n, INT8);
        initialize(&n, ones);
        for (int j = 0; j < 2; j++) {
            nncf_tensor tx = tensor(x, cases[i].shape, cases[i].ndim),
                        ty = tensor(y, cases[i].shape, cases[i].ndim);
            ck_assert_int_eq(nncf_layer_quantize_input(n.layer, &tx, &ty, NULL), NNCF_OK);
        }
        if (cases[i].told)
            told(&n, "Net/Linear[a]: nncf_layer_quantize_input() is called with rows of 6 ");
        ck_assert_msg((n.c.warnings != 0) == cases[i].told, "case %zu: %s", i, n.c.log);
        net_close(&n);
    }
}
END_TEST

/* torch.nn.functional.linear with a vector: nothing says how wide its input is. */
START_TEST(an_input_of_no_known_width_is_taken)
{
    static const int64_t six[1] = {6}, rows[2] = {2, 5};
    float w[6] = {1, -2, 3, -4, 5, 6}, x[10] = {1, -1}, y[10];
    nncf_error err = NNCF_ERROR_INIT;
    nncf_context *context = fx_new_context(NULL, 1, 0, 1);
    nncf_model *model;
    nncf_layer *layer;
    nncf_compression_ctrl *ctrl;
    const nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .op = NNCF_OP_FUNCTIONAL_LINEAR,
        .scope = "Net/linear_0", .weight = w, .weight_shape = six, .weight_ndim = 1};
    ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
    ck_assert_msg(nncf_model_add_op(model, &p, &layer, &err) == NNCF_OK, "%s", err.message);
    nncf_config *config = fx_config(context, INT8);
    ck_assert_msg(
        nncf_compression_ctrl_create(model, config, &ctrl, &err) == NNCF_OK, "%s", err.message);
    nncf_config_destroy(config);
    nncf_tensor tx = tensor(x, rows, 2), ty = tensor(y, rows, 2);
    ck_assert_msg(nncf_layer_quantize_input(layer, &tx, &ty, &err) == NNCF_OK, "%s", err.message);
    ck_assert_uint_eq(nncf_compression_ctrl_get_warning_count(ctrl), 0);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    nncf_context_destroy(context);
}
END_TEST

/* The largest weight is 0.8; a sample of them is looked at. */
START_TEST(ranges_far_beyond_the_weights_are_told)
{
    static const struct {
        float input, weight;
        const char *text;
    } cases[] = {{6e5f, 1, NULL}, {2e6f, 1, "Net/Linear[a]: the range of an activation is 2e+06"},
        {3e5f, 0.125f, "Net/Linear[a]: the range of an activation is 3e+05"}, {900, 1e-6f, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        net n;
        float x[8];
        net_open(&n,
            "{\"compression\": {\"algorithm\": \"quantization\", \"quantize_inputs\": "
            "false, \"quantize_outputs\": true, \"initializer\": {\"num_init_steps\": "
            "1}}, \"nncf_dialect\": \"1.3.1\"}");
        for (int j = 0; j < N; j++)
            n.w[j] *= cases[i].weight;
        for (int j = 0; j < 8; j++)
            x[j] = cases[i].input * ones[j];
        initialize(&n, x);
        if (cases[i].text)
            told(&n, cases[i].text);
        ck_assert_msg((n.c.warnings != 0) == (cases[i].text != NULL), "case %zu: %s", i, n.c.log);
        net_close(&n);
    }
}
END_TEST

/* The optimizer ruins a range. */
START_TEST(ranges_that_training_ruins_are_told)
{
    static const struct {
        float range;
        const char *text;
    } cases[] = {{2, NULL},
        {1e7f,
            "Net/Linear[a]: the range of an activation is 1e+07 by now (parameter "
            "Net/Linear[a].input_quantizer.scale)"},
        {NAN, "Net/Linear[a]: parameter Net/Linear[a].input_quantizer.scale is not a finite"},
        {-INFINITY, "Net/Linear[a]: parameter Net/Linear[a].input_quantizer.scale is not a"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        net n;
        net_open(&n, INT8);
        initialize(&n, ones);
        nncf_parameter p = fx_parameter(n.ctrl, "Net/Linear[a].input_quantizer.scale");
        p.data[0] = cases[i].range;
        for (int j = 0; j < 40; j++)
            train(&n, 1, n.w);
        if (cases[i].text)
            told(&n, cases[i].text);
        ck_assert_msg((n.c.warnings != 0) == (cases[i].text != NULL), "case %zu: %s", i, n.c.log);
        net_close(&n);
    }
}
END_TEST

/* Without batches for ranges those of weights come from the weights all the same, at creation and
 * again when they were loaded later. */
START_TEST(weights_have_ranges_without_batches)
{
    net n;
    int32_t more = 1;
    net_open(&n,
        "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"range\": "
        "{\"num_init_steps\": 0}}}}");
    nncf_parameter p = fx_parameter(n.ctrl, "Net/Linear[a].pre_ops.weight_quantizer.scale");
    ck_assert_float_eq(p.data[0], n.w[N - 1]);
    n.w[3] = -5;
    ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 0);
    ck_assert_float_eq(p.data[0], 5);
    net_close(&n);
}
END_TEST

/* Several quantizers without data: every one is in the log, one in the query. */
START_TEST(empty_ranges_are_told)
{
    static const float zeros[8];
    net n;
    net_open(&n, INT8);
    for (int i = 0; i < N; i++)
        n.w[i] = 0;
    initialize(&n, zeros);
    ck_assert_int_ge(n.c.warnings, 2);
    ck_assert_uint_eq(nncf_compression_ctrl_get_warning_count(n.ctrl), 1);
    ck_assert_ptr_nonnull(
        strstr(nncf_compression_ctrl_get_warning(n.ctrl, 0), "was all zero or not finite"));
    net_close(&n);
}
END_TEST

#define BY_STEPS                                                                                   \
    "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": "        \
    "\"polynomial\", \"update_per_optimizer_step\": true, \"steps_per_epoch\": 3, "                \
    "\"sparsity_init\": 0.1, \"sparsity_target\": 0.5, \"sparsity_steps\": 50}}}"

/* Every epoch of another length is in the log, one in the query, which keeps room for others. */
START_TEST(epochs_of_another_length_are_told)
{
    enum { EPOCHS = 30 };
    net n;
    net_open(&n, BY_STEPS);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        for (int step = 0; step < 2; step++)
            train(&n, 1, n.w);
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n.ctrl, NULL), NNCF_OK);
        ck_assert_int_eq(n.c.warnings, epoch + 1);
        ck_assert_uint_eq(nncf_compression_ctrl_get_warning_count(n.ctrl), 1);
    }
    ck_assert_ptr_nonnull(strstr(nncf_compression_ctrl_get_warning(n.ctrl, 0),
        "had 2 steps, the schedule was made for 3 (steps_per_epoch)"));
    for (int epoch = 0; epoch < EPOCHS; epoch++) { /* the optimizer has lost the weights */
        train(&n, 1, NULL);
        train(&n, 1, NULL);
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n.ctrl, NULL), NNCF_OK);
    }
    const char *next = nncf_compression_ctrl_get_warning(n.ctrl, 1);
    ck_assert_ptr_nonnull(next);
    ck_assert_msg(strstr(next, "Net/Linear[a]") == next, "%s", next);
    net_close(&n);
}
END_TEST

/* Without a log the texts are there all the same, and cut where a scope is very long. */
START_TEST(hosts_without_a_log_ask)
{
    char scope[900] = "Net/Linear[";
    float w[4] = {1, 2, 3, 4};
    nncf_context *context = fx_new_context(NULL, 1, NNCF_ISA_BEST, 0);
    nncf_model *model;
    nncf_layer *layer;
    nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[a]", .weight = w,
        .in_features = 2, .out_features = 2};
    memset(scope + 11, 'x', 800);
    scope[811] = ']';
    for (int is_long = 0; is_long < 2; is_long++) {
        p.scope = is_long ? scope : "Net/Linear[a]";
        ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_model_add_linear(model, &p, &layer, NULL), NNCF_OK);
        nncf_compression_ctrl *ctrl =
            fx_ctrl(model, "{\"compression\": {\"algorithm\": \"magnitude_sparsity\"}}");
        ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
        ck_assert_uint_eq(nncf_compression_ctrl_get_warning_count(ctrl), 1);
        const char *text = nncf_compression_ctrl_get_warning(ctrl, 0);
        ck_assert_ptr_nonnull(strstr(text,
            is_long ? "Net/Linear[xxx"
                    : "Net/Linear[a]: its weight is compressed, but "
                      "it was registered without weight_grad"));
        ck_assert_int_eq(strlen(text) == 511, is_long);
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
    }
    nncf_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("warnings");
    TCase *tcase = fx_case(suite, "warnings", 60);
    const TTest *const tests[] = {a_healthy_loop_has_no_warnings,
        a_weight_whose_buffer_moved_is_told, a_weight_without_gradients_may_stay,
        an_input_of_another_width_is_told, an_input_of_no_known_width_is_taken,
        ranges_far_beyond_the_weights_are_told, ranges_that_training_ruins_are_told,
        weights_have_ranges_without_batches, empty_ranges_are_told,
        epochs_of_another_length_are_told, hosts_without_a_log_ask};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    return fx_main(suite);
}
