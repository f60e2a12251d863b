"""What the guard's table says: old rows as PostgreSQL writes a record, with the columns they had."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from holdfast.model.errors import SourceError
from holdfast.model.records import Row, Value
from holdfast.sources.guarding import Doer, Kept

# one field of a record or an array, up to the comma that ends it
_FIELD = re.compile(r'(?:[^",\\]++|"(?:[^"\\]++|\\.|"")*+"|\\.)*+', re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]++|\\.|"")*+)"|\\(.)', re.DOTALL)
_INNER = re.compile(r'\\(.)|""', re.DOTALL)


def kept(rows: Iterable[Row]) -> Iterator[Kept]:
    """See sources.guarding.Guarding."""
    for row in rows:
        yield _kept(row.values)


def record(text: str) -> list[str | None]:
    """The fields of a record as ``record_out`` writes it; None for NULL."""
    return [None if field == "" else _plain(field) for field in _fields(text)]


def array(text: str) -> list[str]:
    """The elements of a one-dimensional array of texts."""
    return [_plain(field) for field in _fields(text)] if text != "{}" else []


def _kept(values: Mapping[str, Value]) -> Kept:

    def text(name: str) -> str:
        return str(values.get(name) or "")

    names = array(text("columns"))
    fields = record(text("old_row")) if names else []
    if len(names) != len(fields):
        raise SourceError(
            "a row that the guard kept cannot be read", where=f"{text('table_name')}, number {text('id')}",
            why=f"it has {len(fields)} fields for {len(names)} columns",
        )  # fmt: skip
    return Kept(
        number=int(text("id")), salt=text("salt"), table=text("table_name"),
        row=Row(dict(zip(names, fields, strict=True))),
        operation=text("operation"), transaction=text("transaction_id"), began=instant(text("began")),
        at=instant(text("at")), part=text("part"), shipment=text("shipment"),
        by=Doer(
            user=text("session_role"), role=text("active_role"), application=text("application"),
            address=text("address"),
        ),
    )  # fmt: skip


def instant(text: str) -> str:
    """A timestamp of the server's as ISO 8601 UTC."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _fields(text: str) -> Iterator[str]:
    at, body = 0, text[1:-1]
    while True:
        found = _FIELD.match(body, at)
        assert found is not None  # noqa: S101 - the empty field matches everywhere
        yield found[0]
        at = found.end() + 1
        if at > len(body):
            return


def _plain(field: str) -> str:
    if '"' not in field and "\\" not in field:
        return field
    return _QUOTED.sub(_unquoted, field)


def _unquoted(found: re.Match[str]) -> str:
    return found[2] if found[1] is None else _INNER.sub(lambda one: one[1] or '"', found[1])
