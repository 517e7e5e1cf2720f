/* SPDX-License-Identifier: Apache-2.0 */
/* Growable text with sticky failure. */
#ifndef NNCF__BASE_TEXT_H
#define NNCF__BASE_TEXT_H

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>

typedef struct nncf__text {
    nncf_context *context;
    /* NUL-terminated once anything was appended */
    char *data;
    size_t length, capacity;
    /* an allocation failed: the text is incomplete */
    bool failed;
    /* data is a caller's buffer: what does not fit is only counted in length */
    bool fixed;
} nncf__text;
/* A text that goes into a caller's buffer of `capacity` bytes (nullable, and then 0) as it is made,
 * for nncf__text_finish(); it allocates nothing. NULL, 0: its length is counted. */
nncf__text nncf__text_into(char *buffer, size_t capacity);
void nncf__text_append(nncf__text *text, const char *data, size_t length);
void nncf__text_printf(nncf__text *text, const char *format, ...) NNCF_PRINTF(2, 3);
/* Append a JSON string: in quotes, with escapes. UTF-8 is left as it is. */
void nncf__text_json_string(nncf__text *text, const char *string);
void nncf__text_free(nncf__text *text);
/* Hand a finished text to a caller's buffer by the rule of nncf_config_dump(); frees the text. */
nncf_status nncf__text_finish(
    nncf__text *text, char *buffer, size_t capacity, size_t *needed, nncf_error *err);
/* NNCF_FORM_TEXT or NNCF_FORM_JSON? */
nncf_status nncf__text_check_form(int32_t form, nncf_error *err);

#endif
