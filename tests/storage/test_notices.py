"""Notices as rows on both engines."""

from __future__ import annotations

from datetime import timedelta

from tests.support.clocks import START, FixedClock
from tocsin.domain.access import Scope
from tocsin.domain.notices import NoticeBoard, Severity
from tocsin.storage.store import AnyStore

ALL = Scope(("3402",), includes_house=True)


async def test_notices_are_open_until_cleared_and_kept_for_a_while(store: AnyStore, clock: FixedClock) -> None:
    board = NoticeBoard(store, clock)
    first = await board.raise_notice("disk.low", Severity.WARNING, params={"free_mb": 5})
    again = await board.raise_notice("disk.low", Severity.WARNING, params={"free_mb": 4})
    await board.raise_notice("task.failing", Severity.WARNING, subject_id="x", jurisdiction_code="340223")
    assert again == first
    found = await store.read(lambda tx: tx.notices.open(visible_to=ALL))
    assert [notice.key for notice in found] == ["task.failing", "disk.low"]
    assert await store.read(lambda tx: tx.notices.open(visible_to=Scope(("99",)))) == []
    await board.clear_notice("disk.low")
    assert await store.read(lambda tx: tx.notices.find("disk.low", "")) is None
    assert await store.run(lambda tx: tx.notices.trim(START)) == 0
    assert await store.run(lambda tx: tx.notices.trim(START + timedelta(days=1))) == 1
