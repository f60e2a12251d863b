"""What programs do with backups, in the audit trail."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.model.audit import Act
from holdfast.model.events import Reporter, Warned
from holdfast.system import clock
from holdfast.usecases.audit import note
from holdfast.usecases.noting import noted, snapshot_meant
from holdfast.wiring.build import App as Wired


@dataclass(frozen=True, slots=True)
class Acts:
    """Those of one call. What cannot be noted is a warning, or where the configuration demands it an error."""

    wired: Wired
    report: Reporter

    def look(self, what: str, *, snapshot: str = "", source: str = "", subject: str = "") -> None:
        """Note a look inside backup content, before anything is given out. ``snapshot`` as it was named."""
        subject, source = snapshot_meant(self.wired.repository, snapshot) or (subject, source)
        act = _act("data:read", what, source, subject)
        if warning := note(self.wired.repository, act, required=self.wired.settings.audit.required).warning:
            self._warn(warning)

    @contextlib.contextmanager
    def change(
        self, deed: str, what: str, *, source: str = "", subject: str = "", dry_run: bool = False
    ) -> Iterator[None]:
        """Note that a change begins and how it ended; a dry run is a look."""
        if dry_run:
            self.look(f"what would happen: {what}", source=source, subject=subject)
            yield
            return
        required = self.wired.settings.audit.required
        act = _act(deed, what, source, subject)
        with noted(self.wired.repository, act, required=required, warn=self._warn):
            yield

    def _warn(self, text: str) -> None:
        self.report(Warned(source="", text=text))


def _act(deed: str, what: str, source: str, subject: str) -> Act:
    return Act(at=clock.stamp(), deed=deed, who=clock.user(), via="python", what=what, source=source, subject=subject)
