"""Use cases of users and sessions: signing in and out, tokens, duty, and who may manage whom."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id, new_token
from tocsin.base.passwords import Passwords
from tocsin.domain import events
from tocsin.domain import people as rules
from tocsin.domain.access import Actor, ActorRef, Permission, Role, scope
from tocsin.domain.acts import Page, bounded, check_version, guard
from tocsin.domain.fields import refuse
from tocsin.domain.people import Session, SessionRow, User, actor_of, lock_after, plain_username
from tocsin.domain.places import Jurisdiction
from tocsin.domain.refusals import UseCases
from tocsin.domain.store import Store
from tocsin.domain.views import end_views

T = TypeVar("T")
MANAGE: Final = Permission.MANAGE_USERS
CACHE_S: Final = 5.0  # what another process of ours withdraws is gone after this time
MAX_CACHED: Final = 10_000
MAX_UNKNOWN_NAMES: Final = 10_000
SESSION_HOURS: Final = 12.0
TOKEN_DAYS: Final = 365.0


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session just made, with the token that only its holder gets."""

    token: str
    session: Session


class UserService(UseCases):
    """Use cases of users and sessions. `authenticate` is asked for every request and answers from memory."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        passwords: Passwords | None = None,
        *,
        session_hours: float = SESSION_HOURS,
    ) -> None:
        super().__init__(store)
        self._clock = clock
        self._passwords = passwords or Passwords()
        self._session_length = timedelta(hours=session_hours)
        self._cache: OrderedDict[str, tuple[float, Session]] = OrderedDict()
        self._unknown: OrderedDict[str, tuple[int, datetime | None]] = OrderedDict()
        self._seen: dict[str, datetime] = {}
        self._listeners: list[Callable[[Sequence[str]], None]] = []
        self._changes = 0

    def on_ended(self, listener: Callable[[Sequence[str]], None]) -> None:
        """Call `listener` with the ids of sessions that were ended, so that feeds end with them."""
        self._listeners.append(listener)

    # --- every request ---

    async def authenticate(self, token: str) -> Session | None:
        """Return the session of a token; None when it is unknown, over, or its user disabled."""
        token_hash = hash_token(token)
        now = self._clock.now()
        cached = self._cache.get(token_hash)
        if cached is None or self._clock.monotonic() - cached[0] > CACHE_S:
            changes = self._changes
            session = await self._store.read(_read_session, token_hash)
            if session is None:
                self._cache.pop(token_hash, None)
                return None
            if changes == self._changes:  # else what was read may be from before the change
                self._remember(token_hash, session)
        else:
            session = cached[1]
        if session.expires_at <= now or session.user.is_disabled:
            return None
        self._seen[session.user.id] = now
        return session

    async def actor_of(self, token: str) -> Actor | None:
        """Return who holds a token."""
        session = await self.authenticate(token)
        return None if session is None else session.actor

    async def flush_seen(self) -> None:
        """Store when users were last active; call it now and then."""
        seen, self._seen = self._seen, {}
        if seen:
            await self._store.run(lambda tx: tx.users.note_seen(seen))

    # --- signing in and out ---

    async def sign_in(
        self, username: str, password: str, *, seat: str = "", peer: str = "", language: str = ""
    ) -> NewSession:
        """Check name and password and open a session. Somebody who takes calls begins on duty.

        Errors: UNAUTHENTICATED, the same for an unknown name, a wrong password and a disabled user, after the same
        time; TOO_MANY while the name is locked after repeated failures.
        """
        name = plain_username(username)[:64]
        now = self._clock.now()
        known: tuple[User, str] | None = await self._store.read(lambda tx: tx.users.by_username(name))
        _check_lock(known[0].locked_until if known is not None else self._unknown.get(name, (0, None))[1], now)
        is_right = await self._passwords.verify(None if known is None else known[1], password[:1024])
        now = self._clock.now()
        if known is None or not is_right or known[0].is_disabled:
            await self._fail(name, known[0] if known is not None else None, is_right, now, seat, peer)
            raise TocsinError(
                ErrorCode.UNAUTHENTICATED, "the name or the password is wrong", key="users.sign_in_failed"
            )
        renewed = await self._passwords.hash(password) if self._passwords.needs_rehash(known[1]) else ""
        token = new_token()
        made = self._new_row(known[0], token, "cookie", now, now + self._session_length, seat=seat)
        session = await self._store.run(_sign_in, known[0].id, made, peer, renewed, language)
        self._remember(made.token_hash, session)
        return NewSession(token, session)

    async def sign_out(self, token: str) -> None:
        """End a session; ending it twice is no error."""
        token_hash = hash_token(token)
        ended = await self._store.run(_sign_out, token_hash)
        self._changes += 1
        self._cache.pop(token_hash, None)
        self._tell(ended)

    async def set_duty(self, token: str, on_duty: bool) -> Session:
        """Go on or off duty. Errors: UNAUTHENTICATED."""
        return await self._change_session(token, _set_duty, on_duty)

    async def set_language(self, token: str, language: str) -> Session:
        """Set the user's language. Errors: UNAUTHENTICATED, INVALID."""
        if language not in rules.LANGUAGES:
            raise refuse("language", "registry.field_choice", "language must be zh-CN or en", choices="zh-CN, en")
        return await self._change_session(token, _set_language, language)

    async def make_token(
        self, user_id: str, *, actor: Actor, label: str = "", days: float = TOKEN_DAYS, on_duty: bool | None = None
    ) -> NewSession:
        """Make a bearer token for a user; it is shown once. Errors: NOT_FOUND, FORBIDDEN, INVALID."""
        if not 0 < days <= 3_650:
            raise refuse("days", "registry.field_number", "days must be from 1 to 3650", low=1, high=3650)
        token = new_token()
        now = self._clock.now()
        made = await self._do(
            actor, "session.token_made", user_id, _make_token, user_id, token, days, label[:200], on_duty
        )
        session = await self._store.read(_read_session, made.token_hash)
        if session is None or session.expires_at <= now:
            raise TocsinError(ErrorCode.CONFLICT, "the user was changed in the meantime", key="stale")
        return NewSession(token, session)

    async def sessions(self, user_id: str, *, actor: Actor) -> list[SessionRow]:
        """Return the sessions and tokens of a user that count. Errors: NOT_FOUND, FORBIDDEN."""
        now = self._clock.now()
        return await self._store.read(lambda tx: _sessions(tx, actor, user_id, now))

    async def end_session(self, session_id: str, *, actor: Actor) -> None:
        """Withdraw a session or token. Errors: NOT_FOUND, FORBIDDEN."""
        ended = await self._do(actor, "session.signed_out", session_id, _end_session, session_id)
        self._forget(*ended)

    # --- managing ---

    async def users(
        self, actor: Actor, *, text: str = "", role: str = "", after: str = "", limit: int = 100
    ) -> Page[User]:
        """Return the users whose jurisdictions the actor manages, newest first. Errors: FORBIDDEN."""
        size = bounded(limit)
        return await self._store.read(lambda tx: _find(tx, actor, text, role, after, size))

    async def user(self, user_id: str, *, actor: Actor) -> User:
        """Return one user. Errors: NOT_FOUND, FORBIDDEN."""
        return await self._store.read(lambda tx: _managed(tx, actor, user_id))

    async def create(self, given: Mapping[str, Any], password: str, *, actor: Actor) -> User:
        """Enter a user. Errors: INVALID, CONFLICT on a name in use, FORBIDDEN."""
        made = rules.new_user(new_id(), given)
        rules.check_password(password, made.username)
        hashed = await self._passwords.hash(password)
        return await self._do(actor, "user.added", made.id, _create, made, hashed)

    async def change(self, user_id: str, changes: Mapping[str, Any], *, actor: Actor, version: int) -> User:
        """Change a user; `disabled` ends all sessions. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT, also when the
        house would have no administrator left.
        """
        saved, ended = await self._do(actor, "user.changed", user_id, _change, user_id, changes, version)
        self._forget_user(user_id)
        self._tell(ended)
        return saved

    async def set_password(self, user_id: str, password: str, *, actor: Actor, current: str | None = None) -> None:
        """Set a password and end the user's sessions; one's own needs the present one. Errors: INVALID, NOT_FOUND,
        FORBIDDEN.
        """
        if actor.id == user_id:
            stored = await self._store.read(lambda tx: tx.users.password_hash(user_id))
            if not await self._passwords.verify(stored, current or ""):
                raise refuse("current", "users.wrong_password", "the present password is wrong")
            user: User = await self._store.read(lambda tx: tx.users.get(user_id))
        else:
            user = await self.user(user_id, actor=actor)
        rules.check_password(password, user.username)
        hashed = await self._passwords.hash(password)
        ended = await self._do(actor, "user.password_set", user_id, _set_password, user_id, hashed)
        self._forget_user(user_id)
        self._tell(ended)

    # --- inside ---

    async def _do(self, actor: Actor, asked: str, subject_id: str, work: Callable[..., T], *args: Any) -> T:
        return await self._act(asked, "user", subject_id, actor, work, actor, self._clock.now(), *args)

    async def _change_session(self, token: str, work: Callable[..., None], *args: Any) -> Session:
        session = await self.authenticate(token)
        if session is None:
            raise TocsinError(ErrorCode.UNAUTHENTICATED, "sign in first")
        await self._store.run(work, session, *args)
        self._forget_user(session.user.id)
        renewed = await self.authenticate(token)
        if renewed is None:
            raise TocsinError(ErrorCode.UNAUTHENTICATED, "sign in first")
        return renewed

    async def _fail(self, name: str, user: User | None, is_right: bool, now: datetime, seat: str, peer: str) -> None:
        """Count a failure and keep it; unknown names are counted like known ones, in memory."""
        locked_until = None
        if user is None:
            failures = self._unknown.get(name, (0, None))[0] + 1
            locked_until = lock_after(failures, now)
            self._unknown[name] = (failures, locked_until)
            self._unknown.move_to_end(name)
            while len(self._unknown) > MAX_UNKNOWN_NAMES:
                self._unknown.popitem(last=False)
        reason = "unknown_user" if user is None else "disabled" if is_right else "wrong_password"
        await self._store.run(_fail_sign_in, user.id if user is not None else "", reason, now, locked_until, seat, peer)

    def _new_row(
        self, user: User, token: str, kind: str, now: datetime, expires_at: datetime, *, seat: str = ""
    ) -> SessionRow:
        on_duty = bool(rules.ON_DUTY_ROLES & {Role(role) for role in user.roles})
        return SessionRow(hash_token(token), new_id(), user.id, kind, new_token(), seat[:100], on_duty, now, expires_at)

    def _remember(self, token_hash: str, session: Session) -> None:
        self._cache[token_hash] = (self._clock.monotonic(), session)
        self._cache.move_to_end(token_hash)
        while len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)

    def _forget_user(self, user_id: str) -> None:
        self._changes += 1
        for token_hash in [key for key, (_, session) in self._cache.items() if session.user.id == user_id]:
            del self._cache[token_hash]

    def _forget(self, *session_ids: str) -> None:
        self._changes += 1
        for token_hash in [key for key, (_, session) in self._cache.items() if session.id in session_ids]:
            del self._cache[token_hash]
        self._tell(session_ids)

    def _tell(self, session_ids: Sequence[str]) -> None:
        if session_ids:
            for listener in self._listeners:
                listener(session_ids)


def hash_token(token: str) -> str:
    """Return the SHA-256 under which a session is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def _read_session(tx: Any, token_hash: str) -> Session | None:
    row: SessionRow | None = tx.users.session(token_hash)
    if row is None or row.ended_at is not None or row.expires_at <= tx.now:
        return None
    return _session(tx, tx.users.get(row.user_id), row)


def _session(tx: Any, user: User, row: SessionRow) -> Session:
    nodes = {node.id: node for node in tx.places.all_jurisdictions()}
    homes = tuple(nodes[i] for i in user.jurisdiction_ids if i in nodes)
    return Session(row.id, row.kind, row.csrf, row.expires_at, user, homes, actor_of(user, row, homes))


def _home_code(tx: Any, user: User) -> str:
    codes: dict[str, str] = tx.places.codes_of(user.jurisdiction_ids)
    return min(codes.values(), key=len, default="")


def _sign_in(tx: Any, user_id: str, made: SessionRow, peer: str, renewed: str, language: str) -> Session:
    user: User = tx.users.get(user_id)
    if user.is_disabled:
        raise TocsinError(ErrorCode.UNAUTHENTICATED, "the name or the password is wrong", key="users.sign_in_failed")
    _check_lock(user.locked_until, tx.now)  # a right guess among many at the same time does not pass
    tx.users.note_failures(user.id, 0, None)
    if renewed:
        tx.users.set_password(user.id, renewed)
    if language and not user.language:
        user = tx.users.save(replace(user, language=language, failed_sign_ins=0, locked_until=None))
    tx.users.add_session(made)
    tx.users.note_seen({user.id: tx.now})
    session = _session(tx, user, made)
    tx.record(
        events.SignedIn(
            subject_id=user.id,
            at=tx.now,
            jurisdiction_code=_home_code(tx, user),
            actor=session.actor.ref,
            session_id=made.id,
            seat=made.seat,
            peer=peer,
        )
    )
    return session


def _fail_sign_in(
    tx: Any, user_id: str, reason: str, now: datetime, locked_until: datetime | None, seat: str, peer: str
) -> None:
    code = ""
    if user_id:
        user: User = tx.users.get(user_id)  # as it is now: others may be guessing at the same time
        locked_until = lock_after(user.failed_sign_ins + 1, now)
        tx.users.note_failures(user_id, user.failed_sign_ins + 1, locked_until)
        code = _home_code(tx, user)
    tx.record(
        events.SignInRefused(
            subject_id=user_id,
            at=tx.now,
            jurisdiction_code=code,
            reason=reason,
            seat=seat[:100],
            peer=peer,
            locked_until=locked_until,
        )
    )


def _check_lock(locked_until: datetime | None, now: datetime) -> None:
    """Let a sign-in go on. Errors: TOO_MANY with the time to wait."""
    if locked_until is not None and locked_until > now:
        raise TocsinError(
            ErrorCode.TOO_MANY,
            "locked after failed sign-ins",
            key="users.locked",
            retry_after_s=int((locked_until - now).total_seconds()) + 1,
        )


def _sign_out(tx: Any, token_hash: str) -> tuple[str, ...]:
    row: SessionRow | None = tx.users.session(token_hash)
    if row is None or row.ended_at is not None:
        return ()
    user: User = tx.users.get(row.user_id)
    return _end(tx, [row], user, ActorRef("user", user.id), "signed_out")


def _end(tx: Any, rows: Sequence[SessionRow], user: User, actor: ActorRef, reason: str) -> tuple[str, ...]:
    tx.users.end_sessions([row.id for row in rows], tx.now)
    code = _home_code(tx, user)
    for row in rows:
        end_views(tx, tx.views.live_of_session(row.id), reason=reason, by=actor)
        tx.record(
            events.SignedOut(
                subject_id=user.id, at=tx.now, jurisdiction_code=code, actor=actor, session_id=row.id, reason=reason
            )
        )
    return tuple(row.id for row in rows)


def _set_duty(tx: Any, session: Session, on_duty: bool) -> None:
    tx.users.set_duty(session.id, on_duty)
    if not on_duty:
        end_views(tx, tx.views.live_of_session(session.id), reason="off_duty", by=session.actor.ref)
    if session.is_on_duty != on_duty:
        tx.record(
            events.DutyChanged(
                subject_id=session.user.id,
                at=tx.now,
                jurisdiction_code=_home_code(tx, session.user),
                actor=session.actor.ref,
                session_id=session.id,
                on_duty=on_duty,
            )
        )


def _set_language(tx: Any, session: Session, language: str) -> None:
    user = tx.users.get(session.user.id)
    tx.users.save(replace(user, language=language))


def _managed(tx: Any, actor: Actor, user_id: str) -> User:
    """Return a user all of whose jurisdictions the actor manages. Errors: FORBIDDEN, NOT_FOUND."""
    guard(actor, MANAGE, "user", user_id, next(iter(actor.jurisdiction_codes), ""))
    user: User = tx.users.get(user_id)
    if not _covers(actor, tx.places.codes_of(user.jurisdiction_ids), user):
        raise TocsinError(ErrorCode.NOT_FOUND, f"no user {user_id}")
    return user


def _covers(actor: Actor, codes: Mapping[str, str], user: User) -> bool:
    visible = scope(actor, MANAGE)
    return all(visible.covers(codes[i]) for i in user.jurisdiction_ids if i in codes)


def _find(tx: Any, actor: Actor, text: str, role: str, before: str, limit: int) -> Page[User]:
    guard(actor, MANAGE, "user", "", next(iter(actor.jurisdiction_codes), ""))
    nodes: list[Jurisdiction] = tx.places.all_jurisdictions()
    codes = {node.id: node.code for node in nodes}
    found: list[User] = []
    cursor = before
    while len(found) <= limit:
        rows: list[User] = tx.users.find(text=text, role=role, before=cursor, limit=1_000)
        found.extend(user for user in rows if _covers(actor, codes, user))
        if len(rows) < 1_000:
            break
        cursor = rows[-1].id
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)


def _check_homes(tx: Any, actor: Actor, user: User) -> None:
    codes: dict[str, str] = tx.places.codes_of(user.jurisdiction_ids)
    if len(codes) != len(user.jurisdiction_ids):
        raise refuse("jurisdiction_ids", "registry.field_form", "a jurisdiction does not exist", form="[id, ...]")
    for code in codes.values():
        guard(actor, MANAGE, "user", user.id, code)


def _create(tx: Any, actor: Actor, now: datetime, made: User, password_hash: str) -> User:
    _check_homes(tx, actor, made)
    if tx.users.by_username(made.username) is not None:
        raise TocsinError(
            ErrorCode.CONFLICT, "somebody else has this user name", key="users.name_taken", field="username"
        )
    tx.users.add(made, password_hash)
    tx.record(
        events.UserAdded(
            subject_id=made.id,
            at=now,
            jurisdiction_code=_home_code(tx, made),
            actor=actor.ref,
            roles=made.roles,
            jurisdiction_ids=made.jurisdiction_ids,
        )
    )
    return made


def _change(
    tx: Any, actor: Actor, now: datetime, user_id: str, changes: Mapping[str, Any], version: int
) -> tuple[User, tuple[str, ...]]:
    known = _managed(tx, actor, user_id)
    check_version("user", known.id, known.version, version)
    changed = rules.changed_user(known, changes, now)
    _check_homes(tx, actor, changed)
    if _is_administrator(known) and not _is_administrator(changed):
        others = [u for u in tx.users.find(role=Role.ADMINISTRATOR.value) if u.id != user_id and _is_administrator(u)]
        if not others:
            raise rules.last_administrator()
    saved: User = tx.users.save(changed)
    code = _home_code(tx, saved)
    ended: tuple[str, ...] = ()
    if saved.is_disabled and not known.is_disabled:
        ended = _end(tx, tx.users.open_sessions(user_id, now), saved, actor.ref, "disabled")
        tx.record(
            events.UserDisabled(
                subject_id=user_id, at=now, jurisdiction_code=code, actor=actor.ref, ended_sessions=len(ended)
            )
        )
    elif known.is_disabled and not saved.is_disabled:
        tx.record(events.UserEnabled(subject_id=user_id, at=now, jurisdiction_code=code, actor=actor.ref))
    named = tuple(sorted(changes.keys() - {"disabled"}))
    if named:
        has_roles, has_homes = saved.roles != known.roles, saved.jurisdiction_ids != known.jurisdiction_ids
        if has_roles or has_homes:  # whatever was open was granted by rights that are gone
            end_views(tx, tx.views.live_of_user(user_id), reason="rights_changed", by=actor.ref)
        tx.record(
            events.UserChanged(
                subject_id=user_id,
                at=now,
                jurisdiction_code=code,
                actor=actor.ref,
                changed=named,
                roles=saved.roles if has_roles else (),
                roles_before=known.roles if has_roles else (),
                jurisdiction_ids=saved.jurisdiction_ids if has_homes else (),
                jurisdiction_ids_before=known.jurisdiction_ids if has_homes else (),
            )
        )
    return saved, ended


def _is_administrator(user: User) -> bool:
    return Role.ADMINISTRATOR.value in user.roles and not user.is_disabled


def _set_password(tx: Any, actor: Actor, now: datetime, user_id: str, password_hash: str) -> tuple[str, ...]:
    user: User = tx.users.get(user_id) if actor.id == user_id else _managed(tx, actor, user_id)
    tx.users.set_password(user_id, password_hash)
    open_cookies = [row for row in tx.users.open_sessions(user_id, now) if row.kind == "cookie"]
    ended = _end(tx, open_cookies, user, actor.ref, "password_set")
    tx.record(
        events.PasswordSet(
            subject_id=user_id,
            at=now,
            jurisdiction_code=_home_code(tx, user),
            actor=actor.ref,
            ended_sessions=len(ended),
        )
    )
    return ended


def _make_token(
    tx: Any, actor: Actor, now: datetime, user_id: str, token: str, days: float, label: str, on_duty: bool | None
) -> SessionRow:
    user = _managed(tx, actor, user_id)
    if user.is_disabled:
        raise TocsinError(ErrorCode.CONFLICT, "the user is disabled", key="account_disabled")
    works = bool(rules.ON_DUTY_ROLES & {Role(role) for role in user.roles}) if on_duty is None else on_duty
    row = SessionRow(
        hash_token(token),
        new_id(),
        user_id,
        "token",
        new_token(),
        "",
        works,
        now,
        now + timedelta(days=days),
        label=label,
    )
    tx.users.add_session(row)
    tx.record(
        events.TokenMade(
            subject_id=user_id,
            at=now,
            jurisdiction_code=_home_code(tx, user),
            actor=actor.ref,
            session_id=row.id,
            expires_at=row.expires_at,
        )
    )
    return row


def _sessions(tx: Any, actor: Actor, user_id: str, now: datetime) -> list[SessionRow]:
    if actor.id != user_id:
        _managed(tx, actor, user_id)
    found: list[SessionRow] = tx.users.open_sessions(user_id, now)
    return found


def _end_session(tx: Any, actor: Actor, now: datetime, session_id: str) -> tuple[str, ...]:
    row: SessionRow | None = tx.users.session_by_id(session_id)
    if row is None:
        raise TocsinError(ErrorCode.NOT_FOUND, f"no session {session_id}")
    user: User = tx.users.get(row.user_id) if actor.id == row.user_id else _managed(tx, actor, row.user_id)
    if row.ended_at is not None or row.expires_at <= now:
        return ()
    return _end(tx, [row], user, actor.ref, "withdrawn")
