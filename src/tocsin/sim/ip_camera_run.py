"""`tocsin simulate onvif`: one ONVIF camera with its RTSP stream, its head, and events now and then."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

from tocsin.base.clock import SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.protocols.rtp.ps import StreamType
from tocsin.sim.card import Card
from tocsin.sim.onvif_camera import OnvifCamera, OnvifQuirks
from tocsin.sim.onvif_card import OnvifCard
from tocsin.sim.onvif_discovery import answer_probes
from tocsin.sim.own_certificate import own_certificate
from tocsin.sim.picture import LivePictures, PictureSpec, open_pictures
from tocsin.sim.rtsp_server import RtspCamera, RtspQuirks
from tocsin.sim.rtsp_sound import SimSound

Runner = Callable[[Callable[[asyncio.Event], Awaitable[None]], float | None], Awaitable[None]]
MOTION = "tns1:RuleEngine/CellMotionDetector/Motion"
INPUT = "tns1:Device/Trigger/DigitalInput"


def add_arguments(kinds: Any) -> argparse.ArgumentParser:
    """Add the parser of `tocsin simulate onvif`."""
    parser: argparse.ArgumentParser = kinds.add_parser("onvif", help="an ONVIF camera with its RTSP stream")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port of ONVIF (0: any)")
    parser.add_argument("--rtsp-port", type=int, default=0, help="port of RTSP (0: any)")
    parser.add_argument("--username", default="admin")
    parser.add_argument("--password", default="Tocsin-12")
    parser.add_argument("--model", default="IPC-7")
    parser.add_argument("--codec", choices=("h264", "h265"), default="h264")
    parser.add_argument("--sound", choices=("none", "pcma", "aac"), default="none")
    parser.add_argument("--discoverable", action="store_true", help="answer searches of the net at --host")
    parser.add_argument("--tls", action="store_true", help="HTTPS and rtsps with a certificate of its own")
    parser.add_argument("--fixed", action="store_true", help="a camera that does not turn")
    parser.add_argument("--motion-every", type=float, default=0.0, metavar="S", help="report motion each S seconds")
    parser.add_argument("--input-after", type=float, default=0.0, metavar="S", help="close alarm input DI_1 after S")
    parser.add_argument("--records", action="store_true", help="keep the last minutes on a card, replayed over RTSP")
    parser.add_argument("--quirk", action="append", default=[], metavar="NAME[=WORD]", help="what it does otherwise")
    parser.add_argument("--rtsp-quirk", action="append", default=[], metavar="NAME[=WORD]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so many seconds (default: Ctrl-C)")
    return parser


def run(arguments: argparse.Namespace, until_told: Runner, report: Callable[[dict[str, Any]], None]) -> int:
    """Run the camera until told; the addresses stand on the first line of stdout."""
    clock = SystemClock()
    spec = PictureSpec(
        seed=arguments.seed,
        name=arguments.model,
        codec=arguments.codec,
    )
    counted: dict[str, Any] = {}

    async def work(ended: asyncio.Event) -> None:
        tls, shown = own_certificate(arguments.model) if arguments.tls else (None, "")
        pictures = await asyncio.get_running_loop().run_in_executor(None, open_pictures, spec, clock)
        card = Card(clock) if arguments.records else None
        if card is not None:
            card.is_writing = True
        who = {"username": arguments.username, "password": arguments.password}
        stream = RtspCamera(
            pictures,
            clock,
            codec=StreamType.H264 if arguments.codec == "h264" else StreamType.H265,
            fps=spec.fps,
            tls=tls,
            card=card,
            sound=SimSound(arguments.sound) if arguments.sound != "none" else None,
            quirks=_quirks(RtspQuirks, arguments.rtsp_quirk),
            **who,
        )
        camera = OnvifCamera(
            clock,
            lambda: stream.url,
            model=arguments.model,
            moves=not arguments.fixed,
            tls=tls,
            card=OnvifCard(card, lambda: stream.replay_url) if card is not None else None,
            snapshot=pictures.still if isinstance(pictures, LivePictures) else None,
            quirks=_quirks(OnvifQuirks, arguments.quirk),
            **who,
        )
        if isinstance(pictures, LivePictures):
            pictures.tone, pictures.look = camera.imaging.tone, camera.head.look
        await stream.start(arguments.rtsp_port, host=arguments.host)
        await camera.start(arguments.port, host=arguments.host)
        sys.stdout.write(json.dumps({"onvif": camera.url, "rtsp": stream.url, "certificate": shown}) + "\n")
        sys.stdout.flush()
        answering = None
        if arguments.discoverable:
            answering = await answer_probes(camera.url, arguments.model, arguments.host)
        talking = asyncio.create_task(_talk(camera, clock, arguments.motion_every, arguments.input_after))
        try:
            await ended.wait()
        finally:
            talking.cancel()
            if answering is not None:
                answering.close()
            await camera.stop()
            await stream.stop()
            counted.update(asked=dict(camera.counts), streamed=dict(stream.counts), refused=camera.refused)

    asyncio.run(until_told(work, arguments.seconds))  # type: ignore[arg-type]
    report(counted)
    return 0


async def _talk(camera: OnvifCamera, clock: SystemClock, motion_every_s: float, input_after_s: float) -> None:
    if input_after_s:
        await clock.sleep(input_after_s)
        camera.say(INPUT, {"InputToken": "DI_1"}, {"LogicalState": "true"})
    while motion_every_s:
        await clock.sleep(motion_every_s / 2)
        camera.say(MOTION, {"VideoSourceConfigurationToken": "VS1"}, {"IsMotion": "true"})
        await clock.sleep(motion_every_s / 2)
        camera.say(MOTION, {"VideoSourceConfigurationToken": "VS1"}, {"IsMotion": "false"})


def _quirks(kind: Any, words: list[str]) -> Any:
    """Return the quirks named; a bare name of a flag turns it. Errors: INVALID naming what there is."""
    known: dict[str, Any] = {field.name: field.default for field in fields(kind)}
    chosen: dict[str, Any] = {}
    for word in words:
        name, equals, said = word.partition("=")
        default = known.get(name)
        if default is None or (not equals and not isinstance(default, bool)):
            raise TocsinError(ErrorCode.INVALID, f"--quirk {word}: choose of {', '.join(sorted(known))}")
        chosen[name] = (not default) if isinstance(default, bool) else type(default)(said)
    return kind(**chosen)
