"""Behind ``serve`` and ``daemon``: one configuration, its journal, its work, and readers for whoever looks."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from holdfast.model.errors import HoldfastError
from holdfast.model.run import Run
from holdfast.service.agenda import Agenda, Standing
from holdfast.service.defects import Defects
from holdfast.service.live import Live
from holdfast.service.orders import BackupWish, backup_order
from holdfast.service.scheduler import Means, Scheduler
from holdfast.service.upkeep import SHIPPING, jobs_of, retention_order, wants_retention
from holdfast.service.work import Order, Work
from holdfast.system import clock
from holdfast.system.sole import Sole
from holdfast.wiring.build import App
from holdfast.wiring.journals import file_of, open_mended
from holdfast.wiring.load import Configuration
from holdfast.wiring.pool import Pool
from holdfast.wiring.settings import Settings


class Service:
    """Every method may be called from any thread. Close it to wait for what runs and let go of everything.

    ``counts``: runs that ended since the process began, by kind, source and status.
    """

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.journal = open_mended(configuration)
        self.live = Live()
        self.counts: Counter[tuple[str, str, str]] = Counter()
        path = file_of(configuration)
        self._sole = Sole(path.with_name("service.lock")) if path is not None else None
        self.work = Work(
            configuration, self.journal, self.live, width=configuration.settings.running.concurrency,
            sole=self._sole is not None and self._sole.held,
        )  # fmt: skip
        self.agenda = Agenda(self.journal, jobs_of(configuration.settings, self.journal))
        self.defects = Defects(configuration)
        self._rounds: list[Callable[[datetime], None]] = []
        self.scheduler = Scheduler(self._means())
        self.work.on_over += [self._count, self._over]
        self.work.on_error.append(self.defects.tell)
        self._scheduling = False
        self._pool = Pool(lambda: App(configuration, ask=lambda _url: None))

    @property
    def settings(self) -> Settings:
        """What the configuration says."""
        return self.configuration.settings

    def start(self, order: Order) -> Run:
        """Queue an order. RepositoryBusy when the same is being done."""
        return self.work.start(order)

    def back_up(self, wish: BackupWish) -> Run:
        """Queue a backup of one source; UsageError when there is no such source."""
        if wish.source not in self.settings.sources:
            with contextlib.closing(App(self.configuration, ask=lambda _url: None)) as app:
                app.sources((wish.source,))
        return self.start(backup_order(wish, self.journal))

    def interrupt(self, run: str) -> bool:
        """Ask a run to stop as soon as it can do so cleanly; False when it does not run here."""
        return self.work.interrupt(run)

    def schedules(self) -> list[Standing]:
        """Every schedule, in words, with what comes next."""
        return self.agenda.standing(clock.now())

    def next_due(self, source: str) -> datetime | None:
        """When a source is backed up next; None without a schedule, or while it is paused."""
        mine = [each for each in self.schedules() if each.schedule.source == source and each.schedule.name != SHIPPING]
        return min((each.next_at for each in mine if each.next_at is not None), default=None)

    def pause(self, source: str, who: str = "") -> None:
        """Keep no appointment of a source, or with "" of any, until ``resume``; what is late then is done once."""
        self.agenda.pause(source, who)

    def resume(self, source: str) -> None:
        """Take a pause back."""
        self.agenda.resume(source)
        self.scheduler.wake()

    def paused(self) -> Mapping[str, str]:
        """Source -> since when, and by whom; "" stands for all of them."""
        return self.agenda.paused()

    def on_round(self, look: Callable[[datetime], None]) -> None:
        """Have ``look`` called about once a minute while the scheduler runs, in a thread apart from the schedules."""
        self._rounds.append(look)

    def run_scheduler(self) -> None:
        """Keep appointments from now on, until ``close``."""
        self._scheduling = True
        self.scheduler.start()

    @contextlib.contextmanager
    def reading(self) -> Iterator[App]:
        """Open objects to look with, nobody else's while the context lasts; the repository's log is up to date."""
        with self._pool.lend() as app:
            yield app

    def close(self, grace: float | None = None) -> None:
        """Begin nothing more, wait ``grace`` seconds (None: for ever) for what runs, have it stop, let go."""
        if self._scheduling:
            self.scheduler.stop()
        self.work.close(grace)
        self._pool.close()
        self.journal.close()
        self.defects.close()
        if self._sole is not None:
            self._sole.close()

    def _means(self) -> Means:
        return Means(
            journal=self.journal, work=self.work, agenda=self.agenda, reading=self.reading,
            retries=self.settings.running.retries, rounds=self._rounds, on_error=self.defects.tell,
        )  # fmt: skip

    def _count(self, run: Run) -> None:
        for source in run.sources or [""]:
            self.counts[run.kind, source, run.status.value] += 1

    def _over(self, run: Run) -> None:
        """After a good scheduled backup the rules of retention are followed."""
        if wants_retention(self.settings, run):
            with contextlib.suppress(HoldfastError):  # the same is being done already, or the service stops
                self.start(retention_order(run.sources[0]))
