"""What a 2022 camera says of its card, its home position, its tours and where it looks; both sides of the wire.

Source: GB/T 28181-2022, "SD card status query", "Home position query", "Cruise track query", "PTZ position query".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.control import MAX_PRESETS, HomePosition
from tocsin.protocols.gb28181.manscdp import Document, Element, Pair, build_document

SD_CARDS: Final = "SDCardStatus"
HOME_POSITION: Final = "HomePositionQuery"
CRUISE_TRACKS: Final = "CruiseTrackListQuery"
CRUISE_TRACK: Final = "CruiseTrackQuery"
PTZ_POSITION: Final = "PTZPosition"

CARD_STATES: Final = frozenset({"ok", "formatting", "unformatted", "idle", "error"})
MAX_CARDS: Final = 16
MAX_TRACKS: Final = 256
MAX_POINTS: Final = 255
MAX_NAME_CHARS: Final = 64
MAX_SIZE_MB: Final = 10**9
MAX_STAY_S: Final = 86_400
MAX_SPEED: Final = 15


@dataclass(frozen=True, slots=True)
class SdCard:
    """One card; `state` is a word of the standard or empty. Sizes in MB, progress in percent, None when not said."""

    number: int
    name: str = ""
    state: str = ""
    progress: int | None = None
    capacity_mb: int | None = None
    free_mb: int | None = None


@dataclass(frozen=True, slots=True)
class HomeSetting:
    """The preset a camera returns to by itself after so many seconds; zeros where it does not say."""

    is_on: bool
    after_s: int = 0
    preset: int = 0


@dataclass(frozen=True, slots=True)
class CruiseTrack:
    """A tour the camera keeps."""

    number: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class CruisePoint:
    """A stop of a tour: the preset, how long it stays there, and how fast it goes there (1-15), None when not said."""

    preset: int
    stay_s: int | None = None
    speed: int | None = None


@dataclass(frozen=True, slots=True)
class AimState:
    """Where a camera looks: degrees, times, metres; None where it does not say."""

    pan_deg: float | None = None
    tilt_deg: float | None = None
    zoom: float | None = None
    horizontal_deg: float | None = None
    vertical_deg: float | None = None
    distance_m: float | None = None


def state_query(
    command: str, sn: int, channel_id: str, label: Label = Label.GB18030, number: int | None = None
) -> bytes:
    """Return one of the questions; `number` is the tour that is asked for."""
    return build_document("Query", command, sn, channel_id, [("Number", number)], label=label)


def read_cards(document: Document) -> tuple[SdCard, ...]:
    """Return the cards by number; ones without a number count on."""
    found: dict[int, SdCard] = {}
    for item in _items(document.root.child("SDCardStatusInfo"), MAX_CARDS):
        number = _within(item.integer("ID"), 0, 10_000)
        number = len(found) + 1 if number is None else number
        state = item.get("Status").lower()
        found.setdefault(
            number,
            SdCard(
                number,
                item.get("HddName")[:MAX_NAME_CHARS],
                state if state in CARD_STATES else "",
                _within(item.integer("FormatProgress"), 0, 100),
                _within(item.integer("Capacity"), 0, MAX_SIZE_MB),
                _within(item.integer("FreeSpace"), 0, MAX_SIZE_MB),
            ),
        )
    return tuple(found[number] for number in sorted(found))


def read_home(document: Document) -> HomeSetting | None:
    """Return the home position; None when the camera says nothing of it."""
    inner = document.root.child("HomePosition")
    if inner is None or inner.integer("Enabled") is None:
        return None
    return HomeSetting(
        bool(inner.integer("Enabled")),
        _within(inner.integer("ResetTime"), 0, MAX_STAY_S) or 0,
        _within(inner.integer("PresetIndex"), 0, MAX_PRESETS) or 0,
    )


def read_tracks(document: Document) -> tuple[CruiseTrack, ...]:
    """Return the tours by number, each once."""
    found: dict[int, CruiseTrack] = {}
    listed = document.root.child("CruiseTrackList")
    for item in [*_items(listed, MAX_TRACKS), *_items(listed, MAX_TRACKS, "CruiseTrack")]:
        number = _within(item.integer("Number"), 0, 255)
        if number is not None:
            found.setdefault(number, CruiseTrack(number, item.get("Name")[:MAX_NAME_CHARS]))
    return tuple(found[number] for number in sorted(found))


def read_points(document: Document) -> tuple[CruisePoint, ...]:
    """Return the stops of a tour in their order."""
    listed = document.root.child("CruisePointList")
    found: list[CruisePoint] = []
    for item in [*_items(listed, MAX_POINTS, "CruisePoint"), *_items(listed, MAX_POINTS)]:
        preset = _within(item.integer("PresetIndex"), 1, MAX_PRESETS)
        if preset is not None and len(found) < MAX_POINTS:
            stay_s = _within(item.integer("StayTime"), 0, MAX_STAY_S)
            found.append(CruisePoint(preset, stay_s, _within(item.integer("Speed"), 1, MAX_SPEED)))
    return tuple(found)


def read_aim(document: Document) -> AimState | None:
    """Return where the camera looks; None when it names neither pan nor tilt."""
    root = document.root.child(PTZ_POSITION) or document.root
    pan, tilt = _number(root, "Pan", 0, 360), _number(root, "Tilt", -90, 90)
    if pan is None and tilt is None:
        return None
    return AimState(
        pan,
        tilt,
        _number(root, "Zoom", 0, 1000),
        _number(root, "HorizontalFieldAngle", 0, 360),
        _number(root, "VerticalFieldAngle", 0, 360),
        _number(root, "MaxViewDistance", 0, 100_000),
    )


# --- the device's side ---


def cards_response(sn: int, channel_id: str, cards: Sequence[SdCard], label: Label = Label.GB18030) -> bytes:
    """Return the state of the cards."""
    items: list[Pair] = [
        (
            "Item",
            [
                ("ID", card.number),
                ("HddName", card.name),
                ("Status", card.state),
                ("FormatProgress", card.progress),
                ("Capacity", card.capacity_mb),
                ("FreeSpace", card.free_mb),
            ],
        )
        for card in cards
    ]
    return _listed(SD_CARDS, sn, channel_id, [("SumNum", len(items))], "SDCardStatusInfo", items, label)


def home_response(sn: int, channel_id: str, home: HomePosition | None, label: Label = Label.GB18030) -> bytes:
    """Return the home position, switched off when there is none."""
    inner: list[Pair] = [("Enabled", 0)]
    if home is not None and home.is_enabled:
        inner = [("Enabled", 1), ("ResetTime", home.reset_time_s), ("PresetIndex", home.preset)]
    return build_document("Response", HOME_POSITION, sn, channel_id, [("HomePosition", inner)], label=label)


def tracks_response(sn: int, channel_id: str, tracks: Sequence[CruiseTrack], label: Label = Label.GB18030) -> bytes:
    """Return the list of tours."""
    items: list[Pair] = [("CruiseTrack", [("Number", track.number), ("Name", track.name)]) for track in tracks]
    return _listed(CRUISE_TRACKS, sn, channel_id, [("SumNum", len(items))], "CruiseTrackList", items, label)


def points_response(
    sn: int, channel_id: str, track: CruiseTrack, points: Sequence[CruisePoint], label: Label = Label.GB18030
) -> bytes:
    """Return the stops of a tour."""
    items: list[Pair] = [
        ("CruisePoint", [("PresetIndex", one.preset), ("StayTime", one.stay_s), ("Speed", one.speed)]) for one in points
    ]
    head: list[Pair] = [("Number", track.number), ("Name", track.name or None), ("SumNum", len(items))]
    return _listed(CRUISE_TRACK, sn, channel_id, head, "CruisePointList", items, label)


def aim_response(sn: int, channel_id: str, aim: AimState, label: Label = Label.GB18030) -> bytes:
    """Return where the camera looks."""
    values = (aim.pan_deg, aim.tilt_deg, aim.zoom, aim.horizontal_deg, aim.vertical_deg, aim.distance_m)
    names = ("Pan", "Tilt", "Zoom", "HorizontalFieldAngle", "VerticalFieldAngle", "MaxViewDistance")
    fields: list[Pair] = [
        (name, None if value is None else f"{value:.2f}") for name, value in zip(names, values, strict=True)
    ]
    return build_document("Response", PTZ_POSITION, sn, channel_id, fields, label=label)


def _listed(
    command: str, sn: int, channel_id: str, head: Sequence[Pair], name: str, items: list[Pair], label: Label
) -> bytes:
    body = build_document(
        "Response", command, sn, channel_id, [*head, *([(name, items)] if items else [])], label=label
    )
    return body.replace(b"<%s>" % name.encode(), b'<%s Num="%d">' % (name.encode(), len(items)), 1)


def _items(parent: Element | None, most: int, name: str = "Item") -> list[Element]:
    return list(parent.all(name))[:most] if parent is not None else []


def _within(value: int | None, least: int, most: int) -> int | None:
    return value if value is not None and least <= value <= most else None


def _number(element: Element, name: str, least: float, most: float) -> float | None:
    value = element.number(name)
    return value if value is not None and least <= value <= most else None
