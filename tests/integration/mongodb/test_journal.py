"""Without transactions of the server: what is taken back takes nothing from others, and what cannot be is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bson
import pytest
from tests.servers.mongodb import MongoServer, fresh, standalone

from holdfast.model.errors import TargetError
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.place import Place
from holdfast.sources.mongodb.records.book import row_of
from holdfast.sources.mongodb.records.journal import Journaled, roll_back_left_over
from holdfast.sources.mongodb.source import MongoSource
from holdfast.sources.records import Write


@pytest.fixture
def database() -> Iterator[tuple[MongoServer, str]]:
    """A database of a single server."""
    server, name = standalone(), fresh()
    yield server, name
    with server.client() as client:
        client.drop_database(name)


def writing(verb: str, table: str, document: dict[str, Any], *columns: str) -> Write:
    return Write(verb=verb, table=table, row=row_of(bson.encode(document)), columns=columns)


def test_a_document_whose_unique_value_was_taken_is_kept_and_told(database: tuple[MongoServer, str]) -> None:
    """It stands in the journal, its newer version in its place, and comes back once it can."""
    server, name = database
    place = Place.parse(server.url(name))
    with server.database(name) as plain, place.client() as client:
        plain.users.create_index("email", unique=True)
        plain.users.insert_many([{"_id": 1, "email": "a@x"}, {"_id": 2, "email": "b@x"}])
        journaled = Journaled(place, place.base(client), {})
        changed, gone = {"_id": 1, "email": "new@x"}, {"_id": 2}
        journaled.write([writing("update", "users", changed), writing("delete", "users", gone)])
        plain.users.insert_many([{"_id": 3, "email": "a@x"}, {"_id": 4, "email": "b@x"}])
        with pytest.raises(TargetError, match="2 documents could not be put back") as caught:
            journaled.take_back()
        assert "users _id 2, users _id 1" in caught.value.where
        assert sorted(each["_id"] for each in plain.users.find()) == [1, 3, 4]
        kept = [bson.decode(each["was"][0]) for each in plain[kinds.JOURNAL].find()]
        assert {each["_id"]: each["email"] for each in kept} == {1: "a@x", 2: "b@x"}
        findings = MongoSource(server.url(name)).examine()
        assert any(each.what.startswith("2 documents that could not be put back") for each in findings)
        plain.users.delete_one({"_id": 4})
        assert roll_back_left_over(place.base(client)) == 0
        assert plain.users.find_one({"_id": 2}) == {"_id": 2, "email": "b@x"}


def test_what_others_made_under_the_same_key_is_theirs(database: tuple[MongoServer, str]) -> None:
    """Between the note that there is none and the write: the document that is there was never ours."""
    server, name = database
    place = Place.parse(server.url(name))
    with server.database(name) as plain, place.client() as client:
        plain.events.insert_many([{"_id": 1, "n": 1}, {"_id": 2, "n": 2}])

        class Overtaken(Journaled):
            def before(self, table: str, writes: Any) -> None:
                super().before(table, writes)
                plain.events.insert_one({"_id": 42, "title": "made by the application"})

        journaled = Overtaken(place, place.base(client), {})
        with pytest.raises(TargetError, match="could not be written"):
            journaled.write([writing("insert", "events", {"_id": 42, "title": "restored"})])
        journaled.take_back()
        other = Journaled(place, place.base(client), {})
        other.write([writing("update", "events", {"_id": 1, "n": 10}), writing("insert", "events", {"_id": 5})])
        plain.events.update_many({"_id": {"$in": [1, 5]}}, {"$set": {"by": "the application"}})
        other.write([writing("update", "events", {"_id": 2, "n": 20}, "n")])
        other.take_back()
        now = {each.pop("_id"): each for each in plain.events.find()}
        assert now[42] == {"title": "made by the application"}
        assert (now[1], now[5]) == ({"n": 10, "by": "the application"}, {"by": "the application"})
        assert now[2] == {"n": 2}
        assert not plain[kinds.JOURNAL].count_documents({})


def test_the_largest_documents_are_put_back_too(database: tuple[MongoServer, str]) -> None:
    """One of exactly 16 MiB does not fit into an entry of the journal, its parts do."""
    server, name = database
    place = Place.parse(server.url(name))
    empty = len(bson.encode({"_id": 1, "x": b""}))
    largest = bson.encode({"_id": 1, "x": b"7" * ((16 << 20) - empty)})
    assert len(largest) == 16 << 20
    with server.database(name) as plain, place.client() as client:
        plain.c.insert_one(bson.raw_bson.RawBSONDocument(largest))
        journaled = Journaled(place, place.base(client), {})
        journaled.write([writing("delete", "c", {"_id": 1})])
        assert not plain.c.count_documents({})
        journaled.take_back()
        assert server.raw(name, "c") == [largest]
