"""The ways a device reports by: what is entered of them, which one a frame came by, and how each stands."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain import fields
from tocsin.domain.fields import refuse
from tocsin.domain.own_silence import shifted

MAX_PATHS: Final = 4
SIGNS: Final = 3  # a path nobody entered counts once heard so often: one frame by a detour is none

WORDS: Final = Words(
    {
        "path.twice": ("Each path has a name of its own.", "每条线路的名称不能重复。"),
        "path.address_form": (
            "An address is one host or a network: 10.8.0.7, 10.8.0.0/16.",
            "地址应为单个主机或网段，如 10.8.0.7、10.8.0.0/16。",
        ),
    }
)


class By(StrEnum):
    """What of a frame says which path it came by."""

    NUMBER = "number"
    RECEIVER = "receiver"
    LINE = "line"
    ADDRESS = "address"
    TRANSPORT = "transport"


@dataclass(frozen=True, slots=True)
class Way:
    """How one frame came: the number its sender gave, receiver and line, the host it came from, the transport."""

    number: str = ""
    receiver: str = ""
    line: str = ""
    host: str = ""
    transport: str = ""


@dataclass(frozen=True, slots=True)
class PathRule:
    """A path as entered. Without `interval_s` the device's own counts; 0 is never overdue."""

    name: str
    by: By
    value: str
    interval_s: float | None = None

    def fits(self, way: Way) -> bool:
        """Say whether a frame came by it."""
        if self.by is By.NUMBER:
            return way.number == self.value
        if self.by is By.ADDRESS:
            return is_within(way.host, self.value)
        given = {By.RECEIVER: way.receiver, By.LINE: way.line, By.TRANSPORT: way.transport}[self.by]
        return given.lower() == self.value.lower()


class PathState(StrEnum):
    """How a path stands."""

    NEVER = "never"
    OK = "ok"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StoredPath:
    """A path as kept: when it was last heard, how it stands, since when."""

    device_id: str
    name: str
    state: PathState
    since: datetime
    last_seen_at: datetime | None = None


class Path:
    """A path under watch. `base` is where its deadline counts from: the last sign of life, shifted."""

    __slots__ = ("base", "count", "device_id", "is_raised", "last_seen_at", "name", "rule", "since", "state")

    def __init__(self, device_id: str, name: str, since: datetime, rule: PathRule | None = None) -> None:
        self.device_id = device_id
        self.name = name
        self.rule = rule
        self.state = PathState.NEVER
        self.since = since
        self.base: datetime | None = None
        self.last_seen_at: datetime | None = None
        self.count = 0
        self.is_raised = False

    @property
    def is_in_use(self) -> bool:
        """Say whether it was heard often enough to be a path."""
        return self.state is not PathState.NEVER and (self.rule is not None or self.count >= SIGNS)

    def interval_s(self, usual_s: float) -> float:
        """Return how often it is heard, in seconds; 0: never overdue."""
        given = self.rule.interval_s if self.rule is not None else None
        return usual_s if given is None else given

    def shift(self, by: timedelta, now: datetime) -> None:
        """Move its deadline by our own silence."""
        if self.base is not None:
            self.base = shifted(self.base, by, now)

    def stored(self) -> StoredPath:
        """Return it as it is kept."""
        return StoredPath(self.device_id, self.name, self.state, self.since, self.last_seen_at)

    def take(self, kept: StoredPath) -> None:
        """Take up what was kept of it."""
        self.state, self.since = kept.state, kept.since
        self.base = self.last_seen_at = kept.last_seen_at
        self.is_raised = kept.state is PathState.FAILED
        self.count = SIGNS


def rules_of(settings: Mapping[str, Any]) -> tuple[PathRule, ...]:
    """Return the paths entered for a device."""
    return tuple(
        PathRule(given["name"], By(given["by"]), given["value"], given.get("interval_s"))
        for given in settings.get("paths", ())
    )


def forms(rules: Sequence[PathRule], kept: Collection[StoredPath]) -> list[dict[str, object]]:
    """Return the paths of a device as the API shows them: those entered in their order, then those learned."""
    by_name = {one.name: one for one in kept}
    found = [(rule.name, rule) for rule in rules]
    if not rules:
        found = [(name, PathRule(name, By.NUMBER, name)) for name in sorted(by_name)]
    rows: list[dict[str, object]] = []
    for name, rule in found:
        one = by_name.get(name)
        rows.append(
            {
                "name": name,
                "by": rule.by.value,
                "value": rule.value,
                "interval_s": rule.interval_s,
                "entered": bool(rules),
                "state": (one.state if one else PathState.NEVER).value,
                "since": iso(one.since) if one else None,
                "last_seen_at": iso(one.last_seen_at) if one and one.last_seen_at else None,
            }
        )
    return rows


# --- what people may enter --------------------------------------------------------------------------------------------


def paths_rule(field_: str, value: Any) -> list[dict[str, Any]]:
    """At most four paths, each with a name of its own."""
    if not isinstance(value, list) or len(value) > MAX_PATHS or not all(isinstance(one, Mapping) for one in value):
        raise refuse(field_, "registry.field_form", f"{field_} must be a list", form=f"[{{...}}], <= {MAX_PATHS}")
    rows = []
    for given in value:
        row = fields.read(given, _RULES)
        fields.require(row, "name", "by", "value")
        if row["by"] == By.ADDRESS and _network(row["value"]) is None:
            raise refuse(field_, "path.address_form", f"{row['value']} is neither a host nor a network")
        rows.append({name: kept for name, kept in row.items() if kept is not None})
    if len({row["name"] for row in rows}) != len(rows):
        raise refuse(field_, "path.twice", "each path has a name of its own")
    return rows


_RULES: Final[Mapping[str, fields.Rule]] = {
    "name": fields.text(32, required=True),
    "by": fields.choice(*By),
    "value": fields.text(64, required=True),
    "interval_s": fields.number(0, 604_800),
}


def is_within(host: str, network: str) -> bool:
    """Say whether a host is that address, or lies in that network."""
    known = _network(network)
    if known is None or not host:
        return False
    try:
        return ipaddress.ip_address(host.partition("%")[0]) in known
    except ValueError:
        return False


@lru_cache(4096)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
