"""The little world the log protocol is explored in: two chunks, each stored full or as a delta of the other.

A pack is one bit of a mask, so that a whole store is one integer. Its bit says which session wrote it, the
how manieth of that session it is, and what it holds.
"""

from __future__ import annotations

from functools import lru_cache

from holdfast.repository.layout import pack_name
from holdfast.repository.records import PackName

A, B = 1, 2
NEEDS = {A: "a", B: "b", A | B: "ab"}
"""What a snapshot references: chunk a, chunk b, or both."""

NONE, FULL, DELTA = 0, 1, 2
SLOTS = 4
CONTENTS = 9
"""A pack's content is ``kind of a + 3 * kind of b``, from 1 to 8."""

SESSIONS = 5
_WIDTH = SLOTS * CONTENTS


def session_id(session: int) -> str:
    """The identifier of session number ``session``."""
    return f"{session + 1:032x}"


def pack_bit(session: int, slot: int, content: int) -> int:
    """The mask of one pack."""
    return 1 << (session * _WIDTH + slot * CONTENTS + content)


def all_packs_of(session: int) -> int:
    """Whatever this session may ever write."""
    return ((1 << _WIDTH) - 1) << (session * _WIDTH)


def bits(mask: int) -> list[int]:
    """The single packs of ``mask``, as masks."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low)
        mask ^= low
    return found


@lru_cache(None)
def name_of(bit: int) -> PackName:
    """The name the log knows this pack by."""
    place = bit.bit_length() - 1
    return pack_name(session_id(place // _WIDTH), place % _WIDTH)


def session_of(bit: int) -> int:
    """Which session wrote this pack."""
    return (bit.bit_length() - 1) // _WIDTH


def label(bit: int) -> str:
    """A pack for people: ``1.0[aF bD]``."""
    place = bit.bit_length() - 1
    content = place % CONTENTS
    kinds = [f"{chunk}{' FD'[kind]}" for chunk, kind in (("a", content % 3), ("b", content // 3)) if kind]
    return f"{place // _WIDTH}.{place % _WIDTH // CONTENTS}[{' '.join(kinds)}]"


def _mask(chunk: int, kind: int) -> int:
    total = 0
    for session in range(SESSIONS):
        for slot in range(SLOTS):
            for content in range(1, CONTENTS):
                if (content % 3 if chunk == A else content // 3) == kind:
                    total |= pack_bit(session, slot, content)
    return total


FULLS = {A: _mask(A, FULL), B: _mask(B, FULL)}
DELTAS = {A: _mask(A, DELTA), B: _mask(B, DELTA)}
_FULL_A, _FULL_B, _DELTA_A, _DELTA_B = FULLS[A], FULLS[B], DELTAS[A], DELTAS[B]


def resolves(need: int, packs: int) -> bool:
    """Whether every chunk of ``need`` can be read from ``packs``: full, or as a delta whose base is there in full."""
    if need & A and not packs & _FULL_A and not (packs & _DELTA_A and packs & _FULL_B):
        return False
    return not need & B or bool(packs & _FULL_B or (packs & _DELTA_B and packs & _FULL_A))


@lru_cache(None)
def covers(need: int, packs: int, *, bases: bool = True) -> tuple[int, ...]:
    """Every smallest set among ``packs`` from which ``need`` resolves; ``bases=False`` forgets the bases."""
    found = {0}
    for chunk in (A, B):
        if need & chunk:
            other = chunk ^ 3
            ways = bits(packs & FULLS[chunk])
            deltas = bits(packs & DELTAS[chunk])
            if bases:
                ways += [delta | base for delta in deltas for base in bits(packs & FULLS[other])]
            else:
                ways += deltas
            found = {cover | way for cover in found for way in ways}
    return tuple(cover for cover in found if not any(other != cover and other & cover == other for other in found))


@lru_cache(None)
def contents(need: int, present: int, *, choose: bool, base_in: int) -> tuple[int, ...]:
    """What a writer may put into one pack for ``need``, of which the chunks ``present`` need not be written.

    0 is nothing at all. ``choose``: what is present may be written all the same. A delta's base is in full in
    ``base_in``, or goes into the same pack in full.
    """
    options: dict[int, list[int]] = {}
    for chunk in (A, B):
        kinds = [NONE] if chunk & present or not chunk & need else []
        if chunk & need and (choose or not chunk & present):
            kinds += [FULL, DELTA]
        options[chunk] = kinds
    found = []
    for a in options[A]:
        for b in options[B]:
            based_a = a != DELTA or b == FULL or base_in & FULLS[B]
            based_b = b != DELTA or a == FULL or base_in & FULLS[A]
            if based_a and based_b:
                found.append(a + 3 * b)
    return tuple(found)
