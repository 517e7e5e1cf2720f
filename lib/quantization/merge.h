/* SPDX-License-Identifier: Apache-2.0 */
/* What several ranks or replicas have observed of one tensor becomes what one would have. */
#ifndef NNCF__QUANTIZATION_MERGE_H
#define NNCF__QUANTIZATION_MERGE_H

#include "base/collective.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>

/* Over all ranks, exactly: the extremes and the histograms of the present batch (of rules that
 * average batches), or of all batches. With one rank nothing happens. */
nncf_status nncf__quantizer_reduce(
    nncf_context *context, nncf__collective *ranks, nncf__quantizer *quantizer);
/* Add what `from` has observed, whose histograms are used up. */
void nncf__quantizer_join(nncf__quantizer *quantizer, nncf__quantizer *from);

#endif
