# SPDX-License-Identifier: Apache-2.0
"""What the objects of the package are made of: the library, errors, structs, views of numpy arrays.

Nothing here names a struct or a function of the headers but for nncf_error and nncf_tensor: it goes by what the headers
declare.
"""
from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

try:
    from ._abi import ffi
except ImportError as error:
    raise ImportError('nncf_c/_abi.py is missing or stale: make_abi.py makes it from the headers of the library') from error


def _load() -> Any:
    name = os.environ.get('NNCF_LIBRARY') or 'libnncf.so.{}.{}'.format(ffi.integer_const('NNCF_VERSION_MAJOR'),
                                                                     ffi.integer_const('NNCF_VERSION_MINOR'))
    try:
        return ffi.dlopen(name)
    except OSError as error:
        raise ImportError(f'{name} cannot be loaded ({error}); name the file in NNCF_LIBRARY, or its folder in LD_LIBRARY_PATH') from error


lib = _load()

DTYPES = {
    np.dtype(np.float32): lib.NNCF_F32,
    np.dtype(np.uint8): lib.NNCF_U8,
    np.dtype(np.int8): lib.NNCF_S8,
    np.dtype(np.int32): lib.NNCF_I32,
    np.dtype(np.int64): lib.NNCF_I64,
    np.dtype(np.float64): lib.NNCF_F64,
}
NUMPY_DTYPES = {number: dtype for dtype, number in DTYPES.items()}


class Error(Exception):
    """A refused call: the error record. str() is one sentence that names the place and the cure."""

    def __init__(self, status: int, record: Any):
        self.status: int = status
        #: "NNCF_E_SHAPE"
        self.name: str = ffi.string(lib.nncf_status_name(status)).decode()
        #: config path, scope of a layer, file or tensor name
        self.where: str = ffi.string(record.where).decode(errors='replace')
        #: in the input, counted from 1; 0: there is none
        self.line: int = record.line
        self.column: int = record.column
        self.offset: int = record.offset
        self.os_errno: int = record.os_errno
        message = ffi.string(record.message) or ffi.string(lib.nncf_status_message(status))
        super().__init__(message.decode(errors='replace'))


def call(function: Any, *arguments: Any) -> None:
    """A function of C that takes an error record last; raises Error."""
    record = ffi.new('nncf_error *')
    record.struct_size = ffi.sizeof('nncf_error')
    status = function(*arguments, record)
    if status != lib.NNCF_OK:
        raise Error(status, record)


def text(function: Any, *arguments: Any) -> str:
    """The text of a function of C that ends in buffer, capacity, needed, err."""
    needed = ffi.new('size_t *')
    try:
        call(function, *arguments, ffi.NULL, 0, needed)
    except Error as error:
        if error.status != lib.NNCF_E_BUFFER:
            raise
    buffer = ffi.new('char[]', needed[0])
    call(function, *arguments, buffer, needed[0], needed)
    return ffi.string(buffer).decode()


def owned(pointer: Any, destroy: Callable[[Any], None], *needs: Any) -> Any:
    """The pointer, which destroys its object when nothing uses it any more; `needs` live as long."""
    return ffi.gc(pointer, lambda object_, _needs=needs: destroy(object_))


def path_bytes(path: str | os.PathLike[str]) -> bytes:
    return os.fsencode(path)


def checked(array: Any, what: str, dtype: Any = None, writable: bool = False) -> np.ndarray:
    """The array itself, never a copy: it must be one that C can use as it is."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f'{what} must be a numpy array, not {type(array).__name__}')
    if array.dtype != (dtype or array.dtype) or array.dtype not in DTYPES:
        raise TypeError(f'{what} has elements of {array.dtype}, wanted is {dtype or ", ".join(map(str, DTYPES))}')
    if not array.flags.c_contiguous:
        raise ValueError(f'{what} is not contiguous; numpy.ascontiguousarray makes a copy that is')
    if not array.flags.aligned:
        raise ValueError(f'{what} is not aligned')
    if writable and not array.flags.writeable:
        raise ValueError(f'{what} is read-only')
    return array


class Codes:
    """Activations as 8-bit codes: (array - zero_point) * scale. Pass them on unchanged."""

    def __init__(self, array: np.ndarray, scale: float = 0.0, zero_point: int = 0):
        self.array, self.scale, self.zero_point = array, scale, zero_point

    def floats(self) -> np.ndarray:
        """Their values."""
        return (self.array.astype(np.int32) - self.zero_point).astype(np.float32) * np.float32(self.scale)


class Views:
    """An array of nncf_tensor for numpy arrays and Codes; it keeps them."""

    def __init__(self, arrays: Sequence[np.ndarray | Codes], what: str, writable: bool = False):
        self.arrays = list(arrays)
        self.c = ffi.new('nncf_tensor[]', max(len(self.arrays), 1))
        self._keep = []
        for i, item in enumerate(self.arrays):
            codes = item if isinstance(item, Codes) else None
            array = checked(codes.array if codes else item, what, writable=writable)
            shape = ffi.new('int64_t[]', list(array.shape) or [1])
            self._keep += [array, shape]
            tensor = self.c[i]
            tensor.data = ffi.cast('void *', array.ctypes.data)
            tensor.shape = shape
            tensor.ndim = array.ndim
            tensor.dtype = DTYPES[array.dtype]
            if codes:
                tensor.scale, tensor.zero_point = codes.scale, codes.zero_point

    def __len__(self) -> int:
        return len(self.arrays)


class _Memory:
    def __init__(self, pointer: Any, count: int, owner: Any):
        self._owner = owner
        address = int(ffi.cast('uintptr_t', pointer))
        self.__array_interface__ = {'data': (address, False), 'shape': (count,), 'typestr': '<f4', 'version': 3}


def borrowed(pointer: Any, count: int, owner: Any) -> np.ndarray:
    """Floats of the library as an array, which keeps their owner alive."""
    return np.asarray(_Memory(pointer, count, owner))


def struct_name(ctype: Any) -> str:
    """nncf_tensor, for the typedef and for the struct of that name alike."""
    return ctype.cname.removeprefix('struct ')


def make(type_name: str, members: Mapping[str, Any] | None = None, keep: list[Any] | None = None) -> Any:
    """A struct that begins with struct_size: its defaults, then `members`. `keep` receives what it points to."""
    struct = ffi.new(f'{type_name} *')
    getattr(lib, f'{type_name}_init')(struct, ffi.sizeof(type_name))
    fields = dict(ffi.typeof(type_name).fields)
    keep = [] if keep is None else keep
    for name, value in (members or {}).items():
        if name not in fields or name == 'struct_size' or name.startswith('reserved'):
            names = ', '.join(field for field in fields if field != 'struct_size' and not field.startswith('reserved'))
            raise TypeError(f'{type_name} has no member {name}; it has {names}')
        if value is None:
            continue
        setattr(struct, name, _convert(fields[name].type, value, name, keep))
        if f'n_{name}' in fields and f'n_{name}' not in members:
            setattr(struct, f'n_{name}', len(value))
    return struct


def _convert(ctype: Any, value: Any, name: str, keep: list[Any]) -> Any:
    if isinstance(value, ffi.CData):
        keep.append(value)
        return value
    if ctype.kind == 'array':
        return [value] * ctype.length if isinstance(value, int) else list(value)
    if ctype.kind == 'pointer':
        return _pointer(ctype, value, name, keep)
    if ctype.kind == 'function':
        raise TypeError(f'{name} takes a callback of cffi')
    return value


def _pointer(ctype: Any, value: Any, name: str, keep: list[Any]) -> Any:
    item = ctype.item
    if item.cname == 'float':
        made = ffi.from_buffer('float[]', checked(value, name, np.dtype(np.float32), writable=True))
    elif item.cname == 'char':
        made = ffi.new('char[]', value if isinstance(value, bytes) else str(value).encode())
    elif struct_name(item) == 'nncf_tensor':
        views = Views(value, name)
        keep.append(views)
        made = views.c
    elif item.kind == 'struct' and isinstance(value, Mapping):
        made = make(struct_name(item), value, keep)
    elif item.kind == 'pointer':
        made = ffi.new(f'{item.cname}[]', [getattr(element, '_c', element) for element in value])
    else:
        made = ffi.new(f'{item.cname}[]', list(value))
    keep.append(made)
    return made


def record(struct: Any) -> dict[str, Any]:
    """A result struct as a dictionary."""
    result: dict[str, Any] = {}
    fields = dict(ffi.typeof(struct).item.fields)
    for name, field in fields.items():
        if name == 'struct_size' or name.startswith('reserved'):
            continue
        value = getattr(struct, name)
        if field.type.kind == 'pointer' and field.type.item.cname == 'char':
            value = None if value == ffi.NULL else ffi.string(value).decode()
        elif field.type.kind == 'array':
            value = tuple(value)[:struct.ndim] if name == 'shape' and 'ndim' in fields else tuple(value)
        result[name] = value
    return result
