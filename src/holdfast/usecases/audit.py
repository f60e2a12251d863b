"""Note privileged acts and looks inside backup content in the repository's audit trail; list, export, verify them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from holdfast.model.audit import Act
from holdfast.model.errors import Damaged, HoldfastError
from holdfast.repository import audit_check
from holdfast.repository.audit import Entry
from holdfast.repository.audit_check import TrailCheck
from holdfast.repository.repository import Repository

_CLOCKS = timedelta(days=1)
_STALE = 256
"""So many entries in a row from so long before what is asked for, and nothing older is looked at."""

NOT_RECORDED = "this is not in the audit trail, which could not be written"


class NotRecorded(HoldfastError):
    """The trail must take what is done, and cannot: so nothing was done."""

    code = "not-recorded"


class NotedAct(msgspec.Struct, frozen=True, kw_only=True):
    """``id``: entry and place in it ("17", "17.2"). ``client``: the account and machine that wrote the entry."""

    id: str
    client: str
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class ActQuery:
    """Acts, newest first. ``deeds`` also fits what goes on behind a colon ("token" fits "token:add").

    ``since`` and ``until`` ISO 8601 UTC; ``before``: an entry's number, the ``next`` of the page before.
    """

    deeds: Sequence[str] = ()
    who: Sequence[str] = ()
    via: Sequence[str] = ()
    sources: Sequence[str] = ()
    subjects: Sequence[str] = ()
    outcomes: Sequence[str] = ()
    since: str = ""
    until: str = ""
    limit: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """``number`` of the entry; None when it could not be written, then ``warning`` says so in words."""

    number: int | None = None
    warning: str = ""


def note(repository: Repository, *acts: Act, required: bool = False) -> Noted:
    """Write acts into the trail, as one entry. What cannot be written is told, and raises nothing.

    ``required``: NotRecorded instead of the warning, so that what is not recorded does not happen.
    """
    try:
        return Noted(repository.trail.append(acts))
    except HoldfastError as error:
        if required:
            raise NotRecorded(
                "refused: what is done must be recorded in the audit trail, and it cannot be written",
                where=error.where, why=error.what,
                hint=error.hint or "audit.required = false lets it pass with a warning",
            ) from error  # fmt: skip
        return Noted(warning=f"{NOT_RECORDED}: {error.what}")


def acts(repository: Repository, query: ActQuery) -> Iterator[NotedAct]:
    """What the query asks for. Entries that cannot be read are passed over: ``verify`` tells of them.

    With ``since`` it ends behind many entries in a row that are a day older: clocks differ, but not so long.
    """
    last = repository.trail.head().number
    first_asked = last if query.before is None else min(last, query.before - 1)
    left, stale = query.limit, 0
    for number, read in audit_check.read_all(repository.trail, range(first_asked, 0, -1)):
        if isinstance(read, Damaged):
            continue
        entry = read[0]
        stale = stale + 1 if _before(query, entry) else 0
        if stale >= _STALE:
            return
        for place, act in reversed(list(enumerate(entry.acts, start=1))):
            if not fits(query, act):
                continue
            if left is not None and left <= 0:
                return
            left = None if left is None else left - 1
            yield NotedAct(id=str(number) if place == 1 else f"{number}.{place}", client=entry.client, act=act)


def _before(query: ActQuery, entry: Entry) -> bool:
    """Whether an entry is from before what is asked for, whichever of the clocks was wrong."""
    if not query.since or any(act.at >= query.since for act in entry.acts):
        return False
    with contextlib.suppress(ValueError):
        newest = max(datetime.fromisoformat(act.at) for act in entry.acts)
        return datetime.fromisoformat(query.since) - newest > _CLOCKS
    return False


def fits(query: ActQuery, act: Act) -> bool:
    """Whether the query asks for this one."""
    asked = (
        (query.who, act.who), (query.via, act.via), (query.sources, act.source), (query.outcomes, act.outcome),
    )  # fmt: skip
    return (
        all(not wanted or value in wanted for wanted, value in asked)
        and (not query.deeds or any(act.deed == deed or act.deed.startswith(f"{deed}:") for deed in query.deeds))
        and (not query.subjects or any(act.subject.startswith(each) for each in query.subjects))
        and query.since <= act.at
        and (not query.until or act.at < query.until)
    )


def verify(repository: Repository) -> TrailCheck:
    """Read the whole trail and hold it against the heads in snapshots and the one this client remembers."""
    return audit_check.verify(repository.vault)
