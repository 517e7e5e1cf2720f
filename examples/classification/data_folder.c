/* SPDX-License-Identifier: Apache-2.0 */
/* Photographs in folders: train/<class>/<any>.jpg (or .png) and val/<class>/<any>.jpg. The folders
 * of train/ are the classes of both, numbered in the order of their names. Without train/ and val/
 * the directory serves as both, and one that has pictures and no folders of them is one class. What
 * does not fit is an error, what is left out is told in the notes. */
#include "dataset.h"
#include "picture.h"

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

/* Pictures of formats that are not read, by their names. */
static bool is_other_picture(const char *name)
{
    static const char *const endings[] = {
        ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".avif", ".jp2"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

/* What is in a directory, sorted; names that begin with a dot are nobody's. */
typedef struct content {
    list pictures, dirs; /* paths */
    list others; /* paths of other pictures */
} content;

static void content_clear(content *c)
{
    list_clear(&c->pictures);
    list_clear(&c->dirs);
    list_clear(&c->others);
}

static void sort(list *l)
{
    if (l->count > 0)
        qsort(l->items, l->count, sizeof *l->items, compare);
}

static nncf_status scan(const char *dir, content *c, nncf_error *err)
{
    struct dirent *entry;
    DIR *d = opendir(dir);
    bool complete = true;
    *c = (content){0};
    if (d == NULL)
        return app_fail_errno(err, dir, "read the directory");
    while (complete && (entry = readdir(d)) != NULL) {
        char *path;
        if (entry->d_name[0] == '.')
            continue;
        if ((path = app_format("%s/%s", dir, entry->d_name)) == NULL)
            complete = false;
        else if (app_is_dir(path))
            complete = list_add(&c->dirs, path);
        else if (picture_has_name(entry->d_name) && app_is_file(path))
            complete = list_add(&c->pictures, path);
        else if (is_other_picture(entry->d_name))
            complete = list_add(&c->others, path);
        else
            free(path);
    }
    closedir(d);
    if (!complete) {
        content_clear(c);
        return app_fail(err, NNCF_E_NOMEM, dir, "%s: no memory for the names of its files", dir);
    }
    sort(&c->pictures);
    sort(&c->dirs);
    sort(&c->others);
    return NNCF_OK;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* The files become the data set's, as images of a class. */
static nncf_status add_images(dataset *d, list *pictures, int32_t label, nncf_error *err)
{
    size_t count = d->count + pictures->count;
    char **paths = realloc(d->paths, (count + 1) * sizeof *paths);
    int32_t *labels;
    if (paths != NULL)
        d->paths = paths;
    labels = realloc(d->labels, (count + 1) * sizeof *labels);
    if (labels != NULL)
        d->labels = labels;
    if (paths == NULL || labels == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the names of %zu files", count);
    for (size_t i = 0; i < pictures->count; i++) {
        d->paths[d->count + i] = pictures->items[i];
        d->labels[d->count + i] = label;
    }
    d->count = count;
    pictures->count = 0;
    return NNCF_OK;
}

/* Names become text of snapshots and of the terminal. */
static nncf_status check_name(const char *path, nncf_error *err)
{
    const char *name = last_part(path);
    for (const unsigned char *p = (const unsigned char *)name; *p != '\0'; p++)
        if (*p < 0x20 || *p == 0x7f)
            return app_fail(err, NNCF_E_FORMAT, path,
                "%s: the name of a class has a control character: rename it", path);
    if (!app_is_utf8(name))
        return app_fail(
            err, NNCF_E_FORMAT, path, "%s: the name of a class is not UTF-8: rename it", path);
    return NNCF_OK;
}

static nncf_status set_classes(dataset *d, const list *dirs, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    if (dirs->count > INT32_MAX)
        return app_fail(err, NNCF_E_LIMIT, NULL, "%zu folders are too many classes", dirs->count);
    d->classes = calloc(dirs->count + 1, sizeof *d->classes);
    for (size_t i = 0; status == NNCF_OK && d->classes != NULL && i < dirs->count; i++) {
        if ((status = check_name(dirs->items[i], err)) != NNCF_OK)
            break;
        if ((d->classes[i] = app_copy(last_part(dirs->items[i]))) == NULL)
            return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for names of classes");
        d->n_classes = (int32_t)i + 1;
    }
    if (d->classes == NULL)
        status = app_fail(err, NNCF_E_NOMEM, NULL, "no memory for names of classes");
    return status;
}

/* Of a name; -1: none. The classes are sorted. */
static int32_t class_of(const dataset *d, const char *name)
{
    char *const *found =
        bsearch(&name, d->classes, (size_t)d->n_classes, sizeof *d->classes, compare);
    return found != NULL ? (int32_t)(found - d->classes) : -1;
}

/* The images of one class folder. */
static nncf_status read_class(dataset *d, const char *path, const char *train, nncf_error *err)
{
    const int32_t label = class_of(d, last_part(path));
    content c;
    nncf_status status = scan(path, &c, err);
    if (status != NNCF_OK)
        return status;
    const size_t n = c.pictures.count;
    if (n > 0 && label < 0)
        status = app_fail(err, NNCF_E_FORMAT, path,
            "%s: %s has no class of that name, so nothing can learn it", path, train);
    else if (n > 0)
        status = add_images(d, &c.pictures, label, err);
    if (c.others.count > 0)
        dataset_note(d,
            app_format("%s: %zu picture%s left out, because only " PICTURE_FORMATS
                       " files are read: %s%s",
                path, c.others.count, c.others.count == 1 ? " is" : "s are",
                last_part(c.others.items[0]), c.others.count > 1 ? ", ..." : ""));
    else if (n == 0)
        dataset_note(d,
            app_format("%s: there are no " PICTURE_FORMATS " files in this class%s", path,
                c.dirs.count > 0 ? "; folders inside of a class are not read" : ""));
    content_clear(&c);
    return status;
}

/* Does any of the folders have pictures? */
static nncf_status any_pictures(const list *dirs, bool *any, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    *any = false;
    for (size_t i = 0; status == NNCF_OK && !*any && i < dirs->count; i++) {
        content c;
        if ((status = scan(dirs->items[i], &c, err)) == NNCF_OK) {
            *any = c.pictures.count > 0;
            content_clear(&c);
        }
    }
    return status;
}

/* Classes without a folder among those to test. Both lists are sorted. */
static void note_missing(dataset *d, const list *dirs)
{
    size_t missing = 0, k = 0;
    const char *first = NULL;
    for (int32_t i = 0; i < d->n_classes; i++) {
        while (k < dirs->count && strcmp(last_part(dirs->items[k]), d->classes[i]) < 0)
            k++;
        if (k == dirs->count || strcmp(last_part(dirs->items[k]), d->classes[i]) != 0) {
            missing++;
            first = first != NULL ? first : d->classes[i];
        }
    }
    if (missing > 0)
        dataset_note(d,
            app_format("val/ has no folder of %s%s: %s not tested", first,
                missing > 1 ? " and other classes" : "", missing > 1 ? "they are" : "it is"));
}

/* Pictures of `from`; classes are those of `train`, which may be the same folder. */
static nncf_status read_split(dataset *d, const char *from, const char *train, nncf_error *err)
{
    content c, classes = {0};
    bool any = false, named = false;
    nncf_status status = scan(from, &c, err);
    if (status == NNCF_OK && strcmp(from, train) != 0)
        status = scan(train, &classes, err);
    const list *names = strcmp(from, train) != 0 ? &classes.dirs : &c.dirs;
    if (status == NNCF_OK)
        status = any_pictures(&c.dirs, &any, err);
    if (status == NNCF_OK)
        status = any_pictures(names, &named, err);
    if (status == NNCF_OK && c.pictures.count > 0 && any)
        status = app_fail(err, NNCF_E_FORMAT, c.pictures.items[0],
            "%s: lies beside the folders of classes%s: move it into one of them, or away",
            c.pictures.items[0], c.pictures.count > 1 ? ", with others" : "");
    else if (status == NNCF_OK && c.pictures.count > 0 && named)
        status = app_fail(err, NNCF_E_FORMAT, from,
            "%s: has pictures and no folders of classes, which %s has", from, train);
    else if (status == NNCF_OK && c.pictures.count > 0) {
        d->n_classes = 1; /* without a name */
        status = add_images(d, &c.pictures, 0, err);
    } else if (status == NNCF_OK) {
        status = set_classes(d, names, err);
        for (size_t i = 0; status == NNCF_OK && i < c.dirs.count; i++)
            status = read_class(d, c.dirs.items[i], train, err);
        if (status == NNCF_OK && names != &c.dirs)
            note_missing(d, &c.dirs);
    }
    if (status == NNCF_OK && d->count == 0)
        status = app_fail(err, NNCF_E_FORMAT, from,
            "%s: no " PICTURE_FORMATS " files here or in folders of classes", from);
    content_clear(&c);
    content_clear(&classes);
    return status;
}

/* What else people call the folder of test pictures. */
static const char *test_folder(const char *dir)
{
    static const char *const names[] = {"valid", "validation", "test", "eval"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = app_format("%s/%s", dir, names[i]);
        const bool found = path != NULL && app_is_dir(path);
        free(path);
        if (found)
            return names[i];
    }
    return NULL;
}

nncf_status data_folder_read(const char *dir, bool train, dataset *d, nncf_error *err)
{
    char *splits[2] = {app_format("%s/val", dir), app_format("%s/train", dir)};
    nncf_status status;
    if (splits[0] == NULL || splits[1] == NULL) {
        status = app_fail(err, NNCF_E_NOMEM, dir, "no memory for a path");
    } else {
        const bool has[2] = {app_is_dir(splits[0]), app_is_dir(splits[1])};
        const char *other = test_folder(dir);
        if (has[1] && !has[0])
            status = app_fail(err, NNCF_E_NOTFOUND, splits[0],
                "%s: there is no such folder, but there is train/: pictures to test with belong "
                "into "
                "val/<class>/%s%s%s",
                splits[0], other ? " (rename " : "", other ? other : "", other ? "/?)" : "");
        else if (has[0] && !has[1])
            status = app_fail(err, NNCF_E_NOTFOUND, splits[1],
                "%s: there is no such folder, but there is val/: pictures to train with belong "
                "into "
                "train/<class>/",
                splits[1]);
        else
            status = read_split(d, has[1] ? splits[train] : dir, has[1] ? splits[1] : dir, err);
        if (!has[1] && train) { /* all was told of the same pictures */
            free(d->notes);
            d->notes = NULL;
        } else if (status == NNCF_OK && !has[1])
            dataset_note(d,
                app_format("%s: has no train/ and val/, so that the pictures that train are also "
                           "those that test",
                    dir));
    }
    free(splits[0]);
    free(splits[1]);
    return status;
}
