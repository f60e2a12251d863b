"""The living database as a book: read at one point where the server has one, written in one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Collection as AbstractCollection
from collections.abc import Iterator, Mapping
from typing import Any

from pymongo.client_session import ClientSession

from holdfast.model.records import Key, Row, Table
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.inventory import Choice, read_collections
from holdfast.sources.mongodb.place import Client, Place
from holdfast.sources.mongodb.point import SNAPSHOT, TRANSACTION, Point, opened, server_of
from holdfast.sources.mongodb.records.asking import filters
from holdfast.sources.mongodb.records.book import MongoBook, row_of
from holdfast.sources.mongodb.records.journal import Journaled, roll_back_left_over
from holdfast.sources.mongodb.records.paths import answers
from holdfast.sources.mongodb.records.signed import Signed
from holdfast.sources.mongodb.refusals import translating
from holdfast.sources.records import LiveBook, LiveTransaction

_READING = "documents could not be read"


class MongoLiveBook(MongoBook):
    """LiveBook (sources.records) over one client."""

    def __init__(self, place: Place, client: Client, choice: Choice, stack: contextlib.ExitStack) -> None:
        self._place, self._client, self._stack = place, client, stack
        self._base = place.base(client)
        server = server_of(client)
        self._replicated = server.replicated
        roll_back_left_over(self._base)
        found = [each for each in read_collections(self._base, choice) if each.kind in kinds.DATA_KINDS]
        plain = [each.name for each in found if not each.capped]
        self._point: Point = stack.enter_context(
            opened(
                client, self._base, server, any_collection=plain[0] if plain else None, size=0,
                modes=(SNAPSHOT, TRANSACTION),
            )
        )  # fmt: skip
        super().__init__({each.name: each for each in found}, {each.name: each.count for each in found})

    def rows(self, table: Table) -> Iterator[Row]:
        """See sources.records.Book."""
        return self._rows(table, {"find": table.name})

    def find(self, table: Table, columns: tuple[str, ...], wanted: AbstractCollection[Key]) -> Iterator[Row]:
        """See sources.records.Book: by the server's own indexes."""
        seen: set[Any] = set()
        for condition, keys in filters(columns, wanted):
            for row in self._rows(table, {"find": table.name, "filter": condition}):
                if row.raw not in seen and answers(row.values, columns, keys):
                    seen.add(row.raw)
                    yield row

    @property
    def exposes(self) -> bool:
        """See sources.records.Exposed."""
        return not self._replicated

    @contextlib.contextmanager
    def transaction(self) -> Iterator[LiveTransaction]:
        """See sources.records.LiveBook; without transactions on the server: journaled, taken back on any exception."""
        if not self._replicated:
            journaled = Journaled(self._place, self._base, self.tables)
            try:
                yield journaled
            except BaseException:
                journaled.take_back()
                raise
            journaled.end()
            return
        with self._client.start_session(causal_consistency=False) as session:
            session.start_transaction()
            try:
                yield Signed(self._place, self._base, self.tables, session)
            except BaseException:
                _abort(session)
                raise
            with translating(self._place, doing="the transaction could not be committed"):
                session.commit_transaction()

    def close(self) -> None:
        """See sources.records.LiveBook."""
        self._stack.close()

    def _rows(self, table: Table, command: Mapping[str, Any]) -> Iterator[Row]:
        definition = self.definitions.get(table.name)
        consistent = definition is None or not definition.capped
        with translating(self._place, doing=_READING):
            for found in self._point.batches(dict(command), consistent=consistent):
                for raw in found:
                    yield row_of(raw)


@contextlib.contextmanager
def open_live(place: Place, choice: Choice) -> Iterator[LiveBook]:
    """The application itself. SourceError when it cannot be reached."""
    with contextlib.ExitStack() as stack:
        client: Client = stack.enter_context(place.client())
        with translating(place, doing=_READING):
            book = MongoLiveBook(place, client, choice, stack)
        yield book


def _abort(session: ClientSession) -> None:
    if session.in_transaction:
        session.abort_transaction()

