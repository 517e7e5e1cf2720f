/* SPDX-License-Identifier: Apache-2.0 */
#include "ctrl.h"

#include "files.h"
#include "layers.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

nncf_config *fx_config(nncf_context *context, const char *text)
{
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status =
        nncf_config_parse(context, "test", text, strlen(text), NULL, &config, &err);
    ck_assert_msg(status == NNCF_OK, "%s", err.message);
    return config;
}

nncf_compression_ctrl *fx_ctrl(nncf_model *model, const char *text)
{
    nncf_compression_ctrl *ctrl = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = fx_config(NULL, text);
    nncf_status status = nncf_compression_ctrl_create(model, config, &ctrl, &err);
    ck_assert_msg(status == NNCF_OK, "%s: %s", err.where, err.message);
    nncf_config_destroy(config);
    return ctrl;
}

nncf_statistics fx_statistics(const nncf_compression_ctrl *ctrl)
{
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(ctrl, &s, NULL), NNCF_OK);
    return s;
}

nncf_parameter fx_parameter_at(const nncf_compression_ctrl *ctrl, size_t index)
{
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    ck_assert_int_eq(nncf_compression_ctrl_get_parameter(ctrl, index, &p, NULL), NNCF_OK);
    return p;
}

nncf_parameter fx_parameter(const nncf_compression_ctrl *ctrl, const char *name)
{
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    for (size_t i = 0; nncf_compression_ctrl_get_parameter(ctrl, i, &p, NULL) == NNCF_OK; i++)
        if (strcmp(p.name, name) == 0)
            return p;
    ck_abort_msg("no parameter \"%s\"", name);
}

double fx_loss(nncf_compression_ctrl *ctrl)
{
    double loss = -1;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(
        nncf_compression_ctrl_loss_backward(ctrl, &loss, &err) == NNCF_OK, "%s", err.message);
    return loss;
}

nncf_status fx_restore(nncf_compression_ctrl *from, const float *weights, size_t count,
    nncf_compression_ctrl *to, float *to_weights, bool accept,
    nncf_checkpoint_restore_report *report)
{
    const int64_t length = (int64_t)count;
    float *copy = fx_alloc(count, sizeof *copy);
    nncf_checkpoint *c = NULL;
    nncf_checkpoint_tensor t = {
        "w", {.data = copy, .dtype = NNCF_F32, .ndim = 1, .shape = &length}};
    const nncf_checkpoint_restore_params params = {
        NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = accept};
    char path[FX_TEMPORARY];
    fx_temporary(path);
    memcpy(copy, weights, count * sizeof *copy);
    ck_assert_int_eq(nncf_checkpoint_save(from, path, &t, 1, NULL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_open(NULL, path, NULL, &c, NULL), NNCF_OK);
    t.tensor.data = to_weights;
    ck_assert_int_eq(nncf_checkpoint_read(c, &t, 1, NULL), NNCF_OK);
    const nncf_status status = nncf_checkpoint_restore(c, to, &params, report, NULL);
    nncf_checkpoint_close(c);
    unlink(path);
    free(copy);
    return status;
}
