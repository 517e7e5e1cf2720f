/* SPDX-License-Identifier: Apache-2.0 */
/* The pool: every chunk once, by whichever worker; the host's threads instead; sleep, fork and
 * signals. */
#include "base/context.h"
#include "base/pool.h"
#include "support/context.h"
#include "support/require.h"
#include "support/runner.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CHUNKS = 1000 };

typedef struct tally {
    int plain[MAX_CHUNKS]; /* not atomic on purpose: one writer each, read after the call */
    atomic_int workers[16];
    atomic_int wrong;
    size_t n_threads;
} tally;

static void count_chunk(void *arg, size_t chunk, size_t worker)
{
    tally *t = arg;
    if (worker >= t->n_threads || chunk >= MAX_CHUNKS) {
        atomic_fetch_add(&t->wrong, 1);
        return;
    }
    t->plain[chunk]++;
    atomic_fetch_add(&t->workers[worker], 1);
}

static nncf_context *make_context(int32_t n_threads)
{
    nncf_context *context = NULL;
    nncf_context_params params = {NNCF_PARAMS(nncf_context_params), .n_threads = n_threads};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
    return context;
}

static void check_all_chunks(nncf_context *context, size_t n_chunks)
{
    tally t = {.n_threads = (size_t)context->params.n_threads};
    nncf__parallel(context, n_chunks, count_chunk, &t);
    int total = 0;
    for (size_t i = 0; i < MAX_CHUNKS; i++)
        REQUIRE(t.plain[i] == (i < n_chunks ? 1 : 0), "chunk %zu ran %d times", i, t.plain[i]);
    for (size_t i = 0; i < 16; i++)
        total += t.workers[i];
    ck_assert_int_eq(total, (int)n_chunks);
    ck_assert_int_eq(t.wrong, 0);
}

static void nap(long microseconds)
{
    nanosleep(&(struct timespec){0, microseconds * 1000}, NULL);
}

START_TEST(every_chunk_runs_once)
{
    static const size_t counts[] = {0, 1, 2, 3, 7, 8, 64, 999, 1000};
    for (int32_t n_threads = 1; n_threads <= 5; n_threads++) {
        nncf_context *context = make_context(n_threads);
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
            for (int repeat = 0; repeat < 20; repeat++)
                check_all_chunks(context, counts[i]);
        nncf_context_destroy(context);
    }
}
END_TEST

static void add_one(void *arg, size_t chunk, size_t worker)
{
    (void)worker;
    ((int64_t *)arg)[chunk * 8]++;
}

START_TEST(jobs_back_to_back_lose_no_chunk)
{
    enum { CHUNKS = 6 };
    const int jobs = sweep_rounds(20000, 1000);
    nncf_context *context = make_context(3);
    int64_t sums[CHUNKS * 8] = {0};
    for (int i = 0; i < jobs; i++)
        nncf__parallel(context, CHUNKS, add_one, sums);
    for (int c = 0; c < CHUNKS; c++)
        ck_assert_int_eq(sums[c * 8], jobs);
    nncf_context_destroy(context);
}
END_TEST

START_TEST(sleeping_workers_wake_for_a_job)
{
    nncf_context *context = make_context(4);
    for (int i = 0; i < 200; i++) {
        check_all_chunks(context, 50);
        nap(i % 4 * 50); /* while workers look out, while they go to sleep, and when they sleep */
    }
    nncf_context_destroy(context);
}
END_TEST

START_TEST(contexts_can_be_made_and_destroyed_at_any_time)
{
    for (int i = 0; i < 100; i++) {
        nncf_context *context = make_context(3);
        if (i % 2)
            check_all_chunks(context, 10);
        if (i % 3 == 0)
            nap(100);
        nncf_context_destroy(context);
    }
}
END_TEST

static void slow_chunk(void *arg, size_t chunk, size_t worker)
{
    tally *t = arg;
    nap(2000);
    count_chunk(t, chunk, worker);
}

START_TEST(all_workers_take_part)
{
    nncf_context *context = make_context(4);
    tally t = {.n_threads = 4};
    nap(1000);
    nncf__parallel(context, 40, slow_chunk, &t);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_gt(t.workers[i], 0);
    nncf_context_destroy(context);
}
END_TEST

static void *use_own_context(void *arg)
{
    (void)arg;
    nncf_context *context = make_context(2);
    for (int i = 0; i < 300; i++) {
        int64_t sums[32] = {0};
        nncf__parallel(context, 4, add_one, sums);
        if (sums[0] + sums[8] + sums[16] + sums[24] != 4)
            return (void *)1;
    }
    nncf_context_destroy(context);
    return NULL;
}

typedef struct meeting {
    size_t n_threads;
    atomic_int arrived;
    /* by chunk */
    size_t workers[8];
} meeting;

/* Ends when all workers are in a chunk: then each is in the first that it took. */
static void meet(void *arg, size_t chunk, size_t worker)
{
    meeting *m = arg;
    m->workers[chunk] = worker;
    atomic_fetch_add(&m->arrived, 1);
    while ((size_t)atomic_load(&m->arrived) < m->n_threads)
        nap(10);
}

START_TEST(a_worker_begins_with_its_own_part)
{
    for (int32_t n_threads = 2; n_threads <= 5; n_threads++) {
        nncf_context *context = make_context(n_threads);
        for (int repeat = 0; repeat < 20; repeat++) {
            meeting m = {.n_threads = (size_t)n_threads};
            nncf__parallel(context, (size_t)n_threads, meet, &m);
            for (size_t i = 0; i < m.n_threads; i++)
                ck_assert_uint_eq(m.workers[i], i);
        }
        nncf_context_destroy(context);
    }
}
END_TEST

START_TEST(contexts_are_independent)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_own_context, NULL), 0);
    for (int i = 0; i < 3; i++) {
        void *result;
        pthread_join(threads[i], &result);
        ck_assert_ptr_null(result);
    }
}
END_TEST

static void fill_scratch(void *arg, size_t chunk, size_t worker)
{
    const nncf_context *context = arg;
    unsigned char *scratch = nncf__scratch(context, worker);
    memset(scratch, (int)(chunk & 0xff), context->scratch_size);
    for (size_t i = 0; i < context->scratch_size; i++)
        if (scratch[i] != (chunk & 0xff)) /* another worker wrote into it */
            abort();
}

START_TEST(scratch_belongs_to_a_worker)
{
    fx_memory counter = {0};
    nncf_context *context = fx_new_context(&counter, 3, 0, 0);
    ck_assert_ptr_null(nncf__scratch(context, 0));
    ck_assert_int_eq(nncf__scratch_reserve(context, 5000), NNCF_OK);
    ck_assert_uint_ge(context->scratch_size, 5000);
    void *first = nncf__scratch(context, 0);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq((uintptr_t)nncf__scratch(context, i) % 64, 0);
    for (int i = 0; i < 50; i++)
        nncf__parallel(context, 30, fill_scratch, context);
    size_t calls = counter.calls;
    ck_assert_int_eq(nncf__scratch_reserve(context, 100), NNCF_OK);
    ck_assert_uint_eq(counter.calls, calls); /* large enough already */
    for (size_t n = 1; n <= 4; n++) {
        counter.fail_at = counter.calls + n;
        ck_assert_int_eq(nncf__scratch_reserve(context, 100000), NNCF_E_NOMEM);
        ck_assert_ptr_eq(nncf__scratch(context, 0), first);
    }
    counter.fail_at = 0;
    ck_assert_int_eq(nncf__scratch_reserve(context, SIZE_MAX - 10), NNCF_E_NOMEM);
    ck_assert_int_eq(nncf__scratch_reserve(context, 100000), NNCF_OK);
    nncf__parallel(context, 30, fill_scratch, context);
    nncf_context_destroy(context);
    ck_assert_uint_eq(counter.live, 0);
}
END_TEST

/* ---- the host's threads ---- */

typedef struct host {
    int calls;
    size_t last_n;
    int kind;
} host;

typedef struct host_call {
    void (*fn)(void *arg, size_t i);
    void *arg;
    size_t i;
} host_call;

static void *host_thread(void *arg)
{
    host_call *call = arg;
    call->fn(call->arg, call->i);
    return NULL;
}

static void host_parallel_for(void *user, size_t n, void (*fn)(void *arg, size_t i), void *arg)
{
    host *h = user;
    h->calls++;
    h->last_n = n;
    if (h->kind == 0) {
        for (size_t i = 0; i < n; i++)
            fn(arg, i);
    } else if (h->kind == 1) {
        for (size_t i = n; i > 0; i--)
            fn(arg, i - 1);
    } else {
        pthread_t threads[16];
        host_call calls[16];
        for (size_t i = 0; i < n; i++) {
            calls[i] = (host_call){fn, arg, i};
            ck_assert_int_eq(pthread_create(&threads[i], NULL, host_thread, &calls[i]), 0);
        }
        for (size_t i = 0; i < n; i++)
            pthread_join(threads[i], NULL);
    }
}

START_TEST(host_threads_run_every_chunk_once)
{
    for (int kind = 0; kind < 3; kind++) {
        host h = {.kind = kind};
        nncf_context *context = NULL;
        nncf_context_params params = {NNCF_PARAMS(nncf_context_params), .n_threads = 4,
            .parallel_for = host_parallel_for, .parallel_user = &h};
        ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
        ck_assert_ptr_null(context->pool);
        check_all_chunks(context, 0);
        check_all_chunks(context, 1);
        ck_assert_int_eq(h.calls, 0); /* one chunk runs inline */
        check_all_chunks(context, 3);
        ck_assert_uint_eq(h.last_n, 3);
        check_all_chunks(context, 100);
        ck_assert_uint_eq(h.last_n, 4);
        ck_assert_int_eq(h.calls, 2);
        nncf_context_destroy(context);
    }
}
END_TEST

/* ---- the process around it ---- */

static void note_signals(void *arg, size_t chunk, size_t worker)
{
    (void)chunk;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    atomic_int *open = arg;
    if (worker > 0 && (!sigismember(&blocked, SIGINT) || !sigismember(&blocked, SIGTERM)))
        atomic_fetch_add(open, 1);
    nap(1000);
}

START_TEST(workers_take_no_signals)
{
    nncf_context *context = make_context(4);
    atomic_int open = 0;
    nncf__parallel(context, 20, note_signals, &open);
    ck_assert_int_eq(open, 0);
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    ck_assert(!sigismember(&blocked, SIGINT)); /* the caller's mask is as before */
    nncf_context_destroy(context);
}
END_TEST

START_TEST(a_forked_child_works_alone)
{
    nncf_context *context = make_context(3);
    check_all_chunks(context, 20);
    for (int i = 0; i < 2; i++) {
        if (i == 1)
            nap(5000); /* workers sleep now */
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            tally t = {.n_threads = 3};
            nncf__parallel(context, 20, count_chunk, &t);
            nncf_context_destroy(context);
            _exit(t.workers[0] == 20 ? 0 : 1);
        }
        int status = -1;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    check_all_chunks(context, 20);
    nncf_context_destroy(context);
}
END_TEST

/* A thread that forks while the workers of another one's context are inside a job. */
typedef struct forker {
    nncf_context *context;
    atomic_int inside; /* workers in a chunk */
    atomic_bool forked; /* they may go on */
    int status;
} forker;

static void wait_for_fork(void *arg, size_t chunk, size_t worker)
{
    forker *f = arg;
    (void)chunk;
    (void)worker;
    atomic_fetch_add(&f->inside, 1);
    while (!atomic_load(&f->forked))
        nap(100);
}

static void *fork_meanwhile(void *arg)
{
    forker *f = arg;
    while (atomic_load(&f->inside) < 3)
        nap(100);
    pid_t child = fork();
    if (child == 0) {
        alarm(20); /* what is wrong here waits for ever */
        tally t = {.n_threads = 3};
        nncf__parallel(f->context, 20, count_chunk, &t);
        nncf_context *own = make_context(2);
        nncf__parallel(own, 20, count_chunk, &t);
        nncf_context_destroy(own);
        nncf_context_destroy(f->context);
        int chunks = 0;
        for (int i = 0; i < 20; i++)
            chunks += t.plain[i];
        _exit(t.workers[0] >= 20 && chunks == 40 ? 0 : 1);
    }
    atomic_store(&f->forked, true);
    f->status = -1;
    waitpid(child, &f->status, 0);
    return NULL;
}

#ifndef __SANITIZE_THREAD__
START_TEST(a_child_of_a_fork_during_a_job)
{
    forker f = {.context = make_context(3)};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, fork_meanwhile, &f), 0);
    nncf__parallel(f.context, 3, wait_for_fork, &f);
    pthread_join(thread, NULL);
    ck_assert_msg(WIFEXITED(f.status) && WEXITSTATUS(f.status) == 0,
        "the child ended with status %#x", (unsigned)f.status);
    check_all_chunks(f.context, 20); /* the parent's workers are there as before */
    nncf_context_destroy(f.context);
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("threads");
    TCase *tests = fx_case(suite, "threads", 120);
    tcase_add_test(tests, every_chunk_runs_once);
    tcase_add_test(tests, jobs_back_to_back_lose_no_chunk);
    tcase_add_test(tests, sleeping_workers_wake_for_a_job);
    tcase_add_test(tests, contexts_can_be_made_and_destroyed_at_any_time);
    tcase_add_test(tests, all_workers_take_part);
    tcase_add_test(tests, a_worker_begins_with_its_own_part);
    tcase_add_test(tests, contexts_are_independent);
    tcase_add_test(tests, scratch_belongs_to_a_worker);
    tcase_add_test(tests, host_threads_run_every_chunk_once);
    tcase_add_test(tests, workers_take_no_signals);
    tcase_add_test(tests, a_forked_child_works_alone);
#ifndef __SANITIZE_THREAD__ /* which has no threads in a child of a process that had some */
    tcase_add_test(tests, a_child_of_a_fork_during_a_job);
#endif
    return fx_main(suite);
}
