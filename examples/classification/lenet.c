/* SPDX-License-Identifier: Apache-2.0 */
/* LeNet-5 (LeCun et al. 1998) with ReLU and max pooling, for trying things out in seconds. Any
 * input size from 16x16 up will do. */
#include "models.h"

void lenet_build(net *n, const model_settings *m, int64_t num_classes)
{
    int x;
    (void)m; /* nothing to choose */
    x = net_add_conv(n,
        &(net_layer_spec){.scope = "LeNet/Conv2d[conv1]",
            .name = "conv1",
            .input = NET_INPUT,
            .out = 6,
            .kernel = 5,
            .padding = 2,
            .activation = NNCF_ACTIVATION_RELU,
            .bias = true,
            .init = NET_INIT_UNIFORM});
    x = net_add_pool(n, "LeNet/MaxPool2d[pool1]", x, NNCF_POOL_MAX, 2, 2, 0);
    x = net_add_conv(n,
        &(net_layer_spec){.scope = "LeNet/Conv2d[conv2]",
            .name = "conv2",
            .input = x,
            .out = 16,
            .kernel = 5,
            .activation = NNCF_ACTIVATION_RELU,
            .bias = true,
            .init = NET_INIT_UNIFORM});
    x = net_add_pool(n, "LeNet/MaxPool2d[pool2]", x, NNCF_POOL_MAX, 2, 2, 0);
    x = net_add_linear(n,
        &(net_layer_spec){.scope = "LeNet/Linear[fc1]",
            .name = "fc1",
            .input = x,
            .out = 120,
            .activation = NNCF_ACTIVATION_RELU,
            .bias = true,
            .init = NET_INIT_UNIFORM});
    x = net_add_linear(n,
        &(net_layer_spec){.scope = "LeNet/Linear[fc2]",
            .name = "fc2",
            .input = x,
            .out = 84,
            .activation = NNCF_ACTIVATION_RELU,
            .bias = true,
            .init = NET_INIT_UNIFORM});
    net_add_linear(n,
        &(net_layer_spec){.scope = "LeNet/Linear[fc3]",
            .name = "fc3",
            .input = x,
            .out = num_classes,
            .bias = true,
            .init = NET_INIT_UNIFORM});
}
