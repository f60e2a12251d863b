"""Paths into documents: ``payload.eventId``, ``tags[]`` for each element of an array, ``items[].sku``, ``a.0``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import product
from typing import Any

from holdfast.model.records import Key
from holdfast.sources.mongodb.values import identity


def values_at(document: Mapping[str, Any], path: str) -> Iterator[Any]:
    """Every value a path leads to; one None when it leads nowhere, nothing for an array without elements."""
    return _walk(document, path.split("."))


def keys_of(document: Mapping[str, Any], columns: tuple[str, ...]) -> Iterator[bytes]:
    """What ``sought`` gives for any key this document answers to."""
    for found in product(*(list(values_at(document, column)) for column in columns)):
        yield sought(found)


def sought(key: Key) -> bytes:
    """The same bytes for keys the server calls equal."""
    parts = [identity(value) for value in key]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def answers(document: Mapping[str, Any], columns: tuple[str, ...], wanted: Collection[bytes]) -> bool:
    """Whether the document has one of the keys."""
    return any(key in wanted for key in keys_of(document, columns))


def server_path(path: str) -> str:
    """The path as a filter of the server writes it: it looks into arrays by itself."""
    return path.replace("[]", "")


def _walk(value: Any, steps: list[str]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    each = step.endswith("[]")
    name = step[:-2] if each else step
    if isinstance(value, Mapping):
        found = value.get(name)
        missing = name not in value
    elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
        found, missing = value[int(name)], False
    else:
        found, missing = None, True
    if missing or found is None:
        yield None
    elif not each:
        yield from _walk(found, rest)
    elif isinstance(found, list):
        for element in found:
            yield from _walk(element, rest)
