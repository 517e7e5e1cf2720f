/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model definitions for placement, each in two forms: `fused`, as the library runs them
 * (convolution, batch norm and activation are one layer), and expanded, every operator a node of
 * its own (nncf_model_add_op). Nothing is computed.
 */
#ifndef NNCF_TESTS_SUPPORT_ZOO_H
#define NNCF_TESTS_SUPPORT_ZOO_H

#include <nncf/nncf.h>

#include <stdbool.h>
#include <stddef.h>

enum { ZOO_NAME = 200, ZOO_WEIGHTS = 27000000 }; /* ResNet-50 has 25.5 million */

typedef struct zoo {
    nncf_model *model;
    bool fused;
    float *weight; /* of all layers, one behind the other: pages that nobody touches */
    size_t used;
    float stat[2048];
} zoo;

typedef nncf_layer *node;

void zoo_name(char out[ZOO_NAME], const char *format, ...) NNCF_PRINTF(2, 3);

zoo *zoo_new_in(nncf_context *context, bool fused);

zoo *zoo_new(bool fused);

/* A weight of its own for each layer; it is not all zero. */
float *zoo_weight(zoo *z, int64_t count);

void zoo_free(zoo *z);

/* ---- pieces ---- */

/* Any operator without a weight. */
node zoo_op(zoo *z, int32_t op, const char *scope, size_t n, const node *inputs);

node zoo_unary(zoo *z, int32_t op, const char *scope, node input);

typedef struct zoo_conv {
    const char *scope, *norm, *activation; /* norm, activation NULL: none */
    int32_t activation_op; /* NNCF_OP_RELU, NNCF_OP_RELU6 */
    int64_t in, out;
    int32_t kernel, groups; /* groups 0: 1 */
} zoo_conv;

node zoo_add_conv(zoo *z, const zoo_conv *c, node input);

node zoo_sum(zoo *z, const char *scope, const char *activation, node a, node b);

node zoo_pool(zoo *z, int32_t kind, const char *scope, node input);

node zoo_linear(zoo *z, const char *scope, int64_t in, int64_t out, node input);

/* The pooled features on their way to the classifier; a fused linear layer flattens by itself. */
node zoo_flatten(zoo *z, int32_t op, const char *scope, node input);

/* ---- MobileNetV2 ---- */

enum zoo_mobilenet { ZOO_SEED, ZOO_TORCHVISION, ZOO_TORCHVISION_OLD };

/* Convolution, batch norm, ReLU6: torchvision wraps them in a module of their own, NNCF's sample
 * lists all flat. */
node zoo_mobilenet_block(zoo *z, enum zoo_mobilenet form, const char *parent, int index, int64_t in,
    int64_t out, int32_t kernel, int32_t groups, node input);

zoo *zoo_mobilenet_v2(bool fused, enum zoo_mobilenet form);

/* The MobileNetV2 of NNCF's own tests: for small images, activations as functions, shortcuts with a
 * convolution. */
zoo *zoo_mobilenet_v2_test(bool fused);

/* ---- ResNet ---- */

/* `own` is NNCF's test model: activations as functions, shortcuts called so; a max pool from 1.4
 * on. */
enum zoo_resnet {
    ZOO_RESNET_TORCHVISION,
    ZOO_RESNET_OWN,
    ZOO_RESNET_OWN_ADAPTIVE,
    ZOO_RESNET_OWN_POOLED
};

node zoo_resnet_block(zoo *z, enum zoo_resnet form, const char *parent, bool bottleneck, int64_t in,
    int64_t width, bool projects, node x);

zoo *zoo_resnet(bool fused, enum zoo_resnet form, bool deep);

#endif
