/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of operators: names, weights, inputs; and how scopes name them. */
#ifndef NNCF__GRAPH_OPS_H
#define NNCF__GRAPH_OPS_H

#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NNCF__OP_COUNT = NNCF_OP_QUANTIZER + 1 };
enum { NNCF__MAX_WEIGHT_NDIM = 5 }; /* of a 3-d convolution */
#define NNCF__ANY_INPUTS ((size_t)-1)
typedef struct nncf__op_info {
    /* in NNCF's scopes */
    const char *name;
    size_t max_inputs;
    /* 0, 0: it has no weight */
    int32_t min_weight_ndim, max_weight_ndim;
    /* of the output channels */
    int32_t weight_axis;
} nncf__op_info;
const nncf__op_info *nncf__op_info_of(int32_t op); /* NULL: there is no such kind */
/* The operator of NNCF_ACTIVATION_..., which is not NONE. */
int32_t nncf__op_of_activation(int32_t activation);
/* The name of its module's class: "ReLU". */
const char *nncf__class_of_activation(int32_t activation);
/* Placed by hand, without edges? */
static inline bool nncf__op_is_by_hand(int32_t op)
{
    return op == NNCF_OP_WEIGHT || op == NNCF_OP_QUANTIZER;
}
/* Is the last element of a scope an operator, "RELU_1"? Where its name begins, plus 1, and its
 * length; 0: no. */
size_t nncf__scope_operator(const char *scope, size_t *length);
/* How many bytes of a scope come before the slash of its last element; 0: it has one element. */
size_t nncf__scope_parent(const char *scope);

#endif
