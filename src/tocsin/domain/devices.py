"""Devices: what speaks to us, and what gateways report about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from tocsin.domain.attempts import Attempt


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One channel as a device's catalogue names it. `is_online` None: the previous state stays."""

    gb_id: str
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    civil_code: str = ""
    address: str = ""
    parent_id: str = ""
    is_online: bool | None = None
    lon: float | None = None
    lat: float | None = None
    ptz_type: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CatalogResult:
    """What a catalogue changed, counted in channels."""

    added: int = 0
    changed: int = 0
    returned: int = 0
    gone: int = 0


class DeviceReports(Protocol):
    """What the SIP gateway reports; each call is cheap, is stored in batches and never waits, `catalog` excepted."""

    def seen(self, device_id: str, at: datetime, peer: str, transport: str) -> None:
        """Note a valid message of any kind."""

    def registered(
        self,
        device_id: str,
        at: datetime,
        expires_s: int,
        peer: str,
        transport: str,
        user_agent: str,
        version: str,
    ) -> None:
        """Note a granted registration."""

    def unregistered(self, device_id: str, at: datetime, reason: str) -> None:
        """Note that the device signed off or was dropped."""

    def pending(self, gb_id: str, at: datetime, peer: str, user_agent: str) -> None:
        """Note that an unknown device knocks."""

    def attempt(self, attempt: Attempt) -> None:
        """Keep a finished or failed step timeline."""

    def learned(self, device_id: str, **profile: str) -> None:
        """Keep what was learned: charset, ladder winner, edition."""

    async def catalog(self, device_id: str, items: Sequence[CatalogEntry], complete: bool) -> CatalogResult:
        """Add and change channels; the absent ones are gone only when the set is complete. Returns after COMMIT."""
