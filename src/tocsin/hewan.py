"""The town of Hewan in a data folder: entered once through the use cases of the house, with secrets of its own.

What the simulators need to know lies in `town.json`, what a reader needs in `demo.json`; both for the owner alone.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from typing import Any, Final

from tocsin.base.clock import SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.vault import load_vault
from tocsin.domain import account_desk
from tocsin.domain.access import Actor, Role
from tocsin.domain.cameras import ChannelService
from tocsin.domain.devices import CatalogEntry, Zone
from tocsin.domain.directory import Directory
from tocsin.domain.intake import Intake
from tocsin.domain.place_service import PlaceService
from tocsin.domain.plan_service import PlanService
from tocsin.domain.plans import Applies, DueFrom, Plan, PlanStep, StepKind
from tocsin.domain.recorder_desk import RecorderDesk
from tocsin.domain.registry import DeviceService
from tocsin.domain.reports import StoredReports
from tocsin.domain.supervision import Supervision
from tocsin.domain.unit_service import UnitService
from tocsin.domain.units import Unit, UnitState
from tocsin.domain.users import UserService
from tocsin.folder import write_private
from tocsin.hewan_ip import FreePort, add_ip_camera, settle_ports
from tocsin.settings import Settings
from tocsin.storage.store import AnyStore
from tocsin.stores import open_store

DATA: Final = files("tocsin.sim") / "data"
MARKER: Final = "seeding"
WORD_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
SEEDED: Final = ("tocsin.sqlite3", "tocsin.sqlite3-wal", "tocsin.sqlite3-shm", "audit.heads", "secret.key")
RADIO: Final = "town.radio"
RECORDED: Final = {"school-yard": "main", "water-gate": "sub", "bus-forecourt": "sub"}  # all the time, from the start
TOWN_ROLES: Final = frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR})


@dataclass(frozen=True, slots=True)
class DemoTown:
    """The seeded town: ids, keys and passwords, as kept in `town.json`."""

    kept: Mapping[str, Any]

    @property
    def sign_in(self) -> tuple[str, str]:
        """User name and password of the demo."""
        return self.kept["sign_in"]["username"], self.kept["sign_in"]["password"]

    def for_simulators(self, settings: Settings) -> dict[str, Any]:
        """Return the content of `town.json`: what is kept, and where the server listens this time."""
        return {
            **self.kept,
            "dc09": {"host": settings.dc09.host, "port": settings.dc09.port},
            "jt808": {"host": settings.jt808.host, "port": settings.jt808.port},
            "sip": {
                "host": settings.sip.host,
                "port": settings.sip.port,
                "server_id": settings.sip.server_id,
                "realm": settings.sip.realm,
            },
            "api": {"url": _url(settings), "token": self.kept["radio_token"]},
        }

    def for_reader(self, settings: Settings) -> dict[str, Any]:
        """Return the content of `demo.json`: the sign-in, a token, and a panel to experiment with."""
        username, password = self.sign_in
        reader = self.kept["reader"]
        return {
            "url": _url(settings),
            "username": username,
            "password": password,
            "token": self.kept["token"],
            "panel": {
                "host": settings.dc09.host,
                "port": settings.dc09.port,
                "account": reader["account"],
                "key": reader["key"],
                "zone": reader["zone"],
                "event": reader["event"],
            },
            "camera": reader["camera"],
        }


def open_town(settings: Settings, free_port: FreePort = lambda wanted: wanted) -> DemoTown:
    """Return the town of a data folder, entering it first when the folder is new.

    Its ONVIF and RTSP cameras listen where `free_port` says; it is asked for the port of last time.

    Errors: CONFLICT when the folder holds something that is not the demo's; UNAVAILABLE when it cannot be written.
    """
    data = settings.data
    path, marker = data / "town.json", data / MARKER
    if path.exists() and not marker.exists():
        try:
            return _settled(settings, json.loads(path.read_text(encoding="utf-8")), free_port)
        except ValueError as error:
            raise TocsinError(
                ErrorCode.INVALID, f"{path} is damaged: remove the folder {data} and start again"
            ) from error
    if marker.exists():  # an earlier start was interrupted: nothing had been shown to anybody
        for name in SEEDED:
            (data / name).unlink(missing_ok=True)
    elif (data / "tocsin.sqlite3").exists():
        raise TocsinError(
            ErrorCode.CONFLICT, f"{data} holds the data of a server that is not the demo: choose another with --data"
        )
    marker.touch(mode=0o600)
    shutil.copyfile(str(DATA / "hewan.geojson"), data / "map.geojson")
    town = _settled(settings, asyncio.run(_seed(settings, read_hewan())), free_port)
    write_private(path, town.kept)
    marker.unlink()
    return town


def _settled(settings: Settings, kept: dict[str, Any], free_port: FreePort) -> DemoTown:
    codes = tuple(node["code"] for node in read_hewan()["jurisdictions"] if node["parent"] is None)
    actor = Actor("demo", "demo", TOWN_ROLES, codes, kind="command")
    return DemoTown({**kept, "ip_cameras": settle_ports(settings, kept.get("ip_cameras", ()), actor, free_port)})


def read_hewan() -> dict[str, Any]:
    """Return the description of the town."""
    content: dict[str, Any] = json.loads((DATA / "hewan.json").read_text(encoding="utf-8"))
    return content


def _url(settings: Settings) -> str:
    return f"http://{settings.server.host}:{settings.server.port}"


async def _seed(settings: Settings, hewan: Mapping[str, Any]) -> dict[str, Any]:
    async with open_store(settings) as store:
        return await _Seeding(settings, store, hewan).run()


class _Seeding:
    """Enters a town, in the order in which one thing needs another."""

    def __init__(self, settings: Settings, store: AnyStore, hewan: Mapping[str, Any]) -> None:
        clock = SystemClock()
        directory = Directory(store, load_vault(settings.secret_key_path))
        supervision = Supervision(store, directory, clock, Intake(store))
        self._clock = clock
        self._store = store
        self._hewan = hewan
        self._recorder = RecorderDesk(store, directory, dict)
        self._places = PlaceService(store, clock)
        self._devices = DeviceService(store, clock, load_vault(settings.secret_key_path), directory)
        self._cameras = ChannelService(store, clock, directory)
        self._reports = StoredReports(store, supervision, directory)
        self._units = UnitService(store)
        self._plans = PlanService(store)
        self._users = UserService(store, clock, session_hours=settings.server.session_hours)
        codes = tuple(node["code"] for node in hewan["jurisdictions"] if node["parent"] is None)
        self._actor = Actor("demo", "demo", TOWN_ROLES, codes, kind="command")
        self._jurisdictions: dict[str, tuple[str, str]] = {}
        self._place_ids: dict[str, str] = {}
        self._channels: dict[str, str] = {}

    async def run(self) -> dict[str, Any]:
        """Enter everything; return what must be kept to play and to sign in."""
        for node in self._hewan["jurisdictions"]:
            await self._add_jurisdiction(node)
        await asyncio.gather(*(self._add_place(place) for place in self._hewan["places"]))
        cameras = list(await asyncio.gather(*(self._add_camera(camera) for camera in self._hewan["cameras"])))
        ip_cameras = [await self._add_ip_camera(camera) for camera in self._hewan["ip_cameras"]]
        panels = list(await asyncio.gather(*(self._add_panel(panel) for panel in self._hewan["panels"])))
        reader = await self._add_panel(self._hewan["reader"])
        intercoms = [await self._add_intercom(intercom) for intercom in self._hewan["intercoms"]]
        units = [await self._add_unit(unit) for unit in self._hewan["units"]]
        for key, stream in RECORDED.items():
            wanted = {"mode": "continuous", "stream": stream}
            await self._recorder.save(self._channels[key], wanted, 0, actor=self._actor)
        for plan in self._hewan["plans"]:
            await self._plans.save(_plan(plan), actor=self._actor)
        people = [await self._add_user(user) for user in self._hewan["users"]]
        radio = await self._add_user(
            {"username": RADIO, "name": "电台 Radio", "roles": ["operator"], "jurisdictions": ["340299"]}
        )
        sign_in = next(person for person in people if person["is_demo"])
        return {
            "sign_in": {"username": sign_in["username"], "password": sign_in["password"]},
            "people": [{name: person[name] for name in ("username", "password", "roles")} for person in people],
            "token": await self._token(sign_in["id"], "demo.json"),
            "radio_token": await self._token(radio["id"], "units of the town", on_duty=False),
            "reader": {
                "account": reader["account"],
                "key": reader["secret"],
                "zone": self._hewan["reader"]["zones"][0]["number"],
                "event": self._hewan["reader"]["event"],
                "camera": self._channels[self._hewan["reader"]["zones"][0]["cameras"][0]],
            },
            "panels": panels,
            "intercoms": intercoms,
            "cameras": cameras,
            "ip_cameras": ip_cameras,
            "units": units,
            "streets": self._hewan["streets"],
            "script": self._hewan["script"],
        }

    async def _add_jurisdiction(self, node: Mapping[str, Any]) -> None:
        parent = self._jurisdictions.get(node["parent"] or "")
        made = await self._places.create_jurisdiction(
            {
                "code": node["code"],
                "short": node["short"],
                "name": node["name"],
                "name_en": node["name_en"],
                "level": node["level"],
                "parent_id": parent[0] if parent else None,
                "defaults": {"owner": node["owner"], "purpose": node["purpose"]},
            },
            actor=self._actor,
        )
        self._jurisdictions[node["code"]] = (made.id, made.code)

    async def _add_place(self, place: Mapping[str, Any]) -> None:
        given = {name: value for name, value in place.items() if name not in ("key", "jurisdiction")}
        given["jurisdiction_id"] = self._jurisdictions[place["jurisdiction"]][0]
        made = await self._places.create_place(given, actor=self._actor)
        self._place_ids[place["key"]] = made.id

    async def _add_camera(self, camera: Mapping[str, Any]) -> dict[str, Any]:
        """Enter a camera, its channels as its catalogue will name them, and put them into service."""
        password = _word(16)
        device = await self._devices.create(
            {
                "kind": "camera",
                "name": camera["name"],
                "name_en": camera["name_en"],
                "place_id": self._place_ids[camera["place"]],
                "protocol": "gb28181",
                "address": {"gb_id": camera["gb_id"]},
                "maker": camera["maker"],
                "model": camera["model"],
                "settings": {"keepalive_s": 20},
            },
            actor=self._actor,
        )
        await self._devices.set_secret(device.id, actor=self._actor, password=password)
        entries = [
            CatalogEntry(
                gb_id=channel["gb_id"],
                name=channel["name"],
                lon=channel["lon"],
                lat=channel["lat"],
                ptz_type=channel["ptz_type"],
            )
            for channel in camera["channels"]
        ]
        await self._reports.catalog(device.id, entries, True)
        found = await self._cameras.cameras(self._actor, device_id=device.id)
        by_gb_id = {channel.gb_id: channel for channel in found.items}
        for channel in camera["channels"]:
            known = by_gb_id[channel["gb_id"]]
            _, home = self._home(channel["place"])
            changes = {name: channel[name] for name in ("name_en", "bearing_deg", "fov_deg", "range_m")}
            changes.update(place_id=self._place_ids[channel["place"]], owner=home["owner"], purpose=home["purpose"])
            await self._cameras.change(known.id, changes, actor=self._actor, version=known.version)
            self._channels[channel["key"]] = known.id
        return {**camera, "secret": password, "keepalive_s": 20}

    async def _add_ip_camera(self, camera: Mapping[str, Any]) -> dict[str, Any]:
        _, home = self._home(camera["place"])
        kept, self._channels[camera["key"]] = await add_ip_camera(
            camera,
            _word(16),
            devices=self._devices,
            cameras=self._cameras,
            reports=self._reports,
            place_id=self._place_ids[camera["place"]],
            home=home,
            actor=self._actor,
        )
        return kept

    def _home(self, place_key: str) -> tuple[str, Mapping[str, Any]]:
        """Return the id and description of the jurisdiction of a place."""
        place = next(place for place in self._hewan["places"] if place["key"] == place_key)
        node = next(node for node in self._hewan["jurisdictions"] if node["code"] == place["jurisdiction"])
        return self._jurisdictions[node["code"]][0], node

    async def _add_panel(self, panel: Mapping[str, Any]) -> dict[str, Any]:
        """Enter a panel with its key, zones and links."""
        key = secrets.token_bytes(panel["key_bits"] // 8).hex() if panel["key_bits"] else ""
        device = await self._devices.create(
            {
                "kind": "panel",
                "name": panel["name"],
                "name_en": panel["name_en"],
                "place_id": self._place_ids[panel["place"]],
                "protocol": "dc09",
                "address": {"account": panel["account"]},
                "poll_interval_s": panel["poll_interval_s"],
            },
            actor=self._actor,
        )
        if key:
            await self._devices.set_secret(device.id, actor=self._actor, key_hex=key)
        for zone in panel["zones"]:
            given = {name: zone[name] for name in ("number", "name", "name_en", "kind")}
            made: Zone = await self._devices.add_zone(device.id, given, actor=self._actor)
            cameras = [self._channels[key] for key in zone["cameras"]]
            if cameras:
                await self._devices.link_cameras(
                    device.id, made.number, cameras, actor=self._actor, version=made.version
                )
        if "premises" in panel:
            await self._store.run(_fill_account, self._actor, device.id, panel["premises"])
        kept = {name: panel[name] for name in ("key", "account", "transport", "format", "poll_interval_s")}
        return {**kept, "secret": key}

    async def _add_intercom(self, intercom: Mapping[str, Any]) -> dict[str, Any]:
        """Enter a door intercom with its password, its code, and the camera that shows its door."""
        password = _word(16)
        device = await self._devices.create(
            {
                "kind": "intercom",
                "name": intercom["name"],
                "name_en": intercom["name_en"],
                "place_id": self._place_ids[intercom["place"]],
                "protocol": "sip",
                "address": {"account": intercom["account"]},
                "settings": {"door_method": "rfc4733", "door_code": intercom["code"]},
            },
            actor=self._actor,
        )
        await self._devices.set_secret(device.id, actor=self._actor, password=password)
        zone: Zone = await self._devices.add_zone(device.id, intercom["zone"], actor=self._actor)
        cameras = [self._channels[key] for key in intercom["cameras"]]
        await self._devices.link_cameras(device.id, zone.number, cameras, actor=self._actor, version=zone.version)
        return {"key": intercom["key"], "account": intercom["account"], "secret": password}

    async def _add_unit(self, unit: Mapping[str, Any]) -> dict[str, Any]:
        home_id, home_code = self._jurisdictions[unit["jurisdiction"]]
        lon, lat = unit["route"][0]
        now = self._clock.now()
        made = await self._units.add(
            Unit(
                id=new_id(),
                name=unit["name"],
                name_en=unit["name_en"],
                call_sign=unit["call_sign"],
                kind=unit["kind"],
                crew=unit["crew"],
                jurisdiction_id=home_id,
                jurisdiction_code=home_code,
                state=UnitState.AVAILABLE,
                state_since=now,
                lon=lon,
                lat=lat,
                fix_at=now,
            ),
            actor=self._actor,
        )
        return {"id": made.id, "call_sign": made.call_sign, "route": unit["route"], "speed_kmh": unit["speed_kmh"]}

    async def _add_user(self, user: Mapping[str, Any]) -> dict[str, Any]:
        password = _password()
        given = {
            "username": user["username"],
            "name": user["name"],
            "roles": user["roles"],
            "jurisdiction_ids": [self._jurisdictions[code][0] for code in user["jurisdictions"]],
            "language": user.get("language", ""),
        }
        made = await self._users.create(given, password, actor=self._actor)
        return {
            "id": made.id,
            "username": made.username,
            "password": password,
            "roles": list(made.roles),
            "is_demo": bool(user.get("is_demo")),
        }

    async def _token(self, user_id: str, label: str, *, on_duty: bool | None = None) -> str:
        made = await self._users.make_token(user_id, actor=self._actor, label=label, on_duty=on_duty)
        return made.token


def _fill_account(tx: Any, actor: Actor, device_id: str, premises: Mapping[str, Any]) -> None:
    """Fill in what stands behind a panel."""
    account_desk.change(tx, actor, tx.now, device_id, {"access": premises["access"]}, 1)
    for contact in premises["contacts"]:
        account_desk.add_contact(tx, actor, tx.now, device_id, contact, tx.now.date())
    account_desk.add_note(tx, actor, device_id, premises["note"], tx.now + timedelta(days=30))


def _plan(plan: Mapping[str, Any]) -> Plan:
    return Plan(
        id=new_id(),
        name=plan["name"],
        name_en=plan["name_en"],
        kind=plan["kind"],
        place_class=plan["place_class"],
        steps=tuple(
            PlanStep(
                title_en=step["title_en"],
                title_zh=step["title_zh"],
                kind=StepKind(step["kind"]),
                mandatory=step["mandatory"],
                applies=Applies(step["applies"]),
                due_s=step.get("due_s"),
                due_from=DueFrom(step.get("due_from", "opening")),
            )
            for step in plan["steps"]
        ),
    )


def _word(length: int) -> str:
    """Return a random word without letters that look alike."""
    return "".join(secrets.choice(WORD_LETTERS) for _ in range(length))


def _password() -> str:
    return "-".join(_word(4) for _ in range(4))
