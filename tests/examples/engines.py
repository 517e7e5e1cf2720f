#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports of the small programs in ONNX Runtime: engines.py SOURCE_FOLDER GPT SEGMENTATION DETECTION TEXTCNN

Each program trains a few steps in 8 bits on what is made up here (the GPT on the license), and exports. Without its graph
optimizations ONNX Runtime must give the classes that the program gave, but for one in a thousand at a tie. Needs the
virtual environment of `.ci/setup.sh python` (NNCF_VENV, or build-venv in the source folder); without it the test is
skipped (exit 77).
"""
import gzip
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

SKIP = 77
CONFIG = '''{%s "batch_size": 8, "epochs": 1, "steps_per_epoch": 40, "optimizer": {"base_lr": 0.01, "max_norm": 1},
"target_device": "CPU", "compression": {"algorithm": "quantization",
"initializer": {"range": {"num_init_samples": 16}}}}'''
NETS = ('"model_params": {"context": 16, "width": 32, "heads": 2, "blocks": 1},',
        '"test_scenes": 8, "model_params": {"width": 4},', '"test_scenes": 8, "model_params": {"width": 8},',
        '"model_params": {"topics": 3, "length": 64, "size": 8, "width": 8},')


def write_idx(folder, name, sizes, data):
    with gzip.open(folder / f'{name}.gz', 'wb') as file:
        file.write(struct.pack(f'>BBBB{len(sizes)}I', 0, 0, 8, len(sizes), *sizes) + bytes(data))


def write_pictures(folder, count=40):
    """Filled rectangles whose form is their class."""
    draw = random.Random(1)
    for part in 'train', 't10k':
        pixels, labels = bytearray(count * 784), [i % 10 for i in range(count)]
        for i, label in enumerate(labels):
            for y in range(4, 8 + 2 * label):
                for x in range(6, 26 - label):
                    pixels[i * 784 + y * 28 + x] = draw.randrange(90, 256)
        write_idx(folder, f'{part}-images-idx3-ubyte', (count, 28, 28), pixels)
        write_idx(folder, f'{part}-labels-idx1-ubyte', (count,), labels)


def write_fortunes(folder, count=100):
    """Texts of words that only their file has, and of others."""
    draw = random.Random(2)
    folder.mkdir()
    for topic in 'kx', 'zu', 'pow':
        texts = (' '.join(draw.choice(('a', 'tale', 'of', 'nothing', topic)) for _ in range(15)) for _ in range(count))
        (folder / topic).write_text('\n%\n'.join(texts), encoding='utf-8')


def main():
    source, programs = pathlib.Path(sys.argv[1]), sys.argv[2:]
    venv = pathlib.Path(os.environ.get('NNCF_VENV') or source / 'build-venv')
    if not (venv / 'installed.txt').exists():
        print(f'skipped: there is no virtual environment {venv}; .ci/setup.sh python makes it')
        return SKIP
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_pictures(folder)
        write_fortunes(folder / 'fortunes')
        places = source / 'LICENSE', folder, folder, folder / 'fortunes'
        for program, net, data in zip(programs, NETS, places, strict=True):
            config, model = folder / 'config.json', folder / f'{pathlib.Path(program).name}.onnx'
            config.write_text(CONFIG % net, encoding='utf-8')
            subprocess.run([program, '--config', config, '--data', data, '--export-onnx', model, '--threads', '1'],
                           check=True, errors='replace')
            failed += subprocess.run([venv / 'bin/python', source / 'examples/check_onnx.py', '--engine', 'onnxruntime',
                                      '--optimize', 'no', '--tolerance', '0.02', '--flips', '0.001',
                                      '--axis', '-1' if program == programs[0] else '1', model], check=False).returncode != 0
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
