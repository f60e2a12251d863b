"""One invocation's way of speaking: a document for scripts, lines for people, progress and logs on stderr."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from holdfast.cli.failure import Failure, failure_of
from holdfast.cli.words import printable
from holdfast.model.ids import new_id
from holdfast.model.secret import Redactor
from holdfast.wiring.surroundings import of_process

if TYPE_CHECKING:
    from holdfast.model.events import Reporter
    from holdfast.wiring.build import App

_STYLES = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}


class Keeping(Protocol):
    """What keeps a record of one call."""

    def attach(self, app: App) -> None:
        """Hear what the call works with, and close it in the end."""
        ...

    def hearing(self, report: Reporter) -> Reporter:
        """``report``, and the record hears of it too."""
        ...


class Face:
    """Options given before or after the verb end up here; verbs speak through it and read nothing else.

    ``run_id`` is that of the run this call is, ``record`` what is kept of it, ``told`` its document.
    ``spoken`` takes what would be written on stderr, with its style, where that is a log.
    """

    def __init__(self) -> None:
        self.as_json = False
        self.verbosity = 0
        self.dry_run = False
        self.yes = False
        self.config: str | None = None
        self.repository: str | None = None
        self.around = of_process()
        self._documented = False
        self._warned: set[str] = set()
        self.alarms: list[str] = []
        self.record: Keeping | None = None
        self.run_id = new_id()
        self.told: Any = None
        self.spoken: Callable[[str, str], None] | None = None

    @property
    def redactor(self) -> Redactor:
        """Takes the secrets this call has seen out of text."""
        return self.around.redactor

    @property
    def quiet(self) -> bool:
        """Only the result and errors."""
        return self.verbosity < 0

    def document(self, value: Any) -> None:
        """The one JSON document of this call; nothing unless ``--json`` was given."""
        self.told = value
        if self.as_json:
            self._documented = True
            _write(sys.stdout, json.dumps(value, ensure_ascii=True, default=_plain) + "\n")

    def stream_document(self, pieces: Iterable[str]) -> None:
        """The one JSON document, for what is too long to hold; ``pieces`` are ASCII JSON text."""
        for piece in pieces:
            self._documented = True
            sys.stdout.write(piece)
        sys.stdout.flush()

    def line(self, text: str = "", style: str = "") -> None:
        """One line of the result, for people; nothing with ``--json``."""
        if not self.as_json:
            _write(sys.stdout, self._styled(sys.stdout, printable(text), style) + "\n")

    def lines(self, texts: Iterable[str]) -> None:
        """Several lines of the result."""
        for text in texts:
            self.line(text)

    def note(self, text: str, style: str = "") -> None:
        """One line on stderr: advice, warnings. Not with ``-q``."""
        if not self.quiet:
            self.loud_note(text, style)

    def warning(self, text: str, source: str = "") -> None:
        """A warning on stderr; what was said already in this call is not said again. Not with ``-q``."""
        if told := self.unsaid(text, source):
            self.note(told, "yellow")

    def unsaid(self, text: str, source: str) -> str:
        """A warning in full the first time it comes up, "" from then on."""
        told = f"warning: {source}: {text}" if source else f"warning: {text}"
        if told in self._warned:
            return ""
        self._warned.add(told)
        return told

    def loud_note(self, text: str, style: str = "") -> None:
        """One line on stderr that must be seen."""
        if self.spoken is not None:
            self.spoken(self.redactor.clean(text), style)
            return
        _write(sys.stderr, self._styled(sys.stderr, printable(self.redactor.clean(text)), style) + "\n")

    def alarm(self, text: str) -> None:
        """What is wrong with the repository itself: seen on stderr, and kept in ``alarms`` for documents."""
        self.alarms.append(self.redactor.clean(text))
        self.loud_note(f"warning: {text}", "yellow")

    def fail(self, error: BaseException) -> int:
        """Show what went wrong, without secrets, and return the exit status."""
        failure = failure_of(error)
        if self.as_json and not self._documented:
            self.document(self.without_secrets(failure.document()))
        else:
            for number, text in enumerate(failure.lines()):
                self.loud_note(text, "red" if number == 0 else "")
        if self.verbosity >= 2:
            self._trace(failure, error)
        return failure.status

    def _trace(self, failure: Failure, error: BaseException) -> None:
        """Where it happened. Local variables are not shown: they hold what must not be seen."""
        for entry in traceback.format_exception(error):
            for text in entry.rstrip("\n").split("\n"):
                self.loud_note(text, "" if failure.trace else "dim")

    def without_secrets(self, document: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        """An error's document, cleaned; ``code`` is for programs and stays, whatever the secrets are."""

        def cleaned(name: str, text: str) -> str:
            return text if name == "code" else self.redactor.clean(text)

        return {key: {name: cleaned(name, text) for name, text in fields.items()} for key, fields in document.items()}

    def _styled(self, stream: Any, text: str, style: str) -> str:
        if not style or not self.colours(stream):
            return text
        return f"\033[{_STYLES[style]}m{text}\033[0m"

    def colours(self, stream: Any) -> bool:
        """Whether colour is wanted: a terminal that understands it, and no NO_COLOR."""
        environ = self.around.environ
        return bool(stream.isatty()) and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _write(stream: Any, text: str) -> None:
    stream.write(text)
    stream.flush()


def _plain(value: Any) -> Any:
    """What json does not know: structs, dataclasses, bytes names, tuples of them."""
    import msgspec

    return msgspec.to_builtins(value, enc_hook=str)
