"""Free the space nothing needs any more: plan first, then carry the plan out, beside running backups."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.model.events import Reporter, Warned, silent
from holdfast.model.prune import PrunePlan, PrunePolicy
from holdfast.planning.prune import plan_prune
from holdfast.repository import guards
from holdfast.repository import records as rec
from holdfast.repository.expiry import expire_dead
from holdfast.repository.needs import Needs, pack_facts
from holdfast.repository.rebuild import packs_present
from holdfast.repository.repository import Repository
from holdfast.repository.sweep import Sweeper


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRequest:
    """``dry_run``: plan only. ``policy``: how eagerly to tidy up; None: the default for this store."""

    dry_run: bool = False
    policy: PrunePolicy | None = None
    report: Reporter = silent


@dataclass(slots=True, kw_only=True)
class PruneResult:
    """``freed`` bytes; ``warnings`` what has to wait for a later prune."""

    plan: PrunePlan
    freed: int = 0
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
    needs = Needs(vault, repository.reader(), present=present)
    policy = request.policy or PrunePolicy(target_size=vault.storage.traits.pack_size)
    facts = pack_facts(vault, present, needs.live)
    result = PruneResult(plan=plan_prune(facts, policy, vault.log.state.open))
    if request.dry_run:
        return result

    def warn(text: str) -> None:
        result.warnings.append(text)
        request.report(Warned(source="", text=text))

    result.freed = Sweeper(vault, warn).carry_out(result.plan, needs)
    repository.remember_head()
    return result
