"""What retention is asked, from the configuration."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from holdfast.model.keeping import HoldLimits, KeepRules
from holdfast.usecases.retention import RetentionRequest
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
