"""Units and container files that people install say what they should, in words that systemd and holdfast know."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from tests.architecture.tree import ROOT

from holdfast.cli.main import table
from holdfast.wiring.load import from_text
from holdfast.wiring.surroundings import CREDENTIAL, Surroundings
from holdfast.wiring.units import parse_duration

SYSTEMD = ROOT / "deploy" / "systemd"
CONTAINER = ROOT / "deploy" / "container"
SERVICES = ("holdfast.service", "holdfast-daemon.service", "holdfast-backup.service")
HARDENING = (
    "NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes", "PrivateDevices=yes", "CapabilityBoundingSet=",
    "SystemCallFilter=@system-service", "RestrictSUIDSGID=yes", "UMask=0077", "User=holdfast",
)  # fmt: skip


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def _value(path: Path, name: str) -> str:
    (found,) = [line.partition("=")[2] for line in _lines(path) if line.startswith(f"{name}=")]
    return found


def _accepted(words: list[str]) -> None:
    """The command line can be read: every verb and option of it exists."""
    group = table()
    context = group.make_context("holdfast", words, resilient_parsing=False)
    name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
    assert command is not None
    parser = command.make_parser(click.Context(command, info_name=name))
    parser.parse_args(list(rest))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_a_command_that_exists(name: str) -> None:
    """Verb and options are those of the program."""
    program, *words = shlex.split(_value(SYSTEMD / name, "ExecStart"))
    assert program == "/usr/bin/holdfast"
    _accepted(words)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened_and_gets_its_passphrase_as_a_credential(name: str) -> None:
    """No privileges, a file system it cannot write but where it has to, and no secret in the unit."""
    lines = _lines(SYSTEMD / name)
    assert [each for each in HARDENING if each not in lines] == []
    assert _value(SYSTEMD / name, "LoadCredential").split(":")[0] == CREDENTIAL
    assert "PASSPHRASE=" not in (SYSTEMD / name).read_text()


@pytest.mark.parametrize("name", SERVICES[:2])
def test_systemd_waits_longer_than_the_grace(name: str) -> None:
    """A running backup is not killed while holdfast lets it end."""
    words = shlex.split(_value(SYSTEMD / name, "ExecStart"))
    grace = parse_duration(words[words.index("--grace") + 1])
    assert parse_duration(_value(SYSTEMD / name, "TimeoutStopSec")) > grace


def test_the_timer_makes_up_for_what_was_missed() -> None:
    """Persistent, spread, and hourly: the service decides what is due, a skip is no failure."""
    timer = SYSTEMD / "holdfast-backup.timer"
    assert _value(timer, "Persistent") == "true"
    assert _value(timer, "RandomizedDelaySec")
    assert _value(timer, "Unit") == "holdfast-backup.service"
    assert "--if-due" in _value(SYSTEMD / "holdfast-backup.service", "ExecStart")
    assert _value(SYSTEMD / "holdfast-backup.service", "SuccessExitStatus") == "75"


def _verifiable(folder: Path) -> list[Path]:
    """The units as they are, but with a program that is there."""
    for path in SYSTEMD.iterdir():
        text = path.read_text().replace("/usr/bin/holdfast", sys.executable)
        (folder / path.name).write_text(text)
    return sorted(folder.iterdir())


def test_systemd_understands_every_unit(tmp_path: Path) -> None:
    """systemd-analyze verify has nothing to say."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("not proven: systemd-analyze is not installed")
    done = subprocess.run(
        ["systemd-analyze", "verify", *_verifiable(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "holdfast" in line]
    assert told == []


@pytest.mark.parametrize("name", SERVICES)
def test_little_of_the_machine_is_exposed_to_a_service(name: str) -> None:
    """systemd's own measure, 10 is everything: below 2.5."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("not proven: systemd-analyze is not installed")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", SYSTEMD / name],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-300:]


def test_the_container_runs_as_an_unprivileged_user() -> None:
    """After the last FROM a user that is not root, and a command that exists."""
    text = (CONTAINER / "Containerfile").read_text()
    last = text[text.rindex("\nFROM ") :]
    (user,) = re.findall(r"^USER (\d+):\d+$", last, re.MULTILINE)
    assert int(user) > 0
    (command,) = re.findall(r"^CMD (\[.*\])$", last, re.MULTILINE)
    _accepted([*re.findall(r'"([^"]*)"', command)])
    assert 'ENTRYPOINT ["holdfast"]' in last
    (extras,) = re.findall(r"pip install [^#]*?'\.\[([a-z,-]+)\]'", text)
    assert set(extras.split(",")) <= _extras()


def _instructions() -> list[tuple[str, str]]:
    """What the container file says, lines that go on joined, comments left out."""
    lines = [line for line in (CONTAINER / "Containerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def test_the_container_file_is_pinned_and_knows_no_secret() -> None:
    """One base of a named version and distribution, packages as they were tried, nothing fetched beside, no secret."""
    told = _instructions()
    assert told[0] == ("ARG", "BASE=docker.io/library/python:3.13-slim-trixie")
    assert [rest.split(" AS ")[0] for word, rest in told if word == "FROM"] == ["${BASE}"] * 2
    assert {word for word, _ in told} <= {
        "ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD", "HEALTHCHECK",
        "STOPSIGNAL",
    }  # fmt: skip
    runs = " ".join(rest for word, rest in told if word == "RUN")
    assert not re.search(r"curl|wget|https?:|chmod [0-7]*7\b|sudo|apt", runs)
    assert "pip install --no-cache-dir -c constraints.txt" in runs
    given = " ".join(rest for word, rest in told if word in ("ENV", "ARG"))
    assert not re.search(r"PASS|SECRET|TOKEN|KEY", given)
    assert all(rest.split()[0] in ("pyproject.toml", "src", "--from=build") for word, rest in told if word == "COPY")
    assert [word for word, _ in told].index("USER") > max(n for n, (word, _) in enumerate(told) if word == "RUN")


def test_only_what_the_image_is_made_of_reaches_a_build() -> None:
    """Secrets beside the compose file, the history and the environment of the machine stay where they are."""
    first, *allowed = _lines(ROOT / ".dockerignore")
    assert first == "*"
    assert sorted(line[1:] for line in allowed if line.startswith("!")) == [
        "README.md", "deploy/container/constraints.txt", "pyproject.toml", "src"
    ]  # fmt: skip


def test_every_package_of_the_image_has_its_version() -> None:
    """All that the extras ask for, one version each, that the project allows."""
    from packaging.requirements import Requirement

    pins = dict(line.split("==") for line in _lines(CONTAINER / "constraints.txt"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extras,) = re.findall(r"'\.\[([a-z,-]+)\]'", (CONTAINER / "Containerfile").read_text())
    wanted = [*project["dependencies"], *(one for name in extras.split(",") for one in _extra(project, name))]
    for each in map(Requirement, wanted):
        assert each.specifier.contains(pins[each.name.lower().replace("_", "-").replace(".", "-")]), each


def _extra(project: dict[str, Any], name: str) -> list[str]:
    found: list[str] = project["optional-dependencies"][name]
    return found


def _extras() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return set(project["optional-dependencies"])


def test_the_compose_example_publishes_on_loopback_only_and_drops_privileges() -> None:
    """What people copy is safe as it is."""
    yaml = pytest.importorskip("yaml", reason="not proven: PyYAML is not installed")
    document = yaml.safe_load((CONTAINER / "compose.yaml").read_text())
    ours = document["services"]["holdfast"]
    assert all(port.startswith("127.0.0.1:") for port in ours["ports"])
    assert (ours["cap_drop"], ours["read_only"], ours["user"]) == (["ALL"], True, "10001:10001")
    assert (ROOT / "deploy" / "container" / ours["build"]["context"] / ours["build"]["dockerfile"]).exists()
    assert set(ours["secrets"]) <= set(document["secrets"])
    for service in document["services"].values():
        assert not any("PASS" in name and not name.endswith("_FILE") for name in service["environment"])


def test_the_configuration_in_the_compose_example_is_valid(tmp_path: Path) -> None:
    """The lines of its comment are a holdfast.toml."""
    lines = (CONTAINER / "compose.yaml").read_text().splitlines()
    begin = next(number for number, line in enumerate(lines) if "[repository]" in line)
    told = []
    for line in lines[begin:]:
        if not line.startswith("#"):
            break
        told.append(line.removeprefix("#").split("  (")[0].strip())
    configuration = from_text("\n".join(told), tmp_path / "holdfast.toml", Surroundings(environ={}, folder=tmp_path))
    assert configuration.settings.sources["shop"].schedules
