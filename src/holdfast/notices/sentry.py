"""Defects told to Sentry: the stack and the versions, never values of variables, never the text of an error."""

from __future__ import annotations

from typing import Any

from holdfast.model.errors import MissingTool, UsageError
from holdfast.model.secret import Redactor, Secret


class Sentry:
    """One project of a Sentry server, with a client of its own: nothing of the host program is touched."""

    def __init__(self, dsn: Secret, redactor: Redactor, release: str) -> None:
        try:
            import sentry_sdk
        except ImportError as error:
            raise MissingTool(
                "sentry-sdk is not installed", where="[alerts] sentry", why=str(error),
                hint="pip install 'holdfast[sentry]'",
            ) from error  # fmt: skip
        self._redactor = redactor
        try:
            sentry_sdk.utils.Dsn(dsn.reveal())
        except sentry_sdk.utils.BadDsn as error:
            raise UsageError("this is no DSN of a Sentry project", where="[alerts] sentry") from error
        self._client = sentry_sdk.Client(
            dsn=dsn.reveal(), release=f"holdfast@{release}", include_local_variables=False,
            default_integrations=False, max_breadcrumbs=0, server_name="", before_send=self._clean,
        )  # fmt: skip
        self._event_of = sentry_sdk.utils.event_from_exception

    def report(self, error: BaseException) -> None:
        """Tell of one defect, without waiting for the answer."""
        # a scope would ask whichever client the host program has, not this one
        event, hint = self._event_of(error, client_options=self._client.options)
        self._client.capture_event(event, hint=hint)

    def close(self) -> None:
        """Wait a moment for what is on its way."""
        self._client.close(timeout=2.0)

    def _clean(self, event: Any, _hint: Any) -> Any:
        for each in (event.get("exception") or {}).get("values") or []:
            each["value"] = "not told: it may hold what was being backed up"
        return _cleaned(event, self._redactor)


def _cleaned(value: Any, redactor: Redactor) -> Any:
    """The same document with every secret taken out of its texts."""
    if isinstance(value, str):
        return redactor.clean(value)
    if isinstance(value, dict):
        return {key: _cleaned(each, redactor) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(each, redactor) for each in value]
    return value
