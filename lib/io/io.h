/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots on the published safetensors format: 8 bytes little-endian header length, a JSON object, the data without
 * holes. For this folder and export/, which writes its file and folds batch norm through it; the rest of the world
 * calls include/nncf/checkpoint.h and strip.h.
 */
#ifndef NNCF__IO_H
#define NNCF__IO_H

#include "base/base.h"
#include "compression/compression.h"

#include <nncf/checkpoint.h>

/* Limits of the format: the header's length is the published reader's. */
enum { NNCF__HEADER_LIMIT = 100000000, NNCF__NAME_LIMIT = 1024, NNCF__FORMAT_VERSION = 1 };

/* The header of our own files begins with this text, so that the place of its checksum is known: 8 hex digits, over the
 * length and the header with zeros in their place. */
#define NNCF__CHECKSUM_PREFIX "{\"__metadata__\":{\"nncf.header_crc32c\":\""
enum { NNCF__CHECKSUM_AT = sizeof NNCF__CHECKSUM_PREFIX - 1, NNCF__HEX = 8, NNCF__ALIGNMENT = 8 };

typedef struct nncf__entry {
    char *name;
    int32_t dtype;    /* NNCF_F32 ..., or -1: a type that nncf_tensor does not have */
    const char *type; /* its name in the format, static */
    uint32_t bits;    /* of an element */
    bool is_mask;     /* a mask of the snapshot's controller */
    size_t ndim;
    int64_t *shape;      /* [ndim], borrowed */
    uint64_t begin, end; /* in the data */
    const void *data;    /* 8-byte aligned */
} nncf__entry;

typedef struct nncf__pair {
    char *key, *value;
} nncf__pair;

struct nncf_checkpoint {
    nncf_context *context;
    bool owns_context;
    char *path;           /* of the file, or what stands for it in messages */
    nncf__entry *entries; /* in the order of their data */
    size_t n_entries;
    size_t *by_name;   /* indices of entries, sorted by name */
    nncf__pair *texts; /* in the order of the file */
    size_t n_texts;
    size_t *by_key;   /* indices of texts, sorted by key */
    char *header;     /* the length's 8 bytes and the text; names, keys and values lie in it */
    int64_t *dims;    /* all shapes, one after the other */
    int32_t sparsity; /* nncf__algorithm_kind of the algorithm that it was made with; 0: none */
    void *data;       /* the tensors, each at a multiple of NNCF__ALIGNMENT */
};

/* ---- header.c ---- */

/* Fill entries, dims, texts and by_key from the `length` bytes of checkpoint->header behind the first 8, in their own
 * order. Types, shapes, sizes and offsets are checked one by one; how the entries lie together is not. Names and texts
 * are made C strings in place. On failure what was filled in is for nncf_checkpoint_close(). */
nncf_status nncf__header_parse(nncf_checkpoint *checkpoint, size_t length, uint64_t data_size, nncf_error *err);
/* Name of an element type in the format; NULL: none. */
const char *nncf__dtype_name(int32_t dtype);
/* Bytes of an element; 0: not a type. */
size_t nncf__dtype_size(int32_t dtype);

/* ---- differ.c ---- */

/* Append a line "path is VALUE here, VALUE in the snapshot" for each place where two canonical configs differ, but no
 * more than NNCF__MOST_DIFFERENCES and then how many more; how many there are. The second text comes from a file and
 * may be anything. NNCF_E_NOMEM. */
enum { NNCF__MOST_DIFFERENCES = 64 };
nncf_status nncf__config_differences(const char *ours, const char *theirs, nncf__text *lines, size_t *count);

/* ---- crc32c.c: CRC-32C (Castagnoli, reflected 0x82f63b78); start with 0 ---- */

uint32_t nncf__crc32c(uint32_t crc, const void *data, size_t size);

/* ---- sha256.c: FIPS 180-4; 64 hex digits and a NUL ---- */

enum { NNCF__DIGEST_TEXT = 65 };
void nncf__sha256_text(const void *data, size_t size, char hex[NNCF__DIGEST_TEXT]);

/* ---- file.c ---- */

typedef struct nncf__file_piece {
    const void *data;
    size_t size;
} nncf__file_piece;
/* Write the pieces one after another to a temporary file beside `path`, fsync, rename, fsync of the folder. */
nncf_status nncf__file_replace(nncf_context *context, const char *path, const nncf__file_piece *pieces, size_t n_pieces,
                               nncf_error *err);
/* The same; what was at `path` before (if anything) is then at `path` NNCF__PREVIOUS. At no moment is there no file at
 * `path`. */
#define NNCF__PREVIOUS ".previous"
nncf_status nncf__file_replace_keeping(nncf_context *context, const char *path, const nncf__file_piece *pieces,
                                       size_t n_pieces, nncf_error *err);
/* The same for content that is made while it is written: fill hands it to nncf__file_put(). Both are false when writing
 * failed, with the reason in errno. */
typedef struct nncf__file_sink {
    int fd;
} nncf__file_sink;
typedef bool nncf__file_fill(void *user, nncf__file_sink *sink);
bool nncf__file_put(nncf__file_sink *sink, const void *data, size_t size);
nncf_status nncf__file_replace_by(nncf_context *context, const char *path, nncf__file_fill *fill, void *user,
                                  nncf_error *err);
/* Open a regular file for reading; *size is its length. */
nncf_status nncf__file_open(const char *path, int *fd, uint64_t *size, nncf_error *err);

/* Where a snapshot is read from: a file, or the caller's callback. */
typedef struct nncf__source {
    const char *name; /* for messages */
    int fd;
    int64_t (*read)(void *user, void *data, size_t size); /* NULL: fd */
    void *user;
    uint64_t size; /* bytes that are there */
} nncf__source;
/* Read exactly `size` bytes; NNCF_E_FORMAT when the source ends before. */
nncf_status nncf__source_read(const nncf__source *source, void *data, size_t size, nncf_error *err);

/* ---- check.c: may a layer's numbers leave the library? ---- */

/* Does the layer normalize: behind its product, or as one that the host runs? */
bool nncf__has_norm(const nncf_layer *layer);
/* out = mask(weight) of eval mode for n elements from `begin`, a multiple of 8. */
void nncf__masked_weight(const nncf_layer *layer, size_t begin, size_t n, float *out);
/* Refuses, by name and index, a weight (that its mask keeps), bias or number of batch norm that is not finite, and a
 * running variance with which eval mode gives NaN. */
nncf_status nncf__check_numbers(const nncf_layer *layer, nncf_error *err);

/* ---- fold.c ---- */

/* What follows the product of a conv2d or linear layer in eval mode, bias and batch norm together:
 * y = activation(product * factor[c] + shift[c]); both [out_channels], in double. Without batch norm the factor is 1.
 * Folded into a weight, factor[c] multiplies row c: of a quantized one its step, so that the codes stay. Refused: a
 * channel whose factor or shift is not finite as a float. */
nncf_status nncf__fold_batch_norm(const nncf_layer *layer, double *factor, double *shift, nncf_error *err);

/* ---- lookup.c ---- */

/* Entries by the names that other programs give them. */
typedef struct nncf__lookup {
    const nncf_checkpoint *checkpoint;
    size_t *order[2]; /* entries sorted by the parts of their names: as they are, and with "pre_ops.N.op" mapped */
} nncf__lookup;
nncf_status nncf__lookup_make(nncf__lookup *lookup, const nncf_checkpoint *checkpoint);
void nncf__lookup_free(nncf__lookup *lookup);
/* The tensor that `name` means, the first of them in the file, or NULL; *count: how many bear that name. */
const nncf__entry *nncf__lookup_find(const nncf__lookup *lookup, const char *name, size_t *count);

/* ---- masks.c: sparsity masks in files ---- */

enum nncf__mask_form {
    NNCF__FORM_NONE = 0,
    NNCF__FORM_BITS,   /* of magnitude and const sparsity: a bit a weight */
    NNCF__FORM_LOGITS, /* of rb_sparsity */
    NNCF__FORM_BINARY, /* NNCF's own: a float a weight, 0 or 1 */
};
/* Mark the masks of the controller that a snapshot was made with. */
nncf_status nncf__masks_mark(nncf_checkpoint *checkpoint);
enum nncf__mask_form nncf__mask_form_of(const nncf__entry *entry);
bool nncf__mask_fits(enum nncf__mask_form form, const nncf__entry *mask, size_t count);
/* nncf__algorithm_kind of the sparsity algorithm that a snapshot was made with, by its config; 0: none. */
int32_t nncf__find_sparsity(const nncf_checkpoint *checkpoint);
/* The mask of each tensor. */
typedef struct nncf__masks {
    nncf_context *context;
    const nncf__entry **of; /* [n_entries]: NULL where there is none */
} nncf__masks;
nncf_status nncf__masks_find(nncf__masks *masks, const nncf_checkpoint *checkpoint, const nncf__lookup *lookup);
void nncf__masks_free(nncf__masks *masks);
/* As it acts in eval mode: a bit a weight; or on a weight of `count` elements of `size` bytes, zeros where it masks. */
void nncf__mask_to_bits(nncf_context *context, enum nncf__mask_form form, const nncf__entry *mask, size_t count,
                        uint8_t *bits);
void nncf__mask_apply(const nncf_checkpoint *checkpoint, const nncf__entry *mask, size_t count, size_t size,
                      void *weight);

/* ---- unstrip.c: weights of stripped models ---- */

typedef struct nncf__packed {
    const nncf__entry *weight;              /* NULL: this tensor is no weight of a layer */
    const nncf__entry *mask, *scale, *zero; /* nullable */
    int64_t shape[NNCF__MAX_WEIGHT_NDIM];
    size_t ndim, axis, channels, count;
    int64_t bits; /* 32: floats */
    bool is_signed, sparse;
} nncf__packed;
/* *packed: [n_entries], for nncf__free(); NULL where the file is not a stripped model. NNCF_E_FORMAT: it says what its
 * tensors are not. */
nncf_status nncf__packed_find(nncf__packed **packed, const nncf_checkpoint *checkpoint, nncf_error *err);
/* The floats that forward multiplies with in eval mode; [count]. */
void nncf__packed_unpack(const nncf__packed *packed, float *to);

/* ---- names.c ---- */

/* Sort indices 0..count-1 by less(); takes no memory. */
void nncf__sort_indices(size_t *indices, size_t count, bool (*less)(const void *arg, size_t a, size_t b),
                        const void *arg);
/* Decimal int64, nothing else in the text. */
bool nncf__parse_int64(const char *text, int64_t *value);

/* ---- save.c, open.c ---- */

/* A context for calls and objects that were given none: no threads of its own. */
nncf_status nncf__io_context(nncf_context **context, nncf_error *err);
const nncf__entry *nncf__checkpoint_find(const nncf_checkpoint *checkpoint, const char *name);
/* The tensor of that name among `count` in the order of `by_name`, or NULL. */
const nncf__entry *nncf__entry_find(const nncf__entry *entries, const size_t *by_name, size_t count, const char *name);
/* Every rule for a named tensor of the caller's, but for what its name may begin with. */
nncf_status nncf__io_check_tensor(const nncf_checkpoint_tensor *tensor, size_t index, nncf_error *err);
/* Do the tensors fit the snapshot? Then they may be filled. */
nncf_status nncf__checkpoint_verify(const nncf_checkpoint *checkpoint, const nncf_checkpoint_tensor *tensors,
                                    size_t n_tensors, nncf_error *err);
void nncf__checkpoint_copy(const nncf_checkpoint *checkpoint, const nncf_checkpoint_tensor *tensors, size_t n_tensors);

/* ---- state.c: what a controller is made of, as tensors and texts ---- */

/* Whole-number texts of a snapshot. */
enum nncf__counter {
    NNCF__EPOCH,
    NNCF__STEP,
    NNCF__FROZEN,
    NNCF__INIT_DONE,
    NNCF__SCHEDULE_EPOCH,
    NNCF__SCHEDULE_COUNT,
    NNCF__STEPPED,
    NNCF__ARRIVED,
    NNCF__SEED,
    NNCF__SCHEDULE_STEP, /* from here on: absent in the first snapshots, then 0 */
    NNCF__STEPS_PER_EPOCH,
    NNCF__BEGUN, /* bits: step_begun, epoch_begun, epoch_fresh */
    NNCF__N_COUNTERS
};
extern const char *const nncf__counter_names[NNCF__N_COUNTERS];

typedef struct nncf__state {
    nncf_context *context;
    nncf_checkpoint_tensor *tensors; /* views of the controller's arrays, and of levels and quantizers below */
    size_t n_tensors;
    char **names;                             /* those made here */
    int64_t (*shapes)[NNCF__MAX_WEIGHT_NDIM]; /* [n_tensors] */
    double levels[2];                         /* schedule level, magnitude threshold */
    int32_t *quantizers;                      /* [n_quantizers][2]: sign, initialized */
    size_t n_quantizers;
} nncf__state;
nncf_status nncf__state_make(const nncf_compression_ctrl *ctrl, nncf__state *state);
void nncf__state_free(nncf__state *state);
/* What a snapshot says of a controller beside its tensors; restore.c. */
typedef struct nncf__saved {
    int64_t counters[NNCF__N_COUNTERS];
    double levels[2];
} nncf__saved;
/* Without same_sparsity all but how far the sparsity algorithm had come. */
void nncf__saved_apply(const nncf__saved *saved, nncf_compression_ctrl *ctrl, bool same_sparsity);
/* Where within an epoch the snapshot was made: after nncf__ctrl_restored(). */
void nncf__saved_apply_moment(const nncf__saved *saved, nncf_compression_ctrl *ctrl);

/* adopt.c: the same for a snapshot of another config. */
nncf_status nncf__adopt(const nncf_checkpoint *checkpoint, nncf_compression_ctrl *ctrl, const nncf__saved *saved,
                        nncf_checkpoint_restore_report *report, nncf_error *err);

/* The texts, as members of __metadata__ with a comma in front of each. */
void nncf__state_texts(const nncf_compression_ctrl *ctrl, nncf__text *text);

#endif
