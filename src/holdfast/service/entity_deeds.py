"""Deeds on entities and on what was deleted: save, bring back, copy, delete."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from holdfast.entities.restoring import Wishes
from holdfast.model.errors import UsageError
from holdfast.model.events import silent
from holdfast.model.ids import short
from holdfast.model.snapshot import SnapshotInfo
from holdfast.service.deeds import Going, Told, plain, summed
from holdfast.usecases.entity_backup import EntityBackupOrder, entity_backup
from holdfast.usecases.entity_clone import EntityCloneOrder, entity_clone
from holdfast.usecases.entity_delete import EntityDeleteOrder, entity_delete
from holdfast.usecases.entity_finding import Subject, choose, entity_named
from holdfast.usecases.entity_restore import EntityRestoreOrder, EntityRestoreResult, entity_restore
from holdfast.usecases.trash import TrashOrder, one, trash
from holdfast.usecases.trash_restore import TrashRestoreOrder, trash_restore
from holdfast.wiring.build import App

_BLOBS = 1000
_ROWS = 2000


def subject_of(app: App, name: str, key: str, going: Going | None = None) -> Subject:
    """The entity that is named. UsageError tells the nearest names."""
    declaration = entity_named(app.settings.entities, name)
    return Subject(
        name=name, key=key, declaration=declaration, source=app.source(declaration.source),
        report=going.report if going is not None else silent,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityBackup:
    """A snapshot of one entity. ``source``: where it lives, as the declaration says."""

    name: str
    key: str
    source: str
    label: str | None = None
    pin: bool = False
    kind: str = "entity-backup"
    scope: str = "backup:run"

    @property
    def words(self) -> str:
        """See Deed."""
        return f"snapshot of {self.name} {self.key}"

    @property
    def command(self) -> str:
        """See Deed."""
        named = ["--name", self.label] if self.label else []
        return _line(["entity", "backup", self.name, self.key, *named, *(["--pin"] if self.pin else [])])

    def do(self, going: Going) -> Told:
        """See Deed. UsageError for a dry run: it changes nothing that could be previewed."""
        if going.dry_run:
            raise UsageError("a snapshot of an entity needs no plan", hint="take it")
        app, subject = going.app, subject_of(going.app, self.name, self.key, going)
        order = EntityBackupOrder(
            subject=subject, name=self.label, pin=self.pin, trigger="api", created_by=going.who, run=going.run,
            config=app.configuration.text,
        )  # fmt: skip
        done = entity_backup(app.repository, order)
        document = {
            "run": done.run, "snapshot": done.snapshot.id, "rows": done.counts, "beside": done.beside,
            "users": done.users, **_blobs(done.blobs),
        }  # fmt: skip
        return Told(document=plain(document), private=("blobs",), snapshots=(done.snapshot.id,))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRestore:
    """Bring one entity back. ``existing``: what becomes of rows that differ: refuse, skip, overwrite, merge."""

    name: str
    key: str
    source: str
    from_: str | None = None
    only: tuple[str, ...] = ()
    existing: str = "refuse"
    users: str | None = None
    create_parents: bool = False
    drop_columns: bool = False
    kind: str = "entity-restore"
    scope: str = "restore:in-place"

    @property
    def words(self) -> str:
        """See Deed."""
        return f"restore of {self.name} {self.key} into {self.source}"

    @property
    def command(self) -> str:
        """See Deed."""
        mode = {"skip": ["--skip-existing"], "overwrite": ["--overwrite"], "merge": ["--merge"]}.get(self.existing, [])
        return _line(["entity", "restore", self.name, self.key, *_from(self.from_), *_only(self.only), *mode])

    def do(self, going: Going) -> Told:
        """See Deed."""
        subject = subject_of(going.app, self.name, self.key, going)
        wishes = Wishes(
            only=self.only, existing=self.existing, users=self.users or subject.declaration.users,
            create_parents=self.create_parents, drop_columns=self.drop_columns,
        )  # fmt: skip
        order = EntityRestoreOrder(
            subject=subject, from_=self.from_, wishes=wishes, dry_run=going.dry_run, created_by=going.who,
            run=going.run, settle=going.settle,
        )  # fmt: skip
        return _told_entity(entity_restore(going.app.repository, order))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityClone:
    """Copy one entity, as it is now or as a snapshot holds it."""

    name: str
    key: str
    source: str
    as_: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    from_: str | None = None
    users: str | None = None
    create_parents: bool = False
    kind: str = "entity-clone"
    scope: str = "restore:in-place"

    @property
    def words(self) -> str:
        """See Deed."""
        return f"copy of {self.name} {self.key} within {self.source}"

    @property
    def command(self) -> str:
        """See Deed."""
        as_ = ["--as", self.as_] if self.as_ else []
        values = [word for name, value in self.values.items() for word in ("--set", f"{name}={value}")]
        return _line(["entity", "clone", self.name, self.key, *as_, *values, *_from(self.from_)])

    def do(self, going: Going) -> Told:
        """See Deed."""
        app, subject = going.app, subject_of(going.app, self.name, self.key, going)
        chosen = choose(app.repository, subject, self.from_).info.id if self.from_ is not None else None
        order = EntityCloneOrder(
            subject=subject, as_=self.as_, values=self.values, from_=chosen,
            users=self.users or subject.declaration.users, create_parents=self.create_parents,
            dry_run=going.dry_run, created_by=going.who, run=going.run, settle=going.settle,
        )  # fmt: skip
        done = entity_clone(app.repository, order)
        copied = summed([name, [old for old, _new in pairs]] for name, pairs in sorted(done.ids.items()))
        document = {
            "run": done.run, "target": done.target, "dry_run": done.dry_run, "key": [str(each) for each in done.key],
            "rows": done.counts, "excluded": done.excluded, "proofs": done.proofs, "warnings": done.warnings,
            "ids": {name: [{"old": old, "new": new} for old, new in pairs[:_ROWS]] for name, pairs in done.ids.items()},
            "refusals": [], **_blobs(done.blobs), "undo": done.undo, "seconds": done.seconds,
        }  # fmt: skip
        return Told(document=plain(document), private=("ids", "blobs"), snapshots=_made(done.undo), whole=copied)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityDelete:
    """Delete one entity, once it is stored and was read back."""

    name: str
    key: str
    source: str
    force: bool = False
    kind: str = "entity-delete"
    scope: str = "delete"

    @property
    def words(self) -> str:
        """See Deed."""
        return f"delete of {self.name} {self.key} from {self.source}"

    @property
    def command(self) -> str:
        """See Deed."""
        return _line(["entity", "delete", self.name, self.key, *(["--force"] if self.force else [])])

    def do(self, going: Going) -> Told:
        """See Deed."""
        app = going.app
        order = EntityDeleteOrder(
            subject=subject_of(app, self.name, self.key, going), force=self.force, dry_run=going.dry_run,
            created_by=going.who, config=app.configuration.text, run=going.run, settle=going.settle,
        )  # fmt: skip
        done = entity_delete(app.repository, order)
        snapshot: SnapshotInfo | None = done.snapshot
        document = {
            "run": done.run, "target": done.target, "dry_run": done.dry_run, "deleted": done.deleted,
            "unlinked": done.unlinked, "touched": done.touched, "refusals": done.blocked,
            "snapshot": snapshot.id if snapshot else None, "seconds": done.seconds,
        }  # fmt: skip
        return Told(document=plain(document), refusals=done.blocked, snapshots=_made(snapshot.id if snapshot else None))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrashRestore:
    """Bring back what one transaction deleted."""

    id: str
    source: str
    only: tuple[str, ...] = ()
    overwrite: bool = False
    drop_columns: bool = False
    kind: str = "trash-restore"
    scope: str = "restore:in-place"

    @property
    def words(self) -> str:
        """See Deed."""
        return f"restore of {self.id} from the trash into {self.source}"

    @property
    def command(self) -> str:
        """See Deed."""
        return _line(["trash", "restore", self.id, *_only(self.only), *(["--overwrite"] if self.overwrite else [])])

    def do(self, going: Going) -> Told:
        """See Deed."""
        app = going.app
        found = trash(app.repository, TrashOrder(sources={self.source: app.source(self.source)}, report=going.report))
        order = TrashRestoreOrder(
            discarded=one(found, self.id), source=app.source(self.source), only=self.only, overwrite=self.overwrite,
            drop_columns=self.drop_columns, entities=lambda: dict(app.settings.entities), dry_run=going.dry_run,
            created_by=going.who, report=going.report, run=going.run, settle=going.settle,
        )  # fmt: skip
        done = trash_restore(app.repository, order)
        if done.entity is not None:
            return _told_entity(done.entity)
        document = {
            "run": done.run, "target": done.target, "dry_run": done.dry_run, "created": done.created,
            "replaced": done.replaced, "there": done.there, "left": done.left, "warnings": done.warnings,
            "refusals": [], "undo": done.undo,
        }  # fmt: skip
        return Told(document=plain(document), snapshots=_made(done.undo))


def _told_entity(done: EntityRestoreResult) -> Told:
    every = [
        {"table": each.table, "key": [str(value) for value in each.key], "role": each.role, "action": each.action,
         "reason": each.reason}
        for each in done.decision.steps
    ]  # fmt: skip
    steps = [each for each in every if each["reason"]]
    document = {
        "run": done.run, "snapshot": done.entry.info.id, "target": done.target, "title": done.title,
        "dry_run": done.dry_run, "tables": done.counts(), "rows": steps[:_ROWS],
        "refusals": list(done.decision.refusals), "warnings": list(done.decision.warnings),
        "changed": len(done.applied.changes) if done.applied else 0,
        "verified": done.applied is not None or (not done.dry_run and not done.decision.changes),
        **_blobs(done.blobs), "undo": done.undo, "seconds": done.seconds,
    }  # fmt: skip
    return Told(
        document=plain(document), refusals=tuple(done.decision.refusals), private=("rows", "blobs", "title"),
        snapshots=_made(done.undo), whole=summed(plain(every)),
    )  # fmt: skip


def _blobs(blobs: list[tuple[str, str, str]]) -> dict[str, Any]:
    told = [{"table": table, "column": column, "value": value} for table, column, value in blobs[:_BLOBS]]
    return {"blob_count": len(blobs), "blobs": told}


def _made(snapshot: str | None) -> tuple[str, ...]:
    return (snapshot,) if snapshot else ()


def _from(name: str | None) -> list[str]:
    return ["--from", short(name) if len(name) == 32 else name] if name is not None else []


def _only(tables: tuple[str, ...]) -> list[str]:
    return [word for table in tables for word in ("--only", table)]


def _line(words: list[str]) -> str:
    return shlex.join(["holdfast", *words])
