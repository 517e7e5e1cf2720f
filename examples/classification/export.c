/* SPDX-License-Identifier: Apache-2.0 */
/* The trained model as an ONNX file, and stripped. In ONNX files the first test images and what the
 * network makes of them go along, so that whoever has the file can check what an engine computes
 * (check_onnx.py). */
#include "run.h"

#include <stdlib.h>
#include <string.h>

enum { GOLDEN_IMAGES = 4 };

/* Images and logits: the first `wanted` test images, or all that there are. */
typedef struct golden {
    int64_t count, image, outputs; /* floats of an image, of its logits */
    float *x, *logits;
} golden;

static nncf_status gather(run *r, int64_t wanted, golden *g, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    loader_start(r->test_loader, 0);
    while (status == NNCF_OK && g->count < wanted) {
        const batch *b;
        const float *logits;
        if ((status = loader_next(r->test_loader, &b, err)) != NNCF_OK || b == NULL)
            break;
        int64_t n = b->count < wanted - g->count ? b->count : wanted - g->count;
        if ((status = net_forward(r->network, b->x, n, &logits, err)) != NNCF_OK)
            break;
        memcpy(g->x + g->count * g->image, b->x, (size_t)(n * g->image) * sizeof(float));
        memcpy(g->logits + g->count * g->outputs, logits, (size_t)(n * g->outputs) * sizeof(float));
        g->count += n;
    }
    return status == NNCF_OK && g->count == 0
        ? app_fail(err, NNCF_E_STATE, "--export-onnx",
              "there is no test image to go along with the export")
        : status;
}

static nncf_status write_file(const run *r, const golden *g, nncf_error *err)
{
    const int64_t *sample = r->set.sample_size;
    const int64_t shape[4] = {g->count, sample[1], sample[2], sample[3]},
                  output_shape[2] = {g->count, g->outputs};
    const nncf_tensor input = {.data = g->x, .dtype = NNCF_F32, .ndim = 4, .shape = shape};
    const nncf_tensor output = {
        .data = g->logits, .dtype = NNCF_F32, .ndim = 2, .shape = output_shape};
    const nncf_checkpoint_text classes = {"classes", r->state.classes};
    const nncf_onnx_params params = {NNCF_PARAMS(nncf_onnx_params), .texts = &classes,
        .n_texts = r->state.classes != NULL, .format = r->opts->export_format,
        .fold_batch_norm = r->opts->export_fold_batch_norm,
        .input_shape = {0, sample[1], sample[2], sample[3]}, .graph_name = r->name,
        .golden_input = &input, .golden_output = &output};
    return nncf_onnx_export(r->ctrl, r->opts->export_onnx, &params, err);
}

static nncf_status export_onnx(run *r, nncf_error *err)
{
    const int64_t *sample = r->set.sample_size,
                  wanted = r->opts->export_images > 0 ? r->opts->export_images : GOLDEN_IMAGES;
    golden g = {.image = sample[1] * sample[2] * sample[3], .outputs = net_outputs(r->network)};
    nncf_status status;
    if (wanted > INT32_MAX / g.image || wanted > INT32_MAX / g.outputs)
        return app_fail(err, NNCF_E_LIMIT, "--export-images",
            "%lld images are too many for an export", (long long)wanted);
    g.x = app_floats((size_t)(wanted * g.image));
    g.logits = app_floats((size_t)(wanted * g.outputs));
    nncf_model_set_mode(net_model(r->network), NNCF_MODE_EVAL, NULL);
    status = g.x != NULL && g.logits != NULL
        ? gather(r, wanted, &g, err)
        : app_fail(err, NNCF_E_NOMEM, NULL, "no memory for images");
    nncf_model_set_mode(net_model(r->network), NNCF_MODE_TRAIN, NULL);
    if (status == NNCF_OK)
        status = write_file(r, &g, err);
    if (status == NNCF_OK)
        fprintf(r->output, "exported to %s, with %lld images and their logits\n",
            r->opts->export_onnx, (long long)g.count);
    free(g.x);
    free(g.logits);
    return status;
}

static nncf_status strip(run *r, nncf_error *err)
{
    const nncf_checkpoint_text classes = {"classes", r->state.classes};
    const nncf_strip_params params = {NNCF_PARAMS(nncf_strip_params), .texts = &classes,
        .n_texts = r->state.classes != NULL, .fold_batch_norm = r->opts->export_fold_batch_norm,
        .sparse = 1};
    nncf_strip_report report = {NNCF_PARAMS(nncf_strip_report)};
    nncf_status status = nncf_strip_save(r->ctrl, r->opts->strip, &params, &report, err);
    if (status == NNCF_OK)
        fprintf(r->output,
            "stripped to %s: %lld bytes, of which %lld are weights; %lld as floats\n",
            r->opts->strip, (long long)report.bytes_file, (long long)report.bytes_weights,
            (long long)report.bytes_float);
    return status;
}

nncf_status run_export(run *r, nncf_error *err)
{
    nncf_status status = r->opts->export_onnx != NULL ? export_onnx(r, err) : NNCF_OK;
    if (status == NNCF_OK && r->opts->strip != NULL)
        status = strip(r, err);
    return status;
}
