/* SPDX-License-Identifier: Apache-2.0 */
/* A separable resize with the triangle filter. */
#include "resize.h"

#include <math.h>
#include <stdlib.h>

/* For each output pixel of one axis: the first input pixel, and the weights of `taps` pixels from
 * there on. */
typedef struct axis {
    int taps;
    int *first;
    float *weights;
} axis;

static bool axis_make(axis *a, double from, double length, int limit, int size)
{
    double scale = length / size, support = scale > 1.0 ? scale : 1.0;
    a->taps = (int)ceil(2.0 * support) + 1;
    if (a->taps > limit)
        a->taps = limit;
    a->first = malloc((size_t)size * sizeof *a->first);
    a->weights = malloc((size_t)size * (size_t)a->taps * sizeof *a->weights);
    if (a->first == NULL || a->weights == NULL)
        return false;
    for (int i = 0; i < size; i++) {
        double centre = from + (i + 0.5) * scale, sum = 0.0;
        float *w = a->weights + (size_t)i * (size_t)a->taps;
        int first = (int)floor(centre - support);
        if (first > limit - a->taps)
            first = limit - a->taps;
        if (first < 0)
            first = 0;
        for (int k = 0; k < a->taps; k++) {
            double distance = fabs(first + k + 0.5 - centre) / support;
            w[k] = distance < 1.0 ? (float)(1.0 - distance) : 0.0f;
            sum += w[k];
        }
        for (int k = 0; k < a->taps; k++)
            w[k] = sum > 0.0 ? (float)(w[k] / sum) : 1.0f / (float)a->taps;
        a->first[i] = first;
    }
    return true;
}

static void axis_clear(axis *a)
{
    free(a->first);
    free(a->weights);
}

/* Rows of the image that are needed -> rows of `size` pixels. */
static void shrink_rows(
    const raster *image, const axis *across, int top, int rows, int size, float *to)
{
    int c = image->channels;
    for (int y = 0; y < rows; y++) {
        const uint8_t *row = image->data + (size_t)(top + y) * (size_t)image->width * (size_t)c;
        for (int x = 0; x < size; x++) {
            const uint8_t *p = row + (size_t)across->first[x] * (size_t)c;
            const float *w = across->weights + (size_t)x * (size_t)across->taps;
            for (int k = 0; k < c; k++) {
                float sum = 0.0f;
                for (int t = 0; t < across->taps; t++)
                    sum += w[t] * (float)p[t * c + k];
                *to++ = sum;
            }
        }
    }
}

static void shrink_columns(
    const float *rows, const axis *down, int top, int size, int channels, bool mirror, float *out)
{
    size_t stride = (size_t)size * (size_t)channels, plane = (size_t)size * (size_t)size;
    for (int y = 0; y < size; y++) {
        const float *from = rows + (size_t)(down->first[y] - top) * stride;
        const float *w = down->weights + (size_t)y * (size_t)down->taps;
        for (int x = 0; x < size; x++)
            for (int k = 0; k < channels; k++) {
                const float *p = from + (size_t)x * (size_t)channels + k;
                float sum = 0.0f;
                for (int t = 0; t < down->taps; t++)
                    sum += w[t] * p[(size_t)t * stride];
                out[(size_t)k * plane + (size_t)y * (size_t)size +
                    (size_t)(mirror ? size - 1 - x : x)] = sum;
            }
    }
}

nncf_status resize_region(
    const raster *image, region r, int size, bool mirror, float *out, nncf_error *err)
{
    axis across = {0}, down = {0};
    float *rows = NULL;
    nncf_status status = NNCF_OK;
    if (axis_make(&across, r.x, r.width, image->width, size) &&
        axis_make(&down, r.y, r.height, image->height, size)) {
        int top = down.first[0], n = down.first[size - 1] + down.taps - top;
        rows = malloc((size_t)n * (size_t)size * (size_t)image->channels * sizeof *rows);
        if (rows != NULL) {
            shrink_rows(image, &across, top, n, size, rows);
            shrink_columns(rows, &down, top, size, image->channels, mirror, out);
        }
    }
    if (rows == NULL)
        status = app_fail(err, NNCF_E_NOMEM, NULL, "no memory to resize a picture");
    free(rows);
    axis_clear(&across);
    axis_clear(&down);
    return status;
}
