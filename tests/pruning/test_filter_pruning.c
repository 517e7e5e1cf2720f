/* SPDX-License-Identifier: Apache-2.0 */
/* filter_pruning in a controller: what a forward and a backward make of masks, levels over epochs,
 * statistics, snapshots, adoption, the plan. */
#include "controller/ctrl.h"
#include "graph/model.h"
#include "prune_net.h"
#include "pruning/masks.h"
#include "support/files.h"
#include "support/fixture.h"

#include <json-c/json.h>

static const char *const configs[] = {NET_CONFIG(NET_PRUNING("")),
    NET_CONFIG(NET_PRUNING(", \"filter_importance\": \"geometric_median\"") "," NET_INT8),
    NET_CONFIG(
        NET_PRUNING(", \"all_weights\": true, \"filter_importance\": \"L1\"") "," FX_MAGNITUDE),
    NET_CONFIG("{\"algorithm\": \"filter_pruning\", \"params\": {\"schedule\": \"exponential\", "
               "\"pruning_target\": 0.6, \"pruning_steps\": 4, \"prune_first_conv\": true, "
               "\"prune_batch_norms\": false}}"
               ", {\"algorithm\": \"rb_sparsity\"}," NET_INT8)};
enum { CONFIGS = sizeof configs / sizeof *configs };

static void open_with(net *n, const char *config)
{
    net_open(n, 2, NULL);
    n->ctrl = fx_ctrl(n->model, config);
}

static size_t kept_of(const net *n, int l)
{
    nncf_layer_statistics s = {NNCF_PARAMS(nncf_layer_statistics)};
    ck_assert_int_eq(
        nncf_compression_ctrl_get_layer_statistics(n->ctrl, n->layers[l]->index, &s, NULL),
        NNCF_OK);
    return (size_t)s.filters_left;
}

/* Half of 16 is 8, of 24 is 16: what is left is a multiple of 8, rounded up. */
START_TEST(masks_follow_the_level)
{
    net n;
    open_with(&n, configs[0]);
    static const size_t left[] = {8, 16, 8, 8, 8, 16};
    for (int l = 0; l < LINEAR; l++)
        ck_assert_uint_eq(kept_of(&n, l), left[l]);
    const nncf_statistics s = fx_statistics(n.ctrl);
    ck_assert_int_eq(s.filters, 16 + 24 + 16 + 16 + 16 + 24);
    ck_assert_int_eq(s.filters_left, 8 + 16 + 8 + 8 + 8 + 16);
    ck_assert_uint_eq(s.pruned_layers, 6);
    ck_assert_double_eq(s.pruning_level, 0.5);
    ck_assert_int_eq(s.compression_level, NNCF_COMPRESSION_FULL);
    /* 36 pixels; weights before and left */
    const int64_t before = 3 * 16 * 9 + 16 * 24 * 9 + 24 * 16 * 9 + 16 * 9 + 16 * 16 + 16 * 24 * 9,
                  after = 3 * 8 * 9 + 8 * 16 * 9 + 16 * 8 * 9 + 8 * 9 + 8 * 8 + 8 * 16 * 9;
    ck_assert_int_eq(s.flops, 2 * (36 * before + 40 * 36 * 5));
    ck_assert_int_eq(s.flops_left, 2 * (36 * after + 24 * 36 * 5));
    ck_assert_int_eq(s.parameters, s.parameters_before);
    ck_assert_int_eq(s.parameters_left, after + 24 * 36 * 5 + 5 + 3 * (8 + 16 + 8 + 8 + 8 + 16));
    net_close(&n);
}
END_TEST

/* The least important filters, by a plain loop over the weights of all layers of the cluster. */
START_TEST(the_least_important_filters_go)
{
    net n;
    open_with(&n, configs[0]);
    double importance[16] = {0};
    const int members[] = {CONV_1, CONV_3, DEPTHWISE};
    for (size_t m = 0; m < 3; m++) {
        const fx_block *k = &n.blocks[members[m]];
        const size_t run = k->weights / 16;
        for (size_t f = 0; f < 16; f++) {
            double sum = 0;
            for (size_t i = 0; i < run; i++)
                sum += (double)k->w[f * run + i] * (double)k->w[f * run + i];
            importance[f] += sqrt(sum);
        }
    }
    const uint8_t *filters = n.layers[CONV_1]->compression->filters;
    double least_kept = 1e9, most_pruned = 0;
    for (size_t f = 0; f < 16; f++) {
        if (filters[f])
            least_kept = fmin(least_kept, importance[f]);
        else
            most_pruned = fmax(most_pruned, importance[f]);
    }
    ck_assert_double_lt(most_pruned, least_kept);
    for (size_t m = 0; m < 3; m++)
        ck_assert_mem_eq(n.layers[members[m]]->compression->filters, filters, 16);
    net_close(&n);
}
END_TEST

/* Outputs of pruned filters are 0 behind batch norm and activation, whatever bias and beta are;
 * their gradients are 0, and those of the others are not. */
START_TEST(pruned_filters_are_silent)
{
    net n;
    open_with(&n, configs[_i]);
    net_initialize(&n);
    net_forward(&n);
    net_backward(&n);
    const bool of_norm = n.ctrl->pruning->params.norms;
    size_t pruned = 0;
    for (int l = 0; l < LINEAR; l++) {
        const uint8_t *filters = n.layers[l]->compression->filters;
        const fx_block *k = &n.blocks[l];
        const size_t run = k->weights / (size_t)k->out_channels;
        for (size_t f = 0; f < (size_t)k->out_channels; f++) {
            double y = 0, dw = 0;
            for (size_t b = 0; b < NET_N; b++)
                for (size_t i = 0; i < 36; i++)
                    y += fabs((double)n.y[l][(b * (size_t)k->out_channels + f) * 36 + i]);
            for (size_t i = 0; i < run; i++)
                dw += fabs((double)k->dw[f * run + i]);
            if (filters[f])
                continue;
            pruned++;
            if (of_norm)
                ck_assert_double_eq(y, 0);
            ck_assert_double_eq(dw, 0);
            ck_assert_float_eq(k->db[f], 0);
            if (of_norm) {
                ck_assert_float_eq(k->dgamma[f], 0);
                ck_assert_float_eq(k->dbeta[f], 0);
            }
        }
    }
    if (fx_statistics(n.ctrl).pruning_level > 0)
        ck_assert_uint_gt(pruned, 0);
    net_close(&n);
}
END_TEST

static double loss_of(net *n)
{
    net_forward(n);
    double loss = 0;
    for (int i = 0; i < NET_N * NET_CLASSES; i++)
        loss += 0.5 * (double)n->y[LINEAR][i] * (double)n->y[LINEAR][i];
    return loss;
}

/* Kept weights, biases, gamma and beta against central differences of the masked net. */
START_TEST(gradients_are_central_differences)
{
    net n;
    open_with(&n, configs[0]);
    /* no ReLU with a corner, so that differences converge: it is in another test */
    for (int b = 0; b < NET_BLOCKS; b++)
        if (n.layers[b]->activation == NNCF_ACTIVATION_RELU ||
            n.layers[b]->activation == NNCF_ACTIVATION_RELU6)
            n.layers[b]->activation = NNCF_ACTIVATION_TANH;
    n.layers[NET_SUM]->activation = NNCF_ACTIVATION_NONE;
    net_forward(&n);
    net_backward(&n);
    uint64_t state = 4;
    double worst = 0;
    for (int b = 0; b < NET_BLOCKS; b++)
        for (int a = 0; a < 4; a++) {
            float *data, *grad;
            const size_t count = net_array(&n, b, a, &data, &grad);
            for (int t = 0; t < 6 && count > 0; t++) {
                const size_t i = (size_t)(fx_next(&state) % count);
                const float before = data[i], given = grad[i];
                const float step = 4e-3f;
                data[i] = before + step;
                const double high = loss_of(&n);
                data[i] = before - step;
                const double low = loss_of(&n);
                data[i] = before;
                const double want = (high - low) / (2 * (double)step);
                worst = fmax(worst, fabs(want - (double)given) / (1 + fabs(want)));
            }
        }
    ck_assert_double_lt(worst, 0.02);
    net_close(&n);
}
END_TEST

/* zero_grad false: weights of pruned filters get gradients, and can come back. */
START_TEST(without_zero_grad_filters_can_come_back)
{
    net n;
    open_with(&n, NET_CONFIG(NET_PRUNING(", \"zero_grad\": false, \"prune_batch_norms\": false")));
    net_forward(&n);
    net_backward(&n);
    double dw = 0;
    const fx_block *k = &n.blocks[CONV_2];
    for (size_t i = 0; i < k->weights; i++)
        if (!n.layers[CONV_2]->compression->filters[i / (k->weights / 24)])
            dw += fabs((double)k->dw[i]);
    ck_assert_double_gt(dw, 0);
    net_close(&n);
}
END_TEST

START_TEST(the_level_rises_and_freezes)
{
    net n;
    open_with(&n, configs[3]);
    double last = -1;
    uint8_t frozen[24];
    for (int e = 0; e < 7; e++) {
        const nncf_statistics s = fx_statistics(n.ctrl);
        ck_assert_double_ge(s.pruning_level, last);
        last = s.pruning_level;
        ck_assert_int_eq(n.ctrl->pruning->frozen, e >= 4);
        if (e == 4)
            memcpy(frozen, n.layers[CONV_2]->compression->filters, 24);
        if (e > 4)
            ck_assert_mem_eq(n.layers[CONV_2]->compression->filters, frozen, 24);
        /* other weights, so that new masks would differ */
        uint64_t state = (uint64_t)e + 50;
        fx_fill(n.blocks[CONV_2].w, n.blocks[CONV_2].weights, 1, &state);
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n.ctrl, NULL), NNCF_OK);
    }
    ck_assert_double_eq_tol(last, 0.6, 1e-12);
    net_close(&n);
}
END_TEST

static double flops_share(const net *n)
{
    const nncf_statistics s = fx_statistics(n->ctrl);
    return (double)s.flops_left / (double)s.flops;
}

START_TEST(a_share_of_the_operations_goes)
{
    static const char *const more[] = {"", ", \"all_weights\": true"};
    char text[1024];
    net n;
    snprintf(text, sizeof text,
        NET_CONFIG("{\"algorithm\": \"filter_pruning\", \"params\": {\"schedule\": \"baseline\", "
                   "\"pruning_flops_target\": 0.55, \"prune_first_conv\": true%s}}"),
        more[_i]);
    open_with(&n, text);
    ck_assert_double_le(flops_share(&n), 0.45);
    ck_assert_double_gt(flops_share(&n), 0.1);
    net_close(&n);
}
END_TEST

START_TEST(operations_need_the_size_of_the_input)
{
    net n;
    nncf_error err = NNCF_ERROR_INIT;
    net_open(&n, 1, NULL);
    nncf_config *config = fx_config(n.context,
        "{\"nncf_dialect\": \"2.4\", \"compression\": {\"algorithm\": \"filter_pruning\", "
        "\"params\": "
        "{\"pruning_flops_target\": 0.5}}}");
    ck_assert_int_eq(nncf_compression_ctrl_create(n.model, config, &n.ctrl, &err), NNCF_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "sample_size"));
    ck_assert_ptr_null(n.layers[0]->compression);
    nncf_config_destroy(config);
    net_close(&n);
}
END_TEST

/* ---- snapshots ---- */

static size_t tensors_of(net *n, nncf_checkpoint_tensor *t, int64_t shapes[][4], bool with_momentum)
{
    static char names[NET_BLOCKS * 10][64];
    size_t count = 0;
    for (int b = 0; b < NET_BLOCKS; b++) {
        fx_block *k = &n->blocks[b];
        float *arrays[] = {k->w, k->b, k->gamma, k->beta, k->mean, k->var, n->momentum[b][0],
            n->momentum[b][1], n->momentum[b][2], n->momentum[b][3]};
        for (int a = 0; a < (with_momentum ? 10 : 6); a++) {
            snprintf(names[count], sizeof names[count], "%d.%d", b, a);
            shapes[count][0] = (int64_t)(a == 0 || a == 6 ? k->weights : (size_t)k->out_channels);
            t[count] = (nncf_checkpoint_tensor){names[count],
                {.data = arrays[a], .dtype = NNCF_F32, .ndim = 1, .shape = shapes[count]}};
            count++;
        }
    }
    return count;
}

static void save(net *n, const char *path)
{
    nncf_checkpoint_tensor t[NET_BLOCKS * 10];
    int64_t shapes[NET_BLOCKS * 10][4];
    nncf_error err = NNCF_ERROR_INIT;
    const size_t count = tensors_of(n, t, shapes, true);
    ck_assert_msg(
        nncf_checkpoint_save(n->ctrl, path, t, count, NULL, &err) == NNCF_OK, "%s", err.message);
}

static nncf_status load(net *n, const char *path, bool accept, nncf_error *err)
{
    nncf_checkpoint *checkpoint;
    nncf_checkpoint_tensor t[NET_BLOCKS * 10];
    int64_t shapes[NET_BLOCKS * 10][4];
    const size_t count = tensors_of(n, t, shapes, true);
    ck_assert_int_eq(nncf_checkpoint_open(n->context, path, NULL, &checkpoint, err), NNCF_OK);
    nncf_status status = nncf_checkpoint_read(checkpoint, t, count, err);
    const nncf_checkpoint_restore_params p = {
        NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = accept};
    if (status == NNCF_OK)
        status = nncf_checkpoint_restore(checkpoint, n->ctrl, &p, NULL, err);
    nncf_checkpoint_close(checkpoint);
    return status;
}

static void train(net *n, int epochs)
{
    for (int e = 0; e < epochs; e++) {
        for (int s = 0; s < 2; s++)
            net_step(n);
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n->ctrl, NULL), NNCF_OK);
    }
}

static void check_equal(const net *a, const net *b)
{
    for (int i = 0; i < NET_BLOCKS; i++) {
        ck_assert_mem_eq(a->blocks[i].w, b->blocks[i].w, a->blocks[i].weights * sizeof(float));
        ck_assert_mem_eq(a->blocks[i].beta, b->blocks[i].beta,
            (size_t)a->blocks[i].out_channels * sizeof(float));
    }
    ck_assert_mem_eq(a->y[LINEAR], b->y[LINEAR], NET_N * NET_CLASSES * sizeof(float));
}

/* Interrupted in the middle of the schedule, and gone on with in another process. */
START_TEST(resume_has_the_same_bits)
{
    net whole, first, second;
    nncf_error err = NNCF_ERROR_INIT;
    open_with(&whole, configs[_i]);
    open_with(&first, configs[_i]);
    open_with(&second, configs[_i]);
    net_initialize(&whole);
    net_initialize(&first);
    train(&whole, 5);
    train(&first, 2);
    save(&first, fx_path("a.safetensors"));
    ck_assert_msg(
        load(&second, fx_path("a.safetensors"), false, &err) == NNCF_OK, "%s", err.message);
    for (int l = 0; l < LINEAR; l++)
        ck_assert_mem_eq(second.layers[l]->compression->filters,
            first.layers[l]->compression->filters, (size_t)first.blocks[l].out_channels);
    train(&second, 3);
    check_equal(&whole, &second);
    net_close(&whole);
    net_close(&first);
    net_close(&second);
}
END_TEST

/* Another stage with the same pruning takes masks over; one with other layers makes them anew. */
START_TEST(adoption_takes_masks_over)
{
    net a, b, d;
    nncf_error err = NNCF_ERROR_INIT;
    open_with(&a, configs[0]);
    train(&a, 2);
    save(&a, fx_path("a.safetensors"));
    open_with(&b, NET_CONFIG(NET_PRUNING("") "," NET_INT8));
    ck_assert_int_eq(load(&b, fx_path("a.safetensors"), false, &err), NNCF_E_CONFIG);
    ck_assert_int_eq(load(&b, fx_path("a.safetensors"), true, &err), NNCF_OK);
    for (int l = 0; l < LINEAR; l++)
        ck_assert_mem_eq(b.layers[l]->compression->filters, a.layers[l]->compression->filters,
            (size_t)a.blocks[l].out_channels);
    open_with(&d, NET_CONFIG(NET_INT8)); /* no pruning: filters come over as stored */
    ck_assert_int_eq(load(&d, fx_path("a.safetensors"), true, &err), NNCF_OK);
    ck_assert_ptr_null(d.layers[CONV_1]->compression->filters);
    net_close(&a);
    net_close(&b);
    net_close(&d);
}
END_TEST

/* No memory, at any allocation: the masks are those from before, or, once it succeeds, the
 * snapshot's; they are not made anew. */
START_TEST(adoption_without_memory_changes_nothing)
{
    enum { FILTERS = 16 };
    fx_memory memory = {0};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_context *context = fx_new_context(&memory, 1, NNCF_ISA_BEST, 3);
    uint64_t state = 5;
    nncf_status status = NNCF_E_NOMEM;
    size_t failures = 0;
    bool failed = true;
    uint8_t saved[FILTERS];
    for (size_t i = 0; failed; i++) {
        uint8_t before[FILTERS];
        nncf_model *model;
        fx_block a = net_block("Net/Conv2d[a]", 3, FILTERS, 3, 1, NNCF_ACTIVATION_RELU),
                 b = net_block("Net/Conv2d[b]", FILTERS, 4, 3, 1, NNCF_ACTIVATION_RELU);
        ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
        fx_register(model, &a, NULL, &state);
        fx_register(model, &b, a.layer, &state);
        for (size_t k = 0; k < a.weights; k++) /* the first half goes, then the second */
            a.w[k] = (k < a.weights / 2) == (i == 0) ? 0.1f : 1;
        nncf_compression_ctrl *ctrl = fx_ctrl(model,
            i == 0 ? NET_CONFIG(NET_PRUNING("")) : NET_CONFIG(NET_PRUNING("") "," FX_MAGNITUDE));
        memcpy(before, a.layer->compression->filters, FILTERS);
        if (i == 0) {
            memcpy(saved, before, FILTERS);
            ck_assert_int_eq(
                nncf_checkpoint_save(ctrl, fx_path("a.safetensors"), NULL, 0, NULL, &err), NNCF_OK);
        } else {
            nncf_checkpoint *c;
            const nncf_checkpoint_restore_params p = {
                NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = 1};
            ck_assert_mem_ne(before, saved, FILTERS);
            ck_assert_int_eq(
                nncf_checkpoint_open(context, fx_path("a.safetensors"), NULL, &c, &err), NNCF_OK);
            memory.fail_at = memory.calls + i;
            status = nncf_checkpoint_restore(c, ctrl, &p, NULL, &err);
            failed = memory.calls >= memory.fail_at;
            failures += status != NNCF_OK; /* that of a line for the log is none */
            memory.fail_at = 0;
            ck_assert_mem_eq(
                a.layer->compression->filters, status == NNCF_OK ? saved : before, FILTERS);
            nncf_checkpoint_close(c);
        }
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
        fx_release(&a);
        fx_release(&b);
    }
    ck_assert_int_eq(status, NNCF_OK);
    ck_assert_uint_gt(failures, 5);
    nncf_context_destroy(context);
    ck_assert_uint_eq(memory.live, 0);
    ck_assert_uint_eq(memory.mistakes, 0);
}
END_TEST

/* A mask that says 2, none, or something else than the layers that it goes with. */
START_TEST(damaged_masks_are_refused)
{
    net a;
    nncf_error err = NNCF_ERROR_INIT;
    open_with(&a, configs[0]);
    uint8_t *mask = a.layers[CONV_1]->compression->filters, before[16];
    memcpy(before, mask, 16);
    static const char *const words[] = {"it has a 2", "keeps no filter", "other filters"};
    for (int i = 0; i < 3; i++) {
        memcpy(mask, before, 16);
        if (i == 0)
            mask[3] = 2;
        else if (i == 1)
            memset(mask, 0, 16);
        else
            mask[0] = !mask[0];
        save(&a, fx_path("a.safetensors"));
        memcpy(mask, before, 16);
        ck_assert_int_eq(load(&a, fx_path("a.safetensors"), false, &err), NNCF_E_FORMAT);
        ck_assert_msg(strstr(err.message, words[i]) != NULL, "%s", err.message);
        ck_assert_mem_eq(a.layers[CONV_1]->compression->filters, before, 16);
    }
    net_close(&a);
}
END_TEST

/* ---- texts ---- */

START_TEST(plan_and_statistics_say_what_is_pruned)
{
    net n;
    nncf_plan *plan;
    char text[16384];
    open_with(&n,
        NET_CONFIG("{\"algorithm\": \"filter_pruning\", \"params\": {\"schedule\": "
                   "\"baseline\", \"pruning_target\": 0.5}}"));
    nncf_config *config = fx_config(n.context, configs[0]);
    ck_assert_int_eq(nncf_plan_create(n.model, config, &plan, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_JSON, text, sizeof text, NULL, NULL), NNCF_OK);
    json_object *json = json_tokener_parse(text), *list = fx_member(json, "filters");
    ck_assert_uint_eq(json_object_array_length(list), 6);
    for (size_t i = 0; i < 6; i++) {
        json_object *e = json_object_array_get_idx(list, i);
        ck_assert(json_object_get_boolean(fx_member(e, "pruned")));
        ck_assert(json_object_get_boolean(fx_member(e, "removable")));
    }
    json_object_put(json);
    nncf_plan_destroy(plan);
    nncf_config_destroy(config);
    /* this controller's config leaves the first convolution out, and what is joined with it */
    ck_assert_int_eq(nncf_compression_ctrl_format_statistics(
                         n.ctrl, NNCF_FORM_TEXT, text, sizeof text, NULL, NULL),
        NNCF_OK);
    ck_assert_ptr_nonnull(strstr(text, "16 of 24"));
    ck_assert_ptr_nonnull(strstr(text, "filters, before and left                   112, 88"));
    ck_assert_int_eq(nncf_compression_ctrl_format_statistics(
                         n.ctrl, NNCF_FORM_JSON, text, sizeof text, NULL, NULL),
        NNCF_OK);
    json = json_tokener_parse(text);
    ck_assert_ptr_nonnull(json);
    ck_assert_double_eq(fx_number(json, "filters_left"), 88);
    ck_assert_double_gt(fx_number(json, "flops"), fx_number(json, "flops_left"));
    json_object_put(json);
    net_close(&n);
}
END_TEST

/* What an optimizer is told to clear is what pruned filters have. */
START_TEST(the_mask_of_a_layer_has_the_pruned_filters)
{
    net n;
    open_with(&n, configs[2]);
    const fx_block *k = &n.blocks[CONV_2];
    uint8_t bits[24 * 16 * 9 / 8];
    float values[24 * 16 * 9];
    for (size_t i = 0; i < k->weights; i++)
        values[i] = 1;
    ck_assert_int_eq(nncf_layer_get_mask(k->layer, bits, sizeof bits, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_clear_masked(k->layer, values, NULL), NNCF_OK);
    const uint8_t *filters = k->layer->compression->filters, *own = k->layer->compression->bits;
    for (size_t i = 0; i < k->weights; i++) {
        const bool kept = filters[i / 144] && (own[i / 8] >> i % 8 & 1);
        ck_assert_int_eq(bits[i / 8] >> i % 8 & 1, kept);
        ck_assert_float_eq(values[i], kept ? 1 : 0);
    }
    net_close(&n);
}
END_TEST

/* Of 16 and 24 filters a quarter is 4 and 6: what is left is rounded up to 16 and 24. */
START_TEST(the_rate_can_be_set_beside_constant_masks)
{
    net n;
    nncf_error err = NNCF_ERROR_INIT;
    open_with(&n, NET_CONFIG(NET_PRUNING("") ", {\"algorithm\": \"const_sparsity\"}"));
    ck_assert_int_eq(fx_statistics(n.ctrl).filters_left, 64);
    ck_assert_msg(nncf_compression_ctrl_set_compression_rate(n.ctrl, 0.25, &err) == NNCF_OK, "%s",
        err.message);
    const nncf_statistics s = fx_statistics(n.ctrl);
    ck_assert_double_eq(s.pruning_level, 0.25);
    ck_assert_int_eq(s.filters_left, 112);
    net_close(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filter_pruning");
    TCase *tests = fx_case(suite, "filter_pruning", 60);
    tcase_add_checked_fixture(tests, fx_folder_make, fx_folder_remove);
    tcase_add_test(tests, masks_follow_the_level);
    tcase_add_test(tests, the_least_important_filters_go);
    tcase_add_loop_test(tests, pruned_filters_are_silent, 0, CONFIGS);
    tcase_add_test(tests, gradients_are_central_differences);
    tcase_add_test(tests, without_zero_grad_filters_can_come_back);
    tcase_add_test(tests, the_level_rises_and_freezes);
    tcase_add_loop_test(tests, a_share_of_the_operations_goes, 0, 2);
    tcase_add_test(tests, operations_need_the_size_of_the_input);
    tcase_add_loop_test(tests, resume_has_the_same_bits, 0, CONFIGS);
    tcase_add_test(tests, adoption_takes_masks_over);
    tcase_add_test(tests, adoption_without_memory_changes_nothing);
    tcase_add_test(tests, damaged_masks_are_refused);
    tcase_add_test(tests, plan_and_statistics_say_what_is_pruned);
    tcase_add_test(tests, the_mask_of_a_layer_has_the_pruned_filters);
    tcase_add_test(tests, the_rate_can_be_set_beside_constant_masks);
    return fx_main(suite);
}
