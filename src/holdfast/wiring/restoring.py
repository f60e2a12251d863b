"""From what somebody wants restored to the order that use cases take: the same for terminal, HTTP and Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from holdfast.model.events import Reporter, silent
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import SnapshotEntry
from holdfast.sources.base import RestoreRequest, Source
from holdfast.usecases.restore import RestoreOrder
from holdfast.usecases.row_protection import is_row_undo
from holdfast.wiring.build import App


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreWish:
    """What is wanted, as ``holdfast restore`` takes it. ``keys`` or ``where``: rows of the one item in ``only``."""

    snapshot: str
    to: str | None = None
    only: tuple[str, ...] = ()
    in_place: bool = False
    overwrite: bool = False
    exact: bool = False
    verify: str = "counts"
    owner: bool = True
    acl: bool = True
    keys: tuple[str, ...] = ()
    where: str | None = None
    skip_blocked: bool = False
    drop_columns: bool = False


def restore_order(
    app: App, entry: SnapshotEntry, wish: RestoreWish, *, by: str, report: Reporter = silent
) -> RestoreOrder:
    """Which source, where to and how. Writes nothing."""
    info = entry.info
    to = app.place(info.kind, wish.to) if wish.to is not None else None
    configured = app.settings.sources.get(info.source)
    request = RestoreRequest(
        label=_label(info), to=to, in_place=wish.in_place, overwrite=wish.overwrite or wish.exact, exact=wish.exact,
        only=wish.only, verify=wish.verify, owner=wish.owner and (configured is None or configured.owner),
        acl=wish.acl and (configured is None or configured.acl), width=app.width, report=report,
    )  # fmt: skip
    return RestoreOrder(entry=entry, source=app.source_of(info, to), request=request, created_by=by, report=report)


def rows_target(app: App, to: str | None) -> Callable[[SnapshotInfo], Source]:
    """Finds what the rows of a snapshot are written into: ``to``, or the source they are of."""
    if to is None:
        return lambda info: app.source_of(info, None)
    return lambda info: app.stand_in(info.kind, app.place(info.kind, to))


def undo_source(app: App, info: SnapshotInfo) -> Source:
    """Rows are taken back where they were put; a whole restore is told its place and finds it itself."""
    to = (info.undo or {}).get("to")
    return app.stand_in(info.kind, to) if to and is_row_undo(info) else app.source_of(info, to)


def _label(info: SnapshotInfo) -> str:
    """What a new place is named after: when the snapshot was taken, ``20261120_0420``."""
    return datetime.fromisoformat(info.created_at).astimezone(UTC).strftime("%Y%m%d_%H%M")
