"""New secrets and codes that look like the old ones."""

from __future__ import annotations

import re
import secrets
import string
import uuid

_LONG_ENOUGH = 12
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def is_uuid(value: object) -> bool:
    """Whether it is written as one."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def text_like(text: str) -> str:
    """A new secret that looks like the old one."""
    if _UUID.fullmatch(text):
        return str(uuid.uuid4())
    if not text:
        return secrets.token_hex(8)
    if text.isdigit():
        return secrets.choice("123456789") + "".join(secrets.choice(string.digits) for _ in text[1:])
    lower = string.ascii_lowercase + string.digits
    letters = "0123456789abcdef" if re.fullmatch(r"[0-9a-f]+", text) and len(text) > 7 else lower
    if text.upper() == text:
        letters = letters.upper()
    return "".join(secrets.choice(letters) for _ in range(max(len(text), _LONG_ENOUGH)))
