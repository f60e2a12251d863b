"""Alerts are told once for each change, to whom they concern, and never lost."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from holdfast.model.alert import Alert, Delivery
from holdfast.model.health import Finding, Severity
from holdfast.planning import noticing
from holdfast.planning.noticing import Listener, QuietHours

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
OPS = Listener(name="ops")


def finding(severity: Severity = Severity.WARNING, source: str = "shop") -> Finding:
    return Finding(code="age", severity=severity, source=source, what="the newest snapshot is 27 h old")


def steps(listener: Listener, *looks: tuple[int, list[Finding]], quiet: QuietHours | None = None) -> list[list[str]]:
    """What a listener is told at each look (minutes after noon), when every message arrives."""
    alerts: dict[str, Alert] = {}
    heard = []
    for minutes, findings in looks:
        now = NOON + timedelta(minutes=minutes)
        alerts = noticing.follow(alerts, findings, now)
        notices = noticing.due(alerts.values(), listener, quiet, now)
        alerts = noticing.told(alerts, listener.name, notices)
        heard.append([each.severity for each in notices])
    return heard


def test_a_trouble_is_told_once_and_its_end_once() -> None:
    """Looking again tells nothing new."""
    one = [finding()]
    assert steps(OPS, (0, one), (1, one), (60, one), (61, []), (72, []), (73, [])) == [
        ["warning"], [], [], [], [""], [],
    ]  # fmt: skip


def test_a_trouble_that_flaps_is_one_trouble() -> None:
    """Coming back within ten minutes is neither a recovery nor a second alert."""
    one = [finding()]
    looks = [(minute, one if minute % 2 == 0 else []) for minute in range(20)]
    assert [told for told in steps(OPS, *looks) if told] == [["warning"]]


def test_a_trouble_that_comes_back_later_is_told_anew() -> None:
    """It recovered in between, and that was told."""
    one = [finding()]
    assert steps(OPS, (0, one), (1, []), (15, []), (30, one)) == [["warning"], [], [""], ["warning"]]


def test_getting_worse_or_better_is_told() -> None:
    """A change of severity is a change of state."""
    looks = [(0, [finding()]), (1, [finding(Severity.CRITICAL)]), (2, [finding()])]
    assert steps(OPS, *looks) == [["warning"], ["critical"], ["warning"]]


def test_a_listener_hears_only_of_what_it_asked_for() -> None:
    """By severity and by source; what it never heard of does not recover."""
    pager = Listener(name="pager", severity=Severity.CRITICAL, sources=("shop",))
    blog = [finding(Severity.CRITICAL, "blog")]
    assert steps(pager, (0, [finding()]), (1, blog), (2, []), (30, [])) == [[], [], [], []]
    assert steps(pager, (0, [finding(Severity.CRITICAL)])) == [["critical"]]


def test_quiet_hours_let_only_critical_alerts_through_and_lose_none() -> None:
    """What was held back is told when they are over."""
    quiet = QuietHours(begin=time(11, 30), end=time(12, 30))
    bad = finding(Severity.CRITICAL, "blog")
    assert steps(OPS, (0, [finding(), bad]), (29, [finding(), bad]), (31, [finding(), bad]), quiet=quiet) == [
        ["critical"], [], ["warning"],
    ]  # fmt: skip


def test_quiet_hours_go_over_midnight_in_their_zone() -> None:
    """22:00 to 07:00 in Vienna is 21:00 to 06:00 UTC in winter."""
    quiet = QuietHours(begin=time(22), end=time(7), zone="Europe/Vienna")
    hours = [hour for hour in range(24) if quiet.cover(NOON.replace(hour=hour))]
    assert hours == [0, 1, 2, 3, 4, 5, 21, 22, 23]


def test_what_was_not_delivered_stays_due() -> None:
    """A failed attempt leaves the notice as it was, over any number of looks."""
    alerts = noticing.follow({}, [finding()], NOON)
    assert noticing.due(alerts.values(), OPS, None, NOON)
    later = NOON + timedelta(hours=20)
    alerts = noticing.follow(alerts, [finding()], later)
    assert [each.severity for each in noticing.due(alerts.values(), OPS, None, later)] == ["warning"]


def test_pauses_between_attempts_grow_to_an_hour() -> None:
    """One, two, four minutes … and never longer than an hour; a delivery forgets them."""
    delivery, now, pauses = Delivery(), NOON, []
    for _ in range(9):
        delivery = noticing.failed(delivery, "no answer", now)
        assert not noticing.may_try(delivery, now)
        pauses.append((datetime.fromisoformat(delivery.next_try or "") - now).total_seconds() / 60)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert delivery.failing_since == NOON.isoformat()
    assert noticing.may_try(noticing.delivered(delivery, now), now)


def test_a_muted_alert_is_told_when_the_time_is_over() -> None:
    """Muting holds back, it does not forget."""
    alerts = noticing.follow({}, [finding()], NOON)
    alert = alerts["age:shop"]
    alert.muted_until = (NOON + timedelta(hours=1)).isoformat()
    assert not noticing.due([alert], OPS, None, NOON)
    assert noticing.due([alert], OPS, None, NOON + timedelta(hours=1))


def test_a_recovery_that_reached_nobody_for_weeks_is_still_due() -> None:
    """What was never told to be over is not forgotten; what was, goes after thirty days."""
    alerts = noticing.follow({}, [finding()], NOON)
    alerts = noticing.told(alerts, OPS.name, noticing.due(alerts.values(), OPS, None, NOON))
    for days in (1, 40):
        alerts = noticing.follow(alerts, [], NOON + timedelta(days=days))
    later = NOON + timedelta(days=41)
    notices = noticing.due(alerts.values(), OPS, None, later)
    assert [each.severity for each in notices] == [""]
    alerts = noticing.told(alerts, OPS.name, notices)
    assert noticing.follow(alerts, [], later) == {}
