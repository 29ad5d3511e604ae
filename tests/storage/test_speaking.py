"""Who may speak through a camera, one at a time, and a line that always ends with its record."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.storage.test_views_service import Directory, Pictures
from tests.support.clocks import FixedClock
from tests.support.gb28181 import eventually
from tests.support.house import PEOPLE, WEST_GATE, YARD, build_town
from tests.support.speakers import DeafLine
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor
from tocsin.domain.speaking import SpeakingService
from tocsin.domain.view_service import ViewService
from tocsin.storage.store import AnyStore

LI, WANG, CHIEF = PEOPLE.li, PEOPLE.wang, PEOPLE.chief


@dataclass
class Desk:
    store: AnyStore
    clock: FixedClock
    line: DeafLine
    speaking: SpeakingService
    views: ViewService

    async def look(self, actor: Actor, channel: str = WEST_GATE) -> str:
        opened = await self.views.open(
            actor=actor, session_id=f"s-{actor.id}", channels=[channel], purpose="patrol", minutes=10
        )
        return opened.view.id

    async def speak(self, actor: Actor, view_id: str = "", channel: str = WEST_GATE) -> dict[str, Any]:
        view = view_id or await self.look(actor, channel)
        return await self.speaking.begin(channel, actor=actor, session_id=f"s-{actor.id}", view_id=view)

    async def refused(self, work: Any) -> TocsinError:
        with pytest.raises(TocsinError) as caught:
            await work
        return caught.value

    async def audit(self) -> list[tuple[str, str, str, dict[str, Any]]]:
        found = await self.store.read(lambda tx: list(tx.audit.all()))
        return [
            (record.action, record.actor_id, record.outcome, msgspec.json.decode(record.detail))
            for record in found
            if record.action.startswith("speech.")
        ]

    async def ends(self) -> list[tuple[str, str]]:
        return [(who, detail["reason"]) for action, who, _, detail in await self.audit() if action == "speech.ended"]


@pytest.fixture
async def desk(store: AnyStore, clock: FixedClock) -> Desk:
    line = DeafLine()
    speaking = SpeakingService(store, clock, Directory(), line, line)
    store.on_committed(speaking.hear)
    await store.run(build_town)
    return Desk(store, clock, line, speaking, ViewService(store, Directory(), Pictures()))


async def test_a_line_is_two_records_and_says_who_speaks(desk: Desk) -> None:
    begun = await desk.speak(LI)
    assert begun["speaker"] == {"user_id": "li", "name": "Li"}
    assert begun["url"].startswith("ws://127.0.0.1:1/talk/")
    assert (await desk.speaking.read(WEST_GATE, actor=WANG))["speaker"] == {"user_id": "li", "name": "Li"}
    desk.clock.advance(7)
    await desk.speaking.end(WEST_GATE, actor=LI)
    await desk.speaking.end(WEST_GATE, actor=LI)
    started, ended = await desk.audit()
    assert started[:3] == ("speech.started", "li", "done")
    assert ended[:3] == ("speech.ended", "li", "done")
    assert {name: ended[3][name] for name in ("reason", "purpose", "lasted_ms")} == {
        "reason": "ended", "purpose": "patrol", "lasted_ms": 7000,
    }  # fmt: skip
    assert desk.line.lines[0].closed == ["ended"]
    assert (await desk.speaking.read(WEST_GATE, actor=LI))["speaker"] is None


async def test_the_record_is_there_before_the_device_is_called(desk: Desk) -> None:
    desk.line.gate = asyncio.Event()
    task = asyncio.create_task(desk.speak(LI))
    await eventually(lambda: bool(desk.line.asked))
    assert [record[:3] for record in await desk.audit()] == [("speech.started", "li", "done")]
    desk.line.gate.set()
    await task


async def test_without_a_view_of_ones_own_nobody_speaks_and_the_refusal_is_kept(desk: Desk) -> None:
    of_wang, of_yard = await desk.look(WANG), await desk.look(LI, YARD)
    ended = await desk.look(LI)
    await desk.views.close(ended, actor=LI)
    for view in ("none", of_wang, of_yard, ended):
        error = await desk.refused(desk.speak(LI, view))
        assert (error.code, error.params["rule"]) == (ErrorCode.FORBIDDEN, "no_view")
    assert [record[:3] for record in await desk.audit()] == [("speech.started", "li", "refused")] * 4
    assert desk.line.asked == []


async def test_only_those_with_the_permission_speak(desk: Desk) -> None:
    for actor in (PEOPLE.admin, PEOPLE.installer, PEOPLE.auditor):
        error = await desk.refused(desk.speak(actor, "any"))
        assert error.params["rule"] == "no_permission"


async def test_one_speaks_at_a_time_and_the_other_is_told_who(desk: Desk) -> None:
    await desk.speak(LI)
    error = await desk.refused(desk.speak(WANG))
    assert (error.code, error.key, error.params["holder"]) == (ErrorCode.CONFLICT, "speech.held", "Li")


async def test_two_who_ask_in_one_breath_get_one_line_and_two_ended_records(desk: Desk) -> None:
    views = [await desk.look(LI), await desk.look(WANG)]
    results = await asyncio.gather(desk.speak(LI, views[0]), desk.speak(WANG, views[1]), return_exceptions=True)
    assert sum(isinstance(result, TocsinError) for result in results) == 1
    assert len(desk.line.asked) == 1


async def test_what_the_camera_says_ends_the_record(desk: Desk) -> None:
    desk.line.refusal = "speech.no_invite"
    assert (await desk.refused(desk.speak(LI))).key == "speech.no_invite"
    assert await desk.ends() == [("tocsin", "speech.no_invite")]
    desk.line.refusal = ""
    await desk.speak(WANG)


async def test_a_supervisor_ends_anybodys_line_and_an_operator_only_his_own(desk: Desk) -> None:
    await desk.speak(LI)
    await desk.speaking.end(WEST_GATE, actor=WANG)
    assert await desk.ends() == []
    await desk.speaking.end(WEST_GATE, actor=CHIEF)
    assert await desk.ends() == [("chief", "ended_by_supervisor")]


@pytest.mark.parametrize("cause", ["view", "connection", "time", "no_microphone", "left", "camera", "stop"])
async def test_a_line_ends_with_whatever_carried_it(desk: Desk, cause: str) -> None:
    view = await desk.look(LI)
    begun = await desk.speak(LI, view)
    passing = asyncio.create_task(desk.speaking.pass_ends())
    reason = {"view": "view_ended", "connection": "connection_lost", "time": "time_over", "left": "microphone_left"}
    if cause != "no_microphone":
        desk.speaking.talk_event(str(begun["id"]), "joined", "")
    if cause == "view":
        await desk.views.close(view, actor=LI)
    elif cause == "connection":
        await desk.speaking.connection_ended("s-li")
    elif cause == "time":
        desk.clock.advance(181)
        await desk.speaking.check()
    elif cause == "no_microphone":
        desk.clock.advance(16)
        await desk.speaking.check()
    elif cause == "left":
        desk.speaking.talk_event(str(begun["id"]), "left", "left")
    elif cause == "camera":
        desk.line.lines[0].hang_up()
    else:
        await desk.speaking.stop()
    await eventually(lambda: bool(desk.line.closed))
    passing.cancel()
    await asyncio.gather(passing, return_exceptions=True)
    for _ in range(100):
        if await desk.ends():
            break
        await asyncio.sleep(0)
    told = {"camera": "ended_by_camera", "stop": "stopped"} | reason
    assert await desk.ends() == [("tocsin", told.get(cause, cause))]
    assert len(desk.line.lines[0].closed) == 1


async def test_giving_up_while_the_camera_is_called_ends_the_line(desk: Desk) -> None:
    desk.line.gate = asyncio.Event()
    task = asyncio.create_task(desk.speak(LI))
    await eventually(lambda: bool(desk.line.asked))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await desk.ends() == [("tocsin", "given_up")]
    assert desk.line.closed


async def test_a_restart_ends_in_the_books_what_was_left_open(desk: Desk) -> None:
    begun = await desk.speak(LI)
    line = DeafLine()
    again = SpeakingService(desk.store, desk.clock, Directory(), line, line)
    desk.clock.advance(timedelta(seconds=5).total_seconds())
    await again.start()
    ended = (await desk.audit())[-1]
    assert (ended[0], ended[3]["reason"], ended[3]["speech_id"]) == ("speech.ended", "restarted", begun["id"])
