"""Every page, empty, huge and hostile, by plain HTTP; and the files they load."""

from __future__ import annotations

import hashlib
import html
import re
import shlex
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import msgspec
import pytest
from tests.integration.web.everything import paths
from tests.integration.web.scene import Scene, environment, live_a_month, scene, served

from holdfast.cli.main import main as cli_main
from holdfast.cli.main import table
from holdfast.model.run import Run, RunError, RunStatus
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.web.pages.looks import STATIC

EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
MANY = 10_000
EMPTY = (
    "/", "/sources", "/sources/tickets", "/backups", "/runs", "/explore", "/restore", "/trash", "/alerts", "/audit",
    "/settings", "/login", "/confirm",
)  # fmt: skip
_NOTHING = '[repository]\nurl = "{folder}/repository"\n'


def get(url: str) -> tuple[int, str, dict[str, str]]:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


@pytest.mark.parametrize("text", [None, _NOTHING], ids=["nothing backed up", "nothing configured"])
def test_every_page_shows_something_useful_when_there_is_nothing(tmp_path: Path, text: str | None) -> None:
    """Before the first backup, and before the first source, each page answers, with the command to begin with."""
    with scene(tmp_path, text) if text else scene(tmp_path) as made, served(made):
        for path in EMPTY:
            if text and path == "/sources/tickets":
                continue
            status, body, _headers = get(made.url + path)
            assert (path, status) == (path, 200)
            assert "As of" in body
        for path in ("/", "/backups", "/runs", "/trash", "/restore"):
            assert re.search(r"<code[^>]*>holdfast \w+", get(made.url + path)[1]), path


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Ten thousand snapshots and runs, all of whose texts would like to be scripts."""
    with scene(tmp_path) as made:
        made.execute('create table "<b>evil</b>" (id integer primary key, "<i>c</i>" text)')
        made.execute('insert into "<b>evil</b>" values (1, ?)', EVIL)
        made.execute("update events set name = ? where id < 50", EVIL)
        made.back_up("tickets")
        made.execute("update events set name = ? where id > 100", EVIL)
        made.back_up("tickets")
        with made.service.reading() as app:
            entries = _many(app.repository.snapshots())
        monkeypatch.setattr(Repository, "snapshots", lambda _self, *, forgotten=False: list(entries))
        for number in range(MANY // 20):
            made.service.journal.put(_run(number))
        with served(made):
            yield made


def _many(entries: list[SnapshotEntry]) -> list[SnapshotEntry]:
    (first, *rest) = entries
    named = {
        "source": "archive",
        "name": EVIL,
        "created_by": EVIL,
        "trigger": EVIL,
        "warnings": [EVIL],
        "not_protected": [EVIL],
    }
    copies = (
        replace(first, info=msgspec.structs.replace(first.info, id=f"{number:032x}", **named)) for number in range(MANY)
    )
    return [*copies, first, *rest]


def _run(number: int) -> Run:
    error = RunError(code="source", what=EVIL, where=EVIL, why=EVIL, hint=EVIL)
    at = f"2026-11-{1 + number % 20:02}T04:{number % 60:02}:00.000Z"
    return Run(
        id=f"{number:032x}", kind="backup", status=RunStatus.FAILED, created_at=at, started_at=at, ended_at=at,
        seconds=1.0, sources=["tickets"], trigger="schedule", who=EVIL, error=error, warnings=[EVIL],
    )  # fmt: skip


def test_huge_and_hostile_data_is_shown_as_text_and_in_time(hostile: Scene) -> None:
    """With 10,000 snapshots named like scripts every page takes under 300 ms of the processor; no name is markup."""
    slow = {}
    known = [path for path in paths(hostile) if not path.startswith("/explore?")]
    known += ["/backups", "/backups?source=archive", "/restore?source=archive", "/explore"]
    for path in [*known, f"/backups/{'f' * 8}?q=%3Cscript%3Ealert", f"/backups?q={'a' * 2000}"]:
        took = []
        for _ in range(3):
            started = time.process_time()
            status, body, _headers = get(hostile.url + path)
            took.append(time.process_time() - started)
        assert status == (404 if "fff" in path else 200), (path, body[-500:])
        assert "<script>alert" not in body, path
        assert "<img src=x" not in body, path
        assert "<b>evil" not in body, path
        slow[path[:60]] = min(took)
    print({path: f"{1000 * took:.0f} ms" for path, took in slow.items()})
    assert {path: took for path, took in slow.items() if took > 0.3} == {}


def test_a_page_that_is_not_there_or_not_allowed_says_so_as_a_page(tmp_path: Path) -> None:
    """Errors are told to people, not as JSON, with what helps."""
    with scene(tmp_path) as made, served(made):
        status, body, headers = get(made.url + "/backups/ffffffff")
        assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert re.search(r"holdfast (?:list|backup)", body)
        assert get(made.url + "/runs/nope")[0] == 404
        made.identity = replace(made.identity, scopes=frozenset({"status:read"}))
        status, body, headers = get(made.url + "/audit")
        assert (status, headers["content-type"]) == (403, "text/html; charset=utf-8")
        assert "audit:read" in body


def test_pages_carry_no_inline_script_or_style(tmp_path: Path) -> None:
    """The policy forbids them, so a template that had one would be broken."""
    for template in (STATIC.parent / "templates").glob("*.html"):
        text = template.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), template.name
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), template.name
    with scene(tmp_path) as made, served(made):
        _status, body, headers = get(made.url + "/")
        assert "unsafe" not in headers["content-security-policy"]
        assert '"allowEval":false,"includeIndicatorStyles":false' in body


def test_what_is_not_ours_is_what_its_makers_published() -> None:
    """Each vendored file has the sum that was noted when it came, and lies beside its licence."""
    folder = STATIC / "vendor"
    sums = dict(reversed(line.split(maxsplit=1)) for line in (folder / "SHA256SUMS").read_text().splitlines())
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    found.pop("SHA256SUMS")
    assert found.keys() == sums.keys()
    for name, path in found.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[name], name
        assert (path.parent / "LICENSE").exists()


def test_files_with_a_version_in_their_path_are_kept_for_ever(tmp_path: Path) -> None:
    """The rest is asked for anew each time."""
    with scene(tmp_path) as made, served(made):
        kept = get(made.url + "/static/vendor/htmx-2.0.11/htmx.min.js")[2]["cache-control"]
        assert kept == "public, max-age=31536000, immutable"
        assert get(made.url + "/static/holdfast.css")[2]["cache-control"] == "no-cache"


def test_pages_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    """No address of another host is in what a page loads."""
    with scene(tmp_path) as made, served(made):
        for path in EMPTY:
            body = get(made.url + path)[1]
            assert not re.search(r'(?:src|href)="(?:https?:)?//', body), path
    for each in ("holdfast.css", "holdfast.js", "plot.js"):
        assert "http" not in (STATIC / each).read_text()


def test_every_command_a_page_shows_is_one_that_exists_and_those_that_only_look_work_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Verb and options of each line "holdfast …" are known to the command line; a person copies it and it runs."""
    with scene(tmp_path) as made, served(made):
        made.back_up("tickets")
        live_a_month(made, days=1)
        bodies = [get(made.url + path)[1] for path in [*paths(made), "/explore?source=tickets&item=events&key=7"]]
        lines = (line for body in bodies for line in re.findall(r"<code[^>]*>(holdfast [^<]+)</code>", body))
        shown = {html.unescape(line) for line in lines}
        assert len(shown) > 20
        assert {line: wrong for line in shown if (wrong := _unknown(line.partition(", then")[0]))} == {}
        for name, value in environment(tmp_path).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        looking = sorted(line for line in shown if _LOOKS.match(line))
        assert len(looking) > 10
        failed = {line: told for line in looking if (told := _copied(line, capsys))}
    assert failed == {}


_LOOKS = re.compile(
    r"holdfast (?:(?:status|list|show|log|diff|runs|trash|audit list|audit verify|entity versions|alerts list)\b"
    r"(?!.*\b(?:KEY|SOURCE|TABLE)\b)|restore \w+ --dry-run|config validate)"
)


def _copied(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What it told when it failed. A monitor hears of problems by the status 4 of holdfast status."""
    status = cli_main(shlex.split(line)[1:])
    told = capsys.readouterr()
    return "" if status in (0, 4) else f"{status}: {told.err}"


def _unknown(line: str) -> str:
    """What the command line does not know of it."""
    command: click.Command = table()
    context = click.Context(command)
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words.pop(0))
        if found is None:
            return "no such verb"
        command = found
    options = {name for each in command.params if isinstance(each, click.Option) for name in each.opts}
    return " ".join(word for word in words if word.startswith("--") and word.partition("=")[0] not in options)
