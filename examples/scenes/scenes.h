/* SPDX-License-Identifier: Apache-2.0 */
/* Scenes for segmentation and detection: one to four Fashion-MNIST pictures, of different sizes, on
 * a canvas over a procedural texture. So the box and the pixels of every object are known exactly.
 * A scene is a function of (seed, index). */
#ifndef SCENES_SCENES_H
#define SCENES_SCENES_H

#include "dataset.h"

enum {
    SCENE_SIZE = 64,
    SCENE_PIXELS = SCENE_SIZE * SCENE_SIZE,
    SCENE_OBJECTS = 4, /* at most */
    SCENE_CLASSES = 5 /* top, trousers, dress, shoe, bag */
};

typedef struct scene_box {
    float x0, y0, x1, y1; /* edges, in pixels: x1 - x0 is the width */
    int class;
} scene_box;

typedef struct scene {
    float image[SCENE_PIXELS]; /* normalized */
    uint8_t mask[SCENE_PIXELS]; /* 0: background; 1 + class */
    scene_box boxes[SCENE_OBJECTS];
    int n_boxes;
} scene;

extern const char *const scene_class_names[SCENE_CLASSES];

typedef struct scenes {
    dataset *pictures[2]; /* to test with, to train with */
    uint64_t seed;
} scenes;

/* `data`: folder of the IDX files; NULL: where Debian's package puts them. */
nncf_status scenes_open(const char *data, uint64_t seed, scenes *s, nncf_error *err);
void scenes_close(scenes *s);
/* Scenes to test with do not depend on the seed, and show other pictures. */
void scenes_draw(const scenes *s, bool train, int64_t index, scene *out);

#endif
