"""Checks of single values in holdfast.toml, and of a table against a dataclass whose fields name their checks.

Written out by hand: a library that makes such checks out of annotations takes longer to load than a short command
takes to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from holdfast.model.errors import UsageError
from holdfast.wiring.surroundings import check_reference
from holdfast.wiring.units import parse_duration, parse_size

Place = tuple[str, ...]
NO_TABLE = " must be a table of its own"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at one place. ``words`` follow the key; for an unknown key there are none."""

    place: Place
    words: str = ""

    @property
    def unknown(self) -> bool:
        """Whether nobody knows such a key."""
        return not self.words


Check = Callable[[Place, Any, list[Problem]], Any]


def checked(check: Check, default: Any = MISSING) -> Any:
    """A dataclass field whose value in the file is taken through ``check``; without a default it must be given."""
    return field(default=default, metadata={"check": check})


def table(place: Place, given: Any, shape: type[Any], problems: list[Problem]) -> dict[str, Any]:
    """The values for ``shape`` that stand in one table; what is wrong is added to ``problems``."""
    if not isinstance(given, Mapping):
        problems.append(Problem(place, NO_TABLE))
        return {}
    values = {}
    known = fields(shape)
    for each in known:
        if each.name in given:
            values[each.name] = each.metadata["check"]((*place, each.name), given[each.name], problems)
        elif each.default is MISSING and each.default_factory is MISSING:
            problems.append(Problem((*place, each.name), " is missing"))
    names = {each.name for each in known}
    problems += [Problem((*place, str(key))) for key in given if key not in names]
    return values


def of_shape(shape: type[Any]) -> Check:
    """A table of its own, as an object of ``shape``."""

    def check(place: Place, value: Any, problems: list[Problem]) -> Any:
        before = len(problems)
        values = table(place, value, shape, problems)
        return shape(**values) if len(problems) == before else None

    return check


def each_of(check: Check) -> Check:
    """A list of what ``check`` accepts."""

    def check_all(place: Place, value: Any, problems: list[Problem]) -> Any:
        if not isinstance(value, list | tuple):
            problems.append(Problem(place, " must be a list"))
            return ()
        return tuple(check((*place, str(number)), each, problems) for number, each in enumerate(value))

    return check_all


def by_name(check: Check) -> Check:
    """A table whose keys are free names, each with what ``check`` accepts."""

    def check_all(place: Place, value: Any, problems: list[Problem]) -> Any:
        if not isinstance(value, Mapping):
            problems.append(Problem(place, NO_TABLE))
            return {}
        return {str(key): check((*place, str(key)), each, problems) for key, each in value.items()}

    return check_all


def one_of(*allowed: str) -> Check:
    """One of a few words."""

    def check(place: Place, value: Any, problems: list[Problem]) -> Any:
        if value not in allowed:
            problems.append(Problem(place, f" must be one of: {', '.join(allowed)}"))
        return value

    return check


def text(place: Place, value: Any, problems: list[Problem]) -> Any:
    """Text that is not empty."""
    if not isinstance(value, str):
        problems.append(Problem(place, " must be text in quotes"))
    elif not value:
        problems.append(Problem(place, " is empty"))
    return value


texts = each_of(text)


def reference(place: Place, value: Any, problems: list[Problem]) -> Any:
    """A reference to a secret, never the secret."""
    before = len(problems)
    text(place, value, problems)
    if len(problems) == before:
        _tried(check_reference, place, value, problems)
    return value


def flag(place: Place, value: Any, problems: list[Problem]) -> Any:
    """true or false."""
    if not isinstance(value, bool):
        problems.append(Problem(place, " must be true or false"))
    return value


def count(place: Place, value: Any, problems: list[Problem]) -> Any:
    """A whole number from 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        problems.append(Problem(place, " must be a whole number, 0 or more"))
    return value


def number(place: Place, value: Any, problems: list[Problem]) -> Any:
    """A number from 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        problems.append(Problem(place, " must be a number, 0 or more"))
        return 0.0
    return float(value)


def duration(place: Place, value: Any, problems: list[Problem]) -> Any:
    """``26h``, as a timedelta."""
    if not isinstance(value, str):
        problems.append(Problem(place, ' must be a duration in quotes, such as "26h"'))
        return None
    return _tried(parse_duration, place, value, problems)


def size(place: Place, value: Any, problems: list[Problem]) -> Any:
    """``1MiB`` or a number of bytes, as bytes."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if not isinstance(value, str):
        problems.append(Problem(place, ' must be a size in quotes, such as "1MiB"'))
        return None
    return _tried(parse_size, place, value, problems)


def zone(place: Place, value: Any, problems: list[Problem]) -> Any:
    """The name of a time zone."""
    if isinstance(value, str) and value:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            problems.append(Problem(place, f": there is no time zone {value!r}; write one such as Europe/Vienna"))
        return value
    return text(place, value, problems)


def unknown_keys(place: Place, given: Iterable[Any], known: Iterable[str], problems: list[Problem]) -> None:
    """Tell of every key that nobody knows."""
    names = set(known)
    problems += [Problem((*place, str(key))) for key in given if key not in names]


def _tried(parse: Callable[[str], Any], place: Place, value: str, problems: list[Problem]) -> Any:
    try:
        return parse(value)
    except UsageError as error:
        problems.append(Problem(place, f": {error.what}; {error.hint}" if error.hint else f": {error.what}"))
    except ValueError as error:
        problems.append(Problem(place, f": {error}"))
    return value
