"""Go through the pickle of a checkpoint without making what it names: inert stand-ins take the place of all of it.

What nnU-Net writes is tensors, plain values and NumPy's numbers, in the instructions of pickle's protocol 2. All else
is refused before torch or NumPy make an object of it: functions, but also lengths, sizes and types that would fill the
memory (448 bytes can ask for gigabytes) or crash the process.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# What torch.save writes, and no more: no instruction that makes an object of a class, or looks up another registry.
_INSTRUCTIONS = frozenset(
    (
        *("PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "BUILD", "BINPERSID"),
        *("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS"),
        *("EMPTY_DICT", "SETITEM", "SETITEMS"),
    )
)
_STORAGES = {
    **dict.fromkeys(("ByteStorage", "CharStorage", "BoolStorage"), 1),
    **dict.fromkeys(("HalfStorage", "BFloat16Storage", "ShortStorage"), 2),
    **dict.fromkeys(("FloatStorage", "IntStorage"), 4),
    **dict.fromkeys(("DoubleStorage", "LongStorage"), 8),
}
NUMPY_NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")
_PLAIN_DTYPE = (None, None, None, -1, -1, 0)  # no sub-array, no fields, no flags: the rest of NumPy's state of a number
_DEVICE = re.compile(r"[a-z]+(:\d+)?")
_MOST_VALUES = 500_000
_DEEPEST = 64
_LONGEST_INTEGER = 64  # bits


class _Tensor:
    """Stands for a tensor, or a parameter."""


class _Device:
    """Stands for a device."""


@dataclass(frozen=True)
class _StorageType:
    item_bytes: int


@dataclass(frozen=True)
class _Storage:
    values: int


class _NumberType:
    """Stands for NumPy's type of a number."""

    def __init__(self, code: object, align: object = False, copy: object = True) -> None:
        _require(code in NUMPY_NUMBERS and {align, copy} <= {False, True}, f"a NumPy type {code!r}")
        self.item_bytes = int(str(code)[1:])

    def __setstate__(self, state: object) -> None:
        plain = isinstance(state, tuple) and len(state) == 8 and state[0] == 3 and state[1] in ("<", ">", "|", "=")
        _require(plain and state[2:] == _PLAIN_DTYPE, "a NumPy type that is no number")  # type: ignore[index]


class _OrderedDict(OrderedDict[Any, Any]):
    """Stands for itself; torch hangs the versions of a network's modules on it."""

    metadata: object = None

    def __init__(self) -> None:
        super().__init__()

    def __setstate__(self, state: object) -> None:
        _require(isinstance(state, dict) and state.keys() == {"_metadata"}, "attributes of a dictionary")
        self.metadata = state["_metadata"]  # type: ignore[index]


def require_plain_pickle(content: bytes, parts: Mapping[str, int]) -> None:
    """Refuse a pickle that holds, or would make, more than tensors, plain values and numbers.

    Parameters
    ----------
    content
        The pickle, ``data.pkl`` of a checkpoint.
    parts
        Bytes of each part of the archive by its name below the archive's folder, ``data/0``: tensors lie in them.

    Raises
    ------
    pickle.UnpicklingError
        Saying what it would do, after "it".
    """
    foreign: dict[str, None] = {}
    for instruction, argument, _ in pickletools.genops(content):
        if instruction.name == "GLOBAL":
            name = str(argument).replace(" ", ".", 1)
            if name not in _STAND_INS:
                foreign[name] = None
            continue
        if foreign:
            continue
        _require(instruction.name in _INSTRUCTIONS, f"an instruction {instruction.name} that torch does not write")
        place = argument if instruction.name.endswith("PUT") else 0
        _require(int(place or 0) <= len(content), "a place that would fill the memory")  # of the unpickler's notes
    if foreign:
        raise pickle.UnpicklingError(f"would call {', '.join([*foreign][:3])}")
    read = _Reader(io.BytesIO(content), parts).load()
    require_plain(read, (_Tensor, _Device))


def require_plain(content: object, leaves: tuple[type, ...]) -> None:
    """Refuse anything but dictionaries, lists and tuples of plain values and of `leaves`, too many, or too deep.

    What stands in several places counts as often: a few lines can name more values than fit into any memory.

    Raises
    ------
    pickle.UnpicklingError
        Saying what it holds, after "it".
    """
    pending: list[tuple[object, int]] = [(content, 0)]
    seen = 0
    while pending:
        value, depth = pending.pop()
        seen += 1
        _require(seen <= _MOST_VALUES and depth <= _DEEPEST, "more values, or deeper nested, than a checkpoint")
        if isinstance(value, int):
            _require(value.bit_length() <= _LONGEST_INTEGER, "an integer of more than 64 bits")
        elif isinstance(value, (dict, list, tuple)) and type(value) not in leaves:
            pending += ((item, depth + 1) for item in _items(value))
        else:
            plain = value is None or type(value) in (str, float, *leaves)
            _require(plain, f"a {type(value).__name__}, no tensor, plain value or number")


def _items(value: dict[Any, Any] | list[Any] | tuple[Any, ...]) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
        yield getattr(value, "metadata", None)
    else:
        yield from value


def _require(fits: object, what: str) -> None:
    if not fits:
        raise pickle.UnpicklingError(f"holds {what}")


class _Reader(pickle.Unpickler):
    """Unpickle with `_STAND_INS` in place of everything that a pickle may name."""

    def __init__(self, file: io.BytesIO, parts: Mapping[str, int]) -> None:
        super().__init__(file)
        self._parts = parts

    def find_class(self, module: str, name: str) -> Any:
        """Give the stand-in; what has none was refused before."""
        return _STAND_INS[f"{module}.{name}"]

    def persistent_load(self, pid: Any) -> _Storage:
        """Take a storage, which must be the part of the archive that it says, whole."""
        _require(type(pid) is tuple and len(pid) == 5 and pid[0] == "storage", "a reference to no storage")
        _, kind, key, location, values = pid
        known = isinstance(kind, _StorageType) and type(key) is str and type(values) is int
        _require(known and _DEVICE.fullmatch(str(location)), "a storage that torch did not write")
        found = self._parts.get(f"data/{key}")
        _require(found == values * kind.item_bytes, f"a storage of {values} values in {found} bytes")
        return _Storage(values)


def _tensor(
    storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], grad: bool, hooks: _OrderedDict
) -> _Tensor:
    """Check that a tensor lies within its storage and has no more values than that: no view makes it larger."""
    _require(isinstance(storage, _Storage) and type(size) is type(stride) is tuple, "a tensor of no storage")
    _require(len(size) == len(stride) and not hooks and type(grad) is bool, "a tensor that torch did not write")
    _require(all(type(n) is int and n >= 0 for n in (offset, *size, *stride)), "a tensor of no size")
    values = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if values else -1
    _require(max(values, last + 1) <= storage.values, f"a tensor of {values} values in a storage of {storage.values}")
    return _Tensor()


def _parameter(data: _Tensor, grad: bool, hooks: _OrderedDict) -> _Tensor:
    _require(type(data) is _Tensor and type(grad) is bool and not hooks, "a parameter that torch did not write")
    return data


def _device(kind: str, index: int = 0) -> _Device:
    _require(type(kind) is str and type(index) is int, "a device that torch did not write")
    return _Device()


def _number(kind: _NumberType, content: bytes) -> float:
    fits = type(kind) is _NumberType and type(content) is bytes and len(content) == kind.item_bytes
    _require(fits, "a number that NumPy did not write")
    return 0.0


def _encode(text: str, encoding: str) -> bytes:
    _require(type(text) is str and encoding == "latin1", "bytes that pickle did not write")
    return text.encode("latin1")


_STAND_INS: dict[str, Any] = {
    "collections.OrderedDict": _OrderedDict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.device": _device,
    "numpy.dtype": _NumberType,
    "numpy.core.multiarray.scalar": _number,  # NumPy 1
    "numpy._core.multiarray.scalar": _number,  # NumPy 2
    "_codecs.encode": _encode,
    **{f"torch.{name}": _StorageType(item_bytes) for name, item_bytes in _STORAGES.items()},
}
