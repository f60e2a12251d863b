"""Noting acts: in words without values, before and after, refused where that is demanded; and finding them again."""

from __future__ import annotations

import pytest
from tests.faults.scripted_storage import Scripted
from tests.faults.world import World
from tests.unit.repository.opened import cheap, memory, repository, room, world

from holdfast.model.audit import Act
from holdfast.model.errors import HoldfastError, TargetError
from holdfast.repository.repository import Repository
from holdfast.storage.memory import MemoryStorage
from holdfast.usecases import audit
from holdfast.usecases.audit import ActQuery, acts, note, verify
from holdfast.usecases.noting import noted, without_values

__all__ = ["cheap", "memory", "repository", "room", "world"]


def act(number: int = 0, **changes: object) -> Act:
    """A look at some minute."""
    given = {"deed": "data:read", "who": "ada", "via": "cli", "what": "look"}
    given["at"] = f"2026-11-21T10:{number:02d}:00.000Z"
    return Act(**{**given, **changes})  # type: ignore[arg-type]


def stubborn(world: World, memory: MemoryStorage) -> Repository:
    """A repository in a store that takes no entry of the trail."""
    world.store = lambda: Scripted(memory, "put_new@audit/*:break")
    return world.open()


def test_an_act_that_cannot_be_noted_is_told_with_a_warning(world: World, memory: MemoryStorage) -> None:
    """A store one may only read does not stop a restore; that it is not recorded is said."""
    told = note(stubborn(world, memory), act())
    assert told.number is None and "not in the audit trail" in told.warning


def test_where_it_is_demanded_nothing_is_done_that_cannot_be_noted(world: World, memory: MemoryStorage) -> None:
    """Neither a look nor a change."""
    repository = stubborn(world, memory)
    with pytest.raises(HoldfastError, match="refused") as caught:
        note(repository, act(), required=True)
    assert caught.value.why
    done = False
    with pytest.raises(HoldfastError, match="refused"), noted(repository, act(deed="restore:undo"), required=True):
        done = True
    assert not done


def test_a_change_is_noted_before_it_begins_and_when_it_ended(repository: Repository) -> None:
    """Its end names its beginning, and carries what became known meanwhile."""
    with noted(repository, act(deed="delete:prune")) as ending:
        (begun,) = acts(repository, ActQuery())
        assert begun.act.outcome == "begun"
        ending.subject, ending.more["freed"] = "s1", 12
    ended, _ = acts(repository, ActQuery())
    assert (ended.act.outcome, ended.act.subject, ended.act.more) == ("ok", "s1", {"freed": 12, "begun": 1})


def test_a_change_that_fails_is_noted_as_failed(repository: Repository) -> None:
    """With the code of the error, not with its words, which may name what only few should read."""
    with pytest.raises(TargetError), noted(repository, act(deed="restore:in-place")):
        raise TargetError("row 'secret value' is in the way")
    ended, _ = acts(repository, ActQuery())
    assert ended.act.outcome == "failed" and ended.act.more == {"error": "target", "begun": 1}
    with pytest.raises(KeyboardInterrupt), noted(repository, act()):
        raise KeyboardInterrupt
    assert next(iter(acts(repository, ActQuery()))).act.outcome == "failed"


def test_acts_are_found_newest_first_by_every_filter(repository: Repository) -> None:
    """Deeds fit what goes on behind a colon; times are from and before; entries page by number."""
    note(repository, act(0, source="shop", subject="abcd"), act(1, who="bo"))
    note(repository, act(2, deed="restore:in-place", outcome="failed"))
    note(repository, act(3, deed="restores", via="api"))

    def found(**wanted: object) -> list[str]:
        return [each.id for each in acts(repository, ActQuery(**wanted))]  # type: ignore[arg-type]

    assert found() == ["3", "2", "1.2", "1"]
    assert found(deeds=["restore"]) == ["2"]
    assert found(who=["bo"]) == ["1.2"]
    assert found(via=["api"]) == ["3"]
    assert found(sources=["shop"]) == found(subjects=["ab"]) == ["1"]
    assert found(outcomes=["failed"]) == ["2"]
    assert found(since="2026-11-21T10:01:00.000Z", until="2026-11-21T10:03:00.000Z") == ["2", "1.2"]
    assert found(limit=2) == ["3", "2"]
    assert found(before=2) == ["1.2", "1"]
    assert found(limit=0) == []


def test_a_page_reads_little_more_than_it_shows_and_since_ends(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the whole trail, one object an entry."""
    monkeypatch.setattr(audit, "_STALE", 20)
    for number in range(120):
        day = "2026-11-21" if number >= 100 else "2026-10-01"
        note(repository, act(number % 60, at=f"{day}T10:00:00.000Z"))
    asked: list[int] = []
    read = repository.trail.read
    monkeypatch.setattr(repository.trail, "read", lambda number: (asked.append(number), read(number))[1])
    assert len(list(acts(repository, ActQuery(limit=5)))) == 5 and len(asked) <= 32
    asked.clear()
    assert len(list(acts(repository, ActQuery(since="2026-11-20T00:00:00.000Z")))) == 20
    assert len(asked) <= 96, "not all 120"


def test_a_lost_entry_does_not_hide_the_others(repository: Repository, memory: MemoryStorage) -> None:
    """What can be read is listed; that it is not all, a verification tells."""
    for number in range(3):
        note(repository, act(number))
    memory.delete("audit/000000000002")
    assert [each.id for each in acts(repository, ActQuery())] == ["3", "1"]
    assert len(verify(repository).found.findings) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("select * from t where name = 'Ada'", "select * from t where name = ?"),
        ("name = 'O''Hara' and n >= 100.5", "name = ? and n >= ?"),
        ("x = 1 -- Ada", "x = ?"),
        ("x /* Ada\n Ada */ = 1", "x = ?"),
        ("x = $$Ada$$ or y = $q$Ada$q$", "x = ? or y = ?"),
        ("x = 'Ada", "x = ?"),
        ('"Name" = \'Ada\' and t1.c2 = 3', '"Name" = ? and t1.c2 = ?'),
        ("x = E'Ada' or b = x'ff' or d = DATE '2026-01-01'", "x = ? or b = ? or d = DATE ?"),
    ],
)
def test_values_are_taken_out_of_conditions(text: str, told: str) -> None:
    """Strings, numbers and comments; names stay."""
    assert without_values(text) == told


@pytest.mark.parametrize(
    "text", ["x = 'a\\' and y = 'Ada'", "x = E'a\\'Ada' and y = 'Ada'", "x = $a\\$ 'Ada'", "'\\' || 'Ada' || '\\'"]
)
def test_nothing_leaks_where_a_backslash_means_two_things(text: str) -> None:
    """Databases differ in what it does within quotes: whatever follows is left out."""
    assert "Ada" not in without_values(text)
