"""The child process that holds a database: commands on standard input, answers on standard output, bytes on lanes.

One JSON document a line. A lane is a socket: sixteen bytes ask for (offset, length), exactly that many bytes come
back; a lane that cannot deliver is closed, and the reason is on standard error.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import struct
import sys
import threading
from typing import IO, Any

from holdfast.sources.sqlite import inspection
from holdfast.sources.sqlite.holding import (
    Held,
    ReplacedError,
    back_up_to,
    hold,
    hold_still,
    let_go,
    move_to_copy,
    still_valid,
)

ASK = struct.Struct(">QQ")


def serve(commands: IO[bytes], answers: IO[bytes], lanes: list[socket.socket]) -> None:
    """Answer until standard input ends; whoever started us going away ends us too."""
    held: Held | None = None
    for line in commands:
        ask = json.loads(line)
        try:
            if held is None:
                held = _hold(ask)
                answer = _facts(held)
            else:
                answer = _obey(held, ask, lanes)
        except (sqlite3.Error, OSError, ReplacedError) as error:
            answer = {
                "error": str(error),
                "name": getattr(error, "sqlite_errorname", type(error).__name__),
                "errno": getattr(error, "errno", None),
            }
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()
    if held is not None and held.connection is not None:
        held.connection.close()


def _hold(ask: dict[str, Any]) -> Held:
    path = bytes.fromhex(ask["path"])
    return hold_still(path) if ask["do"] == "still" else hold(path, ask["wait"])


def _facts(held: Held) -> dict[str, Any]:
    facts = held.facts
    return {
        "mode": held.mode,
        "via": held.via,
        "size": held.image.size,
        "page_size": held.page_size,
        "first": held.first.hex(),
        "log": held.log_identity.hex(),
        "provable": held.provable,
        "stat": [facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns],
        "owner": [facts.st_mode & 0o7777, facts.st_uid, facts.st_gid],
    }


def _obey(held: Held, ask: dict[str, Any], lanes: list[socket.socket]) -> dict[str, Any]:
    if ask["do"] == "copy":
        move_to_copy(held, bytes.fromhex(ask["to"]))
    elif ask["do"] == "back up":
        back_up_to(held, bytes.fromhex(ask["to"]))
    elif ask["do"] == "let go":
        let_go(held)
    elif ask["do"] == "serve":
        for lane in lanes:
            threading.Thread(target=_serve_lane, args=(held, lane), daemon=True).start()
    elif ask["do"] == "inspect":
        return _inspect(held, ask)
    elif ask["do"] == "end":
        return {"valid": still_valid(held)}
    return _facts(held)


def _inspect(held: Held, ask: dict[str, Any]) -> dict[str, Any]:
    connection = held.connection
    if connection is None:
        outcome = "damaged" if held.mode == "corrupt" else "unreadable"
        return {"integrity": outcome, "findings": [held.finding], "tables": [], "facts": {}}
    facts: dict[str, Any] = {}
    try:
        facts = inspection.describe(connection)
    except sqlite3.Error as error:
        return {"integrity": "damaged", "findings": [str(error)], "tables": [], "facts": facts}
    tables = inspection.list_tables(connection, count=ask["count"])
    outcome, findings = inspection.check(connection, quick=ask["quick"]) if ask["check"] else ("not checked", [])
    return {"integrity": outcome, "findings": findings, "tables": tables, "facts": facts}


def _serve_lane(held: Held, lane: socket.socket) -> None:
    try:
        while len(ask := lane.recv(ASK.size, socket.MSG_WAITALL)) == ASK.size:
            held.image.send(lane, *ASK.unpack(ask))
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
    finally:
        lane.close()


def run(descriptors: list[int]) -> None:
    """The child's main: ``descriptors`` are the lanes it was given."""
    lanes = [socket.socket(fileno=number) for number in descriptors]
    serve(sys.stdin.buffer, sys.stdout.buffer, lanes)
    # Locks go with the process; running destructors of lanes in use would only make noise.
    os._exit(0)
