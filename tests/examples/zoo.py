#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/model_zoo.py on a few made-up pictures: what the table says is what the runs' records say.

usage: zoo.py MODEL_ZOO NNCF_CLASSIFICATION
"""
import json
import pathlib
import subprocess
import sys
import tempfile

from corpus import QUICK, TRAIN, write_data

ROWS = ('resnet18_pruning_int8', 'resnet18_int4', 'resnet18_binary')[:1 if QUICK else 3]


def main():
    script, program = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_data(folder)

        def zoo(*more):
            return subprocess.run([sys.executable, script, '--program', program, '--out', folder, '--data', folder, '--threads', '1',
                                   '--train-samples', str(TRAIN), *more], check=True, text=True, stdout=subprocess.PIPE).stdout

        zoo('--only', ','.join(ROWS))
        assert 'seed 0' not in zoo('--only', ','.join(ROWS)) # all is there
        assert f'{ROWS[0]} {{"float_ms": ' in zoo('--times', '--only', ROWS[0])
        lines = [[cell.strip() for cell in line.split('|')[1:-1]] for line in (folder / 'table.md').read_text().splitlines()]
        assert [line[0].strip('`') for line in lines[2:]] == list(ROWS), lines
        ends = {row: json.loads((folder / f'{row}_0/metrics.jsonl').read_text().splitlines()[-1]) for row in ('resnet18', *ROWS)}
        assert ends['resnet18']['epoch'] == 9 and all(ends[row]['epoch'] == 5 for row in ROWS)
        for row, line in zip(ROWS, lines[2:]):
            assert line[2] == f'{ends["resnet18"]["test_top1"]:.2f}' and line[3] == f'{ends[row]["test_top1"]:.2f}', line
            assert int(line[6]) < int(line[5]) / 4, line
            assert ('/' in line[7]) == (row == ROWS[0]), line
        unknown = subprocess.run([sys.executable, script, '--only', 'a_net'], check=False, text=True, stderr=subprocess.PIPE)
        assert unknown.returncode == 2 and 'a_net is none of' in unknown.stderr


if __name__ == '__main__':
    main()
