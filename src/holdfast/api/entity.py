"""One thing of the application with everything that belongs to it, for programs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.entities.restoring import Wishes
from holdfast.model.events import Reporter
from holdfast.model.snapshot import SnapshotInfo
from holdfast.system import clock
from holdfast.usecases.entity_backup import EntityBackupOrder, EntityBackupResult, entity_backup
from holdfast.usecases.entity_clone import EntityCloneOrder, EntityCloneResult, entity_clone
from holdfast.usecases.entity_delete import EntityDeleteOrder, EntityDeleteResult, entity_delete
from holdfast.usecases.entity_deleting import deleting
from holdfast.usecases.entity_finding import Subject, Version, entity_named, versions
from holdfast.usecases.entity_restore import EntityRestoreOrder, EntityRestoreResult, entity_restore
from holdfast.wiring.build import App as Wired


class Entity:
    """``app.entity("event", 42)``. Nothing is looked at before a method is called."""

    def __init__(self, wired: Wired, subject: Subject) -> None:
        self._wired = wired
        self._subject = subject

    def __repr__(self) -> str:
        return f"<entity {self._subject.spoken}>"

    def backup(self, *, name: str | None = None, pin: bool = False) -> EntityBackupResult:
        """A snapshot of all of its rows, from one consistent point."""
        order = EntityBackupOrder(
            subject=self._subject, name=name, pin=pin, trigger="api", created_by=clock.user(),
            config=self._wired.configuration.text,
        )  # fmt: skip
        return entity_backup(self._wired.repository, order)

    def versions(self) -> list[Version]:
        """Every snapshot that has it: those of it alone first, then full ones, newest first."""
        return list(versions(self._wired.repository, self._subject))

    def restore(
        self, from_: str | None = None, *, only: tuple[str, ...] = (), existing: str = "refuse",
        users: str | None = None, create_parents: bool = False, drop_columns: bool = False, dry_run: bool = False,
    ) -> EntityRestoreResult:  # fmt: skip
        """Bring it back, in one transaction. ``from_``: a snapshot or a time; None: the newest that has it.

        ``existing``: what becomes of rows that are there and differ: "refuse", "skip", "overwrite", "merge".
        """
        wishes = Wishes(
            only=only, existing=existing, users=users or self._subject.declaration.users,
            create_parents=create_parents, drop_columns=drop_columns,
        )  # fmt: skip
        order = EntityRestoreOrder(
            subject=self._subject, from_=from_, wishes=wishes, dry_run=dry_run, created_by=clock.user()
        )
        return entity_restore(self._wired.repository, order)

    def clone(
        self, *, as_: Any = None, values: Mapping[str, Any] | None = None, from_: str | None = None,
        users: str | None = None, create_parents: bool = False, dry_run: bool = False,
    ) -> EntityCloneResult:  # fmt: skip
        """Copy it: new ids, every reference inside rewritten. ``values``: columns of the copy to be set."""
        order = EntityCloneOrder(
            subject=self._subject, as_=None if as_ is None else str(as_), values=values or {}, from_=from_,
            users=users or self._subject.declaration.users, create_parents=create_parents, dry_run=dry_run,
            created_by=clock.user(),
        )  # fmt: skip
        return entity_clone(self._wired.repository, order)

    def delete(self, *, force: bool = False, dry_run: bool = False) -> EntityDeleteResult:
        """Delete it, once it is stored and was read back; only if the database deletes exactly what was captured."""
        return entity_delete(self._wired.repository, self._order(force=force, dry_run=dry_run))

    @contextlib.contextmanager
    def deleting(self, connection: Any) -> Iterator[SnapshotInfo]:
        """Capture it within the transaction of your own ``connection`` (psycopg, sqlite3, or a session of pymongo), in
        which you delete it.

        On entering, its rows are locked, stored and read back: a failure raises, before anything was deleted. On
        leaving, TargetError when more was deleted than captured: roll back then. Commit after the block; nothing is
        committed here. Gives the snapshot that holds it.
        """
        with deleting(self._wired.repository, self._order(), connection) as captured:
            yield captured.snapshot

    def _order(self, *, force: bool = False, dry_run: bool = False) -> EntityDeleteOrder:
        return EntityDeleteOrder(
            subject=self._subject, force=force, dry_run=dry_run, created_by=clock.user(),
            config=self._wired.configuration.text,
        )  # fmt: skip


def subject_of(wired: Wired, name: str, key: Any, limit_rows: int | None, report: Reporter) -> Subject:
    """The entity that is named. UsageError tells the nearest names."""
    declaration = entity_named(wired.settings.entities, name)
    typed = ",".join(map(str, key)) if isinstance(key, tuple | list) else str(key)
    return Subject(
        name=name, key=typed, declaration=declaration, source=wired.source(declaration.source),
        limit_rows=limit_rows, report=report,
    )  # fmt: skip
