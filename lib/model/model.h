/* SPDX-License-Identifier: Apache-2.0 */
/* Registered layers, their edges and scopes. Buffers of the caller are borrowed, work space belongs to the layer. */
#ifndef NNCF__MODEL_H
#define NNCF__MODEL_H

#include "base/base.h"
#include "base/regex.h"

#include <nncf/model.h>
#include <nncf/tensor.h>

enum nncf__layer_kind {
    NNCF__CONV2D = 1,
    NNCF__LINEAR,
    NNCF__ADD,
    NNCF__POOL2D,
    NNCF__OPERATOR /* run by the host; nncf_layer.op says what it is */
};

/* ---- ops.c ---- */

enum { NNCF__OP_COUNT = NNCF_OP_INTERPOLATE + 1 };
enum { NNCF__MAX_WEIGHT_NDIM = 5 }; /* of a 3-d convolution */
#define NNCF__ANY_INPUTS ((size_t)-1)
typedef struct nncf__op_info {
    const char *name; /* in NNCF's scopes */
    size_t max_inputs;
    int32_t min_weight_ndim, max_weight_ndim; /* 0, 0: it has no weight */
    int32_t weight_axis;                      /* of the output channels */
} nncf__op_info;
const nncf__op_info *nncf__op_info_of(int32_t op); /* NULL: there is no such kind */
/* Is the last element of a scope an operator, "RELU_1"? Where its name begins, plus 1, and its length; 0: no. */
size_t nncf__scope_operator(const char *scope, size_t *length);
/* How many bytes of a scope come before the slash of its last element; 0: it has one element. */
size_t nncf__scope_parent(const char *scope);

/* What the host says of an operator that it runs itself, for export. */
typedef struct nncf__op_attributes {
    int32_t kernel[3], stride[3], padding[3], output_padding[3], dilation[3];
    int32_t axis;
    float alpha;
} nncf__op_attributes;

/* A growable buffer of a layer; see nncf__grow(). */
typedef struct nncf__buffer {
    void *data;
    size_t capacity; /* bytes */
} nncf__buffer;

struct nncf__layer_compression; /* compression/compression.h */

struct nncf_layer {
    nncf_model *model;
    size_t index;
    char *scope;
    int32_t kind; /* nncf__layer_kind */
    int32_t op;   /* NNCF_OP_... */
    int32_t activation;
    char *norm_scope, *activation_scope; /* nullable */

    /* conv2d and linear (kernel 1x1, stride 1, no padding, one group) */
    float *weight, *weight_grad, *bias, *bias_grad;
    int64_t in_channels, out_channels, groups;
    int64_t kernel[2], stride[2], padding[2], dilation[2]; /* pool2d uses the first three too */
    int64_t weight_shape[NNCF__MAX_WEIGHT_NDIM];
    int32_t weight_ndim; /* 0: no weight */
    int32_t weight_axis; /* of the output channels: 0, of a transposed convolution 1 */
    size_t weight_count; /* 0: no weight */
    bool has_batch_norm;
    nncf_batch_norm_params batch_norm; /* eps and momentum resolved */

    int32_t pool_kind;
    nncf__op_attributes attributes; /* NNCF__OPERATOR */

    nncf_layer **inputs;
    size_t n_inputs;
    size_t n_consumers; /* registered layers that read this one */

    struct nncf__layer_compression *compression; /* NULL: plain */

    /* Work space, filled by layer/. */
    nncf__buffer wq;         /* compressed weight */
    nncf__buffer xq;         /* quantized own input, codes or floats */
    nncf__buffer z;          /* product before batch norm, kept for backward */
    nncf__buffer channel;    /* per-channel constants */
    bool ready_for_backward; /* forward ran in train mode with the shape below */
    int64_t batch_shape[4];  /* (n, c, h, w) of that forward's input */
    struct {
        uint64_t mark;     /* of that input's elements: all of them, or some */
        bool whole, spent; /* spent: backward ran */
    } state;
};

struct nncf_model {
    nncf_context *context;
    bool owns_context;
    nncf_layer **layers;
    size_t n_layers, layers_capacity;
    int32_t mode;                       /* NNCF_MODE_... */
    struct nncf_compression_ctrl *ctrl; /* attached controller */
    nncf__buffer work, dw;              /* shared by the layers within one call; dw: gradient of a compressed weight */
};

/* model.c: free a layer that is in no model's list (any more). NULL is fine. */
void nncf__layer_free(nncf_context *context, nncf_layer *layer);

/* ---- scope.c ---- */

enum { NNCF__RELEASE_1_1 = 10100 }; /* releases as major * 10000 + minor * 100 + patch */
/* A list of patterns, ready for use. All lists of a call share one budget. */
typedef struct nncf__scope_set {
    nncf_context *context;
    nncf__regex_work *work; /* borrowed */
    int32_t release;
    bool exact;               /* the rule of 2.0 and later */
    const char *const *items; /* borrowed */
    nncf__regex **regexes;
    size_t count;
} nncf__scope_set;
/* NNCF_E_CONFIG: a bad regular expression, NNCF_E_LIMIT: too many of them; `where` names the list. */
nncf_status nncf__scope_set_make(nncf__scope_set *set, nncf_context *context, nncf__regex_work *work, int32_t release,
                                 bool exact, const char *const *items, size_t count, const char *where,
                                 nncf_error *err);
void nncf__scope_set_free(nncf__scope_set *set); /* a zeroed one is fine */
/* Does a pattern match? 1, 0, NNCF__REGEX_LIMIT (the budget is used up) or NNCF__REGEX_NOMEM. *which (nullable) is the
 * index, unless 0. */
int nncf__scope_set_matches(const nncf__scope_set *set, const char *scope, size_t *which);
int nncf__scope_set_matches_one(const nncf__scope_set *set, size_t i, const char *scope);
/* Does that release wrap modules of this class ("Conv2d" becomes "NNCFConv2d")? */
bool nncf__scope_class_wrapped(const char *class_name, size_t length, int32_t release);
/* The registered layer whose scope is nearest to `pattern` by edit distance, for messages; NULL when nothing is near.
 */
const nncf_layer *nncf__model_nearest(const nncf_model *model, const char *pattern);
/* Called by nncf_model_destroy() for an attached controller. Defined in compression/. */
void nncf__ctrl_detach(struct nncf_compression_ctrl *ctrl);

#endif
