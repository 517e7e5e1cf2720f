/* SPDX-License-Identifier: Apache-2.0 */
/* Which file of Debian's fortunes does a text stand in? Characters become vectors, and convolutions
 * along the text find what is typical of a topic wherever it stands (Zhang et al. 2015). A
 * convolution of one dimension is one of two whose kernel and tensors have one row. */
#include "textcnn.h"
#include "fortunes.h"
#include "metrics.h"
#include "rng.h"
#include "settings.h"

#include <stdlib.h>
#include <string.h>

/* ASCII as it is, 0 behind the end of a text; other bytes are one character. */
enum { WORDS = 128, OTHER = 127, GOLDEN = 256 };

typedef struct textcnn {
    fortunes data;
    uint64_t seed;
    int64_t topics, length, size, width; /* config: model_params */
    int32_t *topic; /* of the last batch */
    int64_t room;
    accuracy sums;
} textcnn;

static const char usual_place[] = "/usr/share/games/fortunes";

/* `length` characters of a text, in the place of sample i. */
static void take_text(textcnn *m, const fortune *from, size_t start, int64_t i, void *x)
{
    int32_t *ids = (int32_t *)x + i * m->length;
    for (size_t k = 0; k < (size_t)m->length; k++) {
        const uint8_t byte = start + k < from->size ? from->text[start + k] : 0;
        ids[k] = byte < OTHER ? byte : OTHER;
    }
    m->topic[i] = from->topic;
}

static nncf_status reserve(textcnn *m, int64_t n, nncf_error *err)
{
    if (n <= m->room)
        return NNCF_OK;
    free(m->topic);
    m->topic = calloc((size_t)n, sizeof *m->topic);
    m->room = m->topic != NULL ? n : 0;
    return m->topic != NULL
        ? NNCF_OK
        : app_fail(err, NNCF_E_NOMEM, NULL, "no memory for %lld texts", (long long)n);
}

/* Texts at random, and any part of one that is longer than what the network sees. */
static nncf_status train_batch(task *t, int64_t index, int64_t n, void *x, nncf_error *err)
{
    textcnn *m = t->state;
    rng r = rng_make(m->seed, RNG_SHUFFLE, (uint64_t)index, 0);
    const nncf_status status = reserve(m, n, err);
    for (int64_t i = 0; i < n && status == NNCF_OK; i++) {
        const fortune *from = &m->data.train[rng_below(&r, m->data.n_train)];
        const size_t seen = (size_t)m->length;
        take_text(m, from, from->size > seen ? rng_below(&r, from->size - seen + 1) : 0, i, x);
    }
    return status;
}

/* The beginning of each text. */
static nncf_status test_batch(
    task *t, int64_t index, int64_t n, void *x, int64_t *count, nncf_error *err)
{
    textcnn *m = t->state;
    const int64_t left = (int64_t)m->data.n_test - index * n;
    const nncf_status status = reserve(m, n, err);
    *count = left < 0 ? 0 : left < n ? left : n;
    for (int64_t i = 0; i < *count && status == NNCF_OK; i++)
        take_text(m, &m->data.test[index * n + i], 0, i, x);
    return status;
}

static double loss(task *t, int64_t n, const float *y, float *dy)
{
    const textcnn *m = t->state;
    return metrics_cross_entropy(y, m->topic, n, m->topics, dy);
}

static nncf_status score(task *t, int64_t n, const float *y, nncf_error *err)
{
    textcnn *m = t->state;
    (void)err;
    metrics_count(&m->sums, y, m->topic, n, m->topics);
    return NNCF_OK;
}

static nncf_status take_scores(task *t, double scores[TASK_SCORES], nncf_error *err)
{
    textcnn *m = t->state;
    (void)err;
    scores[0] = metrics_top1(&m->sums);
    m->sums = (accuracy){0};
    return NNCF_OK;
}

/* A convolution along the text; names as a PyTorch module would have them. */
static int add_conv(graph *g, int index, int x, int64_t out)
{
    char scope[64];
    snprintf(scope, sizeof scope, "TextCNN/Conv2d[conv%d]", index);
    return graph_conv(g, scope, x,
        (graph_conv_spec){.out = out,
            .kernel = 5,
            .one_row = true,
            .stride = 1,
            .activation = NNCF_ACTIVATION_RELU,
            .batch_norm = true});
}

static nncf_status build(textcnn *m, nncf_context *context, graph **out, nncf_error *err)
{
    const int64_t sample[] = {1, 1, m->length};
    nncf_status status = graph_create(context, NNCF_I32, 3, sample, m->seed, out, err);
    graph *g = *out;
    int x;
    if (status != NNCF_OK)
        return status;
    x = graph_embedding(g, "TextCNN/Embedding[characters]", GRAPH_INPUT, WORDS, m->size, 1.0);
    x = graph_channels_first(g, "TextCNN/transpose_0", x);
    x = add_conv(g, 0, x, m->width);
    x = graph_max_pool(g, "TextCNN/max_pool2d_0", x, 1, 2);
    x = add_conv(g, 1, x, m->width);
    x = graph_max_pool(g, "TextCNN/max_pool2d_1", x, 1, 2);
    x = add_conv(g, 2, x, 2 * m->width);
    x = graph_max_pool(g, "TextCNN/max_pool2d_2", x, 1, (int)(m->length / 4)); /* of the text */
    graph_linear(g, "TextCNN/Linear[topics]", x, m->topics, NNCF_ACTIVATION_NONE, 0.02);
    return graph_finish(g, err);
}

static void close_textcnn(task *t)
{
    textcnn *m = t->state;
    fortunes_close(&m->data);
    free(m->topic);
    free(m);
    t->state = NULL;
}

static nncf_status open_textcnn(task *t, const nncf_config *config, const char *data, uint64_t seed,
    nncf_context *context, graph **g, nncf_error *err)
{
    textcnn *m = calloc(1, sizeof *m);
    nncf_status status;
    if (m == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory");
    t->state = m;
    *m = (textcnn){.seed = seed, .topics = 8, .length = 256, .size = 16, .width = 64};
    const struct {
        const char *key;
        int64_t least, *value;
    } sizes[] = {{"model_params.topics", 2, &m->topics}, {"model_params.length", 4, &m->length},
        {"model_params.size", 1, &m->size}, {"model_params.width", 1, &m->width}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if ((status = settings_int(config, sizes[i].key, sizes[i].least, sizes[i].value, err)) !=
            NNCF_OK)
            return status;
    data = data != NULL ? data : usual_place;
    if ((status = fortunes_open(data, (size_t)m->topics, &m->data, err)) != NNCF_OK)
        return status;
    t->input_size = (size_t)m->length * sizeof(int32_t);
    printf("%zu texts to train with, %zu to test with; the most frequent topic has %.1f %%\n",
        m->data.n_train, m->data.n_test, 100.0 * fortunes_majority(&m->data));
    return build(m, context, g, err);
}

const task textcnn_task = {.name = "nncf-textcnn",
    .about =
        "Trains 1-d convolutions to find the file of Debian's fortunes that a text stands in.\n",
    .scores = {"accuracy"},
    .golden = GOLDEN,
    .open = open_textcnn,
    .close = close_textcnn,
    .train_batch = train_batch,
    .test_batch = test_batch,
    .loss = loss,
    .score = score,
    .take_scores = take_scores};
