/* SPDX-License-Identifier: Apache-2.0 */
/* Chosen bits with the rest of the library: layouts, masks, snapshots, plans, files, and configs
 * that have them by hand. */
#include "precision_fixture.h"

/* Weights in the host's order, with gaps: what the host sees is perturbed and put back. */
START_TEST(weights_with_a_layout_come_back)
{
    enum { OUT = 3, IN = 5, STRIDE = 4 };
    float weight[IN * STRIDE], grad[IN * STRIDE] = {0}, before[IN * STRIDE];
    float x[2 * IN], y[2 * OUT];
    fx_context host;
    nncf_model *model;
    nncf_layer *layer;
    uint64_t state = 3;
    int32_t more = 0;
    fx_open(&host, 1, 1);
    fx_fill(weight, IN * STRIDE, 1, &state);
    fx_fill(x, 2 * IN, 1, &state);
    memcpy(before, weight, sizeof weight);
    ck_assert_int_eq(nncf_model_create(host.context, &model, NULL), NNCF_OK);
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "N/Linear[a]",
        .weight = weight, .weight_grad = grad, .in_features = IN, .out_features = OUT};
    ck_assert_int_eq(nncf_model_add_linear(model, &p, &layer, NULL), NNCF_OK);
    const nncf_weight_layout_params l = {
        NNCF_PARAMS(nncf_weight_layout_params), .order = NNCF_WEIGHT_RSCK, .row_stride = STRIDE};
    ck_assert_int_eq(nncf_layer_set_weight_layout(layer, &l, NULL), NNCF_OK);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, HAWQ(""));
    fx_tensor tx, ty;
    fx_view(&tx, x, 2, (int64_t[]){2, IN, 1, 1});
    fx_view(&ty, y, 2, (int64_t[]){2, OUT, 1, 1});
    int passes = 0;
    while (nncf_compression_ctrl_precision_step(ctrl, &more, NULL) == NNCF_OK && more) {
        for (int i = 0; i < IN; i++)
            for (int o = 0; o < STRIDE; o++) /* the gap is left alone */
                ck_assert_int_eq(weight[i * STRIDE + o] == before[i * STRIDE + o], o == STRIDE - 1);
        ck_assert_int_eq(nncf_layer_forward(layer, &tx.t, 1, &ty.t, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_backward(layer, &tx.t, 1, &ty.t, NULL, NULL), NNCF_OK);
        passes++;
    }
    ck_assert_int_eq(more, 0);
    ck_assert_int_eq(passes, 12 * 6); /* batches of two images */
    ck_assert_mem_eq(weight, before, sizeof weight);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_close(&host);
}
END_TEST

START_TEST(masks_are_fixed_meanwhile)
{
    lenet n;
    lenet_open(&n,
        "{\"nncf_dialect\": \"1.5\", \"quantizer_setup_type\": \"pattern_based\", \"compression\": "
        "[{\"algorithm\": \"rb_sparsity\"}, {\"algorithm\": \"quantization\", \"initializer\": "
        "{\"range\": {\"num_init_steps\": 1}, \"precision\": {\"type\": \"hawq\", \"bits\": [4, "
        "8], \"iter_number\": 3}}}]}",
        false);
    const nncf_parameter logits = fx_parameter(n.ctrl, "LeNet/Linear[fc1].pre_ops.mask");
    float first[IMAGES * CLASSES];
    for (size_t i = 0; i < logits.count; i += 3)
        logits.data[i] = -1;
    step(&n);
    lenet_forward(&n);
    memcpy(first, n.y5, sizeof first);
    lenet_forward(&n);
    ck_assert_mem_eq(n.y5, first, sizeof first);
    nncf_compression_ctrl_stop_precision(n.ctrl, NULL);
    choose_bits(&n, 1);
    for (size_t i = 0; i < logits.count; i++)
        ck_assert_float_eq(logits.grad[i], 0);
    initialize(&n);
    train_step(&n);
    lenet_close(&n);
}
END_TEST

static void save(const lenet *n, const char *path)
{
    int64_t counts[N_WEIGHTS];
    nncf_checkpoint_tensor tensors[N_WEIGHTS];
    nncf_error err = NNCF_ERROR_INIT;
    for (int i = 0; i < N_WEIGHTS; i++) {
        counts[i] = (int64_t)n->k[i].weights;
        tensors[i] = (nncf_checkpoint_tensor){
            n->k[i].scope, {.data = n->k[i].w, .dtype = NNCF_F32, .ndim = 1, .shape = &counts[i]}};
    }
    ck_assert_msg(nncf_checkpoint_save(n->ctrl, path, tensors, N_WEIGHTS, NULL, &err) == NNCF_OK,
        "%s", err.message);
}

static void load(lenet *n, const char *path, int32_t accept)
{
    nncf_checkpoint *c = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_checkpoint_restore_params p = {
        NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = accept};
    ck_assert_int_eq(nncf_checkpoint_open(n->host.context, path, NULL, &c, NULL), NNCF_OK);
    for (int i = 0; i < N_WEIGHTS; i++) {
        const int64_t count = (int64_t)n->k[i].weights;
        const nncf_checkpoint_tensor t = {
            n->k[i].scope, {.data = n->k[i].w, .dtype = NNCF_F32, .ndim = 1, .shape = &count}};
        ck_assert_int_eq(nncf_checkpoint_read(c, &t, 1, NULL), NNCF_OK);
    }
    ck_assert_msg(
        nncf_checkpoint_restore(c, n->ctrl, &p, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint_close(c);
}

START_TEST(chosen_bits_are_state)
{
    lenet whole, second;
    char a[32], b[32];
    lenet_open(&whole, HAWQ(", \"compression_ratio\": 2.4"), false);
    choose_bits(&whole, 1);
    save(&whole, fx_path("before"));
    initialize(&whole);
    for (int i = 0; i < 3; i++)
        train_step(&whole);
    save(&whole, fx_path("after"));
    all_bits(&whole, a);
    ck_assert_ptr_nonnull(strpbrk(a, "24"));
    lenet_open(&second, HAWQ(", \"compression_ratio\": 2.4"), false);
    load(&second, fx_path("after"), 0);
    all_bits(&second, b);
    ck_assert_str_eq(a, b);
    ck_assert_int_eq(step(&second), NNCF_PRECISION_DONE);
    char *text = report(&second, NNCF_FORM_TEXT);
    ck_assert_ptr_nonnull(strstr(text, "bits from a snapshot"));
    free(text);
    train_step(&whole);
    train_step(&second);
    ck_assert_mem_eq(whole.y5, second.y5, sizeof whole.y5);
    for (int k = 0; k < N_WEIGHTS; k++)
        ck_assert_mem_eq(whole.k[k].w, second.k[k].w, whole.k[k].weights * sizeof(float));
    lenet_close(&second);
    /* between the choice and initialization */
    lenet_open(&second, HAWQ(", \"compression_ratio\": 2.4"), false);
    load(&second, fx_path("before"), 0);
    all_bits(&second, b);
    ck_assert_str_eq(a, b);
    ck_assert_int_eq(step(&second), NNCF_PRECISION_DONE);
    initialize(&second);
    for (int i = 0; i < 4; i++)
        train_step(&second);
    for (int k = 0; k < N_WEIGHTS; k++)
        ck_assert_mem_eq(whole.k[k].w, second.k[k].w, whole.k[k].weights * sizeof(float));
    lenet_close(&second);
    lenet_close(&whole);
}
END_TEST

START_TEST(another_config_takes_the_bits_that_it_may_have)
{
    lenet n, next;
    char a[32], b[32];
    lenet_open(&n, HAWQ(", \"compression_ratio\": 2.4"), false);
    choose_bits(&n, 1);
    initialize(&n);
    train_step(&n);
    save(&n, fx_path("c"));
    all_bits(&n, a);
    lenet_open(&next, HAWQ(", \"compression_ratio\": 1.7"), false);
    load(&next, fx_path("c"), 1);
    all_bits(&next, b);
    ck_assert_str_eq(a, b);
    ck_assert_int_eq(step(&next), NNCF_PRECISION_DONE);
    train_step(&next);
    lenet_close(&next);
    /* without 2 among its bits it chooses again */
    lenet_open(&next,
        PRECISION("\"type\": \"hawq\", \"bits\": [4, 8], \"iter_number\": 2, "
                  "\"num_data_points\": 12, \"tolerance\": 0"),
        false);
    load(&next, fx_path("c"), 1);
    if (strchr(a, '2')) {
        ck_assert_ptr_nonnull(strstr(next.host.complaints, "has no bits that all quantizers"));
        ck_assert_int_eq(choose_bits(&next, 1), 4);
    }
    all_bits(&next, b);
    ck_assert_ptr_null(strchr(b, '2'));
    lenet_close(&next);
    /* and one that has them by hand has its own */
    lenet_open(&next, PRECISION("\"type\": \"manual\""), false);
    load(&next, fx_path("c"), 1);
    all_bits(&next, b);
    ck_assert_uint_eq(strspn(b, "8"), strlen(b));
    lenet_close(&next);
    lenet_close(&n);
}
END_TEST

START_TEST(damaged_bits_are_refused)
{
    lenet n;
    nncf_checkpoint *c = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    lenet_open(&n, HAWQ(""), false);
    choose_bits(&n, 1);
    n.ctrl->layers[2].weight_quantizer->params.bits = 5; /* none of 2, 4, 8 */
    save(&n, fx_path("c"));
    lenet_close(&n);
    lenet_open(&n, HAWQ(""), false);
    ck_assert_int_eq(nncf_checkpoint_open(n.host.context, fx_path("c"), NULL, &c, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_restore(c, n.ctrl, NULL, NULL, &err), NNCF_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "cannot have 5 bits"));
    ck_assert_int_eq(bits_of(&n, 2, NNCF__SLOT_WEIGHT), 8);
    nncf_checkpoint_close(c);
    lenet_close(&n);
}
END_TEST

/* bitwidth_per_scope of the report, in a config, gives the same bits again. */
START_TEST(the_report_is_a_config_by_hand)
{
    lenet n, manual;
    char a[32], b[32], config[4096];
    lenet_open(&n, HAWQ(", \"compression_ratio\": 2.4"), false);
    choose_bits(&n, 1);
    all_bits(&n, a);
    char *text = report(&n, NNCF_FORM_JSON);
    json_object *o = json_tokener_parse(text), *list = NULL;
    json_object_object_get_ex(o, "bitwidth_per_scope", &list);
    snprintf(config, sizeof config, PRECISION("\"type\": \"manual\", \"bitwidth_per_scope\": %s"),
        json_object_to_json_string(list));
    lenet_open(&manual, config, false);
    all_bits(&manual, b);
    ck_assert_str_eq(a, b);
    ck_assert_int_eq(manual.host.warnings, 0);
    ck_assert_int_eq(step(&manual), NNCF_PRECISION_DONE);
    lenet_close(&manual);
    json_object_put(o);
    free(text);
    lenet_close(&n);
}
END_TEST

/* NNCF's own names of quantizers. */
START_TEST(bits_by_hand_in_the_words_of_each_release)
{
    static const struct {
        const char *scope;
        int weight, output;
    } cases[] = {{"LeNet/Conv2d[conv1]|WEIGHT", 4, 8}, {"LeNet/Conv2d[conv1]|OUTPUT", 8, 4},
        {"TargetType.OPERATION_WITH_WEIGHTS LeNet/NNCFConv2d[conv1]", 4, 8},
        {"InsertionType.NNCF_MODULE_PRE_OP LeNet/NNCFConv2d[conv1]", 4, 8},
        {"LeNet/Conv2d[conv1]", 4, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char config[1024];
        lenet n;
        snprintf(config, sizeof config,
            PRECISION("\"type\": \"manual\", \"bitwidth_per_scope\": [[4, \"%s\"]]"),
            cases[i].scope);
        lenet_open(&n, config, false);
        ck_assert_msg(bits_of(&n, 0, NNCF__SLOT_WEIGHT) == cases[i].weight, "%s: weight %d",
            cases[i].scope, (int)bits_of(&n, 0, NNCF__SLOT_WEIGHT));
        if (i != 4)
            ck_assert_msg(bits_of(&n, 0, NNCF__SLOT_OUTPUT) == cases[i].output, "%s: output %d",
                cases[i].scope, (int)bits_of(&n, 0, NNCF__SLOT_OUTPUT));
        ck_assert_int_eq(n.host.warnings, 0);
        lenet_close(&n);
    }
}
END_TEST

START_TEST(the_plan_shows_the_choices)
{
    lenet n;
    char text[8192];
    nncf_plan *plan = NULL;
    lenet_open(&n, NULL, false);
    nncf_config *config = fx_config(n.host.context, HAWQ(""));
    ck_assert_int_eq(nncf_plan_create(n.model, config, &plan, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_TEXT, text, sizeof text, NULL, NULL), NNCF_OK);
    ck_assert_ptr_nonnull(strstr(text, "2|4|8 symmetric"));
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_JSON, text, sizeof text, NULL, NULL), NNCF_OK);
    ck_assert_ptr_nonnull(strstr(text, "\"bits_choices\":[2,4,8]"));
    nncf_plan_destroy(plan);
    nncf_config_destroy(config);
    lenet_close(&n);
}
END_TEST

START_TEST(chosen_bits_train_and_are_written_out)
{
    lenet n;
    char bits[32];
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_onnx_params onnx = {NNCF_PARAMS(nncf_onnx_params), .format = NNCF_ONNX_QDQ};
    lenet_open(&n, HAWQ(", \"compression_ratio\": 2.4"), false);
    choose_bits(&n, 1);
    all_bits(&n, bits);
    ck_assert_ptr_nonnull(strpbrk(bits, "24"));
    initialize(&n);
    for (int i = 0; i < 5; i++)
        train_step(&n);
    ck_assert_msg(
        nncf_strip_save(n.ctrl, fx_path("s"), NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    const nncf_status status = nncf_onnx_export(n.ctrl, fx_path("o"), &onnx, &err);
    ck_assert_msg(status == NNCF_OK || status == NNCF_E_UNSUPPORTED, "%s", err.message);
    lenet_close(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("precision_state");
    TCase *cases = fx_case(suite, "precision_state", 60);
    tcase_add_checked_fixture(cases, fx_folder_make, fx_folder_remove);
    tcase_add_test(cases, weights_with_a_layout_come_back);
    tcase_add_test(cases, masks_are_fixed_meanwhile);
    tcase_add_test(cases, chosen_bits_are_state);
    tcase_add_test(cases, another_config_takes_the_bits_that_it_may_have);
    tcase_add_test(cases, damaged_bits_are_refused);
    tcase_add_test(cases, the_report_is_a_config_by_hand);
    tcase_add_test(cases, bits_by_hand_in_the_words_of_each_release);
    tcase_add_test(cases, the_plan_shows_the_choices);
    tcase_add_test(cases, chosen_bits_train_and_are_written_out);
    return fx_main(suite);
}
