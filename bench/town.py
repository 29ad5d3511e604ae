"""A town of many cameras for the bench of the registry: devices imported as people do it, each with one picture."""

from __future__ import annotations

import asyncio
import csv
import http.client
import io
import json
import math
import os
import random
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness import Server, rss_mb
from tocsin.base.ids import new_id
from tocsin.domain.channels import DISCOVERED, IN_SERVICE, ChannelRecord
from tocsin.hewan import DATA as HEWAN
from tocsin.settings import load_settings
from tocsin.stores import open_store

CODE = "340299"
MIDDLE = (118.19, 30.93)
ROADS = ("人民路", "解放路", "迎宾大道", "滨江路", "学府街", "工业路", "新华巷", "中山路", "和湾路", "青阳路")
SITES = ("幼儿园", "第一小学", "农贸市场", "客运站", "人民医院", "购物中心", "银行网点", "加油站", "小区东门", "桥头")
ROADS_EN = ("Renmin", "Jiefang", "Yingbin", "Binjiang", "Xuefu", "Gongye", "Xinhua", "Zhongshan", "Hewan", "Qingyang")
SITES_EN = ("Nursery", "School", "Market", "Station", "Hospital", "Mall", "Bank", "Petrol", "East Gate", "Bridge")
STILL_HEARD_S = 86_400  # the devices of this bench send nothing: none may be missed while it runs


@dataclass(frozen=True, slots=True)
class Entered:
    """How an import went."""

    check_s: float
    enter_s: float
    grown_mb: float
    peak_mb: float


def device_file(count: int) -> bytes:
    """Return the file of that many cameras."""
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(("jurisdiction", "name", "name_en", "gb_id", "password", "poll_interval_s"))
    for n in range(count):
        road, site = n % len(ROADS), n // len(ROADS) % len(SITES)
        lines.writerow(
            (
                CODE,
                f"{ROADS[road]}{SITES[site]}{n:05d}号",
                f"{ROADS_EN[road]} {SITES_EN[site]} {n:05d}",
                f"34029900001320{n:06d}",
                f"Bench-{n:05d}",
                STILL_HEARD_S,
            )
        )
    return text.getvalue().encode()


def enter_devices(server: Server, raw: bytes) -> Entered:
    """Import a file through the API as the console does; memory is the control process's."""
    before_mb = rss_mb(server.process.pid)
    started = time.monotonic()
    found = upload(server, raw)
    checked = time.monotonic()
    if found["counts"]["wrong"]:
        raise RuntimeError(f"wrong lines: {found['errors'][:3]}")
    server.call("POST", f"/imports/{found['id']}/apply", {})
    peak_mb = rss_mb(server.process.pid)
    while found["state"] in ("checked", "applying"):
        time.sleep(0.1)
        found = server.call("GET", f"/imports/{found['id']}?limit=1")
        peak_mb = max(peak_mb, rss_mb(server.process.pid))
    if found["state"] != "done" or found["counts"]["refused"]:
        raise RuntimeError(f"import {found['state']}: {found['counts']} {found['reason']}")
    return Entered(checked - started, time.monotonic() - checked, peak_mb - before_mb, peak_mb)


def upload(server: Server, raw: bytes) -> Any:
    """Have a file checked."""
    connection = http.client.HTTPConnection("127.0.0.1", server.ports["web"], timeout=120)
    try:
        connection.request("POST", "/api/v1/imports?file=town.csv", raw, {"Authorization": f"Bearer {server.token}"})
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise RuntimeError(f"import: {response.status} {text[:300].decode(errors='replace')}")
        return json.loads(text)
    finally:
        connection.close()


def add_pictures(data: Path, environment: Mapping[str, str]) -> int:
    """Give each device its picture, in a data folder that no server uses: 94 % on line, 3 % not yet in service.

    What a device's catalogue and hours of installers' work would leave; the bench is of what comes after.
    """
    shutil.copyfile(str(HEWAN / "hewan.geojson"), data / "map.geojson")
    settings = load_settings(environ={key: value for key, value in environment.items() if key.startswith("TOCSIN_")})
    return asyncio.run(_add_pictures(settings))


async def _add_pictures(settings: Any) -> int:
    async with open_store(settings) as store:
        return int(await store.run(_put_pictures))


def _put_pictures(tx: Any) -> int:
    chance = random.Random(2611)
    devices = [device for device in tx.devices.directory() if device.gb_id]
    named = tx.devices.load([device.id for device in devices])
    made = []
    for n, device in enumerate(sorted(devices, key=lambda one: one.gb_id)):
        lon, lat = _somewhere(chance, n)
        known = named[device.id]
        stage = DISCOVERED if chance.random() < 0.03 else IN_SERVICE
        made.append(
            ChannelRecord(
                id=new_id(),
                device_id=device.id,
                gb_id=device.gb_id.replace("0000132", "0000131"),
                name=known.name,
                name_en=known.name_en,
                jurisdiction_id=known.jurisdiction_id,
                jurisdiction_code=known.jurisdiction_code,
                lon=lon,
                lat=lat,
                bearing_deg=float(chance.randrange(0, 360, 5)),
                fov_deg=float(chance.choice((30, 60, 60, 90, 90, 120))),
                range_m=float(chance.choice((30, 50, 80, 120))),
                owner="测试单位",
                purpose="公共安全",
                stage=stage,
                status="ON",
            )
        )
    tx.devices.add_channels(made)
    at_us = round(time.time() * 1e6)
    tx.devices.note_states([(one.id, "offline" if chance.random() < 0.03 else "online", at_us) for one in devices])
    tx.devices.note_registrations({one.id: at_us + STILL_HEARD_S * 1_000_000 for one in devices})
    return len(made)


def _somewhere(chance: random.Random, n: int) -> tuple[float, float]:
    """Return a point of the town: denser towards its middle, some in knots as recorders of a market have them."""
    away = abs(chance.gauss(0, 0.022))
    turn = chance.uniform(0, 2 * math.pi)
    if n % 5 == 0:
        knot = random.Random(n // 200)
        away, turn = abs(knot.gauss(0, 0.02)), knot.uniform(0, 2 * math.pi)
    jitter = 0.0004
    return (
        round(MIDDLE[0] + away * math.cos(turn) * 1.15 + chance.uniform(-jitter, jitter), 6),
        round(MIDDLE[1] + away * math.sin(turn) + chance.uniform(-jitter, jitter), 6),
    )


def environment_of(server: Server) -> dict[str, str]:
    """Return what the server was started with."""
    return {**os.environ, **server.environment}
