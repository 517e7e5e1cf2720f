/* SPDX-License-Identifier: Apache-2.0 */
/* The models that a config can name. */
#ifndef CLASSIFICATION_MODELS_H
#define CLASSIFICATION_MODELS_H

#include "net.h"
#include "settings.h"

/* Builds the model that the settings name. */
nncf_status models_build(const nncf_config *config, nncf_context *context, const train_settings *s,
    net **out, nncf_error *err);

void mobilenetv2_build(net *n, const model_settings *m, int64_t num_classes);
void resnet18_build(net *n, const model_settings *m, int64_t num_classes);
void resnet50_build(net *n, const model_settings *m, int64_t num_classes);
void lenet_build(net *n, const model_settings *m, int64_t num_classes);

#endif
