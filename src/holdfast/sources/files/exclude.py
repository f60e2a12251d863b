"""Which entries are left out: patterns in gitignore syntax, tested from the top down, the last match decides.

A folder that is left out is never entered, so what lies in it needs no test (and, as in git, cannot be called back).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pathspec import GitIgnoreSpec

from holdfast.model.errors import UsageError
from holdfast.sources.files.names import ENCODING

IGNORE_FILE = b".holdfastignore"

_Test = tuple[str, Callable[[str], "re.Match[str] | None"], bool, bool]
"""The line, its test, whether it looks at the whole path (else at the last part only), and its verdict."""

_ENDS = (("(?:(?P<ps_d>/)|$)", r"(?:/|\Z)"), ("(?P<ps_d>/)", "/"))


class Exclusion:
    """The compiled patterns. ``lines`` keeps them as written; ``unused()`` tells which never matched."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        self._tests = [test for line in lines if (test := _compile(line)) is not None]
        self._tests.reverse()
        self._used: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._tests)

    def leaves_out(self, path: bytes, *, folder: bool) -> bool:
        """Whether the entry is left out, its parents being admitted."""
        text = path.decode(ENCODING, "surrogateescape")
        if folder:
            text += "/"
        base = text[text.rfind("/", 0, -1) + 1 :]
        for line, match, anchored, out in self._tests:
            if match(text if anchored else base):
                self._used.add(line)
                return out
        return False

    def unused(self) -> list[str]:
        """Patterns that decided about nothing so far."""
        return [line for line, *_ in reversed(self._tests) if line not in self._used]


def _compile(line: str) -> _Test | None:
    """One line; None for blanks and comments."""
    if not line.strip():
        return None
    try:
        (pattern,) = GitIgnoreSpec.from_lines([line]).patterns
    except ValueError as error:
        raise UsageError(
            "this exclude pattern is not valid", where=repr(line), why=str(error),
            hint="patterns are written as in a .gitignore file",
        ) from error
    if pattern.include is None or pattern.regex is None:
        return None
    text = pattern.regex.pattern
    for ending, plain in _ENDS:
        text = text.replace(ending, plain)
    written = line.strip()
    if written.endswith("/**"):
        text += "."  # what lies in the folder, not the folder itself
    anchored = "/" in written.rstrip("/")
    return line, re.compile(text, re.DOTALL).match, anchored, bool(pattern.include)
