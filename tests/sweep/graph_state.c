/* SPDX-License-Identifier: Apache-2.0 */
/* What calls do to a controller: plans, ranges, masks, counters. */
#include "graph.h"

#include <json-c/json.h>

bool initializing(const graph *g)
{
    return g->phase == OBSERVING || g->phase == ADAPTING;
}

/* ---- what the plan says ---- */

static const char *field(json_object *o, const char *name)
{
    json_object *v = NULL;
    return json_object_object_get_ex(o, name, &v) ? json_object_get_string(v) : NULL;
}

static node *node_of(graph *g, const char *scope)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (strcmp(g->nodes[i].scope, scope) == 0)
            return &g->nodes[i];
    return NULL;
}

static bool find_parameter(graph *g, const node *n, const char *end, nncf_parameter *p)
{
    char name[200];
    snprintf(name, sizeof name, "%s%s", n->scope, end);
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(g->ctrl); i++) {
        *p = (nncf_parameter){NNCF_PARAMS(nncf_parameter)};
        nncf_status status = nncf_compression_ctrl_get_parameter(g->ctrl, i, p, NULL);
        CHECK(g->world, status == NNCF_OK, "parameter %zu: %d", i, status);
        if (strcmp(p->name, name) == 0)
            return true;
    }
    CHECK(g->world, false, "no parameter %s", name);
    return false;
}

static void take_rule(quant *q, const char *rule, bool is_weight)
{
    long long count = 0;
    char unit[16] = "";
    snprintf(q->rule, sizeof q->rule, "%.*s", (int)strcspn(rule, " ,"), rule);
    if (strcmp(q->rule, "mixed_min_max") == 0)
        strcpy(q->rule, is_weight ? "min_max" : "mean_min_max");
    q->batches = q->samples = -1;
    if (!is_weight && sscanf(rule, "%*s of %lld %15s", &count, unit) == 2)
        *(unit[0] == 'b' ? &q->batches : &q->samples) = count;
}

static void take_quantizer(graph *g, node *n, enum place place, json_object *entry)
{
    static const char *const stems[] = {".pre_ops.weight_quantizer", ".input_quantizer",
        ".activation_quantizer", ".pre_activation_quantizer"};
    quant *q = &n->q[place];
    char end[80];
    *q = (quant){.there = true,
        .asymmetric = strcmp(field(entry, "mode"), "asymmetric") == 0,
        .per_channel = strcmp(field(entry, "per_channel"), "true") == 0,
        .bits = (int32_t)strtol(field(entry, "bits"), NULL, 10),
        .channels = (size_t)strtol(field(entry, "channels"), NULL, 10)};
    const char *sign = field(entry, "signed");
    q->sign = q->wanted = !sign ? -1 : strcmp(sign, "true") == 0;
    take_rule(q, field(entry, "range"), place == WEIGHT);
    snprintf(end, sizeof end, "%s.%s", stems[place], q->asymmetric ? "input_low" : "scale");
    if (!find_parameter(g, n, end, &q->first))
        return;
    CHECK(g->world, q->first.count == q->channels, "%s: %zu numbers for %zu channels",
        q->first.name, q->first.count, q->channels);
    snprintf(end, sizeof end, "%s.input_range", stems[place]);
    if (q->asymmetric)
        find_parameter(g, n, end, &q->second);
    for (int i = 0; i < 2; i++)
        q->gradient[i] = ests(q->channels);
}

static void take_plan(graph *g)
{
    json_object *plan = json_tokener_parse(g->plan), *entries = NULL;
    json_object_object_get_ex(plan, "entries", &entries);
    CHECK(g->world, entries != NULL, "the plan is no JSON: %s", g->plan);
    for (size_t i = 0; entries && i < json_object_array_length(entries); i++) {
        json_object *entry = json_object_array_get_idx(entries, i);
        node *n = node_of(g, field(entry, "layer"));
        const char *what = field(entry, "what");
        CHECK(g->world, n != NULL, "the plan knows a layer %s", field(entry, "layer"));
        if (!n)
            continue;
        if (strcmp(what, "mask") != 0) {
            take_quantizer(g, n,
                what[0] == 'w'       ? WEIGHT
                    : what[0] == 'o' ? OUTPUT
                    : what[2] == 'n' ? INNER
                                     : INPUT,
                entry);
        } else if (g->recipe.sparsity == 2) {
            n->mask = MASK_RB;
            find_parameter(g, n, ".pre_ops.mask", &n->logit);
        } else {
            n->mask = MASK_BITS;
        }
    }
    json_object_put(plan);
}

static char *plan_of(graph *g, nncf_status *status)
{
    nncf_plan *plan = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    *status = nncf_plan_create(g->model, g->config, &plan, &err);
    if (*status != NNCF_OK)
        return NULL;
    size_t needed = 0;
    nncf_plan_format(plan, NNCF_FORM_JSON, NULL, 0, &needed, NULL);
    char *json = calloc(needed + 1, 1);
    CHECK(g->world, nncf_plan_format(plan, NNCF_FORM_JSON, json, needed, &needed, NULL) == NNCF_OK,
        "plan_json");
    nncf_plan_destroy(plan);
    return json;
}

/* Signs that nothing has decided yet are the library's own guess. */
static void take_signs(graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        nncf_layer_statistics s = {NNCF_PARAMS(nncf_layer_statistics)};
        nncf_status status =
            nncf_compression_ctrl_get_layer_statistics(g->ctrl, (size_t)i, &s, NULL);
        CHECK(g->world, status == NNCF_OK, "layer statistics: %d", status);
        const int32_t signs[] = {s.weight_signed, s.input_signed, s.output_signed};
        for (int p = 0; p < INNER; p++)
            if (n->q[p].there && n->q[p].sign < 0 && !n->q[p].asymmetric)
                n->q[p].sign = signs[p];
    }
}

/* ---- masks ---- */

typedef struct candidate {
    float importance;
    int node;
    size_t index;
} candidate;

static int by_importance(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->importance != y->importance)
        return x->importance < y->importance ? -1 : 1;
    if (x->node != y->node)
        return x->node - y->node;
    return x->index < y->index ? -1 : 1;
}

static void mask_nodes(graph *g, int first, int end, double level)
{
    candidate *all = NULL;
    size_t n_all = 0;
    for (int i = first; i < end; i++) {
        const node *n = &g->nodes[i];
        if (n->mask != MASK_BITS)
            continue;
        double squares = 0;
        for (size_t j = 0; j < n->n_weight; j++)
            squares += (double)n->w[j] * (double)n->w[j];
        float norm = g->recipe.normed && squares > 0 ? (float)sqrt(squares) : 1;
        if (!(norm > 0))
            norm = 1;
        all = realloc(all, (n_all + n->n_weight) * sizeof *all);
        for (size_t j = 0; j < n->n_weight; j++) {
            n->bits[j] = 1;
            all[n_all++] = (candidate){fabsf(n->w[j]) / norm, i, j};
        }
    }
    const size_t zeros = (size_t)floor(level * (double)n_all);
    if (n_all)
        qsort(all, n_all, sizeof *all, by_importance);
    for (size_t i = 0; i < zeros; i++)
        g->nodes[all[i].node].bits[all[i].index] = 0;
    free(all);
}

static double level_of(const recipe *r, int64_t epoch)
{
    const double e = (double)epoch, steps = (double)r->target_epoch;
    static const double levels[] = {0.1, 0.4, 0.6};
    if (r->schedule == 2)
        return levels[(epoch >= 1) + (epoch >= 3)];
    if (e >= steps)
        return r->target;
    if (r->schedule == 0)
        return fmin(
            r->target, 1 - (1 - r->init) * exp(log((1 - r->target) / (1 - r->init)) / steps * e));
    if (r->ease_out)
        return r->target - (r->target - r->init) * pow(1 - e / steps, r->power);
    return r->init + (r->target - r->init) * pow(e / steps, r->power);
}

static nncf_statistics statistics_of(graph *g)
{
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    nncf_status status = nncf_compression_ctrl_get_statistics(g->ctrl, &s, NULL);
    CHECK(g->world, status == NNCF_OK, "statistics: %d", status);
    return s;
}

static double checked_level(graph *g)
{
    const double level = statistics_of(g).sparsity_target;
    if (g->recipe.schedule != 3)
        CHECK(g->world, fabs(level - level_of(&g->recipe, g->epoch)) <= 1e-12,
            "level %.17g in epoch %lld, not %.17g", level, (long long)g->epoch,
            level_of(&g->recipe, g->epoch));
    return level;
}

void magnitude_masks(graph *g)
{
    if (g->recipe.sparsity != 1)
        return;
    const double level = checked_level(g);
    if (!g->recipe.local) {
        mask_nodes(g, 0, g->n_nodes, level);
        return;
    }
    for (int i = 0; i < g->n_nodes; i++)
        mask_nodes(g, i, i + 1, level);
}

static void constant_masks(graph *g)
{
    for (int i = 0; i < g->n_nodes && g->recipe.sparsity == 3; i++)
        for (size_t j = 0; j < g->nodes[i].n_weight; j++)
            g->nodes[i].bits[j] = g->nodes[i].w[j] != 0;
}

/* Before any training weights may have been loaded: masks are made of what they are as
 * initialization begins, but for constant ones that mask something. */
static void renew_masks(graph *g)
{
    bool masks = false;
    if (g->resumed || g->used || g->step > 0 || g->epoch > 0)
        return;
    for (int i = 0; i < g->n_nodes; i++)
        for (size_t j = 0; g->nodes[i].mask == MASK_BITS && j < g->nodes[i].n_weight; j++)
            masks = masks || !g->nodes[i].bits[j];
    magnitude_masks(g);
    if (!masks)
        constant_masks(g);
}

void weight_used(graph *g)
{
    g->used = g->used || (g->ctrl && g->mode == NNCF_MODE_TRAIN && !initializing(g));
}

/* Batch norm of one value a channel makes 0 of it. */
bool norm_refuses(const graph *g, const node *n)
{
    return n->has_norm && (g->mode == NNCF_MODE_TRAIN || g->phase == ADAPTING) &&
        n->out.d[0] * n->out.d[2] * n->out.d[3] == 1;
}

/* ---- ranges ---- */

static bool room_for_exact(const quant *q, size_t channel)
{
    if (q->channels <= 1)
        return q->seen.count <= 4096;
    size_t count = 0;
    for (size_t i = 0; i < q->seen.count; i++)
        count += (size_t)q->seen.channel[i] == channel;
    return count <= 512;
}

/* What rule and data make of a quantizer; ranges: low and high of each channel, NAN: none; sign: -1
 * for open. */
static void check_ranges(
    graph *g, node *n, enum place place, const double *ranges, const bool *sure)
{
    static const char *const places[] = {"weight", "input", "output", "inner"};
    quant *q = &n->q[place];
    char what[80];
    bool negative = false, open = false;
    double widest = 0;
    for (size_t c = 0; c < q->channels; c++) {
        const double low = ranges[2 * c], high = ranges[2 * c + 1];
        if (!(low <= high))
            continue;
        negative = negative || low < 0;
        open = open || !sure[c] || (low != 0 && fabs(low) < 1e-6 * fabs(high));
        widest = fmax(widest, high - low);
    }
    if (q->wanted < 0 && !open) {
        q->sign = negative;
    } else if (q->wanted < 0) { /* the library knows */
        q->sign = -1;
        if (place != INNER)
            take_signs(g);
        else
            q->sign = negative;
    }
    for (size_t c = 0; c < q->channels; c++) {
        const double low = ranges[2 * c], high = ranges[2 * c + 1];
        const bool there = low <= high && (low != 0 || high != 0);
        const double loose = 1e-5 * fmax(fabs(low), fabs(high));
        if (!sure[c] && there)
            continue;
        if (!q->asymmetric) {
            snprintf(what, sizeof what, "scale of the %s by %s", places[place], q->rule);
            check_est(g->world, what, n, c, (double)q->first.data[c],
                there ? (est){fmax(fabs(low), fabs(high)), loose} : exact(1));
            continue;
        }
        const double grown = fmax(high - low, 0.01 * widest);
        snprintf(what, sizeof what, "range of the %s by %s", places[place], q->rule);
        check_est(g->world, what, n, c, (double)q->second.data[c],
            there ? (est){grown, loose + 1e-6 * grown} : exact(1));
        snprintf(what, sizeof what, "low of the %s by %s", places[place], q->rule);
        check_est(g->world, what, n, c, (double)q->first.data[c],
            there ? (est){low - (grown - (high - low)) / 2, loose + 1e-6 * grown} : exact(0));
    }
}

void expect_ranges_of_weights(graph *g, const char *when)
{
    (void)when;
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        quant *q = &n->q[WEIGHT];
        if (!q->there || q->kept)
            continue;
        const char *rule =
            strcmp(q->rule, "none") == 0 ? "min_max" : q->rule; /* weights need no batches */
        double *ranges = calloc(q->channels, 2 * sizeof *ranges);
        bool *sure = calloc(q->channels, sizeof *sure);
        for (size_t c = 0; c < q->channels; c++) {
            float *values = floats(n->n_weight);
            size_t count = 0;
            for (size_t j = 0; j < n->n_weight; j++) {
                const bool keep = n->mask == MASK_RB ? n->logit.data[j] > 0
                    : n->mask == MASK_BITS           ? n->bits[j]
                                                     : true;
                if (q->channels <= 1 || channel_of_weight(n, j) == c)
                    values[count++] = keep ? n->w[j] : 0;
            }
            sure[c] = true;
            if (!range_of(&g->recipe, rule, values, count, &ranges[2 * c]))
                ranges[2 * c] = ranges[2 * c + 1] = (double)NAN;
            free(values);
        }
        check_ranges(g, n, WEIGHT, ranges, sure);
        free(ranges);
        free(sure);
    }
}

static bool satisfied(const graph *g, const quant *q, int64_t begun, int64_t images)
{
    (void)g;
    if (q->kept || strcmp(q->rule, "none") == 0)
        return true;
    return q->batches >= 0 ? begun >= q->batches : images >= q->samples;
}

static bool activation(const node *n, int place)
{
    return place != WEIGHT && n->q[place].there;
}

static bool all_satisfied(const graph *g)
{
    for (int i = 0; i < g->n_nodes; i++)
        for (int p = 0; p < PLACES; p++)
            if (activation(&g->nodes[i], p) &&
                !satisfied(g, &g->nodes[i].q[p], g->begun, g->images))
                return false;
    return true;
}

void observe(graph *g, node *n, enum place place, const float *x, const shape *s)
{
    quant *q = &n->q[place];
    if (!q->there || g->phase != OBSERVING || satisfied(g, q, g->begun - 1, g->images))
        return;
    const size_t count = count_of(s);
    seen *of = &q->seen;
    if (of->count + count > of->capacity) {
        of->capacity = 2 * (of->count + count);
        of->value = realloc(of->value, of->capacity * sizeof *of->value);
        of->channel = realloc(of->channel, of->capacity * sizeof *of->channel);
        of->batch = realloc(of->batch, of->capacity * sizeof *of->batch);
    }
    for (size_t i = 0; i < count; i++) {
        of->value[of->count] = x[i];
        of->channel[of->count] = (int32_t)channel_at(s, i);
        of->batch[of->count++] = (int32_t)g->begun - 1;
    }
}

/* Did a quantizer that is looking see nothing in the present batch? */
bool saw_nothing(const graph *g)
{
    for (int i = 0; i < g->n_nodes && g->phase == OBSERVING; i++)
        for (int p = 0; p < PLACES; p++) {
            const quant *q = &g->nodes[i].q[p];
            if (!activation(&g->nodes[i], p) || satisfied(g, q, g->begun - 1, g->images))
                continue;
            if (q->seen.count == 0 || q->seen.batch[q->seen.count - 1] != g->begun - 1)
                return true;
        }
    return false;
}

static bool values_range(const graph *g, const quant *q, size_t c, int32_t batch, double range[2])
{
    float *values = floats(q->seen.count);
    size_t count = 0;
    for (size_t i = 0; i < q->seen.count; i++)
        if ((q->channels <= 1 || (size_t)q->seen.channel[i] == c) &&
            (batch < 0 || q->seen.batch[i] == batch))
            values[count++] = q->seen.value[i];
    bool found = range_of(&g->recipe, q->rule, values, count, range);
    free(values);
    return found;
}

static void check_activation(graph *g, node *n, enum place place)
{
    quant *q = &n->q[place];
    double *ranges = calloc(q->channels, 2 * sizeof *ranges);
    bool *sure = calloc(q->channels, sizeof *sure);
    const bool mean = strncmp(q->rule, "mean_", 5) == 0;
    const int32_t last = q->seen.count ? q->seen.batch[q->seen.count - 1] : -1;
    for (size_t c = 0; c < q->channels; c++) {
        double *r = &ranges[2 * c];
        sure[c] = strstr(q->rule, "min_max") || room_for_exact(q, c);
        bool found = !mean && values_range(g, q, c, -1, r);
        for (int32_t b = 0; mean && b <= last; b++) {
            double of[2];
            found = values_range(g, q, c, b, of);
            for (int j = 0; j < 2; j++)
                r[j] += of[j] / (double)(last + 1);
        }
        if (!found)
            r[0] = r[1] = (double)NAN;
    }
    check_ranges(g, n, place, ranges, sure);
    q->initialized = true;
    free(ranges);
    free(sure);
    q->seen.count = 0;
}

static void forget_seen(graph *g)
{
    for (int i = 0; i < g->n_nodes; i++)
        for (int p = 0; p < PLACES; p++)
            g->nodes[i].q[p].seen.count = 0;
}

static bool any_norm(const graph *g)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].has_norm)
            return true;
    return false;
}

static bool next_adaptation(graph *g)
{
    const recipe *r = &g->recipe;
    if ((r->adapt_steps <= 0 && r->adapt_samples <= 0) || !any_norm(g))
        return false;
    if (g->phase == ADAPTING)
        *(g->forgetting ? &g->forgot_images : &g->adapted_images) += g->batch_images;
    const bool forgot = g->forgot >= r->forget_steps && g->forgot_images >= r->forget_samples;
    const bool adapted = g->adapted >= r->adapt_steps && g->adapted_images >= r->adapt_samples;
    if (forgot && adapted)
        return false;
    g->forgetting = !forgot;
    (*(g->forgetting ? &g->forgot : &g->adapted))++;
    return true;
}

/* After a call that succeeded. */
void expect_init_step(graph *g, int32_t more)
{
    bool expected = false;
    if (!g->init_done) {
        if (g->phase == OBSERVING)
            g->images += g->batch_images;
        if (!g->ranges_done && !all_satisfied(g)) {
            if (g->begun == 0) {
                forget_seen(g);
                renew_masks(g);
                expect_ranges_of_weights(g, "as observation begins");
            }
            g->begun++;
            g->phase = OBSERVING;
            expected = true;
        } else {
            for (int i = 0; i < g->n_nodes && !g->ranges_done && g->begun > 0; i++)
                for (int p = 0; p < PLACES; p++)
                    if (activation(&g->nodes[i], p) && !g->nodes[i].q[p].kept &&
                        strcmp(g->nodes[i].q[p].rule, "none") != 0)
                        check_activation(g, &g->nodes[i], (enum place)p);
            if (!g->ranges_done && g->begun == 0)
                renew_masks(g);
            if (!g->ranges_done)
                expect_ranges_of_weights(g, "after observation");
            g->ranges_done = true;
            expected = next_adaptation(g);
            g->phase = expected ? ADAPTING : READY;
            g->init_done = !expected;
        }
        g->batch_images = 0;
    }
    CHECK(g->world, more == expected, "init_step says more = %d, not %d", (int)more, (int)expected);
}

/* ---- a controller comes and goes ---- */

static void reset(graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        for (int p = 0; p < PLACES; p++) {
            quant *q = &n->q[p];
            free(q->gradient[0]);
            free(q->gradient[1]);
            free(q->seen.value);
            free(q->seen.channel);
            free(q->seen.batch);
            *q = (quant){0};
        }
        n->mask = MASK_NONE;
        n->kept.ready = false;
        if (n->e_logit)
            memset(n->e_logit, 0, n->n_weight * sizeof *n->e_logit);
    }
    free(g->plan);
    g->plan = NULL;
    g->phase = PLAIN;
    g->init_done = g->ranges_done = g->frozen = g->forgetting = false;
    g->before = g->step_begun = g->epoch_begun = g->resumed = g->used = false;
    g->begun = g->images = g->batch_images = g->adapted = g->adapted_images = g->forgot =
        g->forgot_images = 0;
    g->step = g->epoch = 0;
    g->has_run = false;
}

void detach(graph *g)
{
    nncf_compression_ctrl_destroy(g->ctrl);
    g->ctrl = NULL;
    nncf_config_destroy(g->config);
    g->config = NULL;
    reset(g);
}

/* What a controller of the drawn config is, once it is made. */
static void begin(graph *g)
{
    g->phase = FRESH;
    g->has_run = false;
    for (int i = 0; i < g->n_nodes; i++)
        g->nodes[i].kept.ready = false;
    take_plan(g);
    take_signs(g);
    for (int i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].mask == MASK_RB)
            for (size_t j = 0; j < g->nodes[i].n_weight; j++)
                check_est(g->world, "logit", &g->nodes[i], j, (double)g->nodes[i].logit.data[j],
                    exact(log(0.99 / 0.01)));
    magnitude_masks(g);
    constant_masks(g);
    for (int i = 0; i < g->n_nodes; i++)
        g->nodes[i].q[WEIGHT].initialized = true;
    g->frozen = g->recipe.sparsity == 3;
    expect_ranges_of_weights(g, "at creation");
}

/* A controller of a random config; false: it is refused, by the plan too, or quantizers of it share
 * a range, which this program does not foresee (tests/controller/test_unified_scales.c does). */
bool attach(graph *g)
{
    world *w = g->world;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status planned;
    draw_config(w, g, &g->recipe);
    note(w, " attach");
    if (w->verbose)
        printf("graph %d: %s\n", g->index, g->recipe.text);
    nncf_status status = nncf_config_parse(
        w->context, "config", g->recipe.text, strlen(g->recipe.text), NULL, &g->config, &err);
    CHECK(w, status == NNCF_OK, "%s: %s", g->recipe.text, err.message);
    if (status != NNCF_OK)
        return false;
    g->plan = plan_of(g, &planned);
    status = nncf_compression_ctrl_create(g->model, g->config, &g->ctrl, &err);
    CHECK(w, status == planned, "plan %d, controller %d: %s", planned, status, err.message);
    CHECK(w, status == NNCF_OK || status == NNCF_E_UNSUPPORTED || status == NNCF_E_CONFIG,
        "controller: %d %s", status, err.message);
    if (status != NNCF_OK && w->verbose)
        printf("refused: %s: %s\n", err.where, err.message);
    if (status != NNCF_OK || strstr(g->plan, "\"shared_with\"")) { /* the model is as before */
        nncf_compression_ctrl_destroy(g->ctrl);
        g->ctrl = NULL;
        nncf_config_destroy(g->config);
        g->config = NULL;
        free(g->plan);
        g->plan = NULL;
        return false;
    }
    begin(g);
    return true;
}

/* ---- steps ---- */

void expect_step(graph *g)
{
    g->step += !(g->before && !g->step_begun);
    g->step_begun = true;
}

void expect_epoch_step(graph *g)
{
    const bool first = g->before && !g->epoch_begun;
    g->epoch_begun = true;
    if (first)
        return;
    g->epoch++;
    magnitude_masks(g);
    if (g->recipe.sparsity == 2)
        g->frozen = g->epoch >= g->recipe.freeze_epoch;
}

static void count_masks(const graph *g, double *stay, double *total, int64_t *layers)
{
    *stay = *total = 0;
    *layers = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        if (n->mask == MASK_NONE)
            continue;
        *layers += 1;
        *total += (double)n->n_weight;
        for (size_t j = 0; j < n->n_weight; j++)
            *stay += n->mask == MASK_RB ? n->logit.data[j] > 0 : n->bits[j];
    }
}

void check_loss(graph *g)
{
    double loss = -1;
    const nncf_status status = nncf_compression_ctrl_loss_backward(g->ctrl, &loss, NULL);
    CHECK(g->world, status == NNCF_OK, "loss_backward: %d", status);
    double stay, total, expected = 0;
    int64_t layers;
    count_masks(g, &stay, &total, &layers);
    if (g->recipe.sparsity == 2 && !g->frozen && total > 0) {
        const double away = stay / total - (1 - checked_level(g));
        expected = away * away / (0.05 * 0.05);
        for (int i = 0; i < g->n_nodes; i++) {
            node *n = &g->nodes[i];
            for (size_t j = 0; n->mask == MASK_RB && j < n->n_weight; j++) {
                const double p = 1 / (1 + exp(-(double)n->logit.data[j]));
                const double d = 2 * away / (0.05 * 0.05) / total * p * (1 - p);
                add_est(&n->e_logit[j], (est){d, 3e-5 * fabs(d)});
                n->e_logit[j].t += 1.2e-7 * fabs(n->e_logit[j].v);
            }
        }
    }
    CHECK(g->world, fabs(loss - expected) <= 1e-9 * (1 + fabs(expected)), "loss %.17g, not %.17g",
        loss, expected);
}

void check_statistics(graph *g)
{
    const nncf_statistics s = statistics_of(g);
    double stay, total;
    int64_t layers;
    size_t quantizers[PLACES] = {0};
    world *w = g->world;
    count_masks(g, &stay, &total, &layers);
    for (int i = 0; i < g->n_nodes; i++)
        for (int p = 0; p < PLACES; p++)
            quantizers[p] += g->nodes[i].q[p].there;
    CHECK(w, s.step == g->step && s.epoch == g->epoch && s.frozen == g->frozen,
        "counters %lld %lld %d, not %lld %lld %d", (long long)s.step, (long long)s.epoch,
        (int)s.frozen, (long long)g->step, (long long)g->epoch, (int)g->frozen);
    CHECK(w, s.sparsified_layers == (size_t)layers && s.sparsified_weights == (int64_t)total,
        "sparsified layers %lld, weights %lld", (long long)s.sparsified_layers,
        (long long)s.sparsified_weights);
    CHECK(w, fabs(s.sparsity - (total > 0 ? 1 - stay / total : 0)) < 1e-9,
        "sparsity %.9g, not %.9g", s.sparsity, total > 0 ? 1 - stay / total : 0);
    CHECK(w,
        s.weight_quantizers == quantizers[WEIGHT] && s.input_quantizers == quantizers[INPUT] &&
            s.activation_quantizers == quantizers[OUTPUT] + quantizers[INNER],
        "quantizers %lld %lld %lld", (long long)s.weight_quantizers, (long long)s.input_quantizers,
        (long long)s.activation_quantizers);
}
