/* SPDX-License-Identifier: Apache-2.0 */
#include "loader.h"
#include "augment.h"
#include "rng.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS = 3, /* the batch in use and two ahead */
    CHUNK = 8 /* samples that a worker takes at a time */
};

struct loader {
    const dataset *data;
    loader_settings settings;
    int64_t n_batches, n_samples; /* of an epoch */
    int64_t epoch;
    uint32_t *images; /* the order of the images in this epoch */
    batch slots[SLOTS];
    pthread_t *threads;
    int n_threads;
    /* Below: under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    int64_t next_batch, next_sample; /* the first sample that nobody has taken */
    int64_t current; /* batch in use; -1 before the first. Slots of batches before it are free */
    int64_t ready[SLOTS]; /* samples finished */
    int in_flight;
    bool running, quit;
    nncf_status status;
    nncf_error error;
};

static int64_t batch_count(const loader *l, int64_t index)
{
    int64_t left = l->n_samples - index * l->settings.batch_size;
    return left < l->settings.batch_size ? left : l->settings.batch_size;
}

/* A random order for the epoch (Fisher and Yates), or the natural one. Where an epoch needs more
 * samples than there are images they come again. */
static void make_order(loader *l)
{
    size_t n = l->data->count;
    rng r = rng_make(l->settings.seed, RNG_SHUFFLE, (uint64_t)l->epoch, 0);
    for (size_t i = 0; i < n; i++)
        l->images[i] = (uint32_t)i;
    for (size_t i = n - 1; l->settings.train && i > 0; i--) {
        size_t k = (size_t)rng_below(&r, i + 1);
        uint32_t swap = l->images[i];
        l->images[i] = l->images[k];
        l->images[k] = swap;
    }
}

/* `count` samples of a batch from `start` on. */
static nncf_status make_samples(
    const loader *l, int64_t batch_index, int64_t start, int64_t count, nncf_error *err)
{
    const loader_settings *s = &l->settings;
    const batch *b = &l->slots[batch_index % SLOTS];
    size_t floats = (size_t)s->channels * (size_t)s->size * (size_t)s->size,
           images = l->data->count;
    for (int64_t i = start; i < start + count; i++) {
        uint64_t position = (uint64_t)(batch_index * s->batch_size + i);
        size_t index = l->images[position % images];
        rng r =
            rng_make(s->seed, RNG_AUGMENT, (uint64_t)l->epoch, index + (position / images << 40));
        nncf_status status = augment_sample(l->data, index, s->train ? &r : NULL, s->channels,
            s->size, b->x + (size_t)i * floats, err);
        if (status != NNCF_OK)
            return status;
        b->labels[i] = l->data->labels[index];
    }
    return NNCF_OK;
}

static void *worker(void *arg)
{
    loader *l = arg;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        int64_t index, start, count;
        nncf_error error = NNCF_ERROR_INIT;
        nncf_status status;
        int64_t first = l->current < 0 ? 0 : l->current;
        if (l->quit)
            break;
        if (!l->running || l->next_batch >= l->n_batches || l->next_batch >= first + SLOTS) {
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        index = l->next_batch;
        start = l->next_sample;
        count = batch_count(l, index) - start;
        if (count > CHUNK)
            count = CHUNK;
        l->next_sample += count;
        if (l->next_sample == batch_count(l, index)) {
            l->next_batch++;
            l->next_sample = 0;
        }
        l->in_flight++;
        pthread_mutex_unlock(&l->lock);
        status = make_samples(l, index, start, count, &error);
        pthread_mutex_lock(&l->lock);
        l->in_flight--;
        l->ready[index % SLOTS] += count;
        if (status != NNCF_OK && l->status == NNCF_OK) {
            l->status = status;
            l->error = error;
        }
        pthread_cond_signal(&l->done);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static nncf_status start_threads(loader *l, nncf_error *err)
{
    l->threads = calloc((size_t)l->settings.workers, sizeof *l->threads);
    if (l->threads == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the loader's threads");
    for (int i = 0; i < l->settings.workers; i++) {
        int code = pthread_create(&l->threads[i], NULL, worker, l);
        if (code != 0)
            return app_fail(err, NNCF_E_IO, NULL, "cannot start a thread that loads images: %s",
                strerror(code));
        l->n_threads++;
    }
    return NNCF_OK;
}

nncf_status loader_create(
    const dataset *d, const loader_settings *settings, loader **out, nncf_error *err)
{
    loader *l = calloc(1, sizeof *l);
    size_t floats = (size_t)settings->channels * (size_t)settings->size * (size_t)settings->size;
    size_t batch_size = (size_t)settings->batch_size;
    bool complete;
    nncf_status status;
    if (l == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the loader");
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->done, NULL);
    l->data = d;
    l->settings = *settings;
    l->current = -1;
    l->n_samples = (int64_t)d->count;
    if (settings->train) {
        if (settings->train_samples > 0 && settings->train_samples < l->n_samples)
            l->n_samples = settings->train_samples;
        l->n_samples -= l->n_samples % settings->batch_size;
        if (l->n_samples == 0)
            l->n_samples = settings->batch_size;
    }
    l->n_batches = (l->n_samples + settings->batch_size - 1) / settings->batch_size;
    l->images = malloc(d->count * sizeof *l->images);
    complete = l->images != NULL;
    for (int i = 0; i < SLOTS; i++) {
        l->slots[i].x = app_floats(batch_size * floats);
        l->slots[i].labels = calloc(batch_size, sizeof *l->slots[i].labels);
        complete = complete && l->slots[i].x != NULL && l->slots[i].labels != NULL;
    }
    status = complete
        ? start_threads(l, err)
        : app_fail(err, NNCF_E_NOMEM, NULL, "no memory for batches of %zu images", batch_size);
    if (status != NNCF_OK) {
        loader_destroy(l);
        return status;
    }
    *out = l;
    return NNCF_OK;
}

void loader_destroy(loader *l)
{
    if (l == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    l->quit = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->n_threads; i++)
        pthread_join(l->threads[i], NULL);
    pthread_cond_destroy(&l->done);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->lock);
    for (int i = 0; i < SLOTS; i++) {
        free(l->slots[i].x);
        free(l->slots[i].labels);
    }
    free(l->threads);
    free(l->images);
    free(l);
}

int64_t loader_batches(const loader *l)
{
    return l->n_batches;
}

void loader_start(loader *l, int64_t epoch)
{
    pthread_mutex_lock(&l->lock);
    l->running = false;
    while (l->in_flight > 0)
        pthread_cond_wait(&l->done, &l->lock);
    l->epoch = epoch;
    l->next_batch = l->next_sample = 0;
    l->current = -1;
    memset(l->ready, 0, sizeof l->ready);
    l->status = NNCF_OK;
    make_order(l);
    l->running = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
}

nncf_status loader_next(loader *l, const batch **b, nncf_error *err)
{
    nncf_status status;
    pthread_mutex_lock(&l->lock);
    if (l->current >= 0 && l->current < l->n_batches)
        l->ready[l->current % SLOTS] = 0;
    if (l->current < l->n_batches)
        l->current++;
    pthread_cond_broadcast(&l->work);
    if (l->current >= l->n_batches) {
        pthread_mutex_unlock(&l->lock);
        *b = NULL;
        return NNCF_OK;
    }
    while (l->status == NNCF_OK && l->ready[l->current % SLOTS] < batch_count(l, l->current))
        pthread_cond_wait(&l->done, &l->lock);
    status = l->status;
    if (status == NNCF_OK) {
        l->slots[l->current % SLOTS].count = batch_count(l, l->current);
        *b = &l->slots[l->current % SLOTS];
    } else {
        *err = l->error;
    }
    pthread_mutex_unlock(&l->lock);
    return status;
}
