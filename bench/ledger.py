"""What was measured so far: samples by step, failures, single values; kept in results.json between runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.measure import BenchError, Sample, median


@dataclass(slots=True)
class Section:
    """One section's results. A step is written ``tool: what``, as "holdfast: first"."""

    name: str
    when: str = ""
    repeats: int = 0
    load: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def step(self, name: str, act: Callable[[], Sample], *, after: str = "") -> Sample | None:
        """Measure once more; None when it fails now, failed before, or the step it needs (``after``) failed."""
        if after and after in self.failures:
            self.failures.setdefault(name, f"not measured: “{after}” failed")
        if name in self.failures:
            return None
        try:
            sample = act()
        except BenchError as error:
            self.failures[name] = str(error)
            print(f"  {name}: FAILED: {error}", flush=True)
            return None
        self.samples.setdefault(name, []).append(sample)
        print(
            f"  {name:32} {sample.wall:7.2f} s  cpu {sample.cpu:6.2f} + server {sample.server_cpu:6.2f}"
            f"  peak {sample.rss_main >> 20} / {sample.rss_tree >> 20} MiB",
            flush=True,
        )
        return sample

    def value(self, name: str, number: float) -> None:
        """Note a number that is no execution."""
        self.values.setdefault(name, []).append(number)

    def fail(self, name: str, why: str) -> None:
        """What was found wrong, although the command succeeded."""
        self.failures[name] = why
        print(f"  {name}: FAILED: {why}", flush=True)

    def wall(self, step: str) -> float | None:
        """Median wall time."""
        return self.middle(step, lambda sample: sample.wall)

    def middle(self, step: str, part: Callable[[Sample], float]) -> float | None:
        """Median of one part of a step's samples."""
        found = self.samples.get(step)
        return median([part(sample) for sample in found]) if found and step not in self.failures else None


class Ledger:
    """All sections, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sections: dict[str, Section] = {}
        if path.exists():
            for document in json.loads(path.read_text()):
                samples = document.pop("samples")
                section = Section(**document)
                section.samples = {name: [Sample(**one) for one in many] for name, many in samples.items()}
                self.sections[section.name] = section

    def begin(self, name: str, repeats: int) -> Section:
        """A section measured anew: what was known of it before goes."""
        return Section(name=name, when=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), repeats=repeats)

    def keep(self, section: Section) -> None:
        """Write the section down."""
        self.sections[section.name] = section
        self._path.write_text(json.dumps([asdict(each) for each in self.sections.values()], indent=1))
