/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "support/files.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <jpeglib.h>

char *fixture_make_dir(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = app_format("%s/nncf-example-XXXXXX", base != NULL ? base : "/tmp");
    ck_assert_ptr_nonnull(dir);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    return dir;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void fixture_remove(char *dir)
{
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(dir);
}

const char *fixture_path(const char *dir, const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

void fixture_write(const char *dir, const char *name, const void *bytes, size_t size, bool gzip)
{
    const char *path = fixture_path(dir, name);
    if (gzip) {
        gzFile file = gzopen(path, "wb");
        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(gzwrite(file, bytes, (unsigned)size), (int)size);
        ck_assert_int_eq(gzclose(file), Z_OK);
    } else {
        FILE *file = fopen(path, "wb");
        ck_assert_ptr_nonnull(file);
        ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
        ck_assert_int_eq(fclose(file), 0);
    }
}

void fixture_write_text(const char *dir, const char *name, const char *text)
{
    fixture_write(dir, name, text, strlen(text), false);
}

char *fixture_read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t room = 0;
    ck_assert_msg(file != NULL, "%s", path);
    if (getdelim(&text, &room, '\0', file) < 0)
        text[0] = '\0';
    fclose(file);
    return text;
}

void fixture_expect_same_file(const char *a, const char *b)
{
    size_t sizes[2];
    char *bytes[2] = {fx_read_file(a, &sizes[0]), fx_read_file(b, &sizes[1])};
    ck_assert_uint_eq(sizes[0], sizes[1]);
    ck_assert_msg(memcmp(bytes[0], bytes[1], sizes[0]) == 0, "%s and %s differ", a, b);
    free(bytes[0]);
    free(bytes[1]);
}

static void put_header(uint8_t *p, int ndim, const uint32_t *sizes)
{
    p[0] = p[1] = 0;
    p[2] = 8;
    p[3] = (uint8_t)ndim;
    for (int i = 0; i < ndim; i++)
        for (int k = 0; k < 4; k++)
            p[4 + 4 * i + k] = (uint8_t)(sizes[i] >> (24 - 8 * k));
}

void fixture_write_idx(const char *dir, const char *set, int count, bool gzip)
{
    const uint32_t image_shape[3] = {(uint32_t)count, 28, 28}, label_shape[1] = {(uint32_t)count};
    size_t image_bytes = 16 + (size_t)count * 784, label_bytes = 8 + (size_t)count;
    uint8_t *images = malloc(image_bytes), *labels = malloc(label_bytes);
    uint64_t random = 12345;
    char name[64];
    ck_assert(images != NULL && labels != NULL);
    put_header(images, 3, image_shape);
    put_header(labels, 1, label_shape);
    for (int i = 0; i < count; i++) {
        uint8_t *pixels = images + 16 + (size_t)i * 784;
        int label = i % 10;
        labels[8 + i] = (uint8_t)label;
        for (int k = 0; k < 784; k++) {
            pixels[k] = (uint8_t)((fx_next(&random) >> 58) + (k / 28 / 2 == label + 2 ? 190u : 0u));
        }
    }
    snprintf(name, sizeof name, "%s-images-idx3-ubyte%s", set, gzip ? ".gz" : "");
    fixture_write(dir, name, images, image_bytes, gzip);
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte%s", set, gzip ? ".gz" : "");
    fixture_write(dir, name, labels, label_bytes, gzip);
    free(images);
    free(labels);
}

void fixture_write_pixels(
    const char *dir, const char *name, int width, int height, int components, const uint8_t *pixels)
{
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr error;
    FILE *file = fopen(fixture_path(dir, name), "wb");
    ck_assert(file != NULL);
    info.err = jpeg_std_error(&error);
    jpeg_create_compress(&info);
    jpeg_stdio_dest(&info, file);
    info.image_width = (JDIMENSION)width;
    info.image_height = (JDIMENSION)height;
    info.input_components = components;
    info.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 95, TRUE);
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height) {
        JSAMPROW row = (uint8_t *)(uintptr_t)pixels +
            (size_t)info.next_scanline * (size_t)(width * components);
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    ck_assert_int_eq(fclose(file), 0);
}

void fixture_write_jpeg(
    const char *dir, const char *name, int width, int height, int components, const int *colour)
{
    const int n = width * height * components;
    uint8_t *pixels = malloc((size_t)n);
    ck_assert(pixels != NULL);
    for (int i = 0; i < n; i++)
        pixels[i] = (uint8_t)colour[i % components];
    fixture_write_pixels(dir, name, width, height, components, pixels);
    free(pixels);
}
