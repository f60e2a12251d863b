"""Keys: what opens a slot, what does not, and what a person may type."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.crypto import keys
from holdfast.crypto.keys import Keyring, Slot
from holdfast.model.errors import Damaged, NewerFormat

MASTER = b"m" * 32


def slot(kind: str = "passphrase", **change: object) -> Slot:
    fields = {
        "version": 1, "id": "a" * 32, "repository": b"r" * 16, "kind": kind, "label": "x", "created_at": "now",
        "memory": 8, "passes": 1, "lanes": 1, "salt": b"s" * 32, "wrapped": b"",
    }  # fmt: skip
    return Slot(**{**fields, **change})  # type: ignore[arg-type]


@given(st.text(min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
def test_a_passphrase_opens_its_slot_and_no_other_does(secret: str) -> None:
    """Whatever characters it is made of; half a character that cannot be encoded opens nothing."""
    try:
        secret.encode()
    except UnicodeEncodeError:
        assert keys.open_slot(keys.parse_slot(keys.seal_slot(slot(), "x", MASTER), "x"), secret) is None
        return
    stored = keys.parse_slot(keys.seal_slot(slot(), secret, MASTER), "keys/x")
    assert keys.open_slot(stored, secret) == MASTER
    assert keys.open_slot(stored, secret + "x") is None


def test_a_recovery_key_opens_its_slot_however_it_is_typed() -> None:
    """Lower case, spaces and line breaks instead of dashes; a wrong letter is a typing error, not a wrong key."""
    text = keys.new_recovery_key()
    stored = keys.parse_slot(keys.seal_slot(slot("recovery"), text, MASTER), "keys/x")
    for typed in (text, text.lower(), text.replace("-", " "), f"  {text}\n", text.replace("-", "\n")):
        assert keys.open_slot(stored, typed) == MASTER
    other = "A" if text[10] != "A" else "B"
    assert keys.parse_recovery_key(text[:10] + other + text[11:]) is None
    for wrong in (text[:-1], text + "A", text[1:], "", "HF1", "HF1-", "HF1-ÄÖÜ", text.replace("HF1", "HF2")):
        assert keys.parse_recovery_key(wrong) is None, wrong
    assert keys.open_slot(stored, keys.new_recovery_key()) is None


def test_recovery_keys_are_never_the_same() -> None:
    """They have 256 random bits."""
    assert len({keys.new_recovery_key() for _ in range(50)}) == 50


def test_every_field_of_a_slot_is_bound_to_the_key_it_wraps() -> None:
    """Any field changed, cheaper costs first of all: it does not open."""
    stored = keys.parse_slot(keys.seal_slot(slot(memory=16), "secret", MASTER), "keys/x")
    for field, value in (
        ("memory", 8), ("passes", 2), ("lanes", 2), ("label", "y"), ("id", "b" * 32), ("created_at", "then"),
        ("repository", b"q" * 16), ("salt", b"t" * 32), ("wrapped", b"w" * 48), ("version", 2),
    ):  # fmt: skip
        changed = msgspec.structs.replace(stored, **{field: value})
        assert keys.open_slot(changed, "secret") is None, field


@pytest.mark.parametrize(("field", "value"), [
    ("memory", keys.ARGON2_MEMORY_LIMIT_KIB + 1), ("passes", 65), ("lanes", 65), ("lanes", 0), ("memory", -5),
    ("passes", 0), ("memory", 1 << 63),
])  # fmt: skip
def test_absurd_costs_are_refused_before_anything_is_computed(field: str, value: int) -> None:
    """A hostile slot cannot make a client allocate gigabytes, or crash it."""
    hostile = msgspec.structs.replace(slot(wrapped=b"w" * 48), **{field: value})
    with pytest.raises(Damaged, match="absurd"):
        keys.open_slot(hostile, "secret")


def test_a_slot_of_another_version_is_not_guessed_at() -> None:
    """NewerFormat, not damage."""
    stored = keys.seal_slot(slot(version=2), "secret", MASTER)
    with pytest.raises(NewerFormat):
        keys.parse_slot(stored, "keys/x")


def test_keys_of_different_purposes_and_repositories_differ() -> None:
    """No two subkeys are alike, and the master key never shows in a representation."""
    one, two = Keyring.derive(MASTER, b"r" * 16), Keyring.derive(MASTER, b"s" * 16)
    derived = [ring.object_key("log") for ring in (one, two)]
    derived += [key for ring in (one, two) for key in (ring.id_data, ring.id_meta, ring.pack_wrap)]
    assert len(set(derived)) == len(derived)
    assert "mmmm" not in repr(one)
    assert 0 <= one.cut_seed() < 1 << 63


@pytest.mark.timeout(60)
def test_several_slots_are_opened_at_once_in_one_process() -> None:
    """Derivations in several threads wait for one another, and not for ever."""
    stored = keys.parse_slot(keys.seal_slot(slot(memory=32 << 10, passes=2, lanes=4), "secret", MASTER), "keys/x")
    with ThreadPoolExecutor(max_workers=4) as pool:
        assert list(pool.map(keys.open_slot, [stored] * 12, ["secret"] * 12)) == [MASTER] * 12
