"""What the sample application holds, exactly: rows of tables in order; bytes, names, modes and times of files."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from holdfast.usecases.demo.making import DATABASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of one table, and the digest of all of them in order."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One name in the tree. ``content`` digest, or where a link leads. ``linked`` the first name of the same file."""

    kind: str
    mode: int
    modified_ns: int
    size: int
    content: str
    linked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """Everything. ``definitions`` digest of the database's schema. ``rows`` and ``size`` in total."""

    definitions: str
    tables: dict[str, Table]
    files: dict[str, File]

    @property
    def rows(self) -> int:
        """Rows in all tables that the application knows (not in those of its search index)."""
        return sum(table.rows for name, table in self.tables.items() if not name.startswith("events_search"))

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return sum(file.size for file in self.files.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One table or file that is not what it was: ``kind`` "table", "file" or "definitions"."""

    kind: str
    name: str
    detail: str


def fingerprint(folder: Path) -> Fingerprint:
    """Look at everything below ``folder``; changes nothing."""
    definitions, tables = _database(folder / DATABASE)
    files: dict[str, File] = {}
    inodes: dict[int, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.parent == folder and path.name.startswith(DATABASE):
            continue
        name = str(path.relative_to(folder))
        files[name] = _file(path, name, inodes)
    return Fingerprint(definitions=definitions, tables=tables, files=files)


def compare(before: Fingerprint, after: Fingerprint) -> list[Difference]:
    """Every difference; an empty list means equal to the row and byte."""
    found = list(_differing("table", dict(before.tables), dict(after.tables)))
    if before.definitions != after.definitions:
        found.append(Difference(kind="definitions", name=DATABASE, detail="defined differently"))
    return found + list(_differing("file", dict(before.files), dict(after.files)))


def _differing(kind: str, before: dict[str, object], after: dict[str, object]) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield Difference(kind=kind, name=name, detail="missing")
        elif name not in before:
            yield Difference(kind=kind, name=name, detail="was not there before")
        elif before[name] != after[name]:
            yield Difference(kind=kind, name=name, detail=_told(before[name], after[name]))


def _told(before: object, after: object) -> str:
    if isinstance(before, Table) and isinstance(after, Table):
        if before.rows != after.rows:
            return f"{before.rows:,} rows before, {after.rows:,} now"
        return f"{before.rows:,} rows as before, but not the same ones"
    if isinstance(before, File) and isinstance(after, File):
        names = [field for field in File.__slots__ if getattr(before, field) != getattr(after, field)]
        return "other " + ", ".join(name.removesuffix("_ns") for name in names)
    return "differs"


def _database(path: Path) -> tuple[str, dict[str, Table]]:
    if not path.exists():
        return "", {}
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        schema = connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").fetchall()
        names = [name for kind, name, _ in schema if kind == "table"]
        return _digest_of(str(schema)), {name: _table(connection, name) for name in names}
    finally:
        connection.close()


def _table(connection: sqlite3.Connection, name: str) -> Table:
    digest, rows = hashlib.sha256(), 0
    cursor = connection.execute(f'SELECT * FROM "{name}" ORDER BY 1')
    while some := cursor.fetchmany(1000):
        rows += len(some)
        digest.update(repr(some).encode())
    return Table(rows=rows, digest=digest.hexdigest())


def _file(path: Path, name: str, inodes: dict[int, str]) -> File:
    facts = path.lstat()
    kind, content, size = "folder", "", 0
    if stat.S_ISLNK(facts.st_mode):
        kind, content = "link", os.readlink(path)
    elif stat.S_ISREG(facts.st_mode):
        kind, content, size = "file", hashlib.sha256(path.read_bytes()).hexdigest(), facts.st_size
    linked = inodes.setdefault(facts.st_ino, name) if kind == "file" and facts.st_nlink > 1 else ""
    return File(
        kind=kind,
        mode=stat.S_IMODE(facts.st_mode),
        modified_ns=facts.st_mtime_ns,
        size=size,
        content=content,
        linked=linked,
    )


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
