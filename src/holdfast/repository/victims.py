"""Who suffers from a chunk that cannot be read? The living snapshots and items that name it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from holdfast.model.errors import Damaged, NewerFormat
from holdfast.repository.checkpoint import LoggedSnapshot
from holdfast.repository.findings import HEALS, Found, describe, named_in, still_wanted
from holdfast.repository.manifest import ManifestReader
from holdfast.repository.reader import ChunkReader
from holdfast.repository.vault import DeadPacks, Vault


def name_victims(vault: Vault, found: Found, living: list[LoggedSnapshot]) -> None:
    """Turn the bad chunks into findings that name the snapshots and items that suffer."""
    if not found.bad:
        return
    reader = ChunkReader(vault, DeadPacks(vault.log, ""))
    victims: dict[bytes, list[str]] = {}
    known: dict[bytes, list[tuple[bytes, str]]] = {}
    for snapshot in filter(partial(still_wanted, vault), living):
        with contextlib.suppress(Damaged, NewerFormat):  # a manifest that cannot be read is a finding of its own
            for chunk, item in _bad_uses(found, ManifestReader(reader, snapshot.root), snapshot.root, known):
                victims.setdefault(chunk, []).append(f"{describe(snapshot)}: {item}")
    for where in dict.fromkeys(found.bad.values()):
        chunks = [chunk for chunk, place in found.bad.items() if place == where]
        names = list(dict.fromkeys(name for chunk in chunks for name in victims.get(chunk, ())))
        if names:
            found.add(f"{len(chunks)} chunks cannot be read", where, names, HEALS)
        elif not found.baseless.issuperset(chunks):
            found.add(
                f"{len(chunks)} chunks cannot be read, no living snapshot needs them", where, hint="holdfast prune"
            )


def _bad_uses(
    found: Found, manifest: ManifestReader, root: bytes, known: dict[bytes, list[tuple[bytes, str]]]
) -> Iterator[tuple[bytes, str]]:
    """(chunk, item) for every bad chunk a snapshot needs. ``known``: what was found in pages seen before."""
    yield from ((chunk, "its manifest") for chunk in manifest.chunks(root) if chunk in found.bad)
    for ref in manifest.pages():
        if ref.chunk not in known:
            known[ref.chunk] = [use for use in named_in(manifest.page(ref)) if use[0] in found.bad]
        yield from known[ref.chunk]
