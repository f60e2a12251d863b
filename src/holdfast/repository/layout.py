"""Names of things in storage (docs/format-1.md, "Objects")."""

from __future__ import annotations

ROOT = "holdfast.json"
KEYS = "keys/"
PACKS = "packs/"
INDEX = "index/"
LOG = "log/"
CHECKPOINT = "log/checkpoint-"
HEARTBEATS = "heartbeat/"
AUDIT = "audit/"
PROOFS = "proofs/"

MAGIC = "holdfast repository"
FORMAT = 1

PACK_NAME_SIZE = 20


def pack_name(session: str, number: int) -> bytes:
    """The 20-byte name of a pack: 16 bytes of session, number as u32."""
    return bytes.fromhex(session) + number.to_bytes(4, "big")


def pack_path(name: bytes) -> str:
    """Where the pack with this 20-byte name is stored."""
    return f"{PACKS}{name[:16].hex()}/{int.from_bytes(name[16:], 'big'):08d}"


def parse_pack_path(path: str) -> bytes | None:
    """The 20-byte name of the pack stored at ``path``, or None when ``path`` is not a pack's."""
    parts = path.split("/")
    if len(parts) != 3 or len(parts[1]) != 32 or not parts[2].isdigit():
        return None
    try:
        return pack_name(parts[1], int(parts[2]))
    except (ValueError, OverflowError):
        return None


def index_path(session: str, number: int) -> str:
    """Where fragment ``number`` of a session's index is stored."""
    return f"{INDEX}{session}/{number:08d}"


def log_path(number: int) -> str:
    """Where log record ``number`` is stored."""
    return f"{LOG}{number:012d}"


def parse_log_path(path: str) -> int:
    """The number of the log record stored at ``path``, or 0 when ``path`` is not a record's."""
    digits = path[len(LOG) :]
    number = int(digits) if digits.isascii() and digits.isdigit() else 0
    return number if path == log_path(number) else 0


def audit_path(number: int) -> str:
    """Where entry ``number`` of the audit trail is stored."""
    return f"{AUDIT}{number:012d}"


def parse_audit_path(path: str) -> int:
    """The number of the entry stored at ``path``, or 0 when ``path`` is not an entry's."""
    digits = path[len(AUDIT) :]
    number = int(digits) if digits.isascii() and digits.isdigit() else 0
    return number if path == audit_path(number) else 0


def checkpoint_path(number: int) -> str:
    """Where the log folded up to record ``number`` is stored."""
    return f"{CHECKPOINT}{number:012d}"


def key_path(slot: str) -> str:
    """Where a key slot is stored."""
    return f"{KEYS}{slot}"


def heartbeat_path(session: str, beat: int) -> str:
    """Where a session's ``beat``-th sign of life is stored."""
    return f"{HEARTBEATS}{session}/{beat:08d}"
