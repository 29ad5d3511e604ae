"""Who may move a camera, who goes before whom, and that control always ends with the camera standing still."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import update

from tests.storage.test_views_service import Directory, Pictures
from tests.support.clocks import FixedClock
from tests.support.house import PEOPLE, WEST_GATE, YARD, build_town, burglary, signal_of
from tests.support.movers import Mover
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor
from tocsin.domain.control import CameraPreset, Home, Move, PresetAct, PresetOp, Reboot, Switch
from tocsin.domain.control_service import ControlService
from tocsin.domain.incident_detail import IncidentFilter
from tocsin.domain.incident_service import IncidentService
from tocsin.domain.intake import Intake
from tocsin.domain.view_service import ViewService
from tocsin.storage import tables_registry
from tocsin.storage.store import AnyStore

LI, WANG, CHIEF = PEOPLE.li, PEOPLE.wang, PEOPLE.chief
RIGHT = Move(pan=0.5)


@dataclass
class Desk:
    store: AnyStore
    clock: FixedClock
    mover: Mover
    control: ControlService
    views: ViewService

    async def look(self, actor: Actor, channel: str = WEST_GATE, **given: Any) -> str:
        asked: dict[str, Any] = {"purpose": "patrol", "minutes": 10, **given}
        opened = await self.views.open(actor=actor, session_id=f"s-{actor.id}", channels=[channel], **asked)
        return opened.view.id

    async def take(self, actor: Actor, view_id: str = "", *, channel: str = WEST_GATE, over: bool = False) -> Any:
        view = view_id or await self.look(actor, channel)
        return await self.control.take(channel, actor=actor, session_id=f"s-{actor.id}", view_id=view, take_over=over)

    async def refused(self, work: Any) -> TocsinError:
        with pytest.raises(TocsinError) as caught:
            await work
        return caught.value

    async def audit(self, prefix: str = "") -> list[tuple[str, str, str, dict[str, Any]]]:
        import msgspec

        found = await self.store.read(lambda tx: list(tx.audit.all()))
        return [
            (record.action, record.actor_id, record.outcome, msgspec.json.decode(record.detail))
            for record in found
            if record.action.startswith(prefix)
        ]


@pytest.fixture
async def desk(store: AnyStore, clock: FixedClock) -> Desk:
    mover = Mover()
    control = ControlService(store, clock, Directory(), mover)
    store.on_committed(control.hear)
    await store.run(build_town)
    return Desk(store, clock, mover, control, ViewService(store, Directory(), Pictures()))


async def test_control_is_taken_used_and_given_back_as_two_records(desk: Desk) -> None:
    held = await desk.take(LI)
    assert held["held_by"] == {"user_id": "li", "name": "Li"}
    await desk.control.move(WEST_GATE, RIGHT, actor=LI)
    desk.clock.advance(1)
    await desk.control.move(WEST_GATE, RIGHT, actor=LI)
    desk.clock.advance(0.5)
    await desk.control.move(WEST_GATE, Move(), actor=LI)
    await desk.control.move(WEST_GATE, Move(zoom=1), actor=LI)
    await desk.control.perform(WEST_GATE, Switch(1, True), actor=LI)
    await desk.control.release(WEST_GATE, actor=LI)
    await desk.control.release(WEST_GATE, actor=LI)
    assert [act for _, act in desk.mover.told] == [RIGHT, RIGHT, "stop", Move(zoom=1), Switch(1, True), "stop"]
    taken, ended = await desk.audit("control.")
    assert taken[:3] == ("control.taken", "li", "done")
    assert ended[:3] == ("control.ended", "li", "done")
    assert {name: ended[3][name] for name in ("reason", "moves", "moved_ms", "other_acts", "purpose")} == {
        "reason": "released", "moves": 2, "moved_ms": 1500, "other_acts": 1, "purpose": "patrol",
    }  # fmt: skip
    assert desk.control.holder(WEST_GATE)["held_by"] is None


async def test_without_a_view_of_ones_own_there_is_no_control_and_the_refusal_is_kept(desk: Desk) -> None:
    of_wang, of_yard = await desk.look(WANG), await desk.look(LI, YARD)
    for view in ("none", of_wang, of_yard):
        error = await desk.refused(desk.take(LI, view))
        assert (error.code, error.params["rule"]) == (ErrorCode.FORBIDDEN, "no_view")
    ended = await desk.look(LI)
    await desk.views.close(ended, actor=LI)
    assert (await desk.refused(desk.take(LI, ended))).key == "no_view"
    refused = await desk.audit("control.")
    assert [(action, who, outcome, detail["rule"]) for action, who, outcome, detail in refused] == [
        ("control.taken", "li", "refused", "no_view")
    ] * 4
    assert (await desk.refused(desk.control.move(WEST_GATE, RIGHT, actor=LI))).key == "control.not_held"
    assert desk.mover.told == []


async def test_who_may_not_move_cameras_is_refused(desk: Desk) -> None:
    view = await desk.look(PEOPLE.installer, purpose="maintenance")
    assert (await desk.refused(desk.take(PEOPLE.installer, view))).key == "no_permission"


async def test_a_fixed_camera_is_not_moved(desk: Desk) -> None:
    def _fix(tx: Any) -> None:
        tx.connection.execute(
            update(tables_registry.channels)
            .where(tables_registry.channels.c.id == YARD)
            .values(catalog='{"ptz_type": 3}')
        )

    await desk.store.run(_fix)
    assert (await desk.refused(desk.take(LI, channel=YARD))).key == "control.fixed"
    assert (await desk.control.read(YARD, actor=LI))["can_move"] is False


async def test_a_supervisor_takes_over_an_operator_does_not(desk: Desk) -> None:
    await desk.take(LI)
    error = await desk.refused(desk.take(WANG, over=True))
    assert (error.key, error.params["holder"], error.params["may_take_over"]) == ("control.held", "Li", False)
    readers = {"holder": LI, "peer": WANG, "supervisor": CHIEF}
    may = {who: (await desk.control.read(WEST_GATE, actor=one))["may_take_over"] for who, one in readers.items()}
    assert may == {"holder": False, "peer": False, "supervisor": True}
    view = await desk.look(CHIEF)
    error = await desk.refused(desk.take(CHIEF, view))
    assert error.params["may_take_over"] is True
    await desk.control.move(WEST_GATE, RIGHT, actor=LI)
    held = await desk.take(CHIEF, view, over=True)
    assert held["held_by"] == {"user_id": "chief", "name": "Chief"}
    assert desk.mover.told[-1] == (WEST_GATE, "stop"), "what the former holder moved stands still"
    error = await desk.refused(desk.control.move(WEST_GATE, RIGHT, actor=LI))
    assert (error.key, error.params["holder"]) == ("control.not_held", "Chief")
    records = [(action, outcome) for action, _, outcome, _ in await desk.audit("control.")]
    assert records == [
        ("control.taken", "done"), ("control.taken", "refused"), ("control.taken", "refused"),
        ("control.ended", "done"), ("control.taken", "done"),
    ]  # fmt: skip
    changes = await desk.store.read(lambda tx: tx.outbox.after(0, 1000))
    told = [change for change in changes if change.type == "control.changed"][-1]
    assert b'"reason":"taken_over"' in told.data
    assert (told.jurisdiction_code, told.permission) == ("330110", "view_live")
    assert (await desk.refused(desk.take(LI))).params["may_take_over"] is False


async def test_the_claimant_of_the_incident_goes_before_others_of_the_same_rank(desk: Desk) -> None:
    await Intake(desk.store).accept(signal_of(burglary("004")))
    incidents = IncidentService(desk.store)
    (incident,) = await incidents.find(IncidentFilter(), actor=CHIEF)
    await incidents.claim(incident.id, actor=WANG, version=incident.version)
    await desk.take(LI)
    view = await desk.look(WANG, purpose="alarm_verification", incident_id=incident.id)
    assert (await desk.take(WANG, view, over=True))["held_by"]["user_id"] == "wang"


async def test_an_unused_lease_ends_and_use_renews_it(desk: Desk) -> None:
    await desk.take(LI)
    for _ in range(3):
        desk.clock.advance(14)
        await desk.control.move(WEST_GATE, Move(), actor=LI)
        await desk.control.check()
    desk.clock.advance(16)
    await desk.control.check()
    assert (await desk.refused(desk.control.move(WEST_GATE, RIGHT, actor=LI))).key == "control.not_held"
    assert (await desk.audit("control.ended"))[0][3]["reason"] == "unused"


async def test_a_lease_that_ran_out_keeps_nobody_waiting(desk: Desk) -> None:
    await desk.take(LI)
    desk.clock.advance(16)
    assert (await desk.take(WANG))["held_by"]["user_id"] == "wang"
    assert [detail["reason"] for *_, detail in await desk.audit("control.ended")] == ["unused"]


async def test_control_ends_with_its_view_and_the_camera_stops(desk: Desk) -> None:
    view = await desk.look(LI)
    await desk.take(LI, view)
    await desk.control.move(WEST_GATE, RIGHT, actor=LI)
    passing = asyncio.create_task(desk.control.pass_ends())
    await desk.views.close(view, actor=LI)
    async with asyncio.timeout(5):
        while desk.control.holder(WEST_GATE)["held_by"] is not None or not await desk.audit("control.ended"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    passing.cancel()
    assert desk.mover.told == [(WEST_GATE, RIGHT), (WEST_GATE, "stop")]
    assert (await desk.audit("control.ended"))[0][3]["reason"] == "view_ended"


async def test_control_ends_with_the_views_time_the_connection_and_the_house(desk: Desk) -> None:
    await desk.take(LI, await desk.look(LI, minutes=0.1))
    desk.clock.advance(7)
    assert (await desk.refused(desk.control.move(WEST_GATE, RIGHT, actor=LI))).key == "control.not_held"
    await desk.control.check()
    for end in (desk.control.connection_ended("s-li"), desk.control.stop()):
        await desk.take(LI)
        await desk.control.move(WEST_GATE, RIGHT, actor=LI)
        await end
        assert desk.mover.told[-1] == (WEST_GATE, "stop")
    reasons = [detail["reason"] for *_, detail in await desk.audit("control.ended")]
    assert reasons == ["view_ended", "connection_lost", "stopped"]


async def test_what_an_earlier_run_left_is_ended_in_the_books(desk: Desk) -> None:
    await desk.take(LI)
    later = ControlService(desk.store, desk.clock, Directory(), desk.mover)
    await later.start()
    await later.start()
    assert [detail["reason"] for *_, detail in await desk.audit("control.ended")] == ["restarted"]


async def test_taking_again_through_another_view_goes_on(desk: Desk) -> None:
    first = await desk.take(LI)
    desk.clock.advance(3)
    again = await desk.take(LI)
    assert again["since"] == first["since"]
    assert again["lease_expires_at"] > first["lease_expires_at"]
    assert len(await desk.audit("control.taken")) == 1


async def test_presets_are_kept_called_renamed_deleted_and_brought_back(desk: Desk) -> None:
    await desk.take(LI)
    control = desk.control
    gate = await control.save_preset(WEST_GATE, actor=LI, name="大门", name_en="Gate")
    await control.save_preset(WEST_GATE, actor=LI, name="", name_en="Yard")
    await control.call_preset(WEST_GATE, 2, actor=LI)
    renamed = await control.rename_preset(
        WEST_GATE, 1, actor=LI, name="正门", name_en="Main gate", version=gate.version
    )
    stale = control.rename_preset(WEST_GATE, 1, actor=LI, name="x", name_en="", version=gate.version)
    assert (await desk.refused(stale)).key == "stale"
    await control.delete_preset(WEST_GATE, 1, actor=LI, version=renamed.version)
    assert [p["number"] for p in (await control.read(WEST_GATE, actor=LI))["presets"]] == [2]  # type: ignore[attr-defined]
    assert (await desk.refused(control.call_preset(WEST_GATE, 1, actor=LI))).code is ErrorCode.NOT_FOUND
    back = await control.restore_preset(WEST_GATE, 1, actor=LI)
    assert (back.name, back.name_en) == ("正门", "Main gate")
    await control.delete_preset(WEST_GATE, 1, actor=LI, version=back.version)
    await control.check()
    assert PresetAct(PresetOp.DELETE, 1) not in [act for _, act in desk.mover.told], "it can still be undone"
    desk.clock.advance(7)
    await control.check()
    assert (await desk.refused(control.restore_preset(WEST_GATE, 1, actor=LI))).code is ErrorCode.NOT_FOUND
    assert [act for _, act in desk.mover.told] == [
        PresetAct(PresetOp.SET, 1), PresetAct(PresetOp.SET, 2), PresetAct(PresetOp.CALL, 2),
        PresetAct(PresetOp.DELETE, 1),
    ]  # fmt: skip
    done = [action for action, _, outcome, _ in await desk.audit("preset.") if outcome == "done"]
    assert done == [
        "preset.saved", "preset.saved", "preset.renamed", "preset.deleted", "preset.restored", "preset.deleted",
    ]  # fmt: skip


async def test_a_camera_that_cannot_be_reached_forgets_a_preset_later(desk: Desk) -> None:
    await desk.take(LI)
    preset = await desk.control.save_preset(WEST_GATE, actor=LI, name="大门")
    await desk.control.delete_preset(WEST_GATE, 1, actor=LI, version=preset.version)
    desk.clock.advance(7)
    desk.mover.fails = TocsinError(ErrorCode.UNAVAILABLE, "silent", key="control.no_answer")
    await desk.control.check()
    desk.mover.fails = None
    await desk.control.check()
    assert desk.mover.told[-1][1] == PresetAct(PresetOp.SET, 1), "not at once again"
    desk.clock.advance(61)
    await desk.control.check()
    assert desk.mover.told[-1][1] == PresetAct(PresetOp.DELETE, 1)


async def test_a_preset_the_camera_did_not_take_is_not_kept(desk: Desk) -> None:
    await desk.take(LI)
    desk.mover.fails = TocsinError(ErrorCode.UNAVAILABLE, "silent", key="control.no_answer")
    error = await desk.refused(desk.control.save_preset(WEST_GATE, actor=LI, name="大门"))
    assert error.key == "control.no_answer"
    assert (await desk.control.read(WEST_GATE, actor=LI))["presets"] == []
    error = await desk.refused(desk.control.save_preset(WEST_GATE, actor=LI, name=" "))
    assert (error.code, error.params["field"]) == (ErrorCode.INVALID, "name")


async def test_home_is_one_preset_and_recorded(desk: Desk) -> None:
    await desk.take(LI)
    for name in ("一", "二"):
        await desk.control.save_preset(WEST_GATE, actor=LI, name=name)
    await desk.control.set_home(WEST_GATE, actor=LI, number=1, after_s=30)
    presets = await desk.control.set_home(WEST_GATE, actor=LI, number=2, after_s=90)
    assert [(p.number, p.is_home, p.home_after_s) for p in presets] == [(1, False, 0), (2, True, 90)]
    assert desk.mover.told[-1] == (WEST_GATE, Home(True, 2, 90))
    deletion = desk.control.delete_preset(WEST_GATE, 2, actor=LI, version=presets[1].version)
    assert (await desk.refused(deletion)).key == "control.preset_is_home"
    presets = await desk.control.set_home(WEST_GATE, actor=LI, number=None)
    assert not any(p.is_home for p in presets)
    assert len(await desk.audit("control.home_set")) == 3


async def test_the_cameras_own_presets_join_the_list_without_taking_names_away(desk: Desk) -> None:
    await desk.take(LI)
    await desk.control.save_preset(WEST_GATE, actor=LI, name="大门")
    desk.mover.known = (CameraPreset(1, "preset1"), CameraPreset(7, "停车场"), CameraPreset(9))
    presets = await desk.control.read_presets(WEST_GATE, actor=LI)
    assert [(p.number, p.name) for p in presets] == [(1, "大门"), (7, "停车场"), (9, "9")]


async def test_only_a_supervisor_starts_a_camera_again(desk: Desk) -> None:
    await desk.take(LI)
    error = await desk.refused(desk.control.perform(WEST_GATE, Reboot(), actor=LI))
    assert (error.code, desk.mover.told) == (ErrorCode.FORBIDDEN, [])
    await desk.take(CHIEF, over=True)
    await desk.control.perform(WEST_GATE, Reboot(), actor=CHIEF)
    assert [(who, outcome) for _, who, outcome, _ in await desk.audit("control.rebooted")] == [
        ("li", "refused"), ("chief", "done"),
    ]  # fmt: skip
