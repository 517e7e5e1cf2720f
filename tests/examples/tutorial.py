#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/tutorial.md, followed: tutorial.py SOURCE_FOLDER PROGRAM...   (nncf-config, nncf-classification, nncf-report)

Its configs are written to the files that it names, its commands run in a folder of made-up photographs, trainings for two
steps only; what the text says of their results must be in their output.
tutorial.py --pictures FOLDER COUNT makes the photographs alone, COUNT of each class, every fifth of them in val/.
"""
import glob
import math
import os
import pathlib
import random
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import zlib

CLASSES = 'disc', 'ring', 'square', 'star'
WIDTH, HEIGHT = 96, 72


def write_png(path, rows):
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    data = zlib.compress(b''.join(b'\0' + bytes(row) for row in rows))
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', WIDTH, HEIGHT, 8, 2, 0, 0, 0)) +
                     chunk(b'IDAT', data) + chunk(b'IEND', b''))


def inside(kind, x, y, radius, turn):
    distance, angle = math.hypot(x, y), math.atan2(y, x) + turn
    if kind == 'disc':
        return distance < radius
    if kind == 'ring':
        return 0.6 * radius < distance < radius
    if kind == 'square':
        u, v = distance * math.cos(angle), distance * math.sin(angle)
        return max(abs(u), abs(v)) < 0.75 * radius
    return distance < radius * (0.5 + 0.5 * abs(math.cos(2.5 * angle)) ** 3)


def make_picture(path, kind, draw):
    """A thing of any colour, size, place and turn before a background with a gradient and noise."""
    paint = [draw.randrange(256) for _ in range(3)]
    ground = [(value + draw.randrange(70, 186)) % 256 for value in paint]
    slope = [draw.uniform(-40, 40) for _ in range(2)]
    radius, turn = draw.uniform(16, 32), draw.uniform(0, 6.3)
    cx, cy = draw.uniform(radius, WIDTH - radius), draw.uniform(radius, HEIGHT - radius)
    rows = []
    for y in range(HEIGHT):
        row = []
        for x in range(WIDTH):
            light = slope[0] * (x / WIDTH - 0.5) + slope[1] * (y / HEIGHT - 0.5) + draw.uniform(-12, 12)
            colour = paint if inside(kind, x - cx, y - cy, radius, turn) else ground
            row += [min(255, max(0, int(value + light))) for value in colour]
        rows.append(row)
    write_png(path, rows)


def make_pictures(folder, count):
    draw = random.Random(2)
    for kind in CLASSES:
        for i in range(count):
            place = folder / ('train' if i % 5 else 'val') / kind
            place.mkdir(parents=True, exist_ok=True)
            make_picture(place / f'{i}.png', kind, draw)


def blocks(text):
    """(language, lines) of the fenced blocks."""
    return [(kind, body) for kind, body in re.findall(r'^```(\w*)\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)]


def follow(text, folder, programs):
    """Runs the commands; what they print, by their first words."""
    (folder / 'photos').mkdir()
    make_pictures(folder / 'photos', 10)
    ran = []
    for kind, body in blocks(text):
        if kind == 'json':
            name = re.match(r'// (\S+\.json)', body)
            (folder / name.group(1)).write_text(body, encoding='utf-8')
            continue
        for command in body.replace('\\\n', ' ').splitlines():
            if command.split(' ')[0] not in programs:
                continue
            words = [part for word in shlex.split(command, comments=True)
                     for part in (sorted(glob.glob(word, root_dir=folder)) if '*' in word else [word])]
            if words[0] == 'nncf-classification' and '--out' in words:
                words += ['--max-steps', '2', '--batch-size', '8']
            result = subprocess.run([programs[words[0]], *words[1:]], cwd=folder, check=False, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True)
            assert result.returncode == 0, (command, result.stdout)
            ran.append((words, result.stdout))
    return ran


def main():
    if sys.argv[1] == '--pictures':
        make_pictures(pathlib.Path(sys.argv[2]), int(sys.argv[3]))
        return 0
    source, programs = pathlib.Path(sys.argv[1]), {pathlib.Path(p).name: os.path.abspath(p) for p in sys.argv[2:]}
    text = (source / 'docs/tutorial.md').read_text(encoding='utf-8')
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        ran = follow(text, folder, programs)
        trained = [words for words, _ in ran if '--out' in words and words[0] == 'nncf-classification']
        assert len(trained) == 2, trained
        checks = [output for words, output in ran if words[0] == 'nncf-config']
        assert len(checks) == 2 and not any('error' in output for output in checks), checks
        guesses = [output for words, output in ran if '--predict' in words]
        assert len(guesses) == 1 and all(kind in guesses[0] for kind in CLASSES), guesses
        for made in re.findall(r'\(makes `([^`]+)`\)', text): # what the text says is there
            assert (folder / made).exists(), made
        assert len(re.findall(r'\(makes `', text)) >= 4
    return 0


if __name__ == '__main__':
    sys.exit(main())
