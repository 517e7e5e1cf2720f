#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden forward and backward passes of single layers by PyTorch's autograd: ../torch_layers.json.

Run with Debian's python3-torch: /usr/bin/python3 torch_layers.py
Inputs, parameters and the gradient fed into the output follow formula.py, so the file holds attributes and results.
Computed in float64 from float32 values.
"""
import json
import os

import torch
import torch.nn.functional as F

import formula

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'torch_layers.json')

ACTIVATIONS = {
    'relu': lambda x, a: F.relu(x), 'relu6': lambda x, a: F.relu6(x),
    'leaky_relu': lambda x, a: F.leaky_relu(x, a or 0.01), 'sigmoid': lambda x, a: torch.sigmoid(x),
    'tanh': lambda x, a: torch.tanh(x), 'hard_swish': lambda x, a: F.hardswish(x),
    'hard_sigmoid': lambda x, a: F.hardsigmoid(x), 'silu': lambda x, a: F.silu(x), 'gelu': lambda x, a: F.gelu(x),
    'gelu_tanh': lambda x, a: F.gelu(x, approximate='tanh'), 'elu': lambda x, a: F.elu(x, a or 1.0),
    'mish': lambda x, a: F.mish(x),
}


def case(name, kind, inputs, parameters=None, **attributes):
    return {'name': name, 'kind': kind, 'inputs': inputs, 'parameters': parameters or {}, **attributes}


def activations():
    for number, name in enumerate(ACTIVATIONS, 1):
        alpha = 0.1 if name in ('leaky_relu', 'elu') else 0
        common = {'activation': number, 'alpha': alpha}
        yield case(name, 'activation', [[2, 2, 4, 5]], **common)
        yield case(f'{name} of a convolution', 'conv2d', [[2, 2, 4, 3]], {'weight': [3, 2, 3, 3], 'bias': [3]}, **common)
        yield case(f'{name} behind batch norm', 'conv2d', [[2, 2, 4, 5]],
                   {'weight': [3, 2, 3, 3], 'bn_weight': [3], 'bn_bias': [3]}, **common)
        yield case(f'{name} behind depthwise batch norm', 'conv2d', [[2, 2, 5, 7]],
                   {'weight': [2, 1, 3, 3], 'bn_weight': [2], 'bn_bias': [2]}, **common)
        yield case(f'{name} of a sum', 'sum', [[2, 2, 3, 4], [2, 2, 3, 4]], **common)
    yield case('leaky_relu, default', 'activation', [[3, 40]], activation=3, alpha=0)
    yield case('elu, default', 'activation', [[3, 40]], activation=11, alpha=0)


def pools():
    """kind 1 average, 2 maximum; padding top, left and what bottom, right have beyond; flags 2 ceil, 4 exclude padding."""
    for kind, name in ((1, 'average'), (2, 'maximum')):
        for flags in (0, 2, 4, 6) if kind == 1 else (0, 2):
            label = name + (', ceil' if flags & 2 else '') + (', exclude' if flags & 4 else '')
            common = {'mode': kind, 'flags': flags}
            yield case(f'{label}', 'pool2d', [[2, 2, 6, 7]], kernel=[3, 2], stride=[2, 2], padding=[1, 1],
                       padding_end=[0, 0], **common)
            yield case(f'{label}, windows apart', 'pool2d', [[1, 3, 9, 8]], kernel=[2, 3], stride=[3, 4], padding=[0, 1],
                       padding_end=[0, 0], **common)
            yield case(f'{label}, one side', 'pool2d', [[2, 2, 5, 6]], kernel=[2, 3], stride=[1, 2], padding=[0, 1],
                       padding_end=[1, -1], **common)


CASES = [
    *activations(),
    *pools(),
    case('convolution, one side', 'conv2d', [[2, 2, 5, 6]], {'weight': [3, 2, 3, 2], 'bias': [3]}, padding=[0, 1],
         padding_end=[2, -1]),
    case('depthwise, one side', 'conv2d', [[2, 4, 8, 8]], {'weight': [4, 1, 3, 3]}, padding=[1, 1], padding_end=[1, 2]),
    case('depthwise batch norm, one side', 'conv2d', [[2, 3, 7, 7]],
         {'weight': [3, 1, 3, 3], 'bn_weight': [3], 'bn_bias': [3]}, padding=[1, 1], padding_end=[-1, -1], stride=[2, 2]),
    case('sum of rows', 'sum', [[2, 3, 4], [2, 3, 4]], activation=9, alpha=0),
    case('activation of five dimensions', 'activation', [[2, 2, 2, 2, 3]], activation=8, alpha=0),
    case('linear over three dimensions', 'linear', [[2, 3, 5]], {'weight': [4, 5], 'bias': [4]}, activation=9, alpha=0),
    case('linear over the last of four', 'linear', [[2, 2, 3, 5]], {'weight': [4, 5], 'bias': [4]}),
    case('concat of three', 'concat', [[2, 1, 3, 2], [2, 3, 3, 2], [2, 2, 3, 2]]),
    case('concat of rows', 'concat', [[3, 4], [3, 5]]),
    case('multiply', 'multiply', [[2, 3, 4, 5], [2, 3, 4, 5]]),
    case('multiply by channel', 'multiply', [[2, 3, 4, 5], [2, 3, 1, 1]]),
    case('multiply by channel, two dimensions', 'multiply', [[2, 3, 4, 5], [2, 3]]),
    case('softmax', 'softmax', [[2, 3, 21]]),
    case('softmax of vectors', 'softmax', [[4, 5]]),
    case('causal softmax', 'softmax', [[2, 4, 4]], causal=1),
    case('causal softmax, longer rows', 'softmax', [[3, 5]], causal=1),
    case('nearest', 'upsample', [[2, 2, 3, 4]], mode=0, factor=[2, 3]),
    case('bilinear', 'upsample', [[2, 2, 3, 4]], mode=1, factor=[2, 3]),
    case('bilinear, aligned', 'upsample', [[2, 2, 3, 4]], mode=2, factor=[2, 3]),
    case('layer norm', 'layer_norm', [[3, 4, 70]], {'weight': [70], 'bias': [70]}, eps=1e-5),
    case('layer norm, plain', 'layer_norm', [[90, 6]], eps=1e-3),
    case('embedding', 'embedding', [[3, 7]], {'weight': [9, 35]}, range=[0, 9]),
    case('matmul', 'matmul', [[2, 3, 4, 5], [2, 3, 5, 6]], transpose=[0, 0], factor=1),
    case('matmul, second transposed', 'matmul', [[2, 3, 4, 5], [2, 3, 6, 5]], transpose=[0, 1], factor=0.5),
    case('matmul, first transposed', 'matmul', [[3, 5, 4], [3, 5, 6]], transpose=[1, 0], factor=0.25),
    case('matmul, both transposed', 'matmul', [[5, 4], [6, 5]], transpose=[1, 1], factor=1),
]


def transposed():
    """padding and output_padding as PyTorch's."""
    def of(name, x, weight, **more):
        parameters = {'weight': weight, **({'bias': [weight[1] * more.get('groups', 1)]} if more.pop('bias', True) else {})}
        norm = {'bn_weight': [weight[1]], 'bn_bias': [weight[1]]} if more.pop('norm', False) else {}
        return case(f'transposed{name}', 'conv_transpose2d', [x], {**parameters, **norm}, **more)
    yield of('', [2, 3, 4, 5], [3, 4, 3, 3])
    yield of(', stride 2', [2, 3, 4, 5], [3, 4, 2, 2], stride=[2, 2])
    yield of(', stride, padding and more', [2, 2, 4, 3], [2, 3, 3, 4], stride=[2, 3], padding=[1, 2], output_padding=[1, 2],
             bias=False)
    yield of(', dilated', [1, 2, 3, 4], [2, 5, 3, 2], dilation=[2, 3], padding=[1, 0], output_padding=[1, 0])
    yield of(', groups', [2, 4, 3, 3], [4, 3, 3, 3], stride=[2, 2], padding=[1, 1], groups=2)
    yield of(', depthwise', [2, 4, 5, 4], [4, 1, 3, 3], stride=[2, 2], padding=[1, 1], output_padding=[1, 1], groups=4)
    yield of(', one pixel', [3, 6, 1, 1], [6, 2, 4, 4])
    yield of(', batch norm, activation', [2, 3, 4, 3], [3, 4, 3, 3], stride=[2, 1], padding=[1, 1], norm=True, bias=False,
             activation=3, alpha=0.1)
    yield of(', activation', [2, 3, 4, 3], [3, 4, 3, 3], activation=8, alpha=0)


CASES += transposed()
CASES += [
    case('prelu', 'prelu', [[2, 3, 4, 5]], {'weight': [3]}),
    case('prelu, one slope', 'prelu', [[2, 3, 5]], {'weight': [1]}),
    case('prelu of vectors', 'prelu', [[4, 7]], {'weight': [7]}),
    case('prelu of five dimensions', 'prelu', [[2, 3, 2, 2, 3]], {'weight': [3]}),
    case('group norm', 'group_norm', [[2, 6, 4, 5]], {'weight': [6], 'bias': [6]}, groups=3, eps=1e-5),
    case('group norm, one group', 'group_norm', [[3, 4, 7]], {'weight': [4], 'bias': [4]}, groups=1, eps=1e-5),
    case('instance norm', 'group_norm', [[2, 4, 3, 3]], {'weight': [4]}, groups=4, eps=1e-3),
    case('group norm, plain, five dimensions', 'group_norm', [[2, 4, 2, 3, 2]], groups=2, eps=1e-5),
    case('group norm of vectors', 'group_norm', [[3, 12]], {'weight': [12], 'bias': [12]}, groups=2, eps=1e-5),
]


CASES += [
    case('heads apart', 'heads', [[2, 4, 6]], heads=3, merge=0),
    case('heads apart, four dimensions', 'heads', [[2, 2, 3, 4]], heads=2, merge=0),
    case('heads together', 'heads', [[2, 3, 4, 2]], heads=3, merge=1),
    case('heads of a matrix together', 'heads', [[3, 4, 2]], heads=3, merge=1),
]


def activate(c, z):
    number = c.get('activation', 0)
    return list(ACTIVATIONS.values())[number - 1](z, c['alpha']) if number else z


def padded(c, x, value):
    """x with what a case says around it, so that PyTorch pads nothing."""
    (top, left), (bottom, right) = c['padding'], c['padding_end']
    return F.pad(x, (left, left + right, top, top + bottom), value=value)


def conv2d(c, x, p):
    around = {'padding': [1, 1], 'padding_end': [0, 0], **c}
    z = F.conv2d(padded(around, x[0], 0.0), p['weight'], p.get('bias'), stride=c.get('stride', 1),
                 groups=x[0].shape[1] // p['weight'].shape[1])
    if 'bn_weight' in p:
        z = F.batch_norm(z, None, None, p['bn_weight'], p['bn_bias'], training=True, eps=1e-5)
    return activate(c, z)


def conv_transpose2d(c, x, p):
    z = F.conv_transpose2d(x, p['weight'], p.get('bias'), **{
        key: c[key] for key in ('stride', 'padding', 'output_padding', 'groups', 'dilation') if key in c})
    if 'bn_weight' in p:
        z = F.batch_norm(z, None, None, p['bn_weight'], p['bn_bias'], training=True, eps=1e-5)
    return activate(c, z)


def upsample(c, x):
    mode = 'nearest' if c['mode'] == 0 else 'bilinear'
    return F.interpolate(x, scale_factor=[float(f) for f in c['factor']], mode=mode,
                         align_corners=None if c['mode'] == 0 else c['mode'] == 2)


def pool2d(c, x):
    """PyTorch's own pads where both sides are padded alike. Else it pads nothing: of these cases none has pixels left over
    behind the last window, where it would take the padding for pixels."""
    ceil, exclude = bool(c['flags'] & 2), bool(c['flags'] & 4)
    if not any(c['padding_end']):
        if c['mode'] == 2:
            return F.max_pool2d(x, c['kernel'], c['stride'], c['padding'], ceil_mode=ceil)
        return F.avg_pool2d(x, c['kernel'], c['stride'], c['padding'], ceil, not exclude)
    if c['mode'] == 2:
        return F.max_pool2d(padded(c, x, float('-inf')), c['kernel'], c['stride'], ceil_mode=ceil)
    y = F.avg_pool2d(padded(c, x, 0.0), c['kernel'], c['stride'], 0, ceil)
    return y / F.avg_pool2d(padded(c, torch.ones_like(x), 0.0), c['kernel'], c['stride'], 0, ceil) if exclude else y


def heads(c, x):
    if c['merge']:
        return x.transpose(-3, -2).flatten(-2)
    return x.unflatten(-1, (c['heads'], -1)).transpose(-3, -2)


def softmax(c, x):
    if c.get('causal'):
        m, n = x.shape[-2:]
        x = x.masked_fill(torch.ones(m, n).triu(n - m + 1).bool(), float('-inf'))
    return torch.softmax(x, -1)


def matmul(c, x):
    a, b = (v.transpose(-1, -2) if t else v for v, t in zip(x, c['transpose']))
    return c['factor'] * torch.matmul(a, b)


def multiply(x):
    a, b = x
    return a * (b.reshape(*b.shape, *[1] * (a.dim() - b.dim())) if b.dim() < a.dim() else b)


KINDS = {
    'linear': lambda c, x, p: activate(c, F.linear(x[0], p['weight'], p['bias'])),
    'concat': lambda c, x, p: torch.cat(x, 1),
    'multiply': lambda c, x, p: multiply(x),
    'softmax': lambda c, x, p: softmax(c, x[0]),
    'upsample': lambda c, x, p: upsample(c, x[0]),
    'layer_norm': lambda c, x, p: F.layer_norm(x[0], x[0].shape[-1:], p.get('weight'), p.get('bias'), c['eps']),
    'embedding': lambda c, x, p: F.embedding(x[0].long(), p['weight']),
    'matmul': lambda c, x, p: matmul(c, x),
    'activation': lambda c, x, p: activate(c, x[0]),
    'conv2d': conv2d,
    'conv_transpose2d': lambda c, x, p: conv_transpose2d(c, x[0], p),
    'prelu': lambda c, x, p: F.prelu(x[0], p['weight']),
    'group_norm': lambda c, x, p: F.group_norm(x[0], c['groups'], p.get('weight'), p.get('bias'), c['eps']),
    'heads': lambda c, x, p: heads(c, x[0]),
    'pool2d': lambda c, x, p: pool2d(c, x[0]),
    'sum': lambda c, x, p: activate(c, x[0] + x[1]),
}


def leaf(values):
    return torch.from_numpy(values).double().requires_grad_()


def golden(c):
    name = c['name']
    x = [leaf(formula.uniform(f'{name}/input{i}', shape, *c.get('range', (-3.0, 3.0))))
         for i, shape in enumerate(c['inputs'])]
    p = {key: leaf(formula.parameter(f'{name}/{key}', shape)) for key, shape in c['parameters'].items()}
    y = KINDS[c['kind']](c, x, p)
    y.backward(torch.from_numpy(formula.uniform(f'{name}/output_grad', tuple(y.shape), -1.0, 1.0)).double())
    results = {'output': y, **{f'grad.input{i}': v.grad for i, v in enumerate(x) if v.grad is not None},
               **{f'grad.{key}': v.grad for key, v in p.items()}}
    return {**c, 'output_shape': list(y.shape),
            'results': {key: [float(f'{v:.8g}') for v in value.detach().flatten().tolist()]
                        for key, value in results.items()}}


def main():
    result = {'version': f'torch {torch.__version__}, float64',
              'formula': formula.TEXT + '; name = case + "/" + array, bounds of parameters by name as in gen/formula.py; '
                                        'input -3, 3 where the case has no range; output_grad -1, 1',
              'cases': [golden(c) for c in CASES]}
    with open(OUT, 'w', encoding='utf-8') as file:
        json.dump(result, file, separators=(',', ':'))
        file.write('\n')


if __name__ == '__main__':
    main()
