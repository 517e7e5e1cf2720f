/* SPDX-License-Identifier: Apache-2.0 */
/* A host with oneDNN's primitives: it learns bars on noise, in float and compressed, and its
 * stripped file gives the same classes on int8 primitives. */
#include "fixture.h"
#include "onednn.h"

#include <stdlib.h>

START_TEST(host_learns_and_its_stripped_file_says_the_same)
{
    char *dir = fixture_make_dir();
    nncf_error err = NNCF_ERROR_INIT;
    onednn_result r = {0};
    fixture_write_idx(dir, "train", 2000, true);
    fixture_write_idx(dir, "t10k", 300, false);
    const onednn_options o = {.data = dir,
        .stripped = fixture_path(dir, "model.safetensors"),
        .epochs = 6,
        .output = stdout};
    ck_ok(onednn_run(&o, &r, &err), err);
    ck_assert_double_ge(r.float_top1, 90.0);
    ck_assert_double_ge(r.compressed_top1, 90.0);
    ck_assert_double_eq_tol(r.sparsity, 0.7, 0.01);
    ck_assert_uint_lt(r.bytes_compressed, r.bytes_float / 6);
    /* 100 with VNNI; older CPUs saturate sums of two products of int8 in 16 bits */
    ck_assert_double_ge(r.int8_same, 99.0);
    ck_assert_double_ge(r.int8_top1, 90.0);
    fixture_remove(dir);
}
END_TEST

START_TEST(what_is_wrong_is_said)
{
    char *dir = fixture_make_dir();
    nncf_error err = NNCF_ERROR_INIT;
    onednn_result r = {0};
    onednn_options o = {.data = dir, .stripped = "unused", .epochs = 1, .output = stdout};
    ck_assert_int_eq(onednn_run(&o, &r, &err), NNCF_E_NOTFOUND);
    o.epochs = 0;
    ck_assert_int_eq(onednn_run(&o, &r, &err), NNCF_E_ARG);
    fixture_remove(dir);
}
END_TEST

FX_MAIN("example_onednn", host_learns_and_its_stripped_file_says_the_same, what_is_wrong_is_said)
