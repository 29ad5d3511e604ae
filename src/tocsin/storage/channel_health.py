"""How channels are doing, as rows: states, measures, faults, and sums over makers, lines and jurisdictions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, bindparam, case, delete, func, insert, or_, select, update

from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.channel_health import ChannelFault, GroupHealth, HealthState, Measures
from tocsin.storage.channels import chunks
from tocsin.storage.scope import below, within
from tocsin.storage.tables_registry import channel_faults, channel_health, channels, devices

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Any])
_JOINED = channels.join(devices, devices.c.id == channels.c.device_id)
_GROUPS: Final = {"maker": devices.c.maker, "line": devices.c.line, "jurisdiction": channels.c.jurisdiction_code}
_IS_OFFLINE = channel_faults.c.key.startswith("offline.", autoescape=True)
_IS_ONLINE = (
    (devices.c.state == "online")
    & (channels.c.status != "OFF")
    & channels.c.gone_at_us.is_(None)
    & (channels.c.parent_off == 0)
)


@dataclass(frozen=True, slots=True)
class FaultFilter:
    """What a list of channel faults is narrowed to; empty fields narrow nothing. `before` is the cursor, a fault id."""

    key: str = ""
    keys: tuple[str, ...] = ()  # any of them
    maker: str | None = None
    line: str | None = None
    code: str = ""
    channel_id: str = ""
    is_open: bool = True
    before: str = ""


class ChannelHealthRepository:
    """States, measures and faults of channels."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- states and measures ---

    def states(self, channel_ids: Collection[str]) -> dict[str, HealthState]:
        """Return the state of each channel that has one."""
        found: dict[str, HealthState] = {}
        for chunk in chunks(channel_ids):
            rows = self._connection.execute(select(channel_health).where(channel_health.c.channel_id.in_(chunk)))
            found.update((row.channel_id, _state(row)) for row in rows)
        return found

    def save_states(self, new: Sequence[HealthState], changed: Sequence[HealthState]) -> None:
        """Write states; measures stay as they are."""
        if new:
            self._connection.execute(insert(channel_health), [_state_values(state) for state in new])
        if changed:
            self._connection.execute(
                _SAVE_STATE, [{f"b_{name}": value for name, value in _state_values(state).items()} for state in changed]
            )

    def note_parents(self, channel_ids: Collection[str], *, is_off: bool) -> None:
        """Write whether what stands above these channels is off."""
        for chunk in chunks(channel_ids):
            self._connection.execute(
                update(channels).where(channels.c.id.in_(chunk)).values(parent_off=1 if is_off else 0)
            )

    def note_measures(self, measured: Sequence[tuple[str, Measures]]) -> None:
        """Write what was measured; a channel without a state yet is left out. A last frame is never taken back."""
        if measured:
            self._connection.execute(
                _NOTE_MEASURES, [_measure_values(channel_id, item) for channel_id, item in measured]
            )

    def note_checked(self, channel_ids: Collection[str], at_us: int) -> None:
        """Write when channels were asked for their picture by a check."""
        for chunk in chunks(channel_ids):
            self._connection.execute(
                update(channel_health).where(channel_health.c.channel_id.in_(chunk)).values(checked_at_us=at_us)
            )

    def due(self, before_us: int, limit: int) -> list[str]:
        """Return channels in service and on line whose last check lies before, the longest unchecked first."""
        rows = self._connection.execute(
            select(channels.c.id)
            .select_from(_JOINED.join(channel_health, channel_health.c.channel_id == channels.c.id))
            .where(
                channels.c.stage == "in_service",
                _IS_ONLINE,
                func.coalesce(channel_health.c.checked_at_us, channel_health.c.watched_from_us) < before_us,
            )
            .order_by(func.coalesce(channel_health.c.checked_at_us, channel_health.c.watched_from_us))
            .limit(limit)
        )
        return [row.id for row in rows]

    # --- faults ---

    def open_faults(self, channel_ids: Collection[str]) -> dict[str, dict[str, ChannelFault]]:
        """Return the open faults of channels by key."""
        found: dict[str, dict[str, ChannelFault]] = {}
        for chunk in chunks(channel_ids):
            rows = self._connection.execute(
                select(channel_faults).where(
                    channel_faults.c.channel_id.in_(chunk), channel_faults.c.closed_at_us.is_(None)
                )
            )
            for row in rows:
                found.setdefault(row.channel_id, {})[row.key] = _fault(row)
        return found

    def channels_with_open(self, key_prefix: str) -> list[str]:
        """Return the channels with an open fault whose key begins so."""
        rows = self._connection.execute(
            select(channel_faults.c.channel_id)
            .where(
                channel_faults.c.closed_at_us.is_(None), channel_faults.c.key.startswith(key_prefix, autoescape=True)
            )
            .distinct()
        )
        return [row.channel_id for row in rows]

    def add_faults(self, faults: Sequence[ChannelFault]) -> None:
        """Add faults; the caller has made sure that none of that key is open."""
        if faults:
            self._connection.execute(
                insert(channel_faults),
                [
                    {
                        "id": fault.id,
                        "channel_id": fault.channel_id,
                        "key": fault.key,
                        "params": _encode(fault.params).decode(),
                        "opened_at_us": to_us(fault.opened_at),
                        "closed_at_us": optional_us(fault.closed_at),
                    }
                    for fault in faults
                ],
            )

    def close_faults(self, fault_ids: Collection[str], at_us: int) -> None:
        """Close faults."""
        for chunk in chunks(fault_ids):
            self._connection.execute(
                update(channel_faults).where(channel_faults.c.id.in_(chunk)).values(closed_at_us=at_us)
            )

    def find_faults(
        self, *, visible_to: Scope, limit: int = 100, **narrowed: Any
    ) -> list[tuple[ChannelFault, Row[Any]]]:
        """Return faults newest first, each with the names of its camera and device; fields of `FaultFilter`."""
        wanted = FaultFilter(**narrowed)
        query = (
            select(
                channel_faults,
                channels.c.name,
                channels.c.name_en,
                channels.c.jurisdiction_id,
                channels.c.device_id,
                devices.c.maker,
                devices.c.model,
                devices.c.line,
            )
            .select_from(_JOINED.join(channel_faults, channel_faults.c.channel_id == channels.c.id))
            .where(within(channels.c.jurisdiction_code, visible_to, channels.c.id), channels.c.stage == "in_service")
        )
        if wanted.is_open:
            query = query.where(channel_faults.c.closed_at_us.is_(None))
        if wanted.key:
            query = query.where(channel_faults.c.key.startswith(wanted.key, autoescape=True))
        if wanted.keys:
            query = query.where(or_(*(channel_faults.c.key.startswith(key, autoescape=True) for key in wanted.keys)))
        if wanted.maker is not None:
            query = query.where(devices.c.maker == wanted.maker)
        if wanted.line is not None:
            query = query.where(devices.c.line == wanted.line)
        if wanted.code:
            query = query.where(below(channels.c.jurisdiction_code, wanted.code))
        if wanted.channel_id:
            query = query.where(channels.c.id == wanted.channel_id)
        if wanted.before:
            query = query.where(channel_faults.c.id < wanted.before)
        rows = self._connection.execute(query.order_by(channel_faults.c.id.desc()).limit(limit))
        return [(_fault(row), row) for row in rows]

    def outages(self, channel_id: str, since_us: int) -> list[tuple[datetime, datetime | None]]:
        """Return when a channel was off line, as far as it reaches into the time since."""
        rows = self._connection.execute(
            select(channel_faults.c.opened_at_us, channel_faults.c.closed_at_us).where(
                channel_faults.c.channel_id == channel_id,
                _IS_OFFLINE,
                channel_faults.c.closed_at_us.is_(None) | (channel_faults.c.closed_at_us > since_us),
            )
        )
        return [(from_us(row.opened_at_us), optional_from_us(row.closed_at_us)) for row in rows]

    def trim(self, closed_before_us: int) -> int:
        """Delete faults closed before a time; return how many went."""
        result = self._connection.execute(
            delete(channel_faults).where(channel_faults.c.closed_at_us < closed_before_us)
        )
        return result.rowcount

    # --- sums ---

    def groups(self, by: str, since_us: int, until_us: int, *, visible_to: Scope, code: str = "") -> list[GroupHealth]:
        """Return the cameras in service by `maker`, `line` or `jurisdiction`, the most cameras off line first."""
        group = _GROUPS[by]
        in_scope = [channels.c.stage == "in_service", within(channels.c.jurisdiction_code, visible_to, channels.c.id)]
        if code:
            in_scope.append(below(channels.c.jurisdiction_code, code))
        begins = _later(channel_health.c.watched_from_us, since_us)
        counted = self._connection.execute(
            select(
                group.label("key"),
                func.count().label("cameras"),
                func.sum(case((_IS_ONLINE, 1), else_=0)).label("online"),
                func.sum(case((begins < until_us, until_us - begins), else_=0)).label("watched_us"),
            )
            .select_from(_JOINED.outerjoin(channel_health, channel_health.c.channel_id == channels.c.id))
            .where(*in_scope)
            .group_by(group)
        ).all()
        ends = func.coalesce(channel_faults.c.closed_at_us, until_us)
        opens = _later(channel_faults.c.opened_at_us, begins)
        lasted = case((ends > opens, ends - opens), else_=0)
        with_faults = _JOINED.join(channel_health, channel_health.c.channel_id == channels.c.id).join(
            channel_faults, channel_faults.c.channel_id == channels.c.id
        )
        lost: dict[str, int] = dict(
            self._connection.execute(
                select(group, func.sum(lasted))
                .select_from(with_faults)
                .where(
                    *in_scope,
                    _IS_OFFLINE,
                    channel_faults.c.closed_at_us.is_(None) | (channel_faults.c.closed_at_us > since_us),
                    channel_faults.c.opened_at_us < until_us,
                )
                .group_by(group)
            ).all()
        )
        faulty: dict[str, int] = dict(
            self._connection.execute(
                select(group, func.count(channels.c.id.distinct()))
                .select_from(with_faults)
                .where(*in_scope, channel_faults.c.closed_at_us.is_(None))
                .group_by(group)
            ).all()
        )
        found = [
            GroupHealth(
                row.key,
                row.cameras,
                int(row.online),
                faulty.get(row.key, 0),
                1.0 - float(lost.get(row.key, 0)) / float(row.watched_us) if row.watched_us else None,
            )
            for row in counted
        ]
        return sorted(found, key=lambda item: (item.online - item.cameras, -item.faulty, -item.cameras, item.key))


def _later(column: ColumnElement[int], other: Any) -> ColumnElement[int]:
    return case((column > other, column), else_=other)


_SAVE_STATE = (
    update(channel_health)
    .where(channel_health.c.channel_id == bindparam("b_channel_id"))
    .values({name: bindparam(f"b_{name}") for name in ("state", "because", "since_us")})
)
_MEASURED = (
    *("measured_at_us", "source", "bitrate_bps", "loss_ppm"),
    *("key_interval_ms", "codec", "width", "height"),
)
_NOTE_MEASURES = (
    update(channel_health)
    .where(channel_health.c.channel_id == bindparam("b_channel_id"))
    .values(
        last_frame_at_us=func.coalesce(bindparam("b_last_frame_at_us"), channel_health.c.last_frame_at_us),
        **{name: bindparam(f"b_{name}") for name in _MEASURED},
    )
)


def _state_values(state: HealthState) -> dict[str, Any]:
    return {
        "channel_id": state.channel_id,
        "watched_from_us": to_us(state.watched_from),
        "state": "online" if state.is_online else "offline",
        "because": state.because,
        "since_us": to_us(state.since),
    }


def _measure_values(channel_id: str, item: Measures) -> dict[str, Any]:
    return {
        "b_channel_id": channel_id,
        "b_measured_at_us": to_us(item.at),
        "b_source": item.source,
        "b_last_frame_at_us": optional_us(item.last_frame_at),
        "b_bitrate_bps": item.bitrate_bps,
        "b_loss_ppm": None if item.loss_share is None else round(item.loss_share * 1e6),
        "b_key_interval_ms": item.key_interval_ms,
        "b_codec": item.codec,
        "b_width": item.width,
        "b_height": item.height,
    }


def _state(row: Row[Any]) -> HealthState:
    measures = None
    if row.measured_at_us is not None:
        measures = Measures(
            from_us(row.measured_at_us),
            row.source,
            optional_from_us(row.last_frame_at_us),
            row.bitrate_bps,
            None if row.loss_ppm is None else row.loss_ppm / 1e6,
            row.key_interval_ms,
            row.codec,
            row.width,
            row.height,
        )
    return HealthState(
        row.channel_id,
        row.state == "online",
        row.because,
        from_us(row.since_us),
        from_us(row.watched_from_us),
        measures,
        optional_from_us(row.checked_at_us),
    )


def _fault(row: Row[Any]) -> ChannelFault:
    return ChannelFault(
        row.id,
        row.channel_id,
        row.key,
        from_us(row.opened_at_us),
        _object.decode(row.params),
        optional_from_us(row.closed_at_us),
    )
