"""The guard of one MongoDB database: pre-images switched on, the change stream read, what was deleted kept."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from holdfast.model.errors import TargetError, UsageError
from holdfast.sources.guarding import SHIPMENT_BYTES, GuardState, Waiting, Watched
from holdfast.sources.mongodb.guard.gathering import Progress, gather
from holdfast.sources.mongodb.guard.rows import COLLECTION, STATE
from holdfast.sources.mongodb.place import Base, Place
from holdfast.sources.mongodb.point import cluster_time
from holdfast.sources.mongodb.refusals import translating

BLIND = (
    "drops of a collection or of the database: take a backup first",
    "deletes older than the change stream or its pre-images (expireAfterSeconds, the size of the oplog): ship in time",
    "who deleted: MongoDB does not tell",
    "updates and replacements: what a document was before is in the snapshots only",
)
_OPTION = "changeStreamPreAndPostImages"


class MongoGuard:
    """See sources.guarding.Guard."""

    def __init__(self, base: Base, place: Place) -> None:
        self._base, self._place = base, place

    def plan(self, tables: Sequence[str], entity: str = "") -> list[str]:
        """See Guard: commands of the shell."""
        del entity  # noted in the guard's own state
        there = {each["name"]: str(each.get("type")) for each in self._base.list_collections()}
        for name in tables:
            if there.get(name) != "collection":
                raise UsageError(f"there is no collection {name} to guard", where=self._place.url)
        return [f'db.runCommand({{collMod: "{name}", {_OPTION}: {{enabled: true}}}})' for name in tables]

    def rights(self) -> list[str]:
        """See Guard."""
        return ["collMod on each collection", "changeStream on the database",
                f"find, insert, update and remove on {COLLECTION} and {STATE}"]  # fmt: skip

    def install(self, tables: Sequence[str], entity: str = "") -> list[str]:
        """See Guard."""
        statements = self.plan(tables)
        with translating(self._place, doing="pre-images could not be switched on"):
            known = Progress.read(self._base)
            if known is not None:
                self.gather()
            began = cluster_time(self._base)
            if began is None:
                raise TargetError(
                    "this server has no change streams", where=self._place.url,
                    hint="make it a replica set; until then holdfast entity delete saves before it deletes",
                )  # fmt: skip
            for name in tables:
                self._base.command({"collMod": name, _OPTION: {"enabled": True}})
            progress = known or Progress(since=began)
            progress.tables = sorted({*progress.tables, *tables})
            progress.broken, progress.lost = "", 0
            if entity:
                progress.entities = {**(progress.entities or {}), entity: list(tables)}
            self._base[COLLECTION].create_index("shipment")
            progress.write(self._base)
        return statements

    def remove(
        self, tables: Sequence[str] | None = None, *, keep: Sequence[str] = (), entity: str = ""
    ) -> list[str]:
        """See Guard."""
        with translating(self._place, doing="the guard could not be taken down"):
            progress = Progress.read(self._base)
            if progress is None:
                return []
            self.gather()
            if tables is None and (waiting := self._base[COLLECTION].count_documents({})):
                raise TargetError(
                    f"{waiting:,} deleted documents wait to be shipped", where=self._place.url,
                    why="they would be lost with the guard", hint="holdfast guard ship, then remove again",
                )  # fmt: skip
            progress = Progress.read(self._base) or progress
            gone = [name for name in progress.tables if tables is None or (name in tables and name not in keep)]
            there = set(self._base.list_collection_names())
            for name in gone:
                if name in there:
                    self._base.command({"collMod": name, _OPTION: {"enabled": False}})
            if progress.entities is not None:
                progress.entities.pop(entity, None)
            progress.tables = [name for name in progress.tables if name not in gone]
            progress.write(self._base)
            if tables is None:
                self._base.drop_collection(COLLECTION)
                self._base.drop_collection(STATE)
        return [f'db.runCommand({{collMod: "{name}", {_OPTION}: {{enabled: false}}}})' for name in gone]

    def entities(self) -> Mapping[str, tuple[str, ...]] | None:
        """See Guard."""
        with translating(self._place, doing="the guard's state could not be read"):
            progress = Progress.read(self._base)
        if progress is None or progress.entities is None:
            return None
        return {name: tuple(tables) for name, tables in progress.entities.items()}

    def lacking(self, tables: Sequence[str]) -> list[Watched]:
        """See Guard."""
        with translating(self._place, doing="the guard's state could not be read"):
            progress = Progress.read(self._base)
        there = progress.tables if progress is not None else ()
        return [
            Watched(table=name, gaps=("not guarded: deletes from it are not kept",), guarded=False)
            for name in tables if name not in there
        ]  # fmt: skip

    def gather(self) -> None:
        """See Guard."""
        with translating(self._place, doing="the change stream could not be read"):
            progress = Progress.read(self._base)
            if progress is not None and progress.tables:
                gather(self._base, progress)

    def state(self) -> GuardState:
        """See Guard."""
        with translating(self._place, doing="the guard's collection could not be read"):
            progress = Progress.read(self._base)
            if progress is None:
                return GuardState(installed=False, watched=(), waiting=Waiting(rows=0), blind=BLIND)
            oldest = self._base[COLLECTION].find_one({}, sort=[("id", 1)])
            waiting = Waiting(
                rows=self._base[COLLECTION].count_documents({}), oldest=str(oldest["at"]) if oldest else None
            )
            return GuardState(
                installed=True, waiting=waiting, blind=BLIND, watched=tuple(self._watched(progress))
            )

    def claim(self, limit: int) -> str | None:
        """See Guard."""
        shipment = uuid.uuid4().hex
        with translating(self._place, doing="the guard's collection cannot be used"):
            asked = {"_id": 1, "document": 1}
            keys, weight = [], 0
            for each in self._base[COLLECTION].find({"shipment": None}, asked, sort=[("id", 1)], limit=limit):
                keys.append(each["_id"])
                weight += len(each["document"])
                if weight >= SHIPMENT_BYTES:
                    break
            if not keys:
                return None
            done = self._base[COLLECTION].update_many(
                {"_id": {"$in": keys}, "shipment": None}, {"$set": {"shipment": shipment}}
            )
            return shipment if done.modified_count else None

    def claimed(self) -> list[str]:
        """See Guard."""
        with translating(self._place, doing="the guard's collection cannot be used"):
            return sorted(str(each) for each in self._base[COLLECTION].distinct("shipment") if each is not None)

    def settle(self, shipment: str) -> int:
        """See Guard."""
        with translating(self._place, doing="the guard's collection cannot be used"):
            return self._base[COLLECTION].delete_many({"shipment": shipment}).deleted_count

    def _watched(self, progress: Progress) -> Iterator[Watched]:
        options: dict[str, Any] = {each["name"]: each.get("options") or {} for each in self._base.list_collections()}
        for name in progress.tables:
            gaps = []
            if name not in options:
                gaps.append("the collection is gone")
            elif not (options[name].get(_OPTION) or {}).get("enabled"):
                gaps.append("its pre-images are switched off: guard install again")
            if progress.broken:
                gaps.append(progress.broken)
            if progress.lost:
                gaps.append(f"{progress.lost} deletes came without the document: it had expired; ship more often")
            yield Watched(table=name, gaps=tuple(gaps))


@contextmanager
def opened(place: Place) -> Iterator[MongoGuard]:
    """The guard of the database at ``place``."""
    with place.client() as client:
        yield MongoGuard(place.base(client), place)

