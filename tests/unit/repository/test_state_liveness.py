"""Which sessions may be declared dead."""

from __future__ import annotations

import pytest
from tests.unit.repository.state_world import ONE, MemoryLog, begin

from holdfast.repository.liveness import REBOOT_SILENCE, SILENCE, Vantage, expirable

NOW = 1_000_000.0


def _judge(sign: float | None, *, host: str = "here", boot: str = "b1", alive: bool = False) -> str:
    state = MemoryLog().put(begin(ONE, host=host, boot=boot))
    signs = {} if sign is None else {ONE: sign}
    vantage = Vantage(host="here", boot="b1", alive=lambda _pid, _started: alive, last_sign=signs, now=NOW)
    return expirable(state, vantage).get(ONE, "")


def test_a_process_that_is_gone_is_dead_at_once() -> None:
    """Same machine, same boot: the process table knows."""
    assert _judge(NOW) == "process 7 is gone"
    assert _judge(None) == "process 7 is gone"


def test_a_process_that_runs_is_alive_however_silent() -> None:
    """A backup of a sleeping laptop goes on after the week-end."""
    assert _judge(0.0, alive=True) == ""


def test_a_restart_of_its_machine_ends_a_session_after_half_an_hour() -> None:
    """Not at once: a clone of the machine has the same name and another boot."""
    assert _judge(NOW - REBOOT_SILENCE + 1, boot="b0") == ""
    assert "restarted" in _judge(NOW - REBOOT_SILENCE, boot="b0")


@pytest.mark.parametrize("skew", [-3e8, 0.0, 3e8])
def test_elsewhere_a_day_without_heartbeat_counts_by_the_stores_clock(skew: float) -> None:
    """Whatever the clients' clocks say, only the difference of two times of the store matters."""
    now, sign = NOW + skew, NOW + skew - SILENCE
    state = MemoryLog().put(begin(ONE, host="there"))
    for last, dead in ((sign + 1, False), (sign, True)):
        vantage = Vantage(host="here", boot="b1", alive=lambda _p, _s: False, last_sign={ONE: last}, now=now)
        assert bool(expirable(state, vantage)) is dead


def test_a_session_nobody_looked_at_is_left_alone() -> None:
    """No sign at all is no proof of silence."""
    assert _judge(None, host="there") == ""
    assert _judge(None, boot="b0") == ""
