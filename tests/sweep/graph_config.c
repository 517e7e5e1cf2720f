/* SPDX-License-Identifier: Apache-2.0 */
/* Random configs, in the words of a random release. */
#include "graph.h"

typedef struct writer {
    sweep_rng *r;
    const graph *g;
    recipe *out;
    int release; /* 100 * major + minor */
    char *at;
    size_t room;
    bool comma;
} writer;

__attribute__((format(printf, 2, 3))) static void put(writer *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(w->at, w->room, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= w->room)
        abort();
    w->at += n;
    w->room -= (size_t)n;
}

static void key(writer *w, const char *name)
{
    put(w, "%s\"%s\": ", w->comma ? ", " : "", name);
    w->comma = true;
}

static void open_object(writer *w, const char *name)
{
    key(w, name);
    put(w, "{");
    w->comma = false;
}

static void close_object(writer *w)
{
    put(w, "}");
    w->comma = true;
}

static void integer(writer *w, const char *name, int64_t value)
{
    key(w, name);
    put(w, "%lld", (long long)value);
}

static void number(writer *w, const char *name, double value)
{
    key(w, name);
    put(w, "%.17g", value);
}

static void text(writer *w, const char *name, const char *value)
{
    key(w, name);
    put(w, "\"%s\"", value);
}

static void boolean(writer *w, const char *name, bool value)
{
    key(w, name);
    put(w, value ? "true" : "false");
}

static bool maybe(const writer *w, int64_t n)
{
    return sweep_one_in(w->r, n);
}

static const char *some_scope(const writer *w)
{
    return w->g->nodes[sweep_range(w->r, 0, w->g->n_nodes - 1)].scope;
}

/* ---- quantization ---- */

static void sides(writer *w, const char *name)
{
    open_object(w, name);
    if (!maybe(w, 4))
        integer(w, "bits", sweep_range(w->r, 2, 8));
    if (maybe(w, 2))
        text(w, "mode", maybe(w, 2) ? "symmetric" : "asymmetric");
    if (maybe(w, 3))
        boolean(w, "signed", maybe(w, 2));
    if (!maybe(w, 3))
        boolean(w, "per_channel", !maybe(w, 3));
    if (w->release >= 103 && maybe(w, 8))
        text(w, "ignored_scopes", some_scope(w));
    close_object(w);
}

static void range_rule(writer *w)
{
    static const char *const rules[] = {
        "min_max", "mean_min_max", "threesigma", "percentile", "mean_percentile"};
    const char *rule = SWEEP_PICK(w->r, rules);
    if (!maybe(w, 5))
        text(w, "type", rule);
    if (w->release < 106 && strstr(rule, "percentile")) { /* no default yet */
        w->out->min_percentile = 10;
        w->out->max_percentile = 95;
        integer(w, "min_percentile", 10);
        integer(w, "max_percentile", 95);
    }
    if (w->release >= 106)
        integer(w, "num_init_samples", sweep_range(w->r, 0, 7));
    else if (!maybe(w, 5))
        integer(w, "num_init_steps", sweep_range(w->r, 0, 3));
    if (w->release >= 106 && maybe(w, 3)) {
        w->out->min_percentile = 5;
        w->out->max_percentile = 90;
        open_object(w, "params");
        integer(w, "min_percentile", 5);
        integer(w, "max_percentile", 90);
        close_object(w);
    }
}

static void initializer(writer *w)
{
    if (w->release < 106 && maybe(w, 4))
        return;
    open_object(w, "initializer");
    if (w->release <= 102) {
        static const char *const rules[] = {"min_max", "mean_min_max", "threesigma"};
        if (!maybe(w, 4))
            integer(w, "num_init_steps", sweep_range(w->r, 0, 3));
        if (maybe(w, 2))
            text(w, "type", SWEEP_PICK(w->r, rules));
    } else {
        open_object(w, "range");
        range_rule(w);
        close_object(w);
    }
    if (w->release >= 104) {
        const bool wanted = maybe(w, 3);
        open_object(w, "batchnorm_adaptation");
        recipe *r = w->out;
        if (w->release < 106) {
            r->adapt_steps = wanted ? sweep_range(w->r, 1, 2) : 0;
            r->forget_steps = wanted ? sweep_range(w->r, 0, 1) : 0;
            integer(w, "num_bn_adaptation_steps", r->adapt_steps);
            integer(w, "num_bn_forget_steps", r->forget_steps);
        } else {
            r->adapt_samples = wanted ? sweep_range(w->r, 1, 6) : 0;
            integer(w, "num_bn_adaptation_samples", r->adapt_samples);
            if (w->release <= 107) {
                r->forget_samples = wanted ? sweep_range(w->r, 0, 2) : 0;
                integer(w, "num_bn_forget_samples", r->forget_samples);
            }
        }
        close_object(w);
    }
    close_object(w);
}

static void quantization(writer *w)
{
    w->comma = false;
    put(w, "{");
    text(w, "algorithm", "quantization");
    if (maybe(w, 4))
        boolean(w, "quantize_inputs", maybe(w, 2));
    if (w->release == 100) {
        integer(w, "bits", sweep_range(w->r, 2, 8));
        if (maybe(w, 2))
            boolean(w, "symmetric", maybe(w, 2));
        if (maybe(w, 4))
            boolean(w, "signed_activations", maybe(w, 2));
    } else {
        if (maybe(w, 3) && w->release < 105)
            boolean(w, "quantize_outputs", maybe(w, 2));
        if (!maybe(w, 6))
            sides(w, "weights");
        if (!maybe(w, 6))
            sides(w, "activations");
    }
    if (w->release >= 101 && w->release < 105 && maybe(w, 2)) {
        key(w, "quantizable_subgraph_patterns");
        put(w, "[%s[\"cat\", \"batch_norm\"]]", maybe(w, 2) ? "\"__add__\", " : "");
    }
    if (w->release >= 201 && maybe(w, 3))
        text(w, "preset", maybe(w, 2) ? "mixed" : "performance");
    if (maybe(w, 6))
        text(w, "ignored_scopes", some_scope(w));
    if (w->release >= 102 && maybe(w, 5)) {
        open_object(w, "scope_overrides");
        if (w->release >= 200)
            open_object(w, maybe(w, 2) ? "weights" : "activations");
        open_object(w, some_scope(w));
        integer(w, "bits", sweep_range(w->r, 2, 8));
        if (maybe(w, 2))
            text(w, "mode", maybe(w, 2) ? "symmetric" : "asymmetric");
        if (w->release >= 200)
            close_object(w);
        close_object(w);
        close_object(w);
    }
    initializer(w);
    put(w, "}");
    w->comma = true;
}

/* ---- sparsity ---- */

static void schedule(writer *w)
{
    static const char *const names[] = {"exponential", "polynomial", "multistep", "adaptive"};
    recipe *r = w->out;
    const bool later = w->release >= 104;
    r->schedule = (int)sweep_range(w->r, 0, 3);
    r->init = (double)sweep_range(w->r, 0, 40) / 100;
    r->target = r->init + (double)sweep_range(w->r, 0, 55) / 100;
    r->power = 0.9;
    r->target_epoch = sweep_range(w->r, 1, 4);
    r->freeze_epoch = r->target_epoch + sweep_range(w->r, 0, 2);
    r->ease_out = later;
    text(w, "schedule", names[r->schedule]);
    number(w, "sparsity_init", r->init);
    number(w, "sparsity_target", r->target);
    integer(w, later ? "sparsity_target_epoch" : "sparsity_steps", r->target_epoch);
    integer(w, later ? "sparsity_freeze_epoch" : "sparsity_training_steps", r->freeze_epoch);
    if (r->schedule == 2) {
        key(w, later ? "multistep_steps" : "steps");
        put(w, "[1, 3]");
        key(w, later ? "multistep_sparsity_levels" : "sparsity_levels");
        put(w, "[0.1, 0.4, 0.6]");
    }
    if (r->schedule == 1 && later) {
        const bool concave = maybe(w, 2);
        boolean(w, "concave", concave);
        r->ease_out = w->release < 107 ? !concave : concave;
    }
    if (w->release >= 105 && maybe(w, 3)) {
        r->local = maybe(w, 2);
        text(w, "sparsity_level_setting_mode", r->local ? "local" : "global");
    }
}

static void sparsity(writer *w, int kind)
{
    static const char *const names[] = {"", "magnitude_sparsity", "rb_sparsity", "const_sparsity"};
    recipe *r = w->out;
    w->comma = false;
    put(w, "{");
    text(w, "algorithm", names[kind]);
    r->sparsity = kind;
    r->normed = true;
    if (maybe(w, 6))
        text(w, "ignored_scopes", some_scope(w));
    if (kind != 3) {
        open_object(w, "params");
        schedule(w);
        if (kind == 1 && maybe(w, 2)) {
            r->normed = maybe(w, 2);
            if (w->release >= 104)
                text(w, "weight_importance", r->normed ? "normed_abs" : "abs");
        }
        close_object(w);
        if (kind == 1 && w->release < 104)
            text(w, "weight_importance", r->normed ? "normed_abs" : "abs");
    }
    put(w, "}");
    w->comma = true;
}

void draw_config(world *of, const graph *g, recipe *r)
{
    static const struct {
        int release;
        const char *name;
    } releases[] = {{100, "1.0"}, {101, "1.1"}, {101, "1.1"}, {102, "1.2"}, {103, "1.3"},
        {104, "1.4"}, {105, "1.5"}, {106, "1.6"}, {107, "1.7"}, {200, "2.0"}, {201, "2.1"},
        {203, "2.3"}, {205, "2.5"}, {217, "2.17"}};
    static const char *const devices[] = {
        "NONE", "NONE", "NONE", "TRIAL", "ANY", "CPU", "GPU", "VPU"};
    const size_t which = (size_t)sweep_range(of->rng, 0, sizeof releases / sizeof *releases - 1);
    *r = (recipe){.min_percentile = 0.1, .max_percentile = 99.9};
    writer w = {.r = of->rng,
        .g = g,
        .out = r,
        .release = releases[which].release,
        .at = r->text,
        .room = sizeof r->text};
    const int kind = (int)sweep_range(w.r, 0, 9); /* 0: nothing */
    const int sparse = maybe(&w, 2) ? (int)sweep_range(w.r, 1, 3) : 0;
    put(&w, "{");
    text(&w, "nncf_dialect", releases[which].name);
    if (w.release >= 105 && !maybe(&w, 5))
        text(&w, "target_device", SWEEP_PICK(w.r, devices));
    if (w.release >= 103 && maybe(&w, 10))
        text(&w, "ignored_scopes", some_scope(&w));
    if (kind > 0) {
        const bool first = maybe(&w, 2);
        key(&w, "compression");
        put(&w, "[");
        if (sparse && first)
            sparsity(&w, sparse);
        if (kind > 1 || !sparse) {
            put(&w, sparse && first ? ", " : "");
            quantization(&w);
        }
        if (sparse && !first) {
            put(&w, kind > 1 ? ", " : "");
            sparsity(&w, sparse);
        }
        put(&w, "]");
    }
    put(&w, "}");
}
