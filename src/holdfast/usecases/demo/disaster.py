"""A bad day for the sample application."""

from __future__ import annotations

import shutil
from pathlib import Path

from holdfast.usecases.demo import shop
from holdfast.usecases.demo.making import DATABASE


def disaster(folder: Path) -> list[str]:
    """Delete an event with everything on it, drop a table, lose media, overwrite configuration. What was done."""
    return [*_in_database(folder / DATABASE), _in_media(folder / "media"), _in_configuration(folder / "config")]


def _in_database(path: Path) -> list[str]:
    with shop.connected(path) as connection:
        event, title, coming = connection.execute(
            "SELECT e.id, e.title, count(*) FROM events e JOIN registrations r ON r.event_id = e.id "
            "GROUP BY e.id ORDER BY count(*) DESC, e.id LIMIT 1"
        ).fetchone()
        payments = connection.execute("SELECT count(*) FROM payments").fetchone()[0]
        connection.execute("DROP VIEW takings")
        connection.execute("DROP TABLE payments")
        connection.execute("DELETE FROM registrations WHERE event_id = ?", (event,))
        connection.execute("DELETE FROM events WHERE id = ?", (event,))
    return [
        f"event {event} “{title}” was deleted with its {coming:,} registrations",
        f"the table payments was dropped with its {payments:,} rows, and the view that needs it",
    ]


def _in_media(media: Path) -> str:
    lost = [media / "events" / "03", media / "plans"]
    count = sum(1 for folder in lost for path in folder.rglob("*") if path.is_file())
    for folder in lost:
        shutil.rmtree(folder)
    (media / "today.jpg").unlink()
    front = media / "front-page.jpg"
    front.write_bytes(front.read_bytes()[:1000])
    return f"{count} media files and a link are gone, another picture was cut off"


def _in_configuration(config: Path) -> str:
    (config / "app.toml").write_text("[site]\nname = 'CHANGE ME'\n", encoding="utf-8")
    (config / ".env").write_text("SECRET_KEY=\n", encoding="utf-8")
    (config / ".env").chmod(0o644)
    return "the configuration was overwritten with defaults, the secret among it"
