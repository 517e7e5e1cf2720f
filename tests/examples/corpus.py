#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every config of tests/golden/configs trains: two epochs of a small net by the sample, and the same bytes once more where the
run is interrupted after the first epoch and resumed.

usage: corpus.py NNCF_CLASSIFICATION FOLDER_OF_CONFIGS

A config that the library refuses to run is in the list with the path that the refusal names (`@not_yet` of a .cases file): it must
be refused, and with that path. The configs name layers of networks that do not exist; SCOPES has what stands for them here.
"""
import json
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

BATCH, TRAIN, TEST, SIZE = 16, 48, 30, 28
QUICK = os.environ.get('NNCF_TEST_QUICK') == '1' # LeNet only
# What stands for the scopes of the corpus: of LeNet, and of ResNet-18 with 8 to 32 channels.
NETS = {
    'lenet': {'params': {}, 'size': 28, 'conv': 'LeNet/Conv2d[conv2]', 'linear': 'LeNet/Linear[fc2]'},
    'resnet18': {'params': {'stem_stride': 1, 'width_mult': 0.0625}, 'size': 16,
                 'conv': 'ResNet/Sequential[layer1]/BasicBlock[0]/Conv2d[conv1]', 'linear': 'ResNet/Linear[fc]'},
}
SCOPES = {
    'conv': ('Net/Conv2d[0]', 'N/NNCFConv2d[c]/conv2d_0', 'A/B[c]', 'Net/A[x]',
             'ResNet/Sequential[layer1]/Bottleneck[0]/NNCFConv2d[conv1]/conv2d_0', 'A', 'a'),
    'linear': ('Net/Linear[fc]', 'Net/B[y]', 'Net/C[z]', 'B', 'b'),
}
# What sets an algorithm apart that the corpus has in few words only: these train on every net.
GUIDED = re.compile(r'filter_pruning|binarization|"precision"|_start_epoch|knowledge_distillation|accuracy_aware|lr_multiplier')
# No group size but 1 divides the inputs of all layers of these nets; tests/quantization trains groups.
LEFT_OUT = {'2.0 group_size, an extension'}
# Nothing is lost at first, so that the training ends before it begins.
ENDS_AT_ONCE = {'2.1 a training loop of NNCF\'s own has no effect'}
# Beyond the corpus: modes of those algorithms, with their end within the two epochs.
MORE = [
    ('xnor, activations at once, weights from the next epoch on', {'compression': {
        'algorithm': 'binarization', 'mode': 'xnor', 'initializer': {'range': {'num_init_steps': 1}},
        'params': {'activations_bin_start_epoch': 0, 'weights_bin_start_epoch': 1}}}),
    ('dorefa from the start', {'compression': {
        'algorithm': 'binarization', 'mode': 'dorefa', 'initializer': {'range': {'num_init_steps': 1}},
        'params': {'activations_bin_start_epoch': 0, 'weights_bin_start_epoch': 0}}}),
    ('geometric median and 8 bits', {'nncf_dialect': '1.3.1', 'compression': [
        {'algorithm': 'filter_pruning', 'params': {
            'schedule': 'exponential', 'pruning_init': 0.1, 'pruning_target': 0.4, 'pruning_steps': 1,
            'weight_importance': 'geometric_median', 'prune_first_conv': True, 'prune_downsample_convs': True}},
        {'algorithm': 'quantization', 'initializer': {'range': {'num_init_steps': 1}}}]}),
    ('quantization in stages', {'nncf_dialect': '1.4', 'compression': {
        'algorithm': 'quantization', 'weights': {'bits': 4}, 'initializer': {'range': {'num_init_steps': 1}},
        'params': {'activations_quant_start_epoch': 0, 'weights_quant_start_epoch': 1, 'lr_poly_drop_start_epoch': 1,
                   'lr_poly_drop_duration_epochs': 1, 'base_lr': 0.001, 'base_wd': 0.0001}}}),
    ('hawq with a ratio', {'nncf_dialect': '1.6', 'target_device': 'NONE', 'compression': {
        'algorithm': 'quantization', 'initializer': {
            'range': {'num_init_samples': 16}, 'batchnorm_adaptation': {'num_bn_adaptation_samples': 0},
            'precision': {'type': 'hawq', 'bits': [4, 8], 'num_data_points': 16, 'iter_number': 3, 'compression_ratio': 1.5}}}}),
    ('a teacher by mse', {'nncf_dialect': '2.17', 'compression': [
        {'algorithm': 'quantization', 'initializer': {'range': {'num_init_samples': 16}}},
        {'algorithm': 'knowledge_distillation', 'type': 'mse', 'scale': 0.1}]}),
    ('a search for the sparsity', {'nncf_dialect': '2.4', 'accuracy_aware_training': {
        'mode': 'adaptive_compression_level', 'params': {
            'maximal_absolute_accuracy_degradation': 100, 'initial_training_phase_epochs': 1, 'patience_epochs': 1}},
        'compression': {'algorithm': 'magnitude_sparsity', 'sparsity_init': 0.3, 'params': {
            'schedule': 'multistep', 'multistep_steps': [1], 'multistep_sparsity_levels': [0.3, 0.5]}}}),
]


def write_data(folder):
    """Pictures of noise with a bright bar whose place is the class."""
    draw = random.Random(7)
    for name, count in ('train', TRAIN), ('t10k', TEST):
        pixels = bytearray()
        for i in range(count):
            bar = 2 * (i % 10 + 2)
            for y in range(SIZE):
                pixels += bytes(draw.randrange(64) + (190 if bar <= y < bar + 2 else 0) for _ in range(SIZE))
        (folder / f'{name}-images-idx3-ubyte').write_bytes(struct.pack('>IIII', 0x803, count, SIZE, SIZE) + pixels)
        (folder / f'{name}-labels-idx1-ubyte').write_bytes(struct.pack('>II', 0x801, count) + bytes(i % 10 for i in range(count)))


def plain_json(text):
    text = re.sub(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', lambda m: m[0] if m[0][0] == '"' else '', text, flags=re.S)
    return re.sub(r',(?=\s*[}\]])', '', text)


def read_corpus(folder):
    """(name, release or None, path of the refusal or None, config) of each."""
    for path in sorted(folder.glob('*.cases')):
        for part in re.split(r'^=== ', path.read_text(encoding='utf-8'), flags=re.M)[1:]:
            name, rest = part.split('\n', 1)
            config, expected = rest.split('\n---\n', 1)
            refused = re.search(r'^@not_yet (\S+)', expected, re.M)
            release = re.search(r'^@dialect (\S+)', expected, re.M)
            yield name, release and release[1], refused and refused[1], json.loads(config)
    for path in sorted(folder.glob('*.json')):
        yield path.name, None, None, json.loads(plain_json(path.read_text(encoding='utf-8')))


def renamed(value, net):
    if isinstance(value, dict):
        return {renamed(key, net): renamed(one, net) for key, one in value.items()}
    if isinstance(value, list):
        return [renamed(one, net) for one in value]
    for kind, names in SCOPES.items():
        if value in names:
            return NETS[net][kind]
    return value


def quick_traces(value):
    """hawq's traces from two random vectors and sixteen images, not from 200 of each: what is chosen is not what is tested."""
    if isinstance(value, list):
        return [quick_traces(one) for one in value]
    if not isinstance(value, dict):
        return value
    value = {key: quick_traces(one) for key, one in value.items()}
    return {**value, 'iter_number': 2, 'num_data_points': BATCH} if value.get('type') == 'hawq' else value


def of_net(config, release, net):
    """The config with a net, data and a training loop around its compression."""
    size = [1, 1, NETS[net]['size'], NETS[net]['size']]
    config = renamed(config, net)
    old = release in ('1.0', '1.1') or (release is None and 'input_info' not in config)
    config = quick_traces(config)
    config.pop('input_info', None)
    config.pop('input_sample_size', None)
    return {**config, 'input_sample_size' if old else 'input_info': size if old else {'sample_size': size},
            'model': net, 'model_params': NETS[net]['params'], 'dataset': 'mnist', 'num_classes': 10, 'batch_size': BATCH, 'epochs': 2,
            'optimizer': {'type': 'Adam', 'base_lr': 0.002, 'schedule_type': 'poly', 'parameter_groups': [
                {'re': '_mask', 'lr': 0.5}, {'re': '', 'lr': 0.002}]}}


class Trainer:
    def __init__(self, program, folder):
        self.program, self.folder, self.weights, self.count = program, folder, {}, 0
        write_data(folder)
        for net in NETS:
            self.weights[net] = self.last(self.run(of_net({}, None, net))[1])

    def run(self, config, *arguments, out=None):
        self.count += 1
        path = self.folder / f'{self.count}.json'
        path.write_text(json.dumps(config), encoding='utf-8')
        out = out or self.folder / f'out{self.count}'
        result = subprocess.run([self.program, '--config', path, '--data', self.folder, '--out', out, '--threads', '1', '--seed', '5',
                                 *map(str, arguments)], check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return result, out

    @staticmethod
    def last(out):
        found = sorted(out.glob('*_last.safetensors'))
        return found[0] if found else None

    def train(self, name, config, net):
        """How many epochs, after the check that the resumed run ends with the same bytes."""
        weights = '--weights', self.weights[net]
        whole, out = self.run(config, *weights)
        assert whole.returncode == 0, f'{name}: {net}: {whole.stderr}'
        metrics = out / 'metrics.jsonl'
        epochs = len(metrics.read_text(encoding='utf-8').splitlines()) if metrics.exists() else 0
        if epochs < 2:
            return epochs
        first, halves = self.run(config, *weights, '--max-steps', TRAIN // BATCH)
        assert first.returncode == 0, f'{name}: {net}: {first.stderr}'
        second, _ = self.run(config, '--resume', self.last(halves), '--teacher', self.weights[net], out=halves)
        assert second.returncode == 0, f'{name}: {net}: resumed: {second.stderr}'
        assert self.last(out).read_bytes() == self.last(halves).read_bytes(), f'{name}: {net}: the resumed run is another one'
        return epochs


def main():
    program, corpus = sys.argv[1], pathlib.Path(sys.argv[2])
    cases = [case for case in read_corpus(corpus) if case[0] not in LEFT_OUT] + [(name, None, None, config) for name, config in MORE]
    trained, refused = 0, []
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(program, pathlib.Path(folder))
        for name, release, path, config in cases:
            for net in NETS if GUIDED.search(json.dumps(config)) and not QUICK else ['lenet']:
                full = of_net(config, release, net)
                if path:
                    result, _ = trainer.run(full, '--weights', trainer.weights[net])
                    assert result.returncode == 1 and path in result.stderr, f'{name}: {result.returncode}: {result.stderr}'
                    refused.append(f'{name}: {path}')
                    break
                epochs = trainer.train(name, full, net)
                assert epochs == (0 if name in ENDS_AT_ONCE else 2), f'{name}: {net}: {epochs} epochs'
                trained += epochs // 2
    assert trained > (60 if QUICK else 80), f'{trained} trainings: has the corpus another form?'
    print(f'{len(cases)} configs, {trained} trainings of two epochs, each resumed to the same bytes')
    print(f'{len(refused)} refused', *refused, sep='\n  ')


if __name__ == '__main__':
    main()
