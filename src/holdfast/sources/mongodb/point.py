"""As of when documents are read: one instant where the server can give it, else what brings them to one.

``snapshot``: every read names the same cluster time (MongoDB 5 and later, replica sets and sharded clusters), so any
number of them run side by side. ``transaction``: one transaction with snapshot reads, one reader, for servers that
do not read as of a time and for as little as fits into the minute a transaction may take. A point that the server
lets go of before all is read becomes the next one. ``stream``: plain reads,
and what others wrote meanwhile is put over them (``overtaken``). ``none``: a single server without a history; what
is written while it is read may be in the snapshot or not, and the snapshot says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import bson
from bson import Timestamp
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from holdfast.sources.mongodb.documents import batch
from holdfast.sources.mongodb.place import Base, Client
from holdfast.sources.mongodb.values import RAW, raw_of

SNAPSHOT, TRANSACTION, STREAM, NONE = "snapshot", "transaction", "stream", "none"
MODES = (SNAPSHOT, TRANSACTION, STREAM, NONE)

# what a transaction can be trusted to read in the minute it has, and what a snapshot read gets through in a second
_FITS_TRANSACTION = 1 << 30
_BYTES_A_SECOND = 40 << 20
_USUAL_WINDOW = 300
_LONG_AGO = Timestamp(1, 1)
_DOCUMENTS_A_BATCH = 20_000
_REMEMBERS_DROPPED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What kind of server it is."""

    version: str
    replicated: bool
    sharded: bool
    name: str = ""

    @property
    def major(self) -> int:
        """The first number of its version, 0 when it tells none."""
        first = self.version.partition(".")[0]
        return int(first) if first.isdigit() else 0

    @property
    def forgets_dropped(self) -> bool:
        """Whether a dropped collection reads as empty, also as of a time when it was there."""
        return self.major < _REMEMBERS_DROPPED


def server_of(client: Client) -> Server:
    """Ask it."""
    hello = client.admin.command("hello", codec_options=RAW)
    info = client.admin.command("buildInfo", codec_options=RAW)
    sharded = hello.get("msg") == "isdbgrid"
    return Server(
        version=str(info.get("version", "?")),
        replicated=sharded or bool(hello.get("setName")),
        sharded=sharded,
        name=str(hello.get("setName", "")),
    )


@dataclass(slots=True, kw_only=True)
class Point:
    """One way of reading. ``time``: the cluster time it stands for; ``session``: of the one transaction.

    ``since``: whoever knows what was written from then on can bring plain reads to one point (``follow`` begins that).
    """

    mode: str
    client: Client
    base: Base
    time: Timestamp | None = None
    session: ClientSession | None = None
    since: Timestamp | None = None
    follow: Callable[[Timestamp], None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def alone(self) -> bool:
        """Whether reads must not run side by side."""
        return self.session is not None

    def outlived(self) -> bool:
        """The server keeps the point no longer: from now on plain reads, brought to one point by the change stream.

        False where that is not to be had. Safe from any thread.
        """
        with self._lock:
            if self.mode == STREAM:
                return True
            if self.follow is None or self.since is None:
                return False
            try:
                self.follow(self.since)
            except OperationFailure:
                return False
            self.mode, self.session = STREAM, None
            return True

    def batches(self, command: dict[str, Any], *, consistent: bool = True) -> Iterator[list[bytes]]:
        """Documents of a find or aggregate, raw, a batch at a time, as of the point."""
        whole = {**command}
        if "find" in whole:
            whole["batchSize"] = whole.get("batchSize", _DOCUMENTS_A_BATCH)
        if consistent and self.mode == SNAPSHOT and self.time is not None:
            whole["readConcern"] = {"level": "snapshot", "atClusterTime": self.time}
        elif self.mode == STREAM:
            whole["readConcern"] = {"level": "majority"}
        with ExitStack() as stack:
            session = self.session if consistent else None
            if session is None:
                session = stack.enter_context(self.client.start_session(causal_consistency=False))
            yield from self._all(whole, session)

    def _all(self, command: dict[str, Any], session: ClientSession) -> Iterator[list[bytes]]:
        name = str(next(iter(command.values())))
        preference = None if session.in_transaction else self.base.read_preference
        reply = self.base.command(command, codec_options=RAW, session=session, read_preference=preference)
        number, found = batch(raw_of(reply))
        try:
            while True:
                yield found
                if not number:
                    return
                more = {"getMore": bson.Int64(number), "collection": name, "batchSize": _DOCUMENTS_A_BATCH}
                reply = self.base.command(more, codec_options=RAW, session=session, read_preference=preference)
                number, found = batch(raw_of(reply))
        except GeneratorExit:
            if number:
                self._let_go(name, number, session)
            raise

    def _let_go(self, name: str, number: int, session: ClientSession) -> None:
        command = {"killCursors": name, "cursors": [bson.Int64(number)]}
        self.base.command(command, codec_options=RAW, session=session, check=False)


@contextmanager
def opened(
    client: Client, base: Base, server: Server, *, any_collection: str | None, size: int, modes: tuple[str, ...] = MODES
) -> Iterator[Point]:
    """The best point this server can give for ``size`` bytes, among ``modes``."""
    at = Point(mode=NONE, client=client, base=base)
    if server.replicated and any_collection is not None:
        if SNAPSHOT in modes and _may_take(client, size):
            at.time = at.since = _time_of_snapshot(base, any_collection)
            at.mode = SNAPSHOT if at.time is not None else NONE
        if at.mode == NONE and TRANSACTION in modes and size <= _FITS_TRANSACTION:
            at.since = cluster_time(base)
            with client.start_session(causal_consistency=False) as session:
                if _begin(base, session, any_collection):
                    at.mode, at.session = TRANSACTION, session
                    try:
                        yield at
                    finally:
                        if session.in_transaction:
                            session.abort_transaction()
                    return
        if at.mode == NONE and STREAM in modes:
            at.mode = STREAM
    yield at


def cluster_time(base: Base) -> Timestamp | None:
    """The newest time the server knows; None where there is none."""
    found = base.command("ping", codec_options=RAW).get("operationTime")
    return found if isinstance(found, Timestamp) else None


def _time_of_snapshot(base: Base, name: str) -> Timestamp | None:
    """A time to read as of; None where the server cannot, or only says that it can."""
    probe: dict[str, Any] = {"find": name, "limit": 1, "singleBatch": True, "projection": {"_id": 1}}
    try:
        reply = base.command({**probe, "readConcern": {"level": "snapshot"}}, codec_options=RAW)
    except OperationFailure:
        return None
    found = reply["cursor"].get("atClusterTime")
    if not isinstance(found, Timestamp):
        return None
    # whoever answers as of 1970 does not look at the time
    return found if _reads_as_of(base, probe, found) and not _reads_as_of(base, probe, _LONG_AGO) else None


def _reads_as_of(base: Base, probe: dict[str, Any], time: Timestamp) -> bool:
    try:
        base.command({**probe, "readConcern": {"level": "snapshot", "atClusterTime": time}}, codec_options=RAW)
    except OperationFailure:
        return False
    return True


def _begin(base: Base, session: ClientSession, name: str) -> bool:
    """Open the transaction and pin its snapshot by a first read."""
    session.start_transaction(read_concern=ReadConcern("snapshot"))
    try:
        base.command({"find": name, "limit": 1, "singleBatch": True}, codec_options=RAW, session=session)
    except OperationFailure:
        if session.in_transaction:
            session.abort_transaction()
        return False
    return True


def _may_take(client: Client, size: int) -> bool:
    """Whether the server keeps its history for as long as reading ``size`` bytes may take."""
    try:
        found = client.admin.command(
            {"getParameter": 1, "minSnapshotHistoryWindowInSeconds": 1}, codec_options=RAW
        ).get("minSnapshotHistoryWindowInSeconds")
    except OperationFailure:
        found = None
    window = float(found) if isinstance(found, int | float) else _USUAL_WINDOW
    return size / _BYTES_A_SECOND < window * 0.8
