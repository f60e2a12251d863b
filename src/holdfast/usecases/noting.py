"""A deed in the audit trail from its beginning to its end, told without row values and without secrets."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from holdfast.model.audit import Act
from holdfast.model.errors import HoldfastError
from holdfast.planning import names
from holdfast.repository.repository import Repository
from holdfast.system import clock
from holdfast.usecases.audit import Noted, note

BEGUN, OK, FAILED, REFUSED = "begun", "ok", "failed", "refused"
_SPOKEN = re.compile(
    r"""--[^\n]* | /\*.*?\*/            # what is said beside it
      | (\$\w*\$).*?\1                  # $$text$$
      | [a-z]?'(?:[^'\\]|''|\\.)*(?:'|$)  # 'text', E'text', x'ff', and one that never ends
      | \b\d[\w.]*                      # numbers
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


@dataclass(slots=True)
class Ending:
    """How a deed ended, filled in while it is done. ``more`` is added to that of its act."""

    outcome: str = OK
    subject: str = ""
    what: str = ""
    more: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def noted(
    repository: Repository, act: Act, *, required: bool = False, warn: Callable[[str], None] = lambda _text: None
) -> Iterator[Ending]:
    """Two entries: ``act`` as begun, before anything is done, and how it ended, naming the first as ``more.begun``.

    One that has no end was killed. With ``required`` nothing is done that cannot be noted first.
    """
    begun = msgspec.structs.replace(act, outcome=BEGUN)
    number = _tell(warn, note(repository, begun, required=required))
    ending = Ending()
    try:
        yield ending
    except BaseException as error:
        ending.outcome = FAILED if ending.outcome == OK else ending.outcome
        ending.more["error"] = error.code if isinstance(error, HoldfastError) else type(error).__name__
        _tell(warn, note(repository, _ended(act, ending, number)))
        raise
    _tell(warn, note(repository, _ended(act, ending, number)))


def snapshot_meant(repository: Repository, name: str) -> tuple[str, str] | None:
    """Id and source of the one snapshot that ``name`` stands for, forgotten ones too; None when it stands for none."""
    with contextlib.suppress(HoldfastError):
        info = names.one(name, [entry.info for entry in repository.snapshots(forgotten=True)])
        return info.id, info.source
    return None


def without_values(text: str) -> str:
    """SQL or a condition with ``?`` for every value, so that it may be kept: ``name = 'Ada'`` is ``name = ?``.

    Comments are left out; names in double quotes stay, for they are names of tables and columns. Where a backslash
    could mean two things to two databases, everything from the first quote on is left out.
    """
    if "\\" in text:
        text = text.partition("'")[0].partition("$")[0] + " '…'"
    return " ".join(_SPOKEN.sub(lambda found: " " if found[0][:2] in ("--", "/*") else "?", text).split())


def _ended(act: Act, ending: Ending, begun: int | None) -> Act:
    more = {**act.more, **ending.more, **({"begun": begun} if begun else {})}
    return msgspec.structs.replace(
        act, at=clock.stamp(), outcome=ending.outcome, subject=ending.subject or act.subject,
        what=ending.what or act.what, more=more,
    )  # fmt: skip


def _tell(warn: Callable[[str], None], noted: Noted) -> int | None:
    if noted.warning:
        warn(noted.warning)
    return noted.number
