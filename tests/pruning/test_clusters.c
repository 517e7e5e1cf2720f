/* SPDX-License-Identifier: Apache-2.0 */
/* Which filters go together, and which stay: clusters from registered edges, with operators of the
 * host among them. */
#include "graph/model.h"
#include "prune_net.h"
#include "pruning/clusters.h"
#include "pruning/work.h"
#include "support/fixture.h"

#include <stdbool.h>

enum { MOST = 16 };

static fx_context c;
static nncf_model *model;
static nncf__clusters clusters;
static float weights[1 << 16];

static void set_up(void)
{
    fx_open(&c, 1, 1);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
}

static void tear_down(void)
{
    nncf__clusters_free(&clusters);
    nncf_model_destroy(model);
    fx_close(&c);
}

/* Everything but first, last and strided convolutions is left to the test. */
static nncf__pruning_params all_of_it(void)
{
    return (nncf__pruning_params){
        .target = 0.5, .flops_target = -1, .first = 1, .downsample = 1, .norms = 1, .zero_grad = 1};
}

static void find(const nncf__pruning_params *p)
{
    bool allowed[MOST];
    memset(allowed, 1, sizeof allowed);
    nncf_error err = NNCF_ERROR_INIT;
    nncf__clusters_free(&clusters);
    ck_assert_int_eq(nncf__clusters_make(&clusters, model, p, allowed, &err), NNCF_OK);
}

static void find_all(void)
{
    const nncf__pruning_params p = all_of_it();
    find(&p);
}

static nncf_layer *conv(const char *scope, int64_t in, int64_t out, int32_t groups,
    nncf_activation activation, nncf_layer *input)
{
    nncf_layer *layer;
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = scope,
        .weight = weights, .in_channels = in, .out_channels = out, .kernel = {3, 3},
        .padding = {1, 1}, .groups = groups, .activation = activation,
        .inputs = input ? &input : NULL, .n_inputs = input ? 1 : 0};
    ck_assert_msg(nncf_model_add_conv2d(model, &p, &layer, &err) == NNCF_OK, "%s", err.message);
    return layer;
}

static nncf_layer *op(const char *scope, nncf_op_params p, nncf_layer *a, nncf_layer *b)
{
    nncf_layer *layer, *inputs[] = {a, b};
    nncf_error err = NNCF_ERROR_INIT;
    p.struct_size = sizeof p;
    p.scope = scope;
    p.inputs = inputs;
    p.n_inputs = b ? 2 : 1;
    ck_assert_msg(nncf_model_add_op(model, &p, &layer, &err) == NNCF_OK, "%s", err.message);
    return layer;
}

static nncf_layer *linear(const char *scope, int64_t in, nncf_layer *input)
{
    nncf_layer *layer;
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = scope,
        .weight = weights, .in_features = in, .out_features = 4, .inputs = &input, .n_inputs = 1};
    ck_assert_msg(nncf_model_add_linear(model, &p, &layer, &err) == NNCF_OK, "%s", err.message);
    return layer;
}

static size_t cluster_of(const nncf_layer *layer)
{
    ck_assert_uint_ge(clusters.outputs[layer->index].count, 1);
    return clusters.outputs[layer->index].clusters[0];
}

static bool is_pruned(const nncf_layer *layer)
{
    return clusters.pruned[layer->index];
}

static void check_kept(const nncf_layer *layer, const char *words)
{
    const nncf_layer *at;
    const char *why = nncf__why_not_pruned(&clusters, layer, &at);
    ck_assert_ptr_nonnull(why);
    ck_assert_msg(strstr(why, words) != NULL, "%s: %s", layer->scope, why);
    ck_assert(!is_pruned(layer));
}

START_TEST(a_net_of_everything)
{
    net n;
    net_open(&n, 1, NULL);
    bool allowed[MOST];
    memset(allowed, 1, sizeof allowed);
    const nncf__pruning_params p = all_of_it();
    ck_assert_int_eq(nncf__clusters_make(&clusters, n.model, &p, allowed, NULL), NNCF_OK);
    nncf_layer *const *l = n.layers;
    for (int i = 0; i < LINEAR; i++)
        ck_assert_msg(is_pruned(l[i]), "%d", i);
    check_kept(l[LINEAR], "linear");
    /* the sum: what goes in, and what reads it channel by channel */
    ck_assert_uint_eq(cluster_of(l[CONV_1]), cluster_of(l[CONV_3]));
    ck_assert_uint_eq(cluster_of(l[CONV_1]), cluster_of(l[DEPTHWISE]));
    ck_assert_uint_ne(cluster_of(l[CONV_2]), cluster_of(l[CONV_1]));
    /* the concatenation has both, one behind the other */
    const nncf__channel_blocks *b = &clusters.outputs[l[NET_CONCAT]->index];
    ck_assert_uint_eq(b->count, 2);
    ck_assert_uint_eq(b->clusters[0], cluster_of(l[CONV_4]));
    ck_assert_uint_eq(b->clusters[1], cluster_of(l[CONV_5]));
    /* the linear layer reads 36 columns of each channel */
    nncf__cluster *of_4 = nncf__cluster_of(&clusters, l[CONV_4]->index, 0);
    of_4->keep[1] = of_4->keep[15] = 0;
    of_4->kept = 14;
    int64_t columns[40 * 36];
    ck_assert_int_eq(nncf__kept_inputs(&clusters, l[LINEAR]), 38 * 36);
    nncf__list_kept_inputs(&clusters, l[LINEAR], columns);
    for (int64_t i = 0, at = 0; i < 40 * 36; i++) {
        const int64_t channel = i / 36;
        if (channel != 1 && channel != 15)
            ck_assert_int_eq(columns[at++], i);
    }
    nncf__clusters_free(&clusters);
    net_close(&n);
}
END_TEST

START_TEST(what_makes_an_output_keeps_its_channels)
{
    nncf_layer *a = conv("Net/Conv2d[a]", 3, 8, 1, 0, NULL),
               *b = conv("Net/Conv2d[b]", 8, 8, 1, 0, a);
    nncf__pruning_params p = all_of_it();
    find(&p);
    ck_assert(is_pruned(a));
    check_kept(b, "last convolutions");
    p.last = 1; /* NNCF prunes it then, which nothing can remove */
    find(&p);
    ck_assert(is_pruned(b));
    ck_assert_ptr_nonnull(nncf__cluster_of(&clusters, b->index, 0)->stays.text);
    ck_assert_ptr_null(nncf__cluster_of(&clusters, a->index, 0)->stays.text);
}
END_TEST

START_TEST(the_config_leaves_first_and_strided_convolutions_out)
{
    nncf_layer *a = conv("Net/Conv2d[a]", 3, 8, 1, 0, NULL),
               *b = conv("Net/Conv2d[b]", 8, 8, 1, 0, a);
    const nncf_conv2d_params strided = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[s]",
        .weight = weights, .in_channels = 8, .out_channels = 8, .kernel = {3, 3}, .stride = {2, 2},
        .inputs = &b, .n_inputs = 1};
    nncf_layer *s;
    ck_assert_int_eq(nncf_model_add_conv2d(model, &strided, &s, NULL), NNCF_OK);
    nncf_layer *e = conv("Net/Conv2d[e]", 8, 4, 1, 0, s);
    nncf__pruning_params p = all_of_it();
    p.first = p.downsample = 0;
    find(&p);
    check_kept(a, "first convolutions");
    ck_assert(is_pruned(b));
    check_kept(s, "stride");
    find_all();
    ck_assert(is_pruned(a) && is_pruned(b) && is_pruned(s));
    bool allowed[MOST] = {[0] = true, [1] = false, [2] = true, [3] = true};
    p = all_of_it();
    nncf__clusters_free(&clusters);
    ck_assert_int_eq(nncf__clusters_make(&clusters, model, &p, allowed, NULL), NNCF_OK);
    check_kept(b, "scopes");
    ck_assert(is_pruned(a));
    (void)e;
}
END_TEST

/* One layer of a cluster that is left out keeps all of it. */
START_TEST(a_cluster_is_pruned_whole_or_not_at_all)
{
    nncf_layer *a = conv("Net/Conv2d[a]", 3, 8, 1, 0, NULL),
               *b = conv("Net/Conv2d[b]", 8, 8, 1, 0, a),
               *sum = op("Net/__add___0", (nncf_op_params){.op = NNCF_OP_ADD}, a, b),
               *e = conv("Net/Conv2d[e]", 8, 4, 1, 0, sum);
    nncf__pruning_params p = all_of_it();
    p.first = 0;
    find(&p);
    check_kept(a, "first convolutions");
    check_kept(b, "first convolutions");
    const nncf_layer *at;
    nncf__why_not_pruned(&clusters, b, &at);
    ck_assert_ptr_eq(at, a);
    find_all();
    ck_assert(is_pruned(a) && is_pruned(b));
    ck_assert_uint_eq(cluster_of(a), cluster_of(b));
    (void)e;
}
END_TEST

START_TEST(operators_of_the_host_pass_filters_on_or_stop_them)
{
    const int64_t rows[] = {0, -1}, planes[] = {0, 8, 4, 4}, turned[] = {0, 2, 3, 1};
    const struct {
        nncf_op_params p;
        bool passes;
    } table[] = {
        {{.op = NNCF_OP_RELU}, true},
        {{.op = NNCF_OP_MAX_POOL, .kernel = {1, 2, 2}}, true},
        {{.op = NNCF_OP_AVERAGE_POOL, .kernel = {1, 2, 2}}, true},
        {{.op = NNCF_OP_ADAPTIVE_AVERAGE_POOL}, true},
        {{.op = NNCF_OP_DROPOUT}, true},
        {{.op = NNCF_OP_INTERPOLATE, .stride = {1, 2, 2}}, true},
        {{.op = NNCF_OP_FLATTEN}, true},
        {{.op = NNCF_OP_RESHAPE, .sizes = rows, .n_sizes = 2}, true},
        {{.op = NNCF_OP_RESHAPE, .sizes = planes, .n_sizes = 4}, false},
        {{.op = NNCF_OP_TRANSPOSE, .sizes = turned, .n_sizes = 4}, false},
        {{.op = NNCF_OP_MEAN, .axis = 2}, true},
        {{.op = NNCF_OP_MEAN, .axis = 1}, false},
        {{.op = NNCF_OP_SOFTMAX}, false},
        {{.op = NNCF_OP_GROUP_NORM, .groups = 2}, false},
        {{.op = NNCF_OP_OPAQUE}, false},
        {{.op = NNCF_OP_OTHER}, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        nncf_layer *a = conv("Net/Conv2d[a]", 3, 8, 1, 0, NULL),
                   *b = op("Net/op_0", table[i].p, a, NULL);
        linear("Net/Linear[fc]", 8 * 16, b);
        find_all();
        if (table[i].passes)
            ck_assert_msg(is_pruned(a), "case %zu", i);
        else
            check_kept(a, "cannot be followed");
        nncf__clusters_free(&clusters);
        nncf_model_destroy(model);
        ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    }
}
END_TEST

/* Pruned, as NNCF does, but not removable: the layer is named. */
static void check_stays(const nncf_layer *layer, const nncf_layer *at)
{
    const nncf__reason *stays = &nncf__cluster_of(&clusters, layer->index, 0)->stays;
    ck_assert(is_pruned(layer));
    ck_assert_ptr_nonnull(stays->text);
    ck_assert_ptr_eq(stays->at, at);
}

START_TEST(filters_that_are_not_zero_where_they_are_read_stay)
{
    nncf_layer *a = conv("Net/Conv2d[a]", 3, 8, 1, NNCF_ACTIVATION_SIGMOID, NULL),
               *b = conv("Net/Conv2d[b]", 8, 8, 1, 0, a),
               *norm = op("Net/batch_norm_0", (nncf_op_params){.op = NNCF_OP_BATCH_NORM}, b, NULL),
               *d = conv("Net/Conv2d[d]", 8, 8, 1, 0, norm),
               *e = conv("Net/Conv2d[e]", 8, 4, 1, 0, d);
    find_all();
    check_stays(a, a);
    check_stays(b, norm);
    ck_assert_ptr_null(nncf__cluster_of(&clusters, d->index, 0)->stays.text);
    (void)e;
}
END_TEST

/* A gate: sigmoid of a pruned channel is 1/2, and times a channel that is 0 it is 0. */
START_TEST(a_product_with_zero_is_zero)
{
    nncf_layer *a = conv("Net/Conv2d[a]", 3, 8, 1, NNCF_ACTIVATION_RELU, NULL),
               *pool =
                   op("Net/pool_0", (nncf_op_params){.op = NNCF_OP_ADAPTIVE_AVERAGE_POOL}, a, NULL),
               *squeeze = conv("Net/Conv2d[s]", 8, 8, 1, NNCF_ACTIVATION_RELU, pool),
               *excite = conv("Net/Conv2d[x]", 8, 8, 1, NNCF_ACTIVATION_SIGMOID, squeeze),
               *gate = op("Net/__mul___0", (nncf_op_params){.op = NNCF_OP_MUL}, a, excite),
               *e = conv("Net/Conv2d[e]", 8, 4, 1, 0, gate);
    find_all();
    ck_assert(is_pruned(a) && is_pruned(excite) && is_pruned(squeeze));
    ck_assert_uint_eq(cluster_of(a), cluster_of(excite));
    ck_assert_ptr_null(nncf__cluster_of(&clusters, a->index, 0)->stays.text);
    (void)e;
}
END_TEST

START_TEST(convolutions_in_groups_stay)
{
    nncf_layer *a = conv("Net/Conv2d[a]", 3, 8, 1, 0, NULL),
               *g = conv("Net/Conv2d[g]", 8, 8, 2, 0, a), *e = conv("Net/Conv2d[e]", 8, 4, 1, 0, g);
    find_all();
    check_kept(a, "in groups");
    check_kept(g, "in groups");
    (void)e;
}
END_TEST

START_TEST(sums_of_different_compositions_stay)
{
    nncf_layer *a = conv("Net/Conv2d[a]", 3, 4, 1, 0, NULL),
               *b = conv("Net/Conv2d[b]", 3, 4, 1, 0, NULL),
               *d = conv("Net/Conv2d[d]", 3, 8, 1, 0, NULL),
               *cat = op("Net/cat_0", (nncf_op_params){.op = NNCF_OP_CONCAT, .axis = 1}, a, b),
               *sum = op("Net/__add___0", (nncf_op_params){.op = NNCF_OP_ADD}, cat, d),
               *e = conv("Net/Conv2d[e]", 8, 4, 1, 0, sum);
    find_all();
    check_kept(a, "composed");
    check_kept(b, "composed");
    check_kept(d, "composed");
    (void)e;
}
END_TEST

/* Parameters and operations against a count by hand. */
START_TEST(work_is_counted_as_nncf_does)
{
    nncf_layer *a = conv("Net/Conv2d[a]", 3, 8, 1, 0, NULL),
               *b = conv("Net/Conv2d[b]", 8, 16, 1, 0, a);
    linear("Net/Linear[fc]", 16 * 100, b);
    find_all();
    int64_t pixels[MOST];
    const int64_t size[2] = {10, 10}, unknown[2] = {0, 0};
    nncf__work work;
    nncf__pixels_of(model, size, pixels);
    nncf__work_of(&clusters, pixels, false, &work);
    ck_assert_int_eq(work.filters, 24);
    ck_assert_int_eq(work.parameters, 3 * 8 * 9 + 8 * 16 * 9 + 1600 * 4);
    ck_assert_int_eq(work.flops, 2 * (100 * (3 * 8 * 9 + 8 * 16 * 9) + 1600 * 4));
    nncf__cluster *of_a = nncf__cluster_of(&clusters, a->index, 0),
                  *of_b = nncf__cluster_of(&clusters, b->index, 0);
    of_a->kept = 5;
    of_b->kept = 8;
    nncf__work_of(&clusters, pixels, true, &work);
    ck_assert_int_eq(work.filters, 13);
    ck_assert_int_eq(work.parameters, 3 * 5 * 9 + 5 * 8 * 9 + 800 * 4);
    ck_assert_int_eq(work.flops, 2 * (100 * (3 * 5 * 9 + 5 * 8 * 9) + 800 * 4));
    nncf__pixels_of(model, unknown, pixels);
    nncf__work_of(&clusters, pixels, true, &work);
    ck_assert_int_eq(work.flops, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clusters");
    TCase *tests = fx_case(suite, "clusters", 30);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_net_of_everything);
    tcase_add_test(tests, what_makes_an_output_keeps_its_channels);
    tcase_add_test(tests, the_config_leaves_first_and_strided_convolutions_out);
    tcase_add_test(tests, a_cluster_is_pruned_whole_or_not_at_all);
    tcase_add_test(tests, operators_of_the_host_pass_filters_on_or_stop_them);
    tcase_add_test(tests, filters_that_are_not_zero_where_they_are_read_stay);
    tcase_add_test(tests, a_product_with_zero_is_zero);
    tcase_add_test(tests, convolutions_in_groups_stay);
    tcase_add_test(tests, sums_of_different_compositions_stay);
    tcase_add_test(tests, work_is_counted_as_nncf_does);
    return fx_main(suite);
}
