/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the filters that is pruned, by epoch: docs/formulas.md, "Filter pruning". */
#ifndef NNCF__PRUNING_LEVEL_H
#define NNCF__PRUNING_LEVEL_H

#include "config/canonical.h"

#include <stdbool.h>
#include <stdint.h>

/* Of the filters, or with flops_target of the operations. */
double nncf__pruning_target(const nncf__pruning_params *params);
double nncf__pruning_level(const nncf__pruning_params *params, int64_t epoch);
/* Do the masks of this epoch stay as they are? Those of the first such epoch are made in it. */
bool nncf__pruning_frozen(const nncf__pruning_params *params, int64_t epoch);

#endif
