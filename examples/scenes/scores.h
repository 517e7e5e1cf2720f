/* SPDX-License-Identifier: Apache-2.0 */
/* How good segmentation and detection are, by the usual definitions. */
#ifndef SCENES_SCORES_H
#define SCENES_SCORES_H

#include "scenes.h"

enum { SEGMENTATION_CLASSES = SCENE_CLASSES + 1 };

/* ---- segmentation: mean IoU ---- */

/* Pixels, by [true class][predicted class]. */
typedef struct confusion {
    int64_t count[SEGMENTATION_CLASSES][SEGMENTATION_CLASSES];
} confusion;

void confusion_add(confusion *c, const uint8_t *truth, const uint8_t *predicted, size_t pixels);
/* Mean over the classes that occur, in the truth or predicted, of pixels in both / pixels in either
 * (Everingham et al. 2010, section 4.2.3); the background is a class. NaN without pixels. */
double confusion_mean_iou(const confusion *c);
double confusion_accuracy(const confusion *c); /* share of pixels that are right */

/* ---- detection: mean average precision ---- */

typedef struct detection {
    scene_box box;
    float score;
    int64_t image;
} detection;

/* Area in both / area in either; 0 for boxes without area. */
double box_iou(const scene_box *a, const scene_box *b);
/* Sorts by score, and removes each that overlaps a better one of its class and image by an IoU
 * above `most`. Returns how many are left. */
size_t detections_suppress(detection *d, size_t n, double most);
/* Mean over the classes with a true box of the average precision at an IoU of at least `least`:
 * detections by falling score, each true box found once, precision at a recall being the best
 * precision at that recall or a higher one, and the area below it (VOC 2010 and later). `d` is
 * sorted. NaN without true boxes. */
double detections_mean_ap(
    detection *d, size_t n, const detection *truth, size_t n_truth, double least, nncf_error *err);

#endif
