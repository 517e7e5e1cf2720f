/* SPDX-License-Identifier: Apache-2.0 */
/* nncf_onnx_export(): its parameters, what surrounds the graph, and the limits of the
 * format. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/strings.h"
#include "controller/ctrl.h"
#include "controller/init.h"
#include "controller/sparsity.h"
#include "controller/stages.h"
#include "exec/strided.h"
#include "formats/onnx/export.h"
#include "formats/onnx/params.h"
#include "formats/safetensors/crc32c.h"
#include "formats/safetensors/tensors.h"
#include "graph/layout.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/ctrl.h>
#include <nncf/onnx.h>
#include <nncf/tensor.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {

    OPSET_LOWEST = 13,
    OPSET_HIGHEST = 17,
    OWN_METADATA = 12,
    GOLDEN_BYTES = 64 << 20
};
/* protobuf messages end here */
#define FILE_LIMIT ((size_t)INT32_MAX)

static nncf_status check_tensor(const nncf_tensor *tensor, const char *name, nncf_error *err)
{
    const nncf_checkpoint_tensor named = {name, *tensor};
    nncf_status status = nncf__tensor_check(&named, 0, err);
    size_t bytes = sizeof(float);
    if (status != NNCF_OK)
        return status;
    if (tensor->dtype != NNCF_F32)
        return nncf__fail(err, NNCF_E_DTYPE, name, "%s must be of NNCF_F32", name);
    for (int32_t i = 0; i < tensor->ndim; i++)
        bytes *= (size_t)tensor->shape[i]; /* checked: it does not overflow */
    if (tensor->ndim < 2 || bytes == 0 || bytes > GOLDEN_BYTES)
        return nncf__fail(err, bytes > GOLDEN_BYTES ? NNCF_E_LIMIT : NNCF_E_SHAPE, name,
            "%s has %d dimensions and %zu bytes; a few images are meant, of at most %d bytes", name,
            (int)tensor->ndim, bytes, (int)GOLDEN_BYTES);
    for (size_t i = 0; i < bytes / sizeof(float); i++)
        if (!isfinite(((const float *)tensor->data)[i]))
            return nncf__fail(err, NNCF_E_ARG, name,
                "%s[%zu] is %g; nothing can be compared with that", name, i,
                (double)((const float *)tensor->data)[i]);
    return NNCF_OK;
}

static nncf_status check_golden(const nncf_onnx_params *p, nncf_error *err)
{
    const nncf_tensor *in = p->golden_input, *out = p->golden_output;
    if (!in && !out)
        return NNCF_OK;
    if (!in || !out)
        return nncf__fail(
            err, NNCF_E_ARG, "golden_input", "golden_input and golden_output go together");
    nncf_status status = check_tensor(in, "golden_input", err);
    if (status == NNCF_OK)
        status = check_tensor(out, "golden_output", err);
    if (status == NNCF_OK && in->shape[0] != out->shape[0])
        status = nncf__fail(err, NNCF_E_SHAPE, "golden_output",
            "golden_input has %lld images, golden_output %lld", (long long)in->shape[0],
            (long long)out->shape[0]);
    return status;
}

static nncf_status check_texts(const nncf_onnx_params *p, nncf_error *err)
{
    const struct {
        const char *what, *name;
    } names[] = {{"input_name", p->input_name}, {"output_name", p->output_name},
        {"graph_name", p->graph_name}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!*names[i].name || !nncf__utf8_valid(names[i].name))
            return nncf__fail(err, NNCF_E_ARG, names[i].what, "%s is %s", names[i].what,
                *names[i].name ? "not UTF-8" : "empty; leave it NULL for the default");
    if (strcmp(p->input_name, p->output_name) == 0)
        return nncf__fail(err, NNCF_E_ARG, "output_name",
            "input_name and output_name are the same, \"%.64s\"; a graph needs two names",
            p->input_name);
    if (p->n_texts > 0 && !p->texts)
        return nncf__fail(
            err, NNCF_E_ARG, "texts", "n_texts is %zu, but texts is NULL", p->n_texts);
    for (size_t i = 0; i < p->n_texts; i++) {
        const char *key = p->texts[i].key, *value = p->texts[i].value;
        if (!key || !value || !nncf__utf8_valid(key) || !nncf__utf8_valid(value) ||
            strncmp(key, "nncf.", 5) == 0)
            return nncf__fail(err, NNCF_E_ARG, "texts",
                "texts[%zu] must be a key that does not begin with \"nncf.\" and a value, both "
                "UTF-8",
                i);
        for (size_t j = 0; j < i; j++)
            if (strcmp(key, p->texts[j].key) == 0)
                return nncf__fail(err, NNCF_E_ARG, "texts",
                    "texts[%zu]: the key \"%.64s\" is there twice", i, key);
    }
    return NNCF_OK;
}

static nncf_status check_params(nncf_onnx_params *p, nncf_error *err)
{
    nncf_status status;
    p->opset = p->opset ? p->opset : NNCF__ONNX_OPSET;
    p->input_name = p->input_name ? p->input_name : NNCF__ONNX_INPUT;
    p->output_name = p->output_name ? p->output_name : NNCF__ONNX_OUTPUT;
    p->graph_name = p->graph_name ? p->graph_name : NNCF__ONNX_GRAPH;
    if (p->format != NNCF_ONNX_QDQ && p->format != NNCF_ONNX_FAKE_QUANTIZE)
        return nncf__fail(
            err, NNCF_E_ARG, "format", "format is %d, not one of NNCF_ONNX_...", (int)p->format);
    if (p->opset < OPSET_LOWEST || p->opset > OPSET_HIGHEST)
        return nncf__fail(err, NNCF_E_ARG, "opset", "opset is %d, it must be %d to %d",
            (int)p->opset, OPSET_LOWEST, OPSET_HIGHEST);
    if (p->fold_batch_norm != 0 && p->fold_batch_norm != 1)
        return nncf__fail(err, NNCF_E_ARG, "fold_batch_norm",
            "fold_batch_norm is %d, it must be 0 or 1", (int)p->fold_batch_norm);
    if (p->unchecked != 0 && p->unchecked != 1)
        return nncf__fail(
            err, NNCF_E_ARG, "unchecked", "unchecked is %d, it must be 0 or 1", (int)p->unchecked);
    if (!(p->tolerance >= 0) || !isfinite(p->tolerance))
        return nncf__fail(err, NNCF_E_ARG, "tolerance", "tolerance is %g, it must be at least 0",
            (double)p->tolerance);
    if (p->opaque != NNCF_ONNX_OPAQUE_REFUSE && p->opaque != NNCF_ONNX_OPAQUE_NODE)
        return nncf__fail(err, NNCF_E_ARG, "opaque",
            "opaque is %d, not one of NNCF_ONNX_OPAQUE_...", (int)p->opaque);
    if (p->reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, "reserved", "reserved must be 0");
    if ((status = check_texts(p, err)) == NNCF_OK)
        status = check_golden(p, err);
    return status;
}

/* Golden tensors of another order, channels last for one, are copied to C order. */
static nncf_status order_golden(nncf__strided *ordered, nncf_onnx_params *p, nncf_error *err)
{
    const nncf_tensor *const golden[2] = {p->golden_input, p->golden_output};
    if (!golden[0] || !golden[1] ||
        (!nncf__is_strided(golden[0], 1) && !nncf__is_strided(golden[1], 1)))
        return NNCF_OK;
    for (int i = 0; i < 2; i++)
        nncf__strided_add(ordered, golden[i], 1, NNCF__READS);
    nncf_status status = nncf__strided_begin(ordered, err);
    if (status == NNCF_OK) {
        p->golden_input = &ordered->used[0];
        p->golden_output = &ordered->used[1];
    }
    return status;
}

/* A name that the caller gives, and that belongs to another value of the file. */
static nncf_status check_name(
    const nncf_model *m, const char *what, const char *name, bool is_output, nncf_error *err)
{
    for (size_t i = 0; name && i < m->n_layers; i++) {
        const nncf_layer *l = m->layers[i];
        const bool its_own = is_output ? l->n_consumers == 0 : l->op == NNCF_OP_INPUT;
        if (strcmp(l->scope, name) == 0 && !its_own)
            return nncf__fail(err, NNCF_E_ARG, what,
                "%s is the scope of a layer, \"%.128s\", which is not the model's %s: whoever "
                "looks "
                "for that layer's output in the file would find the wrong one",
                what, name, is_output ? "output" : "input");
    }
    return NNCF_OK;
}

static nncf_status take_params(const nncf_compression_ctrl *ctrl, const nncf_onnx_params *params,
    nncf_onnx_params *p, nncf__strided *ordered, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    *p = (nncf_onnx_params){0};
    if (params)
        status = nncf__params_copy(p, sizeof *p, params, "nncf_onnx_params", err);
    if (status == NNCF_OK && !ctrl->model)
        status = nncf__fail(err, NNCF_E_STATE, NULL, "the controller's model is gone");
    if (status == NNCF_OK)
        status = check_name(ctrl->model, "input_name", p->input_name, false, err);
    if (status == NNCF_OK)
        status = check_name(ctrl->model, "output_name", p->output_name, true, err);
    ordered->model = ctrl->model;
    if (status == NNCF_OK)
        status = order_golden(ordered, p, err);
    return status == NNCF_OK ? check_params(p, err) : status;
}

/* Is there a graph, and are there ranges to export? Without an initializer they start at scale 1
 * and are trained from there. */
static nncf_status check_state(const nncf_compression_ctrl *ctrl, nncf_error *err)
{
    const nncf_status chosen = nncf__precision_check_chosen(ctrl, "nncf_onnx_export", err);
    if (chosen != NNCF_OK)
        return chosen;
    for (size_t i = 0; i < ctrl->model->n_layers; i++) {
        const nncf_layer *l = ctrl->model->layers[i];
        if (nncf__op_is_by_hand(l->op))
            return nncf__fail(err, NNCF_E_UNSUPPORTED, l->scope,
                "%s was placed by hand, without the operators around it: an export needs the "
                "graph, by nncf_model_add_op() and its siblings",
                l->scope);
        const nncf__quantizer *q = ctrl->layers[i].weight_quantizer;
        if (q && q->params.group_size > 0)
            return nncf__fail(err, NNCF_E_UNSUPPORTED, l->scope,
                "%s: its weight is quantized in groups of %d, which need DequantizeLinear of opset "
                "21, and an export has %d at most; give the config no group_size for it, or write "
                "it with nncf_strip_save()",
                l->scope, (int)q->params.group_size, OPSET_HIGHEST);
    }
    if (nncf__ctrl_initializing(ctrl) ||
        (nncf__init_wanted(ctrl) && ctrl->init_phase != NNCF__PHASE_DONE))
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the quantizers' ranges are not initialized: run nncf_compression_ctrl_init_step() to "
            "its end, "
            "or load a snapshot, before the export");
    const nncf_status masks = nncf__ctrl_check_structure(ctrl, "nncf_onnx_export", err);
    return masks != NNCF_OK ? masks : nncf__stages_check_complete(ctrl, "nncf_onnx_export", err);
}

/* ---- metadata ---- */

static char *base64(nncf__onnx_builder *b, const uint8_t *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = nncf__onnx_alloc(b, (size + 2) / 3 * 4 + 1), *to = text;
    for (size_t i = 0; text && i < size; i += 3) {
        const size_t left = size - i;
        const uint32_t bits = (uint32_t)data[i] << 16 |
            (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (left > 2 ? (uint32_t)data[i + 2] : 0);
        *to++ = digits[bits >> 18];
        *to++ = digits[bits >> 12 & 63];
        *to++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[bits & 63] : '=';
    }
    return text;
}

/* Shape as "4,1,28,28", data as base64 of little-endian floats. */
static void put_golden(
    nncf__onnx_builder *b, Nncf__Onnx__ModelProto *model, const char *which, const nncf_tensor *t)
{
    char key[64], shape[NNCF_MAX_NDIM * 21];
    size_t bytes = sizeof(float), used = 0;
    for (int32_t i = 0; i < t->ndim; i++) {
        bytes *= (size_t)t->shape[i];
        used += (size_t)snprintf(
            shape + used, sizeof shape - used, "%s%lld", i ? "," : "", (long long)t->shape[i]);
    }
    snprintf(key, sizeof key, "nncf.golden.%s.shape", which);
    nncf__onnx_metadata(b, model, key, shape);
    snprintf(key, sizeof key, "nncf.golden.%s", which);
    char *text = base64(b, t->data, bytes);
    if (text)
        nncf__onnx_metadata(b, model, key, text);
}

static void put_metadata(nncf__onnx_builder *b, Nncf__Onnx__ModelProto *model)
{
    const nncf_onnx_params *p = &b->params;
    const char *config = b->ctrl->canonical_config ? b->ctrl->canonical_config : "";
    char digest[32];
    model->metadata_props =
        nncf__onnx_alloc(b, (OWN_METADATA + p->n_texts) * sizeof *model->metadata_props);
    if (b->failed)
        return;
    snprintf(
        digest, sizeof digest, "crc32c:%08x", (unsigned)nncf__crc32c(0, config, strlen(config)));
    nncf__onnx_metadata(b, model, "nncf.library", nncf_version_string());
    nncf__onnx_metadata(
        b, model, "nncf.format", p->format == NNCF_ONNX_QDQ ? "qdq" : "fakequantize");
    nncf__onnx_metadata(b, model, "nncf.rounding", "half to even");
    nncf__onnx_metadata(b, model, "nncf.batch_norm", p->fold_batch_norm ? "folded" : "as trained");
    nncf__onnx_metadata(b, model, "nncf.config_digest", digest);
    nncf__onnx_metadata(b, model, "nncf.checked", b->checked ? "golden" : "no");
    for (size_t i = 0; i < p->n_texts; i++)
        nncf__onnx_metadata(b, model, p->texts[i].key, p->texts[i].value);
    if (p->golden_input) {
        put_golden(b, model, "input", p->golden_input);
        put_golden(b, model, "output", p->golden_output);
    }
}

/* ---- the model around the graph ---- */

static Nncf__Onnx__OperatorSetIdProto *opset(
    nncf__onnx_builder *b, const char *domain, int64_t version)
{
    Nncf__Onnx__OperatorSetIdProto *id = nncf__onnx_alloc(b, sizeof *id);
    char *copy = nncf__onnx_printf(b, "%s", domain);
    if (b->failed)
        return NULL;
    nncf__onnx__operator_set_id_proto__init(id);
    id->domain = copy;
    id->has_version = 1;
    id->version = version;
    return id;
}

/* Has a golden tensor the shape of what the graph reads or writes? Sizes that the graph leaves open
 * fit any. */
static nncf_status check_golden_shape(const nncf__onnx_builder *b, const nncf__onnx_value *value,
    const nncf_tensor *golden, const char *name)
{
    if (golden->ndim != value->ndim)
        return nncf__fail(b->err, NNCF_E_SHAPE, name, "%s has %d dimensions, the model's has %d",
            name, (int)golden->ndim, (int)value->ndim);
    for (int32_t i = 0; i < golden->ndim; i++)
        if (value->shape[i] >= 0 && golden->shape[i] != value->shape[i])
            return nncf__fail(b->err, NNCF_E_SHAPE, name,
                "dimension %d of %s is %lld, the model's is %lld", (int)i, name,
                (long long)golden->shape[i], (long long)value->shape[i]);
    return NNCF_OK;
}

/* `graph` is complete. */
static nncf_status check_golden_fits(
    const nncf__onnx_builder *b, const Nncf__Onnx__GraphProto *graph)
{
    if (!b->params.golden_input)
        return NNCF_OK;
    if (graph->n_output != 1)
        return nncf__fail(b->err, NNCF_E_ARG, "golden_output",
            "the model has %zu outputs, and golden_output is one", graph->n_output);
    nncf_status status = check_golden_shape(b, &b->input, b->params.golden_input, "golden_input");
    for (size_t i = 0; status == NNCF_OK && i < b->model->n_layers; i++)
        if (b->model->layers[i]->n_consumers == 0)
            status = check_golden_shape(b, &b->values[i], b->params.golden_output, "golden_output");
    return status;
}

static nncf_status export_model(nncf__onnx_builder *b, const char *path)
{
    Nncf__Onnx__GraphProto graph = NNCF__ONNX__GRAPH_PROTO__INIT;
    Nncf__Onnx__ModelProto model = NNCF__ONNX__MODEL_PROTO__INIT;
    Nncf__Onnx__OperatorSetIdProto *opsets[3];
    nncf_status status = nncf__onnx_check_given(b);
    if (status == NNCF_OK)
        status = nncf__onnx_graph(b, &graph);
    if (status == NNCF_OK)
        status = check_golden_fits(b, &graph);
    if (status == NNCF_OK)
        status = nncf__onnx_check(b);
    if (status != NNCF_OK)
        return status;
    opsets[0] = opset(b, "", b->params.opset);
    model.opset_import = opsets;
    model.n_opset_import = 1;
    if (b->params.format == NNCF_ONNX_FAKE_QUANTIZE)
        opsets[model.n_opset_import++] = opset(b, NNCF__ONNX_OPENVINO_DOMAIN, 1);
    if (b->has_opaque)
        opsets[model.n_opset_import++] = opset(b, NNCF__ONNX_OPAQUE_DOMAIN, 1);
    model.has_ir_version = 1;
    model.ir_version = b->params.opset < 15 ? 7 : 8; /* what came with the operator set */
    model.producer_name = nncf__onnx_printf(b, "libnncf");
    model.producer_version = nncf__onnx_printf(b, "%s", nncf_version_string());
    model.graph = &graph;
    put_metadata(b, &model);
    if (b->failed)
        return nncf__fail(b->err, NNCF_E_NOMEM, path, "no memory for the export");
    const size_t size = nncf__onnx__model_proto__get_packed_size(&model);
    if (size > FILE_LIMIT)
        return nncf__fail(b->err, NNCF_E_LIMIT, path,
            "the file would have %zu bytes; ONNX files end at 2 GiB", size);
    return nncf__onnx_write(b, path, &model);
}

static nncf_status export(const nncf_compression_ctrl *ctrl, const char *path,
    const nncf_onnx_params *params, nncf_error *err)
{
    nncf__onnx_builder b = {.ctrl = ctrl, .err = err};
    if (!ctrl || (path && !*path))
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_onnx_export: %s",
            !ctrl ? "ctrl is NULL" : "path is empty");
    nncf__strided ordered = {0};
    nncf_status status = take_params(ctrl, params, &b.params, &ordered, err);
    if (status == NNCF_OK && !path == !b.params.write)
        status = nncf__fail(
            err, NNCF_E_ARG, "path", "nncf_onnx_export: give either path or params->write");
    if (status == NNCF_OK)
        status = check_state(ctrl, err);
    if (status != NNCF_OK)
        return status;
    nncf__model_pull_weights(ctrl->model);
    const size_t n = ctrl->model->n_layers;
    b.context = ctrl->context;
    b.model = ctrl->model;
    b.nodes = nncf__calloc(b.context, n * NNCF__ONNX_LAYER_NODES, sizeof *b.nodes);
    b.owners = nncf__calloc(b.context, n * NNCF__ONNX_LAYER_NODES, sizeof *b.owners);
    b.tensors = nncf__calloc(b.context, n * NNCF__ONNX_LAYER_TENSORS, sizeof *b.tensors);
    b.sources = nncf__calloc(b.context, n, sizeof *b.sources);
    b.values = nncf__calloc(b.context, n, sizeof *b.values);
    if (b.nodes && b.owners && b.tensors && b.sources && b.values)
        status = export_model(&b, path);
    else
        status = nncf__fail(err, NNCF_E_NOMEM, path, "no memory for the export");
    nncf__onnx_arena_free(&b);
    nncf__free(b.context, b.nodes);
    nncf__free(b.context, (void *)b.owners);
    nncf__free(b.context, b.tensors);
    nncf__free(b.context, b.sources);
    nncf__free(b.context, b.values);
    return status;
}

nncf_status nncf_onnx_export(const nncf_compression_ctrl *ctrl, const char *path,
    const nncf_onnx_params *params, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = export(ctrl, path, params, &reason);
    return nncf__report(
        ctrl ? ctrl->context : NULL, "nncf_onnx_export", NULL, status, &reason, err);
}
