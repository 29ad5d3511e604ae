"""The health of pictures, as rows: states, stills, denials, faults of sites."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, case, delete, func, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.channel_health import CLOCK, IMAGE
from tocsin.domain.picture_health import (
    Denial,
    PictureState,
    SiteFault,
    Still,
    tracks_form,
    tracks_of,
)
from tocsin.storage.channels import chunks
from tocsin.storage.scope import within
from tocsin.storage.tables_pictures import picture_denials, picture_health, picture_site_faults, picture_stills
from tocsin.storage.tables_registry import channel_faults, channels, devices

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_WITH_DEVICE = channels.join(devices, devices.c.id == channels.c.device_id)
_LOOKED_AT: Final = (channels.c.stage == "in_service", channels.c.owner != "", channels.c.purpose != "")
_IS_ONLINE = (
    (devices.c.state == "online")
    & (channels.c.status != "OFF")
    & channels.c.gone_at_us.is_(None)
    & (channels.c.parent_off == 0)
)
_OF_CLOCK = channel_faults.c.key == CLOCK
_OF_IMAGE = channel_faults.c.key.startswith(IMAGE, autoescape=True)


class PictureRepository:
    """What is kept of pictures; never a picture."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- states ---

    def load(self, channel_ids: Collection[str]) -> dict[str, PictureState]:
        """Return the state of each camera that has one."""
        found: dict[str, PictureState] = {}
        for chunk in chunks(channel_ids):
            rows = self._connection.execute(select(picture_health).where(picture_health.c.channel_id.in_(chunk)))
            found.update((row.channel_id, _state(row)) for row in rows)
        return found

    def save(self, states: Sequence[PictureState]) -> None:
        """Write states, new or known."""
        known = self.load([state.channel_id for state in states]).keys()
        for state in states:
            values = _state_values(state)
            if state.channel_id in known:
                query = update(picture_health).where(picture_health.c.channel_id == state.channel_id).values(values)
                self._connection.execute(query)
            else:
                self._connection.execute(insert(picture_health).values(channel_id=state.channel_id, **values))

    def due_running(self, channel_ids: Collection[str], before_us: int, doubt_us: int, limit: int) -> list[str]:
        """Return which of these cameras are due, the longest waiting first; doubtful ones are due from `doubt_us`."""
        found: list[tuple[int, str]] = []
        for chunk in chunks(channel_ids):
            rows = self._connection.execute(
                select(channels.c.id, func.coalesce(picture_health.c.checked_at_us, 0).label("at"))
                .select_from(channels.outerjoin(picture_health, picture_health.c.channel_id == channels.c.id))
                .where(channels.c.id.in_(chunk), *_LOOKED_AT, _is_due(before_us, doubt_us))
            )
            found += [(row.at, row.id) for row in rows]
        return [channel_id for _, channel_id in sorted(found)[:limit]]

    def due_to_open(self, before_us: int, doubt_us: int, limit: int) -> list[tuple[str, str]]:
        """Return cameras on line and their devices that are due to be opened for a look, the longest waiting first."""
        rows = self._connection.execute(
            select(channels.c.id, channels.c.device_id)
            .select_from(_WITH_DEVICE.outerjoin(picture_health, picture_health.c.channel_id == channels.c.id))
            .where(*_LOOKED_AT, _IS_ONLINE, _is_due(before_us, doubt_us))
            .order_by(func.coalesce(picture_health.c.checked_at_us, 0), channels.c.id)
            .limit(limit)
        )
        return [(row.id, row.device_id) for row in rows]

    def cameras_of_site(self, site: str) -> int:
        """Return how many cameras in service stand at a place, or in a division when it is a code."""
        whose = channels.c.jurisdiction_code == site if site.isdigit() else channels.c.place_id == site
        counted = select(func.count()).select_from(channels).where(channels.c.stage == "in_service", whose)
        return int(self._connection.execute(counted).scalar_one())

    def summary(self, *, visible_to: Scope) -> list[Row[Any]]:
        """Return state columns of every camera in service that is looked at, in scope: id, score, trend, ..."""
        return list(
            self._connection.execute(
                select(
                    channels.c.id,
                    picture_health.c.checked_at_us,
                    picture_health.c.problem,
                    picture_health.c.score,
                    picture_health.c.pictures,
                    picture_health.c.is_doubtful,
                    picture_health.c.trend,
                )
                .select_from(channels.outerjoin(picture_health, picture_health.c.channel_id == channels.c.id))
                .where(
                    channels.c.stage == "in_service", within(channels.c.jurisdiction_code, visible_to, channels.c.id)
                )
            )
        )

    @staticmethod
    def trend_of(text: str) -> tuple[tuple[str, int, int, int], ...]:
        """Return a stored trend: day, checks, sum of scores, lowest."""
        return tuple((str(day), int(checks), int(total), int(lowest)) for day, checks, total, lowest in _decode(text))

    # --- faults ---

    def open_by_kind(self, *, visible_to: Scope) -> dict[str, int]:
        """Return how many faults of each kind are open; the clock of a device is one."""
        rows = self._connection.execute(
            select(channel_faults.c.key, func.count())
            .select_from(channel_faults.join(channels, channels.c.id == channel_faults.c.channel_id))
            .where(
                _OF_IMAGE | _OF_CLOCK,
                channel_faults.c.closed_at_us.is_(None),
                channels.c.stage == "in_service",
                within(channels.c.jurisdiction_code, visible_to, channels.c.id),
            )
            .group_by(channel_faults.c.key)
        )
        return {row[0]: row[1] for row in rows}

    def opened_since(self, since_us: int, *, visible_to: Scope) -> tuple[int, int]:
        """Return how many faults opened since, and how many of those somebody said are none."""
        denied = select(picture_denials.c.fault_id)
        row = self._connection.execute(
            select(func.count(), func.sum(case((channel_faults.c.id.in_(denied), 1), else_=0)))
            .select_from(channel_faults.join(channels, channels.c.id == channel_faults.c.channel_id))
            .where(
                _OF_IMAGE,
                channel_faults.c.opened_at_us >= since_us,
                within(channels.c.jurisdiction_code, visible_to, channels.c.id),
            )
        ).one()
        return int(row[0]), int(row[1] or 0)

    # --- stills ---

    def add_still(self, still: Still) -> None:
        """Write a still that is kept."""
        self._connection.execute(
            insert(picture_stills).values(
                id=still.id,
                channel_id=still.channel_id,
                jurisdiction_code=still.jurisdiction_code,
                fault_id=still.fault_id,
                key=still.key,
                taken_at_us=to_us(still.taken_at),
                expires_at_us=to_us(still.expires_at),
                size_bytes=still.size_bytes,
                sha256=still.sha256,
                width=still.width,
                height=still.height,
            )
        )

    def still(self, still_id: str, *, visible_to: Scope, now: datetime) -> Still:
        """Return a still whose time is not up. Errors: NOT_FOUND, also outside the scope."""
        row = self._connection.execute(
            select(picture_stills).where(
                picture_stills.c.id == still_id,
                picture_stills.c.expires_at_us > to_us(now),
                within(picture_stills.c.jurisdiction_code, visible_to, picture_stills.c.channel_id),
            )
        ).first()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no still {still_id}")
        return _still(row)

    def stills_of(self, channel_ids: Collection[str], now: datetime) -> list[Still]:
        """Return the stills of cameras whose time is not up, newest first."""
        found: list[Still] = []
        for chunk in chunks(channel_ids):
            rows = self._connection.execute(
                select(picture_stills)
                .where(picture_stills.c.channel_id.in_(chunk), picture_stills.c.expires_at_us > to_us(now))
                .order_by(picture_stills.c.id.desc())
            )
            found += [_still(row) for row in rows]
        return found

    def expired(self, now: datetime, limit: int) -> list[Still]:
        """Return stills whose time is up."""
        asked = select(picture_stills).where(picture_stills.c.expires_at_us <= to_us(now)).limit(limit)
        return [_still(row) for row in self._connection.execute(asked)]

    def delete_stills(self, still_ids: Sequence[str]) -> None:
        """Delete rows."""
        if still_ids:
            self._connection.execute(delete(picture_stills).where(picture_stills.c.id.in_(still_ids)))

    def still_ids(self) -> frozenset[str]:
        """Return the ids of all."""
        return frozenset(self._connection.execute(select(picture_stills.c.id)).scalars())

    # --- denials ---

    def add_denial(self, denial: Denial) -> None:
        """Write that a fault was none."""
        self._connection.execute(
            insert(picture_denials).values(
                id=denial.id,
                channel_id=denial.channel_id,
                fault_id=denial.fault_id,
                key=denial.key,
                at_us=to_us(denial.at),
                until_us=to_us(denial.until),
                user_id=denial.user_id,
                factor=denial.factor,
                measures=_encode(dict(denial.measures)).decode(),
            )
        )

    def denials_of(self, channel_ids: Collection[str], now: datetime) -> dict[str, list[Denial]]:
        """Return what is relaxed for cameras now."""
        found: dict[str, list[Denial]] = {}
        for chunk in chunks(channel_ids):
            rows = self._connection.execute(
                select(picture_denials)
                .where(picture_denials.c.channel_id.in_(chunk), picture_denials.c.until_us > to_us(now))
                .order_by(picture_denials.c.id)
            )
            for row in rows:
                found.setdefault(row.channel_id, []).append(_denial(row))
        return found

    # --- sites ---

    def open_sites(self, *, visible_to: Scope | None = None) -> dict[str, SiteFault]:
        """Return the open faults of sites by site."""
        asked = select(picture_site_faults).where(picture_site_faults.c.closed_at_us.is_(None))
        if visible_to is not None:
            asked = asked.where(within(picture_site_faults.c.jurisdiction_code, visible_to))
        return {row.site: _site(row) for row in self._connection.execute(asked)}

    def add_site(self, fault: SiteFault) -> None:
        """Write that a site is faulty."""
        self._connection.execute(
            insert(picture_site_faults).values(
                id=fault.id,
                site=fault.site,
                jurisdiction_code=fault.jurisdiction_code,
                key=fault.key,
                cameras=fault.cameras,
                of_cameras=fault.of,
                opened_at_us=to_us(fault.opened_at),
                seen_at_us=to_us(fault.opened_at),
                closed_at_us=optional_us(fault.closed_at),
            )
        )

    def note_site(self, fault_id: str, cameras: int, now: datetime) -> None:
        """Write that a site is still faulty."""
        self._connection.execute(
            update(picture_site_faults)
            .where(picture_site_faults.c.id == fault_id)
            .values(
                seen_at_us=to_us(now),
                cameras=case((picture_site_faults.c.cameras < cameras, cameras), else_=picture_site_faults.c.cameras),
            )
        )

    def close_sites(self, not_seen_since_us: int, now: datetime) -> int:
        """Close faults of sites that were not so any more since; return how many."""
        result = self._connection.execute(
            update(picture_site_faults)
            .where(picture_site_faults.c.closed_at_us.is_(None), picture_site_faults.c.seen_at_us < not_seen_since_us)
            .values(closed_at_us=to_us(now))
        )
        return result.rowcount


def _is_due(before_us: int, doubt_us: int) -> ColumnElement[bool]:
    return (
        picture_health.c.checked_at_us.is_(None)
        | (picture_health.c.checked_at_us < before_us)
        | ((picture_health.c.is_doubtful == 1) & (picture_health.c.checked_at_us < doubt_us))
    )


def _state_values(state: PictureState) -> dict[str, Any]:
    return {
        "checked_at_us": optional_us(state.checked_at),
        "source": state.source,
        "problem": state.problem,
        "score": state.score,
        "pictures": state.pictures,
        "is_doubtful": int(state.is_doubtful),
        "doubted_at_us": optional_us(state.doubted_at),
        "tracks": _encode(tracks_form(state.tracks)).decode(),
        "measures": _encode(dict(state.measures)).decode(),
        "ratios": _encode(dict(state.ratios)).decode(),
        "trend": _encode(state.trend).decode(),
    }


def _state(row: Row[Any]) -> PictureState:
    return PictureState(
        row.channel_id,
        optional_from_us(row.checked_at_us),
        row.source,
        row.problem,
        row.score,
        row.pictures,
        tracks_of(_decode(row.tracks)),
        _decode(row.measures),
        _decode(row.ratios),
        PictureRepository.trend_of(row.trend),
        optional_from_us(row.doubted_at_us),
    )


def _still(row: Row[Any]) -> Still:
    return Still(
        row.id,
        row.channel_id,
        row.jurisdiction_code,
        row.fault_id,
        row.key,
        from_us(row.taken_at_us),
        from_us(row.expires_at_us),
        row.size_bytes,
        row.sha256,
        row.width,
        row.height,
    )


def _denial(row: Row[Any]) -> Denial:
    return Denial(
        row.id,
        row.channel_id,
        row.fault_id,
        row.key,
        from_us(row.at_us),
        from_us(row.until_us),
        row.user_id,
        row.factor,
        _decode(row.measures),
    )


def _site(row: Row[Any]) -> SiteFault:
    return SiteFault(
        row.id,
        row.site,
        row.jurisdiction_code,
        row.key,
        row.cameras,
        row.of_cameras,
        from_us(row.opened_at_us),
        optional_from_us(row.closed_at_us),
    )
