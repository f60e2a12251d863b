"""Everything that can happen in a small repository happens here, and nothing is lost; without a rule, something is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.model.actors import Care, Scene, Stage, State
from tests.model.explore import explore
from tests.model.scenes import (
    BACKUP_AND_REPACK,
    BACKUP_AND_RESTORE,
    DEFAULT,
    LATER,
    LETTING_GO,
    TWO_BACKUPS,
    TWO_PRUNERS,
)
from tests.model.world import bits, covers, name_of

from holdfast.repository import guards
from holdfast.repository.guards import Rule

UNREADABLE = "cannot be read"


@pytest.mark.parametrize("name", DEFAULT)
def test_nothing_is_ever_lost(name: str) -> None:
    """Living snapshots, running restores, reported snapshots and packs of open sessions: kept after every step."""
    scene, limit = DEFAULT[name]
    found = explore(scene, limit=limit or 10**9, stories=False)
    if found.lost:
        found = explore(scene)  # once more, remembering the way
    assert not found.lost, "\n".join([found.lost, *found.story])
    assert found.complete or limit
    assert found.states > 20_000


@pytest.mark.parametrize(
    ("scene", "off", "lost", "steps"),
    [
        (TWO_BACKUPS, {Rule.CLOSED_CANNOT_COMMIT}, "reported a snapshot that nobody counts", 5),
        (TWO_BACKUPS, {Rule.CLOSED_CANNOT_COMMIT, Care.READERS_VOID}, UNREADABLE, 9),
        (TWO_BACKUPS, {Rule.CONDEMNED_IS_ABSENT}, UNREADABLE, 8),
        (TWO_BACKUPS, {Care.BASES_OBEY}, UNREADABLE, 8),
        (TWO_BACKUPS, {Rule.SWEEP_WAITS}, UNREADABLE, 8),
        (TWO_BACKUPS, {Rule.SWEEP_UNREACHABLE}, UNREADABLE, 5),
        (TWO_PRUNERS, {Rule.COVER_STANDS}, UNREADABLE, 14),
        (TWO_BACKUPS, {Rule.SWEPT_IS_GONE}, UNREADABLE, 5),
        (TWO_BACKUPS, {Rule.OPEN_SESSIONS_KEEP}, "a pack of an open session is condemned", 5),
        (TWO_BACKUPS, {Care.PACK_BEFORE_RECORD}, UNREADABLE, 4),
        (TWO_BACKUPS, {Care.SWEEP_THEN_DELETE}, UNREADABLE, 12),
        (BACKUP_AND_REPACK, {Care.COVER_HOLDS_BASES}, UNREADABLE, 8),
        (BACKUP_AND_RESTORE, {Care.RESTORE_IS_SESSION}, "lost what it reads", 8),
        (BACKUP_AND_RESTORE, {Care.RESTORE_TAKES_BACK}, "lost what it reads", 11),
        (LETTING_GO, {Rule.LET_GO_WAITS}, UNREADABLE, 7),
        (LETTING_GO, {Rule.SWEEP_UNREACHABLE}, UNREADABLE, 2),
        (LATER, {Rule.UNKNOWN_BINDS}, "is held and cannot be read", 5),
        (LATER, {Care.FOLDS_KNOW}, "is held and cannot be read", 7),
    ],
)
def test_without_the_rule_something_is_lost(scene: Scene, off: set[Rule | Care], lost: str, steps: int) -> None:
    """Each rule is needed, and the exploration can see it: the shortest story of the loss has so many steps."""
    found = explore(replace(scene, off=frozenset(off)), limit=1_000_000)
    assert lost in found.lost
    assert len(found.story) == steps, found.story


def test_a_void_snapshot_and_a_refused_writer_protect_twice() -> None:
    """Readers that counted forbidden snapshots would do no harm while writers keep rule 1, and the reverse."""
    readers_only = explore(replace(TWO_PRUNERS, off=frozenset({Care.READERS_VOID})), stories=False)
    assert not readers_only.lost
    assert readers_only.complete


def _prune_in_peace(stage: Stage, state: State) -> State:
    """Expire everybody, then prune until nothing is left to do, each record only if its guard allows it."""
    log = stage.log.logs[state[0]]
    number, store, index = state[:3]
    for session, is_open in enumerate(log.open):
        if is_open:
            number = stage.log.after(number, ("expire", session, 0))
    log = stage.log.logs[number]
    need = 0
    for session, ordinal in log.living:
        need |= stage.scene.needs[session][ordinal]
    there = index & ~log.swept
    cover = (covers(need, there & ~log.condemned) or covers(need, there))[0]
    taken_back = cover & log.condemned
    if taken_back:
        number = stage.log.after(number, ("uncondemn", taken_back, 0))
    for bit in bits(store & ~cover & ~log.swept):
        name, proof = [name_of(bit)], stage.log.cover(number, cover, fresh=True)
        if not bit & stage.log.logs[number].condemned:
            assert not list(guards.may_condemn(stage.log.logs[number].state, name, proof))
            number = stage.log.after(number, ("condemn", bit, 0))
        proof = stage.log.cover(number, cover, fresh=True)
        assert not list(guards.may_sweep(stage.log.logs[number].state, name, proof))
        number = stage.log.after(number, ("sweep", bit, 0))
    swept = stage.log.logs[number].swept
    return number, store & ~swept, index & ~swept, state[3], state[4]


@pytest.mark.parametrize("scene", [TWO_PRUNERS, BACKUP_AND_REPACK])
def test_one_prune_in_peace_leaves_nothing_over(scene: Scene) -> None:
    """However torn the history was, no guard is in the way and what remains is exactly what is needed."""
    seen = 0

    def tidy(stage: Stage, state: State) -> None:
        nonlocal seen
        seen += 1
        if seen % 10 == 0:
            after = _prune_in_peace(stage, state)
            log = stage.log.logs[after[0]]
            assert not stage.broken(after)
            assert not log.condemned
            kept = {name_of(bit) for bit in bits(after[1])}
            need = 0
            for session, ordinal in log.living:
                need |= scene.needs[session][ordinal]
            assert kept in [{name_of(bit) for bit in bits(cover)} for cover in covers(need, after[1])]

    explore(scene, limit=60_000, stories=False, visit=tidy)
    assert seen > 20_000
