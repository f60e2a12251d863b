"""BSON as bytes: found without decoding, never changed."""

import contextlib
import struct
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.mongodb.corpus import CHANGED_BY_DECODING, everything

from holdfast.sources.mongodb.documents import (
    NotBson,
    array_of_documents,
    batch,
    documents,
    elements,
    field,
    made,
    only,
    runs,
    split,
)
from holdfast.sources.mongodb.loading import nonzero
from holdfast.sources.mongodb.values import LOOKING, RAW, identity, look, order, plain, raw_document


def _names() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("name", everything())
def test_a_document_comes_out_of_an_answer_and_goes_into_a_command_in_the_same_bytes(name: str) -> None:
    """Duplicate keys, deprecated types, payloads of NaN: what the driver would change is never decoded."""
    raw = everything()[name]
    cursor = {"firstBatch": [raw_document(raw)] * 2, "id": bson.Int64(7), "ns": "d.c"}
    reply = bson.encode({"cursor": cursor, "ok": 1.0})
    assert batch(reply) == (7, [raw, raw])
    command = bson.encode({"insert": "c", "documents": [raw_document(raw)]}, codec_options=RAW)
    assert raw in command
    assert RawBSONDocument(command)["documents"][0].raw == raw


@pytest.mark.parametrize("name", everything())
def test_every_document_can_be_looked_at(name: str) -> None:
    """Nothing a server may hold makes looking fail: it has values, a place in an order, a form in JSON."""
    raw = everything()[name]
    values = look(raw)
    assert order(values) == order(look(raw))
    assert identity(values) == identity(look(raw))
    assert plain(values)["_id"] == values["_id"]
    assert isinstance(hash(tuple(values.values())), int)
    if name not in CHANGED_BY_DECODING:
        assert bson.encode(values, codec_options=LOOKING) == raw


def test_fields_with_one_name_are_all_there() -> None:
    """Walking over a document shows duplicates, the first is what ``field`` gives."""
    raw = everything()["duplicate fields"]
    assert [name for _, name, _, _ in elements(raw)] == [b"_id", b"a", b"a"]
    assert field(raw, b"a") == (0x10, b"\x01\0\0\0")
    assert made([(kind, name, raw[start:end]) for kind, name, start, end in elements(raw)]) == raw


@given(st.dictionaries(_names(), VALUES, max_size=6))
@settings(max_examples=60, deadline=None)
def test_elements_are_those_the_driver_sees(document: dict[str, Any]) -> None:
    """Any document: the same names, and the same bytes when put together again."""
    raw = bson.encode(document)
    found = list(elements(raw))
    assert [name.decode() for _, name, _, _ in found] == list(bson.decode(raw))  # it writes ``_id`` first
    assert made([(kind, name, raw[start:end]) for kind, name, start, end in found]) == raw


@given(st.lists(st.integers(0, 200), max_size=30), st.integers(1, 100))
@settings(max_examples=40, deadline=None)
def test_blocks_of_any_size_give_the_same_documents(sizes: list[int], step: int) -> None:
    """Borders of blocks do not matter; ``runs`` holds whole documents only."""
    wanted = [bson.encode({"_id": number, "x": "y" * size}) for number, size in enumerate(sizes)]
    whole = b"".join(wanted)
    blocks = [whole[at : at + step] for at in range(0, len(whole), step)]
    assert list(documents(blocks)) == wanted
    assert [each for run in runs(blocks) for each in split(run)] == wanted


@pytest.mark.parametrize("broken", [b"\x05\0\0", b"\x04\0\0\0\0", b"\xff\xff\xff\xff\0", b"\x10\0\0\0\x02a\0\0\0\0\0"])
def test_what_is_no_document_is_refused(broken: bytes) -> None:
    """A length that cannot be ends with an error, never with a loop or a wrong document."""
    with pytest.raises(NotBson):
        list(documents([broken]))


@given(st.binary(min_size=5, max_size=60))
@settings(max_examples=200, deadline=None)
def test_hostile_bytes_end(noise: bytes) -> None:
    """Elements of anything come to an end, in bounds or with NotBson."""
    raw = struct.pack("<i", len(noise) + 4) + noise
    try:
        for _, _, start, end in elements(raw):
            assert 4 < start <= end <= len(raw)
    except NotBson:
        pass


def test_empty_timestamps_are_kept_from_the_server() -> None:
    """At the top they are filled on insert, so others are sent first; inside, and in ``_id``, they are left."""
    raw = everything()["empty timestamp"]
    altered, names = nonzero(raw)
    assert names == ["t"]
    assert [name for _, name, _, _ in elements(altered)] == [b"_id", b"t", b"after"]
    assert only(altered, b"after") == only(raw, b"after")
    assert nonzero(everything()["timestamps"])[1] == []


@given(st.binary(max_size=80))
@settings(max_examples=200, deadline=None)
def test_hostile_answers_end(noise: bytes) -> None:
    """An array of anything comes to an end: documents out of it, or NotBson."""
    raw = struct.pack("<i", len(noise) + 5) + noise + b"\0"
    with contextlib.suppress(NotBson):
        assert sum(map(len, array_of_documents(raw))) <= len(raw)
