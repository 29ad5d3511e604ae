"""The simulated receiver against the gateway: every dialect, with parity, calling and called."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateways.test_receivers import House, started
from tocsin.domain.directory import Source
from tocsin.sim.receiver import DIALECTS, ReceiverPlan, SimReceiver

WORD = {"surgard": "surgard", "685": "ademco685", "6500": "radionics6500", "dc07": "dc07"}
MANY = tuple(f"{number:04X}" for number in range(0x1000, 0x1020))


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@pytest.mark.parametrize("has_parity", [False, True])
async def test_what_a_receiver_sent_is_what_was_kept(dialect: str, has_parity: bool) -> None:
    async with started(House()) as house:
        plan = ReceiverPlan(
            dialect,
            port=house.gateway.ports[WORD[dialect]],
            accounts=MANY,
            events=100,
            rate_per_s=0,
            has_parity=has_parity,
        )
        report = await SimReceiver(plan).run()
        assert (report.sent, report.acknowledged, report.refused, report.repeated) == (100, 100, 0, 0)
        assert report.heartbeats == report.heartbeats_acknowledged == 1
        assert len(house.intake.signals) == 100
        assert {signal.account for signal in house.intake.signals} == set(MANY)
        assert all(signal.events[0].code_system == "cid" for signal in house.intake.signals)


async def test_a_receiver_that_is_called_sends_all_and_repeats_what_was_not_taken() -> None:
    house = House(commits_at_once=False)
    plan = ReceiverPlan("surgard", listen=0, events=1, rate_per_s=0, repeat_after_s=0.05)
    receiver = SimReceiver(plan)
    running = asyncio.create_task(receiver.run())
    await house.until(lambda: receiver.port > 0)
    house.entered.receivers = [Source("r", "surgard", "receiver", url=f"tcp://127.0.0.1:{receiver.port}")]
    async with started(house):
        await house.until(lambda: len(house.intake.signals) == 2)
        house.intake.commit()
        async with asyncio.timeout(5):
            report = await running
    assert (report.sent, report.acknowledged, report.connections) == (1, 1, 1)
    assert report.repeated >= 1
