/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random graphs with random configs and call orders, against a model in double of what every call
 * must do.
 *
 * A number of the model's is an estimate: a value and how far the library's, which computes in
 * float, may be from it. Each layer is checked on what the library itself wrote in front of it, so
 * that errors do not add up along the graph, and where rounding may go either way (next to a tie of
 * a quantizer, next to the kink of an activation) the estimate widens by what that changes, no
 * more. graph_make.c draws graphs, graph_config.c configs, graph_numbers.c and graph_layer.c are
 * the model, graph_state.c what calls do to a controller, graph_steps.c the calls, graph_wrong.c
 * those that must fail.
 */
#ifndef NNCF_TESTS_SWEEP_GRAPH_H
#define NNCF_TESTS_SWEEP_GRAPH_H

#include "sweep_run.h"

#include <nncf/nncf.h>

#include <math.h>

enum { MAX_NODES = 9, MAX_MODELS = 2, CONFIG_TEXT = 6000 };

/* ---- estimates ---- */

typedef struct est {
    double v, t; /* the library's number lies in v - t .. v + t */
} est;

/* ---- quantizers ---- */

enum place { WEIGHT, INPUT, OUTPUT, INNER, PLACES };

/* What an observing quantizer was shown: values and their channels, batch after batch. */
typedef struct seen {
    float *value;
    int32_t *channel, *batch;
    size_t count, capacity;
} seen;

typedef struct quant {
    bool there, asymmetric, per_channel;
    int32_t bits, sign, wanted; /* sign: 1 signed, 0 unsigned, -1 undecided */
    bool initialized,
        kept; /* kept: the range came over from a snapshot, initialization leaves it */
    size_t channels;
    char rule[24]; /* "none", "min_max", ... */
    int64_t batches, samples; /* what an activation's rule wants; -1: the other */
    nncf_parameter first, second; /* scale; or input_low and input_range */
    est *gradient[2]; /* expected */
    seen seen;
} quant;

/* Step and codes of one channel, as docs/formulas.md has them. */
typedef struct grid {
    double step, low, high;
} grid;

/* ---- graphs ---- */

enum kind { CONV, LINEAR, ADD, POOL, HOST };
enum mask { MASK_NONE, MASK_RB, MASK_BITS };

typedef struct shape {
    int32_t ndim;
    int64_t d[4]; /* 1 where there is no such dimension */
} shape;

/* What forward left for backward. */
typedef struct kept {
    est *x[2], *w, *masked, *z, *v, *a; /* input as used, weight as used and before its quantizer,
                                           z, after norm, after activation */
    uint8_t *keep; /* mask: 0, 1, or 2 where it may be either */
    float *raw[2]; /* input as given, as floats */
    float *used[2], *host,
        *weight; /* of a node of the host's: what it multiplied, what it made of it */
    est *mean, *inv; /* of batch norm */
    bool ready; /* backward may follow */
    bool sampled, logits; /* random mask; logits get a gradient */
} kept;

typedef struct node {
    enum kind kind;
    nncf_layer *layer;
    char scope[96];
    int n_in, from[2]; /* nodes that feed it; -1: the model's input */
    bool edges; /* registered */
    shape in, out;
    int32_t kernel[2], stride[2], padding[2], dilation[2], pool, op, activation;
    int64_t groups, in_channels,
        out_channels; /* in_channels: what was registered with; 0: not yet */
    /* the host's arrays: value and gradient, expected gradient */
    size_t n_weight, n_channels,
        axis_inner; /* axis_inner: transposed, channels are the second axis */
    int64_t weight_shape[5];
    int32_t weight_ndim;
    float *w, *b, *gamma, *beta, *mean, *var;
    float *dw, *db, *dgamma, *dbeta;
    est *e_dw, *e_db, *e_dgamma, *e_dbeta, *e_logit;
    bool has_norm;
    float eps, momentum;
    /* compression */
    quant q[PLACES];
    enum mask mask;
    uint8_t *bits; /* of MASK_BITS: 1 where a weight stays */
    nncf_parameter logit;
    kept kept;
    /* a run */
    void *y;
    int32_t y_dtype;
    float *dy;
} node;

/* What the config says that the plan does not. */
typedef struct recipe {
    char text[CONFIG_TEXT];
    double min_percentile, max_percentile;
    int sparsity; /* 0 none, 1 magnitude, 2 rb, 3 const */
    bool normed, local;
    int schedule; /* 0 exponential, 1 polynomial, 2 multistep, 3 adaptive */
    double init, target, power;
    int64_t target_epoch, freeze_epoch;
    bool ease_out;
    int64_t adapt_steps, adapt_samples, forget_steps, forget_samples; /* of batch norm */
} recipe;

enum phase { PLAIN, FRESH, OBSERVING, ADAPTING, READY };

typedef struct graph {
    struct world *world;
    int index;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    nncf_config *config;
    recipe recipe;
    int n_nodes;
    node nodes[MAX_NODES];
    shape input;
    float *x; /* the model's input */
    float *dx; /* its gradient */
    int32_t mode;
    enum phase phase;
    bool has_run; /* y of every node is there */
    bool init_done, ranges_done;
    int64_t begun, images,
        batch_images; /* of the initialization; the last one of the present batch */
    int64_t adapted, adapted_images, forgot, forgot_images;
    bool forgetting;
    int64_t step, epoch;
    bool before, step_begun, epoch_begun; /* order of calls */
    bool frozen;
    bool resumed,
        used; /* restored; a weight was compressed in train mode outside of initialization */
    char *plan; /* JSON */
} graph;

typedef struct world {
    sweep *sweep;
    sweep_rng *rng;
    nncf_context *context;
    uint64_t seed;
    int32_t threads, isa;
    int64_t live; /* blocks of the allocator */
    int n_graphs;
    graph graphs[MAX_MODELS];
    uint64_t digest; /* of every output's bits */
    uint64_t elements, escapes, loose; /* quantized; rounded the other way; that cannot be told */
    char history[400];
    bool verbose, failed;
} world;

#define CHECK(w, condition, ...) ((condition) ? (void)0 : wrong((w), __LINE__, __VA_ARGS__))
__attribute__((format(printf, 3, 4))) void wrong(world *w, int line, const char *format, ...);
__attribute__((format(printf, 2, 3))) void note(world *w, const char *format, ...);

/* ---- graph_numbers.c ---- */
void fill_random(sweep_rng *r, float *x, size_t n, double scale);
size_t count_of(const shape *s);
float *floats(size_t n);
est *ests(size_t n);
est exact(double v);
void add_est(est *sum, est term);
est times(est a, est b);
grid grid_of(const quant *q, size_t channel, bool is_weight);
est quantize(const grid *g, est x);
/* Gradient through a quantizer at x (channel c); adds to the quantizer's expected gradients.
 * `never_below`: x cannot be under the range. */
est quantize_gradient(quant *q, size_t c, const grid *g, est x, est dy, bool never_below);
double uniform_of(uint64_t seed, uint64_t layer, uint64_t step, uint64_t element);
bool range_of(const recipe *r, const char *rule, float *values, size_t n, double range[2]);
void hash_bytes(world *w, const void *data, size_t size);
void check_est(world *w, const char *what, const node *n, size_t i, double got, est expected);

/* ---- graph_make.c ---- */
void make_graph(world *w, graph *g);
void drop_graph(graph *g);
bool set_input(graph *g, int64_t n, int64_t h, int64_t width);
nncf_tensor view(void *data, int32_t dtype, const shape *s);
size_t channel_of_weight(const node *n, size_t i);
void register_graph(graph *g);
void free_kept(kept *k);

/* ---- graph_config.c ---- */
void draw_config(world *w, const graph *g, recipe *r);

/* ---- graph_layer.c ---- */
void check_forward(graph *g, node *n, const nncf_tensor *x, const void *y, int32_t y_dtype);
void expect_backward(graph *g, node *n, const float *dy, est *dx[2]);
void expect_weight(graph *g, node *n);
void expect_weight_backward(graph *g, node *n, const est *dwq);
void check_gradients(graph *g, const char *when);
void clear_gradients(graph *g);
const quant *feeding(const graph *g, const node *n, int input);
void check_quantized(graph *g, const char *what, const node *n, quant *q, enum place place,
    const est *a, const shape *s, const void *y, int32_t y_dtype);
size_t channel_at(const shape *s, size_t i);

/* ---- graph_state.c ---- */
void weight_used(graph *g);
bool norm_refuses(const graph *g, const node *n);
bool attach(graph *g);
void detach(graph *g);
void expect_ranges_of_weights(graph *g, const char *when);
void observe(graph *g, node *n, enum place place, const float *x, const shape *s);
void expect_init_step(graph *g, int32_t more);
void expect_step(graph *g);
void expect_epoch_step(graph *g);
void check_loss(graph *g);
void check_statistics(graph *g);
void magnitude_masks(graph *g);
bool initializing(const graph *g);
bool saw_nothing(const graph *g);

/* ---- graph_host.c ---- */
void host_forward(graph *g, node *n, const float *const x[2]);
void host_backward(graph *g, node *n, const float *dy, float *dx[2]);
void check_weight(graph *g, node *n);
void call_parts(graph *g);

/* ---- graph_steps.c ---- */
nncf_tensor source_view(graph *g, int from);
void run_forward(graph *g);
void run_backward(graph *g);
void optimize(graph *g);
void random_call(world *w);

/* ---- graph_files.c ---- */
typedef struct bytes {
    uint8_t *data;
    size_t size, capacity, at;
} bytes;

bool save_snapshot(graph *g, bytes *b);
nncf_checkpoint *open_snapshot(world *w, bytes *b);
void read_tensors(graph *g, nncf_checkpoint *c);
void clone_graph(const graph *from, graph *to, world *w);
void call_snapshot(graph *g);
void call_twin(graph *g);
void call_strip(graph *g);
void call_export(graph *g);

/* ---- graph_stage.c ---- */
void call_stage(graph *g);

/* ---- graph_wrong.c ---- */
void wrong_call(graph *g);

#endif
