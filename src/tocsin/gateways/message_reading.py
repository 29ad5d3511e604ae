"""What every gateway of messages does with a body: read it in its source's form, and say what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.message_form import MessageForm
from tocsin.base.normal import NormalEvent
from tocsin.protocols.cap import alert
from tocsin.protocols.cap.meaning import to_events
from tocsin.protocols.messages import codes, event
from tocsin.protocols.messages.event import Wrong


@dataclass(frozen=True, slots=True)
class Reading:
    """A message as it is handed in; `wrong` when it could not be read, and `kept` then what may be kept of it."""

    events: tuple[NormalEvent, ...] = ()
    kept: bytes = b""
    identity: str = ""
    dropped: int = 0
    quarantine: str = ""
    wrong: Wrong | None = None


def try_message(body: bytes, form: MessageForm, now: datetime, topic: str = "") -> Reading:
    """Read a message in its source's form."""
    if form.kind == "cap":
        return read_warning(body, now)
    found = event.read(body, form, topic)
    if isinstance(found, Wrong):
        return Reading((codes.find("unreadable"),), event.unreadable(body, form), quarantine="unreadable", wrong=found)
    quarantine = "" if found.is_known else "unknown_code"
    return Reading(found.events, found.kept, found.identity, found.passages + found.ignored, quarantine)


def read_warning(body: bytes, now: datetime) -> Reading:
    """Read CAP messages: one document with one or more."""
    found = alert.read(body)
    if isinstance(found, alert.BadAlert):
        wrong = Wrong(found.field, "no_cap", found.reason)
        return Reading((codes.find("unreadable"),), body, quarantine="unreadable", wrong=wrong)
    events = tuple(one for message in found for one in to_events(message, now))
    identity = "|".join(f"{one.sender},{one.identifier},{one.sent.isoformat()}" for one in found)
    quarantine = "" if all(one.is_known for one in events) else "unknown_code"
    return Reading(events, body, identity[:4000], quarantine=quarantine)


def preview(body: bytes, form: MessageForm, topic: str, now: datetime) -> tuple[Sequence[NormalEvent], int]:
    """Return what a message would be, and how many of its events would be kept nowhere. Errors: INVALID."""
    reading = try_message(body, form, now, topic)
    if reading.wrong is not None:
        raise refusal_of(reading.wrong)
    return reading.events, reading.dropped


def refusal_of(wrong: Wrong, **params: Any) -> TocsinError:
    """Return the error that names the field of a message."""
    return TocsinError(
        ErrorCode.INVALID,
        f"{wrong.field}: {wrong.reason}",
        key=f"message.{wrong.reason}",
        field=wrong.field,
        at=wrong.at or wrong.field,
        reason=wrong.at,
        limit_bytes=event.MAX_BYTES,
        **params,
    )
