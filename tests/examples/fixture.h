/* SPDX-License-Identifier: Apache-2.0 */
/* Folders, data sets and configs that tests make for themselves. */
#ifndef TESTS_EXAMPLES_FIXTURE_H
#define TESTS_EXAMPLES_FIXTURE_H

#include "app.h"
#include "support/random.h"
#include "support/runner.h"

#include <check.h>
#include <stdio.h>

/* A new folder below the system's temporary one; removed with all that is in it by
 * fixture_remove(). free() it. */
char *fixture_make_dir(void);
void fixture_remove(char *dir);

/* "<dir>/<name>", in one of a few static buffers that come round again. */
const char *fixture_path(const char *dir, const char *name);
void fixture_write(const char *dir, const char *name, const void *bytes, size_t size, bool gzip);
void fixture_write_text(const char *dir, const char *name, const char *text);
/* The whole file as text, NUL at the end; free() it. */
char *fixture_read_text(const char *path);
/* Not a bit may differ. */
void fixture_expect_same_file(const char *a, const char *b);

/* IDX: `count` images of 28x28 whose class (of 10) shows as a bright bar on noise; `set` is "train"
 * or "t10k". */
void fixture_write_idx(const char *dir, const char *set, int count, bool gzip);
/* A JPEG of these pixels (height x width x components): 3 components RGB, 1 grey, 4 CMYK. */
void fixture_write_pixels(const char *dir, const char *name, int width, int height, int components,
    const uint8_t *pixels);
/* A JPEG of one colour. */
void fixture_write_jpeg(
    const char *dir, const char *name, int width, int height, int components, const int *colour);

#define ck_ok(status, err) ck_assert_msg((status) == NNCF_OK, "%s", (err).message)

#endif
