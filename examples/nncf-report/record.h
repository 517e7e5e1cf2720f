/* SPDX-License-Identifier: Apache-2.0 */
/* The records of runs (record.jsonl), as nncf-classification writes them (watch.h there). */
#ifndef REPORT_RECORD_H
#define REPORT_RECORD_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

enum { MOST_RUNS = 6 /* whose lines can be told apart without colours */ };

/* Lines of one kind, in the order of the file. */
typedef struct lines {
    struct json_object **items;
    size_t count;
} lines;

typedef struct record {
    char *path;
    char
        *label; /* how the page names it: its folder, or its path where two folders have one name */
    struct json_object *run; /* the last "run" line, with the last "config" line's values */
    struct json_object *config;
    lines baseline, epochs, weights;
} record;

typedef struct report {
    record runs[MOST_RUNS];
    size_t count;
} report;

/* `path` is record.jsonl or its folder. False: the reason was printed to stderr. */
bool record_read(const char *path, record *r);
void record_clear(record *r);
/* Labels of all runs. */
void report_label(report *all);

/* Members: NAN, NULL and empty where there is none of that name and type. `object` may be NULL. */
double get_number(struct json_object *object, const char *key);
const char *get_text(struct json_object *object, const char *key);
struct json_object *get(struct json_object *object, const char *key);
/* A number of each line. free() it. */
double *get_column(const lines *l, const char *key);
/* The element of statistics.layers of an epoch's line, or of layers of a weights' line; NULL:
 * none. */
struct json_object *get_layer(struct json_object *line, const char *scope);

/* Memory, or the end of the program with a message. */
void *need(void *p);

#endif
