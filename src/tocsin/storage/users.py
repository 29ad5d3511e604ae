"""Users and sessions as rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, bindparam, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.people import SessionRow, User
from tocsin.storage.channels import chunks
from tocsin.storage.places import contains, stale
from tocsin.storage.tables_people import sessions, users

_encode = msgspec.json.Encoder().encode
_texts = msgspec.json.Decoder(tuple[str, ...])

# Everything but the password hash, which leaves the table for a sign-in alone.
_COLUMNS: Select[Any] = select(
    users.c.id,
    users.c.username,
    users.c.name,
    users.c.roles,
    users.c.jurisdiction_ids,
    users.c.language,
    users.c.disabled_at_us,
    users.c.last_seen_at_us,
    users.c.failed_sign_ins,
    users.c.locked_until_us,
    users.c.version,
)


class UserRepository:
    """Users, their password hashes and their sessions. Who may see whom is decided by the use cases."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- users ---

    def get(self, user_id: str) -> User:
        """Return one user. Errors: NOT_FOUND."""
        row = self._connection.execute(_COLUMNS.where(users.c.id == user_id)).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no user {user_id}")
        return _user(row)

    def by_username(self, username: str) -> tuple[User, str] | None:
        """Return the user of a name with the password hash."""
        row = self._connection.execute(
            _COLUMNS.add_columns(users.c.password_hash).where(users.c.username == username)
        ).one_or_none()
        return None if row is None else (_user(row), row.password_hash)

    def password_hash(self, user_id: str) -> str:
        """Return the password hash of a user."""
        return str(self._connection.execute(select(users.c.password_hash).where(users.c.id == user_id)).scalar_one())

    def find(self, *, text: str = "", role: str = "", before: str = "", limit: int = 1_000) -> list[User]:
        """Return users newest first."""
        query = _COLUMNS
        if text:
            query = query.where(contains(text, users.c.username, users.c.name))
        if role:
            query = query.where(users.c.roles.contains(f'"{role}"', autoescape=True))
        if before:
            query = query.where(users.c.id < before)
        return [_user(row) for row in self._connection.execute(query.order_by(users.c.id.desc()).limit(limit))]

    def names(self, user_ids: Collection[str]) -> dict[str, str]:
        """Return id -> name."""
        found: dict[str, str] = {}
        for chunk in chunks(user_ids):
            rows = self._connection.execute(select(users.c.id, users.c.name).where(users.c.id.in_(chunk)))
            found.update((row.id, row.name) for row in rows)
        return found

    def add(self, user: User, password_hash: str) -> None:
        """Add a user."""
        self._connection.execute(
            insert(users).values(
                id=user.id, username=user.username, password_hash=password_hash, version=1, **_values(user)
            )
        )

    def save(self, user: User) -> User:
        """Write a user; return it with its new version. Errors: CONFLICT when somebody else wrote first."""
        result = self._connection.execute(
            update(users)
            .where(users.c.id == user.id, users.c.version == user.version)
            .values(version=user.version + 1, **_values(user))
        )
        if result.rowcount != 1:
            raise stale("user", user.id)
        return replace(user, version=user.version + 1)

    def set_password(self, user_id: str, password_hash: str) -> None:
        """Write a password hash; failures are forgotten."""
        self._connection.execute(
            update(users)
            .where(users.c.id == user_id)
            .values(password_hash=password_hash, failed_sign_ins=0, locked_until_us=None)
        )

    def note_failures(self, user_id: str, failures: int, locked_until: datetime | None) -> None:
        """Write how many sign-ins failed in a row, and until when the name is locked."""
        self._connection.execute(
            update(users)
            .where(users.c.id == user_id)
            .values(failed_sign_ins=failures, locked_until_us=optional_us(locked_until))
        )

    def note_seen(self, seen: Mapping[str, datetime]) -> None:
        """Write when users were last active."""
        if seen:
            self._connection.execute(
                _NOTE_SEEN, [{"b_id": user_id, "b_at_us": to_us(at)} for user_id, at in sorted(seen.items())]
            )

    # --- sessions ---

    def add_session(self, session: SessionRow) -> None:
        """Add a session."""
        self._connection.execute(
            insert(sessions).values(
                token_hash=session.token_hash,
                id=session.id,
                user_id=session.user_id,
                kind=session.kind,
                csrf=session.csrf,
                seat=session.seat,
                on_duty=session.is_on_duty,
                made_at_us=to_us(session.made_at),
                expires_at_us=to_us(session.expires_at),
                ended_at_us=optional_us(session.ended_at),
                label=session.label,
            )
        )

    def session(self, token_hash: str) -> SessionRow | None:
        """Return the session of a token, ended or not."""
        row = self._connection.execute(select(sessions).where(sessions.c.token_hash == token_hash)).one_or_none()
        return None if row is None else _session(row)

    def session_by_id(self, session_id: str) -> SessionRow | None:
        """Return a session by its id."""
        row = self._connection.execute(select(sessions).where(sessions.c.id == session_id)).one_or_none()
        return None if row is None else _session(row)

    def open_sessions(self, user_id: str, now: datetime) -> list[SessionRow]:
        """Return the sessions of a user that count, newest first."""
        rows = self._connection.execute(
            select(sessions)
            .where(
                sessions.c.user_id == user_id,
                sessions.c.ended_at_us.is_(None),
                sessions.c.expires_at_us > to_us(now),
            )
            .order_by(sessions.c.id.desc())
        )
        return [_session(row) for row in rows]

    def set_duty(self, session_id: str, on_duty: bool) -> None:
        """Write whether the holder of a session works."""
        self._connection.execute(update(sessions).where(sessions.c.id == session_id).values(on_duty=on_duty))

    def end_sessions(self, session_ids: Collection[str], at: datetime) -> None:
        """End sessions."""
        for chunk in chunks(session_ids):
            self._connection.execute(
                update(sessions)
                .where(sessions.c.id.in_(chunk), sessions.c.ended_at_us.is_(None))
                .values(ended_at_us=to_us(at))
            )


_NOTE_SEEN = update(users).where(users.c.id == bindparam("b_id")).values(last_seen_at_us=bindparam("b_at_us"))


def _values(user: User) -> dict[str, object]:
    return {
        "name": user.name,
        "roles": _encode(user.roles).decode(),
        "jurisdiction_ids": _encode(user.jurisdiction_ids).decode(),
        "language": user.language,
        "disabled_at_us": optional_us(user.disabled_at),
        "failed_sign_ins": user.failed_sign_ins,
        "locked_until_us": optional_us(user.locked_until),
    }


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        username=row.username,
        name=row.name,
        roles=_texts.decode(row.roles),
        jurisdiction_ids=_texts.decode(row.jurisdiction_ids),
        language=row.language,
        disabled_at=optional_from_us(row.disabled_at_us),
        last_seen_at=optional_from_us(row.last_seen_at_us),
        failed_sign_ins=row.failed_sign_ins,
        locked_until=optional_from_us(row.locked_until_us),
        version=row.version,
    )


def _session(row: Row[Any]) -> SessionRow:
    return SessionRow(
        token_hash=row.token_hash,
        id=row.id,
        user_id=row.user_id,
        kind=row.kind,
        csrf=row.csrf,
        seat=row.seat,
        is_on_duty=bool(row.on_duty),
        made_at=from_us(row.made_at_us),
        expires_at=from_us(row.expires_at_us),
        ended_at=optional_from_us(row.ended_at_us),
        label=row.label,
    )
