/** Retention as the interface tells it: policies, holds, deletions, proofs, storage; and its words. */
import * as m from '$m';
import { language } from '$lib/i18n/language.svelte';
import { count } from '$lib/i18n/time';
import type { Tone } from '$lib/ui/StateMark.svelte';

export interface Policy {
  id: string;
  name: string;
  jurisdiction_id: string | null;
  jurisdiction_code: string;
  place_class: string;
  min_days: number;
  max_days: number | null;
  hot_days: number | null;
  basis: string;
  version: number;
}
export interface Suggestion {
  key: string;
  name_en: string;
  name_zh: string;
  min_days: number;
  max_days: number | null;
  basis_en: string;
  basis_zh: string;
  place_class: string;
}
export interface KeptCamera {
  id: string;
  name: string;
  name_en: string;
  jurisdiction_code: string;
  place_class: string;
  floor_days: number | null;
  floor_policy: string;
  ceiling_days: number | null;
  ceiling_policy: string;
}
export interface Hold {
  id: string;
  cameras: string[];
  from: string;
  to: string;
  reason: string;
  request_id: string;
  ends_at: string;
  state: 'active' | 'ended';
  released_at: string | null;
  release_reason: string;
  bytes: number;
  version: number;
}
export interface Tombstone {
  no: number;
  at: string;
  channel_id: string;
  stream: string;
  from: string;
  to: string;
  segments: number;
  bytes: number;
  reason: string;
  basis: string;
  key_id: string;
  signature: string;
}
export interface DayProof {
  day: string;
  state: string;
  expected_s: number;
  stored_s: number;
  missed_s: Record<string, number>;
  gaps: { from: string; to: string; reason: string }[];
  tombstones: number[];
}
export interface Proof {
  id: string;
  name: string;
  name_en: string;
  stream: string;
  state: string;
  floor_days: number | null;
  since: string | null;
  expected_s: number;
  stored_s: number;
  missed_s: Record<string, number>;
  days_by_state: Record<string, number>;
  days?: DayProof[];
}
export interface Forecast {
  volumes: {
    no: number;
    location: string;
    tier: string;
    total_bytes: number;
    used_bytes: number;
    held_bytes: number;
    bytes_per_day: number;
    least_days: number | null;
    full_in_days: number | null;
    meets_floors: boolean;
  }[];
  cameras: {
    id: string;
    name: string;
    name_en: string;
    stream: string;
    kbps: number;
    bytes_per_day: number;
    stored_bytes: number;
    floor_days: number;
    ceiling_days: number | null;
    days: number | null;
    meets_floor: boolean;
  }[];
  total_bytes: number;
  used_bytes: number;
  held_bytes: number;
  bytes_per_day: number;
  held_days: number;
  least_days: number | null;
  full_in_days: number | null;
  meets_floors: boolean;
  lacking_bytes: number;
  needed_bytes: number | null;
}

const REASON: Readonly<Record<string, () => string>> = {
  source_lost: m.retention_reason_source_lost,
  device_offline: m.retention_reason_device_offline,
  disk_full: m.retention_reason_disk_full,
  disk_slow: m.retention_reason_disk_slow,
  disk_gone: m.retention_reason_disk_gone,
  overload: m.retention_reason_overload,
  planned: m.retention_reason_planned,
  not_asked: m.retention_reason_not_asked,
  restart: m.retention_reason_restart,
  damaged: m.retention_reason_damaged,
  no_key: m.retention_reason_no_key,
  deleted: m.retention_reason_deleted,
  unknown: m.retention_reason_unknown,
  ceiling: m.retention_reason_ceiling,
  space: m.retention_reason_space,
};
export const reasonOf = (key: string) => (REASON[key] ?? (() => key))();

const STATE: Readonly<Record<string, readonly [Tone, () => string]>> = {
  whole: ['ok', m.retention_state_whole],
  gaps: ['soon', m.retention_state_gaps],
  nothing: ['act', m.retention_state_nothing],
  deleted: ['off', m.retention_state_deleted],
  too_young: ['info', m.retention_state_too_young],
  young: ['info', m.retention_state_too_young],
  not_planned: ['off', m.retention_state_not_planned],
  none: ['off', m.retention_state_none],
};
export const stateOf = (key: string): readonly [Tone, string] => {
  const [tone, words] = STATE[key] ?? ['off', () => key];
  return [tone, words()];
};

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;
/** `1.2 TB`, in powers of a thousand as disks are sold. */
export function bytes(n: number): string {
  let at = 0;
  while (n >= 1000 && at < UNITS.length - 1) {
    n /= 1000;
    at += 1;
  }
  const digits = n >= 100 || at === 0 ? 0 : 1;
  return `${new Intl.NumberFormat(language.current, { maximumFractionDigits: digits }).format(n)} ${UNITS[at]}`;
}

const MANY_DAYS = 3650;
/** `37.5 days`; what is practically for ever says so. */
export function days(n: number | null): string {
  if (n === null) return '–';
  if (n >= MANY_DAYS) return m.retention_years_many();
  return m.retention_days({ n: new Intl.NumberFormat(language.current, { maximumFractionDigits: n < 10 ? 1 : 0 }).format(n) });
}

export function range(min: number, max: number | null): string {
  if (max === null) return m.retention_at_least({ n: count(min, language.current) });
  if (min === 0) return m.retention_at_most({ n: count(max, language.current) });
  return m.retention_between({ min: count(min, language.current), max: count(max, language.current) });
}

/** Reasons with their minutes, the longest first. */
export function missed(found: Record<string, number>): string {
  return Object.entries(found)
    .sort(([, a], [, b]) => b - a)
    .map(([reason, seconds]) => `${reasonOf(reason)} ${span(seconds)}`)
    .join(language.current === 'zh-CN' ? '、' : ', ');
}

export function span(seconds: number): string {
  if (seconds < 60) return m.retention_seconds({ n: seconds });
  if (seconds < 7200) return m.retention_minutes({ n: Math.round(seconds / 60) });
  return m.retention_hours({ n: count(Math.round(seconds / 3600), language.current) });
}
