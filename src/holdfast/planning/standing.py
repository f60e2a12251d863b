"""What is known of one source at one instant: what every judgement of it is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from holdfast.model.policy import SourcePolicy
from holdfast.model.run import RunError
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names, suspicion
from holdfast.planning.suspicion import Judged, Suspect

USUAL_LIMIT = timedelta(hours=26)
"""How old the newest snapshot may be where nobody says anything: a daily one that is two hours late."""

TOLERANCE = timedelta(minutes=2)
"""How far clocks may differ before a time counts as lying in the future."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """What a source's schedules come to: the ``widest`` gap between two backups, the ``next`` one, in ``words``.

    ``usual``: the widest without jitter, and without the one night of the year in which clocks go back.
    """

    widest: timedelta | None = None
    usual: timedelta | None = None
    next: datetime | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A check that left a proof: ``share`` (0-1) of the packs there were was re-read; ``problems`` were found.

    ``committed``: the log record up to which snapshots were part of it. ``since``: with those before it, it read all
    there was, the first of it then. ``stored``: when the store says that the proof was written.
    """

    at: datetime
    share: float
    problems: int
    committed: int
    since: datetime | None = None
    stored: datetime | None = None

    @property
    def whole(self) -> bool:
        """Whether it speaks of every byte."""
        return self.share >= 1 or self.since is not None

    @property
    def oldest(self) -> datetime:
        """When the first of what it speaks of was read."""
        return self.since or self.at

    def after(self, other: Reading) -> bool:
        """Whether it is later beyond doubt: a clock that is wrong must not make what was found before seem mended."""
        if self.committed != other.committed:
            return self.committed > other.committed
        stored = self.stored is None or other.stored is None or self.stored >= other.stored
        return self.at > other.at and stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The last run that made no snapshot."""

    at: datetime
    error: RunError


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One source at ``now``. ``snapshots`` living, newest first (as committed, whatever clocks said).

    ``numbers``: the log record of each snapshot, by id. ``accepted``: snapshots a person called right as they are.
    ``beside``: databases on the same server that some source names. ``failed_at``: when runs failed in the last month,
    ``running_since`` when the run began that goes on. ``others``: how many snapshots other environments have of it.
    """

    policy: SourcePolicy
    now: datetime
    snapshots: Sequence[SnapshotInfo]
    configured: bool = True
    pinned: int = 0
    failure: Failure | None = None
    failed_at: Sequence[datetime] = ()
    running_since: datetime | None = None
    accepted: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    rhythm: Rhythm = field(default_factory=Rhythm)
    numbers: dict[str, int] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Its name."""
        return self.policy.source

    @cached_property
    def good(self) -> list[SnapshotInfo]:
        """Complete ones of everything, newest first."""
        return [info for info in self.snapshots if names.is_good(info)]

    @property
    def newest(self) -> SnapshotInfo | None:
        """What a restore would use."""
        return self.good[0] if self.good else None

    @cached_property
    def age(self) -> timedelta | None:
        """Of the newest good one; negative when it is stamped in the future."""
        return self.now - instant(self.newest.created_at) if self.newest else None

    @cached_property
    def limit(self) -> tuple[timedelta, str]:
        """The age the newest good snapshot may have, and who says so."""
        rules, policy = self.policy.health, self.policy
        if rules.max_age is not None:
            return rules.max_age, "max_age of its health rules"
        if policy.rpo is not None:
            return policy.rpo, f"RPO of tier {policy.tier}" if policy.tier else "its RPO"
        if self.rhythm.widest is not None:
            return self.rhythm.widest * 1.25, "a quarter over the widest gap of its schedules"
        return USUAL_LIMIT, "as nobody said how much may be lost"

    @cached_property
    def comparable(self) -> list[SnapshotInfo]:
        """Good ones, newest first, back to the newest that a person accepted (with it)."""
        return suspicion.comparable(self.good, self.accepted)

    @cached_property
    def judged(self) -> Judged:
        """What is doubtful about the good ones, and what the newest of them is compared with."""
        return suspicion.judge(self.good, self.accepted, self.policy.health)

    @property
    def suspects(self) -> list[Suspect]:
        """Those that look encrypted or rewritten and that nobody decided on, newest first."""
        return self.judged.suspects

    @property
    def past(self) -> list[SnapshotInfo]:
        """What the newest good one is compared with, newest first."""
        return self.judged.past


def instant(iso: str) -> datetime:
    """A time of a snapshot or run."""
    return datetime.fromisoformat(iso)
