"""Deeds on the repository itself: forget, check, prune."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from holdfast.model.ids import short
from holdfast.service.deeds import Going, Told, plain
from holdfast.usecases.check import CheckRequest, check
from holdfast.usecases.forget import forget, plan_forget
from holdfast.usecases.prune import PruneRequest, prune
from holdfast.wiring.freeing import held, why_held
from holdfast.wiring.journals import reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Forget snapshots of one source, by their ids. They can be brought back until prune frees them."""

    snapshots: tuple[str, ...]
    source: str
    kind: str = "forget"
    scope: str = "delete"

    @property
    def words(self) -> str:
        """See Deed."""
        return f"forget {', '.join(map(short, self.snapshots))} of {self.source}"

    @property
    def command(self) -> str:
        """See Deed."""
        return shlex.join(["holdfast", "forget", *map(short, self.snapshots)])

    def do(self, going: Going) -> Told:
        """See Deed."""
        plan = plan_forget(going.app.repository, self.snapshots)
        dropped = [info.id for info in plan.drop] if going.dry_run else forget(going.app.repository, plan)
        document = {
            "dry_run": going.dry_run, "forgotten": dropped, "last_good": [info.id for info in plan.last_good],
            "refusals": [],
        }  # fmt: skip
        return Told(document=plain(document))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Verify the repository. ``read_data``: share of the packs to read, 0 to 1."""

    read_data: float = 0.0
    source: str = ""
    kind: str = "check"
    scope: str = "backup:run"
    words: str = "check of the repository"

    @property
    def command(self) -> str:
        """See Deed."""
        return "holdfast check" + (f" --read-data={self.read_data:.0%}" if self.read_data else "")

    def do(self, going: Going) -> Told:
        """See Deed; changes nothing anyway."""
        done = check(going.app.repository, CheckRequest(read_data=self.read_data, report=going.report))
        findings = [
            {"what": each.what, "where": each.where, "affects": list(each.affects), "hint": each.hint}
            for each in done.findings
        ]
        document = {"ok": done.ok, "findings": findings, "bytes_read": done.read, "refusals": []}
        return Told(document=plain(document), complete=done.ok)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Free the space nothing needs any more; what was forgotten a short while ago can still be brought back."""

    source: str = ""
    kind: str = "prune"
    scope: str = "delete"
    words: str = "prune of the repository"
    command: str = "holdfast prune"

    def do(self, going: Going) -> Told:
        """See Deed. PruneHeld while a snapshot or the clock looks wrong: only a person at a terminal does it then."""
        request, app = _request(going), going.app
        with reading(app.configuration, lambda _error: None) as journal:
            why = why_held(app, journal, request.grace)
        if why and not going.dry_run:
            raise held(why)
        done = prune(app.repository, request)
        refusals = (why,) if why else ()
        document = {
            "dry_run": going.dry_run, "freed": done.freed, "taken": done.taken, "warnings": done.warnings,
            "refusals": refusals,
        }  # fmt: skip
        return Told(document=plain(document), refusals=refusals, complete=not done.warnings)


def _request(going: Going) -> PruneRequest:
    """What was forgotten a short while ago stays: only a person at a terminal frees it at once."""
    return PruneRequest(dry_run=going.dry_run, grace=going.app.settings.running.undelete, report=going.report)
