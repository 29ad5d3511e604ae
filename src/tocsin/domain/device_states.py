"""How states and faults of devices are stored: many at a time, each fault opened once, each closed by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tocsin.base.ids import new_id
from tocsin.base.times import to_us
from tocsin.domain import events
from tocsin.domain.devices import Device, DeviceState, Fault


@dataclass(frozen=True, slots=True)
class Transition:
    """What changed of a device: a state (None: unchanged), the fault that explains it, and others opened and closed."""

    device_id: str
    at: datetime
    state: str | None
    fault_key: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    opened: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    closed: tuple[str, ...] = ()


def apply_transitions(tx: Any, transitions: Sequence[Transition]) -> None:
    """Write states and faults of devices and announce them, with the cameras whose state follows from it."""
    devices: dict[str, Device] = tx.devices.load([item.device_id for item in transitions])
    states: list[tuple[str, str, int]] = []
    new_faults: list[Fault] = []
    ended: list[str] = []
    flipped: list[str] = []
    facts: list[events.DeviceFact] = []
    for item in transitions:
        device = devices.get(item.device_id)
        if device is None or device.retired_at is not None:
            continue
        opened, closed = _faults(device, item)
        new_faults.extend(opened)
        ended.extend(fault.id for fault in closed)
        kept = tuple(fault for fault in device.faults if fault not in closed)
        device = replace(device, faults=(*kept, *opened))
        if item.state is not None and item.state != device.state:
            device = replace(device, state=item.state, state_since=item.at, last_seen_at=_latest(device, item))
            states.append((device.id, item.state, to_us(item.at)))
            flipped.append(device.id)
        if flipped and flipped[-1] == device.id:
            facts.append(_state_fact(device, item))
        else:
            facts.extend(_fault_facts(device, item, opened, closed))
    tx.devices.note_states(states)
    tx.devices.close_faults(ended, to_us(tx.now))
    tx.devices.add_faults(new_faults)
    tx.record_many(facts)
    for channel in tx.devices.channels_of(flipped):
        if channel.retired_at is None:
            tx.record(
                events.ChannelReported(
                    subject_id=channel.id,
                    at=tx.now,
                    jurisdiction_code=channel.jurisdiction_code,
                    data=channel.form(),
                )
            )


def open_fault(tx: Any, device_id: str, key: str, params: Mapping[str, object], at: datetime) -> None:
    """Open a fault of a device, unless it is open; announce it."""
    apply_transitions(tx, [Transition(device_id, at, None, opened={key: params})])


def close_fault(tx: Any, device_id: str, key: str, at: datetime) -> None:
    """Close a fault of a device, if it is open; announce it."""
    apply_transitions(tx, [Transition(device_id, at, None, closed=(key,))])


def _latest(device: Device, item: Transition) -> datetime | None:
    return item.at if item.state == DeviceState.ONLINE else device.last_seen_at


def _faults(device: Device, item: Transition) -> tuple[list[Fault], list[Fault]]:
    """Return the faults to open and to close."""
    wanted = dict(item.opened)
    if item.fault_key:
        wanted[item.fault_key] = item.params
    over = set(item.closed) - wanted.keys()
    if item.state is not None:  # a state says how the device is heard: whatever said otherwise is over
        over |= {f.key for f in device.faults if f.key.startswith("comms.") and f.key not in wanted}
    opened, closed = [], [fault for fault in device.faults if fault.key in over]
    for key, params in wanted.items():
        known = next((fault for fault in device.faults if fault.key == key), None)
        if known is not None and known.params != params:
            closed.append(known)
        if known is None or known.params != params:
            opened.append(Fault(new_id(), device.id, key, known.opened_at if known else item.at, dict(params)))
    return opened, closed


def _state_fact(device: Device, item: Transition) -> events.DeviceStateChanged:
    return events.DeviceStateChanged(
        subject_id=device.id,
        at=item.at,
        jurisdiction_code=device.jurisdiction_code,
        data=device.form(),
        state=str(device.state),
        reason=item.fault_key,
    )


def _fault_facts(
    device: Device, item: Transition, opened: Sequence[Fault], closed: Sequence[Fault]
) -> list[events.DeviceFact]:
    common = {
        "subject_id": device.id,
        "at": item.at,
        "jurisdiction_code": device.jurisdiction_code,
        "data": device.form(),
    }
    still = {fault.key for fault in opened}
    facts: list[events.DeviceFact] = [events.FaultOpened(key=fault.key, **common) for fault in opened]  # type: ignore[arg-type]
    facts.extend(events.FaultClosed(key=f.key, **common) for f in closed if f.key not in still)  # type: ignore[arg-type]
    return facts
