"""What gateways must know per frame, in memory: accounts and their keys, SIP devices and their passwords, channels.

Loaded at the start and read again, device by device, after a commit that changed it. The only place where opened
secrets live.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Dc09Account:
    """A panel's account as the DC-09 receiver needs it; `keys` newest first, `require_encryption` needs one."""

    device_id: str
    account: str
    receiver: str = ""
    prefix: str = ""
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    require_encryption: bool = True
    window_low_s: float = 40.0
    window_high_s: float = 20.0
    never_nak: bool = False
    clock_offset_s: float = 0.0
    poll_interval_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SipDevice:
    """A GB/T 28181 device as the SIP gateway needs it; `media_ladder` has the winner first, empty texts are learned."""

    device_id: str
    gb_id: str
    password: str = field(default="", repr=False)
    transport: str = ""
    charset: str = ""
    media_ladder: tuple[str, ...] = ()
    keepalive_s: int = 60
    send_date: bool = True
    sha256: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """A picture of a device, as gateways, media and views need it."""

    id: str
    device_id: str
    gb_id: str
    name: str = ""
    name_en: str = ""
    jurisdiction_code: str = ""
    place_id: str | None = None
    stage: str = "discovered"
    loss_policy: str = "drop"
    is_gone: bool = False


class Directory:
    """The read-mostly copy. Every lookup is a dictionary access and never waits."""

    def __init__(self) -> None:
        self._accounts: dict[str, tuple[Dc09Account, ...]] = {}
        self._sip: dict[str, SipDevice] = {}
        self._channels: dict[str, Channel] = {}
        self._channels_by_gb_id: dict[tuple[str, str], Channel] = {}

    def dc09_account(self, receiver: str, prefix: str, account: str) -> Dc09Account | None:
        """Return the account of that text; one that names a receiver or prefix matches only that, and first."""
        best: Dc09Account | None = None
        for entry in self._accounts.get(account, ()):
            if entry.receiver not in ("", receiver) or entry.prefix not in ("", prefix):
                continue
            if best is None or (bool(entry.prefix), bool(entry.receiver)) > (bool(best.prefix), bool(best.receiver)):
                best = entry
        return best

    def sip_device(self, gb_id: str) -> SipDevice | None:
        """Return the device of a GB/T 28181 id."""
        return self._sip.get(gb_id)

    def channel(self, channel_id: str) -> Channel | None:
        """Return a channel by our id."""
        return self._channels.get(channel_id)

    def channel_by_gb_id(self, device_id: str, gb_id: str) -> Channel | None:
        """Return a channel of a device by its GB/T 28181 id."""
        return self._channels_by_gb_id.get((device_id, gb_id))
