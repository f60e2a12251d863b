"""Every page there is."""

from __future__ import annotations

from holdfast.web.pages import live, now, runs, sources

ROUTERS = (now.router, sources.router, runs.router, live.router)
