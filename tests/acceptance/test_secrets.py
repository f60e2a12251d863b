"""A marker password pushed through every failing path appears nowhere."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from tests.acceptance.program import PROGRAM, Outcome, Site

MARKER = "m4rk3r-Pa55w0rd"

TOML = """
[repository]
url = "{repository}"
passphrase = "env:HOLDFAST_PASSPHRASE"
{repository_password}
[sources.shop]
url = "{source}"
{source_password}
"""


def _write(
    site: Site, *, repository: str = "./backups", source: str = "files:media", keys: tuple[str, str] = ("", "")
) -> None:
    (site.folder / "holdfast.toml").write_text(
        TOML.format(repository=repository, source=source, repository_password=keys[0], source_password=keys[1])
    )


def _hidden(done: Outcome, *, status: int | None = None) -> None:
    assert MARKER not in done.out
    assert MARKER not in done.err
    assert done.status != 0
    if status is not None:
        assert done.status == status, done


def _nowhere_in(folder: Path, *, but: tuple[str, ...] = ()) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in but:
            assert MARKER.encode() not in path.read_bytes(), path


@pytest.fixture
def deaf_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
    return port


def test_a_password_in_the_configuration_is_refused_and_not_repeated(site: Site) -> None:
    """In a source's URL, the repository's URL, a query, and where a reference belongs."""
    for source, repository, keys in (
        (f"postgresql://app:{MARKER}@db/shop", "./backups", ("", "")),
        (f"postgresql://app:{MARKER}/@db/shop", "./backups", ("", "")),
        (f"postgresql://db/shop?password={MARKER}", "./backups", ("", "")),
        ("files:media", f"postgresql://app:{MARKER}@db/x?table=t", ("", "")),
        ("postgresql://app@db/shop", "./backups", ("", f'password = "{MARKER}"')),
    ):
        _write(site, source=source, repository=repository, keys=keys)
        for verb in (["backup"], ["list", "--json"], ["doctor"], ["config", "show", "-vv"]):
            _hidden(site.run(*verb))


def test_an_unreachable_server_does_not_show_the_password(site: Site, deaf_port: int) -> None:
    """Not with -vv, not in JSON, not in a file left behind."""
    url = f"postgresql://app@127.0.0.1:{deaf_port}/shop"
    _write(site, source=url, keys=("", 'password = "env:SHOP_PASSWORD"'))
    for arguments in (["backup"], ["backup", "--json"], ["backup", "-vv"], ["doctor", "--json"]):
        _hidden(site.run(*arguments, SHOP_PASSWORD=MARKER))
    _write(site, repository=f"{url}?table=backups", keys=('password = "env:SHOP_PASSWORD"', ""))
    for arguments in (["list"], ["list", "-vv"], ["doctor"]):
        _hidden(site.run(*arguments, SHOP_PASSWORD=MARKER))
    _nowhere_in(site.folder)


def test_a_wrong_passphrase_is_not_repeated(site: Site) -> None:
    """From the environment, from a file, from a command."""
    (site.folder / "wrong").write_text(MARKER)
    _hidden(site.run("list", "-vv", HOLDFAST_PASSPHRASE=MARKER), status=12)
    _hidden(site.run("list", "-vv", HOLDFAST_PASSPHRASE=None, HOLDFAST_PASSPHRASE_FILE="wrong"), status=12)
    path = site.folder / "holdfast.toml"
    path.write_text(path.read_text().replace("env:HOLDFAST_PASSPHRASE", "cmd:cat wrong"))
    _hidden(site.run("list", "-vv", HOLDFAST_PASSPHRASE=None), status=12)
    assert MARKER not in site.run("config", "show", "--json").out


def test_init_moves_a_password_out_of_the_url(empty_site: Site, deaf_port: int) -> None:
    """Into one file for its owner; neither the output nor the configuration has it."""
    url = f"postgresql://app:{MARKER}@127.0.0.1:{deaf_port}/shop"
    done = empty_site.run("init", "--repository", "./backups", "--source", f"shop={url}", "--json")
    assert done.status == 0, done
    assert MARKER not in done.out + done.err
    assert (empty_site.folder / "secrets" / "shop.password").read_text().strip() == MARKER
    _nowhere_in(empty_site.folder, but=("shop.password",))
    _hidden(empty_site.run("backup"))


def test_a_password_in_a_restore_target_is_not_repeated(site: Site, deaf_port: int) -> None:
    """--to takes a whole URL; errors show it without the password, and it becomes no path."""
    site.ok("backup")
    for target in (f"postgresql://app:{MARKER}@127.0.0.1:{deaf_port}/shop", f"postgresql://app:{MARKER}/@db/shop"):
        _hidden(site.run("restore", "latest:media", "--to", target, "-vv"), status=2)
    _nowhere_in(site.folder)


def test_no_secret_stands_in_the_process_list_while_a_backup_runs(site: Site) -> None:
    """Neither holdfast's arguments nor those of its children show one."""
    seen: list[bytes] = []
    secret = "seen-in-no-process-list"
    site.environ["HOLDFAST_PASSPHRASE"] = site.ok("key", "add", "--json", HOLDFAST_NEW_PASSPHRASE=secret) and secret
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.append(path.read_bytes())
                except OSError:
                    continue
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(2):
            subprocess.run(
                [PROGRAM, "backup"],
                cwd=site.folder,
                env=site.environ,
                check=True,
                capture_output=True,
            )
    finally:
        stop.set()
        watcher.join()
    assert any(b"holdfast" in each for each in seen)
    assert not [each for each in seen if secret.encode() in each]
