"""JSON read as it comes: objects and arrays are walked, single values decoded whole, memory stays flat."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from holdfast.exchange.records import BadFile

LARGEST_VALUE = 64 << 20
DEEPEST = 100
_SPACE = re.compile(r"[ \t\r\n]*")
_MAY_GO_ON = re.compile(r"[0-9.eE+-]*")
_COMPACT = 1 << 20
_TAIL = 16
_SHOWN = 40


class _Duplicate(ValueError):
    """A name that an object has twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Duplicate(next(name for name in names if names.count(name) > 1))
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Decimal, parse_constant=_constant)


class JsonStream:
    """Walks one JSON text. Numbers with a point or an exponent come as Decimal, digits unchanged."""

    def __init__(self, chunks: Iterator[str], name: str) -> None:
        self._chunks = chunks
        self._name = name
        self._text = ""
        self._at = 0
        self._ended = False
        self._line = 1
        self._bytes = 0
        self._marked = 0

    def place(self) -> str:
        """Where the value stands that was decoded last."""
        line, at = self._position(self._marked)
        return f"{self._name}, line {line:,}, byte {at:,}"

    def peek(self) -> str:
        """The next character that is no blank; "" at the end."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def members(self) -> Iterator[str]:
        """The names of an object; whoever iterates reads each value before asking for the next name."""
        self._take("{", "an object")
        seen: set[str] = set()
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            self._mark()
            name = self.value()
            if not isinstance(name, str):
                raise self.bad("a name was expected")
            if name in seen:
                raise self.bad(f"the name {name[:_SHOWN]!r} stands here twice")
            seen.add(name)
            self._take(":", "a colon")
            yield name
            if self._next("}"):
                return

    def elements(self) -> Iterator[None]:
        """One step for each element of an array; whoever iterates reads it."""
        self._take("[", "an array")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield
            if self._next("]"):
                return

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        self._compact()
        self._mark()
        wanted = 0
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except _Duplicate as error:
                raise self.bad(f"the name {str(error)[:_SHOWN]!r} stands twice in one object") from error
            except json.JSONDecodeError as error:
                wanted = self._grown(error, wanted)
                continue
            except RecursionError as error:
                raise self._too_deep() from error
            except ValueError as error:
                raise self.bad(str(error).split(";", 1)[0]) from error
            if not isinstance(value, str | list | dict) and _MAY_GO_ON.fullmatch(self._text, end) and self._more():
                continue  # a number may go on
            self._refuse_depth(value, end)
            if self._text.find("\\ud", self._at, end) >= 0 or self._text.find("\\uD", self._at, end) >= 0:
                self._refuse_halves(value)
            self._at = end
            return value

    def finish(self) -> None:
        """BadFile unless the text ends here."""
        if self.peek():
            self._mark()
            raise self.bad("something stands behind the end of the document")

    def bad(self, what: str, hint: str = "") -> BadFile:
        """An error about the place reached."""
        return BadFile(what, where=self.place(), hint=hint)

    def cut_off(self) -> BadFile:
        """The error for a text that ends too early."""
        self._mark()
        return BadFile(
            "the file ends in the middle", where=self.place(), hint="it was written half; take another backup"
        )

    def _next(self, closing: str) -> bool:
        """Behind an element: True at the end of what it is in."""
        found = self.peek()
        self._mark()
        if found not in (closing, ","):
            raise self.bad(f"'{closing}' or a comma was expected, not {found!r}") if found else self.cut_off()
        self._at += 1
        return found == closing

    def _take(self, character: str, what: str) -> None:
        found = self.peek()
        self._mark()
        if found != character:
            raise self.bad(f"{what} was expected, not {found!r}") if found else self.cut_off()
        self._at += 1

    def _grown(self, error: json.JSONDecodeError, wanted: int) -> int:
        """Read on where the text may merely not be here yet; else BadFile."""
        waiting = error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _TAIL
        if not waiting or self._ended:
            if self._ended and (error.msg.startswith("Unterminated") or error.pos >= len(self._text.rstrip())):
                raise self.cut_off() from error
            self._mark(error.pos)
            raise self.bad(f"this is no JSON: {error.msg}") from error
        wanted = max(2 * wanted, 2 * (len(self._text) - self._at), 1 << 16)
        while len(self._text) - self._at < wanted and self._more():
            pass
        if len(self._text) - self._at > LARGEST_VALUE:
            raise self.bad(f"one value is larger than {LARGEST_VALUE >> 20} MiB", "is this a backup at all?")
        return wanted

    def _refuse_depth(self, value: Any, end: int) -> None:
        opened = self._text.count("{", self._at, end) + self._text.count("[", self._at, end)
        if opened > DEEPEST and _depth(value) > DEEPEST:
            raise self._too_deep()

    def _refuse_halves(self, value: Any) -> None:
        """Halves of letters are none; only those are kept that stand for a byte which is no letter."""
        try:
            json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise self.bad("a text holds half a letter (\\ud800 … \\udfff alone)", "no database takes it") from error

    def _too_deep(self) -> BadFile:
        return self.bad(f"values are nested more than {DEEPEST} deep", "no database takes such a value")

    def _more(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                self._text += chunk
                return True
        self._ended = True
        return False

    def _compact(self) -> None:
        if self._at > _COMPACT:
            line, at = self._position(self._at)
            self._text, self._at, self._marked = self._text[self._at :], 0, 0
            self._line, self._bytes = line, at

    def _mark(self, at: int | None = None) -> None:
        self._marked = self._at if at is None else at

    def _position(self, at: int) -> tuple[int, int]:
        return (
            self._line + self._text.count("\n", 0, at),
            self._bytes + len(self._text[:at].encode("utf-8", "surrogatepass")),
        )


def _depth(value: Any) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        each, depth = waiting.pop()
        deepest = max(deepest, depth)
        inner = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        waiting += [(one, depth + 1) for one in inner if isinstance(one, dict | list)]
    return deepest
