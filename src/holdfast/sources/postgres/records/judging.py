"""Conditions on stored rows, judged as PostgreSQL does: NaN, years before Christ, enums, elements of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from holdfast.model.errors import UsageError
from holdfast.model.records import Row, Table
from holdfast.sources.postgres.records.comparing import Measure, is_as_written, measure
from holdfast.sources.postgres.records.paths import elements, path_of
from holdfast.sources.postgres.records.typed import Defined, read_as, typed_in_snapshot
from holdfast.sources.records import Judged

_WHOLE = ("smallint", "integer", "bigint", "oid")


def judged(table: Table, name: str, text: str, defined: Defined, *, ordered: bool) -> Judged | None:
    """See sources.records.Judging."""
    types = {column.name: column.type for column in table.columns if not column.generated}
    path = path_of(name, types)
    column = path.column if path else name
    kind = types.get(column, "")
    if path is not None and (path.steps != ("[]",) or not kind.endswith("[]")):
        return None
    kind = kind.removesuffix("[]") if path else kind
    kind = defined().below(kind) if "." in kind else kind
    if path is None and is_as_written(kind):
        return None
    compare = _measure(kind, defined, f"{table.name}.{name}", ordered=ordered)
    wanted = compare(text) if ordered and kind.startswith("numeric") else None
    if wanted is None:
        typed = read_as(kind, text, f"{table.name}.{name}") if path else typed_in_snapshot(table, name, text, defined)
        wanted = compare(str(typed))
    return Judged(_reading(column, compare, several=path is not None), wanted)


def elements_of(table: Table, name: str) -> Callable[[Row], Iterable[Any]] | None:
    """What ``name[]`` means for a column that is an array; None for anything else."""
    path = path_of(name, [column.name for column in table.columns])
    if path is None or path.steps != ("[]",):
        return None
    kind = next(column.type for column in table.columns if column.name == path.column)
    return _reading(path.column, str, several=True) if kind.endswith("[]") else None


def _measure(kind: str, defined: Defined, place: str, *, ordered: bool) -> Measure:
    if kind in _WHOLE:
        return int
    if is_as_written(kind):
        return str
    found = measure(kind, defined().enums.get(kind) if "." in kind else None)
    if found is None and ordered:
        raise UsageError(
            f"values of type {kind} have no order here", where=place,
            hint="compare with = or <>, or ask 'holdfast sql'",
        )  # fmt: skip
    return found or str


def _reading(column: str, compare: Measure, *, several: bool) -> Callable[[Row], Iterable[Any]]:
    def one(row: Row) -> Iterable[Any]:
        value = row.values.get(column)
        return (None if value is None else compare(str(value)),)

    def every(row: Row) -> Iterable[Any]:
        value = row.values.get(column)
        found = () if value is None else elements(str(value))
        return [None if each is None else compare(each) for each in found]

    return every if several else one
