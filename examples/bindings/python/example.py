#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains two linear layers with numpy alone: half of the weights removed, all of them in 8 bits while they train."""
import sys

import numpy as np

import nncf_c

IN, HIDDEN, CLASSES, BATCH = 64, 32, 4, 32
CONFIG = {'compression': [
    {'algorithm': 'rb_sparsity',
     'params': {'sparsity_init': 0.01, 'sparsity_target': 0.5, 'sparsity_steps': 4, 'sparsity_training_steps': 8}},
    {'algorithm': 'quantization', 'initializer': {'num_init_steps': 1}}]}

rng = np.random.default_rng(1)
labels = np.arange(BATCH) % CLASSES


def next_batch() -> np.ndarray:
    """Class c: noise around +0.5 in its own quarter of the inputs."""
    x = rng.uniform(-1, 1, (BATCH, IN)).astype(np.float32)
    x[np.arange(IN) // (IN // CLASSES) == labels[:, None]] += 0.5
    return x


def cross_entropy(y: np.ndarray) -> tuple[float, np.ndarray]:
    """And its gradient."""
    p = np.exp(y.astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(BATCH), labels]).mean()
    p[np.arange(BATCH), labels] -= 1
    return loss, (p / BATCH).astype(np.float32)


def main() -> int:
    w1 = rng.uniform(-0.125, 0.125, (HIDDEN, IN)).astype(np.float32)
    w2 = rng.uniform(-0.175, 0.175, (CLASSES, HIDDEN)).astype(np.float32)
    b1, b2 = np.zeros(HIDDEN, np.float32), np.zeros(CLASSES, np.float32)
    mine = [(array, np.zeros_like(array)) for array in (w1, b1, w2, b2)]
    with nncf_c.Context(threads=2, log=lambda level, line: print(line)) as context, \
            nncf_c.Config.parse(CONFIG, context) as config, nncf_c.Model(context) as model:
        fc1 = model.add('linear', 'Net/Linear[fc1]', weight=w1, weight_grad=mine[0][1], bias=b1, bias_grad=mine[1][1],
                        activation=nncf_c.ACTIVATION_RELU)
        fc2 = model.add('linear', 'Net/Linear[fc2]', [fc1], weight=w2, weight_grad=mine[2][1], bias=b2, bias_grad=mine[3][1])
        with nncf_c.Ctrl(model, config) as ctrl:
            ctrl.initialize(lambda: fc2.forward(fc1.forward(next_batch())))
            parameters = [(p, 40.0 if p.kind == nncf_c.PARAMETER_MASK_LOGIT else 0.01) for p in ctrl.parameters()]
            for epoch in range(8):
                for _ in range(60):
                    x = next_batch()
                    ctrl.zero_grad()
                    hidden = fc1.forward(x, codes=True)
                    loss, dy = cross_entropy(fc2.forward(hidden))
                    ctrl.loss_backward()
                    dhidden, = fc2.backward(hidden, dy=dy, dx=True)
                    fc1.backward(x, dy=dhidden)
                    for array, grad in mine:
                        array -= np.float32(0.1) * grad
                        grad[:] = 0
                    for p, rate in parameters:
                        p.data -= np.float32(rate) * p.grad
                    ctrl.step()
                s = ctrl.statistics()
                print(f'epoch {epoch}  loss {loss:.4f}  sparsity {s["sparsity"]:.3f} of {s["sparsity_target"]:.3f}')
                ctrl.epoch_step()
                parameters = [(p, rate) for (p, rate) in zip(ctrl.parameters(), [rate for _, rate in parameters]) if not p.frozen]
            print(ctrl.report())
            return 0 if loss < 0.2 and abs(ctrl.statistics()['sparsity'] - 0.5) < 0.1 else 1


if __name__ == '__main__':
    sys.exit(main())
