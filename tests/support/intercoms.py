"""A house with a door intercom: real SIP, real store, real sound lines, on loopback."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import insert, update

from tests.support.clocks import FixedClock
from tests.support.gb28181 import QUICK, REALM, SERVER_ID, Reports, words
from tests.support.house import NORTH, SCHOOL, WEST_GATE, build_town
from tocsin.base.clock import SystemClock
from tocsin.domain.directory import Source
from tocsin.domain.intake import Intake
from tocsin.domain.intercom_calls import DoorCall
from tocsin.domain.intercom_intake import IntercomIntake
from tocsin.domain.intercom_service import IntercomService
from tocsin.domain.video import Endpoint
from tocsin.gateways.intercom import IntercomConfig, IntercomGateway
from tocsin.gateways.intercom_calls import IntercomCalls
from tocsin.gateways.sip import SipConfig, SipGateway
from tocsin.intercom_parts import raised_signal
from tocsin.media.ports import PortRange
from tocsin.media.talk import Talks
from tocsin.sim.intercom import IntercomPlan, SimIntercoms
from tocsin.storage import tables_registry
from tocsin.storage.store import AnyStore

DOOR, PASSWORD = "intercom-1", "Door#2026"


class LineMedia:
    """The voice lines of a worker, without the worker: its verbs called in place."""

    def __init__(self, clock: FixedClock) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.talks = Talks(PortRange("127.0.0.1", 0, 0), "127.0.0.1", clock, lambda *event: self.events.append(event))
        self.fails = False

    async def open_call(self, talk_id: str, **wanted: Any) -> Endpoint:
        if self.fails:
            raise OSError("no port free")
        wanted["law"] = wanted.pop("codec")
        found: Any = await self.talks.verbs["talk_open"](
            {"talk_id": talk_id, "transport": "udp", "ssrc": 7, "payload": "raw", **wanted}
        )
        return Endpoint(found["ip"], found["port"])

    async def aim_talk(self, talk_id: str, ip: str, port: int) -> None:
        await self.talks.verbs["talk_aim"]({"talk_id": talk_id, "ip": ip, "port": port})

    async def start_talk(self, talk_id: str) -> None:
        await self.talks.verbs["talk_start"]({"talk_id": talk_id})

    async def send_tones(self, talk_id: str, digits: str) -> None:
        await self.talks.verbs["talk_tones"]({"talk_id": talk_id, "digits": digits})

    async def talk_address(self, talk_id: str, *, ticket: str, user_id: str, view_id: str, expires_at: datetime) -> str:
        return f"ws://127.0.0.1/talk/{talk_id}?ticket={ticket}"

    async def close_talk(self, talk_id: str, reason: str) -> None:
        await self.talks.verbs["talk_close"]({"talk_id": talk_id, "reason": reason})


class Doors:
    """Intercoms by account."""

    def __init__(self, *sources: Source) -> None:
        self.by_account = {source.account: source for source in sources}

    def source(self, protocol: str, account: str) -> Source | None:
        return self.by_account.get(account) if protocol == "sip" else None

    def source_of(self, device_id: str) -> Source | None:
        return next((one for one in self.by_account.values() if one.device_id == device_id), None)


def door(account: str = "door1", device_id: str = DOOR, password: str = PASSWORD, **settings: Any) -> Source:
    """Return an intercom as the directory has it."""
    return Source(device_id, "sip", "intercom", account, secret=password.encode(), settings=settings)


def build(tx: Any) -> None:
    """Enter the town, and an intercom at the school whose door the west gate's camera shows."""
    build_town(tx)
    put = tx.connection.execute
    put(
        insert(tables_registry.devices).values(
            id=DOOR,
            kind="intercom",
            name="西门对讲",
            name_en="West gate intercom",
            search="",
            place_id=SCHOOL,
            jurisdiction_id="j-north",
            jurisdiction_code=NORTH,
            protocol="sip",
            account="door1",
            settings='{"door_code":"0#"}',
        )
    )
    put(
        insert(tables_registry.zones).values(id="zone-d1", device_id=DOOR, number="1", name="西门", name_en="West gate")
    )
    put(insert(tables_registry.zone_cameras).values(zone_id="zone-d1", channel_id=WEST_GATE, rank=0))


class DoorHouse:
    """Gateway, calls, intake and use cases around one store."""

    def __init__(self, store: AnyStore, clock: FixedClock, doors: Doors, **config: Any) -> None:
        self.store, self.clock, self.doors = store, clock, doors
        self.reports = Reports()
        self.media = LineMedia(clock)
        self.sip = SipGateway(SipConfig(port=0, timers=QUICK), clock, words())
        self.config = IntercomConfig(server_id=SERVER_ID, realm=REALM, **config)
        intake = Intake(store)
        self.kept = IntercomIntake(store, intake)
        self.calls = IntercomCalls(self.sip, self.kept, clock, self.config)
        self.gateway = IntercomGateway(
            self.sip,
            doors,
            self.reports,
            intake,
            clock,
            self.calls,
            nonce_secret=b"s" * 32,
            config=self.config,
            bindings=self.kept.bindings,
        )
        self.service = IntercomService(
            store, clock, self.kept, self.calls, self.media, keep_days=30, raised_signal=raised_signal
        )
        self.calls.on_failed = self.service.keep_later

    def plan(self, *accounts: str, **given: Any) -> IntercomPlan:
        """Return a plan of simulated intercoms that speak to this house."""
        made = {"password": PASSWORD, "realm": REALM, **given}
        return IntercomPlan(server=("127.0.0.1", self.sip.port), accounts=accounts or ("door1",), **made)

    @asynccontextmanager
    async def intercom(self, *accounts: str, **given: Any) -> AsyncIterator[SimIntercoms]:
        """Run simulated intercoms."""
        numbers = itertools.count(1)
        async with SimIntercoms(
            self.plan(*accounts, **given), SystemClock(), lambda: f"{next(numbers):012d}".ljust(32, "x")
        ) as made:
            yield made

    async def list(self) -> list[DoorCall]:
        """Return every call, newest first."""
        found: list[DoorCall] = await self.store.read(lambda tx: tx.intercoms._find())
        return found

    async def only(self) -> DoorCall:
        """Return the one call there is."""
        [call] = await self.list()
        return call

    async def until(self, state: str) -> DoorCall:
        """Wait until the newest call is in a state."""
        async with asyncio.timeout(5):
            while not (found := await self.list()) or found[0].state != state:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return found[0]

    async def enter(self, **settings: str) -> None:
        """Change the settings of the door as entered."""
        text = json.dumps(settings, separators=(",", ":"))
        await self.store.run(
            lambda tx: tx.connection.execute(
                update(tables_registry.devices).where(tables_registry.devices.c.id == DOOR).values(settings=text)
            )
        )


@asynccontextmanager
async def door_house(store: AnyStore, clock: FixedClock, *sources: Source, **config: Any) -> AsyncIterator[DoorHouse]:
    """Run a house with these intercoms, by default one."""
    await store.run(build)
    made = DoorHouse(store, clock, Doors(*(sources or (door(),))), **config)
    await made.sip.start()
    await made.service.start()
    await made.gateway.start()
    try:
        yield made
    finally:
        await made.gateway.stop()
        made.media.talks.close()
        await made.sip.stop()
