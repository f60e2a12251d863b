"""A folder as the target of a restore."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from holdfast.model.errors import TargetError
from holdfast.model.plans import Action, ItemResult, RestorePlan, RestoreStep
from holdfast.model.snapshot import Item, Notes
from holdfast.sources.base import Content, Manifest, RestoreRequest, Source
from holdfast.sources.files.admission import Admission
from holdfast.sources.files.exclude import Exclusion
from holdfast.sources.files.names import ROOT, is_sound, order_key, parent
from holdfast.sources.files.only import Only, exactly
from holdfast.sources.files.restore.batch import BatchWriter
from holdfast.sources.files.restore.build import Builder, Crew
from holdfast.sources.files.restore.dress import Dresser
from holdfast.sources.files.restore.durable import sync_tree
from holdfast.sources.files.restore.extras import Extras
from holdfast.sources.files.restore.folder import clean_start
from holdfast.sources.files.restore.intent import LISTED, Draft, Intent
from holdfast.sources.files.restore.joining import Joining
from holdfast.sources.files.restore.outcome import Outcome
from holdfast.sources.files.restore.place import Place, find_place
from holdfast.sources.files.restore.remove import present, remove
from holdfast.sources.files.restore.survey import Survey, chosen_items, survey_fresh
from holdfast.sources.files.restore.verify import Verifier
from holdfast.sources.files.restore.write import Writer
from holdfast.sources.files.rules import Rules
from holdfast.sources.files.walk import Admit, Walk

SourceAt = Callable[[str], Source]
"""Gives the source for another folder that leaves nothing out but holdfast's own."""


class FilesTarget:
    """Implements sources.base.Target for one request."""

    def __init__(self, source: str, rules: Rules, request: RestoreRequest, source_at: SourceAt) -> None:
        self._source = source
        self._rules = rules
        self._request = request
        self._source_at = source_at

    def plan(self, manifest: Manifest) -> RestorePlan:
        """Compare and decide; nothing is written."""
        return self._plan(manifest, None)

    def preview(self, manifest: Manifest, content: Content) -> RestorePlan:
        """See sources.base.Previewing: files whose times do not tell whether they changed are read and compared."""
        return self._plan(manifest, content)

    def _plan(self, manifest: Manifest, content: Content | None) -> RestorePlan:
        place = find_place(self._source, self._request, self._rules.skipped()[0])
        dresser = self._dresser(manifest.notes)
        warnings = self._warnings(dresser)
        if place.refusals:
            return self._refuse(place, place.refusals)
        only = self._chosen()
        deletions: list[RestoreStep] = []
        if place.fresh or not self._request.in_place:
            draft = survey_fresh(chosen_items(manifest, only), dresser, LISTED)
            intent = Intent(path=place.path, actions=None, blocked=draft.blocked)
            steps = self._fresh_steps(draft)
        else:
            draft, deletions = self._survey(place, manifest, dresser, only, content)
            intent = _in_place(place.path, draft, deletions)
            steps = (*draft.steps, *deletions, draft.summary(Action.LEAVE))
        if draft.leftovers:
            warnings += (f"{len(draft.leftovers)} half-made files of a restore that was killed are removed",)
        if draft.sockets:
            warnings += (f"{draft.sockets} sockets are not restored: the programs that listen on them make them",)
        nothing_at_all = not draft.counts and not draft.steps and not deletions
        if wrong := only.unmatched or (self._request.only if nothing_at_all else ()):
            return self._refuse(place, (f"nothing in the snapshot matches {', '.join(wrong)}",))
        return RestorePlan(
            target=place.path, in_place=self._request.in_place, steps=steps, warnings=warnings, private=intent
        )

    @contextlib.contextmanager
    def _nothing_to_hold(self) -> Iterator[None]:
        yield

    def hold(self, plan: RestorePlan) -> AbstractContextManager[None]:  # noqa: ARG002
        """A tree has no lock that other programs respect."""
        return self._nothing_to_hold()

    def touched_source(self, plan: RestorePlan) -> tuple[Source, tuple[str, ...]] | None:
        """The target limited to what changes in it, and the folders whose times move with that."""
        intent: Intent = plan.private
        if intent.actions is None or not os.path.isdir(intent.path):
            return None
        names = {step.item for step in plan.touched()}
        names.update(parent(step.item) for step in plan.steps if step.action is not Action.LEAVE)
        if not names:
            return None
        return self._source_at(intent.path), tuple(exactly(name) for name in sorted(names, key=order_key))

    def created(self, plan: RestorePlan, manifest: Manifest) -> Iterator[bytes]:
        """See sources.base.Creating: a fresh place gets everything that is chosen, however short the plan is."""
        intent: Intent = plan.private
        if intent.actions is not None:
            yield from (step.item for step in plan.steps if step.action is Action.CREATE)
            return
        for item, _ in chosen_items(manifest, self._chosen()):
            if item.name != ROOT and item.name not in intent.blocked:
                yield item.name

    def apply(self, plan: RestorePlan, manifest: Manifest, content: Content) -> list[ItemResult]:
        """Delete, make, overwrite, make durable. Everything that could be restored is, whatever failed beside it."""
        intent = self._checked(plan)
        outcome = Outcome(intent.blocked)
        root_fd = self._root(intent)
        try:
            remove(root_fd, (*intent.leftovers, *intent.deletions), outcome)
            self._build(root_fd, intent, manifest, content, outcome)
            try:
                sync_tree(root_fd)
            except OSError as error:
                raise TargetError(
                    "not everything that was restored reached the disk", where=intent.path, why=str(error)
                ) from error
        finally:
            os.close(root_fd)
        return outcome.results(plan)

    def verify(self, plan: RestorePlan, manifest: Manifest, content: Content) -> list[ItemResult]:
        """Read everything back that this restore answers for."""
        intent = self._checked(plan)
        root_fd = self._root(intent, make=False)
        try:
            verifier = Verifier(root_fd, content, self._dresser(manifest.notes))
            return verifier.run(self._answered_for(intent, manifest), self._request.width)
        finally:
            os.close(root_fd)

    def _answered_for(self, intent: Intent, manifest: Manifest) -> Iterator[Item]:
        made = (Action.CREATE, Action.OVERWRITE, Action.REPLACE)
        for item, chosen in chosen_items(manifest, self._chosen()):
            done = intent.actions is None or intent.actions.get(item.name) in made
            if done or (chosen and self._request.overwrite):
                yield item

    def _chosen(self) -> Only:
        return Only(self._request.only, root=self._source)

    def _survey(
        self, place: Place, manifest: Manifest, dresser: Dresser, only: Only, content: Content | None
    ) -> tuple[Draft, list[RestoreStep]]:
        request = self._request
        root_fd = _open(place.path)
        walk = None
        try:
            admission = Admission(root_fd, self._rules, Only(()))
            extras = Extras(
                exact=request.exact, only=only, admission=admission, caches=self._rules.exclude_caches,
                then=Exclusion(manifest.notes.get("exclude", ())),
            )
            survey = Survey(request, dresser, extras, Writer(content, dresser).equal if content is not None else None)
            walk = Walk(
                root_fd, lost=lambda _name, _error: None,
                admit=lambda _path, stat: Admit.HIDE if admission.own(stat) else Admit.OPEN,
            )
            survey.run(chosen_items(manifest, only), walk)
        finally:
            if walk is not None:
                walk.close()
            os.close(root_fd)
        created = self._created(place, manifest, {step.item for step in extras.steps})
        deletions = sorted((*extras.steps, *created), key=lambda step: order_key(step.item), reverse=True)
        for _ in deletions:
            survey.draft.count(Action.DELETE)
        return survey.draft, deletions

    def _created(self, place: Place, manifest: Manifest, already: set[bytes]) -> Iterator[RestoreStep]:
        """What an earlier restore made and an undo takes away again."""
        before = {item.name for item in manifest.items()} if self._request.undo_created else set()
        made = (
            name for name in self._request.undo_created
            if is_sound(name) and name != ROOT and name not in already and name not in before
        )
        root_fd = _open(place.path)
        try:
            for name in present(root_fd, made):
                yield RestoreStep(item=name, kind="entry", action=Action.DELETE, detail="made by the restore")
        finally:
            os.close(root_fd)

    def _build(
        self, root_fd: int, intent: Intent, manifest: Manifest, content: Content, outcome: Outcome
    ) -> None:
        dresser = self._dresser(manifest.notes)
        writer = Writer(content, dresser)
        batches = BatchWriter(
            writer, dresser, outcome, fresh=intent.actions is None, compare=self._request.verify == "content"
        )
        joining = Joining(root_fd, manifest, writer, dresser, batches.failed)
        builder = Builder(root_fd, Crew(
            actions=intent.actions, content=content, dresser=dresser, batches=batches, joining=joining,
            outcome=outcome, width=self._request.width,
        ))
        builder.run(item for item, _ in chosen_items(manifest, self._chosen()))
        if self._request.overwrite and intent.actions is not None:
            joining.redress(self._moved_folders(intent))
        builder.finish_root(manifest.item(ROOT), root_fd)

    def _moved_folders(self, intent: Intent) -> list[bytes]:
        """Folders that were as the snapshot has them until something in them changed: their times moved."""
        actions = intent.actions or {}
        only = self._chosen()
        parents = {parent(name) for name in (*actions, *intent.deletions)}
        return sorted((name for name in parents if name not in actions and only.covers(name)), reverse=True)

    def _root(self, intent: Intent, *, make: bool = True) -> int:
        if intent.actions is not None or not make:
            return _open(intent.path)
        try:
            os.makedirs(os.path.dirname(intent.path), exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.mkdir(intent.path, 0o700)
            fd = _open(intent.path)
            if os.listdir(fd):
                os.close(fd)
                raise TargetError("the folder is not empty any more", where=intent.path, hint="plan the restore again")
            clean_start(fd)
        except OSError as error:
            raise TargetError(
                "the folder cannot be made", where=intent.path, why=os.strerror(error.errno or 0),
                hint="name another one with --to",
            ) from error
        return fd

    def _dresser(self, head: Notes) -> Dresser:
        return Dresser(head, owner=self._request.owner, acl=self._request.acl)

    def _warnings(self, dresser: Dresser) -> tuple[str, ...]:
        if dresser.privileged:
            return ()
        return ("not running as root: owners, devices and attributes outside user.* are not restored",)

    def _refuse(self, place: Place, why: tuple[str, ...]) -> RestorePlan:
        return RestorePlan(target=place.path, in_place=self._request.in_place, steps=(), refusals=why)

    def _fresh_steps(self, draft: Draft) -> tuple[RestoreStep, ...]:
        listed = [step for step in draft.steps if step.action is Action.CREATE]
        if draft.counts.get(Action.CREATE.value, 0) == len(listed):
            return tuple(draft.steps)
        return draft.summary(Action.CREATE), *(step for step in draft.steps if step.action is not Action.CREATE)

    @staticmethod
    def _checked(plan: RestorePlan) -> Intent:
        if plan.refusals or not isinstance(plan.private, Intent):
            raise TargetError("this plan must not be carried out", where=plan.target, why="; ".join(plan.refusals))
        return plan.private


def _in_place(path: str, draft: Draft, deletions: list[RestoreStep]) -> Intent:
    idle = (Action.BLOCKED, Action.LEAVE)
    return Intent(
        path=path, actions={step.item: step.action for step in draft.steps if step.action not in idle},
        deletions=tuple(step.item for step in deletions), blocked=draft.blocked, leftovers=tuple(draft.leftovers),
    )


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise TargetError("the folder cannot be opened", where=path, why=os.strerror(error.errno or 0)) from error
