"""Retention in a repository: what is dropped, what waits for a person, and how long it can be regretted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import time_machine
from tests.faults.world import EAGER, RowsSource, World, cheap, room, rows  # noqa: F401

from holdfast.model.errors import RepositoryBusy
from holdfast.model.keeping import HoldLimits, KeepRules, KeepTerms
from holdfast.repository.confirmed import RETENTION, read_confirmed
from holdfast.repository.repository import Repository
from holdfast.storage.base import Stat, Traits
from holdfast.storage.memory import MemoryStorage
from holdfast.system import clock
from holdfast.usecases import retention
from holdfast.usecases.audit import ActQuery, acts
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.check import CheckRequest, check
from holdfast.usecases.prune import PruneRequest, PruneResult, prune

START = datetime(2026, 9, 1, 4, tzinfo=UTC)
TERMS = KeepTerms(source="app", rules=KeepRules(last=6))
ME = retention.Doing(who="a test")


@pytest.fixture
def world(room: Path, cheap: None) -> World:  # noqa: F811
    return World(room).create()


@pytest.fixture
def repository(world: World, travel: time_machine.Coordinates) -> Iterator[Repository]:
    with world.opened("client") as repository:
        yield repository


@pytest.fixture
def travel() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(START, tick=False) as coordinates:
        yield coordinates


def take(repository: Repository, travel: time_machine.Coordinates, count: int, environment: str = "") -> None:
    """So many snapshots, a day apart; the clock stays a day after the last."""
    for _ in range(count):
        data = {"t": [rows(int(clock.now().timestamp()) % 9973, 3_000)]}
        environments = {"app": environment} if environment else {}
        backup(repository, BackupRequest(sources={"app": RowsSource(data)}, environments=environments))
        travel.shift(timedelta(days=1))


def request(terms: KeepTerms = TERMS) -> retention.RetentionRequest:
    return retention.RetentionRequest(terms=[terms], now=clock.now())


def follow(repository: Repository, terms: KeepTerms = TERMS, *, confirm: bool = False) -> int:
    """Plan and apply; how many went."""
    plan = retention.plan(repository, request(terms))
    return len(retention.apply(repository, plan, replace(ME, confirm=confirm)))


def alive(repository: Repository) -> int:
    return len(repository.snapshots())


def test_rules_that_were_followed_from_the_start_are_never_held(
    repository: Repository, travel: time_machine.Coordinates
) -> None:
    """A new source with last=6 keeps 6 from the seventh snapshot on, although one of seven is much of it."""
    terms = replace(TERMS, rules=KeepRules(last=2))
    for day in range(1, 6):
        take(repository, travel, 1)
        follow(repository, terms)
        assert alive(repository) == min(day, 2)


def test_the_first_rules_that_drop_much_wait_for_a_person(
    repository: Repository, travel: time_machine.Coordinates
) -> None:
    """Nothing was confirmed before: nothing is dropped, a finding tells how to agree, and agreeing drops it."""
    take(repository, travel, 12)
    plan = retention.plan(repository, request())
    assert "6 of 12 snapshots would go, and no rules were confirmed before (50 %)" in plan.held[0].held
    assert retention.apply(repository, plan, ME) == []
    (found,) = retention.findings(plan)
    assert (found.code, found.source) == ("retention-held", "app")
    assert "forget --policy --confirm app" in found.hint
    assert alive(repository) == 12
    assert follow(repository, confirm=True) == 6
    assert follow(repository) == 0


def test_a_change_that_drops_much_is_held_and_the_old_rules_go_on_when_put_back(
    repository: Repository, travel: time_machine.Coordinates
) -> None:
    """From 30 to 3: held, however often it is tried; back to 30: nothing is held."""
    long = replace(TERMS, rules=KeepRules(last=30))
    take(repository, travel, 1)
    follow(repository, long)
    take(repository, travel, 11)
    short = replace(TERMS, rules=KeepRules(last=3))
    for _ in range(3):
        assert follow(repository, short) == 0
        assert retention.plan(repository, request(short)).held
    assert follow(repository, long) == 0
    assert not retention.plan(repository, request(long)).held
    assert alive(repository) == 12


def test_a_change_that_drops_little_is_not_held(repository: Repository, travel: time_machine.Coordinates) -> None:
    """Two of twelve are neither more than five nor more than a fifth."""
    take(repository, travel, 1)
    follow(repository, replace(TERMS, rules=KeepRules(last=30)))
    take(repository, travel, 11)
    assert follow(repository, replace(TERMS, rules=KeepRules(last=10))) == 2


def test_what_the_confirmed_rules_drop_anyway_is_not_counted(
    repository: Repository, travel: time_machine.Coordinates
) -> None:
    """Retention that did not run for long may drop more than five at once: nobody changed anything."""
    take(repository, travel, 1)
    follow(repository)
    take(repository, travel, 15)
    assert follow(repository) == 10


def test_loosened_rules_count_from_the_next_backup_on(
    repository: Repository, travel: time_machine.Coordinates
) -> None:
    """Nobody followed them, and yet going back from them to tight ones is a change that is held."""
    tight, loose = (replace(TERMS, rules=KeepRules(last=number)) for number in (3, 40))
    take(repository, travel, 1)
    follow(repository, tight)
    for _ in range(14):
        take(repository, travel, 1)
        retention.remember(repository, retention.plan(repository, request(loose)), "a test")
    assert follow(repository, tight) == 0
    assert "12 more than under the rules confirmed last" in retention.plan(repository, request(tight)).sources[0].held
    retention.remember(repository, retention.plan(repository, request(tight)), "a test")
    assert follow(repository, tight) == 0, "what is held is not remembered"


def test_other_settings_than_rules_are_changes_too(repository: Repository, travel: time_machine.Coordinates) -> None:
    """Labels that no longer keep for ever, shorter times for entities: what they drop is counted."""
    labelled = replace(TERMS, rules=KeepRules(last=30), labels=("*",))
    take(repository, travel, 1)
    follow(repository, labelled)
    for number in range(8):
        source = {"app": RowsSource({"t": [rows(number)]})}
        backup(repository, BackupRequest(sources=source, name=f"nice-{number}", partial=True))
    travel.shift(timedelta(days=31))
    take(repository, travel, 1)
    travel.shift(timedelta(days=31))
    take(repository, travel, 1)
    assert follow(repository, labelled) == 0
    assert retention.plan(repository, request(replace(labelled, labels=()))).held


def test_losing_what_was_confirmed_holds(
    world: World, repository: Repository, travel: time_machine.Coordinates
) -> None:
    """Whoever deletes the notes of what was confirmed makes retention ask, not drop."""
    take(repository, travel, 12)
    follow(repository, confirm=True)
    take(repository, travel, 12)
    assert not retention.plan(repository, request()).held
    for name in world.objects(RETENTION):
        world.storage().delete(name)
    assert retention.plan(repository, request()).held
    assert read_confirmed(repository).rules == {}


def test_what_was_confirmed_lies_sealed_in_the_repository(
    world: World, repository: Repository, travel: time_machine.Coordinates
) -> None:
    """Another machine knows it; old notes go; an altered one counts as lost."""
    take(repository, travel, 12)
    follow(repository, confirm=True)
    with world.opened("elsewhere") as other:
        assert read_confirmed(other).rules["app/production"]["rules"] == {"last": 6}
        assert not retention.plan(other, request()).held
    for last in (7, 8, 9):
        follow(repository, replace(TERMS, rules=KeepRules(last=last)))
    assert len(world.objects(RETENTION)) == 2
    newest = world.repo / world.objects(RETENTION)[-1]
    newest.chmod(0o600)
    newest.write_bytes(newest.read_bytes()[:-1] + b"?")
    assert read_confirmed(repository).rules == {}


def test_environments_do_not_see_each_other(repository: Repository, travel: time_machine.Coordinates) -> None:
    """Production's and preview's snapshots of a source of one name: each keeps its own 6, and tells of the others."""
    take(repository, travel, 3, "production")
    follow(repository)
    take(repository, travel, 10, "preview")
    take(repository, travel, 5, "production")
    assert follow(repository) == 2
    preview = replace(TERMS, environment="preview")
    plan = retention.plan(repository, request(preview))
    assert len(plan.sources[0].decisions) == 10
    assert plan.sources[0].elsewhere == 6
    assert follow(repository, preview, confirm=True) == 4
    assert alive(repository) == 12


def test_rules_just_typed_are_followed_once(repository: Repository, travel: time_machine.Coordinates) -> None:
    """A person who types them agrees to them: nothing is held, and nothing is remembered."""
    take(repository, travel, 12)
    asked = replace(request(), adhoc=KeepRules(last=2))
    plan = retention.plan(repository, asked)
    assert not plan.held
    assert len(retention.apply(repository, plan, ME)) == 10
    assert read_confirmed(repository).rules == {}


def test_nothing_is_dropped_when_what_has_to_stay_went_meanwhile(
    world: World, repository: Repository, travel: time_machine.Coordinates
) -> None:
    """Another client forgets the newest good one between plan and deed: then nothing of the plan is done."""
    take(repository, travel, 1)
    follow(repository)
    take(repository, travel, 8)
    plan = retention.plan(repository, request())
    with world.opened("other") as other:
        other.forget([other.snapshots()[-1].info.id])
    with pytest.raises(RepositoryBusy):
        retention.apply(repository, plan, ME)
    assert alive(repository) == 8


def test_what_is_not_configured_is_left_alone_and_told(
    repository: Repository, travel: time_machine.Coordinates
) -> None:
    """A source that was taken out of the configuration keeps what it has."""
    take(repository, travel, 3)
    plan = retention.plan(repository, request(replace(TERMS, source="other")))
    assert plan.unknown == {"app": 3}
    assert retention.apply(repository, plan, ME) == []


def test_the_audit_trail_tells_what_was_dropped_and_by_which_rules(
    repository: Repository, travel: time_machine.Coordinates
) -> None:
    """Begun and ended, with the ids; agreeing to a change is a deed of its own."""
    take(repository, travel, 12)
    follow(repository, confirm=True)
    take(repository, travel, 1)
    follow(repository)
    told = [each.act for each in acts(repository, ActQuery())]
    assert [act.deed for act in told if act.outcome == "ok"] == ["delete:forget", "config:retention", "delete:forget"]
    first = [act for act in told if act.outcome == "ok"][1:]
    assert all(len(act.more["snapshots"]) == 6 for act in first)
    assert all(act.more["rules"] == {"app/production": {"last": 6}} for act in first)


# -- how long it can be regretted

GRACE = timedelta(days=14)


def pruned(repository: Repository, grace: timedelta | None = GRACE) -> PruneResult:
    return prune(repository, PruneRequest(policy=EAGER, grace=grace))


def forgotten(repository: Repository) -> list[str]:
    return [entry.info.id for entry in repository.snapshots(forgotten=True) if entry.forgotten]


def test_prune_leaves_what_was_forgotten_a_short_while_ago(
    repository: Repository, travel: time_machine.Coordinates
) -> None:
    """13 days later all of it comes back; 15 days later its space is free."""
    take(repository, travel, 3)
    first = repository.snapshots()[0].info.id
    repository.forget([first])
    at = clock.now()
    travel.shift(timedelta(days=13))
    result = pruned(repository)
    assert result.reprieve is not None
    assert result.reprieve.snapshots == (first,)
    assert result.reprieve.size > 1000
    assert result.reprieve.first == at + GRACE
    repository.unforget([first])
    require_whole_repository(repository)
    repository.forget([first])
    travel.shift(timedelta(days=13))
    again = pruned(repository).reprieve
    assert again is not None, "the time counts from the last forget"
    assert again.snapshots == (first,)
    travel.shift(timedelta(days=2))
    assert pruned(repository).freed > 0
    assert forgotten(repository) == []


def test_a_person_may_free_it_at_once(repository: Repository, travel: time_machine.Coordinates) -> None:
    """Without a grace nothing is left."""
    take(repository, travel, 3)
    repository.forget([repository.snapshots()[0].info.id])
    assert pruned(repository, None).freed > 0
    assert forgotten(repository) == []


def test_the_time_of_forgetting_outlives_folding_the_log(
    world: World, repository: Repository, travel: time_machine.Coordinates
) -> None:
    """A reader that begins with a checkpoint knows it as one that reads everything does."""
    take(repository, travel, 2)
    first = repository.snapshots()[0].info.id
    repository.forget([first])
    at = clock.stamp()
    travel.shift(timedelta(days=1))
    while not repository.log.checkpoints():
        repository.pin([repository.snapshots()[0].info.id])
    with world.opened("fresh") as fresh:
        (entry,) = [each for each in fresh.snapshots(forgotten=True) if each.forgotten]
        assert entry.forgotten_at == at
        assert pruned(fresh).reprieve is not None


def test_a_checkpoint_of_a_version_without_times_is_passed_over(
    world: World, repository: Repository, travel: time_machine.Coordinates
) -> None:
    """It cannot tell when something was forgotten: the log itself can."""
    take(repository, travel, 2)
    repository.forget([repository.snapshots()[0].info.id])
    at = clock.stamp()
    while not (names := repository.log.checkpoints()):
        repository.pin([repository.snapshots()[0].info.id])
    sealed = world.repo / names[-1]
    plain = msgspec.msgpack.decode(repository.sealer.open("checkpoint", names[-1], sealed.read_bytes()))
    for each in plain["snapshots"]:
        del each["forgotten_at"]
    sealed.chmod(0o600)
    sealed.write_bytes(repository.sealer.seal("checkpoint", names[-1], msgspec.msgpack.encode(plain)))
    with world.opened("fresh") as fresh:
        assert [each.forgotten_at for each in fresh.snapshots(forgotten=True) if each.forgotten] == [at]
        assert check(fresh, CheckRequest()).ok


def test_what_prune_already_took_from_does_not_stop_the_next(
    world: World, repository: Repository, travel: time_machine.Coordinates
) -> None:
    """Of two that were forgotten one lost its data to prune --now: the other is spared, the first is no obstacle."""
    take(repository, travel, 4)
    one, two, *_ = (entry.info.id for entry in repository.snapshots())
    repository.forget([one])
    packs = set(world.objects("packs/"))
    pruned(repository, None)
    assert set(world.objects("packs/")) != packs
    repository.forget([two])
    left = pruned(repository).reprieve
    assert left is not None
    assert left.snapshots == (two,)
    repository.unforget([two])
    require_whole_repository(repository)


def require_whole_repository(repository: Repository) -> None:
    assert check(repository, CheckRequest(read_data=1)).ok


def test_limits_are_settings(repository: Repository, travel: time_machine.Coordinates) -> None:
    """Who wants to be asked later, or earlier, says so."""
    take(repository, travel, 12)
    generous = replace(request(), limits=HoldLimits(count=6, percent=50))
    assert not retention.plan(repository, generous).held
    assert retention.plan(repository, replace(request(), limits=HoldLimits(count=5, percent=50))).held


def test_looking_at_a_plan_that_drops_little_asks_nothing_of_the_store(
    repository: Repository, travel: time_machine.Coordinates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks every few seconds may plan each time: what was confirmed is read only where much would go."""
    take(repository, travel, 7)
    asked: list[str] = []
    real = repository.storage.list

    def counted(prefix: str = "") -> Iterator[Stat]:
        asked.append(prefix)
        return real(prefix)

    monkeypatch.setattr(repository.storage, "list", counted)
    assert not retention.plan(repository, request()).held
    assert asked == []
    assert retention.plan(repository, request(replace(TERMS, rules=KeepRules(last=1)))).held
    assert asked == [RETENTION]


WITHIN = replace(TERMS, rules=KeepRules(within=timedelta(days=10)))


def test_what_goes_by_age_is_held_after_a_leap_of_the_clock(
    repository: Repository, travel: time_machine.Coordinates
) -> None:
    """One night the clock is 60 days ahead: nothing goes, and a finding tells why; a person may agree."""
    for _ in range(8):
        take(repository, travel, 1)
        follow(repository, WITHIN)
    right = clock.now()
    travel.shift(timedelta(days=60))
    take(repository, travel, 1)
    assert follow(repository, WITHIN) == 0
    (told,) = retention.findings(retention.plan(repository, request(WITHIN)))
    assert told.what == (
        "retention of app is held: 8 of 9 snapshots would go by their age, and nothing was stored for 61 d before"
        " 2026-11-08 04:00 UTC: a long pause, or a clock that jumped ahead"
    )
    travel.move_to(right)
    take(repository, travel, 1)
    assert follow(repository, WITHIN) == 0, "the clock is right again: nothing is as old as it seemed"
    assert alive(repository) == 10
    travel.shift(timedelta(days=60))
    assert follow(repository, WITHIN, confirm=True) == 8


def test_typed_rules_do_not_go_by_a_clock_that_leaped(
    repository: Repository, travel: time_machine.Coordinates
) -> None:
    """Whoever types them knows the rules, not the clock; rules that only count go on."""
    take(repository, travel, 5)
    travel.shift(timedelta(days=60))
    take(repository, travel, 1)
    typed = replace(request(), adhoc=KeepRules(within=timedelta(days=3)))
    assert retention.plan(repository, typed).held
    assert not retention.plan(repository, replace(request(), adhoc=KeepRules(last=2))).held


class _OwnClock(MemoryStorage):
    """A store elsewhere, whose clock is right."""

    ahead = timedelta(0)

    @property
    def traits(self) -> Traits:
        return Traits(pack_size=64 << 10)

    def stat(self, name: str) -> Stat:
        found = super().stat(name)
        return replace(found, modified=found.modified - self.ahead.total_seconds())


@pytest.fixture
def remote(world: World, travel: time_machine.Coordinates) -> Iterator[tuple[Repository, _OwnClock]]:
    """A repository on such a store."""
    store = _OwnClock("remote")
    world.store = lambda: store  # type: ignore[method-assign]
    world.create()
    with world.opened("remote") as repository:
        yield repository, store


def test_the_store_s_clock_is_asked_before_anything_goes_by_age(
    remote: tuple[Repository, _OwnClock], travel: time_machine.Coordinates
) -> None:
    """A clock that is two days ahead shows in no gap; the store knows."""
    repository, store = remote
    for _ in range(12):
        take(repository, travel, 1)
    travel.shift(timedelta(days=1))
    store.ahead = timedelta(days=2)
    plan = retention.plan(repository, replace(request(WITHIN), limits=HoldLimits(count=99, percent=99)))
    assert "the clock here says 2026-09-14 04:00 UTC, that of the store 2026-09-12 04:00 UTC" in plan.sources[0].held
    store.ahead = timedelta(0)
    plan = retention.plan(repository, replace(request(WITHIN), limits=HoldLimits(count=99, percent=99)))
    assert plan.sources[0].held == ""


def test_the_two_weeks_of_grace_have_to_be_over_by_the_store_s_clock_too(
    remote: tuple[Repository, _OwnClock], travel: time_machine.Coordinates
) -> None:
    """A prune by a clock that is three weeks ahead leaves what was forgotten today."""
    repository, store = remote
    take(repository, travel, 2)
    first = repository.snapshots()[0].info.id
    repository.forget([first])
    store.ahead = timedelta(days=21)
    travel.shift(store.ahead)
    assert prune(repository, PruneRequest(policy=EAGER, grace=timedelta(days=14))).reprieve is not None
    repository.unforget([first])
    repository.forget([first])
    store.ahead = timedelta(0)
    travel.shift(timedelta(days=21))
    assert prune(repository, PruneRequest(policy=EAGER, grace=timedelta(days=14))).reprieve is None
