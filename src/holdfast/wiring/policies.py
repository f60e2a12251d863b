"""Policies of sources: what a source says itself, else its tier, else [defaults]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import timedelta

from holdfast.model.keeping import KeepRules
from holdfast.model.policy import HealthRules, SourcePolicy
from holdfast.model.timetable import Schedule
from holdfast.wiring.sections import HealthSettings, ScheduleSettings, TierSettings
from holdfast.wiring.settings import Settings

# what a tier means where nobody says it otherwise
_TIERS = {
    "critical": TierSettings(rpo=timedelta(hours=1), rto=timedelta(hours=1)),
    "important": TierSettings(rpo=timedelta(hours=4), rto=timedelta(hours=4)),
    "supporting": TierSettings(rpo=timedelta(hours=24), rto=timedelta(hours=24)),
}


def policies(settings: Settings) -> dict[str, SourcePolicy]:
    """The policy of every source of the configuration."""
    return {name: policy_of(settings, name) for name in settings.sources}


def policy_of(settings: Settings, name: str) -> SourcePolicy:
    """The policy of one source; KeyError when the configuration has none of that name."""
    source, defaults = settings.sources[name], settings.defaults
    tier_name = source.tier or defaults.tier
    usual = _TIERS[tier_name] if tier_name else TierSettings()
    tier = settings.tiers.get(tier_name or "", TierSettings())
    zone = source.timezone or defaults.timezone
    given = source.schedules if source.schedules is not None else tier.schedules or defaults.schedules
    return SourcePolicy(
        source=name,
        environment=source.environment or defaults.environment,
        zone=zone,
        tier=tier_name,
        rpo=tier.rpo or usual.rpo,
        rto=tier.rto or usual.rto,
        keep=source.keep or tier.keep or defaults.keep or KeepRules(),
        keep_triggers=source.keep_triggers if source.keep_triggers is not None else defaults.keep_triggers,
        keep_labels=defaults.keep_labels,
        keep_entities=defaults.keep_entities,
        keep_partials=defaults.keep_partials,
        schedules=tuple(_schedules(name, zone, given)),
        health=_health([source.health, tier.health, defaults.health]),
    )


def _schedules(source: str, zone: str, given: Sequence[ScheduleSettings]) -> Iterator[Schedule]:
    for number, each in enumerate(given, 1):
        yield Schedule(
            source=source,
            name=each.name or (str(number) if len(given) > 1 else "backup"),
            cron=each.cron,
            every=each.every,
            zone=each.timezone or zone,
            jitter=each.jitter,
            only=each.only,
            pin=each.pin,
            label=each.label,
        )


def _health(levels: Sequence[HealthSettings | None]) -> HealthRules:
    """Each limit as the nearest of the levels says it."""
    found = {}
    for each in fields(HealthRules):
        values = [getattr(level, each.name) for level in levels if level is not None]
        found[each.name] = next((value for value in values if value is not None), None)
    return HealthRules(**found)
