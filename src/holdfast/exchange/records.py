"""What a file of another system says, record by record, before any database has had a word in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from holdfast.model.errors import HoldfastError


class BadFile(HoldfastError):
    """A file to be imported is not what it should be; nothing of it was taken."""

    code = "bad-file"


class Form(Enum):
    """What the values of a record are."""

    JSON = "json"    # None, bool, int, Decimal, str, list, dict
    CELLS = "cells"  # texts as people write them, None is NULL
    SQL = "sql"      # texts as COPY writes them, or literals: None, bool, int, Decimal, str, bytes
    RAW = "raw"      # a document's BSON, in ``raw``


@dataclass(frozen=True, slots=True)
class Record:
    """One row of ``table`` as the file calls it. ``apart``: the one that a document of an event is about."""

    table: str
    values: Mapping[str, Any] = field(default_factory=dict)
    form: Form = Form.JSON
    raw: bytes = b""
    apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Many rows of one table, not taken apart. ``singly``: the same as records, errors with the line.

    ``text``: whole lines as COPY has them; or ``cells``: column by column, "" is NULL.
    """

    table: str
    columns: tuple[str, ...]
    rows: int
    singly: Callable[[], Iterator[Record]]
    text: str = ""
    cells: Sequence[Sequence[str]] = ()


@dataclass(slots=True, kw_only=True)
class Origin:
    """What a file tells about itself. Complete once all records were read.

    ``id``: what the old system called this backup; ``is_named``: the file or table says so itself, so that another of
    that id is the same one. ``created_at``: ISO 8601. ``facts``: everything else worth keeping with the snapshot.
    ``counts``: rows by table as the file itself claims. ``tables``: every table the file names, also those without
    rows, with the columns it tells (may be empty). ``virtual``: tables whose rows a script does not tell. ``shape``:
    "tables" or "collections" of a document that has them.
    """

    format: str
    path: str = ""
    id: str = ""
    is_named: bool = False
    created_at: str = ""
    shape: str = ""
    virtual: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    tables: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Reader(Protocol):
    """Reads one file. ``place`` tells where the record stands that came last, for an error about it."""

    def records(self, origin: Origin) -> Iterator[Record]:
        """All records, streaming; ``origin`` is filled on the way. BadFile tells the place and what is wrong."""
        ...

    def place(self) -> str:
        """``tickets.csv, line 12``."""
        ...


@runtime_checkable
class InStretches(Protocol):
    """Optional power of a Reader: what is plain comes many rows at a time."""

    def stretches(self, origin: Origin) -> Iterator[Record | Stretch]:
        """As ``records``."""
        ...


def singly(found: Iterator[Record | Stretch]) -> Iterator[Record]:
    """Everything as records."""
    for each in found:
        if isinstance(each, Stretch):
            yield from each.singly()
        else:
            yield each
