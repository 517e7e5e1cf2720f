/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of configs that do not load, and what must be said of each. */
#ifndef BAD_CONFIG_H
#define BAD_CONFIG_H

#include <nncf/nncf.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

typedef struct bad {
    const char *text;
    nncf_status status;
    int32_t line, column;
    const char *where, *says;
} bad;

/* Mistakes that a caller is told of. */
typedef struct bad_reports {
    nncf_error errors[80];
    size_t count;
} bad_reports;

static inline int32_t bad_report(void *user, const nncf_error *error)
{
    bad_reports *r = user;
    ck_assert_uint_lt(r->count, sizeof(r->errors) / sizeof(r->errors[0]));
    r->errors[r->count++] = *error;
    return 0;
}

/* Parse again, to hear of every mistake: the status and the error are those of the first, as
 * without it. */
static inline void bad_parse_all(const char *name, const char *text, size_t size,
    nncf_status status, const nncf_error *first, bad_reports *reports)
{
    const nncf_config_params params = {
        NNCF_PARAMS(nncf_config_params), .report = bad_report, .user = reports};
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    reports->count = 0;
    ck_assert_int_eq(nncf_config_parse(NULL, name, text, size, &params, &config, &err), status);
    nncf_config_destroy(config);
    ck_assert_msg((reports->count == 0) == (status == NNCF_OK), "%zu mistakes", reports->count);
    if (status == NNCF_OK)
        return;
    ck_assert(memcmp(&err, first, sizeof(err)) == 0);
    ck_assert(memcmp(&reports->errors[0], first, sizeof(err)) == 0);
}

/* Status, place and path are these, and the words are in the message. */
static inline void bad_check(const bad *b, size_t number)
{
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status =
        nncf_config_parse(NULL, "bad.json", b->text, strlen(b->text), NULL, &config, &err);
    ck_assert_msg(status == b->status, "case %zu: %s, not %s: %s\n%s", number,
        nncf_status_name(status), nncf_status_name(b->status), err.message, b->text);
    ck_assert_ptr_null(config);
    ck_assert_int_eq(err.status, status);
    ck_assert_msg(err.line == b->line && err.column == b->column, "case %zu: %d:%d, not %d:%d: %s",
        number, (int)err.line, (int)err.column, (int)b->line, (int)b->column, err.message);
    ck_assert_msg(strcmp(err.where, b->where) == 0, "case %zu: where is %s: %s", number, err.where,
        err.message);
    ck_assert_msg(strstr(err.message, b->says) != NULL, "case %zu: %s", number, err.message);
    char prefix[40];
    snprintf(prefix, sizeof(prefix), "bad.json:%d:%d: ", (int)b->line, (int)b->column);
    ck_assert_msg(
        strncmp(err.message, prefix, strlen(prefix)) == 0, "case %zu: %s", number, err.message);
    ck_assert_msg(
        strlen(err.message) < sizeof(err.message) - 1, "case %zu is cut: %s", number, err.message);
    /* The offset is that place. */
    int32_t line = 1, column = 1;
    for (uint64_t i = 0; i < err.offset; i++) {
        column = b->text[i] == '\n' ? 1 : column + 1;
        line += b->text[i] == '\n';
    }
    ck_assert(line == err.line && column == err.column);
    ck_assert_int_eq(
        nncf_config_parse(NULL, NULL, b->text, strlen(b->text), NULL, &config, NULL), status);
    static bad_reports reports;
    bad_parse_all("bad.json", b->text, strlen(b->text), status, &err, &reports);
}

#endif
