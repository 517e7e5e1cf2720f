/* SPDX-License-Identifier: Apache-2.0 */
/* --predict: what the network takes pictures for. */
#include "run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BEST = 5 };

/* Nothing is trained here, so ranges must be in the file. */
static nncf_status check_ranges(run *r, nncf_error *err)
{
    int32_t more = 0;
    nncf_status status = nncf_compression_ctrl_init_step(r->ctrl, &more, err);
    return status == NNCF_OK && more ? app_fail(err, NNCF_E_STATE, "--predict",
                                           "the config quantizes, and ranges of quantizers are in "
                                           "no file of --weights: give the "
                                           "compressed run's snapshot with --resume")
                                     : status;
}

/* The classes with the highest logits, and their probabilities (softmax). Of equal ones the first
 * comes first. */
static void print_best(
    FILE *output, const float *logits, int64_t classes, char *const *names, size_t n_names)
{
    int64_t order[BEST] = {0};
    double sum = 0.0;
    int64_t n = 0;
    for (int64_t c = 0; c < classes; c++) {
        int64_t at = n;
        for (; at > 0 && logits[c] > logits[order[at - 1]]; at--)
            if (at < BEST)
                order[at] = order[at - 1];
        if (at < BEST)
            order[at] = c;
        n += n < BEST;
    }
    for (int64_t c = 0; c < classes; c++)
        sum += exp((double)logits[c] - (double)logits[order[0]]);
    for (int64_t i = 0; i < n; i++) {
        const double share = exp((double)logits[order[i]] - (double)logits[order[0]]) / sum;
        fprintf(output, "  %6.2f %%  ", 100.0 * share);
        if (n_names > (size_t)order[i])
            fprintf(output, "%s\n", names[order[i]]);
        else
            fprintf(output, "class %lld\n", (long long)order[i]);
    }
}

static nncf_status predict(run *r, char *const *names, size_t n_names, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    size_t done = 0;
    loader_start(r->test_loader, 0);
    while (status == NNCF_OK) {
        const batch *b;
        const float *logits;
        if ((status = loader_next(r->test_loader, &b, err)) != NNCF_OK || b == NULL)
            break;
        status = net_forward(r->network, b->x, b->count, &logits, err);
        for (int64_t i = 0; status == NNCF_OK && i < b->count; i++) {
            fprintf(r->output, "%s\n", r->opts->images[done++]);
            print_best(r->output, logits + i * net_outputs(r->network), net_outputs(r->network),
                names, n_names);
        }
    }
    return status;
}

nncf_status run_predict(run *r, nncf_error *err)
{
    char **names = NULL;
    size_t n_names = 0;
    nncf_status status = check_ranges(r, err);
    if (status == NNCF_OK && r->state.classes != NULL)
        status = dataset_parse_classes(r->state.classes, "classes", &names, &n_names, err);
    nncf_model_set_mode(net_model(r->network), NNCF_MODE_EVAL, NULL);
    if (status == NNCF_OK)
        status = predict(r, names, n_names, err);
    for (size_t i = 0; i < n_names; i++)
        free(names[i]);
    free(names);
    return status;
}
