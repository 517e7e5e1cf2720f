/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict reader of JSON text in one pass and in no memory of its own: the caller requests what
 * comes next and gets spans of the text. Private to this folder.
 *
 *     nncf__json_open(&j);                   the text continues with { or [
 *     while (nncf__json_more(&j)) {          an element follows; false: the container was closed,
 * or a flaw nncf__json_key(&j, &key);          in objects nncf__json_skip(&j);               or
 * open, string, number
 *     }
 *
 * The first flaw stays, and every call after it does nothing: one check at the end is enough, but
 * for what was read meanwhile. Accepted is what RFC 8259 says, with two limits: NNCF__JSON_DEPTH
 * containers in one another, and numbers that a double holds.
 */
#ifndef NNCF__FORMATS_SAFETENSORS_JSON_H
#define NNCF__FORMATS_SAFETENSORS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NNCF__JSON_DEPTH = 127 }; /* that of the published safetensors reader */

typedef struct nncf__json {
    const char *text;
    size_t length, at;
    /* why the text is not JSON at `at`; NULL: it is as far as it was read */
    const char *flaw;
    /* the flaw is that the text ends too early */
    bool cut;
    /* nothing was read yet of the innermost container */
    bool fresh;
    /* containers that are open */
    uint32_t depth;
    /* bit i: container i is an object */
    uint64_t objects[2];
} nncf__json;

/* Part of the text: a string without its quotes, a number, or any value. */
typedef struct nncf__json_span {
    size_t begin, end;
    /* string: there are backslashes in it */
    bool escaped;
    /* string: there is a NUL in it, as \u0000 */
    bool nul;
} nncf__json_span;

void nncf__json_start(nncf__json *json, const char *text, size_t length);
/* First character of the next value, in front of which `at` then is; 0: the text's end, or there
 * was a flaw. */
char nncf__json_peek(nncf__json *json);
void nncf__json_open(nncf__json *json);
bool nncf__json_more(nncf__json *json);
/* Is the innermost open container an object? */
bool nncf__json_in_object(const nncf__json *json);
/* A member's name and the colon. */
void nncf__json_key(nncf__json *json, nncf__json_span *key);
void nncf__json_string(nncf__json *json, nncf__json_span *string);
void nncf__json_number(nncf__json *json, nncf__json_span *number);
/* Read on over one value of any kind. */
void nncf__json_skip(nncf__json *json);
/* Nothing but white space is left. */
void nncf__json_end(nncf__json *json);

/* Is the string, with its escapes resolved, that word? */
bool nncf__json_is(const char *text, const nncf__json_span *string, const char *word);
/* The string with its escapes resolved, cut at `capacity` bytes; how many there are. `to` may lie
 * in the text, at the string's begin: it never gets longer. No NUL is added. */
size_t nncf__json_decode(
    const char *text, const nncf__json_span *string, char *to, size_t capacity);

#endif
