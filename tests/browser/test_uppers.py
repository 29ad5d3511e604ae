"""An upper platform from its entry to the stop, with a simulated one on the other side, in both languages."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

WORDS = {
    "en": {
        "add": "Add an upper platform", "name": "Name", "upper": "Upper platform id", "host": "Address",
        "port": "SIP port", "own": "Our id there", "password": "Password", "owner": "Who answers for it",
        "home": "Jurisdiction", "enter": "Add", "connected": "connected", "stop": "Stop sharing now",
        "stopped": "stopped", "resume": "Resume sharing", "open": "Open now: 1",
    },
    "zh-CN": {
        "add": "新增上级平台", "name": "名称", "upper": "上级平台编号", "host": "地址",
        "port": "SIP 端口", "own": "本级编号", "password": "密码", "owner": "责任单位",
        "home": "辖区", "enter": "新增", "connected": "已连接", "stop": "立即停止共享",
        "stopped": "已停止", "resume": "恢复共享", "open": "正在调看：1",
    },
}  # fmt: skip


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


@pytest.mark.parametrize(("language", "theme", "serial"), [("en", "light", 1), ("zh-CN", "dark", 2)])
def test_an_upper_platform_is_entered_looks_and_is_stopped(
    language: str, theme: Theme, serial: int, town: Town, open_seat: OpenSeat
) -> None:
    words, port, upper_id = WORDS[language], free_port(), f"3401000000200000000{serial}"
    platform = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "simulate", "platform", "--port", str(port), "--id", upper_id,
         "--password", "Upper-2611", "--seconds", "120", "--play", "1"],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        seat = open_seat(language, theme, width=1440, height=1000)
        seat.sign_in(path="/upper-platforms")
        page = seat.page
        page.get_by_role("link", name=words["add"]).click()
        fill = {"name": "市局平台", "upper": upper_id, "host": "127.0.0.1", "own": "34029900002000000001",
                "password": "Upper-2611", "owner": "河湾县公安局"}  # fmt: skip
        for field, text in fill.items():
            page.get_by_label(words[field], exact=True).fill(text)
        page.get_by_label(words["port"], exact=True).fill(str(port))
        county = next(one for one in town.ask("GET", "/jurisdictions")["items"] if one["code"] == "340299")
        page.get_by_label(words["home"], exact=True).select_option(county["id"])
        page.locator(".tree label", has_text=county["code"]).locator("input").first.check()
        page.screenshot(path=SCREENSHOTS / f"uppers-form-{language}.png", full_page=True)
        page.get_by_role("button", name=words["enter"], exact=True).click()

        expect(page.get_by_text(words["connected"], exact=True)).to_be_visible()
        expect(page.get_by_role("heading", name=words["open"])).to_be_visible(timeout=40_000)
        expect(
            page.locator("td.mono", has_text="34029900002160000001").first
        ).to_be_attached()  # the preview: its towns
        found = next(one for one in town.ask("GET", "/upper-platforms")["items"] if one["upper_id"] == upper_id)
        shown = town.ask("GET", f"/upper-platforms/{found['id']}")["live"][0]["camera_id"]
        until(lambda: town.ask("GET", f"/cameras/{shown}")["live"]["state"] == "live")
        page.screenshot(path=SCREENSHOTS / f"uppers-page-{language}.png", full_page=True)
        assert seat.violations() == []

        page.get_by_role("button", name=words["stop"]).click()
        expect(seat.dialog()).to_be_visible()
        page.screenshot(path=SCREENSHOTS / f"uppers-stop-{language}.png")
        seat.dialog().get_by_role("button", name=words["stop"]).click()
        expect(page.get_by_text(words["stopped"], exact=True)).to_be_visible()
        expect(page.get_by_role("button", name=words["resume"])).to_be_visible()
        upper = next(one for one in town.ask("GET", "/upper-platforms")["items"] if one["upper_id"] == upper_id)
        seen = town.ask("GET", f"/upper-platforms/{upper['id']}/views")["items"]
        assert [(one["end_reason"], one["purpose"]) for one in seen] == [("stopped", "patrol")]
        seat.visit("/upper-platforms")
        expect(page.get_by_role("cell", name=upper_id)).to_be_visible()
        page.screenshot(path=SCREENSHOTS / f"uppers-list-{language}.png")

        platform.terminate()
        figures: dict[str, Any] = json.loads(until(lambda: platform.communicate(timeout=60)[0], 60).splitlines()[-1])
        assert figures["views"][0]["status"] == 200
    finally:
        if platform.poll() is None:
            platform.kill()
