"""What gateways report of devices: taken in memory, stored in batches, one write every few seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.base.ids import new_id
from tocsin.base.times import to_us
from tocsin.domain import events
from tocsin.domain.attempts import Attempt, PendingDevice
from tocsin.domain.camera_tree import CatalogNode, merged_nodes
from tocsin.domain.channels import ChannelRecord, NewChannel, merge_catalog, moved
from tocsin.domain.device_events import note_clocks
from tocsin.domain.device_profiles import TRAITS, Finding
from tocsin.domain.device_states import Transition, apply_transitions
from tocsin.domain.devices import CatalogEntry, CatalogResult, Device, PositionReport, new_zone
from tocsin.domain.directory import Directory, Heard
from tocsin.domain.profile_service import apply_guesses
from tocsin.domain.store import Store
from tocsin.domain.supervision import Supervision

MAX_KNOCKING: Final = 1_000
MAX_WAITING_ATTEMPTS: Final = 5_000
MAX_TEXT_CHARS: Final = 200
MAX_WAITING_POSITIONS: Final = 20_000
PARTS_FAULTY: Final = "device.parts_faulty"

HEARD_IN_ONE_WRITE = 400  # thousands in one commit would hold up the alarms that queue behind it


@dataclass(slots=True)
class _Batch:
    """What waits for the next write."""

    heard: list[Heard] = field(default_factory=list)
    registered_us: dict[str, int | None] = field(default_factory=dict)
    learned: dict[str, dict[str, str]] = field(default_factory=dict)
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    knocks: dict[str, PendingDevice] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    tests_us: dict[str, int] = field(default_factory=dict)
    positions: dict[tuple[str, str], PositionReport] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not any(
            (self.heard, self.registered_us, self.learned, self.knocks, self.attempts, self.tests_us, self.positions)
        )


class StoredReports:
    """`DeviceReports` over supervision, directory and store. `flush` is the one write; call it every few seconds."""

    def __init__(self, store: Store, supervision: Supervision, directory: Directory) -> None:
        self._store = store
        self._now = supervision.now
        self._supervision = supervision
        self._directory = directory
        self._batch = _Batch()

    def seen(self, device_id: str, at: datetime, peer: str, transport: str) -> None:
        """Note a valid message of any kind."""
        self._supervision.seen(device_id, at, peer, transport)

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
        self._supervision.registered(device_id, at, expires_s, peer, transport)
        self._batch.registered_us[device_id] = to_us(at + timedelta(seconds=expires_s))
        self.learned(device_id, user_agent=user_agent, version=version)

    def unregistered(self, device_id: str, at: datetime, reason: str, *, is_bound: bool = False) -> None:
        """Note that the device signed off or was dropped; one that is still bound is only silent, and asked on."""
        self._supervision.lost(device_id, at, reason)
        if not is_bound:
            self._batch.registered_us[device_id] = None

    def pending(self, gb_id: str, at: datetime, peer: str, user_agent: str) -> None:
        """Note that an unknown device knocks."""
        knocks = self._batch.knocks
        known = knocks.get(gb_id)
        agent = _shown(user_agent)
        if known is not None:
            knocks[gb_id] = replace(known, peer=peer, user_agent=agent, last_at=at, knocks=known.knocks + 1)
        elif len(knocks) < MAX_KNOCKING:
            knocks[gb_id] = PendingDevice(gb_id, peer, agent, at, at)

    def attempt(self, attempt: Attempt) -> None:
        """Keep a finished or failed step timeline."""
        if len(self._batch.attempts) >= MAX_WAITING_ATTEMPTS:
            del self._batch.attempts[: MAX_WAITING_ATTEMPTS // 2]
        self._batch.attempts.append(attempt)

    def learned(self, device_id: str, **profile: str) -> None:
        """Keep what was learned; an empty value forgets, `faulty` lists sub-devices that do not work."""
        texts = {name: _shown(value) for name, value in profile.items()}
        self._batch.learned.setdefault(device_id, {}).update(texts)
        for name in TRAITS.keys() & texts.keys():
            self._batch.findings[device_id, name] = Finding(device_id, name, texts[name], self._now())
        self._directory.learn(device_id, texts)

    def found(
        self,
        device_id: str,
        at: datetime,
        trait: str,
        value: str,
        evidence: str,
        *,
        is_proven: bool = True,
        **params: str | int,
    ) -> None:
        """Keep a trait of a device and what it was found from; a guess that it proves is one no longer."""
        profile = {trait: value}
        known = self._directory.sip_of(device_id)
        if known is not None and trait in known.guessed:
            profile["guessed"] = ",".join(name for name in known.guessed if name != trait)
        self.learned(device_id, **profile)
        shown = {name: _shown(text) if isinstance(text, str) else text for name, text in params.items()}
        self._batch.findings[device_id, trait] = Finding(
            device_id, trait, _shown(value), at, evidence, is_proven, shown
        )

    def positions(self, device_id: str, found: Sequence[PositionReport]) -> None:
        """Keep where channels of a device are now; an earlier position is overwritten."""
        for report in found:
            if len(self._batch.positions) < MAX_WAITING_POSITIONS or (device_id, report.gb_id) in self._batch.positions:
                self._batch.positions[device_id, report.gb_id] = report

    async def catalog(self, device_id: str, items: Sequence[CatalogEntry], complete: bool) -> CatalogResult:
        """Add and change channels; the absent ones are gone only when the set is complete. Returns after COMMIT."""
        result, is_changed = await self._store.run(_take_catalog, device_id, tuple(items), complete)
        if is_changed:
            await self._directory.refresh(device_id)
        return result

    async def directories(self, device_id: str, nodes: Sequence[CatalogNode], complete: bool) -> None:
        """Keep what a catalogue names above its channels; the absent ones go only when the set is complete."""
        if nodes or complete:
            await self._store.run(_take_directories, device_id, tuple(nodes), complete)

    async def inputs(self, device_id: str, numbers: Sequence[str]) -> None:
        """Enter alarm inputs a camera named as zones; those that are there already stay as they are."""
        if numbers:
            await self._store.run(_take_inputs, device_id, tuple(numbers))

    async def flush(self) -> None:
        """Write everything that waits; what cannot be written waits on, unless something newer came."""
        batch, self._batch = self._batch, _Batch()
        heard = self._supervision.take_heard()
        batch.heard = heard[:HEARD_IN_ONE_WRITE]
        batch.tests_us = self._supervision.take_tests()
        written = 0
        try:
            while not batch.is_empty:
                guessed = await self._store.run(_write, batch)
                if guessed:
                    await self._directory.refresh(*guessed)
                written += len(batch.heard)
                batch = _Batch(heard=heard[written : written + HEARD_IN_ONE_WRITE])
        except Exception:
            batch.heard = heard[written:]
            self._keep(batch)
            raise

    def _keep(self, batch: _Batch) -> None:
        self._supervision.give_back_heard(batch.heard)
        waiting = self._batch
        for device_id, until in batch.registered_us.items():
            waiting.registered_us.setdefault(device_id, until)
        for device_id, profile in batch.learned.items():
            waiting.learned[device_id] = {**profile, **waiting.learned.get(device_id, {})}
        for key, finding in batch.findings.items():
            waiting.findings.setdefault(key, finding)
        for gb_id, knock in batch.knocks.items():
            newer = waiting.knocks.get(gb_id)
            if newer is None:
                waiting.knocks[gb_id] = knock
            else:
                waiting.knocks[gb_id] = replace(newer, first_at=knock.first_at, knocks=newer.knocks + knock.knocks)
        waiting.attempts[:0] = batch.attempts[-MAX_WAITING_ATTEMPTS // 2 :]
        for key, report in batch.positions.items():
            waiting.positions.setdefault(key, report)
        for device_id, at_us in batch.tests_us.items():
            waiting.tests_us.setdefault(device_id, at_us)


def _shown(text: str) -> str:
    """Return a device's words as they can be stored and shown: one of them must not spoil a batch."""
    return "".join(c for c in text[:MAX_TEXT_CHARS] if c.isprintable())


def _write(tx: Any, batch: _Batch) -> list[str]:
    """Write a batch; return the devices that were given guesses, because who made them has become known."""
    tx.devices.note_heard(batch.heard)
    tx.devices.note_registrations(batch.registered_us)
    tx.devices.note_learned(batch.learned)
    tx.profiles.save(found for found in batch.findings.values() if found.value)
    tx.profiles.drop(key for key, found in batch.findings.items() if not found.value)
    tx.devices.note_tests(batch.tests_us)
    tx.attempts.knock(list(batch.knocks.values()))
    tx.attempts.save(batch.attempts)
    if batch.positions:
        _take_positions(tx, batch.positions)
    faulty = {device_id: profile["faulty"] for device_id, profile in batch.learned.items() if "faulty" in profile}
    note_clocks(tx, [device_id for device_id, profile in batch.learned.items() if "clock_offset_s" in profile])
    if faulty:
        apply_transitions(tx, [_parts(device_id, parts, tx.now) for device_id, parts in faulty.items()])
    return apply_guesses(tx, [device_id for device_id, profile in batch.learned.items() if "model" in profile])


def _take_positions(tx: Any, positions: Mapping[tuple[str, str], PositionReport]) -> None:
    """Put each channel where it is now. A device that names itself and has one channel means that one."""
    by_device: dict[str, list[ChannelRecord]] = {}
    for channel in tx.devices.channels_of(sorted({device_id for device_id, _ in positions})):
        by_device.setdefault(channel.device_id, []).append(channel)
    changed: dict[str, ChannelRecord] = {}
    for (device_id, gb_id), report in positions.items():
        present = [channel for channel in by_device.get(device_id, ()) if channel.gone_at is None]
        named = [channel for channel in present if channel.gb_id == gb_id]
        for channel in named or (present if len(present) == 1 else ()):
            found = moved(channel, report)
            if found != channel:
                changed[channel.id] = found
    tx.devices.note_reported(list(changed.values()))
    for channel in changed.values():
        tx.record(
            events.ChannelReported(
                subject_id=channel.id, at=tx.now, jurisdiction_code=channel.jurisdiction_code, data=channel.form()
            )
        )


def _parts(device_id: str, parts: str, at: datetime) -> Transition:
    if parts:
        return Transition(device_id, at, None, opened={PARTS_FAULTY: {"parts": parts}})
    return Transition(device_id, at, None, closed=(PARTS_FAULTY,))


def _take_catalog(tx: Any, device_id: str, items: Sequence[CatalogEntry], complete: bool) -> tuple[CatalogResult, bool]:
    devices: Mapping[str, Device] = tx.devices.load([device_id])
    device = devices.get(device_id)
    if device is None or device.retired_at is not None:
        return CatalogResult(), False
    known: list[ChannelRecord] = tx.devices.channels_of([device_id])
    home = NewChannel(device.id, device.jurisdiction_id, device.jurisdiction_code, device.state == "online")
    names = {channel.gb_id for channel in known}
    fresh = sum(1 for gb_id in {item.gb_id for item in items} if gb_id not in names)
    merge = merge_catalog(known, items, [new_id() for _ in range(fresh)], home, is_complete=complete, now=tx.now)
    tx.devices.add_channels(merge.added)
    tx.devices.note_reported((*merge.changed, *merge.returned, *merge.gone))
    for channels, fact in (
        (merge.added, events.ChannelDiscovered),
        (merge.returned, events.ChannelReturned),
        (merge.gone, events.ChannelGone),
    ):
        for channel in channels:
            tx.record(
                fact(
                    subject_id=channel.id,
                    at=tx.now,
                    jurisdiction_code=channel.jurisdiction_code,
                    data=channel.form(),
                    device_id=device_id,
                )
            )
    for channel in merge.changed:
        tx.record(
            events.ChannelReported(
                subject_id=channel.id, at=tx.now, jurisdiction_code=channel.jurisdiction_code, data=channel.form()
            )
        )
    result = CatalogResult(len(merge.added), len(merge.changed), len(merge.returned), len(merge.gone))
    return result, any((merge.added, merge.changed, merge.returned, merge.gone))


def _take_directories(tx: Any, device_id: str, nodes: Sequence[CatalogNode], complete: bool) -> None:
    if device_id in tx.devices.load([device_id]):
        written, gone = merged_nodes(tx.tree.nodes_of(device_id), nodes, is_complete=complete)
        tx.tree.write_nodes(device_id, written, gone)


def _take_inputs(tx: Any, device_id: str, numbers: Sequence[str]) -> None:
    device = tx.devices.load([device_id]).get(device_id)
    if device is None or device.retired_at is not None:
        return
    for number in dict.fromkeys(numbers):
        zone = new_zone(new_id(), device_id, {"number": number})
        if tx.devices.has_zone(device_id, zone.number):
            continue
        tx.devices.add_zone(zone)
        tx.record(
            events.ZoneAdded(
                subject_id=device_id,
                at=tx.now,
                jurisdiction_code=device.jurisdiction_code,
                data=device.form(),
                zone_id=zone.id,
                number=zone.number,
            )
        )
