"""The Python face: ``holdfast.open("holdfast.toml")`` gives an App, and an App gives entities.

    import holdfast

    with holdfast.open("holdfast.toml") as app:
        app.backup()
        with app.entity("event", 42).deleting(connection):
            connection.execute("DELETE FROM events WHERE id = 42")
        connection.commit()
"""

from holdfast.api.app import App, open  # noqa: A004 - the name people know
from holdfast.api.entity import Entity
from holdfast.model.errors import HoldfastError

__all__ = ["App", "Entity", "HoldfastError", "open"]
