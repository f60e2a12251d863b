"""``holdfast show``."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import click

from holdfast.cli import shapes, words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.model.ids import short
from holdfast.model.snapshot import Item, SnapshotInfo
from holdfast.usecases.show import Shown
from holdfast.usecases.show import show as show_snapshot

_EXAMPLES = """
holdfast show latest:shop
holdfast show 3f9c12aa --limit 20
holdfast show before-migration --json
"""


@verb("show", examples=_EXAMPLES)
@click.argument("snapshot", metavar="ID", default="latest")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Items to list for people; --json lists all.",
)
def show(face: Face, snapshot: str, limit: int) -> None:
    """Show one snapshot and what is in it."""
    with opened(face) as app:
        shown = show_snapshot(app.repository, snapshot)
        if face.as_json:
            face.stream_document(_pieces(shown))
        else:
            _tell(face, shown, limit)


def _pieces(shown: Shown) -> Iterator[str]:
    """One JSON document, written while the manifest is read: a million items need no memory."""
    since = shown.unchanged_since
    told = {"snapshot": since.id, "created_at": since.created_at} if since else None
    head = json.dumps({**shapes.entry_document(shown.entry), "unchanged_since": told}, default=str)
    yield f'{head[:-1]}, "items": ['
    for number, item in enumerate(shown.items):
        yield ("\n" if number == 0 else ",\n") + json.dumps(_item_document(item))
    yield "]}\n"


def _item_document(item: Item) -> dict[str, Any]:
    return {"name": item.label, "kind": item.kind, "rows": item.rows, "bytes": item.size}


def _tell(face: Face, shown: Shown, limit: int) -> None:
    info = shown.entry.info
    for name, text in _facts(shown, shapes.marks(shown.entry)):
        face.line(f"{name:15} {text}")
    for title, texts in (("not protected", info.not_protected), ("warning", info.warnings)):
        for text in texts:
            face.line(f"{title:15} {text}", "yellow")
    listed = list(itertools.islice(shown.items, limit))
    if not listed:
        return
    face.line()
    rows = [(item.label, item.kind, words.count(item.rows), words.size(item.size)) for item in listed]
    face.lines(words.table(("item", "kind", "rows", "size"), rows, right=(2, 3)))
    if info.item_count > len(listed):
        face.note(f"and {info.item_count - len(listed):,} more: --limit {info.item_count}")


def _changed(shown: Shown) -> str:
    info, since = shown.entry.info, shown.unchanged_since
    if info.source_changed_at:
        return f"{words.instant(info.source_changed_at)} UTC"
    return f"not since snapshot {short(since.id)}, {words.instant(since.created_at)} UTC" if since else "unknown"


def _facts(shown: Shown, marks: str) -> list[tuple[str, str]]:
    info = shown.entry.info
    return [
        ("snapshot", f"{info.id} {marks}".rstrip()),
        ("source", f"{info.source} ({info.kind}) {info.origin}".rstrip()),
        ("created", f"{words.instant(info.created_at)} UTC by {info.created_by or 'unknown'} ({info.trigger})"),
        ("data changed", _changed(shown)),
        ("status", info.status + (", chosen items only" if info.partial else "")),
        ("rows, items", f"{words.count(info.rows)}, {words.count(info.item_count)}"),
        ("size", f"{words.size(info.bytes_source)}, read {words.size(info.bytes_read)}"),
        ("new", f"{words.size(info.bytes_new)}, stored {words.size(info.bytes_stored)}"),
        ("took", words.seconds(info.seconds)),
        ("run", info.run),
        *_imported(info),
    ]  # fmt: skip


def _imported(info: SnapshotInfo) -> list[tuple[str, str]]:
    """Where an imported backup comes from, and of when it is."""
    told = (info.more or {}).get("import")
    if not isinstance(told, dict):
        return []
    of = f", of {words.instant(str(told['created_at']))} UTC" if told.get("created_at") else ""
    return [("imported", f"{told.get('format')} {told.get('from')}{of}")]
