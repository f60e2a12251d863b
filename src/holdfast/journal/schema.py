"""The tables and views of a journal, version by version. The views are for people and their tools: docs/journal.md."""

from __future__ import annotations

VERSION = 3

# version 1, as the first journals had it
_RUNS = """
create table if not exists runs (
  id text primary key, kind text not null, status text not null, created_at text not null, started_at text,
  ended_at text, seconds real, trigger text not null, who text not null, sources text not null, schedule text not null,
  rows bigint, bytes_source bigint, bytes_read bigint, bytes_new bigint, bytes_stored bigint,
  error_code text, error_what text, document text not null)
"""
_RUNS_BY_TIME = "create index if not exists runs_by_time on runs (created_at desc, id desc)"
_LOG = """
create table if not exists log (
  run text not null, number bigint not null, at text not null, level text not null, text text not null,
  primary key (run, number))
"""
_FACTS = "create table if not exists facts (key text primary key, value text not null)"

# version 2: when a run was last written to, what became of each source in it, and the views
_UPDATED = "alter table runs add column updated_at text not null default ''"
_RUN_SOURCES = """
create table if not exists run_sources (
  run text not null, source text not null, status text not null, rows bigint, bytes_source bigint, bytes_read bigint,
  bytes_new bigint, bytes_stored bigint, primary key (run, source))
"""
_SOURCES_BY_NAME = "create index if not exists run_sources_by_name on run_sources (source, run)"
_UNFINISHED = "create index if not exists runs_by_status on runs (status)"
_LOG_BY_TIME = "create index if not exists log_by_time on log (at)"

# version 3: what few runs are of is found among many
_AT = "alter table run_sources add column created_at text not null default ''"
_AT_FILLED = """
update run_sources set created_at = coalesce((select r.created_at from runs r where r.id = run_sources.run), '')"""
_SOURCES_BY_TIME = "create index if not exists run_sources_by_time on run_sources (source, created_at desc, run desc)"
_RUNS_BY_KIND = "create index if not exists runs_by_kind on runs (kind, created_at desc, id desc)"

_OF_SOURCES = "run_sources s join runs r on r.id = s.run"
_COUNTS = """
  count(*) as runs,
  sum(case when s.status = 'succeeded' then 1 else 0 end) as succeeded,
  sum(case when s.status = 'incomplete' then 1 else 0 end) as incomplete,
  sum(case when s.status = 'failed' then 1 else 0 end) as failed,
  sum(case when s.status = 'interrupted' then 1 else 0 end) as interrupted,
  round(100.0 * sum(case when s.status = 'succeeded' then 1 else 0 end) / count(*), 1) as percent
"""
_OVER = "s.status in ('succeeded', 'incomplete', 'failed', 'interrupted')"
_MADE = "s.status in ('succeeded', 'incomplete')"

VIEWS = {
    "success_rate": f"""
select r.kind, s.source, {_COUNTS} from {_OF_SOURCES} where {_OVER} group by r.kind, s.source""",
    "success_per_day": f"""
select substr(r.created_at, 1, 10) as day, r.kind, s.source, {_COUNTS} from {_OF_SOURCES} where {_OVER}
group by substr(r.created_at, 1, 10), r.kind, s.source""",
    "size_per_day": f"""
select substr(r.created_at, 1, 10) as day, s.source, count(*) as runs, avg(s.bytes_source) as average,
  max(s.bytes_source) as largest, sum(s.bytes_new) as new, sum(s.bytes_stored) as stored
from {_OF_SOURCES} where r.kind = 'backup' and {_MADE} group by substr(r.created_at, 1, 10), s.source""",
    "last_runs": f"""
select kind, source, run, status, created_at, ended_at, seconds, error_what from (
  select r.kind, s.source, r.id as run, s.status, r.created_at, r.ended_at, r.seconds, r.error_what,
    row_number() over (partition by r.kind, s.source order by r.created_at desc, r.id desc) as place
  from {_OF_SOURCES} where s.status not in ('queued', 'skipped')) as ranked where place = 1""",
    "durations": f"""
select r.kind, s.source, count(*) as runs, min(r.seconds) as fastest, avg(r.seconds) as average,
  max(r.seconds) as slowest
from {_OF_SOURCES} where {_MADE} and r.seconds is not null group by r.kind, s.source""",
}
"""Name of each view, and its query, the same for every database."""


def steps(version: int) -> list[str]:
    """The statements that bring tables of ``version`` (0: none yet) up to VERSION."""
    found = [_RUNS, _RUNS_BY_TIME, _LOG, _FACTS] if version < 1 else []
    if version < 2:
        found += [_UPDATED, _RUN_SOURCES, _SOURCES_BY_NAME, _UNFINISHED, _LOG_BY_TIME]
        found += [f"create view {name} as {query}" for name, query in VIEWS.items()]
    if version < 3:
        found += [_AT, _AT_FILLED, _SOURCES_BY_TIME, _RUNS_BY_KIND]
    return found
