"""SIA DC-09 messages: the body of a frame <-> header, data, extended data and timestamp, in the clear or encrypted.

    "id" seq [Rrcvr] [Lpref] [#acct] [data] [xdata]... _timestamp

What identifies a sender is text and is echoed octet by octet: `#0012` is not `#12`, an empty `L` stays empty, an absent
`R` stays absent. Field panels leave out the prefix or the account and use letters outside hex; all of that is read.

Source: SIA DC-09, message format, identification tokens, encryption.
"""

from __future__ import annotations

import re
from binascii import hexlify, unhexlify
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from tocsin.protocols.dc09.crypto import BLOCK_BYTES, AesKey, pad_bytes, pad_length
from tocsin.protocols.dc09.xdata import Xdata, encode_group, encode_stamp, parse_stamp, split_groups

SIA_DCS = "SIA-DCS"
ADM_CID = "ADM-CID"
NULL = "NULL"
XNM = "XNM"
ACK = "ACK"
NAK = "NAK"
DUH = "DUH"
RSP = "RSP"
LINK_TESTS = frozenset({NULL, XNM})
REPLIES = frozenset({ACK, NAK, DUH, RSP})
LEGACY_TOKENS = frozenset(
    {"SIA-PUL", "SIA-S2K", "ACR-SF", "ADM-41E", "ADM-42E", "ADM-HS", "DSC-43", "FBI-SF", "ITI-I"}
    | {"SCN-S8", "SCN-S16", "SCN-S24", "SCT", "SES-SS", "SK-FSK1", "SK-FSK2"}
)
"""Older formats carried inside DC-09: kept raw, acknowledged, shown as an undecoded signal."""
NO_SEQUENCE = "0000"

_HEADER = re.compile(
    rb'"(\*?)([^"*\r\n\[\]]{1,20})"(\d{4})(?:R([0-9A-Fa-f]{0,16}))?(?:L([0-9A-Fa-f]{0,16}))?(?:#([^\[\]|"\r\n]{0,32}))?'
)
_SHAPE_OF_STAMP = re.compile(rb"_\d\d:\d\d:\d\d,\d\d-\d\d-\d{4}")


@dataclass(frozen=True, slots=True)
class Header:
    """Who speaks and which message it is; None means the field was not there, "" that it was there and empty.

    `sequence` is four digits. A NAK has no account but a bare `A0`, which reads as the end of its prefix (`0A0`).
    """

    token: str
    sequence: str
    receiver: str | None = None
    prefix: str | None = "0"
    account: str | None = None
    is_encrypted: bool = False

    @property
    def echo(self) -> bytes:
        """The sequence and address as they are written on the wire."""
        text = self.sequence
        if self.receiver is not None:
            text += "R" + self.receiver
        if self.prefix is not None:
            text += "L" + self.prefix
        if self.account is not None:
            text += "#" + self.account
        return text.encode("latin-1")


@dataclass(frozen=True, slots=True)
class Message:
    """One readable message; `sent_at` is None when there was no timestamp or none that exists."""

    header: Header
    data: bytes = b""
    xdata: tuple[Xdata, ...] = ()
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SealedMessage:
    """An encrypted message before a key was tried."""

    header: Header
    cipher_text: bytes


@dataclass(frozen=True, slots=True)
class UnreadableMessage:
    """A body with a good checksum that is no message; the header is there when at least that could be read."""

    header: Header | None
    reason: str


def decode_message(body: bytes) -> Message | SealedMessage | UnreadableMessage:
    """Read the body of a frame; an encrypted one comes back sealed, to be opened with `open_sealed`."""
    match = _HEADER.match(body)
    if match is None:
        return UnreadableMessage(None, "header")
    header = _header(match)
    start = match.end()
    if body[start : start + 1] != b"[":
        return UnreadableMessage(header, "no_data_block")
    if header.is_encrypted:
        return _sealed(header, body[start + 1 :])
    end = body.find(b"]", start)
    if end < 0:
        return UnreadableMessage(header, "data_block_open")
    xdata, rest = split_groups(body, end + 1)
    return Message(header, body[start + 1 : end], xdata, parse_stamp(body[rest:].strip(b" \0")))


def open_sealed(sealed: SealedMessage, key: AesKey) -> Message | None:
    """Decrypt with `key`; None when that gives noise, which means the key is the wrong one.

    The sign of a right key is a data block that ends and a timestamp of the right shape after it.
    """
    clear = key.decrypt(sealed.cipher_text)
    end = clear.find(b"]")
    if end < 0:
        return None
    bar = clear.find(b"|", 0, end)
    xdata, rest = split_groups(clear, end + 1)
    stamp = clear[rest:].rstrip(b" \0")
    if _SHAPE_OF_STAMP.fullmatch(stamp) is None:
        return None
    return Message(sealed.header, clear[bar + 1 : end] if bar >= 0 else b"", xdata, parse_stamp(stamp))


def encode_message(message: Message) -> bytes:
    """Return the body of a message in the clear.

    Errors: ValueError when the header says that the message is encrypted.
    """
    if message.header.is_encrypted:
        raise ValueError("an encrypted message is written by seal_message")
    return b'"%b"%b[%b' % (message.header.token.encode("latin-1"), message.header.echo, _content(message))


def seal_message(
    message: Message, key: AesKey, random_octets: bytes, *, pad_size: int | None = None, has_bar: bool = True
) -> bytes:
    """Return the body of a message encrypted with `key`.

    `random_octets` (at least 31) become the pad; its length is 16 to 31 as the current edition asks, or `pad_size` for
    the habits of older peers, which must then fill whole blocks. `has_bar` False leaves out the bar before empty data.

    Errors: ValueError without a timestamp, when the pad does not fill up whole blocks, or without a bar before data.
    """
    if message.sent_at is None:
        raise ValueError("an encrypted message carries a timestamp")
    if message.data and not has_bar:
        raise ValueError("data stands behind a bar")
    rest = (b"|" if has_bar else b"") + _content(message)
    size = pad_length(len(rest)) if pad_size is None else pad_size
    if len(random_octets) < size or (size + len(rest)) % BLOCK_BYTES:
        raise ValueError("the pad must fill up whole blocks")
    sealed = key.encrypt(pad_bytes(random_octets[:size]) + rest)
    return b'"*%b"%b[%b' % (message.header.token.encode("latin-1"), message.header.echo, hexlify(sealed).upper())


def seal_ack(header: Header, key: AesKey, random_octets: bytes, now: datetime) -> bytes:
    """Return the body of the encrypted ACK to a message with that header: what `seal_message` gives, made directly."""
    rest = b"|]_" + encode_stamp(now)
    sealed = key.encrypt(pad_bytes(random_octets[: pad_length(len(rest))]) + rest)
    return b'"*ACK"%b[%b' % (header.echo, hexlify(sealed).upper())


def short_pad_length(message: Message) -> int:
    """Return the pad (0 to 15 octets) that editions before 2026 put before a message."""
    return -(1 + len(_content(message))) % BLOCK_BYTES


def dedup_key(message: Message, account: str) -> str:
    """Return what a retry has in common with the message before it, as 32 hex digits; "" when it can be no retry.

    It covers address, token, sequence, data and extended data, and leaves out timestamp and pad, which change.
    """
    header = message.header
    if header.sequence == NO_SEQUENCE:
        return ""
    parts = (header.receiver or "", header.prefix or "", account, header.token, header.sequence)
    digest = blake2b("\0".join(parts).encode("latin-1", "replace") + b"\0" + message.data, digest_size=16)
    for group in message.xdata:
        digest.update(encode_group(group))
    return digest.hexdigest()


def _content(message: Message) -> bytes:
    groups = b"".join(map(encode_group, message.xdata))
    stamp = b"" if message.sent_at is None else b"_" + encode_stamp(message.sent_at)
    return b"%b]%b%b" % (message.data, groups, stamp)


def _header(match: re.Match[bytes]) -> Header:
    star, token, sequence, receiver, prefix, account = match.groups()
    return Header(
        token.decode("latin-1"),
        sequence.decode("ascii"),
        None if receiver is None else receiver.decode("ascii"),
        None if prefix is None else prefix.decode("ascii"),
        None if account is None else account.decode("latin-1"),
        bool(star),
    )


def _sealed(header: Header, text: bytes) -> SealedMessage | UnreadableMessage:
    try:
        cipher_text = unhexlify(text.rstrip(b"] "))
    except ValueError:
        return UnreadableMessage(header, "cipher_text")
    if not cipher_text or len(cipher_text) % BLOCK_BYTES:
        return UnreadableMessage(header, "cipher_text")
    return SealedMessage(header, cipher_text)
