"""Documents leave as extended JSON and BSON files and come back the same, byte for byte."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import ObjectId
from tests.faults.world import World, cheap, room  # noqa: F401
from tests.integration.mongodb.corpus import BY_HAND, ORDINARY
from tests.servers.mongodb import MongoServer, fresh, shared

from holdfast.entities.declared import Declaration, DeclaredEdge
from holdfast.exchange.records import BadFile
from holdfast.model.records import Row, Table
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.mongodb.records.book import row_of
from holdfast.sources.mongodb.records.interchange import MongoInterchange
from holdfast.sources.mongodb.source import MongoSource
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.entity_backup import EntityBackupOrder, entity_backup
from holdfast.usecases.entity_finding import Subject
from holdfast.usecases.exporting import ExportOrder, export
from holdfast.usecases.importing import ImportOrder, ImportResult, import_
from holdfast.usecases.looking import open_book

EVENT = ObjectId("65a000000000000000000001")
WHEN = datetime(2026, 11, 20, 4, 20, tzinfo=UTC)


@pytest.fixture
def database() -> Iterator[tuple[MongoServer, str]]:
    """A database of its own on the shared server."""
    server, name = shared(), fresh()
    yield server, name
    with server.client() as client:
        client.drop_database(name)


@pytest.fixture
def repository(room: Path) -> Iterator[Repository]:  # noqa: F811
    """An empty one."""
    with World(room / "world").create().opened("client") as opened:
        yield opened


def filled(database: tuple[MongoServer, str]) -> MongoSource:
    """An event with registrations."""
    server, name = database
    server.fill(name, "events", [{"_id": EVENT, "title": "Jazz", "at": WHEN, "n": bson.Int64(5), "f": 1.0}])
    server.fill(name, "registrations", [{"_id": ObjectId(), "eventId": EVENT, "seat": n, "at": WHEN} for n in range(9)])
    return MongoSource(server.url(name))


def taken(repository: Repository, source: MongoSource) -> SnapshotEntry:
    made = backup(repository, BackupRequest(sources={"app": source}))
    assert not made.failures, made.failures
    return repository.snapshots()[-1]


def raws(repository: Repository, entry: SnapshotEntry, source: MongoSource) -> dict[str, list[bytes]]:
    with open_book(repository, entry, source) as book:
        return {name: [row.raw for row in book.rows(table)] for name, table in book.tables.items()}


def imported(repository: Repository, source: MongoSource, path: Path, **more: Any) -> ImportResult:
    return import_(repository, ImportOrder(name="app", source=source, path=path, unpack=lambda _: iter(()), **more))


@pytest.mark.parametrize("name", [*ORDINARY, *BY_HAND])
def test_every_type_survives_json(name: str) -> None:
    """The corpus of documents that tools are known to change."""
    raw = BY_HAND[name] if name in BY_HAND else bson.encode({"_id": 1, **ORDINARY[name]})
    interchange, table = MongoInterchange(), Table(name="c", key=("_id",))
    try:
        row = row_of(raw)
    except ValueError:
        row = Row({}, raw)
    import msgspec

    told = msgspec.json.encode(interchange.told(table, row))
    from decimal import Decimal

    assert interchange.taken(table, json.loads(told, parse_float=Decimal)).raw == raw


@pytest.mark.parametrize("format", ["json", "bson", "jsonl"])
@pytest.mark.usefixtures("cheap")
def test_documents_come_back_the_same(
    database: tuple[MongoServer, str], repository: Repository, tmp_path: Path, format: str  # noqa: A002
) -> None:
    """All bytes of all collections, by way of each format."""
    source = filled(database)
    entry = taken(repository, source)
    path = tmp_path / ("out.json" if format == "json" else "out")
    export(repository, ExportOrder(entry=entry, source=source, format=format, to=path))
    if format == "bson":
        folder = path / database[1]
        assert folder.joinpath("events.bson").read_bytes() == raws(repository, entry, source)["events"][0]
        metadata = json.loads(folder.joinpath("events.metadata.json").read_text())
        assert metadata["indexes"][0]["key"] == {"_id": {"$numberInt": "1"}}
        data = folder.joinpath("registrations.bson").read_bytes()
        folder.joinpath("registrations.bson").unlink()
        folder.joinpath("registrations.bson.gz").write_bytes(gzip.compress(data))
    imported(repository, source, path)
    assert raws(repository, repository.snapshots()[-1], source) == raws(repository, entry, source)


@pytest.mark.usefixtures("cheap")
def test_a_folder_of_old_event_files_becomes_snapshots(
    database: tuple[MongoServer, str], repository: Repository, tmp_path: Path
) -> None:
    """Each file one snapshot under its old id, models found as collections, ids and dates typed as those there are."""
    source = filled(database)
    taken(repository, source)
    for number in (1, 2):
        ms = 1700000000000 + number
        old = {
            "metadata": {"eventId": str(EVENT), "eventName": "Jazz", "backupId": f"backup_{number}",
                         "backupDate": "2026-11-19T04:20:00.000Z", "version": "1.0"},
            "eventDocument": {"_id": str(EVENT), "title": "Jazz", "at": "2026-11-20T04:20:00.000Z"},
            "collections": {"Registration": [
                {"_id": {"$oid": "65b000000000000000000001"}, "eventId": str(EVENT), "seat": number}]},
        }  # fmt: skip
        (tmp_path / f"event_{EVENT}_backup_{ms}.json").write_text(json.dumps(old))
    result = imported(repository, source, tmp_path)
    assert [(each.id, each.rows) for each in result.backups] == [
        ("backup_1", {"events": 1, "registrations": 1}), ("backup_2", {"events": 1, "registrations": 1})
    ]  # fmt: skip
    entry = repository.snapshots()[-1]
    assert (entry.info.more or {})["aliases"] == ["backup_2"]
    assert (entry.info.more or {})["import"]["created_at"] == "2026-11-19T04:20:00.000Z"
    found = {name: bson.decode(each[0]) for name, each in raws(repository, entry, source).items()}
    assert found["events"] == {"_id": EVENT, "title": "Jazz", "at": WHEN.replace(tzinfo=None)}
    assert found["registrations"]["eventId"] == EVENT
    assert all(each.skipped for each in imported(repository, source, tmp_path).backups)


def as_document(repository: Repository, entry: SnapshotEntry, source: MongoSource, path: Path) -> dict[str, Any]:
    export(repository, ExportOrder(entry=entry, source=source, format="json", to=path))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.usefixtures("cheap")
def test_the_file_of_an_event_is_written_again_as_it_came(
    database: tuple[MongoServer, str], repository: Repository, tmp_path: Path
) -> None:
    """The event stands apart, ids, names and times are those of the old system, and it can be imported once more."""
    source = filled(database)
    taken(repository, source)
    old = {
        "metadata": {"eventId": str(EVENT), "eventName": "Jazz", "backupId": "event_5_backup_1700000000001",
                     "backupDate": "2026-11-19T04:20:00Z", "version": "1.0", "statistics": {"Registration": 1}},
        "eventDocument": {"_id": {"$oid": str(EVENT)}, "title": "Jazz"},
        "collections": {"Registration": [{"_id": 5, "eventId": {"$oid": str(EVENT)}}], "events": [{"_id": 7}]},
    }  # fmt: skip
    (tmp_path / "old.json").write_text(json.dumps(old))
    imported(repository, source, tmp_path / "old.json")
    entry = repository.snapshots()[-1]
    written = as_document(repository, entry, source, tmp_path / "new.json")
    assert written["metadata"] == {**old["metadata"], "entity": None, "root": "events"}
    assert written["eventDocument"] == old["eventDocument"]
    assert written["collections"] == old["collections"]
    imported(repository, source, tmp_path / "new.json", again=True)
    again = repository.snapshots()[-1]
    assert raws(repository, again, source) == raws(repository, entry, source)
    assert again.info.data_at == entry.info.data_at == "2026-11-19T04:20:00.000Z"


@pytest.mark.usefixtures("cheap")
def test_a_snapshot_of_an_entity_is_written_as_the_file_of_an_event(
    database: tuple[MongoServer, str], repository: Repository, tmp_path: Path
) -> None:
    """Its own document stands apart, what belongs to it in collections."""
    source = filled(database)
    edge = DeclaredEdge(from_=("registrations.eventId",), to=("events",))
    declared = Declaration(source="app", root="events", title="title", edges=(edge,))
    subject = Subject(name="event", key=str(EVENT), declaration=declared, source=source)
    entity_backup(repository, EntityBackupOrder(subject=subject))
    written = as_document(repository, repository.snapshots()[-1], source, tmp_path / "event.json")
    assert written["metadata"]["eventName"] == written["eventDocument"]["title"] == "Jazz"
    assert written["metadata"]["eventId"] == written["eventDocument"]["_id"] == {"$oid": str(EVENT)}
    assert {name: len(each) for name, each in written["collections"].items()} == {"events": 0, "registrations": 9}


@pytest.mark.usefixtures("cheap")
def test_half_a_file_is_refused(
    database: tuple[MongoServer, str], repository: Repository, tmp_path: Path
) -> None:
    """Nothing of it is imported, and the place is told."""
    source = filled(database)
    entry = taken(repository, source)
    path = tmp_path / "registrations.bson"
    path.write_bytes(b"".join(raws(repository, entry, source)["registrations"])[:-7])
    with pytest.raises(BadFile, match="ends inside a document") as caught:
        imported(repository, source, path)
    assert "document 9" in caught.value.where
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(BadFile, match="no BSON"):
        imported(repository, source, path)
    assert len(repository.snapshots()) == 1


AWKWARD: dict[str, list[dict[str, Any]]] = {
    "ids": [{"_id": ObjectId("65a000000000000000000009"), "v": "x"}],
    "numbers": [{"_id": 1, "v": bson.Int64(5)}, {"_id": 2, "v": bson.decimal128.Decimal128("1.10")},
                {"_id": 3, "v": 1}],
    "texts": [{"_id": 1, "v": "a"}, {"_id": 2, "v": "{"}, {"_id": 3, "v": '{"$oid":"65a000000000000000000009"}'},
              {"_id": 4, "v": ""}, {"_id": 5, "v": "null"}, {"_id": 6, "v": None}, {"_id": 7}, {"_id": 8, "v": "a;b"}],
    "mixed": [{"_id": 1, "v": "5"}, {"_id": 2, "v": 5}, {"_id": 3, "v": ["a ", "b"]}, {"_id": 4, "v": ["a", "b"]},
              {"_id": 5, "v": "a;b"}, {"_id": 6, "v": True}, {"_id": 7, "v": WHEN}, {"_id": 8, "v": WHEN.isoformat()}],
    "days": [{"_id": 1, "v": datetime(1, 1, 1, tzinfo=UTC)}, {"_id": 2, "v": WHEN}],
    "bytes": [{"_id": 1, "v": bson.Binary(b"x", 0x80)}, {"_id": 2, "v": b"y"},
              {"_id": 3, "v": bson.Code("f()", {"a": 1})}],
    "like extended": [{"_id": 1, "x": {"$oid": "d"}}, {"_id": 2, "x": {"$numberDecimal": "x"}},
                      {"_id": 3, "x": {"$binary": 1}}, {"_id": 4, "x": {"$timestamp": 1}}, {"_id": 5, "": " "}],
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in AWKWARD if name != "like extended"])
@pytest.mark.usefixtures("cheap")
def test_cells_of_documents_come_back_with_their_types(
    database: tuple[MongoServer, str], repository: Repository, tmp_path: Path, name: str
) -> None:
    """Texts that look like something else, types beside each other, fields that are null and fields that are not."""
    server, database_name = database
    server.fill(database_name, name, AWKWARD[name])
    source = MongoSource(server.url(database_name))
    entry = taken(repository, source)
    export(repository, ExportOrder(entry=entry, source=source, format="csv", to=tmp_path / "out"))
    imported(repository, source, tmp_path / "out")
    assert raws(repository, repository.snapshots()[-1], source) == raws(repository, entry, source)


@pytest.mark.parametrize("document", AWKWARD["like extended"])
def test_fields_named_like_extended_json_do_not_stop_an_export(document: dict[str, Any]) -> None:
    """Such a document is told by its bytes."""
    import msgspec

    raw, table, interchange = bson.encode(document), Table(name="c", key=("_id",)), MongoInterchange()
    told = json.loads(msgspec.json.encode(interchange.told(table, row_of(raw))))
    assert interchange.taken(table, told).raw == raw


BAD_LINES = {
    "two rows": '{"_id": 1, "v": 1}\n{"_id": 1.0, "v": 2}',
    "half a letter": '{"_id": 1, "v": "\\ud800x"}',
    "too large": '{"_id": 1, "v": 1e400}',
    "nested": '{"_id": 1, "v": ' + "[" * 120 + "]" * 120 + "}",
}


@pytest.mark.parametrize("what", BAD_LINES)
@pytest.mark.usefixtures("cheap")
def test_what_could_not_be_restored_is_refused_with_its_line(
    database: tuple[MongoServer, str], repository: Repository, tmp_path: Path, what: str
) -> None:
    """Of two documents with one _id one would be lost; nothing of the file is imported."""
    source = filled(database)
    taken(repository, source)
    path = tmp_path / "events.jsonl"
    path.write_text(BAD_LINES[what] + "\n")
    with pytest.raises(BadFile, match=what) as caught:
        imported(repository, source, path)
    assert "line" in caught.value.where
    assert len(repository.snapshots()) == 1


@pytest.mark.usefixtures("cheap")
def test_documents_nested_too_deep_are_refused(
    database: tuple[MongoServer, str], repository: Repository, tmp_path: Path
) -> None:
    """With the document told."""
    source = filled(database)
    document: dict[str, Any] = {}
    for _ in range(250):
        document = {"a": document}
    path = tmp_path / "events.bson"
    path.write_bytes(bson.encode({"_id": 1, "x": document}))
    with pytest.raises(BadFile, match="nested"):
        imported(repository, source, path)


@pytest.mark.usefixtures("cheap")
def test_definitions_that_lie_beside_documents_are_told_as_left_out(
    database: tuple[MongoServer, str], repository: Repository, tmp_path: Path
) -> None:
    """Nobody takes an import for what mongorestore would have made; the default index alone is no matter."""
    source = filled(database)
    export(repository, ExportOrder(entry=taken(repository, source), source=source, format="bson", to=tmp_path / "out"))
    assert imported(repository, source, tmp_path / "out").warnings == []
    side = tmp_path / "out" / database[1] / "events.metadata.json"
    side.write_text(side.read_text().replace('"options": {}', '"options": {"capped": true}'))
    assert "events.metadata.json" in imported(repository, source, tmp_path / "out").warnings[0]


@pytest.mark.usefixtures("cheap")
def test_a_file_without_an_id_that_is_imported_twice_is_told(
    database: tuple[MongoServer, str], repository: Repository, tmp_path: Path
) -> None:
    """Nobody can know whether it is the same; the snapshot that was made of it before is named."""
    source = filled(database)
    path = tmp_path / "events.jsonl"
    path.write_text('{"_id": 1}\n')
    assert imported(repository, source, path).warnings == []
    first = repository.snapshots()[-1].info.id
    assert first in imported(repository, source, path).warnings[0]
