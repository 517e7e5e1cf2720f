/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tensor.h
 * @brief A view of the caller's memory: what a layer reads and writes. Frozen: its 56 bytes (LP64) never change.
 *
 * The members are those of DLPack's DLTensor with the device and byte offset left out, so bridging is a copy.
 */
#ifndef NNCF_TENSOR_H
#define NNCF_TENSOR_H

#include <nncf/base.h>

NNCF_BEGIN_DECLS

/** Element types. @since 0.1 */
enum {
    NNCF_F32 = 0, /**< IEEE binary32 */
    NNCF_U8 = 1,  /**< unsigned byte */
    NNCF_S8 = 2,  /**< signed byte */
    NNCF_I32 = 3, /**< 32-bit signed integer */
    NNCF_I64 = 4, /**< 64-bit signed integer */
    NNCF_F64 = 5, /**< IEEE binary64 */
    NNCF_DTYPE_SENTINEL = 0x7fffffff
};

/** Most dimensions a tensor may have. @since 0.1 */
#define NNCF_MAX_NDIM 8

/**
 * @brief A borrowed view of an array. The library never keeps one beyond the call that received it.
 *
 * Activations are (N,C,H,W) or (N,C). Layers take NNCF_F32 in C order (strides NULL) at any alignment of a float, and
 * NNCF_U8 or NNCF_S8 where nncf_layer_output_dtype() says so; gradients are NNCF_F32.
 * @since 0.1
 */
typedef struct nncf_tensor {
    void *data;             /**< first element */
    int32_t dtype;          /**< NNCF_F32 ... */
    int32_t ndim;           /**< length of shape */
    uint64_t flags;         /**< must be 0 */
    const int64_t *shape;   /**< ndim sizes */
    const int64_t *strides; /**< in elements; NULL = C order; layers and snapshots accept no other order */
    uint64_t reserved[2];   /**< must be 0 */
} nncf_tensor;

NNCF_END_DECLS
#endif
