"""``python -m bench load``: dashboards open on one small machine while a backup runs; how both fare.

Each dashboard holds one event stream and asks for status and runs every minute (five times as often as the pages
do). Beside them somebody asks for one thing or another ten times a second: those answers are what p99 is of. Server,
dashboards and backup share the machine. With and without dashboards take turns; every backup is a first one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PATHS = ("/api/status", "/api/runs?limit=20", "/api/sources", "/api/schedules", "/api/backups?limit=20")
_POLL = 60.0
_PROBES = 10.0


@dataclass
class Measured:
    """One backup: its seconds, the server's processor seconds meanwhile, and the seconds of each answer."""

    dashboards: int
    backup: float = 0.0
    cpu: float = 0.0
    answers: list[float] = field(default_factory=list)
    events: int = 0
    failures: int = 0
    slowest: tuple[float, str, float] = (0.0, "", 0.0)
    began: float = 0.0

    @property
    def p99(self) -> float:
        """In milliseconds."""
        return quantiles(self.answers, n=100)[98] * 1000 if len(self.answers) > 1 else 0.0


@dataclass(frozen=True)
class Server:
    """A served repository without any backup."""

    port: int
    token: str
    process: subprocess.Popen[bytes]

    def cpu(self) -> float:
        """Processor seconds it used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench load")
    parser.add_argument("--dashboards", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=1500)
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args(sys.argv[2:])
    with tempfile.TemporaryDirectory(prefix="holdfast-load-") as name:
        folder = Path(name)
        _data(folder / "data", wanted.megabytes)
        measured = []
        for repeat in range(wanted.repeats):
            for dashboards in (0, wanted.dashboards) if repeat % 2 == 0 else (wanted.dashboards, 0):
                measured.append(_one(folder, dashboards))
                _tell(measured[-1])
    _sum_up(measured)
    if wanted.json:
        wanted.json.write_text(json.dumps([each.__dict__ for each in measured]))


def _data(folder: Path, megabytes: int) -> None:
    """Files of 8 MB, half random, half text: what a backup has to chunk, compress and encrypt."""
    folder.mkdir()
    line = b"2026-11-21T04:20:00Z a visitor bought two tickets for the summer fair\n"
    for number in range(max(1, megabytes // 8)):
        text = b"".join(b"%d %s" % (number * 7919 + row, line) for row in range(4 << 20 >> 6))[: 4 << 20]
        (folder / f"part-{number:04}").write_bytes(random.Random(number).randbytes(4 << 20) + text)


def _one(folder: Path, dashboards: int) -> Measured:
    with _served(folder) as server:
        return asyncio.run(_measure(server, dashboards))


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[Server]:
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    port = 8471 + os.getpid() % 1000
    (home / "holdfast.toml").write_text(
        f'[repository]\nurl = "{home}/repository"\n[sources.data]\nurl = "files:{folder}/data"\n'
        f'[serve]\nlisten = "127.0.0.1:{port}"\n'
    )
    environ = {**os.environ, "HOLDFAST_PASSPHRASE": "a passphrase to measure with", "HOME": str(home),
               "HOLDFAST_STATE_DIR": str(home / "state"), "HOLDFAST_CACHE_DIR": str(home / "cache")}  # fmt: skip
    program = [str(Path(sys.executable).parent / "holdfast"), "-c", str(home / "holdfast.toml")]
    _create(home)
    scopes = ["--scope", "status:read", "--scope", "snapshot:read", "--scope", "backup:run"]
    added = subprocess.run([*program, "token", "add", "bench", *scopes, "--json"], check=True, capture_output=True,
                           env=environ)  # fmt: skip
    told = json.loads(added.stdout)
    process = subprocess.Popen([*program, "serve"], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Server(port=port, token=_secret(told), process=process)
    finally:
        process.terminate()
        process.wait(60)


def _create(home: Path) -> None:
    from holdfast.repository.repository import Places, Repository
    from holdfast.storage.registry import open_storage

    places = Places(cache=home / "cache", state=home / "state")
    storage = open_storage(str(home / "repository"), credentials={})
    Repository.create(storage, "a passphrase to measure with", places)[0].close()


def _secret(told: Any) -> str:
    """The token, wherever the document has it."""
    if isinstance(told, dict):
        return next(filter(None, map(_secret, told.values())), "")
    return told if isinstance(told, str) and told.startswith("hf_") else ""


async def _measure(server: Server, dashboards: int) -> Measured:
    measured = Measured(dashboards=dashboards)
    await _until_there(server)
    tasks = [asyncio.create_task(_dashboard(server, measured, number / dashboards)) for number in range(dashboards)]
    await asyncio.sleep(min(10.0, 3 + dashboards / 50))
    measured.answers.clear()
    measured.slowest, measured.began = (0.0, "", 0.0), time.perf_counter()
    before = server.cpu()
    status, body = await _ask(server, "/api/backups", post=b"{}")
    assert status == 202, body
    run = json.loads(body)["runs"][0]["id"]
    probing = asyncio.create_task(_probe(server, measured))
    while True:
        await asyncio.sleep(0.5)
        now = json.loads((await _ask(server, f"/api/runs/{run}"))[1])
        if now["status"] not in ("queued", "running"):
            break
    assert now["status"] == "succeeded", now
    measured.backup, measured.cpu = now["seconds"], server.cpu() - before
    for task in (*tasks, probing):
        task.cancel()
    await asyncio.gather(*tasks, probing, return_exceptions=True)
    return measured


async def _until_there(server: Server) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            if (await _ask(server, "/healthz"))[0] == 200:
                return
        await asyncio.sleep(0.1)
    raise SystemExit("the server did not begin to answer")


async def _dashboard(server: Server, measured: Measured, share: float) -> None:
    """One open page: an event stream, and a look every minute."""
    await asyncio.sleep(share * 2)
    listening = asyncio.create_task(_listen(server, measured))
    try:
        await asyncio.sleep(share * _POLL)
        while True:
            for path in PATHS[:2]:
                await _timed(server, measured, path)
            await asyncio.sleep(_POLL)
    finally:
        listening.cancel()


async def _listen(server: Server, measured: Measured) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(_request(server, "/api/events", "GET"))
        while line := await reader.readline():
            measured.events += line.startswith(b"event: run")
        measured.failures += 1
    finally:
        writer.close()


async def _probe(server: Server, measured: Measured) -> None:
    number = 0
    while True:
        await asyncio.gather(_timed(server, measured, PATHS[number % len(PATHS)]), asyncio.sleep(1 / _PROBES))
        number += 1


async def _timed(server: Server, measured: Measured, path: str) -> None:
    began = time.perf_counter()
    status, _ = await _ask(server, path)
    took = time.perf_counter() - began
    measured.answers.append(took)
    measured.slowest = max(measured.slowest, (took, path, began - measured.began))
    measured.failures += status != 200


async def _ask(server: Server, path: str, post: bytes | None = None) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(_request(server, path, "GET" if post is None else "POST", post or b""))
        answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head.lower():
        raise AssertionError(path)
    return int(head.split(b" ", 2)[1]), body


def _request(server: Server, path: str, method: str, body: bytes = b"") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {server.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _tell(each: Measured) -> None:
    print(
        f"{each.dashboards:4} dashboards: backup {each.backup:6.2f} s, server cpu {each.cpu:6.2f} s;"
        f" {len(each.answers):4} answers, median {median(each.answers) * 1000:5.1f} ms, p99 {each.p99:6.1f} ms;"
        f" slowest {each.slowest[1]} at {each.slowest[2]:.1f} s; {each.events} events, {each.failures} failures",
        flush=True,
    )


def _sum_up(measured: list[Measured]) -> None:
    alone = [each for each in measured if not each.dashboards]
    crowded = [each for each in measured if each.dashboards]
    answers = Measured(dashboards=0, answers=[answer for each in crowded for answer in each.answers])
    slower = median(each.backup for each in crowded) / median(each.backup for each in alone) - 1
    cpu = median(each.cpu for each in crowded) / median(each.cpu for each in alone) - 1
    print(f"p99 of the API {answers.p99:.0f} ms (asked: under 250); the backup takes {slower:+.1%} (under +10 %),"
          f" the processor {cpu:+.1%}")  # fmt: skip
