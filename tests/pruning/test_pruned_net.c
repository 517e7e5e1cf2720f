/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_pruning on a net of five convolutions, against what NNCF 1.3.1 recorded of one: which
 * layers, when, how many filters, which gradients and batch norms. The record has no weights of
 * that net, so these are drawn with the filters that NNCF kept as the larger ones.
 */
#include "support/fixture.h"

#include <nncf/nncf.h>

#include <stdbool.h>

enum { CONVS = 5, LAYERS = 6, CLASSES = 4, IMAGES = 2, SIDE = 8, MOST = 24 };

static const int64_t channels[] = {3, 16, 16, 24, 16, 16};
static const char *const names[CONVS] = {"c1", "c2", "c3", "c4", "c5"};

typedef struct net {
    nncf_context *context;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    fx_block blocks[LAYERS];
    char scopes[LAYERS][32];
    /* of the input, then of each layer */
    int64_t shapes[LAYERS + 1][4];
    float *y[LAYERS + 1], *dy[LAYERS + 1];
} net;

/* The mask that is recorded of a layer; NULL: it is not pruned. */
static const char *recorded(json_object *c, int layer, const char *list)
{
    json_object *pruned = fx_member(c, "pruned_layers");
    char scope[32];
    snprintf(scope, sizeof scope, "Net/NNCFConv2d[%s]", names[layer]);
    for (size_t i = 0; i < json_object_array_length(pruned); i++)
        if (strcmp(json_object_get_string(json_object_array_get_idx(pruned, i)), scope) == 0)
            return json_object_get_string(json_object_array_get_idx(fx_member(c, list), i));
    return NULL;
}

static void open_net(net *n, json_object *c)
{
    char text[512];
    uint64_t state = 11;
    memset(n, 0, sizeof *n);
    n->context = fx_new_context(NULL, 2, NNCF_ISA_BEST, 3);
    ck_assert_int_eq(nncf_model_create(n->context, &n->model, NULL), NNCF_OK);
    memcpy(n->shapes[0], (int64_t[]){IMAGES, 3, SIDE, SIDE}, sizeof n->shapes[0]);
    for (int i = 0; i < LAYERS; i++) {
        const bool linear = i == CONVS;
        const int32_t stride = i == 1 ? 2 : 1; /* prune_downsample_convs is of that one */
        fx_block *b = &n->blocks[i];
        snprintf(n->scopes[i], sizeof n->scopes[i], linear ? "Net/Linear[fc]" : "Net/Conv2d[%s]",
            linear ? "" : names[i]);
        *b = (fx_block){.scope = n->scopes[i],
            .in_channels = linear ? channels[i] * SIDE / 2 * SIDE / 2 : channels[i],
            .out_channels = linear ? CLASSES : channels[i + 1],
            .kernel = {3, 3},
            .padding = {1, 1},
            .stride = {stride, stride},
            .linear = linear,
            .bias = true,
            .batch_norm = i == 0 || i == 2,
            .activation = linear ? NNCF_ACTIVATION_NONE : NNCF_ACTIVATION_TANH};
        fx_register(n->model, b, i ? n->blocks[i - 1].layer : NULL, &state);
        const char *mask = linear ? NULL : recorded(c, i, "masks_after_epoch_step1");
        const size_t run = b->weights / (size_t)b->out_channels;
        for (size_t w = 0; mask && w < b->weights; w++)
            b->w[w] *= mask[w / run] == '1' ? 2.0f : 0.5f;
        for (int64_t f = 0; b->batch_norm && f < b->out_channels; f++)
            b->beta[f] = 0.25f; /* what batch norm makes of a filter that is not masked itself */
        fx_output_shape(b, n->shapes[i], n->shapes[i + 1]);
    }
    for (int i = 0; i <= LAYERS; i++) {
        n->y[i] = fx_alloc(fx_count(n->shapes[i]), sizeof(float));
        n->dy[i] = fx_alloc(fx_count(n->shapes[i]), sizeof(float));
    }
    fx_fill(n->y[0], fx_count(n->shapes[0]), 1, &state);
    snprintf(text, sizeof text,
        "{\"nncf_dialect\": \"1.3\", \"compression\": {\"algorithm\": \"filter_pruning\", "
        "\"params\": %s}}",
        json_object_to_json_string(fx_member(c, "params")));
    n->ctrl = fx_ctrl(n->model, text);
}

static void close_net(net *n)
{
    nncf_compression_ctrl_destroy(n->ctrl);
    nncf_model_destroy(n->model);
    nncf_context_destroy(n->context);
    for (int i = 0; i < LAYERS; i++)
        fx_release(&n->blocks[i]);
    for (int i = 0; i <= LAYERS; i++) {
        free(n->y[i]);
        free(n->dy[i]);
    }
}

static int ndim_of(int i)
{
    return i == LAYERS ? 2 : 4;
}

/* The loss is half the sum of the squared outputs. */
static void train_step(net *n)
{
    for (int i = 0; i < LAYERS; i++) {
        fx_tensor x, y;
        fx_view(&x, n->y[i], 4, n->shapes[i]);
        fx_view(&y, n->y[i + 1], ndim_of(i + 1), n->shapes[i + 1]);
        ck_assert_int_eq(nncf_layer_forward(n->blocks[i].layer, &x.t, 1, &y.t, NULL), NNCF_OK);
    }
    memcpy(n->dy[LAYERS], n->y[LAYERS], fx_count(n->shapes[LAYERS]) * sizeof(float));
    for (int i = LAYERS - 1; i >= 0; i--) {
        fx_tensor x, dx, dy;
        fx_view(&x, n->y[i], 4, n->shapes[i]);
        fx_view(&dx, n->dy[i], 4, n->shapes[i]);
        fx_view(&dy, n->dy[i + 1], ndim_of(i + 1), n->shapes[i + 1]);
        fx_zero_grad(&n->blocks[i]);
        ck_assert_int_eq(
            nncf_layer_backward(n->blocks[i].layer, &x.t, 1, &dy.t, i ? &dx.t : NULL, NULL),
            NNCF_OK);
    }
    ck_assert_int_eq(nncf_compression_ctrl_step(n->ctrl, NULL), NNCF_OK);
}

/* The filters of a forward's weight that are not 0, as '0' and '1'. */
static const char *used(const net *n, int layer, char text[MOST + 1])
{
    const fx_block *b = &n->blocks[layer];
    float *w = fx_alloc(b->weights, sizeof *w);
    const size_t run = b->weights / (size_t)b->out_channels;
    ck_assert_int_eq(nncf_layer_compress_weight(b->layer, w, NULL), NNCF_OK);
    for (int64_t f = 0; f < b->out_channels; f++) {
        text[f] = '0';
        for (size_t i = 0; i < run; i++)
            if (w[(size_t)f * run + i] != 0)
                text[f] = '1';
    }
    text[b->out_channels] = 0;
    free(w);
    return text;
}

static void compare_masks(const net *n, json_object *c, const char *list)
{
    char text[MOST + 1], all[MOST + 1];
    for (int i = 0; i < CONVS; i++) {
        const char *mask = recorded(c, i, list);
        memset(all, '1', MOST);
        all[channels[i + 1]] = 0;
        ck_assert_str_eq(used(n, i, text), mask ? mask : all);
    }
}

/* The largest gradient of the weights of masked filters, or of the others. */
static double largest_gradient(const fx_block *b, const char *mask, bool masked)
{
    const size_t run = b->weights / (size_t)b->out_channels;
    double largest = 0;
    for (size_t w = 0; w < b->weights; w++)
        if ((mask[w / run] == '0') == masked)
            largest = fmax(largest, fabs((double)b->dw[w]));
    return largest;
}

/* Channels that are 0 behind batch norm. NNCF writes zeros into gamma, here they are zeros of a
 * forward. (Its record of beta says nothing: PyTorch's are 0 from the start.) */
static int64_t silent_norms(const net *n, int layer)
{
    const fx_block *b = &n->blocks[layer];
    const size_t pixels = (size_t)(n->shapes[layer + 1][2] * n->shapes[layer + 1][3]),
                 filters = (size_t)b->out_channels;
    int64_t silent = 0;
    for (size_t f = 0; f < filters; f++) {
        bool moved = false;
        for (size_t image = 0; image < IMAGES; image++)
            for (size_t i = 0; i < pixels; i++)
                moved = moved || n->y[layer + 1][(image * filters + f) * pixels + i] != 0;
        silent += !moved;
        ck_assert(b->gamma[f] != 0);
        ck_assert(moved || (b->dgamma[f] == 0 && b->dbeta[f] == 0));
    }
    return silent;
}

static void check_gradients(net *n, json_object *c)
{
    json_object *list = fx_member(c, "grad_of_pruned");
    size_t at = 0;
    for (int i = 0; i < CONVS; i++) {
        const char *mask = recorded(c, i, "masks_after_epoch_step1");
        if (!mask)
            continue;
        json_object *g = json_object_array_get_idx(list, at);
        const double theirs = fx_number(g, "max_abs_grad_of_pruned_filters");
        size_t pruned = 0;
        for (const char *m = mask; *m; m++)
            pruned += *m == '0';
        ck_assert_uint_eq(pruned, (size_t)fx_number(g, "pruned_filters"));
        /* D16: NNCF's zero_grad is of the first layer only. The second of the later net has 0 as
         * well, since its pruned filters have batch norms with 0 before the next layer */
        if (at++ == 0)
            ck_assert(theirs == 0);
        ck_assert(largest_gradient(&n->blocks[i], mask, true) == 0);
        ck_assert(largest_gradient(&n->blocks[i], mask, false) > 0);
    }
    ck_assert_uint_eq(at, json_object_array_length(list));
}

START_TEST(a_controller_prunes_as_nncfs)
{
    json_object *golden = fx_golden("pruning.json"), *cases = fx_member(golden, "cases");
    int seen = 0;
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        json_object *c = json_object_array_get_idx(cases, i), *zeros;
        if (strcmp(fx_string(c, "kind"), "controller") != 0)
            continue;
        net n;
        open_net(&n, c);
        /* D22: NNCF's epoch 0 has the masks of pruning_init, 0, though its schedule says 0.5 */
        const char *list = "masks_after_init";
        for (int k = 0; k < CONVS; k++)
            ck_assert(!recorded(c, k, list) || !strchr(recorded(c, k, list), '0'));
        compare_masks(&n, c, "masks_after_epoch_step1");
        train_step(&n);
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n.ctrl, NULL), NNCF_OK);
        compare_masks(&n, c, "masks_after_epoch_step1");
        train_step(&n);
        check_gradients(&n, c);
        zeros = fx_member(c, "bn_params_zero_count");
        ck_assert_int_eq(silent_norms(&n, 0), (int64_t)fx_number(zeros, "nncf_module.bn1.weight"));
        ck_assert_int_eq(silent_norms(&n, 2), (int64_t)fx_number(zeros, "nncf_module.bn3.weight"));
        const nncf_statistics s = fx_statistics(n.ctrl);
        ck_assert_double_eq(s.pruning_level, fx_number(c, "stats_pruning_rate"));
        ck_assert_int_eq(s.compression_level, NNCF_COMPRESSION_FULL);
        ck_assert(json_object_get_boolean(fx_member(c, "frozen")));
        /* frozen: larger weights do not bring a filter back */
        for (int k = 0; k < CONVS; k++)
            for (size_t w = 0; w < n.blocks[k].weights; w++)
                n.blocks[k].w[w] *= w < n.blocks[k].weights / 2 ? 10.0f : 1.0f;
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n.ctrl, NULL), NNCF_OK);
        compare_masks(&n, c, "masks_after_epoch_step1");
        close_net(&n);
        seen++;
    }
    ck_assert_int_eq(seen, 2);
    json_object_put(golden);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pruned_net");
    TCase *tests = fx_case(suite, "net", 60);
    tcase_add_test(tests, a_controller_prunes_as_nncfs);
    return fx_main(suite);
}
