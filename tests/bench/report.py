#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report.py FILE: the lines that run.sh collected, as tables in Markdown. docs/performance.md says what they mean."""
import json
import math
import statistics
import sys


def read(path):
    with open(path, encoding='utf-8') as file:
        return [json.loads(line) for line in file if line.strip()]


def step_name(line):
    if line['who'] == 'nncf':
        return 'libnncf, rb_sparsity + int8' if line['what'] == 'compressed' else 'libnncf, no compression'
    what = line['who'].split()
    if what[0] == 'pytorch':
        return f'PyTorch {what[1]}, no compression, {line["layout"].replace("nchw", "NCHW")}'
    return f'NNCF {what[1]} on PyTorch, {line["what"].replace("rb_int8", "rb_sparsity + int8")}'


class Step:
    """All lines of one contender, over the rounds."""

    def __init__(self, lines):
        self.lines = lines
        self.seconds = [s for line in lines for s in line['seconds']]
        self.median = statistics.median(self.seconds)
        self.rss = max(line['peak_rss_bytes'] for line in lines)

    def part(self, name):
        return statistics.median(line[name] for line in self.lines)


def steps(lines):
    """{(name, threads): Step}, of the model, batch and size that the first line has."""
    found = {}
    all_lines = [line for line in lines if line['bench'] == 'step']
    for line in all_lines:
        if all(line[key] == all_lines[0][key] for key in ('model', 'batch', 'image', 'optimizer')):
            found.setdefault((step_name(line), line['threads']), []).append(line)
    return {key: Step(value) for key, value in found.items()}


def table(head, rows):
    print('| ' + ' | '.join(head) + ' |')
    print('|' + '---|' * len(head))
    for row in rows:
        print('| ' + ' | '.join(str(cell) for cell in row) + ' |')
    print()


def report_steps(all_steps):
    if not all_steps:
        return
    some = next(iter(all_steps.values())).lines[0]
    print(f'## A training step: {some["model"]}, batch {some["batch"]}, {some["image"]}x{some["image"]}, {some["optimizer"]}\n')
    ours = {threads: step for (name, threads), step in all_steps.items() if name == 'libnncf, rb_sparsity + int8'}
    rows = []
    for (name, threads), step in sorted(all_steps.items(), key=lambda item: (-item[0][1], item[1].median)):
        ratio = f'{step.median / ours[threads].median:.2f}' if threads in ours else ''
        rows.append((name, threads, f'{step.median:.3f}', f'{min(step.seconds):.3f} - {max(step.seconds):.3f}',
                     *(f'{step.part(part):.3f}' for part in ('forward', 'backward', 'update')), f'{step.rss / 1e6:.0f}',
                     ratio, len(step.seconds)))
    table(('', 'threads', 'seconds, median', 'min - max', 'forward', 'backward', 'update', 'peak RSS, MB',
           'times ours', 'steps'), rows)


def products(lines):
    """{(model, shape, pass): {who: line}}, the last line of each."""
    found = {}
    for line in lines:
        if line['bench'] in ('gemm', 'conv'):
            found.setdefault((line['model'], line['shape'], line['pass']), {})[line['who']] = line
    return found


def report_products(all_products):
    for model in sorted({key[0] for key in all_products}):
        print(f'## Products of {model}: milliseconds, and share of the microkernel\'s peak\n')
        rows = []
        for (its_model, shape, which), who in all_products.items():
            if its_model != model:
                continue
            row = [shape, which]
            for name in ('dense', 'codes', 'blis', 'onednn'):
                line = who.get(name)
                row.append('' if line is None else f'{1e3 * line["median"]:.3f} ({100 * line["share"]:.0f} %)')
            rows.append(row)
        table(('layer', 'pass', 'floats', 'codes', 'bli_sgemm', 'oneDNN'), rows)


def total(selected, name):
    return sum(who[name]['median'] * who[name]['layers'] for who in selected)


def product_ratios(all_products):
    """(what, must, aim, figure, how): the lines of the acceptance table that single products decide."""
    forward = [who for (_, _, which), who in all_products.items() if which == 'forward']
    wide = [who for who in forward if who['dense']['kernel'] in (1, 3) and who['dense']['c_out'] >= 64 and not who['dense']['depthwise']]
    rows = [who for who in wide if who['dense']['shape'].endswith(' 1x1 1x1')]
    planes = [who for who in wide if who not in rows]
    for selected, name, what in ((planes, 'dense', 'of floats'), (planes, 'codes', 'of codes'), (rows, 'dense', 'linear layers, 16 rows')):
        lines = [who[name] for who in selected if name in who]
        if not lines:
            continue
        work = sum(line['gflops'] * line['median'] * line['layers'] for line in lines)
        worst = min(lines, key=lambda line: line['share'])
        reach = sum(line['share'] >= 0.75 for line in lines)
        share = work / sum(line['median'] * line['layers'] for line in lines) / lines[0]['peak_gflops']
        yield (f'1x1 and 3x3 forward, Cout >= 64, share of the peak: {what}', 0.75, 0.9, share,
               f'all together; {reach} of {len(lines)} layers reach 0.75, the worst {worst["share"]:.2f} ({worst["shape"]})')
    deep = [who for who in forward if who['dense']['k'] >= 96 and 'codes' in who and not who['dense']['depthwise']]
    if deep:
        worst = max(deep, key=lambda who: who['codes']['median'] / who['dense']['median'])
        yield ('compressed / dense product, k >= 96', -1.05, -1.0, total(deep, 'codes') / total(deep, 'dense'),
               f'all together; the worst {worst["codes"]["median"] / worst["dense"]["median"]:.2f} ({worst["dense"]["shape"]})')
    for which, name in (('forward', 'dense'), ('forward', 'codes'), ('input', 'dense'), ('weight', 'dense'), ('weight', 'codes')):
        deep = [who for (_, _, its), who in all_products.items()
                if its == which and who['dense']['depthwise'] and 'onednn' in who]
        if deep:
            worst = min(deep, key=lambda who: who['onednn']['median'] / who[name]['median'])
            yield (f'oneDNN / ours, depthwise, {which}' + (' from codes' if name == 'codes' else ''), 1.0, 1.5,
                   total(deep, 'onednn') / total(deep, name),
                   f'all together; the worst {worst["onednn"]["median"] / worst[name]["median"]:.2f} ({worst["dense"]["shape"]})')


def step_ratios(all_steps):
    def find(start, threads=2):
        return [step for (name, its), step in all_steps.items() if name.startswith(start) and its == threads]

    ours, dense, torch, nncf = (find(start) for start in ('libnncf, rb', 'libnncf, no', 'PyTorch', 'NNCF'))
    one = find('libnncf, rb', 1)
    if ours and dense:
        yield ('compressed step / our own uncompressed step', -1.10, -1.03, ours[0].median / dense[0].median, '')
    if ours and torch:
        best = min(torch, key=lambda step: step.median)
        yield ('PyTorch uncompressed step / our compressed step', 1.2, 2.0, best.median / ours[0].median,
               f'PyTorch in {best.lines[0]["layout"]}')
    if ours and nncf:
        yield ('NNCF step / ours', 4.0, 7.0, nncf[0].median / ours[0].median, nncf[0].lines[0]['who'])
        yield ('peak RSS of NNCF / ours', 2.5, 4.0, nncf[0].rss / ours[0].rss, '')
    if ours and one:
        yield ('1 thread / 2 threads, whole compressed step', 1.7, 1.9, one[0].median / ours[0].median, '')


def row_ratios(lines):
    last = {line['who']: line for line in lines if line['bench'] == 'threshold'}
    if 'abs' in last and 'qsort' in last:
        read = last['read once, one thread']['median']
        yield ('qsort / magnitude threshold and masks', 20.0, math.nan, last['qsort']['median'] / last['abs']['median'],
               f'{last["abs"]["elements"] / 1e6:.1f} million weights: {1e3 * last["abs"]["median"]:.1f} ms, with norms '
               f'{1e3 * last["normed_abs"]["median"]:.1f} ms; one thread reads them in {1e3 * read:.1f} ms')


def report_rows(lines):
    last = {(line['bench'], line['who']): line for line in lines if line['bench'] in ('fakequant', 'rb', 'threshold')}
    if not last:
        return
    print('## Passes over memory\n')
    table(('', '', 'million elements', 'ms, median', 'ns an element', 'GB/s'),
          [(bench, who, f'{line["elements"] / 1e6:.1f}', f'{1e3 * line["median"]:.2f}',
            f'{line["nanoseconds_per_element"]:.3f}', f'{line["gigabytes_per_second"]:.1f}')
           for (bench, who), line in last.items()])


def report_ratios(ratios):
    rows = []
    for what, must, aim, figure, how in ratios:
        sign = '<=' if must < 0 else '>='
        met = figure <= -must if must < 0 else figure >= must
        best = figure <= -aim if must < 0 else figure >= aim
        rows.append((what, f'{sign} {abs(must):g}', '' if math.isnan(aim) else f'{sign} {abs(aim):g}', f'{figure:.2f}',
                     'aim' if best else 'must' if met else 'missed', how))
    if rows:
        print('## Ratios\n')
        table(('', 'must', 'aim', 'measured', 'reached', ''), rows)


def main():
    lines = read(sys.argv[1])
    all_steps, all_products = steps(lines), products(lines)
    disturbed = [line for line in lines if line['others'] > 0.1]
    if disturbed:
        print(f'**{len(disturbed)} of {len(lines)} lines were measured while other programs kept more than 0.1 processors '
              f'busy (up to {max(line["others"] for line in disturbed):.1f}): not to be trusted.**\n')
    report_steps(all_steps)
    report_rows(lines)
    report_products(all_products)
    report_ratios([*step_ratios(all_steps), *product_ratios(all_products), *row_ratios(lines)])


if __name__ == '__main__':
    main()
