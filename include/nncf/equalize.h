/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file equalize.h
 * @brief What makes a trained network of floats easier to quantize without training it further:
 * both change the caller's arrays, and hardly what the network computes.
 */
#ifndef NNCF_EQUALIZE_H
#define NNCF_EQUALIZE_H

#include <nncf/base.h>
#include <nncf/model.h>

#include <stddef.h>
#include <stdint.h>

NNCF_BEGIN_DECLS

/**
 * @brief Equalize ranges of weights across layers, so that few bits per tensor lose less: before a
 * controller is created, after the weights are loaded.
 *
 * Where a conv2d or linear layer reads another one's output through nothing but relu, leaky relu,
 * prelu, dropout, pooling and upsampling, channel i of the first is divided by s_i and that of the
 * second multiplied, s_i = sqrt(r_i / t_i) with r_i and t_i the largest magnitudes of both (Nagel
 * et al. 2019, Data-Free Quantization, section 4.1), pair by pair, in rounds. A batch norm stays,
 * but what it multiplies with, gamma / sqrt(var + eps), moves into the weight before it. The second
 * may be depthwise, and then be the first of the next pair. Written in place: weights, biases,
 * gamma, beta, running statistics. The model computes the same in eval mode but for rounding, about
 * 1e-6 of the largest output a pair; in train mode also but for eps of batch norm. What the host
 * has registered must be all that reads a tensor in between, and all that happens to it: not for
 * hosts that run convolutions themselves and register them without what follows. A pair with relu6
 * between is left alone, as are layers with ties, several readers, or that the host runs: the log
 * says which, and why. Optimizer state of the host is of the former weights.
 * @param model without a controller
 * @param rounds at most so many, 1 to 1000; 0: 20. They end where no factor is above 1.001
 * @param[out] n_pairs pairs that are equalized; nullable
 * @param[out] err nullable; where is the scope of a layer with a wrong weight
 * @return NNCF_OK; NNCF_E_STATE the model has a controller, or is a replica; NNCF_E_UNSUPPORTED a
 * weight is not finite; NNCF_E_ARG; NNCF_E_NOMEM. After an error nothing is changed
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_equalize(
    nncf_model *model, int32_t rounds, size_t *n_pairs, nncf_error *err);

/**
 * @brief Absorb high biases into the layers that follow, so that activations need smaller ranges:
 * after nncf_model_equalize(), or alone, before a controller is created.
 *
 * Where a conv2d or linear layer reads another one's output through relu, max pooling, global
 * average pooling and upsampling alone, and a batch norm follows the first, with beta and gamma of
 * channel i, c_i = max(0, beta_i - 3 |gamma_i|) is taken off beta_i, and what the second
 * makes of these constants is added to its bias, or, if it has none, taken off the running mean of
 * its batch norm (Nagel et al. 2019, Data-Free Quantization, section 4.1.3). For values above c_i
 * the model computes the same in eval mode but for rounding; for those below, 0.13 % if they are
 * normal, the second layer's input is up to c_i larger. A second layer that pads with zeros is left
 * alone, as are layers that the host runs, several readers and other activations: the log (level
 * info) says which, and why. What the host has registered must be all that reads a tensor in
 * between, and all that happens to it. Optimizer state of the host is of the former numbers.
 * @param model without a controller
 * @param[out] n_channels channels with c_i above 0 that were absorbed; nullable
 * @param[out] err nullable; where is the scope of a layer with a wrong number
 * @return NNCF_OK; NNCF_E_STATE the model has a controller, or is a replica; NNCF_E_UNSUPPORTED a
 * number is not finite; NNCF_E_ARG. After an error nothing is changed
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_absorb_biases(
    nncf_model *model, size_t *n_channels, nncf_error *err);

NNCF_END_DECLS
#endif
