"""Terminals and the positions of units on duty as rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, insert, select, update

from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.terminals import Position, Terminal
from tocsin.storage.bulk import Bulk
from tocsin.storage.tables_alarms import alarms, incidents
from tocsin.storage.tables_terminals import terminal_positions, terminals

_STATE = ("word", "late_word", "heard_at_us", "settled_at_us", "press_serial", "pressed_at_us", "confirmed_at_us")
_SAVE = Bulk.change(terminals.c.device_id, _STATE)
_POSITIONS = Bulk.into_new(
    terminal_positions, ("device_id", "fix_at_us", "lon_e6", "lat_e6", "speed_dkmh", "heading_deg")
)


class TerminalRepository:
    """What is known of terminals, and where units on duty were."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def load(self, device_ids: Collection[str]) -> dict[str, Terminal]:
        """Return terminals by device id."""
        if not device_ids:
            return {}
        rows = self._connection.execute(select(terminals).where(terminals.c.device_id.in_(sorted(device_ids))))
        return {row.device_id: _terminal(row) for row in rows}

    def register(self, terminal: Terminal, *, is_new: bool) -> None:
        """Write who a terminal is and its codes."""
        values = {
            "code_hash": terminal.code_hash,
            "next_hash": terminal.next_hash,
            "terminal_id": terminal.terminal_id,
            "edition": terminal.edition,
            "maker": terminal.maker,
            "model": terminal.model,
            "registered_at_us": optional_us(terminal.registered_at),
        }
        if is_new:
            self._connection.execute(insert(terminals).values(device_id=terminal.device_id, **values))
        else:
            self._connection.execute(
                update(terminals).where(terminals.c.device_id == terminal.device_id).values(**values)
            )

    def save(self, changed: Sequence[Terminal]) -> None:
        """Write how the alarm words stand."""
        _SAVE.run(
            self._connection,
            [
                (
                    one.device_id,
                    one.word,
                    one.late_word,
                    optional_us(one.heard_at),
                    optional_us(one.settled_at),
                    one.press_serial,
                    optional_us(one.pressed_at),
                    optional_us(one.confirmed_at),
                )
                for one in changed
            ],
        )

    def pressed(self) -> list[Terminal]:
        """Return the terminals with a held bit that nobody has confirmed yet."""
        rows = self._connection.execute(
            select(terminals).where(terminals.c.pressed_at_us.is_not(None), terminals.c.confirmed_at_us.is_(None))
        )
        return [_terminal(row) for row in rows]

    def taken(self, device_ids: Collection[str]) -> dict[str, datetime]:
        """Return, of these devices, the newest alarm of theirs whose incident somebody has taken: when it came."""
        rows = self._connection.execute(
            select(alarms.c.device_id, alarms.c.received_at_us)
            .join(incidents, incidents.c.id == alarms.c.incident_id)
            .where(
                and_(
                    alarms.c.device_id.in_(sorted(device_ids)),
                    alarms.c.code_system == "jt808",
                    incidents.c.state != "new",
                )
            )
            .order_by(alarms.c.received_at_us)
        )
        return {row.device_id: from_us(row.received_at_us) for row in rows}

    def add_positions(self, positions: Sequence[Position]) -> None:
        """Keep positions; a second that is there already stays as it is."""
        _POSITIONS.run(
            self._connection,
            [
                (one.device_id, to_us(one.fix_at), one.lon_e6, one.lat_e6, one.speed_dkmh, one.heading_deg)
                for one in positions
            ],
        )

    def positions(self, device_id: str, since: datetime, until: datetime, limit: int) -> list[Position]:
        """Return where a terminal was, oldest first."""
        t = terminal_positions.c
        rows = self._connection.execute(
            select(terminal_positions)
            .where(t.device_id == device_id, t.fix_at_us >= to_us(since), t.fix_at_us < to_us(until))
            .order_by(t.fix_at_us)
            .limit(limit)
        )
        return [
            Position(row.device_id, from_us(row.fix_at_us), row.lon_e6, row.lat_e6, row.speed_dkmh, row.heading_deg)
            for row in rows
        ]

    def ids(self) -> list[str]:
        """Return the device ids of every terminal."""
        return list(self._connection.execute(select(terminals.c.device_id)).scalars())

    def forget(self, device_ids: Sequence[str], before: datetime) -> int:
        """Delete the positions of these terminals from before a moment; return how many."""
        t = terminal_positions.c
        gone = 0
        for device_id in device_ids:
            gone += self._connection.execute(
                delete(terminal_positions).where(t.device_id == device_id, t.fix_at_us < to_us(before))
            ).rowcount
        return gone


def _terminal(row: Row[Any]) -> Terminal:
    return Terminal(
        device_id=row.device_id,
        code_hash=row.code_hash,
        next_hash=row.next_hash,
        terminal_id=row.terminal_id,
        edition=row.edition,
        maker=row.maker,
        model=row.model,
        registered_at=optional_from_us(row.registered_at_us),
        word=row.word,
        late_word=row.late_word,
        heard_at=optional_from_us(row.heard_at_us),
        settled_at=optional_from_us(row.settled_at_us),
        press_serial=row.press_serial,
        pressed_at=optional_from_us(row.pressed_at_us),
        confirmed_at=optional_from_us(row.confirmed_at_us),
    )
