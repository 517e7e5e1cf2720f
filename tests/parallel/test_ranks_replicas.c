/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks that have replicas: against one process with the whole batch, and, where batch norm
 * normalizes each part on its own, against one process with as many parts. Ranks are threads; a
 * rank runs its parts one after the other, as threads would side by side (test_replicas.c).
 */
#include "parallel/net.h"
#include "parallel/ranks.h"
#include "parallel/record.h"

enum { SIZE = 2, PARTS = 2, ROWS = NET_BATCH / (SIZE * PARTS) };

/* A model, its replicas, and what runs on each. */
typedef struct team {
    net n;
    int parts;
    nncf_model *replica[SIZE * PARTS];
    net_pass pass[SIZE * PARTS];
} team;

/* Parts from `first`, after the model has been made. */
static void make_parts(team *t, int first, int parts)
{
    nncf_error err = NNCF_ERROR_INIT;
    t->parts = parts;
    for (int i = 0; i < parts; i++) {
        t->replica[i] = t->n.model;
        if (i > 0)
            ck_assert_msg(
                nncf_model_create_replica(t->n.model, NULL, &t->replica[i], &err) == NNCF_OK, "%s",
                err.message);
        net_pass_make(&t->pass[i], t->replica[i], (first + i) * ROWS, ROWS);
    }
}

static void free_team(team *t)
{
    for (int i = t->parts - 1; i >= 0; i--) {
        net_pass_free(&t->pass[i]);
        if (i > 0)
            nncf_model_destroy(t->replica[i]);
    }
    net_free(&t->n);
}

static void run_batch(team *t, uint64_t batch, bool backward)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_model_begin_replicas(t->n.model, &err) == NNCF_OK, "%s", err.message);
    for (int i = 0; i < t->parts; i++) {
        net_forward(&t->pass[i], batch);
        if (backward)
            net_backward(&t->pass[i], batch);
    }
    ck_assert_msg(nncf_model_end_replicas(t->n.model, &err) == NNCF_OK, "%s", err.message);
}

static void init_team(team *t)
{
    nncf_error err = NNCF_ERROR_INIT;
    int32_t more = 0;
    for (uint64_t batch = 100;; batch++) {
        ck_assert_msg(
            nncf_compression_ctrl_init_step(t->n.ctrl, &more, &err) == NNCF_OK, "%s", err.message);
        if (!more)
            return;
        run_batch(t, batch, false);
    }
}

/* All gradients become the sums over the ranks (none: this process) times factor. */
static void sum_gradients(rank *self, const net *n, double factor, net_record *r)
{
    const size_t count = nncf_model_get_gradient_count(n->model);
    nncf_gradient g = {NNCF_PARAMS(nncf_gradient)};
    r->n = 0;
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(nncf_model_get_gradient(n->model, i, &g, NULL), NNCF_OK);
        ck_assert_int_eq(
            nncf_model_pack_gradients(n->model, i, 1, r->values + r->n, NULL), NNCF_OK);
        r->n += g.count;
        ck_assert_uint_le(r->n, NET_RECORD_MOST);
    }
    if (self) {
        const nncf_collective_params p = ranks_params(self, 0);
        ck_assert_int_eq(p.all_reduce(p.user, r->values, r->n, NNCF_F32, NNCF_REDUCE_SUM), 0);
    }
    ck_assert_int_eq(
        nncf_model_unpack_gradients(n->model, 0, count, r->values, factor, NULL), NNCF_OK);
    for (size_t i = 0; i < r->n; i++)
        r->values[i] *= (float)factor;
}

/* ---- the whole batch ---- */

typedef struct task {
    const char *config;
    net_record parameters, gradients, end;
    float y[NET_BATCH * NET_CLASSES];
} task;

static void whole_rank(rank *self)
{
    const task *t = self->arg;
    static _Thread_local net_record parameters, gradients;
    team of_rank;
    memset(&of_rank, 0, sizeof of_rank);
    parameters.n = 0;
    ranks_net(self, &of_rank.n, t->config, NET_PLAIN, 0);
    make_parts(&of_rank, self->rank * PARTS, PARTS);
    init_team(&of_rank);
    net_record_parameters(&parameters, &of_rank.n);
    ck_assert_uint_eq(parameters.n, t->parameters.n);
    ck_assert(memcmp(parameters.values, t->parameters.values, parameters.n * sizeof(float)) == 0);
    net_zero_grad(&of_rank.n);
    run_batch(&of_rank, 7, true);
    for (int i = 0; i < PARTS; i++)
        ck_assert(
            memcmp(of_rank.pass[i].y[NET_LAYERS - 1], t->y + of_rank.pass[i].first * NET_CLASSES,
                ROWS * NET_CLASSES * sizeof(float)) == 0);
    sum_gradients(self, &of_rank.n, 1.0 / (SIZE * PARTS), &gradients);
    ck_assert_double_lt(net_record_distance(&gradients, &t->gradients), 2e-5);
    ck_assert_int_eq(nncf_compression_ctrl_step(of_rank.n.ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_check_ranks(of_rank.n.model, NULL), NNCF_OK);
    free_team(&of_rank);
}

/* Ranges and outputs have the bits of one process; gradients are sums of other parts. */
START_TEST(parts_of_all_ranks_are_the_batch)
{
    static task t;
    static const char *const configs[] = {
        RANGE("\"num_init_samples\": 24", "\"min_max\""),
        RANGE("\"num_init_samples\": 36", "\"mean_min_max\""),
        RANGE("\"num_init_samples\": 24", "\"percentile\"" PERCENTS),
        RANGE("\"num_init_samples\": 24", "\"threesigma\""),
        FX_CONFIG(FX_RB ", " FX_INT8),
    };
    net n;
    net_pass p;
    int32_t more = 0;
    t.config = configs[_i];
    net_make(&n, ranks_context(), t.config, NET_PLAIN);
    net_pass_make(&p, n.model, 0, NET_BATCH);
    for (uint64_t batch = 100;
         nncf_compression_ctrl_init_step(n.ctrl, &more, NULL) == NNCF_OK && more; batch++)
        net_forward(&p, batch);
    net_record_parameters(&t.parameters, &n);
    net_zero_grad(&n);
    net_forward(&p, 7);
    memcpy(t.y, p.y[NET_LAYERS - 1], sizeof t.y);
    net_backward(&p, 7);
    sum_gradients(NULL, &n, 1, &t.gradients);
    net_pass_free(&p);
    net_free(&n);
    ranks_run(SIZE, whole_rank, &t);
}
END_TEST

/* ---- a training with batch norm and dropout ---- */

static void train(rank *self, team *t)
{
    static _Thread_local net_record gradients;
    const double factor = 1.0 / (SIZE * PARTS);
    init_team(t);
    for (uint64_t step = 0; step < 6; step++) {
        net_zero_grad(&t->n);
        run_batch(t, step, true);
        sum_gradients(self, &t->n, factor, &gradients);
        net_update(&t->n, 0.01f);
        ck_assert_int_eq(nncf_compression_ctrl_step(t->n.ctrl, NULL), NNCF_OK);
        if (step % 3 == 2)
            ck_assert_int_eq(nncf_compression_ctrl_epoch_step(t->n.ctrl, NULL), NNCF_OK);
    }
    ck_assert_int_eq(nncf_model_average_statistics(t->n.model, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_check_ranks(t->n.model, NULL), NNCF_OK);
    ck_assert_uint_eq(nncf_compression_ctrl_get_warning_count(t->n.ctrl), 0);
}

static void train_rank(rank *self)
{
    const task *t = self->arg;
    static _Thread_local net_record end;
    team of_rank;
    memset(&of_rank, 0, sizeof of_rank);
    end.n = 0;
    ranks_net(self, &of_rank.n, t->config, 0, 0);
    make_parts(&of_rank, self->rank * PARTS, PARTS);
    train(self, &of_rank);
    net_record_parameters(&end, &of_rank.n);
    net_record_weights(&end, &of_rank.n);
    net_record_statistics(&end, &of_rank.n);
    ck_assert_double_lt(net_record_distance(&end, &t->end), 1e-4);
    free_team(&of_rank);
}

/* Each part on its own, in one process or in two; also while ranges are initialized, and batch norm
 * adapted. */
START_TEST(a_training_is_that_of_as_many_parts)
{
    static task t;
    static const char *const configs[] = {
        FX_CONFIG(FX_MAGNITUDE),
        FX_CONFIG(FX_MAGNITUDE ", " FX_INT8),
        "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"range\": "
        "{\"num_init_samples\": 24}, \"batchnorm_adaptation\": {\"num_bn_adaptation_samples\": "
        "24}}}}",
    };
    team whole;
    memset(&whole, 0, sizeof whole);
    t.config = configs[_i];
    net_make(&whole.n, ranks_context(), t.config, 0);
    make_parts(&whole, 0, SIZE * PARTS);
    train(NULL, &whole);
    net_record_parameters(&t.end, &whole.n);
    net_record_weights(&t.end, &whole.n);
    net_record_statistics(&t.end, &whole.n);
    free_team(&whole);
    ranks_run(SIZE, train_rank, &t);
}
END_TEST

/* ---- what forwards send, and what is refused ---- */

static void count_calls(rank *self)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_collective_params synchronized = ranks_params(self, NNCF_COLLECTIVE_SYNC_BATCH_NORM),
                                 plain = ranks_params(self, 0);
    net n;
    net_pass p;
    nncf_model *replica;
    ranks_net(self, &n, FX_CONFIG(FX_INT8), 0, NNCF_COLLECTIVE_SYNC_BATCH_NORM);
    ck_assert_int_eq(nncf_model_create_replica(n.model, NULL, &replica, &err), NNCF_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "NNCF_COLLECTIVE_SYNC_BATCH_NORM"));
    ck_assert_int_eq(nncf_model_set_collective(n.model, &plain, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_create_replica(n.model, NULL, &replica, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_set_collective(n.model, &synchronized, &err), NNCF_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "NNCF_COLLECTIVE_SYNC_BATCH_NORM"));
    ck_assert_int_eq(nncf_model_set_collective(replica, &plain, &err), NNCF_E_STATE);
    ck_assert_int_eq(nncf_model_begin_replicas(n.model, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_set_collective(n.model, &plain, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "nncf_model_end_replicas"));
    ck_assert_int_eq(nncf_model_end_replicas(n.model, NULL), NNCF_OK);

    /* nothing while a rank has replicas; with the last one gone sums of all ranks again */
    int32_t more;
    net_pass_make(&p, n.model, 0, ROWS);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 1);
    const size_t before = self->calls;
    net_forward(&p, 7);
    ck_assert_uint_eq(self->calls, before);
    nncf_model_destroy(replica);
    net_forward(&p, 7);
    ck_assert_uint_eq(self->calls, before + 3);
    net_pass_free(&p);
    net_free(&n);
}

START_TEST(forwards_send_nothing_beside_replicas)
{
    ranks_run(SIZE, count_calls, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ranks_replicas");
    TCase *tests = fx_case(suite, "ranks_replicas", 120);
    tcase_add_loop_test(tests, parts_of_all_ranks_are_the_batch, 0, 5);
    tcase_add_loop_test(tests, a_training_is_that_of_as_many_parts, 0, 3);
    tcase_add_test(tests, forwards_send_nothing_beside_replicas);
    return fx_main(suite);
}
