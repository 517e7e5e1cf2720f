/* SPDX-License-Identifier: Apache-2.0 */
/* Training keys are not checked against a list, as a config may hold those of other programs; but
 * one that is nearly a known key is probably meant to be that, and its value would be ignored in
 * silence. */
#include "settings.h"

#include <string.h>

enum { KEY = 64 };

/* Keys of the sample, and those of NNCF's own samples that mean nothing here: "mode" is not a
 * misspelt "model". */
static const char *const root_keys[] = {"batch_size", "checkpoint_save_dir", "compression",
    "dataset", "dataset_dir", "epochs", "input_info", "input_sample_size", "log_dir", "model",
    "model_params", "num_classes", "optimizer", "print_freq", "resuming_checkpoint",
    "resuming_checkpoint_path", "save_freq", "seed", "test_every_n_epochs", "weights", "workers",
    "mode", NULL};
static const char *const optimizer_keys[] = {"base_lr", "gamma", "optimizer_params",
    "parameter_groups", "patience", "power", "schedule_params", "schedule_type", "scheduler_params",
    "step", "steps", "threshold", "type", "weight_decay", NULL};

/* Levenshtein's distance, by rows; `a` is shorter than KEY. */
static size_t distance(const char *a, const char *b)
{
    size_t row[KEY], n = strlen(a);
    for (size_t i = 0; i <= n; i++)
        row[i] = i;
    for (size_t k = 1; *b != '\0'; b++, k++) {
        size_t corner = row[0];
        row[0] = k;
        for (size_t i = 1; i <= n; i++) {
            size_t best = corner + (a[i - 1] != *b);
            if (row[i] + 1 < best)
                best = row[i] + 1;
            if (row[i - 1] + 1 < best)
                best = row[i - 1] + 1;
            corner = row[i];
            row[i] = best;
        }
    }
    return row[n];
}

/* The key that `key` is nearly: at most two letters off, and fewer than half of them. NULL: known,
 * or far from all. */
static const char *nearly(const char *key, const char *const *known)
{
    const char *nearest = NULL;
    size_t least = 3, length = strlen(key);
    if (length >= KEY)
        return NULL;
    for (; *known != NULL; known++) {
        size_t d = distance(key, *known);
        if (d == 0)
            return NULL;
        if (d < least && 2 * d < length) {
            least = d;
            nearest = *known;
        }
    }
    return nearest;
}

static void warn_object(
    const nncf_config *config, const char *path, const char *const *known, FILE *errors)
{
    const char *key = NULL;
    for (size_t i = 0; nncf_config_get_key(config, path, i, &key, NULL) == NNCF_OK; i++) {
        const char *meant = nearly(key, known);
        if (meant != NULL)
            fprintf(errors, "warning: %s%s%s: unknown; did you mean %s?\n", path,
                path[0] != '\0' ? "." : "", key, meant);
    }
}

void settings_warn_unknown(const nncf_config *config, FILE *errors)
{
    warn_object(config, "", root_keys, errors);
    warn_object(config, "optimizer", optimizer_keys, errors);
}
