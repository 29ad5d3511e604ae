"""A terminal in the browser: entered with its unit, seen pressing SOS, told something, asked and set, exchanged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.town import Town

pytestmark = pytest.mark.browser

WORDS = {
    "en": {
        "new": "Terminal · JT/T 808",
        "number": "Number",
        "unit": "Unit",
        "name": "Name",
        "jurisdiction": "Jurisdiction",
        "enter": "Enter the device",
        "wrong": "Digits alone, without zeros in front.",
        "away": "Not connected",
        "connected": "Connected",
        "held": "SOS is held.",
        "text": "Words to the crew",
        "send": "Send to the crew",
        "taken": "The terminal has taken it.",
        "ask": "Ask for its intervals",
        "heartbeat": "Heartbeat (s)",
        "positions": "Where it was…",
        "point": "Position of the terminal",
        "purpose": "Purpose",
        "read": "Read",
        "close": "Close",
        "restart": "Restart…",
        "restart_do": "Restart",
        "restarted": "The terminal has taken it and restarts.",
        "release": "Allow another terminal",
        "unregistered": "The next terminal that registers is taken.",
    },
    "zh-CN": {
        "new": "车载或手持终端 · JT/T 808",
        "number": "终端手机号",
        "unit": "所属单位",
        "name": "名称",
        "jurisdiction": "辖区",
        "enter": "登记",
        "wrong": "仅填写数字，前面不加 0。",
        "away": "未连接",
        "connected": "已连接",
        "held": "紧急报警按钮已按下。",
        "text": "下发文本",
        "send": "发送",
        "taken": "终端已收到。",
        "ask": "查询终端参数",
        "heartbeat": "心跳间隔（秒）",
        "positions": "查询位置…",
        "point": "终端位置",
        "purpose": "用途",
        "read": "查询",
        "close": "关闭",
        "restart": "重启…",
        "restart_do": "重启",
        "restarted": "终端已接受，正在重启。",
        "release": "允许更换终端",
        "unregistered": "下一台注册的终端将被接受。",
    },
}


def _port(town: Town) -> str:
    environment = Path(f"/proc/{town.process.pid}/environ").read_bytes().split(b"\0")
    return next(one.partition(b"=")[2].decode() for one in environment if one.startswith(b"TOCSIN_JT808__PORT="))


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_terminal_is_entered_told_asked_and_exchanged(language: str, town: Town, open_seat: OpenSeat) -> None:
    words, theme = WORDS[language], "dark" if language == "en" else "light"
    number = "13800139001" if language == "en" else "13800139002"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    seat = open_seat(language, theme, height=1300).sign_in(path="/devices/new")
    page = seat.page
    page.screenshot(path=SCREENSHOTS / f"terminal-choice-{language}-{theme}.png")
    page.get_by_role("link", name=words["new"]).click()
    page.get_by_label(words["number"], exact=True).fill("013")
    page.get_by_label(words["name"], exact=True).fill(f"终端 {number[-3:]}")
    page.get_by_label(words["jurisdiction"], exact=True).select_option(index=1)
    page.get_by_label(words["unit"], exact=True).select_option(index=1)
    page.get_by_role("button", name=words["enter"], exact=True).click()
    expect(page.get_by_text(words["wrong"])).to_be_visible()
    page.get_by_label(words["number"], exact=True).fill(number)
    page.screenshot(path=SCREENSHOTS / f"terminal-form-{language}-{theme}.png")
    page.get_by_role("button", name=words["enter"], exact=True).click()
    expect(page.get_by_text(words["away"], exact=True)).to_be_visible()
    device_id = page.url.rpartition("/")[2]
    arguments = ("--port", _port(town), "--phone", number, "--seconds", "600", "--sos", "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "simulate", "terminal", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        expect(page.get_by_text(words["connected"], exact=True)).to_be_visible()
        expect(page.get_by_text(words["held"])).to_be_visible()
        page.get_by_label(words["text"]).fill("请到西门")
        page.get_by_role("button", name=words["send"], exact=True).click()
        expect(page.get_by_text(words["taken"]).first).to_be_visible()
        expect(page.get_by_label(words["text"])).to_have_value("")
        page.get_by_role("button", name=words["ask"]).click()
        expect(page.get_by_label(words["heartbeat"])).to_have_value("60")
        page.screenshot(path=SCREENSHOTS / f"terminal-page-{language}-{theme}.png")
        page.get_by_role("button", name=words["positions"]).click()
        seat.dialog().get_by_label(words["purpose"]).select_option("maintenance")
        seat.dialog().get_by_role("button", name=words["read"], exact=True).click()
        expect(seat.dialog().locator("[aria-live] p")).to_be_visible()
        seat.dialog().screenshot(path=SCREENSHOTS / f"terminal-positions-{language}-{theme}.png")
        reading = town.ask("GET", f"/audit?subject={device_id}&action=terminal.positions_read")["items"]
        assert [one["detail"]["purpose"] for one in reading] == ["maintenance"]
        seat.dialog().locator(".actions").get_by_role("button", name=words["close"]).click()
        (incident,) = town.ask("GET", f"/incidents?device_id={device_id}")["items"]
        assert (incident["place"], incident["point"]["has_fix"]) == (None, True)
        page.goto(f"{town.url}/?incident={incident['id']}")
        expect(page.get_by_role("heading", name=words["point"])).to_be_visible()
        page.screenshot(path=SCREENSHOTS / f"terminal-point-{language}-{theme}.png")
        page.goto(f"{town.url}/devices/{device_id}")
        page.get_by_role("button", name=words["restart"]).click()
        seat.dialog().get_by_role("button", name=words["restart_do"], exact=True).click()
        expect(page.get_by_text(words["restarted"]).first).to_be_visible()
        page.get_by_role("button", name=words["release"]).click()
        seat.dialog().screenshot(path=SCREENSHOTS / f"terminal-release-{language}-{theme}.png")
        seat.dialog().get_by_role("button", name=words["release"]).click()
        expect(page.get_by_text(words["unregistered"])).to_be_visible()
    finally:
        process.terminate()
        process.wait(20)
        town.retire_device(device_id)
