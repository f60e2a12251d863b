"""Deletes out of the change stream into the guard's collection, each once, however often it is tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from bson import Binary
from pymongo.errors import BulkWriteError, OperationFailure

from holdfast.sources.mongodb.guard.rows import COLLECTION, STATE
from holdfast.sources.mongodb.overtaken import caught_up
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.point import cluster_time
from holdfast.sources.mongodb.values import raw_of

_WAIT_MS = 50
_AT_ONCE = 500
_HISTORY_LOST = (286, 280)
_DUPLICATE = 11000


@dataclass(slots=True)
class Progress:
    """How far the stream was read. ``count``: deletes so far; ``lost``: those of which no document was left.

    ``entities``: for what ``tables`` are under guard; None when that was never noted.
    """

    tables: list[str] = field(default_factory=list)
    token: str = ""
    since: Any = None
    count: int = 0
    lost: int = 0
    broken: str = ""
    entities: dict[str, list[str]] | None = None

    @classmethod
    def read(cls, base: Base) -> Progress | None:
        """None when no guard is installed."""
        told = base[STATE].find_one({"_id": "guard"})
        if told is None:
            return None
        return cls(tables=list(told["tables"]), token=told["token"], since=told["since"], count=int(told["count"]),
                   lost=int(told["lost"]), broken=told["broken"],
                   entities=None if (noted := told.get("entities")) is None
                   else {each["name"]: list(each["tables"]) for each in noted})  # fmt: skip

    def write(self, base: Base) -> None:
        """Durable before anybody relies on it."""
        told = {"tables": self.tables, "token": self.token, "since": self.since, "count": self.count,
                "lost": self.lost, "broken": self.broken}  # fmt: skip
        if self.entities is not None:
            told["entities"] = [{"name": name, "tables": tables} for name, tables in self.entities.items()]
        base[STATE].update_one({"_id": "guard"}, {"$set": told}, upsert=True)


def gather(base: Base, progress: Progress) -> None:
    """Everything deleted until now. What the server no longer tells is noted in ``progress``, and then left behind."""
    until = cluster_time(base)
    try:
        for events in _events(base, progress, until):
            _keep(base, progress, events)
            progress.write(base)
    except OperationFailure as error:
        if error.code not in _HISTORY_LOST:
            raise
        progress.broken = "the server has forgotten deletes that were not gathered in time: ship more often"
        progress.token, progress.since = "", until
        progress.write(base)


def _events(base: Base, progress: Progress, until: Any) -> Iterator[list[Mapping[str, Any]]]:
    start: dict[str, Any] = (
        {"resume_after": {"_data": progress.token}} if progress.token else {"start_at_operation_time": progress.since}
    )
    wanted = [{"$match": {"operationType": "delete", "ns.coll": {"$in": progress.tables}}}]
    with base.watch(
        wanted, full_document_before_change="whenAvailable", max_await_time_ms=_WAIT_MS, **start
    ) as stream:
        events: list[Mapping[str, Any]] = []
        while True:
            event = stream.try_next()
            if event is not None:
                events.append(event)
            if events and (event is None or len(events) >= _AT_ONCE):
                progress.token = str((stream.resume_token or {}).get("_data", ""))
                yield events
                events = []
            if event is None and caught_up(stream, until):
                return


def _keep(base: Base, progress: Progress, events: list[Mapping[str, Any]]) -> None:
    """Named by the event's own token: what was kept before the state could be written is not kept twice."""
    documents = []
    for event in events:
        progress.count += 1
        before = event.get("fullDocumentBeforeChange")
        if before is None:
            progress.lost += 1
            continue
        stamp = event["clusterTime"]
        at = stamp.as_datetime().astimezone(UTC).isoformat().replace("+00:00", "Z")
        session = event.get("lsid")
        transaction = f"{session['id'].hex()}.{event['txnNumber']}" if session is not None else f"{stamp.time}"
        documents.append(
            {"_id": str(event["_id"]["_data"]), "id": progress.count, "table": str(event["ns"]["coll"]),
             "document": Binary(raw_of(before)), "at": at, "began": at, "transaction_id": transaction,
             "shipment": None}
        )  # fmt: skip
    try:
        if documents:
            base[COLLECTION].insert_many(documents, ordered=False)  # type: ignore[arg-type]
    except BulkWriteError as error:
        if any(each.get("code") != _DUPLICATE for each in error.details.get("writeErrors", ())):
            raise
