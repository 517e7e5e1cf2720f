# SPDX-License-Identifier: Apache-2.0
"""Weights and inputs that a C test can compute again, so that golden files hold results only.

Element i of the array with a name is low + (high - low) * u, u = (mix(fnv1a(name) + i * 0x9E3779B9) >> 8) / 2^24:
FNV-1a (32 bits) of the name, then the finalizer of MurmurHash3. Computed in float64, rounded to
float32. tests/support/golden_formula.h is the same in C.
"""
import numpy

TEXT = 'float32(low + (high - low) * (mix(fnv1a(name) + i * 0x9E3779B9) >> 8) / 2^24), mix = finalizer of MurmurHash3'


def fnv1a(name):
    value = 0x811C9DC5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def uniform(name, shape, low, high):
    """A float32 array of that shape."""
    count = int(numpy.prod(shape))
    mask = numpy.uint64(0xFFFFFFFF)
    x = (numpy.uint64(fnv1a(name)) + numpy.arange(count, dtype=numpy.uint64) * numpy.uint64(0x9E3779B9)) & mask
    x ^= x >> numpy.uint64(16)
    x = x * numpy.uint64(0x85EBCA6B) & mask
    x ^= x >> numpy.uint64(13)
    x = x * numpy.uint64(0xC2B2AE35) & mask
    x ^= x >> numpy.uint64(16)
    u = (x >> numpy.uint64(8)).astype(numpy.float64) / 2.0**24
    return (low + (high - low) * u).astype(numpy.float32).reshape(shape)


def bounds(name, shape):
    """(low, high) of a layer's parameter, by the end of its name. Weights: variance 2 / fan in (He et al. 2015)."""
    if name.endswith('running_mean') or name.endswith('bias'):
        return -0.1, 0.1
    if name.endswith('running_var') or len(shape) == 1:
        return 0.5, 1.5
    limit = float(numpy.sqrt(6.0 / numpy.prod(shape[1:])))
    return -limit, limit


def parameter(name, shape):
    low, high = bounds(name, shape)
    return uniform(name, shape, low, high)
