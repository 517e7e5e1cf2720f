/* SPDX-License-Identifier: Apache-2.0 */
/* The bits that were chosen by sensitivity, as text and as JSON. */
#include "base/error.h"
#include "base/strings.h"
#include "base/text.h"
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/precision.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/ctrl.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

/* As bitwidth_per_scope calls the place of a quantizer, by slot. */
static const char *const places[NNCF__N_SLOTS] = {"WEIGHT", "INPUT", "OUTPUT", "PRE_ACTIVATION"};
static const char *const criteria[] = {"complexity", "bytes", "host"};
static const char *const traces[] = {"hessian", "fisher"};

/* NULL: not measured here. */
static const nncf__sensitivity *sensitivity_of(const nncf__precision *p, const nncf_layer *layer)
{
    for (size_t i = 0; i < p->n_weights; i++)
        if (p->weights[i].layer == layer)
            return &p->weights[i];
    return NULL;
}

static void json_number(nncf__text *t, const char *key, double value)
{
    char text[NNCF__DOUBLE_TEXT];
    nncf__text_printf(
        t, ",\"%s\":%s", key, isfinite(value) ? nncf__format_double(value, text) : "null");
}

static void json_weight(
    nncf__text *t, const nncf_layer *layer, int32_t bits, const nncf__sensitivity *s)
{
    nncf__text_printf(t, "{\"layer\":");
    nncf__text_json_string(t, layer->scope);
    nncf__text_printf(t, ",\"bits\":%d", (int)bits);
    json_number(t, "trace", s ? s->trace : (double)NAN);
    json_number(t, "trace_error", s ? s->trace_error : (double)NAN);
    json_number(t, "squared_error", s ? s->errors[bits] : (double)NAN);
    json_number(t, "operations", s ? s->operations : (double)NAN);
    nncf__text_printf(t, "}");
}

static void put_json(nncf__text *t, const nncf_compression_ctrl *ctrl)
{
    const nncf__precision *p = ctrl->precision;
    const bool measured = p->n_weights > 0;
    nncf__text_printf(t,
        "{\"type\":\"hawq\",\"traces\":\"%s\",\"criterion\":\"%s\",\"iterations\":%lld",
        traces[p->params.traces], criteria[p->params.criterion], (long long)p->iterations);
    json_number(t, "compression_ratio", p->params.ratio);
    json_number(t, "achieved_ratio", measured ? p->ratio : (double)NAN);
    json_number(t, "least_ratio", measured ? p->least : (double)NAN);
    json_number(t, "largest_ratio", measured ? p->most : (double)NAN);
    json_number(t, "metric", measured ? p->metric : (double)NAN);
    nncf__text_printf(t, ",\"weights\":[");
    size_t count = 0;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const nncf__quantizer *q = ctrl->layers[i].weight_quantizer;
        if (!q)
            continue;
        nncf__text_append(t, ",", count++ > 0);
        json_weight(
            t, ctrl->model->layers[i], q->params.bits, sensitivity_of(p, ctrl->model->layers[i]));
    }
    nncf__text_printf(t, "],\"bitwidth_per_scope\":[");
    nncf__text scope = {.context = ctrl->context};
    count = 0;
    for (size_t i = 0; i < ctrl->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            const nncf__quantizer *q = nncf__layer_quantizer(&ctrl->layers[i], j);
            if (!q)
                continue;
            scope.length = 0;
            nncf__text_printf(&scope, "%s|%s", ctrl->model->layers[i]->scope, places[j]);
            nncf__text_printf(t, "%s[%d,", count++ > 0 ? "," : "", (int)q->params.bits);
            if (!scope.failed)
                nncf__text_json_string(t, scope.data);
            nncf__text_printf(t, "]");
        }
    t->failed = t->failed || scope.failed;
    nncf__text_free(&scope);
    nncf__text_printf(t, "]}");
}

static void put_number(nncf__text *t, double value)
{
    if (isfinite(value))
        nncf__text_printf(t, "  %11.4g", value);
    else
        nncf__text_printf(t, "  %11s", "-");
}

static void put_table(nncf__text *t, const nncf_compression_ctrl *ctrl)
{
    const nncf__precision *p = ctrl->precision;
    size_t width = sizeof "Scope" - 1;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const size_t n = strlen(ctrl->model->layers[i]->scope);
        width = ctrl->layers[i].weight_quantizer && n > width ? n : width;
    }
    nncf__text_printf(t, "%-*s  %4s  %11s  %11s  %11s  %11s\n", (int)width, "Scope", "Bits",
        "Trace", "Its error", "Error^2", "Operations");
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const nncf_layer *layer = ctrl->model->layers[i];
        const nncf__quantizer *q = ctrl->layers[i].weight_quantizer;
        const nncf__sensitivity *s = q ? sensitivity_of(p, layer) : NULL;
        if (!q)
            continue;
        nncf__text_printf(t, "%-*s  %4d", (int)width, layer->scope, (int)q->params.bits);
        put_number(t, s ? s->trace : (double)NAN);
        put_number(t, s ? s->trace_error : (double)NAN);
        put_number(t, s ? s->errors[q->params.bits] : (double)NAN);
        put_number(t, s ? s->operations : (double)NAN);
        nncf__text_printf(t, "\n");
    }
    if (p->n_weights == 0)
        nncf__text_printf(t, "\nbits from a snapshot, or nothing to choose\n");
    else
        nncf__text_printf(t,
            "\n%lld %s; sum of trace times error %.4g; ratio %.3f (%s), of %.3f to "
            "%.3f\n",
            (long long)p->iterations, nncf__precision_estimates(p), p->metric, p->ratio,
            criteria[p->params.criterion], p->least, p->most);
}

nncf_status nncf_compression_ctrl_format_precision(const nncf_compression_ctrl *ctrl, int32_t form,
    char *buffer, size_t capacity, size_t *needed, nncf_error *err)
{
    static const char call[] = "nncf_compression_ctrl_format_precision";
    nncf_status status = nncf__ctrl_check(ctrl, call, err);
    if (status == NNCF_OK)
        status = nncf__text_check_form(form, err);
    if (status == NNCF_OK && !ctrl->precision)
        status = nncf__fail(err, NNCF_E_STATE, "initializer.precision",
            "%s: the config does not choose bits: initializer.precision.type is not \"hawq\"",
            call);
    if (status == NNCF_OK)
        status = nncf__precision_check_chosen(ctrl, call, err);
    if (status != NNCF_OK)
        return status;
    nncf__text text = {.context = ctrl->context};
    if (form == NNCF_FORM_JSON)
        put_json(&text, ctrl);
    else
        put_table(&text, ctrl);
    return nncf__text_finish(&text, buffer, capacity, needed, err);
}
