"""Users and sessions: who works here, what they may do, and how they prove who they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain import fields
from tocsin.domain.access import Actor, Role
from tocsin.domain.fields import refuse
from tocsin.domain.places import Jurisdiction

LANGUAGES: Final = ("", "zh-CN", "en")
FREE_FAILURES: Final = 5
FIRST_LOCK_S: Final = 30.0
LONGEST_LOCK_S: Final = 900.0
SHORTEST_PASSWORD: Final = 8
LONGEST_PASSWORD: Final = 256
ON_DUTY_ROLES: Final = frozenset({Role.OPERATOR, Role.SUPERVISOR})

WORDS: Final = Words(
    {
        "users.sign_in_failed": ("The name or the password is wrong.", "用户名或密码错误。"),
        "users.locked": (
            "Too many failed tries. Try again in {retry_after_s} s.",
            "失败次数过多，请 {retry_after_s} 秒后再试。",
        ),
        "users.name_taken": ("Somebody else has this user name.", "该用户名已被使用。"),
        "users.username_form": (
            "A user name has 1 to 64 letters, digits, dots, hyphens or underscores.",
            "用户名为 1 至 64 个字母、数字、点、连字符或下划线。",
        ),
        "users.password_short": (
            "A password has {least} to {most} characters and is not the user name.",
            "密码应为 {least} 至 {most} 个字符，且不得与用户名相同。",
        ),
        "users.last_administrator": (
            "This is the last administrator: make another one first.",
            "这是最后一名管理员，请先添加其他管理员。",
        ),
        "users.wrong_password": ("The present password is wrong.", "当前密码错误。"),
    }
)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who works here. Each jurisdiction covers its subtree."""

    id: str
    username: str
    name: str
    roles: tuple[str, ...]
    jurisdiction_ids: tuple[str, ...]
    language: str = ""
    disabled_at: datetime | None = None
    last_seen_at: datetime | None = None
    failed_sign_ins: int = 0
    locked_until: datetime | None = None
    version: int = 1

    @property
    def is_disabled(self) -> bool:
        """Say whether the user may no longer sign in."""
        return self.disabled_at is not None

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "username": self.username,
            "name": self.name,
            "roles": list(self.roles),
            "jurisdiction_ids": list(self.jurisdiction_ids),
            "language": self.language,
            "disabled": self.is_disabled,
            "locked": self.locked_until is not None,
            "last_seen_at": None if self.last_seen_at is None else iso(self.last_seen_at),
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as stored. The token itself is known to its holder alone; here is its SHA-256."""

    token_hash: str
    id: str
    user_id: str
    kind: str
    csrf: str
    seat: str
    is_on_duty: bool
    made_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    label: str = ""

    def form(self) -> dict[str, object]:
        """Return it as a list of sessions shows it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "seat": self.seat,
            "label": self.label,
            "on_duty": self.is_on_duty,
            "made_at": iso(self.made_at),
            "expires_at": iso(self.expires_at),
            "ended_at": None if self.ended_at is None else iso(self.ended_at),
        }


@dataclass(frozen=True, slots=True)
class Session:
    """A valid session with its user, as each request needs it."""

    id: str
    kind: str
    csrf: str
    expires_at: datetime
    user: User
    jurisdictions: tuple[Jurisdiction, ...]
    actor: Actor

    @property
    def is_on_duty(self) -> bool:
        """Say whether its holder works."""
        return self.actor.is_on_duty

    def form(self) -> dict[str, object]:
        """Return it as `GET /session` shows it."""
        return {
            "user": {
                "id": self.user.id,
                "username": self.user.username,
                "name": self.user.name,
                "roles": list(self.user.roles),
                "jurisdictions": [
                    {"id": node.id, "name": node.name, "name_en": node.name_en, "code": node.code}
                    for node in self.jurisdictions
                ],
                "permissions": sorted(permission.value for permission in self.actor.permissions),
                "language": self.user.language,
                "seat": self.actor.seat,
            },
            "csrf": self.csrf,
            "expires_at": iso(self.expires_at),
            "on_duty": self.actor.is_on_duty,
        }


def actor_of(user: User, session: SessionRow, jurisdictions: tuple[Jurisdiction, ...]) -> Actor:
    """Return who asks when a request comes with this session."""
    return Actor(
        id=user.id,
        name=user.name,
        roles=frozenset(Role(role) for role in user.roles),
        jurisdiction_codes=tuple(node.code for node in jurisdictions),
        is_on_duty=session.is_on_duty,
        is_disabled=user.is_disabled,
        seat=session.seat,
    )


def lock_after(failures: int, now: datetime) -> datetime | None:
    """Return until when a name is locked after so many failures in a row: none at first, then doubling to 15 min."""
    if failures < FREE_FAILURES:
        return None
    return now + timedelta(seconds=min(FIRST_LOCK_S * 2 ** min(failures - FREE_FAILURES, 10), LONGEST_LOCK_S))


def plain_username(username: str) -> str:
    """Return a user name as it is stored and compared."""
    return username.strip().casefold()


def check_password(password: str, username: str) -> None:
    """Let a new password pass. Errors: INVALID."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD or password.casefold() == username:
        raise refuse(
            "password",
            "users.password_short",
            f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters and is not the user name",
            least=SHORTEST_PASSWORD,
            most=LONGEST_PASSWORD,
        )


def last_administrator() -> TocsinError:
    """Return the refusal to leave the house without an administrator."""
    return TocsinError(ErrorCode.CONFLICT, "this is the last administrator", key="users.last_administrator")


def _username(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise refuse(field, "registry.field_text", f"{field} must be text")
    plain = plain_username(value)
    if not 1 <= len(plain) <= 64 or not all(c.isalnum() or c in "._-@" for c in plain):
        raise refuse(field, "users.username_form", "a user name has 1 to 64 letters, digits, dots, hyphens")
    return plain


def _roles(field: str, value: Any) -> tuple[str, ...]:
    known = [role.value for role in Role]
    if not isinstance(value, list | tuple) or not value or any(role not in known for role in value):
        listed = ", ".join(known)
        raise refuse(field, "registry.field_choice", f"{field} must be some of: {listed}", choices=listed)
    return tuple(dict.fromkeys(value))


def _ids(field: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(v, str) for v in value):
        raise refuse(field, "registry.field_required", f"{field} must name at least one jurisdiction")
    if len(value) > 100:
        raise refuse(field, "registry.field_form", f"{field} may name at most 100", form="[id, ...]")
    return tuple(dict.fromkeys(value))


_USER_RULES: Final[Mapping[str, fields.Rule]] = {
    "username": _username,
    "name": fields.text(100, required=True),
    "roles": _roles,
    "jurisdiction_ids": _ids,
    "language": fields.choice(*LANGUAGES),
    "disabled": fields.flag,
}


def new_user(user_id: str, given: Mapping[str, Any]) -> User:
    """Return a user. Errors: INVALID, naming the field."""
    fields.require(given, "username", "name", "roles", "jurisdiction_ids")
    values = fields.read(given, _USER_RULES)
    values.pop("disabled", None)
    return User(id=user_id, **values)


def changed_user(user: User, changes: Mapping[str, Any], now: datetime) -> User:
    """Return the user with `changes`; the user name is for life. Errors: INVALID."""
    values = fields.read(changes, _USER_RULES)
    if values.pop("username", user.username) != user.username:
        raise refuse("username", "registry.field_fixed", "the user name cannot be changed")
    disabled = values.pop("disabled", None)
    if disabled is not None and disabled != user.is_disabled:
        values["disabled_at"] = now if disabled else None
        if not disabled:
            values.update(failed_sign_ins=0, locked_until=None)
    return replace(user, **values)
