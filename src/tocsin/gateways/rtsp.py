"""RTSP cameras: asked for their picture when somebody looks, and asked now and then whether they are there.

Pictures go through the media worker; what runs here is the light part: one question a camera every half minute, and
the careful first contact, which gives the password once. A password the camera refused is not tried again by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_token
from tocsin.base.pins import WrongPin, check_pin, read_certificate, spaced, tls_context
from tocsin.domain.attempts import AttemptKind
from tocsin.domain.devices import CatalogEntry, DeviceReports
from tocsin.domain.directory import Channel, IpCamera
from tocsin.domain.streams import Stream, stream_id_of
from tocsin.domain.video import LiveSession, MediaPorts
from tocsin.gateways.gb28181_devices import AttemptLog
from tocsin.protocols.rtsp.client import Answered, Conversation, Reply
from tocsin.protocols.rtsp.description import read_description
from tocsin.protocols.rtsp.message import Bad, Response

log = structlog.get_logger(__name__)

CHECK_EVERY_S: Final = 30.0
EARLY_CHECKS: Final = 8  # what is gone is looked for more often right after the start: cameras start beside us
EARLY_EVERY_S: Final = 5.0
CHECK_WITHIN_S: Final = 6.0
CHECKS_AT_ONCE: Final = 16
FIRST_MEDIA_S: Final = 6.0
PORT: Final = 554
TLS_PORT: Final = 322
REFUSED: Final = "refused"
UNTRUSTED: Final = frozenset({"camera.certificate_unknown", "camera.certificate_changed"})
FIXED: Final = 3  # PTZType of a camera that does not move
MAX_ANSWER_BYTES: Final = 512 << 10


class Cameras(Protocol):
    """The part of the directory that knows cameras we call."""

    def ip_camera(self, device_id: str) -> IpCamera | None:
        """Return a camera."""

    def ip_cameras(self) -> list[IpCamera]:
        """Return all of them."""

    def channels_of(self, device_id: str) -> object:
        """Yield the channels of a device."""


@dataclass(slots=True)
class PulledSession:
    """A camera that is sending."""

    stream_id: str
    media: MediaPorts

    async def close(self, reason: str) -> None:
        """Tear down; the worker says it to the camera."""
        await self.media.close_receiver(self.stream_id)


class CameraFailed(Exception):
    """A camera that did not do what was asked; `key` says why, `params` go into the words."""

    def __init__(self, key: str, **params: str | int) -> None:
        super().__init__(key)
        self.key = key
        self.params = params


class RtspGateway:
    """Live source of RTSP cameras, their supervision and first contact."""

    def __init__(self, cameras: Cameras, reports: DeviceReports, attempts: AttemptLog, clock: Clock) -> None:
        self._cameras = cameras
        self._reports = reports
        self._attempts = attempts
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._known: dict[str, tuple[object, ...]] = {}  # device id -> what its first contact was made with
        self._unmet: set[str] = set()  # whose first contact ended because nobody answered
        self._silent: dict[str, str] = {}  # device id -> why it counts as gone
        self._gate = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._on_back: Callable[[str], None] = lambda device_id: None

    def on_back(self, callback: Callable[[str], None]) -> None:
        """Call back when a camera that was silent answers again."""
        self._on_back = callback

    async def start(self) -> None:
        """Begin to look after the cameras."""
        self._task = asyncio.create_task(self._look_forever(), name="rtsp cameras")

    def check(self) -> None:
        """Raise when it does not look after the cameras any more."""
        if self._task is None or self._task.done():
            raise RuntimeError("the cameras are not looked after any more")

    async def stop(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # --- pictures ---

    async def open_live(self, channel: Channel, media: MediaPorts, stream: str = Stream.MAIN) -> LiveSession:
        """Return once media arrives. Errors: UNAVAILABLE with the key of what failed."""
        camera = self._cameras.ip_camera(channel.device_id)
        if camera is None:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the camera is not registered", key="control.device_offline")
        if stream == Stream.SUB and not camera.sub_url:
            raise TocsinError(ErrorCode.UNAVAILABLE, "no address of a sub stream", key="play.no_sub_stream")
        url = camera.sub_url if stream == Stream.SUB else camera.url
        return await open_pulled(
            stream_id_of(channel.id, stream), channel, camera, url, media, self._attempts, self._reports, self._clock
        )

    # --- supervision and first contact ---

    async def try_now(self, device_id: str) -> bool:
        """Try a camera again because somebody asked for it: its password counts as new. Tell whether it answered."""
        camera = self._cameras.ip_camera(device_id)
        if camera is None or camera.protocol != "rtsp":
            return False
        self._reports.learned(device_id, credentials="")
        fresh = self._cameras.ip_camera(device_id)
        return await self._first_contact(fresh or camera)

    async def look(self) -> None:
        """Ask every camera once whether it is there; those entered or changed since get their first contact."""
        cameras = [camera for camera in self._cameras.ip_cameras() if camera.protocol == "rtsp"]
        self._known = {c.device_id: self._known[c.device_id] for c in cameras if c.device_id in self._known}
        await asyncio.gather(*(self._look_alone(camera) for camera in cameras))

    async def _look_forever(self) -> None:
        early = EARLY_CHECKS
        while True:
            await self.look()
            is_early, early = early > 0 and bool(self._silent), early - 1
            due_s = self._clock.monotonic() + (EARLY_EVERY_S if is_early else CHECK_EVERY_S)
            while self._clock.monotonic() < due_s:
                await self._clock.sleep(1.0)
                if any(self._is_new(camera) for camera in self._cameras.ip_cameras() if camera.protocol == "rtsp"):
                    break

    def _is_new(self, camera: IpCamera) -> bool:
        return self._known.get(camera.device_id) != _way_to(camera)

    async def _look_alone(self, camera: IpCamera) -> None:
        """Look at a camera; whatever it does is its own matter."""
        try:
            await self._look_at(camera)
        except Exception as error:  # a strange camera must not end the round of the others
            log.error("rtsp camera not understood", device_id=camera.device_id, error=repr(error)[:200])
            self._not_met(camera, "camera.silent")

    async def _look_at(self, camera: IpCamera) -> None:
        async with self._gate:
            if self._is_new(camera):
                was_known = camera.device_id in self._known
                self._known[camera.device_id] = _way_to(camera)
                if was_known:  # somebody entered another password or address: what was refused is of the past
                    self._reports.learned(camera.device_id, credentials="")
                    camera = self._cameras.ip_camera(camera.device_id) or camera
                await self._first_contact(camera)
                return
            try:
                async with asyncio.timeout(CHECK_WITHIN_S):
                    answer = (await _converse(camera, ("OPTIONS",), with_password=False))[0]
            except CameraFailed as failed:
                self._note_failed(camera, failed.key)
            except (OSError, TimeoutError):
                self._note_failed(camera, "camera.silent")
            else:
                if camera.device_id in self._unmet and camera.credentials != REFUSED:
                    await self._first_contact(camera)  # it was entered, or we started, before it answered
                else:
                    self._note_answer(camera, answer)

    def _note_answer(self, camera: IpCamera, answer: Response) -> None:
        host = urlsplit(camera.url).netloc
        if camera.credentials != REFUSED:
            self._reports.seen(camera.device_id, self._clock.now(), host, "tcp")
        if camera.device_id in self._silent:
            del self._silent[camera.device_id]
            self._on_back(camera.device_id)

    def _not_met(self, camera: IpCamera, key: str) -> None:
        self._unmet.add(camera.device_id)
        self._note_failed(camera, key)

    def _note_failed(self, camera: IpCamera, key: str) -> None:
        """Say once that a camera is gone: silent, or one whose certificate nobody accepted."""
        reason = key if key in UNTRUSTED else "camera.silent"
        if self._silent.get(camera.device_id) != reason:
            self._silent[camera.device_id] = reason
            self._reports.unregistered(camera.device_id, self._clock.now(), reason)

    async def _first_contact(self, camera: IpCamera) -> bool:
        """Ask for the description, the password given once; tell people step by step what came of it."""
        timeline = self._attempts.begin()
        host = urlsplit(camera.url).netloc
        now = self._clock.monotonic
        timeline.ok("camera.asked", now(), host=host)
        is_ok = False
        self._unmet.discard(camera.device_id)
        try:
            if camera.credentials == REFUSED:
                raise CameraFailed("camera.password_held_back")
            said, codec = await describe(camera)
            timeline.ok("camera.answered", now(), said=said)
            timeline.ok("camera.described", now(), codec=codec)
            is_ok = True
        except CameraFailed as failed:
            timeline.failed(failed.key, now(), **failed.params)
            if failed.key == "camera.wrong_password":
                self._reports.learned(camera.device_id, credentials=REFUSED)
                self._reports.unregistered(camera.device_id, self._clock.now(), "camera.wrong_password")
            elif failed.key == "camera.silent" or failed.key in UNTRUSTED:
                self._not_met(camera, failed.key)
        except (OSError, TimeoutError) as error:
            timeline.failed("camera.silent", now(), host=host, reason=str(error)[:80] or "timeout")
            self._not_met(camera, "camera.silent")
        self._attempts.finish(AttemptKind.REGISTRATION, camera.device_id, timeline, is_ok=is_ok)
        if is_ok:
            self._silent.pop(camera.device_id, None)
            self._reports.learned(camera.device_id, credentials="accepted")
            self._reports.seen(camera.device_id, self._clock.now(), host, "tcp")
            entry = CatalogEntry(gb_id="1", name=camera.name or host, is_online=True, ptz_type=FIXED)
            await self._reports.catalog(camera.device_id, [entry], complete=True)
            self._on_back(camera.device_id)
        return is_ok


async def describe(camera: IpCamera, *, only_options: bool = False) -> tuple[str, str]:
    """Ask for the description, the password given once; return what the camera calls itself and its codec.

    `only_options`: ask no more than whether it speaks RTSP, without a password. Errors: CameraFailed, OSError.
    """
    methods = ("OPTIONS",) if only_options else ("OPTIONS", "DESCRIBE")
    async with asyncio.timeout(CHECK_WITHIN_S * 2):
        answers = await _converse(camera, methods, with_password=bool(camera.password) and not only_options)
    last = answers[-1]
    said = (last.header("server") or "RTSP")[:60]
    if only_options:
        return said, ""
    if last.status == 401:
        raise CameraFailed("camera.wrong_password" if camera.password else "camera.password_missing")
    if last.status >= 300:
        raise CameraFailed("camera.refused", reason=f"{last.status} {last.reason}"[:80])
    video = read_description(last.body).video()
    if video is None:
        raise CameraFailed("camera.no_video")
    return said, video.encoding.upper()


def _way_to(camera: IpCamera) -> tuple[object, ...]:
    """Return what decides whether a first contact is worth trying again."""
    return camera.url, camera.username, camera.password, camera.certificate


async def open_pulled(
    stream_id: str,
    channel: Channel,
    camera: IpCamera,
    url: str,
    media: MediaPorts,
    attempts: AttemptLog,
    reports: DeviceReports,
    clock: Clock,
) -> LiveSession:
    """Let the worker pull `url`; the other transport is tried when nothing arrives. Errors: UNAVAILABLE."""
    timeline = attempts.begin()
    is_ok = False
    try:
        if camera.credentials == REFUSED:
            timeline.failed("camera.password_held_back", clock.monotonic())
            raise TocsinError(ErrorCode.UNAVAILABLE, "the password was refused", key="camera.password_held_back")
        is_tls = url.lower().startswith("rtsps:")
        for transport in ("tcp",) if is_tls else (camera.transport, "tcp" if camera.transport == "udp" else "udp"):
            try:
                agreed = await media.open_rtsp(
                    stream_id,
                    url,
                    username=camera.username,
                    password=camera.password,
                    transport=transport,
                    audio=True,
                    loss=channel.loss_policy,
                    certificate=camera.certificate,
                )
            except TocsinError as error:
                timeline.failed("camera.no_picture", clock.monotonic(), reason=str(error)[:120])
                if error.key == "media_rtsp_wrong_password":
                    reports.learned(camera.device_id, credentials=REFUSED)
                    reports.unregistered(camera.device_id, clock.now(), "camera.wrong_password")
                raise
            used = str(agreed.get("transport", transport))
            timeline.ok(
                "camera.playing",
                clock.monotonic(),
                codec=str(agreed.get("codec", "")).upper(),
                transport=used.upper(),
            )
            if await media.first_packet(stream_id, FIRST_MEDIA_S):
                timeline.ok("camera.media", clock.monotonic())
                reports.seen(camera.device_id, clock.now(), urlsplit(url).netloc, used)
                is_ok = True
                return PulledSession(stream_id, media)
            await media.close_receiver(stream_id)
            timeline.failed("camera.no_media", clock.monotonic(), transport=used.upper())
        raise TocsinError(ErrorCode.UNAVAILABLE, "nothing arrives from the camera", key="camera.no_media")
    except asyncio.CancelledError:
        timeline.failed("camera.given_up", clock.monotonic())
        raise
    finally:
        attempts.finish(AttemptKind.PLAY, camera.device_id, timeline, is_ok=is_ok, channel_id=channel.id)


async def _connect(camera: IpCamera) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a camera; over TLS only to one that shows the accepted certificate. Errors: OSError, CameraFailed."""
    parts = urlsplit(camera.url)
    if parts.scheme.lower() != "rtsps":
        return await asyncio.open_connection(parts.hostname, parts.port or PORT)
    host, port = parts.hostname or "", parts.port or TLS_PORT
    if not camera.certificate:
        raise CameraFailed("camera.certificate_unknown", shown=spaced((await read_certificate(host, port)).fingerprint))
    reader, writer = await asyncio.open_connection(host, port, ssl=tls_context(), server_hostname=host)
    try:
        check_pin(writer.get_extra_info("ssl_object"), camera.certificate)
    except WrongPin as wrong:
        writer.transport.abort()
        raise CameraFailed("camera.certificate_changed", shown=spaced(wrong.shown)) from wrong
    return reader, writer


async def _converse(camera: IpCamera, methods: tuple[str, ...], *, with_password: bool) -> list[Response]:
    """Ask a camera these questions on one connection; return the answers. Errors: OSError, CameraFailed."""
    reader, writer = await _connect(camera)
    talk = Conversation(
        camera.username if with_password else "", camera.password if with_password else "", new_token()[:16]
    )
    answers: list[Response] = []
    received = 0
    try:
        for method in methods:
            headers = [("Accept", "application/sdp")] if method == "DESCRIBE" else []
            number, data = talk.send(method, camera.url, headers)
            writer.write(data)
            wanted = len(answers) + 1
            while len(answers) < wanted:
                chunk = await reader.read(65_536)
                received += len(chunk)
                if not chunk or received > MAX_ANSWER_BYTES:
                    raise CameraFailed("camera.not_understood", reason="closed" if not chunk else "too_long")
                for event in talk.receive(chunk):
                    if isinstance(event, Reply):
                        writer.write(event.data)
                    elif isinstance(event, Answered) and event.number == number:
                        answers.append(event.response)
                    elif isinstance(event, Bad):
                        raise CameraFailed("camera.not_understood", reason=event.reason)
            if answers[-1].status == 401 and method != methods[-1]:
                return answers  # the password was refused: it is not given a second time
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return answers
