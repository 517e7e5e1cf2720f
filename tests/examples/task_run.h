/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs of the small example programs, in a folder of the test's. */
#ifndef TESTS_EXAMPLES_TASK_RUN_H
#define TESTS_EXAMPLES_TASK_RUN_H

#include "trainer.h"

/* trainer_main() with this text as its config, on one thread. What it writes is in dir/out, and
 * dir/export.onnx. */
int task_run(const char *dir, const task *t, const char *config, const char *data);
/* A number of the last line of metrics.jsonl. */
double task_metric(const char *dir, const char *key);
/* The files that a run must leave. */
void task_check_files(const char *dir);

#endif
