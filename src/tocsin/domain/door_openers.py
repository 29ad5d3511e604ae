"""Who may open a door now, and why: read from the users there are, by the rule that opening it asks. No list is kept.

Design note 0031.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.words import Words
from tocsin.domain.access import ROLE_PERMISSIONS, Actor, Permission, Resource, Role, decide, scope
from tocsin.domain.account_events import AccountsExported
from tocsin.domain.acts import guard
from tocsin.domain.devices import Device
from tocsin.domain.intercom_calls import OPEN
from tocsin.domain.people import User
from tocsin.domain.places import Jurisdiction
from tocsin.domain.refusals import UseCases

READERS: Final = (Permission.MANAGE_USERS, Permission.READ_AUDIT)
_AT_ONCE: Final = 1_000
WORDS: Final = Words(
    {
        "door.none": ("This device is no door intercom and opens no door.", "该设备不是门口机，没有可开的门。"),
    }
)


@dataclass(frozen=True, slots=True)
class Opener:
    """A user who may open a door: the roles that allow it and the areas of the user that the door lies in."""

    user_id: str
    username: str
    name: str
    roles: tuple[str, ...]
    areas: tuple[Jurisdiction, ...]

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "user_id": self.user_id,
            "username": self.username,
            "name": self.name,
            "roles": list(self.roles),
            "areas": [{"id": one.id, "code": one.code, "name": one.name, "name_en": one.name_en} for one in self.areas],
        }


class DoorOpeners(UseCases):
    """Use cases of the list."""

    async def read(self, device_id: str, *, actor: Actor) -> list[Opener]:
        """Return who may open a door now, by name. Errors: NOT_FOUND, FORBIDDEN, CONFLICT when it has no door."""
        return await self._store.read(_read, actor, device_id)

    async def export(self, device_id: str, *, actor: Actor) -> list[Opener]:
        """Return the same for a file, on record. Errors: as `read`."""
        return await self._act("account.exported", "account", device_id, actor, _export, actor, device_id)


def _read(tx: Any, actor: Actor, device_id: str) -> list[Opener]:
    return openers(tx, _door(tx, actor, device_id))


def _export(tx: Any, actor: Actor, device_id: str) -> list[Opener]:
    device = _door(tx, actor, device_id)
    found = openers(tx, device)
    tx.record(
        AccountsExported(
            subject_id=device.id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code,
            actor=actor.ref,
            kind="opener",
            rows=len(found),
        )
    )
    return found


def _door(tx: Any, actor: Actor, device_id: str) -> Device:
    device: Device = tx.devices.get(device_id, visible_to=scope(actor, Permission.READ_REGISTRY))
    needed = next((one for one in READERS if actor.may(one)), READERS[0])
    guard(actor, needed, "account", device.id, device.jurisdiction_code)
    if device.protocol != "sip":
        raise TocsinError(ErrorCode.CONFLICT, "the device is no door intercom", key="door.none")
    return device


def openers(tx: Any, device: Device) -> list[Opener]:
    """Return who may open the door of a device now, by name; nobody may once it is retired."""
    if device.retired_at is not None:
        return []
    nodes = {node.id: node for node in tx.places.all_jurisdictions()}
    door = Resource("call", "", device.jurisdiction_code)
    found = []
    for user in _users(tx):
        homes = [nodes[one] for one in user.jurisdiction_ids if one in nodes]
        if decide(_as_actor(user, homes), OPEN, door).allowed:
            roles = tuple(role for role in user.roles if OPEN in ROLE_PERMISSIONS[Role(role)])
            areas = tuple(node for node in homes if device.jurisdiction_code.startswith(node.code))
            found.append(Opener(user.id, user.username, user.name, roles, areas))
    return sorted(found, key=lambda one: (one.name, one.username))


def _as_actor(user: User, homes: Sequence[Jurisdiction]) -> Actor:
    return Actor(
        user.id,
        user.name,
        frozenset(Role(role) for role in user.roles),
        tuple(node.code for node in homes),
        is_disabled=user.is_disabled,
    )


def _users(tx: Any) -> Iterator[User]:
    before = ""
    while True:
        some: list[User] = tx.users.find(before=before, limit=_AT_ONCE)
        yield from some
        if len(some) < _AT_ONCE:
            return
        before = some[-1].id
