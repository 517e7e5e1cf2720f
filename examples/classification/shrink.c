/* SPDX-License-Identifier: Apache-2.0 */
/* A host's side of nncf_compression_ctrl_shrink(): new arrays for the network, and in the place of
 * the old ones; the optimizer's moments keep their buffers, with what stays in front. */
#include "shrink.h"

#include <stdlib.h>

typedef struct change {
    net *network;
    optimizer *opt;
    /* what was allocated so far, for the case that the change fails */
    float **made;
    size_t n_made;
} change;

static size_t new_count(const nncf_shrink_array *a)
{
    size_t count = 1;
    for (int32_t i = 0; i < a->ndim; i++)
        count *= (size_t)a->new_shape[i];
    return count;
}

static float *make(change *c, size_t count)
{
    float *made = app_floats(count);
    if (made != NULL)
        c->made[c->n_made++] = made;
    return made;
}

static int32_t on_resize(void *user, nncf_shrink_array *a)
{
    change *c = user;
    a->new_data = make(c, new_count(a));
    a->new_grad = a->grad != NULL ? make(c, new_count(a)) : NULL;
    return a->new_data == NULL || (a->grad != NULL && a->new_grad == NULL);
}

static void on_moved(void *user, const nncf_shrink_array *a)
{
    change *c = user;
    for (size_t i = 0; c->opt != NULL && i < c->opt->n_parameters; i++) {
        optimizer_parameter *p = &c->opt->parameters[i];
        if (p->data != a->data)
            continue;
        for (int k = 0; k < 2; k++)
            if (p->state[k] != NULL)
                nncf_shrink_gather(a, p->state[k], p->state[k], NULL);
        p->data = a->new_data;
        p->grad = a->new_grad;
        p->count = new_count(a);
    }
    if (a->array != NNCF_ARRAY_PARAMETER) /* those are the controller's */
        net_replace(c->network, a->data, a->new_data, a->new_grad, a->new_shape);
}

nncf_status shrink_network(
    nncf_compression_ctrl *ctrl, net *n, optimizer *o, const char *removed, nncf_error *err)
{
    size_t n_tensors;
    (void)net_tensors(n, &n_tensors);
    change c = {.network = n, .opt = o, .made = calloc(2 * n_tensors + 1, sizeof *c.made)};
    const nncf_shrink_params params = {NNCF_PARAMS(nncf_shrink_params), .resize = on_resize,
        .moved = on_moved, .user = &c, .removed = removed};
    nncf_status status = c.made != NULL
        ? nncf_compression_ctrl_shrink(ctrl, &params, err)
        : app_fail(err, NNCF_E_NOMEM, NULL, "no memory to remove filters");
    for (size_t i = 0; status != NNCF_OK && i < c.n_made; i++)
        free(c.made[i]);
    free(c.made);
    return status == NNCF_OK ? net_resized(n, err) : status;
}
