/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- ISAs ---- */

static const int32_t isas[] = {NNCF_ISA_PORTABLE, NNCF_ISA_AVX2, NNCF_ISA_AVX512, NNCF_ISA_NEON};

const nncf__kernels *kc_reference(void)
{
    return nncf__kernels_get(NNCF_ISA_REFERENCE);
}

const nncf__kernels *kc_isa(int i)
{
    for (size_t at = 0; at < COUNT(isas); at++) {
        const nncf__kernels *k = nncf__kernels_get(isas[at]);
        if (k && i-- == 0)
            return k;
    }
    return NULL;
}

int kc_isas(void)
{
    int n = 0;
    while (kc_isa(n))
        n++;
    return n;
}

void kc_add_isa_test(TCase *tests, const TTest *test, bool reference)
{
    if (reference)
        tcase_add_loop_test(tests, test, NNCF_ISA_REFERENCE, NNCF_ISA_REFERENCE + 1);
    for (int i = 0; kc_isa(i); i++)
        tcase_add_loop_test(tests, test, kc_isa(i)->isa, kc_isa(i)->isa + 1);
}

/* ---- arguments ---- */

size_t kc_any(size_t low, size_t high)
{
    return low + fx_random32() % (uint32_t)(high - low + 1);
}

static float *keep(kernel_check *t, size_t n)
{
    REQUIRE(t->n_arrays < KC_ARRAYS, "%s: too many arrays", t->kernel);
    t->length[t->n_arrays] = n;
    return t->array[t->n_arrays++] = guard_alloc(n);
}

float *kc_floats(kernel_check *t, size_t n)
{
    float *x = keep(t, n);
    guard_fill(x, n);
    return x;
}

uint8_t *kc_bytes(kernel_check *t, size_t n)
{
    const size_t floats = (n + sizeof(float) - 1) / sizeof(float);
    uint8_t *bytes = (uint8_t *)keep(t, floats);
    bytes += fx_random32() % 2 ? floats * sizeof(float) - n : 0;
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)fx_random32();
    return bytes;
}

double *kc_doubles(kernel_check *t, size_t n)
{
    double *x = (double *)(void *)keep(t, 2 * n);
    for (size_t i = 0; i < n; i++)
        x[i] = (double)(int32_t)fx_random32() * 0x1p-30;
    return x;
}

/* ---- outputs ---- */

static int output(kernel_check *t, size_t bytes, const void *from)
{
    REQUIRE(t->n_out < KC_OUTPUTS, "%s: too many outputs", t->kernel);
    kc_output_pair *out = &t->out[t->n_out];
    *out = (kc_output_pair){
        .want = malloc(bytes + 1), .got = guard_alloc((bytes + 3) / 4), .bytes = bytes};
    REQUIRE(out->want, "no memory");
    if (from) {
        memcpy(out->want, from, bytes);
        memcpy(out->got, from, bytes);
    } else {
        memset(out->want, 0x55, bytes);
        memset(out->got, 0x55, bytes);
    }
    return t->n_out++;
}

int kc_output(kernel_check *t, size_t bytes)
{
    return output(t, bytes, NULL);
}

int kc_output_from(kernel_check *t, const void *from, size_t bytes)
{
    return output(t, bytes, from);
}

int kc_output_doubles(kernel_check *t, size_t n)
{
    const int i = output(t, n * sizeof(double), NULL);
    memset(t->out[i].want, 0, t->out[i].bytes);
    memset(t->out[i].got, 0, t->out[i].bytes);
    t->out[i].is_double = true;
    return i;
}

void *kc_out(const kernel_check *t, int i)
{
    return t->turn == t->tested ? t->out[i].got : t->out[i].want;
}

/* ---- comparison ---- */

bool kc_same_float(float a, float b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

bool kc_same_double(double a, double b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static bool agree(int rule, double tolerance, double got, double want)
{
    if (rule == KC_BITS)
        return memcmp(&got, &want, sizeof got) == 0;
    if (rule == KC_NEAR)
        return fabs(got - want) <= tolerance;
    return isnan(want) ? isnan(got) != 0 : got >= want && got <= want;
}

static double element(const kc_output_pair *out, const void *of, size_t i)
{
    return out->is_double ? ((const double *)of)[i] : (double)((const float *)of)[i];
}

static void compare(const kernel_check *t, int i, int rule, double tolerance)
{
    const kc_output_pair *out = &t->out[i];
    const unsigned long long seed = (unsigned long long)fx_random_seed();
    if (rule == KC_BITS && memcmp(out->got, out->want, out->bytes) == 0)
        return;
    const size_t size = out->is_double ? sizeof(double) : sizeof(float);
    for (size_t e = 0; e < out->bytes / size; e++) {
        const double got = element(out, out->got, e), want = element(out, out->want, e);
        REQUIRE(agree(rule, tolerance, got, want),
            "%s/%s, round %d, output %d[%zu]: %.9g, reference %.9g (seed %llu)", t->kernel,
            t->tested->name, t->round, i, e, got, want, seed);
    }
    REQUIRE(rule != KC_BITS, "%s/%s, round %d, output %d: bits of a NaN differ (seed %llu)",
        t->kernel, t->tested->name, t->round, i, seed);
}

static void free_outputs(kernel_check *t)
{
    for (int i = 0; i < t->n_out; i++) {
        free(t->out[i].want);
        guard_free(t->out[i].got, (t->out[i].bytes + 3) / 4);
    }
    t->n_out = 0;
}

void kc_compare(kernel_check *t, int rule, double tolerance)
{
    REQUIRE(t->n_out > 0, "%s: nothing to compare", t->kernel);
    for (int i = 0; i < t->n_out && !t->measures; i++)
        compare(t, i, rule, tolerance);
    free_outputs(t);
}

/* ---- times ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

kc_clock kc_start(void)
{
    return (kc_clock){.start = now(), .best = INFINITY, .batch = 1};
}

/* Batches of calls that take 50 microseconds or more, for 10 milliseconds. */
bool kc_ticks(kc_clock *clock, double *ns)
{
    if (clock->calls++ % clock->batch != 0 || clock->calls == 1)
        return true;
    const double time = now() - clock->start;
    clock->spent += time;
    if (time < 5e4)
        clock->batch *= 2;
    else
        clock->best = fmin(clock->best, time / (double)clock->batch);
    clock->calls = 1;
    clock->start = now();
    *ns = clock->best;
    return clock->spent < 1e7;
}

/* ---- programs ---- */

static struct program {
    const char *prefix;
    const kc_case *cases;
    size_t count;
} program;

static void run(const kc_case *c, const nncf__kernels *tested, int round, kernel_check *t)
{
    *t = (kernel_check){.kernel = c->kernel,
        .tested = tested,
        .turn = tested,
        .round = round,
        .measures = t->measures};
    c->check(t);
    REQUIRE(t->n_out == 0, "%s: an output that was not compared", c->kernel);
    for (int i = 0; i < t->n_arrays; i++)
        guard_free(t->array[i], t->length[i]);
}

void kc_run(const kc_case *c, const nncf__kernels *tested, int round)
{
    kernel_check t = {0};
    run(c, tested, round, &t);
}

/* Every case at every ISA, with many arguments. */
START_TEST(kernel_agrees_with_the_reference)
{
    const kc_case *c = &program.cases[_i / kc_isas()];
    for (int round = 0; round < sweep_rounds(c->rounds, c->quick); round++)
        kc_run(c, kc_isa(_i % kc_isas()), round);
}
END_TEST

void kc_require_all(const char *prefix, const char *(*name)(size_t i), size_t count)
{
    static const char *const kernels[] = {
#define NNCF_KERNEL(name, result, args) #name,
#include "kernels/kernels.def"
#undef NNCF_KERNEL
    };
    for (size_t i = 0; i < COUNT(kernels); i++) {
        const bool own = prefix
            ? strncmp(kernels[i], prefix, strlen(prefix)) == 0
            : strncmp(kernels[i], "gemm_", 5) != 0 && strncmp(kernels[i], "depthwise_", 10) != 0;
        bool found = !own;
        for (size_t c = 0; c < count; c++)
            found = found || strcmp(name(c), kernels[i]) == 0;
        ck_assert_msg(found, "the kernel %s of kernels.def has no case", kernels[i]);
    }
}

static const char *name_of_case(size_t i)
{
    return program.cases[i].kernel;
}

START_TEST(every_kernel_has_a_case)
{
    kc_require_all(program.prefix, name_of_case, program.count);
}
END_TEST

/* Nanoseconds a call, of the arguments of a few rounds, the same for every ISA. */
static void bench(void)
{
    enum { ROUNDS = 4 };
    printf("%-28s %-10s ns a call, %d draws of arguments\n", "kernel", "ISA", ROUNDS);
    for (size_t i = 0; i < program.count; i++)
        for (int isa = -1; isa < kc_isas(); isa++) {
            kernel_check t = {.measures = true};
            const nncf__kernels *k = isa < 0 ? kc_reference() : kc_isa(isa);
            printf("%-28s %-10s", program.cases[i].kernel, k->name);
            fx_random_reset(fx_random_seed());
            for (int round = 0; round < ROUNDS; round++) {
                run(&program.cases[i], k, round, &t);
                printf(" %9.0f", t.ns);
            }
            printf("\n");
        }
}

int kc_main(int argc, char **argv, const char *prefix, const kc_case *cases, size_t count,
    void (*more)(TCase *tests))
{
    program = (struct program){prefix, cases, count};
    fx_random_seed_of(argc, argv);
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        bench();
        return EXIT_SUCCESS;
    }
    Suite *suite = suite_create(prefix);
    TCase *tests = fx_case(suite, prefix, 120);
    tcase_add_loop_test(tests, kernel_agrees_with_the_reference, 0, (int)count * kc_isas());
    tcase_add_test(tests, every_kernel_has_a_case);
    if (more)
        more(tests);
    return fx_main(suite);
}
