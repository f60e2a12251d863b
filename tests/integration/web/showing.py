"""What the pictures show beside the scene: people, tokens, channels, looks and a restore, so that no page is empty."""

from __future__ import annotations

import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from tests.integration.web.scene import CONFIG, LOST, Scene

from holdfast.model.alert import Alert, Delivery
from holdfast.model.health import Finding, Severity
from holdfast.planning.timetable import last_appointment
from holdfast.service.agenda import Keeping
from holdfast.web.security.doorkeeper import Gate
from holdfast.web.security.people import Newcomer
from holdfast.web.security.sessions import OpenedSession
from holdfast.web.security.tokens import TokenWish
from holdfast.wiring.reporting import system_report

TEXT = f"""{CONFIG}
[alerts]
quiet = "22:00-07:00"

[alerts.channels.team]
url = "env:TEAM_URL"

[alerts.channels.pager]
kind = "webhook"
url = "env:PAGER_URL"
severity = "critical"
"""


def people(gate: Gate) -> OpenedSession:
    """Accounts and tokens; a session of the first one."""
    gate.people.add(Newcomer(name="anna", password="correct horse battery", role="admin", vouched_by="setup"))
    gate.people.add(Newcomer(name="ben", password="wrong horse battery", role="viewer", vouched_by="anna"))
    gate.tokens.add(TokenWish(name="ci", scopes=["backup:run"], sources=("tickets",), lifetime=timedelta(days=90),
                              owner="anna"))  # fmt: skip
    gate.tokens.add(TokenWish(name="grafana", scopes=["status:read"], lifetime=timedelta(days=365), owner="anna"))
    return gate.sessions.open("anna", "127.0.0.1", "a browser")


def alerts(made: Scene) -> None:
    """What is open was told, one is over, one channel does not deliver."""
    now, journal = datetime.now(UTC), made.service.journal

    def ago(**span: int) -> str:
        return (now - timedelta(**span)).isoformat()

    with made.service.reading() as app:
        report = system_report(app, journal)
    for found in (finding for source in report.sources for finding in source.findings):
        told = {"team": found.severity.value, **({"pager": "critical"} if found.severity is Severity.CRITICAL else {})}
        _remember(journal, Alert(finding=found, since=ago(hours=3), seen_at=ago(minutes=1), told=told))
    what = "the newest complete snapshot is 2 d old"
    over = Finding(code="age", severity=Severity.WARNING, source="tickets", what=what)
    gone = {"since": ago(days=17, hours=9), "seen_at": ago(days=16), "cleared_at": ago(days=16), "told": {"team": ""}}
    _remember(journal, Alert(finding=over, **gone))  # type: ignore[arg-type]
    for name, how in (
        ("team", Delivery(delivered_at=ago(hours=2, minutes=58))),
        ("pager", Delivery(delivered_at=ago(hours=3), failing_since=ago(minutes=24), error="the receiver answers 503")),
    ):
        journal.remember(f"delivery/{name}", msgspec.json.encode(how).decode())


def appointments(made: Scene) -> None:
    """All of them were kept, as when serve runs."""
    now = datetime.now(UTC)
    for each in made.service.schedules():
        if (last := last_appointment(each.schedule, now)) is not None:
            kept = msgspec.json.encode(Keeping(due=last.due.isoformat())).decode()
            made.service.journal.remember(f"schedule/{each.schedule.key}", kept)


def _remember(journal: Any, alert: Alert) -> None:
    journal.remember(f"alert/{alert.key}", msgspec.json.encode(alert).decode())


def looks(made: Scene, cookie: str) -> None:
    """Somebody looked for what is lost."""
    for path in (f"/explore?entity=event&key={LOST}", "/explore?source=tickets&item=venues&key=3", "/trash"):
        asked = urllib.request.Request(made.url + path, headers={"Cookie": f"holdfast={cookie}"})
        with urllib.request.urlopen(asked) as answer:
            answer.read()
