"""PostgreSQL: first backup, again, after changes, restore; wide rows, narrow rows, many tables, one big table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.data import Databases
from bench.ledger import Section
from bench.measure import Sample
from bench.tools import Holdfast, Postgres, Restic

_RESTORED = "restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the sections of databases work with. ``others``: measure the other tools too."""

    data: Databases
    postgres: Postgres
    restic: Restic | None
    holdfast: Holdfast
    repeats: int
    others: bool = True


def app(bench: Bench, section: Section) -> None:
    """About 1 GB: six tables, one of them most of it."""
    data, postgres, restic = bench.data, bench.postgres, bench.restic
    data.need("app")
    data.copy("app", "changing")
    database = "changing"
    section.facts["database bytes"] = data.size(database)
    for repeat in range(bench.repeats):
        if bench.others:
            _step(bench, section, "pg_dump > /dev/null", lambda: postgres.dump(database))
        _first(bench, section, database)
        _again(bench, section)
        if bench.others:
            _step(bench, section, "pg_dump -Fc", lambda: postgres.dump_custom(database))
            if restic is not None:
                _step(bench, section, "pg_dump | restic: first", lambda: _first_restic(bench, restic, database))
            _step(bench, section, "pg_dump -Fd -j2", lambda: postgres.dump_folder(database))
        _restores(bench, section, database, repeat)
        _changed(bench, section, database, repeat)


def narrow(bench: Bench, section: Section) -> None:
    """Rows of three small columns: the server spends its time on rows, not on bytes."""
    _simple(bench, section, "narrow")


def many(bench: Bench, section: Section) -> None:
    """5,000 small tables."""
    _simple(bench, section, "many")


def big(bench: Bench, section: Section) -> None:
    """One table with its indexes, restored."""
    data = bench.data
    database = data.need("big")
    section.facts["database bytes"] = data.size(database)
    _first(bench, section, database)
    if bench.others:
        _step(bench, section, "pg_dump -Fd -j2", lambda: bench.postgres.dump_folder(database))
    for repeat in range(bench.repeats):
        _restores(bench, section, database, repeat)


def _simple(bench: Bench, section: Section, database: str) -> None:
    data = bench.data
    data.need(database)
    section.facts["database bytes"] = data.size(database)
    for _ in range(bench.repeats):
        if bench.others:
            _step(bench, section, "pg_dump > /dev/null", lambda: bench.postgres.dump(database))
        _first(bench, section, database)
        _again(bench, section)


def _first(bench: Bench, section: Section, database: str) -> None:
    def backup() -> Sample:
        bench.holdfast.begin(shop=bench.data.url(database))
        bench.data.settle()
        return bench.holdfast.backup("shop")

    _step(bench, section, "holdfast: first", backup)


def _first_restic(bench: Bench, restic: Restic, database: str) -> Sample:
    restic.begin()
    bench.data.settle()
    return bench.postgres.through_restic(database, restic)


def _again(bench: Bench, section: Section) -> None:
    _step(bench, section, "holdfast: again", lambda: bench.holdfast.backup("shop"), after="holdfast: first")


def _restores(bench: Bench, section: Section, database: str, repeat: int) -> None:
    data, postgres = bench.data, bench.postgres
    if bench.others and "pg_dump -Fd -j2" not in section.failures:
        data.server.drop_database(_RESTORED)
        data.server.create_database(_RESTORED)
        _step(bench, section, "pg_restore -j2", lambda: postgres.restore_folder(database, _RESTORED))
    data.server.drop_database(_RESTORED)
    step = "holdfast: restore"
    done = _step(
        bench, section, step, lambda: bench.holdfast.restore("shop", data.url(_RESTORED)), after="holdfast: first"
    )
    if done is not None and repeat == 0 and data.fingerprint(_RESTORED) != data.fingerprint(database):
        section.fail(step, "the restored database differs from the one backed up")
    data.server.drop_database(_RESTORED)


def _changed(bench: Bench, section: Section, database: str, repeat: int) -> None:
    """0.1 % of all rows updated at random: what the repositories grow by, beside what they took at first."""
    holdfast, restic = bench.holdfast, bench.restic
    ours = holdfast.size() if "holdfast: first" in section.samples else 0
    theirs = restic.size() if restic is not None and "pg_dump | restic: first" in section.samples else 0
    section.facts["rows changed"] = bench.data.change(database, seed=1000 + repeat)
    step = "holdfast: 0.1 % changed"
    if _step(bench, section, step, lambda: holdfast.backup("shop"), after="holdfast: first") is not None:
        section.value("holdfast: first bytes", ours)
        section.value("holdfast: growth bytes", holdfast.size() - ours)
    if restic is not None and bench.others:
        first, step = "pg_dump | restic: first", "pg_dump | restic: 0.1 % changed"
        if (
            _step(bench, section, step, lambda: bench.postgres.through_restic(database, restic), after=first)
            is not None
        ):
            section.value("restic: first bytes", theirs)
            section.value("restic: growth bytes", restic.size() - theirs)


def _step(bench: Bench, section: Section, name: str, act: Callable[[], Sample], *, after: str = "") -> Sample | None:
    if name not in section.failures:
        bench.data.settle()
    return section.step(name, act, after=after)
