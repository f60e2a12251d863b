"""The application's own transaction as a book: read and locked within its session."""

from __future__ import annotations

from collections.abc import Collection as AbstractCollection
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession

from holdfast.model.errors import TargetError, UsageError
from holdfast.model.records import Key, Row, Table
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.documents import only
from holdfast.sources.mongodb.inventory import Choice, listed, read_collections
from holdfast.sources.mongodb.place import Base, Place
from holdfast.sources.mongodb.records.book import MongoBook, row_of
from holdfast.sources.mongodb.records.signed import number_of
from holdfast.sources.mongodb.records.transaction import Transaction
from holdfast.sources.mongodb.refusals import translating

_READING = "documents could not be read"
_ENDED = "the transaction ended before what it deleted could be compared with what was captured"
_AGAIN = "commit after the with block, and capture again after a rollback; what was captured is in the trash"


class MongoJoined(MongoBook):
    """See sources.guarding.Joined. MongoDB counts no deletes: the keys there are before and after tell them.

    That is asked of collections that were looked into while capturing; nothing cascades into others.
    """

    def __init__(self, session: ClientSession, place: Place, choice: Choice) -> None:
        self._session, self._place = session, place
        self._base: Base = place.base(session.client)
        found = [each for each in read_collections(self._base, choice) if each.kind in kinds.DATA_KINDS]
        super().__init__({each.name: each for each in found}, {each.name: each.count for each in found})
        self._transaction = Transaction(place, self._base, self.tables, session)
        self._number = number_of(session)
        self._before: dict[str, set[bytes]] = {}
        self._capturing = True

    def rows(self, table: Table) -> Iterator[Row]:
        """See Book."""
        with translating(self._place, doing=_READING):
            yield from map(row_of, listed(self._base, {"find": table.name}, self._session))

    def find(self, table: Table, columns: tuple[str, ...], wanted: AbstractCollection[Key]) -> Iterator[Row]:
        """See Joined."""
        if self._capturing and table.name not in self._before:
            self._before[table.name] = self._keys(table.name)
        return self._transaction.find(table, columns, wanted, lock=self._capturing)

    @contextmanager
    def affected(self) -> Iterator[Mapping[str, tuple[int, int, int]]]:
        """See Joined."""
        if not self._session.in_transaction or number_of(self._session) != self._number:
            raise TargetError(_ENDED, where=self._place.url, hint=_AGAIN)
        self._capturing = False
        self._after = {name: self._keys(name) for name in self._before}
        counts = {}
        for name, before in self._before.items():
            made, gone = len(self._after[name] - before), len(before - self._after[name])
            if made or gone:
                counts[name] = (made, 0, gone)  # a key never changes here
        yield counts

    def gone(self, table: Table) -> Iterator[Key]:
        """See Joined."""
        for raw in self._before[table.name] - self._after[table.name]:
            yield row_of(raw).key(("_id",))

    def idle(self) -> bool:
        """See Joined."""
        return not self._session.in_transaction

    def _keys(self, name: str) -> set[bytes]:
        with translating(self._place, doing=_READING):
            asked = {"find": name, "projection": {"_id": 1}}
            return {only(raw, b"_id") for raw in listed(self._base, asked, self._session)}


@contextmanager
def join(connection: Any, place: Place, choice: Choice) -> Iterator[MongoJoined]:
    """See sources.guarding.Joining."""
    if not isinstance(connection, ClientSession):
        raise UsageError(
            "this is no session of pymongo", where=place.url, why=f"it is {type(connection).__name__}",
            hint="give the ClientSession that deletes: with client.start_session() as session",
        )  # fmt: skip
    if connection.has_ended or not connection.in_transaction:
        raise UsageError(
            "this session is in no transaction", where=place.url,
            hint="capture within: with session.start_transaction(ReadConcern('snapshot')):",
        )  # fmt: skip
    _require_same(connection, place)
    with translating(place, doing=_READING):
        joined = MongoJoined(connection, place, choice)
    yield joined


def _require_same(session: ClientSession, place: Place) -> None:
    """UsageError unless it leads to the server, or the replica set, of the source."""
    with place.client() as client:
        ours, theirs = _whose(place.base(client)), _whose(place.base(session.client))
    if ours != theirs:
        raise UsageError(
            "this session leads to another server than the source", where=place.url, why=f"it leads to {theirs}"
        )


def _whose(base: Base) -> str:
    told: RawBSONDocument = base.client.admin.command("hello")  # type: ignore[assignment]
    name, members = told.get("setName"), told.get("hosts") or ()
    return f"{name} {' '.join(sorted(map(str, members)))}" if name else str(told.get("me") or base.client.address)
