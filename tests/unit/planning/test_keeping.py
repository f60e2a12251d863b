"""What retention decides, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.model.keeping import Candidate, Decision, KeepRules, KeepTerms
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning.keeping import decide

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def snapshot(identifier: str, at: datetime, /, **facts: Any) -> Candidate:
    """A whole, complete snapshot of "shop" unless told otherwise."""
    pinned, needed_by = facts.pop("pinned", False), facts.pop("needed_by", "")
    given = {
        "id": identifier, "run": "", "source": "shop", "kind": "postgresql", "trigger": "schedule",
        "status": "complete", "created_at": at.isoformat(), "rows": None, "item_count": 1, "bytes_source": 0,
        "bytes_read": 0, "bytes_new": 0, "bytes_stored": 0, "seconds": 0.0, "not_protected": [], "warnings": [],
        **facts,
    }  # fmt: skip
    return Candidate(info=SnapshotInfo(**given), pinned=pinned, needed_by=needed_by)


def kept(decisions: list[Decision]) -> list[str]:
    """Ids of what stays."""
    return [each.info.id for each in decisions if each.keep]


def every(step: timedelta, count: int) -> list[Candidate]:
    """``count`` snapshots, the last one at NOW, named by how many steps ago they were made."""
    return [snapshot(f"{back}", NOW - step * back) for back in reversed(range(count))]


def test_the_newest_so_many_are_kept() -> None:
    """And a reason says which of how many each one is."""
    decisions = decide(every(timedelta(hours=1), 40), KeepTerms(source="shop", rules=KeepRules(last=30)), NOW)
    assert kept(decisions) == [str(back) for back in reversed(range(30))]
    assert decisions[-1].reasons[0] == "last 1 of 30"
    assert decisions[0].words == "dropped: older than the last 30"


def test_restic_s_example_of_twelve_sundays() -> None:
    """restic's manual ("Removing snapshots according to a policy"): of 12 Sundays, 4 daily ones are the last 4."""
    sundays = [datetime(2019, 9, 1, 11, tzinfo=UTC) + timedelta(weeks=week) for week in range(12)]
    series = [snapshot(at.date().isoformat(), at) for at in sundays]
    terms = KeepTerms(source="shop", rules=KeepRules(daily=4))
    assert kept(decide(series, terms, NOW)) == ["2019-10-27", "2019-11-03", "2019-11-10", "2019-11-17"]


BORG_2015 = [datetime(2015, 1, 1, 4, tzinfo=UTC) + timedelta(days=day) for day in range(365) if day != 352]
"""Every day of 2015 but December 19, as in borg's "prune visualized" (docs/misc/prune-example.txt)."""
BORG_DAILY = {f"2015-12-{day}" for day in (*range(20, 32), 18, 17)}
BORG_MONTHLY = {"2015-11-30", "2015-10-31", "2015-09-30", "2015-08-31", "2015-07-31", "2015-06-30"}
BORG_OLDEST = {"2015-01-01"}


def test_borg_s_example_of_a_year() -> None:
    """--keep-daily 14 --keep-monthly 6 --keep-yearly 1, as borg's manual draws it.

    borg gives a rule only what the rules before it did not take, so its sixth month and its first year lie one further
    back; here each rule stands for itself, and asking for one more of both gives the very same.
    """
    series = [snapshot(at.date().isoformat(), at) for at in BORG_2015]
    now = datetime(2016, 1, 1, tzinfo=UTC)
    same = decide(series, KeepTerms(source="shop", rules=KeepRules(daily=14, monthly=7, yearly=2)), now)
    assert set(kept(same)) == BORG_DAILY | BORG_MONTHLY | BORG_OLDEST
    plain = decide(series, KeepTerms(source="shop", rules=KeepRules(daily=14, monthly=6, yearly=1)), now)
    assert set(kept(plain)) == BORG_DAILY | BORG_MONTHLY - {"2015-06-30"}


def test_restic_s_example_of_a_hundred_years() -> None:
    """restic's manual: --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --keep-yearly 75 of a daily backup.

    4 ends of weeks beside the 7 days, which hold 1 (today is a Sunday), 12 or 11 months, 75 or 74 years.
    """
    now = datetime(2026, 11, 15, 12, tzinfo=UTC)
    days = [now - timedelta(days=day) for day in reversed(range(36525))]
    series = [snapshot(at.isoformat(), at) for at in days]
    terms = KeepTerms(source="shop", rules=KeepRules(daily=7, weekly=5, monthly=12, yearly=75))
    stay = [decision for decision in decide(series, terms, now) if decision.keep]
    said = {rule: [d for d in stay if any(f"({rule} " in why for why in d.reasons)] for rule in ("daily", "weekly")}
    assert len(said["daily"]) == 7
    assert len(said["weekly"]) == 5
    assert sum(d in said["daily"] for d in said["weekly"]) == 1
    months = [d for d in stay if any("(monthly " in why for why in d.reasons)]
    years = [d for d in stay if any("(yearly " in why for why in d.reasons)]
    assert (len(months), len(years)) == (12, 75)


KOPIA = {"last": 10, "hourly": 48, "daily": 7, "weekly": 4, "monthly": 24, "yearly": 3}
"""kopia's default: keep-latest 10, keep-hourly 48, keep-daily 7, keep-weekly 4, keep-monthly 24, keep-annual 3."""


def test_kopia_s_default_numbers_mean_the_same() -> None:
    """A snapshot each half hour for 40 days: each rule has as many as it asks for, the newest of its period."""
    terms = KeepTerms(source="shop", rules=KeepRules(**KOPIA))
    decisions = decide(every(timedelta(minutes=30), 40 * 48), terms, NOW)
    found = {
        rule: sum(any(f"({rule} " in why or why.startswith(f"{rule} ") for why in each.reasons) for each in decisions
                  if each.keep)
        for rule in KOPIA
    }  # fmt: skip
    assert found == {"last": 10, "hourly": 48, "daily": 7, "weekly": 4, "monthly": 2, "yearly": 1}


def test_whoever_tries_one_restore_after_the_other_loses_none_of_what_was_tried() -> None:
    """What was there before each takes half of the places of ``last`` at most, and what was restored stays with it."""
    nights = [snapshot(f"night {number}", NOW - timedelta(days=6 - number)) for number in range(6)]
    before: dict[str, Any] = {"partial": True, "trigger": "pre-restore"}
    tries = [
        snapshot(f"try {number}", NOW - timedelta(hours=10 - number), more={"whole": True, "from": f"night {number}"},
                 **before) for number in range(4)
    ]  # fmt: skip
    terms = KeepTerms(source="shop", rules=KeepRules(last=4))
    decisions = {each.info.id: each for each in decide([*nights, *tries], terms, NOW)}
    assert all(decisions[f"night {number}"].keep for number in (0, 1, 2, 3, 4, 5))
    assert decisions["night 5"].reasons[0] == "last 3 of 4"
    assert decisions["night 0"].words == "kept: restored on 2026-11-21; kept as long as what was there before"
    later = decide([*nights, *tries], replace(terms, partials=timedelta(0)), NOW)
    assert kept(later) == ["night 2", "night 3", "night 4", "night 5", "try 2", "try 3"]


moments = st.datetimes(datetime(2025, 1, 1), datetime(2026, 11, 21), timezones=st.just(UTC))
shapes = st.builds(
    lambda at, status, partial, pinned: (at, {"status": status, "partial": partial, "pinned": pinned}),
    moments, st.sampled_from(["complete", "complete", "incomplete"]), st.sampled_from([False, False, True]),
    st.sampled_from([False, False, False, True]),
)  # fmt: skip
counted = st.one_of(st.none(), st.integers(0, 5))
some_rules = st.builds(
    KeepRules, last=counted, hourly=counted, daily=counted, weekly=counted, monthly=counted, yearly=counted,
    within=st.one_of(st.none(), st.timedeltas(timedelta(0), timedelta(days=300))),
)  # fmt: skip
histories = st.lists(shapes, max_size=25).map(
    lambda found: [snapshot(f"{number:08x}", at, **facts) for number, (at, facts) in enumerate(found)]
)
zones = st.sampled_from(["UTC", "Europe/Vienna", "Pacific/Auckland", "Australia/Lord_Howe"])


@settings(max_examples=150, deadline=None)
@given(history=histories, rules=some_rules, zone=zones)
def test_what_must_stay_stays_and_deciding_again_changes_nothing(
    history: list[Candidate], rules: KeepRules, zone: str
) -> None:
    """The newest good one and pinned ones; every decision has a reason; a second run drops nothing more."""
    terms = KeepTerms(source="shop", rules=rules, zone=zone)
    decisions = decide(history, terms, NOW)
    stay = set(kept(decisions))
    good = [each.info for each in history if each.info.status == "complete" and not each.info.partial]
    if good:
        assert good[-1].id in stay
        assert max(reversed(good), key=lambda info: info.created_at).id in stay
    assert {each.info.id for each in history if each.pinned} <= stay
    assert all(each.reasons for each in decisions)
    again = decide([each for each in history if each.info.id in stay], terms, NOW)
    assert all(each.keep for each in again)


@settings(max_examples=150, deadline=None)
@given(history=histories, rules=some_rules, zone=zones)
def test_incomplete_ones_take_nothing_from_good_ones(history: list[Candidate], rules: KeepRules, zone: str) -> None:
    """Without them, the very same good ones stay."""
    terms = KeepTerms(source="shop", rules=rules, zone=zone)
    good = [each for each in history if each.info.status == "complete" and not each.info.partial]
    ids = {each.info.id for each in good}
    assert set(kept(decide(history, terms, NOW))) & ids == set(kept(decide(good, terms, NOW)))


@settings(max_examples=100, deadline=None)
@given(history=histories, rules=some_rules, zone=zones, name=st.sampled_from(["last", "daily", "monthly"]))
def test_a_rule_more_never_drops_more(history: list[Candidate], rules: KeepRules, zone: str, name: str) -> None:
    """Rules are asked apart, and any of them keeps."""
    if not rules:
        return
    terms = KeepTerms(source="shop", rules=rules, zone=zone)
    more = replace(terms, rules=replace(rules, **{name: (getattr(rules, name) or 0) + 3}))
    before = {each.info.id: each for each in decide(history, terms, NOW) if each.keep}
    after = set(kept(decide(history, more, NOW)))
    lost = [before[identifier] for identifier in before.keys() - after]
    assert all(why.startswith("the oldest, until") for each in lost for why in each.reasons)
