#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden forward and backward passes in train mode by PyTorch's autograd: ../torch_block.json.

Run with Debian's python3-torch: /usr/bin/python3 torch_block.py
Every case is a small graph of layers. Parameters, input and the gradient fed into the last layer follow formula.py, so
the file holds the graph and the results. Computed in float64 from float32 values.
"""
import json
import os

import torch
import torch.nn.functional as F

import formula

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'torch_block.json')


def conv(name, in_channels, out_channels, kernel, inputs=(-1,), **more):
    layer = {'name': name, 'type': 'conv2d', 'inputs': list(inputs), 'in_channels': in_channels,
             'out_channels': out_channels, 'kernel': kernel, 'stride': [1, 1], 'padding': [0, 0], 'dilation': [1, 1],
             'groups': 1, 'bias': False, 'batch_norm': False, 'activation': 'none'}
    assert not set(more) - set(layer)
    return {**layer, **more}


def linear(name, in_features, out_features, inputs=(-1,), **more):
    return {'name': name, 'type': 'linear', 'inputs': list(inputs), 'in_features': in_features,
            'out_features': out_features, 'bias': True, 'batch_norm': False, 'activation': 'none', **more}


def pool(name, kind, inputs, kernel=(1, 1), stride=(1, 1), padding=(0, 0)):
    return {'name': name, 'type': 'pool2d', 'inputs': list(inputs), 'kind': kind, 'kernel': list(kernel),
            'stride': list(stride), 'padding': list(padding)}


def add(name, inputs, activation='none'):
    return {'name': name, 'type': 'add', 'inputs': list(inputs), 'activation': activation}


def single(case, shape, layer):
    return {'name': case, 'input_shape': shape, 'layers': [layer]}


CASES = [
    {'name': 'small network', 'input_shape': [4, 3, 9, 11], 'labels': [3, 0, 4, 1], 'layers': [
        conv('stem', 3, 8, [3, 3], stride=[2, 2], padding=[1, 1], batch_norm=True, activation='relu6'),
        conv('expand', 8, 12, [1, 1], [0], batch_norm=True, activation='relu6'),
        conv('depthwise', 12, 12, [3, 3], [1], padding=[1, 1], groups=12, batch_norm=True, activation='relu6'),
        conv('project', 12, 8, [1, 1], [2], batch_norm=True),
        add('residual', [0, 3]),
        pool('pool', 'global_average', [4]),
        linear('classifier', 8, 5, [5])]},
    {'name': 'residual stage', 'input_shape': [3, 4, 10, 10], 'labels': [1, 2, 0], 'layers': [
        conv('conv1', 4, 6, [7, 7], stride=[2, 2], padding=[3, 3], batch_norm=True, activation='relu'),
        pool('maxpool', 'max', [0], [3, 3], [2, 2], [1, 1]),
        conv('main', 6, 6, [3, 3], [1], padding=[1, 1], batch_norm=True),
        conv('shortcut', 6, 6, [1, 1], [1], batch_norm=True),
        add('sum', [2, 3], 'relu'),
        pool('average', 'average', [4], [2, 2], [1, 1], [1, 1]),
        linear('hidden', 6 * 4 * 4, 7, [5], bias=False, batch_norm=True, activation='relu'),
        linear('fc', 7, 3, [6])]},
    single('1x1', [2, 5, 4, 3], conv('c', 5, 7, [1, 1], bias=True)),
    single('1x1, stride 2', [2, 5, 7, 6], conv('c', 5, 4, [1, 1], stride=[2, 2])),
    single('3x3, padding 1', [2, 3, 6, 5], conv('c', 3, 4, [3, 3], padding=[1, 1], bias=True)),
    single('3x3, stride 2, rows left over', [2, 3, 8, 6], conv('c', 3, 4, [3, 3], stride=[2, 2], bias=True)),
    single('3x2, stride 1x2, padding 2x1, dilation 2x1, two groups', [2, 6, 7, 8],
           conv('c', 6, 4, [3, 2], stride=[1, 2], padding=[2, 1], dilation=[2, 1], groups=2, bias=True,
                activation='relu')),
    single('3x3, dilation 3x2', [1, 2, 9, 9], conv('c', 2, 3, [3, 3], padding=[3, 2], dilation=[3, 2])),
    single('1x7', [2, 3, 4, 9], conv('c', 3, 2, [1, 7], padding=[0, 3], bias=True)),
    single('5x5, padding larger than the image', [1, 2, 2, 3], conv('c', 2, 2, [5, 5], padding=[4, 4])),
    single('depthwise 3x3', [2, 6, 5, 6], conv('c', 6, 6, [3, 3], padding=[1, 1], groups=6, bias=True)),
    single('depthwise 3x3, stride 2', [2, 5, 8, 7], conv('c', 5, 5, [3, 3], stride=[2, 2], padding=[1, 1], groups=5)),
    single('depthwise 5x5, dilation 2', [1, 3, 11, 9],
           conv('c', 3, 3, [5, 5], padding=[4, 4], dilation=[2, 2], groups=3)),
    single('depthwise, two filters a channel', [2, 4, 5, 5],
           conv('c', 4, 8, [3, 3], padding=[1, 1], groups=4, batch_norm=True, activation='relu6')),
    single('batch norm of a single picture', [1, 3, 4, 4], conv('c', 3, 5, [3, 3], padding=[1, 1], batch_norm=True)),
    single('linear with batch norm', [6, 9], linear('l', 9, 4, batch_norm=True, activation='relu6')),
]


class Run:
    """One case: parameters by formula, outputs of all layers."""

    def __init__(self, case):
        self.case = case
        self.leaves = {}
        self.buffers = {}

    def leaf(self, name, shape):
        values = formula.parameter(f'{self.case["name"]}/{name}', shape)
        tensor = torch.from_numpy(values).double().requires_grad_()
        self.leaves[name] = tensor
        return tensor

    def finish(self, layer, z, channels):
        name = layer['name']
        if layer['batch_norm']:
            mean, var = (torch.from_numpy(formula.parameter(f'{self.case["name"]}/{name}.{which}', (channels,))).double()
                         for which in ('running_mean', 'running_var'))
            z = F.batch_norm(z, mean, var, self.leaf(f'{name}.bn_weight', (channels,)),
                             self.leaf(f'{name}.bn_bias', (channels,)), training=True, momentum=0.1, eps=1e-5)
            self.buffers[f'{name}.running_mean'], self.buffers[f'{name}.running_var'] = mean, var
        return self.activate(layer, z)

    @staticmethod
    def activate(layer, z):
        return {'none': lambda v: v, 'relu': F.relu, 'relu6': F.relu6}[layer['activation']](z)

    def compute(self, layer, x):
        name = layer['name']
        if layer['type'] == 'conv2d':
            weight = self.leaf(f'{name}.weight', (layer['out_channels'], layer['in_channels'] // layer['groups'],
                                                  *layer['kernel']))
            bias = self.leaf(f'{name}.bias', (layer['out_channels'],)) if layer['bias'] else None
            z = F.conv2d(x[0], weight, bias, layer['stride'], layer['padding'], layer['dilation'], layer['groups'])
            return self.finish(layer, z, layer['out_channels'])
        if layer['type'] == 'linear':
            weight = self.leaf(f'{name}.weight', (layer['out_features'], layer['in_features']))
            bias = self.leaf(f'{name}.bias', (layer['out_features'],)) if layer['bias'] else None
            return self.finish(layer, F.linear(x[0].flatten(1), weight, bias), layer['out_features'])
        if layer['type'] == 'add':
            return self.activate(layer, x[0] + x[1])
        if layer['kind'] == 'global_average':
            return F.adaptive_avg_pool2d(x[0], 1)
        function = F.max_pool2d if layer['kind'] == 'max' else F.avg_pool2d
        return function(x[0], layer['kernel'], layer['stride'], layer['padding'])

    def golden(self):
        case = self.case
        x = torch.from_numpy(formula.uniform(f'{case["name"]}/input', case['input_shape'], -2.0, 2.0)).double()
        x.requires_grad_()
        outputs = []
        for layer in case['layers']:
            outputs.append(self.compute(layer, [x if i < 0 else outputs[i] for i in layer['inputs']]))
        y = outputs[-1]
        results = {'output': y}
        if 'labels' in case:
            results['loss'] = F.cross_entropy(y, torch.tensor(case['labels']))
            results['loss'].backward()
        else:
            dy = torch.from_numpy(formula.uniform(f'{case["name"]}/output_grad', tuple(y.shape), -1.0, 1.0)).double()
            y.backward(dy)
        results['grad.input'] = x.grad
        results.update({f'grad.{name}': leaf.grad for name, leaf in self.leaves.items()})
        results.update(self.buffers)
        return {**case, 'output_shape': list(y.shape),
                'results': {key: [float(f'{v:.9g}') for v in value.detach().flatten().tolist()]
                            for key, value in results.items()}}


def main():
    golden = {'version': f'torch {torch.__version__}, float64, train mode',
              'formula': formula.TEXT + '; name = case + "/" + parameter, bounds by name as in gen/formula.py; input -2, 2; '
                                        'output_grad -1, 1; batch norm: eps 1e-5, momentum 0.1',
              'cases': [Run(case).golden() for case in CASES]}
    with open(OUT, 'w', encoding='utf-8') as file:
        json.dump(golden, file, separators=(',', ':'))
        file.write('\n')


if __name__ == '__main__':
    main()
