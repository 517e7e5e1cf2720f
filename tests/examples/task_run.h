/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs of the small example programs, in a folder of the test's. */
#ifndef TESTS_EXAMPLES_TASK_RUN_H
#define TESTS_EXAMPLES_TASK_RUN_H

#include "graph.h"
#include "trainer.h"

/* trainer_main() with this text as its config, on one thread. What it writes is in dir/out, and
 * dir/export.onnx. */
int task_run(const char *dir, const task *t, const char *config, const char *data);
/* A number of the last line of metrics.jsonl. */
double task_metric(const char *dir, const char *key);
/* The files that a run must leave. */
void task_check_files(const char *dir);
/* The gradients that a backward has left against central differences of the loss, of each
 * parameter: they differ by less than tolerance (1 + |slope|). Returns how many slopes are above
 * 0.01. */
size_t task_compare_gradients(
    graph *g, double (*loss)(graph *g, float *dy), float step, double tolerance);

#endif
