"""A message as JSON (or a bare word) -> events in the normal form, and what of it may be kept. Pure.

    {"code": "door_forced", "zone": "3", "text": "Gate", "priority": 2, "occurred_at": "2026-11-27T08:30:00+08:00"}

or a list of such, or `{"events": [...]}`. A maker's own form is read by a `MessageForm`: `paths` name where a part
stands (`data.door.no`, `items.0.type`, `topic.1` for a level of an MQTT topic, `.` for the whole, `=panic` for a
constant), `codes` what its words mean. What says who somebody is, is taken out before anything is kept.

Source: alarm reference, MQTT and HTTP webhooks (mapping = path and value map for each device); docs/not-built.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tocsin.base.message_form import MessageForm, is_about_somebody
from tocsin.base.normal import Category, NormalEvent
from tocsin.protocols.messages import codes

MAX_BYTES: Final = 65_536
MAX_EVENTS: Final = 100
MAX_DEPTH: Final = 16
MAX_WORD_CHARS: Final = 256
MAX_TEXT_CHARS: Final = 500
MAX_ZONE_CHARS: Final = 64
_REDUCED: Final = "tocsin_kept"
_OVER: Final = frozenset(
    {
        "restore",
        "restored",
        "clear",
        "cleared",
        "closed",
        "normal",
        "ok",
        "off",
        "false",
        "0",
        "inactive",
        "end",
        "ended",
    }
)
_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_decode: Final = msgspec.json.Decoder().decode
_DEFAULT: Final = MessageForm()


@dataclass(frozen=True, slots=True)
class Message:
    """What a message says. `kept` is what may be stored of it, empty when nothing may; `identity` its own id."""

    events: tuple[NormalEvent, ...]
    kept: bytes
    identity: str = ""
    passages: int = 0
    ignored: int = 0
    has_dropped: bool = False

    @property
    def is_known(self) -> bool:
        """True when every code has a meaning."""
        return all(event.is_known for event in self.events)


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a message cannot be read: the field, where it was looked for, and a word."""

    field: str
    reason: str
    at: str = ""


def read(body: bytes, form: MessageForm = _DEFAULT, topic: str = "") -> Message | Wrong:
    """Return the events of a message. A topic makes a bare word a message too, as sensors send them."""
    if len(body) > MAX_BYTES:
        return Wrong("body", "too_large")
    value = _value(body, topic)
    if isinstance(value, Wrong):
        return value
    is_reduced = isinstance(value, dict) and value.get(_REDUCED) == 1
    if is_reduced:
        form = MessageForm(form.kind, {}, form.codes)
    found = _events_of(value, form)
    if isinstance(found, Wrong):
        return found
    levels = topic.split("/")
    events: list[NormalEvent] = []
    rows: list[dict[str, Any]] = []
    passages = ignored = 0
    identities: list[str] = []
    for number, one in enumerate(found):
        item = _one(one, form, levels)
        if isinstance(item, Wrong):
            return replace(item, at=f"{item.at} ({number + 1})" if len(found) > 1 else item.at)
        event, row = item
        if event is None:
            ignored += 1
        elif codes.is_passage(event):
            passages += 1
        else:
            events.append(event)
            rows.append(row)
            identities.append(str(row.get("id", "")))
    has_dropped = _names_somebody(value)
    # A text may name somebody: of a door, and of what nobody has given a meaning beside such fields, none is kept.
    is_access = form.kind == "access" or any(
        event.category is Category.ACCESS or (has_dropped and not event.is_known) for event in events
    )
    if is_access:
        events = [replace(event, text="") for event in events]
        for row in rows:
            row.pop("text", None)
    kept = b""
    if events:
        kept = _encode({_REDUCED: 1, "events": rows}) if is_access or has_dropped or passages else body
    identity = "|".join(identities)[:400] if all(identities) else ""
    return Message(tuple(events), kept, identity, passages, ignored, has_dropped)


def unreadable(body: bytes, form: MessageForm = _DEFAULT) -> bytes:
    """Return what may be kept of a message that cannot be read: all of it when nothing in it can say who somebody is,
    else its size and hash.
    """
    value = _value(body, "")
    is_json = not isinstance(value, Wrong)
    if form.kind != "access" and len(body) <= MAX_BYTES and (not is_json or not _names_somebody(value)):
        return body
    return _encode({_REDUCED: 0, "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()})


def write(events: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a message of events in the normal form, as the simulator sends it."""
    return _encode(events[0] if len(events) == 1 else {"events": list(events)})


def _value(body: bytes, topic: str) -> Any:
    try:
        value = _decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        word = _word(body) if topic else ""
        return word or Wrong("body", "not_json")
    return value if _depth(value) <= MAX_DEPTH else Wrong("body", "too_deep")


def _word(body: bytes) -> str:
    if len(body) > MAX_WORD_CHARS:
        return ""
    try:
        text = body.decode().strip()
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""


def _depth(value: Any) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        deepest = max(deepest, depth)
        if depth > MAX_DEPTH:
            break
        if isinstance(part, dict):
            waiting.extend((child, depth + 1) for child in part.values())
        elif isinstance(part, list):
            waiting.extend((child, depth + 1) for child in part)
    return deepest


def _events_of(value: Any, form: MessageForm) -> list[Any] | Wrong:
    many: Any = value if isinstance(value, list) and "events" not in form.paths else None
    if many is None and (isinstance(value, dict) or "events" in form.paths):
        many = _at(value, form.path("events"), ())
        if many is None and "events" not in form.paths:
            return [value]
    if many is None and "events" not in form.paths:
        return [value]
    if not isinstance(many, list) or not many:
        return Wrong("events", "no_list", form.path("events"))
    return many if len(many) <= MAX_EVENTS else Wrong("events", "too_many", form.path("events"))


def _one(value: Any, form: MessageForm, levels: Sequence[str]) -> tuple[NormalEvent | None, dict[str, Any]] | Wrong:
    """Return an event (None: to be ignored) and what is kept of it in the normal form."""
    row: dict[str, Any] = {}
    for part, limit in (("code", 64), ("state", 32), ("zone", MAX_ZONE_CHARS), ("area", 32), ("id", 200)):
        found = _at(value, form.path(part), levels)
        if found is None or found == "":
            continue
        text = _text(found)
        if text is None or len(text) > limit:
            return Wrong(part, "form", form.path(part))
        row[part] = text
    raw = row.get("code")
    if raw is None:
        return Wrong("code", "missing", form.path("code"))
    word = form.codes.get(raw, form.codes.get(raw.lower(), raw))
    if word == codes.IGNORE:
        return None, row
    event = codes.find(word, is_over=row.get("state", "").lower() in _OVER)
    text = _text(_at(value, form.path("text"), levels))
    if text:
        row["text"] = text[:MAX_TEXT_CHARS]
    priority = _at(value, form.path("priority"), levels)
    if priority is not None:
        if isinstance(priority, bool) or not isinstance(priority, int) or not 1 <= priority <= 9:
            return Wrong("priority", "form", form.path("priority"))
        row["priority"] = priority
    moment = _at(value, form.path("occurred_at"), levels)
    at = None
    if moment is not None:
        at = _moment(moment)
        if at is None:
            return Wrong("occurred_at", "form", form.path("occurred_at"))
        row["occurred_at"] = at.isoformat()
    return _filled(event, row, at), row


def _filled(event: NormalEvent, row: Mapping[str, Any], at: datetime | None) -> NormalEvent:
    given = row.get("priority")
    priority = event.priority
    if given is not None and event.is_known and event.priority != codes.LOG_PRIORITY:
        priority = min(given, priority) if event.category in codes.GRAVE else given  # life and limb is never made less
    return replace(
        event,
        priority=priority,
        zone=row.get("zone", ""),
        area=row.get("area", ""),
        text=row.get("text", ""),
        occurred_at=at,
    )


def _at(value: Any, path: str, levels: Sequence[str]) -> Any:
    if path.startswith("="):
        return path[1:]
    if path == ".":
        return value
    names = path.split(".")
    if names[0] == "topic" and len(names) == 2 and names[1].isdigit():
        place = int(names[1])
        return levels[place] if place < len(levels) else None
    for name in names[:MAX_DEPTH]:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdigit() and int(name[:4]) < len(value):
            value = value[int(name[:4])]
        else:
            return None
    return value


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        return None
    return "".join(c for c in value if c.isprintable()).strip()


def _moment(value: Any) -> datetime | None:
    """Read RFC 3339 with an offset, or seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value.strip())
            return None if found.tzinfo is None else found.astimezone(UTC)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _names_somebody(value: Any) -> bool:
    """Say whether a value has fields that say who somebody is."""
    if isinstance(value, dict):
        return any(is_about_somebody(name) or _names_somebody(part) for name, part in value.items())
    return isinstance(value, list) and any(_names_somebody(part) for part in value)
