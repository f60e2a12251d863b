"""Chunk payloads: raw, zstd, or a zstd frame that uses an older chunk as prefix (a delta)."""

from __future__ import annotations

import sys

from holdfast.model.errors import Damaged

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

RAW, ZSTD, DELTA = 0, 1, 2
MAX_CHUNK = (1 << 24) - 1
LEVEL = 1
DELTA_LEVEL = 3
# Deltas above a quarter of the full size are not worth a second read when restoring.
DELTA_GAIN = 4
# zstd takes no shorter prefix, and nothing is gained from one.
LEAST_BASE = 8

Buffer = bytes | bytearray | memoryview


def encode(data: Buffer) -> tuple[int, Buffer]:
    """(codec, payload): zstd, or the bytes as they are when zstd does not gain."""
    packed = zstd.compress(data, LEVEL)
    if len(packed) >= len(data):
        return RAW, data
    return ZSTD, packed


def encode_delta(data: Buffer, base: bytes) -> bytes | None:
    """A frame that needs ``base`` to be read again, or None when it saves too little."""
    if len(base) < LEAST_BASE:
        return None
    prefix = zstd.ZstdDict(base, is_raw=True).as_prefix
    packed = zstd.compress(data, DELTA_LEVEL, zstd_dict=prefix)
    return packed if len(packed) * DELTA_GAIN < len(data) else None


def decode(codec: int, payload: Buffer, size: int, base: bytes | None = None) -> bytes:
    """The plain bytes, ``size`` of them; Damaged otherwise. Never allocates more than ``size`` says."""
    if size > MAX_CHUNK:
        raise Damaged("a chunk declares an impossible size")
    if codec == RAW:
        plain = bytes(payload)
    elif codec == ZSTD:
        plain = _inflate(zstd.ZstdDecompressor(), payload, size)
    elif codec == DELTA and base is not None and len(base) >= LEAST_BASE:
        prefix = zstd.ZstdDict(base, is_raw=True).as_prefix
        plain = _inflate(zstd.ZstdDecompressor(zstd_dict=prefix), payload, size)
    else:
        raise Damaged(f"a chunk has the unknown codec {codec}")
    if len(plain) != size:
        raise Damaged("a chunk is not as long as it declares")
    return plain


def _inflate(decompressor: zstd.ZstdDecompressor, payload: Buffer, size: int) -> bytes:
    try:
        plain = decompressor.decompress(payload, max_length=size + 1)
    except zstd.ZstdError as error:
        raise Damaged("a chunk does not decompress", why=str(error)) from error
    if not decompressor.eof:
        raise Damaged("a chunk is longer than it declares")
    return plain
