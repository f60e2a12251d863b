"""Files to be imported are opened here: plain or gzip, as bytes or text, with limits that bombs run into."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from holdfast.exchange.records import BadFile

_BLOCK = 256 << 10
_MAGIC = b"\x1f\x8b"
_SUSPECT = 64 << 20
_RATIO = 250
_OTHER_ENCODINGS = ((codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32"),
                    (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"))  # fmt: skip


def opened(path: Path) -> BinaryIO:
    """The file for reading; BadFile when it cannot be."""
    try:
        return path.open("rb")
    except OSError as error:
        raise BadFile("the file cannot be read", where=str(path), why=error.strerror or str(error)) from error


def blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, unpacked when they are gzip."""
    with opened(path) as file:
        try:
            if file.read(2) == _MAGIC:
                file.seek(0)
                yield from _unpacked(path, file)
                return
            file.seek(0)
            while block := file.read(_BLOCK):
                yield block
        except OSError as error:
            raise BadFile("the file cannot be read", where=str(path), why=error.strerror or str(error)) from error


def _unpacked(path: Path, file: BinaryIO) -> Iterator[bytes]:
    unpacked = 0
    try:
        with gzip.GzipFile(fileobj=file) as unpacker:
            while block := unpacker.read1(_BLOCK):
                unpacked += len(block)
                _refuse_bomb(path, file.tell(), unpacked)
                yield block
    except EOFError as error:
        raise BadFile(
            "the gzip file ends in the middle", where=f"{path}, byte {file.tell():,}",
            hint="it was written half; copy it again from where it came from",
        ) from error  # fmt: skip
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadFile(
            "the gzip file is damaged", where=f"{path}, about byte {file.tell():,}", why=str(error),
            hint="copy it again from where it came from",
        ) from error  # fmt: skip


def _refuse_bomb(path: Path, packed: int, unpacked: int) -> None:
    if unpacked > _SUSPECT and unpacked > _RATIO * packed:
        raise BadFile(
            "the gzip file unpacks to far more than a backup would", where=str(path),
            why=f"{packed:,} bytes became {unpacked:,}", hint="if it is genuine, unpack it first: gunzip",
        )  # fmt: skip


def text(path: Path) -> Iterator[str]:
    """The text of a file in UTF-8, with or without a mark; BadFile names the byte that is none."""
    return decoded(path, blocks(path))


def decoded(path: Path, data: Iterator[bytes]) -> Iterator[str]:
    """The same for bytes that were made of the file."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    done, first = 0, True
    for block in data:
        if first:
            block = _unmarked(path, block)
            first = False
        yield _decoded(path, decoder, block, done, final=False)
        done += len(block)
    _decoded(path, decoder, b"", done, final=True)


def _decoded(path: Path, decoder: codecs.IncrementalDecoder, block: bytes, done: int, *, final: bool) -> str:
    try:
        return decoder.decode(block, final)
    except UnicodeDecodeError as error:
        raise BadFile(
            "the file is not in UTF-8", where=f"{path}, about byte {done + error.start:,}", why=error.reason,
            hint="convert it: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW",
        ) from error  # fmt: skip


def _unmarked(path: Path, block: bytes) -> bytes:
    for mark, name in _OTHER_ENCODINGS:
        if block.startswith(mark):
            raise BadFile(
                f"the file is in {name}, not in UTF-8", where=str(path),
                hint=f"convert it: iconv -f {name} -t UTF-8 FILE > NEW",
            )  # fmt: skip
    return block.removeprefix(codecs.BOM_UTF8)

