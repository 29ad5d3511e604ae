"""SIA DC-09, the panel's role: what the simulator speaks. Pure: time is an argument.

Source: SIA DC-09, message acknowledgement, timestamps, encryption.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from tocsin.protocols.dc09 import messages
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.dc09.frame import BadFrame, Frame, encode_frame
from tocsin.protocols.dc09.messages import Header, Message, SealedMessage
from tocsin.protocols.dc09.session import RANDOM_OCTETS
from tocsin.protocols.dc09.xdata import Xdata

SEQUENCE_LAST = 9999


class ReplyKind(StrEnum):
    """What an answer means to the panel that sent."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    CLOCK_SET = "clock_set"
    UNPAIRED = "unpaired"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as the panel understands it; `resend` holds frames to send again, after our clock was set."""

    kind: ReplyKind
    sequence: str = ""
    waited_s: float = 0.0
    tries: int = 0
    resend: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Pending:
    message: Message
    first_sent_at: datetime
    last_sent_at: datetime
    tries: int = 1


class Sender:
    """The panel's role: numbers and builds frames, pairs answers with them, sends again under the same number.

    `clock_offset_s` is how far this panel's clock is ahead of ours; a NAK corrects it. A frame is sent `tries` times in
    all, `retry_after_s` apart, then its sequence goes to `given_up`. `last_sequence` is the number given out last.
    `keeps_first_timestamp` and `pads_as_before_2026` are habits of older panels.
    """

    def __init__(
        self,
        account: str | None,
        *,
        receiver: str | None = None,
        prefix: str | None = "0",
        key: AesKey | None = None,
        first_sequence: int = 1,
        tries: int = 3,
        retry_after_s: float = 10.0,
        clock_offset_s: float = 0.0,
        sends_timestamp: bool = True,
        keeps_first_timestamp: bool = False,
        pads_as_before_2026: bool = False,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._address = Header("", messages.NO_SEQUENCE, receiver, prefix, account)
        self._key = key
        self._next = first_sequence
        self._tries = tries
        self._retry_after = timedelta(seconds=retry_after_s)
        self._sends_timestamp = sends_timestamp or key is not None
        self._keeps_first_timestamp = keeps_first_timestamp
        self._pads_as_before_2026 = pads_as_before_2026
        self._random = random
        self._pending: dict[str, _Pending] = {}
        self.clock_offset_s = clock_offset_s
        self.last_sequence = messages.NO_SEQUENCE
        self.given_up: list[str] = []

    @property
    def waiting(self) -> int:
        """How many frames have no answer yet."""
        return len(self._pending)

    def send(self, token: str, data: bytes, now: datetime, xdata: Sequence[Xdata] = ()) -> bytes:
        """Build the next event frame under a new number, 0001 to 9999 and round again."""
        sequence = f"{self._next:04d}"
        self._next = self._next % SEQUENCE_LAST + 1
        return self._first(token, sequence, data, tuple(xdata), now)

    def poll(self, now: datetime, *, token: str = messages.NULL, xdata: Sequence[Xdata] = ()) -> bytes:
        """Build a link test, which always has the number 0000."""
        return self._first(token, messages.NO_SEQUENCE, b"", tuple(xdata), now)

    def receive(self, frame: Frame | BadFrame, now: datetime) -> Reply:
        """Take one frame from the receiver; what answers nothing we sent is `UNPAIRED`."""
        if isinstance(frame, BadFrame):
            return Reply(ReplyKind.UNPAIRED)
        message = self._read(frame)
        if message is None:
            return Reply(ReplyKind.UNPAIRED)
        if message.header.token == messages.NAK:
            return self._set_clock(message, now)
        is_acknowledged = message.header.token == messages.ACK
        if not is_acknowledged and message.header.token != messages.DUH:
            return Reply(ReplyKind.UNPAIRED)
        if is_acknowledged and message.header.is_encrypted != (self._key is not None):
            return Reply(ReplyKind.UNPAIRED)
        if replace(message.header, token="", sequence=messages.NO_SEQUENCE, is_encrypted=False) != self._address:
            return Reply(ReplyKind.UNPAIRED)
        pending = self._pending.pop(message.header.sequence, None)
        if pending is None:
            return Reply(ReplyKind.UNPAIRED)
        return Reply(
            ReplyKind.ACKNOWLEDGED if is_acknowledged else ReplyKind.REFUSED,
            message.header.sequence,
            (now - pending.first_sent_at).total_seconds(),
            pending.tries,
        )

    def timer(self) -> datetime | None:
        """Return when `handle_timer` is due, or None while nothing waits."""
        if not self._pending:
            return None
        return min(pending.last_sent_at for pending in self._pending.values()) + self._retry_after

    def handle_timer(self, now: datetime) -> list[bytes]:
        """Return the frames that are due to be sent again; give up those sent often enough."""
        due = [s for s, p in self._pending.items() if p.last_sent_at + self._retry_after <= now]
        frames: list[bytes] = []
        for sequence in due:
            if self._pending[sequence].tries >= self._tries:
                del self._pending[sequence]
                self.given_up.append(sequence)
            else:
                frames.append(self._again(sequence, now))
        return frames

    def _first(self, token: str, sequence: str, data: bytes, xdata: tuple[Xdata, ...], now: datetime) -> bytes:
        header = replace(self._address, token=token, sequence=sequence, is_encrypted=self._key is not None)
        message = Message(header, data, xdata)
        self.last_sequence = sequence
        self._pending[sequence] = _Pending(message, now, now)
        return self._frame(message, now)

    def _again(self, sequence: str, now: datetime) -> bytes:
        pending = self._pending[sequence]
        pending.tries += 1
        pending.last_sent_at = now
        return self._frame(pending.message, pending.first_sent_at if self._keeps_first_timestamp else now)

    def _frame(self, message: Message, now: datetime) -> bytes:
        panel_time = now + timedelta(seconds=self.clock_offset_s)
        stamped = replace(message, sent_at=panel_time.replace(microsecond=0) if self._sends_timestamp else None)
        if self._key is None:
            return encode_frame(messages.encode_message(stamped))
        octets = self._random(RANDOM_OCTETS)
        if self._pads_as_before_2026:
            size = messages.short_pad_length(stamped)
            return encode_frame(messages.seal_message(stamped, self._key, octets, pad_size=size))
        return encode_frame(messages.seal_message(stamped, self._key, octets))

    def _read(self, frame: Frame) -> Message | None:
        decoded = messages.decode_message(frame.body)
        if isinstance(decoded, SealedMessage):
            return messages.open_sealed(decoded, self._key) if self._key is not None else None
        return decoded if isinstance(decoded, Message) else None

    def _set_clock(self, nak: Message, now: datetime) -> Reply:
        if nak.sent_at is None:
            return Reply(ReplyKind.UNPAIRED)
        self.clock_offset_s = (nak.sent_at - now).total_seconds()
        again = tuple(self._again(s, now) for s, p in list(self._pending.items()) if p.tries < self._tries)
        return Reply(ReplyKind.CLOCK_SET, resend=again)
