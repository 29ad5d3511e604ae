"""Carries out the trial of an ONVIF or RTSP camera, stage by stage. Implements `TrialLine`."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.base.ids import new_token
from tocsin.base.pins import PeerCertificate, read_certificate, spaced
from tocsin.base.words import Words
from tocsin.domain.trials import ShownCertificate, Stage, StageState, Trial
from tocsin.domain.video import MediaPorts
from tocsin.gateways.onvif_calls import CallFailed, OnvifCalls, make_http
from tocsin.gateways.rtsp import CameraFailed, describe
from tocsin.protocols.onvif import calls

REACH_WITHIN_S: Final = 4.0
FIRST_PACKET_S: Final = 6.0
MAX_REFUSED: Final = 1000
ONVIF_STAGES: Final = ("reach", "speaks", "credentials", "profiles", "stream", "picture")
RTSP_STAGES: Final = ("reach", "speaks", "credentials", "stream", "picture")

WORDS: Final = Words(
    {
        "trial.reached": ("{host} answers.", "{host} 可以连接。"),
        "trial.unreachable": (
            "Nothing answers at {host}: {reason}. Is the camera on, in this network, and the port right?",
            "{host} 无法连接：{reason}。请检查摄像机是否通电、网络是否互通、端口是否正确。",
        ),
        "trial.certificate": (
            "The camera signs its own certificate. Compare the fingerprint, then accept it.",
            "摄像机使用自签名证书。请核对指纹后确认。",
        ),
        "trial.speaks": ("It speaks {protocol}.", "设备支持 {protocol}。"),
        "trial.speaks_not": (
            "What answers there speaks no {protocol} ({reason}). Switch {protocol} on in the camera, or correct port "
            "and path.",
            "该地址不支持 {protocol}（{reason}）。请在摄像机中开启 {protocol}，或更正端口和路径。",
        ),
        "trial.same_password": (
            "The camera refused exactly this user name and password already. It was not sent again, so that the camera "
            "does not lock itself: enter another.",
            "摄像机已拒绝过该用户名和密码，未再发送以免账号被锁定，请更换后再试。",
        ),
        "trial.wrong_password": (
            "The camera refused the user name or password. Many cameras keep a user of its own for {protocol}: look in "
            "its settings.",
            "摄像机拒绝了用户名或密码。许多摄像机为 {protocol} 单独设置用户，请在其设置中查看。",
        ),
        "trial.accepted": ("It accepted the password.", "密码正确。"),
        "trial.is": ("It is a {maker} {model}, firmware {firmware}.", "设备为 {maker} {model}，固件 {firmware}。"),
        "trial.profiles": (
            "Pictures: {count}; the largest is {width} × {height}, {codec}.",
            "共 {count} 路图像，最大 {width} × {height}，{codec}。",
        ),
        "trial.playing": ("It sends {codec} over {transport}.", "正以 {transport} 发送 {codec}。"),
        "trial.picture": ("The first picture is here.", "已收到首帧图像。"),
        "trial.nothing_arrives": (
            "It says it plays, but nothing arrives. Try the other transport (TCP or UDP).",
            "摄像机表示已播放，但没有收到数据。请改用另一种传输方式（TCP 或 UDP）。",
        ),
        "trial.stream_failed": (
            "The picture could not be opened: {reason}. Is the limit of viewers reached, or the RTSP port closed?",
            "无法打开图像：{reason}。请检查访问路数是否已满、RTSP 端口是否开放。",
        ),
        "trial.too_many": ("Too many cameras are being tried at the moment.", "正在试连的摄像机过多，请稍候。"),
        "trial.no_picture": ("There is no picture to show.", "没有可显示的图像。"),
    }
)


class Media(MediaPorts, Protocol):
    """What a trial needs of the media link."""

    async def ticket(
        self,
        *,
        stream_id: str,
        ticket: str,
        viewer_id: str,
        view_id: str,
        expires_at: datetime,
        codecs: tuple[str, ...] = (),
        audio: bool = False,
        alarm: bool = False,
        may_change: bool = False,
    ) -> str:
        """Issue a one-use ticket and return its path."""

    def viewer_port(self, stream_id: str) -> int:
        """Return the port of that path."""

    async def revoke(self, view_id: str, reason: str) -> None:
        """End a view's viewers."""


class _Over(Exception):
    """A stage failed and has said so."""


class CameraTrials:
    """Runs trials. What a camera refused is remembered, salted and hashed, and not sent to it again."""

    def __init__(self, media: Media, clock: Clock, *, public_host: str) -> None:
        self._media = media
        self._clock = clock
        self._public_host = public_host
        self._http = make_http()
        self._salt = new_token().encode()[:16]
        self._refused: OrderedDict[bytes, None] = OrderedDict()

    async def stop(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def stages(self, protocol: str) -> Sequence[str]:
        """Return the names of the stages, in their order."""
        return ONVIF_STAGES if protocol == "onvif" else RTSP_STAGES

    async def run(self, trial: Trial) -> bool:
        """Go through the stages and tell in them what came of each; True when a picture arrives."""
        try:
            await self._reach(trial)
            url = await (self._meet_onvif(trial) if trial.camera.protocol == "onvif" else self._meet_rtsp(trial))
            await self._play(trial, url)
        except _Over:
            return False
        return True

    async def ticket(self, trial: Trial, codecs: tuple[str, ...]) -> str:
        """Return an address, good once, under which the picture is shown. Errors: UNAVAILABLE."""
        path = await self._media.ticket(
            stream_id=trial.stream_id,
            ticket=new_token(),
            viewer_id=trial.actor.id,
            view_id=trial.stream_id,
            expires_at=trial.ends_at,
            codecs=codecs,
        )
        host = f"[{self._public_host}]" if ":" in self._public_host else self._public_host
        return f"ws://{host}:{self._media.viewer_port(trial.stream_id)}{path}"

    async def end(self, trial: Trial) -> None:
        """Stop the picture; never raises."""
        for work in (
            self._media.revoke(trial.stream_id, "closed"),
            self._media.close_receiver(trial.stream_id),
        ):
            try:
                await work
            except TocsinError:
                continue

    # --- stages ---

    @asynccontextmanager
    async def _stage(self, trial: Trial, name: str) -> AsyncIterator[Stage]:
        stage = next(one for one in trial.stages if one.name == name)
        stage.state, started = StageState.RUNNING, self._clock.monotonic()
        try:
            yield stage
        except (CallFailed, CameraFailed) as failed:
            self._fail(trial, stage, failed.key, failed.params)
            raise _Over from failed
        except TocsinError as error:
            stage.key, stage.params, stage.state = "trial.stream_failed", {"reason": str(error)[:120]}, _FAILED
            raise _Over from error
        except (OSError, TimeoutError) as error:
            reason = str(error)[:80] or "timeout"
            if stage.name == "reach":
                stage.key, stage.state = "trial.unreachable", _FAILED
                stage.params = {"host": urlsplit(trial.camera.url).netloc, "reason": reason}
            else:  # it was reached a moment ago
                self._fail(trial, stage, "camera.silent", {"host": urlsplit(trial.camera.url).netloc, "reason": reason})
            raise _Over from error
        else:
            stage.state = StageState.OK
        finally:
            stage.took_ms = round((self._clock.monotonic() - started) * 1000)

    def _fail(self, trial: Trial, stage: Stage, key: str, params: Any) -> None:
        protocol = trial.camera.protocol.upper()
        if key == "camera.wrong_password":
            self._refused[self._mark(trial)] = None
            while len(self._refused) > MAX_REFUSED:
                self._refused.popitem(last=False)
            key, params = "trial.wrong_password", {"protocol": protocol}
        elif stage.name == "speaks" and key in ("camera.not_understood", "camera.silent", "camera.refused"):
            key, params = "trial.speaks_not", {"protocol": protocol, "reason": str(params.get("reason", ""))}
        stage.key, stage.params, stage.state = key, dict(params), _FAILED

    def _mark(self, trial: Trial) -> bytes:
        camera = trial.camera
        said = "\0".join((urlsplit(camera.url).netloc, camera.username, camera.password)).encode()
        return blake2b(said, key=self._salt, digest_size=16).digest()

    async def _reach(self, trial: Trial) -> None:
        camera = trial.camera
        parts = urlsplit(camera.url)
        host, scheme = parts.hostname or "", parts.scheme.lower()
        port = parts.port or _PORTS[scheme]
        async with self._stage(trial, "reach") as stage:
            if scheme in ("https", "rtsps"):
                shown = await read_certificate(host, port, REACH_WITHIN_S)
                if shown.fingerprint != camera.certificate:
                    trial.certificate = _shown(shown)
                    raise CallFailed("trial.certificate")
            else:
                async with asyncio.timeout(REACH_WITHIN_S):
                    _, writer = await asyncio.open_connection(host, port)
                writer.transport.abort()
            stage.key, stage.params = "trial.reached", {"host": parts.netloc}

    async def _meet_onvif(self, trial: Trial) -> str:
        reach = OnvifCalls(trial.camera, self._clock, self._http)
        async with self._stage(trial, "speaks") as stage:
            await reach.read_clock()
            stage.key, stage.params = "trial.speaks", {"protocol": "ONVIF"}
        async with self._stage(trial, "credentials") as stage:
            self._not_again(trial)
            found = calls.read_information(await reach.call(calls.GET_INFORMATION))
            trial.maker, trial.model = found.maker, found.model
            stage.key = "trial.is"
            stage.params = {"maker": found.maker, "model": found.model, "firmware": found.firmware}
        async with self._stage(trial, "profiles") as stage:
            profiles = await reach.find_profiles()
            if not profiles:
                raise CallFailed("camera.no_video")
            main, _ = calls.streams_of(profiles, profiles[0].source)
            if main is None:
                raise CallFailed("camera.no_video")
            count = len({profile.source for profile in profiles})
            stage.key = "trial.profiles"
            stage.params = {"count": count, "width": main.width, "height": main.height, "codec": main.encoding}
            return await reach.stream_url(main)

    async def _meet_rtsp(self, trial: Trial) -> str:
        camera = trial.camera
        async with self._stage(trial, "speaks") as stage:
            await describe(camera, only_options=True)
            stage.key, stage.params = "trial.speaks", {"protocol": "RTSP"}
        async with self._stage(trial, "credentials") as stage:
            self._not_again(trial)
            await describe(camera)
            stage.key = "trial.accepted"
        return camera.url

    def _not_again(self, trial: Trial) -> None:
        if trial.camera.password and self._mark(trial) in self._refused:
            raise CallFailed("trial.same_password")

    async def _play(self, trial: Trial, url: str) -> None:
        camera = trial.camera
        async with self._stage(trial, "stream") as stage:
            agreed = await self._media.open_rtsp(
                trial.stream_id,
                url,
                username=camera.username,
                password=camera.password,
                transport=camera.transport,
                certificate=camera.certificate,
            )
            stage.key = "trial.playing"
            stage.params = {
                "codec": str(agreed.get("codec", "")).upper(),
                "transport": str(agreed.get("transport", camera.transport)).upper(),
            }
        async with self._stage(trial, "picture") as stage:
            if not await self._media.first_packet(trial.stream_id, FIRST_PACKET_S):
                await self._media.close_receiver(trial.stream_id)
                raise CallFailed("trial.nothing_arrives")
            stage.key = "trial.picture"


_FAILED: Final = StageState.FAILED
_PORTS: Final = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}


def _shown(shown: PeerCertificate) -> ShownCertificate:
    return ShownCertificate(spaced(shown.fingerprint), shown.subject, shown.until)
