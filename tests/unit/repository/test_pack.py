"""Packs: what goes in comes out, and nothing else does."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.chunking import codec
from holdfast.crypto.keys import Keyring, hkdf
from holdfast.model.errors import Damaged
from holdfast.repository import pack
from holdfast.repository.layout import pack_name, pack_path
from holdfast.repository.pack import DATA, Entry, PackBuilder, PackKey
from holdfast.repository.reader import chunk_id

SESSION = "ab" * 16
RING = Keyring.derive(b"m" * 32, b"r" * 16)


def built(chunks: list[bytes], number: int = 3, ring: Keyring = RING) -> bytes:
    builder = PackBuilder(ring, 1024)
    builder.begin(SESSION, number)
    for plain in chunks:
        how, payload = codec.encode(plain)
        builder.add(Entry(chunk_id(ring, DATA, plain), DATA, how, 0, 0, len(plain)), payload)
    data, _ = builder.finish()
    return bytes(data)


def where(number: int = 3) -> str:
    return pack_path(pack_name(SESSION, number))


def key_of(data: bytes, number: int = 3) -> PackKey:
    return PackKey(RING, data[: pack.HEADER_SIZE], where(number))


@given(st.lists(st.binary(max_size=3000), max_size=12))
@settings(max_examples=50, deadline=None)
def test_every_chunk_comes_back_and_the_trailer_tells_the_same(chunks: list[bytes]) -> None:
    """Reading frame by frame and reading the table of contents give the same entries and the same bytes."""
    data = built(chunks)
    key = key_of(data)
    found = list(pack.iterate(key, data, where()))
    assert [codec.decode(f.codec, f.payload, f.size) for _, f in found] == chunks
    trailer = pack.footer(data[-pack.FOOTER_SIZE :], where())
    assert pack.contents(key, data[trailer:], where()) == [entry for entry, _ in found]


def test_any_flipped_bit_is_noticed() -> None:
    """One bit anywhere in a pack makes reading it as a whole fail as damaged, never give other bytes."""
    data = built([b"row one\n" * 40, b"x"])
    for position in range(len(data)):
        bad = bytearray(data)
        bad[position] ^= 1 << (position % 8)
        with pytest.raises(Damaged):
            list(pack.iterate(key_of(bytes(bad)), bytes(bad), where()))


def test_any_truncation_is_noticed() -> None:
    """A pack cut off at any length does not read as whole."""
    data = built([b"row one\n" * 40, b"x"])
    for length in range(len(data)):
        with pytest.raises(Damaged):
            list(pack.iterate(key_of(data[:length]), data[:length], where()))


def test_a_pack_of_another_name_or_repository_is_refused() -> None:
    """Swapping packs, within a repository or from another one, is noticed before anything is decrypted."""
    data = built([b"x"], number=4)
    with pytest.raises(Damaged, match="another name"):
        PackKey(RING, data[: pack.HEADER_SIZE], where(3))
    foreign = built([b"x"], ring=Keyring.derive(b"m" * 32, b"s" * 16))
    with pytest.raises(Damaged, match="another repository"):
        PackKey(RING, foreign[: pack.HEADER_SIZE], where(3))


def test_frames_cannot_change_places() -> None:
    """Two frames exchanged within their pack are noticed, although each is authentic."""
    data = built([b"a" * 100, b"b" * 100])
    (one, _), (two, _) = pack.iterate(key_of(data), data, where())
    assert one.length == two.length
    swapped = bytearray(data)
    swapped[one.offset : one.offset + one.length] = data[two.offset : two.offset + two.length]
    swapped[two.offset : two.offset + two.length] = data[one.offset : one.offset + one.length]
    with pytest.raises(Damaged, match="out of order"):
        list(pack.iterate(key_of(bytes(swapped)), bytes(swapped), where()))


def test_undamaged_frames_are_salvaged_around_a_damaged_one() -> None:
    """A damaged frame costs its own chunk and no other."""
    chunks = [bytes([n]) * 700 for n in range(1, 6)]
    data = bytearray(built(chunks))
    entries = [entry for entry, _ in pack.iterate(key_of(bytes(data)), bytes(data), where())]
    data[entries[2].offset + 60] ^= 1
    saved = list(pack.salvage(key_of(bytes(data)), bytes(data), where()))
    assert saved == [entries[0], entries[1], entries[3], entries[4]]


def test_a_declared_size_bounds_what_is_inflated() -> None:
    """A small frame that inflates to more than it declares is refused, not believed."""
    _, bomb = codec.encode(bytes(8 << 20))
    with pytest.raises(Damaged, match="longer than it declares"):
        codec.decode(codec.ZSTD, bomb, 1000)
    with pytest.raises(Damaged, match="impossible size"):
        codec.decode(codec.ZSTD, bomb, 1 << 30)


def with_wraps(data: bytes, before: bytes, after: bytes) -> bytes:
    """The same pack as a later version would write it: with wraps for others around the one of the master key."""
    salt, own = data[48:80], data[84:132]
    key = AESGCM(hkdf(RING.pack_wrap, salt, "holdfast/1/pack"))
    plain = key.decrypt(bytes(12), own, data[:84])
    length = len(before) + 52 + len(after) + 80
    clear = data[:5] + bytes([3]) + length.to_bytes(2, "big") + data[8:80]
    return clear + before + data[80:84] + key.encrypt(bytes(12), plain, clear + data[80:84]) + after


def test_wraps_for_others_are_passed_over() -> None:
    """A longer header of a later version: the pack opens with the master key, and its length is found out."""
    data = built([b"some bytes"])
    other = bytes([7, 0]) + (500).to_bytes(2, "big") + b"x" * 500
    header = with_wraps(data, other, bytes([9, 0, 0, 0]))
    key = pack.read_key(RING, lambda length: header[:length], where())
    assert key.start == len(header)
    short = with_wraps(data, b"", bytes([9, 0, 0, 0]) * 2)
    assert pack.read_key(RING, lambda length: short[:length], where()).start == pack.HEADER_SIZE + 8


def test_a_pack_for_nobody_this_version_knows_is_refused() -> None:
    """Without a wrap of the master key, or with a broken one: in words."""
    data = built([b"some bytes"])
    other = bytes([7, 0]) + (48).to_bytes(2, "big")
    none, long = data[:5] + b"\0" + data[6:132], data[:82] + b"\xff" + data[83:132]
    for header in (data[:80] + other + data[84:132], none, long):
        with pytest.raises(Damaged, match="wrapped for nobody"):
            pack.read_key(RING, lambda length, header=header: header[:length], where())  # type: ignore[misc]
