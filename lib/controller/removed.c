/* SPDX-License-Identifier: Apache-2.0 */
/* Removed filters as a text, written and read. */
#include "controller/removed.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "controller/ctrl.h"
#include "controller/pruning.h"
#include "controller/shrink.h"
#include "graph/index.h"
#include "graph/model.h"
#include "pruning/clusters.h"
#include "pruning/work.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>

#include <inttypes.h>
#include <string.h>

/* One line. */
typedef struct line {
    const char *hex;
    size_t n_hex, count, n_scope;
    const char *scope;
} line;

/* The layer that begins the cluster. */
static const nncf_layer *first_of(const nncf__clusters *c, size_t cluster)
{
    for (size_t i = 0; i < c->model->n_layers; i++)
        if (c->pruned[i] && c->outputs[i].count == 1 && c->outputs[i].clusters[0] == cluster)
            return c->model->layers[i];
    return NULL;
}

nncf_status nncf__removed_write(const nncf_compression_ctrl *ctrl, char **text, nncf_error *err)
{
    const nncf__clusters *c = &ctrl->pruning->clusters;
    nncf__text t = {.context = ctrl->context};
    nncf__work before, left;
    nncf__ctrl_work(ctrl, &before, &left);
    nncf__text_printf(&t, "%" PRId64 " %" PRId64 " %" PRId64 "\n", before.filters,
        before.parameters, before.flops);
    for (size_t i = 0; i < c->count; i++) {
        const nncf__cluster *cluster = &c->items[i];
        const nncf_layer *first = cluster->keep ? first_of(c, i) : NULL;
        const size_t n = (size_t)cluster->size;
        for (size_t byte = 0; first && byte < (n + 7) / 8; byte++) {
            unsigned bits = 0;
            for (size_t j = 8 * byte; j < n && j < 8 * byte + 8; j++)
                bits |= (unsigned)cluster->keep[j] << j % 8;
            nncf__text_printf(&t, "%02x", bits);
        }
        if (first)
            nncf__text_printf(&t, " %zu %s\n", n, first->scope);
    }
    if (t.failed) {
        nncf__text_free(&t);
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory to remove filters");
    }
    *text = t.data;
    return NNCF_OK;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next line; NULL: there is none, or *damaged. */
static const char *next_line(const char *text, line *l, bool *damaged)
{
    const char *end = strchr(text, '\n');
    if (!*text)
        return NULL;
    *damaged = true;
    *l = (line){.hex = text};
    if (!end)
        return NULL;
    while (digit(text[l->n_hex]) >= 0)
        l->n_hex++;
    text += l->n_hex;
    if (*text++ != ' ')
        return NULL;
    for (; *text >= '0' && *text <= '9' && l->count < 100000000; text++)
        l->count = 10 * l->count + (size_t)(*text - '0');
    if (*text++ != ' ' || l->count == 0 || l->n_hex != 2 * ((l->count + 7) / 8) || text >= end)
        return NULL;
    l->scope = text;
    l->n_scope = (size_t)(end - text);
    *damaged = false;
    return end + 1;
}

static bool is_kept(const line *l, size_t i)
{
    const int high = digit(l->hex[i / 8 * 2]), low = digit(l->hex[i / 8 * 2 + 1]);
    return (16 * high + low) >> i % 8 & 1;
}

static size_t kept_of(const line *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++)
        kept += is_kept(l, i);
    return kept;
}

static const nncf_layer *layer_of(const nncf_model *model, const line *l)
{
    for (size_t i = 0; i < model->n_layers; i++)
        if (strlen(model->layers[i]->scope) == l->n_scope &&
            memcmp(model->layers[i]->scope, l->scope, l->n_scope) == 0)
            return model->layers[i];
    return NULL;
}

static nncf_status damaged_text(nncf_error *err)
{
    return nncf__fail(err, NNCF_E_FORMAT, NNCF__REMOVED,
        "the text that says which filters were removed (\"%s\" of a snapshot) is damaged",
        NNCF__REMOVED);
}

/* The numbers of the first line, and the lines after it; NULL: it is damaged. */
static const char *lines_of(const char *text, int64_t before[3])
{
    for (int i = 0; i < 3; i++) {
        const char *begin = text;
        before[i] = 0;
        for (; *text >= '0' && *text <= '9' && before[i] < INT64_MAX / 10; text++)
            before[i] = 10 * before[i] + (*text - '0');
        if (text == begin || *text++ != (i < 2 ? ' ' : '\n'))
            return NULL;
    }
    return text;
}

void nncf__removed_count(nncf__clusters *c)
{
    for (size_t i = 0; i < c->count; i++) {
        nncf__cluster *cluster = &c->items[i];
        if (!cluster->keep)
            continue;
        cluster->kept = 0;
        for (size_t j = 0; j < (size_t)cluster->size; j++)
            cluster->kept += cluster->keep[j];
    }
}

nncf_status nncf__removed_read(nncf_compression_ctrl *ctrl, const char *text, nncf_error *err)
{
    nncf__clusters *c = &ctrl->pruning->clusters;
    int64_t before[3]; /* what the model itself says, too */
    const char *at = lines_of(text, before), *next;
    line l = {0};
    bool damaged = at == NULL;
    size_t lines = 0, clusters = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (!c->items[i].keep)
            continue;
        c->items[i].kept = 0; /* no line of it so far */
        clusters++;
    }
    for (; !damaged && (next = next_line(at, &l, &damaged)); at = next, lines++) {
        const nncf_layer *layer = layer_of(ctrl->model, &l);
        const size_t i = layer ? layer->index : 0;
        nncf__cluster *cluster =
            layer && c->outputs[i].count == 1 ? nncf__cluster_of(c, i, 0) : NULL;
        if (!cluster || !cluster->keep || (size_t)cluster->size != l.count)
            return nncf__fail(err, NNCF_E_SHAPE, layer ? layer->scope : NULL,
                "filters of \"%.*s\" were removed, of %zu: this model prunes no such layer, or one "
                "with another number of filters; register the model as it was before, with the "
                "same config",
                (int)(l.n_scope < 200 ? l.n_scope : 200), l.scope, l.count);
        if (kept_of(&l) == 0 || cluster->kept > 0)
            return damaged_text(err);
        cluster->kept = kept_of(&l);
        for (size_t j = 0; j < l.count; j++)
            cluster->keep[j] = is_kept(&l, j);
    }
    if (damaged)
        return damaged_text(err);
    if (lines != clusters)
        return nncf__fail(err, NNCF_E_SHAPE, NULL,
            "filters of %zu clusters were removed, this model prunes %zu: register the model as it "
            "was before, with the same config",
            lines, clusters);
    nncf__removed_count(c);
    return NNCF_OK;
}

nncf_status nncf__removed_check(
    const nncf_compression_ctrl *ctrl, const char *removed, const char *file, nncf_error *err)
{
    const bool is_small = ctrl->pruning && ctrl->pruning->removed;
    int64_t before[3];
    const char *at = removed ? lines_of(removed, before) : NULL, *next;
    line l = {0};
    bool damaged = removed && !at;
    if (!removed && is_small)
        return nncf__fail(err, NNCF_E_STATE, file,
            "%s is of the model before its pruned filters were removed: restore it into a "
            "controller that has not been shrunk, and call nncf_compression_ctrl_shrink() then",
            file);
    for (; removed && !damaged && (next = next_line(at, &l, &damaged)); at = next) {
        const nncf_layer *layer = layer_of(ctrl->model, &l);
        const size_t kept = kept_of(&l);
        if (!layer || (size_t)layer->out_channels == kept)
            continue;
        if ((size_t)layer->out_channels == l.count)
            return nncf__fail(err, NNCF_E_STATE, layer->scope,
                "%s is of a model whose pruned filters were removed (%zu of %zu are left here): "
                "call nncf_compression_ctrl_shrink() with nncf_shrink_params.removed = its text "
                "\"%s\" first, or register the layers with the sizes that its tensors have",
                file, kept, l.count, NNCF__REMOVED);
        return nncf__fail(err, NNCF_E_SHAPE, layer->scope,
            "%s has %zu filters of this layer, of %zu; it is registered with %lld", file, kept,
            l.count, (long long)layer->out_channels);
    }
    return damaged ? damaged_text(err) : NNCF_OK;
}

void nncf__removed_take(nncf_compression_ctrl *ctrl, char *copy)
{
    nncf__pruning *p = ctrl->pruning;
    if (!p || p->removed) {
        nncf__free(ctrl->context, copy);
        return;
    }
    (void)lines_of(copy, p->before); /* it was checked */
    for (size_t i = 0; i < p->clusters.count; i++)
        p->clusters.items[i].kept = (size_t)p->clusters.items[i].size;
    nncf__ctrl_end_pruning(ctrl, copy);
    for (size_t i = 0; i < ctrl->n_layers; i++)
        nncf__layer_forget(ctrl->model->layers[i]);
}
