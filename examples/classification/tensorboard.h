/* SPDX-License-Identifier: Apache-2.0 */
/* Event files of TensorBoard: records with a length and CRC-32C around protocol buffers
 * (tensorflow/core/util/event.proto, framework/summary.proto). A file is written to its end at each
 * flush, so that TensorBoard can follow a run. */
#ifndef CLASSIFICATION_TENSORBOARD_H
#define CLASSIFICATION_TENSORBOARD_H

#include "histogram.h"

typedef struct tensorboard tensorboard;

/* A new file in `dir`, which is made where it is missing. `step`, counted from 1: the first one
 * that is written; of what other files of the folder have from there on, TensorBoard shows no more.
 */
nncf_status tensorboard_open(const char *dir, int64_t step, tensorboard **out, nncf_error *err);
/* NULL is fine for what follows: nothing is written. A failure is kept for tensorboard_flush(). */
void tensorboard_scalar(tensorboard *t, const char *tag, int64_t step, double value);
void tensorboard_histogram(tensorboard *t, const char *tag, int64_t step, const histogram *h);
/* Markdown. */
void tensorboard_text(tensorboard *t, const char *tag, int64_t step, const char *text);
/* Give what was written to readers. */
nncf_status tensorboard_flush(tensorboard *t, nncf_error *err);
void tensorboard_close(tensorboard *t);

#endif
