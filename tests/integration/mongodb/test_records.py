"""Documents one by one: found in a snapshot without restoring it, written back whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId, Timestamp, encode
from bson.raw_bson import RawBSONDocument
from tests.integration.mongodb.corpus import NOT_FOR_THE_TEST_SERVER, everything
from tests.integration.mongodb.shelves import MemoryShelf, view
from tests.integration.mongodb.taking import Taken, restore, take
from tests.servers.mongodb import MongoServer, fresh, shared, standalone

from holdfast.model.errors import AmbiguousValue, Damaged, TargetError, UsageError
from holdfast.model.records import Row
from holdfast.records.naming import keys_of
from holdfast.records.where import parse_where
from holdfast.records.where.choosing import chosen
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.point import STREAM
from holdfast.sources.mongodb.records.book import row_of
from holdfast.sources.mongodb.source import MongoSource
from holdfast.sources.mongodb.values import raw_document
from holdfast.sources.records import Comparing, Recorded, Write
from holdfast.system import clock

_DYING = """
import os, sys
from holdfast.model.records import Row
from holdfast.sources.mongodb.source import MongoSource
from holdfast.sources.records import Write
with MongoSource(sys.argv[1]).open_live() as live, live.transaction() as transaction:
    transaction.write([Write(verb="delete", table="events", row=Row({"_id": 1}))])
    transaction.write([Write(verb="insert", table="events", row=Row({"_id": 50}))])
    transaction.write([Write(verb="update", table="events", row=Row({"_id": 2, "title": "x"}))])
    os._exit(9)
"""
SERVERS = pytest.mark.parametrize("start", [shared, standalone])


@pytest.fixture
def database() -> Iterator[tuple[MongoServer, str]]:
    """A database of its own on the shared server."""
    server, name = shared(), fresh()
    yield server, name
    with server.client() as client:
        client.drop_database(name)


def events(count: int) -> list[dict[str, Any]]:
    return [
        {"_id": n, "title": f"event {n}", "tags": [f"t{n % 5}", "all"], "venue": {"id": n // 10}} for n in range(count)
    ]


def test_a_document_is_found_by_key_in_few_chunks(database: tuple[MongoServer, str]) -> None:
    """By ``_id`` of any type, equal numbers included; a handful of chunks of hundreds is read, next time one."""
    server, name = database
    server.fill(name, "events", [*events(3000), {"_id": "a text"}, {"_id": ObjectId("6" * 24)}])
    source = MongoSource(server.url(name), segment=100_000)
    assert isinstance(source, Recorded)
    taken = take(source, average=1024)
    chunks = sum(len(segment.slices) for segment in taken.found[b"events"].segments)
    shelf = MemoryShelf()
    with source.open_snapshot(view(taken, shelf)) as book:
        table = book.tables["events"]
        assert (table.key, table.rows) == (("_id",), 3002)
        for wanted in (1234, 1234.0, "a text", ObjectId("6" * 24), 0, 2999):
            taken.asked = 0
            (row,) = book.find(table, ("_id",), [(wanted,)])
            assert row.values["_id"] == wanted
            assert taken.asked < chunks // 15
        taken.asked = 0
        assert [row.values["title"] for row in book.find(table, ("_id",), [(1234,)])] == ["event 1234"]
        assert taken.asked == 1
        assert not list(book.find(table, ("_id",), [(-5,), ("b",), (99999,)]))


def test_other_fields_are_found_by_an_index_made_once_for_each_chunk(database: tuple[MongoServer, str]) -> None:
    """Paths, elements of arrays, several columns; a later snapshot only pays for chunks that are new."""
    server, name = database
    server.fill(name, "events", events(2000))
    source = MongoSource(server.url(name), segment=60_000)
    first, shelf = take(source), MemoryShelf()
    with source.open_snapshot(view(first, shelf)) as book:
        table = book.tables["events"]
        assert {row.values["_id"] for row in book.find(table, ("venue.id",), [(7,), (8,)])} == set(range(70, 90))
        assert len(list(book.find(table, ("tags[]",), [("t3",)]))) == 400
        (row,) = book.find(table, ("title", "venue.id"), [("event 55", 5), ("event 56", 9)])
        assert row.values["_id"] == 55
        first.asked = 0
        assert [row.values["_id"] for row in book.find(table, ("venue.id", "title"), [(5, "event 55")])] == [55]
        everything_ = first.asked
        first.asked = 0
        assert len(list(book.find(table, ("venue.id",), [(9,)]))) == 10
        assert 0 < first.asked <= 3 < everything_
    _same_chunks(first, second := take(source, first))
    with source.open_snapshot(view(second, shelf)) as book:
        assert len(list(book.find(book.tables["events"], ("venue.id",), [(9,)]))) == 10
        assert second.asked <= 3


def _same_chunks(first: Taken, second: Taken) -> None:
    """What a repository does: equal chunks are one chunk."""
    known = {bytes_: chunk for chunk, bytes_ in first.chunks.items()}
    for item in second.found.values():
        for segment in item.segments:
            for number, piece in enumerate(segment.slices):
                same = known.get(second.chunks[piece.chunk])
                if same is not None:
                    second.chunks[same] = second.chunks[piece.chunk]
                    segment.slices[number] = type(piece)(same, piece.offset, piece.length)


def test_equal_chunks_cancel_unread(database: tuple[MongoServer, str]) -> None:
    """Two snapshots: what was changed, deleted and added is among the few documents given."""
    server, name = database
    server.fill(name, "events", events(3000))
    source = MongoSource(server.url(name), segment=60_000)
    first = take(source)
    with server.database(name) as base:
        base.events.update_one({"_id": 1500}, {"$set": {"title": "changed"}})
        base.events.delete_one({"_id": 1501})
        base.events.insert_one({"_id": 3000})
    second = take(source, first)
    _same_chunks(first, second)
    with source.open_snapshot(view(first)) as before, source.open_snapshot(view(second)) as after:
        assert isinstance(before, Comparing)
        assert isinstance(after, Comparing)
        first.asked = second.asked = 0
        old = {row.values["_id"] for row in before.rows_not_shared(before.tables["events"], after)}
        new = {row.values["_id"] for row in after.rows_not_shared(after.tables["events"], before)}
        assert {1500, 1501} <= old
        assert {1500, 3000} <= new
        assert len(old) + len(new) < 600
        assert first.asked + second.asked < 12


def test_what_overtook_the_reading_is_looked_at_too(database: tuple[MongoServer, str]) -> None:
    """A snapshot made with the change stream shows documents as at its end, by key, by field, and in comparison."""
    server, name = database
    server.fill(name, "events", events(300))
    plain = take(MongoSource(server.url(name)))

    def between() -> None:
        with server.database(name) as base:
            base.events.update_one({"_id": 5}, {"$set": {"title": "changed"}})
            base.events.delete_one({"_id": 6})
            base.events.insert_one({"_id": 1000, "title": "late"})

    source = MongoSource(server.url(name), modes=(STREAM,))
    taken = take(source, between=between)
    with source.open_snapshot(view(taken)) as book:
        table = book.tables["events"]
        rows = book.find(table, ("_id",), [(5,), (6,), (1000,)])
        found = {row.values["_id"]: row.values.get("title") for row in rows}
        assert found == {5: "changed", 1000: "late"}
        assert [row.values["_id"] for row in book.find(table, ("title",), [("late",), ("event 5",)])] == [1000]
        assert sorted(row.raw for row in book.rows(table)) == sorted(server.raw(name, "events"))
        _same_chunks(plain, taken)
        with source.open_snapshot(view(plain)) as before:
            gone = {row.values["_id"] for row in before.rows_not_shared(table, book)}  # type: ignore[attr-defined]
            assert {5, 6} <= gone


def test_damaged_documents_are_told_and_not_guessed(database: tuple[MongoServer, str]) -> None:
    """Bytes that are no documents end in an error that names the collection."""
    server, name = database
    server.fill(name, "events", events(10))
    source = MongoSource(server.url(name))
    taken = take(source)
    chunk = taken.found[b"events"].segments[0].slices[0].chunk
    taken.chunks[chunk] = b"\x03\0\0\0" + taken.chunks[chunk][4:]
    with source.open_snapshot(view(taken)) as book, pytest.raises(Damaged):
        list(book.rows(book.tables["events"]))


@SERVERS
def test_the_living_database_is_a_book_too(start: Any) -> None:
    """The same questions, the same answers."""
    server, name = start(), fresh()
    server.fill(name, "events", events(100))
    with server.database(name) as base:
        base.events.create_index("title", unique=True)
    source = MongoSource(server.url(name))
    with source.open_live() as live, source.open_snapshot(view(take(source))) as book:
        table = live.tables["events"]
        assert table.unique == (("title",),)
        assert live.fingerprint(table) == book.fingerprint(book.tables["events"])
        for columns, wanted in ((("_id",), [(5,), (500,)]), (("tags[]",), [("t3",)]), (("venue.id", "_id"), [(1, 12)])):
            told = [sorted(row.raw for row in each.find(table, columns, wanted)) for each in (live, book)]
            assert told[0] == told[1]
            assert told[0]
        assert live.parse(table, "_id", "42") == 42
        assert live.plain(ObjectId("6" * 24)) == {"$oid": "6" * 24}


@SERVERS
def test_writes_happen_whole_or_not_at_all(start: Any) -> None:
    """In a transaction where the server has them, else taken back by journal; the raw bytes are what is written."""
    server, name = start(), fresh()
    server.fill(name, "events", events(20))
    server.fill(name, "log", [{"_id": 1}])
    odd = [row_of(raw) for case, raw in everything().items() if case not in NOT_FOR_THE_TEST_SERVER]
    before = {each: server.raw(name, each) for each in ("events", "log")}
    writes = [
        Write(verb="insert", table="odd", row=odd[0]),
        Write(verb="update", table="events", row=Row({"_id": 3, "title": "x"}), columns=("title",)),
        Write(verb="delete", table="events", row=Row({"_id": 4})),
        Write(verb="update", table="log", row=Row({"_id": 1, "whole": True})),
    ]
    with server.database(name) as base:
        base.create_collection("odd")
    source = MongoSource(server.url(name))
    with source.open_live() as live:
        with pytest.raises(TargetError, match="nothing was changed") as caught, live.transaction() as transaction:
            transaction.write([*writes, Write(verb="insert", table="events", row=Row({"_id": 5}))])
        assert "_id 5" in caught.value.where
        assert {each: sorted(server.raw(name, each)) for each in ("events", "log")} == {
            each: sorted(found) for each, found in before.items()
        }
        assert not server.raw(name, "odd")
        with live.transaction() as transaction:
            assert transaction.write([*writes, *(Write(verb="insert", table="odd", row=row) for row in odd[1:])]) == (
                len(writes) + len(odd) - 1
            )
            assert dict(transaction.affected()) == {"odd": (len(odd), 0, 0), "events": (0, 1, 1), "log": (0, 1, 0)}
    assert sorted(server.raw(name, "odd")) == sorted(row.raw for row in odd)
    with server.database(name) as base:
        assert base.log.find_one() == {"_id": 1, "whole": True}
        assert base.events.find_one({"_id": 3})["title"] == "x"
        assert base.events.find_one({"_id": 4}) is None
        assert not base[kinds.JOURNAL].count_documents({})


@SERVERS
def test_a_document_that_is_not_as_expected_stops_everything(start: Any) -> None:
    """Whoever changed it meanwhile keeps the change."""
    server, name = start(), fresh()
    server.fill(name, "events", events(5))
    source = MongoSource(server.url(name))
    with source.open_live() as live:
        (seen,) = live.find(live.tables["events"], ("_id",), [(2,)])
        with server.database(name) as base:
            base.events.update_one({"_id": 2}, {"$set": {"title": "newer"}})
        writes = [
            Write(verb="delete", table="events", row=Row({"_id": 1})),
            Write(verb="insert", table="events", row=Row({"_id": "x"})),
            Write(verb="delete", table="events", row=seen, expect=seen),
        ]
        with pytest.raises(TargetError, match="not what they were expected"), live.transaction() as transaction:
            transaction.write(writes)
        with pytest.raises(TargetError, match="are not there"), live.transaction() as transaction:
            transaction.write([Write(verb="delete", table="events", row=Row({"_id": 77}))])
    assert len(server.raw(name, "events")) == 5


def test_locked_documents_stand_still_and_are_unchanged_by_it(database: tuple[MongoServer, str]) -> None:
    """Another transaction that wants to write them is refused; the lock leaves no trace in the bytes."""
    server, name = database
    server.fill(name, "events", events(5))
    before = server.raw(name, "events")
    source = MongoSource(server.url(name))
    with source.open_live() as live, source.open_live() as other:
        table = live.tables["events"]
        with live.transaction() as transaction:
            assert len(list(transaction.find(table, ("_id",), [(2,)], lock=True))) == 1
            with pytest.raises(TargetError) as caught, other.transaction() as second:
                second.write([Write(verb="delete", table="events", row=Row({"_id": 2}))])
            assert caught.value.retryable
    assert server.raw(name, "events") == before


def test_fresh_keys_are_like_those_that_are_there(database: tuple[MongoServer, str]) -> None:
    """Numbers go on, ObjectIds and UUIDs are made."""
    server, name = database
    server.fill(name, "numbers", [{"_id": 7}, {"_id": 12}])
    server.fill(name, "objects", [{"_id": ObjectId(), "name": "6b0c11de-55a9-4bb4-9d7e-2c1b9a3b0a11"}])
    with MongoSource(server.url(name)).open_live() as live, live.transaction() as transaction:
        assert transaction.next_id(live.tables["numbers"], "_id", 2) == [13, 14]
        assert all(isinstance(each, ObjectId) for each in transaction.next_id(live.tables["objects"], "_id", 2))
        (text,) = transaction.next_id(live.tables["objects"], "name", 1)
        assert len(str(text)) == 36


def test_a_killed_journal_is_taken_back_by_whoever_comes_next() -> None:
    """Without transactions: what a dead process left half done is put back before anybody looks."""
    server, name = standalone(), fresh()
    server.fill(name, "events", events(10))
    before = sorted(server.raw(name, "events"))
    source = MongoSource(server.url(name))
    done = subprocess.run([sys.executable, "-c", _DYING, server.url(name)], check=False)
    assert done.returncode == 9
    assert sorted(server.raw(name, "events")) != before
    with source.open_live() as live:
        assert sorted(row.raw for row in live.rows(live.tables["events"])) == before
        assert kinds.JOURNAL not in live.tables


def test_a_journal_that_was_ended_is_not_taken_back() -> None:
    """Killed after the end was marked: what was written stays whole."""
    server, name = standalone(), fresh()
    server.fill(name, "events", events(3))
    run = ObjectId()
    before = encode({"_id": 1, "title": "before"})
    owner = {"host": clock.host(), "boot": "", "pid": 0, "started": ""}
    entry = {"collection": "events", "verb": "update", "marks": None, "owner": owner}
    with server.database(name) as base:
        base[kinds.JOURNAL].insert_many([
            {"_id": {"run": run, "number": 0}, "key": {"_id": 2}, "was": [], "done": True, **entry},
            {"_id": {"run": run, "number": 1}, "key": {"_id": 1}, "was": [before], **entry},
        ])  # fmt: skip
        with MongoSource(server.url(name)).open_live():
            assert base.events.find_one({"_id": 1})["title"] == "event 1"
            assert not base[kinds.JOURNAL].count_documents({})


def test_a_living_journal_is_left_to_its_owner() -> None:
    """Somebody looks while another writes: nothing of that is put back, and the writer ends well."""
    server, name = standalone(), fresh()
    server.fill(name, "events", events(10))
    source = MongoSource(server.url(name))
    with source.open_live() as live, live.transaction() as transaction:
        transaction.write([Write(verb="delete", table="events", row=Row({"_id": 1}))])
        with source.open_live() as other:
            assert not list(other.find(other.tables["events"], ("_id",), [(1,)]))
    with server.database(name) as base:
        assert base.events.count_documents({}) == 9
        assert not base[kinds.JOURNAL].count_documents({})


def test_chosen_documents_are_a_snapshot_like_any_other(database: tuple[MongoServer, str]) -> None:
    """Their own bytes with the definitions of their collections; restored into a new place and into the living one."""
    server, name = database
    server.fill(name, "events", events(50))
    with server.database(name) as base:
        base.events.create_index("title")
        base.seats.insert_one(raw_document(everything()["decimals"]))
    source = MongoSource(server.url(name))
    with source.open_live() as live:
        chosen = {
            "events": list(live.find(live.tables["events"], ("_id",), [(9,), (3,)])),
            "seats": list(live.rows(live.tables["seats"])),
        }
        taken = take(source.of_rows(live, chosen))
        with pytest.raises(UsageError, match="no collection nothing"):
            source.of_rows(live, {"nothing": []})
    assert [item.rows for item in taken.items()] == [0, 2, 1]
    with source.open_snapshot(view(taken)) as book:
        assert [row.values["_id"] for row in book.find(book.tables["events"], ("_id",), [(3,), (4,)])] == [3]
        again = take(source.of_rows(book, {"events": list(book.rows(book.tables["events"]))}))
        assert again.documents("events") == taken.documents("events")
    before = sorted(server.raw(name, "events"))
    with server.database(name) as base:
        base.events.delete_many({"_id": {"$in": [3, 9]}})
    assert not restore(source, taken, in_place=True).bad
    assert sorted(server.raw(name, "events")) == before


def test_an_empty_timestamp_is_restored_empty(database: tuple[MongoServer, str]) -> None:
    """Servers fill them on insert: the field is emptied again, in its place."""
    server, name = database
    raw = everything()["empty timestamp"]
    with server.database(name) as base:
        base.c.insert_one({"_id": 0})
    with MongoSource(server.url(name)).open_live() as live, live.transaction() as transaction:
        transaction.write([Write(verb="insert", table="c", row=row_of(raw))])
    assert raw in server.raw(name, "c")
    assert RawBSONDocument(raw)["t"] == Timestamp(0, 0)


def test_a_key_that_means_several_documents_is_refused(database: tuple[MongoServer, str]) -> None:
    """Numbers and text that are typed alike are named with their types; quoted one of them is meant; null is a key."""
    server, name = database
    texts = [{"_id": "007"}, {"_id": "12"}, {"_id": 1}, {"_id": "1"}, {"_id": 7}, {"_id": None}]
    server.fill(name, "keys", [*({"_id": 1000 + n} for n in range(300)), *texts])
    with MongoSource(server.url(name)).open_live() as live:
        table = live.tables["keys"]
        with pytest.raises(AmbiguousValue, match=r"ambiguous: 7 \(int\) and '007' \(string\)") as refused:
            live.parse(table, "_id", "007")
        assert refused.value.values == (7, "007")
        assert live.parse(table, "_id", '"007"') == "007"
        assert (live.parse(table, "_id", "12"), live.parse(table, "_id", "7")) == ("12", 7)
        assert live.parse(table, "_id", "null") is None
        assert keys_of(live, table, ['"007"', '{"$numberInt": "7"}', '"1","1"'][:2]) == [("007",), (7,)]
        found = chosen(live, table, parse_where("_id in (7, '1')"))
        assert [row.values["_id"] for row in found] == [7, "1"]
