"""The installed program, run from outside in a place of its own."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("holdfast")
PASSPHRASE = "correct horse battery staple"


@dataclass(frozen=True)
class Outcome:
    """What one call did."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


class Site:
    """A folder with a database and a file tree, and holdfast pointed at them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "HOLDFAST_PASSPHRASE": PASSPHRASE,
            "LANG": "C.UTF-8",
        }
        (folder / "home").mkdir(parents=True)
        self.database = folder / "notes.sqlite"
        self.media = folder / "media"

    def run(self, *arguments: str, **environ: str | None) -> Outcome:
        """One call; environment variables given as None are taken away."""
        merged = {**self.environ, **environ}
        done = subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.folder,
            env={name: value for name, value in merged.items() if value is not None},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Outcome(status=done.returncode, out=done.stdout, err=done.stderr)

    def ok(self, *arguments: str, **environ: str | None) -> Any:
        """The document of a call that must succeed."""
        done = self.run(*arguments, "--json", **environ)
        assert done.status == 0, done
        return done.document

    def fill(self, rows: int = 2000, files: int = 20) -> None:
        """Content, the same every time."""
        chance = random.Random(1)
        with sqlite3.connect(self.database) as connection:
            connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, picture BLOB)")
            connection.executemany(
                "INSERT INTO notes (text, picture) VALUES (?, ?)",
                ((f"note {number}", chance.randbytes(40)) for number in range(rows)),
            )
        connection.close()
        for number in range(files):
            path = self.media / f"{number % 3}" / f"picture {number}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(chance.randbytes(chance.randrange(20_000)))

    def init(self) -> Any:
        """Repository, configuration, both sources."""
        return self.ok(
            "init",
            "--repository",
            "./backups",
            "--source",
            "notes=sqlite:notes.sqlite",
            "--source",
            "media=files:media",
        )


def rows_of(database: Path) -> list[tuple[object, ...]]:
    """Every row, to compare."""
    connection = sqlite3.connect(database)
    try:
        return connection.execute("SELECT * FROM notes ORDER BY id").fetchall()
    finally:
        connection.close()


def tree_of(folder: Path) -> dict[str, bytes]:
    """Every file with its bytes, to compare."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
