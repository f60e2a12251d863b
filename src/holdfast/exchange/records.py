"""What a file of another system says, record by record, before any database has had a word in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

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
    """One row of ``table`` as the file calls it."""

    table: str
    values: Mapping[str, Any] = field(default_factory=dict)
    form: Form = Form.JSON
    raw: bytes = b""


@dataclass(slots=True, kw_only=True)
class Origin:
    """What a file tells about itself. Complete once all records were read.

    ``id``: what the old system called this backup; ``is_named``: the file or table says so itself, so that another of
    that id is the same one. ``created_at``: ISO 8601. ``facts``: everything else worth keeping with the snapshot.
    ``counts``: rows by table as the file itself claims. ``tables``: every table the file names, also those without
    rows, with the columns it tells (may be empty).
    """

    format: str
    path: str = ""
    id: str = ""
    is_named: bool = False
    created_at: str = ""
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
