"""Decide which snapshots of a source are kept, and say of each why: pure, from what is known of them and the clock.

docs/retention.md tells the rules for people. In short: a snapshot is kept when any rule wants it; whole and complete
ones are counted first, incomplete ones beside them, so that they never take a place; everything that is not a whole
snapshot goes by its age (one taken before a restore of everything is one of the last, too); and the newest good one
always stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from holdfast.model.environments import environment_of
from holdfast.model.keeping import FROM, WHOLE, Candidate, Decision, KeepTerms
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning.names import is_good
from holdfast.planning.periods import spoken
from holdfast.planning.rules import Judged, judge

_IMPORTED = "import"


def mine(candidates: Iterable[Candidate], terms: KeepTerms) -> list[Candidate]:
    """The candidates that these terms decide on: of the source, and of its environment."""
    return [
        each
        for each in candidates
        if each.info.source == terms.source
        and environment_of(each.info, terms.environment) == terms.environment
    ]


def decide(candidates: Sequence[Candidate], terms: KeepTerms, now: datetime) -> list[Decision]:
    """A decision for each candidate that is ``mine``, in the order given (oldest first, as the log has them)."""
    chosen = mine(candidates, terms)
    if not terms.rules:
        return [Decision(info=each.info, keep=True, reasons=("no rule says what may go",)) for each in chosen]
    board = _Board(chosen, terms, now)
    return [board.decision(each) for each in chosen]


def newest_good(decisions: Iterable[Decision]) -> list[str]:
    """Ids of the newest good snapshots, by the clock and by the log: they always stay."""
    good = [each.info for each in decisions if is_good(each.info)]
    return _newest(good)


class _Board:
    """Reasons for and against each candidate, by id."""

    def __init__(self, chosen: Sequence[Candidate], terms: KeepTerms, now: datetime) -> None:
        self.terms, self.now, self.zone = terms, now, ZoneInfo(terms.zone)
        self.keeps: dict[str, list[str]] = {each.info.id: [] for each in chosen}
        self.drops: dict[str, list[str]] = {each.info.id: [] for each in chosen}
        present = [each.info for each in chosen if _moment(each.info) <= now]
        series = [info for info in present if not info.partial]
        good = [info for info in series if is_good(info)]
        self.reference = max(map(_moment, good or present), default=now)
        for each in chosen:
            self._for_ever(each)
        before = [info for info in present if info.partial and (info.more or {}).get(WHOLE)]
        self._by_rules([info for info in series if self._counts(info)], before)
        self._by_age([info for info in present if info.partial and info.trigger != _IMPORTED])
        self._restored(present)
        self._newer_than_good(good, series)
        words = "the newest good one always stays" if good else "the newest there is, and no complete one"
        for identifier in _newest(good or series):
            self.keeps[identifier] = self.keeps[identifier] or [words]

    def decision(self, candidate: Candidate) -> Decision:
        """What the board says of one."""
        keeps = self.keeps[candidate.info.id]
        reasons = keeps or self.drops[candidate.info.id] or ["no rule wants it"]
        return Decision(info=candidate.info, keep=bool(keeps), reasons=tuple(reasons))

    def _for_ever(self, candidate: Candidate) -> None:
        info, keeps = candidate.info, self.keeps[candidate.info.id]
        if candidate.pinned:
            keeps.append("pinned")
        label = next((each for each in self.terms.labels if info.name and fnmatchcase(info.name, each)), None)
        if label:
            keeps.append(f"its label “{info.name}” keeps it for ever ({label})")
        if candidate.needed_by:
            keeps.append(f"needed by {candidate.needed_by}")
        if info.partial and info.trigger == _IMPORTED:
            keeps.append("imported: only a person forgets it")
        if _moment(info) > self.now:
            keeps.append("made after now, as its clock said: it is not counted")
        elif not info.partial and not self._counts(info):
            keeps.append(f"trigger “{info.trigger}” counts toward no rule: only a person forgets it")

    def _counts(self, info: SnapshotInfo) -> bool:
        return any(counts(self.terms.triggers, rule, info.trigger) for rule in self.terms.rules.plain())

    def _by_rules(self, series: Sequence[SnapshotInfo], before: Sequence[SnapshotInfo]) -> None:
        """Newest first, in the source's zone; of two of the same moment the one committed last is newer.

        ``before``: what was there before restores takes its place in ``last``, though not in the half that belongs to
        whole ones, and in no period: it is what was wrong.
        """
        judged, aside = ([self._judged(info) for info in reversed(infos)] for infos in (series, before))
        aside.sort(key=lambda each: each.moment.astimezone(UTC), reverse=True)
        for rule, wanted in self.terms.rules.plain().items():
            of_rule = [*judged, *aside[: wanted // 2 if rule == "last" else 0]]
            of_rule.sort(key=lambda each: each.moment.astimezone(UTC), reverse=True)
            counted = [each for each in of_rule if counts(self.terms.triggers, rule, each.info.trigger)]
            for verdict in judge(rule, wanted, counted, self.reference):
                board = self.keeps if verdict.keep else self.drops
                board[verdict.id].append(verdict.reason)

    def _judged(self, info: SnapshotInfo) -> Judged:
        return Judged(info=info, moment=_moment(info).astimezone(self.zone))

    def _by_age(self, aside: Sequence[SnapshotInfo]) -> None:
        """Counted back from the newest snapshot of the source, so that a clock that jumps lets nothing go."""
        latest = max((_moment(info) for info in aside), default=self.reference)
        now = max(self.reference, latest)
        for info in aside:
            kind, stays = kind_of(info), self.terms.partials
            if kind in ("entity", "guard"):
                stays = self.terms.entities
            age = now - _moment(info)
            if age <= stays:
                self.keeps[info.id].append(f"{_KINDS[kind]}, kept for {spoken(stays)}")
            else:
                self.drops[info.id].append(f"{_KINDS[kind]}, older than {spoken(stays)}")

    def _restored(self, present: Sequence[SnapshotInfo]) -> None:
        """What was restored stays as long as the way back from it: who tries one after the other loses none of them."""
        for info in present:
            tried = (info.more or {}).get(FROM) if self.keeps[info.id] else None
            if tried in self.keeps:
                self.keeps[tried].append(f"restored on {info.created_at[:10]}; kept as long as what was there before")

    def _newer_than_good(self, good: Sequence[SnapshotInfo], series: Sequence[SnapshotInfo]) -> None:
        since = max(map(_moment, good), default=None)
        for info in series:
            if since is not None and _moment(info) > since:
                self.keeps[info.id].append("newer than the newest complete one")


_KINDS = {
    "entity": "of an entity",
    "guard": "what a guard kept",
    "undo": "taken before a restore, for undo",
    "partial": "of chosen items only",
}


def kind_of(info: SnapshotInfo) -> str:
    """What a snapshot that is not whole is: "entity", "guard", "undo" or "partial"; else "whole"."""
    more = info.more or {}
    if info.undo is not None or info.trigger == "pre-restore":
        return "undo"
    if "guard" in more:
        return "guard"
    if "entity" in more or "deleted" in more:
        return "entity"
    return "partial" if info.partial else "whole"


def counts(triggers: Sequence[str], rule: str, trigger: str) -> bool:
    """Whether snapshots of this trigger count toward this rule."""
    return not triggers or trigger in triggers or f"{rule}:{trigger}" in triggers


def _newest(infos: Sequence[SnapshotInfo]) -> list[str]:
    """The newest by the clock, and, where clocks disagree with the log, the one committed last."""
    if not infos:
        return []
    latest = max(enumerate(infos), key=lambda pair: (_moment(pair[1]), pair[0]))[1]
    return list(dict.fromkeys([latest.id, infos[-1].id]))


def _moment(info: SnapshotInfo) -> datetime:
    return datetime.fromisoformat(info.created_at)
