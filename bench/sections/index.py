"""The index of ten million chunks: as many rows through real sealed fragments, loaded anew and from the cache."""

from __future__ import annotations

import json
import os
import resource
import secrets
import subprocess
import sys
import time
from pathlib import Path

from bench.ledger import Section
from bench.tools import fresh
from holdfast.crypto.keys import Keyring
from holdfast.crypto.seal import ObjectSealer
from holdfast.repository.fragments import Fragment, encode_fragment, encode_row
from holdfast.repository.index import ChunkIndex
from holdfast.repository.layout import index_path
from holdfast.repository.pack import Entry
from holdfast.storage.local import LocalStorage

_FRAGMENT = 50_000
_LOOKUPS = 200_000


def index(folder: Path, chunks: int, section: Section) -> None:
    """Write the fragments once, then in processes of their own: read all of them, and start from the cache."""
    place = fresh(folder / "index")
    place.mkdir(parents=True)
    section.facts["chunks"] = chunks
    for step in ("write", "build", "cached"):
        done = subprocess.run(
            [sys.executable, "-m", "bench.sections.index", step, str(place), str(chunks)],
            capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        if done.returncode:
            section.fail(f"index: {step}", done.stderr.strip()[-600:])
            break
        for name, number in json.loads(done.stdout).items():
            section.value(f"{step}: {name}", number)
            print(f"  index {step}: {name} {number:,.1f}", flush=True)
    fresh(place)


def _write(place: Path, chunks: int) -> dict[str, float]:
    sealer, storage = _sealer(), LocalStorage(str(place / "store"))
    start = time.perf_counter()
    kept: list[str] = []
    for number in range((chunks + _FRAGMENT - 1) // _FRAGMENT):
        count = min(_FRAGMENT, chunks - number * _FRAGMENT)
        pack = secrets.token_bytes(20)
        ids = secrets.token_bytes(32 * count)
        rows = [
            encode_row(pack, Entry(id=ids[at : at + 32], offset=at * 10, length=300, size=900, type=1, codec=1))
            for at in range(0, 32 * count, 32)
        ]
        kept += [rows[at][:32].hex() for at in range(0, count, max(1, chunks // _LOOKUPS))]
        name = index_path(f"{number % 40:032x}", number)
        storage.put_new(name, sealer.seal("index", name, encode_fragment(Fragment(rows=rows))))
    (place / "kept.json").write_text(json.dumps(kept))
    return {"seconds": time.perf_counter() - start}


def _load(place: Path) -> dict[str, float]:
    before = _status("RssAnon")
    start = time.perf_counter()
    held = ChunkIndex(LocalStorage(str(place / "store")), _sealer(), place / "cache")
    held.load()
    loaded = time.perf_counter() - start
    anonymous = _status("RssAnon") - before
    present = [bytes.fromhex(text) for text in json.loads((place / "kept.json").read_text())]
    absent = [os.urandom(32) for _ in present]
    rates = {}
    for name, keys in (("hits", present), ("misses", absent)):
        start = time.perf_counter()
        found = sum(held.has(key, ()) for key in keys)
        rates[f"{name} a second"] = len(keys) / (time.perf_counter() - start)
        if found != (len(keys) if name == "hits" else 0):
            raise SystemExit(f"{found} of {len(keys)} {name} found")
    start = time.perf_counter()
    located = sum(len(held.locations(key)) for key in present[:50_000])
    rates["locations a second"] = located / (time.perf_counter() - start)
    held.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": loaded, "peak bytes": peak, "bytes it keeps beside file pages": anonymous, **rates}


def _sealer() -> ObjectSealer:
    """The key is fixed, so that the processes share it; the data is random."""
    return ObjectSealer(Keyring.derive(b"a key of the benchmark, 32 bytes", bytes(16)))


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    step, at, count = sys.argv[1:]
    print(json.dumps(_write(Path(at), int(count)) if step == "write" else _load(Path(at))))
