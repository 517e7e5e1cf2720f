/* SPDX-License-Identifier: Apache-2.0 */
/* Putting a controller into a saved state: everything is checked before anything is copied. */
#include "io/io.h"

#include <string.h>

/* The values of the snapshot's own tensors and texts, before anything is copied. */
typedef struct saved {
    int64_t counters[NNCF__N_COUNTERS];
    double levels[2];
    const int32_t *quantizers; /* [n][2], in the checkpoint */
} saved;

static nncf_status read_saved(const nncf_checkpoint *c, const nncf__state *state, saved *v, nncf_error *err)
{
    for (int i = 0; i < NNCF__N_COUNTERS; i++) {
        const char *text = nncf_checkpoint_text_get(c, nncf__counter_names[i]);
        if (!text && i >= NNCF__SCHEDULE_STEP) {
            v->counters[i] = 0;
            continue;
        }
        if (!text)
            return nncf__fail(err, NNCF_E_NOTFOUND, nncf__counter_names[i], "%s has no \"%s\"", c->path,
                              nncf__counter_names[i]);
        bool in_range = nncf__parse_int64(text, &v->counters[i]) && (i == NNCF__SEED || v->counters[i] >= 0);
        if ((i == NNCF__FROZEN || i == NNCF__INIT_DONE || i == NNCF__STEPPED || i == NNCF__ARRIVED) &&
            v->counters[i] > 1)
            in_range = false;
        if (i == NNCF__SCHEDULE_COUNT && v->counters[i] > INT32_MAX)
            in_range = false;
        if (!in_range)
            return nncf__fail(err, NNCF_E_FORMAT, nncf__counter_names[i], "%s: \"%s\" is not a number in range",
                              c->path, nncf__counter_names[i]);
    }
    memcpy(v->levels, nncf__checkpoint_find(c, "nncf.levels")->data, sizeof v->levels);
    if (!(v->levels[0] >= 0 && v->levels[0] <= 1))
        return nncf__fail(err, NNCF_E_FORMAT, "nncf.levels", "%s: the sparsity level is not in 0..1", c->path);
    v->quantizers = nncf__checkpoint_find(c, "nncf.quantizers")->data;
    for (size_t i = 0; i < state->n_quantizers; i++) {
        int32_t sign = v->quantizers[2 * i], initialized = v->quantizers[2 * i + 1];
        if (sign < NNCF__SIGN_AUTO || sign > NNCF__SIGNED || initialized < 0 || initialized > 1)
            return nncf__fail(err, NNCF_E_FORMAT, "nncf.quantizers", "%s: the state of quantizer %zu is out of range",
                              c->path, i);
    }
    return NNCF_OK;
}

static void apply(const saved *v, nncf_compression_ctrl *ctrl)
{
    size_t next = 0;
    ctrl->epoch = v->counters[NNCF__EPOCH];
    ctrl->step = v->counters[NNCF__STEP];
    ctrl->frozen = v->counters[NNCF__FROZEN] != 0;
    ctrl->init_done = v->counters[NNCF__INIT_DONE] != 0;
    ctrl->ranges_done = ctrl->init_done;
    ctrl->init_begun = ctrl->init_images = 0; /* an initialization that was under way begins anew */
    ctrl->schedule.epoch = v->counters[NNCF__SCHEDULE_EPOCH];
    ctrl->schedule.bad_epochs = (int32_t)v->counters[NNCF__SCHEDULE_COUNT];
    ctrl->schedule.step = v->counters[NNCF__SCHEDULE_STEP];
    ctrl->step_begun = v->counters[NNCF__BEGUN] & 1;
    ctrl->epoch_begun = v->counters[NNCF__BEGUN] >> 1 & 1;
    ctrl->epoch_fresh = v->counters[NNCF__BEGUN] >> 2 & 1;
    if (v->counters[NNCF__STEPS_PER_EPOCH] > 0)
        ctrl->schedule.steps_per_epoch = v->counters[NNCF__STEPS_PER_EPOCH];
    ctrl->schedule.level = v->levels[0];
    ctrl->threshold = v->levels[1];
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const nncf__layer_compression *c = &ctrl->layers[i];
        nncf__quantizer *quantizers[] = {c->weight_quantizer, c->input_quantizer, c->output_quantizer,
                                         c->pre_quantizer};
        for (size_t j = 0; j < sizeof quantizers / sizeof *quantizers; j++) {
            if (!quantizers[j])
                continue;
            quantizers[j]->params.sign = v->quantizers[2 * next];
            quantizers[j]->initialized = v->quantizers[2 * next + 1] != 0;
            quantizers[j]->observing = false;
            next++;
        }
    }
}

static nncf_status restore(const nncf_checkpoint *c, nncf_compression_ctrl *ctrl, nncf__state *state, nncf_error *err)
{
    saved v;
    nncf_status status = nncf__checkpoint_verify(c, state->tensors, state->n_tensors, err);
    if (status != NNCF_OK || (status = read_saved(c, state, &v, err)) != NNCF_OK)
        return status;
    if (!v.counters[NNCF__INIT_DONE] && (status = nncf__init_observers(ctrl)) != NNCF_OK)
        return nncf__fail(err, status, c->path, "out of memory");
    uint64_t seed;
    memcpy(&seed, &v.counters[NNCF__SEED], sizeof seed);
    if (seed != ctrl->context->params.seed)
        nncf__log(ctrl->context, NNCF_LOG_WARNING,
                  "%s was trained with seed %llu, the context has %llu: random masks will differ from those of a run "
                  "that was not interrupted",
                  c->path, (unsigned long long)seed, (unsigned long long)ctrl->context->params.seed);
    nncf__checkpoint_copy(c, state->tensors, state->n_tensors);
    apply(&v, ctrl);
    if ((status = nncf__ctrl_restored(ctrl)) != NNCF_OK)
        return nncf__fail(err, status, c->path, "the controller cannot go on from %s", c->path);
    /* not derived from the counters: where within an epoch the snapshot was made */
    ctrl->stepped = v.counters[NNCF__STEPPED] != 0;
    ctrl->arrived_before = v.counters[NNCF__ARRIVED] != 0;
    return NNCF_OK;
}

/* Log every line of a text. */
static void log_lines(nncf_context *context, int32_t level, const char *path, const nncf__text *lines)
{
    for (const char *p = lines->data; p && *p; p += strcspn(p, "\n") + 1)
        nncf__log(context, level, "%s: config: %.*s", path, (int)strcspn(p, "\n"), p);
}

/* Refuse, with all lines in one message; those that it has no room for are in the log with the others. */
static nncf_status refuse_config(const nncf_checkpoint *c, const nncf_compression_ctrl *ctrl, size_t count,
                                 const nncf__text *lines, nncf_error *err)
{
    nncf__text message = {.context = ctrl->context};
    nncf__text_printf(&message, "%s was made with another config (%zu difference%s): ", c->path, count,
                      count == 1 ? "" : "s");
    for (const char *p = lines->data; p && *p; p += strcspn(p, "\n") + 1)
        nncf__text_printf(&message, "%s%.*s", p == lines->data ? "" : "; ", (int)strcspn(p, "\n"), p);
    if (!err || message.failed || message.length >= sizeof err->message)
        log_lines(ctrl->context, NNCF_LOG_ERROR, c->path, lines);
    nncf_status status = nncf__fail(err, NNCF_E_CONFIG, "compression", "%s", message.data ? message.data : c->path);
    nncf__text_free(&message);
    return status;
}

/* The snapshot's config against the controller's. With `accept` a difference is a warning. */
static nncf_status compare_configs(const nncf_checkpoint *c, const nncf_compression_ctrl *ctrl, bool accept,
                                   nncf_error *err)
{
    const char *config = nncf_checkpoint_text_get(c, "nncf.config");
    const char *digest = nncf_checkpoint_text_get(c, "nncf.config_sha256");
    char computed[NNCF__DIGEST_TEXT];
    if (!config)
        return nncf__fail(err, NNCF_E_NOTFOUND, "nncf.config",
                          "%s holds no controller's state: save with the controller", c->path);
    nncf__sha256_text(config, strlen(config), computed);
    if (digest && strcmp(digest, computed) != 0)
        return nncf__fail(err, NNCF_E_FORMAT, "nncf.config_sha256", "%s: the config does not match its digest",
                          c->path);
    nncf__text lines = {.context = ctrl->context};
    size_t count;
    nncf_status status =
        nncf__config_differences(ctrl->canonical_config ? ctrl->canonical_config : "", config, &lines, &count);
    if (status != NNCF_OK)
        status = nncf__fail(err, status, c->path, "out of memory");
    else if (count > 0 && accept)
        log_lines(ctrl->context, NNCF_LOG_WARNING, c->path, &lines);
    else if (count > 0)
        status = refuse_config(c, ctrl, count, &lines, err);
    nncf__text_free(&lines);
    return status;
}

nncf_status nncf_checkpoint_restore_with(const nncf_checkpoint *checkpoint, nncf_compression_ctrl *ctrl,
                                         const nncf_checkpoint_restore_params *params, nncf_error *err)
{
    nncf_checkpoint_restore_params p = {NNCF_PARAMS(nncf_checkpoint_restore_params)};
    nncf_status status = NNCF_OK;
    if (!checkpoint || !ctrl)
        return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL", !checkpoint ? "checkpoint" : "ctrl");
    if (params && (status = nncf__params_copy(&p, sizeof p, params, "nncf_checkpoint_restore_params", err)) != NNCF_OK)
        return status;
    if (p.accept_config < 0 || p.accept_config > 1 || p.padding != 0)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_checkpoint_restore_params: accept_config must be 0 or 1");
    if (!ctrl->model)
        return nncf__fail(err, NNCF_E_STATE, NULL, "the controller's model is gone");
    if ((status = compare_configs(checkpoint, ctrl, p.accept_config != 0, err)) != NNCF_OK)
        return status;
    nncf__state state = {0};
    status = nncf__state_make(ctrl, &state);
    if (status != NNCF_OK)
        return nncf__fail(err, status, checkpoint->path, "out of memory");
    status = restore(checkpoint, ctrl, &state, err);
    nncf__state_free(&state);
    return status;
}

nncf_status nncf_checkpoint_restore(const nncf_checkpoint *checkpoint, nncf_compression_ctrl *ctrl, nncf_error *err)
{
    return nncf_checkpoint_restore_with(checkpoint, ctrl, NULL, err);
}
