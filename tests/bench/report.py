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
        what = 'no compression' if line['what'] == 'dense' else 'int8' if line['config'].endswith('int8.json') and \
            '_rb_' not in line['config'] else 'rb_sparsity + int8'
        return f'libnncf, {what}'
    name, version = line['who'].split()
    version = version.split('+')[0]
    if name == 'pytorch':
        way = ', torch.compile' if line.get('compiled') else ''
        return f'PyTorch {version}{way}, no compression, {line["layout"].replace("nchw", "NCHW")}'
    return f'NNCF {version} on PyTorch, {line["what"].replace("rb_int8", "rb_sparsity + int8")}'


class Step:
    """All lines of one contender, over the rounds."""

    def __init__(self, lines):
        self.lines = lines
        self.seconds = [s for line in lines for s in line['seconds']]
        self.median = statistics.median(self.seconds)
        self.rss = max(line['peak_rss_bytes'] for line in lines)

    def part(self, name):
        return statistics.median(line[name] for line in self.lines)


def settings_of(line):
    return tuple(line[key] for key in ('bench', 'model', 'batch', 'image', 'optimizer') if key in line)


def steps(lines, bench='step'):
    """{settings: {(name, threads): Step}}, in the order of the lines."""
    found = {}
    for line in lines:
        if line['bench'] == bench:
            found.setdefault(settings_of(line), {}).setdefault((step_name(line), line['threads']), []).append(line)
    return {key: {name: Step(its) for name, its in value.items()} for key, value in found.items()}


def table(head, rows):
    print('| ' + ' | '.join(head) + ' |')
    print('|' + '---|' * len(head))
    for row in rows:
        print('| ' + ' | '.join(str(cell) for cell in row) + ' |')
    print()


def report_steps(all_steps):
    """One table: a training step, or a forward in eval mode."""
    some = next(iter(all_steps.values())).lines[0]
    trains = some['bench'] == 'step'
    parts = ('forward', 'backward', 'update') if trains else ()
    print(f'## {"A training step" if trains else "A forward in eval mode"}: {some["model"]}, batch {some["batch"]}, '
          f'{some["image"]}x{some["image"]}{", " + some["optimizer"] if trains else ""}\n')
    ours = {threads: step for (name, threads), step in all_steps.items() if is_compressed(name)}
    rows = []
    for (name, threads), step in sorted(all_steps.items(), key=lambda item: (-item[0][1], item[1].median)):
        ratio = f'{step.median / ours[threads].median:.2f}' if threads in ours else ''
        rows.append((name, threads, f'{step.median:.3f}', f'{min(step.seconds):.3f} - {max(step.seconds):.3f}',
                     *(f'{step.part(part):.3f}' for part in parts), f'{step.rss / 1e6:.0f}', ratio, len(step.seconds)))
    table(('', 'threads', 'seconds, median', 'min - max', *parts, 'peak RSS, MB', 'times ours', 'runs'), rows)


def is_compressed(name):
    return name.startswith('libnncf') and not name.endswith('no compression')


def products(lines):
    """{(model, shape, pass): {who: line}}, the last line of each: of `gemm` and `conv`, or of `kernels` where there are none."""
    found = {}
    chosen = [line for line in lines if line['bench'] in ('gemm', 'conv')]
    for line in chosen or [line for line in lines if line['bench'] == 'kernels' and 'shape' in line]:
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


def int8_ratios(all_products):
    """Integer products against the integer microkernel, layer by layer."""
    lines = [who['codes'] for who in all_products.values()
             if 'int8_share' in who.get('codes', {}) and who['codes']['k'] >= 96 and not who['codes']['depthwise']
             and who['codes']['kernel'] in (1, 3)
             and not who['codes']['shape'].endswith(' 1x1 1x1')]
    if lines:
        worst = min(lines, key=lambda line: line['int8_share'])
        work = sum(line['gflops'] * line['median'] * line['layers'] for line in lines)
        share = work / sum(line['median'] * line['layers'] for line in lines) / lines[0]['int8_peak_gops']
        reach = sum(line['int8_share'] >= 0.6 for line in lines)
        yield ('integer 1x1 and 3x3 forward, k >= 96, share of the measured integer peak', 0.6, 0.8, share,
               f'all together; {reach} of {len(lines)} layers reach 0.6, the worst {worst["int8_share"]:.2f} ({worst["shape"]})')


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


def step_ratios(all_steps, settings):
    """(what, must, aim, figure, how) of one model and batch; a negative bound is a highest one."""
    def find(test, threads=2):
        return [step for (name, its), step in all_steps.items() if its == threads and test(name)]

    def best(found):
        return min(found, key=lambda step: step.median) if found else None

    model, batch = settings[1], settings[2]
    ours = best(find(is_compressed))
    one = best(find(is_compressed, 1))
    dense = best(find(lambda name: name.startswith('libnncf') and name.endswith('no compression')))
    torch = best(find(lambda name: name.startswith('PyTorch')))
    compiled = best(find(lambda name: 'torch.compile' in name))
    nncf = best(find(lambda name: name.startswith('NNCF')))
    mobile = model == 'mobilenetv2'
    where = f'{model}, batch {batch}'
    if ours and dense:
        must, aim = (-0.90, -0.75) if mobile else (-0.80, -0.65)
        yield (f'{where}: compressed step / our own uncompressed step', must, aim, ours.median / dense.median, '')
    if ours and compiled and mobile:
        yield (f'{where}: torch.compile, uncompressed / our compressed step', 1.6, 2.2, compiled.median / ours.median, '')
        yield (f'{where}: peak RSS of torch.compile / ours', 4.0, 5.0, compiled.rss / ours.rss, '')
    if ours and torch:
        must, aim = (1.6, 2.2) if mobile else (1.15, 1.6)
        yield (f'{where}: fastest PyTorch, uncompressed / our compressed step', must, aim, torch.median / ours.median,
               step_name(torch.lines[0]))
    if dense and torch and not mobile:
        yield (f'{where}: fastest PyTorch / our own uncompressed step', 1.0, 1.1, torch.median / dense.median,
               step_name(torch.lines[0]))
    if ours and nncf:
        yield (f'{where}: NNCF step / ours', 8.0, 12.0, nncf.median / ours.median, step_name(nncf.lines[0]))
        yield (f'{where}: peak RSS of NNCF / ours', 6.0, 8.0, nncf.rss / ours.rss, step_name(nncf.lines[0]))
    if ours and one:
        yield (f'{where}: 1 thread / 2 threads', 1.75, 1.9, one.median / ours.median, '')
        worst = max(line['median'] for line in ours.lines)
        yield (f'{where}: 1 thread / 2 threads, the slowest process of {len(ours.lines)}', 1.75, 1.9, one.median / worst, '')


def batch_ratios(all_steps):
    """One image against sixteen."""
    by_batch = {settings[2]: value for settings, value in all_steps.items() if settings[1] == 'mobilenetv2'}
    if 1 in by_batch and 16 in by_batch:
        one, many = ([step for (name, threads), step in by_batch[batch].items() if threads == 2 and is_compressed(name)]
                     for batch in (1, 16))
        if one and many:
            yield ('mobilenetv2: batch 1 step / batch 16 step, compressed', -0.12, -0.09, one[0].median / many[0].median, '')


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


def report_kernels(lines):
    """Each kernel alone: the last line of each."""
    last = {(line['kernel'], line['type'], line['who']): line for line in lines if line['bench'] == 'kernels' and 'type' in line}
    peaks = [line for line in last.values() if 'gops' in line]
    if peaks:
        print('## Microkernels, panels in the first-level cache\n')
        table(('microkernel', 'type', 'threads', 'Gop/s'),
              [(line['who'], line['type'], line['threads'], f'{line["gops"]:.0f}') for line in peaks])
    passes = [line for line in last.values() if 'gops' not in line]
    if passes:
        print('## Kernels that pass over memory\n')
        table(('kernel', 'arrays in', 'ISA', 'threads', 'ns an element', 'GB/s'),
              [(line['kernel'], line['type'], line['who'], line['threads'], f'{line["nanoseconds_per_element"]:.3f}',
                f'{line["gigabytes_per_second"]:.1f}') for line in passes])


def report_ops(lines):
    """Layers alone: medians over the rounds, ours and PyTorch's."""
    found = {}
    for line in lines:
        if line['bench'] == 'ops':
            size = 'x'.join(str(int(n)) for n in line['x']) + (f' to {line["out"]}' if line['out'] else '')
            case = found.setdefault((line['layer'], line['net'], size, line['threads']), {})
            case.setdefault((line['who'].split()[0], line['pass']), []).append(line['median'])
    if not found:
        return
    print('## Layers alone: milliseconds, and how many times as long PyTorch takes\n')
    rows = []
    for (layer, net, size, threads), case in found.items():
        times = {key: 1e3 * statistics.median(values) for key, values in case.items()}
        row = [layer.replace('_', ' '), net, size, threads]
        for which in ('forward', 'both'):
            ours, theirs = times.get(('nncf', which)), times.get(('pytorch', which))
            row += ['' if t is None else f'{t:.3f}' for t in (ours, theirs)]
            row.append(f'{theirs / ours:.2f}' if ours and theirs else '')
        rows.append(row)
    table(('layer', 'shape of', 'x', 'threads', 'forward', 'PyTorch', 'ratio', 'with backward', 'PyTorch', 'ratio'), rows)


def report_gpt(lines):
    """A step of examples/gpt, as PyTorch runs it: to be compared with what nncf-gpt prints."""
    for line in lines:
        if line['bench'] == 'gpt':
            print(f'A step of the GPT, {line["who"]}, {line["threads"]} thread(s): {1e3 * line["median"]:.1f} ms\n')


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
    ratios = []
    for settings, its_steps in all_steps.items():
        report_steps(its_steps)
        ratios += step_ratios(its_steps, settings)
    for its_steps in steps(lines, 'eval').values():
        report_steps(its_steps)
    report_rows(lines)
    report_kernels(lines)
    report_ops(lines)
    report_gpt(lines)
    report_products(all_products)
    report_ratios([*ratios, *batch_ratios(all_steps), *product_ratios(all_products), *int8_ratios(all_products),
                   *row_ratios(lines)])


if __name__ == '__main__':
    main()
