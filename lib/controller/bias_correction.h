/* SPDX-License-Identifier: Apache-2.0 */
/* Bias correction: the expected shift that quantized weights give an output, taken off its bias. */
#ifndef NNCF__CONTROLLER_BIAS_CORRECTION_H
#define NNCF__CONTROLLER_BIAS_CORRECTION_H

#include "conv/conv2d.h"

#include <nncf/base.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>

/* What `initializer.bias_correction` needs, for controllers with `bias_samples`; NNCF_E_NOMEM. */
nncf_status nncf__bias_reserve(nncf_compression_ctrl *ctrl);
void nncf__bias_free(nncf_compression_ctrl *ctrl);
/* Are more images wanted than have been seen? */
bool nncf__bias_wants_more(const nncf_compression_ctrl *ctrl);
/* Forget what was seen. */
void nncf__bias_begin(nncf_compression_ctrl *ctrl);
/* Elements of a layer's sums: one for each input channel and place in the kernel. */
size_t nncf__bias_sums_count(const nncf_layer *layer);
/* Are sums of what the layer reads wanted now? */
bool nncf__bias_observes(const nncf_layer *layer);
/* A forward of a layer reads x (n, c_in, h, w), as `shape` says; ranges are observed. */
void nncf__bias_observe(nncf_layer *layer, const nncf__conv2d *shape, const float *x);
/* What a replica has seen, too. */
void nncf__bias_join(nncf_layer *layer, const nncf_layer *from);
/* The sums of all ranks. NNCF_E_CALLBACK. */
nncf_status nncf__bias_reduce(nncf_compression_ctrl *ctrl, nncf_error *err);
/* Correct the biases, or running means, of all layers: ranges of weights are known. */
void nncf__bias_correct(nncf_compression_ctrl *ctrl);

#endif
