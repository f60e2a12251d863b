"""A restored MongoDB database is the one that was saved, and a living one loses nothing it was not asked to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import gridfs
import pytest
from bson import Timestamp, encode
from tests.integration.mongodb.corpus import NOT_FOR_THE_TEST_SERVER, everything
from tests.integration.mongodb.taking import Taken, restore, take
from tests.servers.mongodb import MongoServer, fresh, shared

from holdfast.model.snapshot import Slice
from holdfast.sources.base import RestoreRequest
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.documents import split
from holdfast.sources.mongodb.loading import Loaded, insert
from holdfast.sources.mongodb.place import Place
from holdfast.sources.mongodb.point import STREAM
from holdfast.sources.mongodb.source import MongoSource
from holdfast.sources.mongodb.values import look, raw_document


@pytest.fixture
def database() -> Iterator[tuple[MongoServer, str]]:
    """A database of its own on the shared server; copies beside it are removed too."""
    server, name = shared(), fresh()
    yield server, name
    with server.client() as client:
        for each in client.list_database_names():
            if each.startswith(name):
                client.drop_database(each)


def many(count: int) -> list[dict[str, Any]]:
    return [{"_id": number, "text": f"document {number}", "n": number % 7} for number in range(count)]


def described(server: MongoServer, name: str) -> dict[str, Any]:
    """Options and indexes of everything, without what a new database cannot share."""
    with server.database(name) as base:
        found = {}
        for each in base.command("listCollections")["cursor"]["firstBatch"]:
            indexes = [] if each["type"] == "view" else [dict(index) for index in base[each["name"]].list_indexes()]
            found[each["name"]] = (each["type"], each["options"], indexes)
        return found


def test_everything_comes_back_beside_the_source(database: tuple[MongoServer, str]) -> None:
    """Bytes, options, indexes, views over views, validators that old documents break, capped and time series."""
    server, name = database
    cases = [raw for case, raw in everything().items() if case not in NOT_FOR_THE_TEST_SERVER]
    with server.database(name) as base:
        base.odd.insert_many([raw_document(raw) for raw in cases])
        base.c.insert_many(many(3000))
        base.c.create_index([("n", -1), ("text", 1)], name="both", unique=True)
        base.strict.insert_one({"_id": 1, "old": True})
        base.command("collMod", "strict", validator={"a": {"$exists": True}}, validationAction="error")
        base.create_collection("log", capped=True, size=50_000)
        base.log.insert_many([{"_id": 90 - n} for n in range(30)])
        base.create_collection("german", collation={"locale": "de", "strength": 1})
        base.german.insert_many([{"_id": "ä"}, {"_id": "z"}])
        base.create_collection("clustered", clusteredIndex={"key": {"_id": 1}, "unique": True})
        base.clustered.insert_many(many(20))
        base.create_collection("weather", timeseries={"timeField": "t", "metaField": "m"})
        base.weather.insert_many([{"t": datetime(2026, 1, 1, n, tzinfo=UTC), "m": n % 2, "v": n} for n in range(9)])
        base.command("create", "z_first", viewOn="c", pipeline=[{"$match": {"n": 1}}])
        base.command("create", "a_second", viewOn="z_first", pipeline=[{"$limit": 5}])
    taken = take(MongoSource(server.url(name), segment=20_000))
    outcome = restore(MongoSource(server.url(name)), taken)
    copy = f"{name}_restored_20261121_0420"
    assert not outcome.bad
    assert outcome.plan.target.endswith(copy)
    assert described(server, copy) == described(server, name)
    for collection in ("c", "german"):  # loaded by several at once, or read in an order of its own
        assert sorted(server.raw(copy, collection)) == sorted(server.raw(name, collection))
    for collection in ("odd", "strict", "log", "clustered"):
        assert server.raw(copy, collection) == server.raw(name, collection), collection
    assert len(server.raw(copy, "weather")) == 9
    with server.database(copy) as base:
        assert len(list(base.a_second.find())) == 5
    assert restore(MongoSource(server.url(name)), taken).plan.target.endswith(f"{copy}_2")


def test_what_overtook_the_reading_is_restored_too(database: tuple[MongoServer, str]) -> None:
    """A snapshot made with the change stream gives the state at its end."""
    server, name = database
    server.fill(name, "c", many(300))

    def between() -> None:
        with server.database(name) as base:
            base.c.delete_many({"_id": {"$lt": 10}})
            base.c.update_many({"n": 3}, {"$set": {"n": "three"}})
            base.c.insert_one({"_id": "late"})

    source = MongoSource(server.url(name), modes=(STREAM,), segment=5000)
    taken = take(source, between=between)
    outcome = restore(source, taken, to=f"{name}_copy")
    assert not outcome.bad
    assert sorted(server.raw(f"{name}_copy", "c")) == sorted(server.raw(name, "c"))


def test_files_of_gridfs_come_back_whole(database: tuple[MongoServer, str]) -> None:
    """Both halves, and a warning when only one is chosen."""
    server, name = database
    with server.database(name) as base:
        key = gridfs.GridFS(base).put(b"picture" * 100_000, filename="a.png")
    source = MongoSource(server.url(name))
    taken = take(source)
    assert not restore(source, taken, to=f"{name}_copy").bad
    with server.database(f"{name}_copy") as base:
        assert gridfs.GridFS(base).get(key).read() == b"picture" * 100_000
    outcome = restore(source, taken, to=f"{name}_half", only=("fs.files",))
    assert any("GridFS" in text for text in outcome.plan.warnings)


def test_duplicates_are_counted_and_the_rest_is_kept(database: tuple[MongoServer, str]) -> None:
    """Keys that are there twice: loud, counted, and no other document is lost for it."""
    server, name = database
    server.fill(name, "c", many(50))
    source = MongoSource(server.url(name))
    taken = take(source)
    doubled = taken.found[b"c"].segments[0]
    documents = list(split(taken.bytes_of(doubled)))
    _rewrite(taken, b"c", [*documents, documents[3], documents[4]])
    outcome = restore(source, taken, to=f"{name}_copy")
    (result,) = outcome.bad
    assert result.detail.startswith("2 documents have a key that was there already")
    assert len(server.raw(f"{name}_copy", "c")) == 50
    with server.database(f"{name}_copy") as base:
        assert kinds.UNFINISHED in base.list_collection_names()


def test_an_index_that_cannot_be_built_loses_no_data(database: tuple[MongoServer, str]) -> None:
    """The documents are all there, the index is named with the server's reason."""
    server, name = database
    with server.database(name) as base:
        base.c.insert_many([{"_id": 1, "u": 1}, {"_id": 2, "u": 2}])
        base.c.create_index("u", unique=True)
    source = MongoSource(server.url(name))
    taken = take(source)
    first, _second = split(taken.bytes_of(taken.found[b"c"].segments[0]))
    _rewrite(taken, b"c", [first, first.replace(b"_id\0\x01", b"_id\0\x02")])
    outcome = restore(source, taken, to=f"{name}_copy")
    assert "index u_1 could not be built" in outcome.of("c").detail
    assert len(server.raw(f"{name}_copy", "c")) == 2


def test_documents_do_not_expire_before_they_were_compared(database: tuple[MongoServer, str]) -> None:
    """What deletes by age is built last of all, and stands as it stood."""
    server, name = database
    with server.database(name) as base:
        base.c.insert_many([{"_id": n, "t": datetime(2001, 1, 1, tzinfo=UTC)} for n in range(20)])
        base.c.create_index("t", name="aging", expireAfterSeconds=1_500_000_000)
        base.c.create_index("n")
    source = MongoSource(server.url(name))
    taken = take(source)
    with server.database(f"{name}_copy") as base, base.watch(show_expanded_events=True, max_await_time_ms=50) as events:
        outcome = restore(source, taken, to=f"{name}_copy")
        built = [each["operationDescription"]["indexes"][0]["name"] for each in _of_kind(events, "createIndexes")]
        assert [index.get("expireAfterSeconds") for index in base.c.list_indexes()] == [None, 1_500_000_000, None]
    assert not outcome.bad
    assert [each.status for each in outcome.verified] == ["ok"]
    assert built == ["n_1", "aging"]


def _of_kind(events: Any, kind: str) -> Iterator[Any]:
    while (event := events.try_next()) is not None:
        if event["operationType"] == kind:
            yield event


def test_a_database_with_collections_is_not_restored_over(database: tuple[MongoServer, str]) -> None:
    """Without --in-place nothing that exists is touched; what is not in the snapshot cannot be chosen."""
    server, name = database
    server.fill(name, "c", many(5))
    source = MongoSource(server.url(name))
    taken = take(source)
    assert "has collections already" in restore(source, taken, to=name).plan.refusals[0]
    assert "nothing in the snapshot matches d*" in restore(source, taken, only=("c", "d*")).plan.refusals[0]


def _change(server: MongoServer, name: str) -> None:
    with server.database(name) as base:
        base.c.delete_many({"_id": {"$in": [5, 6]}})
        base.c.update_one({"_id": 7}, {"$set": {"text": "newer"}})
        base.c.insert_one({"_id": "made since"})
        base.gone.drop()
        base.other.insert_one({"_id": 1})


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ({}, {"5": "back", "7": "newer", "since": "kept"}),
        ({"overwrite": True}, {"5": "back", "7": "document 7", "since": "kept"}),
        ({"exact": True}, {"5": "back", "7": "document 7", "since": "gone"}),
    ],
)
def test_in_place_does_what_was_asked_and_undo_takes_it_back(
    database: tuple[MongoServer, str], mode: dict[str, bool], expected: dict[str, str]
) -> None:
    """Missing documents are added; --overwrite replaces, --exact also deletes; undo brings it all back."""
    server, name = database
    server.fill(name, "c", many(200))
    server.fill(name, "gone", many(3))
    source = MongoSource(server.url(name), segment=3000)
    taken = take(source)
    _change(server, name)
    before = {each: server.raw(name, each) for each in ("c", "other")}
    outcome = restore(source, taken, in_place=True, **mode)
    assert not outcome.bad
    with server.database(name) as base:
        assert (base.c.find_one({"_id": 5}) is not None) == (expected["5"] == "back")
        assert base.c.find_one({"_id": 7})["text"] == expected["7"]
        assert (base.c.find_one({"_id": "made since"}) is not None) == (expected["since"] == "kept")
        assert base.gone.count_documents({}) == 3
        assert base.other.count_documents({}) == 1
    assert outcome.undo is not None
    created = tuple(step.item for step in outcome.plan.steps if step.action.value == "create")
    back = restore(source, outcome.undo, in_place=True, overwrite=True, exact=True, only=("c",), undo_created=created)
    assert not back.bad
    assert sorted(server.raw(name, "c")) == sorted(before["c"])
    with server.database(name) as base:
        assert "gone" not in base.list_collection_names()


def test_what_others_write_before_the_restore_is_left_to_them(database: tuple[MongoServer, str]) -> None:
    """It is not in the snapshot for undo, so nothing replaces or deletes it; the result is not called whole."""
    server, name = database
    server.fill(name, "c", many(100))
    source = MongoSource(server.url(name))
    taken = take(source)
    with server.database(name) as base:
        base.c.update_many({"_id": {"$lt": 5}}, {"$set": {"text": "newer"}})
    target = source.target(RestoreRequest(label="x", in_place=True, exact=True))
    plan = target.plan(taken)
    with target.hold(plan):
        with server.database(name) as base:
            base.c.update_one({"_id": 3}, {"$set": {"text": "by somebody else"}})
            base.c.insert_one({"_id": "made just now"})
        (result,) = target.apply(plan, taken, taken)
    assert result.status == "incomplete"
    assert "2 were written to by others meanwhile" in result.detail
    with server.database(name) as base:
        assert [each["text"] for each in base.c.find({"_id": {"$in": [2, 3]}})] == ["document 2", "by somebody else"]
        assert base.c.find_one({"_id": "made just now"}) is not None


def test_a_preview_counts_and_changes_nothing(database: tuple[MongoServer, str]) -> None:
    """How many would be made, changed, deleted, left."""
    server, name = database
    server.fill(name, "c", many(100))
    server.fill(name, "gone", many(1))
    source = MongoSource(server.url(name))
    taken = take(source)
    _change(server, name)
    before = server.raw(name, "c")
    plan = source.target(RestoreRequest(label="x", in_place=True, exact=True)).preview(taken, taken)  # type: ignore[attr-defined]
    counts = {step.label: step.counts for step in plan.steps if step.counts}
    assert counts["c"] == {"create": 2, "change": 1, "delete": 1, "unchanged": 97}
    assert server.raw(name, "c") == before


def test_a_collection_that_is_something_else_now_is_refused(database: tuple[MongoServer, str]) -> None:
    """Documents do not go into a view."""
    server, name = database
    server.fill(name, "c", many(3))
    source = MongoSource(server.url(name))
    taken = take(source)
    with server.database(name) as base:
        base.c.rename("d")
        base.command("create", "c", viewOn="d", pipeline=[])
    assert "c: is a view now" in restore(source, taken, in_place=True).plan.refusals[0]


def test_roles_are_made_and_users_are_named(database: tuple[MongoServer, str]) -> None:
    """Roles move to the new database; users cannot, and that is said."""
    server, name = database
    server.fill(name, "c", many(1))
    with server.database(name) as base:
        base.command("createRole", "reader", roles=[], privileges=[
            {"resource": {"db": name, "collection": "c"}, "actions": ["find"]},
        ])  # fmt: skip
        base.command("createUser", "app", pwd="x", roles=[])
    source = MongoSource(server.url(name))
    outcome = restore(source, take(source), to=f"{name}_copy")
    assert "users are not made (no such command" in outcome.of("$access").detail
    assert 'createUser({user: "app", pwd: passwordPrompt(), roles: []})' in outcome.of("$access").detail
    assert "left as they are" in restore(source, take(source), in_place=True).of("$access").detail
    with server.database(f"{name}_copy") as base:
        (role,) = base.command("rolesInfo", 1, showPrivileges=True)["roles"]
        assert role["privileges"][0]["resource"]["db"] == f"{name}_copy"


def _rewrite(taken: Taken, item: bytes, documents: list[bytes]) -> None:
    """Put other documents into a snapshot in memory."""
    segment = taken.found[item].segments[0]
    run = b"".join(documents)
    taken.chunks[segment.slices[0].chunk] = run
    segment.slices[:] = [Slice(segment.slices[0].chunk, 0, len(run))]
    segment.rows = taken.found[item].rows = len(documents)
    assert [look(raw)["_id"] for raw in taken.documents(item.decode())]


def test_unique_values_that_moved_between_documents_are_no_clash(database: tuple[MongoServer, str]) -> None:
    """Taken by one that --exact deletes later on, or exchanged by two: all is as it was; a real clash is told."""
    server, name = database
    server.fill(name, "c", [{"_id": n, "t": Timestamp(0, 0), "e": f"x{n}"} for n in range(20)])
    with server.database(name) as base:
        base.c.update_many({}, {"$set": {"t": Timestamp(0, 0)}})
        base.c.create_index("e", unique=True)
        source = MongoSource(server.url(name))
        taken, before = take(source), sorted(server.raw(name, "c"))
        base.c.delete_one({"_id": 7})
        base.c.insert_one({"_id": 5000, "e": "x7"})
        for number, value in ((1, "free"), (2, "x1"), (1, "x2")):
            base.c.update_one({"_id": number}, {"$set": {"e": value}})
        assert not restore(source, taken, in_place=True, exact=True).bad
        assert sorted(server.raw(name, "c")) == before
        base.c.update_one({"_id": 3}, {"$set": {"e": "other"}})
        base.c.insert_one({"_id": 5000, "e": "x3"})
        result = restore(source, taken, in_place=True, overwrite=True).of("c")
        assert result.status == "failed"
        assert "1 documents clash with a unique index" in result.detail
        assert base.c.find_one({"_id": 3}) == {"_id": 3, "t": Timestamp(0, 0), "e": "other"}


def test_a_duplicate_in_a_capped_collection_costs_no_other(database: tuple[MongoServer, str]) -> None:
    """What is written in its order goes on behind what is refused."""
    server, name = database
    place = Place.parse(server.url(name))
    with server.database(name) as base, place.client() as client:
        base.create_collection("log", capped=True, size=50_000)
        loaded = Loaded()
        numbers = [5, 3, 5, 4, 3, 1]
        insert(place.base(client), "log", [encode({"_id": n}) for n in numbers], loaded, ordered=True)
        assert (loaded.inserted, loaded.duplicates) == (4, 2)
        assert [each["_id"] for each in base.log.find()] == [5, 3, 4, 1]
