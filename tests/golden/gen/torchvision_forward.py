#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden logits of torchvision's models in eval mode: <model>_torchvision.json beside this folder.

Run with Debian's python3-torch and python3-torchvision: /usr/bin/python3 torchvision_forward.py
Computed in float64 from float32 weights and inputs, so the error left is that of the implementation under test.
"""
import json
import os

import torch
import torchvision

import formula

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
MODELS = {'mobilenetv2': torchvision.models.mobilenet_v2, 'resnet18': torchvision.models.resnet18,
          'resnet50': torchvision.models.resnet50}
SHAPE = (2, 3, 224, 224)


def stages(name, model):
    """Modules whose outputs are described in the file too, to find the first one that is wrong."""
    if name == 'mobilenetv2':
        return [(f'features.{i}', module) for i, module in enumerate(model.features)]
    return [(f'layer{s}.{i}', module) for s in range(1, 5) for i, module in enumerate(getattr(model, f'layer{s}'))]


def describe(values):
    return {'mean': values.mean().item(), 'mean_abs': values.abs().mean().item(), 'max_abs': values.abs().max().item(),
            'first': [round(v, 9) for v in values.flatten()[:4].tolist()]}


def run(name):
    torch.manual_seed(0)
    model = MODELS[name](weights=None).double().eval()
    state = model.state_dict()
    for key, tensor in state.items():
        if tensor.is_floating_point():
            tensor.copy_(torch.from_numpy(formula.parameter(key, tuple(tensor.shape))))
    seen = {}
    for stage, module in stages(name, model):
        module.register_forward_hook(lambda _, __, output, stage=stage: seen.__setitem__(stage, describe(output)))
    x = torch.from_numpy(formula.uniform('input', SHAPE, -2.0, 2.0))
    with torch.no_grad():
        logits = model(x.double())
        outputs = dict(seen)
        model.float()
        single = model(x)
    error = ((single.double() - logits).abs().max() / logits.abs().max()).item()
    print(f'{name}: max |logit| {logits.abs().max().item():.4g}, float32 differs by {error:.2g} of it')
    golden = {'model': f'torchvision {torchvision.__version__} {name}, torch {torch.__version__}, float64, eval mode',
              'formula': formula.TEXT + '; bounds by name as in gen/formula.py; input: name "input", bounds -2, 2',
              'input_shape': list(SHAPE), 'torch_float32_relative_error': error, 'stages': outputs,
              'logits': [[round(v, 9) for v in row] for row in logits.tolist()]}
    with open(os.path.join(FOLDER, f'{name}_torchvision.json'), 'w', encoding='utf-8') as file:
        json.dump(golden, file, separators=(',', ':'))
        file.write('\n')


if __name__ == '__main__':
    for model_name in MODELS:
        run(model_name)
