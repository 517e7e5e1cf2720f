#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training 2N steps is training N, saving, a new process, loading, and training N more: every byte of the snapshot
(weights, masks, ranges, optimizer, counters) and of metrics.jsonl, for two ways of compression, with 1 and 2 threads.

usage: resume.py nncf-classification
With NNCF_TEST_QUICK in the environment only the smaller model.
"""
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

TRAIN_IMAGES, TEST_IMAGES, BATCH, EPOCHS = 96, 32, 16, 4
STEPS = TRAIN_IMAGES // BATCH

SPARSITY = {'params': {'sparsity_init': 0.1, 'sparsity_target': 0.5, 'sparsity_steps': 3, 'sparsity_training_steps': 4}}
INITIALIZER = {'initializer': {'num_init_steps': 2, 'type': 'min_max'}}
COMPRESSIONS = {
    'rb_sparsity + quantization': [dict(SPARSITY, algorithm='rb_sparsity'), dict(INITIALIZER, algorithm='quantization')],
    'magnitude_sparsity + asymmetric per channel': [
        dict(SPARSITY, algorithm='magnitude_sparsity'),
        dict(INITIALIZER, algorithm='quantization', weights={'mode': 'asymmetric', 'per_channel': True},
             activations={'mode': 'asymmetric'})],
}
MODELS = {
    'lenet': {'model': 'lenet', 'input_sample_size': [1, 1, 28, 28]},
    'mobilenetv2': {'model': 'mobilenetv2', 'model_params': {'width_mult': 0.35}, 'input_sample_size': [1, 3, 32, 32]},
}


def write_idx(path, sizes, data):
    with open(path, 'wb') as file:
        file.write(bytes([0, 0, 8, len(sizes)]) + b''.join(struct.pack('>I', n) for n in sizes) + data)


def write_data(folder):
    """Images whose brightness tells the class, with noise."""
    noise = random.Random(3)
    for name, count in (('train', TRAIN_IMAGES), ('t10k', TEST_IMAGES)):
        labels = bytes(noise.randrange(10) for _ in range(count))
        images = b''.join(bytes(min(255, 20 * label + noise.randrange(60)) for _ in range(784)) for label in labels)
        write_idx(os.path.join(folder, f'{name}-images-idx3-ubyte'), (count, 28, 28), images)
        write_idx(os.path.join(folder, f'{name}-labels-idx1-ubyte'), (count,), labels)


def run(program, config, data, out, threads, *more):
    command = [program, '--config', config, '--data', data, '--out', out, '--threads', str(threads), '--seed', '9', *more]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f'{" ".join(command)}\n{done.stdout}{done.stderr}')


def result(out):
    """What may not differ: the last snapshot's bytes, and metrics.jsonl without times and memory."""
    last = [name for name in os.listdir(out) if name.endswith('_last.safetensors')]
    assert len(last) == 1, last
    with open(os.path.join(out, last[0]), 'rb') as file:
        snapshot = file.read()
    with open(os.path.join(out, 'metrics.jsonl'), encoding='utf-8') as file:
        lines = [json.loads(line) for line in file]
    for line in lines:
        for key in [key for key in line if re.search('seconds|peak_rss', key)]:
            del line[key]
    return os.path.join(out, last[0]), snapshot, lines


def tensors_of(snapshot):
    length, = struct.unpack('<Q', snapshot[:8])
    header = json.loads(snapshot[8:8 + length])
    return [name for name in header if name != '__metadata__']


def compare(what, ours, theirs):
    if ours[1] != theirs[1]:
        at = next(i for i, (a, b) in enumerate(zip(ours[1], theirs[1])) if a != b)
        sys.exit(f'{what}: the snapshots differ from byte {at} on')
    if ours[2] != theirs[2]:
        sys.exit(f'{what}: metrics.jsonl differs:\n{ours[2]}\n{theirs[2]}')


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, 'data')
        os.mkdir(data)
        write_data(data)
        count = 0
        for model, settings in MODELS.items():
            if model != 'lenet' and os.environ.get('NNCF_TEST_QUICK', '0') not in ('', '0'):
                continue
            for title, compression in COMPRESSIONS.items():
                config = os.path.join(folder, 'config.json')
                with open(config, 'w', encoding='utf-8') as file:
                    json.dump(dict(settings, dataset='mnist', num_classes=10, batch_size=BATCH, epochs=EPOCHS,
                                   optimizer={'base_lr': 0.002, 'schedule_type': 'poly'}, compression=compression), file)
                whole = {}
                for threads in (1, 2):
                    base = os.path.join(folder, f'{count}-{threads}')
                    run(program, config, data, base + 'whole', threads)
                    run(program, config, data, base + 'half', threads, '--max-steps', str(EPOCHS // 2 * STEPS))
                    half = result(base + 'half')
                    assert len(half[2]) == EPOCHS // 2
                    run(program, config, data, base + 'half', threads, '--resume', half[0])
                    whole[threads] = result(base + 'whole')
                    again = result(base + 'half')
                    assert len(whole[threads][2]) == EPOCHS and half[1] != again[1]
                    # the half run is tested at its end in any case: so is every epoch of both here
                    compare(f'{model}, {title}, {threads} threads', whole[threads], again)
                compare(f'{model}, {title}, 1 and 2 threads', whole[1], whole[2])
                names = tensors_of(whole[1][1])
                print(f'{model}, {title}: {len(names)} tensors, {len(whole[1][1])} bytes and {EPOCHS} lines of metrics '
                      'equal after a restart, with 1 and 2 threads')
                count += 1


main()
