"""Every page of a scene, by its path."""

from __future__ import annotations

from tests.integration.web.scene import LOST, Scene

from holdfast.journal.base import RunQuery


def paths(made: Scene) -> dict[str, str]:
    """Path -> a name for it."""
    with made.service.reading() as app:
        infos = [entry.info for entry in app.repository.snapshots()]
        mine = [info.id for info in infos if info.source == "tickets" and not info.partial]
    good = made.service.journal.runs(RunQuery(kinds=("backup",), statuses=("succeeded",), limit=1)).runs[0].id
    bad = made.service.journal.runs(RunQuery(statuses=("failed",), limit=1)).runs[0].id
    return {
        "/": "now", "/sources": "sources", "/sources/tickets": "source", "/backups?source=tickets": "backups",
        f"/backups/{mine[-1]}": "backup", f"/backups/{mine[-1]}/changes": "changes",
        f"/backups/{mine[-1]}/tables": "tables",
        f"/backups/{mine[-1]}/rows?item=events": "rows", "/runs": "runs", f"/runs/{good}": "run",
        f"/runs/{bad}": "run-failed", f"/explore?entity=event&key={LOST}": "explore", "/restore": "restore",
        f"/restore?snapshot={mine[-1]}": "restore-where", "/trash": "trash", "/alerts": "alerts", "/audit": "audit",
        "/settings": "settings", "/login": "login",
    }  # fmt: skip
