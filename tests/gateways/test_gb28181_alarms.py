"""Alarms between the real gateway and simulated devices: the order of the answers, repetitions, reset, subscription."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.support.gb28181 import PASSWORD, House, channel_of, eventually
from tocsin.base.normal import Category, EventKind
from tocsin.domain.directory import SipDevice
from tocsin.domain.guarding import CommandOutcome
from tocsin.gateways.gb28181_subscriptions import SubscriptionState
from tocsin.protocols.gb28181.alarm_commands import alarm_notify
from tocsin.protocols.gb28181.manscdp import parse_document
from tocsin.protocols.gb28181.subscribe import Topic
from tocsin.protocols.gb28181.timeline import WORDS
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.message import Request, Response
from tocsin.sim.camera import CameraPlan, Quirk, SimCamera
from tocsin.sim.camera_alarms import SimAlarm

DEVICE = SipDevice("device-1", "34020000001320000001", PASSWORD)
OTHER = SipDevice("device-2", "34020000001320000002", PASSWORD)
INPUT = "34020000001340000003"
PLAN = CameraPlan(DEVICE.gb_id, PASSWORD)
TAMPER = SimAlarm("2", "2", INPUT, text="IR zone 3")
MOTION = SimAlarm("5", "2")


def with_quirks(*quirks: Quirk) -> CameraPlan:
    return replace(PLAN, quirks=frozenset(quirks))


def listen(camera: SimCamera) -> list[str]:
    """Return a list that fills with what reaches the camera: `200`, `Response Alarm`, `ResetAlarm`."""
    heard: list[str] = []
    take = camera.wire._take

    def note(message: object) -> None:
        if isinstance(message, Response) and message.method in ("MESSAGE", "NOTIFY"):
            heard.append(str(message.status))
        elif isinstance(message, Request) and message.method == "MESSAGE":
            document = parse_document(message.body)
            heard.append(document.root.get("AlarmCmd") or f"{document.root.name} {document.cmd_type}")
        take(message)

    camera.wire._take = note
    return heard


async def registered(house: House, plan: CameraPlan = PLAN, transport: Transport = Transport.UDP) -> SimCamera:
    camera = await house.camera(plan, transport)
    assert await camera.register()
    return camera


# --- the order ---


@pytest.mark.parametrize("transport", list(Transport))
async def test_commit_then_200_then_response_then_reset(transport):
    async with House(DEVICE) as house:
        house.intake.commits_at_once = False
        camera = await registered(house, transport=transport)
        heard = listen(camera)
        asked = asyncio.create_task(camera.alarms.raise_alarm(TAMPER))
        await eventually(lambda: len(house.intake.signals) == 1)
        await asyncio.sleep(0.12)  # it is sent again over UDP, and is still the same request
        assert (len(house.intake.signals), heard) == (1, []), "nothing leaves before the commit"
        house.intake.commit()
        assert await asked == 200
        await eventually(lambda: camera.report.resets == 1)
        order = [word for word in dict.fromkeys(heard) if word in ("200", "Response Alarm", "ResetAlarm")]
        assert order == ["200", "Response Alarm", "ResetAlarm"]
        assert house.intake.acknowledgements == ["s1"]


async def test_the_reset_waits_until_the_device_took_the_response():
    async with House(DEVICE) as house:
        camera = await registered(house)
        heard = listen(camera)
        reply = camera.reply
        camera.reply = lambda request, status, **more: None  # the device takes nothing
        await camera.alarms.raise_alarm(TAMPER)
        await eventually(lambda: heard.count("Response Alarm") > 1)
        assert "ResetAlarm" not in heard
        camera.reply = reply
        await eventually(lambda: camera.report.resets == 1)


async def test_what_is_not_committed_is_not_answered_confirmed_or_reset():
    async with House(DEVICE) as house:
        house.intake.commits_at_once = False
        camera = await registered(house)
        heard = listen(camera)
        asked = asyncio.create_task(camera.alarms.raise_alarm(TAMPER))
        await eventually(lambda: len(house.intake.signals) == 1)
        house.intake.fail(OSError("the disk is full"))
        await eventually(lambda: len(house.intake.signals) == 2)
        assert (asked.done(), heard) == (False, [])
        house.intake.commit()
        assert await asked == 200
        await eventually(lambda: camera.report.resets == 1)
        assert house.gb.health().alarms["not_committed"] == 1


async def test_over_tcp_where_nothing_is_sent_twice_a_failed_commit_is_said():
    async with House(DEVICE) as house:
        house.intake.commits_at_once = False
        camera = await registered(house, transport=Transport.TCP)
        heard = listen(camera)
        asked = asyncio.create_task(camera.alarms.raise_alarm(TAMPER))
        await eventually(lambda: len(house.intake.signals) == 1)
        house.intake.fail(OSError("the disk is full"))
        assert await asked == 503
        assert heard == ["503"]


async def test_a_repetition_is_answered_and_confirmed_again_and_not_reset_twice():
    async with House(DEVICE) as house:
        camera = await registered(house)
        body = camera.alarms._document(TAMPER)
        await camera.wire.transact(camera._message(body))
        await eventually(lambda: camera.report.resets == 1)
        house.intake.commits_at_once = False
        asked = asyncio.create_task(camera.wire.transact(camera._message(body)))
        await eventually(lambda: len(house.intake.signals) == 2)
        house.intake.commit(is_duplicate=True)
        assert (await asked).status == 200
        await eventually(lambda: camera.report.alarms_confirmed == 2)
        await asyncio.sleep(0.05)
        assert camera.report.resets == 1
        first, second = house.intake.signals
        assert (first.dedup_key, first.repeat_scope) == (second.dedup_key, second.repeat_scope)
        assert house.gb.health().alarms["repeated"] == 1


# --- the reset ---


async def test_a_device_that_waits_for_its_reset_reports_again():
    async with House(DEVICE) as house:
        camera = await registered(house, with_quirks(Quirk.NEEDS_RESET))
        assert await camera.alarms.raise_alarm(SimAlarm("2", "", INPUT)) == 200
        await eventually(lambda: camera.report.resets == 1)
        assert await camera.alarms.raise_alarm(SimAlarm("2", "2", INPUT)) == 200
        assert camera.report.alarms_withheld == 0


async def test_the_reset_names_the_device_alarm_whatever_else_was_named():
    async with House(DEVICE) as house:
        camera = await registered(house)
        resets = []
        take = camera.alarms.take
        camera.alarms.take = lambda document: (resets.append(document.root.child("Info")), take(document))[1]
        await camera.alarms.raise_alarm(SimAlarm("2/5", "6", INPUT))
        await camera.alarms.raise_alarm(TAMPER)
        await eventually(lambda: camera.report.resets == 2)
        found = [(info.get("AlarmMethod"), info.get("AlarmType")) for info in resets if info is not None]
        assert found == [("2", ""), ("2", "2")]


async def test_the_reset_can_be_left_to_people_and_is_for_device_alarms_alone():
    async with House(replace(DEVICE, alarm_reset="off"), OTHER) as house:
        camera = await registered(house)
        await camera.alarms.raise_alarm(TAMPER)
        other = await registered(house, replace(PLAN, gb_id=OTHER.gb_id))
        await other.alarms.raise_alarm(MOTION)
        await eventually(lambda: camera.report.alarms_confirmed == other.report.alarms_confirmed == 1)
        await asyncio.sleep(0.05)
        assert (camera.report.resets, other.report.resets) == (0, 0)


async def test_a_refused_reset_is_told_in_words_once_a_minute():
    async with House(DEVICE) as house:
        camera = await registered(house, with_quirks(Quirk.REFUSES_ALARM_COMMAND))
        for kind in ("1", "2"):
            await camera.alarms.raise_alarm(SimAlarm("2", kind, INPUT))
        await eventually(lambda: house.gb.health().alarms.get("reset_refused") == 2)
        attempts = [attempt for attempt in house.reports.attempts if attempt.kind == "control"]
        assert [attempt.failure for attempt in attempts] == ["alarm.reset_refused"]
        assert INPUT in WORDS.text("alarm.reset_refused", "zh", attempts[0].steps[0].params)


# --- meaning ---


async def test_an_alarm_of_an_input_becomes_a_normal_event_with_its_zone():
    async with House(DEVICE) as house:
        camera = await registered(house)
        await camera.alarms.raise_alarm(TAMPER)
        (signal,) = house.intake.signals
        (event,) = signal.events
        assert (signal.device_id, signal.account, signal.token, signal.quarantine) == (
            "device-1", DEVICE.gb_id, "Alarm", "",
        )  # fmt: skip
        assert (event.kind, event.category, event.priority) == (EventKind.ALARM, Category.TAMPER, 3)
        assert (event.zone, event.channel, event.text) == (INPUT, "", "IR zone 3")
        assert signal.flags == ()
        assert signal.sent_at is not None
        assert abs((signal.sent_at - signal.received_at).total_seconds()) < 5


async def test_an_alarm_of_a_picture_carries_the_picture():
    async with House(DEVICE) as house:
        camera = await registered(house)
        named, only = "34020000001310000007", "34020000001310000008"
        house.directory.channels = [channel_of(DEVICE, named), channel_of(DEVICE, only)]
        await camera.alarms.raise_alarm(replace(MOTION, source=named))
        await camera.alarms.raise_alarm(MOTION)
        house.directory.channels = [replace(channel_of(DEVICE, only), name="东门")]
        await camera.alarms.raise_alarm(MOTION)
        house.directory.channels = [replace(channel_of(DEVICE, only), is_gone=True)]
        await camera.alarms.raise_alarm(MOTION)
        events = [signal.events[0] for signal in house.intake.signals]
        assert [(event.channel, event.zone) for event in events] == [
            ("channel-0007", named),
            ("", ""),  # two pictures: nobody knows which
            ("channel-0008", only),  # a camera that names itself has only this one
            ("", ""),
        ]
        assert events[2].channel_name == "东门"


async def test_what_is_about_people_is_answered_counted_and_forgotten():
    async with House(DEVICE) as house:
        camera = await registered(house)
        for kind in ("8", "9", "10", "FaceDetect"):
            assert await camera.alarms.raise_alarm(SimAlarm("5", kind)) == 200
        await eventually(lambda: camera.report.alarms_confirmed == 4)
        assert house.intake.signals == []
        counts = house.gb.health().alarms
        assert {name: value for name, value in counts.items() if name.startswith("not_kept")} == {
            "not_kept_loitering": 1,
            "not_kept_flow": 1,
            "not_kept_density": 1,
            "not_kept_recognition": 1,
        }


async def test_what_recognises_somebody_leaves_the_evidence_before_it_is_stored():
    async with House(DEVICE) as house:
        camera = await registered(house)
        extra = (("PlateNo", "浙A12345"), ("ExtraInfo", "浙A12345 passed"))
        await camera.alarms.raise_alarm(replace(MOTION, text="motion", extra=extra))
        (signal,) = house.intake.signals
        assert "A12345" not in signal.raw.decode("gb18030")
        assert signal.flags == ("cleaned",)
        assert signal.events[0].text == "motion"


@pytest.mark.parametrize(
    "quirk",
    [
        Quirk.ALARM_LOWER_CASE_INFO,
        Quirk.ALARM_LOOSE_TIME,
        Quirk.ALARM_NO_METHOD,
        Quirk.MISSING_SN,
        Quirk.REFUSES_ALARM_COMMAND,
        Quirk.WRONG_CONTACT,
    ],
)
async def test_the_oddities_of_the_field_are_survived(quirk):
    async with House(DEVICE) as house:
        camera = await registered(house, with_quirks(quirk))
        assert await camera.alarms.raise_alarm(TAMPER) == 200
        await eventually(lambda: camera.report.alarms_confirmed == 1)
        (signal,) = house.intake.signals
        assert signal.events[0].code == ("7/2" if quirk is Quirk.ALARM_NO_METHOD else "2/2")
        assert signal.events[0].occurred_at is not None
        assert await camera.keep_alive()


async def test_a_clock_that_is_hours_off_is_flagged_and_its_time_kept():
    async with House(DEVICE) as house:
        camera = await registered(house)
        fields = [("AlarmMethod", 2), ("AlarmTime", "2019-05-05T05:05:05")]
        await camera.wire.transact(camera._message(alarm_notify(3, INPUT, fields)))
        (signal,) = house.intake.signals
        assert signal.flags == ("clock_skew",)
        assert signal.events[0].occurred_at.year == 2019


# --- attack ---


async def test_a_stranger_and_a_borrowed_name_are_refused_before_anything_is_read():
    async with House(DEVICE, OTHER) as house:
        stranger = await house.camera(replace(PLAN, gb_id=OTHER.gb_id))
        assert await stranger.alarms.raise_alarm(TAMPER) == 403
        camera = await registered(house)
        house.gb.table.get(DEVICE.gb_id).move(house.gb.table.get(DEVICE.gb_id).peer._replace(host="192.0.2.1"))
        assert await camera.alarms.raise_alarm(TAMPER) == 403
        assert house.intake.signals == []


async def test_an_endless_document_is_refused_and_an_unreadable_alarm_kept_aside():
    async with House(DEVICE) as house:
        camera = await registered(house, transport=Transport.TCP)
        assert await camera.alarms.raise_alarm(replace(TAMPER, text="x" * 70_000)) == 413
        broken = b"<Notify>\r\n<CmdType>Alarm</CmdType>\r\n<SN>1</SN>\r\n<DeviceID>3402\r\n</Notify>"
        assert (await camera.wire.transact(camera._message(broken))).status == 200
        endless = broken.replace(b"3402", b"x" * 70_000)
        assert (await camera.wire.transact(camera._message(endless))).status == 413
        (signal,) = house.intake.signals
        assert (signal.quarantine, signal.raw.rstrip(), signal.events) == ("unreadable", broken, ())
        bomb = b'<!DOCTYPE a [<!ENTITY b "bb">]><Notify><CmdType>Alarm</CmdType><SN>&b;</SN></Notify>'
        assert (await camera.wire.transact(camera._message(bomb))).status == 400


async def test_missing_fields_make_no_error():
    async with House(DEVICE) as house:
        camera = await registered(house)
        for fields in ([], [("AlarmMethod", "")], [("Info", [])], [("AlarmTime", "soon"), ("AlarmPriority", "high")]):
            body = alarm_notify(None, "", fields)
            assert (await camera.wire.transact(camera._message(body))).status == 200
        assert [signal.events[0].code for signal in house.intake.signals] == ["7"] * 4
        await eventually(lambda: camera.report.alarms_confirmed == 4)


async def test_a_storm_of_a_device_that_takes_no_confirmation_stays_bounded():
    async with House(DEVICE) as house:
        camera = await registered(house, transport=Transport.TCP)
        camera.reply = lambda request, status, **more: None
        alarms = [camera.alarms.raise_alarm(SimAlarm("5", "2", text=str(n))) for n in range(200)]
        assert set(await asyncio.gather(*alarms)) == {200}
        assert len(house.intake.signals) == 200
        assert house.gb.health().alarms["confirmations_dropped"] > 100
        assert len(house.gb._alarms._to_confirm) == 1


async def test_a_storm_does_not_push_out_the_reset_an_alarm_input_waits_for():
    async with House(DEVICE) as house:
        camera = await registered(house, transport=Transport.TCP)
        reply = camera.reply
        camera.reply = lambda request, status, **more: None
        await camera.alarms.raise_alarm(MOTION)  # its confirmation is under way, the others queue behind it
        await camera.alarms.raise_alarm(TAMPER)
        await asyncio.gather(*(camera.alarms.raise_alarm(SimAlarm("5", "3", text=str(n))) for n in range(150)))
        assert house.gb.health().alarms["confirmations_dropped"] > 50
        camera.reply = reply
        house.gb.commands._answer_within_s = 0.1
        await eventually(lambda: camera.report.resets == 1, 15)


async def test_a_device_that_never_takes_the_response_is_reset_all_the_same():
    async with House(DEVICE) as house:
        house.gb.commands._answer_within_s = 0.1
        camera = await registered(house)
        heard = listen(camera)
        reply = camera.reply
        camera.reply = lambda request, status, **more: (
            reply(request, status, **more) if b"ResetAlarm" in request.body else None
        )
        await camera.alarms.raise_alarm(TAMPER)
        await eventually(lambda: camera.report.resets == 1)
        assert heard.index("Response Alarm") < heard.index("ResetAlarm")


# --- subscription ---


def ask_now(house: House) -> None:
    """Let every subscription be due."""
    for kept in house.gb.subscriptions._kept.values():
        kept.due = 0.0
    house.gb.subscriptions.tick()


async def subscribed(house: House, camera: SimCamera) -> None:
    ask_now(house)
    await eventually(lambda: house.gb.subscriptions.active == 1)
    assert camera.alarms.is_subscribed


async def test_a_registered_device_is_subscribed_and_its_notifications_are_alarms():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await registered(house)
        await subscribed(house, camera)
        heard = listen(camera)
        assert await camera.alarms.raise_alarm(TAMPER) == 200
        await eventually(lambda: camera.report.resets == 1)
        assert [word for word in dict.fromkeys(heard) if word in ("200", "Response Alarm", "ResetAlarm")] == [
            "200", "Response Alarm", "ResetAlarm",
        ]  # fmt: skip
        assert len(house.intake.signals) == 1
        profile = house.reports.profile["device-1"]
        assert (profile["alarm_subscription"], profile["alarm_ways"]) == ("active", "notify")
        await eventually(lambda: profile.get("duty") == "ONDUTY=1")
        assert house.reports.keys("subscription") == ["subscribe.granted"]


async def test_one_alarm_by_both_ways_is_one_alarm():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await registered(house, with_quirks(Quirk.ALARM_BOTH_WAYS))
        await subscribed(house, camera)
        await camera.alarms.raise_alarm(TAMPER)
        await eventually(lambda: len(house.intake.signals) == 2)
        first, second = house.intake.signals
        assert first.dedup_key == second.dedup_key != ""
        await eventually(lambda: house.reports.profile["device-1"].get("alarm_ways") == "message,notify")


async def test_a_subscription_is_renewed_in_its_dialog_before_it_ends():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await registered(house)
        await subscribed(house, camera)
        kept = house.gb.subscriptions._kept[DEVICE.gb_id, Topic.ALARM]
        assert kept.due < kept.ends_at
        before = (kept.call_id, kept.local_tag, kept.remote_tag)
        ask_now(house)
        await eventually(lambda: camera.report.subscriptions == 2 and not kept.is_under_way)
        assert (kept.call_id, kept.local_tag, kept.remote_tag) == before
        assert kept.cseq == 2
        assert len([a for a in house.reports.attempts if a.kind == "subscription"]) == 1, "renewals are not told"


async def test_a_device_that_lost_the_subscription_gets_a_new_one():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await registered(house)
        await subscribed(house, camera)
        call_id = house.gb.subscriptions._kept[DEVICE.gb_id, Topic.ALARM].call_id
        camera.alarms.forget()
        ask_now(house)
        await eventually(lambda: camera.alarms.is_subscribed)
        await eventually(lambda: house.reports.keys("subscription") == ["subscribe.lost", "subscribe.granted"])
        assert house.gb.subscriptions._kept[DEVICE.gb_id, Topic.ALARM].call_id != call_id


async def test_after_a_restart_of_ours_and_after_a_new_registration_it_is_asked_again():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await registered(house)
        await subscribed(house, camera)
        house.gb.forget("device-1")
        house.gb.subscriptions.tick()
        assert house.gb.subscriptions.state_of(DEVICE.gb_id) is None
        camera.alarms.forget()
        assert await camera.register()
        await subscribed(house, camera)
    async with House(DEVICE, subscribe_alarms=True) as house:  # another process: it knows nothing of the first
        again = await registered(house)
        await subscribed(house, again)
        assert await again.alarms.raise_alarm(TAMPER) == 200


async def test_a_renewed_registration_that_looks_like_a_reboot_is_looked_at_soon():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await registered(house)
        await subscribed(house, camera)
        kept = house.gb.subscriptions._kept[DEVICE.gb_id, Topic.ALARM]
        far = kept.due
        assert await camera.register()
        assert kept.due < far
        assert kept.due - house.clock.monotonic() < 61


async def test_a_refusal_is_remembered_until_the_device_registers_anew():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await registered(house, with_quirks(Quirk.REFUSES_SUBSCRIBE))
        ask_now(house)
        await eventually(lambda: house.gb.subscriptions.state_of(DEVICE.gb_id) is SubscriptionState.REFUSED)
        assert house.reports.profile["device-1"]["alarm_subscription"] == "refused 489"
        assert house.reports.last("subscription").failure == "subscribe.refused"
        for _ in range(3):
            assert await camera.register()
            ask_now(house)
        assert camera.report.subscriptions == 1, "renewals of the registration change nothing"
        assert await camera.alarms.raise_alarm(TAMPER) == 200, "it may report unasked all the same"
        house.gb.forget("device-1")
        await camera.register()
        ask_now(house)
        await eventually(lambda: camera.report.subscriptions == 2)


async def test_a_device_that_says_nothing_is_asked_again_later_and_ever_more_rarely():
    async with House(DEVICE, subscribe_alarms=True) as house:
        await registered(house, with_quirks(Quirk.SILENT_TO_SUBSCRIBE))
        ask_now(house)
        kept = house.gb.subscriptions._kept[DEVICE.gb_id, Topic.ALARM]
        await eventually(lambda: kept.shown == "no answer", 15)
        assert house.reports.last("subscription").failure == "subscribe.no_answer"
        assert 50 < kept.due - house.clock.monotonic() <= 60
        assert kept.retry_s == 120


async def test_a_device_that_forgets_at_once_is_no_trouble():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await registered(house, with_quirks(Quirk.FORGETS_SUBSCRIPTION, Quirk.EMPTY_FIRST_NOTIFY))
        await subscribed(house, camera)
        ask_now(house)
        await eventually(lambda: camera.report.subscriptions == 3)
        await eventually(lambda: house.gb.subscriptions.active == 1)
        assert house.intake.signals == []


async def test_a_notification_outside_its_dialog_is_taken():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await registered(house, with_quirks(Quirk.NOTIFY_OUTSIDE_DIALOG))
        await subscribed(house, camera)
        assert await camera.alarms.raise_alarm(TAMPER) == 200
        assert len(house.intake.signals) == 1


async def test_a_subscription_the_device_ends_is_begun_anew():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await registered(house)
        await subscribed(house, camera)
        call_id = house.gb.subscriptions._kept[DEVICE.gb_id, Topic.ALARM].call_id
        headers = [("Event", "presence"), ("Subscription-State", "terminated; reason=timeout")]
        ended = camera.outgoing("NOTIFY", b"", call_id=call_id, headers=headers)
        assert (await camera.wire.transact(ended)).status == 200
        assert house.gb.subscriptions.active == 0
        camera.alarms.forget()
        await subscribed(house, camera)


async def test_a_subscription_that_is_no_longer_wanted_is_ended_and_one_never_wanted_not_asked():
    async with House(DEVICE, replace(OTHER, alarm_subscription=False), subscribe_alarms=True) as house:
        camera = await registered(house)
        other = await registered(house, replace(PLAN, gb_id=OTHER.gb_id))
        await subscribed(house, camera)
        house.directory.change(DEVICE.gb_id, alarm_subscription=False)
        ask_now(house)
        await eventually(lambda: not camera.alarms.is_subscribed)
        await eventually(lambda: house.reports.profile["device-1"]["alarm_subscription"] == "")
        assert (house.gb.subscriptions.active, other.report.subscriptions) == (0, 0)


# --- guard ---


async def test_arming_waits_for_the_answer_and_learns_the_duty():
    async with House(DEVICE) as house:
        camera = await registered(house, with_quirks(Quirk.NEEDS_GUARD))
        assert await camera.alarms.raise_alarm(TAMPER) == 0
        assert await house.gb.set_guard("device-1", is_set=True) is CommandOutcome.DONE
        await eventually(lambda: house.reports.profile.get("device-1", {}).get("duty") == "ONDUTY=1")
        assert await camera.alarms.raise_alarm(TAMPER) == 200
        assert await house.gb.set_guard("device-1", is_set=False) is CommandOutcome.DONE
        assert not camera.alarms.is_set


async def test_what_comes_of_arming_is_told_apart():
    async with House(DEVICE, OTHER) as house:
        assert await house.gb.set_guard("device-1", is_set=True) is CommandOutcome.NOT_CONNECTED
        await registered(house, with_quirks(Quirk.REFUSES_ALARM_COMMAND))
        assert await house.gb.set_guard("device-1", is_set=True) is CommandOutcome.REFUSED
        house.gb.commands._answer_within_s = 0.1
        silent = await registered(
            house, CameraPlan(OTHER.gb_id, PASSWORD, quirks=frozenset({Quirk.SILENT_TO_ALARM_COMMAND}))
        )
        assert await house.gb.set_guard("device-2", is_set=True) is CommandOutcome.UNCONFIRMED
        silent.reply = lambda request, status, **more: None
        assert await house.gb.set_guard("device-2", is_set=True) is CommandOutcome.UNREACHABLE


# --- VideoUploadNotify (2022) ---


@pytest.mark.parametrize("transport", list(Transport))
async def test_a_device_that_asks_to_be_watched_is_committed_before_it_is_answered(transport):
    async with House(DEVICE) as house:
        house.intake.commits_at_once = False
        camera = await registered(house, replace(PLAN, version="3.0"), transport)
        heard = listen(camera)
        house.directory.channels.append(channel_of(DEVICE, DEVICE.gb_id))
        asked = asyncio.create_task(camera.alarms.ask_for_watching(lon=118.376451, lat=31.326319))
        await eventually(lambda: len(house.intake.signals) == 1)
        assert heard == []
        house.intake.commit()
        assert await asked == 200
        [signal] = house.intake.signals
        [event] = signal.events
        assert (signal.token, event.code, event.kind) == ("VideoUploadNotify", "video_upload", EventKind.ALARM)
        assert (event.category, event.priority, event.lon) == (Category.PANIC, 2, 118.376451)
        assert event.channel == channel_of(DEVICE, DEVICE.gb_id).id
        assert heard == ["200"], "the standard names no Response"
        attempt = house.reports.last("report")
        assert (attempt.channel_id, attempt.steps[0].key) == (event.channel, "upload.asked")
        assert "{" not in WORDS.text("upload.asked", "zh", attempt.steps[0].params)


async def test_a_request_to_be_watched_that_is_not_committed_is_not_answered_and_a_repetition_is_one():
    async with House(DEVICE) as house:
        house.intake.commits_at_once = False
        camera = await registered(house, transport=Transport.TCP)
        asked = asyncio.create_task(camera.alarms.ask_for_watching())
        await eventually(lambda: len(house.intake.signals) == 1)
        house.intake.fail(OSError("the disk is full"))
        assert await asked == 503
        assert not house.reports.attempts or house.reports.attempts[-1].kind != "report"
        house.intake.commits_at_once = True
        assert await camera.alarms.ask_for_watching() == 200
        first, second = house.intake.signals
        assert first.repeat_scope == second.repeat_scope == f"{DEVICE.gb_id}|video_upload"


async def test_what_names_people_in_a_request_to_be_watched_is_not_kept():
    async with House(DEVICE) as house:
        camera = await registered(house)
        assert await camera.alarms.ask_for_watching(extra=(("FaceID", "secret-17"), ("Note", "皖B12345"))) == 200
        [signal] = house.intake.signals
        assert b"secret-17" not in signal.raw
        assert "皖B12345" not in signal.raw.decode("gb18030")
        assert signal.flags == ("cleaned",)
        assert house.gb.health().alarms["cleaned"] == 1
