"""Rows as people and entities speak of them: tables, columns, references between tables, one row, one difference.

A *table* is whatever holds rows: a table of PostgreSQL or SQLite, a collection of MongoDB. Values are kept in the
form of their kind, without loss: text as COPY writes it (PostgreSQL), Python's own types (SQLite), BSON's (MongoDB).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from holdfast.model.exactness import same_value

Value = Hashable
"""One value of a row; None is NULL, or for a document a field that is null."""

Key = tuple[Value, ...]
"""Values of the columns asked for, in their order."""


class Digits(float):
    """A number for readers of JSON that is shown to people in the digits the database wrote: ``12.50``."""

    def __new__(cls, text: str) -> Digits:
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """``type`` as the database writes it; ``generated``: computed by the database, never written.

    ``default``: the expression as the database writes it, where it is known; "" also for none.
    """

    name: str
    type: str = ""
    nullable: bool = True
    generated: bool = False
    default: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """``columns`` of ``table`` name a row of ``to`` by its ``to_columns``: a foreign key, or a declared edge.

    ``on_delete``: "no action", "restrict", "cascade", "set null", "set default". A column may be a path:
    ``payload.eventId`` (JSON or document), ``tags[]`` (each element of an array). ``when``: column values that must
    hold (the type column of a polymorphic pair).
    """

    name: str
    table: str
    columns: tuple[str, ...]
    to: str
    to_columns: tuple[str, ...]
    on_delete: str = "no action"
    deferrable: bool = False
    nullable: bool = True
    when: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """``name`` as ``show`` lists it (``public.events``, ``events``). ``columns`` empty: documents, any field.

    ``key``: the primary key (``("_id",)`` for documents); empty when there is none. ``unique``: the other keys.
    ``rows`` may be None where counting would mean reading.
    """

    name: str
    columns: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    rows: int | None = None
    sequences: Mapping[str, str] = field(default_factory=dict)
    """Column -> the sequence or identity that numbers it."""
    root: str = ""
    """The table that holds these rows too, of which this one is a partition."""


@dataclass(frozen=True, slots=True)
class Row:
    """``values`` by column; ``raw``: the document's own bytes, which alone are written back."""

    values: Mapping[str, Value]
    raw: bytes = b""

    def key(self, columns: tuple[str, ...]) -> Key:
        """The values of ``columns``; a column that is not there counts as NULL."""
        if len(columns) == 1:
            return (self.values.get(columns[0]),)
        return tuple([self.values.get(column) for column in columns])


class Did(Enum):
    """What happened to a row between two states, or what a restore would do with it."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One row that is not the same in two states; ``before`` or ``after`` is None where there was no such row."""

    table: str
    did: Did
    key: Key
    before: Row | None = None
    after: Row | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose values differ."""
        if self.before is None or self.after is None:
            return ()
        names = dict.fromkeys((*self.before.values, *self.after.values))
        mine, theirs = self.before.values, self.after.values
        return tuple(name for name in names if not same_value(mine.get(name), theirs.get(name)))
