"""Encrypted or replaced data is noticed, ordinary life is not, and what a person accepted is the new normal."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.planning.standings import MIB, NOW, history, info, standing

from holdfast.model.health import Severity
from holdfast.model.keeping import Candidate, KeepRules, KeepTerms
from holdfast.model.policy import HealthRules
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning.health import findings_of
from holdfast.planning.keeping import decide
from holdfast.planning.standing import Standing
from holdfast.planning.suspicion import Suspect, undecided


def suspects(stand: Standing) -> list[Suspect]:
    """What looks rewritten there."""
    return stand.suspects


def test_data_that_is_nearly_all_new_is_suspicious() -> None:
    """Critical, with the numbers, and the last clean one is named."""
    before = history(10)[1:]
    (found,) = findings_of(standing([info(0.5, bytes_new=98 * MIB), *before]))
    assert (found.code, found.severity) == ("suspicious", Severity.CRITICAL)
    assert "98 %" in found.what and before[0].id[:8] in found.why


def test_new_data_that_does_not_shrink_any_more_is_suspicious() -> None:
    """Though only a part of it was rewritten."""
    before = history(10)[1:]
    (suspect,) = suspects(standing([info(0.5, bytes_new=30 * MIB, bytes_stored=29 * MIB), *before]))
    assert "shrinks to 97 %" in suspect.why
    assert not suspects(standing([info(0.5, bytes_new=30 * MIB, bytes_stored=9 * MIB), *before]))


def test_what_follows_a_suspicious_snapshot_is_not_clean() -> None:
    """The last clean one is that before all of them, however many ordinary ones come after."""
    after = [info(0.5), info(1.5)]
    worst = info(2.5, bytes_new=98 * MIB)
    before = [info(n + 3.5) for n in range(8)]
    again = info(0.2, bytes_new=97 * MIB)
    found = suspects(standing([again, *after, worst, *before]))
    assert [each.info.id for each in found] == [again.id, worst.id]
    assert {each.clean.id for each in found if each.clean} == {before[0].id}


def test_accepted_is_the_new_normal() -> None:
    """Nothing before it is compared any more; the next one that is otherwise is asked about again."""
    worst = info(0.5, bytes_new=98 * MIB)
    before = history(10)[1:]
    assert not suspects(standing([worst, *before], accepted=frozenset({worst.id})))
    another = info(0.1, bytes_new=97 * MIB, bytes_stored=90 * MIB)
    ordinary = [info(n / 100 + 0.2) for n in range(6)]
    assert suspects(standing([another, *ordinary, worst, *before], accepted=frozenset({worst.id})))


def test_ordinary_life_is_not_suspicious() -> None:
    """The first snapshot, small changes, media that never shrinks, a source that is always rewritten."""
    assert not suspects(standing([*history(9), info(20, bytes_new=100 * MIB, bytes_stored=95 * MIB)]))
    assert not suspects(standing([info(0.5, bytes_new=MIB // 2, bytes_stored=MIB // 2), *history(10)[1:]]))
    photos = {"bytes_new": 20 * MIB, "bytes_stored": 20 * MIB}
    assert not suspects(standing([info(0.5, bytes_new=40 * MIB, bytes_stored=40 * MIB), *history(10, **photos)[1:]]))
    dumps = {"bytes_new": 99 * MIB, "bytes_stored": 30 * MIB}
    assert not suspects(standing(history(12, **dumps)))


def test_too_short_a_past_accuses_nobody() -> None:
    """Five snapshots are the least."""
    assert not suspects(standing([info(0.5, bytes_new=98 * MIB), *history(5)[1:]]))


def test_another_database_under_the_same_name_is_told() -> None:
    """By the identity the source gave, or the path of a file; until a person accepts it."""
    before = [info(n + 1.5, more={"identity": "A/1"}) for n in range(3)]
    other = info(0.5, more={"identity": "B/1"})
    (found,) = findings_of(standing([other, *before]))
    assert (found.code, found.severity, "A/1" in found.why) == ("other-source", Severity.CRITICAL, True)
    assert not findings_of(standing([other, *before], accepted=frozenset({other.id})))
    files = [info(0.5, kind="sqlite", origin="sqlite:/b"), info(1.5, kind="sqlite", origin="sqlite:/a")]
    assert [each.code for each in findings_of(standing(files))] == ["other-source"]


def test_a_suspicion_stands_until_somebody_decides_however_many_follow_and_whatever_retention_wants() -> None:
    """An hourly source of which one a day is kept, or all: the finding outlives a week of ordinary snapshots."""
    for rules in (KeepRules(daily=7), KeepRules(last=2), KeepRules()):
        worst = info(0, bytes_new=98 * MIB)
        living = [worst, *history(12)]
        for hour in range(1, 7 * 24):
            living.insert(0, info(-hour))
            now = NOW + timedelta(hours=hour)
            why = undecided(living, (), HealthRules())
            candidates = [Candidate(info=each, needed_by=why.get(each.id, "")) for each in reversed(living)]
            gone = {
                each.info.id for each in decide(candidates, KeepTerms(source="shop", rules=rules), now) if not each.keep
            }
            living = [each for each in living if each.id not in gone]
        found = [each for each in findings_of(standing(living, now=now)) if each.code == "suspicious"]
        assert len(found) == 1 and worst.id[:8] in found[0].what
        assert not undecided(living, {worst.id}, HealthRules()), "once accepted, the rules decide again"
        rest = [each for each in living if each.id != worst.id]
        assert undecided(rest, (), HealthRules()) == {}, "so they do when it was forgotten"


@pytest.mark.parametrize(
    ("code", "lack"), [("empty", {"rows": 0}), ("rows-fell", {"rows": 50}), ("size-changed", {"bytes_source": 5 * MIB})]
)
def test_what_is_missing_stays_told_until_it_is_back_or_accepted(code: str, lack: dict[str, int]) -> None:
    """A hundred snapshots without it make nothing usual, and retention keeps those that had it."""
    full = [info(n + 101.5) for n in range(12)]
    without = [info(n + 0.5, **lack) for n in range(101)]
    stand = standing([*without, *full])
    assert code in {each.code for each in findings_of(stand)}
    assert undecided([*without, *full], (), HealthRules()).keys() == {each.id for each in full}
    assert not findings_of(standing([info(0.2), *without, *full])), "it is back"
    assert not findings_of(standing([*without, *full], accepted=frozenset({without[70].id})))


def test_what_grew_becomes_usual_by_itself() -> None:
    """More data is no loss: it is told for a while."""
    grown = [info(n + 0.5, bytes_source=300 * MIB) for n in range(30)]
    assert findings_of(standing([*grown[-5:], *[info(n + 31.5) for n in range(12)]]))
    assert not findings_of(standing([*grown, *[info(n + 31.5) for n in range(12)]]))


def test_what_is_like_an_accepted_one_is_not_asked_about_again() -> None:
    """A table rewritten every night is accepted once; encryption on such a night is told all the same."""
    night = {"bytes_new": 90 * MIB, "bytes_stored": 18 * MIB}
    living: list[SnapshotInfo] = []
    accepted: set[str] = set()
    for hour in range(24 * 8):
        living.insert(0, info(200 - hour, **(night if hour % 24 == 23 else {})))
        accepted |= {each.info.id for each in suspects(standing(living, accepted=frozenset(accepted)))}
    assert len(accepted) == 1
    living.insert(0, info(1, bytes_new=90 * MIB, bytes_stored=89 * MIB))
    assert suspects(standing(living, accepted=frozenset(accepted)))
