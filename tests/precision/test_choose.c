/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of bits against a search over all assignments, one by one. */
#include "precision/choose.h"
#include "support/fixture.h"

enum { MOST = 6 };

typedef struct problem {
    double traces[MOST], sizes[MOST], errors[MOST][NNCF__MOST_BITS + 1];
    uint32_t allowed[MOST];
    int32_t chosen[MOST];
    size_t count;
    int forbidden;
} problem;

static double cost(void *user, const int32_t *bits)
{
    const problem *p = user;
    double sum = 0;
    for (size_t i = 0; i < p->count; i++)
        sum += p->sizes[i] * bits[i];
    /* the first two side by side, and of one width */
    return p->forbidden && p->count > 1 && bits[0] != bits[1] ? (double)NAN : sum;
}

static void make_problem(problem *p, size_t count, uint64_t *state)
{
    *p = (problem){.count = count};
    for (size_t i = 0; i < count; i++) {
        p->traces[i] = 1 + fx_uniform(state);
        p->sizes[i] = 2 + fx_uniform(state);
        for (int b = 2; b <= 8; b++)
            p->errors[i][b] = (1.5 + fx_uniform(state)) * pow(0.25, b);
    }
}

static nncf__choice choice_of(problem *p, nncf_context *context, const int32_t *bits, size_t n_bits)
{
    nncf__choice c = {.context = context,
        .count = p->count,
        .traces = p->traces,
        .errors = (const double(*)[NNCF__MOST_BITS + 1]) p->errors,
        .allowed = p->allowed,
        .n_bits = n_bits,
        .cost = cost,
        .user = p,
        .chosen = p->chosen};
    memcpy(c.bits, bits, n_bits * sizeof *bits);
    for (size_t i = 0; i < p->count; i++)
        c.full_cost += 8 * p->sizes[i];
    return c;
}

/* The smallest sum over all assignments that do not fall along the traces. */
static double search(problem *p, const int32_t *bits, size_t n_bits, double ratio, double full)
{
    size_t all = 1;
    double best = (double)INFINITY;
    for (size_t i = 0; i < p->count; i++)
        all *= n_bits;
    for (size_t number = 0; number < all; number++) {
        int32_t b[MOST];
        size_t left = number;
        double metric = 0;
        bool falls = false;
        for (size_t i = 0; i < p->count; i++, left /= n_bits)
            b[i] = bits[left % n_bits];
        for (size_t i = 0; i < p->count; i++)
            for (size_t j = 0; j < p->count; j++)
                falls = falls || (p->traces[i] < p->traces[j] && b[i] > b[j]);
        for (size_t i = 0; i < p->count; i++)
            metric += p->traces[i] * p->errors[i][b[i]];
        const double c = cost(p, b);
        if (!falls && !isnan(c) && full / c >= ratio && metric < best)
            best = metric;
    }
    return best;
}

START_TEST(the_best_of_all_assignments_is_found)
{
    static const int32_t bits[] = {2, 3, 4, 8};
    nncf_context *context = fx_new_context(NULL, 1, NNCF_ISA_BEST, 0);
    uint64_t state = 17;
    int found = 0, none = 0;
    for (int round = 0; round < 400; round++) {
        problem p;
        make_problem(&p, 1 + (size_t)(round % MOST), &state);
        p.forbidden = round % 3 == 0;
        nncf__choice c = choice_of(&p, context, bits, 2 + (size_t)round % 3);
        c.ratio = 2.5 + 2 * fx_uniform(&state);
        const double best = search(&p, bits, c.n_bits, c.ratio, c.full_cost);
        nncf_error err = NNCF_ERROR_INIT;
        const nncf_status status = nncf__choose_bits(&c, &err);
        if (isinf(best)) {
            ck_assert_int_eq(status, NNCF_E_CONFIG);
            none++;
            continue;
        }
        ck_assert_msg(status == NNCF_OK, "%s", err.message);
        ck_assert_double_eq_tol(c.metric, best, 1e-12 * best);
        double metric = 0;
        for (size_t i = 0; i < p.count; i++)
            metric += p.traces[i] * p.errors[i][p.chosen[i]];
        ck_assert_double_eq_tol(metric, best, 1e-12 * best);
        ck_assert_double_ge(c.full_cost / cost(&p, p.chosen), c.ratio);
        found++;
    }
    ck_assert_int_gt(found, 200);
    ck_assert_int_gt(none, 10);
    nncf_context_destroy(context);
}
END_TEST

/* L weights and m widths have sum over j of C(m, j) C(L - 1, j - 1) sequences: NNCF's number. */
START_TEST(every_sequence_is_seen_once)
{
    static const int32_t bits[] = {2, 4, 8};
    nncf_context *context = fx_new_context(NULL, 1, NNCF_ISA_BEST, 0);
    uint64_t state = 1;
    problem p;
    make_problem(&p, 5, &state);
    nncf__choice c = choice_of(&p, context, bits, 3);
    ck_assert_int_eq(nncf__choose_bits(&c, NULL), NNCF_OK);
    ck_assert_uint_eq(c.sequences, 3 + 3 * 4 + 1 * 6);
    ck_assert_double_eq_tol(c.least, 1, 1e-12); /* all of 8 bits */
    ck_assert_double_eq_tol(c.most, 4, 1e-12); /* all of 2 */
    nncf_context_destroy(context);
}
END_TEST

START_TEST(a_weight_has_only_what_it_may_have)
{
    static const int32_t bits[] = {2, 4, 8};
    nncf_context *context = fx_new_context(NULL, 1, NNCF_ISA_BEST, 0);
    uint64_t state = 4;
    problem p;
    make_problem(&p, 4, &state);
    p.allowed[1] = 1u << 8;
    p.allowed[2] = 1u << 4 | 1u << 8;
    nncf__choice c = choice_of(&p, context, bits, 3);
    c.ratio = 1.6;
    ck_assert_int_eq(nncf__choose_bits(&c, NULL), NNCF_OK);
    ck_assert_int_eq(p.chosen[1], 8);
    ck_assert(p.chosen[2] == 4 || p.chosen[2] == 8);
    nncf_context_destroy(context);
}
END_TEST

START_TEST(what_is_out_of_reach_is_told)
{
    static const int32_t bits[] = {4, 8};
    nncf_context *context = fx_new_context(NULL, 1, NNCF_ISA_BEST, 0);
    uint64_t state = 4;
    problem p;
    nncf_error err = NNCF_ERROR_INIT;
    make_problem(&p, 4, &state);
    nncf__choice c = choice_of(&p, context, bits, 2);
    c.ratio = 2.5;
    ck_assert_int_eq(nncf__choose_bits(&c, &err), NNCF_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "from 1 to 2"));
    nncf_context_destroy(context);
}
END_TEST

static double any_cost(void *user, const int32_t *bits)
{
    (void)user;
    (void)bits;
    return 1;
}

START_TEST(too_many_sequences_are_refused)
{
    static double traces[300], errors[300][NNCF__MOST_BITS + 1];
    static uint32_t allowed[300];
    static int32_t chosen[300];
    nncf_context *context = fx_new_context(NULL, 1, NNCF_ISA_BEST, 0);
    nncf_error err = NNCF_ERROR_INIT;
    nncf__choice c = {.context = context,
        .count = 300,
        .traces = traces,
        .errors = (const double(*)[NNCF__MOST_BITS + 1]) errors,
        .allowed = allowed,
        .bits = {2, 3, 4, 5, 6, 7, 8},
        .n_bits = 7,
        .cost = any_cost,
        .full_cost = 1,
        .chosen = chosen};
    ck_assert_int_eq(nncf__choose_bits(&c, &err), NNCF_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "give fewer bits"));
    nncf_context_destroy(context);
}
END_TEST

FX_MAIN("choose", the_best_of_all_assignments_is_found, every_sequence_is_seen_once,
    a_weight_has_only_what_it_may_have, what_is_out_of_reach_is_told,
    too_many_sequences_are_refused)
