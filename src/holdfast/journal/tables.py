"""A journal in the tables of an SQL database, whichever it is; statements mark values with ``?``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from holdfast.journal import asking
from holdfast.journal.base import Page, RunQuery
from holdfast.journal.text import document_of, plain
from holdfast.model.run import LogLine, Run, RunStatus
from holdfast.system import clock

T = TypeVar("T")
Execute = Callable[[str, Sequence[Any]], "Answer"]

_COLUMNS = (
    "id", "kind", "status", "created_at", "started_at", "ended_at", "seconds", "trigger", "who", "sources", "schedule",
    "rows", "bytes_source", "bytes_read", "bytes_new", "bytes_stored", "error_code", "error_what", "document",
    "updated_at",
)  # fmt: skip
_OVER = ", ".join(f"'{each}'" for each in RunStatus if each.over)
_ENDED = ", ".join(f"'{each}'" for each in RunStatus if each.over and each is not RunStatus.INTERRUPTED)
_PUT = (
    f"insert into runs ({', '.join(_COLUMNS)}) values ({', '.join('?' * len(_COLUMNS))}) on conflict (id) do update set"
    f" {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])} where runs.status not in ({_ENDED})"
)
_REMEMBER = "insert into facts (key, value) values (?, ?) on conflict (key) do update set value = excluded.value"
_NUMBERS = ("rows", "bytes_source", "bytes_read", "bytes_new", "bytes_stored")
_PUT_SOURCE = (
    f"insert into run_sources (run, source, created_at, status, {', '.join(_NUMBERS)})"
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_PORTION = 500


class Answer(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """Rows that were changed."""
        ...

    def fetchall(self) -> list[Any]:
        """Rows that were found."""
        ...


class Database(Protocol):
    """One database of journals. Any method may be called from any thread; JournalFailed when it does not do it."""

    @property
    def url(self) -> str:
        """Where it is, without a password."""
        ...

    def within(self, work: Callable[[Execute], T]) -> T:
        """Carry out ``work`` in one transaction, perhaps more than once."""
        ...

    def read(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """The rows of one statement that changes nothing."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class TableJournal:
    """See Journal."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def url(self) -> str:
        """See Journal."""
        return self._database.url

    def put(self, run: Run) -> None:
        """See Journal."""
        values = _values(run)

        def work(execute: Execute) -> None:
            if execute(_PUT, values).rowcount > 0:
                execute("delete from run_sources where run = ?", (run.id,))
                for row in _of_sources(run):
                    execute(_PUT_SOURCE, row)

        self._database.within(work)

    def write(self, run: str, lines: Sequence[LogLine]) -> None:
        """See Journal."""

        def work(execute: Execute) -> None:
            for line in lines:
                execute(
                    "insert into log (run, number, at, level, text) values (?, ?, ?, ?, ?) on conflict do nothing",
                    (run, line.number, line.at, plain(line.level), plain(line.text)),
                )
            execute("update runs set updated_at = ? where id = ?", (clock.stamp(), run))

        self._database.within(work)

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
        statement, values = asking.statement_for(query)
        found = self._all(statement, *values)
        runs = [_run(row) for row in found[: query.limit]]
        return Page(runs=runs, next=asking.cursor_of(runs[-1]) if len(found) > query.limit else None)

    def unfinished(self) -> Sequence[Run]:
        """See Journal."""
        rows = self._all("select document from runs where status in ('queued', 'running') order by created_at, id")
        return [_run(row) for row in rows]

    def tidy(self, *, log_before: str, runs_before: str) -> int:
        """See Journal."""
        lines, runs = asking.instant(log_before), asking.instant(runs_before)
        old = f"created_at < ? and status in ({_OVER}) and id not in (select run from last_runs)"
        gone = self._database.within(lambda execute: execute("delete from log where at < ?", (lines,)).rowcount)
        chosen = [run for (run,) in self._all(f"select id from runs where {old}", runs)]
        for start in range(0, len(chosen), _PORTION):  # whoever writes meanwhile waits for a portion only
            gone += self._database.within(_dropping(chosen[start : start + _PORTION]))
        return gone

    def remember(self, key: str, value: str | None) -> None:
        """See Journal."""
        if value is None:
            self._change("delete from facts where key = ?", key)
        else:
            self._change(_REMEMBER, key, plain(value))

    def swap(self, key: str, before: str | None, after: str | None) -> bool:
        """See Journal."""
        if before is None:
            statement = "insert into facts (value, key) values (?, ?) on conflict (key) do nothing"
            values = [plain(after or ""), key]
        elif after is None:
            statement, values = "delete from facts where key = ? and value = ?", [key, plain(before)]
        else:
            statement = "update facts set value = ? where key = ? and value = ?"
            values = [plain(after), key, plain(before)]
        if before is None and after is None:
            return not self._all("select 1 from facts where key = ?", key)
        return self._database.within(lambda execute: execute(statement, values).rowcount) == 1

    def recall(self, prefix: str) -> dict[str, str]:
        """See Journal."""
        rows = self._all("select key, value from facts where substr(key, 1, ?) = ?", len(prefix), prefix)
        return dict(rows)

    def close(self) -> None:
        """See Journal."""
        self._database.close()

    def _all(self, statement: str, *values: Any) -> list[Any]:
        return self._database.read(statement, values)

    def _change(self, statement: str, *values: Any) -> None:
        self._database.within(lambda execute: execute(statement, values))


def _dropping(runs: Sequence[str]) -> Callable[[Execute], int]:
    def work(execute: Execute) -> int:
        gone = 0
        for run in runs:
            for table, column in (("log", "run"), ("run_sources", "run"), ("runs", "id")):
                gone += execute(f"delete from {table} where {column} = ?", (run,)).rowcount
        return gone

    return work


def fill_sources(execute: Execute) -> None:
    """Tell the sources of every run anew, from the runs."""
    for row in execute("select document from runs", ()).fetchall():
        for values in _of_sources(_run(row)):
            execute(_PUT_SOURCE, values)


def _values(run: Run) -> tuple[Any, ...]:
    error = run.error
    return (
        run.id, plain(run.kind), run.status.value, run.created_at, run.started_at, run.ended_at, run.seconds,
        plain(run.trigger), plain(run.who), plain(" ".join(run.sources)), plain(run.schedule), run.rows,
        run.bytes_source, run.bytes_read, run.bytes_new, run.bytes_stored, error.code if error else None,
        plain(error.what) if error else None, document_of(run), clock.stamp(),
    )  # fmt: skip


def _of_sources(run: Run) -> list[tuple[Any, ...]]:
    """What became of each source. With several, ``more["sources"]`` tells them apart; else the numbers are unknown."""
    told = run.more.get("sources") or {}
    alone = len(run.sources) == 1
    rows = []
    for source in dict.fromkeys(run.sources or [""]):
        own = told.get(source, {})
        numbers = [own.get(name, getattr(run, name) if alone or not run.sources else None) for name in _NUMBERS]
        rows.append((run.id, plain(source), run.created_at, own.get("status", run.status.value), *numbers))
    return rows


def _run(row: Any) -> Run:
    return msgspec.json.decode(row[0], type=Run)
