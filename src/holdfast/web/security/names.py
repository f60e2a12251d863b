"""What people and tokens may be called."""

from __future__ import annotations

import re

from holdfast.model.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,63}\Z")


def check_name(name: str) -> str:
    """``name`` itself; UsageError when it would not survive a log line, a command or a page."""
    if not _NAME.match(name):
        raise UsageError(
            "this is no name for a person or a token",
            hint="letters, digits and . _ @ + -, up to 64, the first a letter, digit or underscore",
        )
    return name
