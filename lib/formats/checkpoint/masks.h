/* SPDX-License-Identifier: Apache-2.0 */
/* Sparsity masks in files. */
#ifndef NNCF__FORMATS_CHECKPOINT_MASKS_H
#define NNCF__FORMATS_CHECKPOINT_MASKS_H

#include "formats/checkpoint/lookup.h"
#include "formats/safetensors/safetensors.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nncf__mask_form {
    NNCF__FORM_NONE = 0,
    /* of magnitude and const sparsity: a bit a weight */
    NNCF__FORM_BITS,
    /* of rb_sparsity */
    NNCF__FORM_LOGITS,
    /* NNCF's own: a float a weight, 0 or 1 */
    NNCF__FORM_BINARY,
};
/* Mark the masks of the controller that a snapshot was made with. */
nncf_status nncf__masks_mark(nncf_checkpoint *checkpoint);
enum nncf__mask_form nncf__mask_form_of(const nncf__entry *entry);
bool nncf__mask_fits(enum nncf__mask_form form, const nncf__entry *mask, size_t count);
/* nncf__algorithm_kind of the sparsity algorithm that a snapshot was made with, by its config; 0:
 * none. */
int32_t nncf__find_sparsity(const nncf_checkpoint *checkpoint);
/* The mask of each tensor. */
typedef struct nncf__masks {
    nncf_context *context;
    /* [n_entries]: NULL where there is none */
    const nncf__entry **of;
} nncf__masks;
nncf_status nncf__masks_find(
    nncf__masks *masks, const nncf_checkpoint *checkpoint, const nncf__lookup *lookup);
void nncf__masks_free(nncf__masks *masks);
/* As it acts in eval mode: a bit a weight; or on a weight of `count` elements of `size` bytes,
 * zeros where it masks. */
void nncf__mask_to_bits(nncf_context *context, enum nncf__mask_form form, const nncf__entry *mask,
    size_t count, uint8_t *bits);
void nncf__mask_apply(const nncf_checkpoint *checkpoint, const nncf__entry *mask, size_t count,
    size_t size, void *weight);

#endif
