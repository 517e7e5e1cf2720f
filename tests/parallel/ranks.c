/* SPDX-License-Identifier: Apache-2.0 */
#include "parallel/ranks.h"

#include "support/fixture.h"

#include <check.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

struct ranks {
    pthread_barrier_t barrier;
    int32_t size;
    /* of the present call, of each rank */
    struct {
        void *values;
        size_t count;
        nncf_dtype dtype;
        nncf_reduction reduction;
    } sent[RANKS_MOST];
    void (*body)(rank *self);
};

typedef union value {
    float f32;
    double f64;
    int64_t i64;
} value;

#define REDUCE(member)                                                                             \
    do {                                                                                           \
        if (reduction == NNCF_REDUCE_SUM)                                                          \
            to->member += from.member;                                                             \
        else if (reduction == NNCF_REDUCE_MIN ? from.member < to->member                           \
                                              : from.member > to->member)                          \
            to->member = from.member;                                                              \
    } while (0)

static void reduce_one(value *to, value from, nncf_dtype dtype, nncf_reduction reduction)
{
    if (dtype == NNCF_F32)
        REDUCE(f32);
    else if (dtype == NNCF_F64)
        REDUCE(f64);
    else
        REDUCE(i64);
}

/* In the order of the ranks, by one thread while the others wait. */
static void reduce_all(ranks *all)
{
    const nncf_dtype dtype = all->sent[0].dtype;
    const nncf_reduction reduction = all->sent[0].reduction;
    const size_t size = dtype == NNCF_F32 ? sizeof(float) : sizeof(double);
    for (int32_t r = 1; r < all->size; r++)
        ck_assert(all->sent[r].count == all->sent[0].count && all->sent[r].dtype == dtype &&
            all->sent[r].reduction == reduction);
    for (size_t i = 0; i < all->sent[0].count; i++) {
        value sum, other;
        memcpy(&sum, (char *)all->sent[0].values + i * size, size);
        for (int32_t r = 1; r < all->size; r++) {
            memcpy(&other, (char *)all->sent[r].values + i * size, size);
            reduce_one(&sum, other, dtype, reduction);
        }
        for (int32_t r = 0; r < all->size; r++)
            memcpy((char *)all->sent[r].values + i * size, &sum, size);
    }
}

static int32_t all_reduce(
    void *user, void *values, size_t count, nncf_dtype dtype, nncf_reduction reduction)
{
    rank *self = user;
    ranks *all = self->all;
    ck_assert(dtype == NNCF_F32 || dtype == NNCF_F64 || dtype == NNCF_I64);
    self->calls++;
    if (self->fail_at && self->calls >= self->fail_at)
        return 7;
    all->sent[self->rank].values = values;
    all->sent[self->rank].count = count;
    all->sent[self->rank].dtype = dtype;
    all->sent[self->rank].reduction = reduction;
    if (pthread_barrier_wait(&all->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
        reduce_all(all);
    pthread_barrier_wait(&all->barrier);
    return 0;
}

nncf_collective_params ranks_params(rank *self, nncf_collective_flags flags)
{
    return (nncf_collective_params){NNCF_PARAMS(nncf_collective_params), .rank = self->rank,
        .size = self->size, .all_reduce = all_reduce, .user = self, .flags = flags};
}

static void *run(void *arg)
{
    rank *self = arg;
    self->all->body(self);
    return NULL;
}

void ranks_run(int32_t size, void (*body)(rank *self), void *arg)
{
    ranks all = {.size = size, .body = body};
    rank self[RANKS_MOST];
    pthread_t thread[RANKS_MOST];
    ck_assert_int_eq(pthread_barrier_init(&all.barrier, NULL, (unsigned)size), 0);
    for (int32_t r = 0; r < size; r++) {
        self[r] = (rank){.all = &all, .rank = r, .size = size, .arg = arg};
        ck_assert_int_eq(pthread_create(&thread[r], NULL, run, &self[r]), 0);
    }
    for (int32_t r = 0; r < size; r++)
        ck_assert_int_eq(pthread_join(thread[r], NULL), 0);
    pthread_barrier_destroy(&all.barrier);
}

nncf_context *ranks_context(void)
{
    return fx_new_context(NULL, 1, NNCF_ISA_BEST, 42);
}

void ranks_net(rank *self, net *n, const char *config, int flags, nncf_collective_flags sync)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_collective_params p = ranks_params(self, sync);
    net_make(n, ranks_context(), config, flags);
    ck_assert_msg(nncf_model_set_collective(n->model, &p, &err) == NNCF_OK, "%s", err.message);
}

void ranks_part(const rank *self, net *n, net_pass *p)
{
    const int64_t rows = NET_BATCH / self->size;
    net_pass_make(p, n->model, self->rank * rows, rows);
}
