"""holdfast: backup and recovery that knows the application.

    cli                                 the face: parse, call a use case, render; nothing else
    wiring                              holdfast.toml + environment -> objects
    usecases                            one verb per file: request in, result out, events on the way
    entities                            one thing with all that belongs to it: the graph over rows
    flow | planning | records | exchange  flow moves bytes; planning decides (pure); records compares and finds rows
    repository | sources                stored truth | applications
    storage | crypto | chunking         name -> bytes | seal, keys | cut, delta
    system                              child processes, atomic files, clock
    model                               ids, snapshot and item values, plans, events, errors

A byte's way: source.capture -> item -> segment -> cut -> (seen? -> reference) -> delta or compress
-> seal -> pack -> storage, and the same way back.
"""

__version__ = "0.1.0"
