"""What stops backups that run by themselves, looked at one by one; each line says what mends it."""

from __future__ import annotations

import contextlib
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from http.client import HTTPConnection, HTTPException

from holdfast.journal.base import Journal
from holdfast.model.errors import HoldfastError
from holdfast.model.health import Finding, Severity
from holdfast.model.report import SystemReport
from holdfast.planning import saying
from holdfast.system import clock
from holdfast.usecases.doctor import Line, failed
from holdfast.usecases.sizes import Sizes

_TRIAL = "doctor/trial"
_LEAST_SECRET = 16
_CRON_PATH, _ANSWER_SECONDS = "/api/cron/backup", 5
_ELSEWHERE = ("apart", "same-disk", "same-machine", "space", "scheduler-silent", "public")
_FATAL = ("check-problems", "store-unreadable")
_KEPT = frozenset(string.ascii_letters + string.digits + "-._~+/=")
"""What survives an Authorization header, a shell and an environment file unchanged."""


def journal(found: Journal) -> Line:
    """Whether what runs can be written down: kept, read back, dropped."""
    mark = clock.stamp()
    try:
        found.remember(_TRIAL, mark)
        kept = found.recall(_TRIAL).get(_TRIAL)
        found.remember(_TRIAL, None)
    except HoldfastError as error:
        return failed("journal", error)
    if kept != mark:
        mend = "[journal] url in holdfast.toml; no backup is lost with a journal"
        return Line(area="journal", level="fail", what=f"{found.url} does not keep what is written", mend=mend)
    return Line(area="journal", level="ok", what=f"{found.url} can be written")


def scheduler(report: SystemReport, scheduled: Iterable[str], now: datetime) -> Line:
    """Why backups never run: nothing is scheduled, or nobody keeps the schedules."""
    names = list(scheduled)
    if not names:
        mend = 'add to a source: schedules = [{ cron = "20 4 * * *" }], or let cron run: holdfast backup --if-due'
        return Line(area="scheduler", level="warn", what="nothing is scheduled: backups do not run alone", mend=mend)
    silent = next((each for each in report.findings if each.code == "scheduler-silent"), None)
    if silent is not None:
        what = f"{silent.what}, but {', '.join(names[:5])} have schedules: they never run"
        return Line(area="scheduler", level="fail", what=what, mend="systemctl enable --now holdfast-serve")
    seen = datetime.fromisoformat(report.scheduler_at) if report.scheduler_at else now
    ago = saying.span((now - seen).total_seconds())
    return Line(area="scheduler", level="ok", what=f"it gave its last sign {ago} ago")


def cron_secret(reference: str | None, resolve: Callable[[], str], *, usual: bool) -> Line:
    """What makes callers of /api/cron/backup be refused: no secret, a short one, one that does not survive a shell.

    ``usual``: the configuration does not name one itself.
    """
    mend = "holdfast secrets rotate cron, and give the same value to whoever calls"
    try:
        parts = resolve().split() if reference else []
    except HoldfastError as error:
        if usual:
            what = "CRON_SECRET is not set here: whoever calls /api/cron/backup is refused (401)"
            return Line(area="cron secret", level="ok", what=what, mend=mend)
        return failed("cron secret", error)
    odd = sorted({char for part in parts for char in part if char not in _KEPT})
    if odd:
        what = f"it has characters that are changed on the way ({' '.join(odd)}): callers are refused (401)"
        return Line(area="cron secret", level="fail", what=what, mend=mend)
    if any(len(part) < _LEAST_SECRET for part in parts):
        return Line(area="cron secret", level="warn", what=f"it is shorter than {_LEAST_SECRET} characters", mend=mend)
    told = "two are accepted while it is rotated" if len(parts) > 1 else "it is set"
    return Line(area="cron secret", level="ok", what=told, mend=mend)


def cron_asked(listen: str, secret: str) -> Line | None:
    """Whether the server that runs here takes the secret, asked without doing anything; None where none answers."""
    host, _, port = listen.rpartition(":")
    here = "127.0.0.1" if host in ("", "0.0.0.0", "[::]") else host.strip("[]")  # noqa: S104 - not listened on
    mend = "systemctl restart holdfast-serve: it reads the secret when it starts"
    with contextlib.closing(HTTPConnection(here, int(port), timeout=_ANSWER_SECONDS)) as connection:
        try:
            connection.request("HEAD", _CRON_PATH, headers={"Authorization": f"Bearer {secret}"})
            status = connection.getresponse().status
        except (OSError, HTTPException, ValueError):
            return None
    if status == 401:
        what = f"the server at {listen} does not take it: callers are refused (401)"
        return Line(area="cron secret", level="fail", what=what, mend=mend)
    if status // 100 != 2:
        what = f"the server at {listen} answered {status} when it was asked whether it takes it"
        return Line(area="cron secret", level="warn", what=what, mend=mend)
    return Line(area="cron secret", level="ok", what=f"the server at {listen} takes it")


def open_to_all(exposed: str) -> Line:
    """Whether anybody may read the store."""
    if exposed:
        mend = "forbid anonymous access to the bucket or container at its provider"
        return Line(area="repository", level="fail", what=f"anybody may read the store: {exposed}", mend=mend)
    return Line(area="repository", level="ok", what="nobody reads the store without a key")


def health(report: SystemReport) -> Iterator[Line]:
    """Findings of the report that nothing else here looks at."""
    for each in report.findings:
        if each.code not in _ELSEWHERE and each.severity is not Severity.INFO:
            yield _line("health", each)
    for one in report.sources:
        for each in one.findings:
            if each.code not in _ELSEWHERE and each.severity is not Severity.INFO:
                yield _line(f"source {one.source}", each)


def sizes(found: Mapping[str, Sizes], now: datetime) -> Iterator[Line]:
    """Which table makes a backup large, and of when the numbers are."""
    for source, each in found.items():
        age = saying.span((now - datetime.fromisoformat(each.taken_at)).total_seconds())
        yield Line(area=f"source {source}", level="ok", what=f"{each.advice} (snapshot {age} old)")


def _line(area: str, found: Finding) -> Line:
    why = f" ({found.why})" if found.why else ""
    level = "fail" if found.code in _FATAL else "warn"
    return Line(area=area, level=level, what=f"{found.what}{why}", mend=found.hint)
