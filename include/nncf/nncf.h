/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file nncf.h
 * @brief libnncf: the Neural Network Compression Framework in C. This header includes all the
 * others.
 *
 * Objects and how long they live (an arrow points at what must live longer):
 *
 *     nncf_context <--- nncf_config, nncf_checkpoint
 *          ^
 *          +----------- nncf_model <----- nncf_layer (owned by the model)
 *                           ^
 *                           +------------ nncf_compression_ctrl, nncf_plan
 *                                                 ^
 *                                                 +------ nncf_accuracy_aware
 *
 *                           ^
 *                           +------------ nncf_model that is a replica (parallel.h)
 *
 *     the caller's weight, gradient and batch norm buffers <--- nncf_model
 *
 * An nncf_config is only read when a controller or a plan is made from it.
 */
#ifndef NNCF_NNCF_H
#define NNCF_NNCF_H

#include <nncf/accuracy_aware.h>
#include <nncf/attention.h>
#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/config.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/distillation.h>
#include <nncf/equalize.h>
#include <nncf/layer.h>
#include <nncf/layers.h>
#include <nncf/model.h>
#include <nncf/onnx.h>
#include <nncf/optimizer.h>
#include <nncf/parallel.h>
#include <nncf/placement.h>
#include <nncf/plan.h>
#include <nncf/scope.h>
#include <nncf/shrink.h>
#include <nncf/strip.h>
#include <nncf/tensor.h>

#endif
