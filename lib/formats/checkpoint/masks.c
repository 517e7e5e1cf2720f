/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sparsity masks in a file, and the weights that they belong to. Our snapshots list them
 * ("nncf.masks") if the saved tensor was the registered weight itself. Otherwise the names decide,
 * as in files of NNCF, where a mask is "<module>.pre_ops.N.op.binary_mask".
 */
#include "formats/checkpoint/masks.h"

#include "base/alloc.h"
#include "base/error.h"
#include "config/canonical.h"
#include "formats/checkpoint/lookup.h"
#include "formats/safetensors/json.h"
#include "formats/safetensors/safetensors.h"
#include "formats/safetensors/tensors.h"
#include "kernels/kernels.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/context.h>
#include <nncf/tensor.h>

#include <string.h>

enum { BLOCK = 256 };

static const char own_prefix[] = "nncf.", own_suffix[] = ".mask", logit_suffix[] = ".pre_ops.mask",
                  binary_suffix[] = ".binary_mask", operations[] = ".pre_ops.";

static bool ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static size_t elements_of(const nncf__entry *e)
{
    return (size_t)((e->end - e->begin) * 8 / e->bits);
}

int32_t nncf__find_sparsity(const nncf_checkpoint *checkpoint)
{
    static const struct {
        const char *words;
        int32_t kind;
    } kinds[] = {{"\"algorithm\":\"rb_sparsity\"", NNCF__RB_SPARSITY},
        {"\"algorithm\":\"magnitude_sparsity\"", NNCF__MAGNITUDE_SPARSITY},
        {"\"algorithm\":\"const_sparsity\"", NNCF__CONST_SPARSITY}};
    const char *config = nncf_checkpoint_get_text(checkpoint, "nncf.config");
    for (size_t i = 0; config && i < sizeof kinds / sizeof *kinds; i++)
        if (strstr(config, kinds[i].words))
            return kinds[i].kind;
    return 0;
}

/* ---- which mask is whose ---- */

static nncf_status mark(nncf_checkpoint *c, const char *key, bool reordered)
{
    const char *text = nncf_checkpoint_get_text(c, key);
    if (!text)
        return NNCF_OK;
    const size_t length = strlen(text);
    char *name = nncf__alloc(c->context, length + 1);
    nncf__json j;
    if (!name)
        return NNCF_E_NOMEM;
    nncf__json_start(&j, text, length);
    nncf__json_open(&j);
    while (nncf__json_more(&j)) {
        nncf__json_span s;
        nncf__json_string(&j, &s);
        if (j.flaw)
            break;
        name[nncf__json_decode(text, &s, name, length)] = 0;
        const nncf__entry *e = nncf__checkpoint_find(c, name);
        if (e && reordered)
            c->entries[e - c->entries].is_reordered = true;
        else if (e)
            c->entries[e - c->entries].is_mask = true;
    }
    nncf__free(c->context, name);
    return NNCF_OK;
}

/* The entries that "nncf.mask_names" lists: a name alone is not enough, since an optimizer's arrays
 * end alike, and logits of an earlier stage may have been carried along. */
nncf_status nncf__masks_mark(nncf_checkpoint *c)
{
    const nncf_status status = mark(c, "nncf.mask_names", false);
    return status == NNCF_OK ? mark(c, "nncf.mask_reordered", true) : status;
}

enum nncf__mask_form nncf__mask_form_of(const nncf__entry *e)
{
    const char *name = e->name;
    if (e->is_mask)
        return strncmp(name, own_prefix, sizeof own_prefix - 1) != 0
            ? e->dtype == NNCF_F32 && ends_with(name, logit_suffix) ? NNCF__FORM_LOGITS
                                                                    : NNCF__FORM_NONE
            : e->dtype == NNCF_U8 && ends_with(name, own_suffix) ? NNCF__FORM_BITS
                                                                 : NNCF__FORM_NONE;
    return e->dtype == NNCF_F32 && ends_with(name, binary_suffix) && strstr(name, operations)
        ? NNCF__FORM_BINARY
        : NNCF__FORM_NONE;
}

bool nncf__mask_fits(enum nncf__mask_form form, const nncf__entry *mask, size_t count)
{
    return elements_of(mask) == (form == NNCF__FORM_BITS ? (count + 7) / 8 : count);
}

/* The name of the weight that a mask belongs to, by its name; `to` can hold the mask's name and
 * ".weight". */
static void weight_name(enum nncf__mask_form form, const char *mask, char *to)
{
    const char *begin = form == NNCF__FORM_BITS ? mask + sizeof own_prefix - 1 : mask;
    size_t length = strlen(begin);
    if (form == NNCF__FORM_BITS)
        length -= sizeof own_suffix - 1;
    else if (form == NNCF__FORM_LOGITS)
        length -= sizeof logit_suffix - 1;
    else
        length = (size_t)(strstr(begin, operations) - begin);
    memcpy(to, begin, length);
    strcpy(to + length, ".weight");
}

static void join(
    nncf__masks *m, const nncf_checkpoint *c, const nncf__entry *weight, const nncf__entry *mask)
{
    const enum nncf__mask_form form = nncf__mask_form_of(mask);
    if (form == NNCF__FORM_NONE || m->of[weight - c->entries])
        return;
    if (mask->is_reordered)
        nncf__log(c->context, NNCF_LOG_WARNING,
            "%s: the weight \"%s\" was saved in the host's layout, and its mask \"%s\" in the "
            "library's order: it is left out",
            c->path, weight->name, mask->name);
    else if (nncf__mask_fits(form, mask, elements_of(weight)))
        m->of[weight - c->entries] = mask;
    else
        nncf__log(c->context, NNCF_LOG_WARNING,
            "%s: the mask \"%s\" does not fit the weight \"%s\" and is left out", c->path,
            mask->name, weight->name);
}

/* "nncf.masks": an object of weights' names and masks' names. Anything else is ignored. */
static nncf_status take_pairs(nncf__masks *m, const nncf_checkpoint *c)
{
    const char *text = nncf_checkpoint_get_text(c, "nncf.masks");
    if (!text)
        return NNCF_OK;
    const size_t length = strlen(text);
    char *names = nncf__alloc(c->context, 2 * (length + 1));
    nncf__json j;
    if (!names)
        return NNCF_E_NOMEM;
    nncf__json_start(&j, text, length);
    if (nncf__json_peek(&j) == '{') {
        nncf__json_open(&j);
        while (nncf__json_more(&j)) {
            nncf__json_span key, value;
            nncf__json_key(&j, &key);
            nncf__json_string(&j, &value);
            if (j.flaw)
                break;
            names[nncf__json_decode(text, &key, names, length)] = 0;
            names[length + 1 + nncf__json_decode(text, &value, names + length + 1, length)] = 0;
            const nncf__entry *weight = nncf__checkpoint_find(c, names);
            const nncf__entry *mask = nncf__checkpoint_find(c, names + length + 1);
            if (weight && mask)
                join(m, c, weight, mask);
        }
    }
    nncf__free(c->context, names);
    return NNCF_OK;
}

static nncf_status take_names(nncf__masks *m, const nncf_checkpoint *c, const nncf__lookup *lookup)
{
    size_t longest = 0;
    for (size_t i = 0; i < c->n_entries; i++) {
        const size_t length = strlen(c->entries[i].name);
        longest = length > longest ? length : longest;
    }
    char *name = nncf__alloc(c->context, longest + sizeof ".weight");
    if (!name)
        return NNCF_E_NOMEM;
    for (size_t i = 0; i < c->n_entries; i++) {
        const enum nncf__mask_form form = nncf__mask_form_of(&c->entries[i]);
        size_t count;
        if (form == NNCF__FORM_NONE)
            continue;
        weight_name(form, c->entries[i].name, name);
        const nncf__entry *weight = nncf__lookup_find(lookup, name, &count);
        if (count == 1)
            join(m, c, weight, &c->entries[i]);
    }
    nncf__free(c->context, name);
    return NNCF_OK;
}

nncf_status nncf__masks_find(
    nncf__masks *masks, const nncf_checkpoint *checkpoint, const nncf__lookup *lookup)
{
    *masks = (nncf__masks){.context = checkpoint->context};
    masks->of = nncf__calloc(checkpoint->context, checkpoint->n_entries, sizeof *masks->of);
    nncf_status status = masks->of ? take_pairs(masks, checkpoint) : NNCF_E_NOMEM;
    if (status == NNCF_OK)
        status = take_names(masks, checkpoint, lookup);
    if (status != NNCF_OK)
        nncf__masks_free(masks);
    return status;
}

void nncf__masks_free(nncf__masks *masks)
{
    if (masks->of)
        nncf__free(masks->context, masks->of);
    masks->of = NULL;
}

/* ---- applying masks ---- */

/* Of up to BLOCK elements from `begin` on, a multiple of 8: which stay. */
static void read_block(nncf_context *context, enum nncf__mask_form form, const nncf__entry *mask,
    size_t begin, size_t count, bool keep[BLOCK])
{
    if (form == NNCF__FORM_BITS) {
        const uint8_t *bits = mask->data;
        for (size_t i = 0; i < count; i++)
            keep[i] = (bits[(begin + i) / 8] >> (begin + i) % 8 & 1) != 0;
        return;
    }
    const float *values = (const float *)mask->data + begin;
    float ones[BLOCK], kept[BLOCK];
    for (size_t i = 0; i < count; i++)
        ones[i] = kept[i] = 1;
    if (form == NNCF__FORM_LOGITS) /* the threshold of eval mode, to the bit */
        nncf__kernels_of(context)->rb_forward_eval(count, ones, values, kept);
    for (size_t i = 0; i < count; i++)
        keep[i] = form == NNCF__FORM_LOGITS ? kept[i] != 0 : values[i] != 0;
}

void nncf__mask_to_bits(nncf_context *context, enum nncf__mask_form form, const nncf__entry *mask,
    size_t count, uint8_t *bits)
{
    bool keep[BLOCK];
    memset(bits, 0, (count + 7) / 8);
    for (size_t begin = 0; begin < count; begin += BLOCK) {
        const size_t n = count - begin < BLOCK ? count - begin : BLOCK;
        read_block(context, form, mask, begin, n, keep);
        for (size_t i = 0; i < n; i++)
            bits[(begin + i) / 8] |= (uint8_t)((keep[i] ? 1u : 0u) << (begin + i) % 8);
    }
}

void nncf__mask_apply(const nncf_checkpoint *checkpoint, const nncf__entry *mask, size_t count,
    size_t size, void *weight)
{
    const enum nncf__mask_form form = nncf__mask_form_of(mask);
    bool keep[BLOCK];
    for (size_t begin = 0; begin < count; begin += BLOCK) {
        const size_t n = count - begin < BLOCK ? count - begin : BLOCK;
        read_block(checkpoint->context, form, mask, begin, n, keep);
        for (size_t i = 0; i < n; i++)
            if (!keep[i])
                memset((char *)weight + (begin + i) * size, 0, size);
    }
}
