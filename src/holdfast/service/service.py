"""Behind ``serve`` and ``daemon``: one configuration, its journal, its work, and readers for whoever looks."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator

from holdfast.model.run import Run
from holdfast.service.live import Live
from holdfast.service.orders import BackupWish, backup_order
from holdfast.service.work import Order, Work
from holdfast.wiring.build import App
from holdfast.wiring.journals import open_journal
from holdfast.wiring.load import Configuration
from holdfast.wiring.settings import Settings

_READERS = 4


class Service:
    """Every method may be called from any thread. Close it to wait for what runs and let go of everything."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.journal = open_journal(configuration)
        self.live = Live()
        width = max(1, configuration.settings.running.concurrency) * max(1, len(configuration.settings.sources))
        self.work = Work(configuration, self.journal, self.live, width=width)
        self._idle: queue.LifoQueue[App] = queue.LifoQueue()

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
        return self.start(backup_order(wish))

    @contextlib.contextmanager
    def reading(self) -> Iterator[App]:
        """Open objects to look with, nobody else's while the context lasts; the repository's log is up to date."""
        try:
            app = self._idle.get_nowait()
            app.repository.log.follow()
        except queue.Empty:
            app = App(self.configuration, ask=lambda _url: None)
        except BaseException:
            app.close()
            raise
        try:
            yield app
        except BaseException:
            app.close()
            raise
        if self._idle.qsize() < _READERS:
            self._idle.put(app)
        else:
            app.close()

    def close(self) -> None:
        """Wait for what runs, then let go."""
        self.work.close()
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()
        self.journal.close()
