/* SPDX-License-Identifier: Apache-2.0 */
#include "scene_task.h"
#include "settings.h"

#include <stdlib.h>
#include <string.h>

nncf_status scene_batch_open(
    scene_batch *b, const nncf_config *config, const char *data, uint64_t seed, nncf_error *err)
{
    b->tests = 512;
    nncf_status status = settings_int(config, "test_scenes", 1, &b->tests, err);
    return status == NNCF_OK ? scenes_open(data, seed, &b->data, err) : status;
}

void scene_batch_close(scene_batch *b)
{
    scenes_close(&b->data);
    free(b->scenes);
}

static nncf_status draw(task *t, bool train, int64_t first, int64_t n, void *x, nncf_error *err)
{
    scene_batch *b = t->state;
    if (n > b->room) {
        free(b->scenes);
        b->room = 0;
        if ((b->scenes = calloc((size_t)n, sizeof *b->scenes)) == NULL)
            return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for %lld scenes", (long long)n);
        b->room = n;
    }
    b->first = first;
    for (int64_t i = 0; i < n; i++) {
        scenes_draw(&b->data, train, first + i, &b->scenes[i]);
        memcpy((float *)x + i * SCENE_PIXELS, b->scenes[i].image, sizeof b->scenes[i].image);
    }
    return NNCF_OK;
}

nncf_status scene_train_batch(task *t, int64_t index, int64_t n, void *x, nncf_error *err)
{
    return draw(t, true, index * n, n, x, err);
}

nncf_status scene_test_batch(
    task *t, int64_t index, int64_t n, void *x, int64_t *count, nncf_error *err)
{
    const int64_t left = ((const scene_batch *)t->state)->tests - index * n;
    *count = left < 0 ? 0 : left < n ? left : n;
    return draw(t, false, index * n, *count, x, err);
}
