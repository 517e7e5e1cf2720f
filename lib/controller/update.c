/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An optimizer for the parameters of the controller, for hosts whose own takes no further arrays.
 * SGD with momentum (Sutskever et al. 2013, as PyTorch has it) and Adam (Kingma and Ba 2015,
 * algorithm 1). Each element is computed in double and kept as float, so that the bits depend on
 * neither threads nor the instruction set, and a snapshot continues exactly.
 */
#include "controller/update.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "controller/ctrl.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>

#include <math.h>
#include <string.h>

enum { CHUNK = 16384 };

/* docs/guide_host.md has the measurements. */
#define DEFAULT_SGD_RANGE  0.001
#define DEFAULT_ADAM_RANGE 0.0001
#define DEFAULT_SGD_LOGIT  0.02
#define DEFAULT_ADAM_LOGIT 0.01
#define DEFAULT_BETA1      0.9
#define DEFAULT_BETA2      0.999
#define DEFAULT_EPS        1e-8

/* ---- state ---- */

size_t nncf__optimizer_count(const nncf_compression_ctrl *ctrl)
{
    size_t count = 0;
    for (size_t i = 0; i < ctrl->n_parameters; i++)
        count += ctrl->parameters[i].count;
    return count;
}

void nncf__optimizer_free(const nncf_compression_ctrl *ctrl, nncf__optimizer *optimizer)
{
    nncf__free(ctrl->context, optimizer->first);
    nncf__free(ctrl->context, optimizer->second);
    *optimizer = (nncf__optimizer){0};
}

nncf_status nncf__optimizer_make(
    const nncf_compression_ctrl *ctrl, int32_t kind, nncf__optimizer *optimizer)
{
    const size_t count = nncf__optimizer_count(ctrl) + 1; /* not of 0 bytes */
    *optimizer = (nncf__optimizer){.kind = kind};
    if (kind != NNCF__OPTIMIZER_NONE)
        optimizer->first = nncf__calloc(ctrl->context, count, sizeof *optimizer->first);
    if (kind == NNCF__OPTIMIZER_ADAM)
        optimizer->second = nncf__calloc(ctrl->context, count, sizeof *optimizer->second);
    if ((kind == NNCF__OPTIMIZER_NONE || optimizer->first) &&
        (kind != NNCF__OPTIMIZER_ADAM || optimizer->second))
        return NNCF_OK;
    nncf__optimizer_free(ctrl, optimizer);
    return NNCF_E_NOMEM;
}

/* ---- a step ---- */

typedef struct update_job {
    nncf_update_params p;
    double rate, unit, first_bias, second_bias;
    size_t count;
    float *data, *first, *second;
    const float *grad;
} update_job;

static void sgd(const update_job *job, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        double step = (double)job->grad[i] / job->unit;
        if (job->first) {
            job->first[i] = (float)(job->p.momentum * (double)job->first[i] + step);
            step = (double)job->first[i];
        }
        job->data[i] = (float)((double)job->data[i] - job->rate * step);
    }
}

static void adam(const update_job *job, size_t begin, size_t end)
{
    const double b1 = job->p.beta1, b2 = job->p.beta2;
    for (size_t i = begin; i < end; i++) {
        const double g = (double)job->grad[i] / job->unit;
        job->first[i] = (float)(b1 * (double)job->first[i] + (1 - b1) * g);
        job->second[i] = (float)(b2 * (double)job->second[i] + (1 - b2) * g * g);
        const double mean = (double)job->first[i] / job->first_bias,
                     square = (double)job->second[i] / job->second_bias;
        job->data[i] =
            (float)((double)job->data[i] - job->rate * mean / (sqrt(square) + job->p.eps));
    }
}

static void update_chunk(void *arg, size_t chunk, size_t worker)
{
    const update_job *job = arg;
    const size_t begin = chunk * CHUNK,
                 end = job->count - begin < CHUNK ? job->count : begin + CHUNK;
    (void)worker;
    (job->p.optimizer == NNCF_OPTIMIZER_ADAM ? adam : sgd)(job, begin, end);
}

static int32_t kind_of(const nncf_update_params *p)
{
    return p->optimizer == NNCF_OPTIMIZER_ADAM ? NNCF__OPTIMIZER_ADAM
        : p->momentum > 0                      ? NNCF__OPTIMIZER_SGD
                                               : NNCF__OPTIMIZER_NONE;
}

static void step(nncf_compression_ctrl *ctrl, const nncf_update_params *p)
{
    nncf__optimizer *o = &ctrl->optimizer;
    update_job job = {.p = *p, .unit = ctrl->gradient_factor};
    size_t at = 0;
    o->steps += o->kind != NNCF__OPTIMIZER_NONE;
    job.first_bias = 1 - pow(p->beta1, (double)o->steps);
    job.second_bias = 1 - pow(p->beta2, (double)o->steps);
    for (size_t i = 0; i < ctrl->n_parameters; i++) {
        const nncf_parameter *q = &ctrl->parameters[i];
        job.rate =
            (q->kind == NNCF_PARAMETER_MASK_LOGIT ? p->logit_lr : p->range_lr) * q->lr_multiplier;
        job.count = q->count;
        job.data = q->data;
        job.grad = q->grad;
        job.first = o->first ? o->first + at : NULL;
        job.second = o->second ? o->second + at : NULL;
        at += q->count;
        if (!q->frozen && job.rate >= 0)
            nncf__parallel(ctrl->context, (q->count + CHUNK - 1) / CHUNK, update_chunk, &job);
    }
}

/* ---- the call ---- */

/* Number of mask logits that are trained. */
static size_t logit_count(const nncf_compression_ctrl *ctrl)
{
    size_t count = 0;
    for (size_t i = 0; i < ctrl->n_parameters; i++)
        if (ctrl->parameters[i].kind == NNCF_PARAMETER_MASK_LOGIT)
            count += ctrl->parameters[i].count;
    return count;
}

static bool is_share(double x)
{
    return x >= 0 && x < 1;
}

static nncf_status check_params(const nncf_update_params *p, nncf_error *err)
{
    if (p->optimizer != NNCF_OPTIMIZER_SGD && p->optimizer != NNCF_OPTIMIZER_ADAM)
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "optimizer is %d, none of NNCF_OPTIMIZER_...", p->optimizer);
    if (p->reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_update_params: reserved must be 0");
    const struct {
        const char *name, *bounds;
        double value;
        bool fits;
    } members[] = {
        {"range_lr", "finite", p->range_lr, isfinite(p->range_lr)},
        {"logit_lr", "finite", p->logit_lr, isfinite(p->logit_lr)},
        {"momentum", "in [0, 1)", p->momentum, is_share(p->momentum)},
        {"beta1", "in [0, 1)", p->beta1, is_share(p->beta1)},
        {"beta2", "in [0, 1)", p->beta2, is_share(p->beta2)},
        {"eps", "0 or more", p->eps, p->eps >= 0 && isfinite(p->eps)},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (!members[i].fits)
            return nncf__fail(err, NNCF_E_ARG, NULL, "%s is %g, it must be %s", members[i].name,
                members[i].value, members[i].bounds);
    return NNCF_OK;
}

static void set_defaults(const nncf_compression_ctrl *ctrl, nncf_update_params *p)
{
    const bool is_adam = p->optimizer == NNCF_OPTIMIZER_ADAM;
    if (p->range_lr == 0)
        p->range_lr = is_adam ? DEFAULT_ADAM_RANGE : DEFAULT_SGD_RANGE;
    if (p->logit_lr == 0)
        p->logit_lr = is_adam ? DEFAULT_ADAM_LOGIT : DEFAULT_SGD_LOGIT * (double)logit_count(ctrl);
    p->beta1 = p->beta1 == 0 ? DEFAULT_BETA1 : p->beta1;
    p->beta2 = p->beta2 == 0 ? DEFAULT_BETA2 : p->beta2;
    p->eps = p->eps == 0 ? DEFAULT_EPS : p->eps;
}

static nncf_status update(
    nncf_compression_ctrl *ctrl, const nncf_update_params *params, nncf_error *err)
{
    nncf_update_params p = {NNCF_PARAMS(nncf_update_params)};
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_compression_ctrl_update", err);
    if (status == NNCF_OK && params)
        status = nncf__params_copy(&p, sizeof p, params, "nncf_update_params", err);
    if (status == NNCF_OK)
        status = check_params(&p, err);
    if (status != NNCF_OK)
        return status;
    if ((status = nncf__precision_check_idle(ctrl, "nncf_compression_ctrl_update", err)) != NNCF_OK)
        return status;
    if (nncf__ctrl_initializing(ctrl))
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "initialization is under way: call nncf_compression_ctrl_init_step() until it sets "
            "more to 0");
    set_defaults(ctrl, &p);
    const int32_t kind = kind_of(&p);
    if (kind != ctrl->optimizer.kind) { /* what another one has kept means something else */
        nncf__optimizer fresh;
        if (nncf__optimizer_make(ctrl, kind, &fresh) != NNCF_OK)
            return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for the optimizer's state");
        nncf__optimizer_free(ctrl, &ctrl->optimizer);
        ctrl->optimizer = fresh;
    }
    step(ctrl, &p);
    return NNCF_OK;
}

nncf_status nncf_compression_ctrl_update(
    nncf_compression_ctrl *ctrl, const nncf_update_params *params, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = update(ctrl, params, &reason);
    return nncf__report(
        ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_update", NULL, status, &reason, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_update_params, )
