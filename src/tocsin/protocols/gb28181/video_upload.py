"""A device asks us to take its picture (2022): VideoUploadNotify, both sides of the wire.

Source: GB/T 28181-2022, "Real-time video upload notification": Time, and a position where it has one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tocsin.base.normal import Category, EventKind
from tocsin.protocols.gb28181.alarm import AlarmNotice, Meaning, position_of, read_time, without_people
from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.ids import is_acceptable
from tocsin.protocols.gb28181.manscdp import Document, Pair, build_document, document_of

VIDEO_UPLOAD: Final = "VideoUploadNotify"
CODE: Final = "video_upload"
PRIORITY: Final = 2
MEANING: Final = Meaning(
    EventKind.ALARM, Category.PANIC, PRIORITY, "Device asks for its picture to be watched", "设备请求回传视频"
)


def is_video_upload(document: Document) -> bool:
    """True when a device asks for its picture to be taken."""
    return document.kind == "notify" and document.cmd_type.lower() == VIDEO_UPLOAD.lower()


def read_video_upload(document: Document, near: datetime) -> AlarmNotice:
    """Return what a device asks, as an alarm; `near` is when it arrived. What names people is taken out."""
    root, source = document.root, document.device_id
    kept = without_people(root)
    lon, lat = position_of(root)
    return AlarmNotice(
        source=source if is_acceptable(source) else "",
        sn=document.sn,
        method=CODE,
        type="",
        type_param="",
        level=1,
        priority=PRIORITY,
        meaning=MEANING,
        at=read_time(root.get("Time"), near),
        time_text=root.get("Time")[:32],
        text="",
        lon=lon,
        lat=lat,
        asks_for_reset=False,
        cleaned=None if kept is root else document_of(kept, Label.GB18030),
    )


def video_upload_notify(
    sn: int,
    device_id: str,
    time_text: str,
    *,
    lon: float | None = None,
    lat: float | None = None,
    extra: tuple[Pair, ...] = (),
    label: Label = Label.GB18030,
) -> bytes:
    """Return the notification as a device sends it."""
    place: list[Pair] = []
    if lon is not None and lat is not None:
        place = [("Longitude", f"{lon:.6f}"), ("Latitude", f"{lat:.6f}")]
    return build_document("Notify", VIDEO_UPLOAD, sn, device_id, [("Time", time_text), *place, *extra], label=label)
