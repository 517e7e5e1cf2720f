# SPDX-License-Identifier: Apache-2.0
"""libnncf for numpy: layers that become sparse and int8 while they train.

    with nncf_c.Config.load('config.json') as config, nncf_c.Model() as model:
        fc = model.add('linear', 'Net/Linear[fc]', weight=w, weight_grad=dw)
        with nncf_c.Ctrl(model, config) as ctrl:
            ctrl.initialize(lambda: fc.forward(next_batch()))
            y = fc.forward(x)
            fc.backward(x, dy=dy)

- Arrays go in and out without copies: float32, C-contiguous. One that would need a copy is refused.
- A refused call raises nncf_c.Error, which has the place (`where`, `line`) and the status.
- An object lives as long as something needs it: a layer keeps its model, an array of a parameter its controller, a model
  the arrays that were registered. close() and `with` only let go of it.
- Names of the headers without NNCF_ are here: nncf_c.ACTIVATION_RELU. Functions of C are in nncf_c.lib, and
  nncf_c.call(nncf_c.lib.nncf_layer_set_uses, layer.c, 2) raises what they refuse.
- Threads: one at a time for a context and all that belongs to it. Other threads of Python run meanwhile.
"""
from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np

from ._core import (NUMPY_DTYPES, Codes, Error, Views, borrowed, call, checked, ffi, lib, make, owned, path_bytes, record, struct_name,
                    text)
from ._training import AccuracyAware, Optimizer, Shrink, Shrunk, all_reduce_callback

__all__ = ['AccuracyAware', 'Checkpoint', 'Codes', 'Config', 'Context', 'Ctrl', 'Error', 'Gradient', 'Layer', 'Model', 'Optimizer',
           'Parameter', 'Shrunk', 'call', 'ffi', 'lib', 'plan', 'text', 'version']

Path = Union[str, 'os.PathLike[str]']
Activation = Union[np.ndarray, Codes]
_MAX_NDIM = ffi.integer_const('NNCF_MAX_NDIM')


def __getattr__(name: str) -> int:
    """An enumerator or a number of the headers, without its NNCF_."""
    try:
        return ffi.integer_const(f'NNCF_{name}')
    except AttributeError:
        raise AttributeError(f'nncf_c has no {name}, and the headers have no NNCF_{name}') from None


def version() -> str:
    """Of the library that is loaded."""
    return ffi.string(lib.nncf_version_string()).decode()


class _Handle:
    """Owns an object of C."""
    _c: Any = None

    @property
    def c(self) -> Any:
        """The object of C, for nncf_c.call()."""
        if self._c is None:
            raise ValueError(f'this {type(self).__name__} is closed')
        return self._c

    def close(self) -> None:
        """Let go of the object; it is destroyed when nothing needs it any more."""
        self._c = None

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class Context(_Handle):
    """Threads, seed and log of the library. Optional."""

    def __init__(self, threads: int = 0, seed: int = 0, log: Callable[[int, str], None] | None = None, **members: Any):
        """`log` receives (LOG_..., line). `members` are further ones of nncf_context_params."""
        keep: list[Any] = []
        members |= {'n_threads': threads, 'seed': seed}
        if log:
            members['log'] = ffi.callback('void(void *, int32_t, const char *)',
                                          lambda _user, level, line: log(level, ffi.string(line).decode(errors='replace')))
        params = make('nncf_context_params', members, keep)
        out = ffi.new('nncf_context **')
        call(lib.nncf_context_create, ffi.integer_const('NNCF_API_VERSION'), params, out)
        self._c = owned(out[0], lib.nncf_context_destroy, keep)

    @property
    def description(self) -> str:
        """Version, instruction set, BLIS, integer kernels, threads."""
        return ffi.string(lib.nncf_context_get_description(self.c)).decode()


def _context(context: Context | None) -> Any:
    return ffi.NULL if context is None else context.c


class Config(_Handle):
    """An NNCF config: JSON with comments."""

    def __init__(self, pointer: Any, *needs: Any):
        self._c = owned(pointer, lib.nncf_config_destroy, *needs)

    @classmethod
    def load(cls, path: Path, context: Context | None = None, **members: Any) -> Config:
        """From a file. `members` are those of nncf_config_params: dialect, scopes."""
        keep: list[Any] = []
        out = ffi.new('nncf_config **')
        call(lib.nncf_config_load, _context(context), path_bytes(path), make('nncf_config_params', members, keep), out)
        return cls(out[0], context and context.c)

    @classmethod
    def parse(cls, config: str | Mapping[str, Any], context: Context | None = None, name: str = '<text>', **members: Any) -> Config:
        """From a text, or from what json.load() returns; `name` stands for the file's in messages."""
        data = (config if isinstance(config, str) else json.dumps(config)).encode()
        keep: list[Any] = []
        out = ffi.new('nncf_config **')
        call(lib.nncf_config_parse, _context(context), name.encode(), data, len(data), make('nncf_config_params', members, keep), out)
        return cls(out[0], context and context.c)

    def dump(self) -> dict[str, Any]:
        """The effective config: every default filled in."""
        return json.loads(text(lib.nncf_config_dump, self.c))

    def explain(self) -> str:
        """Every value with where it comes from."""
        return text(lib.nncf_config_explain, self.c, lib.NNCF_FORM_TEXT)

    def migrate(self) -> str:
        """The same config for NNCF 2.17."""
        return text(lib.nncf_config_migrate, self.c)


def _derived(kind: str, weight: np.ndarray, members: Mapping[str, Any]) -> dict[str, Any]:
    """What the shape of a weight says of a layer."""
    ndim = {'linear': 2, 'conv2d': 4, 'embedding': 2, 'layer_norm': 1}.get(kind)
    if ndim and weight.ndim != ndim:
        raise ValueError(f'the weight of a {kind} has {ndim} dimensions, not {weight.ndim}')
    if kind == 'linear':
        return {'out_features': weight.shape[0], 'in_features': weight.shape[1]}
    if kind == 'conv2d':
        groups = members.get('groups') or 1
        return {'out_channels': weight.shape[0], 'in_channels': weight.shape[1] * groups, 'kernel': weight.shape[2:]}
    if kind == 'embedding':
        return {'words': weight.shape[0], 'size': weight.shape[1]}
    if kind == 'layer_norm':
        return {'size': weight.shape[0]}
    if kind == 'op':
        return {'weight_ndim': weight.ndim, 'weight_shape': weight.shape}
    return {}


def _check_sizes(kind: str, members: Mapping[str, Any]) -> None:
    """Arrays whose size the library cannot see."""
    weight = members.get('weight')
    for name, array in members.items():
        if not isinstance(array, np.ndarray):
            continue
        base = members.get(name[:-len('_grad')]) if name.endswith('_grad') else None
        if name.endswith('_grad') and (not isinstance(base, np.ndarray) or base.shape != array.shape):
            raise ValueError(f'{name} must have the shape of {name[:-len("_grad")]}')
        if name == 'bias' and kind != 'op' and weight is not None and array.size != weight.shape[0]:
            raise ValueError(f'bias has {array.size} elements, the layer {weight.shape[0]} outputs')
    for name, array in (members.get('batch_norm') or {}).items():
        if isinstance(array, np.ndarray) and weight is not None and array.size != weight.shape[0]:
            raise ValueError(f'batch_norm[{name!r}] has {array.size} elements, the layer {weight.shape[0]} outputs')


class Layer:
    """A layer of a model, which it keeps alive."""

    def __init__(self, pointer: Any, model: Any, scope: str, weight: np.ndarray | None):
        self._c, self._model = pointer, model
        self.scope: str = scope
        #: the array that was registered
        self.weight: np.ndarray | None = weight

    @property
    def c(self) -> Any:
        """The object of C, for nncf_c.call()."""
        return self._c

    @property
    def output_dtype(self) -> np.dtype[Any]:
        """uint8 or int8 where the output can be codes now, else float32."""
        return NUMPY_DTYPES[lib.nncf_layer_get_output_dtype(self._c)]

    def output_shape(self, *x: Activation) -> tuple[int, ...]:
        """Shape of the output for inputs of these shapes."""
        views = Views(x, 'x')
        sizes, ndim = ffi.new('int64_t[]', _MAX_NDIM), ffi.new('int32_t *')
        call(lib.nncf_layer_get_output_shape, self._c, views.c, len(views), sizes, _MAX_NDIM, ndim)
        return tuple(sizes[0:ndim[0]])

    def forward(self, *x: Activation, out: np.ndarray | None = None, codes: bool = False) -> Any:
        """The output: `out`, or a new array. `codes`: as Codes wherever the layer can write them."""
        views = Views(x, 'x')
        if out is None:
            out = np.empty(self.output_shape(*x), self.output_dtype if codes else np.float32)
        y = Views([out], 'out', writable=True)
        call(lib.nncf_layer_forward, self._c, views.c, len(views), y.c)
        return Codes(out, y.c[0].scale, y.c[0].zero_point) if out.dtype.itemsize == 1 else out

    def backward(self, *x: Activation, dy: np.ndarray, dx: bool | Sequence[np.ndarray] = False) -> list[np.ndarray]:
        """Adds to the gradients that were registered. `dy` is used up: its contents are undefined afterwards.

        dx: True for new arrays with the gradients of x, or the arrays that receive them.
        """
        views, gradient = Views(x, 'x'), Views([checked(dy, 'dy', np.dtype(np.float32))], 'dy', writable=True)
        arrays: list[np.ndarray] = []
        if dx is True:
            arrays = [np.empty((a.array if isinstance(a, Codes) else a).shape, np.float32) for a in x]
        elif dx is not False:
            arrays = list(dx)
            if len(arrays) != len(x):
                raise ValueError(f'{len(arrays)} arrays for the gradients of {len(x)} inputs')
        results = Views(arrays, 'dx', writable=True)
        call(lib.nncf_layer_backward, self._c, views.c, len(views), gradient.c, results.c if arrays else ffi.NULL)
        return arrays

    def compressed_weight(self) -> np.ndarray:
        """The weight as this step uses it: masked, then fake-quantized."""
        out = np.empty_like(self._weight())
        call(lib.nncf_layer_compress_weight, self._c, ffi.from_buffer('float[]', out))
        return out

    def mask(self) -> np.ndarray:
        """Which weights are kept, as booleans."""
        weight = self._weight()
        bits = np.zeros((weight.size + 7) // 8, np.uint8)
        call(lib.nncf_layer_get_mask, self._c, ffi.from_buffer('uint8_t[]', bits), bits.size)
        return np.unpackbits(bits, count=weight.size, bitorder='little').astype(bool).reshape(weight.shape)

    def _weight(self) -> np.ndarray:
        if self.weight is None:
            raise ValueError(f'{self.scope} has no weight')
        return self.weight


class Model(_Handle):
    """The network as the library sees it: layers on arrays of the caller's."""

    def __init__(self, context: Context | None = None):
        self._keep: list[Any] = []
        self._layers: dict[str, Layer] = {}
        #: arrays that were registered, by address
        self._arrays: dict[int, np.ndarray] = {}
        self._failures: list[BaseException] = []
        out = ffi.new('nncf_model **')
        call(lib.nncf_model_create, _context(context), out)
        self._c = owned(out[0], lib.nncf_model_destroy, self._keep, self._arrays, context and context.c)

    def add(self, kind: str, scope: str, inputs: Sequence[Layer] = (), **members: Any) -> Layer:
        """Register a layer: `kind` is what follows nncf_model_add_, `members` are those of its struct in the headers.

        Arrays are kept and must not be replaced: change their contents. Sizes that the weight's shape gives may be left
        out; batch_norm is a dictionary of the members of nncf_batch_norm_params.
        """
        prefix = 'nncf_model_add_'
        # an attention is several layers, by a struct of its own
        kinds = sorted(name[len(prefix):] for name in dir(lib) if name.startswith(prefix) and name != f'{prefix}attention')
        if kind not in kinds:
            raise ValueError(f'there is no layer "{kind}"; there are {", ".join(kinds)}')
        function = getattr(lib, prefix + kind)
        weight = members.get('weight')
        if weight is not None:
            for name, value in _derived(kind, checked(weight, 'weight', np.dtype(np.float32)), members).items():
                given = members.setdefault(name, value)
                if given is not value and tuple(np.broadcast_to(given, np.shape(value)).flat) != tuple(np.ravel(value)):
                    raise ValueError(f'{name} is {given}, by the weight it is {value}')
        keep: list[Any] = []
        members = {'scope': scope, 'inputs': list(inputs) or None, **members}
        params = make(struct_name(ffi.typeof(function).args[1].item), members, keep)
        _check_sizes(kind, members)
        out = ffi.new('nncf_layer **')
        call(function, self.c, params, out)
        # the arrays are in _arrays: what is registered anew need not keep the old ones
        self._keep.append([item for item in keep if not (isinstance(item, ffi.CData) and ffi.typeof(item).cname == 'float[]')])
        for array in [*members.values(), *(members.get('batch_norm') or {}).values()]:
            if isinstance(array, np.ndarray) and array.dtype == np.float32:
                self._arrays[array.ctypes.data] = array
        self._layers[scope] = Layer(out[0], self._c, scope, weight)
        return self._layers[scope]

    def __getitem__(self, scope: str) -> Layer:
        return self._layers[scope]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self._layers.values())

    def __len__(self) -> int:
        return len(self._layers)

    def train(self) -> None:
        """Batch statistics, random masks, backward possible."""
        call(lib.nncf_model_set_mode, self.c, lib.NNCF_MODE_TRAIN)

    def eval(self) -> None:
        """Running statistics, fixed masks."""
        call(lib.nncf_model_set_mode, self.c, lib.NNCF_MODE_EVAL)

    def set_ranks(self, rank: int, size: int, all_reduce: Callable[[np.ndarray, int], None] | None, **members: Any) -> None:
        """Make this model one of several ranks: nncf_model_set_collective().

        all_reduce(values, reduction) replaces the contents of the array by the sum, the smallest or the largest of all ranks'
        (REDUCE_SUM ...). If it raises, the call is an Error with E_CALLBACK, and all_reduce_failures has what was raised.
        None: a single process again.
        """
        if all_reduce is None:
            call(lib.nncf_model_set_collective, self.c, ffi.NULL)
            return
        callback = all_reduce_callback(all_reduce, NUMPY_DTYPES, self._failures)
        params = make('nncf_collective_params', {'rank': rank, 'size': size, 'all_reduce': callback, **members})
        call(lib.nncf_model_set_collective, self.c, params)
        self._keep.append(callback)

    @property
    def all_reduce_failures(self) -> list[BaseException]:
        """What the function of set_ranks() has raised."""
        return self._failures

    def set_first_row(self, row: int) -> None:
        """Where the rows of this rank or replica begin in the whole batch; -1: rank times its rows."""
        call(lib.nncf_model_set_first_row, self.c, row)

    def gradients(self) -> list[Gradient]:
        """Every gradient, in the order in which backward finishes them."""
        result = []
        for i in range(lib.nncf_model_get_gradient_count(self.c)):
            g = make('nncf_gradient')
            call(lib.nncf_model_get_gradient, self.c, i, g)
            result.append(Gradient(ffi.string(g.name).decode(), g.kind, g.count))
        return result

    def pack_gradients(self) -> np.ndarray:
        """All of them, one after the other, as a new array."""
        gradients = self.gradients()
        values = np.empty(sum(g.count for g in gradients), np.float32)
        call(lib.nncf_model_pack_gradients, self.c, 0, len(gradients), ffi.from_buffer('float[]', values))
        return values

    def unpack_gradients(self, values: np.ndarray, factor: float = 1.0) -> None:
        """Replace all of them by these, multiplied."""
        gradients = self.gradients()
        count = sum(g.count for g in gradients)
        if checked(values, 'values', np.dtype(np.float32)).size != count:
            raise ValueError(f'{values.size} values for {count} gradients')
        call(lib.nncf_model_unpack_gradients, self.c, 0, len(gradients), ffi.from_buffer('float[]', values), factor)

    def average_statistics(self) -> None:
        """Running statistics of batch norms become their averages over the ranks."""
        call(lib.nncf_model_average_statistics, self.c)

    def check_ranks(self) -> None:
        """Raises where the ranks are not in step."""
        call(lib.nncf_model_check_ranks, self.c)

    def replica(self, controller: Ctrl, context: Context | None = None) -> Model:
        """A model with the same weights for another thread: forward and backward of a part of the batch.

        It keeps the controller and the model. Its layers have the same scopes.
        """
        out = ffi.new('nncf_model **')
        call(lib.nncf_model_create_replica, self.c, _context(context), out)
        made = Model.__new__(Model)
        made._keep, made._arrays, made._failures, made._layers = [], self._arrays, [], {}
        made._c = owned(out[0], lib.nncf_model_destroy, controller.c, self.c, context and context.c)
        for i, (scope, layer) in enumerate(self._layers.items()):
            made._layers[scope] = Layer(lib.nncf_model_get_layer(made._c, i), made._c, scope, layer.weight)
        return made

    def begin_replicas(self) -> None:
        """Before the threads start with a batch."""
        call(lib.nncf_model_begin_replicas, self.c)

    def end_replicas(self) -> None:
        """When all threads are done: their gradients are added to this model's."""
        call(lib.nncf_model_end_replicas, self.c)


@dataclass
class Gradient:
    """One of Model.gradients()."""
    name: str
    #: GRADIENT_OF_WEIGHT ...
    kind: int
    count: int


@dataclass
class Parameter:
    """An array of the controller's for the optimizer: change `data` in place by `grad`, unless it is frozen."""
    name: str
    data: np.ndarray
    grad: np.ndarray
    #: PARAMETER_...
    kind: int
    frozen: bool
    lr_multiplier: float


class Ctrl(_Handle):
    """What a config does to a model."""

    def __init__(self, model: Model, config: Config):
        out = ffi.new('nncf_compression_ctrl **')
        call(lib.nncf_compression_ctrl_create, model.c, config.c, out)
        self._callbacks: list[Any] = []
        self._c = owned(out[0], lib.nncf_compression_ctrl_destroy, model.c, self._callbacks)
        self._model = model
        self._count = len(model)

    def precision_step(self) -> int:
        """PRECISION_NEW_BATCH, PRECISION_SAME_BATCH: run forward, the loss and backward, and call it again; else PRECISION_DONE."""
        more = ffi.new('int32_t *')
        call(lib.nncf_compression_ctrl_precision_step, self.c, more)
        return more[0]

    def choose_precision(self, run: Callable[[bool], Any]) -> None:
        """All of precision_step(): run(True) takes the next batch, run(False) the last one again."""
        while more := self.precision_step():
            run(more == lib.NNCF_PRECISION_NEW_BATCH)

    def stop_precision(self) -> None:
        """Give up precision_step(): the weights as they were."""
        call(lib.nncf_compression_ctrl_stop_precision, self.c)

    def set_precision_cost(self, cost: Callable[[Layer, int, int], float]) -> None:
        """What bits cost, for criterion "host": cost(layer, weight_bits, activation_bits) is above 0."""
        layers = {int(ffi.cast('uintptr_t', layer.c)): layer for layer in self._model}
        # NaN where it raises: that choice is none
        callback = ffi.callback('double(void *, const nncf_layer *, int32_t, int32_t)',
                                lambda _, layer, weight, input_: cost(layers[int(ffi.cast('uintptr_t', layer))], weight, input_),
                                error=float('nan'))
        call(lib.nncf_compression_ctrl_set_precision_cost, self.c, callback, ffi.NULL)
        self._callbacks.append(callback)

    def precision(self) -> dict[str, Any]:
        """The bits that were chosen, and by what: the JSON object of nncf_compression_ctrl_format_precision()."""
        return json.loads(text(lib.nncf_compression_ctrl_format_precision, self.c, lib.NNCF_FORM_JSON))

    def init_step(self) -> bool:
        """True: run one batch through every layer, and call it again."""
        more = ffi.new('int32_t *')
        call(lib.nncf_compression_ctrl_init_step, self.c, more)
        return more[0] != 0

    def initialize(self, forward: Callable[[], Any]) -> None:
        """All of initialization; `forward` runs the next batch through every layer."""
        while self.init_step():
            forward()

    def zero_grad(self) -> None:
        """Clear the gradients of parameters()."""
        call(lib.nncf_compression_ctrl_zero_grad, self.c)

    def loss_backward(self) -> float:
        """Backward of the compression loss, which is returned. Once a step."""
        loss = ffi.new('double *')
        call(lib.nncf_compression_ctrl_loss_backward, self.c, loss)
        return loss[0]

    def distillation_backward(self, output: np.ndarray, teacher: np.ndarray, d_output: np.ndarray | None = None) -> float:
        """Backward of the distillation loss, which is returned: added to d_output."""
        views = Views([output, teacher], 'an output')
        gradient = None if d_output is None else Views([d_output], 'd_output', writable=True)
        loss = ffi.new('double *')
        call(lib.nncf_compression_ctrl_distillation_backward, self.c, views.c, views.c + 1, gradient.c if gradient else ffi.NULL, loss)
        return loss[0]

    def set_compression_rate(self, rate: float) -> None:
        """Sparsity, or the part that is pruned, in place of the schedule's."""
        call(lib.nncf_compression_ctrl_set_compression_rate, self.c, rate)

    def set_order(self, order: int) -> None:
        """ORDER_BEFORE: step() and epoch_step() come before each batch and epoch."""
        call(lib.nncf_compression_ctrl_set_order, self.c, order)

    def update(self, **members: Any) -> None:
        """A step of the library's optimizer over parameters(): the members of nncf_update_params."""
        call(lib.nncf_compression_ctrl_update, self.c, make('nncf_update_params', members))

    def stage(self, part_of_epoch: float = 0.0) -> dict[str, Any]:
        """What the config's `params` say for the present moment: the members of nncf_stage."""
        result = make('nncf_stage')
        call(lib.nncf_compression_ctrl_get_stage, self.c, part_of_epoch, result)
        return record(result)

    def warnings(self) -> list[str]:
        """What looks like a mistake in the training loop, so far."""
        count = lib.nncf_compression_ctrl_get_warning_count(self.c)
        return [ffi.string(lib.nncf_compression_ctrl_get_warning(self.c, i)).decode() for i in range(count)]

    def shrink(self, removed: str | None = None) -> list[Shrunk]:
        """Take the pruned filters out: nncf_compression_ctrl_shrink().

        Each array that becomes smaller is replaced by a new one, which `weight` of its layer is from then on: put
        them in the place of yours, and move what your optimizer keeps with Shrunk.gather(). Get parameters() again.
        `removed`: the text "nncf.removed" of a snapshot, in place of the masks.
        """
        model = self._model
        layers = {int(ffi.cast('uintptr_t', layer.c)): layer for layer in model}
        moved = Shrink(layers, model._arrays).run(self.c, removed)
        for m in moved:
            for old, new in ((m.old, m.data), (m.old_grad, m.grad)):
                if old is not None and new is not None:
                    del model._arrays[old.ctypes.data]
                    model._arrays[new.ctypes.data] = new
            if m.kind == lib.NNCF_ARRAY_WEIGHT:
                m.layer.weight = m.data
        return moved

    def step(self) -> None:
        """After the optimizer's step of each batch."""
        call(lib.nncf_compression_ctrl_step, self.c)

    def epoch_step(self) -> None:
        """After each epoch."""
        call(lib.nncf_compression_ctrl_epoch_step, self.c)

    def parameters(self) -> list[Parameter]:
        """What the optimizer updates besides the caller's own arrays."""
        result = []
        for i in range(lib.nncf_compression_ctrl_get_parameter_count(self.c)):
            p = make('nncf_parameter')
            call(lib.nncf_compression_ctrl_get_parameter, self.c, i, p)
            result.append(Parameter(ffi.string(p.name).decode(), borrowed(p.data, p.count, self.c), borrowed(p.grad, p.count, self.c),
                                    p.kind, bool(p.frozen), p.lr_multiplier))
        return result

    def statistics(self) -> dict[str, Any]:
        """Totals over the model: the members of nncf_statistics."""
        result = make('nncf_statistics')
        call(lib.nncf_compression_ctrl_get_statistics, self.c, result)
        return record(result)

    def layer_statistics(self) -> list[dict[str, Any]]:
        """The members of nncf_layer_statistics, for each layer."""
        results = []
        for i in range(self._count):
            result = make('nncf_layer_statistics')
            call(lib.nncf_compression_ctrl_get_layer_statistics, self.c, i, result)
            results.append(record(result))
        return results

    def report(self) -> str:
        """The statistics as a table."""
        return text(lib.nncf_compression_ctrl_format_statistics, self.c, lib.NNCF_FORM_TEXT)

    def save(self, path: Path, tensors: Mapping[str, np.ndarray] | None = None, **members: Any) -> None:
        """Write a snapshot: the controller and the caller's arrays. `members`: those of nncf_checkpoint_save_params."""
        table = _Table(tensors or {})
        keep: list[Any] = []
        call(lib.nncf_checkpoint_save, self.c, path_bytes(path), table.c, len(table), make('nncf_checkpoint_save_params', members, keep))

    def strip(self, path: Path, **members: Any) -> dict[str, Any]:
        """Write the deployable model, and return the members of nncf_strip_report."""
        keep: list[Any] = []
        report = make('nncf_strip_report')
        call(lib.nncf_strip_save, self.c, path_bytes(path), make('nncf_strip_params', members, keep), report)
        return record(report)

    def export_onnx(self, path: Path, **members: Any) -> None:
        """Write the model as ONNX. `members`: those of nncf_onnx_params."""
        keep: list[Any] = []
        call(lib.nncf_onnx_export, self.c, path_bytes(path), make('nncf_onnx_params', members, keep))


def plan(model: Model, config: Config) -> dict[str, Any]:
    """What a config would do to a model: the JSON object of nncf_plan_format()."""
    out = ffi.new('nncf_plan **')
    call(lib.nncf_plan_create, model.c, config.c, out)
    made = owned(out[0], lib.nncf_plan_destroy, model.c)
    return json.loads(text(lib.nncf_plan_format, made, lib.NNCF_FORM_JSON))


class _Table:
    """An array of nncf_checkpoint_tensor."""

    def __init__(self, tensors: Mapping[str, np.ndarray], writable: bool = False):
        self._views = Views(list(tensors.values()), 'a tensor', writable)
        self._names = [ffi.new('char[]', name.encode()) for name in tensors]
        self.c = ffi.new('nncf_checkpoint_tensor[]', max(len(self._names), 1))
        for i, name in enumerate(self._names):
            self.c[i].name = name
            self.c[i].tensor = self._views.c[i]

    def __len__(self) -> int:
        return len(self._names)


class Checkpoint(_Handle):
    """A snapshot, or any safetensors file, that is open for reading."""

    def __init__(self, path: Path, context: Context | None = None):
        out = ffi.new('nncf_checkpoint **')
        call(lib.nncf_checkpoint_open, _context(context), path_bytes(path), ffi.NULL, out)
        self._c = owned(out[0], lib.nncf_checkpoint_close, context and context.c)

    def names(self) -> list[str]:
        """Of all tensors, the controller's included."""
        count = lib.nncf_checkpoint_get_tensor_count(self.c)
        return [ffi.string(lib.nncf_checkpoint_get_tensor_name(self.c, i)).decode() for i in range(count)]

    def metadata(self, name: str) -> str | None:
        """A text that was saved with it."""
        found = lib.nncf_checkpoint_get_text(self.c, name.encode())
        return None if found == ffi.NULL else ffi.string(found).decode()

    def read(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Fill the arrays from the tensors of their names; all of them, or nothing."""
        table = _Table(tensors, writable=True)
        call(lib.nncf_checkpoint_read, self.c, table.c, len(table))

    def restore(self, ctrl: Ctrl, **members: Any) -> dict[str, Any]:
        """Put a controller into the state that was saved. `members`: those of nncf_checkpoint_restore_params."""
        report = make('nncf_checkpoint_restore_report')
        call(lib.nncf_checkpoint_restore, self.c, ctrl.c, make('nncf_checkpoint_restore_params', members), report)
        return record(report)
