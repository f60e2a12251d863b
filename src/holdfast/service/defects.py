"""Defects: errors nobody foresaw. They are logged, and told to Sentry where the configuration names a project."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from holdfast.model.errors import HoldfastError
from holdfast.wiring.channels import sentry_of
from holdfast.wiring.load import Configuration

_log = logging.getLogger("holdfast.defects")


class Defects:
    """``broken``: why none can be told to Sentry although the configuration names a project."""

    def __init__(self, configuration: Configuration) -> None:
        self.broken: HoldfastError | None = None
        self._tell: Callable[[BaseException], None] | None = None
        self._close: Callable[[], None] | None = None
        self._redactor = configuration.around.redactor
        try:
            if sentry := sentry_of(configuration):
                self._tell, self._close = sentry.report, sentry.close
        except HoldfastError as error:
            self.broken = error

    def tell(self, error: BaseException) -> None:
        """Tell of ``error`` unless it is a failure that holdfast itself explains. Raises nothing, waits for nothing."""
        if isinstance(error, HoldfastError) or not isinstance(error, Exception):
            return
        stack = "".join(traceback.format_tb(error.__traceback__))
        told = self._redactor.clean(f"{type(error).__name__}: {error}")
        _log.error("%s", told, extra={"code": "defect", "stack": stack})
        if self._tell is not None:
            try:
                self._tell(error)
            except Exception as failure:  # noqa: BLE001 - telling of one defect must not be the next
                _log.warning("Sentry was not told: %s", type(failure).__name__)

    def close(self) -> None:
        """Wait two seconds at most for what is on its way."""
        if self._close is not None:
            self._close()
