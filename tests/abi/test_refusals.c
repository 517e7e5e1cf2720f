/* SPDX-License-Identifier: Apache-2.0 */
/* A refused call tells the context's log what it tells the caller's record, once, with its name,
 * and also to callers that give no record. What only asks logs nothing, but for three getters that
 * check what they are given. */
#include "support/fixture.h"

static fx_context c;
static nncf_model *model, *bare;
static nncf_layer *layer;
static nncf_config *config;
static nncf_compression_ctrl *ctrl;
static nncf_checkpoint *checkpoint;
static float weight[16], gradient[16];

static nncf_status add_conv2d(nncf_error *err)
{
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/new",
        .weight = weight, .in_channels = 4, .out_channels = 4};
    nncf_layer *out;
    return nncf_model_add_conv2d(bare, &p, &out, err);
}

static nncf_status add_linear(nncf_error *err)
{
    const nncf_linear_params p = {
        NNCF_PARAMS(nncf_linear_params), .scope = "Net/new", .in_features = 4, .out_features = 4};
    nncf_layer *out;
    return nncf_model_add_linear(bare, &p, &out, err);
}

static nncf_status add_sum(nncf_error *err)
{
    nncf_layer *inputs[] = {NULL, NULL}, *out;
    const nncf_sum_params p = {
        NNCF_PARAMS(nncf_sum_params), .scope = "Net/new", .inputs = inputs, .n_inputs = 2};
    return nncf_model_add_sum(bare, &p, &out, err);
}

static nncf_status add_conv_transpose2d(nncf_error *err)
{
    const nncf_conv_transpose2d_params p = {
        NNCF_PARAMS(nncf_conv_transpose2d_params), .scope = "Net/new"};
    nncf_layer *out;
    return nncf_model_add_conv_transpose2d(bare, &p, &out, err);
}

static nncf_status add_prelu(nncf_error *err)
{
    const nncf_prelu_params p = {NNCF_PARAMS(nncf_prelu_params), .scope = "Net/new"};
    nncf_layer *out;
    return nncf_model_add_prelu(bare, &p, &out, err);
}

static nncf_status add_dropout(nncf_error *err)
{
    const nncf_dropout_params p = {NNCF_PARAMS(nncf_dropout_params), .scope = "Net/new", .p = 1};
    nncf_layer *out;
    return nncf_model_add_dropout(bare, &p, &out, err);
}

static nncf_status add_group_norm(nncf_error *err)
{
    const nncf_group_norm_params p = {NNCF_PARAMS(nncf_group_norm_params), .scope = "Net/new"};
    nncf_layer *out;
    return nncf_model_add_group_norm(bare, &p, &out, err);
}

static nncf_status add_heads(nncf_error *err)
{
    const nncf_heads_params p = {NNCF_PARAMS(nncf_heads_params), .scope = "Net/new"};
    nncf_layer *out;
    return nncf_model_add_heads(bare, &p, &out, err);
}

static nncf_status add_attention(nncf_error *err)
{
    const nncf_attention_params p = {
        NNCF_PARAMS(nncf_attention_params), .scope = "Net/new", .features = 6, .heads = 4};
    nncf_attention out = {NNCF_PARAMS(nncf_attention)};
    return nncf_model_add_attention(bare, &p, &out, err);
}

static nncf_status find_attention(nncf_error *err)
{
    const nncf_attention of = {NNCF_PARAMS(nncf_attention), .layers = {layer}};
    nncf_attention out = {NNCF_PARAMS(nncf_attention)};
    return nncf_model_find_attention(bare, &of, &out, err);
}

static nncf_status attention_sizes(nncf_error *err)
{
    const nncf_attention a = {NNCF_PARAMS(nncf_attention), .layers = {layer}};
    return nncf_attention_get_sizes(&a, NULL, 0, NULL, NULL, NULL, NULL, err);
}

static nncf_status attention_forward(nncf_error *err)
{
    const nncf_attention a = {NNCF_PARAMS(nncf_attention), .layers = {layer}};
    return nncf_attention_forward(&a, NULL, 0, NULL, err);
}

static nncf_status attention_backward(nncf_error *err)
{
    const nncf_attention a = {NNCF_PARAMS(nncf_attention), .layers = {layer}};
    return nncf_attention_backward(&a, NULL, 0, NULL, NULL, err);
}

static nncf_status add_pool2d(nncf_error *err)
{
    const nncf_pool2d_params p = {
        NNCF_PARAMS(nncf_pool2d_params), .scope = "Net/new", .kind = NNCF_POOL_MAX};
    nncf_layer *out;
    return nncf_model_add_pool2d(bare, &p, &out, err);
}

static nncf_status add_op(nncf_error *err)
{
    const nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .scope = "Net/new", .op = -3};
    nncf_layer *out;
    return nncf_model_add_op(bare, &p, &out, err);
}

static nncf_status add_weight(nncf_error *err)
{
    const nncf_weight_params p = {NNCF_PARAMS(nncf_weight_params), .scope = "Net/new"};
    nncf_layer *out;
    return nncf_model_add_weight(bare, &p, &out, err);
}

static nncf_status add_quantizer(nncf_error *err)
{
    const nncf_quantizer_params p = {
        NNCF_PARAMS(nncf_quantizer_params), .scope = "Net/new", .channels = -2};
    nncf_layer *out;
    return nncf_model_add_quantizer(bare, &p, &out, err);
}

static nncf_status add_unknown_version(nncf_error *err)
{
    const nncf_conv2d_params p = {.struct_size = 3};
    nncf_layer *out;
    return nncf_model_add_conv2d(bare, &p, &out, err);
}

static nncf_status create_model(nncf_error *err)
{
    return nncf_model_create(c.context, NULL, err);
}

static nncf_status set_mode(nncf_error *err)
{
    return nncf_model_set_mode(model, 7, err);
}

static nncf_status set_memory_policy(nncf_error *err)
{
    return nncf_model_set_memory_policy(model, 7, err);
}

static nncf_status set_memory_budget(nncf_error *err)
{
    const int64_t shape[4] = {1, 1, 4, 4};
    const nncf_tensor x = {.ndim = 4, .shape = (int64_t *)shape};
    return nncf_model_set_memory_budget(bare, &x, 0, 1, err);
}

static nncf_status equalize(nncf_error *err)
{
    return nncf_model_equalize(model, -1, NULL, err);
}

static nncf_status absorb_biases(nncf_error *err)
{
    return nncf_model_absorb_biases(model, NULL, err);
}

static nncf_status set_frozen_policy(nncf_error *err)
{
    return nncf_model_set_frozen_policy(model, 7, err);
}

static nncf_status set_gradient_flags(nncf_error *err)
{
    return nncf_model_set_gradient_flags(model, 4, err);
}

static nncf_status set_layer_gradient_flags(nncf_error *err)
{
    return nncf_layer_set_gradient_flags(layer, 4, err);
}

static nncf_status get_memory(nncf_error *err)
{
    nncf_memory memory = {NNCF_PARAMS(nncf_memory)};
    int64_t shape[4] = {1, 3, 1, 1};
    const nncf_tensor x = {.ndim = 4, .shape = shape, .dtype = NNCF_F32};
    return nncf_model_get_memory(model, &x, 1, NNCF_MODE_TRAIN, &memory, err);
}

static nncf_status forward(nncf_error *err)
{
    return nncf_layer_forward(layer, NULL, 1, NULL, err);
}

static nncf_status set_uses(nncf_error *err)
{
    return nncf_layer_set_uses(layer, 0, err);
}

static nncf_status select_use(nncf_error *err)
{
    return nncf_layer_select_use(layer, 1, err);
}

static nncf_status set_weight_layout(nncf_error *err)
{
    const nncf_weight_layout_params p = {NNCF_PARAMS(nncf_weight_layout_params), .order = 3};
    return nncf_layer_set_weight_layout(layer, &p, err);
}

static nncf_status get_output_shape(nncf_error *err)
{
    int32_t ndim;
    return nncf_layer_get_output_shape(layer, NULL, 1, NULL, 0, &ndim, err);
}

static nncf_status clear_masked(nncf_error *err)
{
    return nncf_layer_clear_masked(layer, NULL, err);
}

static nncf_status set_mask_callback(nncf_error *err)
{
    nncf_model *other;
    nncf_compression_ctrl *orphan;
    nncf_layer *out;
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "N/a", .weight = weight,
        .in_channels = 1, .out_channels = 1, .kernel = {1, 1}};
    ck_assert_int_eq(nncf_model_create(c.context, &other, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_conv2d(other, &p, &out, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_create(other, config, &orphan, NULL), NNCF_OK);
    nncf_model_destroy(other);
    const nncf_status status = nncf_compression_ctrl_set_mask_callback(orphan, NULL, NULL, err);
    nncf_compression_ctrl_destroy(orphan);
    return status;
}

static nncf_status get_mask(nncf_error *err)
{
    return nncf_layer_get_mask(layer, NULL, 2, err);
}

static nncf_status load(nncf_error *err)
{
    nncf_config *out;
    return nncf_config_load(c.context, "/no/such/folder/config.json", NULL, &out, err);
}

static nncf_status parse(nncf_error *err)
{
    nncf_config *out;
    return nncf_config_parse(c.context, "text", "{\"compression\": 3}", 18, NULL, &out, err);
}

static nncf_status plan(nncf_error *err)
{
    nncf_plan *out;
    nncf_model *empty;
    ck_assert_int_eq(nncf_model_create(c.context, &empty, NULL), NNCF_OK);
    const nncf_status status = nncf_plan_create(empty, config, &out, err);
    nncf_model_destroy(empty);
    return status;
}

static nncf_status create_ctrl(nncf_error *err)
{
    nncf_compression_ctrl *out;
    return nncf_compression_ctrl_create(model, config, &out, err); /* it has one */
}

static nncf_status precision_step(nncf_error *err)
{
    return nncf_compression_ctrl_precision_step(ctrl, NULL, err);
}

static nncf_status set_precision_cost(nncf_error *err)
{
    return nncf_compression_ctrl_set_precision_cost(ctrl, NULL, NULL, err);
}

static nncf_status init_step(nncf_error *err)
{
    return nncf_compression_ctrl_init_step(ctrl, NULL, err);
}

static nncf_status set_order(nncf_error *err)
{
    return nncf_compression_ctrl_set_order(ctrl, 9, err);
}

static nncf_status set_gradient_factor(nncf_error *err)
{
    return nncf_compression_ctrl_set_gradient_factor(ctrl, 0, err);
}

static nncf_status take_update(nncf_error *err)
{
    const nncf_update_params p = {NNCF_PARAMS(nncf_update_params), .optimizer = 5};
    return nncf_compression_ctrl_update(ctrl, &p, err);
}

static nncf_status take_optimizer_step(nncf_error *err)
{
    const nncf_optimizer_params p = {NNCF_PARAMS(nncf_optimizer_params), .optimizer = 5};
    return nncf_optimizer_step(c.context, &p, NULL, 0, err);
}

static nncf_status open_missing(nncf_error *err)
{
    nncf_checkpoint *out;
    return nncf_checkpoint_open(c.context, "/no/such/folder/x.safetensors", NULL, &out, err);
}

static int32_t write_nowhere(void *user, const void *data, size_t size)
{
    (void)user;
    (void)data;
    (void)size;
    return 1;
}

static nncf_status save(nncf_error *err)
{
    const nncf_checkpoint_save_params p = {
        NNCF_PARAMS(nncf_checkpoint_save_params), .write = write_nowhere};
    return nncf_checkpoint_save(ctrl, NULL, NULL, 0, &p, err);
}

static nncf_status read_missing(nncf_error *err)
{
    const nncf_checkpoint_tensor t = {"x", {.data = weight, .dtype = 77}};
    return nncf_checkpoint_read(checkpoint, &t, 1, err);
}

static nncf_status load_weights(nncf_error *err)
{
    return nncf_checkpoint_load_weights(checkpoint, NULL, 1, NULL, NULL, NULL, err);
}

static nncf_status restore(nncf_error *err)
{
    const nncf_checkpoint_restore_params p = {
        NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = 4};
    return nncf_checkpoint_restore(checkpoint, ctrl, &p, NULL, err);
}

static nncf_status shrink(nncf_error *err)
{
    return nncf_compression_ctrl_shrink(ctrl, NULL, err);
}

static nncf_status strip(nncf_error *err)
{
    return nncf_strip_save(ctrl, "/no/such/folder/x.safetensors", NULL, NULL, err);
}

static nncf_status export_onnx(nncf_error *err)
{
    return nncf_onnx_export(ctrl, "/no/such/folder/x.onnx", NULL, err);
}

static nncf_status set_collective(nncf_error *err)
{
    const nncf_collective_params p = {NNCF_PARAMS(nncf_collective_params), .rank = 1, .size = 1};
    return nncf_model_set_collective(model, &p, err);
}

static nncf_status set_first_row(nncf_error *err)
{
    return nncf_model_set_first_row(model, -2, err);
}

static nncf_status pack_gradients(nncf_error *err)
{
    return nncf_model_pack_gradients(model, 0, 9, weight, err);
}

static nncf_status unpack_gradients(nncf_error *err)
{
    return nncf_model_unpack_gradients(model, 0, 1, weight, INFINITY, err);
}

static int32_t fails(void *user, void *values, size_t count, nncf_dtype dtype, nncf_reduction r)
{
    (void)user;
    (void)values;
    (void)count;
    (void)dtype;
    (void)r;
    return 5;
}

/* The model is one of two ranks for the time of a call. */
static nncf_status with_ranks(nncf_status (*call)(nncf_model *, nncf_error *), nncf_error *err)
{
    const nncf_collective_params p = {
        NNCF_PARAMS(nncf_collective_params), .size = 2, .all_reduce = fails};
    ck_assert_int_eq(nncf_model_set_collective(model, &p, NULL), NNCF_OK);
    const nncf_status status = call(model, err);
    ck_assert_int_eq(nncf_model_set_collective(model, NULL, NULL), NNCF_OK);
    return status;
}

static nncf_status check_ranks(nncf_error *err)
{
    return with_ranks(nncf_model_check_ranks, err);
}

static nncf_status average_statistics(nncf_error *err)
{
    float mean[4] = {0}, var[4] = {0};
    const nncf_batch_norm_params bn = {
        NNCF_PARAMS(nncf_batch_norm_params), .running_mean = mean, .running_var = var};
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/norm",
        .weight = weight, .in_channels = 4, .out_channels = 4, .kernel = {1, 1}, .batch_norm = &bn};
    nncf_model *own = model, *normed;
    nncf_layer *out;
    ck_assert_int_eq(nncf_model_create(c.context, &normed, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_conv2d(normed, &p, &out, NULL), NNCF_OK);
    model = normed;
    const nncf_status status = with_ranks(nncf_model_average_statistics, err);
    model = own;
    nncf_model_destroy(normed);
    return status;
}

static nncf_status create_replica(nncf_error *err)
{
    nncf_model *replica;
    return nncf_model_create_replica(bare, NULL, &replica, err);
}

static nncf_status begin_replicas(nncf_error *err)
{
    return nncf_model_begin_replicas(model, err);
}

static nncf_status end_replicas(nncf_error *err)
{
    return nncf_model_end_replicas(model, err);
}

static const struct {
    const char *call;
    nncf_status (*refused)(nncf_error *err);
    /* what the message must begin with; NULL: anything */
    const char *place;
} cases[] = {
    {"nncf_model_add_conv2d", add_conv2d, "Net/new: kernel[0] is 0"},
    {"nncf_model_add_linear", add_linear, "Net/new: weight is NULL"},
    {"nncf_model_add_sum", add_sum, "Net/new: inputs[0] is NULL"},
    {"nncf_model_add_conv_transpose2d", add_conv_transpose2d, "Net/new: in_channels is 0"},
    {"nncf_model_add_prelu", add_prelu, "Net/new: count is 0"},
    {"nncf_model_add_dropout", add_dropout, "Net/new: p is 1"},
    {"nncf_model_add_group_norm", add_group_norm, "Net/new: channels is 0"},
    {"nncf_model_add_heads", add_heads, "Net/new: heads is 0"},
    {"nncf_model_add_attention", add_attention, "Net/new: features is 6"},
    {"nncf_model_find_attention", find_attention, "Net/Conv2d[a]: the model has no"},
    {"nncf_attention_get_sizes", attention_sizes, "layers[0] is another kind of layer"},
    {"nncf_attention_forward", attention_forward, "layers[0] is another kind of layer"},
    {"nncf_attention_backward", attention_backward, "layers[0] is another kind of layer"},
    {"nncf_model_add_pool2d", add_pool2d, "Net/new: kernel[0] is 0"},
    {"nncf_model_add_op", add_op, "Net/new: op is -3"},
    {"nncf_model_add_weight", add_weight, "Net/new: ndim is 0"},
    {"nncf_model_add_quantizer", add_quantizer, "Net/new: channels is -2"},
    {"nncf_model_add_conv2d", add_unknown_version, "nncf_conv2d_params: struct_size is 3"},
    {"nncf_model_create", create_model, NULL},
    {"nncf_model_set_mode", set_mode, "mode is 7"},
    {"nncf_model_set_memory_policy", set_memory_policy, "policy is 7"},
    {"nncf_model_set_memory_budget", set_memory_budget, NULL},
    {"nncf_model_equalize", equalize, NULL},
    {"nncf_model_absorb_biases", absorb_biases, NULL},
    {"nncf_model_set_frozen_policy", set_frozen_policy, "policy is 7"},
    {"nncf_model_set_gradient_flags", set_gradient_flags, "flags is 4"},
    {"nncf_layer_set_gradient_flags", set_layer_gradient_flags, "Net/Conv2d[a]: flags is 4"},
    {"nncf_model_get_memory", get_memory, "Net/Conv2d[a]: "},
    {"nncf_model_set_collective", set_collective, "rank is 1 of 1"},
    {"nncf_model_set_first_row", set_first_row, "row is -2"},
    {"nncf_model_pack_gradients", pack_gradients, "gradients 0 to 9"},
    {"nncf_model_unpack_gradients", unpack_gradients, "factor is inf"},
    {"nncf_model_check_ranks", check_ranks, "checksums of all ranks: all_reduce has returned 5"},
    {"nncf_model_average_statistics", average_statistics,
        "running statistics of all ranks: all_reduce has returned 5"},
    {"nncf_model_create_replica", create_replica, "the model has no controller"},
    {"nncf_model_begin_replicas", begin_replicas, "the model has no replicas"},
    {"nncf_model_end_replicas", end_replicas, "no batch is under way"},
    {"nncf_layer_forward", forward, "Net/Conv2d[a]: x is NULL"},
    {"nncf_layer_set_uses", set_uses, "Net/Conv2d[a]: n is 0"},
    {"nncf_layer_select_use", select_use, "Net/Conv2d[a]: use is 1"},
    {"nncf_layer_set_weight_layout", set_weight_layout, "Net/Conv2d[a]: order is 3"},
    {"nncf_layer_get_output_shape", get_output_shape, "Net/Conv2d[a]: x is NULL"},
    {"nncf_layer_clear_masked", clear_masked, "Net/Conv2d[a]: values is NULL"},
    {"nncf_compression_ctrl_set_mask_callback", set_mask_callback, NULL},
    {"nncf_layer_get_mask", get_mask, "Net/Conv2d[a]: bits is NULL"},
    {"nncf_config_load", load, "cannot open /no/such/folder/config.json"},
    {"nncf_config_parse", parse, "text:1:17: "},
    {"nncf_plan_create", plan, NULL},
    {"nncf_compression_ctrl_create", create_ctrl, NULL},
    {"nncf_compression_ctrl_precision_step", precision_step, NULL},
    {"nncf_compression_ctrl_set_precision_cost", set_precision_cost,
        "the config does not choose bits"},
    {"nncf_compression_ctrl_init_step", init_step, NULL},
    {"nncf_compression_ctrl_set_order", set_order, "order is 9"},
    {"nncf_compression_ctrl_set_gradient_factor", set_gradient_factor, "factor is 0"},
    {"nncf_compression_ctrl_update", take_update, "optimizer is 5"},
    {"nncf_optimizer_step", take_optimizer_step, "optimizer is 5"},
    {"nncf_checkpoint_open", open_missing, NULL},
    {"nncf_checkpoint_save", save, NULL},
    {"nncf_checkpoint_read", read_missing, NULL},
    {"nncf_checkpoint_load_weights", load_weights, "tensors is NULL"},
    {"nncf_checkpoint_restore", restore, NULL},
    {"nncf_compression_ctrl_shrink", shrink, "the config has no filter_pruning"},
    {"nncf_strip_save", strip, NULL},
    {"nncf_onnx_export", export_onnx, NULL},
};

static size_t offset;

/* A file without tensors. */
static int32_t read_file(void *user, void *data, size_t size, size_t *n_read)
{
    static const char file[10] = {2, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    (void)user;
    *n_read = size < sizeof file - offset ? size : sizeof file - offset;
    memcpy(data, file + offset, *n_read);
    offset += *n_read;
    return 0;
}

static void open_all(void)
{
    fx_open(&c, 1, 7);
    ck_assert_int_eq(nncf_model_create(c.context, &bare, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[a]",
        .weight = weight, .weight_grad = gradient, .in_channels = 4, .out_channels = 4,
        .kernel = {1, 1}};
    ck_assert_int_eq(nncf_model_add_conv2d(model, &p, &layer, NULL), NNCF_OK);
    static const char text[] = "{\"compression\": {\"algorithm\": \"magnitude_sparsity\"}}";
    ck_assert_int_eq(
        nncf_config_parse(c.context, NULL, text, sizeof text - 1, NULL, &config, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_create(model, config, &ctrl, NULL), NNCF_OK);
    const nncf_checkpoint_open_params open = {
        NNCF_PARAMS(nncf_checkpoint_open_params), .read = read_file, .size = 10};
    nncf_error err = NNCF_ERROR_INIT;
    offset = 0;
    ck_assert_msg(nncf_checkpoint_open(c.context, NULL, &open, &checkpoint, &err) == NNCF_OK, "%s",
        err.message);
}

static void close_all(void)
{
    nncf_checkpoint_close(checkpoint);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_config_destroy(config);
    nncf_model_destroy(model);
    nncf_model_destroy(bare);
    fx_close(&c);
}

/* The log of one refused call. */
static void check_log(const char *call, const char *message)
{
    const size_t n = strlen(call);
    ck_assert_msg(c.errors == 1, "%s: %d lines: %s", call, c.errors, c.log);
    ck_assert_msg(strncmp(c.log, call, n) == 0 && c.log[n] == ':', "%s: \"%s\"", call, c.log);
    ck_assert_msg(strncmp(c.log + n + 2, call, n) != 0 || c.log[n + 2 + n] != ':',
        "%s: named twice: \"%s\"", call, c.log);
    if (message)
        ck_assert_msg(strstr(c.log, message), "%s: \"%s\" is not in \"%s\"", call, message, c.log);
    c.errors = 0;
    c.log[0] = '\0';
}

START_TEST(a_refusal_is_logged_once_with_the_call_and_the_message)
{
    nncf_error err = NNCF_ERROR_INIT;
    const char *place = cases[_i].place;
    open_all();
    ck_assert_int_eq(c.errors, 0);
    ck_assert_int_lt(cases[_i].refused(&err), 0);
    check_log(cases[_i].call, err.message);
    ck_assert_msg(!place || strncmp(err.message, place, strlen(place)) == 0,
        "\"%s\" does not begin with \"%s\"", err.message, place);
    ck_assert_int_lt(cases[_i].refused(NULL), 0);
    check_log(cases[_i].call, place);
    close_all();
}
END_TEST

START_TEST(other_getters_log_nothing)
{
    double value;
    size_t needed;
    char text[2];
    nncf_tensor tensor;
    nncf_parameter parameter = {NNCF_PARAMS(nncf_parameter)};
    open_all();
    ck_assert_int_eq(nncf_config_get_double(config, "absent", &value, NULL), NNCF_E_NOTFOUND);
    ck_assert_int_eq(nncf_config_dump(config, text, sizeof text, &needed, NULL), NNCF_E_BUFFER);
    ck_assert_int_eq(
        nncf_checkpoint_get_tensor(checkpoint, "absent", &tensor, NULL), NNCF_E_NOTFOUND);
    ck_assert_int_eq(
        nncf_compression_ctrl_get_parameter(ctrl, 99, &parameter, NULL), NNCF_E_NOTFOUND);
    ck_assert_str_eq(c.log, "");
    close_all();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("refusals");
    TCase *tests = fx_case(suite, "refusals", 60);
    tcase_add_loop_test(tests, a_refusal_is_logged_once_with_the_call_and_the_message, 0,
        sizeof cases / sizeof *cases);
    tcase_add_test(tests, other_getters_log_nothing);
    return fx_main(suite);
}
