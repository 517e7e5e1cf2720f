/* SPDX-License-Identifier: Apache-2.0 */
/* What a model and its replicas know of each other; private to this folder. */
#ifndef NNCF__PARALLEL_REPLICAS_H
#define NNCF__PARALLEL_REPLICAS_H

#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>

/* Of a replica. */
struct nncf__replica {
    /* NULL: the model or its controller is gone */
    nncf_model *leader;
    /* its gradients, `gradients` floats, and its running statistics after them */
    float *floats;
    size_t gradients;
};

/* Of a model that has some. */
struct nncf__replicas {
    /* in the order in which they were made */
    nncf_model **models;
    size_t count;
    /* between begin and end */
    bool running;
};

#endif
