/* SPDX-License-Identifier: Apache-2.0 */
/* What stays float under quantization, for the plan. */
#ifndef NNCF__PLACEMENT_FLOATS_H
#define NNCF__PLACEMENT_FLOATS_H

#include "placement/placement.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdint.h>

enum { NNCF__FLOAT_WHY = 900 };

typedef struct nncf__float {
    const nncf_layer *layer;
    /* nncf__quantizer_slot: of the weight, of an input; of the output, where it was placed by hand
     */
    int32_t slot;
    /* of an input: the operator that makes it; NULL: the model's input, or not an input */
    const char *source;
    char why[NNCF__FLOAT_WHY];
} nncf__float;

/* Call found() for each, in the order of layers. */
nncf_status nncf__floats_find(struct nncf__placement *placement,
    void (*found)(void *user, const nncf__float *f), void *user, nncf_error *err);

#endif
