"""Use cases of recording plans, one camera or many, and of what is recorded.

Who puts cameras into service decides what is recorded of them. Each change has its own audit record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.acts import check_version, guard
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.directory import Channel
from tocsin.domain.fields import refuse
from tocsin.domain.prohibited import refuse_cameras
from tocsin.domain.recorder_events import PLAN_CHANGED, RecordingPlanChanged
from tocsin.domain.recorder_line import RecorderChannels, RecordingState
from tocsin.domain.recorder_plans import Mode, RecordingPlan, changed_plan, check_recordable, differences
from tocsin.domain.refusals import AUDITED, UseCases, note_refusal, require
from tocsin.domain.segments import DAY_MS, Gap, Span, Volume, clipped
from tocsin.domain.store import Store

GROUP: Final = 200
LONGEST_LIST_MS: Final = 366 * DAY_MS
READ: Final = Permission.READ_REGISTRY
CHANGE: Final = Permission.COMMISSION_CAMERA


@dataclass(frozen=True, slots=True)
class PlanItem:
    """A camera and what its plan is to be; `version` None: whatever it is now."""

    camera_id: str
    changes: Mapping[str, Any]
    version: int | None = None


@dataclass(slots=True)
class PlansDone:
    """What was done, or would be: `changed` with the plan before and after; `same`; `refused` and why."""

    changed: list[dict[str, object]] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    refused: list[tuple[str, str, TocsinError]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is recorded of a stream in a period: stretches, and gaps with their reasons (None to: it lasts)."""

    stream: str
    spans: tuple[Span, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class CameraRecording:
    """How a camera is recorded now, and its last gap."""

    channel: Channel
    state: RecordingState
    last_gap: Gap | None = None


class RecorderDesk(UseCases):
    """Use cases of plans, and of how recording is doing."""

    def __init__(
        self, store: Store, channels: RecorderChannels, states: Callable[[], Mapping[str, RecordingState]]
    ) -> None:
        """`states` returns how every camera with a plan in force is recorded."""
        super().__init__(store)
        self._channels = channels
        self._states = states

    async def plan(self, camera_id: str, *, actor: Actor) -> RecordingPlan:
        """Return the plan of a camera; one without is off. Errors: NOT_FOUND."""
        return await self._store.read(_plan, camera_id, actor)

    async def save(self, camera_id: str, changes: Mapping[str, Any], version: int, *, actor: Actor) -> RecordingPlan:
        """Change the plan of a camera. Errors: INVALID, NOT_FOUND, FORBIDDEN; CONFLICT when it has changed since or
        nobody answers for the camera.
        """
        item = PlanItem(camera_id, changes, version)
        _, saved = await self._act(PLAN_CHANGED, "channel", camera_id, actor, _save, item, actor)
        return saved

    async def save_many(self, items: Sequence[PlanItem], *, actor: Actor, is_preview: bool = False) -> PlansDone:
        """Change the plans of at most 200 cameras in one transaction, or say what it would do; a camera that cannot is
        left and told. Errors: INVALID, FORBIDDEN without the permission anywhere.
        """
        require(actor, CHANGE)
        if not 0 < len(items) <= GROUP:
            raise refuse("items", "registry.field_form", f"1 to {GROUP} cameras at a time", form=f"1-{GROUP}")
        unique = tuple({item.camera_id: item for item in items}.values())
        if is_preview:
            return await self._store.read(_save_many, unique, actor, is_preview=True)
        return await self._store.run(_save_many, unique, actor, is_preview=False)

    async def status(
        self, *, actor: Actor, camera_id: str = "", after: str = "", limit: int = GROUP
    ) -> list[CameraRecording]:
        """Return how the cameras with a plan in force are recorded, or how one is. Errors: FORBIDDEN, NOT_FOUND."""
        seen = require(actor, READ)
        states = self._states()
        if camera_id:
            await self._store.read(_plan, camera_id, actor)
            states = {camera_id: states.get(camera_id) or RecordingState(camera_id, "off", "off")}
        found = []
        for channel_id in sorted(states):
            channel = self._channels.channel(channel_id)
            if channel is not None and channel_id > after and seen.covers(channel.jurisdiction_code, channel_id):
                found.append(CameraRecording(channel, states[channel_id]))
                if len(found) == limit:
                    break
        gaps = await self._store.read(_last_gaps, {(one.channel.id, one.state.stream) for one in found})
        return [replace(one, last_gap=gaps.get(one.channel.id)) for one in found]

    async def volumes(self, *, actor: Actor) -> list[tuple[Volume, int]]:
        """Return the volumes, each with the bytes of our segments on it. Errors: FORBIDDEN."""
        require(actor, READ)
        return await self._store.read(_volumes)

    async def recorded(
        self, camera_id: str, from_ms: int, to_ms: int, *, actor: Actor, resolution_ms: int = 1
    ) -> list[Recorded]:
        """Return what is recorded of each stream of a camera, and the gaps with their reasons.

        Errors: FORBIDDEN, NOT_FOUND; INVALID for a period that is empty or longer than a year.
        """
        require(actor, Permission.VIEW_LIVE)
        if not 0 < to_ms - from_ms <= LONGEST_LIST_MS:
            raise TocsinError(ErrorCode.INVALID, "name a period of at most a year", field="to")
        return await self._store.read(_visible_recorded, camera_id, from_ms, to_ms, resolution_ms, actor)


def recorded_of(tx: Any, channel_id: str, from_ms: int, to_ms: int, resolution_ms: int = 1) -> list[Recorded]:
    """Return what is recorded of each stream of a channel in a period: stretches merged where less than
    `resolution_ms` lies between them, and gaps with their reasons, cut to the period. For the house's own use cases.
    """
    now_ms = int(tx.now.timestamp() * 1000)
    found = []
    for stream in tx.segments.streams([channel_id]):
        gaps = [
            Gap(
                gap.stream_no,
                max(gap.from_ms, from_ms),
                gap.reason,
                None if gap.to_ms is None else min(gap.to_ms, to_ms),
            )
            for gap in tx.segments.gaps(stream.no, from_ms, to_ms)
        ]
        spans = tx.segments.spans(stream.no, from_ms, to_ms, now_ms=now_ms, resolution_ms=resolution_ms)
        found.append(Recorded(stream.stream, tuple(clipped(spans, from_ms, to_ms)), tuple(gaps)))
    return found


def _visible_recorded(
    tx: Any, camera_id: str, from_ms: int, to_ms: int, resolution_ms: int, actor: Actor
) -> list[Recorded]:
    tx.devices.channel(camera_id, visible_to=scope(actor, Permission.VIEW_LIVE))
    return recorded_of(tx, camera_id, from_ms, to_ms, resolution_ms)


def _volumes(tx: Any) -> list[tuple[Volume, int]]:
    stored: dict[int, int] = tx.segments.stored_bytes()
    return [(volume, stored.get(volume.no, 0)) for volume in tx.segments.volumes()]


def _plan(tx: Any, camera_id: str, actor: Actor) -> RecordingPlan:
    tx.devices.channel(camera_id, visible_to=scope(actor, READ))
    found: RecordingPlan = tx.recorder_plans.get(camera_id)
    return found


def _last_gaps(tx: Any, wanted: set[tuple[str, str]]) -> dict[str, Gap]:
    streams = {
        stream.no: stream.channel_id
        for stream in tx.segments.streams({channel_id for channel_id, _ in wanted})
        if (stream.channel_id, stream.stream) in wanted
    }
    return {streams[no]: gap for no, gap in tx.segments.last_gaps(streams).items()}


def _checked(tx: Any, item: PlanItem, actor: Actor) -> tuple[ChannelRecord, RecordingPlan, RecordingPlan]:
    channel: ChannelRecord = tx.devices.channel(item.camera_id, visible_to=scope(actor, READ))
    guard(actor, CHANGE, "channel", channel.id, channel.jurisdiction_code)
    known: RecordingPlan = tx.recorder_plans.get(channel.id)
    if item.version is not None:
        check_version("recording plan", channel.id, known.version, item.version)
    wanted = changed_plan(known, item.changes)
    check_recordable(wanted, channel)
    if wanted.mode is not Mode.OFF:
        refuse_cameras(tx, [channel])
    return channel, known, wanted


def _save(tx: Any, item: PlanItem, actor: Actor) -> tuple[RecordingPlan, RecordingPlan]:
    channel, known, wanted = _checked(tx, item, actor)
    changed = differences(known, wanted)
    if not changed:
        return known, known
    saved: RecordingPlan = tx.recorder_plans.save(wanted)
    tx.record(
        RecordingPlanChanged(
            subject_id=channel.id,
            at=tx.now,
            jurisdiction_code=channel.jurisdiction_code,
            actor=actor.ref,
            data=saved.form(),
            changed=changed,
            mode=saved.mode.value,
            stream=saved.stream.value if saved.mode is not Mode.OFF else "",
            mode_before=known.mode.value if known.mode is not saved.mode else "",
        )
    )
    return known, saved


def _save_many(tx: Any, items: Sequence[PlanItem], actor: Actor, *, is_preview: bool) -> PlansDone:
    done = PlansDone()
    for item in items:
        name = ""
        try:
            channel, known, wanted = _checked(tx, item, actor)
            name = channel.name
            if not differences(known, wanted):
                done.same.append(item.camera_id)
                continue
            saved = wanted if is_preview else _save(tx, item, actor)[1]
            before, after = known.form(), saved.form()
            done.changed.append({"camera_id": channel.id, "name": channel.name, "before": before, "after": after})
        except TocsinError as error:
            if error.code is ErrorCode.UNAVAILABLE:
                raise
            done.refused.append((item.camera_id, name, error))
            if not is_preview and error.code in AUDITED:
                note_refusal(tx, PLAN_CHANGED, "channel", item.camera_id, actor, error)
    return done
