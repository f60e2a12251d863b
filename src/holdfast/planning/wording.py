"""Messages of alerts in words: what is the matter, why it matters, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from holdfast.model.alert import Message
from holdfast.model.report import SystemReport
from holdfast.model.run import Run, RunStatus
from holdfast.planning.noticing import Notice

_WORST = ("critical", "warning", "info", "")


def alert_message(notices: Sequence[Notice], now: datetime, public_url: str = "") -> Message:
    """One message for everything a channel has to be told at once; ``notices`` worst first, at least one."""
    worst = min((each.severity for each in notices), key=_WORST.index)
    raised = [each for each in notices if each.severity]
    first = notices[0].alert.finding
    subject = first.source or "holdfast"
    lead = f"{subject}: {first.what}" if raised else f"{subject}: over: {first.what}"
    more = f" (and {len(notices) - 1} more)" if len(notices) > 1 else ""
    lines = [line for notice in notices for line in _lines(notice)]
    if public_url:
        lines += ["", public_url]
    return Message(
        kind="alert" if raised else "recovery",
        severity=worst,
        title=f"{worst.upper() or 'RECOVERED'} {lead}{more}",
        text="\n".join(lines),
        at=now.isoformat(),
        facts={"alerts": [_facts(each) for each in notices]},
    )


def digest_message(report: SystemReport, runs: Iterable[Run], now: datetime, public_url: str = "") -> Message:
    """The weekly letter, also when all is well: silence would tell nothing."""
    week = [run for run in runs if run.kind == "backup" and _within(run, now)]
    good = sum(run.status is RunStatus.SUCCEEDED for run in week)
    bad = sum(run.status in (RunStatus.FAILED, RunStatus.INTERRUPTED, RunStatus.INCOMPLETE) for run in week)
    lines = [report.headline, "", *(f"- {each.loss}" for each in report.sources), ""]
    lines.append(f"Backups of the last 7 days: {good} succeeded, {bad} did not.")
    open_ones = [*report.findings, *(finding for each in report.sources for finding in each.findings)]
    lines += [f"- {each.severity.value}: {each.source or 'all'}: {each.what}" for each in open_ones] or [
        "Nothing needs attention."
    ]
    lines += ["", public_url] if public_url else []
    return Message(
        kind="digest", severity="info", title=f"holdfast, the week to {now:%Y-%m-%d}", text="\n".join(lines),
        at=now.isoformat(), facts={"succeeded": good, "failed": bad, "open": len(open_ones)},
    )  # fmt: skip


def _within(run: Run, now: datetime) -> bool:
    return now - datetime.fromisoformat(run.created_at) <= timedelta(days=7)


def _lines(notice: Notice) -> list[str]:
    found = notice.alert.finding
    head = f"{notice.severity.upper() or 'RECOVERED'}: {found.source + ': ' if found.source else ''}{found.what}"
    if not notice.severity:
        return [head, f"  since {notice.alert.since}, over since {notice.alert.cleared_at}"]
    rest = [f"  {text}" for text in (found.why, f"to do: {found.hint}" if found.hint else "") if text]
    return [head, *rest]


def _facts(notice: Notice) -> dict[str, object]:
    found = notice.alert.finding
    return {
        "key": notice.alert.key, "code": found.code, "source": found.source, "severity": notice.severity,
        "state": "raised" if notice.severity else "recovered", "what": found.what, "why": found.why,
        "hint": found.hint, "since": notice.alert.since, "cleared_at": notice.alert.cleared_at,
    }  # fmt: skip
