/* SPDX-License-Identifier: Apache-2.0 */
/* How a camera was held: the orientation of the Exif metadata. */
#ifndef CLASSIFICATION_EXIF_H
#define CLASSIFICATION_EXIF_H

#include <stddef.h>
#include <stdint.h>

enum { EXIF_UPRIGHT = 1, EXIF_LAST = 8 };

/* The orientation, 1 to 8, in the bytes of an APP1 segment (without marker and length); 1 where
 * none is told, or where the segment is damaged. Never reads outside of the bytes. */
int exif_orientation(const uint8_t *bytes, size_t size);

/* How rows of an upright picture are found in one as the camera stored it: pixel (x, y) of the
 * upright picture is at origin + x * across + y * down, in pixels of the stored one. */
typedef struct exif_walk {
    int width, height; /* of the upright picture */
    ptrdiff_t origin, across, down;
} exif_walk;

exif_walk exif_upright(int orientation, int width, int height);

#endif
