"""Tokens let programs in, for as long and as far as was said."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

from holdfast.model.errors import HoldfastError, UsageError
from holdfast.web.security.people import MACHINE
from holdfast.web.security.register import Register, register_or_new, register_path
from holdfast.web.security.tokens import Tokens, TokenWish
from holdfast.wiring.load import from_text
from holdfast.wiring.surroundings import Surroundings


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    made = Register(tmp_path / "security" / "security.db")
    yield made
    made.close()


@pytest.fixture
def tokens(register: Register) -> Tokens:
    return Tokens(register)


def wish(name: str = "ci", scopes: tuple[str, ...] = ("status:read",), lifetime: timedelta | None = None) -> TokenWish:
    return TokenWish(name=name, scopes=scopes, lifetime=lifetime, owner=f"{MACHINE}test")


def test_no_token_is_called_like_the_id_of_another(tokens: Tokens) -> None:
    """Rotating and revoking take either."""
    with pytest.raises(UsageError, match="id of another"):
        tokens.add(wish(name=tokens.add(wish()).token.id))


def test_a_token_is_known_by_its_secret_only(tokens: Tokens) -> None:
    """The secret made is let in; any other, the name, the id and the hash are not."""
    made = tokens.add(wish())
    assert made.secret.startswith("hf_")
    assert len(made.secret) == 46
    assert (found := tokens.of(made.secret)) is not None
    assert found.id == made.token.id
    for wrong in (made.secret[:-1], made.secret + "A", made.token.id, "hf_", "", made.secret.upper()):
        assert tokens.of(wrong) is None


def test_no_file_holds_a_token_in_plain(tokens: Tokens, register: Register, tmp_path: Path) -> None:
    """What lies in the state folder does not let anybody in, and is the owner's only."""
    made = tokens.add(wish())
    tokens.of(made.secret)
    rotated = tokens.rotate("ci")
    for path in (tmp_path / "security").iterdir():
        data = path.read_bytes()
        for secret in (made.secret, rotated.secret):
            assert secret.encode() not in data
            assert secret[3:].encode() not in data
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "security").stat().st_mode) == 0o700


def test_a_repr_does_not_show_the_secret(tokens: Tokens) -> None:
    """Nothing that is logged by accident lets anybody in."""
    made = tokens.add(wish())
    assert made.secret not in repr(made)


def test_a_token_ends_when_it_was_said(tokens: Tokens) -> None:
    """After its lifetime it is not known any more."""
    with time_machine.travel("2026-11-21T12:00:00Z", tick=False) as clock:
        made = tokens.add(wish(lifetime=timedelta(hours=1)))
        clock.shift(3599)
        assert tokens.of(made.secret) is not None
        clock.shift(1)
        assert tokens.of(made.secret) is None
        assert tokens.all()[0].state(made_now()) == "expired"


def made_now():  # type: ignore[no-untyped-def]
    from holdfast.system import clock

    return clock.now()


def test_a_revoked_token_ends_at_once_with_every_secret(tokens: Tokens) -> None:
    """Also the one that went on beside a rotation."""
    first = tokens.add(wish())
    second = tokens.rotate("ci")
    tokens.revoke("ci")
    assert tokens.of(first.secret) is None
    assert tokens.of(second.secret) is None
    with pytest.raises(UsageError):
        tokens.revoke("ci")


def test_rotation_overlaps(tokens: Tokens) -> None:
    """Both secrets are let in for the overlap, then only the new one, with the same rights."""
    with time_machine.travel("2026-11-21T12:00:00Z", tick=False) as clock:
        first = tokens.add(wish(scopes=("backup:run", "status:read"), lifetime=timedelta(days=90)))
        second = tokens.rotate("ci", overlap=timedelta(hours=2))
        assert tokens.of(first.secret) is not None
        assert (found := tokens.of(second.secret)) is not None
        assert found.scopes == {"backup:run", "status:read"}
        clock.shift(7201)
        assert tokens.of(first.secret) is None
        assert tokens.of(second.secret) is not None


def test_rotation_never_prolongs_the_old_secret(tokens: Tokens) -> None:
    """An overlap longer than what was left of the old one does not count."""
    with time_machine.travel("2026-11-21T12:00:00Z", tick=False) as clock:
        first = tokens.add(wish(lifetime=timedelta(hours=1)))
        tokens.rotate("ci", overlap=timedelta(days=30))
        clock.shift(3601)
        assert tokens.of(first.secret) is None


def test_last_use_is_remembered_to_the_minute(tokens: Tokens) -> None:
    """When it was used last is told, without a write for every request."""
    with time_machine.travel("2026-11-21T12:00:00Z", tick=False) as clock:
        made = tokens.add(wish())
        assert tokens.all()[0].used_at is None
        tokens.of(made.secret)
        assert tokens.all()[0].used_at == "2026-11-21T12:00:00.000Z"
        clock.shift(30)
        tokens.of(made.secret)
        assert tokens.all()[0].used_at == "2026-11-21T12:00:00.000Z"
        clock.shift(60)
        tokens.of(made.secret)
        assert tokens.all()[0].used_at == "2026-11-21T12:01:30.000Z"


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 65, "a\nb", "-x", "a:b", "<script>"])
def test_a_name_survives_logs_and_pages(tokens: Tokens, name: str) -> None:
    """Names that would not are refused."""
    with pytest.raises(UsageError):
        tokens.add(wish(name))


def test_scopes_are_those_there_are(tokens: Tokens) -> None:
    """An unknown scope, or none, is refused; so is a second token of the name."""
    for scopes in (("admin",), (), ("status:read", "everything")):
        with pytest.raises(UsageError):
            tokens.add(wish(scopes=scopes))
    tokens.add(wish())
    with pytest.raises(UsageError):
        tokens.add(wish())


def test_two_processes_share_a_register(tmp_path: Path) -> None:
    """What one adds and revokes the other knows at once."""
    one, other = Register(tmp_path / "s.db"), Register(tmp_path / "s.db")
    made = Tokens(one).add(wish())
    assert Tokens(other).of(made.secret) is not None
    Tokens(other).revoke("ci")
    assert Tokens(one).of(made.secret) is None
    one.close()
    other.close()


def test_a_register_that_is_no_register_says_what_to_do(tmp_path: Path) -> None:
    """A damaged file is told, with the way out."""
    path = tmp_path / "security.db"
    path.write_bytes(os.urandom(8192))
    with pytest.raises(HoldfastError) as caught:
        Register(path)
    assert "move the file away" in caught.value.hint


def test_a_damaged_register_stops_no_backup(tmp_path: Path) -> None:
    """It is moved aside, a new one is begun, and nobody of the old one comes in."""
    around = Surroundings(environ={"HOLDFAST_STATE_DIR": str(tmp_path / "state")}, folder=tmp_path)
    configuration = from_text(f'[repository]\nurl = "{tmp_path}/repository"\n', tmp_path / "holdfast.toml", around)
    path = register_path(configuration)
    path.parent.mkdir(parents=True)
    path.write_bytes(os.urandom(8192))
    register, told = register_or_new(configuration)
    assert ".broken-" in told
    assert register.rows("select * from tokens") == []
    assert any(".broken-" in each.name for each in path.parent.iterdir())
    register.close()


@pytest.mark.parametrize("source", [" ", "", "\u00a0", "a b", "a\n"])
def test_a_source_that_is_none_never_stands_for_all(tokens: Tokens, source: str) -> None:
    """It is refused; and what somebody wrote into the register by hand is no source at all."""
    with pytest.raises(UsageError, match="no name of a source"):
        tokens.add(TokenWish(name="ci", scopes=["status:read"], sources=[source], owner=f"{MACHINE}test"))
    made = tokens.add(TokenWish(name="ci", scopes=["status:read"], owner=f"{MACHINE}test"))
    tokens._register.change("update tokens set sources = ' '")
    found = tokens.of(made.secret)
    assert found is not None
    assert found.sources
