"""ONVIF cameras as the house calls them: first contact, one try with a password, pictures, moving, events."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from tests.support.media import running_link, watching
from tests.support.rtsp import rtsp_camera
from tocsin.base.clock import SystemClock
from tocsin.base.errors import TocsinError
from tocsin.base.normal import EventKind
from tocsin.domain import control as asked
from tocsin.domain.devices import CatalogResult
from tocsin.domain.directory import Channel, IpCamera
from tocsin.domain.signals import Receipt
from tocsin.gateways import onvif as onvif_gateway
from tocsin.gateways import onvif_calls, onvif_events
from tocsin.gateways.gb28181_devices import AttemptLog
from tocsin.gateways.onvif import OnvifGateway
from tocsin.gateways.onvif_discovery import discover, own_addresses
from tocsin.sim.onvif_camera import OnvifCamera, OnvifQuirks, ProbeAnswerer

CHANNEL = Channel("cam", "d1", "VS1", name="Gate")


class Intake:
    """Keeps what was handed in; each is committed at once."""

    def __init__(self):
        self.signals = []
        self.came = asyncio.Event()

    def accept(self, signal):
        self.signals.append(signal)
        self.came.set()
        future = asyncio.get_running_loop().create_future()
        future.set_result(Receipt("s"))
        return future

    async def until(self, count):
        async with asyncio.timeout(8):
            while len(self.signals) < count:
                self.came.clear()
                await self.came.wait()


class House:
    """Directory and reports of one camera."""

    def __init__(self, url, password="Tocsin-12", **more):
        self.camera = IpCamera("d1", "onvif", url, username="admin", password=password, **more)
        self.said, self.attempts, self.profile, self.inputs_found = [], [], {}, []

    def ip_camera(self, device_id):
        return self.camera if device_id == "d1" else None

    def ip_cameras(self):
        return [self.camera]

    def channels_of(self, device_id):
        return [CHANNEL]

    def seen(self, device_id, at, peer, transport):
        self.said.append("seen")

    def unregistered(self, device_id, at, reason):
        self.said.append(reason)

    def learned(self, device_id, **profile):
        self.profile.update(profile)
        if "credentials" in profile:
            self.camera = replace(self.camera, credentials=profile["credentials"])

    def attempt(self, attempt):
        self.attempts.append(attempt)

    async def inputs(self, device_id, numbers):
        self.inputs_found += numbers

    async def catalog(self, device_id, items, complete):
        self.said.append([(item.gb_id, item.ptz_type) for item in items])
        return CatalogResult(len(items))


@asynccontextmanager
async def onvif(password="Tocsin-12", takes_events=False, credentials="", rtsp=None, **quirks):
    """Run a camera and a gateway that knows it."""
    async with rtsp_camera(**(rtsp or {})) as pictures:
        camera = OnvifCamera(SystemClock(), lambda: pictures.url, quirks=OnvifQuirks(**quirks))
        await camera.start()
        house, clock, intake = (
            House(camera.url, password, takes_events=takes_events, credentials=credentials),
            SystemClock(),
            Intake(),
        )
        gateway = OnvifGateway(house, house, AttemptLog(house, clock), intake, clock)
        try:
            yield camera, gateway, house, intake
        finally:
            await gateway.stop()
            await camera.stop()


@pytest.mark.parametrize(
    "quirks",
    [
        {"auth": "token"},
        {"auth": "digest"},
        {"auth": "none"},
        {"media2": False},
        {"services": False},
        {"skew_s": 7200.0},
        {"other_prefixes": True},
        {"inner_addresses": True},
        {"relative_addresses": True},
        {"auth": "digest", "stale_nonces": True},
        {"soap11_faults": True},
    ],
    ids=str,
)
async def test_first_contact_learns_the_camera_whatever_its_oddities(quirks):
    async with onvif(**quirks) as (camera, gateway, house, _):
        await gateway.look()
        assert house.attempts[0].outcome == "ok", house.attempts[0].failure
        assert [("VS1", 1)] in house.said
        assert (house.profile["maker"], house.profile["model"]) == ("Hewan", "IPC-7")
        assert camera.refused == 0
        keys = [step.key for step in house.attempts[0].steps]
        assert ("camera.clock" in keys) == ("skew_s" in quirks)
        assert house.inputs_found == ([] if quirks.get("services") is False else ["DI_1"])


@pytest.mark.parametrize("auth", ["token", "digest"])
async def test_a_wrong_password_is_given_exactly_once(auth):
    async with onvif(password="wrong", auth=auth) as (camera, gateway, house, _):
        for _ in range(3):
            await gateway.look()
        assert camera.refused == 1
        assert house.camera.credentials == "refused"
        assert house.said == ["camera.wrong_password"]
        with pytest.raises(TocsinError) as refused:
            await gateway.open_live(CHANNEL, None)
        assert refused.value.key == "camera.password_held_back"
        assert not await gateway.try_now("d1")
        assert camera.refused == 2
        house.camera = replace(house.camera, password="Tocsin-12")
        await gateway.look()
        assert camera.refused == 2
        assert house.camera.credentials == "accepted"


async def test_a_refused_password_is_held_back_after_a_restart():
    async with onvif(password="wrong", credentials="refused") as (camera, gateway, house, _):
        await gateway.look()
        assert camera.refused == 0
        assert house.attempts[0].failure == "camera.password_held_back"


@pytest.mark.parametrize(
    ("quirks", "failure"),
    [
        ({"hangs": True}, "camera.silent"),
        ({"bomb": True}, "camera.not_understood"),
        ({"garbage": True}, "camera.not_understood"),
        ({"endless": True}, "camera.not_understood"),
    ],
    ids=str,
)
async def test_a_camera_that_hangs_or_sends_a_bomb_is_bounded_and_named(quirks, failure, monkeypatch):
    monkeypatch.setattr(onvif_calls, "CALL_S", 1.0)
    monkeypatch.setattr(onvif_calls.OnvifCalls._post, "__kwdefaults__", {"within_s": 1.0})
    async with onvif(**quirks) as (_, gateway, house, _):
        async with asyncio.timeout(5):
            await gateway.look()
        assert house.attempts[0].failure == failure


@pytest.mark.parametrize("quirks", [{}, {"media2": False}, {"inner_addresses": True}], ids=str)
async def test_a_live_picture_is_opened(quirks):
    async with onvif(**quirks) as (_, gateway, house, _), running_link() as link, watching(link, "cam") as viewer:
        await gateway.look()
        await gateway.open_live(CHANNEL, link)
        await viewer.until(lambda: len(viewer.numbers()) >= 5)
        assert house.attempts[-1].outcome == "ok"


async def test_a_camera_is_turned_and_stands_still_by_itself():
    async with onvif() as (camera, gateway, _, _):
        await gateway.look()
        await gateway.perform(CHANNEL, asked.Move(pan=0.5))
        assert camera.head.is_moving
        async with asyncio.timeout(4):
            await camera.until(lambda camera: camera.counts["Stop"] == 1)
        assert not camera.head.is_moving


async def test_a_stop_is_a_stop():
    async with onvif() as (camera, gateway, _, _):
        await gateway.look()
        await gateway.perform(CHANNEL, asked.Move(tilt=-1.0))
        await gateway.perform(CHANNEL, asked.Move())
        assert not camera.head.is_moving
        await gateway.stop_moving(CHANNEL)
        assert camera.counts["Stop"] == 2


async def test_presets_keep_our_numbers():
    async with onvif() as (camera, gateway, _, _):
        camera.presets = {"home": "Entrance", "7": "Yard"}
        await gateway.look()
        await gateway.perform(CHANNEL, asked.PresetAct(asked.PresetOp.SET, 40))
        assert {preset.number: preset.name for preset in await gateway.presets(CHANNEL)} == {
            1: "Entrance",
            7: "Yard",
            40: "tocsin-40",
        }
        await gateway.perform(CHANNEL, asked.PresetAct(asked.PresetOp.CALL, 40))
        await gateway.perform(CHANNEL, asked.PresetAct(asked.PresetOp.DELETE, 40))
        assert set(camera.presets) == {"home", "7"}
        with pytest.raises(TocsinError) as refused:
            await gateway.perform(CHANNEL, asked.PresetAct(asked.PresetOp.CALL, 40))
        assert refused.value.key == "control.failed"


async def test_what_the_camera_does_not_offer_is_said():
    async with onvif() as (_, gateway, _, _):
        await gateway.look()
        for act in (asked.Home(True), asked.DragZoom(True, 0, 0, 1, 1), asked.Move(iris=0.5)):
            with pytest.raises(TocsinError) as refused:
                await gateway.perform(CHANNEL, act)
            assert refused.value.key == "control.not_supported"


MOTION = "tns1:RuleEngine/CellMotionDetector/Motion"


async def test_motion_and_inputs_become_signals_and_people_are_dropped_and_counted():
    async with onvif(takes_events=True) as (camera, gateway, _, intake):
        camera.say("tns1:Device/Trigger/DigitalInput", {"InputToken": "DI_9"}, {"LogicalState": "true"})
        await gateway.look()
        async with asyncio.timeout(5):
            await camera.until(lambda camera: camera.counts["PullMessages"] >= 1)
        camera.say("tns1:RuleEngine/FaceDetector/Recognized", {"Source": "VS1"}, {"Who": "x"})
        camera.say("tns1:RuleEngine/LoiteringDetector/Alarm", {"Source": "VS1"}, {"State": "true"})
        camera.say("tns1:RuleEngine/LicensePlateRecognition/Plate", {"Source": "VS1"}, {"Text": "x"})
        camera.say(MOTION, {"VideoSourceConfigurationToken": "VS1"}, {"IsMotion": "true"})
        camera.say("tns1:Device/Trigger/DigitalInput", {"InputToken": "DI_1"}, {"LogicalState": "true"})
        camera.say("tns1:Device/Trigger/DigitalInput", {"InputToken": "DI_1"}, {"LogicalState": "false"})
        await intake.until(3)
        found = [(s.events[0].code, s.events[0].kind, s.events[0].zone, s.events[0].channel) for s in intake.signals]
        assert found == [
            ("video.motion", EventKind.ALARM, "VS1", "cam"),
            ("input", EventKind.ALARM, "DI_1", ""),
            ("input", EventKind.RESTORE, "DI_1", ""),
        ]
        assert gateway.counts["dropped_people"] == 3
        assert all(b"Recogni" not in s.raw for s in intake.signals)


async def test_the_state_at_subscribing_and_a_repetition_raise_nothing():
    async with onvif(takes_events=True) as (camera, gateway, _, intake):
        camera.say(MOTION, {"VideoSourceConfigurationToken": "VS1"}, {"IsMotion": "true"})
        await gateway.look()
        async with asyncio.timeout(5):
            await camera.until(lambda camera: camera.counts["PullMessages"] >= 2)
        for state in ("true", "true", "false", "true"):
            camera.say(MOTION, {"VideoSourceConfigurationToken": "VS1"}, {"IsMotion": state})
        await intake.until(2)
        assert [s.events[0].kind for s in intake.signals] == [EventKind.RESTORE, EventKind.ALARM]


async def test_a_lost_subscription_is_made_anew_and_given_back_at_the_end(monkeypatch):
    monkeypatch.setattr("tocsin.gateways.onvif_events.FIRST_RETRY_S", 0.05)
    async with onvif(takes_events=True) as (camera, gateway, _, intake):
        await gateway.look()
        async with asyncio.timeout(8):
            await camera.until(lambda camera: camera.counts["PullMessages"] >= 1)
            camera.say(MOTION, {}, {"IsMotion": "true"})
            await intake.until(1)
            camera.forget_subscriptions()
            await camera.until(lambda camera: camera.counts["CreatePullPointSubscription"] == 2)
            await camera.until(lambda camera: camera.counts["PullMessages"] >= 3)
            await gateway.stop()
        assert camera.counts["Unsubscribe"] == 1


async def test_what_came_to_pass_without_a_subscription_is_told_by_the_next_one(monkeypatch):
    monkeypatch.setattr("tocsin.gateways.onvif_events.FIRST_RETRY_S", 0.05)
    async with onvif(takes_events=True, absolute_times=True) as (camera, gateway, house, intake):
        house.camera = replace(house.camera, inputs={"DI_2": "panic", "DI_3": "fire inverted"})
        say = partial(camera.say, "tns1:Device/Trigger/DigitalInput")
        say({"InputToken": "DI_1"}, {"LogicalState": "true"})
        say({"InputToken": "DI_2"}, {"LogicalState": "false"})
        say({"InputToken": "DI_3"}, {"LogicalState": "true"})
        await gateway.look()
        async with asyncio.timeout(8):
            await camera.until(lambda camera: camera.counts["PullMessages"] >= 2)
            assert intake.signals == []
            assert camera.counts["CreatePullPointSubscription"] == 2  # a duration, then a moment
            camera.forget_subscriptions()
            say({"InputToken": "DI_1"}, {"LogicalState": "false"})
            say({"InputToken": "DI_2"}, {"LogicalState": "true"})
            say({"InputToken": "DI_3"}, {"LogicalState": "false"})
            await intake.until(3)
        assert camera.counts["CreatePullPointSubscription"] == 3
        found = sorted((s.events[0].zone, s.events[0].kind, s.events[0].category.value) for s in intake.signals)
        assert found == [
            ("DI_1", EventKind.RESTORE, "burglary"),
            ("DI_2", EventKind.ALARM, "panic"),
            ("DI_3", EventKind.ALARM, "fire"),
        ]


async def test_a_camera_is_found_on_the_net_and_junk_is_not():
    loop = asyncio.get_running_loop()
    async with onvif() as (camera, _, _, _):
        transport, _ = await loop.create_datagram_endpoint(
            lambda: ProbeAnswerer(camera.url, "Gate A"), local_addr=("127.0.0.1", 0)
        )
        target = transport.get_extra_info("sockname")
        found = await discover(target=target, interfaces=["127.0.0.1"], wait_s=0.5)
        assert [(one.url, one.name) for one in found] == [(camera.url, "Gate A")]
        transport.close()
        assert await discover(target=target, interfaces=["127.0.0.1"], wait_s=0.1) == []
    assert "127.0.0.1" in own_addresses()


class Street(House):
    """Directory and reports of two cameras: a good one and one beside it."""

    def __init__(self, good, beside, **more):
        super().__init__(good, **more)
        self.cameras = {"d1": self.camera, "d2": replace(self.camera, device_id="d2", url=beside)}
        self.heard = []

    def ip_camera(self, device_id):
        return self.cameras.get(device_id)

    def ip_cameras(self):
        return list(self.cameras.values())

    def seen(self, device_id, at, peer, transport):
        self.heard.append(device_id)

    def learned(self, device_id, **profile):
        if "credentials" in profile:
            self.cameras[device_id] = replace(self.cameras[device_id], credentials=profile["credentials"])

    def failure_of(self, device_id):
        return [one.failure for one in self.attempts if one.device_id == device_id]


@asynccontextmanager
async def street(**quirks):
    """Run a good camera, a strange one beside it, and a gateway that knows both."""
    async with rtsp_camera() as pictures:
        clock = SystemClock()
        good = OnvifCamera(clock, lambda: pictures.url)
        strange = OnvifCamera(clock, lambda: pictures.url, quirks=OnvifQuirks(**quirks))
        await good.start()
        await strange.start()
        house, intake = Street(good.url, strange.url, takes_events=True), Intake()
        gateway = OnvifGateway(house, house, AttemptLog(house, clock), intake, clock)
        try:
            yield good, strange, gateway, house, intake
        finally:
            await gateway.stop()
            await good.stop()
            await strange.stop()


def _breaks(reading, is_strange):
    """Return a reading that fails as a parser does on what nobody thought of, for what one camera says."""

    def read(answer):
        if is_strange(answer):
            raise KeyError("what nobody thought of")
        return reading(answer)

    return read


@pytest.mark.parametrize("quirks", [{"garbage": True}, {"bomb": True}, {"endless": True}, {"hangs": True}], ids=str)
async def test_a_strange_camera_never_holds_up_or_ends_the_rounds_of_the_others(quirks, monkeypatch):
    monkeypatch.setattr(onvif_gateway, "CHECK_EVERY_S", 0.1)
    monkeypatch.setattr(onvif_gateway, "EARLY_EVERY_S", 0.1)
    async with street(**quirks) as (good, _, gateway, house, intake):
        await gateway.start()
        async with asyncio.timeout(7):  # the strange one is waited for eight seconds a call
            await good.until(lambda camera: camera.counts["PullMessages"] >= 1)
            await good.until(lambda camera: camera.counts["GetSystemDateAndTime"] >= 3)
        good.say("tns1:Device/Trigger/DigitalInput", {"InputToken": "DI_1"}, {"LogicalState": "true"})
        await intake.until(1)
        gateway.check()
        assert set(house.heard) == {"d1"}


async def test_what_breaks_the_reading_of_one_camera_is_told_of_it_alone(monkeypatch):
    monkeypatch.setattr(onvif_gateway, "CHECK_EVERY_S", 0.1)
    monkeypatch.setattr(onvif_gateway, "EARLY_EVERY_S", 0.1)
    async with street(auth="none") as (good, strange, gateway, house, _):
        reading = onvif_gateway.calls.read_information
        said = []
        monkeypatch.setattr(
            onvif_gateway.calls, "read_information", _breaks(reading, lambda _: not said.append(1) and len(said) == 2)
        )
        await gateway.look()
        (broken,) = [one.device_id for one in house.attempts if one.failure == "camera.not_understood"]
        (whole,) = {"d1", "d2"} - {broken}
        assert house.failure_of(whole) == [""]
        assert gateway.counts["strange"] == 1
        await gateway.look()
        assert house.failure_of(broken) == ["camera.not_understood", ""]  # and it is tried again
        gateway_of = {"d1": good, "d2": strange}
        assert set(house.heard) == set(gateway_of)


async def test_an_event_that_breaks_the_reading_is_lost_alone(monkeypatch):
    async with street() as (good, strange, gateway, _, intake):
        reading = onvif_events.events.meaning_of
        monkeypatch.setattr(onvif_events.events, "meaning_of", _breaks(reading, lambda topic: "Unthinkable" in topic))
        await gateway.look()
        async with asyncio.timeout(5):
            await strange.until(lambda camera: camera.counts["PullMessages"] >= 1)
            strange.say("tns1:Device/Unthinkable", {"A": "1"}, {"B": "2"})
        for camera in (good, strange):
            camera.say("tns1:Device/Trigger/DigitalInput", {"InputToken": "DI_1"}, {"LogicalState": "true"})
        await intake.until(2)
        assert {signal.device_id for signal in intake.signals} == {"d1", "d2"}
        assert gateway.counts["strange"] == 1
        assert strange.counts["CreatePullPointSubscription"] == 1
