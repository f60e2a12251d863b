"""The log of a service: each run when it begins and when it ends."""

from __future__ import annotations

import logging

from holdfast.model.run import Run, RunStatus
from holdfast.service.service import Service

_log = logging.getLogger("holdfast.runs")
_LEVELS = {
    RunStatus.FAILED: logging.ERROR,
    RunStatus.INTERRUPTED: logging.WARNING,
    RunStatus.INCOMPLETE: logging.WARNING,
}
_NUMBERS = ("rows", "items", "bytes_source", "bytes_new", "bytes_stored")


def log_runs(service: Service) -> None:
    """From now on."""
    service.work.on_begin.append(_begun)
    service.work.on_over.append(_over)


def _begun(run: Run) -> None:
    _log.info("%s begins", run.kind, extra=_head(run))


def _over(run: Run) -> None:
    told = {name: value for name in _NUMBERS if (value := getattr(run, name)) is not None}
    if run.error is not None:
        told |= {"code": run.error.code, "what": run.error.what, "why": run.error.why, "retryable": run.error.retryable}
    told |= {"status": run.status.value, "seconds": run.seconds, "warnings": len(run.warnings)}
    _log.log(_LEVELS.get(run.status, logging.INFO), "%s %s", run.kind, run.status.value, extra={**_head(run), **told})


def _head(run: Run) -> dict[str, object]:
    return {
        "run": run.id, "kind": run.kind, "sources": ",".join(run.sources), "trigger": run.trigger, "who": run.who,
        "schedule": run.schedule, "attempt": run.attempt,
    }  # fmt: skip
