"""What two snapshots share is left out, and never anything that differs, whatever happened to the pages between."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.model.snapshot import Item, Segment, Slice
from holdfast.sources.records import Book, SnapshotView
from holdfast.sources.sqlite.records.snapshot_book import open_snapshot
from holdfast.sources.sqlite.segments import segment_key, segment_ranges

PIECE = 16 << 10
_TABLES = """
CREATE TABLE rows (id INTEGER PRIMARY KEY, n INT, s TEXT, long BLOB);
CREATE TABLE hidden (name TEXT PRIMARY KEY, s TEXT);
CREATE TABLE inside (name TEXT PRIMARY KEY, s TEXT) WITHOUT ROWID;
CREATE TABLE still (id INTEGER PRIMARY KEY, s TEXT);
"""


class Chunks:
    """Manifest and Content over files cut into small pieces; equal bytes are one chunk. ``read`` counts bytes."""

    def __init__(self, path: Path) -> None:
        self.notes: dict[str, Any] = {}
        raw = path.read_bytes()
        self._raw: dict[bytes, bytes] = {}
        self.read = 0
        segments = []
        for offset, end in segment_ranges(len(raw)):
            slices = []
            for at in range(offset, end, PIECE):
                piece = raw[at : min(at + PIECE, end)]
                self._raw[piece] = piece
                slices.append(Slice(piece, 0, len(piece)))
            segments.append(Segment(segment_key(offset, end), 0, end - offset, slices))
        self._item = Item(path.name.encode(), "database", 0, len(raw), segments)

    def items(self) -> Iterator[Item]:
        yield self._item

    def item(self, name: bytes) -> Item | None:
        return self._item

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        for piece in segment.slices:
            self.read += piece.length
            yield self._raw[piece.chunk][piece.offset : piece.offset + piece.length]

    def prefetch(self, segments: object) -> None:
        """Nothing to do."""


class NoShelf:
    """Forgets everything."""

    def get(self, name: str) -> bytes | None:
        return None

    def put(self, name: str, data: bytes) -> None:
        """Forgotten."""


@contextlib.contextmanager
def looked_into(path: Path) -> Iterator[tuple[Book, Chunks]]:
    """A book over the file as it is now."""
    chunks = Chunks(path)
    with open_snapshot(SnapshotView(id="s", manifest=chunks, content=chunks, shelf=NoShelf())) as book:
        yield book, chunks


def frozen(rows: Iterator[Any]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(sorted((name, repr(value)) for name, value in row.values.items())) for row in rows)


def require_every_difference(before: Book, after: Book) -> int:
    """Both ways, in either order of asking; gives how many rows were told."""
    told = 0
    for one, two in ((before, after), (after, before)):
        for name, table in one.tables.items():
            mine, theirs = frozen(one.rows(table)), frozen(two.rows(two.tables[name]))
            found = frozen(one.rows_not_shared(table, two))
            assert not (mine - theirs) - found, name
            assert not found - mine, name
            told += sum(found.values())
    return told


def _filled(path: Path, page_size: int, vacuum: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA page_size = {page_size}")
    connection.execute(f"PRAGMA auto_vacuum = {vacuum}")
    connection.execute("PRAGMA journal_mode = off")
    connection.execute("PRAGMA synchronous = off")
    connection.executescript(_TABLES)
    connection.execute("BEGIN")
    dice = random.Random(7)
    for number in range(1_200):
        long = dice.randbytes(dice.choice((0, 0, 0, 0, 10, 3_000, 9_000)))
        connection.execute("INSERT INTO rows VALUES (?, ?, ?, ?)", (number * 3, number, f"s{number}", long))
        connection.execute("INSERT INTO hidden VALUES (?, ?)", (f"k{dice.random()}", "x" * (number % 50)))
        connection.execute("INSERT INTO inside VALUES (?, ?)", (f"k{dice.random()}", "x" * (number % 50)))
        connection.execute("INSERT INTO still VALUES (?, ?)", (number - 600, "still"))
    connection.execute("COMMIT")
    return connection


def _inside_long(connection: sqlite3.Connection, dice: random.Random) -> None:
    """The last bytes of long values, in place: only pages far from the row change."""
    for _ in range(3):
        number = dice.randrange(1_200) * 3
        connection.execute("UPDATE rows SET long = substr(long, 1, length(long) - 4) || x'00010203' WHERE id = ? "
                           "AND length(long) > 8000", (number,))  # fmt: skip


def _blob_in_place(connection: sqlite3.Connection, dice: random.Random) -> None:
    """Through incremental writing, which touches nothing but the bytes."""
    found = connection.execute("SELECT id FROM rows WHERE length(long) > 8000").fetchall()
    (number,) = dice.choice(found)
    with contextlib.closing(connection.blobopen("rows", "long", number)) as blob:
        blob.seek(8_500)
        blob.write(dice.randbytes(8))


def _updated(connection: sqlite3.Connection, dice: random.Random) -> None:
    for table in ("rows", "hidden"):
        text, number = f"new {dice.random()}", dice.randrange(1_200) * 3
        connection.execute(f"UPDATE {table} SET s = ? WHERE rowid = ?", (text, number))
    connection.execute("UPDATE inside SET s = 'new' WHERE substr(name, 4, 2) = '12'")


def _deleted(connection: sqlite3.Connection, dice: random.Random) -> None:
    at = dice.randrange(2_400)
    connection.execute("DELETE FROM rows WHERE id BETWEEN ? AND ?", (at, at + 300))
    connection.execute("DELETE FROM hidden WHERE rowid BETWEEN ? AND ?", (at // 4, at // 4 + 300))


def _inserted(connection: sqlite3.Connection, dice: random.Random) -> None:
    for _ in range(200):
        number = dice.choice((dice.randrange(9_000) * 3 + 1, -dice.randrange(10_000)))
        connection.execute("INSERT OR IGNORE INTO rows VALUES (?, 1, 'new', ?)", (number, dice.randbytes(700)))
    connection.execute("INSERT INTO hidden VALUES (?, 'new')", (f"n{dice.random()}",))


def _emptied(connection: sqlite3.Connection, dice: random.Random) -> None:
    connection.execute("DELETE FROM hidden")


def _moved(connection: sqlite3.Connection, dice: random.Random) -> None:
    connection.execute("VACUUM")


def _swapped(connection: sqlite3.Connection, dice: random.Random) -> None:
    """Two tables change places: equal pages belong to the other one."""
    connection.executescript(
        "ALTER TABLE still RENAME TO aside; CREATE TABLE still (id INTEGER PRIMARY KEY, s TEXT);"
        "INSERT INTO still SELECT * FROM aside WHERE id > 0; DROP TABLE aside;"
    )


CHANGES: tuple[Callable[[sqlite3.Connection, random.Random], None], ...] = (
    _inside_long, _updated, _deleted, _inserted, _emptied, _moved, _swapped,
)  # fmt: skip


@pytest.mark.parametrize(("page_size", "vacuum"), [(512, 0), (4096, 0), (1024, 1), (65536, 0)])
def test_every_difference_is_told_whatever_happened(tmp_path: Path, page_size: int, vacuum: int) -> None:
    """Each kind of change alone, then several together."""
    path = tmp_path / "a.db"
    dice = random.Random(page_size)
    with contextlib.closing(_filled(path, page_size, vacuum)) as connection:
        plans = [(change,) for change in CHANGES] + [tuple(dice.sample(CHANGES, 3)) for _ in range(2)]
        for plan in plans:
            with looked_into(path) as (before, _):
                for change in plan:
                    change(connection, dice)
                with looked_into(path) as (after, _):
                    require_every_difference(before, after)


@pytest.mark.skipif(not hasattr(sqlite3.Connection, "blobopen"), reason="not proven: needs Python 3.11")
def test_bytes_changed_within_a_long_value_are_told(tmp_path: Path) -> None:
    """No page of the tree itself differs then."""
    path = tmp_path / "a.db"
    dice = random.Random(1)
    with contextlib.closing(_filled(path, 1024, 0)) as connection, looked_into(path) as (before, _):
        _blob_in_place(connection, dice)
        with looked_into(path) as (after, _):
            assert 0 < require_every_difference(before, after) < 100


def test_what_is_shared_is_not_read(tmp_path: Path) -> None:
    """One row changed: a small part of the bytes, and a handful of rows."""
    path = tmp_path / "a.db"
    with contextlib.closing(_filled(path, 4096, 0)) as connection, looked_into(path) as (before, _):
        connection.execute("UPDATE rows SET n = -1 WHERE id = 1800")
        with looked_into(path) as (after, chunks):
            already = chunks.read
            told = list(after.rows_not_shared(after.tables["rows"], before))
            assert 1800 in [row.values["id"] for row in told] and len(told) < 100
            assert list(after.rows_not_shared(after.tables["still"], before)) == []
            assert chunks.read - already < path.stat().st_size // 20


@pytest.mark.parametrize(
    ("table", "columns", "key"),
    [("one", ("id",), (7_777,)), ("one", ("name",), ("name 7777",)), ("pairs", ("a", "b"), (77, "b7777")),
     ("inside", ("a", "b"), (77, "b7777"))],
)  # fmt: skip
def test_a_row_is_found_by_key_without_reading_the_table(
    tmp_path: Path, table: str, columns: tuple[str, ...], key: tuple[Any, ...]
) -> None:
    """By primary and unique keys, composite ones too, a few pages are enough."""
    path = tmp_path / "a.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "PRAGMA page_size = 1024; CREATE TABLE one (id INTEGER PRIMARY KEY, name TEXT UNIQUE, more TEXT);"
            "CREATE TABLE pairs (a INT, b TEXT, more TEXT, PRIMARY KEY (a, b));"
            "CREATE TABLE inside (a INT, b TEXT, more TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;"
        )
        for number in range(30_000):
            more = "m" * 60
            connection.execute("INSERT INTO one VALUES (?, ?, ?)", (number, f"name {number}", more))
            for pair in ("pairs", "inside"):
                connection.execute(f"INSERT INTO {pair} VALUES (?, ?, ?)", (number // 100, f"b{number}", more))
        connection.commit()
    with looked_into(path) as (book, chunks):
        already = chunks.read
        (found,) = book.find(book.tables[table], columns, [key])
        assert found.key(columns) == key
        assert chunks.read - already <= 8 * PIECE
        assert chunks.read < path.stat().st_size // 20
