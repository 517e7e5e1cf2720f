/* SPDX-License-Identifier: Apache-2.0 */
/* The program around a task: command line, config, controller, Adam, epochs, metrics, export. The
 * task gives it a network, batches, a loss and scores. */
#ifndef EXAMPLES_TRAINER_H
#define EXAMPLES_TRAINER_H

#include "graph.h"

#include <stdio.h>

enum { TASK_SCORES = 4 };

typedef struct task task;
struct task {
    const char *name; /* "gpt": of the program's files */
    const char *about; /* lines of --help */
    /* What score() gives; the first one is what the run is judged by. */
    const char *scores[TASK_SCORES];
    size_t input_size; /* bytes of a sample; set by open */
    int64_t golden; /* validation samples in an export; 0: 4 */
    void *state; /* the task's; set by open */
    /* Read data and config, build the network. `data` may be NULL: the usual place. */
    nncf_status (*open)(task *t, const nncf_config *config, const char *data, uint64_t seed,
        nncf_context *context, graph **g, nncf_error *err);
    void (*close)(task *t);
    /* Training batch `index`, the same in every run with this seed; its targets stay in the task.
     */
    nncf_status (*train_batch)(task *t, int64_t index, int64_t n, void *x, nncf_error *err);
    /* Validation batch `index`; *count: how many samples it has, 0 past the end. */
    nncf_status (*test_batch)(
        task *t, int64_t index, int64_t n, void *x, int64_t *count, nncf_error *err);
    /* Loss of the batch that was made last, and its gradient for y. */
    double (*loss)(task *t, int64_t n, const float *y, float *dy);
    /* Adds the batch to the scores; the second gives and clears them. */
    nncf_status (*score)(task *t, int64_t n, const float *y, nncf_error *err);
    nncf_status (*take_scores)(task *t, double scores[TASK_SCORES], nncf_error *err);
    /* After training, with the network in eval mode; may be NULL. */
    nncf_status (*show)(task *t, graph *g, FILE *output, nncf_error *err);
};

/* The whole program: exit status 0 done, 1 failed, 2 wrong command line. */
int trainer_main(task *t, int argc, char **argv);

#endif
