"""The contract between flow and one kind of source.

Backup.  ``source.capture(request)`` opens one consistent image. Its ``lanes()`` are independent iterators of
Pieces that flow drains in parallel, one thread each; ``finish()`` afterwards tells what was learned.

Restore. ``source.target(request)`` describes where to. ``plan`` reads and decides, ``hold`` locks what will be
touched, ``apply`` writes, ``verify`` compares. Content gives plain, authenticated bytes of segments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable

from holdfast.model.events import Reporter, silent
from holdfast.model.plans import ItemResult, RestorePlan
from holdfast.model.snapshot import Item, Notes, Segment

Block = bytes | bytearray | memoryview


class Cut(Enum):
    """How flow cuts a piece's bytes into chunks."""

    ROWS = "rows"      # content-defined, ~256 KiB, only after a newline (a longer row may be cut inside)
    DOCUMENTS = "documents"  # content-defined, ~256 KiB, whole BSON documents only: every chunk begins with one
    PAGES = "pages"    # fixed 256 KiB from the start of the piece: page-aligned, same offsets every time
    STREAM = "stream"  # small files: consecutive pieces of a lane share content-defined ~1 MiB chunks
    ROWS_STREAM = "rows stream"  # small tables: they share chunks as small files do, cut as ROWS
    WHOLE = "whole"    # one piece, content-defined ~1 MiB, chunks of its own: large files, archives


@dataclass(slots=True, kw_only=True)
class PieceResult:
    """What is known once a piece's blocks are read to the end.

    ``notes`` replaces the item's notes when given (a file's final stat). ``expected_size`` makes flow fail the
    snapshot when the bytes read were fewer or more. ``again``: what was read is not wanted after all (the file
    changed under the reader); these blocks are drained in its place and the result is asked for once more. Not for
    Cut.STREAM, whose bytes share chunks with others.
    """

    rows: int = 0
    stamp: bytes = b""
    segment_notes: Notes | None = None
    notes: Notes | None = None
    again: Iterable[Block] | None = None


@dataclass(slots=True, kw_only=True)
class Piece:
    """One segment of one item, either kept from the previous snapshot or to be read now.

    ``order`` sorts the segments of an item. ``kept``: the previous segments, referenced again, nothing is read.
    ``blocks``: byte blocks of any size, drained once, in one thread; each block may be reused by the source after
    the next one is asked for. An exception out of ``blocks`` fails the whole capture. ``result`` is called after
    the last block. ``base``: the segment that stood here in the previous snapshot, so that deltas have a base.
    An item with no content at all is one Piece with neither.
    ``same``: whole items of the previous snapshot, unchanged, in manifest order; the other fields are then not
    looked at. Only ordered captures use it: a folder of unchanged files costs one piece.
    """

    item: bytes
    kind: str
    order: int = 0
    key: str = ""
    kept: list[Segment] | None = None
    blocks: Iterable[Block] | None = None
    cut: Cut = Cut.WHOLE
    base: Segment | None = None
    result: Callable[[], PieceResult] | None = None
    item_notes: Notes | None = None
    same: list[Item] | None = None


class Previous(Protocol):
    """What the newest usable snapshot of this source (and work saved by an interrupted run) knew.

    Segments whose chunks are no longer all present are not shown, so whatever is shown may be kept.
    """

    @property
    def notes(self) -> Notes:
        """The capture notes stored then (``CaptureNotes.notes``)."""
        ...

    def items(self) -> Iterator[Item]:
        """All items in manifest order (sorted by name with ``/`` ordered first); parts joined."""
        ...

    def item(self, name: bytes) -> Item | None:
        """One item by name."""
        ...

    def read(self, segment: Segment) -> Iterator[bytes]:
        """The plain bytes stored for a segment, block by block: for the rotating re-read and small items."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRequest:
    """``only``: item patterns (fnmatch on the label), empty = everything. ``width``: lanes worth having."""

    source: str
    previous: Previous | None = None
    only: tuple[str, ...] = ()
    width: int = 2
    report: Reporter = silent


@dataclass(slots=True, kw_only=True)
class CaptureNotes:
    """What a capture learned.

    ``notes`` is stored in the manifest head and given back through ``Previous.notes``. ``incomplete`` non-empty:
    the snapshot is marked incomplete and the run ends with status 3; each line names what is missing and why.
    ``unsound`` marks it likewise, for what is damaged in the source while every byte of it was kept. ``identity`` tells
    this database from every other, also from a copy of it in another place; "" where nothing does. ``neighbours``:
    names of other databases on the same server.
    """

    notes: Notes = field(default_factory=dict)
    not_protected: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    unsound: list[str] = field(default_factory=list)
    source_changed_at: str | None = None
    origin: str = ""
    identity: str = ""
    neighbours: list[str] = field(default_factory=list)


class Capture(Protocol):
    """One consistent image, valid until the context ends."""

    @property
    def ordered(self) -> bool:
        """True: one lane, one Piece per item, items in manifest order (files). False: any order, several lanes."""
        ...

    @property
    def estimate(self) -> int | None:
        """Bytes expected in total, for progress."""
        ...

    def opening_notes(self) -> Notes:
        """Guards already known when reading starts; stored with work saved for resumption."""
        ...

    def lanes(self) -> Sequence[Iterator[Piece]]:
        """Independent iterators; every piece of the image comes out of exactly one of them."""
        ...

    def finish(self) -> CaptureNotes:
        """Called once after every lane is drained; last checks (definitions unchanged …) raise SourceError."""
        ...


class Content(Protocol):
    """Plain bytes out of a snapshot, authenticated and re-hashed. Safe from any thread."""

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        """The segment's bytes in order, block by block; Damaged names object and item when they cannot be had."""
        ...

    def prefetch(self, segments: Sequence[Segment]) -> None:
        """A hint that these will be asked for next."""
        ...


class Manifest(Protocol):
    """One snapshot as a restore sees it."""

    @property
    def notes(self) -> Notes:
        """The capture notes."""
        ...

    def items(self) -> Iterator[Item]:
        """All items, manifest order, parts joined."""
        ...

    def item(self, name: bytes) -> Item | None:
        """One item by name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """Where to and how.

    ``to`` URL or path as the user gave it; None: a new place beside the source, named from ``label``.
    ``in_place``: into the source itself (or ``to``), adding what is missing; ``overwrite`` also replaces what
    differs, ``exact`` also deletes what the snapshot has not. ``only`` patterns. ``verify`` "counts" | "content".
    ``undo_created``: items a restore had created, to be removed again (undo only).
    """

    label: str
    to: str | None = None
    in_place: bool = False
    overwrite: bool = False
    exact: bool = False
    only: tuple[str, ...] = ()
    verify: str = "counts"
    owner: bool = True
    acl: bool = True
    width: int = 2
    report: Reporter = silent
    undo_created: tuple[bytes, ...] = ()


class Target(Protocol):
    """A place to restore into. ``plan`` never writes."""

    def plan(self, manifest: Manifest) -> RestorePlan:
        """What would be created, changed, left alone; refusals when it must not be done."""
        ...

    def hold(self, plan: RestorePlan) -> AbstractContextManager[None]:
        """Lock what the plan touches, so that nothing changes between the pre-restore snapshot and ``apply``."""
        ...

    def touched_source(self, plan: RestorePlan) -> tuple[Source, tuple[str, ...]] | None:
        """The source (and exact item patterns) a pre-restore snapshot must capture; None when nothing exists."""
        ...

    def apply(self, plan: RestorePlan, manifest: Manifest, content: Content) -> list[ItemResult]:
        """Do it. Counts are compared with the manifest as part of it."""
        ...

    def verify(self, plan: RestorePlan, manifest: Manifest, content: Content) -> list[ItemResult]:
        """Read back and compare content (``--verify=content``); one result per item, "failed" names the difference."""
        ...


@runtime_checkable
class Previewing(Protocol):
    """Optional power of a Target whose plan is better known once the snapshot's content may be read.

    Use ``preview`` instead of ``plan`` where it exists (``isinstance(target, Previewing)``); ``plan`` stays correct.
    """

    def preview(self, manifest: Manifest, content: Content) -> RestorePlan:
        """As ``plan``, with rows compared: create/change/delete/unchanged counts. Changes nothing that lasts."""
        ...


@runtime_checkable
class Creating(Protocol):
    """Optional power of a Target whose plan may sum up instead of listing every item."""

    def created(self, plan: RestorePlan, manifest: Manifest) -> Iterator[bytes]:
        """Names of everything ``apply`` is going to make: what an undo takes away again."""
        ...


class Source(Protocol):
    """One part of an application."""

    @property
    def kind(self) -> str:
        """"postgres", "sqlite", "mongodb", "files"."""
        ...

    @property
    def url(self) -> str:
        """Printable place: no password."""
        ...

    def capture(self, request: CaptureRequest) -> AbstractContextManager[Capture]:
        """Open one consistent image. SourceError when it cannot be had."""
        ...

    def target(self, request: RestoreRequest) -> Target:
        """Where a restore of this source goes."""
        ...

    def examine(self) -> list[Finding]:
        """What a first user gets wrong, checked against the real thing (for ``doctor``)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of ``doctor``: level "ok", "warn" or "fail", and the command or statement that mends it."""

    level: str
    what: str
    mend: str = ""
