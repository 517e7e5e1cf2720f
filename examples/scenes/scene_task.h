/* SPDX-License-Identifier: Apache-2.0 */
/* What segmentation and detection share: scenes as batches of a task. */
#ifndef SCENES_SCENE_TASK_H
#define SCENES_SCENE_TASK_H

#include "scenes.h"
#include "trainer.h"

/* First member of a task's state. */
typedef struct scene_batch {
    scenes data;
    scene *scenes; /* the last batch */
    int64_t room, first; /* index of its first scene */
    int64_t tests; /* scenes to test with; config: test_scenes */
} scene_batch;

nncf_status scene_batch_open(
    scene_batch *b, const nncf_config *config, const char *data, uint64_t seed, nncf_error *err);
void scene_batch_close(scene_batch *b);
/* Functions of a task whose state begins with a scene_batch. */
nncf_status scene_train_batch(task *t, int64_t index, int64_t n, void *x, nncf_error *err);
nncf_status scene_test_batch(
    task *t, int64_t index, int64_t n, void *x, int64_t *count, nncf_error *err);

extern const task segmentation_task, detection_task;

#endif
