"""A small house for tests: a city with two counties, people of each role, and services over a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.clocks import FixedClock
from tocsin.base.vault import Vault
from tocsin.domain.access import Actor, Role
from tocsin.domain.acts import house_actor
from tocsin.domain.cameras import ChannelService
from tocsin.domain.directory import Directory
from tocsin.domain.places import Jurisdiction, Place
from tocsin.domain.registry import DeviceService, PlaceService

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
    await directory.load()
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
    )
