"""Acts: what the audit trail tells of every privileged deed and every look inside backup content."""

from __future__ import annotations

from typing import Any

import msgspec


class Act(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``at`` ISO 8601 UTC. ``deed`` as a scope would name it: "restore", "data:read", "forget", "token:add" …

    ``who`` person or token, ``via`` "cli", "api", "dashboard", "schedule" or "python"; ``what`` in words, ``subject``
    the id of the snapshot, run, entity or token; ``outcome`` "ok", "failed" or "refused". No secrets, no row values.
    """

    at: str
    deed: str
    who: str
    via: str
    what: str
    source: str = ""
    subject: str = ""
    outcome: str = "ok"
    more: dict[str, Any] = {}
