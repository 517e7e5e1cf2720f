#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What NNCF's accuracy-aware training decides: ../accuracy_aware.json.

Run with PyPI's nncf 2.7.0 and scipy: python accuracy_aware.py
NNCF's loops run with a controller and a runner that train nothing: each epoch draws its metric from a curve that falls
with the compression rate, plus noise. The file holds the metrics in their order, and for each epoch the rate and the
factor of the learning rate that NNCF trained it with; at the end, the rate and metric of the model that it returns.

Made alike: the rate at which the search begins is the level of the schedule; NNCF's magnitude sparsity answers with the
share of zeros in the whole model.
"""
import json
import os
import random

from nncf.api.compression import CompressionStage
from nncf.common.accuracy_aware_training import training_loop as loops
from nncf.common.accuracy_aware_training.runner import BaseAccuracyAwareTrainingRunner
from nncf.common.accuracy_aware_training.runner import BaseAdaptiveCompressionLevelTrainingRunner

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'accuracy_aware.json')
CHANGE, LEVELS, FLOAT_METRIC = 2, (0.2, 0.4), 80.0


class Controller:
    """Magnitude sparsity with a schedule of two levels; epoch_step() comes before each epoch, as in NNCF."""

    def __init__(self):
        self.scheduler = self
        self.begun, self.level, self.by_hand = 0, LEVELS[0], False
        self.target_level = LEVELS[1]

    def epoch_step(self):
        if not self.by_hand:
            self.level = LEVELS[self.begun >= CHANGE]
        self.begun += 1

    def disable_scheduler(self):
        self.by_hand = True

    @property
    def compression_rate(self):
        return self.level

    @compression_rate.setter
    def compression_rate(self, rate):
        self.level = rate

    @property
    def maximal_compression_rate(self):
        return 1.0

    def compression_stage(self):
        full = self.by_hand or self.level >= LEVELS[1]
        return CompressionStage.FULLY_COMPRESSED if full else CompressionStage.PARTIALLY_COMPRESSED

    def statistics(self):
        return None


def make_runner(base, world):
    """A runner over `world`: the present metric, and what was saved."""

    class Runner(base):
        def validate(self, model):
            if world.trained:
                world.metric = world.draw(world.controller.level)
                world.metrics.append(world.metric)
                world.trained = False
            self.current_val_metric_value = world.metric
            self.best_val_metric_value = max(world.metric, self.best_val_metric_value)
            return world.metric

        def reset_training(self):
            self.training_epoch_count = 0
            self.best_val_metric_value = self.current_val_metric_value = 0

        def train_epoch(self, model, controller):
            controller.scheduler.epoch_step()
            world.epochs.append([controller.level, self.base_lr_reduction_factor_during_search])
            world.trained = True
            self.training_epoch_count += 1
            self.cumulative_epoch_count += 1

        def dump_statistics(self, model, controller):
            if base is BaseAdaptiveCompressionLevelTrainingRunner:
                self.update_training_history(self.compression_rate_target, self.current_val_metric_value)
            self.dump_checkpoint(model, controller)

        def _save_checkpoint(self, model, controller, path):
            world.saved[path] = (world.controller.level, world.metric)

        def _load_checkpoint(self, model, path):
            world.controller.level, world.metric = world.saved[path]
            world.trained = False

        def _make_checkpoint_path(self, is_best, compression_rate=None):
            return f'{is_best} {compression_rate}'

        def configure_optimizers(self):
            pass

        def update_learning_rate(self):
            pass

        def initialize_training_loop_fns(self, *functions):
            self._early_stopping_fn = self._dump_checkpoint_fn = None

        def initialize_logging(self, *arguments):
            pass

        def add_tensorboard_scalar(self, *arguments):
            pass

        add_tensorboard_image = add_tensorboard_scalar

    return Runner


class World:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.knee, self.slope = self.random.uniform(0.1, 0.9), self.random.uniform(5, 60)
        self.noise, self.gain = self.random.uniform(0, 2), self.random.uniform(0, 1.5)
        self.controller = Controller()
        self.metrics, self.epochs, self.saved = [], [], {}
        self.trained, self.metric = True, None

    def draw(self, rate):
        fall = self.slope * max(0.0, rate - self.knee)
        gain = min(self.gain * len(self.epochs), 3)
        return round(FLOAT_METRIC - 2 - fall + gain + self.random.uniform(-self.noise, self.noise), 3)


def run(seed, mode, params):
    world = World(seed)
    if mode == 'early_exit':
        loop = loops.EarlyExitCompressionTrainingLoop.__new__(loops.EarlyExitCompressionTrainingLoop)
        loop.runner = make_runner(BaseAccuracyAwareTrainingRunner, world)(params, FLOAT_METRIC, False, False)
    else:
        loop = loops.AdaptiveCompressionTrainingLoop.__new__(loops.AdaptiveCompressionTrainingLoop)
        loop.adaptive_controller = world.controller
        loop.runner = make_runner(BaseAdaptiveCompressionLevelTrainingRunner, world)(
            params, FLOAT_METRIC, False, False, True, 0.0, 0.95)
        loop.runner.adaptive_controller = world.controller
    loop.compression_controller = world.controller
    loop._current_compression_rate = None
    try:
        loop.run(None, None, None)
    except TypeError:  # nothing was saved, since the best epoch was not at the final level: the last model stays
        pass
    return {'mode': mode, 'params': params, 'metrics': world.metrics, 'epochs': world.epochs,
            'result': [world.controller.level, world.metric]}


def main():
    cases = []
    for seed in range(24):
        draw = random.Random(1000 + seed)
        params = {'initial_training_phase_epochs': draw.choice([0, 2, 4]), 'patience_epochs': draw.choice([1, 2, 3]),
                  'maximal_total_epochs': draw.choice([6, 15, 40]),
                  'initial_compression_rate_step': draw.choice([0.1, 0.2]),
                  'minimal_compression_rate_step': 0.025}
        if draw.random() < 0.5:
            params['maximal_absolute_accuracy_degradation'] = draw.choice([0.5, 2, 5])
        else:
            params['maximal_relative_accuracy_degradation'] = draw.choice([1, 3])
        cases.append(run(seed, 'adaptive_compression_level', params))
    for seed in range(100, 108):
        draw = random.Random(1000 + seed)
        cases.append(run(seed, 'early_exit', {'maximal_total_epochs': draw.choice([4, 8]),
                                              'maximal_absolute_accuracy_degradation': draw.choice([0.2, 1, 2])}))
    with open(OUT, 'w', encoding='utf-8') as file:
        file.write('{"change": %d, "levels": %s, "float_metric": %r, "cases": [\n' % (
            CHANGE, json.dumps(LEVELS), FLOAT_METRIC))
        file.write(',\n'.join(json.dumps(case) for case in cases) + ']}\n')


if __name__ == '__main__':
    main()
