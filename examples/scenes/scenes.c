/* SPDX-License-Identifier: Apache-2.0 */
#include "scenes.h"
#include "rng.h"

#include <math.h>
#include <string.h>

enum { PICTURE = 28, SMALLEST = 18, LARGEST = 32, TRIES = 30 };

const char *const scene_class_names[SCENE_CLASSES] = {"top", "trousers", "dress", "shoe", "bag"};

/* T-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot. Those that even
 * people take for each other at this size are one class. */
static const int class_of[10] = {0, 1, 0, 2, 0, 3, 0, 3, 4, 3};

nncf_status scenes_open(const char *data, uint64_t seed, scenes *s, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    *s = (scenes){.seed = seed};
    for (int train = 0; train < 2 && status == NNCF_OK; train++) {
        status = dataset_open("fashion_mnist", data, train == 1, &s->pictures[train], err);
        const dataset *d = s->pictures[train];
        if (status == NNCF_OK &&
            (d->channels != 1 || d->width != PICTURE || d->height != PICTURE || d->count == 0))
            status = app_fail(err, NNCF_E_FORMAT, data, "not pictures of 28 x 28 grey pixels");
        if (status == NNCF_OK)
            status = dataset_check(d, 10, 1, err);
    }
    if (status != NNCF_OK)
        scenes_close(s);
    return status;
}

void scenes_close(scenes *s)
{
    for (int i = 0; i < 2; i++)
        dataset_destroy(s->pictures[i]);
    *s = (scenes){0};
}

/* Two waves and soft blocks, of any direction, size and contrast. */
static void draw_texture(rng *r, float *image)
{
    float along[2][2], phase[2], strength[2], blocks[81]; /* of a wave: radians for each pixel */
    const float middle = (float)rng_between(r, 0.15, 0.55);
    for (int i = 0; i < 2; i++) {
        const double direction = rng_between(r, 0.0, 3.14159265358979),
                     length = rng_between(r, 3.0, 24.0);
        along[i][0] = (float)(6.28318530717959 * cos(direction) / length);
        along[i][1] = (float)(6.28318530717959 * sin(direction) / length);
        phase[i] = (float)rng_between(r, 0.0, 6.28318530717959);
        strength[i] = (float)rng_between(r, 0.0, 0.14);
    }
    for (int i = 0; i < 81; i++)
        blocks[i] = (float)rng_between(r, -0.16, 0.16);
    for (int y = 0; y < SCENE_SIZE; y++)
        for (int x = 0; x < SCENE_SIZE; x++) {
            const float *b = blocks + y / 8 * 9 + x / 8;
            const float u = (float)(x % 8) / 8.0f, v = (float)(y % 8) / 8.0f;
            float value = middle + (1.0f - v) * ((1.0f - u) * b[0] + u * b[1]) +
                v * ((1.0f - u) * b[9] + u * b[10]);
            for (int i = 0; i < 2; i++)
                value +=
                    strength[i] * sinf((float)x * along[i][0] + (float)y * along[i][1] + phase[i]);
            image[y * SCENE_SIZE + x] = value;
        }
}

/* The picture at a point of it, between the pixels. */
static float sample(const uint8_t *picture, float x, float y)
{
    const float left = floorf(x), top = floorf(y), u = x - left, v = y - top;
    float corners[2][2];
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++) {
            const int row = (int)top + i, column = (int)left + k;
            const bool inside = row >= 0 && row < PICTURE && column >= 0 && column < PICTURE;
            corners[i][k] = inside ? (float)picture[row * PICTURE + column] / 255.0f : 0.0f;
        }
    return (1.0f - v) * ((1.0f - u) * corners[0][0] + u * corners[0][1]) +
        v * ((1.0f - u) * corners[1][0] + u * corners[1][1]);
}

/* Pixels of an object on the canvas: 0 where it is not. And its box. */
static scene_box draw_object(
    const uint8_t *picture, int size, int left, int top, bool mirror, float *pixels)
{
    scene_box box = {SCENE_SIZE, SCENE_SIZE, 0.0f, 0.0f, 0};
    const float scale = (float)PICTURE / (float)size;
    memset(pixels, 0, SCENE_PIXELS * sizeof *pixels);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            const float u = ((float)(mirror ? size - 1 - x : x) + 0.5f) * scale - 0.5f,
                        v = ((float)y + 0.5f) * scale - 0.5f, value = sample(picture, u, v);
            if (value < 0.1f)
                continue;
            pixels[(top + y) * SCENE_SIZE + left + x] = value;
            box.x0 = fminf(box.x0, (float)(left + x));
            box.y0 = fminf(box.y0, (float)(top + y));
            box.x1 = fmaxf(box.x1, (float)(left + x + 1));
            box.y1 = fmaxf(box.y1, (float)(top + y + 1));
        }
    return box;
}

/* More than a tenth of the smaller one lies under or over the other. */
static bool overlap(const scene_box *a, const scene_box *b)
{
    const float width = fminf(a->x1, b->x1) - fmaxf(a->x0, b->x0),
                height = fminf(a->y1, b->y1) - fmaxf(a->y0, b->y0),
                smaller =
                    fminf((a->x1 - a->x0) * (a->y1 - a->y0), (b->x1 - b->x0) * (b->y1 - b->y0));
    return width > 0.0f && height > 0.0f && width * height > 0.1f * smaller;
}

static void add_object(const dataset *pictures, rng *r, scene *out)
{
    float pixels[SCENE_PIXELS];

    for (int try = 0; try < TRIES; try++) {
        const size_t which = rng_below(r, pictures->count);
        const int size = SMALLEST + (int)rng_below(r, LARGEST - SMALLEST + 1);
        const int left = (int)rng_below(r, (uint64_t)(SCENE_SIZE - size + 1)),
                  top = (int)rng_below(r, (uint64_t)(SCENE_SIZE - size + 1));
        scene_box box = draw_object(pictures->pixels + which * PICTURE * PICTURE, size, left, top,
            rng_below(r, 2) == 1, pixels);
        bool free_place = box.x1 > box.x0;
        for (int i = 0; i < out->n_boxes; i++)
            free_place = free_place && !overlap(&box, &out->boxes[i]);
        if (!free_place)
            continue;
        box.class = class_of[pictures->labels[which]];
        for (int i = 0; i < SCENE_PIXELS; i++)
            if (pixels[i] > 0.0f) {
                out->image[i] = 0.1f + 0.9f * pixels[i];
                out->mask[i] = (uint8_t)(1 + box.class);
            }
        out->boxes[out->n_boxes++] = box;
        return;
    }
}

void scenes_draw(const scenes *s, bool train, int64_t index, scene *out)
{
    rng r = rng_make(train ? s->seed : 0, RNG_AUGMENT, train, (uint64_t)index);
    const int objects = 1 + (int)rng_below(&r, SCENE_OBJECTS);
    memset(out->mask, 0, sizeof out->mask);
    out->n_boxes = 0;
    draw_texture(&r, out->image);
    for (int i = 0; i < objects; i++)
        add_object(s->pictures[train], &r, out);
    for (int i = 0; i < SCENE_PIXELS; i++)
        out->image[i] = (out->image[i] + (float)rng_between(&r, -0.03, 0.03) - 0.4f) / 0.25f;
}
