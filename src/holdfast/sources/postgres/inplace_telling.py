"""What a restore into a living database says of each item as it goes: done, left as it was, or with a warning."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.model.events import Reporter, Warned
from holdfast.model.plans import Action, ItemResult, RestorePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """The results by item, the last word of each; warnings about ``database`` go to ``report`` at once."""

    database: str
    report: Reporter
    results: dict[bytes, ItemResult] = field(default_factory=dict)

    def done(
        self, name: bytes, action: str, rows: int | None = None, *, status: str = "ok", detail: str = ""
    ) -> None:
        """What became of this item, which is called by its name."""
        label = name.decode("utf-8", "backslashreplace")
        self.add(name, ItemResult(name=label, action=action, rows=rows, status=status, detail=detail))

    def add(self, name: bytes, result: ItemResult) -> None:
        """Take the word of whoever did it."""
        self.results[name] = result

    def warn(self, text: str) -> None:
        """Tell now what the user should know."""
        self.report(Warned(source=self.database, text=text))

    def all(self, plan: RestorePlan) -> list[ItemResult]:
        """Every result, then what the plan left as it was."""
        return [*self.results.values(), *self._untouched(plan)]

    def _untouched(self, plan: RestorePlan) -> list[ItemResult]:
        return [
            ItemResult(
                name=step.label,
                action=step.action.value,
                rows=step.rows,
                status="skipped",
                detail=step.detail,
            )
            for step in plan.steps
            if step.item not in self.results and step.action is Action.LEAVE
        ]
