"""Measure holdfast beside the tools a user would pick instead, and write bench/RESULTS.md.

    bench/run.py [postgres] [files] [memory] [index] [entities] [records] [--quick] [--repeats N] [--work F] [--clean]

``memory`` runs holdfast alone, once, on the same data; the other sections measure its memory as well.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from bench import machine, report  # noqa: E402
from bench.data import Databases, Scale, need_tree  # noqa: E402
from bench.ledger import Ledger, Section  # noqa: E402
from bench.sections import databases  # noqa: E402
from bench.sections.databases import Bench  # noqa: E402
from bench.sections.entities import entities  # noqa: E402
from bench.sections.files import FileBench, files  # noqa: E402
from bench.sections.index import index  # noqa: E402
from bench.sections.records import records  # noqa: E402
from bench.tools import Borg, Holdfast, Postgres, Restic  # noqa: E402

_PARTS = {"app": databases.app, "narrow": databases.narrow, "many": databases.many, "big": databases.big,
          "entities": entities, "records": records}  # fmt: skip
_CHOICES = ("postgres", "files", "memory", "index", *_PARTS)
_DEFAULT = ("postgres", "files", "index")


class Session:
    """One call of the program: its folders, its scale, what it measures with."""

    def __init__(self, wanted: argparse.Namespace) -> None:
        self.repeats: int = 1 if wanted.quick else wanted.repeats
        self.scale = Scale().tenth() if wanted.quick else Scale()
        self.command = str(wanted.holdfast)
        self.work = Path(wanted.work) / ("quick" if wanted.quick else "full")
        self.work.mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger(self.work / "results.json")
        self.results = self.work / "RESULTS.md" if wanted.quick else ROOT / "bench" / "RESULTS.md"
        self.title = "Results, quick run: the numbers mean little" if wanted.quick else "Results"

    def databases(self, parts: Sequence[str], *, others: bool = True) -> None:
        """Sections that need the server."""
        with Databases(self.work / "server", self.scale).running() as data:
            tools = self.work / "tools"
            tools.mkdir(exist_ok=True)
            bench = Bench(
                data=data,
                postgres=Postgres(tools, data.environ(), data.pid),
                restic=Restic(tools) if shutil.which("restic") else None,
                holdfast=Holdfast(self.command, self.work / "holdfast", data.environ(), data.pid),
                repeats=self.repeats if others else 1,
                others=others,
            )
            for part in parts:
                self.section(part if others else f"memory-{part}", functools.partial(_PARTS[part], bench))
            data.server.drop_database("changing")

    def files(self, *, others: bool = True) -> None:
        """The section of files."""
        tree = need_tree(self.work, self.scale.files)
        tools = self.work / "tools"
        tools.mkdir(exist_ok=True)
        environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        bench = FileBench(
            tree=tree,
            folder=self.work,
            holdfast=Holdfast(self.command, self.work / "holdfast", environ),
            restic=Restic(tools) if others and shutil.which("restic") else None,
            borg=Borg(tools) if others and shutil.which("borg") else None,
            repeats=self.repeats if others else 1,
        )
        self.section("files" if others else "memory-files", functools.partial(files, bench))

    def index(self) -> None:
        """The section of the chunk index."""
        self.section("index", functools.partial(index, self.work, self.scale.chunks))

    def section(self, name: str, act: Callable[[Section], None]) -> None:
        """Measure one section anew and write everything down."""
        print(f"{name}:", flush=True)
        kept = self.ledger.begin(name, self.repeats if name != "index" else 1)
        kept.load = machine.load()
        act(kept)
        self.ledger.keep(kept)

    def tidy(self) -> None:
        """Remove repositories and dumps; the data stays for the next run."""
        for name in ("tools", "holdfast", "out"):
            shutil.rmtree(self.work / name, ignore_errors=True)

    def report(self) -> str:
        """Write the results; returns the table."""
        programs = Databases(self.work / "server", self.scale).server.bin
        environ = {"PATH": f"{programs}:{os.environ['PATH']}"}
        about = machine.describe(self.work, self.command, environ)
        return report.write(self.results, self.ledger, about, self.title)


def main() -> None:
    """Parse, measure, write."""
    wanted = _arguments()
    if wanted.clean:
        shutil.rmtree(wanted.work, ignore_errors=True)
        return
    if not os.access(wanted.holdfast, os.X_OK):
        raise SystemExit(f"no command {wanted.holdfast}: run `make bench`, or `pip install -e .` in this environment")
    start = time.monotonic()
    session = Session(wanted)
    with _measured(session):
        _sections(session, set(wanted.sections or _DEFAULT))
    print(session.report())
    print(f"\n{session.results}, {time.monotonic() - start:.0f} s")


def _sections(session: Session, wanted: set[str]) -> None:
    parts = [part for part in _PARTS if part in wanted or "postgres" in wanted]
    if parts:
        session.databases(parts)
    if "files" in wanted:
        session.files()
    if "memory" in wanted:
        session.databases([part for part in _PARTS if part != "entities"], others=False)
        session.files(others=False)
    if "index" in wanted:
        session.index()


@contextlib.contextmanager
def _measured(session: Session) -> Iterator[None]:
    try:
        yield
    finally:
        session.tidy()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(_CHOICES))
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, once: checks the harness")
    parser.add_argument("--repeats", type=int, default=3, help="repetitions (3)")
    parser.add_argument("--work", default=_work_folder(), help="where data and repositories lie (bench/work)")
    parser.add_argument("--holdfast", default=f"{sys.prefix}/bin/holdfast", help="the installed command")
    parser.add_argument("--clean", action="store_true", help="remove the work folder and stop")
    wanted = parser.parse_args()
    if unknown := set(wanted.sections) - set(_CHOICES):
        parser.error(f"unknown section {', '.join(sorted(unknown))}; there are {', '.join(_CHOICES)}")
    return wanted


def _work_folder() -> str:
    """``bench/work``, or below the temporary folder where root's test server could not reach it."""
    place = ROOT / "bench" / "work"
    if os.getuid() == 0:
        place.mkdir(parents=True, exist_ok=True)
        nobody = pwd.getpwnam("nobody").pw_uid
        reached = subprocess.run(["test", "-x", str(place)], user=nobody, group=nobody, extra_groups=[], check=False)
        if reached.returncode:
            return os.path.join(tempfile.gettempdir(), "holdfast-bench")
    return str(place)


if __name__ == "__main__":
    main()
