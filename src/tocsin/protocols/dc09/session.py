"""SIA DC-09, the receiving role. Pure: time is an argument. The panel's role is in `sender.py`.

The receiver judges one frame at a time and keeps no state of the connection: what to answer follows from the frame,
from what is known of the account, and from the time. It is the caller who answers, after the signal is committed.

Source: SIA DC-09, message acknowledgement, timestamps, encryption; choices at unclear points: docs/protocols/dc09.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tocsin.protocols.dc09 import messages
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.dc09.frame import CrcForm, Frame, encode_frame
from tocsin.protocols.dc09.messages import Header, Message, SealedMessage, UnreadableMessage
from tocsin.protocols.dc09.xdata import encode_stamp, redact_keys

RANDOM_OCTETS = 31


class Verdict(StrEnum):
    """What the caller does with a frame.

    `SIGNAL` and `QUARANTINE` are committed, then answered; `LINK_TEST` is answered at once; `CLOCK_REFUSED` is answered
    with our time and not processed; `IGNORED` is counted.
    """

    SIGNAL = "signal"
    LINK_TEST = "link_test"
    QUARANTINE = "quarantine"
    CLOCK_REFUSED = "clock_refused"
    IGNORED = "ignored"


class Reason(StrEnum):
    """Why a frame was put aside; the words are stored with the signal."""

    DOWNGRADE = "security.downgrade"
    KEY_MISMATCH = "key_mismatch"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_KEY = "no_key"
    UNREADABLE = "unreadable"
    CLOCK = "clock_out_of_window"


class Flag(StrEnum):
    """Remarks stored with a signal."""

    CLOCK_SKEW = "clock_skew"
    LENGTH_DIFFERS = "len_mismatch"
    BINARY_CRC = "binary_crc"
    ACCOUNT_FROM_DATA = "account_from_data"
    UNDECODED = "undecoded"
    OLD_KEY = "old_key"


@dataclass(frozen=True, slots=True)
class AccountRules:
    """What the receiver must know of one account. Keys are newest first; more than one means a roll-over is under way.

    The window applies to encrypted messages: from `window_low_s` behind our clock to `window_high_s` ahead of it.
    `clock_offset_s` is what a panel that sends local time is ahead of UTC. `owner` is the caller's own word for it.
    """

    owner: str = ""
    keys: tuple[AesKey, ...] = ()
    require_encryption: bool = True
    window_low_s: float = 40.0
    window_high_s: float = 20.0
    never_nak: bool = False
    clock_offset_s: float = 0.0


FindAccount = Callable[[str, str, str], AccountRules | None]
"""Looks an account up by receiver, prefix and account text ("" where the frame has none)."""


@dataclass(frozen=True, slots=True)
class Received:
    """One frame, judged. `raw` is fit for storage: key groups are blanked out.

    `key` is the one that opened the message and will seal the answer; `key_index` its place in the account's list.
    `owner` comes from the account's rules, "" when nobody knows the account.
    """

    verdict: Verdict
    raw: bytes
    header: Header | None
    account: str = ""
    owner: str = ""
    message: Message | None = None
    reason: str = ""
    flags: tuple[str, ...] = ()
    is_answered: bool = True
    key: AesKey | None = field(default=None, repr=False)
    key_index: int = 0

    @property
    def dedup_key(self) -> str:
        """What a retry of this message has in common with it; "" when nothing can be a retry."""
        return "" if self.message is None else messages.dedup_key(self.message, self.account)


class Receiver:
    """The receiving role: judges frames and writes the answers.

    With `answers_duh`, what is kept aside and may be answered gets DUH instead of ACK. It is off unless somebody asks:
    panels take DUH badly, drop the event or repeat it for ever.
    """

    __slots__ = ("_find_account", "_random", "answers_duh")

    def __init__(
        self,
        find_account: FindAccount,
        *,
        answers_duh: bool = False,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._find_account = find_account
        self._random = random
        self.answers_duh = answers_duh

    def receive(self, frame: Frame, now: datetime) -> Received:
        """Judge one frame that arrived at `now`."""
        raw = redact_keys(frame.raw)
        decoded = messages.decode_message(frame.body)
        header = decoded.header
        if header is not None and header.token in messages.REPLIES:
            return Received(Verdict.IGNORED, raw, header, reason="reply", is_answered=False)
        flags: tuple[str, ...] = ()
        if frame.length_differs:
            flags += (Flag.LENGTH_DIFFERS,)
        if frame.crc_form is CrcForm.BINARY:
            flags += (Flag.BINARY_CRC,)
        if header is None or isinstance(decoded, UnreadableMessage):
            return self._unreadable(decoded, raw, flags)
        account = header.account or ""
        if not account and isinstance(decoded, Message):
            account = account_in(decoded.data)
            if account:
                flags += (Flag.ACCOUNT_FROM_DATA,)
        rules = self._find_account(header.receiver or "", header.prefix or "", account)
        if isinstance(decoded, SealedMessage):
            return self._open(decoded, rules, raw, account, flags, now)
        return self._plain(decoded, rules, raw, account, flags, now)

    def acknowledge(self, received: Received, now: datetime) -> bytes | None:
        """Return the answer to send, once whatever had to be committed is; None when nothing may be answered."""
        if not received.is_answered or received.header is None:
            return None
        if received.verdict is Verdict.CLOCK_REFUSED:
            return encode_frame(b'"NAK"0000R0L0A0[]_' + encode_stamp(now))
        if received.key is not None:
            return encode_frame(messages.seal_ack(received.header, received.key, self._random(RANDOM_OCTETS), now))
        return encode_frame(b'"%b"%b[]' % (b"DUH" if self._is_duh(received) else b"ACK", received.header.echo))

    def _is_duh(self, received: Received) -> bool:
        return self.answers_duh and received.verdict is Verdict.QUARANTINE

    def _unreadable(self, decoded: object, raw: bytes, flags: tuple[str, ...]) -> Received:
        """Keep what has a good checksum and is no message; without a header there is nothing to echo in an answer."""
        header = decoded.header if isinstance(decoded, UnreadableMessage) else None
        if header is None:
            return Received(Verdict.QUARANTINE, raw, None, reason=Reason.UNREADABLE, flags=flags, is_answered=False)
        account = header.account or ""
        rules = self._find_account(header.receiver or "", header.prefix or "", account) or _NO_RULES
        return Received(
            Verdict.QUARANTINE,
            raw,
            header,
            account,
            rules.owner,
            reason=Reason.UNREADABLE,
            flags=flags,
            is_answered=not header.is_encrypted and not _demands_key(rules),
        )

    def _open(
        self,
        sealed: SealedMessage,
        rules: AccountRules | None,
        raw: bytes,
        account: str,
        flags: tuple[str, ...],
        now: datetime,
    ) -> Received:
        """Judge an encrypted message: nobody to answer without a key, and no answer to a wrong one."""
        header, owner = sealed.header, rules.owner if rules is not None else ""
        keys = rules.keys if rules is not None else ()
        message, index = _try_keys(sealed, keys)
        if rules is None or message is None:
            reason = Reason.UNKNOWN_ACCOUNT if rules is None else Reason.KEY_MISMATCH if keys else Reason.UNKNOWN_KEY
            return Received(
                Verdict.QUARANTINE, raw, header, account, owner, reason=reason, flags=flags, is_answered=False
            )
        if index:
            flags += (Flag.OLD_KEY,)
        if not _is_in_window(message.sent_at, rules, now):
            if not rules.never_nak:
                return Received(
                    Verdict.CLOCK_REFUSED, raw, header, account, owner, message, Reason.CLOCK, flags, key_index=index
                )
            flags += (Flag.CLOCK_SKEW,)
        return Received(
            _verdict_of(header), raw, header, account, owner, message, flags=flags, key=keys[index], key_index=index
        )

    def _plain(
        self,
        message: Message,
        rules: AccountRules | None,
        raw: bytes,
        account: str,
        flags: tuple[str, ...],
        now: datetime,
    ) -> Received:
        """Judge a message in the clear: its time is only a remark, because a NAK would lock field panels in a loop."""
        header = message.header
        if rules is not None and _demands_key(rules):
            return Received(
                Verdict.QUARANTINE,
                raw,
                header,
                account,
                rules.owner,
                message,
                Reason.DOWNGRADE,
                flags,
                is_answered=False,
            )
        if message.sent_at is not None and not _is_in_window(message.sent_at, rules or _NO_RULES, now):
            flags += (Flag.CLOCK_SKEW,)
        if rules is None:
            return Received(Verdict.QUARANTINE, raw, header, account, "", message, Reason.UNKNOWN_ACCOUNT, flags)
        return Received(_verdict_of(header), raw, header, account, rules.owner, message, flags=flags)


_NO_RULES = AccountRules()


def _try_keys(sealed: SealedMessage, keys: tuple[AesKey, ...]) -> tuple[Message | None, int]:
    for index, key in enumerate(keys):
        message = messages.open_sealed(sealed, key)
        if message is not None:
            return message, index
    return None, 0


def _demands_key(rules: AccountRules) -> bool:
    return bool(rules.keys) and rules.require_encryption


def _verdict_of(header: Header) -> Verdict:
    return Verdict.LINK_TEST if header.token in messages.LINK_TESTS else Verdict.SIGNAL


def _is_in_window(sent_at: datetime | None, rules: AccountRules, now: datetime) -> bool:
    if sent_at is None:
        return False
    # The wire carries whole seconds, so ours is cut to them as well: the edges -40 and +20 are inside.
    ahead_s = (sent_at - now.replace(microsecond=0)).total_seconds() - rules.clock_offset_s
    return -rules.window_low_s <= ahead_s <= rules.window_high_s


def account_in(data: bytes) -> str:
    """Return the account at the head of a data block (`#acct|...`), or ""."""
    if data[:1] != b"#":
        return ""
    head, bar, _ = data[1:34].partition(b"|")
    return head.decode("latin-1") if bar else ""
