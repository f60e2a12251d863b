"""``holdfast account``: the people who log in to the dashboard."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from holdfast.cli import ask, words
from holdfast.cli.face import Face
from holdfast.cli.noting_doors import doors_act
from holdfast.cli.opening import configuration
from holdfast.cli.options import Family, verb
from holdfast.model.errors import UsageError
from holdfast.system import clock
from holdfast.web.security.people import MACHINE, ROLES, Newcomer, People, Person
from holdfast.web.security.register import open_register
from holdfast.wiring.load import Configuration


@click.group("account", cls=Family)
def account() -> None:
    """Manage the people who log in to the dashboard: a name, a password, a role.

    A viewer sees how things stand; an operator also backs up, looks inside and restores to a new place; an admin may
    do everything.
    """


@contextlib.contextmanager
def _people(found: Configuration) -> Iterator[People]:
    with contextlib.closing(open_register(found)) as register:
        yield People(register)


_file = click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="Read the password from here.")


def _role(*, required: bool) -> Callable[..., Any]:
    return click.option("--role", type=click.Choice(list(ROLES)), required=required, help="What they may do.")


@verb("add", examples="holdfast account add ada --role admin\nholdfast account add bo --role viewer --source shop")
@click.argument("name")
@_role(required=True)
@click.option("--source", "sources", multiple=True, metavar="NAME", help="Only these sources; repeatable.")
@_file
def add(face: Face, name: str, role: str, sources: Sequence[str], file: Path | None) -> None:
    """Make an account; the password is typed twice, or read from --file."""
    found = configuration(face)
    if unknown := [each for each in sources if each not in found.settings.sources]:
        raise UsageError(f"there is no source {unknown[0]!r}", hint=f"one of: {', '.join(found.settings.sources)}")
    newcomer = Newcomer(
        name=name, password=_password(face, name, file), role=role, sources=sources,
        vouched_by=f"{MACHINE}{clock.user()}",
    )  # fmt: skip
    with _people(found) as people:
        person = people.add(newcomer)
    doors_act(face, found, "config:account-add", f"made the account {name}, {role}", name)
    face.document(_document(person))
    face.line(f"added {name}, {role}")


@verb("list", examples="holdfast account list")
def list_accounts(face: Face) -> None:
    """List the accounts."""
    with _people(configuration(face)) as people:
        found = people.all()
    face.document([_document(each) for each in found])
    if not found:
        face.note(
            "no account yet: holdfast account add NAME --role admin, or the setup token that holdfast serve prints"
        )
        return
    rows = [
        (each.name, each.role, " ".join(sorted(each.sources)) or "all", words.instant(each.made_at)) for each in found
    ]
    face.lines(words.table(("name", "role", "sources", "made (UTC)"), rows))


@verb("password", examples="holdfast account password ada")
@click.argument("name")
@_file
def password(face: Face, name: str, file: Path | None) -> None:
    """Set a new password. Every session of the person ends."""
    found = configuration(face)
    with _people(found) as people:
        people.known(name)
        people.set_password(name, _password(face, name, file), by=f"{MACHINE}{clock.user()}")
    doors_act(face, found, "config:account-password", f"set a new password for {name}", name)
    face.document({"name": name})
    face.line(f"{name} has a new password; sessions with the old one are over")


@verb("remove", examples="holdfast account remove bo --yes", asks=True)
@click.argument("name")
def remove(face: Face, name: str) -> None:
    """End an account, its sessions and the tokens it answers for. The last admin stays."""
    found = configuration(face)
    with _people(found) as people:
        people.known(name)
        ask.confirm(face, f"remove the account {name!r}?")
        tokens = people.remove(name)
    doors_act(face, found, "config:account-remove", f"removed the account {name}", name)
    face.document({"removed": name, "revoked_tokens": tokens})
    face.line(f"removed {name}" + (f" and its tokens {', '.join(tokens)}" if tokens else ""))


def _password(face: Face, name: str, file: Path | None) -> str:
    around = face.around
    if file is not None:
        return around.resolve(f"file:{file}", around.folder).reveal()
    typed = ask.new_passphrase(face, f"the password of {name}", may_be_empty=False)
    if typed is None:
        raise UsageError("the password is not given", hint="type it at a terminal, or use --file")
    return typed.reveal()


def _document(person: Person) -> dict[str, Any]:
    return {
        "name": person.name, "role": person.role, "sources": sorted(person.sources), "made_at": person.made_at,
        "vouched_by": person.vouched_by,
    }  # fmt: skip


for _command in (add, list_accounts, password, remove):
    account.add_command(_command)
