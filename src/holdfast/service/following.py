"""The deed of following the rules of retention: what nothing keeps is forgotten, and can be brought back later."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from holdfast.model.events import Warned
from holdfast.model.keeping import RetentionPlan
from holdfast.service.deeds import Going, Told, plain, summed
from holdfast.system import clock
from holdfast.usecases import retention
from holdfast.wiring.retaining import retention_request

_SHOWN = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowRules:
    """Forget what the rules of a source do not keep. What a change of them would drop is held, not forgotten.

    ``notes_itself``: what went is noted where rules are followed, for every face alike.
    """

    source: str
    via: str = "api"
    kind: str = "forget"
    scope: str = "delete"
    notes_itself: bool = True

    @property
    def words(self) -> str:
        """See Deed."""
        return f"forget what the rules of {self.source} do not keep"

    @property
    def command(self) -> str:
        """See Deed."""
        return shlex.join(["holdfast", "forget", "--policy", self.source])

    def do(self, going: Going) -> Told:
        """See Deed."""
        app = going.app
        plan = retention.plan(app.repository, retention_request(app.settings, clock.now(), (self.source,)))
        if not going.dry_run:
            doing = retention.Doing(
                who=going.who, via=self.via, required=app.settings.audit.required,
                warn=lambda text: going.report(Warned(source=self.source, text=text)),
            )  # fmt: skip
            retention.apply(app.repository, plan, doing)
        return _told(plan, dry_run=going.dry_run)


def _told(plan: RetentionPlan, *, dry_run: bool) -> Told:
    decisions = [{"snapshot": each.info.id, "keep": each.keep, "words": each.words}
                 for source in plan.sources for each in source.decisions]  # fmt: skip
    decisions.sort(key=lambda each: bool(each["keep"]))
    held = [each.held for each in plan.held]
    document: dict[str, Any] = {
        "dry_run": dry_run, "forgotten": [info.id for info in plan.drop],
        "kept": sum(each.kept for each in plan.sources),
        "decisions": decisions[:_SHOWN], "decision_count": len(decisions), "refusals": [],
        "warnings": [f"{why}: POST /api/retention/SOURCE/confirm" for why in held],
    }  # fmt: skip
    going_now = sorted(info.id for info in plan.drop)
    return Told(document=plain(document), whole=summed([going_now, held]))
