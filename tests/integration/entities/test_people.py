"""People whom an entity names: never taken along, and never mistaken for somebody who has their number now."""

from __future__ import annotations

import pytest
from tests.faults.world import cheap, room  # noqa: F401
from tests.integration.entities.small_sites import SmallSite, small  # noqa: F401

from holdfast.model.errors import TargetError, UsageError
from holdfast.usecases.entity_clone import EntityCloneOrder, entity_clone

_TABLES = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT UNIQUE, api_token TEXT UNIQUE, name TEXT)",
    "CREATE TABLE others (person INTEGER REFERENCES users (id))",
    "CREATE TABLE events (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES users (id))",
    """CREATE TABLE seats (id INTEGER PRIMARY KEY, event INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    person INTEGER NOT NULL REFERENCES users (id))""",
    "INSERT INTO users VALUES (1, 'ada@x', 'token-of-ada', 'Ada'), (2, 'bob@x', 'token-of-bob', 'Bob')",
    "INSERT INTO events VALUES (1, 1)",
    "INSERT INTO seats VALUES (1, 1, 2)",
)


def test_a_number_that_somebody_else_has_now_is_noticed(small: SmallSite) -> None:  # noqa: F811
    """From the entity's own snapshot: NULL where that may be, else refused with who is there."""
    small.run(*_TABLES)
    saved = small.save().snapshot.id
    small.run("DELETE FROM events", "DELETE FROM users WHERE id = 1",
              "INSERT INTO users VALUES (1, 'eve@x', 'e', 'Ada')")  # fmt: skip
    result = small.restore()
    assert any("another row now: 'eve@x' instead of 'ada@x'" in text for text in result.decision.warnings)
    assert small.rows("SELECT owner FROM events") == [(None,)]
    small.take_back(result.run)
    small.run("DELETE FROM users WHERE id = 2", "INSERT INTO users VALUES (2, 'mallory@x', 'm', 'Bob')")
    with pytest.raises(TargetError, match="mallory@x"):
        small.restore()
    with pytest.raises(TargetError, match="mallory@x"):
        entity_clone(small.repository, EntityCloneOrder(subject=small.subject(), from_=saved))
    assert small.rows("SELECT * FROM events") == []
    small.restore(users="keep")
    assert small.rows("SELECT owner FROM events") == [(1,)]


def test_somebody_who_came_back_under_another_number_is_named_by_it(small: SmallSite) -> None:  # noqa: F811
    """Found by the address, though a stranger has the old number."""
    small.run(*_TABLES)
    small.save()
    small.run("DELETE FROM events", "DELETE FROM users", "INSERT INTO users VALUES (2, 'eve@x', 'e', 'E'),"
              " (7, 'bob@x', 'new', 'Bob'), (8, 'ada@x', 'new8', 'Ada')")  # fmt: skip
    small.restore()
    assert (small.rows("SELECT owner FROM events"), small.rows("SELECT person FROM seats")) == ([(8,)], [(7,)])


def test_no_secret_of_a_person_is_kept_with_an_entity(small: SmallSite) -> None:  # noqa: F811
    """The id and the address, nothing else: neither the token that is unique, nor the name."""
    small.run(*_TABLES)
    made = small.save()
    entry = next(each for each in small.repository.snapshots() if each.info.id == made.snapshot.id)
    reader = small.repository.reader()
    root = small.repository.manifest(entry, reader).root
    kept = b"".join(reader.read(chunk) for chunk in root.undo)
    assert b"ada@x" in kept and b"bob@x" in kept
    assert b"token" not in kept and b"Ada" not in kept


def test_a_copy_takes_values_as_programs_have_them(small: SmallSite) -> None:  # noqa: F811
    """Numbers, nothing, truths; what no column reads is a clear error."""
    small.run("CREATE TABLE events (id INTEGER PRIMARY KEY, n INTEGER, t TEXT, ok BOOLEAN)",
              "INSERT INTO events VALUES (1, 1, 'a', '0')")  # fmt: skip
    subject = small.subject()
    entity_clone(small.repository, EntityCloneOrder(subject=subject, as_="9", values={"n": 7, "t": None, "ok": True}))
    assert small.rows("SELECT n, t, ok FROM events WHERE id = 9") == [(7, None, True)]
    with pytest.raises(UsageError, match="list"):
        entity_clone(small.repository, EntityCloneOrder(subject=subject, values={"t": [1]}))
