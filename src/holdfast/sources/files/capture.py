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

from holdfast.model.errors import SourceError, UsageError
from holdfast.model.snapshot import Item, Notes
from holdfast.sources.base import CaptureNotes, CaptureRequest, Piece
from holdfast.sources.files import inode
from holdfast.sources.files.admission import Admission
from holdfast.sources.files.ahead import Ahead
from holdfast.sources.files.before import Before
from holdfast.sources.files.links import Links
from holdfast.sources.files.losses import Losses
from holdfast.sources.files.names import printable
from holdfast.sources.files.only import Only, is_exact, with_parents
from holdfast.sources.files.pieces import Pieces
from holdfast.sources.files.rules import Rules
from holdfast.sources.files.tally import Tally
from holdfast.sources.files.walk import IFMT, Visit, Walk

_FOLDER = 0o040000
_REGULAR = 0o100000
_RUN = 512
_NAMED = 5

_S, _MODE, _NLINK, _SIZE = inode.FACTS, inode.MODE, inode.NLINK, inode.SIZE  # looked up once: asked for every entry


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
            root_fd,
            lost=self._losses.failed, admit=self._admission.doorkeeper(),
            admit_folder=self._admission.folder_doorkeeper(), sieve=self._admission.sieve(),
        )
        first = request.previous is None and not request.only  # else hardly anything is read
        self._ahead = Ahead(self._admission.hides) if first else None
        self._began_ns = time.time_ns()
        self._tally = Tally()
        self._unmatched: tuple[str, ...] = ()

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
        if not self._only:
            return [self._found(_RUN)]
        return [self._chosen(Only(self._only, root=self._root))]

    def _chosen(self, only: Only) -> Iterator[Piece]:
        matched = False
        one_by_one = ((piece.item, piece) for piece in self._found(1))
        for piece, _ in with_parents(one_by_one, only):
            matched = True
            yield piece
        self._unmatched = only.unmatched
        if not matched and not self._losses.lines() and not all(map(is_exact, self._only)):
            there = ", ".join(printable(os.fsencode(name)) for name in sorted(os.listdir(self._root_fd))[:_NAMED])
            raise UsageError(
                f"nothing in the folder matches {', '.join(self._only)}", where=self._root,
                why=f"there are, for example: {there}" if there else "the folder is empty",
                hint="patterns are paths relative to the folder; * also matches /",
            )

    def close(self) -> None:
        """Give back every descriptor."""
        self._pieces.close()
        self._walk.close()

    def finish(self) -> CaptureNotes:
        """Names of owners, what was left out and what was lost."""
        if os.fstat(self._root_fd).st_nlink == 0:
            raise SourceError("the folder was removed while it was being saved", where=self._root)
        notes: Notes = {
            "began": self._began_ns, "items": self._tally.items, "bytes": self._tally.bytes,
            "exclude": list(self._admission.exclusion.lines),
            **inode.owner_names(*self._tally.owners()),
        }
        return CaptureNotes(
            notes=notes, incomplete=self._losses.lines(), warnings=self._warnings(),
            source_changed_at=_iso(self._tally.newest_ns), origin=f"{socket.gethostname()}:{self._root}",
        )

    def _warnings(self) -> list[str]:
        before = self._previous.notes.get("items", 0) if self._previous is not None and not self._only else 0
        warnings = list(self._admission.warnings)
        warnings += [f"nothing in the folder matches {pattern}" for pattern in self._unmatched]
        if self._tally.items <= 1 < before:
            warnings.append(
                f"{self._root} is empty, but held {before - 1} entries in the previous snapshot: is it mounted?"
            )
        return warnings

    def _found(self, longest: int) -> Iterator[Piece]:
        """Unchanged items in runs, so that what they cost is one lstat each; pieces of what is read."""
        walk, tally = self._walk, self._tally
        before = Before(self._previous.items() if self._previous is not None else iter(()))
        facts_of, count, at, unchanged = inode.facts_of, tally.count, before.at, self._unchanged
        run: list[Item] = []
        for visit in walk:
            path, _, stat, _ = visit
            facts = facts_of(stat)
            count(facts)
            old = at(path)
            if old is not None and unchanged(old, facts, visit):
                run.append(old)
                if len(run) < longest:
                    continue
            if run:
                yield Piece(item=run[0].name, kind="", same=run)
                last, run = run[-1], []
                if last is old:
                    continue
            piece = self._read(visit, old)
            if piece is None:
                tally.take_back(facts)
            else:
                yield piece
        if run:
            yield Piece(item=run[0].name, kind="", same=run)

    def _read(self, visit: Visit, old: Item | None) -> Piece | None:
        stat = visit[2]
        if stat.st_mode & IFMT != _FOLDER:
            if self._ahead is not None:
                self._ahead.look(visit, self._walk.coming)
            return self._pieces.other(visit, old)
        walk = self._walk
        return self._pieces.folder(visit, walk.folder_fd, walk.trouble, entered=self._admission.enters(stat))

    def _unchanged(self, old: Item, facts: list[int], visit: Visit) -> bool:
        """Whether the previous item stands for this entry as it is: equal inode, settled times, all content there."""
        notes = old.notes
        if notes is None or notes.get(_S) != facts:
            return False
        if len(notes) == 1 and facts[_MODE] & IFMT == _REGULAR and facts[_NLINK] == 1 and len(old.segments) == 1:
            return old.segments[0].size == facts[_SIZE]  # nearly all of them
        if inode.UNSETTLED in notes:
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


def _content_is_there(old: Item, facts: list[int], kind: int) -> bool:
    if kind != _REGULAR:
        return True
    extents = old.notes.get(inode.EXTENTS) if old.notes else None
    expected = facts[inode.SIZE] if extents is None else sum(extents[1::2])
    return sum(segment.size for segment in old.segments) == expected


def _iso(ns: int) -> str | None:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat().replace("+00:00", "Z") if ns else None
