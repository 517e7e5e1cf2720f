/* SPDX-License-Identifier: Apache-2.0 */
/* The statistics as a table for people and as JSON. Numbers do not follow the process's locale. */
#include "base/error.h"
#include "base/strings.h"
#include "base/text.h"
#include "controller/ctrl.h"
#include "graph/layout.h"

#include <nncf/base.h>
#include <nncf/ctrl.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 5, CELL = 48, COLUMNS = 11 };

static const char *const level_names[] = {"none", "partial", "full"};

/* ---- the table ---- */

/* A number with a few significant digits, or "-" for NaN. */
static const char *shortly(double value, char cell[CELL])
{
    char text[CELL], out[NNCF__DOUBLE_TEXT];
    if (isnan(value))
        return "-";
    snprintf(text, sizeof text, "%.*g", DIGITS, value);
    snprintf(cell, CELL, "%s", nncf__format_double(strtod(text, NULL), out));
    return cell;
}

/* A share as percent with two decimals. */
static const char *percent(double share, char cell[CELL])
{
    if (isnan(share))
        return "-";
    long long hundredths = llround(share * 10000);
    snprintf(cell, CELL, "%lld.%02lld %%", hundredths / 100, hundredths % 100);
    return cell;
}

/* The cells of one line, or the headings for NULL. */
typedef char line_cells[COLUMNS][CELL];

static void quantizer_cells(
    char bits_cell[CELL], char scale_cell[CELL], int32_t bits, int32_t is_signed, double scale)
{
    char cell[CELL];
    if (bits == 0) {
        strcpy(bits_cell, "-");
        strcpy(scale_cell, "-");
        return;
    }
    snprintf(bits_cell, CELL, "%c%d", is_signed ? 's' : 'u', (int)bits);
    snprintf(scale_cell, CELL, "%s", shortly(scale, cell));
}

static void fill_cells(const nncf_layer_statistics *s, line_cells cells)
{
    static const char *const headings[COLUMNS] = {"Weight's shape", "SR", "% weights", "W bits",
        "W scale", "In bits", "In scale", "Out bits", "Out scale", "Clipped", "Filters"};
    char cell[CELL];
    if (!s) {
        for (int i = 0; i < COLUMNS; i++)
            strcpy(cells[i], headings[i]);
        return;
    }
    strcpy(cells[0], s->ndim ? "" : "-");
    for (int32_t i = 0, n = 0; i < s->ndim && n < CELL; i++)
        n += snprintf(
            cells[0] + n, (size_t)(CELL - n), "%s%lld", i ? " x " : "", (long long)s->shape[i]);
    snprintf(cells[1], CELL, "%s", s->sparsified ? percent(s->sparsity, cell) : "-");
    snprintf(cells[2], CELL, "%s", s->sparsified ? percent(s->weight_share, cell) : "-");
    quantizer_cells(cells[3], cells[4], s->weight_bits, s->weight_signed, s->weight_scale);
    quantizer_cells(cells[5], cells[6], s->input_bits, s->input_signed, s->input_scale);
    quantizer_cells(cells[7], cells[8], s->output_bits, s->output_signed, s->output_scale);
    snprintf(cells[9], CELL, "%s", s->output_bits ? percent(s->output_clipped, cell) : "-");
    if (s->filters > 0)
        snprintf(
            cells[10], CELL, "%lld of %lld", (long long)s->filters_left, (long long)s->filters);
    else
        strcpy(cells[10], "-");
}

static void pad(nncf__text *text, size_t count, char with)
{
    for (size_t i = 0; i < count; i++)
        nncf__text_append(text, &with, 1);
}

static void print_line(nncf__text *text, const char *scope, size_t scope_width,
    const size_t width[COLUMNS], int columns, line_cells cells)
{
    nncf__text_printf(text, "%s", scope);
    pad(text, scope_width - strlen(scope), ' ');
    for (int i = 0; i < columns; i++) {
        nncf__text_append(text, "  ", 2);
        pad(text, width[i] - strlen(cells[i]), ' ');
        nncf__text_printf(text, "%s", cells[i]);
    }
    nncf__text_append(text, "\n", 1);
}

static void print_layers(nncf__text *text, const nncf_compression_ctrl *ctrl)
{
    static const char heading[] = "Scope";
    size_t scope_width = sizeof heading - 1, width[COLUMNS], whole;
    const int columns = ctrl->pruning ? COLUMNS : COLUMNS - 1;
    line_cells cells;
    fill_cells(NULL, cells);
    for (int i = 0; i < COLUMNS; i++)
        width[i] = strlen(cells[i]);
    for (int pass = 0; pass < 2; pass++) { /* widths, then lines */
        if (pass) {
            fill_cells(NULL, cells);
            print_line(text, heading, scope_width, width, columns, cells);
            whole = scope_width;
            for (int i = 0; i < columns; i++)
                whole += width[i] + 2;
            pad(text, whole, '-');
            nncf__text_append(text, "\n", 1);
        }
        for (size_t i = 0; i < ctrl->n_layers; i++) {
            nncf_layer_statistics s = {NNCF_PARAMS(nncf_layer_statistics)};
            nncf_compression_ctrl_get_layer_statistics(ctrl, i, &s, NULL);
            fill_cells(&s, cells);
            if (pass) {
                print_line(text, s.scope, scope_width, width, columns, cells);
                continue;
            }
            scope_width = strlen(s.scope) > scope_width ? strlen(s.scope) : scope_width;
            for (int j = 0; j < COLUMNS; j++)
                width[j] = strlen(cells[j]) > width[j] ? strlen(cells[j]) : width[j];
        }
    }
}

static void print_pruning(nncf__text *text, const nncf_statistics *s)
{
    char cell[CELL];
    nncf__text_printf(
        text, "pruning level                              %s\n", percent(s->pruning_level, cell));
    nncf__text_printf(text, "filters, before and left                   %lld, %lld\n",
        (long long)s->filters, (long long)s->filters_left);
    nncf__text_printf(text, "parameters, before and left                %lld, %lld\n",
        (long long)s->parameters_before, (long long)s->parameters_left);
    if (s->flops > 0)
        nncf__text_printf(text, "operations (FLOPs), before and left        %lld, %lld\n",
            (long long)s->flops, (long long)s->flops_left);
}

static void print_totals(nncf__text *text, const nncf_statistics *s)
{
    char cell[CELL];
    nncf__text_printf(
        text, "\nepoch                                      %lld\n", (long long)s->epoch);
    nncf__text_printf(
        text, "compression level                          %s\n", level_names[s->compression_level]);
    if (s->sparsified_layers > 0) {
        nncf__text_printf(text, "target sparsity rate                       %s\n",
            percent(s->sparsity_target, cell));
        nncf__text_printf(
            text, "sparsity rate for sparsified layers        %s\n", percent(s->sparsity, cell));
        nncf__text_printf(text, "sparsity rate for model                    %s\n",
            percent(s->sparsity_model, cell));
        if (!isnan(s->mean_mask_probability))
            nncf__text_printf(text, "mean probability of keeping a weight       %s\n",
                shortly(s->mean_mask_probability, cell));
        if (!isnan(s->magnitude_threshold))
            nncf__text_printf(text, "magnitude threshold                        %s\n",
                shortly(s->magnitude_threshold, cell));
        nncf__text_printf(text, "sparsified layers, weights                 %lld, %lld\n",
            (long long)s->sparsified_layers, (long long)s->sparsified_weights);
        nncf__text_printf(
            text, "masks frozen                               %s\n", s->frozen ? "yes" : "no");
    }
    if (s->filters > 0)
        print_pruning(text, s);
    nncf__text_printf(text, "quantizers of weights, activations, inputs %lld, %lld, %lld\n",
        (long long)s->weight_quantizers, (long long)s->activation_quantizers,
        (long long)s->input_quantizers);
    nncf__text_printf(text, "bytes of parameters, float and compressed  %lld, %lld\n",
        (long long)s->bytes_float, (long long)s->bytes_compressed);
}

/* ---- JSON ---- */

static void json_number(nncf__text *text, const char *key, double value)
{
    char out[NNCF__DOUBLE_TEXT];
    nncf__text_printf(
        text, ",\"%s\":%s", key, isfinite(value) ? nncf__format_double(value, out) : "null");
}

static void json_integer(nncf__text *text, const char *key, int64_t value)
{
    nncf__text_printf(text, ",\"%s\":%lld", key, (long long)value);
}

static void json_bool(nncf__text *text, const char *key, int32_t value)
{
    nncf__text_printf(text, ",\"%s\":%s", key, value ? "true" : "false");
}

static void json_quantizer(nncf__text *text, const char *name, int32_t bits, int32_t is_signed,
    double scale, double clipped)
{
    nncf__text_printf(text, ",\"%s\":", name);
    if (bits == 0) {
        nncf__text_append(text, "null", 4);
        return;
    }
    nncf__text_printf(text, "{\"bits\":%d", (int)bits);
    json_bool(text, "signed", is_signed);
    json_number(text, "scale", scale);
    json_number(text, "clipped", clipped);
    nncf__text_append(text, "}", 1);
}

static void json_layer(nncf__text *text, const nncf_layer_statistics *s)
{
    nncf__text_append(text, "{\"scope\":", 9);
    nncf__text_json_string(text, s->scope);
    nncf__text_append(text, ",\"shape\":[", 10);
    for (int32_t i = 0; i < s->ndim; i++)
        nncf__text_printf(text, "%s%lld", i ? "," : "", (long long)s->shape[i]);
    nncf__text_append(text, "]", 1);
    json_bool(text, "sparsified", s->sparsified);
    json_number(text, "sparsity", s->sparsity);
    json_number(text, "weight_share", s->weight_share);
    if (s->filters > 0) {
        json_integer(text, "filters", s->filters);
        json_integer(text, "filters_left", s->filters_left);
    }
    json_quantizer(
        text, "weight", s->weight_bits, s->weight_signed, s->weight_scale, s->weight_clipped);
    json_quantizer(text, "input", s->input_bits, s->input_signed, s->input_scale, s->input_clipped);
    json_quantizer(
        text, "output", s->output_bits, s->output_signed, s->output_scale, s->output_clipped);
    nncf__text_append(text, "}", 1);
}

static void print_json(nncf__text *text, const nncf_compression_ctrl *ctrl)
{
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    nncf_compression_ctrl_get_statistics(ctrl, &s, NULL);
    nncf__text_printf(text, "{\"epoch\":%lld", (long long)s.epoch);
    json_integer(text, "step", s.step);
    nncf__text_printf(text, ",\"compression_level\":\"%s\"", level_names[s.compression_level]);
    json_bool(text, "frozen", s.frozen);
    json_number(text, "sparsity_target", s.sparsity_target);
    json_number(text, "sparsity", s.sparsity);
    json_number(text, "sparsity_model", s.sparsity_model);
    json_number(text, "mean_mask_probability", s.mean_mask_probability);
    json_number(text, "magnitude_threshold", s.magnitude_threshold);
    json_integer(text, "sparsified_layers", (int64_t)s.sparsified_layers);
    json_integer(text, "sparsified_weights", s.sparsified_weights);
    json_integer(text, "parameters", s.parameters);
    json_integer(text, "weight_quantizers", (int64_t)s.weight_quantizers);
    json_integer(text, "activation_quantizers", (int64_t)s.activation_quantizers);
    json_integer(text, "input_quantizers", (int64_t)s.input_quantizers);
    if (s.filters > 0) {
        json_number(text, "pruning_level", s.pruning_level);
        json_integer(text, "pruned_layers", (int64_t)s.pruned_layers);
        json_integer(text, "filters", s.filters);
        json_integer(text, "filters_left", s.filters_left);
        json_integer(text, "parameters_before", s.parameters_before);
        json_integer(text, "parameters_left", s.parameters_left);
        json_integer(text, "flops", s.flops);
        json_integer(text, "flops_left", s.flops_left);
    }
    if (ctrl->freezing.threshold > 0)
        json_integer(text, "frozen_weights", s.frozen_weights);
    json_integer(text, "bytes_float", (int64_t)s.bytes_float);
    json_integer(text, "bytes_compressed", (int64_t)s.bytes_compressed);
    nncf__text_append(text, ",\"layers\":[", 11);
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        nncf_layer_statistics layer = {NNCF_PARAMS(nncf_layer_statistics)};
        nncf_compression_ctrl_get_layer_statistics(ctrl, i, &layer, NULL);
        nncf__text_append(text, ",", i ? 1 : 0);
        json_layer(text, &layer);
    }
    nncf__text_append(text, "]}", 2);
}

/* ---- the public call ---- */

nncf_status nncf_compression_ctrl_format_statistics(const nncf_compression_ctrl *ctrl, int32_t form,
    char *buffer, size_t capacity, size_t *needed, nncf_error *err)
{
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_compression_ctrl_format_statistics", err);
    if (status == NNCF_OK)
        status = nncf__text_check_form(form, err);
    if (status != NNCF_OK)
        return status;
    nncf__model_pull_weights(ctrl->model);
    nncf__text text = {.context = ctrl->context};
    if (form == NNCF_FORM_JSON) {
        print_json(&text, ctrl);
    } else {
        nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
        nncf_compression_ctrl_get_statistics(ctrl, &s, NULL);
        print_layers(&text, ctrl);
        print_totals(&text, &s);
    }
    return nncf__text_finish(&text, buffer, capacity, needed, err);
}
