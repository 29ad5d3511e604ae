"""Objects as the API and the feed show them: plain mappings ready for JSON. Texts come in both languages."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.base.times import iso
from tocsin.domain.alarms import Alarm
from tocsin.domain.assignments import Assignment
from tocsin.domain.incident_detail import HistoryEntry, IncidentDetail, Note
from tocsin.domain.incidents import Incident, Stamp
from tocsin.domain.plans import Plan, StepStanding
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
        "point": None if incident.point is None else incident.point.form(),
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
        "channel_id": alarm.channel_id,
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
        "committed_at": optional_iso(stored.committed_at),
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


def step_form(standing: StepStanding) -> dict[str, object]:
    """Return a step as it stands."""
    step = standing.step
    return {
        "n": step.n,
        "title": step.title_zh,
        "title_en": step.title_en,
        "title_zh": step.title_zh,
        "kind": step.kind.value,
        "mandatory": step.mandatory,
        "applies": step.applies.value,
        "state": standing.state.value,
        "due_at": optional_iso(standing.due_at),
        "overdue": standing.is_overdue,
        "done_at": optional_iso(step.done_at),
        "done_by": step.done_by or None,
        "note": step.note,
    }


def assignment_form(assignment: Assignment) -> dict[str, object]:
    """Return a sent unit with the time of each state."""
    return {
        "id": assignment.id,
        "unit_id": assignment.unit_id,
        "unit_name": assignment.unit_name,
        "state": assignment.state.value,
        "sent_at": iso(assignment.sent_at),
        "delivered_at": optional_iso(assignment.delivered_at),
        "accepted_at": optional_iso(assignment.accepted_at),
        "en_route_at": optional_iso(assignment.en_route_at),
        "on_scene_at": optional_iso(assignment.on_scene_at),
        "ended_at": optional_iso(assignment.ended_at),
        "source": assignment.source,
    }


def note_form(note: Note) -> dict[str, object]:
    """Return a note."""
    return {
        "id": note.id,
        "at": iso(note.at),
        "user_id": note.user_id,
        "user_name": note.user_name,
        "kind": note.kind.value,
        "text": note.text,
    }


def stamp_form(stamp: Stamp) -> dict[str, object]:
    """Return one row of the timestamps."""
    return {
        "stamp": stamp.stamp,
        "at": iso(stamp.at),
        "source": stamp.source,
        "who": stamp.who,
        "reason": stamp.reason,
        "withdrawn": stamp.is_withdrawn,
    }


def history_form(entry: HistoryEntry) -> dict[str, object]:
    """Return one line of an incident's history."""
    return {
        "seq": entry.seq,
        "at": iso(entry.at),
        "actor": {"kind": entry.actor_kind, "id": entry.actor_id, "name": entry.actor_name},
        "action": entry.action,
        "outcome": entry.outcome,
        "detail": msgspec.json.decode(entry.detail),
    }


def detail_form(detail: IncidentDetail) -> dict[str, object]:
    """Return the full form of an incident; `channels` holds camera ids, which the web replaces by camera objects."""
    return {
        **incident_form(detail.incident),
        "alarms": [alarm_form(alarm) for alarm in detail.alarms],
        "accounts": [
            {"device_id": a.device_id, "name": a.name, "name_en": a.name_en, "account": a.account}
            for a in detail.accounts
        ],
        "channels": list(detail.channel_ids),
        "steps": [step_form(standing) for standing in detail.steps],
        "assignments": [assignment_form(assignment) for assignment in detail.assignments],
        "notes": [note_form(note) for note in detail.notes],
        "stamp_rows": [stamp_form(stamp) for stamp in detail.stamp_rows],
        "history": [history_form(entry) for entry in detail.history],
        "near": None if detail.near is None else detail.near.form(),
        "closing": {
            "ready": detail.incident.is_open and not detail.blocked_by,
            "blocked_by": [
                {"key": b.key, "n": b.step, "words": b.zh, "words_en": b.en, "words_zh": b.zh}
                for b in detail.blocked_by
            ],
        },
    }


def plan_form(plan: Plan) -> dict[str, object]:
    """Return a plan."""
    return {
        "id": plan.id,
        "name": plan.name,
        "name_en": plan.name_en,
        "kind": plan.kind,
        "place_class": plan.place_class,
        "jurisdiction_code": plan.jurisdiction_code,
        "version_no": plan.version_no,
        "active": plan.active,
        "steps": [
            {
                "n": n,
                "title": step.title_zh,
                "title_en": step.title_en,
                "title_zh": step.title_zh,
                "kind": step.kind.value,
                "mandatory": step.mandatory,
                "applies": step.applies.value,
                "due_s": step.due_s,
                "due_from": step.due_from.value,
            }
            for n, step in enumerate(plan.steps, start=1)
        ],
        "dispositions": list(plan.dispositions),
        "false_causes": list(plan.false_causes),
        "version": plan.version,
    }
