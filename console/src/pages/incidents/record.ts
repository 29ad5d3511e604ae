/** What the full form of an incident tells about who looked, who was refused, and who is who. Pure. */
import type { Alarm, Assignment, AuditRecord, HistoryEntry, IncidentFull } from '$lib/api/types';
import type { StampRow } from './times';

/** The full form as this page reads it: every stamp ever set, and where a unit's word came from. */
export interface WholeIncident extends IncidentFull {
  stamp_rows: StampRow[];
  assignments: (Assignment & { source?: string })[];
  alarms: (Alarm & { code_system?: string })[];
}

export interface Looking {
  key: string;
  who: string;
  purpose: string;
  channels: string[];
  from: string;
  /** Null while it still runs, or when the end is not in the record read. */
  to: string | null;
  why: string;
}

export interface Refusal {
  key: string;
  at: string;
  who: string;
  action: string;
  rule: string;
  purpose: string;
  channels: string[];
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []);

/** The names behind user ids, as far as the record says them. */
export function namesOf(incident: WholeIncident): Map<string, string> {
  const names = new Map<string, string>();
  for (const entry of incident.history) if (entry.actor?.name) names.set(entry.actor.id, entry.actor.name);
  for (const note of incident.notes) if (note.user_id && note.user_name) names.set(note.user_id, note.user_name);
  if (incident.owner) names.set(incident.owner.user_id, incident.owner.name);
  return names;
}

/** Each view that was given, with its end: the first one after it of the same person and the same cameras. */
export function lookingsOf(history: readonly HistoryEntry[]): Looking[] {
  const inTime = [...history].sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0));
  const ends = inTime.filter((entry) => entry.action === 'view.ended' && entry.outcome === 'done');
  const taken = new Set<HistoryEntry>();
  const same = (a: unknown, b: unknown) => texts(a).sort().join() === texts(b).sort().join();
  return inTime
    .filter((entry) => entry.action === 'view.opened' && entry.outcome === 'done')
    .map((entry, n) => {
      const who = entry.actor?.id ?? '';
      const end = ends.find(
        (one) =>
          !taken.has(one) &&
          (one.seq ?? 0) > (entry.seq ?? 0) &&
          one.detail?.user_id === who &&
          same(one.detail?.channels, entry.detail?.channels),
      );
      if (end) taken.add(end);
      return {
        key: `v${entry.seq ?? n}`,
        who,
        purpose: text(entry.detail?.purpose),
        channels: texts(entry.detail?.channels),
        from: entry.at,
        to: end?.at ?? null,
        why: text(end?.detail?.reason),
      };
    });
}

/** Refused acts on the incident, and refused views that named it. */
export function refusalsOf(history: readonly HistoryEntry[], views: readonly AuditRecord[], incidentId: string): Refusal[] {
  const found = new Map<string, Refusal>();
  const add = (seq: number, at: string, who: string, action: string, detail: Record<string, unknown>) =>
    found.set(String(seq), {
      key: String(seq),
      at,
      who,
      action,
      rule: text(detail.rule),
      purpose: text(detail.purpose),
      channels: texts(detail.channels),
    });
  for (const entry of history) {
    if (entry.outcome === 'refused') add(entry.seq ?? 0, entry.at, entry.actor?.name ?? '', entry.action ?? '', entry.detail ?? {});
  }
  for (const record of views) {
    if (record.outcome === 'refused' && record.detail.incident_id === incidentId) {
      add(record.seq, record.at, record.actor.name, record.action, record.detail);
    }
  }
  return [...found.values()].sort((a, b) => a.at.localeCompare(b.at));
}

/** Base64 as text when all of it can be read, else as hex, a space after each byte. */
export function readable(base64: string): string {
  const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  const isText = bytes.every((one) => one === 9 || one === 10 || one === 13 || (one >= 32 && one < 127) || one >= 128);
  if (isText) {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes).trim();
    } catch {
      // Not UTF-8: shown as it is.
    }
  }
  return [...bytes].map((one) => one.toString(16).padStart(2, '0')).join(' ');
}
