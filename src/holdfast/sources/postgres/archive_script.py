"""Custom archives of pg_dump turned into scripts by pg_restore, which alone knows all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from holdfast.model.errors import SourceError
from holdfast.sources.postgres.tools import tool
from holdfast.system.process import Child

_HEAD = 7
_READS = {16: 170000, 15: 160000}
_OLDEST = 120000
_PASSED = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")


def script_of(path: Path, environ: Mapping[str, str]) -> Iterator[bytes]:
    """The script in the archive at ``path``. MissingTool without pg_restore, SourceError when it cannot read it."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise SourceError("the archive cannot be read", where=str(path), why=str(error)) from error
    version = _READS.get(head[-1] if len(head) == _HEAD else 0, _OLDEST)
    yield from _run([str(path)], environ, (), where=str(path), version=version)


def script_from(blocks: Iterable[bytes], environ: Mapping[str, str], *, version: int) -> Iterator[bytes]:
    """The script in an archive that is being made; ``version`` of the server it is of."""
    yield from _run([], environ, blocks, where="pg_restore", version=version)


def _run(
    arguments: list[str], environ: Mapping[str, str], blocks: Iterable[bytes], *, where: str, version: int
) -> Iterator[bytes]:
    program = tool("pg_restore", version, environ.get("PATH"))
    command = [program.path, "-f", "-", *arguments]
    passed = {name: environ[name] for name in _PASSED if name in environ}
    with Child(command, environ=passed, feeding=not arguments) as child:
        for block in blocks:
            child.feed(block)
            yield from child.answers()
        if not arguments:
            child.end_input()
        while block := child.read():
            yield block
        if child.wait():
            raise SourceError(
                "pg_restore could not read the archive", where=where, why=child.errors.strip()[-500:],
                hint="it is damaged, was written half, or is of a newer version of PostgreSQL",
            )  # fmt: skip
