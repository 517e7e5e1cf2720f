#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does an engine compute what training computed? check_onnx.py [OPTIONS] FILE.onnx...

Runs the golden input that a libnncf export carries through ONNX Runtime and OpenVINO, whichever is installed, and
compares with the golden output. Needs Python 3.8 with numpy, and onnxruntime or openvino. A file passes when the
largest difference of any output is at most --tolerance times the largest golden output, and the largest class of an
image (or pixel, or character: --axis) differs in at most --flips of all. Exit: 0 all passed, 1 some did not, 2 nothing
could be compared.
"""
import argparse
import base64
import gzip
import sys

try:
    import numpy as np
except ImportError:
    sys.exit('check_onnx.py: needs numpy, and onnxruntime or openvino: '
             'python3 -m venv check && check/bin/pip install numpy onnxruntime')

BATCH = 100


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        shift += 7
        at += 1
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of a protobuf message: enough of the format to read the metadata without the onnx package."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            length, at = varint(data, at)
            value = data[at:at + length]
            at += length
        else:
            size = 8 if key & 7 == 1 else 4
            value = data[at:at + size]
            at += size
        yield key >> 3, value


def metadata(path):
    with open(path, 'rb') as file:
        data = memoryview(file.read())
    pairs = {}
    for number, value in fields(data):
        if number == 14:  # ModelProto.metadata_props
            entry = dict(fields(value))
            pairs[bytes(entry[1]).decode()] = bytes(entry.get(2, b'')).decode()
    return pairs


def golden(pairs, which):
    shape = [int(n) for n in pairs[f'nncf.golden.{which}.shape'].split(',')]
    return np.frombuffer(base64.b64decode(pairs[f'nncf.golden.{which}']), '<f4').reshape(shape)


def run_onnxruntime(path, x, optimize):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = (ort.GraphOptimizationLevel.ORT_ENABLE_ALL if optimize
                                        else ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    session = ort.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: x[i:i + BATCH]})[0] for i in range(0, len(x), BATCH)])


def run_openvino(path, x, optimize):
    import openvino as ov
    core = ov.Core()
    settings = {'INFERENCE_PRECISION_HINT': 'f32'}
    if not optimize:
        settings['LP_TRANSFORMS_MODE'] = 'NO'
    compiled = core.compile_model(core.read_model(path), 'CPU', settings)
    return np.concatenate([compiled(x[i:i + BATCH])[0] for i in range(0, len(x), BATCH)])


ENGINES = {'onnxruntime': run_onnxruntime, 'openvino': run_openvino}


def labels_of(path):
    with gzip.open(path, 'rb') as file:
        return np.frombuffer(file.read(), np.uint8, offset=8)


def check(path, engine, optimize, options):
    """True, False, or None: not run."""
    pairs = metadata(path)
    if 'nncf.golden.input' not in pairs:
        print(f'{path}: carries no golden input')
        return None
    x, y = golden(pairs, 'input'), golden(pairs, 'output')
    what = f'{path}: {engine}{"" if optimize else ", not optimized"}'
    if engine == 'onnxruntime' and pairs.get('nncf.format') == 'fakequantize':
        print(f'{what}: skipped, the operator FakeQuantize is OpenVINO\'s')
        return None
    try:
        got = ENGINES[engine](path, x, optimize).reshape(y.shape)
    except ImportError:
        print(f'{what}: skipped, not installed')
        return None
    except Exception as error:  # whatever an engine says of a model that it cannot run
        print(f'{what}: FAILED: {error}')
        return False
    difference = float(np.abs(got - y).max())
    relative = difference / max(float(np.abs(y).max()), 1e-30)
    flips = float(np.mean(got.argmax(options.axis) != y.argmax(options.axis)))
    passed = bool(relative <= options.tolerance and flips <= options.flips)
    text = f'{len(x)} images, largest difference {difference:.3g} ({relative:.2e} of the largest output), ' \
           f'mean {float(np.abs(got - y).mean()):.2e}, other class {flips:.2%}'
    if options.labels:
        labels = labels_of(options.labels)[:len(x)]
        text += f', top-1 {np.mean(got.argmax(1) == labels):.2%}, ours {np.mean(y.argmax(1) == labels):.2%}'
    print(f'{what}: {text}: {"ok" if passed else "FAILED"}')
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('files', nargs='+', metavar='FILE.onnx')
    parser.add_argument('--engine', choices=[*ENGINES, 'all'], default='all')
    parser.add_argument('--optimize', choices=['yes', 'no', 'both'], default='yes',
                        help="with the engine's graph optimizations (default), without, or both")
    parser.add_argument('--tolerance', type=float, default=0.05)
    parser.add_argument('--flips', type=float, default=0.01)
    parser.add_argument('--axis', type=int, default=1, help='the dimension of classes; -1: the last one (default 1)')
    parser.add_argument('--labels', help='IDX file (gz) of the images\' classes: prints top-1 too')
    options = parser.parse_args()
    engines = list(ENGINES) if options.engine == 'all' else [options.engine]
    optimize = {'yes': [True], 'no': [False], 'both': [False, True]}[options.optimize]
    results = [check(path, engine, o, options) for path in options.files for engine in engines for o in optimize]
    if all(result is None for result in results):
        return 2
    return 1 if False in results else 0


if __name__ == '__main__':
    sys.exit(main())
