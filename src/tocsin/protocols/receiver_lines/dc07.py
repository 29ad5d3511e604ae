"""SIA DC-07: the frames of DC-09 without encryption, often with the checksum as two raw octets and without a time.

The account may stand in the data alone. The answer is a frame of the same form with the number of the message.

Source: SIA DC-07; alarm reference, SIA DC-07 (clause table: docs/protocols/receivers.md).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tocsin.protocols.dc09 import messages
from tocsin.protocols.dc09.frame import CrcForm, Frame, FrameReader, encode_frame
from tocsin.protocols.dc09.messages import Header, Message
from tocsin.protocols.dc09.payload import read_payload
from tocsin.protocols.dc09.session import account_in
from tocsin.protocols.dc09.xdata import redact_keys
from tocsin.protocols.receiver_lines.line import UNREADABLE, Heartbeat, Item, Noise, Report, unknown_event

SYSTEM: Final = "dc07"
HEARTBEAT: Final = encode_frame(b'"NULL"0000R1L0#0000[]', CrcForm.BINARY)


class Dc07Line:
    """One connection of a DC-07 receiver; times in SIA blocks are `panel_utc_offset_s` ahead of UTC."""

    def __init__(self, panel_utc_offset_s: float) -> None:
        self._offset_s = panel_utc_offset_s
        self._reader = FrameReader()

    @property
    def buffered_bytes(self) -> int:
        """Octets kept for the next call."""
        return self._reader.buffered_bytes

    def receive(self, data: bytes, now: datetime) -> list[Item]:
        """Take octets of the stream and return what is complete, in order."""
        found = [
            self._read(item, now) if isinstance(item, Frame) else Noise(item.raw, item.reason.value)
            for item in self._reader.receive(data)
        ]
        if self._reader.overflowed:
            self._reader = FrameReader()  # the line of a receiver is one for days: look for the next frame
        return found

    def _read(self, frame: Frame, now: datetime) -> Item:
        raw = redact_keys(frame.raw)
        decoded = messages.decode_message(frame.body)
        if not isinstance(decoded, Message):
            header = decoded.header
            reply = b"" if header is None or header.is_encrypted else _reply(header, frame.crc_form)
            event = unknown_event(SYSTEM, header.token if header is not None else "frame", reason=UNREADABLE)
            return Report(raw, "?", "", "", "", (event,), frame.body.hex()[:64], UNREADABLE, reply=reply, refusal=b"")
        header = decoded.header
        reply = _reply(header, frame.crc_form)
        if header.token in messages.LINK_TESTS:
            return Heartbeat(raw, reply)
        if header.token in messages.REPLIES:
            return Noise(raw, "reply")
        account = header.account or account_in(decoded.data)
        payload = read_payload(decoded, now, self._offset_s)
        return Report(
            raw,
            header.token,
            header.receiver or "",
            header.prefix or "",
            account,
            payload.events,
            messages.dedup_key(decoded, account),
            payload.reason,
            payload.flags,
            is_own=account.strip("0") == "",
            reply=reply,
            refusal=b"",
        )


def encode_report(header: Header, data: bytes, crc_form: CrcForm = CrcForm.BINARY) -> bytes:
    """Return the frame of a message."""
    return encode_frame(messages.encode_message(Message(header, data)), crc_form)


def _reply(header: Header, crc_form: CrcForm) -> bytes:
    return encode_frame(b'"ACK"%b[]' % header.echo, crc_form)
