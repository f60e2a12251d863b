"""Who is at work in a database, so that what a killed process left there can be told from what a living one does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from holdfast.system import clock

_LONG = timedelta(days=1)


def myself() -> dict[str, Any]:
    """This process."""
    pid = os.getpid()
    return {"host": clock.host(), "boot": clock.boot(), "pid": pid, "started": clock.process_started(pid)}


def is_dead(owner: Mapping[str, Any], since: datetime) -> bool:
    """On this machine it is known; of another one a day without an end is death."""
    if owner["host"] != clock.host():
        return clock.now() - since > _LONG
    return bool(owner["boot"] != clock.boot() or owner["started"] != clock.process_started(owner["pid"]))
