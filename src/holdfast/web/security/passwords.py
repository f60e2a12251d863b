"""Passwords: kept as scrypt makes them, compared in constant time, a few at a time."""

from __future__ import annotations

import base64
import os
import threading
import unicodedata

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from holdfast.model.errors import HoldfastError

SHORTEST, LONGEST = 12, 1024
_LOG_N, _R, _P = 15, 8, 3
_SALT, _SIZE = 16, 32
# each takes 32 MiB and a tenth of a second: a flood of logins must not take the machine from a backup
_TURNS = threading.BoundedSemaphore(2)


class WeakPassword(HoldfastError):
    """Too short, or a word everybody tries first."""

    code = "weak-password"


def check_password(password: str, name: str) -> str:
    """``password`` itself; WeakPassword when it would be guessed."""
    plain = password.casefold()
    if not SHORTEST <= len(password) <= LONGEST:
        raise WeakPassword("this password is too short or too long", hint=f"{SHORTEST} to {LONGEST} characters")
    if len(set(plain)) < 5 or (name.casefold() in plain and len(plain) < len(name) + 8):
        raise WeakPassword("this password would be guessed", hint="a few words that do not belong together do well")
    return password


def kept(password: str) -> str:
    """What is kept of a password: ``scrypt$15$8$3$SALT$HASH``."""
    salt = os.urandom(_SALT)
    return f"scrypt${_LOG_N}${_R}${_P}${_text(salt)}${_text(_derived(password, salt))}"


def matches(password: str, stored: str) -> bool:
    """Whether ``stored`` was made of ``password``. Takes as long for a wrong one."""
    if len(password) > LONGEST:
        return False
    _, log_n, r, p, salt, wanted = stored.split("$")
    kdf = Scrypt(salt=_bytes(salt), length=_SIZE, n=1 << int(log_n), r=int(r), p=int(p))
    with _TURNS:
        try:
            kdf.verify(_normal(password), _bytes(wanted))
        except InvalidKey:
            return False
    return True


def _derived(password: str, salt: bytes) -> bytes:
    with _TURNS:
        return Scrypt(salt=salt, length=_SIZE, n=1 << _LOG_N, r=_R, p=_P).derive(_normal(password))


def _normal(password: str) -> bytes:
    """The same however the keyboard composed it."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
