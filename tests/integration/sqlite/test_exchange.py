"""Backups of the old systems become snapshots of a SQLite application, whole or not at all."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.world import World, cheap, room  # noqa: F401

from holdfast.entities.declared import Declaration
from holdfast.model.errors import HoldfastError, TargetError, UsageError
from holdfast.planning import names
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.sqlite import SqliteSource
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.entity_finding import Subject, choose
from holdfast.usecases.exporting import ExportOrder, export
from holdfast.usecases.importing import ImportOrder, ImportResult, import_
from holdfast.usecases.looking import open_book

pytestmark = pytest.mark.usefixtures("cheap")
SHOP = """
CREATE TABLE events (id integer PRIMARY KEY, title text NOT NULL, tags text, price real);
CREATE TABLE featured_entries (event_id integer REFERENCES events, start text, "end" text, duration_hours real,
  status text);
CREATE TABLE tickets (id integer PRIMARY KEY AUTOINCREMENT, code text UNIQUE, paid boolean, payload text, raw blob,
  twice integer AS (id * 2));
CREATE TABLE receipts (id integer PRIMARY KEY, note text);
CREATE INDEX codes ON tickets (code);
CREATE VIEW cheap AS SELECT * FROM events WHERE price < 10;
CREATE TRIGGER counted AFTER INSERT ON receipts BEGIN INSERT INTO tickets (code) VALUES ('x; y'); END;
INSERT INTO events VALUES (1, 'Jazz; "live"', 'jazz;live', 12.5), (2, 'two
lines', NULL, 1e300), (3, '', '', -0.0);
INSERT INTO tickets (code, paid, payload, raw) VALUES ('a', 1, '{"x": 1}', x'00ff'), ('b', 0, NULL, x''),
  (NULL, NULL, 'nul' || char(0) || 'in it', NULL);
PRAGMA user_version = 7;
"""
OLD = {
    "id": "backup-1700000000000", "timestamp": "2023-11-14T22:13:20.000Z", "version": "1.0",
    "tables": {"tickets": [{"id": 1, "code": "old", "paid": True, "payload": {"a": [1, 2.50]}}], "receipts": []},
    "statistics": {"tickets": 1, "receipts": 0, "totalRecords": 1},
}  # fmt: skip


@pytest.fixture
def repository(room: Path) -> Iterator[Repository]:  # noqa: F811
    """An empty one."""
    with World(room / "world").create().opened("client") as opened:
        yield opened


@pytest.fixture
def shop(tmp_path: Path, repository: Repository) -> SqliteSource:
    """An application with one whole snapshot."""
    database(tmp_path / "shop.db", SHOP)
    source = SqliteSource(tmp_path / "shop.db")
    backup(repository, BackupRequest(sources={"shop": source}))
    return source


def database(path: Path, script: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()


def imported(repository: Repository, source: SqliteSource, path: Path, **more: Any) -> ImportResult:
    return import_(repository, ImportOrder(name="shop", source=source, path=path, unpack=lambda _: iter(()), **more))


def from_table(repository: Repository, shop: SqliteSource, elsewhere: SqliteSource, table: str) -> ImportResult:
    order = ImportOrder(name="shop", source=shop, database=elsewhere, only=(table,), unpack=lambda _: iter(()))
    return import_(repository, order)


def rows(repository: Repository, entry: SnapshotEntry, source: SqliteSource) -> dict[str, list[dict[str, Any]]]:
    with open_book(repository, entry, source) as book:
        return {name: [dict(row.values) for row in book.rows(table)] for name, table in book.tables.items()}


def newest(repository: Repository) -> SnapshotEntry:
    return repository.snapshots()[-1]


@pytest.mark.parametrize("format", ["json", "jsonl", "sql", "csv"])
def test_what_is_exported_comes_back_the_same(
    repository: Repository, shop: SqliteSource, tmp_path: Path, format: str  # noqa: A002
) -> None:
    """Every value of every table."""
    entry = newest(repository)
    path = tmp_path / {"json": "out.json", "sql": "out.sql"}.get(format, "out")
    export(repository, ExportOrder(entry=entry, source=shop, format=format, to=path))
    imported(repository, shop, path)
    assert repr(rows(repository, newest(repository), shop)) == repr(rows(repository, entry, shop))


def test_a_script_loads_into_an_empty_database(repository: Repository, shop: SqliteSource, tmp_path: Path) -> None:
    """With views, triggers, indexes, numbering and the application's own version."""
    export(repository, ExportOrder(entry=newest(repository), source=shop, format="sql", to=tmp_path / "out.sql"))
    database(tmp_path / "new.db", (tmp_path / "out.sql").read_text())
    old, new = sqlite3.connect(tmp_path / "shop.db"), sqlite3.connect(tmp_path / "new.db")
    for question in ("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2", "PRAGMA user_version",
                     "SELECT *, typeof(payload), hex(payload) FROM tickets", "SELECT *, typeof(price) FROM events",
                     "SELECT * FROM sqlite_sequence"):  # fmt: skip
        assert new.execute(question).fetchall() == old.execute(question).fetchall()
    old.close()
    new.close()


VIRTUAL = """
CREATE TABLE ft_notes (a); INSERT INTO ft_notes VALUES (5);
CREATE VIRTUAL TABLE ft USING fts5(body, tags); INSERT INTO ft VALUES ('hello world', 'x'), ('running dogs', NULL);
CREATE VIRTUAL TABLE rt USING rtree(id, low, high); INSERT INTO rt VALUES (1, 2.0, 3.0);
"""


@pytest.mark.parametrize("format", ["json", "jsonl", "sql", "csv"])
def test_rows_of_virtual_tables_come_back(repository: Repository, tmp_path: Path, format: str) -> None:  # noqa: A002
    """Full text and R-tree: as rows of the table itself, which can be searched again."""
    database(tmp_path / "a.db", VIRTUAL)
    source = SqliteSource(tmp_path / "a.db")
    assert not backup(repository, BackupRequest(sources={"shop": source})).failures
    entry = newest(repository)
    path = tmp_path / f"out.{format}"
    export(repository, ExportOrder(entry=entry, source=source, format=format, to=path))
    assert imported(repository, source, path).backups[0].rows == {"ft": 2, "ft_notes": 1, "rt": 1}
    assert newest(repository) != entry
    assert rows(repository, newest(repository), source) == rows(repository, entry, source)


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="the program sqlite3 is not here")
def test_a_dump_with_virtual_tables_tells_what_is_left_out(repository: Repository, tmp_path: Path) -> None:
    """The program writes their rows in tables of their own; other tables of such names are taken."""
    database(tmp_path / "a.db", VIRTUAL)
    source = SqliteSource(tmp_path / "a.db")
    assert not backup(repository, BackupRequest(sources={"shop": source})).failures
    dump = subprocess.run(["sqlite3", tmp_path / "a.db", ".dump"], capture_output=True, check=True)
    (tmp_path / "a.sql").write_bytes(dump.stdout)
    result = imported(repository, source, tmp_path / "a.sql")
    assert result.backups[0].rows == {"ft_notes": 1}
    assert [each.partition(" is a virtual table")[0] for each in result.warnings] == ["ft", "rt"]


def test_a_document_of_the_ticket_shop_becomes_a_snapshot(
    repository: Repository, shop: SqliteSource, tmp_path: Path
) -> None:
    """Under its old id, which show and restore take; only once."""
    path = tmp_path / "backup.json.gz"
    path.write_bytes(gzip.compress(json.dumps(OLD).encode()))
    result = imported(repository, shop, path)
    assert result.warnings == ["tickets: the file has no raw; imported as NULL"]
    entry = newest(repository)
    assert entry.info.trigger == "import"
    assert entry.info.partial
    assert names.one("backup-1700000000000", [each.info for each in repository.snapshots()]).id == entry.info.id
    assert (entry.info.more or {})["import"]["created_at"] == "2023-11-14T22:13:20.000Z"
    ticket = {"id": 1, "code": "old", "paid": 1, "payload": '{"a":[1,2.5]}', "raw": None, "twice": 2}
    assert rows(repository, entry, shop)["tickets"] == [ticket]
    declared = Declaration(source="shop", root="tickets")
    subject = Subject(name="ticket", key="1", declaration=declared, source=shop)
    assert choose(repository, subject, "2023-11-15").info.id == entry.info.id
    assert choose(repository, subject, None).info.id != entry.info.id
    with pytest.raises(UsageError, match="no ticket 1"):
        choose(repository, subject, "2023-11-13")
    assert imported(repository, shop, path).backups[0].skipped
    assert not imported(repository, shop, path, again=True).backups[0].skipped


def test_backups_in_a_table_of_the_application_become_snapshots(
    repository: Repository, shop: SqliteSource, tmp_path: Path
) -> None:
    """CSV and featured schedule in one row; a JSON column per backup; lists and durations round-trip."""
    entries = [
        {"eventId": 1, "start": "2026-11-20T20:00", "end": "2026-11-21T02:00", "durationHours": 6, "status": "on"}
    ]
    text = 'id,title,tags\r\n1,"Jazz; ""live""",jazz;live\r\n2,Rock,\r\n'
    old = sqlite3.connect(tmp_path / "old.db")
    old.executescript(
        "CREATE TABLE event_store_backups (id text, created_at text, created_by text, row_count int, csv_content text,"
        " featured_entries_json text); CREATE TABLE database_backups (id text, status text, backup_data json)"
    )
    old.execute(
        "INSERT INTO event_store_backups VALUES ('backup_20261120_042000', '2026-11-20 04:20:00', 'ann', 2, ?, ?)",
        (text, json.dumps(entries)),
    )
    old.execute("INSERT INTO database_backups VALUES ('backup-1700000000001', 'success', ?)", (json.dumps(OLD),))
    old.execute("INSERT INTO database_backups VALUES ('backup-1700000000002', 'failed', NULL)")
    old.commit()
    old.close()
    elsewhere = SqliteSource(tmp_path / "old.db")
    result = from_table(repository, shop, elsewhere, "event_store_backups")
    assert [(each.id, each.rows) for each in result.backups] == [
        ("backup_20261120_042000", {"events": 2, "featured_entries": 1})
    ]
    found = rows(repository, newest(repository), shop)
    assert found["events"][0] == {"id": 1, "title": 'Jazz; "live"', "tags": "jazz;live", "price": None}
    assert found["featured_entries"] == [
        {"event_id": 1, "start": "2026-11-20T20:00", "end": "2026-11-21T02:00", "duration_hours": 6.0, "status": "on"}
    ]
    assert (newest(repository).info.more or {})["import"]["facts"]["created_by"] == "ann"
    again = from_table(repository, shop, elsewhere, "database_backups")
    assert [(each.id, each.skipped, each.snapshot is None) for each in again.backups if each.snapshot is None] == [
        ("backup-1700000000002", "its status is failed", True)
    ]
    assert [each.id for each in again.backups if each.snapshot] == ["backup-1700000000001"]
    assert rows(repository, newest(repository), shop)["tickets"][0]["code"] == "old"


def test_an_entity_is_one_document_and_comes_back(
    repository: Repository, shop: SqliteSource, tmp_path: Path
) -> None:
    """The event stands apart from its collection, under its own id; every row of the snapshot is in the file once."""
    with open_book(repository, newest(repository), shop) as book:
        chosen = {name: list(book.rows(book.tables[name]))[:2] for name in ("events", "tickets")}
        facts = {"name": "event", "root": "events", "key": ["2"], "title": "two"}
        request = BackupRequest(sources={"shop": shop.of_rows(book, chosen)}, partial=True, more={"entity": facts})
        backup(repository, request)
    entry = newest(repository)
    path = tmp_path / "event_2_backup_1700000000000.json"
    export(repository, ExportOrder(entry=entry, source=shop, format="json", to=path))
    told = json.loads(path.read_text())
    assert told["metadata"] | {"backupDate": ""} == {
        "eventId": 2, "eventName": "two", "backupId": entry.info.id, "backupDate": "", "entity": "event",
        "root": "events", "version": "1.0",
    }  # fmt: skip
    assert told["eventDocument"]["title"] == "two\nlines"
    assert [each["id"] for each in told["collections"]["events"]] == [1]
    imported(repository, shop, path)
    again = rows(repository, newest(repository), shop)
    assert {name: len(each) for name, each in again.items()} == {
        "events": 2, "featured_entries": 0, "receipts": 0, "tickets": 2
    }  # fmt: skip
    path.write_text(json.dumps({"metadata": {"eventId": 7}, "eventDocument": {"id": 7, "title": "x"},
                                "collections": {"Ticket": [{"id": 5}]}}))  # fmt: skip
    imported(repository, shop, path)
    assert [each["id"] for each in rows(repository, newest(repository), shop)["events"]] == [7]


_BAD = {
    "half.json": (json.dumps(OLD)[:-60], "ends in the middle"),
    "twice.json": ('{"tables": {"tickets": [{"id": 1, "id": 2}]}}', "'id' stands twice"),
    "tables.json": ('{"tables": {"tickets": [], "tickets": []}}', "'tickets' stands here twice"),
    "deep.json": ('{"tables": {"tickets": [{"payload": ' + "[" * 5000 + "]" * 5000 + "}]}}", "100 deep"),
    "count.json": ('{"tables": {"tickets": []}, "statistics": {"tickets": 3}}', "says that it has 3 rows"),
    "other.json": ('{"hello": 1}', "neither 'tables' nor 'collections'"),
    "column.json": ('{"tables": {"tickets": [\n{"id": 1},\n{"colour": 1}]}}', "no column 'colour'"),
    "table.json": ('{"tables": {"../../etc/passwd": []}}', "has none of that name"),
    "large.json": ('{"tables": {"tickets": [{"id": 99999999999999999999}]}}', "too large"),
    "tickets.csv": ("id,code\n1,a,b\n", "3 cells"),
    "receipts.csv": ('id,note\n1,"never closed\n', "inside a quoted cell"),
    "events.csv": (b"id,title\n1,caf\xe9\n", "not in UTF-8"),
    "events16.csv": ("id,title\n1,x\n".encode("utf-16"), "in UTF-16"),
    "featured_entries.csv": ("", "empty"),
    "tickets.jsonl": ('{"id": 1}\n{"id": ', "ends in the middle"),
    "half.sql": ("BEGIN;\nCREATE TABLE receipts (id, note);\nINSERT INTO receipts VALUES (1,'x');\n", "not complete"),
    "function.sql": ("INSERT INTO receipts (id, note) VALUES (1, now());\n", "without a server"),
    "half.csv.gz": (gzip.compress(b"id,note\n" + b"1,x\n" * 5000)[:-30], "ends in the middle"),
    "bomb.csv.gz": (gzip.compress(b"id,note\n" + b"0" * (80 << 20)), "far more|larger than"),
}


@pytest.mark.parametrize("name", _BAD)
def test_bad_files_are_refused_and_leave_nothing(
    repository: Repository, shop: SqliteSource, tmp_path: Path, name: str
) -> None:
    """What is wrong is said, and where; a good file beside it is not imported either."""
    content, expected = _BAD[name]
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "aaa_backup_1700000000000.json").write_text(json.dumps(OLD))
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(HoldfastError, match=expected) as caught:
        imported(repository, shop, folder)
    assert caught.value.where or caught.value.hint
    assert len(repository.snapshots()) == 1


def test_nothing_that_is_there_is_replaced_unasked(repository: Repository, shop: SqliteSource, tmp_path: Path) -> None:
    """Files stay, a failed export leaves none, and hostile names of tables stay inside the folder."""
    entry = newest(repository)
    path = tmp_path / "out.json"
    path.write_text("mine")
    with pytest.raises(TargetError, match="there already"):
        export(repository, ExportOrder(entry=entry, source=shop, format="json", to=path))
    assert path.read_text() == "mine"
    export(repository, ExportOrder(entry=entry, source=shop, format="json", to=path, overwrite=True))
    counted = {"events": 3, "featured_entries": 0, "receipts": 0, "tickets": 3}
    assert json.loads(path.read_text())["statistics"] == counted
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="cannot be written as bson"):
        export(repository, ExportOrder(entry=entry, source=shop, format="bson", to=tmp_path / "b"))
    hostile = tmp_path / "hostile.db"
    database(hostile, 'CREATE TABLE "../../x" (a); CREATE TABLE ".y" (a); CREATE TABLE "Y" (a); CREATE TABLE "a/b" (a)')
    source = SqliteSource(hostile)
    backup(repository, BackupRequest(sources={"hostile": source}))
    before = set(tmp_path.iterdir())
    export(repository, ExportOrder(entry=newest(repository), source=source, format="csv", to=tmp_path / "h"))
    assert set(tmp_path.iterdir()) - before == {tmp_path / "h"}
    assert len(list((tmp_path / "h").iterdir())) == 4


def test_a_file_is_taken_without_any_schema(repository: Repository, tmp_path: Path) -> None:
    """Where neither the application nor a snapshot of it is there, the file's own columns are."""
    source = SqliteSource(tmp_path / "lost.db")
    (tmp_path / "orders.csv").write_text("id,what\n1,\n2,x\n")
    imported(repository, source, tmp_path / "orders.csv")
    assert rows(repository, newest(repository), source) == {"orders": [{"id": 1, "what": None}, {"id": 2, "what": "x"}]}


def test_memory_stays_flat(repository: Repository, tmp_path: Path) -> None:
    """A table far larger than what a process may hold is exported and imported."""
    script = (
        "import resource, sys, json\n"
        "from pathlib import Path\n"
        "from holdfast.exchange.json_stream import JsonStream\n"
        "from holdfast.exchange import opening\n"
        "stream = JsonStream(opening.text(Path(sys.argv[1])), 'x')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "n = sum(1 for _ in stream.elements() if stream.value())\n"
        "print(n, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)\n"
    )
    path = tmp_path / "large.json"
    with path.open("w") as file:
        file.write("[" + ",".join(json.dumps({"id": n, "text": "x" * 1000}) for n in range(40_000)) + "]")
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, check=True, text=True)
    count, grown = map(int, done.stdout.split())
    assert count == 40_000
    assert grown < 16
