/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One quantizer: its constants from what is trained, its range from what was observed, its
 * gradients from the kernels' sums. Formulas: docs/formulas.md, "Quantizer". Constants are made in
 * double and rounded once.
 */
#include "quantization/quantizer.h"

#include "binarization/binarizer.h"
#include "config/canonical.h"
#include "kernels/kernels.h"

#include <float.h>
#include <math.h>

/* Ranges enter as |x| + EPSILON, so that a scale is never 0. */
#define EPSILON 1e-16
/* An asymmetric channel keeps at least this share of the widest channel's range. */
#define MIN_SHARE 0.01
/* In place of a range of 0, whose logarithm no step of an optimizer would move: NNCF's least. */
#define LEAST_LOG_RANGE 0.1

static void fill(nncf__fq *fq, double scale, double low, double high)
{
    fq->scale = (float)scale;
    fq->low = (float)low;
    fq->high = (float)high;
    /* products in float, as the kernel computes a value from its code: the ends of the range are
     * values it makes */
    fq->x_low = fq->low * fq->scale;
    fq->x_high = fq->high * fq->scale;
}

/* The power of two that is nearest on a scale of logarithms; what is in the middle goes up. Not by
 * log2(): the bits would depend on the C library. */
static double power_of_two(double x)
{
    int exponent;
    const double part = frexp(x, &exponent); /* of [1/2, 1) */
    exponent -= part * part < 0.5;
    return isfinite(x) ? ldexp(1, exponent < FLT_MAX_EXP ? exponent : FLT_MAX_EXP - 1) : x;
}

static double scale_of(const nncf__quantizer_params *params, double scale)
{
    return params->power_of_two ? power_of_two(scale) : scale;
}

static double symmetric_high(const nncf__quantizer_params *params)
{
    /* an undecided sign counts as signed: that loses a bit, not half of the values */
    return (double)((1 << (params->sign == NNCF__UNSIGNED ? params->bits : params->bits - 1)) - 1);
}

static double symmetric_low(const nncf__quantizer_params *params, bool is_weight)
{
    if (params->sign == NNCF__UNSIGNED)
        return 0;
    return -symmetric_high(params) - (is_weight ? 0 : 1);
}

void nncf__fq_symmetric(
    const nncf__quantizer_params *params, bool is_weight, float largest, nncf__fq *fq)
{
    double high = symmetric_high(params);
    fill(fq, scale_of(params, (fabs((double)largest) + EPSILON) / high),
        symmetric_low(params, is_weight), high);
}

void nncf__fq_asymmetric(
    const nncf__quantizer_params *params, float low, float length, nncf__fq *fq)
{
    double n = (double)((1 << params->bits) - 1), l = (double)low;
    double h = l + (fabs((double)length) + EPSILON);
    l = fmin(l, 0);
    h = fmax(h, 0);
    /* Zero must have a code: move the end that makes the range wider; with zero at an end nothing
     * moves. n is the number of intervals, levels - 1 (NNCF uses levels here: our deviation D2). */
    double zero = rint(-l * n / (h - l));
    if (!(zero >= 0 &&
            zero <=
                n)) { /* not a range of numbers: values become NaN, codes keep to their bounds */
        fill(fq, (double)NAN, 0, n);
        return;
    }
    if (zero > 0 && zero < n) {
        double moved_low = zero / (zero - n) * h, moved_high = (zero - n) / zero * l;
        if (h - moved_low > moved_high - l)
            l = moved_low;
        else
            h = moved_high;
    }
    fill(fq, scale_of(params, (h - l) / n), -zero, n - zero);
}

static void fill_binary(nncf__quantizer *quantizer)
{
    if (!quantizer->is_weight)
        quantizer->scales[0] = nncf__binarizer_refresh(quantizer->binarizer, quantizer->bound[0]);
    for (size_t c = 0; c < quantizer->channels; c++)
        fill(&quantizer->fq[c], (double)quantizer->scales[c], quantizer->is_weight ? -1 : 0, 1);
}

float nncf__range_logarithm(float range)
{
    return (float)log(range == 0 ? LEAST_LOG_RANGE : fabs((double)range));
}

/* As the parameter is stored, and back: of a range in float, as NNCF has it. */
static float stored(const nncf__quantizer *quantizer, float range)
{
    return quantizer->params.logarithm ? nncf__range_logarithm(range) : range;
}

static float read(const nncf__quantizer *quantizer, float parameter)
{
    return quantizer->params.logarithm ? (float)exp((double)parameter) : parameter;
}

float nncf__quantizer_bound(const nncf__quantizer *quantizer, size_t c)
{
    return quantizer->length ? quantizer->bound[c] : read(quantizer, quantizer->bound[c]);
}

float nncf__quantizer_length(const nncf__quantizer *quantizer, size_t c)
{
    return read(quantizer, quantizer->length[c]);
}

void nncf__quantizer_refresh(nncf__quantizer *quantizer)
{
    if (quantizer->binarizer) {
        fill_binary(quantizer);
        return;
    }
    const int32_t lowest = nncf__quantizer_dtype(quantizer) == NNCF_S8 ? INT8_MIN : 0;
    for (size_t c = 0; c < quantizer->channels; c++) {
        if (quantizer->length)
            nncf__fq_asymmetric(&quantizer->params, nncf__quantizer_bound(quantizer, c),
                nncf__quantizer_length(quantizer, c), &quantizer->fq[c]);
        else
            nncf__fq_symmetric(&quantizer->params, quantizer->is_weight,
                nncf__quantizer_bound(quantizer, c), &quantizer->fq[c]);
        quantizer->scales[c] = quantizer->fq[c].scale;
        quantizer->zero_points[c] =
            nncf__quantizer_has_zeros(quantizer) ? lowest - (int32_t)quantizer->fq[c].low : 0;
    }
}

static bool usable(float min, float max)
{
    return min <= max && isfinite(min) && isfinite(max);
}

/* The rule min_max of one channel; `widest` is the widest range of all channels, for the asymmetric
 * mode. */
static bool set_channel(nncf__quantizer *quantizer, size_t c, float min, float max, double widest)
{
    bool seen = usable(min, max) && (min != 0 || max != 0);
    if (!quantizer->length) {
        /* NNCF floors the range at 0.1, which wastes the codes of small tensors: no floor here (D5)
         */
        float bound = seen ? fmaxf(fabsf(min), fabsf(max)) : 1;
        if (seen && quantizer->rule.kind == NNCF__RANGE_LSQ) /* step 2 mean / sqrt(high) */
            bound = (float)(2 * (double)bound * sqrt(symmetric_high(&quantizer->params)));
        quantizer->bound[c] = stored(quantizer, bound);
        return seen;
    }
    double low = (double)min, range = (double)max - low;
    if (!seen) {
        quantizer->bound[c] = 0;
        quantizer->length[c] = stored(quantizer, 1);
        return false;
    }
    double grown = fmax(range, MIN_SHARE * widest);
    quantizer->bound[c] = (float)(low - (grown - range) / 2);
    quantizer->length[c] = stored(quantizer, (float)grown);
    return true;
}

bool nncf__quantizer_set_ranges(nncf__quantizer *quantizer, const float *ranges)
{
    bool negative = false, ok = true;
    double widest = 0;
    for (size_t c = 0; c < quantizer->channels; c++) {
        if (!usable(ranges[2 * c], ranges[2 * c + 1]))
            continue;
        negative = negative || ranges[2 * c] < 0;
        widest = fmax(widest, (double)ranges[2 * c + 1] - (double)ranges[2 * c]);
    }
    quantizer->params.sign = quantizer->wanted_sign;
    if (quantizer->params.sign == NNCF__SIGN_AUTO)
        quantizer->params.sign = negative ? NNCF__SIGNED : NNCF__UNSIGNED;
    for (size_t c = 0; c < quantizer->channels; c++)
        ok = set_channel(quantizer, c, ranges[2 * c], ranges[2 * c + 1], widest) && ok;
    quantizer->initialized = true;
    nncf__quantizer_refresh(quantizer);
    return ok;
}

void nncf__quantizer_follow(nncf__quantizer *quantizer)
{
    const nncf__quantizer *leader = quantizer->leader;
    if (!leader)
        return;
    quantizer->params.sign = leader->params.sign;
    quantizer->params.bits = leader->params.bits;
    quantizer->initialized = leader->initialized;
    quantizer->kept = leader->kept;
    nncf__quantizer_refresh(quantizer);
}

void nncf__quantizer_observe_begin(nncf__quantizer *quantizer)
{
    quantizer->observed[0] = INFINITY;
    quantizer->observed[1] = -INFINITY;
    for (size_t c = 0; quantizer->observed_channels && c < quantizer->channels; c++) {
        quantizer->observed_channels[2 * c] = INFINITY;
        quantizer->observed_channels[2 * c + 1] = -INFINITY;
    }
    quantizer->observed_count = 0;
}

const float *nncf__quantizer_observed(const nncf__quantizer *quantizer)
{
    return quantizer->observed_channels ? quantizer->observed_channels : quantizer->observed;
}

/*
 * Learned step size (Esser et al. 2020): d s = sum dy (q - x / s) inside + high * sum dy above +
 * low * sum dy below, times g = 1 / sqrt(elements * high). What is trained is r = high * s: with
 * high * g * d s a step of gradient descent moves s as if it were trained itself.
 */
static double lsq_gradient(const nncf__fq *fq, const double sums[3], size_t elements)
{
    const double high = (double)fq->high;
    return high / sqrt((double)elements * high) *
        (sums[0] / (double)fq->scale + high * sums[1] + (double)fq->low * sums[2]);
}

/* Of a parameter, what its range is differentiated by: the sign of a magnitude, or of a logarithm
 * the range itself. */
static double slope(const nncf__quantizer *quantizer, float parameter)
{
    return quantizer->params.logarithm ? (double)read(quantizer, parameter)
        : parameter < 0                ? -1
                                       : 1;
}

/*
 * sums: [0] dy * (y - x) inside, [1] dy above, [2] dy below. NNCF's gradients divide by the range
 * from the lowest code to the highest, not by the scale: that is how its published models were
 * trained.
 */
void nncf__quantizer_add_gradient(
    nncf__quantizer *quantizer, size_t channel, const double sums[3], size_t elements)
{
    const nncf__fq *fq = &quantizer->fq[channel];
    if (quantizer->params.gradient == NNCF__GRADIENT_LSQ) {
        quantizer->bound_grad[channel] += (float)((quantizer->bound[channel] < 0 ? -1.0 : 1.0) *
            lsq_gradient(fq, sums, elements));
        return;
    }
    double inside = sums[0] / (((double)fq->high - (double)fq->low) * (double)fq->scale);
    if (quantizer->length) {
        quantizer->bound_grad[channel] += (float)(sums[1] + sums[2]);
        quantizer->length_grad[channel] +=
            (float)(slope(quantizer, quantizer->length[channel]) * (inside + sums[1]));
        return;
    }
    quantizer->bound_grad[channel] += (float)(slope(quantizer, quantizer->bound[channel]) *
        (inside + sums[1] + sums[2] * ((double)fq->low / (double)fq->high)));
}

void nncf__quantizer_outside(const nncf__quantizer *quantizer, size_t channel, float outside[2])
{
    const nncf__fq *fq = nncf__fq_of(quantizer, channel);
    const double scale = (double)fq->scale, low = (double)fq->low, high = (double)fq->high,
                 range = (high - low) * scale;
    const bool lsq = quantizer->params.gradient == NNCF__GRADIENT_LSQ;
    outside[0] = (float)(lsq ? high * scale : range);
    outside[1] = (float)(lsq ? low * scale : quantizer->length ? 0 : range * low / high);
}
