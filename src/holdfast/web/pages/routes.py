"""Every page there is."""

from __future__ import annotations

from holdfast.web.pages import (
    backup,
    backups,
    explore,
    live,
    now,
    plans,
    recovering,
    rows,
    runs,
    sources,
    trash,
)

ROUTERS = tuple(
    each.router
    for each in (now, sources, backups, backup, rows, runs, live, explore, recovering, plans, trash)
)
