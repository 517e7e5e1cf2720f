# SPDX-License-Identifier: Apache-2.0
"""Layers, training, snapshots and lifetimes; what layers compute is compared with numpy and with finite differences."""
import gc
import json
import subprocess
import sys
import pathlib

import numpy as np
import pytest

import nncf_c

MAGNITUDE = {'compression': {'algorithm': 'magnitude_sparsity', 'params': {'sparsity_init': 0.5, 'sparsity_target': 0.5}}}
INT8 = {'compression': {'algorithm': 'quantization', 'initializer': {'num_init_steps': 1}}}


def random(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def linear(model, out, size, inputs=(), scope='Net/Linear[fc]', seed=0, **members):
    weight, bias = random(out, size, seed=seed), random(out, seed=seed + 1)
    return model.add('linear', scope, inputs, weight=weight, weight_grad=np.zeros_like(weight), bias=bias,
                     bias_grad=np.zeros_like(bias), **members)


def test_plain_layers_compute_what_numpy_does():
    model = nncf_c.Model()
    fc = linear(model, 4, 6, activation=nncf_c.ACTIVATION_RELU)
    weight = random(5, 1, 3, 3)
    conv = model.add('conv2d', 'Net/Conv2d[c]', weight=weight, groups=5, padding=1)  # depthwise
    x, images = random(3, 6, seed=3), random(2, 5, 4, 4, seed=4)
    assert fc.output_shape(x) == (3, 4) and conv.output_shape(images) == images.shape
    bias = random(4, seed=1)
    np.testing.assert_allclose(fc.forward(x), np.maximum(x @ fc.weight.T + bias, 0), atol=1e-6)
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = sum(padded[:, :, i:i + 4, j:j + 4] * weight[:, 0, i, j, None, None] for i in range(3) for j in range(3))
    out = np.empty_like(images)
    assert conv.forward(images, out=out) is out
    np.testing.assert_allclose(out, expected, atol=1e-5)
    assert [layer.scope for layer in model] == ['Net/Linear[fc]', 'Net/Conv2d[c]'] and model['Net/Conv2d[c]'] is conv


def test_gradients_of_a_masked_layer():
    model = nncf_c.Model()
    weight, bias = random(4, 6), random(4, seed=1)
    weight_grad, bias_grad = np.zeros_like(weight), np.zeros_like(bias)
    fc = model.add('linear', 'Net/Linear[fc]', weight=weight, weight_grad=weight_grad, bias=bias, bias_grad=bias_grad)
    ctrl = nncf_c.Ctrl(model, nncf_c.Config.parse(MAGNITUDE))
    x = random(5, 6, seed=2)

    def loss():
        return 0.5 * float((fc.forward(x).astype(np.float64) ** 2).sum())

    dx, = fc.backward(x, dy=fc.forward(x).copy(), dx=True)
    for values, grad in ((weight, weight_grad), (bias, bias_grad), (x, dx)):
        for i in np.ndindex(values.shape):
            value, h = values[i], np.float32(1 / 64)
            values[i] = value + h
            above = loss()
            values[i] = value - h
            assert (above - loss()) / (2 * float(h)) == pytest.approx(float(grad[i]), abs=2e-4)
            values[i] = value
    mask = fc.mask()
    assert mask.sum() == 12 and np.array_equal(fc.compressed_weight(), np.where(mask, weight, 0))
    assert np.abs(weight[mask]).min() >= np.abs(weight[~mask]).max()
    assert not weight_grad[~mask].any() and ctrl.statistics()['sparsity'] == 0.5
    assert ctrl.layer_statistics()[0]['shape'] == (4, 6)


def test_codes_have_the_values_of_floats():
    model = nncf_c.Model()
    first = linear(model, 8, 6, activation=nncf_c.ACTIVATION_RELU)
    second = linear(model, 3, 8, [first], 'Net/Linear[out]', seed=5)
    ctrl = nncf_c.Ctrl(model, nncf_c.Config.parse(INT8))
    x = random(4, 6, seed=7)
    ctrl.initialize(lambda: second.forward(first.forward(x)))
    assert first.output_dtype == np.uint8 and second.output_dtype == np.float32
    codes, floats = first.forward(x, codes=True), first.forward(x)
    assert codes.array.dtype == np.uint8 and np.array_equal(codes.floats(), floats) and len(np.unique(codes.array)) > 5
    assert np.array_equal(second.forward(codes), second.forward(floats))
    # 8-bit weights: 255 steps from -scale to scale
    weight = first.compressed_weight()
    steps = weight / (np.abs(weight).max() / 127)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)
    np.testing.assert_allclose(weight, first.weight, atol=1.01 * np.abs(first.weight).max() / 127)
    entries = nncf_c.plan(model, nncf_c.Config.parse(INT8))['entries']
    assert {entry['layer'] for entry in entries} == {'Net/Linear[fc]', 'Net/Linear[out]'}


def test_sums_read_two_inputs():
    model = nncf_c.Model()
    add = model.add('sum', 'Net/__add___0')
    a, b = random(2, 3), random(2, 3, seed=1)
    assert np.array_equal(add.forward(a, b), a + b)
    da, db = add.backward(a, b, dy=np.ones_like(a), dx=True)
    assert (da == 1).all() and (db == 1).all()
    with pytest.raises(nncf_c.Error, match='Net/__add___0') as refused:
        add.forward(a, random(2, 4))
    assert refused.value.status == nncf_c.E_SHAPE and refused.value.where == 'Net/__add___0'
    with pytest.raises(ValueError, match='1 arrays'):
        add.backward(a, b, dy=np.ones_like(a), dx=[da])


def test_batch_norm_is_a_dictionary():
    model = nncf_c.Model()
    mean, var = np.zeros(4, np.float32), np.ones(4, np.float32)
    fc = linear(model, 4, 6, batch_norm={'running_mean': mean, 'running_var': var, 'eps': 0.0, 'momentum': 1.0})
    x = random(16, 6, seed=9)
    plain = x.astype(np.float64) @ fc.weight.T + random(4, seed=1)
    np.testing.assert_allclose(fc.forward(x), (plain - plain.mean(0)) / plain.std(0), atol=1e-4)
    np.testing.assert_allclose(mean, plain.mean(0), atol=1e-5)
    np.testing.assert_allclose(var, plain.var(0, ddof=1), rtol=1e-4)
    with pytest.raises(ValueError, match='running_mean'):
        linear(model, 4, 6, scope='b', batch_norm={'running_mean': mean[:3], 'running_var': var})


def test_arrays_are_used_as_they_are_or_refused():
    model = nncf_c.Model()
    weight = random(4, 6)
    for wrong, kind in ((weight.astype(np.float64), TypeError), (weight.tolist(), TypeError), (weight[:, ::2], ValueError),
                        (weight[0], ValueError)):
        with pytest.raises(kind):
            model.add('linear', 'fc', weight=wrong)
    frozen = weight.copy()
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match='read-only|writable|not writable'):
        model.add('linear', 'fc', weight=frozen)
    for members in ({'weight_grad': weight[:2]}, {'bias': np.zeros(5, np.float32)}, {'in_features': 7}):
        with pytest.raises(ValueError):
            model.add('linear', 'fc', weight=weight, **members)
    with pytest.raises(TypeError, match='it has scope'):
        model.add('linear', 'fc', weight=weight, wieght_grad=weight)
    with pytest.raises(ValueError, match='conv2d'):
        model.add('conv7d', 'fc', weight=weight)
    fc = model.add('linear', 'fc', weight=weight, in_features=6)
    with pytest.raises(TypeError, match='int16'):
        fc.forward(np.zeros((2, 6), np.int16))
    with pytest.raises(ValueError, match='contiguous'):
        fc.forward(random(6, 2).T)
    with pytest.raises(nncf_c.Error):
        fc.forward(random(2, 6), out=np.empty((2, 3), np.float32))
    assert len(model) == 1


def test_errors_have_the_place():
    with pytest.raises(nncf_c.Error) as refused:
        nncf_c.Config.parse('{\n "compression": { "algorithm": "quantisation" } }', name='mine.json')
    error = refused.value
    assert (error.name, error.line, error.where) == ('NNCF_E_CONFIG', 2, 'compression.algorithm')
    assert str(error).startswith('mine.json:2:')
    with pytest.raises(nncf_c.Error) as refused:
        nncf_c.Config.load('/no/such/file')
    assert refused.value.status == nncf_c.E_IO and refused.value.os_errno == 2
    config = nncf_c.Config.parse(INT8)
    assert json.loads(json.dumps(config.dump()))['compression'] and 'num_init_steps' in config.explain()
    assert '2.17' in config.migrate()
    config.close()
    with pytest.raises(ValueError, match='closed'):
        config.dump()


def test_a_log_receives_refusals_and_its_exceptions_stay_in_python(monkeypatch):
    lines = []
    context = nncf_c.Context(threads=1, log=lambda level, line: lines.append((level, line)))
    with pytest.raises(nncf_c.Error):
        nncf_c.Config.parse('{', context)
    assert lines[0][0] == nncf_c.LOG_ERROR and '1 threads' not in context.description and '1 thread' in context.description

    def fails(level, line):
        raise RuntimeError('in the callback')
    seen = []
    monkeypatch.setattr(sys, 'unraisablehook', lambda args: seen.append(str(args.exc_value)))
    with pytest.raises(nncf_c.Error):
        nncf_c.Config.parse('{', nncf_c.Context(log=fails))
    assert seen == ['in the callback']


def test_what_is_needed_stays_alive():
    def build():
        context = nncf_c.Context(threads=1)
        model = nncf_c.Model(context)
        layer = model.add('linear', 'fc', weight=random(4, 6), weight_grad=np.zeros((4, 6), np.float32))
        ctrl = nncf_c.Ctrl(model, nncf_c.Config.parse(INT8, context))
        ctrl.initialize(lambda: layer.forward(random(2, 6)))
        data = ctrl.parameters()[0].data
        ctrl.close()
        model.close()
        context.close()
        return layer, data
    layer, data = build()
    gc.collect()
    [np.empty(1000) for _ in range(100)]
    assert layer.forward(random(2, 6)).shape == (2, 4)
    value = data[0]
    data[0] = 2 * value
    assert data[0] == 2 * value and np.isfinite(layer.forward(random(2, 6))).all()


def test_snapshots(tmp_path):
    def build():
        model = nncf_c.Model()
        layer = linear(model, 4, 6)
        return layer, nncf_c.Ctrl(model, nncf_c.Config.parse(INT8))
    layer, ctrl = build()
    ctrl.initialize(lambda: layer.forward(random(8, 6)))
    ctrl.step()
    path = tmp_path / 'a.safetensors'
    ctrl.save(path, {'weight': layer.weight})
    other, ctrl2 = build()
    other.weight[:] = 0
    snapshot = nncf_c.Checkpoint(path)
    assert 'weight' in snapshot.names()
    snapshot.read({'weight': other.weight})
    assert snapshot.restore(ctrl2)['quantizers_taken'] == 2
    x = random(3, 6, seed=11)
    assert np.array_equal(layer.forward(x), other.forward(x)) and ctrl2.statistics()['step'] == 1
    assert [p.name for p in ctrl.parameters()] == [p.name for p in ctrl2.parameters()]
    assert ctrl.strip(tmp_path / 'b.safetensors')['bytes_file'] > 0
    with pytest.raises(nncf_c.Error):
        snapshot.read({'weight': np.zeros((4, 7), np.float32)})


def test_the_example_trains():
    example = pathlib.Path(__file__).resolve().parents[1] / 'example.py'
    run = subprocess.run([sys.executable, example], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert 'sparsity 0.5' in run.stdout
