/* SPDX-License-Identifier: Apache-2.0 */
/* `optimizer` of the config: type, rates, schedule, parameter groups. */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nncf_status read_params(const nncf_config *config, optimizer_settings *p, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    p->beta1 = 0.9;
    p->beta2 = 0.999;
    p->eps = 1e-8;
    /* NNCF gives SGD a momentum only where the config has no optimizer_params at all. */
    p->momentum = nncf_config_get_type(config, "optimizer.optimizer_params", NULL, NULL) == NNCF_OK
        ? 0.0
        : 0.9;
    if (p->type == OPTIMIZER_ADAM) {
        status = settings_double(
            config, "optimizer.optimizer_params.betas[0]", 0.0, 0.9999999, &p->beta1, err);
        if (status == NNCF_OK)
            status = settings_double(
                config, "optimizer.optimizer_params.betas[1]", 0.0, 0.9999999, &p->beta2, err);
        if (status == NNCF_OK)
            status =
                settings_double(config, "optimizer.optimizer_params.eps", 0.0, 1.0, &p->eps, err);
        return status;
    }
    status =
        settings_double(config, "optimizer.optimizer_params.momentum", 0.0, 1.0, &p->momentum, err);
    if (status == NNCF_OK)
        status = settings_double(
            config, "optimizer.optimizer_params.dampening", 0.0, 1.0, &p->dampening, err);
    if (status == NNCF_OK)
        status = settings_bool(config, "optimizer.optimizer_params.nesterov", &p->nesterov, err);
    if (status == NNCF_OK && p->nesterov && (p->momentum <= 0.0 || p->dampening != 0.0))
        status = nncf_config_set_error(config, "optimizer.optimizer_params.nesterov",
            "needs a momentum and no dampening", err);
    return status;
}

/* Given, else 0 where masks are trained (decay would pull the logits to 0, that is to random
 * masks), else 1e-4. */
static nncf_status read_weight_decay(const nncf_config *config, double *decay, nncf_error *err)
{
    nncf_status status;
    *decay = 1e-4;
    for (size_t i = 0; i < nncf_config_get_algorithm_count(config); i++)
        if (strcmp(nncf_config_get_algorithm_name(config, i), "rb_sparsity") == 0)
            *decay = 0.0;
    status =
        settings_double(config, "optimizer.optimizer_params.weight_decay", 0.0, 1e6, decay, err);
    if (status == NNCF_OK)
        status = settings_double(config, "optimizer.weight_decay", 0.0, 1e6, decay, err);
    return status;
}

static nncf_status read_groups(const nncf_config *config, optimizer_settings *p, nncf_error *err)
{
    static const char base[] = "optimizer.parameter_groups";
    size_t length;
    if (nncf_config_get_type(config, base, NULL, NULL) != NNCF_OK)
        return NNCF_OK;
    if (nncf_config_get_element_count(config, base, &length, NULL) != NNCF_OK)
        return nncf_config_set_error(
            config, base, "must be an array of {re, lr, weight_decay}", err);
    if (length == 0)
        return NNCF_OK;
    p->groups = calloc(length, sizeof *p->groups);
    if (p->groups == NULL)
        return app_fail(err, NNCF_E_NOMEM, base, "no memory for %zu parameter groups", length);
    p->n_groups = length;
    for (size_t i = 0; i < length; i++) {
        group_settings *g = &p->groups[i];
        char path[80];
        nncf_status status;
        *g = (group_settings){"", p->base_lr, p->weight_decay};
        snprintf(path, sizeof path, "%s[%zu].re", base, i);
        if ((status = settings_text(config, path, &g->re, err)) != NNCF_OK)
            return status;
        snprintf(path, sizeof path, "%s[%zu].lr", base, i);
        if ((status = settings_double(config, path, 0.0, 1e6, &g->lr, err)) != NNCF_OK)
            return status;
        snprintf(path, sizeof path, "%s[%zu].weight_decay", base, i);
        if ((status = settings_double(config, path, 0.0, 1e6, &g->weight_decay, err)) != NNCF_OK)
            return status;
    }
    return NNCF_OK;
}

static int compare_steps(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static nncf_status read_steps(const nncf_config *config, schedule_settings *p, nncf_error *err)
{
    static const char base[] = "optimizer.steps";
    size_t length = 0;
    int32_t type = NNCF_CONFIG_NULL;
    if (nncf_config_get_type(config, base, &type, NULL) != NNCF_OK)
        return nncf_config_set_error(
            config, "optimizer", "schedule_type multistep needs steps, as [20, 30, 40]", err);
    if (type != NNCF_CONFIG_ARRAY ||
        nncf_config_get_element_count(config, base, &length, NULL) != NNCF_OK)
        return nncf_config_set_error(
            config, base, "must be an array of epochs, as [20, 30, 40]", err);
    p->steps = calloc(length + 1, sizeof *p->steps);
    if (p->steps == NULL)
        return app_fail(err, NNCF_E_NOMEM, base, "no memory for %zu steps", length);
    for (size_t i = 0; i < length; i++) {
        char path[64];
        nncf_status status;
        snprintf(path, sizeof path, "%s[%zu]", base, i);
        if ((status = settings_int(config, path, 0, &p->steps[i], err)) != NNCF_OK)
            return status;
    }
    p->n_steps = length;
    qsort(p->steps, length, sizeof *p->steps, compare_steps);
    return NNCF_OK;
}

/* A key of the schedule stands in `optimizer` itself or in schedule(r)_params, by release. */
static nncf_status schedule_double(const nncf_config *config, const char *key, double lowest,
    double highest, double *value, nncf_error *err)
{
    static const char *const places[] = {
        "optimizer", "optimizer.schedule_params", "optimizer.scheduler_params"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char path[96];
        nncf_status status;
        snprintf(path, sizeof path, "%s.%s", places[i], key);
        if ((status = settings_double(config, path, lowest, highest, value, err)) != NNCF_OK)
            return status;
    }
    return NNCF_OK;
}

static nncf_status read_schedule(const nncf_config *config, schedule_settings *p, nncf_error *err)
{
    static const char *const names[] = {
        "step", "multistep", "poly", "exp", "plateau", "exponential", NULL};
    static const enum schedule_type types[] = {SCHEDULE_STEP, SCHEDULE_MULTISTEP, SCHEDULE_POLY,
        SCHEDULE_EXP, SCHEDULE_PLATEAU, SCHEDULE_EXP};
    int index = 0;
    double patience = 10.0;
    nncf_status status = settings_choice(config, "optimizer.schedule_type", names, &index, err);
    p->type = types[index];
    p->gamma = 0.1;
    p->power = 0.9;
    p->threshold = 0.1;
    p->step = 30;
    if (status == NNCF_OK)
        status = schedule_double(config, "gamma", 0.0, 1.0, &p->gamma, err);
    if (status == NNCF_OK)
        status = schedule_double(config, "power", 0.0, 100.0, &p->power, err);
    if (status == NNCF_OK)
        status = schedule_double(config, "threshold", 0.0, 100.0, &p->threshold, err);
    if (status == NNCF_OK)
        status = schedule_double(config, "patience", 0.0, 1e6, &patience, err);
    p->patience = (int64_t)patience;
    if (status == NNCF_OK)
        status = settings_int(config, "optimizer.step", 1, &p->step, err);
    if (status == NNCF_OK && p->type == SCHEDULE_MULTISTEP)
        status = read_steps(config, p, err);
    return status;
}

nncf_status settings_read_optimizer(const nncf_config *config, train_settings *s, nncf_error *err)
{
    static const char *const names[] = {"adam", "sgd", NULL};
    optimizer_settings *p = &s->optimizer;
    int type = 0;
    nncf_status status = settings_choice(config, "optimizer.type", names, &type, err);
    p->type = type == 0 ? OPTIMIZER_ADAM : OPTIMIZER_SGD;
    p->base_lr = 1e-4;
    if (status == NNCF_OK)
        status = settings_double(config, "optimizer.base_lr", 0.0, 1e6, &p->base_lr, err);
    if (status == NNCF_OK)
        status = read_params(config, p, err);
    if (status == NNCF_OK)
        status = read_weight_decay(config, &p->weight_decay, err);
    if (status == NNCF_OK)
        status = read_groups(config, p, err);
    if (status == NNCF_OK)
        status = read_schedule(config, &s->schedule, err);
    return status;
}
