/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots, stripped models, exports: what comes back must be what went in, bit for bit. */
#include "graph.h"

enum { MAX_TENSORS = MAX_NODES * 6 };

typedef struct tensors {
    nncf_checkpoint_tensor of[MAX_TENSORS];
    int64_t shape[MAX_TENSORS];
    char name[MAX_TENSORS][24];
    size_t count;
} tensors;

static int32_t write_bytes(void *user, const void *data, size_t size)
{
    bytes *b = user;
    if (b->size + size > b->capacity) {
        b->capacity = 2 * (b->size + size);
        b->data = realloc(b->data, b->capacity);
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
    return 0;
}

static int32_t read_bytes(void *user, void *data, size_t size, size_t *n_read)
{
    bytes *b = user;
    size = size < b->size - b->at ? size : b->size - b->at;
    memcpy(data, b->data + b->at, size);
    b->at += size;
    *n_read = size;
    return 0;
}

static void list_array(tensors *t, int of, const char *what, float *x, size_t n)
{
    if (!x)
        return;
    const size_t i = t->count++;
    snprintf(t->name[i], sizeof t->name[i], "n%d.%s", of, what);
    t->shape[i] = (int64_t)n;
    t->of[i] = (nncf_checkpoint_tensor){
        t->name[i], {.data = x, .dtype = NNCF_F32, .ndim = 1, .shape = &t->shape[i]}};
}

static void list_tensors(graph *g, tensors *t)
{
    t->count = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        list_array(t, i, "weight", n->w, n->n_weight);
        list_array(t, i, "bias", n->b, n->n_channels);
        list_array(t, i, "gamma", n->gamma, n->n_channels);
        list_array(t, i, "beta", n->beta, n->n_channels);
        list_array(t, i, "mean", n->mean, n->n_channels);
        list_array(t, i, "var", n->var, n->n_channels);
    }
}

bool save_snapshot(graph *g, bytes *b)
{
    tensors t;
    nncf_error err = NNCF_ERROR_INIT;
    list_tensors(g, &t);
    nncf_checkpoint_save_params p = {
        NNCF_PARAMS(nncf_checkpoint_save_params), .write = write_bytes, .user = b};
    nncf_status status = nncf_checkpoint_save(g->ctrl, NULL, t.of, t.count, &p, &err);
    CHECK(g->world, status == NNCF_OK, "save: %s", err.message);
    return status == NNCF_OK;
}

nncf_checkpoint *open_snapshot(world *w, bytes *b)
{
    nncf_checkpoint *c = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    b->at = 0;
    nncf_checkpoint_open_params p = {
        NNCF_PARAMS(nncf_checkpoint_open_params), .read = read_bytes, .user = b, .size = b->size};
    nncf_status status = nncf_checkpoint_open(w->context, NULL, &p, &c, &err);
    CHECK(w, status == NNCF_OK, "open: %s", err.message);
    return c;
}

void read_tensors(graph *g, nncf_checkpoint *c)
{
    tensors t;
    nncf_error err = NNCF_ERROR_INIT;
    list_tensors(g, &t);
    nncf_status status = nncf_checkpoint_read(c, t.of, t.count, &err);
    CHECK(g->world, status == NNCF_OK, "read: %s", err.message);
}

/* The caller's tensors and the controller from a snapshot. */
static void load(graph *g, bytes *b)
{
    tensors t;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = open_snapshot(g->world, b);
    list_tensors(g, &t);
    if (sweep_one_in(g->world->rng, 2)) {
        read_tensors(g, c);
    } else if (t.count) {
        nncf_checkpoint_load_report report = {NNCF_PARAMS(nncf_checkpoint_load_report)};
        nncf_status status = nncf_checkpoint_load_weights(c, t.of, t.count,
            &(nncf_checkpoint_load_params){
                NNCF_PARAMS(nncf_checkpoint_load_params), .masks = NNCF_MASKS_LEAVE},
            NULL, &report, &err);
        CHECK(g->world, status == NNCF_OK && report.loaded == t.count,
            "load_weights: %d, %zu of %zu: %s", status, report.loaded, t.count, err.message);
    }
    if (g->ctrl) {
        nncf_status status = nncf_checkpoint_restore(c, g->ctrl, NULL, NULL, &err);
        CHECK(g->world, status == NNCF_OK, "restore: %s", err.message);
    }
    nncf_checkpoint_close(c);
}

/* ---- save, go on, restore ---- */

typedef struct memory {
    graph scalars;
    float *params[MAX_TENSORS];
    float *ctrl[64 * MAX_NODES];
    size_t n_ctrl;
    uint8_t *bits[MAX_NODES], *keep[MAX_NODES]; /* keep: of eval mode */
    int32_t signs[MAX_NODES][PLACES];
    bool initialized[MAX_NODES][PLACES];
} memory;

static float *copy_of(const float *x, size_t n)
{
    float *y = floats(n);
    memcpy(y, x, n * sizeof *y);
    return y;
}

static nncf_parameter parameter_at(graph *g, size_t i)
{
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    CHECK(g->world, nncf_compression_ctrl_get_parameter(g->ctrl, i, &p, NULL) == NNCF_OK,
        "parameter %zu", i);
    return p;
}

static void remember(graph *g, memory *m)
{
    tensors t;
    *m = (memory){.scalars = *g};
    list_tensors(g, &t);
    for (size_t i = 0; i < t.count; i++)
        m->params[i] = copy_of(t.of[i].tensor.data, (size_t)t.shape[i]);
    m->n_ctrl = nncf_compression_ctrl_get_parameter_count(g->ctrl);
    for (size_t i = 0; i < m->n_ctrl; i++) {
        const nncf_parameter p = parameter_at(g, i);
        m->ctrl[i] = copy_of(p.data, p.count);
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        m->bits[i] = calloc(n->n_weight + 1, 1);
        m->keep[i] = calloc(n->n_weight + 1, 1);
        for (size_t j = 0; j < n->n_weight; j++)
            m->keep[i][j] = n->mask == MASK_RB ? n->logit.data[j] > 0
                : n->mask == MASK_BITS         ? n->bits[j]
                                               : 1;
        if (n->n_weight)
            memcpy(m->bits[i], n->bits, n->n_weight);
        for (int p = 0; p < PLACES; p++)
            m->signs[i][p] = n->q[p].sign;
        for (int p = 0; p < PLACES; p++)
            m->initialized[i][p] = n->q[p].initialized;
    }
}

/* The state of the model here goes back to what the snapshot holds; everything must be there again.
 */
static void expect_memory(graph *g, memory *m)
{
    tensors t;
    const graph *s = &m->scalars;
    list_tensors(g, &t);
    for (size_t i = 0; i < t.count; i++)
        CHECK(g->world,
            memcmp(m->params[i], t.of[i].tensor.data, (size_t)t.shape[i] * sizeof(float)) == 0,
            "%s is not what was saved", t.name[i]);
    for (size_t i = 0; i < m->n_ctrl; i++) {
        const nncf_parameter p = parameter_at(g, i);
        CHECK(g->world, memcmp(m->ctrl[i], p.data, p.count * sizeof(float)) == 0,
            "%s is not what was saved", p.name);
    }
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        if (n->n_weight)
            memcpy(n->bits, m->bits[i], n->n_weight);
        for (int p = 0; p < PLACES; p++) {
            n->q[p].sign = m->signs[i][p];
            n->q[p].seen.count = 0;
            n->q[p].initialized = m->initialized[i][p];
            n->q[p].kept = n->q[p].initialized && p != WEIGHT && !s->init_done;
        }
        n->kept.ready = false;
    }
    g->step = s->step;
    g->resumed = g->ctrl != NULL;
    g->epoch = s->epoch;
    g->frozen = s->frozen;
    g->step_begun = s->step_begun;
    g->epoch_begun = s->epoch_begun;
    g->init_done = g->ranges_done = s->init_done;
    g->phase = !g->ctrl ? PLAIN : s->init_done ? READY : FRESH;
    g->begun = g->images = g->batch_images = g->adapted = g->adapted_images = g->forgot =
        g->forgot_images = 0;
    g->forgetting = false;
    g->has_run = false;
    if (g->ctrl)
        check_statistics(g);
}

static void free_memory(memory *m)
{
    for (size_t i = 0; i < MAX_TENSORS; i++)
        free(m->params[i]);
    for (size_t i = 0; i < m->n_ctrl; i++)
        free(m->ctrl[i]);
    for (int i = 0; i < MAX_NODES; i++) {
        free(m->bits[i]);
        free(m->keep[i]);
    }
}

/* The next stage's view of a snapshot: weights with the zeros of their masks. */
static void check_masked_load(graph *g, bytes *b, const memory *m)
{
    tensors t;
    size_t at = 0;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint_load_report report = {NNCF_PARAMS(nncf_checkpoint_load_report)};
    nncf_checkpoint *c = open_snapshot(g->world, b);
    list_tensors(g, &t);
    nncf_status status = nncf_checkpoint_load_weights(c, t.of, t.count, NULL, NULL, &report, &err);
    CHECK(g->world, t.count == 0 || (status == NNCF_OK && report.loaded == t.count),
        "load_weights: %d, %zu of %zu: %s", status, report.loaded, t.count, err.message);
    for (int i = 0; i < g->n_nodes && status == NNCF_OK; i++) {
        const node *n = &g->nodes[i];
        while (n->w && t.of[at].tensor.data != n->w)
            at++;
        for (size_t j = 0; j < n->n_weight; j++)
            CHECK(g->world, n->w[j] == (m->keep[i][j] ? m->params[at][j] : 0),
                "weight of %s [%zu] as loaded: %.9g", n->scope, j, (double)n->w[j]);
    }
    nncf_checkpoint_close(c);
}

/* Bits of all outputs in eval mode, for an input that follows from `state`. */
static uint64_t eval_digest(graph *g, uint64_t state)
{
    world *w = g->world;
    const uint64_t rng = w->rng->state, digest = w->digest;
    w->rng->state = state;
    w->digest = 1;
    const int32_t mode = g->mode;
    g->mode = NNCF_MODE_EVAL;
    nncf_model_set_mode(g->model, g->mode, NULL);
    run_forward(g);
    const uint64_t answer = w->digest;
    g->mode = mode;
    nncf_model_set_mode(g->model, mode, NULL);
    w->rng->state = rng;
    w->digest = digest;
    g->has_run = false;
    return answer;
}

static void remake(graph *g)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_compression_ctrl_destroy(g->ctrl);
    nncf_status status = nncf_compression_ctrl_create(g->model, g->config, &g->ctrl, &err);
    CHECK(g->world, status == NNCF_OK, "the same config again: %s", err.message);
    if (g->before)
        CHECK(g->world,
            nncf_compression_ctrl_set_order(g->ctrl, NNCF_ORDER_BEFORE, NULL) == NNCF_OK,
            "set_order");
    static const char *const stems[] = {".pre_ops.weight_quantizer", ".input_quantizer",
        ".activation_quantizer", ".pre_activation_quantizer"};
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(g->ctrl); i++) {
        const nncf_parameter p = parameter_at(g, i);
        for (int j = 0; j < g->n_nodes; j++) {
            node *n = &g->nodes[j];
            const size_t length = strlen(n->scope);
            if (strncmp(p.name, n->scope, length) != 0)
                continue;
            if (strcmp(p.name + length, ".pre_ops.mask") == 0)
                n->logit = p;
            for (int k = 0; k < PLACES; k++)
                if (strncmp(p.name + length, stems[k], strlen(stems[k])) == 0 &&
                    p.name[length + strlen(stems[k])] == '.')
                    *(p.kind == NNCF_PARAMETER_INPUT_RANGE ? &n->q[k].second : &n->q[k].first) = p;
        }
    }
}

void call_snapshot(graph *g)
{
    world *w = g->world;
    bytes b = {0};
    memory m;
    const bool runs = !initializing(g), anew = g->ctrl && sweep_one_in(w->rng, 2);
    const uint64_t state = sweep_bits(w->rng);
    note(w, " snapshot%s", anew ? "-anew" : "");
    const uint64_t before = runs ? eval_digest(g, state) : 0;
    if (!w->failed && save_snapshot(g, &b)) {
        remember(g, &m);
        optimize(g);
        if (g->ctrl) { /* anything that moves it */
            int32_t more;
            if (anew)
                remake(g);
            if (sweep_one_in(w->rng, 2))
                nncf_compression_ctrl_step(g->ctrl, NULL);
            if (sweep_one_in(w->rng, 2))
                nncf_compression_ctrl_epoch_step(g->ctrl, NULL);
            if (sweep_one_in(w->rng, 2))
                nncf_compression_ctrl_init_step(g->ctrl, &more, NULL);
        }
        if (sweep_one_in(w->rng, 3))
            check_masked_load(g, &b, &m);
        load(g, &b);
        clear_gradients(g);
        expect_memory(g, &m);
        const uint64_t after = runs && !w->failed ? eval_digest(g, state) : 0;
        CHECK(w, w->failed || after == before,
            "eval after restoring is not what it was before saving");
        free_memory(&m);
    }
    free(b.data);
}

/* ---- two models with the same state, in other contexts ---- */

static float *like(const float *x, size_t n)
{
    if (!x)
        return NULL;
    float *y = floats(n);
    for (size_t i = 0; i < n; i++)
        y[i] = 1;
    return y;
}

void clone_graph(const graph *from, graph *to, world *w)
{
    *to =
        (graph){.world = w, .input = from->input, .n_nodes = from->n_nodes, .recipe = from->recipe};
    for (int i = 0; i < from->n_nodes; i++) {
        const node *a = &from->nodes[i];
        node *b = &to->nodes[i];
        *b = *a;
        b->layer = NULL;
        b->w = like(a->w, a->n_weight);
        b->dw = like(a->dw, a->n_weight);
        float *const arrays[] = {
            a->b, a->gamma, a->beta, a->mean, a->var, a->db, a->dgamma, a->dbeta};
        float **const copies[] = {
            &b->b, &b->gamma, &b->beta, &b->mean, &b->var, &b->db, &b->dgamma, &b->dbeta};
        for (size_t j = 0; j < sizeof arrays / sizeof *arrays; j++)
            *copies[j] = like(arrays[j], a->n_channels);
        b->e_dw = b->e_db = b->e_dgamma = b->e_dbeta = b->e_logit = NULL;
        b->bits = NULL;
        b->mask = MASK_NONE;
        memset(b->q, 0, sizeof b->q);
        b->kept = (kept){0};
        b->y = b->dy = NULL;
    }
    register_graph(to);
}

/* Do all instruction sets agree on this layer's output? Products of codes, and what is elementwise.
 */
static bool exact_everywhere(const graph *g, const node *n)
{
    if (n->kind == ADD || n->kind == POOL)
        return true;
    if (n->kind != CONV && n->kind != LINEAR)
        return false;
    const quant *q = n->q[INPUT].there ? &n->q[INPUT] : feeding(g, n, 0);
    return q && q->channels == 1 && n->q[WEIGHT].there;
}

static nncf_tensor *inputs_of(graph *g, const node *n, nncf_tensor x[2])
{
    for (int i = 0; i < n->n_in; i++)
        x[i] = source_view(g, n->from[i]);
    return x;
}

/* A layer's forward, and in train mode backward, in both; g has what they read. */
static void compare_node(graph *g, graph *const twins[2], int index, bool trains, bool same_isa)
{
    world *w = g->world;
    const node *n = &g->nodes[index];
    const size_t out = count_of(&n->out), in = count_of(&n->in);
    const size_t bytes_out = out * (n->y_dtype == NNCF_F32 ? sizeof(float) : 1);
    void *y[2];
    float *dx[2][2], *dy = floats(out);
    nncf_tensor x[2];
    fill_random(w->rng, dy, out, 0.5);
    inputs_of(g, n, x);
    for (int t = 0; t < 2; t++) {
        nncf_layer *layer = twins[t]->nodes[index].layer;
        y[t] = calloc(1, bytes_out);
        dx[t][0] = floats(in);
        dx[t][1] = floats(in);
        nncf_tensor ty = view(y[t], n->y_dtype, &n->out);
        nncf_status status = nncf_layer_forward(layer, x, (size_t)n->n_in, &ty, NULL);
        const bool refuses = norm_refuses(twins[t], &twins[t]->nodes[index]);
        CHECK(w, status == (refuses ? NNCF_E_SHAPE : NNCF_OK), "twin %d: forward of %s: %d", t,
            n->scope, status);
        if (!trains || status != NNCF_OK)
            continue;
        float *used = copy_of(dy, out);
        nncf_tensor td = view(used, NNCF_F32, &n->out), to[2];
        for (int i = 0; i < n->n_in; i++) {
            to[i] = x[i];
            to[i].data = dx[t][i];
            to[i].dtype = NNCF_F32;
        }
        status = nncf_layer_backward(layer, x, (size_t)n->n_in, &td, to, NULL);
        CHECK(w, status == NNCF_OK, "twin %d: backward of %s: %d", t, n->scope, status);
        free(used);
    }
    if (same_isa || exact_everywhere(g, n))
        CHECK(w, memcmp(y[0], y[1], bytes_out) == 0, "twins: output of %s differs", n->scope);
    for (int i = 0; i < n->n_in && same_isa && trains; i++)
        CHECK(w, memcmp(dx[0][i], dx[1][i], in * sizeof(float)) == 0,
            "twins: input gradient of %s differs", n->scope);
    const node *a = &twins[0]->nodes[index], *b = &twins[1]->nodes[index];
    if (same_isa && trains && a->dw)
        CHECK(w, memcmp(a->dw, b->dw, a->n_weight * sizeof(float)) == 0,
            "twins: weight gradient of %s differs", n->scope);
    for (int t = 0; t < 2; t++) {
        free(y[t]);
        free(dx[t][0]);
        free(dx[t][1]);
    }
    free(dy);
}

void call_twin(graph *g)
{
    world *w = g->world;
    bytes b = {0};
    graph *twins[2];
    nncf_context *contexts[2] = {NULL, NULL};
    const bool trains = sweep_one_in(w->rng, 2), same_isa = !sweep_one_in(w->rng, 3);
    const int32_t threads = (int32_t)sweep_range(w->rng, 2, 3),
                  isa = (int32_t)sweep_range(w->rng, NNCF_ISA_REFERENCE, NNCF_ISA_NEON);
    if (!g->ctrl || initializing(g))
        return;
    note(w, " twin%s", trains ? "-train" : "");
    const uint64_t state = sweep_bits(w->rng);
    eval_digest(g, state); /* outputs to read */
    if (w->failed || !save_snapshot(g, &b)) {
        free(b.data);
        return;
    }
    for (int t = 0; t < 2; t++) {
        nncf_context_params p = {NNCF_PARAMS(nncf_context_params), .seed = w->seed,
            .n_threads = t ? threads : 1, .max_isa = t && !same_isa ? isa : w->isa};
        nncf_context_create(NNCF_API_VERSION, &p, &contexts[t], NULL);
        world *own = calloc(1, sizeof *own);
        *own = (world){.sweep = w->sweep,
            .rng = w->rng,
            .context = contexts[t],
            .seed = w->seed,
            .threads = p.n_threads,
            .isa = p.max_isa};
        snprintf(own->history, sizeof own->history, "twin %d of%.300s", t, w->history);
        twins[t] = calloc(1, sizeof *twins[t]);
        clone_graph(g, twins[t], own);
        nncf_status status =
            nncf_compression_ctrl_create(twins[t]->model, g->config, &twins[t]->ctrl, NULL);
        CHECK(w, status == NNCF_OK, "twin: %d", status);
        if (status == NNCF_OK)
            load(twins[t], &b);
        twins[t]->mode = trains ? NNCF_MODE_TRAIN : NNCF_MODE_EVAL;
        nncf_model_set_mode(twins[t]->model, twins[t]->mode, NULL);
        w->failed = w->failed || own->failed;
    }
    for (int i = 0; i < g->n_nodes && !w->failed; i++)
        if (g->nodes[i].kind != HOST)
            compare_node(g, twins, i, trains, same_isa);
    for (int t = 0; t < 2; t++) {
        world *own = twins[t]->world;
        drop_graph(twins[t]);
        free(twins[t]);
        nncf_context_destroy(contexts[t]);
        free(own);
    }
    free(b.data);
}

/* ---- stripped models ---- */

static const char *scratch_path(void)
{
    static char path[64];
    if (!path[0])
        snprintf(path, sizeof path, "%s/nncf-sweep-%ld", "/tmp", (long)getpid());
    return path;
}

/* Element i of a stored weight, as value. */
static float stored_weight(const nncf_tensor *t, const nncf_tensor *scale, const nncf_tensor *zero,
    size_t channel, size_t i, bool packed)
{
    if (t->dtype == NNCF_F32)
        return ((const float *)t->data)[i];
    const size_t c = scale->shape[0] > 1 ? channel : 0;
    int32_t code = t->dtype == NNCF_S8 ? ((const int8_t *)t->data)[i]
                                       : ((const uint8_t *)t->data)[packed ? i / 2 : i];
    if (packed) {
        code = i % 2 ? code >> 4 : code & 15;
        if (!zero->data && code > 7)
            code -= 16;
    }
    return (float)(code - (zero->data ? ((const int32_t *)zero->data)[c] : 0)) *
        ((const float *)scale->data)[c];
}

static void check_stripped(graph *g, const nncf_checkpoint *c, node *n)
{
    char name[160];
    nncf_tensor t = {0}, scale = {0}, zero = {0};
    float *w = floats(n->n_weight);
    snprintf(name, sizeof name, "%s.weight", n->scope);
    nncf_status status = nncf_checkpoint_get_tensor(c, name, &t, NULL);
    CHECK(g->world, status == NNCF_OK, "stripped: no %s", name);
    snprintf(name, sizeof name, "%s.weight_scale", n->scope);
    nncf_checkpoint_get_tensor(c, name, &scale, NULL);
    snprintf(name, sizeof name, "%s.weight_zero_point", n->scope);
    nncf_checkpoint_get_tensor(c, name, &zero, NULL);
    const bool packed = n->q[WEIGHT].there && n->q[WEIGHT].bits <= 4;
    nncf_layer_compress_weight(n->layer, w, NULL);
    /* unsigned codes without a zero point cannot be told from signed nibbles by type alone */
    const bool nibbles_unsigned =
        packed && !zero.data && n->q[WEIGHT].sign == 0 && !n->q[WEIGHT].asymmetric;
    for (size_t i = 0; status == NNCF_OK && i < n->n_weight && !nibbles_unsigned; i++) {
        const float v = stored_weight(&t, &scale, &zero, channel_of_weight(n, i), i, packed);
        CHECK(g->world, v == w[i], "stripped weight of %s [%zu]: %.9g, not %.9g", n->scope, i,
            (double)v, (double)w[i]);
    }
    free(w);
}

void call_strip(graph *g)
{
    world *w = g->world;
    nncf_error err = NNCF_ERROR_INIT;
    if (!g->ctrl || initializing(g))
        return;
    note(w, " strip");
    const bool fold = sweep_one_in(w->rng, 3), sparse = sweep_one_in(w->rng, 3);
    nncf_strip_params p = {
        NNCF_PARAMS(nncf_strip_params), .fold_batch_norm = fold, .sparse = sparse};
    nncf_status status = nncf_strip_save(g->ctrl, scratch_path(), &p, NULL, &err);
    CHECK(w, status == NNCF_OK || (status == NNCF_E_STATE), "strip: %d %s", status, err.message);
    if (status != NNCF_OK)
        return;
    nncf_checkpoint *c = NULL;
    status = nncf_checkpoint_open(w->context, scratch_path(), NULL, &c, &err);
    CHECK(w, status == NNCF_OK, "stripped file: %s", err.message);
    nncf_model_set_mode(g->model, NNCF_MODE_EVAL, NULL);
    const int32_t mode = g->mode;
    for (int i = 0; i < g->n_nodes && status == NNCF_OK && !fold && !sparse; i++)
        if (g->nodes[i].n_weight)
            check_stripped(g, c, &g->nodes[i]);
    nncf_model_set_mode(g->model, mode, NULL);
    nncf_checkpoint_close(c);
    remove(scratch_path());
}

/* ---- exports ---- */

void call_export(graph *g)
{
    world *w = g->world;
    nncf_error err = NNCF_ERROR_INIT;
    bytes b[2] = {{0}, {0}};
    nncf_status status[2];
    if (!g->ctrl)
        return;
    note(w, " export");
    const int32_t format = (int32_t)sweep_range(w->rng, 0, 1),
                  fold = (int32_t)sweep_range(w->rng, 0, 1);
    for (int i = 0; i < 2; i++) {
        nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params), .format = format,
            .fold_batch_norm = fold, .write = write_bytes, .user = &b[i]};
        status[i] = nncf_onnx_export(g->ctrl, NULL, &p, &err);
        CHECK(w,
            status[i] == NNCF_OK || status[i] == NNCF_E_UNSUPPORTED || status[i] == NNCF_E_STATE ||
                status[i] == NNCF_E_SHAPE,
            "export: %d %s", status[i], err.message);
        CHECK(w, status[i] == NNCF_OK || b[i].size == 0, "a refused export wrote %zu bytes",
            b[i].size);
    }
    CHECK(w,
        status[0] == status[1] && b[0].size == b[1].size &&
            (!b[0].size || memcmp(b[0].data, b[1].data, b[0].size) == 0),
        "two exports differ");
    free(b[0].data);
    free(b[1].data);
}
