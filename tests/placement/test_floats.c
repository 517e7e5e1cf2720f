/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plan says of what stays float; and attention: where quantizers stand by NNCF's rules. The
 * expected places are those of NNCF 1.3 (patterns) and of its traits of operators from 1.5 to 2.9
 * (matmul and linear have quantized inputs; softmax and embedding stay float on every device).
 */
#include "support/fixture.h"
#include "support/zoo.h"

typedef struct plan {
    char text[8192], json[8192];
} plan;

static void make_plan(plan *p, const nncf_model *model, const char *config_text)
{
    nncf_plan *made = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = fx_config(NULL, config_text);
    ck_assert_msg(nncf_plan_create(model, config, &made, &err) == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(
        nncf_plan_format(made, NNCF_FORM_TEXT, p->text, sizeof p->text, NULL, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_plan_format(made, NNCF_FORM_JSON, p->json, sizeof p->json, NULL, NULL), NNCF_OK);
    nncf_plan_destroy(made);
    nncf_config_destroy(config);
}

static int lines_with(const plan *p, const char *word)
{
    int n = 0;
    for (const char *at = p->text; (at = strstr(at, word)); at += strlen(word))
        n++;
    return n;
}

/* The line of the table that begins with the layer and has what; NULL: none. */
static bool has_line(const plan *p, const char *layer, const char *what, const char *rest)
{
    for (const char *line = p->text; line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const size_t n = strlen(layer);
        if (strncmp(line, layer, n) != 0 || line[n] != ' ')
            continue;
        const char *column = line + strspn(line + n, " ") + n;
        const char *found = strstr(line, rest), *end = strchr(line, '\n');
        if (strncmp(column, what, strlen(what)) == 0 && found && (!end || found < end))
            return true;
    }
    return false;
}

#define HAS(layer, what, rest)                                                                     \
    ck_assert_msg(                                                                                 \
        has_line(&p, layer, what, rest), "no line %s, %s, %s in\n%s", layer, what, rest, p.text)
#define HAS_NOT(layer, what)                                                                       \
    ck_assert_msg(!has_line(&p, layer, what, ""), "a line %s, %s in\n%s", layer, what, p.text)

/* ---- what stays float ---- */

/* input - a - relu - fork to the sum, which is ignored, and to f. */
static void residual(zoo *z)
{
    node a = zoo_linear(z, "Net/Linear[a]", 4, 4, NULL);
    node relu = zoo_unary(z, NNCF_OP_TANH, "Net/Tanh[t]", a);
    node f = zoo_linear(z, "Net/Linear[f]", 4, 4, relu);
    zoo_sum(z, "Net/__add___0", NULL, relu, f);
}

#define DEVICE(device, rest)                                                                       \
    "{\"target_device\": \"" device "\", \"compression\": {\"algorithm\": \"quantization\"" rest   \
    "}}"

START_TEST(a_fork_to_a_float_operator_is_told)
{
    plan p;
    zoo *z = zoo_new(false);
    residual(z);
    make_plan(&p, z->model, DEVICE("CPU", ", \"ignored_scopes\": [\"Net/__add___0\"]"));
    HAS("Net/Linear[f]", "weight", "8 symmetric");
    HAS("Net/Linear[f]", "input", "float");
    HAS("Net/Linear[f]", "input",
        "behind Net/Tanh[t]/tanh_0 is a fork, and Net/__add___0 stays float");
    HAS("Net/__add___0", "input", "float          the config's scopes leave it out");
    ck_assert_ptr_nonnull(strstr(p.json,
        "{\"layer\":\"Net/Linear[f]\",\"what\":\"input\",\"from\":\"Net/Tanh[t]/tanh_0\",\"why\":"
        "\"behind Net/Tanh[t]/tanh_0 is a fork, and Net/__add___0 stays float\"}"));
    /* nothing ignored: nothing stays float */
    make_plan(&p, z->model, DEVICE("CPU", ""));
    ck_assert_msg(lines_with(&p, " float ") == 0, "%s", p.text);
    ck_assert_ptr_nonnull(strstr(p.json, "\"floats\":[]"));
    zoo_free(z);
}
END_TEST

START_TEST(weights_and_inputs_that_are_left_out_are_told)
{
    plan p;
    zoo *z = zoo_new(false);
    residual(z);
    make_plan(&p, z->model,
        DEVICE("CPU", ", \"quantize_inputs\": false, \"ignored_scopes\": [\"Net/Linear[f]\"]"));
    HAS("Net/Linear[a]", "input", "quantize_inputs is false");
    HAS("Net/Linear[f]", "weight", "float          the config's scopes leave it out");
    HAS_NOT("Net/Linear[f]", "input"); /* of a float product */
    /* by patterns: none ends behind a tanh, and the list names what it leaves out */
    make_plan(&p, z->model,
        "{\"nncf_dialect\": \"1.3\", \"compression\": {\"algorithm\": \"quantization\"}}");
    HAS("Net/Linear[f]", "input", "no pattern of this dialect ends behind Net/Tanh[t]/tanh_0");
    HAS_NOT("Net/Linear[f]", "weight  float");
    /* sparsity alone quantizes nothing, and nothing is missing */
    make_plan(&p, z->model, "{\"compression\": {\"algorithm\": \"magnitude_sparsity\"}}");
    ck_assert_int_eq(lines_with(&p, " float "), 0);
    zoo_free(z);
}
END_TEST

/* A tied head has its weight's quantizer where the weight is, and an input of its own. */
START_TEST(a_tied_layer_with_a_float_input_is_told)
{
    plan p;
    nncf_layer *a, *head;
    nncf_error err = NNCF_ERROR_INIT;
    zoo *z = zoo_new(false);
    nncf_linear_params linear = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[a]",
        .weight = zoo_weight(z, 16), .in_features = 4, .out_features = 4};
    ck_assert_int_eq(nncf_model_add_linear(z->model, &linear, &a, NULL), NNCF_OK);
    node t = zoo_unary(z, NNCF_OP_TANH, "Net/Tanh[t]", a);
    linear.scope = "Net/Linear[head]";
    linear.inputs = &t;
    linear.n_inputs = 1;
    linear.tied_to = a;
    ck_assert_msg(
        nncf_model_add_linear(z->model, &linear, &head, &err) == NNCF_OK, "%s", err.message);
    make_plan(&p, z->model,
        "{\"nncf_dialect\": \"1.3\", \"compression\": {\"algorithm\": \"quantization\"}}");
    HAS("Net/Linear[head]", "input", "no pattern of this dialect ends behind Net/Tanh[t]/tanh_0");
    zoo_free(z);
}
END_TEST

START_TEST(quantizers_by_hand_that_are_ignored_are_told)
{
    plan p;
    nncf_layer *layer;
    zoo *z = zoo_new(false);
    const nncf_quantizer_params q = {NNCF_PARAMS(nncf_quantizer_params), .scope = "q"},
                                v = {NNCF_PARAMS(nncf_quantizer_params), .scope = "v"};
    ck_assert_int_eq(nncf_model_add_quantizer(z->model, &q, &layer, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_quantizer(z->model, &v, &layer, NULL), NNCF_OK);
    make_plan(&p, z->model, DEVICE("CPU", ", \"ignored_scopes\": [\"v\"]"));
    HAS("q", "output", "8 symmetric");
    HAS("v", "output", "float          the config's scopes leave it out");
    ck_assert_int_eq(lines_with(&p, " float "), 1);
    zoo_free(z);
}
END_TEST

/* ---- attention ---- */

static node embedding(zoo *z, node ids)
{
    nncf_layer *layer = NULL;
    const int64_t shape[] = {16, 8};
    const nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .scope = "Gpt/Embedding[wte]",
        .op = NNCF_OP_EMBEDDING, .weight = zoo_weight(z, 16 * 8), .weight_ndim = 2,
        .weight_shape = shape, .inputs = &ids, .n_inputs = ids != NULL};
    ck_assert_int_eq(nncf_model_add_op(z->model, &p, &layer, NULL), NNCF_OK);
    return layer;
}

enum form { SEPARATE, FUSED, CUT };

/* A block as GPT-2 has it: q, k and v by three linear layers, by one and views of it, or by one
 * that is cut by an operator that knows nothing. */
static void attention(zoo *z, enum form form, bool with_ids)
{
    static const char *const names[] = {"q", "k", "v"};
    char scope[ZOO_NAME];
    node part[3], ids = NULL;
    if (with_ids)
        ids = zoo_op(z, NNCF_OP_INPUT, "Gpt/ids", 0, NULL);
    node x = embedding(z, ids), ln = zoo_unary(z, NNCF_OP_LAYER_NORM, "Gpt/LayerNorm[ln1]", x);
    node qkv = form == SEPARATE ? NULL : zoo_linear(z, "Gpt/Linear[qkv]", 8, 24, ln);
    for (int i = 0; i < 3; i++) {
        snprintf(scope, sizeof scope, form == SEPARATE ? "Gpt/Linear[%s]" : "Gpt/%s", names[i]);
        part[i] = form == SEPARATE
            ? zoo_linear(z, scope, 8, 8, ln)
            : zoo_unary(z, form == CUT ? NNCF_OP_OPAQUE : NNCF_OP_RESHAPE, scope, qkv);
    }
    node scores = zoo_op(z, NNCF_OP_MATMUL, "Gpt/matmul_0", 2, (node[]){part[0], part[1]});
    node weights = zoo_unary(z, NNCF_OP_SOFTMAX, "Gpt/softmax_0", scores);
    node y = zoo_op(z, NNCF_OP_MATMUL, "Gpt/matmul_1", 2, (node[]){weights, part[2]});
    node proj = zoo_linear(z, "Gpt/Linear[proj]", 8, 8, y);
    zoo_op(z, NNCF_OP_ADD, "Gpt/__add___0", 2, (node[]){x, proj});
}

static const char *const propagating[] = {DEVICE("CPU", ""), DEVICE("VPU", ""), DEVICE("GPU", ""),
    DEVICE("TRIAL", ""),
    "{\"nncf_dialect\": \"2.9\", \"compression\": {\"algorithm\": \"quantization\"}}"};
enum { PROPAGATING = sizeof propagating / sizeof *propagating };

START_TEST(attention_has_a_quantizer_for_each_factor)
{
    plan p;
    zoo *z = zoo_new(false);
    attention(z, SEPARATE, _i >= PROPAGATING);
    make_plan(&p, z->model, propagating[_i % PROPAGATING]);
    HAS("Gpt/Linear[q]", "output", "8 symmetric");
    HAS("Gpt/Linear[k]", "output", "8 symmetric");
    HAS("Gpt/Linear[v]", "output", "8 symmetric");
    HAS("Gpt/softmax_0", "output", "8 symmetric");
    HAS("Gpt/matmul_1", "output", "8 symmetric"); /* read by proj */
    HAS_NOT("Gpt/matmul_0", "output"); /* softmax reads floats */
    HAS_NOT("Gpt/matmul_0", "input");
    HAS_NOT("Gpt/matmul_1", "input");
    /* no quantizer on token ids; the embedding's output has one, for the norm */
    HAS_NOT("Gpt/ids", "output");
    HAS_NOT("Gpt/Embedding[wte]", "input");
    HAS("Gpt/Embedding[wte]", "output", "8 symmetric");
    zoo_free(z);
}
END_TEST

/* Views of one product: NNCF merges the three into one. Cut by NNCF_OP_OPAQUE, each has its own. */
START_TEST(views_share_a_quantizer_and_opaque_parts_do_not)
{
    for (int form = FUSED; form <= CUT; form++) {
        plan p;
        zoo *z = zoo_new(false);
        attention(z, (enum form)form, true);
        make_plan(&p, z->model, propagating[_i]);
        if (form == FUSED) {
            HAS("Gpt/Linear[qkv]", "output", "8 symmetric");
            HAS_NOT("Gpt/q", "output");
            HAS_NOT("Gpt/v", "output");
        } else {
            HAS_NOT("Gpt/Linear[qkv]", "output");
            HAS("Gpt/q", "output", "8 symmetric");
            HAS("Gpt/k", "output", "8 symmetric");
            HAS("Gpt/v", "output", "8 symmetric");
        }
        HAS("Gpt/softmax_0", "output", "8 symmetric");
        ck_assert_msg(lines_with(&p, " float ") == 0, "%s", p.text);
        zoo_free(z);
    }
}
END_TEST

/* By patterns a quantizer follows each linear layer and product, and none the softmax: the plan
 * says that the second product reads floats. */
START_TEST(attention_by_patterns)
{
    for (int form = SEPARATE; form <= FUSED; form++) {
        plan p;
        zoo *z = zoo_new(false);
        attention(z, (enum form)form, true);
        make_plan(&p, z->model,
            "{\"nncf_dialect\": \"1.3\", \"compression\": {\"algorithm\": \"quantization\"}}");
        if (form == SEPARATE)
            HAS("Gpt/Linear[k]", "output", "8 symmetric");
        else
            HAS("Gpt/Linear[qkv]", "output", "8 symmetric");
        HAS("Gpt/matmul_0", "output", "8 symmetric");
        HAS("Gpt/matmul_1", "input",
            "float          no pattern of this dialect ends behind Gpt/softmax_0");
        HAS_NOT("Gpt/softmax_0", "output");
        HAS_NOT("Gpt/ids", "output");
        HAS_NOT("Gpt/Embedding[wte]", "input");
        zoo_free(z);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("floats");
    TCase *tcase = fx_case(suite, "floats", 60);
    tcase_add_test(tcase, a_fork_to_a_float_operator_is_told);
    tcase_add_test(tcase, weights_and_inputs_that_are_left_out_are_told);
    tcase_add_test(tcase, a_tied_layer_with_a_float_input_is_told);
    tcase_add_test(tcase, quantizers_by_hand_that_are_ignored_are_told);
    tcase_add_loop_test(tcase, attention_has_a_quantizer_for_each_factor, 0, 2 * PROPAGATING);
    tcase_add_loop_test(tcase, views_share_a_quantizer_and_opaque_parts_do_not, 0, PROPAGATING);
    tcase_add_test(tcase, attention_by_patterns);
    return fx_main(suite);
}
