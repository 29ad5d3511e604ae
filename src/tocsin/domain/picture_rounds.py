"""Rounds of picture checks: which cameras are due, the look at each, and what the answers open and close.

Nobody sees these pictures: looking by machine has a purpose (upkeep), an owner (the house), an end (the answer) and one
audit record a round, written before it begins. Source: design note 0021.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.base.ids import new_id
from tocsin.base.times import to_us
from tocsin.domain.access import Purpose
from tocsin.domain.channel_health import CLOCK, IMAGE, ChannelFault
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.directory import Channel
from tocsin.domain.picture_events import PicturesExamined, PictureStillDeleted, PictureStillKept
from tocsin.domain.picture_health import (
    PictureState,
    SiteFault,
    SiteWatch,
    Step,
    Still,
    advance,
    held_back,
    relaxed,
)
from tocsin.domain.picture_rules import CLOCK_OFFSET_S, WEATHER, score
from tocsin.domain.store import Store
from tocsin.domain.video import LiveState

AT_ONCE: Final = 40
OPENS_AT_ONCE: Final = 3
DEVICE_PAUSE_S: Final = 600.0
STEERED_S: Final = 300.0
TURNING: Final = frozenset({"1", "4"})  # PTZType of a catalogue: dome, steered box camera
DOUBT_S: Final = 60.0  # a doubtful picture whose stream runs is looked at again
DOUBT_OPEN_S: Final = 600.0
UNLEARNED: Final = timedelta(minutes=10)
STILL_KEPT: Final = timedelta(hours=24)
SITE_OVER: Final = timedelta(minutes=30)
DELETED_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class PictureSchedule:
    """How often a camera is looked at while its stream runs and otherwise, and how many are opened a minute."""

    every_s: float = 300.0
    open_every_s: float = 4 * 3600.0
    opens_per_minute: float = 6.0


class Streams(Protocol):
    """What the rounds ask of the live streams."""

    def running(self) -> Mapping[str, LiveState]:
        """Return how each wanted main stream is doing, by channel id."""

    async def key_picture(self, channel: Channel, path: Path, *, may_open: bool) -> Mapping[str, Any]:
        """Write the last key picture to a file; return codec, motion, clock_ahead_ms. Errors: UNAVAILABLE."""


class PictureExaminer(Protocol):
    """What examines one picture; `problem` is the key of why it cannot at all."""

    @property
    def problem(self) -> str: ...

    async def examine(self, question: dict[str, Any]) -> Mapping[str, Any]:
        """Return measures, ratios, score, pictures, still of one picture. Errors: UNAVAILABLE."""


class Pictures(Protocol):
    """Where stills lie."""

    async def read(self, name: str) -> bytes:
        """Return a still. Errors: NOT_FOUND."""

    async def remove(self, names: list[str]) -> None:
        """Delete stills; one that is not there is no error."""

    async def keep_only(self, names: frozenset[str]) -> None:
        """Delete whatever else lies there."""


class Channels(Protocol):
    """The part of the directory that knows channels."""

    def channel(self, channel_id: str) -> Channel | None:
        """Return a channel, or None."""


class NoPictures(Protocol):
    """Who keeps faults of cameras that send nothing."""

    async def note_no_picture(self, channel_id: str, reason: str) -> None: ...

    async def note_picture(self, channel_id: str) -> None: ...


class Steering(Protocol):
    """Who knows whether a camera is steered."""

    def is_held(self, channel_id: str) -> bool: ...


@dataclass(slots=True)
class Look:
    """One camera looked at: what was known, what was asked, what came of it."""

    channel: Channel
    record: ChannelRecord
    state: PictureState
    relaxed: Mapping[str, float]
    opens: bool
    still_id: str = ""
    problem: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)
    clock_ahead_ms: int | None = None


class PictureRounds:
    """Looks at pictures by the clock. `check` is called every ten seconds."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        channels: Channels,
        streams: Streams,
        examiner: PictureExaminer,
        stills: Pictures,
        *,
        folder: Path,
        run_folder: Path,
        schedule: PictureSchedule | None = None,
        steering: Steering | None = None,
        no_pictures: NoPictures | None = None,
    ) -> None:
        """`folder` holds references and stills, `run_folder` a key picture on its way to the examiner."""
        self._store = store
        self._clock = clock
        self._channels = channels
        self._streams = streams
        self._examiner = examiner
        self._stills = stills
        self._folder = folder
        self._run_folder = run_folder
        self._schedule = schedule or PictureSchedule()
        self._steering = steering
        self._no_pictures = no_pictures
        self._sites = SiteWatch(max(300.0, 1.5 * self._schedule.every_s))
        self._opened_at_s: dict[str, float] = {}  # by device
        self._steered_at_s: dict[str, float] = {}
        self._failed_opens: dict[str, int] = {}
        self._busy: set[str] = set()
        self._allowance = 1.0
        self._counted_at_s: float | None = None

    async def start(self) -> None:
        """Delete files that belong to no row."""
        await self._stills.keep_only(await self._store.read(lambda tx: tx.pictures.still_ids()))

    @property
    def problem(self) -> str:
        """The key of why no pictures are examined; empty when they are."""
        return "picture.off" if self._schedule.every_s <= 0 else self._examiner.problem

    def is_busy(self, channel_id: str) -> bool:
        """Say whether a camera is looked at just now."""
        return channel_id in self._busy

    def is_steered(self, channel_id: str) -> bool:
        """Say whether somebody steers a camera or did within five minutes."""
        now_s = self._clock.monotonic()
        if self._steering is not None and self._steering.is_held(channel_id):
            self._steered_at_s[channel_id] = now_s
        return now_s - self._steered_at_s.get(channel_id, float("-inf")) < STEERED_S

    def hear(self, announcements: Iterable[Any]) -> None:
        """Hear of committed changes: who steers a camera."""
        for item in announcements:
            if item.type == "control.changed":
                self._steered_at_s[item.subject_id] = self._clock.monotonic()

    async def check(self) -> None:
        """Look at the cameras that are due, delete stills whose day is over. Errors: UNAVAILABLE of the store."""
        await self._tidy()
        if self.problem:
            return
        running, opened = await self._due()
        if not running and not opened:
            return
        await self._store.run(_begin, len(running), opened)
        looks = await self._store.read(self._prepare, running, opened)
        for start in range(0, len(looks), OPENS_AT_ONCE):
            part = looks[start : start + OPENS_AT_ONCE]
            await asyncio.gather(*(self._look(look) for look in part))
            await self.settle(part)

    async def look_now(self, channel_id: str) -> bool:
        """Look at one camera that somebody asked for; False when it is not known any more."""
        is_running = self._is_live(channel_id)
        looks = await self._store.read(
            self._prepare, [channel_id] if is_running else [], [] if is_running else [channel_id]
        )
        for look in looks:
            await self._look(look)
        await self.settle(looks)
        return bool(looks)

    def reference_of(self, channel_id: str) -> Path:
        """Return the file of a camera's references."""
        return self._folder / "references" / channel_id[-2:] / f"{channel_id}.bin"

    async def forget(self, channel_id: str) -> None:
        """Forget what was learned of a camera."""
        await asyncio.to_thread(self.reference_of(channel_id).unlink, missing_ok=True)

    # --- which ---

    def _is_live(self, channel_id: str) -> bool:
        state = self._streams.running().get(channel_id)
        return state is not None and state.state == "live"

    async def _due(self) -> tuple[list[str], list[str]]:
        now, now_s, plan = self._clock.now(), self._clock.monotonic(), self._schedule
        live = [channel_id for channel_id, state in self._streams.running().items() if state.state == "live"]
        before_us, doubt_us = _ago(now, plan.every_s), _ago(now, DOUBT_S)
        running: list[str] = await self._store.read(
            lambda tx: tx.pictures.due_running(live, before_us, doubt_us, AT_ONCE)
        )
        earlier_s = now_s if self._counted_at_s is None else self._counted_at_s
        self._counted_at_s = now_s
        most = max(1.0, plan.opens_per_minute)
        self._allowance = min(most, self._allowance + (now_s - earlier_s) * plan.opens_per_minute / 60)
        opened: list[str] = []
        if plan.opens_per_minute > 0 and plan.open_every_s > 0 and self._allowance >= 1:
            self._opened_at_s = {one: at for one, at in self._opened_at_s.items() if now_s - at < DEVICE_PAUSE_S}
            due: list[tuple[str, str]] = await self._store.read(
                lambda tx: tx.pictures.due_to_open(_ago(now, plan.open_every_s), _ago(now, DOUBT_OPEN_S), 200)
            )
            for channel_id, device_id in due:
                if self._allowance < 1:
                    break
                if channel_id in live or device_id in self._opened_at_s or self.is_steered(channel_id):
                    continue
                self._allowance -= 1
                self._opened_at_s[device_id] = now_s
                opened.append(channel_id)
        return [one for one in running if not self.is_steered(one) and one not in self._busy], opened

    def _prepare(self, tx: Any, running: Sequence[str], opened: Sequence[str]) -> list[Look]:
        ids = [*running, *opened]
        records: Mapping[str, ChannelRecord] = tx.devices.load_channels(ids)
        states: Mapping[str, PictureState] = tx.pictures.load(ids)
        denials = tx.pictures.denials_of(ids, tx.now)
        looks = []
        for channel_id in ids:
            channel, record = self._channels.channel(channel_id), records.get(channel_id)
            if channel is not None and record is not None:
                state = states.get(channel_id, PictureState(channel_id))
                eased = relaxed(denials.get(channel_id, ()))
                looks.append(Look(channel, record, state, eased, channel_id in opened))
        return looks

    # --- one look ---

    async def _look(self, look: Look) -> None:
        channel_id = look.channel.id
        if channel_id in self._busy:
            return
        self._busy.add(channel_id)
        path = self._run_folder / f"{new_id()}.key"
        try:
            key = await self._streams.key_picture(look.channel, path, may_open=look.opens)
            look.clock_ahead_ms = key.get("clock_ahead_ms")
            look.still_id = new_id()
            look.found = await self._examiner.examine(self._question(look, path, key))
            self._failed_opens.pop(channel_id, None)
        except TocsinError as error:
            look.problem = error.key or "open_timeout"
            if look.opens and not look.still_id:
                self._failed_opens[channel_id] = self._failed_opens.get(channel_id, 0) + 1
        finally:
            self._busy.discard(channel_id)
            await asyncio.to_thread(path.unlink, missing_ok=True)
        if self._no_pictures is not None:
            if look.found:
                await self._no_pictures.note_picture(channel_id)
            elif self._failed_opens.get(channel_id, 0) >= 2:
                await self._no_pictures.note_no_picture(channel_id, look.problem)

    def _question(self, look: Look, path: Path, key: Mapping[str, Any]) -> dict[str, Any]:
        now = self._clock.now()
        doubted = look.state.doubted_at
        is_calm = not look.state.is_doubtful and (doubted is None or now - doubted > UNLEARNED)
        eased = dict(look.relaxed)
        if "not_home" in eased:
            eased["moved"] = max(eased.get("moved", 1.0), eased["not_home"])
        return {
            "path": str(path),
            "codec": key["codec"],
            "reference": str(self.reference_of(look.channel.id)),
            "slot": now.astimezone().hour // 3,
            "may_learn": is_calm,
            "motion": key.get("motion"),
            "relaxed": eased,
            "still": str(self._folder / "stills" / f"{look.still_id}.jpg"),
            "marks": ["UPKEEP ONLY", look.channel.gb_id, f"{now:%Y-%m-%d %H:%M:%SZ}"],
        }

    # --- what follows ---

    async def settle(self, looks: Sequence[Look]) -> None:
        """Write what looks found: states, faults, stills; delete stills that are not kept."""
        kept: set[str] = set()
        try:
            kept = await self._store.run(_settle, looks, self._sites, self._clock.monotonic())
        finally:
            await self._stills.remove([look.still_id for look in looks if look.still_id and look.still_id not in kept])

    async def _tidy(self) -> None:
        await self._stills.remove(await self._store.run(_expire))


def _ago(now: Any, seconds: float) -> int:
    return to_us(now - timedelta(seconds=seconds))


# --- in a transaction -------------------------------------------------------------------------------------------------


def _begin(tx: Any, running: int, opened: Sequence[str]) -> None:
    tx.record(
        PicturesExamined(
            subject_id="pictures",
            at=tx.now,
            jurisdiction_code="",
            purpose=Purpose.MAINTENANCE.value,
            running=running,
            opened=tuple(opened),
        )
    )


def _ratios(look: Look) -> dict[str, float]:
    found = {str(key): float(value) for key, value in look.found["ratios"].items()}
    if str(look.record.catalog.get("ptz_type", "")) in TURNING:
        found["not_home"] = found.pop("moved", 0.0)
    if look.clock_ahead_ms is not None:
        eased = max(1.0, look.relaxed.get("clock", 1.0))
        found["clock"] = round(min(3.0, abs(look.clock_ahead_ms) / 1000 / CLOCK_OFFSET_S / eased), 3)
    return found


def site_of(record: ChannelRecord) -> str:
    """Return the site a camera belongs to: its place, else its division."""
    return record.place_id or record.jurisdiction_code


def _settle(tx: Any, looks: Sequence[Look], sites: SiteWatch, now_s: float) -> set[str]:
    """Write what looks found; return the stills that are kept."""
    ids = [look.channel.id for look in looks]
    states: Mapping[str, PictureState] = tx.pictures.load(ids)
    faults: Mapping[str, Mapping[str, ChannelFault]] = tx.health.open_faults(ids)
    now_us, day = to_us(tx.now), tx.now.date().isoformat()
    stepped: list[tuple[Look, PictureState, Step | None]] = []
    for look in looks:
        before = states.get(look.channel.id, PictureState(look.channel.id))
        source = "opened" if look.opens else "stream"
        if not look.found:
            stepped.append((look, replace(before, checked_at=tx.now, source=source, problem=look.problem), None))
            continue
        ratios = _ratios(look)
        found = advance(before.tracks, ratios, now_us)
        is_faulty = max(ratios.values(), default=0.0) >= 1
        after = replace(
            before,
            checked_at=tx.now,
            source=source,
            problem="",
            pictures=int(look.found.get("pictures", 0)) or before.pictures,
            tracks=found.tracks,
            measures=look.found["measures"],
            ratios=ratios,
            doubted_at=tx.now if is_faulty else before.doubted_at,
        ).with_score(day, score(ratios))
        sites.note(site_of(look.record), look.channel.id, found.opening, now_s)
        stepped.append((look, after, found))

    held = _hold_sites(tx, stepped, sites, now_s)
    tx.pictures.close_sites(to_us(tx.now - SITE_OVER), tx.now)
    opened, closed, kept = [], [], set()
    saved: list[PictureState] = []
    for look, state, step in stepped:
        after = state
        if step is not None:
            is_open = {key: item for key, item in faults.get(look.channel.id, {}).items() if key.startswith(IMAGE)}
            withheld = set(step.opening) & WEATHER if site_of(look.record) in held else set()
            if "clock" in step.opening and CLOCK in faults.get(look.channel.id, {}):
                withheld.add("clock")  # its device's clock is known to be wrong: that is one fault
            if withheld:
                after = replace(after, tracks=held_back(after.tracks, withheld))
            fresh = [
                ChannelFault(new_id(), look.channel.id, IMAGE + key, tx.now, _params(look, key, ratio))
                for key, ratio in step.opening.items()
                if key not in withheld and IMAGE + key not in is_open
            ]
            opened += fresh
            ended = [is_open[IMAGE + key].id for key in step.closing if IMAGE + key in is_open]
            closed += ended
            lasting = [item for item in is_open.values() if item.id not in ended]
            if _keep_still(tx, look, [*fresh, *lasting]):
                kept.add(look.still_id)
        saved.append(after)
    tx.pictures.save(saved)
    tx.health.close_faults(closed, now_us)
    tx.health.add_faults(opened)
    return kept


def _params(look: Look, key: str, ratio: float) -> dict[str, object]:
    if key == "clock" and look.clock_ahead_ms is not None:
        return {"offset_s": round(look.clock_ahead_ms / 1000)}
    return {"ratio": ratio}


def _hold_sites(
    tx: Any, stepped: Sequence[tuple[Look, PictureState, Step | None]], sites: SiteWatch, now_s: float
) -> Collection[str]:
    """Return the sites that are at fault as a whole, and write that they are."""
    held: set[str] = set()
    known: Mapping[str, SiteFault] | None = None
    for look, _, step in stepped:
        site = site_of(look.record)
        if step is None or site in held or not WEATHER.intersection(step.opening):
            continue
        cameras = tx.pictures.cameras_of_site(site)
        count = sites.common(site, cameras, now_s)
        if not count:
            continue
        held.add(site)
        known = tx.pictures.open_sites() if known is None else known
        if site in known:
            tx.pictures.note_site(known[site].id, count, tx.now)
        else:
            code = look.record.jurisdiction_code
            tx.pictures.add_site(SiteFault(new_id(), site, code, "picture.site", count, cameras, tx.now))
    return held


def _keep_still(tx: Any, look: Look, faults: Sequence[ChannelFault]) -> bool:
    """Keep the still of a look for the first open fault that has none; say whether it is kept."""
    still = look.found.get("still")
    if not still or not faults:
        return False
    has_one = {item.fault_id for item in tx.pictures.stills_of([look.channel.id], tx.now)}
    bare = [fault for fault in faults if fault.id not in has_one]
    if not bare:
        return False
    code = look.record.jurisdiction_code
    made = Still(
        look.still_id,
        look.channel.id,
        code,
        bare[0].id,
        bare[0].key,
        tx.now,
        tx.now + STILL_KEPT,
        int(still["size_bytes"]),
        str(still["sha256"]),
        int(still["width"]),
        int(still["height"]),
    )
    tx.pictures.add_still(made)
    tx.record(
        PictureStillKept(
            subject_id=made.id,
            at=tx.now,
            jurisdiction_code=code,
            channel_id=made.channel_id,
            fault_id=made.fault_id,
            sha256=made.sha256,
        )
    )
    return True


def _expire(tx: Any) -> list[str]:
    gone: list[Still] = tx.pictures.expired(tx.now, DELETED_AT_ONCE)
    tx.pictures.delete_stills([one.id for one in gone])
    tx.record_many(
        PictureStillDeleted(
            subject_id=one.id,
            at=tx.now,
            jurisdiction_code=one.jurisdiction_code,
            channel_id=one.channel_id,
            sha256=one.sha256,
        )
        for one in gone
    )
    return [one.id for one in gone]
