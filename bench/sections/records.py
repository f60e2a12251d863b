"""Looking into a table of ten million rows: one row by its key, by a scattered key, and what changed."""

from __future__ import annotations

from tests.servers.postgres import PostgresServer

from bench.ledger import Section
from bench.measure import BenchError, Sample
from bench.sections.databases import Bench

_DATABASE = "records"
_CHANGED = 1_000


def records(bench: Bench, section: Section) -> None:
    """Two snapshots, a thousand rows changed between them, each in another place."""
    rows = bench.data.rows_looked_at
    _fill(bench.data.server, rows)
    section.facts["rows"] = rows
    section.facts["database bytes"] = bench.data.size(_DATABASE)
    bench.holdfast.begin(app=bench.data.url(_DATABASE))
    before = _snapshot(section.step("records: first backup", lambda: bench.holdfast.backup("app")))
    every = max(1, rows // _CHANGED)
    bench.data.server.run(f"UPDATE reg SET note = 'changed ' || id WHERE id % {every} = {every // 2}", _DATABASE)
    after = _snapshot(section.step("records: second backup", lambda: bench.holdfast.backup("app")))
    if before is None or after is None:
        return
    key = rows * 3 // 4 + 1
    code = bench.data.server.run(f"SELECT code FROM reg WHERE id = {key}", _DATABASE)[0][0]
    for number in range(bench.repeats + 1):
        if not number:
            bench.holdfast.forget_indexes()
        state = "warm" if number else "cold"
        section.step(f"find by ascending key, {state}", lambda: _found(bench, before, str(key), key))
        section.step(f"find by scattered key, {state}", lambda: _found(bench, before, f"code={code}", key))
        section.step(f"diff of {_CHANGED:,} scattered changes, {state}", lambda: _differ(bench, before, after, rows))
        section.step("diff with the living table", lambda: _differ(bench, before, "live", rows))
    bench.data.server.drop_database(_DATABASE)


def _found(bench: Bench, snapshot: str, word: str, key: int) -> Sample:
    sample = bench.holdfast.ask("find", snapshot, "reg", word)
    if [row["id"] for row in sample.said["rows"]] != [key]:
        raise BenchError(f"another row was found than {key}")
    return sample


def _differ(bench: Bench, before: str, after: str, rows: int) -> Sample:
    sample = bench.holdfast.ask("diff", before, after)
    counts = [table["changed"] for table in sample.said["tables"] if table.get("changed")]
    every = max(1, rows // _CHANGED)
    expected = len(range(every // 2, rows + 1, every))
    if counts != [expected]:
        raise BenchError(f"{counts} rows changed, not {expected}")
    return sample


def _snapshot(sample: Sample | None) -> str | None:
    return sample.said["snapshots"][0]["id"] if sample is not None else None


def _fill(server: PostgresServer, rows: int) -> None:
    server.drop_database(_DATABASE)
    server.create_database(_DATABASE)
    for statement in (
        "CREATE TABLE reg (id bigint, event int, code uuid, note text, at timestamptz, extra jsonb)",
        f"""INSERT INTO reg SELECT n, n / 7674, md5(n::text)::uuid, 'note ' || n,
            timestamptz '2026-01-01 UTC' + n * interval '1 s', jsonb_build_object('u', n % 100000)
            FROM generate_series(1, {rows}) n""",
        "ALTER TABLE reg ADD PRIMARY KEY (id)",
        "ALTER TABLE reg ADD UNIQUE (code)",
        "VACUUM ANALYZE reg",
    ):
        server.run(statement, _DATABASE)
