"""An event management of 39 tables: one event with 7,743 rows of its own (7,674 registrations) among 200 others.

Self references, a ring, a polymorphic table, references inside JSON, composite keys, and users named from everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.servers.postgres import PostgresServer

from holdfast.entities.declared import Declaration, DeclaredEdge

BIG = 42
OTHERS = 200
REGISTRATIONS = 7_674
OWNED_ROWS = 7_743
USERS = 300

SATELLITES = (
    "announcements", "attachments", "badges", "budgets", "catering", "checkins", "contracts", "discounts", "drafts",
    "exports", "feedback", "forms", "galleries", "invitations", "invoices", "mailings", "maps", "notes", "parking",
    "permits", "polls", "reminders", "sponsors", "translations", "volunteers",
)  # fmt: skip
"""Tables of which every row belongs to one event."""

TABLES: Mapping[str, Sequence[str]] = {
    "users": ("id {id}", "email TEXT NOT NULL UNIQUE", "name TEXT"),
    "categories": ("id {id}", "name TEXT NOT NULL UNIQUE"),
    "organizers": ("id {id}", "name TEXT", "contact INTEGER REFERENCES users (id)"),
    "venues": ("id {id}", "name TEXT NOT NULL UNIQUE", "city TEXT"),
    "events": (
        "id {id}", "title TEXT", "slug TEXT UNIQUE", "organizer INTEGER NOT NULL REFERENCES organizers (id)",
        "owner INTEGER REFERENCES users (id)", "venue INTEGER REFERENCES venues (id)",
        "series INTEGER REFERENCES events (id) ON DELETE SET NULL", "main_session INTEGER",
    ),
    "sessions": (
        "id {id}", "event INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE",
        "venue INTEGER REFERENCES venues (id)", "speaker INTEGER REFERENCES users (id)", "title TEXT",
    ),
    "ticket_types": (
        "id {id}", "event INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE", "name TEXT NOT NULL",
        "price NUMERIC(10, 2)", "UNIQUE (event, name)",
    ),
    "registrations": (
        "id {id}", "event INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE",
        "person INTEGER NOT NULL REFERENCES users (id)", "ticket_type INTEGER REFERENCES ticket_types (id)",
        "referred_by INTEGER REFERENCES registrations (id) ON DELETE SET NULL", "secret TEXT UNIQUE", "note TEXT",
    ),
    "event_categories": (
        "event INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE",
        "category INTEGER NOT NULL REFERENCES categories (id)", "PRIMARY KEY (event, category)",
    ),
    "seats": (
        "event INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE", "number TEXT NOT NULL",
        "PRIMARY KEY (event, number)",
    ),
    "seat_holds": (
        "id {id}", "event INTEGER NOT NULL", "number TEXT NOT NULL", "held_by INTEGER REFERENCES users (id)",
        "FOREIGN KEY (event, number) REFERENCES seats (event, number) ON DELETE CASCADE",
    ),
    "comments": ("id {id}", "target_type TEXT NOT NULL", "target_id INTEGER NOT NULL",
                 "author INTEGER REFERENCES users (id)", "text TEXT"),
    "notifications": ("id {id}", "payload {json}"),
    "schedules": (
        "id {id}", "event INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE",
        "after INTEGER REFERENCES schedules (id)", "starts TEXT",
    ),
    **dict.fromkeys(
        SATELLITES, ("id {id}", "event INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE", "text TEXT")
    ),
}  # fmt: skip

DECLARED = Declaration(
    source="app",
    root="events",
    title="title",
    edges=(
        DeclaredEdge(from_=("notifications.payload.eventId",), to=("events",)),
        DeclaredEdge(from_=("comments.target_id",), to=("events",), when={"column": "target_type", "equals": "Event"}),
        DeclaredEdge(
            from_=("comments.target_id",), to=("sessions",), when={"column": "target_type", "equals": "Session"}
        ),
    ),
    unique={"slug": "suffix"},
    side_effects={"registrations.secret": "regenerate"},
)

Rows = dict[str, list[dict[str, Any]]]


def rows(others: int = OTHERS, registrations: int = REGISTRATIONS) -> Rows:
    """Everything the application holds."""
    found: Rows = {name: [] for name in TABLES}
    found["users"] = [{"id": n, "email": f"user{n}@example.org", "name": f"User {n}"} for n in range(1, USERS + 1)]
    found["categories"] = [{"id": n, "name": f"category {n}"} for n in range(1, 6)]
    found["organizers"] = [{"id": n, "name": f"organizer {n}", "contact": n} for n in range(1, 11)]
    found["venues"] = [{"id": n, "name": f"hall {n}", "city": "Bergen"} for n in range(1, 21)]
    for event in (*(n for n in range(1, others + 2) if n != BIG), BIG):
        _event(found, event, registrations if event == BIG else 38, big=event == BIG)
    return found


def _event(found: Rows, event: int, registrations: int, *, big: bool) -> None:
    first = {name: len(found[name]) + 1 for name in TABLES}
    found["events"].append({
        "id": event, "title": f"Event “{event}”, the\tgreat", "slug": f"event-{event}", "organizer": 1 + event % 10,
        "owner": 1 + event % USERS, "venue": 1 + event % 20, "series": BIG if event in (7, 8) else 1 if big else None,
        "main_session": first["sessions"],
    })  # fmt: skip
    for n in range(3 if big else 1):
        found["sessions"].append({"id": first["sessions"] + n, "event": event, "venue": 1 + n, "speaker": 5 + n,
                                  "title": f"session {n}"})  # fmt: skip
    for n in range(4 if big else 1):
        found["ticket_types"].append({"id": first["ticket_types"] + n, "event": event, "name": f"type {n}",
                                      "price": f"{n}.50"})  # fmt: skip
    for n in range(registrations):
        number = first["registrations"] + n
        found["registrations"].append({
            "id": number, "event": event, "person": 1 + n % USERS, "ticket_type": first["ticket_types"],
            "referred_by": number + 1 if n % 10 == 0 and n + 1 < registrations else None, "secret": f"s{number:08d}",
            "note": None if n % 3 else f"note {n} \\ ' \"",
        })  # fmt: skip
    for n in range(2 if big else 1):
        found["event_categories"].append({"event": event, "category": 1 + n})
        found["seat_holds"].append({"id": first["seat_holds"] + n, "event": event, "number": f"A{n}", "held_by": 3})
    for n in range(10 if big else 2):
        found["seats"].append({"event": event, "number": f"A{n}"})
    for n in range(4 if big else 1):
        of_event = n % 2 == 0
        target = event if of_event else first["sessions"]
        found["comments"].append({"id": first["comments"] + n, "target_type": "Event" if of_event else "Session",
                                  "target_id": target, "author": 9, "text": f"comment {n}"})  # fmt: skip
    for n in range(3 if big else 1):
        payload = {"eventId": event, "amount": 12.5, "to": [1, 2], "text": "ü"}
        found["notifications"].append({"id": first["notifications"] + n, "payload": payload})
        number = first["schedules"] + n
        found["schedules"].append({"id": number, "event": event, "after": number - 1 if n else None, "starts": f"1{n}"})
    for number, name in enumerate(SATELLITES):
        for n in range(2 if big and number < 12 else 1):
            found[name].append({"id": first[name] + n, "event": event, "text": f"{name} {n}"})


def statements(dialect: str) -> Iterator[str]:
    """Definitions: "sqlite" or "postgres"."""
    postgres = dialect == "postgres"
    types = {
        "id": "INTEGER GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY" if postgres else "INTEGER PRIMARY KEY",
        "json": "jsonb" if postgres else "JSON",
    }
    ring = "main_session INTEGER REFERENCES sessions (id) ON DELETE SET NULL"
    for name, columns in TABLES.items():
        parts = [column.format(**types) for column in columns]
        if not postgres:
            parts = [ring if part == "main_session INTEGER" else part for part in parts]
        parts.sort(key=lambda part: part.startswith(("PRIMARY", "FOREIGN", "UNIQUE (")))
        yield f"CREATE TABLE {name} ({', '.join(parts)})"
        if any(column.startswith("event ") for column in columns):
            yield f"CREATE INDEX {name}_event ON {name} (event)"
    if postgres:
        yield "ALTER TABLE events ADD FOREIGN KEY (main_session) REFERENCES sessions (id) ON DELETE SET NULL"
    yield "CREATE INDEX registrations_referred_by ON registrations (referred_by)"
    yield "CREATE INDEX events_main_session ON events (main_session)"
    yield "CREATE INDEX registrations_ticket_type ON registrations (ticket_type)"


def flat(value: Any) -> Any:
    """JSON as text."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


_SESSIONS = f"(SELECT id FROM sessions WHERE event = {BIG})"
FORCED_DELETE = (
    f"DELETE FROM notifications WHERE id IN (SELECT id FROM notifications WHERE {{event_id}} = '{BIG}')",
    f"DELETE FROM comments WHERE target_type = 'Session' AND target_id IN {_SESSIONS}",
    f"DELETE FROM comments WHERE target_type = 'Event' AND target_id = {BIG}",
    f"DELETE FROM events WHERE id = {BIG}",
)
"""What the application does when somebody insists; ``event_id``: how the dialect looks into the payload."""


def fill_postgres(server: PostgresServer, database: str, **sizes: int) -> None:
    """Definitions and rows; sequences stand where an application would have left them."""
    with server.connect(database) as connection, connection.transaction():
        for statement in statements("postgres"):
            if "REFERENCES sessions (id) ON DELETE SET NULL" not in statement:
                connection.execute(statement.encode())
        found = rows(**sizes)
        connection.execute(b"SET LOCAL session_replication_role = replica")
        for name, each in found.items():
            with connection.cursor().copy(f"COPY {name} ({', '.join(each[0])}) FROM STDIN".encode()) as copy:
                for row in each:
                    copy.write_row(tuple(map(flat, row.values())))
            if "id" in each[0]:
                asked = f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))"
                connection.execute(asked.encode())
    with server.connect(database) as connection, connection.transaction():
        for statement in statements("postgres"):
            if "REFERENCES sessions (id) ON DELETE SET NULL" in statement:
                connection.execute(statement.encode())
