/** What the server says of a JT/T 808 terminal, and the units one may belong to. */
import { language } from '$lib/i18n/language.svelte';

export interface UnitChoice {
  id: string;
  call_sign: string;
  name: string;
  name_en: string;
}
export const unitName = (unit: UnitChoice): string => `${unit.call_sign} ${language.name(unit)}`;

export interface TerminalState {
  connected: boolean;
  registered: boolean;
  terminal_id: string;
  edition: string;
  maker: string;
  model: string;
  registered_at: string | null;
  unit_id: string;
  pressed_at: string | null;
  confirmed_at: string | null;
}

export const INTERVALS = ['heartbeat_s', 'default_interval_s', 'emergency_interval_s', 'sleep_interval_s'] as const;
export type Intervals = Record<(typeof INTERVALS)[number], number | null>;

export interface Position {
  at: string;
  lon: number;
  lat: number;
  speed_kmh: number;
  heading_deg: number;
}

/** A moment as a field of date and time holds it: local, to the minute. */
export const localInput = (ms: number): string => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
