"""``holdfast sql``."""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import click

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.progress import shown
from holdfast.cli.rows import shown_value
from holdfast.model.errors import UsageError
from holdfast.usecases.sql import SqlOrder, SqlResult
from holdfast.usecases.sql import sql as ask

_EXAMPLES = """
holdfast sql latest:shop "select status, count(*), sum(total) from orders group by status"
holdfast sql 3f9c12aa "select * from orders o join users u on u.id = o.customer where u.email like '%@example.org'"
holdfast sql before-migration --compare latest "select id from a.orders except select id from b.orders" --csv
"""
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL", "UBIGINT")
_ENDLESS = {"9999-12-31T23:59:59.999999": "infinity", "0001-01-01T00:00:00": "-infinity"}
"""How DuckDB's endless times arrive in Python."""


class _Json(str):
    """JSON text of the database."""

    __slots__ = ()


@verb("sql", examples=_EXAMPLES)
@click.argument("snapshot", metavar="SNAPSHOT")
@click.argument("statement", metavar="SELECT")
@click.option("--compare", metavar="SNAPSHOT2", help="Tables of both: a.TABLE and b.TABLE.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV on stdout.")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="Rows shown in a table.")
def sql(face: Face, snapshot: str, statement: str, compare: str | None, as_csv: bool, limit: int) -> None:
    """Ask a snapshot in SQL (DuckDB's), without restoring it.

    Nothing can be changed, and nothing but the snapshot can be read. --json and --csv give all rows.
    """
    if as_csv and face.as_json:
        raise UsageError("--csv and --json exclude each other")
    with opened(face) as app, shown(face) as report:
        order = SqlOrder(snapshot=snapshot, sql=statement, compare=compare, source=app.reader_of, report=report)
        with ask(app.repository, order) as result:
            for note in result.answer.notes:
                face.note(f"note: {note}", "yellow")
            if face.as_json:
                face.stream_document(_pieces(result))
            elif as_csv:
                _tell_csv(result)
            else:
                _tell(face, result, limit)


def _pieces(result: SqlResult) -> Iterator[str]:
    """One JSON document, written while rows come."""
    head = {
        "snapshots": [info.id for info in result.snapshots],
        "columns": [{"name": name, "type": kind} for name, kind in result.answer.columns],
        "notes": result.answer.notes,
    }
    yield f'{json.dumps(head)[:-1]}, "rows": ['
    kinds = [kind for _, kind in result.answer.columns]
    for number, row in enumerate(result.answer.rows):
        values = [_as_json(value, kind) for value, kind in zip(row, kinds, strict=True)]
        yield ("\n" if number == 0 else ",\n") + _written(values)
    yield "]}\n"


def _tell_csv(result: SqlResult) -> None:
    """RFC 4180; NULL is an empty cell, an empty text is ``""``."""
    kinds = [kind for _, kind in result.answer.columns]
    _put(name for name, _ in result.answer.columns)
    for row in result.answer.rows:
        told = (_as_json(value, kind) for value, kind in zip(row, kinds, strict=True))
        _put(value if value is None or isinstance(value, str) else _written(value) for value in told)


def _put(cells: Iterable[str | None]) -> None:
    line = ",".join("" if cell is None else _quoted(cell) for cell in cells) + "\r\n"
    click.echo(line.encode("utf-8", "backslashreplace"), nl=False)


def _quoted(cell: str) -> str:
    if cell and not any(char in cell for char in ',"\r\n'):
        return cell
    return '"' + cell.replace('"', '""') + '"'


def _tell(face: Face, result: SqlResult, limit: int) -> None:
    columns = result.answer.columns
    taken = list(itertools.islice(result.answer.rows, limit + 1))
    rows = [
        [_shown(_as_json(value, kind)) for value, (_, kind) in zip(row, columns, strict=True)]
        for row in taken[:limit]
    ]
    right = [number for number, (_, kind) in enumerate(columns) if kind.startswith(_NUMBERS)]
    face.lines(words.table([name for name, _ in columns], rows, right=right))
    face.note(f"the first {limit:,} rows: --limit, or --csv for all" if len(taken) > limit else f"{len(rows):,} rows")


def _as_json(value: Any, kind: str = "") -> Any:
    """A value of DuckDB's as JSON has it: decimals as text without loss, times in ISO 8601, bytes as extended JSON."""
    if isinstance(value, str):
        return _Json(value) if kind == "JSON" else value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Decimal):
        told = format(value, "f")
        return told.rstrip("0").rstrip(".") if kind == "DECIMAL(38,10)" else told
    if isinstance(value, dt.date | dt.time):
        told = value.isoformat()
        return _ENDLESS.get(told[:26].removesuffix("+00:00"), told)
    if isinstance(value, bytes):
        return {"$binary": {"base64": base64.b64encode(value).decode(), "subType": "00"}}
    if isinstance(value, list | tuple):
        return [_as_json(each, kind.removesuffix("[]")) for each in value]
    if isinstance(value, Mapping):
        return {str(key): _as_json(each) for key, each in value.items()}
    return str(value)


def _written(value: Any) -> str:
    """JSON in which JSON of the database stands as it is: its numbers and repeated names are nobody's to change."""
    if isinstance(value, _Json):
        return "".join(char if char < "\x7f" else json.dumps(char)[1:-1] for char in value)
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_written(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)


def _shown(value: Any) -> str:
    return _written(value) if isinstance(value, list | dict) else shown_value(value)
