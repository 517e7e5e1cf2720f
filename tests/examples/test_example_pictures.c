/* SPDX-License-Identifier: Apache-2.0 */
/* PNG files beside JPEGs, and what the network says of single pictures. */
#include "fixture.h"

#include "dataset.h"
#include "picture.h"
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static char *dir;

static void setup(void)
{
    dir = fixture_make_dir();
}

static void teardown(void)
{
    fixture_remove(dir);
}

static void put_number(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static size_t put_chunk(uint8_t *to, const char *type, const uint8_t *bytes, size_t size)
{
    put_number(to, (uint32_t)size);
    memcpy(to + 4, type, 4);
    if (size > 0)
        memcpy(to + 8, bytes, size);
    put_number(to + 8 + size, (uint32_t)crc32(crc32(0, NULL, 0), to + 4, (uInt)(size + 4)));
    return size + 12;
}

/* A PNG as its specification describes it: rows after a filter of 0, deflated. `type`: 0 grey, 2
 * RGB, 6 RGB and alpha; 8 bits each. The length of the file's bytes, at most 4096. */
static size_t png_bytes(
    uint8_t *to, int width, int height, int type, int components, const uint8_t *pixels)
{
    static const uint8_t signature[8] = {137, 80, 78, 71, 13, 10, 26, 10};
    uint8_t header[13] = {0}, rows[2048], packed[3000];
    const size_t row = (size_t)(width * components);
    uLongf n_packed = sizeof packed;
    size_t n = 8;
    put_number(header, (uint32_t)width);
    put_number(header + 4, (uint32_t)height);
    header[8] = 8;
    header[9] = (uint8_t)type;
    for (int y = 0; y < height; y++) {
        rows[(row + 1) * (size_t)y] = 0;
        memcpy(rows + (row + 1) * (size_t)y + 1, pixels + row * (size_t)y, row);
    }
    ck_assert_int_eq(compress(packed, &n_packed, rows, (row + 1) * (uLong)height), Z_OK);
    memcpy(to, signature, 8);
    n += put_chunk(to + n, "IHDR", header, 13);
    n += put_chunk(to + n, "IDAT", packed, n_packed);
    return n + put_chunk(to + n, "IEND", NULL, 0);
}

#ifdef WITH_PNG
START_TEST(pngs_are_read)
{
    static const int types[] = {0, 2, 6}, components[] = {1, 3, 4};
    nncf_error err = NNCF_ERROR_INIT;
    uint8_t pixels[7 * 5 * 4], bytes[4096];
    picture p;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(31 * i + 5);
    for (int k = 0; k < 3; k++) {
        const int n = components[k];
        for (int i = 0; n == 4 && i < 35; i++) /* wholly there, or not at all */
            pixels[4 * i + 3] = i % 2 ? 255 : 0;
        /* Its bytes say what it is, not its name. */
        const char *name = k == 0 ? "x.jpg" : "x.PNG";
        fixture_write(dir, name, bytes, png_bytes(bytes, 7, 5, types[k], n, pixels), false);
        ck_ok(picture_check(fixture_path(dir, name), &err), err);
        ck_ok(picture_read(fixture_path(dir, name), 1, &p, &err), err);
        ck_assert(p.width == 7 && p.height == 5);
        for (int i = 0; i < 35; i++)
            for (int c = 0; c < 3; c++)
                ck_assert_uint_eq(p.rgb[3 * i + c],
                    n == 1                     ? pixels[i]
                        : n == 4 && i % 2 == 0 ? 255
                                               : pixels[n * i + c]);
        free(p.rgb);
    }
}
END_TEST

START_TEST(pngs_that_are_cut_short_or_damaged_are_refused)
{
    nncf_error err = NNCF_ERROR_INIT;
    uint8_t pixels[20 * 20 * 3], bytes[4200] = {0};
    uint64_t random = 5;
    picture p;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)fx_next(&random);
    const size_t n = png_bytes(bytes, 20, 20, 2, 3, pixels);
    for (size_t part = 1; part < 8; part++) {
        fixture_write(dir, "x.png", bytes, n * part / 8, false);
        ck_assert_int_eq(picture_check(fixture_path(dir, "x.png"), &err), NNCF_E_FORMAT);
        ck_assert_int_eq(picture_read(fixture_path(dir, "x.png"), 0, &p, &err), NNCF_E_FORMAT);
        ck_assert_msg(
            strstr(err.message, "x.png: ") && strstr(err.message, "replace it"), "%s", err.message);
    }
    /* something follows */
    fixture_write(dir, "x.png", bytes, n + 50, false);
    ck_ok(picture_check(fixture_path(dir, "x.png"), &err), err);
    bytes[n / 2] ^= 0x40;
    fixture_write(dir, "x.png", bytes, n, false);
    ck_assert_int_eq(picture_read(fixture_path(dir, "x.png"), 0, &p, &err), NNCF_E_FORMAT);
}
END_TEST
#endif

START_TEST(pngs_are_pictures_of_a_class_where_libpng_is)
{
    nncf_error err = NNCF_ERROR_INIT;
    static const int grey[] = {128};
    const uint8_t pixels[12] = {0};
    uint8_t bytes[4096];
    dataset *d;
    ck_ok(app_make_dirs(fixture_path(dir, "a"), &err), err);
    fixture_write(dir, "a/1.png", bytes, png_bytes(bytes, 2, 2, 2, 3, pixels), false);
    fixture_write_jpeg(dir, "a/2.jpg", 20, 20, 1, grey);
    fixture_write_text(dir, "a/3.webp", "");
    ck_ok(dataset_open("imagenet", dir, false, &d, &err), err);
#ifdef WITH_PNG
    ck_assert_uint_eq(d->count, 2);
    ck_assert_ptr_nonnull(strstr(d->notes, "only JPEG or PNG files are read: 3.webp\n"));
#else
    ck_assert_uint_eq(d->count, 1);
    ck_assert_ptr_nonnull(strstr(d->notes, "2 pictures are left out, because only JPEG files"));
#endif
    dataset_destroy(d);
}
END_TEST

/* ---- --predict ---- */

static nncf_status run_with(const options *o, char **printed, nncf_error *err)
{
    size_t size;
    FILE *output = open_memstream(printed, &size);
    run r;
    nncf_status status = run_open(o, output, output, &r, err);
    if (status == NNCF_OK) {
        status = o->images != NULL ? run_predict(&r, err) : run_train(&r, err);
        run_close(&r);
    }
    fclose(output);
    return status;
}

/* Red and blue pictures, which a few steps tell apart. */
START_TEST(pictures_are_named_with_their_classes)
{
    static const char text[] =
        "{\"model\": \"lenet\", \"input_sample_size\": [1, 3, 28, 28], \"num_classes\": 3,"
        "\"batch_size\": 8, \"epochs\": 12, \"optimizer\": {\"base_lr\": 0.01}, \"compression\":"
        "{\"algorithm\": \"quantization\", \"initializer\": {\"range\": {\"num_init_samples\": "
        "8}}}}";
    static const char *const folders[] = {
        "p/train/blue sky", "p/train/red", "p/val/blue sky", "p/val/red"};
    nncf_error err = NNCF_ERROR_INIT;
    char *printed, *out = app_format("%s/out", dir), *data = app_format("%s/p", dir), *files[3],
                   *snapshot = app_format("%s/lenet_imagenet_int8_last.safetensors", out);
    for (int i = 0; i < 4; i++) {
        ck_ok(app_make_dirs(fixture_path(dir, folders[i]), &err), err);
        for (int k = 0; k < 4; k++) {
            const int colour[3] = {
                i % 2 ? 230 - 20 * k : 20 * k, 30, i % 2 ? 20 * k : 230 - 20 * k};
            char *name = app_format("%s/%d.jpg", folders[i], k);
            fixture_write_jpeg(dir, name, 40, 30, 3, colour);
            free(name);
        }
    }
    fixture_write_text(dir, "c.json", text);
    options o = {.config = fixture_path(dir, "c.json"), .data = data, .out = out, .threads = 1};
    ck_ok(run_with(&o, &printed, &err), err);
    free(printed);
    char *names = fixture_read_text(fixture_path(out, "classes.txt"));
    ck_assert_str_eq(names, "blue sky\nred\n");
    free(names);
    files[0] = app_format("%s/val/red/0.jpg", data);
    files[1] = app_format("%s/val/blue sky/3.jpg", data);
    files[2] = app_format("%s/val/red/2.jpg", data);
    /* No data are needed. */
    o = (options){.config = o.config,
        .resume = snapshot,
        .eval = true,
        .images = files,
        .n_images = 3,
        .threads = 1};
    ck_ok(run_with(&o, &printed, &err), err);
    const char *p = printed;
    for (int i = 0; i < 3; i++) {
        static const char *const classes[] = {"red", "blue sky", "red"};
        double sum = 0.0, before = 100.0;
        ck_assert(strncmp(p, files[i], strlen(files[i])) == 0);
        p += strlen(files[i]) + 1;
        for (int k = 0; k < 3; k++) { /* fewer classes than five */
            double share;
            int n = 0;
            ck_assert_int_eq(sscanf(p, " %lf %% %n", &share, &n), 1);
            ck_assert(share <= before);
            before = share;
            sum += share;
            p += n;
            if (k == 0)
                ck_assert_msg(
                    strncmp(p, classes[i], strlen(classes[i])) == 0 && share > 50.0, "%s", printed);
            p += strcspn(p, "\n") + 1;
        }
        ck_assert_double_eq_tol(sum, 100.0, 0.02);
    }
    ck_assert_ptr_nonnull(strstr(printed, "class 2\n")); /* has no folder, so no name */
    free(printed);
    /* Weights alone know no ranges. */
    o.resume = NULL;
    o.weights = snapshot;
    ck_assert_int_eq(run_with(&o, &printed, &err), NNCF_E_STATE);
    ck_assert_msg(strstr(err.message, "--resume") != NULL, "%s", err.message);
    free(printed);
    o.weights = NULL;
    o.resume = snapshot;
    free(files[1]);
    files[1] = app_format("%s/none.jpg", data);
    ck_assert_int_eq(run_with(&o, &printed, &err), NNCF_E_IO);
    ck_assert_msg(strstr(err.message, "none.jpg") != NULL, "%s", err.message);
    free(printed);
    for (int i = 0; i < 3; i++)
        free(files[i]);
    free(snapshot);
    free(data);
    free(out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("example_pictures");
    TCase *c = fx_case(suite, "all", 120);
    tcase_add_checked_fixture(c, setup, teardown);
#ifdef WITH_PNG
    tcase_add_test(c, pngs_are_read);
    tcase_add_test(c, pngs_that_are_cut_short_or_damaged_are_refused);
#endif
    tcase_add_test(c, pngs_are_pictures_of_a_class_where_libpng_is);
    tcase_add_test(c, pictures_are_named_with_their_classes);
    return fx_main(suite);
}
