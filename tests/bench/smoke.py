#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""smoke.py NNCF-BENCH CONFIG: every mode of nncf-bench runs and prints JSON lines with what a report needs."""
import json
import subprocess
import sys

PROGRAM, CONFIG = sys.argv[1:3]
EVERY_LINE = ('bench', 'who', 'peak_rss_bytes', 'others')
TIMES = ('min', 'median', 'max', 'runs')  # but for peaks, which have none
MODES = {
    ('step',): ('model', 'forward', 'backward', 'update', 'seconds'),
    ('step', '--config', CONFIG): ('model', 'forward', 'backward', 'update', 'seconds'),
    ('step', '--model', 'resnet18', '--optimizer', 'sgd'): ('model', 'seconds'),
    ('eval', '--config', CONFIG): ('model', 'seconds'),
    ('gemm', '--only', '1280'): ('shape', 'pass', 'gflops', 'share'),
    ('conv', '--only', '96'): ('shape', 'pass', 'gflops', 'share'),
    ('fakequant',): ('gigabytes_per_second',),
    ('rb',): ('gigabytes_per_second',),
    ('threshold',): ('elements',),
    ('blocks',): ('block_size', 'sparsity', 'times_dense'),
    ('binary',): ('channels', 'side', 'times_float'),
    ('kernels', '--only', '96'): ('kernel',),
    ('ops',): ('layer', 'net', 'pass', 'x', 'other'),
    ('gpt',): ('threads', 'loss'),
}


def members(pairs):
    line = dict(pairs)
    if len(line) != len(pairs):
        sys.exit(f'a key stands twice: {pairs}')
    return line


def check(arguments, keys):
    command = [PROGRAM, *arguments, '--quick', '--threads', '2']
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    lines = [json.loads(line, object_pairs_hook=members) for line in done.stdout.splitlines()]
    if not lines:
        sys.exit(f'{" ".join(command)}: printed nothing')
    for line in lines:
        is_peak = 'gops' in line
        missing = [key for key in (*EVERY_LINE, *(() if is_peak else TIMES), *keys) if key not in line]
        if missing or line['bench'] != arguments[0]:
            sys.exit(f'{" ".join(command)}: lacks {missing}: {line}')
        possible = line['gops'] > 0 if is_peak else 0 < line['min'] <= line['median'] <= line['max']
        if not (line['peak_rss_bytes'] > 0 and possible):
            sys.exit(f'{" ".join(command)}: impossible figures: {line}')
    print(f'{" ".join(arguments)}: {len(lines)} lines')


for mode, wanted in MODES.items():
    check(mode, wanted)
