/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. What is given here goes before the config; what is in neither has NNCF's
 * default. */
#ifndef CLASSIFICATION_OPTIONS_H
#define CLASSIFICATION_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct options {
    const char *config; /* required */
    const char *data; /* NULL: config */
    const char *out; /* NULL: config */
    const char *weights; /* NULL: config */
    const char *resume; /* NULL: config */
    const char *teacher; /* NULL: weights */
    const char *baseline_metrics; /* NULL: beside the weights */
    const char *export_onnx; /* NULL: no export */
    const char *tensorboard; /* NULL: no event files */
    const char *strip; /* NULL: no stripped file */
    int32_t export_format; /* NNCF_ONNX_... */
    bool export_format_given;
    bool export_fold_batch_norm; /* goes for the stripped file too */
    int64_t export_images; /* 0: default */
    int64_t epochs; /* 0: config */
    int64_t max_steps; /* 0: no limit */
    int64_t batch_size; /* 0: config */
    int64_t train_samples; /* 0: all */
    int64_t shrink_epoch; /* before it pruned filters are removed; 0: never */
    int64_t threads; /* 0: the processors there are */
    int32_t memory; /* NNCF_MEMORY_... */
    uint64_t seed;
    bool seed_given;
    bool eval;
    char *const *images; /* --predict, which sets `eval` too: these files; NULL otherwise */
    size_t n_images;
    bool accept_config; /* --resume although the config differs */
    bool verbose;
} options;

enum options_result {
    OPTIONS_RUN,
    OPTIONS_DONE /* --help, --version: exit 0 */,
    OPTIONS_WRONG /* exit 2 */
};

/* Texts point into argv. Messages go to `errors`, --help and --version to `output`. */
enum options_result options_parse(int argc, char **argv, FILE *output, FILE *errors, options *o);

#endif
