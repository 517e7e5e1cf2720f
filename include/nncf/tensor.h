/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tensor.h
 * @brief A view of the caller's memory, and what its bytes mean. Tensors are passed in arrays, so
 * the struct is frozen: its 80 bytes (LP64) never change.
 *
 * The members are those of DLPack's DLTensor, without the device (the library reads and writes
 * memory of the CPU) and the byte offset (add it to `data`), and with scale and zero point, which
 * DLPack does not have. docs/abi.md gives the reasons.
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
 * Activations are (N,C,H,W) or (N,C); some layers take other numbers of dimensions
 * (docs/layers.md). Layers take NNCF_F32 (an embedding NNCF_I32) at any alignment of a float, and
 * NNCF_U8 or NNCF_S8 where nncf_layer_get_output_dtype() says so; gradients are NNCF_F32.
 *
 * They compute in C order (strides NULL). Of a tensor whose strides say another order of all sizes
 * without gaps they make a copy in a buffer of the model's, and what they write is copied back: a
 * (N,C,H,W) tensor that lies channels last has the strides (HWC, 1, WC, C). Results have the bits
 * of C order.
 *
 * Elements of NNCF_U8 and NNCF_S8 may be codes. Their values are
 * `(float)(code - zero_point) * scale`, rounded once; with `scales` that of the index along `axis`.
 * A call that writes codes fills in `scale` and `zero_point`, and clears both where it writes
 * floats. Of what a call reads, a scale of 0 means that it is not stated; any other must be that of
 * the codes that are expected. For elements that are no codes these members mean nothing. Files
 * (checkpoint.h) do not store them.
 *
 * Zero-initialize a tensor, then set data, shape, ndim and dtype.
 * @since 0.1
 */
typedef struct nncf_tensor {
    /** first element */
    void *data;
    /** ndim sizes */
    const int64_t *shape;
    /** in elements; NULL = C order; layers take every order without gaps, snapshots only that */
    const int64_t *strides;
    /** length of shape */
    int32_t ndim;
    /** NNCF_F32 ... */
    nncf_dtype dtype;
    /** of codes: one for the tensor; 0: not stated, or no codes */
    float scale;
    /** of codes: the code of the value 0 */
    int32_t zero_point;
    /** of codes: shape[axis] scales in place of the one above; nullable; no layer takes them yet */
    const float *scales;
    /** as many zero points; NULL: all 0 */
    const int32_t *zero_points;
    /** dimension of scales and zero_points */
    int32_t axis;
    /** must be 0: memory of the CPU */
    int32_t device;
    /** must be 0 */
    uint64_t reserved[2];
} nncf_tensor;

NNCF_END_DECLS
#endif
