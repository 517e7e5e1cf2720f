/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a process on several threads: the net's own, and those of replicas. */
#ifndef MPI_PARTS_H
#define MPI_PARTS_H

#include "net.h"

typedef struct parts {
    net *first; /* the net that has the model */
    long n; /* how many replicas there are beside it */
    net *replica;
} parts;

nncf_status parts_create(parts *p, net *first, long n, nncf_error *err);
/* Before the net and its controller. */
void parts_destroy(parts *p);
/* A forward of batch `batch`, whose rows of this process begin at `row`; the first part's have been
 * read. With `loss` a backward follows, and the gradients are those of the process. */
nncf_status parts_run(parts *p, int64_t batch, int64_t row, double *loss, nncf_error *err);

#endif
