"""What became of each item, told the way the plan listed them."""

from __future__ import annotations

import threading

from holdfast.model.plans import Action, ItemResult, RestorePlan
from holdfast.sources.files.names import label
from holdfast.sources.files.restore.intent import TREE


class Outcome:
    """Troubles by item, gathered from any thread; what is not mentioned went well."""

    def __init__(self, known: dict[bytes, tuple[str, str]]) -> None:
        self._troubles = dict(known)
        self._lock = threading.Lock()
        self.done = 0

    def say(self, name: bytes, status: str, detail: str) -> None:
        """``status`` "failed", "incomplete" or "skipped"; the worst one said about an item stays."""
        with self._lock:
            if self._troubles.get(name, ("", ""))[0] != "failed":
                self._troubles[name] = status, detail

    def add(self, done: int) -> None:
        """Count entries that were made."""
        with self._lock:
            self.done += done

    def results(self, plan: RestorePlan) -> list[ItemResult]:
        """One line for each step of the plan, and one for each item that is only counted there but went wrong."""
        found = []
        told = set()
        for step in plan.steps:
            status, detail = "ok", step.detail
            if step.kind == TREE:
                detail = ", ".join(f"{action} {count}" for action, count in step.counts.items()) or detail
            else:
                told.add(step.item)
                status, detail = self._troubles.get(step.item, (status, detail))
            found.append(ItemResult(
                name=step.label, action=step.action.value, rows=None, status=status, detail=detail
            ))
        found += [
            ItemResult(name=label(name), action=Action.CREATE.value, rows=None, status=status, detail=detail)
            for name, (status, detail) in self._troubles.items() if name not in told
        ]
        return found
