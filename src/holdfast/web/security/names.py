"""What people and tokens may be called."""

from __future__ import annotations

import re
from collections.abc import Iterable

from holdfast.model.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,63}\Z")


def check_sources(sources: Iterable[str]) -> frozenset[str]:
    """The sources as a set. UsageError for what can be the name of none: it must not be kept as something else."""
    found = frozenset(sources)
    for each in found:
        if not each or any(sign.isspace() or not sign.isprintable() for sign in each):
            raise UsageError(f"{each!r} is no name of a source", where="sources", hint="leave it out for all sources")
    return found


def kept_sources(text: str) -> frozenset[str]:
    """Sources as they are kept, with a space between; only nothing at all stands for all of them."""
    return frozenset(text.split(" ")) if text else frozenset()


def check_name(name: str) -> str:
    """``name`` itself; UsageError when it would not survive a log line, a command or a page."""
    if not _NAME.match(name):
        raise UsageError(
            "this is no name for a person or a token",
            hint="letters, digits and . _ @ + -, up to 64, the first a letter, digit or underscore",
        )
    return name
