/* SPDX-License-Identifier: Apache-2.0 */
#include "adam.h"
#include "optimizer.h"

#include <math.h>
#include <stdlib.h>

typedef struct slot {
    float *m, *v;
} slot;

struct adam {
    graph *g;
    nncf_compression_ctrl *ctrl;
    adam_rates rates;
    slot *slots; /* the graph's arrays, then the controller's parameters */
    size_t n_slots;
    int64_t steps;
};

/* Kingma and Ba 2014, with the decay added to the gradient and eps outside the corrected root, as
 * PyTorch's Adam. */
static void adam_update(const optimizer_settings *s, double lr, double weight_decay, int64_t step,
    size_t n, float *data, const float *grad, float *m, float *v)
{
    float beta1 = (float)s->beta1, beta2 = (float)s->beta2, keep1 = (float)(1.0 - s->beta1),
          keep2 = (float)(1.0 - s->beta2), eps = (float)s->eps, decay = (float)weight_decay;
    float size = (float)(lr / (1.0 - pow(s->beta1, (double)step)));
    float root = (float)sqrt(1.0 - pow(s->beta2, (double)step));
    for (size_t i = 0; i < n; i++) {
        float g = grad[i] + decay * data[i];
        m[i] = beta1 * m[i] + keep1 * g;
        v[i] = beta2 * v[i] + keep2 * g * g;
        data[i] -= size * m[i] / (sqrtf(v[i]) / root + eps);
    }
}

nncf_status adam_create(
    graph *g, nncf_compression_ctrl *ctrl, const adam_rates *rates, adam **out, nncf_error *err)
{
    size_t n_arrays;
    const graph_array *arrays = graph_arrays(g, &n_arrays);
    const size_t n_parameters = nncf_compression_ctrl_get_parameter_count(ctrl);
    adam *a = calloc(1, sizeof *a);
    if (a == NULL || (a->slots = calloc(n_arrays + n_parameters + 1, sizeof *a->slots)) == NULL) {
        adam_destroy(a);
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the optimizer");
    }
    a->g = g;
    a->ctrl = ctrl;
    a->rates = *rates;
    a->n_slots = n_arrays + n_parameters;
    for (size_t i = 0; i < a->n_slots; i++) {
        nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
        if (i >= n_arrays) {
            nncf_status status = nncf_compression_ctrl_get_parameter(ctrl, i - n_arrays, &p, err);
            if (status != NNCF_OK) {
                adam_destroy(a);
                return status;
            }
        } else if (arrays[i].grad == NULL) {
            continue;
        }
        const size_t count = i < n_arrays ? arrays[i].count : p.count;
        a->slots[i] = (slot){app_floats(count), app_floats(count)};
        if (a->slots[i].m == NULL || a->slots[i].v == NULL) {
            adam_destroy(a);
            return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the optimizer");
        }
    }
    *out = a;
    return NNCF_OK;
}

void adam_destroy(adam *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->n_slots; i++) {
        free(a->slots[i].m);
        free(a->slots[i].v);
    }
    free(a->slots);
    free(a);
}

/* All gradients of the network multiplied so that their common length is at most `most`. */
static void cut_gradients(graph *g, double most)
{
    size_t n;
    const graph_array *arrays = graph_arrays(g, &n);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; arrays[i].grad != NULL && k < arrays[i].count; k++)
            sum += (double)arrays[i].grad[k] * (double)arrays[i].grad[k];
    if (!(sqrt(sum) > most))
        return;
    const float factor = (float)(most / sqrt(sum));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; arrays[i].grad != NULL && k < arrays[i].count; k++)
            arrays[i].grad[k] *= factor;
}

nncf_status adam_step(adam *a, double factor, nncf_error *err)
{
    const optimizer_settings rule = {.beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8};
    const double lr = a->rates.lr * factor;
    size_t n_arrays;
    const graph_array *arrays = graph_arrays(a->g, &n_arrays);
    if (a->rates.max_norm > 0.0)
        cut_gradients(a->g, a->rates.max_norm);
    a->steps++;
    /* What Adam keeps of masked weights decays into subnormal numbers, which are slow. */
    const int32_t before = nncf_flush_denormals(1);
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < n_arrays; i++) {
        const graph_array *p = &arrays[i];
        if (p->grad == NULL)
            continue;
        /* Loshchilov and Hutter 2019: the decay is apart from the gradient. */
        const float keep = (float)(1.0 - (p->ndim > 1 ? lr * a->rates.weight_decay : 0.0));
        for (size_t k = 0; keep < 1.0f && k < p->count; k++)
            p->data[k] *= keep;
        adam_update(
            &rule, lr, 0.0, a->steps, p->count, p->data, p->grad, a->slots[i].m, a->slots[i].v);
    }
    for (size_t i = n_arrays; i < a->n_slots && status == NNCF_OK; i++) {
        nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
        status = nncf_compression_ctrl_get_parameter(a->ctrl, i - n_arrays, &p, err);
        if (status == NNCF_OK && !p.frozen)
            adam_update(&rule,
                (p.kind == NNCF_PARAMETER_MASK_LOGIT ? a->rates.mask_lr : lr) * p.lr_multiplier,
                0.0, a->steps, p.count, p.data, p.grad, a->slots[i].m, a->slots[i].v);
    }
    nncf_flush_denormals(before);
    return status;
}
