/* SPDX-License-Identifier: Apache-2.0 */
#include "golden.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

json_object *fx_golden(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", NNCF_GOLDEN_DIR, name);
    json_object *root = json_object_from_file(path);
    ck_assert_msg(root != NULL, "%s: %s", path, json_util_get_last_err());
    return root;
}

json_object *fx_get(const json_object *object, const char *key)
{
    json_object *value = NULL;
    json_object_object_get_ex(object, key, &value);
    return value;
}

json_object *fx_member(const json_object *object, const char *key)
{
    json_object *value = NULL;
    ck_assert_msg(json_object_object_get_ex(object, key, &value), "no member \"%s\"", key);
    return value;
}

double fx_number(const json_object *object, const char *key)
{
    return json_object_get_double(fx_get(object, key));
}

const char *fx_string(const json_object *object, const char *key)
{
    json_object *value = fx_get(object, key);
    return value ? json_object_get_string(value) : NULL;
}

float *fx_floats(json_object *value, size_t *n)
{
    ck_assert_ptr_nonnull(value);
    json_object *array =
        json_object_is_type(value, json_type_object) ? fx_get(value, "data") : value;
    size_t count = json_object_array_length(array);
    float *x = calloc(count + 1, sizeof *x);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)json_object_get_double(json_object_array_get_idx(array, i));
    if (n)
        *n = count;
    return x;
}

size_t fx_doubles_into(json_object *array, double *to, size_t most)
{
    const size_t n = json_object_array_length(array);
    ck_assert_uint_le(n, most);
    for (size_t i = 0; i < n; i++)
        to[i] = json_object_get_double(json_object_array_get_idx(array, i));
    return n;
}

size_t fx_floats_into(json_object *value, float *to, size_t most)
{
    json_object *array =
        json_object_is_type(value, json_type_object) ? fx_member(value, "data") : value;
    const size_t n = json_object_array_length(array);
    ck_assert_uint_le(n, most);
    for (size_t i = 0; i < n; i++)
        to[i] = (float)json_object_get_double(json_object_array_get_idx(array, i));
    return n;
}
