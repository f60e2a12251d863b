"""The log's one transition: what each record does, what breaks the chain, and what is void."""

from __future__ import annotations

import pytest
from tests.unit.repository.state_world import ONE, TWO, MemoryLog, begin, pack, snapshot

from holdfast.model.errors import Damaged, NewerFormat
from holdfast.repository import records as rec
from holdfast.repository.state import LogState


def _busy_log() -> MemoryLog:
    log = MemoryLog()
    log.put(
        begin(ONE), snapshot(ONE, "a" * 32), snapshot(ONE, "b" * 32), rec.End(session=ONE), begin(TWO),
        rec.Pin(snapshots=["a" * 32]), rec.Forget(snapshots=["b" * 32]),
        rec.KeyAdded(slot="k1", slot_kind="passphrase", label="", time=""),
        rec.Condemn(packs=[pack(ONE, n) for n in range(10)]), rec.Uncondemn(packs=[pack(ONE, 9)]),
        rec.Sweep(packs=[pack(ONE, n) for n in (3, 1, 2, 7)]), rec.End(session="e" * 32),
    )  # fmt: skip
    return log


def test_every_kind_of_record_survives_encoding() -> None:
    """What is decoded is what was encoded, for each kind there is."""
    bodies: list[rec.Body] = [
        rec.Init(repository="r", config_hash=b"h"), begin(ONE), snapshot(ONE, "a"), rec.End(session=ONE),
        rec.Expire(session=ONE, reason="gone"), rec.Forget(snapshots=["a"]), rec.Unforget(snapshots=["a"]),
        rec.Pin(snapshots=["a"]), rec.Unpin(snapshots=["a"]),
        rec.KeyAdded(slot="k", slot_kind="recovery", label="paper", time="t"), rec.KeyRemoved(slot="k"),
        rec.Condemn(packs=[pack(ONE)]), rec.Uncondemn(packs=[pack(ONE)]), rec.Sweep(packs=[pack(ONE)], gone=["a"]),
        rec.LetGo(sessions=[ONE]),
    ]  # fmt: skip
    for body in bodies:
        envelope = rec.Envelope(number=3, previous=b"p" * 32, time="t", client="c", body=body)
        assert rec.decode(rec.encode(envelope)) == envelope
    tags = {type(body).__struct_config__.tag for body in bodies}
    assert tags == rec.KINDS


def test_a_kind_from_the_future_is_refused_politely() -> None:
    """An unknown kind is a newer format, not damage; a damaged known kind is damage."""
    data = rec.encode(MemoryLog().envelope(rec.End(session=ONE)))
    with pytest.raises(NewerFormat, match="kind this version does not know: eta") as caught:
        rec.decode(data.replace(b"\xa3end", b"\xa3eta"), "log/000000000002")
    assert caught.value.hint
    with pytest.raises(Damaged):
        rec.decode(data.replace(b"\xa7session", b"\xa7nothing"))
    for cut in range(len(data)):
        with pytest.raises(Damaged):
            rec.decode(data[:cut])


def test_a_field_from_the_future_is_ignored() -> None:
    """A newer client may add fields to a kind; older ones read the rest."""
    data = rec.encode(MemoryLog().envelope(rec.End(session=ONE)))
    marker = b"\xa7session"
    longer = data.replace(b"\x82\xa4kind", b"\x83\xa3new\x05\xa4kind")
    assert marker in longer
    assert longer != data
    assert rec.decode(longer) == rec.decode(data)


def test_packs_are_named_in_twenty_bytes() -> None:
    """Session and number come back, and long lists are split without loss."""
    assert rec.split_pack(pack(ONE, 70000)) == (ONE, 70000)
    assert len(pack(ONE)) == 20
    names = [pack(ONE, n) for n in range(4500)]
    parts = [list(part) for part in rec.split_packs(names)]
    assert [len(part) for part in parts] == [2000, 2000, 500]
    assert [name for part in parts for name in part] == names
    assert len(rec.encode(MemoryLog().envelope(rec.Condemn(packs=parts[0])))) < 50_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"number": 1}, "stands where 2 belongs"),
        ({"number": 3}, "stands where 2 belongs"),
        ({"previous": b"x" * 32}, "does not follow"),
        ({"body": rec.Init(repository="", config_hash=b"")}, "Init record"),
    ],
)
def test_a_record_out_of_place_is_damage_and_changes_nothing(change: dict[str, object], message: str) -> None:
    """A gap, a repetition, a swapped record and a second beginning are each told apart from a good record."""
    log = MemoryLog()
    before = log.state.to_checkpoint()
    body = change.pop("body", begin(ONE))
    data = rec.encode(log.envelope(body, **change))  # type: ignore[arg-type]
    with pytest.raises(Damaged, match=message):
        log.state.apply_bytes(data, "log/000000000002")
    assert log.state.to_checkpoint() == before


def test_a_log_that_does_not_begin_with_init_is_damage() -> None:
    """The first record tells which repository this is."""
    state = LogState()
    data = rec.encode(rec.Envelope(number=1, previous=rec.NO_HASH, time="", client="", body=begin(ONE)))
    with pytest.raises(Damaged, match="Begin record"):
        state.apply_bytes(data)


def test_a_changed_record_is_noticed_by_its_successor() -> None:
    """The chain binds content: another plaintext under the same number does not fit what comes after."""
    log = MemoryLog()
    log.put(begin(ONE), rec.End(session=ONE))
    state = LogState()
    state.apply_bytes(log.records[0])
    state.apply_bytes(log.records[1].replace(b"here", b"hell"))
    with pytest.raises(Damaged, match="does not follow"):
        state.apply_bytes(log.records[2])


def test_records_do_what_they_say() -> None:
    """A history with one of each leads where a reader expects."""
    state = _busy_log().state
    assert [entry.info.id[0] for entry in state.living()] == ["a"]
    assert state.snapshots["a" * 32].pinned
    assert state.snapshots["b" * 32].forgotten
    assert state.sessions[ONE].status == "ended"
    assert list(state.open) == [TWO]
    assert sorted(rec.split_pack(name)[1] for name in state.condemned) == [0, 4, 5, 6, 8]
    assert sorted(rec.split_pack(name)[1] for name in state.swept) == [1, 2, 3, 7]
    assert list(state.keys) == ["k1"]
    assert [number for number, _reason in state.voids] == [state.number]


@pytest.mark.parametrize("closing", [rec.End(session=ONE), rec.Expire(session=ONE, reason="silent")])
def test_a_snapshot_of_a_closed_session_counts_for_nothing(closing: rec.Body) -> None:
    """Rule 1, seen by a reader: the record is void, told to check, and the log stays readable."""
    state = MemoryLog().put(begin(ONE), closing, snapshot(ONE, "a" * 32))
    assert not state.snapshots
    assert state.last_gain == 0
    assert "which is not open" in state.voids[0][1]


def test_records_that_break_a_rule_are_void() -> None:
    """Each changes nothing but the list of voids."""
    log = MemoryLog()
    log.put(begin(ONE), snapshot(ONE, "a" * 32), rec.Pin(snapshots=["a" * 32]))
    broken: list[rec.Body] = [
        begin(ONE), snapshot(ONE, "a" * 32), rec.Forget(snapshots=["a" * 32]), rec.Forget(snapshots=["c" * 32]),
        rec.Unforget(snapshots=["a" * 32]), rec.Uncondemn(packs=[pack(ONE)]), rec.KeyRemoved(slot="k"),
        rec.Expire(session=TWO, reason=""),
    ]  # fmt: skip
    for count, body in enumerate(broken, 1):
        log.put(body)
        assert len(log.state.voids) == count
    assert len(log.state.living()) == 1
    assert log.state.open == {ONE: 2}


def test_a_sweep_out_of_order_still_makes_its_packs_absent() -> None:
    """Whoever wrote it may have deleted them: a reader must not look for them."""
    state = MemoryLog().put(begin(ONE), rec.Sweep(packs=[pack(ONE)]), rec.Condemn(packs=[pack(ONE)]))
    assert pack(ONE) in state.swept
    assert not state.condemned
    assert len(state.voids) == 2


def test_condemning_twice_keeps_the_first_number() -> None:
    """The sessions in between treat the pack as absent already, so its sweep need not wait for them."""
    log = MemoryLog()
    log.put(rec.Condemn(packs=[pack(ONE)]), begin(TWO), rec.Condemn(packs=[pack(ONE), pack(ONE, 1)]))
    assert log.state.condemned == {pack(ONE): 2, pack(ONE, 1): 4}
    assert log.state.blockers(pack(ONE)) == []
    assert log.state.blockers(pack(ONE, 1)) == [TWO]


def test_a_sweep_forgets_the_snapshots_it_ends_but_never_a_living_one() -> None:
    """``gone`` drops what can no longer come back, so that the state does not grow for ever."""
    log = MemoryLog()
    log.put(begin(ONE), snapshot(ONE, "a" * 32), snapshot(ONE, "b" * 32), rec.Forget(snapshots=["a" * 32]))
    log.put(rec.Condemn(packs=[pack(ONE)]), rec.Sweep(packs=[pack(ONE)], gone=["a" * 32, "b" * 32, "c" * 32]))
    assert list(log.state.snapshots) == ["b" * 32]


def test_a_checkpoint_is_the_log_folded() -> None:
    """Reading a checkpoint taken anywhere and the records after it leads to the same state as the whole log."""
    log = _busy_log()
    for cut in range(1, len(log.records) + 1):
        state = LogState()
        for data in log.records[:cut]:
            state.apply_bytes(data)
        state = LogState.from_checkpoint(state.to_checkpoint())
        for data in log.records[cut:]:
            state.apply_bytes(data)
        assert state.to_checkpoint() == log.state.to_checkpoint()
        assert state.open == log.state.open


def test_a_broken_checkpoint_is_damage_and_a_new_one_is_newer() -> None:
    """Every truncation is noticed; a later version is refused by name."""
    data = _busy_log().state.to_checkpoint()
    for cut in range(0, len(data), 7):
        with pytest.raises(Damaged) as caught:
            LogState.from_checkpoint(data[:cut])
        assert "deleted" in caught.value.hint
    with pytest.raises(NewerFormat):
        LogState.from_checkpoint(data.replace(b"\xa7version\x01", b"\xa7version\x02", 1))


def test_a_copy_goes_its_own_way() -> None:
    """What happens to a copy is not seen by the original."""
    log = _busy_log()
    before = log.state.to_checkpoint()
    twin = log.state.copy()
    twin.advance(rec.Condemn(packs=[pack(TWO)]))
    twin.advance(rec.Sweep(packs=[pack(TWO), pack(ONE, 5)]))
    twin.advance(snapshot(TWO, "d" * 32))
    assert log.state.to_checkpoint() == before
    assert twin.to_checkpoint() != before
