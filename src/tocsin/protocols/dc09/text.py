"""Text of panels: UTF-8 first, then GB18030 (Chinese panels), then Latin-1, which always succeeds.

Source: SIA DC-09, extended data; field experience for the fallbacks.
"""

from __future__ import annotations


def decode_text(octets: bytes) -> str:
    """Return the text of `octets`; every octet string gives one."""
    if octets.isascii():
        return octets.decode("ascii")
    for charset in ("utf-8", "gb18030"):
        try:
            return octets.decode(charset)
        except UnicodeDecodeError:
            continue
    return octets.decode("latin-1")


def displayable(text: str, limit: int = 200) -> str:
    """Return at most `limit` characters of `text` without control characters, for showing to people."""
    if text.isprintable() and len(text) <= limit:
        return text.strip()
    return "".join(c if c.isprintable() else " " for c in text[:limit]).strip()
