"""Statements that find rows: by columns, by paths into JSON columns, many keys at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from holdfast.model.errors import UsageError
from holdfast.model.records import Key, Value
from holdfast.sources.sqlite.names import quoted
from holdfast.sources.sqlite.records.schema import Shape

_AT_ONCE = 8_000
_NULLS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with its values, ready to run."""

    sql: str
    values: tuple[Value, ...] = ()


def select(shape: Shape, names: Sequence[str], where: str = "", *, first: str = "", whole: bool = False) -> str:
    """A SELECT of columns in their order, ``first`` before them; ``whole``: in the order of the table itself."""
    columns = ", ".join([*([first] if first else []), *(f"t.{quoted(name)}" for name in names)])
    by = " NOT INDEXED" if whole and not shape.virtual else ""
    return f"SELECT {columns or 'NULL'} FROM main.{quoted(shape.table.name)} AS t{by}" + (where and f" WHERE {where}")


def conditions(shape: Shape, columns: tuple[str, ...], wanted: Collection[Key], *, plain: bool) -> Iterator[Statement]:
    """WHERE conditions that together say: these columns equal one of ``wanted``.

    ``plain``: byte by byte, without the collations of the columns, which only the application may have.
    """
    terms = [_Term(shape, column, number, plain=plain) for number, column in enumerate(columns)]
    nulls = [key for key in wanted if None in key]
    whole = [key for key in wanted if None not in key]
    step = max(1, _AT_ONCE // max(1, len(columns)))
    for at in range(0, len(whole), step):
        yield _any_of(terms, whole[at : at + step])
    for at in range(0, len(nulls), _NULLS_AT_ONCE):
        yield _each_of(terms, nulls[at : at + _NULLS_AT_ONCE])


def _any_of(terms: Sequence[_Term], keys: Sequence[Key]) -> Statement:
    values = [term.bound(value) for key in keys for term, value in zip(terms, key, strict=True)]
    marks = [mark for mark, _ in values]
    sources = [source for term in terms for source in term.sources]
    if len(terms) == 1:
        test = f"{terms[0].expression} IN ({', '.join(marks)})"
    else:
        width = len(terms)
        rows = ", ".join(f"({', '.join(marks[at : at + width])})" for at in range(0, len(marks), width))
        named = ", ".join(f"column{number}" for number in range(1, width + 1))
        # a plain list of rows is looked through without an index by older versions
        test = f"({', '.join(term.expression for term in terms)}) IN (SELECT {named} FROM (VALUES {rows}))"
    return Statement(_among(sources, test), tuple(value for _, value in values))


def _each_of(terms: Sequence[_Term], keys: Iterable[Key]) -> Statement:
    tests, values = [], []
    for key in keys:
        bound = [term.bound(value) for term, value in zip(terms, key, strict=True)]
        tests.append(" AND ".join(f"{term.expression} IS {mark}" for term, (mark, _) in zip(terms, bound, strict=True)))
        values += [value for _, value in bound]
    sources = [source for term in terms for source in term.sources]
    return Statement(_among(sources, " OR ".join(f"({test})" for test in tests)), tuple(values))


def _among(sources: Sequence[str], test: str) -> str:
    return f"EXISTS (SELECT 1 FROM {', '.join(sources)} WHERE {test})" if sources else test


class _Term:
    """One column, or a path into one: what stands on the left of a comparison."""

    def __init__(self, shape: Shape, column: str, number: int, *, plain: bool) -> None:
        self.sources: list[str] = []
        self._number = number
        self._as_text = column not in shape.names
        if not self._as_text:
            self.expression = f"+t.{quoted(column)} COLLATE BINARY" if plain else f"t.{quoted(column)}"
            return
        base, steps = split_path(shape, column)
        self.expression = f"CAST({self._follow(base, steps)} AS TEXT)"

    def bound(self, value: Value) -> tuple[str, Value]:
        """The mark that stands for a value, and the value; inside JSON, numbers and texts are alike."""
        if self._as_text and value is not None and not isinstance(value, str):
            return "CAST(? AS TEXT)", value
        return mark(value)

    def _follow(self, base: str, steps: Sequence[str]) -> str:
        at = f"t.{quoted(base)}"
        at = f"CASE WHEN json_valid({at}) THEN {at} END"
        path, kind = "$", ""
        for step in steps:
            name = step.removesuffix("[]")
            path += f'."{name}"' if name else ""
            if step.endswith("[]"):
                inner = f"j{self._number}_{len(self.sources)}"
                self.sources.append(f"json_each({_inside(at, kind)}, {_literal(path)}) AS {inner}")
                at, path, kind = f"{inner}.value", "$", f"{inner}.type"
        return at if path == "$" else f"json_extract({_inside(at, kind)}, {_literal(path)})"


def split_path(shape: Shape, column: str) -> tuple[str, list[str]]:
    """(column, steps) of ``payload.eventId``, ``tags[]``. UsageError when no column begins it."""
    base = next(
        (
            name
            for name in sorted(shape.names, key=len, reverse=True)
            if column.startswith((name + ".", name + "[]"))
        ),
        None,
    )  # fmt: skip
    if base is None or '"' in column.removeprefix(base):
        hint = "it has " + ", ".join(shape.names)
        raise UsageError(f"{shape.table.name} has no column {column}", where=shape.table.name, hint=hint)
    rest = column.removeprefix(base)
    return base, rest.removeprefix(".").split(".")


def _inside(at: str, kind: str) -> str:
    """Only what is an object or array again can be looked into."""
    return f"CASE WHEN {kind} IN ('object', 'array') THEN {at} END" if kind else at


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def mark(value: Value) -> tuple[str, Value]:
    """(mark, value) that stands for a value in a statement; text that is not valid goes in as its bytes."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return "CAST(? AS TEXT)", _bytes(value)
    return "?", value


def _bytes(text: str) -> bytes:
    """As it was read, where bytes that are no text stand for themselves; else as another program wrote it."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
