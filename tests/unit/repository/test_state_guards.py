"""What may be appended, rule by rule, and the sentences in which a refusal is told."""

from __future__ import annotations

import pytest
from tests.unit.repository.state_world import ONE, THREE, TWO, MemoryLog, begin, pack, snapshot

from holdfast.model.errors import RepositoryBusy, SessionExpired, UsageError
from holdfast.repository import guards
from holdfast.repository import records as rec
from holdfast.repository.guards import Cover, Rule

A, B = "a" * 32, "b" * 32


def _log(*bodies: rec.Body) -> MemoryLog:
    log = MemoryLog()
    log.put(*bodies)
    return log


def _rules(refusals: object) -> set[Rule]:
    return {refusal.rule for refusal in refusals}  # type: ignore[attr-defined]


def test_only_an_open_session_commits() -> None:
    """Rule 1: never begun, ended and expired are each refused as an expired session, with what to do."""
    log = _log(begin(ONE), begin(TWO), rec.End(session=ONE), rec.Expire(session=TWO, reason=""), begin(THREE))
    for session in (ONE, TWO, "9" * 32):
        with pytest.raises(SessionExpired, match="nothing is committed") as caught:
            guards.require(guards.may_snapshot(log.state, session))
        assert "again" in caught.value.hint
    guards.require(guards.may_snapshot(log.state, THREE))
    assert not list(guards.may_close(log.state, THREE))
    assert list(guards.may_close(log.state, ONE))
    assert list(guards.may_begin(log.state, ONE))


def test_a_pack_is_usable_exactly_when_its_sweep_would_wait() -> None:
    """Rule 2 with all that Uncondemn can do to it."""
    log = _log(begin(ONE), rec.Condemn(packs=[pack(ONE)]), begin(TWO))
    assert guards.usable_pack(log.state, pack(ONE), ONE)
    assert not guards.usable_pack(log.state, pack(ONE), TWO)
    assert guards.to_take_back(log.state, [pack(ONE), pack(ONE, 1)], TWO) == [pack(ONE)]
    assert guards.to_take_back(log.state, [pack(ONE)], ONE) == []
    log.put(rec.Uncondemn(packs=[pack(ONE)]))
    assert guards.usable_pack(log.state, pack(ONE), TWO)
    log.put(rec.Condemn(packs=[pack(ONE)]))
    assert guards.usable_pack(log.state, pack(ONE), TWO)
    assert log.state.blockers(pack(ONE)) == [ONE, TWO]
    log.put(rec.End(session=ONE), rec.End(session=TWO), rec.Sweep(packs=[pack(ONE)]), begin(THREE))
    assert not guards.usable_pack(log.state, pack(ONE), THREE)


def test_pinned_and_unknown_snapshots_are_not_forgotten() -> None:
    """Each refusal names the snapshot and what to do."""
    log = _log(begin(ONE), snapshot(ONE, A), snapshot(ONE, B), rec.Pin(snapshots=[A]))
    with pytest.raises(UsageError, match="aaaaaaaa is pinned: unpin it first"):
        guards.require(guards.may_forget(log.state, [B, A]))
    guards.require(guards.may_forget(log.state, [B]))
    log.put(rec.Forget(snapshots=[B]))
    for refused in (guards.may_forget(log.state, [B]), guards.may_pin(log.state, [B]),
                    guards.may_unforget(log.state, [A], []), guards.may_unpin(log.state, ["c" * 32])):  # fmt: skip
        with pytest.raises(UsageError, match="there is no"):
            guards.require(refused)
    guards.require(guards.may_pin(log.state, [A]))
    guards.require(guards.may_unpin(log.state, [A]))


def test_nothing_comes_back_that_needs_a_swept_pack() -> None:
    """A condemned pack is early enough; a swept one is too late."""
    log = _log(begin(ONE), snapshot(ONE, A), rec.End(session=ONE), rec.Forget(snapshots=[A]))
    needed = [pack(ONE), pack(ONE, 1)]
    log.put(rec.Condemn(packs=needed))
    guards.require(guards.may_unforget(log.state, [A], needed))
    log.put(rec.Sweep(packs=needed[:1]))
    with pytest.raises(UsageError, match="1 of its packs were pruned"):
        guards.require(guards.may_unforget(log.state, [A], needed))


def test_the_packs_of_open_sessions_are_not_condemned() -> None:
    """Nor those of sessions that the log does not know, nor twice, nor what the cover needs."""
    log = _log(begin(ONE), begin(TWO), rec.End(session=ONE))
    guards.require(guards.may_condemn(log.state, [pack(ONE)], log.cover()))
    assert _rules(guards.may_condemn(log.state, [pack(TWO)], log.cover())) == {Rule.OPEN_SESSIONS_KEEP}
    assert _rules(guards.may_condemn(log.state, [pack(THREE)], log.cover())) == {Rule.SENSE}
    assert _rules(guards.may_condemn(log.state, [pack(ONE)], log.cover(pack(ONE)))) == {Rule.SWEEP_UNREACHABLE}
    log.put(rec.Condemn(packs=[pack(ONE)]))
    assert _rules(guards.may_condemn(log.state, [pack(ONE)], log.cover())) == {Rule.FIRST_COME}
    assert _rules(guards.may_condemn(log.state, [pack(ONE, 1)], log.cover(pack(ONE)))) == {Rule.COVER_STANDS}


def test_a_sweep_waits_for_older_sessions_and_for_no_others() -> None:
    """Rule 3, first half: restores hold it up as backups do; those that begin later do not."""
    log = _log(begin(ONE), rec.End(session=ONE), begin(TWO, purpose="restore"), rec.Condemn(packs=[pack(ONE)]))
    log.put(begin(THREE))
    with pytest.raises(RepositoryBusy, match="still open: 22222222") as caught:
        guards.require(guards.may_sweep(log.state, [pack(ONE)], log.cover()))
    assert caught.value.retryable
    log.put(rec.Expire(session=TWO, reason=""))
    guards.require(guards.may_sweep(log.state, [pack(ONE)], log.cover()))


def test_a_sweep_needs_a_cover_that_stands_at_the_head() -> None:
    """Rule 3, second half: a cover from before a Snapshot or Unforget, or one that lost a pack, proves nothing."""
    log = _log(begin(ONE), rec.End(session=ONE), rec.Condemn(packs=[pack(ONE)]))
    old = log.cover(pack(TWO))
    log.put(begin(TWO), snapshot(TWO, A))
    sweep = [pack(ONE)]
    assert _rules(guards.may_sweep(log.state, sweep, old)) == {Rule.SWEEP_UNREACHABLE}
    assert not list(guards.may_sweep(log.state, sweep, log.cover(pack(TWO))))
    assert _rules(guards.may_sweep(log.state, sweep, log.cover(pack(ONE)))) >= {Rule.SWEEP_UNREACHABLE}
    forgotten = log.put(rec.Forget(snapshots=[A])) and log.cover(pack(TWO))
    log.put(rec.Unforget(snapshots=[A]))
    assert _rules(guards.may_sweep(log.state, sweep, forgotten)) == {Rule.SWEEP_UNREACHABLE}
    assert _rules(guards.may_sweep(log.state, [pack(TWO, 5)], log.cover())) == {Rule.FIRST_COME}
    fresh = log.cover(pack(TWO))
    log.put(rec.End(session=TWO), rec.Condemn(packs=[pack(TWO)]))
    assert _rules(guards.may_sweep(log.state, sweep, fresh)) == {Rule.COVER_STANDS}
    log.put(rec.Sweep(packs=[pack(TWO)]))
    assert _rules(guards.may_sweep(log.state, sweep, fresh)) == {Rule.COVER_STANDS}


def test_the_last_key_stays() -> None:
    """A slot goes when another is left."""
    slots = [rec.KeyAdded(slot=name, slot_kind="passphrase", label="", time="") for name in ("k1", "k2")]
    log = _log(*slots)
    log.ask(guards.may_remove_key(log.state, "k1"), rec.KeyRemoved(slot="k1"))
    with pytest.raises(UsageError, match="last key slot"):
        guards.require(guards.may_remove_key(log.state, "k2"))
    with pytest.raises(UsageError, match="no key slot k1"):
        guards.require(guards.may_remove_key(log.state, "k1"))


def test_a_cover_is_a_value() -> None:
    """Two counts of the same needs at the same head are the same proof."""
    assert Cover(3, frozenset({b"p"})) == Cover(3, frozenset({b"p"}))


def test_of_two_prunes_the_second_is_told_to_look_again() -> None:
    """A pack that another prune swept or took back meanwhile is no mistake: the step may be repeated."""
    log = _log(begin(ONE), rec.End(session=ONE), rec.Condemn(packs=[pack(ONE)]), rec.Uncondemn(packs=[pack(ONE)]))
    one = [pack(ONE)]
    for refused in (guards.may_sweep(log.state, one, log.cover()), guards.may_uncondemn(log.state, one)):
        with pytest.raises(RepositoryBusy, match="not condemned") as caught:
            guards.require(refused)
        assert caught.value.retryable
