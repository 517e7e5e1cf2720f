/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An optimizer over arrays of the host. Arrays are taken for one long one, which is cut into equal
 * chunks: most of a network's are short.
 */
#include "base/error.h"
#include "base/pool.h"
#include "context/context.h"
#include "kernels/kernels.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/optimizer.h>

#include <math.h>
#include <string.h>

enum { CHUNK = 16384 };

typedef struct step_job {
    const nncf__kernels *k;
    const nncf_optimizer_params *p;
    const nncf_optimizer_array *arrays;
    size_t n_arrays;
    /* 1 - beta^step */
    double first_bias, second_bias;
} step_job;

static void adam(const step_job *job, const nncf_optimizer_array *a, size_t begin, size_t n)
{
    const nncf_optimizer_params *p = job->p;
    const nncf__adam adam = {.beta1 = (float)p->beta1,
        .beta2 = (float)p->beta2,
        .keep1 = (float)(1 - p->beta1),
        .keep2 = (float)(1 - p->beta2),
        .eps = (float)p->eps,
        .decay = (float)a->weight_decay,
        .rate = (float)(a->lr / job->first_bias),
        .root = (float)sqrt(job->second_bias),
        .clears = p->clear_gradients};
    job->k->adam_step(
        n, a->data + begin, a->grad + begin, a->first + begin, a->second + begin, &adam);
}

static void sgd(const step_job *job, const nncf_optimizer_array *a, size_t begin, size_t n)
{
    const nncf_optimizer_params *p = job->p;
    const nncf__sgd sgd = {.decay = (float)a->weight_decay,
        .keep = (float)p->momentum,
        .take = p->step == 1 ? 1 : (float)(1 - p->dampening),
        .rate = (float)a->lr,
        .nesterov = p->nesterov,
        .clears = p->clear_gradients};
    job->k->sgd_step(
        n, a->data + begin, a->grad + begin, p->momentum > 0 ? a->first + begin : NULL, &sgd);
}

static void update(const step_job *job, const nncf_optimizer_array *a, size_t begin, size_t n)
{
    if (!(a->lr < 0))
        (job->p->optimizer == NNCF_OPTIMIZER_ADAM ? adam : sgd)(job, a, begin, n);
    else if (job->p->clear_gradients)
        memset(a->grad + begin, 0, n * sizeof *a->grad);
}

/* Elements [chunk * CHUNK, (chunk + 1) * CHUNK) of all arrays. */
static void step_chunk(void *arg, size_t chunk, size_t worker)
{
    const step_job *job = arg;
    size_t begin = chunk * CHUNK, left = CHUNK;
    (void)worker;
    for (size_t i = 0; i < job->n_arrays && left > 0; i++) {
        const nncf_optimizer_array *a = &job->arrays[i];
        if (begin >= a->count) {
            begin -= a->count;
            continue;
        }
        const size_t n = a->count - begin < left ? a->count - begin : left;
        update(job, a, begin, n);
        left -= n;
        begin = 0;
    }
}

/* ---- the call ---- */

static bool is_share(double x)
{
    return x >= 0 && x < 1;
}

static nncf_status check_params(const nncf_optimizer_params *p, nncf_error *err)
{
    if (p->optimizer != NNCF_OPTIMIZER_SGD && p->optimizer != NNCF_OPTIMIZER_ADAM)
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "optimizer is %d, none of NNCF_OPTIMIZER_...", p->optimizer);
    if (p->reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_optimizer_params: reserved must be 0");
    if (p->step < 1)
        return nncf__fail(err, NNCF_E_ARG, NULL, "step is %lld, it counts from 1 on: add 1 to it",
            (long long)p->step);
    const struct {
        const char *name;
        double value;
    } shares[] = {{"momentum", p->momentum}, {"dampening", p->dampening}, {"beta1", p->beta1},
        {"beta2", p->beta2}};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        if (!is_share(shares[i].value))
            return nncf__fail(err, NNCF_E_ARG, NULL, "%s is %g, it must be in [0, 1)",
                shares[i].name, shares[i].value);
    if (!(p->eps >= 0) || !isfinite(p->eps))
        return nncf__fail(err, NNCF_E_ARG, NULL, "eps is %g, it must be 0 or more", p->eps);
    return NNCF_OK;
}

static nncf_status check_array(
    const nncf_optimizer_params *p, const nncf_optimizer_array *a, size_t i, nncf_error *err)
{
    const bool is_adam = p->optimizer == NNCF_OPTIMIZER_ADAM;
    const char *missing = !a->data                  ? "data"
        : !a->grad                                  ? "grad"
        : !a->first && (is_adam || p->momentum > 0) ? "first"
        : !a->second && is_adam                     ? "second"
                                                    : NULL;
    if (missing && a->count > 0 && (a->lr >= 0 || !a->data || !a->grad))
        return nncf__fail(err, NNCF_E_ARG, NULL, "arrays[%zu].%s is NULL", i, missing);
    if (!isfinite(a->lr) || !isfinite(a->weight_decay))
        return nncf__fail(err, NNCF_E_ARG, NULL, "arrays[%zu].%s is %g, it must be finite", i,
            isfinite(a->lr) ? "weight_decay" : "lr", isfinite(a->lr) ? a->weight_decay : a->lr);
    if (a->count > SIZE_MAX / sizeof(float))
        return nncf__fail(err, NNCF_E_ARG, NULL, "arrays[%zu].count is %zu", i, a->count);
    return NNCF_OK;
}

static nncf_status step(nncf_context *context, const nncf_optimizer_params *params,
    const nncf_optimizer_array *arrays, size_t n_arrays, nncf_error *err)
{
    nncf_optimizer_params p = {NNCF_PARAMS(nncf_optimizer_params)};
    nncf_context *own = NULL;
    size_t count = 0;
    nncf_status status = params
        ? nncf__params_copy(&p, sizeof p, params, "nncf_optimizer_params", err)
        : nncf__fail(err, NNCF_E_ARG, NULL, "params is NULL");
    p.beta1 = p.beta1 == 0 ? 0.9 : p.beta1;
    p.beta2 = p.beta2 == 0 ? 0.999 : p.beta2;
    p.eps = p.eps == 0 ? 1e-8 : p.eps;
    if (status == NNCF_OK)
        status = check_params(&p, err);
    if (status == NNCF_OK && !arrays && n_arrays > 0)
        status = nncf__fail(err, NNCF_E_ARG, NULL, "arrays is NULL");
    for (size_t i = 0; status == NNCF_OK && i < n_arrays; i++) {
        status = check_array(&p, &arrays[i], i, err);
        count += arrays[i].count;
    }
    if (status == NNCF_OK && !context) {
        status = nncf__context_default(&own, err);
        context = own;
    }
    if (status != NNCF_OK)
        return status;
    step_job job = {.k = nncf__kernels_of(context),
        .p = &p,
        .arrays = arrays,
        .n_arrays = n_arrays,
        .first_bias = 1 - pow(p.beta1, (double)p.step),
        .second_bias = 1 - pow(p.beta2, (double)p.step)};
    nncf__parallel(context, count / CHUNK + (count % CHUNK > 0), step_chunk, &job);
    nncf_context_destroy(own);
    return NNCF_OK;
}

nncf_status nncf_optimizer_step(nncf_context *context, const nncf_optimizer_params *params,
    const nncf_optimizer_array *arrays, size_t n_arrays, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = step(context, params, arrays, n_arrays, &reason);
    return nncf__report(context, "nncf_optimizer_step", NULL, status, &reason, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_optimizer_params, )
