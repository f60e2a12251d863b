"""Values inside a column: ``payload.eventId`` in JSON, ``tags[]`` for each element of an array."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from holdfast.sources.postgres.records.text import Form, unescaped

_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",{}]+)', re.DOTALL)
_QUOTED = re.compile(r"\\(.)", re.DOTALL)
_JSON = ("json", "jsonb")


@dataclass(frozen=True, slots=True)
class Path:
    """``steps`` below ``column``; the step ``[]`` means every element."""

    column: str
    steps: tuple[str, ...]


def path_of(name: str, columns: Iterable[str]) -> Path | None:
    """What a name with steps in it means; None for a plain column, or when no column begins like that."""
    known = [column for column in columns if name != column and name.startswith((f"{column}.", f"{column}["))]
    if not known or name in columns:
        return None
    column = max(known, key=len)
    rest = name[len(column):].replace("[]", ".[]")
    return Path(column, tuple(step for step in rest.split(".") if step))


def values_in(field: str, type_name: str, path: Path) -> Iterator[str | None]:
    """Every value at ``path`` of a field as COPY writes it; nothing where there is no such place."""
    text = unescaped(field)
    if text is None:
        return
    if type_name in _JSON:
        yield from _below(json.loads(text, parse_float=str, parse_int=str), path.steps)
    elif path.steps == ("[]",):
        yield from elements(text)


def reader(form: Form, path: Path) -> Callable[[str], list[str | None]]:
    """A function from a field's text to the values at ``path``."""
    place = form.place(path.column)
    type_name = form.types[place] if place is not None else ""
    return lambda field: list(values_in(field, type_name, path))


def elements(text: str) -> Iterator[str | None]:
    """The elements of an array as PostgreSQL writes it, of however many dimensions."""
    body = text[text.index("{"):] if "{" in text else ""
    for found in _ITEM.finditer(body):
        if found[2] is not None:
            yield None if found[2].upper() == "NULL" else found[2]
        else:
            yield _QUOTED.sub(r"\1", found[1])


def _below(value: object, steps: tuple[str, ...]) -> Iterator[str | None]:
    if not steps:
        yield from _scalars(value)
        return
    step, rest = steps[0], steps[1:]
    if step == "[]":
        for one in value if isinstance(value, list) else ():
            yield from _below(one, rest)
    elif isinstance(value, dict) and step in value:
        yield from _below(value[step], rest)


def _scalars(value: object) -> Iterator[str | None]:
    """A scalar as text; the whole of anything larger is no value one could look for."""
    if value is None or isinstance(value, str):
        yield value
    elif isinstance(value, bool):
        yield "true" if value else "false"
