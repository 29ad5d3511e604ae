"""Places in which nobody may be filmed: the registry knows them, and no camera stands, is used or is recorded there.

Their panels and buttons are welcome. Source: Decree 799, art. 8; governance reference, REQ-G03.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.words import Words
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.places import PROHIBITED, Place

FILMING: Final = frozenset({"camera"})  # kinds of devices that film where they stand

WORDS: Final = Words(
    {
        "registry.prohibited": (
            "{place} is a place in which nobody may be filmed: no camera can stand there.",
            "“{place}”属于禁止安装图像采集设备的场所，不能设置摄像机。",
        ),
        "registry.place_has_cameras": (
            "{cameras} cameras stand there: they go first. In such a place nobody may be filmed.",
            "该场所内有 {cameras} 台摄像机，须先移除：此类场所禁止安装图像采集设备。",
        ),
    }
)


def is_prohibited(place: Place) -> bool:
    """Say whether nobody may be filmed in a place."""
    return place.place_class in PROHIBITED


def refuse_camera(place: Place | None) -> None:
    """Refuse a camera in a place where nobody may be filmed. Errors: CONFLICT."""
    if place is not None and is_prohibited(place):
        raise TocsinError(
            ErrorCode.CONFLICT,
            f"nobody may be filmed in {place.name} ({place.place_class})",
            key="registry.prohibited",
            field="place_id",
            place=place.name,
        )


def refuse_device(kind: str, place: Place | None) -> None:
    """Refuse a device that films where it stands, in such a place. Errors: CONFLICT."""
    if kind in FILMING:
        refuse_camera(place)


def refuse_cameras(tx: Any, channels: Iterable[ChannelRecord]) -> None:
    """Refuse cameras of which one stands in such a place, read at once. Errors: CONFLICT."""
    found: Mapping[str, Place] = tx.places.load({one.place_id for one in channels if one.place_id})
    for place in found.values():
        refuse_camera(place)


def refuse_class(tx: Any, before: Place, after: Place) -> None:
    """Refuse to make a place one in which nobody may be filmed while cameras stand there. Errors: CONFLICT."""
    if is_prohibited(after) and not is_prohibited(before):
        cameras = tx.places.cameras_at(after.id)
        if cameras:
            raise TocsinError(
                ErrorCode.CONFLICT,
                f"{cameras} cameras stand in {after.name}",
                key="registry.place_has_cameras",
                field="class",
                cameras=cameras,
            )
