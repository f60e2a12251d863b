"""One way in: options on either side of the verb, every failure a status, help at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.cli.main import ALIASES, VERBS, main
from holdfast.model.errors import Exit

HEAVY = ("pydantic", "psycopg", "obstore", "rich", "cryptography", "msgspec", "blake3", "holdfast.wiring.settings")


def test_help_loads_nothing_heavy() -> None:
    """`holdfast --help` answers at once because no verb, library or setting is loaded for it."""
    program = (
        "import sys; from holdfast.cli.main import main; code = main(['--help'])\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print(code, loaded, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "0 []"
    assert all(name in done.stdout for name in VERBS)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HOLDFAST_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("arguments", [["--json", "version"], ["version", "--json"]])
def test_options_may_stand_before_or_after_the_verb(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """People put them where they think of them."""
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["holdfast"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["lsit"],
        ["--nonsense"],
        ["list", "--nonsense"],
        ["restore"],
        ["list"],
        ["version", "-n"],
        ["check", "--read-data=x"],
    ],
)
def test_every_error_is_one_document_with_json_and_words_without(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts read stdout, people read stderr; no traceback either way."""
    assert main([*arguments, "--json"]) == Exit.USAGE
    out = capsys.readouterr().out
    assert set(json.loads(out)["error"]) == {"code", "what", "where", "why", "hint"}
    assert main(arguments) == Exit.USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert "Traceback" not in shown.err


def test_a_mistyped_verb_tells_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """lsit means list."""
    main(["bakcup"])
    assert "holdfast backup" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(ALIASES))
def test_old_names_still_work(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts written for them go on."""
    assert main([name, "--help"]) == 0
    assert f"holdfast {ALIASES[name].verb}" in capsys.readouterr().out


def test_an_interrupt_is_told_and_has_its_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends with 130 and without a traceback."""
    from holdfast.cli.verbs import version

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(version.version, "callback", interrupted)
    assert main(["version"]) == Exit.INTERRUPTED
    assert "Traceback" not in capsys.readouterr().err


def test_the_unexpected_is_one_line_and_shows_its_place_only_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """-vv shows where; passwords in URLs are taken out of it."""
    from holdfast.cli.verbs import version

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("at postgresql://app:m4rk3r@db/x")

    monkeypatch.setattr(version.version, "callback", broken)
    assert main(["version"]) == Exit.FAILED
    assert "Traceback" not in capsys.readouterr().err
    assert main(["version", "-vv"]) == Exit.FAILED
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "m4rk3r" not in shown
