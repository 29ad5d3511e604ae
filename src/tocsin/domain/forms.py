"""Objects as the API and the feed show them: plain mappings ready for JSON. Texts come in both languages."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime

from tocsin.base.times import iso
from tocsin.domain.alarms import Alarm
from tocsin.domain.incidents import Incident
from tocsin.domain.signals import StoredSignal
from tocsin.domain.units import Unit


def optional_iso(moment: datetime | None) -> str | None:
    """Return RFC 3339 text, or None for None."""
    return None if moment is None else iso(moment)


def incident_form(incident: Incident) -> dict[str, object]:
    """Return the list form of an incident."""
    place, plan = incident.place, incident.plan
    return {
        "id": incident.id,
        "number": incident.number,
        "jurisdiction_id": incident.jurisdiction_id,
        "place": None
        if place is None
        else {
            "id": place.id,
            "name": place.name,
            "name_en": place.name_en,
            "address": place.address,
            "lon": place.lon,
            "lat": place.lat,
        },
        "title": incident.title_zh,
        "title_en": incident.title_en,
        "title_zh": incident.title_zh,
        "kind": incident.kind,
        "priority": incident.priority,
        "state": incident.state.value,
        "owner": None if incident.owner_id is None else {"user_id": incident.owner_id, "name": incident.owner_name},
        "lease_expires_at": optional_iso(incident.lease_until),
        "verdict": incident.verdict.value,
        "cause": incident.cause,
        "disposition": incident.disposition,
        "opened_at": iso(incident.opened_at),
        "last_alarm_at": iso(incident.last_alarm_at),
        "alarm_count": incident.alarm_count,
        "parked_until": optional_iso(incident.parked_until),
        "park_reason": incident.park_reason,
        "plan": None
        if plan is None
        else {"id": plan.id, "name": plan.name, "name_en": plan.name_en, "version_no": plan.version_no},
        "next_deadline_at": optional_iso(incident.next_deadline_at),
        "stamps": incident.stamps,
        "undo_until": None if incident.undo is None else iso(incident.undo.until),
        "version": incident.version,
    }


def alarm_form(alarm: Alarm) -> dict[str, object]:
    """Return an alarm."""
    stamps = {
        "t1": {"at": iso(alarm.received_at), "source": "server", "who": ""},
        "t2": {"at": iso(alarm.committed_at), "source": "server", "who": ""},
    }
    if alarm.occurred_at is not None:
        stamps["t0"] = {"at": iso(alarm.occurred_at), "source": "device", "who": ""}
    if alarm.presented_at is not None:
        stamps["t4"] = {"at": iso(alarm.presented_at), "source": "operator_console", "who": ""}
    return {
        "id": alarm.id,
        "number": alarm.number,
        "signal_id": alarm.signal_id,
        "device_id": alarm.device_id,
        "zone_id": alarm.zone_id,
        "place_id": alarm.place_id,
        "jurisdiction_id": alarm.jurisdiction_id,
        "incident_id": alarm.incident_id,
        "kind": alarm.kind,
        "code_system": alarm.code_system,
        "code": alarm.code,
        "priority": alarm.priority,
        "label": alarm.label_zh,
        "label_en": alarm.label_en,
        "label_zh": alarm.label_zh,
        "area": alarm.area,
        "zone": alarm.zone,
        "text": alarm.text,
        "state": alarm.state.value,
        "restored_at": optional_iso(alarm.restored_at),
        "stamps": stamps,
    }


def signal_form(stored: StoredSignal, alarm_ids: Sequence[str]) -> dict[str, object]:
    """Return a signal with its raw bytes in base64."""
    signal = stored.signal
    return {
        "id": stored.id,
        "protocol": signal.protocol,
        "transport": signal.transport,
        "peer": signal.peer,
        "account": signal.account,
        "device_id": signal.device_id,
        "token": signal.token,
        "received_at": iso(signal.received_at),
        "sent_at": optional_iso(signal.sent_at),
        "raw": b64encode(signal.raw).decode(),
        "encrypted": signal.encrypted,
        "copies": stored.copies,
        "quarantine": signal.quarantine,
        "flags": list(signal.flags),
        "events": [
            {
                "code_system": event.code_system,
                "code": event.code,
                "kind": event.kind.value,
                "category": event.category.value,
                "priority": event.priority,
                "area": event.area,
                "zone": event.zone,
                "user": event.user,
                "text": event.text,
                "label": event.label_zh,
                "label_en": event.label_en,
                "label_zh": event.label_zh,
                "occurred_at": optional_iso(event.occurred_at),
            }
            for event in signal.events
        ],
        "alarm_ids": list(alarm_ids),
        "state": stored.state.value,
    }


def unit_form(unit: Unit) -> dict[str, object]:
    """Return a unit."""
    return {
        "id": unit.id,
        "name": unit.name,
        "name_en": unit.name_en,
        "call_sign": unit.call_sign,
        "kind": unit.kind,
        "crew": unit.crew,
        "jurisdiction_id": unit.jurisdiction_id,
        "state": unit.state.value,
        "state_reason": unit.state_reason,
        "state_since": optional_iso(unit.state_since),
        "lon": unit.lon,
        "lat": unit.lat,
        "fix_at": optional_iso(unit.fix_at),
        "incident_id": unit.incident_id,
        "version": unit.version,
    }
