"""Memory does not grow with the database: neither ours nor the reading process's."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import sys; sys.path[:0] = sys.argv[2:]
import os, resource, threading
from holdfast.sources.base import CaptureRequest
from holdfast.sources.sqlite import SqliteSource
def drain(lane):
    for piece in lane:
        for _ in piece.blocks: pass
        piece.result()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with SqliteSource(sys.argv[1]).capture(CaptureRequest(source="db")) as image:
    lanes = [threading.Thread(target=drain, args=(lane,)) for lane in image.lanes()]
    for each in lanes: each.start()
    for each in lanes: each.join()
    image.finish()
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_memory_stays_flat_on_a_large_database(tmp_path: Path, mode: str) -> None:
    """300 MB, half of it in the log where there is one: a few MiB here, less than 100 MiB in the child."""
    path = tmp_path / "large.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA page_size=8192")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute(f"PRAGMA journal_mode={mode}")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("CREATE TABLE t(x)")
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<300)"
        " INSERT INTO t SELECT zeroblob(1000000) FROM n"
    )
    source = str(Path(__file__).resolve().parents[3] / "src")
    told = subprocess.run([sys.executable, "-c", MEASURE, str(path), source], check=True, capture_output=True)
    connection.close()
    ours, child = (int(each) for each in told.stdout.split())
    assert ours < 30_000
    assert child < 100_000
