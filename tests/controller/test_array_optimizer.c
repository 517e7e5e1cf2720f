/* SPDX-License-Identifier: Apache-2.0 */
/* nncf_optimizer_step(): Adam and SGD against closed forms, values by hand and loops; every ISA and
 * number of threads has the same bits. */
#include "support/fixture.h"
#include "support/random.h"

static const nncf_optimizer_params adam_rule = {
    NNCF_PARAMS(nncf_optimizer_params), .optimizer = NNCF_OPTIMIZER_ADAM};

static void take(nncf_context *context, const nncf_optimizer_params *p, int64_t number,
    const nncf_optimizer_array *arrays, size_t n)
{
    nncf_optimizer_params now = *p;
    nncf_error err = NNCF_ERROR_INIT;
    now.step = number;
    ck_assert_msg(
        nncf_optimizer_step(context, &now, arrays, n, &err) == NNCF_OK, "%s", err.message);
}

START_TEST(adam_equals_its_closed_forms)
{
    /* Whatever the gradient, the first step is lr * sign(g), up to eps. With a constant gradient so
     * are all others. */
    float grads[4] = {3.0f, -0.001f, 250.0f, -1.0f};
    float data[4] = {1.0f, 1.0f, 1.0f, 1.0f}, m[4] = {0}, v[4] = {0};
    const nncf_optimizer_array a = {data, grads, m, v, 4, 0.01, 0};
    for (int step = 1; step <= 10; step++) {
        take(NULL, &adam_rule, step, &a, 1);
        for (int i = 0; i < 4; i++)
            ck_assert_double_eq_tol(
                (double)data[i], 1.0 - step * 0.01 * (grads[i] > 0 ? 1 : -1), 2e-6);
    }
    ck_assert_float_eq(grads[2], 250.0f); /* not cleared unless asked for */
}
END_TEST

START_TEST(adam_equals_the_formula_in_double)
{
    /* Kingma and Ba's algorithm 1 with corrected moments written out, decay in the gradient. */
    double x = 0.7, m = 0.0, v = 0.0;
    float data = 0.7f, fm = 0.0f, fv = 0.0f, g;
    const nncf_optimizer_array a = {&data, &g, &fm, &fv, 1, 0.003, 0.05};
    for (int step = 1; step <= 50; step++) {
        g = (float)sin(step * 1.3) + 0.2f;
        const double gd = (double)g + 0.05 * x;
        m = 0.9 * m + 0.1 * gd;
        v = 0.999 * v + 0.001 * gd * gd;
        x -= 0.003 * (m / (1.0 - pow(0.9, step))) / (sqrt(v / (1.0 - pow(0.999, step))) + 1e-8);
        take(NULL, &adam_rule, step, &a, 1);
        ck_assert_double_eq_tol((double)data, x, 1e-5);
    }
}
END_TEST

START_TEST(sgd_equals_values_by_hand)
{
    /* lr 0.1, decay 0.5, gradient 1 then 2 on x = 2. */
    nncf_optimizer_params s = {NNCF_PARAMS(nncf_optimizer_params)};
    float x = 2.0f, buffer = 0.0f, g = 1.0f;
    nncf_optimizer_array a = {&x, &g, NULL, NULL, 1, 0.1, 0.5};
    take(NULL, &s, 1, &a, 1); /* g = 1 + 1 = 2 */
    ck_assert_double_eq_tol((double)x, 1.8, 1e-6);
    g = 2.0f;
    take(NULL, &s, 2, &a, 1); /* g = 2 + 0.9 = 2.9 */
    ck_assert_double_eq_tol((double)x, 1.51, 1e-6);
    s.momentum = 0.9;
    s.dampening = 0.25;
    a.first = &buffer;
    x = 2.0f;
    g = 1.0f;
    take(NULL, &s, 1, &a, 1); /* buffer = 2, undampened */
    ck_assert_double_eq_tol((double)x, 1.8, 1e-6);
    g = 2.0f;
    take(NULL, &s, 2, &a, 1); /* buffer = 1.8 + 0.75 * 2.9 = 3.975 */
    ck_assert_double_eq_tol((double)buffer, 3.975, 1e-6);
    ck_assert_double_eq_tol((double)x, 1.4025, 1e-6);
    s.dampening = 0.0;
    s.nesterov = 1;
    a.weight_decay = 0;
    x = 2.0f;
    buffer = 0.0f;
    g = 1.0f;
    take(NULL, &s, 1, &a, 1); /* buffer 1, step 1 + 0.9 */
    ck_assert_double_eq_tol((double)x, 1.81, 1e-6);
    g = 2.0f;
    take(NULL, &s, 2, &a, 1); /* buffer 2.9, step 2 + 2.61 */
    ck_assert_double_eq_tol((double)x, 1.349, 1e-6);
}
END_TEST

/* ---- many arrays, against a loop in float ---- */

/* Around the chunks of 16384 elements; an array without elements in between. */
static const size_t counts[] = {1, 16383, 0, 2, 40001, 7, 16, 16384, 33};
enum { N_ARRAYS = sizeof counts / sizeof *counts, MOST = 80000, STEPS = 3 };

typedef struct buffers {
    float data[MOST], grad[MOST], first[MOST], second[MOST];
} buffers;

static void fill(buffers *b)
{
    uint64_t state = 77;
    for (size_t i = 0; i < MOST; i++) {
        b->data[i] = (float)fx_uniform(&state);
        b->grad[i] = (float)fx_uniform(&state);
        b->first[i] = (float)fx_uniform(&state);
        b->second[i] = fabsf((float)fx_uniform(&state));
    }
}

static void arrays_of(buffers *b, nncf_optimizer_array *arrays)
{
    size_t at = 0;
    for (size_t i = 0; i < N_ARRAYS; at += counts[i++])
        arrays[i] =
            (nncf_optimizer_array){b->data + at, b->grad + at, b->first + at, b->second + at,
                counts[i], i == 3 || i == 5 ? -1.0 : 0.01 * (double)(i + 1), i % 2 ? 0.125 : 0};
}

static void loop(const nncf_optimizer_params *p, const nncf_optimizer_array *a, size_t i)
{
    const float lr = (float)a->lr, decay = (float)a->weight_decay, keep = (float)p->momentum;
    float g = a->grad[i] + decay * a->data[i];
    if (a->lr < 0) {
        a->grad[i] = 0;
        return;
    }
    a->grad[i] = 0;
    if (p->optimizer == NNCF_OPTIMIZER_ADAM) {
        const float rate = (float)(a->lr / (1 - pow(0.9, (double)p->step))),
                    root = (float)sqrt(1 - pow(0.999, (double)p->step));
        a->first[i] = 0.9f * a->first[i] + (float)(1 - 0.9) * g;
        a->second[i] = 0.999f * a->second[i] + (float)(1 - 0.999) * g * g;
        a->data[i] -= rate * a->first[i] / (sqrtf(a->second[i]) / root + 1e-8f);
    } else if (keep > 0) {
        a->first[i] = keep * a->first[i] + (p->step > 1 ? (float)(1 - p->dampening) : 1.0f) * g;
        a->data[i] -= lr * (p->nesterov ? g + keep * a->first[i] : a->first[i]);
    } else {
        a->data[i] -= lr * g;
    }
}

static const nncf_optimizer_params rules[] = {
    {NNCF_PARAMS(nncf_optimizer_params), .optimizer = NNCF_OPTIMIZER_ADAM, .clear_gradients = 1},
    {NNCF_PARAMS(nncf_optimizer_params), .clear_gradients = 1},
    {NNCF_PARAMS(nncf_optimizer_params), .clear_gradients = 1, .momentum = 0.9, .dampening = 0.5},
    {NNCF_PARAMS(nncf_optimizer_params), .clear_gradients = 1, .momentum = 0.9, .nesterov = 1},
};

START_TEST(every_isa_and_thread_has_the_bits_of_the_loop)
{
    static buffers want, got, start;
    nncf_optimizer_array arrays[N_ARRAYS];
    nncf_optimizer_params p = rules[_i];
    fill(&start);
    want = start;
    arrays_of(&want, arrays);
    for (p.step = 1; p.step <= STEPS; p.step++)
        for (size_t i = 0; i < N_ARRAYS; i++)
            for (size_t j = 0; j < counts[i]; j++) {
                loop(&p, &arrays[i], j);
                arrays[i].grad[j] = start.grad[(size_t)p.step * 100 + j]; /* of the next step */
            }
    for (int32_t isa = NNCF_ISA_BEST; isa <= NNCF_ISA_AVX512; isa++)
        for (int32_t threads = 1; threads <= 3; threads += 2) {
            const nncf_context_params params = {
                NNCF_PARAMS(nncf_context_params), .max_isa = isa, .n_threads = threads};
            nncf_context *context;
            ck_assert_int_eq(
                nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
            got = start;
            arrays_of(&got, arrays);
            for (int64_t step = 1; step <= STEPS; step++) {
                take(context, &p, step, arrays, N_ARRAYS);
                size_t not_cleared = 0; /* an assertion an element would take seconds */
                for (size_t i = 0; i < N_ARRAYS; i++)
                    for (size_t j = 0; j < counts[i]; j++) {
                        not_cleared += arrays[i].grad[j] != 0;
                        arrays[i].grad[j] = start.grad[(size_t)step * 100 + j];
                    }
                ck_assert_uint_eq(not_cleared, 0);
            }
            ck_assert_mem_eq(&got, &want, sizeof want);
            nncf_context_destroy(context);
        }
}
END_TEST

/* ---- refusals ---- */

START_TEST(refused_steps_change_nothing)
{
    float data = 1, grad = 2, m = 3, v = 4;
    const nncf_optimizer_array good = {&data, &grad, &m, &v, 1, 0.1, 0};
    const struct {
        nncf_optimizer_params p;
        nncf_optimizer_array a;
        const char *message;
    } cases[] = {
        {{.optimizer = 2, .step = 1}, good, "optimizer is 2"},
        {{.step = 1, .reserved = 1}, good, "reserved must be 0"},
        {{.step = 0}, good, "step is 0, it counts from 1 on: add 1 to it"},
        {{.step = 1, .momentum = 1}, good, "momentum is 1, it must be in [0, 1)"},
        {{.step = 1, .dampening = -1}, good, "dampening is -1"},
        {{.step = 1, .beta1 = 1}, good, "beta1 is 1"},
        {{.step = 1, .beta2 = (double)NAN}, good, "beta2 is "},
        {{.step = 1, .eps = -1}, good, "eps is -1"},
        {{.step = 1}, {NULL, &grad, &m, &v, 1, 0.1, 0}, "arrays[1].data is NULL"},
        {{.step = 1}, {&data, NULL, &m, &v, 1, -0.1, 0}, "arrays[1].grad is NULL"},
        {{.step = 1, .momentum = 0.5}, {&data, &grad, NULL, &v, 1, 0.1, 0},
            "arrays[1].first is NULL"},
        {{.step = 1, .optimizer = NNCF_OPTIMIZER_ADAM}, {&data, &grad, &m, NULL, 1, 0.1, 0},
            "arrays[1].second is NULL"},
        {{.step = 1}, {&data, &grad, &m, &v, 1, (double)INFINITY, 0},
            "arrays[1].lr is inf, it must be finite"},
        {{.step = 1}, {&data, &grad, &m, &v, 1, 0.1, (double)INFINITY},
            "arrays[1].weight_decay is inf"},
        {{.step = 1}, {&data, &grad, &m, &v, SIZE_MAX, 0.1, 0}, "arrays[1].count is "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const nncf_optimizer_array two[] = {good, cases[i].a};
        nncf_optimizer_params p = cases[i].p;
        nncf_error err = NNCF_ERROR_INIT;
        p.struct_size = sizeof p;
        ck_assert_int_eq(nncf_optimizer_step(NULL, &p, two, 2, &err), NNCF_E_ARG);
        ck_assert_msg(strstr(err.message, cases[i].message) != NULL, "%s", err.message);
        ck_assert(data == 1 && grad == 2 && m == 3 && v == 4);
    }
    const nncf_optimizer_params p = {NNCF_PARAMS(nncf_optimizer_params), .step = 1};
    ck_assert_int_eq(nncf_optimizer_step(NULL, NULL, &good, 1, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_optimizer_step(NULL, &p, NULL, 1, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_optimizer_step(NULL, &p, NULL, 0, NULL), NNCF_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("array_optimizer");
    TCase *c = fx_case(suite, "all", 60);
    tcase_add_test(c, adam_equals_its_closed_forms);
    tcase_add_test(c, adam_equals_the_formula_in_double);
    tcase_add_test(c, sgd_equals_values_by_hand);
    tcase_add_loop_test(
        c, every_isa_and_thread_has_the_bits_of_the_loop, 0, (int)(sizeof rules / sizeof *rules));
    tcase_add_test(c, refused_steps_change_nothing);
    return fx_main(suite);
}
