"""Decide what a prune does with each pack: pure, from what is known of the packs and what the policy asks."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.model.prune import Fate, PackFacts, PackStep, PrunePlan, PrunePolicy


def plan_prune(
    packs: Iterable[PackFacts], policy: PrunePolicy, open_sessions: Iterable[str] = ()
) -> PrunePlan:
    """A fate and a reason for every pack, in the order of their names.

    ``open_sessions``: the sessions that are open now, without the one that prunes. The plan only proposes:
    each of its records is guarded again at the head of the log when it is written.
    """
    ordered = sorted(packs, key=lambda pack: pack.name)
    steps = {pack.name: _obvious(pack) for pack in ordered}
    worn = [pack for pack in ordered if steps[pack.name] is None]
    repacks = _repacks(worn, policy)
    steps.update((pack.name, repacks.get(pack.name) or _kept(pack)) for pack in worn)
    return PrunePlan(
        steps=tuple(step for step in steps.values() if step is not None),
        open_sessions=tuple(sorted(open_sessions)),
    )


def _obvious(pack: PackFacts) -> PackStep | None:
    """The fate that no policy changes; None for packs of closed sessions that are needed, at least in part."""
    if pack.condemned:
        if pack.live:
            return PackStep(pack=pack, fate=Fate.TAKE_BACK, reason="a snapshot made since needs it")
        if pack.waits_for:
            names = ", ".join(session[:8] for session in pack.waits_for)
            return PackStep(pack=pack, fate=Fate.WAIT, reason=f"held by a session that began before: {names}")
        return PackStep(pack=pack, fate=Fate.SWEEP, reason="condemned, and nobody can need it any more")
    if pack.writer == "open":
        return PackStep(pack=pack, fate=Fate.KEEP, reason="the session that writes it is still open")
    if pack.writer == "unknown":
        return PackStep(pack=pack, fate=Fate.KEEP, reason="the log does not know its session: see holdfast check")
    if pack.unfinished:
        return PackStep(pack=pack, fate=Fate.KEEP, reason="an interrupted backup can go on from it")
    if not pack.live:
        return PackStep(pack=pack, fate=Fate.CONDEMN, reason="no living snapshot needs anything in it")
    return None


def _kept(pack: PackFacts) -> PackStep:
    reason = "all of it is needed" if not pack.dead else f"{_percent(pack)} of it is dead"
    return PackStep(pack=pack, fate=Fate.KEEP, reason=reason)


def _repacks(packs: list[PackFacts], policy: PrunePolicy) -> dict[bytes, PackStep]:
    """Packs worth copying out of, the ones that free most for each byte copied first, up to the bound."""
    reasons = {**_merges(packs, policy), **_worn_out(packs, policy)}
    chosen: dict[bytes, PackStep] = {}
    moved = 0
    for pack in sorted((p for p in packs if p.name in reasons), key=lambda p: (p.live / p.size, p.name)):
        bound = policy.max_repack_bytes
        if bound is not None and moved + pack.live > bound:
            reason = f"{reasons[pack.name]}, but enough is copied in this prune"
            chosen[pack.name] = PackStep(pack=pack, fate=Fate.KEEP, reason=reason)
        else:
            moved += pack.live
            chosen[pack.name] = PackStep(pack=pack, fate=Fate.REPACK, reason=reasons[pack.name])
    return chosen


def _worn_out(packs: list[PackFacts], policy: PrunePolicy) -> dict[bytes, str]:
    waste = sum(pack.dead for pack in packs)
    if waste < policy.tolerated * sum(pack.size for pack in packs):
        return {}
    return {p.name: f"{_percent(p)} of it is dead" for p in packs if p.dead > policy.max_dead * p.size}


def _merges(packs: list[PackFacts], policy: PrunePolicy) -> dict[bytes, str]:
    small = [pack for pack in packs if pack.size < policy.small * policy.target_size]
    if len(small) < policy.min_small:
        return {}
    reason = f"merged: it is one of {len(small)} small packs"
    return {pack.name: reason for pack in small}


def _percent(pack: PackFacts) -> str:
    return f"{100 * pack.dead / pack.size:.0f} %"
