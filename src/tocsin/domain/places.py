"""Where things are: the tree of jurisdictions with their division codes, and places with address, owner and class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from tocsin.domain import fields
from tocsin.domain.fields import refuse

LEVELS: Final = ("city", "county", "township")
CODE_LIMIT: Final = 12
COVER: Final = "•"
"""Stands for each digit that is not shown; in no telephone number."""
PROHIBITED: Final = (
    "guest_room",
    "dormitory_room",
    "bathroom",
    "toilet",
    "changing_room",
    "fitting_room",
    "nursing_room",
    "private_room",
)
"""Classes of places in which nobody may be filmed. Source: Decree 799, art. 8."""
PLACE_CLASSES: Final = (
    "school",
    "kindergarten",
    "hospital",
    "clinic",
    "bank",
    "government",
    "police",
    "waterworks",
    "power",
    "gas",
    "fuel",
    "factory",
    "warehouse",
    "shop",
    "market",
    "hotel",
    "station",
    "square",
    "park",
    "road",
    "bridge",
    "residence",
    *PROHIBITED,
    "other",
)


@dataclass(frozen=True, slots=True)
class Jurisdiction:
    """A node of the tree. A child's `code` begins with its parent's; `short` stands in front of incident numbers."""

    id: str
    code: str
    short: str
    name: str
    name_en: str = ""
    level: str = "county"
    parent_id: str | None = None
    default_owner: str = ""
    default_purpose: str = ""
    version: int = 1

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "code": self.code,
            "short": self.short,
            "name": self.name,
            "name_en": self.name_en,
            "level": self.level,
            "parent_id": self.parent_id,
            "defaults": {"owner": self.default_owner, "purpose": self.default_purpose},
            "version": self.version,
        }


def covered(phone: str) -> str:
    """Return a telephone number as it is shown until somebody reads it, on record: its last two digits."""
    kept = phone[-2:] if len(phone) > 4 else ""
    return COVER * (len(phone) - len(kept)) + kept


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to call, in this order."""

    name: str
    role: str = ""
    phone: str = ""

    def form(self) -> dict[str, object]:
        """Return it as the API shows it to who has asked for the number."""
        return {"name": self.name, "role": self.role, "phone": self.phone}


@dataclass(frozen=True, slots=True)
class Place:
    """An address with a position (degrees, WGS-84), an owner and a class."""

    id: str
    jurisdiction_id: str
    jurisdiction_code: str
    name: str
    name_en: str = ""
    place_class: str = "other"
    address: str = ""
    owner: str = ""
    lon: float | None = None
    lat: float | None = None
    contacts: tuple[Contact, ...] = ()
    notes: str = ""
    retired_at: datetime | None = None
    version: int = 1

    def form(self) -> dict[str, object]:
        """Return it as the API shows it, the numbers of contacts covered."""
        return {
            "id": self.id,
            "jurisdiction_id": self.jurisdiction_id,
            "name": self.name,
            "name_en": self.name_en,
            "class": self.place_class,
            "address": self.address,
            "owner": self.owner,
            "lon": self.lon,
            "lat": self.lat,
            "contacts": [{**c.form(), "phone": covered(c.phone)} for c in self.contacts],
            "notes": self.notes,
            "version": self.version,
            "retired": self.retired_at is not None,
        }


def _code(field: str, value: Any) -> str:
    if not isinstance(value, str) or not (value.isascii() and value.isdigit() and 1 <= len(value) <= CODE_LIMIT):
        raise refuse(field, "registry.code_form", "a division code has 1 to 12 digits")
    return value


def _defaults(field: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise refuse(field, "registry.field_form", f"{field} must be an object", form="{owner, purpose}")
    checked = fields.read(value, {"owner": fields.text(), "purpose": fields.text(500)})
    return {f"default_{name}": text for name, text in checked.items()}


def _contacts(field: str, value: Any) -> tuple[Contact, ...]:
    if not isinstance(value, list | tuple) or len(value) > 50:
        raise refuse(
            field, "registry.field_form", f"{field} must be a list of at most 50", form="[{name, role, phone}]"
        )
    contacts = []
    for item in value:
        if not isinstance(item, Mapping):
            raise refuse(field, "registry.field_form", f"{field} must hold objects", form="[{name, role, phone}]")
        rules = {"name": fields.text(100, required=True), "role": fields.text(100), "phone": fields.text(40)}
        fields.require(item, "name")
        contacts.append(Contact(**fields.read(item, rules)))
    return tuple(contacts)


_JURISDICTION_RULES: Final = {
    "code": _code,
    "short": fields.text(8, required=True),
    "name": fields.text(100, required=True),
    "name_en": fields.text(100),
    "level": fields.choice(*LEVELS),
    "parent_id": fields.optional_id,
    "defaults": _defaults,
}

_PLACE_RULES: Final = {
    "jurisdiction_id": fields.optional_id,
    "name": fields.text(200, required=True),
    "name_en": fields.text(200),
    "class": fields.choice(*PLACE_CLASSES),
    "address": fields.text(300),
    "owner": fields.text(200),
    "lon": fields.number(-180, 180),
    "lat": fields.number(-90, 90),
    "contacts": _contacts,
    "notes": fields.text(4000),
}


def new_jurisdiction(jurisdiction_id: str, given: Mapping[str, Any], parent: Jurisdiction | None) -> Jurisdiction:
    """Return a node of the tree. Errors: INVALID, also when its code does not begin with its parent's."""
    fields.require(given, "code", "name")
    values = fields.read(given, _JURISDICTION_RULES)
    values.update(values.pop("defaults", {}))
    values.setdefault("short", (values.get("name_en") or values["code"])[:2].upper())
    made = Jurisdiction(id=jurisdiction_id, **values)
    if parent is not None and (not made.code.startswith(parent.code) or made.code == parent.code):
        raise refuse(
            "code", "registry.code_parent", f"the code must begin with {parent.code}, its parent's", parent=parent.code
        )
    return made


def changed_jurisdiction(jurisdiction: Jurisdiction, changes: Mapping[str, Any]) -> Jurisdiction:
    """Return it with `changes`; code and parent are for life, rows everywhere carry them. Errors: INVALID."""
    for name in ("code", "parent_id"):
        if name in changes and changes[name] != getattr(jurisdiction, name):
            raise refuse(name, "registry.field_fixed", f"{name} cannot be changed: make a new jurisdiction")
    values = fields.read(changes, _JURISDICTION_RULES)
    values.update(values.pop("defaults", {}))
    return replace(jurisdiction, **values)


def new_place(place_id: str, given: Mapping[str, Any], jurisdiction: Jurisdiction) -> Place:
    """Return a place of `jurisdiction`. Errors: INVALID."""
    fields.require(given, "name")
    values = _place_values(given, ())
    values.pop("jurisdiction_id", None)
    made = Place(id=place_id, jurisdiction_id=jurisdiction.id, jurisdiction_code=jurisdiction.code, **values)
    return _positioned(made)


def changed_place(place: Place, changes: Mapping[str, Any], jurisdiction: Jurisdiction | None = None) -> Place:
    """Return it with `changes`; `jurisdiction` when it moves to another. A number that is left covered stays.

    Errors: INVALID.
    """
    values = _place_values(changes, place.contacts)
    values.pop("jurisdiction_id", None)
    if jurisdiction is not None:
        values.update(jurisdiction_id=jurisdiction.id, jurisdiction_code=jurisdiction.code)
    return _positioned(replace(place, **values))


def _place_values(given: Mapping[str, Any], known: Sequence[Contact]) -> dict[str, Any]:
    values = fields.read(given, _PLACE_RULES)
    if "contacts" in values:
        values["contacts"] = _uncovered(values["contacts"], known)
    if "class" in values:
        values["place_class"] = values.pop("class")
    return values


def _uncovered(given: Sequence[Contact], known: Sequence[Contact]) -> tuple[Contact, ...]:
    """Return contacts with the numbers that were sent back as they were shown."""
    left = list(known)
    whole = []
    for one in given:
        if COVER in one.phone:
            same = [old for old in left if covered(old.phone) == one.phone]
            same = [old for old in same if old.name == one.name] or same
            if len({old.phone for old in same}) != 1:
                raise refuse(
                    "contacts", "registry.phone_covered", f"write the number of {one.name} whole", name=one.name
                )
            left.remove(same[0])
            one = replace(one, phone=same[0].phone)
        whole.append(one)
    return tuple(whole)


def _positioned(place: Place) -> Place:
    if (place.lon is None) != (place.lat is None):
        raise refuse(
            "lat" if place.lat is None else "lon", "registry.position_half", "a position needs both lon and lat"
        )
    return place
