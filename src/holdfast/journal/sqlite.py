"""A journal in one SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from holdfast.journal.base import Page, RunQuery
from holdfast.model.errors import HoldfastError
from holdfast.model.run import LogLine, Run, RunStatus
from holdfast.system import files

_SCHEMA = """
create table if not exists runs (
  id text primary key, kind text not null, status text not null, created_at text not null, started_at text,
  ended_at text, seconds real, trigger text not null, who text not null, sources text not null, schedule text not null,
  rows integer, bytes_source integer, bytes_read integer, bytes_new integer, bytes_stored integer,
  error_code text, error_what text, document text not null);
create index if not exists runs_by_time on runs (created_at desc, id desc);
create table if not exists log (
  run text not null, number integer not null, at text not null, level text not null, text text not null,
  primary key (run, number)) without rowid;
create table if not exists facts (key text primary key, value text not null) without rowid;
"""
_OVER = tuple(each.value for each in RunStatus if each.over)


class SqliteJournal:
    """See Journal. One connection, taken in turns."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:{path}"
        self._turn = threading.Lock()
        try:
            files.make_directories(path.parent, 0o700)
            self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._connection.execute("pragma journal_mode = wal")
            self._connection.execute("pragma synchronous = normal")
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise HoldfastError(
                "the journal cannot be opened", where=self.url, why=str(error),
                hint="move the file away: a new one is begun, no backup is lost with it",
            ) from error  # fmt: skip

    def put(self, run: Run) -> None:
        """See Journal."""
        error = run.error
        values = (
            run.id, run.kind, run.status.value, run.created_at, run.started_at, run.ended_at, run.seconds, run.trigger,
            run.who, " ".join(run.sources), run.schedule, run.rows, run.bytes_source, run.bytes_read, run.bytes_new,
            run.bytes_stored, error.code if error else None, error.what if error else None,
            msgspec.json.encode(run).decode(),
        )  # fmt: skip
        marks = ", ".join("?" * len(values))
        keep = f"where runs.status not in ({', '.join(repr(each) for each in _OVER)})"
        names = [row[1] for row in self._all("pragma table_info(runs)")]
        update = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
        self._all(f"insert into runs values ({marks}) on conflict (id) do update set {update} {keep}", *values)

    def write(self, run: str, lines: Sequence[LogLine]) -> None:
        """See Journal."""
        with self._turn:
            self._connection.executemany(
                "insert or ignore into log values (?, ?, ?, ?, ?)",
                [(run, line.number, line.at, line.level, line.text) for line in lines],
            )

    def get(self, run: str) -> Run | None:
        """See Journal."""
        rows = self._all("select document from runs where id = ?", run)
        return _run(rows[0]) if rows else None

    def lines(self, run: str, after: int = 0, limit: int = 1000) -> Sequence[LogLine]:
        """See Journal."""
        found = self._all(
            "select number, at, level, text from log where run = ? and number > ? order by number limit ?",
            run, after, limit,
        )  # fmt: skip
        return [LogLine(number=number, at=at, level=level, text=text) for number, at, level, text in found]

    def runs(self, query: RunQuery) -> Page:
        """See Journal."""
        wanted, values = ["1 = 1"], list[Any]()
        for column, chosen in (("kind", query.kinds), ("status", query.statuses)):
            if chosen:
                wanted.append(f"{column} in ({', '.join('?' * len(chosen))})")
                values += chosen
        if query.sources:
            one = "(' ' || sources || ' ') like ?"
            wanted.append(f"({' or '.join([one] * len(query.sources))})")
            values += [f"% {source} %" for source in query.sources]
        if query.since:
            wanted.append("created_at >= ?")
            values.append(query.since)
        if query.before:
            at, _, identifier = query.before.partition("|")
            wanted.append("(created_at, id) < (?, ?)")
            values += [at, identifier]
        found = self._all(
            f"select document from runs where {' and '.join(wanted)} order by created_at desc, id desc limit ?",
            *values, query.limit + 1,
        )  # fmt: skip
        runs = [_run(row) for row in found[: query.limit]]
        last = runs[-1] if len(found) > query.limit else None
        return Page(runs=runs, next=f"{last.created_at}|{last.id}" if last else None)

    def unfinished(self) -> Sequence[Run]:
        """See Journal."""
        rows = self._all("select document from runs where status in ('queued', 'running') order by created_at, id")
        return [_run(row) for row in rows]

    def remember(self, key: str, value: str | None) -> None:
        """See Journal."""
        if value is None:
            self._all("delete from facts where key = ?", key)
        else:
            change = "insert into facts values (?, ?) on conflict (key) do update set value = excluded.value"
            self._all(change, key, value)

    def recall(self, prefix: str) -> dict[str, str]:
        """See Journal."""
        rows = self._all("select key, value from facts where substr(key, 1, ?) = ?", len(prefix), prefix)
        return dict(rows)

    def close(self) -> None:
        """See Journal."""
        with self._turn:
            self._connection.close()

    def _all(self, statement: str, *values: Any) -> list[Any]:
        with self._turn:
            return self._connection.execute(statement, values).fetchall()


def _run(row: Any) -> Run:
    return msgspec.json.decode(row[0], type=Run)
