"""Secrets are found where they are referred to, and nowhere shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from holdfast.model.errors import UsageError

if TYPE_CHECKING:
    from tests.unit.wiring.conftest import Place

MARKER = "m4rk3r-pa55"


def test_each_form_of_reference_leads_to_the_secret(place: Place) -> None:
    """env, file (without its last newline), cmd, and a systemd credential."""
    place.write(MARKER + "\n", "secret.txt")
    around = place.around(X=MARKER, CREDENTIALS_DIRECTORY=str(place.folder))
    for reference in ("env:X", "file:secret.txt", f"cmd:cat {place.folder}/secret.txt", "credential:secret.txt"):
        assert around.resolve(reference, place.folder).reveal() == MARKER


@pytest.mark.parametrize(
    "reference", ["env:NOT_SET", "file:nowhere", "cmd:false", "cmd:no-such-program", "credential:x", "cmd:'", MARKER]
)
def test_a_reference_that_leads_nowhere_says_so(place: Place, reference: str) -> None:
    """With the reference, never with what a command printed."""
    with pytest.raises(UsageError) as caught:
        place.around().resolve(reference, place.folder)
    assert MARKER not in str(caught.value)


def test_a_failing_command_does_not_show_what_it_printed(place: Place) -> None:
    """It may have printed half a secret."""
    with pytest.raises(UsageError) as caught:
        place.around().resolve(f"cmd:sh -c 'echo {MARKER}; exit 3'", place.folder)
    shown = f"{caught.value.what} {caught.value.why} {caught.value.hint}"
    assert MARKER not in shown
    assert "status 3" in shown


def test_an_empty_secret_is_none(place: Place) -> None:
    """An empty file protects nothing."""
    place.write("\n", "empty")
    with pytest.raises(UsageError):
        place.around().resolve("file:empty", place.folder)


def test_whatever_was_resolved_is_taken_out_of_errors(place: Place) -> None:
    """The redactor learns at the moment of reading."""
    around = place.around(X=MARKER)
    around.resolve("env:X", place.folder)
    assert MARKER not in around.redactor.clean(f"password authentication failed: {MARKER}")
    assert MARKER not in repr(around)


def test_the_passphrase_comes_from_the_environment_its_file_or_systemd(place: Place) -> None:
    """In this order."""
    place.write("from-file", "p")
    place.write("from-systemd", "cred/holdfast.passphrase")
    systemd = {"CREDENTIALS_DIRECTORY": str(place.folder / "cred")}
    found = place.around(**systemd).passphrase_from_environment()
    assert found is not None and found.reveal() == "from-systemd"
    found = place.around(**systemd, HOLDFAST_PASSPHRASE_FILE="p").passphrase_from_environment()
    assert found is not None and found.reveal() == "from-file"
    found = place.around(HOLDFAST_PASSPHRASE_FILE="p", HOLDFAST_PASSPHRASE="direct").passphrase_from_environment()
    assert found is not None and found.reveal() == "direct"
    assert place.around(HOLDFAST_PASSPHRASE="").passphrase_from_environment() is None


def test_cache_and_state_follow_the_conventions(place: Place) -> None:
    """Own variables first, then XDG (absolute only), then below home."""
    home = place.folder / "home"
    assert place.around().cache == home / ".cache/holdfast"
    assert place.around().state == home / ".local/state/holdfast"
    assert place.around(XDG_CACHE_HOME="/c").cache.as_posix() == "/c/holdfast"
    assert place.around(XDG_CACHE_HOME="relative").cache == home / ".cache/holdfast"
    assert place.around(HOLDFAST_STATE_DIR="s", XDG_STATE_HOME="/x").state == place.folder / "s"
