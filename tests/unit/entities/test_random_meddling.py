"""Random applications of which somebody else deletes and changes random rows between the delete and the restore."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.unit.entities.test_random_graphs import closure, content, delete

from holdfast.entities.applying import apply, require_nothing_else
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
    """``wide``: whether the key of a table has two columns; ``rows``: values in the order of the columns."""

    wide: tuple[bool, ...]
    links: tuple[tuple[Link, ...], ...]
    rows: tuple[tuple[tuple[Any, ...], ...], ...]
    meddling: tuple[str, ...]

    def statements(self) -> list[str]:
        """Definitions and rows."""
        return [self._definition(number) for number in range(len(self.wide))] + [
            f"INSERT INTO t{number} VALUES ({', '.join('NULL' if each is None else repr(each) for each in row)})"
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
            target = f"t{link.to} ({'id, part' if self.wide[link.to] else 'id'})"
            keys.append(f"FOREIGN KEY ({named}) REFERENCES {target} ON DELETE {link.action}")
        return f"CREATE TABLE t{number} ({', '.join(parts + keys)})"


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
    meddling = tuple(
        f"{what} WHERE id = {draw(st.integers(1, 4))}"
        for table in draw(st.lists(st.integers(0, count - 1), max_size=3))
        for what in [draw(st.sampled_from([f"DELETE FROM t{table}", f"UPDATE t{table} SET text = 'new'"]))]
    )
    return Application(wide, tuple(links), tuple(rows), meddling)


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


def check(path: Path, application: Application, key: int) -> None:
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
                decision = decide(found, book.tables, transaction.find, Wishes(create_parents=True))
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
        now = {name: {repr(sorted(row.values.items())) for row in book.rows(book.tables[name])} for name in after}
        for member in found.members.values():
            if member.role == "owned":
                assert repr(sorted(member.row.values.items())) in now[member.table], member
        ours: dict[str, list[str]] = {}
        for change in decision.changes:
            for row in (change.before, change.after):
                if row is not None:
                    ours.setdefault(change.table, []).append(repr(sorted(row.values.items())))
        for name, rows in amid.items():
            apart = Counter(ours.get(name, ()))
            assert Counter(rows) - apart == Counter(after[name]) - apart


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(applications(), st.integers(1, 5))
def test_the_event_is_as_it_was_and_others_as_they_are(
    tmp_path_factory: Any, application: Application, key: int
) -> None:
    """Keys of two columns, rings, every action on delete; rows of others deleted and changed meanwhile."""
    check(tmp_path_factory.mktemp("meddling") / "app.db", application, key)
