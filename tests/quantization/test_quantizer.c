/* SPDX-License-Identifier: Apache-2.0 */
/* Quantizers: constants, forward, backward and ranges against what NNCF's own code did, and our
 * deviations from it. */
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "kernels/kernels.h"
#include "quantization/quantizer.h"
#include "support/fixture.h"

#include <stdbool.h>

static const nncf__kernels *rows(void)
{
    return nncf__kernels_get(NNCF_ISA_REFERENCE);
}

/* A quantizer on the stack. */
typedef struct bench {
    nncf__quantizer q;
    float scale[8], scale_grad[8], range[8], range_grad[8], scales[8], observed[16];
    int32_t zero_points[8];
    nncf__fq fq[8];
} bench;

static nncf__quantizer *set_up(
    bench *b, int bits, bool asymmetric, int sign, bool is_weight, size_t channels)
{
    memset(b, 0, sizeof *b);
    b->q = (nncf__quantizer){.params = {.bits = bits,
                                 .mode = asymmetric ? NNCF__ASYMMETRIC : NNCF__SYMMETRIC,
                                 .sign = sign,
                                 .per_channel = channels > 1},
        .wanted_sign = sign,
        .is_weight = is_weight,
        .channels = channels,
        .bound = b->scale,
        .bound_grad = b->scale_grad,
        .length = asymmetric ? b->range : NULL,
        .length_grad = asymmetric ? b->range_grad : NULL,
        .fq = b->fq,
        .scales = b->scales,
        .zero_points = b->zero_points,
        .observed_channels = channels > 1 ? b->observed : NULL};
    return &b->q;
}

/* A case's tensor: which channel an element belongs to. */
typedef struct shape {
    size_t n, channels, inner; /* channel of i = i / inner % channels */
} shape;

static shape shape_of(json_object *c, size_t n)
{
    shape s = {n, 1, n};
    if (!json_object_get_boolean(fx_get(c, "per_channel")))
        return s;
    json_object *dims = fx_get(fx_get(c, "x"), "shape");
    size_t at = (size_t)json_object_get_int(fx_get(c, "channel_dim"));
    s.channels = (size_t)json_object_get_int(json_object_array_get_idx(dims, at));
    s.inner = 1;
    for (size_t i = at + 1; i < json_object_array_length(dims); i++)
        s.inner *= (size_t)json_object_get_int(json_object_array_get_idx(dims, i));
    return s;
}

/* What stands in a case: a layer whose weight, or whose input, is quantized as the case says. */
typedef struct stage {
    fx_context c;
    nncf_model *model;
    nncf_layer *layer;
    nncf_compression_ctrl *ctrl;
    nncf__quantizer *q;
    float *weight, *weight_grad;
    int64_t dims[4];
    bool is_weight;
    nncf_parameter first, second; /* scale, or input_low and input_range */
} stage;

static void find_parameters(stage *st)
{
    const char *stem = st->is_weight ? ".weight_quantizer." : ".input_quantizer.";
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(st->ctrl); i++) {
        nncf_parameter p = fx_parameter_at(st->ctrl, i);
        if (strstr(p.name, stem))
            *(p.kind == NNCF_PARAMETER_INPUT_RANGE ? &st->second : &st->first) = p;
    }
    ck_assert_ptr_nonnull(st->first.data);
}

static void stage_open(stage *st, json_object *c, bool asymmetric)
{
    char text[512], sign[32] = "";
    nncf_error err = NNCF_ERROR_INIT;
    memset(st, 0, sizeof *st);
    st->is_weight = json_object_get_boolean(fx_get(c, "is_weights"));
    for (size_t i = 0; i < 4; i++)
        st->dims[i] =
            json_object_get_int64(json_object_array_get_idx(fx_get(fx_get(c, "x"), "shape"), i));
    fx_open(&st->c, 1, 0);
    ck_assert_int_eq(nncf_model_create(st->c.context, &st->model, NULL), NNCF_OK);
    const int64_t *d = st->dims;
    const size_t count = st->is_weight ? (size_t)(d[0] * d[1] * d[2] * d[3]) : (size_t)d[1];
    st->weight = calloc(count, sizeof(float));
    st->weight_grad = calloc(count, sizeof(float));
    nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[c]",
        .weight = st->weight, .weight_grad = st->weight_grad, .in_channels = d[1],
        .out_channels = st->is_weight ? d[0] : 1,
        .kernel = {st->is_weight ? (int32_t)d[2] : 1, st->is_weight ? (int32_t)d[3] : 1}};
    ck_assert_msg(
        nncf_model_add_conv2d(st->model, &p, &st->layer, &err) == NNCF_OK, "%s", err.message);
    if (fx_get(c, "signed"))
        snprintf(sign, sizeof sign, ", \"signed\": %s",
            json_object_get_boolean(fx_get(c, "signed")) ? "true" : "false");
    snprintf(text, sizeof text,
        "{\"compression\": {\"algorithm\": \"quantization\", \"quantize_inputs\": true, \"%s\": "
        "{\"bits\": %d, "
        "\"mode\": "
        "\"%s\", \"per_channel\": %s%s}}}",
        st->is_weight ? "weights" : "activations", json_object_get_int(fx_get(c, "bits")),
        asymmetric ? "asymmetric" : "symmetric",
        json_object_get_boolean(fx_get(c, "per_channel")) ? "true" : "false", sign);
    st->ctrl = fx_ctrl(st->model, text);
    st->q =
        st->is_weight ? st->ctrl->layers[0].weight_quantizer : st->ctrl->layers[0].input_quantizer;
    find_parameters(st);
}

static void stage_close(stage *st)
{
    nncf_compression_ctrl_destroy(st->ctrl);
    nncf_model_destroy(st->model);
    free(st->weight);
    free(st->weight_grad);
    fx_close(&st->c);
}

/* Forward and backward as a host with its own kernels has them. */
static void stage_run(stage *st, size_t n, const float *x, const float *g, float *y, float *dx)
{
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(st->ctrl, NULL), NNCF_OK);
    if (st->is_weight) {
        memcpy(st->weight, x, n * sizeof *x);
        ck_assert_int_eq(nncf_layer_compress_weight(st->layer, y, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_compress_weight_backward(st->layer, g, NULL), NNCF_OK);
        memcpy(dx, st->weight_grad, n * sizeof *x);
        return;
    }
    nncf_tensor tx = {.data = (void *)x, .ndim = 4, .shape = st->dims},
                tg = {.data = (void *)g, .ndim = 4, .shape = st->dims},
                ty = {.data = y, .ndim = 4, .shape = st->dims},
                tdx = {.data = dx, .ndim = 4, .shape = st->dims};
    ck_assert_int_eq(nncf_layer_quantize_input(st->layer, &tx, &ty, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_quantize_input_backward(st->layer, &tx, &tg, &tdx, NULL), NNCF_OK);
}

/* How many steps away the half-way point between two codes is. */
static double from_tie(float x, float step)
{
    double r = (double)x / (double)step;
    return fabs(r - floor(r) - 0.5);
}

typedef struct tally {
    /* elements; those next to a tie and at an end of the range; those of them that went the other
     * way than NNCF's */
    size_t elements, near_ties, at_ends, ties, edges, cases;
    double worst, worst_gradient;
} tally;

/* What one element adds to the gradient of the range, by the formula; dx tells whether it counts as
 * inside. */
static double term(
    const nncf__quantizer *q, const nncf__fq *fq, float x, float g, float y, float dx)
{
    double range = ((double)fq->high - (double)fq->low) * (double)fq->scale;
    if (dx != 0)
        return (double)g * ((double)y - (double)x) / range;
    if (x > 0 && x > fq->x_high * 0.5f)
        return (double)g;
    return q->length ? 0 : (double)g * (double)fq->low / (double)fq->high;
}

/*
 * y within 2e-6 of the range, or one step away next to a tie (D1). At the ends of the range, where
 * the two libraries' ends differ in the last bit, an element may count as inside here and outside
 * there. shift[c] is what such elements make the gradient of the range differ by.
 */
static void agree(json_object *c, const shape *s, const nncf__quantizer *q, const float *x,
    const float *g, const float *y, const float *dx, double *shift, tally *t)
{
    float *want = fx_floats(fx_get(c, "y"), NULL), *want_dx = fx_floats(fx_get(c, "grad_x"), NULL);
    for (size_t i = 0; i < s->n; i++) {
        const size_t channel = i / s->inner % s->channels;
        const nncf__fq *fq = &q->fq[channel];
        double extent = fmax(fabs((double)fq->x_low), fabs((double)fq->x_high));
        double off = fabs((double)y[i] - (double)want[i]);
        bool edge = fabs((double)x[i] - (double)fq->x_low) < 1e-5 * extent ||
            fabs((double)x[i] - (double)fq->x_high) < 1e-5 * extent;
        t->elements++;
        t->near_ties += from_tie(x[i], fq->scale) < 1e-5;
        t->at_ends += edge;
        if (off > 2e-6 * extent) {
            ck_assert_msg(from_tie(x[i], fq->scale) < 1e-5 &&
                    off < 1.00001 * (double)fq->scale + 2e-6 * extent,
                "case %zu element %zu: x %.9g y %.9g want %.9g step %.9g", t->cases, i,
                (double)x[i], (double)y[i], (double)want[i], (double)fq->scale);
            t->ties++;
        } else {
            t->worst = fmax(t->worst, off / extent);
        }
        if (dx[i] != want_dx[i]) {
            ck_assert_msg(edge,
                "case %zu element %zu: gradient %g, want %g at %.9g in [%.9g, %.9g]", t->cases, i,
                (double)dx[i], (double)want_dx[i], (double)x[i], (double)fq->x_low,
                (double)fq->x_high);
            t->edges++;
        }
        if (off > 2e-6 * extent || dx[i] != want_dx[i])
            shift[channel] +=
                term(q, fq, x[i], g[i], y[i], dx[i]) - term(q, fq, x[i], g[i], want[i], want_dx[i]);
        ck_assert(x[i] != 0 || (y[i] == 0 && !signbit(y[i]))); /* zero is exactly zero: D1 */
    }
    free(want);
    free(want_dx);
}

/* NNCF's last bits and ours are no better than each other: half of the elements that may go either
 * way do, at the most. Sums of coins, five standard deviations. */
static void excused_are_few(const tally *t)
{
    ck_assert(t->near_ties < t->elements / 2 && t->at_ends < t->elements / 4);
    ck_assert_uint_le(t->ties, t->near_ties / 2 + (size_t)(2.5 * sqrt((double)t->near_ties)));
    ck_assert_uint_le(t->edges, t->at_ends / 2 + (size_t)(2.5 * sqrt((double)t->at_ends)));
}

static void gradients_agree(json_object *c, const char *key, const float *got, const double *shift,
    const float *trained, size_t n, tally *t)
{
    json_object *want = fx_get(c, key);
    for (size_t i = 0; i < n; i++) {
        double w = json_object_get_double(json_object_array_get_idx(want, i));
        w += shift ? (trained[i] < 0 ? -shift[i] : shift[i]) : 0;
        double off = fabs((double)got[i] - w) / fmax(1, fabs(w));
        t->worst_gradient = fmax(t->worst_gradient, off);
        ck_assert_msg(
            off < 1e-6, "case %zu %s[%zu]: %.9g, want %.9g", t->cases, key, i, (double)got[i], w);
    }
}

START_TEST(symmetric_quantizer_agrees_with_nncf)
{
    json_object *root = fx_golden("fake_quant_sym.json"), *cases = fx_get(root, "cases");
    tally t = {0};
    size_t compared = 0, short_grid = 0;
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        json_object *c = json_object_array_get_idx(cases, i);
        size_t n, channels;
        float *x = fx_floats(fx_get(c, "x"), &n), *g = fx_floats(fx_get(c, "grad_out"), NULL);
        float *scale = fx_floats(fx_get(c, "scale"), &channels);
        float *y = calloc(n, sizeof *y), *dx = calloc(n, sizeof *dx);
        bool is_signed = json_object_get_boolean(fx_get(c, "signed")),
             is_weight = json_object_get_boolean(fx_get(c, "is_weights"));
        stage st;
        t.cases = i;
        shape s = shape_of(c, n);
        ck_assert_uint_eq(s.channels, channels);
        stage_open(&st, c, false);
        const nncf__quantizer *q = st.q;
        ck_assert_uint_eq(st.first.count, channels);
        memcpy(st.first.data, scale, channels * sizeof *scale);
        stage_run(&st, n, x, g, y, dx);
        ck_assert_float_eq(q->fq[0].low, (float)fx_number(c, "level_low"));
        ck_assert_float_eq(q->fq[0].high, (float)fx_number(c, "level_high"));
        if (!is_signed && is_weight) {
            /* NNCF counts a level less than there are codes, so that its grid is not a grid of the
             * codes 0..high: ours is. All that can agree is the range and its ends. */
            for (size_t j = 0; j < n; j++)
                ck_assert(y[j] >= 0 && y[j] <= q->fq[j / s.inner % s.channels].x_high);
            short_grid++;
        } else {
            double shift[8] = {0};
            agree(c, &s, q, x, g, y, dx, shift, &t);
            gradients_agree(c, "grad_scale_f64sum", st.first.grad, shift, q->bound, channels, &t);
            compared++;
        }
        stage_close(&st);
        void *all[] = {x, g, scale, y, dx};
        for (size_t j = 0; j < 5; j++)
            free(all[j]);
    }
    printf("fake_quant_sym.json: %zu cases, %zu elements, %zu of %zu next to ties and %zu of %zu "
           "at ends went "
           "the other way, worst "
           "%.2g of the range; scale "
           "gradients of %zu cases, worst %.2g; %zu cases of unsigned weights deviate\n",
        json_object_array_length(cases), t.elements, t.ties, t.near_ties, t.edges, t.at_ends,
        t.worst, compared, t.worst_gradient, short_grid);
    excused_are_few(&t);
    ck_assert_uint_eq(compared + short_grid, json_object_array_length(cases));
    json_object_put(root);
}
END_TEST

START_TEST(asymmetric_quantizer_agrees_with_nncf)
{
    json_object *root = fx_golden("fake_quant_asym.json"), *cases = fx_get(root, "cases");
    tally t = {0};
    size_t same = 0, moved = 0, compared = 0;
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        json_object *c = json_object_array_get_idx(cases, i);
        size_t n, channels;
        float *x = fx_floats(fx_get(c, "x"), &n), *g = fx_floats(fx_get(c, "grad_out"), NULL);
        float *low = fx_floats(fx_get(c, "input_low"), &channels),
              *range = fx_floats(fx_get(c, "input_range"), NULL);
        float *tuned_low = fx_floats(fx_get(c, "tuned_low"), NULL),
              *tuned_range = fx_floats(fx_get(c, "tuned_range"), NULL);
        float *y = calloc(n, sizeof *y), *dx = calloc(n, sizeof *dx);
        stage st;
        bool all_same = true;
        t.cases = i;
        shape s = shape_of(c, n);
        stage_open(&st, c, true);
        const nncf__quantizer *q = st.q;
        ck_assert(st.first.count == channels && st.second.count == channels);
        memcpy(st.first.data, low, channels * sizeof *low);
        memcpy(st.second.data, range, channels * sizeof *range);
        stage_run(&st, n, x, g, y, dx);
        const double levels = (double)(1 << q->params.bits) - 1;
        for (size_t k = 0; k < channels; k++) {
            /* zero points agree or are one apart: NNCF multiplies by levels instead of levels - 1
             * (D2) */
            double theirs = rint(-(double)tuned_low[k] * levels / (double)tuned_range[k]);
            double ours = -(double)q->fq[k].low;
            ck_assert_msg(
                fabs(theirs - ours) <= 1, "case %zu: zero point %g, want %g", i, ours, theirs);
            bool equal = theirs == ours &&
                fabs((double)q->fq[k].scale * levels / (double)tuned_range[k] - 1) < 1e-5 &&
                fabs((double)tuned_low[k] + theirs * (double)q->fq[k].scale) <=
                    1e-5 * (double)tuned_range[k];
            all_same = all_same && equal;
            equal ? same++ : moved++;
            /* zero has a code, and the range covers what was asked for, within a step */
            ck_assert(ours >= 0 && ours <= levels && ours == rint(ours));
            ck_assert(q->fq[k].high - q->fq[k].low == (float)levels);
        }
        if (all_same) {
            double shift[8] = {0};
            size_t edges = t.edges;
            agree(c, &s, q, x, g, y, dx, shift, &t);
            if (t.edges == edges)
                gradients_agree(
                    c, "grad_input_low_f64sum", st.first.grad, NULL, NULL, channels, &t);
            gradients_agree(
                c, "grad_input_range_f64sum", st.second.grad, shift, q->length, channels, &t);
            compared++;
        } else { /* a grid of its own: each value is still within a step of theirs */
            float *want = fx_floats(fx_get(c, "y"), NULL);
            for (size_t j = 0; j < n; j++)
                ck_assert(fabsf(y[j] - want[j]) <= 1.001f * q->fq[j / s.inner % s.channels].scale);
            free(want);
        }
        stage_close(&st);
        void *all[] = {x, g, low, range, tuned_low, tuned_range, y, dx};
        for (size_t j = 0; j < 8; j++)
            free(all[j]);
    }
    printf("fake_quant_asym.json: %zu cases, %zu channels on NNCF's grid, %zu on one of their own "
           "(D2); %zu elements, "
           "%zu of %zu next to ties went the other way, worst %.2g; gradients of %zu cases, worst "
           "%.2g\n",
        json_object_array_length(cases), same, moved, t.elements, t.ties, t.near_ties, t.worst,
        compared, t.worst_gradient);
    excused_are_few(&t);
    ck_assert_uint_ge(compared, 18);
    json_object_put(root);
}
END_TEST

START_TEST(constants_follow_from_trained_numbers)
{
    nncf__fq fq;
    nncf__quantizer_params p = {.bits = 8, .sign = NNCF__SIGNED};
    nncf__fq_symmetric(&p, true, 0, &fq);
    ck_assert(fq.scale > 0 && isfinite(1 / fq.scale)); /* a scale of 0 divides nothing by 0 */
    nncf__fq_symmetric(&p, true, -2.54f, &fq);
    ck_assert_float_eq_tol(fq.scale, 0.02f, 1e-8f);
    ck_assert_float_eq(fq.low, -127);
    nncf__fq_symmetric(&p, false, 1, &fq);
    ck_assert_float_eq(fq.low, -128);
    p.sign = NNCF__UNSIGNED;
    p.bits = 2;
    nncf__fq_symmetric(&p, false, 3, &fq);
    ck_assert_float_eq(fq.high, 3);
    ck_assert_float_eq(fq.scale, 1);
    p.bits = 8;
    nncf__fq_asymmetric(&p, 0, 0, &fq);
    ck_assert(fq.scale > 0 && fq.low == 0 && fq.high == 255);
    nncf__fq_asymmetric(&p, -1, 0, &fq); /* -1..-1 grows to -1..0 */
    ck_assert(fq.low == -255 && fq.high == 0);
    nncf__fq_asymmetric(&p, 2, 2, &fq); /* 2..4 grows to 0..4 */
    ck_assert_float_eq_tol(fq.scale, 4.0f / 255, 1e-8f);
    nncf__fq_asymmetric(&p, -1, 2, &fq);
    ck_assert_float_eq(fq.low, -128); /* rint(127.5) */
    /* what a quantizer makes stays as it is */
    for (int code = -128; code <= 127; code++) {
        float x = (float)code * fq.scale, y, z;
        rows()->fq_forward(1, &x, &y, &fq);
        rows()->fq_forward(1, &y, &z, &fq);
        ck_assert(y == z && y == x);
    }
}
END_TEST

/* What a training that has blown up leaves: values become NaN, and codes stay where codes are (they
 * index and are cast). */
START_TEST(ranges_that_are_no_numbers_keep_codes_in_bounds)
{
    const float values[][2] = {
        {NAN, 1}, {-INFINITY, 1}, {INFINITY, 1}, {-1, INFINITY}, {NAN, NAN}, {-INFINITY, INFINITY}};
    const nncf__quantizer_params p = {.bits = 8, .sign = NNCF__SIGNED};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        nncf__fq fq;
        nncf__fq_asymmetric(&p, values[i][0], values[i][1], &fq);
        ck_assert_msg(!isfinite(fq.scale), "case %zu: step %g", i, (double)fq.scale);
        ck_assert_msg(fq.low >= -255 && fq.low <= 0 && fq.high == fq.low + 255,
            "case %zu: codes %g to %g", i, (double)fq.low, (double)fq.high);
    }
}
END_TEST

START_TEST(ranges_without_data_give_scale_1)
{
    bench b;
    const float nothing[2] = {INFINITY, -INFINITY}, infinite[2] = {-1, INFINITY},
                nan[2] = {NAN, NAN};
    nncf__quantizer *q = set_up(&b, 8, false, NNCF__SIGN_AUTO, false, 1);
    ck_assert(!nncf__quantizer_set_ranges(q, nothing));
    ck_assert_float_eq(q->bound[0], 1);
    ck_assert(!nncf__quantizer_set_ranges(q, infinite));
    ck_assert_float_eq(q->bound[0], 1);
    ck_assert(!nncf__quantizer_set_ranges(q, nan));
    ck_assert(q->initialized);
}
END_TEST

START_TEST(a_narrow_channel_is_widened_to_one_percent)
{
    bench b;
    nncf__quantizer *q = set_up(&b, 8, true, NNCF__SIGN_AUTO, true, 2);
    const float uneven[4] = {-1, 1, 0.001f, 0.002f};
    ck_assert(nncf__quantizer_set_ranges(q, uneven));
    ck_assert_float_eq_tol(q->length[1], 0.02f, 1e-7f); /* 1 % of the widest, around its centre */
    ck_assert_float_eq_tol(q->bound[1], 0.0015f - 0.01f, 1e-7f);
}
END_TEST

START_TEST(a_range_decides_the_sign_each_time)
{
    bench b;
    const float positive[2] = {0, 6};
    nncf__quantizer *q = set_up(&b, 4, false, NNCF__SIGN_AUTO, false, 1);
    ck_assert(nncf__quantizer_set_ranges(q, positive));
    ck_assert(q->params.sign == NNCF__UNSIGNED && q->bound[0] == 6 && q->fq[0].high == 15);
    /* an initialization anew decides the sign anew */
    const float both[2] = {-2, 1};
    ck_assert(nncf__quantizer_set_ranges(q, both));
    ck_assert(q->params.sign == NNCF__SIGNED && q->bound[0] == 2);
    q->wanted_sign = NNCF__UNSIGNED;
    ck_assert(nncf__quantizer_set_ranges(q, both));
    ck_assert(q->params.sign == NNCF__UNSIGNED);
}
END_TEST

FX_MAIN("quantizer", symmetric_quantizer_agrees_with_nncf, asymmetric_quantizer_agrees_with_nncf,
    constants_follow_from_trained_numbers, ranges_that_are_no_numbers_keep_codes_in_bounds,
    ranges_without_data_give_scale_1, a_narrow_channel_is_widened_to_one_percent,
    a_range_decides_the_sign_each_time)
