"""The conditions and statements that ask for many rows at once, and those that change them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from holdfast.model.errors import UsageError
from holdfast.model.records import Key, Value
from holdfast.sources.postgres.names import literal, quote
from holdfast.sources.postgres.records.live_catalog import LiveTable
from holdfast.sources.postgres.records.paths import path_of
from holdfast.sources.postgres.records.typed import fits

_JSON = ("json", "jsonb")


@dataclass(frozen=True, slots=True)
class _Side:
    """What stands on the left of a comparison: ``value`` as SQL, of type ``cast``, out of further ``sources``."""

    value: str
    cast: str
    sources: tuple[str, ...] = ()
    kind: str = ""


def select(table: LiveTable, where: str = "", *, lock: bool = False) -> str:
    """A COPY of whole rows."""
    columns = ", ".join(f"t.{quote(name)}" for name in table.form.names)
    locking = " FOR UPDATE OF t" if lock else ""
    return f"COPY (SELECT {columns} FROM {table.rows} t{where}{locking}) TO STDOUT"


def conditions(
    table: LiveTable, columns: Sequence[str], wanted: Collection[Key], *, as_text: bool = False,
    equality: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[str]:  # fmt: skip
    """``WHERE`` clauses that together mean every row whose ``columns`` are one of ``wanted``, none of them twice.

    ``as_text``: values are compared as they are written, for types that know no equality. ``equality``: by type, the
    operator that compares it, where that is none of the server's own.
    """
    sides = [_side(table, name, place) for place, name in enumerate(columns)]
    keys = [key for key in wanted if len(key) == len(sides)]
    keys = [key for key in keys if as_text or all(map(_fits, sides, key))]
    whole = [key for key in keys if None not in key]
    if whole:
        yield _where(sides, whole, "=", as_text=as_text, equality=equality)
    if len(whole) < len(keys):
        yield _where(sides, [key for key in keys if None in key], "IS NOT DISTINCT FROM", as_text=as_text)


def values(columns: Sequence[Sequence[Value]], name: str = "u") -> str:
    """A table of texts, column by column: ``unnest(…) u(c0, c1)``."""
    arrays = ", ".join(f"{literal(_array(column))}::text[]" for column in columns)
    return f"unnest({arrays}) {name}({', '.join(f'c{place}' for place in range(len(columns)))})"


def unknown(table: LiveTable, column: str) -> UsageError:
    """The error for a column that is not there."""
    return UsageError(
        f"{table.schema}.{table.name} has no column {column}", hint="columns: " + ", ".join(table.columns)
    )


def _fits(side: _Side, value: Value) -> bool:
    return value is None or fits(side.kind, str(value))


def _where(
    sides: Sequence[_Side], keys: Sequence[Key], operator: str, *, as_text: bool,
    equality: Mapping[str, str] = MappingProxyType({}),
) -> str:  # fmt: skip
    given = values([[key[place] for key in keys] for place in range(len(sides))])
    left = [f"CASE WHEN {side.value} IS DISTINCT FROM NULL THEN concat({side.value}) END" if as_text else side.value
            for side in sides]
    right = [f"u.c{place}" if as_text else f"u.c{place}::{side.cast}" for place, side in enumerate(sides)]
    if len(sides) == 1 and operator != "=":
        test = f"{sides[0].value} IS NULL AND {sides[0].value} IS NOT DISTINCT FROM NULL"
    elif not as_text and any(side.kind in equality for side in sides):
        operators = [equality.get(side.kind, "=") for side in sides]
        each = " AND ".join(f"{one} {own} {other}" for one, own, other in zip(left, operators, right, strict=True))
        test = f"EXISTS (SELECT FROM {given} WHERE {each})"
    elif operator == "=":
        test = f"({', '.join(left)}) IN (SELECT {', '.join(right)} FROM {given})"
    else:
        each = " AND ".join(f"{one} {operator} {other}" for one, other in zip(left, right, strict=True))
        test = f"EXISTS (SELECT FROM {given} WHERE {each})"
    sources = [source for side in sides for source in side.sources]
    if sources:
        test = f"EXISTS (SELECT FROM {', '.join(sources)} WHERE {test})"
    return f" WHERE {test}"


def _side(table: LiveTable, name: str, place: int) -> _Side:
    column = table.columns.get(name)
    if column is not None:
        return _Side(f"t.{quote(name)}", column.base, kind=column.base)
    path = path_of(name, table.columns)
    if path is None:
        raise unknown(table, name)
    at, kind = f"t.{quote(path.column)}", table.columns[path.column].base
    if kind not in _JSON:
        element = f"e{place}"
        if path.steps != ("[]",) or not kind.endswith("[]"):
            raise unknown(table, name)
        return _Side(f"concat({element}.v)", "text", (f"unnest({at}) {element}(v)",))
    sources = []
    for number, step in enumerate(path.steps):
        last = number == len(path.steps) - 1
        if step == "[]":
            element = f"e{place}_{number}"
            array = f"CASE {kind}_typeof({at}) WHEN 'array' THEN {at} ELSE '[]' END"
            sources.append(f"{kind}_array_elements({array}) {element}(v)")
            at = f"({element}.v #>> '{{}}')" if last else f"{element}.v"
        else:
            at = f"({at} {'->>' if last else '->'} {literal(step).strip()})"
    return _Side(at, "text", tuple(sources))


def _array(column: Sequence[Value]) -> str:
    """An array constant of texts."""
    return "{" + ",".join([_element(value) for value in column]) + "}"


def _element(value: Value) -> str:
    if value is None:
        return "NULL"
    text = str(value)
    if text.isascii() and text.replace("-", "").isalnum() and text.upper() != "NULL":
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
