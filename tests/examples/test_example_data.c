/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of data sets, the resize, augmentation, the loader. */
#include "fixture.h"

#include "augment.h"
#include "dataset.h"
#include "jpeg.h"
#include "loader.h"
#include "resize.h"
#include "rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *dir;

static void setup(void)
{
    dir = fixture_make_dir();
}

static void teardown(void)
{
    fixture_remove(dir);
}

START_TEST(idx_raw_and_gzip_are_read_alike)
{
    nncf_error err = NNCF_ERROR_INIT;
    dataset *d[2];
    for (int gzip = 0; gzip < 2; gzip++) {
        char *sub = app_format("%s/fashion-%d", dir, gzip);
        ck_ok(app_make_dirs(sub, &err), err);
        fixture_write_idx(sub, "train", 30, gzip);
        ck_ok(dataset_open(NULL, sub, true, &d[gzip], &err), err);
        free(sub);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(d[i]->name, "fashion_mnist"); /* by the folder's name */
        ck_assert_uint_eq(d[i]->count, 30);
        ck_assert_int_eq(d[i]->channels, 1);
        ck_assert_int_eq(d[i]->height, 28);
        ck_assert_int_eq(d[i]->labels[13], 3);
        ck_assert_uint_ge(
            d[i]->pixels[13 * 784 + 28 * 10], 190); /* the bar of class 3 is in rows 10 and 11 */
        ck_assert_uint_lt(d[i]->pixels[13 * 784 + 28 * 9], 64);
    }
    ck_assert_mem_eq(d[0]->pixels, d[1]->pixels, 30 * 784);
    dataset_destroy(d[0]);
    dataset_destroy(d[1]);
}
END_TEST

/* Opening must fail with this status, and the message must hold this text. */
static void expect_failure(const char *name, nncf_status status, const char *text)
{
    nncf_error err = NNCF_ERROR_INIT;
    dataset *d = NULL;
    nncf_status got = dataset_open(name, dir, true, &d, &err);
    ck_assert_int_eq(got, status);
    ck_assert_msg(strstr(err.message, text) != NULL, "\"%s\" is not in \"%s\"", text, err.message);
    ck_assert_ptr_null(d);
}

START_TEST(damaged_idx_files_are_refused)
{
    uint8_t bytes[64] = {
        0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 4}; /* 2 x 4 x 4 = 32 bytes follow */
    const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3};
    expect_failure("mnist", NNCF_E_NOTFOUND, "train-images-idx3-ubyte");
    fixture_write(dir, "train-images-idx3-ubyte", bytes, 47, false);
    expect_failure("mnist", NNCF_E_FORMAT, "31 bytes after its header, which tells of 32");
    fixture_write(dir, "train-images-idx3-ubyte", bytes, 48, false);
    expect_failure("mnist", NNCF_E_NOTFOUND, "train-labels-idx1-ubyte");
    fixture_write(dir, "train-labels-idx1-ubyte", labels, sizeof labels, false);
    expect_failure("mnist", NNCF_E_FORMAT, "2 images, but 3 labels");
    bytes[2] = 13; /* float elements */
    fixture_write(dir, "train-images-idx3-ubyte", bytes, 48, false);
    expect_failure("mnist", NNCF_E_FORMAT, "not an IDX file of bytes");
    memset(bytes + 4, 0xff, 12); /* sizes whose product does not fit 64 bits */
    bytes[2] = 8;
    fixture_write(dir, "train-images-idx3-ubyte", bytes, 48, false);
    expect_failure("mnist", NNCF_E_FORMAT, "which tells of");
    /* A gzip file that ends early. */
    fixture_write(dir, "train-images-idx3-ubyte.gz", bytes, sizeof bytes, true);
    char *whole = NULL;
    FILE *f = fopen(fixture_path(dir, "train-images-idx3-ubyte.gz"), "rb");
    size_t size = 0;
    whole = malloc(1024);
    size = fread(whole, 1, 1024, f);
    fclose(f);
    fixture_write(dir, "train-images-idx3-ubyte.gz", whole, size - 9, false);
    free(whole);
    expect_failure("mnist", NNCF_E_FORMAT, "cut short");
}
END_TEST

START_TEST(cifar_files_are_read)
{
    nncf_error err = NNCF_ERROR_INIT;
    dataset *d;
    uint8_t *record = malloc(2 * 3073);
    ck_assert_ptr_nonnull(record);
    for (int file = 1; file <= 5; file++) {
        char name[32];
        for (int i = 0; i < 2; i++) {
            record[i * 3073] = (uint8_t)(2 * (file - 1) + i);
            memset(record + i * 3073 + 1, 10 * file + i, 3072);
        }
        snprintf(name, sizeof name, "data_batch_%d.bin", file);
        fixture_write(dir, name, record, 2 * 3073, false);
    }
    ck_ok(dataset_open(NULL, dir, true, &d, &err), err);
    ck_assert_str_eq(d->name, "cifar10");
    ck_assert_uint_eq(d->count, 10);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(d->labels[i], i);
        ck_assert_int_eq(d->pixels[i * 3072], 10 * (i / 2 + 1) + i % 2);
        ck_assert_int_eq(d->pixels[i * 3072 + 3071], 10 * (i / 2 + 1) + i % 2);
    }
    ck_assert_int_eq(dataset_check(d, 10, 3, &err), NNCF_OK);
    ck_assert_int_eq(dataset_check(d, 9, 3, &err), NNCF_E_CONFIG);
    ck_assert_int_eq(dataset_check(d, 10, 1, &err), NNCF_E_CONFIG);
    dataset_destroy(d);
    fixture_write(dir, "data_batch_3.bin", record, 3072, false);
    expect_failure("cifar10", NNCF_E_FORMAT, "not a whole number of records");
    free(record);
}
END_TEST

START_TEST(cifar100_has_the_fine_label)
{
    nncf_error err = NNCF_ERROR_INIT;
    dataset *d;
    uint8_t record[3074] = {7, 93};
    char *sub = app_format("%s/cifar-100-binary", dir);
    ck_ok(app_make_dirs(sub, &err), err);
    fixture_write(sub, "train.bin", record, sizeof record, false);
    ck_ok(dataset_open(NULL, dir, true, &d, &err), err);
    ck_assert_str_eq(d->name, "cifar100");
    ck_assert_int_eq(d->labels[0], 93);
    dataset_destroy(d);
    free(sub);
}
END_TEST

START_TEST(folders_are_classes_in_the_order_of_their_names)
{
    static const int red[] = {255, 0, 0}, grey[] = {128};
    nncf_error err = NNCF_ERROR_INIT;
    static const char *const folders[] = {"train/b", "train/a", "train/c", "val/a", "val/b"};
    dataset *d;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        ck_ok(app_make_dirs(fixture_path(dir, folders[i]), &err), err);
        fixture_write_jpeg(fixture_path(dir, folders[i]), "2.JPEG", 40, 30, 1, grey);
        fixture_write_jpeg(fixture_path(dir, folders[i]), "1.jpg", 40, 30, 3, red);
    }
    fixture_write_text(dir, "train/a/readme.txt", "not a picture");
    ck_ok(dataset_open(NULL, dir, true, &d, &err), err);
    ck_assert_str_eq(d->name, "imagenet");
    ck_assert_uint_eq(d->count, 6);
    ck_assert_int_eq(d->n_classes, 3);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(d->labels[i], i / 2);
    ck_assert_str_eq(d->paths[0] + strlen(dir), "/train/a/1.jpg");
    ck_assert_str_eq(d->paths[5] + strlen(dir), "/train/c/2.JPEG");
    dataset_destroy(d);
    ck_ok(dataset_open(NULL, dir, false, &d, &err), err);
    ck_assert_uint_eq(d->count, 4);
    dataset_destroy(d);
    /* A flat folder: one class, for training and for testing. */
    ck_ok(dataset_open(NULL, fixture_path(dir, "val/a"), true, &d, &err), err);
    ck_assert_uint_eq(d->count, 2);
    ck_assert_int_eq(d->n_classes, 1);
    dataset_destroy(d);
    ck_assert_int_eq(
        dataset_open("imagenet", fixture_path(dir, "nowhere"), true, &d, &err), NNCF_E_NOTFOUND);
    ck_assert_int_eq(dataset_open("imagnet", dir, true, &d, &err), NNCF_E_CONFIG);
    ck_assert_int_eq(dataset_open("imagenet", NULL, true, &d, &err), NNCF_E_CONFIG);
}
END_TEST

START_TEST(jpegs_of_all_kinds_become_rgb)
{
    static const int red[] = {255, 0, 0}, grey[] = {100}, cmyk[] = {255, 128, 0, 128};
    static const struct {
        int components;
        const int *colour;
        int rgb[3];
    } cases[] = {{3, red, {254, 0, 0}}, {1, grey, {100, 100, 100}}, {4, cmyk, {128, 64, 0}}};
    nncf_error err = NNCF_ERROR_INIT;
    picture p;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_write_jpeg(dir, "x.jpg", 50, 33, cases[i].components, cases[i].colour);
        ck_ok(jpeg_read(fixture_path(dir, "x.jpg"), 0, &p, &err), err);
        ck_assert_int_eq(p.width, 50);
        ck_assert_int_eq(p.height, 33);
        for (int c = 0; c < 3; c++)
            ck_assert_int_le(abs(p.rgb[3 * (50 * 17 + 20) + c] - cases[i].rgb[c]), 3);
        free(p.rgb);
    }
    fixture_write_jpeg(dir, "big.jpg", 400, 300, 3, red);
    ck_ok(jpeg_read(fixture_path(dir, "big.jpg"), 70, &p, &err), err);
    ck_assert_int_eq(p.width, 100); /* a quarter: the shorter side keeps 75 */
    ck_assert_int_eq(p.height, 75);
    free(p.rgb);
}
END_TEST

START_TEST(broken_jpegs_are_errors)
{
    nncf_error err = NNCF_ERROR_INIT;
    picture p;
    fixture_write_text(dir, "x.jpg", "this is not a JPEG");
    ck_assert_int_eq(jpeg_read(fixture_path(dir, "x.jpg"), 0, &p, &err), NNCF_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "x.jpg"));
    ck_assert_int_eq(jpeg_read(fixture_path(dir, "y.jpg"), 0, &p, &err), NNCF_E_IO);
    ck_assert_int_ne(err.os_errno, 0);
}
END_TEST

START_TEST(resize_agrees_with_closed_forms)
{
    /* A linear ramp, enlarged or shrunk, is the ramp at the new pixel centres, away from the
     * borders. */
    enum { W = 64, H = 48 };
    nncf_error err = NNCF_ERROR_INIT;
    /* With a whole or no shrinking factor the triangle filter keeps it exactly, otherwise nearly.
     */
    static const int sizes[] = {10, 24, 40, 96};
    static uint8_t image[H * W * 3];
    float *out = malloc(3 * 96 * 96 * sizeof *out);
    ck_assert_ptr_nonnull(out);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            image[3 * (y * W + x)] = (uint8_t)(3 * x);
            image[3 * (y * W + x) + 1] = (uint8_t)(5 * y);
            image[3 * (y * W + x) + 2] = 77;
        }
    for (int mirror = 0; mirror < 2; mirror++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            int s = sizes[i];
            double tolerance = s == 24 ? 0.5 : 1e-3;
            const raster r = {image, W, H, 3};
            ck_ok(resize_region(&r, (region){8, 6, 40, 30}, s, mirror, out, &err), err);
            for (int y = 0; y < s; y++)
                for (int x = 0; x < s; x++) {
                    int at = y * s + (mirror ? s - 1 - x : x);
                    ck_assert_double_eq_tol(
                        out[at], 3.0 * (8 + (x + 0.5) * 40 / s - 0.5), tolerance);
                    ck_assert_double_eq_tol(
                        out[s * s + at], 5.0 * (6 + (y + 0.5) * 30 / s - 0.5), tolerance);
                    ck_assert_double_eq_tol(out[2 * s * s + at], 77.0, 1e-3);
                }
        }
    free(out);
}
END_TEST

START_TEST(small_images_are_centred_and_normalized)
{
    nncf_error err = NNCF_ERROR_INIT;
    dataset *d;
    float *out = malloc(3 * 32 * 32 * sizeof *out);
    fixture_write_idx(dir, "train", 20, false);
    ck_ok(dataset_open("fashion_mnist", dir, true, &d, &err), err);
    ck_ok(augment_sample(d, 13, NULL, 1, 32, out, &err), err);
    for (int y = 0; y < 32; y++)
        for (int x = 0; x < 32; x++) {
            bool inside = x >= 2 && x < 30 && y >= 2 && y < 30;
            double pixel = inside ? d->pixels[13 * 784 + (y - 2) * 28 + x - 2] / 255.0 : 0.0;
            ck_assert_double_eq_tol(out[y * 32 + x], (pixel - 0.286) / 0.353, 1e-5);
        }
    /* Grey in three channels. */
    ck_ok(augment_sample(d, 13, NULL, 3, 32, out, &err), err);
    ck_assert_mem_eq(out, out + 1024, 1024 * sizeof *out);
    ck_assert_mem_eq(out, out + 2048, 1024 * sizeof *out);
    free(out);
    dataset_destroy(d);
}
END_TEST

/* What augmentation makes of an image in 1000 epochs: the plain one moved by -2..2 pixels each way
 * and mirrored or not, never anything else. Returns how many of those 50 came up. */
static int variants(const char *name)
{
    nncf_error err = NNCF_ERROR_INIT;
    dataset *d;
    bool seen[50] = {false};
    int n_seen = 0;
    float *plain = malloc(36 * 36 * sizeof *plain), *out = malloc(32 * 32 * sizeof *out);
    ck_ok(dataset_open(name, dir, true, &d, &err), err);
    ck_ok(augment_sample(d, 5, NULL, 1, 36, plain, &err), err);
    for (uint64_t epoch = 0; epoch < 1000; epoch++) {
        rng r = rng_make(3, RNG_AUGMENT, epoch, 5);
        int found = -1;
        ck_ok(augment_sample(d, 5, &r, 1, 32, out, &err), err);
        for (int k = 0; k < 50 && found < 0; k++) {
            int dx = k / 2 % 5 - 2, dy = k / 10 - 2;
            bool same = true;
            for (int y = 0; same && y < 32; y++)
                for (int x = 0; same && x < 32; x++) {
                    int px = 2 + (k % 2 ? 31 - x : x) - dx, py = 2 + y - dy;
                    same = out[y * 32 + x] == plain[py * 36 + px];
                }
            if (same)
                found = k;
        }
        ck_assert_int_ge(found, 0);
        n_seen += !seen[found];
        seen[found] = true;
    }
    free(plain);
    free(out);
    dataset_destroy(d);
    return n_seen;
}

START_TEST(augmentation_shifts_or_mirrors)
{
    fixture_write_idx(dir, "train", 20, false);
    ck_assert_int_eq(
        variants("mnist"), 25); /* digits are moved; mirrored they would be other signs */
    ck_assert_int_eq(variants("fashion_mnist"), 2); /* clothes are centred; they are mirrored */
}
END_TEST

START_TEST(photographs_keep_their_colour)
{
    static const int colour[] = {200, 100, 50};
    static const double mean[] = {0.485, 0.456, 0.406}, deviation[] = {0.229, 0.224, 0.225};
    static const int sizes[][2] = {{300, 80}, {64, 64}, {33, 200}, {500, 400}};
    nncf_error err = NNCF_ERROR_INIT;
    float *out = malloc(3 * 64 * 64 * sizeof *out);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        dataset *d;
        fixture_write_jpeg(dir, "x.jpg", sizes[i][0], sizes[i][1], 3, colour);
        ck_ok(dataset_open(NULL, dir, true, &d, &err), err);
        for (uint64_t epoch = 0; epoch < 20; epoch++) {
            rng r = rng_make(1, RNG_AUGMENT, epoch, 0);
            ck_ok(augment_sample(d, 0, epoch == 0 ? NULL : &r, 3, 64, out, &err), err);
            for (int k = 0; k < 3 * 64 * 64; k++) {
                int c = k / 4096;
                ck_assert_double_eq_tol(out[k], (colour[c] / 255.0 - mean[c]) / deviation[c], 0.06);
            }
        }
        dataset_destroy(d);
    }
    free(out);
}
END_TEST

/* A checksum of every batch of two epochs. */
static void digest(
    const dataset *d, int workers, bool train, uint64_t seed, uint64_t *sums, size_t *n)
{
    nncf_error err = NNCF_ERROR_INIT;
    const loader_settings s = {.batch_size = 7,
        .channels = 1,
        .size = 32,
        .workers = workers,
        .seed = seed,
        .train = train};
    loader *l;
    *n = 0;
    ck_ok(loader_create(d, &s, &l, &err), err);
    for (int epoch = 0; epoch < 2; epoch++) {
        const batch *b;
        loader_start(l, 5); /* is given up after a batch */
        ck_ok(loader_next(l, &b, &err), err);
        loader_start(l, epoch);
        while (loader_next(l, &b, &err) == NNCF_OK && b != NULL) {
            uint64_t sum = 14695981039346656037u;
            const uint8_t *bytes = (const uint8_t *)b->x;
            for (size_t i = 0; i < (size_t)b->count * 1024 * sizeof(float); i++)
                sum = (sum ^ bytes[i]) * 1099511628211u;
            for (int64_t i = 0; i < b->count; i++)
                sum = (sum ^ (uint64_t)b->labels[i]) * 1099511628211u;
            sums[(*n)++] = sum;
        }
    }
    loader_destroy(l);
}

START_TEST(batches_depend_on_seed_and_epoch_only)
{
    nncf_error err = NNCF_ERROR_INIT;
    dataset *d;
    uint64_t one[32], three[32], other[32];
    size_t n, m;
    fixture_write_idx(dir, "train", 50, false);
    ck_ok(dataset_open("mnist", dir, true, &d, &err), err);
    digest(d, 1, true, 9, one, &n);
    digest(d, 3, true, 9, three, &m);
    ck_assert_uint_eq(n, 14); /* whole batches only: 7 of 7 in each epoch */
    ck_assert_uint_eq(m, 14);
    ck_assert_mem_eq(one, three, n * sizeof *one);
    for (size_t i = 0; i < 7; i++)
        ck_assert_uint_ne(one[i], one[7 + i]);
    digest(d, 1, true, 10, other, &m);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_ne(one[i], other[i]);
    digest(d, 2, false, 9, one, &n); /* testing: all images, in order, whatever epoch and seed */
    digest(d, 1, false, 1, other, &m);
    ck_assert_uint_eq(n, 16);
    ck_assert_mem_eq(one, other, n * sizeof *one);
    ck_assert_mem_eq(one, one + 8, 8 * sizeof *one);
    dataset_destroy(d);
}
END_TEST

START_TEST(an_epoch_sees_every_image_once)
{
    nncf_error err = NNCF_ERROR_INIT;
    dataset *d;
    loader *l;
    const batch *b;
    int counts[10] = {0};
    fixture_write_idx(dir, "train", 60, false);
    ck_ok(dataset_open("mnist", dir, true, &d, &err), err);
    loader_settings s = {.batch_size = 12, .channels = 1, .size = 32, .workers = 2, .train = true};
    ck_ok(loader_create(d, &s, &l, &err), err);
    loader_start(l, 0);
    while (loader_next(l, &b, &err) == NNCF_OK && b != NULL)
        for (int64_t i = 0; i < b->count; i++)
            counts[b->labels[i]]++;
    for (int c = 0; c < 10; c++)
        ck_assert_int_eq(counts[c], 6);
    loader_destroy(l);
    s.train_samples = 30;
    ck_ok(loader_create(d, &s, &l, &err), err);
    ck_assert_int_eq(loader_batches(l), 2);
    loader_destroy(l);
    s.batch_size = 100; /* more than there are: images come again */
    s.train_samples = 0;
    ck_ok(loader_create(d, &s, &l, &err), err);
    ck_assert_int_eq(loader_batches(l), 1);
    loader_start(l, 0);
    ck_ok(loader_next(l, &b, &err), err);
    ck_assert_int_eq(b->count, 100);
    loader_destroy(l);
    dataset_destroy(d);
}
END_TEST

START_TEST(a_broken_picture_stops_the_loader)
{
    nncf_error err = NNCF_ERROR_INIT;
    dataset *d;
    loader *l;
    const batch *b;
    const loader_settings s = {.batch_size = 2, .channels = 3, .size = 32, .workers = 2};
    fixture_write_text(dir, "x.jpg", "nothing");
    ck_ok(dataset_open(NULL, dir, true, &d, &err), err);
    ck_ok(loader_create(d, &s, &l, &err), err);
    loader_start(l, 0);
    ck_assert_int_eq(loader_next(l, &b, &err), NNCF_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "x.jpg"));
    loader_destroy(l);
    dataset_destroy(d);
}
END_TEST

START_TEST(random_numbers_have_the_right_moments)
{
    enum { N = 200000 };
    rng r = rng_make(42, RNG_INIT, 0, 0), same = rng_make(42, RNG_INIT, 0, 0),
        other = rng_make(42, RNG_INIT, 1, 0);
    double mean = 0.0, square = 0.0, fourth = 0.0;
    int buckets[7] = {0};
    ck_assert_uint_eq(rng_next(&r), rng_next(&same));
    ck_assert_uint_ne(rng_next(&r), rng_next(&other));
    for (int i = 0; i < N; i++) {
        double z = rng_normal(&r), u = rng_uniform(&r);
        ck_assert(u >= 0.0 && u < 1.0);
        mean += z / N;
        square += z * z / N;
        fourth += z * z * z * z / N;
        buckets[rng_below(&r, 7)]++;
    }
    ck_assert_double_eq_tol(mean, 0.0, 0.01); /* 4.5 standard errors */
    ck_assert_double_eq_tol(square, 1.0, 0.015);
    ck_assert_double_eq_tol(fourth, 3.0, 0.15);
    for (int i = 0; i < 7; i++)
        ck_assert_int_le(abs(buckets[i] - N / 7), 800); /* 5 standard errors */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("example_data");
    TCase *c = fx_case(suite, "all", 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, idx_raw_and_gzip_are_read_alike);
    tcase_add_test(c, damaged_idx_files_are_refused);
    tcase_add_test(c, cifar_files_are_read);
    tcase_add_test(c, cifar100_has_the_fine_label);
    tcase_add_test(c, folders_are_classes_in_the_order_of_their_names);
    tcase_add_test(c, jpegs_of_all_kinds_become_rgb);
    tcase_add_test(c, broken_jpegs_are_errors);
    tcase_add_test(c, resize_agrees_with_closed_forms);
    tcase_add_test(c, small_images_are_centred_and_normalized);
    tcase_add_test(c, augmentation_shifts_or_mirrors);
    tcase_add_test(c, photographs_keep_their_colour);
    tcase_add_test(c, batches_depend_on_seed_and_epoch_only);
    tcase_add_test(c, an_epoch_sees_every_image_once);
    tcase_add_test(c, a_broken_picture_stops_the_loader);
    tcase_add_test(c, random_numbers_have_the_right_moments);
    return fx_main(suite);
}
