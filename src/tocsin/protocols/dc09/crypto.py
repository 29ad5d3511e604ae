"""SIA DC-09 encryption: AES-CBC with a zero vector for every message, no PKCS padding, a pad in front of the data.

The cipher has no integrity check of its own, so a wrong key shows only as noise; `messages.py` notices that.

Source: SIA DC-09, encryption.
"""

from __future__ import annotations

import hmac
from enum import StrEnum

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

BLOCK_BYTES = 16
KEY_SIZES_BYTES = (16, 24, 32)
SHORTEST_PAD_BYTES = 16
"""From 2026 on the pad fills at least one block, which then serves as a random initial vector."""

# The three octets that would end the pad are replaced; which letters replace them does not matter.
_PAD_ALPHABET = bytes.maketrans(b"[]|", b"OIl")


class KeyForm(StrEnum):
    """How a person reads the key off the panel's menu: hex digits or plain characters."""

    HEX = "hex"
    ASCII = "ascii"


class AesKey:
    """An AES key of 16, 24 or 32 octets that never shows itself.

    One cipher object is kept for the key's life; each message gets its own context, which costs about a microsecond.
    """

    __slots__ = ("_cipher", "_octets")

    def __init__(self, octets: bytes) -> None:
        """Take the key itself. Errors: ValueError unless it has 16, 24 or 32 octets."""
        if len(octets) not in KEY_SIZES_BYTES:
            raise ValueError(f"an AES key has 16, 24 or 32 octets, not {len(octets)}")
        self._octets = bytes(octets)
        self._cipher = Cipher(AES(self._octets), CBC(bytes(BLOCK_BYTES)))

    @classmethod
    def from_text(cls, text: str, form: KeyForm) -> AesKey:
        """Read a key as a person enters it: 32, 48 or 64 hex digits, or 16, 24 or 32 ASCII characters.

        Errors: ValueError, which never repeats the text.
        """
        try:
            octets = bytes.fromhex(text) if form is KeyForm.HEX else text.encode("ascii")
        except (ValueError, UnicodeEncodeError):
            raise ValueError(f"not a key in {form.value} form") from None
        return cls(octets)

    @property
    def bits(self) -> int:
        """Key length in bits."""
        return 8 * len(self._octets)

    def reveal(self) -> bytes:
        """Return the octets, for storage that encrypts them and for nothing else."""
        return self._octets

    def encrypt(self, clear: bytes) -> bytes:
        """Encrypt whole blocks. Errors: ValueError when the length is no multiple of 16 or is zero."""
        if not clear or len(clear) % BLOCK_BYTES:
            raise ValueError("clear text fills whole blocks")
        return self._cipher.encryptor().update(clear)

    def decrypt(self, cipher_text: bytes) -> bytes:
        """Decrypt whole blocks. Errors: ValueError when the length is no multiple of 16 or is zero."""
        if not cipher_text or len(cipher_text) % BLOCK_BYTES:
            raise ValueError("cipher text fills whole blocks")
        return self._cipher.decryptor().update(cipher_text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AesKey) and hmac.compare_digest(self._octets, other._octets)

    def __hash__(self) -> int:
        return hash(self._octets)

    def __repr__(self) -> str:
        return f"AesKey({self.bits} bits)"

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled")


def pad_bytes(random_octets: bytes) -> bytes:
    """Turn random octets into a pad: the same length, without the characters that end one."""
    return random_octets.translate(_PAD_ALPHABET)


def pad_length(rest_bytes: int) -> int:
    """Return how long the pad is (16 to 31) before a rest of that many octets."""
    return SHORTEST_PAD_BYTES + -rest_bytes % BLOCK_BYTES
