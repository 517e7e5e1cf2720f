/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small pool of threads.
 *
 * A layer of a small network takes some tens of microseconds, as long as it takes to wake a
 * sleeping thread. Therefore workers look out for the next job for a while before they sleep, and a
 * job does not wait for workers that have not come yet: the caller takes chunks itself, closes the
 * job when none is left, and waits only for those inside.
 *
 * Who may touch a job: a worker announces itself in `active` and then reads `open`; the caller
 * clears `open` and then reads `active`. Both sides are sequentially consistent, so a worker that
 * saw the job open is one that the caller waits for. The same pattern guards sleeping: `sleepers`
 * then `open` here, `open` then `sleepers` there.
 *
 * Chunks are dealt out in equal parts of neighbours, and a thread takes those of its own part
 * before it takes from others'. So the same thread sees the same part of a tensor in one pass after
 * the other, while the part is in its cache.
 */
#include "base/pool.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/context.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int32_t nncf__processor_count(void)
{
    /* 16384 processors: the call fails when the system has more than the set, and one of 1024 is
     * sometimes too small.
     */
    cpu_set_t sets[16];
    if (sched_getaffinity(0, sizeof(sets), sets) != 0)
        return 1;
    int count = CPU_COUNT_S(sizeof(sets), sets);
    return count > 0 ? count : 1;
}

/* Chunks of a job that belong together; [next, end) are those that no thread has taken. */
typedef struct part {
    _Alignas(64) atomic_size_t next;
    size_t end;
} part;

/* What one nncf__parallel() is about. */
typedef struct job {
    nncf__chunk_fn *fn;
    void *arg;
    size_t n_parts;
    part *parts;
} job;

typedef struct worker {
    struct nncf__pool *pool;
    /* 1 .. n_threads - 1; 0 is the caller */
    size_t index;
    pthread_t thread;
} worker;

struct nncf__pool {
    job job;
    /* number of the job that may be joined, 0 = none */
    _Alignas(64) atomic_uint_fast64_t open;
    /* workers that may be inside the job */
    _Alignas(64) atomic_size_t active;
    /* workers at `wake` */
    atomic_uint sleepers;
    /* the caller is at `done` */
    atomic_bool caller_sleeps;
    atomic_bool stop;
    uint64_t last_job;
    int64_t spin_ns;
    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    /* at its creation: another number is a child, where the workers are not */
    unsigned forks;
    size_t n_workers;
    worker *workers;
};

/*
 * fork() copies the pool into the child, but not the workers: `active` may count one there that was
 * just polling, the mutex may stay locked, and `sleepers` counts threads that do not exist. So a
 * child never touches the pool: the caller does all the work. getpid() before each job would show
 * as well, at the price of a system call.
 */
static atomic_uint forks_so_far;
static pthread_once_t forks_are_counted = PTHREAD_ONCE_INIT;
static int counting_failed;

static void count_fork(void)
{
    atomic_fetch_add(&forks_so_far, 1);
}

static void count_forks(void)
{
    counting_failed = pthread_atfork(NULL, NULL, count_fork);
}

static bool has_workers(const struct nncf__pool *pool)
{
    return pool->forks == atomic_load_explicit(&forks_so_far, memory_order_relaxed);
}

static inline void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void deal_out(job *work, size_t n_chunks)
{
    const size_t each = n_chunks / work->n_parts, rest = n_chunks % work->n_parts;
    size_t next = 0;
    for (size_t i = 0; i < work->n_parts; i++) {
        atomic_store_explicit(&work->parts[i].next, next, memory_order_relaxed);
        next += each + (i < rest ? 1 : 0);
        work->parts[i].end = next;
    }
}

static void run_part(const job *work, part *its, size_t worker_index)
{
    /* looked at first: a counter must not run on and on past its end */
    while (atomic_load_explicit(&its->next, memory_order_relaxed) < its->end) {
        size_t chunk = atomic_fetch_add_explicit(&its->next, 1, memory_order_relaxed);
        if (chunk < its->end)
            work->fn(work->arg, chunk, worker_index);
    }
}

/* The worker's own part, then the others' in turn. */
static void run_chunks(const job *work, size_t worker_index)
{
    for (size_t i = 0; i < work->n_parts; i++)
        run_part(work, &work->parts[(worker_index + i) % work->n_parts], worker_index);
}

/* Is there a job that this worker has not joined yet, or must it end? */
static bool is_called(struct nncf__pool *pool, uint64_t seen)
{
    uint64_t open = atomic_load(&pool->open);
    return (open != 0 && open != seen) || atomic_load(&pool->stop);
}

static void wait_for_job(struct nncf__pool *pool, uint64_t seen)
{
    int64_t end = now_ns() + pool->spin_ns;
    do {
        for (int i = 0; i < 32; i++) {
            if (is_called(pool, seen))
                return;
            pause_cpu();
        }
    } while (now_ns() < end);

    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleepers, 1);
    /* Woken too late for a job, it keeps polling: more jobs may follow, as that one came
     * from. */
    if (!is_called(pool, seen))
        pthread_cond_wait(&pool->wake, &pool->mutex);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->mutex);
}

static void *worker_main(void *arg)
{
    worker *self = arg;
    struct nncf__pool *pool = self->pool;
    uint64_t seen = 0;
    while (!atomic_load(&pool->stop)) {
        if (!is_called(pool, seen)) {
            wait_for_job(pool, seen);
            continue;
        }
        atomic_fetch_add(&pool->active, 1);
        uint64_t open = atomic_load(&pool->open);
        if (open != 0 && open != seen) {
            seen = open;
            run_chunks(&pool->job, self->index);
        }
        if (atomic_fetch_sub(&pool->active, 1) == 1 && atomic_load(&pool->caller_sleeps)) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->mutex);
        }
    }
    return NULL;
}

static void wait_for_workers(struct nncf__pool *pool)
{
    if (atomic_load(&pool->active) == 0)
        return;
    int64_t end = now_ns() + pool->spin_ns;
    do {
        for (int i = 0; i < 32; i++) {
            if (atomic_load(&pool->active) == 0)
                return;
            pause_cpu();
        }
    } while (now_ns() < end);

    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_sleeps, true);
    while (atomic_load(&pool->active) != 0)
        pthread_cond_wait(&pool->done, &pool->mutex);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->mutex);
}

static void pool_run(struct nncf__pool *pool, size_t n_chunks, nncf__chunk_fn *fn, void *arg)
{
    pool->job.fn = fn;
    pool->job.arg = arg;
    deal_out(&pool->job, n_chunks);
    atomic_store(&pool->open, ++pool->last_job);
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->mutex);
    }
    run_chunks(&pool->job, 0);
    atomic_store(&pool->open, 0);
    wait_for_workers(pool);
}

static void stop_workers(struct nncf__pool *pool)
{
    if (!has_workers(pool))
        return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->stop, true);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    for (size_t i = 0; i < pool->n_workers; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
}

nncf_status nncf__pool_create(nncf_context *context, int32_t n_threads, struct nncf__pool **out)
{
    size_t n_workers = (size_t)n_threads - 1;
    pthread_once(&forks_are_counted, count_forks);
    if (counting_failed)
        return NNCF_E_NOMEM;
    struct nncf__pool *pool = nncf__calloc(context, 1, sizeof(*pool));
    worker *workers = nncf__calloc(context, n_workers, sizeof(*workers));
    part *parts = nncf__calloc(context, (size_t)n_threads, sizeof(*parts));
    if (!pool || !workers || !parts) {
        nncf__free(context, parts);
        nncf__free(context, workers);
        nncf__free(context, pool);
        return NNCF_E_NOMEM;
    }
    pool->job.parts = parts;
    pool->job.n_parts = (size_t)n_threads;
    atomic_init(&pool->open, 0);
    atomic_init(&pool->active, 0);
    atomic_init(&pool->sleepers, 0);
    atomic_init(&pool->caller_sleeps, false);
    atomic_init(&pool->stop, false);
    /* With more threads than processors looking out only takes time from those who work. */
    pool->spin_ns = n_threads <= nncf__processor_count() ? 50000 : 0;
    pool->forks = atomic_load(&forks_so_far);
    pool->workers = workers;
    pthread_mutex_init(
        &pool->mutex, NULL); /* these three cannot fail with default attributes on Linux */
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);

    /* Signals are for the host's threads. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failure = 0;
    for (size_t i = 0; i < n_workers && failure == 0; i++) {
        workers[i].pool = pool;
        workers[i].index = i + 1;
        failure = pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
        if (failure == 0) {
            char name[16];
            snprintf(name, sizeof(name), "nncf-%u", (unsigned)(i + 1) % 1000);
            pthread_setname_np(workers[i].thread, name);
            pool->n_workers++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failure != 0) {
        nncf__pool_destroy(context, pool);
        return NNCF_E_NOMEM;
    }
    *out = pool;
    return NNCF_OK;
}

void nncf__pool_destroy(nncf_context *context, struct nncf__pool *pool)
{
    if (!pool)
        return;
    stop_workers(pool);
    nncf__free(context, pool->job.parts);
    nncf__free(context, pool->workers);
    nncf__free(context, pool);
}

/* The host calls this once for every worker; a worker that comes late finds no chunk left. */
static void host_worker(void *arg, size_t i)
{
    run_chunks(arg, i);
}

void nncf__parallel(nncf_context *context, size_t n_chunks, nncf__chunk_fn *fn, void *arg)
{
    size_t n_threads = (size_t)context->params.n_threads;
    if (n_chunks > 1 && n_threads > 1 && context->params.parallel_for) {
        /* which of the host's threads is which it does not say: one part for all */
        part all = {.end = n_chunks};
        job work = {fn, arg, 1, &all};
        context->params.parallel_for(context->params.parallel_user,
            n_threads < n_chunks ? n_threads : n_chunks, host_worker, &work);
    } else if (n_chunks > 1 && context->pool && has_workers(context->pool)) {
        pool_run(context->pool, n_chunks, fn, arg);
    } else {
        for (size_t chunk = 0; chunk < n_chunks; chunk++)
            fn(arg, chunk, 0);
    }
}

bool nncf__scratch_size(const nncf_context *context, size_t wanted, size_t *size)
{
    enum { GRANULE = 4096 };
    const size_t now = context->scratch ? context->scratch_size : 0;
    if (wanted <= now) {
        *size = now;
        return true;
    }
    if (!nncf__add(wanted, GRANULE - 1, size))
        return false;
    *size &= ~(size_t)(GRANULE - 1);
    return true;
}

nncf_status nncf__scratch_reserve(nncf_context *context, size_t size)
{
    if (!nncf__scratch_size(context, size, &size))
        return NNCF_E_NOMEM;
    if (size == 0 || (context->scratch && size == context->scratch_size))
        return NNCF_OK;
    size_t n = (size_t)context->params.n_threads;
    void **scratch = nncf__calloc(context, n, sizeof(*scratch));
    if (!scratch)
        return NNCF_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        scratch[i] = nncf__alloc(context, size);
        if (!scratch[i]) {
            while (i > 0)
                nncf__free(context, scratch[--i]);
            nncf__free(context, scratch);
            return NNCF_E_NOMEM;
        }
    }
    nncf__scratch_free(context);
    context->scratch = scratch;
    context->scratch_size = size;
    return NNCF_OK;
}

void nncf__scratch_free(nncf_context *context)
{
    if (context->scratch)
        for (size_t i = 0; i < (size_t)context->params.n_threads; i++)
            nncf__free(context, context->scratch[i]);
    nncf__free(context, context->scratch);
    context->scratch = NULL;
    context->scratch_size = 0;
}

void *nncf__scratch(const nncf_context *context, size_t worker_index)
{
    return context->scratch ? context->scratch[worker_index] : NULL;
}
