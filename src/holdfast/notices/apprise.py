"""Mail, Slack, Telegram and a hundred more, through Apprise."""

from __future__ import annotations

import logging

from holdfast.model.alert import Message
from holdfast.model.errors import MissingTool
from holdfast.model.secret import Secret
from holdfast.notices.channel import NotDelivered

_TYPES = {"critical": "failure", "warning": "warning", "info": "info", "": "success"}


class AppriseChannel:
    """One Apprise URL. Apprise tells only whether it worked; why is taken from its log."""

    def __init__(self, name: str, url: Secret) -> None:
        self.name = name
        self._url = url

    def send(self, message: Message) -> None:
        """See Channel."""
        try:
            import apprise
        except ImportError as error:
            raise MissingTool(
                "Apprise is not installed", where=f"channel {self.name}", why=str(error),
                hint="pip install 'holdfast[notify]'",
            ) from error  # fmt: skip
        service = apprise.Apprise()
        if not service.add(self._url.reveal()):
            raise NotDelivered(self.name, "Apprise does not understand the channel's URL")
        with _Listening() as heard:
            arrived = service.notify(
                title=message.title, body=message.text, notify_type=_TYPES[message.severity], body_format="text"
            )
        if not arrived:
            raise NotDelivered(self.name, heard.told(self._url) or "Apprise says only that it failed")


class _Listening(logging.Handler):
    """Hears what Apprise logs meanwhile."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())

    def told(self, secret: Secret) -> str:
        """The last line, unless a part of the URL is in it."""
        line = self._lines[-1] if self._lines else ""
        parts = [part for part in secret.reveal().replace("@", "/").replace(":", "/").split("/") if len(part) > 3]
        return "" if any(part in line for part in parts) else line

    def __enter__(self) -> _Listening:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_error: object) -> None:
        logging.getLogger("apprise").removeHandler(self)
