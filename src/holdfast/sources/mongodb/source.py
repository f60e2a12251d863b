"""A MongoDB database as a source: how it is captured, where it is restored, what doctor asks of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure

from holdfast.model.errors import SourceError, UsageError
from holdfast.model.records import Row
from holdfast.sources.base import Capture, CaptureRequest, Finding, RestoreRequest, Source, Target
from holdfast.sources.exchanging import Interchange
from holdfast.sources.guarding import Guard, Joined, Kept
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.capture import MongoCapture
from holdfast.sources.mongodb.inventory import Choice, Collection, identities, read_collections
from holdfast.sources.mongodb.overtaken import Follower
from holdfast.sources.mongodb.place import Base, Client, Place
from holdfast.sources.mongodb.point import MODES, NONE, STREAM, Point, Server, opened, server_of
from holdfast.sources.mongodb.reading import SEGMENT
from holdfast.sources.mongodb.refusals import translating
from holdfast.sources.records import Book, LiveBook, SnapshotView

_LISTINGS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A database one is connected to."""

    client: Client
    base: Base
    server: Server


class MongoSource:
    """sources.base.Source for one database.

    ``collections`` and ``exclude`` are patterns of names. ``modes``: ways to a consistent point that may be tried
    (point.MODES). ``segment``: bytes a segment has at least.
    """

    kind = "mongodb"

    def __init__(
        self, url: str, password: str | None = None, *, collections: Sequence[str] = (), exclude: Sequence[str] = (),
        modes: tuple[str, ...] = MODES, segment: int = SEGMENT,
    ) -> None:  # fmt: skip
        self.place = Place.parse(url, password)
        self._collections, self._exclude = tuple(collections), tuple(exclude)
        self._modes, self._segment = modes, segment

    @property
    def url(self) -> str:
        """Printable place: no password."""
        return self.place.url

    def capture(self, request: CaptureRequest) -> AbstractContextManager[Capture]:
        """Open one consistent image. SourceError when it cannot be had."""
        return self._capture(request)

    def target(self, request: RestoreRequest) -> Target:
        """Where a restore of this source goes."""
        from holdfast.sources.mongodb.target import MongoTarget

        return MongoTarget(self.place, request, source_at=_at)

    def examine(self) -> list[Finding]:
        """What a first user gets wrong, asked of the server."""
        from holdfast.sources.mongodb.examine import examine

        return examine(self.place, self._choice(()))

    def open_snapshot(self, view: SnapshotView) -> AbstractContextManager[Book]:
        """See sources.records.Recorded: reads the chunks that can hold what is asked for."""
        from holdfast.sources.mongodb.records.snapshot_book import open_snapshot

        return open_snapshot(view)

    def open_live(self) -> AbstractContextManager[LiveBook]:
        """See sources.records.Recorded."""
        from holdfast.sources.mongodb.records.live_book import open_live

        return open_live(self.place, self._choice(()))

    def of_rows(self, book: Book, rows: Mapping[str, Sequence[Row]]) -> Source:
        """See sources.records.Recorded: BSON with the definitions of the collections it comes from."""
        from holdfast.sources.mongodb.records.chosen import ChosenDocuments

        return ChosenDocuments(self.place, self, book, rows)

    def interchange(self) -> Interchange:
        """See sources.exchanging.Exchanging."""
        from holdfast.sources.mongodb.records.interchange import MongoInterchange

        return MongoInterchange()

    guard_table = "holdfast_guard_deleted"

    @contextmanager
    def guard(self) -> Iterator[Guard]:
        """See sources.guarding.Guarding."""
        from holdfast.sources.mongodb.guard.guard import opened

        with opened(self.place) as guard:
            yield guard

    def kept(self, rows: Iterable[Row]) -> Iterator[Kept]:
        """See sources.guarding.Guarding."""
        from holdfast.sources.mongodb.guard.rows import kept

        return kept(rows)

    def join(self, connection: Any) -> AbstractContextManager[Joined]:
        """See sources.guarding.Joining: a session of pymongo, within a transaction."""
        from holdfast.sources.mongodb.guard.joined import join

        return join(connection, self.place, self._choice(()))

    def _choice(self, only: tuple[str, ...]) -> Choice:
        return Choice(collections=self._collections, exclude=self._exclude, only=only)

    @contextmanager
    def _capture(self, request: CaptureRequest) -> Iterator[Capture]:
        choice = self._choice(request.only)
        with ExitStack() as stack:
            client = stack.enter_context(self.place.client())
            with translating(self.place, doing="the collections could not be looked at"):
                reached = Reached(client=client, base=self.place.base(client), server=server_of(client))
                collections, point, follower = self._settled(stack, reached, choice)
            if request.only and not collections:
                raise UsageError(f"no collection matches {', '.join(request.only)}", where=self.url)
            image = MongoCapture(
                place=self.place, base=reached.base, server=reached.server, point=point, follower=follower,
                choice=choice, collections=collections, request=request, segment=self._segment,
            )  # fmt: skip
            stack.callback(image.close)
            yield image

    def _settled(
        self, stack: ExitStack, reached: Reached, choice: Choice
    ) -> tuple[list[Collection], Point, Follower | None]:
        """A point, and a list of collections that did not change from before it until after it."""
        for _attempt in range(_LISTINGS):
            with ExitStack() as trial:
                collections = read_collections(reached.base, choice)
                point, follower = self._point(trial, reached, collections, choice)
                if identities(reached.base, choice) == {each.identity for each in collections}:
                    stack.push(trial.pop_all())
                    return collections, point, follower
        raise SourceError(
            "collections keep being created or dropped", where=self.url, retryable=True,
            hint="leave collections that come and go out: exclude = [\"tmp*\"]",
        )  # fmt: skip

    def _point(
        self, stack: ExitStack, reached: Reached, collections: list[Collection], choice: Choice
    ) -> tuple[Point, Follower | None]:
        plain = [each.name for each in collections if each.kind == kinds.KIND_COLLECTION and not each.capped]
        size = sum(each.size for each in collections)
        probed = plain[0] if plain else next((each.name for each in collections if each.kind in kinds.DATA_KINDS), None)
        point = stack.enter_context(
            opened(
                reached.client, reached.base, reached.server, any_collection=probed, size=size, modes=self._modes
            )
        )  # fmt: skip
        if point.mode != STREAM:
            return point, None
        try:
            follower = Follower(reached.base, choice.takes)
        except OperationFailure:
            point.mode = NONE
            return point, None
        stack.callback(follower.close)
        return point, follower


def _at(place: Place) -> Source:
    """A source for another database of any deployment."""
    source = MongoSource(place.url, None)
    source.place = place
    return source
