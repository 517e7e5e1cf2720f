#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""plot.py FILE OUT.svg: the step's seconds and peak memory of all contenders on most threads, as bars."""
import sys
from xml.sax.saxutils import escape

import report

WIDTH, LABEL, BAR, ROW = 900, 350, 460, 26
STYLE = """text { font: 13px sans-serif; fill: #1b1f24 } .title { font-weight: bold } .ours { fill: #1f6feb } .other { fill: #a0a8b2 }
.part { fill: #ffffff; fill-opacity: .35 } .whisker { stroke: #1b1f24; stroke-width: 1 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .whisker { stroke: #e6edf3 } .other { fill: #6e7681 } }"""


def bars(top, title, rows, form):
    """rows: (name, value, low, high), low and high nullable."""
    scale = BAR / max(max(value, high or 0) for _, value, _, high in rows)
    out = [f'<text class="title" x="10" y="{top + 16}">{escape(title)}</text>']
    for i, (name, value, low, high) in enumerate(rows):
        y = top + 28 + i * ROW
        kind = 'ours' if name.startswith('libnncf') else 'other'
        out.append(f'<text x="{LABEL - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>')
        out.append(f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{value * scale:.1f}" height="{ROW - 8}"/>')
        end = LABEL + value * scale
        if low is not None:
            end = LABEL + high * scale
            out.append(f'<path class="whisker" d="M{LABEL + low * scale:.1f} {y + 9}H{end:.1f}M{end:.1f} {y + 5}v8"/>')
        out.append(f'<text x="{end + 8:.1f}" y="{y + 14}">{form.format(value)}</text>')
    return out, top + 40 + len(rows) * ROW


def main():
    # of the first model and batch in the file
    found = next(iter(report.steps(report.read(sys.argv[1])).values()))
    most = max(threads for _, threads in found)
    chosen = sorted(((name, step) for (name, threads), step in found.items() if threads == most), key=lambda item: item[1].median)
    line = chosen[0][1].lines[0]
    what = f'{line["model"]}, batch {line["batch"]}, {line["image"]}x{line["image"]}, {most} threads'
    seconds = [(name, step.median, min(step.seconds), max(step.seconds)) for name, step in chosen]
    memory = [(name, step.rss / 1e6, None, None) for name, step in chosen]
    first, end = bars(6, f'One training step, seconds (median; line: fastest to slowest): {what}', seconds, '{:.2f}')
    second, end = bars(end, 'Peak resident memory, MB', memory, '{:.0f}')
    with open(sys.argv[2], 'w', encoding='utf-8') as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {end}" role="img" '
                   f'aria-label="Seconds and memory of one training step">\n<style>{STYLE}</style>\n')
        file.write('\n'.join(first + second) + '\n</svg>\n')


if __name__ == '__main__':
    main()
