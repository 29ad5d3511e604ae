/** Hours, tests and permits as the API shows them, and their words. */
import * as m from '$m';
import { language } from '$lib/i18n/language.svelte';

export interface Hours {
  open_from: string;
  open_by: string | null;
  close_from: string | null;
  close_by: string;
}
export interface DayException {
  id: string;
  from: string;
  to: string;
  hours: Hours[];
  reason: string;
}
export interface Schedule {
  id: string;
  device_id: string;
  area: string;
  name: string;
  weekly: Hours[][];
  is_closed_on_holidays: boolean;
  grace_min: number;
  /** User numbers of the panel that may open, `7` or `20-29`; none: all. */
  users: string[];
  exceptions: DayException[];
  version: number;
  state: 'open' | 'closed' | 'unknown';
  changed_at: string | null;
  late: '' | 'open.late' | 'close.late';
  late_since: string | null;
  due_at: string | null;
}
export interface Named {
  device_id: string;
  device_name: string;
  device_name_en: string;
  account: string;
}
export interface Permit {
  id: string;
  device_id: string;
  zones: string[];
  life_kinds: string[];
  second: string;
  owner: string;
  phone: string;
  reason: string;
  begun_at: string;
  until: string;
  given_name: string;
  ended_at: string | null;
  how_ended: '' | 'returned' | 'ended';
  left: string[];
  version: number;
}
export interface ZoneSeen {
  number: string;
  name: string;
  name_en: string;
  is_entered: boolean;
  first_at: string | null;
  last_at: string | null;
  times: number;
  was_restored: boolean;
  is_in_alarm: boolean;
}
export interface PermitDetail extends Permit {
  seen: ZoneSeen[];
  seen_count: number;
  zone_count: number;
}
export interface Tests {
  interval_s: number;
  last_at: string | null;
  due_at: string | null;
  is_late: boolean;
  misses: number;
  tests: { signal_id: string; at: string; how: 'manual' | 'periodic'; label_en: string; label_zh: string }[];
}
export interface Holiday {
  day: string;
  name: string;
  name_en: string;
}

export const LIFE: Readonly<Record<string, () => string>> = {
  fire: m.watch_life_fire,
  gas: m.watch_life_gas,
  medical: m.watch_life_medical,
  panic: m.watch_life_panic,
};
export const comma = () => (language.current === 'zh-CN' ? '、' : ', ');
/** 7 days from Monday, in words. */
export const weekday = (day: number) =>
  new Intl.DateTimeFormat(language.current === 'en' ? 'en-GB' : language.current, { weekday: 'short', timeZone: 'UTC' }).format(Date.UTC(2026, 5, 1 + day));
/** `08:00–09:00 to 22:00`: from when and by when it opens, from when and by when it closes. */
export function hoursText(one: Hours): string {
  const opens = one.open_by && one.open_by !== one.open_from ? `${one.open_from}–${one.open_by}` : one.open_from;
  const closes = one.close_from && one.close_from !== one.close_by ? `${one.close_from}–${one.close_by}` : one.close_by;
  return m.watch_hours_text({ opens, closes });
}
export const hoursOf = (hours: Hours[]) => (hours.length === 0 ? m.watch_closed() : hours.map(hoursText).join(comma()));
/** What `datetime-local` takes. */
export const local = (ms: number) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
export const zonesOf = (permit: Permit) =>
  permit.zones.length === 0 ? m.watch_whole_account() : m.watch_zones({ zones: permit.zones.join(comma()) });
export const deviceName = (one: Named) => language.pick(one.device_name_en || one.device_name, one.device_name);
