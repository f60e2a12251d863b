"""Values inside a column: ``payload.eventId`` in JSON, ``tags[]`` for each element of an array."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from holdfast.sources.postgres.records.text import Form, unescaped

_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",{}]+)', re.DOTALL)
_QUOTED = re.compile(r"\\(.)", re.DOTALL)
_JSON = ("json", "jsonb")
_DECODER = msgspec.json.Decoder(float_hook=str)


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


def reader(form: Form, path: Path) -> Callable[[bytes], list[str | None]]:
    """A function from a field as COPY writes it to the values at ``path``; none where there is no such place."""
    place = form.place(path.column)
    type_name = form.types[place] if place is not None else ""
    if type_name in _JSON:
        return lambda field: _in_json(field, form.codec, path.steps)
    if path.steps == ("[]",):
        return lambda field: _in_array(field, form.codec)
    return lambda _: []


def _in_json(field: bytes, codec: str, steps: tuple[str, ...]) -> list[str | None]:
    try:
        if b"\\" not in field and codec == "utf-8":
            return _below(_DECODER.decode(field), steps)
        text = unescaped(field.decode(codec, "surrogateescape"))
        return [] if text is None else _below(_DECODER.decode(text), steps)
    except RecursionError:  # so deep that no path anybody writes leads there
        return []
    except (msgspec.DecodeError, UnicodeError):  # what PostgreSQL takes and this decoder does not, such as \\ud800
        text = unescaped(field.decode(codec, "surrogateescape"))
        return [] if text is None else _below(json.loads(text, parse_float=str, parse_int=str), steps)


def _in_array(field: bytes, codec: str) -> list[str | None]:
    text = unescaped(field.decode(codec, "surrogateescape"))
    return [] if text is None else list(elements(text))


def elements(text: str) -> Iterator[str | None]:
    """The elements of an array as PostgreSQL writes it, of however many dimensions."""
    body = text[text.index("{"):] if "{" in text else ""
    for found in _ITEM.finditer(body):
        if found[2] is not None:
            yield None if found[2].upper() == "NULL" else found[2]
        else:
            yield _QUOTED.sub(r"\1", found[1])


def _below(value: object, steps: tuple[str, ...]) -> list[str | None]:
    for number, step in enumerate(steps):
        if step == "[]":
            rest = steps[number + 1 :]
            return [found for one in value for found in _below(one, rest)] if isinstance(value, list) else []
        if not isinstance(value, dict) or step not in value:
            return []
        value = value[step]
    return _scalar(value)


def _scalar(value: object) -> list[str | None]:
    """A scalar as text; the whole of anything larger is no value one could look for."""
    if value is None or isinstance(value, str):
        return [value]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(value)] if isinstance(value, int) else []
