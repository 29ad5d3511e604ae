"""Upper platforms, what they may see, the ids they know it by, and what they opened, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, or_, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, iso_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.cascade import Export, Selected, SelectionKind, Upper
from tocsin.domain.channels import ChannelRecord
from tocsin.storage.channels import _COLUMNS, _channel, chunks
from tocsin.storage.places import stale
from tocsin.storage.scope import below, within
from tocsin.storage.tables_cascade import upper_exports, upper_platforms, upper_selection, upper_views
from tocsin.storage.tables_people import views
from tocsin.storage.tables_registry import channels, devices, jurisdictions, places

_PLAIN = (
    "name", "name_en", "jurisdiction_id", "jurisdiction_code", "upper_id", "domain", "host", "port", "transport",
    "local_id", "username", "charset", "edition", "expires_s", "keepalive_s", "page_items", "send_alarms",
    "view_minutes", "owner", "purpose", "basis", "is_enabled",
)  # fmt: skip


class CascadeRepository:
    """Upper platforms."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, *, visible_to: Scope) -> list[Upper]:
        """Return the entries in use, oldest first."""
        table = upper_platforms
        rows = self._connection.execute(
            select(table)
            .where(table.c.retired_at_us.is_(None), within(table.c.jurisdiction_code, visible_to, table.c.id))
            .order_by(table.c.id)
        )
        return [_upper(row) for row in rows]

    def all(self) -> list[tuple[Upper, bytes | None]]:
        """Return every entry in use with its sealed password, for the gateway."""
        rows = self._connection.execute(select(upper_platforms).where(upper_platforms.c.retired_at_us.is_(None)))
        return [(_upper(row), row.secret) for row in rows]

    def get(self, upper: str, *, visible_to: Scope) -> Upper:
        """Return one entry. Errors: NOT_FOUND."""
        table = upper_platforms
        row = self._connection.execute(
            select(table).where(table.c.id == upper, within(table.c.jurisdiction_code, visible_to, table.c.id))
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no upper platform {upper}")
        return _upper(row)

    def load(self, upper: str) -> Upper | None:
        """Return one entry, for the house's own work."""
        row = self._connection.execute(select(upper_platforms).where(upper_platforms.c.id == upper)).one_or_none()
        return None if row is None else _upper(row)

    def add(self, upper: Upper, secret: bytes | None) -> None:
        """Add an entry."""
        self._connection.execute(
            insert(upper_platforms).values(id=upper.id, secret=secret, version=1, **_values(upper))
        )

    def save(self, upper: Upper) -> Upper:
        """Write an entry; return it with its new version. Errors: CONFLICT when somebody else wrote first."""
        table = upper_platforms
        result = self._connection.execute(
            update(table)
            .where(table.c.id == upper.id, table.c.version == upper.version)
            .values(version=upper.version + 1, **_values(upper))
        )
        if result.rowcount != 1:
            raise stale("upper platform", upper.id)
        return replace(upper, version=upper.version + 1)

    def set_secret(self, upper: str, secret: bytes | None) -> None:
        """Keep another sealed password."""
        table = upper_platforms
        self._connection.execute(update(table).where(table.c.id == upper).values(secret=secret))

    # --- what it may see ---

    def selection(self, upper: str) -> list[Selected]:
        """Return the lines of what is shared."""
        table = upper_selection
        rows = self._connection.execute(
            select(table).where(table.c.upper == upper).order_by(table.c.kind, table.c.value)
        )
        return [Selected(SelectionKind(row.kind), row.value) for row in rows]

    def set_selection(self, upper: str, lines: Iterable[Selected]) -> None:
        """Replace the lines of what is shared."""
        self._connection.execute(delete(upper_selection).where(upper_selection.c.upper == upper))
        rows = [{"upper": upper, "kind": line.kind.value, "value": line.value} for line in lines]
        if rows:
            self._connection.execute(insert(upper_selection), rows)

    def chosen(self, upper: Upper, lines: Sequence[Selected], *, only: str = "") -> list[ChannelRecord]:
        """Return the cameras these lines choose: in service, in its jurisdiction, not from it."""
        clauses: list[ColumnElement[bool]] = []
        nodes = [line.value for line in lines if line.kind is SelectionKind.NODE]
        codes = self._connection.execute(select(jurisdictions.c.code).where(jurisdictions.c.id.in_(nodes))).scalars()
        clauses += [below(channels.c.jurisdiction_code, code) for code in codes]
        classes = [line.value for line in lines if line.kind is SelectionKind.PLACE_CLASS]
        if classes:
            clauses.append(channels.c.place_id.in_(select(places.c.id).where(places.c["class"].in_(classes))))
        for chunk in chunks(line.value for line in lines if line.kind is SelectionKind.CAMERA):
            clauses.append(channels.c.id.in_(chunk))
        if not clauses:
            return []
        narrowed = [channels.c.id == only] if only else []
        rows = self._connection.execute(
            _COLUMNS.where(
                or_(*clauses),
                *narrowed,
                channels.c.stage == "in_service",
                below(channels.c.jurisdiction_code, upper.jurisdiction_code),
                devices.c.gb_id != upper.upper_id,
            ).order_by(channels.c.jurisdiction_code, channels.c.device_id, channels.c.gb_id)
        )
        return [_channel(row) for row in rows]

    def devices(self, device_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return by what protocol devices are spoken to, and what people entered that they are carried by."""
        found: dict[str, tuple[str, str]] = {}
        for chunk in chunks(set(device_ids)):
            columns = (devices.c.id, devices.c.protocol, devices.c.settings)
            for row in self._connection.execute(select(*columns).where(devices.c.id.in_(chunk))):
                found[row.id] = (row.protocol, str(msgspec.json.decode(row.settings).get("carrier", "")))
        return found

    # --- ids ---

    def exports(self, upper: str) -> list[Export]:
        """Return every id this upper platform knows or knew."""
        rows = self._connection.execute(select(upper_exports).where(upper_exports.c.upper == upper))
        return [
            Export(
                row.upper, row.exported_id, row.subject_kind, row.subject_id, from_us(row.since_us), row.name,
                row.civil_code, row.parent_id, optional_from_us(row.left_at_us),
            )
            for row in rows
        ]  # fmt: skip

    def save_exports(self, rows: Iterable[Export]) -> None:
        """Write ids; a row of the same id is replaced."""
        table = upper_exports
        values = [
            {
                "upper": row.upper,
                "exported_id": row.exported_id,
                "subject_kind": row.subject_kind,
                "subject_id": row.subject_id,
                "name": row.name,
                "civil_code": row.civil_code,
                "parent_id": row.parent_id,
                "since_us": to_us(row.since),
                "left_at_us": optional_us(row.left_at),
            }
            for row in rows
        ]
        if not values:
            return
        is_its = (table.c.upper == bindparam("b_upper"), table.c.exported_id == bindparam("b_id"))
        former = [{"b_upper": value["upper"], "b_id": value["exported_id"]} for value in values]
        self._connection.execute(delete(table).where(*is_its), former)
        self._connection.execute(insert(table), values)

    # --- what it opened ---

    def add_view(self, view_id: str, upper: str, channel_id: str, kind: str, identity: str) -> None:
        """Note which picture a view of an upper platform shows, and who asked there."""
        self._connection.execute(
            insert(upper_views).values(
                view_id=view_id, upper=upper, channel_id=channel_id, kind=kind, user_identity=identity
            )
        )

    def history(
        self, upper: str, *, before: str = "", limit: int = 50, live_only: bool = False
    ) -> list[dict[str, Any]]:
        """Return what an upper platform opened, newest first, as the API shows it."""
        query = (
            select(upper_views, views, channels.c.name.label("channel_name"))
            .select_from(
                upper_views.join(views, views.c.id == upper_views.c.view_id).join(
                    channels, channels.c.id == upper_views.c.channel_id
                )
            )
            .where(upper_views.c.upper == upper)
        )
        if before:
            query = query.where(upper_views.c.view_id < before)
        if live_only:
            query = query.where(views.c.ended_at_us.is_(None))
        rows = self._connection.execute(query.order_by(upper_views.c.view_id.desc()).limit(limit))
        return [
            {
                "id": row.view_id,
                "camera_id": row.channel_id,
                "camera_name": row.channel_name,
                "kind": row.kind,
                "purpose": row.purpose,
                "user_identity": row.user_identity,
                "opened_at": iso_us(row.opened_at_us),
                "expires_at": iso_us(row.expires_at_us),
                "ended_at": None if row.ended_at_us is None else iso_us(row.ended_at_us),
                "end_reason": row.end_reason,
                "recordings_from": None if row.recordings_from_us is None else iso_us(row.recordings_from_us),
                "recordings_to": None if row.recordings_to_us is None else iso_us(row.recordings_to_us),
            }
            for row in rows
        ]


def _values(upper: Upper) -> dict[str, Any]:
    return {
        **{name: getattr(upper, name) for name in _PLAIN},
        "rights": msgspec.json.encode(upper.rights).decode(),
        "ends_at_us": to_us(upper.ends_at),
        "stopped_at_us": optional_us(upper.stopped_at),
        "retired_at_us": optional_us(upper.retired_at),
    }


def _upper(row: Any) -> Upper:
    return Upper(
        id=row.id,
        **{name: getattr(row, name) for name in _PLAIN},
        rights=tuple(msgspec.json.decode(row.rights)),
        ends_at=from_us(row.ends_at_us),
        stopped_at=optional_from_us(row.stopped_at_us),
        retired_at=optional_from_us(row.retired_at_us),
        has_secret=row.secret is not None,
        version=row.version,
    )
