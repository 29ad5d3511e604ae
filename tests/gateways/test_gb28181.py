"""Registration, keepalives and documents, between the real gateway and simulated cameras on loopback."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.support.gb28181 import PASSWORD, REALM, SERVER_ID, House, eventually
from tocsin.domain.directory import SipDevice
from tocsin.protocols.gb28181.manscdp import build_document
from tocsin.protocols.gb28181.timeline import WORDS
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera_plan import CameraPlan, Quirk

DEVICE = SipDevice("device-1", "34020000001320000001", PASSWORD)
OTHER = SipDevice("device-2", "34020000001320000002", PASSWORD)
PLAN = CameraPlan(DEVICE.gb_id, PASSWORD)


@pytest.mark.parametrize("transport", list(Transport))
async def test_a_known_camera_registers_and_its_steps_are_told(transport):
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN, transport)
        assert await camera.register()
        [(device_id, expires_s, peer, how)] = house.reports.registrations
        assert (device_id, expires_s, how) == ("device-1", 3600, transport.value)
        assert peer.startswith("127.0.0.1:")
        assert house.reports.last("registration").outcome == "ok"
        assert house.reports.keys("registration") == ["register.received", "register.challenged", "register.granted"]
        assert all(step.key in WORDS for step in house.reports.last("registration").steps)


async def test_who_waits_for_a_device_hears_of_its_first_registration_and_not_of_renewals():
    async with House(DEVICE) as house:
        heard: list[str] = []
        house.gb.on_registered(heard.append)
        camera = await house.camera(PLAN)
        await camera.register()
        await camera.register()
        assert heard == ["device-1"]
        await camera.sign_off()
        await camera.register()
        assert heard == ["device-1", "device-1"]


async def test_the_clock_goes_out_in_beijing_time_unless_switched_off():
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN)
        await camera.register()
        assert len(camera.report.date) == len("2026-11-22T11:36:20.123")
        assert "Z" not in camera.report.date
        assert "+" not in camera.report.date
        house.directory.change(DEVICE.gb_id, send_date=False)
        await camera.register()
        assert camera.report.date == ""


@pytest.mark.parametrize(("asked_s", "granted_s"), [(3600, 3600), (20, 60), (999_999, 86_400)])
async def test_the_expiry_is_clamped(asked_s, granted_s):
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN)
        await camera.register(asked_s)
        assert camera.report.granted_s == granted_s


async def test_a_wrong_password_is_challenged_once_more_and_then_refused():
    async with House(DEVICE) as house:
        camera = await house.camera(CameraPlan(DEVICE.gb_id, "wrong"))
        assert not await camera.register()
        assert camera.report.last_status == 403
        attempt = house.reports.last("registration")
        assert (attempt.outcome, attempt.failure) == ("failed", "register.wrong_password")
        assert [step.key for step in attempt.steps].count("register.wrong_password") == 1


async def test_a_username_that_is_not_the_device_is_named_as_such():
    async with House(DEVICE) as house:
        camera = await house.camera(CameraPlan(DEVICE.gb_id, PASSWORD, username=SERVER_ID))
        assert not await camera.register()
        assert house.reports.last("registration").failure == "register.wrong_username"


async def test_guessing_is_slowed_and_the_device_at_its_own_place_is_not_locked_out():
    async with House(DEVICE, OTHER) as house:
        right = await house.camera(PLAN)
        wrong = await house.camera(CameraPlan(DEVICE.gb_id, "wrong"))
        for _ in range(4):
            await wrong.register()
        assert not await right.register(), "the same source must wait"
        neighbour = await house.camera(CameraPlan(OTHER.gb_id, PASSWORD))
        assert await neighbour.register(), "another device of the same source is not affected"


async def test_an_unknown_camera_is_refused_and_listed_as_pending():
    async with House(DEVICE) as house:
        camera = await house.camera(CameraPlan("34020000001320000099", PASSWORD))
        assert not await camera.register()
        assert camera.report.last_status == 403
        assert house.reports.knocks == ["34020000001320000099"]
        assert len(house.gb.table) == 0


async def test_a_device_without_a_password_here_cannot_register():
    async with House(SipDevice("device-1", DEVICE.gb_id)) as house:
        camera = await house.camera(CameraPlan(DEVICE.gb_id, ""))
        assert not await camera.register()
        assert house.reports.last("registration").failure == "register.no_password"


async def test_a_capable_device_may_use_sha256():
    async with House(SipDevice("device-1", DEVICE.gb_id, PASSWORD, sha256=True)) as house:
        camera = await house.camera(PLAN)
        assert await camera.register()


async def test_signing_off_ends_the_registration():
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN)
        await camera.register()
        await camera.sign_off()
        assert house.reports.departures == [("device-1", "register.removed")]
        assert house.reports.keys("registration")[-1] == "register.removed"


async def test_a_renewal_writes_no_timeline():
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN)
        for _ in range(3):
            assert await camera.register()
        assert len(house.reports.attempts) == 1
        assert len(house.reports.registrations) == 3


async def test_a_keepalive_is_answered_and_the_moved_port_is_followed():
    async with House(DEVICE) as house:
        first = await house.camera(PLAN)
        await first.register()
        moved = await house.camera(PLAN)
        assert await moved.keep_alive()
        device = house.gb.table.get(DEVICE.gb_id)
        assert device is not None
        assert device.port == moved.wire.port != first.wire.port


@pytest.mark.parametrize("transport", list(Transport))
async def test_a_keepalive_of_a_stranger_is_refused_so_that_it_registers(transport):
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN, transport)
        assert not await camera.keep_alive()
        assert camera.report.keepalives_refused == 1


async def test_a_camera_that_runs_comes_back_by_itself_after_a_restart_of_the_server():
    async with House(DEVICE) as house:
        camera = await house.camera(CameraPlan(DEVICE.gb_id, PASSWORD, keepalive_s=0.02))
        task = asyncio.create_task(camera.run())
        await camera.wait_registered()
        house.gb.forget("device-1")
        await eventually(lambda: len(house.gb.table) == 1 and camera.report.registrations == 2)
        task.cancel()


async def test_keepalives_over_tcp_are_answered():
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN, Transport.TCP)
        await camera.register()
        assert await camera.keep_alive()


async def test_faulty_parts_named_in_a_keepalive_are_reported_and_cleared():
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN)
        await camera.register()
        assert await camera.keep_alive(["34020000001340000003"])
        assert house.reports.profile["device-1"]["faulty"] == "34020000001340000003"
        assert await camera.keep_alive()
        assert house.reports.profile["device-1"]["faulty"] == ""


async def test_last_seen_is_reported_in_batches():
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN)
        await camera.register()
        for _ in range(5):
            await camera.keep_alive()
        assert house.reports.sightings == []
        house.gb.sweep()
        assert [sighting[0] for sighting in house.reports.sightings] == ["device-1"]
        house.gb.sweep()
        assert len(house.reports.sightings) == 1


async def test_a_broken_tcp_connection_takes_the_device_offline():
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN, Transport.TCP)
        await camera.register()
        await camera.wire.close()
        await eventually(lambda: house.reports.departures == [("device-1", "register.connection_lost")])


async def test_a_device_that_fell_silent_or_expired_is_dropped_with_its_reason():
    async with House(DEVICE, OTHER) as house:
        for device in (DEVICE, OTHER):
            await (await house.camera(CameraPlan(device.gb_id, PASSWORD))).register()
        silent, expired = house.gb.table.get(DEVICE.gb_id), house.gb.table.get(OTHER.gb_id)
        silent.last_seen -= 3 * 60 + 1
        expired.expires_at -= 3700
        house.gb.sweep()
        assert house.reports.departures == [
            ("device-1", "register.keepalive_lost"),
            ("device-2", "register.expired"),
        ]


async def test_a_device_that_was_taken_out_of_the_registry_is_dropped():
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN)
        await camera.register()
        house.directory.devices.clear()
        house.gb.sweep()
        assert house.reports.departures == [("device-1", "register.removed")]
        assert not await camera.keep_alive()


async def test_a_pause_of_our_own_expires_nobody():
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN)
        await camera.register()
        house.gb._swept_at -= 4000
        for time in ("last_seen", "expires_at", "reported_at"):
            device = house.gb.table.get(DEVICE.gb_id)
            setattr(device, time, getattr(device, time) - 4000)
        house.gb.sweep()
        assert house.reports.departures == []


async def test_a_spoofed_sender_address_changes_nothing():
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN)
        await camera.register()
        house.gb.table.get(DEVICE.gb_id).move(house.gb.table.get(DEVICE.gb_id).peer._replace(host="192.0.2.1"))
        assert not await camera.keep_alive(), "the registered host is another"
        assert house.gb.table.get(DEVICE.gb_id).host == "192.0.2.1"


async def test_a_wrong_contact_is_ignored_in_favour_of_the_observed_source():
    async with House(DEVICE, query_catalog=True) as house:
        camera = await house.camera(CameraPlan(DEVICE.gb_id, PASSWORD, quirks=frozenset({Quirk.WRONG_CONTACT})))
        await camera.register()
        await eventually(lambda: bool(house.reports.catalogs))


async def test_an_xml_bomb_is_refused_and_the_registration_stays():
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">]><Notify><CmdType>&b;</CmdType></Notify>'
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN)
        await camera.register()
        response = await camera.wire.transact(camera._message(bomb))
        assert response.status == 400
        assert await camera.keep_alive()


async def test_an_unknown_command_is_answered_200():
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN)
        await camera.register()
        body = build_document("Notify", "VendorThing", 3, DEVICE.gb_id)
        response = await camera.wire.transact(camera._message(body))
        assert response.status == 200


async def test_rubbish_and_floods_leave_the_server_answering():
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN)
        await camera.register()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            for number in range(500):
                made.sendto(bytes([number % 256]) * (number % 700), ("127.0.0.1", house.sip.port))
            made.sendto(b"MESSAGE sip:x SIP/2.0\r\n" + b"A" * 60_000, ("127.0.0.1", house.sip.port))
        assert await camera.keep_alive()
        assert house.sip.health().counts["bad_messages"] > 0


async def test_an_answer_to_an_old_challenge_cannot_be_replayed():
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN)
        sent: list[bytes] = []
        send = camera.wire.send
        camera.wire.send = lambda data: (sent.append(data), send(data))[1]  # listen on the wire
        await camera.register()
        [granted] = [data for data in sent if b"Authorization" in data]
        replayed = granted.replace(b"z9hG4bK", b"z9hG4bKx").replace(b"Expires: 3600", b"Expires: 0")
        send(replayed)
        await camera.keep_alive()
        assert len(house.gb.table) == 1


async def test_health_counts_devices():
    async with House(DEVICE) as house:
        camera = await house.camera(CameraPlan(DEVICE.gb_id, PASSWORD, realm=REALM))
        await camera.register()
        await camera.keep_alive()
        health = house.gb.health()
        assert (health.registered, health.keepalives, health.open_calls) == (1, 1, 0)
