/* SPDX-License-Identifier: Apache-2.0 */
/* Which class is each pixel? A small UNet (Ronneberger et al. 2015): two steps down, two up, with
 * what was there on the way down concatenated on the way up. */
#include "scene_task.h"
#include "scores.h"
#include "settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct segmentation {
    scene_batch batch;
    confusion sums;
} segmentation;

/* Mean over all pixels of the cross entropy of the classes, which are planes. */
static double loss(task *t, int64_t n, const float *y, float *dy)
{
    const segmentation *s = t->state;
    const float share = 1.0f / (float)(n * SCENE_PIXELS);
    double total = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const size_t base = (size_t)i * SEGMENTATION_CLASSES * SCENE_PIXELS;
        for (size_t p = 0; p < SCENE_PIXELS; p++) {
            const float *logits = y + base + p;
            const int truth = s->batch.scenes[i].mask[p];
            float e[SEGMENTATION_CLASSES], largest = logits[0], sum = 0.0f;
            for (int c = 1; c < SEGMENTATION_CLASSES; c++)
                largest = fmaxf(largest, logits[c * SCENE_PIXELS]);
            for (int c = 0; c < SEGMENTATION_CLASSES; c++)
                sum += e[c] = expf(logits[c * SCENE_PIXELS] - largest);
            total += logf(sum) + largest - logits[truth * SCENE_PIXELS];
            for (int c = 0; dy != NULL && c < SEGMENTATION_CLASSES; c++)
                dy[base + p + (size_t)c * SCENE_PIXELS] =
                    (e[c] / sum - (c == truth ? 1.0f : 0.0f)) * share;
        }
    }
    return total * (double)share;
}

static nncf_status score(task *t, int64_t n, const float *y, nncf_error *err)
{
    segmentation *s = t->state;
    uint8_t predicted[SCENE_PIXELS];
    (void)err;
    for (int64_t i = 0; i < n; i++) {
        const float *logits = y + (size_t)i * SEGMENTATION_CLASSES * SCENE_PIXELS;
        for (size_t p = 0; p < SCENE_PIXELS; p++) {
            predicted[p] = 0;
            for (int c = 1; c < SEGMENTATION_CLASSES; c++)
                if (logits[(size_t)c * SCENE_PIXELS + p] >
                    logits[(size_t)predicted[p] * SCENE_PIXELS + p])
                    predicted[p] = (uint8_t)c;
        }
        confusion_add(&s->sums, s->batch.scenes[i].mask, predicted, SCENE_PIXELS);
    }
    return NNCF_OK;
}

static nncf_status take_scores(task *t, double scores[TASK_SCORES], nncf_error *err)
{
    segmentation *s = t->state;
    (void)err;
    scores[0] = 100.0 * confusion_mean_iou(&s->sums);
    scores[1] = 100.0 * confusion_accuracy(&s->sums);
    s->sums = (confusion){0};
    return NNCF_OK;
}

/* Two convolutions; names as a PyTorch module would have them. */
static int twice(graph *g, const char *name, int x, int64_t width)
{
    for (int i = 0; i < 2; i++) {
        char scope[80];
        snprintf(scope, sizeof scope, "UNet/Block[%s]/Conv2d[%d]", name, i);
        x = graph_conv(g, scope, x,
            (graph_conv_spec){.out = width,
                .kernel = 3,
                .stride = 1,
                .activation = NNCF_ACTIVATION_RELU,
                .batch_norm = true});
    }
    return x;
}

static nncf_status build(
    int64_t width, uint64_t seed, nncf_context *context, graph **out, nncf_error *err)
{
    const int64_t sample[] = {1, 1, SCENE_SIZE, SCENE_SIZE};
    nncf_status status = graph_create(context, NNCF_F32, 4, sample, seed, out, err);
    graph *g = *out;
    if (status != NNCF_OK)
        return status;
    const int fine = twice(g, "fine", GRAPH_INPUT, width);
    const int middle =
        twice(g, "middle", graph_max_pool(g, "UNet/max_pool2d_0", fine, 2, 2), 2 * width);
    int x = twice(g, "coarse", graph_max_pool(g, "UNet/max_pool2d_1", middle, 2, 2), 4 * width);
    x = graph_concat(g, "UNet/cat_0", graph_upsample(g, "UNet/interpolate_0", x, 2), middle);
    x = twice(g, "up_middle", x, 2 * width);
    x = graph_concat(g, "UNet/cat_1", graph_upsample(g, "UNet/interpolate_1", x, 2), fine);
    x = twice(g, "up_fine", x, width);
    graph_conv(g, "UNet/Conv2d[classes]", x,
        (graph_conv_spec){.out = SEGMENTATION_CLASSES, .kernel = 1, .stride = 1});
    return graph_finish(g, err);
}

static nncf_status open_segmentation(task *t, const nncf_config *config, const char *data,
    uint64_t seed, nncf_context *context, graph **g, nncf_error *err)
{
    int64_t width = 8;
    segmentation *s = calloc(1, sizeof *s);
    nncf_status status;
    if (s == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory");
    t->state = s;
    t->input_size = SCENE_PIXELS * sizeof(float);
    status = settings_int(config, "model_params.width", 1, &width, err);
    if (status == NNCF_OK)
        status = scene_batch_open(&s->batch, config, data, seed, err);
    return status == NNCF_OK ? build(width, seed, context, g, err) : status;
}

static void close_segmentation(task *t)
{
    segmentation *s = t->state;
    scene_batch_close(&s->batch);
    free(s);
    t->state = NULL;
}

const task segmentation_task = {.name = "nncf-segmentation",
    .about = "Trains a small UNet to find Fashion-MNIST pictures on textures, pixel by pixel.\n",
    .scores = {"mean_iou", "pixel_accuracy"},
    .open = open_segmentation,
    .close = close_segmentation,
    .train_batch = scene_train_batch,
    .test_batch = scene_test_batch,
    .loss = loss,
    .score = score,
    .take_scores = take_scores};
