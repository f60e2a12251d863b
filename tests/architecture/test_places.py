"""What touches the world outside stands in one room each."""

from __future__ import annotations

import ast

import pytest
from tests.architecture.tree import dotted, modules, named, package_of, parsed

# what -> the only room it may stand in
PLACES = {
    "print": "cli",
    "input": "cli",
    "sys.exit": "cli",
    "sys.stdout": "cli",
    "os._exit": "cli",
    "os.environ": "wiring",
    "os.getenv": "wiring",
    "os.putenv": "wiring",
    "datetime.now": "system",
    "datetime.utcnow": "system",
    "datetime.today": "system",
}

# the programs of child processes, which speak to their parent through their own streams
PROGRAMS = {"sources/sqlite/server.py"}


@pytest.mark.parametrize("what", sorted(PLACES))
def test_it_stands_in_its_room_only(what: str) -> None:
    """Printing and exiting belong to the face, the environment to the wiring, the date to the system."""
    strays = [
        f"{named(path)}:{node.lineno}"
        for path in modules()
        if package_of(path) != PLACES[what] and named(path) not in PROGRAMS
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Name | ast.Attribute) and dotted(node) == what
    ]
    assert not strays
