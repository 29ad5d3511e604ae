"""Pictures a camera takes and uploads on request: asked for under an open view, kept for a time, then deleted.

The address a camera uploads to is ours, random and good for one request. Its file names mean nothing here. What is
fetched (ONVIF) is fetched from the host people entered, whatever address the device names.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id, new_token
from tocsin.base.words import Words
from tocsin.domain.access import Actor, ActorRef, Permission, Rule, scope
from tocsin.domain.directory import Channel
from tocsin.domain.guarding import CommandOutcome
from tocsin.domain.refusals import UseCases, forbidden, require
from tocsin.domain.snapshot_events import (
    SnapshotDeleted,
    SnapshotReceived,
    SnapshotsAsked,
    SnapshotsEnded,
    SnapshotViewed,
)
from tocsin.domain.store import Store
from tocsin.domain.views import View

OPEN_S: Final = 120.0
MAX_COUNT: Final = 10
MAX_PICTURE_BYTES: Final = 4 * 1024 * 1024
MAX_UPLOADS_AT_ONCE: Final = 8
MAX_REQUESTS: Final = 256
UPLOAD_WITHIN_S: Final = 60.0
DELETED_AT_ONCE: Final = 200

WORDS: Final = Words(
    {
        "snapshot.older_edition": (
            "This device does not follow the 2022 edition of GB/T 28181 and cannot upload pictures.",
            "该设备不支持 GB/T 28181-2022，无法上传抓拍图片。",
        ),
        "snapshot.not_possible": ("This camera cannot upload pictures.", "该摄像机无法上传抓拍图片。"),
        "snapshot.under_way": ("Pictures of this camera are being fetched already.", "该摄像机正在抓拍，请稍候。"),
        "snapshot.no_upload": ("The camera uploaded nothing within two minutes.", "摄像机两分钟内没有上传图片。"),
        "snapshot.not_all": ("The camera uploaded fewer pictures than asked for.", "摄像机上传的图片少于请求数量。"),
        "snapshot.refused": ("The camera refused the request.", "摄像机拒绝了抓拍请求。"),
        "snapshot.unreachable": ("The camera did not answer.", "摄像机没有应答。"),
        "snapshot.no_jpeg": (
            "What the camera sent is no JPEG picture, or it is too large.",
            "摄像机返回的内容不是 JPEG 图片或过大。",
        ),
        "snapshot.wrong_password": (
            "The camera refused the password for its pictures. It was tried once; “Try again” on the page of its "
            "device lets it be tried anew.",
            "摄像机拒绝了抓拍所用的密码，只尝试了一次。可在设备页点击“重试”。",
        ),
        "snapshot.certificate": (
            "The camera shows a certificate nobody accepted, so nothing was asked of it.",
            "摄像机出示的证书未经确认，未向其发送请求。",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A kept picture; `sha256` is of the file as it was received."""

    id: str
    channel_id: str
    jurisdiction_code: str
    user_id: str
    view_id: str
    purpose: str
    received_at: datetime
    expires_at: datetime
    size_bytes: int
    sha256: str
    incident_id: str | None = None


@dataclass(slots=True, eq=False)
class SnapshotRequest:
    """A request under way or done. `state` is open, whole, partial or failed; `problem` a message key."""

    id: str
    token: str
    view: View
    channel: Channel
    actor: ActorRef
    wanted: int
    ends_s: float
    taking: int = 0
    told: int | None = None
    received: list[str] = field(default_factory=list)
    state: str = "open"
    problem: str = ""


class SnapshotLine(Protocol):
    """The way to the cameras; a gateway implements it."""

    def snapshot_problem(self, channel: Channel) -> str:
        """Return the key of why this camera cannot be asked; empty when it can."""

    async def ask_snapshots(
        self, channel: Channel, session: str, count: int, interval_s: int, url: str
    ) -> CommandOutcome:
        """Ask for pictures to be uploaded to `url`."""


class PictureKeep(Protocol):
    """Where pictures lie. Names are ours."""

    async def take(self, name: str, content_type: str, body: AsyncIterator[bytes], limit: int) -> tuple[int, str]:
        """Write an upload as it comes; return size and SHA-256. Errors: INVALID when it is no JPEG or too large."""

    async def read(self, name: str) -> bytes:
        """Return a kept picture. Errors: NOT_FOUND."""

    async def remove(self, names: list[str]) -> None:
        """Delete pictures; one that is not there is no error."""

    async def keep_only(self, names: frozenset[str]) -> None:
        """Delete whatever else lies there."""


class Channels(Protocol):
    """The part of the directory that knows channels."""

    def channel(self, channel_id: str) -> Channel | None:
        """Return a channel, or None."""


class SnapshotService(UseCases):
    """Requests, uploads, reading and expiry."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        channels: Channels,
        line: SnapshotLine,
        keep: PictureKeep,
        *,
        upload_url: str,
        keep_days: float = 30.0,
    ) -> None:
        super().__init__(store)
        self._clock = clock
        self._channels = channels
        self._line = line
        self._keep = keep
        self._upload_url = upload_url.rstrip("/")
        self._kept_for = timedelta(days=keep_days)
        self._requests: OrderedDict[str, SnapshotRequest] = OrderedDict()
        self._by_token: dict[str, SnapshotRequest] = {}
        self._uploads = 0

    async def start(self) -> None:
        """Delete files that belong to no row: an upload that was under way when we stopped."""
        names = await self._store.read(lambda tx: tx.snapshots.ids())
        await self._keep.keep_only(names)

    async def ask(self, channel_id: str, view_id: str, count: int, *, actor: Actor) -> SnapshotRequest:
        """Ask a camera for pictures under the actor's own open view of it; they are not waited for.

        Errors: INVALID; NOT_FOUND; FORBIDDEN with the rule; CONFLICT when the camera cannot or one request is under
        way; UNAVAILABLE when it does not answer. Nothing is sent when the record cannot be written.
        """
        if not 1 <= count <= MAX_COUNT:
            raise TocsinError(ErrorCode.INVALID, f"ask for 1 to {MAX_COUNT} pictures", field="count")
        channel = self._channels.channel(channel_id)
        problem = self._line.snapshot_problem(channel) if channel is not None else "snapshot.not_possible"
        busy = any(one.channel.id == channel_id and one.state == "open" for one in self._requests.values())
        problem = problem or ("snapshot.under_way" if busy else "")
        view = await self._act(
            "snapshot.asked", "channel", channel_id, actor, _ask, channel_id, view_id, count, problem, actor
        )
        assert channel is not None  # the problem above
        request = SnapshotRequest(
            new_id(), new_token(), view, channel, actor.ref, count, self._clock.monotonic() + OPEN_S
        )
        self._requests[request.id] = request
        self._by_token[request.token] = request
        while len(self._requests) > MAX_REQUESTS:
            _, oldest = self._requests.popitem(last=False)
            self._by_token.pop(oldest.token, None)
        url = f"{self._upload_url}/upload/{request.token}"
        outcome = await self._line.ask_snapshots(channel, request.id, count, 1, url)
        if outcome is CommandOutcome.REFUSED:
            await self._end(request, "failed", "snapshot.refused")
            raise TocsinError(ErrorCode.CONFLICT, "the camera refused the request", key="snapshot.refused")
        if outcome in (CommandOutcome.UNREACHABLE, CommandOutcome.NOT_CONNECTED):
            await self._end(request, "failed", "snapshot.unreachable")
            raise TocsinError(ErrorCode.UNAVAILABLE, "the camera did not answer", key="snapshot.unreachable")
        return request

    def state(self, request_id: str, *, actor: Actor) -> SnapshotRequest:
        """Return how one of the actor's own requests is doing. Errors: NOT_FOUND."""
        request = self._requests.get(request_id)
        if request is None or request.actor != actor.ref:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no request {request_id}")
        return request

    async def upload(self, token: str, content_type: str, body: AsyncIterator[bytes]) -> None:
        """Keep one picture of a request that is open.

        Errors: NOT_FOUND for a token that is unknown, used up or old; INVALID for what is no JPEG or too large;
        UNAVAILABLE when too many come at once or it cannot be kept.
        """
        request = self._by_token.get(token)
        if request is None or not self._takes(request):
            raise TocsinError(ErrorCode.NOT_FOUND, "no such address")
        await self._receive(request, content_type, body)

    async def fetched(self, request_id: str, content_type: str, body: AsyncIterator[bytes]) -> None:
        """Keep one picture that was fetched for a request that is open. Errors: as `upload`."""
        request = self._requests.get(request_id)
        if request is None or not self._takes(request):
            raise TocsinError(ErrorCode.NOT_FOUND, "no such request")
        await self._receive(request, content_type, body)

    async def give_up(self, request_id: str, problem: str) -> None:
        """Hear that a request brings no more pictures; `problem` is a message key."""
        request = self._requests.get(request_id)
        if request is not None and request.state == "open":
            await self._end(request, "partial" if request.received else "failed", problem)

    async def _receive(self, request: SnapshotRequest, content_type: str, body: AsyncIterator[bytes]) -> None:
        if self._uploads >= MAX_UPLOADS_AT_ONCE:
            raise TocsinError(ErrorCode.UNAVAILABLE, "too many uploads at once")
        picture_id = new_id()
        self._uploads += 1
        request.taking += 1
        is_kept = False
        try:
            async with asyncio.timeout(UPLOAD_WITHIN_S):
                size_bytes, digest = await self._keep.take(picture_id, content_type, body, MAX_PICTURE_BYTES)
            await self._store.run(_keep, request, picture_id, size_bytes, digest, self._kept_for)
            is_kept = True
        except TimeoutError as error:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the upload took too long") from error
        finally:
            self._uploads -= 1
            request.taking -= 1
            if not is_kept:
                await self._keep.remove([picture_id])
        request.received.append(picture_id)
        await self._settle(request)

    def _takes(self, request: SnapshotRequest) -> bool:
        is_in_time = request.state == "open" and self._clock.monotonic() < request.ends_s
        return is_in_time and len(request.received) + request.taking < request.wanted

    async def finished(self, device_id: str, request_id: str, told: int) -> bool:
        """Hear from a device that it has uploaded `told` pictures; False when that is about no request of its own."""
        request = self._requests.get(request_id)
        if request is None or request.channel.device_id != device_id or request.state != "open":
            return False
        request.told = told
        await self._settle(request)
        return True

    async def check(self) -> None:
        """End requests whose time is up, and delete pictures whose time is up."""
        for request in list(self._requests.values()):
            if request.state == "open" and self._clock.monotonic() >= request.ends_s:
                await self._end(
                    request,
                    "partial" if request.received else "failed",
                    "snapshot.not_all" if request.received else "snapshot.no_upload",
                )
        await self._keep.remove(await self._store.run(_expire))

    async def listed(self, *, actor: Actor, view_id: str = "", incident_id: str = "") -> list[Snapshot]:
        """Return the kept pictures of the actor's own open view, or of an incident. Errors: as `read`."""
        return await self._store.read(_listed, view_id, incident_id, actor)

    async def read(self, snapshot_id: str, *, actor: Actor) -> tuple[Snapshot, bytes]:
        """Return a kept picture to who holds its view open or may read its incident; the fetch is recorded before.

        Errors: NOT_FOUND, FORBIDDEN.
        """
        found = await self._act("snapshot.viewed", "snapshot", snapshot_id, actor, _view, snapshot_id, actor)
        return found, await self._keep.read(found.id)

    async def _settle(self, request: SnapshotRequest) -> None:
        if request.state != "open" or request.taking:
            return
        count = len(request.received)
        if count >= request.wanted:
            await self._end(request, "whole", "")
        elif request.told is not None and count >= request.told:
            await self._end(request, "partial" if count else "failed", "snapshot.not_all")

    async def _end(self, request: SnapshotRequest, state: str, problem: str) -> None:
        request.state, request.problem = state, problem
        self._by_token.pop(request.token, None)
        await self._store.run(_ended, request)


def _ask(tx: Any, channel_id: str, view_id: str, count: int, problem: str, actor: Actor) -> View:
    require(actor, Permission.VIEW_LIVE)
    view: View = tx.views.get(view_id, user_id=actor.id)
    if not view.is_live(tx.now) or view.is_of_recordings or channel_id not in view.channel_ids:
        raise forbidden(Rule.NO_VIEW)
    if problem:
        raise TocsinError(ErrorCode.CONFLICT, "this camera cannot be asked now", key=problem)
    tx.record(
        SnapshotsAsked(
            subject_id=channel_id,
            at=tx.now,
            jurisdiction_code=view.jurisdiction_code,
            actor=actor.ref,
            view_id=view.id,
            purpose=view.purpose,
            count=count,
            incident_id=view.incident_id or "",
        )
    )
    return view


def _keep(
    tx: Any, request: SnapshotRequest, picture_id: str, size_bytes: int, digest: str, kept_for: timedelta
) -> None:
    view = request.view
    tx.snapshots.add(
        Snapshot(
            picture_id,
            request.channel.id,
            view.jurisdiction_code,
            view.user_id,
            view.id,
            view.purpose,
            tx.now,
            tx.now + kept_for,
            size_bytes,
            digest,
            view.incident_id,
        )
    )
    tx.record(
        SnapshotReceived(
            subject_id=picture_id,
            at=tx.now,
            jurisdiction_code=view.jurisdiction_code,
            actor=ActorRef("device", request.channel.device_id),
            channel_id=request.channel.id,
            view_id=view.id,
            sha256=digest,
            size_bytes=size_bytes,
            incident_id=view.incident_id or "",
        )
    )


def _ended(tx: Any, request: SnapshotRequest) -> None:
    tx.record(
        SnapshotsEnded(
            subject_id=request.channel.id,
            at=tx.now,
            jurisdiction_code=request.view.jurisdiction_code,
            view_id=request.view.id,
            result=request.state,
            received=len(request.received),
            reason=request.problem,
        )
    )


def _may_read(tx: Any, actor: Actor, view_id: str, incident_id: str | None) -> None:
    """Let pass who holds the view open, or may read the incident. Errors: NOT_FOUND, FORBIDDEN."""
    require(actor, Permission.VIEW_LIVE)
    if incident_id:
        tx.incidents.get(incident_id, visible_to=scope(actor, Permission.READ_INCIDENTS))
        return
    view: View = tx.views.get(view_id, user_id=actor.id)
    if not view.is_live(tx.now):
        raise forbidden(Rule.NO_VIEW)


def _listed(tx: Any, view_id: str, incident_id: str, actor: Actor) -> list[Snapshot]:
    _may_read(tx, actor, view_id, incident_id)
    found: list[Snapshot] = tx.snapshots.of(view_id=view_id, incident_id=incident_id, now=tx.now)
    return found


def _view(tx: Any, snapshot_id: str, actor: Actor) -> Snapshot:
    found: Snapshot = tx.snapshots.get(snapshot_id, now=tx.now)
    _may_read(tx, actor, found.view_id, found.incident_id)
    tx.record(
        SnapshotViewed(
            subject_id=found.id,
            at=tx.now,
            jurisdiction_code=found.jurisdiction_code,
            actor=actor.ref,
            channel_id=found.channel_id,
            view_id=found.view_id,
            incident_id=found.incident_id or "",
        )
    )
    return found


def _expire(tx: Any) -> list[str]:
    gone: list[Snapshot] = tx.snapshots.expired(tx.now, DELETED_AT_ONCE)
    tx.snapshots.delete([one.id for one in gone])
    tx.record_many(
        SnapshotDeleted(
            subject_id=one.id,
            at=tx.now,
            jurisdiction_code=one.jurisdiction_code,
            channel_id=one.channel_id,
            sha256=one.sha256,
        )
        for one in gone
    )
    return [one.id for one in gone]
