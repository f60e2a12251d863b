"""The examples run: Django and FastAPI with a real PostgreSQL, Celery with a worker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.program import Site
from tests.servers.postgres import fresh_database, shared_server

EXAMPLES = Path(__file__).parents[2] / "examples"

_ENTITY = '\n[entities.event]\nsource = "shop"\nroot = "events"\ntitle = "title"\n'

_DJANGO = """
import sys; sys.path.insert(0, {folder!r})
import shop
from django.db import connection
from django.test import Client
shop.create_tables()
for title in ("One", "Two"):
    event = shop.Event.objects.create(title=title)
    for n in range(30):
        shop.Ticket.objects.create(event=event, holder=f"{{title}} {{n}}")
before = sorted(shop.Ticket.objects.values_list())
answer = Client().post("/events/2/delete")
assert answer.status_code == 200, answer.content
assert shop.Event.objects.count() == 1 and shop.Ticket.objects.count() == 30
# a delete that fails after the capture leaves everything
from django.db import transaction
try:
    with transaction.atomic(), shop.backups.entity("event", 1).deleting(connection.connection):
        shop.Event.objects.get(pk=1).delete()
        raise RuntimeError("changed my mind")
except RuntimeError:
    pass
assert shop.Event.objects.count() == 1
assert Client().post("/events/2/restore").status_code == 200
assert sorted(shop.Ticket.objects.values_list()) == before
print("done")
"""

_FASTAPI = """
import sys; sys.path.insert(0, {folder!r})
import shop
from fastapi.testclient import TestClient
with shop._connect() as connection:
    connection.execute("CREATE TABLE events (id serial PRIMARY KEY, title text)")
    connection.execute("CREATE TABLE tickets (id serial PRIMARY KEY, event int REFERENCES events ON DELETE CASCADE)")
with TestClient(shop.api) as client:
    answer = client.post("/events/import", json=["One", "Two"])
    assert answer.json()["imported"] == 2, answer.text
    with shop._connect() as connection:
        connection.execute("INSERT INTO tickets (event) SELECT 2 FROM generate_series(1, 50)")
    assert client.delete("/events/2").json()["snapshot"]
    assert client.delete("/events/2").status_code == 404
    with shop._connect() as connection:
        assert connection.execute("SELECT count(*) FROM tickets").fetchone() == (0,)
    assert client.post("/events/2/restore").json()["undo"]
    with shop._connect() as connection:
        assert connection.execute("SELECT count(*) FROM tickets").fetchone() == (50,)
    assert client.get("/backups").json()["snapshots"] >= 1
print("done")
"""

_CELERY = """
import sys; sys.path.insert(0, {folder!r})
import tasks
from celery.contrib.testing.worker import start_worker
with start_worker(tasks.queue, perform_ping_check=False, pool="threads", loglevel="ERROR"):
    result = tasks.back_up.delay().get(timeout=60)
assert len(result["snapshots"]) == 1 and result["pruned"] == 0
assert tasks.backups.list()[0].id == result["snapshots"][0]
print("done")
"""


@pytest.fixture
def shop(empty_site: Site) -> Iterator[Site]:
    """An empty database, protected by a new repository."""
    server = shared_server("16")
    with fresh_database(server) as database:
        empty_site.environ["DATABASE_URL"] = server.url(database)
        empty_site.ok("init", "--repository", "./backups", "--source", f"shop={server.url(database)}")
        with (empty_site.folder / "holdfast.toml").open("a") as file:
            file.write(_ENTITY)
        yield empty_site


@pytest.mark.parametrize(("name", "program"), [("django", _DJANGO), ("fastapi", _FASTAPI), ("celery", _CELERY)])
def test_the_example_runs(shop: Site, name: str, program: str) -> None:
    """Capture, delete and restore inside the framework's own transactions and workers."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program.format(folder=str(EXAMPLES / name))],
        cwd=shop.folder, env=shop.environ, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip().split("\n")[-1]) == (0, "done"), done.stderr[-3000:]
