"""Puts rows together that were too large to be saved as one line: piece by piece, one column at a time.

The slices are COPY text rows ``(rowno bigint, col int, part int, piece text)``: a marker ``(rowno, 0, 0, '')`` for
each row, then the pieces of each column that is not NULL (``col`` counts from 1; bytea pieces are hex).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.model.snapshot import Segment
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.target_place import value

_PIECES = "pg_temp.holdfast_pieces"
_ROWS = "pg_temp.holdfast_rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The slices: ``blocks`` of COPY text, COPY ``options`` to read them, columns in ``hexadecimal`` digits."""

    blocks: Iterable[bytes]
    options: str = ""
    hexadecimal: tuple[str | int, ...] = ()


def is_sliced(segment: Segment) -> bool:
    """Whether a segment holds slices of rows instead of rows."""
    return (segment.notes or {}).get("format") == "sliced"


def load_sliced(connection: Connection, table: str, columns: Sequence[str], source: Source) -> int:
    """Load the rows of one sliced segment into ``table`` (SQL) inside the open transaction; their number.

    The rows are put together beside the table, where no constraint asks for a column that is not there yet.
    """
    names = ", ".join(map(quote, columns))
    _run(connection, "CREATE TEMP TABLE holdfast_pieces (rowno bigint, col int, part int, piece text)")
    _run(
        connection,
        f"CREATE TEMP TABLE holdfast_rows AS SELECT {names}, NULL::bigint AS holdfast_rowno FROM {table} WITH NO DATA",
    )
    with connection.cursor() as cursor, cursor.copy(f"COPY {_PIECES} FROM STDIN{source.options}") as copy:
        for block in source.blocks:
            copy.write(block)
    _run(connection, f"CREATE INDEX ON {_PIECES} (col, rowno, part)")
    _run(
        connection,
        f"INSERT INTO {_ROWS} (holdfast_rowno) SELECT rowno FROM {_PIECES} WHERE col = 0 ORDER BY rowno",
    )
    for position, (name, kind) in enumerate(_types(connection, columns), start=1):
        hexadecimal = name in source.hexadecimal or position in source.hexadecimal
        _fill(connection, position, (name, kind), hexadecimal=hexadecimal)
    _run(
        connection,
        f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {_ROWS} ORDER BY holdfast_rowno",
    )
    rows = int(value(connection, f"SELECT count(*) FROM {_ROWS}"))
    _run(connection, f"DROP TABLE {_PIECES}, {_ROWS}")
    return rows


def _fill(connection: Connection, position: int, column: tuple[str, str], *, hexadecimal: bool) -> None:
    """Set one column of every row; large values are put together one row at a time, on the server."""
    name, kind = column
    mine = f"FROM {_PIECES} p WHERE p.col = {position} AND p.rowno = r.holdfast_rowno"
    whole = f"(SELECT {_together(kind, hexadecimal=hexadecimal)} {mine})"
    _run(
        connection,
        f"UPDATE {_ROWS} r SET {quote(name)} = {whole} WHERE EXISTS"
        f" (SELECT FROM {_PIECES} p WHERE p.col = {position} AND p.rowno = r.holdfast_rowno)",
    )


def _together(kind: str, *, hexadecimal: bool) -> str:
    if hexadecimal:
        return f"CAST(pg_catalog.string_agg(pg_catalog.decode(p.piece, 'hex'), ''::bytea ORDER BY p.part) AS {kind})"
    return f"CAST(pg_catalog.string_agg(p.piece, '' ORDER BY p.part) AS {kind})"


def _types(connection: Connection, columns: Sequence[str]) -> list[tuple[str, str]]:
    found = dict(
        connection.execute(
            "SELECT attname, pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0",
            (_ROWS,),
        ).fetchall()
    )
    return [(column, found[column]) for column in columns]


def _run(connection: Connection, statement: str) -> Any:
    return connection.execute(statement)
