/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset.h"
#include "picture.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* What is known of a data set beyond its files. Means and deviations of the pixels of its training
 * images. */
static const struct known {
    const char *name;
    enum dataset_format format;
    const char *dir; /* where Debian has it */
    float mean[3], deviation[3];
    int shift;
    bool flip;
} known[] = {
    {"imagenet", DATASET_FOLDER, NULL, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}, 0, true},
    {"fashion_mnist", DATASET_IDX, "/usr/share/datasets/fashion-mnist", {0.286f, 0.286f, 0.286f},
        {0.353f, 0.353f, 0.353f},
        0, /* they are centred and of one size; with shifts it only takes longer to learn them */
        true},
    {"mnist", DATASET_IDX, NULL, {0.1307f, 0.1307f, 0.1307f}, {0.3081f, 0.3081f, 0.3081f}, 2,
        false},
    {"cifar10", DATASET_CIFAR, NULL, {0.4914f, 0.4822f, 0.4465f}, {0.247f, 0.2435f, 0.2616f}, 4,
        true},
    {"cifar100", DATASET_CIFAR, NULL, {0.5071f, 0.4865f, 0.4409f}, {0.2673f, 0.2564f, 0.2762f}, 4,
        true},
};

static const struct known *find(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return &known[i];
    return NULL;
}

/* IDX files do not say what they show; the folder's name may. */
static const char *detect(const char *dir)
{
    const char *cifar;
    if (data_idx_is(dir)) {
        const char *last = strrchr(dir, '/');
        return strcasestr(last != NULL && last[1] != '\0' ? last : dir, "fashion") != NULL
            ? "fashion_mnist"
            : "mnist";
    }
    cifar = data_cifar_which(dir);
    return cifar != NULL ? cifar : "imagenet";
}

nncf_status data_read_file(
    const char *path, size_t limit, uint8_t **bytes, size_t *size, nncf_error *err)
{
    size_t room = (size_t)1 << 20, used = 0;
    uint8_t *data = NULL;
    gzFile file = gzopen(path, "rb"); /* reads plain files as they are */
    if (file == NULL)
        return app_fail_errno(err, path, "open");
    gzbuffer(file, 1u << 17);
    for (;;) {
        int n;
        uint8_t *grown = realloc(data, room);
        if (grown == NULL) {
            free(data);
            gzclose(file);
            return app_fail(err, NNCF_E_NOMEM, path, "%s: no memory for %zu bytes", path, room);
        }
        data = grown;
        n = gzread(file, data + used, (unsigned)(room - used));
        if (n < 0) {
            int code;
            nncf_status status =
                app_fail(err, NNCF_E_IO, path, "%s: %s", path, gzerror(file, &code));
            free(data);
            gzclose(file);
            return status;
        }
        used += (size_t)n;
        if (used < room)
            break;
        if (room > limit) {
            free(data);
            gzclose(file);
            return app_fail(err, NNCF_E_LIMIT, path, "%s: has more than %zu bytes", path, limit);
        }
        room *= 2;
    }
    if (gzclose(file) != Z_OK) { /* a gzip file that was cut short */
        free(data);
        return app_fail(
            err, NNCF_E_FORMAT, path, "%s: the compressed file is cut short or damaged", path);
    }
    *bytes = data;
    *size = used;
    return NNCF_OK;
}

nncf_status dataset_open(
    const char *name, const char *dir, bool train, dataset **out, nncf_error *err)
{
    const struct known *k;
    nncf_status status;
    dataset *d;
    if (dir != NULL && !app_is_dir(dir))
        return app_fail(err, NNCF_E_NOTFOUND, dir, "%s: there is no such directory of images", dir);
    if (name == NULL)
        name = dir != NULL ? detect(dir) : "imagenet";
    if ((k = find(name)) == NULL)
        return app_fail(err, NNCF_E_CONFIG, "dataset",
            "\"%s\" is not a data set of this program: fashion_mnist, mnist, cifar10, cifar100, "
            "imagenet",
            name);
    if (dir == NULL)
        dir = k->dir;
    if (dir == NULL)
        return app_fail(
            err, NNCF_E_CONFIG, "dataset_dir", "say with --data where the images of %s are", name);
    if ((d = calloc(1, sizeof *d)) == NULL)
        return app_fail(err, NNCF_E_NOMEM, dir, "no memory for a data set");
    d->name = k->name;
    d->format = k->format;
    memcpy(d->mean, k->mean, sizeof d->mean);
    memcpy(d->deviation, k->deviation, sizeof d->deviation);
    d->shift = k->shift;
    d->flip = k->flip;
    if (k->format == DATASET_IDX)
        status = data_idx_read(dir, train, d, err);
    else if (k->format == DATASET_CIFAR)
        status = data_cifar_read(dir, train, d, err);
    else
        status = data_folder_read(dir, train, d, err);
    if (status == NNCF_OK && d->count == 0)
        status = app_fail(err, NNCF_E_FORMAT, dir, "%s: there are no images", dir);
    if (status != NNCF_OK) {
        dataset_destroy(d);
        return status;
    }
    *out = d;
    return NNCF_OK;
}

nncf_status dataset_of_files(const char *name, const char *dir, char *const *paths, size_t count,
    dataset **out, nncf_error *err)
{
    const struct known *k = find(name != NULL ? name : dir != NULL ? detect(dir) : "imagenet");
    dataset *d = calloc(1, sizeof *d);
    bool complete = d != NULL && k != NULL;
    if (k == NULL) {
        free(d);
        return app_fail(
            err, NNCF_E_CONFIG, "dataset", "\"%s\" is not a data set of this program", name);
    }
    if (complete) {
        *d = (dataset){.name = k->name, .format = DATASET_FOLDER, .n_classes = 1};
        memcpy(d->mean, k->mean, sizeof d->mean);
        memcpy(d->deviation, k->deviation, sizeof d->deviation);
        d->paths = calloc(count + 1, sizeof *d->paths);
        d->labels = calloc(count + 1, sizeof *d->labels);
        complete = d->paths != NULL && d->labels != NULL;
    }
    for (; complete && d->count < count; d->count++)
        complete = (d->paths[d->count] = app_copy(paths[d->count])) != NULL;
    if (!complete) {
        dataset_destroy(d);
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the names of %zu files", count);
    }
    *out = d;
    return NNCF_OK;
}

void dataset_destroy(dataset *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; d->paths != NULL && i < d->count; i++)
        free(d->paths[i]);
    free(d->paths);
    for (int32_t i = 0; d->classes != NULL && i < d->n_classes; i++)
        free(d->classes[i]);
    free(d->classes);
    free(d->notes);
    free(d->pixels);
    free(d->labels);
    free(d);
}

void dataset_note(dataset *d, char *line)
{
    char *both = line == NULL ? NULL : app_format("%s%s\n", d->notes != NULL ? d->notes : "", line);
    if (both != NULL) {
        free(d->notes);
        d->notes = both;
    }
    free(line);
}

nncf_status dataset_check_files(const dataset *d, FILE *report, nncf_error *err)
{
    const double end = app_seconds() + 10.0;
    size_t damaged = 0;
    for (size_t i = 0; d->paths != NULL && i < d->count && app_seconds() < end; i++) {
        nncf_status status = picture_check(d->paths[i], err);
        if (status == NNCF_OK)
            continue;
        if (status != NNCF_E_FORMAT)
            return status;
        fprintf(report, "%s\n", err->message);
        damaged++;
    }
    if (damaged == 0)
        return NNCF_OK;
    return app_fail(err, NNCF_E_FORMAT, NULL,
        "%zu of %zu pictures cannot be used, see above: remove or replace them", damaged, d->count);
}

nncf_status dataset_check(const dataset *d, int64_t num_classes, int64_t channels, nncf_error *err)
{
    if (d->classes != NULL && d->n_classes > num_classes)
        return app_fail(err, NNCF_E_CONFIG, "num_classes",
            "there are %d folders of classes, from %s to %s, but num_classes is %lld", d->n_classes,
            d->classes[0], d->classes[d->n_classes - 1], (long long)num_classes);
    for (size_t i = 0; i < d->count; i++)
        if (d->labels[i] < 0 || d->labels[i] >= num_classes)
            return app_fail(err, NNCF_E_CONFIG, "num_classes",
                "image %zu of %s is of class %d, but num_classes is %lld", i, d->name, d->labels[i],
                (long long)num_classes);
    if (channels == 1 && (d->format == DATASET_FOLDER || d->channels == 3))
        return app_fail(err, NNCF_E_CONFIG, "input_sample_size",
            "the images of %s have 3 channels, not 1", d->name);
    return NNCF_OK;
}
