CREATE TABLE venues(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  city TEXT NOT NULL,
  seats INTEGER NOT NULL CHECK (seats > 0)
);
CREATE TABLE users(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  joined_at TEXT NOT NULL
);
CREATE TABLE events(
  id INTEGER PRIMARY KEY,
  venue_id INTEGER NOT NULL REFERENCES venues(id),
  organiser_id INTEGER NOT NULL REFERENCES users(id),
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  starts_at TEXT NOT NULL,
  price_cents INTEGER NOT NULL,
  image TEXT
);
CREATE TABLE registrations(
  id INTEGER PRIMARY KEY,
  event_id INTEGER NOT NULL REFERENCES events(id),
  user_id INTEGER NOT NULL REFERENCES users(id),
  registered_at TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('confirmed', 'waiting', 'cancelled')),
  remark TEXT
);
CREATE TABLE payments(
  id INTEGER PRIMARY KEY,
  registration_id INTEGER NOT NULL REFERENCES registrations(id),
  amount_cents INTEGER NOT NULL,
  method TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'paid', 'refunded')),
  reference BLOB NOT NULL,
  paid_at TEXT
);
CREATE INDEX events_by_time ON events(starts_at);
CREATE INDEX registrations_by_event ON registrations(event_id, status);
CREATE INDEX registrations_by_user ON registrations(user_id);
CREATE INDEX payments_by_registration ON payments(registration_id);
CREATE INDEX pending_payments ON payments(id) WHERE status = 'pending';
CREATE VIEW takings AS
  SELECT e.id AS event_id, e.title, sum(p.amount_cents) AS cents
  FROM events e JOIN registrations r ON r.event_id = e.id JOIN payments p ON p.registration_id = r.id
  WHERE p.status = 'paid' GROUP BY e.id;
