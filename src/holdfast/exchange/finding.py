"""What a path holds: one backup in a file, one in the files of a folder, or many that lie side by side."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from holdfast.exchange import naming, opening, sql_text
from holdfast.exchange.csv_text import CsvReader
from holdfast.exchange.reading import BsonReader, JsonLinesReader, JsonReader, instant_of_id
from holdfast.exchange.records import BadFile, Origin, Reader
from holdfast.model.errors import UsageError

FORMATS = ("json", "csv", "jsonl", "sql", "pgdump", "bson")
PER_TABLE = ("csv", "jsonl", "bson")
Unpack = Callable[[Path], Iterator[bytes]]
"""Turns a custom archive into a script."""

_ENDINGS = {
    ".json": "json", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".sql": "sql", ".bson": "bson",
    ".dump": "pgdump", ".pgdump": "pgdump", ".backup": "pgdump", ".custom": "pgdump",
}  # fmt: skip
_ARCHIVE = b"PGDMP"
_SIDE = re.compile(r".*\.metadata\.json(\.gz)?\Z|prelude\.json(\.gz)?\Z|oplog\.bson(\.gz)?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of a backup."""

    path: Path
    format: str
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One backup: its files, and what it is called."""

    name: str
    parts: tuple[Part, ...]


def backups(path: Path, format: str | None) -> list[Found]:  # noqa: A002
    """All backups at ``path``, in the order of their names. UsageError when there is none."""
    if not path.is_dir():
        part = _part(path, format)
        return [Found(name=naming.table_name(path.name), parts=(part,))]
    try:
        files = sorted(each for each in path.rglob("*") if each.is_file() and not _is_side(each))
    except OSError as error:
        raise BadFile("the folder cannot be read", where=str(path), why=error.strerror or str(error)) from error
    parts = [_part(each, format) for each in files if format or _ending(each)]
    together = tuple(part for part in parts if part.format in PER_TABLE)
    found = [Found(name=naming.table_name(part.path.name), parts=(part,)) for part in parts if part not in together]
    if together:
        _refuse_twice(together)
        found.append(Found(name=path.resolve().name, parts=together))
    if not found:
        raise UsageError(
            "there is nothing to import in this folder", where=str(path), hint=f"files of: {', '.join(_ENDINGS)}"
        )
    return sorted(found, key=lambda each: (instant_of_id(each.name), each.name))


def _refuse_twice(parts: tuple[Part, ...]) -> None:
    tables = [part.table for part in parts]
    for part in parts:
        if tables.count(part.table) > 1:
            raise UsageError(
                f"two files hold the table {part.table!r}", where=str(part.path), hint="import them one at a time"
            )


def _is_side(path: Path) -> bool:
    return bool(_SIDE.fullmatch(path.name)) or path.name.startswith(".")


def definitions_beside(path: str) -> str:
    """The file of indexes and options that mongodump lays beside a collection, where it holds any; "" otherwise."""
    stem = re.sub(r"\.bson(\.gz)?\Z", "", path)
    for side in (Path(f"{stem}.metadata.json"), Path(f"{stem}.metadata.json.gz")):
        if stem != path and side.is_file():
            text = b"".join(opening.blocks(side))
            if text.count(b'"key"') > 1 or not re.search(rb'"options"\s*:\s*\{\s*\}', text):
                return side.name
    return ""


def _ending(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return next((found for ending, found in _ENDINGS.items() if name.endswith(ending)), "")


def _part(path: Path, format: str | None) -> Part:  # noqa: A002
    if not path.exists():
        raise UsageError("there is no such file", where=str(path))
    told = format or _ending(path)
    if not told or told == "sql":
        first = next(opening.blocks(path), b"")
        if first.startswith(_ARCHIVE):
            told = "pgdump"
        elif not told:
            told = _guessed(path, first)
    return Part(path=path, format=told, table=naming.table_name(path.name))


def _guessed(path: Path, first: bytes) -> str:
    start = first.lstrip()[:64]
    if start.startswith((b"{", b"[")):
        return "json"
    if start.startswith((b"--", b"PRAGMA", b"SET ", b"CREATE", b"\\restrict")):
        return "sql"
    raise UsageError(
        "what kind of file this is cannot be told from its name", where=str(path),
        hint=f"say it: --format {'|'.join(FORMATS)}",
    )  # fmt: skip


def reader_of(part: Part, unpack: Unpack) -> tuple[Reader, Origin]:
    """How to read one file, and what its name tells."""
    name, stem = str(part.path), naming.table_name(part.path.name)
    stamped = instant_of_id(stem)
    origin = Origin(format=part.format, path=name, id=stem, created_at=stamped, is_named=bool(stamped))
    if part.format == "bson":
        return BsonReader(opening.blocks(part.path), name, part.table), origin
    if part.format == "pgdump":
        return sql_text.SqlReader(opening.decoded(part.path, unpack(part.path)), name), origin
    chunks = opening.text(part.path)
    if part.format == "json":
        return JsonReader(chunks, name, part.table), origin
    if part.format == "csv":
        return CsvReader(chunks, name, part.table), origin
    if part.format == "jsonl":
        return JsonLinesReader(chunks, name, part.table), origin
    return sql_text.SqlReader(chunks, name), origin
