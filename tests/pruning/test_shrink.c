/* SPDX-License-Identifier: Apache-2.0 */
/* nncf_compression_ctrl_shrink(): the small model computes what the masked one did, forward and
 * backward; training, snapshots and exports go on with it; a refusal changes nothing. */
#include "controller/ctrl.h"
#include "graph/model.h"
#include "prune_net.h"
#include "support/files.h"
#include "support/fixture.h"

#define BASE "\"algorithm\": \"filter_pruning\", \"params\": {\"schedule\": \"baseline\", "
#define PER_CHANNEL                                                                                \
    "{\"algorithm\": \"quantization\", \"weights\": {\"per_channel\": true, \"mode\": "            \
    "\"asymmetric\"}, \"activations\": {\"per_channel\": true}, \"initializer\": {\"range\": "     \
    "{\"num_init_steps\": 2}, \"batchnorm_adaptation\": {\"num_bn_adaptation_samples\": 0}}}"
/* Any turn of a code freezes it. */
#define FREEZING                                                                                   \
    "{\"algorithm\": \"quantization\", \"weights\": {\"oscillation_freezing\": 0.001, "            \
    "\"oscillation_momentum\": 0.1, \"logarithm_scale\": true}, \"initializer\": {\"range\": "     \
    "{\"num_init_steps\": 2}, \"batchnorm_adaptation\": {\"num_bn_adaptation_samples\": 0}}}"

static const char *const configs[] = {NET_CONFIG(NET_PRUNING("")),
    "{\"nncf_dialect\": \"1.3.1\", \"input_info\": {\"sample_size\": [1, 3, 6, 6]}, "
    "\"compression\": [{" BASE "\"prune_first_conv\": true, \"prune_batch_norms\": true, "
    "\"weight_importance\": \"geometric_median\"}}, {\"algorithm\": \"quantization\", "
    "\"initializer\": {\"range\": {\"num_init_steps\": 2}}}]}",
    NET_CONFIG(NET_PRUNING(", \"all_weights\": true") "," FX_MAGNITUDE "," PER_CHANNEL),
    NET_CONFIG(NET_PRUNING("") ", {\"algorithm\": \"rb_sparsity\"}," NET_INT8),
    NET_CONFIG(NET_PRUNING("") "," FREEZING)};
enum { CONFIGS = sizeof configs / sizeof *configs, INT8 = 1 };

static void open_with(net *n, const char *config)
{
    net_open(n, 2, NULL);
    n->ctrl = fx_ctrl(n->model, config);
    net_initialize(n);
}

static void shrink(net *n)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_shrink_params p = net_shrink(n);
    const nncf_status status = nncf_compression_ctrl_shrink(n->ctrl, &p, &err);
    ck_assert_msg(status == NNCF_OK, "%s: %s", err.where, err.message);
}

static void mode(net *n, nncf_mode m)
{
    ck_assert_int_eq(nncf_model_set_mode(n->model, m, NULL), NNCF_OK);
}

static void compare(const float *a, const float *b, size_t count, bool same_bits)
{
    double largest = 0, difference = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)a[i]));
        difference = fmax(difference, fabs((double)a[i] - (double)b[i]));
    }
    if (same_bits)
        ck_assert_mem_eq(a, b, count * sizeof *a);
    ck_assert_msg(difference <= 1e-5 * (1 + largest), "%g of %g", difference, largest);
}

/* Arrays of the masked net, and which of their elements stay: counted by hand from the masks. */
typedef struct saved {
    float *arrays[NET_BLOCKS][4], *momentum[NET_BLOCKS][4];
    bool *kept[NET_BLOCKS][4];
    size_t counts[NET_BLOCKS][4];
} saved;

static bool filter_stays(const net *n, int l, size_t f)
{
    const uint8_t *filters = n->layers[l]->compression->filters;
    return !filters || filters[f];
}

/* Does input channel c of the block (a column of the linear layer) stay? */
static bool input_stays(const net *n, int b, size_t c)
{
    switch (b) {
    case CONV_1:
    case DEPTHWISE:
        return true;
    case LINEAR:
        return c < 16 * 36 ? filter_stays(n, CONV_4, c / 36) : filter_stays(n, CONV_5, c / 36 - 16);
    default:
        return filter_stays(n, b == CONV_2 ? CONV_1 : b == CONV_3 ? CONV_2 : DEPTHWISE, c);
    }
}

/* grads: what backward made, else what is trained. */
static void save_net(net *n, saved *s, bool grads)
{
    for (int b = 0; b < NET_BLOCKS; b++)
        for (int a = 0; a < 4; a++) {
            float *data, *grad;
            const size_t count = net_array(n, b, a, &data, &grad);
            const fx_block *k = &n->blocks[b];
            const size_t out = (size_t)k->out_channels, in = (size_t)(k->in_channels / k->groups),
                         taps = k->weights / out / in;
            s->counts[b][a] = count;
            s->arrays[b][a] = calloc(count + 1, sizeof(float));
            s->momentum[b][a] = calloc(count + 1, sizeof(float));
            s->kept[b][a] = calloc(count + 1, sizeof(bool));
            if (count)
                memcpy(s->arrays[b][a], grads ? grad : data, count * sizeof(float));
            if (count)
                memcpy(s->momentum[b][a], n->momentum[b][a], count * sizeof(float));
            for (size_t i = 0; i < count; i++)
                s->kept[b][a][i] = a > 0
                    ? filter_stays(n, b, i)
                    : filter_stays(n, b, i / taps / in) && input_stays(n, b, i / taps % in);
        }
}

static void free_saved(saved *s)
{
    for (int b = 0; b < NET_BLOCKS; b++)
        for (int a = 0; a < 4; a++) {
            free(s->arrays[b][a]);
            free(s->momentum[b][a]);
            free(s->kept[b][a]);
        }
}

static size_t keep(const bool *kept, size_t count, const float *from, float *to)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (kept[i])
            to[n++] = from[i];
    return n;
}

/* Every array and every momentum has the kept elements, in their order. */
START_TEST(kept_elements_move_together)
{
    net n;
    saved s;
    open_with(&n, configs[_i]);
    for (int i = 0; i < 3; i++)
        net_step(&n);
    save_net(&n, &s, false);
    shrink(&n);
    ck_assert_int_gt(n.moves, 6);
    ck_assert_int_eq(n.parameters > 0, _i >= 2); /* logits, and ranges per channel */
    for (int b = 0; b < NET_BLOCKS; b++)
        for (int a = 0; a < 4; a++) {
            float *data, *grad, *want = calloc(s.counts[b][a] + 1, sizeof *want);
            const size_t count = net_array(&n, b, a, &data, &grad);
            ck_assert_uint_eq(keep(s.kept[b][a], s.counts[b][a], s.arrays[b][a], want), count);
            ck_assert_mem_eq(data, want, count * sizeof *want);
            keep(s.kept[b][a], s.counts[b][a], s.momentum[b][a], want);
            ck_assert_mem_eq(n.momentum[b][a], want, count * sizeof *want);
            free(want);
        }
    free_saved(&s);
    net_close(&n);
}
END_TEST

/* What the layer made before, of the channels that are left: `filters` of it. */
static size_t kept_planes(const float *y, const bool *filters, size_t channels, float *to)
{
    size_t count = 0;
    for (size_t b = 0; b < NET_N; b++)
        for (size_t f = 0; f < channels; f++)
            for (size_t i = 0; filters[f] && i < NET_H * NET_H; i++)
                to[count++] = y[(b * channels + f) * NET_H * NET_H + i];
    return count;
}

/* Outputs in train and eval mode. Products of codes have the same bits, sums of floats another
 * order: as that of the linear layer, which reads two scales. */
START_TEST(outputs_are_those_of_the_masked_model)
{
    net n;
    static float before[2][NET_BLOCKS][NET_N * 24 * NET_H * NET_H],
        want[NET_N * 24 * NET_H * NET_H];
    bool filters[NET_BLOCKS][24];
    /* noise of rb_sparsity is drawn by the index of a weight, which changes: masks of eval mode */
    const nncf_mode modes[2] = {_i == 3 ? NNCF_MODE_EVAL : NNCF_MODE_TRAIN, NNCF_MODE_EVAL};
    size_t channels[NET_BLOCKS];
    open_with(&n, configs[_i]);
    for (int i = 0; i < 3; i++)
        net_step(&n);
    for (int l = 0; l < NET_BLOCKS; l++) {
        channels[l] = (size_t)n.blocks[l].out_channels;
        for (size_t f = 0; f < channels[l]; f++)
            filters[l][f] = filter_stays(&n, l, f);
    }
    for (int m = 0; m < 2; m++) { /* eval after train, here and below: running statistics move */
        mode(&n, modes[m]);
        net_forward(&n);
        for (int l = 0; l < NET_BLOCKS; l++)
            memcpy(before[m][l], n.y[l], sizeof before[m][l]);
    }
    shrink(&n);
    for (int m = 1; m >= 0; m--) {
        mode(&n, modes[m]);
        net_forward(&n);
        for (int l = 0; l < LINEAR; l++) {
            const size_t count = kept_planes(before[m][l], filters[l], channels[l], want);
            compare(n.y[l], want, count, _i == INT8);
        }
        compare(n.y[LINEAR], before[m][LINEAR], NET_N * NET_CLASSES, false);
    }
    net_close(&n);
}
END_TEST

/* Gradients of the small net are those of the masked one. */
START_TEST(gradients_are_those_of_the_masked_model)
{
    net n;
    saved s;
    open_with(&n, configs[_i]);
    net_step(&n);
    if (_i == 3) /* its masks are random in training, by the index of a weight */
        mode(&n, NNCF_MODE_TUNE);
    net_forward(&n);
    net_backward(&n);
    save_net(&n, &s, true);
    shrink(&n);
    net_forward(&n);
    net_backward(&n);
    for (int b = 0; b < NET_BLOCKS; b++)
        for (int a = 0; a < 4; a++) {
            float *data, *grad, *want = calloc(s.counts[b][a] + 1, sizeof *want);
            const size_t count = net_array(&n, b, a, &data, &grad);
            keep(s.kept[b][a], s.counts[b][a], s.arrays[b][a], want);
            /* a bias before batch norm has a gradient of 0, but for rounding */
            double largest = 1e-2, difference = 0;
            for (size_t i = 0; i < count; i++) {
                largest = fmax(largest, fabs((double)want[i]));
                difference = fmax(difference, fabs((double)want[i] - (double)grad[i]));
            }
            ck_assert_msg(
                difference <= 2e-4 * largest, "%d.%d: %g of %g", b, a, difference, largest);
            free(want);
        }
    free_saved(&s);
    net_close(&n);
}
END_TEST

START_TEST(training_goes_on)
{
    net n;
    open_with(&n, configs[_i]);
    net_step(&n);
    shrink(&n);
    const double before = net_step(&n);
    double loss = before;
    for (int i = 0; i < 30; i++) {
        loss = net_step(&n);
        if (i % 10 == 9)
            ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n.ctrl, NULL), NNCF_OK);
    }
    ck_assert_double_lt(loss, before);
    const nncf_statistics s = fx_statistics(n.ctrl);
    ck_assert_int_eq(s.parameters, s.parameters_left);
    ck_assert_int_lt(s.parameters_left, s.parameters_before);
    ck_assert_int_lt(s.flops_left, s.flops);
    ck_assert_int_eq(s.filters, 112);
    ck_assert_uint_eq(s.pruned_layers, 0);
    ck_assert_int_eq(
        s.compression_level, _i == 2 || _i == 3 ? NNCF_COMPRESSION_PARTIAL : NNCF_COMPRESSION_FULL);
    net_close(&n);
}
END_TEST

/* Without callbacks: kept elements are in front of the host's own buffers. */
START_TEST(frozen_weights_are_free_again)
{
    net n;
    open_with(&n, NET_CONFIG(NET_PRUNING("") "," FREEZING));
    for (int i = 0; i < 8; i++)
        net_step(&n);
    ck_assert_int_gt(fx_statistics(n.ctrl).frozen_weights, 0);
    shrink(&n);
    ck_assert_int_eq(fx_statistics(n.ctrl).frozen_weights, 0);
    for (int i = 0; i < 8; i++)
        net_step(&n);
    ck_assert_int_gt(fx_statistics(n.ctrl).frozen_weights, 0);
    net_close(&n);
}
END_TEST

/* Weights that a layer's mask keeps, and the most of them in a group of four input channels that
 * are neighbours. */
static size_t kept_weights(const nncf_layer *l, size_t *most)
{
    const size_t taps = (size_t)(l->kernel[0] * l->kernel[1]),
                 in = l->weight_count / taps / (size_t)l->out_channels;
    size_t kept = 0;
    *most = 0;
    for (size_t row = 0; row < (size_t)l->out_channels * taps; row++)
        for (size_t first = 0; first < in; first += 4) {
            size_t here = 0;
            for (size_t i = first; i < in && i < first + 4; i++) {
                const size_t at = (row / taps * in + i) * taps + row % taps;
                here += (l->compression->bits[at / 8] >> at % 8 & 1) && l->weight[at] != 0;
            }
            kept += here;
            *most = here > *most ? here : *most;
        }
    return kept;
}

/* Channels that were in two groups become neighbours: the mask of the small model is 2:4 in its own
 * groups, at once and after the next epoch, and so it can be written. */
START_TEST(masks_stay_n_of_m)
{
    net n;
    nncf_error err = NNCF_ERROR_INIT;
    open_with(&n,
        NET_CONFIG(NET_PRUNING(
            "") ", {\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": "
                "\"multistep\", \"multistep_steps\": [], \"multistep_sparsity_levels\": [0.5], "
                "\"structure\": \"n:m\"}}"));
    for (int i = 0; i < 3; i++)
        net_step(&n);
    shrink(&n);
    size_t less = 0, most;
    for (int pass = 0; pass < 2; pass++) {
        for (int b = CONV_2; b <= CONV_5; b++) {
            const nncf_layer *l = n.layers[b];
            const size_t kept = b == DEPTHWISE ? 0 : kept_weights(l, &most);
            if (b == DEPTHWISE) /* a group of one */
                continue;
            ck_assert_uint_le(most, 2);
            ck_assert_uint_gt(kept, 0);
            less += 2 * kept < l->weight_count;
        }
        ck_assert_int_eq(nncf_strip_save(n.ctrl, fx_path("small.nncf"), NULL, NULL, &err), NNCF_OK);
        net_step(&n);
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n.ctrl, NULL), NNCF_OK);
    }
    ck_assert_uint_gt(less, 0); /* some groups keep fewer: others kept more than two */
    net_close(&n);
}
END_TEST

START_TEST(in_place)
{
    net a, b;
    open_with(&a, configs[INT8]);
    open_with(&b, configs[INT8]);
    shrink(&a);
    float *before = b.blocks[CONV_2].w;
    ck_assert_int_eq(nncf_compression_ctrl_shrink(b.ctrl, NULL, NULL), NNCF_OK);
    ck_assert_ptr_eq(b.layers[CONV_2]->weight, before);
    for (int i = 0; i < NET_BLOCKS; i++) {
        b.blocks[i].out_channels = a.blocks[i].out_channels;
        ck_assert_mem_eq(a.blocks[i].w, b.blocks[i].w, a.blocks[i].weights * sizeof(float));
    }
    net_forward(&a);
    net_forward(&b);
    ck_assert_mem_eq(a.y[LINEAR], b.y[LINEAR], NET_N * NET_CLASSES * sizeof(float));
    net_close(&a);
    net_close(&b);
}
END_TEST

/* ---- snapshots ---- */

static size_t tensors_of(net *n, nncf_checkpoint_tensor *t, int64_t shapes[][1])
{
    static char names[NET_BLOCKS * 10][64];
    size_t count = 0;
    for (int b = 0; b < NET_BLOCKS; b++) {
        fx_block *k = &n->blocks[b];
        float *arrays[] = {k->w, k->b, k->gamma, k->beta, k->mean, k->var, n->momentum[b][0],
            n->momentum[b][1], n->momentum[b][2], n->momentum[b][3]};
        for (int a = 0; a < 10; a++) {
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
    int64_t shapes[NET_BLOCKS * 10][1];
    nncf_error err = NNCF_ERROR_INIT;
    const size_t count = tensors_of(n, t, shapes);
    ck_assert_msg(
        nncf_checkpoint_save(n->ctrl, path, t, count, NULL, &err) == NNCF_OK, "%s", err.message);
}

static nncf_checkpoint *open_file(net *n, const char *path)
{
    nncf_checkpoint *checkpoint;
    ck_assert_int_eq(nncf_checkpoint_open(n->context, path, NULL, &checkpoint, NULL), NNCF_OK);
    return checkpoint;
}

static nncf_status load(net *n, nncf_checkpoint *checkpoint, nncf_error *err)
{
    nncf_checkpoint_tensor t[NET_BLOCKS * 10];
    int64_t shapes[NET_BLOCKS * 10][1];
    const size_t count = tensors_of(n, t, shapes);
    const nncf_status status = nncf_checkpoint_read(checkpoint, t, count, err);
    return status == NNCF_OK ? nncf_checkpoint_restore(checkpoint, n->ctrl, NULL, NULL, err)
                             : status;
}

static void train(net *n, int steps)
{
    for (int i = 0; i < steps; i++)
        net_step(n);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n->ctrl, NULL), NNCF_OK);
}

static void check_equal(const net *a, const net *b)
{
    for (int i = 0; i < NET_BLOCKS; i++)
        ck_assert_mem_eq(a->blocks[i].w, b->blocks[i].w, a->blocks[i].weights * sizeof(float));
    ck_assert_mem_eq(a->y[LINEAR], b->y[LINEAR], NET_N * NET_CLASSES * sizeof(float));
}

/* Registered whole and shrunk as the snapshot says, or registered small: both go on with the same
 * bits as the run that was not interrupted. */
START_TEST(resume_has_the_same_bits)
{
    net whole, again, small;
    nncf_error err = NNCF_ERROR_INIT;
    const char *path = fx_path("small.safetensors");
    open_with(&whole, configs[_i]);
    train(&whole, 2);
    shrink(&whole);
    train(&whole, 2);
    save(&whole, path);

    net_open(&again, 2, NULL);
    again.ctrl = fx_ctrl(again.model, configs[_i]);
    nncf_checkpoint *checkpoint = open_file(&again, path);
    /* it is refused first, with the cure */
    ck_assert_int_eq(
        nncf_checkpoint_restore(checkpoint, again.ctrl, NULL, NULL, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "nncf_shrink_params.removed"));
    nncf_shrink_params p = net_shrink(&again);
    p.removed = nncf_checkpoint_get_text(checkpoint, "nncf.removed");
    ck_assert_ptr_nonnull(p.removed);
    nncf_status status = nncf_compression_ctrl_shrink(again.ctrl, &p, &err);
    ck_assert_msg(status == NNCF_OK, "%s", err.message);
    ck_assert_msg(load(&again, checkpoint, &err) == NNCF_OK, "%s", err.message);

    int64_t channels[NET_BLOCKS];
    for (int i = 0; i < NET_BLOCKS; i++)
        channels[i] = whole.blocks[i].out_channels;
    net_open(&small, 2, channels);
    small.ctrl = fx_ctrl(small.model, configs[_i]);
    ck_assert_msg(load(&small, checkpoint, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint_close(checkpoint);
    ck_assert_int_eq(fx_statistics(small.ctrl).filters, 112);
    ck_assert_int_eq(
        fx_statistics(small.ctrl).parameters_before, fx_statistics(whole.ctrl).parameters_before);

    train(&whole, 3);
    train(&again, 3);
    train(&small, 3);
    check_equal(&whole, &again);
    check_equal(&whole, &small);
    /* and the next snapshots say the same */
    ck_assert_double_eq(again.ctrl->pruning->level, whole.ctrl->pruning->level);
    ck_assert_double_eq(small.ctrl->pruning->level, whole.ctrl->pruning->level);
    save(&small, fx_path("next.safetensors"));
    checkpoint = open_file(&small, fx_path("next.safetensors"));
    ck_assert_str_eq(
        nncf_checkpoint_get_text(checkpoint, "nncf.removed"), whole.ctrl->pruning->removed);
    nncf_checkpoint_close(checkpoint);
    net_close(&whole);
    net_close(&again);
    net_close(&small);
}
END_TEST

START_TEST(a_snapshot_of_the_whole_model_is_refused_after_a_shrink)
{
    net n;
    nncf_error err = NNCF_ERROR_INIT;
    open_with(&n, configs[0]);
    save(&n, fx_path("whole.safetensors"));
    shrink(&n);
    nncf_checkpoint *checkpoint = open_file(&n, fx_path("whole.safetensors"));
    ck_assert_int_eq(nncf_checkpoint_restore(checkpoint, n.ctrl, NULL, NULL, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "before its pruned filters were removed"));
    nncf_checkpoint_close(checkpoint);
    net_close(&n);
}
END_TEST

/* Into a model that was registered small, too: its numbers of before are those of the text. */
START_TEST(a_snapshot_with_a_damaged_text_is_refused)
{
    net whole, small;
    nncf_error err = NNCF_ERROR_INIT;
    int64_t channels[NET_BLOCKS];
    char text[512];
    open_with(&whole, configs[0]);
    shrink(&whole);
    for (int i = 0; i < NET_BLOCKS; i++)
        channels[i] = whole.blocks[i].out_channels;
    char *right = whole.ctrl->pruning->removed;
    snprintf(text, sizeof text, "112 18741 -1%s", strchr(right, '\n'));
    whole.ctrl->pruning->removed = text;
    save(&whole, fx_path("damaged.safetensors"));
    whole.ctrl->pruning->removed = right;
    net_open(&small, 2, channels);
    small.ctrl = fx_ctrl(small.model, configs[0]);
    nncf_checkpoint *checkpoint = open_file(&small, fx_path("damaged.safetensors"));
    ck_assert_int_eq(
        nncf_checkpoint_restore(checkpoint, small.ctrl, NULL, NULL, &err), NNCF_E_FORMAT);
    ck_assert_str_eq(err.where, "nncf.removed");
    ck_assert_ptr_null(small.ctrl->pruning->removed);
    nncf_checkpoint_close(checkpoint);
    net_close(&whole);
    net_close(&small);
}
END_TEST

/* ---- refusals ---- */

static int32_t fail_resize(void *user, nncf_shrink_array *a)
{
    int *left = user;
    return --*left == 0 ? 1 : a == NULL;
}

static void check_unchanged(net *n, const float *y)
{
    ck_assert_ptr_null(n->ctrl->pruning->removed);
    ck_assert_int_eq(n->layers[CONV_2]->out_channels, 24);
    mode(n, NNCF_MODE_EVAL);
    net_forward(n);
    ck_assert_mem_eq(n->y[LINEAR], y, NET_N * NET_CLASSES * sizeof *y);
}

#define LINES_3 "ff00 16 Net/Conv2d[c1]\nffff00 24 Net/Conv2d[c2]\nff00 16 Net/Conv2d[c4]\n"
#define LINE_4  "ffff00 24 Net/Conv2d[c5]\n"

START_TEST(a_refusal_changes_nothing)
{
    net n;
    nncf_error err = NNCF_ERROR_INIT;
    int left = 20;
    float y[NET_N * NET_CLASSES];
    open_with(&n, configs[INT8]);
    mode(&n, NNCF_MODE_EVAL);
    net_forward(&n);
    memcpy(y, n.y[LINEAR], sizeof y);
    nncf_shrink_params p = {NNCF_PARAMS(nncf_shrink_params), .resize = fail_resize, .user = &left};
    ck_assert_int_eq(nncf_compression_ctrl_shrink(n.ctrl, &p, &err), NNCF_E_CALLBACK);
    ck_assert_int_eq(left, 0);
    check_unchanged(&n, y);
    static const struct {
        const char *text;
        nncf_status status;
    } texts[] = {{"", NNCF_E_FORMAT}, {"1 2 3", NNCF_E_FORMAT}, {"1 2 3\nff", NNCF_E_FORMAT},
        {"1 2 3\nff 9 Net/Conv2d[c1]\n", NNCF_E_FORMAT},
        {"1 2 3\n0000 16 Net/Conv2d[c1]\n", NNCF_E_FORMAT},
        {"1 2 3\nffff 16 Net/Conv2d[no]\n", NNCF_E_SHAPE},
        {"1 2 3\nff 8 Net/Conv2d[c1]\n", NNCF_E_SHAPE},
        {"1 2 3\nff00 16 Net/Conv2d[c1]\n", NNCF_E_SHAPE},
        /* a cluster twice; numbers that are none */
        {"1 2 3\n" LINES_3 "00ff 16 Net/Conv2d[c1]\n", NNCF_E_FORMAT},
        {"1 2\n" LINES_3 LINE_4, NNCF_E_FORMAT}, {"1 -2 3\n" LINES_3 LINE_4, NNCF_E_FORMAT},
        {"1 2 3 4\n" LINES_3 LINE_4, NNCF_E_FORMAT}, {"1 2 x\n" LINES_3 LINE_4, NNCF_E_FORMAT},
        {"1 99999999999999999999 3\n" LINES_3 LINE_4, NNCF_E_FORMAT}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const nncf_shrink_params as = {NNCF_PARAMS(nncf_shrink_params), .removed = texts[i].text};
        ck_assert_int_eq(nncf_compression_ctrl_shrink(n.ctrl, &as, &err), texts[i].status);
        check_unchanged(&n, y);
    }
    shrink(&n);
    ck_assert_int_eq(nncf_compression_ctrl_shrink(n.ctrl, NULL, &err), NNCF_E_STATE);
    net_close(&n);
}
END_TEST

/* A host that goes on meanwhile: with a shrink of its own, another rate, a replica. */
static nncf_model *replica;

static int32_t interfere(void *user, nncf_shrink_array *a)
{
    net *n = user;
    if (n->moves++ > 0)
        return a == NULL;
    if (n->parameters == 0)
        return nncf_compression_ctrl_shrink(n->ctrl, NULL, NULL) != NNCF_OK;
    if (n->parameters == 1)
        return nncf_compression_ctrl_set_compression_rate(n->ctrl, 0.25, NULL) != NNCF_OK;
    return nncf_model_create_replica(n->model, NULL, &replica, NULL) != NNCF_OK;
}

START_TEST(a_callback_that_interferes_is_found)
{
    net n;
    nncf_error err = NNCF_ERROR_INIT;
    static const nncf_status statuses[] = {NNCF_E_STATE, NNCF_E_CALLBACK, NNCF_E_STATE};
    open_with(&n, configs[0]);
    n.parameters = _i;
    const nncf_shrink_params p = {NNCF_PARAMS(nncf_shrink_params), .resize = interfere, .user = &n};
    ck_assert_int_eq(nncf_compression_ctrl_shrink(n.ctrl, &p, &err), statuses[_i]);
    nncf_model_destroy(replica);
    replica = NULL;
    /* what the callback did is done; what it interrupted is not */
    ck_assert_int_eq(n.layers[CONV_2]->out_channels, _i == 0 ? 16 : 24);
    for (int b = 0; b < NET_BLOCKS; b++)
        n.blocks[b].out_channels = n.layers[b]->out_channels;
    net_forward(&n);
    for (int i = 0; i < NET_N * NET_CLASSES; i++)
        ck_assert(isfinite(n.y[LINEAR][i]));
    net_close(&n);
}
END_TEST

START_TEST(filters_that_are_not_zero_are_refused_by_name)
{
    net n;
    nncf_error err = NNCF_ERROR_INIT;
    net_open(&n, 1, NULL);
    n.ctrl = fx_ctrl(n.model, NET_CONFIG(NET_PRUNING(", \"prune_batch_norms\": false")));
    ck_assert_int_eq(nncf_compression_ctrl_shrink(n.ctrl, NULL, &err), NNCF_E_UNSUPPORTED);
    ck_assert_str_eq(err.where, "Net/Conv2d[c1]");
    ck_assert_ptr_nonnull(strstr(err.message, "prune_batch_norms"));
    nncf_compression_ctrl_destroy(n.ctrl);
    n.ctrl = fx_ctrl(n.model,
        NET_CONFIG(NET_PRUNING("") ", {\"algorithm\": \"quantization\", \"weights\": {\"bits\": 4, "
                                   "\"group_size\": 1}}"));
    ck_assert_int_eq(nncf_compression_ctrl_shrink(n.ctrl, NULL, &err), NNCF_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "group_size"));
    net_close(&n);
}
END_TEST

/* No memory, at any allocation: nothing changes, and nothing is lost. */
START_TEST(without_memory_nothing_changes)
{
    fx_memory memory = {0};
    net n;
    nncf_error err = NNCF_ERROR_INIT;
    net_open(&n, 1, NULL);
    nncf_context *own = fx_new_context(&memory, 1, NNCF_ISA_BEST, 3);
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    uint64_t state = 5;
    fx_block a = net_block("Net/Conv2d[a]", 3, 16, 3, 1, NNCF_ACTIVATION_RELU),
             b = net_block("Net/Conv2d[b]", 16, 4, 3, 1, NNCF_ACTIVATION_RELU);
    ck_assert_int_eq(nncf_model_create(own, &model, NULL), NNCF_OK);
    fx_register(model, &a, NULL, &state);
    fx_register(model, &b, a.layer, &state);
    ctrl = fx_ctrl(model, configs[INT8]);
    nncf_status status = NNCF_E_NOMEM;
    for (size_t i = 1; status == NNCF_E_NOMEM; i++) {
        ck_assert_uint_lt(i, 100);
        memory.fail_at = memory.calls + i;
        memory.fail_on = true;
        status = nncf_compression_ctrl_shrink(ctrl, NULL, &err);
        memory.fail_at = 0;
        ck_assert_int_eq(a.layer->out_channels, status == NNCF_OK ? 8 : 16);
    }
    ck_assert_int_eq(status, NNCF_OK);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    nncf_context_destroy(own);
    ck_assert_uint_eq(memory.live, 0);
    ck_assert_uint_eq(memory.mistakes, 0);
    fx_release(&a);
    fx_release(&b);
    net_close(&n);
}
END_TEST

/* The host destroys its model first, whole or shrunk: all memory comes back. */
START_TEST(the_model_may_go_first)
{
    fx_memory memory = {0};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_context *context = fx_new_context(&memory, 1, NNCF_ISA_BEST, 3);
    nncf_model *model;
    uint64_t state = 5;
    fx_block a = net_block("Net/Conv2d[a]", 3, 16, 3, 1, NNCF_ACTIVATION_RELU),
             b = net_block("Net/Conv2d[b]", 16, 4, 3, 1, NNCF_ACTIVATION_RELU);
    ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
    fx_register(model, &a, NULL, &state);
    fx_register(model, &b, a.layer, &state);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, configs[INT8]);
    if (_i == 1)
        ck_assert_int_eq(nncf_compression_ctrl_shrink(ctrl, NULL, NULL), NNCF_OK);
    nncf_model_destroy(model);
    ck_assert_int_eq(nncf_compression_ctrl_shrink(ctrl, NULL, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "model was destroyed"));
    nncf_compression_ctrl_destroy(ctrl);
    nncf_context_destroy(context);
    ck_assert_uint_eq(memory.live, 0);
    ck_assert_uint_eq(memory.mistakes, 0);
    fx_release(&a);
    fx_release(&b);
}
END_TEST

/* The export of the masked model and of the small one give the model's outputs: the export itself
 * compares with what it computed (golden_output). */
START_TEST(exports_are_of_the_model_that_is_there)
{
    net n;
    nncf_error err = NNCF_ERROR_INIT;
    open_with(&n, configs[_i % 2]);
    for (int i = 0; i < 3; i++)
        net_step(&n);
    mode(&n, NNCF_MODE_EVAL);
    size_t sizes[2] = {0, 0};
    for (int pass = 0; pass < 2; pass++) {
        net_forward(&n);
        fx_tensor x, y;
        const int64_t in[4] = {NET_N, 3, NET_H, NET_H}, out[4] = {NET_N, NET_CLASSES, 1, 1};
        fx_view(&x, n.x, 4, in);
        fx_view(&y, n.y[LINEAR], 2, out);
        const nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params), .golden_input = &x.t,
            .golden_output = &y.t, .fold_batch_norm = _i / 2};
        const char *path = fx_path(pass ? "small.onnx" : "masked.onnx");
        const nncf_status status = nncf_onnx_export(n.ctrl, path, &p, &err);
        if (status == NNCF_E_UNSUPPORTED && strstr(err.message, "without"))
            return; /* this build has no export */
        ck_assert_msg(status == NNCF_OK, "%s: %s", err.where, err.message);
        free(fx_read_file(path, &sizes[pass]));
        if (pass == 0)
            shrink(&n);
    }
    ck_assert_uint_lt(sizes[1], sizes[0]);
    net_close(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shrink");
    TCase *tests = fx_case(suite, "shrink", 60);
    tcase_add_checked_fixture(tests, fx_folder_make, fx_folder_remove);
    tcase_add_loop_test(tests, kept_elements_move_together, 0, CONFIGS);
    tcase_add_loop_test(tests, outputs_are_those_of_the_masked_model, 0, CONFIGS);
    tcase_add_loop_test(tests, gradients_are_those_of_the_masked_model, 0, CONFIGS);
    tcase_add_loop_test(tests, training_goes_on, 0, CONFIGS);
    tcase_add_test(tests, frozen_weights_are_free_again);
    tcase_add_test(tests, masks_stay_n_of_m);
    tcase_add_test(tests, in_place);
    tcase_add_loop_test(tests, resume_has_the_same_bits, 0, CONFIGS);
    tcase_add_test(tests, a_snapshot_of_the_whole_model_is_refused_after_a_shrink);
    tcase_add_test(tests, a_snapshot_with_a_damaged_text_is_refused);
    tcase_add_test(tests, a_refusal_changes_nothing);
    tcase_add_loop_test(tests, a_callback_that_interferes_is_found, 0, 3);
    tcase_add_test(tests, filters_that_are_not_zero_are_refused_by_name);
    tcase_add_test(tests, without_memory_nothing_changes);
    tcase_add_loop_test(tests, the_model_may_go_first, 0, 2);
    tcase_add_loop_test(tests, exports_are_of_the_model_that_is_there, 0, 4);
    return fx_main(suite);
}
