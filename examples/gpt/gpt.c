/* SPDX-License-Identifier: Apache-2.0 */
/* The network is GPT-2's (Radford et al. 2019): blocks of attention and of two linear layers, each
 * behind a layer norm and added to what it read. One table holds the vectors of characters and of
 * places: an input is the pair (character, vocabulary + place), and their mean goes into the first
 * block. So the input is one tensor of ids, and a file that is exported has one input. */
#include "gpt.h"
#include "metrics.h"
#include "rng.h"
#include "settings.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEST_WINDOWS = 512, SHOWN = 240 };

typedef struct gpt {
    text text;
    uint64_t seed;
    int64_t context, width, heads, blocks; /* config: model_params */
    int32_t *targets; /* of the last batch */
    int64_t n_targets;
    double sum, count; /* of validation losses */
} gpt;

static const char usual_place[] = "/usr/share/games/fortunes";

/* Room for the targets of n windows. */
static nncf_status reserve(gpt *m, int64_t n, nncf_error *err)
{
    if (n * m->context <= m->n_targets)
        return NNCF_OK;
    free(m->targets);
    m->n_targets = n * m->context;
    m->targets = calloc((size_t)m->n_targets, sizeof *m->targets);
    if (m->targets != NULL)
        return NNCF_OK;
    m->n_targets = 0;
    return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for %lld windows", (long long)n);
}

/* `context` pairs of ids from where a text is at, and what follows each. */
static void take_window(const gpt *m, const uint8_t *from, int32_t *ids, int32_t *targets)
{
    for (int64_t i = 0; i < m->context; i++) {
        ids[2 * i] = from[i];
        ids[2 * i + 1] = m->text.vocabulary + (int32_t)i;
        targets[i] = from[i + 1];
    }
}

static nncf_status train_batch(task *t, int64_t index, int64_t n, void *x, nncf_error *err)
{
    gpt *m = t->state;
    rng r = rng_make(m->seed, RNG_SHUFFLE, (uint64_t)index, 0);
    nncf_status status = reserve(m, n, err);
    for (int64_t i = 0; i < n && status == NNCF_OK; i++)
        take_window(m, m->text.train + rng_below(&r, m->text.n_train - (size_t)m->context),
            (int32_t *)x + 2 * i * m->context, m->targets + i * m->context);
    return status;
}

/* Windows at equal distances over the text that training does not see. */
static nncf_status test_batch(
    task *t, int64_t index, int64_t n, void *x, int64_t *count, nncf_error *err)
{
    gpt *m = t->state;
    const size_t last = m->text.n_test - (size_t)m->context - 1,
                 whole = last / (size_t)m->context + 1,
                 windows = whole < TEST_WINDOWS ? whole : TEST_WINDOWS;
    const int64_t left = (int64_t)windows - index * n;
    nncf_status status = reserve(m, n, err);
    *count = left < 0 ? 0 : left < n ? left : n;
    for (int64_t i = 0; i < *count && status == NNCF_OK; i++)
        take_window(m, m->text.test + (size_t)(index * n + i) * last / windows,
            (int32_t *)x + 2 * i * m->context, m->targets + i * m->context);
    return status;
}

static double loss(task *t, int64_t n, const float *y, float *dy)
{
    const gpt *m = t->state;
    return metrics_cross_entropy(y, m->targets, n * m->context, m->text.vocabulary, dy);
}

static nncf_status score(task *t, int64_t n, const float *y, nncf_error *err)
{
    gpt *m = t->state;
    (void)err;
    m->sum += (double)n * loss(t, n, y, NULL);
    m->count += (double)n;
    return NNCF_OK;
}

static nncf_status take_scores(task *t, double scores[TASK_SCORES], nncf_error *err)
{
    gpt *m = t->state;
    (void)err;
    scores[0] = m->sum / m->count;
    scores[1] = scores[0] / 0.693147180559945;
    m->sum = m->count = 0.0;
    return NNCF_OK;
}

/* One block; names as a PyTorch module would have them. */
static int add_block(graph *g, const gpt *m, int index, int x)
{
    char s[96];
    /* Radford et al.: what is added to the residual path begins smaller the more blocks there are.
     */
    const double first = 0.02, added = 0.02 / sqrt(2.0 * (double)m->blocks);
#define NAME(text) (snprintf(s, sizeof s, "GPT/Block[%d]/" text, index), s)
    int a = graph_layer_norm(g, NAME("LayerNorm[ln1]"), x);
    a = graph_attention(g, NAME("Attention[attn]"), a,
        (graph_attention_spec){
            .heads = (int)m->heads, .causal = true, .deviation = first, .out_deviation = added});
    x = graph_sum(g, NAME("__add___0"), x, a);
    a = graph_layer_norm(g, NAME("LayerNorm[ln2]"), x);
    a = graph_linear(g, NAME("MLP[mlp]/Linear[fc]"), a, 4 * m->width, NNCF_ACTIVATION_GELU, first);
    a = graph_linear(g, NAME("MLP[mlp]/Linear[proj]"), a, m->width, NNCF_ACTIVATION_NONE, added);
    return graph_sum(g, NAME("__add___1"), x, a);
#undef NAME
}

static nncf_status build(gpt *m, nncf_context *context, graph **out, nncf_error *err)
{
    const int64_t sample[] = {1, m->context, 2};
    nncf_status status = graph_create(context, NNCF_I32, 3, sample, m->seed, out, err);
    graph *g = *out;
    int x;
    if (status != NNCF_OK)
        return status;
    x = graph_embedding(
        g, "GPT/Embedding[wte]", GRAPH_INPUT, m->text.vocabulary + m->context, m->width, 0.02);
    x = graph_mean(g, "GPT/mean_0", x, 2);
    for (int i = 0; i < m->blocks; i++)
        x = add_block(g, m, i, x);
    x = graph_layer_norm(g, "GPT/LayerNorm[ln_f]", x);
    graph_linear(g, "GPT/Linear[head]", x, m->text.vocabulary, NNCF_ACTIVATION_NONE, 0.02);
    return graph_finish(g, err);
}

static void close_gpt(task *t)
{
    gpt *m = t->state;
    text_close(&m->text);
    free(m->targets);
    free(m);
    t->state = NULL;
}

static nncf_status open_gpt(task *t, const nncf_config *config, const char *data, uint64_t seed,
    nncf_context *context, graph **g, nncf_error *err)
{
    gpt *m = calloc(1, sizeof *m);
    nncf_status status;
    if (m == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory");
    t->state = m;
    *m = (gpt){.seed = seed, .context = 64, .width = 128, .heads = 4, .blocks = 3};
    const struct {
        const char *key;
        int64_t *value;
    } sizes[] = {{"model_params.context", &m->context}, {"model_params.width", &m->width},
        {"model_params.heads", &m->heads}, {"model_params.blocks", &m->blocks}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if ((status = settings_int(config, sizes[i].key, 1, sizes[i].value, err)) != NNCF_OK)
            return status;
    if (m->width % m->heads != 0)
        return nncf_config_set_error(
            config, "model_params.heads", "must divide model_params.width", err);
    data = data != NULL ? data : usual_place;
    if ((status = text_open(data, &m->text, err)) != NNCF_OK)
        return status;
    if (m->text.n_test < 2 * (size_t)m->context)
        return app_fail(err, NNCF_E_NOTFOUND, data,
            "%s: too little text (Debian's package fortunes brings some)", data);
    t->input_size = (size_t)m->context * 2 * sizeof(int32_t);
    printf("%zu characters to train with, %zu to test with, %d different ones\n", m->text.n_train,
        m->text.n_test, (int)m->text.vocabulary);
    return build(m, context, g, err);
}

/* Writes on after a line break: each next character is drawn by its probability. */
static nncf_status show(task *t, graph *g, FILE *output, nncf_error *err)
{
    gpt *m = t->state;
    const int64_t vocabulary = m->text.vocabulary;
    int32_t *ids = app_bytes(t->input_size);
    rng r = rng_make(m->seed, RNG_AUGMENT, 0, 0);
    nncf_status status = NNCF_OK;
    int64_t length = 1;
    if (ids == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory");
    for (int64_t i = 0; i < m->context; i++)
        ids[2 * i + 1] = (int32_t)(vocabulary + i);
    for (int c = 0; c < vocabulary; c++)
        if (m->text.byte_of[c] == '\n')
            ids[0] = c;
    fprintf(output, "---\n");
    for (int i = 0; i < SHOWN && status == NNCF_OK; i++) {
        const float *y;
        if ((status = graph_forward(g, ids, 1, &y, err)) != NNCF_OK)
            break;
        const float *row = y + (length - 1) * vocabulary;
        double sum = 0.0, at;
        int32_t next = 0;
        for (int64_t c = 0; c < vocabulary; c++)
            sum += exp(row[c]);
        at = sum * rng_uniform(&r);
        for (; next + 1 < vocabulary && (at -= exp(row[next])) > 0.0; next++)
            ;
        fputc(m->text.byte_of[next] < 127 ? m->text.byte_of[next] : '?', output);
        if (length == m->context)
            for (int64_t k = 1; k < length; k++)
                ids[2 * (k - 1)] = ids[2 * k];
        else
            length++;
        ids[2 * (length - 1)] = next;
    }
    fprintf(output, "\n---\n");
    free(ids);
    return status;
}

const task gpt_task = {.name = "nncf-gpt",
    .about = "Trains a character-level GPT on a folder of texts (default: Debian's fortunes).\n",
    .scores = {"val_loss", "bits_per_character"},
    .open = open_gpt,
    .close = close_gpt,
    .train_batch = train_batch,
    .test_batch = test_batch,
    .loss = loss,
    .score = score,
    .take_scores = take_scores,
    .show = show};
