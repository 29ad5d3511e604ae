"""Device profiles as rows: what was found of each device, and the guesses an imported matrix brought."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, or_, select

from tocsin.base.times import from_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.device_profiles import Finding, Guess, make_key
from tocsin.storage.channels import chunks
from tocsin.storage.scope import within
from tocsin.storage.tables_registry import device_findings, devices, profile_guesses

_encode = msgspec.json.Encoder().encode
_params = msgspec.json.Decoder(dict[str, str | int])


class ProfileRepository:
    """Findings by device and trait; guesses by make and trait."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def findings(self, device_id: str) -> list[Finding]:
        """Return what was found of a device."""
        rows = self._connection.execute(select(device_findings).where(device_findings.c.device_id == device_id))
        return [
            Finding(
                row.device_id,
                row.trait,
                row.value,
                from_us(row.at_us),
                row.evidence,
                bool(row.is_proven),
                _params.decode(row.params),
            )
            for row in rows
        ]

    def save(self, found: Iterable[Finding]) -> None:
        """Write findings over those of the same trait; one of an unknown device is dropped."""
        latest = {(one.device_id, one.trait): one for one in found}
        known: set[str] = set()
        for chunk in chunks({device_id for device_id, _ in latest}):
            known.update(self._connection.execute(select(devices.c.id).where(devices.c.id.in_(chunk))).scalars())
        kept = [one for one in latest.values() if one.device_id in known]
        for one in kept:
            self._connection.execute(
                delete(device_findings).where(
                    device_findings.c.device_id == one.device_id, device_findings.c.trait == one.trait
                )
            )
        if kept:
            self._connection.execute(
                insert(device_findings),
                [
                    {
                        "device_id": one.device_id,
                        "trait": one.trait,
                        "value": one.value,
                        "at_us": to_us(one.at),
                        "evidence": one.evidence,
                        "is_proven": one.is_proven,
                        "params": _encode(dict(one.params)).decode(),
                    }
                    for one in kept
                ],
            )

    def drop(self, gone: Iterable[tuple[str, str]]) -> None:
        """Delete findings that no longer hold, by device and trait."""
        for device_id, trait in gone:
            self._connection.execute(
                delete(device_findings).where(
                    device_findings.c.device_id == device_id, device_findings.c.trait == trait
                )
            )

    def forget(self, device_id: str) -> None:
        """Delete everything found of a device."""
        self._connection.execute(delete(device_findings).where(device_findings.c.device_id == device_id))

    def matrix(
        self, *, visible_to: Scope
    ) -> tuple[list[tuple[str, str, str, int]], list[tuple[str, str, str, str, str, int]]]:
        """Return the makes with their devices, and of each make how many devices showed which value of which trait."""
        make = (devices.c.maker, devices.c.model, devices.c.firmware)
        here = and_(
            devices.c.protocol == "gb28181",
            devices.c.retired_at_us.is_(None),
            within(devices.c.jurisdiction_code, visible_to, devices.c.id),
        )
        makes = self._connection.execute(select(*make, func.count()).where(here).group_by(*make)).all()
        trait = (device_findings.c.trait, device_findings.c.value)
        counted = self._connection.execute(
            select(*make, *trait, func.count())
            .select_from(device_findings.join(devices, devices.c.id == device_findings.c.device_id))
            .where(here, device_findings.c.is_proven.is_(True))
            .group_by(*make, *trait)
        ).all()
        return [tuple(row) for row in makes], [tuple(row) for row in counted]

    def guesses(self, maker: str, model: str) -> list[Guess]:
        """Return the guesses for a make."""
        rows = self._connection.execute(
            select(profile_guesses).where(
                profile_guesses.c.maker == make_key(maker), profile_guesses.c.model == make_key(model)
            )
        )
        return [Guess(row.maker, row.model, row.firmware, row.trait, row.value, row.devices) for row in rows]

    def save_guesses(self, guesses: Sequence[Guess], at: datetime) -> None:
        """Write guesses over those of the same make and trait."""
        for guess in guesses:
            self._connection.execute(
                delete(profile_guesses).where(
                    profile_guesses.c.maker == guess.maker,
                    profile_guesses.c.model == guess.model,
                    profile_guesses.c.firmware == guess.firmware,
                    profile_guesses.c.trait == guess.trait,
                )
            )
        if guesses:
            self._connection.execute(
                insert(profile_guesses),
                [
                    {
                        "maker": guess.maker,
                        "model": guess.model,
                        "firmware": guess.firmware,
                        "trait": guess.trait,
                        "value": guess.value,
                        "devices": guess.devices,
                        "imported_at_us": to_us(at),
                    }
                    for guess in guesses
                ],
            )

    def devices_of(self, guesses: Sequence[Guess]) -> list[str]:
        """Return the devices in use whose make one of these guesses may be about."""
        makers: set[Any] = {guess.maker for guess in guesses}
        found: list[str] = []
        for chunk in chunks(makers):
            rows = self._connection.execute(
                select(devices.c.id, devices.c.maker).where(
                    devices.c.protocol == "gb28181",
                    devices.c.retired_at_us.is_(None),
                    or_(func.lower(func.trim(devices.c.maker)).in_(chunk), devices.c.maker.in_(chunk)),
                )
            )
            found += [row.id for row in rows]
        return found
