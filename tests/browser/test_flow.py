"""One alarm from the panel's button to the closed incident, as an operator sees it, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenSeat
from tests.browser.seat import Seat
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser


@dataclass(frozen=True, slots=True)
class Said:
    """What the console says along the flow, in one language."""

    language: str
    nothing_waits: str
    place: str
    alarm: str
    camera: str
    live: str
    plan: str
    steps: tuple[str, ...]
    units: str
    claim: str
    claimed: str
    genuine: str
    close: str
    blocked: tuple[str, ...]
    cancel: str
    done: str
    call_note: str
    last_note: str
    accepted: str
    sent_units: str
    under_way: str
    arrived: str
    finished: str
    disposition: str
    closed: str
    history: tuple[str, ...]


CHINESE = Said(
    language="zh-CN",
    nothing_waits="没有待接的警情。",
    place="老桥",
    alarm="1 防区",
    camera="老桥北侧",
    live="实时",
    plan="处置预案",
    steps=("查看关联画面", "判定：属实、误报或不确定", "立即派出最近警力，同时回拨核实", "记录现场处置"),
    units="最近警力（直线距离）",
    claim="接警",
    claimed="由您接警",
    genuine="属实",
    close="结警",
    blocked=("请先判定：属实、误报或不确定",),
    cancel="取消",
    done="完成",
    call_note="值班人员接听，无人受伤",
    last_note="桥头按钮误压已排除，现场平静",
    accepted="已签收",
    sent_units="已派警力",
    under_way="已出警",
    arrived="已到达",
    finished="处置完毕",
    disposition="属实，已处置",
    closed="已结警。",
    history=("接警持有", "判定：属实", "首帧图像已显示", "结警：属实，已处置"),
)
ENGLISH = Said(
    language="en",
    nothing_waits="Nothing waits.",
    place="Old Bridge",
    alarm="zone 1",
    camera="Old Bridge, north side",
    live="Live",
    plan="Response plan",
    steps=(
        "Watch the pictures of the alarm point",
        "Decide: genuine, false or unsure",
        "Send the nearest unit at once, call back meanwhile",
        "Write down what was done",
    ),
    units="Nearest in a straight line",
    claim="Claim",
    claimed="Claimed by you",
    genuine="Genuine",
    close="Close",
    blocked=("Decide first: genuine, false or unsure",),
    cancel="Cancel",
    done="Done",
    call_note="The guard answered, nobody is hurt",
    last_note="Somebody leaned on the button, all calm",
    accepted="Accepted",
    sent_units="Units sent",
    under_way="It is under way",
    arrived="It has arrived",
    finished="It has finished",
    disposition="Genuine, handled",
    closed="Incident closed.",
    history=("Claimed", "Decided: genuine", "First picture on screen", "Closed: Genuine, handled"),
)


@pytest.mark.parametrize("said", [CHINESE, ENGLISH], ids=["zh-CN", "en"])
def test_one_alarm_is_seen_worked_and_closed(
    said: Said, town: Town, open_seat: OpenSeat, alarm: Callable[[], str]
) -> None:
    seat = open_seat(said.language, "dark" if said is ENGLISH else "light", width=1440, height=900).sign_in()
    card, page = seat.card, seat.page
    expect(page.locator("#queue-rows")).to_contain_text(said.nothing_waits)
    assert page.evaluate("document.documentElement.lang") == said.language

    incident_id = alarm()
    _the_alarm_is_shown(said, seat, incident_id)
    seat.expect_advancing()

    # closing is refused before the work is done, in words
    seat.button(said.close).click()
    for words in said.blocked:
        expect(seat.dialog()).to_contain_text(words)
    expect(seat.dialog().get_by_role("radio")).to_have_count(0)
    seat.dialog().get_by_role("button", name=said.cancel).click()

    # claimed: the sound ends, the row is mine, the picture goes on
    seat.button(said.claim).first.click()
    expect(card).to_contain_text(said.claimed)
    seat.tab("mine").click()
    expect(seat.row(incident_id)).to_be_visible()
    seat.expect_silence(2.5)
    seat.expect_advancing()

    # genuine
    seat.button(said.genuine).first.click()
    expect(seat.button(said.genuine).first).to_have_attribute("aria-pressed", "true")

    # a unit is sent; what it says by radio comes back through the API and over the feed
    nearest = page.locator(".dispatch button[data-unit]").first
    unit_id = nearest.get_attribute("data-unit")
    nearest.click()
    expect(page.locator("[data-assignment]")).to_have_count(1)
    expect(page.locator(".dispatch")).to_contain_text(said.sent_units)
    assignment = until(lambda: town.incident(incident_id)["assignments"])[0]
    assert assignment["unit_id"] == unit_id
    town.act(incident_id, f"assignments/{assignment['id']}", state="accepted")
    expect(page.locator("[data-assignment]")).to_have_attribute("data-state", "accepted")
    expect(page.locator("[data-assignment] .head")).to_contain_text(said.accepted)

    # the steps by hand, the unit's way by the buttons
    _write(seat, said.done, said.call_note)
    for words, state in ((said.under_way, "en_route"), (said.arrived, "on_scene"), (said.finished, "cleared")):
        page.locator("[data-assignment]").get_by_role("button", name=words).click()
        expect(page.locator("[data-assignment]")).to_have_attribute("data-state", state)
    while card.locator(".step.now input").count() == 0:  # an optional check stands in between
        before = card.locator(".step.done").count()
        card.locator(".step.now").get_by_role("button", name=said.done).click()
        expect(card.locator(".step.done")).to_have_count(before + 1)
    _write(seat, said.done, said.last_note)

    # closed with a disposition
    seat.button(said.close).click()
    seat.dialog().get_by_role("radio", name=said.disposition, exact=True).check()
    seat.dialog().locator("button[type=submit]").click()
    expect(seat.toast(said.closed)).to_be_visible()
    expect(seat.row(incident_id)).to_have_count(0)

    # who saw and did what, when
    _the_history_tells(said, seat, town, incident_id)
    verified = town.ask("POST", "/audit/verify")
    assert verified["holds"], verified["problems"]


def _the_alarm_is_shown(said: Said, seat: Seat, incident_id: str) -> None:
    """The row, the sound, the card with words, picture and plan, the units."""
    expect(seat.row(incident_id)).to_be_visible()
    expect(seat.row(incident_id)).to_contain_text(said.place)
    expect(seat.row(incident_id)).to_have_attribute("aria-current", "true")
    until(seat.tones)
    expect(seat.card).to_contain_text(said.place)
    expect(seat.card.locator("p.lead")).to_contain_text(said.alarm)
    expect(seat.picture("live")).to_have_count(1)
    expect(seat.picture("live")).to_contain_text(f"{said.live} · {said.camera}")
    expect(seat.card).to_contain_text(said.plan)
    for step in said.steps:
        expect(seat.card.locator("section.plan")).to_contain_text(step)
    expect(seat.page.locator(".dispatch")).to_contain_text(said.units)
    expect(seat.page.locator(".dispatch button[data-unit]").nth(2)).to_be_visible()


def _write(seat: Seat, done: str, text: str) -> None:
    """Finish the current step with a line about it."""
    step = seat.card.locator(".step.now")
    title = step.locator("div").first.inner_text().splitlines()[0]
    step.locator("input").fill(text)
    step.get_by_role("button", name=done).click()
    expect(seat.card.locator(".step.done").filter(has_text=text)).to_contain_text(title.split(" · ")[0][:8])


def _the_history_tells(said: Said, seat: Seat, town: Town, incident_id: str) -> None:
    """The incident's page names acts, actors and times; the record behind it agrees."""
    seat.page.goto(f"{town.url}/incidents/{incident_id}")
    main = seat.page.locator("main#main")
    for words in (*said.history, said.call_note, said.last_note, "林青"):
        expect(main).to_contain_text(words)
    incident = town.incident(incident_id)
    assert incident["state"] == "closed"
    assert incident["disposition"] == "genuine_handled"
    stamps = incident["stamps"]
    order = ["t1", "t2", "t4", "t5", "t7", "t9", "t10", "t11", "t12", "t15", "t16"]
    assert [name for name in order if name not in stamps] == []
    times = [stamps[name]["at"] for name in order]
    assert times == sorted(times)
    assert "t6" in stamps
    viewed = [entry for entry in incident["history"] if entry["action"] == "view.opened"]
    assert viewed
    assert all(entry["actor"]["name"] == "林青" for entry in viewed)
