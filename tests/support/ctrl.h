/* SPDX-License-Identifier: Apache-2.0 */
/* Configs and controllers from text, and what a controller says. */
#ifndef NNCF_TESTS_SUPPORT_CTRL_H
#define NNCF_TESTS_SUPPORT_CTRL_H

#include <nncf/nncf.h>

#include <stdbool.h>
#include <stddef.h>

nncf_config *fx_config(nncf_context *context, const char *text);

/* A controller from the text of a config. */
nncf_compression_ctrl *fx_ctrl(nncf_model *model, const char *text);

#define FX_RB                                                                                      \
    "{\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": 0.1, \"sparsity_target\": "  \
    "0.5, "                                                                                        \
    "\"sparsity_steps\": 5, \"sparsity_training_steps\": 10}}"
#define FX_MAGNITUDE                                                                               \
    "{\"algorithm\": \"magnitude_sparsity\", \"params\": {\"sparsity_init\": 0.3, "                \
    "\"sparsity_target\": 0.6, "                                                                   \
    "\"sparsity_steps\": 3, \"sparsity_training_steps\": 6}}"
#define FX_INT8                                                                                    \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 1, \"type\": "        \
    "\"min_max\"}}"
#define FX_CONFIG(algorithms) "{\"compression\": [" algorithms "]}"

nncf_statistics fx_statistics(const nncf_compression_ctrl *ctrl);

/* By its index, and by its name. */
nncf_parameter fx_parameter_at(const nncf_compression_ctrl *ctrl, size_t index);

nncf_parameter fx_parameter(const nncf_compression_ctrl *ctrl, const char *name);

/* nncf_compression_ctrl_loss_backward(), which must succeed. */
double fx_loss(nncf_compression_ctrl *ctrl);

/* The state of `from`, and `count` weights, go through a file to `to`; accept: of another config.
 * What restoring answers; report nullable. */
nncf_status fx_restore(nncf_compression_ctrl *from, const float *weights, size_t count,
    nncf_compression_ctrl *to, float *to_weights, bool accept,
    nncf_checkpoint_restore_report *report);

#endif
