"""Free the space nothing needs any more: plan first, then carry the plan out, beside running backups."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from holdfast.model.events import Reporter, Warned, silent
from holdfast.model.prune import PrunePlan, PrunePolicy, Reprieve
from holdfast.planning.prune import plan_prune
from holdfast.repository import guards
from holdfast.repository import records as rec
from holdfast.repository.checkpoint import LoggedSnapshot
from holdfast.repository.expiry import expire_dead
from holdfast.repository.needs import Needs, Spare, pack_facts, spare_none
from holdfast.repository.rebuild import packs_present
from holdfast.repository.repository import Repository
from holdfast.repository.sweep import Sweeper
from holdfast.system import clock
from holdfast.usecases.doubting import time_there


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRequest:
    """``dry_run``: plan only. ``policy``: how eagerly to tidy up; None: the default for this store.

    ``grace``: what was forgotten less than so long ago stays, for unforget; None: all that is forgotten may go.
    """

    dry_run: bool = False
    policy: PrunePolicy | None = None
    grace: timedelta | None = None
    report: Reporter = silent


@dataclass(slots=True, kw_only=True)
class PruneResult:
    """``freed`` bytes, copies deducted; where those were more, ``taken`` bytes until a later prune frees the rest.

    ``warnings``: what has to wait for a later prune; ``reprieve``: what stays to be unforgotten.
    """

    plan: PrunePlan
    freed: int = 0
    taken: int = 0
    reprieve: Reprieve | None = None
    warnings: list[str] = field(default_factory=list)


def prune(repository: Repository, request: PruneRequest) -> PruneResult:
    """Plan, and unless it is a dry run carry out. Damaged, and nothing changed, when something needed is missing."""
    vault = repository.vault
    if not request.dry_run:
        expire_dead(vault)
    vault.log.follow()
    guards.require(guards.may_append(vault.log.state, rec.Sweep))  # what it may protect is not known here
    vault.index.load()
    present = packs_present(vault)
    until = _until(repository, request.grace)
    needs = Needs(vault, repository.reader(), present=present, spare=_spare(until))
    policy = request.policy or PrunePolicy(target_size=vault.storage.traits.pack_size)
    facts = pack_facts(vault, present, needs.live)
    plan = plan_prune(facts, policy, vault.log.state.open)
    result = PruneResult(plan=plan, reprieve=_reprieve(needs, request.grace))
    if request.dry_run:
        return result

    def warn(text: str) -> None:
        result.warnings.append(text)
        request.report(Warned(source="", text=text))

    freed = Sweeper(vault, warn).carry_out(result.plan, needs)
    result.freed, result.taken = max(0, freed), max(0, -freed)
    repository.remember_head()
    return result


def _until(repository: Repository, grace: timedelta | None) -> datetime | None:
    """What was forgotten later stays. The clock here and that of the store have both to say that its time is over."""
    if grace is None:
        return None
    now, there = clock.now(), time_there(repository)
    return (now if there is None else min(now, there)) - grace


def _spare(until: datetime | None) -> Spare:
    """Whether a forgotten snapshot has its time still; one whose time cannot be read has."""
    if until is None:
        return spare_none

    def spare(snapshot: LoggedSnapshot) -> bool:
        at = _forgotten_at(snapshot)
        return at is None or at > until

    return spare


def _reprieve(needs: Needs, grace: timedelta | None) -> Reprieve | None:
    if grace is None or not needs.spared:
        return None
    now = clock.now()
    free = [(_forgotten_at(each) or now) + grace for each in needs.spared]
    return Reprieve(
        snapshots=tuple(each.info.id for each in needs.spared), size=needs.spared_bytes, first=min(free), last=max(free)
    )


def _forgotten_at(snapshot: LoggedSnapshot) -> datetime | None:
    try:
        at = datetime.fromisoformat(snapshot.forgotten_at or "")
    except ValueError:
        return None
    if not at.tzinfo:
        return None
    return max(at, datetime.fromisoformat(snapshot.info.created_at))  # before that it was not there to be forgotten
