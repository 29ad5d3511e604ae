"""The ONVIF and RTSP cameras of the town of Hewan: shops that have one of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.sim.onvif_camera import OnvifCamera
from tocsin.sim.picture import LivePictures, PictureSpec, open_pictures
from tocsin.sim.rtsp_server import RtspCamera
from tocsin.sim.rtsp_sound import SimSound

AGAIN_S: Final = 2.0
HOST: Final = "127.0.0.1"
CHINA_UTC_OFFSET_S: Final = 8 * 3600


class IpCameraKeeper:
    """Keeps one camera listening at the port of the town file."""

    def __init__(self, given: Mapping[str, Any], clock: Clock, seed: int) -> None:
        self.key = str(given["key"])
        self.spec = PictureSpec(
            seed=seed * 1_000 + int(given["seed"]),
            name=str(given["name_en"]),
            width=int(given.get("width", 640)),
            height=int(given.get("height", 360)),
            fps=int(given.get("fps", 15)),
            bitrate_bps=int(given.get("bitrate_bps", 900_000)),
            utc_offset_s=CHINA_UTC_OFFSET_S,
        )
        self.onvif: OnvifCamera | None = None
        self.stream: RtspCamera | None = None
        self._given = given
        self._clock = clock

    async def run(self) -> None:
        """Serve for ever; a port that is taken is tried again."""
        loop = asyncio.get_running_loop()
        pictures = await loop.run_in_executor(None, open_pictures, self.spec, self._clock)
        while True:
            try:
                await self.start(pictures)
            except OSError:
                await self.stop()
                await self._clock.sleep(AGAIN_S)
                continue
            await asyncio.Event().wait()

    async def start(self, pictures: Any) -> None:
        """Begin to listen. Errors: OSError when the port is taken."""
        given = self._given
        is_onvif = given["protocol"] == "onvif"
        username, password = str(given["username"]), str(given["secret"])
        sound = SimSound(str(given["sound"])) if given.get("sound") else None
        stream = self.stream = RtspCamera(
            pictures, self._clock, fps=self.spec.fps, sound=sound, username=username, password=password
        )
        await stream.start(0 if is_onvif else int(given["port"]), host=HOST)
        if not is_onvif:
            return
        camera = self.onvif = OnvifCamera(
            self._clock,
            lambda: stream.url,
            maker=str(given["maker"]),
            model=str(given["model"]),
            sub_stream=False,
            moves=bool(given.get("moves")),
            snapshot=pictures.still if isinstance(pictures, LivePictures) else None,
            username=username,
            password=password,
        )
        if isinstance(pictures, LivePictures):
            pictures.tone, pictures.look = camera.imaging.tone, camera.head.look
        await camera.start(int(given["port"]), host=HOST)

    async def stop(self) -> None:
        """Close everything; twice is no error."""
        for one in (self.onvif, self.stream):
            if one is not None:
                await one.stop()
        self.onvif = self.stream = None
