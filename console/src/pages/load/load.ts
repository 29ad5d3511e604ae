/** Alarm load as the interface tells it. */
import { language } from '$lib/i18n/language.svelte';

export interface Group {
  jurisdiction_id: string;
  jurisdiction_code: string;
  kind: string;
  priority: number;
  count: number;
  alarms: number;
  first_at: string;
  last_at: string;
  title_en: string;
  title_zh: string;
  incident_ids: string[];
  may_close: boolean;
}
export interface Now {
  at: string;
  seats: number;
  last_10_min: number;
  flood_since: string | null;
  flood_alarms: number;
  groups: Group[];
}
export interface Rate {
  alarms: number;
  mean_10_min: number;
  most_10_min: number;
  over_share: number;
}
export interface Measures {
  from: string;
  to: string;
  seats: number;
  rate: Rate;
  by_seat: (Rate & { seat: string })[];
  floods: { from: string; to: string | null; alarms: number }[];
  flood_share: number;
  hours_over_share: number;
  mix: { name: string; share: number; target: number }[];
  top: { device_id: string; device_name: string; device_name_en: string; zone: string; alarms: number; chatters: number }[];
  top_share: number;
  chattering: number;
  stale: number;
}
/** `3.5 %`, `81 %`; `81%`. */
export const share = (value: number) =>
  `${new Intl.NumberFormat(language.current, { maximumFractionDigits: value < 0.1 ? 1 : 0 }).format(value * 100)}${language.current === 'zh-CN' ? '%' : ' %'}`;
export const number = (value: number) => new Intl.NumberFormat(language.current, { maximumFractionDigits: 1 }).format(value);
/** The local day of a time, as the filters of the incidents take it. */
export function dayOf(at: string): string {
  const ms = Date.parse(at);
  return new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}
