"""What a process was started with: its environment, its folder, and the secrets it has come to know.

The environment is read here and nowhere else.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.model.errors import UsageError
from holdfast.model.secret import Redactor, Secret

REFERENCE_FORMS = "env:NAME, file:PATH, cmd:COMMAND or credential:NAME"

_REFERENCE = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|(file|cmd|credential):.+)\Z", re.DOTALL)

PASSPHRASE = "HOLDFAST_PASSPHRASE"  # noqa: S105 - the variable, not its value
PASSPHRASE_FILE = f"{PASSPHRASE}_FILE"
CREDENTIAL = "holdfast.passphrase"

_COMMAND_SECONDS = 120


def check_reference(text: str) -> str:
    """A secret is only ever referred to; ValueError for anything else (the value is not repeated)."""
    if not _REFERENCE.match(text):
        raise ValueError(f"a secret is not written here but referred to: {REFERENCE_FORMS}")
    return text


def own_variables() -> tuple[str, ...]:
    """The environment variables that steer holdfast."""
    places = ("CONFIG", "CACHE_DIR", "STATE_DIR", "NEW_PASSPHRASE")
    return (PASSPHRASE, PASSPHRASE_FILE, "CREDENTIALS_DIRECTORY", *(f"HOLDFAST_{name}" for name in places))


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """``environ`` as it was at the start; ``folder`` where relative command line paths begin."""

    environ: Mapping[str, str] = field(repr=False)
    folder: Path
    redactor: Redactor = field(default_factory=Redactor, repr=False)

    @property
    def home(self) -> Path:
        """The user's home folder."""
        return Path(self.environ.get("HOME") or os.path.expanduser("~"))

    @property
    def cache(self) -> Path:
        """May be deleted at any time."""
        return self._place("HOLDFAST_CACHE_DIR", "XDG_CACHE_HOME", ".cache")

    @property
    def state(self) -> Path:
        """Remembers what must survive: the last log head seen, what was exported when."""
        return self._place("HOLDFAST_STATE_DIR", "XDG_STATE_HOME", ".local/state")

    def _place(self, own: str, general: str, fallback: str) -> Path:
        if own_folder := self.environ.get(own):
            return self.folder / own_folder
        base = self.environ.get(general, "")
        return (Path(base) if os.path.isabs(base) else self.home / fallback) / "holdfast"

    def passphrase_from_environment(self) -> Secret | None:
        """HOLDFAST_PASSPHRASE, HOLDFAST_PASSPHRASE_FILE or the systemd credential, in this order."""
        if value := self.environ.get(PASSPHRASE):
            return self.redactor.learn(Secret(value, f"env:{PASSPHRASE}"))
        if path := self.environ.get(PASSPHRASE_FILE):
            return self.resolve(f"file:{path}", self.folder)
        folder = self.environ.get("CREDENTIALS_DIRECTORY")
        if folder and os.path.exists(os.path.join(folder, CREDENTIAL)):
            return self.resolve(f"credential:{CREDENTIAL}", self.folder)
        return None

    def resolve(self, reference: str, base: Path) -> Secret:
        """The secret that ``reference`` points to; paths are relative to ``base``. UsageError when it is not there."""
        form, _, rest = reference.partition(":")
        reader = _READERS.get(form)
        if reader is None:
            raise UsageError("this is not a reference to a secret", hint=f"write {REFERENCE_FORMS}")
        value = reader(self, rest, base)
        if not value:
            raise UsageError("the secret is empty", where=reference)
        return self.redactor.learn(Secret(value, reference))


def of_process(redactor: Redactor | None = None) -> Surroundings:
    """The environment and folder of this process."""
    return Surroundings(environ=dict(os.environ), folder=Path.cwd(), redactor=redactor or Redactor())


def _from_environment(around: Surroundings, name: str, _base: Path) -> str:
    value = around.environ.get(name)
    if value is None:
        raise UsageError(
            f"the environment variable {name} is not set",
            where=f"env:{name}",
            hint=f"export {name}=… before the call, or write file:PATH in holdfast.toml",
        )
    return value


def _from_file(around: Surroundings, path: str, base: Path) -> str:
    place = base / (str(around.home) + path[1:] if path.startswith("~/") else path)
    try:
        return place.read_bytes().decode().rstrip("\r\n")
    except OSError as error:
        raise UsageError(
            "the file with the secret cannot be read", where=str(place), why=error.strerror or str(error)
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError("the file with the secret is not UTF-8 text", where=str(place)) from error


def _from_credential(around: Surroundings, name: str, base: Path) -> str:
    folder = around.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise UsageError(
            "there are no systemd credentials in this process",
            where=f"credential:{name}",
            hint=f"add LoadCredential={name}:/path/to/secret to the unit",
        )
    return _from_file(around, os.path.join(folder, name), base)


def _from_command(_around: Surroundings, command: str, base: Path) -> str:
    """The command's standard output; it never becomes part of an error, nor does the command's own error text."""
    where = f"cmd:{command}"
    try:
        done = subprocess.run(
            shlex.split(command), cwd=base, stdout=subprocess.PIPE, timeout=_COMMAND_SECONDS, check=False
        )
        value = done.stdout.decode().rstrip("\r\n")
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        why = f"no answer within {_COMMAND_SECONDS} s" if isinstance(error, subprocess.TimeoutExpired) else ""
        if isinstance(error, OSError):
            why = error.strerror or ""
        raise UsageError("the command for the secret could not be run", where=where, why=why) from error
    if done.returncode != 0:
        raise UsageError("the command for the secret failed", where=where, why=f"status {done.returncode}")
    return value


_READERS: dict[str, Callable[[Surroundings, str, Path], str]] = {
    "env": _from_environment,
    "file": _from_file,
    "cmd": _from_command,
    "credential": _from_credential,
}
