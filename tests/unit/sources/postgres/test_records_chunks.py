"""Looking into chunks, against looking at every row: random tables, cut anywhere, changed at random."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from holdfast.chunking.cutters import ContentCutter
from holdfast.model.records import Row
from holdfast.model.snapshot import Item, Notes, Segment, Slice
from holdfast.sources.postgres.records import changes, finding, units
from holdfast.sources.postgres.records.snapshot_book import SnapshotBook
from holdfast.sources.postgres.records.text import Form
from holdfast.sources.records import SnapshotView

FORM = Form(names=("id", "n", "t"), types=("integer", "integer", "text"))
_NOTES = {"columns": list(FORM.names), "types": list(FORM.types)}
_STORE: dict[bytes, bytes] = {}


class _Stored:
    """Manifest and Content of one table whose segments are given; ``lines`` of each."""

    def __init__(self, segments: Sequence[Sequence[Row]], key: tuple[str, ...]) -> None:
        self.notes: Notes = {"encoding": "UTF8"}
        cut = [self._segment(f"{number}-", rows) for number, rows in enumerate(segments)]
        self._item = Item(b"public.t", "table", 0, sum(one.size for one in cut), cut, {**_NOTES, "key": list(key)})

    def _segment(self, key: str, rows: Sequence[Row]) -> Segment:
        data, cutter, slices = FORM.lines(rows), ContentCutter(256, 3, rows=True), []
        for chunk in [*cutter.push(data), *cutter.end()]:
            for piece in self._torn(chunk):
                name = hashlib.blake2b(piece, digest_size=32).digest()
                _STORE[name] = piece
                slices.append(Slice(name, 0, len(piece)))
        return Segment(key, len(rows), len(data), slices)

    def _torn(self, chunk: bytes) -> list[bytes]:
        """A long row is cut inside, as a cutter with less reach would."""
        return [chunk[:2000], chunk[2000:]] if len(chunk) > 3000 else [chunk]

    def items(self) -> Iterator[Item]:
        return iter([self._item])

    def item(self, name: bytes) -> Item | None:
        return self._item if name == self._item.name else None

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        for piece in segment.slices:
            yield _STORE[piece.chunk][piece.offset : piece.offset + piece.length]

    def prefetch(self, segments: Sequence[Segment]) -> None:
        pass


class _Shelf(dict[str, bytes]):
    def put(self, name: str, data: bytes) -> None:
        if random.random() < 0.9:
            self[name] = data


def _book(segments: Sequence[Sequence[Row]], shelf: _Shelf, name: str, key: tuple[str, ...]) -> SnapshotBook:
    stored = _Stored(segments, key)
    return SnapshotBook(SnapshotView(id=name, manifest=stored, content=stored, shelf=shelf))


def _row(number: int, random_one: random.Random) -> Row:
    long = random_one.random() < 0.03
    text = random_one.choice([None, "", "x\ty", "\\N", "z" * 40]) if not long else "long\n" * 1200
    return Row({"id": str(number), "n": str(random_one.randrange(20)), "t": text})


def _frozen(rows: object) -> Counter[tuple[tuple[str, object], ...]]:
    return Counter(tuple(row.values.items()) for row in rows)  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("keyed", [True, False])
def test_looking_into_chunks_is_looking_at_every_row(
    seed: int, keyed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading, finding by key and otherwise over several snapshots, and what two snapshots do not share."""
    monkeypatch.setattr(finding, "_SCANNED", 0)
    monkeypatch.setattr(units, "SMALL", 0)
    monkeypatch.setattr(changes, "ROW_REACH", 1000)
    chance = random.Random(seed)
    shelf, key = _Shelf(), ("id",) if keyed else ()
    segments = [[_row(100 * part + n, chance) for n in range(chance.randrange(1, 90))] for part in range(4)]
    before = None
    for version in range(5):
        book = _book(segments, shelf, f"{seed} {version}", key)
        table, rows = book.tables["public.t"], [row for segment in segments for row in segment]
        assert list(book.rows(table)) == rows
        for columns in (("id",), ("n",), ("n", "t"), ("t",)):
            wanted = {row.key(columns) for row in chance.sample(rows, min(len(rows), chance.choice([1, 3, 40])))}
            wanted |= {tuple("no" for _ in columns)}
            assert _frozen(book.find(table, columns, wanted)) == _frozen(r for r in rows if r.key(columns) in wanted)
        if before is not None:
            old, new = _frozen(before.rows(table)), _frozen(rows)
            gone, come = _frozen(before.rows_not_shared(table, book)), _frozen(book.rows_not_shared(table, before))
            assert not (old - new) - gone and not (new - old) - come
            assert old - gone == new - come
        before = book
        segments = [list(segment) for segment in segments]
        for _ in range(chance.randrange(4)):
            segment = chance.choice(segments)
            place = chance.randrange(len(segment) + 1)
            long = [at for at, row in enumerate(segment) if len(str(row.values["t"])) > 3000]
            if long and chance.random() < 0.4:
                at = chance.choice(long)
                segment[at] = Row({**segment[at].values, "t": f"{segment[at].values['t']}!"})
            elif chance.random() < 0.4 and len(segment) > 1:
                del segment[min(place, len(segment) - 1)]
            elif keyed or chance.random() < 0.5:
                segment.insert(place, _row(1000 + 10 * version + chance.randrange(10**6), chance))
            else:
                segment.insert(place, chance.choice(segment))
