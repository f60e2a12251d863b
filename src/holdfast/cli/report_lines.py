"""The report of how everything stands, as a person reads it at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from holdfast.cli import words
from holdfast.model.health import Finding, Severity
from holdfast.model.ids import short
from holdfast.model.report import Level, RepositoryReport, SourceReport, SystemReport

STYLES = {Severity.CRITICAL: "red", Severity.WARNING: "yellow", Severity.INFO: "dim"}
LEVELS = {
    Level.UNPROTECTED: "L0 unprotected", Level.FRESH: "L1 fresh", Level.INTACT: "L2 intact",
    Level.RESTORABLE: "L3 restorable", Level.CORRECT: "L4 correct", Level.SURVIVABLE: "L5 survivable",
}  # fmt: skip
_WEEK = 7


def finding_lines(found: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    """(line, style) of each finding: what, judged by what, and the command that mends it."""
    for each in found:
        who = f"{each.source}: " if each.source else ""
        yield f"{each.severity.value:8}  {who}{each.what}", STYLES[each.severity]
        if each.why:
            yield f"          because: {each.why}", ""
        if each.hint:
            yield f"          mend: {each.hint}", ""


def table(sources: Sequence[SourceReport]) -> list[str]:
    """One line for each source."""
    titles = ("source", "level", "newest (UTC)", "age", "allowed", "rows", "size", "stored", "snapshots",
              "reaches back", "next")  # fmt: skip
    rows = [
        (
            each.source if each.configured else f"{each.source} (not configured)",
            LEVELS[each.level],
            words.instant(each.newest_at) if each.newest_at else "none",
            _span(each.age),
            _span(each.limit) if each.configured else "-",
            words.count(each.rows),
            words.size(each.bytes_source),
            words.size(each.bytes_stored),
            words.count(each.snapshots),
            _span(each.reach),
            words.instant(each.next_due_at) if each.next_due_at else "-",
        )
        for each in sources
    ]
    return words.table(titles, rows, right=(3, 4, 5, 6, 7, 8, 9))


def repository_line(found: RepositoryReport, as_of: str) -> str:
    """The store: how big, how fast it grows, what it costs, when it was last read again."""
    when = f"counted {words.instant(found.measured_at)}" if found.measured_at else "as the snapshots brought it"
    parts = [f"repository {found.url}: {words.size(found.bytes_stored)} ({when})"]
    if found.bytes_free is not None:
        parts.append(f"{words.size(found.bytes_free)} free")
    if found.growth is not None:
        parts.append(f"grows by {words.size(round(found.growth))} a day")
    if found.full_at:
        parts.append(f"full about {found.full_at[:10]}")
    if found.cost is not None:
        parts.append(f"{found.cost:,.2f} {found.currency} a month")
    parts.append(f"all read again {words.instant(found.checked_at)}" if found.checked_at else "never all read again")
    return f"{', '.join(parts)}; as of {words.instant(as_of)} UTC"


def week(sources: Sequence[SourceReport]) -> Iterator[str]:
    """For each source its last seven snapshots, and what came in on each of the last seven days."""
    for each in sources:
        yield f"{each.source}: the last {len(each.recent)} of {each.snapshots} snapshots"
        titles = ("id", "created (UTC)", "whole", "rows", "size", "stored")
        rows = [
            (short(one.id), words.instant(one.created_at), "yes" if one.good else "no", words.count(one.rows),
             words.size(one.bytes_source), words.size(one.bytes_stored))
            for one in each.recent
        ]  # fmt: skip
        yield from words.table(titles, rows, right=(3, 4, 5))
        days = [
            (day.date, day.state, words.count(day.snapshots), words.count(day.failures), words.size(day.bytes_new))
            for day in each.days[-_WEEK:]
        ]
        yield ""
        yield from words.table(("day", "state", "snapshots", "failures", "new data"), days, right=(2, 3, 4))
        yield ""


def evidence_lines(sources: Sequence[SourceReport]) -> Iterator[str]:
    """Which level each source has, and what speaks for and against it."""
    for each in sources:
        yield f"{each.source}: {LEVELS[each.level]}"
        for one in each.evidence:
            yield f"  {'proven    ' if one.proven else 'not proven'}  {LEVELS[one.level]}: {one.what}"


def ordered(report: SystemReport) -> list[Finding]:
    """Every finding, worst first."""
    every = [*report.findings, *(finding for each in report.sources for finding in each.findings)]
    return sorted(every, key=lambda each: list(Severity).index(each.severity))


def ago(iso: str, now: datetime) -> str:
    """``3 min 2 s ago``."""
    return f"{words.seconds(max(0.0, (now - datetime.fromisoformat(iso)).total_seconds()))} ago"


def _span(seconds: float | None) -> str:
    return "-" if seconds is None else words.seconds(seconds)
