"""What gateways must know per frame, in memory: accounts and their keys, SIP devices and their passwords, channels.

Loaded at the start and read again, device by device, after a commit that changed it. The only place where opened
secrets live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

import msgspec

from tocsin.base.vault import Vault
from tocsin.domain.spoken import IP_PROTOCOLS, VIDEO
from tocsin.domain.store import Store

KEEPALIVE_S: Final = 60
_LEARNED_TEXTS: Final = (
    "charset",
    "sdp_variant",
    "call_target",
    "date_form",
    "signalling",
    "stream_line",
    "record_uri",
    "voice",
)
REFRESH_CHUNK: Final = 500


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
class Source:
    """A device of any protocol that is neither DC-09 nor video, as its gateway needs it.

    `account` is the text it is found by on the wire; hardware receivers have `url` instead. `secret` is opened.
    """

    device_id: str
    protocol: str
    kind: str
    account: str = ""
    receiver: str = ""
    prefix: str = ""
    url: str = ""
    name: str = ""
    secret: bytes = field(default=b"", repr=False)
    secret_before: bytes = field(default=b"", repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    poll_interval_s: float = 0.0
    version: int = 1

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """What it may prove itself with, the newest first."""
        return tuple(secret for secret in (self.secret, self.secret_before) if secret)


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
    alarm_reset: str = "after_commit"
    alarm_subscription: bool = True
    voice: str = ""
    voice_ids: tuple[str, ...] = ()
    voice_payload: str = "auto"
    rtp_ports: str = "auto"
    sdp_variant: str = ""
    call_target: str = ""
    date_form: str = ""
    signalling: str = ""
    stream_line: str = ""
    record_uri: str = ""
    guessed: tuple[str, ...] = ()  # traits that come from an imported matrix and are not proven yet
    catalog_subscription: str = "auto"
    position_subscription: bool = False
    position_interval_s: int = 5
    ptz_position_subscription: bool = False
    channel_status: str = "believe"
    datum: str = "wgs84"


@dataclass(frozen=True, slots=True)
class IpCamera:
    """A camera we call ourselves: `protocol` onvif or rtsp, `url` its device service or its stream.

    `credentials` is `refused` once it has refused the password held here: it is not tried again until people say so.
    `certificate` is the fingerprint people accepted, for addresses of https and rtsps. `inputs` says what is wired to
    an alarm input, a word of ours, with ` inverted` behind it when rest is true.
    """

    device_id: str
    protocol: str
    url: str
    sub_url: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    transport: str = "tcp"
    name: str = ""
    takes_events: bool = True
    credentials: str = ""
    certificate: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    version: int = 1


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
    version: int = 1
    has_sub: bool | None = None  # a sub stream, as its catalogue says; None when it says nothing
    is_of_call: bool = False  # a door call brings it: there while the call lasts, in no registry


@dataclass(frozen=True, slots=True)
class Heard:
    """When and from where a device was last heard."""

    device_id: str
    at: datetime
    peer: str = ""
    transport: str = ""


@dataclass(frozen=True, slots=True)
class DirectoryDevice:
    """A device in use as it is read into the directory; secrets still sealed."""

    id: str
    kind: str
    protocol: str
    jurisdiction_code: str
    name: str = ""
    account: str = ""
    prefix: str = ""
    receiver: str = ""
    line: str = ""
    network: str = ""
    feeder: str = ""
    gb_id: str = ""
    transport: str = ""
    state: str = "never"
    state_since: datetime | None = None
    last_seen_at: datetime | None = None
    registered_until: datetime | None = None
    poll_interval_s: float = 0.0
    test_interval_s: float = 0.0
    last_test_at: datetime | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    profile: Mapping[str, str] = field(default_factory=dict)
    secret: bytes | None = field(default=None, repr=False)
    secret_before: bytes | None = field(default=None, repr=False)
    version: int = 1


A = TypeVar("A", Dc09Account, Source)


class Announced(Protocol):
    """The part of a committed announcement that says what changed."""

    @property
    def type(self) -> str:
        """Feed type, such as `device.changed`."""

    @property
    def subject_id(self) -> str:
        """Id of what changed."""

    @property
    def data(self) -> bytes:
        """The object as JSON."""


class _Versioned(msgspec.Struct):
    version: int = 0
    device_id: str = ""
    name: str = ""
    gone: bool = False


_version_of = msgspec.json.Decoder(_Versioned).decode


class Directory:
    """The read-mostly copy. Every lookup is a dictionary access and never waits.

    `note` hears of commits and marks what must be read again; `keep_fresh` reads it. `refresh` reads one at once.
    """

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault
        self._accounts: dict[str, tuple[Dc09Account, ...]] = {}
        self._sip: dict[str, SipDevice] = {}
        self._devices: dict[str, _Held] = {}
        self._cameras: dict[str, IpCamera] = {}
        self._sources: dict[tuple[str, str], tuple[Source, ...]] = {}
        self._channels: dict[str, Channel] = {}
        self._channels_by_gb_id: dict[tuple[str, str], Channel] = {}
        self._channel_ids: dict[str, tuple[str, ...]] = {}
        self._stale: set[str] = set()
        self._is_stale = asyncio.Event()
        self._reading = asyncio.Lock()
        self._listeners: list[Callable[[Sequence[DirectoryDevice], Collection[str]], None]] = []

    # --- lookups ---

    def dc09_account(self, receiver: str, prefix: str, account: str) -> Dc09Account | None:
        """Return the account of that text; one that names a receiver or prefix matches only that, and first."""
        return _narrowest(self._accounts.get(account, ()), receiver, prefix)

    def dc09_of(self, device_id: str) -> Dc09Account | None:
        """Return the account of a panel by our id."""
        held = self._devices.get(device_id)
        return held.account if held is not None else None

    def source(self, protocol: str, account: str, receiver: str = "", prefix: str = "") -> Source | None:
        """Return the device of that account in a protocol; one that names a receiver or prefix matches only that."""
        return _narrowest(self._sources.get((protocol, account), ()), receiver, prefix)

    def source_of(self, device_id: str) -> Source | None:
        """Return such a device by our id."""
        held = self._devices.get(device_id)
        return held.source if held is not None else None

    def sources(self, *protocols: str) -> list[Source]:
        """Return every such device of these protocols."""
        return [held.source for held in self._devices.values() if held.source and held.source.protocol in protocols]

    def relayed(self, receiver: str, line: str, account: str) -> str:
        """Return the id of the panel a hardware receiver names; empty when nobody has entered it.

        A panel entered as heard through a receiver goes before one that also speaks DC-09 itself.
        """
        source = self.source("relayed", account, receiver, line)
        if source is not None:
            return source.device_id
        own = self.dc09_account(receiver, line, account)
        return own.device_id if own is not None else ""

    def sip_device(self, gb_id: str) -> SipDevice | None:
        """Return the device of a GB/T 28181 id."""
        return self._sip.get(gb_id)

    def sip_of(self, device_id: str) -> SipDevice | None:
        """Return a SIP device by our id."""
        held = self._devices.get(device_id)
        return held.sip if held is not None else None

    def ip_camera(self, device_id: str) -> IpCamera | None:
        """Return a camera we call ourselves."""
        return self._cameras.get(device_id)

    def ip_cameras(self) -> list[IpCamera]:
        """Return every camera we call ourselves."""
        return list(self._cameras.values())

    def protocol_of(self, device_id: str) -> str:
        """Return the protocol of a camera we call ourselves; empty for every other device."""
        camera = self._cameras.get(device_id)
        return camera.protocol if camera is not None else ""

    def channel(self, channel_id: str) -> Channel | None:
        """Return a channel by our id."""
        return self._channels.get(channel_id)

    def channel_by_gb_id(self, device_id: str, gb_id: str) -> Channel | None:
        """Return a channel of a device by its GB/T 28181 id."""
        return self._channels_by_gb_id.get((device_id, gb_id))

    def channels_of(self, device_id: str) -> Iterator[Channel]:
        """Yield the channels of a device."""
        for channel_id in self._channel_ids.get(device_id, ()):
            yield self._channels[channel_id]

    def devices_with_channels(self) -> list[str]:
        """Return the ids of the devices that have channels."""
        return list(self._channel_ids)

    def __len__(self) -> int:
        return len(self._devices)

    # --- keeping it fresh ---

    def on_change(self, listener: Callable[[Sequence[DirectoryDevice], Collection[str]], None]) -> None:
        """Call `listener` with the devices read (secrets taken out) and the ids that are no longer in use."""
        self._listeners.append(listener)

    async def load(self) -> None:
        """Read everything."""
        async with self._reading:
            devices, channels = await self._store.read(_read_all)
            self._replace_channels(None, channels)
            for device in devices:
                self._put(device)
            self._tell(devices, ())

    async def refresh(self, *device_ids: str) -> None:
        """Read these devices again, so that what was just committed counts at once."""
        wanted = sorted(set(device_ids))
        for start in range(0, len(wanted), REFRESH_CHUNK):
            chunk = wanted[start : start + REFRESH_CHUNK]
            async with self._reading:  # one at a time: an earlier snapshot must not be put over a later one
                self._stale.difference_update(chunk)  # `keep_fresh` need not read what is read here
                devices, channels = await self._store.read(_read_some, chunk)
                for device_id in chunk:
                    self._drop(device_id)
                self._replace_channels(chunk, channels)
                for device in devices:
                    self._put(device)
                self._tell(devices, set(chunk) - {device.id for device in devices})

    def note(self, announcements: Iterable[Announced]) -> None:
        """Hear of committed changes; those that alter what is held here are read again by `keep_fresh`.

        A device or channel that is as it is held here only changed its state; that is not kept.
        """
        for item in announcements:
            if item.type == "device.changed":
                held = self._devices.get(item.subject_id)
                if held is None or held.version != _version_of(item.data).version:
                    self._stale.add(item.subject_id)
            elif item.type == "camera.changed":
                told = _version_of(item.data)
                channel = self._channels.get(item.subject_id)
                known = None if channel is None else (channel.version, channel.name, channel.is_gone)
                if told.device_id and known != (told.version, told.name, told.gone):
                    self._stale.add(told.device_id)
        if self._stale:
            self._is_stale.set()

    async def keep_fresh(self) -> None:
        """Read again what `note` marked, for ever."""
        while True:
            await self._is_stale.wait()
            self._is_stale.clear()
            waiting, self._stale = self._stale, set()
            try:
                await self.refresh(*waiting)
            except BaseException:
                self._stale |= waiting
                self._is_stale.set()
                raise

    def learn(self, device_id: str, profile: Mapping[str, str]) -> None:
        """Use at once what a gateway has learned of a SIP device; `domain/reports.py` stores it."""
        held = self._devices.get(device_id)
        camera = self._cameras.get(device_id)
        if camera is not None and "credentials" in profile:
            self._cameras[device_id] = replace(camera, credentials=profile["credentials"])
        if held is None or held.sip is None:
            return
        learned = _learned(profile)
        if learned:
            fixed = {name: getattr(held.sip, name) for name in held.set_by_hand if name in learned}
            held.sip = self._sip[held.sip.gb_id] = replace(held.sip, **{**learned, **fixed})

    # --- inside ---

    def _tell(self, devices: Iterable[DirectoryDevice], gone: Collection[str]) -> None:
        bare = [replace(device, secret=None, secret_before=None) for device in devices]
        for listener in self._listeners:
            listener(bare, gone)

    def _put(self, device: DirectoryDevice) -> None:
        held = _Held(device.version)
        if device.protocol == "dc09":
            held.account = self._account(device)
            others = tuple(a for a in self._accounts.get(device.account, ()) if a.device_id != device.id)
            self._accounts[device.account] = (*others, held.account)
        elif device.protocol in IP_PROTOCOLS:
            self._cameras[device.id] = self._ip_camera(device)
        elif device.protocol not in VIDEO:
            held.source = self._source(device)
            key = (device.protocol, device.account)
            self._sources[key] = (*(s for s in self._sources.get(key, ()) if s.device_id != device.id), held.source)
        elif device.gb_id:
            held.sip = self._sip_device(device)
            held.set_by_hand = frozenset(_set_by_hand(device.settings))
            self._sip[device.gb_id] = held.sip
        self._devices[device.id] = held

    def _drop(self, device_id: str) -> None:
        held = self._devices.pop(device_id, None)
        self._cameras.pop(device_id, None)
        if held is None:
            return
        if held.account is not None:
            left = tuple(a for a in self._accounts[held.account.account] if a.device_id != device_id)
            if left:
                self._accounts[held.account.account] = left
            else:
                del self._accounts[held.account.account]
        if held.source is not None:
            key = (held.source.protocol, held.source.account)
            self._sources[key] = tuple(s for s in self._sources[key] if s.device_id != device_id)
            if not self._sources[key]:
                del self._sources[key]
        if held.sip is not None and self._sip.get(held.sip.gb_id) is held.sip:
            del self._sip[held.sip.gb_id]

    def _replace_channels(self, device_ids: Collection[str] | None, channels: Iterable[Channel]) -> None:
        for device_id in list(self._channel_ids) if device_ids is None else device_ids:
            for channel_id in self._channel_ids.pop(device_id, ()):
                channel = self._channels.pop(channel_id)
                self._channels_by_gb_id.pop((device_id, channel.gb_id), None)
        found: dict[str, list[str]] = {}
        for channel in channels:
            self._channels[channel.id] = channel
            self._channels_by_gb_id[(channel.device_id, channel.gb_id)] = channel
            found.setdefault(channel.device_id, []).append(channel.id)
        self._channel_ids.update((device_id, tuple(ids)) for device_id, ids in found.items())

    def _ip_camera(self, device: DirectoryDevice) -> IpCamera:
        settings = device.settings
        return IpCamera(
            device_id=device.id,
            protocol=device.protocol,
            url=str(settings.get("url", "")),
            sub_url=str(settings.get("sub_url", "")),
            username=str(settings.get("username", "")),
            password=self._vault.open(device.secret).decode() if device.secret else "",
            transport=str(settings.get("transport", "")) or "tcp",
            name=device.name,
            takes_events=bool(settings.get("events", True)),
            credentials=str(device.profile.get("credentials", "")),
            certificate=str(settings.get("certificate", "")),
            inputs=dict(settings.get("inputs", {})),
            version=device.version,
        )

    def _source(self, device: DirectoryDevice) -> Source:
        return Source(
            device_id=device.id,
            protocol=device.protocol,
            kind=device.kind,
            account=device.account,
            receiver=device.receiver,
            prefix=device.prefix,
            url=str(device.settings.get("url", "")),
            name=device.name,
            secret=self._vault.open(device.secret) if device.secret else b"",
            secret_before=self._vault.open(device.secret_before) if device.secret_before else b"",
            settings=device.settings,
            poll_interval_s=device.poll_interval_s,
            version=device.version,
        )

    def _account(self, device: DirectoryDevice) -> Dc09Account:
        settings = device.settings
        keys = tuple(self._vault.open(sealed) for sealed in (device.secret, device.secret_before) if sealed)
        return Dc09Account(
            device_id=device.id,
            account=device.account,
            receiver=device.receiver,
            prefix=device.prefix,
            keys=keys,
            require_encryption=bool(settings.get("require_encryption", True)),
            window_low_s=float(settings.get("window_low_s", 40.0)),
            window_high_s=float(settings.get("window_high_s", 20.0)),
            never_nak=bool(settings.get("never_nak", False)),
            clock_offset_s=float(settings.get("clock_offset_s", 0.0)),
            poll_interval_s=device.poll_interval_s,
        )

    def _sip_device(self, device: DirectoryDevice) -> SipDevice:
        settings = device.settings
        known = SipDevice(
            device_id=device.id,
            gb_id=device.gb_id,
            password=self._vault.open(device.secret).decode() if device.secret else "",
            transport=str(settings.get("transport", "")),
            keepalive_s=keepalive_s(device),
            send_date=bool(settings.get("send_date", True)),
            sha256=bool(settings.get("sha256", False)),
            alarm_reset=str(settings.get("alarm_reset", "after_commit")),
            alarm_subscription=bool(settings.get("alarm_subscription", True)),
            voice_payload=str(settings.get("voice_payload", "auto")),
            rtp_ports=str(settings.get("rtp_ports", "auto")),
            catalog_subscription=str(settings.get("catalog_subscription", "auto")),
            position_subscription=bool(settings.get("position_subscription", False)),
            position_interval_s=int(settings.get("position_interval_s", 5)),
            ptz_position_subscription=bool(settings.get("ptz_position_subscription", False)),
            channel_status=str(settings.get("channel_status", "believe")),
            datum=str(settings.get("datum", "wgs84")),
        )
        return replace(known, **{**_learned(device.profile), **_set_by_hand(settings)})


@dataclass(slots=True)
class _Held:
    """What is kept of one device, to find its entries again."""

    version: int
    account: Dc09Account | None = None
    source: Source | None = None
    sip: SipDevice | None = None
    set_by_hand: frozenset[str] = frozenset()


def _narrowest(entries: Iterable[A], receiver: str, prefix: str) -> A | None:
    """Return the entry that fits and says most: one that names a receiver or prefix matches only that, and first."""
    best: A | None = None
    for entry in entries:
        if entry.receiver not in ("", receiver) or entry.prefix not in ("", prefix):
            continue
        if best is None or (bool(entry.prefix), bool(entry.receiver)) > (bool(best.prefix), bool(best.receiver)):
            best = entry
    return best


def keepalive_s(device: DirectoryDevice) -> int:
    """Return the keepalive interval expected of a SIP device; absurd ones are ignored."""
    given = device.settings.get("keepalive_s") or device.poll_interval_s
    return int(given) if given and given >= 5 else KEEPALIVE_S


def _learned(profile: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a SIP device that a profile sets; lists stand with commas."""
    learned: dict[str, Any] = {name: profile[name] for name in _LEARNED_TEXTS if profile.get(name)}
    for name in ("media_ladder", "voice_ids", "guessed"):
        if name in profile and (profile[name] or name == "guessed"):
            learned[name] = tuple(word for word in profile[name].split(",") if word)
    return learned


def _set_by_hand(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a SIP device that people have set: they go before what was learned."""
    fixed: dict[str, Any] = {name: str(settings[name]) for name in _LEARNED_TEXTS if settings.get(name)}
    if settings.get("media_first"):
        fixed["media_ladder"] = (str(settings["media_first"]),)
    return fixed


def _read_all(tx: Any) -> tuple[list[DirectoryDevice], list[Channel]]:
    return list(tx.devices.directory()), list(tx.devices.directory_channels())


def _read_some(tx: Any, device_ids: Collection[str]) -> tuple[list[DirectoryDevice], list[Channel]]:
    return list(tx.devices.directory(device_ids)), list(tx.devices.directory_channels(device_ids))
