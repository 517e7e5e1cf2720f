#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our reader of safetensors files against the published one, on files made at random.

usage: safetensors_diff.py TOOL VENV [--count N] [--seed S] [--case I]
Both readers must agree on every file: accepted or refused; names, types, shapes and bytes of the tensors; texts. Where
ours is stricter on purpose (docs/snapshots.md lists it), the file is looked at to see whether it is such a one, and
counted. The seed is printed; case I of seed S is always the same file. TOOL is safetensors_tool; VENV a virtual
environment with safetensors, and NNCF_VENV in the environment goes before it. Without one: exit status 77 (skipped).
"""
import argparse
import collections
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

BATCH = 2000
TYPES = {'BOOL': 8, 'F4': 4, 'F6_E2M3': 6, 'F6_E3M2': 6, 'U8': 8, 'I8': 8, 'F8_E5M2': 8, 'F8_E4M3': 8, 'F8_E8M0': 8,
         'F8_E4M3FNUZ': 8, 'F8_E5M2FNUZ': 8, 'I16': 16, 'U16': 16, 'F16': 16, 'BF16': 16, 'I32': 32, 'U32': 32,
         'F32': 32, 'C64': 64, 'F64': 64, 'I64': 64, 'U64': 64}


def enter(venv):
    """Run again under the environment's Python."""
    python = os.path.join(venv, 'bin', 'python')
    if os.environ.get('NNCF_DIFF') == '1':
        return
    if not os.path.exists(python):
        print(f'skipped: there is no {python}; .ci/setup.sh python makes it')
        sys.exit(77)
    os.execve(python, [python, *sys.argv], dict(os.environ, NNCF_DIFF='1'))


# ---- files ----

def space(r):
    return r.choice(('', '', '', '', ' ', '\n', '\t', '\r\n', '  ')) if r.random() < 0.3 else ''


CHARACTERS = 'abcdefgw.0123/_- ÄßЖ字é😀"\\\b\t\u007f\u2028'


def string(r, text):
    """A JSON string in one of its spellings."""
    if r.random() < 0.7:
        return json.dumps(text, ensure_ascii=r.random() < 0.5)
    out = ['"']
    for c in text:
        if r.random() < 0.3:
            units = c.encode('utf-16-be')
            for i in range(0, len(units), 2):
                digits = f'{units[i] << 8 | units[i + 1]:04x}'
                out.append('\\u' + (digits.upper() if r.random() < 0.5 else digits))
        else:
            out.append(json.dumps(c, ensure_ascii=False)[1:-1])
    return ''.join(out) + '"'


def name(r):
    kind = r.random()
    if kind < 0.5:
        return r.choice('abcdef') + r.choice(('', '.weight', '.bias', '0'))
    if kind < 0.53:
        return r.choice(('', '__metadata__', 'a\0b', 'dtype', '__metadata', 'shape'))
    return ''.join(r.choice(CHARACTERS) for _ in range(r.randrange(1, 9)))


NUMBERS = ('0', '-0', '1', '-1', '0.0', '1.5', '1e5', '1E+5', '1e-5', '1e308', '1e309', '-1e309', '0e999', '1e-999',
           '1.7976931348623157e308', '1.8e308', '00', '01', '1.', '.5', '+1', '1e', '1e+', '0x1', 'NaN', 'Infinity',
           '123456789012345678901234567890', '9223372036854775807', '9223372036854775808', '18446744073709551615',
           '18446744073709551616')


def value(r, depth=0):
    """Any JSON value."""
    kind = r.random()
    if kind < 0.25:
        return r.choice(NUMBERS if r.random() < 0.5 else ('0', '1', '-7', '2.5', '1e3'))
    if kind < 0.45:
        return string(r, name(r))
    if kind < 0.6:
        return r.choice(('null', 'true', 'false'))
    if kind < 0.63:
        n = r.randrange(118, 132) if r.random() < 0.3 else r.randrange(1, 20)
        return '[' * n + ']' * n
    if depth > 3:
        return '{}'
    if kind < 0.8:
        return '[' + ','.join(value(r, depth + 1) for _ in range(r.randrange(4))) + ']'
    return '{' + ','.join(string(r, name(r)) + space(r) + ':' + value(r, depth + 1) for _ in range(r.randrange(4))) + '}'


def listed(r, items):
    return '[' + space(r) + ','.join(space(r) + str(i) + space(r) for i in items) + ']'


def entry(r, dtype, shape, begin, end):
    members = [[string(r, 'dtype'), string(r, dtype)], [string(r, 'shape'), listed(r, shape)],
               [string(r, 'data_offsets'), listed(r, (begin, end))]]
    if r.random() < 0.3:
        r.shuffle(members)
    while r.random() < 0.1:
        members.insert(r.randrange(len(members) + 1), [string(r, name(r)), value(r)])
    if r.random() < 0.03:
        members.append(list(r.choice(members)))
    if r.random() < 0.02:
        members.pop(r.randrange(len(members)))
    if r.random() < 0.02:
        r.choice(members)[1] = value(r)
    if r.random() < 0.01:
        members[0][1] = '{' + string(r, dtype) + ':' + r.choice(('null', 'null', '0', '[]')) + '}'
    if r.random() < 0.01:
        return '[' + ','.join(m[1] for m in members) + ']'
    return '{' + ','.join(space(r) + k + space(r) + ':' + space(r) + v + space(r) for k, v in members) + '}'


def metadata(r):
    if r.random() < 0.15:
        return r.choice(('null', 'null', '{}', '[]', '""', '0', 'true'))
    texts = [(name(r), string(r, name(r)) if r.random() < 0.97 else value(r)) for _ in range(r.randrange(5))]
    return '{' + ','.join(string(r, k) + space(r) + ':' + space(r) + v for k, v in texts) + '}'


def header(r):
    """A header that is nearly always right, and the length of its data."""
    at, members = 0, []
    for _ in range(r.choice((0, 1, 1, 2, 2, 3, 5))):
        dtype = r.choice(tuple(TYPES))
        shape = [r.choice((0, 1, 1, 2, 2, 3, 4, 8)) for _ in range(r.choice((0, 1, 1, 2, 3, 4, 9)))]
        bits = TYPES[dtype]
        for n in shape:
            bits *= n
        if bits % 8 and r.random() < 0.95:
            shape.append(4)
            bits *= 4
        if bits > 1 << 12:
            shape, bits = [1], TYPES[dtype]
        end = at + bits // 8
        if r.random() < 0.02:
            shape = [r.choice((4294967296, 9223372036854775807, 9223372036854775808, 18446744073709551615, 0, 1))
                     for _ in range(r.randrange(4))]
        begin = at if r.random() < 0.98 else max(0, at + r.choice((-1, 1, 7)))
        members.append((name(r), entry(r, dtype if r.random() < 0.99 else dtype.lower(), shape, begin, end)))
        at = end
    if r.random() < 0.3:
        members.insert(r.randrange(len(members) + 1), ('__metadata__', metadata(r)))
    if r.random() < 0.02 and members:
        members.append(r.choice(members))
    if r.random() < 0.2:
        r.shuffle(members)
    text = ','.join(space(r) + string(r, k) + space(r) + ':' + space(r) + v + space(r) for k, v in members)
    return space(r) + '{' + space(r) + text + '}' + space(r) + ' ' * r.choice((0, 0, 0, 5)), at


TOKENS = ('{', '}', '[', ']', ',', ':', '"', '\\', '\\u0000', '\\ud800', '\\udc00', '\\n', '\\x', '/', "'", 'null',
          'true', '0', '1', '-', '.', 'e', '9', ' ', '\n', '\x0b', '\x00', '\x1f', '\ufeff', '"__metadata__":', '"a":{}',
          '"dtype":"U8"', '"shape":[]', '"data_offsets":[0,0]', '"F32"', '99999999999999999999', '[[', ']]', '{"a":1}')


def mutate(r, text):
    """The text with a few changes of its characters, tokens or pieces."""
    for _ in range(r.choice((1, 1, 1, 2, 3))):
        kind, at = r.random(), r.randrange(len(text) + 1)
        if kind < 0.25:
            text = text[:at] + r.choice(TOKENS).encode() + text[at + r.choice((0, 0, 1)):]
        elif kind < 0.4:
            text = text[:at] + bytes([r.randrange(256)]) + text[at + 1:]
        elif kind < 0.55:
            text = text[:at] + text[at + r.choice((1, 1, 2, 5)):]
        elif kind < 0.65:
            end = min(len(text), at + r.choice((1, 5, 40)))
            text = text[:end] + text[at:end] + text[end:]
        elif kind < 0.7:
            text = text[:at]
        elif kind < 0.85:  # a number becomes its neighbour, or a strange one
            places = [i for i, c in enumerate(text) if 48 <= c <= 57]
            if places:
                i = r.choice(places)
                new = str((text[i] - 48 + r.choice((1, 9))) % 10) if r.random() < 0.7 else r.choice(NUMBERS)
                text = text[:i] + new.encode() + text[i + 1:]
        else:  # a piece moves elsewhere
            end = min(len(text), at + r.randrange(30))
            piece, rest = text[at:end], text[:at] + text[end:]
            to = r.randrange(len(rest) + 1)
            text = rest[:to] + piece + rest[to:]
    return text


def make(seed, case):
    r = random.Random(seed * (1 << 40) + case)
    text, size = header(r)
    text = text.encode('utf-8', 'surrogatepass')
    if r.random() < 0.4:
        text = mutate(r, text)
    if r.random() < 0.02:
        size = max(0, size + r.choice((-1, 1, 8)))
    length = len(text)
    if r.random() < 0.02:
        length = r.choice((0, 1, length - 1, length + 1, length + size, 1 << 32, 100000001, (1 << 64) - 1))
    file = struct.pack('<Q', length % (1 << 64)) + text + r.randbytes(size)
    return file[:r.randrange(len(file) + 1)] if r.random() < 0.01 else file


# ---- verdicts ----

def published(file, path):
    """What the published reader says: None, or (tensors, texts)."""
    from safetensors import SafetensorError, deserialize, safe_open
    try:
        tensors = {n: (t['dtype'], tuple(t['shape']), bytes(t['data'])) for n, t in deserialize(file)}
    except SafetensorError:
        return None
    if b'metadata__' not in file and b'\\u' not in file:
        return tensors, {}
    with open(path, 'wb') as out:
        out.write(file)
    with safe_open(path, framework='numpy') as opened:
        return tensors, opened.metadata() or {}


def ours(line):
    if not line.startswith(b'+'):
        return None
    tensors, texts = {}, {}
    for word in line[1:].split():
        if b'=' in word:
            key, text = word.split(b'=')
            texts[bytes.fromhex(key.decode()).decode()] = bytes.fromhex(text.decode()).decode()
        else:
            n, dtype, shape, data = word.split(b':')
            tensors[bytes.fromhex(n.decode()).decode()] = (
                dtype.decode(), tuple(int(i) for i in shape.split(b',') if i), bytes.fromhex(data.decode()))
    return tensors, texts


def stricter(file):
    """The rows of docs/snapshots.md that a file falls under which the published reader takes, by Python's own JSON."""
    reasons = set()

    class Members(list):
        pass

    root = json.loads(file[8:8 + struct.unpack('<Q', file[:8])[0]].decode(), object_pairs_hook=Members)
    names = [k for k, _ in root]
    if len(set(names)) < len(names):
        reasons.add('a name twice')
    if any('\0' in n for n in names):
        reasons.add('NUL')
    for key, member in root:
        if key == '__metadata__':
            for k, v in member or []:
                if '\0' in k or '\0' in v:
                    reasons.add('NUL')
            if member and len({k for k, _ in member}) < len(member):
                reasons.add('a name twice')
            continue
        if not isinstance(member, Members):
            reasons.add('an array for an object')
            fields = dict(zip(('dtype', 'shape', 'data_offsets'), member))
        else:
            fields = dict(member)
        if isinstance(fields['dtype'], Members):
            reasons.add('an object for a type')
        if any(n >= 1 << 63 for n in fields['shape']):
            reasons.add('2^63')
    return reasons


def twice(file):
    names = [k for k, _ in json.loads(file[8:8 + struct.unpack('<Q', file[:8])[0]].decode(), object_pairs_hook=list)]
    return {n for n in names if names.count(n) > 1}


def next_to_infinity(file):
    """Does the header hold a number that is finite, but that a sloppier conversion than ours rounds beyond all floats?"""
    found = []
    json.loads(file[8:8 + struct.unpack('<Q', file[:8])[0]].decode(), parse_float=lambda t: found.append(float(t)))
    return any(sys.float_info.max * (1 - 1e-15) < abs(x) < float('inf') for x in found)


SAYS = {'twice': 'a name twice', 'a NUL': 'NUL', 'must be an object': 'an array for an object',
        'dtype must be a string': 'an object for a type', 'below 2^63': '2^63'}


def compare(file, line, path, counts):
    """None, or how the two readers differ."""
    theirs, our = published(file, path), ours(line)
    if theirs == our:
        counts['both accept' if our else 'both refuse'] += 1
        return None
    if our is not None and theirs is None and next_to_infinity(file):
        counts['theirs takes a finite number for infinite'] += 1
        return None
    if our is not None:
        return f'ours accepts: {our}; theirs: {theirs}'
    rows = stricter(file)
    said = {row for words, row in SAYS.items() if words.encode() in line}
    if any(b'tensor "' + n.encode() + b'":' in line for n in twice(file)):
        said.add('a name twice')  # the first of the two may be wrong in any way: the published reader forgets it
    if said & rows:
        counts['ours is stricter: ' + min(said & rows)] += 1
        return None
    return f'theirs accepts: {theirs}; ours: {line.decode(errors="replace")}'


def run_batch(tool, files):
    data = b''.join(struct.pack('<I', len(f)) + f for f in files)
    done = subprocess.run([tool], input=data, capture_output=True)
    lines = done.stdout.split(b'\n')
    if done.returncode != 0 or len(lines) != len(files) + 1:
        sys.exit(f'the tool ended with {done.returncode} at file {len(lines) - 1} of the batch: '
                 f'{files[min(len(lines), len(files)) - 1]!r}\n{done.stderr.decode()}')
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('tool')
    parser.add_argument('venv')
    parser.add_argument('--count', type=int, default=20000)
    parser.add_argument('--seed', type=int)
    parser.add_argument('--case', type=int)
    args = parser.parse_args()
    enter(os.environ.get('NNCF_VENV', args.venv))
    seed = args.seed if args.seed is not None else int.from_bytes(os.urandom(4), 'little')
    quick = os.environ.get('NNCF_TEST_QUICK', '0') not in ('', '0')
    count = args.count // 10 if quick and args.count == 20000 else args.count
    cases = range(args.case, args.case + 1) if args.case is not None else range(count)
    counts, differences = collections.Counter(), 0
    print(f'seed {seed}, {len(cases)} files', flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'file')
        for first in range(cases.start, cases.stop, BATCH):
            batch = range(first, min(first + BATCH, cases.stop))
            files = [make(seed, i) for i in batch]
            for i, file, line in zip(batch, files, run_batch(args.tool, files)):
                what = compare(file, line, path, counts)
                if what:
                    differences += 1
                    print(f'--seed {seed} --case {i}: {file!r}: {what}', flush=True)
            if differences > 20:
                break
    for what, n in sorted(counts.items()):
        print(f'{n:8} {what}')
    accepted = counts['both accept']
    if args.case is None and not (len(cases) // 4 < accepted < len(cases) and counts['both refuse'] > len(cases) // 10):
        sys.exit('too few files of one kind: the comparison says little')
    sys.exit(f'{differences} differences' if differences else 0)


main()
