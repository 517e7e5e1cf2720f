/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes and checks of the public calls that run a layer. */
#ifndef NNCF__EXEC_RUN_H
#define NNCF__EXEC_RUN_H

#include <nncf/base.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stddef.h>
#include <stdint.h>

/* What a call of nncf_layer_... returns, unless it is NNCF_OK: log it, and fill the caller's err
 * (nullable) from `reason`, with the layer's scope. Returns status. layer may be NULL. */
nncf_status nncf__layer_report(const nncf_layer *layer, const char *call, nncf_status status,
    const nncf_error *reason, nncf_error *err);
/* As many tensors as the layer reads? One that the host runs is refused for that reason, later. */
nncf_status nncf__layer_check_count(const nncf_layer *layer, size_t n_x, nncf_error *err);
/* How many of the tensors are looked at: one is enough to refuse what the host runs, and it may
 * read more than NNCF__MAX_INPUTS. */
size_t nncf__layer_count_read(const nncf_layer *layer, size_t n_x);

#endif
