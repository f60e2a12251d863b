"""What is not as it should be with one source: each rule looks at one thing and says by which number it judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from holdfast.model.health import Finding, Severity
from holdfast.model.ids import short
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import losses, saying
from holdfast.planning.standing import TOLERANCE, Standing, instant
from holdfast.planning.suspicion import origin_before

DOUBTS = frozenset(
    {"clock", "empty", "small", "few-rows", "rows-fell", "size-changed", "suspicious", "other-source", "unprotected"}
)
"""Findings that take the newest snapshot its worth as proof: it is not what a fresh one should be."""

_LEFT_OUT = ("rows of ", "documents of ")
_HALF, _HARDLY = 0.5, 50
_ROUTINE = timedelta(days=30)
_BY_ITSELF, _LATELY = ("schedule", "cron", "api"), 7


def findings_of(standing: Standing) -> list[Finding]:
    """Everything the rules find, worst first. A source that left the configuration is judged for that alone."""
    rules = _RULES if standing.configured else (_left_out_of_configuration,)
    found = [finding for rule in rules for finding in rule(standing)]
    return sorted(found, key=lambda each: list(Severity).index(each.severity))


def _finding(standing: Standing, code: str, severity: Severity, what: str, why: str, hint: str) -> Finding:
    return Finding(code=code, severity=severity, source=standing.source, what=what, why=why, hint=hint)


def _accept(standing: Standing) -> str:
    newest = standing.newest
    if newest is None:
        return ""
    return f"look: holdfast show {short(newest.id)}; right as it is: holdfast status --accept {short(newest.id)}"


def _show(info: SnapshotInfo) -> str:
    return f"look: holdfast show {short(info.id)}; is it the right database? holdfast doctor"


def _none(standing: Standing) -> Iterator[Finding]:
    if standing.newest is None:
        why = f"{len(standing.snapshots)} snapshots, none of them complete" if standing.snapshots else "no snapshot"
        yield _finding(standing, "none", Severity.CRITICAL, "there is no complete snapshot: everything would be lost",
                       why, f"holdfast backup {standing.source}")  # fmt: skip


def _age(standing: Standing) -> Iterator[Finding]:
    age, (limit, says) = standing.age, standing.limit
    if age is None or age <= limit:
        return
    severity = Severity.CRITICAL if age > 2 * limit else Severity.WARNING
    what = f"the newest complete snapshot is {saying.span(age.total_seconds())} old"
    why = f"at most {saying.span(limit.total_seconds())}: {says}"
    yield _finding(standing, "age", severity, what, why, f"holdfast backup {standing.source}, then holdfast doctor")


def _failed(standing: Standing) -> Iterator[Finding]:
    failure, newest = standing.failure, standing.newest
    if failure is not None and (newest is None or failure.at >= instant(newest.created_at)):
        ago = saying.span((standing.now - failure.at).total_seconds())
        yield _finding(standing, "failed", Severity.WARNING, f"the last run failed {ago} ago: {failure.error.what}",
                       failure.error.why, failure.error.hint or "holdfast doctor")  # fmt: skip
    later = standing.snapshots[: standing.snapshots.index(newest)] if newest else standing.snapshots
    partial = [info for info in later if info.status != "complete"]
    if partial:
        what = f"{len(partial)} newer snapshots are incomplete, the last is {short(partial[0].id)}"
        yield _finding(standing, "incomplete", Severity.WARNING, what, "; ".join(partial[0].warnings[:3]),
                       f"holdfast show {short(partial[0].id)}")  # fmt: skip


def _count(standing: Standing) -> Iterator[Finding]:
    least, have = standing.policy.health.min_count, len(standing.good)
    if least is not None and have < least:
        yield _finding(standing, "count", Severity.WARNING, f"{have} complete snapshots are kept",
                       f"at least {least}: min_count of its health rules",
                       f"holdfast backup {standing.source}; what drops them: holdfast forget --policy -n")  # fmt: skip


def _floors(standing: Standing) -> Iterator[Finding]:
    newest, rules = standing.newest, standing.policy.health
    if newest is None:
        return
    if rules.min_size is not None and newest.bytes_source < rules.min_size:
        what = f"the newest snapshot holds {saying.size(newest.bytes_source)} of data"
        why = f"at least {saying.size(rules.min_size)}: min_size of its health rules"
        yield _finding(standing, "small", Severity.WARNING, what, why, _show(newest))
    if rules.min_rows is not None and (newest.rows or 0) < rules.min_rows:
        what = f"the newest snapshot holds {saying.number(newest.rows or 0)} rows"
        why = f"at least {rules.min_rows:,}: min_rows of its health rules"
        yield _finding(standing, "few-rows", Severity.WARNING, what, why, _show(newest))


def _empty(standing: Standing) -> Iterator[Finding]:
    newest = standing.newest
    if newest is None or newest.id in standing.accepted:
        return
    rows = losses.rows_of(standing.past)
    if not losses.is_empty(newest, rows):
        return
    if not newest.item_count or not newest.bytes_source:
        what = "the newest snapshot holds nothing at all"
        why = f"{newest.item_count} items, {newest.bytes_source} bytes"
    else:
        what, why = "the newest snapshot holds not one row", f"usual are {saying.number(rows.usual)}"
    hint = f"is it the right database? holdfast doctor; {_accept(standing)}"
    yield _finding(standing, "empty", Severity.CRITICAL, what, why, hint)


def _rows_fell(standing: Standing) -> Iterator[Finding]:
    newest, rules = standing.newest, standing.policy.health
    if newest is None or newest.id in standing.accepted:
        return
    rows = losses.rows_of(standing.past)
    if fell := losses.fallen(newest, rows, rules):
        usual = f"usual are {saying.number(rows.usual)}, the median of {rows.count} snapshots before"
        most = rules.max_row_drop
        why = usual if most is None else f"{usual}; at most {most:g} %: max_row_drop of its health rules"
        what = f"rows fell by {saying.percent(fell)} to {saying.number(newest.rows or 0)}"
        yield _finding(standing, "rows-fell", Severity.WARNING, what, why, _accept(standing))


def _size_changed(standing: Standing) -> Iterator[Finding]:
    newest, rules = standing.newest, standing.policy.health
    if newest is None or newest.id in standing.accepted:
        return
    sizes = losses.sizes_of(standing.past)
    if change := losses.resized(newest, sizes, rules):
        usual = f"usual is {saying.size(sizes.usual)}, the median of {sizes.count} snapshots before"
        most = rules.max_size_change
        why = usual if most is None else f"{usual}; at most {most:g} %: max_size_change of its health rules"
        moved = f"{'grew' if change > 0 else 'shrank'} by {saying.percent(abs(change))}"
        what = f"the data {moved} to {saying.size(newest.bytes_source)}"
        yield _finding(standing, "size-changed", Severity.WARNING, what, why, _accept(standing))


def _suspicious(standing: Standing) -> Iterator[Finding]:
    for each in standing.suspects[-1:]:
        clean = f"the last one that looks right is {short(each.clean.id)}" if each.clean else "none before looks right"
        look = f"holdfast diff {short(each.clean.id) if each.clean else 'ID'} {short(each.info.id)}"
        hint = f"look: {look}; right as it is: holdfast status --accept {short(each.info.id)}"
        yield _finding(standing, "suspicious", Severity.CRITICAL, f"{each.why}: encrypted or rewritten?",
                       f"{clean}; pruning is paused", hint)  # fmt: skip


def _other_source(standing: Standing) -> Iterator[Finding]:
    told = origin_before(standing.comparable)
    if told is not None:
        yield _finding(standing, "other-source", Severity.CRITICAL, "the newest snapshot is of another database",
                       f"now {told[0]}, before {told[1]}",
                       f"check url of [sources.{standing.source}]; moved on purpose: {_accept(standing)}")  # fmt: skip


def _clock(standing: Standing) -> Iterator[Finding]:
    ahead = [info for info in standing.good[:50] if instant(info.created_at) - standing.now > TOLERANCE]
    if ahead:
        by = max(instant(info.created_at) - standing.now for info in ahead).total_seconds()
        yield _finding(standing, "clock", Severity.WARNING,
                       f"{len(ahead)} snapshots are stamped up to {saying.span(by)} in the future",
                       f"by the clock of this machine, {standing.now.isoformat(timespec='seconds')}",
                       "timedatectl set-ntp true, here and where backups are made")  # fmt: skip


def _unprotected(standing: Standing) -> Iterator[Finding]:
    newest = standing.newest
    if newest is None or not newest.not_protected:
        return
    first = set(standing.comparable[-1].not_protected)
    fresh = [line for line in newest.not_protected if line.startswith(_LEFT_OUT) and line not in first]
    if fresh and newest.id not in standing.accepted:
        hint = f"add them to [sources.{standing.source}] in holdfast.toml; meant so: {_accept(standing)}"
        yield _finding(standing, "unprotected", Severity.WARNING, f"in no snapshot since they appeared: {_some(fresh)}",
                       f"not left out of snapshot {short(standing.comparable[-1].id)}", hint)  # fmt: skip
    known = [line for line in newest.not_protected if line not in fresh]
    if known:
        yield _finding(standing, "left-out", Severity.INFO, f"in no snapshot: {_some(known)}",
                       f"snapshot {short(newest.id)} says so", f"holdfast show {short(newest.id)}")  # fmt: skip


def _neighbours(standing: Standing) -> Iterator[Finding]:
    newest = standing.newest
    told = (newest.more or {}).get("neighbours") if newest else None
    alone = sorted({str(each) for each in told} - standing.beside) if isinstance(told, list) else []
    if newest is not None and alone:
        what = f"databases beside it that nobody backs up: {_some(alone)}"
        yield _finding(standing, "neighbours", Severity.INFO, what,
                       f"on the same server when snapshot {short(newest.id)} was made",
                       "a source for each that matters: [sources.NAME] in holdfast.toml")  # fmt: skip


def _others(standing: Standing) -> Iterator[Finding]:
    if standing.others:
        told = ", ".join(f"{count} of {name}" for name, count in sorted(standing.others.items()))
        yield _finding(standing, "elsewhere", Severity.INFO, f"snapshots of other environments: {told}",
                       f"they count for nothing in {standing.policy.environment}",
                       f"holdfast show latest:{standing.source}@{min(standing.others)}")  # fmt: skip


def _some(lines: Sequence[str]) -> str:
    more = f" and {len(lines) - 3} more" if len(lines) > 3 else ""
    return ", ".join(lines[:3]) + more


def _unscheduled(standing: Standing) -> Iterator[Finding]:
    """Programs and cron elsewhere may back it up too: what they made of late shows."""
    by_itself = any(info.trigger in _BY_ITSELF for info in standing.good[:_LATELY])
    if standing.policy.schedules or by_itself:
        return
    rpo = standing.policy.rpo
    why = f"no schedule is written and its last snapshots were made by hand{f'; RPO {_span(rpo)}' if rpo else ''}"
    yield _finding(standing, "unscheduled", Severity.WARNING if rpo else Severity.INFO, "nothing backs it up by itself",
                   why, f'schedules = [{{ every = "1h" }}] in [sources.{standing.source}], or cron:'
                   " holdfast backup --if-due 24h --trigger cron")  # fmt: skip


def _span(time: timedelta) -> str:
    return saying.span(time.total_seconds())


def _schedule(standing: Standing) -> Iterator[Finding]:
    rpo, widest = standing.policy.rpo, standing.rhythm.widest
    if rpo is None or widest is None:
        return
    slowest = timedelta(seconds=max((info.seconds for info in standing.good[:7]), default=0.0))
    if widest + slowest > rpo:
        gap, one, wanted = map(_span, (widest, slowest, rpo))
        what = f"its schedules can lose {_span(widest + slowest)}"
        usual = standing.rhythm.usual or widest
        # else it is by the jitter, by the night when clocks go back, or by the moments that a backup takes
        much = usual > rpo or usual + slowest - rpo > rpo / _HARDLY
        severity = Severity.WARNING if much else Severity.INFO
        yield _finding(standing, "schedule-rpo", severity, what,
                       f"{gap} between two backups, {one} for one; RPO {wanted}",
                       f"a closer schedule in [sources.{standing.source}], or a tier that asks for less")  # fmt: skip


def _reach(standing: Standing) -> Iterator[Finding]:
    wanted, good = standing.policy.health.reach, standing.good
    if wanted is None or not good:
        return
    reach = standing.now - instant(good[-1].created_at)
    if reach < wanted:
        kept = standing.policy.keep
        # without rules nothing is dropped: it only has to grow
        severity = Severity.WARNING if kept else Severity.INFO
        yield _finding(standing, "reach", severity, f"snapshots reach back {saying.span(reach.total_seconds())}",
                       f"asked for {saying.span(wanted.total_seconds())}: reach of its health rules",
                       "what is kept: holdfast forget --policy -n" if kept else "")  # fmt: skip


def _left_out_of_configuration(standing: Standing) -> Iterator[Finding]:
    newest: SnapshotInfo | None = standing.newest
    if newest is None:
        return
    age = standing.now - instant(newest.created_at)
    recent = age < _ROUTINE and newest.trigger == "schedule"
    yield _finding(standing, "not-configured", Severity.WARNING if recent else Severity.INFO,
                   "the configuration does not name it any more: nothing protects it",
                   f"its newest snapshot is {saying.span(age.total_seconds())} old",
                   f"add [sources.{standing.source}] to holdfast.toml; or, not needed: holdfast forget")  # fmt: skip


_RULES: tuple[Callable[[Standing], Iterator[Finding]], ...] = (
    _none, _age, _failed, _count, _floors, _empty, _rows_fell, _size_changed, _suspicious, _other_source, _clock,
    _unprotected, _neighbours, _others, _unscheduled, _schedule, _reach,
)  # fmt: skip
