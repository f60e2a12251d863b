"""Carries a restore out: collections, documents, indexes, views, what makes documents expire, roles; in this order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field

from bson.raw_bson import RawBSONDocument
from pymongo.errors import CollectionInvalid, OperationFailure

from holdfast.model.events import Advanced, PhaseEnded, PhaseStarted, Warned
from holdfast.model.plans import Action, ItemResult, RestorePlan, RestoreStep
from holdfast.model.snapshot import Item, Segment
from holdfast.sources.base import RestoreRequest
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb import making, users
from holdfast.sources.mongodb.inventory import Collection, views_in_order
from holdfast.sources.mongodb.loading import Loaded, insert
from holdfast.sources.mongodb.meanwhile import Meanwhile
from holdfast.sources.mongodb.merging import Merged, Mode, merge
from holdfast.sources.mongodb.pausing import alone, expires, outlived, pause
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.saved import Overlay, Saved, batched
from holdfast.sources.mongodb.values import RAW
from holdfast.sources.mongodb.verifying import difference, shortfall

_PHASE = "restore"
_WRITING = (Action.ADD, Action.OVERWRITE, Action.REPLACE)


@dataclass(slots=True, kw_only=True)
class Restoring:
    """One restore into one database. ``meanwhile``: what others write since the plan was held.

    ``compared``: what ``--verify=content`` found in collections made anew, and in those whose documents expire."""

    base: Base
    saved: Saved
    request: RestoreRequest
    living: dict[str, Collection]
    meanwhile: Meanwhile | None = None
    compared: list[ItemResult] = field(default_factory=list)
    _told: dict[str, list[str]] = field(default_factory=dict)

    def run(self, plan: RestorePlan) -> list[ItemResult]:
        """One result per step. PyMongoError when the server goes away."""
        report, label = self.request.report, self.base.name
        report(PhaseStarted(source=label, phase=_PHASE, total=sum(step.size for step in plan.steps)))
        with alone(self.base, self.request.label) if self.living else nullcontext():
            results = self._run(plan)
        report(PhaseEnded(source=label, phase=_PHASE))
        return results

    def _run(self, plan: RestorePlan) -> list[ItemResult]:
        by_action: dict[bool, list[RestoreStep]] = {True: [], False: []}
        for step in plan.steps:
            by_action[step.action is Action.CREATE].append(step)
        written = [step.label for step in by_action[False] if step.action in _WRITING]
        self._told = pause(self.base, (self.living[name] for name in written))
        half_made = bool(self.living) and kinds.UNFINISHED in self.base.list_collection_names()
        results = [result for step in by_action[False] for result in self._on_existing(step)]
        if half_made:  # what an earlier restore had no time for
            results += [result for step in by_action[False] for result in self._expire_late(step)]
        results += self._create(by_action[True], marked=not self.living)
        if half_made and not self.request.only and all(each.status in ("ok", "skipped") for each in results):
            self.base.drop_collection(kinds.UNFINISHED)
        return results

    # -- what exists

    def _on_existing(self, step: RestoreStep) -> Iterator[ItemResult]:
        if step.action is Action.LEAVE:
            yield _result(step, "skipped", step.detail)
        elif step.action is Action.DELETE:
            self.base.drop_collection(step.label)
            yield _result(step, "ok", "removed")
        else:
            item = self.saved.items[step.label]
            others = self.meanwhile.written_to(step.label) if self.meanwhile is not None else frozenset
            mode = Mode(write=True, overwrite=self.request.overwrite, exact=self.request.exact, others=others)
            merged = merge(self.base, self.saved, item, mode)
            there = frozenset(str(RawBSONDocument(raw, RAW)["name"]) for raw in self.living[step.label].indexes)
            problems = self._missing_indexes(step.label, there)
            self._advance(item.size)
            yield _merged(step, merged, problems, self._before_expiry(step, item))

    def _before_expiry(self, step: RestoreStep, item: Item) -> list[str]:
        """Documents that go by age are compared while they cannot, and it is told how many are about to."""
        living, request = self.living[step.label], self.request
        if not expires(living):
            return []
        if request.verify == "content":
            found = shortfall(self.base, self.saved, item, overwrite=request.overwrite, exact=request.exact)
            self.compared.append(_result(step, "failed" if found else "ok", found))
        told, count = self._told.get(step.label, []), outlived(self.base, living)
        return [*told, f"{count:,} are older than they may get here and expire now"] if count else told

    def _missing_indexes(self, name: str, there: frozenset[str]) -> list[str]:
        definition = self.saved.definitions.get(name)
        if definition is None:
            return []
        return [
            problem
            for expiring in (False, True)
            for problem in making.create_indexes(self.base, definition, expiring=expiring, there=there)
        ]

    def _expire_late(self, step: RestoreStep) -> Iterator[ItemResult]:
        definition, living = self.saved.definitions.get(step.label), self.living.get(step.label)
        if definition is not None and living is not None and "expireAfterSeconds" not in living.options:
            try:
                making.expire(self.base, definition)
            except OperationFailure as error:
                yield _result(step, "failed", making.told(error))

    # -- what is made anew

    def _create(self, steps: list[RestoreStep], *, marked: bool) -> list[ItemResult]:
        if not steps:
            return []
        if marked:
            mark = _mark(self.request.label)
            self.base[kinds.UNFINISHED].replace_one({"_id": mark["_id"]}, mark, upsert=True)
        chosen = [step for step in steps if step.kind in kinds.DATA_KINDS]
        outcomes = {step.label: Made(step=step) for step in chosen}
        for made in outcomes.values():
            made.attempt(lambda made=made: self._make(made.step.label))  # type: ignore[misc]
        self._load([made for made in outcomes.values() if not made.problems])
        for made in outcomes.values():
            self._finish(made)
        results = [made.result() for made in outcomes.values()]
        results += self._views([step for step in steps if step.kind == kinds.KIND_VIEW])
        results += [result for step in steps if step.kind == kinds.KIND_ACCESS for result in self._roles(step)]
        if marked and all(result.status == "ok" for result in [*results, *self.compared]):
            self.base.drop_collection(kinds.UNFINISHED)
        elif marked:
            text = f"{self.base.name} is unfinished: the collection {kinds.UNFINISHED} stands in it to say so"
            self.request.report(Warned(source=self.base.name, text=text))
        return results

    def _make(self, name: str) -> None:
        definition = self.saved.definitions.get(name)
        if definition is None:
            self.base.create_collection(name)
        else:
            making.create(self.base, definition)

    def _load(self, outcomes: list[Made]) -> None:
        """All segments of all collections, side by side; what has an order of its own in that order."""
        with ThreadPoolExecutor(max_workers=max(1, self.request.width), thread_name_prefix="load") as pool:
            tasks = [
                pool.submit(self._load_part, made, overlay, part, last)
                for made in outcomes
                for overlay, part, last in self._parts(self.saved.items[made.step.label])
            ]
            for task in tasks:
                task.result()

    def _parts(self, item: Item) -> list[tuple[Overlay, list[Segment], bool]]:
        overlay = self.saved.overlay(item.label)
        if (item.notes or {}).get("order") != "id" or len(item.segments) < 2:
            return [(overlay, item.segments, True)]
        return [(overlay, [segment], segment is item.segments[-1]) for segment in item.segments]

    def _load_part(self, made: Made, overlay: Overlay, segments: list[Segment], last: bool) -> None:
        ordered = (self.saved.items[made.step.label].notes or {}).get("capped", False)
        for segment in segments:
            shown = Overlay({}, overlay.gone | overlay.put.keys()).over(self.saved.of_segment(segment))
            for batch in batched(shown):
                insert(self.base, made.step.label, batch, made.loaded, ordered=bool(ordered))
            self._advance(segment.size)
        if last:
            for batch in batched(iter(overlay.put.values())):
                insert(self.base, made.step.label, batch, made.loaded)

    def _finish(self, made: Made) -> None:
        """Indexes, then the comparison, and only then what lets documents expire."""
        name = made.step.label
        definition, item = self.saved.definitions.get(name), self.saved.items[name]
        if definition is not None:
            made.problems += making.create_indexes(self.base, definition, expiring=False)
        made.count(self.base[name].count_documents({}), self._expected(item))
        if self.request.verify == "content" and not made.problems:
            found = difference(self.base, self.saved, item)
            self.compared.append(_result(made.step, "failed" if found else "ok", found))
        if definition is not None:
            made.problems += making.create_indexes(self.base, definition, expiring=True)
            made.attempt(lambda: making.expire(self.base, definition))

    def _expected(self, item: Item) -> int:
        overlay = self.saved.overlay(item.label)
        return sum(1 for _ in self.saved.documents(item)) if overlay else item.rows

    def _views(self, steps: list[RestoreStep]) -> Iterator[ItemResult]:
        by_name = {step.label: step for step in steps}
        views = [self.saved.definitions[name] for name in by_name if name in self.saved.definitions]
        for view in views_in_order(views):
            try:
                making.create(self.base, view)
            except (OperationFailure, CollectionInvalid) as error:
                yield _result(by_name[view.name], "failed", making.told(error))
            else:
                yield _result(by_name[view.name], "ok", "")

    def _roles(self, step: RestoreStep) -> Iterator[ItemResult]:
        was = str(self.saved.manifest.notes.get("database", self.base.name))
        renamed = {was: self.base.name}
        problems = [making.create_role(self.base, raw, renamed) for raw in self.saved.access(kinds.ROLES)]
        told = [problem for problem in problems if problem]
        told += users.give_back(self.base, self.saved.access(kinds.USERS), renamed)
        for text in told:
            self.request.report(Warned(source=self.base.name, text=text))
        yield _result(step, "ok" if not any(problems) else "failed", "; ".join(told))

    def _advance(self, amount: int) -> None:
        self.request.report(Advanced(source=self.base.name, phase=_PHASE, amount=amount))


@dataclass(slots=True, kw_only=True)
class Made:
    """A collection on its way."""

    step: RestoreStep
    loaded: Loaded = field(default_factory=Loaded)
    problems: list[str] = field(default_factory=list)
    rows: int = 0

    def attempt(self, work: Callable[[], None]) -> None:
        """Do it; what the server refuses becomes a problem of this collection alone."""
        try:
            work()
        except (OperationFailure, CollectionInvalid) as error:
            self.problems.append(making.told(error))

    def count(self, there: int, expected: int) -> None:
        """Compare the server's count."""
        self.rows = there
        if there != expected:
            self.problems.append(f"{there:,} documents are there, the snapshot has {expected:,}")

    def result(self) -> ItemResult:
        """What became of it."""
        told = [*self.problems, *self.loaded.problems]
        if self.loaded.duplicates:
            told.insert(0, f"{self.loaded.duplicates:,} documents have a key that was there already")
        status = "failed" if told else "ok"
        return ItemResult(
            name=self.step.label, action=self.step.action.value, rows=self.rows, status=status, detail="; ".join(told)
        )


def _merged(step: RestoreStep, merged: Merged, problems: list[str], others: list[str]) -> ItemResult:
    told = [f"{amount:,} {what}" for what, amount in merged.counts().items() if amount]
    if merged.differing:
        told.append(f"{merged.differing:,} differ and are left")
    if merged.spared:
        told.append(f"{merged.spared:,} were written to by others meanwhile and are left")
    failures = [*problems, *merged.loaded.problems]
    if merged.loaded.duplicates:
        failures.append(f"{merged.loaded.duplicates:,} documents clash with a unique index and were not written")
    status = "failed" if failures else "incomplete" if merged.spared else "ok"
    return ItemResult(
        name=step.label, action=step.action.value, rows=step.rows, status=status,
        detail="; ".join([*failures, *told, *others]),
    )  # fmt: skip


def _result(step: RestoreStep, status: str, detail: str) -> ItemResult:
    return ItemResult(name=step.label, action=step.action.value, rows=step.rows, status=status, detail=detail)


def _mark(label: str) -> dict[str, str]:
    return {"_id": "unfinished", "restore": label}
