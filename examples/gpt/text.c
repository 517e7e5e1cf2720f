/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Appends bytes to one of the two texts. */
static bool append(uint8_t **to, size_t *n, const uint8_t *bytes, size_t count)
{
    uint8_t *grown = realloc(*to, *n + count + 1);
    if (grown == NULL)
        return false;
    *to = grown;
    memcpy(grown + *n, bytes, count);
    *n += count;
    return true;
}

/* The first nine tenths and the last one. */
static nncf_status add_file(
    void *user, const char *path, const uint8_t *bytes, size_t size, nncf_error *err)
{
    text *t = user;
    return append(&t->train, &t->n_train, bytes, size - size / 10) &&
            append(&t->test, &t->n_test, bytes + size - size / 10, size / 10)
        ? NNCF_OK
        : app_fail(err, NNCF_E_NOMEM, path, "%s: no memory for it", path);
}

static nncf_status read_file(const char *path, text_reader reader, void *user, nncf_error *err)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL, block[4096];
    size_t size = 0, n;
    bool enough = true;
    nncf_status status = NNCF_OK;
    if (file == NULL)
        return app_fail_errno(err, path, "open");
    while (enough && (n = fread(block, 1, sizeof block, file)) > 0)
        enough = append(&bytes, &size, block, n);
    if (ferror(file))
        status = app_fail_errno(err, path, "read");
    else if (!enough)
        status = app_fail(err, NNCF_E_NOMEM, path, "%s: no memory for it", path);
    fclose(file);
    if (status == NNCF_OK && size > 0)
        status = reader(user, path, bytes, size, err);
    free(bytes);
    return status;
}

static int is_text(const struct dirent *entry)
{
    return strchr(entry->d_name, '.') == NULL;
}

nncf_status text_read(const char *path, text_reader reader, void *user, nncf_error *err)
{
    struct dirent **entries;
    nncf_status status = NNCF_OK;
    if (!app_is_dir(path))
        return read_file(path, reader, user, err);
    const int n = scandir(path, &entries, is_text, alphasort); /* in the order of their bytes */
    if (n < 0)
        return app_fail_errno(err, path, "read");
    for (int i = 0; i < n; i++) {
        char *file = app_format("%s/%s", path, entries[i]->d_name);
        if (file == NULL)
            status = app_fail(err, NNCF_E_NOMEM, path, "%s: no memory", path);
        else if (status == NNCF_OK && app_is_file(file))
            status = read_file(file, reader, user, err);
        free(file);
        free(entries[i]);
    }
    free(entries);
    return status;
}

nncf_status text_open(const char *path, text *t, nncf_error *err)
{
    uint8_t number_of[256] = {0};
    bool occurs[256] = {false};
    nncf_status status;
    *t = (text){0};
    status = text_read(path, add_file, t, err);
    if (status != NNCF_OK)
        return status;
    for (size_t i = 0; i < t->n_train; i++)
        occurs[t->train[i]] = true;
    for (size_t i = 0; i < t->n_test; i++)
        occurs[t->test[i]] = true;
    for (int b = 0; b < 256; b++)
        if (occurs[b]) {
            number_of[b] = (uint8_t)t->vocabulary;
            t->byte_of[t->vocabulary++] = (uint8_t)b;
        }
    for (size_t i = 0; i < t->n_train; i++)
        t->train[i] = number_of[t->train[i]];
    for (size_t i = 0; i < t->n_test; i++)
        t->test[i] = number_of[t->test[i]];
    return NNCF_OK;
}

void text_close(text *t)
{
    free(t->train);
    free(t->test);
}
