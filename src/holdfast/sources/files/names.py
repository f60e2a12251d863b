"""How entries of a tree are called: relative bytes, the order they come in, and which names are believed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

ROOT = b"."
"""The name of the folder itself. Manifest order puts it before every entry, also before ``!x`` and ``-x``."""

ENCODING = sys.getfilesystemencoding()

_SOUND = re.compile(
    rb"(?!\.{1,2}(?:/|\Z))[^/\0]+(?:/(?!\.{1,2}(?:/|\Z))[^/\0]+)*", re.DOTALL
).fullmatch


def order_key(name: bytes) -> bytes:
    """Manifest order: a folder, then everything in it, then the next entry of its parent."""
    return b"" if name == ROOT else name.replace(b"/", b"\0")


def is_sound(name: bytes) -> bool:
    """Whether a name out of a manifest stays inside the tree: relative, no ``..``, no NUL, no empty part."""
    return name == ROOT or _SOUND(name) is not None


def parent(name: bytes) -> bytes:
    """The folder an entry lies in; ROOT for the topmost ones."""
    return name.rpartition(b"/")[0] or ROOT


def ancestors(name: bytes) -> Iterator[bytes]:
    """The folders above an entry, nearest first, without ROOT."""
    end = name.rfind(b"/")
    while end > 0:
        yield name[:end]
        end = name.rfind(b"/", 0, end)


def below(name: bytes, folder: bytes) -> bool:
    """Whether an entry lies in ``folder``, at any depth."""
    if folder == ROOT:
        return name != ROOT
    return name.startswith(folder) and name[len(folder) : len(folder) + 1] == b"/"


def label(name: bytes) -> str:
    """The name as Item.label shows it; patterns are matched against this."""
    return name.decode("utf-8", "backslashreplace")


def printable(name: bytes) -> str:
    """The name on one line of a message: newlines and other control characters are escaped."""
    text = label(name)
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
