"""Nobody hands on more rights than they have, nor learns of sources that are not theirs."""

from __future__ import annotations

import msgspec

from holdfast.model.report import Level, SystemReport
from holdfast.web.security.identity import Identity
from holdfast.web.security.refusals import Forbidden


def within(who: Identity, scopes: frozenset[str], sources: frozenset[str]) -> None:
    """Forbidden when these rights go beyond those of ``who``. ``sources`` empty: all."""
    if missing := sorted(scopes - who.scopes):
        raise Forbidden(missing[0])
    if who.sources and (not sources or sources - who.sources):
        raise Forbidden("keys", ", ".join(sorted(sources - who.sources)) or "every source")


def may_hand_on(who: Identity, scopes: frozenset[str], sources: frozenset[str]) -> bool:
    """Whether these rights are within those of ``who``."""
    try:
        within(who, scopes, sources)
    except Forbidden:
        return False
    return True


def seen(report: SystemReport, who: Identity) -> SystemReport:
    """What one may see of the report: of one's own sources, with nothing that names others."""
    if not who.sources:
        return report
    mine = [each for each in report.sources if who.may("status:read", each.source)]
    level = min((each.level for each in mine if each.configured), default=Level.UNPROTECTED)
    headline = mine[0].loss if mine else "no source of yours is known"
    findings = [each for each in report.findings if each.source in who.sources]
    return msgspec.structs.replace(report, sources=mine, level=level, headline=headline, findings=findings, warnings=[])
