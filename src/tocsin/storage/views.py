"""Views as rows, and the channels they show."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.views import ChannelAccess, View
from tocsin.storage.tables_people import view_channels, views
from tocsin.storage.tables_registry import channels


class ViewRepository:
    """Permissions to look."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def channels(self, channel_ids: Collection[str]) -> dict[str, ChannelAccess]:
        """Return what the view rules need to know of channels."""
        if not channel_ids:
            return {}
        rows = self._connection.execute(
            select(channels.c.id, channels.c.jurisdiction_code, channels.c.stage).where(
                channels.c.id.in_(sorted(channel_ids))
            )
        )
        return {row.id: ChannelAccess(row.id, row.jurisdiction_code, row.stage) for row in rows}

    def add(self, view: View) -> None:
        """Add a view with its channels."""
        self._connection.execute(
            insert(views).values(
                id=view.id,
                user_id=view.user_id,
                session_id=view.session_id,
                purpose=view.purpose,
                incident_id=view.incident_id,
                call_id=view.call_id,
                jurisdiction_code=view.jurisdiction_code,
                supervises=view.supervises,
                opened_at_us=to_us(view.opened_at),
                expires_at_us=to_us(view.expires_at),
                recordings_from_us=optional_us(view.recordings_from),
                recordings_to_us=optional_us(view.recordings_to),
            )
        )
        self._connection.execute(
            insert(view_channels),
            [
                {"view_id": view.id, "channel_id": channel_id, "is_sub": channel_id in view.subs}
                for channel_id in dict.fromkeys(view.channel_ids)
            ],
        )

    def add_channels(self, view_id: str, is_sub: Mapping[str, bool]) -> None:
        """Add channels to a view, with whether their sub stream was asked for."""
        self._connection.execute(
            insert(view_channels),
            [{"view_id": view_id, "channel_id": key, "is_sub": value} for key, value in is_sub.items()],
        )

    def set_streams(self, view_id: str, is_sub: Mapping[str, bool]) -> None:
        """Write which stream of channels was asked for last."""
        for value in (False, True):
            chosen = sorted(key for key, wants_sub in is_sub.items() if wants_sub is value)
            self._connection.execute(
                update(view_channels)
                .where(view_channels.c.view_id == view_id, view_channels.c.channel_id.in_(chosen))
                .values(is_sub=value)
            )

    def renew(self, view: View) -> None:
        """Write the new end of an open view."""
        self._connection.execute(
            update(views).where(views.c.id == view.id).values(expires_at_us=to_us(view.expires_at))
        )

    def get(self, view_id: str, *, user_id: str) -> View:
        """Return a view of that user. Errors: NOT_FOUND."""
        found = self._find(views.c.id == view_id, views.c.user_id == user_id)
        if not found:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no view {view_id}")
        return found[0]

    def live(self, view_ids: Collection[str]) -> list[View]:
        """Return those of these views that are open."""
        return self._find(views.c.id.in_(sorted(view_ids)), views.c.ended_at_us.is_(None))

    def live_of_user(self, user_id: str) -> list[View]:
        """Return the views a user has open."""
        return self._find(views.c.user_id == user_id, views.c.ended_at_us.is_(None))

    def live_of_session(self, session_id: str) -> list[View]:
        """Return the views a session has open."""
        return self._find(views.c.session_id == session_id, views.c.ended_at_us.is_(None))

    def live_of_channels(self, channel_ids: Collection[str]) -> list[View]:
        """Return the open views that show one of these channels."""
        showing = select(view_channels.c.view_id).where(view_channels.c.channel_id.in_(sorted(channel_ids)))
        return self._find(views.c.id.in_(showing), views.c.ended_at_us.is_(None))

    def of_incident(self, incident_id: str) -> list[View]:
        """Return the open views an incident gave."""
        return self._find(*_of_incident(incident_id))

    def of_incident_for_others(self, incident_id: str, owner_id: str) -> list[View]:
        """Return the open views an incident gave to others than its claimant and the supervisors."""
        return self._find(*_of_incident(incident_id), views.c.user_id != owner_id, views.c.supervises.is_(False))

    def of_call(self, call_id: str, *, but_not_of: str = "") -> list[View]:
        """Return the open views a door call gave; with `but_not_of` those of others than that user and supervisors."""
        clauses = [views.c.call_id == call_id, views.c.ended_at_us.is_(None)]
        if but_not_of:
            clauses += [views.c.user_id != but_not_of, views.c.supervises.is_(False)]
        return self._find(*clauses)

    def expired(self, now: datetime, limit: int = 500) -> list[View]:
        """Return open views whose time is up."""
        return self._find(views.c.ended_at_us.is_(None), views.c.expires_at_us <= to_us(now), limit=limit)

    def end(self, ended: Sequence[View]) -> None:
        """Write the end of views."""
        if ended:
            self._connection.execute(
                _END,
                [
                    {"b_id": view.id, "b_ended_at_us": optional_us(view.ended_at), "b_end_reason": view.end_reason}
                    for view in ended
                ],
            )

    def first_frame(self, view_id: str, channel_id: str, at: datetime) -> bool:
        """Note the first picture a console showed of a channel; return whether it was the first."""
        result = self._connection.execute(
            update(view_channels)
            .where(
                view_channels.c.view_id == view_id,
                view_channels.c.channel_id == channel_id,
                view_channels.c.first_frame_at_us.is_(None),
            )
            .values(first_frame_at_us=to_us(at))
        )
        return result.rowcount == 1

    def _find(self, *clauses: ColumnElement[bool], limit: int = 1_000) -> list[View]:
        rows = self._connection.execute(select(views).where(*clauses).order_by(views.c.id).limit(limit)).all()
        shown: dict[str, list[str]] = {row.id: [] for row in rows}
        subs: dict[str, set[str]] = {row.id: set() for row in rows}
        if shown:
            pairs = self._connection.execute(
                select(view_channels.c.view_id, view_channels.c.channel_id, view_channels.c.is_sub)
                .where(view_channels.c.view_id.in_(sorted(shown)))
                .order_by(view_channels.c.channel_id)
            )
            for view_id, channel_id, is_sub in pairs:
                shown[view_id].append(channel_id)
                if is_sub:
                    subs[view_id].add(channel_id)
        return [_view(row, tuple(shown[row.id]), frozenset(subs[row.id])) for row in rows]


def _of_incident(incident_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        views.c.incident_id == incident_id,
        views.c.purpose == "alarm_verification",
        views.c.ended_at_us.is_(None),
    )


_END = (
    update(views)
    .where(views.c.id == bindparam("b_id"), views.c.ended_at_us.is_(None))
    .values(ended_at_us=bindparam("b_ended_at_us"), end_reason=bindparam("b_end_reason"))
)


def _view(row: Any, channel_ids: tuple[str, ...], subs: frozenset[str]) -> View:
    return View(
        id=row.id,
        user_id=row.user_id,
        session_id=row.session_id,
        purpose=row.purpose,
        channel_ids=channel_ids,
        jurisdiction_code=row.jurisdiction_code,
        opened_at=from_us(row.opened_at_us),
        expires_at=from_us(row.expires_at_us),
        incident_id=row.incident_id,
        supervises=bool(row.supervises),
        ended_at=optional_from_us(row.ended_at_us),
        end_reason=row.end_reason,
        recordings_from=optional_from_us(row.recordings_from_us),
        recordings_to=optional_from_us(row.recordings_to_us),
        subs=subs,
        call_id=row.call_id,
    )
