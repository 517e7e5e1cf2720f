/* SPDX-License-Identifier: Apache-2.0 */
/* Folders of photographs as people have them: stray pictures, classes that are missing here or
 * there, files that are cut short, cameras that were turned, and snapshots that know what their
 * classes were. */
#include "fixture.h"

#include "dataset.h"
#include "exif.h"
#include "jpeg.h"
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *dir;
static const int grey[] = {128};

static void setup(void)
{
    dir = fixture_make_dir();
}

static void teardown(void)
{
    fixture_remove(dir);
}

/* A small picture in a folder, which is made. */
static void put(const char *folder, const char *name)
{
    nncf_error err = NNCF_ERROR_INIT;
    char *path = app_format("%s/%s", dir, folder);
    ck_ok(app_make_dirs(path, &err), err);
    if (name != NULL)
        fixture_write_jpeg(path, name, 40, 30, 1, grey);
    free(path);
}

/* Classes a, b and c to train with, `tested` of them to test with. */
static void put_splits(int tested)
{
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        char folder[16];
        snprintf(folder, sizeof folder, "train/%s", names[i]);
        put(folder, "1.jpg");
        put(folder, "2.jpg");
        snprintf(folder, sizeof folder, "val/%s", names[i]);
        if (i >= 3 - tested)
            put(folder, "3.jpg");
    }
}

static dataset *opened(bool train)
{
    nncf_error err = NNCF_ERROR_INIT;
    dataset *d;
    ck_ok(dataset_open("imagenet", dir, train, &d, &err), err);
    return d;
}

static void refused(bool train, nncf_status status, const char *first, const char *second)
{
    nncf_error err = NNCF_ERROR_INIT;
    dataset *d;
    ck_assert_int_eq(dataset_open("imagenet", dir, train, &d, &err), status);
    ck_assert_msg(strstr(err.message, first) && strstr(err.message, second), "%s", err.message);
}

/* ---- layouts ---- */

START_TEST(a_stray_picture_beside_the_classes_is_named)
{
    put_splits(3);
    put("train", "stray.jpg");
    refused(true, NNCF_E_FORMAT, "train/stray.jpg", "beside the folders of classes");
    unlink(fixture_path(dir, "train/stray.jpg"));
    put("val", "a.JPG");
    put("val", "b.jpeg");
    refused(false, NNCF_E_FORMAT, "val/a.JPG", "with others");
    dataset_destroy(opened(true));
}
END_TEST

START_TEST(a_folder_without_pictures_beside_pictures_is_no_class)
{
    put(".", "1.jpg");
    put("notes", NULL);
    dataset *d = opened(true);
    ck_assert_int_eq(d->n_classes, 1);
    ck_assert_uint_eq(d->count, 1);
    ck_assert_ptr_null(d->classes);
    dataset_destroy(d);
    put("train", "1.jpg"); /* the same in splits */
    put("train/notes", NULL);
    put("val", "1.jpg");
    for (int train = 0; train < 2; train++) {
        d = opened(train);
        ck_assert_uint_eq(d->count, 1);
        dataset_destroy(d);
    }
    put("train/notes", "1.jpg"); /* now it is one, and the picture of val/ has none */
    unlink(fixture_path(dir, "train/1.jpg"));
    refused(false, NNCF_E_FORMAT, "val", "no folders of classes");
}
END_TEST

START_TEST(train_numbers_the_classes_of_both)
{
    put_splits(1); /* val/ has c only */
    dataset *d = opened(false);
    ck_assert_uint_eq(d->count, 1);
    ck_assert_int_eq(d->labels[0], 2);
    ck_assert_int_eq(d->n_classes, 3);
    ck_assert_str_eq(d->classes[0], "a");
    ck_assert_str_eq(d->classes[2], "c");
    ck_assert_msg(strstr(d->notes, "no folder of a and other classes") != NULL, "%s", d->notes);
    dataset_destroy(d);
    put("val/a", NULL); /* there, and empty */
    d = opened(false);
    ck_assert_int_eq(d->labels[0], 2);
    ck_assert_msg(strstr(d->notes, "no folder of b: it is not tested") &&
            strstr(d->notes, "val/a: there are no " PICTURE_FORMATS " files"),
        "%s", d->notes);
    dataset_destroy(d);
    put("val/bb", "1.jpg"); /* between the others */
    refused(false, NNCF_E_FORMAT, "val/bb", "has no class of that name");
    d = opened(true);
    ck_assert_uint_eq(d->count, 6);
    ck_assert_ptr_null(d->notes);
    dataset_destroy(d);
}
END_TEST

START_TEST(a_missing_split_is_named)
{
    put("train/a", "1.jpg");
    refused(false, NNCF_E_NOTFOUND, "/val: there is no such folder", "val/<class>/");
    refused(true, NNCF_E_NOTFOUND, "/val: there is no such folder", "val/<class>/");
    put("test/a", "1.jpg");
    refused(false, NNCF_E_NOTFOUND, "/val: there is no such folder", "(rename test/?)");
    fixture_remove(dir);
    setup();
    put("val/a", "1.jpg");
    refused(true, NNCF_E_NOTFOUND, "/train: there is no such folder", "train/<class>/");
    put("train", NULL); /* empty */
    refused(true, NNCF_E_FORMAT, "/train: no " PICTURE_FORMATS " files", "");
}
END_TEST

START_TEST(what_is_left_out_is_told)
{
    put("x", "1.jpg");
    put("x", ".2.jpg"); /* other systems leave such files */
    put("y", "1.jpg");
    fixture_write_text(dir, "y/1.webp", "");
    fixture_write_text(dir, "y/2.HEIC", "");
    fixture_write_text(dir, "y/readme.txt", "");
    put("z/deep", "1.jpg");
    dataset *d = opened(false);
    ck_assert_uint_eq(d->count, 2);
    ck_assert_int_eq(d->n_classes, 3);
    ck_assert_ptr_nonnull(strstr(d->notes,
        "y: 2 pictures are left out, because only " PICTURE_FORMATS
        " files are read: 1.webp, ...\n"));
    ck_assert_ptr_nonnull(strstr(d->notes,
        "z: there are no " PICTURE_FORMATS " files in this class; folders inside of a class"));
    ck_assert_ptr_nonnull(strstr(d->notes, "the pictures that train are also those that test"));
    dataset_destroy(d);
    d = opened(true); /* said once */
    ck_assert_ptr_null(d->notes);
    dataset_destroy(d);
}
END_TEST

START_TEST(names_of_classes_are_text)
{
    put("\xff", "1.jpg");
    refused(true, NNCF_E_FORMAT, "\xff", "not UTF-8");
    fixture_remove(dir);
    setup();
    put("a\nb", "1.jpg");
    refused(true, NNCF_E_FORMAT, "a\nb", "control character");
    static const char *const good[] = {
        "", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80", "\xc3", "\xc3(", "\xc0\x80", "\xe0\x80\x80",
        "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xe2\x82"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert(app_is_utf8(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!app_is_utf8(bad[i]), "%zu", i);
}
END_TEST

START_TEST(too_many_classes_are_told_by_name)
{
    nncf_error err = NNCF_ERROR_INIT;
    put_splits(3);
    dataset *d = opened(true);
    ck_assert_int_eq(dataset_check(d, 2, 3, &err), NNCF_E_CONFIG);
    ck_assert_msg(
        strstr(err.message, "3 folders of classes, from a to c, but num_classes is 2") != NULL,
        "%s", err.message);
    ck_ok(dataset_check(d, 3, 3, &err), err);
    ck_ok(dataset_check(d, 10, 3, &err), err);
    dataset_destroy(d);
}
END_TEST

/* ---- damaged files ---- */

static size_t slurp(const char *name, uint8_t *bytes, size_t room)
{
    FILE *file = fopen(fixture_path(dir, name), "rb");
    ck_assert_ptr_nonnull(file);
    size_t n = fread(bytes, 1, room, file);
    ck_assert(n > 0 && n < room);
    fclose(file);
    return n;
}

/* A picture of noise, so that every part of the file is pixels. */
static size_t noise(uint8_t *bytes, size_t room)
{
    static uint8_t pixels[64 * 64 * 3];
    uint64_t random = 7;
    for (size_t i = 0; i < sizeof pixels; i++) {
        pixels[i] = (uint8_t)fx_next(&random);
    }
    fixture_write_pixels(dir, "noise.jpg", 64, 64, 3, pixels);
    size_t n = slurp("noise.jpg", bytes, room);
    unlink(fixture_path(dir, "noise.jpg"));
    return n;
}

START_TEST(pictures_that_are_cut_short_are_refused)
{
    static uint8_t bytes[65536];
    const size_t n = noise(bytes, sizeof bytes - 64);
    nncf_error err = NNCF_ERROR_INIT;
    picture p;
    for (size_t part = 4; part < 8; part++) { /* headers end before half */
        fixture_write(dir, "x.jpg", bytes, n * part / 8, false);
        ck_assert_int_eq(jpeg_read(fixture_path(dir, "x.jpg"), 0, &p, &err), NNCF_E_FORMAT);
        ck_assert_msg(
            strstr(err.message, "x.jpg: the picture is cut short") != NULL, "%s", err.message);
        ck_assert_int_eq(jpeg_check(fixture_path(dir, "x.jpg"), &err), NNCF_E_FORMAT);
        /* mended by somebody: an end without the middle */
        memcpy(bytes + n, bytes + n * part / 8, 2);
        bytes[n * part / 8] = 0xff;
        bytes[n * part / 8 + 1] = 0xd9;
        fixture_write(dir, "x.jpg", bytes, n * part / 8 + 2, false);
        memcpy(bytes + n * part / 8, bytes + n, 2);
        ck_assert_int_eq(jpeg_read(fixture_path(dir, "x.jpg"), 0, &p, &err), NNCF_E_FORMAT);
    }
    /* Only the end's marker is missing: libjpeg cannot know more either. */
    fixture_write(dir, "x.jpg", bytes, n - 2, false);
    ck_assert_int_eq(jpeg_check(fixture_path(dir, "x.jpg"), &err), NNCF_E_FORMAT);
    /* Whole ones, also with something behind them as some cameras write it. */
    memset(bytes + n, 0, 40);
    for (int i = 0; i < 2; i++) {
        fixture_write(dir, "x.jpg", bytes, n + (size_t)(40 * i), false);
        ck_ok(jpeg_check(fixture_path(dir, "x.jpg"), &err), err);
        ck_ok(jpeg_read(fixture_path(dir, "x.jpg"), 0, &p, &err), err);
        free(p.rgb);
    }
    ck_assert_int_eq(jpeg_check(fixture_path(dir, "none.jpg"), &err), NNCF_E_IO);
}
END_TEST

START_TEST(damaged_files_are_counted_and_named)
{
    static uint8_t bytes[65536];
    const size_t n = noise(bytes, sizeof bytes);
    nncf_error err = NNCF_ERROR_INIT;
    char *text = NULL;
    size_t size;
    put_splits(3);
    fixture_write(dir, "train/a/7.jpg", bytes, n / 2, false);
    fixture_write(dir, "train/c/8.jpg", bytes, 0, false);
    fixture_write_text(dir, "train/c/9.jpg", "<html>not found</html>");
    dataset *d = opened(true);
    FILE *report = open_memstream(&text, &size);
    ck_assert_int_eq(dataset_check_files(d, report, &err), NNCF_E_FORMAT);
    fclose(report);
    ck_assert_msg(strstr(err.message, "3 of 9 pictures") != NULL, "%s", err.message);
    ck_assert_ptr_nonnull(strstr(text, "train/a/7.jpg: the picture is cut short"));
    ck_assert_ptr_nonnull(strstr(text, "train/c/8.jpg: "));
    ck_assert_ptr_nonnull(strstr(text, "train/c/9.jpg: "));
    ck_assert_ptr_null(strstr(text, "1.jpg"));
    free(text);
    dataset_destroy(d);
    d = opened(false);
    ck_ok(dataset_check_files(d, stderr, &err), err);
    dataset_destroy(d);
}
END_TEST

/* ---- orientation ---- */

/* The segment with its marker, for an orientation in either order of bytes, another entry before
 * it; its size. */
static size_t segment(uint8_t to[64], unsigned orientation, bool little)
{
    static const uint8_t big[] = {0xff, 0xe1, 0, 40, 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0,
        0, 0, 8, 0, 2, /* a directory of two entries at 8 */
        0x01, 0x00, 0, 4, 0, 0, 0, 1, 0, 0, 0, 64, /* width */
        0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0};
    static const uint8_t small[] = {0xff, 0xe1, 0, 40, 'E', 'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8,
        0, 0, 0, 2, 0, 0x00, 0x01, 4, 0, 1, 0, 0, 0, 64, 0, 0, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 0,
        0, 0, 0};
    memcpy(to, little ? small : big, sizeof big);
    to[sizeof big - (little ? 4 : 3)] = (uint8_t)orientation;
    to[3] = (uint8_t)(sizeof big - 2);
    return sizeof big;
}

/* What is seen in the corners (left top, right top, left bottom, right bottom), as the number of
 * the corner where it is stored. From the standard: for each value where the 0th row and the 0th
 * column are seen. */
static const int seen[9][4] = {[1] = {0, 1, 2, 3}, /* top, left */
    [2] = {1, 0, 3, 2}, /* top, right */
    [3] = {3, 2, 1, 0}, /* bottom, right */
    [4] = {2, 3, 0, 1}, /* bottom, left */
    [5] = {0, 2, 1, 3}, /* left, top */
    [6] = {2, 0, 3, 1}, /* right, top */
    [7] = {3, 1, 2, 0}, /* right, bottom */
    [8] = {1, 3, 0, 2}}; /* left, bottom */

START_TEST(pictures_are_turned_as_the_camera_was)
{
    enum { W = 64, H = 32 };
    static const uint8_t colours[4][3] = {
        {230, 20, 20}, {20, 230, 20}, {20, 20, 230}, {230, 230, 230}};
    static uint8_t pixels[W * H * 3], bytes[32768], with[32768];
    nncf_error err = NNCF_ERROR_INIT;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            memcpy(pixels + 3 * (y * W + x), colours[(y >= H / 2) * 2 + (x >= W / 2)], 3);
    fixture_write_pixels(dir, "x.jpg", W, H, 3, pixels);
    const size_t n = slurp("x.jpg", bytes, sizeof bytes);
    for (unsigned orientation = 0; orientation <= 9; orientation++)
        for (int way = 0; way < 4; way++) { /* order of bytes; whole and shrunk */
            const bool half = way >= 2;
            const int *at = seen[orientation >= 1 && orientation <= 8 ? orientation : 1];
            const bool turned = orientation >= 5 && orientation <= 8;
            picture p;
            memcpy(with, bytes, 2); /* the start's marker */
            const size_t extra = segment(with + 2, orientation, way % 2);
            memcpy(with + 2 + extra, bytes + 2, n - 2);
            fixture_write(dir, "x.jpg", with, n + extra, false);
            ck_ok(jpeg_read(fixture_path(dir, "x.jpg"), half ? H / 2 : 0, &p, &err), err);
            ck_assert_int_eq(p.width, (turned ? H : W) >> half);
            ck_assert_int_eq(p.height, (turned ? W : H) >> half);
            for (int corner = 0; corner < 4; corner++) {
                const int x = corner % 2 ? p.width - 3 : 2, y = corner / 2 ? p.height - 3 : 2;
                for (int c = 0; c < 3; c++)
                    ck_assert_msg(
                        abs(p.rgb[3 * (y * p.width + x) + c] - colours[at[corner]][c]) <= 20,
                        "orientation %u, corner %d", orientation, corner);
            }
            free(p.rgb);
        }
}
END_TEST

/* Every pixel is taken once, whatever the sizes. */
START_TEST(turning_loses_no_pixel)
{
    for (int orientation = 0; orientation <= 9; orientation++)
        for (int w = 1; w < 6; w++)
            for (int h = 1; h < 6; h++) {
                const exif_walk walk = exif_upright(orientation, w, h);
                int taken[25] = {0};
                ck_assert_int_eq(walk.width * walk.height, w * h);
                for (int y = 0; y < walk.height; y++)
                    for (int x = 0; x < walk.width; x++) {
                        const ptrdiff_t from = walk.origin + x * walk.across + y * walk.down;
                        ck_assert(from >= 0 && from < w * h);
                        taken[from]++;
                    }
                for (int i = 0; i < w * h; i++)
                    ck_assert_int_eq(taken[i], 1);
            }
}
END_TEST

/* In memory of its own, so that a sanitizer sees a read beside it. */
static int parse(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    memcpy(copy, bytes, size);
    const int orientation = exif_orientation(copy, size);
    free(copy);
    return orientation;
}

START_TEST(damaged_exif_is_upright)
{
    uint8_t whole[64], changed[64];
    uint64_t random = 3;
    for (int little = 0; little < 2; little++) {
        const size_t n = segment(whole, 6, little) - 4;
        memmove(whole, whole + 4, n); /* without marker and length */
        ck_assert_int_eq(parse(whole, n), 6);
        for (size_t cut = 0; cut < n; cut++)
            ck_assert_int_eq(parse(whole, cut), 1);
        const struct {
            size_t at;
            uint8_t big, small;
        } changes[] = {{0, 'e', 'e'}, {5, 1, 1}, {6, 'X', 'X'}, {7, 'X', 'X'},
            {little ? 8 : 9, 43, 43}, {10, 0xff, 100}, {13, 60, 0xff}, {little ? 30 : 31, 4, 4},
            {little ? 32 : 35, 2, 2}, {little ? 36 : 37, 9, 9}, {little ? 36 : 37, 0, 0},
            {little ? 28 : 29, 0x13, 0x13}};
        for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
            memcpy(changed, whole, n);
            changed[changes[i].at] = little ? changes[i].small : changes[i].big;
            ck_assert_msg(parse(changed, n) == 1, "change %zu, %s", i, little ? "little" : "big");
        }
        for (int i = 0; i < 200000;
             i++) { /* any bytes: an answer of 1 to 8, and no read beside them */
            memcpy(changed, whole, n);
            for (int k = 0; k < 4; k++) {
                const uint64_t drawn = fx_next(&random);
                changed[(drawn >> 33) % n] = (uint8_t)drawn;
            }
            const int o = parse(changed, n - (fx_next(&random) >> 60));
            ck_assert(o >= 1 && o <= 8);
        }
    }
}
END_TEST

/* ---- what snapshots know ---- */

static const char config[] =
    "{\"model\": \"mobilenetv2\", \"model_params\": {\"width_mult\": 0.25}, \"input_sample_size\": "
    "[1, 3, 32, 32],"
    "\"num_classes\": 4, \"batch_size\": 2, \"epochs\": 2, \"optimizer\": {\"base_lr\": 0.001}}";

/* *labels (nullable): of the test images, after opening. */
static nncf_status run_once(options o, int32_t *labels, char **printed, nncf_error *err)
{
    char *text = NULL;
    size_t size;
    FILE *output = open_memstream(&text, &size);
    run r;
    char *data = app_copy(o.data), *path = app_copy(fixture_path(dir, "config.json"));
    o.data = data;
    o.config = path;
    o.threads = 1;
    nncf_status status = run_open(&o, output, output, &r, err);
    if (status == NNCF_OK) {
        for (size_t i = 0; labels != NULL && i < r.test_data->count; i++)
            labels[i] = r.test_data->labels[i];
        status = o.eval ? run_eval(&r, err) : run_train(&r, err);
        if (status == NNCF_OK)
            status = run_export(&r, err);
        run_close(&r);
    }
    fclose(output);
    free(data);
    free(path);
    if (printed != NULL)
        *printed = text;
    else
        free(text);
    return status;
}

START_TEST(snapshots_know_their_classes)
{
    nncf_error err = NNCF_ERROR_INIT;
    char *out = app_format("%s/out", dir), *printed;
    char *snapshot = app_format("%s/mobilenetv2_imagenet_last.safetensors", out);
    char *stripped = app_format("%s/stripped.safetensors", dir);
    int32_t labels[8] = {0};
    nncf_checkpoint *c;
    fixture_write_text(dir, "config.json", config);
    put("all/train/cat", "1.jpg");
    put("all/train/dog \"Rex\"", "1.jpg");
    put("all/train/\xc3\xb6lfisch", "1.jpg");
    put("all/val/\xc3\xb6lfisch", "1.jpg");
    options o = {.data = fixture_path(dir, "all"), .out = out, .max_steps = 1, .strip = stripped};
    ck_ok(run_once(o, labels, &printed, &err), err);
    ck_assert_int_eq(labels[0], 2);
    ck_assert_ptr_nonnull(strstr(printed, "warning: val/ has no folder of cat and other classes"));
    free(printed);
    for (int i = 0; i < 2; i++) {
        ck_ok(nncf_checkpoint_open(NULL, i ? stripped : snapshot, NULL, &c, &err), err);
        ck_assert_str_eq(nncf_checkpoint_get_text(c, "classes"),
            "[\"cat\", \"dog \\\"Rex\\\"\", \"\xc3\xb6lfisch\"]");
        nncf_checkpoint_close(c);
    }
    /* Two of them, and numbers that only the snapshot knows. */
    put("some/train/dog \"Rex\"", "1.jpg");
    put("some/train/\xc3\xb6lfisch", "1.jpg");
    put("some/val/dog \"Rex\"", "1.jpg");
    put("some/val/\xc3\xb6lfisch", "1.jpg");
    o = (options){.data = fixture_path(dir, "some"), .eval = true, .resume = snapshot};
    ck_ok(run_once(o, labels, &printed, &err), err);
    ck_assert(labels[0] == 1 && labels[1] == 2);
    ck_assert_msg(strstr(printed, "classes are numbered as in ") != NULL, "%s", printed);
    free(printed);
    o.resume = NULL;
    o.weights = snapshot;
    ck_ok(run_once(o, labels, NULL, &err), err);
    ck_assert(labels[0] == 1 && labels[1] == 2);
    /* Training goes on with the numbers of the snapshot, and its names stay. */
    o = (options){
        .data = fixture_path(dir, "some"), .out = out, .resume = snapshot, .max_steps = 1};
    ck_ok(run_once(o, labels, NULL, &err), err);
    ck_assert(labels[0] == 1 && labels[1] == 2);
    ck_ok(nncf_checkpoint_open(NULL, snapshot, NULL, &c, &err), err);
    ck_assert_ptr_nonnull(strstr(nncf_checkpoint_get_text(c, "classes"), "cat"));
    nncf_checkpoint_close(c);
    /* One that it never saw is refused, by name and with the cure; --weights starts anew. */
    put("some/train/bird", "1.jpg");
    ck_assert_int_eq(run_once(o, NULL, NULL, &err), NNCF_E_CONFIG);
    ck_assert_msg(strstr(err.message, "\"bird\"") && strstr(err.message, "bird/1.jpg") &&
            strstr(err.message, "--weights"),
        "%s", err.message);
    o.eval = true;
    ck_assert_int_eq(run_once(o, NULL, NULL, &err), NNCF_E_CONFIG);
    o = (options){
        .data = fixture_path(dir, "some"), .out = out, .weights = snapshot, .max_steps = 1};
    ck_ok(run_once(o, labels, NULL, &err), err);
    ck_assert(labels[0] == 1 && labels[1] == 2); /* bird, dog, oelfisch */
    /* Pictures in no folders are of no class that it has. */
    put("flat", "1.jpg");
    o = (options){.data = fixture_path(dir, "flat"), .eval = true, .resume = snapshot};
    ck_assert_int_eq(run_once(o, NULL, NULL, &err), NNCF_E_CONFIG);
    ck_assert_msg(strstr(err.message, "in no folders of classes") != NULL, "%s", err.message);
    free(out);
    free(snapshot);
    free(stripped);
}
END_TEST

START_TEST(a_damaged_file_stops_before_training)
{
    nncf_error err = NNCF_ERROR_INIT;
    char *printed;
    fixture_write_text(dir, "config.json", config);
    put("all/train/a", "1.jpg");
    put("all/val/a", "1.jpg");
    fixture_write_text(dir, "all/train/a/2.jpg", "");
    const options o = {
        .data = fixture_path(dir, "all"), .out = fixture_path(dir, "out"), .max_steps = 1};
    ck_assert_int_eq(run_once(o, NULL, &printed, &err), NNCF_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(printed, "all/train/a/2.jpg: "));
    ck_assert_msg(strstr(err.message, "1 of 2 pictures") != NULL, "%s", err.message);
    free(printed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("example_folders");
    TCase *c = fx_case(suite, "all", 120);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_stray_picture_beside_the_classes_is_named);
    tcase_add_test(c, a_folder_without_pictures_beside_pictures_is_no_class);
    tcase_add_test(c, train_numbers_the_classes_of_both);
    tcase_add_test(c, a_missing_split_is_named);
    tcase_add_test(c, what_is_left_out_is_told);
    tcase_add_test(c, names_of_classes_are_text);
    tcase_add_test(c, too_many_classes_are_told_by_name);
    tcase_add_test(c, pictures_that_are_cut_short_are_refused);
    tcase_add_test(c, damaged_files_are_counted_and_named);
    tcase_add_test(c, pictures_are_turned_as_the_camera_was);
    tcase_add_test(c, turning_loses_no_pixel);
    tcase_add_test(c, damaged_exif_is_upright);
    tcase_add_test(c, snapshots_know_their_classes);
    tcase_add_test(c, a_damaged_file_stops_before_training);
    return fx_main(suite);
}
