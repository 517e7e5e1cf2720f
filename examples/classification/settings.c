/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A getter's status in words; a key that is absent is fine. */
static nncf_status judge(const nncf_config *config, const char *path, nncf_status status,
    const char *wanted, nncf_error *err)
{
    if (status == NNCF_OK || status == NNCF_E_NOTFOUND)
        return NNCF_OK;
    return nncf_config_set_error(config, path, wanted, err);
}

nncf_status settings_int(
    const nncf_config *config, const char *path, int64_t lowest, int64_t *value, nncf_error *err)
{
    int64_t n = *value;
    nncf_status status = nncf_config_get_int(config, path, &n, NULL);
    char wanted[96];
    snprintf(wanted, sizeof wanted, "must be a whole number of at least %lld", (long long)lowest);
    if (status == NNCF_OK && n < lowest)
        return nncf_config_set_error(config, path, wanted, err);
    if ((status = judge(config, path, status, wanted, err)) == NNCF_OK)
        *value = n;
    return status;
}

nncf_status settings_double(const nncf_config *config, const char *path, double lowest,
    double highest, double *value, nncf_error *err)
{
    double x = *value;
    nncf_status status = nncf_config_get_double(config, path, &x, NULL);
    char wanted[96];
    snprintf(wanted, sizeof wanted, "must be a number from %g to %g", lowest, highest);
    if (status == NNCF_OK && !(x >= lowest && x <= highest))
        return nncf_config_set_error(config, path, wanted, err);
    if ((status = judge(config, path, status, wanted, err)) == NNCF_OK)
        *value = x;
    return status;
}

nncf_status settings_bool(const nncf_config *config, const char *path, bool *value, nncf_error *err)
{
    int32_t on = *value;
    nncf_status status = nncf_config_get_bool(config, path, &on, NULL);
    if ((status = judge(config, path, status, "must be true or false", err)) == NNCF_OK)
        *value = on != 0;
    return status;
}

nncf_status settings_text(
    const nncf_config *config, const char *path, const char **value, nncf_error *err)
{
    const char *text = *value;
    nncf_status status = nncf_config_get_string(config, path, &text, NULL);
    if ((status = judge(config, path, status, "must be a text in quotes", err)) == NNCF_OK)
        *value = text;
    return status;
}

nncf_status settings_choice(const nncf_config *config, const char *path, const char *const *names,
    int *index, nncf_error *err)
{
    const char *text = NULL;
    char wanted[256];
    size_t used;
    nncf_status status = settings_text(config, path, &text, err);
    if (status != NNCF_OK || text == NULL)
        return status;
    used = (size_t)snprintf(wanted, sizeof wanted, "must be one of");
    for (int i = 0; names[i] != NULL; i++) {
        if (strcasecmp(text, names[i]) == 0) {
            *index = i;
            return NNCF_OK;
        }
        if (used < sizeof wanted)
            used += (size_t)snprintf(
                wanted + used, sizeof wanted - used, "%s %s", i > 0 ? "," : "", names[i]);
    }
    return nncf_config_set_error(config, path, wanted, err);
}

/* `input_sample_size` of NNCF 1.0 and 1.1, `input_info` (an object, or an array of one) from 1.2
 * on. */
static nncf_status read_sample_size(const nncf_config *config, train_settings *s, nncf_error *err)
{
    static const char *const paths[] = {
        "input_sample_size", "input_info.sample_size", "input_info[0].sample_size"};
    static const int64_t imagenet[4] = {1, 3, 224, 224};
    memcpy(s->sample_size, imagenet, sizeof imagenet);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        size_t length;
        int32_t type;
        if (nncf_config_get_type(config, paths[i], &type, NULL) != NNCF_OK)
            continue;
        if (type != NNCF_CONFIG_ARRAY ||
            nncf_config_get_element_count(config, paths[i], &length, NULL) != NNCF_OK ||
            length != 4)
            return nncf_config_set_error(
                config, paths[i], "must be four sizes, as [1, 3, 224, 224]", err);
        for (int k = 0; k < 4; k++) {
            char path[64];
            nncf_status status;
            snprintf(path, sizeof path, "%s[%d]", paths[i], k);
            if ((status = settings_int(config, path, 1, &s->sample_size[k], err)) != NNCF_OK)
                return status;
        }
        if (s->sample_size[1] != 1 && s->sample_size[1] != 3)
            return nncf_config_set_error(config, paths[i], "must have 1 or 3 channels", err);
        if (s->sample_size[2] != s->sample_size[3])
            return nncf_config_set_error(
                config, paths[i], "must be square: height and width alike", err);
        if (s->sample_size[2] > 4096)
            return nncf_config_set_error(
                config, paths[i], "must not be larger than 4096 pixels", err);
        return NNCF_OK;
    }
    return NNCF_OK;
}

/* Which of `model_params` a model knows is the model's business; what nobody knows is wrong here.
 */
static nncf_status read_model(const nncf_config *config, train_settings *s, nncf_error *err)
{
    static const char *const known[] = {"width_mult", "stem_stride"};
    size_t length;
    nncf_status status;
    s->model = (model_settings){.width_mult = 1.0, .stem_stride = 2};
    if ((status = settings_text(config, "model", &s->model.name, err)) != NNCF_OK)
        return status;
    if (s->model.name == NULL)
        return nncf_config_set_error(
            config, "model", "is required: mobilenetv2, resnet18, resnet50 or lenet", err);
    if (nncf_config_get_type(config, "model_params", NULL, NULL) != NNCF_OK)
        return NNCF_OK;
    if (nncf_config_get_element_count(config, "model_params", &length, NULL) != NNCF_OK)
        return nncf_config_set_error(config, "model_params", "must be an object", err);
    for (size_t i = 0; i < length; i++) {
        const char *key = NULL;
        if (nncf_config_get_key(config, "model_params", i, &key, NULL) != NNCF_OK)
            return nncf_config_set_error(config, "model_params", "must be an object", err);
        if (strcmp(key, known[0]) != 0 && strcmp(key, known[1]) != 0) {
            char path[160];
            snprintf(path, sizeof path, "model_params.\"%.120s\"", key);
            return nncf_config_set_error(
                config, path, "is not known: there are width_mult and stem_stride", err);
        }
    }
    if ((status = settings_double(
             config, "model_params.width_mult", 0.05, 8.0, &s->model.width_mult, err)) != NNCF_OK)
        return status;
    if ((status = settings_int(
             config, "model_params.stem_stride", 1, &s->model.stem_stride, err)) != NNCF_OK)
        return status;
    if (s->model.stem_stride > 2)
        return nncf_config_set_error(config, "model_params.stem_stride", "must be 1 or 2", err);
    return NNCF_OK;
}

static nncf_status read_counts(
    const nncf_config *config, const options *o, train_settings *s, nncf_error *err)
{
    int64_t seed = 0;
    const struct {
        const char *path;
        int64_t lowest, fallback, given;
        int64_t *value;
    } counts[] = {
        {"num_classes", 2, 1000, 0, &s->num_classes},
        {"batch_size", 1, 10, o->batch_size, &s->batch_size},
        {"epochs", 1, 300, o->epochs, &s->epochs},
        {"workers", 1, 1, 0,
            &s->workers}, /* NNCF has 4; they would take the cores from the computation here */
        {"save_freq", 1, 5, 0, &s->save_freq},
        {"print_freq", 1, 10, 0, &s->print_freq},
        {"test_every_n_epochs", 1, 1, 0, &s->test_every_n_epochs},
        {"seed", 0, 0, 0, &seed},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        nncf_status status;
        *counts[i].value = counts[i].fallback;
        if ((status = settings_int(
                 config, counts[i].path, counts[i].lowest, counts[i].value, err)) != NNCF_OK)
            return status;
        if (counts[i].given > 0)
            *counts[i].value = counts[i].given;
    }
    if (s->workers > 64)
        return nncf_config_set_error(config, "workers", "must not be more than 64", err);
    s->seed = o->seed_given ? o->seed : (uint64_t)seed;
    return NNCF_OK;
}

static nncf_status read_paths(
    const nncf_config *config, const options *o, train_settings *s, nncf_error *err)
{
    const struct {
        const char *path, *given;
        const char **value;
    } texts[] = {
        {"dataset", NULL, &s->dataset},
        {"dataset_dir", o->data, &s->data_dir},
        {"log_dir", o->out, &s->log_dir},
        {"checkpoint_save_dir", o->out, &s->checkpoint_save_dir},
        {"weights", o->weights, &s->weights},
        {"resuming_checkpoint_path", NULL, &s->resume},
        {"resuming_checkpoint", o->resume, &s->resume},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        nncf_status status = settings_text(config, texts[i].path, texts[i].value, err);
        if (status != NNCF_OK)
            return status;
        if (texts[i].given != NULL)
            *texts[i].value = texts[i].given;
    }
    if (o->weights != NULL)
        s->resume = NULL;
    if (s->resume != NULL)
        s->weights = NULL; /* what is resumed has its weights */
    if (s->weights != NULL && s->weights[0] == '<' && s->weights[strlen(s->weights) - 1] == '>') {
        s->weights_are_placeholder = true;
        s->weights = NULL;
    }
    return NNCF_OK;
}

nncf_status settings_read(
    const nncf_config *config, const options *o, train_settings *s, nncf_error *err)
{
    train_settings fresh = {0};
    nncf_status status = read_model(config, &fresh, err);
    if (status == NNCF_OK)
        status = read_sample_size(config, &fresh, err);
    if (status == NNCF_OK)
        status = read_counts(config, o, &fresh, err);
    if (status == NNCF_OK)
        status = read_paths(config, o, &fresh, err);
    if (status == NNCF_OK)
        status = settings_read_optimizer(config, &fresh, err);
    if (status != NNCF_OK) {
        settings_clear(&fresh);
        return status;
    }
    *s = fresh;
    return NNCF_OK;
}

/* `compression` may be one object or an array of them; bits stand in the algorithm (1.0) or under
 * its weights. */
static int64_t quantization_bits(const nncf_config *config, size_t index)
{
    int64_t bits = 8;
    char path[64];
    snprintf(path, sizeof path, "compression[%zu].bits", index);
    if (nncf_config_get_int(config, path, &bits, NULL) == NNCF_OK)
        return bits;
    snprintf(path, sizeof path, "compression[%zu].weights.bits", index);
    if (nncf_config_get_int(config, path, &bits, NULL) == NNCF_OK)
        return bits;
    if (nncf_config_get_int(config, "compression.bits", &bits, NULL) != NNCF_OK)
        nncf_config_get_int(config, "compression.weights.bits", &bits, NULL);
    return bits;
}

char *settings_run_name(const nncf_config *config, const char *model, const char *dataset)
{
    char *name = app_format("%s_%s", model, dataset);
    for (size_t i = 0; name != NULL && i < nncf_config_get_algorithm_count(config); i++) {
        const char *algorithm = nncf_config_get_algorithm_name(config, i);
        char *longer;
        if (strcmp(algorithm, "quantization") == 0) {
            int64_t bits = quantization_bits(config, i);
            longer = app_format("%s_int%lld", name, (long long)bits);
        } else {
            longer = app_format("%s_%s", name, algorithm);
        }
        free(name);
        name = longer;
    }
    return name;
}

void settings_clear(train_settings *s)
{
    free(s->optimizer.groups);
    free(s->schedule.steps);
    *s = (train_settings){0};
}
