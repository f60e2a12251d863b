"""Real S3 and Azure servers for tests: ministack and azurite, each installed once in a place of its own.

Neither can live among the development dependencies: ministack pins botocore exactly, azurite is a Node program.
What cannot be had here is reported as *not proven*, with the reason.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import fcntl
import hashlib
import hmac
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[2] / ".cache"
MINISTACK = "ministack==1.5.33"
AZURITE = "azurite@3.35.0"
AZURE_ACCOUNT = "devstoreaccount1"
# Every installation of the emulator has this account and this key; it is printed in its manual.
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectServer:
    """A running server. ``credentials`` are what open_storage wants for it."""

    endpoint: str
    credentials: Mapping[str, str]

    def create_bucket(self) -> str:
        """A new empty S3 bucket."""
        name = f"b{secrets.token_hex(8)}"
        request = urllib.request.Request(f"{self.endpoint}/{name}", method="PUT")
        urllib.request.urlopen(request, timeout=30).close()
        return name

    def create_container(self, public: str | None = None) -> str:
        """A new empty Azure container, made by the service's own protocol with a signed request.

        ``public``: what anybody may do, "blob" or "container".
        """
        name = f"c{secrets.token_hex(8)}"
        _create_azure_container(self.endpoint, name, public)
        return name


@cache
def s3_server() -> ObjectServer:
    """ministack, shared by all tests of this process and gone with it; the test is not proven where it cannot be."""
    program = _ministack()
    port = _free_port()
    environment = {
        "PATH": os.environ["PATH"], "HOME": _folder(), "TMPDIR": _folder(), "BIND_HOST": "127.0.0.1",
        "SERVICES": "s3", "GATEWAY_PORT": str(port), "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    endpoint = f"http://127.0.0.1:{port}"
    _start("ministack", [str(program)], environment, f"{endpoint}/_ministack/health")
    keys = {"AWS_ACCESS_KEY_ID": "test-access", "AWS_SECRET_ACCESS_KEY": "test-secret-" + secrets.token_hex(8)}
    return ObjectServer(endpoint=endpoint, credentials={**keys, "AWS_ENDPOINT_URL": endpoint})


@cache
def azure_server() -> ObjectServer:
    """azurite's blob service, shared like the other."""
    program, folder = _azurite(), _folder()
    port = _free_port()
    command = [
        "node", str(program), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", folder, "--silent",
        "--loose", "--disableTelemetry", "--skipApiVersionCheck", "--disableProductStyleUrl",
    ]  # fmt: skip
    host = f"http://127.0.0.1:{port}"
    _start("azurite", command, {"PATH": os.environ["PATH"], "HOME": folder}, f"{host}/{AZURE_ACCOUNT}?comp=list")
    endpoint = f"{host}/{AZURE_ACCOUNT}"
    credentials = {
        "AZURE_STORAGE_ACCOUNT_NAME": AZURE_ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY,
        "AZURE_STORAGE_ENDPOINT": endpoint,
    }
    return ObjectServer(endpoint=endpoint, credentials=credentials)


def _ministack() -> Path:
    """The program, from HOLDFAST_MINISTACK (a virtual environment) or installed here on first use."""
    given = os.environ.get("HOLDFAST_MINISTACK")
    folder = Path(given) if given else CACHE / "ministack"
    program = folder / "bin" / "ministack"
    with _installing("ministack"):
        if not program.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install("ministack", [sys.executable, "-m", "venv", str(folder)])
            _install("ministack", [str(folder / "bin" / "pip"), "install", "--quiet", MINISTACK], folder)
    return program


def _azurite() -> Path:
    """The program, installed here on first use."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("not proven: Azure Blob Storage on azurite: node and npm are not installed")
    folder = CACHE / "azurite"
    program = folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    with _installing("azurite"):
        if not program.exists():
            folder.mkdir(parents=True, exist_ok=True)
            command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), AZURITE]
            _install("azurite", command, folder)
    return program


@contextlib.contextmanager
def _installing(name: str) -> Iterator[None]:
    """One installer at a time, also with tests running in several processes."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(name: str, command: list[str], folder: Path | None = None) -> None:
    """Run one step; when it fails the folder goes, so that a half installation is never used."""
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=240, text=True)
    except (subprocess.SubprocessError, OSError) as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        told = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        pytest.skip(f"not proven: {name} cannot be installed: {told[-1] if told else error}")


def _start(name: str, command: list[str], environment: dict[str, str], health: str) -> None:
    """Start, end with this process (even when that is killed), and wait for an answer."""
    tied = ["setpriv", "--pdeathsig=KILL", "--"] if shutil.which("setpriv") else []
    log = Path(_folder()) / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*tied, *command], env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    atexit.register(_stop, process)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(health):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{name} did not start: {log.read_text(errors='replace')[-2000:]}")


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError as refusal:  # an answer too
        refusal.close()
    except OSError:
        return False
    return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(30)


def _create_azure_container(endpoint: str, name: str, public: str | None) -> None:
    date = formatdate(usegmt=True)
    path = f"/{AZURE_ACCOUNT}/{name}"
    access = [f"x-ms-blob-public-access:{public}"] if public else []
    headers = [*access, f"x-ms-date:{date}", "x-ms-version:2021-08-06"]
    signed = "\n".join(["PUT", *[""] * 11, *headers, f"/{AZURE_ACCOUNT}{path}", "restype:container"])
    mac = hmac.new(base64.b64decode(AZURE_KEY), signed.encode(), hashlib.sha256).digest()
    request = urllib.request.Request(f"{endpoint}/{name}?restype=container", method="PUT")
    for header in (*headers, f"Authorization:SharedKey {AZURE_ACCOUNT}:{base64.b64encode(mac).decode()}"):
        request.add_header(*header.split(":", 1))
    urllib.request.urlopen(request, timeout=30).close()


@cache
def _folder() -> str:
    folder = tempfile.mkdtemp(prefix="holdfast-objects-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
