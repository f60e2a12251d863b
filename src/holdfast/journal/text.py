"""Text as every database takes it: no zero bytes, nothing that is no character."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.model.run import Run


def plain(text: str) -> str:
    """The text with zero bytes, and halves of characters from odd file names, written as escapes."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def document_of(run: Run) -> str:
    """The whole run as JSON."""
    try:
        return msgspec.json.encode(run).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(_plain(msgspec.to_builtins(run))).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
