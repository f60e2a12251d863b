"""One pass over a tree: what did not change since the previous snapshot is kept unopened, the rest is read.

A tree has no lock that everybody respects, so this image is as consistent as each single file; what changed or
vanished under the reader is named and marks the snapshot incomplete.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from holdfast.model.errors import SourceError
from holdfast.model.snapshot import Item, Notes
from holdfast.sources.base import CaptureNotes, CaptureRequest, Piece
from holdfast.sources.files import inode
from holdfast.sources.files.admission import Admission
from holdfast.sources.files.before import Before
from holdfast.sources.files.links import Links
from holdfast.sources.files.losses import Losses
from holdfast.sources.files.only import Only, with_parents
from holdfast.sources.files.pieces import Pieces
from holdfast.sources.files.rules import Rules
from holdfast.sources.files.walk import IFMT, Visit, Walk

_FOLDER = 0o040000
_REGULAR = 0o100000
_RUN = 512


class FilesCapture:
    """The capture of one tree; implements sources.base.Capture."""

    def __init__(self, root: str, root_fd: int, rules: Rules, request: CaptureRequest) -> None:
        self._root = root
        self._root_fd = root_fd
        self._rules = rules
        self._previous = request.previous
        self._only = request.only
        self._losses = Losses()
        self._links = Links()
        self._pieces = Pieces(rules, self._links, self._losses)
        self._admission = Admission(root_fd, rules, Only(request.only, root=root))
        self._walk = Walk(
            root_fd, lost=self._losses.failed, admit=self._admission.doorkeeper(), sieve=self._admission.sieve()
        )
        self._began_ns = time.time_ns()
        self._uids: set[int] = set()
        self._gids: set[int] = set()
        self._newest_ns = 0
        self._items = 0
        self._bytes = 0

    @property
    def ordered(self) -> bool:
        """One lane in manifest order."""
        return True

    @property
    def estimate(self) -> int | None:
        """What the tree held last time."""
        known = self._previous.notes.get("bytes") if self._previous is not None and not self._only else None
        return known if isinstance(known, int) else None

    def opening_notes(self) -> Notes:
        """Nothing an interrupted run needs: every item carries its own guard."""
        return {"began": self._began_ns}

    def lanes(self) -> Sequence[Iterator[Piece]]:
        """The one lane."""
        found = self._found()
        if not self._only:
            return [_gathered(found)]
        only = Only(self._only, root=self._root)
        pieces = (_alone(entry) if isinstance(entry, Item) else entry for entry in found)
        return [(piece for piece, _ in with_parents(((piece.item, piece) for piece in pieces), only))]

    def close(self) -> None:
        """Give back every descriptor."""
        self._pieces.close()
        self._walk.close()

    def finish(self) -> CaptureNotes:
        """Names of owners, what was left out and what was lost."""
        if os.fstat(self._root_fd).st_nlink == 0:
            raise SourceError("the folder was removed while it was being saved", where=self._root)
        notes: Notes = {
            "began": self._began_ns, "items": self._items, "bytes": self._bytes,
            "exclude": list(self._admission.exclusion.lines),
            **inode.owner_names(self._uids, self._gids),
        }
        return CaptureNotes(
            notes=notes, incomplete=self._losses.lines(), warnings=self._warnings(),
            source_changed_at=_iso(self._newest_ns), origin=f"{socket.gethostname()}:{self._root}",
        )

    def _warnings(self) -> list[str]:
        before = self._previous.notes.get("items", 0) if self._previous is not None and not self._only else 0
        warnings = list(self._admission.warnings)
        if self._items <= 1 < before:
            warnings.append(
                f"{self._root} is empty, but held {before - 1} entries in the previous snapshot: is it mounted?"
            )
        return warnings

    def _found(self) -> Iterator[Piece | Item]:
        """Pieces of what is read, and the previous items themselves of what is unchanged."""
        walk, others = self._walk, self._pieces.other
        before = Before(self._previous.items() if self._previous is not None else iter(()))
        facts_of, mode, size = inode.facts_of, inode.MODE, inode.SIZE
        for visit in walk:
            path, _, stat, _ = visit
            facts = facts_of(stat)
            old = before.at(path)
            self._count(facts)
            if old is not None and self._unchanged(old, facts, visit):
                yield old
            elif facts[mode] & IFMT == _FOLDER:
                entered = self._admission.enters(stat)
                yield self._pieces.folder(visit, walk.folder_fd, walk.trouble, entered=entered)
            else:
                piece = others(visit, old)
                if piece is None:
                    self._items -= 1
                    self._bytes -= facts[size]
                else:
                    yield piece

    def _count(self, facts: list[int]) -> None:
        self._items += 1
        self._uids.add(facts[inode.UID])
        self._gids.add(facts[inode.GID])
        self._newest_ns = max(self._newest_ns, facts[inode.CTIME])
        if facts[inode.MODE] & IFMT == _REGULAR:
            self._bytes += facts[inode.SIZE]

    def _unchanged(self, old: Item, facts: list[int], visit: Visit) -> bool:
        """Whether the previous item stands for this entry as it is: equal inode, settled times, all content there."""
        notes = old.notes
        if notes is None or notes.get(inode.FACTS) != facts or inode.UNSETTLED in notes:
            return False
        kind = facts[inode.MODE] & IFMT
        if kind == _FOLDER:
            return self._walk.trouble is None and (inode.MOUNT in notes) != self._admission.enters(visit[2])
        if facts[inode.NLINK] > 1:
            first = self._links.first(visit[2])
            if notes.get(inode.HARDLINK) != first:
                return False
            if not (first or _content_is_there(old, facts, kind)):
                return False
            self._links.met(visit[2], visit[0])
            return True
        return inode.HARDLINK not in notes and _content_is_there(old, facts, kind)


def _alone(item: Item) -> Piece:
    return Piece(item=item.name, kind=item.kind, kept=item.segments or None, item_notes=item.notes)


def _gathered(found: Iterator[Piece | Item]) -> Iterator[Piece]:
    """Unchanged items in long runs, so that what costs time is one lstat each."""
    run: list[Item] = []
    for entry in found:
        if isinstance(entry, Item):
            run.append(entry)
            if len(run) < _RUN:
                continue
        if run:
            yield Piece(item=run[0].name, kind="", same=run)
            run = []
        if isinstance(entry, Piece):
            yield entry
    if run:
        yield Piece(item=run[0].name, kind="", same=run)


def _content_is_there(old: Item, facts: list[int], kind: int) -> bool:
    if kind != _REGULAR:
        return True
    extents = old.notes.get(inode.EXTENTS) if old.notes else None
    expected = facts[inode.SIZE] if extents is None else sum(extents[1::2])
    return sum(segment.size for segment in old.segments) == expected


def _iso(ns: int) -> str | None:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat() if ns else None
