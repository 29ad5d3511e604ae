"""Pictures a camera takes and uploads on request: asked for under an open view, or by the house for an open incident.

They are kept for a time, then deleted. The address a camera uploads to is ours, random and good for one request. Its
file names mean nothing here. What is fetched (ONVIF) is fetched from the host people entered, whatever address the
device names.
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
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain.access import SYSTEM, Actor, ActorRef, Permission, Purpose, Rule, scope
from tocsin.domain.channels import IN_SERVICE
from tocsin.domain.directory import Channel
from tocsin.domain.guarding import CommandOutcome
from tocsin.domain.refusals import UseCases, forbidden, require
from tocsin.domain.snapshot_events import (
    SnapshotDeleted,
    SnapshotReceived,
    SnapshotsAsked,
    SnapshotsEnded,
    SnapshotTaken,
    SnapshotViewed,
)
from tocsin.domain.snapshot_reach import Reach
from tocsin.domain.store import Store
from tocsin.domain.views import View

OPEN_S: Final = 120.0
MAX_COUNT: Final = 10
MAX_INTERVAL_S: Final = 30
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
    """A kept picture; `sha256` is of the file as it was received.

    `user_id` and `view_id` are empty when the house asked for it: then the incident is the reason.
    """

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


@dataclass(frozen=True, slots=True)
class Ground:
    """Why pictures are asked for: the view of somebody, or an incident alone."""

    purpose: str
    jurisdiction_code: str
    user_id: str = ""
    view_id: str = ""
    incident_id: str | None = None


@dataclass(frozen=True, slots=True)
class SnapshotChoices:
    """Whether a camera can be asked, and what keeps it from uploading: message keys, empty when all is well."""

    problem: str
    warning: str
    keep_days: float


@dataclass(slots=True, eq=False)
class SnapshotRequest:
    """A request under way or done. `state` is open, whole, partial or failed; `problem` a message key."""

    id: str
    token: str
    ground: Ground
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
        reach: Reach | None = None,
        keep_days: float = 30.0,
    ) -> None:
        super().__init__(store)
        self._clock = clock
        self._channels = channels
        self._line = line
        self._keep = keep
        self._upload_url = upload_url.rstrip("/")
        self._reach = reach
        self._keep_days = keep_days
        self._kept_for = timedelta(days=keep_days)
        self._requests: OrderedDict[str, SnapshotRequest] = OrderedDict()
        self._by_token: dict[str, SnapshotRequest] = {}
        self._uploads = 0

    async def start(self) -> None:
        """Delete files that belong to no row: an upload that was under way when we stopped."""
        names = await self._store.read(lambda tx: tx.snapshots.ids())
        await self._keep.keep_only(names)

    def reach_problem(self) -> str:
        """Return the key of why cameras cannot upload here; empty when nothing speaks against it."""
        return self._reach.problem() if self._reach is not None else ""

    async def choices(self, channel_id: str, *, actor: Actor) -> SnapshotChoices:
        """Return whether a camera can be asked, and what keeps it from uploading. Errors: FORBIDDEN, NOT_FOUND."""
        require(actor, Permission.VIEW_LIVE)
        await self._store.read(
            lambda tx: tx.devices.channel(channel_id, visible_to=scope(actor, Permission.VIEW_LIVE)).id
        )
        channel = self._channels.channel(channel_id)
        if channel is None:
            return SnapshotChoices("snapshot.not_possible", "", self._keep_days)
        warning = self._reach.problem_of(channel) if self._reach is not None else ""
        return SnapshotChoices(self._line.snapshot_problem(channel), warning, self._keep_days)

    async def ask(
        self, channel_id: str, view_id: str, count: int, *, actor: Actor, interval_s: int = 1
    ) -> SnapshotRequest:
        """Ask a camera for pictures under the actor's own open view of it; they are not waited for.

        Errors: INVALID; NOT_FOUND; FORBIDDEN with the rule; CONFLICT when the camera cannot or one request is under
        way; UNAVAILABLE when it does not answer. Nothing is sent when the record cannot be written.
        """
        if not 1 <= count <= MAX_COUNT:
            raise TocsinError(ErrorCode.INVALID, f"ask for 1 to {MAX_COUNT} pictures", field="count")
        if not 1 <= interval_s <= MAX_INTERVAL_S:
            raise TocsinError(ErrorCode.INVALID, f"1 to {MAX_INTERVAL_S} seconds apart", field="interval_s")
        channel = self._channels.channel(channel_id)
        problem = self._problem(channel_id, channel)
        view = await self._act(
            "snapshot.asked", "channel", channel_id, actor, _ask, channel_id, view_id, count, problem, actor
        )
        assert channel is not None  # the problem above
        ground = Ground(view.purpose, view.jurisdiction_code, view.user_id, view.id, view.incident_id)
        return await self._send(ground, channel, actor.ref, count, interval_s)

    async def ask_for_incident(self, incident_id: str, channel_id: str) -> SnapshotRequest | None:
        """Ask a camera for one picture of an open incident it is linked to, as the house's own act.

        None when it cannot be asked, is being asked, or the incident is over; nothing is recorded then.
        Errors: CONFLICT and UNAVAILABLE as `ask`, with their record.
        """
        channel = self._channels.channel(channel_id)
        if channel is None or self._problem(channel_id, channel):
            return None
        ground: Ground | None = await self._store.run(_ask_for_incident, incident_id, channel_id)
        return None if ground is None else await self._send(ground, channel, SYSTEM, 1, 1)

    def _problem(self, channel_id: str, channel: Channel | None) -> str:
        problem = self._line.snapshot_problem(channel) if channel is not None else "snapshot.not_possible"
        busy = any(one.channel.id == channel_id and one.state == "open" for one in self._requests.values())
        return problem or ("snapshot.under_way" if busy else "")

    async def _send(
        self, ground: Ground, channel: Channel, by: ActorRef, count: int, interval_s: int
    ) -> SnapshotRequest:
        ends_s = self._clock.monotonic() + OPEN_S + (count - 1) * interval_s
        request = SnapshotRequest(new_id(), new_token(), ground, channel, by, count, ends_s)
        self._requests[request.id] = request
        self._by_token[request.token] = request
        while len(self._requests) > MAX_REQUESTS:
            _, oldest = self._requests.popitem(last=False)
            self._by_token.pop(oldest.token, None)
        url = f"{self._upload_url}/upload/{request.token}"
        outcome = await self._line.ask_snapshots(channel, request.id, count, interval_s, url)
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

    async def listed(
        self, *, actor: Actor, view_id: str = "", incident_id: str = "", channel_id: str = ""
    ) -> list[Snapshot]:
        """Return the kept pictures of the actor's own open view, of an incident, or the actor's own ones of a camera,
        which an open view must show. Errors: as `read`.
        """
        return await self._store.read(_listed, view_id, incident_id, channel_id, actor)

    async def read(self, snapshot_id: str, *, actor: Actor) -> tuple[Snapshot, bytes]:
        """Return a kept picture to who may see it; the look is recorded before.

        That is who may read its incident, or who asked for it and looks through its camera now. Errors: NOT_FOUND,
        FORBIDDEN.
        """
        found = await self._act("snapshot.viewed", "snapshot", snapshot_id, actor, _view, snapshot_id, actor)
        return found, await self._keep.read(found.id)

    async def take(self, snapshot_id: str, *, actor: Actor) -> tuple[Snapshot, bytes]:
        """Return a kept picture to be taken out of the house; recorded before, with its hash. Errors: as `read`."""
        found = await self._act("snapshot.taken", "snapshot", snapshot_id, actor, _take, snapshot_id, actor)
        return found, await self._keep.read(found.id)

    def name_of(self, one: Snapshot) -> str:
        """Return what a picture is called by who takes it: camera, moment (UTC), beginning of its hash."""
        channel = self._channels.channel(one.channel_id)
        camera = channel.gb_id if channel is not None and channel.gb_id.isalnum() else one.channel_id
        return f"{camera}_{one.received_at:%Y%m%dT%H%M%SZ}_{one.sha256[:8]}.jpg"

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
    ground = request.ground
    made = Snapshot(
        picture_id,
        request.channel.id,
        ground.jurisdiction_code,
        ground.user_id,
        ground.view_id,
        ground.purpose,
        tx.now,
        tx.now + kept_for,
        size_bytes,
        digest,
        ground.incident_id,
    )
    tx.snapshots.add(made)
    tx.record(
        SnapshotReceived(
            subject_id=picture_id,
            at=tx.now,
            jurisdiction_code=ground.jurisdiction_code,
            actor=ActorRef("device", request.channel.device_id),
            data=snapshot_form(made) if ground.incident_id else None,
            channel_id=request.channel.id,
            view_id=ground.view_id,
            sha256=digest,
            size_bytes=size_bytes,
            incident_id=ground.incident_id or "",
        )
    )


def _ended(tx: Any, request: SnapshotRequest) -> None:
    tx.record(
        SnapshotsEnded(
            subject_id=request.channel.id,
            at=tx.now,
            jurisdiction_code=request.ground.jurisdiction_code,
            view_id=request.ground.view_id,
            incident_id=request.ground.incident_id or "",
            result=request.state,
            received=len(request.received),
            reason=request.problem,
        )
    )


def _ask_for_incident(tx: Any, incident_id: str, channel_id: str) -> Ground | None:
    incident = tx.incidents.load({incident_id}).get(incident_id)
    if incident is None or not incident.is_open or channel_id not in tx.incidents.linked_channels(incident_id):
        return None
    known = tx.views.channels([channel_id]).get(channel_id)
    if known is None or known.stage != IN_SERVICE:
        return None
    ground = Ground(Purpose.ALARM_VERIFICATION.value, incident.jurisdiction_code, incident_id=incident_id)
    tx.record(
        SnapshotsAsked(
            subject_id=channel_id,
            at=tx.now,
            jurisdiction_code=ground.jurisdiction_code,
            actor=SYSTEM,
            purpose=ground.purpose,
            count=1,
            incident_id=incident_id,
        )
    )
    return ground


def snapshot_form(one: Snapshot) -> dict[str, object]:
    """Return a picture as the API and the feed show it."""
    return {
        "id": one.id,
        "camera_id": one.channel_id,
        "view_id": one.view_id,
        "incident_id": one.incident_id,
        "purpose": one.purpose,
        "is_by_house": not one.user_id,
        "received_at": iso(one.received_at),
        "expires_at": iso(one.expires_at),
        "size_bytes": one.size_bytes,
        "sha256": one.sha256,
    }


def _may_read_incident(tx: Any, actor: Actor, incident_id: str) -> None:
    tx.incidents.get(incident_id, visible_to=scope(actor, Permission.READ_INCIDENTS))


def _listed(tx: Any, view_id: str, incident_id: str, channel_id: str, actor: Actor) -> list[Snapshot]:
    require(actor, Permission.VIEW_LIVE)
    if incident_id:
        _may_read_incident(tx, actor, incident_id)
    elif channel_id:
        if not _looks_at(tx, actor, channel_id):
            raise forbidden(Rule.NO_VIEW)
        mine: list[Snapshot] = tx.snapshots.of_user(actor.id, channel_id, now=tx.now)
        return mine
    else:
        view: View = tx.views.get(view_id, user_id=actor.id)
        if not view.is_live(tx.now):
            raise forbidden(Rule.NO_VIEW)
    found: list[Snapshot] = tx.snapshots.of(view_id=view_id, incident_id=incident_id, now=tx.now)
    return found


def _looks_at(tx: Any, actor: Actor, channel_id: str) -> bool:
    live: list[View] = tx.views.live_of_user(actor.id)
    return any(view.is_live(tx.now) and not view.is_of_recordings and channel_id in view.channel_ids for view in live)


def _permitted(tx: Any, snapshot_id: str, actor: Actor) -> Snapshot:
    """Return a picture the actor may see now. Errors: NOT_FOUND, FORBIDDEN."""
    require(actor, Permission.VIEW_LIVE)
    found: Snapshot = tx.snapshots.get(snapshot_id, now=tx.now)
    if found.incident_id:
        _may_read_incident(tx, actor, found.incident_id)
    elif found.user_id != actor.id:
        raise TocsinError(ErrorCode.NOT_FOUND, f"no snapshot {snapshot_id}")
    elif not _looks_at(tx, actor, found.channel_id):
        raise forbidden(Rule.NO_VIEW)
    return found


def _view(tx: Any, snapshot_id: str, actor: Actor) -> Snapshot:
    found = _permitted(tx, snapshot_id, actor)
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


def _take(tx: Any, snapshot_id: str, actor: Actor) -> Snapshot:
    found = _permitted(tx, snapshot_id, actor)
    tx.record(
        SnapshotTaken(
            subject_id=found.id,
            at=tx.now,
            jurisdiction_code=found.jurisdiction_code,
            actor=actor.ref,
            channel_id=found.channel_id,
            view_id=found.view_id,
            incident_id=found.incident_id or "",
            sha256=found.sha256,
            size_bytes=found.size_bytes,
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
