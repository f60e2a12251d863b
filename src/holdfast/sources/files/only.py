"""Choosing entries by pattern: ``fnmatch`` on the whole path, and a chosen folder brings everything in it.

A pattern that ends with ``/.`` means that one entry alone, without what lies in it: what a pre-restore snapshot
and its undo are limited to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import translate
from glob import escape
from typing import TypeVar

from holdfast.sources.files.names import ROOT, ancestors, below, label

T = TypeVar("T")

_ESCAPED = re.compile(r"\[([*?[])\]")
_ALONE = "/."
_ALL = ("", "*", "**")


def exactly(name: bytes) -> str:
    """The pattern that chooses this entry and nothing else."""
    return escape(label(name)) + _ALONE


def is_exact(pattern: str) -> bool:
    """Whether a pattern stands for one entry, as ``exactly`` writes it; that entry may be gone by now."""
    return pattern.endswith(_ALONE)


class Only:
    """The chosen part of one tree, asked about in manifest order. No patterns: everything is chosen."""

    def __init__(self, patterns: Sequence[str], *, root: str = "") -> None:
        self._everything = not patterns
        self._whole: set[str] = set()
        self._alone: set[str] = set()
        self._above: set[str] = set()
        self._inside = b""
        self._unseen: dict[str, Callable[[str], object]] = {}
        wild = []
        for pattern in patterns:
            text = _relative(pattern, root)
            if not (text in _ALL or is_exact(text)):
                self._unseen[pattern] = _matcher(text)
            if text in _ALL:
                self._everything = True
            elif text == _ALONE:
                self._alone.add(label(ROOT))
            elif _is_literal(text):
                self._add_literal(_ESCAPED.sub(r"\1", text))
            else:
                wild.append(f"(?:{translate(text)})")
        self._wild = re.compile("|".join(wild)).match if wild else None

    @property
    def limited(self) -> bool:
        """Whether anything may be left unchosen."""
        return not self._everything

    def chosen(self, name: bytes) -> bool:
        """Whether the entry is wanted for its own sake."""
        if self._unseen:
            self._saw(name)
        if self._everything:
            return True
        if self._inside and below(name, self._inside):
            return True
        text = label(name)
        if name != ROOT and self._matches(text):
            self._inside = name
            return True
        return text in self._alone

    def covers(self, name: bytes) -> bool:
        """The same as ``chosen``, for names in any order."""
        if self._unseen:
            self._saw(name)
        if self._everything or label(name) in self._alone:
            return True
        names = (name, *ancestors(name)) if name != ROOT else ()
        return any(self._matches(label(above)) for above in names)

    @property
    def unmatched(self) -> tuple[str, ...]:
        """Patterns that fitted nothing asked about so far, as they were written; exact ones are not looked at."""
        return tuple(self._unseen)

    def _saw(self, name: bytes) -> None:
        text = label(name)
        found = [pattern for pattern, fits in self._unseen.items() if name != ROOT and fits(text)]
        for pattern in found:
            del self._unseen[pattern]

    def _matches(self, text: str) -> bool:
        return text in self._whole or (self._wild is not None and self._wild(text) is not None)

    def on_the_way(self, folder: bytes) -> bool:
        """Whether something wanted may lie in a folder that itself is not wanted."""
        return folder == ROOT or self._wild is not None or label(folder) in self._above

    def _add_literal(self, text: str) -> None:
        if text.endswith(_ALONE):
            text = text[: -len(_ALONE)]
            self._alone.add(text)
        else:
            self._whole.add(text)
        self._above.update(map(label, ancestors(text.encode("utf-8", "surrogateescape"))))


def with_parents(
    found: Iterable[tuple[bytes, T]], only: Only
) -> Iterator[tuple[T, bool]]:
    """Things in manifest order, thinned to the chosen ones and, before them, the folders they lie in.

    The flag tells the chosen ones (True) from the folders that are only on the way.
    """
    waiting: list[tuple[bytes, T]] = []
    for name, thing in found:
        chosen = only.chosen(name)
        if waiting:
            waiting = [entry for entry in waiting if entry[0] == ROOT or below(name, entry[0])]
        if chosen:
            for _, folder in waiting:
                yield folder, False
            waiting.clear()
            yield thing, True
        else:
            waiting.append((name, thing))


def _relative(pattern: str, root: str) -> str:
    """A pattern as a person may write it (``./a/``, ``/srv/media/a``) in the form of names."""
    alone = pattern.endswith(_ALONE)
    text = pattern.removesuffix(_ALONE)
    if root and (text == root or text.startswith(root.rstrip("/") + "/")):
        text = text[len(root.rstrip("/")) :].lstrip("/")
    text = text.removeprefix("./").rstrip("/")
    if text == ".":
        text = ""
    return text + _ALONE if alone else text


def _matcher(text: str) -> Callable[[str], object]:
    return _ESCAPED.sub(r"\1", text).__eq__ if _is_literal(text) else re.compile(translate(text)).match


def _is_literal(text: str) -> bool:
    return not any(sign in _ESCAPED.sub("", text) for sign in "*?[")
