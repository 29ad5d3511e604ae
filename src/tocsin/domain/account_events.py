"""Facts about accounts of alarm devices. No names, numbers, words of notes or passwords stand in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tocsin.domain.access import Permission
from tocsin.domain.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFact(Fact):
    """Something that happened to an account; its subject is the device."""

    SUBJECT: ClassVar[str] = "account"
    FEED_TYPE: ClassVar[str] = "account.changed"
    FEED_PERMISSION: ClassVar[Permission] = Permission.READ_REGISTRY


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanged(AccountFact):
    """Owner or way in were changed."""

    ACTION: ClassVar[str] = "account.changed"

    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactAdded(AccountFact):
    """A contact was entered."""

    ACTION: ClassVar[str] = "account.contact_added"

    contact_id: str
    rank: int
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactChanged(AccountFact):
    """A contact was changed."""

    ACTION: ClassVar[str] = "account.contact_changed"

    contact_id: str
    rank: int
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRemoved(AccountFact):
    """A contact was deleted; `why`: by hand, its end came, its device was retired, or an import was taken back."""

    ACTION: ClassVar[str] = "account.contact_removed"

    contact_id: str
    role: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsOrdered(AccountFact):
    """The call order was changed: the contacts' ids from the first on."""

    ACTION: ClassVar[str] = "account.contacts_ordered"

    order: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsRead(AccountFact):
    """Somebody read names and numbers, for an incident or without one."""

    ACTION: ClassVar[str] = "account.contacts_read"

    count: int
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsExported(Fact):
    """Somebody took accounts, what they hold, or who may open a door (`opener`) out of the house as a file."""

    ACTION: ClassVar[str] = "account.exported"
    SUBJECT: ClassVar[str] = "account"

    kind: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponderNoteAdded(AccountFact):
    """Somebody wrote a note for responders."""

    ACTION: ClassVar[str] = "account.note_added"

    note_id: str
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponderNoteChanged(AccountFact):
    """A note ends at another time, from a file."""

    ACTION: ClassVar[str] = "account.note_changed"

    note_id: str
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponderNoteRemoved(AccountFact):
    """A note was taken away; `why`: by hand, long after its end, or an import was taken back."""

    ACTION: ClassVar[str] = "account.note_removed"

    note_id: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorPlanAdded(AccountFact):
    """A floor plan was added: the hash of its file."""

    ACTION: ClassVar[str] = "account.plan_added"

    plan_id: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorPlanRenamed(AccountFact):
    """A floor plan has another name."""

    ACTION: ClassVar[str] = "account.plan_renamed"

    plan_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorPlanRemoved(AccountFact):
    """A floor plan was deleted; its zones stand nowhere."""

    ACTION: ClassVar[str] = "account.plan_removed"

    plan_id: str
    zones: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonePlaced(AccountFact):
    """A zone was put on a floor plan, or moved there; without `plan_id` it was taken off."""

    ACTION: ClassVar[str] = "account.zone_placed"

    zone: str
    plan_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordAdded(AccountFact):
    """A password of the premises was set; never the word."""

    ACTION: ClassVar[str] = "account.password_added"

    password_id: str
    is_duress: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRemoved(AccountFact):
    """A password of the premises was removed; `why` as for contacts, or a file put another in its place."""

    ACTION: ClassVar[str] = "account.password_removed"

    password_id: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChecked(AccountFact):
    """An operator had a word compared; `result` is right, wrong, duress or closed. Never the word."""

    ACTION: ClassVar[str] = "account.password_checked"

    result: str
    incident_id: str = ""
