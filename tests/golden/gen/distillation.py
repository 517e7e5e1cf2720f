#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden losses of knowledge_distillation by PyTorch: ../distillation.json.

Run with Debian's python3-torch: /usr/bin/python3 distillation.py
The losses are written with PyTorch's own functions (kl_div, cross_entropy with probabilities, mse_loss); gradients are
autograd's, in float64 from float32 values. Outputs follow formula.py, from -spread to spread.
"""
import json
import os

import torch
import torch.nn.functional as F

import formula

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'distillation.json')
CASES = [('softmax', [4, 10], 1.0, 1.0, 4), ('softmax', [4, 10], 0.5, 4.0, 4), ('softmax', [3, 1], 1.0, 2.0, 4),
         ('softmax', [2, 3, 33], 2.0, 2.5, 10), ('softmax', [2, 1000], 1.0, 1.0, 100), ('softmax', [7, 17], 0.0, 1.0, 4),
         ('mse', [4, 10], 1.0, 1.0, 4), ('mse', [2, 3, 4, 5], 3.0, 1.0, 4), ('mse', [1, 1], 0.25, 1.0, 100)]


def main():
    cases = []
    for number, (kind, shape, scale, temperature, spread) in enumerate(CASES):
        student, teacher = (torch.from_numpy(formula.uniform(f'{name} {number}', shape, -spread, spread)).double()
                            for name in ('student', 'teacher'))
        student.requires_grad_()
        classes = shape[-1]
        s, t = student.reshape(-1, classes), teacher.reshape(-1, classes)
        if kind == 'mse':
            loss = scale * F.mse_loss(s, t)
        else:
            loss = scale * temperature ** 2 * F.cross_entropy(s / temperature, F.softmax(t / temperature, dim=1))
        loss.backward()
        cases.append({'type': kind, 'shape': shape, 'scale': scale, 'temperature': temperature, 'spread': spread,
                      'loss': loss.item(), 'gradient': [float('%.9g' % g) for g in student.grad.flatten()]})
    with open(OUT, 'w', encoding='utf-8') as file:
        file.write('[' + ',\n'.join(json.dumps(case) for case in cases) + ']\n')


if __name__ == '__main__':
    main()
