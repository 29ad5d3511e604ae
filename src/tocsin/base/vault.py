"""Secrets at rest: device keys and passwords are sealed with AES-256-GCM under the key of this installation."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin.base.errors import ErrorCode, TocsinError

_NONCE_BYTES = 12
_KEY_BYTES = 32


class Vault:
    """Seals and opens small secrets."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ValueError("the vault key has 32 bytes")
        self._cipher = AESGCM(key)

    def seal(self, secret: bytes) -> bytes:
        """Return nonce and ciphertext of a secret."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, None)

    def open(self, sealed: bytes) -> bytes:
        """Return the secret. Errors: UNAVAILABLE when it was sealed under another key."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except (InvalidTag, ValueError) as error:
            raise TocsinError(
                ErrorCode.UNAVAILABLE,
                "a stored secret cannot be opened: secret.key is not the one it was sealed with; "
                "put the secret.key of your backup back into the data folder (an absent one is made anew at the start)",
            ) from error


def load_vault(path: Path) -> Vault:
    """Return the vault of a key file, making the file (mode 0600) when absent. Errors: INVALID on a damaged file."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = os.urandom(_KEY_BYTES)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, key)
            os.fsync(handle)
        finally:
            os.close(handle)
    if len(key) != _KEY_BYTES:
        raise TocsinError(ErrorCode.INVALID, f"{path} must hold exactly 32 bytes, it holds {len(key)}")
    return Vault(key)
