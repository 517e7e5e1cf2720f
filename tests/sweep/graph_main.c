/* SPDX-License-Identifier: Apache-2.0 */
/* The loop over cases; see graph.h. A case is a context with one or two models and some 30 calls on
 * them. */
#include "graph.h"

void wrong(world *w, int line, const char *format, ...)
{
    char text[700];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    w->failed = true;
    sweep_describe(w->sweep, "seed %llu, threads %d, isa %d:%s", (unsigned long long)w->seed,
        (int)w->threads, (int)w->isa, w->history);
    sweep_fail(w->sweep, "%s (line %d)", text, line);
}

void note(world *w, const char *format, ...)
{
    const size_t n = strlen(w->history);
    va_list arguments;
    va_start(arguments, format);
    if (n > sizeof w->history - 40) { /* keep the end */
        memmove(w->history, w->history + sizeof w->history / 2, sizeof w->history / 2);
        vsnprintf(w->history + strlen(w->history), 40, format, arguments);
    } else {
        vsnprintf(w->history + n, sizeof w->history - n, format, arguments);
    }
    va_end(arguments);
    snprintf(w->sweep->description, sizeof w->sweep->description, "threads %d, isa %d:%s",
        (int)w->threads, (int)w->isa, w->history);
    if (w->verbose)
        printf("%s\n",
            w->sweep->description +
                (strlen(w->sweep->description) > 60 ? strlen(w->sweep->description) - 60 : 0));
}

static void *counted_alloc(void *user, size_t size, size_t align)
{
    void *p = NULL;
    if (posix_memalign(&p, align, size) != 0)
        return NULL;
    memset(p, 0xa5, size);
    __atomic_fetch_add((int64_t *)user, 1, __ATOMIC_RELAXED);
    return p;
}

static void counted_free(void *user, void *p, size_t size)
{
    memset(p, 0x5a, size);
    __atomic_fetch_sub((int64_t *)user, 1, __ATOMIC_RELAXED);
    free(p);
}

static const char *kind_name(const node *n)
{
    static const char *const names[] = {"conv", "linear", "add", "pool", "host"};
    return names[n->kind];
}

static void print_graph(const graph *g)
{
    printf("graph %d: input %lldx%lldx%lldx%lld\n", g->index, (long long)g->input.d[0],
        (long long)g->input.d[1], (long long)g->input.d[2], (long long)g->input.d[3]);
    for (int i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        printf("  %d: %s %s from %d %d%s -> %lldx%lldx%lldx%lld; kernel %dx%d stride %dx%d padding "
               "%dx%d dilation "
               "%dx%d groups "
               "%lld act %d%s pool %d op %d\n",
            i, kind_name(n), n->scope, n->from[0], n->n_in > 1 ? n->from[1] : n->from[0],
            n->edges ? "" : " no edges", (long long)n->out.d[0], (long long)n->out.d[1],
            (long long)n->out.d[2], (long long)n->out.d[3], (int)n->kernel[0], (int)n->kernel[1],
            (int)n->stride[0], (int)n->stride[1], (int)n->padding[0], (int)n->padding[1],
            (int)n->dilation[0], (int)n->dilation[1], (long long)n->groups, (int)n->activation,
            n->has_norm ? " norm" : "", (int)n->pool, (int)n->op);
    }
}

/* Contexts and models go in any legal order: a model before its controller, too. */
static void tear_down(world *w)
{
    for (int i = 0; i < w->n_graphs; i++) {
        graph *g = &w->graphs[i];
        if (g->ctrl && sweep_one_in(w->rng, 3)) {
            nncf_model_destroy(g->model);
            g->model = NULL;
            CHECK(w, nncf_compression_ctrl_step(g->ctrl, NULL) == NNCF_E_STATE,
                "step without a model");
        }
        drop_graph(g);
    }
    nncf_context_destroy(w->context);
    CHECK(w, w->live == 0, "%lld blocks were not given back", (long long)w->live);
}

/* One case; its digest. */
static uint64_t run_case(sweep *s, int32_t threads, uint64_t total[3])
{
    world *w = calloc(1, sizeof *w);
    sweep_rng *r = &s->rng;
    static const int32_t isas[] = {
        NNCF_ISA_BEST, NNCF_ISA_BEST, NNCF_ISA_AVX2, NNCF_ISA_PORTABLE, NNCF_ISA_REFERENCE};
    *w = (world){.sweep = s, .rng = r, .threads = threads, .digest = 1, .verbose = s->only != NULL};
    w->seed = (uint64_t)sweep_range(r, 0, 1000);
    w->isa = SWEEP_PICK(r, isas);
    nncf_context_params p = {NNCF_PARAMS(nncf_context_params), .seed = w->seed,
        .n_threads = threads, .max_isa = w->isa, .alloc = counted_alloc, .free = counted_free,
        .alloc_user = &w->live};
    nncf_status status = nncf_context_create(NNCF_API_VERSION, &p, &w->context, NULL);
    CHECK(w, status == NNCF_OK, "context: %d", status);
    w->n_graphs = sweep_one_in(r, 4) ? 2 : 1;
    for (int i = 0; i < w->n_graphs && !w->failed; i++) {
        w->graphs[i].index = i;
        make_graph(w, &w->graphs[i]);
        if (w->verbose)
            print_graph(&w->graphs[i]);
        if (!sweep_one_in(r, 10))
            attach(&w->graphs[i]);
    }
    const int64_t calls = sweep_range(r, 5, 40);
    for (int64_t i = 0; i < calls && !w->failed; i++)
        random_call(w);
    /* Few elements lie next to a tie, but a sum of codes whose scales are in a ratio of 2 puts many
     * on one: a case may have more of them than all cases together (main). */
    CHECK(w, w->failed || w->escapes <= w->elements / 10 + 4,
        "%llu of %llu elements went the other way", (unsigned long long)w->escapes,
        (unsigned long long)w->elements);
    total[0] += w->elements;
    total[1] += w->escapes;
    total[2] += w->loose;
    const uint64_t digest = w->digest;
    tear_down(w);
    free(w);
    return digest;
}

int main(int argc, char **argv)
{
    sweep s;
    uint64_t total[3] = {0, 0, 0}, again = 0;
    sweep_start(&s, "graphs", argc, argv);
    while (sweep_next(&s)) {
        const sweep_rng beginning = s.rng;
        const uint64_t failed = s.failed;
        const uint64_t digest = run_case(&s, 1, total);
        if (s.number % 4 != 0 || s.failed > failed)
            continue;
        again++;
        s.rng = beginning;
        if (run_case(&s, 2 + (int32_t)(s.number / 4 % 2), total) != digest && s.failed == failed)
            sweep_fail(&s, "other bits with more threads");
    }
    printf("graphs: %" PRIu64 " quantized elements, %" PRIu64 " rounded the other way, %" PRIu64
           " not to be told; %" PRIu64 " cases with threads\n",
        total[0], total[1], total[2], again);
    if (total[1] > total[0] / 200 + 50)
        sweep_fail(&s, "more than one element in 200 was rounded the other way");
    return sweep_finish(&s);
}
