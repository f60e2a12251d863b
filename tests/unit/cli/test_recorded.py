"""No verb is forgotten by the audit trail and the journal, and none tells them values."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from holdfast.cli.main import VERBS as TABLE
from holdfast.cli.main import table
from holdfast.cli.recorded import VERBS, deed_of, told

# Verbs that neither change what is protected nor show what is inside backups, or that note for themselves.
APART = {
    "account add": "noted as an act of the doors", "account list": "no backup", "account password": "see add",
    "account remove": "see add", "alerts ack": "no backup", "alerts list": "no backup", "alerts mute": "no backup",
    "alerts test": "no backup", "audit verify": "tells counts", "backup": "a run of cli/remembering.py",
    "completion": "no backup", "config path": "no backup", "config show": "no backup", "config validate": "no backup",
    "daemon": "its runs are", "demo": "a repository of its own", "doctor": "no content", "guard status": "counts",
    "init": "the log tells", "list": "no content", "run": "as backup", "runs rebuild": "the journal only",
    "runs show": "the journal only", "secrets list": "no backup", "secrets rotate": "notes itself",
    "serve": "its runs are", "show": "no content", "status": "no content", "token add": "noted as an act of the doors",
    "token list": "no backup", "token revoke": "see add", "token rotate": "see add",
    "token secret": "prints a new secret, keeps nothing", "version": "no backup",
}  # fmt: skip


def verbs() -> Iterator[str]:
    """Every verb that can be typed."""
    root = table()
    context = click.Context(root)
    for name in TABLE:
        command = root.get_command(context, name)
        if isinstance(command, click.Group):
            yield from (f"{name} {each}" for each in command.list_commands(context))
        else:
            yield name


def test_every_verb_is_recorded_or_said_to_need_no_record() -> None:
    """A new verb must be put on one of the two lists."""
    known = {*VERBS, *APART}
    missing = sorted(set(verbs()) - known)
    assert not missing, f"say in cli/recorded.py, or here, what these are: {missing}"
    assert not set(VERBS) & set(APART)


def test_what_is_told_of_a_verb_comes_from_options_that_it_has() -> None:
    """A renamed option would silently be told no more."""
    root = table()
    for path, recorded in VERBS.items():
        command: click.Command | None = root
        for word in path.split():
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), word)
        assert command is not None, path
        options = {each.name for each in command.params}
        used = {each for each in (recorded.subject, recorded.source) if each}
        used |= {part.partition("}")[0] for part in recorded.words.split("{")[1:]}
        assert used <= options, path


@pytest.mark.parametrize(
    ("verb", "options", "words"),
    [
        ("find", {"item": "users", "snapshot": "latest", "key": ("email=ada@example.org",), "where": None},
         "rows of users in latest by key"),
        ("find", {"item": "users", "snapshot": "latest", "key": (), "where": "email = 'ada@example.org'"},
         "rows of users in latest where email = ?"),
        ("sql", {"snapshot": "latest", "statement": "select 1 from users where n = 'ada@example.org'"},
         "select ? from users where n = ?"),
        ("restore", {"snapshot": "latest", "only": ("users",), "to": None, "keys": ("ada@example.org",), "where": None},
         "latest: users by key"),
        ("restore", {"snapshot": "latest", "only": (), "to": "/srv/x", "keys": (), "where": None}, "latest to /srv/x"),
    ],
)  # fmt: skip
def test_values_of_rows_are_not_told(verb: str, options: dict[str, object], words: str) -> None:
    """Neither keys nor what stands in conditions."""
    found = told(VERBS[verb], options)
    assert "ada@" not in found
    assert found == words


def test_a_restore_says_whether_it_changes_what_is_there() -> None:
    """Into a new place, in place, or a look at what it would do."""
    restore = VERBS["restore"]
    assert deed_of(restore, {}, dry_run=False) == "restore:new-place"
    assert deed_of(restore, {"in_place": True}, dry_run=False) == "restore:in-place"
    assert deed_of(restore, {"keys": ("1",)}, dry_run=False) == "restore:in-place"
    assert deed_of(restore, {"keys": ("1",)}, dry_run=True) == "data:read"
    assert deed_of(restore, {}, dry_run=True) == ""
    assert deed_of(VERBS["forget"], {}, dry_run=True) == ""
