"""Values inside a value: ``payload.eventId`` of JSON text or a document, ``tags[]`` for every element."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any


def values_at(values: Mapping[str, Any], path: str) -> Iterator[Any]:
    """Every value at ``path``; a plain column gives its one value, a place that is not there gives nothing.

    An array on the way means each of its elements, with ``[]`` or without.
    """
    if path in values:
        yield values[path]
        return
    column = max((name for name in values if path.startswith((f"{name}.", f"{name}["))), key=len, default=None)
    if column is not None:
        steps = path[len(column) :].replace("[]", ".[]").split(".")
        yield from _below(_opened(values[column]), tuple(step for step in steps if step))


def _opened(value: Any) -> Any:
    """JSON text as what it says; anything else as it is."""
    if isinstance(value, str) and value[:1] in "{[" and value:
        try:
            return json.loads(value, parse_float=Decimal)
        except (ValueError, RecursionError):
            return value
    return value


def _below(value: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(value, list | tuple):
        for element in value:
            yield from _below(element, rest if step == "[]" else steps)
    elif isinstance(value, Mapping) and step in value:
        yield from _below(value[step], rest)
