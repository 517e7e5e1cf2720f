/* SPDX-License-Identifier: Apache-2.0 */
/* Debian's fortunes as samples: a text, and which of the largest files it stands in. */
#ifndef TEXTCNN_FORTUNES_H
#define TEXTCNN_FORTUNES_H

#include "app.h"

typedef struct fortune {
    const uint8_t *text; /* in its file */
    size_t size;
    int32_t topic; /* number of the file, the largest one is 0 */
    uint64_t hash; /* of its bytes */
} fortune;

typedef struct fortune_file {
    char *path;
    uint8_t *bytes;
    size_t size;
} fortune_file;

typedef struct fortunes {
    fortune_file *files; /* by size, falling */
    size_t n_files, topics; /* the first `topics` files are used */
    fortune *train, *test; /* one array: what training sees, and behind it the rest, by hash */
    size_t n_train, n_test;
} fortunes;

/* The `topics` largest files of a folder; fewer are an error. One text in five is for the test, by
 * a hash of its bytes: the same ones in every run, and a text that stands there twice is on one
 * side. After a failure, too, fortunes_close() frees what there is. */
nncf_status fortunes_open(const char *path, size_t topics, fortunes *f, nncf_error *err);
void fortunes_close(fortunes *f);
/* Share of the most frequent topic among the tests: what guessing reaches. */
double fortunes_majority(const fortunes *f);

#endif
