"""How many files and sockets this process may have open at once."""

from __future__ import annotations

import contextlib
import resource

_ENOUGH = 1 << 16
"""Some programs walk over every number up to the limit before they start: not a thousand million of them."""


def allowed() -> int:
    """The limit, raised as far as this process itself may raise it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _ENOUGH if soft == resource.RLIM_INFINITY else soft
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
