"""A FastAPI application in one file: events, an import that is preceded by a backup, and a restore.

DATABASE_URL=postgresql://… uvicorn --app-dir examples/fastapi shop:api
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse

import holdfast


@asynccontextmanager
async def _lifespan(api: FastAPI) -> AsyncIterator[None]:
    with holdfast.open("holdfast.toml") as backups:
        api.state.backups = backups
        yield


api = FastAPI(lifespan=_lifespan)


def _connect() -> psycopg.Connection[Any]:
    return psycopg.connect(os.environ["DATABASE_URL"])


@api.exception_handler(holdfast.HoldfastError)
async def _failed(_request: Any, error: Exception) -> JSONResponse:
    """Nothing was deleted or imported: tell the operator what to do."""
    assert isinstance(error, holdfast.HoldfastError)  # noqa: S101 - registered for nothing else
    return JSONResponse({"error": error.what, "hint": error.hint}, status_code=503)


@api.post("/events/import")
def bulk_import(titles: list[str]) -> dict[str, Any]:
    """Nothing is imported before a snapshot was taken. A plain ``def``: FastAPI runs it in a thread."""
    taken = api.state.backups.backup("shop", name="before-import")
    if taken.failures:
        raise next(iter(taken.failures.values()))
    with _connect() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO events (title) VALUES (%s)", [(title,) for title in titles])
    return {"imported": len(titles), "snapshot": taken.snapshots[0].id}


@api.delete("/events/{key}")
def delete_event(key: int) -> dict[str, Any]:
    """Captured, read back and deleted in one transaction."""
    with _connect() as connection:
        if connection.execute("SELECT 1 FROM events WHERE id = %s FOR UPDATE", (key,)).fetchone() is None:
            raise HTTPException(404)
        with api.state.backups.entity("event", key).deleting(connection) as snapshot:
            connection.execute("DELETE FROM events WHERE id = %s", (key,))
    return {"deleted": key, "snapshot": snapshot.id}


@api.post("/events/{key}/restore")
def restore_event(key: int) -> dict[str, Any]:
    """Bring it back with everything that belonged to it."""
    return {"restored": key, "undo": api.state.backups.entity("event", key).restore().undo}


@api.get("/backups")
def status() -> dict[str, Any]:
    """What would be lost now."""
    report = api.state.backups.status()
    return {"headline": report.headline, "snapshots": report["shop"].snapshots}
