/* SPDX-License-Identifier: Apache-2.0 */
/* The reference of the integer kernels, and which table a CPU gets. */
#include "kernels/int8.h"

#include "kernels/kernels.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef NNCF__HAVE_AVXVNNI
#include <cpuid.h>
#endif
#ifdef NNCF__HAVE_DOTPROD
#include <sys/auxv.h>
#endif

/* int8_avx512vnni.c, int8_avx512vbmi.c, int8_avx512vnni256.c, int8_avxvnni.c, int8_avx2.c,
 * int8_dotprod.c, int8_i8mm.c */
#ifdef NNCF__HAVE_AVX512VNNI
extern const nncf__int8_kernels nncf__int8_avx512vnni, nncf__int8_avx512vbmi,
    nncf__int8_avx512vnni256;
#endif
#ifdef NNCF__HAVE_AVXVNNI
extern const nncf__int8_kernels nncf__int8_avxvnni;
#endif
#ifdef NNCF__HAVE_AVX2
extern const nncf__int8_kernels nncf__int8_avx2;
#endif
#ifdef NNCF__HAVE_DOTPROD
extern const nncf__int8_kernels nncf__int8_dotprod, nncf__int8_i8mm;
#endif

enum { MR = NNCF__INT8_MR_MAX, NR = NNCF__INT8_NR_MAX, QUAD = NNCF__INT8_QUAD };

static void pack(size_t n_channels, const nncf__int8_source *source, size_t n_panels,
    uint8_t *panels, size_t panel_stride)
{
    (void)n_panels; /* the segments say it */
    const size_t padded = (n_channels + QUAD - 1) / QUAD * QUAD;
    for (size_t c = 0; c < padded; c++)
        for (size_t s = 0; s < source->n_segments; s++) {
            const nncf__segment *segment = &source->segments[s];
            const bool inside = segment->src >= 0 && c < n_channels;
            const uint8_t *from =
                inside ? source->src + (int64_t)c * source->channel_stride + segment->src : NULL;
            for (int32_t i = 0; i < segment->length; i++) {
                const size_t pixel = (size_t)(segment->dst + i);
                panels[pixel / MR * panel_stride + (c / QUAD * MR + pixel % MR) * QUAD + c % QUAD] =
                    inside ? from[i * source->step] ^ source->flip : source->zero;
            }
        }
}

static void values(size_t n_quads, const uint8_t *pixels, int32_t start, int32_t *to)
{
    for (size_t i = 0; i < MR; i++) {
        to[i] = start;
        for (size_t q = 0; q < n_quads; q++)
            for (size_t k = 0; k < QUAD; k++)
                to[i] += pixels[(q * MR + i) * QUAD + k];
    }
}

/* What pixel i has beside the products for output channel j. */
static int64_t start_of(const nncf__int8_scaling *s, size_t i, size_t j)
{
    return s->start[j] + (s->factor ? (int64_t)s->factor[j] * s->values[i] : 0);
}

/* The sum of pixel i and output channel j. */
static float sum_of(size_t n_quads, const uint8_t *pixels, const void *panel,
    const nncf__int8_scaling *scaling, size_t i, size_t j)
{
    const int8_t *weights = panel;
    int64_t sum = start_of(scaling, i, j);
    for (size_t q = 0; q < n_quads; q++)
        for (size_t k = 0; k < QUAD; k++)
            sum += (int32_t)pixels[(q * MR + i) * QUAD + k] * weights[(q * NR + j) * QUAD + k];
    return (float)sum;
}

static void micro(size_t n_quads, const uint8_t *pixels, const void *weights, size_t used,
    const nncf__int8_scaling *scaling, float *tile)
{
    for (size_t j = 0; j < used; j++)
        for (size_t i = 0; i < MR; i++)
            tile[j * MR + i] = sum_of(n_quads, pixels, weights, scaling, i, j);
}

static void micro_store(size_t n_quads, const uint8_t *pixels, const void *weights, size_t used,
    const nncf__int8_scaling *scaling, float *z, int64_t z_stride, bool stream)
{
    (void)stream;
    for (size_t j = 0; j < used; j++, z += z_stride)
        for (size_t i = 0; i < MR; i++) {
            const float sum = sum_of(n_quads, pixels, weights, scaling, i, j);
            z[i] = sum * scaling->scale[j] + scaling->bias[j];
        }
}

static void rows(size_t n_words, const void *x, int64_t x_stride, size_t used, const void *panel,
    const nncf__int8_scaling *scaling, float *c, int64_t c_stride)
{
    const uint8_t *row = x;
    const int8_t *weights = panel;
    for (size_t i = 0; i < used; i++, row += x_stride, c += c_stride)
        for (size_t j = 0; j < MR; j++) {
            int64_t sum = start_of(scaling, i, j);
            for (size_t k = 0; k < n_words * QUAD; k++)
                sum += (int32_t)row[k] * weights[(k / QUAD * MR + j) * QUAD + k % QUAD];
            c[j] = (float)sum * scaling->scale[j] + scaling->bias[j];
        }
}

/* Of plane c; row and col are one more than in the plane. */
static int32_t plane_at(const nncf__plane_group *x, size_t c, size_t row, size_t col)
{
    if (row < 1 || row > x->h || col < 1 || col > x->w)
        return 0;
    const uint8_t *bytes = x->data;
    return (int32_t)(bytes[(c * x->h + row - 1) * x->w + col - 1] ^ x->bytes.flip) -
        (int32_t)x->bytes.offset;
}

static void depthwise_3x3(const nncf__plane_group *x, size_t stride, const int16_t *w,
    const float *scale, const float *bias, float *z, bool stream, void *scratch)
{
    (void)stream;
    (void)scratch;
    for (size_t c = 0; c < x->n; c++, w += NNCF__INT8_TAPS)
        for (size_t i = 0; i <= (x->h - 1) / stride; i++)
            for (size_t j = 0; j <= (x->w - 1) / stride; j++) {
                int32_t sum = 0;
                for (size_t t = 0; t < 9; t++)
                    sum += w[t / 3 * 4 + t % 3] *
                        plane_at(x, c, i * stride + t / 3, j * stride + t % 3);
                *z++ = (float)sum * scale[c] + bias[c];
            }
}

static void depthwise_3x3_bytes(const nncf__plane_group *x, size_t stride, const int8_t *w,
    const nncf__int8_scaling *scaling, float *z, bool stream, void *scratch)
{
    const size_t outputs = ((x->h - 1) / stride + 1) * ((x->w - 1) / stride + 1);
    nncf__plane_group plane = *x;
    plane.n = 1;
    for (size_t c = 0; c < x->n; c++, w += NNCF__INT8_TAPS, z += outputs) {
        int16_t words[NNCF__INT8_TAPS];
        for (size_t t = 0; t < NNCF__INT8_TAPS; t++)
            words[t] = w[t];
        plane.data = (const uint8_t *)x->data + c * x->h * x->w;
        depthwise_3x3(
            &plane, stride, words, scaling->scale + c, scaling->bias + c, z, stream, scratch);
    }
}

const nncf__int8_kernels nncf__int8_reference = {"reference", MR, NR, 0, 1, pack, NULL, values,
    micro, micro_store, NR, rows, depthwise_3x3, depthwise_3x3_bytes};

#ifdef NNCF__HAVE_AVX512VNNI
static bool has_avx512vnni(void)
{
    return nncf__kernels_get(NNCF_ISA_AVX512) && __builtin_cpu_supports("avx512vnni");
}

static bool has_avx512vbmi(void)
{
    return has_avx512vnni() && __builtin_cpu_supports("avx512vbmi");
}
#endif

#ifdef NNCF__HAVE_AVXVNNI
/* __builtin_cpu_supports() of clang 14 does not know AVX-VNNI: CPUID leaf 7, subleaf 1, EAX bit 4.
 */
static bool has_avxvnni(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    return nncf__kernels_get(NNCF_ISA_AVX2) && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
        a >> 4 & 1;
}
#endif

#ifdef NNCF__HAVE_DOTPROD
/* as `sdot` of FEAT_DotProd, `usdot` of FEAT_I8MM; the kernel reports both */
static bool has_dotprod(void)
{
    return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
}

static bool has_i8mm(void)
{
    return getauxval(AT_HWCAP2) & HWCAP2_I8MM;
}
#endif

const nncf__int8_kernels *nncf__int8_kernels_get(int32_t isa)
{
#ifdef NNCF__HAVE_DOTPROD
    if (isa == NNCF_ISA_NEON && (has_i8mm() || has_dotprod()))
        return has_i8mm() ? &nncf__int8_i8mm : &nncf__int8_dotprod;
#endif
#ifdef NNCF__HAVE_AVX512VNNI
    if (isa >= NNCF_ISA_AVX512 && has_avx512vnni())
        return has_avx512vbmi() ? &nncf__int8_avx512vbmi : &nncf__int8_avx512vnni;
#endif
#ifdef NNCF__HAVE_AVXVNNI
    if (isa >= NNCF_ISA_AVX2 && has_avxvnni())
        return &nncf__int8_avxvnni;
#endif
#ifdef NNCF__HAVE_AVX2
    /* not on AVX-512 without VNNI: its kernels for floats are faster */
    if (isa == NNCF_ISA_AVX2)
        return &nncf__int8_avx2;
#endif
    (void)isa;
    return NULL;
}

const nncf__int8_kernels *nncf__int8_kernels_at(size_t index)
{
    const nncf__int8_kernels *all[] = {
        &nncf__int8_reference,
#ifdef NNCF__HAVE_AVX512VNNI
        has_avx512vnni() ? &nncf__int8_avx512vnni : NULL,
        has_avx512vbmi() ? &nncf__int8_avx512vbmi : NULL,
        /* the code of AVX-VNNI in the encoding of AVX-512 */
        has_avx512vnni() ? &nncf__int8_avx512vnni256 : NULL,
#endif
#ifdef NNCF__HAVE_AVXVNNI
        has_avxvnni() ? &nncf__int8_avxvnni : NULL,
#endif
#ifdef NNCF__HAVE_AVX2
        nncf__kernels_get(NNCF_ISA_AVX2) ? &nncf__int8_avx2 : NULL,
#endif
#ifdef NNCF__HAVE_DOTPROD
        has_dotprod() ? &nncf__int8_dotprod : NULL,
        has_i8mm() ? &nncf__int8_i8mm : NULL,
#endif
    };
    for (size_t i = 0, found = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] && found++ == index)
            return all[i];
    return NULL;
}
