/* SPDX-License-Identifier: Apache-2.0 */
/* The training half of a config: the keys of NNCF's classification sample with their defaults. */
#ifndef CLASSIFICATION_SETTINGS_H
#define CLASSIFICATION_SETTINGS_H

#include "app.h"
#include "options.h"

enum optimizer_type { OPTIMIZER_ADAM, OPTIMIZER_SGD };
enum schedule_type {
    SCHEDULE_STEP,
    SCHEDULE_MULTISTEP,
    SCHEDULE_POLY,
    SCHEDULE_EXP,
    SCHEDULE_PLATEAU
};

/* One of `optimizer.parameter_groups`. */
typedef struct group_settings {
    const char *re; /* searched in a parameter's name; "" finds everything */
    double lr, weight_decay;
} group_settings;

typedef struct optimizer_settings {
    enum optimizer_type type;
    double base_lr, weight_decay;
    double beta1, beta2, eps; /* Adam */
    double momentum, dampening; /* SGD */
    bool nesterov; /* SGD */
    group_settings *groups; /* NULL: one group with everything */
    size_t n_groups;
} optimizer_settings;

typedef struct schedule_settings {
    enum schedule_type type;
    double gamma, power;
    double threshold; /* plateau: absolute, in units of the accuracy 0..100 */
    int64_t patience; /* plateau: epochs without a better accuracy that are forgiven */
    int64_t step; /* step */
    int64_t *steps; /* multistep */
    size_t n_steps;
} schedule_settings;

typedef struct model_settings {
    const char *name;
    double width_mult; /* not lenet */
    int64_t stem_stride; /* mobilenetv2, resnets: 1 for images of about 32x32 */
} model_settings;

/* Texts point into the config or the options. */
typedef struct train_settings {
    model_settings model;
    int64_t sample_size[4]; /* (1, channels, height, width) */
    int64_t num_classes, batch_size, epochs, workers, save_freq, print_freq, test_every_n_epochs;
    uint64_t seed;
    const char *dataset; /* NULL: see what is in the directory */
    const char *data_dir; /* NULL: the data set's default */
    const char *log_dir, *checkpoint_save_dir;
    const char *weights, *resume;
    bool weights_are_placeholder; /* "<SNAPSHOT_FILE_PATH>": the text of an example, to be replaced
                                   */
    optimizer_settings optimizer;
    schedule_settings schedule;
} train_settings;

nncf_status settings_read(
    const nncf_config *config, const options *o, train_settings *s, nncf_error *err);
/* Say which keys of the root and of `optimizer` look like misspelt ones. Others that are unknown
 * are somebody else's.
 */
void settings_warn_unknown(const nncf_config *config, FILE *errors);
/* Model, data set and algorithms, as NNCF names its files: "mobilenetv2_imagenet_rb_sparsity_int8".
 * free() it. */
char *settings_run_name(const nncf_config *config, const char *model, const char *dataset);
void settings_clear(train_settings *s);

/* Readers of one key each, shared by the settings' files. The value stays as it is where the key is
 * absent. */
nncf_status settings_int(
    const nncf_config *config, const char *path, int64_t lowest, int64_t *value, nncf_error *err);
nncf_status settings_double(const nncf_config *config, const char *path, double lowest,
    double highest, double *value, nncf_error *err);
nncf_status settings_bool(
    const nncf_config *config, const char *path, bool *value, nncf_error *err);
nncf_status settings_text(
    const nncf_config *config, const char *path, const char **value, nncf_error *err);
/* The text must be one of `names` (ended by NULL), in any case; *index is which. */
nncf_status settings_choice(const nncf_config *config, const char *path, const char *const *names,
    int *index, nncf_error *err);
nncf_status settings_read_optimizer(const nncf_config *config, train_settings *s, nncf_error *err);

#endif
