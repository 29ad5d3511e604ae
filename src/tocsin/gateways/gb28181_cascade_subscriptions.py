"""What an upper platform has subscribed to: dialogs with their ends, kept on disk so that a restart goes on in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from tocsin.domain.devices import PositionReport
from tocsin.protocols.gb28181.catalog import CatalogItem

log = structlog.get_logger(__name__)

KINDS: Final = {"catalog": "catalog", "alarm": "alarm", "mobileposition": "position"}
DEFAULT_EXPIRES_S: Final = 600
LONGEST_EXPIRES_S: Final = 86_400
MAX_POSITIONS: Final = 256
MAX_KEPT: Final = 10_000
NOTIFIES_A_SECOND: Final = 50  # at most: CSeq goes on above what may have been used before a restart
_SAVED: Final = ("kind", "call_id", "local", "remote", "target", "event", "device_id", "interval_s")


@dataclass(slots=True)
class Subscription:
    """One subscription of an upper platform; `told` is the catalogue it knows, `told_at` the positions, and when."""

    kind: str
    call_id: str
    local: str
    remote: str
    target: str
    event: str
    device_id: str
    ends_at: float
    cseq: int = 0
    told: tuple[CatalogItem, ...] = ()
    interval_s: float = 0.0
    told_at: dict[str, tuple[PositionReport | None, float]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What a new one takes the place of: positions are subscribed to camera by camera by some."""
        return f"position {self.device_id}" if self.kind == "position" else self.kind

    def fields(self, now: float, *, is_over: bool = False) -> list[tuple[str, str]]:
        """Return the header fields of the next NOTIFY."""
        self.cseq += 1
        left_s = max(0, round(self.ends_at - now))
        state = "terminated;reason=timeout" if is_over else f"active;expires={left_s}"
        return [
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} NOTIFY"),
            ("Event", self.event),
            ("Subscription-State", state),
        ]


class Subscriptions:
    """The subscriptions of one upper platform, one a kind, positions one a subject; a new one replaces the former."""

    def __init__(self) -> None:
        self._of_key: dict[str, Subscription] = {}

    def put(self, subscription: Subscription) -> bool:
        """Keep one; False when there are too many."""
        if subscription.key not in self._of_key and len(self._of_key) >= MAX_POSITIONS:
            return False
        self._of_key[subscription.key] = subscription
        return True

    def end(self, subscription: Subscription) -> None:
        """Forget one."""
        if self._of_key.get(subscription.key) is subscription:
            del self._of_key[subscription.key]

    def of(self, kind: str, now: float) -> Subscription | None:
        """Return the one of a kind while it lasts."""
        return next(iter(self.all_of(kind, now)), None)

    def all_of(self, kind: str, now: float) -> list[Subscription]:
        """Return those of a kind while they last."""
        return [one for one in self.all(now) if one.kind == kind]

    def by_call(self, call_id: str, now: float) -> Subscription | None:
        """Return the one of a dialog while it lasts."""
        return next((one for one in self.all(now) if one.call_id == call_id), None)

    def all(self, now: float) -> list[Subscription]:
        """Return those that last."""
        self._of_key = {key: one for key, one in self._of_key.items() if one.ends_at > now}
        return list(self._of_key.values())

    def names(self) -> Sequence[str]:
        """Return the kinds there are."""
        return sorted({one.kind for one in self._of_key.values()})


class SubscriptionsFile:
    """The subscriptions of every upper platform on disk. Without a path it forgets; times there are Unix seconds."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._kept: dict[str, list[dict[str, Any]]] = self._load()

    def save(self, upper: str, found: Iterable[Subscription], now: float, unix_s: float) -> None:
        """Keep what an upper platform has subscribed to now."""
        rows = [
            {
                **{name: getattr(one, name) for name in _SAVED},
                "cseq": one.cseq,
                "ends_at": unix_s + one.ends_at - now,
                "saved_at": unix_s,
            }
            for one in found
        ]
        if rows == self._kept.get(upper, []):
            return
        self._kept.pop(upper, None)
        if rows:
            self._kept[upper] = rows
        self._write()

    def take(self, upper: str, now: float, unix_s: float) -> list[Subscription]:
        """Return what an upper platform had subscribed to and what should still stand."""
        found: list[Subscription] = []
        for row in self._kept.get(upper, []):
            try:
                left_s = float(row["ends_at"]) - unix_s
                cseq = int(row["cseq"]) + int(max(0.0, unix_s - float(row["saved_at"])) * NOTIFIES_A_SECOND) + 1
                values = {name: row[name] for name in _SAVED}
            except (KeyError, TypeError, ValueError):
                continue  # written by another version
            if 0 < left_s <= LONGEST_EXPIRES_S and values["kind"] in KINDS.values():
                found.append(Subscription(**values, ends_at=now + left_s, cseq=cseq))
        return found

    def _load(self) -> dict[str, list[dict[str, Any]]]:
        if self._path is None or not self._path.exists():
            return {}
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(content, dict):
            return {}
        return {str(key): rows for key, rows in list(content.items())[:MAX_KEPT] if isinstance(rows, list)}

    def _write(self) -> None:
        if self._path is None:
            return
        try:
            made = self._path.with_suffix(".new")
            made.write_text(json.dumps(self._kept), encoding="utf-8")
            made.replace(self._path)
        except OSError as error:  # it costs the resumption and nothing else
            log.warning("subscriptions of upper platforms not kept", error=str(error))
