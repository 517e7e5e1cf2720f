#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden forward and backward passes of attention by PyTorch 2's autograd: ../torch_attention.json.

Run with a PyTorch that has scaled_dot_product_attention (2.1 or newer) and NumPy: python3 torch_attention.py
`module` cases are nn.MultiheadAttention, the others linear layers around scaled_dot_product_attention. Inputs, parameters
and the gradient fed into the output follow formula.py, so the file holds attributes and results. Computed in float64 from
float32 values.
"""
import json
import os

import torch
import torch.nn.functional as F

import formula

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'torch_attention.json')


def case(name, inputs, features, heads, **more):
    """inputs: one, two or three shapes (B,T,C), as nncf_attention_params.n_x counts them."""
    return {'name': name, 'inputs': inputs, 'features': features, 'heads': heads, 'packed': 0, 'causal': 0, 'bias': 1,
            'out': 1, 'factor': 0, 'module': 1, **more}


CASES = [
    case('self', [[2, 5, 12]], 12, 3, packed=1),
    case('self, causal', [[2, 7, 8]], 8, 2, packed=1, causal=1),
    case('self, one head, no bias', [[3, 4, 6]], 6, 1, packed=1, bias=0),
    case('cross', [[2, 3, 8], [2, 6, 8]], 8, 4, packed=1),
    case('cross, other sizes', [[2, 3, 8], [2, 6, 5], [2, 6, 7]], 8, 2),
    case('cross, causal with more keys', [[2, 3, 8], [2, 5, 8]], 8, 2, causal=1),
    case('product, other factor', [[2, 6, 16]], 16, 4, module=0, factor=0.75),
    case('product without output layer', [[2, 5, 6], [2, 4, 10]], 6, 3, module=0, out=0, causal=0),
    case('product, causal, long', [[1, 33, 24]], 24, 4, module=0, causal=1),
]


def shapes_of(c):
    e = c['features']
    sizes = [shape[-1] for shape in c['inputs']]
    sizes += [sizes[-1]] * (3 - len(sizes))
    if c['packed']:
        yield 'in_proj_weight', [3 * e, e]
        if c['bias']:
            yield 'in_proj_bias', [3 * e]
    else:
        for letter, size in zip('qkv', sizes):
            yield f'{letter}_proj_weight', [e, size]
            if c['bias']:
                yield f'{letter}_proj_bias', [e]
    if c['out']:
        yield 'out_proj_weight', [e, e]
        if c['bias']:
            yield 'out_proj_bias', [e]


def leaf(values):
    return torch.from_numpy(values).double().requires_grad_()


def mask_of(queries, keys):
    """True: not allowed. The last query sees all keys."""
    return torch.ones(queries, keys).triu(keys - queries + 1).bool()


def module(c, p, q, k, v):
    """nn.MultiheadAttention, with our arrays as its parameters. It has one bias for q, k and v."""
    m = torch.nn.MultiheadAttention(c['features'], c['heads'], bias=bool(c['bias']), batch_first=True,
                                    kdim=k.shape[-1], vdim=v.shape[-1]).double()
    arrays = {'out_proj.weight': p['out_proj_weight']}
    separate = 'q_proj_weight' in dict(m.named_parameters())
    weights = [p[f'{letter}_proj_weight'] for letter in 'qkv'] if not c['packed'] else list(p['in_proj_weight'].chunk(3))
    arrays.update({f'{letter}_proj_weight': w for letter, w in zip('qkv', weights)} if separate else
                  {'in_proj_weight': torch.cat(weights)})
    if c['bias']:
        arrays['in_proj_bias'] = p['in_proj_bias'] if c['packed'] else torch.cat([p[f'{a}_proj_bias'] for a in 'qkv'])
        arrays['out_proj.bias'] = p['out_proj_bias']
    mask = mask_of(q.shape[1], k.shape[1]) if c['causal'] else None
    return torch.func.functional_call(m, arrays, (q, k, v), {'attn_mask': mask, 'need_weights': False})[0]


def product(c, p, q, k, v):
    def heads(x, letter):
        return F.linear(x, p[f'{letter}_proj_weight'], p.get(f'{letter}_proj_bias')).unflatten(
            -1, (c['heads'], -1)).transpose(1, 2)
    y = F.scaled_dot_product_attention(heads(q, 'q'), heads(k, 'k'), heads(v, 'v'), is_causal=bool(c['causal']),
                                       scale=c['factor'] or None).transpose(1, 2).flatten(2)
    return F.linear(y, p['out_proj_weight'], p.get('out_proj_bias')) if c['out'] else y


def golden(c):
    name = c['name']
    x = [leaf(formula.uniform(f'{name}/input{i}', shape, -3.0, 3.0)) for i, shape in enumerate(c['inputs'])]
    p = {key: leaf(formula.parameter(f'{name}/{key}', shape)) for key, shape in shapes_of(c)}
    three = x + [x[-1]] * (3 - len(x))
    y = (module if c['module'] else product)(c, p, *three)
    y.backward(torch.from_numpy(formula.uniform(f'{name}/output_grad', tuple(y.shape), -1.0, 1.0)).double())
    results = {'output': y, **{f'grad.input{i}': v.grad for i, v in enumerate(x)},
               **{f'grad.{key}': v.grad for key, v in p.items()}}
    return {**c, 'parameters': {key: list(v.shape) for key, v in p.items()}, 'output_shape': list(y.shape),
            'results': {key: [float(f'{v:.8g}') for v in value.detach().flatten().tolist()]
                        for key, value in results.items()}}


def main():
    result = {'version': f'torch {torch.__version__}, float64',
              'formula': formula.TEXT + '; name = case + "/" + array, bounds of parameters by name as in gen/formula.py; '
                                        'input -3, 3; output_grad -1, 1',
              'cases': [golden(c) for c in CASES]}
    with open(OUT, 'w', encoding='utf-8') as file:
        json.dump(result, file, separators=(',', ':'))
        file.write('\n')


if __name__ == '__main__':
    main()
