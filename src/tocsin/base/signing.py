"""The key of the house: what it signs can be checked by anybody who has the public half."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tocsin.base.errors import ErrorCode, TocsinError

_KEY_BYTES = 32


class HouseKey:
    """Signs (Ed25519)."""

    def __init__(self, secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public = self._key.public_key().public_bytes_raw()

    @property
    def id(self) -> str:
        """A short name of the key: 16 hex digits of the hash of its public half."""
        return key_id(self.public)

    def sign(self, message: bytes) -> str:
        """Return the signature in hex (128 digits)."""
        return self._key.sign(message).hex()


def key_id(public: bytes) -> str:
    """Return the short name of a key by its public half."""
    return hashlib.sha256(public).hexdigest()[:16]


def is_signed(public: bytes, message: bytes, signature: str) -> bool:
    """Say whether `signature` (hex) over `message` is by the key of that public half."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def load_house_key(path: Path) -> HouseKey:
    """Return the key of a file, making it (mode 0600) when absent; its public half is kept beside it as `.pub`.

    Errors: INVALID on a damaged file.
    """
    try:
        secret = path.read_bytes()
    except FileNotFoundError:
        secret = os.urandom(_KEY_BYTES)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, secret)
            os.fsync(handle)
        finally:
            os.close(handle)
    if len(secret) != _KEY_BYTES:
        raise TocsinError(ErrorCode.INVALID, f"{path} must hold exactly 32 bytes, it holds {len(secret)}")
    key = HouseKey(secret)
    beside = path.with_suffix(".pub")
    wanted = key.public.hex() + "\n"
    if not beside.exists() or beside.read_text(encoding="ascii", errors="replace") != wanted:
        beside.write_text(wanted, encoding="ascii")
    return key


def read_public_key(path: Path) -> bytes:
    """Return a public key of a file in hex. Errors: NOT_FOUND, INVALID."""
    try:
        public = bytes.fromhex(path.read_text(encoding="ascii", errors="replace").strip())
    except FileNotFoundError as error:
        raise TocsinError(ErrorCode.NOT_FOUND, f"there is no {path}: nothing was signed here yet") from error
    except ValueError as error:
        raise TocsinError(ErrorCode.INVALID, f"{path} holds no key in hex") from error
    if len(public) != _KEY_BYTES:
        raise TocsinError(ErrorCode.INVALID, f"{path} must hold 64 hex digits")
    return public
