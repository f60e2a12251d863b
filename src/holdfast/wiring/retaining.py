"""What retention is asked, from the configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from holdfast.model.errors import HoldfastError
from holdfast.model.keeping import HoldLimits, KeepRules
from holdfast.system import clock
from holdfast.usecases import retention
from holdfast.usecases.retention import RetentionRequest
from holdfast.wiring.build import App
from holdfast.wiring.policies import policies
from holdfast.wiring.settings import Settings


def retention_request(
    settings: Settings,
    now: datetime,
    sources: tuple[str, ...] = (),
    adhoc: KeepRules | None = None,
    environment: str | None = None,
) -> RetentionRequest:
    """For the sources of the configuration, or those named. ``adhoc``: by these rules instead, just this once.

    ``environment``: decide on what was taken there, rather than in the environment of the configuration.
    """
    known = policies(settings)
    terms = [policy.keep_terms for policy in known.values()]
    return RetentionRequest(
        terms=[replace(each, environment=environment) for each in terms] if environment else terms,
        now=now,
        sources=sources,
        limits=HoldLimits(count=settings.running.hold_count, percent=settings.running.hold_percent),
        adhoc=adhoc,
        health={name: policy.health for name, policy in known.items()},
    )


def remember_rules(app: App, sources: Iterable[str], who: str) -> None:
    """Note which rules are in force now that a backup of ``sources`` was taken. It is no worse where that fails."""
    known = policies(app.settings)
    ruled = tuple(name for name in sources if name in known and known[name].keep)
    with contextlib.suppress(HoldfastError):
        if ruled:
            plan = retention.plan(app.repository, retention_request(app.settings, clock.now(), ruled))
            retention.remember(app.repository, plan, who)
