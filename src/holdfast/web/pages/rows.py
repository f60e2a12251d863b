"""Rows: leaf through a table as a snapshot holds it, or take it away as a file."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import FileResponse, HTMLResponse
from starlette.background import BackgroundTask

from holdfast.model.errors import UsageError
from holdfast.model.ids import short
from holdfast.model.records import Table
from holdfast.records.naming import table_named
from holdfast.records.telling import told_row
from holdfast.sources.records import Book
from holdfast.usecases.exporting import ExportOrder, export
from holdfast.usecases.looking import open_book
from holdfast.web.pages import desk
from holdfast.web.pages.looks import page
from holdfast.web.security.identity import Identity, require

router = desk.pages()
_PAGE = 50
_TABLES = 500
_MOST = 100_000
_FORMATS = ("json", "jsonl", "csv")


@router.get("/backups/{snapshot}/tables")
def tables(
    request: Request, snapshot: str, who: Annotated[Identity, Depends(require("data:read"))], q: str = ""
) -> HTMLResponse:  # fmt: skip
    """What there is to leaf through."""
    with desk.service_of(request).reading() as app:
        entry = desk.entry_of(app, who, snapshot, "data:read")
        with open_book(app.repository, entry, app.reader_of(entry.info)) as book:
            found = [table for name, table in book.tables.items() if q.lower() in name.lower()]
    more = len(found) - _TABLES
    return page(request, "tables.html", who=who, info=entry.info, tables=found[:_TABLES], q=q, more=more)


@router.get("/backups/{snapshot}/rows")
def rows(
    request: Request,
    snapshot: str,
    item: str,
    who: Annotated[Identity, Depends(require("data:read"))],
    start: int = 0,
) -> HTMLResponse:  # fmt: skip
    """Fifty rows of a table from ``start`` on, in the order they lie in."""
    with desk.service_of(request).reading() as app:
        entry = desk.entry_of(app, who, snapshot, "data:read")
        with open_book(app.repository, entry, app.reader_of(entry.info)) as book:
            table = table_named(book, item)
            warning = desk.look(app, who, f"rows of {table.name}", entry.info.source, entry.info.id)
            found = _stretch(book, table, max(0, min(start, _MOST)))
    path = f"/backups/{entry.info.id}/rows"
    more = desk.link(path, {"item": item}, start=start + _PAGE) if len(found) > _PAGE else None
    columns = list(dict.fromkeys(name for row in found for name in row)) or [each.name for each in table.columns]
    return page(
        request, "rows.html", who=who, info=entry.info, table=table, columns=columns, rows=found[:_PAGE], start=start,
        more=more, warning=warning,
    )  # fmt: skip


def _stretch(book: Book, table: Table, start: int) -> list[dict[str, Any]]:
    return [told_row(book, table, row) for row in itertools.islice(book.rows(table), start, start + _PAGE + 1)]


@router.get("/backups/{snapshot}/download")
def download(
    request: Request,
    snapshot: str,
    who: Annotated[Identity, Depends(require("data:read"))],
    format: str = "json",  # noqa: A002 - as the command line calls it
    item: str = "",
) -> FileResponse:  # fmt: skip
    """A snapshot, or one table of it, as a file; several files come in one archive."""
    if format not in _FORMATS:
        raise UsageError(f"there is no format {format!r} here", hint=f"one of {', '.join(_FORMATS)}")
    folder = tempfile.TemporaryDirectory(prefix="holdfast-download-")
    try:
        with desk.service_of(request).reading() as app:
            entry = desk.entry_of(app, who, snapshot, "data:read")
            info = entry.info
            desk.act(app, who, "data:export", f"{item or 'everything'} as {format}", info.source, info.id)
            name = f"{info.source}-{short(info.id)}"
            path = Path(folder.name) / (f"{name}.json" if format == "json" else name)
            order = ExportOrder(
                entry=entry, source=app.reader_of(info), format=format, to=path, only=(item,) if item else ()
            )
            export(app.repository, order)
        made = path if path.is_file() else _packed(path)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(made, filename=made.name, background=BackgroundTask(folder.cleanup))


def _packed(folder: Path) -> Path:
    """One file out of a folder: itself when there is one, an archive otherwise."""
    import zipfile

    files = sorted(each for each in folder.rglob("*") if each.is_file())
    if len(files) == 1:
        return files[0]
    archive = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for each in files:
            packed.write(each, each.relative_to(folder))
    return archive
