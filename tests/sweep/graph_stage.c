/* SPDX-License-Identifier: Apache-2.0 */
/* The next stage of a training: a snapshot restored by a controller of another config, which takes
 * over what both have (docs/snapshots.md, "The next stage"). */
#include "graph.h"

/* What a clone needs to be checked. */
static void prepare(node *n)
{
    const size_t c = n->n_channels;
    n->y = floats(1);
    n->dy = floats(count_of(&n->out));
    n->e_dw = n->dw ? ests(n->n_weight) : NULL;
    n->e_db = n->db ? ests(c) : NULL;
    n->e_dgamma = n->dgamma ? ests(c) : NULL;
    n->e_dbeta = n->dbeta ? ests(c) : NULL;
    n->e_logit = ests(n->n_weight);
    n->bits = calloc(n->n_weight + 1, 1);
}

static void take_masks(const graph *from, graph *to, nncf_checkpoint_restore_report *expected)
{
    bool fresh = false;
    for (int i = 0; i < to->n_nodes; i++) {
        const node *a = &from->nodes[i];
        node *b = &to->nodes[i];
        /* logits become bits, but bits no logits */
        const bool taken = b->mask != MASK_NONE &&
            (a->mask == MASK_RB || (a->mask == MASK_BITS && b->mask == MASK_BITS));
        expected->masks_left += a->mask != MASK_NONE && !taken;
        expected->masks_taken += taken;
        expected->masks_fresh += b->mask != MASK_NONE && !taken;
        fresh = fresh || (b->mask != MASK_NONE && !taken);
        for (size_t j = 0; b->mask == MASK_BITS && j < b->n_weight; j++)
            b->bits[j] = !taken      ? b->w[j] != 0
                : a->mask == MASK_RB ? a->logit.data[j] > 0
                                     : a->bits[j];
        if (taken && b->mask == MASK_RB)
            CHECK(to->world, memcmp(a->logit.data, b->logit.data, b->n_weight * sizeof(float)) == 0,
                "logits of %s", b->scope);
    }
    if (fresh)
        magnitude_masks(to); /* one threshold for all */
}

static void take_ranges(const graph *from, graph *to, nncf_checkpoint_restore_report *expected)
{
    for (int i = 0; i < to->n_nodes; i++)
        for (int p = 0; p < PLACES; p++) {
            const quant *a = &from->nodes[i].q[p];
            quant *b = &to->nodes[i].q[p];
            const bool same = a->there && b->there && a->asymmetric == b->asymmetric;
            const bool taken = same && a->initialized && a->channels == b->channels;
            expected->quantizers_left += a->there && !taken;
            expected->quantizers_taken += taken;
            expected->quantizers_fresh += b->there && !taken;
            if (!b->there)
                continue;
            b->kept = taken;
            if (p != WEIGHT)
                b->initialized = taken;
            if (!taken && p != WEIGHT && strcmp(b->rule, "none") != 0)
                expected->initialization_needed = 1;
            if (!taken)
                continue;
            b->sign = a->sign;
            b->initialized = true;
            const size_t size = b->channels * sizeof(float);
            CHECK(to->world, memcmp(a->first.data, b->first.data, size) == 0,
                "%s was not taken over", b->first.name);
            if (b->asymmetric)
                CHECK(to->world, memcmp(a->second.data, b->second.data, size) == 0,
                    "%s was not taken over", b->second.name);
        }
}

static void expect_stage(const graph *from, graph *to, const nncf_checkpoint_restore_report *report)
{
    nncf_checkpoint_restore_report expected = {NNCF_PARAMS(nncf_checkpoint_restore_report)};
    world *w = to->world;
    to->resumed = true;
    to->step = from->step;
    to->epoch = from->epoch;
    to->step_begun = from->step_begun;
    to->epoch_begun = from->epoch_begun;
    to->frozen = to->recipe.sparsity == 3 ||
        (to->recipe.sparsity == 2 && to->epoch >= to->recipe.freeze_epoch);
    take_masks(from, to, &expected);
    take_ranges(from, to, &expected);
    expect_ranges_of_weights(to, "of the next stage");
    to->init_done = to->ranges_done = from->init_done && !expected.initialization_needed;
    to->phase = to->init_done ? READY : FRESH;
    CHECK(w,
        report->masks_taken == expected.masks_taken &&
            report->masks_fresh == expected.masks_fresh &&
            report->masks_left == expected.masks_left &&
            report->quantizers_taken == expected.quantizers_taken &&
            report->quantizers_fresh == expected.quantizers_fresh &&
            report->quantizers_left == expected.quantizers_left &&
            report->initialization_needed == expected.initialization_needed,
        "report of masks %zu %zu %zu, ranges %zu %zu %zu, %d; not %zu %zu %zu, %zu %zu %zu, %d",
        report->masks_taken, report->masks_fresh, report->masks_left, report->quantizers_taken,
        report->quantizers_fresh, report->quantizers_left, (int)report->initialization_needed,
        expected.masks_taken, expected.masks_fresh, expected.masks_left, expected.quantizers_taken,
        expected.quantizers_fresh, expected.quantizers_left, (int)expected.initialization_needed);
}

static void train_on(graph *g)
{
    int32_t more = 1;
    check_statistics(g);
    for (int i = 0; i < 20 && more && !g->world->failed; i++) {
        nncf_status status = nncf_compression_ctrl_init_step(g->ctrl, &more, NULL);
        if (status == NNCF_E_STATE &&
            saw_nothing(g)) /* a layer refuses batches of one value a channel */
            return;
        CHECK(g->world, status == NNCF_OK, "init_step of the next stage: %d", status);
        expect_init_step(g, more);
        if (more)
            run_forward(g);
    }
    if (initializing(g) || g->world->failed)
        return;
    run_forward(g);
    if (g->has_run && !g->world->failed)
        run_backward(g);
}

void call_stage(graph *g)
{
    world *w = g->world, *own;
    bytes b = {0};
    if (!g->ctrl || initializing(g) || !save_snapshot(g, &b)) {
        free(b.data);
        return;
    }
    note(w, " stage");
    own = calloc(1, sizeof *own);
    *own = (world){.sweep = w->sweep,
        .rng = w->rng,
        .context = w->context,
        .seed = w->seed,
        .threads = w->threads,
        .isa = w->isa,
        .verbose = w->verbose};
    snprintf(own->history, sizeof own->history, "next of%.300s:", w->history);
    graph *next = calloc(1, sizeof *next);
    clone_graph(g, next, own);
    for (int i = 0; i < next->n_nodes; i++)
        prepare(&next->nodes[i]);
    next->x = floats(count_of(&next->input));
    next->dx = floats(count_of(&next->input));
    nncf_checkpoint *c = open_snapshot(own, &b);
    read_tensors(next, c);
    if (!own->failed && attach(next)) {
        nncf_error err = NNCF_ERROR_INIT;
        nncf_checkpoint_restore_report report = {NNCF_PARAMS(nncf_checkpoint_restore_report)};
        const nncf_checkpoint_restore_params p = {
            NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = 1};
        nncf_status status = nncf_checkpoint_restore(c, next->ctrl, NULL, &report, &err);
        /* The config drawn may mean the same (a default written out): then it is no next stage, but
         * a resume, which takes all there is. */
        const bool same = status == NNCF_OK;
        if (same)
            CHECK(own,
                report.masks_fresh + report.masks_left + report.quantizers_fresh +
                        report.quantizers_left ==
                    0,
                "a resume leaves something");
        else
            CHECK(own, status == NNCF_E_CONFIG, "another config: %d, %s", status, err.message);
        if (!same && !own->failed)
            status = nncf_checkpoint_restore(c, next->ctrl, &p, &report, &err);
        CHECK(own, status == NNCF_OK, "next stage: %s", err.message);
        clear_gradients(next); /* clones have ones everywhere */
        if (!same && !own->failed)
            expect_stage(g, next, &report);
        if (!same && !own->failed)
            train_on(next);
    }
    nncf_checkpoint_close(c);
    w->failed = w->failed || own->failed;
    w->elements += own->elements;
    w->escapes += own->escapes;
    w->loose += own->loose;
    drop_graph(next);
    free(next);
    free(own);
    free(b.data);
}
