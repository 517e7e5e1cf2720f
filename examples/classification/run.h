/* SPDX-License-Identifier: Apache-2.0 */
/* One run of the sample: everything that is opened, and what is done with it. */
#ifndef CLASSIFICATION_RUN_H
#define CLASSIFICATION_RUN_H

#include "dataset.h"
#include "loader.h"
#include "metrics.h"
#include "net.h"
#include "optimizer.h"
#include "options.h"
#include "progress.h"
#include "schedule.h"
#include "settings.h"
#include "snapshot.h"
#include "watch.h"

#include <stdio.h>

typedef struct run {
    const options *opts;
    FILE *output, *errors;
    nncf_config *config;
    train_settings set;
    nncf_context *context;
    dataset *train_data, *test_data;
    loader *train_loader, *test_loader;
    net *network;
    net *reference; /* before compression; NULL: the config wants none */
    nncf_compression_ctrl *ctrl;
    optimizer *opt;
    schedule lr;
    run_state state;
    nncf_statistics statistics; /* of the last epoch trained; struct_size 0 before one */
    char *layers; /* table of layers of that epoch; NULL before one */
    progress progress;
    struct {
        nncf_accuracy_aware *handle; /* NULL: no accuracy_aware_training */
        int64_t restarted; /* epoch in which the optimizer began */
        double lr_factor;
        bool over;
    } search;
    watch *watch; /* NULL until run_train() */
    char *name; /* "mobilenetv2_imagenet_rb_sparsity_int8" */
    char *log_dir, *snapshot_dir; /* NULL until run_train() */
    char *metrics_path, *statistics_path; /* in log_dir */
} run;

/* Open config, data and model as the options say, and take weights or a snapshot in. */
nncf_status run_open(const options *o, FILE *output, FILE *errors, run *r, nncf_error *err);
void run_close(run *r);
/* Train to the end. */
nncf_status run_train(run *r, nncf_error *err);
/* Test and print. */
nncf_status run_eval(run *r, nncf_error *err);
/* predict.c: what the pictures of --predict show. */
nncf_status run_predict(run *r, nncf_error *err);
/* export.c: write the model as --export-onnx and --strip say. */
nncf_status run_export(run *r, nncf_error *err);

/* Accuracy of a network over the test images, at most `max_batches` batches (0: all). */
nncf_status run_test(run *r, net *n, int64_t max_batches, accuracy *a, nncf_error *err);
/* "<folder>/<run>_<which>.safetensors"; free() it. NULL: no memory. */
char *run_snapshot_path(const run *r, const char *which);
nncf_status run_save_snapshot(const run *r, const char *which, nncf_error *err);
/* precision.c: bits of quantizers by sensitivity, where the config says so and no snapshot has
 * them. */
nncf_status run_choose_bits(run *r, nncf_error *err);
/* Those bits, then quantizer ranges from the first training batches. */
nncf_status run_initialize(run *r, nncf_error *err);

/* report.c */
/* Append the table of layers to statistics.txt. */
nncf_status report_statistics(run *r, int64_t epoch, nncf_error *err);
/* metrics.jsonl of the run that made the weights: given, or beside them. NULL: there is none.
 * free() it. */
char *report_baseline_path(const run *r);
/* What was reached, beside the FP32 run. */
nncf_status report_summary(const run *r, nncf_error *err);

#endif
