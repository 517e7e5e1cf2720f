/* SPDX-License-Identifier: Apache-2.0 */
/* Photographs in folders: train/<class>/<any>.jpg and val/<class>/<any>.jpg, classes numbered in the order of their
 * names. Without train/ and val/ the directory serves as both, and one that has JPEGs directly in it is one class. */
#include "dataset.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

typedef struct list {
    char **items;
    size_t count, room;
} list;

static void list_clear(list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i]);
    free(l->items);
    *l = (list){0};
}

/* Takes the text over, also when it fails. */
static bool list_add(list *l, char *text)
{
    if (text != NULL && l->count == l->room) {
        size_t room = l->room == 0 ? 256 : 2 * l->room;
        char **grown = realloc(l->items, room * sizeof *grown);
        if (grown == NULL) {
            free(text);
            return false;
        }
        l->items = grown;
        l->room = room;
    }
    if (text == NULL)
        return false;
    l->items[l->count++] = text;
    return true;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_jpeg(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0);
}

/* Paths of the directory's JPEGs and of its sub-directories, each sorted. Either list may be NULL. */
static nncf_status scan(const char *dir, list *jpegs, list *dirs, nncf_error *err)
{
    struct dirent *entry;
    DIR *d = opendir(dir);
    bool complete = true;
    if (d == NULL)
        return app_fail_errno(err, dir, "read the directory");
    while (complete && (entry = readdir(d)) != NULL) {
        char *path;
        if (entry->d_name[0] == '.')
            continue;
        if ((path = app_format("%s/%s", dir, entry->d_name)) == NULL)
            complete = false;
        else if (jpegs != NULL && is_jpeg(entry->d_name) && app_is_file(path))
            complete = list_add(jpegs, path);
        else if (dirs != NULL && app_is_dir(path))
            complete = list_add(dirs, path);
        else
            free(path);
    }
    closedir(d);
    if (!complete)
        return app_fail(err, NNCF_E_NOMEM, dir, "%s: no memory for the names of its files", dir);
    if (jpegs != NULL && jpegs->count > 0)
        qsort(jpegs->items, jpegs->count, sizeof *jpegs->items, compare);
    if (dirs != NULL && dirs->count > 0)
        qsort(dirs->items, dirs->count, sizeof *dirs->items, compare);
    return NNCF_OK;
}

/* The files become the data set's, as one more class. */
static nncf_status add_class(dataset *d, list *jpegs, nncf_error *err)
{
    size_t count = d->count + jpegs->count;
    char **paths = realloc(d->paths, (count + 1) * sizeof *paths);
    int32_t *labels;
    if (paths != NULL)
        d->paths = paths;
    labels = realloc(d->labels, (count + 1) * sizeof *labels);
    if (labels != NULL)
        d->labels = labels;
    if (paths == NULL || labels == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the names of %zu files", count);
    for (size_t i = 0; i < jpegs->count; i++) {
        d->paths[d->count + i] = jpegs->items[i];
        d->labels[d->count + i] = d->n_classes;
    }
    d->count = count;
    d->n_classes++;
    jpegs->count = 0;
    return NNCF_OK;
}

nncf_status data_folder_read(const char *dir, bool train, dataset *d, nncf_error *err)
{
    char *split = app_format("%s/%s", dir, train ? "train" : "val");
    const char *from;
    list classes = {0}, jpegs = {0};
    nncf_status status;
    if (split == NULL)
        return app_fail(err, NNCF_E_NOMEM, dir, "no memory for a path");
    from = app_is_dir(split) ? split : dir;
    status = scan(from, &jpegs, &classes, err);
    if (status == NNCF_OK && jpegs.count > 0) {
        status = add_class(d, &jpegs, err);
    } else {
        for (size_t i = 0; status == NNCF_OK && i < classes.count; i++) {
            status = scan(classes.items[i], &jpegs, NULL, err);
            if (status == NNCF_OK)
                status = add_class(d, &jpegs, err); /* an empty folder is a class too: numbers stay the same */
        }
    }
    if (status == NNCF_OK && d->count == 0)
        status = app_fail(err, NNCF_E_FORMAT, from, "%s: no JPEG files here or in folders of classes", from);
    list_clear(&jpegs);
    list_clear(&classes);
    free(split);
    return status;
}
