#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""smoke.py NNCF-BENCH CONFIG: every mode of nncf-bench runs and prints JSON lines with what a report needs."""
import json
import subprocess
import sys

PROGRAM, CONFIG = sys.argv[1:3]
EVERY_LINE = ('bench', 'who', 'min', 'median', 'max', 'runs', 'peak_rss_bytes', 'others')
MODES = {
    ('step',): ('model', 'forward', 'backward', 'update', 'seconds'),
    ('step', '--config', CONFIG): ('model', 'forward', 'backward', 'update', 'seconds'),
    ('step', '--model', 'resnet18', '--optimizer', 'sgd'): ('model', 'seconds'),
    ('gemm', '--only', '1280'): ('shape', 'pass', 'gflops', 'share'),
    ('conv', '--only', '96'): ('shape', 'pass', 'gflops', 'share'),
    ('fakequant',): ('gigabytes_per_second',),
    ('rb',): ('gigabytes_per_second',),
    ('threshold',): ('elements',),
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
        missing = [key for key in (*EVERY_LINE, *keys) if key not in line]
        if missing or line['bench'] != arguments[0]:
            sys.exit(f'{" ".join(command)}: lacks {missing}: {line}')
        if not (line['peak_rss_bytes'] > 0 and 0 < line['min'] <= line['median'] <= line['max']):
            sys.exit(f'{" ".join(command)}: impossible figures: {line}')
    print(f'{" ".join(arguments)}: {len(lines)} lines')


for mode, wanted in MODES.items():
    check(mode, wanted)
