/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges from batches: NNCF's own results, streams that do not fit, threads, and counting of
 * batches and images. */
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/init.h"
#include "quantization/histogram.h"
#include "quantization/observer.h"
#include "quantization/quantizer.h"
#include "support/fixture.h"

#include <stdbool.h>

/* ---- NNCF's results ---- */

/* One convolution that reads the model's input, so that it has a quantizer for it and one for its
 * weight. */
typedef struct bench {
    fx_context c;
    nncf_model *model;
    fx_layer conv;
    nncf_compression_ctrl *ctrl;
} bench;

/* `range` NULL: min_max over 3 batches. */
static void bench_open(bench *b, const int64_t shape[4], int64_t in_channels, const float *weight,
    const char *group, const char *range)
{
    char text[512];
    fx_open(&b->c, 2, 0);
    ck_assert_int_eq(nncf_model_create(b->c.context, &b->model, NULL), NNCF_OK);
    b->conv = weight ? fx_add_conv(b->model, "Net/Conv2d[c]", shape[0], shape[1], (int32_t)shape[2],
                           weight, NULL)
                     : fx_add_conv(b->model, "Net/Conv2d[c]", 1, in_channels, 1, NULL, NULL);
    snprintf(text, sizeof text,
        "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"range\": {%s}}, "
        "%s}}",
        range ? range : "\"num_init_steps\": 3, \"type\": \"min_max\"", group);
    b->ctrl = fx_ctrl(b->model, text);
}

static void bench_close(bench *b)
{
    nncf_compression_ctrl_destroy(b->ctrl);
    nncf_model_destroy(b->model);
    fx_layer_free(&b->conv);
    fx_close(&b->c);
}

/* Give a quantizer another rule than the config did. */
static void set_rule(bench *b, nncf__quantizer *q, const nncf__range_rule *rule)
{
    nncf__observer_destroy(b->c.context, q);
    q->rule = *rule;
    ck_assert_int_eq(nncf__observer_create(b->c.context, q), NNCF_OK);
}

/* The case's rule as the config has it. */
static void range_text(json_object *init, size_t steps, char *out, size_t capacity)
{
    int n = snprintf(
        out, capacity, "\"num_init_steps\": %zu, \"type\": \"%s\"", steps, fx_string(init, "type"));
    if (fx_get(init, "min_percentile"))
        snprintf(out + n, capacity - (size_t)n,
            ", \"min_percentile\": %.17g, \"max_percentile\": %.17g",
            fx_number(init, "min_percentile"), fx_number(init, "max_percentile"));
}

/* The batches of a data set, all of one shape. */
typedef struct batches {
    size_t count, elements;
    int64_t shape[4];
    float *x[4];
} batches;

static batches batches_of(json_object *set)
{
    batches b = {.count = json_object_array_length(set)};
    ck_assert_uint_le(b.count, 4);
    for (size_t i = 0; i < b.count; i++) {
        json_object *batch = json_object_array_get_idx(set, i);
        b.x[i] = fx_floats(batch, &b.elements);
        for (size_t j = 0; j < 4; j++)
            b.shape[j] =
                json_object_get_int64(json_object_array_get_idx(fx_get(batch, "shape"), j));
    }
    return b;
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Percentile of one channel (-1: of all) over all batches, from a sort. */
static double oracle(const batches *b, int channel, double percent)
{
    float all[256];
    size_t n = 0;
    const size_t hw = (size_t)(b->shape[2] * b->shape[3]);
    for (size_t i = 0; i < b->count; i++)
        for (size_t j = 0; j < b->elements; j++)
            if (channel < 0 || j / hw % (size_t)b->shape[1] == (size_t)channel)
                all[n++] = b->x[i][j];
    qsort(all, n, sizeof *all, ascending);
    double place = percent / 100 * (double)(n - 1);
    size_t k = (size_t)floor(place);
    double high = k + 1 < n ? (double)all[k + 1] : (double)all[k];
    return (double)all[k] + (high - (double)all[k]) * (place - (double)k);
}

typedef struct tally {
    size_t same, floored, zeros, raised, sorted, of_kind[8];
} tally;

/* D5: no floor at 0.1, and scale 1 where nothing was seen. D6: channels in their places. */
static void check_symmetric(json_object *c, const nncf__quantizer *q, tally *t)
{
    float *scale = fx_floats(fx_get(c, "scale"), NULL);
    bool floored = false;
    ck_assert_int_eq(q->params.sign, json_object_get_int(fx_get(c, "signed")));
    ck_assert_float_eq(q->fq[0].low, (float)fx_number(c, "level_low"));
    ck_assert_float_eq(q->fq[0].high, (float)fx_number(c, "level_high"));
    for (size_t k = 0; k < q->channels; k++)
        floored = floored || q->bound[k] <= 0.1f;
    for (size_t k = 0; k < q->channels; k++) {
        if (!floored)
            ck_assert_float_eq_tol(q->bound[k], scale[k], 1e-6f * scale[k]);
        else if (q->channels == 1)
            ck_assert_float_eq(scale[k], 0.1f);
        if (fx_get(c, "min")) {
            float *min = fx_floats(fx_get(c, "min"), NULL),
                  *max = fx_floats(fx_get(c, "max"), NULL);
            ck_assert_float_eq_tol(
                q->bound[k], fmaxf(fabsf(min[k]), fabsf(max[k])), 1e-6f * q->bound[k]);
            free(min);
            free(max);
        }
    }
    floored ? t->floored++ : t->same++;
    free(scale);
}

static void check_asymmetric(json_object *c, const nncf__quantizer *q, tally *t)
{
    float *low = fx_floats(fx_get(c, "input_low"), NULL),
          *range = fx_floats(fx_get(c, "input_range"), NULL);
    for (size_t k = 0; k < q->channels; k++) {
        ck_assert_float_eq_tol(q->bound[k], low[k], 2e-6f * fmaxf(1, fabsf(low[k])));
        ck_assert_float_eq_tol(q->length[k], range[k], 2e-6f * fmaxf(1, range[k]));
    }
    free(low);
    free(range);
    t->same++;
}

static void feed(bench *n, const batches *b, bool first_images)
{
    int32_t more;
    size_t at = 0;
    float y[64];
    const int64_t images = first_images ? 1 : b->shape[0],
                  in[4] = {images, b->shape[1], b->shape[2], b->shape[3]},
                  out[4] = {images, 1, b->shape[2], b->shape[3]};
    nncf_tensor ty = {.data = y, .ndim = 4, .shape = out};
    for (; nncf_compression_ctrl_init_step(n->ctrl, &more, NULL) == NNCF_OK && more; at++) {
        nncf_tensor tx = {.data = b->x[at], .ndim = 4, .shape = in};
        ck_assert_int_eq(nncf_layer_forward(n->conv.layer, &tx, 1, &ty, NULL), NNCF_OK);
    }
    ck_assert_uint_eq(at, b->count);
}

/* Ranges of whole batches, where NNCF has looked at less. */
static void check_percentiles(const nncf__quantizer *q, const batches *b, tally *t)
{
    for (size_t k = 0; k < q->channels; k++) {
        const int channel = q->channels > 1 ? (int)k : -1;
        const double low = oracle(b, channel, q->rule.min_percentile),
                     high = oracle(b, channel, q->rule.max_percentile);
        if (q->length) {
            ck_assert_double_eq_tol((double)q->bound[k], low, 1e-6);
            ck_assert_double_eq_tol((double)q->length[k], high - low, 1e-6);
        } else if (low != 0 || high != 0) {
            ck_assert_double_eq_tol((double)q->bound[k], fmax(fabs(low), fabs(high)), 1e-6);
        }
    }
    t->sorted++;
}

/*
 * D6: for rules by order NNCF 1.3.1 takes index 0 of dimension 0 for the channel: the first image
 * of each batch is all it looks at per tensor, and per channel it falls over its own shapes.
 * `first_images`: feed those, to compare with it.
 */
static void run_case(json_object *root, json_object *c, bool first_images, tally *t)
{
    const bool is_weight = json_object_get_boolean(fx_get(c, "is_weights")),
               asymmetric = strcmp(fx_string(c, "mode"), "asymmetric") == 0,
               all_zero = strcmp(fx_string(c, "data"), "zeros") == 0;
    json_object *forced = fx_get(c, "signed_forced"),
                *set = fx_get(fx_get(root, "data"), fx_string(c, "data"));
    char group[200], range[200];
    snprintf(group, sizeof group, "\"%s\": {\"mode\": \"%s\", \"per_channel\": %s%s}",
        is_weight ? "weights" : "activations", fx_string(c, "mode"),
        json_object_get_boolean(fx_get(c, "per_channel")) ? "true" : "false",
        !forced                               ? ""
            : json_object_get_boolean(forced) ? ", \"signed\": true"
                                              : ", \"signed\": false");
    batches b = batches_of(set);
    bench n;
    range_text(fx_get(c, "init"), b.count, range, sizeof range);
    bench_open(&n, b.shape, b.shape[1], is_weight ? b.x[0] : NULL, group, range);
    nncf__quantizer *q =
        is_weight ? n.ctrl->layers[0].weight_quantizer : n.ctrl->layers[0].input_quantizer;
    const nncf__range_rule rule = q->rule;
    if (!is_weight) /* weights have theirs since creation */
        feed(&n, &b, first_images);
    if (rule.kind == NNCF__PERCENTILE && !first_images && !all_zero)
        check_percentiles(q, &b, t);
    t->of_kind[rule.kind] += !first_images;
    if (first_images != (rule.kind == NNCF__THREESIGMA || rule.kind == NNCF__PERCENTILE) ||
        fx_get(c, "error")) {
        ck_assert(q->initialized);
        t->raised += fx_get(c, "error") && !first_images;
    } else if (all_zero) {
        ck_assert_float_eq(asymmetric ? q->length[0] : q->bound[0], 1);
        ck_assert_int_eq(n.c.warnings, 1);
        t->zeros++;
    } else if (asymmetric) {
        check_asymmetric(c, q, t);
    } else {
        check_symmetric(c, q, t);
    }
    bench_close(&n);
    for (size_t i = 0; i < b.count; i++)
        free(b.x[i]);
}

START_TEST(ranges_are_those_of_nncf)
{
    json_object *root = fx_golden("range_init.json"), *cases = fx_get(root, "cases");
    const size_t n = json_object_array_length(cases);
    tally t = {0};
    for (size_t i = 0; i < 2 * n; i++)
        run_case(root, json_object_array_get_idx(cases, i % n), i >= n, &t);
    printf("range_init.json: %zu cases (%zu min_max, %zu mean_min_max, %zu threesigma, %zu "
           "percentile): %zu as NNCF, %zu "
           "where it floors the scale (D5), %zu all zero (D5), %zu per channel where it raises "
           "(D6); rules by order "
           "compared on "
           "what NNCF looks at, and %zu of whole batches with a sort\n",
        n, t.of_kind[NNCF__MIN_MAX], t.of_kind[NNCF__MEAN_MIN_MAX], t.of_kind[NNCF__THREESIGMA],
        t.of_kind[NNCF__PERCENTILE], t.same, t.floored, t.zeros, t.raised, t.sorted);
    ck_assert_uint_eq(t.same + t.floored + t.zeros + t.raised, n);
    ck_assert_uint_ge(t.same, 80);
    json_object_put(root);
}
END_TEST

/* ---- streams ---- */

typedef struct stream {
    nncf__histogram h;
    float values[4096];
    uint64_t bins[2 * 24 * 512 + 1];
} stream;

static void stream_open(stream *s, size_t room)
{
    memset(s, 0, sizeof *s);
    s->h = (nncf__histogram){.sub_bits = 9, .capacity = room, .values = s->values, .bins = s->bins};
    ck_assert_uint_eq(nncf__histogram_bins(9), sizeof s->bins / sizeof *s->bins);
    nncf__histogram_clear(&s->h);
}

/* Sums of four uniforms, with a long tail on one side and exact zeros; `kind` moves it about. */
static void fill(float *x, size_t n, uint64_t seed, int kind)
{
    for (size_t i = 0; i < n; i++) {
        float v = 0;
        for (int j = 0; j < 4; j++)
            v += (float)fx_uniform(&seed);
        x[i] = kind == 0 ? v : kind == 1 ? fmaxf(v, 0) : expf(2 * v) * 1e-3f + 0.5f;
    }
}

/* The estimate against the sorted stream: how many places off, as a share of all. */
static double rank_error(const float *sorted, size_t n, double value, double percent)
{
    size_t below = 0, upto = 0;
    for (size_t i = 0; i < n; i++) {
        below += (double)sorted[i] < value;
        upto += (double)sorted[i] <= value;
    }
    double place = percent / 100 * (double)(n - 1);
    double off = place < (double)below ? (double)below - place
        : place > (double)upto         ? place - (double)upto
                                       : 0;
    return off / (double)n;
}

START_TEST(percentiles_from_bins_are_near_the_exact_ones)
{
    enum { MOST = 200000 };
    const size_t N = getenv("NNCF_TEST_QUICK") ? 20000 : MOST;
    static stream s;
    float *x = calloc(N, sizeof *x), *sorted = calloc(N, sizeof *x);
    const double percents[] = {0.1, 1, 10, 50, 90, 99, 99.9};
    double worst_rank = 0, worst_value = 0, worst_sigma = 0;
    for (int kind = 0; kind < 3; kind++) {
        fill(x, N, 5, kind);
        memcpy(sorted, x, N * sizeof *x);
        qsort(sorted, N, sizeof *sorted, ascending);
        for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
            nncf__range_rule rule = {.kind = NNCF__PERCENTILE,
                .min_percentile = percents[i],
                .max_percentile = percents[i]};
            double range[2];
            stream_open(&s, 4096);
            for (size_t at = 0; at < N; at += 1000)
                nncf__histogram_add(&s.h, 1000, x + at);
            ck_assert(s.h.spilled);
            ck_assert(nncf__histogram_range(&s.h, &rule, range));
            const double place = percents[i] / 100 * (double)(N - 1);
            const size_t k = (size_t)place;
            const double exact = (double)sorted[k] +
                ((double)sorted[k + 1] - (double)sorted[k]) * (place - (double)k);
            if (kind <
                2) /* the third crowds in one bin: what holds there is the bound on the value */
                worst_rank = fmax(worst_rank, rank_error(sorted, N, range[0], percents[i]));
            worst_value =
                fmax(worst_value, exact != 0 ? fabs(range[0] / exact - 1) : fabs(range[0]));
        }
        /* three sigmas: bins against the values themselves */
        const nncf__range_rule three = {.kind = NNCF__THREESIGMA};
        double of_bins[2], of_values[2];
        ck_assert(nncf__histogram_range(&s.h, &three, of_bins));
        ck_assert(nncf__range_of_values(&three, x, N, of_values));
        for (int i = 0; i < 2 && kind < 2; i++)
            worst_sigma =
                fmax(worst_sigma, fabs(of_bins[i] - of_values[i]) / (of_values[1] - of_values[0]));
    }
    printf("histograms of %zu elements: rank error at most %.2g of them, value within %.2g of "
           "itself, three sigmas within "
           "%.2g of their width\n",
        N, worst_rank, worst_value, worst_sigma);
    ck_assert_double_le(worst_rank, 2e-3);
    ck_assert_double_le(worst_value, 1.0 / 512);
    ck_assert_double_le(worst_sigma, 2e-3);
    free(x);
    free(sorted);
}
END_TEST

/* Whatever the order and the shares: the same bins. */
START_TEST(merged_observers_equal_one_of_the_whole)
{
    enum { N = 30000 };
    static stream whole, parts[3];
    float *x = calloc(N, sizeof *x);
    fill(x, N, 9, 0);
    for (size_t i = 0; i < N; i++)
        x[i] *= i % 7 == 0 ? 1e-12f : i > N - 5 ? 1e6f : 1;
    x[17] = NAN;
    x[18] = INFINITY;
    x[19] = 1e-42f; /* denormal */
    stream_open(&whole, 100);
    for (int i = 0; i < 3; i++)
        stream_open(&parts[i], i == 2 ? 4096 : 0);
    nncf__histogram_add(&whole.h, N, x);
    for (size_t i = 0; i < N; i++)
        nncf__histogram_add(&parts[i % 10 == 0 ? 2 : i % 2].h, 1, x + (N - 1 - i));
    ck_assert(!parts[2].h.spilled);
    nncf__histogram_merge(&parts[0].h, &parts[1].h);
    nncf__histogram_merge(&parts[0].h, &parts[2].h);
    ck_assert_uint_eq(parts[0].h.count, whole.h.count);
    ck_assert_uint_eq(whole.h.count, N - 2);
    ck_assert_uint_eq(parts[0].h.zeros, whole.h.zeros);
    ck_assert_int_eq(parts[0].h.top, whole.h.top);
    ck_assert_int_eq(memcmp(parts[0].bins, whole.bins, sizeof whole.bins), 0);
    free(x);
}
END_TEST

START_TEST(selection_gives_what_a_sort_gives)
{
    float x[40], sorted[40];
    uint64_t seed = 3;
    for (int round = 0; round < 500; round++) {
        size_t n = 1 + fx_next(&seed) % 40;
        for (size_t i = 0; i < n; i++) /* many ties */
            x[i] = (float)(fx_next(&seed) % (round % 2 ? 5 : 1000));
        memcpy(sorted, x, n * sizeof *x);
        qsort(sorted, n, sizeof *sorted, ascending);
        size_t k = fx_next(&seed) % n;
        nncf__range_rule rule = {.kind = NNCF__PERCENTILE, .max_percentile = 100};
        rule.min_percentile = n > 1 ? 100.0 * (double)k / (double)(n - 1) : 0;
        double range[2];
        ck_assert(nncf__range_of_values(&rule, x, n, range));
        ck_assert_double_eq_tol(range[0], (double)sorted[n > 1 ? k : 0], 1e-9 * 1000);
        ck_assert_double_eq(range[1], (double)sorted[n - 1]);
    }
    const nncf__range_rule three = {.kind = NNCF__THREESIGMA};
    double range[2];
    ck_assert(!nncf__range_of_values(&three, x, 0, range));
    float zeros[3] = {0, -0.0f, NAN};
    ck_assert(!nncf__range_of_values(&three, zeros, 3, range));
}
END_TEST

/* ---- how many batches ---- */

/* Run the initialization with batches of `images`, all values +-size[batch]; returns how many there
 * were. */
static int run_batches(bench *n, const int64_t *images, const float *size, bool parts)
{
    int32_t more;
    int at = 0;
    float x[8 * 3 * 4], y[8 * 4];
    while (nncf_compression_ctrl_init_step(n->ctrl, &more, NULL) == NNCF_OK && more) {
        const int64_t in[4] = {images[at], 3, 2, 2}, out[4] = {images[at], 1, 2, 2};
        nncf_tensor tx = {.data = x, .ndim = 4, .shape = in},
                    ty = {.data = y, .ndim = 4, .shape = out};
        for (size_t i = 0; i < sizeof x / sizeof *x; i++)
            x[i] = i % 2 ? size[at] : -size[at];
        if (parts)
            ck_assert_int_eq(nncf_layer_quantize_input(n->conv.layer, &tx, &tx, NULL), NNCF_OK);
        else
            ck_assert_int_eq(nncf_layer_forward(n->conv.layer, &tx, 1, &ty, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_compression_ctrl_step(n->ctrl, NULL), NNCF_E_STATE);
        at++;
    }
    return at;
}

START_TEST(steps_count_batches_or_images)
{
    const int64_t shape[4] = {2, 3, 2, 2}, images[] = {3, 4, 2, 5, 5};
    const float size[] = {1, 2, 6, 4, 5};
    const struct {
        int64_t steps, samples;
        int32_t kind;
        int batches;
        float scale;
    } cases[] = {{2, -1, NNCF__MIN_MAX, 2, 2}, {-1, 7, NNCF__MIN_MAX, 2, 2},
        {-1, 8, NNCF__MIN_MAX, 3, 6}, {-1, 1, NNCF__MEAN_MIN_MAX, 1, 1},
        {3, -1, NNCF__MEAN_MIN_MAX, 3, 3}, {-1, 10, NNCF__MEAN_PERCENTILE, 4, 3.25f},
        {4, -1, NNCF__PERCENTILE, 4, 6}, {0, -1, NNCF__RANGE_NONE, 0, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int parts = 0; parts < 2; parts++) {
            bench n;
            bench_open(&n, shape, 3, NULL, "\"activations\": {\"bits\": 8}", NULL);
            const nncf__range_rule rule = {.kind = cases[i].kind,
                .n_steps = cases[i].steps,
                .n_samples = cases[i].samples,
                .max_percentile = 100};
            set_rule(&n, n.ctrl->layers[0].input_quantizer, &rule);
            ck_assert_int_eq(run_batches(&n, images, size, parts != 0), cases[i].batches);
            ck_assert_float_eq(fx_parameter(n.ctrl, "Net/Conv2d[c].input_quantizer.scale").data[0],
                cases[i].scale);
            ck_assert_ptr_null(n.ctrl->layers[0].input_quantizer->observer);
            ck_assert_int_eq(n.c.errors, cases[i].batches); /* of step(), which comes too early */
            ck_assert_int_eq(n.c.warnings, 0);
            bench_close(&n);
        }
    }
}
END_TEST

/* Two quantizers, two rules: the first has seen enough while the second goes on, and passes on what
 * it gets. */
START_TEST(each_quantizer_follows_its_own_rule)
{
    fx_context c;
    nncf_model *model;
    int32_t more, batch = 0;
    fx_open(&c, 1, 0);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    const float one = 1;
    fx_layer a = fx_add_conv(model, "Net/Conv2d[a]", 1, 1, 1, &one, NULL),
             b = fx_add_conv(model, "Net/Conv2d[b]", 1, 1, 1, &one, a.layer);
    nncf_compression_ctrl *ctrl = fx_ctrl(model,
        "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": "
        "1}}}");
    nncf__quantizer *first = ctrl->layers[0].input_quantizer,
                    *second = ctrl->layers[0].output_quantizer;
    second->rule.n_steps = 3;
    while (nncf_compression_ctrl_init_step(ctrl, &more, NULL) == NNCF_OK && more) {
        float x = ++batch == 3 ? -9.3f : 0.7f * (float)batch, y, z;
        const int64_t shape[4] = {1, 1, 1, 1};
        nncf_tensor tx = {.data = &x, .ndim = 4, .shape = shape},
                    ty = {.data = &y, .ndim = 4, .shape = shape},
                    tz = {.data = &z, .ndim = 4, .shape = shape};
        ck_assert_int_eq(nncf_layer_forward(a.layer, &tx, 1, &ty, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(b.layer, &ty, 1, &tz, NULL), NNCF_OK);
        ck_assert_float_eq_tol(y, x, 0.01f); /* neither quantizer's scale of 1 is at work */
    }
    ck_assert_int_eq(batch, 3);
    ck_assert_float_eq(first->bound[0], 0.7f);
    ck_assert_float_eq_tol(second->bound[0], 9.3f, 0.05f);
    ck_assert(!first->observing && !second->observing);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_layer_free(&a);
    fx_layer_free(&b);
    fx_close(&c);
}
END_TEST

/*
 * All quantizers pass values on while ranges are observed, those of weights too, as in NNCF; masks
 * stay. Weights of 2 bits are -0.9, 0 or 0.9: activations behind them reach 0.9, behind the
 * floats 1.15, behind the masked floats 1.
 */
static const char *const observed_dialects[] = {
    "1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "2.4", "2.17"};
enum { OBSERVED_DIALECTS = sizeof observed_dialects / sizeof *observed_dialects };

/* _i: the dialect, and the way: masked or not, in one call or in parts. */
START_TEST(activations_are_observed_behind_float_weights)
{
    static const float weight[4] = {0.7f, -0.3f, 0.9f, -0.25f}, ones[4] = {1, 1, 1, 1};
    const size_t d = (size_t)_i / 4;
    const int way = _i % 4;
    const bool masked = way & 1, parts = way & 2;
    char text[700];
    float x[2] = {1, -1}, y[2], z[2], w[4];
    const int64_t shape[4] = {1, 2, 1, 1};
    nncf_tensor tx = {.data = x, .ndim = 4, .shape = shape},
                ty = {.data = y, .ndim = 4, .shape = shape},
                tz = {.data = z, .ndim = 4, .shape = shape};
    fx_context c;
    nncf_model *model;
    int32_t more;
    fx_open(&c, 1, 0);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    fx_layer a = fx_add_conv(model, "Net/Conv2d[a]", 2, 2, 1, weight, NULL),
             b = fx_add_conv(model, "Net/Conv2d[b]", 2, 2, 1, ones, a.layer);
    snprintf(text, sizeof text,
        "{\"nncf_dialect\": \"%s\", %s\"compression\": [%s{\"algorithm\": "
        "\"quantization\", "
        "\"weights\": {\"bits\": 2}, \"activations\": {\"bits\": 8}, \"initializer\": "
        "{%s}}]}",
        observed_dialects[d], d > 4 ? "\"target_device\": \"NONE\", " : "",
        !masked     ? ""
            : d < 6 ? "{\"algorithm\": \"magnitude_sparsity\", \"params\": "
                      "{\"sparsity_init\": 0.125}}, "
                    : "{\"algorithm\": \"magnitude_sparsity\", \"sparsity_init\": 0.125}, ",
        d < 3       ? "\"num_init_steps\": 1"
            : d < 6 ? "\"range\": {\"num_init_steps\": 1, \"type\": \"min_max\"}"
                    : "\"range\": {\"num_init_samples\": 1, \"type\": \"min_max\"}");
    nncf_compression_ctrl *ctrl = fx_ctrl(model, text);
    const nncf__quantizer *output = ctrl->layers[0].output_quantizer,
                          *q = ctrl->layers[0].weight_quantizer;
    ck_assert(output && q);
    ck_assert_float_eq(q->bound[0], 0.9f);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 1);
    ck_assert_int_eq(nncf_layer_compress_weight(a.layer, w, NULL), NNCF_OK);
    for (int i = 0; i < 4; i++)
        ck_assert_float_eq(w[i], masked && i == 3 ? 0 : weight[i]);
    if (parts) { /* of the host's own product */
        for (int i = 0; i < 2; i++)
            y[i] = w[2 * i] - w[2 * i + 1];
        ck_assert_int_eq(nncf_layer_quantize_input(a.layer, &tx, &tx, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_quantize_output(a.layer, &ty, &ty, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_quantize_output(b.layer, &ty, &tz, NULL), NNCF_OK);
    } else {
        ck_assert_int_eq(nncf_layer_forward(a.layer, &tx, 1, &ty, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(b.layer, &ty, 1, &tz, NULL), NNCF_OK);
    }
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 0);
    ck_assert_float_eq_tol(output->bound[0], masked ? 1 : 1.15f, 1e-6f);
    ck_assert_float_eq(q->bound[0], 0.9f);
    ck_assert_int_eq(nncf_layer_compress_weight(a.layer, w, NULL), NNCF_OK);
    for (int i = 0; i < 4; i++)
        ck_assert_float_eq_tol(w[i], i % 2 ? 0 : 0.9f, 1e-6f);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_layer_free(&a);
    fx_layer_free(&b);
    fx_close(&c);
}
END_TEST

/* More elements than are kept, per tensor and per channel: the same bits for any number of threads.
 */
START_TEST(same_bits_for_any_number_of_threads)
{
    enum { N = 4, C = 3, HW = 100 * 100 };
    float *x = calloc((size_t)N * C * HW, sizeof *x), *y = calloc((size_t)N * HW, sizeof *y);
    for (int kind = NNCF__MEAN_MIN_MAX; kind <= NNCF__MEAN_PERCENTILE; kind++) {
        for (int per_channel = 0; per_channel < 2; per_channel++) {
            float first[C] = {0};
            for (int32_t threads = 1; threads <= 3; threads++) {
                bench n = {0};
                int32_t more;
                uint64_t seed = 4;
                char text[300];
                fx_open(&n.c, threads, 0);
                ck_assert_int_eq(nncf_model_create(n.c.context, &n.model, NULL), NNCF_OK);
                n.conv = fx_add_conv(n.model, "Net/Conv2d[c]", 1, C, 1, NULL, NULL);
                snprintf(text, sizeof text,
                    "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": "
                    "{\"num_init_steps\": 2}, "
                    "\"activations\": {\"per_channel\": %s}}}",
                    per_channel ? "true" : "false");
                n.ctrl = fx_ctrl(n.model, text);
                nncf__quantizer *q = n.ctrl->layers[0].input_quantizer;
                const nncf__range_rule rule = {.kind = kind,
                    .n_steps = 2,
                    .n_samples = -1,
                    .min_percentile = 1,
                    .max_percentile = 99.5};
                set_rule(&n, q, &rule);
                while (nncf_compression_ctrl_init_step(n.ctrl, &more, NULL) == NNCF_OK && more) {
                    const int64_t in[4] = {N, C, 100, 100}, out[4] = {N, 1, 100, 100};
                    nncf_tensor tx = {.data = x, .ndim = 4, .shape = in},
                                ty = {.data = y, .ndim = 4, .shape = out};
                    fill(x, (size_t)N * C * HW, seed++, 0);
                    ck_assert_int_eq(nncf_layer_forward(n.conv.layer, &tx, 1, &ty, NULL), NNCF_OK);
                }
                if (threads == 1)
                    memcpy(first, q->bound, q->channels * sizeof *first);
                ck_assert_int_eq(memcmp(first, q->bound, q->channels * sizeof *first), 0);
                ck_assert(first[0] > 2 && first[0] < (kind == NNCF__THREESIGMA ? 5 : 4));
                bench_close(&n);
            }
        }
    }
    free(x);
    free(y);
}
END_TEST

/* ---- activations per channel ---- */

enum {
    PC_N = 3,
    PC_C = 4,
    PC_HW = 6,
    PC_OUT = 2,
    PC_X = PC_N * PC_C * PC_HW,
    PC_Y = PC_N * PC_OUT * PC_HW
};
static const int64_t pc_in[4] = {PC_N, PC_C, 2, 3}, pc_out[4] = {PC_N, PC_OUT, 2, 3};
static const float pc_weight[PC_OUT * PC_C] = {1, -0.5f, 0.25f, 2, -1, 1, 0.5f, 0.125f};

/* A convolution with an initialized input quantizer of 5 bits per channel, whose channels are of
 * different sizes. */
typedef struct per_channel {
    bench n;
    nncf_parameter scale;
    float x[PC_X], y[PC_Y], dx[PC_X], dy[PC_Y];
    nncf_tensor tx, ty, tdx, tdy;
} per_channel;

static void per_channel_open(per_channel *p)
{
    static const int64_t shape[4] = {PC_OUT, PC_C, 1, 1};
    static const float sizes[PC_C] = {1, 0.01f, 30, 5};
    uint64_t seed = 1;
    int32_t more;
    *p = (per_channel){0};
    p->tx = (nncf_tensor){.data = p->x, .ndim = 4, .shape = pc_in};
    p->ty = (nncf_tensor){.data = p->y, .ndim = 4, .shape = pc_out};
    p->tdx = (nncf_tensor){.data = p->dx, .ndim = 4, .shape = pc_in};
    p->tdy = (nncf_tensor){.data = p->dy, .ndim = 4, .shape = pc_out};
    bench_open(&p->n, shape, PC_C, pc_weight,
        "\"activations\": {\"per_channel\": true, \"bits\": 5}", NULL);
    for (size_t i = 0; i < PC_X; i++)
        p->x[i] = (float)fx_uniform(&seed) * sizes[i / PC_HW % PC_C];
    for (size_t i = 0; i < PC_Y; i++)
        p->dy[i] = (float)fx_uniform(&seed);
    while (nncf_compression_ctrl_init_step(p->n.ctrl, &more, NULL) == NNCF_OK && more)
        ck_assert_int_eq(nncf_layer_forward(p->n.conv.layer, &p->tx, 1, &p->ty, NULL), NNCF_OK);
    p->scale = fx_parameter_at(p->n.ctrl, 1);
    ck_assert_uint_eq(p->scale.count, PC_C);
}

/* Smaller ranges, so that some elements are clipped; then one forward. */
static void per_channel_forward(per_channel *p)
{
    for (size_t c = 0; c < PC_C; c++)
        p->scale.data[c] *= 0.8f;
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(p->n.ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_forward(p->n.conv.layer, &p->tx, 1, &p->ty, NULL), NNCF_OK);
}

/* The quantized input and weight, by the formula. */
static double per_channel_input(const per_channel *p, size_t i)
{
    const double step = (double)p->scale.data[i / PC_HW % PC_C] / 15;
    return fmin(fmax(rint((double)p->x[i] / step), -16), 15) * step;
}

static double per_channel_weight(size_t i)
{
    const double step = 2.0 / 127;
    return rint((double)pc_weight[i] / step) * step;
}

START_TEST(activation_ranges_are_per_channel)
{
    static per_channel p;
    per_channel_open(&p);
    for (size_t c = 0; c < PC_C; c++) {
        float most = 0;
        for (size_t i = 0; i < PC_X; i++)
            most = i / PC_HW % PC_C == c ? fmaxf(most, fabsf(p.x[i])) : most;
        ck_assert_float_eq(p.scale.data[c], most);
    }
    bench_close(&p.n);
}
END_TEST

/* Such a product may not be one of codes. */
START_TEST(a_product_of_activations_per_channel_equals_loops)
{
    static per_channel p;
    per_channel_open(&p);
    per_channel_forward(&p);
    for (size_t i = 0; i < PC_Y; i++) {
        double sum = 0;
        for (size_t c = 0; c < PC_C; c++)
            sum += per_channel_weight(i / PC_HW % PC_OUT * PC_C + c) *
                (double)(float)per_channel_input(
                    &p, (i / PC_HW / PC_OUT * PC_C + c) * PC_HW + i % PC_HW);
        ck_assert_double_eq_tol((double)p.y[i], sum, 1e-4);
    }
    bench_close(&p.n);
}
END_TEST

START_TEST(gradients_of_activations_per_channel_equal_loops)
{
    static per_channel p;
    double grad[PC_C] = {0};
    per_channel_open(&p);
    per_channel_forward(&p);
    ck_assert_int_eq(nncf_layer_backward(p.n.conv.layer, &p.tx, 1, &p.tdy, &p.tdx, NULL), NNCF_OK);
    for (size_t i = 0; i < PC_X; i++) {
        const size_t c = i / PC_HW % PC_C;
        const double s = (double)p.scale.data[c], v = (double)p.x[i];
        double g = 0;
        for (size_t o = 0; o < PC_OUT; o++)
            g += per_channel_weight(o * PC_C + c) *
                (double)p.dy[(i / PC_HW / PC_C * PC_OUT + o) * PC_HW + i % PC_HW];
        const bool above = v > s, below = v < -16 * s / 15;
        ck_assert_double_eq_tol((double)p.dx[i], above || below ? 0 : g, 1e-5);
        grad[c] += g *
            (above          ? 1
                    : below ? -16.0 / 15
                            : (per_channel_input(&p, i) - v) / (31 * s / 15));
    }
    for (size_t c = 0; c < PC_C; c++)
        ck_assert_double_eq_tol((double)p.scale.grad[c], grad[c], 1e-4);
    bench_close(&p.n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("init");
    TCase *tests = fx_case(suite, "init", 120);
    tcase_add_test(tests, ranges_are_those_of_nncf);
    tcase_add_test(tests, percentiles_from_bins_are_near_the_exact_ones);
    tcase_add_test(tests, merged_observers_equal_one_of_the_whole);
    tcase_add_test(tests, selection_gives_what_a_sort_gives);
    tcase_add_test(tests, steps_count_batches_or_images);
    tcase_add_test(tests, each_quantizer_follows_its_own_rule);
    tcase_add_loop_test(
        tests, activations_are_observed_behind_float_weights, 0, 4 * OBSERVED_DIALECTS);
    tcase_add_test(tests, same_bits_for_any_number_of_threads);
    tcase_add_test(tests, activation_ranges_are_per_channel);
    tcase_add_test(tests, a_product_of_activations_per_channel_equals_loops);
    tcase_add_test(tests, gradients_of_activations_per_channel_equal_loops);
    return fx_main(suite);
}
