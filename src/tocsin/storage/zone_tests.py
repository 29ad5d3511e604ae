"""Installers' tests as rows: links, tests, and the signals that came meanwhile."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.signals import StoredSignal
from tocsin.domain.zone_test import Ask, TestLink, ZoneTest
from tocsin.storage.signals import stored_signal
from tocsin.storage.tables_alarms import alarms, signals
from tocsin.storage.tables_ledger import signal_answers
from tocsin.storage.tables_people import users
from tocsin.storage.tables_zone_tests import test_links, zone_tests

_encode = msgspec.json.Encoder().encode
_asks = msgspec.json.Decoder(list[tuple[str, int]])
_summary = msgspec.json.Decoder(dict[str, Any])
_LINKS = select(test_links, users.c.name.label("maker")).select_from(
    test_links.outerjoin(users, users.c.id == test_links.c.made_by)
)


class ZoneTestRepository:
    """Links and tests."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- links ---

    def add_link(self, link: TestLink, token_hash: str) -> None:
        """Add a link."""
        self._connection.execute(
            insert(test_links).values(
                id=link.id,
                token_hash=token_hash,
                device_id=link.device_id,
                jurisdiction_code=link.jurisdiction_code,
                holder=link.holder,
                made_at_us=to_us(link.made_at),
                made_by=link.made_by,
                expires_at_us=to_us(link.expires_at),
            )
        )

    def link_of(self, token_hash: str) -> TestLink | None:
        """Return the link of a token, if there is one."""
        row = self._connection.execute(_LINKS.where(test_links.c.token_hash == token_hash)).one_or_none()
        return None if row is None else _link(row)

    def link(self, link_id: str) -> TestLink:
        """Return a link. Errors: NOT_FOUND."""
        row = self._connection.execute(_LINKS.where(test_links.c.id == link_id)).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no link {link_id}")
        return _link(row)

    def links_of(self, device_id: str, limit: int = 50) -> list[TestLink]:
        """Return the newest links of a device, newest first."""
        rows = self._connection.execute(
            _LINKS.where(test_links.c.device_id == device_id).order_by(test_links.c.id.desc()).limit(limit)
        )
        return [_link(row) for row in rows]

    def revoke(self, link_id: str, at: datetime) -> None:
        """Note that a link was withdrawn."""
        self._connection.execute(update(test_links).where(test_links.c.id == link_id).values(revoked_at_us=to_us(at)))

    # --- tests ---

    def add(self, test: ZoneTest) -> None:
        """Add a test."""
        self._connection.execute(insert(zone_tests).values(id=test.id, **_values(test)))

    def save(self, test: ZoneTest) -> None:
        """Write a test as it is now."""
        self._connection.execute(update(zone_tests).where(zone_tests.c.id == test.id).values(**_values(test)))

    def get(self, test_id: str) -> ZoneTest:
        """Return a test. Errors: NOT_FOUND."""
        row = self._connection.execute(select(zone_tests).where(zone_tests.c.id == test_id)).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no test {test_id}")
        return _test(row)

    def running(self, device_id: str) -> ZoneTest | None:
        """Return the test of a device that lasts."""
        row = self._connection.execute(
            select(zone_tests)
            .where(zone_tests.c.device_id == device_id, zone_tests.c.ended_at_us.is_(None))
            .order_by(zone_tests.c.id.desc())
            .limit(1)
        ).one_or_none()
        return None if row is None else _test(row)

    def due(self, now: datetime, limit: int = 50) -> list[ZoneTest]:
        """Return tests whose time is over."""
        rows = self._connection.execute(
            select(zone_tests)
            .where(zone_tests.c.ended_at_us.is_(None), zone_tests.c.until_us <= to_us(now))
            .order_by(zone_tests.c.id)
            .limit(limit)
        )
        return [_test(row) for row in rows]

    def of_device(self, device_id: str, limit: int = 50) -> list[ZoneTest]:
        """Return the newest tests of a device, newest first."""
        rows = self._connection.execute(
            select(zone_tests).where(zone_tests.c.device_id == device_id).order_by(zone_tests.c.id.desc()).limit(limit)
        )
        return [_test(row) for row in rows]

    def last_of_link(self, link_id: str) -> ZoneTest | None:
        """Return the newest test of a link that is over."""
        row = self._connection.execute(
            select(zone_tests)
            .where(zone_tests.c.link_id == link_id, zone_tests.c.ended_at_us.is_not(None))
            .order_by(zone_tests.c.id.desc())
            .limit(1)
        ).one_or_none()
        return None if row is None else _test(row)

    # --- what came ---

    def came(
        self, device_id: str, received_from: datetime, received_to: datetime, limit: int
    ) -> list[tuple[StoredSignal, datetime | None]]:
        """Return the signals of a device in a time with when they were answered, newest first."""
        rows = self._connection.execute(
            select(signals, signal_answers.c.at_us.label("answered_at_us"))
            .select_from(signals.outerjoin(signal_answers, signal_answers.c.arrival_id == signals.c.id))
            .where(
                signals.c.device_id == device_id,
                signals.c.received_at_us >= to_us(received_from),
                signals.c.received_at_us < to_us(received_to),
            )
            .order_by(signals.c.id.desc())
            .limit(limit)
        )
        return [(stored_signal(row), optional_from_us(row.answered_at_us)) for row in rows]

    def alarm_zones(self, signal_ids: list[str]) -> dict[str, list[str]]:
        """Return the zones of the alarms that signals raised."""
        found: dict[str, list[str]] = {}
        rows = self._connection.execute(
            select(alarms.c.signal_id, alarms.c.zone).where(alarms.c.signal_id.in_(sorted(signal_ids)))
        )
        for signal_id, zone in rows:
            found.setdefault(signal_id, []).append(zone)
        return found


def _link(row: Any) -> TestLink:
    return TestLink(
        row.id,
        row.device_id,
        row.jurisdiction_code,
        row.holder,
        from_us(row.made_at_us),
        row.made_by,
        from_us(row.expires_at_us),
        optional_from_us(row.revoked_at_us),
        row.maker or "",
    )


def _values(test: ZoneTest) -> dict[str, Any]:
    return {
        "link_id": test.link_id,
        "device_id": test.device_id,
        "jurisdiction_code": test.jurisdiction_code,
        "holder": test.holder,
        "begun_at_us": to_us(test.begun_at),
        "until_us": to_us(test.until),
        "asks": _encode([(ask.zone, to_us(ask.at)) for ask in test.asks]).decode(),
        "permit_id": test.permit_id,
        "ended_at_us": optional_us(test.ended_at),
        "how_ended": test.how_ended,
        "summary": "" if test.summary is None else _encode(test.summary).decode(),
    }


def _test(row: Any) -> ZoneTest:
    return ZoneTest(
        row.id,
        row.link_id,
        row.device_id,
        row.jurisdiction_code,
        row.holder,
        from_us(row.begun_at_us),
        from_us(row.until_us),
        tuple(Ask(zone, from_us(at_us)) for zone, at_us in _asks.decode(row.asks)),
        row.permit_id,
        optional_from_us(row.ended_at_us),
        row.how_ended,
        _summary.decode(row.summary) if row.summary else None,
    )
