#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The first steps of compressed trainings by NNCF: ../nncf_training.json.

Run with Debian's python3-torch and PyPI's nncf 2.4.0: python nncf_training.py
A small LeNet, one fixed batch, SGD. Weights, batch and labels follow formula.py, so the file holds the configs, the
ranges after initialization and the loss of each step. Every run is made in float32 and again in float64: how far the
two are apart says what rounding alone does to a run, since values next to a tie of a quantizer go to either side.

Three things are made alike. The global threshold of magnitude sparsity masks one weight more in NNCF than the level
says (importance > threshold), so NNCF's level is one weight lower. NNCF 2.4 observes ranges before it inserts masks,
1.0 and the library behind them: where masks are not all ones the ranges are given to the library
("ranges_are_given"). Signed weights have the codes -high..high, as in NNCF 1.0 to 1.3.1; 2.4 trains with one code more
below. Random masks follow the library's generator, Philox4x32-10, which is written out here and put in the place of
NNCF's.
"""
import json
import os

import torch
import torch.nn.functional as F

import nncf
from nncf import NNCFConfig
from nncf.common.quantization.quantizers import calculate_symmetric_level_ranges
from nncf.torch import create_compressed_model, register_default_init_args
from nncf.torch.sparsity.rb import functions as rb_functions
from nncf.torch.sparsity.rb import layers as rb_layers

import formula

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'nncf_training.json')
BATCH, STEPS, CLASSES, SEED = 16, 10, 5, 11
WEIGHT_RATE, SCALE_RATE, MASK_RATE = 0.1, 0.02, 100.0
LAYERS = ['conv1', 'conv2', 'fc1', 'fc2']
MASK64 = (1 << 64) - 1


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 4, 3)
        self.conv2 = torch.nn.Conv2d(4, 6, 3)
        self.fc1 = torch.nn.Linear(54, 16)
        self.fc2 = torch.nn.Linear(16, CLASSES)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.relu(self.conv2(x))
        x = F.relu(self.fc1(x.view(x.shape[0], -1)))
        return self.fc2(x)


# ---- random masks ----

def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011): four words."""
    x, k = list(counter), list(key)
    for _ in range(10):
        a, b = x[0] * 0xD2511F53, x[2] * 0xCD9E8D57
        x = [(b >> 32) ^ x[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ x[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return x


def mixed(x):
    """The finalizer of splitmix64."""
    x = (x + 0x9E3779B97F4A7C15) & MASK64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK64
    return x ^ (x >> 31)


def noise(layer, step, count):
    """Element i of a layer's mask in a step; layers count in the order of registration, the pool among them."""
    key = mixed((mixed(SEED) + layer) & MASK64)
    words = []
    for block in range((count + 3) // 4):
        words += philox([block, 0, step & 0xFFFFFFFF, step >> 32], [key & 0xFFFFFFFF, key >> 32])
    return [(word >> 8) / 2.0**24 for word in words[:count]]


class Noise:
    """Stands in for the uniform numbers of NNCF's masks."""

    def __init__(self):
        self.step = 0
        self.layer_of = {}

    def mask(self, mask, uniform_buffer, eps):
        if uniform_buffer is None:
            return rb_functions.binary_mask(mask)
        layer = self.layer_of[mask.data_ptr()]
        u = torch.tensor(noise(layer, self.step, mask.numel()), dtype=mask.dtype).view(mask.shape)
        return rb_functions.binary_mask(mask + rb_functions.logit(u.clamp(eps, 1 - eps)))


# ---- one run ----

def quantization(bits):
    group = {'mode': 'symmetric', 'bits': bits, 'per_channel': False}
    return {'algorithm': 'quantization', 'overflow_fix': 'disable', 'weights': group, 'activations': group,
            'initializer': {'range': {'type': 'min_max', 'num_init_samples': BATCH},
                            'batchnorm_adaptation': {'num_bn_adaptation_samples': 0}}}


def config_of(*algorithms):
    return {'input_info': {'sample_size': [BATCH, 1, 12, 12]}, 'target_device': 'TRIAL', 'compression': list(algorithms)}


def magnitude(level):
    return {'algorithm': 'magnitude_sparsity', 'sparsity_init': level,
            'params': {'schedule': 'multistep', 'multistep_steps': [1000], 'multistep_sparsity_levels': [level, level]}}


def rb(level):
    return {'algorithm': 'rb_sparsity', 'sparsity_init': level,
            'params': {'schedule': 'multistep', 'multistep_steps': [1000], 'multistep_sparsity_levels': [level, level]}}


def make_model():
    model = Net()
    for name, parameter in model.named_parameters():
        values = formula.parameter('nncf_training/' + name, tuple(parameter.shape))
        parameter.data = torch.from_numpy(values)
    return model


def batch():
    return (torch.from_numpy(formula.uniform('nncf_training/x', (BATCH, 1, 12, 12), -1, 1)),
            torch.from_numpy(formula.uniform('nncf_training/labels', (BATCH,), 0, CLASSES)).long())


def place_of(key):
    """NNCF's name of a quantizer -> ours, by layer and place."""
    text = str(key)
    for layer in LAYERS:
        if f'[{layer}]' in text and 'WEIGHT' in text:
            return f'{layer}.weight'
    places = {'nncf_model_input_0': 'conv1.input', 'relu_0': 'conv1.output', 'relu_1': 'conv2.output',
              'relu_2': 'fc1.output'}
    for name, place in places.items():
        if name in text:
            return place
    raise ValueError(text)


def run(config, double):
    x, labels = batch()
    rb_layers.calc_rb_binary_mask = rb_functions.calc_rb_binary_mask
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, labels), batch_size=BATCH)
    nncf_config = register_default_init_args(NNCFConfig.from_dict(config), loader)
    ctrl, model = create_compressed_model(make_model(), nncf_config, dump_graphs=False)
    if double:
        model, x = model.double(), x.double()
    model.train()
    quantizers = {place_of(key): q for key, q in ctrl_quantizers(model, ctrl).items()}
    for place, q in quantizers.items():
        if place.endswith('.weight'):
            q.calculate_level_ranges = narrow
    ranges = {place: {'scale': float(q.scale.detach().double().item()), 'signed': bool(q.signed)}
              for place, q in quantizers.items()}
    groups = {WEIGHT_RATE: [], SCALE_RATE: [], MASK_RATE: []}
    for name, parameter in model.named_parameters():
        rate = MASK_RATE if name.endswith('_mask') else SCALE_RATE if 'scale' in name else WEIGHT_RATE
        if parameter.requires_grad:
            groups[rate].append(parameter)
    source = Noise()
    for index, layer in enumerate(LAYERS):
        for name, parameter in model.named_parameters():
            if layer in name and name.endswith('_mask'):
                source.layer_of[parameter.data_ptr()] = index + (index > 0)
    rb_layers.calc_rb_binary_mask = source.mask
    losses = []
    for step in range(STEPS):
        source.step = step
        model.zero_grad()
        task = F.cross_entropy(model(x), labels)
        extra = ctrl.loss()
        total = task + extra
        total.backward()
        losses.append([float(task.item()), float(extra)])
        with torch.no_grad():
            for rate, parameters in groups.items():
                for parameter in parameters:
                    parameter -= rate * parameter.grad
    finals = {place: float(q.scale.detach().double().item()) for place, q in quantizers.items()}
    return {'ranges': ranges, 'losses': losses, 'scales': finals}


def narrow(num_bits, signed):
    return calculate_symmetric_level_ranges(num_bits, signed, narrow_range=True)


def ctrl_quantizers(model, ctrl):
    ctrls = getattr(ctrl, 'child_ctrls', [ctrl])
    for child in ctrls:
        if hasattr(child, 'all_quantizations'):
            return child.all_quantizations
    raise ValueError('no quantization')


def main():
    weights = sum(p.numel() for n, p in Net().named_parameters() if n.endswith('weight'))
    masked = weights // 2
    cases = [('int2', [quantization(2)], None), ('int8', [quantization(8)], None),
             ('magnitude_int8', [magnitude((masked - 0.5) / weights), quantization(8)],
              [magnitude((masked + 0.5) / weights), quantization(8)]),
             ('rb_int8', [rb(0.3), quantization(8)], None)]
    golden = {'version': f'nncf {nncf.__version__}, torch {torch.__version__}',
              'formula': formula.TEXT + '; names nncf_training/..., bounds by name as in gen/formula.py; x -1, 1; '
                                        'labels: the whole part of 0, 5',
              'seed': SEED, 'rates': {'weight': WEIGHT_RATE, 'scale': SCALE_RATE, 'mask': MASK_RATE}, 'cases': []}
    for name, theirs, ours in cases:
        single, double = run(config_of(*theirs), False), run(config_of(*theirs), True)
        apart = max(abs(a - b) for one, two in zip(single['losses'], double['losses']) for a, b in zip(one, two))
        print(name, 'float32 and float64 apart', apart)
        print(single['losses'][0], single['losses'][-1], single['ranges'])
        golden['cases'].append({'name': name, 'config': json.dumps(config_of(*(ours or theirs))),
                                'ranges_are_given': ours is not None, 'apart': apart, **single})
    with open(OUT, 'w', encoding='utf-8') as file:
        json.dump(golden, file, indent=1)
        file.write('\n')


if __name__ == '__main__':
    main()
