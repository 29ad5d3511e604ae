"""The picture sheet of an ONVIF camera: what it offers, what is set, and a picture that changes with it."""

import numpy as np
import pytest

from tests.gateways.test_onvif import CHANNEL, onvif
from tocsin.base.errors import TocsinError
from tocsin.domain.control import Move
from tocsin.gateways.onvif_imaging import OnvifImaging
from tocsin.sim.camera_tone import Tone
from tocsin.sim.onvif_imaging import SimImaging
from tocsin.sim.street import Street, read_time_code


def sheet(gateway):
    return OnvifImaging(gateway, lambda device_id: "onvif")


async def test_the_sheet_shows_what_the_camera_offers_and_nothing_else():
    async with onvif() as (camera, gateway, _, _):
        camera.imaging = SimImaging(("Brightness", "IrCutFilter"), moves_focus=False)
        await gateway.look()
        state = await sheet(gateway).image(CHANNEL)
        assert [(one.name, one.value, one.choices) for one in state.settings] == [
            ("brightness", 50.0, ()),
            ("ir_cut", "auto", ("on", "off", "auto")),
        ]
        assert not state.moves_focus


async def test_what_is_set_is_set_and_the_rest_stays():
    async with onvif() as (camera, gateway, _, _):
        await gateway.look()
        await sheet(gateway).set_image(CHANNEL, {"brightness": 80.0, "ir_cut": "off", "wdr_level": 30.0})
        assert camera.imaging.values["Brightness"] == 80.0
        assert (camera.imaging.values["IrCutFilter"], camera.imaging.values["Contrast"]) == ("OFF", 50.0)
        assert (camera.imaging.values["WideDynamicRange"], camera.imaging.values["Level"]) == ("OFF", 30.0)


async def test_what_the_camera_refuses_is_said():
    async with onvif() as (camera, gateway, _, _):
        camera.imaging = SimImaging(("Brightness",))
        await gateway.look()
        with pytest.raises(TocsinError) as refused:
            await sheet(gateway).set_image(CHANNEL, {"contrast": 10.0})
        assert refused.value.key == "control.refused"


async def test_a_camera_that_stands_moves_its_lens_and_stops_it():
    async with onvif(media2=False) as (camera, gateway, _, _):
        await gateway.look()
        await gateway.perform(CHANNEL, Move(focus=-0.5))
        await gateway.perform(CHANNEL, Move())
        assert camera.imaging.focus_moves == [-0.5, 0.0]


async def test_an_ip_camera_without_answers_is_off_line():
    async with onvif() as (_, gateway, _, _):
        with pytest.raises(TocsinError) as unready:
            await sheet(gateway).image(CHANNEL)
        assert unready.value.key == "control.device_offline"


def test_the_drawn_picture_changes_and_its_clock_does_not():
    street, at = Street(1, "GATE", 640, 360), 1_800_000_000_000
    plain = street.draw(at)
    bright = street.draw(at, tone=Tone(brightness=60))
    grey = street.draw(at, tone=Tone(saturation=0))
    assert bright.mean() > plain.mean() + 25
    assert np.ptp(grey[200:300].astype(int), axis=2).max() < np.ptp(plain[200:300].astype(int), axis=2).max()
    assert read_time_code(bright) == read_time_code(plain) == at


async def test_the_settings_of_the_camera_are_those_of_its_picture():
    async with onvif() as (camera, gateway, _, _):
        await gateway.look()
        before = camera.imaging.tone()
        await sheet(gateway).set_image(CHANNEL, {"brightness": 100.0, "ir_cut": "off"})
        after = camera.imaging.tone()
        assert (before.brightness, after.brightness, after.saturation) == (0.0, 120.0, 0.0)
