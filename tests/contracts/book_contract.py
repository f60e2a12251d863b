"""Every promise of ``holdfast.sources.records`` as a test, for any kind of database.

Subclass in a module of your own; ``source`` gives a Recorded source whose application was made from
``tests.contracts.application``, ``change`` runs changes in it as the application itself would::

    class TestMyBooks(SnapshotBookContract, LiveBookContract):
        @pytest.fixture
        def source(self, ...): ...
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from tests.contracts.application import HOSTILE_TABLE, KEYS, REFERENCES, ROWS, UNIQUE
from tests.faults.world import World, cheap, room

from holdfast.model.errors import HoldfastError, TargetError
from holdfast.model.records import Key, Row, Table
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.base import Source
from holdfast.sources.records import Book, Comparing, LiveBook, Recorded, Write
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.looking import open_book, open_live

__all__ = ["BookContract", "LiveBookContract", "SnapshotBookContract", "cheap", "room"]

Opener = Callable[[], contextlib.AbstractContextManager[LiveBook]]


class Spoken:
    """How the contract speaks of rows: names without schema, values as text, whatever the kind."""

    has_references = True
    """Foreign keys, cascades and deferrable constraints."""

    has_columns = True
    """Tables have columns; without, rows are documents."""

    has_keyless = True
    """Tables without key are kept as such."""

    id_column = "id"
    """How a table's own key is called: ``_id`` for documents."""

    def table(self, book: Book, name: str) -> Table:
        """The table, whatever stands before its name."""
        found = [table for each, table in book.tables.items() if each == name or each.endswith("." + name)]
        assert len(found) == 1, (name, list(book.tables))
        return found[0]

    def column(self, name: str) -> str:
        """A column, or the key."""
        return self.id_column if name == "id" else name

    def key(self, book: Book, name: str, column: str, *texts: object) -> list[Key]:
        """Keys of one column, as a person types them."""
        table = self.table(book, name)
        return [(None if text is None else book.parse(table, self.column(column), str(text)),) for text in texts]

    def ids(self, book: Book, name: str, columns: tuple[str, ...], *wanted: Key) -> list[str]:
        """The ids of the rows found, in order."""
        found = book.find(self.table(book, name), tuple(map(self.column, columns)), wanted)
        return sorted(str(book.plain(row.values[self.id_column])) for row in found)

    def told(self, book: Book, name: str, row: Row) -> tuple[str | None, ...]:
        """The columns that the application's rows have, as text; JSON is left out."""
        return tuple(
            None if row.values.get(self.column(each)) is None else str(book.plain(row.values[self.column(each)]))
            for each in ROWS[name][0]
            if each != "payload"
        )

    def expected(self, name: str) -> Counter[tuple[str | None, ...]]:
        """All rows of a table as ``told``."""
        return Counter(
            tuple(None if value is None else str(value) for each, value in row.items() if each != "payload")
            for row in ROWS[name]
        )

    def held(self, book: Book, name: str) -> Counter[tuple[str | None, ...]]:
        """All rows of a table as they are."""
        return Counter(self.told(book, name, row) for row in book.rows(self.table(book, name)))

    def row(self, book: Book, of: str, /, **values: object) -> Row:
        """A new row, typed by a person."""
        table = self.table(book, of)
        return Row(
            {
                self.column(each): None if value is None else book.parse(table, self.column(each), str(value))
                for each, value in values.items()
            }
        )

    def one(self, book: Book, name: str, number: object) -> Row:
        """The row with that id."""
        table = self.table(book, name)
        (found,) = book.find(table, (self.id_column,), self.key(book, name, "id", number))
        return found


class BookContract(Spoken):
    """What is promised of every book; ``book`` is one of the application."""

    @pytest.fixture
    def book(self) -> Iterator[Book]:
        """To be overridden."""
        raise NotImplementedError

    def test_every_table_is_there_with_its_rows(self, book: Book) -> None:
        """Names, values, NULLs and duplicates are those of the application."""
        for name in ROWS:
            assert self.held(book, name) == self.expected(name), name

    def test_keys_and_unique_keys_are_known(self, book: Book) -> None:
        """Composite ones in their order; a table without key has none."""
        for name, key in KEYS.items():
            if key == ("id",) or self.has_columns:
                assert self.table(book, name).key == tuple(map(self.column, key)) or not self.has_keyless, name
        for name, unique in UNIQUE.items():
            assert unique in self.table(book, name).unique

    def test_columns_tell_what_may_be_written(self, book: Book) -> None:
        """What the database computes is marked; what may be NULL too."""
        if not self.has_columns:
            return
        columns = {column.name: column for column in self.table(book, "registrations").columns}
        assert [name for name, column in columns.items() if column.generated] == ["doubled"]
        assert not columns["event"].nullable and columns["note"].nullable
        assert all(column.type for column in columns.values())

    def test_references_are_the_foreign_keys(self, book: Book) -> None:
        """With what happens on delete, and whether the columns may be NULL."""
        if not self.has_references:
            return
        found = {(_bare(r.table), r.columns, _bare(r.to), r.to_columns, r.on_delete) for r in book.references}
        assert found == {(table, columns, to, ("id",), action) for table, columns, to, action in REFERENCES}
        by_columns = {(_bare(r.table), r.columns): r for r in book.references}
        assert by_columns["events", ("owner",)].nullable and not by_columns["registrations", ("event",)].nullable
        assert len({r.name for r in book.references}) == len(REFERENCES)

    def test_a_row_is_found_by_key(self, book: Book) -> None:
        """One, many, none; a key asked for twice gives its row once."""
        assert self.ids(book, "users", ("id",), *self.key(book, "users", "id", 3)) == ["3"]
        keys = self.key(book, "registrations", "id", 105, 107, 999, 105, 159, 0, -1)
        assert self.ids(book, "registrations", ("id",), *keys) == ["105", "107", "159"]
        assert self.ids(book, "users", ("id",)) == []

    def test_a_row_is_found_by_unique_key(self, book: Book) -> None:
        """Also where it is text."""
        assert self.ids(book, "users", ("email",), *self.key(book, "users", "email", "user4@example.org")) == ["4"]
        assert self.ids(book, "users", ("email",), *self.key(book, "users", "email", "User4@example.org")) == []

    def test_rows_are_found_by_any_column(self, book: Book) -> None:
        """With an index or without one; the answer is complete."""
        of_one = [str(row["id"]) for row in ROWS["registrations"] if row["event"] in (2, 3)]
        assert self.ids(book, "registrations", ("event",), *self.key(book, "registrations", "event", 2, 3)) == of_one
        assert self.ids(book, "events", ("title",), *self.key(book, "events", "title", "Spring")) == ["1", "4"]
        note = self.key(book, "registrations", "note", "note 102")
        assert self.ids(book, "registrations", ("note",), *note) == ["102"]

    def test_rows_are_found_by_null(self, book: Book) -> None:
        """None among the wanted means NULL, and nothing else does."""
        assert self.ids(book, "users", ("name",), (None,)) == ["3"]
        keys = [(None,), *self.key(book, "events", "title", "Summer")]
        assert self.ids(book, "events", ("title",), *keys) == ["2", "3"]

    def test_rows_are_found_by_several_columns(self, book: Book) -> None:
        """Composite keys, and pairs that are none; NULL within them."""
        table = self.table(book, "event_tags")
        pairs = [
            (book.parse(table, "event", str(event)), book.parse(table, "tag", str(tag)))
            for event, tag in ((1, 2), (2, 1), (2, 2), (4, 3))
        ]
        found = {self.told(book, "event_tags", row) for row in book.find(table, ("event", "tag"), pairs)}
        assert found == {("1", "2"), ("2", "1"), ("4", "3")}
        events = self.table(book, "events")
        wanted = [(book.parse(events, "title", "Spring"), None), (None, book.parse(events, "parent", "2"))]
        assert self.ids(book, "events", ("title", "parent"), *wanted) == ["1", "3"]

    def test_very_many_keys_are_one_question(self, book: Book) -> None:
        """More than any server takes parameters."""
        keys = self.key(book, "registrations", "id", *range(20_000))
        assert len(self.ids(book, "registrations", ("id",), *keys)) == len(ROWS["registrations"])

    def test_rows_are_found_by_paths_into_json(self, book: Book) -> None:
        """Fields of fields, elements of arrays, fields of elements; what is not there or not JSON matches nothing."""
        table = self.table(book, "notifications")

        def ids(path: str, text: str) -> list[str]:
            return self.ids(book, "notifications", (path,), (book.parse(table, path, text),))

        assert ids("payload.eventId", "1") == ["1"]
        assert ids("payload.to.user", "1") == ["2"]
        assert ids("payload.seen[]", "2") == ["1"]
        assert ids("payload.lines[].event", "3") == ["2"]
        assert ids("payload.lines[].event", "2") == ["5"]
        assert ids("payload.eventId", "99") == []
        assert ids("payload.nothing.at.all", "1") == []

    def test_hostile_names_and_values_are_only_names_and_values(self, book: Book) -> None:
        """Nothing that is quoted badly anywhere, and nothing that is not equal is found."""
        table = self.table(book, HOSTILE_TABLE)
        for row in ROWS[HOSTILE_TABLE]:
            for name, value in row.items():
                if value is None or name == "id":
                    continue
                same = [str(each["id"]) for each in ROWS[HOSTILE_TABLE] if each[name] == value]
                wanted = (book.parse(table, name, str(value)),)
                assert self.ids(book, HOSTILE_TABLE, (name,), wanted) == sorted(same), (name, value)

    def test_a_column_that_is_not_there_is_an_error_for_a_person(self, book: Book) -> None:
        """Named; nothing is guessed."""
        if not self.has_columns:
            return
        with pytest.raises(HoldfastError) as caught:
            list(book.find(self.table(book, "users"), ("nobody",), [("x",)]))
        assert "nobody" in str(caught.value)

    def test_what_cannot_be_a_value_is_refused(self, book: Book) -> None:
        """A key of numbers is not a word."""
        if not self.has_columns:
            return
        with pytest.raises(HoldfastError) as caught:
            book.parse(self.table(book, "users"), "id", "not a number")
        assert "not a number" in str(caught.value)

    def test_fingerprints_tell_tables_apart(self, book: Book) -> None:
        """The same table has the same one, another table another."""
        users, tags = self.table(book, "users"), self.table(book, "tags")
        assert book.fingerprint(users) == book.fingerprint(users)
        assert not self.has_columns or book.fingerprint(users) != book.fingerprint(tags)

    def test_two_readings_may_overlap(self, book: Book) -> None:
        """One stream is read while another table is asked."""
        for row in book.rows(self.table(book, "tags")):
            name = str(book.plain(row.values["name"]))
            assert self.ids(book, "tags", ("name",), *self.key(book, "tags", "name", name))


class LiveBookContract(BookContract):
    """What is promised of the application itself; ``opener`` opens one more book of it."""

    @pytest.fixture
    def opener(self, source: Source) -> Opener:
        """Of the source."""
        return lambda: open_live(source)

    @pytest.fixture
    def live(self, opener: Opener) -> Iterator[LiveBook]:
        """The application."""
        with opener() as live:
            yield live

    @pytest.fixture
    def book(self, live: LiveBook) -> Book:
        """Looked at as any book."""
        return live

    @pytest.fixture
    def now(self, opener: Opener) -> Callable[[str], Counter[Any]]:
        """What a table holds for somebody else."""

        def look(name: str) -> Counter[Any]:
            with opener() as other:
                return self.held(other, name)

        return look

    def write(self, verb: str, book: Book, name: str, row: Row, **more: Any) -> Write:
        """A write to a table by its bare name."""
        return Write(verb=verb, table=self.table(book, name).name, row=row, **more)

    def test_what_is_written_is_there_afterwards(self, live: LiveBook, now: Any) -> None:
        """Insert, update of one column, delete: counted, and each row exactly."""
        before = now("users")
        changed = self.row(live, "users", id=2, name="Zoë'; --")
        new = self.row(live, "users", id=50, email="new@example.org", name=None)
        with live.transaction() as transaction:
            told = transaction.write(
                [
                    self.write("insert", live, "users", new),
                    self.write("update", live, "users", changed, columns=("name",)),
                    self.write("delete", live, "registrations", self.row(live, "registrations", id=100)),
                ]
            )
        assert told == 3
        after = now("users")
        assert after[("50", "new@example.org", None)] == 1
        assert after[("2", "user2@example.org", "Zoë'; --")] == 1
        assert before[("2", "user2@example.org", "User 2")] == 1 and not after[("2", "user2@example.org", "User 2")]

    def test_an_exception_undoes_everything(self, live: LiveBook, now: Any) -> None:
        """Whatever was raised, and the book can be used again."""
        before = now("users")
        with pytest.raises(ZeroDivisionError), live.transaction() as transaction:  # noqa: PT012 - the end of the transaction is part of it
            new = self.row(live, "users", id=50, email="new@example.org", name="x")
            transaction.write([self.write("insert", live, "users", new)])
            raise ZeroDivisionError
        assert now("users") == before
        assert self.held(live, "users") == before

    def test_a_transaction_sees_its_own_writes(self, live: LiveBook) -> None:
        """Found by key, locked or not."""
        table = self.table(live, "users")
        with live.transaction() as transaction:
            new = self.row(live, "users", id=50, email="new@example.org", name="x")
            transaction.write([self.write("insert", live, "users", new)])
            for lock in (False, True):
                found = list(transaction.find(table, (self.id_column,), self.key(live, "users", "id", 50), lock=lock))
                assert [str(live.plain(row.values["name"])) for row in found] == ["x"]

    def test_a_row_that_is_not_as_expected_stops_everything(self, live: LiveBook, now: Any) -> None:
        """The row and the table are named, nothing of the transaction stays."""
        before = now("users")
        was = self.one(live, "users", 2)
        stale = Row({**was.values, "name": live.parse(self.table(live, "users"), "name", "Somebody")}, was.raw)
        changed = self.row(live, "users", id=2, name="Changed")
        with pytest.raises(TargetError) as caught, live.transaction() as transaction:  # noqa: PT012 - the end of the transaction is part of it
            new = self.row(live, "users", id=50, email="new@example.org", name="x")
            transaction.write([self.write("insert", live, "users", new)])
            transaction.write([self.write("update", live, "users", changed, columns=("name",), expect=stale)])
        assert "users" in str(caught.value) and "2" in str(caught.value)
        assert now("users") == before

    def test_a_row_that_is_as_expected_is_written(self, live: LiveBook, now: Any) -> None:
        """What was looked at and has not changed."""
        was = self.one(live, "users", 2)
        changed = self.row(live, "users", id=2, name="Changed")
        with live.transaction() as transaction:
            write = self.write("update", live, "users", changed, columns=("name",), expect=was)
            assert transaction.write([write]) == 1
        assert now("users")[("2", "user2@example.org", "Changed")] == 1

    def test_a_clash_of_keys_names_table_and_row(self, live: LiveBook, now: Any) -> None:
        """In the middle of many: the row that clashed, and none of them stays."""
        before = now("tags")
        rows = [self.row(live, "tags", id=number, name=f"tag {number}") for number in range(10, 20)]
        rows[6] = self.row(live, "tags", id=16, name="jazz")
        with pytest.raises(TargetError) as caught, live.transaction() as transaction:
            transaction.write([self.write("insert", live, "tags", row) for row in rows])
        assert "tags" in str(caught.value) and ("16" in str(caught.value) or "jazz" in str(caught.value))
        assert now("tags") == before

    def test_a_table_that_is_not_there_is_named(self, live: LiveBook) -> None:
        """An error, not a new table."""
        if not self.has_columns:
            return
        with pytest.raises(TargetError) as caught, live.transaction() as transaction:
            transaction.write([Write(verb="insert", table="nothing_here", row=Row({"id": 1}))])
        assert "nothing_here" in str(caught.value)

    def test_a_column_that_is_not_there_is_named(self, live: LiveBook) -> None:
        """Nothing is dropped silently."""
        if not self.has_columns:
            return
        row = Row({**self.row(live, "tags", id=50, name="x").values, "gone_column": None})
        with pytest.raises(TargetError) as caught, live.transaction() as transaction:
            transaction.write([self.write("insert", live, "tags", row)])
        assert "gone_column" in str(caught.value)

    def test_whole_rows_are_written_without_what_is_computed(self, live: LiveBook, now: Any) -> None:
        """A row that was read can be deleted and written back: the table is as before."""
        before = now("registrations")
        rows = list(live.rows(self.table(live, "registrations")))
        with live.transaction() as transaction:
            assert transaction.write([self.write("delete", live, "registrations", row) for row in rows]) == len(rows)
        assert not now("registrations")
        with live.transaction() as transaction:
            assert transaction.write([self.write("insert", live, "registrations", row) for row in rows]) == len(rows)
        assert now("registrations") == before

    def test_hostile_rows_are_written_as_they_are(self, live: LiveBook, now: Any) -> None:
        """Names and values, deleted, written back, updated to themselves."""
        before = now(HOSTILE_TABLE)
        rows = list(live.rows(self.table(live, HOSTILE_TABLE)))
        with live.transaction() as transaction:
            transaction.write([self.write("update", live, HOSTILE_TABLE, row) for row in rows])
            transaction.write([self.write("delete", live, HOSTILE_TABLE, row) for row in rows])
            transaction.write([self.write("insert", live, HOSTILE_TABLE, row) for row in rows])
        assert now(HOSTILE_TABLE) == before

    def test_one_of_several_equal_rows_is_deleted(self, live: LiveBook, now: Any) -> None:
        """A table without key: exactly one goes."""
        if not self.has_keyless:
            return
        with live.transaction() as transaction:
            row = self.row(live, "log", at=2, said="work")
            assert transaction.write([self.write("delete", live, "log", row)]) == 1
        assert now("log")[("2", "work")] == 1

    def test_what_is_not_there_is_not_counted(self, live: LiveBook) -> None:
        """Updates and deletes of absent rows do nothing and say so."""
        with live.transaction() as transaction:
            gone = self.row(live, "users", id=999, name="x")
            assert transaction.write([self.write("update", live, "users", gone, columns=("name",))]) == 0
            assert transaction.write([self.write("delete", live, "users", gone)]) == 0

    def test_a_missing_parent_stops_everything(self, live: LiveBook, now: Any) -> None:
        """At once or at the end of the transaction; the table is named."""
        if not self.has_references:
            return
        before = now("event_tags")
        for deferred in (False, True):
            with pytest.raises(TargetError) as caught, live.transaction() as transaction:  # noqa: PT012 - the end of the transaction is part of it
                if deferred:
                    transaction.defer_constraints()
                row = self.row(live, "event_tags", event=999, tag=1)
                transaction.write([self.write("insert", live, "event_tags", row)])
            assert "event_tags" in str(caught.value)
            assert now("event_tags") == before

    def test_a_cycle_is_written_with_constraints_deferred(self, live: LiveBook, now: Any) -> None:
        """Two rows that need one another."""
        if not self.has_references:
            return
        with live.transaction() as transaction:
            transaction.defer_constraints()
            event = self.row(live, "events", id=70, title="Cycle", owner=1, parent=70, main_venue=71)
            transaction.write([self.write("insert", live, "events", event)])
            venue = self.row(live, "venues", id=71, event=70, place="There")
            transaction.write([self.write("insert", live, "venues", venue)])
        assert now("events")[("70", "Cycle", "1", "70", "71")] == 1

    def test_cascades_are_counted(self, live: LiveBook) -> None:
        """By table: what was asked for, what the database deleted and what it set to NULL besides."""
        event = self.row(live, "events", id=1)
        with live.transaction() as transaction:
            transaction.write([self.write("delete", live, "events", event)])
            told = {_bare(name): counts for name, counts in transaction.affected().items()}
        assert told["events"][2] == 1
        if not self.has_references:
            return
        registered = sum(row["event"] == 1 for row in ROWS["registrations"])
        assert told["registrations"] == (0, 0, registered)
        assert told["venues"] == (0, 0, 2) and told["event_tags"] == (0, 0, 2)
        assert told["events"][:2] == (0, 1)
        assert "users" not in told or told["users"] == (0, 0, 0)

    def test_nothing_is_counted_before_something_is_written(self, live: LiveBook) -> None:
        """Nor what an earlier transaction did."""
        for _ in range(2):
            with live.transaction() as transaction:
                assert not any(any(counts) for counts in transaction.affected().values())
                new = self.row(live, "tags", id=80, name="x")
                transaction.write([self.write("insert", live, "tags", new)])
                transaction.write([self.write("delete", live, "tags", new)])
                told = {_bare(name): tuple(counts) for name, counts in transaction.affected().items() if any(counts)}
                assert told == {"tags": (1, 0, 1)}

    def test_fresh_ids_are_free_and_never_given_twice(self, live: LiveBook) -> None:
        """In one transaction, from several calls."""
        table = self.table(live, "events")
        with live.transaction() as transaction:
            given = [
                *transaction.next_id(table, self.id_column, 3), *transaction.next_id(table, self.id_column, 2),
            ]  # fmt: skip
            assert len(set(given)) == 5
            assert not list(transaction.find(table, (self.id_column,), [(each,) for each in given]))
            for each in given:
                row = Row({**self.row(live, "events", title="fresh").values, self.id_column: each})
                assert transaction.write([self.write("insert", live, "events", row)]) == 1

    def test_sequences_are_moved_past_what_was_written(self, live: LiveBook) -> None:
        """The next id is not one that a restored row has."""
        table = self.table(live, "events")
        with live.transaction() as transaction:
            new = self.row(live, "events", id=5000, title="restored")
            transaction.write([self.write("insert", live, "events", new)])
            transaction.advance_sequences(table)
            (given,) = transaction.next_id(table, self.id_column, 1)
            assert not list(transaction.find(table, (self.id_column,), [(given,)]))

    def test_thousands_of_rows_are_written_at_once(self, live: LiveBook, now: Any) -> None:
        """In bulk, in one transaction."""
        rows = [
            self.row(live, "registrations", id=10_000 + n, event=1 + n % 4, user=1 + n % 7, note=f"n {n}")
            for n in range(3_000)
        ]
        with live.transaction() as transaction:
            assert transaction.write([self.write("insert", live, "registrations", row) for row in rows]) == len(rows)
            told = {_bare(name): tuple(counts) for name, counts in transaction.affected().items() if any(counts)}
        assert told == {"registrations": (3_000, 0, 0)}
        assert sum(now("registrations").values()) == 3_000 + len(ROWS["registrations"])


class SnapshotBookContract(BookContract):
    """What is promised of a snapshot; ``source`` is backed up into a repository of its own.

    ``change`` changes the application: events 2 gets the title "Autumn", registration 101 goes, 5000 comes to event 1.
    """

    @pytest.fixture
    def source(self) -> Source:
        """To be overridden."""
        raise NotImplementedError

    @pytest.fixture
    def repository(self, room: Any, cheap: None) -> Iterator[Repository]:
        """A new one."""
        with World(room / "world").create().opened("client") as repository:
            yield repository

    @pytest.fixture
    def entry(self, repository: Repository, source: Source) -> SnapshotEntry:
        """A snapshot of the application."""
        return _snapshot(repository, source)

    @pytest.fixture
    def book(self, repository: Repository, source: Source, entry: SnapshotEntry) -> Iterator[Book]:
        """That snapshot, looked into."""
        with open_book(repository, entry, source) as book:
            yield book

    def change(self, source: Source) -> None:
        """As the application would, here through the live book."""
        with open_live(source) as live, live.transaction() as transaction:
            name = {each: self.table(live, each).name for each in ("events", "registrations")}
            autumn = self.row(live, "events", id=2, title="Autumn")
            new = self.row(live, "registrations", id=5000, event=1, user=1, note="late")
            gone = self.row(live, "registrations", id=101)
            transaction.write(
                [
                    Write(verb="update", table=name["events"], row=autumn, columns=("title",)),
                    Write(verb="delete", table=name["registrations"], row=gone),
                    Write(verb="insert", table=name["registrations"], row=new),
                ]
            )

    def test_a_snapshot_does_not_change(self, repository: Repository, source: Source, entry: SnapshotEntry) -> None:
        """Whatever the application does afterwards."""
        self.change(source)
        with open_book(repository, entry, source) as book:
            for name in ROWS:
                assert self.held(book, name) == self.expected(name), name

    def test_tables_are_the_same_tables_in_both(self, repository: Repository, source: Source, book: Book) -> None:
        """A snapshot and the application tell the same keys, references and fingerprints."""
        with open_live(source) as live:
            assert set(book.tables) == set(live.tables)
            for name, table in book.tables.items():
                assert book.fingerprint(table) == live.fingerprint(live.tables[name]), name
                assert table.key == live.tables[name].key
            assert set(book.references) == set(live.references)
            for name in ROWS:
                table, other = self.table(book, name), self.table(live, name)
                assert Counter(map(_frozen, book.rows(table))) == Counter(map(_frozen, live.rows(other))), name

    def test_what_is_not_shared_holds_every_difference(self, repository: Repository, source: Source) -> None:
        """Both ways; rows that are left out are equal in both."""
        first = _snapshot(repository, source)
        self.change(source)
        second = _snapshot(repository, source)
        with open_book(repository, first, source) as before, open_book(repository, second, source) as after:
            if not isinstance(before, Comparing) or not isinstance(after, Comparing):
                return
            for name in ROWS:
                one, two = self.table(before, name), self.table(after, name)
                old = Counter(map(_frozen, before.rows(one)))
                new = Counter(map(_frozen, after.rows(two)))
                gone = Counter(map(_frozen, before.rows_not_shared(one, after)))
                come = Counter(map(_frozen, after.rows_not_shared(two, before)))
                assert not (old - new) - gone and not (new - old) - come, name
                assert old - gone == new - come, name

    def test_equal_snapshots_share_everything(self, repository: Repository, source: Source) -> None:
        """Nothing is told of tables in which nothing changed."""
        first, second = _snapshot(repository, source), _snapshot(repository, source)
        with open_book(repository, first, source) as before, open_book(repository, second, source) as after:
            for name in ROWS:
                if isinstance(before, Comparing):
                    assert list(before.rows_not_shared(self.table(before, name), after)) == [], name

    def test_chosen_rows_are_a_snapshot_like_any(self, repository: Repository, source: Source, book: Book) -> None:
        """It holds just these rows; their tables are the same tables."""
        assert isinstance(source, Recorded)
        columns = {"events": "id", "registrations": "event", "event_tags": "event", "venues": "event"}
        of_event = {
            name: list(book.find(self.table(book, name), (self.column(column),), self.key(book, name, column, 1)))
            for name, column in columns.items()
        }
        rows = {self.table(book, name).name: found for name, found in of_event.items()}
        entry = _snapshot(repository, source.of_rows(book, rows))
        assert entry.info.kind == source.kind
        with open_book(repository, entry, source) as chosen:
            for name, found in of_event.items():
                table = self.table(chosen, name)
                assert Counter(map(_frozen, chosen.rows(table))) == Counter(map(_frozen, found)) and found
                assert chosen.fingerprint(table) == book.fingerprint(self.table(book, name))
                assert table.key == self.table(book, name).key
            ids = self.ids(chosen, "registrations", ("event",), *self.key(chosen, "registrations", "event", 1))
            assert len(ids) == len(of_event["registrations"])
            for name, table in chosen.tables.items():
                assert name in rows or not list(chosen.rows(table))

    def test_chosen_rows_may_be_hostile(self, repository: Repository, source: Source, book: Book) -> None:
        """Names, values, rows of a table without key."""
        assert isinstance(source, Recorded)
        rows = {
            self.table(book, name).name: list(book.rows(self.table(book, name)))
            for name in (HOSTILE_TABLE, "log", "notifications")
        }
        entry = _snapshot(repository, source.of_rows(book, rows))
        with open_book(repository, entry, source) as chosen:
            for name, found in rows.items():
                assert Counter(map(_frozen, chosen.rows(chosen.tables[name]))) == Counter(map(_frozen, found))

    def test_no_rows_at_all_are_a_snapshot_too(self, repository: Repository, source: Source, book: Book) -> None:
        """An undo of nothing."""
        assert isinstance(source, Recorded)
        entry = _snapshot(repository, source.of_rows(book, {}))
        with open_book(repository, entry, source) as chosen:
            assert not any(list(chosen.rows(table)) for table in chosen.tables.values())


def _snapshot(repository: Repository, source: Source) -> SnapshotEntry:
    made = backup(repository, BackupRequest(sources={"app": source}))
    for error in made.failures.values():
        raise error
    return next(entry for entry in repository.snapshots() if entry.info.id == made.snapshots[0].id)


def _bare(name: str) -> str:
    """Without schema; no table of the application has a dot in its name."""
    return name.rpartition(".")[2]


def _frozen(row: Row) -> tuple[Any, ...]:
    values: Mapping[str, Any] = row.values
    return (row.raw, *sorted((name, type(value).__name__, repr(value)) for name, value in values.items()))
