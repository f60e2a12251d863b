"""The SQL that makes the measured databases on the server: the same rows each time, realistic texts, keys, indexes."""

from __future__ import annotations

from collections.abc import Sequence

_PHRASES = (
    "doors open half an hour earlier", "please bring a printed ticket", "vegetarian option requested",
    "arrives with two colleagues", "needs step-free access", "paid by bank transfer", "moved from the waiting list",
    "asked for an invoice with VAT number", "prefers the morning session", "will join for the dinner only",
    "first visit to the venue", "speaker's guest", "certificate of attendance wanted", "has a lactose intolerance",
    "cancelled and registered again", "sharing a room with the organiser", "late arrival by train",
    "parking space reserved", "asked to be seated near the stage", "the confirmation mail bounced once",
    "reminder sent a week before", "discount code from the newsletter", "student price, card was checked",
    "travels on the same evening", "the company pays afterwards", "interested in the workshop on Friday",
    "no photographs please", "wants the slides afterwards", "registered by phone", "two seats next to each other",
    "changed the name on the ticket", "left a message for the team",
)  # fmt: skip
_FIRST = [
    "Anna",
    "Ben",
    "Chiara",
    "David",
    "Elif",
    "Femi",
    "Greta",
    "Hiro",
    "Ines",
    "Jonas",
    "Kaya",
    "Luis",
    "Mara",
    "Noor",
    "Olga",
    "Pavel",
]
_LAST = [
    "Abe",
    "Brandt",
    "Costa",
    "Duarte",
    "Ek",
    "Fischer",
    "Greco",
    "Horvat",
    "Ito",
    "Jensen",
    "Klein",
    "Lopez",
    "Moreau",
    "Novak",
    "Okoye",
    "Petrov",
]
_CITIES = ["Aarhus", "Basel", "Cork", "Dresden", "Evora", "Freiburg", "Gdansk", "Helsinki"]


def _array(words: Sequence[str]) -> str:
    return "(ARRAY[" + ",".join("'" + word.replace("'", "''") + "'" for word in words) + "]::text[])"


def _pick(words: Sequence[str], seed: int, row: str = "i") -> str:
    return f"{_array(words)}[1 + (hashint8extended({row}, {seed}) & {len(words) - 1})]"


def _number(seed: int, below: int | str, row: str = "i") -> str:
    """A number from 1 to ``below`` that looks random and depends on the row only."""
    return f"(1 + ((hashint8extended({row}, {seed}) >> 3) & 1152921504606846975) % {below})"


def _sentences(count: int, seed: int) -> str:
    return "concat_ws(', ', " + ", ".join(_pick(_PHRASES, seed + k) for k in range(count)) + ")"


_START = "timestamptz '2024-01-01 08:00+00'"

USERS = f"""
CREATE TABLE users (id int NOT NULL, email text NOT NULL, name text NOT NULL, city text, bio text,
                    settings jsonb NOT NULL, created_at timestamptz NOT NULL);
INSERT INTO users SELECT i, lower({_pick(_FIRST, 1)} || '.' || {_pick(_LAST, 2)}) || i || '@example.org',
  {_pick(_FIRST, 1)} || ' ' || {_pick(_LAST, 2)}, {_pick(_CITIES, 3)}, {_sentences(2, 10)},
  jsonb_build_object('locale', {_pick(["de", "en", "fr", "pt"], 4)}, 'newsletter', i % 3 = 0, 'theme', i % 5),
  {_START} + make_interval(secs => i * 37) FROM generate_series(1, {{users}}) i;
"""

EVENTS = f"""
CREATE TABLE venues (id int NOT NULL, name text NOT NULL, city text NOT NULL, seats int NOT NULL);
INSERT INTO venues SELECT i, 'Hall ' || i, {_pick(_CITIES, 5)}, {_number(6, 900)} FROM generate_series(1, 2000) i;
CREATE TABLE events (id int NOT NULL, venue_id int NOT NULL, title text NOT NULL, description text NOT NULL,
                     details jsonb NOT NULL, starts_at timestamptz NOT NULL, price numeric(10,2) NOT NULL);
INSERT INTO events SELECT i, {_number(20, 2000)}, initcap({_pick(_PHRASES, 21)}) || ' ' || i,
  {_sentences(24, 30)},
  jsonb_build_object('language', {_pick(["de", "en", "fr", "pt"], 22)}, 'tags', jsonb_build_array(
     {_pick(_CITIES, 23)}, {_pick(_LAST, 24)}), 'capacity', {_number(25, 900)}, 'uid', md5(i::text)),
  {_START} + make_interval(mins => i * 11), {_number(26, 20000)} / 100.0 FROM generate_series(1, {{events}}) i;
"""

REGISTRATIONS = f"""
CREATE TABLE registrations (id bigint NOT NULL, event_id int NOT NULL, user_id int NOT NULL, status text NOT NULL,
   seats smallint NOT NULL, amount numeric(10,2) NOT NULL, code text NOT NULL, note text, answers jsonb,
   created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
INSERT INTO registrations SELECT i, {_number(41, "{events}")}, {_number(42, "{users}")},
  {_pick(["confirmed", "confirmed", "cancelled", "waiting"], 43)}, 1 + i % 3, {_number(44, 20000)} / 100.0,
  md5((i * 7919)::text), {_sentences(3, 50)},
  CASE WHEN i % 4 = 0 THEN NULL ELSE jsonb_build_object('diet', {_pick(_LAST, 45)}, 'size', i % 6) END,
  {_START} + make_interval(secs => i * 31.25), {_START} + make_interval(secs => i * 31.25 + {_number(46, 90000)})
  FROM generate_series({{low}}::bigint, {{high}}) i;
"""

PAYMENTS = f"""
CREATE TABLE payments (id bigint NOT NULL, registration_id bigint NOT NULL, method text NOT NULL,
   amount numeric(10,2) NOT NULL, currency char(3) NOT NULL, reference text NOT NULL, paid_at timestamptz NOT NULL);
INSERT INTO payments SELECT i, {_number(60, "{registrations}")}, {_pick(["card", "transfer", "invoice", "cash"], 61)},
  {_number(62, 20000)} / 100.0, 'EUR', md5((i * 104729)::text), {_START} + make_interval(secs => i * 66.5)
  FROM generate_series(1::bigint, {{payments}}) i;
CREATE TABLE audit_log (id bigint NOT NULL, at timestamptz NOT NULL, entry jsonb NOT NULL);
INSERT INTO audit_log SELECT i, {_START} + make_interval(secs => i * 300), jsonb_build_object(
  'actor', {_number(70, "{users}")}, 'verb', {_pick(["create", "update", "delete", "login"], 71)},
  'note', {_sentences(2, 72)}, 'object',
  jsonb_build_object('kind', 'registration', 'id', {_number(75, "{registrations}")}))
  FROM generate_series(1::bigint, {{audit}}) i;
"""

BIG_KEYS = """
ALTER TABLE registrations ADD PRIMARY KEY (id);
CREATE INDEX ON registrations (event_id);
CREATE INDEX ON registrations (user_id, created_at);
CREATE INDEX ON registrations (created_at);
"""

OTHER_KEYS = """
ALTER TABLE users ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX ON users (email);
ALTER TABLE venues ADD PRIMARY KEY (id);
ALTER TABLE events ADD PRIMARY KEY (id);
CREATE INDEX ON events (starts_at);
ALTER TABLE payments ADD PRIMARY KEY (id);
CREATE INDEX ON payments (registration_id);
ALTER TABLE audit_log ADD PRIMARY KEY (id);
"""

FOREIGN_KEYS = """
ALTER TABLE events ADD FOREIGN KEY (venue_id) REFERENCES venues;
ALTER TABLE registrations ADD FOREIGN KEY (event_id) REFERENCES events;
ALTER TABLE registrations ADD FOREIGN KEY (user_id) REFERENCES users;
ALTER TABLE payments ADD FOREIGN KEY (registration_id) REFERENCES registrations;
"""

NARROW = f"""
CREATE TABLE readings (id int NOT NULL, sensor int NOT NULL, value int NOT NULL);
INSERT INTO readings SELECT i, {_number(80, 5000)}, {_number(81, 100000)} FROM generate_series(1, {{narrow}}) i;
ALTER TABLE readings ADD PRIMARY KEY (id);
"""

SMALL_TABLES = """
DO $do$
BEGIN
  FOR t IN {low}..{high} LOOP
    EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, name text NOT NULL, made timestamptz NOT NULL)', 'part_' || t);
    EXECUTE format('INSERT INTO %I SELECT i, md5((i * %s)::text), timestamptz ''2024-01-01 08:00+00'' '
                   '+ make_interval(mins => i) FROM generate_series(1, 20) i', 'part_' || t, t);
  END LOOP;
END $do$;
"""

CHANGE = """
UPDATE registrations SET status = 'changed', updated_at = updated_at + interval '1 day'
  WHERE hashint8extended(id, {seed}) % 1000 = 0;
UPDATE payments SET amount = amount + 1 WHERE hashint8extended(id, {seed}) % 1000 = 0;
UPDATE audit_log SET entry = entry || '{{"seen": true}}' WHERE hashint8extended(id, {seed}) % 1000 = 0;
UPDATE users SET city = 'Elsewhere' WHERE hashint8extended(id, {seed}) % 1000 = 0;
UPDATE events SET price = price + 1 WHERE hashint8extended(id, {seed}) % 1000 = 0;
"""
"""0.1 % of the rows of each table, spread over all of it; another thousandth for each seed."""

KEYS = {
    "indexes": "SELECT count(*), 0 FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": "SELECT count(*), 0 FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
}
"""How many of each a database has."""

FINGERPRINT = "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {table} t"
"""The multiset of a table's rows in two numbers."""
