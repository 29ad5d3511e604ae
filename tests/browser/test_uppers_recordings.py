"""What an upper platform looked at in recordings, and what it asked for in vain, on its page and in its form."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.test_uppers import free_port
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

WORDS = {
    "en": {
        "right": "List and play recordings",
        "kind": "recording",
        "why": "This upper platform has no right to do that.",
        "told": "it was told 403",
    },
    "zh-CN": {"right": "查询、回放录像", "kind": "录像回放", "why": "该上级平台无此权限。", "told": "已答复 403"},
}


@pytest.mark.parametrize(
    ("language", "theme", "serial", "rights"),
    [("en", "dark", 5, ["live", "recordings"]), ("zh-CN", "light", 6, ["live"])],
)
def test_recordings_looked_at_from_above_and_asks_in_vain_are_shown(
    language: str, theme: Theme, serial: int, rights: list[str], town: Town, open_seat: OpenSeat
) -> None:
    words, port, upper_id = WORDS[language], free_port(), f"3401000000200000000{serial}"
    county = next(one for one in town.ask("GET", "/jurisdictions")["items"] if one["code"] == "340299")
    platform = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "simulate", "platform", "--port", str(port), "--id", upper_id,
         "--password", "Upper-2611", "--seconds", "8", "--play", "0", "--recordings", "1"],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        given = {
            "jurisdiction_id": county["id"], "name": "省厅平台", "name_en": "Province platform", "upper_id": upper_id,
            "host": "127.0.0.1", "port": port, "local_id": "34029900002000000001", "password": "Upper-2611",
            "owner": "河湾县公安局", "purpose": "patrol", "ends_at": "2027-06-30T00:00:00Z", "rights": rights,
        }  # fmt: skip
        upper = town.ask("POST", "/upper-platforms", given)
        lines = {"lines": [{"kind": "camera", "value": town.camera}]}
        town.ask("PUT", f"/upper-platforms/{upper['id']}/selection", lines)
        seat = open_seat(language, theme, width=1440, height=1100)
        seat.sign_in(path=f"/upper-platforms/{upper['id']}/edit")
        page = seat.page
        box = page.get_by_label(words["right"], exact=True)
        expect(box).to_be_checked(checked="recordings" in rights)
        box.scroll_into_view_if_needed()
        page.screenshot(path=SCREENSHOTS / f"uppers-rights-{language}.png", full_page=True)
        seat.visit(f"/upper-platforms/{upper['id']}")
        if "recordings" in rights:
            expect(page.locator("td", has_text=words["kind"]).first).to_be_visible(timeout=40_000)
        else:
            expect(page.get_by_text(words["why"])).to_be_visible(timeout=40_000)
            expect(page.get_by_text(words["told"])).to_be_visible()
        page.screenshot(path=SCREENSHOTS / f"uppers-recordings-{language}.png", full_page=True)
        assert seat.violations() == []
        figures: dict[str, Any] = json.loads(until(lambda: platform.communicate(timeout=60)[0], 60).splitlines()[-1])
        shown = figures["recordings"][0]
        assert (shown.get("status"), shown["files"] > 0) == ((200, True) if "recordings" in rights else (None, False))
        assert shown.get("pictures", 0) > 20 or "recordings" not in rights
    finally:
        if platform.poll() is None:
            platform.kill()
        now = town.ask("GET", f"/upper-platforms/{upper['id']}")
        town.ask("DELETE", f"/upper-platforms/{upper['id']}?version={now['version']}")
