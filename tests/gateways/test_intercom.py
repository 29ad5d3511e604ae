"""Door intercoms against the gateway, a store and real sound: who is let in, what rings, who answers, what opens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.support.clocks import FixedClock
from tests.support.gb28181 import eventually
from tests.support.house import PEOPLE, WEST_GATE
from tests.support.intercoms import DOOR, DoorHouse, Doors, build, door, door_house
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Purpose
from tocsin.domain.directory import Heard
from tocsin.domain.views import View, grant
from tocsin.gateways.runner import CHECK_S, FIRST_PAUSE_S, Gateways
from tocsin.protocols.sip.message import Response, parse_datagram
from tocsin.storage import schema, tables_alarms
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import AnyStore, make_store


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
async def store(tmp_path: Path, clock: FixedClock) -> AsyncIterator[AnyStore]:
    url = f"sqlite:///{tmp_path / 'doors.sqlite3'}"
    schema.prepare(url)
    made = make_store(url, clock, HeadsFile(tmp_path / "heads"), group_cap=100)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> AsyncIterator[DoorHouse]:
    async with door_house(store, clock) as made:
        yield made


async def codes(house: DoorHouse) -> list[str]:
    """Return the codes of the events of every signal, oldest first."""
    table = tables_alarms.signals
    texts = await house.store.read(
        lambda tx: list(tx.connection.execute(select(table.c.events).order_by(table.c.id)).scalars())
    )
    return [
        code
        for text in texts
        for code in ("door_call_missed", "door_call", "sos_call", "call_raised", "panic")
        if f'"{code}"' in text
    ]


# --- registration and presence


async def test_an_intercom_registers_with_its_password_and_signs_off(house: DoorHouse) -> None:
    async with house.intercom() as fleet:
        assert await fleet.register_all() == 1
    assert house.gateway.registered == 1
    [(device_id, expires_s, _, transport)] = house.reports.registrations
    assert (device_id, expires_s, transport) == (DOOR, 3600, "udp")


async def test_a_wrong_password_is_refused_and_its_page_says_so(house: DoorHouse) -> None:
    async with house.intercom(password="guess", tries=2) as fleet:
        assert await fleet.register_all() == 0
    assert house.gateway.registered == 0
    assert house.reports.attempts[-1].failure == "register.wrong_password"


async def test_who_says_nothing_is_asked_and_is_lost_after_three_questions(house: DoorHouse, clock: FixedClock) -> None:
    async with house.intercom() as fleet:
        await fleet.register_all()
        clock.advance(60)
        list(house.gateway.ask_in_pieces())
        await eventually(lambda: house.gateway.counters["pongs"] == 1)
        assert fleet.report.questions_answered == 1
    for _ in range(4):
        assert not house.reports.departures
        clock.advance(60)
        list(house.gateway.ask_in_pieces())
    assert house.reports.departures == [(DOOR, "register.keepalive_lost")]
    assert house.gateway.registered == 0


async def test_a_simulated_intercom_in_the_dark_says_nothing_and_one_that_lost_its_power_registers_anew(
    house: DoorHouse, clock: FixedClock
) -> None:
    async with house.intercom() as fleet:
        await fleet.register_all()
        fleet.darken([0])
        assert (fleet.reachable, fleet.ring(0).rang.done()) == (0, False)
        clock.advance(60)
        list(house.gateway.ask_in_pieces())
        await eventually(lambda: fleet.report.unheard == 1)
        fleet.light([0])
        clock.advance(60)
        list(house.gateway.ask_in_pieces())
        await eventually(lambda: house.gateway.counters["pongs"] == 1)
        assert (fleet.report.questions_answered, fleet.report.unheard, fleet.reachable) == (1, 1, 1)
        assert len(house.reports.registrations) == 1
        [call] = fleet.calls.values()
        fleet.darken([0], has_power=False)
        assert (fleet.report.registered, await call.rang, fleet.calls) == (0, False, {})
        fleet.light([0])
        await eventually(lambda: fleet.reachable == 1)
        assert len(house.reports.registrations) == 2


async def test_a_registration_that_is_not_renewed_expires(house: DoorHouse, clock: FixedClock) -> None:
    async with house.intercom(expires_s=60) as fleet:
        await fleet.register_all()
    for _ in range(2):
        clock.advance(60)
        list(house.gateway.ask_in_pieces())
    assert house.reports.departures == [(DOOR, "register.expired")]


async def test_after_a_restart_those_who_were_there_are_asked(store: AnyStore, clock: FixedClock) -> None:
    async with door_house(store, clock) as first, first.intercom() as fleet:
        await fleet.register_all()
        until_us = round((clock.now().timestamp() + 600) * 1e6)
        peer = f"127.0.0.1:{fleet.port}"
        await store.run(lambda tx: tx.devices.note_registrations({DOOR: until_us}))
        await store.run(lambda tx: tx.devices.note_heard([_heard(clock, peer)]))
        await first.gateway.stop()
        second = DoorHouse(store, clock, first.doors)
        await second.sip.start()
        await second.gateway.start()
        assert second.gateway.registered == 1
        clock.advance(61)
        list(second.gateway.ask_in_pieces())
        assert second.gateway.counters["pings"] == 1
        await second.gateway.stop()
        await second.sip.stop()


async def test_a_crash_of_the_gateway_is_mended_alone_while_a_call_rings(store: AnyStore, clock: FixedClock) -> None:
    await store.run(build)
    house = DoorHouse(store, clock, Doors(door()))
    gateways = Gateways(clock)
    heard: list[tuple[tuple[str, ...], bool]] = []
    gateways.on_listening = lambda protocols, *, is_listening: heard.append((protocols, is_listening))
    gateways.add("SIP", house.sip)
    gateways.add("door intercoms", house.gateway, serves=("sip",))
    await gateways.start()
    async with house.intercom(expires_s=60) as fleet:
        await fleet.register_all()
        ringing = fleet.ring(0)
        await ringing.rang
        house.gateway._tasks._tasks["intercoms asked"].cancel()
        await eventually(lambda: house.gateway._tasks._tasks["intercoms asked"].done())
        clock.advance(CHECK_S)
        await eventually(lambda: not gateways.standings[1].is_up)
        assert gateways.forms()[1]["reason"] == "the task intercoms asked has ended"
        assert await ringing.outcome == "refused"
        assert ((await house.until("ended")).end_reason, ringing.status) == ("stopped", 503)
        again = fleet.ring(0)
        assert (await again.outcome, again.status) == ("refused", 503)  # not ringing where nobody would hear it
        clock.advance(FIRST_PAUSE_S)
        await eventually(lambda: gateways.standings[1].is_up)
        assert house.gateway.registered == 1
        third = fleet.ring(0)
        assert await third.rang
    assert heard == [(("sip",), False), (("sip",), True)]
    assert [standing.restarts for standing in gateways.standings] == [0, 1]
    await gateways.stop()
    house.media.talks.close()


async def test_the_time_away_runs_against_no_registration(house: DoorHouse, clock: FixedClock) -> None:
    async with house.intercom(expires_s=60) as fleet:
        await fleet.register_all()
        await house.gateway.stop()
        with pytest.raises(RuntimeError):
            house.gateway.check()
        clock.advance(600)
        await house.gateway.start()
        house.gateway.check()
        list(house.gateway.ask_in_pieces())
        assert house.gateway.registered == 1
        await house.sip.stop()
        for _ in range(5):
            clock.advance(60)
            list(house.gateway.ask_in_pieces())
        await house.sip.start()
        list(house.gateway.ask_in_pieces())
        assert (house.gateway.registered, house.reports.departures) == (1, [])
        for _ in range(2):
            clock.advance(60)
            list(house.gateway.ask_in_pieces())
    assert house.reports.departures == [(DOOR, "register.expired")]


def _heard(clock: FixedClock, peer: str) -> Heard:
    return Heard(DOOR, clock.now(), peer, "udp")


# --- calls


async def test_a_call_is_committed_before_it_rings_and_says_who_may_answer(house: DoorHouse) -> None:
    async with house.intercom() as fleet:
        await fleet.register_all()
        call = fleet.ring(0)
        assert await call.rang
        kept = await house.only()
        assert (kept.state, kept.name_en, kept.called, kept.cameras) == (
            *("ringing", "West gate intercom", "1000"),
            (WEST_GATE,),
        )
        assert await codes(house) == ["door_call"]


async def test_without_a_commit_nothing_rings(house: DoorHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    async with house.intercom() as fleet:
        await fleet.register_all()
        broken: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        broken.set_exception(TocsinError(ErrorCode.UNAVAILABLE, "disk full"))
        house.calls._intake = replace_rang(house.kept, broken)  # type: ignore[assignment]
        call = fleet.ring(0)
        assert await call.outcome == "refused"
        assert (call.status, await house.list()) == (503, [])


def replace_rang(kept: object, future: object) -> object:
    class Broken:
        def rang(self, ring: object) -> object:
            return future

        def finished(self, end: object) -> object:
            return future

    return Broken()


async def test_strangers_and_wrong_passwords_ring_nobody(house: DoorHouse) -> None:
    async with house.intercom("nobody", tries=1) as fleet:
        fleet.ring(0)
        await eventually(lambda: house.sip.health().counts["INVITE"] >= 1)
    async with house.intercom(password="guess") as fleet:
        call = fleet.ring(0)
        assert await call.outcome == "refused"
    assert await house.list() == []


async def test_an_address_that_scans_is_left_without_an_answer(house: DoorHouse) -> None:
    async with house.intercom(*(f"x{number}" for number in range(60)), sound=False) as fleet:
        for number in range(60):
            fleet.ring(number)
        await eventually(lambda: house.gateway.counters["strangers_dropped"] >= 1)
    assert await house.list() == []


async def test_the_first_operator_has_the_call_and_the_others_hear_who(house: DoorHouse) -> None:
    async with house.intercom() as fleet:
        await fleet.register_all()
        ringing = fleet.ring(0)
        await ringing.rang
        kept = await house.only()
        answered = await house.service.answer(kept.id, actor=PEOPLE.li)
        assert str(answered["url"]).startswith("ws://")
        assert await ringing.outcome == "answered"
        with pytest.raises(TocsinError) as refused:
            await house.service.answer(kept.id, actor=PEOPLE.wang)
        assert (refused.value.key, refused.value.params["holder"]) == ("call.answered_elsewhere", "Li")
        with pytest.raises(TocsinError) as unseen:
            await house.service.answer(kept.id, actor=PEOPLE.south)
        assert unseen.value.code is ErrorCode.NOT_FOUND


async def test_both_hear_each_other_and_hanging_up_ends_everything(house: DoorHouse) -> None:
    async with house.intercom() as fleet:
        await fleet.register_all()
        ringing = fleet.ring(0)
        await ringing.rang
        kept = await house.only()
        await house.service.answer(kept.id, actor=PEOPLE.li)
        talk = house.media.talks.get(kept.id)
        assert talk is not None
        await eventually(lambda: ringing.heard >= 3 and talk.heard_s > 0)
        assert ringing.codec == "8"
        await house.service.hang_up(kept.id, actor=PEOPLE.li)
        await ringing.ended
        ended = await house.only()
        assert (ended.state, ended.end_reason, ended.answered_by, ended.was_missed) == ("ended", "hung_up", "li", False)
        await eventually(lambda: len(house.media.talks) == 0)
        assert await codes(house) == ["door_call"]


async def test_the_caller_hangs_up(house: DoorHouse) -> None:
    async with house.intercom() as fleet:
        await fleet.register_all()
        ringing = fleet.ring(0)
        await ringing.rang
        kept = await house.only()
        await house.service.answer(kept.id, actor=PEOPLE.li)
        await ringing.outcome
        ringing.hang_up()
        assert (await house.until("ended")).end_reason == "caller_hung_up"
        await eventually(lambda: len(house.media.talks) == 0)


async def test_a_caller_who_gives_up_leaves_a_missed_call(house: DoorHouse) -> None:
    async with house.intercom() as fleet:
        await fleet.register_all()
        ringing = fleet.ring(0)
        await ringing.rang
        ringing.hang_up()
        await ringing.ended
        kept = await house.until("ended")
        assert (kept.end_reason, kept.was_missed) == ("given_up", True)
        assert await codes(house) == ["door_call", "door_call_missed"]


async def test_nobody_answers(store: AnyStore, clock: FixedClock) -> None:
    async with door_house(store, clock, no_answer_s=0.05) as house, house.intercom() as fleet:
        await fleet.register_all()
        ringing = fleet.ring(0)
        assert await ringing.outcome == "refused"
        kept = await house.until("ended")
        assert (ringing.status, kept.end_reason, kept.was_missed) == (480, "missed", True)
        assert await codes(house) == ["door_call", "door_call_missed"]


async def test_a_lost_bye_is_found_by_silence(store: AnyStore, clock: FixedClock) -> None:
    async with door_house(store, clock, silent_call_s=0.05) as house, house.intercom() as fleet:
        await fleet.register_all()
        ringing = fleet.ring(0)
        await ringing.rang
        kept = await house.only()
        await house.service.answer(kept.id, actor=PEOPLE.li)
        ringing.vanish()

        def is_noticed() -> bool:
            house.media.talks.each_second()
            return bool(house.media.events)

        await eventually(is_noticed)
        what, talk_id, reason = house.media.events[-1]
        house.service.talk_event(talk_id, what, reason)
        assert (await house.until("ended")).end_reason == "rtp_timeout"


async def test_an_intercom_that_rings_anew_replaces_its_own_call(house: DoorHouse) -> None:
    async with house.intercom() as fleet:
        await fleet.register_all()
        first = fleet.ring(0)
        await first.rang
        second = fleet.ring(0)
        await second.rang
        await first.ended
        newest, oldest = await house.list()
        assert (newest.state, oldest.end_reason) == ("ringing", "replaced")


async def test_an_sos_is_an_alarm_before_anybody_answers(house: DoorHouse) -> None:
    async with house.intercom() as fleet:
        await fleet.register_all()
        ringing = fleet.ring(0, is_sos=True)
        assert await ringing.rang
        kept = await house.only()
        assert kept.is_sos
        incident = (await house.store.read(lambda tx: tx.incidents.load({kept.incident_id})))[kept.incident_id]
        assert (incident.kind, incident.priority, incident.place_id is not None) == ("panic", 1, True)


async def test_a_text_alarm_is_acknowledged_after_its_commit_and_an_unknown_one_is_put_aside(
    house: DoorHouse,
) -> None:
    async with house.intercom() as fleet:
        await fleet.register_all()
        assert await fleet.text(0, "SOS")
        assert await fleet.text(0, "weather is fine")
        assert await fleet.text(0, "access granted 4711")
    table = tables_alarms.signals
    kept = await house.store.read(
        lambda tx: list(tx.connection.execute(select(table.c.state, table.c.quarantine).order_by(table.c.id)))
    )
    assert [tuple(row) for row in kept] == [("processed", ""), ("quarantined", "unknown_code")]
    assert house.gateway.counters["passages_dropped"] == 1


# --- the door, the incident, the picture


async def answered(house: DoorHouse, fleet: object) -> tuple[object, str]:
    ringing = fleet.ring(0)  # type: ignore[attr-defined]
    await ringing.rang
    kept = await house.only()
    await house.service.answer(kept.id, actor=PEOPLE.li)
    await ringing.outcome
    return ringing, kept.id


@pytest.mark.parametrize("method", ["rfc4733", "info_relay", "info_dtmf"])
async def test_the_door_is_opened_with_a_reason_by_who_has_the_call(house: DoorHouse, method: str) -> None:
    await house.enter(door_code="0#", door_method=method)
    async with house.intercom() as fleet:
        await fleet.register_all()
        ringing, call_id = await answered(house, fleet)
        await house.service.open_door(call_id, "送水", actor=PEOPLE.li)
        await eventually(lambda: ringing.digits + ringing.tones.digits == "0#")  # type: ignore[attr-defined]
        assert (await house.only()).opened == 1
        for reason, actor, expected in (("  ", PEOPLE.li, "call.reason_missing"), ("x", PEOPLE.wang, "call.not_yours")):
            with pytest.raises(TocsinError) as refused:
                await house.service.open_door(call_id, reason, actor=actor)
            assert refused.value.key == expected


async def test_a_door_without_a_code_or_a_call_not_answered_stays_shut(house: DoorHouse) -> None:
    await house.enter()
    async with house.intercom() as fleet:
        await fleet.register_all()
        ringing = fleet.ring(0)
        await ringing.rang
        kept = await house.only()
        with pytest.raises(TocsinError) as early:
            await house.service.open_door(kept.id, "x", actor=PEOPLE.li)
        await house.service.answer(kept.id, actor=PEOPLE.li)
        with pytest.raises(TocsinError) as codeless:
            await house.service.open_door(kept.id, "x", actor=PEOPLE.li)
        assert (early.value.key, codeless.value.key) == ("call.not_answered", "call.no_code")
        assert ringing.digits + ringing.tones.digits == ""


async def test_a_call_becomes_an_incident_once_with_its_place_and_camera(house: DoorHouse) -> None:
    async with house.intercom() as fleet:
        await fleet.register_all()
        _, call_id = await answered(house, fleet)
        raised = await house.service.raise_incident(call_id, actor=PEOPLE.li)
        with pytest.raises(TocsinError) as twice:
            await house.service.raise_incident(call_id, actor=PEOPLE.li)
        assert twice.value.key == "call.raised"
        incident = (await house.store.read(lambda tx: tx.incidents.load({raised.incident_id})))[raised.incident_id]
        assert incident.place_id is not None


async def test_the_door_is_seen_while_the_call_lasts_and_by_who_has_it(house: DoorHouse) -> None:
    def wish(user: str, call_id: str) -> View:
        at = house.clock.now()
        return View(f"v-{user}", user, "s", Purpose.DOOR_CALL, (WEST_GATE,), "", at, at, call_id=call_id)

    async with house.intercom() as fleet:
        await fleet.register_all()
        ringing = fleet.ring(0)
        await ringing.rang
        call_id = (await house.only()).id
        for actor in (PEOPLE.li, PEOPLE.wang):
            await house.store.run(grant, wish(actor.id, call_id), actor, 15)
        with pytest.raises(TocsinError) as without:
            await house.store.run(grant, replace(wish("li", call_id), id="v", call_id=None), PEOPLE.li, 15)
        assert without.value.key == "call_missing"
        await house.service.answer(call_id, actor=PEOPLE.li)
        open_views = await house.store.read(lambda tx: [view.user_id for view in tx.views.of_call(call_id)])
        assert open_views == ["li"]
        with pytest.raises(TocsinError) as held:
            await house.store.run(grant, replace(wish("wang", call_id), id="v2"), PEOPLE.wang, 15)
        assert held.value.key == "claimed_by_other"
        ringing.hang_up()
        await house.until("ended")
        assert await house.store.read(lambda tx: tx.views.of_call(call_id)) == []
        with pytest.raises(TocsinError) as over:
            await house.store.run(grant, replace(wish("li", call_id), id="v3"), PEOPLE.li, 15)
        assert over.value.key in ("call_over", "channel_not_linked")


async def test_what_a_crash_left_open_is_ended_and_old_calls_are_deleted(house: DoorHouse, clock: FixedClock) -> None:
    async with house.intercom() as fleet:
        await fleet.register_all()
        ringing = fleet.ring(0)
        await ringing.rang
        await house.service.start()
        assert (await house.only()).end_reason == "restarted"
    clock.advance(31 * 86_400)
    forgetting = asyncio.create_task(house.service.keep_bounded())
    async with asyncio.timeout(5):
        while await house.list():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    forgetting.cancel()


async def test_a_session_timer_too_short_is_told_and_a_lost_session_ends(house: DoorHouse) -> None:
    async with house.intercom() as fleet:
        await fleet.register_all()
        _, call_id = await answered(house, fleet)
        call = house.calls._live[call_id]
        assert call.timer is not None
        assert b"Session-Expires: 1800;refresher=uac" in call.served.server._last
        found = parse_datagram(call.served.server._last)
        assert isinstance(found, Response)
        assert len(call.alarms) == 1  # nothing refreshes it in time: it ends


async def test_another_door_of_the_same_password_is_another_call(store: AnyStore, clock: FixedClock) -> None:
    doors = (door(), door("door2", "cam-1"))
    async with door_house(store, clock, *doors) as house, house.intercom("door1", "door2") as fleet:
        assert await fleet.register_all() == 2
        calls = [fleet.ring(number) for number in range(2)]
        for call in calls:
            assert await call.rang
        assert {call.device_id for call in await house.list()} == {DOOR, "cam-1"}
