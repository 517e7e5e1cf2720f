/* SPDX-License-Identifier: Apache-2.0 */
/* What a run leaves behind for those who watch or compare it: record.jsonl, which nncf-report
 * reads, and with --tensorboard TensorBoard's event files.
 *
 * A line of record.jsonl is a JSON object with a "kind": "run" (what is trained, and how),
 * "config" (the effective config and where each value comes from), "baseline" (an epoch of the
 * FP32 run), "epoch" (its figures), "weights" (histograms of an epoch's weights). Lines of an epoch
 * begin with its number, so that a run that is resumed keeps those before it. */
#ifndef CLASSIFICATION_WATCH_H
#define CLASSIFICATION_WATCH_H

#include "metrics.h"
#include "progress.h"

struct run;
typedef struct watch watch;

/* Parts of a training step, whose times are summed up over an epoch. */
enum step_part {
    STEP_DATA, /* waiting for the batch */
    STEP_FORWARD,
    STEP_LOSS,
    STEP_BACKWARD,
    STEP_OPTIMIZER,
    STEP_CONTROLLER, /* compression loss, and the controller's step */
    STEP_PARTS
};

/* What an epoch's line has beyond metrics.jsonl. */
typedef struct epoch_times {
    int64_t steps;
    double parts[STEP_PARTS]; /* seconds */
    double train, test; /* seconds of all */
    double train_top5, test_loss;
} epoch_times;

/* Files of a run that begins with its state's epoch. `baseline`: metrics.jsonl of the FP32 run, or
 * NULL. */
nncf_status watch_open(struct run *r, const char *baseline, nncf_error *err);
/* A step of the epoch at hand: goes to TensorBoard, every print_freq steps. */
void watch_step(struct run *r, const step_report *step);
/* The epoch m->epoch. Weights are looked at in eval mode. */
nncf_status watch_epoch(
    struct run *r, const epoch_metrics *m, const epoch_times *times, nncf_error *err);
void watch_close(watch *w);

#endif
