#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `nncf-bench step` and `nncf-bench eval` measure, in PyTorch or in NNCF on PyTorch: a line of JSON with the same keys.

It runs with Debian's PyTorch 1.13 and NNCF 2.4.0, and with PyTorch 2.x and NNCF 3.x of PyPI: setup_peers.sh makes
an environment for each. Run it through run.sh, which preloads tcmalloc: without it PyTorch is slower here.
"""
import argparse
import json
import os
import platform
import resource
import statistics
import sys
import time

import torch
import torchvision

PARTS = ('forward', 'loss', 'backward', 'update')


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument('--model', default='mobilenetv2', choices=('mobilenetv2', 'resnet18', 'resnet50'))
    parser.add_argument('--compression', default='none', choices=('none', 'int8', 'rb', 'rb_int8', 'magnitude_int8'),
                        help='with NNCF; rb_int8 is what examples/configs/mobilenetv2_imagenet_rb_int8.json asks for')
    parser.add_argument('--mode', default='step', choices=('step', 'eval'))
    parser.add_argument('--layout', default='nchw', choices=('nchw', 'channels_last'))
    parser.add_argument('--compile', action='store_true', help='torch.compile, which PyTorch 2.x has; NNCF does without')
    parser.add_argument('--fused', action='store_true', help="Adam's fused kernel, which PyTorch 2.x has for CPUs")
    parser.add_argument('--optimizer', default='adam', choices=('adam', 'sgd'))
    for name, default in (('batch', 16), ('image', 224), ('threads', 2), ('runs', 7), ('warmup', 2)):
        parser.add_argument('--' + name, type=int, default=default)
    return parser.parse_args()


def nncf2_config(compression, shape):
    """The config in the dialect of NNCF 2.x. TRIAL: no device's rules, so weights have one scale, as in NNCF 1.x."""
    algorithms = []
    if compression.startswith('rb'):
        algorithms.append({'algorithm': 'rb_sparsity', 'sparsity_init': 0.01,
                           'params': {'schedule': 'exponential', 'sparsity_target': 0.52, 'sparsity_target_epoch': 5,
                                      'sparsity_freeze_epoch': 10},
                           'ignored_scopes': [r'{re}.*Sequential\[features\]/\w+\[0\]/NNCFConv2d\[0\].*']})
    if compression.startswith('magnitude'):
        algorithms.append({'algorithm': 'magnitude_sparsity', 'sparsity_init': 0.5,
                           'params': {'schedule': 'multistep', 'multistep_steps': [5], 'multistep_sparsity_levels': [0.5, 0.6]}})
    if compression.endswith('int8'):
        algorithms.append({'algorithm': 'quantization', 'initializer': {
            'range': {'num_init_samples': shape[0], 'type': 'min_max'},
            'batchnorm_adaptation': {'num_bn_adaptation_samples': 0}}})
    return {'input_info': {'sample_size': list(shape)}, 'target_device': 'TRIAL', 'compression': algorithms}


class Compression:
    """A compressed model, the loss that compression adds, and what it does after a step."""

    def __init__(self, model, loss=None, step=None):
        self.model, self.loss, self.step = model, loss or (lambda: 0.0), step or (lambda: None)


def compress2(model, compression, images):
    """By NNCF 2.x: a config and a controller."""
    from nncf import NNCFConfig
    from nncf.torch import create_compressed_model, register_default_init_args
    config = NNCFConfig.from_dict(nncf2_config(compression, images.shape))
    data = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images, torch.zeros(len(images), dtype=torch.long)), batch_size=len(images))
    config = register_default_init_args(config, data)
    controller, model = create_compressed_model(model, config, dump_graphs=False)
    return Compression(model, controller.loss, controller.scheduler.step)


def compress3(model, compression, images):
    """By NNCF 3.x, which has no configs: RB sparsity is a mode of nncf.prune(), and its loss an object of its own."""
    import nncf
    loss = None
    if compression.startswith('magnitude'):
        model = nncf.prune(model, nncf.PruneMode.UNSTRUCTURED_MAGNITUDE_LOCAL, ratio=0.5, examples_inputs=images)
    if compression.startswith('rb'):
        from nncf.torch.function_hook.pruning.rb.losses import RBLoss
        model = nncf.prune(model, nncf.PruneMode.UNSTRUCTURED_REGULARIZATION_BASED, examples_inputs=images)
        loss = RBLoss(model, target_ratio=0.52)
    if compression.endswith('int8'):
        model = nncf.quantize(model, nncf.Dataset([images]), subset_size=1)
    return Compression(model, loss)


def compress(model, compression, images):
    import nncf
    by = compress2 if int(nncf.__version__.split('.', maxsplit=1)[0]) < 3 else compress3
    return by(model, compression, images)


def work_so_far():
    """Seconds: the clock, all processors' work, this process's."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    with open('/proc/stat', encoding='ascii') as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    busy = sum(ticks) - ticks[3] - ticks[4]
    return time.monotonic(), busy / os.sysconf('SC_CLK_TCK'), own.ru_utime + own.ru_stime


def build(o):
    """(who, model, images, compression); as the options say."""
    model = {'mobilenetv2': torchvision.models.mobilenet_v2, 'resnet18': torchvision.models.resnet18,
             'resnet50': torchvision.models.resnet50}[o.model](weights=None)
    images = torch.rand(o.batch, 3, o.image, o.image) * 4 - 2
    who = 'pytorch ' + torch.__version__
    compression = Compression(model)
    if o.compression != 'none':
        import nncf
        who = 'nncf-python ' + nncf.__version__
        compression = compress(model, o.compression, images)
    model = compression.model
    model.train(o.mode == 'step')
    if o.layout == 'channels_last':
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    if o.compile:
        model = torch.compile(model)
    return who, model, images, compression


def evaluate(o, model, images):
    """Seconds of each forward."""
    seconds = []
    with torch.no_grad():
        for i in range(o.warmup + o.runs):
            begun = time.monotonic()
            model(images)
            if i >= o.warmup:
                seconds.append(time.monotonic() - begun)
    return seconds


def train(o, model, images, compression):
    """Seconds of each step, those of its parts, and the last loss."""
    labels = torch.arange(o.batch) * 7919 % 1000
    fused = {'fused': True} if o.fused else {}
    optimizer = (torch.optim.Adam(model.parameters(), lr=1e-4, **fused) if o.optimizer == 'adam' else
                 torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9, **fused))
    criterion = torch.nn.CrossEntropyLoss()
    seconds, parts = [], {name: [] for name in PARTS}
    for i in range(o.warmup + o.runs):
        at = [time.monotonic()]
        optimizer.zero_grad(set_to_none=True)  # the faster way
        logits = model(images)
        at.append(time.monotonic())
        loss = criterion(logits, labels) + compression.loss()
        at.append(time.monotonic())
        loss.backward()
        at.append(time.monotonic())
        optimizer.step()
        compression.step()
        at.append(time.monotonic())
        if i >= o.warmup:
            seconds.append(at[-1] - at[0])
            for k, name in enumerate(PARTS):
                parts[name].append(at[k + 1] - at[k])
    return seconds, parts, loss.item()


def main():
    begun = work_so_far()
    o = options()
    torch.manual_seed(0)
    torch.set_num_threads(o.threads)
    who, model, images, compression = build(o)
    line = {'bench': o.mode, 'who': who, 'what': o.compression, 'layout': o.layout, 'compiled': o.compile,
            'fused': o.fused, 'model': o.model, 'optimizer': o.optimizer, 'batch': o.batch, 'image': o.image,
            'threads': o.threads, 'tcmalloc': 'tcmalloc' in os.environ.get('LD_PRELOAD', ''),
            'onednn': torch.backends.mkldnn.is_available(), 'python': platform.python_version()}
    if o.mode == 'step':
        seconds, parts, loss = train(o, model, images, compression)
        line.update({name: statistics.median(values) for name, values in parts.items()})
        line['loss_value'] = loss
    else:
        seconds = evaluate(o, model, images)
    line.update({'runs': len(seconds), 'min': min(seconds), 'median': statistics.median(seconds), 'max': max(seconds)})
    now = [after - before for after, before in zip(work_so_far(), begun)]
    line['others'] = max(0.0, now[1] - now[2]) / now[0]
    line.update({'seconds': [round(s, 6) for s in seconds],
                 'peak_rss_bytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})
    print(json.dumps(line))
    sys.stdout.flush()


if __name__ == '__main__':
    main()
