"""Use cases of camera health: deriving states, keeping measures and faults, checking pictures, and the sums.

Source: design note 0013.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.times import iso, to_us
from tocsin.domain import events
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.acts import Page, bounded, guard, page
from tocsin.domain.channel_health import (
    CLOCK,
    IMAGE,
    STORAGE,
    Bounds,
    ChannelFault,
    GroupHealth,
    HealthState,
    Measures,
    Steady,
    derive,
    online_share,
    picture_faults,
)
from tocsin.domain.channels import IN_SERVICE, RETIRED, ChannelRecord
from tocsin.domain.directory import Announced, Channel, Directory
from tocsin.domain.fields import refuse
from tocsin.domain.place_service import subtree_code
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.store import Store
from tocsin.domain.video import LiveState

READ: Final = Permission.READ_REGISTRY
DEVICES_AT_ONCE: Final = 200  # in one transaction: no alarm waits long behind a flapping line
CHECKS_AT_ONCE: Final = 2
CHECKS_A_ROUND: Final = 8
KEEP_EVERY_S: Final = 300.0
PERIODS_DAYS: Final = (1, 7, 30)
GROUPS: Final = ("maker", "line", "jurisdiction")
PICTURE: Final = "picture."
NO_PICTURE: Final = "picture.none"


class Pictures(Protocol):
    """What health asks of the live streams."""

    def running(self) -> Mapping[str, LiveState]:
        """Return how each stream that is wanted is doing, by channel id; sub streams and recordings left out."""

    async def probe(self, channel: Channel) -> LiveState:
        """Ask for a picture for a few seconds, show it to nobody, return how it did."""


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """One camera's health as a person reads it."""

    state: HealthState | None
    faults: tuple[ChannelFault, ...]
    history: tuple[ChannelFault, ...]
    shares: Mapping[int, float | None]
    clock_offset_s: float | None

    def form(self) -> dict[str, object]:
        """Return it as the API shows it; `online_share` by days."""
        state = self.state
        measures = state.measures if state is not None else None
        return {
            "state": "unknown" if state is None else ("online" if state.is_online else "offline"),
            "because": "" if state is None else state.because,
            "since": None if state is None else iso(state.since),
            "measures": None if measures is None else measures.form(),
            "checked_at": None if state is None or state.checked_at is None else iso(state.checked_at),
            "clock_offset_s": self.clock_offset_s,
            "online_share": {str(days): share for days, share in self.shares.items()},
            "faults": [fault.form() for fault in self.faults],
            "history": [fault.form() for fault in self.history],
        }


@dataclass(slots=True)
class _Difference:
    """What a look at some channels found to write."""

    opened: list[ChannelFault] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


class ChannelHealthService(UseCases):
    """Keeps the health of channels. `check` is called every few seconds, `check_pictures` about once a minute."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        directory: Directory,
        pictures: Pictures,
        *,
        bounds: Bounds | None = None,
        check_interval_h: float = 24.0,
    ) -> None:
        super().__init__(store)
        self._clock = clock
        self._directory = directory
        self._pictures = pictures
        self._bounds = bounds or Bounds()
        self._interval = timedelta(hours=check_interval_h)
        self._steady = Steady(self._bounds)
        self._marked: dict[str, None] = {}
        self._open: dict[str, set[str]] = {}  # picture faults that are open, by channel
        self._latest: dict[str, Measures] = {}
        self._kept_at: dict[str, float] = {}
        self._checking: set[str] = set()

    async def start(self) -> None:
        """Mark every device to be looked at, and learn which picture faults an earlier run left open."""
        self._marked = dict.fromkeys(self._directory.devices_with_channels())
        found = await self._store.read(_open_pictures)
        self._open = {channel_id: set(keys) for channel_id, keys in found.items()}

    def hear(self, announcements: Iterable[Announced]) -> None:
        """Hear of committed changes: devices and channels that changed are looked at again."""
        for item in announcements:
            if item.type == "device.changed":
                self._marked[item.subject_id] = None
            elif item.type == "camera.changed":
                channel = self._directory.channel(item.subject_id)
                if channel is not None:
                    self._marked[channel.device_id] = None

    async def check(self) -> None:
        """Derive the states of what changed, judge the pictures that run. Errors: UNAVAILABLE; nothing is forgotten."""
        while self._marked:
            marked = list(self._marked)[:DEVICES_AT_ONCE]
            for device_id in marked:
                del self._marked[device_id]
            try:
                await self._store.run(_derive_states, marked, self._bounds)
            except BaseException:
                self._marked.update(dict.fromkeys(marked))
                raise
        await self._judge_pictures()

    async def check_pictures(self) -> None:
        """Ask the cameras whose last check lies an interval back for their picture, a few at once."""
        if self._interval <= timedelta(0):
            return
        before_us = to_us(self._clock.now() - self._interval)
        due = await self._store.read(lambda tx: tx.health.due(before_us, CHECKS_A_ROUND))
        gate = asyncio.Semaphore(CHECKS_AT_ONCE)

        async def check_one(channel_id: str) -> None:
            channel = self._directory.channel(channel_id)
            async with gate:
                if channel is not None and channel_id not in self._checking:
                    await self._store.run(_note_check, channel, None)
                    await self._check(channel)

        await asyncio.gather(*(check_one(channel_id) for channel_id in due))

    async def check_camera(self, camera_id: str, *, actor: Actor) -> CameraHealth:
        """Ask a camera for its picture now; it is shown to nobody.

        Errors: NOT_FOUND, FORBIDDEN, CONFLICT while a check of it runs.
        """
        if camera_id in self._checking:
            raise TocsinError(ErrorCode.CONFLICT, "this camera is being checked already", key="health.checking")
        channel = self._directory.channel(camera_id)
        await self._act("channel.checked", "channel", camera_id, actor, _ask_check, camera_id, actor)
        if channel is not None:
            await self._check(channel)
        return await self.health(camera_id, actor=actor)

    async def health(self, camera_id: str, *, actor: Actor) -> CameraHealth:
        """Return the health of a camera. Errors: NOT_FOUND."""
        found: CameraHealth = await self._store.read(_read_health, camera_id, actor)
        running = self._latest.get(camera_id)
        if running is None or found.state is None:
            return found
        return replace(found, state=replace(found.state, measures=running))

    async def faults(
        self,
        actor: Actor,
        *,
        key: str = "",
        maker: str | None = None,
        line: str | None = None,
        jurisdiction_id: str = "",
        is_open: bool = True,
        after: str = "",
        limit: int = 100,
    ) -> Page[dict[str, object]]:
        """Return faults of cameras in service, newest first, each with its camera, maker and line."""
        size = bounded(limit)
        narrowed = {"key": key, "maker": maker, "line": line, "is_open": is_open, "before": after}
        found = await self._store.read(_find_faults, actor, jurisdiction_id, narrowed, size + 1)
        return page(found, size, lambda form: str(form["id"]))

    async def groups(self, actor: Actor, *, by: str, days: int = 7, jurisdiction_id: str = "") -> Sequence[GroupHealth]:
        """Return the cameras in service by `maker`, `line` or `jurisdiction` with their on-line rate.

        Errors: INVALID when `by` or `days` (1 to 366) is none of those.
        """
        if by not in GROUPS:
            raise refuse("by", "registry.field_choice", f"by is one of {', '.join(GROUPS)}", choices=", ".join(GROUPS))
        if not 1 <= days <= 366:
            raise refuse("days", "health.days", "days lies between 1 and 366")
        found: Sequence[GroupHealth] = await self._store.read(_read_groups, actor, by, days, jurisdiction_id)
        return found

    # --- pictures ---

    async def note_no_picture(self, channel_id: str, reason: str) -> None:
        """Hear from others that a camera was asked for its picture, twice, and sent none; `reason` is a message key."""
        if NO_PICTURE not in self._open.get(channel_id, set()):
            await self._settle({channel_id: ({NO_PICTURE: {"reason": reason}}, [])}, [])

    async def note_picture(self, channel_id: str) -> None:
        """Hear from others that a camera sent a picture after all."""
        if NO_PICTURE in self._open.get(channel_id, set()):
            await self._settle({channel_id: ({}, [NO_PICTURE])}, [])

    async def _check(self, channel: Channel) -> None:
        self._checking.add(channel.id)
        try:
            state = await self._pictures.probe(channel)
        finally:
            self._checking.discard(channel.id)
        now = self._clock.now()
        seen: dict[str, dict[str, object]] = {}
        measures: Measures | None = None
        if state.state == "live":
            measures = _measures(state, now, "check")
            seen = picture_faults(measures, self._bounds)
        elif state.state == "failed":
            seen = {NO_PICTURE: {"reason": state.reason}}
        else:
            return  # neither a picture nor a reason: the check was cut short and says nothing
        is_open = self._open.get(channel.id, set())
        await self._settle(
            {channel.id: ({key: seen[key] for key in seen.keys() - is_open}, sorted(is_open - seen.keys()))},
            [] if measures is None else [(channel.id, measures)],
        )

    async def _judge_pictures(self) -> None:
        now, now_s = self._clock.now(), self._clock.monotonic()
        running = self._pictures.running()
        changes: dict[str, tuple[Mapping[str, Mapping[str, object]], Sequence[str]]] = {}
        keep: list[tuple[str, Measures]] = []
        for channel_id, state in running.items():
            is_open = self._open.get(channel_id, set())
            seen: dict[str, dict[str, object]] = {}
            if state.state == "live":
                measures = self._latest[channel_id] = _measures(state, now, "live")
                seen = picture_faults(measures, self._bounds)
                if now_s - self._kept_at.setdefault(channel_id, now_s) >= KEEP_EVERY_S:
                    self._kept_at[channel_id] = now_s
                    keep.append((channel_id, measures))
            elif state.state == "failed" and channel_id not in self._checking:
                seen = {NO_PICTURE: {"reason": state.reason}}
            elif state.state != "stale":
                continue
            opening, closing = self._steady.settle(channel_id, seen, is_open, now_s)
            if opening or closing:
                changes[channel_id] = (opening, closing)
        for channel_id in self._latest.keys() - running.keys():
            keep.append((channel_id, self._latest.pop(channel_id)))
            self._kept_at.pop(channel_id, None)
            self._steady.forget(channel_id)
        if changes or keep:
            await self._settle(changes, keep)

    async def _settle(
        self,
        changes: Mapping[str, tuple[Mapping[str, Mapping[str, object]], Sequence[str]]],
        keep: Sequence[tuple[str, Measures]],
    ) -> None:
        open_now = await self._store.run(_write_pictures, changes, keep)
        for channel_id, keys in open_now.items():
            if keys:
                self._open[channel_id] = keys
            else:
                self._open.pop(channel_id, None)


def _measures(state: LiveState, now: datetime, source: str) -> Measures:
    return Measures(
        now,
        source,
        state.last_frame_at,
        state.bitrate_bps or None,
        state.loss_share,
        state.key_interval_ms or None,
        state.codec,
        state.width,
        state.height,
    )


# --- in a transaction -------------------------------------------------------------------------------------------------


def _derive_states(tx: Any, device_ids: Collection[str], bounds: Bounds) -> None:
    """Write the states of the channels of these devices and open and close what follows from them."""
    channels: list[ChannelRecord] = tx.devices.channels_of(device_ids)
    siblings: dict[str, dict[str, ChannelRecord]] = {}
    for channel in channels:
        siblings.setdefault(channel.device_id, {})[channel.gb_id] = channel
    ids = [channel.id for channel in channels]
    known: dict[str, HealthState] = tx.health.states(ids)
    open_faults: dict[str, dict[str, ChannelFault]] = tx.health.open_faults(ids)
    clocks = _clock_faults(tx, device_ids, bounds)
    difference = _Difference()
    new: list[HealthState] = []
    changed: list[HealthState] = []
    parents: dict[bool, list[str]] = {True: [], False: []}
    for channel in channels:
        derived = derive(channel, siblings[channel.device_id])
        wanted: dict[str, Mapping[str, Any]] = {}
        if channel.stage == IN_SERVICE:
            if not derived.is_online:
                wanted[derived.fault_key] = derived.params
            if channel.device_id in clocks:
                wanted[CLOCK] = clocks[channel.device_id]
        _compare(channel.id, wanted, open_faults.get(channel.id, {}), tx.now, difference)
        before = known.get(channel.id)
        state = HealthState(channel.id, derived.is_online, derived.because, tx.now, tx.now)
        if before is None:
            if channel.stage != RETIRED:
                new.append(state)
        elif (before.is_online, before.because) != (state.is_online, state.because):
            changed.append(state)
        is_parent_off = derived.because == "parent"
        if derived.because != "device" and is_parent_off != channel.is_parent_off:
            parents[is_parent_off].append(channel.id)
            tx.record(
                events.ChannelReported(
                    subject_id=channel.id,
                    at=tx.now,
                    jurisdiction_code=channel.jurisdiction_code,
                    data=replace(channel, is_parent_off=is_parent_off).form(),
                )
            )
    tx.health.save_states(new, changed)
    for is_off, channel_ids in parents.items():
        tx.health.note_parents(channel_ids, is_off=is_off)
    tx.health.close_faults(difference.closed, to_us(tx.now))
    tx.health.add_faults(difference.opened)


def _compare(
    channel_id: str,
    wanted: Mapping[str, Mapping[str, Any]],
    is_open: Mapping[str, ChannelFault],
    now: datetime,
    difference: _Difference,
) -> None:
    """Add what has to open and close for a channel to be as `wanted`; faults of picture and card are left alone."""
    for key, fault in is_open.items():
        if not key.startswith((PICTURE, STORAGE, IMAGE)) and key not in wanted:
            difference.closed.append(fault.id)
    for key, params in wanted.items():
        if key not in is_open:
            difference.opened.append(ChannelFault(new_id(), channel_id, key, now, dict(params)))


def _clock_faults(tx: Any, device_ids: Collection[str], bounds: Bounds) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for device_id, device in tx.devices.load(device_ids).items():
        offset_s = clock_offset_s(device.profile)
        if offset_s is not None and abs(offset_s) > bounds.clock_offset_s:
            found[device_id] = {"offset_s": round(offset_s)}
    return found


def clock_offset_s(profile: Mapping[str, str]) -> float | None:
    """Return how far a device's clock is ahead as it last said, in seconds; None when it never said."""
    try:
        return float(profile["clock_offset_s"])
    except (KeyError, ValueError):
        return None


def _open_pictures(tx: Any) -> dict[str, set[str]]:
    channel_ids = tx.health.channels_with_open(PICTURE)
    return {
        channel_id: {key for key in faults if key.startswith(PICTURE)}
        for channel_id, faults in tx.health.open_faults(channel_ids).items()
    }


def _write_pictures(
    tx: Any,
    changes: Mapping[str, tuple[Mapping[str, Mapping[str, object]], Sequence[str]]],
    keep: Sequence[tuple[str, Measures]],
) -> dict[str, set[str]]:
    """Open and close picture faults of channels and keep measures; return which are open then."""
    channels: dict[str, ChannelRecord] = tx.devices.load_channels(changes.keys())
    is_open: dict[str, dict[str, ChannelFault]] = tx.health.open_faults(changes.keys())
    opened: list[ChannelFault] = []
    closed: list[str] = []
    after: dict[str, set[str]] = {}
    for channel_id, (opening, closing) in changes.items():
        known = is_open.get(channel_id, {})
        keys = {key for key in known if key.startswith(PICTURE)}
        if channel_id in channels:
            fresh = {key: params for key, params in opening.items() if key not in known}
            opened += [ChannelFault(new_id(), channel_id, key, tx.now, dict(fresh[key])) for key in fresh]
            closed += [known[key].id for key in closing if key in known]
            keys = (keys | fresh.keys()) - set(closing)
        after[channel_id] = keys
    tx.health.close_faults(closed, to_us(tx.now))
    tx.health.add_faults(opened)
    tx.health.note_measures(keep)
    return after


def _ask_check(tx: Any, camera_id: str, actor: Actor) -> None:
    channel: ChannelRecord = tx.devices.channel(camera_id, visible_to=scope(actor, READ))
    guard(actor, Permission.MANAGE_REGISTRY, "channel", channel.id, channel.jurisdiction_code)
    if channel.stage == RETIRED:
        raise TocsinError(ErrorCode.CONFLICT, "the camera is retired", key="registry.retired")
    _note_check(tx, channel, actor)


def _note_check(tx: Any, channel: Channel | ChannelRecord, actor: Actor | None) -> None:
    tx.health.note_checked([channel.id], to_us(tx.now))
    fact = events.ChannelChecked(subject_id=channel.id, at=tx.now, jurisdiction_code=channel.jurisdiction_code)
    tx.record(fact if actor is None else replace(fact, actor=actor.ref))


def _read_health(tx: Any, camera_id: str, actor: Actor) -> CameraHealth:
    channel: ChannelRecord = tx.devices.channel(camera_id, visible_to=scope(actor, READ))
    state = tx.health.states([camera_id]).get(camera_id)
    faults = tx.health.open_faults([camera_id]).get(camera_id, {})
    history = tx.health.find_faults(visible_to=scope(actor, READ), channel_id=camera_id, is_open=False, limit=50)
    shares: dict[int, float | None] = {}
    for days in PERIODS_DAYS:
        since = tx.now - timedelta(days=days)
        outages = tx.health.outages(camera_id, to_us(since))
        shares[days] = None if state is None else online_share(outages, state.watched_from, since, tx.now)
    device = tx.devices.load([channel.device_id]).get(channel.device_id)
    return CameraHealth(
        state,
        tuple(sorted(faults.values(), key=lambda fault: fault.opened_at)),
        tuple(fault for fault, _ in history if fault.closed_at is not None),
        shares,
        None if device is None else clock_offset_s(device.profile),
    )


def _find_faults(
    tx: Any, actor: Actor, jurisdiction_id: str, narrowed: Mapping[str, Any], limit: int
) -> list[dict[str, object]]:
    code = subtree_code(tx, actor, jurisdiction_id)
    found = tx.health.find_faults(visible_to=require(actor, READ), code=code, limit=limit, **narrowed)
    return [
        {
            **fault.form(),
            "name": row.name,
            "name_en": row.name_en,
            "jurisdiction_id": row.jurisdiction_id,
            "device_id": row.device_id,
            "maker": row.maker,
            "model": row.model,
            "line": row.line,
        }
        for fault, row in found
    ]


def _read_groups(tx: Any, actor: Actor, by: str, days: int, jurisdiction_id: str) -> Sequence[GroupHealth]:
    code = subtree_code(tx, actor, jurisdiction_id)
    since = tx.now - timedelta(days=days)
    found: Sequence[GroupHealth] = tx.health.groups(
        by, to_us(since), to_us(tx.now), visible_to=require(actor, READ), code=code
    )
    return found
