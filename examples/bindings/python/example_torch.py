#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compressed layers under a PyTorch module: PyTorch runs a float convolution, the loss and the optimizer, libnncf two linear
layers with half of their weights removed and all of them in 8 bits. Tensors share their memory with the library: nothing is copied.
"""
import sys

import torch

import nncf_c

CLASSES, BATCH, SIZE = 4, 32, 12
CONFIG = {'compression': [
    {'algorithm': 'rb_sparsity',
     'params': {'sparsity_init': 0.01, 'sparsity_target': 0.5, 'sparsity_steps': 4, 'sparsity_training_steps': 8}},
    {'algorithm': 'quantization', 'initializer': {'num_init_steps': 1}}]}


class Run(torch.autograd.Function):
    """A layer of libnncf between tensors of PyTorch. The weight is an input so that backward is called wherever the layer
    stands; its gradient is added by the library, to the memory of `weight.grad`."""

    @staticmethod
    def forward(ctx, x, weight, layer):
        ctx.x, ctx.layer = x.detach().contiguous().numpy(), layer
        return torch.from_numpy(layer.forward(ctx.x))

    @staticmethod
    def backward(ctx, dy):
        dx = ctx.layer.backward(ctx.x, dy=dy.contiguous().numpy(), dx=ctx.needs_input_grad[0])
        return torch.from_numpy(dx[0]) if dx else None, None, None


class CompressedLinear(torch.nn.Module):
    """torch.nn.Linear with an activation, run by libnncf. Clear gradients with set_to_none=False: they have their place."""

    def __init__(self, model, scope, inputs, n_in, n_out, activation):
        super().__init__()
        linear = torch.nn.Linear(n_in, n_out) # its initialization
        self.weight, self.bias = linear.weight, linear.bias
        for parameter in self.weight, self.bias:
            parameter.grad = torch.zeros_like(parameter)
        self.layer = model.add('linear', scope, inputs, weight=self.weight.detach().numpy(), weight_grad=self.weight.grad.numpy(),
                               bias=self.bias.detach().numpy(), bias_grad=self.bias.grad.numpy(), activation=activation)

    def forward(self, x):
        return Run.apply(x, self.weight, self.layer)


class Net(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.fc1 = CompressedLinear(model, 'Net/Linear[fc1]', [], 4 * (SIZE // 2) ** 2, 32, nncf_c.ACTIVATION_RELU)
        self.fc2 = CompressedLinear(model, 'Net/Linear[fc2]', [self.fc1.layer], 32, CLASSES, nncf_c.ACTIVATION_NONE)

    def forward(self, x):
        return self.fc2(self.fc1(torch.relu(self.conv(x)).flatten(1)))


def next_batch():
    """Class c: noise, brighter in its own quarter."""
    labels = torch.arange(BATCH) % CLASSES
    x = torch.rand(BATCH, 1, SIZE, SIZE) * 2 - 1
    half = SIZE // 2
    for i, c in enumerate(labels.tolist()):
        x[i, 0, c // 2 * half:c // 2 * half + half, c % 2 * half:c % 2 * half + half] += 0.5
    return x, labels


def shared(parameter):
    """A parameter of the controller (logits, ranges) as one of PyTorch's, in the same memory."""
    result = torch.nn.Parameter(torch.from_numpy(parameter.data))
    result.grad = torch.from_numpy(parameter.grad)
    return result


def groups(net, ctrl):
    """For the optimizer: masks need a far higher rate than weights; frozen parameters are left out."""
    own = ctrl.parameters()
    rates = {True: 0.05, False: 0.002}
    return [{'params': list(net.parameters()), 'lr': 0.002}] + [
        {'params': [shared(p) for p in own if (p.kind == nncf_c.PARAMETER_MASK_LOGIT) == mask and not p.frozen], 'lr': rate}
        for mask, rate in rates.items()]


def main() -> int:
    torch.manual_seed(1)
    with nncf_c.Context(threads=2) as context, nncf_c.Config.parse(CONFIG, context) as config, nncf_c.Model(context) as model:
        net = Net(model)
        with nncf_c.Ctrl(model, config) as ctrl:
            with torch.no_grad():
                ctrl.initialize(lambda: net(next_batch()[0]))
            optimizer = torch.optim.Adam(groups(net, ctrl))
            before = net.conv.weight.detach().clone()
            for epoch in range(8):
                for _ in range(60):
                    x, labels = next_batch()
                    optimizer.zero_grad(set_to_none=False)
                    loss = torch.nn.functional.cross_entropy(net(x), labels)
                    ctrl.loss_backward()
                    loss.backward()
                    optimizer.step()
                    ctrl.step()
                s = ctrl.statistics()
                print(f'epoch {epoch}  loss {loss.item():.4f}  sparsity {s["sparsity"]:.3f} of {s["sparsity_target"]:.3f}')
                ctrl.epoch_step()
                if len(groups(net, ctrl)[1]['params']) < len(optimizer.param_groups[1]['params']):
                    optimizer.param_groups[1]['params'] = [] # the masks stay as they are from now on
            moved = (net.conv.weight - before).abs().max().item() > 0.01 # PyTorch's layer got its gradient from ours
            print(ctrl.report())
            return 0 if moved and loss.item() < 0.2 and abs(ctrl.statistics()['sparsity'] - 0.5) < 0.1 else 1


if __name__ == '__main__':
    sys.exit(main())
