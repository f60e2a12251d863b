"""From what is asked of a journal to a statement and its values."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any

from holdfast.journal.base import RunQuery
from holdfast.model.run import Run
from holdfast.system import clock


def statement_for(query: RunQuery) -> tuple[str, list[Any]]:
    """One more than the limit is asked for, to know whether there is a next page."""
    wanted, values = ["1 = 1"], list[Any]()
    for column, chosen in (("kind", query.kinds), ("status", query.statuses)):
        if chosen:
            wanted.append(f"{column} in ({', '.join('?' * len(chosen))})")
            values += chosen
    if query.sources:
        wanted.append(f"id in (select run from run_sources where source in ({', '.join('?' * len(query.sources))}))")
        values += query.sources
    for sign, bound in ((">=", query.since), ("<", query.until)):
        if bound:
            wanted.append(f"created_at {sign} ?")
            values.append(instant(bound))
    if query.before:
        at, _, identifier = query.before.partition("|")
        wanted.append("(created_at, id) < (?, ?)")
        values += [at, identifier]
    order = "order by created_at desc, id desc limit ?"
    return f"select document from runs where {' and '.join(wanted)} {order}", [*values, query.limit + 1]


def cursor_of(run: Run) -> str:
    """Where the next page begins."""
    return f"{run.created_at}|{run.id}"


def instant(text: str) -> str:
    """An instant in the one form in which text sorts as time does; what is no instant stays as it is."""
    with contextlib.suppress(ValueError):
        return clock.stamp(datetime.fromisoformat(text))
    return text
