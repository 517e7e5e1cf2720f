/* SPDX-License-Identifier: Apache-2.0 */
/* The classifier of texts: files of fortunes as samples, gradients along one dimension, and short
 * runs whose loss falls, in float and with half of the weights and 8 bits. */
#include "fixture.h"
#include "fortunes.h"
#include "task_run.h"
#include "textcnn.h"

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

/* ---- fortunes.h ---- */

static bool reads(const fortune *f, const char *text)
{
    return f->size == strlen(text) && memcmp(f->text, text, f->size) == 0;
}

/* How often a text is there; it must have this topic. */
static int times(const fortune *list, size_t n, const char *text, int topic)
{
    int found = 0;
    for (size_t i = 0; i < n; i++)
        if (reads(&list[i], text)) {
            ck_assert_int_eq(list[i].topic, topic);
            found++;
        }
    return found;
}

START_TEST(texts_stand_between_lines_of_one_percent_sign)
{
    static const char *const seen[] = {"one\n\n% two", "100 %", "%%", "last"};
    nncf_error err = NNCF_ERROR_INIT;
    fortunes f;
    fixture_write_text(dir, "large", "%\none\n\n% two\n\n%\n%\n\n%\n100 %\n%\n%%\n%\nlast");
    fixture_write_text(dir, "other", "12345678\n%\n12345678\n%\n1\n%\n2\n%\n3\n%\n4\n%\n");
    fixture_write_text(dir, "small", "small\n%\n");
    fixture_write_text(dir, "large.dat", "an index, larger than all of the files of texts here");
    ck_ok(fortunes_open(dir, 2, &f, &err), err);
    ck_assert_uint_eq(f.n_train + f.n_test, 4 + 6);
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        ck_assert_int_eq(times(f.train, f.n_train + f.n_test, seen[i], 0), 1);
    ck_assert_int_eq(times(f.train, f.n_train + f.n_test, "4", 1), 1);
    ck_assert_int_eq(times(f.train, f.n_train + f.n_test, "small", 1), 0);
    /* what is there twice is on one side */
    ck_assert_int_eq(times(f.train, f.n_train, "12345678", 1) % 2, 0);
    ck_assert_int_eq(times(f.train, f.n_train + f.n_test, "12345678", 1), 2);
    fortunes_close(&f);
}
END_TEST

/* Words of the file's own syllables among those that all have. */
static void write_texts(const char *name, const char *own, int count)
{
    static const char *const common[] = {"ta", "ne", "ki", "so", "lu", "ma"};
    const size_t room = (size_t)count * 128;
    char *text = calloc(room, 1);
    size_t at = 0;
    uint32_t r = 1;
    for (int i = 0; i < count; i++) {
        for (int word = 0; word < 12; word++) {
            r = r * 1664525u + 1013904223u;
            at += (size_t)snprintf(text + at, room - at, "%s%s ", common[(r >> 16) % 6],
                word % 2 == 1 ? own : common[(r >> 20) % 6]);
        }
        at += (size_t)snprintf(text + at, room - at, "%d\n%%\n", i);
    }
    fixture_write_text(dir, name, text);
    free(text);
}

START_TEST(one_text_in_five_is_for_the_test)
{
    nncf_error err = NNCF_ERROR_INIT;
    fortunes f, again;
    write_texts("a", "zu", 1500);
    write_texts("b", "xi", 500);
    ck_ok(fortunes_open(dir, 2, &f, &err), err);
    ck_ok(fortunes_open(dir, 2, &again, &err), err);
    ck_assert_uint_eq(f.n_train + f.n_test, 2000);
    /* 400 and four deviations of a fair draw */
    ck_assert_double_eq_tol((double)f.n_test, 400.0, 4.0 * 17.9);
    ck_assert_double_eq_tol(fortunes_majority(&f), 0.75, 4.0 * 0.0217);
    ck_assert_uint_eq(f.n_test, again.n_test);
    for (size_t i = 0; i < f.n_test; i++) {
        ck_assert_uint_eq(f.test[i].hash, again.test[i].hash);
        ck_assert(i == 0 || f.test[i - 1].hash <= f.test[i].hash);
    }
    fortunes_close(&f);
    fortunes_close(&again);
}
END_TEST

/* ---- graph.h ---- */

enum { N = 2, LENGTH = 12, OUTPUTS = 3 };

/* Channels that move, and kernels of one row; shapes are checked on the way. */
static graph *make_graph(void)
{
    const int64_t sample[] = {1, 1, LENGTH};
    int64_t shape[GRAPH_NDIM];
    nncf_error err = NNCF_ERROR_INIT;
    graph *g;
    ck_ok(graph_create(NULL, NNCF_I32, 3, sample, 1, &g, &err), err);
    int x = graph_embedding(g, "Net/Embedding[e]", GRAPH_INPUT, 9, 6, 1.0);
    x = graph_channels_first(g, "Net/transpose_0", x);
    ck_assert_int_eq(graph_shape(g, x, N, shape), 4);
    ck_assert(shape[0] == N && shape[1] == 6 && shape[2] == 1 && shape[3] == LENGTH);
    x = graph_conv(g, "Net/Conv2d[0]", x,
        (graph_conv_spec){.out = 4,
            .kernel = 5,
            .one_row = true,
            .stride = 1,
            .activation = NNCF_ACTIVATION_TANH});
    ck_assert_int_eq(graph_shape(g, x, N, shape), 4);
    ck_assert(shape[0] == N && shape[1] == 4 && shape[2] == 1 && shape[3] == LENGTH);
    x = graph_max_pool(g, "Net/max_pool2d_0", x, 1, 3);
    ck_assert_int_eq(graph_shape(g, x, N, shape), 4);
    ck_assert(shape[0] == N && shape[1] == 4 && shape[2] == 1 && shape[3] == LENGTH / 3);
    graph_linear(g, "Net/Linear[l]", x, OUTPUTS, NNCF_ACTIVATION_NONE, 0.5);
    ck_ok(graph_finish(g, &err), err);
    return g;
}

static const int32_t ids[N * LENGTH] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 2, 4, 6, 8, 1, 3, 5, 7, 3, 0, 8, 2, 2, 6};

/* sum of c y, c being different everywhere */
static double loss_of(graph *g, float *dy)
{
    nncf_error err = NNCF_ERROR_INIT;
    const float *y;
    double sum = 0.0;
    ck_ok(graph_forward(g, ids, N, &y, &err), err);
    for (int i = 0; i < N * OUTPUTS; i++) {
        sum += (1.0 + 0.3 * i) * y[i];
        if (dy != NULL)
            dy[i] = (float)(1.0 + 0.3 * i);
    }
    return sum;
}

START_TEST(gradients_along_a_text_are_those_of_finite_differences)
{
    nncf_error err = NNCF_ERROR_INIT;
    graph *g = make_graph();
    loss_of(g, NULL); /* makes the buffers */
    graph_zero_grad(g);
    loss_of(g, graph_output_grad(g));
    ck_ok(graph_backward(g, ids, &err), err);
    const size_t moved = task_compare_gradients(g, loss_of, 2e-3f, 5e-3);
    ck_assert_uint_gt(moved, 100);
    graph_destroy(g);
}
END_TEST

/* ---- runs ---- */

#define SMALL                                                                                      \
    "\"model_params\": {\"topics\": 3, \"length\": 48, \"size\": 8, \"width\": 8}, "               \
    "\"batch_size\": 16, \"epochs\": 2, \"steps_per_epoch\": 60, "                                 \
    "\"optimizer\": {\"base_lr\": 0.01, \"warmup_steps\": 10}"

/* Three topics: a loss of 1.1 without knowledge. The export runs the file's nodes on validation
 * samples and refuses to write a file that computes something else. */
START_TEST(textcnn_learns_and_exports)
{
    static const char *const configs[] = {"{" SMALL "}",
        "{" SMALL ", \"input_info\": {\"sample_size\": [1, 1, 48], \"type\": \"long\"}, "
        "\"target_device\": \"CPU\", \"compression\": [{\"algorithm\": \"magnitude_sparsity\", "
        "\"params\": {\"schedule\": \"multistep\", \"multistep_steps\": [1], "
        "\"multistep_sparsity_levels\": [0.3, 0.5]}}, {\"algorithm\": \"quantization\", "
        "\"initializer\": {\"range\": {\"num_init_samples\": 32}}}]}"};
    write_texts("a", "zu", 150);
    write_texts("b", "xi", 130);
    write_texts("c", "po", 110);
    ck_assert_int_eq(task_run(dir, &textcnn_task, configs[_i], dir), 0);
    ck_assert_double_lt(task_metric(dir, "loss"), 0.5);
    ck_assert_double_gt(task_metric(dir, "accuracy"), 85.0);
    if (_i == 1)
        ck_assert_double_eq_tol(task_metric(dir, "sparsity"), 0.5, 0.01);
    task_check_files(dir);
}
END_TEST

START_TEST(textcnn_refuses_too_few_files)
{
    write_texts("a", "zu", 50);
    write_texts("b", "xi", 50);
    ck_assert_int_eq(task_run(dir, &textcnn_task, "{" SMALL "}", fixture_path(dir, "a")), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("example_textcnn");
    TCase *tests = fx_case(suite, "textcnn", 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, texts_stand_between_lines_of_one_percent_sign);
    tcase_add_test(tests, one_text_in_five_is_for_the_test);
    tcase_add_test(tests, gradients_along_a_text_are_those_of_finite_differences);
    tcase_add_loop_test(tests, textcnn_learns_and_exports, 0, 2);
    tcase_add_test(tests, textcnn_refuses_too_few_files);
    return fx_main(suite);
}
