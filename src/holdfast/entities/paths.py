"""Values inside a column or document: ``payload.eventId``, ``tags[]``, ``lines[].event``; read, and put in their place.

What stands in JSON is compared as text, numbers and texts alike; what is not replaced is written as it stood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

from holdfast.model.records import Key, Row, Value

Replace = Callable[[Any], Any]

_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",{}]+)', re.DOTALL)
_BOUNDS = re.compile(r"(?:\[[+-]?\d+:[+-]?\d+\])+=(?=\{)")


class Number(str):
    """A number of JSON as it was written."""

    __slots__ = ()


def steps_of(path: str) -> list[str]:
    """``lines[].event`` is ``lines``, ``[]``, ``event``."""
    return [step for step in path.replace("[]", ".[]").split(".") if step]


def keys_at(row: Row, columns: tuple[str, ...]) -> list[Key]:
    """Every key the columns give; none where one of them is NULL or leads nowhere."""
    values = row.values
    try:
        key = (values[columns[0]],) if len(columns) == 1 else tuple([values[column] for column in columns])
    except KeyError:
        pass  # a path, or nothing
    else:
        return [] if None in key else [key]
    prefix = together(columns)
    found = _keys_together(row, columns, prefix) if prefix else product(*(values_at(row, each) for each in columns))
    return list(dict.fromkeys(key for key in found if None not in key))


def together(columns: tuple[str, ...]) -> str:
    """``lines[]`` when several columns lead through the elements of that one array: their values go together."""
    prefixes = {column.rpartition("[]")[0] + "[]" for column in columns if "[]" in column}
    inside = sum(1 for column in columns if "[]" in column)
    return prefixes.pop() if len(prefixes) == 1 and inside > 1 else ""


def _keys_together(row: Row, columns: tuple[str, ...], prefix: str) -> Iterator[Key]:
    base = base_of(row.values, prefix)
    if base is None:
        return
    steps = steps_of(prefix[len(base):])
    tails = [steps_of(column[len(prefix):]) if column.startswith(prefix) else None for column in columns]
    beside = [values_at(row, column) if tail is None else [] for column, tail in zip(columns, tails, strict=True)]
    for element in _walk(_opened(row.values[base], steps), steps):
        choices = [
            other if tail is None else [_told(value) for value in _walk(element, tail)]
            for other, tail in zip(beside, tails, strict=True)
        ]
        yield from product(*choices)


def with_key_replaced(row: Row, columns: tuple[str, ...], replace: Callable[[Key], Key | None]) -> Row | None:
    """The row with the key that several columns and paths give put through ``replace`` (None: it stays).

    Element by element where the columns lead through one array; None where they lead through several.
    """
    arrays = {column.rpartition("[]")[0] + "[]" for column in columns if "[]" in column}
    if len(arrays) > 1:
        return None
    done = row
    for key in keys_at(row, columns):
        new = replace(key)
        if new is None:
            continue
        if not arrays:
            for column, value in zip(columns, new, strict=True):
                done = with_replaced(done, column, lambda _old, value=value: value)  # type: ignore[misc]
            continue
        prefix = next(iter(arrays))
        for column, value in zip(columns, new, strict=True):
            if not column.startswith(prefix):
                done = with_replaced(done, column, lambda _old, value=value: value)  # type: ignore[misc]
        done = _elements_replaced(done, row, prefix, (columns, key, new))
    return done


def _elements_replaced(done: Row, was: Row, prefix: str, told: tuple[tuple[str, ...], Key, Key]) -> Row:
    """Elements of ``was`` that held the old key hold the new one in ``done``."""
    base = base_of(was.values, prefix)
    assert base is not None  # noqa: S101 - a key came from there
    steps = steps_of(prefix[len(base):])
    inside = [
        (steps_of(column[len(prefix):]), old, new) for column, old, new in zip(*told, strict=True)
        if column.startswith(prefix)
    ]  # fmt: skip

    def one(now: Any, then: Any) -> Any:
        if all([_told(value) for value in _walk(then, tail)] == [old] for tail, old, _ in inside):
            for tail, _, new in inside:
                now = _changed(now, tail, lambda _old, new=new: new)  # type: ignore[misc]
        return now

    value = done.values[base]
    changed = _paired(_opened(value, steps), _opened(was.values[base], steps), steps, one)
    return Row({**done.values, base: _json(changed) if isinstance(value, str) else changed})


def _paired(now: Any, then: Any, steps: list[str], act: Callable[[Any, Any], Any]) -> Any:
    if not steps:
        return act(now, then)
    if steps[0] == "[]":
        pairs = zip(now, then, strict=True) if isinstance(now, list) else ()
        return [_paired(*pair, steps[1:], act) for pair in pairs] if isinstance(now, list) else now
    if isinstance(now, dict) and steps[0] in now:
        return {**now, steps[0]: _paired(now[steps[0]], then[steps[0]], steps[1:], act)}
    return now


def values_at(row: Row, path: str) -> list[Any]:
    """All values a column or path leads to, JSON's numbers as text."""
    if path in row.values:
        return [row.values[path]]
    base = base_of(row.values, path)
    if base is None:
        return []
    steps = steps_of(path[len(base):])
    found = _walk(_opened(row.values[base], steps), steps)
    return [_told(value) for value in found if not isinstance(value, dict | list)]


def base_of(values: Mapping[str, Value], path: str) -> str | None:
    """The column a path begins in."""
    known = [name for name in values if path.startswith((f"{name}.", f"{name}[]"))]
    return max(known, key=len) if known else None


def with_replaced(row: Row, path: str, replace: Replace) -> Row:
    """The row with every value at ``path`` put through ``replace`` (which gets JSON's numbers as text)."""
    if path in row.values:
        return Row({**row.values, path: replace(row.values[path])})
    base = base_of(row.values, path)
    if base is None:
        return row
    steps, value = steps_of(path[len(base):]), row.values[base]
    opened = _opened(value, steps)
    if opened is None:
        return row
    if isinstance(value, str) and _is_array(value, steps):
        return Row({**row.values, base: _array_with(value, replace)})
    changed = _changed(opened, steps, replace)
    if changed == opened:
        return row
    return Row({**row.values, base: _json(changed) if isinstance(value, str) else changed})


def with_added(row: Row, was: Row, path: str, is_wanted: Callable[[Any], bool]) -> Row:
    """The row with what stood at ``path`` of ``was`` and is missing now: appended to an array, or set where nothing is.

    Only values that ``is_wanted`` are looked at; the row itself when nothing is missing, or there is no place for it.
    """
    base = base_of(row.values, path)
    if base is None or base not in was.values:
        return row
    steps = steps_of(path[len(base):])
    value, then = row.values[base], _opened(was.values[base], steps)
    if isinstance(value, str) and _is_array(value, steps) and (value[:1] == "[" or "{" in _unquoted(value)[1:]):
        return row  # of several dimensions, or numbered otherwise: nobody knows where one more belongs
    now = _opened(value, steps) if value is not None else None
    missing = [each for each in _walk(then, steps) if not isinstance(each, dict | list) and is_wanted(_told(each))]
    there = {str(each) for each in _walk(now, steps)}
    changed: Any = now
    for each in missing:
        if str(each) not in there:
            changed = _added(changed, steps, each)
    if changed == now:
        return row
    closed: Any = changed
    if isinstance(value, str):
        closed = _array(changed) if _is_array(value, steps) else _json(changed)
    return Row({**row.values, base: closed})


def _added(value: Any, steps: list[str], new: Any) -> Any:
    if steps == ["[]"]:
        return [*value, new] if isinstance(value, list) else value
    if not isinstance(value, dict) or not steps or steps[0] == "[]":
        return value
    if len(steps) == 1:
        return {**value, steps[0]: new} if value.get(steps[0]) is None else value
    inner = _added(value.get(steps[0]), steps[1:], new)
    return value if inner is None else {**value, steps[0]: inner}


def texts_in(value: Any) -> Iterator[str]:
    """Every scalar inside a value, as text: what could be an id."""
    if isinstance(value, str) and not isinstance(value, Number) and value[:1] in ("{", "["):
        opened = _opened(value, [])
        if isinstance(opened, dict | list):
            yield from texts_in(opened)
            return
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts_in(each)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _opened(value: Any, steps: list[str]) -> Any:
    if not isinstance(value, str):
        return value
    if _is_array(value, steps):
        return [None if bare is not None and bare.upper() == "NULL" else bare if bare is not None else
                re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
                for quoted, bare in ((m[1], m[2]) for m in _ELEMENT.finditer(value, len(_bounds(value))))]  # fmt: skip
    try:
        return json.loads(value, parse_int=Number, parse_float=Number)
    except (ValueError, RecursionError):
        return None


def _is_array(value: str, steps: list[str]) -> bool:
    """An array as PostgreSQL writes it."""
    return steps == ["[]"] and (value[:1] == "{" or bool(_bounds(value)))


def _bounds(value: str) -> str:
    """``[0:1]=`` before the elements, where they are not numbered from 1."""
    found = _BOUNDS.match(value)
    return found[0] if found else ""


def _unquoted(value: str) -> str:
    return re.sub(r'"(?:[^"\\]|\\.)*"', "", value, flags=re.DOTALL)


def _array_with(value: str, replace: Replace) -> str:
    """Elements replaced where they stand: dimensions and bounds stay."""
    start = len(_bounds(value))

    def replaced(match: re.Match[str]) -> str:
        quoted, bare = match[1], match[2]
        if bare is not None and bare.upper() == "NULL":
            return match[0]
        old = bare if bare is not None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
        new = replace(old)
        return match[0] if new == old else "NULL" if new is None else _element(str(new))

    return value[:start] + _ELEMENT.sub(replaced, value[start:])


def _walk(value: Any, steps: list[str]) -> Iterator[Any]:
    if not steps:
        yield value
    elif steps[0] == "[]":
        for each in value if isinstance(value, list) else ():
            yield from _walk(each, steps[1:])
    elif isinstance(value, dict) and steps[0] in value:
        yield from _walk(value[steps[0]], steps[1:])


def _changed(value: Any, steps: list[str], replace: Replace) -> Any:
    if not steps:
        if value is None or isinstance(value, dict | list):
            return value
        new = replace(_told(value))
        return Number(new) if isinstance(value, Number) and re.fullmatch(r"-?\d+", str(new)) else new
    if steps[0] == "[]":
        return [_changed(each, steps[1:], replace) for each in value] if isinstance(value, list) else value
    if isinstance(value, dict) and steps[0] in value:
        return {**value, steps[0]: _changed(value[steps[0]], steps[1:], replace)}
    return value


def _told(value: Any) -> Any:
    return str(value) if isinstance(value, Number) else value


def _json(value: Any) -> str:
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _array(values: list[Any]) -> str:
    return "{" + ",".join("NULL" if each is None else _element(str(each)) for each in values) + "}"


def _element(text: str) -> str:
    if text and text.upper() != "NULL" and not re.search(r'[\s",{}\\]', text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
