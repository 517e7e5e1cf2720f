/* SPDX-License-Identifier: Apache-2.0 */
/* Segmentation and detection: scores of cases that are worked out by hand, losses against finite
 * differences, scenes whose boxes are those of their pixels, and short runs. */
#include "fixture.h"
#include "scene_task.h"
#include "scores.h"
#include "task_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *dir;

static void setup(void)
{
    dir = fixture_make_dir();
    fixture_write_idx(dir, "train", 80, true);
    fixture_write_idx(dir, "t10k", 30, false);
}

static void teardown(void)
{
    fixture_remove(dir);
}

/* ---- scores ---- */

/* Class 0: 1 pixel in both, 3 in either; class 1: 2 of 3; class 2: 0 of 1; the others do not occur.
 */
START_TEST(mean_iou_of_five_pixels)
{
    const uint8_t truth[] = {0, 0, 1, 1, 2}, predicted[] = {0, 1, 1, 1, 0};
    confusion c = {0};
    confusion_add(&c, truth, predicted, 5);
    ck_assert_double_eq_tol(confusion_mean_iou(&c), (1.0 / 3.0 + 2.0 / 3.0 + 0.0) / 3.0, 1e-15);
    ck_assert_double_eq_tol(confusion_accuracy(&c), 0.6, 1e-15);
    confusion_add(&c, truth, truth, 5); /* sums over pictures: 3/5, 4/5, 1/2 */
    ck_assert_double_eq_tol(confusion_mean_iou(&c), (0.6 + 0.8 + 0.5) / 3.0, 1e-15);
    ck_assert(isnan(confusion_mean_iou(&(confusion){0})));
}
END_TEST

START_TEST(iou_of_boxes)
{
    const scene_box a = {0, 0, 2, 2, 0}, b = {1, 1, 3, 3, 0}, beside = {2, 0, 4, 2, 0},
                    half = {0, 0, 1, 2, 0}, none = {1, 1, 1, 1, 0};
    ck_assert_double_eq_tol(box_iou(&a, &a), 1.0, 1e-15);
    ck_assert_double_eq_tol(box_iou(&a, &b), 1.0 / 7.0, 1e-15);
    ck_assert_double_eq_tol(box_iou(&a, &half), 0.5, 1e-15);
    ck_assert_double_eq(box_iou(&a, &beside), 0.0);
    ck_assert_double_eq(box_iou(&none, &none), 0.0);
}
END_TEST

START_TEST(weaker_boxes_of_one_object_go)
{
    detection d[] = {{{1, 0, 11, 10, 0}, 0.5f, 0}, {{0, 0, 10, 10, 0}, 0.9f, 0},
        {{1, 0, 11, 10, 1}, 0.4f, 0}, {{1, 0, 11, 10, 0}, 0.3f, 1}, {{8, 0, 18, 10, 0}, 0.2f, 0}};
    ck_assert_uint_eq(detections_suppress(d, 5, 0.5), 4);
    ck_assert_float_eq(d[0].score, 0.9f);
    ck_assert_float_eq(d[1].score, 0.4f); /* another class */
    ck_assert_float_eq(d[2].score, 0.3f); /* another image */
    ck_assert_float_eq(d[3].score, 0.2f); /* another place */
}
END_TEST

/* Class 0 has three objects; by falling score hit, miss, hit, miss, hit: precisions 1, 1/2, 2/3,
 * 1/2, 3/5 at recalls 1/3, 1/3, 2/3, 2/3, 1; the best from there on is 1, 2/3, 3/5. Class 1 is
 * found twice, the second time in vain. Class 2 is not found. Class 3 has no object. */
START_TEST(mean_ap_of_a_small_set)
{
    const scene_box at = {0, 0, 10, 10, 0}, other = {30, 30, 40, 40, 0};
#define BOX(class_, box)                                                                           \
    (scene_box)                                                                                    \
    {                                                                                              \
        (box).x0, (box).y0, (box).x1, (box).y1, class_                                             \
    }
    const detection truth[] = {{BOX(0, at), 1, 0}, {BOX(0, at), 1, 1}, {BOX(0, at), 1, 2},
        {BOX(1, at), 1, 0}, {BOX(2, at), 1, 0}};
    detection d[] = {{BOX(0, at), 0.7f, 1}, {BOX(0, at), 0.9f, 0}, {BOX(0, other), 0.8f, 0},
        {BOX(0, other), 0.6f, 1}, {BOX(0, at), 0.5f, 2}, {BOX(1, at), 0.9f, 0},
        {BOX(1, at), 0.8f, 0}, {BOX(3, at), 0.9f, 0}, {BOX(2, at), 0.9f, 1}};
    nncf_error err = NNCF_ERROR_INIT;
    const double ap0 = (1.0 + 2.0 / 3.0 + 3.0 / 5.0) / 3.0;
    ck_assert_double_eq_tol(
        detections_mean_ap(d, 9, truth, 5, 0.5, &err), (ap0 + 1.0 + 0.0) / 3.0, 1e-12);
    ck_assert(isnan(detections_mean_ap(d, 9, truth, 0, 0.5, &err)));
    ck_assert_double_eq(detections_mean_ap(d, 0, truth, 5, 0.5, &err), 0.0);
    ck_assert_int_eq(err.status, NNCF_OK);
}
END_TEST

START_TEST(an_iou_of_half_is_a_hit_and_less_is_none)
{
    const detection truth = {{0, 0, 2, 1, 0}, 1, 0};
    detection half = {{0, 0, 1, 1, 0}, 1, 0}, less = {{0, 0, 0.9f, 1, 0}, 1, 0};
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_double_eq(detections_mean_ap(&half, 1, &truth, 1, 0.5, &err), 1.0);
    ck_assert_double_eq(detections_mean_ap(&less, 1, &truth, 1, 0.5, &err), 0.0);
}
END_TEST

/* ---- scenes ---- */

START_TEST(boxes_are_those_of_the_pixels)
{
    nncf_error err = NNCF_ERROR_INIT;
    scenes s;
    static scene a, b;
    int alone = 0, several = 0;
    ck_ok(scenes_open(dir, 3, &s, &err), err);
    for (int64_t i = 0; i < 30; i++) {
        int box[4] = {SCENE_SIZE, SCENE_SIZE, 0, 0}, pixels = 0, stray = 0;
        scenes_draw(&s, true, i, &a);
        scenes_draw(&s, true, i, &b);
        ck_assert_mem_eq(&a, &b, sizeof a);
        ck_assert_int_ge(a.n_boxes, 1);
        ck_assert_int_le(a.n_boxes, SCENE_OBJECTS);
        several += a.n_boxes > 1;
        for (int y = 0; y < SCENE_SIZE; y++)
            for (int x = 0; x < SCENE_SIZE; x++) {
                const int class = a.mask[y * SCENE_SIZE + x];
                bool inside = class == 0;
                for (int k = 0; k < a.n_boxes; k++)
                    inside = inside ||
                        (a.boxes[k].class + 1 == class && (float)x >= a.boxes[k].x0 &&
                            (float)x < a.boxes[k].x1 && (float)y >= a.boxes[k].y0 &&
                            (float)y < a.boxes[k].y1);
                stray += !inside || class > SCENE_CLASSES;
                if (class == 0)
                    continue;
                pixels++;
                box[0] = x < box[0] ? x : box[0];
                box[1] = y < box[1] ? y : box[1];
                box[2] = x + 1 > box[2] ? x + 1 : box[2];
                box[3] = y + 1 > box[3] ? y + 1 : box[3];
            }
        ck_assert_int_eq(stray, 0);
        ck_assert_int_gt(pixels, 30);
        if (a.n_boxes > 1)
            continue;
        alone++;
        ck_assert_float_eq(a.boxes[0].x0, (float)box[0]);
        ck_assert_float_eq(a.boxes[0].y0, (float)box[1]);
        ck_assert_float_eq(a.boxes[0].x1, (float)box[2]);
        ck_assert_float_eq(a.boxes[0].y1, (float)box[3]);
    }
    ck_assert_int_gt(alone, 2);
    ck_assert_int_gt(several, 10);
    scenes_close(&s);
}
END_TEST

START_TEST(test_scenes_do_not_depend_on_the_seed)
{
    nncf_error err = NNCF_ERROR_INIT;
    scenes s[2];
    static scene a, b;
    for (int i = 0; i < 2; i++)
        ck_ok(scenes_open(dir, (uint64_t)i, &s[i], &err), err);
    scenes_draw(&s[0], false, 7, &a);
    scenes_draw(&s[1], false, 7, &b);
    ck_assert_mem_eq(&a, &b, sizeof a);
    scenes_draw(&s[0], true, 7, &a);
    scenes_draw(&s[1], true, 7, &b);
    ck_assert_mem_ne(&a, &b, sizeof a);
    scenes_close(&s[0]);
    scenes_close(&s[1]);
}
END_TEST

/* ---- tasks ---- */

static const task *const tasks[] = {&segmentation_task, &detection_task};
static const char small[] = "{\"model_params\": {\"width\": 2}}";

typedef struct opened {
    task t;
    nncf_config *config;
    graph *g;
    float *x, *y, *dy;
    size_t count; /* of y */
} opened;

enum { SAMPLES = 2 };

static void open_task(opened *o, const task *t)
{
    nncf_error err = NNCF_ERROR_INIT;
    int64_t shape[GRAPH_NDIM];
    *o = (opened){.t = *t, .count = 1};
    ck_ok(nncf_config_parse(NULL, "small", small, sizeof small - 1, NULL, &o->config, &err), err);
    ck_ok(o->t.open(&o->t, o->config, dir, 1, NULL, &o->g, &err), err);
    for (int i = 0, n = graph_shape(o->g, -2, SAMPLES, shape); i < n; i++)
        o->count *= (size_t)shape[i];
    o->x = app_bytes(SAMPLES * o->t.input_size);
    o->y = app_floats(o->count);
    o->dy = app_floats(o->count);
    ck_assert(o->x != NULL && o->y != NULL && o->dy != NULL);
    ck_ok(o->t.train_batch(&o->t, 1, SAMPLES, o->x, &err), err);
}

static void close_task(opened *o)
{
    graph_destroy(o->g);
    o->t.close(&o->t);
    nncf_config_destroy(o->config);
    free(o->x);
    free(o->y);
    free(o->dy);
}

START_TEST(losses_have_the_gradients_of_finite_differences)
{
    const float step = 1.0f / 64.0f;
    opened o;
    size_t moved = 0;
    open_task(&o, tasks[_i]);
    for (size_t i = 0; i < o.count; i++)
        o.y[i] = (float)sin(0.37 * (double)i * (double)(1 + i % 7));
    float *dy = app_floats(o.count);
    ck_assert(dy != NULL);
    o.t.loss(&o.t, SAMPLES, o.y, dy);
    for (size_t i = 0; i < o.count; i += _i == 0 ? 241 : 1) {
        const float old = o.y[i];
        o.y[i] = old + step;
        const double above = o.t.loss(&o.t, SAMPLES, o.y, o.dy);
        o.y[i] = old - step;
        const double slope = (above - o.t.loss(&o.t, SAMPLES, o.y, o.dy)) / (2.0 * (double)step);
        o.y[i] = old;
        /* of the mean over 8192 pixels, and of a sum over cells */
        const double scale = _i == 0 ? 1.0 / (SAMPLES * SCENE_PIXELS) : 1.0;
        ck_assert_msg(fabs(slope - dy[i]) < 2e-2 * scale + 2e-3 * fabs(slope),
            "output %zu: %g, by differences %g", i, dy[i], slope);
        moved += fabs(slope) > 0.01 * scale;
    }
    ck_assert_uint_gt(moved, 50);
    free(dy);
    close_task(&o);
}
END_TEST

/* The output that says what is in the scenes has full scores: what the loss wants is what the score
 * reads. */
static void write_truth(const opened *o)
{
    const scene_batch *b = o->t.state;
    for (size_t i = 0; i < o->count; i++)
        o->y[i] = -8.0f;
    for (int64_t i = 0; i < SAMPLES; i++) {
        const scene *s = &b->scenes[i];
        for (size_t p = 0; o->t.loss == segmentation_task.loss && p < SCENE_PIXELS; p++)
            o->y[((size_t)i * SEGMENTATION_CLASSES + s->mask[p]) * SCENE_PIXELS + p] = 8.0f;
        for (int k = 0; o->t.loss == detection_task.loss && k < s->n_boxes; k++) {
            const scene_box *box = &s->boxes[k];
            const double x = (box->x0 + box->x1) / 16.0, y = (box->y0 + box->y1) / 16.0;
            float *at = o->y + (i * (5 + SCENE_CLASSES)) * 64 + (int)y * 8 + (int)x;
            const double u = x - floor(x) + 1e-6, v = y - floor(y) + 1e-6;
            at[0] = (float)log(u / (1.0 - u));
            at[64] = (float)log(v / (1.0 - v));
            at[2 * 64] = logf((box->x1 - box->x0) / 22.0f);
            at[3 * 64] = logf((box->y1 - box->y0) / 22.0f);
            at[4 * 64] = 8.0f;
            at[(5 + box->class) * 64] = 8.0f;
        }
    }
}

START_TEST(the_truth_has_full_scores_and_a_small_loss)
{
    nncf_error err = NNCF_ERROR_INIT;
    double scores[TASK_SCORES];
    opened o;
    open_task(&o, tasks[_i]);
    write_truth(&o);
    ck_assert_double_lt(o.t.loss(&o.t, SAMPLES, o.y, o.dy), 0.05);
    ck_ok(o.t.score(&o.t, SAMPLES, o.y, &err), err);
    ck_ok(o.t.take_scores(&o.t, scores, &err), err);
    ck_assert_double_eq_tol(scores[0], 100.0, 1e-9);
    ck_assert_double_eq_tol(scores[1], 100.0, 1e-9);
    close_task(&o);
}
END_TEST

#define COMPRESSED                                                                                 \
    "\"target_device\": \"CPU\", \"compression\": [{\"algorithm\": \"magnitude_sparsity\", "       \
    "\"params\": {\"schedule\": \"multistep\", \"multistep_steps\": [1], "                         \
    "\"multistep_sparsity_levels\": [0.2, 0.5]}}, {\"algorithm\": \"quantization\", "              \
    "\"initializer\": {\"range\": {\"num_init_samples\": 8}}}]}"

/* Bars on noise instead of clothes. Segmentation: 1.8 without knowledge; all background gives an
 * IoU of about 13. Detection: above 60 at the start; the loss is a sum over cells. */
START_TEST(short_runs_learn_and_export)
{
    static const char *const configs[] = {
        "{\"test_scenes\": 8, \"model_params\": {\"width\": 2}, \"batch_size\": 4, \"epochs\": 2, "
        "\"steps_per_epoch\": 25, \"optimizer\": {\"base_lr\": 0.03}, " COMPRESSED,
        "{\"test_scenes\": 8, \"model_params\": {\"width\": 4}, \"batch_size\": 8, \"epochs\": 2, "
        "\"steps_per_epoch\": 40, \"optimizer\": {\"base_lr\": 0.01}, " COMPRESSED};
    static const double loss[] = {1.3, 22.0};
    ck_assert_int_eq(task_run(dir, tasks[_i], configs[_i], dir), 0);
    ck_assert_double_lt(task_metric(dir, "loss"), loss[_i]);
    ck_assert_double_eq_tol(task_metric(dir, "sparsity"), 0.5, 0.02);
    task_check_files(dir);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("example_scenes");
    TCase *tests = fx_case(suite, "scenes", 300);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, mean_iou_of_five_pixels);
    tcase_add_test(tests, iou_of_boxes);
    tcase_add_test(tests, weaker_boxes_of_one_object_go);
    tcase_add_test(tests, mean_ap_of_a_small_set);
    tcase_add_test(tests, an_iou_of_half_is_a_hit_and_less_is_none);
    tcase_add_test(tests, boxes_are_those_of_the_pixels);
    tcase_add_test(tests, test_scenes_do_not_depend_on_the_seed);
    tcase_add_loop_test(tests, losses_have_the_gradients_of_finite_differences, 0, 2);
    tcase_add_loop_test(tests, the_truth_has_full_scores_and_a_small_loss, 0, 2);
    tcase_add_loop_test(tests, short_runs_learn_and_export, 0, 2);
    return fx_main(suite);
}
