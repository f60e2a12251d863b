"""A snapshot held in memory: what flow and repository are to a source, small enough to read."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.model.plans import ItemResult, RestorePlan
from holdfast.model.snapshot import Item, Notes, Segment
from holdfast.sources.base import CaptureNotes, CaptureRequest, Piece, RestoreRequest
from holdfast.sources.sqlite import SqliteSource
from holdfast.sources.sqlite.settings import Settings


@dataclass
class Taken:
    """One snapshot: Previous, Manifest and Content in one."""

    notes: Notes = field(default_factory=dict)
    learned: CaptureNotes = field(default_factory=CaptureNotes)
    found: dict[bytes, Item] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    read: int = 0

    def items(self) -> Iterator[Item]:
        return iter(self.found.values())

    def item(self, name: bytes) -> Item | None:
        return self.found.get(name)

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        data = self.stored[segment.key]
        for at in range(0, len(data), 262_144):
            yield data[at : at + 262_144]

    def prefetch(self, segments: Sequence[Segment]) -> None:
        pass

    @property
    def only_item(self) -> Item:
        (item,) = self.found.values()
        return item

    @property
    def image(self) -> bytes:
        return b"".join(self.stored[segment.key] for segment in self.only_item.segments)

    def query(self, folder: Path, sql: str) -> list[Any]:
        """Run SQL over the captured image."""
        copy = folder / "image.db"
        copy.write_bytes(self.image)
        with_connection = sqlite3.connect(copy)
        try:
            return with_connection.execute(sql).fetchall()
        finally:
            with_connection.close()


def take(
    path: str | bytes | Path, previous: Taken | None = None, settings: Settings | None = None, **more: Any
) -> Taken:
    """Capture a database the way flow does: every lane in a thread of its own."""
    taken = Taken()
    source = SqliteSource(path, settings)
    with source.capture(CaptureRequest(source="db", previous=previous, **more)) as image:
        lanes = image.lanes()
        pieces: list[tuple[Piece, Segment | None]] = []
        failures: list[BaseException] = []
        threads = [threading.Thread(target=_drain, args=(lane, taken, pieces, failures)) for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        taken.learned = image.finish()
        taken.notes = taken.learned.notes
    for piece, segment in sorted(pieces, key=lambda pair: pair[0].order):
        item = taken.found.setdefault(piece.item, Item(piece.item, piece.kind, 0, 0, [], None))
        if piece.item_notes is not None:
            item.notes = piece.item_notes
        for each in piece.kept or ([segment] if segment else []):
            item.segments.append(each)
            item.rows += each.rows
            item.size += each.size
            if piece.kept and previous:
                taken.stored[each.key] = previous.stored[each.key]
    return taken


def _drain(lane: Iterator[Piece], taken: Taken, pieces: list[Any], failures: list[BaseException]) -> None:
    try:
        for piece in lane:
            segment = None
            if piece.blocks is not None:
                data = b"".join(bytes(block) for block in piece.blocks)
                assert piece.result is not None
                result = piece.result()
                if result.notes is not None:
                    piece.item_notes = result.notes
                segment = Segment(piece.key, result.rows, len(data), [], result.stamp)
                taken.stored[piece.key] = data
                taken.read += len(data)
            pieces.append((piece, segment))
    except BaseException as error:
        failures.append(error)


def bring_back(
    path: str | bytes | Path, taken: Taken, settings: Settings | None = None, **request: Any
) -> tuple[RestorePlan, list[ItemResult]]:
    """Restore the way the use case does: plan, hold, capture what is touched, apply, verify content."""
    target = SqliteSource(path, settings).target(RestoreRequest(label="then", **request))
    plan = target.plan(taken)
    with target.hold(plan):
        touched = target.touched_source(plan)
        if touched is not None:
            source, only = touched
            with source.capture(CaptureRequest(source="db", only=only)) as image:
                for lane in image.lanes():
                    for piece in lane:
                        assert piece.blocks is not None and piece.result is not None
                        for _ in piece.blocks:
                            pass
                        piece.result()
                image.finish()
        results = target.apply(plan, taken, taken)
    return plan, results + target.verify(plan, taken, taken)


def bank(path: Path, mode: str, *, accounts: int = 1000, page_size: int = 4096) -> None:
    """A database whose balances always add up to ``accounts`` times 100."""
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA page_size={page_size}")
    connection.execute(f"PRAGMA journal_mode={mode}")
    connection.execute("CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER, filler BLOB)")
    connection.execute("CREATE TABLE log(id INTEGER PRIMARY KEY, source INTEGER, target INTEGER, amount INTEGER)")
    connection.execute("CREATE INDEX by_balance ON account(balance)")
    connection.executemany(
        "INSERT INTO account VALUES(?, 100, randomblob(?))", ((each, 200 + each % 700) for each in range(accounts))
    )
    connection.commit()
    connection.close()
