"""When an equal fingerprint may be believed: the same history, the same table, few enough transactions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.sources.postgres.facts import TID_RANGE_SERVER, Facts

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from holdfast.model.snapshot import Notes

_HALF_OF_ALL_TRANSACTIONS = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuity:
    """What links a snapshot to its successor.

    ``token`` was written with a synchronous commit right after the snapshot, "" where that is not allowed;
    ``flushed`` then tells that everything the snapshot saw had reached the log's disk before it ended.
    """

    token: str = ""
    flushed: bool = False

    @classmethod
    def from_notes(cls, notes: Notes) -> Continuity:
        """Out of an earlier snapshot's notes."""
        return cls(token=str(notes.get("token", "")), flushed=bool(notes.get("flushed", False)))


def can_stamp(now: Facts) -> bool:
    """Whether fingerprints taken now can ever be used: a server that knows its history and block ranges."""
    return now.version >= TID_RANGE_SERVER and not now.standby and now.timeline > 0


def broken_history(then: Notes, now: Facts, present: AbstractSet[str]) -> list[str]:
    """Why nothing of the earlier snapshot may be kept unread; empty when it may."""
    before = Facts.from_notes(then)
    if before is None:
        return ["the earlier snapshot does not say where it was taken"]
    found = [text for wrong, text in _different(before, now) if wrong]
    found.extend(_broken_continuity(before, now, Continuity.from_notes(then), present))
    return found


def nothing_happened(then: Notes, now: Facts) -> bool:
    """Whether no transaction but our own wrote anything in the whole cluster since the earlier snapshot.

    Only within the same history. Every change needs a transaction number, and numbers are given in order: none
    was running then below the snapshot's bound, the next one given was the token's, and now none is after it.
    Sequences move without one, and a crash empties unlogged tables without one.
    """
    before = Facts.from_notes(then)
    if before is None or before.xmin != before.xmax:
        return False
    token = int(then.get("token_xid", 0))
    return now.xmax == before.xmax + 1 == token + 1 if token else now.xmax == before.xmax


def same_table(then: Notes, now: Notes) -> bool:
    """Whether a table is the very one of the earlier snapshot, its rows stored and read the same way."""
    names = ("oid", "filenode", "signature", "persistence")
    return now["persistence"] == "p" and all(then.get(name) == now[name] for name in names) and (
        len(then.get("columns", ())) == len(now["columns"])
    )


def _different(before: Facts, now: Facts) -> list[tuple[bool, str]]:
    return [
        (now.version < TID_RANGE_SERVER, "PostgreSQL before 14 cannot read block ranges"),
        (now.standby or before.standby, "a standby does not tell its place in history"),
        (not now.timeline or not before.timeline, "the server does not tell its timeline to this role"),
        (now.system != before.system, "this is another database cluster"),
        (now.timeline != before.timeline, "the server was promoted or restored to another timeline"),
        (now.database_oid != before.database_oid, "this is another database"),
        (now.version != before.version, "the server's version changed"),
        (now.extensions != before.extensions, "extensions changed"),
        (now.settings != before.settings or now.encoding != before.encoding
         or now.block_size != before.block_size, "settings that change how rows are written changed"),
        (now.lineage != before.lineage, "the platform moved the database to another branch"),
        (not 0 <= now.xmax - before.xmax < _HALF_OF_ALL_TRANSACTIONS, "too many transactions since then"),
    ]


def _broken_continuity(
    before: Facts, now: Facts, link: Continuity, present: AbstractSet[str]
) -> list[str]:
    """The token of then must still be there; without one, the server must have run on and lost nothing."""
    if link.token:
        if link.token in present:
            return []
        return ["the database was set back, failed over or lost its last commits (continuity token missing)"]
    if not link.flushed:
        return ["the earlier snapshot's last commits were not known to be on disk"]
    if now.lineage and now.lineage == before.lineage:
        return []
    if now.postmaster_start != before.postmaster_start:
        return ["the server was restarted, and there is no continuity token"]
    return []
