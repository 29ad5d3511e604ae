"""Installers' tests on both databases: links, tests, what came meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.clocks import START
from tests.support.house import PANEL, SHOP_PANEL, build_town, burglary, signal_of
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.intake import Intake
from tocsin.domain.zone_test import TestLink, ZoneTest
from tocsin.storage.store import AnyStore

LINK = TestLink("link-1", PANEL, "330110", "赵工", START, "li", START + timedelta(hours=4), made_by_name="Li")
TEST = ZoneTest("test-1", "link-1", PANEL, "330110", "赵工", START, START + timedelta(hours=1))


async def test_links_and_tests_are_found_as_they_were_kept(store: AnyStore) -> None:
    await store.run(build_town)
    await store.run(lambda tx: tx.zone_tests.add_link(LINK, "hash"))
    assert await store.read(lambda tx: tx.zone_tests.link_of("hash")) == LINK
    assert await store.read(lambda tx: tx.zone_tests.link_of("other")) is None
    await store.run(lambda tx: tx.zone_tests.revoke(LINK.id, START))
    assert [one.revoked_at for one in await store.read(lambda tx: tx.zone_tests.links_of(PANEL))] == [START]
    with pytest.raises(TocsinError) as refused:
        await store.read(lambda tx: tx.zone_tests.link("none"))
    assert refused.value.code is ErrorCode.NOT_FOUND

    asked = TEST.asking("4", START)
    await store.run(lambda tx: tx.zone_tests.add(asked))
    assert await store.read(lambda tx: tx.zone_tests.running(PANEL)) == asked
    assert await store.read(lambda tx: tx.zone_tests.running(SHOP_PANEL)) is None
    assert await store.read(lambda tx: tx.zone_tests.due(START)) == []
    assert await store.read(lambda tx: tx.zone_tests.due(asked.until)) == [asked]
    over = replace(asked, ended_at=START, how_ended="hand", summary={"seen": 1})
    await store.run(lambda tx: tx.zone_tests.save(over))
    assert await store.read(lambda tx: tx.zone_tests.of_device(PANEL)) == [over]
    assert await store.read(lambda tx: tx.zone_tests.last_of_link(LINK.id)) == over
    assert await store.read(lambda tx: tx.zone_tests.running(PANEL)) is None


async def test_what_came_has_its_answer_and_its_alarms(store: AnyStore) -> None:
    await store.run(build_town)
    intake = Intake(store)
    first = await intake.accept(signal_of(burglary(), after_s=1))
    await intake.accept(signal_of(burglary(), device_id=SHOP_PANEL, after_s=2))
    await intake.accept(signal_of(burglary(), after_s=500))
    intake.acknowledged(first.arrival_id, START + timedelta(seconds=2))
    await intake.ledger.stop()
    came = await store.read(lambda tx: tx.zone_tests.came(PANEL, START, START + timedelta(seconds=60), 10))
    assert [(stored.id, answered) for stored, answered in came] == [(first.signal_id, START + timedelta(seconds=2))]
    assert await store.read(lambda tx: tx.zone_tests.alarm_zones([first.signal_id])) == {first.signal_id: ["004"]}
