"""Step timelines and knocking devices as rows, both bounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.attempts import KEPT_PER_DEVICE, Attempt, PendingDevice, Step
from tocsin.storage.channels import chunks
from tocsin.storage.tables_registry import attempts, devices, pending_devices

KEPT_PENDING: Final = 1_000

_encode = msgspec.json.Encoder().encode
_steps = msgspec.json.Decoder(tuple[Step, ...])


class AttemptRepository:
    """What was tried with devices, newest 50 each, and who knocks, newest 1,000."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, device_id: str, channel_id: str = "", limit: int = KEPT_PER_DEVICE) -> list[Attempt]:
        """Return the attempts of a device, or of one of its channels, newest first."""
        query = select(attempts).where(attempts.c.device_id == device_id)
        if channel_id:
            query = query.where(attempts.c.channel_id == channel_id)
        rows = self._connection.execute(
            query.order_by(attempts.c.started_at_us.desc(), attempts.c.id.desc()).limit(limit)
        )
        return [_attempt(row) for row in rows]

    def save(self, new: Sequence[Attempt]) -> None:
        """Write attempts; one that was written while it ran is replaced, one of an unknown device is dropped."""
        known: set[str] = set()
        for chunk in chunks({attempt.device_id for attempt in new}):
            known.update(self._connection.execute(select(devices.c.id).where(devices.c.id.in_(chunk))).scalars())
        latest = {attempt.id: attempt for attempt in new if attempt.device_id in known}
        for chunk in chunks(latest):
            self._connection.execute(delete(attempts).where(attempts.c.id.in_(chunk)))
        if latest:
            self._connection.execute(insert(attempts), [_values(attempt) for attempt in latest.values()])

    def trim(self, kept: int = KEPT_PER_DEVICE) -> int:
        """Delete all but the newest attempts of each device; return how many went."""
        crowded = self._connection.execute(
            select(attempts.c.device_id).group_by(attempts.c.device_id).having(func.count() > kept)
        ).scalars()
        gone = 0
        for device_id in crowded.all():
            last = self._connection.execute(
                select(attempts.c.started_at_us, attempts.c.id)
                .where(attempts.c.device_id == device_id)
                .order_by(attempts.c.started_at_us.desc(), attempts.c.id.desc())
                .offset(kept)
                .limit(1)
            ).one()
            result = self._connection.execute(
                delete(attempts).where(
                    attempts.c.device_id == device_id,
                    (attempts.c.started_at_us < last.started_at_us)
                    | ((attempts.c.started_at_us == last.started_at_us) & (attempts.c.id <= last.id)),
                )
            )
            gone += result.rowcount
        return gone

    def knock(self, knocks: Sequence[PendingDevice]) -> None:
        """Count knocks of devices nobody has entered; the newest 1,000 are kept."""
        if not knocks:
            return
        known: set[str] = set()
        for chunk in chunks({item.gb_id for item in knocks}):
            known.update(
                self._connection.execute(
                    select(pending_devices.c.gb_id).where(pending_devices.c.gb_id.in_(chunk))
                ).scalars()
            )
        repeated = [item for item in knocks if item.gb_id in known]
        if repeated:
            self._connection.execute(
                _KNOCK,
                [
                    {
                        "b_gb_id": item.gb_id,
                        "b_peer": item.peer,
                        "b_user_agent": item.user_agent,
                        "b_last_at_us": to_us(item.last_at),
                        "b_knocks": item.knocks,
                    }
                    for item in repeated
                ],
            )
        new = [item for item in knocks if item.gb_id not in known]
        if new:
            self._connection.execute(
                insert(pending_devices),
                [
                    {
                        "gb_id": item.gb_id,
                        "peer": item.peer,
                        "user_agent": item.user_agent,
                        "first_at_us": to_us(item.first_at),
                        "last_at_us": to_us(item.last_at),
                        "knocks": item.knocks,
                    }
                    for item in new
                ],
            )
            self._connection.execute(
                delete(pending_devices).where(
                    pending_devices.c.gb_id.in_(
                        select(pending_devices.c.gb_id)
                        .order_by(pending_devices.c.last_at_us.desc(), pending_devices.c.gb_id)
                        .offset(KEPT_PENDING)
                    )
                )
            )

    def pending(self, limit: int = KEPT_PENDING) -> list[PendingDevice]:
        """Return who knocks, newest first."""
        rows = self._connection.execute(
            select(pending_devices).order_by(pending_devices.c.last_at_us.desc(), pending_devices.c.gb_id).limit(limit)
        )
        return [
            PendingDevice(
                row.gb_id, row.peer, row.user_agent, from_us(row.first_at_us), from_us(row.last_at_us), row.knocks
            )
            for row in rows
        ]

    def forget_pending(self, *gb_ids: str) -> None:
        """Take devices off the list: somebody has entered them."""
        for chunk in chunks(gb_id for gb_id in gb_ids if gb_id):
            self._connection.execute(delete(pending_devices).where(pending_devices.c.gb_id.in_(chunk)))


_KNOCK = (
    update(pending_devices)
    .where(pending_devices.c.gb_id == bindparam("b_gb_id"))
    .values(
        peer=bindparam("b_peer"),
        user_agent=bindparam("b_user_agent"),
        last_at_us=bindparam("b_last_at_us"),
        knocks=pending_devices.c.knocks + bindparam("b_knocks"),
    )
)


def _values(attempt: Attempt) -> dict[str, object]:
    return {
        "id": attempt.id,
        "device_id": attempt.device_id,
        "channel_id": attempt.channel_id,
        "kind": str(attempt.kind),
        "started_at_us": to_us(attempt.started_at),
        "ended_at_us": optional_us(attempt.ended_at),
        "outcome": str(attempt.outcome),
        "failure": attempt.failure,
        "steps": _encode(attempt.steps).decode(),
    }


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        id=row.id,
        device_id=row.device_id,
        channel_id=row.channel_id,
        kind=row.kind,
        started_at=from_us(row.started_at_us),
        ended_at=optional_from_us(row.ended_at_us),
        outcome=row.outcome,
        failure=row.failure,
        steps=_steps.decode(row.steps),
    )
