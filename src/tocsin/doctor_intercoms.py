"""What the doctor says of door intercoms: whether they can reach us, ring with sound, be seen, and open their door."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from tocsin.base.errors import TocsinError
from tocsin.base.times import to_us
from tocsin.configs import is_external
from tocsin.doctor_words import Finding, Verdict
from tocsin.domain.snapshot_reach import is_local
from tocsin.settings import Settings
from tocsin.storage import schema
from tocsin.storage.tables_registry import devices, zone_cameras, zones
from tocsin.verification import with_connection

NAMED: Final = 3
NAME: Final = "door intercoms"
ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104


def examine_intercoms(settings: Settings, now: datetime, *, is_served: bool) -> Iterator[Finding]:
    """Yield what is to be said of the intercoms entered; one line when there are none."""
    try:
        entered = with_connection(settings.storage_url, _entered)
    except TocsinError:
        return  # the finding of the database says why
    if not entered:
        yield Finding(NAME, Verdict.OK, "none entered")
        return
    yield from _settings(settings, [one.sos_number for one in entered])
    yield _registered(entered, now, is_served=is_served)
    yield from _lacking(entered)


class _Entered:
    """One intercom of the registry, as far as the doctor asks."""

    def __init__(self, account: str, settings: str, until_us: int | None, has_password: bool, has_camera: bool) -> None:
        told: dict[str, object] = json.loads(settings or "{}")
        self.account = account
        self.until_us = until_us or 0
        self.has_password = has_password
        self.has_camera = has_camera
        self.sos_number = str(told.get("sos_number") or "")
        self.door_code = str(told.get("door_code") or "")


def _entered(connection: Connection) -> list[_Entered]:
    if schema.current(connection) != schema.latest():
        return []
    linked = set(
        connection.execute(
            select(zones.c.device_id).join(zone_cameras, zone_cameras.c.zone_id == zones.c.id).distinct()
        ).scalars()
    )
    rows = connection.execute(
        select(
            devices.c.id,
            devices.c.account,
            devices.c.settings,
            devices.c.registered_until_us,
            devices.c.secret.is_not(None).label("has_password"),
        )
        .where(devices.c.protocol == "sip", devices.c.retired_at_us.is_(None))
        .order_by(devices.c.account)
    )
    return [
        _Entered(row.account, row.settings, row.registered_until_us, bool(row.has_password), row.id in linked)
        for row in rows
    ]


def _settings(settings: Settings, own_numbers: Sequence[str]) -> Iterator[Finding]:
    sip = settings.sip
    if is_local(sip.host) and sip.host not in ANYWHERE:
        yield Finding(NAME, Verdict.WARNING, f"sip.host is {sip.host}, which only this machine reaches: set sip.host")
    if not sip.udp:
        how = "only TCP is heard" if sip.tcp else "nothing is heard"
        yield Finding(NAME, Verdict.WARNING, f"sip.udp is off and {how}: most intercoms speak UDP alone")
    if is_external(settings):
        yield Finding(
            NAME, Verdict.WARNING, f"calls cannot be answered over media.relay {settings.media.relay}: set own"
        )
    if not settings.intercom.emergency_numbers and not any(own_numbers):
        yield Finding(
            NAME,
            Verdict.WARNING,
            "no number rings as an SOS: set intercom.emergency_numbers, or the number of each intercom on its page",
        )


def _registered(entered: Sequence[_Entered], now: datetime, *, is_served: bool) -> Finding:
    count = sum(one.until_us > to_us(now) for one in entered)
    text = f"{count} of {len(entered)} registered"
    if not is_served:
        return Finding(NAME, Verdict.OK, f"{text}, as far as known: no server is running")
    if count == 0:
        return Finding(
            NAME, Verdict.WARNING, f"{text}: check server, port, user and password in the intercoms, and the firewall"
        )
    return Finding(NAME, Verdict.OK, text)


def _lacking(entered: Sequence[_Entered]) -> Iterator[Finding]:
    for lacks, so in (
        ([one.account for one in entered if not one.has_password], "without a password, so they cannot register"),
        (
            [one.account for one in entered if not one.has_camera],
            "without a linked camera: who rings is seen only where the call brings a picture of its own (H.264)",
        ),
        ([one.account for one in entered if not one.door_code], "without a door code: their door cannot be opened"),
    ):
        if lacks:
            yield Finding(NAME, Verdict.WARNING, f"{len(lacks)} {so} ({_some(lacks)})")


def _some(accounts: Sequence[str]) -> str:
    more = len(accounts) - NAMED
    return ", ".join(accounts[:NAMED]) + (f" and {more} more" if more > 0 else "")
