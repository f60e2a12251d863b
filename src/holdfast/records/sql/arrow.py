"""Rows of text columns handed to DuckDB batch by batch, through the Arrow C stream interface.

The interface is three C structs (https://arrow.apache.org/docs/format/CStreamInterface.html); nothing is copied
twice, and nothing is read that is not asked for.
"""

from __future__ import annotations

import ctypes
import itertools
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any

_EIO = 5
_NULLABLE = 2
_UTF8, _STRUCT = b"u", b"+s"

Batch = Sequence[Sequence[str | None]]
"""The values of some rows, column by column."""


class _Schema(ctypes.Structure):
    """ArrowSchema."""


class _Array(ctypes.Structure):
    """ArrowArray."""


class _Stream(ctypes.Structure):
    """ArrowArrayStream."""


_ReleaseSchema = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Schema))
_ReleaseArray = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))
_ReleaseStream = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Stream))
_GetSchema = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Schema))
_GetNext = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Array))
_GetLastError = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_Stream))

_Schema._fields_ = [
    ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p), ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64), ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.c_void_p), ("release", _ReleaseSchema), ("private_data", ctypes.c_void_p),
]  # fmt: skip
_Array._fields_ = [
    ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64), ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))), ("dictionary", ctypes.c_void_p),
    ("release", _ReleaseArray), ("private_data", ctypes.c_void_p),
]  # fmt: skip
_Stream._fields_ = [
    ("get_schema", _GetSchema), ("get_next", _GetNext), ("get_last_error", _GetLastError),
    ("release", _ReleaseStream), ("private_data", ctypes.c_void_p),
]  # fmt: skip

_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]

# What C holds pointers to must outlive it: by number, until C says that it is done.
_held: dict[int, Any] = {}
_numbers = itertools.count(1)


def _hold(kept: Any) -> int:
    number = next(_numbers)
    _held[number] = kept
    return number


def _release_children(parent: Any) -> None:
    """Those that were not taken out of it before."""
    for number in range(parent.n_children):
        child = parent.children[number]
        if child.contents.release:
            child.contents.release(child)


def _released_schema(schema: Any) -> None:
    _release_children(schema.contents)
    number = schema.contents.private_data
    schema.contents.release = _ReleaseSchema()
    _held.pop(number, None)


def _released_array(one: Any) -> None:
    _release_children(one.contents)
    number = one.contents.private_data
    one.contents.release = _ReleaseArray()
    _held.pop(number, None)


_release_schema = _ReleaseSchema(_released_schema)
_release_array = _ReleaseArray(_released_array)


class TextStream:
    """Nullable text ``columns``; ``batches`` is called anew for each scan, and what it raises is in ``failed``."""

    def __init__(self, columns: Sequence[str], batches: Callable[[], Iterator[Batch]]) -> None:
        self._columns = [name.encode("utf-8", "replace") for name in columns]
        self._batches = batches
        self.failed: BaseException | None = None

    def __arrow_c_schema__(self) -> Any:
        """The schema alone, so that no scan is begun for it."""
        schema = _Schema()
        self._fill_schema(schema)
        _hold(schema)  # the capsule's owner moves the struct out of it; what is left is a few hundred bytes
        return _new_capsule(ctypes.addressof(schema), b"arrow_schema", None)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """A scan from the beginning."""
        del requested_schema
        batches = self._batches()
        error = ctypes.create_string_buffer(b"rows could not be read")

        def get_schema(_stream: Any, out: Any) -> int:
            self._fill_schema(out.contents)
            return 0

        def get_next(_stream: Any, out: Any) -> int:
            try:
                batch = next(batches, None)
                if batch is None:
                    out.contents.release = _ReleaseArray()
                else:
                    _fill_array(out.contents, batch)
            except BaseException as failure:  # noqa: BLE001 - nothing may be raised into C; told when the query ends
                self.failed = failure
                return _EIO
            return 0

        def get_last_error(_stream: Any) -> int:
            return ctypes.addressof(error)

        def release(stream: Any) -> None:
            batches.close()  # type: ignore[attr-defined]
            stream.contents.release = _ReleaseStream()
            _ended.append(stream.contents.private_data)

        _let_go()
        calls = (_GetSchema(get_schema), _GetNext(get_next), _GetLastError(get_last_error), _ReleaseStream(release))
        stream = _Stream(*calls)
        stream.private_data = _hold((stream, calls, error))
        return _new_capsule(ctypes.addressof(stream), b"arrow_array_stream", None)

    def _fill_schema(self, schema: _Schema) -> None:
        children = [_Schema(format=_UTF8, name=name, flags=_NULLABLE) for name in self._columns]
        for child in children:
            child.release = _release_schema
            child.private_data = _hold(child)
        pointers = (ctypes.POINTER(_Schema) * max(1, len(children)))(*map(ctypes.pointer, children))
        schema.format, schema.name, schema.metadata, schema.flags = _STRUCT, b"", None, 0
        schema.n_children = len(children)
        schema.children = ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(_Schema)))
        schema.dictionary = None
        schema.release = _release_schema
        schema.private_data = _hold((children, pointers))


# A stream's own functions cannot be freed while they run: those that ended are let go when the next one begins.
_ended: list[int] = []


def _let_go() -> None:
    while _ended:
        _held.pop(_ended.pop(), None)


def _fill_array(out: _Array, batch: Batch) -> None:
    length = len(batch[0]) if batch else 0
    children = [_text_array(values) for values in batch]
    pointers = (ctypes.POINTER(_Array) * max(1, len(children)))(*map(ctypes.pointer, children))
    buffers = (ctypes.c_void_p * 1)(None)
    out.length, out.null_count, out.offset, out.n_buffers, out.n_children = length, 0, 0, 1, len(children)
    out.buffers = ctypes.cast(buffers, ctypes.POINTER(ctypes.c_void_p))
    out.children = ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(_Array)))
    out.dictionary = None
    out.release = _release_array
    out.private_data = _hold((children, pointers, buffers))


def _text_array(values: Sequence[str | None]) -> _Array:
    encoded = [b"" if value is None else value.encode("utf-8", "backslashreplace") for value in values]
    data = b"".join(encoded)
    offsets = array("i", itertools.accumulate(map(len, encoded), initial=0))
    nulls = sum(value is None for value in values)
    validity = _validity(values) if nulls else b""
    places = (ctypes.c_void_p * 3)(
        _address(validity) if nulls else None, offsets.buffer_info()[0], _address(data) if data else _address(b"\0")
    )
    made = _Array(length=len(values), null_count=nulls, offset=0, n_buffers=3, n_children=0)
    made.buffers = ctypes.cast(places, ctypes.POINTER(ctypes.c_void_p))
    made.release = _release_array
    made.private_data = _hold((made, data, offsets, validity, places))
    return made


def _validity(values: Sequence[str | None]) -> bytes:
    """One bit a value, the lowest first."""
    bits = bytearray(b"\xff" * ((len(values) + 7) // 8))
    for at, value in enumerate(values):
        if value is None:
            bits[at >> 3] &= ~(1 << (at & 7))
    return bytes(bits)


def _address(data: bytes) -> int:
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
