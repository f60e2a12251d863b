"""One event of 7,743 rows, deleted and brought back: from its own snapshot, and from a thousand times its size."""

from __future__ import annotations

from tests.integration.entities.event_application import (
    BIG,
    FORCED_DELETE,
    OTHERS,
    OWNED_ROWS,
    TABLES,
    fill_postgres,
)
from tests.servers.postgres import PostgresServer

from bench.ledger import Section
from bench.measure import BenchError, Sample
from bench.sections.databases import Bench

_DATABASE = "entities"
_EACH = 400
_UNCHECKED = "SET session_replication_role = replica; "
_INDEXES = {f"registrations_{column}": column for column in ("event", "referred_by", "ticket_type")}
_DECLARED = """
[entities.event]
source = "app"
root = "events"
[[entities.event.edges]]
from = "notifications.payload.eventId"
to = "events"
[[entities.event.edges]]
from = "comments.target_id"
to = "events"
when = { column = "target_type", equals = "Event" }
[[entities.event.edges]]
from = "comments.target_id"
to = "sessions"
when = { column = "target_type", equals = "Session" }
[entities.event.unique]
slug = "suffix"
[entities.event.side_effects]
"registrations.secret" = "regenerate"
"""


def entities(bench: Bench, section: Section) -> None:
    """Saved, deleted by force, restored: ``times`` the rows of the event stand around it."""
    server = bench.data.server
    fill(server, bench.data.times * OWNED_ROWS)
    section.facts["database bytes"] = bench.data.size(_DATABASE)
    bench.holdfast.begin(app=bench.data.url(_DATABASE))
    bench.holdfast.declare(_DECLARED)
    event = str(BIG)
    before = _state(server)
    own = section.step("entity: backup", lambda: bench.holdfast.entity("backup", "event", event))
    whole = section.step("whole database: backup", lambda: bench.holdfast.backup("app"))
    if whole is None or own is None:
        return
    snapshot, small = whole.said["snapshots"][0]["id"], own.said["snapshot"]["id"]
    for number in range(bench.repeats + 1):
        _delete(server)
        section.step("entity: restore from its snapshot", lambda: _restored(bench, server, before, small))
        _delete(server)
        if not number:
            bench.holdfast.forget_indexes()
        name = "entity: restore from the whole, " + ("warm" if number else "cold")
        section.step(name, lambda: _restored(bench, server, before, snapshot))
    section.step("entity: clone", lambda: bench.holdfast.entity("clone", "event", event, "--yes"))
    server.drop_database(_DATABASE)


def _restored(bench: Bench, server: PostgresServer, before: list[str], snapshot: str) -> Sample:
    sample = bench.holdfast.entity("restore", "event", str(BIG), "--yes", "--from", snapshot)
    if _state(server) != before:
        raise BenchError("the event is not what it was")
    return sample


def fill(server: PostgresServer, rows: int) -> None:
    """The application, with further events of 400 registrations each until there are about so many rows."""
    server.drop_database(_DATABASE)
    server.create_database(_DATABASE)
    fill_postgres(server, _DATABASE)
    more = max(1, rows // (_EACH + 1))
    first = OTHERS + 2
    for statement in (
        *(f"DROP INDEX {name}" for name in _INDEXES),
        "ALTER TABLE registrations DROP CONSTRAINT registrations_secret_key",
        f"""{_UNCHECKED}INSERT INTO events (id, title, slug, organizer, owner) SELECT n, 'Event ' || n, 'event-' || n,
            1 + n % 10, 1 + n % 300 FROM generate_series({first}, {first + more - 1}) n""",
        f"""{_UNCHECKED}INSERT INTO registrations (event, person, secret, note)
            SELECT n, 1 + m % 300, 'x' || n || '-' || m, CASE m % 3 WHEN 0 THEN 'note ' || m END
            FROM generate_series({first}, {first + more - 1}) n, generate_series(1, {_EACH}) m""",
        "ALTER TABLE registrations ADD UNIQUE (secret)",
        *(f"CREATE INDEX {name} ON registrations ({column})" for name, column in _INDEXES.items()),
        "SELECT setval('events_id_seq', (SELECT max(id) FROM events))",
        "ANALYZE",
    ):
        server.run(statement, _DATABASE)


def _delete(server: PostgresServer) -> None:
    for statement in FORCED_DELETE:
        server.run(statement.format(event_id="payload ->> 'eventId'"), _DATABASE)


def _state(server: PostgresServer) -> list[str]:
    """A sum over every row of the event, and how many others there are."""
    found = []
    for name, columns in TABLES.items():
        of_event = any(column.startswith("event ") for column in columns)
        where = f"WHERE event = {BIG}" if of_event else f"WHERE id = {BIG}" if name == "events" else ""
        asked = f"SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {name} t {where}"
        found.append(f"{name} {server.run(asked, _DATABASE)[0]}")
    return found
