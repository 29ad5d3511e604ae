"""Use cases of device profiles: read what was found, have it learned again, take the matrix out and in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain import events
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.acts import check_version, guard
from tocsin.domain.device_profiles import (
    TRAITS,
    Finding,
    Guess,
    MatrixRow,
    guesses_for,
    guesses_of,
    make_matrix,
    read_matrix,
)
from tocsin.domain.devices import Device
from tocsin.domain.refusals import UseCases
from tocsin.domain.store import Store

READ = Permission.READ_REGISTRY
MANAGE = Permission.MANAGE_REGISTRY
IMPORT = Permission.MANAGE_SETTINGS  # a matrix acts on devices of every area


class Refreshed(Protocol):
    """Whoever holds devices in memory: the directory."""

    async def refresh(self, *device_ids: str) -> None:
        """Read these devices again."""


class ProfileService(UseCases):
    """Use cases of device profiles; each act is one transaction and leaves one audit record."""

    def __init__(self, store: Store, directory: Refreshed) -> None:
        super().__init__(store)
        self._directory = directory

    async def profile(self, device_id: str, *, actor: Actor) -> tuple[Device, list[Finding]]:
        """Return a device and what was found of it. Errors: NOT_FOUND."""
        return await self._store.read(_profile, device_id, actor)

    async def matrix(self, *, actor: Actor) -> list[MatrixRow]:
        """Return the makes of the GB/T 28181 devices the actor may see, with what they need."""
        visible = scope(actor, READ)
        return await self._store.read(lambda tx: make_matrix(*tx.profiles.matrix(visible_to=visible)))

    async def forget(self, device_id: str, *, actor: Actor, version: int) -> tuple[Device, list[Finding]]:
        """Forget what was learned, so that it is learned again; guesses for its make are used again.

        Errors: NOT_FOUND, FORBIDDEN, CONFLICT.
        """
        await self._act("device.profile_forgotten", "device", device_id, actor, _forget, device_id, actor, version)
        await self._directory.refresh(device_id)
        return await self.profile(device_id, actor=actor)

    async def take_in(self, text: str, *, actor: Actor, is_check: bool = False) -> dict[str, int]:
        """Take a matrix as first guesses for devices of the same maker and model; what a device has shown stays.

        Returns counts: `rows`, `guesses`, `devices` that use one now. Errors: INVALID naming the row, FORBIDDEN.
        """
        rows = read_matrix(text)
        guesses = guesses_of(rows)
        if is_check:
            guard(actor, IMPORT, "profiles", "", "")
            return {"rows": len(rows), "guesses": len(guesses), "devices": 0}
        touched: list[str] = await self._act(
            "profiles.imported", "profiles", "", actor, _take_in, tuple(guesses), len(rows), actor
        )
        await self._directory.refresh(*touched)
        return {"rows": len(rows), "guesses": len(guesses), "devices": len(touched)}


def _profile(tx: Any, device_id: str, actor: Actor) -> tuple[Device, list[Finding]]:
    device: Device = tx.devices.get(device_id, visible_to=scope(actor, READ))
    return device, tx.profiles.findings(device_id)


def _forget(tx: Any, device_id: str, actor: Actor, version: int) -> None:
    device: Device = tx.devices.get(device_id, visible_to=scope(actor, READ))
    guard(actor, MANAGE, "device", device.id, device.jurisdiction_code)
    check_version("device", device.id, device.version, version)
    if device.protocol != "gb28181" or device.retired_at is not None:
        raise TocsinError(ErrorCode.CONFLICT, "this device has no profile", key="registry.retired")
    forgotten = [finding.trait for finding in tx.profiles.findings(device_id)]
    tx.profiles.forget(device_id)
    tx.devices.note_learned({device_id: dict.fromkeys((*TRAITS, "guessed"), "")})
    apply_guesses(tx, [device_id])
    found = tx.devices.load([device_id])[device_id]
    tx.record(
        events.ProfileForgotten(
            subject_id=device.id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code,
            actor=actor.ref,
            data=found.form(),
            traits=tuple(forgotten),
        )
    )


def _take_in(tx: Any, guesses: Sequence[Guess], rows: int, actor: Actor) -> list[str]:
    guard(actor, IMPORT, "profiles", "", "")
    tx.profiles.save_guesses(guesses, tx.now)
    touched = apply_guesses(tx, tx.profiles.devices_of(guesses))
    tx.record(
        events.ProfilesImported(
            subject_id="", at=tx.now, actor=actor.ref, rows=rows, guesses=len(guesses), devices=len(touched)
        )
    )
    return touched


def apply_guesses(tx: Any, device_ids: Iterable[str]) -> list[str]:
    """Fill in what a matrix knows of the makes of these devices where nothing was found; return whom it touched."""
    touched: list[str] = []
    learned: dict[str, dict[str, str]] = {}
    findings: list[Finding] = []
    for device in tx.devices.load(list(device_ids)).values():
        if device.protocol != "gb28181" or not device.maker or not device.model:
            continue
        known = tx.profiles.guesses(device.maker, device.model)
        if not known:
            continue
        found = {finding.trait for finding in tx.profiles.findings(device.id)}
        fitting = guesses_for(device, known, found)
        if not fitting:
            continue
        touched.append(device.id)
        before = [name for name in device.profile.get("guessed", "").split(",") if name]
        names = dict.fromkeys([*before, *(guess.trait for guess in fitting)])
        learned[device.id] = {**{guess.trait: guess.value for guess in fitting}, "guessed": ",".join(names)}
        findings += [
            Finding(device.id, g.trait, g.value, tx.now, "imported", is_proven=False, params={"devices": g.devices})
            for g in fitting
        ]
    tx.devices.note_learned(learned)
    tx.profiles.save(findings)
    return touched
