"""One image of a database: definitions, access rights, and every collection's documents, in lanes side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from threading import Lock

from bson import Timestamp

from holdfast.model.errors import SourceError
from holdfast.model.events import Warned
from holdfast.model.snapshot import Notes, Segment
from holdfast.sources.base import CaptureNotes, CaptureRequest, Cut, Piece, PieceResult
from holdfast.sources.mongodb import gaps
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.deployment import deployment_of, neighbours_of
from holdfast.sources.mongodb.expiry import Paused, paused
from holdfast.sources.mongodb.inventory import Choice, Collection, identities, read_access
from holdfast.sources.mongodb.overtaken import Changes, Follower
from holdfast.sources.mongodb.place import Base, Place
from holdfast.sources.mongodb.point import SNAPSHOT, Point, Server
from holdfast.sources.mongodb.ranges import ranges_of
from holdfast.sources.mongodb.reading import Lane, Work
from holdfast.sources.mongodb.refusals import translating
from holdfast.sources.mongodb.values import look


class MongoCapture:
    """sources.base.Capture over one open point."""

    ordered = False

    def __init__(
        self, *, place: Place, base: Base, server: Server, point: Point, follower: Follower | None, choice: Choice,
        collections: Sequence[Collection], request: CaptureRequest, segment: int,
    ) -> None:  # fmt: skip
        self._place, self._base, self._server, self._point = place, base, server, point
        self._follower, self._choice, self._request = follower, choice, request
        point.follow = self._follow
        self._collections = list(collections)
        self._segment = segment
        self._warnings: list[str] = []
        self._not_protected: list[str] = []
        self._changes: Changes | None = None
        self._still: list[Paused] = []
        self._lock = Lock()
        self._unfinished = 0

    def close(self) -> None:
        """Let go of what was opened on the way."""
        if self._follower is not None:
            self._follower.close()

    @property
    def estimate(self) -> int | None:
        """What the server says the documents take."""
        return sum(each.size for each in self._collections)

    def opening_notes(self) -> Notes:
        """Server and point."""
        time = self._point.time
        return {
            "server": self._server.version,
            "mode": self._point.mode,
            "time": [time.time, time.inc] if time is not None else None,
            "database": self._place.database,
        }

    def lanes(self) -> Sequence[Iterator[Piece]]:
        """As many as the point allows, and what is small in the first."""
        before = self._before()
        width = 1 if self._point.alone else max(1, self._request.width)
        with translating(self._place, doing="the collections could not be looked at"):
            ranges = [
                range_
                for collection in sorted(self._collections, key=lambda each: -each.size)
                if collection.kind in kinds.DATA_KINDS
                for range_ in ranges_of(
                    self._base, collection, list(before.get(collection.item, {}).values()),
                    width=width, segment=self._segment,
                )
            ]  # fmt: skip
        work = Work(ranges)
        lanes = [
            Lane(
                point=self._point, place=self._place, work=work, before=before, segment=self._segment,
                repeating=self._server.sharded,
            ).pieces()
            for _ in range(width)
        ]  # fmt: skip
        self._unfinished = len(lanes)
        first, *others = [self._lane(lane) for lane in lanes]
        return [chain(self._beside(), first), *others]

    def _lane(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """What others wrote meanwhile is asked for by whoever finishes last."""
        yield from pieces
        with self._lock:
            self._unfinished -= 1
            last = self._unfinished == 0
        if last and self._follower is not None:
            known = {each.name for each in self._collections if each.kind in kinds.DATA_KINDS}
            with translating(self._place, doing="the change stream could not be read to its end"):
                self._changes = self._follower.settle(known)
            yield from _changed(self._changes)

    def finish(self) -> CaptureNotes:
        """What was listed must still be the same collections, unless the point itself held them."""
        with translating(self._place, doing="the collections could not be looked at"):
            self._refuse_others()
            self._still = paused(self._base)
        self._tell_of_the_point()
        notes = self.opening_notes()
        if self._changes is not None and self._changes.time is not None:
            notes["time"] = [self._changes.time.time, self._changes.time.inc]
        deployment = deployment_of(self._base.client)
        return CaptureNotes(
            notes=notes,
            warnings=self._warnings,
            not_protected=self._not_protected,
            origin=f"MongoDB {self._server.version} at {self._place.hosts}",
            identity=f"{deployment}/{self._place.database}" if deployment else "",
            neighbours=neighbours_of(self._base),
        )

    def _follow(self, since: Timestamp) -> None:
        """See point.Point: the server's history ended while it was read."""
        self._follower = Follower(self._base, self._choice.takes, since)

    def _before(self) -> dict[bytes, dict[str, Segment]]:
        """Segments of the last snapshot, of collections that are still the same."""
        previous = self._request.previous
        found: dict[bytes, dict[str, Segment]] = {}
        for collection in self._collections if previous is not None else ():
            item = previous.item(collection.item) if previous is not None else None
            if item is not None and item.kind == collection.kind:
                found[collection.item] = {segment.key: segment for segment in item.segments}
        return found

    def _beside(self) -> Iterator[Piece]:
        """Definitions, access rights, views."""
        definitions = b"".join(each.definition() for each in self._collections)
        yield _small(kinds.DEFINITIONS, kinds.KIND_DEFINITIONS, "", definitions)
        if not self._request.only:
            with translating(self._place, doing="users and roles could not be read"):
                found, missing = read_access(self._base)
            self._not_protected += missing
            for number, (what, documents) in enumerate(sorted(found.items())):
                if documents:
                    yield _small(kinds.ACCESS, kinds.KIND_ACCESS, what, b"".join(documents), number)
            hidden = [str(each["user"]) for each in map(look, found.get(kinds.USERS, ())) if "credentials" not in each]
            if hidden:
                self._not_protected.append(f"passwords of users, which this user may not see: {', '.join(hidden)}")
        for view in self._collections:
            if view.kind == kinds.KIND_VIEW:
                yield Piece(item=view.item, kind=view.kind)

    def _refuse_others(self) -> None:
        before = {each.identity for each in self._collections}
        now = identities(self._base, self._choice)
        if self._point.mode == SNAPSHOT:  # what is new since is not in the point; what is gone was read, or was not
            before, now = (before - now, set()) if self._server.forgets_dropped else (set(), set())
        if before != now:
            names = sorted({name for name, _ in before ^ now})
            raise SourceError(
                "collections were created, dropped or renamed while they were read", where=self._place.url,
                why=", ".join(names[:10]), hint="run the backup again", retryable=True,
            )  # fmt: skip

    def _tell_of_the_point(self) -> None:
        for text in gaps.nearly(self._point.mode, self._collections):
            self._warn(text)
        for text, command in gaps.stands_still(self._place.database, self._still):
            self._warn(f"{text}, or: {command}")
        self._not_protected += gaps.not_protected(self._server, self._collections)
        if self._changes is not None and not self._changes.settled:
            self._warn("documents were changing faster than they could be read again: the newest may be moments apart")

    def _warn(self, text: str) -> None:
        self._warnings.append(text)
        self._request.report(Warned(source=self._request.source, text=text))


def _small(item: bytes, kind: str, key: str, content: bytes, number: int = 0) -> Piece:
    return Piece(
        item=item, kind=kind, order=number, key=key, blocks=[content] if content else [], cut=Cut.DOCUMENTS,
        result=PieceResult,
    )  # fmt: skip


def _changed(changes: Changes) -> Iterator[Piece]:
    number = 0
    for name in changes.names():
        put, gone = changes.put.get(name, {}).values(), changes.gone.get(name, ())
        for prefix, found in ((kinds.PUT, put), (kinds.GONE, gone)):
            if content := b"".join(sorted(found)):
                yield _small(kinds.CHANGES, kinds.KIND_CHANGES, prefix + name, content, number)
                number += 1
