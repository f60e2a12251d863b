"""Retention at the terminal: options for rules, the plan with a reason for every snapshot, what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import click

from holdfast.cli import ask, words
from holdfast.cli.face import Face
from holdfast.model.errors import Exit, UsageError
from holdfast.model.ids import short
from holdfast.model.keeping import Decision, KeepRules, RetentionPlan, SourceRetention
from holdfast.model.snapshot import SnapshotInfo
from holdfast.system import clock
from holdfast.usecases import retention
from holdfast.wiring.build import App
from holdfast.wiring.retaining import retention_request
from holdfast.wiring.units import parse_duration

_COUNTED = ("last", "hourly", "daily", "weekly", "monthly", "yearly")


def keep_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--keep-last`` to ``--keep-yearly``, given to ``function`` by those names."""
    for name in reversed(_COUNTED):
        text = "Keep the newest N." if name == "last" else f"Keep the newest of N {_PLURAL[name]}."
        function = click.option(f"--keep-{name}", type=click.IntRange(min=0), metavar="N", help=text)(function)
    return click.option(
        "--keep-within", metavar="TIME", callback=_duration, help="Keep what is younger: 30d, 26h."
    )(function)


_PLURAL = {"hourly": "hours", "daily": "days", "weekly": "weeks", "monthly": "months", "yearly": "years"}


def _duration(_context: click.Context, _parameter: click.Parameter, value: str | None) -> timedelta | None:
    return None if value is None else parse_duration(value)


def rules_of(options: Mapping[str, Any]) -> KeepRules | None:
    """The rules typed as ``keep_options``; None when there is none. UsageError when they would keep nothing."""
    given = {name.removeprefix("keep_"): value for name, value in options.items() if value is not None}
    if not given:
        return None
    rules = KeepRules(**given)
    if not rules:
        raise UsageError("these rules keep nothing", hint="a rule with 0 counts as not given")
    return rules


def follow(face: Face, app: App, plan: RetentionPlan, *, confirm: bool) -> Exit:
    """Show the plan, and unless it is a dry run carry it out."""
    face.lines(_lines(plan, verbose=face.dry_run or face.verbosity > 0))
    going = [info for each in plan.sources if confirm or not each.held for info in each.drop]
    if not face.dry_run:
        if going or (confirm and plan.held):
            ask.confirm(face, f"forget {len(going)} snapshot(s)?")
        doing = retention.Doing(
            who=clock.user(), confirm=confirm, required=app.settings.audit.required, warn=face.warning
        )
        retention.apply(app.repository, plan, doing)
    face.document(_document(face, plan, going))
    if going and not face.dry_run:
        tell_space(face, app)
    waiting = () if confirm else plan.held
    for each in waiting:
        _tell_held(face, each)
    return Exit.INCOMPLETE if waiting and not face.dry_run else Exit.OK


def plan_for(app: App, sources: tuple[str, ...], rules: KeepRules | None, environment: str | None) -> RetentionPlan:
    """By the rules of the configuration, or by ``rules``."""
    request = retention_request(app.settings, clock.now(), sources, rules, environment)
    return retention.plan(app.repository, request)


def tell_space(face: Face, app: App) -> None:
    """When the space of what was just forgotten is free."""
    undelete = app.settings.running.undelete
    if not undelete:
        face.note("space is freed by: holdfast prune; until then: holdfast unforget ID")
        return
    free = clock.now() + undelete
    face.note(
        f"holdfast unforget ID brings them back; holdfast prune frees their space from {free:%Y-%m-%d} on,"
        " holdfast prune --now at once"
    )


def _tell_held(face: Face, each: SourceRetention) -> None:
    name = each.terms.source
    face.loud_note(f"{name}: held, nothing is forgotten: {each.held}", "yellow")
    face.loud_note(f"  look: holdfast forget --policy --dry-run {name}")
    face.loud_note(f"  agree: holdfast forget --policy --confirm {name}")


def _lines(plan: RetentionPlan, *, verbose: bool) -> Iterator[str]:
    for each in plan.sources:
        terms = each.terms
        dropped = f"{len(each.drop)} go" + (" once it is confirmed" if each.held else "")
        yield f"{terms.source} ({terms.environment}): {each.kept} stay, {dropped}"
        for decision in reversed(each.decisions):
            if verbose or not decision.keep:
                yield _line(decision)
        if each.elsewhere:
            yield f"  {each.elsewhere} more are of other environments: --environment NAME decides on those"
    for source, count in plan.unknown.items():
        yield f"{source}: {count} snapshots, not in the configuration: no rule is for them"


def _line(decision: Decision) -> str:
    info = decision.info
    named = f" “{info.name}”" if info.name else ""
    return f"  {short(info.id)}  {words.instant(info.created_at)}{named}  {decision.words}"


def _document(face: Face, plan: RetentionPlan, going: list[SnapshotInfo]) -> dict[str, Any]:
    gone = {info.id for info in going}
    return {
        "dry_run": face.dry_run,
        "forgotten": sorted(gone),
        "sources": [
            {
                "source": each.terms.source,
                "environment": each.terms.environment,
                "zone": each.terms.zone,
                "rules": each.terms.rules.plain(),
                "held": each.held if not gone.intersection(info.id for info in each.drop) else "",
                "elsewhere": each.elsewhere,
                "decisions": [_decision(decision) for decision in each.decisions],
            }
            for each in plan.sources
        ],
        "unknown": dict(plan.unknown),
    }


def _decision(decision: Decision) -> dict[str, Any]:
    info = decision.info
    return {
        "id": info.id,
        "created_at": info.created_at,
        "keep": decision.keep,
        "reasons": list(decision.reasons),
    }
