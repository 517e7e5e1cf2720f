#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""peer_ops.py FILE [--threads N]: the layers that `nncf-bench ops` wrote to FILE, in PyTorch: the same lines with its times.

Forward under autograd, and forward with the gradients of inputs and parameters, as eager training runs them. With --gpt instead of
FILE: a step of the GPT of examples/gpt, as `nncf-gpt` with gpt_fp32.json runs it: AdamW, gradients cut to length 1.
"""
import argparse
import json
import os
import resource
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

RUNS, LEAST, WARM_UP = 7, 1e-3, 0.02

ACTIVATIONS = {
    'leaky_relu': F.leaky_relu, 'sigmoid': torch.sigmoid, 'tanh': torch.tanh, 'hard_swish': F.hardswish,
    'hard_sigmoid': F.hardsigmoid, 'silu': F.silu, 'gelu': F.gelu, 'gelu_tanh': lambda x: F.gelu(x, approximate='tanh'),
    'elu': F.elu, 'mish': F.mish,
}


def random(*sizes, bound=2.0):
    return (torch.rand(*sizes) * 2 * bound - bound).requires_grad_()


def pool(case):
    kernel, stride, padding, end = case['kernel'], case['stride'], case['padding'], case['padding_end']
    if case['layer'] == 'average_pool':
        return lambda x: F.avg_pool2d(x, kernel, stride, padding)
    if end:
        return lambda x: F.max_pool2d(F.pad(x, (0, end, 0, end), value=-torch.inf), kernel, stride)
    return lambda x: F.max_pool2d(x, kernel, stride, padding, ceil_mode=bool(case['ceil']))


def heads(x, count):
    return x.view(*x.shape[:2], count, -1).transpose(1, 2).contiguous()


def build(case):
    """(function of the inputs, inputs): all of them have gradients but an embedding's ids."""
    layer, x, out = case['layer'], case['x'], case['out']
    inputs = [random(*sizes) for sizes in (x, case['other']) if sizes]
    if layer in ACTIVATIONS:
        return ACTIVATIONS[layer], inputs
    if layer.endswith('pool') or '_pool_' in layer:
        return pool(case), inputs
    if layer == 'embedding':
        count = 1
        for size in x:
            count *= size
        ids = (torch.arange(count) * 7919 % case['groups']).view(*x)
        return lambda weight: F.embedding(ids, weight), [random(case['groups'], out)]
    if layer == 'linear':
        return F.linear, inputs + [random(out, x[-1], bound=0.1), random(out, bound=0.1)]
    if layer == 'layer_norm':
        return lambda a, w, b: F.layer_norm(a, x[-1:], w, b), inputs + [random(x[-1]), random(x[-1])]
    if layer == 'group_norm':
        return lambda a, w, b: F.group_norm(a, case['groups'], w, b), inputs + [random(x[1]), random(x[1])]
    if layer == 'prelu':
        return F.prelu, inputs + [random(x[1], bound=0.3)]
    if layer == 'conv_transpose2d':
        weight = random(x[1], out, case['kernel'], case['kernel'], bound=0.1)
        return (lambda a, w, b: F.conv_transpose2d(a, w, b, case['stride'], case['padding']),
                inputs + [weight, random(out, bound=0.1)])
    if layer == 'attention':
        return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0), inputs + [random(*case['other'])]
    functions = {
        'concat': lambda a, b: torch.cat((a, b), 1), 'multiply': torch.mul, 'multiply_channels': torch.mul, 'sum': torch.add,
        'softmax': lambda a: F.softmax(a, -1), 'dropout': lambda a: F.dropout(a, 0.1),
        'upsample_nearest': lambda a: F.interpolate(a, scale_factor=case['stride'], mode='nearest'),
        'upsample_bilinear': lambda a: F.interpolate(a, scale_factor=case['stride'], mode='bilinear'),
        'matmul': torch.matmul, 'matmul_transposed': lambda a, b: a @ b.transpose(-1, -2),
        'heads': lambda a: heads(a, case['groups']),
    }
    return functions[layer], inputs


def times(run):
    """As harness.c takes them: warm up, then some measurements of at least a millisecond each."""
    begun, seconds, calls = time.perf_counter(), 0.0, 0
    while calls < 3 or time.perf_counter() - begun < WARM_UP:
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        calls += 1
    repeat = max(1, round(LEAST / max(seconds, 1e-9) + 0.5)) if seconds < LEAST else 1
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        for _ in range(repeat):
            run()
        taken.append((time.perf_counter() - start) / repeat)
    return taken


def work_so_far():
    """Seconds: the clock, all processors' work, this process's."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    with open('/proc/stat', encoding='ascii') as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    busy = sum(ticks) - ticks[3] - ticks[4]
    return time.monotonic(), busy / os.sysconf('SC_CLK_TCK'), own.ru_utime + own.ru_stime


def put(line, seconds, begun):
    now = [after - before for after, before in zip(work_so_far(), begun)]
    line.update({'who': 'pytorch ' + torch.__version__, 'runs': len(seconds), 'min': min(seconds),
                 'median': statistics.median(seconds), 'max': max(seconds), 'others': max(0.0, now[1] - now[2]) / now[0],
                 'peak_rss_bytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})
    print(json.dumps(line))
    sys.stdout.flush()


def cases_of(path):
    """The cases in the order of the file, each once, without times."""
    left_out = ('who', 'runs', 'min', 'median', 'max', 'others', 'peak_rss_bytes')
    found = {}
    with open(path, encoding='utf-8') as file:
        for text in file:
            line = json.loads(text)
            if line['bench'] == 'ops' and line['who'] == 'nncf':
                case = {key: value for key, value in line.items() if key not in left_out}
                found[json.dumps(case)] = case
    return found.values()


class Block(nn.Module):
    """A block of GPT-2."""

    def __init__(self, width, count):
        super().__init__()
        self.count = count
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.proj = (nn.Linear(width, width) for _ in range(4))
        self.fc, self.fc_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        a = self.ln1(x)
        q, k, v = (part(a).view(*x.shape[:2], self.count, -1).transpose(1, 2) for part in (self.q, self.k, self.v))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(a.transpose(1, 2).reshape(x.shape))
        return x + self.fc_proj(F.gelu(self.fc(self.ln2(x))))


class GPT(nn.Module):
    """examples/gpt/gpt.c: the mean of a character's and a place's row goes into the first block."""

    def __init__(self, vocabulary, context, width, count, blocks):
        super().__init__()
        self.wte = nn.Embedding(vocabulary + context, width)
        self.blocks = nn.Sequential(*(Block(width, count) for _ in range(blocks)))
        self.ln_f, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary)
        for name, p in self.named_parameters():
            if p.ndim > 1:
                nn.init.normal_(p, std=0.02)
            elif name.endswith('bias'):
                nn.init.zeros_(p)

    def forward(self, ids):
        return self.head(self.ln_f(self.blocks(self.wte(ids).mean(2))))


def gpt_step(o, begun):
    """A step of training on random characters."""
    vocabulary, context, width, batch = 96, 64, 128, 16
    model = GPT(vocabulary, context, width, 4, 3)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    fused = {'fused': True} if o.fused else {}
    optimizer = torch.optim.AdamW([{'params': decayed, 'weight_decay': 0.1}, {'params': others, 'weight_decay': 0.0}],
                                  lr=0.002, betas=(0.9, 0.99), **fused)
    characters = torch.randint(vocabulary, (batch, context + 1))
    places = (torch.arange(context) + vocabulary).expand(batch, context)
    ids = torch.stack((characters[:, :-1], places), -1)
    seconds = []
    for i in range(o.steps):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(ids).view(-1, vocabulary), characters[:, 1:].reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if i >= 5:
            seconds.append(time.perf_counter() - start)
    put({'bench': 'gpt', 'threads': o.threads, 'fused': o.fused}, seconds, begun)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('file', nargs='?')
    parser.add_argument('--gpt', action='store_true')
    parser.add_argument('--fused', action='store_true', help="AdamW's fused kernel")
    parser.add_argument('--steps', type=int, default=35)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--only', default='')
    o = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(o.threads)
    if o.gpt:
        gpt_step(o, work_so_far())
        return
    for case in cases_of(o.file):
        if o.only not in case['layer']:
            continue
        begun = work_so_far()
        function, inputs = build(case)
        dy = torch.rand_like(function(*inputs))
        run = ((lambda: function(*inputs)) if case['pass'] == 'forward' else
               (lambda: torch.autograd.grad(function(*inputs), inputs, dy)))
        put(dict(case, threads=o.threads), times(run), begun)


if __name__ == '__main__':
    main()
