"""Two heaps of rows joined by key, in a temporary database that goes to disk when it grows: memory stays flat."""

from __future__ import annotations

import hashlib
import itertools
import pickle
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from holdfast.model.errors import SourceError
from holdfast.model.records import Row, Value
from holdfast.records.cancelling import identity

BEFORE, AFTER = "before", "after"

_CACHE_KIB = 65_536
_BATCH = 1000


class Spill:
    """Rows of two sides. A *mark* is the digest of a row's key, or of the whole row where there is no key.

    The file has no name (SQLite deletes it when it is opened) and nobody else can open it; close it.
    """

    def __init__(self, key: tuple[str, ...], columns: tuple[str, ...]) -> None:
        """``columns``: those that count when rows are compared; empty: all a row has."""
        self._key = key
        self._columns = columns
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for pragma in (f"cache_size = -{_CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF", "temp_store = FILE"):
            self._db.execute(f"PRAGMA {pragma}")
        for side in (BEFORE, AFTER):
            self._db.execute(f"CREATE TABLE {side} (mark BLOB, content BLOB, row BLOB)")
        self._db.execute("BEGIN")

    def close(self) -> None:
        """The temporary file is gone afterwards."""
        self._db.close()

    def put(self, side: str, rows: Iterable[Row]) -> int:
        """Keep these rows; how many there were. SourceError when there is no room."""
        count = 0
        encoded = (self._encoded(row) for row in rows)
        while batch := list(itertools.islice(encoded, _BATCH)):
            self._run(f"INSERT INTO {side} VALUES (?, ?, ?)", batch)
            count += len(batch)
        return count

    def sort(self) -> None:
        """To be called once when all rows are there."""
        for side in (BEFORE, AFTER):
            self._run(f"CREATE INDEX {side}_mark ON {side} (mark)")

    def changed(self) -> Iterator[tuple[Row, Row]]:
        """Rows of both sides with the same key and different content, before and after."""
        asked = (
            "SELECT b.row, a.row FROM before b JOIN after a ON a.mark = b.mark"
            " WHERE a.content <> b.content ORDER BY b.rowid"
        )
        return ((_row(one), _row(two)) for one, two in self._rows(asked))

    def count_changed(self) -> int:
        """How many ``changed`` gives."""
        asked = "SELECT count(*) FROM before b JOIN after a ON a.mark = b.mark WHERE a.content <> b.content"
        return int(next(self._rows(asked))[0])

    def only(self, side: str) -> Iterator[Row]:
        """Rows whose key the other side has not."""
        other = AFTER if side == BEFORE else BEFORE
        missing = f"{side} m WHERE NOT EXISTS (SELECT 1 FROM {other} o WHERE o.mark = m.mark)"
        return (_row(each) for (each,) in self._rows(f"SELECT row FROM {missing} ORDER BY rowid"))

    def count_only(self, side: str) -> int:
        """How many ``only`` gives."""
        other = AFTER if side == BEFORE else BEFORE
        missing = f"{side} m WHERE NOT EXISTS (SELECT 1 FROM {other} o WHERE o.mark = m.mark)"
        return int(next(self._rows(f"SELECT count(*) FROM {missing}"))[0])

    def surplus(self) -> Iterator[tuple[Row, int]]:
        """Whole rows with how many more there are after than before (negative: fewer); equal numbers cancel."""
        asked = (
            "SELECT min(row), sum(n) FROM"
            " (SELECT mark, row, -1 AS n FROM before UNION ALL SELECT mark, row, 1 FROM after)"
            " GROUP BY mark HAVING sum(n) <> 0"
        )
        return ((_row(row), int(count)) for row, count in self._rows(asked))

    def distinct(self) -> Iterator[Row]:
        """Every row of either side once."""
        both = "SELECT mark, row FROM before UNION ALL SELECT mark, row FROM after"
        asked = f"SELECT min(row) FROM ({both}) GROUP BY mark"
        return (_row(row) for (row,) in self._rows(asked))

    def once(self) -> None:
        """Keep one row of each mark: the same row may have come twice."""
        for side in (BEFORE, AFTER):
            total, different = next(self._rows(f"SELECT count(*), count(DISTINCT mark) FROM {side}"))
            if total != different:
                self._run(f"DELETE FROM {side} WHERE rowid NOT IN (SELECT min(rowid) FROM {side} GROUP BY mark)")

    def clear(self) -> None:
        """Forget all rows."""
        for side in (BEFORE, AFTER):
            self._run(f"DELETE FROM {side}")

    def _encoded(self, row: Row) -> tuple[bytes, bytes, bytes]:
        return self._mark(row), self._content(row), pickle.dumps((dict(row.values), row.raw), protocol=5)

    def _mark(self, row: Row) -> bytes:
        key = row.key(self._key)
        if not key or None in key:
            return self._content(row)
        return _digest(repr(tuple(map(_as_key, key))))

    def _content(self, row: Row) -> bytes:
        same = identity(row, self._columns)
        return hashlib.blake2b(same, digest_size=16).digest() if isinstance(same, bytes) else _digest(str(same))

    def _rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        # a cursor of its own: verdicts are written while it is read
        return iter(self._db.cursor().execute(sql))

    def _run(self, sql: str, batch: Sequence[tuple[Any, ...]] | None = None) -> None:
        try:
            if batch is None:
                self._db.execute(sql)
            else:
                self._db.executemany(sql, batch)
        except sqlite3.Error as error:
            raise SourceError(
                "the temporary database for comparing could not be written",
                why=str(error),
                hint="SQLITE_TMPDIR says where there is more room",
            ) from error


def _row(stored: bytes) -> Row:
    values, raw = pickle.loads(stored)  # noqa: S301 - written by this process a moment ago, into a file without a name
    return Row(values, raw)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _as_key(value: Value) -> Value:
    """1 and 1.0 are one key."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
