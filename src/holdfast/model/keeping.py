"""Retention: which snapshots of a source are kept, what was decided of each, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from holdfast.model.snapshot import SnapshotInfo

FOR_EVER = ("critical*", "pre-deploy*")
"""Labels that keep a snapshot for ever where nothing else is said (as in a shell, ``*`` and ``?``)."""

TRIGGERS = (
    "manual", "cron", "schedule", "api", "pre-restore", "pre-change", "pre-delete", "import", "guard",
)  # fmt: skip
"""Why a snapshot is taken: all there are."""

WHOLE = "whole"
"""The key of SnapshotInfo.more of a snapshot before a restore that holds all there was: ``last`` counts it."""

FROM = "from"
"""The key of the id of what was restored then: it stays as long as the way back."""

ENTITIES = timedelta(days=90)
PARTIALS = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRules:
    """A snapshot is kept when any of the rules wants it; without a single rule everything is kept.

    ``last`` the newest so many; ``within`` everything younger; the others the newest of so many hours, days, weeks
    (from Monday), months, years that have one, in the source's time zone. 0 is as if the rule were not there.
    """

    last: int | None = None
    within: timedelta | None = None
    hourly: int | None = None
    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None
    yearly: int | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self))

    def plain(self) -> dict[str, int]:
        """The rules that count, by name; ``within`` in seconds."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: int(value.total_seconds()) if isinstance(value, timedelta) else value
            for name, value in given.items()
            if value
        }

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> KeepRules:
        """What ``plain`` gave; names that are not known are passed over."""
        known = {each.name: plain[each.name] for each in fields(KeepRules) if plain.get(each.name)}
        if "within" in known:
            known["within"] = timedelta(seconds=known["within"])
        return KeepRules(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepTerms:
    """What retention goes by for one source.

    ``environment``: only snapshots of it, and those that name none, are decided on. ``triggers`` that count, "manual"
    toward every rule, "last:manual" toward one; empty: all. ``labels`` (shell patterns) keep for ever. Snapshots of
    entities and of guards stay for ``entities``; those of chosen items, or taken before a restore, for ``partials``.
    """

    source: str
    environment: str = "production"
    zone: str = "UTC"
    rules: KeepRules = KeepRules()
    triggers: tuple[str, ...] = ()
    labels: tuple[str, ...] = FOR_EVER
    entities: timedelta = ENTITIES
    partials: timedelta = PARTIALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A living snapshot that is decided on. ``needed_by``: what cannot be recovered without it, in words."""

    info: SnapshotInfo
    pinned: bool = False
    needed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of one snapshot. ``reasons`` in words, never none; every rule that wants it has one."""

    info: SnapshotInfo
    keep: bool
    reasons: tuple[str, ...]

    @property
    def words(self) -> str:
        """One sentence."""
        return f"{'kept' if self.keep else 'dropped'}: {'; '.join(self.reasons)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldLimits:
    """How much more than under the confirmed rules may go at once, of one source: ``count`` and ``percent`` of it."""

    count: int = 5
    percent: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRetention:
    """The plan for one source. ``held`` says why nothing of it is dropped until a person confirms; "" it is not.

    ``newest``: ids that must be alive when the rest is dropped. ``elsewhere``: snapshots of other environments.
    """

    terms: KeepTerms
    decisions: tuple[Decision, ...]
    held: str = ""
    newest: tuple[str, ...] = ()
    elsewhere: int = 0

    @property
    def drop(self) -> tuple[SnapshotInfo, ...]:
        """What the rules want gone, held or not."""
        return tuple(each.info for each in self.decisions if not each.keep)

    @property
    def kept(self) -> int:
        """How many stay."""
        return sum(each.keep for each in self.decisions)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPlan:
    """What retention does at ``at``. ``unknown``: sources in the repository that are in no configuration, with numbers.

    ``adhoc``: by rules a person just typed; they are not remembered and nothing is held.
    """

    at: datetime
    sources: tuple[SourceRetention, ...]
    unknown: Mapping[str, int]
    adhoc: bool = False

    @property
    def held(self) -> tuple[SourceRetention, ...]:
        """The sources of which nothing is dropped until a person confirms."""
        return tuple(each for each in self.sources if each.held)

    @property
    def drop(self) -> tuple[SnapshotInfo, ...]:
        """What goes when this is applied without confirming."""
        return tuple(info for each in self.sources if not each.held for info in each.drop)
