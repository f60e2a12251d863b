"""What others wrote while documents were read: followed from before the first read, and put over them at the end.

The change stream tells which documents were touched; what they are at the end is read again, as often as it takes
until nothing moved between two looks. So no update has to be understood, and the bytes are the server's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bson import Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.change_stream import ChangeStream, DatabaseChangeStream
from pymongo.errors import OperationFailure

from holdfast.model.errors import SourceError
from holdfast.sources.mongodb.documents import batch, only
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.point import cluster_time
from holdfast.sources.mongodb.values import RAW, raw_of

_WRITES = ("insert", "update", "replace", "delete")
_STRUCTURAL = (
    "create", "drop", "rename", "dropDatabase", "invalidate", "refineCollectionShardKey", "reshardCollection",
)  # fmt: skip
_LOOKS = 200
_AT_ONCE = 500
_WAIT_MS = 50
# resume tokens of MongoDB begin with this, then eight bytes of cluster time
_TIMED = "82"

Touched = dict[str, set[bytes]]


@dataclass(slots=True)
class Changes:
    """Documents at the end by collection: whole ones, ``{_id}`` of those that are gone."""

    put: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    gone: dict[str, set[bytes]] = field(default_factory=dict)
    settled: bool = True
    time: Timestamp | None = None

    def names(self) -> list[str]:
        """Every collection with changes."""
        return sorted({*self.put, *self.gone})


class Follower:
    """An open change stream of one database; opened before anything is read."""

    def __init__(self, base: Base, takes: Callable[[str], bool], since: Timestamp | None = None) -> None:
        """From ``since``, or now. OperationFailure when the server has none, or not from then, or the user may not."""
        self._base = base
        self._takes = takes
        began = since or cluster_time(base)
        if began is None:
            raise OperationFailure("the server tells no cluster time")
        self._stream: DatabaseChangeStream[RawBSONDocument] = _watch(base, began)
        self._ahead: RawBSONDocument | None = None

    def settle(self, known: set[str]) -> Changes:
        """All that was touched, as it is at one last moment. SourceError when collections came or went by then.

        A moment P is good when nothing that was looked at after it had been written to between P and the look:
        what others write to other documents meanwhile is later than P and need not be waited for.
        """
        changes = Changes()
        touched: Touched = {}
        for _look in range(_LOOKS):
            changes.time = cluster_time(self._base)
            self._drain(changes.time, known, touched)
            for name, keys in touched.items():
                self._look_at(name, keys, changes)
            later: Touched = {}
            if touched:
                self._drain(cluster_time(self._base), known, later)
            if not any(keys & touched.get(name, set()) for name, keys in later.items()):
                return changes
            touched = later
        changes.settled = False
        return changes

    def written_so_far(self, known: set[str]) -> Touched:
        """``{_id}`` of every document written to until now, by collection."""
        touched: Touched = {}
        self._drain(cluster_time(self._base), known, touched)
        return touched

    def close(self) -> None:
        """Let go of the stream."""
        self._stream.close()

    def _drain(self, until: Timestamp | None, known: set[str], touched: Touched) -> None:
        """Add the keys written to up to ``until``; the first event after it is kept for the next call."""
        if until is not None:
            _await(self._base, until)
        while True:
            event = self._ahead if self._ahead is not None else self._stream.try_next()
            self._ahead = None
            if event is None:
                if self._passed(until):
                    return
            elif until is not None and event["clusterTime"] > until:
                self._ahead = event
                return
            else:
                self._note(event, known, touched)

    def _passed(self, until: Timestamp | None) -> bool:
        return caught_up(self._stream, until)

    def _note(self, event: RawBSONDocument, known: set[str], touched: Touched) -> None:
        what = str(event["operationType"])
        name = str((event.get("ns") or {}).get("coll", ""))
        if what in _STRUCTURAL and (not name or self._takes(name)):
            raise SourceError(
                "collections came or went while documents were read", where=f"{self._base.name}.{name}",
                why=what, hint="run the backup again", retryable=True,
            )  # fmt: skip
        if what in _WRITES and name in known:
            touched.setdefault(name, set()).add(only(raw_of(event["documentKey"]), b"_id"))

    def _look_at(self, name: str, keys: set[bytes], changes: Changes) -> None:
        """What these documents are now."""
        put, gone = changes.put.setdefault(name, {}), changes.gone.setdefault(name, set())
        ordered = sorted(keys)
        for at in range(0, len(ordered), _AT_ONCE):
            asked = ordered[at : at + _AT_ONCE]
            found = {only(document, b"_id"): document for document in _by_ids(self._base, name, asked)}
            put.update(found)
            gone.difference_update(found)
            missing = set(asked) - found.keys()
            gone |= missing
            for key in missing:
                put.pop(key, None)


def caught_up(stream: ChangeStream[RawBSONDocument], until: Timestamp | None) -> bool:
    """After an answer without events: whether the stream has come as far as ``until``."""
    token = (stream.resume_token or {}).get("_data", "")
    if until is None or not isinstance(token, str) or not token.startswith(_TIMED):
        return True
    return bytes.fromhex(token[2:18]) >= until.time.to_bytes(4, "big") + until.inc.to_bytes(4, "big")


def _watch(base: Base, began: Timestamp) -> DatabaseChangeStream[RawBSONDocument]:
    options: dict[str, Any] = {"start_at_operation_time": began, "max_await_time_ms": _WAIT_MS}
    keys_only = [{"$project": {"fullDocument": 0, "updateDescription": 0}}]
    try:
        return base.watch(keys_only, show_expanded_events=True, **options)
    except OperationFailure:  # before MongoDB 6 nothing is told of collections that are made
        return base.watch(keys_only, **options)


def _await(base: Base, time: Timestamp) -> None:
    """Come back when a majority has everything up to ``time``: a change stream tells of nothing sooner."""
    concern = {"level": "majority", "afterClusterTime": time}
    base.command({"find": "holdfast", "limit": 1, "singleBatch": True, "readConcern": concern}, codec_options=RAW)


def _by_ids(base: Base, name: str, keys: list[bytes]) -> list[bytes]:
    wanted = [RawBSONDocument(key, RAW)["_id"] for key in keys]
    command = {
        "find": name, "filter": {"_id": {"$in": wanted}}, "batchSize": _AT_ONCE, "singleBatch": False,
        "readConcern": {"level": "majority"},
    }  # fmt: skip
    found: list[bytes] = []
    reply = base.command(command, codec_options=RAW)
    number, documents = batch(raw_of(reply))
    found += documents
    while number:
        reply = base.command({"getMore": number, "collection": name}, codec_options=RAW)
        number, documents = batch(raw_of(reply))
        found += documents
    return found
