"""``holdfast key``: what opens the repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from holdfast.cli import ask, words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import Family, verb
from holdfast.model.errors import UsageError
from holdfast.model.ids import short
from holdfast.model.secret import Secret
from holdfast.repository.keyslots import KeySlot
from holdfast.usecases import keys as usecase


@click.group("key", cls=Family)
def key() -> None:
    """Manage what opens the repository: passphrases and recovery keys.

    Changing keys rewrites a slot, never data.
    """


def _slot_document(slot: KeySlot) -> dict[str, Any]:
    return {"id": slot.id, "kind": slot.kind, "label": slot.label, "created_at": slot.created_at}


@verb("list", examples="holdfast key list --json")
def list_keys(face: Face) -> None:
    """List the keys, without any secret."""
    with opened(face) as app:
        slots = app.repository.keys()
    face.document([_slot_document(slot) for slot in slots])
    rows = [(short(slot.id), slot.kind, words.instant(slot.created_at), slot.label) for slot in slots]
    face.lines(words.table(("key", "kind", "added (UTC)", "label"), rows))


@verb(
    "add",
    examples="holdfast key add --label ops\nholdfast key add --file new-passphrase.txt\nholdfast key add --recovery",
)
@click.option("--label", default="", help="What to call it.")
@click.option("--recovery", is_flag=True, help="A new recovery key, shown once.")
@click.option(
    "--file", "file", type=click.Path(path_type=Path, dir_okay=False), help="Read the new passphrase from here."
)
def add(face: Face, label: str, recovery: bool, file: Path | None) -> None:
    """Add a passphrase (typed twice, or from HOLDFAST_NEW_PASSPHRASE or --file), or a recovery key."""
    new = None if recovery else _new_passphrase(face, file)
    with opened(face) as app:
        if new is None:
            added = usecase.add_recovery(app.repository, label)
        else:
            added = usecase.add_passphrase(app.repository, new, label)
    face.document({"key": _slot_document(added.slot), "recovery_key": added.recovery_key})
    face.line(f"added {added.slot.kind} key {short(added.slot.id)}")
    if added.recovery_key:
        face.line()
        face.line(f"    {added.recovery_key}", "bold")
        face.line()
        face.line("Shown this once, stored nowhere: print it and keep it apart from this machine.")


def _new_passphrase(face: Face, file: Path | None) -> Secret:
    around = face.around
    if file is not None:
        return around.resolve(f"file:{file}", around.folder)
    if value := around.environ.get("HOLDFAST_NEW_PASSPHRASE"):
        return around.redactor.learn(Secret(value, "env:HOLDFAST_NEW_PASSPHRASE"))
    typed = ask.new_passphrase(face, "the new passphrase", may_be_empty=False)
    if typed is None:
        raise UsageError(
            "the new passphrase is not given", hint="export HOLDFAST_NEW_PASSPHRASE=…, or use --file, or --recovery"
        )
    return typed


@verb("remove", examples="holdfast key remove 5c01ab33 --yes", asks=True)
@click.argument("key_id", metavar="KEY")
def remove(face: Face, key_id: str) -> None:
    """Remove a key. The last one is refused."""
    with opened(face) as app:
        slot = usecase.find(app.repository, key_id)
        ask.confirm(face, f"remove {slot.kind} key {short(slot.id)} {slot.label!r}?")
        usecase.remove(app.repository, slot)
    face.document({"removed": _slot_document(slot)})
    face.line(f"removed {slot.kind} key {short(slot.id)}")


@verb("export", examples="holdfast key export --to recovery-kit.txt")
@click.option("--to", "to", type=click.Path(path_type=Path), required=True, help="The file to write; must not exist.")
@click.option("--label", default="recovery kit", help="What to call the key in it.")
def export(face: Face, to: Path, label: str) -> None:
    """Write a recovery kit: a page to print, with a recovery key of its own and the steps to use it."""
    with opened(face) as app:
        made = usecase.export_kit(app.repository, app.storage.url, Path(os.path.abspath(to)), label)
    face.document({"key": _slot_document(made), "kit": str(to)})
    face.line(f"wrote {to} with recovery key {short(made.id)}")
    face.note("Print it, keep it apart from this machine, and delete the file: it opens every snapshot.", "yellow")


for _command in (list_keys, add, remove, export):
    key.add_command(_command)
