/* SPDX-License-Identifier: Apache-2.0 */
/* Every kind of layer that the library runs, on 2 to 5 dimensions: the file is what
 * nncf_layer_forward() computes. */
#include "fixture.h"
#include "read_back.h"
#include "support/runner.h"

#include <check.h>

enum { NODES = 4, FLOATS = 1024, WORDS = 6, CHANNELS = 4, NONE = -1, INPUT = -1 };

/* The second and the last size are equal, so that channels may be either and a range of the wrong
 * one shows. */
static const int64_t input_sizes[6][5] = {
    [2] = {2, 4}, [3] = {2, 4, 4}, [4] = {2, 4, 3, 4}, [5] = {2, 4, 3, 2, 4}};

/* Of token ids. */
static const int64_t id_sizes[5][4] = {[2] = {2, 3}, [3] = {2, 3, 2}, [4] = {2, 3, 2, 2}};

typedef enum kind {
    END,
    LINEAR,
    /* a linear layer of 2 dimensions, a convolution of 4 */
    STEM,
    CONV,
    /* with two groups, and with batch norm */
    TRANSPOSED,
    TRANSPOSED_NORM,
    EMBEDDING,
    /* a linear layer with the embedding's weight */
    TIED,
    /* two heads apart, and together */
    APART,
    TOGETHER,
    /* one slope a channel, or one */
    SLOPES,
    SLOPE,
    GROUPS,
    DROPOUT,
    RELU,
    NORM,
    SOFTMAX,
    CAUSAL,
    ADD,
    CONCAT,
    MULTIPLY,
    MATMUL,
    /* the next ones plus NNCF_POOL_... or NNCF_UPSAMPLE_... */
    POOL = 100,
    /* padded at the end alone; rounding up; and without the padding in the average */
    POOL_END = 110,
    POOL_CEIL = 120,
    POOL_EXCLUDE = 130,
    UPSAMPLE = 200
} kind;

typedef struct net {
    on_net base; /* its buffers and random numbers */
    kind kinds[NODES];
    int in[NODES][2];
    /* the embedding's weight */
    float *words;
    float input[FLOATS], values[NODES][FLOATS];
    int32_t ids[FLOATS];
    int64_t shapes[NODES][NNCF_MAX_NDIM];
    int32_t ndims[NODES];
    const int64_t *input_shape;
    int32_t input_ndim;
    /* activation quantizers with several ranges */
    int per_channel;
} net;
static net n;

/* Configs: without ranges per channel, which what has no channels cannot have; without placement by
 * propagation, which wants a layer in front of a norm; all. */
enum { PLAIN = 2, LEGACY = 3, ALL = 4 };

static const struct {
    const char *name;
    kind kinds[NODES];
    int in[NODES][2];
    /* of the input */
    int ranks[2], step;
    /* of the configs, the first ones */
    int configs;
} cases[] = {
    {"linear", {LINEAR}, {{INPUT, NONE}}, {2, 5}, 1, ALL},
    {"two linear", {LINEAR, LINEAR}, {{INPUT, NONE}, {0, NONE}}, {2, 5}, 1, ALL},
    {"activation", {LINEAR, RELU}, {{INPUT, NONE}, {0, NONE}}, {2, 5}, 1, ALL},
    {"layer norm", {LINEAR, NORM}, {{INPUT, NONE}, {0, NONE}}, {2, 5}, 1, ALL},
    {"layer norm first", {NORM, LINEAR}, {{INPUT, NONE}, {0, NONE}}, {2, 5}, 1, LEGACY},
    {"softmax", {LINEAR, SOFTMAX}, {{INPUT, NONE}, {0, NONE}}, {2, 5}, 1, ALL},
    {"causal softmax", {LINEAR, CAUSAL}, {{INPUT, NONE}, {0, NONE}}, {3, 5}, 1, ALL},
    {"causal softmax twice", {LINEAR, CAUSAL, LINEAR, CAUSAL},
        {{INPUT, NONE}, {0, NONE}, {1, NONE}, {2, NONE}}, {3, 5}, 1, ALL},
    {"sum", {LINEAR, RELU, ADD}, {{INPUT, NONE}, {0, NONE}, {0, 1}}, {2, 5}, 1, ALL},
    {"concat", {LINEAR, RELU, CONCAT}, {{INPUT, NONE}, {0, NONE}, {0, 1}}, {2, 5}, 1, ALL},
    {"multiply", {LINEAR, RELU, MULTIPLY}, {{INPUT, NONE}, {0, NONE}, {0, 1}}, {2, 5}, 1, ALL},
    {"matmul", {LINEAR, RELU, MATMUL}, {{INPUT, NONE}, {0, NONE}, {0, 1}}, {2, 5}, 1, PLAIN},
    {"heads", {LINEAR, APART}, {{INPUT, NONE}, {0, NONE}}, {2, 5}, 1, PLAIN},
    {"heads and back", {LINEAR, APART, TOGETHER}, {{INPUT, NONE}, {0, NONE}, {1, NONE}}, {2, 5}, 1,
        PLAIN},
    {"embedding", {EMBEDDING}, {{INPUT, NONE}}, {2, 4}, 1, ALL},
    {"rows of embeddings", {EMBEDDING, NORM, LINEAR}, {{INPUT, NONE}, {0, NONE}, {1, NONE}}, {2, 4},
        1, ALL},
    {"tied embedding", {EMBEDDING, NORM, TIED}, {{INPUT, NONE}, {0, NONE}, {1, NONE}}, {2, 4}, 1,
        PLAIN},
    {"concat of embeddings", {EMBEDDING, NORM, CONCAT}, {{INPUT, NONE}, {0, NONE}, {0, 1}}, {2, 4},
        1, PLAIN},
    {"convolution", {STEM, CONV}, {{INPUT, NONE}, {0, NONE}}, {2, 4}, 2, ALL},
    {"transposed", {STEM, TRANSPOSED}, {{INPUT, NONE}, {0, NONE}}, {2, 4}, 2, ALL},
    {"transposed with batch norm", {STEM, TRANSPOSED_NORM}, {{INPUT, NONE}, {0, NONE}}, {2, 4}, 2,
        ALL},
    {"slopes", {STEM, SLOPES}, {{INPUT, NONE}, {0, NONE}}, {2, 4}, 2, ALL},
    {"one slope", {LINEAR, SLOPE}, {{INPUT, NONE}, {0, NONE}}, {2, 5}, 1, ALL},
    {"group norm", {STEM, GROUPS}, {{INPUT, NONE}, {0, NONE}}, {2, 4}, 2, ALL},
    {"dropout between", {LINEAR, DROPOUT, LINEAR}, {{INPUT, NONE}, {0, NONE}, {1, NONE}}, {2, 5}, 1,
        ALL},
    {"dropout at the end", {LINEAR, RELU, DROPOUT}, {{INPUT, NONE}, {0, NONE}, {1, NONE}}, {2, 5},
        1, ALL},
    {"global average", {STEM, POOL + NNCF_POOL_GLOBAL_AVERAGE}, {{INPUT, NONE}, {0, NONE}}, {2, 4},
        2, ALL},
    {"average", {STEM, POOL + NNCF_POOL_AVERAGE}, {{INPUT, NONE}, {0, NONE}}, {2, 4}, 2, ALL},
    {"maximum", {STEM, POOL + NNCF_POOL_MAX}, {{INPUT, NONE}, {0, NONE}}, {2, 4}, 2, ALL},
    {"maximum, padded at the end", {STEM, POOL_END + NNCF_POOL_MAX}, {{INPUT, NONE}, {0, NONE}},
        {2, 4}, 2, ALL},
    {"average, padded at the end", {STEM, POOL_END + NNCF_POOL_AVERAGE}, {{INPUT, NONE}, {0, NONE}},
        {2, 4}, 2, ALL},
    {"maximum, rounding up", {STEM, POOL_CEIL + NNCF_POOL_MAX}, {{INPUT, NONE}, {0, NONE}}, {2, 4},
        2, ALL},
    {"average, rounding up", {STEM, POOL_CEIL + NNCF_POOL_AVERAGE}, {{INPUT, NONE}, {0, NONE}},
        {2, 4}, 2, ALL},
    {"average of pixels, rounding up", {STEM, POOL_EXCLUDE + NNCF_POOL_AVERAGE},
        {{INPUT, NONE}, {0, NONE}}, {2, 4}, 2, ALL},
    {"mean of rows", {STEM, POOL + NNCF_POOL_MEAN_ROWS}, {{INPUT, NONE}, {0, NONE}}, {2, 4}, 2,
        ALL},
    {"mean of columns", {STEM, POOL + NNCF_POOL_MEAN_COLUMNS}, {{INPUT, NONE}, {0, NONE}}, {2, 4},
        2, ALL},
    {"nearest", {STEM, UPSAMPLE + NNCF_UPSAMPLE_NEAREST}, {{INPUT, NONE}, {0, NONE}}, {2, 4}, 2,
        ALL},
    {"bilinear", {STEM, UPSAMPLE + NNCF_UPSAMPLE_BILINEAR}, {{INPUT, NONE}, {0, NONE}}, {2, 4}, 2,
        ALL},
/* (N,C) and (N,C,1,1) */
#define MIXED(name, last, first, second)                                                           \
    {                                                                                              \
        name, {STEM, POOL + NNCF_POOL_GLOBAL_AVERAGE, LINEAR, last},                               \
            {{INPUT, NONE}, {0, NONE}, {1, NONE}, {first, second}}, {4, 4}, 1, ALL                 \
    }
    MIXED("sum of planes and a vector", ADD, 1, 2),
    MIXED("sum of a vector and planes", ADD, 2, 1),
    MIXED("concat of planes and a vector", CONCAT, 1, 2),
    MIXED("concat of a vector and planes", CONCAT, 2, 1),
    MIXED("product of planes and a vector", MULTIPLY, 1, 2),
    MIXED("product of a vector and planes", MULTIPLY, 2, 1),
    MIXED("squeeze and excite", MULTIPLY, 0, 2),
    {"planes by their mean", {STEM, POOL + NNCF_POOL_GLOBAL_AVERAGE, MULTIPLY},
        {{INPUT, NONE}, {0, NONE}, {0, 1}}, {4, 4}, 1, ALL},
};
enum { CASES = sizeof cases / sizeof *cases };

static const char *const configs[ALL] = {ON_CONFIG(""),
    ON_CONFIG(ON_QUANTIZATION("\"bits\":8", "\"bits\":8")),
    ON_CONFIG(ON_QUANTIZATION("\"bits\":8", "\"bits\":8,\"per_channel\":true")),
    /* where the last product is quantized in front, behind all that passes its quantizer on */
    "{\"target_device\":\"NONE\",\"input_info\":{\"sample_size\":[1,2,12,12]},\"compression\":{"
    "\"algorithm\":\"quantization\",\"initializer\":{\"range\":{\"num_init_samples\":0}},"
    "\"activations\":{\"per_channel\":true,\"bits\":8}}}"};

static void add_embedding(int i)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_embedding_params p = {NNCF_PARAMS(nncf_embedding_params), .scope = on_scopes[i],
        .weight = n.words = on_floats(&n.base, (size_t)WORDS * CHANNELS, 1, 0), .words = WORDS,
        .size = CHANNELS};
    on_must(nncf_model_add_embedding(n.base.model, &p, &n.base.layers[i], &err), &err);
}

static void add_heads(int i, int input, bool merge)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_heads_params p = {NNCF_PARAMS(nncf_heads_params), .scope = on_scopes[i], .heads = 2,
        .merge = merge, .inputs = &n.base.layers[input], .n_inputs = 1};
    on_must(nncf_model_add_heads(n.base.model, &p, &n.base.layers[i], &err), &err);
}

static void add_tied(int i, int input)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = on_scopes[i],
        .weight = n.words, .in_features = CHANNELS, .out_features = WORDS,
        .inputs = &n.base.layers[input], .n_inputs = 1, .tied_to = n.base.layers[0]};
    on_must(nncf_model_add_linear(n.base.model, &p, &n.base.layers[i], &err), &err);
}

static void add_norm(int i, int input)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_layer_norm_params p = {NNCF_PARAMS(nncf_layer_norm_params), .scope = on_scopes[i],
        .size = CHANNELS, .weight = on_floats(&n.base, CHANNELS, 0.5, 1),
        .bias = on_floats(&n.base, CHANNELS, 0.3, 0),
        .inputs = input < 0 ? NULL : &n.base.layers[input], .n_inputs = input < 0 ? 0 : 1};
    on_must(nncf_model_add_layer_norm(n.base.model, &p, &n.base.layers[i], &err), &err);
}

static void add_causal(int i, int input)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_softmax_params p = {NNCF_PARAMS(nncf_softmax_params), .scope = on_scopes[i],
        .causal = 1, .inputs = &n.base.layers[input], .n_inputs = 1};
    on_must(nncf_model_add_softmax(n.base.model, &p, &n.base.layers[i], &err), &err);
}

static void add_pool(int i, int input, int pool)
{
    const int form = pool / 10 * 10 + POOL, of = pool % 10;
    const bool windows = of == NNCF_POOL_AVERAGE || of == NNCF_POOL_MAX;
    if (form == POOL) {
        on_pool(&n.base, i, on_scopes[i], input, of, windows ? 3 : 0, windows, windows);
        return;
    }
    nncf_error err = NNCF_ERROR_INIT;
    nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = on_scopes[i], .kind = of,
        .kernel = {2, 2}, .stride = {1, 1}, .padding_end = {1, 1}, .inputs = &n.base.layers[input],
        .n_inputs = 1};
    if (form != POOL_END) {
        p.kernel[0] = p.kernel[1] = 3;
        p.stride[0] = p.stride[1] = 2;
        p.padding[0] = p.padding[1] = 1;
        p.padding_end[0] = 1, p.padding_end[1] = 0;
        p.flags = NNCF_OP_FLAG_CEIL | (form == POOL_EXCLUDE ? NNCF_OP_FLAG_EXCLUDE_PADDING : 0);
    }
    on_must(nncf_model_add_pool2d(n.base.model, &p, &n.base.layers[i], &err), &err);
}

static void add(int i, kind k)
{
    on_net *base = &n.base;
    const char *scope = on_scopes[i];
    const int first = n.in[i][0], second = n.in[i][1];
    if (k == STEM)
        k = n.input_ndim == 4 ? CONV : LINEAR;
    if (k == LINEAR)
        on_linear(base, i, scope, first, CHANNELS, CHANNELS, NNCF_ACTIVATION_NONE);
    else if (k == CONV)
        on_conv(base, i, scope, first, CHANNELS, CHANNELS, 3, 1, 1, 1, NNCF_ACTIVATION_NONE, false,
            true);
    else if (k == TRANSPOSED || k == TRANSPOSED_NORM)
        on_transposed(base, i, scope, first, CHANNELS, CHANNELS, k == TRANSPOSED_NORM);
    else if (k == EMBEDDING)
        add_embedding(i);
    else if (k == APART || k == TOGETHER)
        add_heads(i, first, k == TOGETHER);
    else if (k == TIED)
        add_tied(i, first);
    else if (k == SLOPES || k == SLOPE)
        on_prelu(base, i, scope, first, k == SLOPES ? CHANNELS : 1);
    else if (k == GROUPS)
        on_group_norm(base, i, scope, first, CHANNELS, 2);
    else if (k == DROPOUT)
        on_dropout(base, i, scope, first);
    else if (k == RELU)
        on_activation(base, i, scope, first, NNCF_ACTIVATION_RELU);
    else if (k == NORM)
        add_norm(i, first);
    else if (k == SOFTMAX)
        on_softmax(base, i, scope, first, NONE);
    else if (k == CAUSAL)
        add_causal(i, first);
    else if (k == ADD)
        on_add(base, i, scope, first, second, NNCF_ACTIVATION_NONE);
    else if (k == CONCAT)
        on_concat(base, i, scope, first, second);
    else if (k == MULTIPLY)
        on_multiply(base, i, scope, first, second);
    else if (k == MATMUL)
        on_matmul(base, i, scope, first, second, 1, 0.5f);
    else if (k < UPSAMPLE)
        add_pool(i, first, (int)k - POOL);
    else
        on_upsample(base, i, scope, first, (int)k - UPSAMPLE);
}

static void forward(void)
{
    nncf_error err = NNCF_ERROR_INIT;
    for (int i = 0; i < n.base.n_layers; i++) {
        nncf_tensor x[2];
        const size_t n_x = n.in[i][1] >= 0 ? 2 : 1;
        for (size_t k = 0; k < n_x; k++) {
            const int from = n.in[i][k];
            const bool ids = from < 0 && n.kinds[i] == EMBEDDING;
            x[k] = (nncf_tensor){.data = ids ? (void *)n.ids
                    : from < 0               ? n.input
                                             : n.values[from],
                .dtype = ids ? NNCF_I32 : NNCF_F32,
                .ndim = from < 0 ? n.input_ndim : n.ndims[from],
                .shape = from < 0 ? n.input_shape : n.shapes[from]};
        }
        on_must(nncf_layer_get_output_shape(
                    n.base.layers[i], x, n_x, n.shapes[i], NNCF_MAX_NDIM, &n.ndims[i], &err),
            &err);
        nncf_tensor y = {.data = n.values[i], .ndim = n.ndims[i], .shape = n.shapes[i]};
        on_must(nncf_layer_forward(n.base.layers[i], x, n_x, &y, &err), &err);
    }
}

static void begin(int c, int rank, const char *config)
{
    nncf_error err = NNCF_ERROR_INIT;
    memset(&n, 0, sizeof n);
    on_begin(&n.base, config, NULL);
    memcpy(n.kinds, cases[c].kinds, sizeof n.kinds);
    memcpy(n.in, cases[c].in, sizeof n.in);
    n.input_shape = n.kinds[0] == EMBEDDING ? id_sizes[rank] : input_sizes[rank];
    n.input_ndim = rank;
    for (int i = 0; i < FLOATS; i++) {
        n.ids[i] = (i * 7 + 3) % WORDS;
        n.input[i] = n.kinds[0] == EMBEDDING ? (float)n.ids[i] : (float)(1.5 * on_uniform(&n.base));
    }
    for (int i = 0; i < NODES && n.kinds[i]; i++) {
        add(i, n.kinds[i]);
        n.base.n_layers = i + 1;
    }
    on_start(&n.base, false);
    for (int32_t more = 1; more;) {
        on_must(nncf_compression_ctrl_init_step(n.base.ctrl, &more, &err), &err);
        forward();
    }
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    for (size_t i = 0; nncf_compression_ctrl_get_parameter(n.base.ctrl, i, &p, NULL) == NNCF_OK;
         i++)
        if (p.kind == NNCF_PARAMETER_SCALE && p.count > 1) {
            n.per_channel++;
            for (size_t j = 0; j < p.count; j++)
                p.data[j] = 0.2f + 0.35f * (float)j; /* channels differ, and some clamp */
        }
    forward();
}

/* What the file says of its output is what it makes, or open. */
static void check_shape(const Nncf__Onnx__GraphProto *g)
{
    const int last = n.base.n_layers - 1;
    const Nncf__Onnx__TensorShapeProto *s = g->output[0]->type->tensor_type->shape;
    ck_assert_uint_eq(s->n_dim, (size_t)n.ndims[last]);
    for (size_t i = 0; i < s->n_dim; i++)
        if (s->dim[i]->value_case == NNCF__ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
            ck_assert_int_eq(s->dim[i]->dim_value, n.shapes[last][i]);
}

/* One of the words' weight, however many read it; as floats or codes, turned or not. */
static void check_words(const Nncf__Onnx__GraphProto *g)
{
    size_t found = 0;
    for (size_t i = 0; i < g->n_initializer; i++)
        found += g->initializer[i]->n_dims == 2 && g->initializer[i]->dims[0] == WORDS &&
            g->initializer[i]->dims[1] == CHANNELS;
    ck_assert_uint_eq(found, n.words ? 1 : 0);
}

static void export(int c, int config, int32_t format, bool given)
{
    const int last = n.base.n_layers - 1;
    const nncf_tensor x = {.data = n.input, .ndim = n.input_ndim, .shape = n.input_shape},
                      y = {.data = n.values[last], .ndim = n.ndims[last], .shape = n.shapes[last]};
    nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params), .format = format, .fold_batch_norm = given,
        .tolerance = config > 0 ? 1e-2f : 1e-3f, /* a code at a tie */
        .golden_input = &x, .golden_output = &y};
    nncf_error err = NNCF_ERROR_INIT;
    p.input_ndim = given ? n.input_ndim : 0;
    for (int i = 1; given && i < n.input_ndim && i < 4; i++)
        p.input_shape[i] = n.input_shape[i];
    const nncf_status status = nncf_onnx_export(n.base.ctrl, path, &p, &err);
    if (n.per_channel > 0 && format == NNCF_ONNX_QDQ) {
        ck_assert_msg(status == NNCF_E_UNSUPPORTED && strstr(err.message, "range a channel"),
            "%s: %s", cases[c].name, err.message);
        return;
    }
    if (!given && n.kinds[1] == CAUSAL) {
        ck_assert_msg(status == NNCF_E_UNSUPPORTED && strstr(err.message, "input_shape"), "%s: %s",
            cases[c].name, err.message);
        return;
    }
    ck_assert_msg(status == NNCF_OK, "%s of %d dimensions, config %d, format %d: %s", cases[c].name,
        (int)n.input_ndim, config, (int)format, err.message);
    Nncf__Onnx__ModelProto *m = read_back();
    check_graph(m->graph);
    check_shape(m->graph);
    check_words(m->graph);
    ck_assert_str_eq(metadata(m, "nncf.checked"), "golden");
    ck_assert_int_eq(count_op(m->graph, "FakeQuantize") > 0, config > 0 && format == 1);
    ck_assert_int_eq(count_op(m->graph, "DequantizeLinear") > 0, config > 0 && format == 0);
    size_t masks = 0;
    for (size_t i = 0; i < m->graph->n_initializer; i++)
        masks += strstr(m->graph->initializer[i]->name, "::mask") != NULL;
    ck_assert_uint_eq(masks, n.kinds[1] == CAUSAL); /* one for both */
    nncf__onnx__model_proto__free_unpacked(m, NULL);
    unlink(path);
}

/* The last of 4 dimensions are features only where it is known that they are as many as the layer
 * reads: else the layer flattens. */
START_TEST(a_kind_is_what_forward_computes)
{
    for (int rank = cases[_i].ranks[0]; rank <= cases[_i].ranks[1]; rank += cases[_i].step)
        for (int config = 0; config < cases[_i].configs; config++) {
            begin(_i, rank, configs[config]);
            for (int form = 0; form < 4; form++)
                if (rank != 4 || form / 2)
                    export(_i, config, form % 2, form / 2);
            on_destroy(&n.base);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx_kinds");
    TCase *tests = fx_case(suite, "kinds", 120);
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_loop_test(tests, a_kind_is_what_forward_computes, 0, CASES);
    return fx_main(suite);
}
