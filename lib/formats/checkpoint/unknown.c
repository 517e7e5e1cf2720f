/* SPDX-License-Identifier: Apache-2.0 */
/* Which tensors of a snapshot neither a caller nor a controller knows. */
#include "base/alloc.h"
#include "base/error.h"
#include "controller/ctrl.h"
#include "formats/checkpoint/state.h"
#include "formats/safetensors/names.h"
#include "formats/safetensors/safetensors.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool name_before(const void *arg, size_t a, size_t b)
{
    const nncf_checkpoint_tensor *tensors = arg;
    return strcmp(tensors[a].name, tensors[b].name) < 0;
}

/* A list of tensors, sorted by name. */
typedef struct known {
    const nncf_checkpoint_tensor *tensors;
    size_t *by_name, count;
} known;

static bool is_known(const known *k, const char *name)
{
    size_t low = 0, high = k->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(name, k->tensors[k->by_name[middle]].name);
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static nncf_status sort_known(
    nncf_context *context, known *k, const nncf_checkpoint_tensor *tensors, size_t count)
{
    *k = (known){.tensors = tensors,
        .count = count,
        .by_name = nncf__calloc(context, count, sizeof *k->by_name)};
    if (!k->by_name)
        return NNCF_E_NOMEM;
    nncf__sort_indices(k->by_name, count, name_before, tensors);
    return NNCF_OK;
}

nncf_status nncf_checkpoint_get_unknown_names(const nncf_checkpoint *checkpoint,
    const nncf_compression_ctrl *ctrl, const nncf_checkpoint_tensor *tensors, size_t n_tensors,
    const char **names, size_t capacity, size_t *count, nncf_error *err)
{
    nncf__state state = {0};
    known given = {0}, own = {0};
    size_t found = 0;
    if (!checkpoint || !count || (!tensors && n_tensors > 0) || (!names && capacity > 0))
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_checkpoint_get_unknown_names: %s is NULL",
            !checkpoint                  ? "checkpoint"
                : !count                 ? "count"
                : !names && capacity > 0 ? "names"
                                         : "tensors");
    for (size_t i = 0; i < n_tensors; i++)
        if (!tensors[i].name)
            return nncf__fail(err, NNCF_E_ARG, NULL,
                "nncf_checkpoint_get_unknown_names: tensors[%zu]: name is NULL", i);
    if (ctrl && !ctrl->model)
        return nncf__fail(err, NNCF_E_STATE, NULL, "the controller's model is gone");
    nncf_status status = ctrl ? nncf__state_make(ctrl, NNCF__WITH_FILTERS, &state) : NNCF_OK;
    if (status == NNCF_OK)
        status = sort_known(checkpoint->context, &given, tensors, n_tensors);
    if (status == NNCF_OK)
        status = sort_known(checkpoint->context, &own, state.tensors, state.n_tensors);
    for (size_t i = 0; status == NNCF_OK && i < checkpoint->n_entries; i++) {
        const char *name = checkpoint->entries[i].name;
        /* a controller that has no optimizer yet takes over the snapshot's */
        const bool of_optimizer = ctrl &&
            (strcmp(name, NNCF__OPTIMIZER_TENSOR) == 0 || strcmp(name, NNCF__FIRST_TENSOR) == 0 ||
                strcmp(name, NNCF__SECOND_TENSOR) == 0);
        if (of_optimizer || is_known(&given, name) || is_known(&own, name))
            continue;
        if (found < capacity)
            names[found] = name;
        found++;
    }
    nncf__free(checkpoint->context, given.by_name);
    nncf__free(checkpoint->context, own.by_name);
    nncf__state_free(&state);
    if (status != NNCF_OK)
        return nncf__fail(err, status, NULL, "no memory for a list of names");
    *count = found;
    return NNCF_OK;
}
