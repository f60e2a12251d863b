"""A database compared with what a snapshot holds of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from holdfast.model.plans import Action, ItemResult
from holdfast.model.snapshot import Item, Segment
from holdfast.sources.base import Block, Content
from holdfast.sources.sqlite.header import steady
from holdfast.sources.sqlite.opening import open_reader
from holdfast.sources.sqlite.reader import Reader
from holdfast.sources.sqlite.segments import Digest, segment_range
from holdfast.sources.sqlite.settings import Settings


def is_same(path: bytes, item: Item, settings: Settings) -> bool:
    """Whether the database at ``path`` holds now exactly what ``item`` holds."""
    if item.size == 0:
        return os.stat(path).st_size == 0 or _is_empty(path, settings)
    with open_reader(path, width=1, wait=settings.wait) as reader:
        reader.serve()
        same = reader.size == item.size and all(_segment_is_same(reader, each) for each in item.segments)
        return same and reader.still_valid()


def first_difference(path: bytes, item: Item, content: Content, settings: Settings) -> str:
    """The first bytes that differ from the snapshot's content, in words; empty when there are none."""
    if item.size == 0:
        return "" if is_same(path, item, settings) else "the database is not empty"
    content.prefetch(item.segments)
    with open_reader(path, width=1, wait=settings.wait) as reader:
        reader.serve()
        if reader.size != item.size:
            return f"{reader.size} bytes, the snapshot has {item.size}"
        for segment in item.segments:
            offset, end = segment_range(segment.key)
            wanted = _steady_blocks(content.blocks(segment), offset)
            found = _steady_blocks(reader.blocks(0, offset, end - offset), offset)
            if (at := _differ(wanted, found)) is not None:
                page = (offset + at) // max(1, reader.facts["page_size"]) + 1
                return f"byte {offset + at} differs (page {page})"
        return "" if reader.still_valid() else "the database moved while it was compared"


def table_results(item: Item, found: list[dict[str, Any]], action: Action) -> list[ItemResult]:
    """One result per table: its rows as counted in the restored file, against those counted at capture."""
    now = {table["name"]: table["rows"] for table in found}
    results = []
    for table in (item.notes or {}).get("tables", []):
        name, rows = table["name"], table["rows"]
        same = name in now and (rows is None or now[name] == rows)
        detail = "" if same else f"{now.get(name, 'no such table')}, the snapshot has {rows}"
        results.append(
            ItemResult(
                name=f"{item.label}:{name}",
                action=str(action),
                rows=now.get(name),
                status="ok" if same else "failed",
                detail=detail,
            )
        )
    return results


def _segment_is_same(reader: Reader, segment: Segment) -> bool:
    offset, end = segment_range(segment.key)
    digest = Digest(offset)
    for block in reader.blocks(0, offset, end - offset):
        digest.add(block)
    return digest.value() == segment.stamp


def _is_empty(path: bytes, settings: Settings) -> bool:
    with open_reader(path, width=1, wait=settings.wait) as reader:
        reader.begin_inspection(count=False, check=False, quick=True)
        return not reader.end_inspection()["tables"]


def _steady_blocks(blocks: Iterable[Block], offset: int) -> Iterator[memoryview]:
    for number, block in enumerate(blocks):
        if offset == 0 and number == 0:
            yield memoryview(steady(bytes(block)))
        else:
            yield memoryview(block)


def _differ(wanted: Iterator[memoryview], found: Iterator[memoryview]) -> int | None:
    """Offset of the first byte where two streams of blocks differ."""
    at, left, right = 0, memoryview(b""), memoryview(b"")
    while True:
        left = left or next(wanted, memoryview(b""))
        right = right or next(found, memoryview(b""))
        count = min(len(left), len(right))
        if not count:
            return at if len(left) or len(right) else None
        if left[:count] != right[:count]:
            return at + next(n for n in range(count) if left[n] != right[n])
        at, left, right = at + count, left[count:], right[count:]
