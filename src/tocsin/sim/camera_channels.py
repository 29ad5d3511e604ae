"""Channels for simulated devices, the same for the same seed."""

from __future__ import annotations

import random

from tocsin.protocols.gb28181.catalog import CatalogItem
from tocsin.protocols.gb28181.ids import make_id


def make_channels(seed: int, count: int, domain: str = "3402000000", parent_id: str = "") -> tuple[CatalogItem, ...]:
    """Return seeded channels with Chinese names, the same for the same seed."""
    dice = random.Random(seed)
    places = ("东门", "西门", "南门", "北门", "操场", "食堂", "停车场", "河堤路口", "中心小学", "卫生院")
    sides = ("入口", "出口", "走廊", "围墙", "大厅")
    return tuple(
        CatalogItem(
            gb_id=make_id(domain, 132, seed % 100 * 10_000 + number + 1),
            name=f"{dice.choice(places)}{dice.choice(sides)}{number + 1}号",
            manufacturer="Tocsin",
            model="Sim",
            civil_code=domain[:6],
            address=dice.choice(places),
            parent_id=parent_id,
            is_online=True,
            lon=round(118.30 + dice.random() / 10, 6),
            lat=round(31.30 + dice.random() / 10, 6),
            ptz_type=dice.choice((1, 3)),
            stream_numbers=(0, 1),
        )
        for number in range(count)
    )
