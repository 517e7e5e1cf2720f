#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The model zoo: trains the demo configs on Fashion-MNIST and writes the table of docs/model_zoo.md.

usage: model_zoo.py [--out DIR] [--program FILE] [--seeds 0,1,2] [--only ROW,...] [--threads N] [--data DIR] [--train-samples N]
                    [--table | --times]

A float run is trained to its end. Each compressed run starts from the weights that it had after some epochs, and trains for the
epochs that the float run had left: both have seen as many pictures. What is in --out already is not trained again.

--times   only measures a step of each row: some steps of the float net and of the compressed one, in turns, on one thread,
          without the teacher's forward. On a machine that does nothing else; without it the table has no times of steps.
--table   only writes the table, of the runs that are there.

Top-1 is that of the last epoch, from record.jsonl of the run, as are bytes, filters and operations; never the best epoch's.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLOAT = {  # config, pictures an epoch, epochs, the epoch whose weights the others take
    'resnet18': ('resnet18_fp32', 9600, 10, 4),
    'mobilenetv2': ('mobilenetv2_fp32_long', 6400, 24, 12),
}
ROWS = {  # name, float run, options of its own, how it is called
    'resnet18_pruning': ('resnet18', ['--shrink-epoch', '2', '--teacher'], '40 % of the filters pruned by geometric median and removed'),
    'resnet18_pruning_int8': ('resnet18', ['--shrink-epoch', '2', '--teacher'], '40 % of the filters pruned by geometric median and removed, int8'),
    'resnet18_int4': ('resnet18', ['--teacher'], '4 bits, weights and activations; 8 for pictures and the weights at both ends'),
    'resnet18_binary': ('resnet18', [], '3x3 convolutions of 1 bit, weights and activations'),
    'mobilenetv2_int8': ('mobilenetv2', ['--teacher'], 'int8'),
    'mobilenetv2_hawq': ('mobilenetv2', ['--teacher'], '4 and 8 bits by hawq, ratio 1.5'),
    'mobilenetv2_int4': ('mobilenetv2', ['--teacher'], 'all weights of 4 bits'),
}
STEPS, TURNS = 12, 3  # of --times


def read_lines(path):
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


class Zoo:
    def __init__(self, options):
        self.options = options
        self.out = pathlib.Path(options.out)

    def config(self, row):
        return ROOT / 'examples/configs' / f'fashion_mnist_{FLOAT[row][0] if row in FLOAT else row}.json'

    def folder(self, row, seed):
        return self.out / f'{row}_{seed}'

    def last(self, row, seed):
        found = [path for path in self.folder(row, seed).glob('*_last.safetensors')]
        return found[0] if found else None

    def run(self, row, seed, folder, *arguments):
        o = self.options
        command = [o.program, '--config', self.config(row), '--out', folder, '--seed', seed, *arguments]
        for name, value in ('--threads', o.threads), ('--data', o.data):
            command += [name, value] if value else []
        if (folder / 'log.txt').exists():
            (folder / 'log.txt').unlink()
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / 'log.txt', 'w', encoding='utf-8') as log:
            if subprocess.run(list(map(str, command)), check=False, stdout=log, stderr=log).returncode:
                sys.exit(f'{row} failed: {(folder / "log.txt").read_text(encoding="utf-8")[-2000:]}')

    def samples(self, row):
        return self.options.train_samples or FLOAT[row][1]

    def train(self, row, seed):
        folder = self.folder(row, seed)
        if (folder / 'seconds.json').exists():
            return
        if row in FLOAT:
            arguments = ['--train-samples', self.samples(row), '--epochs', FLOAT[row][2]]
        else:
            base, more, _ = ROWS[row]
            start = self.folder(base, seed)
            arguments = ['--train-samples', self.samples(base), '--epochs', FLOAT[base][2] - FLOAT[base][3], '--weights',
                         start / f'intermediate_checkpoints/epoch_{FLOAT[base][3]}.safetensors',
                         '--baseline-metrics', start / 'metrics.jsonl']
            for one in more:
                arguments += [one, self.last(base, seed)] if one == '--teacher' else [one]
        print(f'{row}, seed {seed}', flush=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.run(row, seed, folder, *arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        (folder / 'seconds.json').write_text(json.dumps({'cpu_seconds': cpu}), encoding='utf-8')

    # ---- times ----

    def measure(self, row, seed):
        """(milliseconds of a step, peak bytes) of some steps that follow the snapshot."""
        with tempfile.TemporaryDirectory() as name:
            config = pathlib.Path(name) / 'config.json'
            text = self.config(row).read_text(encoding='utf-8')
            config.write_text(re.sub(r',\s*{"algorithm": "knowledge_distillation"[^}]*}', '', text), encoding='utf-8')
            self.run(row, seed, pathlib.Path(name), '--config', config, '--accept-config', '--resume', self.last(row, seed),
                     '--max-steps', STEPS, '--epochs', 1000)
            line = read_lines(pathlib.Path(name) / 'metrics.jsonl')[-1]
            return 1000 * line['step_seconds_median'], line['peak_rss_bytes']

    def time(self, row, seed):
        base = ROWS[row][0]
        turns = [[self.measure(which, seed) for which in (base, row)] for _ in range(TURNS)]
        ms = [statistics.median(turn[i][0] for turn in turns) for i in range(2)]
        ratios = sorted(turn[0][0] / turn[1][0] for turn in turns)
        result = {'float_ms': ms[0], 'ms': ms[1], 'ratios': ratios, 'float_rss': turns[0][0][1], 'rss': turns[0][1][1]}
        (self.folder(row, seed) / 'times.json').write_text(json.dumps(result), encoding='utf-8')
        print(row, json.dumps(result))

    # ---- the table ----

    def epochs(self, row, seed):
        return [line for line in read_lines(self.folder(row, seed) / 'record.jsonl') if line['kind'] == 'epoch']

    def there(self, row):
        return [seed for seed in self.options.seeds if (self.folder(row, seed) / 'seconds.json').exists()]

    def value(self, row, name):
        """The mean over the seeds of a file's number."""
        path, key = name
        found = [json.loads((self.folder(row, seed) / path).read_text(encoding='utf-8'))[key] for seed in self.there(row)
                 if (self.folder(row, seed) / path).exists()]
        return statistics.mean(found) if found else None

    def line(self, row):
        base, _, title = ROWS[row]
        seeds = self.there(row)
        tops = [(self.epochs(base, seed)[-1]['test_top1'], self.epochs(row, seed)[-1]['test_top1']) for seed in seeds]
        s = self.epochs(row, seeds[0])[-1]['statistics']
        bytes_float = self.epochs(base, seeds[0])[-1]['statistics']['bytes_float']
        ms = self.value(row, ('times.json', 'float_ms')), self.value(row, ('times.json', 'ms'))
        means = [statistics.mean(column) for column in zip(*tops)]
        # two seeds and more: the mean, and each seed's value behind it
        texts = [f'{mean:.2f}' + (f' ({", ".join(f"{top:.2f}" for top in column)})' if len(column) > 1 else '')
                 for mean, column in zip(means, zip(*tops))]
        seconds = self.value(row, ('seconds.json', 'cpu_seconds'))
        return (f'| `{row}` | {title} | {texts[0]} | {texts[1]} | {means[1] - means[0]:+.2f} | {bytes_float} | {s["bytes_compressed"]} | '
                + (f'{ms[0]:.1f} / {ms[1]:.1f}' if ms[1] else '-') + f' | {seconds:.0f} | {len(seeds)} |')

    def table(self):
        lines = ['| config | what | float | compressed | difference | bytes, float | bytes | ms a step, float / compressed | CPU s | seeds |',
                 '|---|---|---|---|---|---|---|---|---|---|']
        lines += [self.line(row) for row in ROWS if self.there(row)]
        text = '\n'.join(lines) + '\n'
        (self.out / 'table.md').write_text(text, encoding='utf-8')
        print(text)
        for row in FLOAT:
            if self.there(row):
                print(f'{row}: {self.value(row, ("seconds.json", "cpu_seconds")):.0f} CPU s in float')
        for row in ROWS:
            s = self.epochs(row, self.there(row)[0])[-1]['statistics'] if self.there(row) else {}
            if s.get('filters'):
                print(f'{row}: filters {s["filters_left"]} of {s["filters"]}, parameters {s["parameters_left"]} of '
                      f'{s["parameters_before"]}, operations {s["flops_left"]} of {s["flops"]}')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    build = pathlib.Path(os.environ.get('NNCF_BUILD_DIR', ROOT / 'build'))
    parser.add_argument('--out', default='results/zoo')
    parser.add_argument('--program', default=build / 'examples/classification/nncf-classification')
    parser.add_argument('--seeds', default='0', type=lambda text: [int(seed) for seed in text.split(',')])
    parser.add_argument('--only', type=lambda text: text.split(','), default=list(ROWS))
    parser.add_argument('--threads', type=int)
    parser.add_argument('--data')
    parser.add_argument('--train-samples', type=int, help='pictures an epoch, for a try')
    parser.add_argument('--table', action='store_true')
    parser.add_argument('--times', action='store_true')
    options = parser.parse_args()
    unknown = [row for row in options.only if row not in ROWS]
    if unknown:
        parser.error(f'{unknown[0]} is none of {", ".join(ROWS)}')
    zoo = Zoo(options)
    if options.times:
        options.threads = 1
        for row in options.only:
            zoo.time(row, options.seeds[0])
    elif not options.table:
        for seed in options.seeds:
            for base in FLOAT:
                if any(ROWS[row][0] == base for row in options.only):
                    zoo.train(base, seed)
            for row in options.only:
                zoo.train(row, seed)
    zoo.table()


if __name__ == '__main__':
    main()
