/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that must fail, and leave everything as it was: outputs at once, the rest by what the right
 * calls give next. */
#include "graph.h"

enum { PATTERN = 0x5b };

typedef struct trial {
    graph *g;
    node *n;
    nncf_tensor x[2], y;
    int64_t shape[NNCF_MAX_NDIM + 1], strides[4];
    void *out; /* y's memory */
    size_t out_bytes;
} trial;

static void setup(trial *t, graph *g, node *n)
{
    *t = (trial){.g = g, .n = n, .out_bytes = count_of(&n->out) * sizeof(float)};
    t->out = malloc(t->out_bytes);
    memset(t->out, PATTERN, t->out_bytes);
    for (int i = 0; i < n->n_in; i++)
        t->x[i] = source_view(g, n->from[i]);
    t->y = view(t->out, NNCF_F32, &n->out);
}

static void untouched(trial *t, const char *what)
{
    const uint8_t *p = t->out;
    for (size_t i = 0; i < t->out_bytes; i++)
        if (p[i] != PATTERN) {
            CHECK(t->g->world, false, "%s on %s failed and wrote byte %zu", what, t->n->scope, i);
            break;
        }
    free(t->out);
}

/* Make one of the tensors unusable; says how. */
static const char *spoil(trial *t, nncf_tensor *v, const shape *s, bool channels_count)
{
    sweep_rng *r = t->g->world->rng;
    static const int32_t types[] = {NNCF_F64, NNCF_I32, NNCF_I64, 77, -1};
    memcpy(t->shape, s->d, sizeof s->d);
    v->shape = t->shape;
    switch (sweep_range(r, 0, 11)) {
    case 0:
        v->data = NULL;
        return "no data";
    case 1:
        v->dtype = SWEEP_PICK(r, types);
        return "type";
    case 2:
        v->device = 1;
        return "device";
    case 3:
        v->reserved[sweep_range(r, 0, 1)] = 5;
        return "reserved";
    case 4:
        v->shape = NULL;
        return "no shape";
    case 5:
        v->ndim = sweep_one_in(r, 2) ? 0 : NNCF_MAX_NDIM + 1;
        return "ndim";
    case 6:
        t->shape[sweep_range(r, 0, v->ndim - 1)] = sweep_one_in(r, 2) ? 0 : -1;
        return "empty";
    case 7:
        t->shape[sweep_range(r, 0, v->ndim - 1)] = INT64_MAX / (sweep_one_in(r, 2) ? 1 : 3);
        return "huge";
    case 8:
        for (int i = 0; i < 4; i++)
            t->strides[i] = 1000 + i;
        t->shape[0] = 2;
        t->shape[1] = 3;
        v->strides = t->strides;
        return "strides";
    case 9:
        v->ndim = 3;
        return "three dimensions";
    case 10:
        if (v->dtype != NNCF_F32)
            return NULL;
        v->data = (char *)v->data + 1;
        return "alignment";
    default:
        if (!channels_count)
            return NULL;
        t->shape[1] += 1;
        return "channels";
    }
}

static void wrong_forward(graph *g, node *n)
{
    world *w = g->world;
    trial t;
    setup(&t, g, n);
    const char *how = NULL;
    nncf_tensor *x = t.x, *y = &t.y;
    nncf_layer *layer = n->layer;
    switch (sweep_range(w->rng, 0, 5)) {
    case 0:
        how = "NULL";
        if (sweep_one_in(w->rng, 3))
            layer = NULL;
        else if (sweep_one_in(w->rng, 2))
            x = NULL;
        else
            y = NULL;
        break;
    case 1:
        how = spoil(&t, y, &n->out, true);
        break;
    case 2:
        how = "overlap";
        if (t.x[0].dtype != NNCF_F32)
            how = NULL;
        else
            t.y.data = t.x[0].data;
        break;
    case 3: {
        const int32_t codes = nncf_layer_get_output_dtype(layer);
        how = "codes";
        t.y.dtype = codes == NNCF_U8 ? NNCF_S8 : NNCF_U8;
        break;
    }
    default:
        how = spoil(&t, &t.x[n->n_in - 1], n->n_in == 2 ? &g->nodes[0].out : &n->in,
            n->kind == CONV || n->kind == LINEAR);
        if (n->n_in == 2)
            how = NULL; /* the shape given above is another layer's */
    }
    if (how) {
        nncf_status status = nncf_layer_forward(layer, x, (size_t)n->n_in, y, NULL);
        CHECK(w, status < 0, "forward of %s succeeds with wrong %s", n->scope, how);
    }
    untouched(&t, "forward");
}

/* Wrong before a backward that may follow: nothing may be lost. */
static void wrong_backward(graph *g, node *n)
{
    world *w = g->world;
    trial t;
    const size_t in = count_of(&n->in), out = count_of(&n->out);
    float *dy = floats(out + 1), *dx[2] = {floats(in), floats(in)}, *copy = floats(out);
    setup(&t, g, n);
    fill_random(w->rng, dy, out, 1);
    memcpy(copy, dy, out * sizeof *dy);
    nncf_tensor ty = view(dy, NNCF_F32, &n->out), td[2];
    for (int i = 0; i < 2; i++)
        td[i] = view(dx[i], NNCF_F32, &n->in);
    const char *how = NULL;
    nncf_status wanted = 0;
    nncf_tensor *x = t.x, *d = td;
    switch (sweep_range(w->rng, 0, 5)) {
    case 0:
        how = spoil(&t, &ty, &n->out, true);
        break;
    case 1:
        how = spoil(&t, &td[0], &n->in, true);
        if (n->kind == LINEAR && how && strcmp(how, "three dimensions") != 0 &&
            strcmp(how, "channels") == 0)
            how = NULL;
        break;
    case 2:
        how = "NULL";
        x = NULL;
        break;
    case 3:
        /* a sum's may be dy itself, but no other part of it */
        how = n->kind != ADD || out > 1 ? "overlap" : NULL;
        td[0].data = n->kind == ADD ? dy + 1 : dy;
        break;
    case 4:
        if (g->mode != NNCF_MODE_TRAIN || initializing(g)) {
            how = "state";
            wanted = NNCF_E_STATE;
        }
        break;
    default:
        if (g->mode == NNCF_MODE_TRAIN && !initializing(g)) {
            how = "mode";
            wanted = NNCF_E_STATE;
            nncf_model_set_mode(g->model, NNCF_MODE_EVAL, NULL);
        }
    }
    if (how) {
        nncf_status status = nncf_layer_backward(n->layer, x, (size_t)n->n_in, &ty, d, NULL);
        /* codes that were written before a controller came or went have no meaning now either */
        const bool is_stale = status == NNCF_E_DTYPE && (t.x[0].dtype || t.x[1].dtype);
        CHECK(w, status < 0 && (!wanted || status == wanted || is_stale),
            "backward of %s with wrong %s: %d", n->scope, how, status);
        CHECK(w, memcmp(copy, dy, out * sizeof *dy) == 0, "backward of %s with wrong %s used dy up",
            n->scope, how);
        for (size_t i = 0; i < in; i++)
            CHECK(w, dx[0][i] == 0 && dx[1][i] == 0, "backward of %s with wrong %s wrote dx",
                n->scope, how);
    }
    nncf_model_set_mode(g->model, g->mode, NULL);
    untouched(&t, "backward");
    free(dy);
    free(copy);
    free(dx[0]);
    free(dx[1]);
}

/* Does a quantizer per channel at this place refuse tensors of so many channels? */
static bool refuses(const node *n, enum place place, int64_t channels)
{
    const quant *q = &n->q[place];
    return q->there && q->per_channel && q->channels != (size_t)channels;
}

/* Tensors that fit each other, but have another number of channels than was registered. */
static void wrong_channels(graph *g, node *n)
{
    world *w = g->world;
    const int64_t registered = n->out.d[1], channels = sweep_range(w->rng, 1, 2 * registered + 1);
    shape in = n->in, out = n->out;
    in.d[1] = out.d[1] = channels;
    if ((n->kind != ADD && n->kind != POOL) || channels == registered)
        return;
    if (!refuses(n, INNER, channels) && !refuses(n, OUTPUT, channels))
        return;
    float *x[2] = {floats(count_of(&in)), floats(count_of(&in))}, *y = floats(count_of(&out));
    nncf_tensor tx[2] = {view(x[0], NNCF_F32, &in), view(x[1], NNCF_F32, &in)},
                ty = view(y, NNCF_F32, &out);
    nncf_status status = nncf_layer_forward(n->layer, tx, (size_t)n->n_in, &ty, NULL);
    CHECK(w, status == NNCF_E_SHAPE, "%s takes %d channels, its quantizer has %d: %d", n->scope,
        (int)channels, (int)registered, status);
    status = nncf_layer_backward(n->layer, tx, (size_t)n->n_in, &ty, NULL, NULL);
    CHECK(w, status < 0, "backward of %s with other channels", n->scope);
    for (size_t i = 0; i < count_of(&out); i++)
        CHECK(w, y[i] == 0, "%s was refused and wrote", n->scope);
    if (refuses(n, OUTPUT, channels))
        CHECK(w, nncf_layer_quantize_output(n->layer, &ty, &ty, NULL) == NNCF_E_SHAPE,
            "output of %s: other channels", n->scope);
    free(x[0]);
    free(x[1]);
    free(y);
}

static void wrong_part(graph *g, node *n)
{
    world *w = g->world;
    trial t;
    setup(&t, g, n);
    float *x = floats(count_of(&n->out) + 2);
    nncf_tensor tx = view(x, NNCF_F32, &n->out);
    const bool input = sweep_one_in(w->rng, 2);
    const char *how = "NULL";
    nncf_tensor *px = &tx, *py = &t.y;
    if (sweep_one_in(w->rng, 4)) {
        py = NULL;
    } else if (sweep_one_in(w->rng, 3) && count_of(&n->out) > 1) {
        how = "overlap";
        tx.data = (char *)t.out + 4;
        tx.shape = t.y.shape;
    } else {
        how = spoil(&t, sweep_one_in(w->rng, 2) ? px : py, &n->out, true);
        if (how && strcmp(how, "three dimensions") == 0)
            how = n->out.ndim == 3 ? NULL
                                   : how; /* parts take any number of dimensions, but the same */
    }
    if (how) {
        nncf_status status = sweep_one_in(w->rng, 2)
            ? (input ? nncf_layer_quantize_input : nncf_layer_quantize_output)(
                  n->layer, px, py, NULL)
            : (input ? nncf_layer_quantize_input_backward : nncf_layer_quantize_output_backward)(
                  n->layer, px, px, py, NULL);
        CHECK(w, status < 0, "a part of %s succeeds with wrong %s", n->scope, how);
    }
    if (n->n_weight == 0)
        CHECK(w, nncf_layer_compress_weight(n->layer, x, NULL) == NNCF_E_ARG, "a weight of %s",
            n->scope);
    CHECK(w,
        nncf_layer_compress_weight(NULL, x, NULL) == NNCF_E_ARG &&
            nncf_layer_compress_weight(n->layer, NULL, NULL) == NNCF_E_ARG,
        "compress_weight of NULL");
    CHECK(w, nncf_layer_compress_weight_backward(n->layer, NULL, NULL) == NNCF_E_ARG,
        "compress_weight_backward of NULL");
    free(x);
    untouched(&t, "a part");
}

static void wrong_ctrl(graph *g)
{
    world *w = g->world;
    nncf_compression_ctrl *none = (nncf_compression_ctrl *)(uintptr_t)8, *before = none;
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    nncf_layer *layer = NULL;
    if (g->ctrl) {
        CHECK(w,
            nncf_compression_ctrl_create(g->model, g->config, &none, NULL) == NNCF_E_STATE &&
                none == before,
            "a second controller");
        size_t n = nncf_compression_ctrl_get_parameter_count(g->ctrl);
        CHECK(w, nncf_compression_ctrl_get_parameter(g->ctrl, n, &p, NULL) == NNCF_E_NOTFOUND,
            "parameter past the end");
        p.struct_size = 3;
        CHECK(w, nncf_compression_ctrl_get_parameter(g->ctrl, 0, &p, NULL) < 0,
            "a parameter of no size");
        CHECK(w, nncf_compression_ctrl_set_order(g->ctrl, 9, NULL) == NNCF_E_ARG, "order 9");
        CHECK(w, nncf_compression_ctrl_init_step(g->ctrl, NULL, NULL) == NNCF_E_ARG,
            "init_step(NULL)");
        CHECK(w, nncf_compression_ctrl_get_statistics(g->ctrl, NULL, NULL) == NNCF_E_ARG,
            "statistics(NULL)");
        nncf_sum_params a = {NNCF_PARAMS(nncf_sum_params), .scope = "Net/late"};
        CHECK(w, nncf_model_add_sum(g->model, &a, &layer, NULL) == NNCF_E_STATE && !layer,
            "a layer behind a controller");
        if (initializing(g)) {
            CHECK(w, nncf_compression_ctrl_step(g->ctrl, NULL) == NNCF_E_STATE,
                "step during initialization");
            CHECK(w, nncf_compression_ctrl_epoch_step(g->ctrl, NULL) == NNCF_E_STATE,
                "epoch_step during initialization");
        }
    }
    CHECK(w,
        nncf_compression_ctrl_step(NULL, NULL) == NNCF_E_ARG &&
            nncf_compression_ctrl_epoch_step(NULL, NULL) == NNCF_E_ARG &&
            nncf_compression_ctrl_loss_backward(NULL, NULL, NULL) == NNCF_E_ARG &&
            nncf_compression_ctrl_get_statistics(NULL, &s, NULL) == NNCF_E_ARG,
        "calls on no controller");
    CHECK(w,
        nncf_model_set_mode(g->model, 7, NULL) == NNCF_E_ARG &&
            nncf_model_get_mode(g->model) == g->mode,
        "mode 7");
    nncf_conv2d_params c = {NNCF_PARAMS(nncf_conv2d_params), .scope = g->nodes[0].scope};
    CHECK(w, nncf_model_add_conv2d(g->model, &c, &layer, NULL) < 0 && !layer, "a layer of nothing");
    CHECK(w, nncf_model_get_layer_count(g->model) == (size_t)g->n_nodes, "number of layers");
}

static void wrong_memory(graph *g)
{
    world *w = g->world;
    nncf_memory m = {NNCF_PARAMS(nncf_memory)}, same = m;
    shape s = g->input;
    s.d[sweep_range(w->rng, 0, 3)] = 0;
    nncf_tensor x = view(NULL, NNCF_F32, &s);
    CHECK(w,
        nncf_model_get_memory(g->model, &x, 1, g->mode, &m, NULL) < 0 &&
            memcmp(&m, &same, sizeof m) == 0,
        "memory of an empty input");
}

static void wrong_snapshot(graph *g)
{
    static const char other[] =
        "{\"nncf_dialect\": \"1.1\", \"compression\": {\"algorithm\": \"rb_sparsity\"}}";
    world *w = g->world;
    nncf_checkpoint *c = NULL;
    nncf_config *config = NULL;
    if (!g->ctrl)
        return;
    nncf_status status = nncf_checkpoint_open(w->context, "/nowhere/at/all", NULL, &c, NULL);
    CHECK(w, status == NNCF_E_IO && !c, "a file that is not there: %d", status);
    CHECK(w, nncf_checkpoint_restore(NULL, g->ctrl, NULL, NULL, NULL) == NNCF_E_ARG,
        "restore of nothing");
    status = nncf_config_parse(
        w->context, "x", other, sizeof other, NULL, &config, NULL); /* with its NUL */
    CHECK(w, status < 0 && !config, "a NUL behind a config: %d", status);
}

void wrong_call(graph *g)
{
    node *n = &g->nodes[sweep_range(g->world->rng, 0, g->n_nodes - 1)];
    const int64_t which = sweep_range(g->world->rng, 0, 9);
    note(g->world, " wrong-%d", (int)which);
    for (int i = 0; i < g->n_nodes; i++)
        wrong_channels(g, &g->nodes[i]);
    if (which < 3 && n->kind != HOST)
        wrong_forward(g, n);
    else if (which < 6 && n->kind != HOST)
        wrong_backward(g, n);
    else if (which < 8)
        wrong_part(g, n);
    else if (which == 8)
        wrong_ctrl(g);
    else if (sweep_one_in(g->world->rng, 2))
        wrong_memory(g);
    else
        wrong_snapshot(g);
    if (n->kind == HOST && g->mode >= 0) {
        nncf_tensor x = source_view(g, n->from[0]), y = view(n->y, NNCF_F32, &n->out);
        CHECK(g->world, nncf_layer_forward(n->layer, &x, 1, &y, NULL) == NNCF_E_UNSUPPORTED,
            "forward of %s", n->scope);
    }
}
