/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots on the published safetensors format: 8 bytes little-endian header length, a JSON
 * object, the data without holes. For this folder and export/, which writes its file and folds
 * batch norm through it; the rest of the world calls include/nncf/checkpoint.h and strip.h.
 */
#ifndef NNCF__FORMATS_SAFETENSORS_SAFETENSORS_H
#define NNCF__FORMATS_SAFETENSORS_SAFETENSORS_H

#include <nncf/checkpoint.h>
#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits of the format: the header's length is the published reader's. */
enum { NNCF__HEADER_LIMIT = 100000000, NNCF__NAME_LIMIT = 1024, NNCF__FORMAT_VERSION = 1 };

/* The header of our own files begins with this text, so that the place of its checksum is known: 8
 * hex digits, over the length and the header with zeros in their place. */
#define NNCF__CHECKSUM_PREFIX "{\"__metadata__\":{\"nncf.header_crc32c\":\""
enum { NNCF__CHECKSUM_AT = sizeof NNCF__CHECKSUM_PREFIX - 1, NNCF__HEX = 8, NNCF__ALIGNMENT = 8 };

typedef struct nncf__entry {
    char *name;
    /* NNCF_F32 ..., or -1: a type that nncf_tensor does not have */
    int32_t dtype;
    /* its name in the format, static */
    const char *type;
    /* of an element */
    uint32_t bits;
    /* a mask of the snapshot's controller */
    bool is_mask;
    /* and its bits are not in the order of the weight that the caller saved */
    bool is_reordered;
    size_t ndim;
    /* [ndim], borrowed */
    int64_t *shape;
    /* in the data */
    uint64_t begin, end;
    /* 8-byte aligned */
    const void *data;
} nncf__entry;

typedef struct nncf__pair {
    char *key, *value;
} nncf__pair;

struct nncf_checkpoint {
    nncf_context *context;
    bool owns_context;
    /* of the file, or what stands for it in messages */
    char *path;
    /* in the order of their data */
    nncf__entry *entries;
    size_t n_entries;
    /* indices of entries, sorted by name */
    size_t *by_name;
    /* in the order of the file */
    nncf__pair *texts;
    size_t n_texts;
    /* indices of texts, sorted by key */
    size_t *by_key;
    /* the length's 8 bytes and the text; names, keys and values lie in it */
    char *header;
    /* all shapes, one after the other */
    int64_t *dims;
    /* nncf__algorithm_kind of the algorithm that it was made with; 0: none */
    int32_t sparsity;
    /* the tensors, each at a multiple of NNCF__ALIGNMENT */
    void *data;
};

#endif
