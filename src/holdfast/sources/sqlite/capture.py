"""One consistent image of a database, cut into segments that flow reads in parallel."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from holdfast.model.errors import SourceError, UsageError
from holdfast.model.events import Warned
from holdfast.model.snapshot import Notes, Segment
from holdfast.sources.base import Block, CaptureNotes, CaptureRequest, Cut, Piece, PieceResult
from holdfast.sources.sqlite import stamp
from holdfast.sources.sqlite.names import KIND, printable
from holdfast.sources.sqlite.reader import Reader
from holdfast.sources.sqlite.segments import Digest, segment_key, segment_range, segment_ranges
from holdfast.sources.sqlite.settings import Settings

_UNREADABLE = "not a readable SQLite database (encrypted, or something else): kept as bytes"
_SAY_SO = "if it is encrypted, say so: encrypted = true in holdfast.toml"
_NOT_OPENED = ("bytes", "corrupt")
_JOURNAL_MODES = {"wal": "wal", "rollback": "rollback"}


class SqliteCapture:
    """The pages of one database as they were when it was opened. See sources.base.Capture."""

    ordered = False

    def __init__(self, reader: Reader, item: bytes, request: CaptureRequest, settings: Settings) -> None:
        self._reader = reader
        self._item = item
        self._request = request
        self._settings = settings
        self._stamp = stamp.take(reader.facts)
        self._warnings: list[str] = []
        self._incomplete: list[str] = []
        self._unsound: list[str] = []
        self._known: dict[str, Any] = dict(request.previous.notes) if request.previous else {}
        self._before = request.previous.item(item) if request.previous else None
        self._warnings += _other_patterns(item, request.only)
        self._width = reader.serve()
        self._kept = self._is_unchanged()
        self._findings: list[str] = []
        self._quick = False
        self._integrity = str(self._known.get("integrity", "")) if self._kept else ""

    @property
    def needs_bytes(self) -> bool:
        """Whether the image will be read."""
        return not self._kept

    def begin(self) -> None:
        """Look at tables and soundness from now on, beside the reading."""
        size, settings = self._reader.size, self._settings
        self._quick = size > settings.full_check_limit
        self._reader.begin_inspection(count=size <= settings.count_limit, check=True, quick=self._quick)

    @property
    def estimate(self) -> int | None:
        """The image's bytes; nothing when it is kept."""
        return 0 if self._kept else self._reader.size

    def opening_notes(self) -> Notes:
        """Nothing is kept from an interrupted run: its bytes are found again by content."""
        return {}

    def lanes(self) -> Sequence[Iterator[Piece]]:
        """Segments dealt out in turn; kept as one piece when nothing changed."""
        if self._kept and self._before is not None:
            kept = Piece(item=self._item, kind=KIND, kept=self._before.segments, item_notes=self._before.notes)
            return [iter([kept])]
        return [self._lane(number) for number in range(self._width)]

    def finish(self) -> CaptureNotes:
        """Make sure that what was read is one state, and tell what it is."""
        if not self._reader.still_valid():
            raise SourceError(
                "The database changed under its lock while it was being read",
                where=printable(self._reader.path),
                why="something writes to it without SQLite's locks (a network file system, a plain copy over it)",
                hint="Nothing of this attempt counts; stop that, then run again",
                retryable=True,
            )
        facts = self._reader.facts
        if not self._kept:
            self._judge()
        emptied = 0 if self._reader.size else self._tables_before()
        if emptied:
            told = f"the database is empty now, it had {emptied} tables before"
            self._unsound.append(f"{printable(self._item)}: {told}")
        notes: Notes = {
            "emptied": emptied,
            "stamp": self._stamp,
            "sample": int(self._known.get("sample", 0)) + 1,
            "integrity": self._integrity,
            "readable": facts["mode"] not in _NOT_OPENED,
            "mode": facts["mode"],
            "via": facts["via"],
        }
        return CaptureNotes(
            notes=notes,
            warnings=self._warnings,
            incomplete=self._incomplete,
            unsound=self._unsound,
            source_changed_at=_iso(max(facts["stat"][3], self._log_changed())),
            origin="sqlite:" + printable(os.path.realpath(self._reader.path)),
        )

    def warn(self, text: str) -> None:
        """Something a person should know: reported now and kept in the snapshot."""
        self._warnings.append(text)
        self._request.report(Warned(source=self._request.source, text=text))

    # -- reading

    def _lane(self, number: int) -> Iterator[Piece]:
        ranges = segment_ranges(self._reader.size)
        earlier = {segment_range(each.key)[0]: each for each in self._before.segments} if self._before else {}
        if not ranges and number == 0:
            yield Piece(item=self._item, kind=KIND, item_notes=self._learn())
        for order in range(number, len(ranges), self._width):
            offset, end = ranges[order]
            yield self._piece(number, order, earlier.get(offset), (offset, end), last=end == self._reader.size)

    def _piece(self, lane: int, order: int, base: Segment | None, where: tuple[int, int], *, last: bool) -> Piece:
        offset, end = where
        digest = Digest(offset)

        def blocks() -> Iterator[Block]:
            for block in self._reader.blocks(lane, offset, end - offset):
                digest.add(block)
                yield block

        def result() -> PieceResult:
            notes = self._learn() if last else None
            rows = sum(table["rows"] or 0 for table in notes["tables"]) if notes else 0
            return PieceResult(rows=rows, stamp=digest.value(), notes=notes)

        return Piece(
            item=self._item,
            kind=KIND,
            order=order,
            key=segment_key(offset, end),
            blocks=blocks(),
            cut=Cut.PAGES,
            base=base,
            result=result,
        )

    # -- what it is

    def _learn(self) -> Notes:
        """The item's notes; waits for the inspection that runs beside the reading. Called once."""
        found = self._reader.end_inspection()
        facts = self._reader.facts
        mode, owner, group = facts["owner"]
        self._integrity = found["integrity"]
        self._findings = found["findings"]
        return {
            **found["facts"],
            "tables": found["tables"],
            "integrity": found["integrity"],
            "check": "quick_check" if self._quick else "integrity_check",
            "findings": found["findings"],
            "journal_mode": _JOURNAL_MODES.get(facts["mode"]),
            "file": {"mode": mode, "uid": owner, "gid": group, "modified_ns": facts["stat"][3]},
        }

    def _judge(self) -> None:
        label, facts = printable(self._item), self._reader.facts
        if self._integrity == "damaged":
            told = "; ".join(self._findings[:3])
            self._unsound.append(f"{label}: the database is damaged in the source: {told}")
        elif self._integrity == "unknown":
            self.warn(f"{label}: soundness not checked: {'; '.join(self._findings[:3])}")
        if facts["mode"] not in _NOT_OPENED:
            return
        if facts["mode"] == "bytes":
            self._judge_unreadable(label)
        if _size_of(os.path.realpath(self._reader.path) + b"-wal"):
            self._incomplete.append(f"{label}: its -wal file holds changes that cannot be read; not included")

    def _judge_unreadable(self, label: str) -> None:
        if self._known.get("readable"):
            self._unsound.append(f"{label}: it was a readable SQLite database in the previous snapshot")
        if self._settings.encrypted:
            self.warn(f"{label}: {_UNREADABLE}")
        else:
            self._unsound.append(f"{label}: {_UNREADABLE}; {_SAY_SO}")

    def _tables_before(self) -> int:
        """Tables the last snapshot had; as long as the database stays empty, those it had before that."""
        if self._before is not None and self._before.size:
            return len((self._before.notes or {}).get("tables", []))
        return int(self._known.get("emptied", 0))

    # -- what need not be read

    def _is_unchanged(self) -> bool:
        """Equal stamps, a sound snapshot to refer to, and one segment read again to be sure."""
        before, known = self._before, self._known
        if not self._stamp or before is None or known.get("stamp") != self._stamp:
            return False
        sound = ("ok", "unknown", "unreadable") if self._settings.encrypted else ("ok", "unknown")
        if known.get("integrity") not in sound or before.size != self._reader.size:
            return False
        if [segment_range(each.key) for each in before.segments] != segment_ranges(before.size):
            return False
        if not before.segments:
            return True
        sample = before.segments[int(known.get("sample", 0)) % len(before.segments)]
        if self._digest_now(segment_range(sample.key)) == sample.stamp:
            return True
        self.warn(
            f"{printable(self._item)}: bytes {sample.key} differ although nothing told of a change; "
            "everything was read again. Please report this, with the file system it is on"
        )
        return False

    def _digest_now(self, where: tuple[int, int]) -> bytes:
        digest = Digest(where[0])
        for block in self._reader.blocks(0, where[0], where[1] - where[0]):
            digest.add(block)
        return digest.value()

    def _log_changed(self) -> int:
        try:
            log = os.stat(os.path.realpath(self._reader.path) + b"-wal")
        except OSError:
            return 0
        return log.st_mtime_ns if log.st_size else 0


def _other_patterns(item: bytes, only: tuple[str, ...]) -> list[str]:
    """Warnings about patterns that do not mean the database; UsageError when none does."""
    others = [each for each in only if not matches(item, each)]
    if others and len(others) == len(only):
        raise UsageError(
            f"no database matches {', '.join(only)}",
            where=printable(item),
            why="a SQLite source is backed up as a whole, tables cannot be chosen",
            hint=f"leave --only out, or say --only '{printable(item)}'",
        )
    return [f"no database matches {each}" for each in others]


def matches(item: bytes, pattern: str) -> bool:
    """Whether a pattern names the database: its file name, or the word "database"."""
    return pattern == KIND or fnmatchcase(printable(item), pattern)


def _size_of(path: bytes) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _iso(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")
