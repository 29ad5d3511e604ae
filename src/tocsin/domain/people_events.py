"""Facts about people, and about the house itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tocsin.domain.access import Permission
from tocsin.domain.audit import Outcome
from tocsin.domain.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAdded(Fact):
    """A user was entered."""

    ACTION: ClassVar[str] = "user.added"
    SUBJECT: ClassVar[str] = "user"

    roles: tuple[str, ...]
    jurisdiction_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChanged(Fact):
    """A user was changed; roles and jurisdictions are kept when they are what changed."""

    ACTION: ClassVar[str] = "user.changed"
    SUBJECT: ClassVar[str] = "user"

    changed: tuple[str, ...]
    roles: tuple[str, ...] = ()
    roles_before: tuple[str, ...] = ()
    jurisdiction_ids: tuple[str, ...] = ()
    jurisdiction_ids_before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDisabled(Fact):
    """A user may no longer sign in; the sessions ended with it."""

    ACTION: ClassVar[str] = "user.disabled"
    SUBJECT: ClassVar[str] = "user"

    ended_sessions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEnabled(Fact):
    """A disabled user may sign in again."""

    ACTION: ClassVar[str] = "user.enabled"
    SUBJECT: ClassVar[str] = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordSet(Fact):
    """A user's password was set; other sessions ended."""

    ACTION: ClassVar[str] = "user.password_set"
    SUBJECT: ClassVar[str] = "user"

    ended_sessions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn(Fact):
    """Somebody signed in."""

    ACTION: ClassVar[str] = "session.signed_in"
    SUBJECT: ClassVar[str] = "user"

    session_id: str
    seat: str = ""
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRefused(Fact):
    """A sign-in failed: wrong password, unknown, disabled or locked. What was typed is not kept."""

    ACTION: ClassVar[str] = "session.signed_in"
    SUBJECT: ClassVar[str] = "user"
    OUTCOME: ClassVar[Outcome] = Outcome.REFUSED

    reason: str
    seat: str = ""
    peer: str = ""
    locked_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOut(Fact):
    """A session ended: by its user, its time, or because it was withdrawn."""

    ACTION: ClassVar[str] = "session.signed_out"
    SUBJECT: ClassVar[str] = "user"

    session_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMade(Fact):
    """A bearer token was made for a user."""

    ACTION: ClassVar[str] = "session.token_made"
    SUBJECT: ClassVar[str] = "user"

    session_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyChanged(Fact):
    """Somebody went on or off duty."""

    ACTION: ClassVar[str] = "session.duty_changed"
    SUBJECT: ClassVar[str] = "user"

    session_id: str
    on_duty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRaised(Fact):
    """The control room must know something about the system itself."""

    ACTION: ClassVar[str] = "notice.raised"
    SUBJECT: ClassVar[str] = "notice"
    FEED_TYPE: ClassVar[str] = "notice.raised"
    FEED_PERMISSION: ClassVar[Permission] = Permission.READ_REGISTRY

    key: str
    severity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeCleared(Fact):
    """A notice is over."""

    ACTION: ClassVar[str] = "notice.cleared"
    SUBJECT: ClassVar[str] = "notice"
    FEED_TYPE: ClassVar[str] = "notice.cleared"
    FEED_PERMISSION: ClassVar[Permission] = Permission.READ_REGISTRY

    key: str
