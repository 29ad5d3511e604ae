"""The account of a panel: filled in on its page, used on the card of its incident."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

WORDS = {
    "en": {
        "add": "Add a contact", "name": "Name", "phone": "Telephone", "save": "Save", "plans": "Zones and floor plans",
        "passwords": "Passwords", "set": "Set a password", "for": "For", "word": "Password",
        "duress": "Said under threat: it raises", "plan": "Add a floor plan", "file": "Picture", "put": "Add",
        "plan_name": "Name", "note": "Write a note", "text": "Note", "called": "No answer", "claim": "Claim",
        "premises": "Premises", "check": "Password said on the telephone", "threat": "Said under threat.",
        "numbers": "Show the numbers",
    },
    "zh-CN": {
        "add": "新增联系人", "name": "姓名", "phone": "电话", "save": "保存", "plans": "防区与平面图",
        "passwords": "核实口令", "set": "设置口令", "for": "用途", "word": "口令",
        "duress": "胁迫口令：说出", "plan": "新增平面图", "file": "图片文件", "put": "添加",
        "plan_name": "名称", "note": "新增提示", "text": "提示内容", "called": "无人接听", "claim": "接警",
        "premises": "场所与提示", "check": "电话中说出的口令", "threat": "对方说出的是胁迫口令。",
        "numbers": "显示号码",
    },
}  # fmt: skip


def floor_plan(width_px: int = 480, height_px: int = 320) -> bytes:
    """Return a drawing of four rooms as PNG."""

    def _chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def _row(y: int) -> bytes:
        walls = bytes(60 if x % 240 < 3 or y % 160 < 3 else 235 for x in range(width_px))
        return b"\0" + walls

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(_row(y) for y in range(height_px)))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh-CN", "dark")])
def test_an_account_is_filled_in_and_serves_its_incident(
    language: str, theme: Theme, town: Town, open_seat: OpenSeat, tmp_path: Path
) -> None:
    words = WORDS[language]
    device = next(one for one in town.ask("GET", "/devices?kind=panel")["items"] if one["address"]["account"] == "0232")
    path = f"/devices/{device['id']}/account"
    seat = open_seat(language, theme, width=1500, height=1000)
    seat.sign_in(path=f"{path}?tab=contacts")
    page = seat.page

    def picture(name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"account-{name}-{language}.png")
        assert seat.violations() == []

    def tab(name: str) -> None:
        page.get_by_role("link", name=words[name], exact=True).click()
        expect(page.locator(".skeleton")).to_have_count(0)

    def save(name: str = "save") -> None:
        seat.dialog().locator(".actions").get_by_role("button", name=words[name], exact=True).click()
        expect(seat.dialog()).to_have_count(0)

    page.get_by_role("button", name=words["add"], exact=True).click()
    seat.dialog().get_by_label(words["name"], exact=True).fill("周师傅 Mr Zhou")
    seat.dialog().get_by_label(words["phone"]).fill("130 0000 0200")
    picture("contact-dialog")
    save()
    expect(page.locator("[data-contact]")).to_contain_text("周师傅")
    picture("contacts")

    tab("plans")
    page.get_by_role("button", name=words["plan"], exact=True).click()
    (tmp_path / "plan.png").write_bytes(floor_plan())
    seat.dialog().get_by_label(words["plan_name"], exact=True).fill("1F")
    seat.dialog().get_by_label(words["file"]).set_input_files(tmp_path / "plan.png")
    save("put")
    page.locator("button.zone").first.click()
    page.locator(".sheet img").click(position={"x": 200, "y": 120})
    expect(page.locator(".sheet .mark")).to_have_count(1)
    page.locator("button.zone").first.press("ArrowRight")
    picture("plan")

    tab("passwords")
    page.get_by_role("button", name=words["set"], exact=True).click()
    seat.dialog().get_by_label(words["for"], exact=True).fill("night")
    seat.dialog().get_by_label(words["word"], exact=True).fill("autumn leaves")
    seat.dialog().get_by_label(words["duress"]).check()
    picture("password-dialog")
    save()
    picture("passwords")
    page.get_by_role("link", name=words["premises"], exact=True).click()
    page.get_by_role("button", name=words["note"], exact=True).click()
    seat.dialog().get_by_label(words["text"], exact=True).fill("梯子在后院 ladder in the yard")
    save()
    picture("premises")

    town.alarm_of("no1-middle", "BA", "1")
    incident = until(lambda: [one["id"] for one in town.open_incidents()])[0]
    seat.visit("/")
    seat.row(incident).click()
    seat.card.get_by_role("button", name=words["claim"]).first.click()
    mine = seat.card.locator("[data-account]")
    expect(mine).to_contain_text("ladder in the yard")
    mine.locator("[data-contact]").get_by_role("button", name=words["called"], exact=True).click()
    expect(mine.get_by_role("button", name=words["called"], exact=True)).to_have_attribute("aria-pressed", "true")
    at_place = page.locator("[data-place]")
    expect(at_place).to_contain_text("•")
    at_place.get_by_role("button", name=words["numbers"], exact=True).click()
    expect(at_place.locator("a[href^='tel:']").first).to_be_visible()
    mine.get_by_label(words["check"]).fill("Autumn-Leaves")
    mine.get_by_label(words["check"]).press("Enter")
    expect(mine).to_contain_text(words["threat"])
    expect(mine.locator(".mark.lit")).to_have_count(1)
    mine.scroll_into_view_if_needed()
    picture("card")
    until(lambda: any(one["kind"] == "duress" for one in town.incident(incident)["alarms"]))
    seat.visit(f"{path}?tab=history")
    expect(page.get_by_role("row")).not_to_have_count(1)
    picture("history")
    for plan in town.ask("GET", f"/accounts/{device['id']}")["plans"]:
        town.ask("DELETE", f"/accounts/{device['id']}/plans/{plan['id']}")
    for kept in town.ask("GET", f"/accounts/{device['id']}/passwords")["items"]:
        town.ask("DELETE", f"/accounts/{device['id']}/passwords/{kept['id']}")
    for contact in town.ask("POST", f"/accounts/{device['id']}/contacts/open", {})["items"]:
        town.ask("DELETE", f"/accounts/{device['id']}/contacts/{contact['id']}")
    for note in town.ask("GET", f"/accounts/{device['id']}")["notes"]:
        town.ask("DELETE", f"/accounts/{device['id']}/notes/{note['id']}")
