/* SPDX-License-Identifier: Apache-2.0 */
/* Importance, rounding, masks and schedules of filter pruning against what NNCF 1.3.1 did. */
#include "config/config.h"
#include "pruning/criteria.h"
#include "pruning/level.h"
#include "support/fixture.h"

#include <stdbool.h>

enum { MOST = 64 };

static json_object *golden, *cases;

static void open_golden(void)
{
    golden = fx_golden("pruning.json");
    cases = fx_member(golden, "cases");
}

static void close_golden(void)
{
    json_object_put(golden);
}

static bool is_kind(json_object *c, const char *kind)
{
    return strcmp(fx_string(c, "kind"), kind) == 0;
}

static int32_t importance_of(json_object *c)
{
    const char *name = fx_string(c, "importance");
    return strcmp(name, "L1") == 0 ? NNCF__FILTER_L1
        : strcmp(name, "L2") == 0  ? NNCF__FILTER_L2
                                   : NNCF__FILTER_MEDIAN;
}

/* Free the weight. */
static nncf__filters weight_of(const char *name)
{
    json_object *w = fx_member(fx_member(golden, "weights"), name), *shape = fx_member(w, "shape");
    size_t n;
    nncf__filters f = {.weight = fx_floats(w, &n), .inputs = 1};
    f.count = (size_t)json_object_get_int64(json_object_array_get_idx(shape, 0));
    f.run = n / f.count;
    return f;
}

static const char *mask_text(const uint8_t *keep, size_t n, char text[MOST + 1])
{
    for (size_t i = 0; i < n; i++)
        text[i] = keep[i] ? '1' : '0';
    text[n] = 0;
    return text;
}

static void compare_importance(const float *own, json_object *values)
{
    float theirs[MOST];
    const size_t n = fx_floats_into(fx_member(values, "data"), theirs, MOST);
    for (size_t i = 0; i < n; i++)
        ck_assert_float_eq_tol(own[i], theirs[i], 2e-6f * (1 + theirs[i]));
}

START_TEST(importance_and_masks_are_nncfs)
{
    nncf_context *context = fx_new_context(NULL, 2, NNCF_ISA_BEST, 1);
    int seen = 0, masks = 0;
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        json_object *c = json_object_array_get_idx(cases, i);
        if (!is_kind(c, "importance"))
            continue;
        nncf__filters f = weight_of(fx_string(c, "weight"));
        float importance[MOST], sorted[MOST];
        nncf__filters_importance(context, &f, importance_of(c), 1, importance);
        compare_importance(importance, fx_member(c, "values"));
        memcpy(sorted, importance, sizeof sorted);
        nncf__filters_sort(sorted, f.count);
        json_object *list = fx_member(c, "masks");
        for (size_t j = 0; j < json_object_array_length(list); j++, masks++) {
            json_object *m = json_object_array_get_idx(list, j);
            const size_t pruned = nncf__filters_pruned(f.count, fx_number(m, "rate"));
            uint8_t keep[MOST];
            char text[MOST + 1];
            ck_assert_uint_eq(pruned, (size_t)fx_number(m, "n_pruned_target"));
            nncf__filters_keep(importance, f.count, sorted[pruned], keep);
            ck_assert_str_eq(mask_text(keep, f.count, text), fx_string(m, "mask"));
        }
        free((void *)(uintptr_t)f.weight);
        seen++;
    }
    ck_assert_int_eq(seen, 5);
    ck_assert_int_ge(masks, 40);
    nncf_context_destroy(context);
}
END_TEST

START_TEST(rounding_is_nncfs)
{
    int seen = 0;
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        json_object *c = json_object_array_get_idx(cases, i);
        if (!is_kind(c, "round") || fx_number(c, "multiple_of") != 8)
            continue;
        ck_assert_uint_eq(nncf__filters_pruned((size_t)fx_number(c, "total"), fx_number(c, "rate")),
            (size_t)fx_number(c, "pruned"));
        seen++;
    }
    ck_assert_int_eq(seen, 60);
}
END_TEST

/* One threshold over the filters of two weights, each divided by its norm. NNCF may prune all
 * filters of a weight; the controller keeps one (D13), this function does as NNCF. */
START_TEST(one_ranking_over_all_weights_is_nncfs)
{
    nncf_context *context = fx_new_context(NULL, 2, NNCF_ISA_BEST, 1);
    static const char *const names[] = {"w16x3x3x3", "w20x2x1x1"};
    int seen = 0;
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        json_object *c = json_object_array_get_idx(cases, i);
        float all[2 * MOST], sorted[2 * MOST];
        size_t counts[2], n = 0;
        if (!is_kind(c, "all_weights"))
            continue;
        for (size_t w = 0; w < 2; w++) {
            nncf__filters f = weight_of(names[w]);
            nncf__filters_importance(
                context, &f, importance_of(c), 1 / nncf__filters_norm(&f), all + n);
            compare_importance(
                all + n, json_object_array_get_idx(fx_member(c, "normalized_importances"), w));
            counts[w] = f.count;
            n += f.count;
            free((void *)(uintptr_t)f.weight);
        }
        memcpy(sorted, all, sizeof sorted);
        nncf__filters_sort(sorted, n);
        json_object *list = fx_member(c, "masks");
        for (size_t j = 0; j < json_object_array_length(list); j++, seen++) {
            json_object *m = json_object_array_get_idx(list, j), *masks = fx_member(m, "masks");
            const size_t place = (size_t)(fx_number(m, "rate") * (double)n);
            ck_assert_uint_eq(place, (size_t)fx_number(m, "index"));
            for (size_t w = 0; w < 2; w++) {
                uint8_t keep[MOST];
                char text[MOST + 1];
                nncf__filters_keep(all + (w ? counts[0] : 0), counts[w], sorted[place], keep);
                ck_assert_str_eq(mask_text(keep, counts[w], text),
                    json_object_get_string(json_object_array_get_idx(masks, w)));
            }
        }
    }
    ck_assert_int_eq(seen, 10);
    nncf_context_destroy(context);
}
END_TEST

/* Filters of a transposed convolution are the second axis: the same as of the weight turned. */
START_TEST(filters_of_a_second_axis)
{
    enum { IN = 3, OUT = 5, RUN = 4 };
    nncf_context *context = fx_new_context(NULL, 1, NNCF_ISA_BEST, 1);
    float w[IN * OUT * RUN], turned[IN * OUT * RUN], a[OUT], b[OUT];
    fx_fill_from(w, IN * OUT * RUN, 7);
    for (int i = 0; i < IN; i++)
        for (int o = 0; o < OUT; o++)
            memcpy(turned + (o * IN + i) * RUN, w + (i * OUT + o) * RUN, RUN * sizeof *w);
    const nncf__filters second = {w, IN, OUT, RUN}, first = {turned, 1, OUT, IN * RUN};
    for (int32_t kind = NNCF__FILTER_L2; kind <= NNCF__FILTER_MEDIAN; kind++) {
        nncf__filters_importance(context, &second, kind, 1, a);
        nncf__filters_importance(context, &first, kind, 1, b);
        for (int o = 0; o < OUT; o++)
            ck_assert_float_eq_tol(a[o], b[o], 1e-6f * b[o]);
    }
    nncf_context_destroy(context);
}
END_TEST

START_TEST(importance_has_the_same_bits_for_any_number_of_threads)
{
    enum { N = 37, RUN = 31 };
    float w[N * RUN], results[3][N];
    fx_fill_from(w, N * RUN, 3);
    const nncf__filters f = {w, 1, N, RUN};
    for (int32_t threads = 1; threads <= 3; threads++) {
        nncf_context *context = fx_new_context(NULL, threads, NNCF_ISA_BEST, 1);
        nncf__filters_importance(context, &f, NNCF__FILTER_MEDIAN, 0.3, results[threads - 1]);
        nncf_context_destroy(context);
    }
    ck_assert_mem_eq(results[0], results[1], sizeof results[0]);
    ck_assert_mem_eq(results[0], results[2], sizeof results[0]);
}
END_TEST

/* ---- schedules ---- */

static nncf__pruning_params params_of(const char *scheduler, json_object *params)
{
    json_object *copy = NULL;
    char text[1024];
    size_t n;
    ck_assert_int_eq(json_object_deep_copy(params, &copy, NULL), 0);
    json_object_object_add(copy, "schedule", json_object_new_string(scheduler));
    snprintf(text, sizeof text,
        "{\"nncf_dialect\": \"1.3\", \"compression\": {\"algorithm\": \"filter_pruning\", "
        "\"params\": %s}}",
        json_object_to_json_string(copy));
    nncf_config *config = fx_config(NULL, text);
    const nncf__pruning_params p = nncf__config_algorithms(config, &n)->pruning;
    nncf_config_destroy(config);
    json_object_put(copy);
    return p;
}

static double level(json_object *c, size_t i)
{
    return json_object_get_double(
        json_object_array_get_idx(fx_member(c, "level_after_epoch_step"), i));
}

/* exponential_with_bias with an initial level, and where NNCF's solver stopped at its start, does
 * not solve the equations that it documents: its curve ends below or jumps to the target (D14).
 * Then ours is compared with the equations. */
static void check_with_bias(const nncf__pruning_params *p)
{
    const double first = p->num_init_steps, last = first + p->steps;
    ck_assert_double_eq_tol(nncf__pruning_level(p, (int64_t)first), p->init, 1e-9);
    ck_assert_double_eq_tol(nncf__pruning_level(p, (int64_t)last), p->target, 1e-9);
    nncf__pruning_params fine = *p; /* an eighth of the way is an epoch */
    fine.steps = 8;
    fine.num_init_steps = 0;
    ck_assert_double_eq_tol(nncf__pruning_level(&fine, 1), 0.75 * p->target, 1e-9);
    for (int64_t e = 0; e < 8; e++)
        ck_assert_double_le(nncf__pruning_level(&fine, e), nncf__pruning_level(&fine, e + 1));
}

START_TEST(levels_are_nncfs)
{
    json_object *file = fx_golden("schedulers.json"), *list = fx_member(file, "cases");
    int equal = 0, deviations = 0;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *c = json_object_array_get_idx(list, i);
        if (!is_kind(c, "pruning"))
            continue;
        const char *name = fx_string(c, "scheduler");
        const nncf__pruning_params p = params_of(name, fx_member(c, "params"));
        json_object *freeze = fx_get(c, "first_epoch_step_at_which_freeze_called");
        const bool bias = strcmp(name, "exponential_with_bias") == 0;
        const size_t n = json_object_array_length(fx_member(c, "level_after_epoch_step"));
        for (size_t e = 0; freeze && e <= n; e++)
            ck_assert_int_eq(
                nncf__pruning_frozen(&p, (int64_t)e), (int64_t)e >= json_object_get_int64(freeze));
        if (bias && (p.init > 0 || fx_number(fx_member(c, "consts"), "k") == 1)) {
            check_with_bias(&p);
            deviations++;
            continue;
        }
        ck_assert_double_eq_tol(
            nncf__pruning_level(&p, 0), fx_number(c, "level_after_init"), bias ? 1e-6 : 1e-12);
        for (size_t e = 0; e < n; e++)
            ck_assert_double_eq_tol(
                nncf__pruning_level(&p, (int64_t)e + 1), level(c, e), bias ? 1e-6 : 1e-12);
        equal++;
    }
    printf("schedules: %d equal, %d deviations D14\n", equal, deviations);
    ck_assert_int_ge(equal, 8);
    json_object_put(file);
}
END_TEST

/* From 1.7 on the level arrives an epoch earlier: pruning_steps counts epochs, the first among
 * them. */
START_TEST(later_releases_arrive_one_epoch_earlier)
{
    nncf__pruning_params p = {
        .schedule = NNCF__PRUNING_EXPONENTIAL, .target = 0.5, .flops_target = -1, .steps = 5};
    ck_assert_double_lt(nncf__pruning_level(&p, 4), 0.5);
    ck_assert_double_eq(nncf__pruning_level(&p, 5), 0.5);
    p.counts_from_zero = 1;
    ck_assert_double_lt(nncf__pruning_level(&p, 3), 0.5);
    ck_assert_double_eq(nncf__pruning_level(&p, 4), 0.5);
    ck_assert_double_eq_tol(nncf__pruning_level(&p, 2), 1 - sqrt(0.5), 1e-12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("criteria");
    TCase *tests = fx_case(suite, "criteria", 30);
    tcase_add_checked_fixture(tests, open_golden, close_golden);
    tcase_add_test(tests, importance_and_masks_are_nncfs);
    tcase_add_test(tests, rounding_is_nncfs);
    tcase_add_test(tests, one_ranking_over_all_weights_is_nncfs);
    tcase_add_test(tests, filters_of_a_second_axis);
    tcase_add_test(tests, importance_has_the_same_bits_for_any_number_of_threads);
    tcase_add_test(tests, levels_are_nncfs);
    tcase_add_test(tests, later_releases_arrive_one_epoch_earlier);
    return fx_main(suite);
}
