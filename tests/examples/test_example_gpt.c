/* SPDX-License-Identifier: Apache-2.0 */
/* The character-level GPT: a small one learns a small text, plainly and in 8 bits, and is exported;
 * and the machine that runs it has the gradients of finite differences. */
#include "fixture.h"
#include "gpt.h"
#include "graph.h"
#include "task_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SMALL                                                                                      \
    "\"model_params\": {\"context\": 16, \"width\": 32, \"heads\": 2, \"blocks\": 1}, "            \
    "\"batch_size\": 16, \"epochs\": 2, \"steps_per_epoch\": 100, "                                \
    "\"optimizer\": {\"base_lr\": 0.01, \"warmup_steps\": 10, \"weight_decay\": 0.01, "            \
    "\"max_norm\": 1}"

/* 70 different characters: 4.2 without knowledge, 3.2 with their frequencies. The export runs the
 * file's nodes on validation samples and refuses to write a file that computes something else. */
START_TEST(gpt_learns_and_exports)
{
    static const char *const configs[] = {"{" SMALL "}",
        "{" SMALL ", \"target_device\": \"CPU\", \"compression\": {\"algorithm\": "
        "\"quantization\", \"initializer\": {\"range\": {\"num_init_samples\": 32}}}}"};
    char *dir = fixture_make_dir();
    ck_assert_int_eq(task_run(dir, &gpt_task, configs[_i], EXAMPLE_TEXT), 0);
    ck_assert_double_lt(task_metric(dir, "loss"), 2.6);
    ck_assert_double_lt(task_metric(dir, "val_loss"), 2.9);
    task_check_files(dir);
    fixture_remove(dir);
}
END_TEST

START_TEST(gpt_refuses_too_little_text)
{
    char *dir = fixture_make_dir();
    fixture_write_text(dir, "short", "hardly a word");
    ck_assert_int_eq(task_run(dir, &gpt_task, "{" SMALL "}", fixture_path(dir, "short")), 1);
    fixture_remove(dir);
}
END_TEST

/* ---- graph.h ---- */

enum { N = 2 };

/* What the graph runs itself, and outputs with two readers and with one that reads twice. */
static graph *make_graph(void)
{
    const int64_t sample[] = {1, 4, 2};
    nncf_error err = NNCF_ERROR_INIT;
    graph *g;
    ck_ok(graph_create(NULL, NNCF_I32, 3, sample, 5, &g, &err), err);
    int x = graph_embedding(g, "Net/Embedding[e]", GRAPH_INPUT, 9, 6, 1.0);
    x = graph_mean(g, "Net/mean_0", x, 2);
    const int forked = graph_layer_norm(g, "Net/LayerNorm[n]", x);
    int a = graph_attention(g, "Net/Attention[a]", forked,
        (graph_attention_spec){.heads = 3, .causal = true, .deviation = 0.5, .out_deviation = 0.5});
    a = graph_sum(g, "Net/__add___1", a, a);
    a = graph_sum(g, "Net/__add___0", forked, a);
    graph_linear(g, "Net/Linear[l]", a, 3, NNCF_ACTIVATION_TANH, 0.5);
    ck_ok(graph_finish(g, &err), err);
    return g;
}

static const int32_t ids[N * 4 * 2] = {0, 5, 1, 6, 2, 7, 3, 8, 4, 0, 3, 1, 2, 2, 1, 3};

/* sum of c y, c being different everywhere */
static double loss_of(graph *g, float *dy)
{
    nncf_error err = NNCF_ERROR_INIT;
    const float *y;
    int64_t shape[GRAPH_NDIM];
    double sum = 0.0;
    size_t count = 1;
    ck_ok(graph_forward(g, ids, N, &y, &err), err);
    for (int i = 0, n = graph_shape(g, -2, N, shape); i < n; i++)
        count *= (size_t)shape[i];
    for (size_t i = 0; i < count; i++) {
        const double c = sin(1.0 + 0.7 * (double)i);
        sum += c * y[i];
        if (dy != NULL)
            dy[i] = (float)c;
    }
    return sum;
}

START_TEST(gradients_are_those_of_finite_differences)
{
    nncf_error err = NNCF_ERROR_INIT;
    graph *g = make_graph();
    const float *y;
    ck_ok(graph_forward(g, ids, N, &y, &err), err); /* makes the buffers */
    graph_zero_grad(g);
    loss_of(g, graph_output_grad(g));
    ck_ok(graph_backward(g, ids, &err), err);
    const size_t moved = task_compare_gradients(g, loss_of, 1e-2f, 2e-3);
    ck_assert_uint_gt(moved, 60);
    graph_destroy(g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("example_gpt");
    TCase *tests = fx_case(suite, "gpt", 120);
    tcase_add_loop_test(tests, gpt_learns_and_exports, 0, 2);
    tcase_add_test(tests, gpt_refuses_too_little_text);
    tcase_add_test(tests, gradients_are_those_of_finite_differences);
    return fx_main(suite);
}
