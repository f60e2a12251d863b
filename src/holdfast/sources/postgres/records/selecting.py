"""Picks rows by the values of some columns out of lines of COPY text, with as little work per row as there can be."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from zlib import crc32

from holdfast.model.records import Key
from holdfast.sources.postgres.records.paths import Path, path_of, reader
from holdfast.sources.postgres.records.spans import length
from holdfast.sources.postgres.records.text import Form, escaped

_FEW = 8
_WRITTEN_ONE_WAY = re.compile(rb"[A-Za-z0-9_.:-]+")
_LETTERS_FOLDED = ("citext",)
_NUMBERS_WITHIN = ("jsonb", "numrange", "nummultirange")
_TEXT_OR_NUMBER = re.compile(rb'"(?:[^"\\]|\\\\(?:\\\\|.))*+"|-?\d+\.\d+')
_PADDED = ("character", "bpchar", '"char"')


class Selector:
    """Compares ``columns`` (paths allowed) of the rows of one form. ``below``: the type that a domain is over."""

    def __init__(self, form: Form, columns: Sequence[str], below: Callable[[str], str] = str) -> None:
        self._form = form
        self._width = len(form.names)
        self._sources = [_Source(form, name, below) for name in columns]
        self._plain = all(source.path is None for source in self._sources)
        self._exact = self._plain and all(source.alike is None for source in self._sources)

    @property
    def plain(self) -> bool:
        """Whether all of them are columns."""
        return self._plain

    @property
    def exact(self) -> bool:
        """Whether equal keys are equal bytes."""
        return self._exact

    @property
    def meaning(self) -> bytes:
        """Changes whenever other bytes would be compared for the same columns."""
        kinds = [source.kind for source in self._sources]
        later = [source.alike.__name__ for source in self._sources if source.alike in (length, _signless, _numbers_in)]
        return f"{self._form.codec} {kinds}{later or ''}".encode("utf-8", "surrogatepass")

    @property
    def known(self) -> bool:
        """Whether the table has all these columns."""
        return all(source.place is not None for source in self._sources)

    def sought(self, wanted: Collection[Key]) -> frozenset[bytes]:
        """Keys in the form they are compared in."""
        fit = (key for key in wanted if len(key) == len(self._sources))
        return frozenset(
            b"\t".join(
                [source.text(self._form.encoded(escaped(value)))
                 for source, value in zip(self._sources, key, strict=True)]
            )
            for key in fit
        )

    def hashes(self, data: bytes) -> set[int]:
        """A number of 32 bits for every key in these lines."""
        if self._plain:
            return set(map(crc32, self._keys(data)))
        lines = data.split(b"\n")
        lines.pop()
        return set(map(crc32, itertools.chain.from_iterable(self._several(lines))))

    def lines(self, data: bytes, sought: frozenset[bytes]) -> Iterator[bytes]:
        """The lines, newline included, whose key is sought; in order, each once."""
        if self._exact and len(sought) <= _FEW:
            yield from self._found(data, sought)
            return
        lines = data.split(b"\n")
        lines.pop()
        if self._plain:
            for line, key in zip(lines, self._keys(data), strict=True):
                if key in sought:
                    yield line + b"\n"
        else:
            lines = self._likely(lines, sought)
            for line, keys in zip(lines, self._several(lines), strict=True):
                if not sought.isdisjoint(keys):
                    yield line + b"\n"

    def keys(self, data: bytes) -> list[bytes]:
        """The key of each line (plain columns only)."""
        return list(self._keys(data))

    def key(self, line: bytes) -> bytes:
        """The key of one line (plain columns only)."""
        return next(iter(self._keys(line + b"\n")))

    def _found(self, data: bytes, sought: frozenset[bytes]) -> Iterator[bytes]:
        """Search the bytes of one value, then look whether it stands in the right place."""
        begins: set[tuple[int, int]] = set()
        for key in sought:
            values = key.split(b"\t")
            chosen = max(range(len(values)), key=lambda place: len(values[place]))
            place = self._sources[chosen].place or 0
            needle = values[chosen] + (b"\n" if place == self._width - 1 else b"\t")
            if not place and data.startswith(needle):
                begins.update(self._at(data, 0, key))
            needle = (b"\t" if place else b"\n") + needle
            at = data.find(needle)
            while at >= 0:
                found = self._at(data, at if place else at + 1, key)
                begins.update(found)
                at = data.find(needle, found[0][1] if found else at + 1)
        for begin, end in sorted(begins):
            yield data[begin : end + 1]

    def _at(self, data: bytes, at: int, key: bytes) -> list[tuple[int, int]]:
        """Begin and end of the line around ``at``, when it has this key."""
        begin = data.rfind(b"\n", 0, at) + 1
        end = data.find(b"\n", at)
        return [(begin, end)] if self.key(data[begin:end]) == key else []

    def _keys(self, data: bytes) -> Iterator[bytes]:
        """The key of each line."""
        lines = data.split(b"\n")
        lines.pop()
        if len(self._sources) == 1:
            return iter(self._sources[0].of(lines))
        return map(b"\t".join, zip(*[source.of(lines) for source in self._sources], strict=True))

    def _likely(self, lines: list[bytes], sought: frozenset[bytes]) -> list[bytes]:
        """Lines that may have a sought value somewhere: where values are written one way only, their bytes must be."""
        if len(self._sources) > 1 or len(sought) > _FEW or not all(map(_WRITTEN_ONE_WAY.fullmatch, sought)):
            return lines
        return [line for line in lines if b"\\u" in line or any(key in line for key in sought)]

    def _several(self, lines: list[bytes]) -> Iterator[list[bytes]]:
        """All keys of each line, where paths lead to several values."""
        columns = [source.all_of(lines) for source in self._sources]
        for values in zip(*columns, strict=True):
            yield [b"\t".join(key) for key in itertools.product(*values)]


class _Source:
    """One column, or a path in one. ``alike``: how values are made equal that the database holds for equal."""

    def __init__(self, form: Form, name: str, below: Callable[[str], str]) -> None:
        self._form = form
        self.place = form.place(name)
        self.kind = form.types[self.place or 0] if form.types else ""
        self.path: Path | None = None
        self.alike: Callable[[bytes], bytes] | None = None
        if self.place is None:
            self.path = path_of(name, form.names)
            self.place = form.place(self.path.column) if self.path else None
            self.kind = form.types[self.place or 0] if form.types else ""
        else:
            self.kind = below(self.kind) if "." in self.kind else self.kind
            self.alike = _alike(self.kind)
        self._read = reader(form, self.path) if self.path else None

    def text(self, value: bytes) -> bytes:
        return self.alike(value) if self.alike else value

    def of(self, lines: list[bytes]) -> list[bytes]:
        place = self.place or 0
        found = [line.split(b"\t", place + 1)[place] for line in lines]
        return list(map(self.alike, found)) if self.alike else found

    def all_of(self, lines: list[bytes]) -> Iterator[list[bytes]]:
        if self._read is None:
            return ([one] for one in self.of(lines))
        place = self.place or 0
        return map(self._values, [line.split(b"\t", place + 1)[place] for line in lines])

    def _values(self, field: bytes) -> list[bytes]:
        if self._read is None:
            return [field]
        found = self._read(field)
        if len(found) > 1:
            found = list(dict.fromkeys(found))
        return [self._form.encoded(escaped(value)) for value in found]


def _alike(type_name: str) -> Callable[[bytes], bytes] | None:
    """How equal values of a type may be written in more than one way."""
    if type_name.startswith("numeric") and not type_name.endswith("[]"):
        return _number
    if type_name.startswith("interval") and not type_name.endswith("[]"):
        return length
    if type_name in ("real", "double precision"):
        return _signless
    if type_name.startswith(_PADDED):
        return bytes.rstrip if "varying" not in type_name else None
    if type_name.rpartition(".")[2] in _LETTERS_FOLDED:
        return _folded
    if type_name in _NUMBERS_WITHIN or type_name.startswith("numeric"):
        return _numbers_in
    return None


def _number(text: bytes) -> bytes:
    if b"." not in text:
        return text
    stripped = text.rstrip(b"0").rstrip(b".")
    try:
        return stripped if Decimal(text.decode()) else b"0"
    except (InvalidOperation, UnicodeDecodeError):
        return text


def _numbers_in(text: bytes) -> bytes:
    """Numbers of any length within JSON, ranges and arrays, but not within texts; a backslash is written as two."""
    if b"." not in text:
        return text
    return _TEXT_OR_NUMBER.sub(lambda each: each[0] if each[0][:1] == b'"' else _number(each[0]), text)


def _signless(text: bytes) -> bytes:
    """Zero has two signs and is one number."""
    return b"0" if text == b"-0" else text


def _folded(text: bytes) -> bytes:
    return text.decode("utf-8", "surrogateescape").lower().encode("utf-8", "surrogateescape")
