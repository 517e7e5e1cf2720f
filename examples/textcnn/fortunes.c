/* SPDX-License-Identifier: Apache-2.0 */
#include "fortunes.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static nncf_status keep_file(
    void *user, const char *path, const uint8_t *bytes, size_t size, nncf_error *err)
{
    fortunes *f = user;
    fortune_file *grown = realloc(f->files, (f->n_files + 1) * sizeof *grown);
    if (grown != NULL) {
        f->files = grown;
        grown += f->n_files++;
        *grown = (fortune_file){app_copy(path), app_bytes(size), size};
    }
    if (grown == NULL || grown->path == NULL || grown->bytes == NULL)
        return app_fail(err, NNCF_E_NOMEM, path, "%s: no memory for it", path);
    memcpy(grown->bytes, bytes, size);
    return NNCF_OK;
}

static int larger_first(const void *a, const void *b)
{
    const fortune_file *x = a, *y = b;
    return x->size != y->size ? (x->size < y->size ? 1 : -1) : strcmp(x->path, y->path);
}

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static uint64_t hash(const uint8_t *bytes, size_t size)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ bytes[i]) * 1099511628211u;
    return h;
}

/* The next text of a file: what stands between lines that hold nothing but "%". False: none. */
static bool next_fortune(const fortune_file *file, size_t *at, fortune *next)
{
    while (*at < file->size) {
        const size_t begin = *at;
        size_t end = begin;
        for (bool stop = false; !stop && *at < file->size;) {
            const uint8_t *line = file->bytes + *at, *feed = memchr(line, '\n', file->size - *at);
            const size_t length = feed != NULL ? (size_t)(feed - line) : file->size - *at;
            stop = length == 1 && line[0] == '%';
            if (!stop && length > 0) /* empty lines at the end are left out */
                end = *at + length;
            *at += length + 1;
        }
        if (end > begin) {
            next->text = file->bytes + begin;
            next->size = end - begin;
            next->hash = hash(next->text, next->size);
            return true;
        }
    }
    return false;
}

static bool is_test(const fortune *f)
{
    return f->hash % 5 == 0;
}

static int by_hash(const void *a, const void *b)
{
    const fortune *x = a, *y = b;
    return x->hash != y->hash ? (x->hash > y->hash) - (x->hash < y->hash) : x->topic - y->topic;
}

nncf_status fortunes_open(const char *path, size_t topics, fortunes *f, nncf_error *err)
{
    fortune next;
    *f = (fortunes){.topics = topics};
    const nncf_status status = text_read(path, keep_file, f, err);
    if (status != NNCF_OK)
        return status;
    if (f->n_files < topics)
        return app_fail(err, NNCF_E_NOTFOUND, path,
            "%s: %zu files with texts, fewer than %zu topics (Debian's package fortunes has 43)",
            path, f->n_files, topics);
    qsort(f->files, f->n_files, sizeof *f->files, larger_first);
    for (size_t i = 0; i < topics; i++)
        for (size_t at = 0; next_fortune(&f->files[i], &at, &next);)
            *(is_test(&next) ? &f->n_test : &f->n_train) += 1;
    if (f->n_train == 0 || f->n_test == 0)
        return app_fail(err, NNCF_E_NOTFOUND, path, "%s: too few texts", path);
    if ((f->train = calloc(f->n_train + f->n_test, sizeof *f->train)) == NULL)
        return app_fail(err, NNCF_E_NOMEM, path, "%s: no memory for its texts", path);
    f->test = f->train + f->n_train;
    fortune *to[2] = {f->train, f->test};
    for (size_t i = 0; i < topics; i++)
        for (size_t at = 0; next_fortune(&f->files[i], &at, &next);) {
            next.topic = (int32_t)i;
            *to[is_test(&next)]++ = next;
        }
    qsort(f->test, f->n_test, sizeof *f->test, by_hash); /* topics mixed */
    return NNCF_OK;
}

void fortunes_close(fortunes *f)
{
    for (size_t i = 0; i < f->n_files; i++) {
        free(f->files[i].path);
        free(f->files[i].bytes);
    }
    free(f->files);
    free(f->train);
    *f = (fortunes){0};
}

double fortunes_majority(const fortunes *f)
{
    size_t most = 0;
    for (size_t topic = 0; topic < f->topics; topic++) {
        size_t n = 0;
        for (size_t i = 0; i < f->n_test; i++)
            n += f->test[i].topic == (int32_t)topic;
        most = n > most ? n : most;
    }
    return (double)most / (double)f->n_test;
}
