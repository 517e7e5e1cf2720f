/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tensor.h
 * @brief A view of the caller's memory: what a layer reads and writes. Frozen: its 56 bytes (LP64)
 * never change.
 *
 * The members are those of DLPack's DLTensor with the device and byte offset left out, so bridging
 * is a copy.
 */
#ifndef NNCF_TENSOR_H
#define NNCF_TENSOR_H

#include <nncf/base.h>

NNCF_BEGIN_DECLS

/** Element type: one of NNCF_F32 ... NNCF_F64. @since 0.1 */
typedef int32_t nncf_dtype;
/** Element types. @since 0.1 */
enum {
    /** IEEE binary32 */
    NNCF_F32 = 0,
    /** unsigned byte */
    NNCF_U8 = 1,
    /** signed byte */
    NNCF_S8 = 2,
    /** 32-bit signed integer */
    NNCF_I32 = 3,
    /** 64-bit signed integer */
    NNCF_I64 = 4,
    /** IEEE binary64 */
    NNCF_F64 = 5,
    NNCF_DTYPE_SENTINEL = 0x7fffffff
};

/** Most dimensions a tensor may have. @since 0.1 */
#define NNCF_MAX_NDIM 8

/**
 * @brief A borrowed view of an array. The library never keeps one beyond the call that received it.
 *
 * Activations are (N,C,H,W) or (N,C). Layers take NNCF_F32 in C order (strides NULL) at any
 * alignment of a float, and NNCF_U8 or NNCF_S8 where nncf_layer_get_output_dtype() says so;
 * gradients are NNCF_F32.
 * @since 0.1
 */
typedef struct nncf_tensor {
    /** first element */
    void *data;
    /** NNCF_F32 ... */
    nncf_dtype dtype;
    /** length of shape */
    int32_t ndim;
    /** must be 0 */
    uint64_t flags;
    /** ndim sizes */
    const int64_t *shape;
    /** in elements; NULL = C order; layers and snapshots accept no other order */
    const int64_t *strides;
    /** must be 0 */
    uint64_t reserved[2];
} nncf_tensor;

NNCF_END_DECLS
#endif
