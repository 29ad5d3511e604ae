/** The way of a signal as the API tells it, and its times in words. */
import type { LanguageTag } from '$lib/i18n/language.svelte';
import { clockTime, count, duration } from '$lib/i18n/time';

export interface Step {
  key: string;
  at: string | null;
  source: string;
  why: string;
  who: string;
  gap_ms: number | null;
  foreign: boolean;
  ahead_ms?: number;
  peer?: string;
  transport?: string;
  encrypted?: boolean;
  number?: string;
  priority?: number;
  label_en?: string;
  label_zh?: string;
  consoles?: number;
  seat?: string;
  incident_id?: string;
  incident_number?: string;
}

export interface Arrival {
  id: string;
  received_at: string;
  answered_at: string | null;
  answer_ms: number | null;
  after_ms: number;
  transport: string;
  peer: string;
}

export interface Trace {
  signal_id: string;
  device_id: string | null;
  device_name: string;
  device_name_en: string;
  protocol: string;
  account: string;
  quarantine_words: string;
  events: { code: string; zone: string; label_en: string; label_zh: string }[];
  outcome: string;
  steps: Step[];
  arrivals: Arrival[];
  acts: { id: string; words_en: string; words_zh: string; version_no: number; owner: string }[];
  whole: boolean;
}

export interface Delivery {
  signal_id: string;
  device_id: string;
  device_name: string;
  device_name_en: string;
  protocol: string;
  transport: string;
  peer: string;
  account: string;
  received_at: string;
  answer_ms: number | null;
  copies: number;
  quarantine: string;
  label_en: string;
  label_zh: string;
}

export interface Source {
  device_id: string;
  device_name: string;
  device_name_en: string;
  protocol: string;
  account: string;
  deliveries: number;
  unanswered: number;
  slow: number;
  repetitions: number;
  longest_ms: number | null;
  mean_ms: number | null;
}

/** `0.4 ms`, `38 ms`, then as durations are written: `1.4 s`, `3 min 05 s`. */
export function milliseconds(ms: number, tag: LanguageTag): string {
  if (ms >= 1000) return duration(ms, tag);
  const value = ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms);
  return `${count(value, tag)} ${tag === 'zh-CN' ? '毫秒' : 'ms'}`;
}

/** `02:14:07.038`, local. */
export function exactTime(ms: number, tag: LanguageTag): string {
  return `${clockTime(ms, tag)}.${String(new Date(ms).getMilliseconds()).padStart(3, '0')}`;
}
