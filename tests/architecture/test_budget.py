"""Files and functions stay small enough to be read."""

from __future__ import annotations

from tests.architecture.tree import functions, modules, named, parsed

FILE_LINES = 500
FUNCTION_LINES = 60


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    """A longer file holds two things."""
    long = {named(path): lines for path in modules() if (lines := len(path.read_text().splitlines())) > FILE_LINES}
    assert not long


def test_no_function_is_longer_than_sixty_lines() -> None:
    """A longer function does two things."""
    long = [
        f"{named(path)}:{function.name} {length}"
        for path in modules()
        for function in functions(parsed(path))
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    ]
    assert not long
