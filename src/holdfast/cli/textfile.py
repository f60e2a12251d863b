"""Metrics after a run of the command line, for node_exporter's textfile collector: where nothing is scraped."""

from __future__ import annotations

from holdfast.cli.face import Face
from holdfast.journal.base import Journal
from holdfast.model.errors import HoldfastError
from holdfast.model.report import SystemReport
from holdfast.wiring.build import App


def write_metrics(face: Face, app: App, journal: Journal) -> None:
    """Into the file of ``[alerts] textfile``, if there is one. That it cannot be written is a warning.

    Runs are not counted: a count that begins anew with each process would say nothing.
    """
    if not (textfile := app.settings.alerts.textfile):
        return
    from holdfast.service.metrics import metrics_text, write_textfile  # only for those who want it

    path = app.configuration.base / textfile
    try:
        write_textfile(path, metrics_text(_seen(app, journal)))
    except OSError as error:
        face.warning(f"the metrics were not written: {path}: {error.strerror}")


def _seen(app: App, journal: Journal) -> SystemReport | None:
    from holdfast.wiring.reporting import system_report

    try:
        app.refresh()
        return system_report(app, journal)
    except HoldfastError:
        return None
