"""A key index over the chunks of a table: which units may hold a key. Kept on the shelf, built for new units only.

The directory lists generations; each is a set of units with a number of 32 bits for every key in them. Units that a
snapshot does not have are passed over. When generations get many, all but the largest are let go and built again.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from zlib import crc32

import msgspec

from holdfast.model.snapshot import Item, Slice
from holdfast.sources.base import Content
from holdfast.sources.postgres.load_sliced import is_sliced
from holdfast.sources.postgres.records.index_parts import Parts, parts_for, put_parts
from holdfast.sources.postgres.records.selecting import Selector
from holdfast.sources.postgres.records.units import Unit, identity, in_rows, readings, whole
from holdfast.sources.records import Shelf

_VERSION = 1
_GENERATIONS = 8
_ID = 16


class _Generation(msgspec.Struct, array_like=True):
    """``ids`` of its units, ``firsts`` of the first slice of each, ``counts`` of their slices."""

    name: str
    parts: int
    firsts: bytes
    ids: bytes
    counts: list[int]


class _Directory(msgspec.Struct, array_like=True):
    version: int
    generations: list[_Generation]


class _Sorted:
    """This snapshot's units: by generation and place, runs of slices that none knows, and rows in pieces."""

    def __init__(self, directory: _Directory, item: Item) -> None:
        self._generations = directory.generations
        self._places: dict[bytes, list[tuple[int, int]]] = {}
        for number, one in enumerate(directory.generations):
            for place in range(len(one.counts)):
                self._places.setdefault(one.firsts[place * _ID : (place + 1) * _ID], []).append((number, place))
        self.known: list[dict[int, list[Unit]]] = [{} for _ in directory.generations]
        self.missing: list[Sequence[Slice]] = []
        self.sliced = [whole(segment) for segment in item.segments if is_sliced(segment)]
        for segment in item.segments:
            if not is_sliced(segment):
                self.missing += self._sort(segment.slices)

    def _sort(self, slices: Sequence[Slice]) -> Iterator[Sequence[Slice]]:
        at, begin = 0, 0
        while at < len(slices):
            run = self._take(slices, at)
            if not run:
                at += 1
                continue
            if begin < at:
                yield slices[begin:at]
            at += run
            begin = at
        if begin < at:
            yield slices[begin:at]

    def _take(self, slices: Sequence[Slice], at: int) -> int:
        """Put the unit that begins here where the directory has it; how many slices it is of."""
        for number, place in self._places.get(identity(slices[at : at + 1]), ()):
            generation = self._generations[number]
            run = slices[at : at + generation.counts[place]]
            if generation.ids[place * _ID : (place + 1) * _ID] == identity(run):
                self.known[number].setdefault(place, []).append(Unit(tuple(run)))
                return len(run)
        return 0


class KeyIndex:
    """The index of one item for some columns."""

    def __init__(self, shelf: Shelf, content: Content, item: Item, columns: Sequence[str], selector: Selector) -> None:
        self._shelf = shelf
        self._content = content
        self._item = item
        self._selector = selector
        names = b"\0".join([item.name, *[one.encode("utf-8", "surrogateescape") for one in columns], selector.meaning])
        self._name = f"postgres-key-{hashlib.blake2b(names, digest_size=12).hexdigest()}"
        self._directory = self._load()
        self._sorted = _Sorted(self._directory, item)
        self._parts: dict[str, Parts] = {}

    @property
    def ready(self) -> bool:
        """Whether every unit of this snapshot is known already."""
        return not self._sorted.missing

    def search(self, sought: frozenset[bytes]) -> tuple[list[bytes], list[Unit]]:
        """(lines found while the index was built, other units that may hold one of these keys)."""
        numbers = {crc32(key) for key in sought}
        lines, built = self._complete(sought)
        found = self._hits(numbers, built)
        if found is None:  # the shelf forgot a part: from the beginning
            self._restart(keep=[])
            lines, built = self._complete(sought)
            found = self._hits(numbers, built)
        return lines, (found or []) + self._sorted.sliced

    def _hits(self, numbers: set[int], built: str) -> list[Unit] | None:
        """Units of every generation but the one just ``built``; None when the shelf has forgotten."""
        found: list[Unit] = []
        for generation, units in zip(self._directory.generations, self._sorted.known, strict=True):
            if not units or generation.name == built:
                continue
            name = f"{self._name}-{generation.name}"
            parts = self._parts.setdefault(name, Parts(self._shelf, name, generation.parts))
            places = parts.hits(numbers)
            if places is None:
                return None
            found += [unit for place in sorted(places & units.keys()) for unit in units[place]]
        return found

    def _complete(self, sought: frozenset[bytes]) -> tuple[list[bytes], str]:
        """Build what is missing, as one more generation; its name, and the lines sought that were passed on the way."""
        if self.ready:
            return [], ""
        if len(self._directory.generations) >= _GENERATIONS:
            self._restart(keep=[max(self._directory.generations, key=lambda one: len(one.counts))])
        lines: list[bytes] = []
        built = self._build(sought, lines)
        self._directory.generations.append(built)
        self._shelf.put(self._name, msgspec.msgpack.encode(self._directory))
        self._sorted = _Sorted(self._directory, self._item)
        return lines, built.name

    def _restart(self, keep: list[_Generation]) -> None:
        self._directory.generations = keep
        self._parts.clear()
        self._sorted = _Sorted(self._directory, self._item)

    def _build(self, sought: frozenset[bytes], lines: list[bytes]) -> _Generation:
        units: list[Unit] = []
        numbers: list[array[int]] = []
        pieces = [Unit((piece,)) for run in self._sorted.missing for piece in run]
        for unit, data in in_rows(readings(self._content, pieces)):
            units.append(unit)
            numbers.append(array("I", sorted(self._selector.hashes(data))))
            lines += self._selector.lines(data, sought)
        ids = b"".join(unit.id for unit in units)
        name = hashlib.blake2b(ids, digest_size=8).hexdigest()
        parts = parts_for(sum(map(len, numbers)))
        put_parts(self._shelf, f"{self._name}-{name}", parts, numbers)
        firsts = b"".join(identity(unit.slices[:1]) for unit in units)
        return _Generation(name, parts, firsts, ids, [len(unit.slices) for unit in units])

    def _load(self) -> _Directory:
        data = self._shelf.get(self._name)
        if data is not None:
            try:
                found = msgspec.msgpack.decode(data, type=_Directory)
            except msgspec.DecodeError:
                found = None
            if found is not None and found.version == _VERSION:
                return found
        return _Directory(_VERSION, [])

