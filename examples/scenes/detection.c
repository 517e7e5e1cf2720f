/* SPDX-License-Identifier: Apache-2.0 */
/* Where is what? A small net in the manner of YOLO (Redmon and Farhadi 2018): convolutions with
 * batch norm and leaky relu, a route that goes one step deeper and is upsampled and concatenated,
 * and for each cell of a grid one box: where its centre is in the cell, its size, whether there is
 * an object, and which. */
#include "scene_task.h"
#include "scores.h"
#include "settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CELL = 8, /* pixels */
    GRID = SCENE_SIZE / CELL,
    CELLS = GRID * GRID,
    X = 0, /* planes of the output */
    Y = 1,
    WIDTH = 2,
    HEIGHT = 3,
    OBJECT = 4,
    CLASSES = 5,
    PLANES = CLASSES + SCENE_CLASSES
};

static const float usual_size = 22.0f; /* of an object, in pixels: what exp(0) stands for */
static const float lowest_score = 0.01f; /* that counts as a detection */

typedef struct detector {
    scene_batch batch;
    detection *found, *truth;
    size_t n_found, n_truth, room_found, room_truth;
} detector;

static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* Squared error of a plane's value, and its gradient. */
static double square(float value, float wanted, float weight, float *grad)
{
    *grad = 2.0f * weight * (value - wanted);
    return (double)(weight * (value - wanted) * (value - wanted));
}

/* Loss of a cell with an object: centre, size, class. */
static double box_loss(const scene_box *box, const float *y, float *dy)
{
    const float place[2] = {(box->x0 + box->x1) / 2.0f / CELL, (box->y0 + box->y1) / 2.0f / CELL},
                size[2] = {box->x1 - box->x0, box->y1 - box->y0};
    double total = 0.0;
    for (int i = 0; i < 2; i++) {
        const float s = sigmoid(y[(X + i) * CELLS]);
        total += square(s, place[i] - floorf(place[i]), 5.0f, &dy[(X + i) * CELLS]);
        dy[(X + i) * CELLS] *= s * (1.0f - s);
        total += square(
            y[(WIDTH + i) * CELLS], logf(size[i] / usual_size), 5.0f, &dy[(WIDTH + i) * CELLS]);
    }
    float sum = 0.0f, largest = y[CLASSES * CELLS];
    for (int c = 1; c < SCENE_CLASSES; c++)
        largest = fmaxf(largest, y[(CLASSES + c) * CELLS]);
    for (int c = 0; c < SCENE_CLASSES; c++)
        sum += expf(y[(CLASSES + c) * CELLS] - largest);
    for (int c = 0; c < SCENE_CLASSES; c++)
        dy[(CLASSES + c) * CELLS] =
            expf(y[(CLASSES + c) * CELLS] - largest) / sum - (c == box->class ? 1.0f : 0.0f);
    return total + (double)(logf(sum) + largest - y[(CLASSES + box->class) * CELLS]);
}

/* YOLO's sum of losses, divided by the number of images: cross entropy of "an object is here" over
 * all cells, and where one is, squared errors of the box and cross entropy of the class. */
static double loss(task *t, int64_t n, const float *y, float *dy)
{
    const detector *d = t->state;
    double total = 0.0;
    memset(dy, 0, (size_t)n * PLANES * CELLS * sizeof *dy);
    for (int64_t i = 0; i < n; i++) {
        const scene *s = &d->batch.scenes[i];
        const float *image = y + i * PLANES * CELLS;
        float *grad = dy + i * PLANES * CELLS;
        bool here[CELLS] = {false};
        for (int k = 0; k < s->n_boxes; k++) {
            const scene_box *b = &s->boxes[k];
            const int cell =
                (int)((b->y0 + b->y1) / 2.0f / CELL) * GRID + (int)((b->x0 + b->x1) / 2.0f / CELL);
            if (here[cell])
                continue; /* one object a cell */
            here[cell] = true;
            total += box_loss(b, image + cell, grad + cell);
        }
        for (int c = 0; c < CELLS; c++) {
            const float z = image[OBJECT * CELLS + c], s_z = sigmoid(z);
            total += (double)(fmaxf(z, 0.0f) + log1pf(expf(-fabsf(z))) - (here[c] ? z : 0.0f));
            grad[OBJECT * CELLS + c] = s_z - (here[c] ? 1.0f : 0.0f);
        }
    }
    for (int64_t i = 0; i < n * PLANES * CELLS; i++)
        dy[i] /= (float)n;
    return total / (double)n;
}

static bool append(detection **list, size_t *n, size_t *room, detection d)
{
    if (*n == *room) {
        const size_t more = *room == 0 ? 1024 : 2 * *room;
        detection *grown = realloc(*list, more * sizeof *grown);
        if (grown == NULL)
            return false;
        *list = grown;
        *room = more;
    }
    (*list)[(*n)++] = d;
    return true;
}

/* The box of a cell. */
static detection decode(const float *y, int cell, int64_t image)
{
    const float *at = y + cell;
    const float x = ((float)(cell % GRID) + sigmoid(at[X * CELLS])) * CELL,
                middle = ((float)(cell / GRID) + sigmoid(at[Y * CELLS])) * CELL,
                width = usual_size * expf(fminf(at[WIDTH * CELLS], 3.0f)),
                height = usual_size * expf(fminf(at[HEIGHT * CELLS], 3.0f));
    float sum = 0.0f;
    int best = 0;
    for (int c = 0; c < SCENE_CLASSES; c++)
        best = at[(CLASSES + c) * CELLS] > at[(CLASSES + best) * CELLS] ? c : best;
    for (int c = 0; c < SCENE_CLASSES; c++)
        sum += expf(at[(CLASSES + c) * CELLS] - at[(CLASSES + best) * CELLS]);
    return (detection){
        {x - width / 2.0f, middle - height / 2.0f, x + width / 2.0f, middle + height / 2.0f, best},
        sigmoid(at[OBJECT * CELLS]) / sum, image};
}

static nncf_status score(task *t, int64_t n, const float *y, nncf_error *err)
{
    detector *d = t->state;
    bool enough = true;
    for (int64_t i = 0; i < n; i++) {
        const scene *s = &d->batch.scenes[i];
        detection here[CELLS];
        size_t count = 0;
        for (int c = 0; c < CELLS; c++) {
            here[count] = decode(y + i * PLANES * CELLS, c, d->batch.first + i);
            count += here[count].score > lowest_score;
        }
        count = detections_suppress(here, count, 0.5);
        for (size_t k = 0; k < count && enough; k++)
            enough = append(&d->found, &d->n_found, &d->room_found, here[k]);
        for (int k = 0; k < s->n_boxes && enough; k++)
            enough = append(&d->truth, &d->n_truth, &d->room_truth,
                (detection){s->boxes[k], 1.0f, d->batch.first + i});
    }
    return enough ? NNCF_OK : app_fail(err, NNCF_E_NOMEM, NULL, "no memory for detections");
}

static nncf_status take_scores(task *t, double scores[TASK_SCORES], nncf_error *err)
{
    detector *d = t->state;
    nncf_error failed = NNCF_ERROR_INIT;
    scores[0] =
        100.0 * detections_mean_ap(d->found, d->n_found, d->truth, d->n_truth, 0.5, &failed);
    scores[1] =
        100.0 * detections_mean_ap(d->found, d->n_found, d->truth, d->n_truth, 0.75, &failed);
    d->n_found = d->n_truth = 0;
    if (failed.status != NNCF_OK)
        *err = failed;
    return failed.status;
}

static int convolution(graph *g, const char *name, int x, int64_t out, int kernel, int stride)
{
    char scope[80];
    snprintf(scope, sizeof scope, "Detector/Conv2d[%s]", name);
    return graph_conv(g, scope, x,
        (graph_conv_spec){.out = out,
            .kernel = kernel,
            .stride = stride,
            .activation = NNCF_ACTIVATION_LEAKY_RELU,
            .alpha = 0.1f,
            .batch_norm = true});
}

static nncf_status build(
    int64_t width, uint64_t seed, nncf_context *context, graph **out, nncf_error *err)
{
    const int64_t sample[] = {1, 1, SCENE_SIZE, SCENE_SIZE};
    nncf_status status = graph_create(context, NNCF_F32, 4, sample, seed, out, err);
    graph *g = *out;
    int x, deep;
    if (status != NNCF_OK)
        return status;
    x = convolution(g, "1", GRAPH_INPUT, width, 3, 2);
    x = convolution(g, "2", x, 2 * width, 3, 2);
    x = convolution(g, "3", x, 2 * width, 3, 1);
    x = convolution(g, "4", graph_max_pool(g, "Detector/max_pool2d_0", x, 2, 2), 4 * width, 3, 1);
    deep =
        convolution(g, "5", graph_max_pool(g, "Detector/max_pool2d_1", x, 2, 2), 6 * width, 3, 1);
    deep = convolution(g, "6", deep, 2 * width, 1, 1);
    deep = graph_upsample(g, "Detector/interpolate_0", deep, 2);
    x = graph_concat(g, "Detector/cat_0", deep, x);
    x = convolution(g, "7", x, 4 * width, 3, 1);
    graph_conv(
        g, "Detector/Conv2d[boxes]", x, (graph_conv_spec){.out = PLANES, .kernel = 1, .stride = 1});
    return graph_finish(g, err);
}

static nncf_status open_detection(task *t, const nncf_config *config, const char *data,
    uint64_t seed, nncf_context *context, graph **g, nncf_error *err)
{
    int64_t width = 16;
    detector *d = calloc(1, sizeof *d);
    nncf_status status;
    if (d == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory");
    t->state = d;
    t->input_size = SCENE_PIXELS * sizeof(float);
    status = settings_int(config, "model_params.width", 1, &width, err);
    if (status == NNCF_OK)
        status = scene_batch_open(&d->batch, config, data, seed, err);
    return status == NNCF_OK ? build(width, seed, context, g, err) : status;
}

static void close_detection(task *t)
{
    detector *d = t->state;
    scene_batch_close(&d->batch);
    free(d->found);
    free(d->truth);
    free(d);
    t->state = NULL;
}

const task detection_task = {.name = "nncf-detection",
    .about = "Trains a small detector in the manner of YOLO to find Fashion-MNIST pictures on "
             "textures.\n",
    .scores = {"map_50", "map_75"},
    .open = open_detection,
    .close = close_detection,
    .train_batch = scene_train_batch,
    .test_batch = scene_test_batch,
    .loss = loss,
    .score = score,
    .take_scores = take_scores};
