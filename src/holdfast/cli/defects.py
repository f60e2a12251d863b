"""Defects of one-shot commands, told to Sentry where the configuration names a project."""

from __future__ import annotations

import click

from holdfast.cli.face import Face
from holdfast.model.errors import HoldfastError


def tell(face: Face, error: BaseException) -> None:
    """Tell of ``error`` unless it is a failure that holdfast itself explains, and wait two seconds at most.

    That it cannot be told is a warning: the command has failed already.
    """
    explained = isinstance(error, HoldfastError | click.ClickException | click.exceptions.Abort)
    if explained or not isinstance(error, Exception):
        return
    try:
        from holdfast.cli.opening import configuration  # loaded for those who have something to tell
        from holdfast.wiring.channels import sentry_of

        if (sentry := sentry_of(configuration(face))) is not None:
            sentry.report(error)
            sentry.close()
    except Exception as failure:  # noqa: BLE001 - telling of one defect must not be the next
        if not isinstance(failure, HoldfastError):
            face.warning(f"Sentry was not told of this: {type(failure).__name__}")
        elif "sentry" in failure.where:
            face.warning(f"Sentry was not told of this: {failure.what}")
