"""Prune frees what nobody needs, and leaves what somebody may still go on from."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.world import EAGER, RowsSource, World, cheap, require_tidy, require_whole, room, rows  # noqa: F401

from holdfast.model.errors import SessionExpired
from holdfast.model.prune import PrunePolicy
from holdfast.repository import records as rec
from holdfast.repository.needs import Needs
from holdfast.repository.rebuild import packs_present
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.prune import PruneRequest, prune


@pytest.fixture
def world(room: Path, cheap: None) -> World:  # noqa: F811
    return World(room).create()


def test_an_interrupted_backup_goes_on_after_a_prune(world: World) -> None:
    """What the unfinished run had stored survives the prune, is not stored again, and goes once a backup committed."""
    data = {"t": [rows(number, 400_000) for number in range(20)]}
    source = RowsSource(data, keep=False, stop_after=6_000_000)
    with world.opened("client") as repository, pytest.raises(InterruptedError):
        backup(repository, BackupRequest(sources={"app": source}))
    before = world.objects("packs/")
    assert before
    world.prune(client="client")
    assert world.objects("packs/") == before
    world.back_up("whole", data, "client")
    with world.opened("client") as repository:
        assert repository.snapshots()[0].info.bytes_new < sum(map(len, data["t"])) - 500_000
    world.back_up("other", {"u": [rows(99)]}, "client")
    world.forget("whole", client="client")
    world.prune(client="client")
    require_whole(world)
    require_tidy(world)


def test_the_log_lets_go_of_snapshots_that_cannot_come_back(world: World) -> None:
    """What was forgotten can be regretted until its data is swept; then nobody carries it along any more."""
    world.back_up("one", {"t": [rows(1)]}, "client")
    world.back_up("two", {"t": [rows(2)]}, "client")
    world.forget("one", client="client")
    with world.opened("client") as repository:
        assert len(repository.snapshots(forgotten=True)) == 2
    world.prune(client="client")
    with world.opened() as repository:
        assert [entry.info.name for entry in repository.snapshots(forgotten=True)] == ["two"]
    require_whole(world)


def test_the_log_lets_go_of_sessions_of_which_nothing_is_left(world: World) -> None:
    """However many came and went: the state knows those that snapshots or packs still name, and hardly more."""
    for number in range(12):
        world.back_up(f"s{number}", {"t": [rows(number)]}, "client")
        with world.opened("client") as repository, repository.begin("restore"):
            pass
        if number:
            world.forget(f"s{number - 1}", client="client")
        world.prune(client="client")
    with world.opened() as repository:
        state = repository.log.state
        named = {snapshot.session for snapshot in state.snapshots.values()}
        named |= {name[:16].hex() for name in packs_present(repository.vault)}
        assert named <= set(state.sessions)
        assert len(state.sessions) <= len(named) + 1
        assert not state.voids
    require_whole(world)
    require_tidy(world)


def test_what_a_stalled_process_brings_after_it_was_let_go_of_is_taken_away(world: World) -> None:
    """Its session is let go of: its packs and fragments count for nothing, and the next prune removes them."""
    world.back_up("kept", {"t": [rows(1)]}, "client")
    with world.opened("stalled") as stalled:
        late = stalled.begin("backup")
        with world.opened("client") as repository:
            repository.log.append(rec.Expire(session=late.id, reason="test"))
        world.back_up("since", {"t": [rows(2)]}, "client")
        world.prune(client="client")
        with world.opened("client") as repository:
            assert late.id not in repository.log.state.sessions
        chunk = late.put_data(rows(50, 60_000))
        late.flush()
        with pytest.raises(SessionExpired):
            late.commit(repository.snapshots()[0].info, chunk)
        late.close()
    assert any(late.id in name for name in world.objects("packs/"))
    with world.opened("another") as repository, repository.begin("backup") as session:
        assert not session.reader.has(chunk)
    world.prune(client="client")
    assert not any(late.id in name for name in world.objects(""))
    require_whole(world)
    require_tidy(world)


def test_a_prune_counts_needs_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan, condemn, sweep and let-go rest on one count, two where packs are copied; dead packs still go."""
    counts: list[int] = []
    init = Needs.__init__

    def counted(*arguments: object, **named: object) -> None:
        counts.append(1)
        init(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Needs, "__init__", counted)
    for number in range(3):
        world.back_up(f"s{number}", {"t": [rows(number, 40_000)]}, "client")
    world.forget("s1", client="client")
    before = len(world.objects("packs/"))
    world.prune(PrunePolicy(min_small=1000), client="client")
    assert len(world.objects("packs/")) < before
    assert len(counts) == 1
    counts.clear()
    world.prune(client="client")  # merges the small ones
    assert len(counts) == 2
    monkeypatch.undo()
    require_whole(world)
    require_tidy(world)


def test_copies_that_take_more_than_was_freed_are_told_apart(world: World) -> None:
    """While a session is open nothing is freed, but half-empty packs are copied: freed is 0, never less."""
    world.back_up("one", {"t": [rows(number, 200_000) for number in range(6)]}, "client")
    world.back_up("two", {"t": [rows(number, 200_000) for number in range(3)]}, "client")
    world.forget("one", client="client")
    with world.opened("reader") as reader, reader.begin("restore"), world.opened("client") as repository:
        done = prune(repository, PruneRequest(policy=EAGER))
        assert done.freed == 0
        assert done.taken > 0
        assert done.plan.frees_now < 0
    with world.opened("client") as repository:
        later = prune(repository, PruneRequest(policy=EAGER))
    assert later.freed > done.taken
    assert later.taken == 0
