/* SPDX-License-Identifier: Apache-2.0 */
/* Creating a quantizer by the rule that placement found for it. */
#ifndef NNCF__QUANTIZATION_QUANTIZER_CREATE_H
#define NNCF__QUANTIZATION_QUANTIZER_CREATE_H

#include "config/canonical.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a quantizer is made with (scopes.c finds it), and which line of the config decided it. */
typedef struct nncf__quantizer_rule {
    /* the group's, with the overrides that fit */
    nncf__quantizer_params params;
    /* kind NNCF__RANGE_NONE: not initialized from data. Never mixed_min_max. Borrows */
    nncf__range_rule range;
    /* of the last override that fits, in the algorithm's list; -1: none */
    int64_t override_index;
    /* bits that the device offers, 1 << bits or-ed; 0: it has no list */
    uint32_t allowed_bits;
    /* an override sets the bits */
    bool bits_overridden;
} nncf__quantizer_rule;

/* Between a layer's scope and ".scale" or ".input_low" in the names of parameters, by slot. */
extern const char *const nncf__quantizer_name_suffixes[NNCF__N_SLOTS];

/* A quantizer to create. */
typedef struct nncf__quantizer_request {
    /* its scope makes the parameters' names, and the place in messages */
    const nncf_layer *layer;
    /* nncf__quantizer_group: weights or activations */
    int32_t group;
    /* of the parameters' names, after the scope: ".input_quantizer" */
    const char *name_suffix;
    /* of the tensor, for per_channel; 0: unknown, then per_channel is an error */
    size_t channels;
    /* of a weight: nncf__quantizer.run */
    size_t run;
    /* NNCF__UNSIGNED or NNCF__SIGNED: until ranges are known, where the config leaves it open */
    int32_t sign;
} nncf__quantizer_request;
/* Is such a quantizer possible? NNCF_E_UNSUPPORTED: more bits than there are codes for,
 * channels that are not known, or an asymmetric step size. Allocates nothing: the plan calls it. */
nncf_status nncf__quantizer_check(
    const nncf__quantizer_request *request, const nncf__quantizer_rule *rule, nncf_error *err);
/* A quantizer that was checked, in its state before initialization. NNCF_E_NOMEM. */
nncf_status nncf__quantizer_create(nncf_context *context, const nncf__quantizer_request *request,
    const nncf__quantizer_rule *rule, nncf__quantizer **quantizer, nncf_error *err);
/* Give up the quantizer's own parameters for those of the leader, which lives longer and has the
 * same number of channels and mode. */
void nncf__quantizer_share(
    nncf_context *context, nncf__quantizer *quantizer, nncf__quantizer *leader);
void nncf__quantizer_destroy(nncf_context *context, nncf__quantizer *quantizer); /* NULL is fine */

#endif
