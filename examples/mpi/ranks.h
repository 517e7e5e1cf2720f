/* SPDX-License-Identifier: Apache-2.0 */
/* What the example says to MPI: all_reduce for the library, and gradients while backward runs. */
#ifndef MPI_RANKS_H
#define MPI_RANKS_H

#include <nncf/nncf.h>

#include <mpi.h>

/* For nncf_collective_params. `user` is a pointer to the communicator. */
int32_t ranks_all_reduce(
    void *user, void *values, size_t count, nncf_dtype dtype, nncf_reduction reduction);

/* Gradients on their way: one message for each layer that has some. */
typedef struct gradients {
    MPI_Comm comm;
    nncf_model *model;
    int size;
    float *values; /* all of them, in the order of the list */
    size_t n_parts;
    struct gradient_part {
        const nncf_layer *layer;
        size_t first, n; /* of the list */
        size_t offset, count; /* of values */
        MPI_Request request;
    } * parts;
} gradients;

nncf_status gradients_create(gradients *g, MPI_Comm comm, nncf_model *model, nncf_error *err);
void gradients_destroy(gradients *g);
/* Backward of a layer is done: pack what it has, and send it without waiting. */
nncf_status gradients_send(gradients *g, const nncf_layer *layer, nncf_error *err);
/* Wait for all of them; gradients are the means over the ranks then. */
nncf_status gradients_wait(gradients *g, nncf_error *err);

#endif
