/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file distillation.h
 * @brief The loss of knowledge_distillation: how far the compressed model's output is from that of
 * the model before compression, the teacher.
 *
 * The caller runs the teacher: a second model of the same layers without a controller, over a copy
 * of the weights as they were before compression. docs/guide_accuracy.md has the loop.
 */
#ifndef NNCF_DISTILLATION_H
#define NNCF_DISTILLATION_H

#include <nncf/base.h>
#include <nncf/ctrl.h>
#include <nncf/tensor.h>

NNCF_BEGIN_DECLS

/**
 * @brief Backward of the distillation loss: its gradient is added to that of the output. Call once
 * a step, after the gradient of the caller's loss was written, and add the loss to the reported
 * one.
 *
 * With rows s of the output and t of the teacher, C elements each, the temperature T and the factor
 * `scale` of the config (Hinton et al. 2015, as NNCF computes it):
 * - softmax: scale T^2 / rows * sum over rows of -sum(softmax(t / T) * log(softmax(s / T)))
 * - mse: scale / elements * sum((s - t)^2)
 *
 * Rows run over the last dimension; all others count rows. The gradient is multiplied by the factor
 * of nncf_compression_ctrl_set_gradient_factor(); the loss that is returned is not. Its bits depend
 * on neither threads nor the instruction set.
 * @param ctrl of a config with knowledge_distillation
 * @param output of the model that is trained, before any softmax: NNCF_F32, 2 to NNCF_MAX_NDIM
 * dimensions, C order
 * @param teacher the teacher's output of the same inputs; of the same shape
 * @param d_output nullable: only the loss is computed; of the same shape, must not overlap the
 * other two
 * @param[out] loss nullable
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_SHAPE; NNCF_E_DTYPE; NNCF_E_STATE the config has no
 * knowledge_distillation, or the model is gone; NNCF_E_NOMEM. Nothing is changed then
 * @par Threads as for the controller.
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_distillation_backward(nncf_compression_ctrl *ctrl,
    const nncf_tensor *output, const nncf_tensor *teacher, const nncf_tensor *d_output,
    double *loss, nncf_error *err);

NNCF_END_DECLS
#endif
