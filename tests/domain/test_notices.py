"""What the control room must know about the system itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.registry import INSTALLER_A, OPERATOR, House, actor, small_house
from tocsin.domain.notices import CLOCK_STEPPED, STORE_FAILING, ClockWatch, Notice, NoticeBoard, Severity

__all__ = ["small_house"]


@pytest.fixture
def board(small_house: House) -> NoticeBoard:
    return NoticeBoard(small_house.store, small_house.clock)


async def _keys(board: NoticeBoard) -> list[object]:
    return [notice["key"] for notice in await board.shown_to(OPERATOR)]


async def test_a_notice_is_raised_once_and_cleared(small_house: House, board: NoticeBoard) -> None:
    for _ in range(2):
        await board.raise_notice("media.worker_lost", Severity.WARNING, subject_id="worker-1")
    await board.raise_notice("media.worker_lost", Severity.WARNING, subject_id="worker-2")
    assert await _keys(board) == ["media.worker_lost"] * 2
    await board.clear_notice("media.worker_lost", "worker-1")
    await board.clear_notice("media.worker_lost", "worker-1")
    assert await _keys(board) == ["media.worker_lost"]
    assert len(await small_house.facts("notice.raised")) == 2
    assert len(await small_house.facts("notice.cleared")) == 1


async def test_the_gravest_comes_first_in_the_language_asked_for(board: NoticeBoard) -> None:
    await board.raise_notice("media.worker_lost", Severity.WARNING)
    board.note_store(False, "disk full")
    english, chinese = await board.shown_to(OPERATOR, "en"), await board.shown_to(OPERATOR, "zh-CN")
    assert [notice["key"] for notice in english] == [STORE_FAILING, "media.worker_lost"]
    assert str(english[0]["words"]).startswith("Nothing can be stored: disk full")
    assert str(chinese[0]["words"]).startswith("无法写入存储")


async def test_a_failing_store_is_told_to_listeners_once_and_ends(board: NoticeBoard) -> None:
    heard: list[tuple[str, str]] = []

    def _hear(what: str, notice: Notice) -> None:
        heard.append((what, notice.key))

    board.on_transient(_hear)
    board.note_store(False, "disk full")
    board.note_store(False, "disk full")
    board.note_store(True)
    board.note_store(True)
    assert heard == [("raised", STORE_FAILING), ("cleared", STORE_FAILING)]
    assert await _keys(board) == []


async def test_a_notice_of_a_county_is_for_that_county_and_the_houses_own_for_all(board: NoticeBoard) -> None:
    await board.raise_notice("disk.low", Severity.WARNING, params={"free_mb": 5})
    await board.raise_notice("task.failing", Severity.WARNING, jurisdiction_code="340224")
    assert [notice["key"] for notice in await board.shown_to(INSTALLER_A)] == ["disk.low"]
    assert await board.shown_to(actor()) == []


async def test_a_stepped_clock_is_a_notice_for_ten_minutes(small_house: House, board: NoticeBoard) -> None:
    watch = ClockWatch(board, small_house.clock)
    small_house.clock.advance(5)
    assert await watch.check() == 0.0
    small_house.clock._now += timedelta(seconds=30)
    small_house.clock.advance(5)
    assert await watch.check() == pytest.approx(30.0)
    (notice,) = await board.shown_to(OPERATOR, "en")
    assert (notice["key"], notice["params"]) == (CLOCK_STEPPED, {"step_s": 30.0})
    small_house.clock.advance(599)
    await watch.check()
    assert await _keys(board) == [CLOCK_STEPPED]
    small_house.clock.advance(5)
    await watch.check()
    assert await _keys(board) == []
