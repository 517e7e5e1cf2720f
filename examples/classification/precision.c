/* SPDX-License-Identifier: Apache-2.0 */
/* `initializer.precision` of type "hawq": the library moves the weights, this loop runs forward,
 * loss and backward, without an optimizer. What came out is in precision.json. */
#include "run.h"

#include <stdlib.h>

static nncf_status next_batch(run *r, const batch **b, nncf_error *err)
{
    nncf_status status = loader_next(r->train_loader, b, err);
    if (status != NNCF_OK || *b != NULL)
        return status;
    loader_start(r->train_loader, 0); /* more batches are wanted than an epoch has */
    return loader_next(r->train_loader, b, err);
}

static nncf_status pass(run *r, const batch *b, nncf_error *err)
{
    const float *logits;
    float *grad;
    net_zero_grad(r->network);
    nncf_status status = net_forward(r->network, b->x, b->count, &logits, err);
    if (status != NNCF_OK)
        return status;
    if ((grad = net_logits_grad(r->network)) == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for gradients: make the batch smaller");
    (void)metrics_cross_entropy(logits, b->labels, b->count, net_outputs(r->network), grad);
    return net_backward(r->network, b->x, err);
}

static nncf_status write_report(const run *r, nncf_error *err)
{
    size_t needed = 0;
    nncf_status status =
        nncf_compression_ctrl_format_precision(r->ctrl, NNCF_FORM_JSON, NULL, 0, &needed, err);
    if (status != NNCF_E_BUFFER)
        return status;
    char *text = malloc(needed), *path = app_format("%s/precision.json", r->log_dir);
    FILE *file = NULL;
    if (text == NULL || path == NULL)
        status = app_fail(err, NNCF_E_NOMEM, NULL, "no memory for precision.json");
    else
        status = nncf_compression_ctrl_format_precision(
            r->ctrl, NNCF_FORM_JSON, text, needed, NULL, err);
    if (status == NNCF_OK && ((file = fopen(path, "w")) == NULL || fprintf(file, "%s\n", text) < 0))
        status = app_fail_errno(err, path, "write it");
    if (file != NULL && fclose(file) != 0 && status == NNCF_OK)
        status = app_fail_errno(err, path, "write it");
    free(text);
    free(path);
    return status;
}

nncf_status run_choose_bits(run *r, nncf_error *err)
{
    const batch *b = NULL;
    int32_t more = 0;
    bool told = false;
    nncf_status status;
    nncf_model_set_mode(net_model(r->network), NNCF_MODE_TRAIN, NULL);
    while ((status = nncf_compression_ctrl_precision_step(r->ctrl, &more, err)) == NNCF_OK &&
        more != NNCF_PRECISION_DONE) {
        if (!told) {
            progress_note(&r->progress, "choosing bits");
            loader_start(r->train_loader, 0);
        }
        told = true;
        if (more == NNCF_PRECISION_NEW_BATCH)
            status = next_batch(r, &b, err);
        if (status == NNCF_OK)
            status = pass(r, b, err);
        if (status != NNCF_OK)
            break;
    }
    progress_clear(&r->progress);
    if (status != NNCF_OK) { /* the weights as they were */
        nncf_compression_ctrl_stop_precision(r->ctrl, NULL);
        return status;
    }
    net_zero_grad(r->network);
    return told && r->log_dir != NULL ? write_report(r, err) : NNCF_OK;
}
