/* SPDX-License-Identifier: Apache-2.0 */
/* Well-known models, for looking at what a config does to them. Nothing is computed. */
#ifndef NNCF_CONFIG_MODELS_H
#define NNCF_CONFIG_MODELS_H

#include <nncf/nncf.h>

/* Names of the models, separated by blanks. */
extern const char models_names[];

/* Register the layers of the model `name`. `weight` receives a buffer that they all point into;
 * free it after the model. NNCF_E_NOTFOUND: there is no model of that name. */
nncf_status models_create(
    nncf_context *context, const char *name, nncf_model **model, float **weight, nncf_error *err);

#endif
