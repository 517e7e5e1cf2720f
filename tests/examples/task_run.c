/* SPDX-License-Identifier: Apache-2.0 */
#include "task_run.h"
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int task_run(const char *dir, const task *t, const char *config, const char *data)
{
    task copy = *t;
    fixture_write_text(dir, "config.json", config);
    char *args[] = {strdup(t->name), strdup("--config"), strdup(fixture_path(dir, "config.json")),
        strdup("--data"), strdup(data), strdup("--out"), strdup(fixture_path(dir, "out")),
        strdup("--export-onnx"), strdup(fixture_path(dir, "export.onnx")), strdup("--strip"),
        strdup(fixture_path(dir, "stripped.safetensors")), strdup("--threads"), strdup("1")};
    char *given[sizeof args / sizeof *args]; /* getopt moves them */
    memcpy(given, args, sizeof args);
    const int status = trainer_main(&copy, sizeof args / sizeof *args, given);
    for (size_t i = 0; i < sizeof args / sizeof *args; i++)
        free(args[i]);
    return status;
}

double task_metric(const char *dir, const char *key)
{
    char *text = fixture_read_text(fixture_path(dir, "out/metrics.jsonl")), *line = text;
    nncf_config *object;
    nncf_error err = NNCF_ERROR_INIT;
    double value = NAN;
    for (char *next; (next = strchr(line, '\n')) != NULL && next[1] != '\0';)
        line = next + 1;
    ck_ok(nncf_config_parse(NULL, "metrics", line, strlen(line), NULL, &object, &err), err);
    ck_ok(nncf_config_get_double(object, key, &value, &err), err);
    nncf_config_destroy(object);
    free(text);
    return value;
}

void task_check_files(const char *dir)
{
    ck_assert(app_is_file(fixture_path(dir, "out/weights.safetensors")));
    ck_assert(app_is_file(fixture_path(dir, "export.onnx")));
    ck_assert(app_is_file(fixture_path(dir, "stripped.safetensors")));
}

size_t task_compare_gradients(
    graph *g, double (*loss)(graph *g, float *dy), float step, double tolerance)
{
    size_t n, moved = 0;
    const graph_array *arrays = graph_arrays(g, &n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < arrays[i].count; k++) {
            float *p = &arrays[i].data[k], old = *p;
            *p = old + step;
            const double above = loss(g, NULL);
            *p = old - step;
            const double below = loss(g, NULL), slope = (above - below) / (2.0 * (double)step);
            *p = old;
            ck_assert_msg(fabs(slope - arrays[i].grad[k]) < tolerance * (1.0 + fabs(slope)),
                "%s[%zu]: %g, by differences %g", arrays[i].name, k, arrays[i].grad[k], slope);
            moved += fabs(slope) > 1e-2;
        }
    return moved;
}
