"""File: one file of a snapshot, taken away as it was; it is put together as a restore does, and checked so."""

from __future__ import annotations

import glob
import os
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from holdfast.model.snapshot import Item
from holdfast.repository.repository import SnapshotEntry
from holdfast.usecases.restore import restore
from holdfast.web.pages import desk
from holdfast.web.security.identity import Identity, require
from holdfast.web.security.refusals import NotFound
from holdfast.wiring.build import App
from holdfast.wiring.restoring import RestoreWish, restore_order

router = desk.pages()


@router.get("/backups/{snapshot}/file")
def file(
    request: Request, snapshot: str, item: str, who: Annotated[Identity, Depends(require("data:read"))]
) -> FileResponse:  # fmt: skip
    """The content of a regular file, whatever it is, never shown in place."""
    folder = tempfile.TemporaryDirectory(prefix="holdfast-download-")
    try:
        with desk.service_of(request).reading() as app:
            entry = desk.entry_of(app, who, snapshot, "data:read")
            found = _item(app, entry, item)
            desk.act(app, who, "data:export", f"the file {found.label}", entry.info.source, entry.info.id)
            place = Path(folder.name) / "files"
            wish = RestoreWish(
                snapshot=entry.info.id, to=str(place), only=(glob.escape(found.label),), owner=False, acl=False
            )  # fmt: skip
            restore(app.repository, restore_order(app, entry, wish, by=who.name))
        made = place / os.fsdecode(found.name)
        if not made.is_file() or made.is_symlink():
            raise NotFound(f"{found.label!r} is not in that snapshot as a file of its own", hint="restore it")
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(
        made, filename=Path(found.label).name, media_type="application/octet-stream",
        background=BackgroundTask(folder.cleanup),
    )  # fmt: skip


def _item(app: App, entry: SnapshotEntry, name: str) -> Item:
    for each in app.repository.manifest(entry).items():
        if each.label == name and not each.part and each.kind == "file":
            return each
    raise NotFound(f"there is no file {name!r} in that snapshot", hint="holdfast show lists what is in it")
