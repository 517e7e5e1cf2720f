/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots: safetensors files with weights, batch norm, optimizer and the controller's state. */
#ifndef CLASSIFICATION_SNAPSHOT_H
#define CLASSIFICATION_SNAPSHOT_H

#include "net.h"
#include "optimizer.h"
#include "schedule.h"

#include <stdio.h>

/* What a run needs to go on, besides tensors. */
typedef struct run_state {
    int64_t epoch; /* the next one */
    double best_top1;
    double test_top1;
    uint64_t seed;
    char *
        classes; /* names of the classes as dataset_classes_text() has them; owned, NULL: unknown */
    char *search; /* of accuracy_aware_training (search.c); owned, NULL: none */
} run_state;

nncf_status snapshot_save(const char *path, const char *model, const net *n, const optimizer *o,
    const schedule *lr, const run_state *state, nncf_error *err);
/* Everything from a snapshot of snapshot_save(). `optimizer` NULL: to test only. state->seed must
 * be the snapshot's. state->classes becomes the snapshot's, where it has them. accept_config: go on
 * although the config's compression part is another one; what the optimizer then begins anew is
 * told to `report`. */
nncf_status snapshot_resume(nncf_context *context, const char *path, net *n,
    nncf_compression_ctrl *ctrl, optimizer *o, schedule *lr, run_state *state, bool accept_config,
    FILE *report, nncf_error *err);

/* Weights by name, from any safetensors file of float32; "module." in names is stripped, as NNCF
 * does. What is missing or of another shape keeps its value and is told to `report`; it is an error
 * if nothing fits. *classes, which is to be freed: names of the classes that a snapshot of this
 * program was trained on, or NULL. A stripped model is one of these files. keep_zeros: weights that
 * a mask of the file masks are 0. */
nncf_status snapshot_load_weights(nncf_context *context, const char *path, net *n, bool keep_zeros,
    FILE *report, char **classes, nncf_error *err);

#endif
