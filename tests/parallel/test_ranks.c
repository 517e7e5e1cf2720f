/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several ranks against one process with the whole batch: ranges, dropout, statistics of batch norm
 * and whole trainings. Ranks are threads with a model, a controller and weights of their own each;
 * what they exchange goes through all_reduce alone.
 */
#include "graph/model.h"
#include "parallel/net.h"
#include "parallel/ranks.h"
#include "parallel/record.h"
#include "quantization/layer_compression.h"
#include "support/require.h"

static void init(net *n, net_pass *p)
{
    nncf_error err = NNCF_ERROR_INIT;
    int32_t more = 0;
    uint64_t batch = 100;
    for (;;) {
        ck_assert_msg(
            nncf_compression_ctrl_init_step(n->ctrl, &more, &err) == NNCF_OK, "%s", err.message);
        if (!more)
            return;
        net_forward(p, batch++);
    }
}

/* ---- ranges ---- */

#define BY_CHANNEL(rule)                                                                           \
    "{\"compression\": {\"algorithm\": \"quantization\", \"activations\": {\"per_channel\": "      \
    "true}, \"initializer\": {\"range\": {\"num_init_samples\": 36, \"type\": " rule "}}}}"

/* A batch of the largest tensor has 3456 elements, and an observer keeps 4096 as they are: so ranks
 * keep them and one process does not, or none does. */
static const char *const rules[] = {
    RANGE("\"num_init_samples\": 24", "\"min_max\""),
    RANGE("\"num_init_samples\": 36", "\"mean_min_max\""),
    RANGE("\"num_init_samples\": 12", "\"percentile\"" PERCENTS),
    RANGE("\"num_init_samples\": 24", "\"percentile\"" PERCENTS),
    RANGE("\"num_init_samples\": 120", "\"percentile\"" PERCENTS),
    RANGE("\"num_init_samples\": 36", "\"mean_percentile\"" PERCENTS),
    RANGE("\"num_init_samples\": 24", "\"threesigma\""),
    BY_CHANNEL("\"min_max\""),
    BY_CHANNEL("\"mean_min_max\""),
    BY_CHANNEL("\"percentile\"" PERCENTS),
    BY_CHANNEL("\"threesigma\""),
};
enum { N_RULES = sizeof rules / sizeof *rules };

typedef struct task {
    const char *config;
    int flags, batches;
    int32_t sync;
    double tolerance;
    net_record alone, statistics, outputs, gradients;
    float last[NET_BATCH * NET_CLASSES], dx[NET_BATCH * NET_CHANNELS * NET_SIDE * NET_SIDE];
    double far[RANKS_MOST];
} task;

static void init_rank(rank *self)
{
    const task *t = self->arg;
    net_record r = {0};
    net n;
    net_pass p;
    ranks_net(self, &n, t->config, t->flags, 0);
    ranks_part(self, &n, &p);
    init(&n, &p);
    net_record_parameters(&r, &n);
    ck_assert_msg(net_record_same(&r, &t->alone), "rank %d of %d: %g", (int)self->rank,
        (int)self->size, net_record_distance(&t->alone, &r));
    net_pass_free(&p);
    net_free(&n);
}

START_TEST(ranges_are_those_of_all_rows)
{
    static task t;
    net n;
    net_pass p;
    t.config = rules[_i];
    t.flags = NET_PLAIN;
    t.alone.n = 0;
    net_make(&n, ranks_context(), t.config, t.flags);
    net_pass_make(&p, n.model, 0, NET_BATCH);
    init(&n, &p);
    net_record_parameters(&t.alone, &n);
    net_pass_free(&p);
    /* of half of the rows they are others, so that ranks that did not talk would be found */
    net_record half = {0};
    net other;
    net_make(&other, ranks_context(), t.config, t.flags);
    net_pass_make(&p, other.model, 0, NET_BATCH / 2);
    init(&other, &p);
    net_record_parameters(&half, &other);
    ck_assert(!net_record_same(&half, &t.alone));
    net_pass_free(&p);
    net_free(&other);
    net_free(&n);
    for (int32_t size = 2; size <= 4; size++)
        ranks_run(size, init_rank, &t);
}
END_TEST

/* ---- batch norm, dropout ---- */

/* As if the ranges had been restored from a snapshot of the one process. */
static void take_parameters(net *n, const net_record *r)
{
    size_t at = 0;
    for (size_t i = 0; n->ctrl && i < nncf_compression_ctrl_get_parameter_count(n->ctrl); i++) {
        const nncf_parameter p = fx_parameter_at(n->ctrl, i);
        memcpy(p.data, r->values + at, p.count * sizeof(float));
        at += p.count;
    }
    ck_assert_uint_eq(at, r->n);
}

static void all_gradients(const net *n, net_record *r)
{
    const size_t count = nncf_model_get_gradient_count(n->model);
    nncf_gradient g = {NNCF_PARAMS(nncf_gradient)};
    r->n = 0;
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(nncf_model_get_gradient(n->model, i, &g, NULL), NNCF_OK);
        r->n += g.count;
    }
    ck_assert_uint_le(r->n, NET_RECORD_MOST);
    ck_assert_int_eq(nncf_model_pack_gradients(n->model, 0, count, r->values, NULL), NNCF_OK);
}

/* What a host does after backward. */
static void average_gradients(rank *self, net *n)
{
    net_record r;
    const nncf_collective_params p = ranks_params(self, 0);
    all_gradients(n, &r);
    ck_assert_int_eq(p.all_reduce(p.user, r.values, r.n, NNCF_F32, NNCF_REDUCE_SUM), 0);
    ck_assert_int_eq(
        nncf_model_unpack_gradients(n->model, 0, nncf_model_get_gradient_count(n->model), r.values,
            1.0 / (double)self->size, NULL),
        NNCF_OK);
}

static double far(const float *a, const float *b, size_t n)
{
    double most = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
        largest = fmax(largest, fabs((double)b[i]));
    }
    return most / largest;
}

/* One step of the whole batch. */
static void step_alone(task *t)
{
    net n;
    net_pass p;
    t->alone.n = t->statistics.n = 0;
    net_make(&n, ranks_context(), t->config, t->flags);
    net_pass_make(&p, n.model, 0, NET_BATCH);
    if (t->config)
        init(&n, &p);
    net_record_parameters(&t->alone, &n);
    net_zero_grad(&n);
    net_forward(&p, 7);
    memcpy(t->last, p.y[NET_LAYERS - 1], sizeof t->last);
    net_backward(&p, 7);
    memcpy(t->dx, p.dx, sizeof t->dx);
    net_record_statistics(&t->statistics, &n);
    all_gradients(&n, &t->gradients);
    net_pass_free(&p);
    net_free(&n);
}

static void step_rank(rank *self)
{
    task *t = self->arg;
    net_record statistics = {0}, gradients;
    net n;
    net_pass p;
    ranks_net(self, &n, t->config, t->flags, NNCF_COLLECTIVE_SYNC_BATCH_NORM);
    ranks_part(self, &n, &p);
    if (t->config)
        init(&n, &p);
    take_parameters(&n, &t->alone);
    net_zero_grad(&n);
    net_forward(&p, 7);
    const float *y = p.y[NET_LAYERS - 1], *last = t->last + p.first * NET_CLASSES;
    const size_t n_y = (size_t)(p.rows * NET_CLASSES);
    net_record_statistics(&statistics, &n);
    if (t->tolerance == 0) {
        ck_assert(memcmp(y, last, n_y * sizeof *y) == 0);
        ck_assert(net_record_same(&statistics, &t->statistics));
    } else {
        ck_assert_double_lt(far(y, last, n_y), t->tolerance);
        ck_assert_double_lt(net_record_distance(&statistics, &t->statistics), t->tolerance);
    }
    net_backward(&p, 7);
    const int64_t of_row = net_count(-1, 1);
    for (int64_t i = 0; i < p.rows * of_row; i++) /* of a mean over fewer rows */
        p.dx[i] /= (float)self->size;
    ck_assert_double_lt(far(p.dx, t->dx + p.first * of_row, (size_t)(p.rows * of_row)), 2e-5);
    average_gradients(self, &n);
    all_gradients(&n, &gradients);
    ck_assert_double_lt(net_record_distance(&gradients, &t->gradients), 2e-5);
    net_pass_free(&p);
    net_free(&n);
}

/* Sums of codes are exact: the same bits. Those of floats are not. */
START_TEST(batch_norm_and_dropout_are_those_of_the_whole_batch)
{
    static task t;
    t.config = _i ? FX_CONFIG(FX_INT8) : NULL;
    t.tolerance = _i ? 0 : 1e-5;
    step_alone(&t);
    ranks_run(2, step_rank, &t);
    ranks_run(4, step_rank, &t);
    ranks_run(6, step_rank, &t);
}
END_TEST

static void count_calls(rank *self)
{
    net n;
    net_pass p;
    ranks_net(self, &n, NULL, 0, 0);
    ranks_part(self, &n, &p);
    net_forward(&p, 7);
    net_backward(&p, 7);
    ck_assert_uint_eq(self->calls, 0);
    net_pass_free(&p);
    net_free(&n);
    ranks_net(self, &n, NULL, 0, NNCF_COLLECTIVE_SYNC_BATCH_NORM);
    ranks_part(self, &n, &p);
    net_forward(&p, 7);
    ck_assert_uint_eq(self->calls, 3);
    net_backward(&p, 7);
    ck_assert_uint_eq(self->calls, 6);
    ck_assert_int_eq(nncf_model_set_mode(n.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    net_forward(&p, 7);
    ck_assert_uint_eq(self->calls, 6);
    net_pass_free(&p);
    net_free(&n);
}

START_TEST(batch_norm_asks_once_a_layer_and_pass_where_it_was_told_to)
{
    ranks_run(2, count_calls, NULL);
}
END_TEST

static void row_rank(rank *self)
{
    const task *t = self->arg;
    /* parts of 2 and 10 rows: rank times rows would be wrong */
    const int64_t first = self->rank ? 2 : 0, rows = self->rank ? NET_BATCH - 2 : 2;
    net n;
    net_pass p;
    ranks_net(self, &n, t->config, 0, NNCF_COLLECTIVE_SYNC_BATCH_NORM);
    ck_assert_int_eq(nncf_model_set_first_row(n.model, first, NULL), NNCF_OK);
    net_pass_make(&p, n.model, first, rows);
    init(&n, &p);
    take_parameters(&n, &t->alone);
    net_forward(&p, 7);
    ck_assert(memcmp(p.y[NET_LAYERS - 1], t->last + first * NET_CLASSES,
                  (size_t)(rows * NET_CLASSES) * sizeof(float)) == 0);
    net_pass_free(&p);
    net_free(&n);
}

START_TEST(parts_of_different_sizes_say_where_they_begin)
{
    static task t;
    t.config = FX_CONFIG(FX_INT8);
    step_alone(&t);
    ranks_run(2, row_rank, &t);
}
END_TEST

#define ADAPTATION                                                                                 \
    "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"range\": "            \
    "{\"num_init_samples\": 12, \"type\": \"min_max\"}, \"batchnorm_adaptation\": "                \
    "{\"num_bn_adaptation_samples\": 48, \"num_bn_forget_samples\": 12}}}}"

static void adapt_rank(rank *self)
{
    const task *t = self->arg;
    net_record r = {0};
    net n;
    net_pass p;
    ranks_net(self, &n, t->config, 0, 0);
    ranks_part(self, &n, &p);
    init(&n, &p);
    net_record_statistics(&r, &n);
    ck_assert_double_lt(net_record_distance(&r, &t->statistics), 1e-5);
    net_pass_free(&p);
    net_free(&n);
}

START_TEST(adaptation_counts_and_sums_over_ranks)
{
    static task t;
    net n;
    net_pass p;
    t.config = ADAPTATION;
    net_make(&n, ranks_context(), t.config, 0);
    net_pass_make(&p, n.model, 0, NET_BATCH);
    init(&n, &p);
    net_record_statistics(&t.statistics, &n);
    net_pass_free(&p);
    net_free(&n);
    ranks_run(3, adapt_rank, &t);
}
END_TEST

/* ---- training ---- */

enum { STEPS = 20, EPOCH = 5 };
/* With 0.05 a code comes so near a tie that the order of a sum decides it, and training parts. */
#define RATE 0.02f
#define ASYMMETRIC                                                                                 \
    "{\"algorithm\": \"quantization\", \"weights\": {\"mode\": \"asymmetric\"}, "                  \
    "\"activations\": {\"mode\": \"asymmetric\"}, \"initializer\": {\"num_init_steps\": 1, "       \
    "\"type\": \"min_max\"}}"

/* `self` NULL: alone. */
static void train(rank *self, net *n, net_pass *p)
{
    nncf_error err = NNCF_ERROR_INIT;
    init(n, p);
    for (int step = 0; step < STEPS; step++) {
        net_zero_grad(n);
        net_forward(p, (uint64_t)step);
        fx_loss(n->ctrl);
        net_backward(p, (uint64_t)step);
        if (self)
            average_gradients(self, n);
        net_update(n, RATE);
        ck_assert_int_eq(nncf_compression_ctrl_step(n->ctrl, NULL), NNCF_OK);
        if (step % EPOCH == EPOCH - 1)
            ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n->ctrl, NULL), NNCF_OK);
    }
    ck_assert_msg(nncf_model_check_ranks(n->model, &err) == NNCF_OK, "%s", err.message);
}

static void put_masks(net_record *r, const net *n)
{
    for (int i = 0; i < NET_BLOCKS; i++) {
        uint8_t bits[256];
        ck_assert_int_eq(nncf_layer_get_mask(n->block[i].layer, bits, sizeof bits, NULL), NNCF_OK);
        for (size_t j = 0; j < (n->block[i].weights + 7) / 8; j++) {
            const float byte = bits[j];
            net_record_put(r, &byte, 1);
        }
    }
}

static void train_rank(rank *self)
{
    task *t = self->arg;
    net_record r = {0}, masks = {0};
    net n;
    net_pass p;
    ranks_net(self, &n, t->config, 0, NNCF_COLLECTIVE_SYNC_BATCH_NORM);
    ranks_part(self, &n, &p);
    train(self, &n, &p);
    net_record_weights(&r, &n);
    net_record_parameters(&r, &n);
    net_record_statistics(&r, &n);
    put_masks(&masks, &n);
    ck_assert_msg(net_record_same(&masks, &t->outputs), "masks differ");
    t->far[self->rank] = net_record_distance(&r, &t->alone);
    ck_assert_double_lt(t->far[self->rank], t->tolerance);
    net_pass_free(&p);
    net_free(&n);
}

START_TEST(twenty_steps_are_those_of_one_process)
{
    static task t;
    net n;
    net_pass p;
    t.config = _i ? FX_CONFIG(FX_MAGNITUDE ", " ASYMMETRIC) : FX_CONFIG(FX_RB ", " FX_INT8);
    t.tolerance = 1e-4;
    net_make(&n, ranks_context(), t.config, 0);
    net_pass_make(&p, n.model, 0, NET_BATCH);
    train(NULL, &n, &p);
    net_record_weights(&t.alone, &n);
    net_record_parameters(&t.alone, &n);
    net_record_statistics(&t.alone, &n);
    put_masks(&t.outputs, &n);
    ck_assert_double_gt(fx_statistics(n.ctrl).sparsity, 0.05);
    ck_assert_double_lt(fx_statistics(n.ctrl).sparsity, 0.95);
    printf("sparsity %.3f\n", fx_statistics(n.ctrl).sparsity);
    net_pass_free(&p);
    net_free(&n);
    for (int32_t size = 2; size <= 4; size += 2) {
        ranks_run(size, train_rank, &t);
        printf("%d ranks, %d steps: %.2g of the largest value off\n", (int)size, STEPS, t.far[0]);
    }
}
END_TEST

/* ---- running statistics, checks ---- */

static void average_rank(rank *self)
{
    net n;
    ranks_net(self, &n, NULL, 0, 0);
    for (int64_t c = 0; c < NET_WIDTH; c++) {
        n.block[0].mean[c] = (float)(self->rank + c);
        n.block[2].var[c] = self->rank ? 3 : 1;
    }
    ck_assert_int_eq(nncf_model_average_statistics(n.model, NULL), NNCF_OK);
    for (int64_t c = 0; c < NET_WIDTH; c++) {
        ck_assert(n.block[0].mean[c] == 1 + (float)c);
        ck_assert(n.block[2].var[c] == (float)(7.0 / 3));
        ck_assert(n.block[1].var[c] == 0.8f);
    }
    net_free(&n);
}

START_TEST(running_statistics_are_averaged)
{
    ranks_run(3, average_rank, NULL);
}
END_TEST

static void check_rank(rank *self)
{
    nncf_error err = NNCF_ERROR_INIT;
    net n;
    ranks_net(self, &n, FX_CONFIG(FX_MAGNITUDE ", " FX_INT8), 0, 0);
    ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_OK);
    n.block[0].mean[2] += (float)self->rank; /* may differ */
    ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_OK);
    if (self->rank == 1)
        n.block[1].w[3] = nextafterf(n.block[1].w[3], 9);
    ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_E_STATE);
    ck_assert_str_eq(err.where, "Net/Conv2d[b]");
    n.block[1].w[3] = 1;
    ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_OK);
    if (self->rank == 0)
        fx_parameter(n.ctrl, "Net/Linear[d].pre_ops.weight_quantizer.scale").data[0] *= 2;
    ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_E_STATE);
    ck_assert_str_eq(err.where, "Net/Linear[d]");
    fx_parameter(n.ctrl, "Net/Linear[d].pre_ops.weight_quantizer.scale").data[0] = 1;
    if (self->rank == 0)
        ck_assert_int_eq(nncf_compression_ctrl_step(n.ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "step"));
    net_free(&n);
}

START_TEST(a_rank_that_is_out_of_step_is_named)
{
    ranks_run(2, check_rank, NULL);
}
END_TEST

#define FREEZING                                                                                   \
    "{\"algorithm\": \"quantization\", \"weights\": {\"oscillation_freezing\": 0.1}, "             \
    "\"initializer\": {\"num_init_steps\": 1}}"

/* The weights are alike, but one rank would freeze another one of them, or sooner. */
static void check_oscillation(rank *self)
{
    nncf_error err = NNCF_ERROR_INIT;
    net n;
    ranks_net(self, &n, FX_CONFIG(FREEZING), 0, 0);
    nncf__oscillation *o = n.block[1].layer->compression->oscillation;
    ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_OK);
    int8_t *const turns[] = {&o->turns[0], &o->turns[o->count - 1]};
    for (int i = 0; i < 2; i++) {
        const int8_t kept = *turns[i];
        if (self->rank == 1)
            *turns[i] = NNCF__TURN_FROZEN;
        ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_E_STATE);
        ck_assert_str_eq(err.where, "Net/Conv2d[b]");
        ck_assert_ptr_nonnull(strstr(err.message, "frozen"));
        *turns[i] = kept;
        ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_OK);
    }
    for (size_t i = 0; i < NNCF__OSCILLATION_VALUES; i++) {
        float *value = &o->values[(i + 1) * o->count - 1];
        if (self->rank == 0)
            *value += 0.25f;
        ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_E_STATE);
        if (self->rank == 0)
            *value -= 0.25f;
        ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_OK);
    }
    net_free(&n);
}

START_TEST(a_rank_that_knows_other_oscillations_is_named)
{
    ranks_run(2, check_oscillation, NULL);
}
END_TEST

/* ---- bits by sensitivity ---- */

#define HAWQ                                                                                       \
    "{\"nncf_dialect\": \"1.5\", \"quantizer_setup_type\": \"pattern_based\", \"compression\": "   \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"precision\": {\"type\": \"hawq\", "     \
    "\"bits\": [2, 4, 8], \"iter_number\": 2, \"num_data_points\": 12, \"tolerance\": 0}}}}"

/* The mean over all rows from those over the rows of each rank, `share` of them here. */
static void mean_gradients(rank *self, net *n, double share)
{
    float values[NET_RECORD_MOST];
    const size_t count = nncf_model_get_gradient_count(n->model);
    ck_assert_int_eq(nncf_model_pack_gradients(n->model, 0, count, values, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_model_unpack_gradients(n->model, 0, count, values, share * self->size, NULL), NNCF_OK);
    average_gradients(self, n);
}

/* `self` NULL: alone, with the whole batch. bits: of weights. */
static void choose(rank *self, net *n, net_pass *p, int32_t bits[NET_BLOCKS])
{
    nncf_error err = NNCF_ERROR_INIT;
    int32_t more = 0;
    int passes = 0;
    uint64_t batch = 0;
    nncf_status status;
    while (
        (status = nncf_compression_ctrl_precision_step(n->ctrl, &more, &err)) == NNCF_OK && more) {
        batch += more == NNCF_PRECISION_NEW_BATCH;
        net_forward(p, batch);
        net_backward(p, batch);
        if (self)
            mean_gradients(self, n, (double)p->rows / NET_BATCH);
        passes++;
    }
    ck_assert_msg(status == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(passes, 4); /* 12 images in a batch: two vectors, two passes */
    for (int i = 0; i < NET_BLOCKS; i++)
        bits[i] = n->block[i].layer->compression->weight_quantizer->params.bits;
}

static void choose_rank(rank *self)
{
    net n;
    net_pass p;
    nncf_error err = NNCF_ERROR_INIT;
    int32_t bits[NET_BLOCKS];
    ranks_net(self, &n, HAWQ, NET_PLAIN, 0);
    net_pass_make(&p, n.model, self->rank ? 8 : 0, self->rank ? 4 : 8);
    choose(self, &n, &p, bits);
    ck_assert_mem_eq(bits, self->arg, sizeof bits);
    ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_OK);
    nncf__quantizer *q = n.block[2].layer->compression->weight_quantizer;
    if (self->rank == 1)
        q->params.bits++;
    ck_assert_int_eq(nncf_model_check_ranks(n.model, &err), NNCF_E_STATE);
    ck_assert_str_eq(err.where, "Net/Conv2d[c]");
    net_pass_free(&p);
    net_free(&n);
}

/* Ranks with 8 and 4 rows choose what one process does. */
START_TEST(ranks_choose_the_same_bits)
{
    net n;
    net_pass p;
    int32_t bits[NET_BLOCKS];
    net_make(&n, ranks_context(), HAWQ, NET_PLAIN);
    net_pass_make(&p, n.model, 0, NET_BATCH);
    choose(NULL, &n, &p, bits);
    net_pass_free(&p);
    net_free(&n);
    ranks_run(2, choose_rank, bits);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ranks");
    TCase *tests = fx_case(suite, "ranks", 120);
    tcase_add_loop_test(tests, ranges_are_those_of_all_rows, 0, N_RULES);
    tcase_add_loop_test(tests, batch_norm_and_dropout_are_those_of_the_whole_batch, 0, 2);
    tcase_add_test(tests, batch_norm_asks_once_a_layer_and_pass_where_it_was_told_to);
    tcase_add_test(tests, parts_of_different_sizes_say_where_they_begin);
    tcase_add_test(tests, adaptation_counts_and_sums_over_ranks);
    tcase_add_loop_test(tests, twenty_steps_are_those_of_one_process, 0, 2);
    tcase_add_test(tests, running_statistics_are_averaged);
    tcase_add_test(tests, a_rank_that_is_out_of_step_is_named);
    tcase_add_test(tests, a_rank_that_knows_other_oscillations_is_named);
    tcase_add_test(tests, ranks_choose_the_same_bits);
    return fx_main(suite);
}
