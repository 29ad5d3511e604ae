"""Use cases of upper platforms: entering, choosing what is shared, stopping; and what the gateway asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.times import iso_us
from tocsin.base.vault import Vault
from tocsin.domain import cascade as rules
from tocsin.domain import cascade_events as events
from tocsin.domain.access import SYSTEM, Actor, ActorRef, Permission, scope
from tocsin.domain.acts import check_version, guard
from tocsin.domain.audit import AuditEntry, Outcome
from tocsin.domain.cascade import Catalogue, Export, Selected, SelectionKind, Sharing, Upper, Verb
from tocsin.domain.cascade_words import WORDS
from tocsin.domain.channels import IN_SERVICE, ChannelRecord
from tocsin.domain.fields import refuse
from tocsin.domain.places import Jurisdiction
from tocsin.domain.refusals import UseCases
from tocsin.domain.store import Store
from tocsin.domain.views import View, end_views

T = TypeVar("T")
SHARE: Final = Permission.SHARE_CAMERAS
STOP: Final = Permission.STOP_SHARING
READERS: Final = (SHARE, STOP, Permission.READ_AUDIT)
UPPER_SESSION: Final = "upper"


@dataclass(frozen=True, slots=True)
class Account:
    """An upper platform with its opened password, as the gateway needs it."""

    upper: Upper
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SharedView:
    """A picture an upper platform was given, until a time."""

    view_id: str
    channel_id: str
    expires_at: datetime


class Announced(Protocol):
    """The part of a committed announcement that says what changed."""

    @property
    def type(self) -> str:
        """Feed type."""

    @property
    def subject_id(self) -> str:
        """Id of what changed."""


class CascadeService(UseCases):
    """Use cases of upper platforms. `state_of` and `restart` are set by whoever speaks to them."""

    def __init__(self, store: Store, vault: Vault) -> None:
        super().__init__(store)
        self._vault = vault
        self.state_of: Callable[[str], dict[str, object]] = lambda upper: {"state": "off", "events": []}
        self.end_streams: Callable[[str, str], None] = lambda upper, reason: None

    # --- for people ---

    async def find(self, *, actor: Actor, now: datetime) -> list[dict[str, object]]:
        """Return the entries with the state of their connections."""
        found = await self._store.read(_find, actor)
        return [self._form(upper, now, cameras, live) for upper, cameras, live in found]

    async def get(self, upper: str, *, actor: Actor, now: datetime) -> dict[str, object]:
        """Return one entry with what is shared, open pictures and state. Errors: NOT_FOUND."""
        found, lines, cameras, live = await self._store.read(_get, actor, upper)
        form = self._form(found, now, cameras, len(live))
        form["selection"] = [{"kind": line.kind.value, "value": line.value} for line in lines]
        form["live"] = live
        return form

    async def create(self, given: Mapping[str, Any], *, actor: Actor, now: datetime) -> str:
        """Enter an upper platform with its agreement and what it sees (`lines`); return its id.

        Both in one commit: it registers at once, and its first catalogue is already whole. Errors: INVALID, NOT_FOUND,
        FORBIDDEN.
        """
        wanted = dict(given)
        lines = rules.read_selection(wanted.pop("lines", None) or ())
        secret = _sealed(self._vault, wanted.pop("password", ""))
        return await self._act("upper.added", "upper_platform", "", actor, _create, actor, now, wanted, secret, lines)

    async def change(
        self, upper: str, changes: Mapping[str, Any], *, actor: Actor, now: datetime, version: int
    ) -> None:
        """Change entry, agreement or rights; a new end may be set before the old one came or after.

        Errors: INVALID, NOT_FOUND, CONFLICT, FORBIDDEN.
        """
        wanted = dict(changes)
        secret = _sealed(self._vault, wanted.pop("password")) if "password" in wanted else None
        has_secret = "password" in changes
        await self._act(
            "upper.changed",
            "upper_platform",
            upper,
            actor,
            _change,
            actor,
            now,
            upper,
            wanted,
            version,
            secret,
            has_secret,
        )

    async def retire(self, upper: str, *, actor: Actor, version: int) -> None:
        """Take an entry out for good; its pictures end. Errors: NOT_FOUND, CONFLICT, FORBIDDEN."""
        await self._act("upper.retired", "upper_platform", upper, actor, _retire, actor, upper, version)
        self.end_streams(upper, "retired")

    async def select(self, upper: str, lines: Sequence[Mapping[str, Any]], *, actor: Actor) -> int:
        """Choose what is shared; return how many cameras that is now. Errors: INVALID, NOT_FOUND, FORBIDDEN."""
        return await self._act(
            "upper.selection_set", "upper_platform", upper, actor, _select, actor, upper, rules.read_selection(lines)
        )

    async def preview(
        self, upper: str, *, actor: Actor, lines: Sequence[Mapping[str, Any]] | None = None
    ) -> list[dict[str, object]]:
        """Return the catalogue as the upper platform sees it, or would see it with other lines. Errors: NOT_FOUND."""
        wanted = None if lines is None else rules.read_selection(lines)
        found = await self._store.read(_preview, actor, upper, wanted)
        return [item.form() for item in found.items]

    async def set_export(self, upper: str, camera_id: str, changes: Mapping[str, Any], *, actor: Actor) -> None:
        """Give a camera another id, name, CivilCode or ParentID above. Errors: INVALID, NOT_FOUND, CONFLICT."""
        await self._act(
            "upper.export_set", "upper_platform", upper, actor, _set_export, actor, upper, camera_id, changes
        )

    async def stop(self, upper: str, *, actor: Actor, reason: str = "") -> int:
        """Stop sharing at once: every picture ends, nothing is shared until resumed; return how many ended."""
        ended = await self._act("upper.stopped", "upper_platform", upper, actor, _stop, actor, upper, reason)
        self.end_streams(upper, "stopped")
        return ended

    async def resume(self, upper: str, *, actor: Actor) -> None:
        """Take up sharing again. Errors: NOT_FOUND, FORBIDDEN."""
        await self._act("upper.resumed", "upper_platform", upper, actor, _resume, actor, upper)

    async def history(self, upper: str, *, actor: Actor, before: str = "", limit: int = 50) -> list[dict[str, Any]]:
        """Return what the upper platform opened, newest first. Errors: NOT_FOUND."""
        return await self._store.read(_history, actor, upper, before, limit)

    def _form(self, upper: Upper, now: datetime, cameras: int, live: int) -> dict[str, object]:
        return {**upper.form(now), "cameras": cameras, "live_count": live, "connection": self.state_of(upper.id)}

    # --- for the gateway ---

    async def accounts(self) -> list[Account]:
        """Return every entry in use with its password."""
        found = await self._store.read(lambda tx: tx.cascade.all())
        return [Account(upper, self._vault.open(secret).decode() if secret else "") for upper, secret in found]

    async def catalogue(self, upper: str) -> Catalogue:
        """Return what an upper platform sees now; cameras that joined are given their ids."""
        built, is_new = await self._store.read(_planned, upper)
        # thousands of cameras are not built on the writer's thread, where alarms wait, for nothing
        return await self._store.run(_catalogue, upper) if is_new else built

    async def open_view(
        self,
        upper: str,
        exported_id: str,
        *,
        kind: str,
        identity: str,
        channel_id: str,
        period: tuple[datetime, datetime] | None = None,
        is_running: bool = False,
    ) -> SharedView:
        """Give an upper platform a picture, live or of a recorded `period`: a view of its own, recorded with who
        asked there. `is_running`: the picture is here already, whatever is known of its camera.

        Errors: FORBIDDEN with what is missing, UNAVAILABLE when the camera is off line.
        """
        return await self._store.run(_open_view, upper, exported_id, kind, identity, channel_id, period, is_running)

    async def failures(self, upper: str, *, actor: Actor, before: str = "", limit: int = 20) -> list[dict[str, object]]:
        """Return what the upper platform asked for and did not get, newest first: when, which camera, and why as a
        message key with its parameters. Errors: NOT_FOUND."""
        return await self._store.read(_failures, actor, upper, before, limit)

    async def end_view(self, view_id: str, reason: str) -> None:
        """End a view of an upper platform; ending it twice is no error."""
        await self._store.run(_end_view, view_id, reason)

    async def end_leftovers(self) -> int:
        """End the views a former run left open; return how many."""
        return await self._store.run(_end_leftovers)

    async def note_act(self, upper: str, channel_id: str, verb: Verb, act: str, identity: str) -> None:
        """Record that an upper platform does something with a camera, before it is done.

        Errors: FORBIDDEN without the right.
        """
        await self._store.run(_note_act, upper, channel_id, verb, act, identity)

    async def note_positions(self, upper: str, channel_id: str, interval_s: float, identity: str) -> None:
        """Record that an upper platform is told positions of a camera, or of all it is shown, from now on.

        Errors: FORBIDDEN without the right.
        """
        await self._store.run(_note_positions, upper, channel_id, interval_s, identity)

    async def note_refusal(
        self, upper: str, asked: str, subject_id: str, rule: str, identity: str = "", **detail: object
    ) -> None:
        """Record that an upper platform was refused, or did not get what it asked for; `detail` goes with it."""
        await self._store.run(_refuse, upper, asked, subject_id, rule, identity, detail)


def _sealed(vault: Vault, password: Any) -> bytes | None:
    if not isinstance(password, str) or len(password) > 200:
        raise refuse("password", "registry.field_text", "the password must be text of at most 200 characters")
    return vault.seal(password.encode()) if password else None


def _visible(actor: Actor) -> Any:
    for permission in READERS:
        if actor.may(permission):
            return scope(actor, permission)
    return scope(actor, SHARE)


def _find(tx: Any, actor: Actor) -> list[tuple[Upper, int, int]]:
    found: list[Upper] = tx.cascade.find(visible_to=_visible(actor))
    return [(upper, _count(tx, upper), len(tx.cascade.history(upper.id, live_only=True, limit=500))) for upper in found]


def _count(tx: Any, upper: Upper) -> int:
    return len(tx.cascade.chosen(upper, tx.cascade.selection(upper.id)))


def _get(tx: Any, actor: Actor, upper: str) -> tuple[Upper, list[Selected], int, list[dict[str, Any]]]:
    found: Upper = tx.cascade.get(upper, visible_to=_visible(actor))
    live = tx.cascade.history(upper, live_only=True, limit=500)
    return found, tx.cascade.selection(upper), _count(tx, found), live


def _create(
    tx: Any, actor: Actor, now: datetime, given: dict[str, Any], secret: bytes | None, lines: Sequence[Selected]
) -> str:
    home = tx.places.jurisdiction(given.pop("jurisdiction_id", ""), visible_to=scope(actor, Permission.READ_REGISTRY))
    guard(actor, SHARE, "upper_platform", "", home.code)
    made = rules.new_upper(new_id(), given, home, now)
    _check_free(tx, made)
    tx.cascade.add(made, secret)
    tx.record(
        events.UpperAdded(
            subject_id=made.id,
            at=tx.now,
            jurisdiction_code=made.jurisdiction_code,
            actor=actor.ref,
            data=made.form(now),
            upper_id=made.upper_id,
            purpose=made.purpose,
            ends_at=made.ends_at,
            rights=made.rights,
        )
    )
    if lines:
        _select(tx, actor, made.id, lines)
    return made.id


def _check_free(tx: Any, made: Upper) -> None:
    for other, _ in tx.cascade.all():
        if (other.upper_id, other.local_id) == (made.upper_id, made.local_id) and other.id != made.id:
            raise TocsinError(
                ErrorCode.CONFLICT, "this upper platform is entered", key="cascade.taken", field="upper_id"
            )


def _managed(tx: Any, actor: Actor, upper: str, permission: Permission = SHARE) -> Upper:
    known: Upper = tx.cascade.get(upper, visible_to=_visible(actor))
    guard(actor, permission, "upper_platform", known.id, known.jurisdiction_code)
    if known.retired_at is not None:
        raise TocsinError(ErrorCode.CONFLICT, "it is retired", key="registry.retired")
    return known


def _change(
    tx: Any,
    actor: Actor,
    now: datetime,
    upper: str,
    changes: Mapping[str, Any],
    version: int,
    secret: bytes | None,
    has_secret: bool,
) -> None:
    known = _managed(tx, actor, upper)
    check_version("upper platform", known.id, known.version, version)
    saved: Upper = tx.cascade.save(rules.changed_upper(known, changes, now))
    _check_free(tx, saved)
    if has_secret:
        tx.cascade.set_secret(upper, secret)
    is_off = saved.sharing(now) is not Sharing.ACTIVE or saved.purpose != known.purpose
    lost = [
        view
        for view in tx.views.live_of_user(upper)
        if is_off or not saved.may(Verb.RECORDINGS if view.is_of_recordings else Verb.LIVE)
    ]
    end_views(tx, lost, reason="revoked", by=actor.ref)
    names = sorted([*changes, *(["password"] if has_secret else [])])
    tx.record(
        events.UpperChanged(
            subject_id=saved.id,
            at=tx.now,
            jurisdiction_code=saved.jurisdiction_code,
            actor=actor.ref,
            data=saved.form(now),
            changed=tuple(names),
            purpose=saved.purpose,
            ends_at=saved.ends_at,
            rights=saved.rights,
        )
    )


def _retire(tx: Any, actor: Actor, upper: str, version: int) -> None:
    known = _managed(tx, actor, upper)
    check_version("upper platform", known.id, known.version, version)
    end_views(tx, tx.views.live_of_user(upper), reason="retired", by=actor.ref)
    saved = tx.cascade.save(replace(known, retired_at=tx.now, is_enabled=False))
    _record(tx, events.UpperRetired, saved, actor.ref)


def _record(tx: Any, fact: Any, upper: Upper, by: ActorRef, **detail: Any) -> None:
    tx.record(
        fact(
            subject_id=upper.id,
            at=tx.now,
            jurisdiction_code=upper.jurisdiction_code,
            actor=by,
            data=upper.form(tx.now),
            **detail,
        )
    )


def _select(tx: Any, actor: Actor, upper: str, lines: Sequence[Selected]) -> int:
    known = _managed(tx, actor, upper)
    for line in lines:
        _check_line(tx, actor, line)
    tx.cascade.set_selection(upper, lines)
    catalogue = _catalogue(tx, upper)
    shown = [view for view in tx.views.live_of_user(upper) if not set(view.channel_ids) <= set(catalogue.by_channel)]
    end_views(tx, shown, reason="revoked", by=actor.ref)
    told = tuple(f"{line.kind.value}:{line.value}" for line in lines[:100])
    _record(tx, events.UpperSelectionSet, known, actor.ref, lines=told, cameras=len(catalogue.by_channel))
    return len(catalogue.by_channel)


def _check_line(tx: Any, actor: Actor, line: Selected) -> None:
    if line.kind is SelectionKind.NODE:
        node = tx.places.jurisdiction(line.value, visible_to=scope(actor, Permission.READ_REGISTRY))
        guard(actor, SHARE, "jurisdiction", node.id, node.code)
    elif line.kind is SelectionKind.CAMERA:
        channel = tx.devices.channel(line.value, visible_to=scope(actor, Permission.READ_REGISTRY))
        guard(actor, SHARE, "channel", channel.id, channel.jurisdiction_code)


def _tree(tx: Any) -> dict[str, Jurisdiction]:
    return {node.id: node for node in tx.places.all_jurisdictions()}


def _built(tx: Any, upper: Upper, chosen: Sequence[ChannelRecord]) -> tuple[Catalogue, tuple[Export, ...]]:
    tree = _tree(tx)
    assigned = rules.assign(upper, rules.subjects(upper, chosen, tree), tx.cascade.exports(upper.id), tx.now)
    home = tree.get(upper.jurisdiction_id)
    name, devices = home.name if home else "Tocsin", tx.cascade.devices(one.device_id for one in chosen)
    return rules.catalogue(upper, chosen, tree, assigned.by_subject, name, devices), assigned.changed


def _planned(tx: Any, upper: str) -> tuple[Catalogue, bool]:
    """Return the catalogue, and whether an id has to be given or taken for it."""
    known: Upper | None = tx.cascade.load(upper)
    if known is None:
        return Catalogue(), False
    built, changed = _built(tx, known, tx.cascade.chosen(known, tx.cascade.selection(upper)))
    return built, bool(changed)


def _catalogue(tx: Any, upper: str) -> Catalogue:
    known: Upper | None = tx.cascade.load(upper)
    if known is None:
        return Catalogue()
    chosen = tx.cascade.chosen(known, tx.cascade.selection(upper))
    built, changed = _built(tx, known, chosen)
    tx.cascade.save_exports(changed)
    return built


def _preview(tx: Any, actor: Actor, upper: str, lines: Sequence[Selected] | None) -> Catalogue:
    known: Upper = tx.cascade.get(upper, visible_to=_visible(actor))
    chosen = tx.cascade.chosen(known, tx.cascade.selection(upper) if lines is None else lines)
    return _built(tx, known, chosen)[0]


def _set_export(tx: Any, actor: Actor, upper: str, camera_id: str, changes: Mapping[str, Any]) -> None:
    known = _managed(tx, actor, upper)
    exports: list[Export] = tx.cascade.exports(upper)
    current = [row for row in exports if row.subject_id == camera_id and row.left_at is None]
    if not current:
        raise TocsinError(ErrorCode.NOT_FOUND, "this camera is not shared", key="cascade.not_shared")
    rows = rules.remapped(known, current[0], changes, exports, tx.now)
    tx.cascade.save_exports(rows)
    _record(
        tx,
        events.UpperExportSet,
        known,
        actor.ref,
        camera_id=camera_id,
        exported_id=rows[-1].exported_id,
        changed=tuple(sorted(changes)),
    )


def _stop(tx: Any, actor: Actor, upper: str, reason: str) -> int:
    known = _managed(tx, actor, upper, STOP)
    ended = end_views(tx, tx.views.live_of_user(upper), reason="stopped", by=actor.ref)
    saved = known if known.stopped_at is not None else tx.cascade.save(replace(known, stopped_at=tx.now))
    _record(tx, events.UpperStopped, saved, actor.ref, reason=reason, streams=len(ended))
    return len(ended)


def _resume(tx: Any, actor: Actor, upper: str) -> None:
    known = _managed(tx, actor, upper)
    if known.stopped_at is not None:
        _record(tx, events.UpperResumed, tx.cascade.save(replace(known, stopped_at=None)), actor.ref)


def _history(tx: Any, actor: Actor, upper: str, before: str, limit: int) -> list[dict[str, Any]]:
    tx.cascade.get(upper, visible_to=_visible(actor))
    found: list[dict[str, Any]] = tx.cascade.history(upper, before=before, limit=limit)
    return found


def _allowed(tx: Any, upper: str, channel_id: str, verb: Verb) -> tuple[Upper, ChannelRecord]:
    """Return the entry and the camera when the agreement gives that. Errors: FORBIDDEN, NOT_FOUND."""
    known = _active(tx, upper, verb)
    channel: ChannelRecord | None = tx.devices.load_channels([channel_id]).get(channel_id)
    chosen = tx.cascade.chosen(known, tx.cascade.selection(upper), only=channel_id)
    if channel is None or channel.stage != IN_SERVICE or not chosen:
        raise refused("cascade.not_shared")
    return known, channel


def _active(tx: Any, upper: str, verb: Verb) -> Upper:
    """Return the entry when its agreement runs and gives that. Errors: FORBIDDEN."""
    known: Upper | None = tx.cascade.load(upper)
    if known is None or known.sharing(tx.now) is not Sharing.ACTIVE:
        raise refused("cascade.not_active")
    if not known.may(verb):
        raise refused("cascade.no_right")
    return known


def refused(key: str) -> TocsinError:
    """Return the error that tells an upper platform no; `key` is one of `cascade.WORDS`."""
    return TocsinError(ErrorCode.FORBIDDEN, WORDS.text(key, "en"), key=key, rule=key)


def _open_view(
    tx: Any,
    upper: str,
    exported_id: str,
    kind: str,
    identity: str,
    channel_id: str,
    period: tuple[datetime, datetime] | None,
    is_running: bool,
) -> SharedView:
    known, channel = _allowed(tx, upper, channel_id, Verb.RECORDINGS if kind != "live" else Verb.LIVE)
    starts, ends = period or (None, None)
    # a recorder has what a camera saw that is dead by now
    can_come = channel.is_online if period is None else channel.is_device_online
    if not can_come and not is_running:
        detail = WORDS.text("cascade.camera_offline", "en")
        raise TocsinError(ErrorCode.UNAVAILABLE, detail, key="cascade.camera_offline")
    expires_at = min(known.ends_at, tx.now + timedelta(minutes=known.view_minutes))
    view = View(
        id=new_id(),
        user_id=known.id,
        session_id=UPPER_SESSION,
        purpose=known.purpose,
        channel_ids=(channel.id,),
        jurisdiction_code=channel.jurisdiction_code,
        opened_at=tx.now,
        expires_at=expires_at,
        recordings_from=starts,
        recordings_to=ends,
    )
    tx.views.add(view)
    tx.cascade.add_view(view.id, known.id, channel.id, kind, identity)
    _record(
        tx,
        events.UpperViewOpened,
        known,
        ActorRef("upper", known.id),
        view_id=view.id,
        camera_id=channel.id,
        exported_id=exported_id,
        kind=kind,
        purpose=known.purpose,
        expires_at=expires_at,
        user_identity=identity,
        recordings_from=starts,
        recordings_to=ends,
    )
    return SharedView(view.id, channel.id, expires_at)


def _end_view(tx: Any, view_id: str, reason: str) -> int:
    return len(end_views(tx, tx.views.live([view_id]), reason=reason, by=SYSTEM))


def _end_leftovers(tx: Any) -> int:
    return len(end_views(tx, tx.views.live_of_session(UPPER_SESSION), reason="restarted", by=SYSTEM))


def _note_act(tx: Any, upper: str, channel_id: str, verb: Verb, act: str, identity: str) -> None:
    known, _ = _allowed(tx, upper, channel_id, verb)
    if verb in (Verb.PTZ, Verb.PRESETS) and not any(
        channel_id in view.channel_ids for view in tx.views.live_of_user(upper)
    ):
        raise refused("cascade.no_picture_open")
    _record(
        tx,
        events.UpperActed,
        known,
        ActorRef("upper", known.id),
        camera_id=channel_id,
        verb=verb.value,
        act=act,
        user_identity=identity,
    )


def _note_positions(tx: Any, upper: str, channel_id: str, interval_s: float, identity: str) -> None:
    known = _active(tx, upper, Verb.POSITIONS)
    _record(
        tx,
        events.UpperActed,
        known,
        ActorRef("upper", known.id),
        camera_id=channel_id,
        verb=Verb.POSITIONS.value,
        act=f"subscribe every {interval_s:g} s",
        user_identity=identity,
    )


def _failures(tx: Any, actor: Actor, upper: str, before: str, limit: int) -> list[dict[str, object]]:
    tx.cascade.get(upper, visible_to=_visible(actor))
    rows = tx.audit.find(
        codes=None,
        actor=upper,
        action="upper.",
        outcome=Outcome.REFUSED.value,
        before_seq=int(before) if before.isascii() and before.isdigit() else None,
        limit=limit,
    )
    names = tx.audit.names({row.subject_id for row in rows})
    found: list[dict[str, object]] = []
    for row in rows:
        detail = json.loads(row.detail)
        found.append(
            {
                "id": str(row.seq),
                "at": iso_us(row.at_us),
                "asked": row.action.removeprefix("upper."),
                "kind": detail.get("kind", ""),
                "camera_id": row.subject_id if row.subject_id in names else None,
                "camera_name": names.get(row.subject_id, {}).get("name", row.subject_id),
                "user_identity": detail.get("user_identity", ""),
                "status": detail.get("status"),
                "key": detail.get("rule", ""),
                "params": {name: value for name, value in detail.items() if name not in _NO_PARAMS},
            }
        )
    return found


_NO_PARAMS: Final = frozenset({"rule", "user_identity", "kind"})


def _refuse(
    tx: Any,
    upper: str,
    asked: str,
    subject_id: str,
    rule: str,
    identity: str,
    detail: Mapping[str, object] | None = None,
) -> None:
    known: Upper | None = tx.cascade.load(upper)
    tx.audit_entry(
        AuditEntry(
            tx.now,
            "upper",
            upper,
            asked,
            "channel",
            subject_id,
            known.jurisdiction_code if known is not None else "",
            Outcome.REFUSED,
            {"rule": rule, **(detail or {}), **({"user_identity": identity} if identity else {})},
        )
    )
