/* SPDX-License-Identifier: Apache-2.0 */
/* Two layers with weights of which the second reads what the first writes, through layers without:
 * the checks that equalize.c and absorb.c share, which change both before quantization. */
#ifndef NNCF__QUANTIZATION_LAYER_PAIRS_H
#define NNCF__QUANTIZATION_LAYER_PAIRS_H

#include "graph/model.h"

#include <stdbool.h>

/* A conv2d or linear layer. */
bool nncf__pair_has_weight(const nncf_layer *layer);
bool nncf__pair_is_depthwise(const nncf_layer *layer);
/* The one registered layer that reads another; NULL: none, or several. */
nncf_layer *nncf__pair_reader(const nncf_layer *layer);
/* Why the second layer does not read channels of the first one by one; NULL: it does. */
const char *nncf__pair_why_not_by_channel(const nncf_layer *second, const nncf_layer *first);

#endif
