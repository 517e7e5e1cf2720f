/* SPDX-License-Identifier: Apache-2.0 */
/* A config's values by path, for callers: they read keys of their own. */
#include "base/error.h"
#include "config/config.h"
#include "config/internal.h"
#include "config/json/document.h"

#include <nncf/base.h>
#include <nncf/config.h>

#include <stddef.h>
#include <stdint.h>

static nncf_status find(
    const nncf_config *config, const char *path, const nncf__node **node, nncf_error *err)
{
    uint32_t index;
    if (!config || !path)
        return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL", !config ? "config" : "path");
    nncf_status status = nncf__config_find_path(&config->document, path, &index);
    if (status == NNCF_E_NOTFOUND)
        return nncf__fail(
            err, status, path, "%s: there is no value at %.200s", config->document.name, path);
    if (status != NNCF_OK)
        return nncf__fail(err, status, path,
            "%.200s is no path: keys with points between them, and [index]", path);
    *node = &config->document.nodes[index];
    return NNCF_OK;
}

static nncf_status wrong_type(const nncf_config *config, const char *path, const nncf__node *node,
    const char *wanted, nncf_error *err)
{
    static const char *const types[] = {
        "null", "a boolean", "an integer", "a number", "a string", "an array", "an object"};
    if (!err)
        return NNCF_E_CONFIG;
    const nncf__source_location place = nncf__config_location(&config->document, node->offset);
    return nncf__fail_at(err, NNCF_E_CONFIG, &place, path, "%s%sis %s; %s is read here", path,
        *path ? " " : "", types[node->type], wanted);
}

static nncf_status no_result(const char *name, nncf_error *err)
{
    return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL", name);
}

nncf_status nncf_config_get_type(
    const nncf_config *config, const char *path, int32_t *type, nncf_error *err)
{
    const nncf__node *node = NULL;
    nncf_status status = find(config, path, &node, err);
    if (status == NNCF_OK && type)
        *type = node->type;
    return status;
}

nncf_status nncf_config_get_element_count(
    const nncf_config *config, const char *path, size_t *count, nncf_error *err)
{
    const nncf__node *node = NULL;
    nncf_status status = count ? find(config, path, &node, err) : no_result("count", err);
    if (status != NNCF_OK)
        return status;
    if (node->type != NNCF_CONFIG_ARRAY && node->type != NNCF_CONFIG_OBJECT)
        return wrong_type(config, path, node, "an array or object", err);
    *count = node->count;
    return NNCF_OK;
}

nncf_status nncf_config_get_key(
    const nncf_config *config, const char *path, size_t index, const char **key, nncf_error *err)
{
    const nncf__node *node = NULL;
    nncf_status status = key ? find(config, path, &node, err) : no_result("key", err);
    if (status != NNCF_OK)
        return status;
    if (node->type != NNCF_CONFIG_OBJECT)
        return wrong_type(config, path, node, "an object", err);
    if (index >= node->count)
        return nncf__fail(err, NNCF_E_NOTFOUND, path, "member %zu: the object has %zu", index,
            (size_t)node->count);
    const nncf__document *d = &config->document;
    *key = d->nodes[d->in_order[node->children + index]].key;
    return NNCF_OK;
}

nncf_status nncf_config_get_double(
    const nncf_config *config, const char *path, double *value, nncf_error *err)
{
    const nncf__node *node = NULL;
    nncf_status status = value ? find(config, path, &node, err) : no_result("value", err);
    if (status != NNCF_OK)
        return status;
    if (node->type != NNCF_CONFIG_INT && node->type != NNCF_CONFIG_DOUBLE)
        return wrong_type(config, path, node, "a number", err);
    *value = nncf__value_number(node);
    return NNCF_OK;
}

nncf_status nncf_config_get_int(
    const nncf_config *config, const char *path, int64_t *value, nncf_error *err)
{
    const nncf__node *node = NULL;
    nncf_status status = value ? find(config, path, &node, err) : no_result("value", err);
    if (status != NNCF_OK)
        return status;
    if (node->type != NNCF_CONFIG_INT)
        return wrong_type(config, path, node, "an integer", err);
    *value = nncf__value_integer(node);
    return NNCF_OK;
}

nncf_status nncf_config_get_bool(
    const nncf_config *config, const char *path, int32_t *value, nncf_error *err)
{
    const nncf__node *node = NULL;
    nncf_status status = value ? find(config, path, &node, err) : no_result("value", err);
    if (status != NNCF_OK)
        return status;
    if (node->type != NNCF_CONFIG_BOOL)
        return wrong_type(config, path, node, "a boolean", err);
    *value = nncf__value_flag(node);
    return NNCF_OK;
}

nncf_status nncf_config_get_string(
    const nncf_config *config, const char *path, const char **value, nncf_error *err)
{
    const nncf__node *node = NULL;
    nncf_status status = value ? find(config, path, &node, err) : no_result("value", err);
    if (status != NNCF_OK)
        return status;
    if (node->type != NNCF_CONFIG_STRING)
        return wrong_type(config, path, node, "a string", err);
    *value = nncf__value_text(node);
    return NNCF_OK;
}

nncf_status nncf_config_set_error(
    const nncf_config *config, const char *path, const char *message, nncf_error *err)
{
    if (!message)
        message = "the value is wrong";
    if (!config || !path)
        return nncf__fail(err, NNCF_E_CONFIG, path, "%s", message);
    uint32_t index;
    (void)nncf__config_find_path(&config->document, path, &index);
    nncf__source_location place =
        nncf__config_location(&config->document, config->document.nodes[index].offset);
    return nncf__fail_at(
        err, NNCF_E_CONFIG, &place, path, "%s%s%s", path, *path ? ": " : "", message);
}
