#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Snapshots and Python's safetensors and numpy: it reads ours, we read its.

usage: interop.py interop_tool VENV
VENV is a virtual environment with both; NNCF_VENV in the environment goes before it. Without one: exit status 77 (skipped).
"""
import hashlib
import json
import os
import subprocess
import sys
import tempfile


def enter(venv):
    """Run again under the environment's Python."""
    python = os.path.join(venv, 'bin', 'python')
    if os.environ.get('NNCF_INTEROP') == '1':
        return
    if not os.path.exists(python):
        print(f'skipped: there is no {python}; .ci/setup.sh python makes it')
        sys.exit(77)
    os.execve(python, [python, *sys.argv], dict(os.environ, NNCF_INTEROP='1'))


def crc32c(data):
    """Bit by bit from the polynomial, as RFC 3720 defines it."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def expected():
    import numpy as np
    i = np.arange(135)
    return {
        'conv.weight': ((i % 16).astype(np.float32) / np.float32(16) - np.float32(0.5)).reshape(5, 3, 3, 3),
        'f32': (np.arange(6).astype(np.float32) / np.float32(3)).reshape(2, 3),
        'f64': np.arange(4) / 7.0,
        'i64': (np.arange(3, dtype=np.int64) - 1).reshape(3, 1) << 40,
        'i32': ((np.arange(3, dtype=np.int32) - 1) * 1000000).reshape(3, 1).astype(np.int32),
        'u8': (np.arange(5) * 50).astype(np.uint8),
        's8': (np.arange(5) * 50 - 100).astype(np.int8),
        'scalar': np.array(0.0),
        'empty': np.zeros((0, 7), np.float32),
        'ä "quoted" \\ \n': (np.arange(5) * 50).astype(np.uint8),
    }


def it_reads_ours(tool, folder):
    import numpy as np
    from safetensors import safe_open
    from safetensors.numpy import load_file
    path = os.path.join(folder, 'ours.safetensors')
    subprocess.run([tool, 'write', path], check=True)
    tensors = load_file(path)
    for name, want in expected().items():
        got = tensors[name]
        assert got.dtype == want.dtype and got.shape == want.shape and got.tobytes() == want.tobytes(), name
    # the mask of 0.25: as many of the smallest magnitudes; bit i of byte i / 8 says whether weight i stays
    weight = tensors['conv.weight'].ravel()
    bits = np.unpackbits(tensors['nncf.Net/Conv2d[conv].mask'], bitorder='little')[:weight.size].astype(bool)
    assert 0 < (~bits).sum() < weight.size and abs(weight[~bits]).max() <= abs(weight[bits]).min()
    with safe_open(path, framework='numpy') as file:
        metadata = file.metadata()
        in_file_order = sorted(file.keys())
        assert in_file_order == sorted(tensors)
    assert metadata['note'] == 'line\nbreak, "quotes", €'
    assert metadata['nncf.format'] == '1' and metadata['nncf.step'] == '0'
    assert hashlib.sha256(metadata['nncf.config'].encode()).hexdigest() == metadata['nncf.config_sha256']
    json.loads(metadata['nncf.config'])
    # the checksums are of the tensors in the order of their data
    with open(path, 'rb') as file:
        raw = file.read()
    length = int.from_bytes(raw[:8], 'little')
    header = json.loads(raw[8:8 + length])
    del header['__metadata__']
    spans = sorted(entry['data_offsets'] for entry in header.values())
    sums = ''.join(f'{crc32c(raw[8 + length + a:8 + length + b]):08x}' for a, b in spans)
    assert sums == metadata['nncf.crc32c']
    zeroed = raw[:8 + length].replace(metadata['nncf.header_crc32c'].encode(), b'00000000', 1)
    assert f'{crc32c(zeroed):08x}' == metadata['nncf.header_crc32c']
    return len(tensors)


def we_read_its(tool, folder):
    import numpy as np
    from safetensors.numpy import save_file
    path = os.path.join(folder, 'its.safetensors')
    types = {np.float32: 'F32', np.uint8: 'U8', np.int8: 'I8', np.int32: 'I32', np.int64: 'I64', np.float64: 'F64'}
    others = (np.float16, np.int16, np.uint16, np.uint32, np.uint64, np.bool_)
    noise = np.random.default_rng(1)
    tensors = {}
    for dtype in (*types, *others):
        for shape in ((), (3,), (2, 0), (1, 3, 2), (2, 1, 1, 5), (1,) * 8):
            count = int(np.prod(shape, dtype=int))
            data = noise.integers(0, 256, count * np.dtype(dtype).itemsize, np.uint8)
            if dtype is np.bool_:
                data &= 1
            tensors[f'{np.dtype(dtype).name}{list(shape)} "ä"'] = data.view(dtype).reshape(shape)
    save_file(tensors, path, metadata={'format': 'np', 'note': 'zwei\nZeilen "€"'})
    lines = subprocess.run([tool, 'read', path, 'format'], check=True, capture_output=True).stdout.decode().splitlines()
    assert lines.pop() == 'text format=np'
    seen = {}
    for line in lines:
        kind, shape, data, name = line.split(' ', 3)
        seen[name] = (kind, shape, data[1:])
    assert sorted(seen) == sorted(tensors)
    for name, want in tensors.items():
        kind, shape, data = seen[name]
        if want.dtype.type in others:
            assert kind == 'other', name
            continue
        assert kind == types[want.dtype.type] and json.loads(shape) == list(want.shape), name
        assert data == want.tobytes().hex(), name
    return len(tensors)


def main():
    tool = sys.argv[1]
    enter(os.environ.get('NNCF_VENV', sys.argv[2]))
    with tempfile.TemporaryDirectory() as folder:
        ours, its = it_reads_ours(tool, folder), we_read_its(tool, folder)
    print(f'{ours} tensors of ours read by safetensors, {its} of its by us')


main()
