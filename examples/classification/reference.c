/* SPDX-License-Identifier: Apache-2.0 */
/* NNCF's teacher runs in train mode, with the statistics of its batches; ours in eval mode: it is
 * the model whose accuracy was measured. */
#include "reference.h"
#include "models.h"

#include <stdlib.h>
#include <string.h>

static bool searches(const run *r)
{
    return nncf_config_get_type(r->config, "accuracy_aware_training", NULL, NULL) == NNCF_OK;
}

bool reference_teaches(const run *r)
{
    for (size_t i = 0; i < nncf_config_get_algorithm_count(r->config); i++)
        if (strcmp(nncf_config_get_algorithm_name(r->config, i), "knowledge_distillation") == 0)
            return true;
    return false;
}

nncf_status reference_open(run *r, nncf_error *err)
{
    const char *path = r->opts->teacher != NULL ? r->opts->teacher : r->set.weights;
    char *classes = NULL;
    if (!reference_teaches(r) && !searches(r))
        return NNCF_OK;
    if (path == NULL)
        return app_fail(err, NNCF_E_ARG, "--teacher",
            "the config has %s, which needs the weights before compression: give them with "
            "--teacher FILE, or start from them with --weights FILE",
            reference_teaches(r) ? "knowledge_distillation" : "accuracy_aware_training");
    nncf_status status = models_build(r->config, r->context, &r->set, &r->reference, err);
    if (status == NNCF_OK)
        status =
            snapshot_load_weights(r->context, path, r->reference, true, r->errors, &classes, err);
    free(classes);
    if (status == NNCF_OK)
        status = nncf_model_set_mode(net_model(r->reference), NNCF_MODE_EVAL, err);
    return status;
}

void reference_close(run *r)
{
    net_destroy(r->reference);
    r->reference = NULL;
}

nncf_status reference_teach(
    run *r, const batch *b, const float *logits, float *grad, double *loss, nncf_error *err)
{
    const int64_t shape[] = {b->count, net_outputs(r->network)};
    const float *teacher;
    double value = 0.0;
    nncf_status status = net_forward(r->reference, b->x, b->count, &teacher, err);
    if (status != NNCF_OK)
        return status;
    const nncf_tensor s = {.data = (float *)(uintptr_t)logits, .shape = shape, .ndim = 2},
                      t = {.data = (float *)(uintptr_t)teacher, .shape = shape, .ndim = 2},
                      d = {.data = grad, .shape = shape, .ndim = 2};
    status = nncf_compression_ctrl_distillation_backward(r->ctrl, &s, &t, &d, &value, err);
    *loss += value;
    return status;
}
