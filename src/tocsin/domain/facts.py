"""What a fact is: something that happened, kept in the audit and told to consoles.

A fact is written by `tx.record` in the same transaction as the change: into the audit chain when `IS_AUDITED`, and to
the outbox when it has a `FEED_TYPE` and `data`, the object as the API shows it. `detail` is what the audit keeps: ids
and words, never names or secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import ClassVar

from tocsin.base.times import iso
from tocsin.domain.access import SYSTEM, ActorRef, Permission
from tocsin.domain.audit import AuditEntry, Outcome
from tocsin.domain.store import FeedEntry

_BASE = frozenset({"subject_id", "jurisdiction_code", "at", "actor", "data"})
_NAMES: dict[type, tuple[str, ...]] = {}
_PLAIN = frozenset({str, int, float, bool})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened to one subject, by somebody, at a time.

    `jurisdiction_code` decides who sees it on the feed (empty: the house's own, see `access.Scope`).
    """

    ACTION: ClassVar[str] = ""
    SUBJECT: ClassVar[str] = ""
    FEED_TYPE: ClassVar[str] = ""
    FEED_PERMISSION: ClassVar[Permission] = Permission.READ_INCIDENTS
    IS_AUDITED: ClassVar[bool] = True
    OUTCOME: ClassVar[Outcome] = Outcome.DONE

    subject_id: str
    at: datetime
    jurisdiction_code: str = ""
    actor: ActorRef = SYSTEM
    data: Mapping[str, object] | None = None

    @property
    def action(self) -> str:
        """The word of the audit record, such as `incident.claimed`."""
        return self.ACTION

    @property
    def subject_kind(self) -> str:
        """What kind of thing it happened to, such as `incident`."""
        return self.SUBJECT

    def detail(self) -> dict[str, object]:
        """Return what is particular to this fact, ready for JSON; empty values are left out."""
        kind = type(self)
        names = _NAMES.get(kind)
        if names is None:
            names = _NAMES[kind] = tuple(field.name for field in fields(kind) if field.name not in _BASE)
        return {
            name: value if type(value) in _PLAIN else _plain(value)
            for name in names
            if (value := getattr(self, name)) not in ("", None, ())
        }

    def audit(self) -> AuditEntry | None:
        """Return the audit entry; None when the change is part of another act that is audited."""
        if not self.IS_AUDITED:
            return None
        return AuditEntry(
            self.at,
            self.actor.kind,
            self.actor.id,
            self.action,
            self.subject_kind,
            self.subject_id,
            self.jurisdiction_code,
            self.OUTCOME,
            self.detail(),
        )

    def feed(self) -> Sequence[FeedEntry]:
        """Return what the consoles hear."""
        if not self.FEED_TYPE or self.data is None:
            return ()
        return (
            FeedEntry(
                self.at, self.FEED_TYPE, self.subject_id, self.jurisdiction_code, self.data, self.FEED_PERMISSION.value
            ),
        )


def _plain(value: object) -> object:
    """Return `value` as JSON can hold it."""
    if isinstance(value, datetime):
        return iso(value)
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Fact):
    """Somebody asked for `asked` on a `kind` and was told no by `rule`; the audit keeps it like a deed."""

    OUTCOME: ClassVar[Outcome] = Outcome.REFUSED

    asked: str
    kind: str
    rule: str
    purpose: str = ""
    channels: tuple[str, ...] = ()
    incident_id: str = ""

    @property
    def action(self) -> str:
        """The action that did not happen."""
        return self.asked

    @property
    def subject_kind(self) -> str:
        """What it would have happened to."""
        return self.kind
