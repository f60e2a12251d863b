"""Stands before a real MongoDB server and answers some commands itself, as servers do that cannot be had here."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import bson

_HEADER = struct.Struct("<iiii")
_MESSAGE, _REPLY = 2013, 1
_BODY_AT = {_MESSAGE: 21, _REPLY: 36}

Answer = Callable[[dict[str, Any]], dict[str, Any] | None]
Alter = Callable[[dict[str, Any], dict[str, Any]], None]


@contextmanager
def answering(port: int, *, answer: Answer, alter: Alter) -> Iterator[int]:
    """A port: ``answer`` gives the reply to a command, None lets the server; ``alter`` changes the server's replies."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []
    sockets: list[socket.socket] = [listener]

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", port))
            sockets.extend((client, server))
            thread = threading.Thread(target=_serve, args=(client, server, answer, alter), daemon=True)
            threads.append(thread)
            thread.start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in [accepting, *threads]:
            thread.join(5)


def _serve(client: socket.socket, server: socket.socket, answer: Answer, alter: Alter) -> None:
    try:
        while (message := _received(client)) is not None:
            _, number, _, code = _HEADER.unpack_from(message)
            command = _body(message, _BODY_AT[_MESSAGE]) if code == _MESSAGE else {"hello": 1}
            reply = answer(command)
            if reply is not None:
                body = bytes(5) + bson.encode(reply)
                client.sendall(_HEADER.pack(16 + len(body), 0, number, _MESSAGE) + body)
                continue
            server.sendall(message)
            found = _received(server)
            if found is None:
                return
            client.sendall(_altered(found, command, alter))
    except OSError:
        return


def _altered(found: bytes, command: dict[str, Any], alter: Alter) -> bytes:
    _size, number, to, code = _HEADER.unpack_from(found)
    at = _BODY_AT[code]
    reply = _body(found, at)
    before = bson.encode(reply)
    alter(command, reply)
    changed = bson.encode(reply)
    if changed == before:
        return found
    head = found[16:at]
    return _HEADER.pack(at + len(changed), number, to, code) + head + changed


def _body(message: bytes, at: int) -> dict[str, Any]:
    (size,) = struct.unpack_from("<i", message, at)
    return bson.decode(message[at : at + size])


def _received(connection: socket.socket) -> bytes | None:
    head = _exactly(connection, 4)
    if head is None:
        return None
    rest = _exactly(connection, struct.unpack("<i", head)[0] - 4)
    return None if rest is None else head + rest


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    found = bytearray()
    while len(found) < count:
        some = connection.recv(min(1 << 20, count - len(found)))
        if not some:
            return None
        found += some
    return bytes(found)
