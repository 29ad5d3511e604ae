"""The city's places, devices and zones, entered through the API of a server as files, as people do it.

What is there already is left, so the second run enters nothing. What was entered can be taken back for a day.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.sim.city_plan import CityDevice, CityIntercom, CityPanel, CityTerminal, password_of_city
from tocsin.sim.radio import Radio, RadioError

LOOK_S: Final = 0.2
ROADS: Final = ("人民路", "解放路", "迎宾大道", "滨江路", "学府街", "工业路", "新华巷", "中山路", "和湾路", "青阳路")
ROADS_EN: Final = (
    "Renmin",
    "Jiefang",
    "Yingbin",
    "Binjiang",
    "Xuefu",
    "Gongye",
    "Xinhua",
    "Zhongshan",
    "Hewan",
    "Qingyang",
)
CAUSES: Final = ("network", "feeder")
CLASSES: Final = ("shop", "residence", "warehouse", "bank", "school", "factory", "clinic", "hotel")
ROW: Final = 62
STEP_DEG: Final = 0.0012
CORNER: Final = (118.15, 30.90)

_CURES: Final = {
    0: "; is the server running there? --url says where, --data which demo",
    401: "; the token does not count there: --token, or --data of the demo that runs",
    403: "; the token must be of somebody who may change the registry",
}

Told = Callable[[str, int, int], None]
Row = Sequence[object]


async def enter(
    radio: Radio,
    panels: Sequence[CityPanel],
    terminals: Sequence[CityTerminal],
    intercoms: Sequence[CityIntercom],
    told: Told,
) -> list[str]:
    """Enter what is not there; return the ids of the imports. `told(what, done, of)` hears how far it is.

    Errors: UNAVAILABLE when the server refuses, saying what.
    """
    try:
        nodes = (await radio.get("/api/v1/jurisdictions"))["items"]
        codes = _lowest(nodes)
        if not codes:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the token sees no jurisdiction: the city has to lie in one")
        files = (
            ("places", places_file(panels, codes)),
            ("devices", devices_file(panels, terminals, codes)),
            ("zones", zones_file(panels)),
            ("intercoms", intercoms_file(intercoms, codes)),
        )
        return [entered for what, raw in files if (entered := await _import(radio, what, raw, told))]
    except RadioError as error:
        raise TocsinError(
            ErrorCode.UNAVAILABLE, f"the city cannot be entered: {error}{_CURES.get(error.status, '')}"
        ) from error


def code_of(number: int, count: int, codes: Sequence[str]) -> str:
    """Return where a device lies: neighbours in the numbering are neighbours in the city."""
    return codes[number * len(codes) // max(1, count)]


def place_name(number: int) -> str:
    """Return the name of a panel's place."""
    return f"模拟城{ROADS[number % len(ROADS)]}{number // len(ROADS) + 1}号"


def places_file(panels: Sequence[CityPanel], codes: Sequence[str]) -> bytes:
    """Return the file of the places, one for each panel."""
    return _csv(
        ("jurisdiction", "name", "name_en", "class", "lon", "lat"),
        (
            (
                code_of(panel.number, len(panels), codes),
                place_name(panel.number),
                f"Simulated city, {ROADS_EN[panel.number % len(ROADS)]} {panel.number // len(ROADS) + 1}",
                CLASSES[panel.number % len(CLASSES)],
                round(CORNER[0] + panel.number % ROW * STEP_DEG, 6),
                round(CORNER[1] + panel.number // ROW * STEP_DEG, 6),
            )
            for panel in panels
        ),
    )


def devices_file(panels: Sequence[CityPanel], terminals: Sequence[CityTerminal], codes: Sequence[str]) -> bytes:
    """Return the file of panels and terminals."""
    rows: list[Row] = [
        (
            code_of(panel.number, len(panels), codes),
            place_name(panel.number),
            "panel",
            f"模拟主机{panel.number + 1:05d}",
            f"Simulated panel {panel.number + 1:05d}",
            panel.account,
            panel.key.hex(),
            panel.poll_interval_s,
            *causes_of(panel),
        )
        for panel in panels
    ]
    rows += [
        (
            code_of(terminal.number, len(terminals), codes),
            "",
            "terminal",
            f"模拟终端{terminal.number + 1:05d}",
            f"Simulated terminal {terminal.number + 1:05d}",
            terminal.account,
            "",
            "",
            *causes_of(terminal),
        )
        for terminal in terminals
    ]
    return _csv(
        ("jurisdiction", "place", "kind", "name", "name_en", "account", "key_hex", "poll_interval_s", *CAUSES), rows
    )


def causes_of(device: CityDevice) -> tuple[str, str]:
    """Return the names of a device's carrier and power district: what it may fall silent by, together with others."""
    return f"模拟运营商{device.carrier + 1}", f"模拟台区{device.district + 1}" if device.district >= 0 else ""


def intercoms_file(intercoms: Sequence[CityIntercom], codes: Sequence[str]) -> bytes:
    """Return the file of the intercoms."""
    return _csv(
        ("jurisdiction", "kind", "name", "name_en", "account", "password", *CAUSES),
        (
            (
                code_of(one.number, len(intercoms), codes),
                "intercom",
                f"模拟门口机{one.number + 1:05d}",
                f"Simulated intercom {one.number + 1:05d}",
                one.account,
                password_of_city(),
                *causes_of(one),
            )
            for one in intercoms
        ),
    )


def zones_file(panels: Sequence[CityPanel]) -> bytes:
    """Return the file of the infrared zones."""
    return _csv(
        ("account", "zone", "name", "name_en", "kind"),
        (
            (panel.account, zone, f"红外{zone}", f"Infrared {zone}", "infrared")
            for panel in panels
            for zone in panel.zones
        ),
    )


def _csv(head: Row, rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(head)
    lines.writerows(rows)
    return text.getvalue().encode()


def _lowest(nodes: Sequence[dict[str, Any]]) -> list[str]:
    """Return the codes of the nodes that have none below."""
    parents = {node.get("parent_id") for node in nodes}
    return sorted(str(node["code"]) for node in nodes if node["id"] not in parents)


async def _import(radio: Radio, what: str, raw: bytes, told: Told) -> str:
    told(f"checking {what}", 0, 0)
    found = await radio.upload(f"/api/v1/imports?file={quote(f'city-{what}.csv')}", raw)
    counts = found["counts"]
    if counts["wrong"]:
        first = found["errors"][0]
        raise TocsinError(
            ErrorCode.UNAVAILABLE,
            f"{counts['wrong']} lines of the city's {what} cannot be entered; the first: {first['cure']}",
        )
    if not counts["create"] + counts["change"]:
        return ""
    await radio.post(f"/api/v1/imports/{found['id']}/apply", {})
    while found["state"] in ("checked", "applying"):
        await asyncio.sleep(LOOK_S)
        found = await radio.get(f"/api/v1/imports/{found['id']}?limit=1")
        told(f"entering {what}", found["done"], found["total"])
    if found["state"] != "done" or found["counts"].get("refused"):
        raise TocsinError(ErrorCode.UNAVAILABLE, f"entering {what}: {found['state']} {found['reason']}")
    return str(found["id"])
