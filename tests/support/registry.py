"""A small house for tests: a city with two counties, people of each role, and services over a store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import FixedClock
from tests.support.supervision import HeardIntake
from tocsin.base.vault import Vault
from tocsin.domain.access import Actor, Role
from tocsin.domain.acts import house_actor
from tocsin.domain.cameras import ChannelService
from tocsin.domain.directory import Directory
from tocsin.domain.place_service import PlaceService
from tocsin.domain.places import Jurisdiction, Place
from tocsin.domain.registry import DeviceService
from tocsin.domain.reports import StoredReports
from tocsin.domain.supervision import Supervision
from tocsin.storage import schema
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import make_store

HOUSE = house_actor()


def actor(*roles: Role, codes: tuple[str, ...] = ("3402",), name: str = "somebody") -> Actor:
    return Actor(id=name, name=name, roles=frozenset(roles), jurisdiction_codes=codes)


ADMINISTRATOR = actor(Role.ADMINISTRATOR, name="administrator")
OPERATOR = actor(Role.OPERATOR, name="operator")
INSTALLER_A = actor(Role.INSTALLER, codes=("340223",), name="installer-a")


@dataclass(slots=True)
class House:
    """Services and a tree: city 3402 with counties 340223 and 340224, one school in each."""

    store: Any
    clock: FixedClock
    directory: Directory
    places: PlaceService
    devices: DeviceService
    cameras: ChannelService
    city: Jurisdiction
    county_a: Jurisdiction
    county_b: Jurisdiction
    school_a: Place
    school_b: Place
    intake: HeardIntake
    supervision: Supervision
    reports: StoredReports
    supervision_directory: Directory

    async def device(self, device_id: str) -> Any:
        """Return a device as stored."""
        return await self.devices.device(device_id, actor=HOUSE)

    async def facts(self, kind: str) -> list[str]:
        """Return the subjects of feed entries of a type, in order."""
        heard = await self.store.read(lambda tx: tx.outbox.after(0, 10_000))
        return [item.subject_id for item in heard if item.type == kind]

    async def audited(self) -> list[tuple[str, str]]:
        """Return action and outcome of every audit record."""
        records = await self.store.read(lambda tx: list(tx.audit.all()))
        return [(record.action, record.outcome) for record in records]

    async def pass_time(self, seconds: float, every_s: float = 5.0) -> None:
        """Let time pass with supervision looking as often as it should."""
        left = seconds
        while left > 0:
            step = min(every_s, left)
            self.clock.advance(step)
            await self.supervision.check()
            left -= step

    async def panel(self, account: str = "3411", **given: Any) -> Any:
        """Enter a panel at school A."""
        return await self.devices.create(
            {
                "kind": "panel",
                "name": "校门报警主机",
                "protocol": "dc09",
                "address": {"account": account},
                "place_id": self.school_a.id,
                **given,
            },
            actor=HOUSE,
        )

    async def camera(self, gb_id: str = "34022300001320000001", **given: Any) -> Any:
        """Enter a SIP device at school A."""
        return await self.devices.create(
            {
                "kind": "camera",
                "name": "西门枪机",
                "protocol": "gb28181",
                "address": {"gb_id": gb_id},
                "place_id": self.school_a.id,
                **given,
            },
            actor=HOUSE,
        )


async def make_house(store: Any, clock: FixedClock) -> House:
    """Return a house on an empty store."""
    vault = Vault(bytes(32))
    directory = Directory(store, vault)
    store.on_committed(directory.note)
    intake = HeardIntake()
    supervision = Supervision(store, directory, clock, intake)
    await directory.load()
    await supervision.start()
    places = PlaceService(store, clock)
    city = await places.create_jurisdiction({"code": "3402", "name": "芜湖市", "level": "city"}, actor=HOUSE)
    counties = [
        await places.create_jurisdiction(
            {
                "code": code,
                "name": name,
                "short": short,
                "level": "county",
                "parent_id": city.id,
                "defaults": {"owner": f"{name}公安局", "purpose": "公共安全"},
            },
            actor=HOUSE,
        )
        for code, name, short in (("340223", "河湾县", "HW"), ("340224", "青山县", "QS"))
    ]
    schools = [
        await places.create_place(
            {"jurisdiction_id": county.id, "name": "第一小学", "class": "school", "lon": 118.3, "lat": 31.3},
            actor=HOUSE,
        )
        for county in counties
    ]
    return House(
        store,
        clock,
        directory,
        places,
        DeviceService(store, clock, vault, directory),
        ChannelService(store, clock, directory),
        city,
        counties[0],
        counties[1],
        schools[0],
        schools[1],
        intake,
        supervision,
        StoredReports(store, supervision, directory),
        directory,
    )


@pytest.fixture
async def small_house(tmp_path: Path) -> AsyncIterator[House]:
    """A house on SQLite with a clock of its own, for tests of rules rather than of storage."""
    url = f"sqlite:///{tmp_path / 'tocsin.db'}"
    schema.prepare(url)
    clock = FixedClock()
    store = make_store(url, clock, HeadsFile(tmp_path / "audit.heads"))
    await store.start()
    yield await make_house(store, clock)
    await store.stop()
