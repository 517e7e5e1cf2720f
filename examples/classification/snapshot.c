/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot.h"
#include "shrink.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* All arrays of a run under their names. */
typedef struct inventory {
    nncf_checkpoint_tensor *items;
    size_t count;
    char **names; /* of the optimizer's arrays; owned */
    int64_t *lengths; /* their shapes */
    size_t n_names;
} inventory;

static void inventory_clear(inventory *v)
{
    for (size_t i = 0; i < v->n_names; i++)
        free(v->names[i]);
    free(v->names);
    free(v->lengths);
    free(v->items);
}

static nncf_status inventory_make(const net *n, const optimizer *o, inventory *v, nncf_error *err)
{
    size_t n_tensors, n_states = o == NULL ? 0 : 2 * o->n_parameters;
    const net_tensor *tensors = net_tensors(n, &n_tensors);
    *v = (inventory){0};
    v->items = calloc(n_tensors + n_states + 1, sizeof *v->items);
    v->names = calloc(n_states + 1, sizeof *v->names);
    v->lengths = calloc(n_states + 1, sizeof *v->lengths);
    if (v->items == NULL || v->names == NULL || v->lengths == NULL)
        goto no_memory;
    for (size_t i = 0; i < n_tensors; i++)
        v->items[v->count++] = (nncf_checkpoint_tensor){tensors[i].name,
            {.data = tensors[i].data,
                .dtype = NNCF_F32,
                .ndim = tensors[i].ndim,
                .shape = tensors[i].shape}};
    for (size_t i = 0; i < n_states; i++) {
        const optimizer_parameter *p = &o->parameters[i / 2];
        const char *what = o->settings->type == OPTIMIZER_SGD ? "momentum"
            : i % 2 == 0                                      ? "exp_avg"
                                                              : "exp_avg_sq";
        if (p->state[i % 2] == NULL)
            continue;
        if ((v->names[v->n_names] = app_format("optimizer.%s.%s", what, p->name)) == NULL)
            goto no_memory;
        v->lengths[v->n_names] = (int64_t)p->count;
        v->items[v->count++] = (nncf_checkpoint_tensor){v->names[v->n_names],
            {.data = p->state[i % 2],
                .dtype = NNCF_F32,
                .ndim = 1,
                .shape = &v->lengths[v->n_names]}};
        v->n_names++;
    }
    return NNCF_OK;
no_memory:
    inventory_clear(v);
    return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a snapshot's list of tensors");
}

nncf_status snapshot_save(const char *path, const char *model, const net *n, const optimizer *o,
    const schedule *lr, const run_state *state, nncf_error *err)
{
    inventory v;
    /* 17 digits: a double comes back as the same double. */
    char texts[7][40];
    nncf_checkpoint_text pairs[] = {{"arch", model}, {"epoch", texts[0]}, {"seed", texts[1]},
        {"optimizer_steps", texts[2]}, {"best_top1", texts[3]}, {"test_top1", texts[4]},
        {"plateau_factor", texts[5]}, {"plateau_best", texts[6]}, {"plateau_bad", NULL},
        {state->search != NULL ? "accuracy_aware" : "classes",
            state->search != NULL ? state->search : state->classes},
        {"classes", state->classes}};
    const size_t n_pairs = 9 + (size_t)(state->search != NULL) + (size_t)(state->classes != NULL);
    char bad[40];
    nncf_status status = inventory_make(n, o, &v, err);
    if (status != NNCF_OK)
        return status;
    snprintf(texts[0], sizeof texts[0], "%" PRId64, state->epoch);
    snprintf(texts[1], sizeof texts[1], "%" PRIu64, state->seed);
    snprintf(texts[2], sizeof texts[2], "%" PRId64, o->steps);
    snprintf(texts[3], sizeof texts[3], "%.17g", state->best_top1);
    snprintf(texts[4], sizeof texts[4], "%.17g", state->test_top1);
    snprintf(texts[5], sizeof texts[5], "%.17g", lr->plateau_factor);
    snprintf(texts[6], sizeof texts[6], "%.17g", lr->plateau_best);
    snprintf(bad, sizeof bad, "%" PRId64, lr->plateau_bad);
    pairs[8].value = bad;
    status = nncf_checkpoint_save(o->ctrl, path, v.items, v.count,
        &(nncf_checkpoint_save_params){
            NNCF_PARAMS(nncf_checkpoint_save_params), .texts = pairs, .n_texts = n_pairs},
        err);
    inventory_clear(&v);
    return status;
}

/* A text of the metadata, where there is one, in place of *value. */
static nncf_status copy_text(
    const nncf_checkpoint *c, const char *path, const char *key, char **value, nncf_error *err)
{
    const char *text = nncf_checkpoint_get_text(c, key);
    if (text == NULL)
        return NNCF_OK;
    free(*value);
    *value = app_copy(text);
    return *value != NULL ? NNCF_OK
                          : app_fail(err, NNCF_E_NOMEM, path, "no memory for \"%s\"", key);
}

/* A number of the metadata; it must be there. */
static nncf_status read_text(
    const nncf_checkpoint *c, const char *path, const char *key, double *value, nncf_error *err)
{
    const char *text = nncf_checkpoint_get_text(c, key);
    char *end;
    if (text == NULL)
        return app_fail(err, NNCF_E_NOTFOUND, path,
            "%s: is not a snapshot of this program (it does not say \"%s\"); to start from its "
            "weights use "
            "--weights",
            path, key);
    *value = strtod(text, &end);
    if (end == text || *end != '\0')
        return app_fail(
            err, NNCF_E_FORMAT, path, "%s: \"%s\" is not a number: \"%s\"", path, key, text);
    return NNCF_OK;
}

static nncf_status read_state(const nncf_checkpoint *c, const char *path, optimizer *o,
    schedule *lr, run_state *state, nncf_error *err)
{
    /* All counts are far below 2^53, where doubles are exact; the seed is compared as text. */
    static const char *const keys[] = {"epoch", "optimizer_steps", "best_top1", "test_top1",
        "plateau_factor", "plateau_best", "plateau_bad"};
    double values[sizeof keys / sizeof *keys];
    const char *seed = nncf_checkpoint_get_text(c, "seed");
    char ours[24];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        nncf_status status = read_text(c, path, keys[i], &values[i], err);
        if (status != NNCF_OK)
            return status;
    }
    snprintf(ours, sizeof ours, "%" PRIu64, state->seed);
    if (o != NULL && (seed == NULL || strcmp(seed, ours) != 0))
        return app_fail(err, NNCF_E_CONFIG, path,
            "%s: was made with seed %s, not %s: go on with --seed %s", path,
            seed != NULL ? seed : "?", ours, seed != NULL ? seed : "?");
    state->epoch = (int64_t)values[0];
    state->best_top1 = values[2];
    state->test_top1 = values[3];
    if (o != NULL)
        o->steps = (int64_t)values[1];
    lr->plateau_factor = values[4];
    lr->plateau_best = values[5];
    lr->plateau_bad = (int64_t)values[6];
    nncf_status status = copy_text(c, path, "accuracy_aware", &state->search, err);
    return status == NNCF_OK ? copy_text(c, path, "classes", &state->classes, err) : status;
}

/* Is this array in the snapshot as it is here? */
static bool holds(const nncf_checkpoint *c, const nncf_checkpoint_tensor *want)
{
    nncf_tensor t;
    return nncf_checkpoint_get_tensor(c, want->name, &t, NULL) == NNCF_OK &&
        t.dtype == want->tensor.dtype && t.ndim == 1 && t.shape[0] == want->tensor.shape[0];
}

/* All arrays. The optimizer's of what another config did not train begin at zero. */
static nncf_status read_arrays(
    const nncf_checkpoint *c, const inventory *v, bool accept_config, FILE *report, nncf_error *err)
{
    const size_t n_own = v->count - v->n_names; /* the network's, which come first */
    size_t fresh = 0;
    nncf_status status = nncf_checkpoint_read(c, v->items, accept_config ? n_own : v->count, err);
    for (size_t i = n_own; status == NNCF_OK && accept_config && i < v->count; i++) {
        if (holds(c, &v->items[i]))
            status = nncf_checkpoint_read(c, &v->items[i], 1, err);
        else
            fresh++;
    }
    if (status == NNCF_OK && fresh > 0)
        fprintf(report,
            "warning: %zu arrays of the optimizer begin at zero: the snapshot does not have them\n",
            fresh);
    return status;
}

/* A snapshot of a smaller model: the network becomes that one first. */
static nncf_status follow_shrink(
    const nncf_checkpoint *c, net *n, nncf_compression_ctrl *ctrl, optimizer *o, nncf_error *err)
{
    const char *removed = nncf_checkpoint_get_text(c, "nncf.removed");
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    nncf_status status = nncf_compression_ctrl_get_statistics(ctrl, &s, NULL);
    if (status != NNCF_OK)
        return app_fail_step(err, status, "statistics");
    return removed != NULL && s.pruned_layers > 0 ? shrink_network(ctrl, n, o, removed, err)
                                                  : NNCF_OK;
}

nncf_status snapshot_resume(nncf_context *context, const char *path, net *n,
    nncf_compression_ctrl *ctrl, optimizer *o, schedule *lr, run_state *state, bool accept_config,
    FILE *report, nncf_error *err)
{
    const nncf_checkpoint_restore_params how = {
        NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = accept_config};
    nncf_checkpoint *c;
    inventory v;
    nncf_status status = nncf_checkpoint_open(context, path, NULL, &c, err);
    if (status != NNCF_OK)
        return status;
    status = read_state(c, path, o, lr, state, err);
    if (status == NNCF_OK)
        status = follow_shrink(c, n, ctrl, o, err);
    if (status == NNCF_OK && (status = inventory_make(n, o, &v, err)) == NNCF_OK) {
        status = read_arrays(c, &v, accept_config, report, err);
        inventory_clear(&v);
    }
    if (status == NNCF_OK) {
        status = nncf_checkpoint_restore(c, ctrl, &how, NULL, err);
        if (status == NNCF_E_CONFIG && !accept_config) {
            const nncf_error why = *err;
            app_fail(err, status, why.where, "not without --accept-config: %s", why.message);
        }
    }
    if (status == NNCF_OK && o != NULL)
        optimizer_refresh(o);
    nncf_checkpoint_close(c);
    return status;
}

/* What was not loaded, a line each. */
static void report_weights(const net_tensor *tensors, const nncf_checkpoint_match *matches,
    size_t count, const nncf_checkpoint_load_params *p, const nncf_checkpoint_load_report *r,
    const char *path, FILE *report)
{
    static const char *const fates[] = {[NNCF_MATCH_MISSING] = "is not in the file",
        [NNCF_MATCH_SHAPE] = "has another shape in the file",
        [NNCF_MATCH_TYPE] = "is not of float in the file",
        [NNCF_MATCH_AMBIGUOUS] = "is in the file under several names"};
    for (size_t i = 0; i < count; i++)
        if (matches[i].state != NNCF_MATCH_LOADED)
            fprintf(report, "weights: %s %s\n", tensors[i].name, fates[matches[i].state]);
    for (size_t i = 0; i < r->unexpected && i < p->capacity; i++)
        fprintf(
            report, "weights: %s of the file has no place in this model\n", p->unexpected_names[i]);
    if (r->loaded < count || r->unexpected > 0)
        fprintf(report,
            "weights: %zu of %zu tensors taken from %s; %zu missing, %zu of another shape, %zu not "
            "of float, "
            "%zu unexpected in the file\n",
            r->loaded, count, path, r->missing + r->ambiguous, r->wrong_shape, r->wrong_type,
            r->unexpected);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* A stripped model has the tensors of a layer, batch norm's too, under its scope:
 * "features.0.1.bias" there is "MobileNetV2/...Conv2d[0].batch_norm.bias". `owned` keeps the new
 * names. */
static nncf_status name_as_stripped(const net *n, inventory *v, char **owned, nncf_error *err)
{
    const char *scope = NULL;
    for (size_t i = 0; i < v->count; i++) {
        const char *name = v->items[i].name, *suffix = strrchr(name, '.');
        const char *own = net_scope(n, name, (size_t)(suffix - name));
        scope = own != NULL
            ? own
            : scope; /* batch norm is no layer: it follows the one that it belongs to */
        if (scope == NULL)
            continue;
        if ((owned[i] = app_format("%s%s%s", scope, own != NULL ? "" : ".batch_norm", suffix)) ==
            NULL)
            return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a list of tensors");
        v->items[i].name = owned[i];
    }
    return NNCF_OK;
}

/* The tensors by the file's names of them, and loaded. */
static nncf_status load_inventory(const nncf_checkpoint *c, const net *n, inventory *v,
    const nncf_checkpoint_load_params *p, nncf_checkpoint_match *matches,
    nncf_checkpoint_load_report *r, nncf_error *err)
{
    const bool stripped = nncf_checkpoint_get_text(c, "strip.layers") != NULL;
    char **owned = calloc(v->count + 1, sizeof *owned);
    nncf_status status = owned == NULL
        ? app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a list of tensors")
        : NNCF_OK;
    if (status == NNCF_OK && stripped)
        status = name_as_stripped(n, v, owned, err);
    if (status == NNCF_OK)
        status = nncf_checkpoint_load_weights(c, v->items, v->count, p, matches, r, err);
    for (size_t i = 0; status == NNCF_OK && stripped && i < v->count; i++)
        if (matches[i].state == NNCF_MATCH_MISSING &&
            ends_with(v->items[i].name, ".batch_norm.running_var"))
            status = app_fail(err, NNCF_E_CONFIG, v->items[i].name,
                "the stripped model has its batch norm in the weights; strip without "
                "--export-fold-batch-norm to start from it");
    for (size_t i = 0; owned != NULL && i < v->count; i++)
        free(owned[i]);
    free(owned);
    return status;
}

nncf_status snapshot_load_weights(nncf_context *context, const char *path, net *n, bool keep_zeros,
    FILE *report, char **classes, nncf_error *err)
{
    const char *unexpected[32];
    nncf_checkpoint_load_report r = {NNCF_PARAMS(nncf_checkpoint_load_report)};
    const nncf_checkpoint_load_params p = {NNCF_PARAMS(nncf_checkpoint_load_params),
        .unexpected_names = unexpected, .capacity = sizeof unexpected / sizeof *unexpected,
        .masks = keep_zeros ? NNCF_MASKS_APPLY : NNCF_MASKS_LEAVE};
    nncf_checkpoint *c;
    inventory v;
    size_t count;
    const net_tensor *tensors = net_tensors(n, &count);
    nncf_status status = nncf_checkpoint_open(context, path, NULL, &c, err);
    if (status == NNCF_E_FORMAT) { /* the library's reason, and what is most often meant */
        const nncf_error why = *err;
        return app_fail(err, status, why.where,
            "%s; weights come from a safetensors file (PyTorch's .pth must be converted to one)",
            why.message);
    }
    if (status != NNCF_OK)
        return status;
    nncf_checkpoint_match *matches = calloc(count + 1, sizeof *matches);
    if (matches == NULL)
        status = app_fail(err, NNCF_E_NOMEM, path, "no memory for a list of tensors");
    if (status == NNCF_OK && (status = inventory_make(n, NULL, &v, err)) == NNCF_OK) {
        status = load_inventory(c, n, &v, &p, matches, &r, err);
        inventory_clear(&v);
    }
    if (status == NNCF_E_NOTFOUND)
        status = app_fail(err, NNCF_E_NOTFOUND, path, "%s: has no tensor of this model", path);
    if (nncf_checkpoint_get_text(c, "nncf.format") != NULL)
        r.unexpected = 0; /* a snapshot of ours: optimizer and masks are in it for --resume */
    *classes = NULL;
    if (status == NNCF_OK)
        status = copy_text(c, path, "classes", classes, err);
    if (status == NNCF_OK)
        report_weights(tensors, matches, count, &p, &r, path, report);
    free(matches);
    nncf_checkpoint_close(c);
    return status;
}
