"""Arrays as PostgreSQL writes them, ``{jazz,"a b",NULL}``, and as lists."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([{},])|([^{},"\s](?:[^{},"]*[^{},"\s])?))', re.DOTALL)
_MUST_QUOTE = re.compile(r'["{},\\\s]|\A\Z|\Anull\Z', re.IGNORECASE)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def parsed(text: str) -> list[Any] | None:
    """The elements as text, None for NULL, lists for further dimensions; None where it is no such array."""
    if not text.startswith("{"):
        return None  # bounds of its own: [0:2]={…}
    stack: list[list[Any]] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            return None
        at = found.end()
        quoted, sign, bare = found.groups()
        if sign == "{":
            inner: list[Any] = []
            if stack:
                stack[-1].append(inner)
            stack.append(inner)
        elif sign == "}":
            done = stack.pop()
            if not stack:
                return done if at == len(text) else None
        elif sign is None:
            if not stack:
                return None
            element = _ESCAPE.sub(r"\1", quoted) if bare is None else bare
            stack[-1].append(None if bare is not None and bare.upper() == "NULL" else element)
    return None


def written(found: list[Any]) -> str:
    """The array of these elements, quoted where PostgreSQL would."""
    return "{" + ",".join(_element(each) for each in found) + "}"


def mapped(found: list[Any], change: Callable[[Any], Any]) -> list[Any]:
    """The same with every element that is not NULL changed."""
    return [
        mapped(each, change) if isinstance(each, list) else None if each is None else change(each) for each in found
    ]


def _element(each: Any) -> str:
    if each is None:
        return "NULL"
    if isinstance(each, list):
        return written(each)
    text = str(each)
    if not _MUST_QUOTE.search(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
