"""All definitions of a database, as pg_dump writes them, taken in the snapshot of the rows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.sources.postgres.items import CONTINUITY_SCHEMA
from holdfast.sources.postgres.refusals import from_child
from holdfast.system.process import Child

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.sources.postgres.stream import Session
    from holdfast.sources.postgres.tools import Tool

_HEAD_BYTES = 96
_DATE_FIELDS = 7
_LOCK_WAIT = 90_000  # milliseconds; longer than the snapshot's holder waits, who can say what is in the way
_COMPRESSION_IS_A_BYTE = (1, 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpOptions:
    """What goes into the definitions. ``left_out``: patterns, as pg_dump reads them, of tables without one."""

    owner: bool = True
    acl: bool = True
    left_out: tuple[str, ...] = ()


def start_dump(tool: Tool, session: Session, options: DumpOptions) -> Child:
    """Start pg_dump on the snapshot; read it with ``archive``."""
    command = [
        tool.path, "-Fc", "-Z0", "--schema-only", "-w", f"--lock-wait-timeout={_LOCK_WAIT}",
        f"--snapshot={session.snapshot}", f"--exclude-schema={CONTINUITY_SCHEMA}",
        f"--encoding={session.encoding}", f"--dbname={session.auth.conninfo}",
    ]
    command += [] if options.owner else ["--no-owner"]
    command += [] if options.acl else ["--no-acl"]
    command += [f"--exclude-table={pattern}" for pattern in options.left_out]
    return Child(command, environ=session.auth.environ)


def archive(child: Child, session: Session) -> Iterator[bytes]:
    """The archive's bytes, its date zeroed so that equal definitions give equal bytes; SourceError if it fails."""
    head = b""
    while len(head) < _HEAD_BYTES and (block := child.read()):
        head += block
    if head:
        yield without_date(head)
    while block := child.read():
        yield block
    if child.wait() or not head:
        raise from_child(child.errors, session.conninfo, doing="pg_dump could not read the definitions")


def exact_pattern(schema: str, name: str, codec: str = "utf-8") -> str:
    """A pg_dump pattern that means exactly this table, its bytes in the encoding pg_dump was told."""
    return os.fsdecode(f"{_exact(schema)}.{_exact(name)}".encode(codec))


def without_date(head: bytes) -> bytes:
    """The beginning of a custom archive with the time of the dump set to zero."""
    if head[:5] != b"PGDMP" or len(head) < _HEAD_BYTES:
        return head
    size = head[8]
    compression = 1 if (head[5], head[6]) >= _COMPRESSION_IS_A_BYTE else 1 + size
    start = 11 + compression
    end = start + _DATE_FIELDS * (1 + size)
    return head[:start] + bytes(end - start) + head[end:]


def _exact(name: str) -> str:
    """Inside double quotes every letter stands for itself, except the quote."""
    return '"' + name.replace('"', '""') + '"'
