/** Words of the control room that depend on values. */
import * as m from '$m';
import type { Alarm, AssignmentState, Incident, IncidentState, Unit } from '$lib/api/types';
import { language } from '$lib/i18n/language.svelte';
import { clockTime, toMs } from '$lib/i18n/time';

export const STATE: Record<IncidentState, () => string> = {
  new: m.room_state_new,
  pending: m.room_state_pending,
  parked: m.room_state_parked,
  dispatched: m.room_state_dispatched,
  acknowledged: m.room_state_acknowledged,
  en_route: m.room_state_en_route,
  on_scene: m.room_state_on_scene,
  working: m.room_state_working,
  cleared: m.room_state_cleared,
  closed: m.room_state_closed,
  cancelled: m.room_state_cancelled,
  merged: m.room_state_merged,
};

export const ASSIGNMENT: Record<AssignmentState, () => string> = {
  sent: m.room_sent,
  delivered: m.room_delivered,
  accepted: m.room_accepted,
  en_route: m.room_en_route,
  on_scene: m.room_on_scene,
  cleared: m.room_cleared,
  recalled: m.room_recalled,
};

export const UNIT_KIND: Record<Unit['kind'], () => string> = {
  car: m.room_unit_car,
  foot: m.room_unit_foot,
  motorcycle: m.room_unit_motorcycle,
};

export function titleOf(incident: Incident): string {
  return language.pick(incident.title_en, incident.title_zh) || incident.title;
}

/** The title as a headline: with the place, unless it names it already. */
export function headlineOf(incident: Incident): string {
  const title = titleOf(incident);
  const place = language.name(incident.place);
  return place && !title.includes(place) ? `${title} · ${place}` : title;
}

/** The title without the place, for a row that shows the place beside it. */
export function shortTitleOf(incident: Incident): string {
  const title = titleOf(incident);
  const place = language.name(incident.place);
  const rest = place ? title.replace(place, '').replace(/^[\s,·：，]+|[\s,·：，]+$/g, '') : title;
  return rest || title;
}

export function unitName(unit: Unit): string {
  const name = language.pick(unit.name_en, unit.name);
  return name && name !== unit.call_sign ? name : UNIT_KIND[unit.kind]();
}

export function labelOf(alarm: Alarm): string {
  return language.pick(alarm.label_en, alarm.label_zh) || alarm.label || alarm.code;
}

const alarmAt = (alarm: Alarm): string => alarm.stamps.t0?.at ?? alarm.stamps.t1?.at ?? '';

/** The alarms of an incident, first one first. */
export function inTime(alarms: readonly Alarm[]): Alarm[] {
  return [...alarms].sort((a, b) => alarmAt(a).localeCompare(alarmAt(b)));
}

/** A piece of a sentence; the strong ones are what a tired eye looks for. */
export interface Piece {
  text: string;
  isStrong: boolean;
}

const OPEN = '\u0001';
const SHUT = '\u0002';
const strong = (text: string): string => OPEN + text + SHUT;

function pieces(text: string): Piece[] {
  return text
    .split(new RegExp(`(${OPEN}[^${SHUT}]*${SHUT})`))
    .filter(Boolean)
    .map((part) =>
      part.startsWith(OPEN) ? { text: part.slice(1, -1), isStrong: true } : { text: part, isStrong: false },
    );
}

function later(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 1) return m.room_at_once();
  if (seconds < 90) return m.room_seconds_later({ n: seconds });
  return m.room_minutes_later({ n: Math.round(seconds / 60) });
}

/** A label inside an English sentence; one that begins with an abbreviation keeps it. */
function inside(label: string): string {
  return language.current === 'en' && /^[A-Z][a-z]/.test(label) ? label.charAt(0).toLowerCase() + label.slice(1) : label;
}

const SPOKEN = 3;

/** What happened, in one or two plain sentences, from the first three alarms. */
export function leadOf(alarms: readonly Alarm[]): Piece[] {
  const ordered = inTime(alarms);
  let before = 0;
  const parts = ordered.slice(0, SPOKEN).map((alarm, index) => {
    const ms = toMs(alarmAt(alarm)) ?? 0;
    const label = labelOf(alarm);
    const zone = alarm.zone ? strong(m.room_zone({ zone: alarm.zone })) : '';
    const at = clockTime(ms, language.current);
    const gap = later(ms - before);
    before = ms;
    if (index === 0) return zone ? m.room_lead_zone({ label, zone, at }) : m.room_lead({ label, at });
    return zone ? m.room_lead_next_zone({ label: inside(label), zone, gap }) : m.room_lead_next({ label: inside(label), gap });
  });
  if (parts.length === 0) return [];
  const rest = ordered.length - SPOKEN;
  const kinds = new Set(ordered.map((alarm) => `${alarm.device_id ?? ''} ${alarm.zone ?? ''}`));
  let text = parts.join(m.room_lead_join()) + m.room_lead_end();
  if (rest > 0) text += m.room_lead_rest({ n: rest });
  if (ordered.length > 1 && kinds.size > 1) text += m.room_lead_points({ n: strong(String(kinds.size)) });
  if (ordered.every((alarm) => alarm.state !== 'open')) text += m.room_lead_restored();
  return pieces(text);
}
