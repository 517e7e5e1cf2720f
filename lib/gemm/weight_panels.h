/* SPDX-License-Identifier: Apache-2.0 */
/* Weight gradients by the microkernel; weight_gradient.c asks whether it is the faster way. */
#ifndef NNCF__GEMM_WEIGHT_PANELS_H
#define NNCF__GEMM_WEIGHT_PANELS_H

#include "gemm/weight_gradient.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>

bool nncf__weight_panels_fit(const nncf_context *context, const nncf__weight_product *p);
/* As those of weight_gradient.h. */
size_t nncf__weight_panels_scratch(const nncf_context *context, const nncf__weight_product *p);
void nncf__weight_panels_run(nncf_context *context, const nncf__weight_product *p);

#endif
