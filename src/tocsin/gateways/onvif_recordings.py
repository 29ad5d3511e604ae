"""What ONVIF cameras record themselves: searched for, and replayed over RTSP. Implements `RecordingLine`.

Times outside are ours: a camera whose clock is off is asked by its own, and told of by ours.

Source: ONVIF Recording Search, Replay Control and Streaming specifications (profile G); design note 0023.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

import structlog

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.directory import Channel
from tocsin.domain.playback import (
    EndHeard,
    FileEndHeard,
    FoundRecordings,
    Piece,
    Progress,
    RecordingMedia,
    RecordingWish,
)
from tocsin.gateways.onvif_calls import CallFailed, OnvifCalls
from tocsin.protocols.onvif import calls
from tocsin.protocols.onvif import recordings as kept
from tocsin.protocols.onvif.soap import Element

log = structlog.get_logger(__name__)

MOST_PAGES: Final = 30
FIRST_MEDIA_S: Final = 15.0  # a card is slow to find its place
CLOCK_TOLD_S: Final = 2.0  # less than that a clock told in whole seconds may be off by itself
Row = TypeVar("Row")
SPEEDS: Final = (4,)  # sent as fast as the connection takes it; a download asks for nothing slower


class Cameras(Protocol):
    """The gateway of ONVIF cameras."""

    def reach(self, channel: Channel) -> tuple[OnvifCalls, tuple[str, ...]]:
        """Return the way to a camera and the tokens of its sensors. Errors: UNAVAILABLE when it is not ready."""

    def services(self, device_id: str) -> frozenset[str]:
        """Return the services a camera offers; none before its first contact."""


class OnvifSession:
    """A camera that replays. Its acts raise UNAVAILABLE when it refuses or does not answer."""

    def __init__(self, media: RecordingMedia, wish: RecordingWish) -> None:
        self.stream_id = wish.stream_id
        self.file_bytes: int | None = None
        self.may_reverse = False
        self.tells_time = True
        self._media = media
        self._wish = wish

    async def pause(self) -> None:
        """Stand still."""
        await self._media.replay(self.stream_id, "pause")

    async def resume(self) -> None:
        """Go on as before."""
        await self._media.replay(self.stream_id, "play")

    async def seek(self, at: datetime) -> datetime:
        """Go to a moment; the pictures themselves say where it went."""
        await self._media.replay(self.stream_id, "play", starts=at, ends=self._wish.ends)
        return at

    async def speed(self, scale: float) -> float:
        """Change the speed; return the one the camera says it plays at."""
        return await self._media.replay(self.stream_id, "play", scale=scale)

    async def close(self, reason: str) -> None:
        """Tear down; the worker says it to the camera."""
        await self._media.close_receiver(self.stream_id)


class OnvifRecordings:
    """Recordings of ONVIF cameras with profile G."""

    def __init__(self, cameras: Cameras) -> None:
        self._cameras = cameras

    def offers(self, device_id: str) -> bool:
        """Say whether a camera records itself and can be asked for it."""
        return {kept.SEARCH, kept.REPLAY} <= self._cameras.services(device_id)

    async def find(self, channel: Channel, starts: datetime, ends: datetime, progress: Progress) -> FoundRecordings:
        """Return the recordings of a period. Errors: UNAVAILABLE when the camera cannot be asked at all."""
        reach, mine = await self._mine(channel)
        ahead = _ahead(reach)
        pieces: list[Piece] = []
        problem = ""
        for recording in mine:
            changes: Sequence[kept.Presence] = ()
            try:
                question = kept.find_presence(recording.token, starts + ahead, ends + ahead)
                changes, is_whole = await _search(reach, question, kept.more_presence, kept.read_presence)
                problem = problem or ("" if is_whole else "recording.too_many")
            except CallFailed as failed:  # its first and last moment are known all the same
                log.info("camera does not tell its gaps", channel_id=channel.id, reason=failed.key)
            for begins, stops in kept.spans_of(recording, changes, starts + ahead, ends + ahead):
                pieces.append(Piece(begins - ahead, stops - ahead, "time"))
        return FoundRecordings(tuple(sorted(pieces, key=lambda one: one.starts)), len(mine), problem, ends)

    async def open_recording(self, channel: Channel, media: RecordingMedia, wish: RecordingWish) -> OnvifSession:
        """Return once media arrives. Errors: UNAVAILABLE with the key of what failed."""
        reach, mine = await self._mine(channel)
        ahead = _ahead(reach)
        chosen = max(mine, key=lambda one: _overlap(one, wish.starts + ahead, wish.ends + ahead), default=None)
        if chosen is None or _overlap(chosen, wish.starts + ahead, wish.ends + ahead) <= timedelta():
            raise TocsinError(ErrorCode.UNAVAILABLE, "it recorded nothing then", key="download.nothing")
        camera = reach.camera
        try:
            answer = await reach.call(kept.get_replay_uri(chosen.token), service=kept.REPLAY)
        except CallFailed as failed:
            raise _unavailable(failed) from failed
        url = calls.at_host(calls.read_uri(answer), camera.url, scheme="rtsp")
        if not url:
            raise TocsinError(ErrorCode.UNAVAILABLE, "no address of a replay", key="recording.refused")
        await media.open_replay(
            wish.stream_id,
            url,
            username=camera.username,
            password=camera.password,
            certificate=camera.certificate,
            ahead_ms=ahead / timedelta(milliseconds=1),
        )
        session = OnvifSession(media, wish)
        try:
            is_fast = bool(wish.download_speed)
            await media.replay(wish.stream_id, "play", starts=wish.starts, ends=wish.ends, is_fast=is_fast)
            if not await media.first_packet(wish.stream_id, FIRST_MEDIA_S):
                raise TocsinError(ErrorCode.UNAVAILABLE, "nothing arrives from the camera", key="camera.no_media")
        except BaseException:
            await session.close("given_up")
            raise
        return session

    def on_file_end(self, callback: FileEndHeard) -> None:
        """The end of a replay is heard where its packets are: with the loss of its source."""

    def on_recording_ended(self, callback: EndHeard) -> None:
        """As `on_file_end`."""

    async def download_speeds(self, channel: Channel) -> tuple[int, ...]:
        """Return the speeds this camera may be asked for, ascending."""
        return SPEEDS

    async def _mine(self, channel: Channel) -> tuple[OnvifCalls, list[kept.Recording]]:
        """Return the way to a camera and what it has recorded of a channel. Errors: UNAVAILABLE."""
        reach, sources = self._cameras.reach(channel)
        if not self.offers(channel.device_id):
            raise TocsinError(ErrorCode.UNAVAILABLE, "it keeps no recordings", key="recording.no_way")
        try:
            found, _ = await _search(
                reach, kept.find_recordings(), kept.more_recordings, kept.read_recordings, most=kept.MAX_RECORDINGS
            )
        except CallFailed as failed:
            raise _unavailable(failed) from failed
        return reach, kept.of_source(found, channel.gb_id, sources)


async def _search(
    reach: OnvifCalls,
    question: str,
    more: Callable[[str], str],
    read: Callable[[Element], kept.Page[Row]],
    *,
    most: int = 10_000,
) -> tuple[list[Row], bool]:
    """Return all a search finds, and whether that is all. Errors: CallFailed."""
    search = kept.read_search(await reach.call(question, service=kept.SEARCH))
    found: list[Row] = []
    page: kept.Page[Row] = kept.Page((), is_over=False)
    for _ in range(MOST_PAGES):
        page = read(await reach.call(more(search), service=kept.SEARCH))
        found += page.rows
        if page.is_over or len(found) >= most:
            break
    with contextlib.suppress(CallFailed):  # many give an ended search back by themselves
        await reach.call(kept.end_search(search), service=kept.SEARCH)
    return found, page.is_over


def _ahead(reach: OnvifCalls) -> timedelta:
    return timedelta(seconds=reach.skew_s) if abs(reach.skew_s) > CLOCK_TOLD_S else timedelta()


def _overlap(recording: kept.Recording, starts: datetime, ends: datetime) -> timedelta:
    first = max(starts, recording.starts) if recording.starts is not None else starts
    last = min(ends, recording.ends) if recording.ends is not None else ends
    return last - first


def _unavailable(failed: CallFailed) -> TocsinError:
    return TocsinError(ErrorCode.UNAVAILABLE, failed.key, key=failed.key, **failed.params)
