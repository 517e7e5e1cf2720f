/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of texts as numbers: the bytes that occur, counted from 0. */
#ifndef GPT_TEXT_H
#define GPT_TEXT_H

#include "app.h"

typedef struct text {
    uint8_t *train, *test; /* the first nine tenths of each file, and the last one */
    size_t n_train, n_test;
    uint8_t byte_of[256]; /* of a number */
    int32_t vocabulary;
} text;

/* Takes a file that is not empty. */
typedef nncf_status (*text_reader)(
    void *user, const char *path, const uint8_t *bytes, size_t size, nncf_error *err);
/* A file, or all files of a folder whose names have no point (fortunes keep indexes beside them),
 * in the order of their names. */
nncf_status text_read(const char *path, text_reader reader, void *user, nncf_error *err);
nncf_status text_open(const char *path, text *t, nncf_error *err);
void text_close(text *t);

#endif
