"""Look at rows: in a snapshot without restoring it, or in the application as it is now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from holdfast.flow.content import SnapshotContent
from holdfast.model.errors import UsageError
from holdfast.model.events import Reporter, silent
from holdfast.model.ids import short
from holdfast.repository.reader import ChunkReader
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.base import Source
from holdfast.sources.records import Book, LiveBook, Recorded, SnapshotView
from holdfast.sources.tracing import Holding
from holdfast.usecases.protection import protected


class Library:
    """Snapshots whose rows may be looked at, one after another or side by side; nothing of them is pruned meanwhile."""

    def __init__(self, repository: Repository, reader: ChunkReader, report: Reporter) -> None:
        self._repository = repository
        self._reader = reader
        self._report = report

    @contextlib.contextmanager
    def open(self, entry: SnapshotEntry, source: Source) -> Iterator[Book]:
        """The rows of one of them, as ``source`` reads its kind.

        UsageError when this kind holds no rows, or the snapshot is of another kind.
        """
        if entry.info.kind != source.kind:
            raise UsageError(
                f"snapshot {short(entry.info.id)} is of kind {entry.info.kind}, not {source.kind}",
                where=entry.info.source,
                hint="the configuration now names another kind of source; look with the one it was made with",
            )
        recorded = _recorded(source)
        repository, reader = self._repository, self._reader
        manifest = repository.manifest(entry, reader)
        with contextlib.closing(SnapshotContent(reader, local=repository.storage.traits.local)) as content:
            view = SnapshotView(
                id=entry.info.id, manifest=manifest, content=content, shelf=repository.shelf, report=self._report
            )
            with recorded.open_snapshot(view) as book:
                yield book


@contextlib.contextmanager
def open_library(
    repository: Repository, entries: Sequence[SnapshotEntry], *, report: Reporter = silent
) -> Iterator[Library]:
    """Many snapshots within one session."""
    with protected(repository, "restore", report, [entry.info.id for entry in entries]) as reader:
        yield Library(repository, reader, report)


@contextlib.contextmanager
def open_book(
    repository: Repository, entry: SnapshotEntry, source: Source, *, report: Reporter = silent
) -> Iterator[Book]:
    """The rows of a snapshot, as ``source`` reads its kind; nothing of it is pruned meanwhile.

    UsageError when this kind holds no rows, or the snapshot is of another kind.
    """
    with open_library(repository, [entry], report=report) as library, library.open(entry, source) as book:
        yield book


@contextlib.contextmanager
def open_live(source: Source) -> Iterator[LiveBook]:
    """The rows of the application itself. UsageError when this kind holds no rows, SourceError when unreachable."""
    with _recorded(source).open_live() as book:
        yield book


@contextlib.contextmanager
def open_compared(source: Source) -> Iterator[Book]:
    """The same for comparing with snapshots: what both hold in the same bytes is then left unread where it can be."""
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(source.open_held()) if isinstance(source, Holding) else None
        yield held if held is not None else stack.enter_context(open_live(source))


def _recorded(source: Source) -> Recorded:
    if not isinstance(source, Recorded):
        raise UsageError(f"a source of kind {source.kind} holds no rows", where=source.url, hint="holdfast show")
    return source
