/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file optimizer.h
 * @brief A step of an optimizer over arrays of the caller's, on the threads of a context.
 *
 * For hosts that have no optimizer, or one of a single thread: weights, parameters of batch norm,
 * and the controller's parameters (nncf_compression_ctrl_get_parameter()) are updated in one call.
 * What the optimizer keeps lies in arrays of the caller's, who saves them with a snapshot.
 */
#ifndef NNCF_OPTIMIZER_H
#define NNCF_OPTIMIZER_H

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>

NNCF_BEGIN_DECLS

/** @brief A step of an optimizer, for all its arrays. @since 0.1 */
typedef struct nncf_optimizer_params {
    /** NNCF_PARAMS(nncf_optimizer_params) */
    size_t struct_size;
    /** NNCF_OPTIMIZER_... */
    nncf_optimizer optimizer;
    /** 1: gradients are 0 afterwards, in the same pass */
    int32_t clear_gradients;
    /** number of this step, from 1 on */
    int64_t step;
    /** of SGD: 1 for Nesterov's momentum */
    int32_t nesterov;
    /** must be 0 */
    int32_t reserved;
    /** of SGD, below 1; default 0 */
    double momentum;
    /** of SGD, below 1; default 0; the first step's gradient is taken whole */
    double dampening;
    /** of Adam, below 1; default 0.9 */
    double beta1;
    /** of Adam, below 1; default 0.999 */
    double beta2;
    /** of Adam; default 1e-8 */
    double eps;
} nncf_optimizer_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_optimizer_params_init(nncf_optimizer_params *params, size_t struct_size);

/** @brief An array that is updated. Passed in arrays, so it never grows. @since 0.1 */
typedef struct nncf_optimizer_array {
    /** `count` parameters, in place */
    float *data;
    /** their gradients; written only where they are cleared */
    float *grad;
    /** Adam: mean of the gradients; SGD with momentum: the momentum, else NULL; zeros at first */
    float *first;
    /** Adam: mean of their squares, else NULL; zeros at first */
    float *second;
    /** elements of each of these */
    size_t count;
    /** learning rate; negative: nothing is updated, but gradients are cleared */
    double lr;
    /** this times the parameter is added to its gradient */
    double weight_decay;
} nncf_optimizer_array;

/**
 * @brief One step over all arrays, on the context's threads.
 *
 * Adam is Kingma and Ba 2015 as PyTorch has it, SGD that of PyTorch, in float:
 *
 *     g = grad + weight_decay data
 *     Adam: first = beta1 first + (1 - beta1) g, second = beta2 second + (1 - beta2) g g,
 *           data -= lr / (1 - beta1^step) first / (sqrt(second) / sqrt(1 - beta2^step) + eps)
 *     SGD:  first = momentum first + (step == 1 ? 1 : 1 - dampening) g, data -= lr first;
 *           nesterov: data -= lr (g + momentum first); without momentum: data -= lr g
 *
 * The bits depend neither on threads nor on the instruction set. Gradients have to be those of a
 * mean over the batch.
 * @param context nullable
 * @param params the rule
 * @param arrays n_arrays of them, no two of which overlap; nullable where n_arrays is 0
 * @param n_arrays how many
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_NOMEM without a context. Nothing is changed then
 * @par Ownership all arrays stay the caller's.
 * @since 0.1
 */
NNCF_API nncf_status nncf_optimizer_step(nncf_context *context, const nncf_optimizer_params *params,
    const nncf_optimizer_array *arrays, size_t n_arrays, nncf_error *err);

NNCF_END_DECLS
#endif
