"""Is every byte what was written? Packs are read whole, every frame opened, decoded and hashed again."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from holdfast.model.errors import Damaged, ObjectMissing
from holdfast.repository.fetching import fetch
from holdfast.repository.findings import Found
from holdfast.repository.fragments import Location, decode_row
from holdfast.repository.layout import pack_path
from holdfast.repository.reader import ChunkReader
from holdfast.repository.readings import PacksRead
from holdfast.repository.rebuild import packs_present
from holdfast.repository.vault import DeadPacks, Vault
from holdfast.repository.writer import verify_pack

_NEVER = datetime.min.replace(tzinfo=UTC)


def living_packs(vault: Vault) -> dict[bytes, int]:
    """Packs in storage that were not swept, with their sizes in bytes."""
    swept = vault.log.state.swept
    return {name: size for name, size in packs_present(vault).items() if name not in swept}


class PackReading:
    """One pass over packs; problems go to ``found``, the bytes of each pack read to ``advance``."""

    def __init__(self, vault: Vault, found: Found, advance: Callable[[int], None]) -> None:
        self._vault = vault
        self._found = found
        self._advance = advance
        self._broken: dict[bytes, Damaged] = {}
        self._read = PacksRead()

    def read(self, share: float, last: Mapping[bytes, datetime]) -> PacksRead:
        """Read ``share`` (0-1] of the packs whole and verify every frame, first those longest not read well.

        ``last``: when they were.
        """
        packs = sorted(living_packs(self._vault).items(), key=lambda pack: (last.get(pack[0], _NEVER), pack[0]))
        if share < 1 and packs:
            packs = packs[: max(1, math.ceil(share * len(packs)))]
        with ThreadPoolExecutor(max_workers=2) as pool:
            for _ in pool.map(self._read_pack, packs):
                pass
        self._broken_packs()
        self._read.size = sum(size for _, size in packs)
        return self._read

    def _read_pack(self, pack: tuple[bytes, int]) -> None:
        name, size = pack
        where = pack_path(name)
        reader = ChunkReader(self._vault, DeadPacks(self._vault.log, ""))
        try:
            data = fetch(self._vault.storage, where)
        except ObjectMissing:
            return  # swept meanwhile, or reported by ``structure``
        except Damaged as error:
            self._found.add(error.what, where, [error.why], error.hint)
            self._broken[name] = error
            self._read.bad.append(name)
            return

        def base_of(chunk: bytes) -> bytes | None:
            with contextlib.suppress(Damaged):
                return reader.read(chunk)
            return None

        kept = self._read.good
        try:
            # A delta that nothing needs any more may outlive its base; whether one is needed is seen at the end.
            for chunk in verify_pack(self._vault.keyring, data, where, base_of):
                if base_of(chunk) is None:
                    kept = self._read.doubtful
                    self._found.baseless.add(chunk)
                    self._found.bad.setdefault(chunk, where)
        except Damaged as error:
            self._broken[name] = error
            kept = self._read.bad
        kept.append(name)
        self._advance(size)

    def _broken_packs(self) -> None:
        """What became of the chunks of damaged packs; their rows are found in one pass over the index."""
        if not self._broken:
            return
        places: dict[bytes, list[Location]] = {name: [] for name in self._broken}
        rows, _ = self._vault.index.merged()
        for row in rows.rows():
            if row[32:52] in places:
                places[row[32:52]].append(decode_row(row))
        reader = ChunkReader(self._vault, DeadPacks(self._vault.log, ""))
        for name, error in sorted(self._broken.items()):
            self._damaged(name, places[name], reader, error)

    def _damaged(self, name: bytes, places: list[Location], reader: ChunkReader, error: Damaged) -> None:
        """Which chunks of a damaged pack are really lost: those without another copy."""
        where = pack_path(name)
        lost = 0
        for place in places:
            try:
                reader.read_copy(place)
            except (Damaged, ObjectMissing):
                if not self._other_copy(reader, place):
                    self._found.bad[place.id] = where
                lost += 1
        if not lost:
            self._found.add(
                f"{error.what}, but every chunk in it can be read", where, hint="holdfast prune rewrites it"
            )
        elif not any(place == where for place in self._found.bad.values()):
            self._found.add(f"{lost} chunks are damaged here, but have another copy", where)

    def _other_copy(self, reader: ChunkReader, place: Location) -> bool:
        for other in self._vault.index.locations(place.id):
            if other != place:
                try:
                    reader.read_copy(other)
                except (Damaged, ObjectMissing):
                    continue
                return True
        return False
