/* SPDX-License-Identifier: Apache-2.0 */
/* Folding batch norm into a weight. */
#ifndef NNCF__FORMATS_DEPLOY_FOLD_H
#define NNCF__FORMATS_DEPLOY_FOLD_H

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdbool.h>

/* Whether the layer has a batch norm that folding takes. That of a transposed convolution stays on
 * its own: the weights of one output channel do not lie together. And another reader of a tied
 * weight has another batch norm. Nor is one folded into scales that are powers of two. */
bool nncf__folds_batch_norm(const nncf_layer *layer);
/* What follows the product of a conv2d or linear layer in eval mode, bias and batch norm together:
 * y = activation(product * factor[c] + shift[c]); both [out_channels], in double. Without batch
 * norm the factor is 1. Folded into a weight, factor[c] multiplies row c: of a quantized one its
 * scale, so that the codes stay. An error: a channel whose factor or shift is not finite as a
 * float.
 */
nncf_status nncf__fold_batch_norm(
    const nncf_layer *layer, double *factor, double *shift, nncf_error *err);

#endif
