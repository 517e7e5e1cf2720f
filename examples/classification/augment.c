/* SPDX-License-Identifier: Apache-2.0 */
#include "augment.h"
#include "picture.h"
#include "resize.h"

#include <math.h>
#include <stdlib.h>

/* 0..255 -> normalized, in place; grey images that are wanted in colour get their plane thrice. */
static void normalize(const dataset *d, int have, int channels, int size, float *out)
{
    size_t plane = (size_t)size * (size_t)size;
    for (int c = channels - 1; c >= 0; c--) {
        const float *from = out + (size_t)(c < have ? c : 0) * plane;
        float scale = 1.0f / (255.0f * d->deviation[c]), offset = d->mean[c] / d->deviation[c];
        for (size_t i = 0; i < plane; i++)
            out[(size_t)c * plane + i] = from[i] * scale - offset;
    }
}

/* The image's centre on the output's, moved by (dx, dy); what lies outside of the image is black.
 */
static void place(
    const dataset *d, const uint8_t *pixels, int dx, int dy, bool mirror, int size, float *out)
{
    int left = (d->width - size) / 2 - dx, top = (d->height - size) / 2 - dy;
    for (int c = 0; c < d->channels; c++)
        for (int y = 0; y < size; y++)
            for (int x = 0; x < size; x++) {
                int sx = left + (mirror ? size - 1 - x : x), sy = top + y;
                bool inside = sx >= 0 && sx < d->width && sy >= 0 && sy < d->height;
                *out++ = inside ? (float)pixels[(c * d->height + sy) * d->width + sx] : 0.0f;
            }
}

static nncf_status small_image(
    const dataset *d, size_t index, rng *random, int size, float *out, nncf_error *err)
{
    size_t area = (size_t)d->width * (size_t)d->height;
    const uint8_t *pixels = d->pixels + index * area * (size_t)d->channels;
    int dx = 0, dy = 0;
    bool mirror = false;
    if (random != NULL) {
        uint64_t span = 2 * (uint64_t)d->shift + 1;
        dx = (int)rng_below(random, span) - d->shift;
        dy = (int)rng_below(random, span) - d->shift;
        mirror = (rng_next(random) >> 63) != 0 && d->flip;
    }
    if (abs(d->width - size) <= 8 && abs(d->height - size) <= 8) {
        place(d, pixels, dx, dy, mirror, size, out);
        return NNCF_OK;
    }
    /* Plane by plane, since the pixels are stored so. A shift moves the region; it stays inside of
     * the image. */
    for (int c = 0; c < d->channels; c++) {
        raster plane = {pixels + (size_t)c * area, d->width, d->height, 1};
        region r = {dx > 0 ? dx : 0, dy > 0 ? dy : 0, d->width - abs(dx), d->height - abs(dy)};
        nncf_status status =
            resize_region(&plane, r, size, mirror, out + (size_t)c * (size_t)(size * size), err);
        if (status != NNCF_OK)
            return status;
    }
    return NNCF_OK;
}

/* A random part of a photograph: area and aspect ratio are drawn until it fits, ten times at most;
 * then the largest centred part whose ratio is allowed (Szegedy et al. 2014, with the customary
 * bounds). */
static region random_part(rng *random, double width, double height)
{
    double ratio = width / height;
    for (int i = 0; i < 10; i++) {
        double area = width * height * rng_between(random, 0.08, 1.0);
        double aspect = exp(rng_between(random, log(3.0 / 4.0), log(4.0 / 3.0)));
        double w = sqrt(area * aspect), h = sqrt(area / aspect), x = rng_uniform(random),
               y = rng_uniform(random);
        if (w <= width && h <= height)
            return (region){x * (width - w), y * (height - h), w, h};
    }
    if (ratio < 3.0 / 4.0)
        return (region){0.0, (height - width * 4.0 / 3.0) / 2.0, width, width * 4.0 / 3.0};
    if (ratio > 4.0 / 3.0)
        return (region){(width - height * 4.0 / 3.0) / 2.0, 0.0, height * 4.0 / 3.0, height};
    return (region){0.0, 0.0, width, height};
}

static nncf_status photograph(
    const dataset *d, size_t index, rng *random, int size, float *out, nncf_error *err)
{
    picture p;
    raster image;
    region r;
    bool mirror = false;
    int resized = (size * 256 + 112) / 224;
    nncf_status status;
    /* The smallest random part has about a quarter of a side: four times the size keeps all that it
     * can show. */
    status = picture_read(d->paths[index], random != NULL ? 4 * size : resized, &p, err);
    if (status != NNCF_OK)
        return status;
    if (random != NULL) {
        r = random_part(random, p.width, p.height);
        mirror = (rng_next(random) >> 63) != 0 && d->flip;
    } else {
        double side = (double)(p.width < p.height ? p.width : p.height) * size / resized;
        r = (region){(p.width - side) / 2.0, (p.height - side) / 2.0, side, side};
    }
    image = (raster){p.rgb, p.width, p.height, 3};
    status = resize_region(&image, r, size, mirror, out, err);
    free(p.rgb);
    return status;
}

nncf_status augment_sample(const dataset *d, size_t index, rng *random, int channels, int size,
    float *out, nncf_error *err)
{
    nncf_status status = d->format == DATASET_FOLDER
        ? photograph(d, index, random, size, out, err)
        : small_image(d, index, random, size, out, err);
    if (status == NNCF_OK)
        normalize(d, d->format == DATASET_FOLDER ? 3 : d->channels, channels, size, out);
    return status;
}
