"""One SQLite database file of an application."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from holdfast.model.records import Row
from holdfast.sources.base import Capture, CaptureRequest, Finding, RestoreRequest, Source, Target
from holdfast.sources.exchanging import Interchange
from holdfast.sources.guarding import Guard, Joined, Kept
from holdfast.sources.records import Book, LiveBook, SnapshotView
from holdfast.sources.sqlite.capture import SqliteCapture
from holdfast.sources.sqlite.examining import examine
from holdfast.sources.sqlite.names import printable
from holdfast.sources.sqlite.opening import open_reader
from holdfast.sources.sqlite.reader import Reader
from holdfast.sources.sqlite.scratch import has_room, no_room, scratch_folder
from holdfast.sources.sqlite.settings import Settings
from holdfast.sources.sqlite.target import SqliteTarget


class SqliteSource:
    """The database at ``path`` (kind "sqlite"): one item, named like the file. See sources.base.Source."""

    kind = "sqlite"

    def __init__(self, path: str | bytes | Path, settings: Settings | None = None) -> None:
        self._path = os.path.abspath(os.fsencode(path))
        self._settings = settings or Settings()

    @property
    def url(self) -> str:
        """``sqlite:`` and the absolute path."""
        return "sqlite:" + printable(self._path)

    @contextlib.contextmanager
    def capture(self, request: CaptureRequest) -> Iterator[Capture]:
        """Hold one committed state of the database; ``holding`` tells what that costs the application.

        SourceError when the file is missing, locked for longer than ``Settings.wait``, or cannot be opened.
        """
        with contextlib.ExitStack() as stack:
            reader = stack.enter_context(open_reader(self._path, width=max(1, request.width), wait=self._settings.wait))
            capture = SqliteCapture(reader, os.path.basename(self._path), request, self._settings)
            if not capture.needs_bytes:
                reader.let_go()
            else:
                if warning := self._let_go_early(reader, stack):
                    capture.warn(warning)
                capture.begin()
            yield capture

    def target(self, request: RestoreRequest) -> Target:
        """Where a restore of this database goes."""
        return SqliteTarget(self._path, request, self._settings, SqliteSource)

    def examine(self) -> list[Finding]:
        """The file, what it is, room for copies, and whether a restore could write beside it."""
        return examine(self._path, self._settings)

    def open_snapshot(self, view: SnapshotView) -> AbstractContextManager[Book]:
        """See sources.records.Recorded: SQLite reads the pages of the snapshot that it needs, and no others."""
        from holdfast.sources.sqlite.records.snapshot_book import open_snapshot  # what few commands need is loaded late

        return open_snapshot(view)

    @contextlib.contextmanager
    def open_live(self) -> Iterator[LiveBook]:
        """See sources.records.Recorded. A database that keeps no log holds its writers up while it is looked at."""
        from holdfast.sources.sqlite.records.live_book import SqliteLiveBook

        with contextlib.closing(SqliteLiveBook(self._path, self._settings.wait)) as book:
            yield book

    def open_held(self) -> AbstractContextManager[Book | None]:
        """See sources.tracing.Holding."""
        from holdfast.sources.sqlite.records.held import open_held

        return open_held(self._path, self._settings.wait)

    def of_rows(self, book: Book, rows: Mapping[str, Sequence[Row]]) -> Source:
        """See sources.records.Recorded: a small database with the schema of ``book``."""
        from holdfast.sources.sqlite.records.chosen import ChosenRows

        return ChosenRows(self._path, self._settings, book, rows, SqliteSource)

    def interchange(self) -> Interchange:
        """See sources.exchanging.Exchanging."""
        from holdfast.sources.sqlite.records.interchange import SqliteInterchange

        return SqliteInterchange()

    guard_table = "holdfast_guard_deleted"

    @contextlib.contextmanager
    def guard(self) -> Iterator[Guard]:
        """See sources.guarding.Guarding."""
        from holdfast.sources.sqlite.guard.guard import opened

        with opened(self._path, self._settings.wait) as guard:
            yield guard

    def kept(self, rows: Iterable[Row]) -> Iterator[Kept]:
        """See sources.guarding.Guarding."""
        from holdfast.sources.sqlite.guard.sql import kept

        return kept(rows)

    def join(self, connection: Any) -> AbstractContextManager[Joined]:
        """See sources.guarding.Joining: a connection of sqlite3."""
        from holdfast.sources.sqlite.guard.joined import join

        return join(connection, self._path)

    def _let_go_early(self, reader: Reader, stack: contextlib.ExitStack) -> str:
        """Copy the state aside where holding it makes writers wait; a warning when there is no room for that."""
        facts = reader.facts
        must_back_up = facts["via"] == "unknown"
        if facts["mode"] == "wal" and not must_back_up:
            return ""
        if not has_room(self._settings.scratch, reader.size):
            if must_back_up:
                raise no_room(self._settings.scratch, reader.size, "This database must be copied to be read")
            return (
                f"{printable(self._path)}: no room for a copy in {self._settings.scratch}, "
                "so writers had to wait until the backup was done"
            )
        folder = stack.enter_context(scratch_folder(self._settings.scratch))
        reader.copy(folder / "copy", by_backup=must_back_up)
        return ""
