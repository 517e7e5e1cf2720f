/* SPDX-License-Identifier: Apache-2.0 */
/* The network before compression, beside the one that is trained: the teacher of
 * knowledge_distillation, and what accuracy_aware_training compares with. */
#ifndef CLASSIFICATION_REFERENCE_H
#define CLASSIFICATION_REFERENCE_H

#include "run.h"

/* A second network with the weights of --teacher, or of --weights. NULL: the config wants none. */
nncf_status reference_open(run *r, nncf_error *err);
void reference_close(run *r);
/* Does the config have knowledge_distillation? */
bool reference_teaches(const run *r);
/* Adds the gradient of the distillation loss to that of the logits, and the loss to *loss. */
nncf_status reference_teach(
    run *r, const batch *b, const float *logits, float *grad, double *loss, nncf_error *err);

#endif
