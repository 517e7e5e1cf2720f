/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only file that includes json-c. It parses what scan.c has found to be strict JSON (json-c alone lets pass
 * duplicate keys, NaN, single quotes and more), and puts values into the nodes; nobody calls json-c afterwards, so a
 * loaded config can be read from any number of threads.
 */
#include "config/document.h"

#include <json-c/json.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

static nncf_status broken(nncf__document *document, uint32_t index, nncf_error *err)
{
    nncf__place place = nncf__config_place(document, document->nodes[index].offset);
    char path[NNCF__PATH_TEXT];
    return nncf__fail_at(err, NNCF_E_INTERNAL, &place, nncf__config_node_path(document, index, path),
                         "json-c and libnncf read this value differently; please report it");
}

/* The double nearest to the number in the text, whatever the process's locale. */
static double parse_double(const char *text)
{
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value = c_locale ? strtod_l(text, NULL, c_locale) : strtod(text, NULL);
    if (c_locale)
        freelocale(c_locale);
    return value;
}

static nncf_status attach_number(nncf__document *document, uint32_t index, json_object *json, nncf_error *err)
{
    nncf__node *node = &document->nodes[index];
    if (node->type == NNCF_CONFIG_INT) {
        if (!json_object_is_type(json, json_type_int))
            return broken(document, index, err);
        node->integer = json_object_get_int64(json);
        node->number = (double)node->integer;
        return NNCF_OK;
    }
    /* json-c saturates integers beyond its own, so those are read from the text. */
    node->number = node->big ? parse_double(document->text + node->offset) : json_object_get_double(json);
    if (isfinite(node->number))
        return NNCF_OK;
    nncf__place place = nncf__config_place(document, node->offset);
    char path[NNCF__PATH_TEXT];
    return nncf__fail_at(err, NNCF_E_PARSE, &place, nncf__config_node_path(document, index, path),
                         "the number %.*s is out of range: its magnitude is above 1.8e308",
                         node->length < 40 ? (int)node->length : 40, document->text + node->offset);
}

static nncf_status attach(nncf__document *document, uint32_t index, json_object *json, nncf_error *err)
{
    nncf__node *node = &document->nodes[index];
    switch (node->type) {
    case NNCF_CONFIG_NULL:
        return json ? broken(document, index, err) : NNCF_OK;
    case NNCF_CONFIG_BOOL:
        if (!json_object_is_type(json, json_type_boolean))
            return broken(document, index, err);
        node->integer = json_object_get_boolean(json) ? 1 : 0;
        return NNCF_OK;
    case NNCF_CONFIG_INT:
    case NNCF_CONFIG_DOUBLE:
        return attach_number(document, index, json, err);
    case NNCF_CONFIG_STRING:
        if (!json_object_is_type(json, json_type_string))
            return broken(document, index, err);
        node->text = json_object_get_string(json);
        return node->text ? NNCF_OK : nncf__fail(err, NNCF_E_NOMEM, document->name, "out of memory");
    case NNCF_CONFIG_ARRAY:
        if (!json_object_is_type(json, json_type_array) || json_object_array_length(json) != node->count)
            return broken(document, index, err);
        break;
    default:
        if (!json_object_is_type(json, json_type_object) || json_object_object_length(json) != (int)node->count)
            return broken(document, index, err);
        break;
    }
    for (uint32_t i = node->first_child; i != 0; i = document->nodes[i].next) {
        json_object *child = NULL;
        if (node->type == NNCF_CONFIG_ARRAY)
            child = json_object_array_get_idx(json, document->nodes[i].index);
        else if (!json_object_object_get_ex(json, document->nodes[i].key, &child))
            return broken(document, i, err);
        nncf_status status = attach(document, i, child, err);
        if (status != NNCF_OK)
            return status;
    }
    return NNCF_OK;
}

nncf_status nncf__config_attach_json(nncf__document *document, nncf_error *err)
{
    json_tokener *tokener = json_tokener_new_ex(NNCF__MAX_CONFIG_DEPTH + 2);
    if (!tokener)
        return nncf__fail(err, NNCF_E_NOMEM, document->name, "out of memory");
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    json_object *json = json_tokener_parse_ex(tokener, document->text, (int)document->size + 1);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    size_t end = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);
    document->json = json;
    if (error != json_tokener_success || !json) {
        /* scan.c accepted the text, so this is json-c without memory, which it does not always say. */
        nncf__place place = nncf__config_place(document, end);
        return nncf__fail_at(err, NNCF_E_NOMEM, &place, "", "json-c gave up: %s", json_tokener_error_desc(error));
    }
    return attach(document, 0, json, err);
}

void nncf__config_release_json(nncf__document *document)
{
    json_object_put(document->json);
    document->json = NULL;
}
