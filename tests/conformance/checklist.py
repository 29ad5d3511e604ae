"""The conformance checklist of GB/T 28181 as a platform, and the rows that say where each point is kept and tested.

A row names the rule in our words, the files that keep it, the tests that hold it, and one or more breaks: texts that,
put into the code on purpose, must turn one of those tests red. `docs/protocols/gb28181-conformance.md` is made of them.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
ROWS: Final = Path(__file__).parent / "rows"

AREAS: Final = {
    "REG": "Registration",
    "KA": "Keepalive",
    "CAT": "Catalogue",
    "ALM": "Alarms",
    "SUB": "Subscriptions",
    "PTZ": "Camera control",
    "INV": "Live pictures",
    "PB": "Playback",
    "DL": "Download",
    "TALK": "Voice",
    "CAS": "Cascade",
    "MEDIA": "Media",
    "SEC": "Hostile input",
    "QUIRK": "Departures seen in the field",
}

CHECKLIST: Final = (
    *("REG.digest-no-qop", "REG.digest-qop", "REG.stale-nonce", "REG.wrong-password", "REG.refresh-same-call-id"),
    *("REG.refresh-new-call-id", "REG.expires-0", "REG.date-switch", "REG.redirect-302", "REG.tcp-drop"),
    *("KA.port-move", "KA.three-misses", "KA.unknown", "KA.flood"),
    *("CAT.one-by-one", "CAT.300-pages", "CAT.lost-page", "CAT.duplicate", "CAT.reordered", "CAT.sumnum-0"),
    *("CAT.sumnum-wrong", "CAT.unsolicited", "CAT.charsets", "CAT.ampersand", "CAT.missing-sn", "CAT.20000"),
    *("ALM.duplicate", "ALM.retransmit", "ALM.commit-failure", "ALM.reset", "ALM.storm", "ALM.unknown-device"),
    *("SUB.refresh", "SUB.expiry", "SUB.481", "SUB.outside-dialog"),
    *("PTZ.vectors", "PTZ.stop"),
    *("INV.udp", "INV.tcp-passive", "INV.tcp-active", "INV.codecs", "INV.psm", "INV.ssrc", "INV.cancel-race"),
    *("INV.ok-after-cancel", "INV.retransmitted-200", "INV.bye-glare"),
    *("PB.pause", "PB.seek", "PB.scale", "PB.121-once", "PB.121-each", "PB.121-never", "PB.from-not-device"),
    *("DL.speed", "DL.filesize"),
    *("TALK.broadcast", "TALK.talk"),
    *("CAS.two-uppers", "CAS.mapping", "CAS.subtree-query", "CAS.offline-propagation", "CAS.ssrc-missing"),
    *("CAS.rights-denied", "CAS.loop"),
    *("MEDIA.resync", "MEDIA.large-unit", "MEDIA.pts-wrap-32", "MEDIA.pts-wrap-33", "MEDIA.loss", "MEDIA.rtcp-muxed"),
    "MEDIA.pt-sniff",
    *("SEC.spoofed-from", "SEC.xml-bombs", "SEC.oversize", "SEC.upload-url", "SEC.header-injection"),
    *(f"QUIRK.{number}" for number in range(1, 33)),
)


@dataclass(frozen=True, slots=True)
class Break:
    """A rule broken on purpose: `old`, which stands once in `file`, becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Row:
    """One point of the checklist."""

    id: str
    rule: str
    clause: str
    implemented: tuple[str, ...]
    tests: tuple[str, ...]
    breaks: tuple[Break, ...]

    @property
    def area(self) -> str:
        """The part before the point."""
        return self.id.partition(".")[0]


def load() -> list[Row]:
    """Return every row, in the order of the checklist, further ones after it. Errors: ValueError naming the file."""
    rows: list[Row] = []
    for path in sorted(ROWS.glob("*.toml")):
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
            rows += [_row(entry) for entry in content.get("row", [])]
        except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path.name}: {error}") from error
    places = {row_id: number for number, row_id in enumerate(CHECKLIST)}
    areas = {area: number for number, area in enumerate(AREAS)}
    return sorted(rows, key=lambda row: (areas.get(row.area, 99), places.get(row.id, len(places)), row.id))


def _row(entry: dict[str, Any]) -> Row:
    breaks = tuple(Break(item["file"], item["old"], item["new"]) for item in entry.get("break", []))
    return Row(entry["id"], entry["rule"], entry["clause"], tuple(entry["implemented"]), tuple(entry["tests"]), breaks)


def problems(rows: Sequence[Row]) -> list[str]:
    """Return what is wrong with the rows without running anything: unknown, missing and doubled ones, dead names."""
    found: list[str] = []
    ids = [row.id for row in rows]
    found += [f"{row_id}: stands {ids.count(row_id)} times" for row_id in sorted(set(ids)) if ids.count(row_id) > 1]
    found += [f"{row_id}: has no row" for row_id in CHECKLIST if row_id not in ids]
    for row in rows:
        if row.area not in AREAS:
            found.append(f"{row.id}: no such area")
        if not row.rule or not row.clause:
            found.append(f"{row.id}: rule and clause are needed")
        if not row.tests or not row.breaks:
            found.append(f"{row.id}: needs a test and a break")
        found += [f"{row.id}: no file {name}" for name in row.implemented if not (ROOT / name).is_file()]
        found += [f"{row.id}: no test {name}" for name in row.tests if not _is_test(name)]
        found += [f"{row.id}: {text}" for item in row.breaks if (text := _misfit(item))]
    return found


def _misfit(item: Break) -> str:
    path = ROOT / item.file
    if not path.is_file() or not item.file.startswith("src/tocsin/"):
        return f"no file {item.file}"
    count = path.read_text(encoding="utf-8").count(item.old)
    if count != 1:
        return f"the text to break stands {count} times in {item.file}: {item.old.strip()[:60]!r}"
    return "the break changes nothing" if item.old == item.new else ""


def _is_test(name: str) -> bool:
    file, _, function = name.partition("::")
    path = ROOT / file
    if not path.is_file():
        return False
    wanted = function.partition("[")[0].split("::")
    body: Sequence[ast.stmt] = ast.parse(path.read_text(encoding="utf-8")).body
    for part in wanted:
        node = next(
            (
                node
                for node in body
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == part
            ),
            None,
        )
        if node is None:
            return False
        body = node.body
    return True
