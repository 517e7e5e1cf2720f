/* SPDX-License-Identifier: Apache-2.0 */
/* Bits chosen by sensitivity, driven by a host's loop: what is chosen, and that the weights come
 * back whatever happens. */
#include "precision_fixture.h"

/* ---- what is chosen ---- */

START_TEST(the_loop_leaves_the_model_as_it_was)
{
    lenet n;
    lenet_open(&n, HAWQ(""), true);
    kept before = keep(&n);
    ck_assert_int_eq(choose_bits(&n, 1), 12);
    ck_assert(is_kept(&n, &before));
    ck_assert_mem_eq(n.k[0].mean, before.mean, sizeof before.mean);
    ck_assert_mem_eq(n.k[0].var, before.var, sizeof before.var);
    for (int i = 0; i < N_WEIGHTS; i++)
        for (size_t j = 0; j < n.k[i].weights; j++)
            ck_assert_float_eq(n.k[i].dw[j], 0);
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(n.ctrl); i++)
        ck_assert_float_eq(fx_parameter_at(n.ctrl, i).grad[0], 0);
    ck_assert_int_eq(step(&n), NNCF_PRECISION_DONE); /* there is no more to do */
    initialize(&n);
    train_step(&n);
    ck_assert_int_eq(n.host.warnings, 0);
    drop(&before);
    lenet_close(&n);
}
END_TEST

/* Products of an image: conv1, conv2, fc1, fc2. */
static const double operations[] = {
    C1 * 25.0 * S1 * S1, C2 *C1 * 9.0 * S2 *S2, N_3 *HIDDEN, HIDDEN *CLASSES};
/* of the weights in the model, and of what the quantizer of each one's input is in */
static const size_t weight_layers[] = {0, 2, 3, 4};

static double ratio_of(const lenet *n)
{
    double cost = 0, full = 0;
    for (int i = 0; i < N_WEIGHTS; i++) {
        const int32_t w = bits_of(n, weight_layers[i], NNCF__SLOT_WEIGHT);
        const int32_t a = i == 0 ? bits_of(n, 0, NNCF__SLOT_INPUT)
                                 : bits_of(n, weight_layers[i] - 1, NNCF__SLOT_OUTPUT);
        cost += operations[i] * (w > a ? w : a);
        full += operations[i] * 8;
    }
    return full / cost;
}

START_TEST(the_choice_is_cheap_enough_and_activations_follow)
{
    static const char *const configs[] = {HAWQ(""), HAWQ(", \"compression_ratio\": 2.5"),
        HAWQ(", \"compression_ratio\": 4"), HAWQ(", \"compression_ratio\": 1")};
    static const double ratios[] = {1.5, 2.5, 4, 1};
    for (int i = 0; i < 4; i++) {
        lenet n;
        lenet_open(&n, configs[i], false);
        choose_bits(&n, 1);
        ck_assert_double_ge(ratio_of(&n), ratios[i] - 1e-9);
        char *text = report(&n, NNCF_FORM_JSON);
        json_object *o = json_tokener_parse(text);
        ck_assert_double_eq_tol(number_in(o, "achieved_ratio"), ratio_of(&n), 1e-9);
        ck_assert_double_eq_tol(number_in(o, "largest_ratio"), 4, 1e-9);
        ck_assert_int_eq((int)number_in(o, "iterations"), 6);
        json_object *weights = NULL;
        json_object_object_get_ex(o, "weights", &weights);
        ck_assert_uint_eq(json_object_array_length(weights), N_WEIGHTS);
        double metric = 0;
        for (int k = 0; k < N_WEIGHTS;
             k++) { /* a smaller trace has no more bits than a larger one */
            json_object *a = json_object_array_get_idx(weights, (size_t)k);
            ck_assert_double_eq(number_in(a, "operations"), operations[k]);
            ck_assert_int_eq(
                (int)number_in(a, "bits"), bits_of(&n, weight_layers[k], NNCF__SLOT_WEIGHT));
            metric += number_in(a, "trace") * number_in(a, "squared_error");
            for (int j = 0; j < N_WEIGHTS; j++) {
                json_object *b = json_object_array_get_idx(weights, (size_t)j);
                ck_assert(number_in(a, "trace") >= number_in(b, "trace") ||
                    number_in(a, "bits") <= number_in(b, "bits"));
            }
        }
        ck_assert_double_eq_tol(metric, number_in(o, "metric"), 1e-9 * fabs(metric));
        for (size_t k = 0; k < N_WEIGHTS; k++) /* of one reader, its weight's */
            ck_assert_int_eq(k == 0 ? bits_of(&n, 0, NNCF__SLOT_INPUT)
                                    : bits_of(&n, weight_layers[k] - 1, NNCF__SLOT_OUTPUT),
                bits_of(&n, weight_layers[k], NNCF__SLOT_WEIGHT));
        free(text);
        text = report(&n, NNCF_FORM_TEXT);
        ck_assert_ptr_nonnull(strstr(text, "LeNet/Linear[fc2]"));
        ck_assert_ptr_nonnull(strstr(text, "6 random vectors"));
        free(text);
        json_object_put(o);
        lenet_close(&n);
    }
}
END_TEST

/* The squared errors of the report, by a plain loop. */
START_TEST(squared_errors_are_those_of_the_quantizer)
{
    lenet n;
    lenet_open(&n, HAWQ(", \"compression_ratio\": 2"), false);
    choose_bits(&n, 1);
    char *text = report(&n, NNCF_FORM_JSON);
    json_object *o = json_tokener_parse(text), *weights = NULL;
    json_object_object_get_ex(o, "weights", &weights);
    for (size_t k = 0; k < N_WEIGHTS; k++) {
        json_object *w = json_object_array_get_idx(weights, k);
        double largest = 0, sum = 0;
        for (size_t i = 0; i < n.k[k].weights; i++)
            largest = fmax(largest, fabs((double)n.k[k].w[i]));
        const double high = (1 << ((int)number_in(w, "bits") - 1)) - 1, scale = largest / high;
        for (size_t i = 0; i < n.k[k].weights; i++) {
            const double x = (double)n.k[k].w[i], q = rint(x / scale) * scale;
            sum += (q - x) * (q - x);
        }
        ck_assert_double_eq_tol(number_in(w, "squared_error"), sum, 1e-4 * sum);
    }
    json_object_put(o);
    free(text);
    lenet_close(&n);
}
END_TEST

/* What the rule lsq gives depends on the bits: each width's error is with its own range, and that
 * of the chosen one is there without an initialization, too. */
START_TEST(a_range_that_depends_on_the_bits_is_that_of_each_width)
{
    lenet n;
    lenet_open(&n,
        "{\"nncf_dialect\": \"1.5\", \"quantizer_setup_type\": \"pattern_based\", \"compression\": "
        "{\"algorithm\": \"quantization\", \"initializer\": {\"range\": {\"num_init_steps\": 1, "
        "\"type\": \"lsq\"}, \"precision\": {\"type\": \"hawq\", \"bits\": [2, 4, 8], "
        "\"iter_number\": 6, \"num_data_points\": 12, \"compression_ratio\": 2}}}}",
        false);
    choose_bits(&n, 1);
    char *text = report(&n, NNCF_FORM_JSON);
    json_object *o = json_tokener_parse(text), *weights = NULL;
    json_object_object_get_ex(o, "weights", &weights);
    for (size_t k = 0; k < N_WEIGHTS; k++) {
        json_object *w = json_object_array_get_idx(weights, k);
        const double high = (1 << ((int)number_in(w, "bits") - 1)) - 1;
        double mean = 0, sum = 0;
        for (size_t i = 0; i < n.k[k].weights; i++)
            mean += fabs((double)n.k[k].w[i]) / (double)n.k[k].weights;
        const double scale = 2 * mean / sqrt(high);
        for (size_t i = 0; i < n.k[k].weights; i++) {
            const double x = (double)n.k[k].w[i],
                         q = fmin(fmax(rint(x / scale), -high), high) * scale;
            sum += (q - x) * (q - x);
        }
        ck_assert_double_eq_tol(number_in(w, "squared_error"), sum, 1e-4 * sum);
        const nncf__quantizer *q =
            nncf__layer_quantizer(&n.ctrl->layers[weight_layers[k]], NNCF__SLOT_WEIGHT);
        ck_assert_double_eq_tol((double)q->scales[0], scale, 1e-6 * scale);
    }
    json_object_put(o);
    free(text);
    lenet_close(&n);
}
END_TEST

/* An estimate is one pass over a batch, and no weight moves. */
START_TEST(squares_of_gradients_choose_too)
{
    lenet n;
    int32_t more = 0, passes = 0;
    lenet_open(&n, HAWQ(", \"traces\": \"fisher\", \"compression_ratio\": 2"), false);
    kept before = keep(&n);
    while ((more = step(&n)) != NNCF_PRECISION_DONE) {
        ck_assert_int_eq(more, NNCF_PRECISION_NEW_BATCH);
        ck_assert(is_kept(&n, &before));
        lenet_pass(&n);
        passes++;
    }
    ck_assert_int_eq(passes, 6);
    ck_assert_double_ge(ratio_of(&n), 2 - 1e-9);
    char *text = report(&n, NNCF_FORM_JSON);
    json_object *o = json_tokener_parse(text), *weights = NULL;
    json_object_object_get_ex(o, "weights", &weights);
    for (int k = 0; k < N_WEIGHTS; k++) {
        json_object *a = json_object_array_get_idx(weights, (size_t)k);
        ck_assert_double_gt(number_in(a, "trace"), 0);
        for (int j = 0; j < N_WEIGHTS; j++) {
            json_object *b = json_object_array_get_idx(weights, (size_t)j);
            ck_assert(number_in(a, "trace") >= number_in(b, "trace") ||
                number_in(a, "bits") <= number_in(b, "bits"));
        }
    }
    ck_assert_ptr_nonnull(strstr(text, "\"traces\":\"fisher\""));
    json_object_put(o);
    free(text);
    text = report(&n, NNCF_FORM_TEXT);
    ck_assert_ptr_nonnull(strstr(text, "6 mean squares of gradients"));
    free(text);
    drop(&before);
    lenet_close(&n);
}
END_TEST

START_TEST(threads_and_the_hosts_factor_change_nothing)
{
    lenet a, b;
    lenet_open(&a, HAWQ(""), false);
    lenet_open(&b, HAWQ(""), false);
    ck_assert_int_eq(nncf_compression_ctrl_set_gradient_factor(b.ctrl, -4, NULL), NNCF_OK);
    choose_bits(&a, 1);
    choose_bits(&b, -4); /* a power of two: the same digits */
    char *x = report(&a, NNCF_FORM_JSON), *y = report(&b, NNCF_FORM_JSON);
    ck_assert_str_eq(x, y);
    free(x);
    free(y);
    lenet_close(&a);
    lenet_close(&b);
}
END_TEST

START_TEST(strict_gives_neighbours_the_same_bits)
{
    lenet n;
    lenet_open(
        &n, HAWQ(", \"bitwidth_assignment_mode\": \"strict\", \"compression_ratio\": 2"), false);
    choose_bits(&n, 1);
    for (size_t k = 1; k < N_WEIGHTS; k++)
        ck_assert_int_eq(bits_of(&n, weight_layers[k] - 1, NNCF__SLOT_OUTPUT),
            bits_of(&n, weight_layers[k], NNCF__SLOT_WEIGHT));
    ck_assert_double_ge(ratio_of(&n), 2 - 1e-9);
    lenet_close(&n);
}
END_TEST

START_TEST(bytes_are_a_criterion)
{
    lenet n;
    double bytes = 0, full = 0;
    lenet_open(&n, HAWQ(", \"criterion\": \"bytes\", \"compression_ratio\": 2.2"), false);
    choose_bits(&n, 1);
    for (size_t k = 0; k < N_WEIGHTS; k++) {
        const double count = (double)n.k[k].weights;
        bytes += ceil(count * bits_of(&n, weight_layers[k], NNCF__SLOT_WEIGHT) / 8);
        full += count;
    }
    ck_assert_double_ge(full / bytes, 2.2);
    lenet_close(&n);
}
END_TEST

/* Only 4 bits are fast on this host, and only where both sides have them. */
static double milliseconds(
    void *user, const nncf_layer *layer, int32_t weight_bits, int32_t activation_bits)
{
    ++*(int *)user;
    ck_assert_ptr_nonnull(nncf_layer_get_scope(layer));
    return weight_bits == 4 && activation_bits == 4 ? 1 : 3;
}

START_TEST(the_host_says_what_bits_cost)
{
    lenet n;
    int calls = 0, four = 0;
    int32_t more = 0;
    nncf_error err = NNCF_ERROR_INIT;
    lenet_open(&n, HAWQ(", \"criterion\": \"host\", \"compression_ratio\": 1.8"), false);
    ck_assert_int_eq(nncf_compression_ctrl_precision_step(n.ctrl, &more, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "nncf_compression_ctrl_set_precision_cost"));
    ck_assert_int_eq(
        nncf_compression_ctrl_set_precision_cost(n.ctrl, milliseconds, &calls, NULL), NNCF_OK);
    /* taken away on the way */
    ck_assert_int_eq(nncf_compression_ctrl_precision_step(n.ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_set_precision_cost(n.ctrl, NULL, NULL, NULL), NNCF_OK);
    lenet_pass(&n);
    ck_assert_int_eq(nncf_compression_ctrl_precision_step(n.ctrl, &more, &err), NNCF_E_STATE);
    ck_assert_int_eq(nncf_compression_ctrl_stop_precision(n.ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_compression_ctrl_set_precision_cost(n.ctrl, milliseconds, &calls, NULL), NNCF_OK);
    choose_bits(&n, 1);
    ck_assert_int_gt(calls, 10);
    for (size_t k = 0; k < N_WEIGHTS; k++)
        four += bits_of(&n, weight_layers[k], NNCF__SLOT_WEIGHT) == 4;
    ck_assert_int_ge(four, 3); /* 12 / (3 + 3) is 2, with two of them 1.5 */
    lenet_close(&n);
    lenet_open(&n, PRECISION("\"type\": \"manual\""), false);
    ck_assert_int_eq(
        nncf_compression_ctrl_set_precision_cost(n.ctrl, milliseconds, &calls, &err), NNCF_E_STATE);
    lenet_close(&n);
}
END_TEST

START_TEST(a_ratio_out_of_reach_is_refused_and_nothing_is_lost)
{
    lenet n;
    int32_t more = 1;
    nncf_status status;
    nncf_error err = NNCF_ERROR_INIT;
    lenet_open(&n, HAWQ(", \"compression_ratio\": 4.5"), false);
    kept before = keep(&n);
    while ((status = nncf_compression_ctrl_precision_step(n.ctrl, &more, &err)) == NNCF_OK && more)
        lenet_pass(&n);
    ck_assert_int_eq(status, NNCF_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "from 1 to 4"));
    ck_assert(is_kept(&n, &before));
    ck_assert_int_eq(bits_of(&n, 0, NNCF__SLOT_WEIGHT), 8);
    drop(&before);
    lenet_close(&n);
}
END_TEST

START_TEST(a_device_says_which_bits_there_are)
{
    static const char vpu[] =
        "{\"nncf_dialect\": \"1.6\", \"target_device\": \"VPU\", \"compression\": {\"algorithm\": "
        "\"quantization\", \"initializer\": {\"range\": {\"num_init_samples\": 12}, "
        "\"batchnorm_adaptation\": {\"num_bn_adaptation_samples\": 0}, \"precision\": {\"type\": "
        "\"hawq\", \"iter_number\": 3, \"num_data_points\": 12, \"compression_ratio\": 1.2}}}}";
    static const char cpu[] =
        "{\"nncf_dialect\": \"1.6\", \"target_device\": \"CPU\", \"compression\": {\"algorithm\": "
        "\"quantization\", \"initializer\": {\"precision\": {\"type\": \"hawq\"}}}}";
    lenet n;
    lenet_open(&n, vpu, false);
    ck_assert_int_eq(choose_bits(&n, 1), 6);
    /* linear layers have 8 bits there */
    ck_assert_int_eq(bits_of(&n, 3, NNCF__SLOT_WEIGHT), 8);
    ck_assert_int_eq(bits_of(&n, 4, NNCF__SLOT_WEIGHT), 8);
    ck_assert_int_eq(bits_of(&n, 0, NNCF__SLOT_WEIGHT), 4);
    lenet_close(&n);
    lenet_open(&n, cpu, false);
    ck_assert_int_eq(step(&n), NNCF_PRECISION_DONE);
    ck_assert_int_eq(n.host.warnings, 1);
    ck_assert_ptr_nonnull(strstr(n.host.complaints, "one width for every weight"));
    lenet_close(&n);
}
END_TEST

START_TEST(an_override_keeps_its_bits)
{
    lenet n;
    char bits[32];
    lenet_open(&n,
        "{\"nncf_dialect\": \"1.5\", \"quantizer_setup_type\": \"pattern_based\", \"compression\": "
        "{\"algorithm\": \"quantization\", \"weights\": {\"bits\": 6}, \"scope_overrides\": "
        "{\"LeNet/Conv2d[conv1]\": {\"bits\": 7}}, \"initializer\": {\"range\": "
        "{\"num_init_steps\": 1}, \"precision\": {\"type\": \"hawq\", \"bits\": [2, 4, 8], "
        "\"iter_number\": 2, \"num_data_points\": 12, \"compression_ratio\": 1.3}}}}",
        false);
    choose_bits(&n, 1);
    ck_assert_int_eq(bits_of(&n, 0, NNCF__SLOT_WEIGHT), 7);
    all_bits(&n, bits);
    ck_assert_ptr_null(strchr(bits, '6'));
    lenet_close(&n);
}
END_TEST

/* ---- what goes wrong ---- */

/* The call is refused, the weights are back, and the loop goes on. */
static void expect_refusal(lenet *n, const kept *before, const char *words)
{
    int32_t more = 7;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_compression_ctrl_precision_step(n->ctrl, &more, &err), NNCF_E_STATE);
    ck_assert_msg(strstr(err.message, words) != NULL, "%s", err.message);
    ck_assert_int_eq(more, 7);
    ck_assert(is_kept(n, before));
}

START_TEST(mistakes_of_the_loop_are_told_and_the_weights_are_back)
{
    lenet n;
    lenet_open(&n, HAWQ(""), false);
    kept before = keep(&n);
    step(&n);
    ck_assert(!is_kept(&n, &before));
    expect_refusal(&n, &before, "no layer ran forward");
    step(&n);
    lenet_forward(&n);
    expect_refusal(&n, &before, "no gradient came");
    step(&n);
    lenet_pass(&n);
    lenet_zero_grad(&n);
    expect_refusal(&n, &before, "no gradient came");
    step(&n);
    lenet_pass(&n);
    n.k[1].w[3] -= 1e-3f * n.k[1].dw[3];
    expect_refusal(&n, &before, "LeNet/Conv2d[conv2] was changed");
    step(&n);
    lenet_pass(&n);
    n.k[2].dw[5] = NAN;
    expect_refusal(&n, &before, "LeNet/Linear[fc1] is not finite");
    step(&n);
    lenet_pass(&n);
    ck_assert_int_eq(step(&n), NNCF_PRECISION_SAME_BATCH);
    n.images = 7;
    lenet_pass(&n);
    expect_refusal(&n, &before, "had 12 images and has 7");
    n.images = IMAGES;
    ck_assert_int_eq(choose_bits(&n, 1), 12);
    ck_assert(is_kept(&n, &before));
    /* with the same outcome as without a mistake */
    lenet other;
    lenet_open(&other, HAWQ(""), false);
    choose_bits(&other, 1);
    char *x = report(&n, NNCF_FORM_JSON), *y = report(&other, NNCF_FORM_JSON);
    ck_assert_str_eq(x, y);
    free(x);
    free(y);
    lenet_close(&other);
    drop(&before);
    lenet_close(&n);
}
END_TEST

START_TEST(a_loop_that_is_given_up_leaves_the_weights)
{
    for (int how = 0; how < 3; how++)
        for (int passes = 1; passes < 4; passes++) {
            lenet n;
            lenet_open(&n, HAWQ(""), false);
            kept before = keep(&n);
            for (int i = 0; i < passes; i++) {
                step(&n);
                lenet_pass(&n);
            }
            ck_assert(!is_kept(&n, &before));
            if (how == 0) {
                ck_assert_int_eq(nncf_compression_ctrl_stop_precision(n.ctrl, NULL), NNCF_OK);
                ck_assert(is_kept(&n, &before));
                ck_assert_int_eq(nncf_compression_ctrl_stop_precision(n.ctrl, NULL), NNCF_OK);
                ck_assert_int_eq(choose_bits(&n, 1), 12); /* anew */
            } else if (how == 1) {
                nncf_compression_ctrl_destroy(n.ctrl);
                n.ctrl = NULL;
            } else {
                nncf_model_destroy(n.model);
                n.model = NULL;
            }
            ck_assert(is_kept(&n, &before));
            drop(&before);
            lenet_close(&n);
        }
}
END_TEST

START_TEST(other_calls_wait_for_the_loop)
{
    lenet n;
    int32_t more;
    nncf_error err = NNCF_ERROR_INIT;
    lenet_open(&n, HAWQ(""), false);
    kept before = keep(&n);
    for (int measuring = 0; measuring < 2; measuring++) {
        const char *words = measuring ? "nncf_compression_ctrl_stop_precision"
                                      : "nncf_compression_ctrl_precision_step() loop first";
        ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, &err), NNCF_E_STATE);
        ck_assert_ptr_nonnull(strstr(err.message, words));
        ck_assert_int_eq(nncf_compression_ctrl_step(n.ctrl, &err), NNCF_E_STATE);
        ck_assert_ptr_nonnull(strstr(err.message, words));
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n.ctrl, &err), NNCF_E_STATE);
        ck_assert_ptr_nonnull(strstr(err.message, words));
        ck_assert_int_eq(nncf_strip_save(n.ctrl, fx_path("s"), NULL, NULL, &err), NNCF_E_STATE);
        ck_assert_ptr_nonnull(strstr(err.message, words));
        ck_assert_int_eq(
            nncf_compression_ctrl_format_precision(n.ctrl, NNCF_FORM_TEXT, NULL, 0, NULL, &err),
            NNCF_E_STATE);
        ck_assert_int_eq(nncf_checkpoint_save(n.ctrl, fx_path("c"), NULL, 0, NULL, &err),
            measuring ? NNCF_E_STATE : NNCF_OK);
        if (!measuring)
            step(&n);
    }
    ck_assert_int_eq(nncf_compression_ctrl_update(n.ctrl, NULL, &err), NNCF_E_STATE);
    nncf_checkpoint *c = NULL;
    ck_assert_int_eq(nncf_checkpoint_open(n.host.context, fx_path("c"), NULL, &c, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_restore(c, n.ctrl, NULL, NULL, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "nncf_compression_ctrl_stop_precision"));
    nncf_checkpoint_close(c);
    nncf_compression_ctrl_stop_precision(n.ctrl, NULL);
    ck_assert(is_kept(&n, &before));
    drop(&before);
    lenet_close(&n);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    lenet n;
    size_t failures = 0;
    int passes = 0;
    lenet_open(&n, HAWQ(""), false);
    lenet_pass(&n); /* its buffers */
    kept before = keep(&n);
    for (int32_t more = 1; more;) {
        nncf_error err = NNCF_ERROR_INIT;
        n.host.memory.fail_at = n.host.memory.calls + 1 + failures; /* each in its turn */
        const nncf_status status = nncf_compression_ctrl_precision_step(n.ctrl, &more, &err);
        n.host.memory.fail_at = 0;
        if (status == NNCF_OK) {
            lenet_pass(&n);
            passes++;
            continue;
        }
        ck_assert_int_eq(status, NNCF_E_NOMEM);
        ck_assert(is_kept(&n, &before));
        ck_assert_uint_lt(++failures, 100);
        more = 1;
    }
    ck_assert_uint_gt(failures, 10);
    ck_assert_int_ge(passes, 12);
    ck_assert(is_kept(&n, &before));
    drop(&before);
    lenet_close(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("precision");
    TCase *cases = fx_case(suite, "precision", 60);
    tcase_add_checked_fixture(cases, fx_folder_make, fx_folder_remove);
    tcase_add_test(cases, the_loop_leaves_the_model_as_it_was);
    tcase_add_test(cases, the_choice_is_cheap_enough_and_activations_follow);
    tcase_add_test(cases, squared_errors_are_those_of_the_quantizer);
    tcase_add_test(cases, threads_and_the_hosts_factor_change_nothing);
    tcase_add_test(cases, strict_gives_neighbours_the_same_bits);
    tcase_add_test(cases, a_range_that_depends_on_the_bits_is_that_of_each_width);
    tcase_add_test(cases, squares_of_gradients_choose_too);
    tcase_add_test(cases, bytes_are_a_criterion);
    tcase_add_test(cases, the_host_says_what_bits_cost);
    tcase_add_test(cases, a_ratio_out_of_reach_is_refused_and_nothing_is_lost);
    tcase_add_test(cases, a_device_says_which_bits_there_are);
    tcase_add_test(cases, an_override_keeps_its_bits);
    tcase_add_test(cases, mistakes_of_the_loop_are_told_and_the_weights_are_back);
    tcase_add_test(cases, a_loop_that_is_given_up_leaves_the_weights);
    tcase_add_test(cases, other_calls_wait_for_the_loop);
    tcase_add_test(cases, every_allocation_may_fail);
    return fx_main(suite);
}
