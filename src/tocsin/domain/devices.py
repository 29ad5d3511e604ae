"""Devices: panels, cameras and platforms that speak to us, their zones and faults, and what gateways report of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol
from urllib.parse import SplitResult, urlsplit

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain import fields
from tocsin.domain.alarms import zone_key
from tocsin.domain.attempts import Attempt
from tocsin.domain.camera_tree import CatalogNode
from tocsin.domain.fields import refuse
from tocsin.domain.message_sources import TOPICS, check_source, inputs_rule, message_rule, topic_rule
from tocsin.domain.paths import paths_rule
from tocsin.domain.spoken import KINDS, SPOKEN, AddressForm, SecretForm

KEY_SIZES: Final = (16, 24, 32)
_KEYS: Final = re.compile(r"[0-9*#A-D]{0,16}")
_PHONE: Final = re.compile(r"[1-9][0-9]{0,19}")

WORDS: Final = Words(
    {
        "comms.path_failed": (
            "No signal for {silent_s} s; one is expected every {interval_s} s.",
            "已 {silent_s} 秒没有信号，应每 {interval_s} 秒上报一次。",
        ),
        "comms.one_path_failed": (
            "The path {path} has been silent for {silent_s} s; another path still works.",
            "线路 {path} 已 {silent_s} 秒没有信号，其他线路正常。",
        ),
        "comms.all_paths_failed": (
            "None of its paths has brought a signal for {silent_s} s; one is expected every {interval_s} s.",
            "各条线路均已 {silent_s} 秒没有信号，应每 {interval_s} 秒上报一次。",
        ),
        "comms.keepalive_missed": (
            "No keepalive for {silent_s} s; one is expected every {interval_s} s.",
            "已 {silent_s} 秒没有心跳，应每 {interval_s} 秒一次。",
        ),
        "comms.registration_expired": ("Its registration has expired.", "设备注册已过期。"),
        "comms.camera_silent": (
            "The camera does not answer at its address.",
            "摄像机在其地址上没有应答。",
        ),
        "comms.password_refused": (
            "The camera refused the password. It was tried once and is not tried again until you enter it anew or "
            "press “Try again”, so that the camera does not lock itself.",
            "摄像机拒绝了密码。平台只尝试了一次；重新填写密码或点击“重试”之前不再尝试，以免摄像机被锁定。",
        ),
        "comms.certificate_changed": (
            "It shows another certificate than the accepted one, so nothing is sent to it. Look at it on this "
            "page and accept it if the camera was reset or given a new one; otherwise somebody is in between.",
            "设备出示的证书与已确认的不同，平台不再向其发送任何内容。请在本页查看证书：确因重置或更换证书的可重新确认，否则可能有人冒充。",
        ),
        "comms.certificate_unknown": (
            "Nobody has accepted its certificate yet, so nothing is sent to it. Look at it on this page and accept it.",
            "设备证书尚未确认，平台不向其发送任何内容。请在本页查看并确认。",
        ),
        "comms.connection_lost": ("Its connection was lost.", "设备连接已断开。"),
        "device.parts_faulty": ("Parts of it do not work: {parts}.", "部分子设备故障：{parts}。"),
        "comms.signed_off": ("The device signed off.", "设备已主动注销。"),
        "test.late": ("The periodic test is late by {late_s} s.", "定期测试已逾期 {late_s} 秒。"),
        "security.downgrade": (
            "It sent an unencrypted message although a key is set; it was kept and not acted upon. Switch encryption on"
            " in the panel, or remove the key here if the panel cannot encrypt.",
            "该设备已设置密钥，却发送了未加密的报文，报文已留存但未处理。请在主机上启用加密；主机不支持加密时，请在此移除密钥。",
        ),
        "security.key_mismatch": (
            "Its messages cannot be read with the key set here and get no answer. Enter the panel's key on this page,"
            " or set this key in the panel.",
            "用平台设置的密钥无法解密其报文，平台不予应答。请在本页录入主机的密钥，或在主机上设置同一密钥。",
        ),
        "security.key_missing": (
            "It sends encrypted messages, but no key is set here, so they cannot be read or answered. Enter the panel's"
            " key on this page.",
            "设备发送加密报文，但平台未设置密钥，无法解密和应答。请在本页录入主机的密钥。",
        ),
        "security.signature": (
            "A message for it came with a signature that does not fit its secret; nothing was taken. Enter the secret"
            " in the sender, or make a new one here.",
            "收到署名与密钥不符的消息，已拒收。请在发送方填写正确的密钥，或在本页重新生成。",
        ),
        "comms.last_will": (
            "The broker reports that the connection to it was lost.",
            "消息服务器报告：与该设备的连接已断开。",
        ),
        "comms.feed_silent": (
            "The feed of public warnings cannot be fetched.",
            "无法获取该公共预警源。",
        ),
        "security.wrong_code": (
            "It showed a code that is not its own and was refused. Terminals register again by themselves; if this one"
            " does not, reset it to register anew.",
            "终端出示的鉴权码不正确，已拒绝。终端通常会自动重新注册；若未自动注册，请在终端上重新发起注册。",
        ),
        "security.other_terminal": (
            "Another terminal wants to register under its number. If it was exchanged, allow it on this page.",
            "另一台终端以该号码请求注册，已拒绝。确因更换终端的，请在本页允许重新注册。",
        ),
        "clock.skew": (
            "Its clock is off by {skew_s} s. Set the panel's clock; if it sends local time, enter its offset from UTC"
            " on this page.",
            "设备时钟偏差 {skew_s} 秒。请校准主机时钟；主机发送本地时间时，请在本页填写与 UTC 的时差。",
        ),
        "zone.unknown": (
            "It reported zones that are not entered here: {zones}. Enter them, so that their place and cameras are"
            " known.",
            "设备上报了未录入的防区：{zones}。请录入这些防区，以便关联位置和摄像机。",
        ),
        "registry.account_taken": (
            "Another device already has this account.",
            "该账号已被其他设备使用。",
        ),
        "registry.gb_id_taken": ("Another device already has this id.", "该编号已被其他设备使用。"),
        "registry.phone_form": (
            "The number is that of the terminal's SIM: digits alone, without zeros in front.",
            "请填写终端 SIM 卡号：仅数字，前面不加 0。",
        ),
        "registry.door_code": (
            "A code that opens a door has up to 16 of 0-9, *, # and A-D.",
            "开门码由 0-9、*、#、A-D 组成，最多 16 位。",
        ),
        "registry.url_with_password": (
            "Leave user name and password out of the address: they have fields of their own and are kept sealed.",
            "地址中请勿包含用户名和密码，请填写在各自的栏目中（密码加密保存）。",
        ),
        "registry.not_called": (
            "This device registers with us by itself; there is nothing to try from here.",
            "该设备由自身向平台注册，无需在此重试。",
        ),
        "registry.url_protocol": (
            "This protocol needs an address that begins with {form}",
            "该协议的地址须以 {form} 开头",
        ),
        "registry.key_form": (
            "A key has 32, 48 or 64 hex digits, or 16, 24 or 32 ASCII characters.",
            "密钥应为 32、48 或 64 位十六进制数字，或 16、24、32 个 ASCII 字符。",
        ),
    }
)


class DeviceState(StrEnum):
    """Whether a device is heard. `pending` is for devices nobody has entered yet."""

    NEVER = "never"
    ONLINE = "online"
    OFFLINE = "offline"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a device; opens once, closes by itself."""

    id: str
    device_id: str
    key: str
    opened_at: datetime
    params: Mapping[str, object] = field(default_factory=dict)
    closed_at: datetime | None = None

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        chinese = WORDS.text(self.key, "zh", self.params)
        return {
            "key": self.key,
            "params": dict(self.params),
            "since": iso(self.opened_at),
            "words": chinese,
            "words_en": WORDS.text(self.key, "en", self.params),
            "words_zh": chinese,
        }


@dataclass(frozen=True, slots=True)
class Device:
    """A device as registered and as last heard. Secrets are not part of it; `is_keyed` says whether one is stored."""

    id: str
    kind: str
    name: str
    jurisdiction_id: str
    jurisdiction_code: str
    protocol: str
    name_en: str = ""
    place_id: str | None = None
    account: str = ""
    prefix: str = ""
    receiver: str = ""
    gb_id: str = ""
    transport: str = ""
    maker: str = ""
    model: str = ""
    firmware: str = ""
    line: str = ""
    network: str = ""
    feeder: str = ""
    state: str = DeviceState.NEVER
    state_since: datetime | None = None
    last_seen_at: datetime | None = None
    peer: str = ""
    registered_until: datetime | None = None
    poll_interval_s: float = 0.0
    test_interval_s: float = 0.0
    last_test_at: datetime | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    profile: Mapping[str, str] = field(default_factory=dict)
    is_keyed: bool = False
    is_rolling_over: bool = False
    retired_at: datetime | None = None
    version: int = 1
    faults: tuple[Fault, ...] = ()

    @property
    def address(self) -> tuple[str, ...]:
        """What no two devices in use may share; devices we call ourselves may share theirs."""
        if self.has_account:
            return (self.protocol, self.account, self.prefix, self.receiver)
        return ("gb28181", self.gb_id)

    @property
    def has_account(self) -> bool:
        """Whether it is found by an account as it stands on the wire."""
        return SPOKEN[self.protocol].address is AddressForm.ACCOUNT

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        address: dict[str, object]
        if self.has_account:
            address = {"account": self.account, "prefix": self.prefix, "receiver": self.receiver}
            address.update({name: self.settings[name] for name in TOPICS if self.settings.get(name)})
        elif SPOKEN[self.protocol].address is AddressForm.URL:
            address = {name: self.settings.get(name, "") for name in ("url", "sub_url", "username")}
        else:
            address = {"gb_id": self.gb_id}
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "name_en": self.name_en,
            "place_id": self.place_id,
            "jurisdiction_id": self.jurisdiction_id,
            "protocol": self.protocol,
            "address": address,
            "transport": self.transport,
            "maker": self.maker,
            "model": self.model,
            "firmware": self.firmware,
            "line": self.line,
            "network": self.network,
            "feeder": self.feeder,
            "state": str(self.state),
            "state_since": _optional_iso(self.state_since),
            "last_seen_at": _optional_iso(self.last_seen_at),
            "peer": self.peer,
            "keyed": self.is_keyed,
            "key_rollover": self.is_rolling_over,
            "poll_interval_s": self.poll_interval_s,
            "test_interval_s": self.test_interval_s,
            "last_test_at": _optional_iso(self.last_test_at),
            "clock_offset_s": float(self.settings.get("clock_offset_s", 0.0)),
            "settings": dict(self.settings),
            "faults": [fault.form() for fault in self.faults],
            "profile": dict(self.profile),
            "version": self.version,
            "retired": self.retired_at is not None,
        }


@dataclass(frozen=True, slots=True)
class Zone:
    """An alarm point. `number` is the text the device sends, without leading zeros: a number or a GB/T 28181 id."""

    id: str
    device_id: str
    number: str
    name: str = ""
    name_en: str = ""
    kind: str = ""
    place_id: str | None = None
    cameras: tuple[str, ...] = ()
    version: int = 1

    def form(self) -> dict[str, object]:
        """Return it as the API shows it; cameras in the order they are shown."""
        return {
            "id": self.id,
            "device_id": self.device_id,
            "number": self.number,
            "name": self.name,
            "name_en": self.name_en,
            "kind": self.kind,
            "place_id": self.place_id,
            "cameras": list(self.cameras),
            "version": self.version,
        }


def _optional_iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


# --- what people may enter --------------------------------------------------------------------------------------------


def _settings(field_: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise refuse(field_, "registry.field_form", f"{field_} must be an object", form="{name: value}")
    return fields.read(value, _SETTING_RULES)


def _address(field_: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise refuse(field_, "registry.field_form", f"{field_} must be an object", form="{account} / {gb_id}")
    return fields.read(value, _ADDRESS_RULES)


def _wire_text(limit: int) -> fields.Rule:
    """Text as it stands on the wire: printable ASCII, kept exactly."""

    def _rule(field_: str, value: Any) -> str:
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > limit or not all("!" <= c <= "~" for c in value):
            raise refuse(
                field_, "registry.field_form", f"{field_} must be at most {limit} characters", form=f"ASCII, <= {limit}"
            )
        return value

    return _rule


def _camera_url(field_: str, value: Any) -> str:
    """The address of what is called: a URL of http, rtsp or tcp with a host, and no password in it."""
    if not value:
        return ""
    text = value.strip() if isinstance(value, str) else ""
    parts = _split(text)
    if parts is None or len(text) > 512 or not all("!" <= c <= "~" for c in text):
        raise refuse(
            field_,
            "registry.field_form",
            f"{field_} is no address",
            form="rtsp://host:554/path, http://host, tcp://host:port",
        )
    if "@" in parts.netloc:
        raise refuse(field_, "registry.url_with_password", f"{field_}: give user and password in their own fields")
    if parts.scheme.lower().startswith("http") and parts.path in ("", "/"):
        return parts._replace(path="/onvif/device_service").geturl()
    return text


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme.lower() in ("rtsp", "rtsps", "http", "https", "tcp") and parts.hostname else None


def _certificate(field_: str, value: Any) -> str:
    """A SHA-256 fingerprint, colons or not; empty takes it away."""
    text = value.replace(":", "").strip().lower() if isinstance(value, str) else ""
    if value and (len(text) != 64 or not all(c in "0123456789abcdef" for c in text)):
        raise refuse(field_, "registry.field_form", f"{field_} is no SHA-256 fingerprint", form="64 hex")
    return text


def _door_code(field_: str, value: Any) -> str:
    """What opens a door: up to 16 keys of a telephone; empty: it is not opened from here."""
    text = value.strip().upper() if isinstance(value, str) else ""
    if not _KEYS.fullmatch(text):
        raise refuse(field_, "registry.door_code", f"{field_} is no row of keys")
    return text


_SETTING_RULES: Final[Mapping[str, fields.Rule]] = {
    "window_low_s": fields.number(0, 86_400, optional=False),
    "window_high_s": fields.number(0, 86_400, optional=False),
    "never_nak": fields.flag,
    "require_encryption": fields.flag,
    "clock_offset_s": fields.number(-86_400, 86_400, optional=False),
    "keepalive_s": fields.number(5, 86_400, optional=False),
    "send_date": fields.flag,
    "sha256": fields.flag,
    "alarm_reset": fields.choice("off", "after_commit"),
    "rtp_ports": fields.choice("auto", "own"),
    "voice_payload": fields.choice("auto", "raw", "ps"),
    "alarm_subscription": fields.flag,
    "catalog_subscription": fields.choice("auto", "on", "off"),
    "position_subscription": fields.flag,
    "position_interval_s": fields.number(1, 3600, optional=False),
    "ptz_position_subscription": fields.flag,
    "channel_status": fields.choice("believe", "check", "ignore"),
    "datum": fields.choice("wgs84", "gcj02"),
    "unit_id": fields.optional_id,
    "paths": paths_rule,
    "door_method": fields.choice("rfc4733", "info_relay", "info_dtmf"),
    "door_code": _door_code,
    "sos_number": _wire_text(64),
    "carrier": fields.choice("", "vehicle", "drone", "robot", "worn"),
    "events": fields.flag,
    "message": message_rule,
    "inputs": inputs_rule,
    "certificate": _certificate,
    "transport": fields.choice("", "udp", "tcp"),
    "charset": fields.choice("", "gb2312", "gbk", "gb18030", "utf-8"),
    "sdp_variant": fields.choice("", "standard", "wide", "channel_origin", "bare"),
    "media_first": fields.choice("", "udp", "tcp_passive", "tcp_active"),
    "call_target": fields.choice("", "channel", "device"),
    "date_form": fields.choice("", "milliseconds", "seconds", "none"),
    "signalling": fields.choice("", "udp", "tcp"),
    "record_uri": fields.choice("", "0", "3"),
    "stream_line": fields.choice("", "streamnumber", "stream", "streamprofile", "streammode"),
}
_ADDRESS_RULES: Final[Mapping[str, fields.Rule]] = {
    "url": _camera_url,
    "sub_url": _camera_url,
    "username": _wire_text(64),
    **dict.fromkeys(TOPICS, topic_rule),
    "account": _wire_text(64),
    "prefix": _wire_text(16),
    "receiver": _wire_text(16),
    "gb_id": _wire_text(64),
}
_ADDRESS_SETTINGS: Final = ("url", "sub_url", "username", *TOPICS)
_DEVICE_RULES: Final[Mapping[str, fields.Rule]] = {
    "kind": fields.choice(*KINDS),
    "name": fields.text(200, required=True),
    "name_en": fields.text(200),
    "place_id": fields.optional_id,
    "jurisdiction_id": fields.optional_id,
    "protocol": fields.choice(*SPOKEN),
    "address": _address,
    "maker": fields.text(100),
    "model": fields.text(100),
    "firmware": fields.text(100),
    "line": fields.text(80),
    "network": fields.text(80),
    "feeder": fields.text(80),
    "poll_interval_s": fields.number(0, 604_800, optional=False),
    "test_interval_s": fields.number(0, 5_184_000, optional=False),
    "clock_offset_s": fields.number(-86_400, 86_400, optional=False),
    "settings": _settings,
}
_ZONE_RULES: Final[Mapping[str, fields.Rule]] = {
    "number": _wire_text(64),
    "name": fields.text(200),
    "name_en": fields.text(200),
    "kind": fields.text(24),
    "place_id": fields.optional_id,
}


def new_device(device_id: str, given: Mapping[str, Any], jurisdiction_id: str, jurisdiction_code: str) -> Device:
    """Return a device of that jurisdiction. Errors: INVALID, naming the field."""
    fields.require(given, "kind", "name", "protocol", "address")
    values = _device_values(given, {})
    values.pop("jurisdiction_id", None)
    made = Device(id=device_id, jurisdiction_id=jurisdiction_id, jurisdiction_code=jurisdiction_code, **values)
    return _addressed(made)


def changed_device(device: Device, changes: Mapping[str, Any], jurisdiction: tuple[str, str] | None = None) -> Device:
    """Return it with `changes`; `jurisdiction` is (id, code) when it moves to another. Errors: INVALID."""
    values = _device_values(changes, device.settings)
    values.pop("jurisdiction_id", None)
    if values.get("protocol", device.protocol) != device.protocol:
        raise refuse("protocol", "registry.field_fixed", "the protocol cannot be changed: make a new device")
    if jurisdiction is not None:
        values.update(jurisdiction_id=jurisdiction[0], jurisdiction_code=jurisdiction[1])
    return _addressed(replace(device, **values))


def _device_values(given: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    values = fields.read(given, _DEVICE_RULES)
    values.update(values.pop("address", {}))
    changed = values.pop("settings", {})
    changed = {**changed, **{name: values.pop(name) for name in _ADDRESS_SETTINGS if name in values}}
    if "clock_offset_s" in values:
        changed = {**changed, "clock_offset_s": values.pop("clock_offset_s")}
    if changed:
        values["settings"] = {**settings, **changed}
    return values


def _addressed(device: Device) -> Device:
    spoken = SPOKEN[device.protocol]
    if spoken.address is AddressForm.ACCOUNT and not device.account:
        raise refuse("address.account", "registry.field_required", "account must not be empty")
    if device.protocol == "jt808" and not _PHONE.fullmatch(device.account):
        raise refuse("address.account", "registry.phone_form", "the account is a phone number without zeros in front")
    if spoken.address is AddressForm.GB_ID and not device.gb_id:
        raise refuse("address.gb_id", "registry.field_required", "gb_id must not be empty")
    check_source(device.protocol, device.account, device.settings)
    if spoken.address is AddressForm.URL:
        url = str(device.settings.get("url", ""))
        if not url:
            raise refuse("address.url", "registry.field_required", "url must not be empty")
        if url.partition(":")[0].lower() not in spoken.schemes:
            form = f"{spoken.schemes[0]}://"
            raise refuse("address.url", "registry.url_protocol", f"url must begin with {form}", form=form)
    return device


def new_zone(zone_id: str, device_id: str, given: Mapping[str, Any]) -> Zone:
    """Return a zone of a device. Errors: INVALID."""
    fields.require(given, "number")
    values = fields.read(given, _ZONE_RULES)
    values["number"] = zone_key(values["number"])
    return Zone(id=zone_id, device_id=device_id, **values)


def changed_zone(zone: Zone, changes: Mapping[str, Any]) -> Zone:
    """Return it with `changes`. Errors: INVALID."""
    values = fields.read(changes, _ZONE_RULES)
    if zone_key(values.pop("number", zone.number)) != zone.number:
        raise refuse("number", "registry.field_fixed", "the number cannot be changed: make a new zone")
    return replace(zone, **values)


def secret_of(protocol: str, *, key_hex: str = "", key_text: str = "", password: str = "") -> bytes:
    """Return the secret bytes of what was entered: a DC-09 key in either form, or a password. Errors: INVALID.

    Source: alarm reference, encryption: keys are entered as hex digits or as ASCII characters.
    """
    given = [name for name, value in (("key_hex", key_hex), ("key_text", key_text), ("password", password)) if value]
    if len(given) != 1:
        raise refuse("secret", "registry.field_required", "give one of key_hex, key_text, password")
    wanted = SPOKEN[protocol].secret
    if wanted is SecretForm.NONE or (given[0] == "password") != (wanted is SecretForm.PASSWORD):
        raise refuse(given[0], "registry.field_unknown", f"a {protocol} device takes no {given[0]}")
    if password:
        if len(password) > 128 or not password.isprintable():
            raise refuse("password", "registry.field_long", "a password has at most 128 characters", limit=128)
        return password.encode()
    form_error = refuse(
        given[0], "registry.key_form", "a key has 32, 48 or 64 hex digits, or 16, 24 or 32 ASCII characters"
    )
    if key_hex:
        digits = "".join(key_hex.split())
        if not digits.isascii() or len(digits) not in (32, 48, 64):
            raise form_error
        try:
            return bytes.fromhex(digits)
        except ValueError as error:
            raise form_error from error
    if not key_text.isascii() or len(key_text) not in KEY_SIZES:
        raise form_error
    return key_text.encode("ascii")


def taken(field_: str, key: str, detail: str, device_id: str) -> TocsinError:
    """Return the error for an address that another device has."""
    return TocsinError(ErrorCode.CONFLICT, detail, key=key, field=field_, device_id=device_id)


# --- what gateways report ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One channel as a device's catalogue names it. `is_online` None: the previous state stays.

    `event` is what a notification says has happened to it: ON, OFF, VLOST, DEFECT and DEL name the channel and no more.
    """

    gb_id: str
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    civil_code: str = ""
    address: str = ""
    parent_id: str = ""
    is_online: bool | None = None
    lon: float | None = None
    lat: float | None = None
    ptz_type: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    event: str = ""


@dataclass(frozen=True, slots=True)
class PositionReport:
    """Where a device on duty is now, WGS-84 degrees. Only the latest is kept, never where it was before."""

    gb_id: str
    lon: float
    lat: float
    at: datetime
    speed_kmh: float | None = None
    direction_deg: float | None = None


@dataclass(frozen=True, slots=True)
class CatalogResult:
    """What a catalogue changed, counted in channels."""

    added: int = 0
    changed: int = 0
    returned: int = 0
    gone: int = 0


class DeviceReports(Protocol):
    """What the SIP gateway reports; each call is cheap, is stored in batches and never waits, `catalog` excepted.

    `domain/reports.py` implements it.
    """

    def seen(self, device_id: str, at: datetime, peer: str, transport: str) -> None:
        """Note a valid message of any kind."""

    def registered(
        self,
        device_id: str,
        at: datetime,
        expires_s: int,
        peer: str,
        transport: str,
        user_agent: str,
        version: str,
    ) -> None:
        """Note a granted registration."""

    def unregistered(self, device_id: str, at: datetime, reason: str, *, is_bound: bool = False) -> None:
        """Note that the device signed off or was dropped; one that is still bound is only silent, and asked on."""

    def pending(self, gb_id: str, at: datetime, peer: str, user_agent: str) -> None:
        """Note that an unknown device knocks."""

    def attempt(self, attempt: Attempt) -> None:
        """Keep a finished or failed step timeline."""

    def learned(self, device_id: str, **profile: str) -> None:
        """Keep what was learned: charset, ladder winner, edition."""

    def found(
        self,
        device_id: str,
        at: datetime,
        trait: str,
        value: str,
        evidence: str,
        *,
        is_proven: bool = True,
        **params: str | int,
    ) -> None:
        """Keep a trait of a device and what it was found from (`domain/device_profiles.py` has both)."""

    def positions(self, device_id: str, found: Sequence[PositionReport]) -> None:
        """Keep where channels of a device are now; an earlier position is overwritten."""

    async def catalog(self, device_id: str, items: Sequence[CatalogEntry], complete: bool) -> CatalogResult:
        """Add and change channels; the absent ones are gone only when the set is complete. Returns after COMMIT."""

    async def directories(self, device_id: str, nodes: Sequence[CatalogNode], complete: bool) -> None:
        """Keep what a catalogue names above its channels; the absent ones go only when the set is complete."""
