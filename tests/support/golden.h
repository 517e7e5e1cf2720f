/* SPDX-License-Identifier: Apache-2.0 */
/* Stored results of other programs: tests/golden. */
#ifndef NNCF_TESTS_SUPPORT_GOLDEN_H
#define NNCF_TESTS_SUPPORT_GOLDEN_H

#include <json-c/json.h>
#include <stddef.h>

json_object *fx_golden(const char *name);

json_object *fx_get(const json_object *object, const char *key);

double fx_number(const json_object *object, const char *key);

const char *fx_string(const json_object *object, const char *key);

/* Floats of an array, or of {"data": array}; *n (nullable) says how many. Free them. */
float *fx_floats(json_object *value, size_t *n);

#endif
