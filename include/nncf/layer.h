/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file layer.h
 * @brief Running a registered layer: the library's compressed forward and backward, or its parts
 * for a host with kernels of its own.
 *
 * A layer computes, in this order: input quantizer (only where it reads the model's input),
 * convolution or product with the compressed weight (sparsity mask first, then fake-quantize),
 * bias, batch norm, activation, output quantizer. A sum may have a quantizer in front of its
 * activation, too. nncf_plan_create() lists which of them exist. Without a controller it computes
 * the plain layer.
 *
 * Where input and weight are both quantized to at most 8 bits, the sums are those of the integer
 * codes, exactly: what is simulated is, product by product, what an int8 engine computes.
 *
 * Memory: the first call with a new shape allocates workspace, which belongs to the layer or
 * context; later calls with the same or smaller shapes allocate nothing.
 *
 * Errors: `err` names the layer (`where` is its scope), the tensor, its shape or type and the one
 * that is wanted.
 *
 * Threads: one thread at a time for a model and everything that belongs to it; the call itself runs
 * on the context's threads. The results do not depend on how many there are. Threads of the host
 * that work on parts of a batch have a replica of the model each (parallel.h).
 */
#ifndef NNCF_LAYER_H
#define NNCF_LAYER_H

#include <nncf/base.h>
#include <nncf/tensor.h>

NNCF_BEGIN_DECLS

/** A registered layer, owned by its model. Opaque. @since 0.1 */
typedef struct nncf_layer nncf_layer;

/** Kind of operator: one of NNCF_OP_.... @since 0.1 */
typedef int32_t nncf_op_kind;
/**
 * Kinds of operators. Those that the library runs itself have a registration of their own
 * (nncf_model_add_conv2d() and so on); nncf_model_add_op() takes all of them. In brackets: what
 * NNCF calls the operator in scopes. @since 0.1
 */
enum {
    /** something that quantizers pass by; named by its scope */
    NNCF_OP_OTHER = 0,
    /** an input of the model, for several layers that read it [nncf_model_input] */
    NNCF_OP_INPUT = 1,
    /** weight (out, in / groups, k) [conv1d] */
    NNCF_OP_CONV1D = 2,
    /** weight (out, in / groups, kh, kw) [conv2d] */
    NNCF_OP_CONV2D = 3,
    /** weight (out, in / groups, kd, kh, kw) [conv3d] */
    NNCF_OP_CONV3D = 4,
    /** weight (in, out / groups, k) [conv_transpose1d] */
    NNCF_OP_CONV_TRANSPOSE1D = 5,
    /** weight (in, out / groups, kh, kw) [conv_transpose2d] */
    NNCF_OP_CONV_TRANSPOSE2D = 6,
    /** weight (in, out / groups, kd, kh, kw) [conv_transpose3d] */
    NNCF_OP_CONV_TRANSPOSE3D = 7,
    /** weight (out, in) [linear] */
    NNCF_OP_LINEAR = 8,
    /**
     * a linear operator whose weight (out, in) belongs to no module: NNCF treats that weight as an
     * activation. Leave it out if it comes from a second input [linear]
     */
    NNCF_OP_FUNCTIONAL_LINEAR = 9,
    /** weight (words, size) [embedding] */
    NNCF_OP_EMBEDDING = 10,
    /** [batch_norm] */
    NNCF_OP_BATCH_NORM = 11,
    /** [layer_norm] */
    NNCF_OP_LAYER_NORM = 12,
    /** [RELU] */
    NNCF_OP_RELU = 13,
    /** [hardtanh] */
    NNCF_OP_RELU6 = 14,
    /** x relu6(x + 3) / 6; NNCF sees its parts; here a quantizer may only follow it */
    NNCF_OP_HSWISH = 15,
    /** [sigmoid] */
    NNCF_OP_SIGMOID = 16,
    /** [tanh] */
    NNCF_OP_TANH = 17,
    /** [gelu] */
    NNCF_OP_GELU = 18,
    /** [elu] */
    NNCF_OP_ELU = 19,
    /** [prelu] */
    NNCF_OP_PRELU = 20,
    /** [softmax] */
    NNCF_OP_SOFTMAX = 21,
    /** + [__add__, __iadd__]; by the scope [add] it is torch.add, which pattern mode passes by */
    NNCF_OP_ADD = 22,
    /** [__sub__] */
    NNCF_OP_SUB = 23,
    /** [__mul__, __rmul__, __imul__; mul] */
    NNCF_OP_MUL = 24,
    /** [__truediv__] */
    NNCF_OP_DIV = 25,
    /** matmul and bmm [matmul] */
    NNCF_OP_MATMUL = 26,
    /** along the channels unless `channels` says more [cat] */
    NNCF_OP_CONCAT = 27,
    /** [mean] */
    NNCF_OP_MEAN = 28,
    /** [max_pool2d] */
    NNCF_OP_MAX_POOL = 29,
    /** [avg_pool2d] */
    NNCF_OP_AVERAGE_POOL = 30,
    /** to a given size, 1 x 1 included [adaptive_avg_pool2d] */
    NNCF_OP_ADAPTIVE_AVERAGE_POOL = 31,
    /** [flatten] */
    NNCF_OP_FLATTEN = 32,
    /** view and reshape [view] */
    NNCF_OP_RESHAPE = 33,
    /** transpose and permute [transpose] */
    NNCF_OP_TRANSPOSE = 34,
    /** [pad] */
    NNCF_OP_PAD = 35,
    /** [dropout] */
    NNCF_OP_DROPOUT = 36,
    /** bilinear, or nearest by NNCF_OP_FLAG_NEAREST; register others as NNCF_OP_OPAQUE
     * [interpolate] */
    NNCF_OP_INTERPOLATE = 37,
    /**
     * changes values in a way that the library does not know (an attention of the host's, in one
     * piece): quantizers stop before it and start after it; named by its scope
     */
    NNCF_OP_OPAQUE = 38,
    /** [leaky_relu] */
    NNCF_OP_LEAKY_RELU = 39,
    /** x sigmoid(x) [silu] */
    NNCF_OP_SILU = 40,
    /** [mish] */
    NNCF_OP_MISH = 41,
    /** [hardsigmoid] */
    NNCF_OP_HARD_SIGMOID = 42,
    /** its groups are `groups` [group_norm] */
    NNCF_OP_GROUP_NORM = 43,
    /** a weight alone: nncf_model_add_weight() */
    NNCF_OP_WEIGHT = 60,
    /** a quantizer of activations alone: nncf_model_add_quantizer() */
    NNCF_OP_QUANTIZER = 61,
    NNCF_OP_SENTINEL = 0x7fffffff
};

/**
 * @brief NNCF_OP_... of a layer, however it was registered; -1 for NULL.
 * @param layer nullable
 * @return NNCF_OP_...; -1 for NULL
 * @since 0.1
 */
NNCF_API nncf_op_kind nncf_layer_get_op(const nncf_layer *layer);
/**
 * @brief Number of layers that feed this one; 0 for NULL.
 * @param layer nullable
 * @return the number; 0 for NULL
 * @since 0.1
 */
NNCF_API size_t nncf_layer_get_input_count(const nncf_layer *layer);
/**
 * @brief The layer that feeds input `index`; NULL past the end. Borrowed.
 * @param layer nullable
 * @param index counted from 0
 * @return borrowed; NULL past the end
 * @since 0.1
 */
NNCF_API nncf_layer *nncf_layer_get_input(const nncf_layer *layer, size_t index);
/**
 * @brief Scope of a layer; borrowed; NULL for NULL.
 * @param layer nullable
 * @return borrowed; NULL for NULL
 * @since 0.1
 */
NNCF_API const char *nncf_layer_get_scope(const nncf_layer *layer);

/**
 * @brief Shape of a layer's output for inputs of the given shapes.
 * @param layer the layer
 * @param x the inputs, as in nncf_layer_forward(); only ndim and shape are read
 * @param n_x length of x
 * @param[out] shape the sizes
 * @param capacity length of shape; NNCF_MAX_NDIM is always enough
 * @param[out] ndim how many sizes there are; also set when capacity is too small
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_SHAPE an input does not fit the layer; NNCF_E_BUFFER capacity is too
 * small; NNCF_E_UNSUPPORTED the host runs it (nncf_model_add_op()); NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_layer_get_output_shape(const nncf_layer *layer, const nncf_tensor *x,
    size_t n_x, int64_t *shape, size_t capacity, int32_t *ndim, nncf_error *err);

/**
 * @brief Element type of the codes that a layer can write as its output now.
 *
 * The output of a block that ends in a quantizer can be stored as 8-bit codes (code x scale): a
 * quarter of the bytes, and faster for the next layer to read. NNCF_U8 or NNCF_S8: the layer has an
 * initialized output quantizer of one range for the tensor and at most 8 bits, or it is a max pool
 * whose input is such codes; y of nncf_layer_forward() may be of this type then. NNCF_F32: no codes
 * available (no such quantizer, or ranges are being initialized). Float output is always allowed.
 * Outputs and gradients are the same bits either way.
 *
 * The values of the codes are (code - zero point) * scale, with the members of y that
 * nncf_layer_forward() fills in; the zero point is 0 except for asymmetric quantizers, whose lowest
 * code is stored as 0. Layers that were registered with this one among their inputs read codes:
 * pass them unchanged. Scale and zero point move with training. The result changes only when a
 * controller is created, destroyed or restored from a snapshot, and with initialization: query it
 * again after these.
 *
 * A NaN has no code: it becomes the highest one, here and in a layer's own quantized input.
 * @param layer nullable
 * @return NNCF_U8, NNCF_S8 or NNCF_F32; NNCF_F32 for NULL
 * @since 0.1
 */
NNCF_API nncf_dtype nncf_layer_get_output_dtype(const nncf_layer *layer);

/**
 * @brief Forward.
 * @param layer the layer
 * @param x the inputs: an array of n_x tensors, each of floats or of the codes that the feeding
 * layer wrote. Where edges were registered it must be what the feeding layer wrote: its values are
 * taken as multiples of that layer's quantizer step, so nothing (dropout, a scale) may change them
 * in between; where the weight is quantized, too, other values are rounded to codes without notice.
 * A host that changes them registers the reading layer without inputs
 * @param n_x length of x: 2 for a sum, product or matrix product, as many as were registered for a
 * concatenation, else 1
 * @param[out] y the output, of the shape that nncf_layer_get_output_shape() returns, floats or
 * codes of the type that nncf_layer_get_output_dtype() returns; must not overlap x. Its scale and
 * zero_point are written, too
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_SHAPE, also for batch norm in train mode over one value a channel, which
 * has no variance; NNCF_E_DTYPE: x or y is neither floats nor of the codes' type: no registered
 * layer with an initialized quantizer feeds this one, ranges are being initialized, their sign has
 * changed, or codes are requested from a max pool that reads floats; NNCF_E_UNSUPPORTED the host
 * runs this layer; NNCF_E_ARG (also: n_x, codes with another scale than the feeding layer's, or a
 * token id that is no row of the weight); NNCF_E_NOMEM (only at a new shape): y is untouched, but a
 * forward is needed before the next backward
 * @since 0.1
 */
NNCF_API nncf_status nncf_layer_forward(
    nncf_layer *layer, const nncf_tensor *x, size_t n_x, nncf_tensor *y, nncf_error *err);

/**
 * @brief Backward of the last forward in train mode or tune mode.
 *
 * A layer keeps the state of one call, and its backward uses it up. A layer that is used twice in a
 * step has a state for each use (nncf_layer_set_uses()), or runs forward and backward of one use
 * before those of the other; otherwise forward, forward, backward, backward is refused, as is a
 * backward without a forward of its own, or with another x. To distinguish one x from another a few
 * of its elements are compared (all of them after two forwards in a row): a change of single
 * elements may go unnoticed, and gives wrong gradients. (Layers that keep nothing of a call allow
 * any order and do not compare x: sums, activations, convolutions and linear layers with neither
 * batch norm, activation, output quantizer nor own input quantizer, and all other layers without an
 * output quantizer.) Where a weight is masked at random, nncf_compression_ctrl_step() must not come
 * between forward and backward.
 *
 * Adds to the registered gradient buffers and to those of nncf_compression_ctrl_get_parameter();
 * writes dx. nncf_layer_set_gradient_flags() has the opposite of either.
 * @param layer the layer
 * @param x the same inputs, with the same contents and types, as in forward
 * @param n_x length of x
 * @param[in,out] dy gradient of the loss for y, in floats; its contents are undefined afterwards
 * (it is used as workspace)
 * @param[out] dx an array of n_x tensors of floats that receive the gradients for x; NULL if they
 * are not needed; must not overlap dy nor x, nor each other, but those that are added may be one
 * array for inputs of one shape (x + x), which then gets the sum; those of nncf_model_add_sum() are
 * alike, and where they are written (not added) may be one array, which may be dy itself: then a
 * sum without activation and output quantizer has nothing to do
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_STATE there was no forward in this mode before, or its state is used up
 * or another call's, or the model is in eval mode or being initialized now: nothing is touched;
 * NNCF_E_SHAPE; NNCF_E_DTYPE; NNCF_E_UNSUPPORTED the host runs this layer; NNCF_E_ARG; NNCF_E_NOMEM
 * (only at a new shape): gradients are unchanged but dy is clobbered: rerun forward
 * @since 0.1
 */
NNCF_API nncf_status nncf_layer_backward(nncf_layer *layer, const nncf_tensor *x, size_t n_x,
    nncf_tensor *dy, nncf_tensor *dx, nncf_error *err);

/** Set of NNCF_GRADIENT_...: what a host's backward does otherwise than usual. @since 0.1 */
typedef int32_t nncf_gradient_flags;
/** Bits of nncf_gradient_flags. @since 0.1 */
enum {
    /**
     * dx is added to, as in autodiff programs whose tensors collect the gradients of all readers:
     * of nncf_layer_backward(), and of the ..._quantize_..._backward() unless dx is dy. Takes a
     * buffer of the size of dx
     */
    NNCF_GRADIENT_ADD_DX = 1,
    /**
     * backward writes the registered gradients of weight, bias and norms instead of adding to them:
     * the caller need not clear them, and the last of several backwards counts. Those of
     * nncf_compression_ctrl_get_parameter() are added to all the same
     */
    NNCF_GRADIENT_WRITE_PARAMETERS = 2,
    NNCF_GRADIENT_SENTINEL = 0x7fffffff
};
/**
 * @brief How backward of a layer stores gradients, from the next call on.
 *
 * May be changed between any two calls: a host whose first reader of a tensor writes the gradient
 * and whose others add to it sets it before each.
 * @param layer the layer
 * @param flags NNCF_GRADIENT_... or-ed; default 0
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_UNSUPPORTED gradients of a tied weight would be written
 * @since 0.1
 */
NNCF_API nncf_status nncf_layer_set_gradient_flags(
    nncf_layer *layer, nncf_gradient_flags flags, nncf_error *err);

/** Order of a weight in memory: one of NNCF_WEIGHT_.... @since 0.1 */
typedef int32_t nncf_weight_order;
/**
 * Orders, from the outermost size to the innermost. K and C are the first and the second size that
 * the weight was registered with, R S those of the window (which has 1 to 3). @since 0.1
 */
enum {
    /** (out, in, height, width); of a linear layer (out, in) */
    NNCF_WEIGHT_KCRS = 0,
    /** (height, width, in, out), as TensorFlow; of a linear layer (in, out) */
    NNCF_WEIGHT_RSCK = 1,
    /** (out, height, width, in), as TensorFlow Lite; of a linear layer (out, in) */
    NNCF_WEIGHT_KRSC = 2,
    NNCF_WEIGHT_SENTINEL = 0x7fffffff
};
/** @brief How the host keeps a weight and its gradient. @since 0.1 */
typedef struct nncf_weight_layout_params {
    /** NNCF_PARAMS(nncf_weight_layout_params) */
    size_t struct_size;
    /** NNCF_WEIGHT_... */
    nncf_weight_order order;
    /** 1: windows are turned by 180 degrees, as those of a convolution in the sense of mathematics
     */
    int32_t turned;
    /**
     * elements from one index of the outermost size to the next, at least as many as belong to one
     * index; 0: no gaps. What lies in the gaps (a bias as the last column) is left alone
     */
    int64_t row_stride;
} nncf_weight_layout_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_weight_layout_params_init(nncf_weight_layout_params *params, size_t struct_size);
/**
 * @brief Say that the registered weight and its gradient lie in another order than
 * (out, in, height, width).
 *
 * The library keeps copies in its own order: every call that reads the weight copies it first, and
 * a backward copies its gradient out and back, so that all results have the bits of the plain
 * order. This call allocates the copies; nncf_model_get_memory() counts them as weights. Weights of
 * nncf_layer_compress_weight() and gradients of its backward are in the host's order, with its
 * gaps. Statistics, files and exports have the order that was registered. In a snapshot masks have
 * that order, too: nncf_checkpoint_load_weights() does not apply them to the host's tensors.
 * @param layer a layer with a weight, of any kind
 * @param params nullable: the plain order
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_UNSUPPORTED a tied weight; NNCF_E_STATE the model has a
 * controller; NNCF_E_LIMIT; NNCF_E_NOMEM.
 * The layer is then as before
 * @since 0.1
 */
NNCF_API nncf_status nncf_layer_set_weight_layout(
    nncf_layer *layer, const nncf_weight_layout_params *params, nncf_error *err);

/**
 * @brief How often a layer runs in a step, if more than once: in a siamese network, an unrolled
 * recurrent one, or for gradients of both readers of a tied weight.
 *
 * Each use keeps what its own forward left for its backward, so that forwards and backwards of
 * different uses may come in any order. Mask, quantizers, batch norm and gradient buffers are the
 * layer's: gradients of all uses are added to them. What forwards kept is dropped, and use 0 is
 * selected. nncf_model_get_memory() counts all uses, with the shape that it is given.
 * @param layer the layer
 * @param n 1 (default) to 65536
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_LIMIT; NNCF_E_NOMEM. The layer is then as before
 * @since 0.1
 */
NNCF_API nncf_status nncf_layer_set_uses(nncf_layer *layer, size_t n, nncf_error *err);
/**
 * @brief Select the use that nncf_layer_forward() and nncf_layer_backward() of this layer run from
 * now on. Exchanges a few pointers.
 * @param layer the layer
 * @param use 0 to n - 1
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_layer_select_use(nncf_layer *layer, size_t use, nncf_error *err);

/**
 * @name For the optimizer of the host
 * A weight has gradient 0 while its mask is 0, always once masks are frozen: the momentum or the
 * mean square that an optimizer keeps for it is multiplied by its factor in each step until it is a
 * subnormal number, with which x86 calculates many times slower, and 0.9 times the smallest of them
 * is rounded to itself. Set nncf_flush_denormals() around the optimizer's loop, or clear what
 * belongs to masked weights (nncf_layer_clear_masked()) when masks change
 * (nncf_compression_ctrl_set_mask_callback()).
 * @{
 */

/**
 * @brief Which weights the mask keeps in eval mode (and in train mode for masks that are not
 * random), in the order of the registered shape.
 * @param layer the layer
 * @param[out] bits bit i % 8 of byte i / 8 is 1 where weight i is kept; the bits past the last
 * weight are 0
 * @param n_bytes length of bits: (weights + 7) / 8
 * @param[out] err nullable
 * @return NNCF_OK, also without a mask: all are kept; NNCF_E_ARG (also: the layer has no weight);
 * NNCF_E_BUFFER n_bytes is too small
 * @since 0.1
 */
NNCF_API nncf_status nncf_layer_get_mask(
    const nncf_layer *layer, uint8_t *bits, size_t n_bytes, nncf_error *err);
/**
 * @brief Clear the values of weights that the mask does not keep: of a momentum, or a mean square,
 * that an optimizer has for each weight.
 * @param layer the layer
 * @param[in,out] values one for each weight, as the weight itself lies
 * (nncf_layer_set_weight_layout())
 * @param[out] err nullable
 * @return NNCF_OK, also without a mask; NNCF_E_ARG (also: the layer has no weight)
 * @since 0.1
 */
NNCF_API nncf_status nncf_layer_clear_masked(
    const nncf_layer *layer, float *values, nncf_error *err);
/**
 * @brief Whether the calling thread takes subnormal numbers for 0, in results and in operands
 * (x86: FTZ and DAZ of MXCSR; AArch64: FZ of FPCR).
 *
 * Other threads keep what they have, those of the library's pool too. So switch it off before
 * calling the library: while it is on, subnormal results could depend on the number of threads.
 * @param on 1 or 0
 * @return how it was before, 1 or 0; -1: this CPU (an emulated one, as valgrind's, among them) or
 * compiler has no such switch, nothing was changed
 * @par Threads any; each has its own.
 * @since 0.1
 */
NNCF_API int32_t nncf_flush_denormals(int32_t on);
/** @} */

/**
 * @name Bring your own kernels
 * For a host that runs its own convolution: it gets the compressed weight and the fake-quantized
 * activations, and returns their gradients. Layers used this way may be registered without batch
 * norm and activation: the host runs those too, and calls nncf_layer_quantize_output() where the
 * layer's block ends. For an export they are registered, in the layer or as operators after it.
 * @{
 */

/**
 * @brief The weight as it is used in this step: mask applied, then fake-quantized. Computed again
 * by every call; in train mode an RB mask is sampled for the present step, so that two calls in one
 * step give the same weight.
 * @param layer the layer
 * @param[out] weight as many floats as the registered weight, the same layout (with
 * nncf_layer_set_weight_layout() that one)
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG (also: the layer has no weight); NNCF_E_NOMEM
 * @since 0.1
 */
NNCF_API nncf_status nncf_layer_compress_weight(nncf_layer *layer, float *weight, nncf_error *err);

/**
 * @brief Backward of nncf_layer_compress_weight() in the same step: adds to the registered weight
 * gradient (nncf_layer_set_gradient_flags()) and to the gradients of mask logits and quantizer
 * scale.
 * @param layer the layer
 * @param grad gradient of the loss for the compressed weight
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_STATE: with rb_sparsity, the weight was not requested in this step and
 * mode, so the mask differs; NNCF_E_ARG; NNCF_E_NOMEM
 * @since 0.1
 */
NNCF_API nncf_status nncf_layer_compress_weight_backward(
    nncf_layer *layer, const float *grad, nncf_error *err);

/**
 * @brief Fake-quantize the layer's input or output; without such a quantizer a copy. During
 * initialization: observe, copy.
 * @param layer the layer
 * @param x floats. With a quantizer per channel the second dimension is the channel. Else any
 * layout will do, but the elements of an input must be a multiple of the channels that the layer
 * reads
 * @param[out] y floats of the same shape; may be x
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_SHAPE; NNCF_E_DTYPE
 * @since 0.1
 */
NNCF_API nncf_status nncf_layer_quantize_input(
    nncf_layer *layer, const nncf_tensor *x, nncf_tensor *y, nncf_error *err);
/** @copydoc nncf_layer_quantize_input */
NNCF_API nncf_status nncf_layer_quantize_output(
    nncf_layer *layer, const nncf_tensor *x, nncf_tensor *y, nncf_error *err);

/**
 * @brief Backward of the two above: dx from dy, and the gradient of the quantizer's scale is added
 * to.
 * @param layer the layer
 * @param x what was quantized (before the quantizer)
 * @param dy gradient of the loss for the output of the quantizer
 * @param[out] dx may be dy; written, or added to (NNCF_GRADIENT_ADD_DX) where it is not dy
 * @param[out] err nullable
 * @return as nncf_layer_quantize_input(); NNCF_E_NOMEM (only where dx is added to): nothing is
 * touched
 * @since 0.1
 */
NNCF_API nncf_status nncf_layer_quantize_input_backward(nncf_layer *layer, const nncf_tensor *x,
    const nncf_tensor *dy, nncf_tensor *dx, nncf_error *err);
/** @copydoc nncf_layer_quantize_input_backward */
NNCF_API nncf_status nncf_layer_quantize_output_backward(nncf_layer *layer, const nncf_tensor *x,
    const nncf_tensor *dy, nncf_tensor *dx, nncf_error *err);
/** @} */

NNCF_END_DECLS
#endif
