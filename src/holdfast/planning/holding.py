"""A change of rules that would drop much waits for a person: how much more goes than under the rules before."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.model.keeping import Decision, HoldLimits


def why_held(
    decisions: Sequence[Decision], before: Sequence[Decision] | None, limits: HoldLimits
) -> str:
    """Why nothing may be dropped yet, "" when it may. ``before``: by the rules confirmed last; None: there are none."""
    used_to_go = {each.info.id for each in before or () if not each.keep}
    more = [each for each in decisions if not each.keep and each.info.id not in used_to_go]
    if not more:
        return ""
    share = 100 * len(more) / len(decisions)
    if len(more) <= limits.count and share <= limits.percent:
        return ""
    going = sum(not each.keep for each in decisions)
    than = "and no rules were confirmed before"
    if before is not None:
        than = f"{len(more)} more than under the rules confirmed last"
    limit = f"{limits.count} at once or {limits.percent:g} %"
    return f"{going} of {len(decisions)} snapshots would go, {than} ({share:.0f} %); the limit is {limit}"
