"""Every page there is."""

from __future__ import annotations

from holdfast.web.pages import (
    alerts,
    audit,
    backup,
    backups,
    consents,
    doors,
    explore,
    file,
    live,
    now,
    plans,
    recovering,
    rows,
    runs,
    settings,
    sources,
    trash,
)

ROUTERS = tuple(
    each.router
    for each in (
        now,
        sources,
        backups,
        backup,
        rows,
        file,
        runs,
        live,
        explore,
        recovering,
        plans,
        trash,
        alerts,
        audit,
        settings,
        consents,
        doors,
    )
)
