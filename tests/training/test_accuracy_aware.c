/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accuracy-aware training against what NNCF's loops decided for the same metrics
 * (golden/accuracy_aware.json), with snapshots that are really saved and restored; compression
 * rates set by the caller; refusals.
 */
#include "support/files.h"
#include "support/fixture.h"
#include "support/rig.h"

enum { MOST_EPOCHS = 64, MOST_CONFIG = 1024 };

static const fx_block conv = {
    .scope = "N/Conv2d[a]", .in_channels = 8, .out_channels = 10, .kernel = {3, 3}};

static void save(const fx_rig *r, const char *name)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_checkpoint_save(r->ctrl, fx_path(name), NULL, 0, NULL, &err) == NNCF_OK,
        "%s", err.message);
}

static void restore(const fx_rig *r, const char *name)
{
    nncf_checkpoint *c;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_checkpoint_open(r->context, fx_path(name), NULL, &c, NULL), NNCF_OK);
    ck_assert_msg(
        nncf_checkpoint_restore(c, r->ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint_close(c);
}

/* ---- the decisions of NNCF ---- */

typedef struct host {
    fx_rig r;
    nncf_config *config;
    nncf_accuracy_aware *search;
    double saved_metric, metric;
} host;

static void make_search(host *h, double float_metric, const char *state)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_accuracy_aware_params p = {NNCF_PARAMS(nncf_accuracy_aware_params),
        .uncompressed_metric = float_metric, .state = state};
    ck_assert_msg(nncf_accuracy_aware_create(h->r.ctrl, h->config, &p, &h->search, &err) == NNCF_OK,
        "%s", err.message);
}

static void host_make(host *h, const fx_block *layer, const char *config, double float_metric)
{
    fx_rig_make(&h->r, layer, config);
    h->config = fx_config(h->r.context, config);
    ck_assert_int_eq(nncf_compression_ctrl_set_order(h->r.ctrl, NNCF_ORDER_BEFORE, NULL), NNCF_OK);
    make_search(h, float_metric, NULL);
}

static void host_free(host *h)
{
    nncf_accuracy_aware_destroy(h->search);
    nncf_config_destroy(h->config);
    fx_rig_free(&h->r);
}

static nncf_accuracy_aware_decision report(host *h, double metric)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_accuracy_aware_decision d = {NNCF_PARAMS(nncf_accuracy_aware_decision)};
    h->metric = metric;
    ck_assert_msg(
        nncf_accuracy_aware_report(h->search, metric, &d, &err) == NNCF_OK, "%s", err.message);
    return d;
}

static double rate_of(const host *h)
{
    return fx_statistics(h->r.ctrl).sparsity_target;
}

static void carry_out(host *h, const nncf_accuracy_aware_decision *d)
{
    if (d->save_best) {
        save(&h->r, "best");
        h->saved_metric = h->metric;
    }
    if (d->restore_best) {
        restore(&h->r, "best");
        h->metric = h->saved_metric;
        ck_assert_double_eq(d->best_metric, h->metric);
        ck_assert_double_eq_tol(d->best_compression_rate, rate_of(h), 1e-12);
    }
    if (d->set_rate)
        ck_assert_int_eq(
            nncf_compression_ctrl_set_compression_rate(h->r.ctrl, d->compression_rate, NULL),
            NNCF_OK);
    ck_assert_double_eq_tol(d->compression_rate, rate_of(h), 1e-12);
}

/* The process ends here, and another one goes on. */
static void interrupt(host *h, double float_metric)
{
    char state[512];
    size_t needed;
    ck_assert_int_eq(
        nncf_accuracy_aware_get_state(h->search, state, sizeof state, &needed, NULL), NNCF_OK);
    ck_assert_uint_eq(needed, strlen(state) + 1);
    save(&h->r, "now");
    nncf_accuracy_aware_destroy(h->search);
    nncf_compression_ctrl_destroy(h->r.ctrl);
    ck_assert_int_eq(
        nncf_compression_ctrl_create(h->r.model, h->config, &h->r.ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_set_order(h->r.ctrl, NNCF_ORDER_BEFORE, NULL), NNCF_OK);
    restore(&h->r, "now");
    make_search(h, float_metric, state);
}

static void config_of(json_object *file, json_object *g, char config[MOST_CONFIG])
{
    json_object *levels = fx_member(file, "levels");
    snprintf(config, MOST_CONFIG,
        "{\"nncf_dialect\": \"2.7\", \"accuracy_aware_training\": {\"mode\": \"%s\", \"params\": "
        "%s}, \"compression\": [{\"algorithm\": \"magnitude_sparsity\", \"sparsity_init\": 0.1, "
        "\"params\": {\"schedule\": \"multistep\", \"multistep_steps\": [%d], "
        "\"multistep_sparsity_levels\": [%g, %g]}}]}",
        fx_string(g, "mode"), json_object_to_json_string(fx_member(g, "params")),
        (int)fx_number(file, "change"),
        json_object_get_double(json_object_array_get_idx(levels, 0)),
        json_object_get_double(json_object_array_get_idx(levels, 1)));
}

static void follow(json_object *file, json_object *g, bool interrupted)
{
    const double float_metric = fx_number(file, "float_metric");
    double metrics[MOST_EPOCHS], result[2];
    json_object *epochs = fx_member(g, "epochs");
    const size_t n = fx_doubles_into(fx_member(g, "metrics"), metrics, MOST_EPOCHS);
    char config[MOST_CONFIG];
    host h;
    config_of(file, g, config);
    host_make(&h, &conv, config, float_metric);
    ck_assert_uint_eq(json_object_array_length(epochs) + 1, n);
    for (size_t i = 0; i < n; i++) {
        const nncf_accuracy_aware_decision d = report(&h, metrics[i]);
        carry_out(&h, &d);
        ck_assert_int_eq(d.epochs, (int64_t)i);
        ck_assert_int_eq(d.stop, i + 1 == n);
        if (d.stop)
            break;
        if (interrupted)
            interrupt(&h, float_metric);
        double epoch[2];
        fx_doubles_into(json_object_array_get_idx(epochs, i), epoch, 2);
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(h.r.ctrl, NULL), NNCF_OK);
        ck_assert_double_eq_tol(rate_of(&h), epoch[0], 1e-12);
        ck_assert_double_eq_tol(d.lr_factor, epoch[1], 1e-12);
    }
    fx_doubles_into(fx_member(g, "result"), result, 2);
    ck_assert_double_eq_tol(rate_of(&h), result[0], 1e-12);
    ck_assert_double_eq_tol(h.metric, result[1], 1e-12);
    host_free(&h);
}

START_TEST(decisions_are_those_of_nncf)
{
    json_object *file = fx_golden("accuracy_aware.json"), *cases = fx_member(file, "cases");
    ck_assert_uint_eq(json_object_array_length(cases), 32);
    for (size_t i = 0; i < json_object_array_length(cases); i++)
        follow(file, json_object_array_get_idx(cases, i), _i);
    json_object_put(file);
}
END_TEST

/* ---- one by one ---- */

#define MAGNITUDE                                                                                  \
    "{\"algorithm\": \"magnitude_sparsity\", \"sparsity_init\": 0.2, \"params\": {\"schedule\": "  \
    "\"polynomial\", \"sparsity_target\": 0.4, \"sparsity_target_epoch\": 4}}"
static const char searching[] =
    "{\"accuracy_aware_training\": {\"mode\": \"adaptive_compression_level\", \"params\": "
    "{\"maximal_absolute_accuracy_degradation\": 1, \"initial_training_phase_epochs\": 0, "
    "\"patience_epochs\": 1, \"maximal_total_epochs\": 5}}, \"compression\": [" MAGNITUDE "]}";

START_TEST(criteria_and_what_a_decision_says)
{
    host h;
    host_make(&h, &conv, searching, 90);
    nncf_accuracy_aware_decision d = report(&h, 89.5);
    ck_assert_double_eq_tol(d.budget, 0.5, 1e-12);
    ck_assert(d.set_rate && d.reset_optimizer && !d.stop && !d.save_best && !d.restore_best);
    ck_assert_double_eq_tol(d.compression_rate, 0.3, 1e-12); /* 0.2 and the step, 0.1 */
    ck_assert(isnan(d.best_metric) && isnan(d.best_compression_rate));
    carry_out(&h, &d);
    ck_assert_int_eq(fx_statistics(h.r.ctrl).compression_level, NNCF_COMPRESSION_FULL);
    d = report(&h, 89); /* just enough */
    ck_assert_double_eq_tol(d.budget, 0, 1e-12);
    ck_assert(d.save_best && d.set_rate && !d.restore_best);
    carry_out(&h, &d);
    d = report(&h, 12);
    ck_assert_double_eq_tol(d.lr_factor, 0.5, 1e-12);
    ck_assert_double_eq_tol(d.compression_rate, 0.35, 1e-12);
    ck_assert(d.restore_best && d.set_rate);
    carry_out(&h, &d);
    for (int i = 0; i < 3; i++) {
        d = report(&h, 12);
        carry_out(&h, &d);
    }
    ck_assert(d.stop && d.restore_best && d.criterion_met);
    ck_assert_double_eq(h.metric, 89);
    host_free(&h);
}
END_TEST

/* Masks of a level that was set stay, and so does the level; snapshots hold both. */
START_TEST(a_rate_that_is_set_stays)
{
    fx_rig r, other;
    fx_rig_make(&r, &conv, searching);
    fx_rig_make(&other, &conv, searching);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(r.ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(fx_statistics(r.ctrl).compression_level, NNCF_COMPRESSION_PARTIAL);
    ck_assert_int_eq(nncf_compression_ctrl_set_compression_rate(r.ctrl, 0.5, NULL), NNCF_OK);
    const nncf_statistics s = fx_statistics(r.ctrl);
    ck_assert_double_eq_tol(s.sparsity, 0.5, 2e-3);
    ck_assert_int_eq(s.compression_level, NNCF_COMPRESSION_FULL);
    for (size_t i = 0; i < r.k.weights / 2; i++)
        r.k.w[i] *= 100;
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(r.ctrl, NULL), NNCF_OK);
    ck_assert_double_eq(fx_statistics(r.ctrl).sparsity_target, 0.5);
    ck_assert_double_eq(fx_statistics(r.ctrl).magnitude_threshold, s.magnitude_threshold);
    save(&r, "s");
    restore(&other, "s");
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(other.ctrl, NULL), NNCF_OK);
    ck_assert_double_eq(fx_statistics(other.ctrl).sparsity_target, 0.5);
    ck_assert_double_eq(fx_statistics(other.ctrl).magnitude_threshold, s.magnitude_threshold);
    ck_assert_int_eq(fx_statistics(other.ctrl).compression_level, NNCF_COMPRESSION_FULL);
    fx_rig_free(&r);
    fx_rig_free(&other);
}
END_TEST

/* The search ends at 1 - n / m, above which no rate can be set. */
START_TEST(the_search_stays_below_the_level_of_a_structure)
{
    static const char two_of_four[] =
        "{\"accuracy_aware_training\": {\"mode\": \"adaptive_compression_level\", \"params\": "
        "{\"maximal_absolute_accuracy_degradation\": 1, \"initial_training_phase_epochs\": 0, "
        "\"patience_epochs\": 1, \"maximal_total_epochs\": 20}}, \"compression\": [{\"algorithm\": "
        "\"magnitude_sparsity\", \"sparsity_init\": 0.3, \"params\": {\"structure\": \"n:m\", "
        "\"schedule\": \"polynomial\", \"sparsity_target\": 0.4, \"sparsity_target_epoch\": 4}}]}";
    nncf_error err = NNCF_ERROR_INIT;
    nncf_accuracy_aware *none = NULL;
    const nncf_accuracy_aware_params above = {NNCF_PARAMS(nncf_accuracy_aware_params),
        .uncompressed_metric = 90, .minimal_compression_rate = 0.6};
    host h;
    host_make(&h, &conv, two_of_four, 90);
    nncf_accuracy_aware_decision d;
    int reports = 0;
    do {
        d = report(&h, 90);
        carry_out(&h, &d);
    } while (!d.stop && ++reports < 20);
    ck_assert(d.stop);
    ck_assert_double_eq_tol(d.best_compression_rate, 0.5, 1e-9);
    ck_assert_int_eq(
        nncf_accuracy_aware_create(h.r.ctrl, h.config, &above, &none, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "n:m"));
    ck_assert_ptr_null(none);
    host_free(&h);
}
END_TEST

/* The part of the filters that filter_pruning prunes is a rate as well. */
START_TEST(a_part_of_the_filters_is_a_rate)
{
    static const char pruning[] =
        "{\"accuracy_aware_training\": {\"mode\": \"adaptive_compression_level\", \"params\": "
        "{\"maximal_absolute_accuracy_degradation\": 1, \"initial_training_phase_epochs\": 0}}, "
        "\"compression\": [{\"algorithm\": \"filter_pruning\", \"pruning_init\": 0.2, \"params\": "
        "{\"schedule\": \"exponential\", \"pruning_target\": 0.4, \"pruning_steps\": 9, "
        "\"prune_first_conv\": true, \"prune_last_conv\": true}}]}";
    static const fx_block wide = {
        .scope = "N/Conv2d[a]", .in_channels = 8, .out_channels = 32, .kernel = {3, 3}};
    fx_rig other;
    host h;
    host_make(&h, &wide, pruning, 90);
    fx_rig_make(&other, &wide, pruning);
    nncf_accuracy_aware_decision d = report(&h, 89.5);
    ck_assert(d.set_rate);
    ck_assert_double_eq_tol(d.compression_rate, 0.3, 1e-12);
    ck_assert_int_eq(
        nncf_compression_ctrl_set_compression_rate(h.r.ctrl, d.compression_rate, NULL), NNCF_OK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(h.r.ctrl, NULL), NNCF_OK);
    save(&h.r, "s");
    restore(&other, "s");
    const nncf_statistics s = fx_statistics(h.r.ctrl), t = fx_statistics(other.ctrl);
    ck_assert_double_eq_tol(s.pruning_level, 0.3, 1e-12);
    ck_assert_double_eq_tol(t.pruning_level, 0.3, 1e-12);
    ck_assert_int_eq(s.filters_left, 24); /* 32 - 9, up to a multiple of 8 as in NNCF */
    ck_assert_int_eq(t.filters_left, 24);
    ck_assert_int_eq(t.compression_level, NNCF_COMPRESSION_FULL);
    d = report(&h, 12);
    ck_assert(d.stop == 0 && d.set_rate == 0); /* patience */
    fx_rig_free(&other);
    host_free(&h);
}
END_TEST

START_TEST(rates_that_cannot_be_set_are_refused)
{
    static const char rb[] = FX_CONFIG(FX_RB), int8[] = FX_CONFIG(FX_INT8);
    const double bad[] = {-0.1, 1, (double)NAN};
    nncf_error err = NNCF_ERROR_INIT;
    fx_rig r;
    fx_rig_make(&r, &conv, searching);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(
            nncf_compression_ctrl_set_compression_rate(r.ctrl, bad[i], NULL), NNCF_E_ARG);
    ck_assert_double_eq(fx_statistics(r.ctrl).sparsity_target, 0.2);
    fx_rig_free(&r);
    fx_rig_make(&r, &conv, int8);
    ck_assert_int_eq(nncf_compression_ctrl_set_compression_rate(r.ctrl, 0.5, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "magnitude_sparsity"));
    fx_rig_free(&r);
    fx_rig_make(&r, &conv, rb);
    ck_assert_int_eq(nncf_compression_ctrl_set_compression_rate(r.ctrl, 0.75, NULL), NNCF_OK);
    ck_assert_double_eq_tol(fx_loss(r.ctrl), pow((1 - 0.25) / 0.05, 2), 1e-3);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(r.ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_set_compression_rate(r.ctrl, 0.5, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "frozen"));
    fx_rig_free(&r);
}
END_TEST

START_TEST(wrong_reports_are_refused_and_change_nothing)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_accuracy_aware_decision d = {NNCF_PARAMS(nncf_accuracy_aware_decision)};
    char before[512], after[512];
    host h;
    host_make(&h, &conv, searching, 90);
    ck_assert_int_eq(
        nncf_accuracy_aware_get_state(h.search, before, sizeof before, NULL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_accuracy_aware_report(h.search, (double)NAN, &d, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_accuracy_aware_report(h.search, 80, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_accuracy_aware_report(NULL, 80, &d, &err), NNCF_E_ARG);
    ck_assert_int_eq(
        nncf_accuracy_aware_get_state(h.search, after, sizeof after, NULL, NULL), NNCF_OK);
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(nncf_accuracy_aware_get_state(h.search, after, 10, NULL, NULL), NNCF_E_BUFFER);
    d = report(&h, 89.5);
    ck_assert(d.set_rate);
    ck_assert_int_eq(nncf_accuracy_aware_report(h.search, 89, &d, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "set_compression_rate"));
    carry_out(&h, &d);
    while (!d.stop) {
        d = report(&h, 12);
        carry_out(&h, &d);
    }
    ck_assert_int_eq(nncf_accuracy_aware_report(h.search, 89, &d, &err), NNCF_E_STATE);
    host_free(&h);
}
END_TEST

/* Reports, epochs, those at the present rate; the last direction, and the rate and metric of the
 * snapshot, by their bits. The rest is a search that has just begun: no metric so far, rate 0.5,
 * step 0.25, factor 1. */
#define STATE(counts, direction, rate, metric)                                                     \
    "nncf-accuracy-aware 1 0 " counts " fff0000000000000 3fe0000000000000 3fd0000000000000 "       \
    "3ff0000000000000 " direction " " rate " " metric
#define NONE "7ff8000000000000"

START_TEST(what_cannot_begin_is_refused)
{
    static const struct {
        const char *config;
        nncf_accuracy_aware_params p;
        nncf_status status;
        const char *text;
    } cases[] = {
        {FX_CONFIG(FX_INT8), {.uncompressed_metric = 1}, NNCF_E_CONFIG, "no accuracy_aware"},
        {"{\"accuracy_aware_training\": {\"mode\": \"adaptive_compression_level\"}, "
         "\"compression\": [" FX_INT8 "]}",
            {.uncompressed_metric = 1}, NNCF_E_UNSUPPORTED, "magnitude_sparsity"},
        {searching, {.uncompressed_metric = INFINITY}, NNCF_E_ARG, "uncompressed_metric"},
        {searching, {.minimal_compression_rate = 0.5, .maximal_compression_rate = 0.4}, NNCF_E_ARG,
            "rates from 0.5 to 0.4"},
        {searching, {.maximal_compression_rate = 1}, NNCF_E_ARG, "below 1"},
        {searching, {.state = "nncf-accuracy-aware 1 0 0 0 0 12"}, NNCF_E_FORMAT, "state"},
        {searching, {.state = ""}, NNCF_E_FORMAT, "state"},
        {searching, {.state = STATE("9223372036854775807 9223372036854775806 0", "0", NONE, NONE)},
            NNCF_E_FORMAT, "state"}, /* no further epoch can be counted */
        {searching, {.state = STATE("99999999999999999999 3 3", "0", NONE, NONE)}, NNCF_E_FORMAT,
            "state"},
        {searching, {.state = STATE("4 4 2", "0", NONE, NONE)}, NNCF_E_FORMAT, "state"},
        {searching, {.state = STATE("4 3 4", "0", NONE, NONE)}, NNCF_E_FORMAT, "state"},
        {searching, {.state = STATE("4 3 2", NONE, NONE, NONE)}, NNCF_E_FORMAT, "state"},
        {searching, {.state = STATE("4 3 2", "0", "3fe0000000000000", NONE)}, NNCF_E_FORMAT,
            "state"}, /* a snapshot without a metric */
        {searching, {.state = STATE("4 3 2", "0", NONE, NONE)}, NNCF_OK, ""},
    };
    nncf_accuracy_aware *search = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    fx_rig r;
    nncf_accuracy_aware_params p = cases[_i].p;
    p.struct_size = sizeof p;
    fx_rig_make(&r, &conv, cases[_i].config);
    nncf_config *config = fx_config(r.context, cases[_i].config);
    ck_assert_int_eq(
        nncf_accuracy_aware_create(r.ctrl, config, &p, &search, &err), cases[_i].status);
    ck_assert_msg(strstr(err.message, cases[_i].text), "%s", err.message);
    ck_assert_int_eq(nncf_accuracy_aware_create(r.ctrl, config, NULL, &search, &err), NNCF_E_ARG);
    ck_assert(!search == (cases[_i].status != NNCF_OK));
    nncf_accuracy_aware_destroy(search);
    nncf_accuracy_aware_destroy(NULL);
    nncf_config_destroy(config);
    fx_rig_free(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("accuracy_aware");
    TCase *tc = fx_case(suite, "accuracy_aware", 60);
    tcase_add_checked_fixture(tc, fx_folder_make, fx_folder_remove);
    tcase_add_loop_test(tc, decisions_are_those_of_nncf, 0, 2);
    tcase_add_test(tc, criteria_and_what_a_decision_says);
    tcase_add_test(tc, a_rate_that_is_set_stays);
    tcase_add_test(tc, the_search_stays_below_the_level_of_a_structure);
    tcase_add_test(tc, a_part_of_the_filters_is_a_rate);
    tcase_add_test(tc, rates_that_cannot_be_set_are_refused);
    tcase_add_test(tc, wrong_reports_are_refused_and_change_nothing);
    tcase_add_loop_test(tc, what_cannot_begin_is_refused, 0, 14);
    return fx_main(suite);
}
