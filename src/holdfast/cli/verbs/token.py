"""``holdfast token``: what programs show to be let in."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

import click

from holdfast.cli import ask, words
from holdfast.cli.face import Face
from holdfast.cli.noting_doors import doors_act
from holdfast.cli.opening import configuration
from holdfast.cli.options import Family, verb
from holdfast.model.errors import UsageError
from holdfast.model.secret import Secret
from holdfast.system import clock
from holdfast.web.security.people import MACHINE, People
from holdfast.web.security.register import open_register
from holdfast.web.security.tokens import MadeToken, Token, Tokens, TokenWish
from holdfast.wiring.load import Configuration
from holdfast.wiring.units import parse_duration


@click.group("token", cls=Family)
def token() -> None:
    """Manage the tokens of the HTTP API: named, shown once, kept as a hash.

    They are this machine's: holdfast serve beside this command knows them at once.
    """


@contextlib.contextmanager
def _tokens(found: Configuration) -> Iterator[Tokens]:
    with contextlib.closing(open_register(found)) as register:
        yield Tokens(register)


_ADD = """
holdfast token add dashboards --scope status:read
holdfast token add ci --scope backup:run --scope status:read --source shop --expires 30d
"""


@verb("add", examples=_ADD)
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, metavar="SCOPE", help="What it may do; repeatable.")
@click.option("--source", "sources", multiple=True, metavar="NAME", help="Only with these sources; repeatable.")
@click.option("--expires", default="90d", show_default=True, metavar="DURATION", help="When it ends, or 'never'.")
@click.option("--owner", metavar="PERSON", help="The account that answers for it.")
def add(face: Face, name: str, scopes: Sequence[str], sources: Sequence[str], expires: str, owner: str | None) -> None:
    """Make a token and show it, this once."""
    found = configuration(face)
    if unknown := [each for each in sources if each not in found.settings.sources]:
        raise UsageError(f"there is no source {unknown[0]!r}", hint=f"one of: {', '.join(found.settings.sources)}")
    lifetime = None if expires == "never" else parse_duration(expires)
    who = owner or f"{MACHINE}{clock.user()}"
    wish = TokenWish(name=name, scopes=scopes, sources=sources, lifetime=lifetime, owner=who)
    with contextlib.closing(open_register(found)) as register:
        if owner is not None and People(register).get(owner) is None:
            raise UsageError(f"there is no account {owner!r}", hint="holdfast account list")
        made = Tokens(register).add(wish)
    doors_act(face, found, "config:token-add", f"made the token {name}", made.token.id)
    _show(face, made)


@verb("list", examples="holdfast token list\nholdfast token list --json")
@click.option("--all", "ended", is_flag=True, help="Also those that expired or were revoked.")
def list_tokens(face: Face, ended: bool) -> None:
    """List the tokens, without any secret."""
    now = clock.now()
    with _tokens(configuration(face)) as tokens:
        found = [each for each in tokens.all() if ended or each.state(now) in ("valid", "replaced")]
    face.document([token_document(each) for each in found])
    if not found:
        face.note("no token yet: holdfast token add NAME --scope status:read")
        return
    rows = [(each.name, each.state(now), " ".join(sorted(each.scopes)), " ".join(sorted(each.sources)) or "all",
             _instant(each.expires_at, "never"), _instant(each.used_at, "never")) for each in found]  # fmt: skip
    face.lines(words.table(("name", "state", "scopes", "sources", "expires (UTC)", "last used (UTC)"), rows))


@verb("revoke", examples="holdfast token revoke ci --yes", asks=True)
@click.argument("name")
def revoke(face: Face, name: str) -> None:
    """End a token at once, every secret of it."""
    found = configuration(face)
    with _tokens(found) as tokens:
        tokens.valid(name)
        ask.confirm(face, f"revoke the token {name!r}?")
        ended = tokens.revoke(name)
    doors_act(face, found, "config:token-remove", f"revoked the token {name}", ended[-1].id)
    face.document({"revoked": [token_document(each) for each in ended]})
    face.line(f"revoked {name}")


@verb("rotate", examples="holdfast token rotate ci\nholdfast token rotate ci --overlap 0s")
@click.argument("name")
@click.option("--overlap", default="24h", show_default=True, help="How long the old secret goes on.")
@click.option("--expires", default="90d", show_default=True, metavar="DURATION", help="When it ends, or 'never'.")
def rotate(face: Face, name: str, overlap: str, expires: str) -> None:
    """Make a new secret for a token, and let the old one go on for a while."""
    lifetime = None if expires == "never" else parse_duration(expires)
    found = configuration(face)
    with _tokens(found) as tokens:
        made = tokens.rotate(name, parse_duration(overlap), lifetime)
    doors_act(face, found, "config:token-rotate", f"rotated the token {name}", made.token.id)
    _show(face, made)
    face.note(f"The old secret goes on for {overlap}.")


@verb("secret", examples="holdfast token secret")
def secret(face: Face) -> None:
    """Print a fresh random secret, for CRON_SECRET. It is stored nowhere."""
    made = secrets.token_urlsafe(32)
    face.document({"secret": made})
    face.line(made)


def _show(face: Face, made: MadeToken) -> None:
    face.document({**token_document(made.token), "secret": made.secret})
    face.line(made.secret, "bold")
    face.redactor.learn(Secret(made.secret, "token"))
    face.note("Shown this once, kept as a hash only. Send it as: Authorization: Bearer hf_…", "yellow")


def token_document(each: Token) -> dict[str, Any]:
    """A token as JSON tells it."""
    return {
        "id": each.id, "name": each.name, "state": each.state(clock.now()), "scopes": sorted(each.scopes),
        "sources": sorted(each.sources), "owner": each.owner, "made_at": each.made_at, "expires_at": each.expires_at,
        "used_at": each.used_at, "revoked_at": each.revoked_at,
    }  # fmt: skip


def _instant(moment: str | None, otherwise: str) -> str:
    return words.instant(moment) if moment else otherwise


for _command in (add, list_tokens, revoke, rotate, secret):
    token.add_command(_command)
