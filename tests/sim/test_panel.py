"""Simulated panels against our own gateway, and against nobody."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from tests.support.dc09 import FixedAccounts, NotedTouches, WaitingIntake
from tocsin.base.clock import SystemClock
from tocsin.domain.directory import Dc09Account
from tocsin.gateways.dc09 import Dc09Config, Dc09Gateway
from tocsin.protocols.contact_id.payload import parse_adm_cid, to_event
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.sia_codes.codes import CODES
from tocsin.sim.panel import PanelPlan, PanelSpec, SimEvent, SimPanel, Storm, run_panels
from tocsin.sim.panel_device import Outcome
from tocsin.sim.panel_profiles import CID_OF_SIA, PROFILES, CodeForm, write_event

ACCOUNTS = tuple(f"{n:04d}" for n in range(40))
KEYS = {account: AesKey(bytes([n]) * (16, 24, 32)[n % 3]) for n, account in enumerate(ACCOUNTS) if n % 2}


class Receiver:
    def __init__(self) -> None:
        self.intake = WaitingIntake()
        self.supervision = NotedTouches()
        accounts = [
            Dc09Account(f"d{account}", account, keys=(KEYS[account].reveal(),) if account in KEYS else ())
            for account in ACCOUNTS
        ]
        self.gateway = Dc09Gateway(
            Dc09Config(port=0), self.intake, FixedAccounts(*accounts), self.supervision, SystemClock()
        )

    async def heard_something(self) -> None:
        for _ in range(500):
            if self.supervision.touches:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("nothing was heard within five seconds")

    @property
    def port(self) -> int:
        return self.gateway.health().tcp_port


@contextlib.asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    running = Receiver()
    await running.gateway.start()
    try:
        yield running
    finally:
        await running.gateway.stop()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_everything_sent_is_acknowledged_and_stored_once(transport):
    async with receiver() as there:
        plan = PanelPlan(
            port=there.port,
            transport=transport,
            accounts=ACCOUNTS,
            keys=KEYS,
            events=200,
            rate_per_s=0,
            connections=4,
        )
        report = await run_panels(plan)
        assert (report.sent, report.acknowledged, report.refused, report.no_reply) == (200, 200, 0, 0)
        assert len(there.intake.signals) == 200
        assert {signal.quarantine for signal in there.intake.signals} == {""}
        assert {signal.encrypted for signal in there.intake.signals} == {False, True}
        assert set(report.latency_ms) == {"p50", "p95", "p99", "max"}
        assert json.loads(json.dumps(report.to_json()))["sent"] == 200


@pytest.mark.parametrize("profile", PROFILES)
async def test_the_oddities_of_every_make_are_read_and_acknowledged(profile):
    async with receiver() as there:
        plan = PanelPlan(
            port=there.port,
            accounts=ACCOUNTS[:1],
            profile=profile,
            event=SimEvent("BA", area="1", zone="003", text="前门"),
            events=3,
            rate_per_s=0,
        )
        report = await run_panels(plan)
        assert (report.acknowledged, report.no_reply) == (3, 0)
        for signal in there.intake.signals:
            assert (signal.account, signal.quarantine) == ("0000", "")
            (event,) = signal.events
            assert event.category == "burglary"
            assert event.zone == "003"
            if PROFILES[profile].form is None:
                assert event.text == "前门"


@pytest.mark.parametrize("profile", ["standard", "lower_case", "old_pad", "dribbling"])
async def test_makes_that_encrypt_are_read_too(profile):
    async with receiver() as there:
        plan = PanelPlan(
            port=there.port, accounts=ACCOUNTS[1:2], keys=KEYS, profile=profile, events=3, rate_per_s=0, seed=5
        )
        assert (await run_panels(plan)).acknowledged == 3
        assert all(signal.encrypted and not signal.quarantine for signal in there.intake.signals)


async def test_the_same_seed_sends_the_same_events():
    async def codes(seed: int) -> list[tuple[str, str]]:
        async with receiver() as there:
            plan = PanelPlan(port=there.port, accounts=("0000",), events=30, rate_per_s=0, seed=seed)
            await run_panels(plan)
            return [(signal.events[0].code, signal.events[0].zone) for signal in there.intake.signals]

    first = await codes(1)
    assert first == await codes(1)
    assert first != await codes(2)


async def test_a_panel_with_a_wrong_clock_sets_it_from_the_refusal_and_is_acknowledged():
    async with receiver() as there:
        plan = PanelPlan(
            port=there.port, accounts=("0001",), keys=KEYS, events=2, rate_per_s=0, clock_offset_s=-86400.0
        )
        report = await run_panels(plan)
        assert (report.acknowledged, report.clock_set, report.retried) == (2, 1, 1)


async def test_a_storm_reports_once_from_each_of_its_panels():
    async with receiver() as there:
        storm = Storm("AT", share=0.5, within_s=0.1)
        report = await run_panels(PanelPlan(port=there.port, accounts=ACCOUNTS, keys=KEYS, events=0, storms=(storm,)))
        assert report.acknowledged == 20
        assert len({signal.account for signal in there.intake.signals}) == 20
        assert {signal.events[0].code for signal in there.intake.signals} == {"AT"}


async def test_without_an_answer_a_panel_repeats_itself_and_gives_up():
    async with receiver() as there:
        there.intake.commits_at_once = False
        plan = PanelPlan(port=there.port, accounts=("0000",), events=1, tries=3, retry_after_s=0.05)
        report = await run_panels(plan)
        assert (report.sent, report.no_reply, report.retried) == (1, 1, 2)
        assert len({signal.dedup_key for signal in there.intake.signals}) == 1
        there.intake.fail(OSError("never committed"))


async def test_a_panel_polls_reports_on_demand_and_survives_a_restart_of_the_receiver():
    async with receiver() as there:
        panel = SimPanel(PanelSpec("0001", KEYS["0001"], poll_interval_s=0.05, retry_after_s=0.1), SystemClock())
        await panel.start("127.0.0.1", there.port)
        try:
            await there.heard_something()
            delivery = await panel.send_event(SimEvent("BA", zone="004", text="西门"))
            assert delivery.outcome is Outcome.ACKNOWLEDGED
            assert delivery.tries == 1
            for connection in list(there.gateway.connections):
                connection.close("test")
            delivery = await panel.send_event(SimEvent("BR", zone="004"))
            assert delivery.outcome is Outcome.ACKNOWLEDGED
            assert [signal.events[0].code for signal in there.intake.signals if signal.events][-1] == "BR"
        finally:
            await panel.stop()


async def test_nobody_there_is_an_error_at_the_start():
    with pytest.raises(OSError):
        await run_panels(PanelPlan(port=1, events=1))


@pytest.mark.parametrize(
    "plan", [PanelPlan(), PanelPlan(events=1, profile="nonesuch"), PanelPlan(events=1, accounts=())]
)
async def test_a_plan_that_cannot_run_is_refused(plan):
    with pytest.raises(ValueError):
        await run_panels(plan)


def test_every_contact_id_word_of_the_simulator_means_the_same_as_its_sia_code():
    for sia in CID_OF_SIA:
        _, data = write_event(SimEvent(sia, zone="003", user="007"), "1234", PROFILES["standard"], CodeForm.CID)
        report = parse_adm_cid(data)
        assert report is not None
        event = to_event(report)
        assert event.is_known
        assert (event.kind, event.priority) == (CODES[sia].kind, CODES[sia].priority), sia
