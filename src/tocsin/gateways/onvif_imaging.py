"""The picture settings of ONVIF cameras. Implements `ImageLine`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from tocsin.base.errors import TocsinError
from tocsin.domain.directory import Channel
from tocsin.domain.imaging import ImageSetting, ImageState
from tocsin.protocols.onvif import calls, imaging
from tocsin.protocols.onvif.soap import Element


class Asker(Protocol):
    """The part of the ONVIF gateway that asks cameras."""

    async def ask(self, channel: Channel, body: str, service: str) -> Element:
        """Return the answer. Errors: UNAVAILABLE, as control."""


class OnvifImaging:
    """Asks and sets. What a camera does not name in its options is never sent to it."""

    def __init__(self, asker: Asker, protocol_of: Callable[[str], str]) -> None:
        """`protocol_of` takes a device id."""
        self._asker = asker
        self._protocol_of = protocol_of

    def offers_image(self, channel: Channel) -> bool:
        """Say whether a camera's picture can be set at all, without asking it."""
        return self._protocol_of(channel.device_id) == "onvif"

    async def image(self, channel: Channel) -> ImageState:
        """Ask a camera what it offers and how it is set. Errors: UNAVAILABLE, as control."""
        source = channel.gb_id
        options = imaging.read_options(await self._asker.ask(channel, imaging.get_options(source), calls.IMAGING))
        values = imaging.read_settings(await self._asker.ask(channel, imaging.get_settings(source), calls.IMAGING))
        try:
            answer = await self._asker.ask(channel, imaging.get_move_options(source), calls.IMAGING)
            moves_focus = imaging.can_move_focus(answer)
        except TocsinError:  # cameras without a lens that moves may not know the question
            moves_focus = False
        found = [
            ImageSetting(name, values.get(name), option.least, option.most)
            if not option.choices
            else ImageSetting(name, values.get(name), choices=option.choices)
            for name in imaging.NAMES
            if (option := options.get(name)) is not None
        ]
        return ImageState(tuple(found), moves_focus)

    async def set_image(self, channel: Channel, values: Mapping[str, float | str]) -> None:
        """Set it. Errors: UNAVAILABLE, as control."""
        sent = dict(values)
        if "wdr_level" in sent and "wdr" not in sent:  # the level stands beside its mode, which must be named
            answer = await self._asker.ask(channel, imaging.get_settings(channel.gb_id), calls.IMAGING)
            sent["wdr"] = imaging.read_settings(answer).get("wdr", "on")
        await self._asker.ask(channel, imaging.set_settings(channel.gb_id, sent), calls.IMAGING)
