"""Where a restore of a MongoDB snapshot goes: a new database beside the source, another one, or the source itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count

from pymongo import ReadPreference
from pymongo.errors import PyMongoError

from holdfast.model.errors import TargetError
from holdfast.model.plans import Action, ItemResult, RestorePlan, RestoreStep
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content, Manifest, RestoreRequest, Source
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.inventory import Choice, Collection, matches, read_collections
from holdfast.sources.mongodb.meanwhile import Meanwhile
from holdfast.sources.mongodb.merging import Mode, merge
from holdfast.sources.mongodb.place import Base, Client, Place
from holdfast.sources.mongodb.refusals import translated, translating
from holdfast.sources.mongodb.restoring import Restoring
from holdfast.sources.mongodb.saved import Saved
from holdfast.sources.mongodb.verifying import shortfall

SourceAt = Callable[[Place], Source]
_LONGEST = 63
_READING = "the target database could not be looked at"
NOT_OURS = "not in the snapshot; holdfast does not drop collections it did not make"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """Where exactly, and what stood there when the plan was made."""

    place: Place
    living: dict[str, Collection] = field(default_factory=dict)


class MongoTarget:
    """sources.base.Target for one database."""

    def __init__(self, source: Place, request: RestoreRequest, *, source_at: SourceAt) -> None:
        self._source, self._request, self._source_at = source, request, source_at
        self._place = self._chosen()
        self._compared: list[ItemResult] = []
        self._meanwhile: Meanwhile | None = None

    def _chosen(self) -> Place:
        to, source = self._request.to, self._source
        if to is None and self._request.in_place:
            return source
        if to is None:
            return source.named(beside(source.database, self._request.label))
        if "://" not in to:
            return source.named(to)
        place = Place.parse(to)
        same_login = place.server == source.server and place.user in ("", source.user)
        if place.password is not None or not same_login:
            return place
        known = source.named(place.database)
        return replace(known, options=place.options) if place.options else known

    def plan(self, manifest: Manifest) -> RestorePlan:
        """What would be created, changed, left alone, as far as names tell."""
        return self._planned(Saved(manifest, None, self._request.only), None)

    def preview(self, manifest: Manifest, content: Content) -> RestorePlan:
        """As ``plan``; for a living database with options and documents compared."""
        saved = Saved(manifest, content, self._request.only)
        return self._planned(saved, saved)

    def _planned(self, saved: Saved, compared: Saved | None) -> RestorePlan:
        aim = self._aim()
        refusals = list(self._refusals(saved, aim))
        if not self._request.in_place:
            steps = [*_access(saved), *(_creation(item) for item in saved.items.values())]
        else:
            steps = list(self._steps(saved, aim, compared))
            refusals += [f"{step.label}: {step.detail}" for step in steps if step.action is Action.BLOCKED]
        return RestorePlan(
            target=aim.place.url, in_place=self._request.in_place, steps=tuple(steps), refusals=tuple(refusals),
            warnings=tuple(_warnings(saved)), private=aim,
        )  # fmt: skip

    def _aim(self) -> Aim:
        """Look at the target; a name beside the source that is taken gets a number."""
        with self._place.client(TargetError) as client, translating(self._place, doing=_READING, kind=TargetError):
            found = _living(_written_to(self._place, client))
            if found and self._request.to is None and not self._request.in_place:
                for number in count(2):
                    place = self._source.named(beside(self._source.database, f"{self._request.label}_{number}"))
                    if not _living(_written_to(place, client)):
                        self._place, found = place, {}
                        break
        return Aim(place=self._place, living=found)

    def _refusals(self, saved: Saved, aim: Aim) -> Iterator[str]:
        if aim.living and not self._request.in_place:
            yield f"{aim.place.url} has collections already; restore with --in-place, or into a new database"
        if self._request.undo_created:
            return
        unmatched = [pattern for pattern in saved.only if not any(matches((pattern,), name) for name in saved.items)]
        if unmatched:
            yield f"nothing in the snapshot matches {', '.join(unmatched)}"

    def _steps(self, saved: Saved, aim: Aim, compared: Saved | None) -> Iterator[RestoreStep]:
        request = self._request
        made = {name.decode(errors="surrogateescape") for name in request.undo_created}
        for name, item in saved.items.items():
            living = aim.living.get(name)
            if name in made:
                continue
            if living is None:
                yield _creation(item)
            elif problem := _mismatch(item, living, compared):
                yield _step(item, Action.BLOCKED, problem)
            elif item.kind == kinds.KIND_VIEW:
                yield _step(item, Action.LEAVE, "exists; views are left as they are")
            else:
                yield self._existing(item, aim, compared)
        for step in _access(saved):
            yield replace(step, action=Action.LEAVE, detail="users and roles are left as they are")
        if request.exact and not request.undo_created:
            for name, living in aim.living.items():
                if name not in saved.items and (not saved.only or matches(saved.only, name)):
                    yield RestoreStep(item=living.item, kind=living.kind, action=Action.LEAVE, detail=NOT_OURS)
        for raw in request.undo_created:
            yield RestoreStep(item=raw, kind="created", action=Action.DELETE, detail="was made by the restore")

    def _existing(self, item: Item, aim: Aim, compared: Saved | None) -> RestoreStep:
        action = Action.REPLACE if self._request.exact else Action.OVERWRITE if self._request.overwrite else Action.ADD
        if compared is None:
            return _step(item, action)
        mode = Mode(write=False, overwrite=self._request.overwrite, exact=self._request.exact)
        with aim.place.client(TargetError) as client, translating(aim.place, doing=_READING, kind=TargetError):
            merged = merge(_written_to(aim.place, client), compared, item, mode)
        counts = merged.counts()
        left = f"{merged.differing:,} documents differ and are left: --overwrite replaces them"
        detail = left if merged.differing else ""
        if not (merged.create or merged.change or merged.delete):
            return replace(_step(item, Action.LEAVE, detail or "already as wanted"), counts=counts)
        return replace(_step(item, action, detail), counts=counts)

    @contextmanager
    def hold(self, plan: RestorePlan) -> Iterator[None]:
        """MongoDB locks no collection for anybody: what others write from now on is noticed (``meanwhile``)."""
        touched = _kinds(plan)
        with ExitStack() as stack:
            if touched:
                client = stack.enter_context(self._place.client(TargetError))
                with translating(self._place, doing=_READING, kind=TargetError):
                    self._meanwhile = Meanwhile.begun(_written_to(self._place, client), touched)
                stack.callback(self._meanwhile.close)
            yield
            self._meanwhile = None

    def touched_source(self, plan: RestorePlan) -> tuple[Source, tuple[str, ...]] | None:
        """The target's collections that exist and are about to change."""
        aim = _aim_of(plan)
        names = [step.label for step in plan.touched() if step.label in aim.living]
        if not names:
            return None
        return self._source_at(aim.place), tuple(map(_literal, names))

    def apply(self, plan: RestorePlan, manifest: Manifest, content: Content) -> list[ItemResult]:
        """Do it; one result per item."""
        if plan.refusals:
            raise TargetError("this restore was refused", where=plan.target, why="; ".join(plan.refusals))
        aim = _aim_of(plan)
        saved = Saved(manifest, content, self._request.only)
        with aim.place.client(TargetError) as client:
            base = _written_to(aim.place, client)
            try:
                if self._meanwhile is not None:
                    self._meanwhile.refuse_unheard(_kinds(plan))
                run = Restoring(
                    base=base, saved=saved, request=self._request, living=aim.living, meanwhile=self._meanwhile
                )
                results = run.run(plan)
            except PyMongoError as error:
                raise translated(error, aim.place, doing="the restore stopped", kind=TargetError) from error
        self._compared = run.compared
        return results

    def verify(self, plan: RestorePlan, manifest: Manifest, content: Content) -> list[ItemResult]:
        """What was made anew, or expires, was compared before anything in it could; the rest is read back now."""
        saved, aim, request = Saved(manifest, content, self._request.only), _aim_of(plan), self._request
        results = list(self._compared)
        done = {result.name for result in results}
        with aim.place.client(TargetError) as client, translating(aim.place, doing=_READING, kind=TargetError):
            base = _written_to(aim.place, client)
            for step in plan.steps:
                item = saved.items.get(step.label)
                if item is not None and step.label in _kinds(plan) and step.label not in done:
                    found = shortfall(base, saved, item, overwrite=request.overwrite, exact=request.exact)
                    results.append(_compared(step, found))
        return results


def _kinds(plan: RestorePlan) -> dict[str, str]:
    """Kinds of the collections whose documents are about to change, by name."""
    changing = (Action.ADD, Action.OVERWRITE, Action.REPLACE)
    return {step.label: step.kind for step in plan.steps if step.action in changing}


def beside(database: str, label: str) -> str:
    """A name for a new database, short enough for the server."""
    ending = "_restored_" + "".join(letter if letter.isalnum() else "_" for letter in label)
    return database.encode()[: _LONGEST - len(ending.encode())].decode(errors="ignore") + ending


def _written_to(place: Place, client: Client) -> Base:
    """The database as its primary has it, wherever the URL lets reads go to."""
    return place.base(client).with_options(read_preference=ReadPreference.PRIMARY)


def _living(base: Base) -> dict[str, Collection]:
    return {each.name: each for each in read_collections(base, Choice(), sizes=False)}


def _access(saved: Saved) -> Iterator[RestoreStep]:
    item = saved.manifest.item(kinds.ACCESS)
    if item is not None and not saved.only:
        yield RestoreStep(item=item.name, kind=item.kind, action=Action.CREATE, size=item.size)


def _creation(item: Item) -> RestoreStep:
    return replace(_step(item, Action.CREATE), counts={"create": item.rows} if item.kind in kinds.DATA_KINDS else {})


def _step(item: Item, action: Action, detail: str = "") -> RestoreStep:
    rows = item.rows if item.kind in kinds.DATA_KINDS else None
    return RestoreStep(item=item.name, kind=item.kind, action=action, rows=rows, size=item.size, detail=detail)


def _mismatch(item: Item, living: Collection, compared: Saved | None) -> str:
    """Why documents cannot go into what has this name now."""
    if item.kind != living.kind:
        return f"is a {living.kind} now, was a {item.kind}"
    was = compared.definitions.get(item.label) if compared is not None else None
    if was is not None and was.options.get("collation") != living.options.get("collation"):
        return "strings compare by other rules now; restore it beside, or rename what is there"
    return ""


def _warnings(saved: Saved) -> Iterator[str]:
    for name in saved.items:
        stem, dot, last = name.rpartition(".")
        other = f"{stem}.{'chunks' if last == 'files' else 'files'}"
        has_other = saved.manifest.item(other.encode()) is not None
        if dot and last in ("files", "chunks") and has_other and other not in saved.items:
            yield f"{name} is restored without {other}: files of GridFS need both"


def _aim_of(plan: RestorePlan) -> Aim:
    if not isinstance(plan.private, Aim):
        raise TargetError("this plan was made for another kind of target", where=plan.target)
    return plan.private


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _compared(step: RestoreStep, found: str) -> ItemResult:
    status = "failed" if found else "ok"
    return ItemResult(name=step.label, action=step.action.value, rows=step.rows, status=status, detail=found)
