"""Names say what a thing is, and every module introduces itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.tree import modules, named, parsed

# methods of libraries that ours stand in for
OVERRIDDEN = ("get_route_handler",)
BANNED = ("manager", "helper", "util", "utils", "common", "handler", "misc")


def test_every_module_opens_with_a_sentence() -> None:
    """The first line of a module tells in domain words what it is."""
    silent = [named(path) for path in modules() if not (ast.get_docstring(parsed(path)) or "").strip()]
    assert not silent


def test_no_name_says_nothing() -> None:
    """Words that could stand on anything stand on nothing."""
    found = [f"{named(path)}: {name}" for path in modules() for name in _names(path) if _says_nothing(name)]
    assert not found


def _names(path: Path) -> Iterator[str]:
    yield path.stem
    for node in ast.walk(parsed(path)):
        named_one = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if named_one and node.name not in OVERRIDDEN:
            yield node.name


def _says_nothing(name: str) -> bool:
    words = re.split(r"_|(?<=[a-z0-9])(?=[A-Z])", name)
    return any(word.lower().rstrip("s") in BANNED or word.lower() in BANNED for word in words)
