/* SPDX-License-Identifier: Apache-2.0 */
/* What snapshots say of a model whose filters were removed. */
#ifndef NNCF__CONTROLLER_SHRINK_H
#define NNCF__CONTROLLER_SHRINK_H

#include <nncf/base.h>
#include <nncf/ctrl.h>

/* The text of a snapshot. Its first line: filters, parameters and operations of the whole model.
 * Then a line for each cluster: the kept filters as bits in hexadecimal digits, eight a pair, the
 * first one lowest; how many filters there were; the scope of the first layer. */
#define NNCF__REMOVED "nncf.removed"

/* May a snapshot with that text (nullable) be restored into the model, which is registered as it
 * is? `file` is for messages. */
nncf_status nncf__removed_check(
    const nncf_compression_ctrl *ctrl, const char *removed, const char *file, nncf_error *err);
/* A snapshot of a shrunk model was restored into one that was registered small: nothing is to be
 * pruned any more. `copy`, of the context, is taken over. */
void nncf__removed_take(nncf_compression_ctrl *ctrl, char *copy);

#endif
