/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured masks against plain sorts. Blocks: by (importance, layer, block), masked from the
 * least on until one does not fit. N:M: of each group all but the N largest may be masked, and are
 * by (importance, layer, index). The weights are multiples of 1/64, so that sums of squares are
 * exact in any order, and many are alike.
 */
#include "controller/ctrl.h"
#include "support/files.h"
#include "support/fixture.h"
#include "support/require.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LAYERS = 5, LEVELS = 6, MOST = 37 * 41 * 9 };

/* How a test sees a weight: (outer, inner, taps), groups along one of them. */
typedef struct shape {
    int64_t outer, inner, taps;
    int32_t groups;
    /* the output channels are the outer ones */
    bool plain;
} shape;

static const shape shapes[LAYERS] = {{37, 41, 9, 1, true}, {96, 100, 1, 1, true},
    {24, 10, 9, 3, true}, {20, 7, 9, 2, false}, {12, 1, 9, 12, true}};

typedef struct subject {
    fx_context c;
    nncf_model *model;
    float weights[LAYERS][MOST], gradients[LAYERS][MOST];
    nncf_compression_ctrl *ctrl;
} subject;

static size_t count_of(int l)
{
    return (size_t)(shapes[l].outer * shapes[l].inner * shapes[l].taps);
}

static void add_layer(subject *s, int l)
{
    char scope[32];
    const shape *p = &shapes[l];
    const int32_t kernel = p->taps == 9 ? 3 : 1;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *layer;
    snprintf(scope, sizeof scope, "Net/Conv[%d]", l);
    const nncf_conv2d_params conv = {NNCF_PARAMS(nncf_conv2d_params), .scope = scope,
        .weight = s->weights[l], .weight_grad = s->gradients[l], .out_channels = p->outer,
        .in_channels = p->inner * p->groups, .kernel = {kernel, kernel}, .groups = p->groups};
    const nncf_conv_transpose2d_params back = {NNCF_PARAMS(nncf_conv_transpose2d_params),
        .scope = scope, .weight = s->weights[l], .weight_grad = s->gradients[l],
        .in_channels = p->outer, .out_channels = p->inner * p->groups, .kernel = {kernel, kernel},
        .groups = p->groups};
    const nncf_status status = p->plain
        ? nncf_model_add_conv2d(s->model, &conv, &layer, &err)
        : nncf_model_add_conv_transpose2d(s->model, &back, &layer, &err);
    ck_assert_msg(status == NNCF_OK, "%s", err.message);
}

static void fill(subject *s)
{
    for (int l = 0; l < LAYERS; l++)
        for (size_t i = 0; i < count_of(l); i++)
            s->weights[l][i] =
                (float)((int)(fx_random32() % 255) - 127) / 64.0f * (float)(1 << i / 64 % 4);
}

static subject *open_subject(int32_t threads, const char *importance, const char *structure,
    const double levels[LEVELS], const char *mode)
{
    char text[640];
    subject *s = calloc(1, sizeof *s);
    fx_open(&s->c, threads, 0);
    ck_assert_int_eq(nncf_model_create(s->c.context, &s->model, NULL), NNCF_OK);
    fill(s);
    for (int l = 0; l < LAYERS; l++)
        add_layer(s, l);
    snprintf(text, sizeof text,
        "{\"nncf_dialect\": \"1.5\", \"compression\": {\"algorithm\": \"magnitude_sparsity\", "
        "\"params\": {\"schedule\": \"multistep\", \"multistep_steps\": [1, 2, 3, 4, 5], "
        "\"weight_importance\": \"%s\", \"sparsity_level_setting_mode\": \"%s\", %s, "
        "\"multistep_sparsity_levels\": [%.17g, %.17g, %.17g, %.17g, %.17g, %.17g]}}}",
        importance, mode, structure, levels[0], levels[1], levels[2], levels[3], levels[4],
        levels[5]);
    s->ctrl = fx_ctrl(s->model, text);
    return s;
}

static void close_subject(subject *s)
{
    nncf_compression_ctrl_destroy(s->ctrl);
    nncf_model_destroy(s->model);
    fx_close(&s->c);
    free(s);
}

static bool kept(const subject *s, int l, size_t i)
{
    return s->ctrl->layers[l].bits[i / 8] >> i % 8 & 1;
}

/* ---- the sort ---- */

/* What is masked at once: at most 16 x 16 weights of a layer. */
typedef struct unit {
    float importance;
    int layer;
    size_t order, count;
    uint32_t members[256];
} unit;

typedef struct units {
    unit *list;
    size_t count, capacity;
} units;

static unit *next_unit(units *u, int layer)
{
    if (u->count == u->capacity) {
        u->capacity = 2 * u->capacity + 1024;
        u->list = realloc(u->list, u->capacity * sizeof *u->list);
    }
    u->list[u->count] = (unit){.layer = layer, .order = u->count};
    return &u->list[u->count++];
}

static int by_importance(const void *a, const void *b)
{
    const unit *const *x = a, *const *y = b;
    const float i = (*x)->importance, j = (*y)->importance;
    return i != j ? (i > j) - (i < j) : ((*x)->order > (*y)->order) - ((*x)->order < (*y)->order);
}

static float norm_of(const subject *s, int l)
{
    double sum = 0;
    for (size_t i = 0; i < count_of(l); i++)
        sum += (double)s->weights[l][i] * (double)s->weights[l][i];
    return (float)sqrt(sum);
}

/* Index of (out, in, tap), counted over groups: of all output channels, and of a group's inputs. */
static size_t place(const shape *p, int64_t out, int64_t in, int64_t tap)
{
    const int64_t outer = p->plain ? out : in, inner = p->plain ? in : out;
    return (size_t)((outer * p->inner + inner) * p->taps + tap);
}

/* Sizes of a group of the convolution. */
static void sizes_of(const shape *p, int64_t *outs, int64_t *ins)
{
    *outs = p->plain ? p->outer / p->groups : p->inner;
    *ins = p->plain ? p->inner : p->outer / p->groups;
}

static void add_blocks(const subject *s, int l, int64_t size, float norm, units *u)
{
    const shape *p = &shapes[l];
    int64_t outs, ins;
    sizes_of(p, &outs, &ins);
    /* groups are cut along the outer axis: outputs of a convolution, inputs of a transposed one */
    const int64_t out_groups = p->plain ? p->groups : 1, in_groups = p->plain ? 1 : p->groups;
    for (int64_t og = 0; og < out_groups; og++)
        for (int64_t o = 0; o < outs; o += size)
            for (int64_t ig = 0; ig < in_groups; ig++)
                for (int64_t i = 0; i < ins; i += size)
                    for (int64_t t = 0; t < p->taps; t++) {
                        unit *b = next_unit(u, l);
                        double sum = 0;
                        for (int64_t a = o; a < outs && a < o + size; a++)
                            for (int64_t c = i; c < ins && c < i + size; c++) {
                                const size_t at = place(p, og * outs + a, ig * ins + c, t);
                                sum += (double)s->weights[l][at] * (double)s->weights[l][at];
                                b->members[b->count++] = (uint32_t)at;
                            }
                        b->importance = (float)sqrt(sum / (double)b->count) / norm;
                    }
}

/* Weights of layers [first, end) that are masked, in a byte each. */
static void mask_units(const units *u, size_t zeros, uint8_t *masked[LAYERS])
{
    const unit **sorted = malloc(u->count * sizeof *sorted);
    for (size_t i = 0; i < u->count; i++)
        sorted[i] = &u->list[i];
    qsort(sorted, u->count, sizeof *sorted, by_importance);
    for (size_t i = 0; i < u->count && sorted[i]->count <= zeros; i++) {
        zeros -= sorted[i]->count;
        for (size_t j = 0; j < sorted[i]->count; j++)
            masked[sorted[i]->layer][sorted[i]->members[j]] = 1;
    }
    free(sorted);
}

/* What is masked at a level; `add` adds a layer's units. Returns how many weights units are of. */
typedef void add_fn(const subject *s, int l, int64_t size, float norm, units *u);

static void check(const subject *s, add_fn *add, int64_t size, bool normed, bool local,
    double level, bool all, const char *what)
{
    uint8_t *masked[LAYERS];
    size_t total = 0;
    units u = {0};
    for (int l = 0; l < LAYERS; l++) {
        const float norm = normed ? s->ctrl->layers[l].norm : 1.0f;
        masked[l] = calloc(count_of(l), 1);
        REQUIRE(!normed || fabsf(norm - norm_of(s, l)) <= 1e-6f * norm, "%s: norm", what);
        total += count_of(l);
        add(s, l, size, norm, &u);
        if (!local)
            continue;
        mask_units(&u, all ? SIZE_MAX : (size_t)floor(level * (double)total), masked);
        total = u.count = 0;
    }
    if (!local)
        mask_units(&u, all ? SIZE_MAX : (size_t)floor(level * (double)total), masked);
    for (int l = 0; l < LAYERS; l++) {
        for (size_t i = 0; i < count_of(l); i++)
            REQUIRE(kept(s, l, i) == !masked[l][i], "%s: layer %d, weight %zu: kept %d", what, l, i,
                kept(s, l, i));
        free(masked[l]);
    }
    free(u.list);
}

static const double block_levels[LEVELS] = {0, 0.2, 0.5, 0.75, 0.9, 0.999};

/* _i: the edge of the blocks, the number of threads, importance, and one threshold or many */
START_TEST(blocks_are_those_of_a_sort)
{
    static const int sizes[] = {2, 5, 8, 16};
    const int size = sizes[_i % 4], threads = _i / 4 % 2 + 1;
    const bool normed = _i / 4 % 2 == 0, local = _i >= 8;
    char structure[64], what[96];
    snprintf(structure, sizeof structure, "\"structure\": \"block\", \"block_size\": %d", size);
    fx_random_reset((uint32_t)_i * 977u + 5u);
    subject *s = open_subject(threads, normed ? "normed_abs" : "abs", structure, block_levels,
        local ? "local" : "global");
    for (int level = 1; level < LEVELS; level++) {
        fill(s);
        snprintf(what, sizeof what, "blocks of %d, %s, level %g", size, local ? "local" : "global",
            block_levels[level]);
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(s->ctrl, NULL), NNCF_OK);
        check(s, add_blocks, size, normed, local, block_levels[level], false, what);
    }
    close_subject(s);
}
END_TEST

/* ---- N:M ---- */

typedef struct member {
    float magnitude;
    int64_t in;
} member;

static int by_size(const void *a, const void *b)
{
    const member *x = a, *y = b;
    return x->magnitude != y->magnitude
        ? (x->magnitude > y->magnitude) - (x->magnitude < y->magnitude)
        : (x->in > y->in) - (x->in < y->in);
}

/* size: 16 * n + m. Units of one weight each, those that may be masked, in the order of memory. */
static void add_spare(const subject *s, int l, int64_t size, float norm, units *u)
{
    const shape *p = &shapes[l];
    const int64_t n = size / 16, m = size % 16;
    int64_t outs, ins;
    sizes_of(p, &outs, &ins);
    uint8_t *spare = calloc(count_of(l), 1);
    const int64_t all_outs = p->plain ? p->outer : p->inner,
                  all_ins = p->plain ? p->inner : p->outer;
    for (int64_t o = 0; o < all_outs; o++)
        for (int64_t t = 0; t < p->taps; t++)
            for (int64_t first = 0; first < all_ins;) {
                member group[16];
                int64_t k = 0, group_end = (first / ins + 1) * ins;
                for (; k < m && first + k < group_end; k++)
                    group[k] = (member){fabsf(s->weights[l][place(p, o, first + k, t)]), first + k};
                qsort(group, (size_t)k, sizeof *group, by_size);
                for (int64_t i = 0; i + n < k; i++)
                    spare[place(p, o, group[i].in, t)] = 1;
                first += k;
            }
    for (size_t i = 0; i < count_of(l); i++)
        if (spare[i]) {
            unit *one = next_unit(u, l);
            one->importance = fabsf(s->weights[l][i]) / norm;
            one->members[one->count++] = (uint32_t)i;
        }
    free(spare);
}

START_TEST(n_of_m_are_those_of_a_sort)
{
    static const int64_t pairs[][2] = {{2, 4}, {1, 4}, {4, 8}, {1, 3}};
    const int64_t n = pairs[_i % 4][0], m = pairs[_i % 4][1];
    const double most = 1 - (double)n / (double)m;
    const double levels[LEVELS] = {0, most * 0.1, most * 0.5, most * 0.8, most * 0.95, most};
    const bool normed = _i < 4;
    char structure[64], what[96];
    snprintf(structure, sizeof structure, "\"structure\": \"n:m\", \"n\": %d, \"m\": %d", (int)n,
        (int)m);
    fx_random_reset((uint32_t)_i * 31u + 7u);
    subject *s =
        open_subject(_i % 2 + 1, normed ? "normed_abs" : "abs", structure, levels, "global");
    for (int level = 1; level < LEVELS; level++) {
        fill(s);
        snprintf(what, sizeof what, "%d:%d, level %g", (int)n, (int)m, levels[level]);
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(s->ctrl, NULL), NNCF_OK);
        check(s, add_spare, 16 * n + m, normed, false, levels[level], level + 1 == LEVELS, what);
    }
    close_subject(s);
}
END_TEST

/* ---- NaN, rates, exports ---- */

/* A NaN makes its block the most important; with N:M it is the largest of its group. */
START_TEST(nan_is_kept)
{
    static const char *const structures[] = {"\"structure\": \"block\"", "\"structure\": \"n:m\""};
    const double levels[LEVELS] = {0, 0.5, 0.5, 0.5, 0.5, 0.5};
    subject *s = open_subject(1, "abs", structures[_i], levels, "global");
    for (int l = 0; l < LAYERS; l++)
        s->weights[l][7] = l % 2 ? -NAN : NAN;
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(s->ctrl, NULL), NNCF_OK);
    for (int l = 0; l < LAYERS; l++)
        ck_assert_msg(kept(s, l, 7), "layer %d", l);
    close_subject(s);
}
END_TEST

/* c->blocks says which blocks have a weight that is kept. */
START_TEST(blocks_with_weights_are_known)
{
    fx_random_reset(3);
    subject *s = open_subject(
        2, "abs", "\"structure\": \"block\", \"block_size\": 8", block_levels, "global");
    for (int level = 1; level < LEVELS; level++) {
        fill(s);
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(s->ctrl, NULL), NNCF_OK);
        for (int l = 0; l < LAYERS; l++) {
            units u = {0};
            add_blocks(s, l, 8, 1, &u);
            for (size_t i = 0; i < u.count; i++) {
                bool any = false;
                for (size_t j = 0; j < u.list[i].count; j++)
                    any = any || kept(s, l, u.list[i].members[j]);
                ck_assert_int_eq(s->ctrl->layers[l].blocks[i], any);
            }
            free(u.list);
        }
    }
    close_subject(s);
}
END_TEST

/* A snapshot's masks, and its blocks. */
START_TEST(snapshots_bring_blocks)
{
    char path[FX_TEMPORARY];
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *file;
    fx_random_reset(5);
    subject *a = open_subject(2, "abs", "\"structure\": \"block\"", block_levels, "global"),
            *b = open_subject(1, "abs", "\"structure\": \"block\"", block_levels, "global");
    fill(a);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(a->ctrl, NULL), NNCF_OK);
    fx_temporary(path);
    ck_assert_msg(
        nncf_checkpoint_save(a->ctrl, path, NULL, 0, NULL, &err) == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(nncf_checkpoint_open(b->c.context, path, NULL, &file, &err), NNCF_OK);
    ck_assert_msg(
        nncf_checkpoint_restore(file, b->ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint_close(file);
    remove(path);
    for (int l = 0; l < LAYERS; l++) {
        units u = {0};
        add_blocks(a, l, 16, 1, &u);
        ck_assert_mem_eq(a->ctrl->layers[l].bits, b->ctrl->layers[l].bits, (count_of(l) + 7) / 8);
        ck_assert_mem_eq(a->ctrl->layers[l].blocks, b->ctrl->layers[l].blocks, u.count);
        free(u.list);
    }
    close_subject(a);
    close_subject(b);
}
END_TEST

/* The plan names the structure of a mask. */
START_TEST(plan_names_structure)
{
    static const char *const structures[][3] = {
        {"\"structure\": \"block\", \"block_size\": 8", "\"structure\":\"blocks 8x8\"",
            "  blocks 8x8  "},
        {"\"structure\": \"n:m\"", "\"structure\":\"2:4\"", "  2:4  "},
        {"\"structure\": \"unstructured\"", "\"what\":\"mask\"", "  mask  "}};
    const double levels[LEVELS] = {0, 0.5, 0.5, 0.5, 0.5, 0.5};
    subject *s = open_subject(1, "abs", structures[_i][0], levels, "global");
    char config[256], text[8192];
    nncf_plan *plan;
    snprintf(config, sizeof config,
        "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"params\": {%s}}}",
        structures[_i][0]);
    nncf_config *parsed = fx_config(s->c.context, config);
    ck_assert_int_eq(nncf_plan_create(s->model, parsed, &plan, NULL), NNCF_OK);
    for (int form = 0; form < 2; form++) {
        ck_assert_int_eq(nncf_plan_format(plan, form ? NNCF_FORM_TEXT : NNCF_FORM_JSON, text,
                             sizeof text, NULL, NULL),
            NNCF_OK);
        ck_assert_msg(strstr(text, structures[_i][1 + form]) != NULL, "%s", text);
    }
    ck_assert((strstr(text, "structure") == NULL));
    nncf_plan_destroy(plan);
    nncf_config_destroy(parsed);
    close_subject(s);
}
END_TEST

static void strip_says(const subject *s, nncf_status expected)
{
    char path[64];
    nncf_error err = NNCF_ERROR_INIT;
    snprintf(path, sizeof path, "structure-%ld.safetensors", (long)getpid());
    const nncf_status status = nncf_strip_save(s->ctrl, path, NULL, NULL, &err);
    ck_assert_msg(status == expected, "%d, not %d: %s", (int)status, (int)expected, err.message);
    if (expected != NNCF_OK)
        ck_assert_msg(strstr(err.message, "2:4 sparse") && strstr(err.message, "Net/Conv[0]"), "%s",
            err.message);
    remove(path);
}

/* Below 1 - n / m an export is refused; at it every group fits. */
START_TEST(export_is_n_of_m)
{
    const double levels[LEVELS] = {0.3, 0.5, 0.5, 0.5, 0.5, 0.5};
    nncf_error err = NNCF_ERROR_INIT;
    fx_random_reset(11);
    subject *s = open_subject(1, "abs", "\"structure\": \"n:m\"", levels, "global");
    strip_says(s, NNCF_E_STATE);
    ck_assert_int_eq(nncf_compression_ctrl_set_compression_rate(s->ctrl, 0.6, &err), NNCF_E_ARG);
    ck_assert_msg(strstr(err.message, "above 0.5"), "%s", err.message);
    ck_assert_int_eq(nncf_compression_ctrl_set_compression_rate(s->ctrl, 0.5, &err), NNCF_OK);
    strip_says(s, NNCF_OK);
    /* a mask from elsewhere */
    memset(s->ctrl->layers[0].bits, 0xff, (count_of(0) + 7) / 8);
    strip_says(s, NNCF_E_STATE);
    close_subject(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("structure");
    TCase *tcase = fx_case(suite, "structure", 300);
    tcase_add_loop_test(tcase, blocks_are_those_of_a_sort, 0, sweep_rounds(16, 9));
    tcase_add_loop_test(tcase, n_of_m_are_those_of_a_sort, 0, sweep_rounds(8, 4));
    tcase_add_loop_test(tcase, nan_is_kept, 0, 2);
    tcase_add_test(tcase, blocks_with_weights_are_known);
    tcase_add_test(tcase, snapshots_bring_blocks);
    tcase_add_loop_test(tcase, plan_names_structure, 0, 3);
    tcase_add_test(tcase, export_is_n_of_m);
    return fx_main(suite);
}
