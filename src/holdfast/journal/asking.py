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
    alone = len(query.sources) == 1
    at, identifier = ("s.created_at", "s.run") if alone else ("r.created_at", "r.id")
    wanted, values = ["1 = 1"], list[Any]()
    if query.sources:
        marks = ", ".join("?" * len(query.sources))
        some = f"r.id in (select run from run_sources where source in ({marks}))"
        wanted.append("s.source = ?" if alone else some)
        values += query.sources
    for column, chosen in (("r.kind", query.kinds), ("r.status", query.statuses)):
        if chosen:
            wanted.append(f"{column} in ({', '.join('?' * len(chosen))})")
            values += chosen
    for sign, bound in ((">=", query.since), ("<", query.until)):
        if bound:
            wanted.append(f"{at} {sign} ?")
            values.append(instant(bound))
    if query.before:
        last, _, run = query.before.partition("|")
        wanted.append(f"({at}, {identifier}) < (?, ?)")
        values += [last, run]
    tables = "run_sources s join runs r on r.id = s.run" if alone else "runs r"
    order = f"order by {at} desc, {identifier} desc limit ?"
    return f"select r.document from {tables} where {' and '.join(wanted)} {order}", [*values, query.limit + 1]


def cursor_of(run: Run) -> str:
    """Where the next page begins."""
    return f"{run.created_at}|{run.id}"


def instant(text: str) -> str:
    """An instant in the one form in which text sorts as time does; what is no instant stays as it is."""
    with contextlib.suppress(ValueError):
        return clock.stamp(datetime.fromisoformat(text))
    return text
