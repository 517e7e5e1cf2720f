/* SPDX-License-Identifier: Apache-2.0 */
/* Magnitude masks against a plain sort of all importances by (importance, layer, index): weights of
 * every awkward kind, both importances, many levels, several numbers of threads. */
#include "controller/ctrl.h"
#include "support/fixture.h"
#include "support/require.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

enum { LAYERS = 3 };

typedef struct subject {
    fx_context c;
    nncf_model *model;
    fx_layer layers[LAYERS];
    nncf_compression_ctrl *ctrl;
    size_t count;
} subject;

#define LEVELS 7
static const double levels[LEVELS] = {0, 0.001, 0.3, 0.5, 0.77, 0.999, 0.9999999};

static void open_subject(subject *s, int32_t threads, const char *importance)
{
    char text[512];
    fx_open(&s->c, threads, 0);
    ck_assert_int_eq(nncf_model_create(s->c.context, &s->model, NULL), NNCF_OK);
    /* more than a chunk (65536), a few, and a number that is no multiple of 8 */
    s->layers[0] = fx_add_conv(s->model, "large", 401, sweep_rounds(401, 171), 1, NULL, NULL);
    s->layers[1] = fx_add_conv(s->model, "small", 3, 1, 1, NULL, NULL);
    s->layers[2] = fx_add_conv(s->model, "kernels", 37, 41, 3, NULL, NULL);
    s->count = s->layers[0].count + s->layers[1].count + s->layers[2].count;
    snprintf(text, sizeof text,
        "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"weight_importance\": \"%s\", "
        "\"params\": {\"schedule\": \"multistep\", \"steps\": [1, 2, 3, 4, 5, 6], "
        "\"sparsity_levels\": [%.9g, %.9g, %.9g, %.9g, %.9g, %.9g, %.9g]}}}",
        importance, levels[0], levels[1], levels[2], levels[3], levels[4], levels[5], levels[6]);
    s->ctrl = fx_ctrl(s->model, text);
}

static void close_subject(subject *s)
{
    nncf_compression_ctrl_destroy(s->ctrl);
    nncf_model_destroy(s->model);
    for (int i = 0; i < LAYERS; i++)
        fx_layer_free(&s->layers[i]);
    fx_close(&s->c);
}

/* ---- weights ---- */

static float uniform(void)
{
    return (float)(fx_random32() >> 8) * 0x1p-23f - 1.0f;
}

static float anything(size_t i)
{
    (void)i;
    return uniform() * uniform() * uniform();
}

/* The normal distribution's middle: what weights look like. */
static float bell(size_t i)
{
    (void)i;
    return (uniform() + uniform() + uniform() + uniform()) * 0.02f;
}

static float few_values(size_t i)
{
    static const float values[5] = {0.25f, -0.25f, 0.5f, 0.0f, -0.0f};
    (void)i;
    return values[fx_random32() % 5];
}

static float all_zero(size_t i)
{
    return i % 2 ? 0.0f : -0.0f;
}

static float all_alike(size_t i)
{
    return i % 3 ? 0.125f : -0.125f;
}

static float denormal(size_t i)
{
    return i % 5 == 0 ? FLT_MIN
                      : (float)(fx_random32() % 4000) * 0x1p-149f * (i % 2 ? 1.0f : -1.0f);
}

static float next_to_each_other(size_t i)
{
    uint32_t bits =
        0x3f80ff00u + fx_random32() % 512; /* the upper 16 bits differ, and the lower ones */
    float value;
    (void)i;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float with_nan_and_infinity(size_t i)
{
    return i % 101 == 0 ? (i % 2 ? NAN : -NAN)
        : i % 103 == 0  ? -INFINITY
        : i % 107 == 0  ? FLT_MAX
                        : uniform();
}

static float (*const kinds[])(size_t i) = {anything, bell, few_values, all_zero, all_alike,
    denormal, next_to_each_other, with_nan_and_infinity};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* ---- the sort ---- */

typedef struct entry {
    float importance;
    uint32_t place; /* layers one behind the other */
} entry;

static int by_importance(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    int nan = (isnan(x->importance) != 0) - (isnan(y->importance) != 0); /* NaN is the largest */
    int value = (x->importance > y->importance) - (x->importance < y->importance);
    int place = (x->place > y->place) - (x->place < y->place);
    return nan ? nan : value ? value : place;
}

/* ||w||, or 1 where that is no divisor, in a sum of its own. */
static float norm_of(const fx_layer *l)
{
    double sum = 0;
    for (size_t i = 0; i < l->count; i++)
        sum += (double)l->weight[i] * (double)l->weight[i];
    float norm = (float)sqrt(sum);
    return norm > 0 && isfinite(norm) ? norm : 1;
}

static void check_masks(const subject *s, bool normed, double level, const char *what)
{
    entry *sorted = malloc(s->count * sizeof *sorted);
    uint8_t *masked = calloc(s->count, 1);
    size_t n = 0, zeros = (size_t)floor(level * (double)s->count);
    for (int l = 0; l < LAYERS; l++) {
        const float norm = normed ? s->ctrl->layers[l].norm : 1.0f, own = norm_of(&s->layers[l]);
        /* The order of its sum is the library's affair; what is divided by must be the very same
         * number. */
        REQUIRE(!normed || fabsf(norm - own) <= 1e-6f * own, "%s: norm %g, not %g", what,
            (double)norm, (double)own);
        for (size_t i = 0; i < s->layers[l].count; i++, n++)
            sorted[n] = (entry){fabsf(s->layers[l].weight[i]) / norm, (uint32_t)n};
    }
    qsort(sorted, n, sizeof *sorted, by_importance);
    for (size_t i = 0; i < zeros; i++)
        masked[sorted[i].place] = 1;
    double threshold = fx_statistics(s->ctrl).magnitude_threshold;
    REQUIRE(threshold == (zeros > 0 ? (double)sorted[zeros - 1].importance : 0) ||
            isnan(sorted[zeros > 0 ? zeros - 1 : 0].importance),
        "%s: threshold %g", what, threshold);
    n = 0;
    for (int l = 0; l < LAYERS; l++)
        for (size_t i = 0; i < s->layers[l].count; i++, n++) {
            int kept = s->ctrl->layers[l].bits[i / 8] >> i % 8 & 1;
            REQUIRE(kept == !masked[n], "%s: layer %d, weight %zu (%g): kept %d", what, l, i,
                (double)s->layers[l].weight[i], kept);
        }
    free(sorted);
    free(masked);
}

/* _i: the kind of weights */
START_TEST(masks_are_those_of_a_sort)
{
    for (int32_t run = 0; run < 6; run++) {
        const bool normed = run % 2;
        const int32_t threads = run / 2 + 1;
        subject s;
        if (sweep_rounds(0, 1) && (run + _i) % 3)
            continue;
        open_subject(&s, threads, normed ? "normed_abs" : "abs");
        fx_random_reset((uint32_t)_i * 977u + 5u);
        for (int l = 0; l < LAYERS; l++)
            for (size_t i = 0; i < s.layers[l].count; i++)
                s.layers[l].weight[i] = kinds[_i](i);
        for (int level = 1; level < LEVELS; level++) {
            char what[96];
            snprintf(what, sizeof what, "weights %d, %s, %d threads, level %.9g", _i,
                normed ? "normed_abs" : "abs", (int)threads, levels[level]);
            ck_assert_int_eq(nncf_compression_ctrl_epoch_step(s.ctrl, NULL), NNCF_OK);
            check_masks(&s, normed, levels[level], what);
        }
        close_subject(&s);
    }
}
END_TEST

/* Level 0 keeps all, zeros too. */
START_TEST(level_zero_masks_nothing)
{
    subject s;
    open_subject(&s, 2, "abs");
    check_masks(&s, false, 0, "level 0");
    ck_assert_double_eq(fx_statistics(s.ctrl).sparsity, 0);
    close_subject(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("magnitude");
    TCase *tcase = fx_case(suite, "magnitude", 300);
    tcase_add_loop_test(tcase, masks_are_those_of_a_sort, 0, KINDS);
    tcase_add_test(tcase, level_zero_masks_nothing);
    return fx_main(suite);
}
