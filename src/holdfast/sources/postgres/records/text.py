"""Rows as COPY writes them: lines of fields, without loss in either direction."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from holdfast.model.records import Row, Value
from holdfast.sources.postgres.definitions import python_codec

_WRITTEN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPED = str.maketrans({"\\": "\\\\", **{letter: f"\\{name}" for name, letter in _WRITTEN.items()}})
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
NULL = "\\N"


def unescaped(field: str) -> str | None:
    """The value a field stands for; None for NULL."""
    if "\\" not in field:
        return field
    if field == NULL:
        return None
    return _ESCAPE.sub(lambda found: _WRITTEN.get(found[1], found[1]), field)


def escaped(value: Value) -> str:
    """A value as COPY writes it."""
    return NULL if value is None else str(value).translate(_ESCAPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What the lines of one table mean: ``names`` of the columns in order, ``types`` as SQL, Python's ``codec``.

    Bytes that are no letters of the encoding survive as surrogates.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    codec: str = "utf-8"

    @classmethod
    def of(cls, names: Sequence[str], types: Sequence[str], encoding: str) -> Form:
        """For rows in a server encoding."""
        return cls(names=tuple(names), types=tuple(types), codec=python_codec(encoding))

    def rows(self, data: bytes) -> Iterator[Row]:
        """The rows of whole lines."""
        names = self.names
        for line in data.decode(self.codec, "surrogateescape").split("\n")[:-1]:
            fields: Sequence[str | None] = line.split("\t") if names else ()
            if "\\" in line:
                fields = [unescaped(cast("str", field)) for field in fields]
            yield Row(dict(zip(names, fields, strict=True)))

    def lines(self, rows: Sequence[Row]) -> bytes:
        """Rows as whole lines; a column that a row has not is NULL."""
        text = "".join(
            "\t".join([escaped(row.values.get(name)) for name in self.names]) + "\n" for row in rows
        )
        return self.encoded(text)

    def only(self, names: Sequence[str]) -> Form:
        """The form of lines with just these columns."""
        types = dict(zip(self.names, self.types, strict=True))
        return Form(names=tuple(names), types=tuple(types[name] for name in names), codec=self.codec)

    def encoded(self, text: str) -> bytes:
        """Text as the server's bytes."""
        return text.encode(self.codec, "surrogateescape")

    def place(self, name: str) -> int | None:
        """Where a column stands; None when there is none of that name."""
        return self.names.index(name) if name in self.names else None
