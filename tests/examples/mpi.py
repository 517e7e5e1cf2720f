#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mpi.py MPIRUN NNCF_MPI: several processes end where one with the whole batch ends, and what happens when one is killed.

Rows of a batch are the same whoever reads them. Products of codes, ranges and masks are exact; gradients are sums of floats
over other parts, so weights differ by rounding: TOLERANCE of the largest value of a tensor. Mask logits have a rate of 500,
which multiplies the rounding of their gradients: LOGITS.
"""
import array
import json
import os
import signal
import subprocess
import sys
import tempfile

TOLERANCE, LOGITS = 1e-4, 1e-2
STEPS = 20
MAGNITUDE = {'compression': [
    {'algorithm': 'magnitude_sparsity',
     'params': {'sparsity_init': 0.2, 'sparsity_target': 0.6, 'sparsity_steps': 3, 'sparsity_training_steps': 6}},
    {'algorithm': 'quantization', 'weights': {'mode': 'asymmetric'}, 'activations': {'mode': 'asymmetric'},
     'initializer': {'range': {'num_init_samples': 96, 'type': 'percentile',
                               'params': {'min_percentile': 0.1, 'max_percentile': 99.9}}}}]}
mpirun, program = sys.argv[1:]
environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT='1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM='1')
# A container may have no permission for this, and says so on every line.
environment['OMPI_MCA_btl_vader_single_copy_mechanism'] = 'none'
failures = 0


def check(holds, text):
    global failures
    failures += not holds
    print('ok' if holds else 'WRONG', text, flush=True)


def run(ranks, *arguments):
    """Exit status, output, messages. One process is started without mpirun."""
    command = [program, *arguments] if ranks == 1 else [
        mpirun, '-n', str(ranks), '--oversubscribe', '--bind-to', 'none', program, *arguments]
    done = subprocess.run(command, env=environment, text=True, timeout=250, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout, done.stderr


def read(path):
    """Floats of a snapshot by name, and its other tensors as bytes."""
    with open(path, 'rb') as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), 'little')))
        data = file.read()
    tensors = {}
    for name, info in header.items():
        if name != '__metadata__':
            begin, end = info['data_offsets']
            tensors[name] = array.array('f', data[begin:end]) if info['dtype'] == 'F32' else data[begin:end]
    return tensors


def compare(one, other):
    """The largest difference, as a share of the largest value of its tensor, of all tensors and of mask logits; tensors that
    are not floats must be equal."""
    most = logits = 0
    if one.keys() != other.keys():
        return float('inf'), 0
    for name, values in one.items():
        if isinstance(values, bytes):
            if values != other[name]:
                return float('inf'), 0
            continue
        largest = max(max(map(abs, values), default=0), 1e-3)
        far = max((abs(a - b) for a, b in zip(values, other[name])), default=0) / largest
        if name.endswith('.mask'):
            logits = max(logits, far)
        else:
            most = max(most, far)
    return most, logits


def equality(folder):
    config = os.path.join(folder, 'magnitude.json')
    with open(config, 'w', encoding='utf-8') as file:
        json.dump(MAGNITUDE, file)
    for name, options in (('rb and int8', []), ('magnitude and asymmetric', ['--config', config])):
        snapshots = []
        for ranks in (1, 2, 4):
            path = os.path.join(folder, f'{len(options)}_{ranks}.safetensors')
            status, output, messages = run(ranks, '--steps', str(STEPS), '--width', '8', '--snapshot', path, *options)
            check(status == 0, f'{name}, {ranks} processes: exit status {status}')
            if status:
                print(output, messages)
                return
            snapshots.append(read(path))
        for ranks, snapshot in zip((2, 4), snapshots[1:]):
            far, logits = compare(snapshots[0], snapshot)
            check(far < TOLERANCE and logits < LOGITS,
                  f'{name}, {ranks} processes against one after {STEPS} steps: {far:.2g}, logits {logits:.2g}')
        # The comparison would see a rank that is not heard: half of the batch gives something else.
        half = os.path.join(folder, 'half.safetensors')
        run(1, '--steps', str(STEPS), '--width', '8', '--batch', '24', '--snapshot', half, *options)
        check(compare(snapshots[0], read(half))[0] > 10 * TOLERANCE, f'{name}: half of the batch is something else')


def parts(folder):
    """Processes whose rows are divided among replicas, against one process with as many parts."""
    snapshots = []
    for ranks, count in ((1, 4), (2, 2)):
        path = os.path.join(folder, f'parts_{ranks}.safetensors')
        status, output, messages = run(ranks, '--steps', str(STEPS), '--width', '8', '--parts', str(count), '--snapshot', path)
        check(status == 0, f'{ranks} processes with {count} parts each: exit status {status}')
        if status:
            print(output, messages)
            return
        snapshots.append(read(path))
    far, logits = compare(*snapshots)
    check(far < TOLERANCE and logits < LOGITS,
          f'2 processes with 2 parts each against one with 4 after {STEPS} steps: {far:.2g}, logits {logits:.2g}')


def killed(folder):
    path = os.path.join(folder, 'killed.safetensors')
    status, output, messages = run(2, '--steps', '50', '--width', '8', '--snapshot', path, '--fail', '1', '12')
    check(status != 0, f'a killed rank: exit status {status}')
    check('rank 0: ended in step 1' in messages and 'the last snapshot is' in messages, 'rank 0 says why it ended')
    check(f'signal {int(signal.SIGKILL)}' in messages, 'mpirun says which one was killed')
    check('step 10 ' in output and 'step 15 ' not in output, 'after two epochs')
    # The file is whole: any number of processes resumes with it.
    status, output, messages = run(2, '--steps', '2', '--width', '8', '--snapshot', path, '--resume')
    check(status == 0 and 'resumed at step 10' in output, 'the last snapshot is whole')


with tempfile.TemporaryDirectory() as temporary:
    equality(temporary)
    parts(temporary)
    killed(temporary)
    bad_status, _, bad_messages = run(2, '--batch', '47')
    check(bad_status == 2 and 'multiple' in bad_messages, 'a batch that cannot be divided is refused')
sys.exit(1 if failures else 0)
