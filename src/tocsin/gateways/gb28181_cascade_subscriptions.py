"""What an upper platform has subscribed to: one dialog a kind, with its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.protocols.gb28181.catalog import CatalogItem

KINDS: Final = {"catalog": "catalog", "alarm": "alarm", "mobileposition": "position"}
DEFAULT_EXPIRES_S: Final = 600
LONGEST_EXPIRES_S: Final = 86_400


@dataclass(slots=True)
class Subscription:
    """One subscription of an upper platform; `told` is the catalogue it knows."""

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
    """The subscriptions of one upper platform, one a kind: a new one takes the place of the former."""

    def __init__(self) -> None:
        self._of_kind: dict[str, Subscription] = {}

    def put(self, subscription: Subscription) -> None:
        """Keep one."""
        self._of_kind[subscription.kind] = subscription

    def end(self, kind: str) -> None:
        """Forget one."""
        self._of_kind.pop(kind, None)

    def of(self, kind: str, now: float) -> Subscription | None:
        """Return the one of a kind while it lasts."""
        found = self._of_kind.get(kind)
        if found is not None and found.ends_at <= now:
            del self._of_kind[kind]
            return None
        return found

    def names(self) -> Sequence[str]:
        """Return the kinds there are."""
        return sorted(self._of_kind)
