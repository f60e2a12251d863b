"""Which verbs are noted in the audit trail, as what, and which are runs of the journal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LOOK = "data:read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """``deed`` of the audit trail, "" for none; ``look`` changes nothing. ``kind`` of a run, "" when it is none.

    ``words`` is filled in from the options; ``subject`` and ``source`` name the options they come from. ``preview``:
    what a dry run is noted as. ``opens``: the verb itself does not open the repository.
    """

    deed: str = ""
    kind: str = ""
    words: str = ""
    look: bool = False
    subject: str = ""
    source: str = ""
    preview: str = ""
    opens: bool = False


def _look(words: str, *, subject: str = "", source: str = "") -> Recorded:
    return Recorded(deed=LOOK, look=True, words=words, subject=subject, source=source)


def _change(deed: str, kind: str, words: str, *, subject: str = "", source: str = "", opens: bool = False) -> Recorded:
    return Recorded(deed=deed, kind=kind, words=words, subject=subject, source=source, opens=opens)


def _restore(deed: str, kind: str, words: str, *, subject: str) -> Recorded:
    """A dry run of it shows rows."""
    return Recorded(deed=deed, kind=kind, words=words, subject=subject, preview=LOOK)


VERBS: Mapping[str, Recorded] = {
    "find": _look("rows of {item} in {snapshot}", subject="snapshot"),
    "log": _look("the versions of a row of {item}", source="source"),
    "sql": _look("{statement}", subject="snapshot"),
    "diff": _look("rows that differ between {before} and {after}: {items}", subject="before"),
    "export": _change("data:export", "export", "{snapshot} as {format_} to {to}: {only}", subject="snapshot"),
    "entity map": _look("the map of {name} {key}", subject="key"),
    "entity explain": _look("why rows belong to {name} {key}", subject="key"),
    "entity versions": _look("the versions of {name} {key}", subject="key"),
    "entity backup": _change("entity:backup", "entity-backup", "backup of {name} {key}", subject="key"),
    "entity restore": _restore("restore:in-place", "entity-restore", "{name} {key} from {from_}", subject="key"),
    "entity clone": _restore("entity:clone", "entity-clone", "a copy of {name} {key} from {from_}", subject="key"),
    "entity delete": _restore("delete:entity", "entity-delete", "deletion of {name} {key}", subject="key"),
    "restore": _restore("restore:new-place", "restore", "{snapshot} to {to}: {only}", subject="snapshot"),
    "undo": _restore("restore:undo", "undo", "undoing run {run}", subject="run"),
    "trash": _look("the trash"),
    "trash restore": _restore("restore:trash", "trash-restore", "from the trash: {only}", subject="id_"),
    "import": _change("backup:import", "import", "backups made elsewhere", source="source"),
    "forget": _change("delete:forget", "forget", "forgetting {names}", subject="names"),
    "unforget": _change("delete:unforget", "unforget", "bringing back {snapshots}", subject="snapshots"),
    "prune": _change("delete:prune", "prune", "freeing space, at once: {now}, despite a hold: {despite_hold}"),
    "pin": _change("pin:add", "pin", "protecting {snapshots}", subject="snapshots"),
    "unpin": _change("pin:remove", "unpin", "taking the protection from {snapshots}", subject="snapshots"),
    "check": Recorded(kind="check"),
    "audit list": Recorded(deed="audit:read", look=True, words="the audit trail"),
    "audit export": Recorded(deed="audit:read", look=True, words="the audit trail, exported"),
    "key list": Recorded(deed="keys:list", look=True, words="the keys, without secrets"),
    "key add": _change("keys:add", "key-add", "a new key {label}"),
    "key remove": _change("keys:remove", "key-remove", "removing key {key_id}", subject="key_id"),
    "key export": _change("keys:export", "key-export", "a recovery kit {label}"),
    "guard install": _change("config:guard-install", "guard-install", "a guard for {name}", subject="name", opens=True),
    "guard remove": _change(
        "config:guard-remove", "guard-remove", "no guard any more: {name} {source_name}", subject="name",
        source="source_name", opens=True,
    ),
    "guard ship": Recorded(kind="ship"),
}  # fmt: skip
"""By what is typed. Backups record themselves (cli/remembering.py): ``holdfast run`` goes on long after one."""

SNAPSHOTS = ("snapshot", "snapshots", "names", "before")
"""Options that name snapshots; the others in ``subject`` name runs, entities, keys."""

_DANGLING = re.compile(r"\s+(?:to|from)\s*(?=:|$)")
_CONDITIONS = ("where", "statement")


def told(recorded: Recorded, options: Mapping[str, Any]) -> str:
    """What is done, in words: names of things, never a value of a row."""
    shown = {name: _shown(name, value) for name, value in options.items()}
    text = _DANGLING.sub("", recorded.words.format_map(_Absent(shown))).rstrip(" :")
    condition = f" where {shown['where']}" if shown.get("where") else ""
    keys = " by key" if options.get("keys") or (options.get("item") and options.get("key")) else ""
    return text + keys + condition


def deed_of(recorded: Recorded, options: Mapping[str, Any], *, dry_run: bool) -> str:
    """The deed; that of a restore says whether it changes what is there. The plan of a whole one shows no rows."""
    chosen = bool(options.get("keys") or options.get("where"))
    if dry_run:
        return recorded.preview if chosen or recorded.kind != "restore" else ""
    if recorded.kind == "forget" and _by_rules(options):
        return ""  # rules are followed in one place for every face, which notes what went
    if recorded.kind == "restore" and (options.get("in_place") or chosen):
        return "restore:in-place"
    return recorded.deed


def _by_rules(options: Mapping[str, Any]) -> bool:
    typed = any(value is not None for name, value in options.items() if name.startswith("keep_"))
    return typed or bool(options.get("policy"))


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in _CONDITIONS:
        from holdfast.usecases.noting import without_values

        return without_values(str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return str(value)


class _Absent(dict[str, str]):
    """An option the verb does not have reads as nothing."""

    def __missing__(self, key: str) -> str:
        return ""
