"""Random applications of which somebody else deletes and changes random rows between the delete and the restore."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from tests.unit.entities.test_random_graphs import closure, content, delete

from holdfast.entities.applying import apply, require_nothing_else
from holdfast.entities.closure import Closure
from holdfast.entities.restoring import Wishes, decide
from holdfast.model.errors import TargetError
from holdfast.sources.sqlite.records.live_book import SqliteLiveBook

_ACTIONS = ("CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION", "RESTRICT")


@dataclass(frozen=True)
class Link:
    """A reference of a table; to a key of two columns it has two."""

    to: int
    action: str
    nullable: bool
    default: int | None


@dataclass(frozen=True)
class Application:
    """``wide``: whether the key of a table has two columns; ``rows``: values in the order of the columns.

    ``people``: the number of the table that holds users; 0: none does.
    """

    wide: tuple[bool, ...]
    links: tuple[tuple[Link, ...], ...]
    rows: tuple[tuple[tuple[Any, ...], ...], ...]
    meddling: tuple[str, ...]
    people: int = 0

    def statements(self) -> list[str]:
        """Definitions and rows."""
        return [self._definition(number) for number in range(len(self.wide))] + [
            f"INSERT INTO {_name(number, self.people)} VALUES ({', '.join(map(_literal, row))})"
            for number, rows in enumerate(self.rows)
            for row in rows
        ]

    def _definition(self, number: int) -> str:
        parts = ["id INTEGER NOT NULL", *(["part INTEGER NOT NULL"] if self.wide[number] else []), "text TEXT"]
        keys = [f"PRIMARY KEY ({'id, part' if self.wide[number] else 'id'})"]
        for place, link in enumerate(self.links[number]):
            ends = [""] + (["p"] if self.wide[link.to] else [])
            null = "" if link.nullable else " NOT NULL"
            default = "" if link.default is None or self.wide[link.to] else f" DEFAULT {link.default}"
            parts += [f"r{place}{end} INTEGER{null}{default}" for end in ends]
            named = ", ".join(f"r{place}{end}" for end in ends)
            target = f"{_name(link.to, self.people)} ({'id, part' if self.wide[link.to] else 'id'})"
            keys.append(f"FOREIGN KEY ({named}) REFERENCES {target} ON DELETE {link.action}")
        return f"CREATE TABLE {_name(number, self.people)} ({', '.join(parts + keys)})"


def _literal(value: object) -> str:
    return "NULL" if value is None else repr(value)


@st.composite
def applications(draw: st.DrawFn) -> Application:
    """Two to five tables, t0 the root."""
    count = draw(st.integers(2, 5))
    wide = (False, *(draw(st.booleans()) for _ in range(1, count)))
    links = [tuple(_link(draw, number) for _ in range(draw(st.integers(1, 2)))) for number in range(1, count)]
    back = draw(st.booleans())
    links.insert(0, (Link(draw(st.integers(0, count - 1)), "SET NULL", nullable=True, default=None),) if back else ())
    keys = [_keys(draw, each) for each in wide]
    rows = [
        tuple((*key, draw(st.sampled_from(["a", None])), *_references(draw, keys, wide, links[number], number, place))
              for place, key in enumerate(keys[number]))
        for number in range(count)
    ]  # fmt: skip
    people = draw(st.integers(0, count - 1))
    meddling = tuple(
        f"{what} WHERE id = {draw(st.integers(1, 4))}"
        for table in draw(st.lists(st.integers(0, count - 1), max_size=3))
        for name in [_name(table, people)]
        for what in [draw(st.sampled_from([f"DELETE FROM {name}", f"UPDATE {name} SET text = 'new'"]))]
    )
    return Application(wide, tuple(links), tuple(rows), meddling, people)


def _name(number: int, people: int) -> str:
    return "users" if number and number == people else f"t{number}"


WISHES = st.builds(
    Wishes, existing=st.sampled_from(["overwrite", "refuse", "skip", "merge"]), create_parents=st.booleans(),
    users=st.sampled_from(["null", "refuse", "keep"]),
)  # fmt: skip


def _link(draw: st.DrawFn, number: int) -> Link:
    to = draw(st.integers(0, number))
    nullable = to == number or draw(st.booleans())
    action = draw(st.sampled_from(_ACTIONS if nullable else ("CASCADE", "NO ACTION", "RESTRICT")))
    return Link(to, action, nullable, draw(st.sampled_from([None, 1])) if action == "SET DEFAULT" else None)


def _keys(draw: st.DrawFn, wide: bool) -> list[tuple[int, ...]]:
    count = draw(st.integers(1, 5))
    return [((n + 1) // 2, n % 2) if wide else (n,) for n in range(1, count + 1)]


def _references(
    draw: st.DrawFn, keys: list[list[tuple[int, ...]]], wide: tuple[bool, ...], links: tuple[Link, ...],
    number: int, place: int,
) -> list[int | None]:  # fmt: skip
    found: list[int | None] = []
    for link in links:
        known = keys[link.to] if link.to != number else keys[number][: place + 1]
        choices: list[tuple[int | None, ...]] = list(known)
        if link.nullable:
            choices.append((None,) * (2 if wide[link.to] else 1))
        found += draw(st.sampled_from(choices))
    return found


def _made(path: Path, application: Application) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in application.statements():
            connection.execute(statement)
        connection.commit()


def _meddle(path: Path, statements: tuple[str, ...]) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for statement in statements:
            with contextlib.suppress(sqlite3.IntegrityError):
                connection.execute(statement)
                connection.commit()
            connection.rollback()


def check(path: Path, application: Application, key: int, wishes: Wishes) -> None:
    """What belonged to it is as it was; everything else as the other one left it, but for references set again."""
    _made(path, application)
    with contextlib.closing(SqliteLiveBook(str(path).encode(), 1.0)) as book:
        found = closure(book, key)
        if found is None or not delete(book, found):
            event("nothing to delete")
            return
    _meddle(path, application.meddling)
    with contextlib.closing(SqliteLiveBook(str(path).encode(), 1.0)) as book:
        amid = content(book)
        try:
            with book.transaction() as transaction:
                decision = decide(found, book, transaction.find, wishes)
                if not decision.refusals:
                    applied = apply(book, transaction, decision.changes)
                    assert require_nothing_else(transaction, applied) == []
        except TargetError as error:
            if "ring that cannot be opened" not in error.what:
                raise
            assert content(book) == amid
            return
        after = content(book)
        if decision.refusals:
            event("refused")
            assert after == amid
            return
        event("restored")
        _assert_back(book, found, wishes)
        ours: dict[str, list[str]] = {}
        for change in decision.changes:
            for row in (change.before, change.after):
                if row is not None:
                    ours.setdefault(change.table, []).append(repr(sorted(row.values.items())))
        for name, rows in amid.items():
            apart = Counter(ours.get(name, ()))
            assert Counter(rows) - apart == Counter(after[name]) - apart


def may(to: int, action: str) -> Link:
    return Link(to, action, nullable=True, default=None)


def must(to: int, action: str) -> Link:
    return Link(to, action, nullable=False, default=None)


def _assert_back(book: SqliteLiveBook, found: Closure, wishes: Wishes) -> None:
    """Every row of it, as it was unless what is there was to stay, but for who is named."""
    for name, members in found.by_table("owned").items():
        table = book.tables[name]
        whom = {column for edge in found.graph.above(name) if edge.up == "reference"
                for column in edge.reference.columns}  # fmt: skip
        columns = table.key if wishes.existing in ("skip", "merge") else [c.name for c in table.columns]
        shown = [column for column in columns if column in table.key or column not in whom]
        now = {tuple(row.values[column] for column in shown) for row in book.rows(table)}
        for member in members:
            assert tuple(member.row.values[column] for column in shown) in now, member


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(applications(), st.integers(1, 5), WISHES)
@example(
    application=Application(
        wide=(False, False, False),
        links=((may(2, "SET NULL"),), (must(0, "CASCADE"), may(1, "CASCADE")), (may(2, "CASCADE"), may(0, "SET NULL"))),
        rows=(((1, "a", 1), (2, "a", 1)), ((1, "a", 1, 1),), ((1, "a", 1, 1),)),
        meddling=("DELETE FROM t0 WHERE id = 1", "DELETE FROM t2 WHERE id = 1"),
    ),
    key=2,
    wishes=Wishes(create_parents=True),
).via("a parent that is gone names another row of the root's table that is gone too")
@example(
    application=Application(
        wide=(False, False),
        links=((may(1, "SET NULL"),), (may(0, "SET NULL"), must(0, "CASCADE"))),
        rows=(((1, "a", 1), (2, "a", 1)), ((1, "a", 1, 2), (2, "a", 1, 1))),
        meddling=("DELETE FROM t0 WHERE id = 2",),
    ),
    key=1,
    wishes=Wishes(create_parents=True),
).via("a row that names the root, and that the root needs, belongs to another root that is gone")
@example(
    application=Application(
        wide=(False, False, False),
        links=((must(1, "NO ACTION"),), (must(2, "NO ACTION"),), ()),
        rows=(((1, "a", 1),), ((1, "a", 1),), ((1, "a"),)),
        meddling=("DELETE FROM t1 WHERE id = 1", "DELETE FROM t2 WHERE id = 1"),
    ),
    key=1,
    wishes=Wishes(create_parents=True),
).via("a parent of a parent")
@example(
    application=Application(
        wide=(False, False, False, False),
        links=((must(1, "NO ACTION"),), (may(3, "SET NULL"),),
               (may(3, "NO ACTION"),), ()),
        rows=(((1, "a", 1),), ((1, "a", 1),), (), ((1, "a"),)),
        meddling=("DELETE FROM t1 WHERE id = 1", "DELETE FROM users WHERE id = 1"), people=3,
    ), key=1, wishes=Wishes(create_parents=True),
).via("a parent names a user who is gone")  # fmt: skip
def test_the_event_is_as_it_was_and_others_as_they_are(
    tmp_path_factory: Any, application: Application, key: int, wishes: Wishes
) -> None:
    """Keys of two columns, rings, every action on delete; rows of others deleted and changed meanwhile.

    What the decision accepts the database takes at the commit.
    """
    check(tmp_path_factory.mktemp("meddling") / "app.db", application, key, wishes)
