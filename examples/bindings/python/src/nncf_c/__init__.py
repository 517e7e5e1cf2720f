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

__all__ = ['Checkpoint', 'Codes', 'Config', 'Context', 'Ctrl', 'Error', 'Layer', 'Model', 'Parameter', 'call', 'ffi', 'lib', 'plan',
           'text', 'version']

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
        out = ffi.new('nncf_model **')
        call(lib.nncf_model_create, _context(context), out)
        self._c = owned(out[0], lib.nncf_model_destroy, self._keep, context and context.c)

    def add(self, kind: str, scope: str, inputs: Sequence[Layer] = (), **members: Any) -> Layer:
        """Register a layer: `kind` is what follows nncf_model_add_, `members` are those of its struct in the headers.

        Arrays are kept and must not be replaced: change their contents. Sizes that the weight's shape gives may be left
        out; batch_norm is a dictionary of the members of nncf_batch_norm_params.
        """
        function = getattr(lib, f'nncf_model_add_{kind}', None)
        if function is None:
            kinds = ', '.join(sorted(name[len('nncf_model_add_'):] for name in dir(lib) if name.startswith('nncf_model_add_')))
            raise ValueError(f'there is no layer "{kind}"; there are {kinds}')
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
        self._keep.append(keep)
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
        self._c = owned(out[0], lib.nncf_compression_ctrl_destroy, model.c)
        self._count = len(model)

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

    def read(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Fill the arrays from the tensors of their names; all of them, or nothing."""
        table = _Table(tensors, writable=True)
        call(lib.nncf_checkpoint_read, self.c, table.c, len(table))

    def restore(self, ctrl: Ctrl, **members: Any) -> dict[str, Any]:
        """Put a controller into the state that was saved. `members`: those of nncf_checkpoint_restore_params."""
        report = make('nncf_checkpoint_restore_report')
        call(lib.nncf_checkpoint_restore, self.c, ctrl.c, make('nncf_checkpoint_restore_params', members), report)
        return record(report)
