"""Databases that are odd, hostile or damaged are looked at as far as that goes, and do nothing to whoever looks."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.sqlite.test_books_compared import Chunks, NoShelf, frozen, looked_into

from holdfast.model.errors import Damaged, HoldfastError, SourceError, TargetError
from holdfast.model.events import Event, Warned
from holdfast.model.records import Row
from holdfast.model.snapshot import Segment
from holdfast.sources.records import Book, SnapshotView, Write
from holdfast.sources.sqlite.records.asking import Statement
from holdfast.sources.sqlite.records.chosen import make_database
from holdfast.sources.sqlite.records.snapshot_book import SnapshotBook, open_snapshot
from holdfast.sources.sqlite.settings import Settings
from holdfast.sources.sqlite.source import SqliteSource

Make = Callable[[sqlite3.Connection], None]


def made(path: Path, make: Make) -> Path:
    """A database file."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        make(connection)
    return path


def _of_the_application(connection: sqlite3.Connection) -> None:
    """Functions and collations that only the application has."""
    connection.create_function("app", 1, lambda text: f"app {text}", deterministic=True)
    connection.create_collation("mine", lambda one, two: (one < two) - (one > two))
    connection.executescript(
        """CREATE TABLE computed (id INTEGER PRIMARY KEY, a TEXT, b TEXT AS (app(a)), c TEXT AS (upper(a)) STORED);
        INSERT INTO computed (a) VALUES ('x');
        CREATE INDEX by_app ON computed (app(a));
        CREATE TABLE sorted (id TEXT COLLATE mine PRIMARY KEY, v TEXT COLLATE mine);
        INSERT INTO sorted VALUES ('a', 'one'), ('b', 'two'), ('c', 'two');
        CREATE INDEX by_v ON sorted (v);
        CREATE TABLE checked (id INTEGER PRIMARY KEY, v TEXT CHECK (app(v) IS NOT NULL));
        INSERT INTO checked VALUES (1, 'a');"""
    )


def _odd_values(connection: sqlite3.Connection) -> None:
    connection.executescript(
        """CREATE TABLE o (id INTEGER PRIMARY KEY, v);
        INSERT INTO o VALUES (9223372036854775807, -9223372036854775808), (-9223372036854775808, 9e999), (3, -9e999),
        (4, CAST(x'00ff00' AS TEXT)), (5, 'nul' || char(0) || 'x'), (6, x''), (7, ''), (8, 3.0), (9, 3), (10, '3'),
        (11, 9007199254740993), (12, x'00ff00'), (13, NULL), (14, 1e-320), (15, '😀' || char(13) || char(10));"""
    )


def _modules(connection: sqlite3.Connection) -> None:
    connection.executescript(
        """CREATE VIRTUAL TABLE five USING fts5(title, body); INSERT INTO five VALUES ('hello', 'world');
        CREATE VIRTUAL TABLE tree USING rtree(id, a, b); INSERT INTO tree VALUES (1, 2, 3);
        CREATE TABLE plain (id INTEGER PRIMARY KEY); INSERT INTO plain VALUES (1);
        PRAGMA writable_schema = ON;
        INSERT INTO sqlite_schema VALUES
            ('table', 'lost', 'lost', 0, 'CREATE VIRTUAL TABLE lost USING nobody_has_it(a)');"""
    )


def _hidden_rowids(connection: sqlite3.Connection) -> None:
    connection.executescript(
        """CREATE TABLE s (rowid TEXT, _rowid_ TEXT, oid TEXT);
        INSERT INTO s VALUES ('a', 'b', 'c'), ('a', 'b', 'c'), ('d', NULL, 'c');
        CREATE TABLE w (a TEXT PRIMARY KEY DESC, rowid INT) WITHOUT ROWID; INSERT INTO w VALUES ('q', 1);
        CREATE TABLE d (id INTEGER PRIMARY KEY DESC, x); INSERT INTO d VALUES (5, 6), (NULL, 7);
        CREATE TABLE "Case" (Id INTEGER PRIMARY KEY AUTOINCREMENT, "Ünï" TEXT);
        CREATE TABLE ref (d INT REFERENCES "case" (ID) ON DELETE SET DEFAULT, e REFERENCES gone (x));"""
    )


def test_what_needs_the_application_is_read_as_far_as_it_is_stored(tmp_path: Path) -> None:
    """Computed columns are left out, sorted ones are found without their order; chosen rows of them can be kept."""
    path = made(tmp_path / "a.db", _of_the_application)
    with looked_into(path) as (book, _):
        assert [row.values for row in book.rows(book.tables["computed"])] == [{"id": 1, "a": "x"}]
        sorted_ = book.tables["sorted"]
        assert [row.values["id"] for row in book.find(sorted_, ("v",), [("two",)])] == ["b", "c"]
        assert [row.values["v"] for row in book.find(sorted_, ("id",), [("a",)])] == ["one"]
        rows = {name: list(book.rows(table)) for name, table in book.tables.items()}
        make_database(bytes(tmp_path / "chosen.db"), book, rows)
        with looked_into(tmp_path / "chosen.db") as (chosen, _):
            for name, table in chosen.tables.items():
                assert frozen(chosen.rows(table)) == frozen(iter(rows[name])), name
    with SqliteSource(path).open_live() as live:
        assert [row.values for row in live.rows(live.tables["computed"])] == [{"id": 1, "a": "x"}]


def test_a_write_that_needs_the_application_is_refused_with_its_name(tmp_path: Path) -> None:
    """The function is told; nothing is written."""
    path = made(tmp_path / "a.db", _of_the_application)
    write = Write(verb="insert", table="checked", row=Row({"id": 2, "v": "b"}))
    with SqliteSource(path).open_live() as live, pytest.raises(TargetError) as caught, live.transaction() as begun:
        begun.write([write])
    assert "app" in str(caught.value)


def test_values_come_and_go_as_they_are(tmp_path: Path) -> None:
    """Types, limits, text that is none; the same from the snapshot, from the living database, and written back."""
    path = made(tmp_path / "a.db", _odd_values)
    with looked_into(path) as (book, _), SqliteSource(path).open_live() as live:
        table = live.tables["o"]
        rows = list(book.rows(book.tables["o"]))
        by_id = {row.values["id"]: row.values["v"] for row in rows}
        assert by_id[4] == "\x00\udcff\x00" and by_id[12] == b"\x00\xff\x00" and by_id[11] == 9007199254740993
        assert [type(by_id[number]) for number in (8, 9, 10)] == [float, int, str]
        assert frozen(iter(rows)) == frozen(live.rows(table))
        for row in rows:
            for one in (book, live):
                found = [each.values["id"] for each in one.find(one.tables["o"], ("v",), [(row.values["v"],)])]
                assert row.values["id"] in found and (len(found) == 1 or set(found) == {8, 9}), row
        with live.transaction() as transaction:
            for verb in ("update", "delete", "insert"):
                writes = [Write(verb=verb, table="o", row=row, columns=("v",) * (verb == "update")) for row in rows]
                assert transaction.write(writes) == len(rows)
        assert frozen(iter(rows)) == frozen(live.rows(table))
        with looked_into(path) as (again, _):
            assert frozen(iter(rows)) == frozen(again.rows(again.tables["o"]))


def test_tables_whose_module_is_missing_are_told(tmp_path: Path) -> None:
    """Those SQLite has are read; the one it has not is named, and the others are not hidden by it."""
    path = made(tmp_path / "a.db", _modules)
    heard: list[Event] = []
    chunks = Chunks(path)
    view = SnapshotView(id="s", manifest=chunks, content=chunks, shelf=NoShelf(), report=heard.append)
    with open_snapshot(view) as book:
        assert set(book.tables) == {"five", "tree", "plain"}
        assert [row.values for row in book.rows(book.tables["five"])] == [{"title": "hello", "body": "world"}]
        assert [row.values["id"] for row in book.rows(book.tables["tree"])] == [1]
    assert [event.text for event in heard if isinstance(event, Warned)] == [
        "table lost cannot be looked at: no such module: nobody_has_it"
    ]


def test_names_that_hide_the_row_number_hide_no_rows(tmp_path: Path) -> None:
    """Equal rows stay two; spellings of references follow the columns."""
    path = made(tmp_path / "a.db", _hidden_rowids)
    with looked_into(path) as (book, _):
        s = book.tables["s"]
        assert len(list(book.rows(s))) == 3
        assert len(list(book.find(s, ("rowid", "oid"), [("a", "c"), ("d", "c"), ("x", None)]))) == 3
        assert len(list(book.find(s, ("_rowid_",), [("b",), (None,)]))) == 3
        assert [row.values for row in book.find(book.tables["d"], ("id",), [(None,)])] == [{"id": None, "x": 7}]
        assert not book.tables["d"].sequences and book.tables["Case"].sequences == {"Id": "autoincrement"}
        (reference,) = book.references
        assert (reference.to, reference.to_columns, reference.on_delete) == ("Case", ("Id",), "set default")


def test_an_empty_file_is_a_database_without_tables(tmp_path: Path) -> None:
    """SQLite says so too."""
    (tmp_path / "a.db").write_bytes(b"")
    with looked_into(tmp_path / "a.db") as (book, _):
        assert dict(book.tables) == {} and list(book.references) == []


def test_what_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    """Encrypted, or something else."""
    (tmp_path / "a.db").write_bytes(random.Random(1).randbytes(20_000))
    with pytest.raises(SourceError) as caught, looked_into(tmp_path / "a.db"):
        pass
    assert "encrypted" in str(caught.value)


def test_a_chunk_that_cannot_be_had_is_told_as_it_is(tmp_path: Path) -> None:
    """The repository's own words, not SQLite's; what does not need it is still read."""
    path = made(tmp_path / "a.db", lambda c: c.executescript(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, v); CREATE TABLE b (id INTEGER PRIMARY KEY, v);"
        "INSERT INTO a VALUES (1, 'here');"
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
        "INSERT INTO b SELECT i, hex(i) || 'padding padding' FROM n;"))  # fmt: skip

    class Lossy(Chunks):
        def blocks(self, segment: Segment) -> Iterator[bytes]:
            if segment.slices[0] in self._item.segments[0].slices[4:]:
                raise Damaged("a pack is missing", where="packs/x")
            return super().blocks(segment)

    chunks = Lossy(path)
    with open_snapshot(SnapshotView(id="s", manifest=chunks, content=chunks, shelf=NoShelf())) as book:
        assert [row.values["v"] for row in book.rows(book.tables["a"])] == ["here"]
        for _ in range(2):
            with pytest.raises(Damaged) as caught:
                list(book.rows(book.tables["b"]))
            assert "packs/x" in str(caught.value)
        assert [row.values["v"] for row in book.find(book.tables["a"], ("id",), [(1,)])] == ["here"]


def _flip(raw: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 3, 40))):
        raw[dice.randrange(100, len(raw))] = dice.randrange(256)


def _point_astray(raw: bytearray, dice: random.Random) -> None:
    """Page numbers that lead in circles or nowhere."""
    page = dice.randrange(1, len(raw) // 1024) * 1024
    raw[page + 8 : page + 12] = dice.choice((1, 2, page // 1024 + 1, 0, 0xFFFFFFFF)).to_bytes(4, "big")


def _cut(raw: bytearray, dice: random.Random) -> None:
    del raw[dice.randrange(1024, len(raw)) :]


@pytest.mark.parametrize("harm", [_flip, _point_astray, _cut])
@pytest.mark.timeout(120)
def test_damage_in_the_database_itself_ends_in_words(tmp_path: Path, harm: Callable[..., None]) -> None:
    """Rows, keys and comparisons either answer or raise an error for a person: no loop, no crash, no other error."""
    def make(connection: sqlite3.Connection) -> None:
        connection.executescript(
            "PRAGMA page_size = 1024; CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT, w BLOB);"
            "CREATE INDEX i ON a (v); CREATE TABLE t (k TEXT PRIMARY KEY) WITHOUT ROWID;"
        )
        rows = [(n, f"value {n}", bytes(n % 3000 if n % 50 == 0 else 9)) for n in range(2_000)]
        connection.executemany("INSERT INTO a VALUES (?, ?, ?)", rows)
        connection.executemany("INSERT INTO t VALUES (?)", [(f"k{n}",) for n in range(500)])

    whole = made(tmp_path / "whole.db", make)
    harmed = tmp_path / "harmed.db"
    dice = random.Random(harm.__name__)
    with looked_into(whole) as (sound, _):
        for _ in range(25):
            raw = bytearray(whole.read_bytes())
            harm(raw, dice)
            harmed.write_bytes(raw)
            with contextlib.suppress(HoldfastError), looked_into(harmed) as (book, _):
                for table in book.tables.values():
                    for ask in _questions(book, sound, table.name):
                        with contextlib.suppress(HoldfastError):
                            ask()


def _questions(book: Book, sound: Book, name: str) -> Iterator[Callable[[], object]]:
    table = book.tables[name]
    yield lambda: list(book.rows(table))
    column = table.columns[-1].name if table.columns else "v"
    yield lambda: list(book.find(table, (column,), [("value 77",), ("k5",)]))
    if isinstance(book, SnapshotBook) and isinstance(sound, SnapshotBook):
        yield lambda: list(book.rows_not_shared(table, sound))
        if name in sound.tables:
            yield lambda: list(sound.rows_not_shared(sound.tables[name], book))


def _hostile_schema(connection: sqlite3.Connection) -> None:
    connection.executescript(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, v);
        INSERT INTO t VALUES (1, 'x');
        CREATE VIEW bad AS SELECT load_extension('/tmp/evil.so');
        CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM t; END;
        CREATE TABLE g (id INTEGER PRIMARY KEY, v AS (fts3_tokenizer('simple')));"""
        "PRAGMA writable_schema = ON;"
        "UPDATE sqlite_schema SET sql = 'CREATE VIEW t2 AS SELECT writefile(''/tmp/evil'', ''x'')' WHERE name = 'bad';"
    )


def test_a_hostile_schema_is_not_obeyed(tmp_path: Path) -> None:
    """Nothing is run but reading; SQL that would attach, write or load is refused even when it is ours by mistake."""
    with contextlib.suppress(sqlite3.Error):
        made(tmp_path / "a.db", _hostile_schema)
    with looked_into(tmp_path / "a.db") as (book, _):
        assert [row.values for row in book.rows(book.tables["t"])] == [{"id": 1, "v": "x"}]
        assert isinstance(book, SnapshotBook)
        for sql in (
            "ATTACH '/etc/passwd' AS p", "SELECT load_extension('x')", "PRAGMA query_only = OFF", "DELETE FROM t",
            "CREATE TEMP TABLE x (a)", "VACUUM INTO '/tmp/holdfast-evil.db'", "SELECT writefile('/tmp/x', 'y')",
        ):  # fmt: skip
            with pytest.raises(Exception) as caught:
                list(book.run(Statement(sql)))
            assert caught.type.__name__ in {"Unreadable", "SourceError"}, sql
    assert not Path("/tmp/holdfast-evil.db").exists()


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Looking never creates."""
    with pytest.raises(SourceError) as caught, SqliteSource(tmp_path / "no.db").open_live():
        pass
    assert "does not exist" in str(caught.value) and not (tmp_path / "no.db").exists()


def test_a_locked_database_is_told_and_left_alone(tmp_path: Path) -> None:
    """Another writer: retryable, nothing changed, and afterwards it works."""
    path = made(tmp_path / "a.db", _odd_values)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        with SqliteSource(path, Settings(wait=0.05)).open_live() as live:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(TargetError) as caught, live.transaction():
                pass
            assert caught.value.retryable and "locked" in str(caught.value)
            other.execute("ROLLBACK")
            with live.transaction() as transaction:
                assert transaction.write([Write(verb="delete", table="o", row=Row({"id": 3}))]) == 1
        assert other.execute("SELECT count(*) FROM o WHERE id = 3").fetchone() == (0,)


def test_nothing_of_ours_stays_in_the_application(tmp_path: Path) -> None:
    """No table, trigger or setting is left by a transaction, whether it ended well or not."""
    path = made(tmp_path / "a.db", _odd_values)

    def schema() -> list[object]:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return [*connection.execute("SELECT * FROM sqlite_schema"), *connection.execute("PRAGMA user_version")]

    before = schema()
    with SqliteSource(path).open_live() as live:
        with live.transaction() as transaction:
            transaction.write([Write(verb="delete", table="o", row=Row({"id": 3}))])
        with pytest.raises(ZeroDivisionError), live.transaction() as transaction:  # noqa: PT012 - fails inside
            transaction.write([Write(verb="delete", table="o", row=Row({"id": 4}))])
            raise ZeroDivisionError
    assert schema() == before


def test_one_reading_is_one_state(tmp_path: Path) -> None:
    """With a log, the application goes on writing meanwhile; the book does not see it until it has written itself."""
    path = made(tmp_path / "a.db", lambda c: (c.execute("PRAGMA journal_mode = wal"), _odd_values(c))[1])
    with SqliteSource(path).open_live() as live, contextlib.closing(sqlite3.connect(path, isolation_level=None)) as app:
        before = frozen(live.rows(live.tables["o"]))
        app.execute("DELETE FROM o WHERE id = 3")
        assert frozen(live.rows(live.tables["o"])) == before
        with live.transaction():
            pass
        assert frozen(live.rows(live.tables["o"])) != before


def test_a_stream_goes_on_while_rows_are_written(tmp_path: Path) -> None:
    """What is read row by row may be written row by row."""
    path = made(tmp_path / "a.db", lambda c: (c.execute("PRAGMA journal_mode = wal"), _odd_values(c))[1])
    with SqliteSource(path).open_live() as live:
        seen = 0
        for row in live.rows(live.tables["o"]):
            with live.transaction() as transaction:
                changed = Row({"id": row.values["id"], "v": "seen"})
                seen += transaction.write([Write(verb="update", table="o", row=changed, columns=("v",))])
        assert seen == 15
        assert {row.values["v"] for row in live.rows(live.tables["o"])} == {"seen"}


def test_foreign_keys_hold_where_the_application_leaves_them_off(tmp_path: Path) -> None:
    """Rows that were wrong before do not stop what is right; new wrong ones do, with their table and row."""
    path = made(tmp_path / "a.db", lambda c: c.executescript(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INT REFERENCES p);"
        "INSERT INTO c VALUES (1, 77);"))  # fmt: skip
    with SqliteSource(path).open_live() as live:
        with live.transaction() as transaction:
            assert transaction.write([Write(verb="insert", table="p", row=Row({"id": 5}))]) == 1
        for deferred in (False, True):
            with pytest.raises(TargetError) as caught, live.transaction() as transaction:  # noqa: PT012 - at the end
                if deferred:
                    transaction.defer_constraints()
                transaction.write([Write(verb="insert", table="c", row=Row({"id": 2, "p": 78}))])
            assert "c" in caught.value.what and "2" in caught.value.what
