"""The tools measured: how each is called, in a repository of its own, encrypted, with its defaults."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.data import size_of
from bench.measure import BenchError, Command, Sample, measure, run

_SECRET = "a passphrase of the benchmark"


class Postgres:
    """``pg_dump`` and ``pg_restore`` of the server's own version. ``environ`` says how to reach the server."""

    def __init__(self, folder: Path, environ: Mapping[str, str], server: int) -> None:
        self._folder, self._environ, self._server = folder, environ, server

    def dump(self, database: str) -> Sample:
        """``pg_dump > /dev/null``: as fast as the server gives it away."""
        return self._run("pg_dump", database)

    def dump_custom(self, database: str) -> Sample:
        """``pg_dump -Fc`` into a file."""
        target = fresh(self._folder / "dump.custom")
        return self._run("pg_dump", "-Fc", "-f", str(target), database)

    def dump_folder(self, database: str) -> Sample:
        """``pg_dump -Fd -j2`` into a folder, kept for ``restore_folder``."""
        target = fresh(self._dump_folder(database))
        return self._run("pg_dump", "-Fd", "-j2", "-f", str(target), database)

    def restore_folder(self, database: str, into: str) -> Sample:
        """``pg_restore -j2`` of that folder into an empty database."""
        return self._run("pg_restore", "-j2", "-d", into, str(self._dump_folder(database)))

    def through_restic(self, database: str, restic: Restic) -> Sample:
        """``pg_dump | restic backup --stdin``."""
        words = restic.words("backup", "--stdin", "--stdin-filename", f"{database}.sql", "--quiet")
        script = f"set -o pipefail; pg_dump {shlex.quote(database)} | {shlex.join(words)}"
        return measure(Command(words=["bash", "-c", script], environ={**restic.environ, **self._environ}), self._server)

    def _dump_folder(self, database: str) -> Path:
        return self._folder / f"dump.{database}"

    def _run(self, *words: str) -> Sample:
        return measure(Command(words=words, environ=self._environ), self._server)


class Restic:
    """restic with its own repository and cache; compression and chunk size are its defaults."""

    def __init__(self, folder: Path) -> None:
        self.repository = folder / "restic"
        self._cache = folder / "restic-cache"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "RESTIC_REPOSITORY": str(self.repository),
            "RESTIC_PASSWORD": _SECRET,
        }

    def words(self, *arguments: str) -> list[str]:
        """A call."""
        return ["restic", "--cache-dir", str(self._cache), *arguments]

    def begin(self) -> None:
        """An empty repository."""
        fresh(self.repository)
        fresh(self._cache)
        run(Command(words=self.words("init"), environ=self.environ))

    def backup(self, tree: Path) -> Sample:
        """``restic backup`` of a folder, named as a user in its parent would."""
        return self._run("backup", "--quiet", tree.name, folder=tree.parent)

    def restore(self, into: Path) -> Sample:
        """``restic restore latest``."""
        return self._run("restore", "latest", "--quiet", "--target", str(into))

    def size(self) -> int:
        """Bytes of the repository."""
        return size_of(self.repository)

    def _run(self, *arguments: str, folder: Path | None = None) -> Sample:
        return measure(Command(words=self.words(*arguments), environ=self.environ, folder=folder))


class Borg:
    """borg with its own repository, encrypted with repokey-blake2, compression and chunker its defaults."""

    def __init__(self, folder: Path) -> None:
        self.repository = folder / "borg"
        self._base = folder / "borg-base"
        self._archives = 0
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "BORG_REPO": str(self.repository),
            "BORG_BASE_DIR": str(self._base),
            "BORG_PASSPHRASE": _SECRET,
            "LC_ALL": "C.UTF-8",
        }

    def begin(self) -> None:
        """An empty repository."""
        fresh(self.repository)
        fresh(self._base)
        run(Command(words=["borg", "init", "-e", "repokey-blake2"], environ=self._environ))

    def backup(self, tree: Path) -> Sample:
        """``borg create``."""
        self._archives += 1
        return self._run("create", f"::a{self._archives}", tree.name, folder=tree.parent)

    def restore(self, into: Path) -> Sample:
        """``borg extract``."""
        return self._run("extract", f"::a{self._archives}", folder=into)

    def _run(self, *arguments: str, folder: Path) -> Sample:
        return measure(Command(words=["borg", *arguments], environ=self._environ, folder=folder))


class Holdfast:
    """The installed command as a user runs it, start-up included; one configuration and repository in ``folder``."""

    def __init__(self, command: str, folder: Path, environ: Mapping[str, str], server: int | None = None) -> None:
        self._command, self._folder, self._server = command, folder, server
        self.repository = folder / "repository"
        self._environ = {
            **environ,
            "HOME": str(folder),
            "HOLDFAST_PASSPHRASE": _SECRET,
            "HOLDFAST_CACHE_DIR": str(folder / "cache"),
            "HOLDFAST_STATE_DIR": str(folder / "state"),
        }

    def begin(self, **sources: str) -> None:
        """An empty repository, cache and state, and a configuration with these sources."""
        fresh(self._folder).mkdir(parents=True)
        named = [word for name, url in sources.items() for word in ("--source", f"{name}={url}")]
        run(Command(words=self._words("init", "--repository", str(self.repository), *named), environ=self._environ))

    def backup(self, source: str) -> Sample:
        """``holdfast backup SOURCE``; BenchError unless the snapshot is complete."""
        sample = self._run("backup", source)
        for snapshot in sample.said.get("snapshots", []):
            if snapshot["status"] != "complete":
                raise BenchError(f"the snapshot is {snapshot['status']}: {snapshot['warnings']}")
        return sample

    def restore(self, source: str, to: str) -> Sample:
        """``holdfast restore latest:SOURCE --to …``; BenchError unless it says verified."""
        sample = self._run("restore", f"latest:{source}", "--to", to)
        if sample.said.get("verified") is not True:
            raise BenchError("the restore does not call itself verified")
        sample.said.pop("items", None)
        return sample

    def declare(self, toml: str) -> None:
        """Add to the configuration."""
        with open(self._folder / "holdfast.toml", "a", encoding="utf-8") as file:
            file.write(toml)

    def entity(self, *arguments: str) -> Sample:
        """``holdfast entity …``."""
        sample = self._run("entity", *arguments)
        for long in ("rows", "ids", "blobs"):
            sample.said.pop(long, None)
        return sample

    def ask(self, *arguments: str) -> Sample:
        """A verb that only looks."""
        sample = self._run(*arguments)
        for long in ("changes", "differences"):
            sample.said.pop(long, None)
        return sample

    def forget_indexes(self) -> None:
        """What was worked out of chunks is worked out anew."""
        for shelf in (self._folder / "cache").rglob("shelf"):
            shutil.rmtree(shelf)

    def size(self) -> int:
        """Bytes of the repository."""
        return size_of(self.repository)

    def _run(self, *arguments: str) -> Sample:
        command = Command(words=self._words(*arguments, "--json"), environ=self._environ, output="json")
        return measure(command, self._server)

    def _words(self, verb: str, *arguments: str) -> list[str]:
        return [self._command, "-c", str(self._folder / "holdfast.toml"), verb, *arguments]


def fresh(place: Path) -> Path:
    """Remove whatever is at ``place``."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    return place


def version_of(*words: str, environ: Mapping[str, str] | None = None) -> str:
    """The first line a program says about its version; empty when there is no such program."""
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, env=dict(environ) if environ else None
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else ""
