"""TLS to devices that sign their own certificates: the one people accepted, and no other.

No authority vouches for a camera. Its certificate is shown once, by its SHA-256 fingerprint, and accepted by whoever
enters it; from then on a peer that shows another gets nothing, no question and no password.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

READ_WITHIN_S: Final = 5.0
MAX_NAME: Final = 80


class WrongPin(Exception):
    """A peer that shows another certificate than the accepted one; `shown` is its fingerprint."""

    def __init__(self, shown: str) -> None:
        super().__init__(f"the certificate is another one: {shown}")
        self.shown = shown


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """What a device shows: fingerprint (64 hex digits), whom it names, and until when it says to be good (a date)."""

    fingerprint: str
    subject: str = ""
    until: str = ""


def tls_context() -> ssl.SSLContext:
    """Return a context that takes every certificate: the caller compares it with `check_pin` before it sends a byte."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def fingerprint_of(der: bytes) -> str:
    """Return the SHA-256 fingerprint of a certificate, 64 lower-case hex digits."""
    return sha256(der).hexdigest()


def spaced(fingerprint: str) -> str:
    """Return a fingerprint as people compare it: pairs with colons, upper case."""
    return ":".join(fingerprint[start : start + 2] for start in range(0, len(fingerprint), 2)).upper()


def check_pin(peer: ssl.SSLObject | ssl.SSLSocket | None, accepted: str) -> None:
    """Let pass a peer that shows the accepted certificate. Errors: WrongPin."""
    der = peer.getpeercert(binary_form=True) if peer is not None else None
    shown = fingerprint_of(der) if der else ""
    if not accepted or shown != accepted:
        raise WrongPin(shown)


async def read_certificate(host: str, port: int, within_s: float = READ_WITHIN_S) -> PeerCertificate:
    """Return what a device shows; nothing is sent to it but the handshake. Errors: OSError, TimeoutError."""
    async with asyncio.timeout(within_s):
        _, writer = await asyncio.open_connection(host, port, ssl=tls_context(), server_hostname=host)
    try:
        peer = writer.get_extra_info("ssl_object")
        der = peer.getpeercert(binary_form=True) if peer is not None else None
    finally:
        writer.transport.abort()
    if not der:
        raise OSError("no certificate")
    subject = until = ""
    with contextlib.suppress(ValueError, IndexError):  # certificates of cameras are odd: the fingerprint is what counts
        read = x509.load_der_x509_certificate(der)
        names = read.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        subject = str(names[0].value)[:MAX_NAME] if names else ""
        until = read.not_valid_after_utc.date().isoformat()
    return PeerCertificate(fingerprint_of(der), subject, until)
