"""holdfast: backup and recovery that knows the application.

    cli                                 the face at a terminal: calls a use case, renders
    web | api                           the faces over HTTP | the face for Python programs
    service                             what runs by itself: work, schedules, watch
    wiring                              holdfast.toml + environment -> objects
    usecases                            one verb per file: request in, result out, events on the way
    entities                            one thing with all that belongs to it: the graph over rows
    flow | planning | records | exchange  flow moves bytes; planning decides (pure); records compares and finds rows
    repository | sources | journal | notices  stored truth | applications | what ran | messages outward
    storage | crypto | chunking         name -> bytes | seal, keys | cut, delta
    system                              child processes, atomic files, clock
    model                               ids, snapshot and item values, plans, events, errors

A byte's way: source.capture -> item -> segment -> cut -> (seen? -> reference) -> delta or compress
-> seal -> pack -> storage, and the same way back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.api import App, Entity, HoldfastError, open  # noqa: A004 - the name people know

__all__ = ["App", "Entity", "HoldfastError", "__version__", "open"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The Python face is loaded when it is used: the command line needs none of it."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("holdfast.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
