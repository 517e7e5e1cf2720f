# SPDX-License-Identifier: Apache-2.0
"""Optimizers, accuracy-aware training, distillation, bits by sensitivity, stages, the removal of filters, ranks, replicas."""
import json
import os
import pathlib
import threading
import weakref

import numpy as np
import pytest

import nncf_c

ROOT = pathlib.Path(os.environ.get('NNCF_SOURCE') or pathlib.Path(__file__).resolve().parents[4])
SPARSE = {'compression': {'algorithm': 'magnitude_sparsity', 'params': {'sparsity_init': 0.5, 'sparsity_target': 0.5}}}


def random(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


class Net:
    """Two linear layers with a relu between them; the loss is half the sum of squares."""

    def __init__(self, config=None, context=None, seed=0):
        self.model = nncf_c.Model(context)
        self.w1, self.w2 = random(8, 6, seed=seed), random(3, 8, seed=seed + 1)
        self.dw1, self.dw2 = np.zeros_like(self.w1), np.zeros_like(self.w2)
        first = self.model.add('linear', 'Net/Linear[fc1]', weight=self.w1, weight_grad=self.dw1, activation=nncf_c.ACTIVATION_RELU)
        self.model.add('linear', 'Net/Linear[fc2]', [first], weight=self.w2, weight_grad=self.dw2)
        self.ctrl = nncf_c.Ctrl(self.model, nncf_c.Config.parse(config)) if config else None


def run(model, x):
    first, second = model
    hidden = first.forward(x)
    y = second.forward(hidden)
    dhidden, = second.backward(hidden, dy=y.copy(), dx=True)
    first.backward(x, dy=dhidden)


@pytest.mark.parametrize('members', [{'optimizer': 'OPTIMIZER_ADAM'}, {'momentum': 0.9, 'nesterov': 1}, {}])
def test_optimizers_follow_their_formulas(members):
    members = dict(members)
    if 'optimizer' in members:
        members['optimizer'] = getattr(nncf_c, members['optimizer'])
    data, grad = random(40000), random(40000, seed=1)
    expected = data.astype(np.float64)
    optimizer = nncf_c.Optimizer([(data, grad)], lr=0.01, weight_decay=0.1, **members)
    first = second = np.zeros(40000)
    for step in range(1, 4):
        grad[:] = random(40000, seed=step)
        g = grad + 0.1 * expected
        optimizer.step(clear=step != 2)
        assert grad.any() == (step == 2)
        if 'optimizer' in members:
            first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g * g
            expected -= 0.01 / (1 - 0.9 ** step) * first / (np.sqrt(second) / np.sqrt(1 - 0.999 ** step) + 1e-8)
        elif members:
            first = 0.9 * first + g
            expected -= 0.01 * (g + 0.9 * first)
        else:
            expected -= 0.01 * g
        np.testing.assert_allclose(data, expected, atol=2e-6)
    assert optimizer.steps == 3 and (optimizer.first[0] is None) == (not members)


def test_optimizers_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match='5 elements'):
        nncf_c.Optimizer([(random(5), random(4))])
    with pytest.raises(TypeError, match='it has optimizer'):
        nncf_c.Optimizer([], learning_rate=1)
    with pytest.raises(nncf_c.Error, match='momentum is 2'):
        nncf_c.Optimizer([(random(4), random(4))], momentum=2.0).step()


def test_accuracy_aware_training_decides_as_nncf_did():
    golden = json.loads((ROOT / 'tests' / 'golden' / 'accuracy_aware.json').read_text(encoding='utf-8'))
    case = golden['cases'][0]
    config = nncf_c.Config.parse({
        'nncf_dialect': '2.7', 'accuracy_aware_training': {'mode': case['mode'], 'params': case['params']},
        'compression': [{'algorithm': 'magnitude_sparsity', 'sparsity_init': 0.1, 'params': {
            'schedule': 'multistep', 'multistep_steps': [golden['change']], 'multistep_sparsity_levels': golden['levels']}}]})
    net = Net()
    ctrl = nncf_c.Ctrl(net.model, config)
    ctrl.set_order(nncf_c.ORDER_BEFORE)
    search = nncf_c.AccuracyAware(ctrl, config, golden['float_metric'])
    for i, metric in enumerate(case['metrics']):
        decision = search.report(metric)
        if decision['set_rate']:
            ctrl.set_compression_rate(decision['compression_rate'])
        assert decision['stop'] == (i + 1 == len(case['metrics']))
        if decision['stop']:
            break
        search = nncf_c.AccuracyAware(ctrl, config, golden['float_metric'], search.state())  # as after a resume
        ctrl.epoch_step()
        assert ctrl.statistics()['sparsity_target'] == pytest.approx(case['epochs'][i][0], abs=1e-12)
    assert decision['compression_rate'] == pytest.approx(case['result'][0]) and decision['criterion_met'] == 1
    with pytest.raises(nncf_c.Error) as refused:
        nncf_c.AccuracyAware(ctrl, nncf_c.Config.parse(SPARSE), 80.0)
    assert refused.value.status == nncf_c.E_CONFIG


@pytest.mark.parametrize('kind', ['mse', 'softmax'])
def test_distillation_has_the_loss_and_its_gradient(kind):
    temperature = {'temperature': 2} if kind == 'softmax' else {}
    net = Net({'compression': [{'algorithm': 'knowledge_distillation', 'type': kind, 'scale': 2, **temperature}]})
    s, t = random(4, 5), random(4, 5, seed=1)

    def loss(s):
        s, u = s.astype(np.float64), t.astype(np.float64)
        if kind == 'mse':
            return 2 * ((s - u) ** 2).mean()
        logs = s / 2 - np.log(np.exp(s / 2).sum(1, keepdims=True))
        p = np.exp(u / 2) / np.exp(u / 2).sum(1, keepdims=True)
        return 2 * 4 / 4 * -(p * logs).sum()
    d = np.ones_like(s)
    assert net.ctrl.distillation_backward(s, t, d) == pytest.approx(loss(s), rel=1e-5)
    assert net.ctrl.distillation_backward(s, t) == pytest.approx(loss(s), rel=1e-5)
    for i in np.ndindex(s.shape):
        h = np.zeros_like(s)
        h[i] = 1 / 64
        assert d[i] - 1 == pytest.approx((loss(s + h) - loss(s - h)) * 32, abs=1e-4)
    with pytest.raises(nncf_c.Error):
        net.ctrl.distillation_backward(s, t[:2], d)


def test_bits_are_chosen_by_sensitivity_and_cost():
    net = Net({'nncf_dialect': '1.5', 'quantizer_setup_type': 'pattern_based', 'compression': {'algorithm': 'quantization', 'initializer': {
        'precision': {'type': 'hawq', 'bits': [4, 8], 'iter_number': 2, 'num_data_points': 4, 'tolerance': 0, 'compression_ratio': 1.2,
                      'criterion': 'host'}}}})
    before, asked, passes, x = net.w1.copy(), set(), [], random(2, 6)

    def cost(layer, weight_bits, activation_bits):
        asked.add((layer.scope, weight_bits))
        return float(weight_bits)
    with pytest.raises(nncf_c.Error, match='nncf_compression_ctrl_set_precision_cost'):
        net.ctrl.choose_precision(lambda fresh: run(net.model, x))
    net.ctrl.set_precision_cost(cost)
    net.ctrl.choose_precision(lambda fresh: (passes.append(fresh), run(net.model, x)))
    assert passes[0] is True and not all(passes) and np.array_equal(net.w1, before)
    assert {scope for scope, _ in asked} == {'Net/Linear[fc1]', 'Net/Linear[fc2]'}
    assert net.ctrl.precision()['bitwidth_per_scope']
    net.ctrl.stop_precision()


def test_stages_begin_in_their_epochs():
    net = Net({'nncf_dialect': '1.4', 'compression': {'algorithm': 'quantization', 'initializer': {'range': {'num_init_steps': 1}},
                                                      'params': {'activations_quant_start_epoch': 1, 'weights_quant_start_epoch': 2}}})
    x = random(2, 6)
    assert net.ctrl.stage()['staged'] and not net.ctrl.stage()['activations']
    for epoch in (1, 2):
        run(net.model, x)
        net.ctrl.step()
        net.ctrl.epoch_step()
        stage = net.ctrl.stage()
        assert stage['activations'] == 1 and stage['weights'] == (epoch == 2) and stage['initialization_needed'] == 1
        net.ctrl.initialize(lambda: net.model['Net/Linear[fc2]'].forward(net.model['Net/Linear[fc1]'].forward(x)))
    net.ctrl.update(range_lr=0.01)
    with pytest.raises(TypeError, match='range_lr'):
        net.ctrl.update(lr=1)
    assert isinstance(net.ctrl.warnings(), list)


def pruned():
    model = nncf_c.Model()
    arrays = {}
    layers = []
    for name, (out, in_) in {'a': (16, 3), 'b': (4, 16)}.items():
        weight = random(out, in_, 3, 3, seed=out)
        norm = {'running_mean': random(out), 'running_var': random(out) + 2, 'weight': random(out) + 2, 'bias': np.zeros(out, np.float32),
                'weight_grad': np.zeros(out, np.float32), 'bias_grad': np.zeros(out, np.float32)} if name == 'a' else None
        arrays[name] = weight
        layers.append(model.add('conv2d', f'Net/Conv2d[{name}]', layers[-1:], weight=weight, weight_grad=np.zeros_like(weight), padding=1,
                                activation=nncf_c.ACTIVATION_RELU, batch_norm=norm))
    ctrl = nncf_c.Ctrl(model, nncf_c.Config.parse({
        'nncf_dialect': '2.4', 'input_info': {'sample_size': [1, 3, 5, 5]}, 'compression': [{
            'algorithm': 'filter_pruning', 'params': {'schedule': 'baseline', 'pruning_target': 0.5, 'prune_first_conv': True,
                                                      'prune_batch_norms': True}}]}))
    return model, layers, ctrl, arrays


def test_pruned_filters_are_removed_and_arrays_replaced():
    model, (a, b), ctrl, arrays = pruned()
    model.eval()
    x = random(1, 3, 5, 5, seed=9)
    masked = b.forward(a.forward(x))
    kept_filters = a.mask().reshape(16, -1).any(1)
    old = weakref.ref(arrays['a'])
    moved = {(m.layer.scope, m.kind): m for m in ctrl.shrink()}
    assert {kind for _, kind in moved} >= {nncf_c.ARRAY_WEIGHT, nncf_c.ARRAY_NORM_WEIGHT, nncf_c.ARRAY_RUNNING_MEAN}
    first, second = moved['Net/Conv2d[a]', nncf_c.ARRAY_WEIGHT], moved['Net/Conv2d[b]', nncf_c.ARRAY_WEIGHT]
    assert first.old is arrays['a'] and first.data is a.weight and a.weight.shape == (8, 3, 3, 3) and b.weight.shape == (4, 8, 3, 3)
    assert np.array_equal(first.kept[0], np.flatnonzero(kept_filters)) and np.array_equal(second.kept[1], first.kept[0])
    assert np.array_equal(first.gather(arrays['a']), arrays['a'][kept_filters]) and np.array_equal(second.gather(arrays['b']), b.weight)
    assert first.grad.shape == first.data.shape and moved['Net/Conv2d[a]', nncf_c.ARRAY_RUNNING_MEAN].grad is None
    hidden = a.forward(x)
    assert hidden.shape == (1, 8, 5, 5)
    np.testing.assert_allclose(b.forward(hidden), masked, atol=1e-5)
    model.train()
    hidden = a.forward(x)
    b.backward(hidden, dy=b.forward(hidden), dx=True)
    assert second.grad.any()
    with pytest.raises(nncf_c.Error) as refused:
        ctrl.shrink()
    assert refused.value.status == nncf_c.E_STATE
    del moved, first, second, arrays
    assert old() is None  # nothing keeps the large arrays


def test_a_snapshot_of_the_small_model_says_what_was_removed(tmp_path):
    model, (a, b), ctrl, _ = pruned()
    ctrl.shrink()
    ctrl.save(tmp_path / 'small.safetensors', {'a': a.weight, 'b': b.weight})
    whole, (c, d), other, _ = pruned()
    snapshot = nncf_c.Checkpoint(tmp_path / 'small.safetensors')
    other.shrink(snapshot.metadata('nncf.removed'))
    snapshot.read({'a': c.weight, 'b': d.weight})
    snapshot.restore(other)
    x = random(1, 3, 5, 5, seed=9)
    assert np.array_equal(b.forward(a.forward(x)), d.forward(c.forward(x))) and snapshot.metadata('no such text') is None
    with pytest.raises(nncf_c.Error) as refused:
        pruned()[2].shrink('no list')
    assert refused.value.status == nncf_c.E_FORMAT


def test_ranks_share_their_statistics():
    nets = [Net(SPARSE, nncf_c.Context(threads=1)) for _ in range(2)]
    barrier, sent, sums, found = threading.Barrier(2, timeout=60), [None, None], [None, None], [None, None]
    batches = random(4, 6, seed=3), random(4, 6, seed=4)

    def reducer(rank):
        def all_reduce(values, reduction):
            sent[rank] = values.copy()
            barrier.wait()
            result = (np.add, np.minimum, np.maximum)[reduction](*sent)
            barrier.wait()
            values[:] = result
        return all_reduce

    def one(rank):
        net = nets[rank]
        net.model.set_ranks(rank, 2, reducer(rank))
        net.model.check_ranks()
        net.model.average_statistics()
        net.model.set_first_row(4 * rank)
        run(net.model, batches[rank])
        mine = net.model.pack_gradients()
        reducer(rank)(mine, nncf_c.REDUCE_SUM)
        sums[rank] = mine
        net.model.unpack_gradients(mine, 0.5)
        net.w2[0, 0] += rank
        try:
            net.model.check_ranks()
        except nncf_c.Error as error:
            found[rank] = error.status, error.where
    other = threading.Thread(target=one, args=(1,))
    other.start()
    one(0)
    other.join()
    assert found == [(nncf_c.E_STATE, 'Net/Linear[fc2]')] * 2
    assert [(g.name, g.kind, g.count) for g in nets[0].model.gradients()] == [
        ('Net/Linear[fc2]', nncf_c.GRADIENT_OF_WEIGHT, 24), ('Net/Linear[fc1]', nncf_c.GRADIENT_OF_WEIGHT, 48)]
    assert np.array_equal(nets[0].dw1, nets[1].dw1) and np.array_equal(nets[0].dw1.ravel(), sums[0][24:] / 2)
    whole = Net(SPARSE)
    run(whole.model, np.concatenate(batches))
    np.testing.assert_allclose(2 * nets[0].dw1, whole.dw1, atol=1e-5)
    with pytest.raises(ValueError, match='5 values for 72'):
        whole.model.unpack_gradients(random(5))

    def breaks(values, reduction):
        raise OSError('the cable is out')
    nets[0].model.set_ranks(0, 2, breaks)
    with pytest.raises(nncf_c.Error) as refused:
        nets[0].model.check_ranks()
    assert refused.value.status == nncf_c.E_CALLBACK and 'cable' in str(nets[0].model.all_reduce_failures[0])
    nets[0].model.set_ranks(0, 1, None)
    nets[0].model.check_ranks()


def test_replicas_work_on_parts_of_a_batch():
    net = Net(SPARSE)
    x = random(8, 6, seed=5)
    run(net.model, x)
    whole = net.dw1.copy()
    net.dw1[:] = 0
    replica = net.model.replica(net.ctrl)
    net.model.begin_replicas()
    other = threading.Thread(target=run, args=(replica, x[4:]))
    other.start()
    run(net.model, x[:4])
    other.join()
    net.model.end_replicas()
    np.testing.assert_allclose(net.dw1, whole, atol=1e-5)
    assert replica['Net/Linear[fc1]'].weight is net.w1
    with pytest.raises(nncf_c.Error):
        net.model.end_replicas()
    net.ctrl.close()
    net.model.close()
    assert replica['Net/Linear[fc2]'].forward(random(2, 8)).shape == (2, 3)  # what it needs is still there
