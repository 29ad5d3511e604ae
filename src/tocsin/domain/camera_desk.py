"""What a camera says of its card, its home position, its tours and where it looks: asked when somebody reads it.

A card that reports an error opens a fault of its camera, and the next answer without one closes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol, TypeVar

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.times import to_us
from tocsin.base.words import Words
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.channel_health import STORAGE, ChannelFault
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.device_desk import not_possible
from tocsin.domain.directory import Channel
from tocsin.domain.guarding import CommandOutcome
from tocsin.domain.refusals import UseCases
from tocsin.domain.store import Store

T = TypeVar("T")
CARDS_EVERY_S: Final = 24 * 3600.0
CARDS_A_ROUND: Final = 30
CARDS_AT_ONCE: Final = 4
FAULT_OF_STATE: Final = {"error": "storage.error", "unformatted": "storage.unformatted"}

WORDS: Final = Words(
    {
        "desk.older_edition": (
            "This device follows an edition before 2022, which knows no such question.",
            "该设备遵循 2022 年以前的标准版本，不支持此项查询。",
        ),
        "desk.not_supported": ("The device says that it does not support this.", "设备答复不支持此项功能。"),
        "desk.no_answer": (
            "The device took the question and gave no answer. Many devices do that with what they do not know.",
            "设备收到请求但没有答复，通常表示设备不支持此项功能。",
        ),
        "desk.not_said": ("The device answered without saying this.", "设备已答复，但未提供此项内容。"),
    }
)


@dataclass(frozen=True, slots=True)
class Card:
    """A storage card: `state` ok, formatting, unformatted, idle, error or empty; sizes in MB, progress in percent."""

    number: int
    name: str = ""
    state: str = ""
    progress: int | None = None
    capacity_mb: int | None = None
    free_mb: int | None = None


@dataclass(frozen=True, slots=True)
class HomeState:
    """The preset a camera returns to by itself after so many seconds."""

    is_on: bool
    after_s: int = 0
    preset: int = 0


@dataclass(frozen=True, slots=True)
class Tour:
    """A tour the camera keeps."""

    number: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class TourStop:
    """A stop of a tour: its preset, seconds of stay, speed 1-15; None when the camera does not say."""

    preset: int
    stay_s: int | None = None
    speed: int | None = None


@dataclass(frozen=True, slots=True)
class CameraAim:
    """Where a camera looks: degrees, times, metres; None where it does not say."""

    pan_deg: float | None = None
    tilt_deg: float | None = None
    zoom: float | None = None
    horizontal_deg: float | None = None
    vertical_deg: float | None = None
    distance_m: float | None = None


class CameraLine(Protocol):
    """The way to the cameras; a gateway implements it. `gb_id` is the camera's own id."""

    def problem(self, device_id: str) -> str:
        """Return the key of why a device cannot be asked; empty when it can."""

    async def cards(self, device_id: str, gb_id: str) -> tuple[CommandOutcome, tuple[Card, ...] | None]:
        """Ask for the state of the cards."""

    async def home(self, device_id: str, gb_id: str) -> tuple[CommandOutcome, HomeState | None]:
        """Ask for the home position."""

    async def tours(self, device_id: str, gb_id: str) -> tuple[CommandOutcome, tuple[Tour, ...] | None]:
        """Ask for the list of tours."""

    async def tour(self, device_id: str, gb_id: str, number: int) -> tuple[CommandOutcome, tuple[TourStop, ...] | None]:
        """Ask for the stops of a tour."""

    async def aim(self, device_id: str, gb_id: str) -> tuple[CommandOutcome, CameraAim | None]:
        """Ask where the camera looks."""


class Cameras(Protocol):
    """The part of the directory the timed round reads."""

    def devices_with_channels(self) -> list[str]:
        """Return the ids of the devices that have channels."""

    def channels_of(self, device_id: str) -> Iterable[Channel]:
        """Return the channels of a device."""


class CameraDesk(UseCases):
    """Use cases of the camera page. Each asks the camera itself; nothing is changed.

    Errors of all: NOT_FOUND; CONFLICT when the camera does not support it; UNAVAILABLE when it does not answer.
    """

    def __init__(self, store: Store, line: CameraLine, clock: Clock, cameras: Cameras) -> None:
        super().__init__(store)
        self._line = line
        self._clock = clock
        self._cameras = cameras
        self._asked_at: dict[str, float] = {}

    async def cards(self, camera_id: str, *, actor: Actor) -> tuple[Card, ...]:
        """Return the state of the camera's cards."""
        channel = await self._channel(camera_id, actor)
        found = _said(await self._line.cards(channel.device_id, channel.gb_id))
        await self._store.run(note_cards, camera_id, found)
        return found

    async def home(self, camera_id: str, *, actor: Actor) -> HomeState:
        """Return the camera's home position."""
        channel = await self._channel(camera_id, actor)
        return _said(await self._line.home(channel.device_id, channel.gb_id))

    async def tours(self, camera_id: str, *, actor: Actor) -> tuple[Tour, ...]:
        """Return the tours the camera keeps."""
        channel = await self._channel(camera_id, actor)
        return _said(await self._line.tours(channel.device_id, channel.gb_id))

    async def tour(self, camera_id: str, number: int, *, actor: Actor) -> tuple[TourStop, ...]:
        """Return the stops of a tour."""
        channel = await self._channel(camera_id, actor)
        return _said(await self._line.tour(channel.device_id, channel.gb_id, number))

    async def aim(self, camera_id: str, *, actor: Actor) -> CameraAim:
        """Return where the camera looks."""
        channel = await self._channel(camera_id, actor)
        return _said(await self._line.aim(channel.device_id, channel.gb_id))

    async def check_cards(self) -> int:
        """Ask cameras whose turn it is for their cards, once a day each, a few at once; return how many were asked."""
        now = self._clock.monotonic()
        due: list[Channel] = []
        for device_id in self._cameras.devices_with_channels():
            if self._line.problem(device_id):
                continue
            for channel in self._cameras.channels_of(device_id):
                if now - self._asked_at.get(channel.id, -1e9) >= CARDS_EVERY_S and not channel.is_gone:
                    due.append(channel)
            if len(due) >= CARDS_A_ROUND:
                break
        gate = asyncio.Semaphore(CARDS_AT_ONCE)
        await asyncio.gather(*(self._check(channel, gate) for channel in due[:CARDS_A_ROUND]))
        return len(due[:CARDS_A_ROUND])

    async def _check(self, channel: Channel, gate: asyncio.Semaphore) -> None:
        self._asked_at[channel.id] = self._clock.monotonic()
        async with gate:
            _, found = await self._line.cards(channel.device_id, channel.gb_id)
        if found is not None:
            await self._store.run(note_cards, channel.id, found)

    async def _channel(self, camera_id: str, actor: Actor) -> ChannelRecord:
        channel = await self._store.read(channel_of_gb, camera_id, actor)
        key = self._line.problem(channel.device_id)
        if key:
            code = ErrorCode.CONFLICT if key == "desk.older_edition" else ErrorCode.UNAVAILABLE
            raise TocsinError(code, key, key=key)
        return channel


def _said(answer: tuple[CommandOutcome, T | None]) -> T:
    outcome, found = answer
    if outcome is CommandOutcome.REFUSED:
        raise TocsinError(ErrorCode.CONFLICT, "the device does not support this", key="desk.not_supported")
    if outcome is CommandOutcome.UNCONFIRMED:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the device gave no answer", key="desk.no_answer")
    if outcome is not CommandOutcome.DONE:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the device did not take the question", key="guard.unreachable")
    if found is None:
        raise TocsinError(ErrorCode.CONFLICT, "the device did not say", key="desk.not_said")
    return found


def channel_of_gb(tx: Any, camera_id: str, actor: Actor) -> ChannelRecord:
    """Return a camera of a GB/T 28181 device. Errors: NOT_FOUND; CONFLICT when it is of another protocol."""
    channel: ChannelRecord = tx.devices.channel(camera_id, visible_to=scope(actor, Permission.READ_REGISTRY))
    device = tx.devices.load([channel.device_id]).get(channel.device_id)
    if device is None or device.protocol != "gb28181":
        raise not_possible()
    return channel


def note_cards(tx: Any, camera_id: str, cards: Sequence[Card]) -> None:
    """Open and close what the cards of a camera say is wrong: one fault a kind, naming its cards."""
    wanted: dict[str, list[int]] = {}
    for card in cards:
        if key := FAULT_OF_STATE.get(card.state):
            wanted.setdefault(key, []).append(card.number)
    is_open: dict[str, ChannelFault] = tx.health.open_faults([camera_id]).get(camera_id, {})
    tx.health.close_faults(
        [fault.id for key, fault in is_open.items() if key.startswith(STORAGE) and key not in wanted], to_us(tx.now)
    )
    tx.health.add_faults(
        [
            ChannelFault(new_id(), camera_id, key, tx.now, {"cards": ", ".join(map(str, numbers))})
            for key, numbers in wanted.items()
            if key not in is_open
        ]
    )


def form_of(found: Any) -> dict[str, object]:
    """Return one of these as the API shows it."""
    return asdict(found)
