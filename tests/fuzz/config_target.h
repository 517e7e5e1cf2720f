/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold for any bytes as a config. One that loads is dumped; the dump loads, in the same
 * dialect, means the same and dumps the same again. Its explanation is JSON, and what it is
 * migrated to loads as NNCF 2.17. Shared by the fuzz target, by the sweep and by
 * tests/config/test_config.c.
 */
#ifndef CONFIG_TARGET_H
#define CONFIG_TARGET_H

#include "base/text.h"
#include "config/config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_TARGET_WHY = 2400 };

/* A text that one of the functions below writes; NULL, and why, when it cannot. Freed by the
 * caller. */
typedef nncf_status config_target_write(
    const nncf_config *config, char *buffer, size_t capacity, size_t *needed, nncf_error *err);

static inline nncf_status config_target_explain_text(
    const nncf_config *config, char *buffer, size_t capacity, size_t *needed, nncf_error *err)
{
    return nncf_config_explain(config, NNCF_FORM_TEXT, buffer, capacity, needed, err);
}

static inline nncf_status config_target_explain_json(
    const nncf_config *config, char *buffer, size_t capacity, size_t *needed, nncf_error *err)
{
    return nncf_config_explain(config, NNCF_FORM_JSON, buffer, capacity, needed, err);
}

static inline char *config_target_text(const nncf_config *config, config_target_write *write,
    const char *what, char why[CONFIG_TARGET_WHY])
{
    size_t needed = 0;
    nncf_status status = write(config, NULL, 0, &needed, NULL);
    char *text = status == NNCF_E_BUFFER ? malloc(needed) : NULL;
    if (text)
        status = write(config, text, needed, NULL, NULL);
    if (text && status == NNCF_OK && strlen(text) + 1 == needed)
        return text;
    snprintf(why, CONFIG_TARGET_WHY, "%s: %s, %zu bytes", what, nncf_status_name(status), needed);
    free(text);
    return NULL;
}

/* The canonical part; freed by the caller. */
static inline char *config_target_canonical(nncf_context *context, const nncf_config *config)
{
    nncf__text text = {.context = context};
    nncf__config_canonical(config, &text);
    char *copy = text.failed ? NULL : calloc(1, text.length + 1);
    if (copy)
        memcpy(copy, text.data, text.length);
    nncf__text_free(&text);
    return copy;
}

static inline nncf_config *config_target_parse(
    nncf_context *context, const char *text, const char *what, char why[CONFIG_TARGET_WHY])
{
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    if (nncf_config_parse(context, "again", text, strlen(text), NULL, &config, &err) != NNCF_OK)
        snprintf(why, CONFIG_TARGET_WHY, "%s does not load: %s\n%.900s", what, err.message, text);
    return config;
}

/* Dump, load, dump, and the meaning in between. */
static inline bool config_target_round(
    nncf_context *context, const nncf_config *config, char why[CONFIG_TARGET_WHY])
{
    char *first = config_target_text(config, nncf_config_dump, "dump", why), *second = NULL;
    nncf_config *again = first ? config_target_parse(context, first, "the dump", why) : NULL;
    bool good = again != NULL;
    if (good && strcmp(nncf_config_get_dialect(config), nncf_config_get_dialect(again)) != 0) {
        snprintf(why, CONFIG_TARGET_WHY, "dialect %s becomes %s", nncf_config_get_dialect(config),
            nncf_config_get_dialect(again));
        good = false;
    }
    char *means[2] = {NULL, NULL};
    if (good) {
        means[0] = config_target_canonical(context, config);
        means[1] = config_target_canonical(context, again);
        good = means[0] && means[1] && strcmp(means[0], means[1]) == 0;
        if (!good)
            snprintf(why, CONFIG_TARGET_WHY, "means something else:\n%.550s\n%.550s",
                means[0] ? means[0] : "?", means[1] ? means[1] : "?");
    }
    if (good) {
        second = config_target_text(again, nncf_config_dump, "second dump", why);
        good = second && strcmp(first, second) == 0;
        if (second && !good)
            snprintf(
                why, CONFIG_TARGET_WHY, "the second dump differs:\n%.550s\n%.550s", first, second);
    }
    free(means[0]);
    free(means[1]);
    free(first);
    free(second);
    nncf_config_destroy(again);
    return good;
}

static inline bool config_target_words(
    nncf_context *context, const nncf_config *config, char why[CONFIG_TARGET_WHY])
{
    char *text = config_target_text(config, config_target_explain_text, "explain", why);
    char *json = text
        ? config_target_text(config, config_target_explain_json, "explain as JSON", why)
        : NULL;
    char *late = json ? config_target_text(config, nncf_config_migrate, "migrate", why) : NULL;
    char *wrapped = late ? malloc(strlen(json) + 16) : NULL;
    nncf_config *read = NULL, *migrated = NULL;
    /* a config is an object, at most 1 MiB, and its texts have at most 4096 bytes: an explanation
     * may be beyond that */
    if (wrapped && strlen(json) < 60000) {
        sprintf(wrapped, "{\"a\": %s}", json);
        read = config_target_parse(context, wrapped, "the explanation", why);
    }
    bool good = wrapped && (read || strlen(json) >= 60000);
    if (good) {
        migrated = config_target_parse(context, late, "what it is migrated to", why);
        good = migrated != NULL;
    }
    if (good &&
        (strcmp(nncf_config_get_dialect(migrated), "2.17") != 0 ||
            nncf_config_get_algorithm_count(migrated) != nncf_config_get_algorithm_count(config))) {
        snprintf(why, CONFIG_TARGET_WHY, "migrated to %s, %zu algorithms",
            nncf_config_get_dialect(migrated), nncf_config_get_algorithm_count(migrated));
        good = false;
    }
    nncf_config_destroy(read);
    nncf_config_destroy(migrated);
    free(text);
    free(json);
    free(late);
    free(wrapped);
    return good;
}

/* Does all of it hold? If not, why. *loads (nullable): is it a config at all? */
static inline bool config_target_holds(nncf_context *context, const char *text, size_t size,
    const nncf_config_params *params, bool *loads, char why[CONFIG_TARGET_WHY])
{
    nncf_config *config = NULL;
    why[0] = 0;
    bool is_config =
        nncf_config_parse(context, "fuzz", text, size, params, &config, NULL) == NNCF_OK;
    if (loads)
        *loads = is_config;
    bool good = !is_config ||
        (config_target_round(context, config, why) && config_target_words(context, config, why));
    nncf_config_destroy(config);
    return good;
}

#endif
