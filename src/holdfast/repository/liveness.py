"""Which silent sessions may be declared dead: clocks decide when, never whether data is safe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from holdfast.repository import records as rec
from holdfast.repository.state import LogState

SILENCE = 24 * 3600.0
"""Seconds without a new heartbeat, by the store's own times, after which a session is dead."""

REBOOT_SILENCE = 1800.0
"""The same when its machine has booted since. Not at once: two clones of a machine share its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vantage:
    """What one client can see of the others.

    ``host`` and ``boot`` as this client would write them into its own Begin; ``alive(pid, started)`` whether
    that very process runs here; ``last_sign`` the store's time (epoch seconds) of the newest heartbeat of a
    session, or of its Begin record when there is none; ``now`` the store's time of an object written just
    now.
    """

    host: str
    boot: str
    alive: Callable[[int, str], bool]
    last_sign: Mapping[str, float]
    now: float


def expirable(state: LogState, vantage: Vantage) -> dict[str, str]:
    """Open sessions that may be expired, each with the reason in words.

    A session without any sign is left alone: the caller has not looked, or the store lists late.
    """
    found: dict[str, str] = {}
    for session in state.open:
        facts = state.sessions[session].facts
        reason = _death(facts, vantage.last_sign.get(session), vantage) if facts is not None else ""
        if reason:
            found[session] = reason
    return found


def _death(facts: rec.Begin, last_sign: float | None, vantage: Vantage) -> str:
    same_host = facts.host == vantage.host
    if same_host and facts.boot == vantage.boot:
        # The process table is the better witness: a process that hangs for days still runs.
        return "" if vantage.alive(facts.pid, facts.started) else f"process {facts.pid} is gone"
    if last_sign is None:
        return ""
    silent = vantage.now - last_sign
    if same_host and silent >= REBOOT_SILENCE:
        return "its machine was restarted"
    if silent >= SILENCE:
        return f"no sign of life for {silent / 3600:.0f} hours"
    return ""
