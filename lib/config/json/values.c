/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only file that includes json-c, which holds the scalars that callers and algorithms read.
 * Nothing else of it is used, because json-c 0.16 does not survive a failing malloc: its parser
 * passes a key that it could not copy on as NULL and crashes in the hash, it loses members and
 * elements that do not fit a table without an error, and so does its printer with text. It has
 * no hook for memory either. A scalar is one malloc whose failure is NULL, and reading it changes
 * nothing, so that a loaded config can be read from any number of threads. Their number and length
 * are bounded by scan.c.
 */
#include "config/json/document.h"

#include <json-c/json.h>

bool nncf__value_set_text(nncf__node *node, const char *text, size_t length)
{
    node->value = json_object_new_string_len(text, (int)length);
    return node->value != NULL;
}

bool nncf__value_set_integer(nncf__node *node, int64_t value)
{
    node->value = json_object_new_int64(value);
    return node->value != NULL;
}

bool nncf__value_set_number(nncf__node *node, double value)
{
    node->value = json_object_new_double(value);
    return node->value != NULL;
}

bool nncf__value_set_flag(nncf__node *node, bool value)
{
    node->value = json_object_new_boolean(value);
    return node->value != NULL;
}

void nncf__value_free(nncf__node *node)
{
    json_object_put(node->value);
    node->value = NULL;
}

/* Of another type json_object_get_string() would print the value into memory of its own. */
const char *nncf__value_text(const nncf__node *node)
{
    return json_object_is_type(node->value, json_type_string) ? json_object_get_string(node->value)
                                                              : "";
}

int64_t nncf__value_integer(const nncf__node *node)
{
    return json_object_get_int64(node->value);
}

double nncf__value_number(const nncf__node *node)
{
    return json_object_get_double(node->value);
}

bool nncf__value_flag(const nncf__node *node)
{
    return json_object_get_boolean(node->value);
}
