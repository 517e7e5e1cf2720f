#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a run leaves for those who watch it: watch.py record|tensorboard SOURCE_FOLDER CLASSIFICATION REPORT

Two short trainings on made-up pictures, float and then sparse in 8 bits, the latter stopped and resumed.
record: record.jsonl against metrics.jsonl, and the page of nncf-report: well-formed, nothing from elsewhere, the record's
numbers. tensorboard: its own reader (PyPI) finds every tag, and the record's numbers; needs the virtual environment of
`.ci/setup.sh python` (NNCF_VENV, or build-venv in the source folder), without which it is skipped (exit 77).
"""
import html.parser
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from engines import SKIP, write_pictures  # noqa: E402

NET = '''{"model": "lenet", "dataset": "mnist", "input_sample_size": [1, 1, 28, 28], "num_classes": 10, "batch_size": 8,
"epochs": 3, "print_freq": 2, "optimizer": {"parameter_groups": [{"re": "_mask", "lr": 0.5}, {"lr": 0.002}]}%s}'''
COMPRESSION = ''', "compression": [{"algorithm": "rb_sparsity", "params": {"sparsity_init": 0.1, "sparsity_target": 0.5,
"sparsity_steps": 2, "sparsity_training_steps": 3}}, {"algorithm": "quantization", "initializer": {"num_init_steps": 2}}]'''
TRAINED = 'lenet_mnist_last.safetensors', 'lenet_mnist_rb_sparsity_int8_last.safetensors'


def run(program, *arguments):
    subprocess.run([program, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def train(folder, program):
    """The folders of both runs."""
    write_pictures(folder)
    for name, text in ('fp32', NET % ''), ('int8', NET % COMPRESSION):
        (folder / f'{name}.json').write_text(text, encoding='utf-8')
    plain, compressed = folder / 'a run', folder / 'int8'
    common = '--data', folder, '--threads', '1', '--seed', '3'
    run(program, '--config', folder / 'fp32.json', '--out', plain, *common)
    compress = program, '--config', folder / 'int8.json', '--out', compressed, '--tensorboard', folder / 'tb', *common, \
        '--baseline-metrics', plain / 'metrics.jsonl'
    run(*compress, '--weights', plain / TRAINED[0], '--epochs', '2')
    run(*compress, '--resume', compressed / TRAINED[1])
    return plain, compressed


def read_lines(path):
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def of_kind(record, kind):
    return [line for line in record if line['kind'] == kind]


def check_pruned(folder, program):
    """Weights of filters that are gone are packed as sparse ones are."""
    config = NET % ', "compression": {"algorithm": "filter_pruning", "pruning_init": 0.6, "params": {"pruning_target": 0.6}}'
    (folder / 'pruned.json').write_text(config, encoding='utf-8')
    run(program, '--config', folder / 'pruned.json', '--out', folder / 'pruned', '--data', folder, '--threads', '1', '--epochs', '1')
    record = read_lines(folder / 'pruned/record.jsonl')
    statistics, layers = of_kind(record, 'epoch')[0]['statistics'], of_kind(record, 'weights')[0]['layers']
    assert any(layer['zeros'] > layer['count'] // 4 for layer in layers), layers
    packed = sum(layer['bytes_compressed'] for layer in layers)
    whole = sum(layer['bytes_float'] for layer in layers)
    assert packed < whole and statistics['bytes_compressed'] - packed == statistics['bytes_float'] - whole


def check_record(plain, compressed):
    record, metrics = read_lines(compressed / 'record.jsonl'), read_lines(compressed / 'metrics.jsonl')
    epochs, weights = of_kind(record, 'epoch'), of_kind(record, 'weights')
    assert [line['epoch'] for line in epochs] == [line['epoch'] for line in weights] == [0, 1, 2]
    for line, row in zip(epochs, metrics, strict=True):
        assert {key: line[key] for key in row} == row
        assert set(line['step_seconds']) == {'data', 'forward', 'loss', 'backward', 'optimizer', 'controller'}
        assert 0 < sum(line['step_seconds'].values()) * line['steps'] <= line['train_seconds']
        assert abs(line['statistics']['sparsity'] - row['sparsity_actual']) < 1e-8
    assert [{key: line[key] for key in line if key != 'kind'} for line in of_kind(record, 'baseline')] == \
        read_lines(plain / 'metrics.jsonl')
    assert [line['name'] for line in of_kind(record, 'run')] == ['lenet_mnist_rb_sparsity_int8']
    assert epochs[-1]['sparsity_actual'] > 0.2
    values = {value['path']: value['value'] for value in of_kind(record, 'config')[0]['values']}
    assert values['compression[0].params.sparsity_target'] == 0.5
    for line, statistics in zip(weights, (line['statistics'] for line in epochs), strict=True):
        layers = {layer['scope']: layer for layer in statistics['layers']}
        total = 0
        for layer in line['layers']:
            own = layers[layer['scope']]
            assert layer['count'] == math.prod(own['shape'])
            assert sum(layer['counts']) + layer['zeros'] == layer['count']
            assert abs(layer['zeros'] / layer['count'] - own['sparsity']) < 1e-9 # no weight is 0 by itself
            assert layer['grid_levels'] == 255 and layer['bits'] == 8
            assert abs(layer['grid_high'] - own['weight']['scale']) <= 1e-6 * layer['grid_high']
            assert layer['low'] <= 0 <= layer['high']
            total += layer['bytes_compressed']
        rest = statistics['bytes_compressed'] - total # biases and scales
        assert 0 < rest == statistics['bytes_float'] - sum(layer['bytes_float'] for layer in line['layers']) + \
            4 * sum(bool(layer[key]) for layer in layers.values() for key in ('weight', 'input', 'output'))
    return record


def check_tensorboard(venv, folder, record):
    reader = '''
import json, sys
from tensorboard.backend.event_processing import event_accumulator
everything = {kind: 0 for kind in ('scalars', 'histograms', 'tensors', 'compressedHistograms')}
events = event_accumulator.EventAccumulator(sys.argv[1], size_guidance=everything).Reload()
tags = events.Tags()
json.dump({'scalars': {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags['scalars']},
    'histograms': {tag: [[e.step, [e.histogram_value.min, e.histogram_value.max, e.histogram_value.num,
        e.histogram_value.sum], e.histogram_value.bucket] for e in events.Histograms(tag)] for tag in tags['histograms']},
    'texts': {tag: [events.SummaryMetadata(tag).plugin_data.plugin_name, events.Tensors(tag)[0].tensor_proto.string_val[0]
        .decode()] for tag in tags['tensors']}}, sys.stdout)
'''
    read = json.loads(subprocess.run([venv / 'bin/python', '-c', reader, folder], check=True, capture_output=True).stdout)
    scalars, epochs = read['scalars'], of_kind(record, 'epoch')
    steps = [5, 10, 15]
    for tag, key in ('train_top1', 'train_top1'), ('test_top1', 'test_top1'), ('ce_loss', 'ce_loss'), ('test_loss', 'test_loss'):
        expected = [[step, line[key]] for step, line in zip(steps, epochs, strict=True)]
        assert all(math.isclose(a, b, rel_tol=1e-6) for x, y in zip(scalars[f'epoch/{tag}'], expected, strict=True)
                   for a, b in zip(x, y)), (tag, scalars, expected)
    assert [step for step, _ in scalars['step/ce_loss']] == [2, 4, 7, 9, 12, 14]
    layers = epochs[-1]['statistics']['layers']
    for layer in layers:
        if layer['sparsified']:
            assert math.isclose(scalars[f'sparsity_of_layers/{layer["scope"]}'][-1][1], layer['sparsity'], rel_tol=1e-6)
        if layer['weight']:
            value = scalars[f'ranges/{layer["scope"]}.pre_ops.weight_quantizer.scale'][-1][1]
            assert math.isclose(value, layer['weight']['scale'], rel_tol=1e-6)
    for layer in of_kind(record, 'weights')[-1]['layers']:
        last = read['histograms'][f'weights/{layer["name"]}'][-1]
        assert last[0] == 15 and last[1][2] == layer['count'] == sum(last[2])
        assert math.isclose(last[1][0], layer['low'], rel_tol=1e-6) and math.isclose(last[1][1], layer['high'], rel_tol=1e-6)
        assert len(read['histograms'][f'logits/{layer["scope"]}.pre_ops.mask']) == 3
    assert read['texts']['config'][0] == 'text' and 'sparsity_target = 0.5' in read['texts']['config'][1]
    return len(scalars) + len(read['histograms']) + len(read['texts'])


class Page(html.parser.HTMLParser):
    """Cells of tables by their ids, and what must be balanced or may not be there at all."""
    VOID = 'meta',

    def __init__(self):
        super().__init__()
        self.open, self.tables, self.table, self.text, self.figures, self.dashes = [], {}, None, [], [], set()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        assert tag not in ('script', 'link', 'img', 'iframe', 'object', 'base', 'a', 'use', 'image'), tag
        assert not {'src', 'href', 'xlink:href', 'srcset'} & set(attrs), attrs
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == 'table':
            self.table = self.tables.setdefault(attrs.get('id'), [])
        elif tag == 'tr':
            self.table.append([])
        elif tag in ('td', 'th'):
            self.table[-1].append('')
        elif tag == 'data':
            self.table[-1][-1] = float(attrs['value'])
        elif tag == 'svg' and attrs.get('role') == 'img':
            self.figures.append([attrs['aria-label']])
        elif tag == 'path' and 'stroke-dasharray' in attrs and attrs['class'].startswith('line s'):
            self.dashes.add((attrs['class'], attrs['stroke-dasharray']))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open[-1:] in (['td'], ['th'], ['code']) and self.table and self.table[-1] and \
                isinstance(self.table[-1][-1], str):
            self.table[-1][-1] += data
        elif self.open[-1:] == ['text'] and self.figures:
            self.figures[-1].append(data)


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-8)


def check_page(program, folder, plain, compressed, record):
    out = folder / 'page.html'
    run(program, '--out', out, compressed, plain / 'record.jsonl')
    text = out.read_text(encoding='utf-8')
    assert '//' not in text and 'url(' not in text and '@import' not in text # nothing from elsewhere
    assert 'prefers-color-scheme:dark' in text and 'width=device-width' in text
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == [], page.open
    assert page.dashes == {('line s0', ''), ('line s1', '8 4')} # the runs without their colours
    # each chart has the labels of both axes, and two marks at least on each
    assert all(len(texts) >= 1 + 2 + 4 for texts in page.figures), page.figures
    titles = [texts[0] for texts in page.figures]
    for title in 'Top-1 accuracy', 'Sparsity of the sparsified layers', 'conv1', 'fc3':
        assert title in titles
    assert {'epoch', 'percent'} < set(page.figures[titles.index('Top-1 accuracy')])

    epochs, weights = of_kind(record, 'epoch'), of_kind(record, 'weights')[-1]['layers']
    rows = page.tables['epochs-0']
    for row, line in zip(rows[1:], epochs, strict=True):
        assert all(close(cell, line[key]) for key, cell in zip(rows[0], row, strict=True)), (row, line)
    summary = {row[0]: row[1:] for row in page.tables['summary']}
    last, statistics = epochs[-1], epochs[-1]['statistics']
    before = of_kind(record, 'baseline')[-1]['test_top1']
    for what, value in (('top-1, last epoch', last['test_top1']), ('top-1 of the FP32 run, last epoch', before),
                        ('difference, points', last['test_top1'] - before), ('epochs trained', 3),
                        ('sparsity, actual', 100 * last['sparsity_actual']),
                        ('bytes compressed', statistics['bytes_compressed'])):
        assert math.isclose(summary[what][0], value, rel_tol=1e-7, abs_tol=1e-6), (what, summary[what], value)
    sizes = {row[0]: row[1:] for row in page.tables['bytes']}
    for layer in weights:
        row = sizes[layer['name'].removesuffix('.weight')]
        assert row[:3] == [layer['bytes_float'], layer['bytes_compressed'], 8]
        assert close(row[3], 100 * layer['zeros'] / layer['count'])
    assert sum(row[1] for row in list(sizes.values())[1:]) == statistics['bytes_compressed']
    times = {row[0]: row[2] for row in page.tables['times'] if row[0] != ''}
    assert close(times['forward'], 1e3 * sum(line['step_seconds']['forward'] for line in epochs) / 3)
    differences = {row[0]: row[1:] for row in page.tables['differences'][1:]}
    assert differences['compression[0].algorithm'] == ['"rb_sparsity"', '–'] and 'batch_size' not in differences
    assert 'class="line base"' not in text # the FP32 run is there itself
    run(program, '--out', out, compressed)
    assert 'class="line base"' in out.read_text(encoding='utf-8')
    assert 'a run' in page.text and 'int8' in page.text
    for arguments, code in ((), 2), (('nowhere',), 1), ((folder,), 1), (('--out', '/dev/full', plain), 1):
        assert subprocess.run([program, *arguments], check=False, capture_output=True, cwd=folder).returncode == code


def main():
    what, source, classification, report = sys.argv[1], pathlib.Path(sys.argv[2]), *map(os.path.abspath, sys.argv[3:5])
    venv = pathlib.Path(os.environ.get('NNCF_VENV') or source / 'build-venv')
    installed = venv / 'installed.txt'
    if what == 'tensorboard' and not (installed.exists() and 'tensorboard' in installed.read_text(encoding='utf-8')):
        print(f'skipped: there is no virtual environment {venv} with tensorboard; .ci/setup.sh python makes it')
        return SKIP
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        plain, compressed = train(folder, classification)
        record = check_record(plain, compressed)
        if what == 'tensorboard':
            print(check_tensorboard(venv, folder / 'tb', record), 'tags')
        else:
            check_page(report, folder, plain, compressed, record)
            check_pruned(folder, classification)
    return 0


if __name__ == '__main__':
    sys.exit(main())
