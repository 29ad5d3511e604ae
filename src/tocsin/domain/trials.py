"""Trying a camera before it is entered: step by step, with one picture at the end for whoever tries it.

A trial is a look for the sake of maintenance: it has an owner (who began it), an end (minutes) and its audit record.
Nothing of it is kept but that record. A password that was refused is not sent again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Final, Protocol
from urllib.parse import urlsplit

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain import devices
from tocsin.domain.access import ROLE_PURPOSES, Actor, ActorRef, Permission, Purpose, Role, Rule
from tocsin.domain.directory import IpCamera
from tocsin.domain.events import Fact
from tocsin.domain.refusals import UseCases, forbidden, require
from tocsin.domain.spoken import IP_PROTOCOLS
from tocsin.domain.store import Store

LASTS_S: Final = 180.0
MAX_AT_ONCE: Final = 8
MAX_KEPT: Final = 64


class StageState(StrEnum):
    """How a stage of a trial is."""

    WAITING = "waiting"
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"


@dataclass(slots=True)
class Stage:
    """One stage: `key` and `params` give its words; `took_ms` once it is over."""

    name: str
    state: StageState = StageState.WAITING
    key: str = ""
    params: Mapping[str, str | int] = field(default_factory=dict)
    took_ms: int = 0


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """The certificate a camera shows and nobody has accepted yet."""

    fingerprint: str
    subject: str = ""
    until: str = ""


@dataclass(slots=True, eq=False)
class Trial:
    """A trial under way or over; `state` is running, ok, failed or ended."""

    id: str
    camera: IpCamera
    actor: Actor
    ends_at: datetime
    ends_s: float
    stages: list[Stage]
    state: str = "running"
    certificate: ShownCertificate | None = None
    maker: str = ""
    model: str = ""
    has_picture: bool = False
    pictures_shown: int = 0
    task: asyncio.Task[None] | None = None

    @property
    def stream_id(self) -> str:
        """The id under which media keeps its picture."""
        return f"trial-{self.id}"


class TrialLine(Protocol):
    """Carries a trial out; a gateway implements it."""

    def stages(self, protocol: str) -> Sequence[str]:
        """Return the names of the stages, in their order."""

    async def run(self, trial: Trial) -> bool:
        """Go through the stages and tell in them what came of each; True when a picture arrives."""

    async def ticket(self, trial: Trial, codecs: tuple[str, ...]) -> str:
        """Return an address, good once, under which the picture is shown. Errors: UNAVAILABLE."""

    async def end(self, trial: Trial) -> None:
        """Stop the picture; never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBegun(Fact):
    """Somebody tries a camera before entering it."""

    ACTION: ClassVar[str] = "camera.trial_begun"
    SUBJECT: ClassVar[str] = "trial"

    protocol: str
    host: str
    purpose: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPictureShown(Fact):
    """Who tries a camera is shown its picture."""

    ACTION: ClassVar[str] = "camera.trial_picture"
    SUBJECT: ClassVar[str] = "trial"

    host: str
    purpose: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEnded(Fact):
    """A trial is over; `reason` is the stage it failed at, or why its picture stopped coming."""

    ACTION: ClassVar[str] = "camera.trial_ended"
    SUBJECT: ClassVar[str] = "trial"

    host: str
    result: str
    reason: str = ""
    pictures_shown: int = 0


class TrialService(UseCases):
    """Use cases of trying. One trial a person at a time, a few at once in the house."""

    def __init__(self, store: Store, clock: Clock, line: TrialLine) -> None:
        super().__init__(store)
        self._clock = clock
        self._line = line
        self._trials: OrderedDict[str, Trial] = OrderedDict()

    async def begin(self, given: Mapping[str, Any], *, actor: Actor) -> Trial:
        """Begin a trial; an earlier one of the same person is ended. It goes on by itself: read its state.

        Errors: INVALID naming the field, as for a device; FORBIDDEN; UNAVAILABLE when too many run.
        """
        camera = _camera(given)
        await self._end_those_of(actor.ref)
        if sum(one.state == "running" for one in self._trials.values()) >= MAX_AT_ONCE:
            raise TocsinError(ErrorCode.UNAVAILABLE, "too many trials at once", key="trial.too_many")
        ends_at = self._clock.now() + timedelta(seconds=LASTS_S)
        trial_id = new_id()
        await self._act("camera.trial_begun", "trial", trial_id, actor, _begin, trial_id, camera, ends_at, actor)
        trial = Trial(
            trial_id,
            camera,
            actor,
            ends_at,
            self._clock.monotonic() + LASTS_S,
            [Stage(name) for name in self._line.stages(camera.protocol)],
        )
        self._trials[trial_id] = trial
        while len(self._trials) > MAX_KEPT:
            _, oldest = self._trials.popitem(last=False)
            await self._end(oldest)
        trial.task = asyncio.create_task(self._run(trial), name=f"trial {trial_id}")
        return trial

    def state(self, trial_id: str, *, actor: Actor) -> Trial:
        """Return one of the actor's own trials. Errors: NOT_FOUND."""
        trial = self._trials.get(trial_id)
        if trial is None or trial.actor.ref != actor.ref:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no trial {trial_id}")
        return trial

    async def picture(self, trial_id: str, codecs: tuple[str, ...], *, actor: Actor) -> str:
        """Return where the picture of a trial is shown, once. Errors: NOT_FOUND; FORBIDDEN; CONFLICT without one."""
        trial = self.state(trial_id, actor=actor)
        if trial.state != "ok" or not trial.has_picture:
            raise TocsinError(ErrorCode.CONFLICT, "there is no picture", key="trial.no_picture")
        await self._act("camera.trial_picture", "trial", trial_id, actor, _show, trial, actor)
        trial.pictures_shown += 1
        return await self._line.ticket(trial, codecs)

    async def end(self, trial_id: str, *, actor: Actor) -> None:
        """End one of the actor's own trials; ending twice is no error. Errors: NOT_FOUND."""
        await self._end(self.state(trial_id, actor=actor))

    async def check(self) -> None:
        """End trials whose time is up."""
        for trial in list(self._trials.values()):
            if trial.state != "ended" and self._clock.monotonic() >= trial.ends_s:
                await self._end(trial)

    def lost(self, stream_id: str, reason: str) -> None:
        """End the trial whose picture stopped coming: nobody asks the camera for it again."""
        for trial in self._trials.values():
            if trial.stream_id == stream_id and trial.state == "ok":
                trial.task = asyncio.create_task(self._end(trial, reason), name=f"trial {trial.id} lost")

    async def stop(self) -> None:
        """End all."""
        for trial in list(self._trials.values()):
            await self._end(trial)

    async def _run(self, trial: Trial) -> None:
        trial.has_picture = await self._line.run(trial)
        trial.state = "ok" if trial.has_picture else "failed"

    async def _end_those_of(self, actor: ActorRef) -> None:
        for trial in list(self._trials.values()):
            if trial.actor.ref == actor:
                await self._end(trial)

    async def _end(self, trial: Trial, reason: str = "") -> None:
        if trial.state == "ended":
            return
        result, trial.state = trial.state, "ended"
        if result == "running" and trial.task is not None:
            trial.task.cancel()
            await asyncio.gather(trial.task, return_exceptions=True)
            trial.state = "ended"
        await self._line.end(trial)
        await self._store.run(_ended, trial, result, reason)


def may_look(actor: Actor) -> bool:
    """Say whether somebody may be shown the picture of a trial: for maintenance, as any camera's."""
    roles = {Role(one) for one in actor.roles}
    return actor.may(Permission.VIEW_LIVE) and any(Purpose.MAINTENANCE in ROLE_PURPOSES[role] for role in roles)


def _camera(given: Mapping[str, Any]) -> IpCamera:
    """Check what was given as a device is checked. Errors: INVALID naming the field."""
    settings = {"transport": given.get("transport", "tcp"), "certificate": given.get("certificate", "")}
    made = devices.new_device(
        "trial",
        {
            "kind": "camera",
            "name": "trial",
            "protocol": given.get("protocol", ""),
            "address": {"url": given.get("url", ""), "username": given.get("username", "")},
            "settings": settings,
        },
        "",
        "",
    )
    if made.protocol not in IP_PROTOCOLS:
        raise TocsinError(ErrorCode.INVALID, "only cameras that are called can be tried", field="protocol")
    held = made.settings
    return IpCamera(
        "trial",
        made.protocol,
        str(held["url"]),
        username=str(held.get("username", "")),
        password=str(given.get("password", "")),
        transport=str(held.get("transport") or "tcp"),
        takes_events=False,
        certificate=str(held.get("certificate", "")),
    )


def _begin(tx: Any, trial_id: str, camera: IpCamera, ends_at: datetime, actor: Actor) -> None:
    require(actor, Permission.MANAGE_REGISTRY)
    tx.record(
        TrialBegun(
            subject_id=trial_id,
            at=tx.now,
            jurisdiction_code=next(iter(actor.jurisdiction_codes), ""),
            actor=actor.ref,
            protocol=camera.protocol,
            host=urlsplit(camera.url).netloc,
            purpose=Purpose.MAINTENANCE.value,
            until=ends_at,
        )
    )


def _show(tx: Any, trial: Trial, actor: Actor) -> None:
    if not may_look(actor):
        raise forbidden(Rule.NO_PERMISSION)
    tx.record(
        TrialPictureShown(
            subject_id=trial.id,
            at=tx.now,
            jurisdiction_code=next(iter(actor.jurisdiction_codes), ""),
            actor=actor.ref,
            host=urlsplit(trial.camera.url).netloc,
            purpose=Purpose.MAINTENANCE.value,
            until=trial.ends_at,
        )
    )


def _ended(tx: Any, trial: Trial, result: str, reason: str) -> None:
    failed = next((stage.name for stage in trial.stages if stage.state is StageState.FAILED), reason)
    tx.record(
        TrialEnded(
            subject_id=trial.id,
            at=tx.now,
            jurisdiction_code=next(iter(trial.actor.jurisdiction_codes), ""),
            actor=trial.actor.ref,
            host=urlsplit(trial.camera.url).netloc,
            result=result,
            reason=failed,
            pictures_shown=trial.pictures_shown,
        )
    )
