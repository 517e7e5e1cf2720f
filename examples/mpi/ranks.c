/* SPDX-License-Identifier: Apache-2.0 */
#include "ranks.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

int32_t ranks_all_reduce(
    void *user, void *values, size_t count, nncf_dtype dtype, nncf_reduction reduction)
{
    const MPI_Datatype type = dtype == NNCF_F32 ? MPI_FLOAT
        : dtype == NNCF_F64                     ? MPI_DOUBLE
                                                : MPI_INT64_T;
    const MPI_Op op = reduction == NNCF_REDUCE_SUM ? MPI_SUM
        : reduction == NNCF_REDUCE_MIN             ? MPI_MIN
                                                   : MPI_MAX;
    if (count > INT_MAX)
        return MPI_ERR_COUNT;
    return MPI_Allreduce(MPI_IN_PLACE, values, (int)count, type, op, *(MPI_Comm *)user);
}

static nncf_status fail(nncf_error *err, nncf_status status, const char *message)
{
    err->status = status;
    snprintf(err->message, sizeof err->message, "%s", message);
    return status;
}

/* The list goes from the last layer to the first, as backward does. */
nncf_status gradients_create(gradients *g, MPI_Comm comm, nncf_model *model, nncf_error *err)
{
    const size_t n = nncf_model_get_gradient_count(model);
    nncf_gradient item = {NNCF_PARAMS(nncf_gradient)};
    size_t total = 0;
    *g = (gradients){.comm = comm, .model = model, .parts = calloc(n, sizeof *g->parts)};
    MPI_Comm_size(comm, &g->size);
    for (size_t i = 0; i < n && g->parts; i++) {
        const nncf_status status = nncf_model_get_gradient(model, i, &item, err);
        if (status != NNCF_OK)
            return status;
        if (i == 0 || item.layer != g->parts[g->n_parts - 1].layer)
            g->parts[g->n_parts++] = (struct gradient_part){
                .layer = item.layer, .first = i, .offset = total, .request = MPI_REQUEST_NULL};
        g->parts[g->n_parts - 1].n++;
        g->parts[g->n_parts - 1].count += item.count;
        total += item.count;
    }
    g->values = calloc(total, sizeof *g->values);
    return g->parts && g->values ? NNCF_OK : fail(err, NNCF_E_NOMEM, "no memory for gradients");
}

void gradients_destroy(gradients *g)
{
    free(g->values);
    free(g->parts);
}

nncf_status gradients_send(gradients *g, const nncf_layer *layer, nncf_error *err)
{
    for (size_t i = 0; i < g->n_parts && g->size > 1; i++) {
        struct gradient_part *p = &g->parts[i];
        if (p->layer != layer)
            continue;
        const nncf_status status =
            nncf_model_pack_gradients(g->model, p->first, p->n, g->values + p->offset, err);
        if (status != NNCF_OK)
            return status;
        if (MPI_Iallreduce(MPI_IN_PLACE, g->values + p->offset, (int)p->count, MPI_FLOAT, MPI_SUM,
                g->comm, &p->request) != MPI_SUCCESS)
            return fail(err, NNCF_E_CALLBACK, "gradients could not be sent");
    }
    return NNCF_OK;
}

nncf_status gradients_wait(gradients *g, nncf_error *err)
{
    for (size_t i = 0; i < g->n_parts && g->size > 1; i++) {
        struct gradient_part *p = &g->parts[i];
        if (MPI_Wait(&p->request, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            return fail(err, NNCF_E_CALLBACK, "gradients of another rank did not come");
        const nncf_status status = nncf_model_unpack_gradients(
            g->model, p->first, p->n, g->values + p->offset, 1.0 / g->size, err);
        if (status != NNCF_OK)
            return status;
    }
    return NNCF_OK;
}
