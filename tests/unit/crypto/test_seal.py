"""Sealed objects: what comes out is what went in under this very name, or Damaged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.crypto.keys import Keyring
from holdfast.crypto.seal import PAD, ObjectSealer
from holdfast.model.errors import Damaged

SEALER = ObjectSealer(Keyring.derive(b"m" * 32, b"r" * 16))


@given(st.binary(max_size=2000))
@settings(max_examples=50, deadline=None)
def test_any_payload_comes_back_and_its_size_is_hidden(payload: bytes) -> None:
    """Sizes are told in steps of the padding only."""
    sealed = SEALER.seal("log", "log/1", payload)
    assert SEALER.open("log", "log/1", sealed) == payload
    assert (len(sealed) - 40 - 16) % PAD == 0


def test_no_two_seals_are_alike() -> None:
    """The same payload under the same name twice: salts, and so keys, differ."""
    one, two = SEALER.seal("log", "log/1", b"x"), SEALER.seal("log", "log/1", b"x")
    assert one[8:40] != two[8:40]
    assert one[40:] != two[40:]


def test_name_purpose_and_repository_are_bound() -> None:
    """Moved, taken for another type, or carried to another repository of the same key: Damaged, naming the place."""
    sealed = SEALER.seal("log", "log/1", b"x")
    other = ObjectSealer(Keyring.derive(b"m" * 32, b"s" * 16))
    for sealer, purpose, name in ((SEALER, "log", "log/2"), (SEALER, "index", "log/1"), (other, "log", "log/1")):
        with pytest.raises(Damaged) as caught:
            sealer.open(purpose, name, sealed)
        assert caught.value.where == name


def test_every_bit_and_every_length_counts() -> None:
    """Any flipped bit, any truncation, anything behind it: Damaged."""
    sealed = SEALER.seal("index", "index/a/1", b"payload")
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1 << at % 8
        with pytest.raises(Damaged):
            SEALER.open("index", "index/a/1", bytes(changed))
        with pytest.raises(Damaged):
            SEALER.open("index", "index/a/1", sealed[:at])
    with pytest.raises(Damaged):
        SEALER.open("index", "index/a/1", sealed + b"\0")
