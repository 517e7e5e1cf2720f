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

static nncf_status add_file(text *t, const char *path, nncf_error *err)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL, block[4096];
    size_t size = 0, n;
    bool enough = true;
    if (file == NULL)
        return app_fail_errno(err, path, "open");
    while (enough && (n = fread(block, 1, sizeof block, file)) > 0)
        enough = append(&bytes, &size, block, n);
    const bool failed = ferror(file) != 0;
    fclose(file);
    if (enough && !failed && size > 0)
        enough = append(&t->train, &t->n_train, bytes, size - size / 10) &&
            append(&t->test, &t->n_test, bytes + size - size / 10, size / 10);
    free(bytes);
    if (failed)
        return app_fail_errno(err, path, "read");
    return enough ? NNCF_OK : app_fail(err, NNCF_E_NOMEM, path, "%s: no memory for it", path);
}

static int is_text(const struct dirent *entry)
{
    return strchr(entry->d_name, '.') == NULL;
}

static nncf_status add_folder(text *t, const char *path, nncf_error *err)
{
    struct dirent **entries;
    const int n = scandir(path, &entries, is_text, alphasort); /* in the order of their bytes */
    nncf_status status = NNCF_OK;
    if (n < 0)
        return app_fail_errno(err, path, "read");
    for (int i = 0; i < n; i++) {
        char *file = app_format("%s/%s", path, entries[i]->d_name);
        if (file == NULL)
            status = app_fail(err, NNCF_E_NOMEM, path, "%s: no memory", path);
        else if (status == NNCF_OK && app_is_file(file))
            status = add_file(t, file, err);
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
    status = app_is_dir(path) ? add_folder(t, path, err) : add_file(t, path, err);
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
