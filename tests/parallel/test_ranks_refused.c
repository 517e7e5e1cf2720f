/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks that fail, have no batch, or send what cannot be; and parameters that are refused. */
#include "parallel/net.h"
#include "parallel/ranks.h"

static void fail_rank(rank *self)
{
    nncf_error err = NNCF_ERROR_INIT;
    int32_t more = 0;
    net n;
    net_pass p;
    fx_tensor x, y;
    ranks_net(self, &n, FX_CONFIG(FX_INT8), 0, NNCF_COLLECTIVE_SYNC_BATCH_NORM);
    ranks_part(self, &n, &p);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, &err), NNCF_OK);
    net_forward(&p, 1);
    self->fail_at = self->calls + 1;
    ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, &err), NNCF_E_CALLBACK);
    ck_assert_ptr_nonnull(strstr(err.message, "returned 7 on rank"));
    const size_t calls = self->calls;
    ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, &err), NNCF_E_CALLBACK);
    ck_assert_uint_eq(self->calls, calls); /* it is not called again */
    nncf_compression_ctrl_destroy(n.ctrl);
    n.ctrl = NULL;
    const nncf_collective_params again = ranks_params(self, NNCF_COLLECTIVE_SYNC_BATCH_NORM);
    ck_assert_int_eq(nncf_model_set_collective(n.model, &again, NULL), NNCF_OK);
    self->fail_at = 0;
    net_forward(&p, 1);
    net_backward(&p, 1);
    self->fail_at = self->calls + 1;
    const int64_t in[4] = {p.rows, NET_CHANNELS, NET_SIDE, NET_SIDE},
                  out[4] = {p.rows, NET_WIDTH, NET_SIDE, NET_SIDE};
    ck_assert_int_eq(nncf_layer_forward(n.block[0].layer, fx_view(&x, p.x, 4, in), 1,
                         fx_view(&y, p.y[0], 4, out), &err),
        NNCF_E_CALLBACK);
    ck_assert_str_eq(err.where, "Net/Conv2d[a]");
    ck_assert_int_eq(nncf_model_average_statistics(n.model, NULL), NNCF_E_CALLBACK);
    ck_assert_int_eq(nncf_model_check_ranks(n.model, NULL), NNCF_E_CALLBACK);
    ck_assert_int_eq(nncf_model_set_collective(n.model, NULL, NULL), NNCF_OK);
    net_forward(&p, 1); /* alone again */
    net_pass_free(&p);
    net_free(&n);
}

START_TEST(a_failure_is_reported_and_stays)
{
    ranks_run(2, fail_rank, NULL);
}
END_TEST

static void lazy_rank(rank *self)
{
    nncf_error err = NNCF_ERROR_INIT;
    int32_t more = 0;
    net n;
    net_pass p;
    ranks_net(self, &n, FX_CONFIG(FX_INT8), NET_PLAIN, 0);
    ranks_part(self, &n, &p);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, &err), NNCF_OK);
    if (self->rank != 1)
        net_forward(&p, 1);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(
        strstr(err.message, self->rank == 1 ? "saw no data" : "other ranks did not run"));
    if (self->rank == 1) /* and all go on together */
        net_forward(&p, 1);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, &err), NNCF_OK);
    ck_assert_int_eq(more, 0);
    net_pass_free(&p);
    net_free(&n);
}

START_TEST(a_rank_without_a_batch_stops_all)
{
    ranks_run(3, lazy_rank, NULL);
}
END_TEST

/* Rank 1 of 3, whose all_reduce leaves values that nobody sent. A percentile asks for the number of
 * elements of each rank, and then, where some are in bins, for the highest octave. */
typedef struct liar {
    int64_t counts[3], top;
    /* ... but the element count of rank 1 */
    bool keeps_own;
} liar;

static int32_t lie(void *user, void *values, size_t count, nncf_dtype dtype, nncf_reduction r)
{
    const liar *l = user;
    int64_t own;
    (void)r;
    if (dtype == NNCF_I64 && count == 3) {
        memcpy(&own, (char *)values + sizeof own, sizeof own);
        memcpy(values, l->counts, sizeof l->counts);
        if (l->keeps_own)
            memcpy((char *)values + sizeof own, &own, sizeof own);
    } else if (dtype == NNCF_I64 && count == 1) {
        memcpy(values, &l->top, sizeof l->top);
    }
    return 0;
}

START_TEST(what_no_rank_has_sent_is_refused)
{
    static const liar liars[] = {
        {.counts = {0, 0, 0}},
        {.counts = {0, 1, 0}},
        {.counts = {-2, 0, 0}, .keeps_own = true},
        {.counts = {INT64_MAX, 0, INT64_MAX}, .keeps_own = true},
        {.counts = {-1, 0, 0}, .keeps_own = true, .top = INT64_C(1) << 40},
        {.counts = {-1, 0, 0}, .keeps_own = true, .top = 0},
        {.counts = {-1, 0, 0}, .keeps_own = true, .top = 255},
    };
    liar l = liars[_i];
    nncf_error err = NNCF_ERROR_INIT;
    int32_t more = 0;
    net n;
    net_pass p;
    net_make(&n, ranks_context(), RANGE("\"num_init_samples\": 12", "\"percentile\"" PERCENTS),
        NET_PLAIN);
    const nncf_collective_params params = {
        NNCF_PARAMS(nncf_collective_params), .rank = 1, .size = 3, .all_reduce = lie, .user = &l};
    ck_assert_int_eq(nncf_model_set_collective(n.model, &params, NULL), NNCF_OK);
    net_pass_make(&p, n.model, 0, NET_BATCH);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, &err), NNCF_OK);
    net_forward(&p, 1);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, &err), NNCF_E_CALLBACK);
    ck_assert_msg(strstr(err.message, "observed ranges") && strstr(err.message, "no result of"),
        "%s", err.message);
    ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_E_CALLBACK); /* it stays so */
    net_pass_free(&p);
    net_free(&n);
}
END_TEST

static int32_t never(void *user, void *values, size_t count, nncf_dtype dtype, nncf_reduction r)
{
    (void)user;
    (void)values;
    (void)count;
    (void)dtype;
    (void)r;
    return 1;
}

START_TEST(wrong_ranks_are_refused)
{
    nncf_error err = NNCF_ERROR_INIT;
    int32_t more;
    net n;
    net_make(&n, ranks_context(), FX_CONFIG(FX_INT8), 0);
    const nncf_collective_params good = {
        NNCF_PARAMS(nncf_collective_params), .rank = 1, .size = 2, .all_reduce = never};
    nncf_collective_params bad[] = {good, good, good, good, good, good};
    bad[0].rank = 2;
    bad[1].rank = -1;
    bad[2].size = -1;
    bad[3].all_reduce = NULL;
    bad[4].flags = 2;
    bad[5].reserved = 1;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(nncf_model_set_collective(n.model, &bad[i], &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_set_collective(NULL, &good, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_set_first_row(n.model, -2, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_set_first_row(NULL, 0, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_average_statistics(NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_check_ranks(NULL, &err), NNCF_E_ARG);
    /* one rank, or none: nothing is called */
    const nncf_collective_params alone = {
        NNCF_PARAMS(nncf_collective_params), .size = 1, .all_reduce = never};
    ck_assert_int_eq(nncf_model_set_collective(n.model, &alone, &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_average_statistics(n.model, &err), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_set_collective(n.model, &good, &err), NNCF_E_STATE);
    net_free(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ranks_refused");
    TCase *tests = fx_case(suite, "ranks_refused", 120);
    tcase_add_test(tests, a_failure_is_reported_and_stays);
    tcase_add_test(tests, a_rank_without_a_batch_stops_all);
    tcase_add_loop_test(tests, what_no_rank_has_sent_is_refused, 0, 7);
    tcase_add_test(tests, wrong_ranks_are_refused);
    return fx_main(suite);
}
