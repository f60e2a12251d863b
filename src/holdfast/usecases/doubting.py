"""Whether the time here can be believed, asked of the store's own clock and of everything that was stored."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from holdfast.model.errors import HoldfastError
from holdfast.planning import doubting
from holdfast.repository.expiry import store_time
from holdfast.repository.repository import Repository


def why_doubted(repository: Repository, now: datetime) -> str:
    """Why nothing should go by its age now, in words; "" when it may."""
    state = repository.log.state
    marks = [(datetime.fromisoformat(each.info.created_at), each.number) for each in state.snapshots.values()]
    return doubting.why_doubted(marks, (now, state.number), time_there(repository))


def time_there(repository: Repository) -> datetime | None:
    """The store's own time; None where it is the time here, or cannot be asked, as where one may only read."""
    if repository.storage.traits.local:
        return None
    with contextlib.suppress(HoldfastError):
        return datetime.fromtimestamp(store_time(repository.storage), UTC)
    return None
