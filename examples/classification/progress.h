/* SPDX-License-Identifier: Apache-2.0 */
/* What a person sees while training: a bar on a terminal, plain lines elsewhere, one row per epoch.
 */
#ifndef CLASSIFICATION_PROGRESS_H
#define CLASSIFICATION_PROGRESS_H

#include "metrics.h"

#include <stdio.h>

typedef struct progress {
    FILE *file;
    bool terminal;
    bool header_shown;
    bool bar_shown;
    int64_t print_freq;
    int64_t epoch, epochs;
    int64_t steps; /* of this epoch */
    int64_t steps_after; /* of the epochs to come */
    double started; /* of this epoch */
    double last_drawn;
} progress;

typedef struct step_report {
    int64_t step; /* done, counted from 1 */
    double lr, ce_loss, mean_ce_loss, compression_loss, top1, top5, step_seconds;
} step_report;

progress progress_make(FILE *file, bool terminal, int64_t print_freq);
void progress_begin_epoch(
    progress *p, int64_t epoch, int64_t epochs, int64_t steps, int64_t steps_after);
void progress_step(progress *p, const step_report *r);
/* While something without steps of its own goes on, "testing". On a terminal only. */
void progress_note(progress *p, const char *what);
void progress_end_epoch(progress *p, const epoch_metrics *m, double train_top5);
void progress_clear(progress *p); /* takes the bar away */

#endif
