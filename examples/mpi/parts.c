/* SPDX-License-Identifier: Apache-2.0 */
#include "parts.h"

#include <pthread.h>
#include <stdlib.h>

nncf_status parts_create(parts *p, net *first, long n, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    *p = (parts){.first = first, .replica = calloc((size_t)n + 1, sizeof *p->replica)};
    if (!p->replica)
        return err->status = NNCF_E_NOMEM;
    while (status == NNCF_OK && p->n < n)
        status = net_create_replica(&p->replica[p->n++], first, err);
    return status;
}

void parts_destroy(parts *p)
{
    for (long i = 0; i < p->n; i++)
        net_destroy(&p->replica[i]);
    free(p->replica);
}

typedef struct job {
    net *net;
    int with_backward;
    double loss;
    nncf_status status;
    nncf_error err;
    pthread_t thread;
} job;

static void *work(void *arg)
{
    job *j = arg;
    j->status = net_forward(j->net, &j->err);
    if (j->status != NNCF_OK || !j->with_backward)
        return NULL;
    j->loss = net_loss(j->net);
    for (int i = LAYERS - 1; i >= 0 && j->status == NNCF_OK; i--)
        j->status = net_backward(j->net, i, &j->err);
    return NULL;
}

nncf_status parts_run(parts *p, int64_t batch, int64_t row, double *loss, nncf_error *err)
{
    nncf_status status = nncf_model_begin_replicas(p->first->model, err);
    job *jobs = calloc((size_t)p->n + 1, sizeof *jobs);
    long started = 0;
    if (!jobs)
        status = err->status = NNCF_E_NOMEM;
    for (long i = 0; status == NNCF_OK && i <= p->n; i++) {
        jobs[i] = (job){.net = i ? &p->replica[i - 1] : p->first,
            .with_backward = loss != NULL,
            .err = NNCF_ERROR_INIT};
        if (i > 0)
            net_read(jobs[i].net, batch, row + i * jobs[i].net->rows);
        if (pthread_create(&jobs[i].thread, NULL, work, &jobs[i]) != 0)
            status = err->status = NNCF_E_NOMEM;
        else
            started++;
    }
    if (loss)
        *loss = 0;
    for (long i = 0; i < started; i++) {
        pthread_join(jobs[i].thread, NULL);
        if (loss)
            *loss += jobs[i].loss;
        if (status == NNCF_OK && jobs[i].status != NNCF_OK) {
            status = jobs[i].status;
            *err = jobs[i].err;
        }
    }
    free(jobs);
    return status == NNCF_OK ? nncf_model_end_replicas(p->first->model, err) : status;
}
