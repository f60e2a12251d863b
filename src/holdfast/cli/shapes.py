"""The JSON documents and lines that several verbs share: snapshots, and warnings about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.model.ids import short
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import SnapshotEntry

_BACKUP_FIELDS = (
    "id", "source", "kind", "trigger", "status", "created_at", "rows", "item_count",
    "bytes_source", "bytes_read", "bytes_new", "bytes_stored", "seconds", "not_protected", "warnings",
)  # fmt: skip
_LIST_FIELDS = ("run", "name", "created_by", "source_changed_at", "origin", "partial")


def snapshot_document(info: SnapshotInfo) -> dict[str, Any]:
    """What ``backup --json`` says of each snapshot."""
    return {field: getattr(info, field) for field in (*_BACKUP_FIELDS, *_LIST_FIELDS)}


def entry_document(entry: SnapshotEntry) -> dict[str, Any]:
    """What ``list --json`` and ``show --json`` say."""
    told = {"data_at": entry.info.data_at, "pinned": entry.pinned, "aliases": aliases(entry.info)}
    return {**snapshot_document(entry.info), **told}


def snapshot_lines(infos: Sequence[SnapshotInfo]) -> list[str]:
    """A table of what a backup made."""
    titles = ("snapshot", "source", "rows", "items", "size", "read", "new", "stored", "took", "status")
    rows = [
        (
            short(info.id),
            info.source,
            words.count(info.rows),
            words.count(info.item_count),
            words.size(info.bytes_source),
            words.size(info.bytes_read),
            words.size(info.bytes_new),
            words.size(info.bytes_stored),
            words.seconds(info.seconds),
            info.status,
        )
        for info in infos
    ]
    return words.table(titles, rows, right=(2, 3, 4, 5, 6, 7, 8))


def entry_lines(entries: Sequence[SnapshotEntry]) -> list[str]:
    """A table of snapshots, newest first."""
    titles = ("snapshot", "created (UTC)", "source", "rows", "items", "size", "stored", "trigger", "status", "")
    rows = [
        (
            short(entry.info.id),
            words.instant(entry.info.created_at),
            entry.info.source,
            words.count(entry.info.rows),
            words.count(entry.info.item_count),
            words.size(entry.info.bytes_source),
            words.size(entry.info.bytes_stored),
            entry.info.trigger,
            entry.info.status,
            marks(entry),
        )
        for entry in entries
    ]
    return words.table(titles, rows, right=(3, 4, 5, 6))


def marks(entry: SnapshotEntry) -> str:
    """Pinned, partial, name, old ids and time: what makes one snapshot different from the next."""
    flags = [word for word, set_ in (("pinned", entry.pinned), ("partial", entry.info.partial)) if set_]
    of = [of_when(entry.info)] if entry.info.data_at != entry.info.created_at else []
    return " ".join([*flags, *([f"“{entry.info.name}”"] if entry.info.name else []), *aliases(entry.info), *of])


def of_when(info: SnapshotInfo) -> str:
    """Of what time its data is: of an imported backup not that of the import."""
    told = words.instant(info.data_at)
    return told if info.data_at == info.created_at else f"of {told}"


def aliases(info: SnapshotInfo) -> list[str]:
    """What the system that a snapshot was imported from called it."""
    return [str(alias) for alias in (info.more or {}).get("aliases") or ()]


def tell_gaps(face: Face, infos: Sequence[SnapshotInfo]) -> None:
    """What a snapshot does not hold, on stderr."""
    for info in infos:
        for text in info.not_protected:
            face.note(f"not protected: {info.source}: {text}", "yellow")
