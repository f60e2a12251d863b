"""Take a snapshot of each source, in one run and one session."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from holdfast.flow.backup import Stored, back_up
from holdfast.flow.previous import PreviousProgress, PreviousSnapshot, Progress
from holdfast.model.errors import Damaged, HoldfastError, Interrupted, SessionExpired, StorageError, StorageFull
from holdfast.model.events import Advanced, Reporter, Warned, silent
from holdfast.model.ids import new_id, short
from holdfast.model.secret import without_passwords
from holdfast.model.snapshot import Notes, SnapshotInfo
from holdfast.repository.expiry import expire_dead
from holdfast.repository.index import read_progress
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.repository.session import Session, recent_backups
from holdfast.repository.undoing import store_undo
from holdfast.sources.base import CaptureNotes, CaptureRequest, Previous, Source
from holdfast.system import clock

# Below this there is no use in beginning: even a small backup would end half-way.
LEAST_ROOM = 64 << 20

_NAMED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRequest:
    """``sources`` by name. ``name`` labels the snapshots; ``pin`` protects them; ``only`` limits the items.

    ``undo`` is what a restore notes in the snapshot it takes first; ``touched`` (patterns) and ``created`` (names) are
    the parts of that which may be long. ``config``: text of the configuration, kept in each snapshot without passwords.
    ``partial``: the sources hold chosen rows only, so these snapshots are never "latest". ``more``: facts to keep with
    them (SnapshotInfo.more). ``environments`` by source: where each was taken from ("production"), kept among these.
    """

    sources: Mapping[str, Source]
    name: str | None = None
    pin: bool = False
    trigger: str = "manual"
    only: tuple[str, ...] = ()
    created_by: str = ""
    run: str = field(default_factory=new_id)
    width: int = 2
    report: Reporter = silent
    undo: Notes | None = None
    touched: tuple[str, ...] = ()
    created: Iterable[bytes] = ()
    config: str = ""
    partial: bool = False
    more: Notes | None = None
    environments: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class BackupResult:
    """``snapshots`` that were made; ``failures`` by source: no snapshot exists for those.

    ``missing`` by source: what its snapshot does not hold.
    """

    run: str
    snapshots: list[SnapshotInfo] = field(default_factory=list)
    missing: dict[str, list[str]] = field(default_factory=dict)
    failures: dict[str, HoldfastError] = field(default_factory=dict)


def backup(repository: Repository, request: BackupRequest) -> BackupResult:
    """Back up every source of the request. A source that fails is in ``failures``; the others are still made.

    Failures of the repository itself are raised: nothing more can be stored then. So is Interrupted; what arrived
    by then is used by the next run.
    """
    result = BackupResult(run=request.run)
    check_room(repository)
    expire_dead(repository.vault)
    with repository.begin("backup") as session:
        for name, source in request.sources.items():
            try:
                info, missing = _one(repository, session, request, name, source)
                result.snapshots.append(info)
                if missing:
                    result.missing[name] = missing
            except (StorageError, SessionExpired, Interrupted) as error:
                error.why = "; ".join(filter(None, (error.why, _made(result.snapshots))))
                raise
            except HoldfastError as error:
                result.failures[name] = error
    if request.pin and result.snapshots:
        repository.pin([info.id for info in result.snapshots])
    repository.remember_head()
    return result


def _made(snapshots: list[SnapshotInfo]) -> str:
    """What stays although the run fails."""
    names = ", ".join(f"{short(info.id)} of {info.source}" for info in snapshots)
    return f"made before and kept: snapshot {names}" if names else ""


def check_room(repository: Repository) -> None:
    """StorageFull when the store has no room worth beginning with."""
    free = repository.storage.free_space()
    if free is not None and free < LEAST_ROOM:
        raise StorageFull(
            "the repository's storage is full",
            where=repository.storage.url,
            why=f"{free >> 20} MiB are free, a run needs at least {LEAST_ROOM >> 20} MiB",
            hint="free some space, or: holdfast forget … && holdfast prune --now",
        )


def _one(
    repository: Repository, session: Session, request: BackupRequest, name: str, source: Source
) -> tuple[SnapshotInfo, list[str]]:
    started, created_at = time.monotonic(), clock.stamp()
    new_before, stored_before = session.bytes_new, session.bytes_stored
    snapshot = new_id()
    capture = CaptureRequest(
        source=name,
        previous=previous_of(repository, session, name, source.kind, request.report),
        only=request.only,
        width=request.width,
        report=request.report,
    )
    # uploading may take long after the last byte was read: whoever listens is asked at every pack whether to go on
    session.hear(lambda size: request.report(Advanced(source=name, phase="store", amount=size)))
    undo = store_undo(session.put_meta, request.touched, request.created)
    config = "\n".join(map(without_passwords, request.config.split("\n")))
    stored = back_up(source, capture, session, snapshot, undo=undo, config=config)
    session.flush()
    info = _describe(stored, request, name, source.kind)
    info.more = _placed(info.more, request.environments.get(name) or repository.environments.get(name))
    info.id, info.created_at = snapshot, created_at
    info.bytes_new = session.bytes_new - new_before
    info.bytes_stored = session.bytes_stored - stored_before
    info.seconds = round(time.monotonic() - started, 3)
    session.commit(info, stored.root)
    return info, stored.notes.incomplete


def _describe(stored: Stored, request: BackupRequest, name: str, kind: str) -> SnapshotInfo:
    notes, totals = stored.notes, stored.totals
    return SnapshotInfo(
        id="",
        run=request.run,
        source=name,
        kind=kind,
        trigger=request.trigger,
        status="incomplete" if notes.incomplete or notes.unsound else "complete",
        created_at="",
        rows=totals.rows if totals.counted else None,
        item_count=totals.items,
        bytes_source=totals.size,
        bytes_read=stored.bytes_read,
        bytes_new=0,
        bytes_stored=0,
        seconds=0.0,
        not_protected=notes.not_protected,
        warnings=[*notes.incomplete, *notes.unsound, *notes.warnings],
        name=request.name,
        created_by=request.created_by,
        source_changed_at=notes.source_changed_at,
        origin=notes.origin,
        partial=request.partial or bool(request.only) or request.undo is not None,
        undo=request.undo,
        more=_more(request, notes),
    )


def _placed(more: Notes | None, environment: str | None) -> Notes | None:
    """With where it was taken from: also what is saved of an entity, of a guard, before a restore."""
    return {**(more or {}), "environment": environment} if environment else more


def _more(request: BackupRequest, notes: CaptureNotes) -> Notes | None:
    known = {
        "identity": notes.identity,
        "neighbours": notes.neighbours[:_NAMED],
    }
    given = {key: value for key, value in known.items() if value}
    return {**(request.more or {}), **given} if given else request.more


def previous_of(
    repository: Repository, session: Session, name: str, kind: str, report: Reporter
) -> Previous | None:
    """The newest whole snapshot of a source that can be read, else what an interrupted first backup had finished."""
    for entry in newest_whole(repository.snapshots(), name, kind):
        try:
            manifest = repository.manifest(entry, session.reader)
            manifest.pages()
        except Damaged as error:
            report(Warned(source=name, text=f"{error.what} Everything is read again. Run: holdfast check"))
            continue
        return PreviousSnapshot(manifest, session.reader)
    for progress in _progress(repository):
        if progress.source == name and progress.pages:
            try:
                return PreviousProgress(progress, session.reader)
            except (Damaged, msgspec.DecodeError):
                continue
    return None


def newest_whole(entries: list[SnapshotEntry], name: str, kind: str) -> Iterator[SnapshotEntry]:
    """Snapshots of all items of one source, newest first."""
    for entry in reversed(entries):
        if entry.info.source == name and entry.info.kind == kind and not entry.info.partial:
            yield entry


def _progress(repository: Repository) -> Iterator[Progress]:
    for session in recent_backups(repository.log.state):
        for raw in read_progress(repository.storage, repository.sealer, session):
            yield msgspec.msgpack.decode(raw, type=Progress)
            break
