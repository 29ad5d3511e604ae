"""Storage arithmetic where recordings move to a far place: a stream's days are those near and those far. Pure.

Source: design note 0022, arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tocsin.domain.storage_forecast import MANY_DAYS, Flow, Outlook, Room, allot


@dataclass(frozen=True, slots=True)
class FarPlace:
    """The far place: its volume, after how many days each stream moves, and the level at which it moves earlier.

    `else_days` is for streams that are not named; None is by level alone.
    """

    volume_no: int
    days: Mapping[int, int] = field(default_factory=dict)
    else_days: int | None = None
    at_pct: int = 80


def near_flows(flows: Sequence[Flow], far: FarPlace) -> list[Flow]:
    """Return what streams write to the near disks; what has moved already counts where its stream writes."""
    near = {flow.stream_no: flow for flow in flows if flow.volume_no != far.volume_no and flow.bytes_per_day > 0}
    moved = {flow.stream_no: flow.bytes_per_day for flow in flows if flow.volume_no == far.volume_no}
    return [
        replace(flow, bytes_per_day=flow.bytes_per_day + moved.get(flow.stream_no, 0.0))
        if near.get(flow.stream_no) is flow
        else flow
        for flow in flows
        if flow.volume_no != far.volume_no
    ]


def split(rooms: Sequence[Room], near: Sequence[Flow], stored: Mapping[int, int], far: FarPlace) -> list[Flow]:
    """Return a flow for each stream near and one far; `stored` are the bytes of each stream that lie far already."""
    split_: list[Flow] = []
    for room in rooms:
        level = replace(room, full_at_bytes=min(room.full_at_bytes, room.total_bytes * far.at_pct // 100))
        ours = [replace(flow, floor_days=0.0, ceiling_days=_near_most(flow, far)) for flow in near]
        ours = [flow for flow in ours if flow.volume_no == room.volume_no and flow.bytes_per_day > 0]
        days = allot(ours, max(0.0, level.for_recordings_bytes - level.held_bytes))
        for flow in near:
            if flow.volume_no != room.volume_no:
                continue
            here = days.get(flow.stream_no, 0.0)
            split_.append(replace(flow, floor_days=min(flow.floor_days, here), ceiling_days=here))
            if flow.bytes_per_day > 0:
                split_.append(
                    replace(
                        flow,
                        volume_no=far.volume_no,
                        stored_bytes=stored.get(flow.stream_no, 0),
                        floor_days=max(0.0, flow.floor_days - here),
                        ceiling_days=None if flow.ceiling_days is None else max(0.0, flow.most_days - here),
                    )
                )
    return split_


def days_of(outlooks: Sequence[Outlook], flows: Sequence[Flow], far: FarPlace) -> dict[int, float]:
    """Return for each stream its days near and far together; a far place without a size keeps all there is."""
    found: dict[int, float] = {}
    sized = {one.volume_no for one in outlooks}
    for one in outlooks:
        for stream_no, days in one.days.items():
            found[stream_no] = found.get(stream_no, 0.0) + days
    if far.volume_no not in sized:
        for flow in flows:
            if flow.volume_no == far.volume_no and flow.stream_no in found:
                found[flow.stream_no] = min(MANY_DAYS, found[flow.stream_no] + flow.most_days)
    return found


def _near_most(flow: Flow, far: FarPlace) -> float | None:
    days = far.days.get(flow.stream_no, far.else_days)
    if days is None:
        return flow.ceiling_days
    return float(days) if flow.ceiling_days is None else min(float(days), flow.ceiling_days)
