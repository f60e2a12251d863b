"""``holdfast init``: the first five minutes."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import click

from holdfast.cli import ask, words
from holdfast.cli.face import Face
from holdfast.cli.options import verb
from holdfast.model.errors import UsageError
from holdfast.sources.base import Finding
from holdfast.usecases import setup
from holdfast.usecases.setup import SetupResult
from holdfast.wiring import initial
from holdfast.wiring.initial import InitialWishes, Preparation
from holdfast.wiring.proposals import name_for, propose

_EXAMPLES = """
holdfast init
holdfast init --repository ./backups --source shop=postgresql://app@localhost/shop --source media=files:/srv/media
holdfast init --repository s3://bucket/shop --source notes=sqlite:/srv/notes.sqlite --json
"""


@verb("init", examples=_EXAMPLES)
@click.option("--source", "-s", "sources", multiple=True, metavar="NAME=URL", help="A part to protect; repeatable.")
@click.option("--force-single-writer", is_flag=True, help="Accept a store that cannot refuse to overwrite.")
def init(face: Face, sources: Sequence[str], force_single_writer: bool) -> None:
    """Write holdfast.toml, create the repository, print the recovery key once.

    Without --repository, on a terminal, asks for everything. Never overwrites a configuration; running again
    repairs an init that was cut off. A repository that exists already is adopted with its passphrase. A
    password in a URL is moved into a file of its own.
    """
    wanted = _named(sources)
    path = initial.config_path(face.around, face.config)
    if path.exists():
        preparation = _again(face, path, wanted)
    else:
        preparation = _anew(face, path, wanted, single_writer=force_single_writer)
    with contextlib.closing(preparation.app):
        _tell(face, preparation, setup.set_up(preparation.request))
        for name, build in preparation.request.sources.items():
            _tell_findings(face, name, setup.examine(build))
    _tell_next(face, preparation)


def _named(sources: Sequence[str]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for given in sources:
        name, equals, url = given.partition("=")
        if not equals or ":" in name or name in wanted:
            raise UsageError(
                "a source is given as NAME=URL, each name once", hint="--source shop=postgresql://app@localhost/shop"
            )
        wanted[name] = url
    return wanted


def _again(face: Face, path: Path, wanted: dict[str, str]) -> Preparation:
    preparation = initial.from_existing(path, face.around, lambda url: ask.passphrase_for(face, url))
    settings = preparation.app.settings
    other = [name for name in wanted if name not in settings.sources]
    if face.repository:
        other += [] if initial.same_place(face.repository, settings.repository.url, face.around) else ["--repository"]
    if other:
        raise UsageError(
            "a configuration exists already and is never overwritten",
            where=str(path),
            why=f"it does not have what was asked for: {', '.join(other)}",
            hint="edit it, or write another one with -c PATH",
        )
    return preparation


def _anew(face: Face, path: Path, wanted: dict[str, str], *, single_writer: bool) -> Preparation:
    repository = face.repository
    typed = None
    if not repository:
        if not ask.at_terminal():
            raise UsageError(
                "say where the repository goes", hint="holdfast init --repository ./backups --source NAME=URL"
            )
        repository, wanted = _interview(face, wanted)
    if face.around.passphrase_from_environment() is None:
        typed = ask.new_passphrase(face, "passphrase for the repository")
    wishes = InitialWishes(config=path, repository=repository, sources=wanted, typed=typed, single_writer=single_writer)
    return initial.from_wishes(wishes, face.around)


def _interview(face: Face, wanted: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Ask for the repository and the sources, proposing what lies about."""
    repository = str(click.prompt("where do the snapshots go (path or URL)", default="./backups", err=True))
    chosen = dict(wanted)
    for proposal in propose(face.around):
        if proposal.name not in chosen and click.confirm(
            f"protect {proposal.shown} ({proposal.found})?", default=True, err=True
        ):
            chosen[proposal.name] = proposal.url
    while url := click.prompt(
        "another source (postgresql://…, mongodb://…, sqlite:PATH, files:PATH; empty: no more)",
        default="",
        show_default=False,
        err=True,
    ):
        name = click.prompt("its name", default=name_for(str(url), set(chosen)), err=True)
        chosen[str(name)] = str(url)
    return repository, chosen


def _tell(face: Face, preparation: Preparation, result: SetupResult) -> None:
    face.document(
        {
            "repository": result.repository,
            "repository_id": result.repository_id,
            "recovery_key": result.recovery_key,
            "config": str(result.config),
        }
    )
    face.line(f"{'wrote' if result.config_written else 'kept'} {result.config}")
    made = "created" if result.recovery_key else "adopted, it was there already"
    face.line(f"repository {result.repository}: {made} (id {result.repository_id})")
    for name, file, variable in preparation.moved:
        face.note(f"moved the password of {name} out of its URL into {file}")
        face.note(f'  (to take it from the environment instead: password = "env:{variable}")')
    if preparation.made_passphrase:
        face.loud_note(f"A passphrase was made and written to {preparation.made_passphrase}", "yellow")
        face.loud_note(
            "Without this file or the recovery key no snapshot can ever be read: keep a copy elsewhere.", "yellow"
        )
    _tell_recovery_key(face, result)


def _tell_recovery_key(face: Face, result: SetupResult) -> None:
    if result.recovery_key is None:
        face.note("no new recovery key was made; when there is none at hand: holdfast key add --recovery")
        return
    face.line()
    face.line("recovery key (shown this once, stored nowhere):", "bold")
    face.line()
    face.line(f"    {result.recovery_key}", "bold")
    face.line()
    face.line("Print it and keep it apart from this machine. It opens the repository when the passphrase is lost:")
    face.line(f"    HOLDFAST_PASSPHRASE='…' holdfast --repository {result.repository} list")


def _tell_findings(face: Face, name: str, findings: Sequence[Finding]) -> None:
    for finding in findings:
        colour = {"ok": "green", "warn": "yellow", "fail": "red"}.get(finding.level, "")
        face.note(f"{finding.level:4}  {name}: {finding.what}", colour)
        if finding.mend and finding.level != "ok":
            for text in words.statements(finding.mend):
                face.note(f"      {text}")


def _tell_next(face: Face, preparation: Preparation) -> None:
    if not face.as_json:
        named = bool(preparation.request.sources)
        face.note("next: holdfast backup" if named else f"next: name a source in {preparation.request.config}")
