"""A house of one process with two gateways under their runner, and a share of the simulated city to speak to them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness import free_port
from tests.support.house import NORTH, PEOPLE, build_town
from tocsin.base.clock import SystemClock
from tocsin.domain.directory import Directory
from tocsin.domain.forms import signal_form
from tocsin.domain.incident_detail import SignalFilter
from tocsin.domain.incident_service import IncidentService
from tocsin.domain.intake import Intake
from tocsin.domain.supervision import Supervision
from tocsin.domain.terminal_intake import TerminalIntake
from tocsin.gateways.dc09 import Dc09Config, Dc09Gateway
from tocsin.gateways.jt808 import Jt808Config, Jt808Gateway
from tocsin.gateways.runner import Gateways
from tocsin.imports import import_file
from tocsin.settings import Settings, load_settings
from tocsin.sim.city import City, CityServer
from tocsin.sim.city_plan import CityPlan, city_panels, city_terminals
from tocsin.sim.city_registry import devices_file, places_file, zones_file
from tocsin.stores import open_store, open_vault

PAGE = 500


@dataclass
class House:
    """The parts a test touches. `heard`: alarm id -> when a listener of the store heard of it."""

    city: City
    gateways: Gateways
    dc09: Dc09Gateway
    store: Any
    heard: dict[str, float]

    def tear_down_dc09(self) -> None:
        """Do to the gateway what a crash of its task does: its sockets are gone, its lines break within frames."""
        tcp, udp = self.dc09._server, self.dc09._udp
        assert tcp is not None
        assert udp is not None
        tcp.close()
        udp.close()
        for connection in list(self.dc09.connections):
            if connection._transport is not None:
                connection._transport.abort()

    async def signals(self) -> list[dict[str, Any]]:
        """Return all signals as the API would."""
        desk, after = IncidentService(self.store), ""
        found: list[dict[str, Any]] = []
        while page := await desk.signals(SignalFilter(after=after), actor=PEOPLE.chief, limit=PAGE):
            found += [signal_form(stored, alarm_ids) for stored, alarm_ids in page]
            after = page[-1][0].id
        return found


@contextlib.asynccontextmanager
async def build_house(folder: Path, plan: CityPlan) -> AsyncIterator[House]:
    """Enter the city in a folder, start both gateways under the runner, and connect the city."""
    settings = load_settings(environ={}, overrides={"server.data": folder / "data"})
    (folder / "data").mkdir()
    async with open_store(settings) as store:
        await store.run(build_town)
    await asyncio.to_thread(_enter, settings, folder, plan)
    clock = SystemClock()
    async with open_store(settings) as store:
        vault = await open_vault(settings.secret_key_path, store)
        intake, directory = Intake(store), Directory(store, vault)
        supervision = Supervision(store, directory, clock, intake)
        await directory.load()
        terminals = TerminalIntake(store, intake, clock, keep_hours=24)
        dc09_port, jt808_port = free_port(), free_port()
        dc09 = Dc09Gateway(Dc09Config(port=dc09_port), intake, directory, supervision, clock)
        jt808 = Jt808Gateway(Jt808Config(port=jt808_port), terminals, intake, directory, supervision, clock)
        await terminals.start()
        gateways = Gateways(clock)
        gateways.add("DC-09", dc09)
        gateways.add("JT/T 808", jt808)
        heard: dict[str, float] = {}
        store.on_committed(
            lambda told: heard.update({one.subject_id: time.monotonic() for one in told if one.type == "alarm.raised"})
        )
        await gateways.start()
        doors = ("127.0.0.1", dc09_port), ("127.0.0.1", jt808_port)
        city = City(plan, CityServer("http://127.0.0.1", "", *doors), clock)
        try:
            assert await city.panels.connect(60.0) == len(city.homes)
            assert await city.terminals.connect(60.0) == len(city.crews)
            yield House(city, gateways, dc09, store, heard)
        finally:
            await city.stop()
            await gateways.stop()


def _enter(settings: Settings, folder: Path, plan: CityPlan) -> None:
    panels, terminals = city_panels(plan), city_terminals(plan)
    for name, raw in (
        ("places", places_file(panels, [NORTH])),
        ("devices", devices_file(panels, terminals, [NORTH])),
        ("zones", zones_file(panels)),
    ):
        file = folder / f"{name}.csv"
        file.write_bytes(raw)
        import_file(settings, file)
