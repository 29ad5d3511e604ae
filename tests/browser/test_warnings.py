"""An incident is handed out as a public warning: a draft at first, saved as a file, its words in the audit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.town import Town
from tocsin.protocols.cap.alert import BadAlert, read

pytestmark = pytest.mark.browser

WORDS = {
    "en": ("Public warning…", "Headline", "Severity", "Save the file", "DRAFT: "),
    "zh-CN": ("公共预警…", "标题", "严重程度", "保存文件", "【草稿】"),
}


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("zh-CN", "light")])
def test_a_draft_of_a_warning_is_written_and_saved(
    language: str, theme: Theme, town: Town, open_seat: OpenSeat, alarm: Callable[[], str], tmp_path: Path
) -> None:
    open_it, headline, severity, save, lead = WORDS[language]
    incident_id = alarm()
    seat = open_seat(language, theme, width=1280, height=900).sign_in(path=f"/incidents/{incident_id}")
    seat.page.get_by_role("button", name=open_it).click()
    dialog = seat.dialog()
    dialog.get_by_role("button", name=save).click()
    expect(dialog.get_by_label(headline)).to_be_focused()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    seat.page.screenshot(path=SCREENSHOTS / f"warning-{language}-{theme}.png")
    assert seat.violations() == []
    dialog.get_by_label(headline).fill("Stay indoors")
    dialog.get_by_label(severity).select_option("Severe")
    with seat.page.expect_download() as saved:
        dialog.get_by_role("button", name=save).click()
    assert saved.value.suggested_filename.endswith(".draft.cap.xml")
    saved.value.save_as(tmp_path / "warning.xml")
    found = read((tmp_path / "warning.xml").read_bytes())
    assert not isinstance(found, BadAlert)
    assert (found[0].infos[0].headline, found[0].infos[0].severity) == (f"{lead}Stay indoors", "Severe")
    expect(dialog).to_have_count(0)
