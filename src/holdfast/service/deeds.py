"""Deeds: what people and programs ask for that changes something, each able to tell first what it would do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from holdfast.model.errors import HoldfastError
from holdfast.model.events import Reporter
from holdfast.model.records import Digits
from holdfast.model.secret import split_password
from holdfast.usecases.settling import Settle, anything
from holdfast.wiring.build import App

# what differs between two looks at an unchanged world
_PASSING = frozenset({"run", "seconds", "undo", "dry_run", "newest", "ids", "key", "decisions"})


class PlanChanged(HoldfastError):
    """What was previewed is not what would happen now."""

    code = "plan-changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """What a deed is done with: objects of its own, a reporter, the run it is and who wants it.

    ``dry_run``: look and tell, change nothing. ``settle``: is told what will be changed, before it is.
    """

    app: App
    report: Reporter
    run: str
    who: str = ""
    dry_run: bool = False
    settle: Settle = anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was done, or would be. ``document`` holds JSON values; ``private`` names its fields that hold row values.

    ``refusals`` non-empty: it would not be done. ``complete`` False: some of it could not be. ``whole``: a digest of
    what the document shows only the beginning of.
    """

    document: dict[str, Any]
    refusals: tuple[str, ...] = ()
    complete: bool = True
    private: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = field(default=())
    whole: str = ""

    def public(self) -> dict[str, Any]:
        """The document without row values, as journals may keep it."""
        return {name: value for name, value in self.document.items() if name not in self.private}


class Deed(Protocol):
    """Something to be done once. ``kind`` is that of its run, ``source`` what it changes ("": the repository).

    ``scope`` is the right it needs, ``words`` what it is, for the audit trail, ``command`` the equal command line.
    """

    @property
    def kind(self) -> str:
        """ "restore", "undo", "entity-delete" …"""
        ...

    @property
    def source(self) -> str:
        """A source of the configuration or of the repository."""
        ...

    @property
    def scope(self) -> str:
        """One of the scopes of tokens."""
        ...

    @property
    def words(self) -> str:
        """One line, without row values."""
        ...

    @property
    def command(self) -> str:
        """What to type for the same, without secrets."""
        ...

    def do(self, going: Going) -> Told:
        """Do it, or with ``dry_run`` tell what it would do. HoldfastError when it must not be."""
        ...


def plain(value: Any) -> Any:
    """``value`` as JSON would hold it."""
    return msgspec.to_builtins(value, enc_hook=_simpler)


def _simpler(value: Any) -> Any:
    return float(value) if isinstance(value, Digits) else str(value)


def digest_of(deed: Deed, told: Told) -> str:
    """The same for the same deed as long as the world looks the same to it; no other deed has it."""
    lasting = {name: value for name, value in told.document.items() if name not in _PASSING}
    return summed([type(deed).__name__, _meant(deed), lasting, told.refusals, told.whole])


def summed(values: Iterable[Any]) -> str:
    """A digest of plain values, in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for each in values:
        digest.update(json.dumps(each, sort_keys=True, default=str).encode() + b"\n")
    return digest.hexdigest()


def _meant(deed: Deed) -> dict[str, Any]:
    """Every field of it, but no password: digests are written down."""
    fields: dict[str, Any] = plain(deed)
    if (wish := fields.get("wish")) and wish["to"] is not None:
        wish["to"] = split_password(wish["to"])[0]
    if "info" in fields:
        fields["info"] = fields["info"]["id"]
    return fields
