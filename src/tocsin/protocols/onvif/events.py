"""Pull-point events: subscribing, pulling, and what topics mean. Pure.

What a camera says about people or vehicles is dropped here and counted; nothing of it goes further
(docs/not-built.md). Topics of no meaning to us are counted as well.

Source: ONVIF Core, event handling; OASIS WS-BaseNotification; alarm reference, ONVIF events.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from lxml import etree

from tocsin.base.normal import Category, EventKind
from tocsin.protocols.onvif.soap import Element, child, children, descendants, local, text

MAX_MESSAGES: Final = 200
MAX_ITEMS: Final = 32
TERMINATION_S: Final = 600


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification: topic words, its source and data items. `operation` is Initialized, Changed, Deleted or ""."""

    topic: tuple[str, ...]
    source: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    operation: str = ""
    at: datetime | None = None
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where to pull: an address, and headers the camera wants echoed."""

    address: str
    echo: str = ""


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic means; `state` names the data item that says whether it holds, empty for a moment's event."""

    code: str
    category: Category
    priority: int
    label_en: str
    label_zh: str
    state: tuple[str, ...] = ()
    kind: EventKind = EventKind.ALARM
    is_input: bool = False


_MOTION: Final = Topic("video.motion", Category.PERIMETER, 4, "Motion", "运动检测", ("IsMotion", "State"))
_SCENE: Final = Topic(
    "video.scene_changed", Category.TAMPER, 3, "Lens covered or camera moved", "镜头遮挡或画面改变", ("State",)
)
_QUALITY: Final = Topic(
    "video.quality", Category.TROUBLE, 5, "Picture too dark, bright or blurred", "图像过暗、过亮或模糊", ("State",),
    EventKind.TROUBLE,
)  # fmt: skip
_FAULT: Final = Topic(
    "device.fault",
    Category.TECHNICAL,
    5,
    "Device fault",
    "设备故障",
    ("Failed", "State", "Critical"),
    EventKind.TROUBLE,
)

TOPICS: Final[Mapping[tuple[str, ...], Topic]] = {
    ("RuleEngine", "CellMotionDetector", "Motion"): _MOTION,
    ("RuleEngine", "MotionRegionDetector", "Motion"): _MOTION,
    ("VideoSource", "MotionAlarm"): _MOTION,
    ("RuleEngine", "FieldDetector", "ObjectsInside"): Topic(
        "video.area_intrusion", Category.PERIMETER, 3, "Area entered", "入侵检测", ("IsInside",)
    ),
    ("RuleEngine", "LineDetector", "Crossed"): Topic(
        "video.line_crossed", Category.PERIMETER, 3, "Line crossed", "绊线检测"
    ),
    ("RuleEngine", "TamperDetector", "Tamper"): Topic(
        "video.tamper", Category.TAMPER, 3, "Camera tampered with", "视频遮挡", ("IsTamper", "State")
    ),
    ("VideoSource", "GlobalSceneChange"): _SCENE,
    ("VideoSource", "ImageTooBlurry"): _QUALITY,
    ("VideoSource", "ImageTooDark"): _QUALITY,
    ("VideoSource", "ImageTooBright"): _QUALITY,
    ("VideoSource", "SignalLoss"): Topic(
        "video.signal_loss", Category.TROUBLE, 4, "Video loss", "视频丢失", ("State",), EventKind.TROUBLE
    ),
    ("VideoSource", "VideoLoss"): Topic(
        "video.signal_loss", Category.TROUBLE, 4, "Video loss", "视频丢失", ("State",), EventKind.TROUBLE
    ),
    ("Device", "Trigger", "DigitalInput"): Topic(
        "input", Category.BURGLARY, 2, "Alarm input", "报警输入", ("LogicalState", "State"), is_input=True
    ),
    ("Device", "HardwareFailure"): _FAULT,
    ("Device", "Trigger", "Relay"): Topic(
        "output", Category.SYSTEM, 9, "Output switched", "输出动作", ("LogicalState", "State"), EventKind.STATUS
    ),
    ("AudioAnalytics", "Audio", "DetectedSound"): Topic(
        "audio.detected", Category.PERIMETER, 9, "Sound", "声音检测", ("isSoundDetected", "State"), EventKind.STATUS
    ),
}
_ABOUT_SOMEBODY: Final = re.compile(
    r"(?<!inter)(?<!sur)face|(?<!tem)plate|licen[cs]e|person|people|human|pedestrian|head|body|gender|age$|biometr|gait"
    r"|vehicle|recogn|loiter|count|queue|crowd|occupan|similar|identit|object(?:type|class|track)|classif|follow|track",
    re.IGNORECASE,
)
_TRUE: Final = frozenset({"true", "1", "active", "on"})
_FALSE: Final = frozenset({"false", "0", "inactive", "off"})


def is_about_people(topic: tuple[str, ...]) -> bool:
    """Tell whether a topic is about persons or vehicles, or counts or follows them: it is dropped."""
    return any(_ABOUT_SOMEBODY.search(word) for word in topic)


def meaning_of(topic: tuple[str, ...]) -> Topic | None:
    """Return what a topic means, by its longest known beginning; None when it means nothing to us."""
    for length in range(len(topic), 0, -1):
        found = TOPICS.get(topic[:length])
        if found is not None:
            return found
    return None


def state_of(topic: Topic, notice: Notice) -> bool | None:
    """Return whether what the topic says holds; None for an event of a moment, or a value of no meaning."""
    for name in topic.state:
        word = notice.data.get(name, "").strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
    return None


def create_pull_point(termination: str = f"PT{TERMINATION_S}S") -> str:
    """Return how a pull point is asked for; durations stand in seconds, some cameras take minutes for them."""
    return (
        "<tev:CreatePullPointSubscription><tev:InitialTerminationTime>"
        f"{escape(termination)}</tev:InitialTerminationTime></tev:CreatePullPointSubscription>"
    )


def pull_messages(timeout_s: int, limit: int = 100) -> str:
    """Return how messages are waited for."""
    return (
        f"<tev:PullMessages><tev:Timeout>PT{timeout_s}S</tev:Timeout><tev:MessageLimit>{limit}</tev:MessageLimit>"
        "</tev:PullMessages>"
    )


def renew(termination: str = f"PT{TERMINATION_S}S") -> str:
    """Return how a subscription goes on."""
    return f"<wsnt:Renew><wsnt:TerminationTime>{escape(termination)}</wsnt:TerminationTime></wsnt:Renew>"


UNSUBSCRIBE: Final = "<wsnt:Unsubscribe/>"
SYNCHRONIZE: Final = "<tev:SetSynchronizationPoint/>"


def read_subscription(answer: Element) -> Subscription | None:
    """Return where to pull; None when the answer names no address."""
    reference = child(answer, "SubscriptionReference")
    address = text(reference, "Address")
    if not address:
        return None
    echo = ""
    holder = child(reference, "ReferenceParameters")
    for item in [] if holder is None else list(holder)[:8]:
        if isinstance(item.tag, str):
            echo += etree.tostring(item, encoding="unicode", with_tail=False)[:2048]
    return Subscription(address[:512], echo)


def addressing(subscription: Subscription, to: str) -> str:
    """Return the headers a call to the subscription carries: its address, and what the camera wants echoed."""
    return f"<a:To>{escape(to)}</a:To>{subscription.echo}"


def read_notices(answer: Element) -> list[Notice]:
    """Return the notifications of an answer; what cannot be understood is left out."""
    return [_notice(item) for item in descendants(answer, "NotificationMessage")[:MAX_MESSAGES]]


def _notice(element: Element) -> Notice:
    message = child(element, "Message", "Message")
    if message is None:
        message = child(element, "Message")
    topic = text(element, "Topic")
    words = tuple(word.rpartition(":")[2][:80] for word in topic.split("/") if word)[:12]
    return Notice(
        words,
        _items(child(message, "Source")),
        _items(child(message, "Data")),
        (message.get("PropertyOperation") or "")[:20] if message is not None else "",
        _moment((message.get("UtcTime") or "") if message is not None else ""),
        etree.tostring(element, encoding="utf-8", with_tail=False)[:16_384],
    )


def _items(element: Element | None) -> dict[str, str]:
    return {
        (item.get("Name") or "")[:80]: (item.get("Value") or "")[:200]
        for item in children(element, "SimpleItem")[:MAX_ITEMS]
        if local(item)
    }


def _moment(word: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(word.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
