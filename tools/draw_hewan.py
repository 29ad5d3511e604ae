"""Draw the invented town of Hewan into src/tocsin/sim/data/hewan.geojson.

Everything is laid out on a plain grid in metres (x east, y north of the centre), bent a little so that streets curve as
streets do, and written in degrees, WGS-84. Seeded: the same drawing every time. Standard library only.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

Point = tuple[float, float]
TARGET = Path(__file__).resolve().parent.parent / "src" / "tocsin" / "sim" / "data" / "hewan.geojson"
CENTRE_LON, CENTRE_LAT = 118.2050, 30.9320
WEST, EAST, SOUTH, NORTH = -1000.0, 1000.0, -760.0, 740.0
RIVER_HALF_M = 44.0

STREETS_X = (WEST, -840.0, -580.0, -320.0, -80.0, 190.0, 460.0, 760.0, EAST)
STREETS_Y = (NORTH, 560.0, 350.0, 160.0, -10.0)
HALF_WIDTH_M = {"primary": 9.0, "secondary": 7.0, "lane": 4.0}


def bend(x: float, y: float) -> Point:
    """Move a point of the grid to where it lies in town, in metres."""
    return x + 16 * math.sin(y / 260 + 0.4) + 0.02 * y, y + 17 * math.sin(x / 330 + 1.1) + 0.025 * x


def lonlat(x: float, y: float) -> Point:
    """Return the degrees of a point of the grid."""
    east_m, north_m = bend(x, y)
    lon = CENTRE_LON + east_m / (111_320 * math.cos(math.radians(CENTRE_LAT)))
    return round(lon, 6), round(CENTRE_LAT + north_m / 110_900, 6)


def river(x: float) -> float:
    """Return where the middle of the river is."""
    return -340 + 62 * math.sin((x + 190) / 360) + 0.03 * x


def north_bank(x: float) -> float:
    """Return the middle of the road on the north bank."""
    return river(x) + RIVER_HALF_M + 46


def south_bank(x: float) -> float:
    """Return the middle of the road on the south bank."""
    return river(x) - RIVER_HALF_M - 52


def dense(points: Sequence[Point], step_m: float = 25.0) -> list[Point]:
    """Put points between points, so that bending makes curves."""
    line: list[Point] = []
    for (xa, ya), (xb, yb) in itertools.pairwise(points):
        count = max(1, round(math.dist((xa, ya), (xb, yb)) / step_m))
        line += [(xa + (xb - xa) * k / count, ya + (yb - ya) * k / count) for k in range(count)]
    return [*line, points[-1]]


def along(function: Callable[[float], float], start: float, end: float, step_m: float = 25.0) -> list[Point]:
    """Return the line of a function of x."""
    count = max(2, round(abs(end - start) / step_m))
    return [(x, function(x)) for k in range(count + 1) for x in [start + (end - start) * k / count]]


class Drawing:
    """Collects features."""

    def __init__(self) -> None:
        self.features: list[dict[str, object]] = []
        self.chance = random.Random(2611)

    def add(self, layer: str, kind: str, coordinates: object, **properties: str) -> None:
        """Add a feature in degrees."""
        if "class_" in properties:
            properties["class"] = properties.pop("class_")
        self.features.append(
            {
                "type": "Feature",
                "properties": {"layer": layer, **properties},
                "geometry": {"type": kind, "coordinates": coordinates},
            }
        )

    def line(self, layer: str, points: Sequence[Point], **properties: str) -> None:
        """Add a line of grid points."""
        self.add(layer, "LineString", [lonlat(*p) for p in dense(points)], **properties)

    def area(self, layer: str, ring: Sequence[Point], step_m: float = 25.0, **properties: str) -> None:
        """Add an area of grid points."""
        closed = [lonlat(*p) for p in dense([*ring, ring[0]], step_m)]
        self.add(layer, "Polygon", [closed], **properties)

    def label(self, x: float, y: float, name: str, name_en: str, kind: str) -> None:
        """Add a label."""
        self.add("label", "Point", lonlat(x, y), name=name, name_en=name_en, class_=kind)

    def slab(self, x: float, y: float, width_m: float, depth_m: float, **properties: str) -> None:
        """Add a building with its south-west corner at a point."""
        ring = [(x, y), (x + width_m, y), (x + width_m, y + depth_m), (x, y + depth_m)]
        self.area("building", ring, 400.0, **properties)


def rounded(ring: Sequence[Point], radius_m: float) -> list[Point]:
    """Cut the corners of a ring round."""
    made: list[Point] = []
    for k, corner in enumerate(ring):
        before, after = ring[k - 1], ring[(k + 1) % len(ring)]
        reach = min(radius_m, math.dist(corner, before) / 2.2, math.dist(corner, after) / 2.2)
        a, b = _towards(corner, before, reach), _towards(corner, after, reach)
        for t in (0.0, 0.33, 0.67, 1.0):
            u = 1 - t
            made.append(
                (
                    u * u * a[0] + 2 * u * t * corner[0] + t * t * b[0],
                    u * u * a[1] + 2 * u * t * corner[1] + t * t * b[1],
                )
            )
    return made


def _towards(start: Point, end: Point, reach: float) -> Point:
    length = math.dist(start, end) or 1.0
    return start[0] + (end[0] - start[0]) * reach / length, start[1] + (end[1] - start[1]) * reach / length


# --- what fills a block -----------------------------------------------------------------------------------------------


def estate(drawing: Drawing, left: float, bottom: float, right: float, top: float) -> None:
    """Draw a housing estate: rows of slabs that face south, and a garden."""
    y = bottom + 12
    row = 0
    while y + 13 < top - 8:
        x = left + 12 + (6 if row % 2 else 0)
        while x + 30 < right - 10:
            width_m = min(drawing.chance.choice((44, 52, 60)), right - 10 - x)
            if drawing.chance.random() < 0.93:
                drawing.slab(x, y, width_m, 13, class_="residence")
            x += width_m + 12
        y += 34
        row += 1


def shops(drawing: Drawing, left: float, bottom: float, right: float, top: float) -> None:
    """Draw a street block: small houses along its edges, a yard inside."""
    for y, inward in ((bottom + 5, 1), (top - 5, -1)):
        x = left + 6
        while x + 10 < right - 6:
            width_m = min(drawing.chance.uniform(12, 30), right - 6 - x)
            depth_m = drawing.chance.uniform(14, 22)
            if drawing.chance.random() < 0.94:
                drawing.slab(x, y if inward > 0 else y - depth_m, width_m, depth_m, class_="shop")
            x += width_m + drawing.chance.choice((1.5, 1.5, 3, 7))
    for x, is_left in ((left + 5, True), (right - 5, False)):
        y = bottom + 36
        while y + 12 < top - 34:
            height_m = min(drawing.chance.uniform(14, 30), top - 34 - y)
            depth_m = drawing.chance.uniform(13, 20)
            drawing.slab(x if is_left else x - depth_m, y, depth_m, height_m, class_="shop")
            y += height_m + drawing.chance.choice((2, 4, 8))


def halls(drawing: Drawing, left: float, bottom: float, right: float, top: float) -> None:
    """Draw works: a few long halls."""
    y = bottom + 14
    while y + 26 < top - 10:
        x = left + 14
        while x + 50 < right - 10:
            width_m = min(drawing.chance.uniform(60, 105), right - 12 - x)
            drawing.slab(x, y, width_m, 28, class_="works")
            x += width_m + 16
        y += 46


def offices(drawing: Drawing, left: float, bottom: float, right: float, top: float) -> None:
    """Draw an institution: one long house, two wings, a forecourt."""
    width_m, height_m = right - left, top - bottom
    drawing.slab(left + width_m * 0.2, top - 40, width_m * 0.6, 22, class_="public")
    drawing.slab(left + 12, bottom + 14, 18, height_m - 70, class_="public")
    drawing.slab(right - 30, bottom + 14, 18, height_m - 70, class_="public")
    drawing.area(
        "green",
        rounded(
            [(left + 46, bottom + 20), (right - 46, bottom + 20), (right - 46, top - 62), (left + 46, top - 62)], 14
        ),
    )


def campus(drawing: Drawing, left: float, bottom: float, right: float, top: float) -> None:
    """Draw a school: teaching houses to the north, a running track to the south."""
    width_m, height_m = right - left, top - bottom
    drawing.slab(left + 18, top - 32, width_m - 60, 18, class_="school")
    drawing.slab(left + 18, top - 70, width_m * 0.45, 16, class_="school")
    drawing.slab(right - 40, top - 84, 20, 44, class_="school")
    drawing.slab(left + 6, bottom + height_m * 0.42, 10, 12, class_="school")  # the gate house
    cx, cy, a, b = left + width_m * 0.5, bottom + height_m * 0.27, width_m * 0.34, height_m * 0.19
    ring = [
        (
            cx + a * math.copysign(abs(math.cos(t)) ** 0.6, math.cos(t)),
            cy + b * math.copysign(abs(math.sin(t)) ** 0.8, math.sin(t)),
        )
        for k in range(36)
        for t in [math.tau * k / 36]
    ]
    drawing.area("green", ring, 200.0, class_="pitch")


def nothing(drawing: Drawing, left: float, bottom: float, right: float, top: float) -> None:
    """Leave a block open."""


def park(drawing: Drawing, left: float, bottom: float, right: float, top: float) -> None:
    """Draw a park with a pond and paths."""
    drawing.area(
        "green",
        rounded([(left, bottom), (right, bottom), (right, top), (left, top)], 14),
        name="人民公园",
        name_en="People's Park",
    )
    cx, cy = (left + right) / 2 + 10, (bottom + top) / 2 - 6
    pond = [
        (cx + r * 1.5 * math.cos(t), cy + r * math.sin(t))
        for k in range(28)
        for t in [math.tau * k / 28]
        for r in [30 + 7 * math.sin(3 * t + 0.5)]
    ]
    drawing.area("water", pond, 200.0, name="镜湖", name_en="Mirror Pond")
    drawing.line(
        "road",
        [(left + 6, top - 12), (cx - 30, cy + 46), (cx + 40, cy + 50), (right - 8, bottom + 18)],
        class_="path",
    )
    drawing.line("road", [(left + 8, bottom + 10), (cx - 62, cy - 10), (cx - 30, cy + 46)], class_="path")
    drawing.slab(cx + 52, cy + 8, 14, 14, class_="public")


Filler = Callable[[Drawing, float, float, float, float], None]

# Columns from west to east, rows from north to south, as the streets cut them.
PLAN: tuple[tuple[Filler, ...], ...] = (
    (halls, estate, shops, halls, estate, estate, halls, halls),
    (halls, estate, estate, offices, shops, estate, estate, halls),
    (estate, estate, campus, offices, shops, campus, estate, estate),
    (estate, shops, shops, nothing, shops, park, shops, estate),
    (nothing, estate, estate, shops, shops, shops, estate, nothing),
)


def draw_blocks(drawing: Drawing) -> None:
    """Fill the grid north of the river."""
    for row, fillers in enumerate(PLAN):
        for column, fill in enumerate(fillers):
            left, right = STREETS_X[column] + 11, STREETS_X[column + 1] - 11
            top = STREETS_Y[row] - 10
            if row + 1 < len(STREETS_Y):
                bottom = STREETS_Y[row + 1] + 10
                ring = [(left, bottom), (right, bottom), (right, top), (left, top)]
            else:
                edge = along(lambda x: north_bank(x) + 10, left, right)
                bottom = max(y for _, y in edge)
                ring = [*edge, (right, top), (left, top)]
            if fill is park:
                park(drawing, left, bottom, right, top)
                continue
            is_open = fill is nothing
            if is_open and row == len(PLAN) - 1:
                drawing.area("green", rounded(ring, 12))
                continue
            drawing.area("block", rounded(ring, 10), class_="square" if is_open else fill.__name__)
            middle = (left + right) / 2
            if right - left > 225 and fill in (shops, estate):
                drawing.line("road", [(middle, bottom - 10), (middle, top + 10)], class_="lane")
                fill(drawing, left, bottom, middle - 5, top)
                fill(drawing, middle + 5, bottom, right, top)
            else:
                fill(drawing, left, bottom, right, top)


def draw_south(drawing: Drawing) -> None:
    """Draw the south bank: waterworks, grain store, new houses, the hill."""
    for left, right, fill in (
        (WEST + 10, -600.0, nothing),
        (-580.0, -95.0, estate),
        (-65.0, 175.0, halls),
        (205.0, 440.0, estate),
    ):
        edge = along(lambda x: south_bank(x) - 11, left, right)
        top = min(y for _, y in edge)
        drawing.area(
            "block",
            rounded([(left, SOUTH), (right, SOUTH), *reversed(edge)], 10),
            class_="works" if fill is nothing else fill.__name__,
        )
        fill(drawing, left + 4, SOUTH + 6, right - 4, top - 4)
    halls(drawing, -800, SOUTH + 10, -606, -560)
    hill = along(lambda x: south_bank(x) - 12, 470.0, EAST)
    drawing.area(
        "green",
        [(470.0, SOUTH), (EAST, SOUTH), *reversed(hill)],
        name="东山",
        name_en="Dongshan Hill",
        class_="hill",
    )
    for radius_m in (150, 95, 48):
        ring = [
            (745 + radius_m * 1.25 * math.cos(t), -622 + radius_m * 0.62 * math.sin(t) + 6 * math.sin(3 * t))
            for k in range(40)
            for t in [math.tau * k / 40]
        ]
        drawing.area("green", ring, 200.0, class_="contour")
    for x, y in ((-930.0, -640.0), (-880.0, -640.0), (-830.0, -640.0), (-905.0, -690.0)):
        tank = [(x + 18 * math.cos(math.tau * k / 20), y + 18 * math.sin(math.tau * k / 20)) for k in range(20)]
        drawing.area("water", tank, 200.0, class_="tank")


def draw_water(drawing: Drawing) -> None:
    """Draw the river and the green banks."""
    left, right = WEST - 60, EAST + 60
    north = along(lambda x: river(x) + RIVER_HALF_M + 5 * math.sin(x / 90), left, right)
    south = along(lambda x: river(x) - RIVER_HALF_M - 5 * math.sin(x / 110 + 1), left, right)
    green_north = along(lambda x: north_bank(x) - 9, left, right)
    green_south = along(lambda x: south_bank(x) + 9, left, right)
    drawing.area(
        "green",
        [*green_north, *reversed(green_south)],
        60.0,
        name="河滨绿带",
        name_en="Riverside green",
        class_="bank",
    )
    drawing.area("water", [*north, *reversed(south)], 60.0, name="河湾河", name_en="Hewan River", class_="river")


ROADS: tuple[tuple[str, str, str, list[Point]], ...] = (
    ("北环路", "Beihuan Road", "primary", [(WEST, 560), (EAST, 560)]),
    ("建设路", "Jianshe Road", "secondary", [(WEST, 350), (EAST, 350)]),
    ("新华路", "Xinhua Road", "primary", [(WEST, 160), (EAST, 160)]),
    ("文化路", "Wenhua Road", "secondary", [(WEST, -10), (EAST, -10)]),
    ("滨河路", "Binhe Road", "secondary", along(north_bank, WEST, EAST)),
    ("南岸路", "Nan'an Road", "secondary", along(south_bank, WEST, EAST)),
    ("西环路", "Xihuan Road", "primary", [(-840, NORTH), (-840, north_bank(-840))]),
    ("柳岸街", "Liu'an Street", "secondary", [(-580, NORTH), (-580, north_bank(-580))]),
    ("学府街", "Xuefu Street", "secondary", [(-320, NORTH), (-320, north_bank(-320))]),
    ("解放街", "Jiefang Street", "primary", [(-80, NORTH), (-80, SOUTH)]),
    ("桥头街", "Qiaotou Street", "secondary", [(190, NORTH), (190, SOUTH)]),
    ("东门街", "Dongmen Street", "secondary", [(460, NORTH), (460, north_bank(460))]),
    ("东环路", "Donghuan Road", "primary", [(760, NORTH), (760, north_bank(760))]),
    ("粮库路", "Liangku Road", "lane", [(455, south_bank(455)), (455, SOUTH)]),
)

LABELS: tuple[tuple[float, float, str, str, str], ...] = (
    (-450, 262, "新华学校", "Xinhua School", "place"),
    (-200, 250, "县政府", "County Office", "place"),
    (-200, 445, "河湾县人民医院", "County Hospital", "place"),
    (325, 262, "县第一中学", "No. 1 Middle School", "place"),
    (-200, 75, "文化广场", "Culture Square", "place"),
    (325, 118, "人民公园", "People's Park", "place"),
    (55, 75, "中心市场", "Central Market", "place"),
    (-900, 640, "工业园", "Industrial Park", "place"),
    (610, 450, "东苑小区", "Dongyuan Estate", "place"),
    (-710, 255, "柳岸小区", "Willow Bank Estate", "place"),
    (-870, -600, "自来水厂", "Waterworks", "place"),
    (60, -620, "二号粮库", "Grain Store 2", "place"),
    (740, -590, "东山", "Dongshan Hill", "hill"),
    (-560, river(-560), "河湾河", "Hewan River", "water"),
    (560, river(560), "河湾河", "Hewan River", "water"),
    (-80, river(-80) + 16, "新桥", "New Bridge", "bridge"),
    (190, river(190) + 16, "老桥", "Old Bridge", "bridge"),
)


def draw() -> dict[str, object]:
    """Return the whole town, drawn from the ground up."""
    drawing = Drawing()
    draw_water(drawing)
    draw_blocks(drawing)
    draw_south(drawing)
    for name, name_en, kind, points in ROADS:
        drawing.line("road", points, name=name, name_en=name_en, class_=kind)
    for x, name, name_en in ((-80.0, "新桥", "New Bridge"), (190.0, "老桥", "Old Bridge")):
        reach = RIVER_HALF_M + 8
        ends = [(x, river(x) - reach), (x, river(x) + reach)]
        drawing.line("road", ends, name=name, name_en=name_en, class_="bridge")
    edge = [(WEST, SOUTH), (EAST, SOUTH), (EAST, NORTH), (WEST, NORTH), (WEST, SOUTH)]
    drawing.line("boundary", edge, name="城关镇", name_en="Chengguan Town")
    for x, y, name, name_en, kind in LABELS:
        drawing.label(x, y, name, name_en, kind)
    return {"type": "FeatureCollection", "features": drawing.features}


def lines(features: Iterable[dict[str, object]]) -> str:
    """Return the text of the file: one feature a line, so that a change can be read."""
    body = ",\n".join(json.dumps(feature, ensure_ascii=False, separators=(",", ":")) for feature in features)
    return '{"type":"FeatureCollection","features":[\n' + body + "\n]}\n"


if __name__ == "__main__":
    collection = draw()
    features = collection["features"]
    assert isinstance(features, list)
    TARGET.write_text(lines(features), encoding="utf-8")
    print(f"{TARGET.name}: {len(features)} features, {TARGET.stat().st_size // 1024} KiB")
