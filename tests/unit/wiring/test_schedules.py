"""Schedules in holdfast.toml: what cannot be kept as written is refused with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from holdfast.model.errors import UsageError
from holdfast.wiring import load
from holdfast.wiring.policies import policy_of

if TYPE_CHECKING:
    from tests.unit.wiring.conftest import Place

_HEAD = '[repository]\nurl = "./backups"\n[sources.shop]\nurl = "sqlite:shop.db"\n'


@pytest.mark.parametrize(
    ("schedules", "told"),
    [
        ('[{ cron = "61 4 * * *" }]', "sources.shop.schedules.0.cron: the minute of the cron expression"),
        ('[{ every = "1h" }, { cron = "4 * *" }]', "sources.shop.schedules.1.cron: a cron expression has five fields"),
        ('[{ cron = "@reboot" }]', "there is no alias '@reboot'"),
        ('[{ cron = "0 0 31 4 *" }]', "sources.shop.schedules.0.cron"),
        ('[{ cron = "@daily", every = "1h" }]', "either cron or every"),
        ("[{ name = 'x' }]", "either cron or every"),
        ('[{ every = "1s" }]', "one minute or more"),
        ('[{ every = "999999999d" }]', "sources.shop.schedules.0.every: '999999999d' is longer than a hundred years"),
        ('[{ every = "1h", jitter = "1h" }]', "the jitter must be shorter"),
        ('[{ name = "a", every = "1h" }, { name = "a", every = "2h" }]', "another schedule is called a too"),
        ('[{ cron = "0 4 * * *", timezone = "Mars/Base" }]', "there is no time zone 'Mars/Base'"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused_with_its_place(place: Place, schedules: str, told: str) -> None:
    """A mistyped expression is found by config validate, not by a backup that never came."""
    with pytest.raises(UsageError) as caught:
        load.load(place.write(f"{_HEAD}schedules = {schedules}\n"), place.around())
    assert told in caught.value.what


def test_the_same_is_said_of_tiers_and_defaults(place: Place) -> None:
    """Wherever a schedule may stand, it is checked."""
    for section in ("defaults", "tiers.critical"):
        with pytest.raises(UsageError, match="five fields"):
            load.load(place.write(f'{_HEAD}[{section}]\nschedules = [{{ cron = "daily" }}]\n'), place.around())


def test_several_schedules_of_a_source_are_told_apart_by_name(place: Place) -> None:
    """A nameless one is called by its number."""
    text = f'{_HEAD}schedules = [{{ every = "1h" }}, {{ name = "weekly", cron = "@weekly" }}]\n'
    settings = load.load(place.write(text), place.around()).settings
    assert [each.key for each in policy_of(settings, "shop").schedules] == ["shop/1", "shop/weekly"]


def test_a_schedule_that_cannot_hold_its_tier_is_doubted(place: Place) -> None:
    """A weekly backup of what may lose a day at most is told when the file is checked, as is a daily "weekly"."""
    text = f'{_HEAD}tier = "supporting"\nschedules = [{{ name = "weekly", cron = "0 14 * * *" }}]\n'
    settings = load.load(place.write(text), place.around()).settings
    assert load.doubts(settings) == ["the schedule 'weekly' of shop is not weekly: it comes daily at 14:00 (UTC)"]
    settings = load.load(place.write(text.replace("0 14 * * *", "@weekly")), place.around()).settings
    (doubt,) = load.doubts(settings)
    assert "cannot hold its RPO of 24 hours: 7 days lie between two backups" in doubt


@pytest.mark.parametrize(
    ("triggers", "told"),
    [
        ('["shedule"]', "sources.shop.keep_triggers.0: there is no trigger 'shedule'; known: manual, cron, schedule"),
        ('["manual", "latest:manual"]', "sources.shop.keep_triggers.1: there is no rule 'latest'; known: last, within"),
        ('["last:"]', "there is no trigger ''"),
    ],
)
def test_a_trigger_that_no_snapshot_has_is_refused(place: Place, triggers: str, told: str) -> None:
    """A mistyped one would keep everything for ever, and nobody would know why."""
    with pytest.raises(UsageError) as caught:
        load.load(place.write(f"{_HEAD}keep_triggers = {triggers}\n"), place.around())
    assert told in caught.value.what
    with pytest.raises(UsageError, match="there is no"):
        load.load(place.write(f"{_HEAD}[defaults]\nkeep_triggers = {triggers}\n"), place.around())
    load.load(place.write(f'{_HEAD}keep_triggers = ["schedule", "daily:pre-restore"]\n'), place.around())
