# SPDX-License-Identifier: Apache-2.0
"""What training loops use besides a controller: an optimizer, accuracy-aware training, the removal of pruned filters."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ._core import call, checked, ffi, lib, make, owned, record, text

if TYPE_CHECKING:
    from . import Config, Context, Ctrl, Layer

_FLOAT = np.dtype(np.float32)


class Optimizer:
    """nncf_optimizer_step(): a step over arrays of the caller's, on the threads of a context.

    `arrays` are pairs of data and gradient. What the optimizer keeps is in `first` and `second`, lists of arrays, or of None
    where the rule needs none: save them with a snapshot, and `steps` too.
    """

    def __init__(self, arrays: Sequence[tuple[np.ndarray, np.ndarray]], context: Context | None = None, lr: float = 1e-3,
                 weight_decay: float = 0.0, **members: Any):
        """`members` are those of nncf_optimizer_params: optimizer (SGD, or OPTIMIZER_ADAM), momentum, beta1 ..."""
        make('nncf_optimizer_params', members)  # raises for a member that is none
        self._context, self._members = context, dict(members)
        #: of the next step, for all arrays
        self.lr, self.weight_decay = lr, weight_decay
        #: how many there were
        self.steps = 0
        self.arrays = [(data, grad) for data, grad in arrays]
        for data, grad in self.arrays:
            checked(data, 'data', _FLOAT, writable=True)
            checked(grad, 'grad', _FLOAT, writable=True)
            if data.size != grad.size:
                raise ValueError(f'data has {data.size} elements, its gradient {grad.size}')
        adam = members.get('optimizer') == lib.NNCF_OPTIMIZER_ADAM
        self.first = [np.zeros_like(data) if adam or members.get('momentum') else None for data, _ in self.arrays]
        self.second = [np.zeros_like(data) if adam else None for data, _ in self.arrays]

    def step(self, clear: bool = True) -> None:
        """Update all arrays. `clear`: gradients are 0 afterwards."""
        c = ffi.new('nncf_optimizer_array[]', max(len(self.arrays), 1))
        for i, arrays in enumerate(zip(self.arrays, self.first, self.second)):
            (data, grad), first, second = arrays
            for name, array in (('data', data), ('grad', grad), ('first', first), ('second', second)):
                setattr(c[i], name, ffi.NULL if array is None else ffi.cast('float *', array.ctypes.data))
            c[i].count, c[i].lr, c[i].weight_decay = data.size, self.lr, self.weight_decay
        params = make('nncf_optimizer_params', {**self._members, 'step': self.steps + 1, 'clear_gradients': int(clear)})
        call(lib.nncf_optimizer_step, self._context.c if self._context else ffi.NULL, params, c, len(self.arrays))
        self.steps += 1


class AccuracyAware:
    """Accuracy-aware training: what the config's accuracy_aware_training says, epoch by epoch."""

    def __init__(self, ctrl: Ctrl, config: Config, uncompressed_metric: float, state: str | None = None, **members: Any):
        """`state` continues an earlier one; `members` are further ones of nncf_accuracy_aware_params."""
        keep: list[Any] = []
        params = make('nncf_accuracy_aware_params', {**members, 'uncompressed_metric': uncompressed_metric, 'state': state}, keep)
        out = ffi.new('nncf_accuracy_aware **')
        call(lib.nncf_accuracy_aware_create, ctrl.c, config.c, params, out)
        self._c = owned(out[0], lib.nncf_accuracy_aware_destroy, ctrl.c)

    def report(self, metric: float) -> dict[str, Any]:
        """Report the metric, once before the first epoch and then after each: the members of nncf_accuracy_aware_decision."""
        decision = make('nncf_accuracy_aware_decision')
        call(lib.nncf_accuracy_aware_report, self._c, metric, decision)
        return record(decision)

    def state(self) -> str:
        """A text for a snapshot: Ctrl.save(texts=...)."""
        return text(lib.nncf_accuracy_aware_get_state, self._c)


@dataclass
class Shrunk:
    """An array that has become smaller."""
    layer: Layer
    #: ARRAY_WEIGHT ...; of ARRAY_PARAMETER: a parameter of the controller, whose old contents are gone
    kind: int
    #: as it is from now on
    data: np.ndarray | None
    grad: np.ndarray | None
    #: the registered arrays, which the library reads no more
    old: np.ndarray | None
    old_grad: np.ndarray | None
    #: of each axis the indices that stay
    kept: tuple[np.ndarray, ...]

    def gather(self, array: np.ndarray) -> np.ndarray:
        """Of an array in the old shape, such as an optimizer's, what stays."""
        return np.ascontiguousarray(array.reshape(self._shape)[np.ix_(*self.kept)])

    _shape: tuple[int, ...] = ()


class Shrink:
    """One call of nncf_compression_ctrl_shrink(), whose new arrays are numpy's."""

    def __init__(self, layers: Mapping[int, Layer], arrays: dict[int, np.ndarray]):
        self._layers, self._arrays = layers, arrays
        self._new: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        self._failure: BaseException | None = None
        self.moved: list[Shrunk] = []

    def run(self, ctrl: Any, removed: str | None) -> list[Shrunk]:
        resize = ffi.callback('int32_t(void *, nncf_shrink_array *)', self._resize, error=1, onerror=self._failed)
        moved = ffi.callback('void(void *, const nncf_shrink_array *)', self._moved, onerror=self._failed)
        keep: list[Any] = []
        params = make('nncf_shrink_params', {'resize': resize, 'moved': moved, 'removed': removed}, keep)
        try:
            call(lib.nncf_compression_ctrl_shrink, ctrl, params)
        finally:
            if self._failure:
                raise self._failure
        return self.moved

    def _failed(self, _kind: Any, error: BaseException, _traceback: Any) -> None:
        self._failure = error

    @staticmethod
    def _address(pointer: Any) -> int:
        return int(ffi.cast('uintptr_t', pointer))

    def _resize(self, _user: Any, array: Any) -> int:
        shape = tuple(array.new_shape[0:array.ndim])
        data, grad = np.zeros(shape, np.float32), None
        array.new_data = ffi.cast('float *', data.ctypes.data)
        if array.grad != ffi.NULL:
            grad = np.zeros(shape, np.float32)
            array.new_grad = ffi.cast('float *', grad.ctypes.data)
        self._new[self._address(array.data)] = (data, grad)
        return 0

    def _moved(self, _user: Any, array: Any) -> None:
        old = self._arrays.get(self._address(array.data))
        old_grad = self._arrays.get(self._address(array.grad))
        data, grad = self._new.get(self._address(array.data), (None, None))
        kept = tuple(np.array(list(array.kept[axis][0:array.new_shape[axis]]), np.int64) for axis in range(array.ndim))
        shape = tuple(array.shape[0:array.ndim])
        self.moved.append(Shrunk(self._layers[self._address(array.layer)], array.array, data, grad, old, old_grad, kept, shape))


def all_reduce_callback(function: Callable[[np.ndarray, int], None], dtypes: Mapping[int, Any], failures: list[BaseException]) -> Any:
    """nncf_collective_params::all_reduce: `function` changes an array in place. What it raises goes into `failures`."""
    def run(_user: Any, values: Any, count: int, dtype: int, reduction: int) -> int:
        kind = np.dtype(dtypes[dtype])
        function(np.frombuffer(ffi.buffer(values, count * kind.itemsize), kind), reduction)
        return 0
    return ffi.callback('int32_t(void *, void *, size_t, int32_t, int32_t)', run, error=1,
                        onerror=lambda _kind, error, _traceback: failures.append(error))
