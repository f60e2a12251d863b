"""The index out of the packs alone: every pack carries its own table of contents."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from holdfast.chunking import codec
from holdfast.model.errors import Damaged, ObjectMissing
from holdfast.repository import pack as packs
from holdfast.repository.fetching import fetch
from holdfast.repository.fragments import (
    BASE_ROW_SIZE,
    ROW_SIZE,
    Fragment,
    base_key,
    encode_base,
    encode_fragment,
    encode_row,
    split_fragment,
)
from holdfast.repository.layout import INDEX, PACKS, index_path, pack_path, parse_pack_path
from holdfast.repository.pack import Entry
from holdfast.repository.reader import ChunkReader
from holdfast.repository.vault import DeadPacks, Vault

# Fragments of one session that repairs write: those rebuilt from packs first, rewritten ones far behind.
_DROPPED = 1 << 20


def packs_present(vault: Vault) -> dict[bytes, int]:
    """Every pack in storage, by its 20-byte name, with its size in bytes."""
    found: dict[bytes, int] = {}
    for stat in vault.storage.list(PACKS):
        name = parse_pack_path(stat.name)
        if name is not None:
            found[name] = stat.size
    return found


def packs_indexed(vault: Vault) -> set[bytes]:
    """Packs the index has rows for."""
    rows, _ = vault.index.merged()
    indexed: set[bytes] = set()
    for number in range(256):
        data = rows.bucket(number)
        indexed.update(data[at + 32 : at + 52] for at in range(0, len(data), 64))
    return indexed


def unindexed(vault: Vault) -> dict[bytes, int]:
    """Packs in storage that the index does not know and the log did not sweep, with sizes."""
    indexed, swept = packs_indexed(vault), vault.log.state.swept
    return {
        name: size for name, size in packs_present(vault).items() if name not in indexed and name not in swept
    }


def read_contents(vault: Vault, name: bytes, size: int) -> list[Entry]:
    """The entries of one pack, from its trailer; by reading all its frames when the trailer is damaged."""
    where = pack_path(name)
    key = packs.read_key(vault.keyring, lambda length: fetch(vault.storage, where, 0, length), where)
    try:
        trailer = packs.footer(fetch(vault.storage, where, size - packs.FOOTER_SIZE, packs.FOOTER_SIZE), where)
        return packs.contents(key, fetch(vault.storage, where, trailer, size - trailer), where)
    except Damaged:
        return list(packs.salvage(key, fetch(vault.storage, where), where))


def rescue(vault: Vault) -> tuple[int, list[Damaged]]:
    """Teach the index every pack it does not know; returns how many packs, and what could not be read."""
    found: list[tuple[bytes, list[Entry]]] = []
    problems: list[Damaged] = []
    for name, entries in _contents(vault, problems):
        vault.index.add(
            (encode_row(name, entry) for entry in entries),
            (encode_base(name, entry) for entry in entries if entry.base),
        )
        found.append((name, entries))
    return len(found), problems


def repair(vault: Vault, session: str) -> tuple[int, list[Damaged]]:
    """Write index fragments, under ``session``, for every pack that has none; returns packs and problems."""
    problems: list[Damaged] = []
    fragment, number, count = Fragment(), 0, 0
    for name, entries in _contents(vault, problems):
        fragment.rows += [encode_row(name, entry) for entry in entries]
        fragment.bases += [encode_base(name, entry) for entry in entries if entry.base]
        count += 1
        if len(fragment.rows) > 50_000:
            _write(vault, session, number, fragment)
            fragment, number = Fragment(), number + 1
    if fragment.rows:
        _write(vault, session, number, fragment)
    for error in vault.index.damaged:
        vault.storage.delete(error.where)
    vault.index.damaged.clear()
    return count, problems


def drop_lost(vault: Vault, session: str, lost: Iterable[bytes], missing: Container[bytes]) -> int:
    """Take what cannot be read of these chunks, and all of missing packs, out of the index: backups store it anew.

    A delta that only lacks its base stays: it counts again as soon as the base is back. Fragments are rewritten
    under ``session``. Returns how many copies went.
    """
    copies = _unreadable(vault, lost)
    dropped = 0
    for number, stat in enumerate(list(vault.storage.list(INDEX))):
        with contextlib.suppress(Damaged, ObjectMissing):
            rows, bases, progress = split_fragment(
                vault.sealer.open("index", stat.name, fetch(vault.storage, stat.name)), stat.name
            )
            left = Fragment(
                list(_without(rows, ROW_SIZE, copies, missing)),
                list(_without(bases, BASE_ROW_SIZE, copies, missing)),
                progress,
            )
            gone = len(rows) // ROW_SIZE - len(left.rows)
            if gone:
                _write(vault, session, _DROPPED + number, left)
                vault.storage.delete(stat.name)
                dropped += gone
    vault.index.discard()
    vault.index.load()
    return dropped


def _unreadable(vault: Vault, chunks: Iterable[bytes]) -> set[bytes]:
    reader = ChunkReader(vault, DeadPacks(vault.log, ""))
    copies: set[bytes] = set()
    for chunk in chunks:
        for place in vault.index.locations(chunk):
            try:
                if place.codec == codec.DELTA:
                    reader.unseal(place)
                else:
                    reader.read_copy(place)
            except (Damaged, ObjectMissing):
                copies.add(base_key(place))
    return copies


def _without(
    rows: memoryview, width: int, copies: Container[bytes], packs: Container[bytes]
) -> Iterator[bytes]:
    data = bytes(rows)
    for at in range(0, len(data), width):
        if data[at : at + 56] not in copies and data[at + 32 : at + 52] not in packs:
            yield data[at : at + width]


def _contents(vault: Vault, problems: list[Damaged]) -> Iterator[tuple[bytes, list[Entry]]]:
    missing = sorted(unindexed(vault).items())

    def read(pair: tuple[bytes, int]) -> list[Entry] | Damaged:
        try:
            return read_contents(vault, *pair)
        except ObjectMissing:
            return []  # swept since the listing
        except Damaged as error:
            return error

    with ThreadPoolExecutor(max_workers=vault.storage.traits.parallel) as pool:
        for (name, _), result in zip(missing, pool.map(read, missing), strict=True):
            if isinstance(result, Damaged):
                problems.append(result)
            elif result:
                yield name, result


def _write(vault: Vault, session: str, number: int, fragment: Fragment) -> None:
    name = index_path(session, number)
    vault.storage.put_new(name, vault.sealer.seal("index", name, encode_fragment(fragment)))
    vault.index.add(fragment.rows, fragment.bases)
    vault.index.cover(name)
