"""``holdfast alerts``: what was told, to whom, and whether a channel works."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import click
import msgspec

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.cli.opening import configuration
from holdfast.cli.options import Family, verb
from holdfast.model.alert import Alert, Message
from holdfast.model.errors import Exit, HoldfastError, UsageError
from holdfast.service.watch import Watch
from holdfast.system import clock
from holdfast.wiring.channels import Outlets, outlets_of
from holdfast.wiring.journals import open_journal
from holdfast.wiring.units import parse_duration

_STYLES = {"critical": "red", "warning": "yellow"}


@click.group("alerts", cls=Family)
def alerts() -> None:
    """Show what is told to people, and try the ways to them.

    Channels stand in holdfast.toml: [alerts.channels.NAME] with url = "env:VARIABLE".
    """


@verb("list", examples="holdfast alerts list\nholdfast alerts list --all --json")
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
def list_alerts(face: Face, everything: bool) -> None:
    """List open alerts, worst first, and how each channel does.

    Alerts are looked for by holdfast serve and holdfast daemon, once a minute.
    """
    with _watch(face) as (watch, outlets):
        known = sorted(watch.book.alerts().values(), key=_worst_first)
        deliveries = watch.book.deliveries()
    shown = [each for each in known if everything or each.cleared_at is None]
    face.document(
        {
            "alerts": [_document(each) for each in shown],
            "channels": [
                {"name": name, "broken": name in outlets.broken,
                 "delivery": msgspec.to_builtins(deliveries[name]) if name in deliveries else None}
                for name in dict.fromkeys([*outlets.listeners, *outlets.broken])
            ],
        }
    )  # fmt: skip
    for each in shown:
        found = each.finding
        over = f", over since {words.instant(each.cleared_at)}" if each.cleared_at else ""
        face.line(f"{found.severity.value:8}  {found.source or 'all'}: {found.what}", _STYLES.get(found.severity, ""))
        face.line(f"          {each.key}, since {words.instant(each.since)} UTC{over}{_said(each)}")
        if found.hint and not each.cleared_at:
            face.line(f"          to do: {found.hint}")
    if not shown:
        face.line("no alert is open")
    for name, error in outlets.broken.items():
        face.warning(f"the channel {name} cannot be used: {error.what}")
    for name, each_delivery in deliveries.items():
        if each_delivery.failing_since:
            face.warning(f"the channel {name} has reached nobody since {each_delivery.failing_since}: "
                         f"{each_delivery.error}")  # fmt: skip
    if not outlets.listeners:
        face.note("no channel is configured: nobody is told. Add [alerts.channels.NAME] to holdfast.toml")


@verb("test", examples="holdfast alerts test\nholdfast alerts test ops")
@click.argument("channels", nargs=-1, metavar="[CHANNEL]...")
def test(face: Face, channels: Sequence[str]) -> int:
    """Send a test message through every channel, or those named. Exit status 1 when one does not arrive."""
    found = configuration(face)
    outlets = outlets_of(found)
    known = dict.fromkeys([*outlets.channels, *outlets.broken])
    for name in channels:
        if name not in known:
            raise UsageError(f"there is no channel {name!r}", why=f"known: {', '.join(known) or 'none'}")
    if not known:
        raise UsageError("no channel is configured", hint='add [alerts.channels.ops] with url = "env:OPS_URL"')
    results = [(name, _try(outlets, name)) for name in channels or known]
    face.document(
        {
            "channels": [
                {"name": name, "delivered": error is None, "error": _told(face, error)} for name, error in results
            ]
        }
    )
    for name, error in results:
        face.line(f"{name}: {'delivered' if error is None else f'not delivered: {error.why or error.what}'}",
                  "green" if error is None else "red")  # fmt: skip
    return int(Exit.FAILED if any(error for _, error in results) else Exit.OK)


@verb("ack", examples="holdfast alerts ack age:shop")
@click.argument("key")
def ack(face: Face, key: str) -> None:
    """Say that somebody takes care of an alert; it stays open until its cause is gone."""
    with _watch(face) as (watch, _):
        alert = watch.book.say(_one(watch, key).key, acknowledged_by=clock.user()) or _one(watch, key)
    face.document(_document(alert))
    face.line(f"{key}: {alert.acknowledged_by} takes care of it")


@verb("mute", examples="holdfast alerts mute age:shop --for 4h")
@click.argument("key")
@click.option("--for", "span", default="24h", show_default=True, metavar="DURATION", help="For how long.")
def mute(face: Face, key: str, span: str) -> None:
    """Tell nothing more about an alert for a while."""
    until = clock.now() + parse_duration(span)
    with _watch(face) as (watch, _):
        alert = watch.book.say(_one(watch, key).key, muted_until=clock.stamp(until)) or _one(watch, key)
    face.document(_document(alert))
    face.line(f"{key}: nothing is told until {words.instant(clock.stamp(until))} UTC")


for _verb in (list_alerts, test, ack, mute):
    alerts.add_command(_verb)


@contextlib.contextmanager
def _watch(face: Face) -> Iterator[tuple[Watch, Outlets]]:
    found = configuration(face)
    outlets = outlets_of(found)
    with contextlib.closing(open_journal(found)) as journal:
        yield Watch(journal, outlets, _never), outlets


def _never(_now: datetime) -> Any:
    raise NotImplementedError("this watch only remembers")


def _one(watch: Watch, key: str) -> Alert:
    known = {name: each for name, each in watch.book.alerts().items() if each.cleared_at is None}
    if key not in known:
        raise UsageError(f"there is no open alert {key!r}", why=f"open: {', '.join(known) or 'none'}")
    return known[key]


def _try(outlets: Outlets, name: str) -> HoldfastError | None:
    if name in outlets.broken:
        return outlets.broken[name]
    message = Message(
        kind="test", severity="info", title="holdfast: a test", at=clock.stamp(),
        text="This is a test of holdfast's alerts. Nothing is the matter.",
    )  # fmt: skip
    try:
        outlets.channels[name].send(message)
    except HoldfastError as error:
        return error
    return None


def _told(face: Face, error: HoldfastError | None) -> dict[str, str] | None:
    if error is None:
        return None
    return {name: face.redactor.clean(getattr(error, name)) for name in ("what", "where", "why", "hint")}


def _worst_first(alert: Alert) -> tuple[int, str]:
    return (("critical", "warning", "info").index(alert.finding.severity.value), alert.since)


def _said(alert: Alert) -> str:
    taken = f", {alert.acknowledged_by} takes care of it" if alert.acknowledged_by else ""
    return taken + (f", muted until {words.instant(alert.muted_until)} UTC" if alert.muted_until else "")


def _document(alert: Alert) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(alert)
    return {"key": alert.key, **document}
