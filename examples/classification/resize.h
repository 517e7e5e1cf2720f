/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLASSIFICATION_RESIZE_H
#define CLASSIFICATION_RESIZE_H

#include "app.h"

/* A rectangle of an image, in pixels of it; edges may lie between pixels. */
typedef struct region {
    double x, y, width, height;
} region;

/* Interleaved bytes, `channels` a pixel. */
typedef struct raster {
    const uint8_t *data;
    int width, height, channels;
} raster;

/* Brings a region to size x size: bilinear, with the filter widened when it shrinks, so that
 * nothing is skipped (antialiased). `out` gets `channels` planes of values 0..255; mirrored when
 * asked to. */
nncf_status resize_region(
    const raster *image, region r, int size, bool mirror, float *out, nncf_error *err);

#endif
