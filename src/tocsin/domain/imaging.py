"""How a camera makes its picture, read from the camera and changed by whoever has control of it.

What was and what is to be stand in the audit record before anything is sent; what came of it follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Final, Protocol

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.words import Words
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.control_sessions import ControlSession
from tocsin.domain.directory import Channel
from tocsin.domain.fields import refuse
from tocsin.domain.imaging_events import ImageChangeAsked, ImageChanged
from tocsin.domain.store import Store

Value = float | str
DIGITS: Final = 4

WORDS: Final = Words(
    {
        "image.not_possible": (
            "The picture of this camera cannot be set from here: it speaks no ONVIF imaging.",
            "无法从平台调整该摄像机的图像参数：它不支持 ONVIF 图像服务。",
        ),
        "image.not_offered": ("The camera does not offer “{name}”.", "摄像机不提供“{name}”设置。"),
        "image.range": ("{name}: {least} to {most}.", "{name}：取值范围为 {least} 至 {most}。"),
        "image.choices": ("{name}: one of {choices}.", "{name}：可选值为 {choices}。"),
    }
)


@dataclass(frozen=True, slots=True)
class ImageSetting:
    """One thing a camera lets people set: a number within its range, or one of its words. None: it says no value."""

    name: str
    value: Value | None
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {**asdict(self), "choices": list(self.choices)}


@dataclass(frozen=True, slots=True)
class ImageState:
    """What a camera offers and how it is set; `moves_focus` when its lens can be moved nearer and farther."""

    settings: tuple[ImageSetting, ...]
    moves_focus: bool = False

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {"settings": [one.form() for one in self.settings], "moves_focus": self.moves_focus}


class ImageLine(Protocol):
    """The way to the cameras; a gateway implements it."""

    def offers_image(self, channel: Channel) -> bool:
        """Say whether a camera's picture can be set at all, without asking it."""

    async def image(self, channel: Channel) -> ImageState:
        """Ask a camera what it offers and how it is set. Errors: UNAVAILABLE, as control."""

    async def set_image(self, channel: Channel, values: Mapping[str, Value]) -> None:
        """Set it. Errors: UNAVAILABLE, as control."""


class Holding(Protocol):
    """The part of camera control that knows who holds it."""

    def use(self, channel_id: str, *, actor: Actor) -> ControlSession:
        """Return the actor's control of a channel, renewed. Errors: CONFLICT `control.not_held`."""


class ImageService:
    """Use cases of the picture sheet."""

    def __init__(
        self, store: Store, channel_of: Callable[[str], Channel | None], control: Holding, line: ImageLine
    ) -> None:
        self._store = store
        self._channel_of = channel_of
        self._control = control
        self._line = line

    async def read(self, channel_id: str, *, actor: Actor) -> ImageState:
        """Ask a camera how its picture is made. Errors: NOT_FOUND; CONFLICT `image.not_possible`; UNAVAILABLE."""
        await self._store.read(_visible, channel_id, actor)
        return await self._line.image(self._channel(channel_id))

    async def change(self, channel_id: str, given: Mapping[str, Any], *, actor: Actor) -> ImageState:
        """Set what is given and leave the rest; return what the camera says then.

        Errors: INVALID naming what the camera does not offer; CONFLICT `control.not_held`, `image.not_possible`;
        UNAVAILABLE as the camera says. Nothing is sent when the record cannot be written.
        """
        session = self._control.use(channel_id, actor=actor)
        channel = self._channel(channel_id)
        before = await self._line.image(channel)
        values = checked(before, given)
        was, wanted = _said(before, values), tuple(f"{name}={_word(value)}" for name, value in values.items())
        await self._store.run(_record_asked, session, actor, was, wanted)
        try:
            await self._line.set_image(channel, values)
            after = await self._line.image(channel)
        except TocsinError as error:
            await self._store.run(_record_result, session, actor, "failed", error.key, ())
            raise
        await self._store.run(_record_result, session, actor, "changed", "", _said(after, values))
        return after

    def _channel(self, channel_id: str) -> Channel:
        channel = self._channel_of(channel_id)
        if channel is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no camera {channel_id}")
        if not self._line.offers_image(channel):
            raise TocsinError(ErrorCode.CONFLICT, "the picture cannot be set from here", key="image.not_possible")
        return channel


def checked(state: ImageState, given: Mapping[str, Any]) -> dict[str, Value]:
    """Return the values that may be sent. Errors: INVALID naming the field and what it takes."""
    if not given:
        raise refuse("values", "registry.field_required", "values must not be empty")
    offered = {one.name: one for one in state.settings}
    return {name: _value(offered.get(name), name, value) for name, value in given.items()}


def _value(setting: ImageSetting | None, name: str, value: Any) -> Value:
    if setting is None:
        raise refuse(name, "image.not_offered", f"the camera does not offer {name}", name=name[:24])
    if setting.choices:
        if value not in setting.choices:
            said = ", ".join(setting.choices)
            raise refuse(name, "image.choices", f"{name}: one of {said}", name=name, choices=said)
        return str(value)
    least, most = setting.least or 0.0, setting.most or 0.0
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not is_number or not least <= value <= most:
        raise refuse(
            name, "image.range", f"{name}: {least:g} - {most:g}", name=name, least=f"{least:g}", most=f"{most:g}"
        )
    return round(float(value), DIGITS)


def _said(state: ImageState, values: Mapping[str, Value]) -> tuple[str, ...]:
    """Return what a camera says of these, as the record keeps it."""
    return tuple(f"{one.name}={_word(one.value)}" for one in state.settings if one.name in values)


def _word(value: Value | None) -> str:
    return "?" if value is None else value if isinstance(value, str) else f"{value:g}"


def _visible(tx: Any, channel_id: str, actor: Actor) -> None:
    tx.devices.channel(channel_id, visible_to=scope(actor, Permission.READ_REGISTRY))


def _record_asked(
    tx: Any, session: ControlSession, actor: Actor, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    tx.record(
        ImageChangeAsked(
            subject_id=session.channel_id,
            at=tx.now,
            jurisdiction_code=session.jurisdiction_code,
            actor=actor.ref,
            control_id=session.id,
            before=before,
            after=after,
        )
    )


def _record_result(
    tx: Any, session: ControlSession, actor: Actor, result: str, reason: str, after: tuple[str, ...]
) -> None:
    tx.record(
        ImageChanged(
            subject_id=session.channel_id,
            at=tx.now,
            jurisdiction_code=session.jurisdiction_code,
            actor=actor.ref,
            control_id=session.id,
            result=result,
            reason=reason,
            after=after,
        )
    )
