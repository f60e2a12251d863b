"""``holdfast status``: what would be lost now, when it was last proven, what is unprotected."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from holdfast.cli import report_lines
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.model.audit import Act
from holdfast.model.errors import Exit, HoldfastError
from holdfast.model.health import Severity
from holdfast.model.report import SourceReport, SystemReport
from holdfast.planning import names
from holdfast.system import clock
from holdfast.usecases import anomaly, measuring
from holdfast.usecases.audit import note
from holdfast.usecases.listing import infos
from holdfast.usecases.report import has_problems
from holdfast.usecases.sizes import Sizes, sizes_of
from holdfast.wiring import journals, reporting
from holdfast.wiring.build import App

_EXAMPLES = """
holdfast status
holdfast status --week
holdfast status --json --exit-zero
holdfast status --accept 4f1c2a90
"""

@verb("status", examples=_EXAMPLES)
@click.option("--week", is_flag=True, help="Also the last seven snapshots of each source, and the last seven days.")
@click.option("--explain", is_flag=True, help="Also the evidence for each level.")
@click.option("--sizes", is_flag=True, help="Also the largest tables, collections and files of each source.")
@click.option("--accept", metavar="ID", help="This snapshot is right as it is: compare later ones with it.")
@click.option("--exit-zero", is_flag=True, help="Exit status 0 also when something needs attention.")
def status(face: Face, week: bool, explain: bool, sizes: bool, accept: str | None, exit_zero: bool) -> int:
    """Say, worst first, what would be lost now, when it was last proven, and what is unprotected.

    Exit status 4 when something is critical or a warning, for monitors.
    """
    lost: list[HoldfastError] = []
    with opened(face) as app, journals.reading(app.configuration, lost.append) as journal:
        if accept is not None:
            _accept(face, app, accept)
        environ = app.configuration.around.environ
        measuring.recent(app.repository, app.places.cache, measuring.COUNTED_FOR, environ)
        for error in lost:
            face.warning(f"{error.what}: {error.why}; what only it knows is not told")
        report = reporting.system_report(app, journal, *lost)
        large = sizes_of(app.repository, [each.newest for each in report.sources if each.newest]) if sizes else {}
    face.document(_document(report, large, face.alarms))
    _tell(face, report)
    if explain:
        face.lines(report_lines.evidence_lines(report.sources))
    if week:
        face.lines(report_lines.week(report.sources))
    for source, found in large.items():
        face.lines([f"{source}: {found.advice}", *(f"  {line}" for line in found.lines)])
    face.line(report_lines.repository_line(report.repository, report.as_of))
    return int(Exit.PROBLEMS_FOUND if has_problems(report) and not exit_zero else Exit.OK)


def _accept(face: Face, app: App, wanted: str) -> None:
    info = names.one(wanted, infos(app.repository), across_sources=False)
    anomaly.accept(app.repository, info, clock.user())
    act = Act(
        at=clock.stamp(), deed="config:accept", who=clock.user(), via="cli", source=info.source, subject=info.id,
        what="called right as it is: health compares later snapshots with it",
    )  # fmt: skip
    if warning := note(app.repository, act).warning:
        face.warning(warning)
    face.note(f"accepted: later snapshots of {info.source} are compared with {info.id[:8]}")


def _tell(face: Face, report: SystemReport) -> None:
    troubled = has_problems(report)
    face.line(report.headline, "bold" if not troubled else "red")
    for each in report.sources[1:]:
        if each.configured:
            face.line(each.loss)
    face.line()
    for text, style in report_lines.finding_lines(report_lines.ordered(report)):
        face.line(text, style)
    if report.sources:
        face.line()
        face.lines(report_lines.table(report.sources))
        face.line()
    for each in report.sources:
        for text in each.not_protected:
            face.line(f"not protected: {each.source}: {text}", "yellow")
    if not report.sources:
        face.note("no source is configured and there is no snapshot")


def _document(report: SystemReport, large: dict[str, Sizes], alarms: list[str]) -> dict[str, Any]:
    """The whole report, and beside the fields of today the names of those before them."""
    document: dict[str, Any] = msgspec.to_builtins(report)
    document["ok"] = not has_problems(report)
    document["warnings"] = [*report.warnings, *alarms]
    document["sources"] = [_source(each) for each in report.sources]
    if large:
        document["sizes"] = {name: msgspec.to_builtins(each) for name, each in large.items()}
    return document


def _source(each: SourceReport) -> dict[str, Any]:
    known: dict[str, Any] = msgspec.to_builtins(each)
    failure = each.last_failure
    known["last_failure"] = failure and {
        "at": each.last_failure_at, "code": failure.code, "what": failure.what, "why": failure.why,
        "hint": failure.hint,
    }  # fmt: skip
    known |= {
        "newest_created_at": each.newest_at, "age_seconds": each.age, "reach_seconds": each.reach,
        "incomplete_since_newest": each.failed_since,
    }  # fmt: skip
    known["worst"] = min((finding.severity for finding in each.findings), key=list(Severity).index, default=None)
    return known
