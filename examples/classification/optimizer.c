/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer.h"

#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "<scope>.pre_ops.mask" -> "<module>.pre_ops.0.op._mask": the name that the parameter had in NNCF,
 * where the modules in front of a weight are numbered, masks first. Patterns of configs in use ask
 * for `._mask` and `.op.scale`. */
static char *nncf_name(const net *n, const char *name)
{
    static const struct {
        const char *ours, *theirs;
    } endings[] = {
        {".pre_ops.mask", ".pre_ops.0.op._mask"},
        {".pre_ops.weight_quantizer.scale", ".pre_ops.1.op.scale"},
    };
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(name), tail = strlen(endings[i].ours);
        char *scope, *result;
        const char *module;
        if (length < tail || strcmp(name + length - tail, endings[i].ours) != 0)
            continue;
        if ((scope = strndup(name, length - tail)) == NULL)
            return NULL;
        module = net_module_name(n, scope);
        result = app_format("%s%s", module != NULL ? module : scope, endings[i].theirs);
        free(scope);
        return result;
    }
    return app_copy(name);
}

char *optimizer_posix_regex(const char *python, nncf_error *err)
{
    char *out = malloc(5 * strlen(python) + 1), *to = out;
    bool in_set = false;
    if (out == NULL) {
        app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a pattern");
        return NULL;
    }
    for (const char *from = python; *from != '\0'; from++) {
        if (in_set) {
            in_set = *from != ']';
            *to++ = *from;
        } else if (from[0] == '\\' && from[1] == 'd') {
            to = stpcpy(to, "[0-9]");
            from++;
        } else if (from[0] == '\\' && from[1] != '\0') {
            *to++ = *from++;
            *to++ = *from;
        } else if (from[0] == '(' && from[1] == '?') {
            if (from[2] != ':') {
                app_fail(err, NNCF_E_UNSUPPORTED, NULL,
                    "the pattern \"%s\" uses (?%c...), which POSIX does not have", python, from[2]);
                free(out);
                return NULL;
            }
            *to++ = '(';
            from += 2;
        } else {
            in_set = *from == '[';
            *to++ = *from;
        }
    }
    *to = '\0';
    return out;
}

static nncf_status compile(const char *pattern, regex_t *compiled, nncf_error *err)
{
    char *posix = optimizer_posix_regex(pattern, err), reason[128];
    int code;
    if (posix == NULL)
        return err->status;
    code = regcomp(compiled, posix[0] == '\0' ? ".*" : posix, REG_EXTENDED | REG_NOSUB);
    free(posix);
    if (code == 0)
        return NNCF_OK;
    regerror(code, compiled, reason, sizeof reason);
    return app_fail(err, NNCF_E_CONFIG, "optimizer.parameter_groups",
        "the pattern \"%s\" is wrong: %s", pattern, reason);
}

/* The first pattern that is found in a parameter's name (ours or NNCF's) decides; none: it is not
 * trained. */
static nncf_status apply_groups(optimizer *o, nncf_error *err)
{
    const optimizer_settings *s = o->settings;
    for (size_t i = 0; i < o->n_parameters; i++)
        o->parameters[i].trained = s->n_groups == 0;
    for (size_t g = 0; g < s->n_groups; g++) {
        regex_t pattern;
        nncf_status status = compile(s->groups[g].re, &pattern, err);
        if (status != NNCF_OK)
            return status;
        for (size_t i = 0; i < o->n_parameters; i++) {
            optimizer_parameter *p = &o->parameters[i];
            if (p->trained ||
                (regexec(&pattern, p->name, 0, NULL, 0) != 0 &&
                    regexec(&pattern, p->alias, 0, NULL, 0) != 0))
                continue;
            p->trained = true;
            p->lr *= s->groups[g].lr;
            p->weight_decay = s->groups[g].weight_decay;
        }
        regfree(&pattern);
    }
    return NNCF_OK;
}

static nncf_status add_parameter(optimizer *o, const net *n, optimizer_parameter p, nncf_error *err)
{
    int states = o->settings->type == OPTIMIZER_ADAM ? 2 : o->settings->momentum > 0.0 ? 1 : 0;
    optimizer_parameter *to = &o->parameters[o->n_parameters++];
    *to = p;
    to->name = app_copy(p.name);
    to->alias = nncf_name(n, p.name);
    bool complete = to->name != NULL && to->alias != NULL;
    for (int i = 0; i < states; i++)
        complete = (to->state[i] = app_arena_floats(&o->states, p.count)) != NULL && complete;
    return complete ? NNCF_OK : app_fail(err, NNCF_E_NOMEM, p.name, "no memory for the optimizer");
}

static nncf_status add_all(optimizer *o, const net *n, nncf_error *err)
{
    size_t n_tensors, n_ctrl = nncf_compression_ctrl_get_parameter_count(o->ctrl);
    const net_tensor *tensors = net_tensors(n, &n_tensors);
    const optimizer_settings *s = o->settings;
    double lr = s->n_groups == 0 ? s->base_lr : 1.0;
    nncf_status status = NNCF_OK;
    o->parameters = calloc(n_tensors + n_ctrl + 1, sizeof *o->parameters);
    o->arrays = calloc(n_tensors + n_ctrl + 1, sizeof *o->arrays);
    if (o->parameters == NULL || o->arrays == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the optimizer");
    for (size_t i = 0; status == NNCF_OK && i < n_tensors; i++)
        if (tensors[i].grad != NULL)
            status = add_parameter(o, n,
                (optimizer_parameter){.name = tensors[i].name,
                    .data = tensors[i].data,
                    .grad = tensors[i].grad,
                    .count = tensors[i].count,
                    .lr = lr,
                    .weight_decay = s->weight_decay,
                    .ctrl_index = -1},
                err);
    for (size_t i = 0; status == NNCF_OK && i < n_ctrl; i++) {
        nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
        if ((status = nncf_compression_ctrl_get_parameter(o->ctrl, i, &p, NULL)) != NNCF_OK)
            return app_fail_step(err, status, "nncf_compression_ctrl_get_parameter");
        status = add_parameter(o, n,
            (optimizer_parameter){.name = (char *)(uintptr_t)p.name,
                .data = p.data,
                .grad = p.grad,
                .count = p.count,
                .lr = lr * p.lr_multiplier,
                .weight_decay = s->weight_decay,
                .ctrl_index = (int64_t)i,
                .frozen = p.frozen != 0},
            err);
    }
    return status;
}

nncf_status optimizer_create(const optimizer_settings *settings, const net *n,
    nncf_compression_ctrl *ctrl, nncf_context *context, optimizer **out, nncf_error *err)
{
    nncf_status status;
    optimizer *o = calloc(1, sizeof *o);
    if (o == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the optimizer");
    o->settings = settings;
    o->ctrl = ctrl;
    o->context = context;
    status = add_all(o, n, err);
    if (status == NNCF_OK)
        status = apply_groups(o, err);
    if (status != NNCF_OK) {
        optimizer_destroy(o);
        return status;
    }
    *out = o;
    return NNCF_OK;
}

void optimizer_destroy(optimizer *o)
{
    if (o == NULL)
        return;
    for (size_t i = 0; i < o->n_parameters; i++) {
        free(o->parameters[i].name);
        free(o->parameters[i].alias);
    }
    app_arena_free(&o->states);
    free(o->parameters);
    free(o->arrays);
    free(o);
}

nncf_status optimizer_step(optimizer *o, double factor, bool decays, nncf_error *err)
{
    const optimizer_settings *s = o->settings;
    const bool adam = s->type == OPTIMIZER_ADAM;
    const nncf_optimizer_params rule = {NNCF_PARAMS(nncf_optimizer_params),
        .optimizer = adam ? NNCF_OPTIMIZER_ADAM : NNCF_OPTIMIZER_SGD, .clear_gradients = 1,
        .step = ++o->steps, .nesterov = s->nesterov, .momentum = s->momentum,
        .dampening = s->dampening, .beta1 = s->beta1, .beta2 = s->beta2, .eps = s->eps};
    for (size_t i = 0; i < o->n_parameters; i++) {
        const optimizer_parameter *p = &o->parameters[i];
        o->arrays[i] = (nncf_optimizer_array){.data = p->data,
            .grad = p->grad,
            .first = p->state[0],
            .second = p->state[1],
            .count = p->count,
            .lr = p->trained && !p->frozen ? p->lr * factor : -1.0,
            .weight_decay = decays ? p->weight_decay : 0.0};
    }
    return nncf_optimizer_step(o->context, &rule, o->arrays, o->n_parameters, err);
}

void optimizer_restart(optimizer *o)
{
    o->steps = 0;
    for (size_t i = 0; i < o->n_parameters; i++)
        for (int k = 0; k < 2; k++)
            if (o->parameters[i].state[k] != NULL)
                memset(o->parameters[i].state[k], 0, o->parameters[i].count * sizeof(float));
}

void optimizer_refresh(optimizer *o)
{
    for (size_t i = 0; i < o->n_parameters; i++) {
        optimizer_parameter *p = &o->parameters[i];
        nncf_parameter now = {NNCF_PARAMS(nncf_parameter)};
        if (p->ctrl_index >= 0 &&
            nncf_compression_ctrl_get_parameter(o->ctrl, (size_t)p->ctrl_index, &now, NULL) ==
                NNCF_OK)
            p->frozen = now.frozen != 0;
    }
}
