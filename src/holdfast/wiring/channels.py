"""The channels of a configuration, and who of them wants to hear what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time

from holdfast import __version__
from holdfast.model.errors import HoldfastError, UsageError
from holdfast.model.health import Severity
from holdfast.notices.apprise import AppriseChannel
from holdfast.notices.channel import Channel
from holdfast.notices.ping import Ping
from holdfast.notices.sentry import Sentry
from holdfast.notices.webhook import Webhook
from holdfast.planning.noticing import Listener, QuietHours
from holdfast.wiring.load import Configuration
from holdfast.wiring.sections import ChannelSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """Where messages go. ``broken``: channels whose secret cannot be found, with the reason."""

    channels: Mapping[str, Channel] = field(default_factory=dict)
    listeners: Mapping[str, Listener] = field(default_factory=dict)
    broken: Mapping[str, HoldfastError] = field(default_factory=dict)
    quiet: QuietHours | None = None
    ping: Ping | None = None


def outlets_of(configuration: Configuration) -> Outlets:
    """Everything [alerts] names. A channel that cannot be made is in ``broken``; the others work all the same."""
    settings = configuration.settings.alerts
    channels: dict[str, Channel] = {}
    broken: dict[str, HoldfastError] = {}
    for name, each in (settings.channels or {}).items():
        try:
            channels[name] = _channel(name, each, configuration)
        except UsageError as error:
            broken[name] = error
    listeners = {
        name: Listener(name=name, severity=Severity(each.severity), sources=each.sources)
        for name, each in (settings.channels or {}).items()
    }
    ping = None
    if settings.ping:
        try:
            ping = Ping(configuration.around.resolve(settings.ping, configuration.base))
        except UsageError as error:
            broken["ping"] = error
    zone = configuration.settings.defaults.timezone
    quiet = quiet_hours(settings.quiet, zone) if settings.quiet else None
    return Outlets(channels=channels, listeners=listeners, broken=broken, quiet=quiet, ping=ping)


def sentry_of(configuration: Configuration) -> Sentry | None:
    """Where defects are told; None when the configuration names no project. UsageError, MissingTool otherwise."""
    reference = configuration.settings.alerts.sentry
    if not reference:
        return None
    around = configuration.around
    return Sentry(around.resolve(reference, configuration.base), around.redactor, __version__)


def quiet_hours(text: str, zone: str) -> QuietHours:
    """``22:00-07:00``; UsageError for anything else."""
    begin, dash, end = text.partition("-")
    try:
        if not dash:
            raise ValueError(text)
        return QuietHours(begin=time.fromisoformat(begin.strip()), end=time.fromisoformat(end.strip()), zone=zone)
    except ValueError as error:
        raise UsageError(f"{text!r} are no quiet hours", where="[alerts] quiet", hint="write 22:00-07:00") from error


def _channel(name: str, settings: ChannelSettings, configuration: Configuration) -> Channel:
    around, base = configuration.around, configuration.base
    url = around.resolve(settings.url, base)
    if settings.kind == "apprise":
        return AppriseChannel(name, url)
    return Webhook(name, url, around.resolve(settings.secret, base) if settings.secret else None)
