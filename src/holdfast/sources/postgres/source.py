"""A PostgreSQL database as a source: how it is captured, where it is restored, what doctor asks of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from types import MappingProxyType
from typing import Any

from holdfast.model.events import Warned
from holdfast.model.records import Row
from holdfast.sources.base import Capture, CaptureRequest, Finding, RestoreRequest, Source, Target
from holdfast.sources.exchanging import Interchange
from holdfast.sources.guarding import Guard, Joined, Kept
from holdfast.sources.postgres.capture import PostgresCapture
from holdfast.sources.postgres.connection import connect
from holdfast.sources.postgres.conninfo import Conninfo
from holdfast.sources.postgres.examine import examine
from holdfast.sources.postgres.opening import Options, open_snapshot
from holdfast.sources.postgres.refusals import translating
from holdfast.sources.records import Book, LiveBook, SnapshotView

_NOTHING: Mapping[str, str] = MappingProxyType({})


class PostgresSource:
    """sources.base.Source for one database.

    ``tables`` and ``exclude`` are patterns of ``schema.table`` (partitions follow their table). ``owner`` and
    ``acl`` say whether owners and access rights are saved. ``allow_write_token``: a row may be written to
    ``holdfast_continuity.token``, which lets unchanged data be skipped safely across restarts.
    ``exclude_repository_table`` names the table of a repository that is kept in this very database.
    ``environ`` is what children may need from the environment (PATH, HOME, Kerberos).
    """

    kind = "postgres"

    def __init__(
        self, url: str, password: str | None = None, *, tables: Sequence[str] = (), exclude: Sequence[str] = (),
        owner: bool = True, acl: bool = True, allow_write_token: bool = True,
        exclude_repository_table: str | None = None, environ: Mapping[str, str] = _NOTHING,
    ) -> None:
        self._url = url
        self.options = Options(
            conninfo=Conninfo.parse(url, password), tables=tuple(tables), exclude=tuple(exclude), owner=owner,
            acl=acl, allow_write_token=allow_write_token, repository_table=exclude_repository_table,
            environ=environ,
        )

    @property
    def url(self) -> str:
        """Printable place: no password."""
        return self.options.conninfo.url

    def capture(self, request: CaptureRequest) -> AbstractContextManager[Capture]:
        """Open one consistent image. SourceError when it cannot be had."""
        return self._capture(request)

    def target(self, request: RestoreRequest) -> Target:
        """Where a restore of this source goes."""
        # A backup need not wait for the half of this package that restores: it takes as long to load as to connect.
        from holdfast.sources.postgres.target import PostgresTarget

        return PostgresTarget(
            self._url, self.options.conninfo.password, request,
            source_at=self._at, environ=self.options.environ,
        )

    def examine(self) -> list[Finding]:
        """What a first user gets wrong, asked of the server."""
        return examine(self.options)

    @contextmanager
    def open_snapshot(self, view: SnapshotView) -> Iterator[Book]:
        """Look into a snapshot; the server is not asked."""
        from holdfast.sources.postgres.records.snapshot_book import SnapshotBook

        yield SnapshotBook(view)

    @contextmanager
    def open_live(self) -> Iterator[LiveBook]:
        """The database itself. SourceError when it cannot be reached."""
        from holdfast.sources.postgres.records.live_book import PostgresLiveBook

        with closing(PostgresLiveBook(self.options.conninfo, self.options.environ)) as book:
            yield book

    def of_rows(self, book: Book, rows: Mapping[str, Sequence[Row]]) -> Source:
        """A source of just these rows; the definitions are those of the database, where it can be reached."""
        from holdfast.sources.postgres.records.chosen import ChosenRows

        return ChosenRows(self, book, rows)

    guard_table = "holdfast_guard.deleted"

    @contextmanager
    def guard(self) -> Iterator[Guard]:
        """See sources.guarding.Guarding."""
        from holdfast.sources.postgres.guard.guard import PostgresGuard

        conninfo = self.options.conninfo
        with closing(connect(conninfo)) as connection:
            yield PostgresGuard(connection, conninfo.settled(connection))

    def kept(self, rows: Iterable[Row]) -> Iterator[Kept]:
        """See sources.guarding.Guarding."""
        from holdfast.sources.postgres.guard.rows import kept

        return kept(rows)

    def interchange(self) -> Interchange:
        """See sources.exchanging.Exchanging."""
        from holdfast.sources.postgres.interchange import PostgresInterchange

        return PostgresInterchange(self.options.environ)

    def join(self, connection: Any) -> AbstractContextManager[Joined]:
        """See sources.guarding.Joining: a connection of psycopg."""
        from holdfast.sources.postgres.guard.joined import join

        return join(connection, self.options.conninfo)

    def _at(self, url: str, password: str | None) -> Source:
        """A source for another database, with the same children's environment."""
        return PostgresSource(url, password, environ=self.options.environ)

    @contextmanager
    def _capture(self, request: CaptureRequest) -> Iterator[Capture]:
        def tell(text: str) -> None:
            request.report(Warned(source=request.source, text=text))

        distrust: list[str] = []
        for previous in (request.previous, None):
            with open_snapshot(self.options, request.only, tell, previous) as opened:
                with translating(opened.conninfo, doing="the catalogs could not be read"):
                    image = PostgresCapture(opened, self.options, request, distrust=distrust)
                try:
                    distrust = image.disproved
                    if not distrust:
                        yield image
                        return
                finally:
                    image.close()
