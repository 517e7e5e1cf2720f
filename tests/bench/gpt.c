/* SPDX-License-Identifier: Apache-2.0 */
/* A step of the GPT of examples/gpt in plain C loops, for comparison with what nncf-gpt prints. */
#include "bench.h"
#include "plain_gpt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Where the next array of parameters and its gradient begin; before there are any, what they take.
 */
typedef struct cursor {
    plain_gpt *m;
    size_t at;
} cursor;

static float *take(cursor *c, size_t n, float **gradient)
{
    const size_t at = c->at;
    c->at += n;
    if (c->m->parameters == NULL)
        return NULL;
    *gradient = c->m->gradients + at;
    return c->m->parameters + at;
}

static plain_layer layer(cursor *c, int64_t in, int64_t out)
{
    plain_layer l = {0};
    const size_t n = (size_t)(in * out);
    l.w = take(c, n, &l.dw);
    l.b = take(c, (size_t)out, &l.db);
    if (l.w != NULL)
        bench_fill(l.w, n, c->at, -0.035f, 0.035f); /* a deviation of 0.02 */
    return l;
}

static plain_layer norm(cursor *c, int64_t n)
{
    plain_layer l = {0};
    l.w = take(c, (size_t)n, &l.dw);
    l.b = take(c, (size_t)n, &l.db);
    for (int64_t i = 0; i < n && l.w != NULL; i++)
        l.w[i] = 1;
    return l;
}

static void lay_out(plain_gpt *m)
{
    const int64_t n = m->s.width;
    cursor c = {m, 0};
    m->table = layer(&c, m->s.vocabulary + m->s.context, n);
    for (int64_t i = 0; i < m->s.blocks; i++) {
        plain_block *b = &m->blocks[i];
        b->norm1 = norm(&c, n);
        b->q = layer(&c, n, n);
        b->k = layer(&c, n, n);
        b->v = layer(&c, n, n);
        b->out = layer(&c, n, n);
        b->norm2 = norm(&c, n);
        b->up = layer(&c, n, 4 * n);
        b->down = layer(&c, 4 * n, n);
    }
    m->norm = norm(&c, n);
    m->head = layer(&c, n, m->s.vocabulary);
    m->n_parameters = c.at;
}

static void open_activations(plain_gpt *m)
{
    const size_t rows = (size_t)(m->s.batch * m->s.context), n = rows * (size_t)m->s.width;
    for (int64_t i = 0; i < m->s.blocks; i++) {
        plain_block *b = &m->blocks[i];
        float **narrow[] = {&b->x, &b->normed1, &b->queries, &b->keys, &b->values, &b->mixed,
            &b->middle, &b->normed2};
        for (size_t j = 0; j < sizeof narrow / sizeof *narrow; j++)
            *narrow[j] = bench_floats(n);
        b->stats1 = bench_floats(2 * rows);
        b->stats2 = bench_floats(2 * rows);
        b->weights = bench_floats(rows * (size_t)(m->s.heads * m->s.context));
        b->z = bench_floats(4 * n);
        b->hidden = bench_floats(4 * n);
    }
    m->x = bench_floats(n);
    m->normed = bench_floats(n);
    m->stats = bench_floats(2 * rows);
    m->logits = bench_floats(rows * (size_t)m->s.vocabulary);
    m->dlogits = bench_floats(rows * (size_t)m->s.vocabulary);
    for (size_t i = 0; i < sizeof m->d / sizeof *m->d; i++)
        m->d[i] = bench_floats(n);
    m->dhidden = bench_floats(4 * n);
    m->ids = (int32_t *)(void *)bench_floats(rows);
    m->targets = (int32_t *)(void *)bench_floats(rows);
    float *drawn = bench_floats(rows + 1);
    bench_fill(drawn, rows + 1, 1, 0, (float)m->s.vocabulary);
    for (size_t r = 0; r < rows; r++) {
        m->ids[r] = (int32_t)drawn[r];
        m->targets[r] = (int32_t)drawn[r + 1];
    }
    free(drawn);
}

static void open_gpt(plain_gpt *m, const bench_options *o)
{
    *m = (plain_gpt){.s = {.batch = o->quick ? 1 : 16,
                         .context = 64,
                         .width = 128,
                         .heads = 4,
                         .blocks = o->quick ? 1 : 3,
                         .vocabulary = 96},
        .threads = (int)o->threads};
    m->blocks = calloc((size_t)m->s.blocks, sizeof *m->blocks);
    if (m->blocks == NULL) {
        fprintf(stderr, "nncf-bench: no memory for a GPT\n");
        exit(EXIT_FAILURE);
    }
    lay_out(m); /* to count */
    m->parameters = bench_floats(m->n_parameters);
    m->gradients = bench_floats(m->n_parameters);
    m->moment1 = bench_floats(m->n_parameters);
    m->moment2 = bench_floats(m->n_parameters);
    lay_out(m);
    open_activations(m);
}

static void close_gpt(plain_gpt *m)
{
    for (int64_t i = 0; i < m->s.blocks; i++) {
        const plain_block *b = &m->blocks[i];
        float *arrays[] = {b->x, b->normed1, b->queries, b->keys, b->values, b->mixed, b->middle,
            b->normed2, b->stats1, b->stats2, b->weights, b->z, b->hidden};
        for (size_t j = 0; j < sizeof arrays / sizeof *arrays; j++)
            free(arrays[j]);
    }
    float *arrays[] = {m->parameters, m->gradients, m->moment1, m->moment2, m->x, m->normed,
        m->stats, m->logits, m->dlogits, m->dhidden};
    for (size_t j = 0; j < sizeof arrays / sizeof *arrays; j++)
        free(arrays[j]);
    for (size_t i = 0; i < sizeof m->d / sizeof *m->d; i++)
        free(m->d[i]);
    free(m->ids);
    free(m->targets);
    free(m->blocks);
}

static void run_strict(void *arg)
{
    plain_gpt_step_strict(arg);
}

static void run_fast(void *arg)
{
    plain_gpt_step_fast(arg);
}

int gpt_mode(const bench_options *o)
{
    plain_gpt m[2];
    bench_contender contenders[] = {{.who = "C loops", .run = run_strict, .arg = &m[0]},
        {.who = "C loops, fast math", .run = run_fast, .arg = &m[1]}};
    const size_t n = sizeof contenders / sizeof *contenders;
    for (size_t i = 0; i < n; i++)
        open_gpt(&m[i], o);
    bench_contest(o, contenders, n);
    bool learns = true;
    for (size_t i = 0; i < n; i++) {
        /* of the same characters again and again */
        learns = learns && m[i].loss < 0.9 * log((double)m[i].s.vocabulary);
        json_begin("gpt");
        json_text("who", contenders[i].who);
        json_int("threads", o->threads);
        json_int("steps", m[i].steps);
        json_number("loss", m[i].loss);
        json_times(&contenders[i].times);
        json_end();
        close_gpt(&m[i]);
    }
    bench_times_free(contenders, n);
    if (!learns && !o->quick)
        fprintf(stderr, "nncf-bench: the GPT's loss does not fall\n");
    return learns || o->quick ? EXIT_SUCCESS : EXIT_FAILURE;
}
