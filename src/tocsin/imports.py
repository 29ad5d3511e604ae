"""Places and devices from a CSV file: every line is checked first, then all are entered, or none.

The data folder must be free: a running server would not hear of the new devices.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tocsin.app import open_store, open_vault
from tocsin.base.clock import SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.vault import Vault
from tocsin.domain import devices as device_rules
from tocsin.domain import places as place_rules
from tocsin.domain.acts import house_actor
from tocsin.domain.directory import Directory
from tocsin.domain.places import Jurisdiction
from tocsin.domain.registry import DeviceService, PlaceService
from tocsin.folder import FolderLock, prepare_folder
from tocsin.settings import Settings
from tocsin.storage.store import AnyStore

MAX_FILE_BYTES: Final = 32 * 1024 * 1024
MAX_ERRORS_SHOWN: Final = 20
PLACE_COLUMNS: Final = frozenset(
    {"jurisdiction", "name", "name_en", "class", "address", "owner", "lon", "lat", "notes"}
)
DEVICE_COLUMNS: Final = frozenset(
    {
        "jurisdiction",
        "place",
        "kind",
        "name",
        "name_en",
        "account",
        "gb_id",
        "prefix",
        "receiver",
        "key_hex",
        "key_text",
        "password",
        "poll_interval_s",
        "maker",
        "model",
    }
)
NUMBERS: Final = frozenset({"lon", "lat", "poll_interval_s"})


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file, columns without a value left out."""

    line: int
    values: Mapping[str, str]


def import_file(settings: Settings, path: Path, *, is_check: bool = False) -> list[dict[str, object]]:
    """Enter what a CSV file lists; return one entry a line. `is_check` only checks.

    Errors: INVALID naming the lines that are wrong; CONFLICT while a server works in the data folder.
    """
    kind, rows = read_rows(path)
    prepare_folder(settings.data)
    with FolderLock(settings.data):
        return asyncio.run(_import(settings, kind, rows, is_check))


def read_rows(path: Path) -> tuple[str, list[Row]]:
    """Return what a file lists (`place` or `device`) and its lines. Errors: INVALID."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise TocsinError(ErrorCode.INVALID, f"{path} is over {MAX_FILE_BYTES >> 20} MiB: split it")
        raw = path.read_bytes()
    except OSError as error:
        raise TocsinError(ErrorCode.INVALID, f"cannot read {path}: {error.strerror}") from error
    if raw.startswith(b"PK"):
        raise TocsinError(ErrorCode.INVALID, f"{path} is a spreadsheet: save it as CSV first")
    reader = csv.DictReader(io.StringIO(_decoded(raw, path), newline=""))
    columns = {(name or "").strip().lower() for name in reader.fieldnames or ()}
    kind = "device" if columns & {"account", "gb_id"} else "place"
    known = DEVICE_COLUMNS if kind == "device" else PLACE_COLUMNS
    unknown = sorted(columns - known)
    if unknown or "name" not in columns:
        wrong = f"unknown columns: {', '.join(unknown)}" if unknown else "there is no column name"
        raise TocsinError(ErrorCode.INVALID, f"{path}: {wrong}; a {kind} file has {', '.join(sorted(known))}")
    rows = []
    for found in reader:
        values = {(name or "").strip().lower(): (text or "").strip() for name, text in found.items() if name}
        given = {name: text for name, text in values.items() if text}
        if given:
            rows.append(Row(reader.line_num, given))
    return kind, rows


def _decoded(raw: bytes, path: Path) -> str:
    for charset in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(charset)
        except UnicodeDecodeError:
            continue
    raise TocsinError(ErrorCode.INVALID, f"{path} is neither UTF-8 nor GB18030")


async def _import(settings: Settings, kind: str, rows: list[Row], is_check: bool) -> list[dict[str, object]]:
    async with open_store(settings) as store:
        importer = _Importer(store, await open_vault(settings.secret_key_path, store))
        await importer.load()
        check, enter = (
            (importer.check_device, importer.enter_device)
            if kind == "device"
            else (importer.check_place, importer.enter_place)
        )
        wrong = []
        for row in rows:
            try:
                check(row)
            except TocsinError as error:
                wrong.append(f"line {row.line}: {error.detail}")
        if wrong:
            shown = "; ".join(wrong[:MAX_ERRORS_SHOWN])
            more = f"; and {len(wrong) - MAX_ERRORS_SHOWN} more" if len(wrong) > MAX_ERRORS_SHOWN else ""
            raise TocsinError(ErrorCode.INVALID, f"nothing was entered. {shown}{more}")
        done: list[dict[str, object]] = []
        for row in rows:
            if not is_check:
                await enter(row)
            outcome = "can be entered" if is_check else "entered"
            done.append({"line": row.line, "kind": kind, "name": row.values["name"], "outcome": outcome})
        return done


class _Importer:
    """Knows what is there already, checks lines against it, and enters them."""

    def __init__(self, store: AnyStore, vault: Vault) -> None:
        clock = SystemClock()
        self._actor = house_actor("import")
        self._places = PlaceService(store, clock)
        self._devices = DeviceService(store, clock, vault, Directory(store, vault))
        self._by_code: dict[str, Jurisdiction] = {}
        self._place_ids: dict[tuple[str, str], list[str]] = {}
        self._taken: dict[tuple[str, ...], str] = {}

    async def load(self) -> None:
        """Read what is there."""
        self._by_code = {node.code: node for node in await self._places.jurisdictions(self._actor)}
        after: str | None = ""
        while after is not None:
            places = await self._places.places(self._actor, after=after, limit=1000)
            for place in places.items:
                self._place_ids.setdefault((place.jurisdiction_code, place.name), []).append(place.id)
            after = places.next
        after = ""
        while after is not None:
            devices = await self._devices.devices(self._actor, after=after, limit=1000)
            for device in devices.items:
                self._taken[_address(device.account, device.prefix, device.receiver, device.gb_id)] = device.name
            after = devices.next

    def check_place(self, row: Row) -> None:
        """Refuse what cannot be entered. Errors: INVALID, CONFLICT."""
        home = self._home(row)
        place_rules.new_place(new_id(), _place(row, home), home)
        key = (home.code, row.values.get("name", ""))
        if key in self._place_ids:
            raise TocsinError(ErrorCode.CONFLICT, f"there is already a place {key[1]} in {home.code}")
        self._place_ids[key] = ["this file"]

    def check_device(self, row: Row) -> None:
        """Refuse what cannot be entered. Errors: INVALID, CONFLICT."""
        home = self._home(row)
        given = self._device(row, home)
        device = device_rules.new_device(new_id(), given, home.id, home.code)
        secret = _secret(row)
        if secret:
            device_rules.secret_of(device.protocol, **secret)
        address = _address(device.account, device.prefix, device.receiver, device.gb_id)
        if address in self._taken:
            raise TocsinError(ErrorCode.CONFLICT, f"{self._taken[address]} has this account or id")
        self._taken[address] = f"line {row.line}"

    async def enter_place(self, row: Row) -> None:
        """Enter a checked line."""
        await self._places.create_place(_place(row, self._home(row)), actor=self._actor)

    async def enter_device(self, row: Row) -> None:
        """Enter a checked line and its secret."""
        made = await self._devices.create(self._device(row, self._home(row)), actor=self._actor)
        secret = _secret(row)
        if secret:
            await self._devices.set_secret(made.id, actor=self._actor, **secret)

    def _home(self, row: Row) -> Jurisdiction:
        code = row.values.get("jurisdiction", "")
        if code not in self._by_code:
            known = ", ".join(sorted(self._by_code)) or "none yet"
            raise TocsinError(ErrorCode.INVALID, f"no jurisdiction {code or '(empty)'}; there are {known}")
        return self._by_code[code]

    def _device(self, row: Row, home: Jurisdiction) -> dict[str, Any]:
        values = row.values
        address = {name: values[name] for name in ("account", "prefix", "receiver", "gb_id") if name in values}
        given: dict[str, Any] = {
            "kind": values.get("kind", "camera" if "gb_id" in values else "panel"),
            "protocol": "gb28181" if "gb_id" in values else "dc09",
            "jurisdiction_id": home.id,
            "address": address,
        }
        given.update({name: values[name] for name in ("name", "name_en", "maker", "model") if name in values})
        if "poll_interval_s" in values:
            given["poll_interval_s"] = _number("poll_interval_s", values["poll_interval_s"])
        if "place" in values:
            given["place_id"] = self._place(home, values["place"])
        return given

    def _place(self, home: Jurisdiction, name: str) -> str:
        found = self._place_ids.get((home.code, name), [])
        if len(found) != 1:
            many = "several places" if found else "no place"
            raise TocsinError(ErrorCode.INVALID, f"{many} {name} in {home.code}")
        return found[0]


def _place(row: Row, home: Jurisdiction) -> dict[str, Any]:
    given: dict[str, Any] = {name: text for name, text in row.values.items() if name != "jurisdiction"}
    given.update({name: _number(name, given[name]) for name in NUMBERS & given.keys()})
    given["jurisdiction_id"] = home.id
    return given


def _secret(row: Row) -> dict[str, Any]:
    return {name: row.values[name] for name in ("key_hex", "key_text", "password") if name in row.values}


def _address(account: str, prefix: str, receiver: str, gb_id: str) -> tuple[str, ...]:
    return ("gb28181", gb_id) if gb_id else ("dc09", account, prefix, receiver)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise TocsinError(ErrorCode.INVALID, f"{name} is not a number: {text}") from error
