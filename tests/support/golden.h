/* SPDX-License-Identifier: Apache-2.0 */
/* Stored results of other programs: tests/golden. */
#ifndef NNCF_TESTS_SUPPORT_GOLDEN_H
#define NNCF_TESTS_SUPPORT_GOLDEN_H

#include <json-c/json.h>
#include <stddef.h>

/* The file of that name; json_object_put() it. */
json_object *fx_golden(const char *name);

/* A member: NULL where there is none, or one that must be there. */
json_object *fx_get(const json_object *object, const char *key);
json_object *fx_member(const json_object *object, const char *key);

/* 0 and NULL where there is none. */
double fx_number(const json_object *object, const char *key);
const char *fx_string(const json_object *object, const char *key);

/* Floats of an array, or of {"data": array}; *n (nullable) says how many. Free them. */
float *fx_floats(json_object *value, size_t *n);
/* At most `most` of them into an array; how many. */
size_t fx_floats_into(json_object *value, float *to, size_t most);
size_t fx_doubles_into(json_object *array, double *to, size_t most);

#endif
