"""How a channel is doing: a state derived from its own word, its parents' and its device's, and faults with a reason.

A fault opens once and closes by itself; the on-line rate is what the intervals of `offline.*` leave of a period.
Source: design note 0013; GB reference, Quirks (a device that is off line takes its channels along).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.picture_words import FAULT_WORDS

OFFLINE: Final = "offline."
STORAGE: Final = "storage."
IMAGE: Final = "image."
CLOCK: Final = "clock.offset"
MAX_PARENTS: Final = 16

WORDS: Final = Words(
    {
        "offline.device": ("Its device is not heard.", "所属设备失联。"),
        "offline.parent": (
            "The device above it, {parent}, says that it is off.",
            "上级设备 {parent} 上报离线。",
        ),
        "offline.gone": (
            "The device no longer lists it in its catalogue. Enable the channel there, or retire the camera here.",
            "设备目录中已无此通道。请在设备上启用该通道，或在平台停用该摄像机。",
        ),
        "offline.self": ("The device says that this channel is off.", "设备上报该通道离线。"),
        "picture.none": (
            "It was asked for a picture and sent none: {reason}",
            "已请求画面，但未收到：{reason}",
        ),
        "picture.lossy": (
            "{share} % of its packets are lost. Use TCP, or look for a crowded line.",
            "丢包率 {share}%。请改用 TCP，或检查线路是否拥塞。",
        ),
        "picture.keys_rare": (
            "Only every {seconds} s comes a key frame. Set the key-frame interval (GOP) in the camera to 1-2 s, or"
            " viewers wait that long.",
            "关键帧间隔 {seconds} 秒。请在摄像机上将关键帧间隔（GOP）设为 1 至 2 秒，否则打开画面要等待同样长的时间。",
        ),
        "picture.thin": (
            "It sends only {kbps} kbit/s. Its stream is set too small, or the line gives no more.",
            "码率仅 {kbps} kbit/s。码流设置过小，或线路带宽不足。",
        ),
        "storage.error": (
            "Storage card {cards} reports an error: nothing can be relied upon to be recorded on it. Replace it.",
            "存储卡 {cards} 报告错误，录像可能未保存。请更换存储卡。",
        ),
        "storage.unformatted": (
            "Storage card {cards} is not formatted: nothing is recorded on it. Format it from the camera's page.",
            "存储卡 {cards} 未格式化，无法录像。请在摄像机页面格式化。",
        ),
        "health.days": ("The period is 1 to 366 days.", "统计周期为 1 至 366 天。"),
        "health.checking": (
            "This camera is being checked at the moment. Its result is here in a few seconds.",
            "该摄像机正在检测，几秒后可查看结果。",
        ),
        "clock.offset": (
            "Its clock is off by {offset_s} s. Switch on time synchronisation (NTP or SIP) in the camera.",
            "设备时钟偏差 {offset_s} 秒。请在摄像机上启用校时（NTP 或 SIP 校时）。",
        ),
    }
).merged(FAULT_WORDS)


@dataclass(frozen=True, slots=True)
class Bounds:
    """From when a measure is a fault, and how long it must last: opened after `open_s`, closed after `close_s`."""

    loss_share: float = 0.02
    key_interval_ms: int = 8_000
    least_bitrate_bps: int = 32_000
    clock_offset_s: float = 60.0
    open_s: float = 30.0
    close_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Measures:
    """What was last measured of a channel; None: not known. `loss_share` of 1 is everything lost."""

    at: datetime
    source: str = "live"  # live | check
    last_frame_at: datetime | None = None
    bitrate_bps: int | None = None
    loss_share: float | None = None
    key_interval_ms: int | None = None
    codec: str = ""
    width: int = 0
    height: int = 0

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "at": iso(self.at),
            "source": self.source,
            "last_frame_at": None if self.last_frame_at is None else iso(self.last_frame_at),
            "bitrate_bps": self.bitrate_bps,
            "loss_share": self.loss_share,
            "key_interval_ms": self.key_interval_ms,
            "codec": self.codec,
            "width": self.width,
            "height": self.height,
        }


@dataclass(frozen=True, slots=True)
class HealthState:
    """What is kept of a channel: its state since when, from when its rate counts, and its last measures."""

    channel_id: str
    is_online: bool
    because: str
    since: datetime
    watched_from: datetime
    measures: Measures | None = None
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChannelFault:
    """What is wrong with a channel; `closed_at` None while it lasts."""

    id: str
    channel_id: str
    key: str
    opened_at: datetime
    params: Mapping[str, Any] = field(default_factory=dict)
    closed_at: datetime | None = None

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        chinese = WORDS.text(self.key, "zh", self.params)
        return {
            "id": self.id,
            "camera_id": self.channel_id,
            "key": self.key,
            "params": dict(self.params),
            "since": iso(self.opened_at),
            "until": None if self.closed_at is None else iso(self.closed_at),
            "words": chinese,
            "words_en": WORDS.text(self.key, "en", self.params),
            "words_zh": chinese,
        }


@dataclass(frozen=True, slots=True)
class Derived:
    """Whether a picture can be expected: `online`, or `offline` because of `device`, `parent`, `gone` or `self`."""

    is_online: bool
    because: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fault_key(self) -> str:
        """The key of the fault that says so; empty when it is on line."""
        return "" if self.is_online else OFFLINE + self.because


def derive(channel: ChannelRecord, siblings: Mapping[str, ChannelRecord]) -> Derived:
    """Return the state of a channel among the channels of its device, by their GB/T 28181 ids; cycles are cut."""
    if not channel.is_device_online:
        return Derived(False, "device")
    seen = {channel.gb_id}
    parent = _parent_of(channel)
    while parent and parent not in seen and len(seen) < MAX_PARENTS:
        seen.add(parent)
        above = siblings.get(parent)
        if above is None:
            break
        if above.status == "OFF" or above.gone_at is not None:
            return Derived(False, "parent", {"parent": above.name or above.gb_id})
        parent = _parent_of(above)
    if channel.gone_at is not None:
        return Derived(False, "gone")
    if channel.status == "OFF":
        return Derived(False, "self")
    return Derived(True)


def _parent_of(channel: ChannelRecord) -> str:
    return str(channel.catalog.get("parent_id", ""))


def picture_faults(measures: Measures, bounds: Bounds) -> dict[str, dict[str, object]]:
    """Return what the measures of a running stream say is wrong, by fault key with its parameters."""
    found: dict[str, dict[str, object]] = {}
    if measures.loss_share is not None and measures.loss_share > bounds.loss_share:
        found["picture.lossy"] = {"share": round(100 * measures.loss_share, 1)}
    if measures.key_interval_ms is not None and measures.key_interval_ms > bounds.key_interval_ms:
        found["picture.keys_rare"] = {"seconds": round(measures.key_interval_ms / 1000, 1)}
    if measures.bitrate_bps is not None and measures.bitrate_bps < bounds.least_bitrate_bps:
        found["picture.thin"] = {"kbps": measures.bitrate_bps // 1000}
    return found


class Steady:
    """Lets a fault open only when it lasted `open_s`, and close when it was away `close_s`. Times are monotonic."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._since: dict[tuple[str, str], float] = {}  # when what is seen began to differ from what is open

    def settle(
        self, channel_id: str, seen: Mapping[str, Mapping[str, object]], is_open: Iterable[str], now_s: float
    ) -> tuple[dict[str, Mapping[str, object]], list[str]]:
        """Return the faults to open and the keys to close; `is_open` are the open picture faults of the channel."""
        opened_keys = set(is_open)
        opening: dict[str, Mapping[str, object]] = {}
        closing: list[str] = []
        for key in opened_keys | seen.keys():
            mark = (channel_id, key)
            if (key in seen) == (key in opened_keys):
                self._since.pop(mark, None)
                continue
            since = self._since.setdefault(mark, now_s)
            if key in seen and now_s - since >= self._bounds.open_s:
                opening[key] = seen[key]
                del self._since[mark]
            elif key not in seen and now_s - since >= self._bounds.close_s:
                closing.append(key)
                del self._since[mark]
        for mark in [
            mark for mark in self._since if mark[0] == channel_id and mark[1] not in opened_keys | seen.keys()
        ]:
            del self._since[mark]
        return opening, closing

    def forget(self, channel_id: str) -> None:
        """Drop what is remembered of a channel whose stream ended."""
        for mark in [mark for mark in self._since if mark[0] == channel_id]:
            del self._since[mark]


@dataclass(frozen=True, slots=True)
class GroupHealth:
    """The cameras of one maker, line or jurisdiction. `online_share` of the period, None without a camera in it."""

    key: str
    cameras: int
    online: int
    faulty: int
    online_share: float | None

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "key": self.key,
            "cameras": self.cameras,
            "online": self.online,
            "offline": self.cameras - self.online,
            "faulty": self.faulty,
            "online_share": self.online_share,
        }


def online_share(
    offline: Sequence[tuple[datetime, datetime | None]], entered_at: datetime, since: datetime, until: datetime
) -> float | None:
    """Return the share of a period outside the given intervals; None when the channel was entered after it.

    Intervals may overlap and may be open; what lies before `entered_at` does not count.
    """
    start = max(since, entered_at)
    length_s = (until - start).total_seconds()
    if length_s <= 0:
        return None
    lost_s, reached = 0.0, start
    for opened, closed in sorted(offline, key=lambda item: item[0]):
        begin, end = max(opened, reached), min(closed or until, until)
        if end > begin:
            lost_s += (end - begin).total_seconds()
            reached = end
    return 1.0 - lost_s / length_s
