/* SPDX-License-Identifier: Apache-2.0 */
#include "models.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    void (*build)(net *n, const model_settings *m, int64_t num_classes);
} models[] = {
    {"mobilenetv2", mobilenetv2_build},
    {"mobilenet_v2", mobilenetv2_build}, /* the name in NNCF's later releases */
    {"resnet18", resnet18_build},
    {"resnet50", resnet50_build},
    {"lenet", lenet_build},
};

nncf_status models_build(const nncf_config *config, nncf_context *context, const train_settings *s,
    net **out, nncf_error *err)
{
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        net *n;
        nncf_status status;
        if (strcmp(models[i].name, s->model.name) != 0)
            continue;
        if ((status = net_create(context, s->sample_size, s->seed, &n, err)) != NNCF_OK)
            return status;
        models[i].build(n, &s->model, s->num_classes);
        if ((status = net_finish(n, err)) != NNCF_OK) {
            net_destroy(n);
            return status;
        }
        *out = n;
        return NNCF_OK;
    }
    return nncf_config_set_error(config, "model",
        "is not a model of this program: mobilenetv2, resnet18, resnet50, lenet", err);
}
