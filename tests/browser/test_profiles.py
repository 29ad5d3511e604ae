"""What a device needs: on its page, as a matrix, and the values to type into a camera; a knocking device accepted."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

GB_ID = "34022300001320009901"
WORDS = {
    "en": ("What it needs", "Makers and models", "Accept…", "Type these into the camera", "Set by hand…", "Save"),
    "zh-CN": ("所需适配", "厂商与型号", "接入…", "在摄像机中填写", "人工设定…", "保存"),
}


def _knock(town: Town, gb_id: str) -> None:
    """Send a REGISTER of a device nobody has entered."""
    port = int(next(one for one in town.ask("GET", "/settings")["items"] if one["name"] == "sip.port")["value"])
    text = (
        f"REGISTER sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bK{gb_id}\r\n"
        f"From: <sip:{gb_id}@y>;tag=1\r\nTo: <sip:{gb_id}@y>\r\nCall-ID: {gb_id}\r\nCSeq: 1 REGISTER\r\n"
        f"Contact: <sip:{gb_id}@127.0.0.1>\r\nUser-Agent: NewCam/1.0\r\nExpires: 3600\r\n\r\n"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.sendto(text.encode(), ("127.0.0.1", port))


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_knocking_device_is_accepted_and_its_page_says_what_to_type_and_what_it_needs(
    language: str, town: Town, open_seat: OpenSeat
) -> None:
    needs, makes, accept, entry, by_hand, save = WORDS[language]
    gb_id = GB_ID[:-1] + ("1" if language == "en" else "2")
    _knock(town, gb_id)
    until(lambda: any(one["gb_id"] == gb_id for one in town.ask("GET", "/devices/pending")["items"]))
    theme: Any = "dark" if language == "en" else "light"
    seat = open_seat(language, theme, width=1600, height=1000).sign_in(path="/devices")
    page = seat.page
    row = page.locator("li").filter(has_text=gb_id)
    row.get_by_role("button", name=accept).click()
    seat.dialog().locator("input[type=password]").fill("Tocsin#2026")
    page.screenshot(path=SCREENSHOTS / f"profiles-accept-{language}.png")
    seat.dialog().locator("button[type=submit]").click()
    expect(page.get_by_role("heading", name=entry)).to_be_visible()
    expect(page.locator("dl").filter(has_text=gb_id).first).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"profiles-entry-{language}.png")

    page.get_by_role("button", name=by_hand).click()
    seat.dialog().locator("select").nth(1).select_option("wide")
    page.screenshot(path=SCREENSHOTS / f"profiles-set-{language}.png")
    seat.dialog().get_by_role("button", name=save).click()
    expect(page.locator("section").filter(has=page.get_by_role("heading", name=needs))).to_contain_text("126")
    assert seat.violations() == []

    camera = town.ask("GET", f"/cameras/{town.camera}")
    seat.visit(f"/devices/{camera['device_id']}")
    expect(page.get_by_role("heading", name=needs)).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"profiles-device-{language}.png", full_page=True)
    seat.visit("/devices/makes")
    expect(page.get_by_role("heading", name=makes)).to_be_visible()
    expect(page.locator("tbody tr").first).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"profiles-makes-{language}.png")
    assert seat.violations() == []
