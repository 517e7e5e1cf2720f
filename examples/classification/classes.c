/* SPDX-License-Identifier: Apache-2.0 */
/* Names of classes in snapshots, so that the same numbers mean the same things whatever folders
 * there are. */
#include "dataset.h"

#include <stdlib.h>
#include <string.h>

char *dataset_classes_text(const dataset *d)
{
    char *text = NULL;
    size_t size;
    FILE *file = d->classes != NULL ? open_memstream(&text, &size) : NULL;
    if (file == NULL)
        return NULL;
    fputc('[', file);
    for (int32_t i = 0; i < d->n_classes; i++) {
        fputs(i > 0 ? ", " : "", file);
        app_json_text(file, d->classes[i]);
    }
    fputc(']', file);
    if (fclose(file) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* A class of the snapshot, for searching. */
typedef struct known {
    const char *name; /* borrowed from the parsed text */
    int32_t label;
} known;

static int compare(const void *a, const void *b)
{
    return strcmp(((const known *)a)->name, ((const known *)b)->name);
}

/* `*list` in the order of the text; to be freed, and *object to be destroyed after it. */
static nncf_status parse(const char *text, const char *path, nncf_config **object, known **list,
    size_t *count, nncf_error *err)
{
    char *whole = app_format("{\"classes\": %s}", text);
    nncf_status status;
    *object = NULL;
    *list = NULL;
    if (whole == NULL)
        return app_fail(err, NNCF_E_NOMEM, path, "no memory for names of classes");
    status = nncf_config_parse(NULL, path, whole, strlen(whole), NULL, object, err);
    free(whole);
    if (status != NNCF_OK)
        return status;
    status = nncf_config_get_element_count(*object, "classes", count, NULL);
    if (status == NNCF_OK && (*list = calloc(*count + 1, sizeof **list)) == NULL)
        return app_fail(err, NNCF_E_NOMEM, path, "no memory for names of classes");
    for (size_t i = 0; status == NNCF_OK && i < *count; i++) {
        char key[40];
        snprintf(key, sizeof key, "classes[%zu]", i);
        status = nncf_config_get_string(*object, key, &(*list)[i].name, NULL);
        (*list)[i].label = (int32_t)i;
    }
    if (status != NNCF_OK || *count == 0 || *count > INT32_MAX)
        return app_fail(err, NNCF_E_FORMAT, path, "%s: \"classes\" is not an array of names", path);
    return NNCF_OK;
}

/* labels[] of the snapshot for the data's, in `to`; -1 where it has none, which is refused for
 * classes with images. */
static nncf_status match(const dataset *d, const known *sorted, size_t count, const char *path,
    int32_t *to, nncf_error *err)
{
    for (int32_t i = 0; i < d->n_classes; i++) {
        const known wanted = {d->classes[i], 0};
        const known *found = bsearch(&wanted, sorted, count, sizeof *sorted, compare);
        to[i] = found != NULL ? found->label : -1;
    }
    for (size_t i = 0; i < d->count; i++)
        if (to[d->labels[i]] < 0)
            return app_fail(err, NNCF_E_CONFIG, path,
                "%s: was trained on %zu classes, and \"%s\" (%s) is none of them; to train on "
                "other classes "
                "start from its weights with --weights",
                path, count, d->classes[d->labels[i]], d->paths[i]);
    return NNCF_OK;
}

/* Copies of the names, in the snapshot's order. */
static char **copy_names(const known *list, size_t count)
{
    char **names = calloc(count, sizeof *names);
    bool complete = names != NULL;
    for (size_t i = 0; complete && i < count; i++)
        complete = (names[i] = app_copy(list[i].name)) != NULL;
    for (size_t i = 0; !complete && names != NULL && i < count; i++)
        free(names[i]);
    if (!complete)
        free(names);
    return complete ? names : NULL;
}

static nncf_status take(dataset *d, known *list, size_t count, const char *path, nncf_error *err)
{
    int32_t *to = calloc((size_t)d->n_classes + 1, sizeof *to);
    char **names = copy_names(list, count);
    nncf_status status = NNCF_OK;
    if (to == NULL || names == NULL)
        status = app_fail(err, NNCF_E_NOMEM, path, "no memory for names of classes");
    if (status == NNCF_OK) {
        qsort(list, count, sizeof *list, compare);
        status = match(d, list, count, path, to, err);
    }
    if (status == NNCF_OK) {
        bool moved = false;
        for (int32_t i = 0; i < d->n_classes; i++)
            moved = moved || (to[i] >= 0 && to[i] != i);
        if (moved)
            dataset_note(
                d, app_format("classes are numbered as in %s, not as in the folders", path));
        for (size_t i = 0; i < d->count; i++)
            d->labels[i] = to[d->labels[i]];
        char **old = d->classes; /* freed below in place of the new ones */
        const size_t n_old = (size_t)d->n_classes;
        d->classes = names;
        d->n_classes = (int32_t)count;
        names = old;
        count = n_old;
    }
    for (size_t i = 0; names != NULL && i < count; i++)
        free(names[i]);
    free(names);
    free(to);
    return status;
}

nncf_status dataset_parse_classes(
    const char *text, const char *path, char ***names, size_t *count, nncf_error *err)
{
    nncf_config *object;
    known *list;
    size_t n = 0;
    nncf_status status = parse(text, path, &object, &list, &n, err);
    if (status == NNCF_OK && (*names = copy_names(list, n)) == NULL)
        status = app_fail(err, NNCF_E_NOMEM, path, "no memory for names of classes");
    *count = status == NNCF_OK ? n : 0;
    free(list);
    nncf_config_destroy(object);
    return status;
}

nncf_status dataset_take_classes(dataset *d, const char *text, const char *path, nncf_error *err)
{
    nncf_config *object;
    known *list;
    size_t count = 0;
    if (d->format != DATASET_FOLDER)
        return NNCF_OK; /* these files have no names of classes */
    nncf_status status = parse(text, path, &object, &list, &count, err);
    if (status == NNCF_OK && d->classes == NULL)
        status = app_fail(err, NNCF_E_CONFIG, path,
            "%s: was trained on %zu classes, and the pictures are in no folders of classes", path,
            count);
    if (status == NNCF_OK)
        status = take(d, list, count, path, err);
    free(list);
    nncf_config_destroy(object);
    return status;
}
